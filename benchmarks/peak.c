/* clgrad-bench-peak: the roofs of a device, by OpenCL kernels: fused multiply-adds from registers, and reading, copying
 * and adding arrays of several sizes (STREAM, McCalpin 1995); and of a CPU, how long a word takes from one core to
 * another. A roof is the best of several divisions of the work. It stands below the public API, on the library's
 * launches, because the public API runs ops only. */
#include "base/clock.h"
#include "cl/launch.h"
#include "timing.h"
#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>

/* Class cpu computes in vectors of 16 by work-groups of one, class gpu in scalars by groups of 64: as our kernels do. A
 * work-item has CHAINS independent sums, so that the latency of one is hidden: as many as registers hold, of which a
 * CPU without vectors of 16 (AVX2) has 16 that are half as long. */
static const char source[] =
    "#if WGX == 1\n"
    "#define V float16\n"
    "#define LANES 16\n"
    /* Not by vload16(), which PoCL 3.1 makes of eight parts: a sum of two is then computed in parts, too. */
    "typedef float16 loose __attribute__((aligned(4)));\n"
    "#define READ(x, i) (*(__global const loose *)((x) + (x##_off) + (i) * LANES))\n"
    "#define WRITE(y, i, v) (*(__global loose *)((y) + (y##_off) + (i) * LANES) = (v))\n"
    "#else\n"
    "#define V float\n"
    "#define LANES 1\n"
    "#define READ(x, i) LOAD(x, i)\n"
    "#define WRITE(y, i, v) STORE(y, i, v)\n"
    "#endif\n"
    /* Written out, and as a product and a sum: PoCL keeps the sums in registers and makes one instruction of both. */
    "#if CHAINS == 12\n"
    "#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)\n"
    "#else\n"
    "#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5)\n"
    "#endif\n"
    "#define BEGIN_SUM(c) V a##c = (V)((float)c);\n"
    "#define STEP(c) a##c = a##c * x + b;\n"
    "#define ADD(c) + a##c\n"
    /* Sums tend to id + 1: one that tended to 0 would come to numbers below 2^-126, which some CPUs compute slowly. */
    "KERNEL peak_fma(OUT(y), const int n, const float by) {\n"
    "    const size_t id = get_global_id(0);\n"
    "    const V x = (V)(by), b = (V)(1e-3f * (float)(id + 1));\n"
    "    EACH(BEGIN_SUM)\n"
    "    for (int i = 0; i < n; i++) { EACH(STEP) }\n"
    "    WRITE(y, id, (V)(0) EACH(ADD));\n"
    "}\n"
    /* Work-item i of a group takes vectors i, i + WGX, ... of the group's `per` ones: coalesced. */
    "#define BEGIN(per) const size_t at = get_group_id(0) * (size_t)(per) + get_local_id(0);\n"
    "KERNEL peak_copy(IN(x), OUT(y), const int per, const int passes) {\n"
    "    BEGIN(per)\n"
    "    for (int p = 0; p < passes; p++)\n"
    "    for (int i = 0; i < per; i += WGX) WRITE(y, at + i, fmax(READ(x, at + i), (V)(0)));\n"
    "}\n"
    "KERNEL peak_add(IN(x), IN(z), OUT(y), const int per, const int passes) {\n"
    "    BEGIN(per)\n"
    "    for (int p = 0; p < passes; p++)\n"
    "    for (int i = 0; i < per; i += WGX) WRITE(y, at + i, READ(x, at + i) + READ(z, at + i));\n"
    "}\n"
    "KERNEL peak_read(IN(x), OUT(y), const int per, const int passes) {\n"
    "    BEGIN(per)\n"
    "    V a = (V)(0), b = (V)(0), c = (V)(0), d = (V)(0);\n"
    "    for (int p = 0; p < passes; p++)\n"
    "    for (int i = 0; i < per; i += 4 * WGX) {\n"
    "        a += READ(x, at + i);\n"
    "        b += READ(x, at + i + WGX);\n"
    "        c += READ(x, at + i + 2 * WGX);\n"
    "        d += READ(x, at + i + 3 * WGX);\n"
    "    }\n"
    "    WRITE(y, get_global_id(0), a + b + c + d);\n"
    "}\n"
    /* word[0] goes up by one, by turns of the first two work-groups; word[16] counts groups, word[32] finished ones. One
     * that looks too often for its turn, since the other does not run, gives up. */
    "#if WGX == 1\n"
    "KERNEL peak_pass(__global volatile int *word, const ulong word_off, const int turns) {\n"
    "    const int mine = atomic_inc(word + word_off + 16);\n"
    "    if (mine > 1) return;\n"
    "    for (int t = mine; t < turns; t += 2) {\n"
    "        for (int looks = 0; word[word_off] != t; looks++)\n"
    "            if (looks > 1 << 22) return;\n"
    "        atomic_inc(word + word_off);\n"
    "    }\n"
    "    atomic_inc(word + word_off + 32);\n"
    "}\n"
    "#endif\n";

enum { FMA_STEPS = 100000, PASSES = 1 << 14, GPU_GROUP = 64, MAX_GROUPS = 4096, ONE_PASS = 16 << 20 };

typedef struct bench {
    const char *device, *json;
    double      budget;
    int64_t     bytes; /* only this working set; 0: the usual ones */
    bool        only_pass;
    clg_device *dev;
    clg_program *program;
    clg_buffer *x, *z, *y;
    clg_jsonl  *lines;
    FILE       *table;
    int         group, lanes; /* work-items in a work-group; floats in a vector */
    int         chains;       /* 12, or 6: sums of a work-item */
} bench;

typedef struct launch {
    clg_device *dev;
    clg_kernel *kernel;
} launch;

static clg_status enqueue(void *what, int n) {
    const launch *l = what;
    clg_status s = CLG_OK;
    for (int i = 0; i < n && s == CLG_OK; i++) s = clg_kernel_enqueue(l->kernel, NULL, NULL);
    return s == CLG_OK ? clg_device_finish(l->dev) : s;
}

static clg_status time_kernel(const bench *b, const char *name, const clg_bind *args, int n, size_t groups,
                              double *seconds) {
    clg_timing t;
    launch l = {b->dev, NULL};
    clg_status s = clg_kernel_create(b->program, name, args, n, &l.kernel);
    const size_t local[3] = {(size_t)b->group, 1, 1}, global[3] = {groups * (size_t)b->group, 1, 1};
    if (s == CLG_OK) s = clg_kernel_set_range(l.kernel, global, local);
    if (s == CLG_OK) s = clg_time(enqueue, &l, b->budget, &t);
    if (s == CLG_OK) *seconds = t.best;
    clg_kernel_destroy(&l.kernel);
    return s;
}

static int say_pass(const bench *b, double ns) {
    clg_device_info d;
    clg_device_get_info(b->dev, &d);
    fprintf(b->table, "pass   from core to core %21.1f ns\n", ns);
    return clg_jsonl_write(b->lines, json_pack("{s:s,s:s,s:s,s:f}", "what", "pass", "device", d.name, "driver", d.driver,
                                               "ns", ns));
}

static int say(const bench *b, const char *what, double bytes, double gflops, double gbytes) {
    clg_device_info d;
    clg_device_get_info(b->dev, &d);
    if (gflops > 0) fprintf(b->table, "%-6s %22s %9.1f GF/s\n", what, "", gflops);
    else fprintf(b->table, "%-6s working set %7.0f KiB %9.1f GB/s\n", what, bytes / 1024, gbytes);
    fflush(b->table);
    return clg_jsonl_write(b->lines, json_pack("{s:s,s:s,s:s,s:f,s:f,s:f}", "what", what, "device", d.name, "driver",
                                               d.driver, "bytes", bytes, "gflops", gflops, "gbytes", gbytes));
}

static int bench_fma(const bench *b) {
    double best = 0;
    clg_device_info d;
    clg_device_get_info(b->dev, &d);
    for (int per = 1; per <= (b->group > 1 ? 32 : 4); per *= 2) {
        const size_t groups = (size_t)(d.compute_units * per);
        const int steps = b->group > 1 ? FMA_STEPS / 100 : FMA_STEPS;
        const clg_bind args[] = {{.kind = CLG_BIND_BUFFER, .name = "y", .buffer = b->y},
                                 {.kind = CLG_BIND_INT, .name = "n", .i = steps},
                                 {.kind = CLG_BIND_FLOAT, .name = "by", .f = 0.999}};
        double seconds;
        if (time_kernel(b, "peak_fma", args, 3, groups, &seconds) < 0) return clg_tool_fail();
        const double flops = 2.0 * b->chains * steps * b->lanes * b->group * (double)groups;
        if (flops / seconds > best) best = flops / seconds;
    }
    return say(b, "fma", 0, best * 1e-9, 0);
}

/* The best of several numbers of work-groups; each takes a whole number of steps of four vectors an item. What is small
 * is passed over many times in a launch, by the same group, so that the launch does not count. apart: elements by which
 * the arrays begin at different places of their pages: on some CPUs a load waits for a store at the same place. */
static clg_status stream(const bench *b, const char *kernel, int arrays, int64_t bytes, uint64_t apart, double *best) {
    clg_device_info d;
    clg_device_get_info(b->dev, &d);
    const int64_t passes = bytes < ONE_PASS ? ONE_PASS / bytes : 1;
    for (int64_t groups = d.compute_units; groups <= MAX_GROUPS; groups *= 2) {
        const int64_t step = 4ll * b->group, vectors = bytes / (arrays * 4ll * b->lanes);
        const int64_t per = vectors / groups / step * step;
        if (per == 0 || per > INT32_MAX) continue;
        const clg_bind x = {.kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = b->x};
        const clg_bind z = {.kind = CLG_BIND_BUFFER, .name = "z", .is_const = true, .buffer = b->z,
                            .offset = apart};
        const clg_bind y = {.kind = CLG_BIND_BUFFER, .name = "y", .buffer = b->y, .offset = 2 * apart};
        const clg_bind n = {.kind = CLG_BIND_INT, .name = "per", .i = per};
        const clg_bind times = {.kind = CLG_BIND_INT, .name = "passes", .i = passes};
        const clg_bind two[] = {x, y, n, times}, three[] = {x, z, y, n, times};
        double seconds;
        const clg_status s = time_kernel(b, kernel, arrays == 3 ? three : two, arrays == 3 ? 5 : 4, (size_t)groups,
                                         &seconds);
        if (s < 0) return s;
        const double rate = 4.0 * b->lanes * arrays * (double)(per * groups * passes) / seconds;
        if (rate > *best) *best = rate;
    }
    return CLG_OK;
}

static int bench_bytes(const bench *b, int64_t bytes) {
    static const struct { const char *what, *kernel; int arrays; } kinds[] = {
        {"read", "peak_read", 1}, {"copy", "peak_copy", 2}, {"add", "peak_add", 3}};
    int code = 0;
    for (int k = 0; k < 3 && code == 0; k++) {
        double best = 0;
        if (stream(b, kinds[k].kernel, kinds[k].arrays, bytes, 0, &best) < 0 ||
            stream(b, kinds[k].kernel, kinds[k].arrays, bytes, 336, &best) < 0)
            return clg_tool_fail();
        code = say(b, kinds[k].what, (double)bytes, 0, best * 1e-9);
    }
    return code;
}

/* The least of some tries, of which one ends without a time where one worker took both groups. */
static int bench_pass(const bench *b) {
    static const int32_t zeros[48];
    int32_t words[48];
    const clg_bind args[] = {{.kind = CLG_BIND_BUFFER, .name = "word", .buffer = b->y},
                             {.kind = CLG_BIND_INT, .name = "turns", .i = PASSES}};
    launch l = {b->dev, NULL};
    double least = 0;
    const size_t one[3] = {1, 1, 1}, groups[3] = {8, 1, 1}; /* PoCL 3.1 gives the first worker all of two */
    clg_status s = clg_kernel_create(b->program, "peak_pass", args, 2, &l.kernel);
    if (s == CLG_OK) s = clg_kernel_set_range(l.kernel, groups, one);
    for (int i = 0; i < 40 && s == CLG_OK; i++) {
        s = clg_buffer_write(b->y, 0, CLG_I32, zeros, 48);
        const double begin = clg_now();
        if (s == CLG_OK) s = enqueue(&l, 1);
        const double seconds = (clg_now() - begin) / PASSES;
        if (s == CLG_OK) s = clg_buffer_read(b->y, 0, CLG_I32, words, 48);
        if (s == CLG_OK && words[32] == 2 && (least == 0 || seconds < least)) least = seconds;
    }
    clg_kernel_destroy(&l.kernel);
    if (s < 0) return clg_tool_fail();
    return least > 0 ? say_pass(b, 1e9 * least) : 0;
}

static int walk(bench *b) {
    /* The last two are relu's and add's of 16x64x56x56. */
    static const int64_t sizes[] = {64 << 10, 1 << 20, 8 << 20, 384 << 20, 2 * 12845056, 3 * 12845056};
    const int n = b->only_pass ? 0 : b->bytes ? 1 : (int)(sizeof sizes / sizeof sizes[0]);
    clg_device_info d;
    clg_device_get_info(b->dev, &d);
    int64_t most = b->bytes;
    for (int i = 0; !b->bytes && i < n; i++) most = sizes[i] > most ? sizes[i] : most;
    char options[48];
    const int width = clg_device_get_caps(b->dev)->vector_f32;
    b->chains = b->group > 1 || width >= 16 ? 12 : 6;
    snprintf(options, sizeof options, "-DWGX=%d -DCHAINS=%d", b->group, b->chains);
    clg_status s = clg_program_get(b->dev, &(clg_source){"peak", source, options}, &b->program);
    if (s == CLG_OK) s = clg_buffer_create(b->dev, (size_t)most + (1 << 20), "x", &b->x);
    if (s == CLG_OK) s = clg_buffer_create(b->dev, (size_t)most + (1 << 20), "z", &b->z);
    if (s == CLG_OK) s = clg_buffer_create(b->dev, (size_t)most + (4 << 20), "y", &b->y);
    int code = s < 0 ? clg_tool_fail() : b->only_pass ? 0 : bench_fma(b);
    if (code == 0 && b->group == 1 && d.compute_units > 1) code = bench_pass(b);
    for (int i = 0; i < n && code == 0; i++) code = bench_bytes(b, b->bytes ? b->bytes : sizes[i]);
    clg_program_release(&b->program);
    clg_buffer_destroy(&b->x);
    clg_buffer_destroy(&b->z);
    clg_buffer_destroy(&b->y);
    return code;
}

int main(int argc, char **argv) {
    bench b = {.budget = 0.05};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each division of the work (default 0.05)", 0.001, 1000},
        {CLG_OPT_INT, "bytes", "N", &b.bytes, "only this working set (default: 64 KiB to 384 MiB)", 4096, 1e9},
        {CLG_OPT_FLAG, "pass", NULL, &b.only_pass, "only how long a word takes from one core to another"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a roof to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench-peak [OPTIONS]",
        "Measures the device's roofs: fused multiply-adds a second, and bytes a second of\n"
        "reading, copying (one array to another) and adding (two to a third) arrays that\n"
        "together have the size of the working set; on CPUs also how long a word takes\n"
        "from one core to another, which tells whether they share a cache.",
        options, NULL, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, NULL);
    const bool runs = b.dev && !clg_device_get_caps(b.dev)->ref;
    if (runs) {
        b.group = clg_device_get_caps(b.dev)->cls == CLG_CLASS_GPU ? GPU_GROUP : 1;
        b.lanes = b.group > 1 ? 1 : 16;
    }
    code = runs ? walk(&b) : !b.dev ? clg_tool_fail()
                           : clg_tool_error(CLG_EXIT_USAGE, "clgrad-bench-peak: the device \"ref\" runs no kernels");
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

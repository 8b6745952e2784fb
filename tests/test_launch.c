/* Programs, kernels, threads, CLBlast: what is enqueued on a device. */
#include <criterion/criterion.h>

#include "support/device.h"
#include "support/rebuilt.h"
#include "base/error.h"
#include "cl/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OK(call) cr_assert((call) == CLG_OK, "%s: %s", #call, clg_error())

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

/* The first OpenCL device, with the given params. */
static clg_device *open_first(const clg_device_params *p) {
    clg_device *d = clg_device_open(opencl_device(), p);
    cr_assert(d, "%s", clg_error());
    cr_assert(!clg_device_get_caps(d)->ref, "the tests want an OpenCL device: install pocl-opencl-icd");
    return d;
}

static clg_device_stats stats_of(const clg_device *d) {
    clg_device_stats s;
    clg_device_get_stats(d, &s);
    return s;
}

static const char scale_text[] =
    "KERNEL scale(IN(x), OUT(y), const int n, const float s) {\n"
    "    const size_t i = get_global_id(0);\n"
    "    if (i < (size_t)n) STORE(y, i, s * LOAD(x, i));\n"
    "}\n"
    "KERNEL rotate16(INOUT(x), __local float *tile, const long by) {\n"
    "    const size_t i = get_local_id(0);\n"
    "    tile[i] = LOAD(x, i);\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    STORE(x, i, tile[(i + (size_t)by) % 16]);\n"
    "}\n"
    "KERNEL twice(IN_T(long, table)) {\n"
    "    for (int i = 0; i < 2; i++) ((__global float *)LOAD(table, i))[get_global_id(0)] *= 2 + i;\n"
    "}\n";

static clg_program *scale_program(clg_device *d) {
    clg_program *p = NULL;
    OK(clg_program_get(d, &(clg_source){ "scale", scale_text, "-DWGX=16" }, &p));
    return p;
}

/* What cl/builtins.clh does not declare, the driver's header does, and the program gets that. */
Test(launch, rare_functions) {
    static const char text[] = "KERNEL bits(INOUT_T(int, x)) { STORE(x, 0, popcount(LOAD(x, 0))); }\n";
    int rebuilt = 0, value = 0x70f;
    clg_device *d = open_first(NULL);
    clg_program *p;
    clg_buffer *x;
    clg_kernel *k;
    clg_set_log(count_rebuilt, &rebuilt, CLG_LOG_INFO);
    OK(clg_program_get(d, &(clg_source){ "rare", text, NULL }, &p));
    clg_set_log(NULL, NULL, CLG_LOG_NONE);
    cr_expect_eq(rebuilt, (d->row.quirks & CLG_QUIRK_HEADER) != 0);
    OK(clg_buffer_create(d, 4096, "x", &x));
    OK(clg_buffer_write(x, 0, CLG_I32, &value, 1));
    OK(clg_kernel_create(p, "bits", &(clg_bind){ .kind = CLG_BIND_BUFFER, .name = "x", .buffer = x }, 1, &k));
    OK(clg_kernel_set_range(k, (size_t[]){ 1, 1, 1 }, (size_t[]){ 1, 1, 1 }));
    OK(clg_kernel_enqueue(k, NULL, NULL));
    OK(clg_buffer_read(x, 0, CLG_I32, &value, 1));
    cr_expect_eq(value, 7);
    clg_kernel_destroy(&k);
    clg_buffer_destroy(&x);
    clg_program_release(&p);
    clg_device_destroy(&d);
}

Test(launch, kernels) {
    clg_device *d = open_first(clg_device_params(.profiling = true));
    clg_program *p = scale_program(d), *again = scale_program(d);
    clg_buffer *x, *y;
    clg_kernel *k, *r;
    float data[16], back[16];
    clg_note note = { .name = "scale" };
    cr_expect(p == again, "one program, two references");
    clg_program_release(&again);
    OK(clg_buffer_create(d, 4096, "x", &x));
    OK(clg_buffer_create(d, 4096, "y", &y));
    for (int i = 0; i < 16; i++) data[i] = (float)i;
    OK(clg_buffer_write(x, 100, CLG_F32, data, 16));
    const clg_bind scale[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = x, .offset = 100 },
                               { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = y, .offset = 3 },
                               { .kind = CLG_BIND_INT, .name = "n", .i = 15 },
                               { .kind = CLG_BIND_FLOAT, .name = "s", .f = 0.5 } };
    const clg_bind rotate[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .buffer = y, .offset = 3 },
                                { .kind = CLG_BIND_LOCAL, .name = "tile", .bytes = 64 },
                                { .kind = CLG_BIND_LONG, .name = "by", .i = 1 } };
    OK(clg_kernel_create(p, "scale", scale, 4, &k));
    OK(clg_kernel_create(p, "rotate16", rotate, 3, &r));
    OK(clg_kernel_set_range(k, (size_t[]){ 16, 1, 1 }, (size_t[]){ 16, 1, 1 }));
    OK(clg_kernel_set_range(r, (size_t[]){ 16, 1, 1 }, (size_t[]){ 16, 1, 1 }));
    for (int i = 0; i < 3; i++) {
        OK(clg_kernel_enqueue(k, &note, NULL));
        OK(clg_kernel_enqueue(r, NULL, NULL));
    }
    cr_expect(note.end == 0, "nothing waits in between");
    OK(clg_buffer_read(y, 3, CLG_F32, back, 16));
    for (int i = 0; i < 16; i++) { /* element 15 is not written by scale: it holds what rotate16 brought there */
        const float want = i < 14 ? 0.5f * (float)(i + 1) : i == 14 ? back[14] : 0;
        cr_expect(back[i] == want, "%d: %g", i, (double)back[i]);
    }
    const bool timed = !driver_is("rusticl"); /* that of Mesa 22 says 0, at times 1 */
    cr_expect((clg_note_ns(&note) > 0 || !timed) && clg_note_ns(&note) < 1000000000u, "%llu ns",
              (unsigned long long)clg_note_ns(&note));
    const uint64_t before = note.end;
    OK(clg_kernel_enqueue(k, &note, NULL));
    OK(clg_device_flush(d));
    OK(clg_device_finish(d));
    cr_expect((note.start >= before && note.end > note.start) || !timed);
    OK(clg_kernel_enqueue(k, &note, NULL)); /* forgotten with its event pending */
    clg_note_forget(d, &note);
    clg_kernel_destroy(&k);
    clg_kernel_destroy(&r);
    clg_program_release(&p);
    clg_buffer_destroy(&x);
    clg_buffer_destroy(&y);
    clg_device_destroy(&d);
}

/* Buffers whose addresses stand in memory, where they are known. */
Test(launch, buffers_beside_arguments) {
    clg_device *d = open_first(NULL);
    clg_program *p = scale_program(d);
    clg_buffer *x[2], *table;
    clg_kernel *k;
    float data[16], back[16];
    int64_t address[2];
    for (int i = 0; i < 16; i++) data[i] = (float)i;
    OK(clg_buffer_create(d, sizeof address, "table", &table));
    for (int b = 0; b < 2; b++) {
        OK(clg_buffer_create(d, 4096, "x", &x[b]));
        OK(clg_buffer_write(x[b], 0, CLG_F32, data, 16));
        address[b] = (int64_t)(intptr_t)clg_buffer_address(x[b]);
    }
    const clg_device_caps *caps = clg_device_get_caps(d);
    if (caps->shares && caps->cls == CLG_CLASS_CPU) cr_assert(address[0] != 0 && address[1] != 0);
    if (address[0] != 0 && address[1] != 0) {
        OK(clg_buffer_write(table, 0, CLG_I64, address, 2));
        OK(clg_kernel_create(p, "twice", &(clg_bind){ .kind = CLG_BIND_BUFFER, .name = "table", .is_const = true,
                                                      .buffer = table }, 1, &k));
        OK(clg_kernel_uses(k, x, 2));
        OK(clg_kernel_set_range(k, (size_t[]){ 16, 1, 1 }, (size_t[]){ 16, 1, 1 }));
        for (int i = 0; i < 2; i++) OK(clg_kernel_enqueue(k, NULL, NULL));
        for (int b = 0; b < 2; b++) {
            OK(clg_buffer_read(x[b], 0, CLG_F32, back, 16));
            for (int i = 0; i < 16; i++) cr_expect_eq(back[i], (b ? 9.0f : 4.0f) * (float)i);
        }
        clg_kernel_destroy(&k);
    }
    clg_program_release(&p);
    for (int b = 0; b < 2; b++) clg_buffer_destroy(&x[b]);
    clg_buffer_destroy(&table);
    clg_device_destroy(&d);
}

/* They go no sooner than the commands that use them have ended. */
Test(launch, buffers_that_are_given_back_early, .timeout = 100) {
    enum { ITEMS = 1 << 22 };
    clg_device *d = open_first(clg_device_params(.mem_cap = 100 << 20)); /* so that nothing is kept for later */
    clg_program *p = scale_program(d);
    clg_buffer *x, *table, *other;
    clg_kernel *k;
    OK(clg_buffer_create(d, 2 * sizeof(int64_t), "table", &table));
    OK(clg_buffer_create(d, ITEMS * sizeof(float), "x", &x));
    const int64_t at = (int64_t)(intptr_t)clg_buffer_address(x), address[2] = { at, at };
    cl_int err;
    cl_event gate = clCreateUserEvent(d->context, &err);
    cr_assert_eq(err, CL_SUCCESS);
    if (at != 0) {
        OK(clg_buffer_write(table, 0, CLG_I64, address, 2));
        OK(clg_kernel_create(p, "twice", &(clg_bind){ .kind = CLG_BIND_BUFFER, .name = "table", .is_const = true,
                                                      .buffer = table }, 1, &k));
        OK(clg_kernel_uses(k, &x, 1));
        OK(clg_kernel_set_range(k, (size_t[]){ ITEMS, 1, 1 }, (size_t[]){ 16, 1, 1 }));
        OK(clg_kernel_enqueue(k, NULL, &(clg_link){ .wait = &gate, .n_wait = 1 }));
        OK(clg_device_flush(d));
        clg_kernel_destroy(&k); /* which must not wait for the gate */
    }
    clg_buffer_destroy(&x);
    OK(clg_buffer_create(d, 95 << 20, "other", &other)); /* for which what is kept must make room */
    cr_assert_eq(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    OK(clg_device_finish(d));
    clReleaseEvent(gate);
    clg_program_release(&p);
    clg_buffer_destroy(&other);
    clg_buffer_destroy(&table);
    clg_device_destroy(&d);
}

Test(launch, bindings_are_checked) {
    clg_device *d = open_first(NULL), *other = open_first(NULL);
    clg_program *p = scale_program(d);
    clg_buffer *x, *foreign;
    clg_kernel *k = NULL;
    OK(clg_buffer_create(d, 4096, "x", &x));
    OK(clg_buffer_create(other, 4096, "foreign", &foreign));
    const clg_bind good[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = x },
                              { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = x, .offset = 64 },
                              { .kind = CLG_BIND_INT, .name = "n", .i = 15 },
                              { .kind = CLG_BIND_FLOAT, .name = "s", .f = 0.5 } };
    static const char *const named[] = { "x", "y", "n", "s" };
    for (int c = 0; c < 9; c++) {
        clg_bind bad[4];
        int at = 0, n = 4;
        bool debug_only = true;
        memcpy(bad, good, sizeof good);
        switch (c) {
        case 0: bad[at = 0].is_const = false; break;
        case 1: bad[at = 1].is_const = true; break;
        case 2: bad[at = 2].name = "m"; break;
        case 3: bad[at = 2].kind = CLG_BIND_FLOAT; break;
        case 4: bad[at = 2].i = 1ll << 40; debug_only = false; break;
        case 5: bad[at = 3].kind = CLG_BIND_LOCAL; bad[3].bytes = 4; break;
        case 6: bad[at = 1].buffer = foreign; debug_only = false; break;
        case 7: bad[at = 0].buffer = NULL; debug_only = false; break;
        default: n = 3; debug_only = false; break;
        }
#ifdef NDEBUG
        if (debug_only) continue;
#endif
        cr_expect(clg_kernel_create(p, "scale", bad, n, &k) == CLG_ERR_INVALID, "case %d", c);
        cr_expect(contains(clg_error(), "scale.scale"), "case %d: %s", c, clg_error());
        if (n == 4) cr_expect(contains(clg_error(), c == 2 ? "argument m" : named[at]), "case %d: %s", c, clg_error());
        (void)debug_only;
    }
    cr_expect(clg_kernel_create(p, "absent", good, 4, &k) == CLG_ERR_INVALID && contains(clg_error(), "absent"));
    OK(clg_kernel_create(p, "scale", good, 4, &k));
    static const size_t ranges[][6] = { { 16, 1, 1, 8, 1, 1 }, { 15, 1, 1, 16, 1, 1 }, { 0, 1, 1, 16, 1, 1 },
        { 16, 1, 1, 0, 1, 1 }, { 1 << 30, 1, 1, 1 << 30, 1, 1 }, { 64, 64, 64, 64, 64, 64 } };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        cr_expect(clg_kernel_set_range(k, ranges[i], ranges[i] + 3) == (i == 5 ? CLG_ERR_UNSUP : CLG_ERR_INVALID),
                  "range %zu", i); /* the last is one that another device may take */
    clg_kernel_destroy(&k);
    clg_program_release(&p);
    clg_buffer_destroy(&x);
    clg_buffer_destroy(&foreign);
    clg_device_destroy(&other);
    clg_device_destroy(&d);
}

Test(launch, programs_that_do_not_build) {
    clg_device *d = open_first(NULL), *ref = clg_device_open("ref", NULL);
    clg_program *p = NULL;
    const clg_source bad = { "broken", "KERNEL f(IN(x)) {\n    x = unheard_of;\n}\n", "-DFOO=1" };
    char first[2000];
    cr_assert(clg_program_get(d, &bad, &p) == CLG_ERR_BUILD && !p);
    cr_expect(contains(clg_error(), "broken") && contains(clg_error(), "-DFOO=1"), "%s", clg_error());
    cr_expect(contains(clg_error(), "unheard_of"), "the log is there: %s", clg_error());
    cr_expect(contains(clg_error(), "broken:2") || driver_is("Oclgrind"), /* which counts lines from the prelude on */
              "the log names the place: %s", clg_error());
    snprintf(first, sizeof first, "%s", clg_error());
    const double seconds = stats_of(d).build_seconds;
    cr_assert(clg_program_get(d, &bad, &p) == CLG_ERR_BUILD && !p);
    cr_expect(strcmp(first, clg_error()) == 0);
    cr_expect(stats_of(d).build_seconds == seconds, "remembered, not compiled again");
    cr_expect(stats_of(d).programs_built == 0);
    cr_expect(clg_program_get(d, &(clg_source){ .name = "no_such_file" }, &p) == CLG_ERR_BUILD
              && contains(clg_error(), "no_such_file.cl"), "%s", clg_error());
    cr_expect(clg_program_get(d, &(clg_source){ "gen", "#include \"absent.clh\"\n", NULL }, &p) == CLG_ERR_BUILD
              && contains(clg_error(), "absent.clh"), "%s", clg_error());
    cr_expect(clg_program_get(ref, &bad, &p) == CLG_ERR_UNSUP);
    clg_device_destroy(&ref);
    clg_device_destroy(&d);
}

/* The kernel that a line begins, into name. */
static bool kernel_of(const char *line, char name[64]) { return sscanf(line, "KERNEL %63[a-z0-9_](", name) == 1; }

/* A program that is to have one kernel of a file has that one alone, and its lines keep their numbers. */
Test(launch, only_what_is_launched) {
    const char *text, *file;
    int kernels = 0;
    for (int i = 0; (file = clg_program_file(i, &text)) != NULL; i++) {
        char stem[64], name[64], other[64];
        if (sscanf(file, "%63[a-z0-9_].cl", stem) != 1 || strcmp(file + strlen(stem), ".cl") != 0) continue;
        clg_str whole = { 0 };
        OK(clg_source_expand(&(clg_source){ .name = stem }, &whole));
        for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
            if (!kernel_of(line, name)) continue;
            clg_str one = { 0 };
            int found = 0, lines = 0, lines_whole = 0;
            OK(clg_source_expand(&(clg_source){ .name = stem, .only = name }, &one));
            for (const char *l = clg_str_text(&one); l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL, lines++) {
                if (!kernel_of(l, other)) continue;
                cr_expect_str_eq(other, name, "%s: beside %s", file, name);
                found++;
            }
            for (const char *l = clg_str_text(&whole); l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
                lines_whole++;
            cr_expect(found == 1 && lines == lines_whole, "%s: %s stands there %d times, in %d of %d lines", file, name,
                      found, lines, lines_whole);
            clg_str_free(&one);
            kernels++;
        }
        clg_str_free(&whole);
    }
    cr_assert_gt(kernels, 40);
}

Test(launch, includes) {
    clg_str text = { 0 };
    const char *prelude = NULL;
    const char body_text[] = "# include \"clg.clh\" // twice\nint a;\n#include <x.h>";
    OK(clg_source_expand(&(clg_source){ "gen", body_text, NULL }, &text));
    const char *s = clg_str_text(&text);
    cr_expect(contains(s, "#line 1 \"clg.clh\"") && contains(s, "#line 1 \"gen\"\n#line 2 \"gen\"\nint a;"), "%s", s);
    cr_expect(contains(s, "#include <x.h>"));
    const char *guard = strstr(s, "#define CLG_CLH_");
    cr_expect(guard && !strstr(guard + 1, "#define CLG_CLH_"), "each file once");
    clg_str_free(&text);
    int n = 0;
    for (const char *name, *body; (name = clg_program_file(n, &body)) != NULL; n++)
        if (strcmp(name, "clg.clh") == 0) prelude = body;
    cr_expect(n > 0 && prelude && contains(prelude, "#define KERNEL"));
    cr_expect(!clg_program_file(n, NULL) && !clg_program_file(n + 5, NULL) && !clg_program_file(-1, NULL));
}

/* --- threads --- */

typedef struct thread_job { clg_device *d; int id, wrong; } thread_job;

static void *thread_main(void *arg) {
    thread_job *j = arg;
    char options[32];
    snprintf(options, sizeof options, "-DWGX=%d", 1 << (j->id % 2)); /* some share a program */
    for (int round = 0; round < 20; round++) {
        clg_program *p = NULL;
        clg_buffer *x = NULL, *y = NULL;
        clg_kernel *k = NULL;
        float data[64], back[64];
        for (int i = 0; i < 64; i++) data[i] = (float)(i * j->id + round);
        bool ok = clg_program_get(j->d, &(clg_source){ "scale", scale_text, options }, &p) == CLG_OK
            && clg_buffer_create(j->d, sizeof data, "x", &x) == CLG_OK
            && clg_buffer_create(j->d, sizeof data, "y", &y) == CLG_OK
            && clg_buffer_write(x, 0, CLG_F32, data, 64) == CLG_OK;
        const clg_bind args[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = x },
                                  { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = y },
                                  { .kind = CLG_BIND_INT, .name = "n", .i = 64 },
                                  { .kind = CLG_BIND_FLOAT, .name = "s", .f = 2 } };
        const size_t local[] = { (size_t)1 << (j->id % 2), 1, 1 };
        ok = ok && clg_kernel_create(p, "scale", args, 4, &k) == CLG_OK
            && clg_kernel_set_range(k, (size_t[]){ 64, 1, 1 }, local) == CLG_OK
            && clg_kernel_enqueue(k, NULL, NULL) == CLG_OK
            && clg_buffer_read(y, 0, CLG_F32, back, 64) == CLG_OK;
        for (int i = 0; ok && i < 64; i++) ok = back[i] == 2 * data[i];
        j->wrong += !ok;
        clg_kernel_destroy(&k);
        clg_buffer_destroy(&x);
        clg_buffer_destroy(&y);
        clg_program_release(&p);
    }
    clg_device_destroy(&j->d);
    return NULL;
}

Test(launch, shared_by_threads) {
    if (driver_is("Oclgrind")) cr_skip_test("Oclgrind 21.10 asserts when two threads start kernels");
    clg_device *d = open_first(clg_device_params(.active_wait_us = -1)); /* whose kernel would be a third program */
    pthread_t threads[4];
    thread_job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (thread_job){ clg_device_ref(d), i, 0 };
        cr_assert(pthread_create(&threads[i], NULL, thread_main, &jobs[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_expect(jobs[i].wrong == 0, "thread %d: %d rounds", i, jobs[i].wrong);
    }
    cr_expect(stats_of(d).mem_used == 0);
    cr_expect(stats_of(d).programs_built + stats_of(d).programs_cached == 2, "%d built, %d loaded",
              stats_of(d).programs_built, stats_of(d).programs_cached);
    clg_device_destroy(&d);
}

/* --- CLBlast --- */

static float at(const float *a, bool t, int64_t ld, int64_t row, int64_t col) {
    return t ? a[col * ld + row] : a[row * ld + col];
}

/* Small integers: every sum is exact. What is outside of C keeps its NaNs, what is inside must not be read. */
static void check_gemm(clg_device *d, clg_gemm g) {
    enum { N = 4096 };
    static float a[N], b[N], c[N];
    for (int i = 0; i < N; i++) {
        a[i] = (float)(i * 7 % 11 - 5);
        b[i] = (float)(i * 5 % 13 - 6);
        c[i] = NAN;
    }
    OK(clg_buffer_write(g.a, 0, CLG_F32, a, N));
    OK(clg_buffer_write(g.b, 0, CLG_F32, b, N));
    OK(clg_buffer_write(g.c, 0, CLG_F32, c, N));
    cr_assert(clg_gemm_clblast_fits(d, &g));
    OK(clg_gemm_clblast(d, &g, NULL, NULL));
    OK(clg_buffer_read(g.c, 0, CLG_F32, c, N));
    for (int64_t z = 0; z < g.batch; z++)
        for (int64_t i = 0; i < g.m; i++)
            for (int64_t j = 0; j < g.n; j++) {
                const float *az = a + g.a_off + z * g.a_stride, *bz = b + g.b_off + z * g.b_stride;
                float sum = 0;
                for (int64_t k = 0; k < g.k; k++) sum += at(az, g.ta, g.lda, i, k) * at(bz, g.tb, g.ldb, k, j);
                float *got = &c[(int64_t)g.c_off + z * g.c_stride + i * g.ldc + j];
                cr_assert(*got == sum, "t %d%d, batch %d, C[%d,%d] is %g, not %g", g.ta, g.tb, (int)z, (int)i, (int)j,
                          (double)*got, (double)sum);
                *got = NAN;
            }
    for (int i = 0; i < N; i++) cr_assert(isnan(c[i]), "written outside of C at %d", i);
}

Test(launch, clblast, .timeout = 240) {
    clg_device *d = open_first(NULL), *ref = clg_device_open("ref", NULL);
    snprintf(d->row.vendor, sizeof d->row.vendor, "Intel(R) Corporation"); /* gets the parameters of this library */
    clg_gemm g = { .m = 5, .n = 7, .k = 3, .batch = 1, .a_off = 11, .b_off = 3, .c_off = 130, .lda = 9, .ldb = 10,
                   .ldc = 8 };
    OK(clg_buffer_create(d, 4096 * 4, "a", &g.a));
    OK(clg_buffer_create(d, 4096 * 4, "b", &g.b));
    OK(clg_buffer_create(d, 4096 * 4, "c", &g.c));
    for (int t = 0; t < 4; t++) {
        g.ta = t & 1;
        g.tb = t & 2;
        check_gemm(d, g);
    }
    g.tb = false;
    g.m = g.n = g.k = 1;
    check_gemm(d, g);
    g.m = 5, g.n = 7, g.k = 3, g.batch = 4, g.a_stride = 100, g.b_stride = 0, g.c_stride = 61;
    check_gemm(d, g);
    int64_t *const sizes[] = { &g.m, &g.n, &g.k, &g.batch, &g.lda };
    for (int i = 0; i < 5; i++) {
        const int64_t old = *sizes[i];
        *sizes[i] = 0;
        cr_expect(!clg_gemm_clblast_fits(d, &g) && clg_gemm_clblast(d, &g, NULL, NULL) == CLG_ERR_UNSUP);
        *sizes[i] = 1ll << 40;
        cr_expect(!clg_gemm_clblast_fits(d, &g));
        *sizes[i] = old;
    }
    cr_expect(!clg_gemm_clblast_fits(ref, &g));
    clg_buffer_destroy(&g.a);
    clg_buffer_destroy(&g.b);
    clg_buffer_destroy(&g.c);
    clg_device_destroy(&ref);
    clg_device_destroy(&d);
}

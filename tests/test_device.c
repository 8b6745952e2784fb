/* Devices: choice, errors, memory, uploads. Each test opens what it needs in its own process. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "cl/internal.h"
#include "support/device.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OK(call) cr_assert((call) == CLG_OK, "%s: %s", #call, clg_error())

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

/* The first OpenCL device, with the given params. */
static clg_device *open_first(const clg_device_params *p) {
    clg_device *d = clg_device_open(opencl_device(), p);
    cr_assert(d, "%s", clg_error());
    cr_assert(!clg_device_get_caps(d)->ref, "the tests want an OpenCL device: install pocl-opencl-icd");
    return d;
}

/* --- choice --- */

/* Whether each of the n devices has a fault for which it is never chosen by default. */
static bool all_are_avoided(int n) {
    clg_device_row row;
    int avoided = 0;
    for (int i = 0; i < n; i++) avoided += clg_catalog_copy(i, &row) && (row.quirks & CLG_QUIRK_AVOID) != 0;
    return avoided == n;
}

Test(device, choice) {
    static const char *const types[] = { "cpu", "gpu", "accel", "ref" };
    const int n = clg_device_count();
    clg_device_info info;
    char text[600], upper[300];
    cr_assert(n >= 2, "the tests want an OpenCL device");
    OK(clg_device_list(0, &info));
    cr_expect(*info.name && *info.platform && *info.driver && info.compute_units > 0 && info.mem_total > 0);
    snprintf(upper, sizeof upper, "%s", info.name);
    for (char *c = upper; *c; c++) *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    snprintf(text, sizeof text, "%s:%s:%s", info.platform, types[info.type], upper);
    cr_expect(clg_device_find(text) == 0, "%s", text);
    clg_device_info same; /* of two platforms, perhaps */
    OK(clg_device_list(clg_device_find(upper), &same));
    cr_expect(contains(same.name, info.name), "%s found %s", upper, same.name);
    cr_expect(clg_device_find(info.platform) >= 0);
    snprintf(text, sizeof text, "%s:0", types[info.type]);
    cr_expect(clg_device_find(text) == 0, "%s", text);
    snprintf(text, sizeof text, "%s::0", info.platform);
    cr_expect(clg_device_find(text) == 0, "%s", text);
    snprintf(text, sizeof text, ":%s:", types[info.type]);
    cr_expect(clg_device_find(text) >= 0 && clg_device_find(text) < n - 1, "%s", text);
    cr_expect(clg_device_find("0") == 0);
    static const char *const refs[] = { "ref", "REF", ":ref:", "clgrad:ref:reference", "ref:0", "reference", NULL };
    for (int i = 0; refs[i]; i++) cr_expect(clg_device_find(refs[i]) == n - 1, "%s", refs[i]);
    unsetenv("CLGRAD_DEVICE");
    if (all_are_avoided(n - 1)) { /* none is chosen unasked */
        cr_expect_eq(clg_device_find(NULL), CLG_ERR_DEVICE);
        cr_expect(contains(clg_error(), "by default"), "%s", clg_error());
    } else {
        const int chosen = clg_device_find(NULL);
        cr_expect(chosen >= 0 && chosen < n - 1, "the default is never ref: %d, %s", chosen, clg_error());
        cr_expect(chosen == clg_device_find(""));
        cr_expect(clg_error_status() == CLG_OK, "no call has failed, but the error says %s", clg_error());
    }
    setenv("CLGRAD_DEVICE", "ref", 1);
    cr_expect(clg_device_find(NULL) == n - 1);
    cr_expect(clg_device_find("0") == 0, "an argument goes before the environment");
}

/* "intel" is Intel's driver, although PoCL's device on a CPU of Intel has that in its name, too. */
Test(device, names_of_platforms_come_first) {
    static const char *const types[] = { "cpu", "gpu", "accel", "ref" };
    clg_device_info info, found;
    for (int i = 0; i < clg_device_count(); i++) {
        char word[64], which[80];
        OK(clg_device_list(i, &info));
        if (info.type == CLG_DEVICE_REF) continue;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(info.platform, " (:"), info.platform);
        snprintf(which, sizeof which, "%s:%s", word, types[info.type]);
        const int at = clg_device_find(which);
        cr_assert(at >= 0, "%s: %s", which, clg_error());
        OK(clg_device_list(at, &found));
        cr_expect(contains(found.platform, word), "%s is %s of %s", which, found.name, found.platform);
    }
}

Test(device, unknown_names_list_candidates) {
    static const char *const bad[] = { "nonsense", "99", "gpu:99", "nonsense:cpu:", ":cpu:nonsense", "ref:1", NULL };
    static const char *const malformed[] = { "a:b:c", "a:cpu:b:c", "1:cpu:2", "cpu:gpu", "a:b:c:d:e", NULL };
    clg_device_info info;
    OK(clg_device_list(0, &info));
    for (int i = 0; bad[i]; i++) {
        cr_expect(clg_device_find(bad[i]) == CLG_ERR_DEVICE, "%s", bad[i]);
        cr_expect(!clg_device_open(bad[i], NULL));
        cr_expect(contains(clg_error(), bad[i]) && contains(clg_error(), info.name), "%s", clg_error());
        cr_expect(contains(clg_error(), "clgrad:ref"), "%s", clg_error());
    }
    for (int i = 0; malformed[i]; i++) {
        cr_expect(clg_device_find(malformed[i]) == CLG_ERR_DEVICE, "%s", malformed[i]);
        cr_expect(contains(clg_error(), malformed[i]), "%s", clg_error());
        cr_expect(contains(clg_error(), "platform:type:name"), "%s", clg_error());
    }
    setenv("CLGRAD_DEVICE", "nonsense", 1);
    cr_expect(!clg_device_open(NULL, NULL));
    cr_expect(contains(clg_error(), "$CLGRAD_DEVICE"), "%s", clg_error());
    cr_expect(clg_device_list(-1, &info) == CLG_ERR_INVALID);
    cr_expect(clg_device_list(clg_device_count(), &info) == CLG_ERR_INVALID);
    cr_expect(clg_device_list(0, NULL) == CLG_ERR_INVALID);
}

/* The reference device must work where OpenCL does not. */
static void expect_ref_only(const char *hint) {
    unsetenv("CLGRAD_DEVICE");
    cr_expect(clg_device_count() == 1);
    cr_expect(clg_error_status() == CLG_OK);
    cr_expect(clg_device_find(NULL) == CLG_ERR_DEVICE);
    cr_expect(!clg_device_open(NULL, NULL));
    cr_expect(contains(clg_error(), hint), "%s", clg_error());
    cr_expect(!clg_device_open("gpu", NULL));
    cr_expect(contains(clg_error(), "gpu") && contains(clg_error(), hint), "%s", clg_error());
    clg_device *d = clg_device_open("ref", NULL);
    cr_assert(d, "%s", clg_error());
    clg_device_info info;
    clg_device_get_info(d, &info);
    cr_expect(info.type == CLG_DEVICE_REF);
    clg_device_destroy(&d);
    cr_expect(d == NULL);
}

Test(device, no_platform) {
    const char *preloaded = getenv("LD_PRELOAD"); /* the devices are not to be looked for yet */
    if (preloaded && contains(preloaded, "oclgrind"))
        cr_skip_test("Oclgrind brings its platform along, whatever the loader is told");
    char dir[SCRATCH], with_slash[SCRATCH + 2];
    make_scratch(dir);
    snprintf(with_slash, sizeof with_slash, "%s/", dir);
    setenv("OCL_ICD_VENDORS", with_slash, 1); /* ocl-icd */
    setenv("OCL_ICD_FILENAMES", "", 1);
    expect_ref_only("apt-get install pocl-opencl-icd");
    remove_scratch(dir);
}

Test(device, empty_pocl_cache_dir) {
    setenv("POCL_CACHE_DIR", "", 1); /* PoCL 3.1 would abort */
    expect_ref_only("POCL_CACHE_DIR");
}

Test(device, quirks) {
    const unsigned pocl6 = CLG_QUIRK_OWN_CACHE, pocl5 = pocl6 | CLG_QUIRK_APART, pocl = pocl5 | CLG_QUIRK_HEADER;
    const struct {
        const char *platform, *driver;
        unsigned flags;
        int cls;
        const char *reason;
    } cases[] = {
        { "Portable Computing Language", "3.0-rc2", pocl | CLG_QUIRK_AVOID | CLG_QUIRK_GPU_KERNELS, CLG_CLASS_GPU,
          "float16" },
        { "Portable Computing Language", "1.8", pocl | CLG_QUIRK_AVOID | CLG_QUIRK_GPU_KERNELS, CLG_CLASS_GPU,
          "float16" },
        { "Portable Computing Language", "3.1+debian", pocl, CLG_CLASS_CPU, "declarations" },
        { "Portable Computing Language", "5.0", pocl5, CLG_CLASS_CPU, "two parts" },
        { "Portable Computing Language", "6.0", pocl6, CLG_CLASS_CPU, "CLGRAD_BINARIES" },
        { "rusticl", "22.3.6", CLG_QUIRK_AVOID | CLG_QUIRK_NO_PARTS | CLG_QUIRK_NO_BINARIES, CLG_CLASS_CPU, "65,535" },
        { "rusticl", "24.1.0", 0, CLG_CLASS_CPU, "" },
        { "Oclgrind", "21.10", CLG_QUIRK_NO_FILL | CLG_QUIRK_NO_PREFETCH, CLG_CLASS_CPU, "llvm.prefetch" },
        { "NVIDIA CUDA", "535.1", 0, CLG_CLASS_CPU, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_device_row row = { .caps.cls = CLG_CLASS_CPU };
        snprintf(row.platform_name, sizeof row.platform_name, "%s", cases[i].platform);
        snprintf(row.driver, sizeof row.driver, "%s", cases[i].driver);
        clg_quirks_apply(&row);
        cr_expect(row.quirks == cases[i].flags, "%s %s", row.platform_name, row.driver);
        cr_expect((int)row.caps.cls == cases[i].cls, "%s %s", row.platform_name, row.driver);
        cr_expect(contains(row.quirk_text, cases[i].reason) && (*row.quirk_text != 0) == (row.quirks != 0));
    }
}

/* --- memory --- */

Test(device, conversions_of_ref) {
    clg_device *d = clg_device_open("ref", NULL);
    clg_buffer *b;
    cr_assert(d);
    OK(clg_buffer_create(d, 70000 * clg_device_elem_size(d, CLG_F16), "b", &b));
    static uint16_t bits[65536], back[65536];
    static const clg_dtype small[] = { CLG_F16, CLG_BF16 };
    for (int t = 0; t < 2; t++) { /* every value survives; NaNs stay NaNs */
        const int frac = t == 0 ? 10 : 7;
        for (int i = 0; i < 65536; i++) bits[i] = (uint16_t)i;
        OK(clg_buffer_write(b, 7, small[t], bits, 65536));
        OK(clg_buffer_read(b, 7, small[t], back, 65536));
        for (int i = 0; i < 65536; i++) {
            const bool nan = ((i & 0x7fff) >> frac) == (0x7fff >> frac) && (i & ((1 << frac) - 1)) != 0;
            cr_assert(nan ? isnan(*clg_buffer_host(b, 7 + (size_t)i)) : back[i] == i, "%s %04x -> %04x",
                      clg_dtype_name(small[t]), (unsigned)i, back[i]);
        }
    }
    /* value as f64, then what each type makes of it: f16 and bf16 by IEEE 754 (ties to even), i32, u8 */
    static const struct { double x; float f32; uint16_t f16, bf16; int32_t i32; uint8_t u8; } rows[] = {
        { 1, 1, 0x3c00, 0x3f80, 1, 1 },
        { -2.5, -2.5f, 0xc100, 0xc020, -2, 0 },
        { 0.1, 0.1f, 0x2e66, 0x3dcd, 0, 0 },
        { 65519, 65519, 0x7bff, 0x4780, 65519, 255 },
        { 65520, 65520, 0x7c00, 0x4780, 65520, 255 },
        { 1 + 0x1p-11, 1 + 0x1p-11f, 0x3c00, 0x3f80, 1, 1 },
        { 1 + 0x3p-11, 1 + 0x3p-11f, 0x3c02, 0x3f80, 1, 1 },
        { 0x1p-25, 0x1p-25f, 0x0000, 0x3300, 0, 0 },
        { 0x3p-25, 0x3p-25f, 0x0002, 0x33c0, 0, 0 },
        { 0x1p-14, 0x1p-14f, 0x0400, 0x3880, 0, 0 },
        { 3e9, 3e9f, 0x7c00, 0x4f33, INT32_MAX, 255 },
        { -1e300, -INFINITY, 0xfc00, 0xff80, INT32_MIN, 0 },
        { 254.5, 254.5f, 0x5bf4, 0x437e, 254, 254 },
        { -0.0, -0.0f, 0x8000, 0x8000, 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        float f32;
        uint16_t f16, bf16;
        int32_t i32;
        uint8_t u8;
        double f64;
        OK(clg_buffer_write(b, 3, CLG_F64, &rows[i].x, 1));
        OK(clg_buffer_read(b, 3, CLG_F64, &f64, 1));
        OK(clg_buffer_read(b, 3, CLG_F32, &f32, 1));
        OK(clg_buffer_read(b, 3, CLG_F16, &f16, 1));
        OK(clg_buffer_read(b, 3, CLG_BF16, &bf16, 1));
        OK(clg_buffer_read(b, 3, CLG_I32, &i32, 1));
        OK(clg_buffer_read(b, 3, CLG_U8, &u8, 1));
        cr_expect(f64 == rows[i].x && f32 == rows[i].f32 && f16 == rows[i].f16 && bf16 == rows[i].bf16
                  && i32 == rows[i].i32 && u8 == rows[i].u8, "%g: %g %g %04x %04x %d %d", rows[i].x, f64, (double)f32,
                  f16, bf16, i32, u8);
    }
    clg_buffer_destroy(&b);
    clg_device_destroy(&d);
}

Test(device, buffers) {
    static const clg_dtype types[] = { CLG_F32, CLG_I32, CLG_U8 };
    const char *const devices[] = { "ref", opencl_device() };
    unsigned char data[1024], back[1024];
    for (int k = 0; k < 2; k++) {
        clg_device *d = clg_device_open(devices[k], NULL);
        clg_buffer *a, *b, *empty;
        cr_assert(d, "%s", clg_error());
        OK(clg_buffer_create(d, 300 * clg_device_elem_size(d, CLG_I32), "a", &a));
        OK(clg_buffer_create(d, 300 * clg_device_elem_size(d, CLG_I32), "b", &b));
        OK(clg_buffer_create(d, 0, "empty", &empty));
        for (int t = 0; t < 3; t++) {
            const size_t size = clg_dtype_size(types[t]);
            OK(clg_device_accepts(d, types[t]));
            for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(t == 0 ? i % 64 : i * 7);
            OK(clg_buffer_write(a, 20, types[t], data, 200));
            OK(clg_buffer_copy(a, 20, b, 50, types[t], 200, NULL, NULL));
            OK(clg_buffer_copy(b, 50, b, 50, types[t], 200, NULL, NULL));
            memset(back, 0xee, sizeof back);
            OK(clg_buffer_read(b, 50, types[t], back, 200));
            cr_expect(memcmp(data, back, 200 * size) == 0, "%s %s", devices[k], clg_dtype_name(types[t]));
            cr_expect(back[200 * size] == 0xee, "reads not more than asked for");
            OK(clg_buffer_read(b, 249, types[t], back, 1));
            cr_expect(memcmp(data + 199 * size, back, size) == 0);
        }
        OK(clg_buffer_read(a, 0, CLG_F32, back, 0));
        OK(clg_buffer_write(empty, 0, CLG_F32, back, 0));
        cr_expect(clg_buffer_read(a, 101, CLG_F32, back, 200) == CLG_ERR_INVALID);
        cr_expect(clg_buffer_write(a, SIZE_MAX, CLG_F32, back, 2) == CLG_ERR_INVALID);
        cr_expect(clg_buffer_write(empty, 0, CLG_F32, back, 1) == CLG_ERR_INVALID);
        cr_expect(clg_buffer_copy(a, 0, b, 300, CLG_F32, 1, NULL, NULL) == CLG_ERR_INVALID);
        cr_expect(clg_device_accepts(d, CLG_DTYPE_COUNT) == CLG_ERR_INVALID);
        cr_expect((clg_device_accepts(d, CLG_F64) == CLG_OK) == (k == 0 || clg_device_get_caps(d)->fp64));
        clg_buffer_destroy(&a);
        clg_buffer_destroy(&b);
        clg_buffer_destroy(&empty);
        clg_buffer_destroy(&empty);
        clg_device_destroy(&d);
    }
}

static clg_device_stats stats_of(const clg_device *d) {
    clg_device_stats s;
    clg_device_get_stats(d, &s);
    return s;
}

Test(device, pool_and_cap) {
    static unsigned char dirty[100000], back[100000];
    memset(dirty, 0x55, sizeof dirty);
    setenv("CLGRAD_MEM_CAP", "1M", 1);
    clg_device *d = open_first(NULL);
    clg_buffer *a, *b, *c = NULL;
    cr_expect(stats_of(d).mem_cap == 1 << 20 && stats_of(d).mem_used == 0);
    OK(clg_buffer_create(d, sizeof dirty, "a", &a));
    const uint64_t used = stats_of(d).mem_used;
    cr_expect(used >= sizeof dirty + CLG_BUFFER_SLACK && used < 2 * sizeof dirty);
    OK(clg_buffer_write(a, 0, CLG_U8, dirty, sizeof dirty));
    const clg_buffer *first = a;
    clg_buffer_destroy(&a);
    cr_expect(a == NULL && stats_of(d).mem_used == 0 && stats_of(d).mem_pooled == used && stats_of(d).mem_peak == used);
    OK(clg_buffer_create(d, sizeof dirty - 100, "a", &a));
    cr_expect(a == first && stats_of(d).mem_pooled == 0, "the buffer comes from the pool");
    cr_expect(clg_buffer_bytes(a) == sizeof dirty - 100);
    OK(clg_buffer_read(a, 0, CLG_U8, back, sizeof dirty - 100));
    for (size_t i = 0; i < sizeof dirty - 100; i++) cr_assert(back[i] == 0, "and is cleared");

    cr_expect(clg_buffer_create(d, 1 << 20, "param conv1.weight", &c) == CLG_ERR_NOMEM && c == NULL);
    cr_expect(contains(clg_error(), "param conv1.weight") && contains(clg_error(), "1048576")
              && contains(clg_error(), "in use") && contains(clg_error(), "cap 1.0 MiB"), "%s", clg_error());
    cr_expect(stats_of(d).mem_used == used);
    OK(clg_buffer_create(d, 400000, "b", &b));
    clg_buffer_destroy(&b);
    OK(clg_buffer_create(d, 700000, "c", &c)); /* only fits when the pool gives b back to the driver */
    cr_expect(stats_of(d).mem_used + stats_of(d).mem_pooled <= 1 << 20);
    clg_buffer_destroy(&c);
    clg_buffer_destroy(&a);
    clg_device_destroy(&d);

    d = open_first(clg_device_params(.mem_cap = 5000000)); /* goes before the environment */
    cr_expect(stats_of(d).mem_cap == 5000000);
    cr_expect(clg_buffer_create(d, SIZE_MAX, "a", &a) == CLG_ERR_NOMEM);
    cr_expect(clg_buffer_create(d, SIZE_MAX / 2, "a", &a) == CLG_ERR_NOMEM);
    clg_device_destroy(&d);

    static const char *const bad[] = { "x", "-1", "1X", "12MM", "99999999999999999999", "99999999999T", NULL };
    for (int i = 0; bad[i]; i++) {
        setenv("CLGRAD_MEM_CAP", bad[i], 1);
        cr_expect(!clg_device_open("ref", NULL), "%s", bad[i]);
        cr_expect(clg_error_status() == CLG_ERR_INVALID && contains(clg_error(), bad[i]), "%s", clg_error());
    }
}

/* What this process has of address space, in bytes. */
static rlim_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert(f && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* A host that has no memory left gives an error, and the device goes on: PoCL ends the process when it finds none for a
 * buffer at its first use. */
Test(device, the_host_has_no_memory_left, .timeout = 60) {
    enum { MANY = 64 };
    const size_t bytes = 32 << 20;
    clg_buffer *b[MANY] = { NULL }, *small = NULL;
    struct rlimit old, tight;
    int n = 0;
    clg_device *d = open_first(NULL);
    if (!clg_device_get_caps(d)->shares || clg_device_get_caps(d)->cls != CLG_CLASS_CPU)
        cr_skip_test("the memory of this device is not that of the process");
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the allocator of AddressSanitizer ends a process that has no memory left");
#endif
    OK(clg_buffer_create(d, 1000, "a first one", &small));
    OK(clg_device_finish(d));
    clg_buffer_destroy(&small);
    cr_assert_eq(getrlimit(RLIMIT_AS, &old), 0);
    tight = old;
    tight.rlim_cur = address_space() + (512u << 20);
    cr_assert_eq(setrlimit(RLIMIT_AS, &tight), 0);
    while (n < MANY && clg_buffer_create(d, bytes, "activations", &b[n]) == CLG_OK) n++;
    cr_expect(n > 0 && n < 16, "%d buffers of 32 MB in 512 MB", n);
    cr_expect(clg_error_status() == CLG_ERR_NOMEM && contains(clg_error(), "activations"), "%s", clg_error());
    OK(clg_device_finish(d));
    for (int i = 0; i < n; i++) clg_buffer_destroy(&b[i]);
    OK(clg_buffer_create(d, bytes, "less", &b[0]));
    OK(clg_device_finish(d));
    clg_buffer_destroy(&b[0]);
    cr_assert_eq(setrlimit(RLIMIT_AS, &old), 0);
    clg_device_destroy(&d);
}

/* --- uploads --- */

/* Many uploads, each followed by device-side work that sees exactly that upload. */
static void upload_in_order(clg_device *d, enum clg_upload_way way) {
    const bool doubled = way != CLG_UPLOAD_IN_LINE;
    enum { N = 1000, ROUNDS = 50 };
    static float data[N], back[N];
    struct _cl_event *done = NULL;
    clg_buffer *log;
    clg_upload *u, *none;
    OK(clg_buffer_create(d, N * ROUNDS * clg_device_elem_size(d, CLG_F32), "log", &log));
    OK(clg_upload_create(d, CLG_F32, N, way, "x", &u));
    OK(clg_upload_create(d, CLG_F32, 0, CLG_UPLOAD_IN_LINE, "nothing", &none));
    OK(clg_upload_write(none, data, NULL));
    cr_expect(clg_upload_sent(none) == NULL && clg_upload_is_doubled(u) == doubled);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < N; i++) data[i] = (float)(r * N + i);
        if (r % 7 == 3) OK(clg_upload_write(u, back, done)); /* what nobody reads is written again */
        clg_buffer *before = clg_upload_buffer(u);
        OK(clg_upload_write(u, data, r % 7 == 3 ? NULL : done));
        cr_expect_eq(clg_upload_buffer(u) != before, doubled && r % 7 != 3);
        memset(data, 0, sizeof data); /* the caller's memory is free at once */
        struct _cl_event *sent = clg_upload_sent(u);
        clg_event_release(&done);
        cr_expect_eq(clg_upload_fresh(u), doubled);
        OK(clg_buffer_copy(clg_upload_buffer(u), 0, log, (size_t)r * N, CLG_F32, N, NULL,
                           &(clg_link){ .n_wait = sent != NULL, .wait = &sent, .done = &done }));
        OK(clg_device_flush(d)); /* as at the end of a run: rusticl does not begin what another queue waits for */
        clg_upload_taken(u);
        cr_expect(!clg_upload_fresh(u));
    }
    for (int r = 0; r < ROUNDS; r++) {
        OK(clg_buffer_read(log, (size_t)r * N, CLG_F32, back, N));
        for (int i = 0; i < N; i++)
            cr_assert(back[i] == (float)(r * N + i), "round %d, %d: %g", r, i, (double)back[i]);
    }
    OK(clg_upload_write(u, back, done));
    clg_event_release(&done);
    clg_upload_destroy(&u); /* with a transfer under way */
    clg_upload_destroy(&none);
    cr_expect(u == NULL);
    clg_buffer_destroy(&log);
}

Test(device, uploads) {
    clg_device *d = clg_device_open("ref", NULL);
    cr_assert(d);
    upload_in_order(d, CLG_UPLOAD_IN_LINE);
    clg_device_destroy(&d);
    d = open_first(NULL);
    upload_in_order(d, CLG_UPLOAD_IN_LINE);
    upload_in_order(d, CLG_UPLOAD_DOUBLED);
    upload_in_order(d, CLG_UPLOAD_SHARED); /* doubled where nothing is */
    const clg_device_caps *caps = clg_device_get_caps(d);
    cr_expect_eq(clg_upload_best(d, 1000, false), caps->unified ? CLG_UPLOAD_IN_LINE : CLG_UPLOAD_DOUBLED);
    cr_expect_eq(clg_upload_best(d, 10000000, false), CLG_UPLOAD_DOUBLED);
    cr_expect_eq(clg_upload_best(d, 10000000, true), caps->shares ? CLG_UPLOAD_SHARED : CLG_UPLOAD_DOUBLED);
    clg_device_destroy(&d);
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1); /* the path of devices with memory of their own */
    d = open_first(NULL);
    cr_expect(!clg_device_get_caps(d)->unified);
    cr_expect_eq(clg_upload_best(d, 4, true), CLG_UPLOAD_DOUBLED);
    cr_expect_eq(clg_upload_best(d, 0, true), CLG_UPLOAD_IN_LINE);
    upload_in_order(d, CLG_UPLOAD_DOUBLED);
    upload_in_order(d, CLG_UPLOAD_DOUBLED); /* with buffers from the pool */
    OK(clg_device_finish(d));
    clg_device_destroy(&d);
}

Test(device, nulls) {
    clg_device *d = NULL;
    clg_device_stats stats = { .mem_used = 7 };
    clg_device_info info = { .compute_units = 7 };
    clg_device_destroy(NULL);
    clg_device_destroy(&d);
    clg_device_get_info(NULL, &info);
    cr_expect(info.compute_units == 0 && info.name && *info.name == 0);
    clg_device_get_stats(NULL, &stats);
    cr_expect(stats.mem_used == 0);
    clg_device_get_stats(NULL, NULL);
    cr_expect(clg_device_finish(NULL) == CLG_ERR_INVALID);
}

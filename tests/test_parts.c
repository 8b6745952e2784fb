/* Parts of a device ("0#0/2") and lists of devices. */
#include <criterion/criterion.h>

#include "cl/internal.h"
#include "support/opencl.h"
#include "support/scratch.h"
#include <clgrad/clgrad.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) cr_assert((call) == CLG_OK, "%s: %s", #call, clg_error())

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

/* Two halves need two units and a driver that cuts. */
static clg_device_info want_halves(void) {
    clg_device_info info;
    const char *why = why_no_halves("0");
    if (why) cr_skip_test("%s", why);
    OK(clg_device_list(0, &info));
    return info;
}

/* Sum and largest of a product on a device: integers, so every device has the same. */
static void compute(clg_device *dev, float out[2]) {
    enum { N = 48 };
    static float x[N * N];
    for (int i = 0; i < N * N; i++) x[i] = (float)(i * 7 % 11 - 5);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(N, N)), *y = clg_matmul(in, clg_transpose(in));
    clg_tensor *sum = clg_sum(y, CLG_ALL), *most = clg_max(y, CLG_ALL);
    clg_plan *p = clg_compile(g, CLG_LIST(sum, most), NULL);
    cr_assert(p, "%s", clg_error());
    OK(clg_write(p, in, x, sizeof x));
    OK(clg_run(p));
    OK(clg_read(p, sum, &out[0], sizeof(float)));
    OK(clg_read(p, most, &out[1], sizeof(float)));
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

Test(parts, halves) {
    const clg_device_info whole = want_halves();
    char dir[SCRATCH];
    float want[2], got[2];
    clg_device *devs[3];
    clg_device_stats stats;
    make_scratch(dir);
    clg_device *d = clg_device_open("0", NULL);
    compute(d, want);
    clg_device_destroy(&d);
    cr_assert_eq(clg_devices_open("0#0/2,0#1/2", clg_device_params(.cache_dir = dir), devs, 3), 2, "%s", clg_error());
    for (int i = 0; i < 2; i++) {
        clg_device_info info;
        char name[200];
        clg_device_get_info(devs[i], &info);
        snprintf(name, sizeof name, "%s (part %d of 2)", whole.name, i + 1);
        cr_expect_str_eq(info.name, name);
        cr_expect_eq(info.compute_units, whole.compute_units / 2);
        cr_expect_eq(clg_device_get_caps(devs[i])->compute_units, whole.compute_units / 2);
        cr_expect_str_eq(info.platform, whole.platform);
        compute(devs[i], got);
        cr_expect(got[0] == want[0] && got[1] == want[1], "part %d: %g %g", i, (double)got[0], (double)got[1]);
        clg_device_get_stats(devs[i], &stats);
        const bool own = i == 0 || (devs[i]->row.quirks & CLG_QUIRK_APART) != 0;
        cr_expect_eq(stats.programs_built > 0, own, "part %d: %d programs were built", i, stats.programs_built);
        cr_expect_eq(stats.programs_cached > 0, !own, "part %d has %d of part 0", i, stats.programs_cached);
        cr_expect_eq(devs[i]->number, devs[i]->row.quirks & CLG_QUIRK_APART ? i : -1);
    }
    cr_expect_str_eq(clg_device_kind(devs[0]), clg_device_kind(devs[1]), "tuning records are shared");
    cr_expect(contains(clg_device_kind(devs[0]), "one of 2 parts"), "but not with the whole device");
    clg_device_destroy(&devs[0]); /* the other one stays usable */
    compute(devs[1], got);
    clg_device_destroy(&devs[1]);
    remove_scratch(dir);
}

/* They are made once: opened again, also beside itself, a part is the same OpenCL device. */
Test(parts, made_once) {
    want_halves();
    clg_device *a = clg_device_open("0#1/2", NULL), *b = clg_device_open("0#1/2", NULL);
    clg_device *other = clg_device_open("0#0/2", NULL);
    cr_assert(a && b && other, "%s", clg_error());
    const cl_device_id id = a->row.id;
    cr_expect_eq(b->row.id, id);
    cr_expect_neq(other->row.id, id);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
    a = clg_device_open("0#1/2", NULL);
    cr_assert_not_null(a, "%s", clg_error());
    cr_expect_eq(a->row.id, id);
    clg_device_destroy(&a);
    clg_device_destroy(&other);
}

Test(parts, environment) {
    clg_device *d;
    clg_device_info info;
    want_halves();
    setenv("CLGRAD_DEVICE", "0#1/2", 1);
    cr_expect_eq(clg_device_find(NULL), 0);
    d = clg_device_open(NULL, NULL);
    cr_assert(d, "%s", clg_error());
    clg_device_get_info(d, &info);
    cr_expect(contains(info.name, "(part 2 of 2)"), "%s", info.name);
    clg_device_destroy(&d);
    cr_expect(!clg_device_open("#0/2", NULL) && contains(clg_error(), "CLGRAD_DEVICE=0#1/2 is a part"), "%s",
              clg_error());
    setenv("CLGRAD_DEVICE", "0", 1);
    d = clg_device_open("#0/2", NULL);
    cr_assert(d, "%s", clg_error());
    clg_device_get_info(d, &info);
    cr_expect(contains(info.name, "(part 1 of 2)"), "%s", info.name);
    clg_device_destroy(&d);
}

Test(parts, refused) {
    static const struct { const char *which, *words; } bad[] = {
        { "0#", "i/n" }, { "0#1", "i/n" }, { "0#1/", "i/n" }, { "0#/2", "i/n" }, { "0#a/2", "i/n" },
        { "0#0/2x", "i/n" }, { "0#-1/2", "i/n" }, { "0#0/2#0/2", "i/n" }, { "0#99999/100000", "i/n" },
        { "0#2/2", "no part 2 of 2; parts are counted from 0" }, { "0#0/0", "no part 0 of 0" },
        { "0#0/9999", "cannot be cut into 9999 parts: it has " }, { "ref#0/2", "it has 1 compute unit" },
        { "nonsense#0/2", "\"nonsense\": none fits" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect(!clg_device_open(bad[i].which, NULL), "%s", bad[i].which);
        cr_expect_eq(clg_error_status(), CLG_ERR_DEVICE, "%s", bad[i].which);
        cr_expect(contains(clg_error(), bad[i].words), "%s: %s", bad[i].which, clg_error());
    }
    clg_device_row row; /* a driver that crashes in clCreateSubDevices is not asked */
    cr_assert(clg_catalog_copy(0, &row));
    snprintf(row.platform_name, sizeof row.platform_name, "rusticl");
    snprintf(row.driver, sizeof row.driver, "22.3.6");
    clg_quirks_apply(&row);
    cr_expect_eq(clg_part_create(&row, (clg_device_part){ 0, 1 }), CLG_ERR_DEVICE);
    cr_expect(contains(clg_error(), "clCreateSubDevices crashes"), "%s", clg_error());
}

Test(parts, lists) {
    static const struct { const char *list, *words; clg_status status; } bad[] = {
        { "ref,", "entry 2 of the list is empty", CLG_ERR_INVALID },
        { ",ref", "entry 1 of the list is empty", CLG_ERR_INVALID },
        { "0,,ref", "entry 2 of the list is empty", CLG_ERR_INVALID },
        { "ref,:ref:", "\":ref:\" is, or overlaps, device 1", CLG_ERR_INVALID },
        { "0,0#0/2", "overlaps, device 1", CLG_ERR_INVALID },
        { "0#1/2,0#1/2", "overlaps, device 1", CLG_ERR_INVALID },
        { "ref,nonsense", "none fits", CLG_ERR_DEVICE },
        { "0,ref,nonsense", "more than 2", CLG_ERR_INVALID },
    };
    clg_device *devs[2] = { 0 };
    want_halves();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(clg_devices_open(bad[i].list, NULL, devs, 2), bad[i].status, "%s", bad[i].list);
        cr_expect(contains(clg_error(), bad[i].words), "%s: %s", bad[i].list, clg_error());
        cr_expect(!devs[0] && !devs[1], "%s: nothing is open", bad[i].list);
    }
    cr_expect_eq(clg_devices_open("ref", NULL, devs, 0), CLG_ERR_INVALID);
    cr_expect_eq(clg_devices_open("ref", NULL, NULL, 2), CLG_ERR_INVALID);
    setenv("CLGRAD_DEVICE", "ref", 1);
    const char *const one[] = { NULL, "" };
    for (int i = 0; i < 2; i++) {
        clg_device_info info;
        cr_expect_eq(clg_devices_open(one[i], NULL, devs, 2), 1, "%s", clg_error());
        clg_device_get_info(devs[0], &info);
        cr_expect_eq(info.type, CLG_DEVICE_REF);
        clg_device_destroy(&devs[0]);
    }
    cr_expect_eq(clg_devices_open("ref,0", NULL, devs, 2), 2, "%s", clg_error());
    cr_expect(clg_device_get_caps(devs[0])->ref && !clg_device_get_caps(devs[1])->ref, "in the order of the list");
    clg_device_destroy(&devs[0]);
    clg_device_destroy(&devs[1]);
}

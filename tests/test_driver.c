/* Faults of drivers, injected by the virtual device (support/virtual.h): implementations that fail or are wrong, devices
 * that are lost or hang, memory that is found missing late. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/plan.h"
#include "support/virtual_env.h"

static clg_device *open_virtual(const clg_device_params *p) {
    clg_device *d = clg_device_open("0", p);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* softmax over rows of x, and its plan. */
typedef struct work {
    clg_store *store;
    clg_graph *g;
    clg_tensor *x, *y;
    clg_plan *plan; /* NULL: it was not made */
} work;

static work start(clg_device *d, const clg_plan_params *p) {
    work w = { .store = clg_store_create(d, 1) };
    w.g = w.store ? clg_graph_create(d, w.store) : NULL;
    cr_assert_not_null(w.g, "%s", clg_error());
    w.x = clg_input(w.g, "x", CLG_F32, CLG_SHAPE(4, 8));
    w.y = clg_softmax(clg_scale(w.x, 2), 1);
    w.plan = clg_compile(w.g, CLG_LIST(w.y), p);
    return w;
}

/* Runs it; the first element, which is 1/8. */
static clg_status try_run(work *w, float *first) {
    static const float x[32];
    float y[32];
    clg_status status = clg_write(w->plan, w->x, x, sizeof x);
    if (status == CLG_OK) status = clg_run(w->plan);
    if (status == CLG_OK) status = clg_read(w->plan, w->y, y, sizeof y);
    if (status == CLG_OK) *first = y[0];
    return status;
}

static float run(work *w) {
    float first = 0;
    OK(try_run(w, &first));
    return first;
}

static void finish(work *w) {
    clg_plan_destroy(&w->plan);
    clg_graph_destroy(&w->g);
    clg_store_destroy(&w->store);
}

static void report(const work *w, char *to, size_t size) {
    FILE *f = fmemopen(to, size, "w");
    OK(clg_plan_report(w->plan, CLG_REPORT_TEXT, f));
    fclose(f);
}

static int warnings;
static char last_warning[2000];
static void count_warnings(void *user, enum clg_log_level level, const char *text) {
    (void)user;
    if (level != CLG_LOG_WARN) return;
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", text);
}

static clg_device_params no_cache(void) { return (clg_device_params){ .cache_dir = "" }; }

/* --- implementations that fail --- */

/* The default does not build: the next is taken, told once, and the report says why. */
Test(driver, next_variant_builds) {
    static char text[16384];
    use_virtual("amd-vega");
    clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p);
    set_fault("build=KERNEL items(IN(x)");
    for (int i = 0; i < 2; i++) {
        work w = start(d, NULL);
        cr_assert_not_null(w.plan, "%s", clg_error());
        cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
        report(&w, text, sizeof text);
        cr_expect(strstr(text, "not used, as it fails here: softmax.gpu: "), "%s", text);
        cr_expect(strstr(text, "this driver cannot compile it"), "%s", text);
        cr_expect(strstr(text, "softmax.cpu"), "%s", text);
        finish(&w);
    }
    cr_expect_eq(warnings, 1);
    cr_expect(strstr(last_warning, "softmax.gpu fails here") && strstr(last_warning, "error: "), "%s", last_warning);
    clg_plan_params forced = { .impl = "softmax.gpu" };
    work w = start(d, &forced); /* what was asked for by name is not replaced */
    cr_expect_null(w.plan);
    cr_expect(strstr(clg_error(), "does not build"), "%s", clg_error());
    finish(&w);
    clg_device_destroy(&d);
}

/* A kernel for which the device allows smaller groups only. */
Test(driver, smaller_group) {
    static char text[16384];
    use_virtual("amd-vega");
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p);
    set_fault("group=ew_*:16");
    work w = start(d, NULL);
    cr_assert_not_null(w.plan, "%s", clg_error());
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    report(&w, text, sizeof text);
    cr_expect(strstr(text, "elementwise.gpu: ") && strstr(text, "takes at most 16"), "%s", text);
    finish(&w);
    clg_device_destroy(&d);
}

Test(driver, no_variant_left) {
    use_virtual("amd-vega");
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p);
    set_fault("build=KERNEL");
    work w = start(d, NULL);
    cr_assert_null(w.plan);
    const char *error = clg_error();
    cr_expect_eq(clg_error_status(), CLG_ERR_UNSUP);
    cr_expect(strstr(error, "no usable implementation") && strstr(error, ".gpu: ") && strstr(error, ".cpu: "), "%s", error);
    set_fault("");
    finish(&w);
    clg_device_destroy(&d);
}

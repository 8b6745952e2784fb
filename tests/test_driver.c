/* Faults of drivers, injected by the virtual device (support/virtual.h): implementations that fail or are wrong,
 * devices that are lost or hang, memory that is found missing late. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "support/plan.h"
#include "support/scratch.h"
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

static void report_as(const work *w, enum clg_report_kind kind, char *to, size_t size) {
    FILE *f = fmemopen(to, size, "w");
    OK(clg_plan_report(w->plan, kind, f));
    fclose(f);
}

static void report(const work *w, char *to, size_t size) { report_as(w, CLG_REPORT_TEXT, to, size); }

static int warnings;
static char last_warning[2000];
static void count_warnings(void *user, enum clg_log_level level, const char *text) {
    (void)user;
    if (level != CLG_LOG_WARN) return;
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", text);
}

static clg_device_params no_cache(void) { return (clg_device_params){ .cache_dir = "" }; }

/* A device of a profile, with a fault from now on. */
static clg_device *open_with_fault(const char *profile, const char *fault) {
    use_virtual(profile);
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p);
    set_fault(fault);
    return d;
}

/* --- implementations that fail --- */

/* What was asked for by name is not replaced. */
static void expect_forced_to_fail(clg_device *d) {
    work w = start(d, clg_plan_params(.impl = "softmax.gpu"));
    cr_expect_null(w.plan);
    cr_expect(strstr(clg_error(), "does not build"), "%s", clg_error());
    finish(&w);
}

/* The default does not build: the next is taken, told once, and the report says why. */
Test(driver, next_variant_builds) {
    static char text[16384];
    clg_device *d = open_with_fault("amd-vega", "build=KERNEL items(IN(x)");
    clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
    for (int i = 0; i < 2; i++) {
        work w = start(d, NULL);
        cr_assert_not_null(w.plan, "%s", clg_error());
        cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
        report(&w, text, sizeof text);
        cr_expect(strstr(text, "not used, as it fails here: softmax.gpu: "), "%s", text);
        cr_expect(strstr(text, "this driver cannot compile it"), "%s", text);
        cr_expect(strstr(text, "softmax.cpu"), "%s", text);
        report_as(&w, CLG_REPORT_JSON, text, sizeof text);
        const char *failed = strstr(text, "\"failed\": [");
        cr_expect(failed && strstr(failed, "\"impl\": \"softmax.gpu\""), "%s", text);
        cr_expect(failed && strstr(failed, "this driver cannot compile it"), "%s", text);
        cr_expect(!strstr(text, "\"excluded\""), "%s", text);
        finish(&w);
    }
    cr_expect_eq(warnings, 1);
    cr_expect(strstr(last_warning, "softmax.gpu fails here") && strstr(last_warning, "error: "), "%s", last_warning);
    expect_forced_to_fail(d);
    clg_device_destroy(&d);
}

/* A kernel for which the device allows smaller groups only. */
Test(driver, smaller_group) {
    static char text[16384];
    clg_device *d = open_with_fault("amd-vega", "group=ew_*:16");
    work w = start(d, NULL);
    cr_assert_not_null(w.plan, "%s", clg_error());
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    report(&w, text, sizeof text);
    cr_expect(strstr(text, "elementwise.gpu: ") && strstr(text, "takes at most 16"), "%s", text);
    finish(&w);
    clg_device_destroy(&d);
}

/* No implementation builds: the reference computes it, told once for each op, and the report says why. */
Test(driver, no_variant_left) {
    static char text[16384];
    clg_device *d = open_with_fault("amd-vega", "build=KERNEL");
    clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
    for (int i = 0; i < 2; i++) {
        work w = start(d, NULL);
        cr_assert_not_null(w.plan, "%s", clg_error());
        cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
        clg_plan_info info;
        clg_plan_get_info(w.plan, &info);
        cr_expect_eq(info.n_fallback, 2, "%d", info.n_fallback); /* scale, softmax */
        report(&w, text, sizeof text);
        cr_expect(strstr(text, "elementwise.gpu: ") && strstr(text, "elementwise.cpu: "), "%s", text);
        cr_expect(strstr(text, "softmax.gpu: ") && strstr(text, "softmax.cpu: "), "%s", text);
        cr_expect(strstr(text, "no usable implementation"), "%s", text);
        finish(&w);
    }
    cr_expect_eq(warnings, 4 + 2, "%d, the last: %s", warnings, last_warning);
    cr_expect(strstr(last_warning, "is computed by the reference on the host"), "%s", last_warning);
    expect_forced_to_fail(d);
    set_fault("");
    clg_device_destroy(&d);
}

/* --- implementations that are wrong --- */

static const char *excluded_why(clg_device *d, const char *impl) {
    const char *name, *why = NULL;
    for (int i = 0; (name = clg_impl_excluded(d, i, &why)) != NULL; i++)
        if (strcmp(name, impl) == 0) return why;
    return NULL;
}

/* The tuner finds it out, remembers it, and neither this device nor one that is opened later takes it. */
Test(driver, wrong_is_excluded) {
    static char text[16384];
    char dir[SCRATCH];
    make_scratch(dir);
    use_virtual("amd-vega");
    clg_device *d = open_virtual(clg_device_params(.cache_dir = dir));
    work w = start(d, NULL);
    cr_assert_not_null(w.plan, "%s", clg_error());
    set_fault("wrong=items");
    cr_expect_float_eq(run(&w), 12345, 0);
    clg_tune_info info;
    OK(clg_tune(w.g, CLG_LIST(w.y), NULL, clg_tune_params(.seconds = 20, .all_impls = true), &info));
    cr_expect_gt(info.wrong, 0);
    finish(&w);
    for (int again = 0; again < 2; again++) {
        const char *why = excluded_why(d, "softmax.gpu");
        cr_assert_not_null(why);
        cr_expect(strstr(why, "softmax f32[4,8]"), "%s", why);
        w = start(d, NULL);
        cr_assert_not_null(w.plan, "%s", clg_error());
        cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
        report(&w, text, sizeof text);
        cr_expect(!strstr(text, "softmax.gpu"), "%s", text);
        finish(&w);
        clg_device_destroy(&d);
        d = open_virtual(clg_device_params(.cache_dir = dir));
    }
    w = start(d, clg_plan_params(.impl = "softmax.gpu")); /* by name it may still be had */
    cr_expect_float_eq(run(&w), 12345, 0);
    finish(&w);
    OK(clg_impl_allow(d, NULL));
    cr_expect_null(clg_impl_excluded(d, 0, NULL));
    clg_device_destroy(&d);
    d = open_virtual(clg_device_params(.cache_dir = dir));
    cr_expect_null(clg_impl_excluded(d, 0, NULL));
    clg_device_destroy(&d);
    remove_scratch(dir);
}

Test(driver, exclusion_by_hand) {
    static char text[16384];
    const char *why = NULL;
    use_virtual("amd-vega");
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p), *ref = clg_device_open("ref", NULL);
    cr_expect_eq(clg_impl_exclude(d, "no.such", "x"), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "no.such"), "%s", clg_error());
    cr_expect_eq(clg_impl_exclude(d, NULL, "x"), CLG_ERR_INVALID);
    cr_expect_eq(clg_impl_exclude(NULL, "softmax.gpu", "x"), CLG_ERR_INVALID);
    cr_expect_eq(clg_impl_exclude(ref, "softmax.gpu", "x"), CLG_ERR_INVALID);
    OK(clg_impl_exclude(d, "softmax.gpu", "two\nlines = one"));
    OK(clg_impl_exclude(d, "elementwise.gpu", NULL));
    cr_expect_str_eq(excluded_why(d, "softmax.gpu"), "two lines = one");
    work w = start(d, NULL);
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    report_as(&w, CLG_REPORT_JSON, text, sizeof text);
    const char *excluded = strstr(text, "\"excluded\": [");
    cr_expect(excluded && strstr(excluded, "elementwise.gpu") && strstr(excluded, "two lines = one"), "%s", text);
    finish(&w);
    OK(clg_impl_allow(d, "softmax.gpu"));
    OK(clg_impl_allow(d, "softmax.gpu"));
    cr_expect_str_eq(clg_impl_excluded(d, 0, &why), "elementwise.gpu");
    cr_expect_null(clg_impl_excluded(d, 1, NULL));
    OK(clg_impl_exclude(d, "softmax.gpu", "again"));
    cr_expect_str_eq(excluded_why(d, "softmax.gpu"), "again");
    clg_device_destroy(&d);
    clg_device_destroy(&ref);
}

/* --- devices that are lost --- */

/* Every call fails with the first cause; the other device of the process goes on. */
Test(driver, lost_device) {
    float first = 0;
    char cause[600];
    use_virtual("amd-vega; nvidia-turing");
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p), *other = clg_device_open("1", &p);
    cr_assert_not_null(other, "%s", clg_error());
    work w = start(d, NULL), o = start(other, NULL);
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    set_fault("lost=1");
    clg_status status = CLG_OK;
    for (int i = 0; i < 3 && status == CLG_OK; i++) status = try_run(&w, &first);
    cr_expect_eq(status, CLG_ERR_DEVICE);
    cr_expect(strstr(clg_error(), "CL_DEVICE_NOT_AVAILABLE"), "%s", clg_error());
    const char *call = strstr(clg_error(), "clEnqueue");
    cr_assert_not_null(call, "%s", clg_error());
    snprintf(cause, sizeof cause, "%.80s", call);
    set_fault(""); /* the driver answers again, but what was on the device is gone */
    cr_expect_eq(try_run(&w, &first), CLG_ERR_DEVICE);
    cr_expect(strstr(clg_error(), "is lost") && strstr(clg_error(), cause), "%s\n%s", clg_error(), cause);
    cr_expect_eq(clg_device_finish(d), CLG_ERR_DEVICE);
    work more = start(d, NULL);
    cr_expect_null(more.plan);
    cr_expect(strstr(clg_error(), "is lost"), "%s", clg_error());
    finish(&more);
    cr_expect_float_eq(run(&o), 0.125f, 1e-6f);
    finish(&w);
    finish(&o);
    clg_device_destroy(&d);
    clg_device_destroy(&other);
}

/* A command that never ends: told in time, with the step that hangs, and nothing waits for it afterwards. */
static void hang(bool profiling, const char *profile) {
    float first = 0;
    use_virtual(profile);
    const clg_device_params patient = no_cache();
    clg_device *d = open_virtual(&patient);
    work w = start(d, NULL);
    run(&w); /* the first run of all compiles, which may take longer than the limit */
    finish(&w);
    clg_device_destroy(&d);
    d = open_virtual(clg_device_params(.cache_dir = "", .timeout_ms = 1000, .profiling = profiling));
    w = start(d, NULL);
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    set_fault("hang=items");
    const double begin = now();
    cr_expect_eq(try_run(&w, &first), CLG_ERR_DEVICE);
    cr_expect_gt(now() - begin, 0.99);
    cr_expect(strstr(clg_error(), "timed out") && strstr(clg_error(), "1000 ms"), "%s", clg_error());
    cr_expect(strstr(clg_error(), profiling ? "softmax.gpu softmax_" : ".profiling"), "%s", clg_error());
    cr_expect_eq(clg_device_finish(d), CLG_ERR_DEVICE); /* at once */
    cr_expect(strstr(clg_error(), "is lost"), "%s", clg_error());
    finish(&w);
    clg_device_destroy(&d);
    cr_expect_eq(first, 0);
}

Test(driver, hang_shared_memory) { hang(true, "intel-uhd"); }
Test(driver, hang_own_memory) { hang(false, "amd-vega"); }

/* Values that another device sends wait in host memory: a copy that does not get through is told in time too. */
Test(driver, hang_of_a_receiver) {
    const float x[8] = { 1 };
    use_virtual("amd-vega");
    clg_device *d = open_virtual(clg_device_params(.cache_dir = "", .timeout_ms = 1000));
    clg_device *ref = clg_device_open("ref", NULL);
    clg_graph *g = clg_graph_create(ref, NULL);
    cr_assert_not_null(g, "%s", clg_error());
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(8)), *h = clg_exp(in);
    OK(clg_graph_pin(g, d));
    clg_tensor *y = clg_softmax(h, 0);
    clg_plan *plan = compile(g, CLG_LIST(y), NULL);
    OK(clg_write(plan, in, x, sizeof x));
    set_fault("hang=items");
    clg_status status = CLG_OK;
    int runs = 0;
    for (; runs < 4 && status == CLG_OK; runs++) status = clg_run(plan); /* the second sends behind what hangs */
    cr_expect_eq(status, CLG_ERR_DEVICE);
    cr_expect_eq(runs, 3, "%d runs", runs);
    cr_expect(strstr(clg_error(), "timed out") && strstr(clg_error(), "an earlier copy"), "%s", clg_error());
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_device_destroy(&d);
    clg_device_destroy(&ref);
}

/* --- memory that is found missing late --- */

Test(driver, late_allocation) {
    float first = 0;
    use_virtual("amd-vega");
    const clg_device_params p = no_cache();
    clg_device *d = open_virtual(&p);
    work w = start(d, NULL);
    set_fault("alloc=1"); /* once: room is made, and it works */
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    set_fault("alloc=1000");
    cr_expect_eq(try_run(&w, &first), CLG_ERR_NOMEM);
    cr_expect(strstr(clg_error(), "out of device memory") && strstr(clg_error(), "smaller batches"), "%s", clg_error());
    set_fault(""); /* nothing is lost by it */
    cr_expect_float_eq(run(&w), 0.125f, 1e-6f);
    finish(&w);
    clg_device_destroy(&d);
}

/* --- the doctor --- */

static int clgrad(const char *args, char *out, size_t size) {
    char command[600];
    cr_assert_not_null(getenv("CLGRAD_TOOL"), "set CLGRAD_TOOL to the clgrad program, as meson does");
    snprintf(command, sizeof command, "'%s' %s 2>&1", getenv("CLGRAD_TOOL"), args);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, size - 1, f)] = 0;
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(driver, doctor_remembers) {
    static char out[1 << 16];
    char dir[SCRATCH];
    make_scratch(dir);
    use_virtual("amd-vega");
    setenv("CLGRAD_CACHE_DIR", dir, 1);
    set_fault("wrong=items");
    /* Its sliced operands are made by another kernel "items": not the fault of this one. */
    cr_expect_neq(clgrad("doctor --op add --case 0 --impl '*gpu' --remember", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "sliced") && !strstr(out, "not chosen here"), "%s", out);
    cr_expect_neq(clgrad("doctor --op softmax --case 1 --impl '*gpu'", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "clgrad doctor --remember"), "%s", out);
    cr_expect_neq(clgrad("doctor --op softmax --case 1 --impl '*gpu' --remember", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "softmax.gpu is not chosen here any more"), "%s", out);
    set_fault("");
    cr_expect_eq(clgrad("devices", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "softmax.gpu: clgrad doctor, op softmax, case 1: "), "%s", out);
    cr_expect_eq(clgrad("doctor --forget", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "allowed again: softmax.gpu"), "%s", out);
    cr_expect_eq(clgrad("devices", out, sizeof out), 0, "%s", out);
    cr_expect(!strstr(out, "softmax.gpu"), "%s", out);
    remove_scratch(dir);
}
/* f64 on a device without it is computed by the reference: right, told once for each op, reported and counted. */
Test(driver, missing_type_falls_back) {
    static char text[16384];
    const float in[] = { 1, 2, 3, 4 };
    float out[4] = { 0 };
    use_virtual("arm-mali");
    clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
    const clg_device_params params = no_cache();
    clg_device *d = open_virtual(&params);
    work w = { .g = clg_graph_create(d, NULL) };
    clg_tensor *x = clg_input(w.g, "x", CLG_F32, CLG_SHAPE(4));
    clg_tensor *one = clg_param(w.g, "w", CLG_F64, CLG_SHAPE(4), CLG_INIT_ONE);
    clg_tensor *y = clg_relu(clg_cast(clg_add(clg_cast(x, CLG_F64), one), CLG_F32));
    for (int i = 0; i < 2; i++) {
        clg_plan_info info;
        w.plan = clg_compile(w.g, CLG_LIST(y), NULL);
        cr_assert_not_null(w.plan, "%s", clg_error());
        OK(clg_write(w.plan, x, in, sizeof in));
        OK(clg_run(w.plan));
        OK(clg_read(w.plan, y, out, sizeof out));
        for (int k = 0; k < 4; k++) cr_expect_eq(out[k], in[k] + 1);
        clg_plan_get_info(w.plan, &info);
        cr_expect_eq(info.n_fallback, 3);
        cr_expect_eq(info.n_copies, 1);
        report(&w, text, sizeof text);
        cr_expect(strstr(text, "is computed by the reference on the host"), "%s", text);
        clg_plan_destroy(&w.plan);
    }
    cr_expect_eq(warnings, 3, "the param, cast and add: %d", warnings);
    finish(&w);
    clg_device_destroy(&d);
}

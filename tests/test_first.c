/* What fails at its first launch only, on virtual devices (support/virtual.h): the run goes on with another
 * implementation, and nothing is lost. The bits are those of a run in which it was excluded by hand. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clgrad/opencl.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/plan.h"
#include "support/virtual_env.h"

enum { N = 12, IN = 20, HIDDEN = 18, OUT = 5 };

/* A training step of a net of two layers. b.weight is updated before a.weight's gradient is computed. */
typedef struct task {
    clg_store *store;
    clg_graph *g;
    clg_tensor *x, *label, *loss, *logits, *step;
    clg_plan *plan;
} task;

/* What two steps leave. */
typedef struct left {
    float loss[2], logits[N * OUT], a[HIDDEN * IN], b[OUT * HIDDEN], momentum[OUT * HIDDEN];
    int32_t steps;
} left;

static int warnings;
static char warning[2000];
static void count_warnings(void *user, enum clg_log_level level, const char *text) {
    (void)user;
    if (level != CLG_LOG_WARN) return;
    warnings++;
    snprintf(warning, sizeof warning, "%s", text);
}

static clg_device *open_virtual(const char *which) {
    clg_device *d = clg_device_open(which, clg_device_params(.cache_dir = ""));
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

/* second: computes the second layer. */
static task make(clg_device *d, clg_device *second, const clg_plan_params *p) {
    task t = { .store = clg_store_create(d, 3) };
    t.g = t.store ? clg_graph_create(d, t.store) : NULL;
    cr_assert_not_null(t.g, "%s", clg_error());
    t.x = clg_input(t.g, "x", CLG_F32, CLG_SHAPE(N, IN));
    t.label = clg_input(t.g, "label", CLG_I32, CLG_SHAPE(N));
    clg_tensor *h = clg_relu(clg_nn_linear(t.x, "a", HIDDEN));
    OK(clg_graph_pin(t.g, second));
    t.logits = clg_nn_linear(h, "b", OUT);
    t.loss = clg_cross_entropy(t.logits, t.label);
    OK(clg_graph_pin(t.g, d));
    t.step = clg_sgd(t.loss, clg_optim_params(.lr = 0.1, .momentum = 0.9));
    t.plan = clg_compile(t.g, CLG_LIST(t.loss, t.logits, t.step), p);
    cr_assert_not_null(t.plan, "%s", clg_error());
    return t;
}

static void finish(task *t) {
    clg_plan_destroy(&t->plan);
    clg_graph_destroy(&t->g);
    clg_store_destroy(&t->store);
}

static void fill(float x[N * IN]) {
    for (int i = 0; i < N * IN; i++) x[i] = (float)(i * 7 % 23) / 11 - 1;
}

static void write_labels(task *t) {
    int32_t label[N];
    for (int i = 0; i < N; i++) label[i] = i % OUT;
    OK(clg_write(t->plan, t->label, label, sizeof label));
}

static void write_inputs(task *t) {
    float x[N * IN];
    fill(x);
    OK(clg_write(t->plan, t->x, x, sizeof x));
    write_labels(t);
}

/* The inputs are written once, before the first step. */
static left run(task *t) {
    left l;
    memset(&l, 0, sizeof l);
    for (int i = 0; i < 2; i++) {
        OK(clg_run(t->plan));
        OK(clg_read(t->plan, t->loss, &l.loss[i], sizeof l.loss[i]));
    }
    OK(clg_read(t->plan, t->logits, l.logits, sizeof l.logits));
    OK(clg_store_read(t->store, "a.weight", l.a, sizeof l.a));
    OK(clg_store_read(t->store, "b.weight", l.b, sizeof l.b));
    OK(clg_store_read(t->store, "optim.b.weight.momentum", l.momentum, sizeof l.momentum));
    OK(clg_store_read(t->store, "optim.step", &l.steps, sizeof l.steps));
    cr_expect_eq(l.steps, 2);
    return l;
}

static left run_on(clg_device *d, clg_device *second) {
    task t = make(d, second, NULL);
    write_inputs(&t);
    const left l = run(&t);
    finish(&t);
    return l;
}

static void expect_report(const task *t, const char *impl, const char *why) {
    static char text[32768];
    char want[200];
    FILE *f = fmemopen(text, sizeof text, "w");
    OK(clg_plan_report(t->plan, CLG_REPORT_TEXT, f));
    fclose(f);
    snprintf(want, sizeof want, ": %s: ", impl);
    cr_expect(strstr(text, "not used, as it fails") && strstr(text, want) && strstr(text, why), "%s", text);
}

static bool near(const left *x, const left *y) {
    bool all = true;
    for (int i = 0; i < 2; i++) all &= fabsf(x->loss[i] - y->loss[i]) < 1e-5f;
    for (int i = 0; i < OUT * HIDDEN; i++) all &= fabsf(x->b[i] - y->b[i]) < 1e-5f;
    for (int i = 0; i < HIDDEN * IN; i++) all &= fabsf(x->a[i] - y->a[i]) < 1e-5f;
    return all;
}

/* Devices on one driver: one that meets faults, one on which implementations are excluded by hand. */
typedef struct pair {
    clg_device *d, *by_hand, *second; /* second: computes the second layer */
    left sound;
} pair;

static pair open_pair(const char *profile, const char *second) {
    use_virtual(profile);
    pair p = { .d = open_virtual("0"), .by_hand = open_virtual("0"), .second = second ? open_virtual(second) : NULL };
    p.sound = run_on(p.d, second ? p.second : p.d);
    clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
    return p;
}

static void close_pair(pair *p) {
    clg_device_destroy(&p->d);
    clg_device_destroy(&p->by_hand);
    clg_device_destroy(&p->second);
}

/* fault: at the first run; excluded: what it leads to, told: by which name. */
static void check(pair *p, const char *fault, const char *excluded, const char *told) {
    clg_device *second = p->second ? p->second : p->by_hand;
    OK(clg_impl_exclude(p->by_hand, excluded, NULL));
    const left want = run_on(p->by_hand, second);
    OK(clg_impl_allow(p->by_hand, NULL));
    task t = make(p->d, p->second ? p->second : p->d, NULL);
    write_inputs(&t);
    warnings = 0;
    set_fault(fault);
    const left l = run(&t);
    set_fault("");
    cr_expect(memcmp(&l, &want, sizeof l) == 0, "%s: loss %.9g %.9g, not %.9g %.9g", fault, l.loss[0], l.loss[1],
              want.loss[0], want.loss[1]);
    cr_expect(near(&l, &p->sound), "%s", fault);
    cr_expect_eq(warnings, 1, "%s: %d, the last: %s", fault, warnings, warning);
    cr_expect(strstr(warning, told), "%s", warning);
    expect_report(&t, told, "CL_OUT_OF_RESOURCES");
    finish(&t);
}

/* Without a way out the run fails, and leaves what it found. */
static void check_refusal(pair *p, const clg_plan_params *params, const char *fault, clg_status want) {
    task t = make(p->d, p->d, params);
    write_inputs(&t);
    set_fault(fault);
    cr_expect_eq(clg_run(t.plan), want, "%s: %s", fault, clg_error());
    cr_expect(strstr(clg_error(), "clEnqueueNDRangeKernel"), "%s", clg_error());
    set_fault("");
    const left l = run(&t);
    cr_expect(memcmp(&l, &p->sound, sizeof l) == 0, "%s", fault);
    finish(&t);
}

Test(first, another_implementation) {
    pair p = open_pair("amd-vega", NULL);
    check(&p, "refused=items:1", "cross_entropy.gpu", "cross_entropy.gpu");
    check(&p, "refused=ew_5:1", "elementwise.gpu", "elementwise.gpu"); /* b.weight is written by then */
    for (int again = 0; again < 2; again++) { /* told once */
        task t = make(p.d, p.d, NULL);
        write_inputs(&t);
        warnings = 0;
        set_fault("scratch=loss_grad_items");
        const left l = run(&t);
        set_fault("");
        cr_expect(near(&l, &p.sound));
        cr_expect_eq(warnings, again ? 0 : 1, "%s", warning);
        expect_report(&t, "cross_entropy_bwd.gpu", "CL_MEM_OBJECT_ALLOCATION_FAILURE");
        finish(&t);
    }
    check_refusal(&p, clg_plan_params(.impl = "elementwise.gpu"), "refused=ew_5:1", CLG_ERR_UNSUP);
    check_refusal(&p, NULL, "alloc=1000", CLG_ERR_NOMEM);
    close_pair(&p);
}

/* CLBlast is not tried again in this process. */
Test(first, clblast) {
    pair p = open_pair("amd-vega", NULL);
    check(&p, "resources=Xgemm*", "matmul.clblast", "clblast");
    clg_device *again = open_virtual("0");
    warnings = 0;
    set_fault("resources=Xgemm*");
    const left l = run_on(again, again);
    cr_expect(near(&l, &p.sound));
    cr_expect_eq(warnings, 0, "%s", warning);
    clg_device_destroy(&again);
    close_pair(&p);
}

/* The plan of several devices is made again whole. */
Test(first, several_devices) {
    pair p = open_pair("amd-vega", "ref");
    check(&p, "refused=ew_2:1", "elementwise.gpu", "elementwise.gpu");
    close_pair(&p);
}

/* A device that is lost in its first run stays lost. */
Test(first, lost) {
    use_virtual("amd-vega");
    clg_device *d = open_virtual("0");
    task t = make(d, d, NULL);
    write_inputs(&t);
    set_fault("lost=2");
    cr_expect_eq(clg_run(t.plan), CLG_ERR_DEVICE);
    cr_expect(strstr(clg_error(), "CL_DEVICE_NOT_AVAILABLE"), "%s", clg_error());
    set_fault("");
    cr_expect_eq(clg_run(t.plan), CLG_ERR_DEVICE);
    cr_expect(strstr(clg_error(), "is lost"), "%s", clg_error());
    finish(&t);
    clg_device_destroy(&d);
}

/* --- memory of the application --- */

static cl_mem memory(cl_context c, void *data, size_t size) {
    cl_int err;
    cl_mem m = clCreateBuffer(c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size, data, &err);
    cr_assert_eq(err, CL_SUCCESS);
    return m;
}

Test(first, memory_of_the_application) {
    static float x[N * IN + CLG_MEM_SLACK / 4], y[N * OUT + CLG_MEM_SLACK / 4], own[N * OUT];
    cl_platform_id platform;
    cl_device_id id;
    cl_int err;
    use_virtual("amd-vega");
    cr_assert_eq(clGetPlatformIDs(1, &platform, NULL), CL_SUCCESS);
    cr_assert_eq(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL), CL_SUCCESS);
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
    cr_assert_eq(err, CL_SUCCESS);
    cl_command_queue queue = clCreateCommandQueue(context, id, 0, &err);
    cr_assert_eq(err, CL_SUCCESS);
    clg_device *d = clg_device_wrap(context, id, queue, clg_device_params(.cache_dir = ""));
    cr_assert_not_null(d, "%s", clg_error());
    const left want = run_on(d, d);
    fill(x);
    cl_mem in = memory(context, x, sizeof x), out = memory(context, y, sizeof y);
    task t = make(d, d, NULL);
    write_labels(&t);
    OK(clg_plan_use(t.plan, t.x, in, 0));
    OK(clg_plan_use(t.plan, t.logits, out, 0));
    set_fault("refused=items:1");
    const left l = run(&t);
    cr_expect(near(&l, &want));
    cr_assert_eq(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof own, own, 0, NULL, NULL), CL_SUCCESS);
    cr_expect(memcmp(own, l.logits, sizeof own) == 0);
    expect_report(&t, "cross_entropy.gpu", "CL_OUT_OF_RESOURCES");
    cr_expect_eq(clg_write(t.plan, t.x, x, sizeof(float) * N * IN), CLG_ERR_INVALID); /* it is still there */
    finish(&t);
    clg_device_destroy(&d);
    clReleaseMemObject(in);
    clReleaseMemObject(out);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}

/* --- the number of compute queues, measured on plans of which something fails --- */

/* It goes on with another implementation, as a run would, and params are as before. */
Test(first, queues_are_measured_all_the_same, .timeout = 120) {
    static const char *const faults[] = { "", "build=KERNEL items(IN(x)", "resources=items" };
    for (int i = 0; i < 3; i++) {
        use_virtual("amd-vega");
        float before[HIDDEN * IN], after[HIDDEN * IN];
        clg_device *d = open_virtual("0");
        clg_tune_info info;
        clg_set_log(count_warnings, NULL, CLG_LOG_WARN);
        warnings = 0;
        set_fault(faults[i]);
        task t = make(d, d, NULL);
        OK(clg_store_read(t.store, "a.weight", before, sizeof before));
        OK(clg_tune(t.g, CLG_LIST(t.loss, t.logits, t.step), NULL, clg_tune_params(.op = "queues"), &info));
        cr_expect(info.keys == 1 && info.measured == 1, "%s: %d measured: %s", faults[i], info.measured, warning);
        cr_expect(i == 0 || warnings > 0, "%s: nothing has failed", faults[i]);
        OK(clg_store_read(t.store, "a.weight", after, sizeof after));
        cr_expect_arr_eq(before, after, sizeof before, "%s", faults[i]);
        finish(&t);
        clg_device_destroy(&d);
        set_fault("");
    }
}

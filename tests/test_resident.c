/* Runs that one command does after each other, and kernels that wait for the next run: the answers are those of runs
 * that are commands of their own, whatever comes between, and however long the host stays away. */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "support/nets.h"
#include "support/opencl.h"
#include "support/scratch.h"
#include <clgrad/opencl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { IN = 48, MID = 40, OUT = 12, CALLS = 900, STREAM = 300 };

static void pause_us(long us) { nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL); }

static clg_device_stats stats_of(const clg_device *d) {
    clg_device_stats s;
    clg_device_get_stats(d, &s);
    return s;
}

/* Whether the driver lets host and kernels change words of the same memory at the same time. */
static bool can_stay(void) {
    bool can = false;
#ifdef CL_DEVICE_SVM_CAPABILITIES
    const cl_device_svm_capabilities wanted = CL_DEVICE_SVM_FINE_GRAIN_BUFFER | CL_DEVICE_SVM_ATOMICS;
    cl_device_svm_capabilities caps = 0;
    const cl_device_id id = opencl_id(opencl_device());
    char *version = id ? opencl_text(id, CL_DEVICE_VERSION) : NULL;
    can = version && strncmp(version, "OpenCL 1.", 9) != 0
        && clGetDeviceInfo(id, CL_DEVICE_SVM_CAPABILITIES, sizeof caps, &caps, NULL) == CL_SUCCESS
        && (caps & wanted) == wanted;
    free(version);
#endif
    return can;
}

/* --- a perceptron of small integers, so that its answers are known --- */

typedef struct mlp {
    net   n;
    float first[IN * MID], second[MID * OUT];
} mlp;

static float small(int i, int salt) { return (float)((i * 7 + salt * 13) % 9 - 4); }

static void set_weights(mlp *m, int salt) {
    for (int i = 0; i < IN * MID; i++) m->first[i] = small(i, salt);
    for (int i = 0; i < MID * OUT; i++) m->second[i] = small(i, salt + 1);
    OK(clg_store_write(m->n.store, "first", m->first, sizeof m->first));
    OK(clg_store_write(m->n.store, "second", m->second, sizeof m->second));
}

static void make_mlp(clg_device *d, mlp *m) {
    m->n.dev = d;
    m->n.store = clg_store_create(d, 3);
    m->n.g = clg_graph_create(d, m->n.store);
    m->n.x = clg_input(m->n.g, "x", CLG_F32, CLG_SHAPE(1, IN));
    clg_tensor *a = clg_param(m->n.g, "first", CLG_F32, CLG_SHAPE(IN, MID), CLG_INIT_ZERO);
    clg_tensor *b = clg_param(m->n.g, "second", CLG_F32, CLG_SHAPE(MID, OUT), CLG_INIT_ZERO);
    m->n.answer = clg_matmul(clg_relu(clg_matmul(m->n.x, a)), b);
    m->n.plan = clg_compile(m->n.g, CLG_LIST(m->n.answer), clg_plan_params(.mega = CLG_MEGA_ON, .inference = true));
    cr_assert(m->n.plan, "%s", clg_error());
    set_weights(m, 0);
}

static void expected(const mlp *m, const float *x, float *y) {
    float h[MID] = { 0 };
    memset(y, 0, OUT * sizeof *y);
    for (int k = 0; k < IN; k++)
        for (int i = 0; i < MID; i++) h[i] += x[k] * m->first[k * MID + i];
    for (int k = 0; k < MID; k++)
        for (int i = 0; i < OUT && h[k] > 0; i++) y[i] += h[k] * m->second[k * OUT + i];
}

/* One call, as an application makes it. Returns false where the answer is wrong. */
static bool call(const mlp *m, int i) {
    float x[IN], y[OUT], want[OUT];
    for (int k = 0; k < IN; k++) x[k] = small(k + i, i);
    if (clg_write(m->n.plan, m->n.x, x, sizeof x) < 0 || clg_run(m->n.plan) < 0) return false;
    if (clg_read(m->n.plan, m->n.answer, y, sizeof y) < 0) return false;
    expected(m, x, want);
    return memcmp(y, want, sizeof y) == 0;
}

/* --- calls --- */

/* What an application does between two calls; all but the first cases come seldom, since a kernel stays only where calls
 * follow each other closely. */
static void interrupt(mlp *m, mlp *other, int i) {
    static const long away[] = { 30, 150, 250, 1000, 5000 }; /* us: within the time that it stays, at its end, behind it */
    float weights[MID * OUT];
    if (i % 40 != 39) return;
    switch (i / 40 % 6) {
    case 0: set_weights(m, i); break;
    case 1: cr_expect(call(other, i), "%s", clg_error()); break;
    case 2: OK(clg_device_finish(m->n.dev)); break;
    case 3: pause_us(away[i / 240 % 5]); break;
    case 4: OK(clg_run(m->n.plan)); break; /* nobody reads it */
    default:
        OK(clg_store_read(m->n.store, "second", weights, sizeof weights));
        cr_expect(memcmp(weights, m->second, sizeof weights) == 0, "other weights");
    }
}

/* Returns how many calls were joined; more calls than CALLS are made until `least` are. */
static uint64_t call_often(const clg_device_params *params, uint64_t least) {
    static mlp m, other;
    clg_device *d = open_cpu(params);
    make_mlp(d, &m);
    make_mlp(d, &other);
    for (int i = 0; i < CALLS || (i < 500 * CALLS && stats_of(d).runs_joined < least); i++) {
        cr_assert(call(&m, i), "call %d: %s", i, clg_error());
        interrupt(&m, &other, i);
    }
    const uint64_t joined = stats_of(d).runs_joined;
    free_net(&m.n); /* its kernel may still wait for a run */
    free_net(&other.n);
    clg_device_destroy(&d);
    return joined;
}

Test(resident, calls, .timeout = 60) {
    const uint64_t least = can_stay() ? 50 : 0, joined = call_often(NULL, least);
    cr_expect(can_stay() ? joined >= least : joined == 0, "%d joined", (int)joined);
}

Test(resident, calls_with_passive_waits, .timeout = 60) { (void)call_often(clg_device_params(.active_wait_us = -1), 0); }

/* Where waits are bounded, or times asked for, each run is a command. */
Test(resident, calls_one_by_one, .timeout = 60) {
    cr_expect_eq(call_often(clg_device_params(.timeout_ms = 20000), 0), 0);
    cr_expect_eq(call_often(clg_device_params(.profiling = true), 0), 0);
}

Test(resident, off, .timeout = 60) {
    setenv("CLGRAD_RESIDENT", "off", 1);
    cr_expect_eq(call_often(NULL, 0), 0);
    setenv("CLGRAD_RESIDENT", "perhaps", 1);
    clg_device *d = clg_device_open(opencl_device(), NULL);
    cr_expect(!d && strstr(clg_error(), "CLGRAD_RESIDENT=perhaps: is none of on, off"), "%s", clg_error());
}

/* A group that waits leaves at once, but for the one that stays: no run is lost. */
Test(resident, impatient, .timeout = 60) {
    char dir[SCRATCH], command[1000];
    make_scratch(dir);
    snprintf(command, sizeof command, "cp '%s'/cl/*.cl* '%s' && grep -q 'looks >= most) return false' '%s'/mega.clh && "
             "sed -i 's/looks >= most) return false/looks >= 0) return false/' '%s'/mega.clh", getenv("CLGRAD_SOURCE"),
             dir, dir, dir);
    cr_assert_eq(system(command), 0);
    setenv("CLGRAD_CL_PATH", dir, 1);
    (void)call_often(NULL, can_stay() ? 500 : 0);
    remove_scratch(dir);
}

/* --- streams --- */

/* Steps of training without a wait; what they leave. */
static uint64_t stream(const recipe *r, bool stay, int steps, unsigned char *left) {
    setenv("CLGRAD_RESIDENT", stay ? "on" : "off", 1);
    clg_device *d = open_cpu(NULL);
    net a = make_net(r, d, clg_plan_params(.mega = CLG_MEGA_ON));
    net b = make_net(r, d, clg_plan_params(.mega = CLG_MEGA_ON));
    float loss[2] = { 0 };
    memset(left, 0, 2 * MOST);
    for (int i = 0; i < steps; i++) {
        if (i % 50 == 0) write_batch(&a, r, i);
        if (i % 50 == 0) write_batch(&b, r, i + 1);
        OK(clg_run(a.plan));
        if (i % 20 == 7) OK(clg_run(b.plan)); /* in between */
        if (i % 30 == 11) OK(clg_read_begin(a.plan, a.loss));
        if (i % 30 == 13) OK(clg_read_end(a.plan, a.loss, &loss[0], sizeof loss[0]));
        if (i % 70 == 61) OK(clg_read(b.plan, b.loss, &loss[1], sizeof loss[1]));
    }
    (void)read_store(&a, left);
    (void)read_store(&b, left + MOST);
    memcpy(left + 2 * MOST - sizeof loss, loss, sizeof loss);
    const uint64_t joined = stats_of(d).runs_joined;
    free_net(&a);
    free_net(&b);
    clg_device_destroy(&d);
    return joined;
}

Test(resident, streams, .timeout = 120) {
    static unsigned char got[2 * MOST], want[2 * MOST];
    uint64_t joined = 0;
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        cr_expect_eq(stream(&recipes[i], false, STREAM, want), 0);
        joined += stream(&recipes[i], true, STREAM, got);
        cr_expect(memcmp(got, want, sizeof got) == 0, "net %d: runs of one command leave other bits", (int)i);
    }
    cr_expect((joined > 0) == can_stay(), "%d runs joined others", (int)joined);
}

/* --- what belongs between runs --- */

enum { SIDE = 64, CELLS = SIDE * SIDE };

typedef struct sums {
    net         n;
    clg_tensor *ones, *w; /* SIDE x SIDE, as n.x */
} sums;

static sums make_sums(clg_device *d) {
    sums s = { .n.dev = d, .n.store = clg_store_create(d, 1) };
    s.n.g = clg_graph_create(d, s.n.store);
    s.n.x = clg_input(s.n.g, "x", CLG_F32, CLG_SHAPE(SIDE, SIDE));
    s.ones = clg_param(s.n.g, "ones", CLG_F32, CLG_SHAPE(SIDE, SIDE), CLG_INIT_ONE);
    s.w = clg_param(s.n.g, "w", CLG_F32, CLG_SHAPE(SIDE, SIDE), CLG_INIT_ZERO);
    return s;
}

static void compile_sums(sums *s, clg_list targets) {
    s->n.plan = clg_compile(s->n.g, targets, clg_plan_params(.mega = CLG_MEGA_ON));
    cr_assert(s->n.plan, "%s", clg_error());
}

static void expect_all(const sums *s, const char *name, float want) {
    static float w[CELLS];
    OK(clg_store_read(s->n.store, name, w, sizeof w));
    for (int i = 0; i < CELLS; i++) cr_assert_float_eq(w[i], want, 0, "%s[%d] is %g, not %g", name, i, w[i], want);
}

/* More runs in a row than a command may take: each is done once. */
Test(resident, many_runs, .timeout = 60) {
    enum { RUNS = 5000 };
    clg_device *d = open_cpu(NULL);
    sums s = make_sums(d);
    clg_tensor *one = clg_param(s.n.g, "one", CLG_F32, CLG_SHAPE(1), CLG_INIT_ONE);
    compile_sums(&s, CLG_LIST(clg_assign(s.w, clg_add(s.w, one)), clg_matmul(s.n.x, s.ones)));
    for (int k = 1; k <= 3; k++) {
        for (int i = 0; i < RUNS; i++) OK(clg_run(s.n.plan));
        expect_all(&s, "w", (float)(k * RUNS));
    }
    cr_expect(!can_stay() || stats_of(d).runs_joined > RUNS, "%d runs joined", (int)stats_of(d).runs_joined);
    free_net(&s.n);
    clg_device_destroy(&d);
}

/* An input that is a target, too, is uploaded by a command of the queue. */
Test(resident, uploads_in_line, .timeout = 60) {
    static float x[CELLS];
    float want = 0;
    clg_device *d = open_cpu(NULL);
    sums s = make_sums(d);
    compile_sums(&s, CLG_LIST(s.n.x, clg_assign(s.w, clg_add(s.w, clg_relu(clg_matmul(s.n.x, s.ones))))));
    for (int i = 0; i < 500; i++) {
        for (int k = 0; k < CELLS; k++) x[k] = (float)(i % 3);
        OK(clg_write(s.n.plan, s.n.x, x, sizeof x));
        OK(clg_run(s.n.plan));
        want += (float)(i % 3 * SIDE);
    }
    expect_all(&s, "w", want);
    free_net(&s.n);
    clg_device_destroy(&d);
}

/* The old value of one variable becomes another's: a copy behind the kernel, or before it. */
Test(resident, copies, .timeout = 60) {
    clg_device *d = open_cpu(NULL);
    sums s = make_sums(d);
    clg_tensor *old = clg_param(s.n.g, "old", CLG_F32, CLG_SHAPE(SIDE, SIDE), CLG_INIT_ZERO);
    clg_tensor *mean = clg_scale(clg_matmul(s.w, s.ones), 1.0 / SIDE); /* of equal numbers: themselves */
    compile_sums(&s, CLG_LIST(clg_assign(s.w, clg_add(mean, s.ones)), clg_assign(old, s.w)));
    for (int i = 0; i < 300; i++) OK(clg_run(s.n.plan));
    expect_all(&s, "w", 300);
    expect_all(&s, "old", 299);
    free_net(&s.n);
    clg_device_destroy(&d);
}

/* --- applications with commands of their own --- */

enum { WIDE = 256 };

typedef struct app {
    cl_context       context;
    cl_command_queue queue;
    net    n;
    cl_mem in, out;
} app;

/* y = relu(x . 1) . 1; shares: the library enqueues on the application's queue. */
static app make_app(bool shares) {
    cl_int err = CL_SUCCESS;
    cl_device_id id = opencl_id(opencl_device());
    app a = { 0 };
    cr_assert(id);
    a.context = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
    cr_assert_eq(err, CL_SUCCESS);
    a.queue = clCreateCommandQueue(a.context, id, 0, &err);
    cr_assert_eq(err, CL_SUCCESS);
    a.n.dev = clg_device_wrap(a.context, id, shares ? a.queue : NULL, NULL);
    cr_assert(a.n.dev, "%s", clg_error());
    a.n.store = clg_store_create(a.n.dev, 1);
    a.n.g = clg_graph_create(a.n.dev, a.n.store);
    a.n.x = clg_input(a.n.g, "x", CLG_F32, CLG_SHAPE(WIDE, WIDE));
    clg_tensor *ones = clg_param(a.n.g, "ones", CLG_F32, CLG_SHAPE(WIDE, WIDE), CLG_INIT_ONE);
    a.n.answer = clg_matmul(clg_relu(clg_matmul(a.n.x, ones)), ones);
    a.n.plan = clg_compile(a.n.g, CLG_LIST(a.n.answer), clg_plan_params(.mega = CLG_MEGA_ON, .inference = true));
    cr_assert(a.n.plan, "%s", clg_error());
    const size_t bytes = WIDE * WIDE * sizeof(float) + CLG_MEM_SLACK;
    a.in = clCreateBuffer(a.context, CL_MEM_READ_WRITE, bytes, NULL, &err);
    a.out = clCreateBuffer(a.context, CL_MEM_READ_WRITE, bytes, NULL, &err);
    cr_assert_eq(err, CL_SUCCESS);
    OK(clg_plan_use(a.n.plan, a.n.x, a.in, 0));
    OK(clg_plan_use(a.n.plan, a.n.answer, a.out, 0));
    return a;
}

static void free_app(app *a) {
    free_net(&a->n);
    clg_device_destroy(&a->n.dev);
    clReleaseMemObject(a->in);
    clReleaseMemObject(a->out);
    clReleaseCommandQueue(a->queue);
    clReleaseContext(a->context);
}

static void fill_input(const app *a, float x, cl_uint n, const cl_event *wait, cl_event *done) {
    cr_assert_eq(clEnqueueFillBuffer(a->queue, a->in, &x, sizeof x, 0, WIDE * WIDE * sizeof x, n, wait, done), CL_SUCCESS);
}

/* Runs are in the order of the application's queue, on which the library sees its own commands alone. */
Test(resident, queue_of_the_application, .timeout = 60) {
    enum { RUNS = 200 };
    static float got[RUNS];
    app a = make_app(true);
    for (int i = 0; i < RUNS; i++) {
        fill_input(&a, (float)(i % 5 + 1), 0, NULL, NULL);
        OK(clg_run(a.n.plan));
        cr_assert_eq(clEnqueueReadBuffer(a.queue, a.out, CL_FALSE, 0, sizeof *got, &got[i], 0, NULL, NULL), CL_SUCCESS);
    }
    cr_assert_eq(clFinish(a.queue), CL_SUCCESS);
    for (int i = 0; i < RUNS; i++)
        cr_expect_float_eq(got[i], (float)((i % 5 + 1) * WIDE * WIDE), 0, "run %d: %g", i, got[i]);
    cr_expect_eq(stats_of(a.n.dev).runs_joined, 0);
    free_app(&a);
}

/* A run behind an event of another queue. */
Test(resident, events_of_the_application, .timeout = 60) {
    static float y[WIDE * WIDE];
    app a = make_app(false);
    for (int i = 0; i < 60; i++) {
        const float x = (float)(i % 7 + 1);
        cl_int err = CL_SUCCESS;
        cl_event gate = clCreateUserEvent(a.context, &err), filled = NULL;
        cr_assert_eq(err, CL_SUCCESS);
        for (int k = 0; k < 3; k++) OK(clg_run(a.n.plan));
        fill_input(&a, x, 1, &gate, &filled);
        clFlush(a.queue);
        OK(clg_run_events(a.n.plan, 1, &filled, NULL));
        cr_assert_eq(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
        OK(clg_read(a.n.plan, a.n.answer, y, sizeof y));
        cr_expect_float_eq(y[0], x * WIDE * WIDE, 0, "round %d: %g", i, y[0]);
        clReleaseEvent(filled);
        clReleaseEvent(gate);
    }
    free_app(&a);
}

/* --- threads --- */

typedef struct caller {
    clg_device *dev;
    mlp m;
    int wrong;
} caller;

static void *call_on(void *what) {
    caller *c = what;
    for (int i = 0; i < CALLS / 2; i++) c->wrong += !call(&c->m, i);
    return NULL;
}

/* One device, a plan for each thread. */
Test(resident, threads, .timeout = 60) {
    enum { MANY = 3 };
    static caller c[MANY];
    pthread_t thread[MANY];
    clg_device *d = open_cpu(NULL);
    for (int i = 0; i < MANY; i++) make_mlp(d, &c[i].m);
    for (int i = 0; i < MANY; i++) cr_assert_eq(pthread_create(&thread[i], NULL, call_on, &c[i]), 0);
    for (int i = 0; i < MANY; i++) {
        pthread_join(thread[i], NULL);
        cr_expect_eq(c[i].wrong, 0, "thread %d: %d answers", i, c[i].wrong);
        free_net(&c[i].m.n);
    }
    clg_device_destroy(&d);
}

/* --- ends --- */

/* Plans and devices go while kernels wait, or have runs before them. */
Test(resident, ends, .timeout = 60) {
    static mlp m;
    for (int i = 0; i < 6; i++) {
        clg_device *d = open_cpu(NULL);
        make_mlp(d, &m);
        for (int k = 0; k < 30; k++) cr_expect(call(&m, k), "%s", clg_error());
        for (int k = 0; k < 200 * (i % 2); k++) OK(clg_run(m.n.plan));
        if (i % 3 == 1) OK(clg_device_finish(d));
        free_net(&m.n);
        clg_device_destroy(&d);
    }
}

/* Runs that one command does after each other, and kernels that wait for the next run: the answers are those of runs
 * that are commands of their own, whatever comes between, and however long the host stays away. */
#define CL_TARGET_OPENCL_VERSION 300
#include "support/nets.h"
#include "support/opencl.h"
#include <pthread.h>
#include <time.h>

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

static clg_device *open_cpu(const clg_device_params *params) {
    clg_device_info info;
    clg_device *d = clg_device_open(opencl_device(), params);
    cr_assert(d, "%s", clg_error());
    clg_device_get_info(d, &info);
    if (info.type == CLG_DEVICE_CPU) return d;
    clg_device_destroy(&d);
    cr_skip_test("kernels stay on CPUs");
    return NULL;
}

/* --- a perceptron of small integers, so that its answers are known --- */

typedef struct mlp {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *y;
    clg_plan   *plan;
    float       first[IN * MID], second[MID * OUT];
} mlp;

static float small(int i, int salt) { return (float)((i * 7 + salt * 13) % 9 - 4); }

static void set_weights(mlp *m, int salt) {
    for (int i = 0; i < IN * MID; i++) m->first[i] = small(i, salt);
    for (int i = 0; i < MID * OUT; i++) m->second[i] = small(i, salt + 1);
    OK(clg_store_write(m->store, "first", m->first, sizeof m->first));
    OK(clg_store_write(m->store, "second", m->second, sizeof m->second));
}

static void make_mlp(clg_device *d, mlp *m) {
    m->dev = d;
    m->store = clg_store_create(d, 3);
    m->g = clg_graph_create(d, m->store);
    m->x = clg_input(m->g, "x", CLG_F32, CLG_SHAPE(1, IN));
    clg_tensor *a = clg_param(m->g, "first", CLG_F32, CLG_SHAPE(IN, MID), CLG_INIT_ZERO);
    clg_tensor *b = clg_param(m->g, "second", CLG_F32, CLG_SHAPE(MID, OUT), CLG_INIT_ZERO);
    m->y = clg_matmul(clg_relu(clg_matmul(m->x, a)), b);
    m->plan = clg_compile(m->g, CLG_LIST(m->y), clg_plan_params(.mega = CLG_MEGA_ON, .inference = true));
    cr_assert(m->plan, "%s", clg_error());
    set_weights(m, 0);
}

static void free_mlp(mlp *m) {
    clg_plan_destroy(&m->plan);
    clg_graph_destroy(&m->g);
    clg_store_destroy(&m->store);
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
    if (clg_write(m->plan, m->x, x, sizeof x) < 0 || clg_run(m->plan) < 0) return false;
    if (clg_read(m->plan, m->y, y, sizeof y) < 0) return false;
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
    case 2: OK(clg_device_finish(m->dev)); break;
    case 3: pause_us(away[i / 240 % 5]); break;
    case 4: OK(clg_run(m->plan)); break; /* nobody reads it */
    default:
        OK(clg_store_read(m->store, "second", weights, sizeof weights));
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
    free_mlp(&m); /* its kernel may still wait for a run */
    free_mlp(&other);
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
        free_mlp(&c[i].m);
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
        for (int k = 0; k < 200 * (i % 2); k++) OK(clg_run(m.plan));
        if (i % 3 == 1) OK(clg_device_finish(d));
        free_mlp(&m);
        clg_device_destroy(&d);
    }
}

/* Devices over an application's context and queue, its memory as inputs and targets, its events (opencl.h). */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include "support/opencl.h"
#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OK(expr) cr_assert_eq(expr, CLG_OK, "%s", clg_error())
#define CL(expr) cr_assert_eq(expr, CL_SUCCESS)

enum { ROWS = 8, COLS = 40, N = ROWS * COLS, BYTES = N * 4 };

typedef struct app {
    cl_device_id     id;
    cl_context       context;
    cl_command_queue queue;
} app;

static cl_command_queue make_queue(const app *a, cl_command_queue_properties bits) {
    cl_int err;
    cl_command_queue q = clCreateCommandQueue(a->context, a->id, bits, &err);
    CL(err);
    return q;
}

static app start(void) {
    app a;
    a.id = opencl_id(opencl_device());
    cr_assert_not_null(a.id);
    cl_int err;
    a.context = clCreateContext(NULL, 1, &a.id, NULL, NULL, &err);
    CL(err);
    a.queue = make_queue(&a, 0);
    return a;
}

static void stop(app *a) {
    CL(clReleaseCommandQueue(a->queue));
    CL(clReleaseContext(a->context));
}

static cl_mem memory(const app *a, cl_mem_flags flags, size_t bytes) {
    cl_int err;
    cl_mem m = clCreateBuffer(a->context, flags, bytes, NULL, &err);
    CL(err);
    return m;
}

static cl_uint uses_of(cl_mem m) {
    cl_uint n = 0;
    CL(clGetMemObjectInfo(m, CL_MEM_REFERENCE_COUNT, sizeof n, &n, NULL));
    return n;
}

/* --- a graph with every kind of target --- */

typedef struct net {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *unused, *y, *sum, *w, *step;
    clg_plan   *p;
} net;

static net build_by(clg_device *dev, const char *impl) {
    net n = {.dev = dev};
    cr_assert_not_null(dev, "%s", clg_error());
    n.store = clg_store_create(dev, 1);
    n.g = clg_graph_create(dev, n.store);
    n.x = clg_input(n.g, "x", CLG_F32, CLG_SHAPE(ROWS, COLS));
    n.unused = clg_input(n.g, "unused", CLG_F32, CLG_SHAPE(3));
    n.w = clg_param(n.g, "w", CLG_F32, CLG_SHAPE(COLS, COLS), CLG_INIT_ONE);
    n.y = clg_relu(clg_matmul(n.x, n.w));
    n.sum = clg_sum(n.y, CLG_AXIS(1));
    n.step = clg_sgd(clg_mean(n.y, CLG_ALL), NULL);
    n.p = clg_compile(n.g, CLG_LIST(n.x, n.y, n.sum, n.w, n.step), clg_plan_params(.impl = impl));
    cr_assert_not_null(n.p, "%s", clg_error());
    return n;
}

static net build(clg_device *dev) { return build_by(dev, NULL); }

static void close_net(net *n) {
    clg_plan_destroy(&n->p);
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
    clg_device_destroy(&n->dev);
}

static void fill(float *x, int from) {
    for (int i = 0; i < N; i++) x[i] = (float)((i * 7 + from) % 11 - 5);
}

/* y and sum after each of three runs, on inputs of small integers; all through clg_write() and clg_read(). By the same
 * implementation, since a step of training leaves weights that are no integers. */
static void run_plainly(const char *impl, float y[3][N], float sum[3][ROWS]) {
    float x[N];
    net n = build_by(clg_device_open(NULL, NULL), impl);
    for (int k = 0; k < 3; k++) {
        fill(x, k);
        OK(clg_write(n.p, n.x, x, sizeof x));
        OK(clg_run(n.p));
        OK(clg_read(n.p, n.y, y[k], sizeof y[k]));
        OK(clg_read(n.p, n.sum, sum[k], sizeof sum[k]));
    }
    close_net(&n);
}

/* --- memory and events --- */

static void check_memory(const char *impl) {
    static float want[3][N], got[N], x[N], sum[3][ROWS], trained[COLS * COLS], copied[COLS * COLS];
    const size_t at = 256;
    app a = start();
    run_plainly(impl, want, sum);
    net n = build_by(clg_device_wrap(a.context, a.id, a.queue, NULL), impl);
    cl_mem in = memory(&a, CL_MEM_READ_ONLY, at + BYTES + CLG_MEM_SLACK);
    cl_mem out = memory(&a, CL_MEM_READ_WRITE, BYTES + CLG_MEM_SLACK);
    OK(clg_plan_use(n.p, n.unused, in, 0)); /* not read, not kept */
    cr_assert_eq(uses_of(in), 1);
    OK(clg_plan_use(n.p, n.x, in, at));
    OK(clg_plan_use(n.p, n.y, out, 0));
    for (int k = 0; k < 2; k++) { /* the queue is in order: nobody waits but the last read */
        fill(x, k);
        CL(clEnqueueWriteBuffer(a.queue, in, CL_FALSE, at, BYTES, x, 0, NULL, NULL));
        OK(clg_run(n.p));
        CL(clEnqueueReadBuffer(a.queue, out, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
        cr_assert_arr_eq(got, want[k], BYTES, "run %d", k);
        OK(clg_read(n.p, n.y, got, sizeof got)); /* also by the usual way */
        cr_assert_arr_eq(got, want[k], BYTES);
    }
    cr_assert_eq(clg_write(n.p, n.x, x, sizeof x), CLG_ERR_INVALID);
    cr_assert(strstr(clg_error(), "memory of the application"), "%s", clg_error());

    OK(clg_plan_use(n.p, n.x, NULL, 0)); /* back to the plan's own */
    OK(clg_plan_use(n.p, n.y, NULL, 0));
    OK(clg_plan_use(n.p, n.y, NULL, 0));
    cr_assert_eq(uses_of(in), 1);
    fill(x, 2);
    OK(clg_write(n.p, n.x, x, sizeof x));
    OK(clg_run(n.p));
    OK(clg_read(n.p, n.y, got, sizeof got));
    cr_assert_arr_eq(got, want[2], BYTES);
    CL(clEnqueueReadBuffer(a.queue, out, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    cr_assert_arr_eq(got, want[1], BYTES, "memory that was given back stays as it is");

    const float one = 1; /* a param that is read is copied: into the application's memory as well */
    cl_mem weights = memory(&a, CL_MEM_READ_WRITE, sizeof trained + CLG_MEM_SLACK);
    CL(clEnqueueFillBuffer(a.queue, weights, &one, 4, 0, sizeof trained, 0, NULL, NULL));
    OK(clg_plan_use(n.p, n.w, weights, 0));
    OK(clg_run(n.p));
    CL(clEnqueueReadBuffer(a.queue, weights, CL_TRUE, 0, sizeof copied, copied, 0, NULL, NULL));
    OK(clg_read(n.p, n.w, trained, sizeof trained));
    cr_assert_arr_eq(copied, trained, sizeof trained);
    int moved = 0;
    for (int i = 0; i < COLS * COLS; i++) moved += copied[i] != 1;
    cr_assert_gt(moved, 0);
    CL(clReleaseMemObject(weights));

    OK(clg_plan_use(n.p, n.y, out, 0)); /* replaced, and left to the end of the plan */
    cr_assert_eq(clg_plan_use(n.p, n.y, in, 0), CLG_ERR_INVALID); /* read only */
    OK(clg_plan_use(n.p, n.x, out, 0));
    cr_assert_gt(uses_of(out), 1);
    close_net(&n);
    cr_assert_eq(uses_of(out), 1);
    CL(clReleaseMemObject(in));
    CL(clReleaseMemObject(out));
    stop(&a);
}

Test(interop, memory_of_the_application) {
    check_memory(NULL);
    check_memory("matmul.clblast"); /* whose arguments are given at each run */
}

Test(interop, events) {
    static float want[3][N], got[N], x[N], sum[3][ROWS];
    app a = start();
    cl_int err, state = CL_QUEUED;
    cl_event gate = clCreateUserEvent(a.context, &err), written = NULL, done = NULL;
    CL(err);
    run_plainly(NULL, want, sum);
    cl_command_queue other = make_queue(&a, 0);
    net n = build(clg_device_wrap(a.context, a.id, NULL, NULL)); /* a queue of its own */
    cl_mem in = memory(&a, CL_MEM_READ_WRITE, BYTES + CLG_MEM_SLACK);
    cl_mem out = memory(&a, CL_MEM_READ_WRITE, BYTES + CLG_MEM_SLACK);
    OK(clg_plan_use(n.p, n.x, in, 0));
    OK(clg_plan_use(n.p, n.y, out, 0));
    fill(x, 0);
    CL(clEnqueueWriteBuffer(other, in, CL_FALSE, 0, BYTES, x, 1, &gate, &written)); /* waits for the gate */
    CL(clFlush(other));
    OK(clg_run_events(n.p, 1, &written, &done));
    CL(clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    cr_assert_neq(state, CL_COMPLETE, "the run did not wait");
    CL(clSetUserEventStatus(gate, CL_COMPLETE));
    CL(clEnqueueReadBuffer(other, out, CL_TRUE, 0, BYTES, got, 1, &done, NULL));
    cr_assert_arr_eq(got, want[0], BYTES);
    CL(clReleaseEvent(done));
    OK(clg_run_events(n.p, 0, NULL, NULL));
    cr_assert_eq(clg_run_events(n.p, 1, NULL, NULL), CLG_ERR_INVALID);
    CL(clReleaseEvent(written));
    CL(clReleaseEvent(gate));
    close_net(&n);
    CL(clReleaseMemObject(in));
    CL(clReleaseMemObject(out));
    CL(clReleaseCommandQueue(other));
    stop(&a);
}

/* Half of the device, if it can be parted, is a device too. */
Test(interop, sub_devices) {
    static float want[3][N], got[N], x[N], sum[3][ROWS];
    const cl_device_partition_property by_one[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    app a = start();
    cl_device_id part[64];
    cl_uint n_parts = 0;
    cl_int err;
    if (driver_is("rusticl")) cr_skip_test("rusticl of Mesa 22 crashes in clCreateSubDevices");
    if (clCreateSubDevices(a.id, by_one, 64, part, &n_parts) != CL_SUCCESS || n_parts < 2)
        cr_skip_test("the device cannot be parted");
    run_plainly(NULL, want, sum);
    cl_context context = clCreateContext(NULL, 2, part, NULL, NULL, &err);
    CL(err);
    for (int i = 0; i < 2; i++) {
        net n = build(clg_device_wrap(context, part[i], NULL, NULL));
        clg_device_info info;
        clg_device_get_info(n.dev, &info);
        cr_assert_eq(info.compute_units, 1);
        fill(x, 0);
        OK(clg_write(n.p, n.x, x, sizeof x));
        OK(clg_run(n.p));
        OK(clg_read(n.p, n.y, got, sizeof got));
        cr_assert_arr_eq(got, want[0], BYTES, "part %d", i);
        close_net(&n);
    }
    CL(clReleaseContext(context));
    for (cl_uint i = 0; i < n_parts; i++) CL(clReleaseDevice(part[i]));
    stop(&a);
}

/* --- refusals --- */

static void refuse(clg_device *dev, const char *words) {
    cr_assert_null(dev, "%s was accepted", words);
    cr_expect(strstr(clg_error(), words), "%s: %s", words, clg_error());
}

Test(interop, wrong_devices) {
    app a = start(), b = start();
    cl_command_queue apart = clCreateCommandQueue(a.context, a.id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, NULL);
    refuse(clg_device_wrap(NULL, a.id, NULL, NULL), "context is NULL");
    refuse(clg_device_wrap(a.context, NULL, NULL, NULL), "id is NULL");
    refuse(clg_device_wrap(a.context, a.id, b.queue, NULL), "another context");
    if (apart) refuse(clg_device_wrap(a.context, a.id, apart, NULL), "out of order"); /* not all drivers make such */
    refuse(clg_device_wrap(a.context, a.id, a.queue, clg_device_params(.profiling = true)), "QUEUE_PROFILING");
    clg_device *d = clg_device_wrap(a.context, a.id, NULL, clg_device_params(.profiling = true));
    cr_assert_not_null(d, "%s", clg_error());
    clg_device_destroy(&d);
    if (apart) CL(clReleaseCommandQueue(apart));
    stop(&a);
    stop(&b);
}

static void refuse_use(clg_plan *p, clg_tensor *t, cl_mem m, size_t offset, const char *words) {
    cr_expect_lt(clg_plan_use(p, t, m, offset), 0, "%s was accepted", words);
    cr_expect(strstr(clg_error(), words), "%s: %s", words, clg_error());
}

Test(interop, wrong_memory) {
    app a = start(), b = start();
    net n = build(clg_device_wrap(a.context, a.id, a.queue, NULL)), ref = build(clg_device_open("ref", NULL));
    clg_tensor *two = clg_fill(n.g, CLG_F32, CLG_SHAPE(3), 2);
    clg_plan *constant = clg_compile(n.g, CLG_LIST(two), NULL);
    cl_mem good = memory(&a, CL_MEM_READ_WRITE, BYTES + CLG_MEM_SLACK), small = memory(&a, CL_MEM_READ_WRITE, BYTES);
    cl_mem other = memory(&b, CL_MEM_READ_WRITE, BYTES + CLG_MEM_SLACK);
    cl_mem unread = memory(&a, CL_MEM_WRITE_ONLY, BYTES + CLG_MEM_SLACK);
    refuse_use(NULL, n.x, good, 0, "plan is NULL");
    refuse_use(n.p, NULL, good, 0, "tensor is NULL");
    refuse_use(n.p, n.x, other, 0, "own context");
    refuse_use(n.p, n.x, small, 0, "CLG_MEM_SLACK");
    refuse_use(n.p, n.x, good, 128, "CLG_MEM_SLACK");
    refuse_use(n.p, n.x, good, 4, "multiple of 128");
    refuse_use(n.p, n.x, good, SIZE_MAX - 127, "absurd");
    refuse_use(n.p, n.x, unread, 0, "cannot read");
    refuse_use(constant, two, good, 0, "constant");
    refuse_use(n.p, n.step, good, 0, "neither an input nor a readable target");
    refuse_use(n.p, ref.x, good, 0, "another graph");
    refuse_use(ref.p, ref.x, good, 0, "ref");
    cr_expect_eq(clg_run_events(ref.p, 0, NULL, NULL), CLG_ERR_UNSUP);
    cr_expect_eq(uses_of(good), 1);
    clg_plan_destroy(&constant);
    close_net(&n);
    close_net(&ref);
    cl_mem all[] = {good, small, other, unread};
    for (int i = 0; i < 4; i++) CL(clReleaseMemObject(all[i]));
    stop(&a);
    stop(&b);
}

/* An application with its own OpenCL context, queue and kernels, in which a network learns: the application's kernel
 * makes points of the plane in its own buffer, clgrad trains on that buffer without a copy, and the application's
 * kernel counts what the network says of new points, in a buffer that clgrad wrote. One queue; the host only gives
 * orders. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <stdio.h>

enum { BATCH = 256, STEPS = 800, FEATURES = 2 };

/* Points of [-1, 1]^2 by a hash of their number; class 1 where both coordinates have one sign (XOR). */
static const char source[] =
    "float coordinate(uint i) {\n"
    "    i ^= i >> 16; i *= 0x7feb352du; i ^= i >> 15; i *= 0x846ca68bu; i ^= i >> 16;\n"
    "    return (float)(i >> 8) / 8388608.0f - 1.0f;\n"
    "}\n"
    "__kernel void make(__global float *x, __global int *label, const uint first) {\n"
    "    const uint i = get_global_id(0);\n"
    "    x[2 * i] = coordinate(2 * (first + i));\n"
    "    x[2 * i + 1] = coordinate(2 * (first + i) + 1);\n"
    "    label[i] = x[2 * i] * x[2 * i + 1] > 0;\n"
    "}\n"
    "__kernel void judge(__global const float *logits, __global const int *label, __global int *right) {\n"
    "    const uint i = get_global_id(0);\n"
    "    if ((logits[2 * i + 1] > logits[2 * i]) == label[i]) atomic_inc(right);\n"
    "}\n";

typedef struct app {
    cl_device_id     id;
    cl_context       context;
    cl_command_queue queue;
    cl_program       program;
    cl_kernel        make, judge;
    cl_mem           x, label, logits, right;
} app;

/* Tensors of a plan want CLG_MEM_SLACK readable bytes behind them. */
static cl_mem buffer(const app *a, size_t bytes) {
    return clCreateBuffer(a->context, CL_MEM_READ_WRITE, bytes + CLG_MEM_SLACK, NULL, NULL);
}

static int start(app *a) {
    const char *text = source;
    cl_platform_id platform;
    if (clGetPlatformIDs(1, &platform, NULL) || clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &a->id, NULL)) return 1;
    a->context = clCreateContext(NULL, 1, &a->id, NULL, NULL, NULL);
    a->queue = clCreateCommandQueue(a->context, a->id, 0, NULL);
    a->program = clCreateProgramWithSource(a->context, 1, &text, NULL, NULL);
    if (!a->queue || clBuildProgram(a->program, 1, &a->id, "", NULL, NULL)) return 1;
    a->make = clCreateKernel(a->program, "make", NULL);
    a->judge = clCreateKernel(a->program, "judge", NULL);
    a->x = buffer(a, BATCH * FEATURES * sizeof(float));
    a->label = buffer(a, BATCH * sizeof(int));
    a->logits = buffer(a, BATCH * 2 * sizeof(float));
    a->right = buffer(a, sizeof(int));
    return !(a->make && a->judge && a->x && a->label && a->logits && a->right);
}

static void stop(app *a) {
    cl_mem memory[] = {a->x, a->label, a->logits, a->right};
    for (int i = 0; i < 4; i++)
        if (memory[i]) clReleaseMemObject(memory[i]);
    if (a->make) clReleaseKernel(a->make);
    if (a->judge) clReleaseKernel(a->judge);
    if (a->program) clReleaseProgram(a->program);
    if (a->queue) clReleaseCommandQueue(a->queue);
    if (a->context) clReleaseContext(a->context);
}

/* Points number first, first + 1, ... into x and label. */
static int make_points(const app *a, cl_uint first) {
    const size_t n = BATCH;
    return clSetKernelArg(a->make, 0, sizeof a->x, &a->x) || clSetKernelArg(a->make, 1, sizeof a->label, &a->label) ||
           clSetKernelArg(a->make, 2, sizeof first, &first) ||
           clEnqueueNDRangeKernel(a->queue, a->make, 1, NULL, &n, NULL, 0, NULL, NULL);
}

/* How many of the batch were answered right. */
static int count_right(const app *a, int *right) {
    const size_t n = BATCH;
    *right = 0;
    return clEnqueueWriteBuffer(a->queue, a->right, CL_TRUE, 0, sizeof *right, right, 0, NULL, NULL) ||
           clSetKernelArg(a->judge, 0, sizeof a->logits, &a->logits) ||
           clSetKernelArg(a->judge, 1, sizeof a->label, &a->label) ||
           clSetKernelArg(a->judge, 2, sizeof a->right, &a->right) ||
           clEnqueueNDRangeKernel(a->queue, a->judge, 1, NULL, &n, NULL, 0, NULL, NULL) ||
           clEnqueueReadBuffer(a->queue, a->right, CL_TRUE, 0, sizeof *right, right, 0, NULL, NULL);
}

int main(void) {
    app a = {0};
    int right = 0, failed = start(&a);
    if (failed) {
        fprintf(stderr, "no OpenCL device, or the application's own kernels do not build\n");
        stop(&a);
        return 1;
    }
    clg_device *dev = clg_device_wrap(a.context, a.id, a.queue, NULL);
    clg_store  *store = dev ? clg_store_create(dev, 1) : NULL;
    clg_graph  *g = store ? clg_graph_create(dev, store) : NULL;
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(BATCH, FEATURES));
    clg_tensor *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(BATCH));
    clg_tensor *h = clg_tanh(clg_nn_linear(clg_tanh(clg_nn_linear(x, "fc1", 16)), "fc2", 16));
    clg_tensor *logits = clg_nn_linear(h, "fc3", 2), *loss = clg_cross_entropy(logits, t);
    clg_plan   *train = clg_compile(g, CLG_LIST(clg_adam(loss, clg_optim_params(.lr = 0.01))), NULL);
    clg_plan   *infer = clg_compile(g, CLG_LIST(logits), clg_plan_params(.inference = true));
    failed = !train || !infer || clg_plan_use(train, x, a.x, 0) || clg_plan_use(train, t, a.label, 0) ||
             clg_plan_use(infer, x, a.x, 0) || clg_plan_use(infer, logits, a.logits, 0);
    for (cl_uint step = 0; step < STEPS && !failed; step++)
        failed = make_points(&a, step * BATCH) || clg_run(train);
    failed = failed || make_points(&a, STEPS * BATCH) || clg_run(infer) || count_right(&a, &right);
    if (failed) fprintf(stderr, "failed: %s\n", clg_error());
    else printf("%d of %d new points are on the right side, by the application's own count\n", right, BATCH);
    clg_plan_destroy(&train);
    clg_plan_destroy(&infer);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
    stop(&a);
    return failed || right < 0.95 * BATCH;
}

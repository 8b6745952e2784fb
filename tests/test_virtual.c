/* Devices that are not here, by the layer of support/virtual.h: what the library makes of each, that every kind of op
 * keeps within its limits and agrees with the reference, that LeNet trains; and that the layer does refuse. */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check/check.h"
#include "support/virtual_env.h"
#include <clgrad/clgrad.h>

/* What must be made of each profile. */
typedef struct expectation {
    const char *profile;
    bool        fp64;
    uint64_t    max_group;
    const char *which;   /* a pattern for clg_device_open() that finds it */
    bool        gpu;     /* all kernels of class gpu run; else those that need groups of 256 along one axis do not */
    bool        ops;     /* check ops too; where limits are those of another profile, LeNet has to do */
} expectation;

static const expectation profiles[] = {
    { "amd-vega", true, 256, "advanced micro:gpu:gfx900", true, true },
    { "amd-rdna2", true, 256, "amd:gpu", true, false },
    { "nvidia-turing", true, 1024, "nvidia", true, true },
    { "intel-uhd", true, 256, "intel:gpu:uhd", true, false },
    { "intel-arc", false, 1024, "arc", true, true },
    { "arm-mali", false, 384, "mali", true, false },
    { "qualcomm-adreno", false, 1024, "qualcomm", true, false },
    { "old", false, 64, "old", false, false },
    { "tiny", false, 64, "gpu", false, true },
    { "odd", true, 1024, "0", false, true },
};
enum { N_PROFILES = sizeof profiles / sizeof profiles[0] };

static void print_failure(void *user, const clg_check_failure *f) {
    (void)user;
    fprintf(stderr, "%s%s%s: %s\n", f->op, f->impl ? " by " : "", f->impl ? f->impl : "", f->text);
}

/* --- each profile --- */

static void check_ops(clg_device *dev, bool all_gpu) {
    static const char *const ops[] = { "matmul", "conv", "conv_bwd_data", "conv_bwd_filter", "max_pool", "avg_pool_bwd",
                                       "sum", "softmax", "permute", "argsort", "tanh", "gather", "cumsum" };
    clg_check_params p = { .dev = dev, .seed = 1, .quick = true, .max_flops = all_gpu ? 3000 : 800,
                           .only_impl = all_gpu ? "*gpu*" : NULL, .skip_impl = "clblast",
                           .failed = print_failure };
    clg_op_info info;
    p.ref = clg_device_open("ref", NULL);
    cr_assert_not_null(p.ref);
    int seen = 0;
    for (int i = 0; clg_op_get_info(i, &info) == CLG_OK && i < clg_op_count(); i++) {
        clg_check_result r;
        bool wanted = false;
        for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) wanted |= strcmp(ops[k], info.name) == 0;
        if (!wanted) continue;
        clg_check_op(i, &p, &r);
        cr_expect(r.pass, "%s: %d failures in %d cases", r.op, r.failures, r.cases);
        cr_expect_gt(r.runs, 0, "%s: nothing was compared", r.op);
        seen++;
    }
    cr_expect_eq(seen, sizeof ops / sizeof ops[0]);
    clg_device_destroy(&p.ref);
}

/* The loss after some steps of training; the implementations of the plan to report, unless NULL. */
static float train_lenet(clg_device *dev, const char *impl, char *report, size_t size) {
    enum { BATCH = 4, STEPS = 4 };
    clg_store *store = clg_store_create(dev, 7);
    clg_graph *g = store ? clg_graph_create(dev, store) : NULL;
    cr_assert_not_null(g, "%s", clg_error());
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(BATCH, 1, 28, 28)),
               *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(BATCH));
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "c1", 6, 5, NULL));
    h = clg_max_pool(h, clg_pool_params(.kernel = {2, 2}));
    h = clg_max_pool(clg_relu(clg_nn_conv2d(h, "c2", 16, 5, NULL)), clg_pool_params(.kernel = {2, 2}));
    h = clg_relu(clg_nn_linear(clg_flatten(h, 1), "f1", 32));
    clg_tensor *loss = clg_cross_entropy(clg_nn_linear(h, "f2", 10), t);
    clg_tensor *step = clg_sgd(loss, clg_optim_params(.lr = 0.05, .momentum = 0.9));
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, step), clg_plan_params(.impl = impl));
    cr_assert_not_null(plan, "%s", clg_error());
    static float pixels[BATCH * 28 * 28];
    const int32_t labels[BATCH] = { 1, 7, 3, 1 };
    float value = 0;
    for (int i = 0; i < BATCH * 28 * 28; i++) pixels[i] = (float)(i * 7 % 31) / 31 + (i / 784 == labels[i / 784]);
    for (int i = 0; i < STEPS; i++) {
        cr_assert_eq(clg_write(plan, x, pixels, sizeof pixels), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_write(plan, t, labels, sizeof labels), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_read(plan, loss, &value, sizeof value), CLG_OK, "%s", clg_error());
    }
    if (report) {
        FILE *f = fmemopen(report, size, "w");
        cr_assert_eq(clg_plan_report(plan, CLG_REPORT_TEXT, f), CLG_OK, "%s", clg_error());
        fclose(f);
    }
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    return value;
}

ParameterizedTestParameters(virtual, profile) {
    int *numbers = cr_malloc(sizeof *numbers * N_PROFILES);
    for (int i = 0; i < N_PROFILES; i++) numbers[i] = i;
    return cr_make_param_array(int, numbers, N_PROFILES);
}

ParameterizedTest(int *which, virtual, profile, .timeout = 600) {
    const expectation *want = &profiles[*which];
    static char report[1 << 16];
    clg_device_info info;
    use_virtual(want->profile);
    clg_device *dev = clg_device_open(want->which, NULL), *ref = clg_device_open("ref", NULL);
    cr_assert(dev && ref, "%s: %s", want->profile, clg_error());
    clg_device_get_info(dev, &info);
    cr_expect_eq(info.type, CLG_DEVICE_GPU);
    cr_expect_eq(info.fp64, want->fp64);
    cr_expect_eq(info.max_group, want->max_group);
    cr_expect_str_eq(info.quirks, "");
    const float loss = train_lenet(dev, "matmul.tile_gpu", report, sizeof report);
    const float right = train_lenet(ref, NULL, NULL, 0);
    cr_expect_lt(fabsf(loss - right), 1e-4f * right, "%s: %g, not %g", want->profile, loss, right);
    cr_expect(strstr(report, "elementwise.gpu") && strstr(report, "conv.direct_gpu"), "%s:\n%s", want->profile, report);
    if (want->gpu)
        cr_expect(!strstr(report, "_cpu") && !strstr(report, ".cpu"), "%s:\n%s", want->profile, report);
    for (int pinned = 0; !want->fp64 && pinned < 2; pinned++) { /* the reference computes it, also if asked not to */
        clg_store *s = clg_store_create(pinned ? ref : dev, 1);
        clg_graph *g = clg_graph_create(pinned ? ref : dev, s);
        if (pinned) cr_assert_eq(clg_graph_pin(g, dev), CLG_OK, "%s", clg_error());
        clg_tensor *y = clg_exp(clg_input(g, "x", CLG_F64, CLG_SHAPE(3)));
        clg_plan *p = clg_compile(g, CLG_LIST(y), NULL);
        clg_plan_info plan;
        cr_assert_not_null(p, "%s: %s", want->profile, clg_error());
        clg_plan_get_info(p, &plan);
        cr_expect_eq(plan.n_fallback, 1, "%s: %d", want->profile, plan.n_fallback);
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_store_destroy(&s);
    }
    if (want->ops) check_ops(dev, want->gpu);
    clg_device_destroy(&dev);
    clg_device_destroy(&ref);
}

/* --- registers of CPUs --- */

/* The ops whose kernels have tiles for registers of both widths, on both, whichever the machine has. */
Test(virtual, cpus_of_both_widths, .timeout = 600) {
    static const struct { const char *op, *impl; } parts[] = {
        { "matmul", "*.tile_cpu" }, { "conv", "*.direct_cpu" }, { "conv", "*.bands" }, { "conv", "*.wino4_cpu" },
        { "conv_bwd_data", "*.direct_cpu" }, { "conv_bwd_filter", "*.direct_cpu" }, { "conv_bwd_filter", "*.channels" },
    };
    for (int wide = 0; wide < 2; wide++) {
        use_virtual(wide ? "intel-uhd,cpu,vector=16" : "intel-uhd,cpu,vector=8");
        clg_device *dev = clg_device_open("0", NULL);
        clg_check_params p = { .dev = dev, .ref = clg_device_open("ref", NULL), .seed = 2, .quick = true,
                               .max_flops = 40000, .failed = print_failure };
        cr_assert(p.dev && p.ref, "%s", clg_error());
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            clg_op_info info;
            clg_check_result r;
            p.only_impl = parts[k].impl;
            for (int i = 0; i < clg_op_count() && clg_op_get_info(i, &info) == CLG_OK; i++)
                if (strcmp(info.name, parts[k].op) == 0) clg_check_op(i, &p, &r);
            cr_expect(r.pass, "%s, wide %d: %d failures in %d cases", r.op, wide, r.failures, r.cases);
            cr_expect_gt(r.runs, 0, "%s by %s: nothing was compared", parts[k].op, parts[k].impl);
        }
        clg_device_destroy(&p.ref);
        clg_device_destroy(&dev);
    }
}

/* --- which convolution --- */

/* Many channels and pixels pay for Winograd's transforms, and for the launch that transforms the filters; few do
 * not. */
typedef struct conv_case {
    int batch, channels, side;
    const char *impl;
    int groups; /* 0: 1 */
} conv_case;

static void expect_chosen(const char *profile, const conv_case *cases, int n) {
    static char report[1 << 14];
    use_virtual(profile);
    clg_device *dev = clg_device_open("nvidia", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    for (int i = 0; i < n; i++) {
        const int64_t channels = cases[i].channels, side = cases[i].side;
        const int64_t groups = cases[i].groups ? cases[i].groups : 1;
        clg_store *store = clg_store_create(dev, 1);
        clg_graph *g = clg_graph_create(dev, store);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(cases[i].batch, channels, side, side)),
                   *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(channels, channels / groups, 3, 3));
        clg_tensor *y = clg_conv(x, w, NULL, clg_conv_params(.pad = { 1, 1 }, .groups = groups));
        clg_plan *plan = clg_compile(g, CLG_LIST(y), NULL);
        cr_assert_not_null(plan, "%s", clg_error());
        FILE *f = fmemopen(report, sizeof report, "w");
        cr_assert_eq(clg_plan_report(plan, CLG_REPORT_TEXT, f), CLG_OK, "%s", clg_error());
        fclose(f);
        cr_expect(strstr(report, cases[i].impl), "case %d: not %s:\n%s", i, cases[i].impl, report);
        clg_plan_destroy(&plan);
        clg_graph_destroy(&g);
        clg_store_destroy(&store);
    }
    clg_device_destroy(&dev);
}

Test(virtual, winograd_by_rule) {
    static const conv_case cases[] = {
        { 1, 16, 14, "conv.direct_gpu" }, { 1, 64, 7, "conv.direct_gpu" }, { 32, 512, 7, "conv.wino" },
        { 1, 512, 14, "conv.wino2_gpu" }, { 32, 64, 56, "conv.wino4_gpu" }, { 32, 256, 28, "conv.wino4_gpu" },
        { 1, 256, 28, "conv.wino4_gpu" },
    };
    expect_chosen("nvidia-turing", cases, sizeof cases / sizeof cases[0]);
}

/* One filter a channel. */
Test(virtual, depthwise_by_rule) {
    static const conv_case cases[] = {
        { 8, 64, 28, "conv.depthwise_gpu", 64 }, { 1, 32, 112, "conv.depthwise_gpu", 32 },
    };
    expect_chosen("nvidia-turing", cases, sizeof cases / sizeof cases[0]);
}

/* The transformed filters are 4 and 16/9 times as large as the filter, and one buffer. */
Test(virtual, winograd_only_where_its_filters_fit) {
    static const conv_case c = { 1, 256, 28, "conv.direct_gpu" };
    expect_chosen("nvidia-turing,max_alloc=4194304", &c, 1);
}

/* --- several at once --- */

static const char *found(const char *which) {
    static clg_device_info info;
    const int i = clg_device_find(which);
    return i >= 0 && clg_device_list(i, &info) == CLG_OK ? info.name : "none";
}

Test(virtual, choice_by_name) {
    use_virtual("intel-uhd,cpu,name=Some CPU,vendor=Some,platform=Some OpenCL; intel-uhd; nvidia-turing; "
                "amd-rdna2,units=99");
    cr_expect_eq(clg_device_count(), 5);
    cr_expect_str_eq(found("cpu"), "Some CPU");
    cr_expect_str_eq(found("intel:gpu"), "Intel(R) UHD Graphics 620");
    cr_expect_str_eq(found("nvidia"), "Tesla T4");
    cr_expect_str_eq(found("gpu:1"), "Tesla T4");
    cr_expect_str_eq(found("gfx1030"), "gfx1030");
    cr_expect_str_eq(found("gpu:nosuch"), "none");
    cr_expect_str_eq(found(NULL), "gfx1030"); /* the fastest of those with memory of their own */
    cr_expect_str_eq(found("ref"), "reference");
}

/* The driver's compiler has none, which only a trial shows: sums are then joined in local memory. */
Test(virtual, subgroups_that_are_not_there) {
    enum { N = 1000 };
    use_virtual("amd-vega,subgroups");
    clg_device *dev = clg_device_open("0", NULL);
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    clg_device_info info;
    clg_device_get_info(dev, &info);
    cr_expect(info.subgroups, "the profile does not say that it has sub-groups");
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N)), *y = clg_sum(x, CLG_ALL);
    clg_plan *plan = clg_compile(g, CLG_LIST(y), clg_plan_params(.impl = "reduce.gpu"));
    cr_assert_not_null(plan, "%s", clg_error());
    float values[N], sum = 0;
    for (int i = 0; i < N; i++) values[i] = (float)i;
    cr_assert_eq(clg_write(plan, x, values, sizeof values), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, y, &sum, sizeof sum), CLG_OK, "%s", clg_error());
    cr_expect_eq(sum, N * (N - 1) / 2);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* --- the layer itself --- */

typedef struct raw {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
} raw;

static raw open_raw(void) {
    raw r = { 0 };
    cl_platform_id platform;
    cl_int err;
    cr_assert_eq(clGetPlatformIDs(1, &platform, NULL), CL_SUCCESS);
    cr_assert_eq(clGetDeviceIDs(platform, CL_DEVICE_TYPE_GPU, 1, &r.id, NULL), CL_SUCCESS);
    r.context = clCreateContext(NULL, 1, &r.id, NULL, NULL, &err);
    r.queue = clCreateCommandQueue(r.context, r.id, 0, &err);
    cr_assert_eq(err, CL_SUCCESS);
    return r;
}

static cl_kernel build(const raw *r, const char *text, cl_int *err) {
    cl_program p = clCreateProgramWithSource(r->context, 1, &text, NULL, err);
    *err = clBuildProgram(p, 1, &r->id, "-cl-std=CL1.2", NULL, NULL);
    return *err == CL_SUCCESS ? clCreateKernel(p, "k", err) : NULL;
}

static cl_int launch(const raw *r, cl_kernel k, size_t x, size_t y) {
    const size_t size[2] = { x, y };
    return clEnqueueNDRangeKernel(r->queue, k, 2, NULL, size, size, 0, NULL, NULL);
}

Test(virtual, limits_hold) {
    use_virtual("tiny");
    const raw r = open_raw();
    cl_int err = CL_SUCCESS;
    clCreateBuffer(r.context, 0, 65u << 20, NULL, &err);
    cr_expect_eq(err, CL_INVALID_BUFFER_SIZE);
    cl_mem m[5];
    for (int i = 0; i < 5; i++) m[i] = clCreateBuffer(r.context, 0, 60u << 20, NULL, &err);
    cr_expect_eq(err, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    cr_expect_eq(clReleaseMemObject(m[0]), CL_SUCCESS);
    m[0] = clCreateBuffer(r.context, 0, 60u << 20, NULL, &err);
    cr_expect_eq(err, CL_SUCCESS);
    clCreateSubBuffer(m[0], 0, CL_BUFFER_CREATE_TYPE_REGION, &(cl_buffer_region){ 512, 512 }, &err);
    cr_expect_eq(err, CL_MISALIGNED_SUB_BUFFER_OFFSET);
    clCreateSubBuffer(m[0], 0, CL_BUFFER_CREATE_TYPE_REGION, &(cl_buffer_region){ 1024, 512 }, &err);
    cr_expect_eq(err, CL_SUCCESS);
    clCreateCommandQueueWithProperties(r.context, r.id, NULL, &err);
    cr_expect_eq(err, CL_INVALID_OPERATION);
    clCreateImage(r.context, CL_MEM_READ_ONLY, &(cl_image_format){ CL_RGBA, CL_FLOAT },
                  &(cl_image_desc){ .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 8, .image_height = 8 },
                  NULL, &err);
    cr_expect_eq(err, CL_INVALID_OPERATION);
    build(&r, "kernel void k(global float *x) { x[0] = (double)x[1]; }", &err);
    cr_expect_eq(err, CL_BUILD_PROGRAM_FAILURE);
    cl_kernel k = build(&r, "kernel void k(global float *x, local float *l) { local float s[1024]; "
                        "s[get_local_id(0)] = l[0]; barrier(1); x[0] = s[get_local_size(0) - 1]; }", &err);
    cr_assert_eq(err, CL_SUCCESS);
    clSetKernelArg(k, 0, sizeof m[0], &m[0]);
    clSetKernelArg(k, 1, 12288, NULL); /* with the 4 KiB of its own, just 16 KiB */
    cr_expect_eq(launch(&r, k, 32, 2), CL_SUCCESS);
    cr_expect_eq(launch(&r, k, 32, 4), CL_INVALID_WORK_GROUP_SIZE);
    cr_expect_eq(launch(&r, k, 4, 16), CL_INVALID_WORK_ITEM_SIZE);
    clSetKernelArg(k, 1, 12292, NULL);
    cr_expect_eq(launch(&r, k, 32, 2), CL_OUT_OF_RESOURCES);
    clFinish(r.queue);
}

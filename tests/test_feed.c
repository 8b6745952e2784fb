/* Feeding: a convolution of one tap that only a depthwise one reads is computed by the kernel of that, with what stands
 * between and behind them, and gives what the reference gives; and it is not where others need it. Data are small integers, so sums are
 * exact in any order. */
#define _GNU_SOURCE
#include "support/plan.h"
#include <pthread.h>

#define TAKES "conv.depthwise_cpu"
enum { MAX_ELEMS = 1 << 16 };

/* --- the pairs --- */

typedef clg_tensor *(*chain)(clg_tensor *y, clg_tensor *by_channel, clg_tensor *whole);

static clg_tensor *nothing(clg_tensor *y, clg_tensor *c, clg_tensor *z) { return y; }
static clg_tensor *scaled(clg_tensor *y, clg_tensor *c, clg_tensor *z) { return clg_relu6(clg_mul(y, c)); }
static clg_tensor *residual(clg_tensor *y, clg_tensor *c, clg_tensor *z) { return clg_relu(clg_add(y, z)); }
static clg_tensor *clipped(clg_tensor *y, clg_tensor *c, clg_tensor *z) {
    return clg_clamp(clg_add(clg_sub(z, y), c), -9, 50);
}
static clg_tensor *lengthy(clg_tensor *y, clg_tensor *c, clg_tensor *z) { /* more than stands in each store; whole */
    for (int i = 0; i < 6; i++) y = clg_clamp(clg_add(clg_clamp(clg_sub(y, c), -90, 90 - i), z), -80, 70 + i);
    return y;
}
static clg_tensor *reshaped(clg_tensor *y, clg_tensor *c, clg_tensor *z) {
    return clg_reshape(clg_relu(clg_flatten(y, 1)), clg_tensor_shape(y));
}

typedef struct pair {
    const char *name;
    int64_t x[4], between; /* of the feeder: input, output channels */
    int64_t k, stride, pad, multiple, dilation; /* of what it feeds; outputs a channel */
    chain between_them, behind;
    bool bias, fits;
} pair;

static const pair pairs[] = {
    { "a plane", { 2, 5, 9, 11 }, 7, 3, 1, 1, 1, 1, nothing, nothing, false, true },
    { "chains", { 2, 5, 9, 11 }, 12, 3, 1, 1, 1, 1, scaled, scaled, false, true },
    { "biases", { 1, 5, 9, 17 }, 13, 3, 1, 1, 1, 1, nothing, scaled, true, true },
    { "operands", { 2, 3, 6, 35 }, 7, 3, 1, 1, 1, 1, residual, clipped, true, true },
    { "stride 2", { 2, 4, 14, 14 }, 6, 3, 2, 1, 1, 1, clipped, residual, false, true },
    { "stride 2, odd", { 1, 4, 15, 33 }, 8, 3, 2, 1, 1, 1, scaled, scaled, true, true },
    { "7 x 7", { 3, 6, 7, 7 }, 20, 3, 1, 1, 1, 1, scaled, residual, false, true },
    { "wide", { 1, 2, 40, 90 }, 7, 3, 1, 1, 1, 1, scaled, nothing, false, true },
    { "strips", { 1, 3, 112, 60 }, 6, 3, 2, 1, 1, 1, scaled, scaled, true, true },
    { "5 x 5", { 1, 3, 12, 18 }, 9, 5, 1, 2, 1, 1, residual, scaled, true, true },
    { "5 x 5, stride 2", { 1, 3, 13, 20 }, 6, 5, 2, 2, 1, 1, residual, residual, false, true },
    { "no padding", { 2, 3, 8, 9 }, 6, 3, 1, 0, 1, 1, scaled, nothing, true, true },
    { "far padding", { 1, 3, 6, 9 }, 6, 3, 1, 3, 1, 1, scaled, scaled, true, true },
    { "a long chain", { 1, 3, 6, 9 }, 7, 3, 1, 1, 1, 1, lengthy, lengthy, true, true },
    { "one term", { 1, 1, 5, 6 }, 6, 3, 1, 1, 1, 1, nothing, nothing, false, true },
    { "few channels", { 1, 3, 6, 9 }, 2, 3, 1, 1, 1, 1, scaled, scaled, false, false },
    { "dilation", { 1, 3, 9, 9 }, 6, 3, 1, 2, 1, 2, scaled, scaled, false, false },
    { "not depthwise", { 1, 3, 9, 9 }, 6, 3, 1, 1, 2, 1, scaled, scaled, false, false },
    { "reshaped between", { 1, 3, 9, 9 }, 6, 3, 1, 1, 1, 1, reshaped, scaled, false, true },
};

/* --- running --- */

enum { MAX_INPUTS = 8 };

typedef struct trial {
    clg_device *dev;
    clg_graph  *g;
    clg_tensor *in[MAX_INPUTS], *z, *y;
    int         n;
} trial;

static clg_tensor *input(trial *t, clg_shape s) {
    char name[8];
    snprintf(name, sizeof name, "in%d", t->n);
    cr_assert(t->n < MAX_INPUTS && elems(s) <= MAX_ELEMS);
    return t->in[t->n++] = clg_input(t->g, name, CLG_F32, s);
}

static trial make_trial(clg_device *dev, const pair *p) {
    trial t = { .dev = dev };
    t.g = clg_graph_create(dev, NULL);
    const int64_t c = p->between, m = c * p->multiple;
    clg_tensor *x = input(&t, CLG_SHAPE(p->x[0], p->x[1], p->x[2], p->x[3]));
    clg_tensor *wx = input(&t, CLG_SHAPE(c, p->x[1], 1, 1)), *w = input(&t, CLG_SHAPE(m, 1, p->k, p->k));
    clg_tensor *bx = p->bias ? input(&t, CLG_SHAPE(c)) : NULL, *b = p->bias ? input(&t, CLG_SHAPE(m)) : NULL;
    clg_tensor *h = clg_conv(x, wx, bx, NULL), *scale = input(&t, CLG_SHAPE(1, c, 1, 1));
    t.z = h = p->between_them(h, scale, input(&t, clg_tensor_shape(h)));
    const clg_conv_params *params = clg_conv_params(.groups = c, .stride = { p->stride, p->stride },
        .pad = { p->pad, p->pad }, .dilation = { p->dilation, p->dilation });
    h = clg_conv(h, w, b, params);
    cr_assert_not_null(h, "%s: %s", p->name, clg_error());
    t.y = p->behind(h, p->multiple == 1 ? scale : clg_fill(t.g, CLG_F32, CLG_SCALAR, 1), input(&t, clg_tensor_shape(h)));
    cr_assert_not_null(t.y, "%s: %s", p->name, clg_error());
    return t;
}

static bool is_fed(const clg_plan *p) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(p, CLG_REPORT_TEXT, f));
    fclose(f);
    const bool found = strstr(text, "expand_depthwise") != NULL;
    free(text);
    return found;
}

/* Runs a plan of y, and of z if that is not NULL; whether one kernel computes the pair. */
static bool run(const trial *t, bool with_z, const clg_plan_params *params, float *got) {
    static float x[MAX_ELEMS];
    clg_tensor *targets[] = { t->y, t->z };
    clg_plan *p = compile(t->g, (clg_list){ with_z ? 2 : 1, targets }, params);
    random_state = 5;
    for (int i = 0; i < t->n; i++) {
        fill_small(x, elems(clg_tensor_shape(t->in[i])));
        OK(clg_write(p, t->in[i], x, clg_tensor_bytes(t->in[i])));
    }
    for (int i = 0; i < 2; i++) OK(clg_run(p)); /* twice: what the first leaves behind must not matter */
    read_floats(p, t->y, got);
    const bool fed = is_fed(p);
    clg_plan_destroy(&p);
    return fed;
}

/* fed: what is expected. */
static void check_plan(const trial *t, const pair *p, bool with_z, const clg_plan_params *params, bool fed,
                       const float *want) {
    static float got[MAX_ELEMS];
    memset(got, 0xff, sizeof got);
    cr_assert_eq(run(t, with_z, params, got), fed, "%s: %scomputed on the way", p->name, fed ? "not " : "");
    cr_assert_arr_eq(got, want, clg_tensor_bytes(t->y), "%s", p->name);
}

/* often: also in other kinds of plans. */
static void check_pair(clg_device *dev, clg_device *ref, const pair *p, bool often) {
    static float want[MAX_ELEMS];
    trial t = make_trial(ref, p);
    cr_assert(clg_tensor_bytes(t.y) <= sizeof want, "%s", p->name);
    run(&t, false, NULL, want);
    clg_graph_destroy(&t.g);
    t = make_trial(dev, p);
    check_plan(&t, p, false, clg_plan_params(.mega = CLG_MEGA_OFF, .impl = TAKES), p->fits, want);
    if (often) {
        check_plan(&t, p, false, clg_plan_params(.mega = CLG_MEGA_ON, .impl = TAKES), p->fits, want);
        check_plan(&t, p, false, clg_plan_params(.no_fuse = true, .impl = TAKES), false, want);
        check_plan(&t, p, false, clg_plan_params(.impl = "conv.direct_cpu," TAKES), false, want);
        check_plan(&t, p, true, clg_plan_params(.impl = TAKES), false, want); /* z is to be read */
    }
    clg_graph_destroy(&t.g);
}

Test(feed, pairs) {
    clg_device_info info;
    clg_device *dev = open_device(NULL), *ref = open_device("ref");
    clg_device_get_info(dev, &info);
    if (info.type == CLG_DEVICE_GPU && !strstr(info.name, "Oclgrind")) cr_skip("a kernel for CPUs");
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) check_pair(dev, ref, &pairs[i], i % 6 == 1);
    clg_device_destroy(&dev);
    clg_device_destroy(&ref);
}

/* --- the stack of workers --- */

enum { BLOCKS = 6, SMALL_STACK = 192 << 10 }; /* a block's buffer takes 80 KB of a stack */

/* Each block on smaller planes, so that each has a kernel of its own. */
static void run_blocks(clg_device *dev, const clg_plan_params *params, float *got) {
    trial t = { .dev = dev, .g = clg_graph_create(dev, NULL) };
    const int64_t c = 6;
    clg_tensor *h = input(&t, CLG_SHAPE(1, c, 20, 20)), *wx = input(&t, CLG_SHAPE(c, c, 1, 1));
    clg_tensor *w = input(&t, CLG_SHAPE(c, 1, 3, 3));
    for (int i = 0; i < BLOCKS; i++)
        h = clg_clamp(clg_conv(clg_conv(h, wx, NULL, NULL), w, NULL, clg_conv_params(.groups = c)), -3, 3);
    t.y = h;
    cr_assert_not_null(h, "%s", clg_error());
    const bool fed = run(&t, false, params, got);
    cr_assert_eq(fed, params != NULL);
    clg_graph_destroy(&t.g);
}

/* The kernels of a megakernel share one buffer. */
Test(feed, on_a_small_stack) {
    static float want[MAX_ELEMS], got[MAX_ELEMS];
#ifdef __GLIBC__
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, SMALL_STACK);
    cr_assert_eq(pthread_setattr_default_np(&small), 0); /* of threads that a device starts */
    pthread_attr_destroy(&small);
#endif
    clg_device *ref = open_device("ref");
    run_blocks(ref, NULL, want);
    clg_device_destroy(&ref);
    clg_device *dev = open_device(NULL);
    clg_device_info info;
    clg_device_get_info(dev, &info);
    if (info.type == CLG_DEVICE_CPU) {
        run_blocks(dev, clg_plan_params(.mega = CLG_MEGA_ON, .impl = TAKES), got);
        cr_expect_arr_eq(got, want, sizeof got);
    }
    clg_device_destroy(&dev);
}

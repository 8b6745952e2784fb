/* The passes of the planner through the public API, on the reference device and on the default one: what they must not
 * change (values), and what they must achieve (launches, memory). */
#include "support/plan.h"
#include <math.h>

/* --- broadcasting: y = (a - b) * c over small integers, exact, for every implementation --- */

typedef struct triple { clg_shape a, b, c; } triple;

static const triple shapes[] = {
    { { 0 }, { 0 }, { 0 } },
    { { 1, { 1 } }, { 0 }, { 1, { 1 } } },
    { { 1, { 5 } }, { 0 }, { 1, { 5 } } },
    { { 1, { 16 } }, { 1, { 16 } }, { 1, { 1 } } },
    { { 1, { 17 } }, { 1, { 1 } }, { 0 } },
    { { 1, { 9001 } }, { 1, { 9001 } }, { 0 } },
    { { 2, { 3, 7 } }, { 1, { 7 } }, { 2, { 3, 1 } } },
    { { 2, { 7, 3 } }, { 2, { 1, 3 } }, { 2, { 7, 1 } } },
    { { 2, { 1, 31 } }, { 2, { 13, 1 } }, { 0 } },
    { { 2, { 64, 10 } }, { 1, { 10 } }, { 2, { 64, 10 } } },
    { { 2, { 2, 6007 } }, { 2, { 2, 1 } }, { 1, { 6007 } } },
    { { 2, { 400, 33 } }, { 2, { 400, 1 } }, { 2, { 1, 33 } } },
    { { 3, { 4, 6, 1 } }, { 2, { 6, 1 } }, { 3, { 4, 1, 1 } } },
    { { 3, { 4, 6, 25 } }, { 2, { 6, 1 } }, { 0 } },
    { { 3, { 5, 1, 19 } }, { 3, { 1, 3, 1 } }, { 3, { 5, 3, 19 } } },
    { { 4, { 2, 3, 5, 7 } }, { 4, { 1, 3, 1, 7 } }, { 4, { 2, 1, 5, 1 } } },
    { { 4, { 2, 3, 5, 7 } }, { 3, { 3, 1, 1 } }, { 2, { 5, 7 } } },
    { { 6, { 2, 1, 3, 1, 2, 5 } }, { 6, { 1, 2, 1, 2, 1, 5 } }, { 6, { 2, 2, 3, 2, 2, 1 } } },
    { { 2, { 0, 4 } }, { 1, { 4 } }, { 0 } },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, MAX_ELEMS = 16384 };

/* Element of x, broadcast, at position `at` of the axes of y. */
static double element(const float *x, clg_shape s, clg_shape y, const int64_t *at) {
    int64_t i = 0;
    for (int d = 0; d < s.ndim; d++) i = i * s.dim[d] + (s.dim[d] == 1 ? 0 : at[y.ndim - s.ndim + d]);
    return x[i];
}

static void check_triple(const triple *t, clg_shape y, const float *a, const float *b, const float *c,
                         const float *got, const char *what) {
    const int64_t n = elems(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t at[CLG_MAX_DIMS] = { 0 }, r = i;
        for (int d = y.ndim - 1; d >= 0; d--) {
            at[d] = r % y.dim[d];
            r /= y.dim[d];
        }
        const double want = (element(a, t->a, y, at) - element(b, t->b, y, at)) * element(c, t->c, y, at);
        cr_assert_eq(got[i], want, "%s, shape %d, element %d: %g, not %g", what, (int)(t - shapes), (int)i, got[i],
                     want);
    }
}

static void broadcast_on(const char *which, const clg_plan_params *params) {
    static float a[N_SHAPES][MAX_ELEMS], b[N_SHAPES][MAX_ELEMS], c[N_SHAPES][MAX_ELEMS], got[MAX_ELEMS];
    clg_tensor *in[N_SHAPES][3], *y[N_SHAPES];
    clg_device *dev = open_device(which);
    clg_graph *g = clg_graph_create(dev, NULL);
    for (int i = 0; i < N_SHAPES; i++) {
        const clg_shape s[3] = { shapes[i].a, shapes[i].b, shapes[i].c };
        for (int k = 0; k < 3; k++) {
            char name[16];
            snprintf(name, sizeof name, "%c%d", 'a' + k, i);
            in[i][k] = clg_input(g, name, CLG_F32, s[k]);
        }
        y[i] = clg_mul(clg_sub(in[i][0], in[i][1]), in[i][2]);
    }
    clg_plan *p = compile(g, (clg_list){ N_SHAPES, y }, params);
    for (int i = 0; i < N_SHAPES; i++) {
        float *x[3] = { a[i], b[i], c[i] };
        for (int k = 0; k < 3; k++) {
            cr_assert(clg_tensor_bytes(y[i]) <= sizeof got);
            fill_small(x[k], elems(clg_tensor_shape(in[i][k])));
            OK(clg_write(p, in[i][k], x[k], clg_tensor_bytes(in[i][k])));
        }
    }
    OK(clg_run(p));
    for (int i = 0; i < N_SHAPES; i++) {
        read_floats(p, y[i], got);
        check_triple(&shapes[i], clg_tensor_shape(y[i]), a[i], b[i], c[i], got, which ? which : params->impl);
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

Test(plan, broadcasting) {
    broadcast_on("ref", clg_plan_params(0));
    broadcast_on(NULL, clg_plan_params(.impl = "elementwise.cpu"));
    broadcast_on(NULL, clg_plan_params(.impl = "elementwise.gpu"));
    broadcast_on(NULL, clg_plan_params(.impl = "elementwise.gpu, elementwise.cpu", .no_fuse = true));
}

/* --- types: integers and bytes beside floats in one kernel, exact --- */

static void types_on(const char *which, const clg_plan_params *params) {
    enum { N = 37 };
    float f[N], wf[N];
    int32_t k[N], wi[N];
    uint8_t wu[N];
    clg_device *dev = open_device(which);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N)), *n = clg_input(g, "n", CLG_I32, CLG_SHAPE(N));
    clg_tensor *more = clg_gt(x, clg_cast(n, CLG_F32));
    clg_tensor *picked = clg_where(more, x, clg_fill(g, CLG_F32, CLG_SCALAR, -0.25));
    clg_tensor *whole = clg_add(clg_cast(clg_scale(x, 100), CLG_I32), clg_mul(n, n));
    clg_tensor *byte = clg_cast(clg_scale(x, 100), CLG_U8), *back = clg_cast(byte, CLG_I32);
    clg_plan *p = compile(g, CLG_LIST(more, picked, whole, byte, back), params);
    for (int i = 0; i < N; i++) {
        f[i] = (float)(i - 18) / 4;
        k[i] = i % 7 - 3;
    }
    OK(clg_write(p, x, f, sizeof f));
    OK(clg_write(p, n, k, sizeof k));
    OK(clg_run(p));
    OK(clg_read(p, more, wu, sizeof wu));
    for (int i = 0; i < N; i++) cr_assert_eq(wu[i], f[i] > (float)k[i], "gt, element %d", i);
    OK(clg_read(p, picked, wf, sizeof wf));
    for (int i = 0; i < N; i++) cr_assert_eq(wf[i], f[i] > (float)k[i] ? f[i] : -0.25f, "where, element %d", i);
    OK(clg_read(p, whole, wi, sizeof wi));
    for (int i = 0; i < N; i++) cr_assert_eq(wi[i], (int)(f[i] * 100) + k[i] * k[i], "i32, element %d: %d", i, wi[i]);
    OK(clg_read(p, byte, wu, sizeof wu));
    OK(clg_read(p, back, wi, sizeof wi));
    for (int i = 0; i < N; i++) {
        const int want = f[i] * 100 < 0 ? 0 : f[i] * 100 > 255 ? 255 : (int)(f[i] * 100);
        cr_assert_eq(wu[i], want, "u8, element %d: %d, not %d", i, wu[i], want);
        cr_assert_eq(wi[i], want, "u8 to i32, element %d: %d, not %d", i, wi[i], want);
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

Test(plan, types) {
    types_on("ref", clg_plan_params(0));
    types_on(NULL, clg_plan_params(.impl = "elementwise.cpu"));
    types_on(NULL, clg_plan_params(.impl = "elementwise.gpu", .no_fuse = true));
}

/* --- passes change no bits --- */

enum { STEPS = 30, MAX_STATE = 8192 };

/* Trains and returns all floats of the store, and the losses. */
static int train(const clg_plan_params *params, const char *which, bool adam, float *state, float *losses,
                 clg_plan_info *info) {
    net n = make_net(which, adam);
    clg_plan *p = compile(n.g, CLG_LIST(n.loss, n.step), params);
    int at = 0;
    feed(&n, p);
    for (int i = 0; i < STEPS; i++) {
        OK(clg_run(p));
        read_floats(p, n.loss, &losses[i]);
    }
    for (int i = 0; i < clg_store_count(n.store); i++) {
        clg_store_entry e;
        OK(clg_store_get(n.store, i, &e));
        cr_assert(at + elems(e.shape) <= MAX_STATE);
        OK(clg_store_read(n.store, e.name, state + at, (size_t)elems(e.shape) * 4));
        at += (int)elems(e.shape);
    }
    clg_plan_get_info(p, info);
    clg_plan_destroy(&p);
    free_net(&n);
    return at;
}

Test(plan, passes_change_no_bits) {
    static float want[MAX_STATE], got[MAX_STATE];
    float losses[STEPS], again[STEPS];
    const clg_plan_params variants[] = { { .no_fuse = true }, { .no_reuse = true }, { .no_inplace = true }, { 0 },
                                         { .no_fuse = true, .no_reuse = true, .no_inplace = true } };
    for (int adam = 0; adam < 2; adam++) {
        clg_plan_info info, other;
        const int n = train(NULL, NULL, adam, want, losses, &info);
        cr_assert_lt(losses[STEPS - 1], 0.5f * losses[0], "the loss must fall: %g to %g", losses[0], losses[STEPS - 1]);
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
            cr_assert_eq(train(&variants[v], NULL, adam, got, again, &other), n);
            cr_assert_arr_eq(got, want, (size_t)n * sizeof *got, "variant %d, adam %d: other weights", (int)v, adam);
            cr_assert_arr_eq(again, losses, sizeof losses, "variant %d, adam %d: other losses", (int)v, adam);
            cr_assert_leq(info.n_steps, other.n_steps);
            if (variants[v].no_fuse) cr_assert_lt(info.n_steps, other.n_steps);
            if (variants[v].no_reuse) cr_assert_eq(other.bytes_arena, other.bytes_without_reuse);
            if (variants[v].no_inplace) cr_assert_lt(info.n_steps, other.n_steps, "copies at the end are steps");
        }
        train(NULL, "ref", adam, got, again, &other);
        for (int i = 0; i < STEPS; i++) /* f32 against double: rounding grows with the steps */
            cr_assert_float_eq(losses[i], again[i], 1e-4 * (i + 1), "step %d: %g, ref %g", i, losses[i], again[i]);
    }
}

/* --- folding --- */

Test(plan, folding) {
    const float c[6] = { 1, 2, 3, 4, 5, 6 };
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_graph *g = clg_graph_create(dev, NULL);
        clg_tensor *k = clg_const(g, CLG_F32, CLG_SHAPE(2, 3), c);
        clg_tensor *sums = clg_matmul(clg_square(k), clg_transpose(clg_reshape(clg_scale(k, 2), CLG_SHAPE(2, 3))));
        clg_tensor *same = clg_add(clg_fill(g, CLG_F32, CLG_SHAPE(300000), 3), clg_fill(g, CLG_F32, CLG_SCALAR, 4));
        float got[4];
        const float want[4] = { 72, 156, 348, 810 }; /* 2 sum k_i^2 k_j: rows (1,4,9), (16,25,36) by (1,2,3), (4,5,6) */
        float *many = malloc(300000 * sizeof *many);
        for (int no_fold = 0; no_fold < 2; no_fold++) {
            clg_plan *p = compile(g, CLG_LIST(sums, same), clg_plan_params(.no_fold = no_fold));
            clg_plan_info info;
            clg_plan_get_info(p, &info);
            if (d == 1) cr_assert_eq(info.n_steps, 0, "%d steps with no_fold %d", info.n_steps, no_fold);
            if (d == 1) cr_assert_eq(info.n_prepared == 0, !no_fold, "without folding they are prepared");
            OK(clg_run(p));
            read_floats(p, sums, got);
            cr_assert_arr_eq(got, want, sizeof got, "%g %g %g %g", got[0], got[1], got[2], got[3]);
            read_floats(p, same, many);
            for (int i = 0; i < 300000; i++) cr_assert_eq(many[i], 7.0f);
            clg_plan_destroy(&p);
        }
        free(many);
        clg_graph_destroy(&g);
        clg_device_destroy(&dev);
    }
}

/* Numbers that stand in the text or in an argument of a kernel reach it exactly. */
Test(plan, literals) {
    const double v[] = { 0.1, -0.0, 1e-30, 16777217, -3, INFINITY, 0.5, 1.0 / 3, 3e38 };
    enum { N = sizeof v / sizeof *v };
    for (int gpu = 0; gpu < 2; gpu++) {
        clg_device *dev = open_device(NULL);
        clg_graph *g = clg_graph_create(dev, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3)), *y[N + 1];
        for (int i = 0; i < N; i++) /* x is 1 everywhere */
            y[i] = clg_where(clg_eq(x, clg_fill(g, CLG_F32, CLG_SCALAR, 1)), clg_fill(g, CLG_F32, CLG_SCALAR, v[i]), x);
        y[N] = clg_ne(x, clg_fill(g, CLG_F32, CLG_SCALAR, NAN));
        clg_plan *p = compile(g, (clg_list){ N + 1, y }, clg_plan_params(.impl = gpu ? "elementwise.gpu"
                                                                                     : "elementwise.cpu"));
        const float ones[3] = { 1, 1, 1 };
        OK(clg_write(p, x, ones, sizeof ones));
        OK(clg_run(p));
        for (int i = 0; i < N; i++) {
            float got[3];
            const float want = (float)v[i];
            read_floats(p, y[i], got);
            for (int k = 0; k < 3; k++) cr_assert_eq(memcmp(&got[k], &want, 4), 0, "%g: got %a", v[i], got[k]);
        }
        uint8_t unequal[3];
        OK(clg_read(p, y[N], unequal, sizeof unequal));
        for (int k = 0; k < 3; k++) cr_assert_eq(unequal[k], 1);
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_device_destroy(&dev);
    }
}

/* --- fusion: how many launches --- */

Test(plan, launches) {
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(8, 33)), *b = clg_input(g, "b", CLG_F32, CLG_SHAPE(33));
    clg_tensor *a = clg_add(x, b), *r = clg_relu(a), *e = clg_exp(a), *y = clg_mul(r, e); /* a diamond */
    clg_plan *p = compile(g, CLG_LIST(y), NULL);
    cr_assert_eq(steps_of(p), 1);
    clg_plan_destroy(&p);
    p = compile(g, CLG_LIST(y, a, e), NULL); /* with results inside: still one */
    cr_assert_eq(steps_of(p), 1);
    clg_plan_destroy(&p);
    p = compile(g, CLG_LIST(y), clg_plan_params(.no_fuse = true));
    cr_assert_eq(steps_of(p), 4);
    clg_plan_destroy(&p);
    /* mul must wait for the sum, the sum for exp: exp and mul cannot be one kernel */
    clg_tensor *cycle = clg_mul(e, clg_sum(e, CLG_ALL));
    p = compile(g, CLG_LIST(cycle), NULL);
    clg_plan *sum = compile(g, CLG_LIST(clg_sum(e, CLG_ALL)), NULL);
    cr_assert_eq(steps_of(p), steps_of(sum) + 1);
    const int sum_steps = steps_of(sum) - 1;
    clg_plan_destroy(&sum);
    clg_plan_destroy(&p);
    /* exp may join relu, and both mul, but then tanh cannot: mul waits for the sum of it */
    clg_tensor *early = clg_tanh(e), *of = clg_sum(early, CLG_ALL), *side = clg_relu(e), *late = clg_mul(e, of);
    p = compile(g, CLG_LIST(late, side, early), NULL);
    cr_assert_eq(steps_of(p), sum_steps + 2, "%d", steps_of(p));
    clg_plan_destroy(&p);
    /* a long chain is cut into kernels of bounded size, and right */
    clg_tensor *chain = x;
    for (int i = 0; i < 100; i++) chain = clg_add(chain, clg_fill(g, CLG_F32, CLG_SCALAR, i % 3));
    p = compile(g, CLG_LIST(chain), NULL);
    cr_assert(steps_of(p) >= 2 && steps_of(p) <= 5, "%d steps", steps_of(p));
    OK(clg_run(p));
    float out[8 * 33];
    read_floats(p, chain, out);
    for (int i = 0; i < 8 * 33; i++) cr_assert_eq(out[i], 99.0f);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* --- memory --- */

Test(plan, memory) {
    setenv("CLGRAD_SHARED", "off", 1); /* so that a small input has one buffer */
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *h = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 64));
    for (int i = 0; i < 8; i++) h = clg_tanh(clg_matmul(h, h));
    clg_plan_info info;
    clg_plan *p = compile(g, CLG_LIST(h), NULL);
    clg_plan_get_info(p, &info);
    const double lower = reported(p, "bytes_lower_bound");
    cr_assert_gt(lower, 0);
    cr_assert_geq((double)info.bytes_arena, lower);
    cr_assert_lt(info.bytes_arena, info.bytes_without_reuse / 3);
    cr_assert_eq(info.bytes_fixed, 2 * 64 * 64 * 4, "x and the target");
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* Weights are updated as soon as their gradients are there, so that these do not pile up. */
Test(plan, updates_come_early) {
    enum { LAYERS = 8, SIZE = 128 };
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *h = clg_input(g, "x", CLG_F32, CLG_SHAPE(2, SIZE));
    for (int i = 0; i < LAYERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "fc%d", i);
        h = clg_nn_linear(h, name, SIZE);
    }
    clg_tensor *loss = clg_mean(clg_square(h), CLG_ALL);
    clg_plan *p = compile(g, CLG_LIST(clg_sgd(loss, NULL)), NULL);
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    cr_assert_lt(info.bytes_arena, 3 * SIZE * SIZE * 4, "%d bytes for %d gradients of %d", (int)info.bytes_arena,
                 LAYERS, SIZE * SIZE * 4);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* A large weight is updated by the product that is its gradient, which then has no memory, in place. Sizes are such
 * that tiles hang over both edges. */
static void train_wide(const char *impl, bool apart, clg_plan_info *info, float *w) {
    enum { BATCH = 9, IN = 150, OUT = 121, MANY = 3 };
    float x[BATCH * IN];
    clg_device *dev = open_device(NULL);
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(BATCH, IN));
    clg_tensor *h = clg_nn_linear(clg_relu(clg_nn_linear(in, "wide", OUT)), "last", 5);
    clg_tensor *step = clg_sgd(clg_mean(clg_square(h), CLG_ALL), clg_optim_params(.lr = 0.5));
    clg_plan *p = compile(g, CLG_LIST(step), clg_plan_params(.impl = impl, .no_fuse = apart));
    random_state = 9;
    for (int i = 0; i < MANY; i++) {
        fill_random(x, BATCH * IN);
        OK(clg_write(p, in, x, sizeof x));
        OK(clg_run(p));
    }
    OK(clg_store_read(store, "wide.weight", w, IN * OUT * sizeof *w));
    clg_plan_get_info(p, info);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

Test(plan, updates_in_tails) {
    static const char *const impls[] = { "matmul.tile_cpu", "matmul.tile_gpu", "matmul.clblast" };
    static float got[150 * 121], want[150 * 121];
    for (int i = 0; i < 3; i++) {
        clg_plan_info in_tail, apart;
        train_wide(impls[i], false, &in_tail, got);
        train_wide(impls[i], true, &apart, want);
        cr_expect(memcmp(got, want, sizeof got) == 0, "%s: other weights", impls[i]);
        if (i < 2) cr_expect_lt(in_tail.bytes_arena, sizeof got, "%s: the gradient has memory", impls[i]);
    }
}

/* A picture that is learned itself: the last kernel of its gradient may store an element twice, which an update in its
 * place would not bear. */
static void train_picture(int way, bool apart, float *picture, size_t bytes) {
    clg_device *dev = open_device(NULL);
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_param(g, "picture", CLG_F32, CLG_SHAPE(1, 64, 17, 19), CLG_INIT_NORMAL);
    clg_tensor *w = clg_state(g, "w", CLG_F32, CLG_SHAPE(64, way == 1 ? 64 : 1, 3, 3), CLG_INIT_ONE);
    const clg_pool_params pool = { .kernel = { 3, 3 }, .stride = { 1, 1 }, .pad = { 1, 1 } };
    clg_tensor *y = way == 2 ? clg_avg_pool(x, &pool)
                             : clg_conv(x, w, NULL, clg_conv_params(.pad = { 1, 1 }, .groups = way == 1 ? 1 : 64));
    clg_plan *p = compile(g, CLG_LIST(clg_sgd(clg_mean(clg_square(y), CLG_ALL), clg_optim_params(.lr = 0.5))),
                          clg_plan_params(.no_fuse = apart));
    for (int i = 0; i < 3; i++) OK(clg_run(p));
    OK(clg_store_read(store, "picture", picture, bytes));
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

Test(plan, updates_of_pictures) {
    static const char *const names[] = { "depthwise", "conv", "avg_pool" };
    static float got[64 * 17 * 19], want[64 * 17 * 19];
    for (int way = 0; way < 3; way++) {
        train_picture(way, false, got, sizeof got);
        train_picture(way, true, want, sizeof want);
        cr_expect(memcmp(got, want, sizeof got) == 0, "%s: another picture", names[way]);
    }
}

/* Small updates wait for each other and become one launch; the momentum's numbers are the same for all. */
Test(plan, updates_in_one_launch) {
    enum { LAYERS = 6, SIZE = 20, ALL_STATE = 2 * LAYERS * (SIZE + 1) * SIZE + 8 };
    const char *const impls[] = { "elementwise.cpu", "elementwise.gpu" };
    static float state[3][ALL_STATE];
    for (int v = 0; v < 3; v++) { /* [2]: apart */
        float x[64 * SIZE];
        int at = 0;
        clg_device *dev = open_device(NULL);
        clg_store *store = clg_store_create(dev, 3);
        clg_graph *g = clg_graph_create(dev, store);
        clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, SIZE)), *h = in;
        for (int i = 0; i < LAYERS; i++) {
            char name[16];
            snprintf(name, sizeof name, "fc%d", i);
            h = clg_nn_linear(h, name, SIZE);
        }
        clg_tensor *step = clg_sgd(clg_mean(clg_square(h), CLG_ALL), clg_optim_params(.lr = 0.1, .momentum = 0.9));
        clg_plan *p = compile(g, CLG_LIST(step), clg_plan_params(.impl = impls[v & 1], .no_fuse = v == 2));
        random_state = 9;
        fill_random(x, 64 * SIZE);
        OK(clg_write(p, in, x, sizeof x));
        for (int i = 0; i < 5; i++) OK(clg_run(p));
        if (v < 2) cr_assert_leq(steps_of(p), 5 * LAYERS, "%d steps for %d layers", steps_of(p), LAYERS);
        for (int i = 0; i < clg_store_count(store); i++) {
            clg_store_entry e;
            OK(clg_store_get(store, i, &e));
            if (e.dtype != CLG_F32) continue;
            cr_assert(at + elems(e.shape) <= ALL_STATE);
            OK(clg_store_read(store, e.name, state[v] + at, (size_t)elems(e.shape) * 4));
            at += (int)elems(e.shape);
        }
        cr_assert_geq(at, ALL_STATE - 8);
        cr_assert_arr_eq(state[v], state[0], sizeof state[0], "variant %d", v);
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_store_destroy(&store);
        clg_device_destroy(&dev);
    }
}

/* Equal kernels with other numbers, also whole ones, are not one launch. */
Test(plan, updates_by_other_numbers) {
    enum { COUNTERS = 3, SIZE = 50 };
    static const char *const name[COUNTERS] = { "a", "b", "c" };
    clg_device *dev = open_device(NULL);
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *effect[COUNTERS];
    for (int i = 0; i < COUNTERS; i++) {
        clg_tensor *c = clg_state(g, name[i], CLG_I32, CLG_SHAPE(SIZE + i), 0);
        effect[i] = clg_assign(c, clg_add(c, clg_fill(g, CLG_I32, CLG_SCALAR, i < 2 ? 7 : 9)));
    }
    clg_plan *p = compile(g, CLG_LIST(effect[0], effect[1], effect[2]), NULL);
    cr_assert_leq(steps_of(p), 2);
    for (int k = 0; k < 2; k++) OK(clg_run(p));
    for (int i = 0; i < COUNTERS; i++) {
        int32_t got[SIZE + COUNTERS];
        OK(clg_store_read(store, name[i], got, sizeof *got * (SIZE + (size_t)i)));
        for (int k = 0; k < SIZE + i; k++) cr_assert_eq(got[k], i < 2 ? 14 : 18, "%s[%d] is %d", name[i], k, got[k]);
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* --- memory taken over in place --- */

enum { SIDE = 24, SQUARE = SIDE * SIDE * 4 }; /* of a square matrix, and its bytes */

/* y of the square input x: the same bits with updates in place ([0]) and without ([1]); what both plans need. */
static void run_in_place_and_not(clg_graph *g, clg_tensor *in, clg_tensor *y, clg_plan_info info[2]) {
    const clg_plan_params variants[] = { { 0 }, { .no_inplace = true } };
    float x[SIDE * SIDE], got[2][SIDE * SIDE];
    fill_small(x, SIDE * SIDE);
    for (int v = 0; v < 2; v++) {
        clg_plan *p = compile(g, CLG_LIST(y), &variants[v]);
        clg_plan_get_info(p, &info[v]);
        OK(clg_write(p, in, x, sizeof x));
        OK(clg_run(p));
        read_floats(p, y, got[v]);
        clg_plan_destroy(&p);
    }
    cr_assert_arr_eq(got[0], got[1], sizeof got[0]);
}

/* A stretched operand that dies is too small to take over. */
Test(plan, stretched_operands_keep_their_memory) {
    clg_plan_info info[2];
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(SIDE, SIDE)), *h = clg_matmul(in, in);
    clg_tensor *y = clg_matmul(clg_add(clg_max(h, CLG_ALL), h), h); /* integers: exact */
    run_in_place_and_not(g, in, y, info);
    for (int v = 0; v < 2; v++)
        cr_assert_gt(info[v].bytes_arena, 2 * SQUARE, "h, the sum and the maximum live together");
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* An operand whose memory is free from then on, and two results of one kernel that cannot both have it. */
Test(plan, memory_in_place) {
    clg_plan_info info[2];
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(SIDE, SIDE)), *h = clg_matmul(in, in);
    clg_tensor *r = clg_relu(h), *y = clg_matmul(r, clg_neg(r)); /* integers: exact */
    run_in_place_and_not(g, in, y, info);
    for (int v = 0; v < 2; v++) {
        cr_assert_eq(info[v].bytes_without_reuse / SQUARE, 3);
        cr_assert_eq(info[v].bytes_arena / SQUARE, v == 0 ? 2 : 3, "h's memory is taken over");
    }
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* Rows that do not fill their last vector, in tensors that lie side by side without a gap: c is made after a, and
 * stands before it in memory, because it is larger. */
Test(plan, no_writes_behind_the_end) {
    float x[64 * 17], got[64 * 32];
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 17)), *b = clg_input(g, "b", CLG_F32, CLG_SHAPE(17));
    clg_tensor *half = clg_input(g, "half", CLG_F32, CLG_SHAPE(32, 17));
    clg_tensor *a = clg_add(half, b), *row = clg_max(a, CLG_AXIS(0)), *c = clg_add(in, row);
    clg_tensor *y = clg_matmul(c, clg_transpose(a));
    clg_plan *p = compile(g, CLG_LIST(y), NULL);
    fill_small(x, 64 * 17);
    OK(clg_write(p, in, x, sizeof x));
    OK(clg_write(p, half, x, 32 * 17 * sizeof *x));
    OK(clg_run(p)); /* b is zero, so a is the first half of x */
    read_floats(p, y, got);
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 32; j++) {
            float want = 0;
            for (int k = 0; k < 17; k++) {
                float top = x[k];
                for (int r = 1; r < 32; r++) top = fmaxf(top, x[r * 17 + k]);
                want += (x[i * 17 + k] + top) * x[j * 17 + k];
            }
            cr_assert_eq(got[i * 32 + j], want, "[%d,%d]: %g, not %g", i, j, got[i * 32 + j], want);
        }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

Test(plan, too_little_memory) {
    clg_device *dev = clg_device_open(NULL, clg_device_params(.mem_cap = 1 << 20));
    cr_assert_not_null(dev, "%s", clg_error());
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 64));
    clg_tensor *big = clg_named(clg_matmul(clg_broadcast(x, CLG_SHAPE(100, 64, 64)), x), "big");
    cr_assert_null(clg_compile(g, CLG_LIST(clg_sum(big, CLG_ALL)), NULL));
    cr_assert_eq(clg_error_status(), CLG_ERR_NOMEM);
    cr_assert(strstr(clg_error(), "f32[100,64,64]") && strstr(clg_error(), "peak") && strstr(clg_error(), "batch"),
              "%s", clg_error());
    clg_plan *p = compile(g, CLG_LIST(clg_sum(x, CLG_ALL)), NULL); /* the device still works */
    OK(clg_run(p));
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* Plans through the public API, on the reference device and on the default one: what the passes must not change
 * (values), what they must achieve (launches, memory), what a run may not do, and every message of bad use. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const devices[] = { "ref", NULL };

#define OK(expr) cr_assert_eq((expr), CLG_OK, #expr ": %s", clg_error())

static clg_device *open_device(const char *which) {
    clg_device *d = clg_device_open(which, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static clg_plan *compile(clg_graph *g, clg_list targets, const clg_plan_params *p) {
    clg_plan *plan = clg_compile(g, targets, p);
    cr_assert_not_null(plan, "%s", clg_error());
    return plan;
}

static void read_floats(clg_plan *p, clg_tensor *t, float *to) { OK(clg_read(p, t, to, clg_tensor_bytes(t))); }

static int steps_of(const clg_plan *p) {
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    return info.n_steps;
}

/* A number in the JSON report; -1 if it is not there. */
static double reported(const clg_plan *p, const char *key) {
    char *text = NULL, quoted[64];
    size_t size = 0;
    double value = -1;
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(p, CLG_REPORT_JSON, f));
    fclose(f);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(text, quoted);
    if (at) value = strtod(at + strlen(quoted), NULL);
    free(text);
    return value;
}

static uint32_t random_state = 1;
static uint32_t next_random(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}
static void fill_random(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)((int)(next_random() % 2000) - 1000) / 512;
}
static void fill_small(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)((int)(next_random() % 17) - 8);
}

static int64_t elems(clg_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

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

static void check_triple(const triple *t, clg_shape y, const float *a, const float *b, const float *c, const float *got,
                         const char *what) {
    const int64_t n = elems(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t at[CLG_MAX_DIMS] = { 0 }, r = i;
        for (int d = y.ndim - 1; d >= 0; d--) {
            at[d] = r % y.dim[d];
            r /= y.dim[d];
        }
        const double want = (element(a, t->a, y, at) - element(b, t->b, y, at)) * element(c, t->c, y, at);
        cr_assert_eq(got[i], want, "%s, shape %d, element %d: %g, not %g", what, (int)(t - shapes), (int)i, got[i], want);
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

/* A small network with everything that passes touch: dropout, updates in place, constants, broadcasting, views. */
typedef struct net {
    clg_device *dev;
    clg_store *store;
    clg_graph *g;
    clg_tensor *x, *t, *loss, *logits, *step;
} net;

static net make_net(const char *which, bool adam) {
    net n = { .dev = open_device(which) };
    n.store = clg_store_create(n.dev, 7);
    n.g = clg_graph_create(n.dev, n.store);
    n.x = clg_input(n.g, "x", CLG_F32, CLG_SHAPE(24, 4, 5));
    n.t = clg_input(n.g, "t", CLG_I32, CLG_SHAPE(24));
    clg_tensor *h = clg_tanh(clg_nn_linear(clg_flatten(n.x, 1), "fc1", 37));
    h = clg_dropout(clg_relu(clg_nn_linear(h, "fc2", 29)), 0.1);
    n.logits = clg_nn_linear(h, "fc3", 10);
    n.loss = clg_cross_entropy(n.logits, n.t);
    const clg_optim_params *p = clg_optim_params(.lr = adam ? 0.01 : 0.1, .momentum = adam ? 0 : 0.9, .weight_decay = 1e-3);
    n.step = adam ? clg_adam(n.loss, p) : clg_sgd(n.loss, p);
    return n;
}

static void free_net(net *n) {
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
    clg_device_destroy(&n->dev);
}

static void feed(const net *n, clg_plan *p) {
    float x[480];
    int32_t t[24];
    random_state = 5;
    fill_random(x, 480);
    for (int i = 0; i < 24; i++) t[i] = i % 10;
    OK(clg_write(p, n->x, x, sizeof x));
    OK(clg_write(p, n->t, t, sizeof t));
}

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
            if (d == 1) cr_assert_eq(steps_of(p) == 0, !no_fold, "%d steps with no_fold %d", steps_of(p), no_fold);
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
    clg_plan_destroy(&sum);
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

/* --- effects --- */

static void store_floats(clg_store *s, const char *name, const float *x, int n) {
    OK(clg_store_write(s, name, x, (size_t)n * sizeof *x));
}

static void expect_floats(clg_store *s, const char *name, const float *want, int n, const char *what) {
    float got[64];
    OK(clg_store_read(s, name, got, (size_t)n * sizeof *got));
    for (int i = 0; i < n; i++) cr_assert_eq(got[i], want[i], "%s: %s[%d] is %g, not %g", what, name, i, got[i], want[i]);
}

Test(plan, effects) {
    enum { N = 20 };
    const clg_shape s = { 1, { N } };
    float a0[N], b0[N], want[N];
    for (int i = 0; i < N; i++) {
        a0[i] = (float)i;
        b0[i] = (float)(100 + i);
    }
    const clg_plan_params variants[] = { { 0 }, { .no_inplace = true }, { .no_fuse = true } };
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *st = clg_store_create(dev, 0);
        for (int v = 0; v < 3; v++) {
            clg_graph *g = clg_graph_create(dev, st);
            clg_tensor *a = clg_param(g, "a", CLG_F32, s, CLG_INIT_ZERO), *b = clg_state(g, "b", CLG_F32, s, 0);
            clg_tensor *one = clg_fill(g, CLG_F32, CLG_SCALAR, 1);
            clg_plan *p;

            /* swap: both sides read the old values */
            store_floats(st, "a", a0, N), store_floats(st, "b", b0, N);
            p = compile(g, CLG_LIST(clg_assign(a, b), clg_assign(b, a)), &variants[v]);
            OK(clg_run(p));
            expect_floats(st, "a", b0, N, "swap"), expect_floats(st, "b", a0, N, "swap");
            clg_plan_destroy(&p);

            /* swap with arithmetic between */
            store_floats(st, "a", a0, N), store_floats(st, "b", b0, N);
            p = compile(g, CLG_LIST(clg_assign(a, clg_add(b, one)), clg_assign(b, clg_mul(a, one))), &variants[v]);
            OK(clg_run(p));
            for (int i = 0; i < N; i++) want[i] = b0[i] + 1;
            expect_floats(st, "a", want, N, "crossed"), expect_floats(st, "b", a0, N, "crossed");
            clg_plan_destroy(&p);

            /* the new value is used too; a reader of the old value that is made later still sees it */
            store_floats(st, "a", a0, N);
            clg_tensor *next = clg_add(a, one), *sum_new = clg_sum(next, CLG_ALL), *sum_old = clg_sum(a, CLG_ALL);
            p = compile(g, CLG_LIST(clg_assign(a, next), sum_new, sum_old, a), &variants[v]);
            for (int run = 0; run < 3; run++) {
                float got[2], seen[N];
                OK(clg_run(p));
                read_floats(p, sum_new, &got[0]);
                read_floats(p, sum_old, &got[1]);
                read_floats(p, a, seen);
                cr_assert_eq(got[0], 190 + N * (run + 1));
                cr_assert_eq(got[1], 190 + N * run);
                for (int i = 0; i < N; i++) cr_assert_eq(seen[i], a0[i] + run, "a target shows the value before the run");
            }
            clg_plan_destroy(&p);

            /* every element depends on all old ones, twice in a row */
            store_floats(st, "a", a0, N);
            p = compile(g, CLG_LIST(clg_assign(a, clg_sub(a, clg_sum(a, CLG_ALL)))), &variants[v]);
            OK(clg_run(p));
            for (int i = 0; i < N; i++) want[i] = a0[i] - 190;
            expect_floats(st, "a", want, N, "sum");
            clg_plan_destroy(&p);

            /* one value into two places, a constant, itself, and a shifted view through a permutation */
            store_floats(st, "a", a0, N), store_floats(st, "b", b0, N);
            next = clg_mul(a, clg_fill(g, CLG_F32, CLG_SCALAR, 3));
            p = compile(g, CLG_LIST(clg_group(CLG_LIST(clg_assign(a, next), clg_assign(b, next)))), &variants[v]);
            OK(clg_run(p));
            for (int i = 0; i < N; i++) want[i] = 3 * a0[i];
            expect_floats(st, "a", want, N, "shared"), expect_floats(st, "b", want, N, "shared");
            clg_plan_destroy(&p);
            p = compile(g, CLG_LIST(clg_assign(a, clg_fill(g, CLG_F32, s, 8)), clg_assign(b, b)), &variants[v]);
            OK(clg_run(p));
            expect_floats(st, "b", want, N, "itself");
            for (int i = 0; i < N; i++) want[i] = 8;
            expect_floats(st, "a", want, N, "constant");
            clg_plan_destroy(&p);
            store_floats(st, "a", a0, N);
            clg_tensor *turned = clg_reshape(clg_transpose(clg_reshape(a, CLG_SHAPE(4, 5))), s);
            p = compile(g, CLG_LIST(clg_assign(a, turned)), &variants[v]);
            OK(clg_run(p));
            for (int i = 0; i < N; i++) want[i] = a0[i % 4 * 5 + i / 4];
            expect_floats(st, "a", want, N, "transposed");
            clg_plan_destroy(&p);
            clg_graph_destroy(&g);
        }
        clg_store_destroy(&st);
        clg_device_destroy(&dev);
    }
}

/* An update is one kernel that needs no memory beside the weight. */
Test(plan, in_place) {
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(1000), CLG_INIT_ONE), *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(1000));
    clg_plan *p = compile(g, CLG_LIST(clg_assign(w, clg_sub(w, clg_scale(x, 0.1)))), NULL);
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    cr_assert_eq(info.n_steps, 1);
    cr_assert_eq(info.bytes_arena, 0);
    cr_assert_eq(info.bytes_params, 4000);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* --- memory --- */

Test(plan, memory) {
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

Test(plan, too_little_memory) {
    clg_device *dev = clg_device_open(NULL, clg_device_params(.mem_cap = 1 << 20));
    cr_assert_not_null(dev, "%s", clg_error());
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 64));
    clg_tensor *big = clg_named(clg_matmul(clg_broadcast(x, CLG_SHAPE(100, 64, 64)), x), "big");
    cr_assert_null(clg_compile(g, CLG_LIST(clg_sum(big, CLG_ALL)), NULL));
    cr_assert_eq(clg_error_status(), CLG_ERR_NOMEM);
    cr_assert(strstr(clg_error(), "f32[100,64,64]") && strstr(clg_error(), "peak") && strstr(clg_error(), "batch"), "%s",
              clg_error());
    clg_plan *p = compile(g, CLG_LIST(clg_sum(x, CLG_ALL)), NULL); /* the device still works */
    OK(clg_run(p));
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* --- running allocates nothing --- */

static int allocations;
static void *counting(void *user, void *ptr, size_t size) {
    (void)user;
    allocations++;
    if (size) return realloc(ptr, size);
    free(ptr);
    return NULL;
}

Test(plan, run_allocates_nothing) {
    OK(clg_set_allocator(&(clg_allocator){ counting, NULL }));
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], false);
        clg_plan *p = compile(n.g, CLG_LIST(n.loss, n.step), NULL);
        feed(&n, p);
        OK(clg_run(p));
        const int before = allocations;
        cr_assert_gt(before, 0);
        for (int i = 0; i < 5; i++) {
            feed(&n, p);
            OK(clg_run(p));
        }
        OK(clg_device_finish(n.dev));
        cr_assert_eq(allocations, before, "%d host allocations in 5 runs", allocations - before);
        clg_plan_destroy(&p);
        free_net(&n);
    }
}

/* --- targets of every kind, views --- */

Test(plan, targets) {
    const float data[6] = { 1, 2, 3, 4, 5, 6 };
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *st = clg_store_create(dev, 0);
        clg_graph *g = clg_graph_create(dev, st);
        const clg_shape s = CLG_SHAPE(2, 3);
        clg_tensor *x = clg_input(g, "x", CLG_F32, s), *c = clg_const(g, CLG_F32, s, data);
        clg_tensor *f = clg_fill(g, CLG_I32, CLG_SHAPE(3), -7), *w = clg_param(g, "w", CLG_F32, s, CLG_INIT_ONE);
        clg_tensor *y = clg_add(clg_mul(x, c), w), *view = clg_flatten(clg_reshape(y, CLG_SHAPE(3, 2)), 0);
        clg_tensor *viewed = clg_mul(view, clg_reshape(x, CLG_SHAPE(6))), *wview = clg_reshape(w, CLG_SHAPE(6));
        clg_tensor *none = clg_input(g, "unused", CLG_F32, s), *empty = clg_fill(g, CLG_F32, CLG_SHAPE(0, 3), 1);
        clg_plan *p = compile(g, CLG_LIST(x, c, f, w, y, y, view, viewed, wview, empty), NULL);
        float got[6];
        int32_t ints[3];
        OK(clg_write(p, x, data, sizeof data));
        OK(clg_write(p, none, data, sizeof data));
        OK(clg_run(p));
        read_floats(p, x, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i]);
        read_floats(p, c, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i]);
        OK(clg_read(p, f, ints, sizeof ints));
        for (int i = 0; i < 3; i++) cr_assert_eq(ints[i], -7);
        read_floats(p, y, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i] * data[i] + 1);
        read_floats(p, view, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i] * data[i] + 1);
        read_floats(p, viewed, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], (data[i] * data[i] + 1) * data[i]);
        const float zeros[6] = { 0 };
        store_floats(st, "w", zeros, 6); /* after the run: targets keep what the run saw */
        read_floats(p, w, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 1.0f);
        read_floats(p, wview, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 1.0f);
        OK(clg_read(p, empty, got, 0));
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_store_destroy(&st);
        clg_device_destroy(&dev);
    }
}

/* Dropout is the identity in inference plans, and only training plans advance its counter. */
Test(plan, inference) {
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], false);
        clg_plan *training = compile(n.g, CLG_LIST(n.loss), NULL), *eval = compile(n.g, CLG_LIST(n.logits),
                                                                                  clg_plan_params(.inference = true));
        float first[240], second[240], loss[2];
        int32_t tick = -1;
        feed(&n, training), feed(&n, eval);
        OK(clg_run(eval));
        read_floats(eval, n.logits, first);
        OK(clg_run(training));
        read_floats(training, n.loss, &loss[0]);
        OK(clg_run(training));
        read_floats(training, n.loss, &loss[1]);
        cr_assert_neq(loss[0], loss[1], "another mask in every run");
        OK(clg_store_read(n.store, "rng.step", &tick, sizeof tick));
        cr_assert_eq(tick, 2);
        OK(clg_run(eval));
        read_floats(eval, n.logits, second);
        cr_assert_arr_eq(first, second, sizeof first);
        OK(clg_store_read(n.store, "rng.step", &tick, sizeof tick));
        cr_assert_eq(tick, 2);
        clg_plan_destroy(&eval);
        clg_plan_destroy(&training);
        free_net(&n);
    }
}

/* --- reports --- */

Test(plan, reports) {
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], true);
        clg_plan *p = compile(n.g, CLG_LIST(n.loss, n.step), NULL);
        const char *const expected[] = { "matmul", "\"steps\"", "digraph plan {" };
        for (int kind = 0; kind < 3; kind++) {
            char *text = NULL;
            size_t size = 0;
            FILE *f = open_memstream(&text, &size);
            OK(clg_plan_report(p, (enum clg_report)kind, f));
            fclose(f);
            cr_assert(strstr(text, expected[kind]) && strstr(text, "cross_entropy"), "%s", text);
            free(text);
        }
        cr_assert_eq((int)reported(p, "n_steps"), steps_of(p));
        cr_assert_gt(reported(p, "flops"), 0);
        cr_assert_eq(clg_plan_report(p, (enum clg_report)9, stderr), CLG_ERR_INVALID);
        cr_assert_eq(clg_plan_report(NULL, CLG_REPORT_TEXT, stderr), CLG_ERR_INVALID);
        clg_plan_destroy(&p);
        free_net(&n);
    }
}

/* --- bad use --- */

static void expect_error(clg_status got, clg_status want, const char *text) {
    cr_expect_eq(got, want, "%s, not %s: %s", clg_status_name(got), clg_status_name(want), clg_error());
    cr_expect(strstr(clg_error(), text), "\"%s\" is not in: %s", text, clg_error());
}

static void expect_no_plan(clg_plan *p, clg_status want, const char *text) {
    cr_expect_null(p);
    expect_error(clg_error_status(), want, text);
    clg_plan_destroy(&p);
}

Test(plan, errors) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_graph *g = clg_graph_create(dev, NULL), *other = clg_graph_create(dev, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3)), *y = clg_square(x);
        clg_tensor *z = clg_input(other, "z", CLG_F32, CLG_SHAPE(3));
        clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(3), CLG_INIT_ZERO), *set = clg_assign(w, y);
        float v[4] = { 0 };
        expect_no_plan(clg_compile(NULL, CLG_LIST(x), NULL), CLG_ERR_INVALID, "graph is NULL");
        expect_no_plan(clg_compile(g, (clg_list){ 0, NULL }, NULL), CLG_ERR_INVALID, "no targets");
        expect_no_plan(clg_compile(g, CLG_LIST(y, NULL), NULL), CLG_ERR_INVALID, "target 1 is NULL");
        expect_no_plan(clg_compile(g, CLG_LIST(z), NULL), CLG_ERR_INVALID, "another graph");
        expect_no_plan(clg_compile(g, CLG_LIST(set, clg_assign(w, x)), NULL), CLG_ERR_INVALID, "w is assigned twice");
        expect_no_plan(clg_compile(g, CLG_LIST(y), clg_plan_params(.impl = "elementwise.cpu,conv.magic")),
                       CLG_ERR_INVALID, "conv.magic");
        clg_plan *p = compile(g, CLG_LIST(y, set), NULL);
        expect_error(clg_write(p, x, v, 4), CLG_ERR_INVALID, "x is f32[3] with 12 bytes, not 4");
        expect_error(clg_write(p, y, v, 12), CLG_ERR_INVALID, "no input");
        expect_error(clg_write(p, z, v, 12), CLG_ERR_INVALID, "another graph");
        expect_error(clg_write(p, NULL, v, 12), CLG_ERR_INVALID, "input is NULL");
        expect_error(clg_write(p, x, NULL, 12), CLG_ERR_INVALID, "data is NULL");
        expect_error(clg_write(NULL, x, v, 12), CLG_ERR_INVALID, "plan is NULL");
        expect_error(clg_run(NULL), CLG_ERR_INVALID, "plan is NULL");
        expect_error(clg_read(p, y, v, 16), CLG_ERR_INVALID, "with 12 bytes, not 16");
        expect_error(clg_read(p, x, v, 12), CLG_ERR_INVALID, "x is no target");
        expect_error(clg_read(p, z, v, 12), CLG_ERR_INVALID, "no target");
        expect_error(clg_read(p, set, v, 1), CLG_ERR_INVALID, "effect");
        expect_error(clg_read(p, NULL, v, 12), CLG_ERR_INVALID, "target is NULL");
        clg_tensor *late = clg_add(y, x); /* made after the plan */
        expect_error(clg_read(p, late, v, 12), CLG_ERR_INVALID, "no target");
        OK(clg_write(p, clg_input(g, "late", CLG_F32, CLG_SHAPE(3)), v, 12));
        clg_add(clg_reshape(x, CLG_SHAPE(1, 3)), clg_fill(g, CLG_F32, CLG_SHAPE(5, 2), 1)); /* the graph's first error */
        expect_no_plan(clg_compile(g, CLG_LIST(y), NULL), CLG_ERR_SHAPE, "f32[1,3]");
        clg_graph_destroy(&g);
        OK(clg_run(p)); /* a plan holds what it needs */
        clg_plan_destroy(&p);
        clg_plan_destroy(&p);
        clg_plan_destroy(NULL);
        clg_graph_destroy(&other);
        clg_device_destroy(&dev);
    }
}

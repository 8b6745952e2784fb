/* Element types on a device: every type through every kind of step against the reference device, roundings to 16 bits
 * at every value and every tie, integers that no double holds, training in f64 and f16, and devices without double. */
#include "support/plan.h"

#include "cl/buffer.h"
#include "graph/op.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 5, COLS = 17, MAX_ELEMS = 3 * ROWS * COLS, MAX_TRIES = 64 };

#define BIT(t)  (1u << (t))
#define SMALL   (BIT(CLG_F16) | BIT(CLG_BF16))
#define FLOATS  (BIT(CLG_F32) | BIT(CLG_F64) | SMALL)
#define NUMBERS (FLOATS | BIT(CLG_I32) | BIT(CLG_I64))
#define ALL     (NUMBERS | BIT(CLG_U8))

/* Half the distance from 1 to the next number: what one rounding may lose. */
static double eps_of(clg_dtype t) {
    return t == CLG_F64 ? 0x1p-53 : t == CLG_F32 ? 0x1p-24 : t == CLG_F16 ? 0x1p-11 : t == CLG_BF16 ? 0x1p-8 : 0;
}

/* --- every type through every kind of step --- */

typedef struct operands {
    clg_graph *g;
    clg_dtype  t, other;            /* other: the target of casts */
    clg_tensor *x, *y, *flag, *img; /* [ROWS,COLS], [COLS], [ROWS,1] of u8, [2,1,4,5] */
} operands;

static double element(clg_dtype t, int i) {
    const int v = i * 37 % 23 - 11;
    return t == CLG_U8 ? v + 11 : clg_dtype_is_float(t) ? 0.25 * v : v;
}

static clg_tensor *copied(const operands *o) { return o->x; }
static clg_tensor *viewed(const operands *o) { return clg_reshape(clg_stop_grad(o->x), CLG_SHAPE(COLS, ROWS)); }
static clg_tensor *stretched(const operands *o) { return clg_broadcast(o->y, CLG_SHAPE(3, ROWS, COLS)); }
static clg_tensor *chained(const operands *o) {
    const double c = clg_dtype_is_float(o->t) ? 0.3 : 30;
    return clg_sub(clg_mul(clg_add(o->x, o->y), clg_fill(o->g, o->t, CLG_SCALAR, c)), clg_maximum(o->x, clg_neg(o->y)));
}
static clg_tensor *functions(const operands *o) { return clg_mul(clg_sigmoid(o->x), clg_tanh(clg_square(o->y))); }
static clg_tensor *divided(const operands *o) { return clg_div(o->x, o->y); }
static clg_tensor *signs(const operands *o) {
    return clg_add(clg_relu(o->x), clg_mul(clg_sign(o->x), clg_abs(o->y)));
}
static clg_tensor *where_u8(const operands *o) { return clg_where(o->flag, o->x, o->y); }
static clg_tensor *where_i32(const operands *o) { return clg_where(clg_cast(o->flag, CLG_I32), o->x, o->y); }
static clg_tensor *where_i64(const operands *o) { return clg_where(clg_cast(o->flag, CLG_I64), o->x, o->y); }
static clg_tensor *where_less(const operands *o) { return clg_where(clg_lt(o->x, o->y), o->y, o->x); }
static clg_tensor *equal(const operands *o) { return clg_eq(o->x, o->y); }
static clg_tensor *at_least(const operands *o) { return clg_ge(o->x, o->y); }
static clg_tensor *cast(const operands *o) { return clg_cast(o->x, o->other); }
static clg_tensor *there_and_back(const operands *o) { return clg_cast(clg_cast(o->x, o->other), o->t); }
static clg_tensor *summed(const operands *o) { return clg_sum(o->x, CLG_AXIS(1)); }
static clg_tensor *largest(const operands *o) { return clg_max(o->x, CLG_AXIS(0)); }
static clg_tensor *first_largest(const operands *o) { return clg_argmax(o->x, 1); }
static clg_tensor *turned(const operands *o) { return clg_transpose(o->x); }
static clg_tensor *product(const operands *o) { return clg_matmul(o->x, clg_transpose(o->x)); }
static clg_tensor *squared_product(const operands *o) { /* a fused unit before and behind */
    clg_tensor *s = clg_scale(o->x, 0.125);
    return clg_relu(clg_matmul(s, clg_transpose(s)));
}
static clg_tensor *convolved(const operands *o) {
    const float w[2 * 3 * 3] = { 1, 0, -1, 2, 0.5f, -2, 1, 0, -1, 0.25f, 1, 0, 1, -1, 1, 0, 1, 0.25f };
    clg_tensor *f = clg_cast(clg_const(o->g, CLG_F32, CLG_SHAPE(2, 1, 3, 3), w), o->t);
    return clg_conv(o->img, f, NULL, clg_conv_params(.pad = { 1, 1 }));
}
static clg_tensor *pooled(const operands *o) {
    return clg_max_pool(o->img, clg_pool_params(.kernel = { 2, 2 }));
}
static clg_tensor *softened(const operands *o) { return clg_log_softmax(o->x, 1); }
static clg_tensor *constant(const operands *o) {
    unsigned char data[COLS * 8];
    double v[COLS];
    for (int i = 0; i < COLS; i++) v[i] = element(o->t, 3 * i + 1);
    clg_from_double(o->t, v, data, COLS);
    return clg_where(o->flag, clg_const(o->g, o->t, CLG_SHAPE(COLS), data), clg_fill(o->g, o->t, CLG_SCALAR, 77));
}

static const struct probe {
    const char *name;
    clg_tensor *(*build)(const operands *o);
    unsigned types;
    double   k;    /* |device - reference| <= k eps max(1, |reference|) */
    bool     pair; /* once for each other type */
} probes[] = {
    { "copy", copied, ALL, 0, false },
    { "views", viewed, ALL, 0, false },
    { "broadcast", stretched, ALL, 0, false },
    { "chain", chained, NUMBERS, 6, false },
    { "functions", functions, FLOATS, 12, false },
    { "div", divided, NUMBERS, 2, false },
    { "signs", signs, NUMBERS, 2, false },
    { "where u8", where_u8, ALL, 0, false },
    { "where i32", where_i32, ALL, 0, false },
    { "where i64", where_i64, ALL, 0, false },
    { "where less", where_less, ALL, 0, false },
    { "eq", equal, ALL, 0, false },
    { "ge", at_least, ALL, 0, false },
    { "cast", cast, ALL, 0, true },
    { "cast and back", there_and_back, ALL, 0, true },
    { "sum", summed, NUMBERS, 2, false },
    { "max", largest, NUMBERS, 0, false },
    { "argmax", first_largest, NUMBERS, 0, false },
    { "transpose", turned, ALL, 0, false },
    { "matmul", product, FLOATS, 2, false },
    { "matmul in a chain", squared_product, FLOATS, 6, false },
    { "conv", convolved, FLOATS, 4, false },
    { "max_pool", pooled, FLOATS, 0, false },
    { "log_softmax", softened, FLOATS, 8, false },
    { "const", constant, ALL, 0, false },
};

static void write_values(clg_plan *p, clg_tensor *t) {
    const int n = (int)elems(clg_tensor_shape(t));
    unsigned char data[MAX_ELEMS * 8];
    for (int i = 0; i < n; i++) {
        const double v = element(clg_tensor_dtype(t), clg_tensor_shape(t).ndim == 1 ? 5 * i + 1 : i);
        clg_from_double(clg_tensor_dtype(t), &v, data + (size_t)i * clg_dtype_size(clg_tensor_dtype(t)), 1);
    }
    OK(clg_write(p, t, data, clg_tensor_bytes(t)));
}

/* One plan of all probes of a type, so that units mix what they can. */
typedef struct trial {
    clg_graph  *g;
    clg_plan   *plan;
    clg_tensor *y[MAX_TRIES];
    const struct probe *probe[MAX_TRIES];
    int n;
} trial;

static void add_probe(trial *r, operands *o, const struct probe *probe) {
    const bool f64 = clg_device_get_caps(clg_graph_device(o->g))->fp64;
    for (int other = 0; other < (probe->pair ? CLG_DTYPE_COUNT : 1); other++) {
        o->other = (clg_dtype)other;
        if (other == CLG_F64 && !f64) continue;
        clg_tensor *y = probe->build(o);
        cr_assert_not_null(y, "%s of %s: %s", probe->name, clg_dtype_name(o->t), clg_error());
        r->probe[r->n] = probe;
        r->y[r->n++] = y;
    }
}

static trial run_trial(clg_device *dev, clg_dtype t, const clg_plan_params *params) {
    trial r = { .g = clg_graph_create(dev, NULL) };
    const uint8_t flags[ROWS] = { 1, 0, 2, 0, 255 };
    operands o = { r.g, t, CLG_F32, clg_input(r.g, "x", t, CLG_SHAPE(ROWS, COLS)),
                   clg_input(r.g, "y", t, CLG_SHAPE(COLS)), clg_input(r.g, "flag", CLG_U8, CLG_SHAPE(ROWS, 1)),
                   clg_input(r.g, "img", t, CLG_SHAPE(2, 1, 4, 5)) };
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        if (probes[i].types & BIT(t)) add_probe(&r, &o, &probes[i]);
    r.plan = compile(r.g, (clg_list){ r.n, r.y }, params);
    write_values(r.plan, o.x);
    write_values(r.plan, o.y);
    write_values(r.plan, o.img);
    OK(clg_write(r.plan, o.flag, flags, sizeof flags));
    OK(clg_run(r.plan));
    return r;
}

static void free_trial(trial *r) {
    clg_plan_destroy(&r->plan);
    clg_graph_destroy(&r->g);
}

static void read_result(const trial *r, int i, double *to) {
    unsigned char data[MAX_ELEMS * 8];
    OK(clg_read(r->plan, r->y[i], data, clg_tensor_bytes(r->y[i])));
    clg_to_double(clg_tensor_dtype(r->y[i]), data, to, (size_t)elems(clg_tensor_shape(r->y[i])));
}

static void compare_trials(const trial *dev, const trial *ref, clg_dtype t, const char *plan) {
    double got[MAX_ELEMS], want[MAX_ELEMS];
    cr_assert_eq(dev->n, ref->n);
    for (int i = 0; i < dev->n; i++) {
        const struct probe *probe = dev->probe[i];
        const clg_dtype type = clg_tensor_dtype(dev->y[i]);
        const double eps = fmax(eps_of(type), probe->pair ? 0 : eps_of(t));
        cr_assert_eq(type, clg_tensor_dtype(ref->y[i]));
        read_result(dev, i, got);
        read_result(ref, i, want);
        for (int k = 0; k < (int)elems(clg_tensor_shape(dev->y[i])); k++)
            cr_expect(fabs(got[k] - want[k]) <= probe->k * eps * fmax(1, fabs(want[k])),
                      "%s, %s to %s, %s: element %d is %.17g, not %.17g", probe->name, clg_dtype_name(t),
                      clg_dtype_name(type), plan, k, got[k], want[k]);
    }
}

Test(types, every_type_through_every_step, .timeout = 900) {
    static const struct { const char *name; clg_plan_params params; } plans[] = {
        { "cpu", { .impl = "elementwise.cpu" } }, { "gpu", { .impl = "elementwise.gpu" } },
        { "no_fuse", { .no_fuse = true } }, { "no_fold", { .no_fold = true, .no_inplace = true, .no_reuse = true } },
    };
    clg_device *dev = open_device(NULL), *ref = open_device("ref");
    for (int t = 0; t < CLG_DTYPE_COUNT; t++) {
        if (t == CLG_F64 && !clg_device_get_caps(dev)->fp64) continue;
        trial want = run_trial(ref, (clg_dtype)t, NULL);
        for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
            if (i > 1 && t != CLG_F16) continue; /* the type that passes could spoil: a value stored is rounded */
            trial got = run_trial(dev, (clg_dtype)t, &plans[i].params);
            compare_trials(&got, &want, (clg_dtype)t, plans[i].name);
            free_trial(&got);
        }
        free_trial(&want);
    }
    clg_device_destroy(&ref);
    clg_device_destroy(&dev);
}

/* --- conversions, value by value --- */

/* Converts n values of one type on the device and with the library's own host code, and compares bits. */
static void convert_all(clg_device *dev, clg_dtype from, clg_dtype to, const double *v, int n, const char *impl) {
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", from, CLG_SHAPE(n)), *y = clg_cast(x, to);
    unsigned char *in = calloc((size_t)n, 8), *want = calloc((size_t)n, 8), *got = calloc((size_t)n, 8);
    double *exact = calloc((size_t)n, sizeof *exact);
    clg_from_double(from, v, in, (size_t)n);
    clg_to_double(from, in, exact, (size_t)n); /* what the input type made of the values */
    if (!clg_dtype_is_float(to))
        for (int i = 0; i < n; i++) exact[i] = trunc(exact[i]);
    clg_from_double(to, exact, want, (size_t)n);
    clg_plan *p = compile(g, CLG_LIST(y), clg_plan_params(.impl = impl));
    OK(clg_write(p, x, in, clg_tensor_bytes(x)));
    OK(clg_run(p));
    OK(clg_read(p, y, got, clg_tensor_bytes(y)));
    const size_t size = clg_dtype_size(to);
    for (int i = 0; i < n; i++) {
        double a, b;
        clg_to_double(to, got + (size_t)i * size, &a, 1);
        clg_to_double(to, want + (size_t)i * size, &b, 1);
        cr_assert((isnan(a) && isnan(b)) || memcmp(got + (size_t)i * size, want + (size_t)i * size, size) == 0,
                  "%s to %s, %s: %a becomes %a, not %a", clg_dtype_name(from), clg_dtype_name(to), impl, exact[i], a,
                  b);
    }
    free(in), free(want), free(got), free(exact);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

/* Every number of 16 bits, and around every middle between two the nearest numbers of f32, and of f64. */
static int around_all(clg_dtype small, double *v) {
    int n = 0;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        const uint16_t b[2] = { (uint16_t)bits, (uint16_t)(bits + 1) };
        double x[2];
        clg_to_double(small, b, x, 2);
        const double middle = (x[0] + x[1]) / 2;
        v[n++] = x[0];
        if (!isfinite(middle)) continue;
        v[n++] = middle;
        v[n++] = nextafterf((float)middle, INFINITY);
        v[n++] = nextafterf((float)middle, -INFINITY);
        v[n++] = nextafter(middle, INFINITY);
        v[n++] = nextafter(middle, -INFINITY);
        v[n++] = rint(middle) + 1;
    }
    const double ends[] = { 65504, 65519.99, 65520, 65536, 1e5, 1e30, 1e300, INFINITY, NAN, 0x1p-25, 0x1.8p-25,
                            1e-300 };
    for (size_t i = 0; i < 2 * sizeof ends / sizeof ends[0]; i++)
        v[n++] = i % 2 ? -ends[i / 2] : ends[i / 2];
    return n;
}

Test(types, conversions_are_right_at_every_value, .timeout = 300) {
    static const char *const impls[] = { "elementwise.cpu", "elementwise.gpu" };
    static const clg_dtype wide[] = { CLG_F32, CLG_F64, CLG_I32, CLG_I64 };
    clg_device *dev = open_device(NULL);
    double *v = calloc(8 * 0x10000, sizeof *v);
    for (int small = CLG_F16; small <= CLG_BF16; small++) {
        const int n = around_all((clg_dtype)small, v);
        for (int i = 0; i < 2; i++)
            for (int w = 0; w < 4; w++) {
                if (wide[w] == CLG_F64 && !clg_device_get_caps(dev)->fp64) continue;
                convert_all(dev, wide[w], (clg_dtype)small, v, n, impls[i]);
                convert_all(dev, (clg_dtype)small, wide[w], v, n, impls[i]);
            }
    }
    free(v);
    clg_device_destroy(&dev);
}

Test(types, casts_to_integers_stay_in_range) {
    static const double v[] = { 0, 0.9, -0.9, 1.5, -1.5, 254.9, 255, 256, -1, 0x1p31, -0x1p31, 2147483520.0, 3e9, -3e9,
                                0x1p53, -0x1p53, 0x1p62, 0x1p63, -0x1p63, 1e19, -1e19, 1e30, -1e30, INFINITY,
                                -INFINITY, NAN };
    clg_device *dev = open_device(NULL);
    for (int from = 0; from < CLG_DTYPE_COUNT; from++)
        for (int to = CLG_I32; to <= CLG_I64; to++)
            if (from != to && (from != CLG_F64 || clg_device_get_caps(dev)->fp64))
                for (int i = 0; i < 2; i++)
                    convert_all(dev, (clg_dtype)from, (clg_dtype)to, v, sizeof v / sizeof v[0],
                                i ? "elementwise.gpu" : "elementwise.cpu");
    clg_device_destroy(&dev);
}

/* --- integers of 64 bits --- */

/* Constants, sums, quotients and comparisons beyond 2^53 are those of integers. */
Test(types, i64_is_exact_on_devices) {
    clg_device *dev = open_device(NULL);
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    const int64_t big = (1ll << 53) + 1, one = big, x[3] = { big, INT64_MAX, INT64_MIN };
    clg_tensor *in = clg_input(g, "x", CLG_I64, CLG_SHAPE(3)), *c = clg_const(g, CLG_I64, CLG_SCALAR, &one);
    clg_tensor *s = clg_state(g, "s", CLG_I64, CLG_SHAPE(3), 5);
    clg_tensor *y[] = { clg_add(in, c), clg_div(in, clg_fill(g, CLG_I64, CLG_SCALAR, -1)), clg_eq(in, c),
                        clg_add(c, clg_fill(g, CLG_I64, CLG_SCALAR, 2)), clg_scale(in, 3), clg_assign(s, in) };
    clg_plan *p = compile(g, (clg_list){ 6, y }, NULL);
    int64_t got[3];
    uint8_t same[3];
    OK(clg_write(p, in, x, sizeof x));
    OK(clg_run(p));
    OK(clg_read(p, y[0], got, sizeof got));
    cr_expect(got[0] == 2 * big && got[1] == INT64_MIN + big - 1 && got[2] == INT64_MIN + big);
    OK(clg_read(p, y[1], got, sizeof got));
    cr_expect(got[0] == -big && got[1] == -INT64_MAX && got[2] == INT64_MIN);
    OK(clg_read(p, y[2], same, sizeof same));
    cr_expect(same[0] == 1 && same[1] == 0 && same[2] == 0);
    OK(clg_read(p, y[3], got, 8));
    cr_expect_eq(got[0], big + 2, "not folded to a double");
    OK(clg_read(p, y[4], got, sizeof got));
    cr_expect_eq(got[0], 3 * big);
    OK(clg_store_read(store, "s", got, sizeof got));
    cr_expect_arr_eq(got, x, sizeof x);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

Test(types, values_that_a_type_lacks_are_refused) {
    static const struct { clg_dtype t; double v; } bad[] = { { CLG_I64, 0x1p54 }, { CLG_I64, 0.5 }, { CLG_I64, NAN },
                                                             { CLG_I32, 0x1p31 }, { CLG_U8, 256 } };
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        clg_graph *g = clg_graph_create(dev, NULL);
        cr_expect_null(clg_fill(g, bad[i].t, CLG_SCALAR, bad[i].v));
        cr_expect(strstr(clg_error(), "is no value of type"), "%s", clg_error());
        clg_graph_destroy(&g);
    }
    clg_device_destroy(&dev);
}

/* --- variables --- */

/* A state of each type counts in place, is saved, and comes back. */
Test(types, states_of_every_type) {
    clg_device *dev = open_device(NULL);
    for (int t = 0; t < CLG_DTYPE_COUNT; t++) {
        if (t == CLG_U8 || (t == CLG_F64 && !clg_device_get_caps(dev)->fp64)) continue;
        clg_store *store = clg_store_create(dev, 1);
        clg_graph *g = clg_graph_create(dev, store);
        clg_tensor *s = clg_state(g, "s", (clg_dtype)t, CLG_SHAPE(3, 7), 3);
        clg_tensor *x = clg_input(g, "x", (clg_dtype)t, CLG_SHAPE(7));
        clg_plan *p = compile(g, CLG_LIST(clg_assign(s, clg_add(s, x))), NULL);
        unsigned char data[21 * 8];
        double v[21];
        for (int i = 0; i < 7; i++) v[i] = i - 3;
        clg_from_double((clg_dtype)t, v, data, 7);
        OK(clg_write(p, x, data, clg_tensor_bytes(x)));
        OK(clg_run(p));
        OK(clg_run(p));
        OK(clg_store_read(store, "s", data, clg_tensor_bytes(s)));
        clg_to_double((clg_dtype)t, data, v, 21);
        for (int i = 0; i < 21; i++)
            cr_expect_eq(v[i], 3 + 2 * (i % 7 - 3), "%s[%d] is %g", clg_dtype_name((clg_dtype)t), i, v[i]);
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_store_destroy(&store);
    }
    clg_device_destroy(&dev);
}

/* --- training --- */

enum { BATCH = 12, FEATURES = 7, HIDDEN = 19, CLASSES = 3 };

/* Steps of a small network in one type of float; writes the losses and the last weights of a layer. */
static void train(clg_device *dev, clg_dtype t, bool adam, int steps, double *loss, double *weights) {
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_input(g, "x", t, CLG_SHAPE(BATCH, FEATURES));
    clg_tensor *label = clg_input(g, "t", CLG_I32, CLG_SHAPE(BATCH));
    clg_tensor *w1 = clg_param(g, "w1", t, CLG_SHAPE(FEATURES, HIDDEN), CLG_INIT_XAVIER);
    clg_tensor *w2 = clg_param(g, "w2", t, CLG_SHAPE(HIDDEN, CLASSES), CLG_INIT_XAVIER);
    clg_tensor *b = clg_param(g, "b", t, CLG_SHAPE(HIDDEN), CLG_INIT_ZERO);
    clg_tensor *y = clg_cross_entropy(clg_matmul(clg_tanh(clg_add(clg_matmul(x, w1), b)), w2), label);
    const clg_optim_params *o = clg_optim_params(.lr = adam ? 0.0625 : 0.5, .momentum = adam ? 0 : 0.5);
    clg_plan *p = compile(g, CLG_LIST(y, adam ? clg_adam(y, o) : clg_sgd(y, o)), NULL);
    unsigned char data[BATCH * HIDDEN * 8];
    double v[BATCH * FEATURES];
    int32_t labels[BATCH];
    for (int i = 0; i < BATCH * FEATURES; i++) v[i] = element(CLG_F32, i * i) * 0.25;
    for (int i = 0; i < BATCH; i++) labels[i] = i % CLASSES;
    clg_from_double(t, v, data, BATCH * FEATURES);
    OK(clg_write(p, x, data, clg_tensor_bytes(x)));
    OK(clg_write(p, label, labels, sizeof labels));
    for (int i = 0; i < steps; i++) {
        OK(clg_run(p));
        OK(clg_read(p, y, data, clg_dtype_size(t)));
        clg_to_double(t, data, &loss[i], 1);
    }
    OK(clg_store_read(store, "w1", data, clg_tensor_bytes(w1)));
    if (weights) clg_to_double(t, data, weights, 16);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
}

Test(types, f64_training_agrees_with_the_reference) {
    clg_device *dev = open_device(NULL), *ref = open_device("ref");
    if (!clg_device_get_caps(dev)->fp64) cr_skip("the device has no double precision");
    for (int adam = 0; adam < 2; adam++) {
        double a[8], b[8], wa[16], wb[16];
        train(dev, CLG_F64, adam, 8, a, wa);
        train(ref, CLG_F64, adam, 8, b, wb);
        for (int i = 0; i < 8; i++) cr_expect_float_eq(a[i], b[i], 1e-12, "loss %d: %.17g, %.17g", i, a[i], b[i]);
        for (int i = 0; i < 16; i++) cr_expect_float_eq(wa[i], wb[i], 1e-12, "w1[%d]: %.17g, %.17g", i, wa[i], wb[i]);
    }
    clg_device_destroy(&ref);
    clg_device_destroy(&dev);
}

Test(types, training_in_16_bits_follows_f32) {
    clg_device *dev = open_device(NULL);
    for (int adam = 0; adam < 2; adam++) {
        double want[20], got[20];
        train(dev, CLG_F32, adam, 20, want, NULL);
        for (int t = CLG_F16; t <= CLG_BF16; t++) {
            train(dev, (clg_dtype)t, adam, 20, got, NULL);
            for (int i = 0; i < 20; i++)
                cr_expect_float_eq(got[i], want[i], 20 * eps_of((clg_dtype)t), "%s, adam %d, loss %d: %g, f32 %g",
                                   clg_dtype_name((clg_dtype)t), adam, i, got[i], want[i]);
            cr_expect_lt(got[19], 0.8 * got[0]);
        }
    }
    clg_device_destroy(&dev);
}

/* --- devices without double precision --- */

Test(types, f64_goes_to_the_reference_where_it_is_missing) {
    const float in[3] = { 0, 1, -2 };
    float out[3];
    clg_plan_info info;
    clg_device *dev = open_device(NULL);
    ((clg_device_caps *)(uintptr_t)clg_device_get_caps(dev))->fp64 = false;
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    cr_expect_not_null(clg_param(g, "w", CLG_F64, CLG_SHAPE(3), CLG_INIT_HE), "%s", clg_error());
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3));
    clg_tensor *y = clg_cast(clg_exp(clg_cast(x, CLG_F64)), CLG_F32);
    clg_plan *wide = compile(g, CLG_LIST(y), NULL);
    clg_plan_get_info(wide, &info);
    cr_expect_gt(info.n_fallback, 0);
    OK(clg_write(wide, x, in, sizeof in));
    OK(clg_run(wide));
    OK(clg_read(wide, y, out, sizeof out));
    for (int i = 0; i < 3; i++) cr_expect_eq(out[i], (float)exp(in[i]));
    clg_plan_destroy(&wide);
    clg_plan *p = compile(g, CLG_LIST(clg_cast(clg_exp(clg_cast(x, CLG_F16)), CLG_I64)), NULL);
    OK(clg_run(p));
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

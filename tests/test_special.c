/* Zeros, infinities, NaN, large and tiny numbers through every elementwise op of one operand: the device against the
 * reference, in vectors where each lane has other company (a function that treats a vector by its worst lane fails
 * here), and one by one. Gradients of activations stay finite. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define OK(call) cr_assert_eq((call), CLG_OK, "%s", clg_error())

typedef clg_tensor *function(clg_tensor *x);

static clg_tensor *clamp(clg_tensor *x) { return clg_clamp(x, -2, 100); }
static clg_tensor *hard_tanh(clg_tensor *x) { return clg_hard_tanh(x, -2, 100); }
static clg_tensor *threshold(clg_tensor *x) { return clg_threshold(x, 0.5, -7); }
static clg_tensor *leaky_relu(clg_tensor *x) { return clg_leaky_relu(x, 0.01); }
static clg_tensor *elu(clg_tensor *x) { return clg_elu(x, 1.5); }
static clg_tensor *softplus(clg_tensor *x) { return clg_softplus(x, 1); }
static clg_tensor *softplus_2(clg_tensor *x) { return clg_softplus(x, 2); }
static clg_tensor *prelu(clg_tensor *x) {
    return clg_prelu(x, clg_fill(clg_tensor_graph(x), clg_tensor_dtype(x), CLG_SCALAR, 0.25));
}

/* k: of the op's cases. activation: y' has limits, which it must reach as finite numbers. */
typedef struct row {
    const char *op;
    function   *f;
    int         k;
    bool        activation;
} row;

#define F(name, k) {#name, clg_##name, k, false}
#define A(name, k) {#name, clg_##name, k, true}

static const row rows[] = {
    F(neg, 0), F(square, 1), F(sqrt, 4), F(exp, 9), F(log, 4), F(sin, 5), F(cos, 5), F(abs, 0), F(sign, 0),
    F(exp2, 4), F(expm1, 4), F(log2, 4), F(log1p, 3), F(rsqrt, 3), F(reciprocal, 4), F(tan, 6), F(asin, 5), F(acos, 5),
    F(atan, 6), F(sinh, 5), F(cosh, 5), F(asinh, 5), F(acosh, 5), F(atanh, 6), F(erf, 17), F(erfc, 17), F(floor, 0),
    F(ceil, 0), F(round, 0), F(trunc, 0), F(isnan, 0), F(isinf, 0), F(isfinite, 0),
    {"clamp", clamp, 0, true}, {"hard_tanh", hard_tanh, 0, true}, {"threshold", threshold, 0, true},
    {"leaky_relu", leaky_relu, 1, true}, {"elu", elu, 5, true}, {"prelu", prelu, 1, true},
    {"softplus", softplus, 6, true}, {"softplus", softplus_2, 7, true},
    A(relu, 0), A(relu6, 0), A(unit_step, 0), A(sigmoid, 6), A(log_sigmoid, 6), A(tanh, 6), A(softsign, 5),
    A(hard_sigmoid, 5), A(hard_swish, 6), A(selu, 6), A(silu, 8), A(mish, 13), A(gelu, 19), A(gelu_tanh, 12),
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* Denormals may be flushed to zero, so nothing hangs on their results but that they are those of numbers near 0. */
static const float specials[] = {
    0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e4f, -1e4f, 1e-40f, -1e-40f, 1, -1, 0.5f, -0.5f, 2.5f, -2.5f, 3, -3, 6, 20,
    -20, 88, -88, 104, -104, 1e-20f, -1e-20f, 16777216, -16777216, 3e38f, -3e38f, 1e10f, -1e10f,
};
enum { SPECIALS = sizeof specials / sizeof specials[0], STRIDES = 3, N = SPECIALS * STRIDES };

/* The numbers in three orders: 3, 11 and 5 have no factor in common with 32. */
static void fill(float x[N]) {
    static const int step[STRIDES] = {1, 11, 5};
    for (int s = 0; s < STRIDES; s++)
        for (int i = 0; i < SPECIALS; i++) x[s * SPECIALS + i] = specials[i * step[s] % SPECIALS];
}

typedef struct result {
    double y[N_ROWS][N], slope[N_ROWS][N];
} result;

/* All rows, and the derivatives of activations, in one plan. */
static void compute(const char *device, const float x[N], const char *impl, result *r) {
    clg_tensor *t[2 * N_ROWS];
    int n = 0;
    clg_device *dev = clg_device_open(device, NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *a = clg_input(g, "a", CLG_F32, CLG_SHAPE(N));
    for (int i = 0; i < N_ROWS; i++) {
        clg_tensor *y = t[n++] = clg_cast(rows[i].f(a), CLG_F32);
        if (rows[i].activation) t[n++] = clg_grad(clg_sum(y, CLG_ALL), a);
    }
    clg_plan *p = clg_compile(g, (clg_list){n, t}, clg_plan_params(.impl = impl));
    cr_assert_not_null(p, "%s", clg_error());
    OK(clg_write(p, a, x, N * sizeof *x));
    OK(clg_run(p));
    for (int i = 0, k = 0; i < N_ROWS; i++)
        for (int slope = 0; slope <= rows[i].activation; slope++, k++) {
            float v[N];
            OK(clg_read(p, t[k], v, sizeof v));
            for (int j = 0; j < N; j++) (slope ? r->slope : r->y)[i][j] = v[j];
        }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* Of one class and sign, and within the bound. */
static bool agrees(double have, double want, int k) {
    if (isnan(want)) return isnan(have);
    if (isinf(want) || have == 0 || want == 0)
        return (have == want && signbit(have) == signbit(want))
            || (fabs(have) < FLT_MIN && fabs(want) < FLT_MIN); /* flushed */
    return fabs(have - want) <= k * FLT_EPSILON * fmax(1, fabs(want)) && signbit(have) == signbit(want);
}

static bool is_denormal(double x) { return x != 0 && fabs(x) < FLT_MIN; }

static void check(const row *r, const float x[N], const double have[N], const double want[N]) {
    for (int i = 0; i < N; i++) {
        if (agrees(have[i], want[i], r->k)) continue;
        if (is_denormal(x[i]) && agrees(have[i], x[i] < 0 ? want[1] : want[0], r->k)) continue; /* of -0, 0 */
        cr_expect_fail("%s(%g) is %.9g, reference %.9g", r->op, x[i], have[i], want[i]);
    }
}

/* At -inf and inf: finite, and what it is at -1e4 and 1e4. At kinks it is a derivative of one side. */
static void check_slopes(const row *r, const float x[N], const double slope[N], const double want[N]) {
    for (int i = 0; i < N; i++) {
        if (isnan(x[i])) continue;
        cr_expect(isfinite(slope[i]) && slope[i] > -0.6 && slope[i] < 2, "%s'(%g) is %g", r->op, x[i], slope[i]);
        cr_expect(fabs(slope[i] - want[i]) <= 24 * FLT_EPSILON, "%s'(%g) is %.9g, reference %.9g", r->op, x[i],
                  slope[i], want[i]);
        if (isinf(x[i]))
            for (int j = 0; j < N; j++)
                if (x[j] == copysignf(1e10f, x[i])) cr_expect_float_eq(slope[i], slope[j], 1e-6, "%s", r->op);
    }
}

Test(special, values) {
    static result have, want;
    float x[N];
    fill(x);
    compute("ref", x, NULL, &want);
    for (int k = 0; k < 2; k++) {
        compute(NULL, x, k ? "elementwise.gpu" : "elementwise.cpu", &have);
        for (int i = 0; i < N_ROWS; i++) {
            check(&rows[i], x, have.y[i], want.y[i]);
            if (rows[i].activation) check_slopes(&rows[i], x, have.slope[i], want.slope[i]);
        }
    }
}

/* No row of one operand is left out. */
Test(special, complete) {
    clg_op_info info;
    int checked = 0;
    for (int i = 0; clg_op_get_info(i, &info) == CLG_OK && i < clg_op_count(); i++) {
        static const char *const other[] = {"abs_int", "logical_not", "broadcast", "cast", "cast_i32", "cast_i64",
                                            "cast_u8"}; /* of integers, or no functions */
        bool found = !info.elementwise || info.max_in != 1;
        for (size_t k = 0; k < sizeof other / sizeof other[0]; k++) found = found || strcmp(other[k], info.name) == 0;
        for (int k = 0; k < N_ROWS; k++) found = found || strcmp(rows[k].op, info.name) == 0;
        cr_expect(found, "%s: give it a row here", info.name);
        checked++;
    }
    cr_expect_geq(checked, N_ROWS);
}

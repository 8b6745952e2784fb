/* Elementwise ops: the rows of elementwise_rows.h, math_rows.h and activation_rows.h made into clg_ops, and their
 * builders. They have no kernels of their
 * own: src/plan/codegen.c writes those from the expressions, fused. All operands broadcast as in NumPy.
 *
 * A gradient is first built in the shape of y and then summed down to its operand (clg_sum_to), the adjoint of
 * broadcasting. */
#include "graph/op.h"
#include "ops/activation.h"
#include "ops/moments.h"
#include <math.h>
#include <string.h>

enum { MAX_OPERANDS = 4 };

typedef struct cast_attr {
    int32_t dtype;
} cast_attr;

/* --- helpers of the rows' gradients and references --- */

/** The constant v, as a scalar of the type of t. */
static clg_tensor *lit(clg_tensor *t, double v) {
    return t ? clg_fill(t->graph, t->dtype, CLG_SCALAR, v) : NULL;
}

static clg_tensor *cast_back(clg_tensor *x, clg_tensor *gy) {
    return clg_dtype_is_float(x->dtype) ? clg_cast(gy, x->dtype) : NULL;
}

static bool is_integer(const clg_tensor *x) { return x && (x->dtype == CLG_I32 || x->dtype == CLG_I64); }

/* 1 - x^2; near 1 no digits cancel but those of x itself. */
static clg_tensor *one_less_square(clg_tensor *x) {
    return clg_mul(clg_sub(lit(x, 1), x), clg_add(lit(x, 1), x));
}

static clg_tensor *erf_slope(clg_tensor *x) { return clg_scale(clg_exp(clg_neg(clg_square(x))), M_2_SQRTPI); }

/* gy where lo < y < hi, else 0 */
static clg_tensor *pass_between(clg_tensor *y, clg_tensor *gy, clg_tensor *lo, clg_tensor *hi) {
    return clg_where(clg_gt(y, lo), clg_where(clg_lt(y, hi), gy, lit(gy, 0)), lit(gy, 0));
}

/* x, but at least lo; NaN stays. */
static double above(double x, double lo) { return x < lo ? lo : x; }

static double floored_remainder(double a, double b) {
    const double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double to_integer(double v, double lo, double hi) {
    if (isnan(v)) return 0;
    return v <= lo ? lo : v >= hi ? hi : trunc(v);
}

/* --- infer --- */

static clg_status broadcast_operands(const clg_node *n, clg_shape *out) {
    *out = in_shape(n, 0);
    for (int i = 1; i < n->n_in; i++)
        if (!clg_shape_broadcast(*out, in_shape(n, i), out))
            return clg_fail_op(n, "the shapes do not broadcast: aligned at the last axis, sizes must be equal or 1");
    return CLG_OK;
}

static clg_status same_type(const clg_node *n, int first) {
    for (int i = first + 1; i < n->n_in; i++)
        if (in_dtype(n, i) != in_dtype(n, first))
            return clg_fail_op(n, "the operands differ in type; clg_cast() one of them");
    return CLG_OK;
}

static clg_status infer_as(clg_node *n, clg_dtype t) {
    clg_shape s;
    CLG_TRY(broadcast_operands(n, &s));
    return set_out(n, 0, t, s);
}

static clg_status infer_real(clg_node *n) {
    CLG_TRY(same_type(n, 0));
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() the operands");
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_number(clg_node *n) {
    CLG_TRY(same_type(n, 0));
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() to i32 or f32 first");
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_integer(clg_node *n) {
    CLG_TRY(same_type(n, 0));
    if (!is_integer(n->in[0])) return clg_fail_op(n, "wants i32 or i64; clg_cast() the operands");
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_compare(clg_node *n) {
    CLG_TRY(same_type(n, 0));
    return infer_as(n, CLG_U8);
}

static clg_status infer_classify(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; integers are always finite");
    return infer_as(n, CLG_U8);
}

static clg_status infer_flags(clg_node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (in_dtype(n, i) != CLG_U8) return clg_fail_op(n, "wants u8 flags; compare with 0 by clg_ne() first");
    return infer_as(n, CLG_U8);
}

static clg_status infer_where(clg_node *n) {
    if (clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "the condition must be u8, i32 or i64");
    CLG_TRY(same_type(n, 1));
    return infer_as(n, in_dtype(n, 1));
}

static clg_status infer_broadcast(clg_node *n) {
    const clg_shape *want = n->attr;
    char text[128];
    clg_shape s;
    if (want->ndim < 0 || want->ndim > CLG_MAX_DIMS) return clg_fail_op(n, "%d axes; 0 to 6 are possible", want->ndim);
    clg_shape_text(in_dtype(n, 0), *want, text, sizeof text);
    for (int i = 0; i < want->ndim; i++)
        if (want->dim[i] < 0) return clg_fail_op(n, "a size is negative in %s", text);
    if (!clg_shape_broadcast(in_shape(n, 0), *want, &s) || !clg_shape_equal(s, *want))
        return clg_fail_op(n, "only sizes of 1 stretch, so it cannot become %s", text);
    return set_out(n, 0, in_dtype(n, 0), s);
}

static clg_status infer_cast(clg_node *n) {
    return infer_as(n, (clg_dtype)((const cast_attr *)n->attr)->dtype);
}

/* --- reference: one loop for all rows --- */

static void strides_of(clg_shape operand, clg_shape y, int64_t *stride) {
    int64_t step = 1;
    for (int d = y.ndim - 1, k = operand.ndim - 1; d >= 0; d--, k--) {
        stride[d] = k >= 0 && operand.dim[k] != 1 ? step : 0;
        if (k >= 0) step *= operand.dim[k];
    }
}

static void ref_loop(const clg_node *n, const double *const *in, double *const *out) {
    const clg_shape y = out_shape(n, 0);
    const int64_t elems = out_elems(n, 0);
    int64_t stride[MAX_OPERANDS][CLG_MAX_DIMS], at[MAX_OPERANDS] = {0}, index[CLG_MAX_DIMS] = {0};
    double x[MAX_OPERANDS];
    for (int k = 0; k < n->n_in; k++) strides_of(in_shape(n, k), y, stride[k]);
    for (int64_t i = 0; i < elems; i++) {
        for (int k = 0; k < n->n_in; k++) x[k] = in[k][at[k]];
        out[0][i] = n->op->scalar(x);
        for (int d = y.ndim - 1; d >= 0; d--) {
            for (int k = 0; k < n->n_in; k++) at[k] += stride[k][d];
            if (++index[d] < y.dim[d]) break;
            for (int k = 0; k < n->n_in; k++) at[k] -= stride[k][d] * y.dim[d];
            index[d] = 0;
        }
    }
}

/* --- the rows --- */

static void fit_gradients(const clg_node *n, clg_tensor *const *g, clg_tensor **gx) {
    for (int i = 0; i < n->n_in; i++) gx[i] = g[i] ? clg_sum_to(g[i], n->in[i]->shape) : NULL;
}

#define OPERANDS_1 const double a = x[0]
#define OPERANDS_2 const double a = x[0], b = x[1]
#define OPERANDS_3 const double a = x[0], b = x[1], c = x[2]
#define OPERANDS_4 const double a = x[0], b = x[1], c = x[2], d = x[3]

#define COMMON(name, arity, reference, flops)                                             \
    static double name##_scalar(const double *x) { OPERANDS_##arity; return reference; }  \
    static clg_cost name##_cost(const clg_node *n) { return cost_of(n, (flops) * (double)out_elems(n, 0)); }

#define SHAPES_1 "x [S...] -> [S...]"
#define SHAPES_2 "two operands that broadcast to [S...] (a number is a scalar) -> [S...]"
#define SHAPES_3 "three operands that broadcast to [S...] (a number is a scalar) -> [S...]"
#define SHAPES_4 "four operands that broadcast to [S...] (a number is a scalar) -> [S...]"

#define OP(name, arity, attribute, infer, expr, formula, gradient, flags, vjp)                                       \
    static const clg_op op_##name = { #name, formula, gradient, arity, arity, 1, CLG_OP_ELEMENTWISE | (flags),       \
                                      attribute, infer_##infer, ref_loop, vjp, name##_cost, expr, name##_scalar, NULL, \
                                      (attribute) == sizeof(clg_shape) ? "x [R...] -> [S...], R broadcasts to S"     \
                                                                       : SHAPES_##arity,                             \
                                      NULL, NULL, NULL, (attribute) == sizeof(clg_shape) ? clg_part_shape : NULL };

#define ROW(name, arity, attribute, infer, expr, reference, gradient, formula, text, flops)                 \
    COMMON(name, arity, reference, flops)                                                                   \
    static void name##_vjp(clg_node *n, clg_tensor *const *gys, clg_tensor **gx) {                          \
        clg_tensor *const a = in_tensor(n, 0), *const b = in_tensor(n, 1), *const c = in_tensor(n, 2);      \
        clg_tensor *const y = n->out[0], *const gy = gys[0], *ga = NULL, *gb = NULL, *gc = NULL, *gd = NULL; \
        (void)a, (void)b, (void)c, (void)y;                                                                 \
        gradient;                                                                                           \
        fit_gradients(n, (clg_tensor *const[]){ ga, gb, gc, gd }, gx);                                      \
    }                                                                                                       \
    OP(name, arity, attribute, infer, expr, formula, text, 0, name##_vjp)

#define FLAT(name, arity, attribute, infer, expr, reference, formula, flops) \
    COMMON(name, arity, reference, flops)                                    \
    OP(name, arity, attribute, infer, expr, formula, NULL, CLG_OP_NO_GRAD, NULL)

#include "ops/elementwise_rows.h"
#include "ops/math_rows.h"
#include "ops/activation_rows.h"

#undef ROW
#undef FLAT
#define ROW(name, ...)  &op_##name,
#define FLAT(name, ...) &op_##name,
const clg_op *const clg_elementwise_ops[] = {
#include "ops/elementwise_rows.h"
#include "ops/math_rows.h"
#include "ops/activation_rows.h"
};
const int clg_n_elementwise_ops = (int)(sizeof clg_elementwise_ops / sizeof *clg_elementwise_ops);

/* --- builders --- */

static clg_tensor *build1(const clg_op *op, const void *attr, clg_tensor *x) {
    return clg_node_build(op, attr, (clg_tensor *const[]){ x }, 1);
}

static clg_tensor *build2(const clg_op *op, clg_tensor *a, clg_tensor *b) {
    return clg_node_build(op, NULL, (clg_tensor *const[]){ a, b }, 2);
}

#define UNARY(name)  clg_tensor *clg_##name(clg_tensor *x) { return build1(&op_##name, NULL, x); }
#define BINARY(name) clg_tensor *clg_##name(clg_tensor *a, clg_tensor *b) { return build2(&op_##name, a, b); }

BINARY(add) BINARY(sub) BINARY(mul) BINARY(pow) BINARY(maximum) BINARY(minimum) BINARY(fmod) BINARY(atan2)
BINARY(eq) BINARY(ne) BINARY(lt) BINARY(le) BINARY(gt) BINARY(ge)
BINARY(logical_and) BINARY(logical_or) BINARY(logical_xor) UNARY(logical_not)
UNARY(neg) UNARY(square) UNARY(sqrt) UNARY(rsqrt) UNARY(reciprocal) UNARY(sign)
UNARY(exp) UNARY(exp2) UNARY(expm1) UNARY(log) UNARY(log2) UNARY(log1p)
UNARY(sin) UNARY(cos) UNARY(tan) UNARY(asin) UNARY(acos) UNARY(atan)
UNARY(sinh) UNARY(cosh) UNARY(tanh) UNARY(asinh) UNARY(acosh) UNARY(atanh) UNARY(erf) UNARY(erfc)
UNARY(floor) UNARY(ceil) UNARY(round) UNARY(trunc) UNARY(isnan) UNARY(isinf) UNARY(isfinite)
UNARY(relu) UNARY(relu6) UNARY(unit_step) UNARY(sigmoid) UNARY(hard_sigmoid) UNARY(hard_swish) UNARY(log_sigmoid)
UNARY(softsign) UNARY(silu) UNARY(mish) UNARY(gelu) UNARY(gelu_tanh)

/* With numbers of x's type as the other operands. */
static clg_tensor *with_number(const clg_op *op, clg_tensor *x, double b) { return build2(op, x, lit(x, b)); }

static clg_tensor *with_numbers(const clg_op *op, clg_tensor *x, double b, double c) {
    return clg_node_build(op, NULL, (clg_tensor *const[]){ x, lit(x, b), lit(x, c) }, 3);
}

clg_tensor *clg_leaky_relu(clg_tensor *x, double slope) { return with_number(&op_leaky_relu, x, slope); }
clg_tensor *clg_elu(clg_tensor *x, double alpha) { return with_number(&op_elu, x, alpha); }

clg_tensor *clg_threshold(clg_tensor *x, double t, double value) { return with_numbers(&op_threshold, x, t, value); }

/* What lies between lo and hi, for clamp and hard_tanh. */
static clg_tensor *between(const clg_op *op, clg_tensor *x, double lo, double hi) {
    if (x && !(lo <= hi))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "%s(%s, %g, %g): the bounds must be in order and no NaN",
                              op->name, clg_tensor_name(x), lo, hi);
    return with_numbers(op, x, lo, hi);
}

clg_tensor *clg_clamp(clg_tensor *x, double lo, double hi) { return between(&op_clamp, x, lo, hi); }
clg_tensor *clg_hard_tanh(clg_tensor *x, double lo, double hi) { return between(&op_hard_tanh, x, lo, hi); }

clg_tensor *clg_softplus(clg_tensor *x, double beta) {
    if (x && !(beta > 0 && isfinite(beta)))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "softplus(%s, %g): beta must be above 0 and finite",
                              clg_tensor_name(x), beta);
    return with_number(&op_softplus, x, beta);
}

clg_tensor *clg_remainder(clg_tensor *a, clg_tensor *b) {
    return build2(is_integer(a) ? &op_remainder_int : &op_remainder, a, b);
}

clg_tensor *clg_abs(clg_tensor *x) {
    return build1(is_integer(x) ? &op_abs_int : &op_abs, NULL, x);
}

clg_tensor *clg_div(clg_tensor *a, clg_tensor *b) {
    return build2(is_integer(a) ? &op_div_int : &op_div, a, b);
}

clg_tensor *clg_where(clg_tensor *cond, clg_tensor *a, clg_tensor *b) {
    return clg_node_build(&op_where, NULL, (clg_tensor *const[]){ cond, a, b }, 3);
}

clg_tensor *clg_normalize(clg_tensor *x, clg_tensor *mean, clg_tensor *scale, clg_tensor *shift) {
    return clg_node_build(&op_normalize, NULL, (clg_tensor *const[]){ x, mean, scale, shift }, 4);
}

clg_tensor *clg_scale(clg_tensor *x, double factor) {
    if (!x || factor == 1) return x;
    const double most = x->dtype == CLG_I64 ? 0x1p53 : INT32_MAX;
    if (!clg_dtype_is_float(x->dtype) && !(factor == trunc(factor) && fabs(factor) <= most))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "scale(%s, %g): integers lack such a factor; clg_cast() first",
                              clg_tensor_name(x), factor);
    if (x->dtype == CLG_F16 || x->dtype == CLG_BF16) /* where 1 / n would be rounded to 16 bits, or to 0 */
        return clg_cast(clg_scale(clg_cast(x, CLG_F32), factor), x->dtype);
    return clg_mul(x, lit(x, factor));
}

clg_tensor *clg_broadcast(clg_tensor *x, clg_shape shape) {
    clg_shape attr;
    if (!x || clg_shape_equal(x->shape, shape)) return x;
    memset(&attr, 0, sizeof attr);
    attr.ndim = shape.ndim;
    for (int i = 0; i < shape.ndim && i < CLG_MAX_DIMS; i++) attr.dim[i] = shape.dim[i];
    return build1(&op_broadcast, &attr, x);
}

clg_tensor *clg_cast(clg_tensor *x, clg_dtype type) {
    const cast_attr attr = { (int32_t)type };
    if (!x || x->dtype == type) return x;
    if ((unsigned)type >= CLG_DTYPE_COUNT)
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "cast(%s): %d is no type", clg_tensor_name(x), (int)type);
    const clg_op *op = type == CLG_I32 ? &op_cast_i32 : type == CLG_I64 ? &op_cast_i64
        : type == CLG_U8 ? &op_cast_u8 : &op_cast;
    return build1(op, &attr, x);
}

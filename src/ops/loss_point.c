/* Losses of elements: one table. A row has the loss of an element twice: as plain C for the reference, and built from
 * elementwise ops; what they share is the check of the operands and the reduction.
 *
 *   LOSS(name, most operands, plain C over x, y, w and delta, graph over the same names, formula, gradient, shapes)
 *
 * w is the pos_weight of bce_logits. */
#include "graph/op.h"
#include <math.h>
#include <string.h>

typedef struct point_attr {
    double  delta;
    int64_t reduction;
} point_attr;

static const point_attr *attr_of(const clg_node *n) { return n->attr; }

static clg_tensor *lit(const clg_tensor *like, double v) {
    return clg_fill(like->graph, like->dtype, CLG_SCALAR, v);
}

static clg_status infer(clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    const int64_t reduction = attr_of(n)->reduction, elems = in_elems(n, 0);
    clg_shape s;
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() the operands");
    for (int i = 1; i < n->n_in; i++)
        if (in_dtype(n, i) != in_dtype(n, 0))
            return clg_fail_op(n, "the operands differ in type; clg_cast() one of them");
    if (!clg_shape_equal(x, in_shape(n, 1))) return clg_fail_op(n, "the shapes differ; clg_broadcast() one of them");
    if (n->n_in > 2 && (!clg_shape_broadcast(x, in_shape(n, 2), &s) || !clg_shape_equal(x, s)))
        return clg_fail_op(n, "the weights do not broadcast to the shape of the logits");
    if (!(attr_of(n)->delta > 0 && isfinite(attr_of(n)->delta)))
        return clg_fail_op(n, "delta must be finite and above 0, not %g", attr_of(n)->delta);
    if (reduction < CLG_REDUCE_MEAN || reduction > CLG_REDUCE_BATCH_MEAN)
        return clg_fail_op(n, "there is no reduction %lld", (long long)reduction);
    if (reduction == CLG_REDUCE_MEAN && elems == 0) return clg_fail_op(n, "there is no mean of no elements");
    if (reduction == CLG_REDUCE_BATCH_MEAN && (x.ndim == 0 || x.dim[0] == 0))
        return clg_fail_op(n, "a mean over the batch needs an axis 0 that is not empty");
    return set_out(n, 0, in_dtype(n, 0), reduction == CLG_REDUCE_NONE ? x : CLG_SCALAR);
}

/** Which element of `from`, a shape that broadcasts to `to`, stands beside element i of `to`. */
static int64_t beside(clg_shape from, clg_shape to, int64_t i) {
    int64_t at = 0, step = 1;
    for (int d = to.ndim - 1, k = from.ndim - 1; d >= 0 && k >= 0; d--, k--) {
        if (from.dim[k] != 1) at += i % to.dim[d] * step;
        i /= to.dim[d];
        step *= from.dim[k];
    }
    return at;
}

/** What the sum is divided by. */
static double divisor(const clg_node *n) {
    switch (attr_of(n)->reduction) {
    case CLG_REDUCE_MEAN: return (double)in_elems(n, 0);
    case CLG_REDUCE_BATCH_MEAN: return (double)in_dim(n, 0, 0);
    default: return 1;
    }
}

static void ref(const clg_node *n, const double *const *in, double *const *out,
                double (*loss)(double x, double y, double w, double delta)) {
    const bool none = attr_of(n)->reduction == CLG_REDUCE_NONE;
    double sum = 0;
    for (int64_t i = 0, elems = in_elems(n, 0); i < elems; i++) {
        const double w = n->n_in > 2 ? in[2][beside(in_shape(n, 2), in_shape(n, 0), i)] : 1;
        const double l = loss(in[0][i], in[1][i], w, attr_of(n)->delta);
        if (none) out[0][i] = l;
        sum += l;
    }
    if (!none) out[0][0] = sum / divisor(n);
}

static bool reduced(const clg_node *n, clg_tensor *l, clg_tensor **out) {
    switch (attr_of(n)->reduction) {
    case CLG_REDUCE_NONE: out[0] = l; break;
    case CLG_REDUCE_MEAN: out[0] = clg_mean(l, CLG_ALL); break;
    default: out[0] = clg_scale(clg_sum(l, CLG_ALL), 1 / divisor(n));
    }
    return out[0] != NULL;
}

/* --- parts of the graphs --- */

static clg_tensor *huber(clg_tensor *x, clg_tensor *y, double delta) {
    clg_tensor *const d = clg_abs(clg_sub(x, y)), *const limit = lit(x, delta);
    clg_tensor *const far = clg_scale(clg_sub(d, lit(x, delta / 2)), delta);
    return clg_where(clg_le(d, limit), clg_scale(clg_square(d), 0.5), far);
}

/** (1 - y) x + (1 + (w - 1) y) softplus(-x), as log(1 - s) = -x - softplus(-x). */
static clg_tensor *bce_logits(clg_tensor *x, clg_tensor *y, clg_tensor *w) {
    clg_tensor *const one = lit(x, 1), *const soft = clg_softplus(clg_neg(x), 1);
    clg_tensor *const factor = w ? clg_add(one, clg_mul(clg_sub(w, one), y)) : NULL;
    return clg_add(clg_mul(clg_sub(one, y), x), factor ? clg_mul(factor, soft) : soft);
}

/** p is kept away from 0 before the logarithm, so that no gradient is 0 times infinity. */
static clg_tensor *kl_div(clg_tensor *log_q, clg_tensor *p) {
    clg_tensor *const none = clg_eq(p, lit(p, 0)), *const safe = clg_where(none, lit(p, 1), p);
    clg_tensor *const log_r = clg_where(none, lit(p, 0), log_q); /* log_q may be -inf where p is 0 */
    return clg_where(none, lit(p, 0), clg_mul(p, clg_sub(clg_log(safe), log_r)));
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

/* --- rows --- */

#define LOSS(op, most, plain, graph, formula_, gradient_, shapes_)                                                   \
    static double op##_loss(double x, double y, double w, double delta) { return plain; }                            \
    static void op##_ref(const clg_node *n, const double *const *in, double *const *out) {                           \
        ref(n, in, out, op##_loss);                                                                                  \
    }                                                                                                                \
    static bool op##_expand(const clg_node *n, clg_tensor **out) {                                                   \
        clg_tensor *const x = n->in[0], *const y = n->in[1], *const w = in_tensor(n, 2);                             \
        const double delta = attr_of(n)->delta;                                                                      \
        (void)w, (void)delta;                                                                                        \
        return reduced(n, graph, out);                                                                               \
    }                                                                                                                \
    const clg_op clg_op_##op = { .name = #op, .min_in = 2, .max_in = most, .n_out = 1, .formula = formula_,          \
                                 .gradient = gradient_, .shapes = shapes_, .attr_size = sizeof(point_attr),          \
                                 .infer = infer, .ref = op##_ref, .expand = op##_expand };

#define ALIKE "x [...], y [...] -> [], or [...] without reduction"

LOSS(mse, 2, (x - y) * (x - y), clg_square(clg_sub(x, y)), "l = (x - y)^2",
     "gx = 2 (x - y) g, the gradient of y is -gx", ALIKE)
LOSS(l1, 2, fabs(x - y), clg_abs(clg_sub(x, y)), "l = |x - y|",
     "gx = sign(x - y) g, 0 where x = y; the gradient of y is -gx", ALIKE)
LOSS(huber, 2, fabs(x - y) <= delta ? (x - y) * (x - y) / 2 : delta * (fabs(x - y) - delta / 2), huber(x, y, delta),
     "l = d^2 / 2 if d = |x - y| is at most delta, else delta (d - delta / 2)",
     "gx = clamp(x - y, -delta, delta) g, the gradient of y is -gx", ALIKE)
LOSS(bce_logits, 3, (1 - y) * x + (1 + (w - 1) * y) * softplus(-x), bce_logits(x, y, w),
     "l = -w y log s - (1 - y) log(1 - s), s = sigmoid(x)",
     "gx = ((1 - y) s - w y (1 - s)) gy, g_y = (log(1 - s) - w log s) gy, gw = -y log(s) gy",
     "x [...], y [...], w broadcast -> [], or [...] without reduction")
LOSS(hinge, 2, fmax(0, 1 - y * x), clg_relu(clg_sub(lit(x, 1), clg_mul(y, x))), "l = max(0, 1 - y s)",
     "gs = -y gy if y s < 1 else 0, g_y = -s gy if y s < 1 else 0",
     "s [...], y [...] -> [], or [...] without reduction")
LOSS(perceptron_loss, 2, fmax(0, -y * x), clg_relu(clg_neg(clg_mul(y, x))), "l = max(0, -y s)",
     "gs = -y gy if y s < 0 else 0, g_y = -s gy if y s < 0 else 0",
     "s [...], y [...] -> [], or [...] without reduction")
LOSS(kl_div, 2, y == 0 ? 0 : y * (log(y) - x), kl_div(x, y), "l = p (log p - log_q); 0 where p = 0",
     "g_log_q = -p gy, gp = (log p + 1 - log_q) gy; 0 where p = 0",
     "log_q [...], p [...] -> [], or [...] without reduction")

/* --- builders --- */

static clg_tensor *build(const clg_op *op, clg_tensor *x, clg_tensor *y, clg_tensor *w, double delta,
                         const clg_loss_params *p) {
    const point_attr attr = { delta, p ? p->reduction : CLG_REDUCE_MEAN };
    return clg_node_build(op, &attr, (clg_tensor *const[]){ x, y, w }, w ? 3 : 2);
}

#define BUILDER(op) \
    clg_tensor *clg_##op(clg_tensor *a, clg_tensor *b, const clg_loss_params *p) { \
        return build(&clg_op_##op, a, b, NULL, 1, p);                             \
    }
BUILDER(mse)
BUILDER(l1)
BUILDER(hinge)
BUILDER(perceptron_loss)
BUILDER(kl_div)

clg_tensor *clg_huber(clg_tensor *x, clg_tensor *y, double delta, const clg_loss_params *p) {
    return build(&clg_op_huber, x, y, NULL, delta, p);
}

clg_tensor *clg_bce_logits(clg_tensor *x, clg_tensor *y, clg_tensor *pos_weight, const clg_loss_params *p) {
    return build(&clg_op_bce_logits, x, y, pos_weight, 1, p);
}

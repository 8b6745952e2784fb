/* Cross-entropy with all its options, and the negative log-likelihood. Composites: the class of a position is compared
 * with all class numbers, and what is not hit counts as 0; one sum over the classes makes the loss of each position.
 * Conventions are those of torch.nn.CrossEntropyLoss and NLLLoss, which the header spells out. */
#include "base/alloc.h"
#include "ops/softmax.h"
#include <math.h>
#include <string.h>

typedef struct class_attr {
    double  smoothing;
    int64_t ignore;
    int64_t reduction;
} class_attr;

enum { LOGITS, TARGET, WEIGHT };

extern const clg_op clg_op_cross_entropy_with, clg_op_nll;

static const class_attr *attr_of(const clg_node *n) { return n->attr; }
static bool is_soft(const clg_node *n) { return clg_dtype_is_float(in_dtype(n, TARGET)); }
static clg_softmax_form form_of(const clg_node *n) { return clg_softmax_form_of(in_shape(n, LOGITS), 1); }

/** The shape of the positions: x without axis 1. */
static clg_shape positions(clg_shape x) {
    clg_shape s = { x.ndim - 1, { x.dim[0] } };
    for (int i = 2; i < x.ndim; i++) s.dim[i - 1] = x.dim[i];
    return s;
}

/* --- infer --- */

static clg_status check_target(const clg_node *n) {
    const clg_shape x = in_shape(n, LOGITS), t = in_shape(n, TARGET);
    if (is_soft(n)) {
        if (n->op == &clg_op_nll) return clg_fail_op(n, "the targets must be i32 or i64; clg_cast() them");
        if (in_dtype(n, TARGET) != in_dtype(n, LOGITS) || !clg_shape_equal(x, t))
            return clg_fail_op(n, "soft targets must have the type and shape of the logits");
        return CLG_OK;
    }
    if (in_dtype(n, TARGET) != CLG_I32 && in_dtype(n, TARGET) != CLG_I64)
        return clg_fail_op(n, "the targets must be i32, i64 or soft; clg_cast() them");
    if (!clg_shape_equal(positions(x), t)) return clg_fail_op(n, "logits [N, C, ...] want targets [N, ...]");
    if (in_dtype(n, TARGET) == CLG_I32 && attr_of(n)->ignore != (int32_t)attr_of(n)->ignore)
        return clg_fail_op(n, "ignore_index %lld is no i32, as the targets are", (long long)attr_of(n)->ignore);
    return CLG_OK;
}

static clg_status infer(clg_node *n) {
    const clg_shape x = in_shape(n, LOGITS);
    const class_attr *const a = attr_of(n);
    if (!clg_dtype_is_float(in_dtype(n, LOGITS))) return clg_fail_op(n, "the logits must be floats; clg_cast() them");
    if (x.ndim < 2) return clg_fail_op(n, "the logits must be [N, C, ...]");
    if (x.dim[1] == 0) return clg_fail_op(n, "there is no class: C is 0");
    CLG_TRY(check_target(n));
    if (n->n_in > WEIGHT && (in_dtype(n, WEIGHT) != in_dtype(n, LOGITS) || in_shape(n, WEIGHT).ndim != 1 ||
                             in_dim(n, WEIGHT, 0) != x.dim[1]))
        return clg_fail_op(n, "weights of classes must be [C], of the type of the logits");
    if (!(a->smoothing >= 0 && a->smoothing <= 1))
        return clg_fail_op(n, "label_smoothing %g is not in 0 .. 1", a->smoothing);
    if (a->reduction < CLG_REDUCE_MEAN || a->reduction > CLG_REDUCE_NONE)
        return clg_fail_op(n, "the reduction must be mean, sum or none");
    return set_out(n, 0, in_dtype(n, LOGITS), a->reduction == CLG_REDUCE_NONE ? positions(x) : CLG_SCALAR);
}

/* --- reference --- */

/** Loss of position p, its weight in *w; m and s are taken off the logits (0 for nll). */
static double loss_at(const clg_node *n, const double *const *in, const clg_softmax_form *f, int64_t p, double *w) {
    const double e = attr_of(n)->smoothing, uniform = e / (double)f->classes;
    const int64_t start = clg_softmax_start(f, p);
    const bool soft = is_soft(n), weighted = n->n_in > WEIGHT;
    double m = 0, s = 0, loss = 0;
    if (n->op != &clg_op_nll) clg_softmax_stat(f, in[LOGITS], p, &m, &s);
    *w = soft ? 1 : 0;
    if (!soft && (int64_t)in[TARGET][p] == attr_of(n)->ignore) return 0;
    if (!soft && !(in[TARGET][p] >= 0 && in[TARGET][p] < (double)f->classes)) return NAN;
    for (int64_t c = 0; c < f->classes; c++) {
        const int64_t i = start + c * f->inner;
        const bool hit = !soft && c == (int64_t)in[TARGET][p];
        const double q = (1 - e) * (soft ? in[TARGET][i] : hit) + uniform, v = weighted ? in[WEIGHT][c] : 1;
        if (hit) *w = v;
        if (soft || hit || e > 0) loss -= v * q * (in[LOGITS][i] - m - s);
    }
    return loss;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const clg_softmax_form f = form_of(n);
    double sum = 0, weights = 0;
    for (int64_t p = 0; p < f.n; p++) {
        double w;
        const double loss = loss_at(n, in, &f, p, &w);
        if (attr_of(n)->reduction == CLG_REDUCE_NONE) out[0][p] = loss;
        sum += loss;
        weights += w;
    }
    if (attr_of(n)->reduction == CLG_REDUCE_SUM) out[0][0] = sum;
    if (attr_of(n)->reduction == CLG_REDUCE_MEAN) out[0][0] = sum / weights;
}

/* --- expansion --- */

static clg_tensor *lit(const clg_tensor *like, double v) {
    return like ? clg_fill(like->graph, like->dtype, CLG_SCALAR, v) : NULL;
}

/** The numbers 0 .. C-1 of type t as [C, 1, ...], beside the logits. */
static clg_tensor *class_numbers(const clg_node *n, clg_dtype t) {
    const int64_t classes = in_dim(n, LOGITS, 1);
    clg_shape s = { in_shape(n, LOGITS).ndim - 1, { classes, 1, 1, 1, 1 } };
    int64_t *const number = clg_calloc((size_t)classes, sizeof *number);
    if (!number) return clg_graph_fail(n->graph, CLG_ERR_NOMEM, "%s: out of host memory for %lld class numbers",
                                       n->op->name, (long long)classes);
    for (int64_t c = 0; c < classes; c++) {
        if (t == CLG_I64) number[c] = c;
        else ((int32_t *)number)[c] = (int32_t)c;
    }
    clg_tensor *const y = clg_const(n->graph, t, s, number);
    clg_free(number);
    return y;
}

/** The weights as [C, 1, ...]; NULL: all are 1. */
static clg_tensor *weights_of(const clg_node *n) {
    const clg_shape s = { in_shape(n, LOGITS).ndim - 1, { in_dim(n, LOGITS, 1), 1, 1, 1, 1 } };
    return n->n_in > WEIGHT ? clg_reshape(n->in[WEIGHT], s) : NULL;
}

static clg_tensor *weighted(clg_tensor *x, clg_tensor *weight) { return weight ? clg_mul(x, weight) : x; }

static clg_tensor *soft_loss(const clg_node *n, clg_tensor *log_p) {
    const double e = attr_of(n)->smoothing, classes = (double)in_dim(n, LOGITS, 1);
    clg_tensor *q = n->in[TARGET];
    if (e > 0) q = clg_add(clg_scale(q, 1 - e), lit(q, e / classes));
    clg_tensor *const l = clg_neg(clg_sum(clg_mul(q, weighted(log_p, weights_of(n))), CLG_AXIS(1)));
    switch (attr_of(n)->reduction) {
    case CLG_REDUCE_NONE: return clg_reshape(l, out_shape(n, 0));
    case CLG_REDUCE_SUM: return clg_sum(l, CLG_ALL);
    default: return clg_div(clg_sum(l, CLG_ALL), lit(l, (double)form_of(n).n));
    }
}

/** target [N, 1, ...]: v where it is a class, NaN elsewhere. */
static clg_tensor *where_class(const clg_node *n, clg_tensor *target, clg_tensor *v) {
    clg_tensor *const nan = lit(v, NAN), *const classes = lit(target, (double)in_dim(n, LOGITS, 1));
    return clg_where(clg_ge(target, lit(target, 0)), clg_where(clg_lt(target, classes), v, nan), nan);
}

static clg_tensor *hard_loss(const clg_node *n, clg_tensor *log_p) {
    const double e = attr_of(n)->smoothing, uniform = e / (double)in_dim(n, LOGITS, 1);
    clg_shape beside = in_shape(n, LOGITS);
    beside.dim[1] = 1;
    clg_tensor *const target = clg_reshape(n->in[TARGET], beside), *const weight = weights_of(n);
    clg_tensor *const hit = clg_eq(target, class_numbers(n, target->dtype));
    clg_tensor *const ignored = clg_eq(target, lit(target, (double)attr_of(n)->ignore));
    clg_tensor *const zero = lit(log_p, 0), *const q = clg_where(hit, lit(log_p, 1 - e + uniform), lit(log_p, uniform));
    /* without smoothing, other classes may have -inf: they are left out before a weight could make NaN of it */
    clg_tensor *const part = weighted(e > 0 ? clg_mul(log_p, q) : clg_where(hit, log_p, zero), weight);
    clg_tensor *const sign = clg_where(ignored, zero, where_class(n, target, lit(log_p, -1)));
    clg_tensor *const l = clg_where(ignored, zero, clg_mul(clg_sum(part, CLG_AXIS(1)), sign));
    if (attr_of(n)->reduction == CLG_REDUCE_NONE) return clg_reshape(l, out_shape(n, 0));
    if (attr_of(n)->reduction == CLG_REDUCE_SUM) return clg_sum(l, CLG_ALL);
    clg_tensor *const counted = weight ? clg_where(hit, weight, zero) : lit(log_p, 1);
    return clg_div(clg_sum(l, CLG_ALL), clg_sum(clg_where(ignored, zero, counted), CLG_ALL));
}

/** Without weights, smoothing and another reduction, the op cross_entropy does it; it ignores -1. */
static clg_tensor *plain_loss(const clg_node *n) {
    clg_tensor *t = n->in[TARGET];
    const int64_t ignore = attr_of(n)->ignore;
    if (ignore != -1) {
        clg_tensor *const none = lit(t, -1), *const not_class = lit(t, (double)in_dim(n, LOGITS, 1));
        t = clg_where(clg_eq(t, lit(t, (double)ignore)), none, clg_where(clg_eq(t, none), not_class, t));
    }
    return clg_cross_entropy(n->in[LOGITS], t);
}

static bool expand_cross_entropy(const clg_node *n, clg_tensor **out) {
    const bool plain = n->n_in == 2 && attr_of(n)->smoothing == 0 && attr_of(n)->reduction == CLG_REDUCE_MEAN;
    if (plain && !is_soft(n)) {
        out[0] = plain_loss(n);
    } else {
        clg_tensor *const log_p = clg_log_softmax(n->in[LOGITS], 1);
        out[0] = is_soft(n) ? soft_loss(n, log_p) : hard_loss(n, log_p);
    }
    return out[0] != NULL;
}

static bool expand_nll(const clg_node *n, clg_tensor **out) { return (out[0] = hard_loss(n, n->in[LOGITS])) != NULL; }

/* --- rows and builders --- */

const clg_op clg_op_cross_entropy_with = { .name = "cross_entropy_with", .min_in = 2, .max_in = 3, .n_out = 1,
    .formula = "l = -sum over c of w[c] q[c] log_softmax(x)[c], q = (1 - e) [c = target] + e / C or, soft, "
               "(1 - e) target + e / C; mean: sum of l / sum of w[target], soft: / positions",
    .gradient = "gx = (softmax(x) sum of w q - w q) gy / the mean's divisor; gtarget = -(1 - e) w log_softmax(x) gy / "
                "divisor; gw by the quotient rule",
    .shapes = "logits [N,C,S...], target i32 or i64 [N,S...] or soft [N,C,S...], w [C] -> [] or [N,S...]",
    .attr_size = sizeof(class_attr), .infer = infer, .ref = ref, .expand = expand_cross_entropy };
const clg_op clg_op_nll = { .name = "nll", .min_in = 2, .max_in = 3, .n_out = 1,
    .formula = "l = -w[target] log_p[target]; mean: sum of l / sum of w[target]",
    .gradient = "g_log_p = -w[target] [c = target] gy / the mean's divisor; gw by the quotient rule",
    .shapes = "log_p [N,C,S...], target i32 or i64 [N,S...], w [C] -> [] or [N,S...]",
    .attr_size = sizeof(class_attr), .infer = infer, .ref = ref, .expand = expand_nll };

clg_tensor *clg_cross_entropy_with(clg_tensor *logits, clg_tensor *target, clg_tensor *weight,
                                   const clg_cross_entropy_params *p) {
    class_attr attr = { 0, -1, CLG_REDUCE_MEAN };
    if (p) attr = (class_attr){ p->label_smoothing, p->has_ignore ? p->ignore_index : -1, p->reduction };
    return clg_node_build(&clg_op_cross_entropy_with, &attr, (clg_tensor *const[]){ logits, target, weight }, 3);
}

clg_tensor *clg_nll(clg_tensor *log_p, clg_tensor *target, clg_tensor *weight, const clg_nll_params *p) {
    class_attr attr = { 0, -1, CLG_REDUCE_MEAN };
    if (p) attr = (class_attr){ 0, p->has_ignore ? p->ignore_index : -1, p->reduction };
    return clg_node_build(&clg_op_nll, &attr, (clg_tensor *const[]){ log_p, target, weight }, 3);
}

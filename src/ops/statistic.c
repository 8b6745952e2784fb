/* Reductions that are made of others: variance, norms, log-sum-exp, any, all. Each has a plain reference of its own;
 * on a device they are what expand() says. */
#include "ops/reduce.h"
#include <math.h>
#include <string.h>

typedef struct stat_attr {
    uint32_t axes;     /* as in clg_reduce_attr */
    int32_t  unbiased; /* var */
    double   p;        /* norm */
} stat_attr;

extern const clg_op clg_op_var, clg_op_norm, clg_op_logsumexp, clg_op_any, clg_op_all;

static const stat_attr *attr_of(const clg_node *n) { return n->attr; }
static clg_reduce_form form_of(const clg_node *n) { return clg_reduce_form_of(in_shape(n, 0), attr_of(n)->axes); }

static clg_tensor *lit(const clg_tensor *like, double v) {
    return clg_fill(like->graph, like->dtype, CLG_SCALAR, v);
}

/* --- infer --- */

static clg_status infer_as(clg_node *n, clg_dtype t) {
    return set_out(n, 0, t, clg_reduce_shape(in_shape(n, 0), attr_of(n)->axes));
}

static clg_status infer_real(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_var(clg_node *n) {
    const int64_t length = form_of(n).length;
    CLG_TRY(clg_reduce_not_empty(n, attr_of(n)->axes));
    if (attr_of(n)->unbiased && length == 1)
        return clg_fail_op(n, "the unbiased variance of 1 element is 0 / 0; ask for the biased one");
    return infer_real(n);
}

static clg_status infer_norm(clg_node *n) {
    const double p = attr_of(n)->p;
    if (!(p == 1 || p == 2 || p == (double)INFINITY))
        return clg_fail_op(n, "there is no %g-norm here: p must be 1, 2 or INFINITY", p);
    if (isinf(p)) CLG_TRY(clg_reduce_not_empty(n, attr_of(n)->axes));
    return infer_real(n);
}

static clg_status infer_logsumexp(clg_node *n) {
    CLG_TRY(clg_reduce_not_empty(n, attr_of(n)->axes));
    return infer_real(n);
}

static clg_status infer_flag(clg_node *n) { return infer_as(n, CLG_U8); }

/* --- references --- */

static void ref_var(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        double mean = 0, sum = 0;
        for (int64_t i = 0; i < f.length; i++) mean += in[0][clg_reduce_element(&f, o, i)] / (double)f.length;
        for (int64_t i = 0; i < f.length; i++) {
            const double d = in[0][clg_reduce_element(&f, o, i)] - mean;
            sum += d * d;
        }
        out[0][o] = sum / (double)(f.length - (attr_of(n)->unbiased ? 1 : 0));
    }
}

static void ref_norm(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    const double p = attr_of(n)->p;
    for (int64_t o = 0; o < f.segments; o++) {
        double y = 0;
        for (int64_t i = 0; i < f.length; i++) {
            const double v = fabs(in[0][clg_reduce_element(&f, o, i)]);
            if (!isinf(p)) y += p == 1 ? v : v * v;
            else if (v > y || isnan(v)) y = v;
        }
        out[0][o] = p == 2 ? sqrt(y) : y;
    }
}

static void ref_logsumexp(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        double m = -INFINITY, s = 0;
        for (int64_t i = 0; i < f.length; i++) m = fmax(m, in[0][clg_reduce_element(&f, o, i)]);
        if (isinf(m)) m = 0;
        for (int64_t i = 0; i < f.length; i++) s += exp(in[0][clg_reduce_element(&f, o, i)] - m);
        out[0][o] = log(s) + m;
    }
}

static void ref_any(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        out[0][o] = 0;
        for (int64_t i = 0; i < f.length; i++)
            if (in[0][clg_reduce_element(&f, o, i)] != 0) out[0][o] = 1;
    }
}

static void ref_all(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        out[0][o] = 1;
        for (int64_t i = 0; i < f.length; i++)
            if (in[0][clg_reduce_element(&f, o, i)] == 0) out[0][o] = 0;
    }
}

/* --- expansions --- */

/** In two passes: the mean is taken off first, so nothing cancels. */
static bool expand_var(const clg_node *n, clg_tensor **out) {
    const stat_attr *const a = attr_of(n);
    const double count = (double)(form_of(n).length - (a->unbiased ? 1 : 0));
    clg_tensor *const x = n->in[0], *const d = clg_sub(x, clg_mean(x, a->axes));
    out[0] = clg_scale(clg_sum(clg_square(d), a->axes), 1 / count);
    return out[0] != NULL;
}

/** The root is kept away from 0, so that the gradient there is 0 and not 0 times infinity. */
static clg_tensor *root(clg_tensor *s) {
    if (!s) return NULL;
    clg_tensor *const zero = clg_eq(s, lit(s, 0));
    return clg_where(zero, lit(s, 0), clg_sqrt(clg_where(zero, lit(s, 1), s)));
}

static bool expand_norm(const clg_node *n, clg_tensor **out) {
    const stat_attr *const a = attr_of(n);
    clg_tensor *const x = n->in[0];
    out[0] = a->p == 1 ? clg_sum(clg_abs(x), a->axes)
           : a->p == 2 ? root(clg_sum(clg_square(x), a->axes)) : clg_max(clg_abs(x), a->axes);
    return out[0] != NULL;
}

/** The maximum is a constant for the gradient: y does not depend on what is taken off. An infinite one is not. */
static bool expand_logsumexp(const clg_node *n, clg_tensor **out) {
    const uint32_t axes = attr_of(n)->axes;
    clg_tensor *const x = n->in[0], *const top = clg_stop_grad(clg_max(x, axes));
    clg_tensor *const m = clg_where(clg_lt(clg_abs(top), lit(x, INFINITY)), top, lit(x, 0));
    out[0] = clg_add(clg_log(clg_sum(clg_exp(clg_sub(x, m)), axes)), m);
    return out[0] != NULL;
}

static bool expand_flags(const clg_node *n, clg_tensor **out, bool all) {
    const uint32_t axes = attr_of(n)->axes;
    clg_tensor *const x = n->in[0];
    if (form_of(n).length == 0) {
        out[0] = clg_fill(n->graph, CLG_U8, clg_reduce_shape(x->shape, axes), all);
    } else {
        clg_tensor *const flags = clg_ne(x, lit(x, 0));
        out[0] = all ? clg_min(flags, axes) : clg_max(flags, axes);
    }
    return out[0] != NULL;
}

static bool expand_any(const clg_node *n, clg_tensor **out) { return expand_flags(n, out, false); }
static bool expand_all(const clg_node *n, clg_tensor **out) { return expand_flags(n, out, true); }

/* --- rows --- */

#define ROW(op, ...)                                                                                     \
    const clg_op clg_op_##op = { .name = #op, .min_in = 1, .max_in = 1, .n_out = 1, .ref = ref_##op,     \
                                 .attr_size = sizeof(stat_attr), .expand = expand_##op, __VA_ARGS__ }
#define KEPT "x [...], axes -> [...] with 1 for each of axes; a scalar if those are all"

ROW(var, .infer = infer_var, .shapes = KEPT,
    .formula = "y = sum of (x - mean of x)^2 over axes / n; unbiased: / (n - 1)",
    .gradient = "gx = 2 gy (x - mean of x) / n; unbiased: / (n - 1)");
ROW(norm, .infer = infer_norm, .shapes = KEPT,
    .formula = "y = sqrt(sum of x^2) over axes; p = 1: sum of |x|; p = infinity: largest |x|",
    .gradient = "gx = gy x / y, 0 where y = 0; p = 1: gy sign(x); p = infinity: gy sign(x) at the first largest |x|");
ROW(logsumexp, .infer = infer_logsumexp, .shapes = KEPT,
    .formula = "y = m + log(sum of exp(x - m)) over axes, m = max of x", .gradient = "gx = gy exp(x - y)");
ROW(any, .flags = CLG_OP_NO_GRAD, .infer = infer_flag, .shapes = "x [...], axes -> u8 [...] with 1 for each of axes",
    .formula = "y = 1 if some x over axes is not 0 (NaN is not), else 0");
ROW(all, .flags = CLG_OP_NO_GRAD, .infer = infer_flag, .shapes = "x [...], axes -> u8 [...] with 1 for each of axes",
    .formula = "y = 1 if no x over axes is 0, else 0");

/* --- builders --- */

static clg_tensor *build(const clg_op *op, clg_tensor *x, unsigned axes, bool unbiased, double p) {
    stat_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.unbiased = unbiased;
    attr.p = p;
    if (!x || !clg_reduce_axes(op, x, axes, &attr.axes)) return NULL;
    return clg_node_build(op, &attr, &x, 1);
}

clg_tensor *clg_var(clg_tensor *x, unsigned axes, bool unbiased) { return build(&clg_op_var, x, axes, unbiased, 0); }
clg_tensor *clg_norm(clg_tensor *x, unsigned axes, double p) { return build(&clg_op_norm, x, axes, false, p); }
clg_tensor *clg_logsumexp(clg_tensor *x, unsigned axes) { return build(&clg_op_logsumexp, x, axes, false, 0); }
clg_tensor *clg_any(clg_tensor *x, unsigned axes) { return build(&clg_op_any, x, axes, false, 0); }
clg_tensor *clg_all(clg_tensor *x, unsigned axes) { return build(&clg_op_all, x, axes, false, 0); }

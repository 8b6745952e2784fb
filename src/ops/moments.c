/* Two sums in one launch (moments_emit.c): moments, the mean and variance of normalisation, and comoments, the two sums
 * that its gradient needs. The gradient of normalize, an elementwise row, is here, since comoments is made for it:
 *
 *   y = (x - mean) scale + shift:  with s, t = comoments(gy, x, mean)
 *   gmean = -scale s, gscale = t, gshift = s: one sweep over gy and x instead of three
 *
 * The variance is taken about a mean, never as E x^2 - (E x)^2, which loses all digits where the mean is large (Chan,
 * Golub & LeVeque 1983). */
#include "ops/moments.h"
#include "ops/move.h"
#include "ops/wide.h"

static uint32_t axes_of(const clg_node *n) { return ((const clg_reduce_attr *)n->attr)->axes; }

/* The form of x, the operand before mean. */
static clg_reduce_form form_of(const clg_node *n) {
    return clg_reduce_form_of(in_shape(n, n->op == &clg_op_moments ? 0 : 1), axes_of(n));
}

/* --- rules --- */

static clg_status infer(clg_node *n) {
    const clg_shape s = clg_reduce_shape(in_shape(n, 0), axes_of(n));
    for (int i = 0; i < n->n_in; i++)
        if (!clg_dtype_is_float(in_dtype(n, i)) || in_dtype(n, i) != in_dtype(n, 0))
            return clg_fail_op(n, "wants floating-point numbers of one type; clg_cast() converts");
    CLG_TRY(set_out(n, 0, in_dtype(n, 0), s));
    return set_out(n, 1, in_dtype(n, 0), s);
}

static clg_status infer_moments(clg_node *n) {
    CLG_TRY(clg_reduce_not_empty(n, axes_of(n)));
    return infer(n);
}

static clg_status infer_comoments(clg_node *n) {
    char text[128];
    const clg_shape s = clg_reduce_shape(in_shape(n, 0), axes_of(n));
    if (!clg_shape_equal(in_shape(n, 0), in_shape(n, 1))) return clg_fail_op(n, "u and x differ in shape");
    if (!clg_shape_equal(in_shape(n, 2), s))
        return clg_fail_op(n, "mean must be %s", clg_shape_text(in_dtype(n, 0), s, text, sizeof text));
    return infer(n);
}

/* --- references --- */

static void ref_moments(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < f.length; i++) mean += in[0][clg_reduce_element(&f, o, i)];
        mean /= (double)f.length;
        for (int64_t i = 0; i < f.length; i++) {
            const double d = in[0][clg_reduce_element(&f, o, i)] - mean;
            squares += d * d;
        }
        out[0][o] = mean;
        out[1][o] = squares / (double)f.length;
    }
}

static void ref_comoments(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        out[0][o] = out[1][o] = 0;
        for (int64_t i = 0; i < f.length; i++) {
            const int64_t at = clg_reduce_element(&f, o, i);
            out[0][o] += in[0][at];
            out[1][o] += in[0][at] * (in[1][at] - in[2][o]);
        }
    }
}

/* --- gradients --- */

/* a + b, where either may be missing. */
static clg_tensor *plus(clg_tensor *a, clg_tensor *b) { return a && b ? clg_add(a, b) : a ? a : b; }

static void vjp_moments(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const double share = 1 / (double)form_of(n).length;
    clg_tensor *const x = n->in[0], *const mean = n->out[0];
    clg_tensor *const g_mean = gy[0] ? clg_broadcast(clg_scale(gy[0], share), x->shape) : NULL;
    gx[0] = plus(gy[1] ? clg_mul(clg_sub(x, mean), clg_scale(gy[1], 2 * share)) : NULL, g_mean);
}

static void vjp_comoments(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const u = n->in[0], *const x = n->in[1], *const mean = n->in[2];
    clg_tensor *const plain = gy[0] ? clg_broadcast(gy[0], u->shape) : NULL;
    gx[0] = plus(gy[1] ? clg_mul(clg_sub(x, mean), gy[1]) : NULL, plain);
    if (!gy[1]) return;
    gx[1] = clg_mul(u, gy[1]);
    gx[2] = clg_neg(clg_mul(gy[1], n->out[0]));
}

void clg_normalize_grads(clg_node *n, clg_tensor *gy, clg_tensor *gx[4]) {
    clg_tensor *const x = n->in[0], *const mean = n->in[1], *const scale = n->in[2], *const shift = n->in[3];
    const clg_shape y = n->out[0]->shape;
    uint32_t axes = 0;
    for (int i = 0; i < y.ndim && mean->shape.ndim == y.ndim; i++)
        if (mean->shape.dim[i] != y.dim[i]) axes |= 1u << i;
    const bool alike = axes && clg_shape_equal(x->shape, y) && clg_shape_equal(mean->shape, scale->shape) &&
                       clg_shape_equal(mean->shape, shift->shape);
    gx[0] = clg_mul(gy, scale);
    if (!clg_wants_grad(n, 1) && !clg_wants_grad(n, 2) && !clg_wants_grad(n, 3)) return;
    if (alike) {
        clg_tensor *s, *t;
        clg_comoments(gy, x, mean, axes, &s, &t);
        gx[1] = clg_neg(clg_mul(s, scale));
        gx[2] = t;
        gx[3] = s;
    } else {
        gx[1] = clg_neg(gx[0]);
        gx[2] = clg_mul(gy, clg_sub(x, mean));
        gx[3] = gy;
    }
}

/* --- kernels --- */

static clg_status emit_cpu(clg_emit *e, const clg_node *n) {
    const clg_reduce_form f = form_of(n);
    return clg_moments_emit_cpu(e, n, &f);
}

static clg_status emit_gpu(clg_emit *e, const clg_node *n) {
    const clg_reduce_form f = form_of(n);
    return clg_moments_emit_gpu(e, n, &f);
}

static const clg_impl moments_impls[] = {
    { "moments.cpu", CLG_CLASS_CPU, clg_reduce_fits, emit_cpu, NULL, false },
    { "moments.gpu", CLG_CLASS_GPU, clg_reduce_fits_group, emit_gpu, NULL, false },
    { 0 },
};
static const clg_impl comoments_impls[] = {
    { "comoments.cpu", CLG_CLASS_CPU, clg_reduce_fits, emit_cpu, NULL, false },
    { "comoments.gpu", CLG_CLASS_GPU, clg_reduce_fits_group, emit_gpu, NULL, false },
    { 0 },
};

static clg_cost cost(const clg_node *n) { return cost_of(n, 4.0 * (double)in_elems(n, 0)); }

static enum clg_join join(const clg_node *n, const enum clg_join *in, int out) {
    return ((const clg_reduce_attr *)n->attr)->axes & 1 ? CLG_JOIN_NONE : clg_join_rows(n, in, out);
}

const clg_op clg_op_moments = {
    .name = "moments",
    .formula = "mean = sum of x over axes / n, var = sum of (x - mean)^2 / n",
    .gradient = "gx = (gmean + 2 gvar (x - mean)) / n",
    .shapes = "x [...], axes -> mean, var [...] with 1 for each of axes; scalars if those are all",
    .min_in = 1, .max_in = 1, .n_out = 2, .attr_size = sizeof(clg_reduce_attr),
    .infer = infer_moments, .ref = ref_moments, .vjp = vjp_moments, .cost = cost, .join = join,
    .impls = moments_impls,
};

const clg_op clg_op_comoments = {
    .name = "comoments",
    .formula = "s = sum of u over axes, t = sum of u (x - mean)",
    .gradient = "gu = gs + gt (x - mean), gx = gt u, gmean = -gt s",
    .shapes = "u [...], x as u, mean [...] with 1 for each of axes (a scalar if those are all) -> s, t as mean",
    .min_in = 3, .max_in = 3, .n_out = 2, .attr_size = sizeof(clg_reduce_attr),
    .infer = infer_comoments, .ref = ref_comoments, .vjp = vjp_comoments, .cost = cost, .join = join,
    .impls = comoments_impls,
};

/* --- builders --- */

static void build(const clg_op *op, clg_tensor *const *in, int n, unsigned axes, clg_tensor **first,
                  clg_tensor **second) {
    clg_tensor *out[2] = { NULL, NULL };
    clg_reduce_attr a = { 0 };
    bool there = true;
    for (int i = 0; i < n; i++) there = there && in[i];
    if (there && clg_reduce_axes(op, in[0], axes, &a.axes)) clg_node_outputs(op, &a, in, n, out);
    *first = out[0];
    *second = out[1];
}

void clg_moments(clg_tensor *x, unsigned axes, clg_tensor **mean, clg_tensor **var) {
    build(&clg_op_moments, (clg_tensor *const[]){ clg_widen(x) }, 1, axes, mean, var);
}

void clg_comoments(clg_tensor *u, clg_tensor *x, clg_tensor *mean, unsigned axes, clg_tensor **s, clg_tensor **t) {
    build(&clg_op_comoments, (clg_tensor *const[]){ clg_widen(u), clg_widen(x), clg_widen(mean) }, 3, axes, s, t);
}

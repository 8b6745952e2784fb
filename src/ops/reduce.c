/* Reductions over any set of axes: sum, mean, max, min, argmax, argmin, and first_max and first_min, the masks that max
 * and min need for their gradients; prod.c has its row to itself. Kernels: reduce_emit.c and cl/reduce.cl. */
#include "ops/move.h"
#include "ops/reduce.h"
#include <math.h>
#include <string.h>

static uint32_t axes_of(const clg_node *n) { return ((const clg_reduce_attr *)n->attr)->axes; }

/* --- geometry --- */

clg_reduce_form clg_reduce_form_of(clg_shape s, uint32_t axes) {
    clg_reduce_form f = { .dim = { 1, 1, 1, 1, 1, 1, 1 } };
    int place = K3;
    for (int i = s.ndim - 1; i >= 0; i--) {
        const bool reduced = axes >> i & 1;
        if (s.dim[i] == 1) continue;
        if ((place % 2 == 1) != reduced) place--;
        f.dim[place] *= s.dim[i];
    }
    f.segments = f.dim[K0] * f.dim[K1] * f.dim[K2] * f.dim[K3];
    f.length = f.dim[R0] * f.dim[R1] * f.dim[R2];
    return f;
}

int64_t clg_reduce_element(const clg_reduce_form *f, int64_t o, int64_t i) {
    int64_t index[CLG_REDUCE_FORM], at = 0;
    for (int d = CLG_REDUCE_FORM - 1; d >= 0; d--) {
        int64_t *const rest = d % 2 ? &i : &o;
        index[d] = *rest % f->dim[d];
        *rest /= f->dim[d];
    }
    for (int d = 0; d < CLG_REDUCE_FORM; d++) at = at * f->dim[d] + index[d];
    return at;
}

clg_shape clg_reduce_shape(clg_shape x, uint32_t axes) {
    clg_shape y = x;
    if (axes == (1u << x.ndim) - 1) return CLG_SCALAR;
    for (int i = 0; i < x.ndim; i++)
        if (axes >> i & 1) y.dim[i] = 1;
    return y;
}

static clg_reduce_form form_of(const clg_node *n) { return clg_reduce_form_of(in_shape(n, 0), axes_of(n)); }

/* --- infer --- */

static clg_status infer_as(clg_node *n, clg_dtype t) {
    return set_out(n, 0, t, clg_reduce_shape(in_shape(n, 0), axes_of(n)));
}

static clg_status check_number(const clg_node *n) {
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() to i32 or f32 first");
    return CLG_OK;
}

clg_status clg_reduce_not_empty(const clg_node *n, uint32_t axes) {
    if (clg_reduce_form_of(in_shape(n, 0), axes).length > 0) return CLG_OK;
    return clg_fail_op(n, "nothing to reduce: an axis has size 0");
}

static clg_status infer_sum(clg_node *n) {
    CLG_TRY(check_number(n));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_mean(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    CLG_TRY(clg_reduce_not_empty(n, axes_of(n)));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_extreme(clg_node *n) {
    CLG_TRY(clg_reduce_not_empty(n, axes_of(n)));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_place(clg_node *n) {
    CLG_TRY(check_number(n));
    CLG_TRY(clg_reduce_not_empty(n, axes_of(n)));
    return infer_as(n, CLG_I32);
}

static clg_status infer_mask(clg_node *n) {
    CLG_TRY(check_number(n));
    return set_out(n, 0, CLG_U8, in_shape(n, 0));
}

/* --- references --- */

static void ref_sum(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        double s = 0;
        for (int64_t i = 0; i < f.length; i++) s += in[0][clg_reduce_element(&f, o, i)];
        out[0][o] = s;
    }
}

static void ref_mean(const clg_node *n, const double *const *in, double *const *out) {
    const clg_reduce_form f = form_of(n);
    ref_sum(n, in, out);
    for (int64_t o = 0; o < f.segments; o++) out[0][o] /= (double)f.length;
}

/** Which element of segment o is the first maximum, or minimum; a NaN is beyond all. */
static int64_t first(const clg_reduce_form *f, const double *x, int64_t o, bool least) {
    int64_t best = 0;
    double top = f->length > 0 ? x[clg_reduce_element(f, o, 0)] : 0;
    for (int64_t i = 1; i < f->length; i++) {
        const double v = x[clg_reduce_element(f, o, i)];
        if ((least ? v < top : v > top) || (isnan(v) && !isnan(top))) top = v, best = i;
    }
    return best;
}

static void extreme(const clg_node *n, const double *x, double *y, bool least) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) y[o] = x[clg_reduce_element(&f, o, first(&f, x, o, least))];
}

static void place(const clg_node *n, const double *x, double *y, bool least) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) y[o] = (double)first(&f, x, o, least);
}

static void mask(const clg_node *n, const double *x, double *y, bool least) {
    const clg_reduce_form f = form_of(n);
    for (int64_t o = 0; o < f.segments; o++) {
        const int64_t best = first(&f, x, o, least);
        for (int64_t i = 0; i < f.length; i++) y[clg_reduce_element(&f, o, i)] = i == best;
    }
}

#define REF_EXTREME(name, of, least)                                                       \
    static void ref_##name(const clg_node *n, const double *const *in, double *const *out) { \
        of(n, in[0], out[0], least);                                                       \
    }
REF_EXTREME(max, extreme, false)
REF_EXTREME(min, extreme, true)
REF_EXTREME(argmax, place, false)
REF_EXTREME(argmin, place, true)
REF_EXTREME(first_max, mask, false)
REF_EXTREME(first_min, mask, true)

/* --- gradients --- */

static void vjp_sum(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_broadcast(gy[0], in_shape(n, 0));
}

static void vjp_mean(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_broadcast(clg_scale(gy[0], 1.0 / (double)form_of(n).length), in_shape(n, 0));
}

static void vjp_extreme(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_op *const mask_op = n->op == &clg_op_max ? &clg_op_first_max : &clg_op_first_min;
    clg_tensor *const at = clg_node_build(mask_op, n->attr, n->in, 1);
    gx[0] = clg_where(at, gy[0], clg_fill(n->graph, gy[0]->dtype, CLG_SCALAR, 0));
}

static clg_cost cost(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

static enum clg_join join(const clg_node *n, const enum clg_join *in, int out) {
    (void)out;
    if (in[0] != CLG_JOIN_ROWS) return CLG_JOIN_NONE;
    if (!(axes_of(n) & 1)) return CLG_JOIN_ROWS;
    return n->op == &clg_op_sum || n->op == &clg_op_mean ? CLG_JOIN_SUM : CLG_JOIN_NONE;
}

/* Of a mean over the rows, too, a part gives its share. */
static bool part_mean(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    (void)first;
    if (!clg_part_build(n, n->attr, in, out)) return false;
    if (axes_of(n) & 1) out[0] = clg_scale(out[0], (double)in[0]->shape.dim[0] / (double)in_dim(n, 0, 0));
    return out[0] != NULL;
}

/* --- rows --- */

#define ROW(op, ...)                                                                                     \
    const clg_op clg_op_##op = { .name = #op, .min_in = 1, .max_in = 1, .n_out = 1, .ref = ref_##op,     \
                                 .attr_size = sizeof(clg_reduce_attr), .cost = cost, .join = join,          \
                                 __VA_ARGS__ }
#define KEPT "x [...], axes -> [...] with 1 for each of axes; a scalar if those are all"

ROW(sum, .infer = infer_sum, .vjp = vjp_sum, .impls = clg_reduce_impls, .shapes = KEPT,
    .formula = "y = sum of x over axes; 0 if there is nothing to sum", .gradient = "gx = gy, stretched");
ROW(mean, .infer = infer_mean, .vjp = vjp_mean, .part = part_mean, .impls = clg_reduce_impls, .shapes = KEPT,
    .formula = "y = sum of x over axes / number of elements summed", .gradient = "gx = gy / number, stretched");
ROW(max, .infer = infer_extreme, .vjp = vjp_extreme, .impls = clg_reduce_impls, .shapes = KEPT,
    .formula = "y = largest of x over axes; NaN if one is NaN",
    .gradient = "gx = gy at the first maximum in row-major order, else 0");
ROW(min, .infer = infer_extreme, .vjp = vjp_extreme, .impls = clg_reduce_impls, .shapes = KEPT,
    .formula = "y = smallest of x over axes; NaN if one is NaN",
    .gradient = "gx = gy at the first minimum in row-major order, else 0");
ROW(argmax, .flags = CLG_OP_NO_GRAD, .infer = infer_place, .impls = clg_first_impls,
    .shapes = "x [...], axis -> i32 [...] with 1 at axis",
    .formula = "y = index along an axis of the first maximum of x; of the first NaN if there is one");
ROW(argmin, .flags = CLG_OP_NO_GRAD, .infer = infer_place, .impls = clg_first_impls,
    .shapes = "x [...], axis -> i32 [...] with 1 at axis",
    .formula = "y = index along an axis of the first minimum of x; of the first NaN if there is one");
ROW(first_max, .flags = CLG_OP_NO_GRAD, .infer = infer_mask, .impls = clg_first_impls,
    .shapes = "x [...], axes -> u8 [...]", .formula = "y = 1 at the first maximum of x over axes, else 0");
ROW(first_min, .flags = CLG_OP_NO_GRAD, .infer = infer_mask, .impls = clg_first_impls,
    .shapes = "x [...], axes -> u8 [...]", .formula = "y = 1 at the first minimum of x over axes, else 0");

/* --- builders --- */

bool clg_reduce_axes(const clg_op *op, const clg_tensor *x, unsigned axes, uint32_t *mask_of) {
    *mask_of = axes == CLG_ALL ? (1u << x->shape.ndim) - 1 : axes;
    for (int i = x->shape.ndim; i < 32; i++)
        if (*mask_of >> i & 1) return clg_fail_axis(op->name, x, i) != NULL;
    return true;
}

/** A reduction over axes of size 1 only moves no data. */
static clg_tensor *reduce(const clg_op *op, clg_tensor *x, unsigned axes) {
    clg_reduce_attr attr;
    if (!x || !clg_reduce_axes(op, x, axes, &attr.axes)) return NULL;
    const bool fits = op == &clg_op_mean ? clg_dtype_is_float(x->dtype)
                                         : x->dtype != CLG_U8 || op == &clg_op_max || op == &clg_op_min;
    if (fits && clg_reduce_form_of(x->shape, attr.axes).length == 1)
        return clg_reshape(x, clg_reduce_shape(x->shape, attr.axes));
    return clg_node_build(op, &attr, &x, 1);
}

clg_tensor *clg_sum(clg_tensor *x, unsigned axes) { return reduce(&clg_op_sum, x, axes); }
clg_tensor *clg_mean(clg_tensor *x, unsigned axes) { return reduce(&clg_op_mean, x, axes); }
clg_tensor *clg_prod(clg_tensor *x, unsigned axes) { return reduce(&clg_op_prod, x, axes); }
clg_tensor *clg_max(clg_tensor *x, unsigned axes) { return reduce(&clg_op_max, x, axes); }
clg_tensor *clg_min(clg_tensor *x, unsigned axes) { return reduce(&clg_op_min, x, axes); }

static clg_tensor *along(const clg_op *op, clg_tensor *x, int axis) {
    if (!x) return NULL;
    const int i = clg_axis(axis, x->shape.ndim);
    if (i < 0) return clg_fail_axis(op->name, x, axis);
    return clg_node_build(op, &(clg_reduce_attr){ CLG_AXIS(i) }, &x, 1);
}

clg_tensor *clg_argmax(clg_tensor *x, int axis) { return along(&clg_op_argmax, x, axis); }
clg_tensor *clg_argmin(clg_tensor *x, int axis) { return along(&clg_op_argmin, x, axis); }

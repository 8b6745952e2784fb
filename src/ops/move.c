/* Ops that only change the order of elements: reshape (a view: no kernel) with flatten, squeeze and unsqueeze; permute
 * with transpose. */
#include "ops/move.h"
#include <string.h>

/* --- reshape --- */

/** attr: the wanted shape; one size may be -1. */
static clg_status infer_reshape(clg_node *n) {
    const int64_t elems = in_elems(n, 0);
    clg_shape s = *(const clg_shape *)n->attr;
    char text[128];
    int open = -1;
    int64_t known = 1;
    if (s.ndim < 0 || s.ndim > CLG_MAX_DIMS) return clg_fail_op(n, "%d axes; 0 to 6 are possible", s.ndim);
    clg_shape_text(in_dtype(n, 0), s, text, sizeof text);
    for (int i = 0; i < s.ndim; i++) {
        if (s.dim[i] < -1 || (s.dim[i] == -1 && open >= 0))
            return clg_fail_op(n, "in %s, sizes must be 0 or more, and only one may be -1", text);
        if (s.dim[i] == -1) open = i;
        else if (s.dim[i] > 0 && known > INT64_MAX / s.dim[i]) return clg_fail_op(n, "%s has too many elements", text);
        else known *= s.dim[i];
    }
    if (open >= 0) {
        if (known == 0 || elems % known) return clg_fail_op(n, "no size for the -1 of %s fits", text);
        s.dim[open] = elems / known;
    }
    if (clg_shape_elems(s) != elems) return clg_fail_op(n, "%s has another number of elements", text);
    return set_out(n, 0, in_dtype(n, 0), s);
}

static void ref_copy(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)out_elems(n, 0) * sizeof(double));
}

static void vjp_reshape(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_reshape(gy[0], in_shape(n, 0));
}

static clg_cost cost_view(const clg_node *n) {
    (void)n;
    return (clg_cost){ 0, 0 };
}

/* What rows are stays. */
static enum clg_join join_reshape(const clg_node *n, const enum clg_join *in, int out) {
    const clg_shape x = in_shape(n, 0), y = out_shape(n, 0);
    (void)out;
    return x.ndim > 0 && y.ndim > 0 && x.dim[0] == y.dim[0] && in[0] == CLG_JOIN_ROWS ? CLG_JOIN_ROWS : CLG_JOIN_NONE;
}

const clg_op clg_op_reshape = {
    .name = "reshape", .formula = "y = x under another shape, row-major", .gradient = "gx = gy under x's shape",
    .shapes = "x [S...] -> [S'...], as many elements", .min_in = 1, .max_in = 1, .n_out = 1, .flags = CLG_OP_VIEW,
    .attr_size = sizeof(clg_shape), .infer = infer_reshape, .ref = ref_copy, .vjp = vjp_reshape, .cost = cost_view,
    .join = join_reshape, .part = clg_part_shape };

clg_tensor *clg_reshape(clg_tensor *x, clg_shape shape) {
    clg_shape attr;
    if (!x || clg_shape_equal(x->shape, shape)) return x;
    memset(&attr, 0, sizeof attr); /* the padding too: attributes are compared bytewise */
    attr.ndim = shape.ndim;
    for (int i = 0; i < shape.ndim && i < CLG_MAX_DIMS; i++) attr.dim[i] = shape.dim[i];
    return clg_node_build(&clg_op_reshape, &attr, &x, 1);
}

clg_tensor *clg_flatten(clg_tensor *x, int from_axis) {
    char text[128];
    if (!x) return NULL;
    const int from = clg_axis(from_axis, x->shape.ndim);
    if (from < 0)
        return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "flatten(%s, %d): there is no such axis: %s is %s",
                              clg_tensor_name(x), from_axis, clg_tensor_name(x),
                              clg_shape_text(x->dtype, x->shape, text, sizeof text));
    clg_shape s = x->shape;
    for (int i = from + 1; i < x->shape.ndim; i++) s.dim[from] *= s.dim[i];
    s.ndim = from + 1;
    return clg_reshape(x, s);
}

/** x with axis `axis` of size 1 put in (more = 1) or taken out (more = -1). */
static clg_tensor *with_axis(const char *op, clg_tensor *x, int axis, int more) {
    if (!x) return NULL;
    const int at = clg_axis(axis, x->shape.ndim + (more > 0));
    char text[128];
    if (at < 0) return clg_fail_axis(op, x, axis);
    if ((more > 0 && x->shape.ndim == CLG_MAX_DIMS) || (more < 0 && x->shape.dim[at] != 1))
        return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "%s(%s, %d): %s: %s is %s", op, clg_tensor_name(x), axis,
                              more > 0 ? "the result would have 7 axes; 6 are possible" : "the axis is not of size 1",
                              clg_tensor_name(x), clg_shape_text(x->dtype, x->shape, text, sizeof text));
    clg_shape y = { x->shape.ndim + more, { 0 } };
    for (int i = 0; i < y.ndim; i++)
        y.dim[i] = i < at ? x->shape.dim[i] : more > 0 && i == at ? 1 : x->shape.dim[i - more];
    return clg_reshape(x, y);
}

clg_tensor *clg_squeeze(clg_tensor *x, int axis) { return with_axis("squeeze", x, axis, -1); }
clg_tensor *clg_unsqueeze(clg_tensor *x, int axis) { return with_axis("unsqueeze", x, axis, 1); }

/* --- permute --- */

typedef struct permute_attr {
    int32_t order[CLG_MAX_DIMS]; /* order[i]: which axis of x becomes axis i; 0 behind the last */
} permute_attr;

static const int32_t *order_of(const clg_node *n) { return ((const permute_attr *)n->attr)->order; }

static clg_status infer_permute(clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    clg_shape y = x;
    unsigned seen = 0;
    for (int i = 0; i < x.ndim; i++) {
        const int32_t from = order_of(n)[i];
        if (from < 0 || from >= x.ndim || (seen >> from & 1))
            return clg_fail_op(n, "order[%d] is %d; the order must hold each axis from 0 to %d once", i, from,
                               x.ndim - 1);
        seen |= 1u << from;
        y.dim[i] = x.dim[from];
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

/** y as a region of x; merge: axes that stay neighbours become one. */
static clg_region region_of(clg_shape x, const int32_t *order, bool merge) {
    int64_t step[CLG_MAX_DIMS], next = 1;
    clg_region r = { .pitch = 1 };
    for (int i = x.ndim - 1; i >= 0; i--) {
        step[i] = next;
        next *= x.dim[i];
    }
    for (int i = 0; i < x.ndim; i++) clg_region_add(&r, x.dim[order[i]], step[order[i]], merge);
    if (r.n > 0) r.pitch = r.dim[r.n - 1];
    return r;
}

static void ref_permute(const clg_node *n, const double *const *in, double *const *out) {
    const clg_region a = region_of(in_shape(n, 0), order_of(n), false);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        int64_t rest = i, at = 0;
        for (int d = a.n - 1; d >= 0; d--) {
            at += rest % a.dim[d] * a.step[d];
            rest /= a.dim[d];
        }
        out[0][i] = in[0][at];
    }
}

static void vjp_permute(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    int back[CLG_MAX_DIMS];
    for (int i = 0; i < out_shape(n, 0).ndim; i++) back[order_of(n)[i]] = i;
    gx[0] = clg_permute(gy[0], back);
}

static clg_cost cost_move(const clg_node *n) { return cost_of(n, 0); }

/* --- implementations --- */

enum { TILE = 16 };

/* The builder makes views of permutations that keep the order in memory, so at least two axes remain here. */

/** y[b, i, j] = x[b, j, i]: the form of transposes, and of moves between NCHW and NHWC. */
static bool is_swap(const clg_region *a, int64_t *batch, int64_t *h, int64_t *w) {
    *h = a->dim[a->n - 2];
    *w = a->dim[a->n - 1];
    *batch = a->n == 3 ? a->dim[0] : 1;
    return a->step[a->n - 2] == 1 && (a->n == 2 || (a->n == 3 && a->step[0] == *h * *w));
}

static clg_status emit_cpu(clg_emit *e, const clg_node *node) {
    const clg_region a = region_of(in_shape(node, 0), order_of(node), true);
    const clg_tensor *const x = node->in[0], *const y = node->out[0];
    int64_t batch, h, w;
    if (out_elems(node, 0) == 0) return CLG_OK;
    if (is_swap(&a, &batch, &h, &w)) {
        const int64_t rows = batch * clg_div_up(h, 4 * TILE) >= 8 ? 4 * TILE : TILE; /* of y in a strip */
        const int64_t n = batch * clg_div_up(h, rows), per = clg_units_per_item(n, rows * w);
        return clg_emit_launch(e, &(clg_launch){
            .kernel = "move.strips", .options = clg_emit_options(e, "-DT=%s", clg_move_type(x->dtype)),
            .global = { (size_t)clg_div_up(n, per), 1, 1 }, .local = { 1, 1, 1 },
            .args = ARGS(IN(x), OUT(y), INT(n), INT(h), INT(w), INT(rows), INT(per)) });
    }
    return clg_emit_region(e, x, y, &a, false);
}

static clg_status emit_gpu(clg_emit *e, const clg_node *n) {
    const clg_region a = region_of(in_shape(n, 0), order_of(n), true);
    const clg_tensor *const x = n->in[0], *const y = n->out[0];
    int64_t batch, h, w;
    if (out_elems(n, 0) == 0) return CLG_OK;
    if (!is_swap(&a, &batch, &h, &w) || batch > UINT16_MAX) return clg_emit_region(e, x, y, &a, true);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "move.tiles", .options = clg_emit_options(e, "-DT=%s", clg_move_type(x->dtype)),
        .global = { (size_t)clg_div_up(w, TILE) * TILE, (size_t)clg_div_up(h, TILE) * TILE, (size_t)batch },
        .local = { TILE, TILE, 1 }, .args = ARGS(IN(x), OUT(y), INT(h), INT(w)) });
}

static const clg_impl impls[] = {
    { "permute.cpu", CLG_CLASS_CPU, clg_move_fits, emit_cpu, NULL, false },
    { "permute.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_gpu, NULL, false },
    { 0 },
};

static enum clg_join join_permute(const clg_node *n, const enum clg_join *in, int out) {
    return in_shape(n, 0).ndim > 0 && order_of(n)[0] == 0 ? clg_join_rows(n, in, out) : CLG_JOIN_NONE;
}

const clg_op clg_op_permute = {
    .name = "permute", .formula = "axis i of y is axis order[i] of x", .gradient = "gx = gy in the inverse order",
    .shapes = "x [S0,S1,...] -> [S_order[0],S_order[1],...]", .min_in = 1, .max_in = 1, .n_out = 1,
    .attr_size = sizeof(permute_attr), .infer = infer_permute, .ref = ref_permute, .vjp = vjp_permute,
    .join = join_permute,
    .cost = cost_move, .impls = impls };

/* --- builders --- */

/** True if order moves only axes of size 1, so that memory stays as it is. */
static bool is_view(clg_shape s, const int *order) {
    for (int i = 0, last = -1; i < s.ndim; i++) {
        if (s.dim[order[i]] == 1) continue;
        if (order[i] < last) return false;
        last = order[i];
    }
    return true;
}

/** A wrong order is left for infer() to report. */
static bool is_order(clg_shape s, const int *order) {
    unsigned seen = 0;
    for (int i = 0; i < s.ndim; i++)
        if (order[i] >= 0 && order[i] < s.ndim) seen |= 1u << order[i];
    return seen == (1u << s.ndim) - 1;
}

clg_tensor *clg_permute(clg_tensor *x, const int *order) {
    permute_attr attr = { { 0 } };
    if (!x) return NULL;
    if (!order)
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "permute(%s): order is NULL", clg_tensor_name(x));
    for (int i = 0; i < x->shape.ndim; i++) attr.order[i] = order[i];
    if (!is_order(x->shape, order)) return clg_node_build(&clg_op_permute, &attr, &x, 1);
    if (is_view(x->shape, order)) {
        clg_shape y = x->shape;
        for (int i = 0; i < y.ndim; i++) y.dim[i] = x->shape.dim[order[i]];
        return clg_reshape(x, y);
    }
    return clg_node_build(&clg_op_permute, &attr, &x, 1);
}

clg_tensor *clg_transpose(clg_tensor *x) {
    int order[CLG_MAX_DIMS];
    char text[128];
    if (!x) return NULL;
    const int last = x->shape.ndim - 1;
    if (last < 1)
        return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "transpose(%s): wants two axes or more: %s is %s",
                              clg_tensor_name(x), clg_tensor_name(x),
                              clg_shape_text(x->dtype, x->shape, text, sizeof text));
    for (int i = 0; i <= last; i++) order[i] = i;
    order[last] = last - 1;
    order[last - 1] = last;
    return clg_permute(x, order);
}

bool clg_is_transpose(const clg_tensor *x) {
    if (!x || x->node->op != &clg_op_permute || x->shape.ndim < 2) return false;
    const int last = x->shape.ndim - 1;
    const int32_t *order = order_of(x->node);
    for (int i = 0; i < last - 1; i++)
        if (order[i] != i) return false;
    return order[last] == last - 1;
}

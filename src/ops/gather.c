/* gather and scatter_add by one list of indices along an axis (np.take; torch's index_select and index_add): each is
 * the other's gradient.
 *
 * scatter_add needs no atomics: a work-item owns places of the result, reads the whole list in order and adds what is
 * theirs. That costs (number of owners) x (number of indices) reads of indices beside the additions. */
#include "ops/gather.h"

extern const clg_op clg_op_gather, clg_op_scatter_add;

/* --- gather --- */

static clg_status infer_gather(clg_node *n) {
    const clg_shape x = in_shape(n, 0), index = in_shape(n, 1);
    clg_shape y = { x.ndim - 1 + index.ndim, { 0 } };
    CLG_TRY(clg_check_index(n));
    if (y.ndim > CLG_MAX_DIMS) return clg_fail_op(n, "the result would have %d axes; 6 are possible", y.ndim);
    for (int i = 0; i < y.ndim; i++) {
        const int k = i - clg_gather_attr_of(n)->axis;
        y.dim[i] = k < 0 ? x.dim[i] : k < index.ndim ? index.dim[k] : x.dim[i - index.ndim + 1];
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_gather(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span s = clg_span_of(in_shape(n, 0), clg_gather_attr_of(n)->axis);
    const int64_t count = in_elems(n, 1);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < s.inner; i++) {
                const int64_t j = clg_valid_index(in[1][k], s.size);
                out[0][(o * count + k) * s.inner + i] = j < 0 ? clg_missing(n) : in[0][(o * s.size + j) * s.inner + i];
            }
}

static clg_tensor *scatter(clg_tensor *x, clg_tensor *index, const clg_gather_attr *a) {
    return clg_node_build(&clg_op_scatter_add, a, (clg_tensor *const[]){ x, index }, 2);
}

static void vjp_gather(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_gather_attr a = { clg_gather_attr_of(n)->axis, 0, in_dim(n, 0, clg_gather_attr_of(n)->axis) };
    gx[0] = scatter(gy[0], n->in[1], &a);
}

static clg_cost cost_gather(const clg_node *n) {
    return (clg_cost){ 0, 2.0 * (double)clg_tensor_bytes(n->out[0]) + (double)clg_tensor_bytes(n->in[1]) };
}

const char *clg_gather_options(clg_emit *e, const clg_tensor *x, const clg_tensor *index, bool zero) {
    return clg_emit_options(e, "-DT=%s -DIDX=%s -DMISSING=%s", clg_move_type(x->dtype), clg_move_type(index->dtype),
                            clg_dtype_is_float(x->dtype) && !zero ? "NAN" : "0");
}

clg_status clg_check_index(const clg_node *n) {
    if (in_dtype(n, 1) == CLG_I32 || in_dtype(n, 1) == CLG_I64) return CLG_OK;
    return clg_fail_op(n, "indices must be i32 or i64");
}

clg_status clg_emit_gather(clg_emit *e, const clg_tensor *x, const clg_tensor *index, const clg_tensor *y, clg_span s,
                           int64_t count, bool zero, bool safe, bool gpu) {
    enum { CHUNK = 16384 };
    const int64_t n = s.outer * count, h = s.size, w = count, inner = s.inner, chunk = inner < CHUNK ? inner : CHUNK;
    const bool single = !gpu && inner == 1; /* units are whole lists */
    const int64_t units = single ? s.outer : n, per = gpu ? 1 : clg_units_per_item(units, single ? count : chunk);
    if (n * inner == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = gpu ? "gather.items" : single ? "gather.lists" : "gather.rows",
        .options = clg_emit_options(e, "%s%s", clg_gather_options(e, x, index, zero), safe ? " -DSAFE=1" : ""),
        .global = { (size_t)(gpu ? n * inner : clg_div_up(units, per)),
                    (size_t)(gpu ? 1 : clg_div_up(inner, chunk)), 1 },
        .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = ARGS(IN(x), IN(index), OUT(y), INT(n), INT(h), INT(w), INT(inner), INT(chunk), INT(per)) });
}

static clg_status emit_gather(clg_emit *e, const clg_node *n, bool gpu) {
    return clg_emit_gather(e, n->in[0], n->in[1], n->out[0], clg_span_of(in_shape(n, 0), clg_gather_attr_of(n)->axis),
                           in_elems(n, 1), clg_gather_attr_of(n)->zero, false, gpu);
}

static clg_status emit_gather_cpu(clg_emit *e, const clg_node *n) { return emit_gather(e, n, false); }
static clg_status emit_gather_gpu(clg_emit *e, const clg_node *n) { return emit_gather(e, n, true); }

static const clg_impl gather_impls[] = {
    { "gather.cpu", CLG_CLASS_CPU, clg_move_fits, emit_gather_cpu, NULL, false },
    { "gather.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_gather_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_gather = {
    .name = "gather", .formula = "y[o,k,i] = x[o,index[k],i]; out of range: NaN, 0 for integers",
    .gradient = "gx = scatter_add(gy, index)", .shapes = "x [A...,S,B...], index [K...] -> [A...,K...,B...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_gather_attr), .infer = infer_gather,
    .ref = ref_gather, .vjp = vjp_gather, .cost = cost_gather, .impls = gather_impls };

clg_tensor *clg_gather(clg_tensor *x, clg_tensor *index, int axis) {
    if (!x || !index) return NULL;
    const clg_gather_attr a = { clg_axis(axis, x->shape.ndim), 0, 0 };
    if (a.axis < 0) return clg_fail_axis("gather", x, axis);
    return clg_node_build(&clg_op_gather, &a, (clg_tensor *const[]){ x, index }, 2);
}

/* --- scatter_add --- */

static clg_status infer_scatter(clg_node *n) {
    const clg_shape x = in_shape(n, 0), index = in_shape(n, 1);
    const int axis = clg_gather_attr_of(n)->axis;
    clg_shape y = { x.ndim - index.ndim + 1, { 0 } };
    bool fits = axis + index.ndim <= x.ndim && y.ndim <= CLG_MAX_DIMS;
    CLG_TRY(clg_check_index(n));
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() first");
    for (int i = 0; i < index.ndim && fits; i++) fits = x.dim[axis + i] == index.dim[i];
    if (!fits) return clg_fail_op(n, "from axis %d on, x must have the axes of index", axis);
    if (clg_gather_attr_of(n)->size < 0)
        return clg_fail_op(n, "the result cannot have size %lld", (long long)clg_gather_attr_of(n)->size);
    for (int i = 0; i < y.ndim; i++)
        y.dim[i] = i < axis ? x.dim[i] : i == axis ? clg_gather_attr_of(n)->size : x.dim[i + index.ndim - 1];
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_scatter(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span y = clg_span_of(out_shape(n, 0), clg_gather_attr_of(n)->axis);
    const int64_t count = in_elems(n, 1);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) out[0][i] = 0;
    for (int64_t o = 0; o < y.outer; o++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < y.inner; i++) {
                const int64_t j = clg_valid_index(in[1][k], y.size);
                if (j >= 0) out[0][(o * y.size + j) * y.inner + i] += in[0][(o * count + k) * y.inner + i];
            }
}

static void vjp_scatter(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const int axis = clg_gather_attr_of(n)->axis;
    const clg_gather_attr a = { axis, 1, 0 };
    gx[0] = clg_node_build(&clg_op_gather, &a, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static clg_cost cost_scatter(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

/* CPU: few owners, since each reads the list; more of them where a row is long enough to hide that. GPU: enough
 * work-items to fill it, with up to 64 places each. */
static clg_status emit_scatter(clg_emit *e, const clg_node *node, bool gpu) {
    const clg_tensor *const x = node->in[0], *const index = node->in[1], *const y = node->out[0];
    const clg_span s = clg_span_of(y->shape, clg_gather_attr_of(node)->axis);
    const int64_t owners = clg_div_up(gpu ? 32768 : s.inner >= 16 ? 32 : 4, s.outer * (gpu ? s.inner : 1));
    int64_t span = clg_div_up(s.size, owners);
    if (gpu && span > 64) span = 64;
    const int64_t n = s.outer * clg_div_up(s.size, span), h = s.size, w = in_elems(node, 1), inner = s.inner;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = gpu ? "gather.add_items" : "gather.add_rows",
        .options = clg_gather_options(e, x, index, true),
        .global = { (size_t)(gpu ? n * inner : n), 1, 1 }, .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = ARGS(IN(x), IN(index), OUT(y), INT(n), INT(h), INT(w), INT(inner), INT(span)) });
}

static clg_status emit_scatter_cpu(clg_emit *e, const clg_node *n) { return emit_scatter(e, n, false); }
static clg_status emit_scatter_gpu(clg_emit *e, const clg_node *n) { return emit_scatter(e, n, true); }

static const clg_impl scatter_impls[] = {
    { "scatter_add.cpu", CLG_CLASS_CPU, clg_move_fits, emit_scatter_cpu, NULL, false },
    { "scatter_add.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_scatter_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_scatter_add = {
    .name = "scatter_add", .formula = "y[o,j,i] = sum of x[o,k,i] over the k with index[k] = j; out of range: left out",
    .gradient = "gx = gather(gy, index), 0 where the index is out of range",
    .shapes = "x [A...,K...,B...], index [K...] -> [A...,S,B...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_gather_attr), .infer = infer_scatter,
    .ref = ref_scatter, .vjp = vjp_scatter, .cost = cost_scatter, .impls = scatter_impls };

clg_tensor *clg_scatter_add(clg_tensor *x, clg_tensor *index, int axis, int64_t size) {
    if (!x || !index) return NULL;
    const clg_gather_attr a = { clg_axis(axis, x->shape.ndim - index->shape.ndim + 1), 0, size };
    return a.axis < 0 ? clg_fail_axis("scatter_add", x, axis) : scatter(x, index, &a);
}

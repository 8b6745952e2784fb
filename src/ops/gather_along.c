/* gather and scatter_add with an index for each element (np.take_along_axis; torch's gather and scatter_add): each is
 * the other's gradient; sort and top_k are built on them. Of a column along the axis one work-item adds all. */
#include "ops/gather.h"

extern const clg_op clg_op_gather_along, clg_op_scatter_add_along;

/** y as index, whose other axes are those of x. */
static clg_status infer_along(clg_node *n, bool scatter) {
    const clg_gather_attr *a = clg_gather_attr_of(n);
    clg_shape x = in_shape(n, 0), y = in_shape(n, 1);
    CLG_TRY(clg_check_index(n));
    if (scatter && in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() first");
    if (!scatter && x.ndim == y.ndim) x.dim[a->axis] = y.dim[a->axis];
    if (!clg_shape_equal(x, y))
        return clg_fail_op(n, scatter ? "index must have the shape of x"
                                      : "index must have the axes of x, and their sizes except along axis %d", a->axis);
    if (scatter && a->size < 0) return clg_fail_op(n, "the result cannot have size %lld", (long long)a->size);
    if (scatter) y.dim[a->axis] = a->size;
    return set_out(n, 0, in_dtype(n, 0), y);
}

static clg_status infer_gather_along(clg_node *n) { return infer_along(n, false); }
static clg_status infer_scatter_along(clg_node *n) { return infer_along(n, true); }

static void ref_gather_along(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span x = clg_span_of(in_shape(n, 0), clg_gather_attr_of(n)->axis);
    const clg_span y = clg_span_of(out_shape(n, 0), clg_gather_attr_of(n)->axis);
    for (int64_t o = 0; o < y.outer; o++)
        for (int64_t k = 0; k < y.size; k++)
            for (int64_t i = 0; i < y.inner; i++) {
                const int64_t at = (o * y.size + k) * y.inner + i, j = clg_valid_index(in[1][at], x.size);
                out[0][at] = j < 0 ? clg_missing(n) : in[0][(o * x.size + j) * x.inner + i];
            }
}

static void ref_scatter_along(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span x = clg_span_of(in_shape(n, 0), clg_gather_attr_of(n)->axis);
    const clg_span y = clg_span_of(out_shape(n, 0), clg_gather_attr_of(n)->axis);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) out[0][i] = 0;
    for (int64_t o = 0; o < x.outer; o++)
        for (int64_t k = 0; k < x.size; k++)
            for (int64_t i = 0; i < x.inner; i++) {
                const int64_t at = (o * x.size + k) * x.inner + i, j = clg_valid_index(in[1][at], y.size);
                if (j >= 0) out[0][(o * y.size + j) * y.inner + i] += in[0][at];
            }
}

static void vjp_gather_along(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const int axis = clg_gather_attr_of(n)->axis;
    const clg_gather_attr a = { axis, 0, in_dim(n, 0, axis) };
    gx[0] = clg_node_build(&clg_op_scatter_add_along, &a, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static void vjp_scatter_along(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_gather_attr a = { clg_gather_attr_of(n)->axis, 1, 0 };
    gx[0] = clg_node_build(&clg_op_gather_along, &a, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static clg_cost cost_gather_along(const clg_node *n) {
    return (clg_cost){ 0, 2.0 * (double)clg_tensor_bytes(n->out[0]) + (double)clg_tensor_bytes(n->in[1]) };
}

static clg_cost cost_scatter_along(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

static clg_status emit_along(clg_emit *e, const clg_node *node, bool scatter, bool gpu) {
    const clg_tensor *const x = node->in[0], *const index = node->in[1], *const y = node->out[0];
    const int axis = clg_gather_attr_of(node)->axis;
    const clg_span s = clg_span_of(scatter ? y->shape : x->shape, axis);
    const int64_t h = s.size, w = index->shape.dim[axis], inner = s.inner;
    const int64_t n = scatter ? s.outer * inner : out_elems(node, 0);
    const int64_t per = gpu ? 1 : clg_units_per_item(n, scatter ? h + w : 1);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = scatter ? "gather.add_along" : "gather.along",
        .options = clg_gather_options(e, x, index, clg_gather_attr_of(node)->zero),
        .global = { (size_t)clg_div_up(n, per), 1, 1 }, .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = ARGS(IN(x), IN(index), OUT(y), INT(n), INT(h), INT(w), INT(inner), INT(per)) });
}

static clg_status emit_gather_cpu(clg_emit *e, const clg_node *n) { return emit_along(e, n, false, false); }
static clg_status emit_gather_gpu(clg_emit *e, const clg_node *n) { return emit_along(e, n, false, true); }
static clg_status emit_scatter_cpu(clg_emit *e, const clg_node *n) { return emit_along(e, n, true, false); }
static clg_status emit_scatter_gpu(clg_emit *e, const clg_node *n) { return emit_along(e, n, true, true); }

static const clg_impl gather_impls[] = {
    { "gather_along.cpu", CLG_CLASS_CPU, clg_move_fits, emit_gather_cpu, NULL, false },
    { "gather_along.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_gather_gpu, NULL, false },
    { 0 },
};
static const clg_impl scatter_impls[] = {
    { "scatter_add_along.cpu", CLG_CLASS_CPU, clg_move_fits, emit_scatter_cpu, NULL, false },
    { "scatter_add_along.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_scatter_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_gather_along = {
    .name = "gather_along", .formula = "y[o,k,i] = x[o,index[o,k,i],i]; out of range: NaN, 0 for integers",
    .gradient = "gx = scatter_add_along(gy, index)", .shapes = "x [A...,S,B...], index [A...,K,B...] -> [A...,K,B...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_gather_attr), .infer = infer_gather_along,
    .ref = ref_gather_along, .vjp = vjp_gather_along, .cost = cost_gather_along, .impls = gather_impls };

const clg_op clg_op_scatter_add_along = {
    .name = "scatter_add_along",
    .formula = "y[o,j,i] = sum of x[o,k,i] over the k with index[o,k,i] = j; out of range: left out",
    .gradient = "gx = gather_along(gy, index), 0 where the index is out of range",
    .shapes = "x [A...,K,B...], index [A...,K,B...] -> [A...,S,B...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_gather_attr), .infer = infer_scatter_along,
    .ref = ref_scatter_along, .vjp = vjp_scatter_along, .cost = cost_scatter_along, .impls = scatter_impls };

clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int axis) {
    if (!x || !index) return NULL;
    const clg_gather_attr a = { clg_axis(axis, x->shape.ndim), 0, 0 };
    if (a.axis < 0) return clg_fail_axis("gather_along", x, axis);
    return clg_node_build(&clg_op_gather_along, &a, (clg_tensor *const[]){ x, index }, 2);
}

clg_tensor *clg_scatter_add_along(clg_tensor *x, clg_tensor *index, int axis, int64_t size) {
    if (!x || !index) return NULL;
    const clg_gather_attr a = { clg_axis(axis, x->shape.ndim), 0, size };
    if (a.axis < 0) return clg_fail_axis("scatter_add_along", x, axis);
    return clg_node_build(&clg_op_scatter_add_along, &a, (clg_tensor *const[]){ x, index }, 2);
}

/* concat and stack: each operand is copied into its part of the result, one launch an operand. More than CLG_MAX_IN
 * operands are joined in groups first. */
#include "ops/move.h"

extern const clg_op clg_op_concat, clg_op_stack;

typedef struct join_attr { int32_t axis; } join_attr;

static int axis_of(const clg_node *n) { return ((const join_attr *)n->attr)->axis; }

static clg_status same_types(const clg_node *n) {
    for (int i = 1; i < n->n_in; i++)
        if (in_dtype(n, i) != in_dtype(n, 0)) return clg_fail_op(n, "types differ; see clg_cast()");
    return CLG_OK;
}

/* --- concat --- */

static clg_status infer_concat(clg_node *n) {
    clg_shape y = in_shape(n, 0);
    CLG_TRY(same_types(n));
    for (int i = 1; i < n->n_in; i++) {
        clg_shape s = in_shape(n, i);
        const int64_t size = s.ndim > axis_of(n) ? s.dim[axis_of(n)] : 0;
        if (s.ndim > axis_of(n)) s.dim[axis_of(n)] = y.dim[axis_of(n)];
        if (!clg_shape_equal(s, y)) return clg_fail_op(n, "only sizes along axis %d may differ", axis_of(n));
        y.dim[axis_of(n)] += size;
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_concat(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span y = clg_span_of(out_shape(n, 0), axis_of(n));
    int64_t begin = 0;
    for (int p = 0; p < n->n_in; p++) {
        const int64_t size = in_dim(n, p, axis_of(n));
        for (int64_t o = 0; o < y.outer; o++)
            for (int64_t j = 0; j < size; j++)
                for (int64_t i = 0; i < y.inner; i++)
                    out[0][(o * y.size + begin + j) * y.inner + i] = in[p][(o * size + j) * y.inner + i];
        begin += size;
    }
}

static void vjp_concat(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    int64_t begin = 0;
    for (int p = 0; p < n->n_in; p++) {
        clg_slice_attr a = clg_slice_all(in_shape(n, p));
        if (a.count[axis_of(n)] > 0) a.begin[axis_of(n)] = begin;
        if (clg_wants_grad(n, p)) gx[p] = clg_slice_node(gy[0], &a);
        begin += in_dim(n, p, axis_of(n));
    }
}

static clg_cost cost_concat(const clg_node *n) { return cost_of(n, 0); }

static clg_status emit_concat(clg_emit *e, const clg_node *n, bool gpu) {
    const clg_span y = clg_span_of(out_shape(n, 0), axis_of(n));
    int64_t begin = 0;
    for (int p = 0; p < n->n_in; p++) {
        const int64_t size = in_dim(n, p, axis_of(n)) * y.inner;
        clg_region r = { .to = begin, .pitch = y.size * y.inner };
        clg_region_add(&r, y.outer, size, false); /* rows stay rows, though they are neighbours in x */
        clg_region_add(&r, size, 1, false);
        CLG_TRY(clg_emit_region(e, n->in[p], n->out[0], &r, gpu));
        begin += size;
    }
    return CLG_OK;
}

static clg_status emit_concat_cpu(clg_emit *e, const clg_node *n) { return emit_concat(e, n, false); }
static clg_status emit_concat_gpu(clg_emit *e, const clg_node *n) { return emit_concat(e, n, true); }

static const clg_impl impls[] = {
    { "concat.cpu", CLG_CLASS_CPU, clg_move_fits, emit_concat_cpu, NULL, false },
    { "concat.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_concat_gpu, NULL, false },
    { 0 },
};

static enum clg_join join_concat(const clg_node *n, const enum clg_join *in, int out) {
    return axis_of(n) > 0 ? clg_join_rows(n, in, out) : CLG_JOIN_NONE;
}

const clg_op clg_op_concat = {
    .name = "concat", .formula = "y = x1, x2, ... one behind the other along an axis",
    .gradient = "gx_p = the part of gy that came from x_p", .shapes = "x1 [...,S1,...], x2 [...,S2,...], ... -> "
    "[...,S1+S2+...,...]", .min_in = 1, .max_in = CLG_MAX_IN, .n_out = 1, .attr_size = sizeof(join_attr),
    .infer = infer_concat, .ref = ref_concat, .vjp = vjp_concat, .cost = cost_concat,
    .join = join_concat, .impls = impls };

/** Joins groups of CLG_MAX_IN by op, the results by concat. */
static clg_tensor *join(const clg_op *op, clg_list xs, int axis) {
    const join_attr a = { axis };
    if (xs.n <= CLG_MAX_IN) return xs.n == 1 && op == &clg_op_concat ? xs.t[0] : clg_node_build(op, &a, xs.t, xs.n);
    clg_tensor *part[CLG_MAX_IN];
    const int each = (xs.n + CLG_MAX_IN - 1) / CLG_MAX_IN;
    int n = 0;
    for (int i = 0; i < xs.n; i += each)
        part[n++] = join(op, (clg_list){ each < xs.n - i ? each : xs.n - i, xs.t + i }, axis);
    for (int i = 0; i < n; i++)
        if (!part[i]) return NULL;
    return clg_node_build(&clg_op_concat, &a, part, n);
}

/** more: axes of the result beyond those of the operands. */
static clg_tensor *join_checked(const clg_op *op, clg_list xs, int axis, int more) {
    if (xs.n < 1 || !xs.t) {
        clg_fail(CLG_ERR_INVALID, "%s: the list of operands is empty", op->name);
        return NULL;
    }
    for (int i = 0; i < xs.n; i++)
        if (!xs.t[i]) return NULL;
    const int at = clg_axis(axis, xs.t[0]->shape.ndim + more);
    return at < 0 ? clg_fail_axis(op->name, xs.t[0], axis) : join(op, xs, at);
}

clg_tensor *clg_concat(clg_list xs, int axis) { return join_checked(&clg_op_concat, xs, axis, 0); }

/* --- stack --- */

static clg_shape with_axis(clg_shape s, int axis, int64_t size) {
    clg_shape y = { s.ndim + 1, { 0 } };
    for (int i = 0; i < s.ndim && i < CLG_MAX_DIMS - 1; i++) y.dim[i < axis ? i : i + 1] = s.dim[i];
    y.dim[axis] = size;
    return y;
}

static clg_status infer_stack(clg_node *n) {
    CLG_TRY(same_types(n));
    for (int i = 1; i < n->n_in; i++)
        if (!clg_shape_equal(in_shape(n, i), in_shape(n, 0))) return clg_fail_op(n, "shapes differ");
    if (in_shape(n, 0).ndim == CLG_MAX_DIMS) return clg_fail_op(n, "the result would have %d axes", CLG_MAX_DIMS + 1);
    return set_out(n, 0, in_dtype(n, 0), with_axis(in_shape(n, 0), axis_of(n), n->n_in));
}

static void ref_stack(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span y = clg_span_of(out_shape(n, 0), axis_of(n));
    for (int64_t o = 0; o < y.outer; o++)
        for (int64_t j = 0; j < y.size; j++)
            for (int64_t i = 0; i < y.inner; i++) out[0][(o * y.size + j) * y.inner + i] = in[j][o * y.inner + i];
}

static bool expand_stack(const clg_node *n, clg_tensor **out) {
    clg_tensor *part[CLG_MAX_IN];
    for (int i = 0; i < n->n_in; i++) part[i] = clg_reshape(n->in[i], with_axis(in_shape(n, i), axis_of(n), 1));
    out[0] = clg_concat((clg_list){ n->n_in, part }, axis_of(n));
    return out[0] != NULL;
}

const clg_op clg_op_stack = {
    .name = "stack", .formula = "y[...,p,...] = x_p: operands along a new axis", .gradient = "gx_p = gy[...,p,...]",
    .shapes = "n times x [S...] -> [...,n,...]", .min_in = 1, .max_in = CLG_MAX_IN, .n_out = 1,
    .attr_size = sizeof(join_attr), .infer = infer_stack, .ref = ref_stack, .expand = expand_stack };

clg_tensor *clg_stack(clg_list xs, int axis) { return join_checked(&clg_op_stack, xs, axis, 1); }

/* max_pool and avg_pool, and max_pool_at, the gradient's gradient. Geometry and launch: pool_shape.c.
 *
 * The position of a maximum is not stored: the backward row finds it again from x, which costs a comparison a cell,
 * keeps the forward pass free of a second output, and lets the row be differentiated again. max_pool_at,
 * which picks v where x is greatest, and max_pool_bwd are linear in their last operand and each other's adjoint;
 * max_pool is max_pool_at with v = x. */
#include "ops/pool.h"

/* --- rows --- */

static const clg_pool_attr *attr_of(const clg_node *n) { return n->attr; }

static clg_status infer(clg_node *n) {
    clg_shape y;
    for (int i = 0; i < 3 && n->op == &clg_op_avg_pool; i++)
        if (attr_of(n)->dilation[i] != 1)
            return clg_fail_op(n, "dilation is %lld; only max_pool has dilated windows",
                               (long long)attr_of(n)->dilation[i]);
    CLG_TRY(clg_pool_infer(n, in_dtype(n, 0), in_shape(n, 0), &y));
    return set_out(n, 0, in_dtype(n, 0), y);
}

static clg_status infer_at(clg_node *n) {
    clg_shape y;
    CLG_TRY(clg_pool_infer(n, in_dtype(n, 0), in_shape(n, 0), &y));
    if (!clg_shape_equal(in_shape(n, 0), in_shape(n, 1)) || in_dtype(n, 0) != in_dtype(n, 1))
        return clg_fail_op(n, "wants two tensors of one shape and type");
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_max(const clg_node *n, const double *const *in, double *const *out) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    const double *x = in[0], *v = in[n->n_in - 1];
    double *y = out[0];
    for (int64_t p = 0; p < g.planes; p++, x += g.in[0] * g.in[1] * g.in[2], v += g.in[0] * g.in[1] * g.in[2]) {
        int64_t o[3] = {0};
        do *y++ = v[clg_pool_argmax(&g, x, o)];
        while (clg_pool_next(&g, o));
    }
}

static double sum_cells(const clg_pool_geo *g, const double *x, const int64_t o[3]) {
    const clg_pool_span a = clg_pool_cells(g, 0, o[0]), b = clg_pool_cells(g, 1, o[1]), c = clg_pool_cells(g, 2, o[2]);
    double sum = 0;
    for (int64_t i = a.from; i < a.to; i++)
        for (int64_t j = b.from; j < b.to; j++)
            for (int64_t k = c.from; k < c.to; k++) sum += x[(i * g->in[1] + j) * g->in[2] + k];
    return sum;
}

static void ref_avg(const clg_node *n, const double *const *in, double *const *out) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    const double *x = in[0];
    double *y = out[0];
    for (int64_t p = 0; p < g.planes; p++, x += g.in[0] * g.in[1] * g.in[2]) {
        int64_t o[3] = {0};
        do *y++ = sum_cells(&g, x, o) / clg_pool_count(&g, o);
        while (clg_pool_next(&g, o));
    }
}

static void vjp_max(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(&clg_op_max_pool_bwd, n->attr, (clg_tensor *[]){n->in[0], gy[0]}, 2);
}

/* Where x is greatest does not change with it. */
static void vjp_at(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[1] = clg_node_build(&clg_op_max_pool_bwd, n->attr, (clg_tensor *[]){n->in[0], gy[0]}, 2);
}

static void vjp_avg(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    clg_pool_attr attr = *attr_of(n);
    for (int i = 0; i < 3; i++) attr.size[i] = g.in[i];
    gx[0] = clg_node_build(&clg_op_avg_pool_bwd, &attr, (clg_tensor *[]){gy[0]}, 1);
}

static clg_cost cost(const clg_node *n) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    return cost_of(n, (double)out_elems(n, 0) * (double)clg_pool_window(&g));
}

/* --- implementations --- */

static bool accept(const clg_node *n, const clg_device *d) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    return clg_pool_fits(in_dtype(n, 0), &g);
}

static clg_status emit(clg_emit *e, const clg_node *n, const char *kernel, bool cpu) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    const clg_tensor *x = n->in[0], *v = in_tensor(n, 1), *y = n->out[0];
    const clg_pool_launch l = {.kernel = kernel, .from = {IN(x), IN(v)}, .n_from = n->n_in, .to = OUT(y),
        .many = cpu ? "rows" : "n", .items = cpu ? g.planes * g.out[0] * g.out[1] : out_elems(n, 0),
        .work = g.out[2] * clg_pool_window(&g)};
    return clg_pool_emit(e, &g, &l);
}

static clg_status emit_max_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.max_cpu", true); }
static clg_status emit_max_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool_gpu.max_fwd", false); }
static clg_status emit_at_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.at_cpu", true); }
static clg_status emit_at_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool_gpu.at_fwd", false); }
static clg_status emit_avg_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.avg_cpu", true); }
static clg_status emit_avg_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool_gpu.avg_fwd", false); }

static const clg_impl max_impls[] = {
    {"max_pool.cpu", CLG_CLASS_CPU, accept, emit_max_cpu, NULL, false},
    {"max_pool.gpu", CLG_CLASS_GPU, accept, emit_max_gpu, NULL, false},
    {0},
};

static const clg_impl at_impls[] = {
    {"max_pool_at.cpu", CLG_CLASS_CPU, accept, emit_at_cpu, NULL, false},
    {"max_pool_at.gpu", CLG_CLASS_GPU, accept, emit_at_gpu, NULL, false},
    {0},
};

static const clg_impl avg_impls[] = {
    {"avg_pool.cpu", CLG_CLASS_CPU, accept, emit_avg_cpu, NULL, false},
    {"avg_pool.gpu", CLG_CLASS_GPU, accept, emit_avg_gpu, NULL, false},
    {0},
};

const clg_op clg_op_max_pool = {
    .name = "max_pool",
    .formula = "y[n,c,o] = max of x[n,c,i] over the cells i of window o; a NaN wins, padding never does",
    .gradient = "gx = max_pool_bwd(x, gy): gy goes to the first greatest cell of its window in row-major order",
    .shapes = "x [N,C,S...] -> [N,C,S'...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer, .ref = ref_max, .vjp = vjp_max, .cost = cost, .join = clg_join_rows,
    .impls = max_impls,
};

const clg_op clg_op_max_pool_at = {
    .name = "max_pool_at",
    .formula = "y[n,c,o] = v[n,c,i] at the cell i of window o where x is greatest",
    .gradient = "gv = max_pool_bwd(x, gy); none for x",
    .shapes = "x [N,C,S...], v [N,C,S...] -> [N,C,S'...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer_at, .ref = ref_max, .vjp = vjp_at, .cost = cost, .join = clg_join_rows,
    .impls = at_impls,
};

const clg_op clg_op_avg_pool = {
    .name = "avg_pool",
    .formula = "y[n,c,o] = sum of x[n,c,i] over the cells i of window o / number(o), the cells it covers",
    .gradient = "gx[n,c,i] = sum of gy[n,c,o] / number(o) over the windows o that cover i",
    .shapes = "x [N,C,S...] -> [N,C,S'...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer, .ref = ref_avg, .vjp = vjp_avg, .cost = cost, .join = clg_join_rows,
    .impls = avg_impls,
};

/* --- builders --- */

/* Parameters come first axis first, attributes are right-aligned to D, H, W. What is out of range infer() reports. */
clg_pool_attr clg_pool_attr_from(const clg_tensor *x, const clg_pool_params *p, enum clg_pool_divide divide) {
    static const clg_pool_params none = {{0}, {0}, {0}, {0}, {0}, false, false, false};
    clg_pool_attr a = {.kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}, .divide = divide};
    const int axes = x->shape.ndim - 2;
    if (!p) p = &none;
    a.ceil_mode = p->ceil_mode;
    for (int i = 0; i < axes && axes <= CLG_MAX_SPATIAL; i++) {
        const int to = CLG_MAX_SPATIAL - axes + i;
        a.kernel[to] = p->kernel[i];
        a.stride[to] = p->stride[i] != 0 ? p->stride[i] : p->kernel[i];
        a.dilation[to] = p->dilation[i] != 0 ? p->dilation[i] : 1;
        a.pad[to] = p->pad[i];
        a.pad_end[to] = p->asymmetric ? p->pad_end[i] : p->pad[i];
    }
    return a;
}

static clg_tensor *build(const clg_op *op, clg_tensor *x, const clg_pool_params *p, enum clg_pool_divide divide) {
    if (!x) return NULL;
    const clg_pool_attr a = clg_pool_attr_from(x, p, divide);
    return clg_node_build(op, &a, &x, 1);
}

clg_tensor *clg_max_pool(clg_tensor *x, const clg_pool_params *p) {
    return build(&clg_op_max_pool, x, p, CLG_POOL_BY_CELLS);
}

clg_tensor *clg_avg_pool(clg_tensor *x, const clg_pool_params *p) {
    return build(&clg_op_avg_pool, x, p, p && p->count_pad ? CLG_POOL_BY_PADDED : CLG_POOL_BY_CELLS);
}

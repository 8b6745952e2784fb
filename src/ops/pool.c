/* max_pool and avg_pool; max_pool_at, the gradient's gradient; and the geometry that the backward rows share.
 *
 * The position of a maximum is not stored: the backward row finds it again from x, which costs a comparison a cell,
 * keeps the forward pass free of a second output, and lets the row be differentiated again. max_pool_at,
 * which picks v where x is greatest, and max_pool_bwd are linear in their last operand and each other's adjoint;
 * max_pool is max_pool_at with v = x. */
#include "ops/pool.h"
#include <limits.h>

enum { CELLS_A_WORK_ITEM = 4096, ITEMS_A_CORE = 16 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* --- geometry --- */

/* Rounded up, the last window must still begin inside the input or the padding before it (as in PyTorch). */
static int64_t windows_of(int64_t size, int64_t kernel, int64_t stride, int64_t pad, bool ceil_mode) {
    const int64_t room = size + 2 * pad - kernel + (ceil_mode ? stride - 1 : 0);
    if (room < 0) return 0;
    const int64_t n = room / stride + 1;
    return ceil_mode && (n - 1) * stride >= size + pad ? n - 1 : n;
}

clg_pool_geo clg_pool_geometry(clg_shape x, const clg_pool_attr *attr) {
    clg_pool_geo g = {.planes = x.dim[0] * x.dim[1], .attr = *attr};
    for (int i = 0; i < 3; i++) {
        const int axis = x.ndim - 3 + i;
        g.in[i] = axis < 2 ? 1 : x.dim[axis];
        g.out[i] = windows_of(g.in[i], attr->kernel[i], attr->stride[i], attr->pad[i], attr->ceil_mode);
    }
    return g;
}

clg_status clg_pool_infer(const clg_node *n, clg_dtype t, clg_shape x, clg_shape *y) {
    const clg_pool_attr *p = n->attr;
    const int64_t most = INT32_MAX / 4;
    if (x.ndim < 3 || x.ndim > 5) return clg_fail_op(n, "wants [N, C, ...] with 1 to 3 more axes");
    if (!clg_dtype_is_float(t)) return clg_fail_op(n, "wants floating-point numbers; clg_cast() converts");
    *y = x;
    for (int i = 5 - x.ndim; i < 3; i++) {
        const int axis = x.ndim - 3 + i;
        const long long k = p->kernel[i], s = p->stride[i], pad = p->pad[i];
        if (k < 1 || k > most) return clg_fail_op(n, "kernel of axis %d is %lld; it must be 1 or more", axis, k);
        if (s < 1 || s > most) return clg_fail_op(n, "stride of axis %d is %lld; it must be 1 or more", axis, s);
        if (pad < 0 || pad >= k)
            return clg_fail_op(n, "padding of axis %d is %lld; it must be less than the kernel, %lld", axis, pad, k);
        y->dim[axis] = windows_of(x.dim[axis], k, s, pad, p->ceil_mode);
        if (x.dim[axis] < 1 || y->dim[axis] < 1)
            return clg_fail_op(n, "no window fits axis %d: size %lld, kernel %lld, padding %lld", axis,
                               (long long)x.dim[axis], k, pad);
    }
    return CLG_OK;
}

void clg_pool_cells(const clg_pool_geo *g, int axis, int64_t o, int64_t *from, int64_t *to) {
    const int64_t begin = o * g->attr.stride[axis] - g->attr.pad[axis];
    *from = max64(begin, 0);
    *to = min64(begin + g->attr.kernel[axis], g->in[axis]);
}

double clg_pool_count(const clg_pool_geo *g, const int64_t o[3]) {
    double count = 1;
    for (int i = 0; i < 3; i++) {
        const int64_t begin = o[i] * g->attr.stride[i] - g->attr.pad[i], end = begin + g->attr.kernel[i];
        if (g->attr.count_pad) count *= (double)(min64(end, g->in[i] + g->attr.pad[i]) - begin);
        else count *= (double)(min64(end, g->in[i]) - max64(begin, 0));
    }
    return count;
}

int64_t clg_pool_argmax(const clg_pool_geo *g, const double *x, const int64_t o[3]) {
    int64_t from[3], to[3], best = -1;
    for (int i = 0; i < 3; i++) clg_pool_cells(g, i, o[i], &from[i], &to[i]);
    for (int64_t i = from[0]; i < to[0]; i++)
        for (int64_t j = from[1]; j < to[1]; j++)
            for (int64_t k = from[2]; k < to[2]; k++) {
                const int64_t at = (i * g->in[1] + j) * g->in[2] + k;
                if (best < 0 || x[at] > x[best] || x[at] != x[at]) best = at;
            }
    return best;
}

bool clg_pool_next(const clg_pool_geo *g, int64_t o[3]) {
    for (int i = 2; i >= 0; i--) {
        if (++o[i] < g->out[i]) return true;
        o[i] = 0;
    }
    return false;
}

bool clg_pool_whole(const clg_pool_geo *g) {
    for (int i = 0; i < 3; i++)
        if (g->attr.pad[i] > 0 || (g->out[i] - 1) * g->attr.stride[i] + g->attr.kernel[i] > g->in[i]) return false;
    return true;
}

/* --- rows --- */

static const clg_pool_attr *attr_of(const clg_node *n) { return n->attr; }

static clg_status infer(clg_node *n) {
    clg_shape y;
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
    int64_t from[3], to[3];
    double sum = 0;
    for (int i = 0; i < 3; i++) clg_pool_cells(g, i, o[i], &from[i], &to[i]);
    for (int64_t i = from[0]; i < to[0]; i++)
        for (int64_t j = from[1]; j < to[1]; j++)
            for (int64_t k = from[2]; k < to[2]; k++) sum += x[(i * g->in[1] + j) * g->in[2] + k];
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

static int64_t window_cells(const clg_pool_attr *p) { return p->kernel[0] * p->kernel[1] * p->kernel[2]; }

static clg_cost cost(const clg_node *n) {
    return cost_of(n, (double)out_elems(n, 0) * (double)window_cells(attr_of(n)));
}

/* --- implementations --- */

bool clg_pool_fits(clg_dtype t, const clg_pool_geo *g) {
    const int64_t most = INT_MAX / 2;
    int64_t in = 1, out = 1, reach = 0;
    for (int i = 0; i < 3; i++) {
        if (g->in[i] > most || g->out[i] > most) return false;
        in *= g->in[i];
        out *= g->out[i];
        if (in > most || out > most) return false; /* each factor is below 2^30: no overflow before this */
        reach = max64(reach, g->out[i] * g->attr.stride[i] + g->attr.kernel[i]);
    }
    return t == CLG_F32 && reach <= most && window_cells(&g->attr) <= most;
}

static bool accept(const clg_node *n, const clg_device *d) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    return clg_pool_fits(in_dtype(n, 0), &g);
}

#define INT_AS(param, v) { .kind = CLG_ARG_INT, .name = #param, .u.i = (v) }

clg_status clg_pool_emit(clg_emit *e, const clg_pool_geo *g, const clg_pool_launch *l) {
    const clg_pool_attr *a = &g->attr;
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    const bool blocks = l->many[0] != 'n';
    int64_t most = (int64_t)caps->compute_units * ITEMS_A_CORE, block = 1;
    if (l->items == 0) return CLG_OK;
    if (blocks) {
        most = max64(1, min64(most, (int64_t)((double)l->items * (double)l->work / CELLS_A_WORK_ITEM)));
        block = (l->items + most - 1) / most;
    }
    clg_arg args[20];
    int n = 0;
    for (int i = 0; i < l->n_from; i++) args[n++] = l->from[i];
    args[n++] = l->to;
    args[n++] = (clg_arg){.kind = CLG_ARG_LONG, .name = l->many, .u.i = l->items};
    if (blocks) args[n++] = (clg_arg)LONG(block);
    const clg_arg sizes[] = {INT_AS(d, g->in[0]), INT_AS(h, g->in[1]), INT_AS(w, g->in[2]), INT_AS(od, g->out[0]),
                             INT_AS(oh, g->out[1]), INT_AS(ow, g->out[2]), INT_AS(pd, a->pad[0]),
                             INT_AS(ph, a->pad[1]), INT_AS(pw, a->pad[2]), {.kind = CLG_ARG_END}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) args[n++] = sizes[i];
    const size_t group = blocks ? 1 : (size_t)min64(128, (int64_t)caps->max_group);
    return clg_emit_launch(e, &(clg_launch){l->kernel,
        clg_emit_options(e, "-DKD=%d -DKH=%d -DKW=%d -DSD=%d -DSH=%d -DSW=%d -DWHOLE=%d -DCOUNT_PAD=%d",
                         (int)a->kernel[0], (int)a->kernel[1], (int)a->kernel[2], (int)a->stride[0],
                         (int)a->stride[1], (int)a->stride[2], clg_pool_whole(g), a->count_pad && !clg_pool_whole(g)),
        {(size_t)((l->items + block - 1) / block)}, {group}, args});
}

static clg_status emit(clg_emit *e, const clg_node *n, const char *kernel, bool cpu) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), attr_of(n));
    const clg_tensor *x = n->in[0], *v = in_tensor(n, 1), *y = n->out[0];
    const clg_pool_launch l = {.kernel = kernel, .from = {IN(x), IN(v)}, .n_from = n->n_in, .to = OUT(y),
        .many = cpu ? "rows" : "n", .items = cpu ? g.planes * g.out[0] * g.out[1] : out_elems(n, 0),
        .work = g.out[2] * window_cells(&g.attr)};
    return clg_pool_emit(e, &g, &l);
}

static clg_status emit_max_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.max_cpu", true); }
static clg_status emit_max_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.max_gpu", false); }
static clg_status emit_at_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.at_cpu", true); }
static clg_status emit_at_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.at_gpu", false); }
static clg_status emit_avg_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.avg_cpu", true); }
static clg_status emit_avg_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, "pool.avg_gpu", false); }

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
    .formula = "y[n,c,o] = max of x[n,c,i] over the cells i of window o; a NaN wins",
    .gradient = "gx = max_pool_bwd(x, gy): gy goes to the first greatest cell of its window",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer, .ref = ref_max, .vjp = vjp_max, .cost = cost, .impls = max_impls,
};

const clg_op clg_op_max_pool_at = {
    .name = "max_pool_at",
    .formula = "y[n,c,o] = v[n,c,i] at the cell i of window o where x is greatest",
    .gradient = "gv = max_pool_bwd(x, gy); none for x",
    .min_in = 2, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer_at, .ref = ref_max, .vjp = vjp_at, .cost = cost, .impls = at_impls,
};

const clg_op clg_op_avg_pool = {
    .name = "avg_pool",
    .formula = "y[n,c,o] = sum of x[n,c,i] over the cells i of window o / their number",
    .gradient = "gx[n,c,i] = sum of gy[n,c,o] / number(o) over the windows o that cover i",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer, .ref = ref_avg, .vjp = vjp_avg, .cost = cost, .impls = avg_impls,
};

/* --- builders --- */

/* Parameters come first axis first, attributes are right-aligned to D, H, W. What is out of range infer() reports. */
static clg_tensor *build(const clg_op *op, clg_tensor *x, const clg_pool_params *p, bool count_pad) {
    clg_pool_attr attr = {.kernel = {1, 1, 1}, .stride = {1, 1, 1}, .ceil_mode = p && p->ceil_mode,
                          .count_pad = count_pad};
    const int axes = x ? x->shape.ndim - 2 : 0;
    for (int i = 0; i < axes && axes <= CLG_MAX_SPATIAL; i++) {
        const int to = CLG_MAX_SPATIAL - axes + i;
        attr.kernel[to] = p ? p->kernel[i] : 0;
        attr.stride[to] = p && p->stride[i] != 0 ? p->stride[i] : attr.kernel[to];
        attr.pad[to] = p ? p->pad[i] : 0;
    }
    return clg_node_build(op, &attr, &x, 1);
}

clg_tensor *clg_max_pool(clg_tensor *x, const clg_pool_params *p) { return build(&clg_op_max_pool, x, p, false); }

clg_tensor *clg_avg_pool(clg_tensor *x, const clg_pool_params *p) {
    return build(&clg_op_avg_pool, x, p, p && p->count_pad);
}

/* Pooling that is built from other ops: adaptive and global, by windows or by a reduction, and L2. All are composites:
 * devices get the graph that expand() builds; the plain C beside it is the reference. */
#include "ops/pool.h"
#include "ops/wide.h"
#include <math.h>

/* --- adaptive and global --- */

/* Windows along each spatial axis of x, first axis first; global pooling has one. */
typedef struct whole_attr {
    int64_t out[CLG_MAX_SPATIAL];
} whole_attr;

static bool is_max(const clg_node *n) {
    return n->op == &clg_op_adaptive_max_pool || n->op == &clg_op_global_max_pool;
}

static clg_status infer_whole(clg_node *n) {
    const int64_t *out = ((const whole_attr *)n->attr)->out;
    clg_shape y = in_shape(n, 0);
    if (y.ndim < 3 || y.ndim > 5) return clg_fail_op(n, "wants [N, C, ...] with 1 to 3 more axes");
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point numbers; clg_cast() converts");
    for (int i = 2; i < y.ndim; i++) {
        if (y.dim[i] < 1) return clg_fail_op(n, "there is nothing to pool: size 0 of axis %d", i);
        if (out[i - 2] < 1 || out[i - 2] > INT32_MAX)
            return clg_fail_op(n, "axis %d cannot have %lld windows; give 1 or more", i, (long long)out[i - 2]);
        y.dim[i] = out[i - 2];
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

/* One window of a plane whose axes have sizes s and windows n; o: which. */
static double pool_window(const double *x, const int64_t s[3], const int64_t n[3], const int64_t o[3], bool max) {
    double sum = 0, top = -INFINITY, cells = 0;
    for (int64_t i = o[0] * s[0] / n[0]; i * n[0] < (o[0] + 1) * s[0]; i++)
        for (int64_t j = o[1] * s[1] / n[1]; j * n[1] < (o[1] + 1) * s[1]; j++)
            for (int64_t k = o[2] * s[2] / n[2]; k * n[2] < (o[2] + 1) * s[2]; k++) {
                const double v = x[(i * s[1] + j) * s[2] + k];
                sum += v;
                cells++;
                if (v > top || isnan(v)) top = v;
                if (isnan(top)) top = NAN;
            }
    return max ? top : sum / cells;
}

static void ref_whole(const clg_node *n, const double *const *in, double *const *out) {
    const int axes = in_shape(n, 0).ndim - 2;
    int64_t s[3] = {1, 1, 1}, w[3] = {1, 1, 1};
    for (int i = 0; i < axes; i++) s[3 - axes + i] = in_dim(n, 0, 2 + i), w[3 - axes + i] = out_dim(n, 0, 2 + i);
    const int64_t windows = w[0] * w[1] * w[2], cells = s[0] * s[1] * s[2];
    for (int64_t y = 0; y < out_elems(n, 0); y++) {
        const int64_t p = y / windows, at = y % windows;
        const int64_t o[3] = {at / w[2] / w[1], at / w[2] % w[1], at % w[2]};
        out[0][y] = pool_window(in[0] + p * cells, s, w, o, is_max(n));
    }
}

/* A reduction where one window covers all; plain windows where they divide the input evenly; else the adaptive ones. */
static bool expand_whole(const clg_node *n, clg_tensor **y) {
    const int axes = in_shape(n, 0).ndim - 2;
    clg_pool_attr a = {.kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    bool one = true, even = true;
    for (int i = 0; i < axes; i++) {
        const int64_t size = in_dim(n, 0, 2 + i), windows = out_dim(n, 0, 2 + i), to = 3 - axes + i;
        one = one && windows == 1;
        even = even && size % windows == 0;
        a.kernel[to] = a.stride[to] = size / windows;
        a.out[to] = windows;
    }
    if (one) {
        const unsigned spatial = ((1u << axes) - 1) << 2;
        y[0] = is_max(n) ? clg_max(n->in[0], spatial) : clg_mean(n->in[0], spatial);
        return y[0] != NULL;
    }
    for (int i = 0; i < 3; i++) {
        if (even) a.out[i] = 0;
        else a.kernel[i] = a.stride[i] = 1, a.out[i] = a.out[i] > 0 ? a.out[i] : 1;
    }
    y[0] = clg_node_build(is_max(n) ? &clg_op_max_pool : &clg_op_avg_pool, &a, n->in, 1);
    return y[0] != NULL;
}

/* --- L2 --- */

static clg_status infer_l2(clg_node *n) {
    const clg_pool_attr *a = n->attr;
    clg_shape y;
    for (int i = 0; i < 3; i++)
        if (a->dilation[i] != 1)
            return clg_fail_op(n, "dilation is %lld; only max_pool has dilated windows", (long long)a->dilation[i]);
    CLG_TRY(clg_pool_infer(n, in_dtype(n, 0), in_shape(n, 0), &y));
    return set_out(n, 0, in_dtype(n, 0), y);
}

static double norm_of(const double *x, const int64_t *in, clg_pool_span a, clg_pool_span b, clg_pool_span c) {
    double sum = 0;
    for (int64_t i = a.from; i < a.to; i++)
        for (int64_t j = b.from; j < b.to; j++)
            for (int64_t k = c.from; k < c.to; k++) sum += pow(x[(i * in[1] + j) * in[2] + k], 2);
    return sqrt(sum);
}

static void ref_l2(const clg_node *n, const double *const *in, double *const *out) {
    const clg_pool_geo g = clg_pool_geometry(in_shape(n, 0), n->attr);
    double *y = out[0];
    for (int64_t p = 0; p < g.planes; p++) {
        int64_t o[3] = {0};
        do {
            *y++ = norm_of(in[0] + p * g.in[0] * g.in[1] * g.in[2], g.in, clg_pool_cells(&g, 0, o[0]),
                           clg_pool_cells(&g, 1, o[1]), clg_pool_cells(&g, 2, o[2]));
        } while (clg_pool_next(&g, o));
    }
}

/* A window of zeros takes its root of 1 aside, so that its gradient is 0 and not 0 / 0. */
static bool expand_l2(const clg_node *n, clg_tensor **y) {
    clg_tensor *const square = clg_square(clg_widen(n->in[0]));
    clg_tensor *const sum = clg_node_build(&clg_op_avg_pool, n->attr, &square, 1);
    if (!sum) return false;
    clg_tensor *const zero = clg_fill(n->graph, sum->dtype, CLG_SCALAR, 0);
    clg_tensor *const one = clg_fill(n->graph, sum->dtype, CLG_SCALAR, 1);
    clg_tensor *const none = clg_eq(sum, zero);
    y[0] = clg_cast(clg_where(none, zero, clg_sqrt(clg_where(none, one, sum))), in_dtype(n, 0));
    return y[0] != NULL;
}

/* --- rows --- */

#define WHOLE_ROW(name_, formula_, gradient_, shapes_)                                             \
    const clg_op clg_op_##name_ = {                                                                \
        .name = #name_, .formula = formula_, .gradient = gradient_, .shapes = shapes_,             \
        .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(whole_attr),                     \
        .infer = infer_whole, .ref = ref_whole, .expand = expand_whole,                            \
    }

WHOLE_ROW(adaptive_max_pool, "y[n,c,o] = max of x[n,c,i] over i = floor(o S / O) .. ceil((o+1) S / O) - 1; a NaN wins",
          "gx = gy at the first greatest cell of each window in row-major order", "x [N,C,S...] -> [N,C,O...]");
WHOLE_ROW(adaptive_avg_pool, "y[n,c,o] = mean of x[n,c,i] over i = floor(o S / O) .. ceil((o+1) S / O) - 1",
          "gx[n,c,i] = sum of gy[n,c,o] / number(o) over the windows o that cover i", "x [N,C,S...] -> [N,C,O...]");
WHOLE_ROW(global_max_pool, "y[n,c] = max of x[n,c,i] over all i; a NaN wins",
          "gx = gy at the first greatest cell in row-major order, else 0", "x [N,C,S...] -> [N,C,1...]");
WHOLE_ROW(global_avg_pool, "y[n,c] = mean of x[n,c,i] over all i", "gx[n,c,i] = gy[n,c] / number of i",
          "x [N,C,S...] -> [N,C,1...]");

const clg_op clg_op_l2_pool = {
    .name = "l2_pool",
    .formula = "y[n,c,o] = sqrt(sum of x[n,c,i]^2 over the cells i of window o)",
    .gradient = "gx[n,c,i] = x[n,c,i] sum of gy[n,c,o] / y[n,c,o] over the windows o that cover i and have y > 0",
    .shapes = "x [N,C,S...] -> [N,C,S'...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_pool_attr),
    .infer = infer_l2, .ref = ref_l2, .expand = expand_l2,
};

/* --- builders --- */

static clg_tensor *build(const clg_op *op, clg_tensor *x, const int64_t *out) {
    whole_attr a = {{0}};
    if (!x) return NULL;
    for (int i = 0; i < x->shape.ndim - 2 && i < CLG_MAX_SPATIAL; i++) a.out[i] = out ? out[i] : 1;
    return clg_node_build(op, &a, &x, 1);
}

static clg_tensor *build_adaptive(const clg_op *op, clg_tensor *x, const int64_t *out) {
    if (x && !out)
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "%s(%s): out is NULL; give the number of windows of each axis",
                              op->name, clg_tensor_name(x));
    return build(op, x, out);
}

clg_tensor *clg_adaptive_max_pool(clg_tensor *x, const int64_t *out) {
    return build_adaptive(&clg_op_adaptive_max_pool, x, out);
}

clg_tensor *clg_adaptive_avg_pool(clg_tensor *x, const int64_t *out) {
    return build_adaptive(&clg_op_adaptive_avg_pool, x, out);
}

clg_tensor *clg_global_max_pool(clg_tensor *x) { return build(&clg_op_global_max_pool, x, NULL); }
clg_tensor *clg_global_avg_pool(clg_tensor *x) { return build(&clg_op_global_avg_pool, x, NULL); }

clg_tensor *clg_l2_pool(clg_tensor *x, const clg_pool_params *p) {
    if (!x) return NULL;
    const clg_pool_attr a = clg_pool_attr_from(x, p, CLG_POOL_BY_ONE);
    return clg_node_build(&clg_op_l2_pool, &a, &x, 1);
}

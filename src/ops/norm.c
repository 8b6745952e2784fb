/* layer_norm, rms_norm, instance_norm, group_norm: y = (x - mean) / sqrt(var + eps) gamma + beta over groups of
 * elements that lie side by side. Composites: one unit of fused arithmetic behind the reductions for mean and variance.
 *
 * The variance is the mean of (x - mean)^2, a second pass: E x^2 - (E x)^2 loses all digits where the mean is large
 * (Chan, Golub & LeVeque 1983). Group norm keeps x in its own shape, so that all of its arithmetic fuses, and only
 * reduces through a reshape. */
#include "ops/norm.h"
#include <math.h>

extern const clg_op clg_op_layer_norm, clg_op_rms_norm, clg_op_instance_norm, clg_op_group_norm;

static const clg_norm_attr *attr_of(const clg_node *n) { return n->attr; }
static bool by_trailing_axes(const clg_op *op) { return op == &clg_op_layer_norm || op == &clg_op_rms_norm; }

/* --- shared with batch_norm --- */

double clg_norm_eps(const clg_norm_params *p) { return p && p->eps != 0 ? p->eps : 1e-5; }

clg_status clg_norm_check(const clg_node *n) {
    const double eps = attr_of(n)->eps;
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point numbers; clg_cast() converts");
    if (!(eps > 0 && isfinite(eps))) return clg_fail_op(n, "eps is %g; it must be above 0", eps);
    return CLG_OK;
}

clg_status clg_norm_check_param(const clg_node *n, int i, const char *what, clg_shape shape) {
    char text[128];
    const clg_tensor *t = in_tensor(n, i);
    const clg_dtype x = in_dtype(n, 0);
    if (!t || (clg_shape_equal(t->shape, shape) && (t->dtype == x || t->dtype == clg_wide_type(x)))) return CLG_OK;
    return clg_fail_op(n, "%s must be %s", what, clg_shape_text(clg_wide_type(x), shape, text, sizeof text));
}

clg_tensor *clg_norm_affine(const clg_node *n, clg_tensor *y, int first, clg_shape shape) {
    if (in_tensor(n, first)) y = clg_mul(y, clg_reshape(clg_widen(n->in[first]), shape));
    if (in_tensor(n, first + 1)) y = clg_add(y, clg_reshape(clg_widen(n->in[first + 1]), shape));
    return y;
}

clg_shape clg_norm_channels(int64_t channels, int ndim) {
    clg_shape s = {ndim, {1, channels, 1, 1, 1, 1}};
    return s;
}

clg_tensor *clg_norm_rstd(clg_tensor *var, double eps) {
    if (!var) return NULL;
    clg_tensor *const added = clg_fill(var->graph, var->dtype, CLG_SCALAR, eps);
    return clg_div(clg_fill(var->graph, var->dtype, CLG_SCALAR, 1), clg_sqrt(clg_add(var, added)));
}

clg_tensor *clg_norm_gamma(clg_tensor *gamma, const clg_tensor *beta) {
    return gamma || !beta ? gamma : clg_fill(beta->graph, beta->dtype, beta->shape, 1);
}

/* --- rules --- */

static clg_status check_params(const clg_node *n, clg_shape shape) {
    CLG_TRY(clg_norm_check_param(n, 1, "gamma", shape));
    return clg_norm_check_param(n, 2, "beta", shape);
}

/* The last axes of x that layer_norm and rms_norm go over. */
static clg_shape trailing(const clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    clg_shape s = {(int)attr_of(n)->n, {0}};
    for (int i = 0; i < s.ndim; i++) s.dim[i] = x.dim[x.ndim - s.ndim + i];
    return s;
}

static clg_status infer_trailing(clg_node *n) {
    const int64_t axes = attr_of(n)->n;
    CLG_TRY(clg_norm_check(n));
    if (axes < 1 || axes > in_shape(n, 0).ndim)
        return clg_fail_op(n, "cannot go over the last %lld axes; give 1 to %d", (long long)axes, in_shape(n, 0).ndim);
    CLG_TRY(check_params(n, trailing(n)));
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static clg_status infer_channels(clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    const int64_t groups = attr_of(n)->n;
    const bool instance = n->op == &clg_op_instance_norm;
    CLG_TRY(clg_norm_check(n));
    if (x.ndim < (instance ? 3 : 2))
        return clg_fail_op(n, "wants [N, C, ...]%s", instance ? " with 1 or more axes of places" : "");
    if (!instance && (groups < 1 || x.dim[1] % groups))
        return clg_fail_op(n, "the %lld channels cannot be divided into %lld groups", (long long)x.dim[1],
                           (long long)groups);
    CLG_TRY(check_params(n, CLG_SHAPE(x.dim[1])));
    return set_out(n, 0, in_dtype(n, 0), x);
}

/* --- references --- */

/* x as rows that are normalised; element i of row r takes parameter (r % cycle) channels + i / inner. */
typedef struct layout {
    int64_t n, length, cycle, channels, inner;
} layout;

static layout layout_of(const clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    layout r = {0, 1, 1, 0, 1};
    if (by_trailing_axes(n->op)) {
        r.length = clg_shape_elems(trailing(n));
    } else {
        for (int i = 2; i < x.ndim; i++) r.inner *= x.dim[i];
        r.cycle = n->op == &clg_op_group_norm ? attr_of(n)->n : x.dim[1];
        r.channels = r.cycle ? x.dim[1] / r.cycle : 0;
        r.length = r.channels * r.inner;
    }
    r.n = r.length ? clg_shape_elems(x) / r.length : 0;
    return r;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const layout rows = layout_of(n);
    for (int64_t r = 0; r < rows.n; r++) {
        const double *x = in[0] + r * rows.length;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < rows.length && n->op != &clg_op_rms_norm; i++) mean += x[i] / (double)rows.length;
        for (int64_t i = 0; i < rows.length; i++) var += (x[i] - mean) * (x[i] - mean) / (double)rows.length;
        for (int64_t i = 0; i < rows.length; i++) {
            const int64_t k = r % rows.cycle * rows.channels + i / rows.inner;
            double y = (x[i] - mean) / sqrt(var + attr_of(n)->eps);
            if (n->n_in > 1) y *= in[1][k];
            if (n->n_in > 2) y += in[2][k];
            out[0][r * rows.length + i] = y;
        }
    }
}

/* --- expansions --- */

/* The mean over the groups of t, which has x's shape; broadcasts against it. */
static clg_tensor *mean_of(const clg_node *n, clg_tensor *t) {
    const clg_shape x = in_shape(n, 0);
    const unsigned all = (1u << x.ndim) - 1;
    if (by_trailing_axes(n->op)) return clg_mean(t, all & ~((1u << (x.ndim - attr_of(n)->n)) - 1));
    if (n->op == &clg_op_instance_norm) return clg_mean(t, all & ~3u);
    const int64_t groups = attr_of(n)->n, channels = x.dim[1] / groups;
    clg_shape each = x;
    for (int i = 2; i < x.ndim; i++) each.dim[i] = 1;
    clg_tensor *const parts = clg_reshape(t, CLG_SHAPE(x.dim[0], groups, channels, -1));
    clg_tensor *const m = clg_mean(parts, CLG_AXIS(2) | CLG_AXIS(3));
    return clg_reshape(clg_broadcast(m, CLG_SHAPE(x.dim[0], groups, channels, 1)), each);
}

static bool expand(const clg_node *n, clg_tensor **y) {
    clg_tensor *const x = clg_widen(n->in[0]);
    y[0] = n->in[0];
    if (in_elems(n, 0) == 0) return true;
    clg_tensor *const centred = n->op == &clg_op_rms_norm ? x : clg_sub(x, mean_of(n, x));
    clg_tensor *const r = clg_norm_rstd(mean_of(n, clg_square(centred)), attr_of(n)->eps);
    const clg_shape shape =
        by_trailing_axes(n->op) ? trailing(n) : clg_norm_channels(in_dim(n, 0, 1), in_shape(n, 0).ndim);
    y[0] = clg_cast(clg_norm_affine(n, clg_mul(centred, r), 1, shape), in_dtype(n, 0));
    return y[0] != NULL;
}

/* --- rows --- */

#define NORM_ROW(name_, max_in_, infer_, formula_, shapes_)                                                       \
    const clg_op clg_op_##name_ = {                                                                               \
        .name = #name_, .formula = formula_, .shapes = shapes_,                                                   \
        .gradient = "gx = (g - mean(g) - z mean(g z)) / sqrt(var + eps) with g = gy gamma, z = y before gamma and "   \
                    "beta; ggamma = sum of gy z, gbeta = sum of gy",                                              \
        .min_in = 1, .max_in = max_in_, .n_out = 1, .attr_size = sizeof(clg_norm_attr),                           \
        .infer = infer_, .ref = ref, .expand = expand,                                                            \
    }

NORM_ROW(layer_norm, 3, infer_trailing,
         "y = (x - mean) / sqrt(var + eps) gamma + beta; mean and var over the last axes D",
         "x [R...,D...], gamma [D...], beta [D...] -> [R...,D...]");
NORM_ROW(instance_norm, 3, infer_channels,
         "y = (x - mean) / sqrt(var + eps) gamma + beta; mean and var over S of each [n,c]",
         "x [N,C,S...], gamma [C], beta [C] -> [N,C,S...]");
NORM_ROW(group_norm, 3, infer_channels,
         "y = (x - mean) / sqrt(var + eps) gamma + beta; mean and var over S and the C / groups channels of a group",
         "x [N,C,S...], gamma [C], beta [C] -> [N,C,S...]");

const clg_op clg_op_rms_norm = {
    .name = "rms_norm",
    .formula = "y = x / r gamma, r = sqrt(mean of x^2 + eps) over the last axes D",
    .gradient = "gx = (g - z mean(g z)) / r with g = gy gamma, z = x / r; ggamma = sum of gy z",
    .shapes = "x [R...,D...], gamma [D...] -> [R...,D...]",
    .min_in = 1, .max_in = 2, .n_out = 1, .attr_size = sizeof(clg_norm_attr),
    .infer = infer_trailing, .ref = ref, .expand = expand,
};

/* --- builders --- */

static clg_tensor *build(const clg_op *op, clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int64_t n,
                         const clg_norm_params *p) {
    const clg_norm_attr a = {clg_norm_eps(p), n};
    if (!x) return NULL;
    return clg_node_build(op, &a, (clg_tensor *[]){x, clg_norm_gamma(gamma, beta), beta}, op->max_in);
}

clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int n_dims, const clg_norm_params *p) {
    return build(&clg_op_layer_norm, x, gamma, beta, n_dims, p);
}

clg_tensor *clg_rms_norm(clg_tensor *x, clg_tensor *gamma, int n_dims, const clg_norm_params *p) {
    return build(&clg_op_rms_norm, x, gamma, NULL, n_dims, p);
}

clg_tensor *clg_instance_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_params *p) {
    return build(&clg_op_instance_norm, x, gamma, beta, 0, p);
}

clg_tensor *clg_group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int64_t groups,
                           const clg_norm_params *p) {
    return build(&clg_op_group_norm, x, gamma, beta, groups, p);
}

/* Local response normalisation (Krizhevsky et al. 2012): the sum over neighbouring channels is an average pooling with
 * the channels as its first axis, so the composite has a fast kernel and its gradient. */
#include "ops/pool.h"
#include "ops/wide.h"
#include <math.h>

typedef struct lrn_attr {
    int64_t size;
    double  alpha, beta, k;
} lrn_attr;

static const lrn_attr *attr_of(const clg_node *n) { return n->attr; }

static clg_status infer(clg_node *n) {
    const lrn_attr *a = attr_of(n);
    if (in_shape(n, 0).ndim < 2) return clg_fail_op(n, "wants [N, C, ...]");
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point numbers; clg_cast() converts");
    if (a->size < 1 || a->size > INT32_MAX / 4)
        return clg_fail_op(n, "size is %lld; give the number of channels of a window", (long long)a->size);
    if (!(a->k > 0 && a->alpha >= 0 && isfinite(a->k) && isfinite(a->alpha) && isfinite(a->beta)))
        return clg_fail_op(n, "k is %g and alpha %g; k must be above 0, alpha not below", a->k, a->alpha);
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static int64_t plane_of(const clg_node *n) {
    int64_t plane = 1;
    for (int i = 2; i < in_shape(n, 0).ndim; i++) plane *= in_dim(n, 0, i);
    return plane;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const lrn_attr *a = attr_of(n);
    const int64_t channels = in_dim(n, 0, 1), plane = plane_of(n);
    for (int64_t i = 0; i < in_elems(n, 0); i++) {
        const int64_t c = i / plane % channels;
        double sum = 0;
        for (int64_t d = c - a->size / 2; d <= c + (a->size - 1) / 2; d++)
            if (d >= 0 && d < channels) sum += pow(in[0][i + (d - c) * plane], 2);
        out[0][i] = in[0][i] / pow(a->k + a->alpha * sum / (double)a->size, a->beta);
    }
}

static bool expand(const clg_node *n, clg_tensor **y) {
    const lrn_attr *a = attr_of(n);
    const clg_shape s = in_shape(n, 0);
    y[0] = n->in[0];
    if (in_elems(n, 0) == 0) return true;
    const clg_pool_attr pool = {.kernel = {1, a->size, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1},
        .pad = {0, a->size / 2, 0}, .pad_end = {0, (a->size - 1) / 2, 0}, .divide = CLG_POOL_BY_PADDED};
    clg_tensor *const x = clg_widen(n->in[0]);
    clg_tensor *const squares = clg_reshape(clg_square(x), CLG_SHAPE(s.dim[0], 1, s.dim[1], plane_of(n)));
    clg_tensor *const mean = clg_reshape(clg_node_build(&clg_op_avg_pool, &pool, &squares, 1), s);
    if (!mean) return false;
    clg_tensor *const base = clg_add(clg_scale(mean, a->alpha), clg_fill(n->graph, mean->dtype, CLG_SCALAR, a->k));
    clg_tensor *const power = clg_pow(base, clg_fill(n->graph, mean->dtype, CLG_SCALAR, a->beta));
    y[0] = clg_cast(clg_div(x, power), in_dtype(n, 0));
    return y[0] != NULL;
}

extern const clg_op clg_op_lrn;

const clg_op clg_op_lrn = {
    .name = "lrn",
    .formula = "y[n,c] = x[n,c] / b[n,c]^beta, b[n,c] = k + alpha / size sum of x[n,d]^2 over "
               "d = c - size / 2 .. c + (size - 1) / 2",
    .gradient = "gx[n,d] = gy[n,d] / b[n,d]^beta - 2 alpha beta / size x[n,d] sum of gy[n,c] y[n,c] / b[n,c] over "
                "the c whose window has d",
    .shapes = "x [N,C,S...] -> [N,C,S...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(lrn_attr),
    .infer = infer, .ref = ref, .expand = expand,
};

clg_tensor *clg_lrn(clg_tensor *x, const clg_lrn_params *p) {
    lrn_attr a = {0, 1e-4, 0.75, 1};
    if (!x) return NULL;
    if (p) a.size = p->size;
    if (p && p->alpha != 0) a.alpha = p->alpha;
    if (p && p->beta != 0) a.beta = p->beta;
    if (p && p->k != 0) a.k = p->k;
    return clg_node_build(&clg_op_lrn, &a, &x, 1);
}

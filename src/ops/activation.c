/* Activations beyond the rows of activation_rows.h: the derivatives of the longer ones, and composites of rows.
 *
 * Derivatives are computed at x kept within bounds where they have long reached their limits, 0 or 1, in f64 too: so a
 * factor x never meets a vanished other one as inf 0, and clg_clamp() carries NaN through. */
#include "ops/activation.h"
#include "graph/op.h"
#include <math.h>

static clg_tensor *number(const clg_tensor *like, double v) {
    return clg_fill(like->graph, like->dtype, CLG_SCALAR, v);
}

static clg_tensor *plus(clg_tensor *x, double v) { return x ? clg_add(x, number(x, v)) : NULL; }

clg_tensor *clg_hard_swish_slope(clg_tensor *x) {
    clg_tensor *const middle = plus(clg_scale(x, 1.0 / 3), 0.5);
    if (!middle) return NULL;
    return clg_where(clg_le(x, number(x, -3)), number(x, 0),
                     clg_where(clg_ge(x, number(x, 3)), number(x, 1), middle));
}

/* s (1 + x q), s = sigmoid(x), q = 1 - s = sigmoid(-x): computed apart, so that x does not blow up a rounded 1 - s. */
clg_tensor *clg_silu_slope(clg_tensor *x) {
    clg_tensor *const c = clg_clamp(x, -1024, 1024), *const q = clg_sigmoid(clg_neg(c));
    return clg_mul(clg_sigmoid(c), plus(clg_mul(c, q), 1));
}

/* With s and q as above, t = tanh(softplus(x)) = (1 - q^2) / (1 + q^2) = s (1 + q) / (1 + q^2), and so
 * t + x (1 - t^2) s = s (1 + q) / (1 + q^2) + 4 x s q^2 / (1 + q^2)^2. */
clg_tensor *clg_mish_slope(clg_tensor *x) {
    clg_tensor *const c = clg_clamp(x, -1024, 1024), *const s = clg_sigmoid(c), *const q = clg_sigmoid(clg_neg(c));
    clg_tensor *const square = clg_square(q), *const below = plus(square, 1), *const part = clg_div(s, below);
    return clg_mul(part, clg_add(plus(q, 1), clg_mul(clg_scale(c, 4), clg_div(square, below))));
}

/* Phi(x) + x phi(x) */
clg_tensor *clg_gelu_slope(clg_tensor *x) {
    clg_tensor *const c = clg_clamp(x, -64, 64);
    clg_tensor *const below = clg_scale(clg_erfc(clg_scale(c, -M_SQRT1_2)), 0.5);
    clg_tensor *const density = clg_scale(clg_exp(clg_scale(clg_square(c), -0.5)), 0.5 * M_2_SQRTPI * M_SQRT1_2);
    return clg_add(below, clg_mul(c, density));
}

/* s + x s q 2 u', s = sigmoid(2 u), q = sigmoid(-2 u) */
clg_tensor *clg_gelu_tanh_slope(clg_tensor *x) {
    const double two_root = M_2_SQRTPI * M_SQRT2, cubic = 0.044715; /* 2 sqrt(2 / pi) */
    clg_tensor *const c = clg_clamp(x, -64, 64), *const square = clg_square(c);
    clg_tensor *const u2 = clg_scale(clg_mul(c, plus(clg_scale(square, cubic), 1)), two_root);
    clg_tensor *const slope = clg_scale(plus(clg_scale(square, 3 * cubic), 1), two_root);
    clg_tensor *const rest = clg_mul(clg_mul(c, slope), clg_sigmoid(clg_neg(u2)));
    return clg_mul(clg_sigmoid(u2), plus(rest, 1));
}

/* --- composites --- */

static clg_status infer_real(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

/* Klambauer et al. 2017, arXiv 1706.02515, equation 14: mean 0 and variance 1 are a fixed point. */
static const double selu_lambda = 1.0507009873554804934, selu_alpha = 1.6732632423543772848;

static void selu_ref(const clg_node *n, const double *const *in, double *const *out) {
    const double *const x = in[0];
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++)
        out[0][i] = selu_lambda * (x[i] > 0 ? x[i] : selu_alpha * expm1(x[i]));
}

static bool selu_expand(const clg_node *n, clg_tensor **out) {
    out[0] = clg_scale(clg_elu(n->in[0], selu_alpha), selu_lambda);
    return out[0] != NULL;
}

const clg_op clg_op_selu = {
    .name = "selu", .formula = "y = l x if x > 0 else l alpha (exp(x) - 1), l = 1.0507..., alpha = 1.6732...",
    .gradient = "gx = l gy if x > 0 else l gy alpha exp(x)", .shapes = "x [S...] -> [S...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .infer = infer_real, .ref = selu_ref, .expand = selu_expand };

clg_tensor *clg_selu(clg_tensor *x) { return clg_node_build(&clg_op_selu, NULL, (clg_tensor *const[]){ x }, 1); }

/* Channels of x [N,C,S...]; 1 if it has no such axis. */
static int64_t channels(clg_shape x) { return x.ndim > 1 ? x.dim[1] : 1; }

static clg_status prelu_infer(clg_node *n) {
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "x and alpha differ in type; clg_cast() one of them");
    const clg_shape alpha = in_shape(n, 1);
    const int64_t c = channels(in_shape(n, 0)), have = in_elems(n, 1);
    if (alpha.ndim > 1 || (have != 1 && have != c))
        return clg_fail_op(n, "alpha must be one number, or one for each of the %lld channels of x [N,C,S...]",
                           (long long)c);
    return infer_real(n);
}

static void prelu_ref(const clg_node *n, const double *const *in, double *const *out) {
    const clg_shape s = in_shape(n, 0);
    const int64_t c = channels(s), slopes = in_elems(n, 1), elems = out_elems(n, 0);
    int64_t plane = 1;
    for (int d = 2; d < s.ndim; d++) plane *= s.dim[d];
    for (int64_t i = 0; i < elems; i++) {
        const double x = in[0][i], alpha = in[1][slopes == 1 ? 0 : i / plane % c];
        out[0][i] = x > 0 ? x : alpha * x;
    }
}

/* max(x, 0) + alpha min(x, 0): no mask, whose other side could be inf 0 in the gradient of alpha */
static bool prelu_expand(const clg_node *n, clg_tensor **out) {
    clg_tensor *const x = n->in[0], *alpha = n->in[1];
    clg_shape s = { x->shape.ndim > 2 ? x->shape.ndim - 1 : 1, { clg_shape_elems(alpha->shape), 1, 1, 1, 1 } };
    alpha = s.dim[0] == 1 ? clg_reshape(alpha, CLG_SCALAR) : clg_reshape(alpha, s);
    out[0] = clg_add(clg_relu(x), clg_mul(alpha, clg_minimum(x, number(x, 0))));
    return out[0] != NULL;
}

const clg_op clg_op_prelu = {
    .name = "prelu", .formula = "y = x if x > 0 else alpha x",
    .gradient = "gx = gy if x > 0, alpha gy if x < 0, alpha gy at 0; galpha = sum of gy min(x, 0) over all but C",
    .shapes = "x [N,C,S...], alpha [C] or [] -> [N,C,S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .infer = prelu_infer, .ref = prelu_ref, .expand = prelu_expand };

clg_tensor *clg_prelu(clg_tensor *x, clg_tensor *alpha) {
    return clg_node_build(&clg_op_prelu, NULL, (clg_tensor *const[]){ x, alpha }, 2);
}

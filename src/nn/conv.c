/* Layers of convolution: weight and bias beside clg_conv() and clg_conv_transpose(). */
#include "nn/layer.h"

/* What makes no layer. false: reported; with is the size that groups must divide. */
static bool check(const char *call, clg_tensor *x, const char *name, int axes, int64_t out, int64_t kernel,
                  int64_t groups, bool transposed) {
    const clg_shape s = clg_tensor_shape(x);
    const int64_t c = s.ndim > 1 ? s.dim[1] : 0;
    if ((axes ? s.ndim == axes + 2 : s.ndim >= 3 && s.ndim <= 5) && out > 0 && kernel > 0 && groups > 0 && c > 0 &&
        c % groups == 0 && (!transposed || out % groups == 0))
        return true;
    (void)clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE,
                         "%s(%s, \"%s\"): needs x [N, C, %s] with C %sa multiple of groups, out and kernel above 0: x "
                         "has %d axes, C is %lld, groups %lld, out %lld, kernel %lld",
                         call, clg_tensor_name(x), clg_layer_name(name),
                         axes == 1 ? "L" : axes == 2 ? "H, W" : axes == 3 ? "D, H, W" : "S...",
                         transposed ? "and out " : "", s.ndim, (long long)c, (long long)groups, (long long)out,
                         (long long)kernel);
    return false;
}

/* weight [first, second, kernel...] and bias [out] for x. */
static void params(clg_tensor *x, const char *name, int64_t first, int64_t second, int64_t kernel, int64_t out,
                   clg_tensor **w, clg_tensor **b) {
    const clg_dtype t = clg_tensor_dtype(x);
    clg_shape s = {clg_tensor_shape(x).ndim, {first, second}};
    for (int i = 2; i < s.ndim; i++) s.dim[i] = kernel;
    *w = clg_layer_param(x, name, "weight", t, s, clg_graph_init(clg_tensor_graph(x)));
    *b = clg_layer_param(x, name, "bias", t, CLG_SHAPE(out), CLG_INIT_ZERO);
}

static clg_tensor *conv(const char *call, clg_tensor *x, const char *name, int axes, int64_t out, int64_t kernel,
                        const clg_conv_params *p) {
    const int64_t groups = p && p->groups ? p->groups : 1;
    clg_tensor *w, *b;
    if (!x || !check(call, x, name, axes, out, kernel, groups, false)) return NULL;
    params(x, name, out, clg_tensor_shape(x).dim[1] / groups, kernel, out, &w, &b);
    return w && b ? clg_conv(x, w, b, p) : NULL;
}

clg_tensor *clg_nn_conv1d(clg_tensor *x, const char *name, int64_t out, int64_t kernel, const clg_conv_params *p) {
    return conv("nn_conv1d", x, name, 1, out, kernel, p);
}

clg_tensor *clg_nn_conv2d(clg_tensor *x, const char *name, int64_t out, int64_t kernel, const clg_conv_params *p) {
    return conv("nn_conv2d", x, name, 2, out, kernel, p);
}

clg_tensor *clg_nn_conv3d(clg_tensor *x, const char *name, int64_t out, int64_t kernel, const clg_conv_params *p) {
    return conv("nn_conv3d", x, name, 3, out, kernel, p);
}

clg_tensor *clg_nn_conv_transpose(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                  const clg_conv_transpose_params *p) {
    const int64_t groups = p && p->groups ? p->groups : 1;
    clg_tensor *w, *b;
    if (!x || !check("nn_conv_transpose", x, name, 0, out, kernel, groups, true)) return NULL;
    params(x, name, clg_tensor_shape(x).dim[1], out / groups, kernel, out, &w, &b);
    return w && b ? clg_conv_transpose(x, w, b, p) : NULL;
}

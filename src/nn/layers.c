/* Layers on the public builders: a layer is its params, by name, and one or two ops. */
#include <clgrad/nn.h>

#include <stdio.h>

/* "conv1.weight" into out; false if the name is missing or does not fit. */
static bool param_name(char *out, size_t size, const char *layer, const char *what) {
    if (!layer || !*layer) return false;
    const int n = snprintf(out, size, "%s.%s", layer, what);
    return n > 0 && (size_t)n < size;
}

/* The weight and the bias of a layer with `units` outputs; both NULL and the graph's error set on failure. */
static void layer_params(clg_tensor *x, const char *layer, clg_shape weight, clg_tensor **w, clg_tensor **b) {
    clg_graph *g = clg_tensor_graph(x);
    const clg_dtype t = clg_tensor_dtype(x);
    char wname[256], bname[256];
    *w = *b = NULL;
    if (!param_name(wname, sizeof wname, layer, "weight") || !param_name(bname, sizeof bname, layer, "bias")) {
        (void)clg_graph_fail(g, CLG_ERR_INVALID, "nn(%s): a layer needs a name of 1 to 240 characters",
                             layer ? layer : "NULL");
        return;
    }
    *w = clg_param(g, wname, t, weight, clg_graph_init(g));
    *b = clg_param(g, bname, t, CLG_SHAPE(weight.dim[0]), CLG_INIT_ZERO);
}

clg_tensor *clg_nn_linear(clg_tensor *x, const char *name, int64_t out) {
    if (!x) return NULL;
    const clg_shape s = clg_tensor_shape(x);
    if (s.ndim < 1 || out < 1 || s.dim[s.ndim - 1] < 1)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE,
                              "nn_linear(%s, \"%s\"): needs x of at least one axis with a last size above 0, and out "
                              "above 0: x has %d axes, out is %lld",
                              clg_tensor_name(x), name ? name : "NULL", s.ndim, (long long)out);
    clg_tensor *w, *b;
    layer_params(x, name, CLG_SHAPE(out, s.dim[s.ndim - 1]), &w, &b);
    if (s.ndim == 2) return clg_add(clg_matmul(x, clg_transpose(w)), b);
    /* All leading axes are one batch: a single matrix product. */
    clg_shape flat = {2, {1, s.dim[s.ndim - 1]}}, full = s;
    for (int i = 0; i < s.ndim - 1; i++) flat.dim[0] *= s.dim[i];
    full.dim[s.ndim - 1] = out;
    return clg_reshape(clg_add(clg_matmul(clg_reshape(x, flat), clg_transpose(w)), b), full);
}

clg_tensor *clg_nn_conv2d(clg_tensor *x, const char *name, int64_t out, int64_t kernel, const clg_conv_params *p) {
    if (!x) return NULL;
    const clg_shape s = clg_tensor_shape(x);
    const int64_t groups = p && p->groups ? p->groups : 1;
    if (s.ndim != 4 || out < 1 || kernel < 1 || groups < 1 || s.dim[1] < groups || s.dim[1] % groups)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE,
                              "nn_conv2d(%s, \"%s\"): needs x [N, C, H, W] with C a multiple of groups, out and kernel "
                              "above 0: x has %d axes, C is %lld, groups %lld, out %lld, kernel %lld",
                              clg_tensor_name(x), name ? name : "NULL", s.ndim,
                              (long long)(s.ndim > 1 ? s.dim[1] : 0), (long long)groups, (long long)out,
                              (long long)kernel);
    clg_tensor *w, *b;
    layer_params(x, name, CLG_SHAPE(out, s.dim[1] / groups, kernel, kernel), &w, &b);
    return clg_conv(x, w, b, p);
}

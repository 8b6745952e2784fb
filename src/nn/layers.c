/* Layers on the public builders: a layer is its params, by name, and one or two ops. Here: dense and embedding. */
#include "nn/layer.h"

#include <stdio.h>

/* "conv1.weight" into out; false, and the graph has an error, if the name is missing or does not fit. */
static bool full_name(char *out, size_t size, const clg_tensor *x, const char *layer, const char *what) {
    const int n = layer && *layer ? snprintf(out, size, "%s.%s", layer, what) : 0;
    if (n > 0 && (size_t)n < size) return true;
    (void)clg_graph_fail(clg_tensor_graph(x), CLG_ERR_INVALID, "nn(%s): a layer needs a name of 1 to 240 characters",
                         clg_layer_name(layer));
    return false;
}

clg_tensor *clg_layer_param(const clg_tensor *x, const char *layer, const char *what, clg_dtype type, clg_shape shape,
                            enum clg_init init) {
    char name[256];
    return full_name(name, sizeof name, x, layer, what) ? clg_param(clg_tensor_graph(x), name, type, shape, init)
                                                         : NULL;
}

clg_tensor *clg_layer_state(const clg_tensor *x, const char *layer, const char *what, clg_dtype type, clg_shape shape,
                            double value) {
    char name[256];
    return full_name(name, sizeof name, x, layer, what) ? clg_state(clg_tensor_graph(x), name, type, shape, value)
                                                         : NULL;
}

clg_tensor *clg_nn_linear(clg_tensor *x, const char *name, int64_t out) {
    if (!x) return NULL;
    const clg_shape s = clg_tensor_shape(x);
    const clg_dtype t = clg_tensor_dtype(x);
    if (s.ndim < 1 || out < 1 || s.dim[s.ndim - 1] < 1)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE,
                              "nn_linear(%s, \"%s\"): needs x of at least one axis with a last size above 0, and out "
                              "above 0: x has %d axes, out is %lld",
                              clg_tensor_name(x), clg_layer_name(name), s.ndim, (long long)out);
    clg_tensor *const w = clg_layer_param(x, name, "weight", t, CLG_SHAPE(out, s.dim[s.ndim - 1]),
                                          clg_graph_init(clg_tensor_graph(x)));
    clg_tensor *const b = clg_layer_param(x, name, "bias", t, CLG_SHAPE(out), CLG_INIT_ZERO);
    if (s.ndim == 2) return clg_add(clg_matmul(x, clg_transpose(w)), b);
    /* All leading axes are one batch: a single matrix product. */
    clg_shape flat = {2, {1, s.dim[s.ndim - 1]}}, full = s;
    for (int i = 0; i < s.ndim - 1; i++) flat.dim[0] *= s.dim[i];
    full.dim[s.ndim - 1] = out;
    return clg_reshape(clg_add(clg_matmul(clg_reshape(x, flat), clg_transpose(w)), b), full);
}

clg_tensor *clg_nn_embedding(clg_tensor *indices, const char *name, int64_t n, int64_t dim) {
    if (!indices) return NULL;
    if (n < 1 || dim < 1)
        return clg_graph_fail(clg_tensor_graph(indices), CLG_ERR_SHAPE,
                              "nn_embedding(%s, \"%s\"): needs n and dim above 0: n is %lld, dim %lld",
                              clg_tensor_name(indices), clg_layer_name(name), (long long)n, (long long)dim);
    return clg_embedding(clg_layer_param(indices, name, "weight", CLG_F32, CLG_SHAPE(n, dim),
                                         clg_graph_init(clg_tensor_graph(indices))), indices);
}

/* Layers of normalisation: gamma and beta, and for batch norm the running statistics, beside the ops of ops_norm.h. */
#include "nn/layer.h"

/* f16 and bf16 only store: parameters and statistics of such x are f32. */
static clg_dtype type_of(const clg_tensor *x) {
    const clg_dtype t = clg_tensor_dtype(x);
    return t == CLG_F16 || t == CLG_BF16 ? CLG_F32 : t;
}

static clg_tensor *gamma_of(const clg_tensor *x, const char *name, clg_shape s) {
    return clg_layer_param(x, name, "weight", type_of(x), s, CLG_INIT_ONE);
}

static clg_tensor *beta_of(const clg_tensor *x, const char *name, clg_shape s) {
    return clg_layer_param(x, name, "bias", type_of(x), s, CLG_INIT_ZERO);
}

/* A shape for the params of x, or false and an error: axes first .. first + n - 1 must be there. */
static bool take_axes(const char *call, clg_tensor *x, const char *name, int first, int n, clg_shape *out) {
    const clg_shape s = clg_tensor_shape(x);
    *out = (clg_shape){n, {0}};
    if (n < 1 || first < 0 || first + n > s.ndim) {
        (void)clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE, "%s(%s, \"%s\"): x has %d axes; %s", call,
                             clg_tensor_name(x), clg_layer_name(name), s.ndim,
                             first == 1 ? "needs [N, C, ...]" : "give a number of last axes from 1 to that");
        return false;
    }
    for (int i = 0; i < n; i++) out->dim[i] = s.dim[first + i];
    return true;
}

clg_tensor *clg_nn_batch_norm(clg_tensor *x, const char *name, const clg_norm_params *p) {
    clg_shape s;
    if (!x || !take_axes("nn_batch_norm", x, name, 1, 1, &s)) return NULL;
    clg_tensor *const gamma = gamma_of(x, name, s), *const beta = beta_of(x, name, s);
    clg_tensor *const mean = clg_layer_state(x, name, "running_mean", type_of(x), s, 0);
    clg_tensor *const var = clg_layer_state(x, name, "running_var", type_of(x), s, 1);
    return gamma && beta && mean && var ? clg_batch_norm(x, gamma, beta, mean, var, p) : NULL;
}

clg_tensor *clg_nn_instance_norm(clg_tensor *x, const char *name, const clg_norm_params *p) {
    clg_shape s;
    if (!x || !take_axes("nn_instance_norm", x, name, 1, 1, &s)) return NULL;
    clg_tensor *const gamma = gamma_of(x, name, s), *const beta = beta_of(x, name, s);
    return gamma && beta ? clg_instance_norm(x, gamma, beta, p) : NULL;
}

clg_tensor *clg_nn_group_norm(clg_tensor *x, const char *name, int64_t groups, const clg_norm_params *p) {
    clg_shape s;
    if (!x || !take_axes("nn_group_norm", x, name, 1, 1, &s)) return NULL;
    clg_tensor *const gamma = gamma_of(x, name, s), *const beta = beta_of(x, name, s);
    return gamma && beta ? clg_group_norm(x, gamma, beta, groups, p) : NULL;
}

clg_tensor *clg_nn_layer_norm(clg_tensor *x, const char *name, int n_dims, const clg_norm_params *p) {
    clg_shape s;
    if (!x || !take_axes("nn_layer_norm", x, name, clg_tensor_shape(x).ndim - n_dims, n_dims, &s)) return NULL;
    clg_tensor *const gamma = gamma_of(x, name, s), *const beta = beta_of(x, name, s);
    return gamma && beta ? clg_layer_norm(x, gamma, beta, n_dims, p) : NULL;
}

clg_tensor *clg_nn_rms_norm(clg_tensor *x, const char *name, int n_dims, const clg_norm_params *p) {
    clg_shape s;
    if (!x || !take_axes("nn_rms_norm", x, name, clg_tensor_shape(x).ndim - n_dims, n_dims, &s)) return NULL;
    clg_tensor *const gamma = gamma_of(x, name, s);
    return gamma ? clg_rms_norm(x, gamma, n_dims, p) : NULL;
}

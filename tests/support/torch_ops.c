/* See torch_ops.h. Each function reads the configuration of one of PyTorch's ops; a table names them. */
#include "support/torch_ops.h"

#include <stdio.h>
#include <string.h>

/* --- the configuration --- */

static clg_tensor *get(const torch_case *c, const char *name) {
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->name[i], name) == 0) return c->input[i];
    return NULL;
}
const char *torch_text(const torch_case *c, const char *key) {
    const char *t = json_string_value(json_object_get(c->config, key));
    return t ? t : "";
}
double torch_number(const torch_case *c, const char *key) { return json_number_value(json_object_get(c->config, key)); }

static bool truth(const torch_case *c, const char *key) { return json_is_true(json_object_get(c->config, key)); }
static bool has(const torch_case *c, const char *key) {
    const json_t *v = json_object_get(c->config, key);
    return v && !json_is_null(v);
}
static double number_or(const torch_case *c, const char *key, double other) {
    return has(c, key) ? torch_number(c, key) : other;
}
static bool is(const torch_case *c, const char *key, const char *text) { return strcmp(torch_text(c, key), text) == 0; }

/* A list, or one number for all; returns how many there are. */
static int numbers(const torch_case *c, const char *key, int64_t *out, int max) {
    const json_t *a = json_object_get(c->config, key);
    const int n = json_is_array(a) ? (int)json_array_size(a) : json_is_number(a) ? max : 0;
    for (int i = 0; i < n && i < max; i++)
        out[i] = (int64_t)json_number_value(json_is_array(a) ? json_array_get(a, (size_t)i) : a);
    return n <= max ? n : 0;
}
/* The axes of a list, or one axis; those below 0 count from the end. Returns how many; 0 if one is out of range. */
static int axes(const torch_case *c, const char *key, int ndim, int *out) {
    int64_t a[CLG_MAX_DIMS];
    const bool one = json_is_number(json_object_get(c->config, key));
    const int n = one ? 1 : numbers(c, key, a, CLG_MAX_DIMS);
    if (one) a[0] = (int64_t)torch_number(c, key);
    for (int i = 0; i < n; i++) {
        if (a[i] < -ndim || a[i] >= ndim) return 0;
        out[i] = (int)(a[i] < 0 ? a[i] + ndim : a[i]);
    }
    return n;
}

/* --- convolution and pooling --- */

static clg_tensor *conv(const torch_case *c) {
    clg_conv_params p = {.groups = (int64_t)torch_number(c, "groups"), .asymmetric = true};
    numbers(c, "stride", p.stride, CLG_MAX_SPATIAL);
    numbers(c, "dilation", p.dilation, CLG_MAX_SPATIAL);
    numbers(c, "pad_begin", p.pad, CLG_MAX_SPATIAL);
    numbers(c, "pad_end", p.pad_end, CLG_MAX_SPATIAL);
    return clg_conv(get(c, "x"), get(c, "w"), get(c, "b"), &p);
}
static clg_tensor *conv_t(const torch_case *c) {
    clg_conv_transpose_params p = {.groups = (int64_t)torch_number(c, "groups")};
    numbers(c, "stride", p.stride, CLG_MAX_SPATIAL);
    numbers(c, "dilation", p.dilation, CLG_MAX_SPATIAL);
    numbers(c, "pad", p.pad, CLG_MAX_SPATIAL);
    numbers(c, "output_padding", p.out_pad, CLG_MAX_SPATIAL);
    return clg_conv_transpose(get(c, "x"), get(c, "w"), get(c, "b"), &p);
}
static clg_tensor *pool(const torch_case *c) {
    clg_pool_params p = {.ceil_mode = truth(c, "ceil_mode"), .count_pad = truth(c, "count_include_pad")};
    numbers(c, "kernel", p.kernel, CLG_MAX_SPATIAL);
    numbers(c, "stride", p.stride, CLG_MAX_SPATIAL);
    numbers(c, "pad", p.pad, CLG_MAX_SPATIAL);
    numbers(c, "dilation", p.dilation, CLG_MAX_SPATIAL);
    return torch_text(c, "op")[0] == 'm' ? clg_max_pool(get(c, "x"), &p) : clg_avg_pool(get(c, "x"), &p);
}
static clg_tensor *global_pool(const torch_case *c) {
    return is(c, "mode", "max") ? clg_global_max_pool(get(c, "x")) : clg_global_avg_pool(get(c, "x"));
}

/* --- activations --- */

static const struct { const char *name; clg_tensor *(*f)(clg_tensor *); } plain[] = {
    {"relu", clg_relu}, {"relu6", clg_relu6}, {"sigmoid", clg_sigmoid}, {"tanh", clg_tanh}, {"gelu", clg_gelu},
    {"gelu_tanh", clg_gelu_tanh}, {"silu", clg_silu}, {"swish", clg_silu}, {"mish", clg_mish}, {"selu", clg_selu},
    {"softsign", clg_softsign}, {"hardsigmoid", clg_hard_sigmoid}, {"hard_sigmoid", clg_hard_sigmoid},
    {"hardswish", clg_hard_swish}, {"hard_swish", clg_hard_swish}, {"logsigmoid", clg_log_sigmoid},
    {"log_sigmoid", clg_log_sigmoid}, {"exp", clg_exp}, {"log", clg_log}, {"sqrt", clg_sqrt}, {"abs", clg_abs},
    {"square", clg_square}, {"sin", clg_sin}, {"cos", clg_cos},
};

static clg_tensor *activation(const torch_case *c, clg_tensor *x) {
    const char *name = torch_text(c, "act");
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strcmp(plain[i].name, name) == 0) return plain[i].f(x);
    if (strcmp(name, "leaky_relu") == 0) return clg_leaky_relu(x, number_or(c, "alpha", 0.01));
    if (strcmp(name, "elu") == 0) return clg_elu(x, number_or(c, "alpha", 1));
    if (strcmp(name, "softplus") == 0) return clg_softplus(x, number_or(c, "beta", 1));
    if (strcmp(name, "hardtanh") == 0 || strcmp(name, "hard_tanh") == 0)
        return clg_hard_tanh(x, number_or(c, "min_val", -1), number_or(c, "max_val", 1));
    if (strcmp(name, "threshold") == 0) return clg_threshold(x, torch_number(c, "threshold"), torch_number(c, "value"));
    return NULL;
}
static clg_tensor *act(const torch_case *c) { return activation(c, get(c, "x")); }
static clg_tensor *prelu(const torch_case *c) { return clg_prelu(get(c, "x"), get(c, "alpha")); }

/* --- softmax and losses --- */

static enum clg_reduction reduction(const torch_case *c) {
    if (is(c, "reduction", "none")) return CLG_REDUCE_NONE;
    if (is(c, "reduction", "batchmean")) return CLG_REDUCE_BATCH_MEAN;
    return is(c, "reduction", "sum") ? CLG_REDUCE_SUM : CLG_REDUCE_MEAN;
}
static clg_tensor *softmax(const torch_case *c) {
    const int axis = (int)torch_number(c, "axis");
    return truth(c, "log") ? clg_log_softmax(get(c, "x"), axis) : clg_softmax(get(c, "x"), axis);
}
/* torch's ignored target is -100 unless another is given. */
static clg_tensor *cross_entropy(const torch_case *c) {
    return clg_cross_entropy_with(get(c, "x"), get(c, "target"), get(c, "class_weight"), clg_cross_entropy_params(
        .reduction = reduction(c), .label_smoothing = torch_number(c, "label_smoothing"), .has_ignore = true,
        .ignore_index = (int64_t)number_or(c, "ignore_index", -100)));
}
static clg_tensor *loss(const torch_case *c) {
    clg_tensor *x = get(c, "x"), *y = get(c, "target");
    const clg_loss_params p = {reduction(c)};
    const double beta = number_or(c, "beta", 1);
    if (is(c, "loss", "mse")) return clg_mse(x, y, &p);
    if (is(c, "loss", "l1")) return clg_l1(x, y, &p);
    if (is(c, "loss", "huber")) return clg_huber(x, y, number_or(c, "delta", 1), &p);
    if (is(c, "loss", "smooth_l1")) return clg_scale(clg_huber(x, y, beta, &p), 1 / beta);
    if (is(c, "loss", "bce_logits")) return clg_bce_logits(x, y, get(c, "pos_weight"), &p);
    if (is(c, "loss", "hinge")) return clg_hinge(x, y, &p);
    if (is(c, "loss", "kl") || is(c, "loss", "kl_div")) return clg_kl_div(clg_log_softmax(x, 1), y, &p);
    if (is(c, "loss", "nll"))
        return clg_nll(clg_log_softmax(x, 1), y, get(c, "class_weight"),
                       clg_nll_params(.reduction = reduction(c), .has_ignore = true,
                                      .ignore_index = (int64_t)number_or(c, "ignore_index", -100)));
    return NULL;
}

/* --- normalisation --- */

static clg_tensor *norm(const torch_case *c) {
    clg_tensor *x = get(c, "x"), *gamma = get(c, "gamma"), *beta = get(c, "beta");
    const clg_norm_params p = {.eps = number_or(c, "eps", 1e-5), .momentum = number_or(c, "momentum", 0.1),
                               .frozen = !truth(c, "training")};
    if (is(c, "op", "batchnorm"))
        return clg_batch_norm(x, gamma, beta, get(c, "running_mean"), get(c, "running_var"), &p);
    if (is(c, "op", "layernorm")) return clg_layer_norm(x, gamma, beta, (int)torch_number(c, "normalized_dims"), &p);
    if (is(c, "op", "rmsnorm")) return clg_rms_norm(x, gamma, (int)torch_number(c, "normalized_dims"), &p);
    if (is(c, "op", "groupnorm")) return clg_group_norm(x, gamma, beta, (int64_t)torch_number(c, "groups"), &p);
    return clg_instance_norm(x, gamma, beta, &p);
}

/* --- arithmetic, reductions, shapes --- */

static clg_tensor *linear(const torch_case *c) {
    clg_tensor *y = clg_matmul(get(c, "x"), clg_transpose(get(c, "w")));
    return get(c, "b") ? clg_add(y, get(c, "b")) : y;
}
static clg_tensor *matmul(const torch_case *c) {
    clg_tensor *a = get(c, "a"), *b = get(c, "b");
    return clg_matmul(truth(c, "trans_a") ? clg_transpose(a) : a, truth(c, "trans_b") ? clg_transpose(b) : b);
}

static clg_tensor *binary(const torch_case *c) {
    static const struct { const char *name; clg_tensor *(*f)(clg_tensor *, clg_tensor *); } table[] = {
        {"add", clg_add}, {"sub", clg_sub}, {"mul", clg_mul}, {"div", clg_div}, {"pow", clg_pow}, {"max", clg_maximum},
        {"min", clg_minimum}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (is(c, "binary", table[i].name)) return table[i].f(get(c, "a"), get(c, "b"));
    return NULL;
}

static clg_tensor *reduced(const torch_case *c, clg_tensor *x, unsigned axes) {
    static const struct { const char *name; clg_tensor *(*f)(clg_tensor *, unsigned); } table[] = {
        {"sum", clg_sum}, {"mean", clg_mean}, {"max", clg_max}, {"min", clg_min}, {"prod", clg_prod},
        {"logsumexp", clg_logsumexp}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (is(c, "reduce", table[i].name)) return table[i].f(x, axes);
    if (is(c, "reduce", "var")) return clg_var(x, axes, truth(c, "unbiased"));
    if (is(c, "reduce", "std")) return clg_sqrt(clg_var(x, axes, truth(c, "unbiased")));
    return is(c, "reduce", "norm") ? clg_norm(x, axes, number_or(c, "p", 2)) : NULL;
}
static clg_tensor *reduce(const torch_case *c) {
    clg_tensor *x = get(c, "x");
    const clg_shape full = clg_tensor_shape(x);
    int axis[CLG_MAX_DIMS];
    unsigned mask = 0;
    for (int i = 0, n = axes(c, "axes", full.ndim, axis); i < n; i++) mask |= CLG_AXIS(axis[i]);
    if (!has(c, "axes")) mask = CLG_ALL;
    clg_tensor *y = mask ? reduced(c, x, mask) : NULL;
    clg_shape kept = {0, {0}};
    for (int i = 0; i < full.ndim; i++) {
        const bool is_reduced = mask >> i & 1;
        if (!is_reduced || truth(c, "keepdim")) kept.dim[kept.ndim++] = is_reduced ? 1 : full.dim[i];
    }
    return clg_reshape(y, kept);
}

static clg_tensor *transpose(const torch_case *c) {
    static const char *const keys[] = {"perm", "axes", "order", "dims"};
    int order[CLG_MAX_DIMS], a[CLG_MAX_DIMS];
    clg_tensor *x = get(c, "x");
    const int ndim = clg_tensor_shape(x).ndim;
    for (int i = 0; i < CLG_MAX_DIMS; i++) order[i] = i;
    for (int k = 0; k < 4; k++) {
        const int n = axes(c, keys[k], ndim, a);
        if (n == ndim) memcpy(order, a, sizeof order);
        if (n == 2 && ndim != 2) order[a[0]] = a[1], order[a[1]] = a[0]; /* two axes change places */
        if (n == ndim || n == 2) return clg_permute(x, order);
    }
    return clg_transpose(x);
}
static clg_tensor *slice(const torch_case *c) {
    static const char *const keys[3][4] = {
        {"begin", "start", "starts", "begins"}, {"end", "stop", "ends", "stops"},
        {"step", "steps", "stride", "strides"}};
    clg_tensor *y = get(c, "x");
    const clg_shape s = clg_tensor_shape(y);
    int64_t v[3][CLG_MAX_DIMS];
    for (int i = 0; i < CLG_MAX_DIMS; i++) v[0][i] = 0, v[1][i] = CLG_END, v[2][i] = 1;
    for (int j = 0; j < 3; j++)
        for (int k = 0; k < 4; k++) numbers(c, keys[j][k], v[j], CLG_MAX_DIMS);
    int axis = -1;
    if (has(c, "axis") && axes(c, "axis", s.ndim, &axis) != 1) return NULL;
    for (int i = 0; i < s.ndim; i++)
        if (axis < 0 || i == axis)
            y = clg_slice(y, i, v[0][i], v[1][i] == s.dim[i] ? CLG_END : v[1][i], v[2][i]);
    return y;
}
static clg_tensor *padded(const torch_case *c) {
    int64_t begin[CLG_MAX_DIMS] = {0}, end[CLG_MAX_DIMS] = {0};
    numbers(c, "pad_begin", begin, CLG_MAX_DIMS);
    numbers(c, "pad_end", end, CLG_MAX_DIMS);
    const enum clg_border border = is(c, "mode", "reflect")                               ? CLG_BORDER_REFLECT
                                 : is(c, "mode", "replicate") || is(c, "mode", "edge") ? CLG_BORDER_REPLICATE
                                                                                         : CLG_BORDER_CONSTANT;
    return clg_pad(get(c, "x"), begin, end, border, torch_number(c, "value"));
}
static clg_tensor *shape(const torch_case *c) {
    if (is(c, "shape_op", "concat"))
        return clg_concat(CLG_LIST(get(c, "x"), get(c, "x2")), (int)torch_number(c, "axis"));
    if (is(c, "shape_op", "transpose") || is(c, "shape_op", "permute")) return transpose(c);
    if (is(c, "shape_op", "slice")) return slice(c);
    return is(c, "shape_op", "pad") ? padded(c) : NULL;
}
static clg_tensor *upsample(const torch_case *c) {
    clg_upsample_params p = {.align_corners = truth(c, "align_corners")};
    const json_t *scale = json_object_get(c->config, "scale");
    for (int i = 0; i + 2 < clg_tensor_shape(get(c, "x")).ndim; i++)
        p.scale[i] = json_number_value(json_is_array(scale) ? json_array_get(scale, (size_t)i) : scale);
    return is(c, "mode", "nearest") ? clg_upsample_nearest(get(c, "x"), &p) : clg_upsample_bilinear(get(c, "x"), &p);
}

/* --- networks --- */

static clg_tensor *dense(const torch_case *c, clg_tensor *x, const char *w, const char *b) {
    return clg_add(clg_matmul(x, clg_transpose(get(c, w))), get(c, b));
}
static clg_tensor *lenet(const torch_case *c) {
    const bool relu = strncmp(torch_text(c, "variant"), "relu", 4) == 0;
    clg_tensor *(*f)(clg_tensor *) = relu ? clg_relu : clg_sigmoid;
    clg_tensor *(*p)(clg_tensor *, const clg_pool_params *) = relu ? clg_max_pool : clg_avg_pool;
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = p(f(clg_conv(get(c, "x"), get(c, "c1_w"), get(c, "c1_b"), clg_conv_params(.pad = {2, 2}))), &k2);
    h = clg_flatten(p(f(clg_conv(h, get(c, "c2_w"), get(c, "c2_b"), NULL)), &k2), 1);
    return dense(c, f(dense(c, f(dense(c, h, "f1_w", "f1_b")), "f2_w", "f2_b")), "f3_w", "f3_b");
}
static clg_tensor *mlp(const torch_case *c) {
    const int layers = (int)json_array_size(json_object_get(c->config, "dims")) - 1;
    clg_tensor *h = get(c, "x");
    for (int i = 0; i < layers; i++) {
        char w[16], b[16];
        snprintf(w, sizeof w, "w%d", i);
        snprintf(b, sizeof b, "b%d", i);
        h = dense(c, h, w, b);
        if (i + 1 < layers) h = activation(c, h);
    }
    return h;
}

static const struct { const char *op; clg_tensor *(*build)(const torch_case *); } known[] = {
    {"conv1d", conv}, {"conv2d", conv}, {"conv3d", conv}, {"conv1d_t", conv_t}, {"conv2d_t", conv_t},
    {"conv3d_t", conv_t}, {"maxpool1d", pool}, {"maxpool2d", pool}, {"maxpool3d", pool}, {"avgpool1d", pool},
    {"avgpool2d", pool}, {"avgpool3d", pool}, {"globalpool", global_pool}, {"act", act}, {"prelu", prelu},
    {"softmax", softmax}, {"softmax_ce", cross_entropy}, {"loss", loss}, {"batchnorm", norm}, {"layernorm", norm},
    {"rmsnorm", norm}, {"groupnorm", norm}, {"instancenorm", norm}, {"linear", linear}, {"matmul", matmul},
    {"binary", binary}, {"reduce", reduce}, {"shape", shape}, {"upsample", upsample}, {"lenet", lenet}, {"mlp", mlp},
};

static bool lists(const torch_case *c, const char *output) {
    const json_t *names = json_object_get(c->config, "outputs");
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), output) == 0) return true;
    return false;
}

bool torch_build(const torch_case *c, torch_outputs *out, const char **why) {
    *why = "no op has this name";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].op, torch_text(c, "op")) != 0) continue;
        *why = "an option is not known, or was refused";
        clg_tensor *t = known[i].build(c);
        const bool network = known[i].build == lenet || known[i].build == mlp;
        if (network) out->loss = clg_cross_entropy(t, get(c, "target"));
        else if (lists(c, "loss")) out->loss = t;
        out->y = t;
        return t != NULL;
    }
    return false;
}

/* torch adds weight decay to the gradient as a penalty in the loss does; AdamW's is decoupled. */
clg_tensor *torch_step(const torch_case *c, clg_tensor *p, clg_tensor *g) {
    const char *kind = torch_text(c, "optimizer");
    const bool decoupled = strcmp(kind, "adamw") == 0;
    const double decay = torch_number(c, "weight_decay");
    const json_t *betas = json_object_get(c->config, "betas");
    clg_tensor *loss = clg_sum(clg_mul(p, g), CLG_ALL);
    if (!decoupled && decay > 0) loss = clg_add(loss, clg_scale(clg_sum(clg_square(p), CLG_ALL), decay / 2));
    const clg_optim_params o = {
        .lr = torch_number(c, "lr"), .momentum = torch_number(c, "momentum"), .nesterov = strcmp(kind, "nesterov") == 0,
        .beta1 = json_number_value(json_array_get(betas, 0)), .beta2 = json_number_value(json_array_get(betas, 1)),
        .alpha = torch_number(c, "alpha"), .eps = torch_number(c, "eps"), .weight_decay = decoupled ? decay : 0,
        .decay_all = true};
    if (strncmp(kind, "adam", 4) == 0) return clg_adam(loss, &o);
    if (strcmp(kind, "rmsprop") == 0) return clg_rmsprop(loss, &o);
    if (strcmp(kind, "adagrad") == 0) return clg_adagrad(loss, &o);
    const bool sgd = strcmp(kind, "sgd") == 0 || strcmp(kind, "momentum") == 0 || o.nesterov;
    return sgd ? clg_sgd(loss, &o) : NULL;
}

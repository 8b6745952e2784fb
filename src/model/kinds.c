/* The kinds of layers: one row each, with the words of the text and the builder. */
#include "model/model.h"

#include <clgrad/nn.h>

#include <stdio.h>
#include <string.h>

/* What a layer wants of x, for its messages; NULL, so that a builder can return it. */
static clg_tensor *unfit(clg_tensor *x, const char *wants, const char *remedy) {
    const clg_shape s = clg_tensor_shape(x);
    clg_str is = {0};
    for (int i = 1; i < s.ndim; i++) clg_str_printf(&is, "%s%lld", i > 1 ? " " : "", (long long)s.dim[i]);
    (void)clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE, "wants %s, but each item here is [%s]; %s", wants,
                         clg_str_text(&is), remedy);
    clg_str_free(&is);
    return NULL;
}

static bool is_picture(clg_tensor *x) {
    const int n = clg_tensor_shape(x).ndim;
    if (n >= 3 && n <= 2 + CLG_MAX_SPATIAL) return true;
    (void)unfit(x, "channels and 1 to 3 axes, as [1 28 28]",
                n == 2 ? "bring rows of numbers into such a shape by a line reshape" : "these are too many axes");
    return false;
}

/* --- weights --- */

enum { CONV_OUT, CONV_KERNEL, CONV_STRIDE, CONV_PAD, CONV_DILATION, CONV_GROUPS, CONV_BIAS };

static clg_tensor *weight_of(clg_tensor *x, const char *layer, clg_shape s) {
    char name[128];
    snprintf(name, sizeof name, "%s.weight", layer);
    return clg_param(clg_tensor_graph(x), name, clg_tensor_dtype(x), s, clg_graph_init(clg_tensor_graph(x)));
}

/* Convolution without a bias, over 1 to 3 axes. */
static clg_tensor *conv_plain(clg_tensor *x, const char *name, int64_t out, int64_t kernel, const clg_conv_params *p) {
    const clg_shape s = clg_tensor_shape(x);
    const int64_t groups = p->groups ? p->groups : 1;
    clg_shape w = {s.ndim, {out, s.dim[1] / groups}};
    for (int i = 2; i < s.ndim; i++) w.dim[i] = kernel;
    return clg_conv(x, weight_of(x, name, w), NULL, p);
}

static clg_tensor *add_conv(const clg_layer *l, clg_tensor *x) {
    const int64_t out = (int64_t)l->value[CONV_OUT], kernel = (int64_t)l->value[CONV_KERNEL];
    clg_conv_params p = {.groups = (int64_t)l->value[CONV_GROUPS]};
    if (!is_picture(x)) return NULL;
    const clg_shape s = clg_tensor_shape(x);
    for (int i = 0; i < s.ndim - 2; i++) {
        p.stride[i] = (int64_t)l->value[CONV_STRIDE];
        p.pad[i] = (int64_t)l->value[CONV_PAD];
        p.dilation[i] = (int64_t)l->value[CONV_DILATION];
    }
    if (s.dim[1] % p.groups != 0 || out % p.groups != 0)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE, "groups=%lld must divide both the %lld channels that "
                              "come in and the %lld that go out", (long long)p.groups, (long long)s.dim[1],
                              (long long)out);
    if (l->value[CONV_BIAS] == 0) return conv_plain(x, l->name, out, kernel, &p);
    return s.ndim == 3 ? clg_nn_conv1d(x, l->name, out, kernel, &p)
         : s.ndim == 4 ? clg_nn_conv2d(x, l->name, out, kernel, &p)
                       : clg_nn_conv3d(x, l->name, out, kernel, &p);
}

enum { LINEAR_OUT, LINEAR_BIAS };

static clg_tensor *add_linear(const clg_layer *l, clg_tensor *x) {
    const int64_t out = (int64_t)l->value[LINEAR_OUT];
    const clg_shape s = clg_tensor_shape(x);
    if (s.ndim != 2) return unfit(x, "a row of numbers", "put a line flatten before it");
    if (l->value[LINEAR_BIAS] != 0) return clg_nn_linear(x, l->name, out);
    return clg_matmul(x, clg_transpose(weight_of(x, l->name, CLG_SHAPE(out, s.dim[1]))));
}

/* A basic block: two 3x3 convolutions with batch norm, added to what came in, which a 1x1 convolution fits where sizes
 * change. Source: He et al. 2015, arXiv 1512.03385, with projection shortcuts (option B). */
static clg_tensor *add_residual(const clg_layer *l, clg_tensor *x) {
    enum { OUT, STRIDE };
    const int64_t out = (int64_t)l->value[OUT], stride = (int64_t)l->value[STRIDE];
    clg_conv_params first = {.groups = 1}, second = {.groups = 1}, cut = {.groups = 1};
    char name[5][112];
    static const char *const part[5] = {"conv1", "bn1", "conv2", "bn2", "shortcut"};
    if (!is_picture(x)) return NULL;
    for (int i = 0; i < clg_tensor_shape(x).ndim - 2; i++) {
        first.stride[i] = cut.stride[i] = stride;
        first.pad[i] = second.pad[i] = 1;
    }
    for (int i = 0; i < 5; i++) snprintf(name[i], sizeof name[i], "%s.%s", l->name, part[i]);
    clg_tensor *h = clg_relu(clg_nn_batch_norm(conv_plain(x, name[0], out, 3, &first), name[1], NULL));
    h = clg_nn_batch_norm(conv_plain(h, name[2], out, 3, &second), name[3], NULL);
    if (stride != 1 || clg_tensor_shape(x).dim[1] != out) {
        char norm[128];
        snprintf(norm, sizeof norm, "%s_bn", name[4]);
        x = clg_nn_batch_norm(conv_plain(x, name[4], out, 1, &cut), norm, NULL);
    }
    return clg_relu(clg_add(h, x));
}

/* --- normalisation --- */

static clg_tensor *add_batch_norm(const clg_layer *l, clg_tensor *x) {
    return clg_nn_batch_norm(x, l->name, clg_norm_params(.momentum = l->value[0], .eps = l->value[1]));
}

static clg_tensor *add_layer_norm(const clg_layer *l, clg_tensor *x) {
    return clg_nn_layer_norm(x, l->name, clg_tensor_shape(x).ndim - 1, clg_norm_params(.eps = l->value[0]));
}

static clg_tensor *add_instance_norm(const clg_layer *l, clg_tensor *x) {
    return is_picture(x) ? clg_nn_instance_norm(x, l->name, clg_norm_params(.eps = l->value[0])) : NULL;
}

static clg_tensor *add_group_norm(const clg_layer *l, clg_tensor *x) {
    return clg_nn_group_norm(x, l->name, (int64_t)l->value[0], clg_norm_params(.eps = l->value[1]));
}

/* --- pooling --- */

static bool pool_params(const clg_layer *l, clg_tensor *x, clg_pool_params *p) {
    enum { KERNEL, STRIDE, PAD };
    *p = (clg_pool_params){{0}};
    if (!is_picture(x)) return false;
    for (int i = 0; i < clg_tensor_shape(x).ndim - 2; i++) {
        p->kernel[i] = (int64_t)l->value[KERNEL];
        p->stride[i] = (int64_t)l->value[STRIDE];
        p->pad[i] = (int64_t)l->value[PAD];
    }
    return true;
}

static clg_tensor *add_max_pool(const clg_layer *l, clg_tensor *x) {
    clg_pool_params p;
    return pool_params(l, x, &p) ? clg_max_pool(x, &p) : NULL;
}

static clg_tensor *add_avg_pool(const clg_layer *l, clg_tensor *x) {
    clg_pool_params p;
    return pool_params(l, x, &p) ? clg_avg_pool(x, &p) : NULL;
}

/* The planes become numbers, so a linear layer can follow. */
static clg_tensor *add_global_avg_pool(const clg_layer *l, clg_tensor *x) {
    return is_picture(x) ? clg_flatten(clg_global_avg_pool(x), 1) : NULL;
}

static clg_tensor *add_global_max_pool(const clg_layer *l, clg_tensor *x) {
    return is_picture(x) ? clg_flatten(clg_global_max_pool(x), 1) : NULL;
}

/* --- shapes and chance --- */

static clg_tensor *add_flatten(const clg_layer *l, clg_tensor *x) {
    return clg_tensor_shape(x).ndim == 2 ? x : clg_flatten(x, 1);
}

static clg_tensor *add_reshape(const clg_layer *l, clg_tensor *x) {
    const clg_shape from = clg_tensor_shape(x);
    clg_shape to = {1, {from.dim[0]}};
    double have = 1, want = 1;
    for (int i = 1; i < from.ndim; i++) have *= (double)from.dim[i];
    for (int i = 0; i < l->kind->word.n_args && l->value[i] > 0; i++) {
        to.dim[to.ndim++] = (int64_t)l->value[i];
        want *= l->value[i];
    }
    if (have != want)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_SHAPE, "that is a shape of %.0f numbers, but an item here "
                              "has %.0f", want, have);
    return clg_reshape(x, to);
}

static clg_tensor *add_dropout(const clg_layer *l, clg_tensor *x) { return clg_dropout(x, l->value[0]); }

static clg_tensor *add_dropout_channels(const clg_layer *l, clg_tensor *x) {
    return is_picture(x) ? clg_dropout_channels(x, l->value[0]) : NULL;
}

/* --- activations --- */

#define PLAIN(name) static clg_tensor *add_##name(const clg_layer *l, clg_tensor *x) { return clg_##name(x); }
PLAIN(relu) PLAIN(relu6) PLAIN(sigmoid) PLAIN(log_sigmoid) PLAIN(tanh) PLAIN(softsign) PLAIN(selu) PLAIN(gelu)
PLAIN(gelu_tanh) PLAIN(silu) PLAIN(mish) PLAIN(hard_sigmoid) PLAIN(hard_swish)
#undef PLAIN

static clg_tensor *add_leaky_relu(const clg_layer *l, clg_tensor *x) { return clg_leaky_relu(x, l->value[0]); }
static clg_tensor *add_elu(const clg_layer *l, clg_tensor *x) { return clg_elu(x, l->value[0]); }
static clg_tensor *add_softplus(const clg_layer *l, clg_tensor *x) { return clg_softplus(x, l->value[0]); }
static clg_tensor *add_hard_tanh(const clg_layer *l, clg_tensor *x) { return clg_hard_tanh(x, -1, 1); }

/* --- the table --- */

#define MOST 1000000 /* units or channels of a layer */

#define WHOLE(name, low, high, usual, what) {name, CLG_MODEL_WHOLE, false, low, high, usual, what}
#define NEEDED(name, high, what)            {name, CLG_MODEL_WHOLE, true, 1, high, 0, what}
#define REAL(name, low, high, usual, what)  {name, CLG_MODEL_REAL, false, low, high, usual, what}
#define BIAS {"bias=", CLG_MODEL_SWITCH, false, 0, 1, 1, "a number that is added to each output"}
#define EPS  REAL("eps=", 1e-12, 1, 1e-5, "added to the variance")
#define RATE {"P", CLG_MODEL_REAL, true, 0, 0.99, 0, "the probability"}

static const clg_model_arg conv_args[] = {
    NEEDED("CHANNELS", MOST, "planes that come out"), NEEDED("kernel=", 1000, "side of the filter"),
    WHOLE("stride=", 1, 1000, 1, "step of the filter"), WHOLE("pad=", 0, 1000, 0, "zeros added on each side"),
    WHOLE("dilation=", 1, 1000, 1, "distance of the filter's cells"),
    WHOLE("groups=", 1, MOST, 1, "parts of the channels that stay among themselves"), BIAS};
static const clg_model_arg linear_args[] = {
    {"OUTPUTS", CLG_MODEL_OUTPUTS, true, 1, MOST, 0,
     "numbers that come out; the word outputs: as many as the data has classes or target values"}, BIAS};
static const clg_model_arg residual_args[] = {NEEDED("CHANNELS", MOST, "planes that come out"),
                                              WHOLE("stride=", 1, 1000, 1, "step of the first convolution")};
static const clg_model_arg batch_norm_args[] = {
    REAL("momentum=", 1e-6, 1, 0.1, "share of the new batch in the running statistics"), EPS};
static const clg_model_arg eps_arg[] = {EPS};
static const clg_model_arg group_norm_args[] = {NEEDED("GROUPS", MOST, "groups of neighbouring channels"), EPS};
static const clg_model_arg pool_args[] = {
    NEEDED("KERNEL", 1000, "side of the window"), WHOLE("stride=", 1, 1000, 0, "step of the window; usual: as KERNEL"),
    WHOLE("pad=", 0, 1000, 0, "cells added on each side, which never count")};
static const clg_model_arg reshape_args[] = {
    NEEDED("SIZE", 1e9, "of the first axis"), WHOLE("SIZE2", 1, 1e9, 0, "of the second, if there is one"),
    WHOLE("SIZE3", 1, 1e9, 0, "of the third"), WHOLE("SIZE4", 1, 1e9, 0, "of the fourth")};
static const clg_model_arg rate_arg[] = {RATE};
static const clg_model_arg slope_arg[] = {REAL("slope=", 0, 1, 0.01, "where x < 0")};
static const clg_model_arg alpha_arg[] = {REAL("alpha=", 1e-6, 100, 1, "-alpha is the limit at -infinity")};
static const clg_model_arg beta_arg[] = {REAL("beta=", 1e-6, 1000, 1, "sharpness of the bend")};

#define ARGS(a) sizeof(a) / sizeof *(a), a
#define LAYER(name, names, args, what)   {{#name, what, names, false, ARGS(args)}, add_##name, false, false}
#define BARE(name, what)                 {{#name, what, NULL, false, 0, NULL}, add_##name, false, false}
#define BENDS(name, rectifies, what)     {{#name, what, NULL, false, 0, NULL}, add_##name, true, rectifies}
#define BENDS_BY(name, rectifies, args, what) {{#name, what, NULL, false, ARGS(args)}, add_##name, true, rectifies}

static const clg_kind kind[] = {
    LAYER(conv, "conv", conv_args, "convolution, 1-D, 2-D or 3-D by the item: [C S...] -> [CHANNELS S'...]"),
    LAYER(linear, "fc", linear_args, "x W^T + b: each output is connected to each input: [n] -> [OUTPUTS]"),
    LAYER(residual, "res", residual_args, "basic block of ResNet: two 3x3 convolutions with batch norm, added to their "
          "input"),
    LAYER(batch_norm, "bn", batch_norm_args, "each channel to mean 0 and variance 1 over the batch, then scaled and "
          "shifted by learned numbers"),
    LAYER(layer_norm, "ln", eps_arg, "each item to mean 0 and variance 1, then scaled and shifted"),
    LAYER(instance_norm, "in", eps_arg, "each channel of each item to mean 0 and variance 1, then scaled and shifted"),
    LAYER(group_norm, "gn", group_norm_args, "each group of channels of each item likewise"),
    LAYER(max_pool, NULL, pool_args, "the maximum of each window"),
    LAYER(avg_pool, NULL, pool_args, "the mean of each window"),
    BARE(global_max_pool, "the maximum of each plane: [C S...] -> [C]"),
    BARE(global_avg_pool, "the mean of each plane: [C S...] -> [C]"),
    BARE(flatten, "one row of all numbers of an item: [C H W] -> [C x H x W]"),
    LAYER(reshape, NULL, reshape_args, "the same numbers in another shape: [64], reshape 1 8 8 -> [1 8 8]"),
    LAYER(dropout, NULL, rate_arg, "in training, each number becomes 0 with probability P, the others grow by "
          "1 / (1 - P)"),
    LAYER(dropout_channels, NULL, rate_arg, "the same with whole planes"),
    BENDS(relu, true, "max(x, 0)"),
    BENDS_BY(leaky_relu, true, slope_arg, "x, or slope x where x < 0"),
    BENDS(relu6, true, "min(max(x, 0), 6)"),
    BENDS_BY(elu, true, alpha_arg, "x, or alpha (exp(x) - 1) where x < 0"),
    BENDS(selu, true, "scaled elu that keeps mean and variance"),
    BENDS(gelu, true, "x Phi(x)"),
    BENDS(gelu_tanh, true, "gelu by tanh, as in GPT-2"),
    BENDS(silu, true, "x sigmoid(x), also called swish"),
    BENDS(mish, true, "x tanh(softplus(x))"),
    BENDS(hard_swish, true, "x min(max(x + 3, 0), 6) / 6"),
    BENDS_BY(softplus, true, beta_arg, "log(1 + exp(beta x)) / beta"),
    BENDS(sigmoid, false, "1 / (1 + exp(-x))"),
    BENDS(log_sigmoid, false, "-log(1 + exp(-x))"),
    BENDS(hard_sigmoid, false, "min(max(x + 3, 0), 6) / 6"),
    BENDS(tanh, false, "tanh(x)"),
    BENDS(hard_tanh, false, "min(max(x, -1), 1)"),
    BENDS(softsign, false, "x / (1 + |x|)"),
};
enum { N_KINDS = sizeof kind / sizeof kind[0] };

const clg_kind *clg_kind_at(int i) {
    return i >= 0 && i < N_KINDS ? &kind[i] : NULL;
}

const clg_kind *clg_kind_find(const char *word) {
    for (int i = 0; i < N_KINDS; i++)
        if (strcmp(kind[i].word.word, word) == 0) return &kind[i];
    return NULL;
}

bool clg_arg_is_place(const clg_model_arg *a) {
    return a->name[strlen(a->name) - 1] != '=';
}

size_t clg_model_form(const clg_model_word *w, char *text, size_t size) {
    clg_str s = {0};
    clg_str_add(&s, w->word);
    for (int i = 0; i < w->n_args; i++) clg_str_printf(&s, w->arg[i].required ? " %s" : " [%s]", w->arg[i].name);
    if (w->names) clg_str_add(&s, " [name=]");
    const size_t n = s.size;
    if (size > 0) snprintf(text, size, "%s", clg_str_text(&s));
    clg_str_free(&s);
    return n;
}

const clg_model_word *clg_model_word_at(int i) {
    int settings = 0;
    while (clg_setting_at(settings)) settings++;
    if (i >= 0 && i < settings) return clg_setting_at(i);
    const clg_kind *k = clg_kind_at(i - settings);
    return i >= 0 && k ? &k->word : NULL;
}

/* See models.h. Sources: LeCun et al. 1998 (LeNet), He et al. 2016 (ResNet-18), Sandler et al. 2018 (MobileNetV2);
 * "cifar" is four 3x3 convolutions in the manner of VGG (Simonyan & Zisserman 2015) and one dense layer. */
#include "models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- small networks --- */

static clg_tensor *lenet(clg_tensor *x, clg_tensor *(*f)(clg_tensor *),
                         clg_tensor *(*pool)(clg_tensor *, const clg_pool_params *)) {
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = pool(f(clg_nn_conv2d(x, "conv1", 6, 5, clg_conv_params(.pad = {2, 2}))), &k2);
    h = clg_flatten(pool(f(clg_nn_conv2d(h, "conv2", 16, 5, NULL)), &k2), 1);
    return clg_nn_linear(f(clg_nn_linear(f(clg_nn_linear(h, "fc1", 120)), "fc2", 84)), "fc3", 10);
}
static clg_tensor *lenet_relu_max(clg_tensor *x, int64_t w) { return lenet(x, clg_relu, clg_max_pool); }
static clg_tensor *lenet_relu_avg(clg_tensor *x, int64_t w) { return lenet(x, clg_relu, clg_avg_pool); }
static clg_tensor *lenet_sigmoid_avg(clg_tensor *x, int64_t w) { return lenet(x, clg_sigmoid, clg_avg_pool); }

static clg_tensor *mlp(clg_tensor *x, int64_t width) {
    clg_tensor *h = clg_dropout(clg_relu(clg_nn_linear(clg_flatten(x, 1), "fc1", width)), 0.5);
    return clg_nn_linear(clg_dropout(clg_relu(clg_nn_linear(h, "fc2", width)), 0.5), "fc3", 10);
}
static clg_tensor *softmax(clg_tensor *x, int64_t w) { return clg_nn_linear(clg_flatten(x, 1), "fc", 10); }

static clg_tensor *cifar(clg_tensor *x, int64_t w) {
    const clg_conv_params p1 = {.pad = {1, 1}};
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "conv1", 32, 3, &p1));
    h = clg_max_pool(clg_relu(clg_nn_conv2d(h, "conv2", 32, 3, &p1)), &k2);
    h = clg_relu(clg_nn_conv2d(h, "conv3", 64, 3, &p1));
    h = clg_max_pool(clg_relu(clg_nn_conv2d(h, "conv4", 64, 3, &p1)), &k2);
    return clg_nn_linear(clg_flatten(h, 1), "fc", 10);
}

/* `width` channels, `depth` layers: what the scaling rows vary. */
static clg_tensor *plain(clg_tensor *x, int64_t width, int depth) {
    char name[16];
    clg_tensor *h = x;
    for (int i = 0; i < depth; i++) {
        snprintf(name, sizeof name, "conv%d", i + 1);
        h = clg_relu(clg_nn_conv2d(h, name, width, 3, clg_conv_params(.pad = {1, 1})));
    }
    return clg_nn_linear(clg_flatten(clg_global_avg_pool(h), 1), "fc", 10);
}
static clg_tensor *plain2(clg_tensor *x, int64_t width) { return plain(x, width, 2); }
static clg_tensor *plain4(clg_tensor *x, int64_t width) { return plain(x, width, 4); }
static clg_tensor *plain8(clg_tensor *x, int64_t width) { return plain(x, width, 8); }
static clg_tensor *plain16(clg_tensor *x, int64_t width) { return plain(x, width, 16); }

/* Two blocks in the manner of Inception (Szegedy et al. 2015): branches that could be computed side by side. */
static clg_tensor *branches(clg_tensor *x, int64_t width) {
    for (int block = 0; block < 2; block++) {
        clg_tensor *out[4];
        for (int b = 0; b < 4; b++) { /* 1x1; 1x1, 3x3; 1x1, 5x5; 1x1, 3x3, 3x3 */
            static const int kernel[4][3] = {{1}, {1, 3}, {1, 5}, {1, 3, 3}};
            out[b] = x;
            for (int i = 0; i < 3 && kernel[b][i]; i++) {
                char name[24];
                const int64_t k = kernel[b][i];
                snprintf(name, sizeof name, "block%d.%d.conv%d", block + 1, b + 1, i + 1);
                out[b] = clg_relu(clg_nn_conv2d(out[b], name, width, k, clg_conv_params(.pad = {k / 2, k / 2})));
            }
        }
        x = clg_concat(CLG_LIST(out[0], out[1], out[2], out[3]), 1);
    }
    return clg_nn_linear(clg_flatten(clg_global_avg_pool(x), 1), "fc", 10);
}

/* --- networks with batch norm --- */

enum activation { LINEAR, RELU, RELU6 };

/* Convolution without bias, batch norm, activation; padded so that only the stride changes the size. */
static clg_tensor *unit(clg_tensor *x, const char *block, const char *part, int64_t out, int64_t kernel, int64_t stride,
                        int64_t groups, enum activation a) {
    char weight[64], norm[64];
    snprintf(weight, sizeof weight, "%s.%s.weight", block, part);
    snprintf(norm, sizeof norm, "%s.%s.norm", block, part);
    const clg_shape s = clg_tensor_shape(x);
    const int64_t in = s.ndim == 4 ? s.dim[1] : groups;
    clg_tensor *w = clg_param(clg_tensor_graph(x), weight, CLG_F32, CLG_SHAPE(out, in / groups, kernel, kernel),
                              CLG_INIT_HE);
    const int64_t pad = kernel / 2;
    clg_tensor *h = clg_conv(x, w, NULL, clg_conv_params(.stride = {stride, stride}, .pad = {pad, pad},
                                                         .groups = groups));
    h = clg_nn_batch_norm(h, norm, NULL);
    return a == RELU ? clg_relu(h) : a == RELU6 ? clg_relu6(h) : h;
}

static clg_tensor *head(clg_tensor *x) { return clg_nn_linear(clg_flatten(clg_global_avg_pool(x), 1), "fc", 1000); }

static clg_tensor *basic_block(clg_tensor *x, int number, int64_t out, int64_t stride) {
    char block[32];
    snprintf(block, sizeof block, "block%d", number);
    clg_tensor *h = unit(x, block, "conv1", out, 3, stride, 1, RELU);
    h = unit(h, block, "conv2", out, 3, 1, 1, LINEAR);
    const bool same = stride == 1 && clg_tensor_shape(x).dim[1] == out;
    return clg_relu(clg_add(h, same ? x : unit(x, block, "short", out, 1, stride, 1, LINEAR)));
}

static clg_tensor *resnet18(clg_tensor *x, int64_t w) {
    clg_tensor *h = unit(x, "stem", "conv", 64, 7, 2, 1, RELU);
    h = clg_max_pool(h, clg_pool_params(.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}));
    for (int i = 0; i < 8; i++) h = basic_block(h, i + 1, 64 << i / 2, i % 2 == 0 && i > 0 ? 2 : 1);
    return head(h);
}

static clg_tensor *inverted_residual(clg_tensor *x, int number, int64_t out, int64_t stride, int64_t expand) {
    char block[32];
    snprintf(block, sizeof block, "block%d", number);
    const int64_t in = clg_tensor_shape(x).dim[1], hidden = in * expand;
    clg_tensor *h = expand == 1 ? x : unit(x, block, "expand", hidden, 1, 1, 1, RELU6);
    h = unit(h, block, "depth", hidden, 3, stride, hidden, RELU6);
    h = unit(h, block, "project", out, 1, 1, 1, LINEAR);
    return stride == 1 && in == out ? clg_add(x, h) : h;
}

static clg_tensor *mobilenetv2(clg_tensor *x, int64_t w) {
    static const int stage[][4] = { /* expansion, channels, blocks, stride of the first */
        {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    clg_tensor *h = unit(x, "stem", "conv", 32, 3, 2, 1, RELU6);
    for (int s = 0, number = 0; s < 7; s++)
        for (int i = 0; i < stage[s][2]; i++)
            h = inverted_residual(h, ++number, stage[s][1], i == 0 ? stage[s][3] : 1, stage[s][0]);
    return head(unit(h, "last", "conv", 1280, 1, 1, 1, RELU6));
}

/* --- the table --- */

static const bench_net models[] = {
    {"lenet-relu-max", {1, 28, 28}, 10, lenet_relu_max, 0},
    {"lenet-relu-avg", {1, 28, 28}, 10, lenet_relu_avg, 0},
    {"lenet-sigmoid-avg", {1, 28, 28}, 10, lenet_sigmoid_avg, 0},
    {"mlp", {1, 28, 28}, 10, mlp, 256},
    {"softmax", {1, 28, 28}, 10, softmax, 0},
    {"cifar", {3, 32, 32}, 10, cifar, 0},
    {"branches", {16, 16, 16}, 10, branches, 16},
    {"resnet18", {3, 224, 224}, 1000, resnet18, 0},
    {"mobilenetv2", {3, 224, 224}, 1000, mobilenetv2, 0},
    {"plain2", {32, 32, 32}, 10, plain2, 32},
    {"plain4", {32, 32, 32}, 10, plain4, 32},
    {"plain8", {32, 32, 32}, 10, plain8, 32},
    {"plain16", {32, 32, 32}, 10, plain16, 32},
};
enum { N_MODELS = sizeof models / sizeof models[0] };

const bench_net *bench_net_at(int i) { return i >= 0 && i < N_MODELS ? &models[i] : NULL; }

const bench_net *bench_net_find(const char *name) {
    for (int i = 0; i < N_MODELS; i++)
        if (strcmp(models[i].name, name) == 0) return &models[i];
    return NULL;
}

clg_status bench_net_fill(clg_plan *plan, clg_tensor *input, int64_t classes) {
    const size_t bytes = clg_tensor_bytes(input), n = bytes / 4;
    const bool real = clg_tensor_dtype(input) == CLG_F32;
    void *data = malloc(bytes ? bytes : 1);
    if (!data) return CLG_ERR_NOMEM;
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u; /* Numerical Recipes' generator: values only need to look irregular */
        if (real) ((float *)data)[i] = (float)(x >> 8) * 0x1p-23f - 1;
        else ((int32_t *)data)[i] = (int32_t)((x >> 8) % (uint32_t)classes);
    }
    const clg_status s = clg_write(plan, input, data, bytes);
    free(data);
    return s;
}

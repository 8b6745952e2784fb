/* Cases of matrix products and convolutions. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *turned(clg_tensor *x, bool t) { return t ? clg_transpose(x) : x; }

/* attr: "NT" and so on; a T means that the operand comes transposed. */
static clg_tensor *matmul(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const char *how = c->attr;
    return clg_matmul(turned(in[0], how[0] == 'T'), turned(in[1], how[1] == 'T'));
}
/* Two layers with bias and activation: what a fused epilogue and in-place updates must not change. */
static clg_tensor *layers(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *h = clg_tanh(clg_add(clg_matmul(in[0], clg_transpose(in[1])), in[2]));
    return clg_matmul(h, in[1]);
}

static clg_tensor *conv(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_conv(in[0], in[1], c->n_in > 2 ? in[2] : NULL, c->attr);
}
/* The gradients as ops of their own: inputs x, w, gy. */
static clg_tensor *conv_bwd_data(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(clg_conv(in[0], in[1], NULL, c->attr), in[2], (clg_list){1, &in[0]}, &gx);
    return gx;
}
static clg_tensor *conv_bwd_filter(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gw = NULL;
    clg_vjp(clg_conv(in[0], in[1], NULL, c->attr), in[2], (clg_list){1, &in[1]}, &gw);
    return gw;
}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}

#define M(how, terms, flags_, na, da, nb, db) \
    {.op = "matmul", .text = how, .build = matmul, .attr = how, .k = (terms) + 2, .flags = flags_, .n_in = 2, \
     .in = {{na, DIMS da}, {nb, DIMS db}}}
#define M4(m, n, k, flags) /* all four transposes of one product */                                        \
    M("NN", k, flags, 2, (m, k), 2, (k, n)), M("NT", k, flags, 2, (m, k), 2, (n, k)), \
    M("TN", k, flags, 2, (k, m), 2, (k, n)), M("TT", k, flags, 2, (k, m), 2, (n, k))

/* Convolution: x, w, y shapes and params; makes the case of the op and of both gradients. */
#define C(words, params, terms, flags_, n, dx, dw, dy)                                                          \
    {.op = "conv", .text = words, .build = conv, .attr = params, .k = (terms) + 2, .flags = flags_, .n_in = 2,       \
     .in = {{n, DIMS dx}, {n, DIMS dw}}},                                                                        \
    {.op = "conv_bwd_data", .text = words, .build = conv_bwd_data, .attr = params, .k = (terms) + 2, .flags = flags_,  \
     .n_in = 3, .in = {{n, DIMS dx}, {n, DIMS dw}, {n, DIMS dy}}},                                                 \
    {.op = "conv_bwd_filter", .text = words, .build = conv_bwd_filter, .attr = params, .k = 2 + (KY dy) / (dim0 dw), \
     .flags = flags_, .n_in = 3, .in = {{n, DIMS dx}, {n, DIMS dw}, {n, DIMS dy}}}
/* Terms of one filter gradient: N times the pixels of an output plane = (elements of y) / O. */
#define KY(...) PRODUCT(__VA_ARGS__, 1, 1, 1, 0)
#define PRODUCT(a, b, c, d, e, ...) ((a) * (b) * (c) * (d) * (e))
#define dim0(a, ...) (a)

#define PARAMS(name, ...) static const clg_conv_params name = {__VA_ARGS__}
PARAMS(s2, .stride = {2, 2});
PARAMS(s23p12, .stride = {2, 3}, .pad = {1, 2});
PARAMS(p1, .pad = {1, 1});
PARAMS(p2, .pad = {2, 2});
PARAMS(four_sides, .pad = {1, 0}, .pad_end = {2, 3}, .asymmetric = true);
PARAMS(d2p2, .dilation = {2, 2}, .pad = {2, 2});
PARAMS(g2p1, .groups = 2, .pad = {1, 1});
PARAMS(g3s2, .groups = 3, .stride = {2, 2}, .pad = {1, 1});
PARAMS(s2p3, .stride = {2, 2}, .pad = {3, 3});
PARAMS(c1, .stride = {2}, .pad = {1});
PARAMS(c1_ends, .pad = {2}, .pad_end = {0}, .asymmetric = true, .dilation = {2});
PARAMS(c3, .pad = {1, 0, 1}, .stride = {1, 2, 1});
PARAMS(s3, .stride = {3, 3});

const clg_case clg_cases_linear[] = {
    M4(1, 1, 1, E | G), M4(5, 7, 3, E | G), M4(64, 10, 84, E), M4(17, 33, 65, E), M4(4, 64, 16, E), M4(70, 130, 37, E),
    M4(21, 49, 33, E), M4(13, 196, 40, E), M4(26, 51, 18, E), /* columns left over behind whole vectors */
    M("NN", 5, E | G, 3, (3, 4, 5), 3, (3, 5, 6)), M("NN", 5, E | G, 3, (3, 4, 5), 2, (5, 6)),
    M("NT", 5, E | G, 4, (2, 1, 4, 5), 3, (3, 6, 5)), M("TN", 19, E, 3, (7, 19, 18), 3, (1, 19, 35)),
    /* nothing to sum is 0; sizes of 1; batches of which one side is stretched, in the middle too */
    M("TT", 0, E, 2, (0, 3), 2, (4, 0)), M("NT", 0, E, 3, (5, 17, 0), 2, (1, 0)),
    M("TN", 0, E, 2, (0, 1), 3, (2, 0, 19)),
    M("NN", 3, E, 3, (0, 2, 3), 2, (3, 4)), M("NN", 3, E, 2, (2, 3), 2, (3, 0)),
    M("NN", 2, E, 3, (1, 1, 2), 3, (3, 2, 1)),
    M("NT", 1, E | G, 3, (1, 1, 1), 4, (1, 1, 1, 1)), M("NN", 3, E, 4, (3, 1, 2, 3), 4, (1, 5, 3, 4)),
    M("NT", 3, E | G, 5, (2, 1, 3, 2, 3), 5, (1, 2, 1, 4, 3)), M("TN", 2, E, 4, (70, 1, 2, 3), 3, (3, 2, 5)),
    M("NN", 2, E, 4, (2, 1, 1, 2), 4, (1, 301, 2, 1)),
    M("NN", 0, E, 2, (3, 0), 2, (0, 4)), M("NN", 4, E, 2, (0, 4), 2, (4, 3)), M("NN", 1, E | G, 2, (6, 1), 2, (1, 9)),
    M("NN", 300, E, 2, (1, 300), 2, (300, 1)), M("NT", 400, E, 2, (64, 400), 2, (120, 400)),
    M("TN", 64, E, 2, (64, 120), 2, (64, 400)), M("NN", 120, E, 2, (64, 120), 2, (120, 400)),
    /* packed operands: last tiles, panels and blocks that are not full; with a batch, and with one side stretched */
    M("TN", 521, E, 2, (521, 505), 2, (521, 1030)), M("TT", 521, E, 2, (521, 505), 2, (1030, 521)),
    M("NT", 21, E, 2, (67, 21), 2, (1031, 21)), M4(259, 57, 117, E),
    M("NN", 70, E, 2, (515, 70), 2, (70, 1030)), M("NT", 33, E, 3, (3, 257, 33), 3, (3, 41, 33)),
    M("NT", 50, E, 3, (2, 260, 50), 3, (1, 67, 50)), M("TT", 35, E, 3, (2, 35, 20), 3, (2, 19, 35)),
    M("TN", 257, E, 3, (1, 257, 1021), 3, (2, 257, 1025)),
    {.op = "matmul", .text = "two layers", .build = layers, .k = 80, .flags = G | CLG_CASE_MIXED, .n_in = 3,
     .in = {{2, {6, 20}}, {2, {18, 20}}, {1, {18}}}},
    /* squares; the layers of an MLP and of LeNet; a wide layer; one row, which is bound by reading the weights */
    M4(256, 256, 256, E | B), M4(512, 512, 512, E | B), M4(1024, 1024, 1024, E | B), M4(2048, 2048, 2048, E | B),
    M4(64, 256, 784, E | B), M4(64, 784, 256, E | B), M4(64, 10, 256, E | B), M4(64, 400, 120, E | B),
    M4(64, 120, 400, E | B), M4(256, 1024, 1024, E | B), M4(1, 256, 784, E | B), M4(1, 120, 400, E | B),
    M4(1, 1000, 512, E | B),
    M("NN", 64, E | B, 3, (64, 64, 64), 3, (64, 64, 64)),

    C("k3", NULL, 27, E | G, 4, (2, 3, 6, 7), (4, 3, 3, 3), (2, 4, 4, 5)),
    C("k1", NULL, 5, E | G, 4, (2, 5, 4, 3), (3, 5, 1, 1), (2, 3, 4, 3)),
    C("k5 p2", &p2, 25, E, 4, (3, 1, 28, 28), (6, 1, 5, 5), (3, 6, 28, 28)),
    C("k5", NULL, 150, E, 4, (2, 6, 14, 14), (16, 6, 5, 5), (2, 16, 10, 10)),
    C("k3 s2", &s2, 18, E | G, 4, (1, 2, 9, 8), (3, 2, 3, 3), (1, 3, 4, 3)),
    C("k3x2 s2,3 p1,2", &s23p12, 18, E | G, 4, (2, 3, 7, 8), (2, 3, 3, 2), (2, 2, 4, 4)),
    C("k3 pads 1,0 and 2,3", &four_sides, 18, E | G, 4, (1, 2, 5, 4), (3, 2, 3, 3), (1, 3, 6, 5)),
    C("k3 d2 p2", &d2p2, 18, E | G, 4, (1, 2, 7, 6), (2, 2, 3, 3), (1, 2, 7, 6)),
    C("k3 p1 groups 2", &g2p1, 18, E | G, 4, (2, 4, 5, 5), (6, 2, 3, 3), (2, 6, 5, 5)),
    C("k3 s2 p1 depthwise", &g3s2, 9, E | G, 4, (2, 3, 7, 7), (3, 1, 3, 3), (2, 3, 4, 4)),
    C("k7 s2 p3", &s2p3, 147, E, 4, (1, 3, 23, 21), (5, 3, 7, 7), (1, 5, 12, 11)),
    C("k3 p1 wide", &p1, 153, E, 4, (1, 17, 9, 37), (19, 17, 3, 3), (1, 19, 9, 37)),
    C("k2 s3 gaps", &s3, 8, E | G, 4, (2, 2, 8, 7), (3, 2, 2, 2), (2, 3, 3, 2)),
    C("k=S", NULL, 60, E | G, 4, (3, 3, 4, 5), (2, 3, 4, 5), (3, 2, 1, 1)),
    C("1x1 everything", NULL, 1, E | G, 4, (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    C("batch 0", &p1, 18, E, 4, (0, 2, 5, 5), (3, 2, 3, 3), (0, 3, 5, 5)),
    C("1d k3 s2 p1", &c1, 12, E | G, 3, (2, 4, 9), (3, 4, 3), (2, 3, 5)),
    C("1d k3 d2 p2,0", &c1_ends, 6, E | G, 3, (1, 2, 8), (2, 2, 3), (1, 2, 6)),
    C("3d k2,3,2 p1,0,1 s1,2,1", &c3, 24, E | G, 5, (1, 2, 3, 5, 4), (2, 2, 2, 3, 2), (1, 2, 4, 2, 5)),
    {.op = "conv", .text = "bias k3 p1", .build = conv, .attr = &p1, .k = 30, .flags = E | G, .n_in = 3,
     .in = {{4, {2, 3, 5, 6}}, {4, {4, 3, 3, 3}}, {1, {4}}}},
    {.op = "conv", .text = "bias k5 p2", .build = conv, .attr = &p2, .k = 30, .flags = E | CLG_CASE_MIXED, .n_in = 3,
     .in = {{4, {2, 1, 28, 28}}, {4, {6, 1, 5, 5}}, {1, {6}}}},
    C("LeNet 1", &p2, 25, E | B, 4, (64, 1, 28, 28), (6, 1, 5, 5), (64, 6, 28, 28)),
    C("LeNet 2", NULL, 150, E | B, 4, (64, 6, 14, 14), (16, 6, 5, 5), (64, 16, 10, 10)),
    C("64-64 k3", &p1, 576, E | B, 4, (16, 64, 56, 56), (64, 64, 3, 3), (16, 64, 56, 56)),
    {.op = NULL},
};

/* --- mistakes --- */

BAD(matmul, clg_matmul(X(2, 3), W(4, 5)))
BAD(matmul_batch, clg_matmul(X(2, 2, 3), W(3, 3, 5)))
BAD(matmul_rank, clg_matmul(X(3), W(3, 5)))
BAD(conv_channels, clg_conv(X(1, 3, 8, 8), W(4, 2, 3, 3), NULL, NULL))
BAD(conv_rank, clg_conv(X(1, 3, 8, 8), W(4, 3, 3), NULL, NULL))
BAD(conv_too_small, clg_conv(X(1, 3, 2, 2), W(4, 3, 3, 3), NULL, NULL))
BAD(conv_bias, clg_conv(X(1, 3, 8, 8), W(4, 3, 3, 3), V(3), NULL))
BAD(conv_groups, clg_conv(X(1, 4, 8, 8), W(3, 2, 3, 3), NULL, clg_conv_params(.groups = 2)))

const clg_bad_case clg_bad_linear[] = {
    {"matmul", bad_matmul, {"matmul", "f32[2,3]", "f32[4,5]"}},
    {"matmul", bad_matmul_batch, {"matmul", "f32[2,2,3]", "f32[3,3,5]"}},
    {"matmul", bad_matmul_rank, {"matmul", "f32[3]", "f32[3,5]"}},
    {"conv", bad_conv_channels, {"conv", "f32[1,3,8,8]", "f32[4,2,3,3]"}},
    {"conv", bad_conv_rank, {"conv", "f32[1,3,8,8]", "f32[4,3,3]"}},
    {"conv", bad_conv_too_small, {"conv", "f32[1,3,2,2]", "f32[4,3,3,3]"}},
    {"conv", bad_conv_bias, {"conv", "f32[4,3,3,3]", "f32[3]"}},
    {"conv", bad_conv_groups, {"conv", "f32[1,4,8,8]", "f32[3,2,3,3]"}},
    {.op = NULL},
};

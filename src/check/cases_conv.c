/* Cases of convolution beyond its kernels: modes, flipped, one tap, transposed, im2col. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *bias_of(const clg_case *c, clg_tensor *const *in) { return c->n_in > 2 ? in[2] : NULL; }

static clg_tensor *conv(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_conv(in[0], in[1], bias_of(c, in), c->attr);
}
/* An elementwise chain that may run in the tail of the kernel. */
static clg_tensor *conv_relu(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *y = conv(c, g, in);
    return clg_add(clg_relu(y), clg_neg(y));
}
static clg_tensor *transposed(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_conv_transpose(in[0], in[1], bias_of(c, in), c->attr);
}

/* Gradient of operand `of` of y, for the last input. */
static clg_tensor *gradient(const clg_case *c, clg_tensor *y, clg_tensor *const *in, int of) {
    clg_tensor *gx = NULL;
    clg_vjp(y, in[c->n_in - 1], (clg_list){1, &in[of]}, &gx);
    return gx;
}
static clg_tensor *conv_gx(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return gradient(c, clg_conv(in[0], in[1], NULL, c->attr), in, 0);
}
static clg_tensor *conv_gw(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return gradient(c, clg_conv(in[0], in[1], NULL, c->attr), in, 1);
}
static clg_tensor *transposed_gx(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return gradient(c, clg_conv_transpose(in[0], in[1], NULL, c->attr), in, 0);
}
static clg_tensor *transposed_gw(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return gradient(c, clg_conv_transpose(in[0], in[1], NULL, c->attr), in, 1);
}

static clg_tensor *im2col(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_im2col(in[0], c->attr); }

typedef struct images {
    clg_shape size;
    clg_im2col_params p;
} images;

static clg_tensor *col2im(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const images *a = c->attr;
    return clg_col2im(in[0], a->size, &a->p);
}
/* What a convolution is made of: w im2col(x), then the way back. */
static clg_tensor *there_and_back(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const images *a = c->attr;
    return clg_col2im(clg_mul(clg_im2col(in[0], &a->p), in[1]), a->size, &a->p);
}

/* Columns in memory that held others before, without zeros where these have theirs. */
static clg_tensor *used_memory(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const images *a = c->attr;
    clg_tensor *first = clg_col2im(clg_im2col(in[0], &a->p), a->size, &a->p);
    return clg_mul(clg_im2col(first, clg_im2col_params(.kernel = {3, 2}, .pad = {2, 1})), in[1]);
}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
#define PARAMS(name, ...) static const clg_conv_params name = {__VA_ARGS__}
#define UPWARDS(name, ...) static const clg_conv_transpose_params name = {__VA_ARGS__}
#define WINDOW(name, ...) static const clg_im2col_params name = {__VA_ARGS__}
#define IMAGES(name, s, ...) static const images name = {s, {__VA_ARGS__}}

PARAMS(valid, .mode = CLG_PAD_VALID);
PARAMS(same, .mode = CLG_PAD_SAME);
PARAMS(same_s2, .mode = CLG_PAD_SAME, .stride = {2, 2, 2});
PARAMS(same_s4, .mode = CLG_PAD_SAME, .stride = {4, 1});
PARAMS(same_d3, .mode = CLG_PAD_SAME, .dilation = {3, 2});
PARAMS(full, .mode = CLG_PAD_FULL);
PARAMS(full_s2d2, .mode = CLG_PAD_FULL, .stride = {2, 1}, .dilation = {1, 2});
PARAMS(depthwise, .groups = 6, .mode = CLG_PAD_SAME, .dilation = {2, 2});
PARAMS(depthwise3, .groups = 3, .pad = {1, 0, 1}, .pad_end = {0, 1, 1}, .asymmetric = true);
PARAMS(depthwise1, .groups = 5, .stride = {3}, .pad = {2});
PARAMS(dw_p1, .groups = 3, .pad = {1, 1});
PARAMS(dw_p2, .groups = 3, .pad = {2, 2});
PARAMS(dw_s2p1, .groups = 3, .stride = {2, 2}, .pad = {1, 1});
PARAMS(dw_s2p2, .groups = 3, .stride = {2, 2}, .pad = {2, 2});
PARAMS(dw_s2_sides, .groups = 3, .stride = {2, 2}, .pad = {0, 1}, .pad_end = {1, 2}, .asymmetric = true);
PARAMS(dw_d2, .groups = 3, .pad = {2, 1}, .dilation = {2, 2});
PARAMS(dw_1d, .groups = 3, .stride = {2});
PARAMS(dw_p3, .groups = 2, .pad = {3, 3});
PARAMS(dw_s2p3, .groups = 2, .stride = {2, 2}, .pad = {3, 3});
PARAMS(dw_p4, .groups = 2, .pad = {2, 4});
PARAMS(s2p2, .stride = {2, 2}, .pad = {2, 2});
PARAMS(s3s2, .stride = {3, 2});
PARAMS(s2_only, .stride = {2, 2});
PARAMS(s2_end, .stride = {2, 2}, .pad_end = {1, 1}, .asymmetric = true);
PARAMS(g2p1, .groups = 2, .pad = {1, 1});
PARAMS(sides_d2, .pad = {1, 0}, .pad_end = {0, 2}, .asymmetric = true, .dilation = {2, 1});
PARAMS(rows_1, .pad = {1, 1});
PARAMS(flipped, .flip = true);
PARAMS(flipped_p21, .flip = true, .pad = {2, 1}, .stride = {1, 2});
PARAMS(flipped_sides, .flip = true, .pad = {1, 0}, .pad_end = {0, 2}, .asymmetric = true, .dilation = {2, 1});
PARAMS(flipped_same, .flip = true, .mode = CLG_PAD_SAME);
PARAMS(flipped_full, .flip = true, .mode = CLG_PAD_FULL);
PARAMS(flipped_groups, .flip = true, .groups = 2, .mode = CLG_PAD_SAME, .stride = {2, 2});
PARAMS(flipped_depthwise, .flip = true, .groups = 3, .pad = {1, 1});
PARAMS(s2, .stride = {2, 2});
PARAMS(p1, .pad = {1, 1});
PARAMS(s2p1, .stride = {2, 2}, .pad = {1, 1});
PARAMS(s2p3, .stride = {2, 2}, .pad = {3, 3});
PARAMS(dw128, .groups = 128, .pad = {1, 1});
PARAMS(dw144, .groups = 144, .pad = {1, 1});
PARAMS(dw96_s2, .groups = 96, .stride = {2, 2}, .pad = {1, 1});

UPWARDS(t_s2, .stride = {2, 2, 2});
UPWARDS(t_s2p1, .stride = {2, 2}, .pad = {1, 1});
UPWARDS(t_s2p1o1, .stride = {2, 2}, .pad = {1, 1}, .out_pad = {1, 1});
UPWARDS(t_s3p12o21, .stride = {3, 2}, .pad = {1, 2}, .out_pad = {2, 1});
UPWARDS(t_groups, .stride = {2, 1}, .pad = {1, 1}, .groups = 2);
UPWARDS(t_depthwise, .stride = {2, 2}, .pad = {1, 1}, .out_pad = {1, 1}, .groups = 3);
UPWARDS(t_d3o2, .dilation = {3, 3}, .out_pad = {2, 1}); /* output padding above the stride */
UPWARDS(t_s2d3, .stride = {2, 2}, .dilation = {3, 1}, .pad = {2, 0}, .pad_end = {1, 2}, .out_pad = {2, 1},
        .asymmetric = true);
UPWARDS(t1, .stride = {3}, .pad = {1}, .out_pad = {2});
UPWARDS(t3, .stride = {2, 1, 2}, .pad = {1, 0, 1}, .out_pad = {1, 0, 0}, .dilation = {1, 2, 1});

WINDOW(w3, .kernel = {3, 3});
WINDOW(w1, .kernel = {1, 1});
WINDOW(w32_s2, .kernel = {3, 2}, .stride = {2, 3}, .pad = {1, 2}, .dilation = {2, 1});
WINDOW(w_sides, .kernel = {2, 3}, .pad = {1, 0}, .pad_end = {2, 3}, .asymmetric = true);
WINDOW(w_same, .kernel = {4, 2}, .mode = CLG_PAD_SAME);
WINDOW(w_1d, .kernel = {5}, .stride = {2}, .pad = {2});
WINDOW(w_3d, .kernel = {2, 3, 2}, .stride = {1, 2, 1}, .pad = {1, 0, 1}, .dilation = {1, 1, 2});
WINDOW(w_far, .kernel = {2, 2}, .stride = {5, 7}, .pad = {6, 9}); /* windows wholly in the padding */

IMAGES(i3, CLG_SHAPE(6, 7), .kernel = {3, 3});
IMAGES(i1, CLG_SHAPE(4, 5), .kernel = {1, 1});
IMAGES(i32_s2, CLG_SHAPE(9, 8), .kernel = {3, 2}, .stride = {2, 3}, .pad = {1, 2}, .dilation = {2, 1});
IMAGES(i_sides, CLG_SHAPE(5, 19), .kernel = {2, 3}, .pad = {1, 0}, .pad_end = {2, 3}, .asymmetric = true);
IMAGES(i_same, CLG_SHAPE(5, 6), .kernel = {4, 2}, .mode = CLG_PAD_SAME);
IMAGES(i_1d, CLG_SHAPE(11), .kernel = {5}, .stride = {2}, .pad = {2});
IMAGES(i_3d, CLG_SHAPE(3, 5, 4), .kernel = {2, 3, 2}, .stride = {1, 2, 1}, .pad = {1, 0, 1}, .dilation = {1, 1, 2});
IMAGES(i_tiles, CLG_SHAPE(6, 8), .kernel = {3, 2}, .stride = {3, 2});
IMAGES(i_gaps, CLG_SHAPE(8, 9), .kernel = {2, 2}, .stride = {3, 4});
IMAGES(i_wide, CLG_SHAPE(17, 37), .kernel = {3, 3}, .pad = {1, 1});

/* x and w, or x, w and gy. */
#define OF2(row, words, how, params, terms, flags_, n, dx, dw)                                              \
    {.op = row, .text = words, .build = how, .attr = params, .k = (terms) + 2, .flags = flags_, .n_in = 2,  \
     .in = {{n, DIMS dx}, {n, DIMS dw}}}
#define OF3(row, words, how, params, terms, flags_, n, dx, dw, dy)                                          \
    {.op = row, .text = words, .build = how, .attr = params, .k = (terms) + 2, .flags = flags_, .n_in = 3,  \
     .in = {{n, DIMS dx}, {n, DIMS dw}, {n, DIMS dy}}}
#define BIAS(row, words, how, params, terms, flags_, n, dx, dw, o)                                          \
    {.op = row, .text = words, .build = how, .attr = params, .k = (terms) + 3, .flags = flags_, .n_in = 3,  \
     .in = {{n, DIMS dx}, {n, DIMS dw}, {1, {o}}}}

/* terms: of an element of y, of gx, of gw. */
#define C(words, params, ty, tx, tw, flags, n, dx, dw, dy)                        \
    OF2("conv", words, conv, params, ty, flags, n, dx, dw),                        \
    OF3("conv_bwd_data", words, conv_gx, params, tx, flags, n, dx, dw, dy),        \
    OF3("conv_bwd_filter", words, conv_gw, params, tw, flags, n, dx, dw, dy)
#define F(words, params, ty, tx, tw, flags, n, dx, dw, dy)                         \
    OF2("convolve", words, conv, params, ty, flags, n, dx, dw),                    \
    OF3("convolve", words " gx", conv_gx, params, tx, flags, n, dx, dw, dy),       \
    OF3("convolve", words " gw", conv_gw, params, tw, flags, n, dx, dw, dy)
/* For the benchmark: n square images of c channels and side s, o filters of c / groups channels and side k, output side
 * q. */
#define BENCH(words, params, n, c, s, o, groups, k, q)                                                    \
    C(words, params, (c) / (groups) * (k) * (k), (o) / (groups) * (k) * (k), (n) * (q) * (q), E | B, 4,   \
      (n, c, s, s), (o, (c) / (groups), k, k), (n, o, q, q))
#define U(words, params, ty, tx, tw, flags, n, dx, dw, dy)                         \
    OF2("conv_transpose", words, transposed, params, ty, flags, n, dx, dw),        \
    OF3("conv_transpose", words " gx", transposed_gx, params, tx, flags, n, dx, dw, dy), \
    OF3("conv_transpose", words " gw", transposed_gw, params, tw, flags, n, dx, dw, dy)
#define COL(words, params, flags_, n, dx) \
    {.op = "im2col", .text = words, .build = im2col, .attr = params, .k = 0, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dx}}}
#define IMG(words, params, taps, flags_, dx) \
    {.op = "col2im", .text = words, .build = col2im, .attr = params, .k = taps, .flags = flags_, .n_in = 1, \
     .in = {{3, DIMS dx}}}

const clg_case clg_cases_conv[] = {
    C("k3 valid", &valid, 18, 27, 20, E, 4, (1, 2, 7, 6), (3, 2, 3, 3), (1, 3, 5, 4)),
    C("k2x4 same", &same, 16, 24, 30, E | G, 4, (1, 2, 5, 6), (3, 2, 2, 4), (1, 3, 5, 6)),
    C("k3 same s2", &same_s2, 18, 18, 12, E | G, 4, (1, 2, 5, 8), (2, 2, 3, 3), (1, 2, 3, 4)),
    C("k2 same s4,1", &same_s4, 8, 8, 18, E, 4, (1, 2, 9, 6), (2, 2, 2, 2), (1, 2, 3, 6)),
    C("k2x4 same d3,2", &same_d3, 8, 16, 63, E | G, 4, (1, 1, 7, 9), (2, 1, 2, 4), (1, 2, 7, 9)),
    C("k2 full", &full, 8, 12, 30, E | G, 4, (1, 2, 4, 5), (3, 2, 2, 2), (1, 3, 5, 6)),
    C("k3x2 full s2 d1,2", &full_s2d2, 12, 12, 21, E, 4, (1, 2, 4, 5), (2, 2, 3, 2), (1, 2, 3, 7)),
    C("k4 same 1d", &same, 12, 20, 14, E | G, 3, (2, 3, 7), (5, 3, 4), (2, 5, 7)),
    C("k2,3,2 same s2 3d", &same_s2, 12, 24, 12, E | G, 5, (1, 1, 3, 4, 5), (2, 1, 2, 3, 2), (1, 2, 2, 2, 3)),
    C("k3 d2 same depthwise x2", &depthwise, 9, 18, 70, E | G, 4, (2, 6, 7, 5), (12, 1, 3, 3), (2, 12, 7, 5)),
    C("k5 s2 p2 O=17", &s2p2, 125, 153, 60, E, 4, (3, 5, 9, 8), (17, 5, 5, 5), (3, 17, 5, 4)),
    C("k3 p1 O=70", &rows_1, 18, 630, 125, E, 4, (5, 2, 5, 5), (70, 2, 3, 3), (5, 70, 5, 5)),
    C("k3 p1 2 x 13", &g2p1, 27, 117, 50, E | G, 4, (2, 6, 5, 5), (26, 3, 3, 3), (2, 26, 5, 5)),
    C("k2x3 four sides d2,1 O=33", &sides_d2, 18, 198, 90, E, 4, (2, 3, 7, 8), (33, 3, 2, 3), (2, 33, 6, 8)),
    C("k1 s3,2 odd", &s3s2, 7, 5, 60, E | G, 4, (2, 7, 10, 9), (5, 7, 1, 1), (2, 5, 4, 5)),
    C("k1 s3,2 a column", &s3s2, 7, 5, 60, E, 4, (2, 7, 10, 1), (5, 7, 1, 1), (2, 5, 4, 1)),
    C("k1 s2 1d", &s2_only, 7, 5, 60, E, 3, (2, 7, 75), (5, 7, 1), (2, 5, 38)),
    C("k1 s2 O=48", &s2_only, 9, 48, 70, E, 4, (2, 9, 13, 10), (48, 9, 1, 1), (2, 48, 7, 5)),
    C("k1 s2 C=19", &s2_only, 19, 5, 144, E, 4, (2, 19, 7, 35), (5, 19, 1, 1), (2, 5, 4, 18)),
    C("k1 s2 C=19, odd end", &s2_end, 19, 5, 180, E, 4, (2, 19, 8, 34), (5, 19, 1, 1), (2, 5, 5, 18)),
    C("k2,3,2 3d O=20", NULL, 24, 240, 24, E, 5, (2, 2, 3, 4, 4), (20, 2, 2, 3, 2), (2, 20, 2, 2, 3)),
    C("k3 many images", &rows_1, 18, 108, 700, E, 4, (175, 2, 2, 2), (12, 2, 3, 3), (175, 12, 2, 2)),
    C("depthwise k3 p1 rows of 21", &dw_p1, 9, 9, 378, E | G, 4, (2, 3, 9, 21), (3, 1, 3, 3), (2, 3, 9, 21)),
    C("depthwise k3 p1 strips", &dw_p1, 9, 9, 6300, E, 4, (1, 3, 70, 90), (3, 1, 3, 3), (1, 3, 70, 90)),
    C("depthwise k3 s2 p1", &dw_s2p1, 9, 4, 266, E | G, 4, (2, 3, 14, 37), (3, 1, 3, 3), (2, 3, 7, 19)),
    C("depthwise k3 s2 p1 strips", &dw_s2p1, 9, 4, 1891, E, 4, (1, 3, 122, 61), (3, 1, 3, 3), (1, 3, 61, 31)),
    C("depthwise k2x3 s2 four sides", &dw_s2_sides, 6, 3, 80, E | G, 4, (4, 3, 8, 8), (3, 1, 2, 3), (4, 3, 4, 5)),
    C("depthwise k5 s2 p2", &dw_s2p2, 25, 9, 48, E, 4, (2, 3, 11, 8), (3, 1, 5, 5), (2, 3, 6, 4)),
    C("depthwise k5 p2 small", &dw_p2, 25, 25, 12, E, 4, (1, 3, 4, 3), (3, 1, 5, 5), (1, 3, 4, 3)),
    C("depthwise k7 p3", &dw_p3, 49, 49, 600, E, 4, (2, 2, 15, 20), (2, 1, 7, 7), (2, 2, 15, 20)),
    C("depthwise k7 s2 p3", &dw_s2p3, 49, 16, 340, E, 4, (2, 2, 20, 33), (2, 1, 7, 7), (2, 2, 10, 17)),
    C("depthwise k5x9 p2,4", &dw_p4, 45, 45, 180, E, 4, (1, 2, 9, 20), (2, 1, 5, 9), (1, 2, 9, 20)),
    C("depthwise k3x2 d2 p2,1", &dw_d2, 6, 6, 180, E | G, 4, (2, 3, 10, 9), (3, 1, 3, 2), (2, 3, 10, 9)),
    C("depthwise 1d k3 s2", &dw_1d, 3, 2, 40, E, 3, (2, 3, 41), (3, 1, 3), (2, 3, 20)),
    {.op = "conv", .text = "depthwise with bias and tail", .build = conv_relu, .attr = &dw_p1, .k = 14,
     .flags = E | CLG_CASE_MIXED, .n_in = 3, .in = {{4, {2, 3, 9, 21}}, {4, {3, 1, 3, 3}}, {1, {3}}}},
    {.op = "conv", .text = "depthwise with tail, narrow", .build = conv_relu, .attr = &dw_s2p1, .k = 14,
     .flags = E | CLG_CASE_MIXED, .n_in = 3, .in = {{4, {2, 3, 9, 11}}, {4, {3, 1, 3, 3}}, {1, {3}}}},
    {.op = "conv", .text = "k1 with bias and tail, 49 pixels", .build = conv_relu, .attr = NULL, .k = 22,
     .flags = E | CLG_CASE_MIXED, .n_in = 3, .in = {{4, {2, 20, 7, 7}}, {4, {9, 20, 1, 1}}, {1, {9}}}},
    C("3d depthwise", &depthwise3, 8, 8, 36, E | G, 5, (1, 3, 3, 3, 3), (3, 1, 2, 2, 2), (1, 3, 3, 3, 4)),
    C("1d depthwise s3 p2", &depthwise1, 4, 4, 12, E | G, 3, (2, 5, 17), (5, 1, 4), (2, 5, 6)),
    C("plane of no rows p1", &rows_1, 4, 1, 4, E, 4, (1, 1, 0, 3), (1, 1, 2, 2), (1, 1, 1, 4)),
    C("k1 wide", NULL, 17, 19, 333, E, 4, (1, 17, 9, 37), (19, 17, 1, 1), (1, 19, 9, 37)),
    C("k1 images", NULL, 6, 4, 105, E | G, 4, (3, 6, 7, 5), (4, 6, 1, 1), (3, 4, 7, 5)),
    C("k1 many channels", NULL, 33, 65, 8, E, 4, (2, 33, 2, 2), (65, 33, 1, 1), (2, 65, 2, 2)),
    C("k1 dense", NULL, 20, 18, 7, E | G, 4, (7, 20, 1, 1), (18, 20, 1, 1), (7, 18, 1, 1)),
    C("k1 1d", NULL, 5, 3, 26, E | G, 3, (2, 5, 13), (3, 5, 1), (2, 3, 13)),
    C("k1 3d", NULL, 2, 3, 24, E, 5, (1, 2, 2, 3, 4), (3, 2, 1, 1, 1), (1, 3, 2, 3, 4)),
    C("k1 batch 0", NULL, 2, 3, 0, E, 4, (0, 2, 3, 3), (3, 2, 1, 1), (0, 3, 3, 3)),
    BIAS("conv", "k1 bias", conv, NULL, 5, E | G, 4, (2, 5, 4, 5), (3, 5, 1, 1), 3),
    BIAS("conv", "k1 bias dense", conv, NULL, 5, E | G, 4, (6, 5, 1, 1), (17, 5, 1, 1), 17),
    BIAS("conv", "k1 bias wide", conv, NULL, 3, E | CLG_CASE_MIXED, 4, (2, 3, 70, 70), (2, 3, 1, 1), 2),
    BIAS("conv", "k2x4 same bias", conv, &same, 16, E | G, 4, (2, 2, 5, 6), (3, 2, 2, 4), 3),
    C("1x1", NULL, 64, 256, 50176, E | B, 4, (16, 64, 56, 56), (256, 64, 1, 1), (16, 256, 56, 56)),
    C("1x1 7x7", NULL, 512, 512, 784, E | B, 4, (16, 512, 7, 7), (512, 512, 1, 1), (16, 512, 7, 7)),
    C("1x1 64-64", NULL, 64, 64, 4096, E | B, 4, (16, 64, 16, 16), (64, 64, 1, 1), (16, 64, 16, 16)),

    /* layers of VGG and ResNet, N = 16 */
    BENCH("3-64 k3 @224", &p1, 16, 3, 224, 64, 1, 3, 224), BENCH("3-64 k7 s2 @224", &s2p3, 16, 3, 224, 64, 1, 7, 112),
    BENCH("128 k3 @28", &p1, 16, 128, 28, 128, 1, 3, 28), BENCH("256 k3 @14", &p1, 16, 256, 14, 256, 1, 3, 14),
    BENCH("512 k3 @7", &p1, 16, 512, 7, 512, 1, 3, 7), BENCH("256-512 k1 s2 @56", &s2, 16, 256, 56, 512, 1, 1, 28),
    BENCH("128 k3 depthwise @28", &dw128, 16, 128, 28, 128, 128, 3, 28),
    /* a net for CIFAR, N = 64 */
    BENCH("3-32 k3 @32 n64", &p1, 64, 3, 32, 32, 1, 3, 32), BENCH("32 k3 @32 n64", &p1, 64, 32, 32, 32, 1, 3, 32),
    BENCH("32-64 k3 @16 n64", &p1, 64, 32, 16, 64, 1, 3, 16), BENCH("64 k3 @16 n64", &p1, 64, 64, 16, 64, 1, 3, 16),
    /* ResNet-18, one image */
    BENCH("3-64 k7 s2 @224 n1", &s2p3, 1, 3, 224, 64, 1, 7, 112), BENCH("64 k3 @56 n1", &p1, 1, 64, 56, 64, 1, 3, 56),
    BENCH("64-128 k3 s2 @56 n1", &s2p1, 1, 64, 56, 128, 1, 3, 28),
    BENCH("64-128 k1 s2 @56 n1", &s2, 1, 64, 56, 128, 1, 1, 28),
    BENCH("128 k3 @28 n1", &p1, 1, 128, 28, 128, 1, 3, 28),
    BENCH("128-256 k3 s2 @28 n1", &s2p1, 1, 128, 28, 256, 1, 3, 14),
    BENCH("256 k3 @14 n1", &p1, 1, 256, 14, 256, 1, 3, 14),
    BENCH("256-512 k3 s2 @14 n1", &s2p1, 1, 256, 14, 512, 1, 3, 7),
    BENCH("256-512 k1 s2 @14 n1", &s2, 1, 256, 14, 512, 1, 1, 7), BENCH("512 k3 @7 n1", &p1, 1, 512, 7, 512, 1, 3, 7),
    /* MobileNetV2, one image */
    BENCH("3-32 k3 s2 @224 n1", &s2p1, 1, 3, 224, 32, 1, 3, 112),
    BENCH("32-16 k1 @112 n1", NULL, 1, 32, 112, 16, 1, 1, 112),
    BENCH("16-96 k1 @112 n1", NULL, 1, 16, 112, 96, 1, 1, 112), BENCH("96-24 k1 @56 n1", NULL, 1, 96, 56, 24, 1, 1, 56),
    BENCH("24-144 k1 @56 n1", NULL, 1, 24, 56, 144, 1, 1, 56),
    BENCH("144-32 k1 @28 n1", NULL, 1, 144, 28, 32, 1, 1, 28),
    BENCH("64-384 k1 @14 n1", NULL, 1, 64, 14, 384, 1, 1, 14),
    BENCH("576-96 k1 @14 n1", NULL, 1, 576, 14, 96, 1, 1, 14),
    BENCH("160-960 k1 @7 n1", NULL, 1, 160, 7, 960, 1, 1, 7), BENCH("960-320 k1 @7 n1", NULL, 1, 960, 7, 320, 1, 1, 7),
    BENCH("96 k3 s2 depthwise @112 n1", &dw96_s2, 1, 96, 112, 96, 96, 3, 56),
    BENCH("144 k3 depthwise @56 n1", &dw144, 1, 144, 56, 144, 144, 3, 56),

    F("k2", &flipped, 8, 12, 20, E | G, 4, (1, 2, 5, 6), (3, 2, 2, 2), (1, 3, 4, 5)),
    F("k3x2 p2,1 s1,2", &flipped_p21, 12, 12, 27, E | G, 4, (1, 2, 7, 5), (2, 2, 3, 2), (1, 2, 9, 3)),
    F("k3 d2,1 four sides", &flipped_sides, 9, 9, 24, E, 4, (1, 1, 6, 6), (1, 1, 3, 3), (1, 1, 3, 6)),
    F("k4x2 same", &flipped_same, 16, 16, 30, E | G, 4, (1, 2, 5, 6), (2, 2, 4, 2), (1, 2, 5, 6)),
    F("k3 full", &flipped_full, 9, 9, 42, E, 4, (1, 1, 5, 4), (1, 1, 3, 3), (1, 1, 7, 6)),
    F("k3 same s2 groups 2", &flipped_groups, 18, 18, 30, E | G, 4, (1, 4, 5, 9), (4, 2, 3, 3), (1, 4, 3, 5)),
    F("k3 p1 depthwise", &flipped_depthwise, 9, 9, 70, E, 4, (2, 3, 7, 5), (3, 1, 3, 3), (2, 3, 7, 5)),
    F("k5 1d", &flipped, 5, 5, 13, E | G, 3, (1, 1, 17), (1, 1, 5), (1, 1, 13)),
    F("k2,3,2 3d", &flipped, 12, 12, 18, E | G, 5, (1, 1, 3, 5, 4), (1, 1, 2, 3, 2), (1, 1, 2, 3, 3)),
    F("1x1 everything", &flipped, 1, 1, 1, E | G, 4, (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    F("batch 0", &flipped, 8, 8, 0, E, 4, (0, 2, 5, 5), (1, 2, 2, 2), (0, 1, 4, 4)),
    BIAS("convolve", "k4x2 same bias", conv, &flipped_same, 16, E | G, 4, (2, 2, 5, 6), (3, 2, 4, 2), 3),

    U("k3", NULL, 18, 27, 40, E | G, 4, (2, 2, 4, 5), (2, 3, 3, 3), (2, 3, 6, 7)),
    U("k2 s2", &t_s2, 3, 16, 40, E | G, 4, (2, 3, 4, 5), (3, 4, 2, 2), (2, 4, 8, 10)),
    U("k4 s2 p1", &t_s2p1, 8, 32, 30, E, 4, (1, 2, 5, 6), (2, 2, 4, 4), (1, 2, 10, 12)),
    U("k3 s2 p1 o1", &t_s2p1o1, 12, 18, 12, E | G, 4, (1, 3, 3, 4), (3, 2, 3, 3), (1, 2, 6, 8)),
    U("k3 s3,2 p1,2 o2,1", &t_s3p12o21, 8, 18, 20, E | G, 4, (1, 2, 4, 5), (2, 2, 3, 3), (1, 2, 12, 8)),
    U("k3 s2,1 p1 groups 2", &t_groups, 12, 27, 24, E | G, 4, (1, 4, 4, 6), (4, 3, 3, 3), (1, 6, 7, 6)),
    U("k3 s2 p1 o1 depthwise", &t_depthwise, 4, 9, 40, E | G, 4, (2, 3, 4, 5), (3, 1, 3, 3), (2, 3, 8, 10)),
    U("k2 d3 o2,1", &t_d3o2, 8, 12, 20, E | G, 4, (1, 2, 4, 5), (2, 3, 2, 2), (1, 3, 9, 9)),
    U("k3x2 s2 d3,1 sides o2,1", &t_s2d3, 18, 18, 20, E | G, 4, (1, 3, 4, 5), (3, 3, 3, 2), (1, 3, 12, 9)),
    U("k4 s3 p1 o2 1d", &t1, 6, 20, 14, E | G, 3, (2, 3, 7), (3, 5, 4), (2, 5, 22)),
    U("k3,2,2 3d", &t3, 24, 24, 24, E | G, 5, (1, 2, 2, 3, 4), (2, 2, 3, 2, 2), (1, 2, 4, 5, 6)),
    U("k1", NULL, 5, 3, 40, E | G, 4, (2, 5, 4, 5), (5, 3, 1, 1), (2, 3, 4, 5)),
    U("k1 s2", &t_s2, 5, 3, 40, E, 4, (2, 5, 4, 5), (5, 3, 1, 1), (2, 3, 7, 9)),
    U("1x1 everything", NULL, 1, 1, 1, E | G, 4, (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    U("batch 0", &t_s2, 8, 8, 0, E, 4, (0, 2, 3, 3), (2, 2, 3, 3), (0, 2, 7, 7)),
    U("wide", &t_s2p1o1, 117, 153, 153, E, 4, (1, 13, 9, 17), (13, 17, 3, 3), (1, 17, 18, 34)),
    BIAS("conv_transpose", "k3 s2 p1 o1 bias", transposed, &t_s2p1o1, 12, E | G, 4, (2, 3, 3, 4), (3, 2, 3, 3), 2),
    BIAS("conv_transpose", "k4 1d bias", transposed, &t1, 6, E | G, 3, (2, 3, 7), (3, 5, 4), 5),

    COL("k3", &w3, E | G, 4, (2, 3, 6, 7)), COL("k1", &w1, E | G, 4, (2, 3, 4, 5)),
    COL("no params", NULL, E, 3, (1, 2, 3)), COL("k3x2 s2,3 p1,2 d2,1", &w32_s2, E | G, 4, (1, 2, 9, 8)),
    COL("k2x3 four sides", &w_sides, E | G, 4, (2, 1, 5, 19)),
    COL("k4x2 same", &w_same, E | G, 4, (1, 2, 5, 6)), COL("k5 s2 p2 1d", &w_1d, E | G, 3, (3, 2, 11)),
    COL("3d", &w_3d, E | G, 5, (1, 2, 3, 5, 4)), COL("k2 s5,7 p6,9", &w_far, E | G, 4, (1, 2, 5, 4)),
    COL("k3 wide", &w3, E, 4, (2, 3, 21, 70)), COL("1x1 everything", &w1, E | G, 4, (1, 1, 1, 1)),
    COL("batch 0", &w3, E, 4, (0, 3, 6, 7)), COL("no channels", &w3, E, 4, (2, 0, 6, 7)),
    {.op = "im2col", .text = "in used memory", .build = used_memory, .attr = &i3, .k = 12,
     .flags = E | G | CLG_CASE_MIXED, .n_in = 2, .in = {{4, {2, 3, 6, 7}}, {3, {2, 18, 64}}}},
    COL("LeNet 2", (&(const clg_im2col_params){.kernel = {5, 5}}), E | B, 4, (64, 6, 14, 14)),

    IMG("k3", &i3, 9, E | G, (2, 27, 20)), IMG("k1", &i1, 1, E | G, (2, 3, 20)),
    IMG("k3x2 s2,3 p1,2 d2,1", &i32_s2, 6, E | G, (1, 12, 16)), IMG("k2x3 four sides", &i_sides, 6, E | G, (2, 6, 140)),
    IMG("k4x2 same", &i_same, 8, E | G, (1, 16, 30)), IMG("k5 s2 p2 1d", &i_1d, 5, E | G, (3, 10, 6)),
    IMG("3d", &i_3d, 12, E | G, (1, 24, 32)), IMG("k3x2 tiles", &i_tiles, 1, E | G, (2, 6, 8)),
    IMG("k2 s3,4 gaps", &i_gaps, 1, E | G, (1, 8, 6)), IMG("k3 p1 wide", &i_wide, 9, E, (2, 18, 629)),
    IMG("batch 0", &i3, 9, E, (0, 27, 20)),
    {.op = "col2im", .text = "there and back", .build = there_and_back, .attr = &i_same, .k = 10,
     .flags = E | G | CLG_CASE_MIXED, .n_in = 2, .in = {{4, {2, 2, 5, 6}}, {3, {2, 16, 30}}}},
    {.op = NULL},
};

/* --- mistakes --- */

#define CONV(...) clg_conv(X(1, 3, 8, 8), W(4, 3, 3, 3), NULL, clg_conv_params(__VA_ARGS__))
#define UP(w, ...) clg_conv_transpose(X(1, 4, 8, 8), w, NULL, clg_conv_transpose_params(__VA_ARGS__))
#define COLS(size, ...) clg_col2im(X(2, 18, 20), size, clg_im2col_params(__VA_ARGS__))

BAD(mode_and_pad, CONV(.mode = CLG_PAD_SAME, .pad = {1, 1}))
BAD(mode_and_end, CONV(.mode = CLG_PAD_VALID, .asymmetric = true))
BAD(mode_unknown, CONV(.mode = (enum clg_pad_mode)9))
BAD(pad_end_negative, CONV(.pad_end = {0, -1}, .asymmetric = true))
BAD(pad_end_unread, CONV(.pad = {1, 1}, .pad_end = {2, 2}))
BAD(valid_too_small, clg_conv(X(1, 3, 2, 8), W(4, 3, 3, 3), NULL, clg_conv_params(.mode = CLG_PAD_VALID)))
BAD(convolve_channels, clg_conv(X(1, 3, 8, 8), W(4, 2, 3, 3), NULL, clg_conv_params(.flip = true)))
BAD(convolve_mode, CONV(.flip = true, .mode = CLG_PAD_FULL, .pad = {2, 2}))
BAD(up_channels, UP(W(3, 4, 3, 3), .stride = {2, 2}))
BAD(up_groups, UP(W(4, 4, 3, 3), .groups = 3))
BAD(up_out_pad, UP(W(4, 4, 3, 3), .stride = {2, 2}, .out_pad = {0, 2}))
BAD(up_out_pad_negative, UP(W(4, 4, 3, 3), .out_pad = {-1}))
BAD(up_nothing, UP(W(4, 4, 3, 3), .pad = {5, 5}))
BAD(up_rank, UP(W(4, 4, 3), .pad = {1}))
BAD(up_bias, clg_conv_transpose(X(1, 4, 8, 8), W(4, 3, 3, 3), V(4), NULL))
BAD(im2col_rank, clg_im2col(X(8, 8), clg_im2col_params(.kernel = {2, 2})))
BAD(im2col_size, clg_im2col(X(1, 3, 8, 2), clg_im2col_params(.kernel = {3, 3})))
BAD(im2col_kernel, clg_im2col(X(1, 3, 8, 8), clg_im2col_params(.kernel = {-3, 3})))
BAD(im2col_mode, clg_im2col(X(1, 3, 8, 8), clg_im2col_params(.kernel = {3, 3}, .mode = CLG_PAD_SAME, .pad = {1})))
BAD(im2col_type, clg_im2col(T(1, 3, 8, 8), clg_im2col_params(.kernel = {3, 3})))
BAD(col2im_rank, clg_col2im(X(18, 20), CLG_SHAPE(6, 7), clg_im2col_params(.kernel = {3, 3})))
BAD(col2im_rows, COLS(CLG_SHAPE(5, 8), .kernel = {2, 4}))
BAD(col2im_columns, COLS(CLG_SHAPE(6, 8), .kernel = {3, 3}))
BAD(col2im_size, COLS(CLG_SHAPE(2, 8), .kernel = {3, 3}))
BAD(col2im_axes, COLS(CLG_SHAPE(6, 7, 1, 1), .kernel = {3, 3}))

const clg_bad_case clg_bad_conv[] = {
    {"conv", bad_mode_and_pad, {"conv(x, w): padding is given beside a mode", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv", bad_mode_and_end, {"conv(x, w): padding is given beside a mode", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv", bad_mode_unknown, {"conv(x, w): mode must be one of", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv", bad_pad_end_negative, {"conv(x, w): padding must not be negative", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv", bad_pad_end_unread, {"conv(x, w): pad_end differs from pad", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv", bad_valid_too_small, {"conv(x, w): filter of 3", "f32[1,3,2,8]", "f32[4,3,3,3]"}},
    {"convolve", bad_convolve_channels, {"convolve(x, w): filter has 2", "f32[1,3,8,8]", "f32[4,2,3,3]"}},
    {"convolve", bad_convolve_mode, {"convolve(x, w): padding is given", "f32[1,3,8,8]", "f32[4,3,3,3]"}},
    {"conv_transpose", bad_up_channels, {"conv_transpose(x, w): filter must be", "f32[1,4,8,8]", "f32[3,4,3,3]"}},
    {"conv_transpose", bad_up_groups, {"conv_transpose(x, w): groups = 3", "f32[1,4,8,8]", "f32[4,4,3,3]"}},
    {"conv_transpose", bad_up_out_pad, {"conv_transpose(x, w): out_pad must be", "f32[1,4,8,8]", "f32[4,4,3,3]"}},
    {"conv_transpose", bad_up_out_pad_negative, {"out_pad must be at least 0", "f32[1,4,8,8]", "f32[4,4,3,3]"}},
    {"conv_transpose", bad_up_nothing, {"padding of 5 and 5 leaves nothing of spatial axis 0", "f32[1,4,8,8]"}},
    {"conv_transpose", bad_up_rank, {"conv_transpose(x, w): filter must be", "f32[1,4,8,8]", "f32[4,4,3]"}},
    {"conv_transpose", bad_up_bias, {"conv_transpose", "bias must be [3]", "f32[4]"}},
    {"im2col", bad_im2col_rank, {"im2col(x): x must be [N, C, S...]", "f32[8,8]"}},
    {"im2col", bad_im2col_size, {"im2col(x): filter of 3", "f32[1,3,8,2]"}},
    {"im2col", bad_im2col_kernel, {"im2col(x): filter sizes must be positive", "f32[1,3,8,8]"}},
    {"im2col", bad_im2col_mode, {"im2col(x): padding is given beside a mode", "f32[1,3,8,8]"}},
    {"im2col", bad_im2col_type, {"im2col(t): wants a floating-point tensor", "i32[1,3,8,8]"}},
    {"col2im", bad_col2im_rank, {"col2im(x): columns must be [N, C K, Q]", "f32[18,20]"}},
    {"col2im", bad_col2im_rows, {"col2im(x): the window has 8 places", "f32[2,18,20]"}},
    {"col2im", bad_col2im_columns, {"col2im(x): the window fits", "24 times", "f32[2,18,20]"}},
    {"col2im", bad_col2im_size, {"col2im(x): filter of 3", "f32[2,18,20]"}},
    {"col2im", bad_col2im_axes, {"col2im(x): size must have 1 to 3", "f32[2,18,20]"}},
    {.op = NULL},
};

/* Cases of convolution by 3 x 3 taps with stride 1, which Winograd's algorithm takes: tiles that hang over the edge of
 * a plane, rows of tiles longer and shorter than a vector, blocks of tiles over images, channels around a vector. */
#include "check/cases.h"

static clg_tensor *conv(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_conv(in[0], in[1], c->n_in > 2 ? in[2] : NULL, c->attr);
}
static clg_tensor *conv_bwd_data(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(clg_conv(in[0], in[1], NULL, c->attr), in[2], (clg_list){1, &in[0]}, &gx);
    return gx;
}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH

#define PARAMS(name, ...) static const clg_conv_params name = {__VA_ARGS__}
PARAMS(p1, .pad = {1, 1});
PARAMS(p2, .pad = {2, 2});
PARAMS(p0_2, .pad = {0, 2});
PARAMS(p5_4, .pad = {5, 4});
PARAMS(four_sides, .pad = {1, 0}, .pad_end = {0, 3}, .asymmetric = true);
PARAMS(groups2, .pad = {1, 1}, .groups = 2);
PARAMS(groups3, .pad = {1, 1}, .groups = 3);

/* c, o: channels of a group. */
#define K3(words, params, flags_, groups, n, c, o, h, w, y_h, y_w)                                             \
    {.op = "conv", .text = words, .build = conv, .attr = params, .k = 9 * (c) + 2, .flags = flags_, .n_in = 2,    \
     .in = {{4, {n, (groups) * (c), h, w}}, {4, {(groups) * (o), c, 3, 3}}}},                                     \
    {.op = "conv_bwd_data", .text = words, .build = conv_bwd_data, .attr = params, .k = 9 * (o) + 2,              \
     .flags = flags_, .n_in = 3,                                                                                 \
     .in = {{4, {n, (groups) * (c), h, w}}, {4, {(groups) * (o), c, 3, 3}}, {4, {n, (groups) * (o), y_h, y_w}}}}
#define BIAS(words, params, flags_, n, c, o, h, w)                                                             \
    {.op = "conv", .text = words, .build = conv, .attr = params, .k = 9 * (c) + 3, .flags = flags_, .n_in = 3,    \
     .in = {{4, {n, c, h, w}}, {4, {o, c, 3, 3}}, {1, {o}}}}
#define SAME(words, flags, n, c, o, h, w) K3(words, &p1, flags, 1, n, c, o, h, w, h, w)

const clg_case clg_cases_wino[] = {
    K3("one tile", NULL, E | G, 1, 1, 1, 1, 3, 3, 1, 1),
    K3("k3 p2 of one pixel", &p2, E | G, 1, 2, 3, 2, 1, 1, 3, 3),
    K3("k3 p2 below a tile", &p2, E, 1, 5, 1, 3, 1, 2, 3, 4),
    K3("k3 p0,2", &p0_2, E, 1, 7, 3, 17, 5, 9, 3, 11),
    K3("k3 p5,4", &p5_4, E, 1, 1, 2, 3, 3, 6, 11, 12),
    K3("k3 pads 1,0 and 0,3", &four_sides, E | G, 1, 3, 3, 5, 7, 6, 6, 7),
    SAME("k3 p1 planes of 7", E, 11, 17, 13, 7, 7), SAME("k3 p1 planes of 14", E, 5, 16, 3, 14, 14),
    SAME("k3 p1 rows of 28", E, 1, 3, 7, 13, 28), SAME("k3 p1 rows of 61", E, 2, 3, 7, 9, 61),
    SAME("k3 p1 rows of 131", E, 1, 1, 2, 6, 131), SAME("k3 p1 columns", E, 2, 3, 2, 37, 1),
    SAME("k3 p1 64 channels", E, 3, 64, 66, 10, 11), SAME("k3 p1 97 channels", E, 1, 97, 33, 19, 18),
    K3("k3 p1 groups 2", &groups2, E, 2, 2, 17, 12, 9, 13, 9, 13),
    K3("k3 p1 depthwise x2", &groups3, E, 3, 2, 1, 2, 5, 8, 5, 8),
    BIAS("k3 p1 bias, 17 channels", &p1, E, 2, 3, 17, 9, 15), BIAS("k3 bias, 64 channels", NULL, E, 3, 64, 64, 16, 16),

    SAME("16 k3 @32 n64", E | B, 64, 16, 16, 32, 32),
    {.op = NULL},
};

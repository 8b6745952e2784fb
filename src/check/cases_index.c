/* Cases of indexing, sorting and upsampling. */
#include "check/bad.h"
#include "check/cases.h"

#include <stddef.h>

/* --- indexing --- */

static clg_tensor *gather(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_gather(in[0], in[1], *(const int *)c->attr);
}
static clg_tensor *gather_along(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_gather_along(in[0], in[1], *(const int *)c->attr);
}

typedef struct target { int axis; int64_t size; } target;

static clg_tensor *scatter_add(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const target *t = c->attr;
    return clg_scatter_add(in[0], in[1], t->axis, t->size);
}
static clg_tensor *scatter_add_along(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const target *t = c->attr;
    return clg_scatter_add_along(in[0], in[1], t->axis, t->size);
}
static clg_tensor *embedding(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_embedding(in[0], in[1]);
}
static clg_tensor *one_hot(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_one_hot(in[0], *(const int *)c->attr, CLG_F32);
}
static clg_tensor *one_hot_i32(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_one_hot(in[0], *(const int *)c->attr, CLG_I32);
}
/* The value of the index out of range is no number: gradients only of those that are in range. */
static clg_tensor *gather_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(clg_gather(in[0], in[2], *(const int *)c->attr), in[1], (clg_list){1, &in[0]}, &gx);
    return gx;
}

/* --- sorting --- */

typedef struct order { int axis; bool descending; int64_t k; bool index; } order;

static clg_tensor *sort(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const order *o = c->attr;
    clg_tensor *index, *y = clg_sort(in[0], o->axis, o->descending, &index);
    return o->index ? index : y;
}
static clg_tensor *top_k(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const order *o = c->attr;
    clg_tensor *index, *y = clg_top_k(in[0], o->axis, o->k, o->descending, &index);
    return o->index ? index : y;
}
/* NaN and both zeros among the numbers. */
static clg_tensor *odd_numbers(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    static const float v[9] = {1, 0.0f, -0.0f, 3, -2, 0, 1, -5, 1};
    clg_tensor *x = clg_const(g, CLG_F32, CLG_SHAPE(9), v), *nan = clg_sqrt(clg_fill(g, CLG_F32, CLG_SCALAR, -1));
    x = clg_where(clg_gt(x, clg_fill(g, CLG_F32, CLG_SCALAR, 2)), nan, x);
    return sort(c, g, (clg_tensor *[]){clg_add(in[0], clg_cast(x, clg_tensor_dtype(in[0])))});
}

/* --- upsampling --- */

static clg_tensor *upsample_nearest(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_upsample_nearest(in[0], c->attr);
}
static clg_tensor *upsample_bilinear(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_upsample_bilinear(in[0], c->attr);
}
/* The adjoint, as a map of its own. */
static clg_tensor *bilinear_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(clg_upsample_bilinear(in[0], c->attr), in[1], (clg_list){1, &in[0]}, &gx);
    return gx;
}

/* --- attributes --- */

static const int ax0 = 0, ax1 = 1, last = -1, c3 = 3, c10 = 10, c1 = 1, c40 = 40;
static const target to_0_5 = {0, 5}, to_1_7 = {1, 7}, to_0_1 = {0, 1}, to_1_40 = {1, 40}, to_0_300 = {0, 300},
                    to_m1_9 = {-1, 9}, to_0_0 = {0, 0};
static const order up0 = {0, false, 0, false}, up1 = {1, false, 0, false}, down1 = {1, true, 0, false},
                   up0_i = {0, false, 0, true}, up1_i = {1, false, 0, true}, down1_i = {1, true, 0, true},
                   down0_i = {0, true, 0, true}, big3 = {-1, true, 3, false}, big3_i = {-1, true, 3, true},
                   small2 = {0, false, 2, false}, small2_i = {0, false, 2, true}, big1 = {-1, true, 1, false},
                   big40_i = {-1, true, 40, true}, none = {-1, true, 0, false}, big5_i = {1, true, 5, true};
#define UP(name, ...) static const clg_upsample_params name = {__VA_ARGS__};
UP(x2, .scale = {2, 2, 2})
UP(x3, .scale = {3, 3, 3})
UP(x2_5, .scale = {2.5, 1.5})
UP(half, .scale = {0.5, 0.5})
UP(to_7_5, .size = {7, 5})
UP(to_11, .size = {11})
UP(to_3_5_4, .size = {3, 5, 4})
UP(to_1_1, .size = {1, 1})
UP(corners_x2, .scale = {2, 2, 2}, .align_corners = true)
UP(corners_7_5, .size = {7, 5}, .align_corners = true)
UP(corners_1_1, .size = {1, 1}, .align_corners = true)
UP(corners_5_9, .size = {5, 9}, .align_corners = true)
UP(size_and_scale, .size = {4, 4}, .scale = {2, 2})

/* --- the table --- */

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define BIG CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
/* x and a list of indices below top. */
#define IX(op_, attr_, k_, flags_, n, dims, ni, dimsi, top_) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dims}, {ni, DIMS dimsi, CLG_FILL_LABEL, CLG_I32, top_}}}
/* Also of integers. */
#define IX_TYPE(op_, attr_, type_, n, dims, ni, dimsi, top_) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .flags = E, .n_in = 2, \
     .in = {{n, DIMS dims, CLG_FILL_UNIT, CLG_##type_}, {ni, DIMS dimsi, CLG_FILL_LABEL, CLG_I64, top_}}}
#define HOT(op_, classes, ni, dimsi, type_) \
    {.op = "one_hot", .text = #op_ " " #classes, .build = op_, .attr = &classes, .flags = E, .n_in = 1, \
     .in = {{ni, DIMS dimsi, CLG_FILL_LABEL, CLG_##type_, 11}}}
#define S(row, op_, attr_, flags_, n, dims) \
    {.op = row, .text = #attr_, .build = op_, .attr = &attr_, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dims, CLG_FILL_DISTINCT}}}
#define ODD(attr_) \
    {.op = "sort", .text = "NaN " #attr_, .build = odd_numbers, .attr = &attr_, .flags = E, .n_in = 1, \
     .in = {{1, {9}, CLG_FILL_BOOL}}}
#define S_TYPE(row, op_, attr_, type_, n, dims) \
    {.op = row, .text = #attr_, .build = op_, .attr = &attr_, .flags = E, .n_in = 1, \
     .in = {{n, DIMS dims, CLG_FILL_UNIT, CLG_##type_}}}
#define U(op_, attr_, k_, flags_, n, dims) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dims}}}
/* Weights of 1, 1/2, 1/4 and 3/4 are exact. k of others: an axis rounds its two weights, two products and a sum. */
#define BI(attr, flags, n, dims) U(upsample_bilinear, attr, 10, flags, n, dims)

const clg_case clg_cases_index[] = {
    /* gradients through an index out of range are NaN on both sides: CLG_FILL_LABEL has -1, so values only */
    IX(gather, ax0, 0, E, 2, (5, 3), 1, (7), 5), IX(gather, ax1, 0, E, 3, (2, 7, 5), 2, (3, 4), 7),
    IX(gather, last, 0, E, 2, (3, 19), 1, (33), 19), IX(gather, ax0, 0, E, 1, (1), 1, (1), 1),
    IX(gather, ax0, 0, E, 2, (4, 37), 0, (0), 4), IX(gather, ax1, 0, E, 2, (3, 0), 1, (2), 1),
    IX(gather, ax0, 0, E, 2, (4, 3), 1, (0), 4), IX(gather, ax0, 0, E, 2, (3, 20000), 1, (2), 3),
    IX(gather, ax0, 0, E, 2, (300, 40), 2, (50, 9), 300), IX_TYPE(gather, ax0, I32, 2, (5, 3), 1, (7), 5),
    IX_TYPE(gather, ax1, U8, 2, (5, 6), 1, (7), 6), IX_TYPE(gather, ax0, I64, 2, (5, 3), 1, (7), 5),
    {.op = "gather", .text = "in range", .build = gather, .attr = &ax1, .flags = E | G, .n_in = 2,
     .in = {{3, {2, 7, 5}}, {1, {6}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = "gather", .text = "in range", .build = gather, .attr = &ax0, .flags = E | G, .n_in = 2,
     .in = {{2, {3, 17}}, {2, {2, 2}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = "scatter_add", .text = "gradient of gather", .build = gather_bwd, .attr = &ax1, .k = 12, .flags = E | G,
     .n_in = 3, .in = {{3, {2, 7, 5}}, {3, {2, 9, 5}}, {1, {9}, CLG_FILL_LABEL, CLG_I32, 7}}},
    IX(gather, ax0, 0, E | BIG, 2, (50000, 256), 1, (8192), 50000),

    IX(scatter_add, to_0_5, 8, E | G, 2, (7, 3), 1, (7), 5),
    IX(scatter_add, to_1_7, 13, E | G, 4, (2, 3, 4, 5), 2, (3, 4), 7),
    IX(scatter_add, to_m1_9, 34, E | G, 2, (3, 33), 1, (33), 9), IX(scatter_add, to_0_1, 2, E | G, 1, (1), 1, (1), 1),
    IX(scatter_add, to_0_5, 1, E | G, 1, (17), 0, (0), 5), IX(scatter_add, to_0_5, 0, E, 2, (0, 3), 1, (0), 5),
    IX(scatter_add, to_0_0, 0, E, 2, (4, 3), 1, (4), 5),
    IX(scatter_add, to_0_300, 12, E, 3, (50, 9, 40), 2, (50, 9), 300),
    IX(scatter_add, to_1_40, 501, E, 2, (3, 500), 1, (500), 3), IX_TYPE(scatter_add, to_0_5, I32, 2, (7, 3), 1, (7), 5),
    IX_TYPE(scatter_add, to_0_5, I64, 2, (7, 3), 1, (7), 5),
    IX(scatter_add, to_0_300, 1, E | BIG, 2, (8192, 256), 1, (8192), 300),

    IX(gather_along, ax0, 0, E, 2, (5, 3), 2, (7, 3), 5), IX(gather_along, ax1, 0, E, 3, (2, 7, 5), 3, (2, 4, 5), 7),
    IX(gather_along, last, 0, E, 2, (3, 19), 2, (3, 33), 19), IX(gather_along, ax0, 0, E, 1, (1), 1, (1), 1),
    IX(gather_along, ax1, 0, E, 2, (3, 0), 2, (3, 2), 1), IX(gather_along, ax1, 0, E, 2, (3, 2), 2, (3, 0), 1),
    IX(gather_along, ax1, 0, E, 2, (40, 300), 2, (40, 200), 300),
    IX_TYPE(gather_along, ax0, I32, 2, (5, 3), 2, (7, 3), 5),
    IX_TYPE(gather_along, ax0, U8, 2, (5, 3), 2, (7, 3), 5),
    {.op = "gather_along", .text = "in range", .build = gather_along, .attr = &ax1, .flags = E | G, .n_in = 2,
     .in = {{3, {2, 7, 5}}, {3, {2, 6, 5}, CLG_FILL_BOOL, CLG_I32}}},
    IX(scatter_add_along, to_0_5, 8, E | G, 2, (7, 3), 2, (7, 3), 5),
    IX(scatter_add_along, to_1_7, 13, E | G, 3, (2, 12, 5), 3, (2, 12, 5), 7),
    IX(scatter_add_along, to_m1_9, 34, E | G, 2, (3, 33), 2, (3, 33), 9),
    IX(scatter_add_along, to_0_1, 2, E | G, 1, (1), 1, (1), 1),
    IX(scatter_add_along, to_0_5, 0, E, 2, (0, 3), 2, (0, 3), 5),
    IX(scatter_add_along, to_1_40, 301, E, 2, (70, 300), 2, (70, 300), 40),
    IX_TYPE(scatter_add_along, to_0_5, I32, 2, (7, 3), 2, (7, 3), 5),

    {.op = "embedding", .text = "in range", .build = embedding, .flags = E | G, .n_in = 2,
     .in = {{2, {3, 17}}, {2, {2, 3}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = "embedding", .build = embedding, .flags = E, .n_in = 2,
     .in = {{2, {20, 5}}, {2, {4, 9}, CLG_FILL_LABEL, CLG_I64, 20}}},
    {.op = "embedding", .text = "one index", .build = embedding, .flags = E | G, .n_in = 2,
     .in = {{2, {3, 1}}, {0, {0}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = "embedding", .text = "none", .build = embedding, .flags = E, .n_in = 2,
     .in = {{2, {3, 4}}, {1, {0}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = "embedding", .text = "no rows", .build = embedding, .flags = E, .n_in = 2,
     .in = {{2, {0, 4}}, {1, {2}, CLG_FILL_BOOL, CLG_I32}}},
    HOT(one_hot, c10, 1, (17), I32), HOT(one_hot, c3, 2, (4, 5), I32), HOT(one_hot_i32, c40, 1, (3), I64),
    HOT(one_hot, c1, 0, (0), I32),
    HOT(one_hot, c3, 2, (0, 5), I32), HOT(one_hot, c1, 1, (1), I32),

    S("sort", sort, up0, E | G, 1, (17)), S("sort", sort, up1, E | G, 2, (3, 37)),
    S("sort", sort, down1, E | G, 2, (3, 7)),
    S("sort", sort, up0, E | G, 3, (5, 2, 3)), S("sort", sort, down1, E | G, 3, (2, 19, 3)),
    S("sort", sort, up0, E | G, 1, (1)),
    S("sort", sort, up1, E, 2, (3, 0)), S("sort", sort, up1, E, 2, (0, 3)), S("sort", sort, up0_i, E, 1, (33)),
    S("sort", sort, down1_i, E, 3, (2, 19, 3)), S("sort", sort, up0, E | BIG, 1, (1000000)),
    S("sort", sort, up1, E | BIG, 2, (4096, 1000)),
    S_TYPE("sort", sort, down1, I32, 2, (3, 40)), S_TYPE("sort", sort, up1, U8, 2, (3, 40)),
    S_TYPE("sort", sort, up1, I64, 2, (3, 40)),
    ODD(up0_i), ODD(down0_i), ODD(up0),
    S("argsort", sort, up0_i, E, 1, (33)), S("argsort", sort, up1_i, E, 2, (3, 16)),
    S("argsort", sort, down1_i, E, 2, (5, 300)),
    S("argsort", sort, up1_i, E, 2, (2, 1025)), S("argsort", sort, down1_i, E, 2, (2, 9001)),
    S("argsort", sort, up0_i, E, 1, (20000)),
    S("argsort", sort, up1_i, E, 2, (300, 2)), S("argsort", sort, up0_i, E, 1, (1)),
    S("argsort", sort, up1_i, E, 2, (0, 3)),
    S_TYPE("argsort", sort, up1_i, I32, 2, (3, 700)), S_TYPE("argsort", sort, up1_i, U8, 2, (3, 700)),
    S_TYPE("argsort", sort, down1_i, I64, 2, (3, 700)),
    S("argsort", top_k, big3_i, E, 2, (7, 300)), S("argsort", top_k, big40_i, E, 2, (3, 300)),
    S("argsort", top_k, big5_i, E, 2, (1030, 260)),
    S("top_k", top_k, big3, E | G, 1, (17)), S("top_k", top_k, big3, E | G, 2, (5, 37)),
    S("top_k", top_k, big3_i, E, 2, (5, 37)),
    S("top_k", top_k, small2, E | G, 3, (5, 2, 3)), S("top_k", top_k, small2_i, E, 3, (5, 2, 3)),
    S("top_k", top_k, big1, E | G, 1, (1)),
    S("top_k", top_k, big40_i, E, 2, (2, 5000)), S("top_k", top_k, none, E, 2, (3, 4)),
    S("top_k", top_k, big3, E, 2, (0, 4)),
    S_TYPE("top_k", top_k, big3, I32, 2, (3, 40)), S("top_k", top_k, big3, E | BIG, 2, (4096, 1000)),

    U(upsample_nearest, x2, 0, E | G, 4, (2, 3, 2, 5)), U(upsample_nearest, to_7_5, 0, E | G, 4, (1, 2, 3, 4)),
    U(upsample_nearest, to_7_5, 0, E | G, 4, (1, 2, 17, 9)), U(upsample_nearest, x2_5, 0, E | G, 4, (1, 2, 3, 5)),
    U(upsample_nearest, to_11, 0, E | G, 3, (2, 3, 4)), U(upsample_nearest, to_3_5_4, 0, E | G, 5, (1, 2, 2, 3, 3)),
    U(upsample_nearest, half, 0, E | G, 4, (1, 2, 6, 7)), U(upsample_nearest, x3, 0, E | G, 4, (1, 1, 1, 1)),
    U(upsample_nearest, x2, 0, E, 4, (0, 3, 2, 5)), U(upsample_nearest, x2, 0, E, 4, (2, 3, 16, 33)),
    {.op = "upsample_nearest", .text = "u8", .build = upsample_nearest, .attr = &x2, .flags = E, .n_in = 1,
     .in = {{4, {1, 3, 5, 17}, CLG_FILL_UNIT, CLG_U8}}},
    U(upsample_nearest, x2, 0, E | BIG, 4, (16, 64, 56, 56)),
    BI(x2, E | G, 4, (2, 3, 2, 5)), BI(x3, G, 4, (2, 3, 6, 3)), BI(to_7_5, G, 4, (1, 2, 3, 4)),
    BI(x2_5, G, 4, (1, 2, 3, 5)),
    BI(to_11, G, 3, (2, 3, 4)), BI(to_3_5_4, G, 5, (1, 2, 2, 3, 3)), BI(half, E | G, 4, (1, 2, 6, 8)),
    BI(x3, E | G, 4, (1, 1, 1, 1)),
    BI(corners_x2, G, 4, (2, 3, 2, 5)), BI(corners_7_5, G, 4, (1, 2, 3, 17)), BI(corners_1_1, E | G, 4, (1, 2, 3, 5)),
    BI(corners_5_9, E | G, 4, (1, 2, 3, 5)), BI(to_1_1, G, 4, (1, 2, 3, 5)), BI(x2, E, 4, (0, 3, 2, 5)),
    BI(x2, E, 4, (2, 3, 16, 33)),
    BI(x2, E | BIG, 4, (16, 64, 56, 56)),
    {.op = "axis_map", .text = "adjoint of linear", .build = bilinear_bwd, .attr = &x2, .k = 20, .flags = E | G,
     .n_in = 2,
     .in = {{4, {2, 1, 3, 5}}, {4, {2, 1, 6, 10}}}},
    {.op = "axis_map", .text = "linear", .build = upsample_bilinear, .attr = &corners_7_5, .k = 10, .flags = G,
     .n_in = 1, .in = {{4, {1, 2, 3, 40}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(gather_axis, clg_gather(X(2, 3), T(4), 2))
BAD(gather_type, clg_gather(X(2, 3), W(4), 1))
BAD(gather_axes, clg_gather(X(2, 3, 1, 1), T(1, 1, 1, 1), 1))
BAD(scatter, clg_scatter_add(X(2, 3), T(4), 1, 5))
BAD(scatter_size, clg_scatter_add(X(2, 3), T(3), 1, -5))
BAD(along, clg_gather_along(X(2, 3), T(3, 3), 1))
BAD(add_along, clg_scatter_add_along(X(2, 3), T(2, 4), 1, 5))
BAD(embedding, clg_embedding(X(2, 3, 4), T(3)))
BAD(one_hot, clg_one_hot(X(2), 3, CLG_F32))
BAD(one_hot_classes, clg_one_hot(T(2), 0, CLG_F32))
BAD(sort, clg_sort(X(2, 3), 2, false, NULL))
BAD(top_k, clg_top_k(X(2, 3), 1, 4, true, NULL))
BAD(up_rank, clg_upsample_nearest(X(2, 3), &x2))
BAD(up_both, clg_upsample_nearest(X(1, 1, 2, 3), &size_and_scale))
BAD(up_none, clg_upsample_bilinear(X(1, 1, 1, 3), &half))
BAD(up_type, clg_upsample_bilinear(T(1, 1, 2, 3), &x2))

const clg_bad_case clg_bad_index[] = {
    {"gather", bad_gather_axis, {"gather", "f32[2,3]", "no axis 2"}},
    {"gather", bad_gather_type, {"gather", "f32[2,3]", "f32[4]"}},
    {"gather", bad_gather_axes, {"gather", "f32[2,3,1,1]", "7 axes"}},
    {"scatter_add", bad_scatter, {"scatter_add", "f32[2,3]", "i32[4]"}},
    {"scatter_add", bad_scatter_size, {"scatter_add", "f32[2,3]", "-5"}},
    {"gather_along", bad_along, {"gather_along", "f32[2,3]", "i32[3,3]"}},
    {"scatter_add_along", bad_add_along, {"scatter_add_along", "f32[2,3]", "i32[2,4]"}},
    {"embedding", bad_embedding, {"embedding", "f32[2,3,4]", "i32[3]"}},
    {"one_hot", bad_one_hot, {"one_hot", "f32[2]", "i32 or i64"}},
    {"one_hot", bad_one_hot_classes, {"one_hot", "i32[2]", "0 classes"}},
    {"sort", bad_sort, {"sort", "f32[2,3]", "no axis 2"}},
    {"top_k", bad_top_k, {"top_k", "f32[2,3]", "4"}},
    {"upsample_nearest", bad_up_rank, {"upsample_nearest", "f32[2,3]", ""}},
    {"upsample_nearest", bad_up_both, {"upsample_nearest", "f32[1,1,2,3]", "scale 2"}},
    {"upsample_bilinear", bad_up_none, {"upsample_bilinear", "f32[1,1,1,3]", "axis 2"}},
    {"upsample_bilinear", bad_up_type, {"upsample_bilinear", "i32[1,1,2,3]", ""}},
    {.op = NULL},
};

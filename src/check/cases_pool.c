/* Cases of pooling: each window with its gradient and the gradient's gradient: so every row sees every geometry. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *max_pool(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_max_pool(in[0], c->attr);
}
static clg_tensor *avg_pool(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_avg_pool(in[0], c->attr);
}
static clg_tensor *l2_pool(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_l2_pool(in[0], c->attr);
}
static clg_tensor *adaptive_max(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_adaptive_max_pool(in[0], c->attr);
}
static clg_tensor *adaptive_avg(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_adaptive_avg_pool(in[0], c->attr);
}
static clg_tensor *unary(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return c->f1(in[0]); }

/* The gradients as ops of their own: inputs x, gy. */
static clg_tensor *vjp_of(clg_tensor *y, clg_tensor *gy, clg_tensor *x) {
    clg_tensor *gx = NULL;
    clg_vjp(y, gy, (clg_list){1, &x}, &gx);
    return gx;
}
static clg_tensor *max_pool_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_max_pool(in[0], c->attr), in[1], in[0]);
}
/* The derivative of that by gy, at a third input r: what r has where x is greatest. */
static clg_tensor *max_pool_at(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(max_pool_bwd(c, g, in), in[2], in[1]);
}
static clg_tensor *avg_pool_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_avg_pool(in[0], c->attr), in[1], in[0]);
}
static clg_tensor *l2_pool_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_l2_pool(in[0], c->attr), in[1], in[0]);
}
static clg_tensor *adaptive_max_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_adaptive_max_pool(in[0], c->attr), in[1], in[0]);
}
static clg_tensor *adaptive_max_at(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(adaptive_max_bwd(c, g, in), in[2], in[1]);
}
static clg_tensor *adaptive_avg_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_adaptive_avg_pool(in[0], c->attr), in[1], in[0]);
}

/* NaN at some places (x = 3 in integers, nowhere else): it wins its windows, forward and backward. */
static clg_tensor *with_nan(clg_graph *g, clg_tensor *x) {
    clg_tensor *three = clg_fill(g, clg_tensor_dtype(x), CLG_SCALAR, 3), *root = clg_sqrt(clg_neg(three));
    return clg_where(clg_eq(x, three), clg_stop_grad(root), x);
}
/* 1 where the maximum is NaN. */
static clg_tensor *nan_max(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *y = clg_max_pool(with_nan(g, in[0]), c->attr);
    return clg_ne(y, y);
}
static clg_tensor *nan_max_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = with_nan(g, in[0]);
    return vjp_of(clg_max_pool(x, c->attr), in[1], x);
}
static clg_tensor *zeros_l2(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = clg_mul(in[0], clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 0));
    return vjp_of(clg_l2_pool(x, c->attr), NULL, x);
}

#define POOL(name, ...) static const clg_pool_params name = {__VA_ARGS__}
POOL(k2, .kernel = {2, 2});
POOL(k3s2p1, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1});
POOL(k3s2p1c, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .count_pad = true);
POOL(k3s2ceil, .kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true);
POOL(k3s2p1ceil, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .ceil_mode = true, .count_pad = true);
POOL(k32s13, .kernel = {3, 2}, .stride = {1, 3}, .pad = {1, 0});
POOL(k1, .kernel = {1, 1});
POOL(k4s1, .kernel = {4, 4}, .stride = {1, 1});
POOL(k2ceil, .kernel = {2, 2}, .ceil_mode = true);
POOL(k5ceil, .kernel = {5, 5}, .stride = {3, 3}, .ceil_mode = true);
POOL(k3_1d, .kernel = {3}, .stride = {2}, .pad = {1});
POOL(k2_3d, .kernel = {2, 2, 2});
POOL(k3_3d, .kernel = {3, 2, 3}, .stride = {2, 1, 2}, .pad = {1, 0, 1}, .ceil_mode = true);
POOL(right, .kernel = {2, 3}, .stride = {1, 2}, .pad_end = {1, 2}, .asymmetric = true);
POOL(rightc, .kernel = {2, 3}, .stride = {1, 2}, .pad = {0, 1}, .pad_end = {1, 2}, .asymmetric = true,
     .count_pad = true);
POOL(d2, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {2, 2});
POOL(d21p2, .kernel = {3, 3}, .stride = {2, 3}, .pad = {2, 1}, .dilation = {2, 1});
POOL(d2s2ceil, .kernel = {2, 3}, .stride = {2, 2}, .pad = {1, 2}, .dilation = {1, 3}, .ceil_mode = true);
POOL(d3_1d, .kernel = {3}, .stride = {1}, .pad = {3}, .dilation = {3});
POOL(d2_3d, .kernel = {2, 2, 2}, .stride = {1, 1, 1}, .pad = {1, 0, 0}, .dilation = {2, 1, 3});
static const int64_t to_1[] = {1, 1, 1}, to_3[] = {3, 3, 3}, to_24[] = {2, 4}, to_57[] = {5, 7}, to_235[] = {2, 3, 5};

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
#define ROW(op_, build_, attr_, k_, flags_, n_in_, ...) \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = n_in_, \
     .in = {__VA_ARGS__}}
#define ARRAY(op_, build_, attr_, k_, flags_, n_in_, ...) \
    {.op = #op_, .text = #attr_, .build = build_, .attr = attr_, .k = k_, .flags = flags_, .n_in = n_in_, \
     .in = {__VA_ARGS__}}
/* Bounds: a sum of n numbers below 1, in turn, is off by n^2 eps / 4 at most, and its mean by n eps / 4; up to 25. */
#define MAXES(attr, flags, n, dx, dy)                                                                            \
    ROW(max_pool, max_pool, attr, 0, flags, 1, {n, DIMS dx, CLG_FILL_DISTINCT}),                                    \
    ROW(max_pool_bwd, max_pool_bwd, attr, 9, flags, 2, {n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy}),              \
    ROW(max_pool_at, max_pool_at, attr, 0, flags, 3, {n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy}, {n, DIMS dx})
#define AVGS(attr, flags, n, dx, dy)                            \
    ROW(avg_pool, avg_pool, attr, 10, flags, 1, {n, DIMS dx}),     \
    ROW(avg_pool_bwd, avg_pool_bwd, attr, 10, flags, 2, {n, DIMS dx}, {n, DIMS dy})
#define POOLS(attr, max_flags, avg_flags, n, dx, dy) MAXES(attr, max_flags, n, dx, dy), AVGS(attr, avg_flags, n, dx, dy)
/* Norms of n <= 18 numbers: the sum is off by n / 2 eps, its root by half of that, and 3 for the root itself. */
#define L2(attr, flags, n, dx, dy)                                                \
    ROW(l2_pool, l2_pool, attr, 9, flags, 1, {n, DIMS dx, CLG_FILL_AWAY}),           \
    ROW(l2_pool, l2_pool_bwd, attr, 40, flags, 2, {n, DIMS dx, CLG_FILL_AWAY}, {n, DIMS dy})
/* By the composites, and by the rows they expand to, so that all implementations of those see adaptive windows. */
#define ADAPTIVE(attr, flags, n, dx, dy)                                                                            \
    ARRAY(adaptive_max_pool, adaptive_max, attr, 0, E | (flags), 1, {n, DIMS dx, CLG_FILL_DISTINCT}),                  \
    ARRAY(max_pool, adaptive_max, attr, 0, E, 1, {n, DIMS dx, CLG_FILL_DISTINCT}),                                     \
    ARRAY(max_pool_bwd, adaptive_max_bwd, attr, 9, E | (flags), 2, {n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy}),     \
    ARRAY(max_pool_at, adaptive_max_at, attr, 0, E | (flags), 3, {n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy},        \
          {n, DIMS dx}),                                                                                               \
    ARRAY(adaptive_avg_pool, adaptive_avg, attr, 25, flags, 1, {n, DIMS dx}),                                          \
    ARRAY(avg_pool, adaptive_avg, attr, 25, 0, 1, {n, DIMS dx}),                                                       \
    ARRAY(avg_pool_bwd, adaptive_avg_bwd, attr, 25, flags, 2, {n, DIMS dx}, {n, DIMS dy})
#define GLOBAL(flags_, n, dx)                                                                                  \
    {.op = "global_max_pool", .build = unary, .f1 = clg_global_max_pool, .flags = E | (flags_), .n_in = 1,         \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}}},                                                                    \
    {.op = "global_avg_pool", .build = unary, .f1 = clg_global_avg_pool, .k = 25, .flags = flags_, .n_in = 1,      \
     .in = {{n, DIMS dx}}}

const clg_case clg_cases_pool[] = {
    POOLS(k2, E | G, E | G, 4, (2, 3, 6, 8), (2, 3, 3, 4)),
    POOLS(k2, E, E, 4, (2, 6, 28, 28), (2, 6, 14, 14)),
    POOLS(k2, E | G, E | G, 4, (1, 2, 5, 7), (1, 2, 2, 3)),
    POOLS(k3s2p1, E | G, G, 4, (2, 2, 7, 8), (2, 2, 4, 4)),
    POOLS(k3s2p1c, E, G, 4, (2, 2, 7, 8), (2, 2, 4, 4)),
    POOLS(k3s2ceil, E | G, G, 4, (1, 3, 8, 6), (1, 3, 4, 3)),
    POOLS(k3s2p1ceil, E, G, 4, (1, 2, 6, 6), (1, 2, 4, 4)),
    POOLS(k2ceil, E, G, 4, (2, 1, 5, 37), (2, 1, 3, 19)),
    POOLS(k5ceil, E, G, 4, (1, 2, 3, 4), (1, 2, 1, 1)),
    POOLS(k32s13, E | G, G, 4, (2, 1, 5, 8), (2, 1, 5, 3)),
    POOLS(k1, E, E, 4, (1, 1, 3, 37), (1, 1, 3, 37)),
    POOLS(k1, E | G, E | G, 4, (1, 1, 1, 1), (1, 1, 1, 1)),
    POOLS(k4s1, E, E, 4, (1, 2, 9, 40), (1, 2, 6, 37)),
    POOLS(k2, E, E, 4, (0, 2, 4, 4), (0, 2, 2, 2)),
    POOLS(k3_1d, E | G, G, 3, (2, 3, 9), (2, 3, 5)),
    POOLS(k2_3d, E | G, E | G, 5, (1, 2, 4, 5, 6), (1, 2, 2, 2, 3)),
    POOLS(k3_3d, E | G, G, 5, (2, 1, 4, 3, 6), (2, 1, 3, 2, 4)),
    POOLS(right, E | G, G, 4, (1, 2, 5, 37), (1, 2, 5, 19)),
    POOLS(rightc, E, G, 4, (2, 1, 4, 6), (2, 1, 4, 4)),
    MAXES(d2, E | G, 4, (1, 2, 7, 8), (1, 2, 3, 4)),
    MAXES(d2, E, 4, (2, 1, 9, 44), (2, 1, 5, 40)),
    MAXES(d21p2, E | G, 4, (2, 2, 8, 9), (2, 2, 4, 3)),
    MAXES(d2s2ceil, E | G, 4, (1, 1, 5, 23), (1, 1, 3, 11)),
    MAXES(d3_1d, E | G, 3, (1, 2, 19), (1, 2, 19)),
    MAXES(d2_3d, E | G, 5, (1, 2, 3, 4, 6), (1, 2, 3, 3, 3)),
    /* rows longer than the gathering kernels keep at once, with strides of 1 and 2, and an odd end */
    POOLS(k3s2p1, E, 0, 4, (1, 2, 4, 301), (1, 2, 2, 151)), POOLS(k4s1, E, E, 4, (1, 1, 5, 150), (1, 1, 2, 147)),
    POOLS(k2, B, B, 4, (16, 64, 56, 56), (16, 64, 28, 28)), POOLS(k3s2p1, B, B, 4, (8, 64, 112, 112), (8, 64, 56, 56)),
    POOLS(k3s2p1, B, B, 4, (16, 64, 56, 56), (16, 64, 28, 28)),
    {.op = "max_pool", .text = "NaN", .build = nan_max, .attr = &k3s2p1, .flags = E, .n_in = 1,
     .in = {{4, {2, 2, 9, 40}}}},
    {.op = "max_pool_bwd", .text = "NaN", .build = nan_max_bwd, .attr = &k3s2p1, .k = 9, .flags = E, .n_in = 2,
     .in = {{4, {2, 2, 9, 40}}, {4, {2, 2, 5, 20}}}},
    {.op = "max_pool_bwd", .text = "NaN pairs", .build = nan_max_bwd, .attr = &k2, .k = 9, .flags = E, .n_in = 2,
     .in = {{4, {2, 2, 8, 40}}, {4, {2, 2, 4, 20}}}},

    ADAPTIVE(to_3, G, 4, (2, 2, 7, 8), (2, 2, 3, 3)), ADAPTIVE(to_57, G, 4, (1, 2, 6, 23), (1, 2, 5, 7)),
    ADAPTIVE(to_24, G, 4, (1, 3, 6, 8), (1, 3, 2, 4)), ADAPTIVE(to_57, G, 4, (1, 2, 3, 4), (1, 2, 5, 7)),
    ADAPTIVE(to_1, G, 4, (2, 3, 5, 5), (2, 3, 1, 1)), ADAPTIVE(to_235, G, 5, (1, 2, 3, 5, 7), (1, 2, 2, 3, 5)),
    ADAPTIVE(to_3, G, 3, (2, 3, 17), (2, 3, 3)), ADAPTIVE(to_3, 0, 4, (0, 2, 4, 4), (0, 2, 3, 3)),
    GLOBAL(G, 4, (2, 5, 3, 9)), GLOBAL(G, 3, (1, 1, 1)), GLOBAL(G, 5, (2, 3, 2, 5, 3)), GLOBAL(0, 4, (3, 0, 2, 2)),
    GLOBAL(0, 4, (2, 3, 37, 41)), GLOBAL(B, 4, (16, 512, 7, 7)),
    L2(k2, G, 4, (2, 3, 6, 8), (2, 3, 3, 4)), L2(k3s2p1, G, 4, (2, 2, 7, 8), (2, 2, 4, 4)),
    L2(k3s2ceil, G, 4, (1, 3, 8, 6), (1, 3, 4, 3)), L2(k3_1d, G, 3, (2, 3, 9), (2, 3, 5)),
    L2(k3_3d, G, 5, (2, 1, 4, 3, 6), (2, 1, 3, 2, 4)), L2(k1, G, 4, (1, 1, 1, 1), (1, 1, 1, 1)),
    L2(k2, 0, 4, (0, 2, 4, 4), (0, 2, 2, 2)), L2(k4s1, 0, 4, (1, 2, 9, 40), (1, 2, 6, 37)),
    {.op = "l2_pool", .text = "zeros", .build = zeros_l2, .attr = &k2, .flags = E, .n_in = 1,
     .in = {{4, {1, 2, 4, 6}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(max_pool, clg_max_pool(X(1, 3, 2, 2), clg_pool_params(.kernel = {3, 3})))
BAD(max_pool_pad, clg_max_pool(X(1, 3, 4, 4), clg_pool_params(.kernel = {2, 2}, .pad = {2, 0})))
BAD(max_pool_step, clg_max_pool(X(1, 1, 2), clg_pool_params(.kernel = {2}, .stride = {1}, .pad = {2}, .dilation = {3})))
BAD(max_pool_none, clg_max_pool(X(1, 3, 4, 4), NULL))
BAD(max_pool_int, clg_max_pool(clg_reshape(T(16), CLG_SHAPE(1, 1, 4, 4)), clg_pool_params(.kernel = {2, 2})))
BAD(avg_pool, clg_avg_pool(X(3, 2), clg_pool_params(.kernel = {2, 2})))
BAD(avg_pool_dilated, clg_avg_pool(X(1, 3, 8, 8), clg_pool_params(.kernel = {2, 2}, .dilation = {2, 1})))
BAD(l2_pool, clg_l2_pool(X(1, 3, 2, 2), clg_pool_params(.kernel = {2, 3})))
BAD(adaptive_max, clg_adaptive_max_pool(X(2, 3, 4, 4), ((const int64_t[]){2, 0})))
BAD(adaptive_avg, clg_adaptive_avg_pool(X(2, 3), ((const int64_t[]){2})))
BAD(global_max, clg_global_max_pool(X(2, 3, 0, 4)))
BAD(global_avg, clg_global_avg_pool(X(2, 3)))

const clg_bad_case clg_bad_pool[] = {
    {"max_pool", bad_max_pool, {"max_pool", "f32[1,3,2,2]", "kernel 3"}},
    {"max_pool", bad_max_pool_pad, {"max_pool", "f32[1,3,4,4]", "padding before axis 2 is 2"}},
    {"max_pool", bad_max_pool_step, {"max_pool", "f32[1,1,2]", "padding only"}},
    {"max_pool", bad_max_pool_none, {"max_pool", "f32[1,3,4,4]", "kernel of axis 2 is 0"}},
    {"max_pool", bad_max_pool_int, {"max_pool", "i32[1,1,4,4]", "floating-point"}},
    {"avg_pool", bad_avg_pool, {"avg_pool", "f32[3,2]", ""}},
    {"avg_pool", bad_avg_pool_dilated, {"avg_pool", "f32[1,3,8,8]", "dilation is 2"}},
    {"l2_pool", bad_l2_pool, {"l2_pool", "f32[1,3,2,2]", "kernel 3"}},
    {"adaptive_max_pool", bad_adaptive_max, {"adaptive_max_pool", "f32[2,3,4,4]", "0 windows"}},
    {"adaptive_avg_pool", bad_adaptive_avg, {"adaptive_avg_pool", "f32[2,3]", "[N, C, ...]"}},
    {"global_max_pool", bad_global_max, {"global_max_pool", "f32[2,3,0,4]", "size 0"}},
    {"global_avg_pool", bad_global_avg, {"global_avg_pool", "f32[2,3]", "[N, C, ...]"}},
    {.op = NULL},
};

/* Cases of pooling, softmax, loss, dropout, and of whole small networks. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *max_pool(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_max_pool(in[0], c->attr);
}
static clg_tensor *avg_pool(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_avg_pool(in[0], c->attr);
}
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
static clg_tensor *softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_softmax(clg_scale(in[0], 3), *(const int *)c->attr);
}
static clg_tensor *softmax_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_softmax(in[0], *(const int *)c->attr), in[1], in[0]);
}
static clg_tensor *log_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_log_softmax(clg_scale(in[0], 3), *(const int *)c->attr);
}
static clg_tensor *log_softmax_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_log_softmax(in[0], *(const int *)c->attr), in[1], in[0]);
}
/* Logits around 80 and -80: exp of them would be infinite or 0. */
static clg_tensor *far_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_softmax(clg_scale(in[0], 90), 1);
}
static clg_tensor *far_log_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_log_softmax(clg_scale(in[0], 90), 1);
}
static clg_tensor *cross_entropy(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cross_entropy(clg_scale(in[0], 3), in[1]);
}
static clg_tensor *cross_entropy_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_cross_entropy(in[0], in[1]), in[2], in[0]);
}
static clg_tensor *dropout(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dropout(in[0], *(const double *)c->attr);
}
static clg_tensor *dropout_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_dropout(in[0], *(const double *)c->attr), in[1], in[0]);
}
/* A LeNet in small: convolution, pooling, dense layer and loss share one plan, and its gradient. */
static clg_tensor *small_net(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *h = clg_relu(clg_conv(in[0], in[1], NULL, NULL));
    h = clg_flatten(clg_max_pool(h, clg_pool_params(.kernel = {2, 2})), 1);
    clg_tensor *loss = clg_cross_entropy(clg_matmul(h, clg_transpose(in[2])), in[3]);
    return clg_grad(loss, in[1]);
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
POOL(k3_1d, .kernel = {3}, .stride = {2}, .pad = {1});
POOL(k2_3d, .kernel = {2, 2, 2});
static const int axis0 = 0, axis1 = 1, last = -1;
static const double p0 = 0, p30 = 0.3, p50 = 0.5;

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define MIX CLG_CASE_MIXED
#define DIMS(...) {__VA_ARGS__}
#define POOLS(attr_, max_flags, avg_flags, n, dx, dy)                                                            \
    {.op = "max_pool", .text = #attr_, .build = max_pool, .attr = &attr_, .flags = max_flags, .n_in = 1,            \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}}},                                                                      \
    {.op = "max_pool_bwd", .text = #attr_, .build = max_pool_bwd, .attr = &attr_, .k = 9, .flags = max_flags,       \
     .n_in = 2, .in = {{n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy}}},                                             \
    {.op = "max_pool_at", .text = #attr_, .build = max_pool_at, .attr = &attr_, .flags = max_flags, .n_in = 3,      \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}, {n, DIMS dy}, {n, DIMS dx}}},                                          \
    {.op = "avg_pool", .text = #attr_, .build = avg_pool, .attr = &attr_, .k = 10, .flags = avg_flags, .n_in = 1,   \
     .in = {{n, DIMS dx}}},                                                                                         \
    {.op = "avg_pool_bwd", .text = #attr_, .build = avg_pool_bwd, .attr = &attr_, .k = 10, .flags = avg_flags,      \
     .n_in = 2, .in = {{n, DIMS dx}, {n, DIMS dy}}}
#define S(op_, k_, attr_, flags_, n, dx) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dx}}}
#define SB(op_, k_, attr_, flags_, n, dx) \
    {.op = #op_, .text = #attr_, .build = op_##_bwd, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dx}, {n, DIMS dx}}}
#define SOFT(op, terms, T) /* T: extra flags */                                                                    \
    S(op, 30, axis1, G | T, 2, (5, 10)), S(op, 30, last, T, 2, (64, 10)), S(op, 30, axis1, G | T, 3, (2, 5, 7)),      \
    S(op, 30, axis0, G | T, 2, (6, 19)), S(op, 40, last, T, 2, (3, 100)), S(op, 30, axis0, G | T, 1, (1)),            \
    S(op, 30, axis1, T, 2, (0, 4)), S(op, 40, last, T, 2, (2, 1000)), S(op, 40, last, B | T, 2, (4096, 1000)),        \
    SB(op, terms, axis1, G, 2, (5, 10)), SB(op, terms, last, 0, 2, (64, 33)), SB(op, terms, axis1, G, 3, (2, 5, 7)),  \
    SB(op, terms, axis0, G, 2, (6, 19)), SB(op, terms, last, B, 2, (4096, 1000))
#define CE(classes, flags_, n, dx, nt, dt)                                                                       \
    {.op = "cross_entropy", .build = cross_entropy, .k = 60, .flags = flags_, .n_in = 2,                            \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, CLG_I32, classes}}},                                        \
    {.op = "cross_entropy_bwd", .build = cross_entropy_bwd, .k = 40,                              \
     .flags = (flags_) | CLG_CASE_SMALL, .n_in = 3,                                                                 \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, CLG_I32, classes}, {0}}}
#define D(attr_, flags_, n, dx)                                                                                  \
    {.op = "dropout", .text = #attr_, .build = dropout, .attr = &attr_, .k = 2, .flags = (flags_) | CLG_CASE_RANDOM, \
     .n_in = 1, .in = {{n, DIMS dx}}},                                                                              \
    {.op = "dropout", .text = #attr_ " backward", .build = dropout_bwd, .attr = &attr_, .k = 2,                       \
     .flags = (flags_) | CLG_CASE_RANDOM, .n_in = 2, .in = {{n, DIMS dx}, {n, DIMS dx}}}

const clg_case clg_cases_network[] = {
    POOLS(k2, E | G, E | G, 4, (2, 3, 6, 8), (2, 3, 3, 4)),
    POOLS(k2, E, E, 4, (2, 6, 28, 28), (2, 6, 14, 14)),
    POOLS(k2, E | G, E | G, 4, (1, 2, 5, 7), (1, 2, 2, 3)),
    POOLS(k3s2p1, E | G, G, 4, (2, 2, 7, 8), (2, 2, 4, 4)),
    POOLS(k3s2p1c, E, G, 4, (2, 2, 7, 8), (2, 2, 4, 4)),
    POOLS(k3s2ceil, E | G, G, 4, (1, 3, 8, 6), (1, 3, 4, 3)),
    POOLS(k3s2p1ceil, E, G, 4, (1, 2, 6, 6), (1, 2, 4, 4)),
    POOLS(k32s13, E | G, G, 4, (2, 1, 5, 8), (2, 1, 5, 3)),
    POOLS(k1, E, E, 4, (1, 1, 3, 37), (1, 1, 3, 37)),
    POOLS(k4s1, E, E, 4, (1, 2, 9, 40), (1, 2, 6, 37)),
    POOLS(k2, E, E, 4, (0, 2, 4, 4), (0, 2, 2, 2)),
    POOLS(k3_1d, E | G, G, 3, (2, 3, 9), (2, 3, 5)),
    POOLS(k2_3d, E | G, E | G, 5, (1, 2, 4, 5, 6), (1, 2, 2, 2, 3)),
    POOLS(k2, B, B, 4, (16, 64, 56, 56), (16, 64, 28, 28)),
    POOLS(k3s2p1, B, B, 4, (16, 64, 56, 56), (16, 64, 28, 28)),

    SOFT(softmax, 40, CLG_CASE_SMALL), SOFT(log_softmax, 40, 0),
    {.op = "softmax", .text = "far", .build = far_softmax, .k = 200, .n_in = 1, .in = {{2, {7, 10}}}},
    {.op = "log_softmax", .text = "far", .build = far_log_softmax, .k = 60, .n_in = 1, .in = {{2, {7, 10}}}},

    CE(10, G, 2, (8, 10), 1, (8)), CE(10, 0, 2, (64, 10), 1, (64)), CE(3, G, 3, (4, 3, 5), 2, (4, 5)),
    CE(33, G, 2, (17, 33), 1, (17)), CE(1, G, 2, (3, 1), 1, (3)), CE(1000, B, 2, (4096, 1000), 1, (4096)),

    D(p50, E | G, 2, (3, 7)), D(p30, G, 2, (5, 37)), D(p0, E | G, 1, (9)), D(p50, E, 2, (64, 256)),
    D(p50, E, 2, (0, 3)), D(p50, E | B, 4, (16, 64, 56, 56)),

    {.op = "conv", .text = "small net", .build = small_net, .k = 200, .flags = MIX, .n_in = 4,
     .in = {{4, {4, 2, 8, 8}}, {4, {3, 2, 3, 3}}, {2, {5, 27}}, {1, {4}, CLG_FILL_LABEL, CLG_I32, 5}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(max_pool, clg_max_pool(X(1, 3, 2, 2), clg_pool_params(.kernel = {3, 3})))
BAD(avg_pool, clg_avg_pool(X(3, 2), clg_pool_params(.kernel = {2, 2})))
BAD(softmax, clg_softmax(X(2, 3), 2))
BAD(cross_entropy, clg_cross_entropy(X(4, 10), T(5)))
BAD(cross_entropy_types, clg_cross_entropy(X(4, 10), V(4)))
BAD(sgd, clg_sgd(clg_mul(X(2), clg_param(g, "p", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE)), NULL))

const clg_bad_case clg_bad_network[] = {
    {"max_pool", bad_max_pool, {"max_pool", "f32[1,3,2,2]", "3"}},
    {"avg_pool", bad_avg_pool, {"avg_pool", "f32[3,2]", ""}},
    {"softmax", bad_softmax, {"softmax", "f32[2,3]", "2"}},
    {"cross_entropy", bad_cross_entropy, {"cross_entropy", "f32[4,10]", "i32[5]"}},
    {"cross_entropy", bad_cross_entropy_types, {"cross_entropy", "f32[4,10]", "f32[4]"}},
    {"sgd", bad_sgd, {"sgd", "scalar", ""}},
    {.op = NULL},
};

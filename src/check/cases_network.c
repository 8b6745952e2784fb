/* Cases of dropout and of whole small networks. */
#include "check/bad.h"
#include "check/cases.h"

/* The gradients as ops of their own: inputs x, gy. */
static clg_tensor *vjp_of(clg_tensor *y, clg_tensor *gy, clg_tensor *x) {
    clg_tensor *gx = NULL;
    clg_vjp(y, gy, (clg_list){1, &x}, &gx);
    return gx;
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

static const double p0 = 0, p30 = 0.3, p50 = 0.5;

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define MIX CLG_CASE_MIXED
#define DIMS(...) {__VA_ARGS__}
#define D(attr_, flags_, n, dx)                                                                                  \
    {.op = "dropout", .text = #attr_, .build = dropout, .attr = &attr_, .k = 2, .flags = (flags_) | CLG_CASE_RANDOM, \
     .n_in = 1, .in = {{n, DIMS dx}}},                                                                              \
    {.op = "dropout", .text = #attr_ " backward", .build = dropout_bwd, .attr = &attr_, .k = 2,                       \
     .flags = (flags_) | CLG_CASE_RANDOM, .n_in = 2, .in = {{n, DIMS dx}, {n, DIMS dx}}}

const clg_case clg_cases_network[] = {
    D(p50, E | G, 2, (3, 7)), D(p30, G, 2, (5, 37)), D(p0, E | G, 1, (9)), D(p50, E, 2, (64, 256)),
    D(p50, E, 2, (0, 3)), D(p50, E | B, 4, (16, 64, 56, 56)),

    {.op = "conv", .text = "small net", .build = small_net, .k = 200, .flags = MIX, .n_in = 4,
     .in = {{4, {4, 2, 8, 8}}, {4, {3, 2, 3, 3}}, {2, {5, 27}}, {1, {4}, CLG_FILL_LABEL, CLG_I32, 5}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(sgd, clg_sgd(clg_mul(X(2), clg_param(g, "p", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE)), NULL))

const clg_bad_case clg_bad_network[] = {
    {"sgd", bad_sgd, {"sgd", "scalar", ""}},
    {.op = NULL},
};

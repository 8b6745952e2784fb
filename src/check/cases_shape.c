/* Cases of shape changes, sources and effects. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *reshape(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_reshape(in[0], *(const clg_shape *)c->attr);
}
static clg_tensor *flatten(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_flatten(in[0], 1); }
static clg_tensor *permute(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_permute(in[0], c->attr);
}
static clg_tensor *transpose(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_transpose(in[0]); }
static clg_tensor *back_and_forth(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_add(clg_transpose(clg_exp(clg_transpose(in[0]))), clg_reshape(in[0], clg_tensor_shape(in[0])));
}

/* --- sources and effects --- */

static clg_tensor *same(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return in[0]; }
static clg_tensor *constant(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    static const float v[6] = {1, -2, 0.5f, 3e30f, -0.0f, 1e-30f};
    return clg_const(g, CLG_F32, CLG_SHAPE(2, 3), v);
}
static clg_tensor *constant_in_use(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    static const double v[3] = {1, -2, 0.5};
    static const float v32[3] = {1, -2, 0.5f};
    const clg_dtype t = clg_tensor_dtype(in[0]);
    return clg_mul(in[0], clg_const(g, t, CLG_SHAPE(3), t == CLG_F64 ? (const void *)v : v32));
}
static clg_tensor *fill(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_fill(g, CLG_F32, CLG_SHAPE(5, 3), -1.25);
}
static clg_tensor *fill_in_use(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_add(in[0], clg_mul(clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 3),
                                  clg_fill(g, clg_tensor_dtype(in[0]), CLG_SHAPE(4), 0.5)));
}
static clg_tensor *initial(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_param(g, "p", CLG_F32, CLG_SHAPE(8, 3, 5, 5), *(const enum clg_init *)c->attr);
}
static clg_tensor *state(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_mul(clg_state(g, "s", clg_tensor_dtype(in[0]), CLG_SHAPE(4), 3), in[0]);
}
/* s becomes s * 0.5 + a; after two runs from 1: 0.25 + 1.5 a. */
static clg_tensor *assign(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_state(g, "s", CLG_F32, clg_tensor_shape(in[0]), 1);
    return clg_assign(s, clg_add(clg_scale(s, 0.5), in[0]));
}
static clg_tensor *assign_input(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_assign(clg_state(g, "s", CLG_F32, clg_tensor_shape(in[0]), 1), in[0]);
}
/* Two states exchange their values: each must be read as it was before the run. */
static clg_tensor *exchange(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_state(g, "s", CLG_F32, clg_tensor_shape(in[0]), 1);
    clg_tensor *t = clg_state(g, "t", CLG_F32, clg_tensor_shape(in[0]), 2);
    clg_tensor *e[2] = {clg_assign(s, clg_add(t, in[0])), clg_assign(t, s)};
    return clg_group((clg_list){2, e});
}
/* The state is moved and read through a permutation, so that an update in place would be wrong. */
static clg_tensor *turn(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_state(g, "s", CLG_F32, clg_tensor_shape(in[0]), 1);
    clg_tensor *t = clg_transpose(clg_reshape(s, clg_tensor_shape(clg_transpose(s))));
    return clg_assign(s, clg_add(clg_mul(t, in[0]), in[0]));
}
static clg_tensor *count(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_state(g, "s", CLG_I32, CLG_SCALAR, 40);
    return clg_assign(s, clg_add(s, clg_fill(g, CLG_I32, CLG_SCALAR, 1)));
}
static clg_tensor *stopped(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *y = clg_mul(in[0], clg_stop_grad(in[0]));
    return clg_grad(clg_sum(y, CLG_ALL), in[0]); /* x, not 2 x */
}

static const clg_shape to_6_m1 = {2, {6, -1}}, to_scalar = {0, {0}}, to_1_1_7 = {3, {1, 1, 7}}, to_0_2 = {2, {0, 2}};
static const int order_201[] = {2, 0, 1}, order_0213[] = {0, 2, 1, 3}, order_3210[] = {3, 2, 1, 0}, order_10[] = {1, 0},
                 order_012[] = {0, 1, 2}, order_021[] = {0, 2, 1}, order_102[] = {1, 0, 2};
static const enum clg_init init_zero = CLG_INIT_ZERO, init_one = CLG_INIT_ONE, init_xavier = CLG_INIT_XAVIER,
                           init_he = CLG_INIT_HE, init_normal = CLG_INIT_NORMAL, init_uniform = CLG_INIT_UNIFORM;

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
#define P(attr_, flags_, n, dims)                                                                    \
    {.op = "permute", .text = #attr_, .build = permute, .attr = attr_, .flags = flags_, .n_in = 1,  \
     .in = {{n, DIMS dims}}}
#define INIT(attr_, k_) {.op = "variable", .text = #attr_, .build = initial, .attr = &attr_, .k = k_}

const clg_case clg_cases_shape[] = {
    {.op = "reshape", .text = "to 6,-1", .build = reshape, .attr = &to_6_m1, .flags = E | G, .n_in = 1,
     .in = {{3, {3, 4, 5}}}},
    {.op = "reshape", .text = "to scalar", .build = reshape, .attr = &to_scalar, .flags = E | G, .n_in = 1,
     .in = {{2, {1, 1}}}},
    {.op = "reshape", .text = "to 1,1,7", .build = reshape, .attr = &to_1_1_7, .flags = E | G, .n_in = 1,
     .in = {{1, {7}}}},
    {.op = "reshape", .text = "empty", .build = reshape, .attr = &to_0_2, .flags = E, .n_in = 1, .in = {{2, {3, 0}}}},
    {.op = "reshape", .text = "flatten", .build = flatten, .flags = E | G, .n_in = 1, .in = {{4, {2, 3, 2, 5}}}},
    P(order_10, E | G, 2, (5, 7)), P(order_201, E | G, 3, (3, 4, 5)), P(order_0213, E | G, 4, (2, 3, 4, 17)),
    P(order_3210, E | G, 4, (2, 3, 4, 5)), P(order_012, E | G, 3, (2, 3, 4)), P(order_10, E, 2, (33, 65)),
    P(order_10, E | G, 2, (1, 19)), P(order_021, E, 3, (0, 3, 4)), P(order_102, E, 3, (5, 3, 32)),
    P(order_10, E, 2, (70, 600)), /* strips of 64 rows, and rests of both sizes */
    P(order_10, E | B, 2, (2048, 2048)), P(order_0213, E | B, 4, (16, 64, 56, 56)),
    {.op = "permute", .text = "transpose", .build = transpose, .flags = E | G, .n_in = 1, .in = {{3, {2, 3, 5}}}},
    {.op = "permute", .text = "there and back", .build = back_and_forth, .k = 10, .flags = G | CLG_CASE_MIXED,
     .n_in = 1, .in = {{2, {6, 21}}}},

    {.op = "input", .build = same, .flags = E, .n_in = 1, .in = {{2, {3, 17}}}},
    {.op = "input", .build = same, .flags = E, .n_in = 1, .in = {{0, {0}, CLG_FILL_UNIT, CLG_I32}}},
    {.op = "input", .build = same, .flags = E, .n_in = 1, .in = {{1, {9}, CLG_FILL_UNIT, CLG_U8}}},
    {.op = "const", .build = constant, .flags = E},
    {.op = "const", .text = "in use", .build = constant_in_use, .flags = E | G, .n_in = 1, .in = {{2, {4, 3}}}},
    {.op = "fill", .build = fill, .flags = E},
    {.op = "fill", .text = "in use", .build = fill_in_use, .flags = E | G, .n_in = 1, .in = {{2, {3, 4}}}},
    INIT(init_zero, 0), INIT(init_one, 0), INIT(init_xavier, 0), INIT(init_he, 0), INIT(init_normal, 0),
    INIT(init_uniform, 0),
    {.op = "variable", .text = "state", .build = state, .flags = E | G, .n_in = 1, .in = {{1, {4}}}},
    {.op = "assign", .build = assign, .k = 3, .flags = E | CLG_CASE_EFFECT, .n_in = 1, .in = {{2, {3, 17}}}},
    {.op = "assign", .text = "input", .build = assign_input, .flags = E | CLG_CASE_EFFECT, .n_in = 1,
     .in = {{2, {3, 5}}}},
    {.op = "assign", .text = "turned", .build = turn, .k = 4, .flags = E | CLG_CASE_EFFECT | CLG_CASE_MIXED, .n_in = 1,
     .in = {{2, {5, 18}}}},
    {.op = "assign", .text = "counter", .build = count, .flags = E | CLG_CASE_EFFECT},
    {.op = "assign", .build = assign, .k = 3, .flags = E | CLG_CASE_EFFECT, .n_in = 1, .in = {{2, {1, 5}}}},
    {.op = "assign", .build = assign, .k = 3, .flags = E | CLG_CASE_EFFECT, .n_in = 1, .in = {{2, {0, 5}}}},
    {.op = "group", .build = exchange, .k = 3, .flags = E | CLG_CASE_EFFECT, .n_in = 1, .in = {{2, {1, 5}}}},
    {.op = "group", .build = exchange, .k = 3, .flags = E | CLG_CASE_EFFECT, .n_in = 1, .in = {{2, {0, 5}}}},
    {.op = "stop_grad", .build = stopped, .flags = E, .n_in = 1, .in = {{2, {1, 5}}}},
    {.op = "stop_grad", .build = stopped, .flags = E, .n_in = 1, .in = {{2, {0, 5}}}},
    {.op = "group", .text = "exchange", .build = exchange, .k = 3, .flags = E | CLG_CASE_EFFECT | CLG_CASE_MIXED,
     .n_in = 1, .in = {{2, {3, 17}}}},
    {.op = "stop_grad", .build = stopped, .flags = E, .n_in = 1, .in = {{2, {3, 17}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(reshape, clg_reshape(X(2, 3), CLG_SHAPE(4, 2)))
BAD(permute, clg_permute(X(2, 3), ((const int[]){1, 1})))
BAD(assign, clg_assign(clg_state(g, "s", CLG_F32, CLG_SHAPE(2, 3), 0), X(3, 2)))
BAD(grad, clg_grad(X(2, 3), W(2)))

const clg_bad_case clg_bad_shape[] = {
    {"reshape", bad_reshape, {"reshape", "f32[2,3]", "4,2"}},
    {"permute", bad_permute, {"permute", "f32[2,3]", ""}},
    {"assign", bad_assign, {"assign", "f32[2,3]", "f32[3,2]"}},
    {"grad", bad_grad, {"grad", "f32[2,3]", ""}},
    {.op = NULL},
};

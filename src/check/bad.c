/* Mistakes a user makes, and what the message has to say: the op, and the shapes that do not fit. */
#include "check/check.h"

#include <string.h>

static clg_tensor *in(clg_graph *g, const char *name, clg_shape s) { return clg_input(g, name, CLG_F32, s); }
#define X(...) in(g, "x", CLG_SHAPE(__VA_ARGS__))
#define W(...) in(g, "w", CLG_SHAPE(__VA_ARGS__))
#define V(...) in(g, "v", CLG_SHAPE(__VA_ARGS__))
#define T(...) clg_input(g, "t", CLG_I32, CLG_SHAPE(__VA_ARGS__))
#define BAD(name, expr) static clg_tensor *name(clg_graph *g) { return expr; }

BAD(add, clg_add(X(2, 3), W(2, 4)))
BAD(add_types, clg_add(X(2, 3), T(2, 3)))
BAD(eq, clg_eq(X(2, 3), W(3, 2)))
BAD(where, clg_where(T(4), X(2, 3), W(2, 3)))
BAD(broadcast, clg_broadcast(X(2, 3), CLG_SHAPE(4, 3)))
BAD(sum_axis, clg_sum(X(2, 3), CLG_AXIS(4)))
BAD(argmax_axis, clg_argmax(X(2, 3), 2))
BAD(argmax_empty, clg_argmax(X(2, 0), 1))
BAD(reshape, clg_reshape(X(2, 3), CLG_SHAPE(4, 2)))
BAD(permute, clg_permute(X(2, 3), ((const int[]){1, 1})))
BAD(matmul, clg_matmul(X(2, 3), W(4, 5)))
BAD(matmul_batch, clg_matmul(X(2, 2, 3), W(3, 3, 5)))
BAD(matmul_rank, clg_matmul(X(3), W(3, 5)))
BAD(conv_channels, clg_conv(X(1, 3, 8, 8), W(4, 2, 3, 3), NULL, NULL))
BAD(conv_rank, clg_conv(X(1, 3, 8, 8), W(4, 3, 3), NULL, NULL))
BAD(conv_too_small, clg_conv(X(1, 3, 2, 2), W(4, 3, 3, 3), NULL, NULL))
BAD(conv_bias, clg_conv(X(1, 3, 8, 8), W(4, 3, 3, 3), V(3), NULL))
BAD(conv_groups, clg_conv(X(1, 4, 8, 8), W(3, 2, 3, 3), NULL, clg_conv_params(.groups = 2)))
BAD(max_pool, clg_max_pool(X(1, 3, 2, 2), clg_pool_params(.kernel = {3, 3})))
BAD(avg_pool, clg_avg_pool(X(3, 2), clg_pool_params(.kernel = {2, 2})))
BAD(softmax, clg_softmax(X(2, 3), 2))
BAD(cross_entropy, clg_cross_entropy(X(4, 10), T(5)))
BAD(cross_entropy_types, clg_cross_entropy(X(4, 10), V(4)))
BAD(assign, clg_assign(clg_state(g, "s", CLG_F32, CLG_SHAPE(2, 3), 0), X(3, 2)))
BAD(sgd, clg_sgd(clg_mul(X(2), clg_param(g, "p", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE)), NULL))
BAD(grad, clg_grad(X(2, 3), W(2)))

static const clg_bad_case bad[] = {
    {"add", add, {"add", "f32[2,3]", "f32[2,4]"}},
    {"add", add_types, {"add", "f32[2,3]", "i32[2,3]"}},
    {"eq", eq, {"eq", "f32[2,3]", "f32[3,2]"}},
    {"where", where, {"where", "i32[4]", "f32[2,3]"}},
    {"broadcast", broadcast, {"broadcast", "f32[2,3]", "4,3"}},
    {"sum", sum_axis, {"sum", "f32[2,3]", ""}},
    {"argmax", argmax_axis, {"argmax", "f32[2,3]", "2"}},
    {"argmax", argmax_empty, {"argmax", "f32[2,0]", ""}},
    {"reshape", reshape, {"reshape", "f32[2,3]", "4,2"}},
    {"permute", permute, {"permute", "f32[2,3]", ""}},
    {"matmul", matmul, {"matmul", "f32[2,3]", "f32[4,5]"}},
    {"matmul", matmul_batch, {"matmul", "f32[2,2,3]", "f32[3,3,5]"}},
    {"matmul", matmul_rank, {"matmul", "f32[3]", "f32[3,5]"}},
    {"conv", conv_channels, {"conv", "f32[1,3,8,8]", "f32[4,2,3,3]"}},
    {"conv", conv_rank, {"conv", "f32[1,3,8,8]", "f32[4,3,3]"}},
    {"conv", conv_too_small, {"conv", "f32[1,3,2,2]", "f32[4,3,3,3]"}},
    {"conv", conv_bias, {"conv", "f32[4,3,3,3]", "f32[3]"}},
    {"conv", conv_groups, {"conv", "f32[1,4,8,8]", "f32[3,2,3,3]"}},
    {"max_pool", max_pool, {"max_pool", "f32[1,3,2,2]", "3"}},
    {"avg_pool", avg_pool, {"avg_pool", "f32[3,2]", ""}},
    {"softmax", softmax, {"softmax", "f32[2,3]", "2"}},
    {"cross_entropy", cross_entropy, {"cross_entropy", "f32[4,10]", "i32[5]"}},
    {"cross_entropy", cross_entropy_types, {"cross_entropy", "f32[4,10]", "f32[4]"}},
    {"assign", assign, {"assign", "f32[2,3]", "f32[3,2]"}},
    {"sgd", sgd, {"sgd", "scalar", ""}},
    {"grad", grad, {"grad", "f32[2,3]", ""}},
};

const clg_bad_case *clg_bad_case_at(int i) {
    return i >= 0 && i < (int)(sizeof bad / sizeof bad[0]) ? &bad[i] : NULL;
}

/* Builds the mistake, goes on building on it, and compiles: the first error must come out, and only that. */
static void check_bad(const clg_bad_case *b, int number, const clg_check_params *p, clg_check_result *r) {
    clg_graph *g = clg_graph_create(p->ref, NULL);
    clg_tensor *y = g ? b->build(g) : NULL;
    clg_tensor *later = clg_relu(clg_add(y, y));
    clg_plan *plan = g ? clg_compile(g, (clg_list){1, &later}, NULL) : NULL;
    if (y || plan) clg_check_fail(p, r, -1, NULL, "bad case %d (%s): was accepted", number, b->op);
    else if (clg_error_status() != CLG_ERR_SHAPE || clg_graph_status(g) != CLG_ERR_SHAPE)
        clg_check_fail(p, r, -1, NULL, "bad case %d (%s): %s instead of CLG_ERR_SHAPE: %s", number, b->op,
                       clg_status_name(clg_error_status()), clg_error());
    else
        for (int i = 0; i < 3; i++)
            if (b->says[i] && !strstr(clg_error(), b->says[i]))
                clg_check_fail(p, r, -1, NULL, "bad case %d (%s): the message does not say \"%s\": %s", number, b->op,
                               b->says[i], clg_error());
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

int clg_check_bad_cases(const clg_check_params *p, int *tried) {
    clg_check_result r = {.op = "wrong shapes"};
    const clg_bad_case *b;
    int i = 0;
    for (; (b = clg_bad_case_at(i)) != NULL; i++) check_bad(b, i, p, &r);
    *tried = i;
    return r.failures;
}

/* Cases of products by vectors and by letters: dot, outer, einsum; matrix products whose batches broadcast. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *two(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return c->f2(in[0], in[1]); }
/* The same tensor twice, and one computed from the other: gradients must not be counted twice. */
static clg_tensor *dot_self(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_dot(in[0], in[0]); }
static clg_tensor *dot_related(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dot(in[0], clg_scale(in[0], 2));
}
/* A column of a matrix is no neighbour of the next element: a view as operand. */
static clg_tensor *outer_views(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const clg_shape row = CLG_SHAPE(15);
    return clg_outer(clg_reshape(clg_transpose(in[0]), row), clg_reshape(in[0], row));
}
/* attr: the equation. */
static clg_tensor *einsum(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_einsum(c->attr, (clg_list){c->n_in, in});
}
static clg_tensor *einsum_turned(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_einsum(c->attr, CLG_LIST(clg_transpose(in[0]), in[1]));
}
static clg_tensor *einsum_self(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_einsum(c->attr, CLG_LIST(in[0], in[0], clg_tanh(in[0])));
}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define DIMS(...) {__VA_ARGS__}
#define SHAPE(n, d) {n, DIMS d}

#define DOT(n, flags_, ...) /* a sum of n terms below 1: within n eps of their sum, whatever the order */ \
    {.op = "dot", .build = two, .f2 = clg_dot, .k = (n) + 2, .flags = flags_, .n_in = 2,                  \
     .in = {{__VA_ARGS__}, {__VA_ARGS__}}}
#define OUTER(m, n) \
    {.op = "outer", .build = two, .f2 = clg_outer, .k = 1, .flags = E | G, .n_in = 2, .in = {{1, {m}}, {1, {n}}}}
#define EINSUM(equation, bound, flags_, n) \
    .op = "einsum", .text = equation, .build = einsum, .attr = equation, .k = bound, .flags = flags_, .n_in = n
#define S1(equation, terms, flags, a)       {EINSUM(equation, (terms) + 2, flags, 1), .in = {SHAPE a}}
#define S2(equation, terms, flags, a, b)    {EINSUM(equation, (terms) + 2, flags, 2), .in = {SHAPE a, SHAPE b}}
#define S3(equation, terms, flags, a, b, c) {EINSUM(equation, (terms) + 4, flags, 3), .in = {SHAPE a, SHAPE b, SHAPE c}}

const clg_case clg_cases_linalg[] = {
    DOT(1, E | G, 1, {1}), DOT(7, E | G, 1, {7}), DOT(16, E, 1, {16}), DOT(37, E | G, 1, {37}), DOT(0, E, 1, {0}),
    DOT(24, E | G, 3, {2, 3, 4}), DOT(1, E, 0, {0}), DOT(4096, E, 1, {4096}), DOT(4097, E, 1, {4097}),
    DOT(70001, E, 1, {70001}),
    {.op = "dot", .text = "i32", .build = two, .f2 = clg_dot, .k = 1, .flags = E, .n_in = 2,
     .in = {{1, {19}, .dtype = CLG_I32}, {1, {19}, .dtype = CLG_I32}}},
    {.op = "dot", .text = "with itself", .build = dot_self, .k = 15, .flags = E | G, .n_in = 1, .in = {{1, {13}}}},
    {.op = "dot", .text = "with its double", .build = dot_related, .k = 15, .flags = E | G, .n_in = 1,
     .in = {{2, {3, 5}}}},

    OUTER(1, 1), OUTER(3, 5), OUTER(1, 17), OUTER(19, 1), OUTER(16, 16), OUTER(0, 3), OUTER(4, 0), OUTER(23, 37),
    {.op = "outer", .text = "views", .build = outer_views, .k = 1, .flags = E | G, .n_in = 1, .in = {{2, {3, 5}}}},

    /* one operand: sums, diagonals, other orders */
    S1("i", 1, E, (1, (5))), S1("ij->ji", 1, E | G, (2, (3, 5))), S1("ij->", 15, E | G, (2, (3, 5))),
    S1("ij->j", 17, E | G, (2, (17, 5))), S1("ji", 1, E, (2, (3, 4))), S1("ii", 7, E | G, (2, (7, 7))),
    S1("ii->i", 1, E | G, (2, (4, 4))), S1("iij->j", 3, E | G, (3, (3, 3, 4))), S1("ijik->kj", 3, E, (4, (3, 2, 3, 4))),
    S1("iii->i", 1, E | G, (3, (3, 3, 3))), S1("->", 1, E, (0, (0))), S1("ii->i", 1, E, (2, (1, 1))),
    S1("ii->i", 1, E, (2, (0, 0))), S1("abcdef->fbd", 4, E, (6, (2, 2, 1, 3, 1, 2))),
    /* two: what the letters make of it */
    S2("ij,jk->ik", 5, E | G, (2, (3, 5)), (2, (5, 4))), S2("ij,jk", 5, E, (2, (3, 5)), (2, (5, 4))),
    S2("ij,kj->ik", 17, E, (2, (16, 17)), (2, (19, 17))), S2("ji,jk->ik", 5, E, (2, (5, 3)), (2, (5, 4))),
    S2("ij,jk->ki", 5, E | G, (2, (3, 5)), (2, (5, 4))), S2("i,i->", 7, E | G, (1, (7)), (1, (7))),
    S2("i,j->ij", 1, E | G, (1, (3)), (1, (4))), S2("ij,ij->ij", 1, E, (2, (3, 4)), (2, (3, 4))),
    S2("ij,ij->", 12, E, (2, (3, 4)), (2, (3, 4))), S2("ij,j->i", 5, E | G, (2, (7, 5)), (1, (5))),
    S2("ij,->ji", 1, E, (2, (3, 2)), (0, (0))), S2("ij,k->j", 35, E | G, (2, (5, 3)), (1, (7))),
    S2("bij,bjk->bik", 5, E | G, (3, (2, 3, 5)), (3, (2, 5, 4))),
    S2("bij,bkj->bki", 5, E, (3, (2, 3, 5)), (3, (2, 4, 5))),
    S2("ibj,jkb->bik", 5, E | G, (3, (3, 2, 5)), (3, (5, 4, 2))),
    S2("bhqd,bhkd->bhqk", 8, E, (4, (2, 3, 5, 8)), (4, (2, 3, 7, 8))),
    S2("bqhd,bkhd->bhqk", 8, E, (4, (2, 5, 3, 8)), (4, (2, 7, 3, 8))),
    S2("abcd,dbe->cea", 15, E | G, (4, (2, 3, 2, 5)), (3, (5, 3, 4))),
    S2("abc,cb->a", 12, E, (3, (5, 3, 4)), (2, (4, 3))),
    S2("iij,jk->ik", 4, E | G, (3, (3, 3, 4)), (2, (4, 2))), S2("ij,jk->ik", 0, E, (2, (3, 0)), (2, (0, 4))),
    S2("ij,jk->ik", 5, E, (2, (0, 5)), (2, (5, 4))), S2("abc,def->fadcbe", 1, E, (3, (2, 1, 3)), (3, (2, 2, 3))),
    S2("Ab, bA -> A", 3, E, (2, (2, 3)), (2, (3, 2))),
    /* more: from left to right */
    S3("ij,jk,kl->il", 20, E | G, (2, (3, 4)), (2, (4, 5)), (2, (5, 2))),
    S3("i,ij,j->", 20, E | G, (1, (4)), (2, (4, 5)), (1, (5))),
    S3("bi,ijk,bk->bj", 12, E | G, (2, (2, 3)), (3, (3, 5, 4)), (2, (2, 4))),
    S3("ab,cd,abcd->ac", 12, E, (2, (2, 3)), (2, (5, 4)), (4, (2, 3, 5, 4))),
    {.op = "einsum", .text = "transposed ij,jk->ik", .build = einsum_turned, .attr = "ij,jk->ik", .k = 7,
     .flags = E | G, .n_in = 2, .in = {{2, {5, 3}}, {2, {5, 4}}}},
    {.op = "einsum", .text = "i,i,i-> of x, x, tanh x", .build = einsum_self, .attr = "i,i,i->", .k = 20,
     .flags = G, .n_in = 1, .in = {{1, {7}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(dot_shapes, clg_dot(X(3), V(4)))
BAD(dot_rank, clg_dot(X(2, 3), V(3)))
BAD(dot_types, clg_dot(X(3), T(3)))
BAD(outer_rank, clg_outer(X(3, 1), V(4)))
BAD(einsum_sizes, clg_einsum("ij,jk->ik", CLG_LIST(X(2, 3), W(4, 5))))
BAD(einsum_axes, clg_einsum("ij,jk->ik", CLG_LIST(X(2, 3), W(3))))
BAD(einsum_count, clg_einsum("ij,jk->ik", CLG_LIST(X(2, 3))))
BAD(einsum_dots, clg_einsum("...ij->...ji", CLG_LIST(X(2, 3))))
BAD(einsum_char, clg_einsum("i1->i", CLG_LIST(X(2, 3))))
BAD(einsum_arrow, clg_einsum("ij->i->j", CLG_LIST(X(2, 3))))
BAD(einsum_unknown, clg_einsum("ij->ik", CLG_LIST(X(2, 3))))
BAD(einsum_twice, clg_einsum("ij->ii", CLG_LIST(X(2, 3))))
BAD(einsum_types, clg_einsum("i,i->", CLG_LIST(X(2), T(2))))
BAD(einsum_integers, clg_einsum("i->", CLG_LIST(T(2))))
BAD(einsum_result, clg_einsum("abcd,efg->abcdefg", CLG_LIST(X(1, 1, 1, 1), W(1, 1, 1))))
BAD(einsum_between, clg_einsum("abcd,efg,abcefg->d", CLG_LIST(X(1, 1, 1, 1), W(1, 1, 1), V(1, 1, 1, 1, 1, 1))))

const clg_bad_case clg_bad_linalg[] = {
    {"dot", bad_dot_shapes, {"dot", "f32[3]", "f32[4]"}},
    {"dot", bad_dot_rank, {"dot", "f32[2,3]", "f32[3]"}},
    {"dot", bad_dot_types, {"dot", "f32[3]", "i32[3]"}},
    {"outer", bad_outer_rank, {"outer", "f32[3,1]", "f32[4]"}},
    {"einsum", bad_einsum_sizes, {"the letter j stands for sizes 3 and 4", "f32[2,3]", "f32[4,5]"}},
    {"einsum", bad_einsum_axes, {"has 2 letters for operand 1, which has 1 axes", "f32[2,3]", "f32[3]"}},
    {"einsum", bad_einsum_count, {"\"ij,jk->ik\" is for 2 operands, given are 1", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_dots, {"there is no \"...\"", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_char, {"'1' has no meaning there", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_arrow, {"'-' has no meaning there", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_unknown, {"the result has the letter k, which no operand has", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_twice, {"the result has the letter i twice", "f32[2,3]", NULL}},
    {"einsum", bad_einsum_types, {"types differ", "f32[2]", "i32[2]"}},
    {"einsum", bad_einsum_integers, {"wants floats", "i32[2]", NULL}},
    {"einsum", bad_einsum_result, {"the result of \"abcd,efg->abcdefg\" has 7 axes", "f32[1,1,1,1]", "f32[1,1,1]"}},
    {"einsum", bad_einsum_between, {"the product up to operand 1 needs 7 axes", "f32[1,1,1,1]", "f32[1,1,1]"}},
    {.op = NULL},
};

/* Graphs without running them: sharing of nodes, broadcasting, exact texts of errors, and the structure of gradients.
 * What gradients are worth is for test_ops and torch_cases. */
#include "graph/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clg_device *dev;
static clg_graph *g;

static void open_graph(void) {
    dev = clg_device_open("ref", NULL);
    g = clg_graph_create(dev, NULL);
    cr_assert_not_null(g, "%s", clg_error());
}

static void close_graph(void) {
    clg_device_destroy(&dev);
    clg_graph_destroy(&g); /* holds what it needs: the order is free */
}

TestSuite(graph, .init = open_graph, .fini = close_graph);

static clg_tensor *f32(const char *name, clg_shape s) {
    return clg_input(g, name, CLG_F32, s);
}

static clg_graph *fresh(void) {
    clg_graph_destroy(&g);
    g = clg_graph_create(dev, NULL);
    cr_assert_not_null(g);
    return g;
}

/* --- tensors --- */

Test(graph, tensors_describe_themselves) {
    clg_tensor *x = clg_input(g, "x", CLG_F16, CLG_SHAPE(2, 3));
    char text[128];
    cr_expect_str_eq(clg_shape_text(x->dtype, x->shape, text, sizeof text), "f16[2,3]");
    cr_expect_str_eq(clg_shape_text(CLG_I32, CLG_SCALAR, text, sizeof text), "i32[]");
    cr_expect_eq(clg_tensor_bytes(x), 12);
    cr_expect_eq(clg_tensor_dtype(x), CLG_F16);
    cr_expect_eq(clg_tensor_shape(x).dim[1], 3);
    cr_expect_eq(clg_tensor_graph(x), g);
    cr_expect_str_eq(clg_tensor_name(x), "x");
    clg_tensor *y = clg_relu(x);
    cr_expect_str_eq(clg_tensor_name(y), "relu_1");
    cr_expect_eq(clg_named(y, "hidden"), y);
    cr_expect_str_eq(clg_tensor_name(y), "hidden");
    cr_expect_str_eq(clg_tensor_name(clg_named(x, "other")), "x", "the name of an input is its identity");
    cr_expect_eq(clg_tensor_shape(NULL).ndim, -1);
    cr_expect_eq(clg_tensor_dtype(NULL), CLG_DTYPE_COUNT);
    cr_expect_eq(clg_tensor_bytes(NULL), 0);
    cr_expect_null(clg_tensor_graph(NULL));
    cr_expect_null(clg_named(NULL, "x"));
    static const struct { clg_dtype t; const char *name; size_t size; } types[] = {
        { CLG_F32, "f32", 4 }, { CLG_F16, "f16", 2 }, { CLG_BF16, "bf16", 2 }, { CLG_F64, "f64", 8 },
        { CLG_I32, "i32", 4 }, { CLG_U8, "u8", 1 },   { CLG_DTYPE_COUNT, "?", 0 }, { (clg_dtype)-1, "?", 0 },
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        cr_expect_str_eq(clg_dtype_name(types[i].t), types[i].name);
        cr_expect_eq(clg_dtype_size(types[i].t), types[i].size);
    }
}

Test(graph, broadcasting_follows_numpy) {
    static const struct { clg_shape a, b, out; } cases[] = {
        { { 0 }, { 0 }, { 0 } },
        { { 0 }, { 2, { 3, 4 } }, { 2, { 3, 4 } } },
        { { 2, { 3, 4 } }, { 1, { 4 } }, { 2, { 3, 4 } } },
        { { 2, { 3, 1 } }, { 2, { 1, 4 } }, { 2, { 3, 4 } } },
        { { 3, { 2, 1, 5 } }, { 2, { 7, 1 } }, { 3, { 2, 7, 5 } } },
        { { 1, { 1 } }, { 1, { 0 } }, { 1, { 0 } } },
        { { 2, { 0, 3 } }, { 1, { 3 } }, { 2, { 0, 3 } } },
        { { 1, { 3 } }, { 1, { 4 } }, { -1, { 0 } } },
        { { 2, { 3, 4 } }, { 1, { 3 } }, { -1, { 0 } } },
        { { 1, { 0 } }, { 1, { 2 } }, { -1, { 0 } } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int swap = 0; swap < 2; swap++) {
            clg_shape out = { 0 };
            const bool fits = clg_shape_broadcast(swap ? cases[i].b : cases[i].a, swap ? cases[i].a : cases[i].b, &out);
            cr_expect_eq(fits, cases[i].out.ndim >= 0, "case %zu", i);
            if (fits) cr_expect(clg_shape_equal(out, cases[i].out), "case %zu", i);
        }
    }
}

Test(graph, sum_to_undoes_broadcasting) {
    clg_tensor *x = f32("x", CLG_SHAPE(2, 3, 4));
    cr_expect_eq(clg_sum_to(x, x->shape), x);
    cr_expect_null(clg_sum_to(NULL, CLG_SCALAR));
    const clg_shape to[] = { CLG_SCALAR, CLG_SHAPE(4), CLG_SHAPE(1), CLG_SHAPE(3, 1), CLG_SHAPE(1, 1, 4),
                             CLG_SHAPE(2, 1, 4), CLG_SHAPE(1, 1, 1) };
    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) {
        clg_tensor *s = clg_sum_to(x, to[i]);
        cr_assert_not_null(s, "%s", clg_error());
        cr_expect(clg_shape_equal(s->shape, to[i]), "case %zu", i);
    }
}

Test(graph, axes_count_from_the_end) {
    cr_expect_eq(clg_axis(0, 3), 0);
    cr_expect_eq(clg_axis(-1, 3), 2);
    cr_expect_eq(clg_axis(-3, 3), 0);
    cr_expect_eq(clg_axis(3, 3), -1);
    cr_expect_eq(clg_axis(-4, 3), -1);
    cr_expect_eq(clg_axis(0, 0), -1);
}

/* --- sharing --- */

Test(graph, equal_nodes_are_one) {
    clg_tensor *a = f32("a", CLG_SHAPE(2, 3)), *b = f32("b", CLG_SHAPE(2, 3));
    cr_expect_eq(clg_add(a, b), clg_add(a, b));
    cr_expect_neq(clg_add(a, b), clg_add(b, a), "order of operands counts");
    cr_expect_neq(clg_add(a, b), clg_sub(a, b));
    cr_expect_eq(clg_sum(a, CLG_AXIS(1)), clg_sum(a, CLG_AXIS(1)));
    cr_expect_neq(clg_sum(a, CLG_AXIS(1)), clg_sum(a, CLG_AXIS(0)), "attributes count");
    clg_shape s = CLG_SHAPE(3, 2), other = s;
    memset(&other.dim[2], 0x55, sizeof other.dim - 2 * sizeof other.dim[0]);
    cr_expect_eq(clg_reshape(a, s), clg_reshape(a, other), "unused sizes do not count");
    cr_expect_eq(clg_fill(g, CLG_F32, s, 2), clg_fill(g, CLG_F32, other, 2));
    cr_expect_neq(clg_fill(g, CLG_F32, s, 2), clg_fill(g, CLG_F32, s, 3));
    cr_expect_neq(clg_fill(g, CLG_F32, s, 0), clg_fill(g, CLG_F32, s, -0.0));
    cr_expect_neq(clg_fill(g, CLG_F32, s, 2), clg_fill(g, CLG_F64, s, 2));
    cr_expect_eq(clg_fill(g, CLG_F32, s, NAN), clg_fill(g, CLG_F32, s, NAN));
    cr_expect_eq(clg_graph_status(g), CLG_OK, "%s", clg_error());
}

Test(graph, constants_are_shared_by_content_and_copied) {
    float x[6] = { 1, 2, 3, 4, 5, 6 }, y[6] = { 1, 2, 3, 4, 5, 6 };
    clg_tensor *a = clg_const(g, CLG_F32, CLG_SHAPE(2, 3), x);
    cr_expect_eq(a, clg_const(g, CLG_F32, CLG_SHAPE(2, 3), y));
    cr_expect_neq(a, clg_const(g, CLG_F32, CLG_SHAPE(3, 2), y));
    cr_expect_neq(a, clg_const(g, CLG_I32, CLG_SHAPE(2, 3), y));
    y[5] = 7;
    cr_expect_neq(a, clg_const(g, CLG_F32, CLG_SHAPE(2, 3), y));
    x[0] = 9;
    cr_expect_eq(((const float *)a->node->data)[0], 1.0f, "a copy");
    cr_expect_not_null(clg_const(g, CLG_F32, CLG_SHAPE(0), x));
}

Test(graph, inputs_and_effects_are_never_shared) {
    clg_tensor *s = clg_state(g, "count", CLG_F32, CLG_SCALAR, 0), *v = f32("v", CLG_SCALAR);
    cr_expect_eq(s, clg_state(g, "count", CLG_F32, CLG_SCALAR, 0), "a variable is its slot");
    cr_expect_neq(clg_assign(s, v), clg_assign(s, v));
    cr_expect_eq(clg_assign(s, v)->node->slot, s->node->slot);
    cr_expect_neq(f32("w", CLG_SCALAR), v);
    cr_expect_eq(clg_graph_status(g), CLG_OK);
}

Test(graph, many_nodes_and_their_numbers) {
    clg_tensor *x = f32("x", CLG_SHAPE(4)), *y = x;
    for (int i = 0; i < 5000; i++) y = clg_scale(y, 1 + i);
    const int n = g->n_nodes;
    cr_expect_geq(n, 5001);
    clg_tensor *z = x;
    for (int i = 0; i < 5000; i++) z = clg_scale(z, 1 + i);
    cr_expect_eq(z, y);
    cr_expect_eq(g->n_nodes, n, "found again");
    for (int i = 0; i < g->n_nodes; i++) {
        cr_assert_eq(g->nodes[i]->id, i);
        for (int k = 0; k < g->nodes[i]->n_in; k++) cr_assert_lt(g->nodes[i]->in[k]->node->id, i);
    }
    for (int i = 0; i < g->n_tensors; i++) cr_assert_eq(g->tensors[i]->id, i);
}

/* --- errors --- */

static void expect_error(const clg_tensor *t, clg_status status, const char *text) {
    cr_expect_null(t);
    cr_expect_str_eq(clg_error(), text);
    cr_expect_eq(clg_graph_status(g), status, "%s", clg_error());
    cr_expect_str_eq(clg_error(), text);
    fresh();
}

Test(graph, mistakes_are_named) {
    clg_tensor *X = f32("X", CLG_SHAPE(100, 3)), *w = f32("w", CLG_SHAPE(4, 1));
    expect_error(clg_matmul(X, w), CLG_ERR_SHAPE,
                 "matmul(X, w): inner sizes differ: X is f32[100,3], w is f32[4,1]");
    f32("x", CLG_SCALAR);
    expect_error(f32("x", CLG_SCALAR), CLG_ERR_INVALID, "input(x): the graph has an input of this name already");
    expect_error(f32("x", CLG_SHAPE(2, -3)), CLG_ERR_SHAPE, "input(x): size -3 of axis 1 is negative");
    expect_error(f32("x", (clg_shape){ .ndim = 7 }), CLG_ERR_SHAPE, "input(x): a tensor has 0 to 6 axes, not 7");
    expect_error(clg_input(g, "x", (clg_dtype)9, CLG_SCALAR), CLG_ERR_SHAPE, "input(x): unknown type 9");
    expect_error(f32("x", CLG_SHAPE(1 << 30, 1 << 30, 1 << 30)), CLG_ERR_SHAPE,
                 "input(x): f32[1073741824,1073741824,1073741824] has more elements than can be addressed");
    expect_error(f32("x", CLG_SHAPE(0, 1 << 30, 1 << 30, 1 << 30)), CLG_ERR_SHAPE,
                 "input(x): f32[0,1073741824,1073741824,1073741824] has more elements than can be addressed");
    expect_error(f32(NULL, CLG_SCALAR), CLG_ERR_INVALID, "input: a name is needed");
    expect_error(clg_const(g, CLG_F32, CLG_SHAPE(2), NULL), CLG_ERR_INVALID, "const: data is NULL");
    expect_error(clg_fill(g, CLG_U8, CLG_SHAPE(2), 256), CLG_ERR_INVALID, "fill(): 256 is no value of type u8");
    expect_error(clg_fill(g, CLG_I32, CLG_SHAPE(2), 0.5), CLG_ERR_INVALID, "fill(): 0.5 is no value of type i32");
    expect_error(clg_fill(g, CLG_I32, CLG_SHAPE(2), NAN), CLG_ERR_INVALID, "fill(): nan is no value of type i32");
    clg_tensor *a = f32("a", CLG_SCALAR), *s = clg_state(g, "s", CLG_F32, CLG_SHAPE(2), 0);
    expect_error(clg_assign(a, s), CLG_ERR_INVALID, "assign(a, s): the destination must come from clg_param() or "
                 "clg_state(): a is f32[], s is f32[2]");
    a = f32("a", CLG_SCALAR), s = clg_state(g, "s", CLG_F32, CLG_SHAPE(2), 0);
    expect_error(clg_assign(s, a), CLG_ERR_SHAPE, "assign(s, a): shapes differ: s is f32[2], a is f32[]");
    a = clg_input(g, "a", CLG_I32, CLG_SHAPE(2)), s = clg_state(g, "s", CLG_F32, CLG_SHAPE(2), 0);
    expect_error(clg_assign(s, a), CLG_ERR_SHAPE,
                 "assign(s, a): types differ; see clg_cast(): s is f32[2], a is i32[2]");
    a = f32("a", CLG_SCALAR);
    expect_error(clg_group(CLG_LIST(a)), CLG_ERR_INVALID, "group(a): a is no effect: a is f32[]");
    a = f32("a", CLG_SHAPE(2)), s = clg_state(g, "s", CLG_F32, CLG_SHAPE(2), 0);
    clg_tensor *effect = clg_named(clg_assign(s, a), "step");
    expect_error(clg_sum(effect, CLG_ALL), CLG_ERR_INVALID,
                 "sum: step is an effect and has no value; list it in clg_compile() or clg_group()");
    expect_error(clg_param(g, "p", CLG_I32, CLG_SHAPE(2), CLG_INIT_HE), CLG_ERR_INVALID,
                 "param(p): what is trained must be of a float type, not i32; use clg_state()");
    expect_error(clg_param(g, "p", CLG_F32, CLG_SHAPE(2), (enum clg_init)17), CLG_ERR_INVALID,
                 "param(p): unknown initialisation 17");
    clg_param(g, "p", CLG_F32, CLG_SHAPE(2, 3), CLG_INIT_HE);
    expect_error(clg_param(g, "p", CLG_F32, CLG_SHAPE(3, 2), CLG_INIT_HE), CLG_ERR_SHAPE,
                 "param(p): the store has it as f32[2,3], asked for is f32[3,2]");
    clg_param(g, "p", CLG_F32, CLG_SHAPE(2), CLG_INIT_HE);
    expect_error(clg_state(g, "p", CLG_F32, CLG_SHAPE(2), 0), CLG_ERR_INVALID,
                 "state(p): the name is in use as a param");
    expect_error(clg_state(g, "__metadata__", CLG_F32, CLG_SHAPE(2), 0), CLG_ERR_INVALID,
                 "a tensor cannot be called __metadata__: safetensors files reserve the name");
}

Test(graph, the_first_error_stays_and_null_passes_through) {
    clg_tensor *a = f32("a", CLG_SHAPE(2, 3)), *b = f32("b", CLG_SHAPE(4, 5));
    clg_tensor *y = clg_sum(clg_relu(clg_matmul(a, b)), CLG_ALL);
    cr_expect_null(y);
    cr_expect_null(clg_grad(y, a));
    cr_expect_null(clg_assign(NULL, a));
    cr_expect_null(clg_group(CLG_LIST(y)));
    cr_expect_null(clg_stop_grad(NULL));
    cr_expect_null(clg_add(a, NULL));
    cr_expect_null(f32("a", CLG_SCALAR), "a second error");
    cr_expect_eq(clg_graph_status(g), CLG_ERR_SHAPE);
    cr_expect_str_eq(clg_error(), "matmul(a, b): inner sizes differ: a is f32[2,3], b is f32[4,5]");
    cr_expect_null(clg_input(NULL, "x", CLG_F32, CLG_SCALAR));
    cr_expect_null(clg_param(NULL, "x", CLG_F32, CLG_SCALAR, CLG_INIT_HE));
    cr_expect_eq(clg_graph_params(NULL, NULL, 0), 0);
    cr_expect_eq(clg_graph_status(NULL), CLG_ERR_INVALID);
}

Test(graph, tensors_of_two_graphs_do_not_mix) {
    clg_graph *h = clg_graph_create(dev, NULL);
    clg_tensor *a = f32("a", CLG_SCALAR), *b = clg_input(h, "b", CLG_F32, CLG_SCALAR);
    cr_expect_null(clg_add(a, b));
    cr_expect_eq(clg_graph_status(g), CLG_ERR_INVALID);
    cr_expect_eq(clg_graph_status(h), CLG_ERR_INVALID, "both know");
    cr_expect_str_eq(clg_error(), "add: a and b belong to different graphs");
    clg_graph_destroy(&h);
}

Test(graph, wrong_parents_are_refused) {
    clg_device *second = clg_device_open("ref", NULL);
    clg_store *s = clg_store_create(second, 1);
    cr_expect_null(clg_graph_create(NULL, NULL));
    cr_expect_null(clg_graph_create(dev, s));
    cr_expect(strstr(clg_error(), "the store lives on another device"), "%s", clg_error());
    clg_graph *h = clg_graph_create(second, s);
    cr_expect_not_null(h);
    clg_device_destroy(&second);
    clg_store_destroy(&s);
    cr_expect_not_null(clg_param(h, "w", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE), "the graph keeps its store and device");
    clg_graph_destroy(&h);
    clg_graph_destroy(&h);
    clg_graph_destroy(NULL);
}

Test(graph, a_group_may_be_large) {
    enum { N = 3000 };
    static clg_tensor *effects[N];
    clg_tensor *s = clg_state(g, "s", CLG_F32, CLG_SCALAR, 0);
    for (int i = 0; i < N; i++) effects[i] = clg_assign(s, clg_fill(g, CLG_F32, CLG_SCALAR, i));
    clg_tensor *all = clg_group((clg_list){ N, effects });
    cr_assert_not_null(all, "%s", clg_error());
    cr_expect_eq(all->node->n_in, N);
    cr_expect_eq(all->node->in[N - 1], effects[N - 1]);
    cr_expect_not_null(clg_group(CLG_LIST(all, effects[0])), "groups of groups");
}

/* --- gradients --- */

static int count(const char *op) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += strcmp(g->nodes[i]->op->name, op) == 0;
    return n;
}

static bool is_fill(const clg_tensor *t, double value) {
    return t && t->node->op == &clg_op_fill && ((const clg_fill_attr *)t->node->attr)->value == value;
}

Test(graph, simple_gradients) {
    clg_tensor *x = f32("x", CLG_SCALAR), *z = f32("z", CLG_SHAPE(2, 3));
    cr_expect(is_fill(clg_grad(x, x), 1));
    clg_tensor *zero = clg_grad(x, z);
    cr_expect(is_fill(zero, 0) && clg_shape_equal(zero->shape, z->shape), "no dependence");
    cr_expect(is_fill(clg_grad(clg_sum(clg_stop_grad(z), CLG_ALL), z), 0));
    cr_expect(is_fill(clg_grad(clg_add(x, x), x), 1) == false);
    clg_tensor *one = f32("one", CLG_SHAPE(1, 1));
    cr_expect_not_null(clg_grad(clg_square(one), one), "one element is scalar enough");
    cr_expect_eq(clg_graph_status(g), CLG_OK, "%s", clg_error());
}

Test(graph, repeated_gradients_share_and_do_not_build_what_no_one_wants) {
    clg_tensor *x = f32("x", CLG_SHAPE(8, 3, 9, 9));
    clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(4, 3, 3, 3), CLG_INIT_HE);
    clg_tensor *b = clg_param(g, "b", CLG_F32, CLG_SHAPE(4), CLG_INIT_ZERO);
    clg_tensor *loss = clg_sum(clg_square(clg_conv(x, w, b, NULL)), CLG_ALL);
    clg_tensor *gw = clg_grad(loss, w);
    cr_assert_not_null(gw, "%s", clg_error());
    cr_expect_eq(count("conv_bwd_filter"), 1);
    cr_expect_eq(count("conv_bwd_data"), 0, "the image needs no gradient");
    clg_tensor *gb = clg_grad(loss, b);
    cr_expect_eq(count("conv_bwd_filter"), 1);
    const int n = g->n_nodes;
    cr_expect_eq(clg_grad(loss, w), gw);
    cr_expect_eq(clg_grad(loss, b), gb);
    cr_expect_eq(g->n_nodes, n);
    clg_tensor *both[3];
    clg_vjp(loss, NULL, CLG_LIST(w, NULL, b), both);
    cr_expect(both[0] == gw && both[1] == NULL && both[2] == gb, "one sweep for all");
    cr_expect_eq(g->n_nodes, n);
    cr_expect_not_null(clg_grad(loss, x));
    cr_expect_eq(count("conv_bwd_data"), 1);
}

Test(graph, uses_add_up_and_gradients_have_gradients) {
    clg_tensor *x = f32("x", CLG_SHAPE(3)), *y = clg_sum(clg_mul(clg_mul(x, x), x), CLG_ALL);
    clg_tensor *g1 = clg_grad(y, x);
    cr_assert_not_null(g1);
    cr_expect_geq(count("add"), 2, "three uses of x");
    clg_tensor *g2 = clg_grad(clg_sum(g1, CLG_ALL), x), *g3 = clg_grad(clg_sum(g2, CLG_ALL), x);
    cr_assert(g2 && g3, "%s", clg_error());
    cr_expect(clg_shape_equal(g3->shape, x->shape));
    clg_tensor *g4 = clg_grad(clg_sum(g3, CLG_ALL), x), *g5 = clg_grad(clg_sum(g4, CLG_ALL), x);
    cr_expect_not_null(g5);
}

Test(graph, vjp_takes_a_cotangent) {
    clg_tensor *x = f32("x", CLG_SHAPE(2, 3)), *gy = f32("gy", CLG_SHAPE(2, 3)), *gx;
    clg_vjp(clg_neg(x), gy, CLG_LIST(x), &gx);
    cr_expect_eq(gx, clg_neg(gy));
    clg_vjp(x, gy, CLG_LIST(x), &gx);
    cr_expect_eq(gx, gy);
    clg_vjp(clg_neg(x), NULL, CLG_LIST(x), &gx);
    cr_expect(clg_shape_equal(gx->shape, x->shape), "ones");
    clg_vjp(NULL, NULL, CLG_LIST(x), &gx);
    cr_expect_null(gx);
}

Test(graph, gradients_that_cannot_be) {
    clg_tensor *x = f32("x", CLG_SHAPE(2, 3));
    expect_error(clg_grad(clg_relu(x), x), CLG_ERR_SHAPE,
                 "grad(relu_1, x): relu_1 must be a scalar: it is f32[2,3]; sum it, or see clg_vjp()");
    clg_tensor *i = clg_input(g, "i", CLG_I32, CLG_SCALAR);
    x = f32("x", CLG_SCALAR);
    expect_error(clg_grad(i, x), CLG_ERR_SHAPE, "grad(i): only float tensors have gradients; it is i32[]");
    i = clg_input(g, "i", CLG_I32, CLG_SCALAR);
    x = f32("x", CLG_SCALAR);
    expect_error(clg_grad(x, i), CLG_ERR_SHAPE, "grad(x, i): only float tensors have gradients; i is i32[]");
    x = f32("x", CLG_SHAPE(2, 3));
    clg_tensor *gx, *gy = f32("gy", CLG_SHAPE(3, 2));
    clg_vjp(x, gy, CLG_LIST(x), &gx);
    expect_error(gx, CLG_ERR_SHAPE, "grad(x): gy must be as y: y is f32[2,3], gy is f32[3,2]");
    clg_graph *h = clg_graph_create(dev, NULL);
    x = f32("x", CLG_SCALAR);
    expect_error(clg_grad(x, clg_input(h, "y", CLG_F32, CLG_SCALAR)), CLG_ERR_INVALID,
                 "grad(x, y): the tensors belong to different graphs");
    clg_graph_destroy(&h);
}

/* Builders must not pass over a tensor in silence: gradients by it would be zeros. */
Test(graph, gradients_by_tensors_between) {
    const int order[] = {1, 0};
    clg_tensor *x = f32("x", CLG_SHAPE(2, 3)), *t = clg_permute(x, order), *r = clg_reshape(x, CLG_SHAPE(6));
    clg_tensor *gr = clg_grad(clg_sum(clg_square(clg_reshape(r, CLG_SHAPE(3, 2))), CLG_ALL), r);
    cr_expect(gr && gr->node->op != &clg_op_fill, "the reshape of a reshape depends on the first");
    clg_tensor *gt = clg_grad(clg_sum(clg_square(clg_permute(t, order)), CLG_ALL), t);
    cr_expect(gt && gt->node->op != &clg_op_fill, "the permutation of a permutation depends on the first");
    clg_tensor *y = clg_sum(clg_matmul(t, f32("w", CLG_SHAPE(2, 2))), CLG_ALL);
    cr_expect_not_null(clg_grad(y, x));
    clg_named(t, "t");
    clg_named(y, "y");
    expect_error(clg_grad(y, t), CLG_ERR_UNSUP, "grad(y, t): t is a transpose that a matrix product has taken as a "
                 "flag; differentiate by its operand x and transpose the result");
}

/* An op of the test: no gradient, and no word that this is by nature. */
static clg_status infer_plain(clg_node *n) {
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static bool wanted[2];

static void vjp_wanting(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    for (int i = 0; i < 2; i++) {
        wanted[i] = clg_wants_grad(n, i);
        gx[i] = gy[0];
    }
}

Test(graph, rows_without_a_gradient_stop_and_rows_can_ask) {
    static const clg_op plain = { .name = "plain", .min_in = 1, .max_in = 1, .n_out = 1, .infer = infer_plain };
    static const clg_op asking = { .name = "asking", .min_in = 2, .max_in = 2, .n_out = 1, .infer = infer_plain,
                                   .vjp = vjp_wanting };
    clg_tensor *x = f32("x", CLG_SCALAR), *c = f32("c", CLG_SCALAR), *in[] = { x, c };
    clg_tensor *y = clg_node_build(&asking, NULL, in, 2);
    cr_expect(clg_wants_grad(y->node, 0) && clg_wants_grad(y->node, 1), "outside of a sweep everything is wanted");
    cr_expect_not_null(clg_grad(y, x));
    cr_expect(wanted[0] && !wanted[1]);
    cr_expect(is_fill(clg_grad(y, c), 1));
    cr_expect(!wanted[0] && wanted[1]);
    cr_expect_not(clg_wants_grad(y->node, 2));
    cr_expect(is_fill(clg_grad(clg_add(c, clg_node_build(&plain, NULL, &x, 1)), c), 1), "not on the path");
    x = f32("x2", CLG_SCALAR);
    expect_error(clg_grad(clg_relu(clg_node_build(&plain, NULL, &x, 1)), x), CLG_ERR_UNSUP,
                 "grad: plain_7 is made by plain, which has no gradient; put clg_stop_grad() around it");
}

Test(graph, params_in_order_of_first_use) {
    clg_tensor *a = clg_param(g, "a", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
    clg_tensor *frozen = clg_param(g, "frozen", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
    clg_tensor *b = clg_param(g, "b", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
    clg_tensor *state = clg_state(g, "state", CLG_F32, CLG_SHAPE(2), 1);
    clg_param(g, "unused", CLG_F32, CLG_SHAPE(2), CLG_INIT_ONE);
    clg_tensor *y = clg_mul(clg_add(clg_mul(b, state), a), clg_stop_grad(frozen)), *list[2] = { NULL, NULL };
    cr_expect_eq(clg_graph_params(y, NULL, 0), 2);
    cr_expect_eq(clg_graph_params(y, list, 2), 2);
    cr_expect(list[0] == a && list[1] == b);
    list[1] = NULL;
    cr_expect_eq(clg_graph_params(y, list, 1), 2);
    cr_expect_null(list[1], "at most max are written");
    cr_expect_eq(clg_graph_params(state, list, 1), 0);
}

/* --- the table --- */

Test(graph, the_op_table_is_complete_and_in_order) {
    const int n = clg_op_count();
    cr_expect_gt(n, 40);
    for (int i = 0; i < n; i++) {
        const clg_op *op = clg_op_at(i);
        clg_op_info info;
        cr_assert_not_null(op);
        cr_assert_eq(clg_op_get_info(i, &info), CLG_OK);
        cr_expect_str_eq(info.name, op->name);
        cr_expect(op->infer && op->n_out >= 1 && op->n_out <= CLG_MAX_OUT, "%s", op->name);
        cr_expect_neq(info.formula[0], 0, "%s has no formula", op->name);
        cr_expect_eq(info.differentiable, info.gradient[0] != 0, "%s: vjp and its text", op->name);
        for (int k = 0; k < i; k++) cr_expect_str_neq(clg_op_at(k)->name, op->name);
        if (info.elementwise) {
            cr_expect_str_eq(clg_op_impl(i, 0), "elementwise.cpu");
            cr_expect_str_eq(clg_op_impl(i, 1), "elementwise.gpu");
            cr_expect_null(clg_op_impl(i, 2));
        } else if (info.composite) {
            cr_expect_null(clg_op_impl(i, 0), "%s has kernels and an expansion", op->name);
            cr_expect(op->ref && !op->vjp && !op->cost, "%s: a composite is its twin and its expansion", op->name);
        } else if (!(op->flags & (CLG_OP_SOURCE | CLG_OP_EFFECT | CLG_OP_VIEW))) {
            cr_expect_not_null(clg_op_impl(i, 0), "%s has no implementation", op->name);
        }
    }
    clg_op_info info;
    cr_expect_null(clg_op_at(n));
    cr_expect_null(clg_op_at(-1));
    cr_expect_eq(clg_op_get_info(n, &info), CLG_ERR_INVALID);
    cr_expect_null(clg_op_impl(n, 0));
    cr_expect_null(clg_op_impl(0, -1));
}

Test(graph, cost_counts_every_tensor_once) {
    clg_tensor *a = f32("a", CLG_SHAPE(10)), *b = f32("b", CLG_SHAPE(10));
    cr_expect_eq(cost_of(clg_mul(a, b)->node, 10).bytes, 120);
    cr_expect_eq(cost_of(clg_mul(a, a)->node, 10).bytes, 80);
    cr_expect_eq(cost_of(clg_mul(a, a)->node, 10).flops, 10);
}

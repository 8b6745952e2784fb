/* Blocks and depths that the tuner may try of the implicit GEMM (src/ops/conv_gpu.c) and of Winograd's filtering
 * (src/ops/conv_wino_gpu.c): their results by the tuner's own check, against the reference, on layers that fill no
 * tile. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>

#include "plan/tune.h"

#include <string.h>

/* The result of conv, or a gradient of it, for one layer: several tiles of the smaller kinds, none of them full. */
static clg_tensor *layer(clg_graph *g, const char *impl) {
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3, 10, 15, 14)), *grad[2];
    clg_tensor *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(70, 5, 3, 2));
    clg_tensor *y = clg_conv(x, w, NULL, clg_conv_params(.groups = 2, .stride = {2, 1}, .pad = {1, 1}));
    clg_vjp(y, clg_input(g, "gy", CLG_F32, clg_tensor_shape(y)), CLG_LIST(x, w), grad);
    return strncmp(impl, "conv.", 5) == 0 ? y : strncmp(impl, "conv_bwd_data.", 14) == 0 ? grad[0] : grad[1];
}

/* With taps and a stride that suit Winograd. */
static clg_tensor *square_layer(clg_graph *g) {
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3, 10, 15, 14));
    return clg_conv(x, clg_input(g, "w", CLG_F32, CLG_SHAPE(70, 5, 3, 3)), NULL,
                    clg_conv_params(.groups = 2, .pad = {1, 1}));
}

static void check_choice(clg_plan *p, const clg_unit *u, clg_tune_check *check, const clg_choice *choice) {
    clg_tune_graph t;
    clg_str text = {0};
    bool right = false;
    clg_choice_print(choice, &text);
    cr_assert_eq(clg_tune_graph_build(&t, p->device, p, u, NULL, false), CLG_OK, "%s", clg_error());
    clg_plan *plan = clg_compile_choice(t.graph, (clg_list){t.n_out, t.out}, clg_plan_params(.tune_ms = -1), choice);
    cr_assert_not_null(plan, "%s: %s", clg_str_text(&text), clg_error());
    cr_expect_eq(clg_tune_check_run(check, plan, &t, false, &right), CLG_OK, "%s", clg_error());
    cr_expect(right, "%s: %s", clg_str_text(&text), clg_tune_check_why(check));
    clg_plan_destroy(&plan);
    clg_graph_destroy(&t.graph);
    clg_str_free(&text);
}

/* tile: all of them, or those alone whose items share the work in other ways than the default. A conv and its gradient
 * by x are one kernel. */
static void check_knobs(clg_device *d, const char *impl, const int (*knobs)[2]) {
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *y = strstr(impl, "wino") ? square_layer(g) : layer(g, impl);
    clg_plan *p = clg_compile(g, CLG_LIST(y), clg_plan_params(.impl = impl));
    cr_assert_not_null(p, "%s", clg_error());
    const clg_unit *u = &p->units[p->order[p->n_order - 1]];
    clg_tune_check *check = NULL;
    cr_assert_str_eq(u->impl->name, impl);
    cr_assert_eq(clg_tune_check_create(p, u, &check), CLG_OK, "%s", clg_error());
    for (int i = 0; knobs[i][1] != 0; i++) {
        clg_choice c = clg_choice_default(u->impl, CLG_CHOSEN_FORCED);
        memcpy(c.knob, knobs[i], sizeof knobs[i]);
        check_choice(p, u, check, &c);
    }
    clg_tune_check_destroy(&check);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

Test(conv_gpu, knobs, .timeout = 300) {
    static const int all[][2] = {{0, -1}, {0, 8}, {1, -1}, {2, -1}, {3, -1}, {4, -1}, {5, -1}, {6, -1}, {0, 0}},
                     some[][2] = {{0, 8}, {3, -1}, {6, -1}, {0, 0}}, one[][2] = {{0, 8}, {0, 0}};
    clg_device *d = clg_device_open(NULL, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    check_knobs(d, "conv.direct_gpu", all);
    check_knobs(d, "conv_bwd_data.direct_gpu", one);
    check_knobs(d, "conv_bwd_filter.direct_gpu", some);
    clg_device_destroy(&d);
}

/* Those of 8 x 8, as a device with few registers takes 4 x 4 by itself; 576 items of them are too many anywhere. */
Test(conv_gpu, winograd_blocks, .timeout = 300) {
    static const int wino2[][2] = {{0, -1}, {1, -1}, {6, -1}, {0, 0}}, wino4[][2] = {{1, -1}, {2, -1}, {5, -1}, {0, 0}};
    clg_device *d = clg_device_open(NULL, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    check_knobs(d, "conv.wino2_gpu", wino2);
    check_knobs(d, "conv.wino4_gpu", wino4);
    clg_device_destroy(&d);
}

/* A chain that cuts off large results, by which errors are measured, or is steep: an implementation that is off by no
 * more than it may be is right, one that is off by more is not. */
static void check_before(clg_device *d, const char *impl, clg_tensor *(*chain)(clg_tensor *)) {
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *y = chain(square_layer(g));
    clg_plan *p = clg_compile(g, CLG_LIST(y), clg_plan_params(.impl = impl));
    cr_assert_not_null(p, "%s", clg_error());
    const clg_unit *u = NULL;
    for (int i = 0; i < p->n_order; i++)
        if (strcmp(p->units[p->order[i]].impl->name, impl) == 0) u = &p->units[p->order[i]];
    cr_assert(u && u->n_nodes > 1, "%s has no chain", impl);
    const clg_choice c = clg_choice_default(u->impl, CLG_CHOSEN_FORCED);
    clg_tune_check *check = NULL;
    cr_assert_eq(clg_tune_check_create(p, u, &check), CLG_OK, "%s", clg_error());
    for (int wrong = 0; wrong < 2; wrong++) {
        clg_tune_graph t;
        bool right = wrong;
        cr_assert_eq(clg_tune_graph_build(&t, d, p, u, NULL, false), CLG_OK, "%s", clg_error());
        if (wrong) t.out[0] = clg_scale(t.out[0], 0.98f);
        clg_plan *plan = clg_compile_choice(t.graph, (clg_list){t.n_out, t.out}, clg_plan_params(.tune_ms = -1), &c);
        cr_assert_not_null(plan, "%s", clg_error());
        cr_expect_eq(clg_tune_check_run(check, plan, &t, true, &right), CLG_OK, "%s", clg_error());
        cr_expect_neq(right, wrong, "%s: %s", impl, clg_tune_check_why(check));
        clg_plan_destroy(&plan);
        clg_graph_destroy(&t.graph);
    }
    clg_tune_check_destroy(&check);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

static clg_tensor *cut_off(clg_tensor *x) { return clg_minimum(x, clg_fill(x->graph, CLG_F32, CLG_SCALAR, 6)); }
static clg_tensor *jump(clg_tensor *x) { /* to its own sign: where x is 0, an error decides */
    return clg_where(clg_gt(x, clg_fill(x->graph, CLG_F32, CLG_SCALAR, 0)), clg_fill(x->graph, CLG_F32, CLG_SCALAR, 1),
                     clg_fill(x->graph, CLG_F32, CLG_SCALAR, -1));
}
static clg_tensor *steep(clg_tensor *x) { return clg_sigmoid(clg_scale(x, 3)); }

Test(conv_gpu, winograd_before_chains, .timeout = 300) {
    clg_device *d = clg_device_open(NULL, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    check_before(d, "conv.wino4_gpu", cut_off);
    check_before(d, "conv.wino4_cpu", steep);
    check_before(d, "conv.wino4_cpu", jump);
    clg_device_destroy(&d);
}

/* Forward mode of every op: for each case of the table that has a gradient, <r, J v> from clg_jvp() and <J^T r, v> from
 * clg_vjp() are one number, whatever r and v. So every op that a gradient is made of can be differentiated by the
 * cotangent that goes through it; what is wrong there would not show in the gradients themselves. */
#include "check/check.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct pair {
    clg_tensor *forward, *reverse; /* <r, J v> and <J^T r, v>, each summed over the inputs */
    clg_tensor *random[CLG_CASE_INPUTS + 1];
    int         n_random;
} pair;

static clg_tensor *more(clg_tensor *sum, clg_tensor *a, clg_tensor *b) {
    clg_tensor *y = clg_sum(clg_mul(a, b), CLG_ALL);
    return sum ? clg_add(sum, y) : y;
}

static clg_tensor *random_like(pair *p, clg_graph *g, const clg_tensor *t) {
    static const char *const names[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6"};
    clg_tensor *x = clg_input(g, names[p->n_random], clg_tensor_dtype(t), clg_tensor_shape(t));
    return p->random[p->n_random++] = x;
}

static void make_pair(const clg_case *c, clg_case_run *run, pair *p) {
    *p = (pair){0};
    clg_tensor *r = random_like(p, run->graph, run->y);
    for (int i = 0; i < c->n_in; i++) {
        if (!clg_input_is_real(&c->in[i])) continue;
        clg_tensor *x = run->in[i], *v = random_like(p, run->graph, x), *gx = NULL;
        clg_vjp(run->y, r, (clg_list){1, &x}, &gx);
        p->forward = more(p->forward, r, clg_jvp(run->y, x, v));
        p->reverse = more(p->reverse, gx, v);
    }
}

static void fill(clg_plan *plan, clg_tensor *t, int seed) {
    const clg_case c = {.n_in = 1, .in = {{1, {(int64_t)(clg_tensor_bytes(t) / sizeof(double))}}}};
    double *v = clg_case_values(&c, 0, (uint64_t)seed, false);
    cr_assert_not_null(v);
    cr_assert_eq(clg_write(plan, t, v, clg_tensor_bytes(t)), CLG_OK, "%s", clg_error());
    free(v);
}

static void check_case(const clg_case *c, clg_device *ref) {
    const clg_case_form form = {.real = CLG_F64};
    clg_case_run run;
    pair p;
    char text[256];
    double forward = 0, reverse = 1;
    clg_case_text(c, text, sizeof text);
    cr_assert_eq(clg_case_build(c, ref, &form, &run), CLG_OK, "%s %s: %s", c->op, text, clg_error());
    if (clg_tensor_dtype(run.y) != CLG_F64) goto end;
    make_pair(c, &run, &p);
    run.plan = p.forward ? clg_compile(run.graph, CLG_LIST(p.forward, p.reverse), NULL) : NULL;
    cr_expect_not_null(run.plan, "%s %s: %s", c->op, text, clg_error());
    if (!run.plan) goto end;
    cr_assert_eq(clg_case_fill(c, &run, 1, false), CLG_OK, "%s", clg_error());
    for (int i = 0; i < p.n_random; i++) fill(run.plan, p.random[i], 11 + i);
    cr_assert_eq(clg_run(run.plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(run.plan, p.forward, &forward, sizeof forward), CLG_OK);
    cr_assert_eq(clg_read(run.plan, p.reverse, &reverse, sizeof reverse), CLG_OK);
    cr_expect(fabs(forward - reverse) <= 1e-11 * fmax(100, fabs(reverse)), "%s %s: forward %.15g, reverse %.15g", c->op,
              text, forward, reverse);
end:
    clg_case_close(&run);
}

ParameterizedTestParameters(forward, table) {
    const int n = clg_op_count();
    int *numbers = cr_malloc(sizeof *numbers * (size_t)n);
    for (int i = 0; i < n; i++) numbers[i] = i;
    return cr_make_param_array(int, numbers, (size_t)n);
}

ParameterizedTest(int *op, forward, table, .timeout = 120) {
    clg_op_info info;
    const clg_case *c;
    int tried = 0;
    clg_device *ref = clg_device_open("ref", NULL);
    cr_assert_not_null(ref, "%s", clg_error());
    cr_assert_eq(clg_op_get_info(*op, &info), CLG_OK);
    for (int i = 0; info.differentiable && (c = clg_case_at(info.name, i)) != NULL; i++) {
        if (!(c->flags & CLG_CASE_GRAD) || c->flags & (CLG_CASE_BENCH | CLG_CASE_EFFECT)) continue;
        check_case(c, ref);
        tried++;
    }
    cr_expect(tried > 0 || !info.differentiable, "%s: no case was tried", info.name);
    clg_device_destroy(&ref);
}

/* The gradient of sum(y r), r random, against central differences of the reference device in double.
 *
 * With step h the difference (f(x+h) - f(x-h)) / 2h is off by about h^2 f'''/6 + eps |f| / h, below 1e-9 for h = 1e-5
 * and values of order one; so 1e-6, relative to the largest partial derivative or 1, leaves room for long sums. */
#include "check/check.h"

#include <math.h>
#include <stdlib.h>

#define STEP 1e-5
#define BOUND 1e-6
enum { MAX_PARTIALS = 48 }; /* an input: all of a small one, else spread over it */

/* A case on "ref" in double with r as one more input, and its plan of the scalar and of the gradients. */
typedef struct grad_run {
    clg_case_run run;
    clg_tensor  *r, *f, *g[CLG_CASE_INPUTS];
    clg_plan    *value, *slope;
} grad_run;

static clg_status open_run(const clg_case *c, clg_device *ref, grad_run *g) {
    clg_status s = clg_case_open(c, ref, CLG_F64, NULL, &g->run);
    if (s < 0) return s;
    g->r = clg_input(g->run.graph, "r", CLG_F64, clg_tensor_shape(g->run.y));
    g->f = clg_sum(clg_mul(clg_cast(g->run.y, CLG_F64), g->r), CLG_ALL);
    clg_tensor *t[CLG_CASE_INPUTS + 1] = {g->f};
    int n = 1;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].dtype == CLG_F32) t[n++] = g->g[i] = clg_grad(g->f, g->run.in[i]);
    g->value = clg_compile(g->run.graph, (clg_list){1, t}, NULL);
    g->slope = clg_compile(g->run.graph, (clg_list){n, t}, NULL);
    return g->value && g->slope ? CLG_OK : clg_error_status();
}

static void close_run(grad_run *g) {
    clg_plan_destroy(&g->value);
    clg_plan_destroy(&g->slope);
    clg_case_close(&g->run);
}

static clg_status put(const clg_case *c, grad_run *g, clg_plan *plan, int i, const double *v) {
    clg_case_run r = g->run;
    r.plan = plan;
    return clg_case_write(c, &r, i, v);
}

static clg_status fill(const clg_case *c, grad_run *g, clg_plan *plan, double *const *v, const double *r) {
    clg_status s = CLG_OK;
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) s = put(c, g, plan, i, v[i]);
    return s == CLG_OK ? clg_write(plan, g->r, r, clg_tensor_bytes(g->r)) : s;
}

/* sum(y r) with element j of input i at x. A case with random numbers gets a new plan, so that they are the same. */
static clg_status value_at(const clg_case *c, clg_device *ref, grad_run *g, double *const *v, const double *r, int i,
                           int64_t j, double x, double *f) {
    grad_run fresh = {0}, *use = g;
    clg_status s = CLG_OK;
    const double old = v[i][j];
    v[i][j] = x;
    if (c->flags & CLG_CASE_RANDOM) {
        use = &fresh;
        s = open_run(c, ref, &fresh);
    }
    if (s == CLG_OK) s = use == g ? put(c, g, g->value, i, v[i]) : fill(c, use, use->value, v, r);
    if (s == CLG_OK) s = clg_run(use->value);
    if (s == CLG_OK) s = clg_read(use->value, use->f, f, sizeof *f);
    v[i][j] = old;
    if (use == &fresh) close_run(&fresh);
    return s;
}

static clg_status compare(const clg_case *c, int number, const clg_check_params *p, clg_check_result *res, grad_run *g,
                          double *const *v, const double *r, int i) {
    const int64_t n = clg_input_elems(&c->in[i]), stride = n > MAX_PARTIALS ? n / MAX_PARTIALS : 1;
    double *grad = malloc((size_t)(n + 1) * sizeof *grad), largest = 1;
    if (!grad) return CLG_ERR_NOMEM;
    clg_status s = clg_read(g->slope, g->g[i], grad, (size_t)n * sizeof *grad);
    for (int64_t j = 0; s == CLG_OK && j < n; j++) largest = fmax(largest, fabs(grad[j]));
    for (int64_t j = 0; s == CLG_OK && j < n; j += stride) {
        double hi = 0, lo = 0;
        s = value_at(c, p->ref, g, v, r, i, j, v[i][j] + STEP, &hi);
        if (s == CLG_OK) s = value_at(c, p->ref, g, v, r, i, j, v[i][j] - STEP, &lo);
        if (s < 0) break;
        const double want = (hi - lo) / (2 * STEP), error = fabs(want - grad[j]) / largest;
        res->gradients++;
        if (error > res->max_gradient_error || isnan(error)) res->max_gradient_error = error;
        if (!(error <= BOUND)) {
            clg_check_fail(p, res, number, NULL, "gradient of input %d at element %lld is %.12g, differences give "
                           "%.12g", i, (long long)j, grad[j], want);
            break;
        }
    }
    if (s == CLG_OK) s = put(c, g, g->value, i, v[i]); /* as it was, for the next input */
    free(grad);
    return s;
}

void clg_check_gradient(const clg_case *c, int number, const clg_check_params *p, clg_check_result *res) {
    grad_run g = {0};
    double *v[CLG_CASE_INPUTS] = {0}, *r = NULL;
    clg_status s = open_run(c, p->ref, &g);
    const clg_case weight = {.n_in = 1, .in = {{1, {g.run.n}, CLG_FILL_UNIT, CLG_F32, 0}}};
    for (int i = 0; s == CLG_OK && i < c->n_in; i++)
        if (!(v[i] = clg_case_values(c, i, p->seed, false))) s = CLG_ERR_NOMEM;
    if (s == CLG_OK && !(r = clg_case_values(&weight, 0, p->seed + 77, false))) s = CLG_ERR_NOMEM;
    if (s == CLG_OK) s = fill(c, &g, g.slope, v, r);
    if (s == CLG_OK) s = fill(c, &g, g.value, v, r);
    if (s == CLG_OK) s = clg_run(g.slope);
    for (int i = 0; s == CLG_OK && i < c->n_in; i++)
        if (g.g[i]) s = compare(c, number, p, res, &g, v, r, i);
    if (s < 0) clg_check_fail(p, res, number, NULL, "gradient check: %s: %s", clg_status_name(s), clg_error());
    for (int i = 0; i < c->n_in; i++) free(v[i]);
    free(r);
    close_run(&g);
}

/* First and second derivatives against central differences of the reference device in double.
 *
 * First: the gradient of f = sum(y r), r random, element by element against (f(x+h e) - f(x-h e)) / 2h. That is off by
 * about h^2 f'''/6 + eps |f| / h, below 1e-9 for h = 1e-5 and values of order one; so 1e-6, relative to the largest
 * partial derivative or 1, leaves room for long sums.
 *
 * Second: the product of the Hessian of f with a random v in [-1, 1), built as the gradient of <grad f, v> (double
 * vjp), against differences D(h) = (grad f(x+hv) - grad f(x-hv)) / 2h, which are one for all elements. As v moves all
 * of x, higher derivatives weigh more: (4 D(h/2) - D(h)) / 3 cancels their h^2 (Richardson 1911), and what is left is
 * again far below 1e-6, relative to the largest element of the product, of the gradient, or 1. So every op that a
 * gradient is made of must have a gradient too. */
#include "check/check.h"

#include <math.h>
#include <stdlib.h>

#define STEP 1e-5
enum { MAX_PARTIALS = 48 }; /* an input: all of a small one, else spread over it */

static const clg_case_form in_double = {.real = CLG_F64};

/* A case on "ref" in double with r and v as more inputs, and its plans: of the scalar, of the gradients, of the
 * products of the Hessian with v. */
typedef struct grad_run {
    clg_case_run run;
    clg_tensor  *r, *f, *g[CLG_CASE_INPUTS], *v[CLG_CASE_INPUTS], *hv[CLG_CASE_INPUTS];
    clg_plan    *value, *slope, *curve;
} grad_run;

static clg_plan *compile(grad_run *g, clg_tensor *const *first, int n_first, clg_tensor *const *more) {
    clg_tensor *t[1 + CLG_CASE_INPUTS];
    int n = 0;
    for (int i = 0; i < n_first; i++) t[n++] = first[i];
    for (int i = 0; more && i < CLG_CASE_INPUTS; i++)
        if (more[i]) t[n++] = more[i];
    return clg_compile(g->run.graph, (clg_list){n, t}, NULL);
}

static clg_status open_run(const clg_case *c, clg_device *ref, grad_run *g) {
    clg_status s = clg_case_open(c, ref, &in_double, NULL, &g->run);
    if (s < 0) return s;
    g->r = clg_input(g->run.graph, "r", CLG_F64, clg_tensor_shape(g->run.y));
    g->f = clg_sum(clg_mul(clg_cast(g->run.y, CLG_F64), g->r), CLG_ALL);
    for (int i = 0; i < c->n_in; i++)
        if (clg_input_is_real(&c->in[i])) g->g[i] = clg_grad(g->f, g->run.in[i]);
    g->value = compile(g, &g->f, 1, NULL);
    g->slope = compile(g, &g->f, 1, g->g);
    return g->value && g->slope ? CLG_OK : clg_error_status();
}

/* Adds <grad f, v> and its gradients. */
static clg_status open_curve(const clg_case *c, grad_run *g) {
    static const char *const names[CLG_CASE_INPUTS] = {"va", "vb", "vc", "vd", "ve", "vf"};
    clg_tensor *s = NULL;
    for (int i = 0; i < c->n_in; i++) {
        if (!g->g[i]) continue;
        g->v[i] = clg_input(g->run.graph, names[i], CLG_F64, clg_tensor_shape(g->g[i]));
        clg_tensor *part = clg_sum(clg_mul(g->g[i], g->v[i]), CLG_ALL);
        s = s ? clg_add(s, part) : part;
    }
    for (int i = 0; i < c->n_in; i++)
        if (g->g[i]) g->hv[i] = clg_grad(s, g->run.in[i]);
    g->curve = compile(g, NULL, 0, g->hv);
    return g->curve ? CLG_OK : clg_error_status();
}

static void close_run(grad_run *g) {
    clg_plan_destroy(&g->value);
    clg_plan_destroy(&g->slope);
    clg_plan_destroy(&g->curve);
    clg_case_close(&g->run);
}

/* The values of a check: of the inputs, of r, of v. */
typedef struct points {
    double *x[CLG_CASE_INPUTS], *v[CLG_CASE_INPUTS], *r;
} points;

static void free_points(points *at) {
    for (int i = 0; i < CLG_CASE_INPUTS; i++) free(at->x[i]), free(at->v[i]);
    free(at->r);
}

static double *random_values(int64_t n, uint64_t seed) {
    const clg_case of = {.n_in = 1, .in = {{1, {n}, CLG_FILL_UNIT, CLG_F32, 0}}};
    return clg_case_values(&of, 0, seed, false);
}

static clg_status make_points(const clg_case *c, int64_t n_out, uint64_t seed, points *at) {
    for (int i = 0; i < c->n_in; i++) {
        at->x[i] = clg_case_values(c, i, seed, false);
        at->v[i] = random_values(clg_input_elems(&c->in[i]), seed + 78 + (uint64_t)i);
        if (!at->x[i] || !at->v[i]) return CLG_ERR_NOMEM;
    }
    at->r = random_values(n_out, seed + 77);
    return at->r ? CLG_OK : CLG_ERR_NOMEM;
}

static clg_status put(const clg_case *c, grad_run *g, clg_plan *plan, int i, const double *v) {
    clg_case_run r = g->run;
    r.plan = plan;
    return clg_case_write(c, &r, i, v);
}

static clg_status fill(const clg_case *c, grad_run *g, clg_plan *plan, const points *at) {
    clg_status s = CLG_OK;
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) s = put(c, g, plan, i, at->x[i]);
    return s == CLG_OK ? clg_write(plan, g->r, at->r, clg_tensor_bytes(g->r)) : s;
}

/* --- first derivatives --- */

/* sum(y r) with element j of input i at x. A case with random numbers gets a new plan, so that they are the same. */
static clg_status value_at(const clg_case *c, clg_device *ref, grad_run *g, const points *at, int i, int64_t j,
                           double x, double *f) {
    grad_run fresh = {0}, *use = g;
    clg_status s = CLG_OK;
    const double old = at->x[i][j];
    at->x[i][j] = x;
    if (c->flags & CLG_CASE_RANDOM) {
        use = &fresh;
        s = open_run(c, ref, &fresh);
    }
    if (s == CLG_OK) s = use == g ? put(c, g, g->value, i, at->x[i]) : fill(c, use, use->value, at);
    if (s == CLG_OK) s = clg_run(use->value);
    if (s == CLG_OK) s = clg_read(use->value, use->f, f, sizeof *f);
    at->x[i][j] = old;
    if (use == &fresh) close_run(&fresh);
    return s;
}

static clg_status compare_slope(const clg_case *c, int number, const clg_check_params *p, clg_check_result *res,
                                grad_run *g, const points *at, int i) {
    const int64_t n = clg_input_elems(&c->in[i]), stride = n > MAX_PARTIALS ? n / MAX_PARTIALS : 1;
    double *grad = malloc((size_t)(n + 1) * sizeof *grad), largest = 1;
    if (!grad) return CLG_ERR_NOMEM;
    clg_status s = clg_read(g->slope, g->g[i], grad, (size_t)n * sizeof *grad);
    for (int64_t j = 0; s == CLG_OK && j < n; j++) largest = fmax(largest, fabs(grad[j]));
    for (int64_t j = 0; s == CLG_OK && j < n; j += stride) {
        double hi = 0, lo = 0;
        s = value_at(c, p->ref, g, at, i, j, at->x[i][j] + STEP, &hi);
        if (s == CLG_OK) s = value_at(c, p->ref, g, at, i, j, at->x[i][j] - STEP, &lo);
        if (s < 0) break;
        const double want = (hi - lo) / (2 * STEP), error = fabs(want - grad[j]) / largest;
        res->gradients++;
        if (error > res->max_gradient_error || isnan(error)) res->max_gradient_error = error;
        if (!(error <= CLG_GRADIENT_BOUND)) {
            clg_check_fail(p, res, number, NULL, "gradient of input %d at element %lld is %.12g, differences give "
                           "%.12g", i, (long long)j, grad[j], want);
            break;
        }
    }
    if (s == CLG_OK) s = put(c, g, g->value, i, at->x[i]); /* as it was, for the next input */
    free(grad);
    return s;
}

/* --- second derivatives --- */

/* All gradients at x + step v, one after the other, into out. */
static clg_status slopes_at(const clg_case *c, clg_device *ref, grad_run *g, const points *at, double step,
                            double *out) {
    grad_run fresh = {0}, *use = g;
    clg_status s = c->flags & CLG_CASE_RANDOM ? open_run(c, ref, use = &fresh) : CLG_OK;
    if (s == CLG_OK) s = fill(c, use, use->slope, at);
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) {
        const int64_t n = clg_input_elems(&c->in[i]);
        if (!use->g[i]) continue;
        for (int64_t j = 0; j < n; j++) out[j] = at->x[i][j] + step * at->v[i][j];
        s = put(c, use, use->slope, i, out);
    }
    if (s == CLG_OK) s = clg_run(use->slope);
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) {
        if (!use->g[i]) continue;
        s = clg_read(use->slope, use->g[i], out, clg_tensor_bytes(use->g[i]));
        out += clg_input_elems(&c->in[i]);
    }
    if (use == &fresh) close_run(&fresh);
    return s;
}

/* All products H v, one after the other, into out. Inputs of the plan that the products do not need stay zero. */
static clg_status products(const clg_case *c, clg_device *ref, grad_run *g, const points *at, double *out) {
    grad_run fresh = {0}, *use = g;
    clg_status s = CLG_OK;
    if (c->flags & CLG_CASE_RANDOM) {
        s = open_run(c, ref, use = &fresh);
        if (s == CLG_OK) s = open_curve(c, use);
    }
    if (s == CLG_OK) s = fill(c, use, use->curve, at);
    for (int i = 0; i < c->n_in && s == CLG_OK; i++)
        if (use->v[i]) s = clg_write(use->curve, use->v[i], at->v[i], clg_tensor_bytes(use->v[i]));
    if (s == CLG_OK) s = clg_run(use->curve);
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) {
        if (!use->hv[i]) continue;
        s = clg_read(use->curve, use->hv[i], out, clg_tensor_bytes(use->hv[i]));
        out += clg_input_elems(&c->in[i]);
    }
    if (use == &fresh) close_run(&fresh);
    return s;
}

/* g: gradients at x + h v, x - h v, x + h v / 2, x - h v / 2, n of each; then the products. */
static void compare_curve(int64_t n, const double *g, int number, const clg_check_params *p, clg_check_result *res) {
    const double *hv = g + 4 * n;
    double largest = 1, worst = 0, want_there = 0;
    int64_t at = 0;
    for (int64_t j = 0; j < n; j++) largest = fmax(largest, fmax(fabs(hv[j]), fabs(g[j])));
    for (int64_t j = 0; j < n && !isnan(worst); j++) {
        const double wide = (g[j] - g[n + j]) / (2 * STEP), near = (g[2 * n + j] - g[3 * n + j]) / STEP;
        const double want = (4 * near - wide) / 3, error = fabs(want - hv[j]) / largest;
        res->curvatures++;
        if (error > worst || isnan(error)) worst = error, at = j, want_there = want;
    }
    if (!(worst <= res->max_curvature_error)) res->max_curvature_error = worst;
    if (!(worst <= CLG_CURVATURE_BOUND))
        clg_check_fail(p, res, number, NULL, "second derivative: element %lld of H v is %.12g, differences of the "
                       "gradient give %.12g", (long long)at, hv[at], want_there);
}

static clg_status check_curve(const clg_case *c, int number, const clg_check_params *p, clg_check_result *res,
                              grad_run *g, const points *at) {
    static const double steps[4] = {STEP, -STEP, STEP / 2, -STEP / 2};
    int64_t n = 0;
    clg_status s = open_curve(c, g);
    for (int i = 0; i < c->n_in; i++) n += g->g[i] ? clg_input_elems(&c->in[i]) : 0;
    double *all = s == CLG_OK ? malloc((size_t)(5 * n + 1) * sizeof *all) : NULL;
    if (s == CLG_OK && !all) s = CLG_ERR_NOMEM;
    for (int k = 0; k < 4 && s == CLG_OK; k++) s = slopes_at(c, p->ref, g, at, steps[k], all + k * n);
    if (s == CLG_OK) s = products(c, p->ref, g, at, all + 4 * n);
    if (s == CLG_OK) compare_curve(n, all, number, p, res);
    free(all);
    return s;
}

static void fail_status(const char *what, int number, clg_status s, const clg_check_params *p, clg_check_result *res) {
    clg_check_fail(p, res, number, NULL, "%s: %s: %s", what, clg_status_name(s),
                   s == clg_error_status() ? clg_error() : "out of host memory");
}

void clg_check_gradient(const clg_case *c, int number, const clg_check_params *p, clg_check_result *res) {
    grad_run g = {0};
    points at = {0};
    const int before = res->failures;
    clg_status s = open_run(c, p->ref, &g);
    if (s == CLG_OK) s = make_points(c, g.run.n, p->seed, &at);
    if (s == CLG_OK) s = fill(c, &g, g.slope, &at);
    if (s == CLG_OK) s = fill(c, &g, g.value, &at);
    if (s == CLG_OK) s = clg_run(g.slope);
    for (int i = 0; s == CLG_OK && i < c->n_in; i++)
        if (g.g[i]) s = compare_slope(c, number, p, res, &g, &at, i);
    if (s < 0) fail_status("gradient check", number, s, p, res);
    else if (res->failures == before && (s = check_curve(c, number, p, res, &g, &at)) < 0)
        fail_status("second derivative", number, s, p, res);
    free_points(&at);
    close_run(&g);
}

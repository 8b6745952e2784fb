/* The walk over the cases of one op. For each case, on the device and on the reference:
 *   default plan, small integers: equal in every bit; reals: within the bound; a second run: equal bits;
 *   each implementation of the op, forced: the same two comparisons;
 *   each pass switched off: the bits of the default plan;
 *   gradients and second derivatives (gradient.c).
 * Where the plan has an implementation that is no direct sum (Winograd), integers too are compared by its own bound.
 * Then, for one case of the op, other types and views as operands (forms.c), and huge operands (sizes.c). */
#include "check/check.h"

#include <float.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double clg_check_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void report(const clg_check_params *p, clg_check_result *r, int number, const char *impl, bool wrong,
                   const char *fmt, va_list ap) {
    char text[1024] = "";
    const clg_case *c = number >= 0 ? clg_case_at(r->op, number) : NULL;
    r->failures++;
    if (!p->failed) return;
    if (c) clg_case_text(c, text, 256);
    size_t at = strlen(text);
    if (at) at += (size_t)snprintf(text + at, sizeof text - at, ": ");
    vsnprintf(text + at, sizeof text - at, fmt, ap);
    p->failed(p->user, &(clg_check_failure){r->op, impl, number, p->seed, text, wrong});
}

void clg_check_fail(const clg_check_params *p, clg_check_result *r, int number, const char *impl, const char *fmt,
                    ...) {
    va_list ap;
    va_start(ap, fmt);
    report(p, r, number, impl, false, fmt, ap);
    va_end(ap);
}

/* The same for wrong numbers. In forms of operands other ops take part, so there the implementation may be innocent. */
static void fail_wrong(const clg_check_job *j, const char *impl, const char *fmt, ...) CLG_FMT(3, 4);
static void fail_wrong(const clg_check_job *j, const char *impl, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    report(j->p, j->r, j->number, impl, impl && !j->what, fmt, ap);
    va_end(ap);
}

/* "f16: " before a message about a form. */
static const char *form_prefix(const clg_check_job *j, char *text, size_t size) {
    snprintf(text, size, "%s%s", j->what ? j->what : "", j->what ? ": " : "");
    return text;
}

static void fail_status(const clg_check_job *j, const char *impl, clg_status s) {
    char form[32];
    clg_check_fail(j->p, j->r, j->number, impl, "%s%s: %s", form_prefix(j, form, sizeof form), clg_status_name(s),
                   s == clg_error_status() ? clg_error() : "out of host memory");
}

/* --- comparison --- */

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static bool same_bits(const double *a, const double *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !same(a[i], b[i])) return false;
    return true;
}

/* Error of x against y in units in the last place of y in f32. */
static double ulps(double x, double y) {
    const double ulp = fmax(ldexp(1, ilogb(fmax(fabs(y), FLT_MIN)) - 23), 1e-45);
    return fabs(x - y) / ulp;
}

/* What an error of 1 is at a reference of y: eps of the larger of |y| and scale, but no less than the spacing of the
 * type's subnormal numbers. */
static double unit_of(const clg_check_job *j, double scale, double y) {
    const double unit = j->eps * fmax(scale, fabs(y));
    return j->form.real == CLG_F16 ? fmax(unit, 0x1p-24) : unit;
}

static void compare(const clg_check_job *j, const char *impl, bool exact, const double *x, const double *y, int64_t n) {
    const bool small = j->c->flags & CLG_CASE_SMALL;
    double scale = small ? 0 : 1, worst = 0;
    int64_t at = -1;
    for (int64_t i = 0; i < n && small; i++) scale = fmax(scale, fabs(y[i]));
    for (int64_t i = 0; i < n; i++) {
        if (same(x[i], y[i])) continue;
        const double unit = unit_of(j, scale, y[i]);
        double error = unit > 0 ? fabs(x[i] - y[i]) / unit : INFINITY;
        if (exact && !(fabs(y[i]) > j->whole)) error = INFINITY;
        if (!exact && isfinite(error) && !j->what) j->r->max_ulp = fmax(j->r->max_ulp, ulps(x[i], y[i]));
        if (at < 0 || !(error <= worst)) worst = isnan(error) ? INFINITY : error, at = i;
    }
    if (!exact && (*j->bound == 0 || worst * *j->bound > *j->max_error * j->k)) *j->max_error = worst, *j->bound = j->k;
    if (at >= 0 && !(worst <= j->k)) {
        char form[32];
        fail_wrong(j, impl, "%s%s: element %lld of %lld is %.9g, reference %.9g: error %.3g, bound %g",
                   form_prefix(j, form, sizeof form), exact ? "small integers" : "reals", (long long)at, (long long)n,
                   x[at], y[at], fabs(x[at] - y[at]) / unit_of(j, scale, y[at]),
                   exact && !(fabs(y[at]) > j->whole) ? 0 : j->k);
    }
}

/* --- one plan --- */

double *clg_check_outcome(const clg_check_job *j, clg_device *dev, const clg_plan_params *pp, bool exact, int64_t *n) {
    clg_case_run run;
    double *v = NULL;
    clg_status s = clg_case_open(j->c, dev, &j->form, pp, &run);
    if (s == CLG_OK) s = clg_case_fill(j->c, &run, j->p->seed, exact);
    if (s == CLG_OK) s = clg_case_outcome(j->c, &run, &v);
    if (s < 0) fail_status(j, pp ? pp->impl : NULL, s);
    *n = run.n;
    clg_case_close(&run);
    return v;
}

void clg_expected_free(clg_expected *want) {
    free(want->exact);
    free(want->real);
    *want = (clg_expected){0};
}

bool clg_check_expect(const clg_check_job *j, clg_expected *want) {
    *want = (clg_expected){0};
    if (j->c->flags & CLG_CASE_EXACT && !(want->exact = clg_check_outcome(j, j->p->ref, NULL, true, &want->n)))
        return false;
    want->real = clg_check_outcome(j, j->p->ref, NULL, false, &want->n);
    if (!want->real) clg_expected_free(want);
    return want->real != NULL;
}

/* The largest growth among the implementations that a plan uses; 1: direct sums only. */
static double growth_of(const clg_case_run *run) {
    double growth = 1;
    for (int op = 0; op < clg_op_count(); op++)
        for (int k = 0; clg_op_impl(op, k); k++)
            if (clg_op_impl_growth(op, k) > growth && clg_case_uses(run, clg_op_impl(op, k)))
                growth = clg_op_impl_growth(op, k);
    return growth;
}

/* The bound of a sum that is computed by transforms of its operands (Barabasz, Anderson, Soodhalter, Gregg 2020, "Error
 * Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", theorem 2, by components). For
 * y = A^T [(G w G^T) . (B^T x B)] A with |x|, |w| <= 1, the direct sum of C channels adds terms whose absolute values
 * sum to at most 9 C, by k roundings; the transformed one adds terms of at most
 *   C max_i (|A^T| [(|G| 1) . (|B^T| 1)])_i^2 = growth 9 C,
 * by C <= k roundings and those of three transforms in two dimensions, at most 2 (4 + 4 + 4). Small integers reach 3 in
 * both operands, and need not come out exact, as G has sixths. */
static clg_check_job transformed(const clg_check_job *j, double growth, bool exact) {
    clg_check_job own = *j;
    own.k = growth * (j->k + 24) * (exact ? 9 : 1);
    own.whole = -1;
    return own;
}

/* Compares a compiled run with the reference; keeps the reals in *out if that is not NULL. */
static void check_run(const clg_check_job *j, const char *impl, clg_case_run *run, const clg_expected *want,
                      double **out) {
    double *first = NULL, *second = NULL;
    clg_status s = CLG_OK;
    const bool again = !(j->c->flags & (CLG_CASE_EFFECT | CLG_CASE_RANDOM));
    const double growth = growth_of(run);
    const clg_check_job whole = growth > 1 ? transformed(j, growth, true) : *j;
    const clg_check_job reals = growth > 1 ? transformed(j, growth, false) : *j;
    if (want->exact) {
        s = clg_case_fill(j->c, run, j->p->seed, true);
        if (s == CLG_OK) s = clg_case_outcome(j->c, run, &first);
        if (s == CLG_OK) compare(&whole, impl, true, first, want->exact, run->n);
        free(first);
        first = NULL;
    }
    /* Effects and random numbers have moved on: reals need a plan of their own, which the caller opened for them. */
    if (s == CLG_OK && want->real) {
        s = clg_case_fill(j->c, run, j->p->seed, false);
        if (s == CLG_OK) s = clg_case_outcome(j->c, run, &first);
        if (s == CLG_OK) compare(&reals, impl, false, first, want->real, run->n);
        if (s == CLG_OK && again) s = clg_case_outcome(j->c, run, &second);
        if (s == CLG_OK && again && !same_bits(first, second, run->n)) {
            j->r->deterministic = false;
            fail_wrong(j, impl, "%sa second run gave other bits", form_prefix(j, (char[32]){""}, 32));
        }
    }
    if (s < 0) fail_status(j, impl, s);
    free(second);
    if (out) *out = first;
    else free(first);
}

/* Cases that change by running get one plan for integers and another for reals. */
bool clg_check_plan(const clg_check_job *j, const clg_plan_params *pp, const char *must_use, const clg_expected *want,
                    double **out) {
    const bool moves = j->c->flags & (CLG_CASE_EFFECT | CLG_CASE_RANDOM);
    const char *impl = pp ? pp->impl : NULL;
    bool used = false;
    for (int pass = 0; pass < (moves && want->exact ? 2 : 1); pass++) {
        clg_case_run run;
        clg_expected part = *want;
        if (moves && want->exact) {
            if (pass == 0) part.real = NULL;
            else part.exact = NULL;
        }
        const clg_status s = clg_case_open(j->c, j->p->dev, &j->form, pp, &run);
        if (s < 0) {
            fail_status(j, impl, s);
            return used;
        }
        if (run.n != want->n)
            clg_check_fail(j->p, j->r, j->number, impl, "%lld elements, reference %lld", (long long)run.n,
                           (long long)want->n);
        else if (!must_use || clg_case_uses(&run, must_use)) {
            used = true;
            check_run(j, impl, &run, &part, part.real ? out : NULL);
        }
        clg_case_close(&run);
    }
    return used;
}

unsigned clg_check_impls(const clg_check_job *j, const clg_expected *want) {
    const char *impl;
    unsigned ran = 0;
    for (int k = 0; (impl = clg_op_impl(j->op, k)) != NULL; k++) {
        if (j->p->only_impl && fnmatch(j->p->only_impl, impl, 0) != 0) continue;
        if (j->p->skip_impl && strstr(impl, j->p->skip_impl)) continue;
        if (clg_check_plan(j, clg_plan_params(.impl = impl), impl, want, NULL) && k < 32) ran |= 1u << k;
    }
    return ran;
}

/* --- the variations of a case --- */

static int count_bits(unsigned set) {
    int n = 0;
    for (; set; set &= set - 1) n++;
    return n;
}

static void check_passes(const clg_check_job *j, const double *bits) {
    const struct { const char *name; clg_plan_params params; } off[] = {
        {"no_fuse", {.no_fuse = true}},   {"no_fold", {.no_fold = true}},
        {"no_reuse", {.no_reuse = true}}, {"no_inplace", {.no_inplace = true}},
    };
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        int64_t n;
        double *v = clg_check_outcome(j, j->p->dev, &off[i].params, false, &n);
        if (v && !same_bits(v, bits, n))
            clg_check_fail(j->p, j->r, j->number, NULL, "%s gives other bits", off[i].name);
        free(v);
        j->r->runs++;
    }
}

static bool too_large(const clg_case *c, const clg_check_params *p) {
    if (c->flags & CLG_CASE_BENCH) return true;
    if (p->max_flops <= 0) return false;
    clg_case_run run;
    clg_plan_info info = {0};
    if (clg_case_open(c, p->ref, NULL, NULL, &run) == CLG_OK) clg_plan_get_info(run.plan, &info);
    clg_case_close(&run);
    return info.flops + info.bytes_moved / 4 > p->max_flops;
}

static void check_case(int op, const clg_case *c, int number, const clg_check_params *p, clg_check_result *r) {
    const clg_check_job j = {.op = op, .number = number, .c = c, .eps = FLT_EPSILON, .k = c->k, .whole = INFINITY,
                             .p = p, .r = r, .max_error = &r->max_error, .bound = &r->bound};
    clg_op_info info;
    clg_expected want;
    double *bits = NULL;
    r->cases++;
    if (!clg_check_expect(&j, &want)) return;
    if (!p->only_impl) r->runs += clg_check_plan(&j, NULL, NULL, &want, &bits);
    const unsigned ran = clg_check_impls(&j, &want);
    r->ran |= ran;
    r->impls += count_bits(ran);
    r->runs += count_bits(ran);
    if (!p->quick && bits && c->flags & CLG_CASE_MIXED) check_passes(&j, bits);
    const bool differentiable = clg_op_get_info(op, &info) == CLG_OK && info.differentiable;
    if (!p->quick && !p->only_impl && differentiable && c->flags & CLG_CASE_GRAD) clg_check_gradient(c, number, p, r);
    clg_expected_free(&want);
    free(bits);
}

void clg_check_op(int op, const clg_check_params *p, clg_check_result *r) {
    clg_op_info info = {.name = "?"};
    const double begin = clg_check_now();
    *r = (clg_check_result){.deterministic = true, .op = "?"};
    if (clg_op_get_info(op, &info) < 0) {
        clg_check_fail(p, r, -1, NULL, "%s", clg_error());
        return;
    }
    r->op = info.name;
    const clg_case *c;
    for (int i = 0; (c = clg_case_at(info.name, i)) != NULL; i++) {
        if (p->only_case && p->only_case != i + 1) continue;
        if (!too_large(c, p)) check_case(op, c, i, p, r);
    }
    if (!p->quick) clg_check_forms(op, p, r);
    if (!p->quick && !p->only_impl && !p->only_case) clg_check_sizes(op, p, r);
    const bool all = !p->only_case && !p->only_impl && p->max_flops <= 0;
    if (all && r->cases == 0) clg_check_fail(p, r, -1, NULL, "the op has no case: add one to src/check");
    if (all && !p->quick && info.differentiable && r->gradients == 0)
        clg_check_fail(p, r, -1, NULL, "the op has a gradient, but no case checks it");
    r->pass = r->failures == 0;
    r->seconds = clg_check_now() - begin;
}

/* The walk over the cases of one op. For each case, on the device and on the reference:
 *   default plan, small integers: equal in every bit; reals: within the bound; a second run: equal bits;
 *   each implementation of the op, forced: the same two comparisons;
 *   each pass switched off: the bits of the default plan;
 *   gradients (gradient.c). */
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

void clg_check_fail(const clg_check_params *p, clg_check_result *r, int number, const char *impl, const char *fmt,
                    ...) {
    char what[512], line[1024], shapes[256] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    r->failures++;
    if (!p->failed) return;
    const clg_case *c = number >= 0 ? clg_case_at(r->op, number) : NULL;
    if (c) clg_case_text(c, shapes, sizeof shapes);
    snprintf(line, sizeof line, "%s: %s: %s  [--op %s --case %d%s%s --seed %llu]", r->op, shapes, what, r->op, number,
             impl ? " --impl " : "", impl ? impl : "", (unsigned long long)p->seed);
    p->failed(p->user, line);
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

static void compare(const clg_case *c, int number, const char *impl, bool exact, const double *x, const double *y,
                    int64_t n, const clg_check_params *p, clg_check_result *r) {
    double scale = c->flags & CLG_CASE_SMALL ? 0 : 1, worst = 0;
    int64_t at = -1;
    for (int64_t i = 0; i < n && c->flags & CLG_CASE_SMALL; i++) scale = fmax(scale, fabs(y[i]));
    for (int64_t i = 0; i < n; i++) {
        if (same(x[i], y[i])) continue;
        const double unit = FLT_EPSILON * fmax(scale, fabs(y[i]));
        const double error = unit > 0 ? fabs(x[i] - y[i]) / unit : INFINITY;
        if (!exact && isfinite(error)) r->max_ulp = fmax(r->max_ulp, ulps(x[i], y[i]));
        if (at < 0 || !(error <= worst)) worst = isnan(error) ? INFINITY : error, at = i;
    }
    if (!exact && (r->bound == 0 || worst * r->bound > r->max_error * c->k)) r->max_error = worst, r->bound = c->k;
    if (at >= 0 && (exact || worst > c->k))
        clg_check_fail(p, r, number, impl, "%s: element %lld of %lld is %.9g, reference %.9g: error %.3g, bound %d",
                       exact ? "small integers" : "reals", (long long)at, (long long)n, x[at], y[at], worst,
                       exact ? 0 : c->k);
}

/* --- one plan --- */

/* The outcome of a case on a device under a plan's params; NULL after reporting a failure. */
static double *outcome(const clg_case *c, int number, clg_device *dev, const clg_plan_params *pp, bool exact,
                       int64_t *n, const clg_check_params *p, clg_check_result *r) {
    clg_case_run run;
    double *v = NULL;
    clg_status s = clg_case_open(c, dev, CLG_F32, pp, &run);
    if (s == CLG_OK) s = clg_case_fill(c, &run, p->seed, exact);
    if (s == CLG_OK) s = clg_case_outcome(c, &run, &v);
    if (s < 0) clg_check_fail(p, r, number, pp ? pp->impl : NULL, "%s: %s", clg_status_name(s), clg_error());
    *n = run.n;
    clg_case_close(&run);
    return v;
}

/* What the reference says of a case, computed once and compared with many times. */
typedef struct expected {
    double *exact, *real; /* NULL: not asked */
    int64_t n;
} expected;

/* Compares a compiled run with the reference; keeps the reals in *out if that is not NULL. */
static void check_run(const clg_case *c, int number, const char *impl, clg_case_run *run, const expected *want,
                      const clg_check_params *p, clg_check_result *r, double **out) {
    double *first = NULL, *second = NULL;
    clg_status s = CLG_OK;
    r->runs++;
    const bool again = !(c->flags & (CLG_CASE_EFFECT | CLG_CASE_RANDOM));
    if (want->exact) {
        s = clg_case_fill(c, run, p->seed, true);
        if (s == CLG_OK) s = clg_case_outcome(c, run, &first);
        if (s == CLG_OK) compare(c, number, impl, true, first, want->exact, run->n, p, r);
        free(first);
        first = NULL;
    }
    /* Effects and random numbers have moved on: reals need a plan of their own, which the caller opened for them. */
    if (s == CLG_OK && want->real) {
        s = clg_case_fill(c, run, p->seed, false);
        if (s == CLG_OK) s = clg_case_outcome(c, run, &first);
        if (s == CLG_OK) compare(c, number, impl, false, first, want->real, run->n, p, r);
        if (s == CLG_OK && again) s = clg_case_outcome(c, run, &second);
        if (s == CLG_OK && again && !same_bits(first, second, run->n)) {
            r->deterministic = false;
            clg_check_fail(p, r, number, impl, "a second run gave other bits");
        }
    }
    if (s < 0) clg_check_fail(p, r, number, impl, "%s: %s", clg_status_name(s), clg_error());
    free(second);
    if (out) *out = first;
    else free(first);
}

/* Opens a plan and checks it. Cases that change by running get one plan for integers and another for reals. */
static void check_plan(const clg_case *c, int number, const clg_plan_params *pp, const char *must_use,
                       const expected *want, const clg_check_params *p, clg_check_result *r, double **out) {
    const bool moves = c->flags & (CLG_CASE_EFFECT | CLG_CASE_RANDOM);
    const char *impl = pp ? pp->impl : NULL;
    for (int pass = 0; pass < (moves && want->exact ? 2 : 1); pass++) {
        clg_case_run run;
        expected part = *want;
        if (moves && want->exact) {
            if (pass == 0) part.real = NULL;
            else part.exact = NULL;
        }
        if (clg_case_open(c, p->dev, CLG_F32, pp, &run) < 0) {
            clg_check_fail(p, r, number, impl, "%s: %s", clg_status_name(clg_error_status()), clg_error());
            return;
        }
        if (run.n != want->n)
            clg_check_fail(p, r, number, impl, "%lld elements, reference %lld", (long long)run.n, (long long)want->n);
        else if (!must_use || clg_case_uses(&run, must_use)) {
            if (must_use && pass == 0) r->impls++;
            check_run(c, number, impl, &run, &part, p, r, part.real ? out : NULL);
        }
        clg_case_close(&run);
    }
}

/* --- the variations of a case --- */

static void check_impls(int op, const clg_case *c, int number, const expected *want, const clg_check_params *p,
                        clg_check_result *r) {
    const char *impl;
    for (int k = 0; (impl = clg_op_impl(op, k)) != NULL; k++) {
        if (p->only_impl && fnmatch(p->only_impl, impl, 0) != 0) continue;
        if (p->skip_impl && strstr(impl, p->skip_impl)) continue;
        const int before = r->impls;
        check_plan(c, number, clg_plan_params(.impl = impl), impl, want, p, r, NULL);
        if (r->impls > before && k < 32) r->ran |= 1u << k;
    }
}

static void check_passes(const clg_case *c, int number, const double *bits, const clg_check_params *p,
                         clg_check_result *r) {
    const struct { const char *name; clg_plan_params params; } off[] = {
        {"no_fuse", {.no_fuse = true}},   {"no_fold", {.no_fold = true}},
        {"no_reuse", {.no_reuse = true}}, {"no_inplace", {.no_inplace = true}},
    };
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        int64_t n;
        double *v = outcome(c, number, p->dev, &off[i].params, false, &n, p, r);
        if (v && !same_bits(v, bits, n)) clg_check_fail(p, r, number, NULL, "%s gives other bits", off[i].name);
        free(v);
        r->runs++;
    }
}

static bool too_large(const clg_case *c, int number, const clg_check_params *p, clg_check_result *r) {
    if (c->flags & CLG_CASE_BENCH) return true;
    if (p->max_flops <= 0) return false;
    clg_case_run run;
    clg_plan_info info = {0};
    if (clg_case_open(c, p->ref, CLG_F32, NULL, &run) == CLG_OK) clg_plan_get_info(run.plan, &info);
    clg_case_close(&run);
    return info.flops + info.bytes_moved / 4 > p->max_flops;
}

static void check_case(int op, const clg_case *c, int number, const clg_check_params *p, clg_check_result *r) {
    clg_op_info info;
    expected want = {0};
    double *bits = NULL;
    r->cases++;
    if (c->flags & CLG_CASE_EXACT) want.exact = outcome(c, number, p->ref, NULL, true, &want.n, p, r);
    want.real = outcome(c, number, p->ref, NULL, false, &want.n, p, r);
    if (!want.real || (c->flags & CLG_CASE_EXACT && !want.exact)) goto end;
    if (!p->only_impl) check_plan(c, number, NULL, NULL, &want, p, r, &bits);
    check_impls(op, c, number, &want, p, r);
    if (!p->quick && bits && c->flags & CLG_CASE_MIXED) check_passes(c, number, bits, p, r);
    const bool differentiable = clg_op_get_info(op, &info) == CLG_OK && info.differentiable;
    if (!p->quick && !p->only_impl && differentiable && c->flags & CLG_CASE_GRAD) clg_check_gradient(c, number, p, r);
end:
    free(want.exact);
    free(want.real);
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
        if (!too_large(c, i, p, r)) check_case(op, c, i, p, r);
    }
    const bool all = !p->only_case && !p->only_impl && p->max_flops <= 0;
    if (all && r->cases == 0) clg_check_fail(p, r, -1, NULL, "the op has no case: add one to src/check");
    if (all && !p->quick && info.differentiable && r->gradients == 0)
        clg_check_fail(p, r, -1, NULL, "the op has a gradient, but no case checks it");
    r->pass = r->failures == 0;
    r->seconds = clg_check_now() - begin;
}

/* See timing.h. */
#include "timing.h"

#include <stdlib.h>
#include <time.h>

enum { REPEATS = 7, FEW = 3, MOST_RUNS = 20000 };

double clg_bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for n runs with the wait at their end. */
static clg_status repeat(clg_timed action, void *what, int n, double *seconds) {
    const double begin = clg_bench_now();
    const clg_status s = action(what, n);
    *seconds = clg_bench_now() - begin;
    return s;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

clg_spread clg_spread_of(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return (clg_spread){x[n / 2], x[0], x[n - 1], (x[n - 1] - x[0]) / x[n / 2]};
}

clg_status clg_time(clg_timed action, void *what, double budget, clg_timing *t) {
    double one = 0, r[REPEATS];
    clg_status s = repeat(action, what, 2, &one); /* compiles what is compiled at the first launch */
    if (s == CLG_OK) s = repeat(action, what, 1, &one);
    if (s == CLG_OK && one < budget / 20) { /* a single short run tells little: the caches were cold */
        s = repeat(action, what, 5, &one);
        one /= 5;
    }
    if (s < 0) return s;
    const int repeats = one > budget / FEW ? FEW : REPEATS;
    const double runs = budget / repeats / (one > 1e-7 ? one : 1e-7);
    t->runs = runs < 1 ? 1 : runs > MOST_RUNS ? MOST_RUNS : (int)runs;
    for (int i = 0; i < repeats && s == CLG_OK; i++) {
        s = repeat(action, what, t->runs, &r[i]);
        r[i] /= t->runs;
    }
    if (s < 0) return s;
    const clg_spread all = clg_spread_of(r, repeats);
    t->seconds = all.median;
    t->best = all.least;
    t->spread = all.spread;
    return CLG_OK;
}

typedef struct plan_runs {
    clg_device *dev;
    clg_plan   *plan;
} plan_runs;

static clg_status run_plan(void *what, int n) {
    const plan_runs *p = what;
    clg_status s = CLG_OK;
    for (int i = 0; i < n && s == CLG_OK; i++) s = clg_run(p->plan);
    return s == CLG_OK ? clg_device_finish(p->dev) : s;
}

clg_status clg_time_plan(clg_device *dev, clg_plan *plan, double budget, clg_timing *t) {
    plan_runs p = {dev, plan};
    return clg_time(run_plan, &p, budget, t);
}

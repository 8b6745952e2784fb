/* See timing.h. */
#include "timing.h"

#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for n runs with the wait at their end. */
static clg_status repeat(clg_device *dev, clg_plan *plan, int n, double *seconds) {
    const double begin = now();
    clg_status s = CLG_OK;
    for (int i = 0; i < n && s == CLG_OK; i++) s = clg_run(plan);
    if (s == CLG_OK) s = clg_device_finish(dev);
    *seconds = now() - begin;
    return s;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

clg_status clg_time_plan(clg_device *dev, clg_plan *plan, double budget, clg_timing *t) {
    double one = 0, r[CLG_REPEATS];
    clg_status s = repeat(dev, plan, 2, &one); /* compiles what is compiled at the first launch */
    if (s == CLG_OK) s = repeat(dev, plan, 3, &one);
    if (s < 0) return s;
    const double runs = budget / CLG_REPEATS / (one / 3 > 1e-7 ? one / 3 : 1e-7);
    t->runs = runs < 1 ? 1 : runs > 20000 ? 20000 : (int)runs;
    for (int i = 0; i < CLG_REPEATS && s == CLG_OK; i++) {
        s = repeat(dev, plan, t->runs, &r[i]);
        r[i] /= t->runs;
    }
    if (s < 0) return s;
    qsort(r, CLG_REPEATS, sizeof r[0], ascending);
    t->seconds = r[CLG_REPEATS / 2];
    t->best = r[0];
    t->spread = (r[CLG_REPEATS - 1] - r[0]) / t->seconds;
    return CLG_OK;
}

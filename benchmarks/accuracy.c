/* See accuracy.h. */
#include "accuracy.h"

#include <math.h>

/* Distance of neighbouring f32 numbers at magnitude x: 2^(e - 23), and that of the smallest normal below it. */
static double ulp_at(double x) {
    int e;
    if (!(x > 0x1p-126)) return 0x1p-149;
    frexp(x, &e);
    return ldexp(1, e - 24);
}

/* The magnitude that a case's bound is relative to. */
static double scale_of(const clg_case *c, const double *want, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(want[i]));
    return c->flags & CLG_CASE_SMALL ? largest : 1;
}

void clg_accuracy_of(const clg_case *c, const double *got, const double *want, int64_t n, clg_accuracy *a) {
    double square = 0;
    const double scale = scale_of(c, want, n);
    *a = (clg_accuracy){0};
    if (n == 0) return;
    for (int64_t i = 0; i < n; i++) square += want[i] * want[i];
    const double rms = sqrt(square / (double)n);
    for (int64_t i = 0; i < n; i++) {
        const double error = got[i] == want[i] || (isnan(got[i]) && isnan(want[i])) ? 0 : fabs(got[i] - want[i]);
        const double size = fabs(want[i]), own = error / ulp_at(size), typical = error / ulp_at(fmax(size, rms));
        a->max_ulp = fmax(a->max_ulp, own);
        a->mean_ulp += own / (double)n;
        a->max_ulp_rms = fmax(a->max_ulp_rms, typical);
        a->mean_ulp_rms += typical / (double)n;
        const double bound = error / (c->k * 0x1p-23 * fmax(scale, size));
        a->bound = isnan(error) ? INFINITY : fmax(a->bound, bound);
    }
}

double *clg_reference_outcome(const clg_case *c, clg_device *ref, int64_t *n) {
    clg_case_run run;
    double *out = NULL;
    clg_status s = clg_case_open(c, ref, NULL, NULL, &run);
    if (s == CLG_OK) s = clg_case_fill(c, &run, 1, false);
    if (s == CLG_OK) s = clg_case_outcome(c, &run, &out);
    *n = run.n;
    clg_case_close(&run);
    return s == CLG_OK ? out : NULL;
}

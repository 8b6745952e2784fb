/* How far a device's outcome is from the reference's, which is computed in double. */
#ifndef CLG_BENCHMARKS_ACCURACY_H_
#define CLG_BENCHMARKS_ACCURACY_H_

#include "check/check.h"

/** ULP: distance of neighbouring f32 at the reference's value. Where sums cancel, results near 0 have a tiny unit
 *  though their error is that of the terms; so the second pair takes the unit at the root mean square of all results
 *  where that is larger. */
typedef struct clg_accuracy {
    double max_ulp, mean_ulp;
    double max_ulp_rms, mean_ulp_rms;
    double bound; /* largest error in units of the case's bound k eps max(1, |reference|); > 1: a wrong result */
} clg_accuracy;

void clg_accuracy_of(const clg_case *c, const double *got, const double *want, int64_t n, clg_accuracy *a);

/** The outcome of a case on the reference device in a new array; NULL on failure. */
double *clg_reference_outcome(const clg_case *c, clg_device *ref, int64_t *n);

#endif /* CLG_BENCHMARKS_ACCURACY_H_ */

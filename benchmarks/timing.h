/* Timing of a repeated action: warm up, then the median of several repeats of enough runs. */
#ifndef CLG_BENCHMARKS_TIMING_H_
#define CLG_BENCHMARKS_TIMING_H_

#include <clgrad/clgrad.h>

typedef struct clg_timing {
    double seconds;    /* a run, median of the repeats */
    double best;       /* a run, fastest repeat */
    double spread;     /* (slowest - fastest) / median */
    int    runs;       /* in a repeat */
} clg_timing;

enum { CLG_REPEATS = 7 };

/** Times runs of a plan, `budget` seconds in all; waits for the device only at the end of a repeat. */
clg_status clg_time_plan(clg_device *dev, clg_plan *plan, double budget, clg_timing *t);

#endif /* CLG_BENCHMARKS_TIMING_H_ */

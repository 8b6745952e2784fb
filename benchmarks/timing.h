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

/** Of n numbers, which it sorts: the median, the ends, and (largest - smallest) / median. */
typedef struct clg_spread { double median, least, most, spread; } clg_spread;
clg_spread clg_spread_of(double *x, int n);

/** Performs the action n times and waits for its end. */
typedef clg_status (*clg_timed)(void *what, int n);

/** Times an action, about `budget` seconds in all: seven repeats, or three where a single run is long. */
clg_status clg_time(clg_timed action, void *what, double budget, clg_timing *t);

/** Times runs of a plan; waits for the device only at the end of a repeat. */
clg_status clg_time_plan(clg_device *dev, clg_plan *plan, double budget, clg_timing *t);

double clg_bench_now(void); /* monotonic seconds */

#endif /* CLG_BENCHMARKS_TIMING_H_ */

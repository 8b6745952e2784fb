/* What cross-entropy shares with softmax: the form of the problem and the launch of the statistics. */
#ifndef CLG_OPS_SOFTMAX_H_
#define CLG_OPS_SOFTMAX_H_

#include "graph/op.h"
#include "plan/emit.h"

/** A tensor as [outer, classes, inner]; n = outer inner positions. */
typedef struct clg_softmax_form {
    int64_t outer, classes, inner, n;
} clg_softmax_form;

clg_softmax_form clg_softmax_form_of(clg_shape s, int axis);

/** Steps of the classes of position p begin here and are `inner` apart. */
static inline int64_t clg_softmax_start(const clg_softmax_form *f, int64_t p) {
    return p / f->inner * f->classes * f->inner + p % f->inner;
}

/** Reference: maximum over the classes of position p, and the logarithm of the sum of exp(x - maximum). */
void clg_softmax_stat(const clg_softmax_form *f, const double *x, int64_t p, double *max, double *log_sum);

/** Appends what the options of cl/softmax.cl say: -DMODE=0 softmax, 1 log-softmax, 2 statistics: y [2, n] gets what
 *  clg_softmax_stat() computes. */
clg_status clg_softmax_emit_cpu(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_softmax_form *f,
                                const char *options);
clg_status clg_softmax_emit_gpu(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_softmax_form *f,
                                bool statistics, const char *options);

/** For accept(): sizes fit an int; sizes fit, and the device has work-groups at all. */
bool clg_softmax_fits(const clg_node *n, const clg_device *d);
bool clg_softmax_fits_group(const clg_node *n, const clg_device *d);

/** How many units of `work` elements a work-item of a CPU should do, so that there are few and big work-items. */
int64_t clg_softmax_per(int64_t units, int64_t work);

#endif /* CLG_OPS_SOFTMAX_H_ */

/* Reductions and scans. axes is a bit mask: CLG_AXIS(1)|CLG_AXIS(2); CLG_ALL is every axis. Reduced axes are kept as
 * size 1 unless all are reduced, which gives a scalar. */
#ifndef CLGRAD_OPS_REDUCE_H_
#define CLGRAD_OPS_REDUCE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

#define CLG_AXIS(i) (1u << (i))
#define CLG_ALL     (~0u)

CLG_API clg_tensor *clg_sum(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_mean(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_max(clg_tensor *x, unsigned axes); /* ties: the gradient goes to the first in row-major order */

/** Index of the largest element along one axis (kept as size 1), i32; ties give the first. axis < 0 counts from
 *  the end. No gradient. */
CLG_API clg_tensor *clg_argmax(clg_tensor *x, int axis);

CLG_END_DECLS

#endif /* CLGRAD_OPS_REDUCE_H_ */

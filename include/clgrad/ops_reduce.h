/* Reductions and scans. axes is a bit mask: CLG_AXIS(1)|CLG_AXIS(2), each from 0 (the last is ndim - 1); CLG_ALL is
 * every axis. Reduced axes are kept as size 1 unless all are reduced, which gives a scalar. Sums are made in an order
 * that depends on the shape alone.
 *
 * Of nothing (an axis of size 0), the sum is 0, the product 1, any 0, all 1; the others fail with CLG_ERR_SHAPE.
 * Types: floats, i32 and i64, and the result has the type of x; u8 only in max, min, any and all. mean, var, norm and
 * logsumexp want floats. A NaN among the elements makes the result NaN, in max and min too. */
#ifndef CLGRAD_OPS_REDUCE_H_
#define CLGRAD_OPS_REDUCE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

#define CLG_AXIS(i) (1u << (i))
#define CLG_ALL     (~0u)

CLG_API clg_tensor *clg_sum(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_mean(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_max(clg_tensor *x, unsigned axes); /* ties: the gradient goes to the first in row-major order */
CLG_API clg_tensor *clg_min(clg_tensor *x, unsigned axes); /* as clg_max() */

/** Product. Its gradient is the product of the other elements, without a division: right where elements are 0, and
 *  for derivatives of any order. */
CLG_API clg_tensor *clg_prod(clg_tensor *x, unsigned axes);

/** Index of the largest, smallest element along one axis (kept as size 1), i32; ties give the first, and a NaN counts
 *  as beyond all. axis < 0 counts from the end. No gradient. */
CLG_API clg_tensor *clg_argmax(clg_tensor *x, int axis);
CLG_API clg_tensor *clg_argmin(clg_tensor *x, int axis);

/** Variance: the mean of (x - mean)^2; unbiased: their sum / (n - 1), which needs 2 elements. Made in two passes. */
CLG_API clg_tensor *clg_var(clg_tensor *x, unsigned axes, bool unbiased);

/** The p-norm for p = 1, 2 or INFINITY. Gradients at kinks: 0 where the 2-norm is 0 and where |x| is (one of the
 *  subgradients); the maximum's goes to the first largest |x|. Squares are not scaled, so they may overflow. */
CLG_API clg_tensor *clg_norm(clg_tensor *x, unsigned axes, double p);

/** log of the sum of exp(x), without overflow: the maximum is taken off first. */
CLG_API clg_tensor *clg_logsumexp(clg_tensor *x, unsigned axes);

/** Whether any, all elements are not 0: u8, 1 or 0; NaN is not 0. No gradient. */
CLG_API clg_tensor *clg_any(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_all(clg_tensor *x, unsigned axes);

typedef struct clg_cumsum_params {
    bool exclusive; /* y[i] is the sum before x[i]; default: with x[i] */
    bool reverse;   /* from the end; default: from the start */
} clg_cumsum_params;

#define clg_cumsum_params(...) (&(const clg_cumsum_params){__VA_ARGS__})

/**
 * Cumulative sum along an axis; axis < 0 counts from the end.
 *
 * Shapes: x [...] -> [...]; floats, i32 and i64
 * Grad:   the cumulative sum of gy in the other direction
 */
CLG_API clg_tensor *clg_cumsum(clg_tensor *x, int axis, const clg_cumsum_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_REDUCE_H_ */

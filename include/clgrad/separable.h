/* Linear separability, decided exactly: which labelings of points a linear classifier can learn at all. */
#ifndef CLGRAD_SEPARABLE_H_
#define CLGRAD_SEPARABLE_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/**
 * Is there a hyperplane with all points of one class strictly on one side: (w, b) with y_i (<w, x_i> + b) > 0 for
 * all i? x [n, dim]; y [n]: above 0 is +1, all others are -1 (so 0/1 and -1/+1 both do).
 *
 * The answer is exact for these doubles, also where points coincide, lie on a line, or are apart by the last bit: the
 * linear programme "a point common to the convex hulls of both classes" is solved in integers of any size (simplex by
 * Bland's rule). One of two certificates comes with it (each may be NULL, only the valid one is written):
 *   separable      w [dim + 1], b last: y_i (<w, x_i> + b) >= 1, rounded to doubles;
 *   not separable  hull [n] >= 0, of sum 1 over each class: sum over +1 of hull_i x_i = sum over -1 of hull_i x_i.
 *
 * Meant for experiments, tens of points in a few dimensions: n * (dim + 3) numbers of up to 4096 bits are held.
 * Errors: CLG_ERR_INVALID (NULL, n < 1, dim < 1, a coordinate that is not finite), CLG_ERR_UNSUP if the coordinates of
 * a feature span too many binary digits for this dim, CLG_ERR_NOMEM.
 */
CLG_API CLG_CHECK clg_status clg_separable(const double *x, const int32_t *y, int64_t n, int64_t dim, bool *separable,
                                           double *w, double *hull);

/**
 * Counts the labelings of the n points, of 2^n, that are separable: a linear classifier "shatters" the points if it is
 * 2^n. The VC dimension of linear classifiers in R^dim is dim + 1 (Vapnik & Chervonenkis 1971): of 3 points in the
 * plane all 8, unless they are on a line; of any 4 points at most 14 of 16.
 * Points are labelled one after the other and a labelling that is not separable is not continued, so the time grows
 * with the count. Errors: as clg_separable(); CLG_ERR_INVALID also for n > 62.
 */
CLG_API CLG_CHECK clg_status clg_count_separable(const double *x, int64_t n, int64_t dim, int64_t *count);

/** What clg_count_separable() gives for points in general position: 2 (C(n-1, 0) + ... + C(n-1, dim)) (Cover 1965,
 *  "Geometrical and statistical properties of systems of linear inequalities"). 0 unless 1 <= n <= 62 and dim >= 0. */
CLG_API int64_t clg_cover_count(int64_t n, int64_t dim);

CLG_END_DECLS

#endif /* CLGRAD_SEPARABLE_H_ */

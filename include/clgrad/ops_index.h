/* Operations by tensors of indices, and sorting. */
#ifndef CLGRAD_OPS_INDEX_H_
#define CLGRAD_OPS_INDEX_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/* Indices are i32 or i64 and count from 0. One outside of the axis (below 0 too) reads NaN, or 0 where the type has no
 * NaN, and adds nothing where it would write. An axis below 0 counts from the end. All sums are in the order of the
 * indices: results repeat bit for bit. */

/**
 * Elements of x along an axis by a list of indices, as NumPy's take and torch's index_select: x[:, index] for axis 1.
 *
 * Shapes: x [A..., S, B...], index [K...] -> [A..., K..., B...]; at most 6 axes
 * Grad:   clg_scatter_add(gy, index, axis, S)
 */
CLG_API clg_tensor *clg_gather(clg_tensor *x, clg_tensor *index, int axis);

/**
 * The adjoint of clg_gather(): y[j] is the sum of the x[k] with index[k] = j, along an axis of the result; 0 where
 * there is none. To add to a tensor, clg_add() it.
 *
 * Shapes: x [A..., K..., B...], index [K...] -> [A..., size, B...]
 * Grad:   clg_gather(gy, index, axis), 0 where an index is out of range
 */
CLG_API clg_tensor *clg_scatter_add(clg_tensor *x, clg_tensor *index, int axis, int64_t size);

/**
 * An index for each element: y[..., k, ...] = x[..., index[..., k, ...], ...], as NumPy's take_along_axis and torch's
 * gather.
 *
 * Shapes: x [A..., S, B...], index [A..., K, B...] -> [A..., K, B...]
 * Grad:   clg_scatter_add_along(gy, index, axis, S)
 */
CLG_API clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int axis);

/** The adjoint of clg_gather_along(), torch's scatter_add into zeros: x, index [A..., K, B...] -> [A..., size, B...] */
CLG_API clg_tensor *clg_scatter_add_along(clg_tensor *x, clg_tensor *index, int axis, int64_t size);

/** Rows of a table: table [V, D], index [K...] -> [K..., D]. */
CLG_API clg_tensor *clg_embedding(clg_tensor *table, clg_tensor *index);

/** index [K...] -> [K..., classes] of a type: 1 where the last axis equals the index, else 0; no gradient. An index out
 *  of range gives zeros. */
CLG_API clg_tensor *clg_one_hot(clg_tensor *index, int64_t classes, clg_dtype type);

/**
 * x in order along an axis, and in *index (if not NULL) where each element came from. Stable: equal elements keep their
 * order. NaN counts as larger than all numbers: last when ascending, first when descending.
 *
 * Shapes: x [..., S, ...] -> [..., S, ...], index i32 [..., S, ...]
 * Grad:   each element of gy goes to where its value came from
 */
CLG_API clg_tensor *clg_sort(clg_tensor *x, int axis, bool descending, clg_tensor **index);

/** The k largest (or smallest) along an axis, in order: the first k of clg_sort(x, axis, largest). */
CLG_API clg_tensor *clg_top_k(clg_tensor *x, int axis, int64_t k, bool largest, clg_tensor **index);

CLG_END_DECLS

#endif /* CLGRAD_OPS_INDEX_H_ */

/* Matrix products, and sums of products by labels of axes. */
#ifndef CLGRAD_OPS_LINALG_H_
#define CLGRAD_OPS_LINALG_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/**
 * Matrix product over the last two axes; leading axes are a batch and broadcast.
 *
 * A clg_transpose() of an operand costs nothing: it becomes a flag of the product (so it cannot be what a gradient is
 * taken by: see clg_grad()). Operands are floats of one type.
 *
 * Shapes: a [..., M, K], b [..., K, N] -> [..., M, N]; for a vector see clg_dot(), or make it a row or a column
 * Errors: CLG_ERR_SHAPE if the K's differ, or an operand has less than two axes
 * Grad:   ga = gy b^T, gb = a^T gy
 * Cost:   2 M N K flops
 */
CLG_API clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b);

/** The sum of all products of elements at the same place: the inner product of vectors (Frobenius', of more axes).
 *  Shapes: a [S...], b [S...] -> scalar. Errors: CLG_ERR_SHAPE if the shapes differ. Grad: ga = gy b, gb = gy a. */
CLG_API clg_tensor *clg_dot(clg_tensor *a, clg_tensor *b);

/** Every element of one vector times every element of another: a b^T.
 *  Shapes: a [M], b [N] -> [M, N]. Errors: CLG_ERR_SHAPE if one has not one axis. Grad: ga = gy b, gb = gy^T a. */
CLG_API clg_tensor *clg_outer(clg_tensor *a, clg_tensor *b);

/**
 * A sum of products by labels: in "bij,bjk->bik" each operand names its axes by letters (a-z, A-Z), equal letters are
 * one index, and what the result does not name is summed over.
 *
 * Without "->" the result has the letters that occur once in all operands, in alphabetical order (A-Z before a-z). A
 * letter twice in one operand is its diagonal: "ii->" is the trace. Blanks are ignored. Not possible: "..." (name the
 * axes), broadcasting sizes of 1 under one letter, a letter twice in the result.
 *
 * Computed from left to right, two operands at a time: letters that only one of the two has and nobody needs later are
 * summed first, and the rest is a batched matrix product without copies where the letters stand in a fitting order.
 *
 * Shapes: 1 to 8 operands of one float type; no product in between may need more than 6 letters
 * Errors: CLG_ERR_SHAPE, with equation and shapes
 * Grad:   of each operand by the product rule: the same sum with gy in its place
 * Source: NumPy's einsum
 */
CLG_API clg_tensor *clg_einsum(const char *equation, clg_list operands);

CLG_END_DECLS

#endif /* CLGRAD_OPS_LINALG_H_ */

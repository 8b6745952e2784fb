/* Matrix products. */
#ifndef CLGRAD_OPS_LINALG_H_
#define CLGRAD_OPS_LINALG_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/**
 * Matrix product over the last two axes; leading axes are a batch and broadcast.
 *
 * A clg_transpose() of an operand costs nothing: it becomes a flag of the product.
 *
 * Shapes: a [..., M, K], b [..., K, N] -> [..., M, N]
 * Errors: CLG_ERR_SHAPE if the K's differ.
 * Grad:   ga = gy b^T, gb = a^T gy
 * Cost:   2 M N K flops
 */
CLG_API clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b);

CLG_END_DECLS

#endif /* CLGRAD_OPS_LINALG_H_ */

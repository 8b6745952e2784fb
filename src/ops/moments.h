/* What the elementwise row normalize takes from moments.c. */
#ifndef CLG_OPS_MOMENTS_H_
#define CLG_OPS_MOMENTS_H_

#include "graph/op.h"
#include "plan/emit.h"

/** Gradients of the operands x, mean, scale, shift of y = (x - mean) scale + shift; those of the last three may still
 *  have the shape of y. */
void clg_normalize_grads(clg_node *n, clg_tensor *gy, clg_tensor *gx[4]);

#endif /* CLG_OPS_MOMENTS_H_ */

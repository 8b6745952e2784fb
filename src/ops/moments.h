/* What moments.c gives to the elementwise row normalize, and shares with moments_emit.c. */
#ifndef CLG_OPS_MOMENTS_H_
#define CLG_OPS_MOMENTS_H_

#include "ops/reduce.h"

extern const clg_op clg_op_moments, clg_op_comoments;

/** Gradients of the operands x, mean, scale, shift of y = (x - mean) scale + shift; those of the last three may still
 *  have the shape of y. */
void clg_normalize_grads(clg_node *n, clg_tensor *gy, clg_tensor *gx[4]);

/** Appends the launches of either op; f: the form of x. */
clg_status clg_moments_emit_cpu(clg_emit *e, const clg_node *n, const clg_reduce_form *f);
clg_status clg_moments_emit_gpu(clg_emit *e, const clg_node *n, const clg_reduce_form *f);

#endif /* CLG_OPS_MOMENTS_H_ */

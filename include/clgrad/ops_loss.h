/* Softmax and losses. */
#ifndef CLGRAD_OPS_LOSS_H_
#define CLGRAD_OPS_LOSS_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_softmax(clg_tensor *x, int axis);     /* axis < 0 counts from the end */
CLG_API clg_tensor *clg_log_softmax(clg_tensor *x, int axis);

/**
 * Mean over the batch of -log softmax(logits)[target].
 *
 * Shapes: logits [N, C, ...], target i32 [N, ...] -> scalar. Target -1 is ignored and not counted; other
 *         targets outside 0 .. C-1 give NaN, and so does a batch in which all are ignored.
 */
CLG_API clg_tensor *clg_cross_entropy(clg_tensor *logits, clg_tensor *target);

CLG_END_DECLS

#endif /* CLGRAD_OPS_LOSS_H_ */

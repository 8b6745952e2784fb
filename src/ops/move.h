/* What other ops ask about moved tensors. */
#ifndef CLG_OPS_MOVE_H_
#define CLG_OPS_MOVE_H_

#include "graph/op.h"

/** Whether x is a clg_permute() that swaps the last two axes and nothing else; its operand is x->node->in[0]. */
bool clg_is_transpose(const clg_tensor *x);

#endif /* CLG_OPS_MOVE_H_ */

/* Operations that move elements: shapes, axes, parts. */
#ifndef CLGRAD_OPS_SHAPE_H_
#define CLGRAD_OPS_SHAPE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_reshape(clg_tensor *x, clg_shape shape); /* one size may be -1; moves no data */
CLG_API clg_tensor *clg_flatten(clg_tensor *x, int from_axis);   /* merges axes from_axis.. into one */
CLG_API clg_tensor *clg_permute(clg_tensor *x, const int *order); /* order[i]: which axis of x becomes axis i */
CLG_API clg_tensor *clg_transpose(clg_tensor *x);                 /* swaps the last two axes */
CLG_API clg_tensor *clg_broadcast(clg_tensor *x, clg_shape shape); /* stretches sizes of 1, as NumPy's broadcast_to */

CLG_END_DECLS

#endif /* CLGRAD_OPS_SHAPE_H_ */

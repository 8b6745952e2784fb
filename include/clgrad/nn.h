/* Layers: params + ops, built only from the public API. A layer "fc1" owns the params "fc1.weight" and "fc1.bias";
 * weights start as clg_graph_set_init() says, biases at zero. */
#ifndef CLGRAD_NN_H_
#define CLGRAD_NN_H_

#include <clgrad/ops.h>

CLG_BEGIN_DECLS

/** y = x W^T + b. Shapes: x [..., in], W [out, in], b [out] -> [..., out] */
CLG_API clg_tensor *clg_nn_linear(clg_tensor *x, const char *name, int64_t out);

/** clg_conv() with a square filter. Shapes: x [N, C, H, W], weight [out, C/groups, kernel, kernel], bias [out].
 *  p NULL: stride 1, no padding. */
CLG_API clg_tensor *clg_nn_conv2d(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                  const clg_conv_params *p);

CLG_END_DECLS

#endif /* CLGRAD_NN_H_ */

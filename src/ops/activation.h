/* Derivatives of activations as graph, for their rows: d y / d x at x, itself differentiable, finite for every x. */
#ifndef CLG_OPS_ACTIVATION_H_
#define CLG_OPS_ACTIVATION_H_

#include <clgrad/ops.h>

clg_tensor *clg_hard_swish_slope(clg_tensor *x);
clg_tensor *clg_silu_slope(clg_tensor *x);
clg_tensor *clg_mish_slope(clg_tensor *x);
clg_tensor *clg_gelu_slope(clg_tensor *x);
clg_tensor *clg_gelu_tanh_slope(clg_tensor *x);

#endif /* CLG_OPS_ACTIVATION_H_ */

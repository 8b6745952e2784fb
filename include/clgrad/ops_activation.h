/* Activations. */
#ifndef CLGRAD_OPS_ACTIVATION_H_
#define CLGRAD_OPS_ACTIVATION_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_relu(clg_tensor *x);    /* gradient 0 at 0; keeps NaN */
CLG_API clg_tensor *clg_sigmoid(clg_tensor *x); /* 1 / (1 + exp(-x)) */
CLG_API clg_tensor *clg_tanh(clg_tensor *x);

CLG_END_DECLS

#endif /* CLGRAD_OPS_ACTIVATION_H_ */

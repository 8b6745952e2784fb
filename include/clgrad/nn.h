/* Layers: params + ops, built only from the public API. A layer "fc1" owns the params "fc1.weight" and "fc1.bias";
 * weights start as clg_graph_set_init() says, biases at zero. */
#ifndef CLGRAD_NN_H_
#define CLGRAD_NN_H_

#include <clgrad/ops.h>

CLG_BEGIN_DECLS

/** y = x W^T + b. Shapes: x [..., in], W [out, in], b [out] -> [..., out] */
CLG_API clg_tensor *clg_nn_linear(clg_tensor *x, const char *name, int64_t out);

/** clg_conv() with a filter of equal sides. Shapes: x [N, C, S...] with 1, 2 or 3 axes S, weight [out, C/groups,
 *  kernel...], bias [out]. p NULL: stride 1, no padding. */
CLG_API clg_tensor *clg_nn_conv1d(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                  const clg_conv_params *p);
CLG_API clg_tensor *clg_nn_conv2d(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                  const clg_conv_params *p);
CLG_API clg_tensor *clg_nn_conv3d(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                  const clg_conv_params *p);

/** clg_conv_transpose() with a filter of equal sides, over the 1, 2 or 3 last axes of x. Shapes: x [N, C, S...],
 *  weight [C, out/groups, kernel...], bias [out]. p NULL: stride 1, no padding. */
CLG_API clg_tensor *clg_nn_conv_transpose(clg_tensor *x, const char *name, int64_t out, int64_t kernel,
                                          const clg_conv_transpose_params *p);

/** Rows of a table, "name.weight" f32 [n, dim]. Shapes: indices i32 or i64 [S...] -> [S..., dim] */
CLG_API clg_tensor *clg_nn_embedding(clg_tensor *indices, const char *name, int64_t n, int64_t dim);

/**
 * Normalisation (ops_norm.h) with its parameters: gamma is "name.weight" and starts at 1, beta is "name.bias" and
 * starts at 0; rms_norm has no bias. Batch norm keeps "name.running_mean" (from 0) and "name.running_var" (from 1) in
 * the store: training plans move them, inference plans use them, checkpoints hold them. p NULL: the defaults.
 *
 * Shapes: x [N, C, S...] with params [C]; layer_norm and rms_norm: x [R..., D...] with params [D...], n_dims axes D.
 */
CLG_API clg_tensor *clg_nn_batch_norm(clg_tensor *x, const char *name, const clg_norm_params *p);
CLG_API clg_tensor *clg_nn_instance_norm(clg_tensor *x, const char *name, const clg_norm_params *p);
CLG_API clg_tensor *clg_nn_group_norm(clg_tensor *x, const char *name, int64_t groups, const clg_norm_params *p);
CLG_API clg_tensor *clg_nn_layer_norm(clg_tensor *x, const char *name, int n_dims, const clg_norm_params *p);
CLG_API clg_tensor *clg_nn_rms_norm(clg_tensor *x, const char *name, int n_dims, const clg_norm_params *p);

CLG_END_DECLS

#endif /* CLGRAD_NN_H_ */

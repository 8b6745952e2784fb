/* Pooling over the last 1, 2 or 3 axes of [N, C, ...]: 1-D, 2-D and 3-D by the rank of x. Where a maximum is not
 * unique, the gradient goes to the first in row-major order; NaN wins every maximum. Tensors are floats. */
#ifndef CLGRAD_OPS_POOL_H_
#define CLGRAD_OPS_POOL_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

typedef struct clg_pool_params {
    int64_t kernel[CLG_MAX_SPATIAL];   /* required */
    int64_t stride[CLG_MAX_SPATIAL];   /* default: kernel */
    int64_t pad[CLG_MAX_SPATIAL];      /* default 0; padding never wins a max */
    int64_t pad_end[CLG_MAX_SPATIAL];  /* padding behind each axis, where different: set asymmetric */
    int64_t dilation[CLG_MAX_SPATIAL]; /* default 1; max_pool only: distance of the cells of a window */
    bool    asymmetric;                /* false: pad_end = pad */
    bool    ceil_mode, count_pad;      /* round S' up; padding counts in averages */
} clg_pool_params;

#define clg_pool_params(...) (&(const clg_pool_params){__VA_ARGS__})

/**
 * Maximum, mean, and Euclidean norm of the cells of each window.
 *
 * Padding never wins a maximum. It adds nothing to the sum of an average; with count_pad it counts in the number that
 * the sum is divided by, but cells past the padded input (ceil_mode) never do. l2_pool is sqrt(sum of x^2), the power
 * average of p = 2 without the division (Boureau et al. 2010): padding adds nothing, and its gradient is 0 where all
 * cells of a window are 0.
 *
 * Shapes: x [N, C, S...] -> [N, C, S'...]
 *         S' = (S + pad + pad_end - dilation (kernel - 1) - 1) / stride + 1, rounded down; with ceil_mode up, but the
 *         last window must begin inside the input or the padding before it
 * Errors: CLG_ERR_SHAPE if a window does not fit or would cover padding only, or padding reaches a whole window
 */
CLG_API clg_tensor *clg_max_pool(clg_tensor *x, const clg_pool_params *p);
CLG_API clg_tensor *clg_avg_pool(clg_tensor *x, const clg_pool_params *p);
CLG_API clg_tensor *clg_l2_pool(clg_tensor *x, const clg_pool_params *p);

/**
 * Pooling into out[i] windows along spatial axis i, whatever the size: window o covers cells floor(o S / out) to
 * ceil((o + 1) S / out) - 1. out has one number for each spatial axis.
 *
 * Shapes: x [N, C, S...] -> [N, C, out...]
 */
CLG_API clg_tensor *clg_adaptive_max_pool(clg_tensor *x, const int64_t *out);
CLG_API clg_tensor *clg_adaptive_avg_pool(clg_tensor *x, const int64_t *out);

/** One window over all of each plane. Shapes: x [N, C, S...] -> [N, C, 1...] */
CLG_API clg_tensor *clg_global_max_pool(clg_tensor *x);
CLG_API clg_tensor *clg_global_avg_pool(clg_tensor *x);

CLG_END_DECLS

#endif /* CLGRAD_OPS_POOL_H_ */

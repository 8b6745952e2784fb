/* Convolution. */
#ifndef CLGRAD_OPS_CONV_H_
#define CLGRAD_OPS_CONV_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

typedef struct clg_conv_params {
    int64_t stride[CLG_MAX_SPATIAL];   /* default 1 */
    int64_t dilation[CLG_MAX_SPATIAL]; /* default 1 */
    int64_t pad[CLG_MAX_SPATIAL];      /* zeros added before each axis; default 0 */
    int64_t pad_end[CLG_MAX_SPATIAL];  /* zeros added after, where different: set asymmetric */
    bool    asymmetric;                /* false: pad_end = pad */
    int64_t groups;                    /* default 1; = C for depthwise */
} clg_conv_params;

#define clg_conv_params(...) (&(const clg_conv_params){__VA_ARGS__})

/**
 * Convolution (cross-correlation) over the last 1, 2 or 3 axes: conv1d, conv2d and conv3d by x's rank.
 *
 * Shapes: x [N, C, S...], w [O, C/groups, K...], b [O] or NULL -> [N, O, S'...]
 *         S' = (S + pad + pad_end - dilation (K-1) - 1) / stride + 1, rounded down
 * Errors: CLG_ERR_SHAPE if ranks or channels do not fit, or any S' < 1
 * Grad:   gx = conv_bwd_data(gy, w), gw = conv_bwd_filter(x, gy), gb = sum of gy over N and S'; all deterministic
 * Cost:   2 N O S' (C/groups) K flops
 */
CLG_API clg_tensor *clg_conv(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_CONV_H_ */

/* Convolution. Tensors are floats of one type. */
#ifndef CLGRAD_OPS_CONV_H_
#define CLGRAD_OPS_CONV_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** Where the zeros around the input of a convolution come from. S size of the input, K of the filter along an axis. */
enum clg_pad_mode {
    CLG_PAD_EXPLICIT, /* from pad and pad_end */
    CLG_PAD_VALID,    /* none: S' = (S - dilation (K-1) - 1) / stride + 1, rounded down */
    CLG_PAD_SAME,     /* as few as give S' = S / stride, rounded up; of p zeros p/2 before (rounded up: even filters
                         have the odd one there), p/2 after (rounded down) */
    CLG_PAD_FULL      /* dilation (K-1) on both sides: every overlap; S' = S + dilation (K-1) for stride 1 */
};

typedef struct clg_conv_params {
    int64_t stride[CLG_MAX_SPATIAL];   /* default 1 */
    int64_t dilation[CLG_MAX_SPATIAL]; /* default 1 */
    int64_t pad[CLG_MAX_SPATIAL];      /* zeros added before each axis; default 0 */
    int64_t pad_end[CLG_MAX_SPATIAL];  /* zeros added after, where different: set asymmetric */
    bool    asymmetric;                /* false: pad_end = pad */
    int64_t groups;                    /* default 1; = C for depthwise */
    enum clg_pad_mode mode;            /* default EXPLICIT; the others choose pad and pad_end, which stay unset */
    bool    flip;                      /* true convolution, x * w: the filter is flipped along its spatial axes */
} clg_conv_params;

#define clg_conv_params(...) (&(const clg_conv_params){__VA_ARGS__})

/**
 * Convolution over the last 1, 2 or 3 axes: conv1d, conv2d and conv3d by x's rank. Cross-correlation, as networks have
 * it, unless .flip is set. A filter of one tap with stride 1 and no padding is the product of matrices w x[n].
 *
 * Shapes: x [N, C, S...], w [O, C/groups, K...], b [O] or NULL -> [N, O, S'...]
 *         S' = (S + pad + pad_end - dilation (K-1) - 1) / stride + 1, rounded down
 * Errors: CLG_ERR_SHAPE if ranks or channels do not fit, any S' < 1, or padding is given beside a mode that chooses it
 * Grad:   gx = conv_bwd_data(gy, w), gw = conv_bwd_filter(x, gy), gb = sum of gy over N and S'; all deterministic
 * Cost:   2 N O S' (C/groups) K flops
 * Source: Dumoulin & Visin 2016 (arXiv:1603.07285) for the sizes
 */
CLG_API clg_tensor *clg_conv(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_params *p);

typedef struct clg_conv_transpose_params {
    int64_t stride[CLG_MAX_SPATIAL];   /* default 1 */
    int64_t dilation[CLG_MAX_SPATIAL]; /* default 1 */
    int64_t pad[CLG_MAX_SPATIAL];      /* elements cut off before each axis of the result; default 0 */
    int64_t pad_end[CLG_MAX_SPATIAL];  /* elements cut off after, where different: set asymmetric */
    bool    asymmetric;                /* false: pad_end = pad */
    int64_t out_pad[CLG_MAX_SPATIAL];  /* more elements at the end; below max(stride, dilation); default 0 */
    int64_t groups;                    /* default 1 */
} clg_conv_transpose_params;

#define clg_conv_transpose_params(...) (&(const clg_conv_transpose_params){__VA_ARGS__})

/**
 * Transposed convolution over the last 1, 2 or 3 axes: each element of x adds the filter, scaled by it, to the result;
 * the adjoint of clg_conv() with the same stride, dilation, padding and groups. A stride of s enlarges s times.
 *
 * Shapes: x [N, C, S...], w [C, O/groups, K...], b [O] or NULL -> [N, O, S'...]
 *         S' = (S-1) stride - pad - pad_end + dilation (K-1) + out_pad + 1
 * Errors: CLG_ERR_SHAPE if ranks or channels do not fit, any S' < 1, or out_pad is not below max(stride, dilation)
 * Grad:   gx = conv(gy, w), gw = conv_bwd_filter(gy, x), gb = sum of gy over N and S'; all deterministic
 * Source: Zeiler et al. 2010; Dumoulin & Visin 2016 (arXiv:1603.07285)
 */
CLG_API clg_tensor *clg_conv_transpose(clg_tensor *x, clg_tensor *w, clg_tensor *b,
                                       const clg_conv_transpose_params *p);

typedef struct clg_im2col_params {
    int64_t kernel[CLG_MAX_SPATIAL];   /* sizes of the window; default 1 */
    int64_t stride[CLG_MAX_SPATIAL];   /* default 1 */
    int64_t dilation[CLG_MAX_SPATIAL]; /* default 1 */
    int64_t pad[CLG_MAX_SPATIAL];      /* zeros added before each axis; default 0 */
    int64_t pad_end[CLG_MAX_SPATIAL];  /* zeros added after, where different: set asymmetric */
    bool    asymmetric;                /* false: pad_end = pad */
    enum clg_pad_mode mode;            /* default EXPLICIT */
} clg_im2col_params;

#define clg_im2col_params(...) (&(const clg_im2col_params){__VA_ARGS__})

/**
 * The windows of x as columns of matrices (torch's unfold), so that a convolution becomes a product.
 *
 * Shapes: x [N, C, S...] -> [N, C K, Q], K the product of the window's sizes, Q the number of its places, both in
 *         row-major order; along each axis there are S' places as of clg_conv()
 *         y[n, c K + t, q] = x[n, c, q stride + t dilation - pad], 0 outside of x
 * Errors: CLG_ERR_SHAPE if x has not 1 to 3 spatial axes, any S' < 1, or padding is given beside a mode
 * Grad:   clg_col2im() of gy; deterministic
 * Source: Chellapilla, Puri & Simard 2006
 */
CLG_API clg_tensor *clg_im2col(clg_tensor *x, const clg_im2col_params *p);

/**
 * Adds columns up to images (torch's fold): the adjoint of clg_im2col(), and its inverse where windows tile the image.
 *
 * Shapes: cols [N, C K, Q] -> [N, C, size...]; size: the spatial sizes, 1 to 3 of them
 *         y[n, c, i] = sum over all windows q and places t in them with q stride + t dilation - pad = i
 * Errors: CLG_ERR_SHAPE if clg_im2col() of the result would not have the shape of cols
 * Grad:   clg_im2col() of gy; deterministic
 */
CLG_API clg_tensor *clg_col2im(clg_tensor *cols, clg_shape size, const clg_im2col_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_CONV_H_ */

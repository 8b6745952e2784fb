/* Operations: every one is a row of the op table (clg_op_get_info()); the reference page is made from it.
 *
 * Binary operations broadcast as NumPy does: align the last axes; a size of 1 stretches.
 * axes is a bit mask: CLG_AXIS(1)|CLG_AXIS(2); CLG_ALL is every axis. Reduced axes are kept as size 1
 * unless all are reduced, which gives a scalar. Operands have the same dtype; clg_cast() changes it. */
#ifndef CLGRAD_OPS_H_
#define CLGRAD_OPS_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

#define CLG_AXIS(i) (1u << (i))
#define CLG_ALL     (~0u)

/* --- elementwise, two operands, broadcasting --------------------------------------------- */
CLG_API clg_tensor *clg_add(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_sub(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_mul(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_div(clg_tensor *a, clg_tensor *b);     /* i32: towards zero, 0 where b is 0 */
CLG_API clg_tensor *clg_pow(clg_tensor *a, clg_tensor *b);     /* a^b; d/db needs a > 0 (0 where a is 0) */
CLG_API clg_tensor *clg_maximum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */
CLG_API clg_tensor *clg_minimum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */

/* Comparison: u8, 1 where true, else 0; no gradient. NaN is unequal to everything. */
CLG_API clg_tensor *clg_eq(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ne(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_lt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_le(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_gt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ge(clg_tensor *a, clg_tensor *b);

/** a where cond is not 0, else b. Broadcasts all three; cond is u8 or i32. */
CLG_API clg_tensor *clg_where(clg_tensor *cond, clg_tensor *a, clg_tensor *b);

/* --- elementwise, one operand --------------------------------------------------------------- */
CLG_API clg_tensor *clg_neg(clg_tensor *x);
CLG_API clg_tensor *clg_scale(clg_tensor *x, double factor);
CLG_API clg_tensor *clg_square(clg_tensor *x);
CLG_API clg_tensor *clg_sqrt(clg_tensor *x);
CLG_API clg_tensor *clg_exp(clg_tensor *x);
CLG_API clg_tensor *clg_log(clg_tensor *x);
CLG_API clg_tensor *clg_sin(clg_tensor *x);
CLG_API clg_tensor *clg_cos(clg_tensor *x);
CLG_API clg_tensor *clg_abs(clg_tensor *x);     /* gradient 0 at 0 */
CLG_API clg_tensor *clg_sign(clg_tensor *x);    /* -1, 0, 1; gradient 0 */
CLG_API clg_tensor *clg_relu(clg_tensor *x);    /* gradient 0 at 0; keeps NaN */
CLG_API clg_tensor *clg_sigmoid(clg_tensor *x); /* 1 / (1 + exp(-x)) */
CLG_API clg_tensor *clg_tanh(clg_tensor *x);

/** Converts the type; to an integer, towards zero and kept in its range, NaN to 0. The gradient is cast back; there is
 *  none through integers. */
CLG_API clg_tensor *clg_cast(clg_tensor *x, clg_dtype type);

/* --- reductions ------------------------------------------------------------------------------ */
CLG_API clg_tensor *clg_sum(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_mean(clg_tensor *x, unsigned axes);
CLG_API clg_tensor *clg_max(clg_tensor *x, unsigned axes); /* ties: the gradient goes to the first in row-major order */

/** Index of the largest element along one axis (kept as size 1), i32; ties give the first. axis < 0 counts from
 *  the end. No gradient. */
CLG_API clg_tensor *clg_argmax(clg_tensor *x, int axis);

/* --- shape ------------------------------------------------------------------------------------ */
CLG_API clg_tensor *clg_reshape(clg_tensor *x, clg_shape shape); /* one size may be -1; moves no data */
CLG_API clg_tensor *clg_flatten(clg_tensor *x, int from_axis);   /* merges axes from_axis.. into one */
CLG_API clg_tensor *clg_permute(clg_tensor *x, const int *order); /* order[i]: which axis of x becomes axis i */
CLG_API clg_tensor *clg_transpose(clg_tensor *x);                 /* swaps the last two axes */
CLG_API clg_tensor *clg_broadcast(clg_tensor *x, clg_shape shape); /* stretches sizes of 1, as NumPy's broadcast_to */

/* --- linear algebra ------------------------------------------------------------------------- */
/**
 * Matrix product over the last two axes; leading axes are a batch and broadcast.
 *
 * A clg_transpose() of an operand costs nothing: it becomes a flag of the product.
 *
 * Shapes: a [..., M, K], b [..., K, N] -> [..., M, N]
 * Errors: CLG_ERR_SHAPE if the K's differ.
 * Grad:   ga = gy b^T, gb = a^T gy
 * Cost:   2 M N K flops
 */
CLG_API clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b);

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

/* --- pooling, softmax, loss, dropout -------------------------------------------------------- */

typedef struct clg_pool_params {
    int64_t kernel[CLG_MAX_SPATIAL];   /* required */
    int64_t stride[CLG_MAX_SPATIAL];   /* default: kernel */
    int64_t pad[CLG_MAX_SPATIAL];      /* default 0; padding never wins a max */
    bool    ceil_mode, count_pad;      /* round S' up; padding counts in averages */
} clg_pool_params;

#define clg_pool_params(...) (&(const clg_pool_params){__VA_ARGS__})

CLG_API clg_tensor *clg_max_pool(clg_tensor *x, const clg_pool_params *p); /* ties: first in row-major order */
CLG_API clg_tensor *clg_avg_pool(clg_tensor *x, const clg_pool_params *p);

CLG_API clg_tensor *clg_softmax(clg_tensor *x, int axis);     /* axis < 0 counts from the end */
CLG_API clg_tensor *clg_log_softmax(clg_tensor *x, int axis);

/**
 * Mean over the batch of -log softmax(logits)[target].
 *
 * Shapes: logits [N, C, ...], target i32 [N, ...] -> scalar. Target -1 is ignored and not counted; other
 *         targets outside 0 .. C-1 give NaN, and so does a batch in which all are ignored.
 */
CLG_API clg_tensor *clg_cross_entropy(clg_tensor *logits, clg_tensor *target);

/** Zeroes each element with probability p and scales the rest by 1/(1-p); identity in inference plans.
 *  Philox 4x32-10 on (store seed, node, step, index): the same mask on every device. Source: Salmon et al. 2011. */
CLG_API clg_tensor *clg_dropout(clg_tensor *x, double p);

/* --- the op table --------------------------------------------------------------------------- */

/** A row of the op table. Strings are static. */
typedef struct clg_op_info {
    const char *name;        /* "conv" */
    const char *formula;     /* one line of plain text: "y[n,o,s] = sum ..." */
    const char *gradient;    /* one line of plain text; "" if there is none */
    int  min_in, max_in, n_out;
    bool elementwise, effect, differentiable;
} clg_op_info;

CLG_API int clg_op_count(void);
CLG_API CLG_CHECK clg_status clg_op_get_info(int i, clg_op_info *info);

/** Name of implementation k of op i ("conv.direct_gpu"), NULL past the last. Element-wise ops share those of the
 *  fused kernel generator. */
CLG_API const char *clg_op_impl(int i, int k);

CLG_END_DECLS

#endif /* CLGRAD_OPS_H_ */

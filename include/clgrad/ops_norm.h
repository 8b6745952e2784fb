/* Normalisation. Variances are those of the population (divided by n), computed about the mean in a second pass. gamma
 * and beta, where a call takes them, may be NULL: 1 and 0. Parameters and statistics have the type of x, or f32 where
 * that is f16 or bf16. A group of one element has variance 0, and so becomes beta. */
#ifndef CLGRAD_OPS_NORM_H_
#define CLGRAD_OPS_NORM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

typedef struct clg_norm_params {
    double eps;      /* added to the variance; default 1e-5 */
    double momentum; /* batch_norm: the share of the new batch in the running statistics; default 0.1 */
    bool   frozen;   /* batch_norm: normalise by the running statistics in every plan, and leave them as they are */
} clg_norm_params;

#define clg_norm_params(...) (&(const clg_norm_params){__VA_ARGS__})

/**
 * y = (x - mean) / sqrt(var + eps) gamma + beta, with a mean and a variance for each channel.
 *
 * Training plans take them from the batch (over N and S), and each run moves the running statistics by itself:
 * new = (1 - momentum) old + momentum batch, where the variance of the batch is divided by n - 1 (by 1 if n is 1, which
 * PyTorch refuses). Plans compiled with .inference take the running statistics, compute none, and change nothing.
 * Running statistics are clg_state()s, or both NULL: then every plan takes those of the batch. Gradients follow the
 * statistics that a plan takes. One plan can move a pair of running statistics once.
 *
 * Shapes: x [N, C, S...], all others [C] -> [N, C, S...]
 * Errors: CLG_ERR_SHAPE
 * Source: Ioffe & Szegedy 2015
 */
CLG_API clg_tensor *clg_batch_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, clg_tensor *running_mean,
                                   clg_tensor *running_var, const clg_norm_params *p);

/** Normalises over the last n_dims axes. Shapes: x [R..., D...], gamma, beta [D...]. Source: Ba et al. 2016 */
CLG_API clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int n_dims,
                                   const clg_norm_params *p);

/** y = x / sqrt(mean of x^2 + eps) gamma over the last n_dims axes. Source: Zhang & Sennrich 2019 */
CLG_API clg_tensor *clg_rms_norm(clg_tensor *x, clg_tensor *gamma, int n_dims, const clg_norm_params *p);

/** Normalises each channel of each example. Shapes: x [N, C, S...], gamma, beta [C]. Source: Ulyanov et al. 2016 */
CLG_API clg_tensor *clg_instance_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_params *p);

/** Normalises `groups` groups of neighbouring channels of each example. Shapes: x [N, C, S...], gamma, beta [C], C a
 *  multiple of groups. Source: Wu & He 2018 */
CLG_API clg_tensor *clg_group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int64_t groups,
                                   const clg_norm_params *p);

typedef struct clg_lrn_params {
    int64_t size;          /* channels of a window; required */
    double  alpha, beta, k; /* default 1e-4, 0.75, 1 */
} clg_lrn_params;

#define clg_lrn_params(...) (&(const clg_lrn_params){__VA_ARGS__})

/**
 * Local response normalisation: y[n,c] = x[n,c] / (k + alpha / size sum of x[n,d]^2)^beta over the channels d from
 * c - size / 2 to c + (size - 1) / 2 that exist (as in PyTorch).
 *
 * Shapes: x [N, C, S...]. Source: Krizhevsky et al. 2012
 */
CLG_API clg_tensor *clg_lrn(clg_tensor *x, const clg_lrn_params *p);

/** Mean and variance of x over axes (a bit mask, as in ops_reduce.h; shapes as there). Both NULL on failure. */
CLG_API void clg_moments(clg_tensor *x, unsigned axes, clg_tensor **mean, clg_tensor **var);

/** s = sum of u over axes, and t = sum of u (x - mean): what the gradient of a normalisation is made of, in one sweep.
 *  Shapes: x as u; mean, s and t as clg_moments() gives them. All floats of one type. Both NULL on failure. */
CLG_API void clg_comoments(clg_tensor *u, clg_tensor *x, clg_tensor *mean, unsigned axes, clg_tensor **s,
                           clg_tensor **t);

/** y = (x - mean) scale + shift, elementwise; operands broadcast as in ops_elementwise.h. */
CLG_API clg_tensor *clg_normalize(clg_tensor *x, clg_tensor *mean, clg_tensor *scale, clg_tensor *shift);

CLG_END_DECLS

#endif /* CLGRAD_OPS_NORM_H_ */

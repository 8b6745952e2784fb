/* What the rows of normalisation share (norm.c, batch_norm.c). */
#ifndef CLG_OPS_NORM_H_
#define CLG_OPS_NORM_H_

#include "ops/wide.h"

typedef struct clg_norm_attr {
    double  eps;
    int64_t n; /* layer_norm, rms_norm: axes; group_norm: groups; else 0 */
} clg_norm_attr;

/** eps of the params; NULL and 0 are the default. */
double clg_norm_eps(const clg_norm_params *p);

/** Checks eps, and that x is of a float type. */
clg_status clg_norm_check(const clg_node *n);

/** Checks that input i, called `what`, is there in this shape and of a type that fits x. */
clg_status clg_norm_check_param(const clg_node *n, int i, const char *what, clg_shape shape);

/** Inputs first .. first + 1 are gamma and beta in out[], widened and in shape; NULL: none. gamma is made up if only
 *  beta is given, by who builds the node. */
clg_tensor *clg_norm_affine(const clg_node *n, clg_tensor *y, int first, clg_shape shape);

/** [C] as [1, C, 1, ...] of ndim axes, which broadcasts against [N, C, S...]. */
clg_shape clg_norm_channels(int64_t channels, int ndim);

/** 1 / sqrt(var + eps) */
clg_tensor *clg_norm_rstd(clg_tensor *var, double eps);

/** 1 in the shape and type of beta, for a gamma left out where beta is given; else gamma. */
clg_tensor *clg_norm_gamma(clg_tensor *gamma, const clg_tensor *beta);

#endif /* CLG_OPS_NORM_H_ */

/* Activations: of floats; relu, relu6, unit_step, threshold and hard_tanh also of integers. All but unit_step keep NaN,
 * all have their limits at infinite x. What a gradient is where y has a kink stands beside it. */
#ifndef CLGRAD_OPS_ACTIVATION_H_
#define CLGRAD_OPS_ACTIVATION_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_relu(clg_tensor *x);     /* max(x, 0); gradient 0 at 0 */
CLG_API clg_tensor *clg_relu6(clg_tensor *x);    /* min(max(x, 0), 6); gradient 0 at 0 and 6 */
CLG_API clg_tensor *clg_unit_step(clg_tensor *x); /* the perceptron's: 1 where x > 0, else 0 (of NaN too); gradient 0 */
CLG_API clg_tensor *clg_sigmoid(clg_tensor *x);  /* 1 / (1 + exp(-x)) */
CLG_API clg_tensor *clg_log_sigmoid(clg_tensor *x); /* -log(1 + exp(-x)) */
CLG_API clg_tensor *clg_tanh(clg_tensor *x);
CLG_API clg_tensor *clg_softsign(clg_tensor *x); /* x / (1 + |x|). Bergstra et al. 2009 */

/** x where x > 0, else slope x. Gradient at 0: slope. Source: Maas et al. 2013. */
CLG_API clg_tensor *clg_leaky_relu(clg_tensor *x, double slope);

/** Leaky relu with slopes that are learned: alpha is one number ([] or [1]) or one for each channel, [C] for
 *  x [N,C,S...]. Gradient at 0: alpha for x, 0 for alpha. Source: He et al. 2015, arXiv 1502.01852. */
CLG_API clg_tensor *clg_prelu(clg_tensor *x, clg_tensor *alpha);

/** x where x > 0, else alpha (exp(x) - 1). Gradient at 0: alpha. Source: Clevert et al. 2016, arXiv 1511.07289. */
CLG_API clg_tensor *clg_elu(clg_tensor *x, double alpha);

/** 1.0507 elu(x) with alpha = 1.6733. Source: Klambauer et al. 2017, arXiv 1706.02515. */
CLG_API clg_tensor *clg_selu(clg_tensor *x);

/** log(1 + exp(beta x)) / beta; without overflow, and without loss of digits at large -x. beta > 0; 1 is usual.
 *  Source: Dugas et al. 2001. */
CLG_API clg_tensor *clg_softplus(clg_tensor *x, double beta);

/** x Phi(x), Phi the distribution function of N(0, 1); gelu_tanh is its approximation
 *  x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. Source: Hendrycks & Gimpel 2016, arXiv 1606.08415. */
CLG_API clg_tensor *clg_gelu(clg_tensor *x);
CLG_API clg_tensor *clg_gelu_tanh(clg_tensor *x);

CLG_API clg_tensor *clg_silu(clg_tensor *x); /* x sigmoid(x), also called swish. Ramachandran et al. 2017, 1710.05941 */
CLG_API clg_tensor *clg_mish(clg_tensor *x); /* x tanh(softplus(x)). Misra 2019, arXiv 1908.08681 */

/** min(max(x + 3, 0), 6) / 6, and x times that. Gradient at -3: 0; at 3: 0 and 1. Source: Howard et al. 2019,
 *  arXiv 1905.02244. */
CLG_API clg_tensor *clg_hard_sigmoid(clg_tensor *x);
CLG_API clg_tensor *clg_hard_swish(clg_tensor *x);

/** x between lo and hi; -1 and 1 are usual. Gradient 0 at both: that is the difference to clg_clamp(). */
CLG_API clg_tensor *clg_hard_tanh(clg_tensor *x, double lo, double hi);

/** x where x > t, else value. Gradient 0 at t. */
CLG_API clg_tensor *clg_threshold(clg_tensor *x, double t, double value);

CLG_END_DECLS

#endif /* CLGRAD_OPS_ACTIVATION_H_ */

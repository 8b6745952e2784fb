/* Optimisers are graph builders too: a training step is a target of a plan like any other. */
#ifndef CLGRAD_OPTIM_H_
#define CLGRAD_OPTIM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

typedef struct clg_optim_params {
    double lr;                /* default 0.01 (SGD, RMSprop, Adagrad), 0.001 (Adam). It is the f32 state "optim.lr":
                                 clg_store_write() a float there for schedules */
    double momentum;          /* SGD, RMSprop; default 0 */
    bool   nesterov;          /* SGD: look ahead along the momentum */
    double beta1, beta2;      /* Adam; defaults 0.9, 0.999 */
    double alpha;             /* RMSprop: smoothing of the squares; default 0.99 */
    double eps;               /* Adam, RMSprop: default 1e-8; Adagrad: 1e-10 */
    double weight_decay;      /* decoupled: w <- (1 - lr weight_decay) w - ...; default 0 */
    bool   decay_all;         /* false: params of one axis or none (biases, scales) are exempt from decay */
} clg_optim_params;

#define clg_optim_params(...) (&(const clg_optim_params){__VA_ARGS__})

/**
 * An effect that moves every trainable param the loss depends on one step downhill. Slots live in the store under
 * "optim.<param>.momentum" (SGD, RMSprop), ".m" and ".v" (Adam), ".v" (RMSprop, Adagrad); "optim.step" (i32) counts
 * the steps. Slots have the type of their param, f32 for f16 and bf16; the step is computed in that type.
 *
 * SGD:  v <- momentum v + g;  w <- (1 - lr wd) w - lr v, or with nesterov: - lr (g + momentum v)
 * Adam: m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;
 *       w <- (1 - lr wd) w - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
 * RMSprop: v <- alpha v + (1-alpha) g^2;  d = g / (sqrt(v) + eps), with momentum b <- momentum b + d, d = b
 *       w <- (1 - lr wd) w - lr d
 * Adagrad: v <- v + g^2;  w <- (1 - lr wd) w - lr g / (sqrt(v) + eps)
 * Errors: CLG_ERR_SHAPE if the loss is no scalar; CLG_ERR_INVALID if it depends on no param or a field is out of range.
 * Source: Sutskever et al. 2013 (momentum, Nesterov); Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019,
 *         arXiv:1711.05101 for the decoupled decay; Tieleman & Hinton 2012 (RMSprop); Duchi et al. 2011 (Adagrad).
 */
CLG_API clg_tensor *clg_sgd(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_adam(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_rmsprop(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_adagrad(clg_tensor *loss, const clg_optim_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPTIM_H_ */

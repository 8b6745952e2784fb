/* Training rules: optimisers, which are graph builders too, so that a training step is a target of a plan like any
 * other; and schedules of the learning rate, which are plain functions of the step. */
#ifndef CLGRAD_OPTIM_H_
#define CLGRAD_OPTIM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** Params are decayed, penalised and projected if they have two axes or more, or if decay_all is set: biases and
 *  scales, which have one axis or none, do not make a function more complex, and are left free. */
typedef struct clg_optim_params {
    double lr;                /* default clg_optimizer_default_lr(). It is the f32 state "optim.lr": clg_store_write() a
                                 float there for schedules */
    double momentum;          /* SGD, RMSprop; default 0 */
    bool   nesterov;          /* SGD: look ahead along the momentum */
    double beta1, beta2;      /* Adam; defaults 0.9, 0.999 */
    double alpha;             /* RMSprop: smoothing of the squares; default 0.99 */
    double eps;               /* Adam, RMSprop: default 1e-8; Adagrad: 1e-10 */
    double weight_decay;      /* decoupled: w <- (1 - lr weight_decay) w - ...; default 0 */
    bool   decay_all;         /* false: params of one axis or none (biases, scales) are exempt from weight_decay, l2 and
                                 max_norm2 */
    double clip_norm;         /* the L2 norm of all gradients together is at most this; default: not clipped */
    double clip_value;        /* each element of the gradients is within +-this; default: not clipped */
    double l2;                /* the penalty l2/2 |w|^2 is added to what is minimised: g <- g + l2 w; default 0 */
    double max_norm2;         /* theta: |w|^2 <= theta holds for each weight tensor after each step; default: free */
    int64_t accumulate;       /* k: the step is taken in each k-th run, with the mean of the gradients of k runs;
                                 default 1. Below 2^31 */
} clg_optim_params;

#define clg_optim_params(...) (&(const clg_optim_params){__VA_ARGS__})

/**
 * An effect that moves every trainable param the loss depends on one step downhill. Slots live in the store under
 * "optim.<param>.momentum" (SGD, RMSprop), ".m" and ".v" (Adam), ".v" (RMSprop, Adagrad); "optim.step" (i32) counts
 * the steps. Slots have the type of their param, f32 for f16 and bf16; the step is computed in that type.
 *
 * The gradient g of a param is made in this order, each line only if its field is given:
 *   accumulate  s <- s + g in each run, in the slot "optim.<param>.sum"; "optim.batch" (i32) counts to k.
 *               In the k-th run g <- s / k, the step is taken, and both begin again at 0. In the other runs the params,
 *               the other slots and "optim.step" stay. If the k batches are equally large and the loss is a mean, s / k
 *               is the gradient of the batch of them all, up to the rounding of sums made in another order: the same
 *               bits where the sums are exact. The host does nothing: one plan, which needs the memory of one small
 *               batch, is run for each of them. Runs that take no step still read and write the params.
 *   l2          g <- g + l2 w
 *   clip_value  g <- min(max(g, -c), c), element by element
 *   clip_norm   g <- g c / max(c, |g|), with |g| the norm over the elements of all params: the direction stays
 * and the step, to which
 *   max_norm2   adds w <- w sqrt(theta / max(theta, |w|^2)): the nearest point of the ball |w|^2 <= theta.
 * A gradient within its bounds keeps its bits. |g|^2 is a sum of squares in f32 (f64 if a param is): beyond |g| = 1e19
 * it overflows, and the clipped gradient is 0. A NaN stays NaN.
 *
 * SGD:  v <- momentum v + g;  w <- (1 - lr wd) w - lr v, or with nesterov: - lr (g + momentum v)
 * Adam: m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;
 *       w <- (1 - lr wd) w - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
 * RMSprop: v <- alpha v + (1-alpha) g^2;  d = g / (sqrt(v) + eps), with momentum b <- momentum b + d, d = b
 *       w <- (1 - lr wd) w - lr d
 * Adagrad: v <- v + g^2;  w <- (1 - lr wd) w - lr g / (sqrt(v) + eps)
 *
 * weight_decay and l2 of the same number are the same step for SGD without momentum, and for no other: the penalty's
 * gradient runs through the momentum and is divided by sqrt(v), the decay is not. What torch.optim.Adam calls
 * weight_decay is l2.
 * Errors: CLG_ERR_SHAPE if the loss is no scalar; CLG_ERR_INVALID if it depends on no param or a field is out of range.
 * Source: Sutskever et al. 2013 (momentum, Nesterov); Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019,
 *         arXiv:1711.05101 for the decoupled decay; Tieleman & Hinton 2012 (RMSprop); Duchi et al. 2011 (Adagrad);
 *         Pascanu et al. 2013, arXiv:1211.5063 (clipping by norm); Srivastava et al. 2014 (max-norm, there for the
 *         weights of each unit).
 */
CLG_API clg_tensor *clg_sgd(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_adam(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_rmsprop(clg_tensor *loss, const clg_optim_params *p);
CLG_API clg_tensor *clg_adagrad(clg_tensor *loss, const clg_optim_params *p);

/**
 * The same by name; p NULL is all defaults.
 *   "sgd"       clg_sgd()                          "adagrad"  clg_adagrad()
 *   "momentum"  clg_sgd(), momentum default 0.9    "rmsprop"  clg_rmsprop()
 *   "nesterov"  the same, looking ahead            "adam"     clg_adam()
 *                                                  "adamw"    clg_adam(), weight_decay default 0.01
 * Errors: also CLG_ERR_INVALID for an unknown name; the message lists the known ones.
 */
CLG_API clg_tensor *clg_optimizer(const char *name, clg_tensor *loss, const clg_optim_params *p);

/**
 * The same step by gradients that are given, as those that several devices have computed together: grads.t[i] belongs
 * to params.t[i] and has its shape. Everything else (accumulation, penalties, clipping, decay, slots, "optim.lr") is as
 * in clg_optimizer(): the gradients of clg_grad() give the same bits.
 * Errors: CLG_ERR_INVALID as above, if the lists are empty or of different length, or tensors are of several graphs, or
 *         one is no param; CLG_ERR_SHAPE if a gradient has another shape than its param.
 */
CLG_API clg_tensor *clg_optimizer_apply(const char *name, clg_list params, clg_list grads, const clg_optim_params *p);

/** The names in that order, i from 0; NULL behind the last one. */
CLG_API const char *clg_optimizer_name(int i);

/** The learning rate when lr is 0: 0.001 for adam and adamw, else 0.01; 0 for an unknown name (clg_error() says so). */
CLG_API double clg_optimizer_default_lr(const char *name);

/* --- schedules --- */

enum clg_lr_kind {
    CLG_LR_CONSTANT,
    CLG_LR_STEP,      /* times gamma after every `every` steps */
    CLG_LR_COSINE,    /* half a period of a cosine from 1 down to floor */
    CLG_LR_ONE_CYCLE, /* up from start to 1 at the fraction `peak` of the steps, then down to floor */
    CLG_LR_PLATEAU    /* times gamma when the validation loss has stopped falling: clg_plateau */
};

/** How the learning rate changes while training. Zero in a field is its default; {0} is a constant rate. */
typedef struct clg_schedule {
    enum clg_lr_kind kind;
    int64_t warmup;   /* steps in which the rate rises linearly from near 0; default none */
    int64_t every;    /* STEP: steps between drops; default a third of all steps, rounded up */
    double  gamma;    /* STEP, PLATEAU: what a drop multiplies by, at most 1; default 0.1 */
    double  floor;    /* COSINE, ONE_CYCLE: the factor at the end, PLATEAU: the least one; at most 1; default 0, for
                         ONE_CYCLE start / 10000 */
    double  peak;     /* ONE_CYCLE: the fraction of the steps at which the rate is largest, below 1; default 0.3 */
    double  start;    /* ONE_CYCLE: the factor at first, at most 1; default 1/25 */
    int64_t patience; /* PLATEAU: validations without a better loss before a drop; default 5 */
    double  better;   /* PLATEAU: how much lower a loss must be to count as better; default 0: at all */
} clg_schedule;

#define clg_schedule(...) (&(const clg_schedule){__VA_ARGS__})

/** Errors: CLG_ERR_INVALID for NULL, and naming the first field that is out of range. */
CLG_API CLG_CHECK clg_status clg_schedule_check(const clg_schedule *s);

/**
 * What the base rate is multiplied by in a step, counted from 0, of `steps` in all; a function of its arguments alone,
 * so that a resumed run goes on as if never interrupted. s must pass clg_schedule_check().
 *
 * The factor is ramp f: ramp = min(1, (step + 1) / (warmup + 1)), and with t = step - warmup (at least 0) of
 * T = steps - warmup
 *   CONSTANT, PLATEAU  f = 1
 *   STEP               f = gamma^floor(step / every)
 *   COSINE             f = floor + (1 - floor) (1 + cos(pi t / T)) / 2, and floor from step `steps` on
 *   ONE_CYCLE          f = start + (1 - start) (1 - cos(pi t / U)) / 2 for t < U = peak (T - 1), then
 *                      f = floor + (1 - floor) (1 + cos(pi (t - U) / (T - 1 - U))) / 2, which ends with t = T - 1
 * Source: Goyal et al. 2017, arXiv:1706.02677 (warm-up); Loshchilov & Hutter 2017, arXiv:1608.03983 (cosine); Smith
 *         2018, arXiv:1803.09820 (one cycle; there piecewise linear, and the momentum moves the other way).
 */
CLG_API double clg_schedule_factor(const clg_schedule *s, int64_t step, int64_t steps);

/** What a plateau has seen; {0} before the first validation. Plain data: save it to go on later. */
typedef struct clg_plateau {
    double  best;   /* the best loss so far */
    double  factor; /* of the rate from now on; 0 before the first validation, which means 1 */
    int64_t seen;   /* validations so far */
    int64_t bad;    /* since the best, or since the last drop */
} clg_plateau;

/** Takes in a validation loss: after `patience` losses in a row none of which was below best - better, the factor is
 *  multiplied by gamma, but not below floor, and counting begins again. A loss that is not finite is never better.
 *  Returns the factor. */
CLG_API double clg_plateau_update(clg_plateau *p, const clg_schedule *s, double loss);

CLG_END_DECLS

#endif /* CLGRAD_OPTIM_H_ */

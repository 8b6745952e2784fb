/* Softmax and losses. All losses are differentiable any number of times; at kinks each names its subgradient. */
#ifndef CLGRAD_OPS_LOSS_H_
#define CLGRAD_OPS_LOSS_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_softmax(clg_tensor *x, int axis);     /* axis < 0 counts from the end */
CLG_API clg_tensor *clg_log_softmax(clg_tensor *x, int axis);

/** What becomes of the loss of each element or position. BATCH_MEAN, for losses of elements only: the sum divided by
 *  the size of axis 0. */
enum clg_reduction { CLG_REDUCE_MEAN, CLG_REDUCE_SUM, CLG_REDUCE_NONE, CLG_REDUCE_BATCH_MEAN };

/* --- classes --- */

/**
 * Mean over the batch of -log softmax(logits)[target].
 *
 * Shapes: logits [N, C, ...], target i32 or i64 [N, ...] -> scalar. Target -1 is ignored and not counted; other
 *         targets outside 0 .. C-1 give NaN, and so does a batch in which all are ignored.
 */
CLG_API clg_tensor *clg_cross_entropy(clg_tensor *logits, clg_tensor *target);

typedef struct clg_cross_entropy_params {
    enum clg_reduction reduction; /* default: mean */
    double  label_smoothing;      /* e in 0 .. 1: of the target's weight, e is spread over all classes; default 0 */
    bool    has_ignore;           /* ignore_index counts; default: -1 is ignored */
    int64_t ignore_index;         /* integer targets of this number are ignored; may be that of a class */
} clg_cross_entropy_params;

#define clg_cross_entropy_params(...) (&(const clg_cross_entropy_params){__VA_ARGS__})

/**
 * Cross-entropy of softmax(logits) with integer targets or with soft ones, which are probabilities of the classes.
 *
 *   l[n] = -sum over c of weight[c] q[n,c] log softmax(logits)[n,c]
 *   q    = (1 - e) [c = target] + e / C, soft: (1 - e) target + e / C      e: label_smoothing (Szegedy et al. 2016)
 *
 * The mean of integer targets is sum of l / sum of weight[target], both over the positions that are not ignored; that
 * of soft ones is sum of l / number of positions. These are the conventions of torch.nn.CrossEntropyLoss.
 *
 * Shapes: logits [N, C, ...]; target i32 or i64 [N, ...], or as the logits (soft); weight [C] or NULL (ones)
 *         -> scalar, or with CLG_REDUCE_NONE [N, ...], 0 where ignored
 * Errors: CLG_ERR_SHAPE for shapes, types or params outside their range. Integer targets outside 0 .. C-1 that are not
 *         ignored give NaN, and so does a mean of no positions, or of such whose weights are all 0.
 * Grad:   to the logits, soft targets and weights
 */
CLG_API clg_tensor *clg_cross_entropy_with(clg_tensor *logits, clg_tensor *target, clg_tensor *weight,
                                           const clg_cross_entropy_params *p);

typedef struct clg_nll_params {
    enum clg_reduction reduction; /* default: mean */
    bool    has_ignore;           /* as in clg_cross_entropy_params */
    int64_t ignore_index;
} clg_nll_params;

#define clg_nll_params(...) (&(const clg_nll_params){__VA_ARGS__})

/** -weight[target] log_p[target] for log-probabilities, as of clg_log_softmax(x, 1): clg_cross_entropy_with() without
 *  the softmax, for integer targets. */
CLG_API clg_tensor *clg_nll(clg_tensor *log_p, clg_tensor *target, clg_tensor *weight, const clg_nll_params *p);

/* --- elements --- */

/* Operands of the losses below are floats of one type and one shape, which is that of the result with CLG_REDUCE_NONE;
 * else it is a scalar. A mean of no elements fails with CLG_ERR_SHAPE. Gradients go to all operands. */

typedef struct clg_loss_params {
    enum clg_reduction reduction; /* default: mean over all elements */
} clg_loss_params;

#define clg_loss_params(...) (&(const clg_loss_params){__VA_ARGS__})

/** Squared error (x - y)^2. */
CLG_API clg_tensor *clg_mse(clg_tensor *x, clg_tensor *y, const clg_loss_params *p);

/** Absolute error |x - y|; gradient 0 where they are equal. */
CLG_API clg_tensor *clg_l1(clg_tensor *x, clg_tensor *y, const clg_loss_params *p);

/** With d = |x - y|: d^2 / 2 where d <= delta, else delta (d - delta / 2); delta > 0. Divided by delta it is the
 *  smooth L1 loss with beta = delta. Source: Huber 1964. */
CLG_API clg_tensor *clg_huber(clg_tensor *x, clg_tensor *y, double delta, const clg_loss_params *p);

/** Binary cross-entropy from logits: -w y log s - (1 - y) log(1 - s) with s = sigmoid(x), without overflow, for y in
 *  0 .. 1. pos_weight is w, broadcast to x's shape; NULL: 1. */
CLG_API clg_tensor *clg_bce_logits(clg_tensor *x, clg_tensor *y, clg_tensor *pos_weight, const clg_loss_params *p);

/** max(0, 1 - y s) for scores s and labels y in {-1, 1}; gradient 0 where y s = 1. */
CLG_API clg_tensor *clg_hinge(clg_tensor *s, clg_tensor *y, const clg_loss_params *p);

/** max(0, -y s) for scores s = <w, x> and labels y in {-1, 1}; gradient 0 where y s = 0, so weights of 0 stay.
 *  Source: Rosenblatt 1958. */
CLG_API clg_tensor *clg_perceptron_loss(clg_tensor *s, clg_tensor *y, const clg_loss_params *p);

/** Kullback-Leibler divergence p (log p - log_q) of log-probabilities log_q from probabilities p. Where p is 0 the
 *  loss is 0, and so are its gradients. CLG_REDUCE_BATCH_MEAN is the divergence as defined, averaged over axis 0. */
CLG_API clg_tensor *clg_kl_div(clg_tensor *log_q, clg_tensor *p, const clg_loss_params *params);

CLG_END_DECLS

#endif /* CLGRAD_OPS_LOSS_H_ */

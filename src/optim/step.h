/* What all optimisers share: the params of a loss, or those that were given, with their gradients, learning rate, step
 * counter, decay, slots. An optimiser adds its effects to a step and ends it with clg_step_end(). */
#ifndef CLG_OPTIM_STEP_H_
#define CLG_OPTIM_STEP_H_

#include <clgrad/optim.h>
#include <clgrad/ops.h>

/** What a step goes down: a loss, whose params and gradients the graph knows; or params with gradients that the caller
 *  has (loss NULL). */
typedef struct clg_descent {
    clg_tensor *loss;
    clg_list    params, grads;
} clg_descent;

typedef struct clg_step {
    clg_graph   *graph;
    const char  *name;       /* of the optimiser, for messages */
    clg_optim_params o;      /* lr is set */
    clg_tensor  *loss;       /* NULL: gradients were given */
    clg_tensor  *lr;         /* the state "optim.lr", f32 scalar */
    clg_tensor  *t;          /* number of this step, from 1: a scalar of `type` */
    clg_tensor  *due;        /* u8 scalar: this run takes the step; NULL: each run does */
    clg_dtype    type;       /* of what concerns all params: f64 if a param is, else f32 */
    clg_tensor **param;      /* n trainable params */
    clg_tensor **grad;       /* what their step goes by, in the type of their step */
    clg_tensor **effect;     /* what happens at the end of the run */
    int          n, n_effects, cap_effects;
    clg_device  *pin;        /* where the graph placed its nodes before */
} clg_step;

/** Starts a step of an optimiser (one of clg_optimizer_name(), whose default rate counts) with at most `slots` slots a
 *  param. false: the graph has the error. */
bool clg_step_begin(clg_step *s, const char *name, const clg_descent *d, const clg_optim_params *p, int slots);

/** The optimisers over either. */
clg_tensor *clg_sgd_by(const clg_descent *d, const clg_optim_params *p);
clg_tensor *clg_adam_by(const clg_descent *d, const clg_optim_params *p);
clg_tensor *clg_rmsprop_by(const clg_descent *d, const clg_optim_params *p);
clg_tensor *clg_adagrad_by(const clg_descent *d, const clg_optim_params *p);

/** Makes grad[]: the gradients of the loss, or those that lie there, accumulated, penalised and clipped as the params
 * say (gradient.c). */
void clg_step_gradients(clg_step *s);

/** What is built from now on is placed where param i is, until the step ends. */
void clg_step_at(const clg_step *s, int i);

/** What the step of param i is computed in, and its slots are held in: its type, but f32 for floats of 16 bits, whose
 *  range and digits are too few for squares of gradients and small steps. */
clg_dtype clg_step_type(const clg_step *s, int i);

/** Whether param i decays, is penalised and projected. */
bool clg_step_decays(const clg_step *s, int i);

/** The slot "optim.<param>.<what>" of param i: zeros at first, its shape, that type. */
clg_tensor *clg_step_slot(clg_step *s, int i, const char *what);

/** Adds: dst becomes value at the end of each run. */
void clg_step_each_run(clg_step *s, clg_tensor *dst, clg_tensor *value);

/** Adds: dst becomes value at the end of a run that takes the step. */
void clg_step_assign(clg_step *s, clg_tensor *dst, clg_tensor *value);

/** Adds: param i becomes (1 - lr decay) param - lr direction, projected. */
void clg_step_move(clg_step *s, int i, clg_tensor *direction);

/** A scalar in the type of the step of param i. */
clg_tensor *clg_step_scalar(const clg_step *s, int i, clg_tensor *scalar);

/** Frees what begin made; the effect of the whole step, or NULL. */
clg_tensor *clg_step_end(clg_step *s);

#endif /* CLG_OPTIM_STEP_H_ */

/* Graphs: inputs, constants, parameters, state, effects, and reverse-mode differentiation. */
#ifndef CLGRAD_GRAPH_H_
#define CLGRAD_GRAPH_H_

#include <clgrad/store.h>
#include <clgrad/tensor.h>

CLG_BEGIN_DECLS

/** A graph over the weights of a store; store NULL gives it a private, empty one (seed 0) on dev.
 *  Thread-safety of graphs and their tensors: one thread at a time. */
CLG_API clg_graph *clg_graph_create(clg_device *dev, clg_store *store);
CLG_API void       clg_graph_destroy(clg_graph **g);

/**
 * Placement: nodes and params that are made from now on are computed, or live, on this device (NULL: the graph's own),
 * which the graph keeps open. Gradients are computed where the node is that they belong to, and an optimiser's step
 * where its param is; inputs and constants are wherever they are read. A param or state that exists stays where it is.
 * clg_compile() inserts the copies; runs wait where values cross between devices of different contexts.
 *
 * Errors: CLG_ERR_INVALID for a NULL graph, CLG_ERR_NOMEM.
 */
CLG_API CLG_CHECK clg_status clg_graph_pin(clg_graph *g, clg_device *dev);

/** Where nodes are placed now, to come back to; of NULL: NULL. */
CLG_API clg_device *clg_graph_pinned(const clg_graph *g);

/** Where t is computed, or lives; of what is wherever it is read, and of NULL: NULL. */
CLG_API clg_device *clg_tensor_device(const clg_tensor *t);

/** The first error made while building, CLG_OK if none. Its text goes to clg_error(). */
CLG_API clg_status clg_graph_status(const clg_graph *g);

/** For builders and layers of one's own: keeps an error as the graph's first (later ones are ignored) and returns
 *  NULL, so that a builder can return it. g NULL only sets clg_error(). */
CLG_API clg_tensor *clg_graph_fail(clg_graph *g, clg_status code, const char *fmt, ...) CLG_FMT(3, 4);

/** A value the caller supplies before a run; zeros until then. Names of inputs are unique in a graph. */
CLG_API clg_tensor *clg_input(clg_graph *g, const char *name, clg_dtype type, clg_shape shape);

/** A constant; data is copied. clg_fill() is the same value everywhere: floats round it, integers must have it, and i64
 *  takes it up to 2^53 in magnitude (else CLG_ERR_INVALID). */
CLG_API clg_tensor *clg_const(clg_graph *g, clg_dtype type, clg_shape shape, const void *data);
CLG_API clg_tensor *clg_fill(clg_graph *g, clg_dtype type, clg_shape shape, double value);

/** XAVIER is uniform in +-sqrt(6 / (fan_in + fan_out)); HE is normal with variance 2 / fan_in; NORMAL is N(0, 0.01^2);
 *  UNIFORM is uniform in +-1/sqrt(fan_in). For a filter O,I,K... fan_in = I K..., fan_out = O K...; for [out,in]
 *  fan_in = in. */
enum clg_init { CLG_INIT_ZERO, CLG_INIT_ONE, CLG_INIT_XAVIER, CLG_INIT_HE, CLG_INIT_NORMAL, CLG_INIT_UNIFORM };

/** How the clg_nn_ layers made after this call initialise their weights; HE until set. */
CLG_API void clg_graph_set_init(clg_graph *g, enum clg_init init);
CLG_API enum clg_init clg_graph_init(const clg_graph *g);

/**
 * A trainable tensor of the store. The first use of a name creates and initialises it; later uses, in any
 * graph over the same store, share it. Initial values depend on the store's seed, the name and the shape only.
 *
 * Errors: CLG_ERR_SHAPE if the name exists with another shape or type.
 * Source: He et al. 2015 (HE), Glorot & Bengio 2010 (XAVIER).
 */
CLG_API clg_tensor *clg_param(clg_graph *g, const char *name, clg_dtype type, clg_shape shape, enum clg_init init);

/** Like clg_param(), but not trainable: counters, running statistics, a learning rate. */
CLG_API clg_tensor *clg_state(clg_graph *g, const char *name, clg_dtype type, clg_shape shape, double value);

/**
 * Stores value into dst (a param or state; same shape and type) at the end of the run. Every read in a run sees
 * the value from before that run. The result is an effect: list it in clg_compile() to make it happen.
 *
 * Errors: CLG_ERR_INVALID if dst is no param or state, or (from clg_compile) assigned twice in one plan.
 */
CLG_API clg_tensor *clg_assign(clg_tensor *dst, clg_tensor *value);

/** One effect that stands for many. */
CLG_API clg_tensor *clg_group(clg_list effects);

/** Whenever a plan that is not compiled with .inference computes trigger, it performs effect too, as if that were
 *  listed in clg_compile(): for running statistics. Returns trigger. */
CLG_API clg_tensor *clg_when_training(clg_tensor *trigger, clg_tensor *effect);

/** infer_value in plans compiled with .inference, train_value in all others. A plan computes only the one it takes, and
 *  gradients flow to that one. Shapes: both of one shape and type. */
CLG_API clg_tensor *clg_phase(clg_tensor *infer_value, clg_tensor *train_value);

/**
 * Gradient of the scalar (or one-element) y with respect to x: a tensor of x's shape, itself differentiable.
 * Zero-filled if y does not depend on x. Repeated calls share work.
 *
 * Errors: CLG_ERR_SHAPE if y has not one element, or y or x is no float; CLG_ERR_INVALID for tensors of two graphs;
 *         CLG_ERR_UNSUP if an op in between has no gradient, or x is a clg_transpose() that a clg_matmul() in between
 *         has taken as a flag: differentiate by the operand of the transpose.
 */
CLG_API clg_tensor *clg_grad(clg_tensor *y, clg_tensor *x);

/** Vector-Jacobian products: gx[i] = (dy/dx[i])^T gy; gx has room for xs.n tensors. gy NULL means ones.
 *  Errors: as clg_grad(), but y may have any shape, which gy must have too; then all gx are NULL. */
CLG_API void clg_vjp(clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx);

/** y = x with no gradient. */
CLG_API clg_tensor *clg_stop_grad(clg_tensor *x);

/** The trainable params that y depends on (other than through clg_stop_grad()), in order of first use. Writes at most
 *  max to out, returns how many there are; 0 for NULL. */
CLG_API int clg_graph_params(clg_tensor *y, clg_tensor **out, int max);

CLG_END_DECLS

#endif /* CLGRAD_GRAPH_H_ */

/* What derivative.c needs of the sweep of grad.c beyond clg_vjp(). */
#ifndef CLG_GRAPH_GRAD_H_
#define CLG_GRAPH_GRAD_H_

#include "graph/op.h"

extern const clg_op clg_op_stop_grad;

/** How a sweep is done, and what its errors call it. */
typedef struct clg_sweep_mode {
    const char *call; /* "grad": errors begin with it */
    bool linear;      /* y is linear in xs by construction, so a node between them without a gradient is an error, and
                         no constant by nature */
} clg_sweep_mode;

/** clg_vjp() in a mode. false: an error was reported, gx is all NULL. */
bool clg_vjp_as(clg_sweep_mode mode, clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx);

/** The first op between x and y that a linear sweep could not pass; NULL: there is none (or no host memory). */
const clg_op *clg_grad_barrier(clg_tensor *y, clg_tensor *x);

#endif /* CLG_GRAPH_GRAD_H_ */

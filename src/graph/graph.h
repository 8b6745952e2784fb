/* What L3 knows of a graph: nodes in topological order, tensors by number, the store. */
#ifndef CLG_GRAPH_GRAPH_H_
#define CLG_GRAPH_GRAPH_H_

#include "base/arena.h"
#include "graph/op.h"
#include "graph/store.h"

struct clg_graph {
    int         refs;
    clg_device *device;
    clg_store  *store;
    clg_arena   arena;            /* nodes, tensors, names, constants */
    clg_node  **nodes;            /* in order of creation: inputs come before users */
    int         n_nodes, cap_nodes;
    clg_tensor **tensors;         /* by id */
    int         n_tensors, cap_tensors;
    clg_node  **table;            /* open-addressing hash of shareable nodes; size is a power of two */
    int         table_size, table_used;
    clg_status  first_error;
    char       *first_error_text; /* in the arena; NULL if the arena had no memory left */
    enum clg_init init;
    uint32_t    next_random;
    struct { const clg_tensor *trigger, *effect; } *training; /* clg_when_training(), in order */
    int         n_training, cap_training;
    const unsigned char *wants;   /* during clg_vjp(): by tensor id, whether its gradient is needed; else NULL */
    int         n_wants;
    clg_device *pin;              /* of the nodes and params made from now on (pin.c); NULL: device */
    clg_device **pinned;          /* every device that was ever pinned to, with a reference */
    int         n_pinned, cap_pinned;
};

clg_graph *clg_graph_ref(clg_graph *g);

/* --- pin.c --- */

/** What is computed and made from now on belongs to this device: the pin, or the graph's own. */
static inline clg_device *clg_graph_target(const clg_graph *g) { return g->pin ? g->pin : g->device; }

/** Where the results of a node are computed, or the variable is that it views; NULL: wherever they are read (inputs,
 *  constants, views of such, groups). */
clg_device *clg_node_device(const clg_node *n);

void clg_graph_unpin(clg_graph *g); /* gives the devices back */

/** Makes the stored first error this thread's error; returns its code, CLG_OK if none. */
clg_status clg_graph_report_error(const clg_graph *g);

#endif /* CLG_GRAPH_GRAPH_H_ */

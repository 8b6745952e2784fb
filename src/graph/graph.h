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
};

clg_graph *clg_graph_ref(clg_graph *g);

/** Makes the stored first error this thread's error; returns its code, CLG_OK if none. */
clg_status clg_graph_report_error(const clg_graph *g);

#endif /* CLG_GRAPH_GRAPH_H_ */

/* Placement while a graph is built: each node keeps the device that it is computed on (clg_node.device). What emits
 * nothing has none and is wherever it is read. What follows from it is done when the graph is compiled:
 * plan/split.c. */
#include "graph/graph.h"

#include "base/alloc.h"

clg_status clg_graph_pin(clg_graph *g, clg_device *dev) {
    if (!g) return clg_fail(CLG_ERR_INVALID, "clg_graph_pin: graph is NULL");
    if (!dev) dev = g->device;
    bool known = dev == g->device;
    for (int i = 0; i < g->n_pinned && !known; i++) known = g->pinned[i] == dev;
    if (!known) {
        if (!clg_grow(&g->pinned, &g->cap_pinned, g->n_pinned + 1, sizeof *g->pinned))
            return clg_fail_nomem("clg_graph_pin()");
        g->pinned[g->n_pinned++] = clg_device_ref(dev);
    }
    g->pin = dev;
    return CLG_OK;
}

void clg_graph_unpin(clg_graph *g) {
    for (int i = 0; i < g->n_pinned; i++) clg_device_destroy(&g->pinned[i]);
    clg_free(g->pinned);
}

clg_device *clg_graph_pinned(const clg_graph *g) { return g ? clg_graph_target(g) : NULL; }

clg_device *clg_node_device(const clg_node *n) {
    while (n->op->flags & CLG_OP_VIEW) n = n->in[n->op->flags & CLG_OP_PHASE ? 1 : 0]->node;
    return n->device;
}

clg_device *clg_tensor_device(const clg_tensor *t) { return t ? clg_node_device(t->node) : NULL; }

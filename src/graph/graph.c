/* Graphs: life, settings, and the first error. */
#include "graph/graph.h"

#include "base/alloc.h"

clg_graph *clg_graph_create(clg_device *dev, clg_store *store) {
    if (!dev) {
        clg_fail(CLG_ERR_INVALID, "clg_graph_create: device is NULL");
        return NULL;
    }
    if (store && clg_store_device(store) != dev) {
        clg_fail(CLG_ERR_INVALID, "clg_graph_create: the store lives on another device; create it on this one, or "
                 "copy it through clg_store_save() and clg_store_load()");
        return NULL;
    }
    clg_graph *g = clg_calloc(1, sizeof *g);
    if (!g) {
        clg_fail_nomem("graph");
        return NULL;
    }
    g->refs = 1;
    g->device = dev;
    g->init = CLG_INIT_HE;
    g->store = store ? clg_store_ref(store) : clg_store_create(dev, 0);
    if (!g->store) clg_graph_destroy(&g);
    return g;
}

clg_graph *clg_graph_ref(clg_graph *g) {
    g->refs++;
    return g;
}

void clg_graph_destroy(clg_graph **g) {
    if (!g || !*g) return;
    clg_graph *dead = *g;
    *g = NULL;
    if (--dead->refs > 0) return;
    clg_free(dead->nodes);
    clg_free(dead->tensors);
    clg_free(dead->table);
    clg_free(dead->training);
    clg_graph_unpin(dead);
    clg_arena_free(&dead->arena);
    clg_store_destroy(&dead->store); /* it holds the device */
    clg_free(dead);
}

clg_tensor *clg_graph_fail(clg_graph *g, clg_status code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    clg_vfail(code, fmt, ap);
    va_end(ap);
    if (g && g->first_error == CLG_OK) {
        g->first_error = code;
        g->first_error_text = clg_arena_strdup(&g->arena, clg_error());
    }
    return NULL;
}

clg_status clg_graph_report_error(const clg_graph *g) {
    if (g->first_error == CLG_OK) return CLG_OK;
    if (!g->first_error_text) return clg_fail(g->first_error, "the graph could not be built (out of host memory)");
    return clg_fail(g->first_error, "%s", g->first_error_text);
}

clg_status clg_graph_status(const clg_graph *g) {
    if (!g) return clg_fail(CLG_ERR_INVALID, "clg_graph_status: graph is NULL");
    return clg_graph_report_error(g);
}

void clg_graph_set_init(clg_graph *g, enum clg_init init) {
    if (!g) return;
    if (init < CLG_INIT_ZERO || init > CLG_INIT_UNIFORM) {
        clg_graph_fail(g, CLG_ERR_INVALID, "clg_graph_set_init: unknown initialisation %d", (int)init);
        return;
    }
    g->init = init;
}

enum clg_init clg_graph_init(const clg_graph *g) {
    return g ? g->init : CLG_INIT_HE;
}

uint32_t clg_graph_next_random(clg_graph *g) {
    return g->next_random++;
}

uint64_t clg_graph_seed(const clg_graph *g) {
    return clg_store_seed(g->store);
}

clg_device *clg_graph_device(const clg_graph *g) {
    return g->device;
}

bool clg_has_training_effect(const clg_tensor *trigger) {
    const clg_graph *g = trigger->graph;
    for (int i = 0; i < g->n_training; i++)
        if (g->training[i].trigger == trigger) return true;
    return false;
}

clg_tensor *clg_when_training(clg_tensor *trigger, clg_tensor *effect) {
    if (!trigger || !effect) return NULL;
    clg_graph *g = trigger->graph;
    if (effect->graph != g)
        return clg_graph_fail(g, CLG_ERR_INVALID, "when_training(%s, %s): the tensors belong to different graphs",
                              clg_tensor_name(trigger), clg_tensor_name(effect));
    if (!(effect->node->op->flags & CLG_OP_EFFECT))
        return clg_graph_fail(g, CLG_ERR_INVALID, "when_training(%s, %s): %s is no effect; clg_assign() makes one",
                              clg_tensor_name(trigger), clg_tensor_name(effect), clg_tensor_name(effect));
    if (!clg_grow(&g->training, &g->cap_training, g->n_training + 1, sizeof *g->training))
        return clg_graph_fail(g, CLG_ERR_NOMEM, "when_training(%s, %s): out of host memory", clg_tensor_name(trigger),
                              clg_tensor_name(effect));
    g->training[g->n_training].trigger = trigger;
    g->training[g->n_training++].effect = effect;
    return trigger;
}

/* Marks what y is computed from, through everything that passes a gradient on, and lists the params in it. */
static int list_params(const clg_tensor *y, unsigned char *needed, clg_tensor **out, int max) {
    const clg_graph *g = y->graph;
    int n = 0;
    needed[y->node->id] = 1;
    for (int i = y->node->id; i >= 0; i--) {
        const clg_node *node = g->nodes[i];
        if (!needed[i] || node->op->flags & CLG_OP_NO_GRAD) continue;
        for (int k = 0; k < node->n_in; k++) needed[node->in[k]->node->id] = 1;
    }
    for (int i = 0; i <= y->node->id; i++) {
        clg_node *node = g->nodes[i];
        if (!needed[i] || node->op != &clg_op_variable || !node->slot->trainable) continue;
        if (out && n < max) out[n] = node->out[0];
        n++;
    }
    return n;
}

int clg_graph_params(clg_tensor *y, clg_tensor **out, int max) {
    if (!y) return 0;
    unsigned char *needed = clg_calloc((size_t)y->node->id + 1, 1);
    if (!needed) {
        clg_graph_fail(y->graph, CLG_ERR_NOMEM, "clg_graph_params(%s): out of host memory", clg_tensor_name(y));
        return 0;
    }
    const int n = list_params(y, needed, out, max);
    clg_free(needed);
    return n;
}

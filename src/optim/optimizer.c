/* Optimisers by name, with the learning rates that they start from. */
#include <clgrad/optim.h>

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const struct known {
    const char *name;
    clg_tensor *(*build)(clg_tensor *loss, const clg_optim_params *p);
    double lr, momentum, weight_decay; /* defaults */
    bool nesterov;
} table[] = {
    {"sgd", clg_sgd, .lr = 0.01},
    {"momentum", clg_sgd, .lr = 0.01, .momentum = 0.9},
    {"nesterov", clg_sgd, .lr = 0.01, .momentum = 0.9, .nesterov = true},
    {"adagrad", clg_adagrad, .lr = 0.01},
    {"rmsprop", clg_rmsprop, .lr = 0.01},
    {"adam", clg_adam, .lr = 0.001},
    {"adamw", clg_adam, .lr = 0.001, .weight_decay = 0.01},
};

enum { KNOWN = sizeof table / sizeof table[0] };

const char *clg_optimizer_name(int i) { return i >= 0 && i < KNOWN ? table[i].name : NULL; }

static const struct known *find(const char *name) {
    for (int i = 0; i < KNOWN; i++)
        if (name && strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

/* Keeps the error in the graph, if there is one. */
static void fail_unknown(clg_graph *g, const char *name) {
    char names[128];
    size_t n = 0;
    for (int i = 0; i < KNOWN; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i == 0 ? "" : i == KNOWN - 1 ? " or " : ", ",
                              table[i].name);
    (void)clg_graph_fail(g, CLG_ERR_INVALID, "optimizer(%s): no such optimiser: take %s", name ? name : "NULL", names);
}

double clg_optimizer_default_lr(const char *name) {
    const struct known *k = find(name);
    if (!k) fail_unknown(NULL, name);
    return k ? k->lr : 0;
}

clg_tensor *clg_optimizer(const char *name, clg_tensor *loss, const clg_optim_params *p) {
    const struct known *k = find(name);
    if (!loss) return NULL;
    if (!k) {
        fail_unknown(clg_tensor_graph(loss), name);
        return NULL;
    }
    clg_optim_params o = p ? *p : (clg_optim_params){0};
    if (o.momentum == 0) o.momentum = k->momentum;
    if (o.weight_decay == 0) o.weight_decay = k->weight_decay;
    o.nesterov = o.nesterov || k->nesterov;
    return k->build(loss, &o);
}

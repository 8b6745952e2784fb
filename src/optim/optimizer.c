/* Optimisers by name, with the learning rates that they start from. */
#include "optim/step.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const struct known {
    const char *name;
    clg_tensor *(*build)(const clg_descent *d, const clg_optim_params *p);
    double lr, momentum, weight_decay; /* defaults */
    bool nesterov;
} table[] = {
    {"sgd", clg_sgd_by, .lr = 0.01},
    {"momentum", clg_sgd_by, .lr = 0.01, .momentum = 0.9},
    {"nesterov", clg_sgd_by, .lr = 0.01, .momentum = 0.9, .nesterov = true},
    {"adagrad", clg_adagrad_by, .lr = 0.01},
    {"rmsprop", clg_rmsprop_by, .lr = 0.01},
    {"adam", clg_adam_by, .lr = 0.001},
    {"adamw", clg_adam_by, .lr = 0.001, .weight_decay = 0.01},
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

static clg_tensor *build(const char *name, clg_graph *g, const clg_descent *d, const clg_optim_params *p) {
    const struct known *k = find(name);
    if (!k) {
        fail_unknown(g, name);
        return NULL;
    }
    clg_optim_params o = p ? *p : (clg_optim_params){0};
    if (o.momentum == 0) o.momentum = k->momentum;
    if (o.weight_decay == 0) o.weight_decay = k->weight_decay;
    o.nesterov = o.nesterov || k->nesterov;
    return k->build(d, &o);
}

clg_tensor *clg_optimizer(const char *name, clg_tensor *loss, const clg_optim_params *p) {
    return loss ? build(name, clg_tensor_graph(loss), &(clg_descent){.loss = loss}, p) : NULL;
}

clg_tensor *clg_optimizer_apply(const char *name, clg_list params, clg_list grads, const clg_optim_params *p) {
    if (params.n < 1 || params.n != grads.n || !params.t || !grads.t)
        return clg_graph_fail(params.n > 0 && params.t ? clg_tensor_graph(params.t[0]) : NULL, CLG_ERR_INVALID,
                              "optimizer_apply: there are %d params and %d gradients: give one gradient for each param",
                              params.n, grads.n);
    for (int i = 0; i < params.n; i++)
        if (!params.t[i] || !grads.t[i]) return NULL;
    return build(name, clg_tensor_graph(params.t[0]), &(clg_descent){.params = params, .grads = grads}, p);
}

clg_tensor *clg_sgd(clg_tensor *loss, const clg_optim_params *p) {
    return loss ? clg_sgd_by(&(clg_descent){.loss = loss}, p) : NULL;
}

clg_tensor *clg_adam(clg_tensor *loss, const clg_optim_params *p) {
    return loss ? clg_adam_by(&(clg_descent){.loss = loss}, p) : NULL;
}

clg_tensor *clg_rmsprop(clg_tensor *loss, const clg_optim_params *p) {
    return loss ? clg_rmsprop_by(&(clg_descent){.loss = loss}, p) : NULL;
}

clg_tensor *clg_adagrad(clg_tensor *loss, const clg_optim_params *p) {
    return loss ? clg_adagrad_by(&(clg_descent){.loss = loss}, p) : NULL;
}

/* The parts of a training step that do not depend on the optimiser. Everything is built from public ops, so that the
 * planner fuses, orders and places it like the rest of the graph; the host does nothing in a run. */
#include "optim/step.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>

static bool in_range(double x, double low, double high) { return x >= low && x < high; } /* false for NaN */

static bool params_ok(clg_graph *g, const char *name, const clg_optim_params *p) {
    const struct { const char *field; double value, high; } check[] = {
        {"lr", p->lr, INFINITY},       {"momentum", p->momentum, 1}, {"beta1", p->beta1, 1},
        {"beta2", p->beta2, 1},        {"eps", p->eps, INFINITY},    {"weight_decay", p->weight_decay, INFINITY},
        {"alpha", p->alpha, 1},
    };
    for (size_t i = 0; i < sizeof check / sizeof check[0]; i++)
        if (!in_range(check[i].value, 0, check[i].high)) {
            (void)clg_graph_fail(g, CLG_ERR_INVALID, "%s: %s = %g is out of range: give 0 <= %s < %g", name,
                                 check[i].field, check[i].value, check[i].field, check[i].high);
            return false;
        }
    return true;
}

static bool loss_ok(const char *name, clg_tensor *loss) {
    const clg_shape s = clg_tensor_shape(loss);
    bool one = true;
    for (int i = 0; i < s.ndim; i++) one = one && s.dim[i] == 1;
    if (one) return true;
    (void)clg_graph_fail(clg_tensor_graph(loss), CLG_ERR_SHAPE,
                         "%s(%s): the loss must be a scalar; it has %d axes: reduce it by clg_mean(loss, CLG_ALL)",
                         name, clg_tensor_name(loss), s.ndim);
    return false;
}

bool clg_step_begin(clg_step *s, const char *name, clg_tensor *loss, const clg_optim_params *p, double lr, int slots) {
    clg_graph *g = clg_tensor_graph(loss);
    *s = (clg_step){.graph = g, .loss = loss, .decay = p->weight_decay, .decay_all = p->decay_all};
    if (!loss_ok(name, loss) || !params_ok(g, name, p)) return false;
    s->n = clg_graph_params(loss, NULL, 0);
    if (s->n < 1) {
        (void)clg_graph_fail(g, CLG_ERR_INVALID, "%s(%s): the loss depends on no param: make weights by clg_param()",
                             name, clg_tensor_name(loss));
        return false;
    }
    s->cap_effects = s->n * (1 + slots) + 1;
    s->param = clg_calloc((size_t)s->n, sizeof *s->param);
    s->effect = clg_calloc((size_t)s->cap_effects, sizeof *s->effect);
    if (!s->param || !s->effect) {
        (void)clg_graph_fail(g, CLG_ERR_NOMEM, "%s(%s): no host memory for %d params", name, clg_tensor_name(loss),
                             s->n);
        (void)clg_step_end(s);
        return false;
    }
    (void)clg_graph_params(loss, s->param, s->n);
    s->lr = clg_state(g, "optim.lr", CLG_F32, CLG_SCALAR, lr);
    clg_tensor *count = clg_state(g, "optim.step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *next = clg_add(count, clg_fill(g, CLG_I32, CLG_SCALAR, 1));
    s->t = clg_cast(next, CLG_F32);
    for (int i = 0; i < s->n; i++)
        if (clg_tensor_dtype(s->param[i]) == CLG_F64) s->t = clg_cast(next, CLG_F64);
    clg_step_assign(s, count, next);
    return true;
}

clg_dtype clg_step_type(const clg_step *s, int i) {
    const clg_dtype t = clg_tensor_dtype(s->param[i]);
    return t == CLG_F16 || t == CLG_BF16 ? CLG_F32 : t;
}

clg_tensor *clg_step_grad(const clg_step *s, int i) {
    return clg_cast(clg_grad(s->loss, s->param[i]), clg_step_type(s, i));
}

clg_tensor *clg_step_slot(clg_step *s, int i, const char *what) {
    char name[512];
    const int n = snprintf(name, sizeof name, "optim.%s.%s", clg_tensor_name(s->param[i]), what);
    if (n < 0 || (size_t)n >= sizeof name)
        return clg_graph_fail(s->graph, CLG_ERR_INVALID, "optim: the name of param %.40s... is longer than 480",
                              clg_tensor_name(s->param[i]));
    return clg_state(s->graph, name, clg_step_type(s, i), clg_tensor_shape(s->param[i]), 0);
}

void clg_step_assign(clg_step *s, clg_tensor *dst, clg_tensor *value) {
    if (s->n_effects < s->cap_effects) s->effect[s->n_effects++] = clg_assign(dst, value);
}

clg_tensor *clg_step_scalar(const clg_step *s, int i, clg_tensor *scalar) {
    return clg_cast(scalar, clg_step_type(s, i));
}

void clg_step_move(clg_step *s, int i, clg_tensor *direction) {
    clg_tensor *w = clg_cast(s->param[i], clg_step_type(s, i)), *kept = w;
    clg_tensor *lr = clg_step_scalar(s, i, s->lr);
    const bool decays = s->decay > 0 && (s->decay_all || clg_tensor_shape(w).ndim > 1);
    if (decays) kept = clg_sub(w, clg_mul(clg_scale(lr, s->decay), w));
    clg_tensor *moved = clg_sub(kept, clg_mul(lr, direction));
    clg_step_assign(s, s->param[i], clg_cast(moved, clg_tensor_dtype(s->param[i])));
}

clg_tensor *clg_step_end(clg_step *s) {
    clg_tensor *all = s->n_effects ? clg_group((clg_list){s->n_effects, s->effect}) : NULL;
    clg_free(s->param);
    clg_free(s->effect);
    s->param = s->effect = NULL;
    return all;
}

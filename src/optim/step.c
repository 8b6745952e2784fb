/* The parts of a training step that do not depend on the optimiser. Everything is built from public ops, so that the
 * planner fuses, orders and places it like the rest of the graph; the host does nothing in a run. */
#include "optim/step.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool in_range(double x, double low, double high) { return x >= low && x < high; } /* false for NaN */

static bool params_ok(clg_graph *g, const char *name, const clg_optim_params *p) {
    const struct { const char *field; double value, high; } check[] = {
        {"lr", p->lr, INFINITY},               {"momentum", p->momentum, 1},
        {"beta1", p->beta1, 1},                {"beta2", p->beta2, 1},
        {"eps", p->eps, INFINITY},             {"weight_decay", p->weight_decay, INFINITY},
        {"alpha", p->alpha, 1},                {"clip_norm", p->clip_norm, INFINITY},
        {"l2", p->l2, INFINITY},               {"clip_value", p->clip_value, INFINITY},
        {"max_norm2", p->max_norm2, INFINITY}, {"accumulate", (double)p->accumulate, 0x1p31},
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

static bool take_room(clg_step *s, int slots) {
    s->cap_effects = s->n * (2 + slots) + 2; /* params, their sums and slots; two counters */
    s->param = clg_calloc((size_t)s->n, sizeof *s->param);
    s->grad = clg_calloc((size_t)s->n, sizeof *s->grad);
    s->effect = clg_calloc((size_t)s->cap_effects, sizeof *s->effect);
    if (s->param && s->grad && s->effect) return true;
    (void)clg_graph_fail(s->graph, CLG_ERR_NOMEM, "%s: no host memory for %d params", s->name, s->n);
    (void)clg_step_end(s);
    return false;
}

static bool find_params(clg_step *s, int slots) {
    s->n = clg_graph_params(s->loss, NULL, 0);
    if (s->n < 1) {
        (void)clg_graph_fail(s->graph, CLG_ERR_INVALID,
                             "%s(%s): the loss depends on no param: make weights by clg_param()", s->name,
                             clg_tensor_name(s->loss));
        return false;
    }
    if (!take_room(s, slots)) return false;
    (void)clg_graph_params(s->loss, s->param, s->n);
    return true;
}

static void shape_text(const clg_tensor *t, char *text, size_t size) {
    const clg_shape s = clg_tensor_shape(t);
    size_t n = (size_t)snprintf(text, size, "%s[", clg_dtype_name(clg_tensor_dtype(t)));
    for (int i = 0; i < s.ndim && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", i ? "," : "", (long long)s.dim[i]);
    if (n < size) snprintf(text + n, size - n, "]");
}

static bool same_shape(clg_shape a, clg_shape b) {
    bool same = a.ndim == b.ndim;
    for (int i = 0; same && i < a.ndim; i++) same = a.dim[i] == b.dim[i];
    return same;
}

/* That they are floats, and params at all, is checked by the cast and the assignment. */
static bool given_fits(const clg_step *s, const clg_tensor *w, const clg_tensor *g) {
    char have[160], want[160];
    if (clg_tensor_graph(w) != s->graph || clg_tensor_graph(g) != s->graph) {
        (void)clg_graph_fail(s->graph, CLG_ERR_INVALID, "%s: param %s and its gradient %s must be of one graph",
                             s->name, clg_tensor_name(w), clg_tensor_name(g));
        return false;
    }
    if (same_shape(clg_tensor_shape(w), clg_tensor_shape(g))) return true;
    shape_text(g, have, sizeof have);
    shape_text(w, want, sizeof want);
    (void)clg_graph_fail(s->graph, CLG_ERR_SHAPE, "%s: the gradient %s is %s, but param %s is %s", s->name,
                         clg_tensor_name(g), have, clg_tensor_name(w), want);
    return false;
}

static bool take_given(clg_step *s, const clg_descent *d, int slots) {
    s->n = d->params.n;
    for (int i = 0; i < s->n; i++)
        if (!given_fits(s, d->params.t[i], d->grads.t[i])) return false;
    if (!take_room(s, slots)) return false;
    memcpy(s->param, d->params.t, (size_t)s->n * sizeof *s->param);
    memcpy(s->grad, d->grads.t, (size_t)s->n * sizeof *s->grad);
    return true;
}

/* The counters of runs since the last step, and of steps. */
static void count(clg_step *s) {
    clg_tensor *one = clg_fill(s->graph, CLG_I32, CLG_SCALAR, 1);
    if (s->o.accumulate > 1) {
        clg_tensor *batch = clg_state(s->graph, "optim.batch", CLG_I32, CLG_SCALAR, 0), *next = clg_add(batch, one);
        s->due = clg_ge(next, clg_fill(s->graph, CLG_I32, CLG_SCALAR, (double)s->o.accumulate));
        clg_step_each_run(s, batch, clg_where(s->due, clg_fill(s->graph, CLG_I32, CLG_SCALAR, 0), next));
    }
    clg_tensor *step = clg_state(s->graph, "optim.step", CLG_I32, CLG_SCALAR, 0), *next = clg_add(step, one);
    s->t = clg_cast(next, s->type);
    clg_step_assign(s, step, next);
}

static void pin(const clg_step *s, clg_device *dev) {
    const clg_status status = clg_graph_pin(s->graph, dev);
    if (status < 0) (void)clg_graph_fail(s->graph, status, "%s", clg_error());
}

void clg_step_at(const clg_step *s, int i) { pin(s, clg_tensor_device(s->param[i])); }

bool clg_step_begin(clg_step *s, const char *name, const clg_descent *d, const clg_optim_params *p, int slots) {
    clg_graph *g = clg_tensor_graph(d->loss ? d->loss : d->params.t[0]);
    *s = (clg_step){.graph = g, .name = name, .o = p ? *p : (clg_optim_params){0}, .loss = d->loss, .type = CLG_F32};
    if ((d->loss && !loss_ok(name, d->loss)) || !params_ok(s->graph, name, &s->o)) return false;
    if (!(d->loss ? find_params(s, slots) : take_given(s, d, slots))) return false;
    for (int i = 0; i < s->n; i++)
        if (clg_tensor_dtype(s->param[i]) == CLG_F64) s->type = CLG_F64;
    s->pin = clg_graph_pinned(s->graph);
    if (!(s->o.lr > 0)) s->o.lr = clg_optimizer_default_lr(name);
    s->lr = clg_state(s->graph, "optim.lr", CLG_F32, CLG_SCALAR, s->o.lr);
    count(s);
    clg_step_gradients(s);
    pin(s, s->pin);
    return true;
}

clg_dtype clg_step_type(const clg_step *s, int i) {
    const clg_dtype t = clg_tensor_dtype(s->param[i]);
    return t == CLG_F16 || t == CLG_BF16 ? CLG_F32 : t;
}

bool clg_step_decays(const clg_step *s, int i) {
    return s->o.decay_all || clg_tensor_shape(s->param[i]).ndim > 1;
}

clg_tensor *clg_step_slot(clg_step *s, int i, const char *what) {
    char name[512];
    const int n = snprintf(name, sizeof name, "optim.%s.%s", clg_tensor_name(s->param[i]), what);
    if (n < 0 || (size_t)n >= sizeof name)
        return clg_graph_fail(s->graph, CLG_ERR_INVALID, "optim: the name of param %.40s... is longer than 480",
                              clg_tensor_name(s->param[i]));
    return clg_state(s->graph, name, clg_step_type(s, i), clg_tensor_shape(s->param[i]), 0);
}

void clg_step_each_run(clg_step *s, clg_tensor *dst, clg_tensor *value) {
    if (s->n_effects < s->cap_effects) s->effect[s->n_effects++] = clg_assign(dst, value);
}

void clg_step_assign(clg_step *s, clg_tensor *dst, clg_tensor *value) {
    clg_step_each_run(s, dst, s->due ? clg_where(s->due, value, dst) : value);
}

clg_tensor *clg_step_scalar(const clg_step *s, int i, clg_tensor *scalar) {
    return clg_cast(scalar, clg_step_type(s, i));
}

/* The nearest point of the ball |w|^2 <= theta lies on the ray from 0 through w. The factor is exactly 1 inside. */
static clg_tensor *projected(const clg_step *s, int i, clg_tensor *w) {
    clg_tensor *theta = clg_fill(s->graph, clg_step_type(s, i), CLG_SCALAR, s->o.max_norm2);
    clg_tensor *norm2 = clg_sum(clg_square(w), CLG_ALL);
    return clg_mul(w, clg_sqrt(clg_div(theta, clg_maximum(theta, norm2))));
}

void clg_step_move(clg_step *s, int i, clg_tensor *direction) {
    clg_tensor *w = clg_cast(s->param[i], clg_step_type(s, i)), *kept = w;
    clg_tensor *lr = clg_step_scalar(s, i, s->lr);
    const bool decays = clg_step_decays(s, i);
    if (decays && s->o.weight_decay > 0) kept = clg_sub(w, clg_mul(clg_scale(lr, s->o.weight_decay), w));
    clg_tensor *moved = clg_sub(kept, clg_mul(lr, direction));
    if (decays && s->o.max_norm2 > 0) moved = projected(s, i, moved);
    clg_step_assign(s, s->param[i], clg_cast(moved, clg_tensor_dtype(s->param[i])));
}

clg_tensor *clg_step_end(clg_step *s) {
    if (s->pin) pin(s, s->pin);
    clg_tensor *all = s->n_effects ? clg_group((clg_list){s->n_effects, s->effect}) : NULL;
    clg_free(s->param);
    clg_free(s->grad);
    clg_free(s->effect);
    s->param = s->grad = s->effect = NULL;
    return all;
}

/* The graphs of a batch and their plans, compiled once a batch size: a training step, the gradients of some rows of
 * one, and inference. Everything of a step happens on the device, also the running sums of loss and right answers and
 * the watch for losses that are not finite: they are states ("fit.*"), so the host need not wait in an epoch, and
 * checkpoints hold them. */
#include "fit/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include <clgrad/ops.h>

#include <math.h>
#include <string.h>

/* --- the graph of a batch --- */

static clg_tensor *batch_input(clg_graph *g, const char *name, clg_dtype type, int64_t rows, clg_shape item) {
    clg_shape s = {item.ndim + 1, {rows}};
    if (item.ndim < 0 || item.ndim >= CLG_MAX_DIMS)
        return clg_graph_fail(g, CLG_ERR_SHAPE, "trainer: an item of %d axes has no room for the axis of the batch",
                              item.ndim);
    memcpy(s.dim + 1, item.dim, (size_t)item.ndim * sizeof *item.dim);
    return clg_input(g, name, type, s);
}

bool clg_fit_graph(const clg_trainer *t, clg_device *dev, clg_store *store, clg_fit_part *p, int64_t rows,
                   bool training) {
    *p = (clg_fit_part){.graph = clg_graph_create(dev, store), .rows = rows, .written = NAN};
    if (!p->graph) return false;
    const bool reals = clg_model_loss(t->model) == CLG_LOSS_MSE;
    p->x = batch_input(p->graph, "x", t->p.type, rows, clg_model_item(t->model));
    p->target = reals ? clg_input(p->graph, "target", t->p.type, CLG_SHAPE(rows, clg_model_outputs(t->model)))
                      : clg_model_target(t->model, p->graph, "target", rows);
    clg_tensor *seen = training ? clg_augment(p->x, &t->p.augment) : p->x;
    p->output = clg_named(clg_model_build(t->model, seen), "output");
    p->loss = clg_named(clg_model_loss_of(t->model, p->output, p->target), "loss");
    p->answer = reals ? NULL : clg_named(clg_model_answer(t->model, p->output), "answer");
    return true;
}

static clg_tensor *sum_into(clg_graph *g, const char *name, clg_tensor *value) {
    clg_tensor *sum = clg_state(g, name, clg_tensor_dtype(value), CLG_SCALAR, 0);
    return clg_assign(sum, clg_add(sum, value));
}

/* Right answers: exact up to 2^24 items; or the sum of squared errors. */
static clg_tensor *goodness(const clg_fit_part *p) {
    return p->answer ? clg_sum(clg_cast(clg_eq(p->answer, p->target), CLG_F32), CLG_ALL)
                     : clg_sum(clg_square(clg_sub(p->output, p->target)), CLG_ALL);
}

clg_tensor *clg_fit_watch(const clg_fit_part *p, clg_tensor *loss, clg_tensor *sum, clg_tensor *good) {
    clg_graph *g = p->graph;
    clg_tensor *count = clg_state(g, "fit.step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *bad = clg_state(g, "fit.bad_step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *step = clg_add(count, clg_fill(g, CLG_I32, CLG_SCALAR, 1));
    clg_tensor *none = clg_eq(bad, clg_fill(g, CLG_I32, CLG_SCALAR, 0));
    clg_tensor *first = clg_where(clg_isfinite(loss), bad, clg_where(none, step, bad));
    clg_tensor *goods = sum_into(g, p->answer ? "fit.right" : "fit.squares", good);
    return clg_group(CLG_LIST(sum_into(g, "fit.loss", sum), goods, clg_assign(count, step), clg_assign(bad, first)));
}

clg_tensor *clg_fit_next_lr(const clg_trainer *t, clg_fit_part *p) {
    p->next_lr = clg_input(p->graph, "next_lr", CLG_F32, CLG_SCALAR);
    return clg_assign(clg_state(p->graph, "optim.lr", CLG_F32, CLG_SCALAR, t->p.optim.lr), p->next_lr);
}

static clg_plan *compile_training(const clg_trainer *t, clg_fit_part *p) {
    clg_tensor *step = clg_optimizer(t->p.optimizer, p->loss, &t->p.optim);
    clg_tensor *watch = clg_fit_watch(p, p->loss, clg_scale(p->loss, (double)p->rows), goodness(p));
    return clg_compile(p->graph, CLG_LIST(step, watch, clg_fit_next_lr(t, p)), NULL);
}

/* --- gradients of some rows --- */

/* Which states a plan may write that has no step in it: running statistics. "rng.step" is moved by the step. */
static bool is_running(const clg_store_entry *e) {
    static const char *const others[] = {"optim.", "fit.", "rng.", "data."};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strncmp(e->name, others[i], strlen(others[i])) == 0) return false;
    return !e->trainable;
}

/* As targets they keep the value from before the run. */
static bool find_running(clg_fit_part *p, clg_store *store) {
    const int n = clg_store_count(store);
    clg_store_entry e;
    p->running = clg_calloc((size_t)n + 1, sizeof *p->running);
    if (!p->running) return false;
    for (int i = 0; i < n; i++)
        if (clg_store_get(store, i, &e) == CLG_OK && is_running(&e))
            p->running[p->n_running++] = clg_state(p->graph, e.name, e.dtype, e.shape, 0);
    return true;
}

bool clg_fit_is_random(const clg_store *store) {
    clg_store_entry e;
    for (int i = 0; i < clg_store_count(store); i++)
        if (clg_store_get(store, i, &e) == CLG_OK && strcmp(e.name, "rng.step") == 0) return true;
    return false;
}

static bool find_gradients(clg_fit_part *p) {
    p->n_grads = clg_graph_params(p->loss, NULL, 0);
    p->grad = clg_calloc((size_t)p->n_grads + 1, sizeof *p->grad);
    clg_tensor **param = clg_calloc((size_t)p->n_grads + 1, sizeof *param);
    if (p->grad && param) {
        (void)clg_graph_params(p->loss, param, p->n_grads);
        for (int i = 0; i < p->n_grads; i++) p->grad[i] = clg_grad(p->loss, param[i]);
    }
    clg_free(param);
    return p->grad && param;
}

static clg_plan *compile_gradients(clg_fit_part *p, clg_store *store) {
    if (!find_gradients(p) || !find_running(p, store)) {
        clg_fail_nomem("gradients");
        return NULL;
    }
    clg_tensor **target = clg_calloc((size_t)(p->n_grads + p->n_running) + 3, sizeof *target);
    if (!target) {
        clg_fail_nomem("gradients");
        return NULL;
    }
    int n = 0;
    p->good = goodness(p);
    target[n++] = p->loss;
    target[n++] = p->good;
    for (int i = 0; i < p->n_grads; i++) target[n++] = p->grad[i];
    for (int i = 0; i < p->n_running; i++) target[n++] = p->running[i];
    if (clg_fit_is_random(store)) { /* the step counts: so a run that is done again draws the same numbers */
        clg_tensor *count = clg_state(p->graph, "rng.step", CLG_I32, CLG_SCALAR, 0);
        target[n++] = clg_assign(count, count);
    }
    clg_plan *plan = clg_compile(p->graph, (clg_list){n, target}, NULL);
    clg_free(target);
    return plan;
}

/* --- inference --- */

static clg_plan *compile_inference(const clg_fit_part *p) {
    const clg_plan_params q = {.inference = true};
    return p->answer ? clg_compile(p->graph, CLG_LIST(p->loss, p->output, p->answer), &q)
                     : clg_compile(p->graph, CLG_LIST(p->loss, p->output), &q);
}

/* --- parts --- */

void clg_fit_part_free(clg_fit_part *p) {
    clg_plan_destroy(&p->plan);
    clg_graph_destroy(&p->graph);
    clg_free(p->grad);
    clg_free(p->running);
    *p = (clg_fit_part){0};
}

void clg_fit_parts_free(clg_fit_parts *all) {
    for (int i = 0; i < CLG_FIT_PARTS; i++) clg_fit_part_free(&all->part[i]);
}

/* The part of that size, or the one that was not used for longest. */
static clg_fit_part *find_part(clg_fit_parts *all, int64_t rows) {
    clg_fit_part *p = &all->part[0];
    for (int i = 0; i < CLG_FIT_PARTS; i++) {
        clg_fit_part *q = &all->part[i];
        if (q->plan && q->rows == rows) return q;
        if (q->used < p->used) p = q; /* 0 where there is none */
    }
    return p;
}

clg_fit_part *clg_fit_get_part(clg_trainer *t, clg_fit_parts *all, clg_device *dev, clg_store *store, int64_t rows,
                               enum clg_fit_kind kind) {
    clg_fit_part *p = find_part(all, rows);
    const bool found = p->plan && p->rows == rows;
    t->calls++;
    if (!found) {
        clg_fit_part_free(p);
        if (!clg_fit_graph(t, dev, store, p, rows, kind != CLG_FIT_INFERENCE)) return NULL;
        p->plan = kind == CLG_FIT_TRAINING ? compile_training(t, p)
                : kind == CLG_FIT_GRADIENTS ? compile_gradients(p, store) : compile_inference(p);
        if (!p->plan) {
            clg_fit_part_free(p);
            return NULL;
        }
        t->plans++;
    }
    p->used = t->calls;
    return p;
}

clg_fit_part *clg_trainer_part(clg_trainer *t, int64_t rows, bool training) {
    return clg_fit_get_part(t, training ? &t->training : &t->inference, t->dev, t->store, rows,
                            training ? CLG_FIT_TRAINING : CLG_FIT_INFERENCE);
}

/* Trainers: params with their defaults, and the graphs of a step and of an evaluation, compiled once a batch size.
 * Everything of a step happens on the device, also the running sums of loss and right answers and the watch for losses
 * that are not finite: they are states ("fit.*"), so the host need not wait in an epoch, and checkpoints hold them. */
#include "fit/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include <clgrad/ops.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- params --- */

static void params_free(clg_fit_params *p) {
    clg_free((char *)p->optimizer);
    clg_free((char *)p->save);
    *p = (clg_fit_params){0};
}

static clg_status check_params(const clg_fit_params *p) {
    const int64_t most = INT32_MAX; /* steps of all epochs are counted in 64 bits */
    const struct { const char *field; int64_t value, least; } check[] = {
        {"epochs", p->epochs, 1}, {"batch", p->batch, 1}, {"accumulate", p->accumulate, 1},
        {"patience", p->patience, 0}, {"check_every", p->check_every, 1},
    };
    for (size_t i = 0; i < sizeof check / sizeof check[0]; i++)
        if (check[i].value < check[i].least)
            return clg_fail(CLG_ERR_INVALID, "trainer: %s = %lld is out of range: give at least %lld", check[i].field,
                            (long long)check[i].value, (long long)check[i].least);
    if (p->epochs > most)
        return clg_fail(CLG_ERR_INVALID, "trainer: epochs = %lld is out of range: give at most %lld",
                        (long long)p->epochs, (long long)most);
    if (p->type != CLG_F32 && p->type != CLG_F64)
        return clg_fail(CLG_ERR_INVALID, "trainer: type %s: models are trained in f32 or f64", clg_dtype_name(p->type));
    return clg_schedule_check(&p->schedule);
}

/* in with its defaults, and copies of its texts. */
static clg_status params_make(clg_fit_params *out, const clg_fit_params *in) {
    clg_fit_params p = in ? *in : (clg_fit_params){0};
    if (p.epochs == 0) p.epochs = 10;
    if (p.batch == 0) p.batch = 64;
    if (p.check_every == 0) p.check_every = 50;
    if (!p.optimizer) p.optimizer = "sgd";
    if (p.accumulate == 0) p.accumulate = p.optim.accumulate > 0 ? p.optim.accumulate : 1;
    p.optim.accumulate = p.accumulate;
    CLG_TRY(check_params(&p));
    const double lr = clg_optimizer_default_lr(p.optimizer);
    if (!(lr > 0)) return clg_error_status();
    if (p.optim.lr == 0) p.optim.lr = lr;
    p.optimizer = clg_copy_text(p.optimizer);
    const bool saves = p.save != NULL;
    if (saves) p.save = clg_copy_text(p.save);
    if (!p.optimizer || (saves && !p.save)) {
        params_free(&p);
        return clg_fail_nomem("trainer");
    }
    *out = p;
    return CLG_OK;
}

static bool same_augment(const clg_augment_params *a, const clg_augment_params *b) {
    return a->shift == b->shift && a->flip == b->flip && a->crop == b->crop && a->noise == b->noise;
}

/* Whether a step of both is the same graph; the learning rate is a state. */
static bool same_step(const clg_fit_params *a, const clg_fit_params *b) {
    const clg_optim_params *p = &a->optim, *q = &b->optim;
    return strcmp(a->optimizer, b->optimizer) == 0 && same_augment(&a->augment, &b->augment) &&
           p->momentum == q->momentum && p->nesterov == q->nesterov && p->beta1 == q->beta1 && p->beta2 == q->beta2 &&
           p->alpha == q->alpha && p->eps == q->eps && p->weight_decay == q->weight_decay &&
           p->decay_all == q->decay_all && p->clip_norm == q->clip_norm && p->clip_value == q->clip_value &&
           p->l2 == q->l2 && p->max_norm2 == q->max_norm2 && p->accumulate == q->accumulate;
}

/* --- the graph of a batch --- */

static clg_tensor *batch_input(clg_graph *g, const char *name, clg_dtype type, int64_t rows, clg_shape item) {
    clg_shape s = {item.ndim + 1, {rows}};
    if (item.ndim < 0 || item.ndim >= CLG_MAX_DIMS)
        return clg_graph_fail(g, CLG_ERR_SHAPE, "trainer: an item of %d axes has no room for the axis of the batch",
                              item.ndim);
    memcpy(s.dim + 1, item.dim, (size_t)item.ndim * sizeof *item.dim);
    return clg_input(g, name, type, s);
}

static bool graph_make(const clg_trainer *t, clg_fit_part *p, int64_t rows, bool training) {
    *p = (clg_fit_part){.graph = clg_graph_create(t->dev, t->store), .rows = rows, .written = NAN};
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

/* Effects that follow the run: sums over the epoch, the count of batches, the first one whose loss was not finite. */
static clg_tensor *watch(const clg_fit_part *p) {
    clg_graph *g = p->graph;
    clg_tensor *count = clg_state(g, "fit.step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *bad = clg_state(g, "fit.bad_step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *step = clg_add(count, clg_fill(g, CLG_I32, CLG_SCALAR, 1));
    clg_tensor *none = clg_eq(bad, clg_fill(g, CLG_I32, CLG_SCALAR, 0));
    clg_tensor *first = clg_where(clg_isfinite(p->loss), bad, clg_where(none, step, bad));
    clg_tensor *good = p->answer /* right answers: exact up to 2^24 items; or the sum of squared errors */
                     ? sum_into(g, "fit.right", clg_sum(clg_cast(clg_eq(p->answer, p->target), CLG_F32), CLG_ALL))
                     : sum_into(g, "fit.squares", clg_sum(clg_square(clg_sub(p->output, p->target)), CLG_ALL));
    return clg_group(CLG_LIST(sum_into(g, "fit.loss", clg_scale(p->loss, (double)p->rows)), good,
                              clg_assign(count, step), clg_assign(bad, first)));
}

static clg_plan *compile_training(const clg_trainer *t, clg_fit_part *p) {
    clg_tensor *step = clg_optimizer(t->p.optimizer, p->loss, &t->p.optim);
    clg_tensor *lr = clg_state(p->graph, "optim.lr", CLG_F32, CLG_SCALAR, t->p.optim.lr);
    p->next_lr = clg_input(p->graph, "next_lr", CLG_F32, CLG_SCALAR);
    return clg_compile(p->graph, CLG_LIST(step, watch(p), clg_assign(lr, p->next_lr)), NULL);
}

static clg_plan *compile_inference(const clg_fit_part *p) {
    const clg_plan_params q = {.inference = true};
    return p->answer ? clg_compile(p->graph, CLG_LIST(p->loss, p->output, p->answer), &q)
                     : clg_compile(p->graph, CLG_LIST(p->loss, p->output), &q);
}

/* --- parts --- */

static void part_free(clg_fit_part *p) {
    clg_plan_destroy(&p->plan);
    clg_graph_destroy(&p->graph);
    *p = (clg_fit_part){0};
}

static void parts_free(clg_fit_parts *all) {
    for (int i = 0; i < CLG_FIT_PARTS; i++) part_free(&all->part[i]);
}

clg_fit_part *clg_trainer_part(clg_trainer *t, int64_t rows, bool training) {
    clg_fit_parts *all = training ? &t->training : &t->inference;
    clg_fit_part *p = &all->part[0];
    t->calls++;
    for (int i = 0; i < CLG_FIT_PARTS; i++) {
        clg_fit_part *q = &all->part[i];
        if (q->plan && q->rows == rows) {
            q->used = t->calls;
            return q;
        }
        if (q->used < p->used) p = q; /* 0 where there is none */
    }
    part_free(p);
    if (!graph_make(t, p, rows, training)) return NULL;
    p->plan = training ? compile_training(t, p) : compile_inference(p);
    if (!p->plan) {
        part_free(p);
        return NULL;
    }
    t->plans++;
    p->used = t->calls;
    return p;
}

/* --- life --- */

/* Makes the weights, so that a file can be checked against them before anything is compiled. */
static clg_status make_weights(clg_trainer *t) {
    clg_fit_part p;
    const bool made = graph_make(t, &p, 2, false); /* batch normalisation of one item would be none */
    t->anchor = p.graph;
    return made ? clg_graph_status(t->anchor) : clg_error_status();
}

static clg_status check_create(const clg_device *dev, const clg_store *store, const clg_model *m) {
    if (!dev || !store || !m)
        return clg_fail(CLG_ERR_INVALID, "trainer: the %s is NULL", !dev ? "device" : !store ? "store" : "model");
    if (clg_model_item(m).ndim < 0 || clg_model_outputs(m) < 1)
        return clg_fail(CLG_ERR_INVALID, "trainer: the model %s leaves its %s open: complete it by clg_model_for()",
                        clg_model_name(m), clg_model_item(m).ndim < 0 ? "input" : "outputs");
    return CLG_OK;
}

clg_trainer *clg_trainer_create(clg_device *dev, clg_store *store, const clg_model *m, const clg_fit_params *p) {
    if (check_create(dev, store, m) < 0) return NULL;
    clg_trainer *t = clg_calloc(1, sizeof *t);
    if (!t) {
        clg_fail_nomem("trainer");
        return NULL;
    }
    t->dev = dev;
    t->store = store;
    if (params_make(&t->p, p) < 0) {
        clg_free(t);
        return NULL;
    }
    t->model = clg_model_parse(clg_model_name(m), clg_model_text(m));
    if (!t->model || make_weights(t) < 0) clg_trainer_destroy(&t);
    return t;
}

void clg_trainer_destroy(clg_trainer **t) {
    if (!t || !*t) return;
    parts_free(&(*t)->training);
    parts_free(&(*t)->inference);
    clg_snapshot_free(&(*t)->good);
    clg_snapshot_free(&(*t)->fresh);
    clg_free((*t)->history);
    params_free(&(*t)->p);
    clg_model_destroy(&(*t)->model);
    clg_graph_destroy(&(*t)->anchor);
    clg_free(*t);
    *t = NULL;
}

clg_store *clg_trainer_store(clg_trainer *t) {
    return t ? t->store : NULL;
}

const clg_model *clg_trainer_model(const clg_trainer *t) {
    return t ? t->model : NULL;
}

int64_t clg_trainer_plans(const clg_trainer *t) {
    return t ? t->plans : 0;
}

clg_status clg_trainer_plan_info(clg_trainer *t, int64_t rows, clg_plan_info *info) {
    if (!t || !info || rows < 1)
        return clg_fail(CLG_ERR_INVALID, "trainer_plan_info: needs a trainer, rows above 0, and room for the facts");
    const clg_fit_part *p = clg_trainer_part(t, rows, true);
    if (!p) return clg_error_status();
    clg_plan_get_info(p->plan, info);
    return CLG_OK;
}

clg_status clg_trainer_set(clg_trainer *t, const clg_fit_params *p) {
    clg_fit_params made;
    if (!t) return clg_fail(CLG_ERR_INVALID, "trainer_set: the trainer is NULL");
    CLG_TRY(params_make(&made, p));
    if (made.type != t->p.type) {
        params_free(&made);
        return clg_fail(CLG_ERR_INVALID, "trainer_set: the type of weights cannot change; they are %s: make another "
                        "trainer", clg_dtype_name(t->p.type));
    }
    if (!same_step(&made, &t->p)) parts_free(&t->training);
    params_free(&t->p);
    t->p = made;
    return CLG_OK;
}

clg_status clg_trainer_reset(clg_trainer *t) {
    if (!t) return clg_fail(CLG_ERR_INVALID, "trainer_reset: the trainer is NULL");
    CLG_TRY(clg_store_reset(t->store));
    t->epoch = t->item = t->steps = t->items = t->best_kept = 0;
    t->good.n = 0;
    return CLG_OK;
}

/* --- history --- */

clg_status clg_trainer_reserve(clg_trainer *t, int64_t n) {
    if (n > INT32_MAX || !clg_grow(&t->history, &t->cap_history, (int)n, sizeof *t->history))
        return clg_fail_nomem("history of a trainer");
    return CLG_OK;
}

int64_t clg_trainer_history(const clg_trainer *t, const clg_epoch **e) {
    if (e) *e = t ? t->history : NULL;
    return t ? t->epoch : 0;
}

int64_t clg_trainer_best(const clg_trainer *t) {
    int64_t best = 0;
    for (int64_t i = 0; i < t->epoch; i++) {
        const double loss = t->history[i].val.loss;
        if (isfinite(loss) && (best == 0 || loss < t->history[best - 1].val.loss)) best = i + 1;
    }
    return best;
}

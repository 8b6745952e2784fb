/* Trainers: params with their defaults, what a trainer is made of, and its history. */
#include "fit/parallel.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

/* --- params --- */

static void params_free(clg_fit_params *p) {
    clg_free((char *)p->optimizer);
    clg_free((char *)p->save);
    clg_free((int64_t *)p->split);
    clg_free((clg_device **)p->devices);
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

static clg_status check_devices(const clg_fit_params *p) {
    int64_t rows = 0;
    if (p->n_devices < 0 || (p->n_devices > 0 && !p->devices))
        return clg_fail(CLG_ERR_INVALID, "trainer: n_devices = %d, but the list of devices is %s", p->n_devices,
                        p->devices ? "there" : "NULL");
    for (int i = 0; i < p->n_devices; i++)
        for (int k = 0; k <= i; k++)
            if (!p->devices[i] || (k < i && p->devices[k] == p->devices[i]))
                return clg_fail(CLG_ERR_INVALID, "trainer: device %d of the further ones is %s", i + 1,
                                p->devices[i] ? "there twice: open it twice, if it is to be used twice" : "NULL");
    if (p->on_failure != CLG_FAILED_DROP && p->on_failure != CLG_FAILED_STOP)
        return clg_fail(CLG_ERR_INVALID, "trainer: on_failure = %d: give CLG_FAILED_DROP or CLG_FAILED_STOP",
                        (int)p->on_failure);
    for (int i = 0; p->split && i <= p->n_devices; i++) {
        if (p->split[i] < 0 || p->split[i] > p->batch - rows)
            return clg_fail(CLG_ERR_INVALID, "trainer: split: %lld rows for device %d do not fit into a batch of %lld",
                            (long long)p->split[i], i + 1, (long long)p->batch);
        rows += p->split[i];
    }
    if (p->split && rows != p->batch)
        return clg_fail(CLG_ERR_INVALID, "trainer: split: the rows of %d devices are %lld together, but a batch has "
                        "%lld", 1 + p->n_devices, (long long)rows, (long long)p->batch);
    return CLG_OK;
}

/* A copy of n elements; NULL for none, and if there is no memory. */
static void *copy_of(const void *data, size_t n, size_t each) {
    void *copy = data && n > 0 ? clg_alloc(n * each) : NULL;
    if (copy) memcpy(copy, data, n * each);
    return copy;
}

/* Copies of what the params point to. */
static clg_status own_all(clg_fit_params *p) {
    const clg_fit_params from = *p;
    p->optimizer = clg_copy_text(from.optimizer);
    p->save = from.save ? clg_copy_text(from.save) : NULL;
    p->split = copy_of(from.split, (size_t)from.n_devices + 1, sizeof *p->split);
    p->devices = copy_of(from.devices, (size_t)from.n_devices, sizeof *p->devices);
    if (p->optimizer && !p->save == !from.save && !p->split == !from.split && (p->devices || from.n_devices == 0))
        return CLG_OK;
    params_free(p);
    return clg_fail_nomem("trainer");
}

/* in with its defaults, and copies of its texts and lists. */
static clg_status params_make(clg_fit_params *out, const clg_fit_params *in) {
    clg_fit_params p = in ? *in : (clg_fit_params){0};
    if (p.epochs == 0) p.epochs = 10;
    if (p.batch == 0) p.batch = 64;
    if (p.check_every == 0) p.check_every = 50;
    if (!p.optimizer) p.optimizer = "sgd";
    if (p.accumulate == 0) p.accumulate = p.optim.accumulate > 0 ? p.optim.accumulate : 1;
    p.optim.accumulate = p.accumulate;
    CLG_TRY(check_params(&p));
    CLG_TRY(check_devices(&p));
    const double lr = clg_optimizer_default_lr(p.optimizer);
    if (!(lr > 0)) return clg_error_status();
    if (p.optim.lr == 0) p.optim.lr = lr;
    CLG_TRY(own_all(&p));
    *out = p;
    return CLG_OK;
}

static bool same_augment(const clg_augment_params *a, const clg_augment_params *b) {
    return a->shift == b->shift && a->flip == b->flip && a->crop == b->crop && a->noise == b->noise;
}

static bool same_devices(const clg_fit_params *a, const clg_fit_params *b) {
    bool same = a->n_devices == b->n_devices;
    for (int i = 0; same && i < a->n_devices; i++) same = a->devices[i] == b->devices[i];
    return same;
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

/* --- life --- */

/* Makes the weights, so that a file can be checked against them before anything is compiled. */
static clg_status make_weights(clg_trainer *t) {
    clg_fit_part p;
    const bool made = clg_fit_graph(t, t->dev, t->store, &p, 2, false); /* one item would have no statistics */
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
    for (int i = 0; i < t->p.n_devices; i++)
        if (t->p.devices[i] == dev) {
            clg_fail(CLG_ERR_INVALID, "trainer: further device %d is the first one: open it twice, if it is to be used "
                     "twice", i + 1);
            clg_trainer_destroy(&t);
            return NULL;
        }
    t->model = clg_model_parse(clg_model_name(m), clg_model_text(m));
    if (!t->model || make_weights(t) < 0 || clg_parallel_create(t) < 0) clg_trainer_destroy(&t);
    return t;
}

void clg_trainer_destroy(clg_trainer **t) {
    if (!t || !*t) return;
    clg_parallel_destroy(&(*t)->parallel);
    clg_fit_parts_free(&(*t)->training);
    clg_fit_parts_free(&(*t)->inference);
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
    if (t->parallel) return clg_parallel_info(t, rows, info);
    const clg_fit_part *p = clg_trainer_part(t, rows, true);
    if (!p) return clg_error_status();
    clg_plan_get_info(p->plan, info);
    return CLG_OK;
}

clg_status clg_trainer_ready(clg_trainer *t) {
    if (t->parallel) return clg_parallel_ready(t);
    return clg_trainer_part(t, t->p.batch, true) ? CLG_OK : clg_error_status();
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
    if (!same_devices(&made, &t->p)) {
        params_free(&made);
        return clg_fail(CLG_ERR_INVALID, "trainer_set: the devices cannot change: make another trainer");
    }
    const bool same = same_step(&made, &t->p), had_split = t->p.split != NULL;
    params_free(&t->p);
    t->p = made;
    if (!same) clg_fit_parts_free(&t->training);
    clg_parallel_set(t, same, had_split);
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

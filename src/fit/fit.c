/* The training loop: epochs of steps that the host only enqueues; it waits every `check_every` batches to see whether
 * the loss is finite, and at the end of an epoch. Early stopping after Prechelt 1998, "Early stopping - but when?", in
 * its simplest form: a number of epochs without a lower validation loss. */
#include "fit/parallel.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#include <math.h>

/* One call of clg_fit(). */
typedef struct run {
    clg_trainer *t;
    clg_dataset *train, *val;
    double       spread;       /* of the real targets of train */
    bool         over;
    enum clg_fit_end end;
    int64_t      bad_step;
    double       began;        /* of the present epoch, in seconds */
    double       mark_time;    /* since when, */
    int64_t      mark_item;    /* and which item of the epoch, the rate is measured */
    clg_epoch    e;            /* the epoch that ends */
} run;

static void finish(run *r, enum clg_fit_end end) {
    r->over = true;
    r->end = end;
}

static clg_fit_state state_of(const run *r) {
    const clg_trainer *t = r->t;
    return (clg_fit_state){.trainer = r->t, .step = t->steps, .epoch = t->epoch + 1, .epochs = t->p.epochs,
                           .item = t->item, .items = clg_dataset_size(r->train)};
}

/* What needs one device, and can be done twice: if the first of several fails in it, the next one does it. */
static clg_status on_first(run *r, clg_status (*act)(run *r)) {
    for (;;) {
        const clg_status s = act(r);
        if (s >= 0 || !clg_parallel_lost(r->t, s)) return s;
    }
}

/* --- the learning rate --- */

/* Of batch number `batch`, from 0: by the schedule's step, which is one of the optimiser. */
static double lr_at(const run *r, int64_t batch) {
    const clg_trainer *t = r->t;
    const clg_fit_params *p = &t->p;
    const int64_t an_epoch = (clg_dataset_size(r->train) + p->batch - 1) / p->batch;
    double lr = p->optim.lr * clg_schedule_factor(&p->schedule, batch / p->accumulate,
                                                  an_epoch * p->epochs / p->accumulate);
    if (p->schedule.kind == CLG_LR_PLATEAU) {
        clg_plateau seen = {0}; /* a function of the history: nothing more to save */
        double factor = 1;
        for (int64_t i = 0; i < t->epoch; i++) factor = clg_plateau_update(&seen, &p->schedule, t->history[i].val.loss);
        lr *= factor;
    }
    return lr;
}

/* The step reads "optim.lr" as it was before the run and leaves the next one's there: so no write must wait for the
 * runs before it. */
static clg_status set_next_lr(const run *r, clg_fit_part *p) {
    const float lr = (float)lr_at(r, r->t->steps + 1);
    if (p->written == lr) return CLG_OK;
    CLG_TRY(clg_write(p->plan, p->next_lr, &lr, sizeof lr));
    p->written = lr;
    return CLG_OK;
}

/* --- watching --- */

static void diverge(run *r, int64_t step) {
    r->bad_step = step;
    finish(r, CLG_FIT_DIVERGED);
}

/* Waits for the steps so far. */
static clg_status check_steps(run *r) {
    int32_t bad = 0;
    CLG_TRY(clg_store_read(r->t->store, "fit.bad_step", &bad, sizeof bad));
    if (bad != 0) diverge(r, bad);
    return CLG_OK;
}

/* The last step's loss may be fine and its weights not: so a few items are tried before weights count as good, if they
 * were not on the validation part. t->fresh is a copy of them. */
static clg_status check_weights(run *r) {
    clg_trainer *t = r->t;
    clg_score score = r->e.val;
    bool finite;
    if (score.n == 0) CLG_TRY(clg_trainer_score(t, r->train, 64, &score, NULL, NULL));
    CLG_TRY(clg_snapshot_take(&t->fresh, t, &finite));
    if (!finite || !isfinite(score.loss)) diverge(r, t->steps);
    return CLG_OK;
}

/* --- steps --- */

static clg_status first_step_done(run *r) {
    if (!r->t->parallel) CLG_TRY(clg_device_finish(r->t->dev)); /* several have waited for the gradients */
    r->t->warm = true;
    r->mark_time = clg_now();
    r->mark_item = r->t->item;
    return CLG_OK;
}

/* To where the position says, in the order of this epoch. */
static clg_status go_to_position(run *r) {
    clg_trainer *t = r->t;
    t->moved = false;
    CLG_TRY(clg_dataset_start(r->train, !t->p.no_shuffle, t->p.seed, t->epoch));
    return clg_dataset_skip(r->train, t->item);
}

static clg_status call_back(run *r) {
    clg_trainer *t = r->t;
    const clg_fit_state s = state_of(r);
    if (t->p.on_step(t->p.user, &s) == CLG_FIT_STOP) finish(r, CLG_FIT_STOPPED);
    return t->moved && !r->over ? go_to_position(r) : CLG_OK;
}

static clg_status step_on_one(run *r, int64_t rows) {
    clg_fit_part *p = clg_trainer_part(r->t, rows, true);
    if (!p) return clg_error_status();
    CLG_TRY(set_next_lr(r, p));
    CLG_TRY(clg_dataset_next(r->train, p->plan, p->x, p->target));
    return clg_run(p->plan);
}

/* A device that fails may end the run. */
static void look_for_stop(run *r) {
    if (clg_parallel_stopping(r->t) && !r->over) finish(r, CLG_FIT_STOPPED);
}

static clg_status one_step(run *r) {
    clg_trainer *t = r->t;
    const int64_t left = clg_dataset_left(r->train), rows = left < t->p.batch ? left : t->p.batch;
    bool done = true;
    if (t->parallel) CLG_TRY(clg_parallel_step(t, r->train, rows, (float)lr_at(r, t->steps + 1), &done));
    else CLG_TRY(step_on_one(r, rows));
    look_for_stop(r);
    if (!done) return CLG_OK;
    t->item += rows;
    t->steps++;
    if (!t->warm) CLG_TRY(first_step_done(r));
    if (t->steps % t->p.check_every == 0) CLG_TRY(on_first(r, check_steps));
    return t->p.on_step && !r->over ? call_back(r) : CLG_OK;
}

static clg_status zero_sums(run *r) {
    static const char *const sum[] = {"fit.loss", "fit.right", "fit.squares"};
    const double zero = 0; /* the bits of 0 in every type */
    const size_t size = clg_dtype_size(r->t->p.type);
    const bool reals = clg_model_loss(r->t->model) == CLG_LOSS_MSE;
    CLG_TRY(clg_store_write(r->t->store, sum[0], &zero, size));
    return reals ? clg_store_write(r->t->store, sum[2], &zero, size)
                 : clg_store_write(r->t->store, sum[1], &zero, sizeof(float));
}

/* The states of a step exist once there is a plan of one. */
static clg_status begin_states(run *r) {
    clg_trainer *t = r->t;
    const float lr = (float)lr_at(r, t->steps);
    CLG_TRY(clg_trainer_ready(t));
    if (t->item == 0) CLG_TRY(zero_sums(r));
    CLG_TRY(clg_store_write(t->store, "optim.lr", &lr, sizeof lr));
    return t->parallel ? clg_parallel_sync(t) : CLG_OK;
}

static clg_status begin_epoch(run *r) {
    clg_trainer *t = r->t;
    r->e = (clg_epoch){0};
    CLG_TRY(on_first(r, begin_states));
    look_for_stop(r);
    r->began = r->mark_time = clg_now();
    r->mark_item = t->item;
    return go_to_position(r);
}

/* --- the end of an epoch --- */

static clg_status read_real(const run *r, const char *name, double *x) {
    float f;
    if (r->t->p.type == CLG_F64) return clg_store_read(r->t->store, name, x, sizeof *x);
    CLG_TRY(clg_store_read(r->t->store, name, &f, sizeof f));
    *x = f;
    return CLG_OK;
}

static clg_status running_score(const run *r, clg_score *score) {
    const int64_t n = clg_dataset_size(r->train);
    double loss, squares;
    float right;
    CLG_TRY(read_real(r, "fit.loss", &loss));
    *score = (clg_score){.loss = loss / (double)n, .accuracy = NAN, .r2 = NAN, .n = n};
    if (clg_model_loss(r->t->model) == CLG_LOSS_MSE) {
        CLG_TRY(read_real(r, "fit.squares", &squares));
        score->r2 = clg_fit_r2(squares, r->spread);
        return CLG_OK;
    }
    CLG_TRY(clg_store_read(r->t->store, "fit.right", &right, sizeof right));
    score->accuracy = right / (double)n;
    return CLG_OK;
}

static bool keeps_best(const clg_trainer *t) {
    return t->p.patience > 0 || t->p.keep_best;
}

static clg_status save(run *r) {
    return r->t->p.save ? clg_trainer_save(r->t, r->t->p.save) : CLG_OK;
}

static clg_status keep_epoch(run *r) {
    clg_trainer *t = r->t;
    if (keeps_best(t) && clg_trainer_best(t) == t->epoch) CLG_TRY(clg_trainer_keep_best(t));
    return save(r);
}

/* Counts the epoch as finished. */
static clg_status close_epoch(run *r) {
    clg_trainer *t = r->t;
    const int64_t item = t->item;
    CLG_TRY(clg_trainer_reserve(t, t->epoch + 1));
    t->history[t->epoch++] = r->e;
    t->item = 0;
    const clg_status s = on_first(r, check_weights);
    if (s < 0 || r->over) { /* it does not count after all */
        t->epoch--;
        t->item = item;
        return s;
    }
    const clg_snapshot before = t->good;
    t->good = t->fresh;
    t->fresh = before;
    return on_first(r, keep_epoch);
}

static clg_status score_epoch(run *r) {
    CLG_TRY(running_score(r, &r->e.train));
    return r->val ? clg_evaluate(r->t, r->val, &r->e.val, NULL, NULL) : CLG_OK;
}

static clg_status end_epoch(run *r) {
    clg_trainer *t = r->t;
    const double trained = clg_now(), since = trained - r->mark_time;
    const clg_score none = {.loss = NAN, .accuracy = NAN, .r2 = NAN};
    clg_epoch *e = &r->e;
    *e = (clg_epoch){.epoch = t->epoch + 1, .val = none, .lr = lr_at(r, t->steps - 1)};
    e->items_per_second = (double)(t->item - r->mark_item) / (since > 1e-9 ? since : 1e-9);
    if (t->item == r->mark_item) /* one step was all, and it built the kernels */
        e->items_per_second = (double)t->item / (trained - r->began);
    CLG_TRY(on_first(r, score_epoch));
    CLG_TRY(close_epoch(r));
    if (r->over) return CLG_OK;
    t->history[t->epoch - 1].seconds = e->seconds = clg_now() - r->began;
    if (!t->p.on_epoch) return CLG_OK;
    clg_fit_state s = state_of(r);
    s.epoch = t->epoch; /* the one that is told of */
    s.item = s.items;
    if (t->p.on_epoch(t->p.user, &s, e) == CLG_FIT_STOP) finish(r, CLG_FIT_STOPPED);
    return CLG_OK;
}

/* A callback has stopped the run inside an epoch: the checkpoint holds the position and the sums. */
static clg_status stop_inside(run *r) {
    CLG_TRY(on_first(r, check_weights));
    return r->end == CLG_FIT_STOPPED ? on_first(r, save) : CLG_OK;
}

static clg_status run_epoch(run *r) {
    CLG_TRY(begin_epoch(r));
    while (clg_dataset_left(r->train) > 0 && !r->over) CLG_TRY(one_step(r));
    const bool stopped = r->over && r->end == CLG_FIT_STOPPED, all = r->t->item == clg_dataset_size(r->train);
    if (!r->over || stopped) CLG_TRY(on_first(r, check_steps)); /* may turn "stopped" into "diverged" */
    if (r->over && r->end == CLG_FIT_DIVERGED) return CLG_OK;
    if (!all) return stop_inside(r);
    r->over = false;
    CLG_TRY(end_epoch(r));
    if (stopped && !r->over) finish(r, CLG_FIT_STOPPED);
    look_for_stop(r);
    return CLG_OK;
}

/* --- the run --- */

/* What makes choices by the validation loss; NULL: nothing does. */
static const char *chooses_by(const clg_trainer *t) {
    return t->p.patience > 0 ? "early stopping" : t->p.keep_best ? "keep_best" :
           t->p.schedule.kind == CLG_LR_PLATEAU ? "a plateau schedule" : NULL;
}

static clg_status check_call(const clg_trainer *t, const clg_dataset *train, const clg_dataset *val) {
    if (!t || !train) return clg_fail(CLG_ERR_INVALID, "fit: the %s is NULL", t ? "training part" : "trainer");
    const int64_t n = clg_dataset_size(train), batch = t->p.batch;
    if (clg_dataset_part(train) == CLG_TEST)
        return clg_fail(CLG_ERR_INVALID, "fit: the data is a test part, which must not be trained on: give a training "
                        "part (clg_dataset_split() makes one)");
    const int64_t tested = clg_dataset_test_items(train);
    if (tested > 0)
        return clg_fail(CLG_ERR_INVALID, "fit: %lld of the %lld items are in a test part of the same data, which must "
                        "not be trained on: give the training part that belongs to it", (long long)tested,
                        (long long)n);
    if (batch > n)
        return clg_fail(CLG_ERR_INVALID, "fit: a batch of %lld is larger than the training part, %lld items: give a "
                        "batch of at most %lld", (long long)batch, (long long)n, (long long)n);
    const char *chooser = chooses_by(t);
    if (chooser && !val)
        return clg_fail(CLG_ERR_INVALID, "fit: %s looks at the validation loss: give a validation part", chooser);
    if (chooser && clg_dataset_part(val) == CLG_TEST)
        return clg_fail(CLG_ERR_INVALID, "fit: %s would choose by a test part, which then no longer tells how good the "
                        "model is: give a validation part (clg_dataset_split() makes one)", chooser);
    if (t->item > 0 && t->items != n)
        return clg_fail(CLG_ERR_INVALID, "fit: the run stands inside an epoch of %lld items, but the training part has "
                        "%lld: another data set?", (long long)t->items, (long long)n);
    CLG_TRY(clg_trainer_fits(t, train, "fit", "the training part"));
    return val ? clg_trainer_fits(t, val, "fit", "the validation part") : CLG_OK;
}

/* The names of the classes, a line each, travel with checkpoints (see predict.h); a line end in a name is a space. */
static clg_status note_classes(const clg_trainer *t, const clg_dataset *d) {
    clg_str all = {0};
    const int n = clg_dataset_classes(d);
    for (int i = 0; i < n; i++) {
        const char *name = clg_dataset_class_name(d, i);
        if (!name) break;
        if (i > 0) clg_str_add(&all, "\n");
        for (const char *c = name; *c; c++) clg_str_add_bytes(&all, *c == '\n' ? " " : c, 1);
    }
    clg_status s = CLG_OK;
    if (all.failed) s = clg_fail_nomem("names of classes");
    else if (all.size > 0) s = clg_store_set_meta(t->store, "classes", clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

static bool patience_over(const clg_trainer *t) {
    const int64_t best = clg_trainer_best(t);
    return t->p.patience > 0 && best > 0 && t->epoch - best >= t->p.patience;
}

static clg_status use_best(run *r) {
    clg_trainer *t = r->t;
    const int64_t best = clg_trainer_best(t);
    if (best == 0 || best == t->epoch) return CLG_OK;
    if (t->best_kept != best) {
        clg_log_msg(CLG_LOG_WARN, "fit: epoch %lld was the best, but its weights were not kept, as this run was "
                    "resumed from one without early stopping; the last ones stay", (long long)best);
        return CLG_OK;
    }
    CLG_TRY(clg_trainer_restore_best(t));
    return save(r);
}

static clg_status start(run *r) {
    bool finite;
    CLG_TRY(clg_trainer_ready(r->t));
    return clg_snapshot_take(&r->t->good, r->t, &finite);
}

static clg_status go_back(run *r) {
    return clg_snapshot_restore(&r->t->good, r->t);
}

static clg_status train(run *r) {
    clg_trainer *t = r->t;
    const bool reals = clg_model_loss(t->model) == CLG_LOSS_MSE;
    if (reals) CLG_TRY(clg_fit_spread(r->train, &r->spread));
    CLG_TRY(note_classes(t, r->train));
    t->items = clg_dataset_size(r->train);
    CLG_TRY(on_first(r, start));
    while (!r->over) {
        if (patience_over(t)) finish(r, CLG_FIT_EARLY);
        else if (t->epoch >= t->p.epochs) finish(r, CLG_FIT_DONE);
        else CLG_TRY(run_epoch(r));
    }
    if (r->end == CLG_FIT_DIVERGED) CLG_TRY(on_first(r, go_back));
    else if (r->end != CLG_FIT_STOPPED && keeps_best(t)) CLG_TRY(on_first(r, use_best));
    return clg_parallel_stop(t);
}

static clg_status report(const run *r, clg_fit_result *result) {
    const clg_trainer *t = r->t;
    const int64_t best = clg_trainer_best(t);
    if (!result && r->end == CLG_FIT_DIVERGED)
        return clg_fail(CLG_ERR_INVALID, "fit: the loss is not finite in step %lld; the weights are those after epoch "
                        "%lld: try a smaller learning rate than %g", (long long)r->bad_step, (long long)t->epoch,
                        t->p.optim.lr);
    if (!result) return CLG_OK;
    *result = (clg_fit_result){.end = r->end, .epochs = t->epoch, .steps = t->steps, .best_epoch = best,
                               .bad_step = r->bad_step};
    if (t->epoch > 0) result->last = t->history[t->epoch - 1];
    if (best > 0) result->best = t->history[best - 1];
    return CLG_OK;
}

clg_status clg_fit(clg_trainer *t, clg_dataset *train_part, clg_dataset *val, clg_fit_result *result) {
    CLG_TRY(check_call(t, train_part, val));
    run r = {.t = t, .train = train_part, .val = val};
    t->fitting = train_part;
    const clg_status s = train(&r);
    t->fitting = NULL;
    return s < 0 ? s : report(&r, result);
}

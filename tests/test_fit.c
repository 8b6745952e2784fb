/* Training runs: what they learn, that they go on to the same bits, and when they end. On the reference device where
 * nothing else is said: the loop is the same. */
#include "support/runs.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(fit, .init = open_dev, .fini = close_dev, .timeout = 120);

static const char mlp[] = "linear 16\ntanh\nlinear outputs\n";

enum { ROOM = 1 << 16 };
static unsigned char now[ROOM], then[ROOM];

static void expect_same_weights(clg_trainer *a, clg_trainer *b, const char *what) {
    const size_t n = weights(a, now, ROOM);
    cr_assert_eq(n, weights(b, then, ROOM));
    cr_expect_arr_eq(now, then, n, "%s", what);
}

/* --- learning --- */

Test(fit, a_multilayer_perceptron_learns_xor) {
    static const double x[] = {0, 0, 0, 1, 1, 0, 1, 1};
    static const int32_t label[] = {0, 1, 1, 0};
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 4, .item = CLG_SHAPE(2), .x = x, .label = label));
    clg_trainer *t = trainer(mlp, d, clg_fit_params(.epochs = 150, .batch = 4, .optimizer = "adam",
                                                    .optim = {.lr = 0.05}));
    int64_t confusion[4];
    float out[8];
    clg_score s;
    const clg_fit_result r = fit(t, d, NULL);
    cr_expect(r.end == CLG_FIT_DONE && r.epochs == 150 && r.steps == 150 && r.best_epoch == 0 && r.bad_step == 0);
    cr_assert_eq(clg_evaluate(t, d, &s, confusion, out), CLG_OK, "%s", clg_error());
    cr_expect(s.accuracy == 1 && s.loss < 0.05 && s.n == 4 && isnan(s.r2), "accuracy %g, loss %g", s.accuracy, s.loss);
    cr_expect(confusion[0] == 2 && confusion[1] == 0 && confusion[2] == 0 && confusion[3] == 2);
    for (int i = 0; i < 4; i++) cr_expect_eq(out[2 * i + 1] > out[2 * i], label[i]);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

/* While the weights stand still, what is summed on the device is what an evaluation finds; and that is what the
 * metrics of the host find in its outputs. */
static void check_scores(bool reals, clg_dtype type) {
    enum { N = 50 };
    clg_dataset *d = points(N, reals, 0, 3, CLG_TRAIN);
    clg_trainer *t = trainer(mlp, d, clg_fit_params(.epochs = 1, .batch = 16, .optim = {.lr = 1e-30}, .type = type));
    const clg_score run = fit(t, d, NULL).last.train;
    float out[N * 2];
    double f[N * 2], y[N * 2];
    clg_score s;
    cr_assert_eq(clg_evaluate(t, d, &s, NULL, out), CLG_OK, "%s", clg_error());
    cr_expect(fabs(run.loss - s.loss) < 1e-6 && run.n == N, "%.9g %.9g", run.loss, s.loss);
    if (!reals) {
        int right = 0;
        for (int i = 0; i < N; i++) {
            int32_t label;
            cr_assert_eq(clg_dataset_item(d, i, NULL, &label), CLG_OK);
            right += (out[2 * i + 1] > out[2 * i]) == label;
        }
        cr_expect(run.accuracy == s.accuracy && s.accuracy == right / (double)N && isnan(run.r2) && isnan(s.r2));
    } else {
        double loss = 0, squares = 0, all = 0;
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < N; i++) {
                double pair[2];
                cr_assert_eq(clg_dataset_row(d, i, NULL, pair), CLG_OK);
                f[i] = (double)out[2 * i + k];
                y[i] = pair[k];
            }
            const double mse = clg_metric_mse(y, f, N), r2 = clg_metric_r2(y, f, N);
            loss += mse / 2;
            squares += mse;
            all += mse / (1 - r2);
        }
        cr_expect(fabs(s.loss - loss) < 1e-6 && isnan(s.accuracy), "%.9g %.9g", s.loss, loss);
        cr_expect(fabs(s.r2 - (1 - squares / all)) < 1e-6, "%.9g %.9g", s.r2, 1 - squares / all);
        cr_expect(fabs(run.r2 - s.r2) < 1e-5, "%.9g %.9g", run.r2, s.r2);
    }
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

Test(fit, running_scores_are_those_of_an_evaluation) {
    check_scores(false, CLG_F32);
    check_scores(false, CLG_F64);
    check_scores(true, CLG_F32);
    check_scores(true, CLG_F64);
}

/* Least squares has one minimum, and gradient descent over all items finds it: the exact weights in double. */
Test(fit, linear_regression_in_double_finds_the_weights) {
    clg_dataset *d = points(40, true, 0, 3, CLG_TRAIN);
    clg_trainer *t = trainer("init zero\nlinear outputs\n", d,
                             clg_fit_params(.epochs = 300, .batch = 40, .optim = {.lr = 1}, .type = CLG_F64));
    const clg_fit_result r = fit(t, d, NULL);
    double w[4], b[2];
    cr_assert_eq(clg_store_read(clg_trainer_store(t), "fc1.weight", w, sizeof w), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(clg_trainer_store(t), "fc1.bias", b, sizeof b), CLG_OK, "%s", clg_error());
    cr_expect(fabs(w[0] - 2) < 1e-9 && fabs(w[1] + 3) < 1e-9 && fabs(b[0] - 1) < 1e-9, "%.12g %.12g %.12g", w[0], w[1],
              b[0]);
    cr_expect(r.last.train.r2 > 0.9 && r.last.train.r2 < 1, "%g", r.last.train.r2); /* x y is not linear */
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

Test(fit, names_of_classes_travel_a_line_each) {
    static const double x[] = {0, 1, 2};
    static const int32_t label[] = {0, 1, 0};
    static const char *const names[] = {"two\nlines", "b"};
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 3, .item = CLG_SHAPE(1), .x = x, .label = label,
                                                           .classes = 2, .class_name = names));
    clg_trainer *t = trainer(mlp, d, clg_fit_params(.epochs = 1, .batch = 3));
    (void)fit(t, d, NULL);
    cr_expect_str_eq(clg_store_meta(clg_trainer_store(t), "classes"), "two lines\nb");
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

/* --- the same bits --- */

static enum clg_fit_action stop_epoch(void *user, const clg_fit_state *s, const clg_epoch *e) {
    const stop_at *at = user;
    cr_expect(s->epoch == e->epoch && s->item == s->items);
    return at && e->epoch == at->epoch ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}

static void expect_same_history(const clg_trainer *a, const clg_trainer *b) {
    const clg_epoch *e, *f;
    const int64_t n = clg_trainer_history(a, &e);
    cr_assert_eq(n, clg_trainer_history(b, &f));
    for (int64_t i = 0; i < n; i++) {
        cr_expect(e[i].epoch == i + 1 && f[i].epoch == i + 1 && e[i].lr == f[i].lr);
        cr_expect(e[i].train.loss == f[i].train.loss && e[i].train.accuracy == f[i].train.accuracy &&
                  e[i].train.n == f[i].train.n, "epoch %d", (int)i + 1);
        cr_expect(e[i].val.loss == f[i].val.loss || (isnan(e[i].val.loss) && isnan(f[i].val.loss)), "epoch %d",
                  (int)i + 1);
    }
}

/* The reference device computes f32 in double, so only doubles have all their bits in a file of it.
 * Trains in one go, and again with a stop after `at` batches, a checkpoint and another trainer. */
static void check_resume(clg_device *d, const char *what, const char *text, clg_fit_params p, clg_dataset *train,
                         clg_dataset *val, int64_t at) {
    stop_at stop = {.step = at};
    clg_trainer *whole = trainer_on(d, text, train, &p);
    const clg_fit_result a = fit(whole, train, val);
    p.on_step = stop_step;
    p.user = &stop;
    p.save = "run.safetensors";
    clg_trainer *first = trainer_on(d, text, train, &p);
    const clg_fit_result half = fit(first, train, val);
    cr_expect(half.end == CLG_FIT_STOPPED && half.steps == at, "%s: %d after %d", what, half.end, (int)half.steps);
    p.user = NULL;
    clg_trainer *second = trainer_on(d, text, train, &p);
    cr_assert_eq(clg_trainer_resume(second, "run.safetensors"), CLG_OK, "%s: %s", what, clg_error());
    const clg_fit_result b = fit(second, train, val);
    cr_expect(a.end == b.end && a.steps == b.steps && a.epochs == b.epochs && a.best_epoch == b.best_epoch, "%s", what);
    expect_same_weights(whole, second, what);
    expect_same_history(whole, second);
    clg_trainer_destroy(&whole);
    clg_trainer_destroy(&first);
    clg_trainer_destroy(&second);
}

Test(fit, a_resumed_run_has_the_same_bits) {
    static const char noisy[] = "linear 16\nbatch_norm\nrelu\ndropout 0.3\nlinear outputs\n";
    clg_dataset *train = points(70, false, 0.1, 1, CLG_TRAIN), *val = points(40, false, 0.1, 2, CLG_VALIDATION);
    const clg_fit_params plain = {.epochs = 3, .batch = 16, .optimizer = "momentum", .type = CLG_F64};
    clg_fit_params all = {.epochs = 4, .batch = 16, .type = CLG_F64, .optimizer = "adam", .accumulate = 2,
                          .keep_best = true, .seed = 9,
                          .schedule = {.kind = CLG_LR_COSINE, .warmup = 3}, .optim = {.clip_norm = 0.5, .l2 = 1e-3}};
    check_resume(dev, "inside the first epoch", mlp, plain, train, NULL, 2);
    check_resume(dev, "at the end of an epoch", mlp, plain, train, val, 10);
    check_resume(dev, "inside, all at once", noisy, all, train, val, 12);
    all.schedule = (clg_schedule){.kind = CLG_LR_PLATEAU, .patience = 1, .gamma = 0.5};
    check_resume(dev, "a plateau", noisy, all, train, val, 17);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
}

Test(fit, a_resumed_run_on_the_device_has_the_same_bits, .timeout = 300) {
    static const char text[] = "conv 4 kernel=3\nrelu\nmax_pool 2\nflatten\ndropout 0.2\nlinear outputs\n";
    clg_device *d = clg_device_open(NULL, NULL);
    clg_dataset *all = clg_dataset_open("digits", CLG_TRAIN), *train = clg_dataset_slice(all, 0, 300);
    const clg_fit_params p = {.epochs = 2, .batch = 64, .optimizer = "momentum", .accumulate = 2,
                              .augment = {.shift = 2, .flip = true, .noise = 0.1},
                              .schedule = {.kind = CLG_LR_ONE_CYCLE}};
    check_resume(d, "augmented", text, p, train, NULL, 7);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&all);
    clg_device_destroy(&d);
}

Test(fit, reset_and_fit_is_a_new_trainer_without_new_plans) {
    clg_dataset *train = points(70, false, 0.1, 1, CLG_TRAIN), *val = points(40, false, 0.1, 2, CLG_VALIDATION);
    const clg_fit_params p = {.epochs = 2, .batch = 16, .optimizer = "adam", .keep_best = true};
    clg_trainer *a = trainer(mlp, train, &p), *b = trainer(mlp, train, &p);
    (void)fit(a, train, val);
    const int64_t plans = clg_trainer_plans(a);
    cr_expect_eq(plans, 3); /* batches of 16 and 6; evaluation of 40 */
    (void)fit(b, train, val);
    cr_assert_eq(clg_trainer_reset(a), CLG_OK, "%s", clg_error());
    cr_expect_eq(clg_trainer_history(a, NULL), 0);
    const clg_fit_result r = fit(a, train, val);
    cr_expect(r.epochs == 2 && r.steps == 10);
    expect_same_weights(a, b, "after a reset");
    expect_same_history(a, b);
    cr_expect_eq(clg_trainer_plans(a), plans);
    clg_trainer_destroy(&a);
    clg_trainer_destroy(&b);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
}

/* An evaluation of the training part in the middle of an epoch moves its position; the run must not notice. */
static enum clg_fit_action look(void *user, const clg_fit_state *s) {
    clg_score score;
    if (s->step % 3 == 0) cr_expect_eq(clg_evaluate(s->trainer, user, &score, NULL, NULL), CLG_OK, "%s", clg_error());
    return CLG_FIT_GO_ON;
}

Test(fit, a_callback_may_evaluate_the_training_part) {
    clg_dataset *d = points(70, false, 0.1, 1, CLG_TRAIN);
    clg_fit_params p = {.epochs = 2, .batch = 16};
    clg_trainer *a = trainer(mlp, d, &p);
    p.on_step = look;
    p.user = d;
    clg_trainer *b = trainer(mlp, d, &p);
    (void)fit(a, d, NULL);
    (void)fit(b, d, NULL);
    expect_same_weights(a, b, "looked at");
    clg_trainer_destroy(&a);
    clg_trainer_destroy(&b);
    clg_dataset_destroy(&d);
}

/* --- the learning rate --- */

typedef struct rates {
    const clg_fit_params *p;
    int64_t steps; /* of the optimiser, in all */
} rates;

/* After batch number s->step the state holds the rate of the next one. */
static enum clg_fit_action check_rate(void *user, const clg_fit_state *s) {
    const rates *r = user;
    float lr;
    cr_assert_eq(clg_store_read(clg_trainer_store(s->trainer), "optim.lr", &lr, sizeof lr), CLG_OK);
    const double want = r->p->optim.lr * clg_schedule_factor(&r->p->schedule, s->step / r->p->accumulate, r->steps);
    cr_expect_eq(lr, (float)want, "after batch %d: %g, not %g", (int)s->step, lr, want);
    return CLG_FIT_GO_ON;
}

Test(fit, the_schedule_counts_steps_of_the_optimiser) {
    clg_dataset *d = points(70, false, 0.1, 1, CLG_TRAIN);
    clg_fit_params p = {.epochs = 4, .batch = 16, .accumulate = 2, .optim = {.lr = 0.5},
                        .schedule = {.kind = CLG_LR_COSINE, .warmup = 2}, .on_step = check_rate};
    rates r = {&p, 10}; /* 5 batches an epoch */
    p.user = &r;
    clg_trainer *t = trainer(mlp, d, &p);
    const clg_fit_result end = fit(t, d, NULL);
    cr_expect_eq(end.last.lr, 0.5 * clg_schedule_factor(&p.schedule, 9, 10));
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

/* --- how runs end --- */

typedef struct kept {
    unsigned char w[64][1024];
    size_t n;
} kept;

static enum clg_fit_action keep(void *user, const clg_fit_state *s, const clg_epoch *e) {
    kept *k = user;
    if (e->epoch <= 64) k->n = weights(s->trainer, k->w[e->epoch - 1], sizeof k->w[0]);
    return CLG_FIT_GO_ON;
}

/* Wrong labels are learnt by heart, and the validation loss rises. */
Test(fit, early_stopping_restores_the_best_weights) {
    clg_dataset *train = points(24, false, 0.3, 1, CLG_TRAIN), *val = points(60, false, 0, 2, CLG_VALIDATION);
    kept *k = calloc(1, sizeof *k);
    clg_fit_params p = {.epochs = 64, .batch = 8, .optimizer = "adam", .optim = {.lr = 0.1}, .patience = 4,
                        .type = CLG_F64, .on_epoch = keep, .user = k, .save = "best.safetensors"};
    clg_trainer *t = trainer(mlp, train, &p);
    const clg_fit_result r = fit(t, train, val);
    clg_score s;
    cr_assert(r.end == CLG_FIT_EARLY && r.best_epoch > 0 && r.epochs == r.best_epoch + 4, "end %d, best %d of %d",
              r.end, (int)r.best_epoch, (int)r.epochs);
    cr_expect_eq(weights(t, now, ROOM), k->n);
    cr_expect_arr_eq(now, k->w[r.best_epoch - 1], k->n);
    cr_expect_arr_neq(now, k->w[r.epochs - 1], k->n);
    cr_assert_eq(clg_evaluate(t, val, &s, NULL, NULL), CLG_OK);
    cr_expect_eq(s.loss, r.best.val.loss);
    /* the file has them too, and the run in it is over */
    clg_trainer *again = trainer(mlp, train, &p);
    cr_assert_eq(clg_trainer_resume(again, "best.safetensors"), CLG_OK, "%s", clg_error());
    expect_same_weights(t, again, "saved");
    const clg_fit_result over = fit(again, train, val);
    cr_expect(over.end == CLG_FIT_EARLY && over.epochs == r.epochs && over.steps == r.steps);
    expect_same_weights(t, again, "still");
    clg_trainer_destroy(&t);
    clg_trainer_destroy(&again);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    free(k);
}

/* Whether the sum of losses is finite yet. */
static enum clg_fit_action first_bad(void *user, const clg_fit_state *s) {
    int64_t *step = user;
    double sum;
    cr_assert_eq(clg_store_read(clg_trainer_store(s->trainer), "fit.loss", &sum, sizeof sum), CLG_OK);
    if (*step == 0 && !isfinite(sum)) *step = s->step;
    return CLG_FIT_GO_ON;
}

Test(fit, a_run_that_diverges_says_where_and_keeps_the_last_good_weights) {
    clg_dataset *d = points(64, true, 0, 1, CLG_TRAIN);
    int64_t bad = 0;
    clg_fit_params p = {.epochs = 2, .batch = 4, .optim = {.lr = 0.05}, .save = "good.safetensors",
                        .type = CLG_F64};
    clg_trainer *t = trainer("linear outputs\n", d, &p);
    cr_expect_eq(fit(t, d, NULL).end, CLG_FIT_DONE);
    const size_t n = weights(t, then, ROOM);
    p.epochs = 50;
    p.optim.lr = 1e30;
    p.on_step = first_bad;
    p.user = &bad;
    cr_assert_eq(clg_trainer_set(t, &p), CLG_OK, "%s", clg_error());
    const clg_fit_result r = fit(t, d, NULL);
    cr_expect(r.end == CLG_FIT_DIVERGED && r.bad_step == bad && bad > 32 && bad < 48, "end %d, step %d, seen %d", r.end,
              (int)r.bad_step, (int)bad);
    cr_expect(r.epochs == 2 && r.steps == 32);
    cr_expect_eq(weights(t, now, ROOM), n);
    cr_expect_arr_eq(now, then, n);
    /* without a result it is an error */
    cr_expect_eq(clg_fit(t, d, NULL, NULL), CLG_ERR_INVALID);
    cr_expect_not_null(strstr(clg_error(), "not finite in step"), "%s", clg_error());
    /* and the run goes on with another rate */
    p.optim.lr = 0.05;
    p.epochs = 3;
    p.on_step = NULL;
    cr_assert_eq(clg_trainer_set(t, &p), CLG_OK);
    cr_expect(fit(t, d, NULL).end == CLG_FIT_DONE);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

/* The loss of the only step is fine, what it makes of the weights is not. With a validation part its loss tells;
 * without one, some training items are tried. */
Test(fit, an_epoch_whose_weights_are_not_good_does_not_count) {
    clg_dataset *d = points(64, true, 0, 1, CLG_TRAIN), *val = points(10, true, 0, 2, CLG_VALIDATION);
    const clg_fit_params p = {.epochs = 3, .batch = 64, .optim = {.lr = 1e30}, .save = "never.safetensors"};
    for (int validates = 0; validates < 2; validates++) {
        clg_trainer *t = trainer("linear outputs\n", d, &p);
        const size_t n = weights(t, then, ROOM);
        const clg_fit_result r = fit(t, d, validates ? val : NULL);
        cr_expect(r.end == CLG_FIT_DIVERGED && r.bad_step == 1 && r.epochs == 0 && r.steps == 0, "end %d in step %d",
                  r.end, (int)r.bad_step);
        cr_expect_eq(weights(t, now, ROOM), n);
        cr_expect_arr_eq(now, then, n);
        cr_expect_eq(access("never.safetensors", F_OK), -1);
        clg_trainer_destroy(&t);
    }
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&val);
}

Test(fit, callbacks_stop_a_run_and_it_goes_on) {
    clg_dataset *d = points(70, false, 0.1, 1, CLG_TRAIN);
    stop_at stop = {.step = 3, .epoch = 2};
    const clg_fit_params p = {.epochs = 3, .batch = 16, .on_step = stop_step, .on_epoch = stop_epoch, .user = &stop};
    clg_trainer *a = trainer(mlp, d, &p), *b = trainer(mlp, d, clg_fit_params(.epochs = 3, .batch = 16));
    clg_fit_result r = fit(a, d, NULL);
    cr_expect(r.end == CLG_FIT_STOPPED && r.steps == 3 && r.epochs == 0);
    r = fit(a, d, NULL);
    cr_expect(r.end == CLG_FIT_STOPPED && r.steps == 10 && r.epochs == 2);
    r = fit(a, d, NULL);
    cr_expect(r.end == CLG_FIT_DONE && r.steps == 15 && r.epochs == 3);
    (void)fit(b, d, NULL);
    expect_same_weights(a, b, "stopped twice");
    clg_trainer_destroy(&a);
    clg_trainer_destroy(&b);
    clg_dataset_destroy(&d);
}

/* --- order and plateaus --- */

Test(fit, the_seed_orders_the_items_unless_they_stay_in_order) {
    clg_dataset *d = points(70, false, 0.1, 1, CLG_TRAIN);
    clg_fit_params p = {.epochs = 2, .batch = 16, .no_shuffle = true, .seed = 1}, q = p;
    q.seed = 2;
    clg_trainer *a = trainer(mlp, d, &p), *b = trainer(mlp, d, &q);
    (void)fit(a, d, NULL);
    (void)fit(b, d, NULL);
    expect_same_weights(a, b, "in order");
    p.no_shuffle = q.no_shuffle = false;
    cr_assert(clg_trainer_reset(a) == CLG_OK && clg_trainer_set(a, &p) == CLG_OK, "%s", clg_error());
    cr_assert(clg_trainer_reset(b) == CLG_OK && clg_trainer_set(b, &q) == CLG_OK, "%s", clg_error());
    (void)fit(a, d, NULL);
    (void)fit(b, d, NULL);
    const size_t n = weights(a, now, ROOM);
    (void)weights(b, then, ROOM);
    cr_expect_arr_neq(now, then, n, "shuffled by two seeds");
    clg_trainer_destroy(&a);
    clg_trainer_destroy(&b);
    clg_dataset_destroy(&d);
}

/* Nothing gets better at so small a rate, so it falls after each second epoch. */
Test(fit, a_plateau_lowers_the_learning_rate) {
    clg_dataset *train = points(32, false, 0.5, 1, CLG_TRAIN), *val = points(40, false, 0.5, 2, CLG_VALIDATION);
    const clg_schedule s = {.kind = CLG_LR_PLATEAU, .patience = 2, .gamma = 0.5, .better = 1};
    clg_trainer *t = trainer(mlp, train, clg_fit_params(.epochs = 7, .batch = 32, .schedule = s,
                                                        .optim = {.lr = 0.01}));
    const double want[] = {0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025};
    const clg_epoch *e;
    (void)fit(t, train, val);
    cr_assert_eq(clg_trainer_history(t, &e), 7);
    for (int i = 0; i < 7; i++) cr_expect_float_eq(e[i].lr, want[i], 1e-12, "epoch %d: %g", i + 1, e[i].lr);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
}

/* Training runs: what they learn, that they go on to the same bits, when they end, and what they refuse. On the
 * reference device where nothing else is said: the loop is the same. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clg_device *dev;
static char dir[64];

static void open_dev(void) {
    dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    strcpy(dir, "/tmp/clgrad-fit-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
}

static void close_dev(void) {
    clg_device_destroy(&dev);
    cr_assert_eq(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(fit, .init = open_dev, .fini = close_dev, .timeout = 120);

/* --- data and models --- */

/* n points; class: inside the circle or not, with a share of wrong labels; or as reals 2 x - 3 y + 1 and x y. */
static clg_dataset *points(int64_t n, bool reals, double wrong, uint32_t seed, enum clg_part part) {
    double *x = calloc((size_t)n * 2, sizeof *x), *target = calloc((size_t)n * 2, sizeof *target);
    int32_t *label = calloc((size_t)n, sizeof *label);
    uint32_t r = seed;
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            r = r * 1664525u + 1013904223u;
            x[2 * i + k] = (double)(r >> 8) / (1 << 23) - 1;
        }
        r = r * 1664525u + 1013904223u;
        const double a = x[2 * i], b = x[2 * i + 1];
        const bool inside = a * a + b * b < 0.6;
        label[i] = ((double)(r >> 8) / (1 << 24) < wrong) ? !inside : inside;
        target[2 * i] = 2 * a - 3 * b + 1;
        target[2 * i + 1] = a * b;
    }
    const clg_dataset_params p = {.n = n, .item = CLG_SHAPE(2), .x = x, .label = reals ? NULL : label, .classes = 2,
                                  .target = reals ? target : NULL, .targets = 2, .part = part};
    clg_dataset_params q = p;
    if (reals) q.classes = 0;
    clg_dataset *d = clg_dataset_create(&q);
    cr_assert_not_null(d, "%s", clg_error());
    free(x);
    free(target);
    free(label);
    return d;
}

static clg_model *model_for(const char *text, const clg_dataset *d) {
    clg_model *open = clg_model_parse("test", text);
    cr_assert_not_null(open, "%s", clg_error());
    clg_model *m = clg_model_for(open, clg_dataset_shape(d), clg_dataset_classes(d), clg_dataset_targets(d));
    cr_assert_not_null(m, "%s", clg_error());
    clg_model_destroy(&open);
    return m;
}

/* A trainer with a store of its own, which it holds. */
static clg_trainer *trainer_on(clg_device *d, const char *text, const clg_dataset *data, const clg_fit_params *p) {
    clg_store *store = clg_store_create(d, 5);
    clg_model *m = model_for(text, data);
    clg_trainer *t = clg_trainer_create(d, store, m, p);
    cr_assert_not_null(t, "%s", clg_error());
    clg_model_destroy(&m);
    clg_store_destroy(&store);
    return t;
}

static clg_trainer *trainer(const char *text, const clg_dataset *data, const clg_fit_params *p) {
    return trainer_on(dev, text, data, p);
}

static clg_fit_result fit(clg_trainer *t, clg_dataset *train, clg_dataset *val) {
    clg_fit_result r;
    cr_assert_eq(clg_fit(t, train, val, &r), CLG_OK, "%s", clg_error());
    return r;
}

static const char mlp[] = "linear 16\ntanh\nlinear outputs\n";

/* All params of a store, one after the other. */
static size_t weights(clg_trainer *t, unsigned char *to, size_t size) {
    clg_store *s = clg_trainer_store(t);
    size_t at = 0;
    for (int i = 0; i < clg_store_count(s); i++) {
        clg_store_entry e;
        cr_assert_eq(clg_store_get(s, i, &e), CLG_OK);
        size_t n = clg_dtype_size(e.dtype);
        for (int k = 0; k < e.shape.ndim; k++) n *= (size_t)e.shape.dim[k];
        if (!e.trainable || strncmp(e.name, "fit.", 4) == 0) continue; /* what a file made counts as trainable */
        cr_assert(at + n <= size);
        cr_assert_eq(clg_store_read(s, e.name, to + at, n), CLG_OK);
        at += n;
    }
    return at;
}

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

/* --- the same bits --- */

typedef struct stop_at {
    int64_t step, epoch; /* 0: never */
} stop_at;

static enum clg_fit_action stop_step(void *user, const clg_fit_state *s) {
    const stop_at *at = user;
    return at && s->step == at->step ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}

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

/* --- what is refused --- */

typedef struct refused {
    const char *what, *model; /* model NULL: mlp */
    clg_fit_params p;
    int  train, val;          /* which of the data sets; -1: NULL */
    const char *message[2];   /* both stand in it */
} refused;

enum { TRAIN, TEST_PART, REALS, PICTURES, WHOLE, N_SETS };

Test(fit, mistakes_are_named) {
    static const refused table[] = {
        {"large batch", .p = {.batch = 100}, .val = -1, .message = {"batch of 100", "70 items"}},
        {"test part", .train = TEST_PART, .val = -1, .message = {"test part", "must not be trained on"}},
        {"the whole", .train = WHOLE, .val = -1, .message = {"2 of the 70 items are in a test part", "training part"}},
        {"no data", .train = -1, .val = -1, .message = {"training part is NULL", ""}},
        {"patience", .p = {.patience = 2}, .val = -1, .message = {"early stopping", "give a validation part"}},
        {"keep_best", .p = {.keep_best = true}, .val = -1, .message = {"keep_best", "give a validation part"}},
        {"best by test", .p = {.keep_best = true}, .val = TEST_PART, .message = {"keep_best", "choose by a test part"}},
        {"plateau", .p = {.schedule = {.kind = CLG_LR_PLATEAU}}, .val = -1, .message = {"plateau", "validation part"}},
        {"reals", .train = REALS, .val = -1, .message = {"0 classes", "1 to 2"}},
        {"pictures", .val = PICTURES, .message = {"validation part are 1x2", "is for 2"}},
        {"negative epochs", .p = {.epochs = -1}, .val = -1, .message = {"epochs = -1", "at least 1"}},
        {"optimizer", .p = {.optimizer = "sgdd"}, .val = -1, .message = {"sgdd", "momentum"}},
        {"type", .p = {.type = CLG_F16}, .val = -1, .message = {"f16", "f32 or f64"}},
        {"schedule", .p = {.schedule = {.warmup = -1}}, .val = -1, .message = {"warmup", ""}},
        {"open model", "linear outputs\n", .val = -1, .message = {"open", "clg_model_for"}},
    };
    static const double picture[] = {1, 2};
    static const int32_t label[] = {1};
    static const int64_t held_out[] = {3, 40};
    clg_dataset *set[N_SETS] = {points(70, false, 0, 1, CLG_TRAIN), points(70, false, 0, 2, CLG_TEST),
        points(70, true, 0, 1, CLG_TRAIN),
        clg_dataset_create(clg_dataset_params(.n = 1, .item = CLG_SHAPE(1, 2), .x = picture, .label = label)),
        points(70, false, 0, 1, CLG_TRAIN)};
    clg_dataset *test = clg_dataset_subset(set[WHOLE], held_out, 2, CLG_TEST);
    cr_assert(set[PICTURES] && test, "%s", clg_error());
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const refused *c = &table[i];
        clg_store *store = clg_store_create(dev, 1);
        clg_model *m = c->model ? clg_model_parse("open", c->model) : model_for(mlp, set[TRAIN]);
        clg_trainer *t = clg_trainer_create(dev, store, m, &c->p);
        clg_dataset *val = c->val < 0 ? NULL : set[c->val], *train = c->train < 0 ? NULL : set[c->train];
        if (t) cr_expect_lt(clg_fit(t, train, val, NULL), 0, "%s", c->what);
        for (int k = 0; k < 2; k++)
            cr_expect_not_null(strstr(clg_error(), c->message[k]), "%s: \"%s\" is not in \"%s\"", c->what,
                               c->message[k], clg_error());
        clg_trainer_destroy(&t);
        clg_model_destroy(&m);
        clg_store_destroy(&store);
    }
    for (int i = 0; i < N_SETS; i++) clg_dataset_destroy(&set[i]);
    clg_dataset_destroy(&test);
}

static void listen(void *user, enum clg_log_level level, const char *msg) {
    if (level == CLG_LOG_WARN && strstr(msg, "evaluated a second time")) ++*(int *)user;
}

Test(fit, a_second_look_at_the_test_part_is_noted) {
    int notes = 0;
    clg_score s;
    clg_dataset *train = points(70, false, 0, 1, CLG_TRAIN), *test = points(30, false, 0, 2, CLG_TEST);
    clg_trainer *t = trainer(mlp, train, NULL);
    clg_set_log(listen, &notes, CLG_LOG_WARN);
    for (int i = 0; i < 3; i++) cr_assert_eq(clg_evaluate(t, train, &s, NULL, NULL), CLG_OK);
    cr_assert_eq(clg_evaluate(t, test, &s, NULL, NULL), CLG_OK);
    cr_expect_eq(notes, 0);
    for (int i = 0; i < 3; i++) cr_assert_eq(clg_evaluate(t, test, &s, NULL, NULL), CLG_OK);
    cr_expect_eq(notes, 1);
    clg_set_log(NULL, NULL, CLG_LOG_WARN);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&test);
}

/* --- checkpoints of something else --- */

typedef struct other {
    const char *what, *model;
    clg_fit_params p;
    uint64_t seed;
    const char *message[2];
} other;

static void expect_refused(const other *c, const clg_dataset *d, const char *path) {
    clg_store *store = clg_store_create(dev, c->seed);
    clg_model *m = model_for(c->model, d);
    clg_trainer *t = clg_trainer_create(dev, store, m, &c->p);
    cr_assert_not_null(t, "%s", clg_error());
    const size_t n = weights(t, then, ROOM);
    cr_expect_eq(clg_trainer_resume(t, path), CLG_ERR_FORMAT, "%s", c->what);
    for (int k = 0; k < 2; k++)
        cr_expect_not_null(strstr(clg_error(), c->message[k]), "%s: \"%s\" is not in \"%s\"", c->what, c->message[k],
                           clg_error());
    cr_expect_not_null(strstr(clg_error(), path), "%s", clg_error());
    cr_expect_eq(clg_trainer_history(t, NULL), 0);
    cr_expect_eq(weights(t, now, ROOM), n);
    cr_expect_arr_eq(now, then, n, "%s", c->what);
    clg_trainer_destroy(&t);
    clg_model_destroy(&m);
    clg_store_destroy(&store);
}

Test(fit, a_checkpoint_of_another_run_is_refused) {
    static const other table[] = {
        {"model", "linear 12\ntanh\nlinear outputs\n", {.batch = 16}, 5, {"another model", "linear 12"}},
        {"optimizer", mlp, {.batch = 16, .optimizer = "adam"}, 5, {"trained by sgd", "adam"}},
        {"type", mlp, {.batch = 16, .type = CLG_F64}, 5, {"trained in f32", "f64"}},
        {"batch", mlp, {.batch = 32}, 5, {"batch 16", "32"}},
        {"seed", mlp, {.batch = 16}, 6, {"seed 5", "6"}},
    };
    static const other none = {"no run", mlp, {0}, 5, {"no text \"model\"", ""}};
    clg_dataset *d = points(70, false, 0, 1, CLG_TRAIN);
    stop_at stop = {.step = 7};
    clg_trainer *t = trainer(mlp, d, clg_fit_params(.batch = 16, .on_step = stop_step, .user = &stop));
    (void)fit(t, d, NULL);
    cr_assert_eq(clg_trainer_save(t, "a.safetensors"), CLG_OK, "%s", clg_error());
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) expect_refused(&table[i], d, "a.safetensors");
    clg_store *bare = clg_store_create(dev, 5);
    cr_assert_eq(clg_store_save(bare, "bare.safetensors", NULL), CLG_OK, "%s", clg_error());
    expect_refused(&none, d, "bare.safetensors");
    /* a good text in a file whose weights are gone */
    cr_assert_eq(clg_store_set_meta(bare, "model", clg_store_meta(clg_trainer_store(t), "model")), CLG_OK);
    cr_assert_eq(clg_store_set_meta(bare, "training", clg_store_meta(clg_trainer_store(t), "training")), CLG_OK);
    cr_assert_eq(clg_store_save(bare, "empty.safetensors", NULL), CLG_OK, "%s", clg_error());
    const other empty = {"no weights", mlp, {.batch = 16}, 5, {"fc1.weight", ""}};
    expect_refused(&empty, d, "empty.safetensors");
    cr_assert_eq(clg_store_set_meta(bare, "training", "{\"version\":1}"), CLG_OK);
    cr_assert_eq(clg_store_save(bare, "text.safetensors", NULL), CLG_OK, "%s", clg_error());
    const other text = {"bad text", mlp, {.batch = 16}, 5, {"does not describe a training run", "optimizer"}};
    expect_refused(&text, d, "text.safetensors");
    clg_store_destroy(&bare);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
}

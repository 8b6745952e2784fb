/* Data parallel training: what is computed, on reference devices in f64, against one device; and the curves of one
 * OpenCL device and of its halves. What happens when a device is lost: test_lost.c. */
#include "support/opencl.h"
#include "support/runs.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(parallel, .init = open_dev, .fini = close_dev, .timeout = 240);

static const char mlp[] = "linear 16\ntanh\nlinear outputs\n";
static const char normed[] = "linear 16\nbatch_norm\nrelu\nlinear outputs\n";
static const char dropped_out[] = "linear 16\nrelu\ndropout 0.5\nlinear outputs\n";

enum { MORE = 3, ROOM = 1 << 16 };
static clg_device *more[MORE];
static unsigned char now[ROOM], then[ROOM];

static void open_more(const char *which) {
    for (int i = 0; i < MORE; i++) {
        more[i] = clg_device_open(which, NULL);
        cr_assert_not_null(more[i], "%s", clg_error());
    }
}

static void close_more(void) {
    for (int i = 0; i < MORE; i++) clg_device_destroy(&more[i]);
}

/* The largest distance of two runs' weights in f64, relative to max(1, |w|). */
static double distance(clg_trainer *a, clg_trainer *b) {
    const size_t n = weights(a, now, ROOM);
    cr_assert_eq(n, weights(b, then, ROOM));
    double worst = 0;
    for (size_t i = 0; i + sizeof(double) <= n; i += sizeof(double)) {
        double x, y;
        memcpy(&x, now + i, sizeof x);
        memcpy(&y, then + i, sizeof y);
        worst = fmax(worst, fabs(x - y) / fmax(1, fabs(x)));
        if (!isfinite(x - y)) worst = INFINITY;
    }
    return worst;
}

static void expect_same_bits(clg_trainer *a, clg_trainer *b, const char *what) {
    const size_t n = weights(a, now, ROOM);
    cr_assert_eq(n, weights(b, then, ROOM));
    cr_expect_arr_eq(now, then, n, "%s", what);
}

/* A run on 1 + n devices. */
static clg_trainer *run_on(int n, const char *model, clg_dataset *d, clg_fit_params p, const int64_t *split) {
    p.devices = more;
    p.n_devices = n;
    p.split = split;
    clg_trainer *t = trainer(model, d, &p);
    fit(t, d, NULL);
    return t;
}

/* --- what is computed --- */

/* Each row: as one device, up to sums in another order. 50 items: the last batch of an epoch has 2. */
Test(parallel, several_devices_make_the_steps_of_one) {
    static const struct { int n; clg_fit_params p; bool reals; int64_t split[4]; } row[] = {
        {1, {.optimizer = "sgd", .optim = {.lr = 0.5}}, false, {9, 7}},
        {1, {.optimizer = "adam", .optim = {.lr = 0.02, .l2 = 0.01}}, true, {1, 15}},
        {2, {.optimizer = "nesterov", .optim = {.weight_decay = 0.1, .clip_norm = 0.5}, .accumulate = 3}, false,
         {5, 0, 11}},
        {3, {.optimizer = "rmsprop", .optim = {.max_norm2 = 2}, .schedule = {.kind = CLG_LR_COSINE}}, true,
         {4, 4, 4, 4}},
    };
    open_more("ref");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        clg_fit_params p = row[i].p;
        p.epochs = 4;
        p.batch = 16;
        p.type = CLG_F64;
        clg_dataset *d = points(50, row[i].reals, 0, 3, CLG_TRAIN);
        clg_trainer *one = run_on(0, mlp, d, p, NULL), *all = run_on(row[i].n, mlp, d, p, row[i].split);
        const clg_epoch *a, *b;
        const double off = distance(one, all);
        cr_expect_lt(off, 1e-12, "row %d: off by %g", (int)i, off);
        cr_assert(clg_trainer_history(one, &a) == 4 && clg_trainer_history(all, &b) == 4);
        for (int e = 0; e < 4; e++) {
            cr_expect(fabs(a[e].train.loss - b[e].train.loss) < 1e-12 && a[e].lr == b[e].lr, "row %d", (int)i);
            cr_expect(row[i].reals ? fabs(a[e].train.r2 - b[e].train.r2) < 1e-12
                                   : a[e].train.accuracy == b[e].train.accuracy, "row %d", (int)i);
        }
        clg_trainer_destroy(&one);
        clg_trainer_destroy(&all);
        clg_dataset_destroy(&d);
    }
    close_more();
}

/* A device without rows makes the steps of the others: so all bits are those of one device. */
Test(parallel, rows_of_one_device_give_its_bits) {
    static const int64_t split[] = {0, 16, 0};
    const clg_fit_params p = {.epochs = 3, .batch = 16, .type = CLG_F64, .optimizer = "momentum"};
    open_more("ref");
    clg_dataset *d = points(50, false, 0, 3, CLG_TRAIN);
    clg_trainer *one = run_on(0, mlp, d, p, NULL), *all = run_on(2, mlp, d, p, split);
    expect_same_bits(one, all, "16 rows of 16");
    clg_trainer_destroy(&one);
    clg_trainer_destroy(&all);
    clg_dataset_destroy(&d);
    close_more();
}

/* Also where each device has statistics and random numbers of its own. */
Test(parallel, same_devices_and_split_give_the_same_bits) {
    static const int64_t split[] = {7, 9};
    static const char *const model[] = {mlp, normed, dropped_out};
    const clg_fit_params p = {.epochs = 3, .batch = 16, .optimizer = "adam"};
    clg_device *first = dev;
    open_more(NULL);
    dev = more[2];
    clg_dataset *d = points(52, false, 0, 3, CLG_TRAIN);
    for (int i = 0; i < 3; i++) {
        clg_trainer *a = run_on(2 - 1, model[i], d, p, split), *b = run_on(2 - 1, model[i], d, p, split);
        expect_same_bits(a, b, model[i]);
        clg_trainer_destroy(&a);
        clg_trainer_destroy(&b);
    }
    dev = first;
    clg_dataset_destroy(&d);
    close_more();
}

/* If both drew the same mask for the same item, the sum would be what one of them has. */
Test(parallel, random_streams_differ) {
    static const double x[] = {0.3, 0.7, 0.3, 0.7};
    static const int32_t label[] = {1, 1};
    static const int64_t split[] = {1, 1};
    const clg_fit_params one = {.epochs = 6, .batch = 1, .type = CLG_F64}, two = {.epochs = 6, .batch = 2,
                                                                                 .type = CLG_F64};
    open_more("ref");
    for (int i = 0; i < 2; i++) {
        clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 2, .item = CLG_SHAPE(2), .x = x, .label = label,
                                                               .classes = 2));
        clg_dataset *half = clg_dataset_create(clg_dataset_params(.n = 1, .item = CLG_SHAPE(2), .x = x,
                                                                  .label = label, .classes = 2));
        const char *model = i == 0 ? mlp : dropped_out;
        clg_trainer *a = run_on(0, model, half, one, NULL), *b = run_on(1, model, d, two, split);
        const double off = distance(a, b);
        cr_expect(i == 0 ? off < 1e-14 : off > 1e-3, "%s: off by %g", model, off);
        clg_trainer_destroy(&a);
        clg_trainer_destroy(&b);
        clg_dataset_destroy(&d);
        clg_dataset_destroy(&half);
    }
    close_more();
}

/* --- the split --- */

static int64_t rows_of(clg_trainer *t, int n, int64_t *rows) {
    clg_worker w[4];
    int64_t sum = 0;
    cr_assert_eq(clg_trainer_workers(t, w, 4), n);
    for (int i = 0; i < n; i++) {
        sum += rows[i] = w[i].rows;
        cr_expect(!w[i].dropped && strcmp(w[i].why, "") == 0 && w[i].name[0]);
    }
    return sum;
}

/* Fewer rows than devices; all rows are there, and a resumed run has the split that was measured. */
Test(parallel, a_split_is_measured_and_kept) {
    int64_t rows[4], again[4];
    clg_worker w[4];
    clg_dataset *d = points(200, false, 0, 3, CLG_TRAIN);
    open_more("ref");
    for (int batch = 2; batch <= 12; batch += 10) {
        const clg_fit_params p = {.epochs = 3, .batch = batch, .type = CLG_F64, .devices = more, .n_devices = MORE};
        clg_trainer *one = run_on(0, mlp, d, p, NULL), *t = run_on(MORE, mlp, d, p, NULL);
        cr_expect_eq(rows_of(t, 4, rows), batch);
        cr_expect_lt(distance(one, t), 1e-12);
        cr_assert_eq(clg_trainer_workers(t, w, 4), 4);
        for (int i = 0; i < 4; i++) cr_expect((w[i].rows_per_second > 0) == (batch == 12 || rows[i] > 0));
        cr_assert_eq(clg_trainer_save(t, "split"), CLG_OK, "%s", clg_error());
        clg_trainer *u = trainer(mlp, d, &p);
        cr_assert_eq(clg_trainer_resume(u, "split"), CLG_OK, "%s", clg_error());
        rows_of(u, 4, again);
        cr_expect_arr_eq(rows, again, sizeof rows);
        clg_trainer_destroy(&u);
        clg_trainer_destroy(&t);
        clg_trainer_destroy(&one);
    }
    close_more();
    clg_dataset_destroy(&d);
}

/* --- going on --- */

Test(parallel, a_resumed_run_has_the_same_bits) {
    static const int64_t split[] = {3, 6, 7};
    const stop_at stop = {.step = 6};
    const char *const model[] = {dropped_out, normed};
    open_more("ref");
    for (int i = 0; i < 2; i++) {
        clg_fit_params p = {.epochs = 3, .batch = 16, .type = CLG_F64, .optimizer = "adam", .save = "ck",
                            .on_step = stop_step};
        clg_dataset *d = points(50, false, 0, 3, CLG_TRAIN);
        clg_trainer *whole = run_on(2, model[i], d, p, split);
        p.user = (void *)&stop;
        clg_trainer *part = run_on(2, model[i], d, p, split);
        p.user = NULL;
        p.devices = more;
        for (int n = 2; n >= 0; n--) { /* with the same devices, with one less, with one alone */
            p.n_devices = n;
            p.split = n == 2 ? split : NULL;
            clg_trainer *t = trainer(model[i], d, &p);
            cr_assert_eq(clg_trainer_save(part, "part"), CLG_OK, "%s", clg_error());
            cr_assert_eq(clg_trainer_resume(t, "part"), CLG_OK, "%s", clg_error());
            const clg_fit_result r = fit(t, d, NULL);
            cr_expect(r.end == CLG_FIT_DONE && r.epochs == 3 && r.steps == 12, "%d devices", n + 1);
            if (n == 2) expect_same_bits(whole, t, model[i]);
            clg_trainer_destroy(&t);
        }
        clg_trainer_destroy(&whole);
        clg_trainer_destroy(&part);
        clg_dataset_destroy(&d);
    }
    close_more();
}

/* Early stopping, the best weights and a loss that is not finite. */
Test(parallel, runs_end_as_on_one_device) {
    static const int64_t split[] = {8, 8};
    clg_dataset *d = points(48, false, 0.4, 3, CLG_TRAIN), *val = points(30, false, 0, 4, CLG_VALIDATION);
    clg_fit_params p = {.epochs = 60, .batch = 16, .type = CLG_F64, .optimizer = "adam", .optim = {.lr = 0.1},
                        .patience = 3, .devices = more, .n_devices = 1, .split = split};
    open_more("ref");
    clg_trainer *all = trainer(mlp, d, &p);
    p.n_devices = 0;
    p.split = NULL;
    clg_trainer *one = trainer(mlp, d, &p);
    const clg_fit_result a = fit(one, d, val), b = fit(all, d, val);
    cr_expect(a.end == CLG_FIT_EARLY && b.end == CLG_FIT_EARLY && a.best_epoch == b.best_epoch && a.epochs == b.epochs);
    cr_expect_lt(distance(one, all), 1e-9);
    clg_trainer_destroy(&one);
    clg_trainer_destroy(&all);
    clg_dataset *real = points(48, true, 0, 3, CLG_TRAIN);
    all = trainer("linear outputs\n", real, clg_fit_params(.epochs = 200, .batch = 16, .type = CLG_F64,
        .optim = {.lr = 1e6}, .devices = more, .n_devices = 1, .split = split));
    const clg_fit_result c = fit(all, real, NULL);
    cr_expect(c.end == CLG_FIT_DIVERGED && c.bad_step > 10, "step %lld", (long long)c.bad_step);
    clg_trainer_destroy(&all);
    clg_dataset_destroy(&real);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&val);
    close_more();
}

/* --- refusals --- */

Test(parallel, params_that_do_not_fit_are_refused) {
    open_more("ref");
    clg_device *const twice[] = {more[0], more[0]}, *const none[] = {NULL}, *const same[] = {dev};
    static const int64_t few[] = {8, 7}, minus[] = {17, -1};
    const struct { clg_fit_params p; const char *says; } row[] = {
        {{.batch = 16, .devices = twice, .n_devices = 2}, "device 2 of the further ones is there twice"},
        {{.batch = 16, .devices = none, .n_devices = 1}, "device 1 of the further ones is NULL"},
        {{.batch = 16, .devices = same, .n_devices = 1}, "further device 1 is the first one"},
        {{.batch = 16, .n_devices = 1}, "the list of devices is NULL"},
        {{.batch = 16, .devices = more, .n_devices = 1, .split = few},
         "the rows of 2 devices are 15 together, but a batch has 16"},
        {{.batch = 16, .devices = more, .n_devices = 1, .split = minus}, "17 rows for device 1 do not fit"},
        {{.batch = 16, .devices = more, .n_devices = 1, .on_failure = (enum clg_on_failure)7}, "on_failure = 7"},
    };
    clg_dataset *d = points(32, false, 0, 3, CLG_TRAIN);
    clg_store *s = clg_store_create(dev, 1);
    clg_model *m = model_for(mlp, d);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        cr_expect_null(clg_trainer_create(dev, s, m, &row[i].p));
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
        cr_expect_not_null(strstr(clg_error(), row[i].says), "%s is not in: %s", row[i].says, clg_error());
    }
    clg_trainer *t = clg_trainer_create(dev, s, m, clg_fit_params(.batch = 16, .devices = more, .n_devices = 1));
    cr_assert_not_null(t, "%s", clg_error());
    cr_expect_eq(clg_trainer_set(t, clg_fit_params(.batch = 16, .devices = more, .n_devices = 2)), CLG_ERR_INVALID);
    cr_expect_eq(clg_trainer_set(t, clg_fit_params(.batch = 8, .devices = more, .n_devices = 1)), CLG_OK);
    clg_trainer_destroy(&t);
    clg_model_destroy(&m);
    clg_store_destroy(&s);
    clg_dataset_destroy(&d);
    close_more();
}

/* --- two halves of a device --- */

enum { STEPS_OF_LENET = 50 };

/* The loss of each step, from the sum over the epoch, which one state keeps on every device. */
typedef struct curve {
    double sum, loss[STEPS_OF_LENET];
} curve;

static enum clg_fit_action note_loss(void *user, const clg_fit_state *s) {
    curve *c = user;
    float sum;
    cr_assert_eq(clg_store_read(clg_trainer_store(s->trainer), "fit.loss", &sum, sizeof sum), CLG_OK);
    c->loss[s->step - 1] = ((double)sum - c->sum) / 64;
    c->sum = (double)sum;
    return s->step == STEPS_OF_LENET ? CLG_FIT_STOP : CLG_FIT_GO_ON;
}

static void train_lenet(clg_dataset *d, const char *first, const char *second, curve *c) {
    static const int64_t split[] = {40, 24};
    clg_device *a = clg_device_open(first, NULL), *b = second ? clg_device_open(second, NULL) : NULL;
    cr_assert(a && (b || !second), "%s", clg_error());
    clg_store *store = clg_store_create(a, 1);
    clg_model *open = clg_model_zoo("lenet", NULL);
    clg_model *m = clg_model_for(open, clg_dataset_shape(d), clg_dataset_classes(d), 0);
    clg_trainer *t = clg_trainer_create(a, store, m, clg_fit_params(.batch = 64, .optimizer = "momentum",
        .devices = &b, .n_devices = second ? 1 : 0, .split = second ? split : NULL, .on_step = note_loss, .user = c));
    cr_assert_not_null(t, "%s", clg_error());
    fit(t, d, NULL);
    clg_trainer_destroy(&t);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    clg_store_destroy(&store);
    clg_device_destroy(&b);
    clg_device_destroy(&a);
}

/* The bound that docs/design.md derives: 1e-4. */
Test(parallel, the_curves_of_one_device_and_of_its_halves_agree) {
    static curve one, two;
    char whole[64], half[2][64];
    const char *why = why_no_halves(opencl_device());
    if (why) cr_skip_test("%s", why);
    for (int i = 0; i < 2; i++) half_of_device(i, half[i], sizeof half[i]);
    snprintf(whole, sizeof whole, "%.*s", (int)strcspn(half[0], "#"), half[0]);
    clg_dataset *d = clg_dataset_open("digits", CLG_TRAIN);
    train_lenet(d, whole, NULL, &one);
    train_lenet(d, half[0], half[1], &two);
    double worst = 0;
    for (int i = 0; i < STEPS_OF_LENET; i++) worst = fmax(worst, fabs(one.loss[i] - two.loss[i]));
    cr_expect_lt(worst, 1e-4, "off by %g", worst);
    cr_expect(one.loss[0] > 2 && one.loss[STEPS_OF_LENET - 1] < 1, "%g, %g", one.loss[0], one.loss[STEPS_OF_LENET - 1]);
    clg_dataset_destroy(&d);
}

/* Data parallel training when a device is lost: on the OpenCL device, opened twice, one of which fails by
 * support/fail.c. What is computed while none fails: test_parallel.c. */
#include "support/fail.h"
#include "support/opencl.h"
#include "support/runs.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(lost, .init = open_dev, .fini = close_dev, .timeout = 240);

static const char mlp[] = "linear 16\ntanh\nlinear outputs\n";
static const char dropped_out[] = "linear 16\nrelu\ndropout 0.5\nlinear outputs\n";

enum { ROOM = 1 << 16 };
static unsigned char now[ROOM], then[ROOM];

static char warned[1000];
static int  n_warned;

static void take_message(void *user, enum clg_log_level level, const char *message) {
    (void)user;
    if (level != CLG_LOG_WARN || strncmp(message, "fit: ", 5) != 0) return;
    snprintf(warned, sizeof warned, "%s", message);
    n_warned++;
}

static clg_device *cl[2];
static int opened; /* devices before these two */

/* Where a callback makes a device fail: at the launch-th launch of the step after `step`. */
typedef struct fault {
    int64_t step;
    int     device;
    long    launch;
} fault;

static enum clg_fit_action fail_step(void *user, const clg_fit_state *s) {
    const fault *f = user;
    if (f && s->step == f->step) fail_device_at(opened + f->device, f->launch);
    return CLG_FIT_GO_ON;
}

static void open_two(void) {
    static int all;
    setenv("CLGRAD_MEGA", "off", 1); /* launches are counted: a step is one, whatever a trial says of replay */
    setenv("CLGRAD_REPLAY", "off", 1);
    opened = all;
    all += 2;
    for (int i = 0; i < 2; i++) {
        cl[i] = clg_device_open(NULL, NULL);
        cr_assert_not_null(cl[i], "%s", clg_error());
    }
    clg_set_log(take_message, NULL, CLG_LOG_WARN);
    warned[0] = 0;
    n_warned = 0;
}

static void close_two(void) {
    fail_device_at(0, 0);
    for (int i = 0; i < 2; i++) clg_device_destroy(&cl[i]);
    clg_set_log(NULL, NULL, CLG_LOG_WARN);
}

static float largest_distance(clg_trainer *a, clg_trainer *b) {
    const size_t n = weights(a, now, ROOM);
    float worst = 0;
    cr_assert_eq(n, weights(b, then, ROOM));
    for (size_t i = 0; i < n; i += sizeof(float)) {
        float x, y;
        memcpy(&x, now + i, sizeof x);
        memcpy(&y, then + i, sizeof y);
        worst = fmaxf(worst, fabsf(x - y));
        if (!isfinite(x - y)) worst = INFINITY;
    }
    return worst;
}

/* What is lost, and when: device, launch of it in step 100, learning rate. */
typedef struct loss_of {
    int    device;
    long   launch;
    double lr;
    const char *where;
} loss_of;

static void expect_survival(clg_trainer *t, const loss_of *l, clg_dataset *d) {
    const clg_epoch *e;
    clg_worker w[2];
    clg_score score;
    cr_expect(fail_device_lost() && n_warned == 1, "%s: %d warnings", l->where, n_warned);
    cr_expect_not_null(strstr(warned, "in step 100 and is dropped"), "%s: %s", l->where, warned);
    cr_expect_not_null(strstr(warned, "CL_DEVICE_NOT_AVAILABLE"), "%s: %s", l->where, warned);
    cr_assert_eq(clg_trainer_workers(t, w, 2), 2);
    cr_expect(w[l->device].dropped && w[l->device].rows == 0 && strlen(w[l->device].why) > 10, "%s", l->where);
    cr_expect(!w[1 - l->device].dropped && w[1 - l->device].rows == 16, "%s", l->where);
    cr_assert(clg_trainer_history(t, &e) == 20 && clg_evaluate(t, d, &score, NULL, NULL) == CLG_OK, "%s", clg_error());
    for (int i = 0; i < 20 && l->lr < 1e-20; i++)
        cr_expect(fabs(e[i].train.loss - score.loss) < 1e-5 && e[i].train.accuracy == score.accuracy, "%s, epoch %d: "
                  "%g and %g", l->where, i + 1, e[i].train.loss, score.loss);
}

/* The survivor must come to what one device comes to: 200 steps in f32, each of which differs by sums of 16 rows in
 * another order, (n + 1) 2^-24 = 1e-6 of gradients below 0.5, times lr 0.5: 5e-5 in all, if nothing evens out, and some
 * more as differences grow. Without a step, the sums of an epoch are those of all items: none is skipped, none is seen
 * twice. */
static void lose_one(const loss_of *l) {
    static const int64_t split[] = {9, 7};
    const fault f = {.step = 99, .device = l->device, .launch = l->launch};
    clg_dataset *d = points(160, false, 0, 3, CLG_TRAIN);
    open_two();
    clg_fit_params p = {.epochs = 20, .batch = 16, .optim = {.lr = l->lr}};
    clg_trainer *one = trainer_on(cl[1 - l->device], mlp, d, &p);
    fit(one, d, NULL);
    p.devices = &cl[1];
    p.n_devices = 1;
    p.split = split;
    p.on_step = fail_step;
    p.user = (void *)&f;
    clg_trainer *t = trainer_on(cl[0], mlp, d, &p);
    const clg_store *before = clg_trainer_store(t);
    const clg_fit_result r = fit(t, d, NULL);
    cr_expect(r.end == CLG_FIT_DONE && r.steps == 200, "%s", l->where);
    cr_expect_eq(clg_trainer_store(t) != before, l->device == 0, "%s", l->where);
    expect_survival(t, l, d);
    const double off = (double)largest_distance(one, t);
    cr_expect_lt(off, 1e-4, "%s: off by %g", l->where, off);
    clg_trainer_destroy(&one);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
    close_two();
}

/* Launches of gradients of 9 rows; the step's follow. */
static long launches_of_gradients(void) {
    clg_dataset *d = points(32, false, 0, 3, CLG_TRAIN);
    open_two();
    static const int64_t split[] = {9, 7};
    clg_plan_info both, step;
    clg_trainer *t = trainer_on(cl[0], mlp, d, clg_fit_params(.batch = 16, .devices = &cl[1], .n_devices = 1,
                                                              .split = split));
    cr_assert_eq(clg_trainer_plan_info(t, 16, &both), CLG_OK);
    cr_assert_eq(clg_trainer_set(t, clg_fit_params(.batch = 16, .devices = &cl[1], .n_devices = 1,
                                                   .split = (const int64_t[]){0, 16})), CLG_OK);
    cr_assert_eq(clg_trainer_plan_info(t, 16, &step), CLG_OK);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
    close_two();
    return both.n_steps - step.n_steps;
}

Test(lost, a_device_that_is_lost_loses_nothing) {
    const long gradients = launches_of_gradients();
    cr_assert_gt(gradients, 3);
    const loss_of row[] = {
        {0, 1, 0.5, "first device, first launch"},          {1, 1, 0.5, "second device, first launch"},
        {0, gradients / 2, 0.5, "first device, backward"},  {1, gradients / 2, 1e-30, "second device, backward"},
        {0, gradients + 1, 0.5, "first device, step"},      {1, gradients + 1, 1e-30, "second device, step"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) lose_one(&row[i]);
}

/* A batch of all items, so that a running mean goes towards the mean of the rows of a device: of 8 items in the first
 * steps, of 16 after the loss. After s runs of one and r of the other it is known; the run that was done again counts
 * once. */
Test(lost, a_step_that_is_done_again_counts_once) {
    enum { N = 16, STEPS = 9, LOST_AT = 5 };
    static const int64_t split[] = {8, 8};
    const fault f = {.step = LOST_AT, .device = 1, .launch = 1};
    double x[N * 2], half[2] = {0}, all[2] = {0}, want[2] = {0};
    int32_t label[N];
    float got[2];
    for (int i = 0; i < N; i++) {
        label[i] = i % 2;
        for (int k = 0; k < 2; k++) {
            x[2 * i + k] = (i < 8 ? 5 : -3) + 0.1 * i * (k + 1);
            all[k] += x[2 * i + k] / N;
            if (i < 8) half[k] += x[2 * i + k] / 8;
        }
    }
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .label = label));
    open_two();
    clg_trainer *t = trainer_on(cl[0], "batch_norm\nlinear outputs\n", d, clg_fit_params(.epochs = STEPS, .batch = N,
        .no_shuffle = true, .devices = &cl[1], .n_devices = 1, .split = split, .on_step = fail_step,
        .user = (void *)&f));
    fit(t, d, NULL);
    cr_expect_eq(n_warned, 1);
    for (int s = 0; s < STEPS; s++)
        for (int k = 0; k < 2; k++) want[k] += 0.1 * ((s < LOST_AT ? half : all)[k] - want[k]);
    cr_assert_eq(clg_store_read(clg_trainer_store(t), "bn1.running_mean", got, sizeof got), CLG_OK, "%s",
                 clg_error());
    for (int k = 0; k < 2; k++) cr_expect_lt(fabs(got[k] - want[k]), 1e-5, "%g, not %g", (double)got[k], want[k]);
    clg_trainer_destroy(&t);
    clg_dataset_destroy(&d);
    close_two();
}

/* Stopping saves the state of the last step: a run on the other device goes on from there. With the last device goes
 * the run. */
Test(lost, a_failure_can_end_the_run) {
    static const int64_t split[] = {9, 7};
    clg_dataset *d = points(160, false, 0, 3, CLG_TRAIN);
    for (int device = 0; device < 2; device++) {
        const fault f = {.step = 57, .device = device, .launch = 2}, last = {.step = 70, .device = 1 - device,
                                                                             .launch = 1};
        clg_fit_result r;
        open_two();
        clg_fit_params p = {.epochs = 20, .batch = 16, .optim = {.lr = 0.5}};
        clg_trainer *whole = trainer_on(cl[1 - device], mlp, d, &p);
        fit(whole, d, NULL);
        p.save = "stopped";
        clg_trainer *rest = trainer_on(cl[1 - device], mlp, d, &p);
        clg_fit_params q = p;
        q.devices = &cl[1];
        q.n_devices = 1;
        q.split = split;
        q.on_failure = CLG_FAILED_STOP;
        q.on_step = fail_step;
        q.user = (void *)&f;
        clg_trainer *t = trainer_on(cl[0], mlp, d, &q);
        cr_assert_eq(clg_fit(t, d, NULL, &r), CLG_ERR_DEVICE);
        cr_expect_not_null(strstr(clg_error(), "has failed in step 58"), "%s", clg_error());
        cr_expect_not_null(strstr(clg_error(), "the run stands after step 57 and is saved in stopped"), "%s",
                           clg_error());
        cr_expect_eq(n_warned, 0);
        cr_assert_eq(clg_trainer_resume(rest, "stopped"), CLG_OK, "%s", clg_error());
        const clg_fit_result end = fit(rest, d, NULL);
        cr_expect(end.steps == 200 && (double)largest_distance(whole, rest) < 1e-4);
        q.user = (void *)&last;
        cr_assert_eq(clg_trainer_set(t, &q), CLG_OK, "%s", clg_error());
        cr_expect_eq(clg_fit(t, d, NULL, &r), CLG_ERR_DEVICE);
        cr_expect_not_null(strstr(clg_error(), "CL_DEVICE_NOT_AVAILABLE"), "%s", clg_error());
        clg_trainer_destroy(&t);
        clg_trainer_destroy(&rest);
        clg_trainer_destroy(&whole);
        close_two();
    }
    clg_dataset_destroy(&d);
}

/* Dropped, or stopped and gone on with on the same device: the masks of the step that was lost are the same. */
Test(lost, a_step_that_is_done_again_draws_the_same_numbers) {
    static const int64_t split[] = {9, 7};
    const fault f = {.step = 5, .device = 1, .launch = 1};
    clg_dataset *d = points(160, false, 0, 3, CLG_TRAIN);
    double loss[2];
    for (int stop = 0; stop < 2; stop++) {
        const clg_epoch *e;
        clg_fit_result r;
        open_two();
        clg_fit_params p = {.epochs = 1, .batch = 16, .optim = {.lr = 1e-30}, .save = "half"};
        clg_trainer *rest = trainer_on(cl[0], dropped_out, d, &p);
        p.devices = &cl[1];
        p.n_devices = 1;
        p.split = split;
        p.on_failure = stop ? CLG_FAILED_STOP : CLG_FAILED_DROP;
        p.on_step = fail_step;
        p.user = (void *)&f;
        clg_trainer *t = trainer_on(cl[0], dropped_out, d, &p);
        cr_assert_eq(clg_fit(t, d, NULL, &r), stop ? CLG_ERR_DEVICE : CLG_OK, "%s", clg_error());
        if (stop) {
            cr_assert_eq(clg_trainer_resume(rest, "half"), CLG_OK, "%s", clg_error());
            fit(rest, d, NULL);
        }
        cr_assert_eq(clg_trainer_history(stop ? rest : t, &e), 1);
        loss[stop] = e[0].train.loss;
        clg_trainer_destroy(&t);
        clg_trainer_destroy(&rest);
        close_two();
    }
    cr_expect_lt(fabs(loss[0] - loss[1]), 1e-5, "%g and %g", loss[0], loss[1]);
    clg_dataset_destroy(&d);
}

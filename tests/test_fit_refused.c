/* What training runs refuse, in one message each: mistakes of calls, and checkpoints of something else. */
#include "support/runs.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fit_refused, .init = open_dev, .fini = close_dev, .timeout = 120);

static const char mlp[] = "linear 16\ntanh\nlinear outputs\n";

enum { ROOM = 1 << 16 };
static unsigned char now[ROOM], then[ROOM];

/* --- mistakes --- */

typedef struct refused {
    const char *what, *model; /* model NULL: mlp */
    clg_fit_params p;
    int  train, val;          /* which of the data sets; -1: NULL */
    const char *message[2];   /* both stand in it */
} refused;

enum { TRAIN, TEST_PART, REALS, PICTURES, WHOLE, N_SETS };

Test(fit_refused, mistakes_are_named) {
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
        {"endless epochs", .p = {.epochs = INT64_MAX}, .val = -1,
         .message = {"epochs = 9223372036854775807", "at most"}},
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

Test(fit_refused, a_second_look_at_the_test_part_is_noted) {
    int notes = 0;
    clg_score s;
    clg_dataset *train = points(70, false, 0, 1, CLG_TRAIN), *test = points(30, false, 0, 2, CLG_TEST);
    clg_trainer *t = trainer(mlp, train, NULL);
    clg_set_log(listen, &notes, CLG_LOG_WARN);
    for (int i = 0; i < 3; i++) cr_assert_eq(clg_evaluate(t, train, &s, NULL, NULL), CLG_OK);
    cr_assert_eq(clg_evaluate(t, test, &s, NULL, NULL), CLG_OK);
    cr_expect_eq(notes, 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(clg_evaluate(t, test, &s, NULL, NULL), CLG_OK);
        cr_expect_eq(notes, 1);
    }
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

Test(fit_refused, a_checkpoint_of_another_run_is_refused) {
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

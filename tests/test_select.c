/* Model selection: folds and their summary, search, learning and validation curves, mistakes. Small synthetic sets on
 * the reference device, which needs no OpenCL. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_device *device(void) {
    clg_device *dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    return dev;
}

static clg_dataset *made(const char *kind, const clg_synthetic_params *p) {
    clg_dataset *d = clg_dataset_synthetic(kind, p);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static clg_model *zoo(const char *name) {
    clg_model *m = clg_model_zoo(name, NULL);
    cr_assert_not_null(m, "%s", clg_error());
    return m;
}

#define OK(call) cr_assert_eq(call, CLG_OK, "%s", clg_error())

static void expect_error(clg_status got, clg_status want, const char *part) {
    cr_expect_eq(got, want, "%s: %s", clg_status_name(got), clg_error());
    cr_expect(strstr(clg_error(), part), "\"%s\" is not in: %s", part, clg_error());
}

/* --- cross-validation --- */

static const clg_fit_params quick = {.epochs = 3, .batch = 16, .optim = {.lr = 0.1}, .seed = 5};

/* Mean and standard error, from the definition. */
static void expect_mean(const double *v, int n, double mean, double sem) {
    double m = 0, s = 0;
    for (int i = 0; i < n; i++) m += v[i] / n;
    for (int i = 0; i < n; i++) s += (v[i] - m) * (v[i] - m) / (n - 1);
    cr_expect(fabs(m - mean) < 1e-12 && fabs(sqrt(s / n) - sem) < 1e-12, "%g +- %g, not %g +- %g", mean, sem, m,
              sqrt(s / n));
}

/* 103 items: the folds have 21, 21, 21, 20, 20. */
Test(select, every_item_is_validated_once) {
    clg_device *dev = device();
    clg_dataset *d = made("clouds", clg_synthetic_params(.n = 103, .margin = -0.5));
    clg_model *m = zoo("mlp");
    clg_cv_result r;
    double loss[5], accuracy[5];
    int64_t n = 0, train = 0, rows[2];
    OK(clg_cross_validate(dev, m, d, &quick, clg_cv_params(.k = 5), &r));
    for (int i = 0; i < 5; i++) {
        loss[i] = r.fold[i].val.loss;
        accuracy[i] = r.fold[i].val.accuracy;
        n += r.fold[i].n_val;
        train += r.fold[i].n_train;
        cr_expect(r.fold[i].n_val >= 20 && r.fold[i].n_val <= 21 && r.fold[i].epochs == 3);
        cr_expect_eq(r.fold[i].train.n, r.fold[i].n_train);
    }
    for (int c = 0; c < 2; c++) rows[c] = r.confusion[2 * c] + r.confusion[2 * c + 1];
    cr_expect(n == 103 && r.n == 103 && train == 4 * 103);
    cr_expect(rows[0] == 52 && rows[1] == 51, "each class is validated once: %d, %d", (int)rows[0], (int)rows[1]);
    cr_expect_eq(r.confusion[0] + r.confusion[3], r.right);
    expect_mean(loss, 5, r.loss, r.loss_sem);
    expect_mean(accuracy, 5, r.accuracy, r.accuracy_sem);
    cr_expect(r.diverged == 0 && r.classes == 2 && r.weights == 2 * 256 + 256 + 256 * 256 + 256 + 256 * 2 + 2);
    clg_cv_result_free(&r);
    clg_cv_result_free(&r);
    clg_model_destroy(&m);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* Ten folds compile no more than two; and a fold has the bits of a training of its own on the same items. */
Test(select, folds_share_plans_and_start_alike) {
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 80, .noise = 0.2)), *train, *val;
    clg_model *open = zoo("logistic"), *m = clg_model_for(open, clg_dataset_shape(d), 2, 0);
    clg_cv_result two, ten;
    OK(clg_cross_validate(dev, m, d, &quick, clg_cv_params(.k = 2, .seed = 3), &two));
    OK(clg_cross_validate(dev, m, d, &quick, clg_cv_params(.k = 10, .seed = 3), &ten));
    cr_expect(two.plans > 0 && ten.plans <= two.plans + 1, "%d plans for 2 folds, %d for 10", (int)two.plans,
              (int)ten.plans);
    clg_store *store = clg_store_create(dev, quick.seed);
    clg_trainer *t = clg_trainer_create(dev, store, m, &quick);
    clg_score s;
    OK(clg_dataset_fold(d, CLG_FOLD_AUTO, 10, 7, 3, &train, &val));
    OK(clg_fit(t, train, val, NULL));
    OK(clg_evaluate(t, val, &s, NULL, NULL));
    cr_expect_eq(s.loss, ten.fold[7].val.loss, "%.17g, %.17g", s.loss, ten.fold[7].val.loss);
    cr_expect_neq(s.loss, ten.fold[6].val.loss);
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_cv_result_free(&two);
    clg_cv_result_free(&ten);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* Folds that keep their best weights are validated with those, and say after how many epochs they were; the winner of a
 * search is trained for as many, on average. */
Test(select, early_stopping_sets_the_epochs_of_the_winner) {
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 60, .noise = 0.4));
    const char *const dim[] = {"hidden=32"};
    clg_setup s = {.zoo = "mlp", .fit = {.epochs = 60, .batch = 16, .optim = {.lr = 0.5}, .patience = 5}};
    const clg_cv_params cv = {.k = 3};
    clg_search_result r;
    int64_t sum = 0;
    OK(clg_search(dev, &s, d, clg_search_params(.dim = dim, .n_dims = 1, .cv = cv, .refit = true), &r));
    for (int i = 0; i < 3; i++) {
        const clg_fold *f = &r.trial[0].cv.fold[i];
        sum += f->epochs;
        cr_expect(f->end == CLG_FIT_EARLY && f->epochs >= 1 && f->epochs <= 55, "fold %d: %d epochs", i,
                  (int)f->epochs);
    }
    cr_expect_eq(clg_trainer_history(r.winner, NULL), (sum + 1) / 3, "%d epochs in 3 folds", (int)sum);
    cr_expect(isnan(r.test.loss));
    clg_search_result_free(&r);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

Test(select, hold_out_is_one_fold) {
    clg_device *dev = device();
    clg_dataset *d = made("linear", clg_synthetic_params(.n = 50));
    clg_model *m = zoo("linear");
    clg_cv_result r;
    OK(clg_cross_validate(dev, m, d, clg_fit_params(.epochs = 30, .batch = 10, .optim.lr = 0.05),
                          clg_cv_params(.holdout = 0.2, .standardize = true), &r));
    cr_expect(r.k == 1 && r.fold[0].n_train == 40 && r.fold[0].n_val == 10 && r.n == 10);
    cr_expect(r.classes == 0 && r.confusion == NULL && isnan(r.loss_sem) && r.loss == r.fold[0].val.loss);
    cr_expect(r.accuracy > 0.999 && r.accuracy == r.fold[0].val.r2, "R2 %g", r.accuracy);
    clg_cv_result_free(&r);
    clg_model_destroy(&m);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

Test(select, cross_validation_says_what_is_wrong) {
    const double x[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int32_t label[] = {0, 0, 0, 1, 0, 1, 0, 0};
    clg_device *dev = device();
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 8, .item = CLG_SHAPE(1), .x = x, .label = label));
    clg_dataset *test = clg_dataset_create(clg_dataset_params(.n = 8, .item = CLG_SHAPE(1), .x = x, .label = label,
                                                              .part = CLG_TEST));
    clg_model *m = zoo("logistic"), *pictures = zoo("lenet");
    clg_cv_result r = {.k = 77};
    const clg_fit_params fit = {.batch = 2, .epochs = 1}, saving = {.save = "x"}, large = {.batch = 7};
    const struct {
        const clg_model *m; clg_dataset *d; const clg_fit_params *fit; clg_cv_params p; clg_status want;
        const char *part;
    } bad[] = {
        {m, d, &fit, {.k = 9}, CLG_ERR_INVALID, "9"},
        {m, d, &fit, {.k = 1}, CLG_ERR_INVALID, "at least 2"},
        {m, d, &fit, {.k = -2}, CLG_ERR_INVALID, "-2"},
        {m, d, &fit, {.k = 3}, CLG_ERR_INVALID, "class 1"}, /* 2 items */
        {m, d, &fit, {0}, CLG_ERR_INVALID, "give one of them"},
        {m, d, &fit, {.k = 2, .holdout = 0.5}, CLG_ERR_INVALID, "give one of them"},
        {m, d, &fit, {.holdout = 1.5}, CLG_ERR_INVALID, "between 0 and 1"},
        {m, d, &saving, {.k = 2}, CLG_ERR_INVALID, "checkpoint x"},
        {m, d, &large, {.k = 2}, CLG_ERR_INVALID, "fold 1 of 2"},
        {m, d, NULL, {.k = 2}, CLG_ERR_INVALID, "fit params are NULL"},
        {m, NULL, &fit, {.k = 2}, CLG_ERR_INVALID, "data set is NULL"},
        {m, test, &fit, {.k = 2}, CLG_ERR_INVALID, "test"},
        {pictures, d, &fit, {.k = 2}, CLG_ERR_SHAPE, "lenet"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(clg_cross_validate(dev, bad[i].m, bad[i].d, bad[i].fit, &bad[i].p, &r), bad[i].want, bad[i].part);
    cr_expect_eq(r.k, 77, "the result changed although the calls failed");
    OK(clg_cross_validate(dev, m, d, &fit, clg_cv_params(.k = 8, .folds = CLG_FOLD_SHUFFLED), &r)); /* leave one out */
    cr_expect(r.k == 8 && r.n == 8);
    clg_cv_result_free(&r);
    clg_model_destroy(&m);
    clg_model_destroy(&pictures);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&test);
    clg_device_destroy(&dev);
}

/* --- setups --- */

Test(select, a_setup_is_set_by_names) {
    clg_setup s = {.zoo = "mlp"};
    const char *const values[][2] = {
        {"lr", "0.5"}, {"wd", "1e-3"}, {"l2", "2"}, {"momentum", "0.9"}, {"batch", "32"}, {"epochs", "7"},
        {"hidden", "8,4"}, {"dropout", "0.25"}, {"optimizer", "adam"}, {"schedule", "cosine"}, {"features", "2"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) OK(clg_setup_set(&s, values[i][0], values[i][1]));
    cr_expect(s.fit.optim.lr == 0.5 && s.fit.optim.weight_decay == 1e-3 && s.fit.optim.l2 == 2 && s.features == 2);
    cr_expect(s.fit.optim.momentum == 0.9 && s.fit.batch == 32 && s.fit.epochs == 7 && s.zoo_params.dropout == 0.25);
    cr_expect(strcmp(s.zoo_params.hidden, "8,4") == 0 && strcmp(s.fit.optimizer, "adam") == 0);
    cr_expect_eq(s.fit.schedule.kind, CLG_LR_COSINE);
    clg_setup none = {.zoo = "cifar"}; /* which has a dropout of its own */
    OK(clg_setup_set(&none, "dropout", "0"));
    clg_model *m = clg_model_zoo(none.zoo, &none.zoo_params);
    cr_expect(m && !strstr(clg_model_text(m), "dropout"), "%s", m ? clg_model_text(m) : clg_error());
    clg_model_destroy(&m);
    int n = 0;
    for (const clg_setup_name *k; (k = clg_setup_name_at(n)) != NULL; n++) cr_expect(k->name && k->help);
    cr_expect(n > 20 && !clg_setup_name_at(-1));
    const struct { const char *name, *value, *part; } bad[] = {
        {"rate", "1", "known are lr, optimizer"}, {"lr", "fast", "no number"}, {"lr", "0", "above 0"},
        {"batch", "1.5", "no whole number"}, {"momentum", "1", "below 1"}, {"dropout", "-1", "from 0"},
        {"schedule", "triangle", "one_cycle"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(clg_setup_set(&s, bad[i].name, bad[i].value), CLG_ERR_INVALID, bad[i].part);
    clg_setup own = {.zoo = NULL};
    expect_error(clg_setup_set(&own, "hidden", "4"), CLG_ERR_INVALID, "models of the zoo");
}

/* --- search --- */

static clg_search_result search(clg_device *dev, clg_dataset *d, const clg_setup *s, const clg_search_params *p) {
    clg_search_result r = {0};
    OK(clg_search(dev, s, d, p, &r));
    return r;
}

/* Of y = 0.5 - x - x^2 + 2.5 x^3 + noise: the right degree is planted, as is the one good learning rate. */
Test(select, grid_search_finds_what_is_planted) {
    const char *const dim[] = {"lr=1e-4,0.1,1e3", "features=1,2,3,12"};
    clg_device *dev = device();
    clg_dataset *d = made("poly", clg_synthetic_params(.n = 25, .noise = 0.2, .features = 16));
    clg_dataset *all = made("poly", clg_synthetic_params(.n = 80, .noise = 0.2, .features = 16, .seed = 9));
    const int64_t second[] = {30, 31, 32, 33, 34, 35, 36, 37, 38, 39};
    clg_dataset *test = clg_dataset_subset(all, second, 10, CLG_TEST);
    const clg_setup s = {.zoo = "linear", .fit = {.epochs = 400, .optim = {.momentum = 0.9}, .type = CLG_F64}};
    const clg_cv_params cv = {.k = 5, .standardize = true, .full_batch = true};
    clg_search_result r = search(dev, d, &s, clg_search_params(.dim = dim, .n_dims = 2, .cv = cv, .test = test));
    cr_expect(r.n == 12 && r.n_dims == 2 && strcmp(r.name[1], "features") == 0);
    cr_expect(strcmp(r.trial[0].value[0], "0.1") == 0 && strcmp(r.trial[0].value[1], "3") == 0, "lr %s, features %s",
              r.trial[0].value[0], r.trial[0].value[1]);
    cr_expect_eq(r.trial[0].number, 7, "the last dimension changes first: %d", (int)r.trial[0].number);
    for (int i = 1; i < 12; i++) {
        const clg_cv_result *a = &r.trial[i - 1].cv, *b = &r.trial[i].cv;
        cr_expect(a->diverged <= b->diverged && (a->diverged != b->diverged || !(a->loss > b->loss)), "order at %d", i);
        cr_expect_eq(strcmp(r.trial[i].value[0], "1e3") == 0, b->diverged > 0, "lr %s", r.trial[i].value[0]);
    }
    cr_expect(r.winner && r.test.n == 10 && r.test.r2 > 0.9, "R2 %g", r.test.r2);
    cr_expect_eq(clg_model_weights(clg_trainer_model(r.winner)), 4, "three features and a bias");
    cr_expect_eq(clg_dataset_part(d), CLG_TRAIN);
    clg_search_result_free(&r);
    clg_search_result_free(&r);
    clg_dataset_destroy(&test);
    clg_dataset_destroy(&all);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* A plateau looks at a validation part, early stopping too: the winner, which has none, is trained nevertheless. */
Test(select, the_winner_is_trained_without_validation) {
    const char *const dim[] = {"schedule=plateau"};
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 40, .noise = 0.1));
    const clg_setup s = {.zoo = "logistic", .fit = {.epochs = 4, .batch = 8, .patience = 2, .keep_best = true}};
    const clg_cv_params cv = {.k = 2};
    const clg_epoch *e;
    clg_search_result r = search(dev, d, &s, clg_search_params(.dim = dim, .n_dims = 1, .cv = cv, .refit = true));
    cr_assert_not_null(r.winner);
    const int64_t n = clg_trainer_history(r.winner, &e);
    cr_expect(n >= 1 && isnan(e[n - 1].val.loss) && e[n - 1].lr == 0.01, "%d epochs, lr %g", (int)n, e[n - 1].lr);
    clg_search_result_free(&r);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* The first features are a copy, which must not be a way around the test part. */
Test(select, test_items_are_refused_with_fewer_features_too) {
    const char *const dim[] = {"features=1,2"};
    const int64_t held_out[] = {1, 5};
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 40)), *test = clg_dataset_subset(d, held_out, 2, CLG_TEST);
    const clg_setup s = {.zoo = "logistic", .fit = {.epochs = 1, .batch = 8}};
    clg_search_result r = {0};
    const clg_search_params p = {.dim = dim, .n_dims = 1, .cv = {.k = 2}};
    expect_error(clg_search(dev, &s, d, &p, &r), CLG_ERR_INVALID, "2 of the 40 items are in a test part");
    clg_dataset_destroy(&test);
    r = search(dev, d, &s, &p);
    clg_search_result_free(&r);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

static const clg_trial *by_number(const clg_search_result *r, int64_t number) {
    for (int64_t i = 0; i < r->n; i++)
        if (r->trial[i].number == number) return &r->trial[i];
    return NULL;
}

Test(select, random_search_repeats_by_seed) {
    const char *const dim[] = {"lr=1e-3..1:log", "batch=8..16", "optimizer=sgd,adam"};
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 40, .noise = 0.1));
    const clg_setup s = {.zoo = "logistic", .fit = {.epochs = 1, .batch = 10}};
    const clg_search_params eight = {.dim = dim, .n_dims = 3, .random = 8, .seed = 4, .cv = {.holdout = 0.25}};
    clg_search_params three = eight, other = eight;
    three.random = 3;
    other.seed = 5;
    clg_search_result a = search(dev, d, &s, &eight), b = search(dev, d, &s, &three), c = search(dev, d, &s, &other);
    int same = 0, sgd = 0;
    cr_assert(a.n == 8 && b.n == 3 && c.n == 8);
    for (int64_t i = 1; i <= 8; i++) {
        const clg_trial *t = by_number(&a, i), *u = by_number(&b, i), *v = by_number(&c, i);
        const double lr = atof(t->value[0]), batch = atof(t->value[1]);
        cr_expect(lr >= 1e-3 && lr <= 1 && batch >= 8 && batch <= 16 && batch == floor(batch), "%s", t->value[0]);
        for (int k = 0; u && k < 3; k++) cr_expect_str_eq(t->value[k], u->value[k]);
        cr_expect(!u || t->cv.loss == u->cv.loss);
        same += strcmp(t->value[0], v->value[0]) == 0;
        sgd += strcmp(t->value[2], "sgd") == 0;
    }
    cr_expect(same == 0 && sgd > 0 && sgd < 8);
    clg_search_result_free(&a);
    clg_search_result_free(&b);
    clg_search_result_free(&c);
    const char *const list[] = {"optimizer=sgd,adam", "features=1,2"};
    a = search(dev, d, &s, clg_search_params(.dim = list, .n_dims = 2, .random = 9, .cv = {.holdout = 0.25}));
    cr_expect_eq(a.n, 4, "no setup is tried twice");
    cr_expect_eq(clg_search_size(clg_search_params(.dim = list, .n_dims = 2, .random = 9)), 4);
    cr_expect_eq(clg_search_size(clg_search_params(.dim = dim, .n_dims = 3, .random = 9)), 9);
    cr_expect_eq(clg_search_size(clg_search_params(.dim = dim, .n_dims = 3)), 5 * 5 * 2, "of 8..16: 8 10 12 14 16");
    cr_expect_eq(clg_search_size(clg_search_params(.dim = dim)), CLG_ERR_INVALID);
    clg_search_result_free(&a);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

Test(select, dimensions_are_read_or_refused) {
    const struct { const char *dim; int n; const char *first, *last; } good[] = {
        {"lr=1e-3..1e1:log", 5, "0.001", "10"}, {"wd=0.5..1:3", 3, "0.5", "1"},
        {"batch=4..5", 2, "4", "5"}, {"hidden=4/4,2/", 2, "4", "4,2"}, {"hidden=4,8", 2, "4", "8"},
        {"epochs=1..9:9", 9, "1", "9"}, {"lr=1e-3..1e-1:3:log", 3, "0.001", "0.1"},
    };
    const char *const bad[][2] = {
        {"lr", "NAME="}, {"lr=", "NAME="}, {"=1", "NAME="}, {"rate=1,2", "known are lr"}, {"lr=1,,2", "is empty"},
        {"lr=1..x", "LOW..HIGH"}, {"lr=2..1", "below the high"}, {"lr=0..1:log", "above 0"}, {"lr=1..2:1", "2 to 1000"},
        {"lr=1..2:cubic", "2 to 1000"}, {"lr=0.1,fast", "no number"}, {"batch=0..4", "from 1"}, {NULL, "NULL"},
    };
    clg_device *dev = device();
    clg_dataset *d = made("moons", clg_synthetic_params(.n = 20));
    const clg_setup s = {.zoo = "mlp", .zoo_params = {.hidden = "2"}, .fit = {.epochs = 1, .batch = 4}};
    const clg_cv_params cv = {.holdout = 0.5};
    clg_search_result r = {.n = 77};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        clg_curve c;
        OK(clg_validation_curve(dev, &s, d, &cv, good[i].dim, &c));
        cr_expect_eq(c.n, good[i].n, "%s: %d", good[i].dim, c.n);
        cr_expect_str_eq(c.point[0].value, good[i].first);
        cr_expect_str_eq(c.point[c.n - 1].value, good[i].last);
        clg_curve_free(&c);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(clg_search(dev, &s, d, clg_search_params(.dim = &bad[i][0], .n_dims = 1, .cv = cv), &r),
                     CLG_ERR_INVALID, bad[i][1]);
    const char *const twice[] = {"wd=1,2", "weight_decay=3"}, *const foreign[] = {"optimizer=sgd,magic"};
    expect_error(clg_search(dev, &s, d, clg_search_params(.dim = twice, .n_dims = 2, .cv = cv), &r), CLG_ERR_INVALID,
                 "two dimensions weight_decay");
    expect_error(clg_search(dev, &s, d, clg_search_params(.dim = foreign, .n_dims = 1, .cv = cv), &r), CLG_ERR_INVALID,
                 "trial optimizer=magic");
    expect_error(clg_search(dev, &s, d, clg_search_params(.cv = cv), &r), CLG_ERR_INVALID, "give a dimension");
    cr_expect_eq(r.n, 77);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* --- curves --- */

static const clg_setup polynomial = {.zoo = "linear", .fit = {.epochs = 2000, .optim = {.lr = 0.1, .momentum = 0.9},
                                                              .check_every = 100, .type = CLG_F64}};
static const clg_cv_params five_folds = {.k = 5, .standardize = true, .full_batch = true};

/* 25 points of a cubic with noise 0.2, whose square, 0.04, no model can beat. Degree 1: both errors are high. Degree 3:
 * both are near the noise. Degree 16: the training error is lower still, the validation error several times higher. */
Test(select, capacity_curve_shows_under_and_overfitting) {
    clg_device *dev = device();
    clg_dataset *d = made("poly", clg_synthetic_params(.n = 25, .noise = 0.2, .features = 16));
    clg_curve c;
    OK(clg_validation_curve(dev, &polynomial, d, &five_folds, "features=1,3,16", &c));
    const clg_cv_result *line = &c.point[0].cv, *cubic = &c.point[1].cv, *high = &c.point[2].cv;
    cr_expect(c.n == 3 && c.point[2].x == 16 && high->weights == 17 && c.n_path == 0);
    cr_expect(line->train_loss > 5 * cubic->train_loss && line->loss > 5 * cubic->loss, "degree 1: %g, %g",
              line->train_loss, line->loss);
    cr_expect(cubic->loss < 1.6 * cubic->train_loss && cubic->loss < 0.08, "degree 3: %g, %g", cubic->train_loss,
              cubic->loss);
    cr_expect(high->train_loss < cubic->train_loss && high->loss > 5 * cubic->loss, "degree 16: %g, %g",
              high->train_loss, high->loss);
    cr_expect(high->loss - high->loss_sem > cubic->loss + cubic->loss_sem, "apart by more than their errors");
    clg_curve_free(&c);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* The degree of 16 again: with decay the weights shrink, the gap between the errors closes, and too much underfits. */
Test(select, weight_decay_closes_the_gap) {
    clg_device *dev = device();
    clg_dataset *d = made("poly", clg_synthetic_params(.n = 25, .noise = 0.2, .features = 16));
    clg_curve c;
    OK(clg_validation_curve(dev, &polynomial, d, &five_folds, "weight_decay=0,0.01,0.1,1,3", &c));
    double norm = 0;
    for (int i = 0; i < 5; i++) {
        const clg_cv_result *r = &c.point[i].cv;
        if (i > 0) cr_expect(c.point[i].norm < c.point[i - 1].norm && r->train_loss > c.point[i - 1].cv.train_loss);
        cr_expect_eq(r->plans, i == 0 ? 3 : 1, "only the step is compiled anew: %d", (int)r->plans);
    }
    const clg_cv_result *none = &c.point[0].cv, *some = &c.point[2].cv, *much = &c.point[4].cv;
    cr_expect(none->loss - none->train_loss > 5 * (some->loss - some->train_loss), "gaps %g, %g",
              none->loss - none->train_loss, some->loss - some->train_loss);
    cr_expect(some->loss < none->loss / 3 && much->loss > 1.2 * some->loss, "%g, %g, %g", none->loss, some->loss,
              much->loss);
    cr_assert_eq(c.n_path, 16);
    for (int k = 0; k < 16; k++) norm += c.path[4 * 16 + k] * c.path[4 * 16 + k];
    cr_expect(fabs(sqrt(norm) - c.point[4].norm) < 0.1 * c.point[4].norm, "first fold %g, all %g", sqrt(norm),
              c.point[4].norm);
    clg_curve_free(&c);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

Test(select, learning_curve_closes_the_gap_with_data) {
    const int64_t sizes[] = {12, 40, 160}, low[] = {0}, high[] = {161};
    clg_device *dev = device();
    clg_dataset *d = made("poly", clg_synthetic_params(.n = 200, .noise = 0.2, .features = 8));
    clg_setup s = polynomial;
    s.fit.batch = 80;
    clg_curve c = {.n = 77};
    expect_error(clg_learning_curve(dev, &s, d, &five_folds, low, 1, &c), CLG_ERR_INVALID, "size 0 is 0");
    expect_error(clg_learning_curve(dev, &s, d, &five_folds, high, 1, &c), CLG_ERR_INVALID, "size 161, but");
    expect_error(clg_learning_curve(dev, &s, d, &five_folds, sizes, 0, &c), CLG_ERR_INVALID, "no sizes");
    cr_assert_eq(c.n, 77);
    s.fit.epochs = 500;
    OK(clg_learning_curve(dev, &s, d, clg_cv_params(.k = 5, .standardize = true), sizes, 3, &c));
    cr_expect_eq(c.point[0].cv.fold[0].epochs, 1000, "500 epochs of 2 steps: %d", (int)c.point[0].cv.fold[0].epochs);
    for (int i = 0; i < 3; i++) cr_expect_eq(c.point[i].cv.fold[2].n_train, sizes[i]);
    const clg_cv_result *few = &c.point[0].cv, *all = &c.point[2].cv;
    cr_expect(few->train_loss < all->train_loss && few->loss > 1.5 * all->loss, "12 items: %g, %g; 160: %g, %g",
              few->train_loss, few->loss, all->train_loss, all->loss);
    cr_expect(all->loss < 1.2 * all->train_loss && fabs(all->loss - 0.04) < 0.01, "the noise is left");
    clg_curve_free(&c);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* Of 90 and 10 items, 20 are 18 and 2: so after one step of full-batch descent from zero, at rate 1, the bias is
 * (2 - 18) / 40 and the weight of x, which is the label, 2 / 40. */
Test(select, smaller_parts_keep_the_shares_of_the_classes) {
    double x[200];
    int32_t label[200];
    const int64_t sizes[] = {20};
    const double b = -0.4, w = 0.05, loss = (18 * log1p(exp(b)) + 2 * log1p(exp(-b - w))) / 20;
    for (int i = 0; i < 200; i++) x[i] = label[i] = i >= 180;
    clg_device *dev = device();
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 200, .item = CLG_SHAPE(1), .x = x, .label = label));
    const clg_setup s = {.zoo = "logistic", .fit = {.epochs = 1, .batch = 100, .optim = {.lr = 1}}};
    clg_curve c;
    OK(clg_learning_curve(dev, &s, d, clg_cv_params(.k = 2), sizes, 1, &c));
    for (int i = 0; i < 2; i++) {
        const clg_fold *f = &c.point[0].cv.fold[i];
        cr_expect(f->n_train == 20 && fabs(f->train.loss - loss) < 1e-6, "loss %.9f, not %.9f", f->train.loss, loss);
    }
    clg_curve_free(&c);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

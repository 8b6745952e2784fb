/* Known results on small real tables (tests/data/tabular, whose README has the numbers, made with scikit-learn), met by
 * the library's own training loop in double: deterministic full-batch descent from zero. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static clg_dataset *table(const char *name, const clg_csv_params *p) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/tabular/%s.csv", getenv("CLGRAD_SOURCE"), name);
    clg_dataset *d = clg_dataset_open_csv(path, p);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

/* The reference computes in double; a step of so small a model is quicker there than its way to a device. */
static clg_device *device(void) {
    clg_device *dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    return dev;
}

static clg_model *from_zero(const char *name) {
    clg_model *m = clg_model_zoo(name, NULL); /* these begin at zero */
    cr_assert_not_null(m, "%s", clg_error());
    return m;
}

static clg_trainer *trainer(clg_device *dev, const char *name, const clg_dataset *d, const clg_fit_params *p) {
    clg_model *open = from_zero(name);
    clg_model *m = clg_model_for(open, clg_dataset_shape(d), clg_dataset_classes(d), clg_dataset_targets(d));
    cr_assert_not_null(m, "%s", clg_error());
    clg_store *store = clg_store_create(dev, 0);
    clg_trainer *t = clg_trainer_create(dev, store, m, p);
    cr_assert_not_null(t, "%s", clg_error());
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    return t;
}

static void fit(clg_trainer *t, clg_dataset *d) {
    clg_fit_result r;
    cr_assert_eq(clg_fit(t, d, NULL, &r), CLG_OK, "%s", clg_error());
    cr_assert_eq(r.end, CLG_FIT_DONE);
}

static clg_score score(clg_trainer *t, clg_dataset *d) {
    clg_score s;
    cr_assert_eq(clg_evaluate(t, d, &s, NULL, NULL), CLG_OK, "%s", clg_error());
    return s;
}

/* Breast cancer, folds by row number mod 5, standardised by the training rows, w = 0, rate 0.1, 1000 steps. */
Test(tabular, logistic_regression_in_five_folds) {
    const int right[] = {110, 112, 113, 108, 112}, n_val[] = {114, 114, 114, 114, 113};
    const double loss[] = {0.055406, 0.061419, 0.055835, 0.056092, 0.066927};
    clg_device *dev = device();
    clg_dataset *d = table("breast_cancer", NULL);
    clg_model *m = from_zero("logistic");
    clg_cv_result r;
    cr_assert_eq(clg_cross_validate(dev, m, d, clg_fit_params(.epochs = 1000, .optim.lr = 0.1, .type = CLG_F64),
        clg_cv_params(.k = 5, .folds = CLG_FOLD_MODULO, .standardize = true, .full_batch = true), &r), CLG_OK, "%s",
        clg_error());
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(r.fold[i].n_val, n_val[i]);
        cr_expect_eq(llround(r.fold[i].val.accuracy * n_val[i]), right[i], "fold %d: %g right", i,
                     r.fold[i].val.accuracy * n_val[i]);
        cr_expect(fabs(r.fold[i].train.loss - loss[i]) < 0.6e-6, "fold %d: loss %.9f, not %.6f", i,
                  r.fold[i].train.loss, loss[i]);
    }
    cr_expect(r.right == 555 && r.n == 569, "%d of %d", (int)r.right, (int)r.n);
    cr_expect_eq(r.confusion[0] + r.confusion[3], 555);
    cr_expect_eq(r.confusion[0] + r.confusion[1], 212, "malignant ones");
    clg_cv_result_free(&r);
    clg_model_destroy(&m);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* Diabetes: descent on standardised features until it has converged to the least squares, with momentum because the
 * condition of the problem is 470 (Polyak 1964); then w_k / deviation_k are the coefficients for the features as they
 * are in the table. */
Test(tabular, linear_regression_finds_the_least_squares) {
    const double want[] = {-0.036361, -22.859648, 5.602962, 1.116808, -1.089996, 0.74645, 0.372005, 6.533832, 68.483125,
                           0.280117};
    clg_device *dev = device();
    clg_dataset *d = table("diabetes", clg_csv_params(.task = CLG_TASK_REGRESSION));
    clg_scaler *s = clg_scaler_fit(d);
    cr_assert_eq(clg_dataset_standardize(d, s), CLG_OK, "%s", clg_error());
    clg_trainer *t = trainer(dev, "linear", d, clg_fit_params(.epochs = 500, .batch = 442, .optim.lr = 0.4,
                                                              .optim.momentum = 0.85, .type = CLG_F64));
    fit(t, d);
    double w[10], b, intercept;
    cr_assert_eq(clg_store_read(clg_trainer_store(t), "fc1.weight", w, sizeof w), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(clg_trainer_store(t), "fc1.bias", &b, sizeof b), CLG_OK, "%s", clg_error());
    intercept = b;
    for (int k = 0; k < 10; k++) {
        w[k] /= clg_scaler_deviation(s)[k];
        intercept -= w[k] * clg_scaler_mean(s)[k];
        cr_expect(fabs(w[k] - want[k]) < 0.6e-6, "coefficient %d: %.9f, not %.6f", k, w[k], want[k]);
    }
    cr_expect(fabs(intercept + 334.567139) < 2e-6, "intercept %.9f", intercept);
    const clg_score r = score(t, d);
    cr_expect(fabs(r.r2 - 0.517748) < 0.6e-6, "R2 %.9f", r.r2);
    cr_expect(fabs(r.loss - 2859.6963) < 0.6e-4, "MSE %.6f", r.loss);
    clg_trainer_destroy(&t);
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
}

/* Digits / 16, rows 0 .. 1436 for training, the other 360 for the test, W = 0, rate 0.5, 500 steps. */
Test(tabular, softmax_regression_on_digits) {
    double zero[64] = {0}, sixteen[64];
    for (int k = 0; k < 64; k++) sixteen[k] = 16;
    clg_device *dev = device();
    clg_dataset *all = table("digits", clg_csv_params(.task = CLG_TASK_CLASSES));
    clg_scaler *s = clg_scaler_create(64, zero, sixteen);
    cr_assert_eq(clg_dataset_standardize(all, s), CLG_OK, "%s", clg_error());
    clg_dataset *train = clg_dataset_slice(all, 0, 1437), *test = clg_dataset_slice(all, 1437, 360);
    clg_trainer *t = trainer(dev, "softmax", train, clg_fit_params(.epochs = 500, .batch = 1437, .optim.lr = 0.5,
                                                                   .type = CLG_F64));
    fit(t, train);
    const clg_score on_train = score(t, train), on_test = score(t, test);
    cr_expect_eq(llround(on_train.accuracy * 1437), 1398, "training accuracy %.5f, not 0.97286", on_train.accuracy);
    cr_expect_eq(llround(on_test.accuracy * 360), 321, "%g of 360", on_test.accuracy * 360);
    clg_trainer_destroy(&t);
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&test);
    clg_dataset_destroy(&all);
    clg_device_destroy(&dev);
}

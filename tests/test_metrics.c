/* Metrics against numbers worked out by hand and against those of scikit-learn's documentation. No device. */
#include <clgrad/metrics.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void expect_near(double got, double want, const char *what) {
    cr_expect(fabs(got - want) <= 1e-12 * (1 + fabs(want)), "%s: %.17g, not %.17g", what, got, want);
}

/* --- confusion --- */

/* Rows are the true classes. From the documentation of sklearn.metrics.confusion_matrix. */
Test(metrics, confusion_counts_row_by_truth) {
    const int32_t truth[] = {2, 0, 2, 2, 0, 1}, answer[] = {0, 0, 2, 2, 0, 2};
    const int64_t want[9] = {2, 0, 0, 0, 0, 1, 1, 0, 2};
    int64_t counts[9] = {0};
    cr_assert_eq(clg_confusion_add(counts, 3, truth, answer, 4), CLG_OK);
    cr_assert_eq(clg_confusion_add(counts, 3, truth + 4, answer + 4, 2), CLG_OK); /* batch by batch */
    cr_expect_eq(memcmp(counts, want, sizeof want), 0);
    expect_near(clg_confusion_accuracy(counts, 3), 4.0 / 6, "accuracy");
}

/* From the documentation of precision_recall_fscore_support, classification_report and by hand: classes 1 and 2 are
 * never answered rightly. */
Test(metrics, precision_recall_f1) {
    const int32_t truth[] = {0, 1, 2, 0, 1, 2}, answer[] = {0, 2, 1, 0, 0, 1};
    int64_t counts[9] = {0};
    cr_assert_eq(clg_confusion_add(counts, 3, truth, answer, 6), CLG_OK);
    const clg_class_metrics c0 = clg_confusion_class(counts, 3, 0), c1 = clg_confusion_class(counts, 3, 1);
    expect_near(c0.precision, 2.0 / 3, "precision");
    expect_near(c0.recall, 1, "recall");
    expect_near(c0.f1, 0.8, "F1");
    cr_expect_eq(c0.support, 2);
    cr_expect(c1.precision == 0 && c1.recall == 0 && c1.f1 == 0 && c1.support == 2);
    const clg_class_metrics macro = clg_confusion_macro(counts, 3);
    expect_near(macro.precision, 2.0 / 9, "macro precision");
    expect_near(macro.recall, 1.0 / 3, "macro recall");
    expect_near(macro.f1, 0.8 / 3, "macro F1");
    cr_expect_eq(macro.support, 6);
}

/* A class that is never answered, and one that is not there: 0, not NaN; both count in the mean, which is what
 * sklearn's precision_recall_fscore_support(labels=[0, 1, 2, 3], average="macro", zero_division=0) gives. */
Test(metrics, empty_classes_count_as_zero) {
    const int64_t counts[16] = {5, 1, 0, 2, 4, 3, 0, 1, 0, 0, 0, 0, 2, 2, 0, 0};
    const clg_class_metrics absent = clg_confusion_class(counts, 4, 2), macro = clg_confusion_macro(counts, 4);
    cr_expect(absent.precision == 0 && absent.recall == 0 && absent.f1 == 0 && absent.support == 0);
    expect_near(macro.precision, (5.0 / 11 + 3.0 / 6) / 4, "macro precision");
    expect_near(macro.recall, (5.0 / 8 + 3.0 / 8) / 4, "macro recall");
    expect_near(macro.f1, (10.0 / 19 + 6.0 / 14) / 4, "macro F1");
    expect_near(clg_confusion_accuracy(counts, 4), 8.0 / 20, "accuracy");
    const clg_class_metrics outside = clg_confusion_class(counts, 4, 4);
    cr_expect_eq(outside.support, 0);
    const int64_t nothing[4] = {0};
    cr_expect(isnan(clg_confusion_accuracy(nothing, 2)));
}

Test(metrics, confusion_refuses_foreign_classes) {
    const int32_t truth[] = {0, 1, 1}, answer[] = {0, 1, 2}, below[] = {0, -1, 1};
    int64_t counts[4] = {0};
    cr_expect_eq(clg_confusion_add(counts, 2, truth, answer, 3), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "item 2") && strstr(clg_error(), "answered with 2"), "%s", clg_error());
    cr_expect_eq(clg_confusion_add(counts, 2, below, truth, 3), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "item 1 is of class -1"), "%s", clg_error());
    cr_expect(counts[0] == 0 && counts[3] == 0, "counts changed although the call failed");
    cr_expect_eq(clg_confusion_add(counts, 2, NULL, answer, 1), CLG_ERR_INVALID);
    cr_expect(strstr(clg_error(), "truth is NULL"), "%s", clg_error());
}

/* --- top-k --- */

/* From the documentation of sklearn.metrics.top_k_accuracy_score: 0.75 for k = 2. */
Test(metrics, top_k) {
    const float scores[] = {0.5f, 0.2f, 0.2f, 0.3f, 0.4f, 0.2f, 0.2f, 0.4f, 0.3f, 0.7f, 0.2f, 0.1f};
    const int32_t truth[] = {0, 1, 2, 2};
    const double want[] = {0.5, 0.75, 1};
    for (int k = 1; k <= 3; k++) expect_near(clg_metric_top_k(scores, truth, 4, 3, k), want[k - 1], "top k");
}

/* Of equal scores the lower class goes first; a NaN is before every number and never right. */
Test(metrics, top_k_of_ties_and_nan) {
    const float tie[] = {1, 1, 1, 0}, bad[] = {NAN, 2, 1, 0};
    for (int t = 0; t < 4; t++)
        for (int k = 1; k <= 4; k++) {
            const int32_t truth = t;
            cr_expect_eq(clg_metric_top_k(tie, &truth, 1, 4, k), t < k ? 1 : 0, "tie: class %d, k %d", t, k);
            cr_expect_eq(clg_metric_top_k(bad, &truth, 1, 4, k), t > 0 && t < k ? 1 : 0, "NaN: class %d, k %d", t, k);
        }
}

Test(metrics, top_k_bad_input) {
    const float scores[] = {0, 1};
    const int32_t truth = 1, foreign = 2;
    const struct { const float *s; const int32_t *t; int64_t n; int k; const char *why; } bad[] = {
        {NULL, &truth, 1, 1, "scores is NULL"}, {scores, NULL, 1, 1, "truth is NULL"},
        {scores, &truth, 0, 1, "no items"},     {scores, &truth, 1, 0, "k from 1"},
        {scores, &truth, 1, 3, "k from 1"},     {scores, &foreign, 1, 1, "item 0 is of class 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect(isnan(clg_metric_top_k(bad[i].s, bad[i].t, bad[i].n, 2, bad[i].k)));
        cr_expect(strstr(clg_error(), bad[i].why), "%s: %s", bad[i].why, clg_error());
    }
}

/* --- real targets --- */

/* From the documentation of sklearn.metrics.mean_squared_error and r2_score. */
Test(metrics, squared_error_and_r2) {
    const double y[] = {3, -0.5, 2, 7}, f[] = {2.5, 0, 2, 8};
    expect_near(clg_metric_mse(y, f, 4), 0.375, "MSE");
    expect_near(clg_metric_r2(y, f, 4), 1 - 1.5 / 29.1875, "R2"); /* 0.948... */
    const double up[] = {1, 2, 3}, mean[] = {2, 2, 2}, down[] = {3, 2, 1};
    expect_near(clg_metric_r2(up, up, 3), 1, "R2 of right answers");
    expect_near(clg_metric_r2(up, mean, 3), 0, "R2 of the mean");
    expect_near(clg_metric_r2(up, down, 3), -3, "R2 of answers worse than the mean");
    cr_expect(clg_metric_r2(mean, mean, 3) == 1 && clg_metric_r2(mean, up, 3) == 0, "constant targets");
    cr_expect(isnan(clg_metric_mse(y, f, 0)) && isnan(clg_metric_r2(y, f, 0)) && isnan(clg_metric_mse(NULL, f, 4)));
    const double with_nan[] = {3, NAN, 2, 7};
    cr_expect(isnan(clg_metric_r2(y, with_nan, 4)) && isnan(clg_metric_r2(mean, with_nan, 3)));
    const double far[] = {1e9 + 1, 1e9 + 2, 1e9 + 3}, f_far[] = {1e9 + 1, 1e9 + 2, 1e9 + 4};
    expect_near(clg_metric_r2(far, f_far, 3), 0.5, "R2 far from zero");
}

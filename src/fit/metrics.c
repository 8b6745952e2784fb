/* Metrics of answers: a confusion matrix and what follows from it, top-k accuracy, squared error and R^2. The
 * conventions for empty classes and constant targets are those of scikit-learn (Pedregosa et al. 2011). */
#include "base/error.h"

#include <clgrad/metrics.h>
#include <math.h>

clg_status clg_confusion_add(int64_t *counts, int classes, const int32_t *truth, const int32_t *answer, int64_t n) {
    if (!counts || !truth || !answer || classes < 1 || n < 0)
        return clg_fail(CLG_ERR_INVALID, "confusion_add: %s; give arrays, classes >= 1 and n >= 0",
                        !counts ? "counts is NULL" : !truth ? "truth is NULL" : !answer ? "answer is NULL"
                        : classes < 1 ? "there are no classes" : "n is negative");
    for (int64_t i = 0; i < n; i++)
        if (truth[i] < 0 || truth[i] >= classes || answer[i] < 0 || answer[i] >= classes)
            return clg_fail(CLG_ERR_INVALID, "confusion_add: item %lld is of class %d and was answered with %d: "
                            "outside of the %d classes 0 to %d", (long long)i, (int)truth[i], (int)answer[i], classes,
                            classes - 1);
    for (int64_t i = 0; i < n; i++) counts[(int64_t)truth[i] * classes + answer[i]]++;
    return CLG_OK;
}

static double ratio(double part, double whole, double otherwise) {
    return whole > 0 ? part / whole : otherwise;
}

double clg_confusion_accuracy(const int64_t *counts, int classes) {
    int64_t right = 0, all = 0;
    for (int i = 0; counts && i < classes; i++)
        for (int j = 0; j < classes; j++) {
            all += counts[(int64_t)i * classes + j];
            if (i == j) right += counts[(int64_t)i * classes + j];
        }
    return ratio((double)right, (double)all, NAN);
}

clg_class_metrics clg_confusion_class(const int64_t *counts, int classes, int k) {
    clg_class_metrics m = {0};
    int64_t answered = 0;
    if (!counts || k < 0 || k >= classes) return m;
    for (int i = 0; i < classes; i++) {
        m.support += counts[(int64_t)k * classes + i];
        answered += counts[(int64_t)i * classes + k];
    }
    const double right = (double)counts[(int64_t)k * classes + k];
    m.precision = ratio(right, (double)answered, 0);
    m.recall = ratio(right, (double)m.support, 0);
    m.f1 = ratio(2 * right, (double)(answered + m.support), 0); /* 2 PR / (P + R) with one rounding */
    return m;
}

clg_class_metrics clg_confusion_macro(const int64_t *counts, int classes) {
    clg_class_metrics sum = {0};
    if (!counts || classes < 1) return sum;
    for (int k = 0; k < classes; k++) {
        const clg_class_metrics m = clg_confusion_class(counts, classes, k);
        sum.precision += m.precision;
        sum.recall += m.recall;
        sum.f1 += m.f1;
        sum.support += m.support;
    }
    sum.precision /= classes;
    sum.recall /= classes;
    sum.f1 /= classes;
    return sum;
}

/* Is class t among the k largest of s? Counts who stands before it; a NaN stands before every number. */
static bool among_largest(const float *s, int classes, int t, int k) {
    int before = 0;
    if (isnan(s[t])) return false;
    for (int j = 0; j < classes; j++)
        if (!(s[j] <= s[t]) || (s[j] == s[t] && j < t)) before++;
    return before < k;
}

double clg_metric_top_k(const float *scores, const int32_t *truth, int64_t n, int classes, int k) {
    int64_t right = 0;
    if (!scores || !truth || n < 1 || k < 1 || k > classes) {
        (void)clg_fail(CLG_ERR_INVALID, "metric_top_k(k %d) of %lld items with %d classes: %s", k, (long long)n,
                       classes, !scores ? "scores is NULL" : !truth ? "truth is NULL" : n < 1 ? "there are no items"
                       : "give k from 1 to the number of classes");
        return NAN;
    }
    for (int64_t i = 0; i < n; i++) {
        if (truth[i] < 0 || truth[i] >= classes) {
            (void)clg_fail(CLG_ERR_INVALID, "metric_top_k: item %lld is of class %d, outside of the %d classes 0 to %d",
                           (long long)i, (int)truth[i], classes, classes - 1);
            return NAN;
        }
        right += among_largest(scores + i * classes, classes, truth[i], k);
    }
    return (double)right / (double)n;
}

static double squared_error(const double *y, const double *f, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (y[i] - f[i]) * (y[i] - f[i]);
    return sum;
}

double clg_metric_mse(const double *y, const double *f, int64_t n) {
    return y && f && n > 0 ? squared_error(y, f, n) / (double)n : NAN;
}

double clg_metric_r2(const double *y, const double *f, int64_t n) {
    double mean = 0, total = 0;
    if (!y || !f || n < 1) return NAN;
    for (int64_t i = 0; i < n; i++) mean += y[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) total += (y[i] - mean) * (y[i] - mean);
    const double error = squared_error(y, f, n);
    return total > 0 ? 1 - error / total : error > 0 ? 0 : error == 0 ? 1 : NAN;
}

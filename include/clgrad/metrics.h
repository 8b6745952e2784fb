/* Metrics: numbers that tell how good answers are, computed on the host from answers and truth. */
#ifndef CLGRAD_METRICS_H_
#define CLGRAD_METRICS_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/**
 * Counts pairs (true class, answer) of n items: adds 1 to counts[truth * classes + answer] for each. counts is the
 * caller's, classes x classes, zeroed before the first call; so a set may be counted batch by batch.
 * Errors: CLG_ERR_INVALID for NULL, classes < 1, or a class outside 0 .. classes - 1 (names the item; counts stay).
 */
CLG_API CLG_CHECK clg_status clg_confusion_add(int64_t *counts, int classes, const int32_t *truth,
                                               const int32_t *answer, int64_t n);

/** What a confusion matrix says of a class. */
typedef struct clg_class_metrics {
    double  precision; /* of the items answered with this class, the share that is of it; 0 if there are none */
    double  recall;    /* of the items of this class, the share answered so; 0 if there are none */
    double  f1;        /* harmonic mean of the two: 2 PR / (P + R); 0 if both are */
    int64_t support;   /* items of this class */
} clg_class_metrics;

/** Share of right answers: trace / sum. NaN for a matrix without counts. */
CLG_API double clg_confusion_accuracy(const int64_t *counts, int classes);

/** Of class k. All zero for a k outside 0 .. classes - 1. */
CLG_API clg_class_metrics clg_confusion_class(const int64_t *counts, int classes, int k);

/** Unweighted means over the classes ("macro": a rare class counts as much as a frequent one; F1 is the mean of the
 *  F1s, not the F1 of the means); support is the number of items. */
CLG_API clg_class_metrics clg_confusion_macro(const int64_t *counts, int classes);

/**
 * Share of the n items whose true class is among the k largest of its scores [n, classes]. Of equal scores the lower
 * class goes first, as in clg_argmax(), so k = 1 is the accuracy. An item whose true class has the score NaN is wrong.
 * Errors: NaN for NULL, n < 1, k outside 1 .. classes, or a class outside 0 .. classes - 1; clg_error() says which.
 */
CLG_API double clg_metric_top_k(const float *scores, const int32_t *truth, int64_t n, int classes, int k);

/** Mean squared error, mean of (y - f)^2: y what is true, f what was answered. NaN for n < 1. */
CLG_API double clg_metric_mse(const double *y, const double *f, int64_t n);

/** Coefficient of determination, 1 - sum (y - f)^2 / sum (y - mean y)^2: 1 is perfect, 0 as good as answering the
 *  mean, below 0 worse than that. If all y are equal: 1 if all answers are right, else 0. NaN for n < 1. */
CLG_API double clg_metric_r2(const double *y, const double *f, int64_t n);

CLG_END_DECLS

#endif /* CLGRAD_METRICS_H_ */

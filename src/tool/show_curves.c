/* The epochs of a run as charts. */
#include "tool/show.h"
#include <math.h>
#include <stdlib.h>

enum column { TRAIN_LOSS, VAL_LOSS, TRAIN_SCORE, VAL_SCORE, RATE, COLUMNS };

static void fill(double *y, const clg_epoch *e, int64_t n, bool classes) {
    for (int64_t i = 0; i < n; i++) {
        y[TRAIN_LOSS * n + i] = e[i].train.loss;
        y[VAL_LOSS * n + i] = e[i].val.loss;
        y[TRAIN_SCORE * n + i] = classes ? e[i].train.accuracy : e[i].train.r2;
        y[VAL_SCORE * n + i] = classes ? e[i].val.accuracy : e[i].val.r2;
        y[RATE * n + i] = e[i].lr;
    }
}

static bool any(const double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (isfinite(y[i])) return true;
    return false;
}

/* A chart of the columns `first` and the one behind it, if there is anything in it. */
static clg_chart chart(const char *what, clg_series s[2], const double *y, enum column first, int64_t n) {
    const double *train = y + first * n, *val = train + n;
    s[0] = (clg_series){.name = "training", .y = train, .n = n};
    s[1] = (clg_series){.name = "validation", .y = val, .n = n, .dashed = true};
    return (clg_chart){.title = what, .x_label = "epoch", .series = s, .n_series = any(val, n) ? 2 : 1};
}

/* A rate that never changes needs no picture. */
static bool changes(const double *y, int64_t n) {
    for (int64_t i = 1; i < n; i++)
        if (y[i] != y[0]) return true;
    return false;
}

void clg_show_curves(clg_album *a, const char *title, const clg_epoch *e, int64_t n) {
    clg_series loss[2], score[2], rate;
    clg_chart charts[3];
    int count = 0;
    double *y = n > 0 ? calloc((size_t)n * COLUMNS, sizeof *y) : NULL;
    if (n > 0 && !y) clg_album_fail(a, clg_tool_error(CLG_EXIT_FAILED, "no memory"));
    if (!y) return;
    const bool classes = isfinite(e[0].train.accuracy);
    fill(y, e, n, classes);
    charts[count++] = chart("loss", loss, y, TRAIN_LOSS, n);
    if (any(y + TRAIN_SCORE * n, n) || any(y + VAL_SCORE * n, n))
        charts[count++] = chart(classes ? "accuracy" : "R\xc2\xb2", score, y, TRAIN_SCORE, n);
    if (changes(y + RATE * n, n)) {
        rate = (clg_series){.y = y + RATE * n, .n = n};
        charts[count++] = (clg_chart){.title = "learning rate", .x_label = "epoch", .series = &rate, .n_series = 1};
    }
    clg_album_add(a, "curves", clg_figure_charts(title, charts, count), any(y + VAL_LOSS * n, n)
                  ? "Training: means over each epoch, while the weights moved. Validation: after it."
                  : "Means over each epoch, while the weights moved.");
    free(y);
}

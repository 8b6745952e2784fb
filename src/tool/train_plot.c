/* Loss and accuracy (or R2) over the epochs as one SVG file: two charts of plot.h. */
#include "tool/train.h"

#include <math.h>
#include <stdlib.h>

/* y: training and validation, n values each */
static clg_chart chart(const char *what, clg_series s[2], const double *y, int64_t n, bool val) {
    s[0] = (clg_series){.name = "training", .y = y, .n = n};
    s[1] = (clg_series){.name = "validation", .y = y + n, .n = n, .dashed = true};
    return (clg_chart){.title = what, .x_label = "epoch", .series = s, .n_series = val ? 2 : 1};
}

int clg_train_plot(const clg_train_run *r) {
    const clg_epoch *e;
    const int64_t n = clg_trainer_history(r->trainer, &e);
    const bool reals = clg_dataset_classes(r->train) == 0;
    double *y = calloc((size_t)n * 4 + 1, sizeof *y);
    char title[160];
    if (!y) return clg_tool_error(CLG_EXIT_FAILED, "--plot %s: no memory", r->o.out.plot);
    for (int64_t i = 0; i < n; i++) {
        y[i] = e[i].train.loss;
        y[n + i] = e[i].val.loss;
        y[2 * n + i] = reals ? e[i].train.r2 : e[i].train.accuracy;
        y[3 * n + i] = reals ? e[i].val.r2 : e[i].val.accuracy;
    }
    clg_series loss[2], right[2];
    const clg_chart charts[] = {chart("loss", loss, y, n, r->val != NULL),
                                chart(reals ? "R2" : "accuracy", right, y + 2 * n, n, r->val != NULL)};
    snprintf(title, sizeof title, "%s on %s: %s, lr %g, batch %lld", clg_model_name(r->model), r->o.data,
             r->o.optimizer, r->o.lr, (long long)r->o.batch);
    clg_figure *f = clg_figure_charts(title, charts, 2);
    const clg_status status = clg_figure_save(f, r->o.out.plot);
    clg_figure_destroy(&f);
    free(y);
    return status < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

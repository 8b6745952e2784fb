/* Loss and accuracy over the epochs as one SVG file: two charts of plot.h. */
#include "tool/model.h"

#include <math.h>
#include <stdlib.h>

/* y: training and validation, n values each */
static clg_chart chart(const char *what, clg_series s[2], const double *y, int n, bool val) {
    s[0] = (clg_series){.name = "training", .y = y, .n = n};
    s[1] = (clg_series){.name = "validation", .y = y + n, .n = n, .dashed = true};
    return (clg_chart){.title = what, .x_label = "epoch", .series = s, .n_series = val ? 2 : 1};
}

int clg_svg_plot(const char *path, const char *title, const clg_run_epoch *e, int n) {
    double *y = calloc((size_t)n * 4 + 1, sizeof *y);
    bool val = false;
    if (!y) return clg_tool_error(CLG_EXIT_FAILED, "--plot %s: no memory", path);
    for (int i = 0; i < n; i++) {
        y[i] = e[i].train_loss;
        y[n + i] = e[i].val_loss;
        y[2 * n + i] = e[i].train_accuracy;
        y[3 * n + i] = e[i].val_accuracy;
        val = val || isfinite(e[i].val_loss);
    }
    clg_series loss[2], accuracy[2];
    const clg_chart charts[] = {chart("loss", loss, y, n, val), chart("accuracy", accuracy, y + 2 * n, n, val)};
    clg_figure *f = clg_figure_charts(title, charts, 2);
    const clg_status status = clg_figure_save(f, path);
    clg_figure_destroy(&f);
    free(y);
    return status < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

/* A fitted curve: where items are one number, or the powers of one (x, x^2, ...), data and model are drawn over it. */
#include "tool/show.h"
#include <stdlib.h>
#include <string.h>

static bool is_curve(const clg_dataset *d) {
    const clg_shape s = clg_dataset_shape(d);
    if (s.ndim != 1 || clg_dataset_targets(d) != 1) return false;
    for (int64_t k = 1; k < s.dim[0]; k++) {
        const char *name = clg_dataset_feature_name(d, k);
        char power[32];
        snprintf(power, sizeof power, "x^%lld", (long long)k + 1);
        if (!name || strcmp(name, power) != 0) return false;
    }
    return true;
}

typedef struct point {
    double x, y, f; /* f: of the model */
} point;

static int by_x(const void *a, const void *b) {
    const double p = ((const point *)a)->x, q = ((const point *)b)->x;
    return p < q ? -1 : p > q;
}

/* Room for the numbers of n points, as three arrays behind each other; NULL: no memory or a row that cannot be read. */
static double *columns(clg_album *a, const clg_dataset *d, const float *output) {
    const int64_t n = clg_dataset_size(d);
    point *p = calloc((size_t)n, sizeof *p);
    double *column = malloc((size_t)n * 3 * sizeof *column);
    double *row = malloc((size_t)clg_elements(clg_dataset_shape(d)) * sizeof *row);
    bool ok = p && column && row;
    if (!ok) clg_album_fail(a, clg_tool_error(CLG_EXIT_FAILED, "no memory"));
    for (int64_t i = 0; ok && i < n; i++) {
        ok = clg_dataset_row(d, i, row, &p[i].y) == CLG_OK;
        if (!ok) clg_album_fail(a, clg_tool_fail());
        p[i].x = row[0];
        p[i].f = (double)output[i];
    }
    if (ok) qsort(p, (size_t)n, sizeof *p, by_x);
    for (int64_t i = 0; ok && i < n; i++) {
        column[i] = p[i].x;
        column[n + i] = p[i].y;
        column[2 * n + i] = p[i].f;
    }
    free(p);
    free(row);
    if (ok) return column;
    free(column);
    return NULL;
}

static void draw(clg_album *a, const clg_dataset *d, const double *seen, const clg_dataset *test, const double *other) {
    const int64_t n = clg_dataset_size(d), m = clg_dataset_size(test);
    const clg_series s[] = {{.name = "training part", .x = seen, .y = seen + n, .n = n, .points = true},
                            {.name = "test part", .x = other, .y = other + m, .n = m, .points = true},
                            {.name = "model", .x = seen, .y = seen + 2 * n, .n = n, .plain = true}};
    const char *name = clg_dataset_feature_name(d, 0);
    const clg_chart c = {.x_label = name ? name : "x", .y_label = "target", .series = s, .n_series = 3};
    clg_album_add(a, "fit", clg_figure_charts("The fitted curve", &c, 1), "Data, and what the model says in between.");
}

void clg_show_fit(clg_album *a, const clg_exhibit *x) {
    clg_score score;
    if (!x->seen || !x->output || a->code != CLG_EXIT_OK || !is_curve(x->data)) return;
    float *output = malloc((size_t)clg_dataset_size(x->seen) * sizeof *output);
    double *seen = NULL, *other = NULL;
    if (!output) clg_album_fail(a, clg_tool_error(CLG_EXIT_FAILED, "no memory"));
    else if (clg_evaluate(x->trainer, x->seen, &score, NULL, output) < 0) clg_album_fail(a, clg_tool_fail());
    if (a->code == CLG_EXIT_OK) seen = columns(a, x->seen, output);
    if (a->code == CLG_EXIT_OK) other = columns(a, x->data, x->output);
    if (seen && other) draw(a, x->seen, seen, x->data, other);
    free(output);
    free(seen);
    free(other);
}

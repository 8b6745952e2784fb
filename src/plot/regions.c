/* Regions of the plane: one pixel a cell in an embedded picture, whose opacity tells how sure the answer is, so that it
 * stands on a light and on a dark background. Points lie above it. */
#include "base/alloc.h"
#include "base/error.h"
#include "plot/draw.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

enum { MAX_CELLS = 2048, WIDTH = 560, HEIGHT = 420, TOP = 14, LEGEND_CLASSES = 32, SHADES = 16 };

static int64_t class_count(const clg_region_params *p) {
    int32_t most = -1;
    for (int64_t i = 0; i < (int64_t)p->nx * p->ny; i++) most = p->region[i] > most ? p->region[i] : most;
    for (int64_t i = 0; p->label && i < p->n; i++) most = p->label[i] > most ? p->label[i] : most;
    return (int64_t)most + 1;
}

static uint8_t opacity(const clg_region_params *p, int64_t cell) {
    if (p->region[cell] < 0) return 0;
    const double score = p->score && p->score[cell] >= 0 ? fmin(1, p->score[cell]) : 0.5;
    return (uint8_t)lround(36 + 84 * rint(score * SHADES) / SHADES);
}

static void put_cells(clg_str *s, const clg_region_params *p, const clg_axis *x, const clg_axis *y) {
    uint8_t *rgba = clg_calloc((size_t)p->nx * (size_t)p->ny, 4), *at = rgba;
    if (!rgba) {
        s->failed = true;
        return;
    }
    for (int row = p->ny - 1; row >= 0; row--)
        for (int64_t cell = (int64_t)row * p->nx; cell < (int64_t)(row + 1) * p->nx; cell++, at += 4) {
            const uint32_t color = p->region[cell] < 0 ? 0 : clg_color(p->region[cell]);
            for (int i = 0; i < 3; i++) at[i] = (uint8_t)(color >> (16 - 8 * i));
            at[3] = opacity(p, cell);
        }
    clg_put_picture(s, x->from, y->to, x->to - x->from, y->from - y->to, rgba, p->nx, p->ny);
    clg_free(rgba);
}

static void put_points(clg_str *s, const clg_region_params *p, const clg_axis *x, const clg_axis *y) {
    for (int64_t i = 0; i < p->n; i++) {
        if (!(p->px[i] >= p->x0 && p->px[i] <= p->x1 && p->py[i] >= p->y0 && p->py[i] <= p->y1)) continue;
        const double at_x = clg_axis_at(x, p->px[i]), at_y = clg_axis_at(y, p->py[i]);
        if (p->label && p->label[i] >= 0) clg_put_mark(s, at_x, at_y, p->label[i]);
        else clg_put_mark_grey(s, at_x, at_y);
    }
}

/* Returns the number of rows. */
static int legend(clg_str *s, const clg_region_params *p, int classes, double width) {
    const char *name[LEGEND_CLASSES];
    char number[LEGEND_CLASSES][24], line[LEGEND_CLASSES];
    const int n = classes < LEGEND_CLASSES ? classes : LEGEND_CLASSES;
    for (int i = 0; i < n; i++) {
        snprintf(number[i], sizeof number[i], "class %d", i);
        name[i] = p->class_name && p->class_name[i] ? p->class_name[i] : number[i];
        line[i] = ' ';
    }
    return clg_put_legend(s, 14, TOP, width, n, name, line);
}

static clg_status check(const clg_region_params *p) {
    if (!p || !p->region || p->nx < 1 || p->ny < 1 || p->nx > MAX_CELLS || p->ny > MAX_CELLS)
        return clg_fail(CLG_ERR_INVALID, "clg_figure_regions: %d x %d cells%s; 1 to %d each way are possible",
                        p ? p->nx : 0, p ? p->ny : 0, p && p->region ? "" : " at NULL", MAX_CELLS);
    if (!(p->x0 < p->x1 && p->y0 < p->y1) || !(fabs(p->x0) <= 1e300 && fabs(p->x1) <= 1e300) ||
        !(fabs(p->y0) <= 1e300 && fabs(p->y1) <= 1e300))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_regions: x from %g to %g, y from %g to %g: the first must be the "
                        "lower", p->x0, p->x1, p->y0, p->y1);
    if (p->n < 0 || (p->n > 0 && (!p->px || !p->py)))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_regions: %lld points%s", (long long)p->n,
                        p->px && p->py ? "" : " at NULL");
    const int64_t found = class_count(p), most = p->classes ? p->classes : INT_MAX;
    if (p->classes < 0 || found > most)
        return clg_fail(CLG_ERR_INVALID, "clg_figure_regions: class %lld of %lld classes", (long long)found - 1,
                        (long long)most);
    return CLG_OK;
}

clg_figure *clg_figure_regions(const char *title, const clg_region_params *p) {
    clg_panel panel = { .width = WIDTH };
    if (check(p) < 0) return NULL;
    clg_str *s = &panel.body;
    const int classes = p->classes ? p->classes : (int)class_count(p);
    const int rows = legend(NULL, p, classes, WIDTH - 28);
    const double top = TOP + rows * CLG_ROW + (rows ? 10 : 0);
    clg_axis y = { .tight = true, .from = top + HEIGHT, .to = top };
    clg_axis x = { .tight = true, .to = WIDTH - CLG_AXES_RIGHT };
    clg_axis_fit(&y, p->y0, p->y1, 6);
    clg_axis_fit(&x, p->x0, p->x1, 6);
    x.from = clg_axes_left(&y, p->y_label) + 4;
    panel.height = (int)(top + HEIGHT + CLG_AXES_TICKS + CLG_AXES_LABEL + 2);
    legend(s, p, classes, WIDTH - 28);
    clg_put_axes(s, &x, &y, p->x_label, p->y_label);
    put_cells(s, p, &x, &y);
    put_points(s, p, &x, &y);
    return clg_figure_compose("clg_figure_regions", title, &panel, 1);
}

/* Charts of curves and points. Lines are cut at the edges of the axes (Liang & Barsky 1984), so coordinates stay in the
 * drawing whatever the values are. */
#include "base/alloc.h"
#include "base/error.h"
#include "plot/draw.h"

#include <math.h>
#include <string.h>

enum { WIDE = 560, NARROW = 460, HEIGHT = 270, TITLE = 40, MAX_SERIES = 64, MARKS_ON_LINES = 60, MANY = 2000 };

typedef struct chart {
    const clg_chart *c;
    clg_axis x, y;
    clg_str *s;
} chart;

static double x_value(const clg_series *s, int64_t i) {
    return s->x ? s->x[i] : (double)(i + 1);
}

static bool is_there(const chart *k, const clg_series *s, int64_t i) {
    return clg_axis_takes(&k->x, x_value(s, i)) && clg_axis_takes(&k->y, s->y[i]);
}

/* --- lines --- */

typedef struct pen {
    double x, y, drawn_x, drawn_y;
    bool   down, drawn; /* down: (x, y) is where the next segment begins; drawn: the path ends at drawn_x, drawn_y */
} pen;

/* Cuts one side: keeps the part [*t0, *t1] of the segment where p t <= q. */
static bool cut(double p, double q, double *t0, double *t1) {
    if (p == 0) return q >= 0;
    const double t = q / p;
    if (p < 0) *t0 = fmax(*t0, t);
    else *t1 = fmin(*t1, t);
    return *t0 <= *t1;
}

static void line_to(const chart *k, pen *p, double x, double y) {
    const double dx = x - p->x, dy = y - p->y;
    double t0 = 0, t1 = 1;
    if (p->down && cut(-dx, p->x - k->x.from, &t0, &t1) && cut(dx, k->x.to - p->x, &t0, &t1) &&
        cut(-dy, p->y - k->y.to, &t0, &t1) && cut(dy, k->y.from - p->y, &t0, &t1)) {
        const double x0 = p->x + t0 * dx, y0 = p->y + t0 * dy;
        if (!p->drawn || x0 != p->drawn_x || y0 != p->drawn_y) clg_str_printf(k->s, "M%s %s", CLG_N(x0), CLG_N(y0));
        p->drawn_x = t1 == 1 ? x : p->x + t1 * dx;
        p->drawn_y = t1 == 1 ? y : p->y + t1 * dy;
        clg_str_printf(k->s, "L%s %s", CLG_N(p->drawn_x), CLG_N(p->drawn_y));
        p->drawn = true;
    }
    p->x = x;
    p->y = y;
    p->down = true;
}

/* Of the values in one column of pixels: the first, the least, the greatest and the last, in their order. */
static void put_column(const chart *k, pen *p, const clg_series *s, int64_t from, int64_t to) {
    int64_t low = from, high = from, last = -1;
    for (int64_t i = from; i < to; i++) {
        if (s->y[i] < s->y[low]) low = i;
        if (s->y[i] > s->y[high]) high = i;
    }
    const int64_t which[] = { from, low < high ? low : high, low < high ? high : low, to - 1 };
    for (int i = 0; i < 4; i++) {
        if (which[i] == last) continue;
        last = which[i];
        line_to(k, p, clg_axis_at(&k->x, x_value(s, last)), clg_axis_at(&k->y, s->y[last]));
    }
}

static void put_curve(const chart *k, int which) {
    const clg_series *s = &k->c->series[which];
    const bool thin = s->n > MANY;
    pen p = { 0 };
    clg_str_printf(k->s, "<path class=\"l s%d%s\" d=\"M%s %s", which % CLG_N_COLORS, s->dashed ? " d" : "",
                   CLG_N(k->x.from), CLG_N(k->y.from));
    for (int64_t i = 0, to; i < s->n; i = to) {
        to = i + 1;
        p.down = p.down && is_there(k, s, i);
        if (!is_there(k, s, i)) continue;
        const double column = floor(clg_axis_at(&k->x, x_value(s, i)));
        while (thin && to < s->n && is_there(k, s, to) && floor(clg_axis_at(&k->x, x_value(s, to))) == column) to++;
        put_column(k, &p, s, i, to);
    }
    clg_str_add(k->s, "\"/>\n");
}

/* --- points --- */

static bool is_inside(const chart *k, double x, double y) {
    return x >= k->x.from - 0.01 && x <= k->x.to + 0.01 && y <= k->y.from + 0.01 && y >= k->y.to - 0.01;
}

/* A lone point of a line, which has no segment, needs a mark however many points there are. */
static bool is_lone(const chart *k, const clg_series *s, int64_t i) {
    return (i == 0 || !is_there(k, s, i - 1)) && (i + 1 == s->n || !is_there(k, s, i + 1));
}

static void put_error_bar(const chart *k, const clg_series *s, int64_t i, int which) {
    const double x = clg_axis_at(&k->x, x_value(s, i)), e = fabs(s->error[i]);
    if (!isfinite(e) || e == 0 || x < k->x.from - 0.01 || x > k->x.to + 0.01) return;
    const double high = clg_axis_at(&k->y, s->y[i] + e), low = clg_axis_at(&k->y, s->y[i] - e);
    if (high > k->y.from || low < k->y.to) return;
    char stroke[] = "l s0";
    stroke[3] = (char)('0' + which % CLG_N_COLORS);
    clg_put_line(k->s, x, fmax(high, k->y.to), x, fmin(low, k->y.from), stroke);
    if (high >= k->y.to) clg_put_line(k->s, x - 4, high, x + 4, high, stroke);
    if (low <= k->y.from) clg_put_line(k->s, x - 4, low, x + 4, low, stroke);
}

static void put_marks(const chart *k, int which, uint8_t *seen) {
    const clg_series *s = &k->c->series[which];
    const int width = (int)(k->x.to - k->x.from) + 1;
    for (int64_t i = 0; i < s->n; i++) {
        if (!is_there(k, s, i)) continue;
        if (s->error) put_error_bar(k, s, i, which);
        if (!s->points && (s->plain || s->n > MARKS_ON_LINES) && !is_lone(k, s, i)) continue;
        const double x = clg_axis_at(&k->x, x_value(s, i)), y = clg_axis_at(&k->y, s->y[i]);
        if (!is_inside(k, x, y)) continue;
        uint8_t *pixel = &seen[(int)(y - k->y.to) * width + (int)(x - k->x.from)];
        if (s->n <= MANY || !*pixel) clg_put_mark(k->s, x, y, which);
        *pixel = 1;
    }
}

static clg_status put_series(const chart *k) {
    const size_t pixels = (size_t)(k->x.to - k->x.from + 1) * (size_t)(k->y.from - k->y.to + 1);
    uint8_t *seen = clg_alloc(pixels);
    if (!seen) return clg_fail_nomem("drawing");
    for (int i = 0; i < k->c->n_series; i++)
        if (!k->c->series[i].points) put_curve(k, i);
    for (int i = 0; i < k->c->n_series; i++) {
        memset(seen, 0, pixels);
        put_marks(k, i, seen);
    }
    clg_free(seen);
    return CLG_OK;
}

/* --- axes --- */

static void widen(const clg_axis *a, double v, double *low, double *high) {
    if (!clg_axis_takes(a, v)) return;
    *low = fmin(*low, v);
    *high = fmax(*high, v);
}

/* Returns whether there is anything to draw. */
static bool fit_axes(chart *k) {
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    k->x.whole = !k->x.log;
    for (int j = 0; j < k->c->n_series; j++) {
        const clg_series *s = &k->c->series[j];
        for (int64_t i = 0; i < s->n; i++) {
            if (!is_there(k, s, i)) continue;
            const double e = s->error && isfinite(s->error[i]) ? fabs(s->error[i]) : 0;
            widen(&k->x, x_value(s, i), &x0, &x1);
            widen(&k->y, s->y[i], &y0, &y1);
            widen(&k->y, s->y[i] + e, &y0, &y1);
            if (!k->y.log || s->y[i] - e > s->y[i] / 10) widen(&k->y, s->y[i] - e, &y0, &y1);
            k->x.whole = k->x.whole && x_value(s, i) == rint(x_value(s, i));
        }
    }
    const bool any = y0 <= y1;
    if (k->c->y_low != 0 || k->c->y_high != 0) {
        k->y.tight = true;
        y0 = k->c->y_low;
        y1 = k->c->y_high;
    }
    clg_axis_fit(&k->y, y0, y1, 6);
    k->x.from = clg_axes_left(&k->y, k->c->y_label) + 4;
    clg_axis_fit(&k->x, x0, x1, 7);
    if (clg_axis_label_width(&k->x) * k->x.n_ticks > 0.7 * (k->x.to - k->x.from)) clg_axis_fit(&k->x, x0, x1, 3);
    const double room = 0.025 * (k->x.high - k->x.low); /* so that no mark lies on the other axis */
    k->x.low -= room;
    k->x.high += room;
    return any;
}

/* --- the panel --- */

static int legend(const clg_chart *c, clg_str *s, double x, double y, double width) {
    const char *name[MAX_SERIES];
    char line[MAX_SERIES];
    for (int i = 0; i < c->n_series; i++) {
        name[i] = c->series[i].name;
        const clg_series *one = &c->series[i];
        line[i] = one->points ? ' ' : one->plain ? "=~"[one->dashed] : "_-"[one->dashed];
    }
    return clg_put_legend(s, x, y, width, c->n_series, name, line);
}

static clg_status put_chart(const clg_chart *c, int width, int legend_rows, clg_panel *panel) {
    const int top = (c->title ? TITLE : 14) + legend_rows * CLG_ROW + (legend_rows ? 12 : 0);
    chart k = { .c = c, .s = &panel->body };
    k.x = (clg_axis){ .log = c->log_x, .tight = true, .to = width - CLG_AXES_RIGHT };
    k.y = (clg_axis){ .log = c->log_y, .from = top + HEIGHT, .to = top };
    panel->width = width;
    panel->height = top + HEIGHT + CLG_AXES_TICKS + CLG_AXES_LABEL + 2;
    const bool any = fit_axes(&k);
    if (c->title) clg_put_text(k.s, 14, 22, width - 28, "t h", c->title);
    legend(c, k.s, 14, c->title ? TITLE : 14, width - 28);
    clg_put_axes(k.s, &k.x, &k.y, c->x_label, c->y_label);
    if (!any) clg_put_text(k.s, (k.x.from + k.x.to) / 2, (k.y.from + k.y.to) / 2, 100, "q c", "no data");
    return put_series(&k);
}

static clg_status check(const clg_chart *c) {
    const char *name = c->title ? c->title : "chart";
    const bool fixed = c->y_low != 0 || c->y_high != 0;
    if (c->n_series < 0 || c->n_series > MAX_SERIES || (c->n_series > 0 && !c->series))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_charts(%s): %d series%s; 0 to %d are possible", name, c->n_series,
                        c->series ? "" : " at NULL", MAX_SERIES);
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].n < 0 || (c->series[i].n > 0 && !c->series[i].y))
            return clg_fail(CLG_ERR_INVALID, "clg_figure_charts(%s): series %d has %lld points%s", name, i,
                            (long long)c->series[i].n, c->series[i].y ? "" : " at NULL");
    if (fixed && !(fabs(c->y_low) <= 1e300 && fabs(c->y_high) <= 1e300 && c->y_low < c->y_high))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_charts(%s): y from %g to %g: the first must be the lower", name,
                        c->y_low, c->y_high);
    if (fixed && c->log_y && c->y_low <= 0)
        return clg_fail(CLG_ERR_INVALID, "clg_figure_charts(%s): y from %g on a logarithmic axis, which has no 0", name,
                        c->y_low);
    return CLG_OK;
}

clg_figure *clg_figure_charts(const char *title, const clg_chart *chart_list, int n) {
    clg_panel panel[CLG_MAX_PANELS] = { 0 };
    int rows[CLG_MAX_PANELS] = { 0 }; /* of legend; the charts of a row have the same room */
    if (n < 1 || n > CLG_MAX_PANELS || !chart_list) {
        clg_fail(CLG_ERR_INVALID, "clg_figure_charts: %d charts%s; 1 to %d are possible", n,
                 chart_list ? "" : " at NULL", CLG_MAX_PANELS);
        return NULL;
    }
    const int width = n == 1 ? WIDE : NARROW;
    for (int i = 0; i < n; i++) {
        if (check(&chart_list[i]) < 0) return NULL;
        const int need = legend(&chart_list[i], NULL, 0, 0, width - 28), row = i / CLG_PER_ROW;
        rows[row] = need > rows[row] ? need : rows[row];
    }
    for (int i = 0; i < n; i++)
        if (put_chart(&chart_list[i], width, rows[i / CLG_PER_ROW], &panel[i]) < 0) panel[i].body.failed = true;
    return clg_figure_compose("clg_figure_charts", title, panel, n);
}

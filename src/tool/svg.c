/* Loss and accuracy over the epochs as one SVG file, made by hand: two panels, each with axes, ticks, grid, curves
 * and a legend. It goes to a temporary file that is renamed, so a reader never sees half a drawing. */
#include "tool/model.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 400, TOP = 70, BOTTOM = 340, PANEL = 400, LEFT_1 = 60, LEFT_2 = 530 };

static const char *const colors[2] = {"#1f5fa8", "#c8501e"};

typedef struct panel {
    const char *title, *name[2]; /* of the two curves; NULL: no such curve */
    const double *y[2];
    int    n;
    double left, low, high, step; /* y axis from low to high, a tick every step */
    int    digits;                /* behind the point in tick labels */
} panel;

static double x_at(const panel *p, double epoch) {
    const double first = p->n > 1 ? 1 : 0.5, last = p->n > 1 ? p->n : 1.5;
    return p->left + (epoch - first) / (last - first) * PANEL;
}

static double y_at(const panel *p, double v) {
    return BOTTOM - (v - p->low) / (p->high - p->low) * (BOTTOM - TOP);
}

/* 1, 2 or 5 times a power of ten, so that about `parts` of them make up `range`. */
static double nice_step(double range, int parts) {
    const double rough = range / parts, power = pow(10, floor(log10(rough))), m = rough / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

/* Fits the y axis to the curves, out to whole ticks. */
static void fit(panel *p) {
    double low = INFINITY, high = -INFINITY;
    for (int c = 0; c < 2; c++)
        for (int i = 0; p->name[c] && i < p->n; i++)
            if (isfinite(p->y[c][i])) {
                low = fmin(low, p->y[c][i]);
                high = fmax(high, p->y[c][i]);
            }
    if (!(low <= high)) low = 0, high = 1;
    if (high - low < 1e-6) low = fmax(0, low - 0.05), high += 0.05;
    p->step = nice_step(high - low, 5);
    p->low = floor(low / p->step) * p->step;
    p->high = ceil(high / p->step) * p->step;
    p->digits = p->step >= 1 ? 0 : (int)ceil(-log10(p->step) - 1e-9);
}

static void draw_axes(FILE *f, const panel *p) {
    fprintf(f, "<text x=\"%g\" y=\"%d\" class=\"h\">%s</text>\n", p->left, TOP - 16, p->title);
    const int ticks = (int)lround((p->high - p->low) / p->step);
    for (int i = 0; i <= ticks; i++) {
        const double v = p->low + i * p->step, y = y_at(p, v);
        fprintf(f, "<line x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\" class=\"g\"/>\n", p->left, y, p->left + PANEL, y);
        fprintf(f, "<text x=\"%g\" y=\"%.1f\" class=\"e\">%.*f</text>\n", p->left - 8, y + 4, p->digits, v);
    }
    const int every = p->n > 1 ? (int)fmax(1, nice_step(p->n - 1, 8)) : 1;
    for (int e = 1; e <= p->n; e++) {
        if (p->n > 8 && e % every != 0 && e != 1) continue;
        const double x = x_at(p, e);
        fprintf(f, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" class=\"a\"/>\n", x, BOTTOM, x, BOTTOM + 5);
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" class=\"m\">%d</text>\n", x, BOTTOM + 20, e);
    }
    fprintf(f, "<path d=\"M%g %d V%d H%g\" class=\"a\"/>\n", p->left, TOP, BOTTOM, p->left + PANEL);
    fprintf(f, "<text x=\"%g\" y=\"%d\" class=\"m\">epoch</text>\n", p->left + PANEL / 2.0, BOTTOM + 42);
}

static void draw_curve(FILE *f, const panel *p, int c) {
    bool pen = false;
    fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colors[c]);
    for (int i = 0; i < p->n; i++) {
        const bool there = isfinite(p->y[c][i]);
        if (there) fprintf(f, "%s%.1f %.1f", pen ? " L" : " M", x_at(p, i + 1), y_at(p, p->y[c][i]));
        pen = there;
    }
    fprintf(f, "\"/>\n");
    for (int i = 0; i < p->n && p->n <= 60; i++)
        if (isfinite(p->y[c][i]))
            fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_at(p, i + 1), y_at(p, p->y[c][i]),
                    colors[c]);
}

/* The legend stands to the right of the panel's title, so it never hides a curve. */
static void draw_legend(FILE *f, const panel *p) {
    double x = p->left + PANEL - (p->name[1] ? 190 : 85);
    for (int c = 0; c < 2; c++) {
        if (!p->name[c]) continue;
        fprintf(f, "<line x1=\"%g\" y1=\"%d\" x2=\"%g\" y2=\"%d\" stroke=\"%s\" stroke-width=\"3\"/>\n", x, TOP - 20,
                x + 20, TOP - 20, colors[c]);
        fprintf(f, "<text x=\"%g\" y=\"%d\" class=\"s\">%s</text>\n", x + 26, TOP - 16, p->name[c]);
        x += 85;
    }
}

static void draw_panel(FILE *f, panel *p) {
    fit(p);
    draw_axes(f, p);
    for (int c = 0; c < 2; c++)
        if (p->name[c]) draw_curve(f, p, c);
    draw_legend(f, p);
}

static void put_escaped(FILE *f, const char *s) {
    for (; *s; s++) {
        if (*s == '<') fputs("&lt;", f);
        else if (*s == '&') fputs("&amp;", f);
        else if ((unsigned char)*s >= 32) fputc(*s, f);
    }
}

/* y: train loss, val loss, train accuracy, val accuracy, n values each */
static void draw(FILE *f, const char *title, const double *y, int n) {
    bool val = false;
    for (int i = 0; i < n; i++) val = val || isfinite(y[n + i]);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<style>text{font:13px sans-serif;fill:#333}.t{font-size:16px;font-weight:bold}.h{font-size:14px;"
            "font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}.g{stroke:#ddd}.a{stroke:#333;fill:none}"
            "</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"28\" class=\"t\">",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT_1);
    put_escaped(f, title);
    fprintf(f, "</text>\n");
    panel loss = {.title = "loss", .name = {"training", val ? "validation" : NULL}, .y = {y, y + n}, .n = n,
                  .left = LEFT_1};
    panel accuracy = loss;
    accuracy.title = "accuracy";
    accuracy.left = LEFT_2;
    accuracy.y[0] = y + 2 * n;
    accuracy.y[1] = y + 3 * n;
    draw_panel(f, &loss);
    draw_panel(f, &accuracy);
    fprintf(f, "</svg>\n");
}

int clg_svg_plot(const char *path, const char *title, const clg_run_epoch *e, int n) {
    const size_t size = strlen(path) + 8;
    char *temporary = malloc(size);
    double *y = calloc((size_t)n * 4 + 1, sizeof *y);
    if (!temporary || !y) {
        free(temporary);
        free(y);
        return clg_tool_error(CLG_EXIT_FAILED, "--plot %s: no memory", path);
    }
    for (int i = 0; i < n; i++) {
        y[i] = e[i].train_loss;
        y[n + i] = e[i].val_loss;
        y[2 * n + i] = e[i].train_accuracy;
        y[3 * n + i] = e[i].val_accuracy;
    }
    snprintf(temporary, size, "%s.tmp", path);
    FILE *f = fopen(temporary, "w");
    bool ok = f != NULL;
    if (f) {
        draw(f, title, y, n);
        ok = !ferror(f);
        ok = fclose(f) == 0 && ok;
        ok = ok && rename(temporary, path) == 0;
    }
    const int error = errno;
    if (f && !ok) remove(temporary);
    free(temporary);
    free(y);
    return ok ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FILE, "--plot %s: cannot write it: %s", path, strerror(error));
}

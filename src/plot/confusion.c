/* The confusion matrix: a cell for each pair of classes, its colour by the share of the true class's items. */
#include "base/alloc.h"
#include "base/error.h"
#include "plot/draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MAX_CLASSES = 2000, MAX_COUNTS = 24, FEW = 5, LONGEST_NAME = 120, EDGE = 14, SIDE = 480 };

typedef struct matrix {
    const int64_t *counts;
    int    n;
    const char *const *name;
    double x, y, cell; /* of the upper left corner */
    clg_str *s;
} matrix;

static const char *name_of(const matrix *m, int k, char out[CLG_FIXED_SIZE]) {
    return m->name && m->name[k] ? m->name[k] : clg_fixed(out, k, 0);
}

static double widest_name(const matrix *m) {
    char number[CLG_FIXED_SIZE];
    double width = 0;
    for (int k = 0; k < m->n; k++) width = fmax(width, clg_text_width(name_of(m, k, number), CLG_TEXT_SIZE));
    return fmin(width, LONGEST_NAME);
}

static int64_t row_total(const matrix *m, int row) {
    int64_t sum = 0;
    for (int k = 0; k < m->n; k++) sum += m->counts[(int64_t)row * m->n + k];
    return sum;
}

/* 0 only for no item at all, so that a single mistake is seen. */
static int level_of(int64_t count, int64_t total) {
    if (count == 0) return 0;
    return (int)fmax(1, lround((CLG_N_LEVELS - 1) * ((double)count / (double)total)));
}

static void put_cells(const matrix *m) {
    char text[32], fill[16], ink[24];
    for (int row = 0; row < m->n; row++) {
        const int64_t total = row_total(m, row);
        for (int k = 0; k < m->n; k++) {
            const int64_t count = m->counts[(int64_t)row * m->n + k];
            const double x = m->x + k * m->cell, y = m->y + row * m->cell;
            const int level = level_of(count, total);
            snprintf(fill, sizeof fill, "%c%d", row == k ? 'r' : 'w', level);
            clg_put_rect(m->s, x + 0.5, y + 0.5, m->cell - 1, m->cell - 1, fill);
            if (count == 0) continue;
            snprintf(text, sizeof text, "%" PRId64, count);
            snprintf(ink, sizeof ink, "c %ct%d", fill[0], level);
            clg_put_text(m->s, x + m->cell / 2, y + m->cell / 2 + 4.5, m->cell, ink, text);
        }
    }
}

static void put_pixels(const matrix *m) {
    uint8_t *rgba = clg_calloc((size_t)m->n * (size_t)m->n, 4);
    if (!rgba) m->s->failed = true;
    for (int row = 0; rgba && row < m->n; row++) {
        const int64_t total = row_total(m, row);
        for (int k = 0; k < m->n; k++) {
            const int level = level_of(m->counts[(int64_t)row * m->n + k], total);
            const uint32_t c = clg_level_color(row == k, CLG_N_LEVELS - 1);
            uint8_t *p = rgba + 4 * ((int64_t)row * m->n + k);
            for (int i = 0; i < 3; i++) p[i] = (uint8_t)(c >> (16 - 8 * i));
            p[3] = (uint8_t)(level ? 40 + 215 * level / (CLG_N_LEVELS - 1) : 0);
        }
    }
    if (rgba) clg_put_picture(m->s, m->x, m->y, m->cell * m->n, m->cell * m->n, rgba, m->n, m->n);
    clg_free(rgba);
}

/* Names of the rows, and of the columns: upright if they fit into their column. */
static void put_names(const matrix *m, bool turned) {
    char number[CLG_FIXED_SIZE];
    const int every = (int)ceil(CLG_ROW / fmin(m->cell, CLG_ROW)), side = (int)(m->cell * m->n);
    for (int k = 0; k < m->n; k += every) {
        const char *name = name_of(m, k, number);
        const double at = (k + 0.5) * m->cell;
        clg_put_text(m->s, m->x - 8, m->y + at + 4.5, LONGEST_NAME, "t e", name);
        if (turned) clg_put_turned(m->s, m->x + at + 4.5, m->y + side + 10, LONGEST_NAME, -90, "t e", name);
        else clg_put_text(m->s, m->x + at, m->y + side + 18, m->cell, "t c", name);
    }
}

static void put_sum(const matrix *m, double y, double width) {
    int64_t right = 0, all = 0;
    char text[128], percent[CLG_FIXED_SIZE];
    for (int row = 0; row < m->n; row++) {
        right += m->counts[(int64_t)row * m->n + row];
        all += row_total(m, row);
    }
    clg_fixed(percent, all ? 100 * (double)right / (double)all : 0, 2);
    snprintf(text, sizeof text, "%" PRId64 " of %" PRId64 " right (%s %%)", right, all, percent);
    clg_put_text(m->s, EDGE, y, width, "q", text);
}

static clg_status check(const int64_t *counts, int classes) {
    if (!counts || classes < 1 || classes > MAX_CLASSES)
        return clg_fail(CLG_ERR_INVALID, "clg_figure_confusion: %d classes%s; 1 to %d are possible", classes,
                        counts ? "" : " at NULL", MAX_CLASSES);
    int64_t sum = 0;
    for (int64_t i = 0; i < (int64_t)classes * classes; i++) {
        if (counts[i] < 0 || counts[i] > INT64_MAX - sum)
            return clg_fail(CLG_ERR_INVALID, "clg_figure_confusion: the count of true class %d and answer %d is %"
                            PRId64 ", which is no count", (int)(i / classes), (int)(i % classes), counts[i]);
        sum += counts[i];
    }
    return CLG_OK;
}

clg_figure *clg_figure_confusion(const char *title, const int64_t *counts, int classes, const char *const *name) {
    char longest[32];
    int64_t most = 0;
    clg_panel panel = { 0 };
    if (check(counts, classes) < 0) return NULL;
    for (int64_t i = 0; i < (int64_t)classes * classes; i++) most = counts[i] > most ? counts[i] : most;
    snprintf(longest, sizeof longest, "%" PRId64, most);
    matrix m = { counts, classes, name, .y = EDGE, .s = &panel.body };
    const double names = widest_name(&m), text = clg_text_width(longest, CLG_TEXT_SIZE) + 8;
    const bool numbers = classes <= MAX_COUNTS;
    m.cell = numbers ? fmax(fmax(text, 34), fmin(64, 260.0 / classes)) : fmax(1, SIDE / classes);
    if (classes <= FEW) m.cell = fmax(m.cell, names + 8);
    m.x = EDGE + CLG_AXES_LABEL + names + 12;
    const bool turned = names > m.cell - 4;
    const double side = m.cell * classes, below = m.y + side + (turned ? names + 10 : 22);
    panel.width = (int)ceil(fmax(m.x + side + EDGE, 250));
    panel.height = (int)ceil(below + CLG_AXES_LABEL + CLG_ROW + 12);
    if (numbers) put_cells(&m);
    else put_pixels(&m);
    clg_put_rect(m.s, m.x, m.y, side, side, "a");
    put_names(&m, turned);
    clg_put_turned(m.s, EDGE + 10, m.y + side / 2, fmax(side, 70), -90, "t c", "true class");
    clg_put_text(m.s, m.x + side / 2, below + 18, fmax(side, 60), "t c", "answer");
    put_sum(&m, below + 18 + CLG_ROW, panel.width - 2 * EDGE);
    return clg_figure_compose("clg_figure_confusion", title, &panel, 1);
}

/* Planes of numbers as small pictures. Diverging colours: from blue over white to red, the ends of "RdBu" (Brewer). */
#include "base/alloc.h"
#include "base/error.h"
#include "plot/draw.h"

#include <math.h>
#include <string.h>

enum { MAX_TILES = 4096, MAX_SIDE = 4096, MAX_NUMBERS = 1 << 24 };
enum { WIDTH = 780, EDGE = 14, GAP = 10, TILE = 72, CAPTION = 17, LINE = 200, MAX_LINES = 3 };

typedef struct range {
    double low, high;
} range;

static range range_of(const clg_tiles_params *p, const float *v, size_t n) {
    range r = { INFINITY, -INFINITY };
    if (p->low != 0 || p->high != 0) return (range){ p->low, p->high };
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        r.low = fmin(r.low, v[i]);
        r.high = fmax(r.high, v[i]);
    }
    if (p->diverging) {
        r.high = fmax(fabs(r.low), fabs(r.high));
        r.low = -r.high;
    }
    return r;
}

/* 0 to 1; equal numbers are in the middle. */
static double share_of(range r, double v) {
    return r.high > r.low ? fmax(0, fmin(1, (v - r.low) / (r.high - r.low))) : 0.5;
}

static uint8_t between(int low, int high, double share) {
    return (uint8_t)lround(low + (high - low) * share);
}

static void pixel_of(const clg_tiles_params *p, range r, const float *v, size_t plane, uint8_t out[4]) {
    static const uint8_t blue[] = { 0x21, 0x66, 0xac }, white[] = { 0xf7, 0xf7, 0xf7 }, red[] = { 0xb2, 0x18, 0x2b };
    bool finite = true;
    out[3] = 255;
    for (int i = 0; i < 3; i++) {
        const double number = p->rgb ? v[(size_t)i * plane] : v[0], t = share_of(r, number);
        finite = finite && isfinite(number);
        if (!finite) break;
        if (!p->diverging) out[i] = between(0, 255, t);
        else if (t < 0.5) out[i] = between(blue[i], white[i], 2 * t);
        else out[i] = between(white[i], red[i], 2 * t - 1);
    }
    if (!finite) memcpy(out, (uint8_t[]){ 221, 0, 221 }, 3);
}

static clg_status check(const clg_tiles_params *p) {
    const bool some = p && p->n > 0 && p->h > 0 && p->w > 0;
    const bool sizes = some && p->n <= MAX_TILES && p->h <= MAX_SIDE && p->w <= MAX_SIDE;
    if (!sizes || !p->plane || (int64_t)p->n * p->h * p->w * (p->rgb ? 3 : 1) > MAX_NUMBERS)
        return clg_fail(CLG_ERR_INVALID, "clg_figure_tiles: %d planes of %d x %d numbers%s; at most %d planes, %d a "
                        "side and 2^24 numbers in all are drawn", p ? p->n : 0, p ? p->h : 0, p ? p->w : 0,
                        p && p->plane ? "" : " at NULL", MAX_TILES, MAX_SIDE);
    if (p->columns < 0 || (p->rgb && p->diverging))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_tiles: %d columns, rgb %d, diverging %d: columns must not be "
                        "negative, and colours of their own cannot diverge", p->columns, p->rgb, p->diverging);
    if ((p->low != 0 || p->high != 0) && !(isfinite(p->low) && isfinite(p->high) && p->low < p->high))
        return clg_fail(CLG_ERR_INVALID, "clg_figure_tiles: scaled from %g to %g: the first must be the lower",
                        (double)p->low, (double)p->high);
    return CLG_OK;
}

/* Line k of a caption; "" behind the last. */
static const char *caption_line(const char *text, int k, char line[LINE]) {
    while (text && k-- > 0) text = (text = strchr(text, '\n')) ? text + 1 : NULL;
    const size_t n = text ? strcspn(text, "\n") : 0, fits = n < LINE ? n : LINE - 1;
    if (fits) memcpy(line, text, fits);
    line[fits] = 0;
    return line;
}

/* Lines of all captions, and the width of the widest. */
static int measure_captions(const clg_tiles_params *p, double *width) {
    char line[LINE];
    int lines = 0;
    *width = 0;
    for (int i = 0; p->caption && i < p->n; i++)
        for (int k = 0; k < MAX_LINES; k++) {
            if (!*caption_line(p->caption[i], k, line)) continue;
            lines = k + 1 > lines ? k + 1 : lines;
            *width = fmax(*width, clg_text_width(line, CLG_TEXT_SIZE));
        }
    *width = fmin(*width, 2 * TILE);
    return lines;
}

static void put_caption(clg_str *s, const char *text, double x, double y, double px) {
    char line[LINE];
    for (int k = 0; k < MAX_LINES; k++)
        if (*caption_line(text, k, line)) clg_put_text(s, x, y + 14 + k * CAPTION, px, "t", line);
}

/* As many as are wanted or fit; else as many that the rows are about equally full. */
static int columns_of(const clg_tiles_params *p, double cell) {
    const int fit = (int)fmax(1, (WIDTH - 2 * EDGE + GAP) / cell), rows = (p->n + fit - 1) / fit;
    const int columns = p->columns ? p->columns : (p->n + rows - 1) / rows;
    return columns < p->n ? columns : p->n;
}

/* Whole pixels of the screen for one number where it is enlarged. */
static double zoom(const clg_tiles_params *p) {
    const double side = p->h > p->w ? p->h : p->w;
    return side <= TILE ? fmax(1, rint(TILE / side)) : TILE / side;
}

clg_figure *clg_figure_tiles(const char *title, const clg_tiles_params *p) {
    if (check(p) < 0) return NULL;
    const size_t plane = (size_t)p->h * (size_t)p->w, numbers = plane * (p->rgb ? 3 : 1);
    double widest;
    const int lines = measure_captions(p, &widest);
    const double k = zoom(p), w = k * p->w, h = k * p->h, cell = fmax(w, widest) + GAP;
    const double row = h + GAP + lines * CAPTION;
    const int columns = columns_of(p, cell), rows = (p->n + columns - 1) / columns;
    uint8_t *rgba = clg_alloc(4 * plane);
    clg_panel panel = { .width = (int)ceil(fmax(200, 2 * EDGE - GAP + columns * cell)),
                        .height = (int)ceil(2 * EDGE - GAP + rows * row) };
    panel.body.failed = !rgba;
    for (int i = 0; rgba && i < p->n; i++) {
        const float *v = p->plane + (size_t)i * numbers;
        const double x = EDGE + i % columns * cell, y = EDGE + i / columns * row;
        const range r = range_of(p, v, numbers);
        for (size_t at = 0; at < plane; at++) pixel_of(p, r, v + at, plane, rgba + 4 * at);
        clg_put_picture(&panel.body, x, y, w, h, rgba, p->w, p->h);
        clg_put_rect(&panel.body, x, y, w, h, "o"); /* where it ends, if its edge has the background's colour */
        if (lines > 0) put_caption(&panel.body, p->caption[i], x, y + h, cell - GAP + 1);
    }
    clg_free(rgba);
    return clg_figure_compose("clg_figure_tiles", title, &panel, 1);
}

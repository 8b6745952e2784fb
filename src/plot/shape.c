/* Shapes of a drawing, one SVG element each, and the legend. */
#include "plot/draw.h"

#include <math.h>
#include <string.h>

void clg_put_line(clg_str *s, double x1, double y1, double x2, double y2, const char *class_name) {
    clg_str_printf(s, "<line x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" class=\"%s\"/>\n", CLG_N(x1), CLG_N(y1), CLG_N(x2),
                   CLG_N(y2), class_name);
}

void clg_put_rect(clg_str *s, double x, double y, double w, double h, const char *class_name) {
    clg_str_printf(s, "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" class=\"%s\"/>\n", CLG_N(x), CLG_N(y),
                   CLG_N(w), CLG_N(h), class_name);
}

void clg_put_text(clg_str *s, double x, double y, double px, const char *class_name, const char *text) {
    clg_put_turned(s, x, y, px, 0, class_name, text);
}

void clg_put_turned(clg_str *s, double x, double y, double px, int degrees, const char *class_name, const char *text) {
    clg_str_printf(s, "<text x=\"%s\" y=\"%s\"", CLG_N(x), CLG_N(y));
    if (degrees) clg_str_printf(s, " transform=\"rotate(%d %s %s)\"", degrees, CLG_N(x), CLG_N(y));
    clg_str_printf(s, " class=\"%s\">", class_name);
    clg_put_shortened(s, text, px, strstr(class_name, "title") ? CLG_TITLE_SIZE : CLG_TEXT_SIZE);
    clg_str_add(s, "</text>\n");
}

/* Circle, square, triangle, diamond; of about the same area. */
static void put_mark(clg_str *s, double x, double y, int shape, const char *fill) {
    enum { CIRCLE, SQUARE, TRIANGLE };
    if (shape == CIRCLE)
        clg_str_printf(s, "<circle cx=\"%s\" cy=\"%s\" r=\"3.5\" class=\"%s\"/>\n", CLG_N(x), CLG_N(y), fill);
    else if (shape == SQUARE)
        clg_str_printf(s, "<path d=\"M%s %sh6v6h-6z\" class=\"%s\"/>\n", CLG_N(x - 3), CLG_N(y - 3), fill);
    else if (shape == TRIANGLE)
        clg_str_printf(s, "<path d=\"M%s %sl4 7h-8z\" class=\"%s\"/>\n", CLG_N(x), CLG_N(y - 4), fill);
    else
        clg_str_printf(s, "<path d=\"M%s %sl4 4l-4 4l-4-4z\" class=\"%s\"/>\n", CLG_N(x), CLG_N(y - 4), fill);
}

void clg_put_mark(clg_str *s, double x, double y, int which) {
    char fill[] = "m f0";
    fill[3] = (char)('0' + which % CLG_N_COLORS);
    put_mark(s, x, y, which % 4, fill);
}

void clg_put_mark_grey(clg_str *s, double x, double y) {
    put_mark(s, x, y, 0, "m fn");
}

int clg_put_legend(clg_str *s, double x, double y, double width, int n, const char *const *name, const char *line) {
    enum { SAMPLE = 26, GAP = 6, BETWEEN = 18 };
    double at = 0;
    int rows = 0;
    for (int i = 0; i < n; i++) {
        if (!name[i]) continue;
        const double sample = line[i] == ' ' ? 8 : SAMPLE;
        const double text = fmin(clg_text_width(name[i], CLG_TEXT_SIZE), width - sample - GAP);
        if (rows == 0 || at + sample + GAP + text > width) {
            rows++;
            at = 0;
        }
        const double row = y + rows * CLG_ROW - CLG_ROW / 2.0;
        char stroke[] = "l s0", dashed[] = "l s0 d";
        stroke[3] = dashed[3] = (char)('0' + i % CLG_N_COLORS);
        if (s) {
            const bool is_dashed = line[i] == '-' || line[i] == '~', is_marked = line[i] != '=' && line[i] != '~';
            if (line[i] != ' ') clg_put_line(s, x + at, row, x + at + SAMPLE, row, is_dashed ? dashed : stroke);
            if (is_marked) clg_put_mark(s, x + at + sample / 2, row, i);
            clg_put_text(s, x + at + sample + GAP, row + 4.5, text + 1, "t", name[i]);
        }
        at += sample + GAP + text + BETWEEN;
    }
    return rows;
}

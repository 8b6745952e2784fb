/* Axes: ends and ticks at 1, 2 or 5 times a power of ten; on logarithmic axes at whole decades, or at 1, 2, 5 in each
 * where there are few. Large and small numbers share a power of ten, which stands at the axis. */
#include "plot/draw.h"

#include <math.h>
#include <stdio.h>

enum { MAX_TICKS = sizeof ((clg_axis *)0)->tick / sizeof(double) };

static double nice_step(double range, double parts) {
    const double rough = range / parts, power = pow(10, floor(log10(rough))), m = rough / power;
    return power * (m <= 1.0000001 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static void add_tick(clg_axis *a, double v) {
    if (a->n_ticks < MAX_TICKS) a->tick[a->n_ticks++] = v;
}

static void fit_linear(clg_axis *a, double low, double high, int parts) {
    const double size = fmax(fabs(low), fabs(high)), least = fmax(size * 1e-9, 1e-290);
    if (high - low < least) { /* all equal: room around the value */
        const double room = a->whole || size < 1e-290 ? 0.5 : size * 0.1;
        low -= room;
        high += room;
    }
    double step = nice_step(high - low, parts);
    if (a->whole) step = fmax(1, step);
    a->low = a->tight ? low : floor(low / step + 1e-9) * step;
    a->high = a->tight ? high : ceil(high / step - 1e-9) * step;
    for (double i = ceil(a->low / step - 1e-9); i <= floor(a->high / step + 1e-9) && a->n_ticks < MAX_TICKS; i++)
        add_tick(a, i * step);
    const double top = fmax(fabs(a->low), fabs(a->high));
    a->exponent = top >= 1e6 || top < 1e-3 ? (int)floor(log10(top)) : 0;
    a->digits = (int)fmin(15, fmax(0, ceil(a->exponent - log10(step) - 1e-9)));
}

/* The k-th of ... 0.1 0.2 0.5 1 2 5 10 ..., as a decimal logarithm. */
static double log_125(double k) {
    static const double part[] = { 0, 0.30102999566398120, 0.69897000433601880 };
    const double decade = floor(k / 3);
    return decade + part[(int)(k - 3 * decade)];
}

static void fit_log(clg_axis *a, double low, double high, int parts) {
    a->low = log10(low);
    a->high = log10(high);
    if (a->high - a->low < 1e-9) {
        a->low -= 0.2;
        a->high += 0.2;
    }
    double first = 3 * floor(a->low) - 1, last = 3 * ceil(a->high) + 1;
    while (log_125(first + 1) <= a->low + 1e-9) first++;
    while (log_125(last - 1) >= a->high - 1e-9) last--;
    if (!a->tight || last - first < 2) { /* at least two ticks */
        a->low = log_125(first);
        a->high = log_125(last);
    }
    const double decades = a->high - a->low, every = fmax(1, ceil(decades / (parts + 1)));
    const bool fine = decades < parts / 2.0 && decades < 4;
    for (double k = first; k <= last; k++) {
        const double v = log_125(k), decade = floor(k / 3);
        const bool whole = k == 3 * decade && fmod(decade, every) == 0;
        if ((fine || whole) && v >= a->low - 1e-9 && v <= a->high + 1e-9) add_tick(a, v);
    }
}

void clg_axis_fit(clg_axis *a, double low, double high, int parts) {
    a->n_ticks = a->digits = a->exponent = 0;
    if (low > high) {
        low = a->log ? 0.1 : 0;
        high = 1;
    }
    if (a->log) fit_log(a, low, high, parts);
    else fit_linear(a, low, high, parts);
}

bool clg_axis_takes(const clg_axis *a, double v) {
    return fabs(v) <= 1e300 && (!a->log || v > 0);
}

static double at(const clg_axis *a, double u) {
    const double share = (u / 2 - a->low / 2) / (a->high / 2 - a->low / 2);
    return a->from + fmax(-1e3, fmin(1e3, share)) * (a->to - a->from);
}

double clg_axis_at(const clg_axis *a, double v) {
    return at(a, !a->log ? v : v > 0 ? log10(v) : -400);
}

const char *clg_axis_label(const clg_axis *a, int tick, char out[CLG_FIXED_SIZE]) {
    const double v = a->tick[tick];
    if (!a->log) return clg_fixed(out, v / pow(10, a->exponent), a->digits);
    const int decade = (int)floor(v + 1e-9);
    if (decade >= -3 && decade < 5) return clg_fixed(out, pow(10, v), decade < 0 ? -decade : 0);
    snprintf(out, CLG_FIXED_SIZE, "%de%d", (int)lround(pow(10, v - decade)), decade);
    return out;
}

double clg_axis_label_width(const clg_axis *a) {
    char label[CLG_FIXED_SIZE];
    double width = 0;
    for (int i = 0; i < a->n_ticks; i++)
        width = fmax(width, clg_text_width(clg_axis_label(a, i, label), CLG_TEXT_SIZE));
    return width;
}

double clg_axes_left(const clg_axis *y, const char *y_label) {
    return 16 + clg_axis_label_width(y) + (y_label ? CLG_AXES_LABEL : 0);
}

/* The shared power of ten: "x 1e6". */
static void put_factor(clg_str *s, const clg_axis *a, double x, double y, const char *class_name) {
    char text[32];
    if (!a->exponent) return;
    snprintf(text, sizeof text, "\xc3\x97 1e%d", a->exponent);
    clg_put_text(s, x, y, 100, class_name, text);
}

void clg_put_axes(clg_str *s, const clg_axis *x, const clg_axis *y, const char *x_label, const char *y_label) {
    char label[CLG_FIXED_SIZE];
    for (int i = 0; i < y->n_ticks; i++) {
        const double v = at(y, y->tick[i]);
        clg_put_line(s, x->from, v, x->to, v, "g");
        clg_put_text(s, x->from - 8, v + 4.5, 200, "q e", clg_axis_label(y, i, label));
    }
    for (int i = 0; i < x->n_ticks; i++) {
        const double v = at(x, x->tick[i]);
        clg_put_line(s, v, y->from, v, y->from + 5, "a");
        clg_put_text(s, v, y->from + 19, 200, "q c", clg_axis_label(x, i, label));
    }
    clg_str_printf(s, "<path d=\"M%s %sV%sH%s\" class=\"a\"/>\n", CLG_N(x->from), CLG_N(y->to), CLG_N(y->from),
                   CLG_N(x->to));
    put_factor(s, y, x->from + 6, y->to + 12, "q");
    put_factor(s, x, x->to, y->from - 6, "q e");
    const double below = y->from + CLG_AXES_TICKS + CLG_AXES_LABEL - 8;
    if (x_label) clg_put_text(s, (x->from + x->to) / 2, below, x->to - x->from, "t c", x_label);
    const double left = x->from - clg_axes_left(y, y_label) + 16, middle = (y->from + y->to) / 2;
    if (y_label) clg_put_turned(s, left, middle, y->from - y->to, -90, "t c", y_label);
}

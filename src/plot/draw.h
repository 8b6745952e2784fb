/* What all figures are drawn with: numbers and texts as SVG wants them, shapes, colours, axes, panels. Shapes get their
 * colours by class from one style sheet (style.c), which knows light and dark screens; coordinates are pixels of the
 * panel. Nothing here fails: a clg_str remembers that there was no memory, and clg_figure_compose() asks it. */
#ifndef CLG_PLOT_DRAW_H_
#define CLG_PLOT_DRAW_H_

#include "base/str.h"
#include <clgrad/plot.h>

/* --- text (text.c) --- */
enum { CLG_FIXED_SIZE = 40 };

/** v rounded to `digits` (0 to 15) behind the point, without zeros at the end, with a point in every locale. Returns
 *  out. |v| up to 1e15; what is not is "0". */
const char *clg_fixed(char out[CLG_FIXED_SIZE], double v, int digits);
#define CLG_N(v) clg_fixed((char[CLG_FIXED_SIZE]){ 0 }, v, 2) /* a coordinate */

void   clg_put_escaped(clg_str *s, const char *text);                         /* for contents and attributes */
void   clg_put_shortened(clg_str *s, const char *text, double px, int size); /* escaped; cut to about px pixels */
double clg_text_width(const char *text, int size);                           /* estimate, on the large side */

/* --- shapes (shape.c); `class` is of style.c --- */
enum { CLG_TEXT_SIZE = 13, CLG_TITLE_SIZE = 16, CLG_ROW = 20 /* from line to line of text */ };

void clg_put_line(clg_str *s, double x1, double y1, double x2, double y2, const char *class_name);
void clg_put_rect(clg_str *s, double x, double y, double w, double h, const char *class_name);
void clg_put_text(clg_str *s, double x, double y, double px, const char *class_name, const char *text);
void clg_put_turned(clg_str *s, double x, double y, double px, int degrees, const char *class_name, const char *text);
void clg_put_mark(clg_str *s, double x, double y, int which); /* shape and colour of series or class `which` */
void clg_put_mark_grey(clg_str *s, double x, double y);

/** Names with samples of their marks in rows of `width` pixels from (x, y) downwards; line[i]: '_' with a line, '-'
 *  with a dashed one, '=' and '~' these without a mark, ' ' only a mark. Entries whose name is NULL are left
 *  out. s NULL only measures. Returns the number of rows. */
int clg_put_legend(clg_str *s, double x, double y, double width, int n, const char *const *name, const char *line);

/* --- colours (style.c) --- */
enum { CLG_N_COLORS = 7, CLG_N_LEVELS = 11 };

uint32_t clg_color(int which);                     /* 0xRRGGBB of series or class `which`, on a light screen */
uint32_t clg_level_color(bool right, int level);   /* of a cell of the confusion matrix, on a light screen */
void clg_put_style(clg_str *s);                    /* all rules, each under ".clg" */

/* --- axes (axis.c) --- */
typedef struct clg_axis {
    bool   log, whole;  /* whole: only integers are worth a tick */
    bool   tight;       /* ends at the values, else at whole ticks */
    double from, to;    /* pixels of the ends */
    double low, high;   /* values of the ends; log: their decimal logarithms */
    int    n_ticks, digits, exponent;
    double tick[24];    /* values */
} clg_axis;

/** Sets ends and ticks for values low .. high (low > high: none), with about `parts` ticks. */
void   clg_axis_fit(clg_axis *a, double low, double high, int parts);
bool   clg_axis_takes(const clg_axis *a, double v); /* finite, and positive on a logarithmic axis */
double clg_axis_at(const clg_axis *a, double v);    /* its pixel; kept within a million pixels of the axis */
const char *clg_axis_label(const clg_axis *a, int tick, char out[CLG_FIXED_SIZE]);
double clg_axis_label_width(const clg_axis *a);     /* of the widest label */

/** Grid, ticks, labels and names of both axes around the rectangle that their pixels span. */
void clg_put_axes(clg_str *s, const clg_axis *x, const clg_axis *y, const char *x_label, const char *y_label);

/* Room outside the rectangle: below for ticks and label, right for half a label; left depends on the labels. */
enum { CLG_AXES_RIGHT = 24, CLG_AXES_LABEL = 22, CLG_AXES_TICKS = 26 };
double clg_axes_left(const clg_axis *y, const char *y_label);

/* --- pictures inside of drawings (picture.c) --- */
/** rgba [h, w, 4], rows from the top, as a PNG within the text. Errors: s->failed. */
void clg_put_picture(clg_str *s, double x, double y, double width, double height, const uint8_t *rgba, int w, int h);

/* --- figures (figure.c) --- */
enum { CLG_MAX_PANELS = 4, CLG_PER_ROW = 2 };

typedef struct clg_panel {
    clg_str body;
    int     width, height;
} clg_panel;

struct clg_figure {
    char     *title; /* NULL: none */
    clg_panel panel[CLG_MAX_PANELS];
    int       n;
    clg_str   svg;
};

/** Makes a figure of panels and takes their bodies over, also when it fails. call: for messages. */
clg_figure *clg_figure_compose(const char *call, const char *title, clg_panel *panel, int n);

#endif /* CLG_PLOT_DRAW_H_ */

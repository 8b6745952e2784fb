/* Pictures of training: SVG figures, and HTML reports that hold everything they show. They need no network, no script
 * and no program but a browser.
 *
 *   clg_figure *f = clg_figure_charts("LeNet on digits", &(clg_chart){
 *       .title = "loss", .x_label = "epoch", .n_series = 2, .series = (clg_series[]){
 *           {.name = "training",   .y = train, .n = epochs},
 *           {.name = "validation", .y = val,   .n = epochs, .dashed = true}}}, 1);
 *   clg_status s = clg_figure_save(f, "loss.svg");
 *   clg_figure_destroy(&f);
 *
 * Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart; series and classes differ by the
 * shape of their marks too. A figure follows the reader's choice of a light or a dark screen, and has a background of
 * its own. All texts are UTF-8 and are escaped; a byte that no text may have is shown as U+FFFD, a text that is too
 * long for its place ends in an ellipsis. The same arguments give the same bytes, in every locale.
 *
 * What makes a figure returns NULL on failure: CLG_ERR_INVALID for arguments that cannot be drawn, CLG_ERR_NOMEM. */
#ifndef CLGRAD_PLOT_H_
#define CLGRAD_PLOT_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/** A finished drawing: immutable, may be shared by threads. */
typedef struct clg_figure clg_figure;

/** A curve or a cloud of points. Arrays are the caller's and are read before the call returns. */
typedef struct clg_series {
    const char   *name;   /* in the legend, which stands above the curves; NULL: none */
    const double *x, *y;  /* [n]; x NULL: 1, 2, ...; a NaN, an infinity, or a value above 1e300 is a gap */
    const double *error;  /* [n] half-lengths of error bars, as y +- error; NULL: none; NaN: none at this point */
    int64_t       n;      /* 0: nothing is drawn */
    bool          points; /* only marks, no line */
    bool          dashed;
    bool          plain;  /* only the line, no marks; else lines of up to 60 points have some */
} clg_series;

/**
 * Axes with curves. A logarithmic axis shows positive values only: others are gaps, and an error bar that goes far
 * down, or to 0, ends at the edge. Lines of many points are drawn with the least and the greatest value of each column
 * of pixels, so a spike is never lost; marks of more than 2000 points that fall on one pixel are drawn once. A chart
 * without any value to draw says "no data".
 */
typedef struct clg_chart {
    const char *title, *x_label, *y_label; /* NULL: none */
    const clg_series *series;
    int  n_series;        /* at most 64 */
    bool log_x, log_y;
    double y_low, y_high; /* both 0: fitted to the curves; else what is outside is cut off */
} clg_chart;

/** n charts (1 to 4), two a row, under a title (NULL: none); in a narrow report they stand below each other. */
CLG_API clg_figure *clg_figure_charts(const char *title, const clg_chart *chart, int n);

/**
 * counts [classes, classes] of (true class, answer) as a table, a row for each true class; blue: right, orange: wrong,
 * the stronger the larger a share of its row. name: classes of them; NULL: numbers. Above 24 classes there are no
 * counts in the cells, and of the names only as many as there is room for. At most 2000 classes; no count below 0.
 */
CLG_API clg_figure *clg_figure_confusion(const char *title, const int64_t *counts, int classes,
                                         const char *const *name);

/** Regions of the plane by class, with points on them: a decision boundary. */
typedef struct clg_region_params {
    double x0, x1, y0, y1;  /* the part of the plane; x0 < x1, y0 < y1 */
    int    nx, ny;          /* cells, 1 to 2048 each way */
    const int32_t *region;  /* [ny, nx] class of each cell, the first row is the lowest; -1: none */
    const float   *score;   /* [ny, nx] in [0, 1]: how sure; shades the cells; NULL: plain */
    const double  *px, *py; /* [n] points; those outside are left out */
    const int32_t *label;   /* [n] classes of the points; NULL or -1: grey */
    int64_t n;
    const char *x_label, *y_label;
    int     classes;        /* 0: found; more than 7 share colours */
    const char *const *class_name; /* [classes]; NULL: numbers */
} clg_region_params;
CLG_API clg_figure *clg_figure_regions(const char *title, const clg_region_params *p);

/**
 * Planes of numbers as small pictures, for filters, feature maps and samples. Grey: dark is low; each plane is scaled
 * by itself to its least and greatest number, or all to low .. high if these are given. With `diverging` blue is below
 * 0, white 0, red above 0, scaled to the largest magnitude. With `rgb` a picture is three planes, scaled together.
 * Numbers that are not finite are magenta; a plane of equal numbers is middle grey.
 */
typedef struct clg_tiles_params {
    const float *plane;     /* [n, h, w]; rgb: [n, 3, h, w] */
    int     n, h, w;        /* n up to 4096, sides up to 4096, 2^24 numbers in all */
    int     columns;        /* 0: as many as fit, in rows about equally full */
    bool    diverging, rgb;
    float   low, high;      /* both 0: each by itself */
    const char *const *caption; /* [n] texts below the pictures, of up to three lines; NULL: none */
} clg_tiles_params;
CLG_API clg_figure *clg_figure_tiles(const char *title, const clg_tiles_params *p);

/** The text of the file; lives as long as the figure. NULL for NULL. */
CLG_API const char *clg_figure_svg(const clg_figure *f);

/** Writes it to a temporary file, which is synced and renamed, so path is never half a drawing. f NULL fails with the
 *  message of the call that should have made it: clg_figure_save(clg_figure_tiles(...), path) is fine. */
CLG_API CLG_CHECK clg_status clg_figure_save(const clg_figure *f, const char *path);
CLG_API void clg_figure_destroy(clg_figure **f);

/**
 * An HTML page under construction. Everything is inside it, also figures; there is a table of contents of its headings.
 * The calls that add return nothing: the first failure, also a NULL figure or no memory, is what clg_report_save()
 * returns, and then nothing is written. Thread-safety: one thread at a time.
 */
typedef struct clg_report clg_report;
CLG_API clg_report *clg_report_create(const char *title);
CLG_API void clg_report_heading(clg_report *r, const char *text);
CLG_API void clg_report_text(clg_report *r, const char *fmt, ...) CLG_FMT(2, 3); /* a paragraph; \n ends a line */
CLG_API void clg_report_figure(clg_report *r, const clg_figure *f, const char *caption); /* copied; NULL: no caption */
/** cells [rows, columns], the first row heads; numbers are set right. caption NULL: none; a NULL cell is empty. */
CLG_API void clg_report_table(clg_report *r, const char *caption, int columns, int rows, const char *const *cells);
CLG_API void clg_report_code(clg_report *r, const char *text); /* as it is, in a type of fixed width */
CLG_API CLG_CHECK clg_status clg_report_save(clg_report *r, const char *path); /* may be called again, later */
CLG_API void clg_report_destroy(clg_report **r);

CLG_END_DECLS

#endif /* CLGRAD_PLOT_H_ */

/* Pictures of a trained model, for reports and for `clgrad show`: what it learned, what it makes of an item, what it
 * answers. Where a picture has no meaning for the model or the data, nothing is added. */
#ifndef CLG_TOOL_SHOW_H_
#define CLG_TOOL_SHOW_H_

#include "tool/tool.h"

/** How many numbers a shape holds. */
static inline int64_t clg_elements(clg_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

/* --- where figures go (album.c) --- */

/** A report, a folder with a file for each figure, or one file. A failure is explained once and kept; then nothing more
 *  is done. */
typedef struct clg_album {
    clg_report *report; /* one of these three */
    const char *folder, *file;
    int         n;      /* figures so far */
    int         code;   /* exit code of the first failure */
} clg_album;

/** Takes f over; NULL is the failure of the call that should have made it. name: of the file, without its end.
 *  Returns whether all is well so far. */
bool clg_album_add(clg_album *a, const char *name, clg_figure *f, const char *caption);
void clg_album_heading(clg_album *a, const char *text); /* reports only */
void clg_album_fail(clg_album *a, int code);            /* what has been explained already */

/* --- what is shown --- */

/** A trained model, and data with its answers. */
typedef struct clg_exhibit {
    clg_device   *dev;
    clg_trainer  *trainer;
    clg_dataset  *data;      /* with the answers below */
    clg_dataset  *seen;      /* training part, for the points of a boundary; NULL: data */
    const int64_t *confusion; /* classes x classes of data; NULL for real targets */
    const float   *output;   /* [items of data, outputs] */
} clg_exhibit;

/** Loss, accuracy (R^2 for real targets) and, if it changes, learning rate. n 0: nothing is added. (show_curves.c) */
void clg_show_curves(clg_album *a, const char *title, const clg_epoch *e, int64_t n);

/* show_model.c */
void clg_show_filters(clg_album *a, const clg_exhibit *x);             /* of the first layer, as pictures */
void clg_show_maps(clg_album *a, const clg_exhibit *x, int64_t item);  /* what each layer makes of a picture */

void clg_show_fit(clg_album *a, const clg_exhibit *x);     /* a curve through data, where there is one (show_fit.c) */

/* show_answers.c */
const char **clg_show_class_names(const clg_dataset *d);   /* an array to be freed; NULL: classes have no names */
void clg_show_confusion(clg_album *a, const clg_exhibit *x);
void clg_show_wrong(clg_album *a, const clg_exhibit *x);   /* the surest mistakes */
void clg_show_targets(clg_album *a, const clg_exhibit *x); /* predicted against true values */
void clg_show_regions(clg_album *a, const clg_exhibit *x); /* decision boundary in the plane */

#endif /* CLG_TOOL_SHOW_H_ */

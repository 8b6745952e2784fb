/* Reads a drawing that the library has written: how many marks, curves, cells and pictures are in it, and whether all
 * are inside. */
#ifndef TESTS_SUPPORT_DRAWING_H_
#define TESTS_SUPPORT_DRAWING_H_

#include <clgrad/clgrad.h>

enum { DEPTH = 32, MAX_PICTURES = 32 };

/* What is in a drawing. */
typedef struct drawing {
    double width[DEPTH], height[DEPTH]; /* of the views around an element */
    int    circles, marks, curves, rects, pictures, outside, panels;
    int    right, wrong;                /* cells of a confusion matrix that are not empty */
    int    segments, pens;              /* of curves: L and M */
    double low_y, high_y;               /* pixels of curves */
    clg_image picture[MAX_PICTURES];
    int    n_links;                     /* src or href that is not inside the file */
} drawing;

/** Looks at the text of a drawing, or of a page with drawings: asserts that it is well-formed, expects that all lies
 *  inside and nothing outside of the file is asked for. */
void look_at_text(const char *text, drawing *d);

void free_pictures(drawing *d);

#endif /* TESTS_SUPPORT_DRAWING_H_ */

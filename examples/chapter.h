/* What the programs of the course share: checked claims, pictures, and the end at an error. */
#ifndef CLGRAD_EXAMPLES_CHAPTER_H_
#define CLGRAD_EXAMPLES_CHAPTER_H_

#include <clgrad/clgrad.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int chapter_false; /* claims that did not hold */

/* Prints what a chapter says, and whether it is so. */
CLG_FMT(2, 3) static inline void claim(bool holds, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf(holds ? "[true]  " : "[FALSE] ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    chapter_false += !holds;
}

/* Ends the program with the library's message if a call failed. */
static inline void must(clg_status s) {
    if (s >= 0) return;
    fprintf(stderr, "%s\n", clg_error());
    exit(1);
}

static inline void *need(void *object) {
    if (!object) must(clg_error_status() < 0 ? clg_error_status() : CLG_ERR_INVALID);
    return object;
}

/* Saves a picture as FOLDER/NAME.svg, says so, and gives it back. */
static inline void picture(clg_figure *f, const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.svg", folder, name);
    must(clg_figure_save(need(f), path));
    printf("-> %s.svg\n", name);
    clg_figure_destroy(&f);
}

/* Where the pictures go: the folder given as argument, else the present one. */
static inline const char *chapter_folder(int argc, char **argv) { return argc > 1 ? argv[1] : "."; }

/* The exit code: 0 if all claims held. */
static inline int chapter_end(void) { return chapter_false ? 1 : 0; }

#endif /* CLGRAD_EXAMPLES_CHAPTER_H_ */

/* A figure: panels side by side under a title, as one SVG file. The panels are kept, because a report places them by
 * itself. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "plot/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TITLE_HEIGHT = 36, MAX_WIDTH = 680 };

static int height_of_row(const clg_figure *f, int first) {
    int height = 0;
    for (int i = first; i < f->n && i < first + CLG_PER_ROW; i++)
        height = f->panel[i].height > height ? f->panel[i].height : height;
    return height;
}

static int width_of_row(const clg_figure *f, int first) {
    int width = 0;
    for (int i = first; i < f->n && i < first + CLG_PER_ROW; i++) width += f->panel[i].width;
    return width;
}

static void put_panels(clg_str *s, const clg_figure *f, int y) {
    int x = 0;
    for (int i = 0; i < f->n; i++) {
        const clg_panel *p = &f->panel[i];
        clg_str_printf(s, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\">\n", x, y, p->width, p->height);
        clg_str_add(s, clg_str_text(&p->body));
        clg_str_add(s, "</svg>\n");
        x += p->width;
        if (i % CLG_PER_ROW != CLG_PER_ROW - 1) continue;
        x = 0;
        y += height_of_row(f, i + 1 - CLG_PER_ROW);
    }
}

static void put_svg(clg_str *s, const clg_figure *f) {
    const int top = f->title ? TITLE_HEIGHT : 0;
    int width = 0, height = top;
    for (int i = 0; i < f->n; i += CLG_PER_ROW) {
        width = width_of_row(f, i) > width ? width_of_row(f, i) : width;
        height += height_of_row(f, i);
    }
    if (f->title) /* room for it, as far as it is sensible */
        width = (int)fmax(width, fmin(MAX_WIDTH, 29 + clg_text_width(f->title, CLG_TITLE_SIZE)));
    clg_str_printf(s, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"clg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\">\n", width, height, width, height);
    if (f->title) {
        clg_str_add(s, "<title>");
        clg_put_escaped(s, f->title);
        clg_str_add(s, "</title>\n");
    }
    clg_str_add(s, "<style>");
    clg_put_style(s);
    clg_str_add(s, "</style>\n");
    clg_put_rect(s, 0, 0, width, height, "b");
    if (f->title) clg_put_text(s, 14, 26, width - 28, "title", f->title);
    put_panels(s, f, top);
    clg_str_add(s, "</svg>\n");
}

clg_figure *clg_figure_compose(const char *call, const char *title, clg_panel *panel, int n) {
    clg_figure *f = clg_calloc(1, sizeof *f);
    bool ok = f != NULL;
    for (int i = 0; i < n; i++) {
        ok = ok && !panel[i].body.failed;
        if (f) f->panel[i] = panel[i];
        else clg_str_free(&panel[i].body);
    }
    if (f) f->n = n;
    if (ok && title) ok = (f->title = clg_copy_text(title)) != NULL;
    if (ok) put_svg(&f->svg, f);
    if (ok && !f->svg.failed) return f;
    clg_figure_destroy(&f);
    clg_fail(CLG_ERR_NOMEM, "%s: no host memory for the drawing", call);
    return NULL;
}

const char *clg_figure_svg(const clg_figure *f) {
    return f ? clg_str_text(&f->svg) : NULL;
}

clg_status clg_figure_save(const clg_figure *f, const char *path) {
    if (!path) return clg_fail(CLG_ERR_INVALID, "clg_figure_save: path is NULL");
    if (!f && clg_error_status() < 0) return clg_fail_context(clg_error_status(), "%s: ", path);
    if (!f) return clg_fail(CLG_ERR_INVALID, "clg_figure_save(%s): there is no figure", path);
    return clg_file_write(path, &(clg_file_part){ f->svg.text, f->svg.size }, 1, true);
}

void clg_figure_destroy(clg_figure **f) {
    if (!f || !*f) return;
    for (int i = 0; i < (*f)->n; i++) clg_str_free(&(*f)->panel[i].body);
    clg_str_free(&(*f)->svg);
    clg_free((*f)->title);
    clg_free(*f);
    *f = NULL;
}

/* Figures into a report, into files of a folder, or into one file. */
#include "tool/show.h"
#include <stdlib.h>
#include <string.h>

void clg_album_fail(clg_album *a, int code) {
    if (a->code == CLG_EXIT_OK) a->code = code;
}

static int save(const clg_figure *f, const clg_album *a, const char *name) {
    const char *folder = a->folder ? a->folder : "";
    const size_t size = strlen(folder) + strlen(name) + 6;
    char *path = malloc(size);
    if (!path) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    snprintf(path, size, "%s/%s.svg", folder, name);
    const clg_status s = clg_figure_save(f, a->file ? a->file : path);
    free(path);
    return s < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

bool clg_album_add(clg_album *a, const char *name, clg_figure *f, const char *caption) {
    if (!f) clg_album_fail(a, a->code == CLG_EXIT_OK ? clg_tool_fail() : a->code);
    else if (a->report) clg_report_figure(a->report, f, caption);
    else if (a->code == CLG_EXIT_OK) clg_album_fail(a, save(f, a, name));
    clg_figure_destroy(&f);
    a->n++;
    return a->code == CLG_EXIT_OK;
}

void clg_album_heading(clg_album *a, const char *text) {
    if (a->report) clg_report_heading(a->report, text);
}

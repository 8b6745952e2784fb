/* JSON lines: one object a line, flushed, so that a reader can follow a run. */
#include "tool/tool.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct clg_jsonl {
    FILE *file;
    char  path[1]; /* as long as it needs to be */
};

static int open_file(const char *path, const char *mode, clg_jsonl **out) {
    *out = NULL;
    if (!path) return CLG_EXIT_OK;
    clg_jsonl *j = malloc(sizeof *j + strlen(path));
    if (!j) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    strcpy(j->path, path);
    j->file = strcmp(path, "-") == 0 ? stdout : fopen(path, mode);
    if (!j->file) {
        const int code = clg_tool_error(CLG_EXIT_FILE, "--json %s: cannot write it: %s", path, strerror(errno));
        free(j);
        return code;
    }
    *out = j;
    return CLG_EXIT_OK;
}

int clg_jsonl_open(const char *path, clg_jsonl **out) {
    return open_file(path, "w", out);
}

int clg_jsonl_append(const char *path, clg_jsonl **out) {
    return open_file(path, "a", out);
}

int clg_jsonl_write(clg_jsonl *j, json_t *line) {
    if (!j) {
        json_decref(line);
        return CLG_EXIT_OK;
    }
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(line);
    if (!text) return clg_tool_error(CLG_EXIT_FAILED, "--json %s: no memory for a line", j->path);
    const bool ok = fprintf(j->file, "%s\n", text) > 0 && fflush(j->file) == 0;
    free(text);
    return ok ? CLG_EXIT_OK
              : clg_tool_error(CLG_EXIT_FILE, "--json %s: cannot write a line: %s", j->path, strerror(errno));
}

void clg_jsonl_close(clg_jsonl **j) {
    if (!*j) return;
    if ((*j)->file != stdout) fclose((*j)->file); /* every line was flushed and checked */
    free(*j);
    *j = NULL;
}

json_t *clg_json_real(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

FILE *clg_jsonl_table(const char *json_path) {
    return json_path && strcmp(json_path, "-") == 0 ? stderr : stdout;
}

/* Sources of programs: the embedded files of cl/, or those in $CLGRAD_CL_PATH. #include "x.clh" is resolved here, each
 * file once, since drivers cannot see embedded files; #line keeps the names and lines of build logs right. */
#include "cl/internal.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

struct clg_embedded { const char *name; const unsigned char *data; size_t size; };
extern const struct clg_embedded clg_cl_files[]; /* made by embed.c */

enum { MAX_FILES = 32, MAX_NAME = 64, MAX_FILE_SIZE = 1 << 24 };

/* The expansion under way. */
typedef struct expansion {
    clg_str *out;
    char done[MAX_FILES][MAX_NAME]; /* files that are in out */
    int n_done;
    const char *only;               /* kernels to keep; NULL: all */
} expansion;

const char *clg_program_file(int i, const char **text) {
    for (int k = 0; k <= i; k++)
        if (!clg_cl_files[k].name) return NULL;
    if (i < 0) return NULL;
    if (text) *text = (const char *)clg_cl_files[i].data;
    return clg_cl_files[i].name;
}

static clg_status expand_text(expansion *x, const char *name, const char *text);

/* Appends a file by its name, unless it is in already. from: where it is included, for the message. */
static clg_status expand_file(expansion *x, const char *name, const char *from) {
    const char *dir = getenv("CLGRAD_CL_PATH"), *text = NULL;
    for (int i = 0; i < x->n_done; i++)
        if (strcmp(x->done[i], name) == 0) return CLG_OK;
    if (x->n_done == MAX_FILES || strlen(name) >= MAX_NAME)
        return clg_fail(CLG_ERR_BUILD, "%s: cannot include %s: too many files, or too long a name", from, name);
    strcpy(x->done[x->n_done++], name);
    if (dir && *dir) {
        clg_str path = { 0 };
        void *data = NULL;
        size_t size = 0;
        clg_str_printf(&path, "%s/%s", dir, name);
        clg_status status = path.failed ? clg_fail_nomem("path")
                                        : clg_file_read(clg_str_text(&path), MAX_FILE_SIZE, &data, &size);
        clg_str_free(&path);
        if (status < 0) return clg_fail_context(status, "CLGRAD_CL_PATH is set: ");
        status = expand_text(x, name, data);
        clg_free(data);
        return status;
    }
    const char *entry;
    for (int i = 0; (entry = clg_program_file(i, &text)) != NULL; i++)
        if (strcmp(entry, name) == 0) return expand_text(x, name, text);
    return clg_fail(CLG_ERR_BUILD, "%s: there is no kernel file %s", from, name);
}

/* The file a line includes, into name; false if it is no #include "..." line. */
static bool parse_include(const char *line, size_t size, char name[MAX_NAME]) {
    const char *end = line + size;
    while (line < end && (*line == ' ' || *line == '\t')) line++;
    if (line == end || *line++ != '#') return false;
    while (line < end && (*line == ' ' || *line == '\t')) line++;
    if (end - line < 7 || strncmp(line, "include", 7) != 0) return false;
    line += 7;
    while (line < end && (*line == ' ' || *line == '\t')) line++;
    if (line == end || *line++ != '"') return false;
    const char *quote = memchr(line, '"', (size_t)(end - line));
    if (!quote || quote - line >= MAX_NAME) return false;
    memcpy(name, line, (size_t)(quote - line));
    name[quote - line] = 0;
    return true;
}

/* Whether a line begins a kernel that is not wanted: "KERNEL name(" at its start. Drivers are slow, and PoCL compiles
 * every kernel of a program whose binary is asked for, so a program has only what is launched. The kernel ends with the
 * first line that begins with a brace. */
static bool begins_unwanted(const expansion *x, const char *line, size_t size) {
    static const char word[] = "KERNEL ";
    const size_t skip = sizeof word - 1;
    if (!x->only || size < skip || memcmp(line, word, skip) != 0) return false;
    const char *name = line + skip, *paren = memchr(name, '(', size - skip);
    if (!paren) return false;
    const size_t length = (size_t)(paren - name);
    for (const char *item = x->only; *item; item += strcspn(item, ","), item += *item == ',')
        if (strcspn(item, ",") == length && memcmp(item, name, length) == 0) return false;
    return true;
}

static clg_status expand_text(expansion *x, const char *name, const char *text) {
    char included[MAX_NAME];
    bool drop = false;
    clg_str_printf(x->out, "#line 1 \"%s\"\n", name);
    for (int line = 1; *text; line++) {
        const char *end = strchr(text, '\n');
        const size_t size = end ? (size_t)(end - text) : strlen(text);
        drop = drop || begins_unwanted(x, text, size);
        if (drop) {
            clg_str_add(x->out, "\n");
            drop = *text != '}';
        } else if (parse_include(text, size, included)) {
            CLG_TRY(expand_file(x, included, name));
            clg_str_printf(x->out, "#line %d \"%s\"\n", line + 1, name);
        } else {
            clg_str_add_bytes(x->out, text, size);
            clg_str_add(x->out, "\n");
        }
        text += size + (end ? 1 : 0);
    }
    return x->out->failed ? clg_fail_nomem("kernel source") : CLG_OK;
}

clg_status clg_source_expand(const clg_source *src, clg_str *out) {
    char file[MAX_NAME];
    expansion x = { .out = out, .only = src->only };
    for (int i = 0; src->without && src->without[i]; i++) strcpy(x.done[x.n_done++], src->without[i]);
    if (src->text) {
        CLG_TRY(expand_file(&x, "clg.clh", src->name));
        return expand_text(&x, src->name, src->text);
    }
    if (strlen(src->name) + 4 > sizeof file)
        return clg_fail(CLG_ERR_BUILD, "there is no kernel file %s.cl", src->name);
    strcpy(file, src->name);
    strcat(file, ".cl");
    if (src->before) CLG_TRY(expand_text(&x, "tail", src->before));
    return expand_file(&x, file, "clg_program_get");
}

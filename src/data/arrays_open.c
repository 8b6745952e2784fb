/* Opens arrays of NumPy: two NPY files, or an NPZ archive, whose arrays are found by their names. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "data/arrays.h"
#include "data/kinds.h"
#include "data/zip.h"
#include <stdio.h>
#include <string.h>

static const size_t max_file = (size_t)1 << 33;
enum { SHOWN = 12, NAME = 128, LONG_NAME = 600 };

static const clg_array_params no_params = { 0 };

static clg_dataset *from_arrays(const clg_npy *x, const clg_npy *y, const clg_npy *known, const clg_array_params *p,
                                enum clg_part part) {
    clg_items items;
    if (clg_arrays_items(x, y, known, p, &items) < 0) return NULL;
    clg_dataset *d = clg_dataset_from_items(&items, part);
    if (!d) clg_fail_context(clg_error_status(), "%s: ", x->name);
    return d;
}

/* --- NPY --- */

clg_dataset *clg_dataset_open_npy(const char *x_path, const char *y_path, const clg_array_params *p) {
    void *data[2] = { NULL, NULL };
    size_t size[2];
    clg_npy x, y;
    clg_dataset *d = NULL;
    if (!x_path || !y_path) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_npy: %s is NULL; one file has the items, another one their targets",
                 x_path ? "y" : "x");
        return NULL;
    }
    if (clg_file_read(x_path, max_file, &data[0], &size[0]) == CLG_OK &&
        clg_file_read(y_path, max_file, &data[1], &size[1]) == CLG_OK &&
        clg_npy_parse(x_path, data[0], size[0], &x) == CLG_OK && clg_npy_parse(y_path, data[1], size[1], &y) == CLG_OK)
        d = from_arrays(&x, &y, NULL, p ? p : &no_params, CLG_TRAIN);
    clg_free(data[0]);
    clg_free(data[1]);
    return d;
}

static clg_status read_params(const clg_spec *s, clg_array_params *p) {
    int task = -1, layout = CLG_LAYOUT_AUTO;
    CLG_TRY(clg_spec_choice(s, "task", "classes|regression", &task));
    CLG_TRY(clg_spec_choice(s, "layout", "auto|plain|channels_last", &layout));
    *p = (clg_array_params){ .layout = (enum clg_array_layout)layout, .x = clg_spec_text(s, "x"),
                             .y = clg_spec_text(s, "y") };
    if (task >= 0) p->task = task == 0 ? CLG_TASK_CLASSES : CLG_TASK_REGRESSION;
    return CLG_OK;
}

/* The path is "X.npy,Y.npy", or X.npy with the other one as option y. */
clg_dataset *clg_open_npy(const clg_spec *s, enum clg_part part) {
    clg_array_params p;
    if (read_params(s, &p) < 0) return NULL;
    const char *between = strstr(s->path, ".npy,");
    if (!p.y && !between) {
        clg_fail(CLG_ERR_INVALID, "%s: which file has the targets? npy:X.npy,Y.npy", s->given);
        return NULL;
    }
    clg_str x = { 0 };
    clg_str_add_bytes(&x, s->path, p.y ? strlen(s->path) : (size_t)(between + 4 - s->path));
    clg_dataset *all = NULL;
    if (x.failed) clg_fail_nomem("path of a data set");
    else all = clg_dataset_open_npy(clg_str_text(&x), p.y ? p.y : between + 5, &p);
    clg_str_free(&x);
    return clg_take_part(all, s, part);
}

/* --- NPZ --- */

/* An array of an archive. */
typedef struct member {
    char     name[LONG_NAME]; /* "FILE: ARRAY", for messages */
    uint8_t *data;
    clg_npy  array;
} member;

/* What the arrays are called if nobody says it. */
static const char *const names[2][6] = {
    { "x", "X", "data", "images", "features", NULL }, { "y", "Y", "target", "targets", "labels", "label" },
};

/* The entry of an array: NAME.npy; for a part also NAME_train.npy or train_NAME.npy. -1: there is none. */
static int find_name(const clg_zip *z, const char *name, const char *part) {
    char text[2][NAME];
    snprintf(text[0], NAME, *part ? "%s_%s.npy" : "%s%s.npy", name, part);
    snprintf(text[1], NAME, *part ? "%s_%s.npy" : "%s%s.npy", part, name);
    const int i = clg_zip_find(z, text[0]);
    return i >= 0 ? i : clg_zip_find(z, text[1]);
}

/* which: 0 features, 1 targets; given: their name, or NULL. */
static int find_array(const clg_zip *z, int which, const char *given, const char *part) {
    int i = given ? find_name(z, given, part) : -1;
    for (int k = 0; !given && i < 0 && k < 6 && names[which][k]; k++) i = find_name(z, names[which][k], part);
    return i;
}

static clg_status fail_no_array(const clg_zip *z, int which, const char *given, const char *part) {
    clg_str all = { 0 };
    for (int i = 0; i < z->n && i < SHOWN; i++)
        clg_str_printf(&all, "%s%.*s", i > 0 ? ", " : "", (int)z->entry[i].name_size, z->entry[i].name);
    clg_fail(CLG_ERR_FORMAT, "%s: no array of %s%s%s%s; say which (%s=NAME): %s%s", z->name,
             which == 0 ? "items" : "targets", *part ? " for the part " : "", part, given ? " has that name" : "",
             which == 0 ? "x" : "y", clg_str_text(&all), z->n > SHOWN ? ", ..." : "");
    clg_str_free(&all);
    return CLG_ERR_FORMAT;
}

static clg_status load(const clg_zip *z, int which, const char *given, const char *part, member *m) {
    const int i = find_array(z, which, given, part);
    size_t size = 0;
    if (i < 0) return fail_no_array(z, which, given, part);
    snprintf(m->name, LONG_NAME, "%s: %.*s", z->name, (int)z->entry[i].name_size, z->entry[i].name);
    CLG_TRY(clg_zip_read(z, i, &m->data, &size));
    return clg_npy_parse(m->name, m->data, size, &m->array);
}

/* Opens a part; *own: the archive has parts of its own. */
static clg_dataset *open_archive(const clg_zip *z, enum clg_part part, const clg_array_params *p, bool *own) {
    member x = { .data = NULL }, y = { .data = NULL }, known = { .data = NULL };
    clg_dataset *d = NULL;
    *own = find_array(z, 0, p->x, "train") >= 0;
    const char *name = !*own ? "" : part == CLG_TRAIN ? "train" : "test";
    const bool test = *own && part == CLG_TEST;
    if (load(z, 0, p->x, name, &x) == CLG_OK && load(z, 1, p->y, name, &y) == CLG_OK &&
        (!test || load(z, 1, p->y, "train", &known) == CLG_OK))
        d = from_arrays(&x.array, &y.array, test ? &known.array : NULL, p, *own ? part : CLG_TRAIN);
    clg_free(x.data);
    clg_free(y.data);
    clg_free(known.data);
    return d;
}

static clg_dataset *open_file(const char *path, enum clg_part part, const clg_array_params *p, bool *own) {
    void *data = NULL;
    size_t size = 0;
    clg_zip z;
    clg_dataset *d = NULL;
    if (clg_file_read(path, max_file, &data, &size) < 0) return NULL;
    if (clg_zip_open(path, data, size, &z) == CLG_OK) {
        d = open_archive(&z, part, p, own);
        clg_zip_close(&z);
    }
    clg_free(data);
    return d;
}

clg_dataset *clg_dataset_open_npz(const char *path, enum clg_part part, const clg_array_params *p) {
    bool own = false;
    if (!path || (part != CLG_TRAIN && part != CLG_TEST)) {
        clg_fail(CLG_ERR_INVALID, "dataset_open_npz: %s", path ? "a file has a training and a test part" :
                 "path is NULL");
        return NULL;
    }
    clg_dataset *d = open_file(path, part, p ? p : &no_params, &own);
    if (d && !own && part == CLG_TEST) {
        clg_dataset_destroy(&d);
        clg_fail(CLG_ERR_INVALID, "%s: has no parts of its own (x_train, x_test, ...); open it as training part and "
                 "take a test part from it by clg_dataset_split()", path);
    }
    return d;
}

clg_dataset *clg_open_npz(const clg_spec *s, enum clg_part part) {
    clg_array_params p;
    bool own = false;
    if (read_params(s, &p) < 0) return NULL;
    clg_dataset *d = open_file(s->path, part, &p, &own);
    if (!d || !own) return clg_take_part(d, s, part);
    if (!clg_spec_text(s, "test") && !clg_spec_text(s, "split")) return d;
    clg_dataset_destroy(&d);
    clg_fail(CLG_ERR_INVALID, "%s: the file has parts of its own; test and split mean nothing here", s->given);
    return NULL;
}

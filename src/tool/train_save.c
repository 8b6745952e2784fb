/* What a checkpoint tells of the command that made it: the text "options", a JSON object of all options of the recipe
 * as texts, and "items", the number of training items. The library keeps the rest. */
#include "tool/train.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

/* --- writing --- */

int clg_train_note_options(clg_train_run *r) {
    clg_opt table[CLG_TRAIN_ROWS];
    char text[CLG_OPT_TEXT_SIZE];
    json_t *j = json_object();
    clg_train_recipe(&r->o, table);
    for (const clg_opt *o = table; o->kind != CLG_OPT_END; o++)
        if (o->name && *clg_opt_text(o, text))
            (void)json_object_set_new(j, o->name, json_string(clg_opt_text(o, text)));
    (void)json_object_set_new(j, "items", json_integer(clg_dataset_size(r->train)));
    char *all = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (!all) return clg_tool_error(CLG_EXIT_FAILED, "no memory, or an option is no UTF-8 text");
    const clg_status s = clg_store_set_meta(r->store, "options", all);
    free(all);
    return s < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

/* --- reading --- */

/* A text of a checkpoint, to be freed; NULL after explaining. */
static char *read_text(const char *path, const char *key, int *code) {
    char *text = malloc(MOST);
    if (!text) {
        *code = clg_tool_error(CLG_EXIT_FAILED, "no memory");
        return NULL;
    }
    const clg_status s = clg_file_meta(path, key, text, MOST);
    if (s == CLG_OK) return text;
    free(text);
    *code = s != CLG_ERR_INVALID ? clg_tool_fail()
          : clg_tool_error(CLG_EXIT_FILE, "%s: no checkpoint of clgrad train: it has no text \"%s\"", path, key);
    return NULL;
}

static int bad_options(const char *path, const char *why, const char *what) {
    return clg_tool_error(CLG_EXIT_FILE, "%s: its options are none of this version: %s%s", path, why, what);
}

static int set_options(const char *path, clg_train_options *o, json_t *j, int64_t *items) {
    clg_opt table[CLG_TRAIN_ROWS];
    const char *name;
    json_t *value;
    clg_train_recipe(o, table);
    json_object_foreach(j, name, value) {
        if (strcmp(name, "items") == 0) {
            *items = json_integer_value(value);
            continue;
        }
        const clg_opt *row = table;
        while (row->kind != CLG_OPT_END && (!row->name || strcmp(row->name, name) != 0)) row++;
        if (row->kind == CLG_OPT_END) return bad_options(path, "--", name);
        if (!json_is_string(value) || clg_opt_set(row, path, json_string_value(value)) >= 0)
            return bad_options(path, "the value of --", name);
    }
    return CLG_EXIT_OK;
}

int clg_train_read_options(const char *path, clg_train_options *o, json_t **saved, int64_t *items) {
    int code = CLG_EXIT_OK;
    json_error_t e;
    char *text = read_text(path, "options", &code);
    if (!text) return code;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    free(text);
    if (!json_is_object(j)) {
        json_decref(j);
        return bad_options(path, "no JSON object", "");
    }
    *saved = j;
    return set_options(path, o, j, items);
}

int clg_train_read_model(const char *path, clg_model **out) {
    int code = CLG_EXIT_OK;
    char *text = read_text(path, "model", &code);
    if (!text) return code;
    if (text[0] == '{')
        code = clg_tool_error(CLG_EXIT_FILE, "%s: was made by a version that described models in another way; train it "
                              "again", path);
    else if (!(*out = clg_model_parse(path, text)))
        code = clg_tool_fail();
    free(text);
    return code;
}

/* What was given on the command line must be what the checkpoint was made with. */
static int check_agreement(clg_train_options *mine, clg_train_options *theirs, const char *path) {
    clg_opt a[CLG_TRAIN_ROWS], b[CLG_TRAIN_ROWS];
    char mine_text[CLG_OPT_TEXT_SIZE], their_text[CLG_OPT_TEXT_SIZE];
    clg_train_recipe(mine, a);
    clg_train_recipe(theirs, b);
    for (int i = 0; a[i].kind != CLG_OPT_END; i++) {
        if (!a[i].name || strcmp(a[i].name, "epochs") == 0 || strcmp(a[i].name, "data") == 0) continue;
        const char *x = clg_opt_text(&a[i], mine_text), *y = clg_opt_text(&b[i], their_text);
        if (!(a[i].given ? *a[i].given : *x) || strcmp(x, y) == 0) continue;
        if (*y)
            return clg_tool_error(CLG_EXIT_USAGE, "train: --%s %s, but %s was made with --%s %s; a resumed run goes on "
                                  "as it began: leave the option out", a[i].name, x, path, a[i].name, y);
        return clg_tool_error(CLG_EXIT_USAGE, "train: --%s, but %s was made without; a resumed run goes on as it "
                              "began: leave the option out", a[i].name, path);
    }
    return CLG_EXIT_OK;
}

int clg_train_resume_options(clg_train_run *r) {
    clg_train_options saved = clg_train_defaults(), *o = &r->o;
    const char *path = o->out.resume;
    int64_t items = 0;
    int code = clg_train_read_options(path, &saved, &r->saved, &items);
    if (code == CLG_EXIT_OK) code = check_agreement(o, &saved, path);
    if (code != CLG_EXIT_OK) return code;
    if (o->data) saved.data = o->data;
    if (o->epochs) saved.epochs = o->epochs;
    saved.out = o->out;
    if (!saved.out.save) saved.out.save = path;
    *o = saved;
    r->resumed_items = items;
    return CLG_EXIT_OK;
}

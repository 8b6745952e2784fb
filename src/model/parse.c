/* Text -> model: a line is words between blanks; the table of kinds says what each may be. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_WORDS = 32, MOST_NAME = 64, MOST_TEXT = 1 << 20 };

typedef struct word {
    const char *at;
    int n, column;
} word;

typedef struct reader {
    clg_model *m;
    word words[MOST_WORDS]; /* of the present line */
    int  n, line;
    int  end;               /* column behind the last word */
    int  most;              /* layers that there is room for */
} reader;

/* --- words --- */

static bool is(const word *w, const char *text) {
    return (size_t)w->n == strlen(text) && memcmp(w->at, text, (size_t)w->n) == 0;
}

/* A word as messages show it: cut, and without control characters. */
typedef struct shown { char text[48]; } shown;

static shown show(const char *at, int n) {
    shown s;
    int i = 0;
    for (; i < n && i < (int)sizeof s.text - 4; i++)
        s.text[i] = (unsigned char)at[i] < ' ' || at[i] == 127 ? '?' : at[i];
    strcpy(s.text + i, i < n ? "..." : "");
    return s;
}

static clg_status wrong(const reader *r, int column, const char *fmt, ...) CLG_FMT(3, 4);
static clg_status wrong(const reader *r, int column, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    (void)clg_vfail(CLG_ERR_FORMAT, fmt, ap);
    va_end(ap);
    return clg_fail_context(CLG_ERR_FORMAT, "%s:%d:%d: ", r->m->source, r->line, column);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

/* Cuts the line into words; *next is where the next line begins, NULL at the end. */
static clg_status split(reader *r, const char *line, const char **next) {
    const char *const end = line + strcspn(line, "\n");
    const char *p = line;
    r->n = 0;
    r->end = 1;
    *next = *end ? end + 1 : NULL;
    for (;;) {
        while (p < end && is_blank(*p)) p++;
        if (p == end || *p == '#') return CLG_OK;
        word w = {p, 0, (int)(p - line) + 1};
        while (p < end && *p != '#' && !is_blank(*p)) p++;
        w.n = (int)(p - w.at);
        if (r->n == MOST_WORDS)
            return wrong(r, w.column, "a line may have %d words at most", MOST_WORDS);
        r->words[r->n++] = w;
        r->end = (int)(p - line) + 1;
    }
}

/* --- what is possible --- */

static void list_words(clg_str *s) {
    const clg_model_word *w;
    for (int i = 0; (w = clg_model_word_at(i)) != NULL; i++) clg_str_printf(s, "%s%s", i ? ", " : "", w->word);
}

/* wrong() with the form of the line at its end. */
static clg_status misused(const reader *r, int column, const clg_model_word *w, const char *text) {
    char form[256];
    clg_model_form(w, form, sizeof form);
    return wrong(r, column, "%s; the form is: %s", text, form);
}

/* --- values --- */

static clg_status read_value(reader *r, const clg_model_arg *a, const char *at, int n, int column, double *out) {
    const word w = {at, n, column};
    double x;
    if (a->kind == CLG_MODEL_SWITCH) {
        if (!is(&w, "yes") && !is(&w, "no"))
            return wrong(r, column, "%s%s: wants yes or no", a->name, show(at, n).text);
        *out = is(&w, "yes");
        return CLG_OK;
    }
    if (a->kind == CLG_MODEL_OUTPUTS && is(&w, "outputs")) {
        *out = 0;
        return CLG_OK;
    }
    const bool whole = a->kind != CLG_MODEL_REAL;
    if (!clg_read_number(at, (size_t)n, &x) || !(x >= a->low && x <= a->high) ||
        (whole && (x != floor(x) || memchr(at, '.', (size_t)n))))
        return wrong(r, column, "%s%s%s: wants %s from %.12g to %.12g%s", a->name, clg_arg_is_place(a) ? " " : "",
                     n > 0 ? show(at, n).text : "(nothing)", whole ? "a whole number" : "a number", a->low, a->high,
                     a->kind == CLG_MODEL_OUTPUTS ? ", or the word outputs" : "");
    *out = x;
    return CLG_OK;
}

static bool may_name(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

/* A name of a layer or a model. */
static clg_status read_name(reader *r, const char *what, const char *at, int n, int column, const char **out) {
    bool fine = n > 0 && n <= MOST_NAME;
    for (int i = 0; fine && i < n; i++) fine = may_name(at[i], i == 0);
    if (!fine)
        return wrong(r, column, "%s%s: wants a name of 1 to %d letters, digits, _ . and -, with a letter or _ at its "
                     "beginning", what, n > 0 ? show(at, n).text : "(nothing)", MOST_NAME);
    char *const name = clg_arena_printf(&r->m->arena, "%.*s", n, at);
    *out = name;
    return name ? CLG_OK : CLG_ERR_NOMEM;
}

/* --- layers --- */

/* name: with its =. */
static const clg_model_arg *find_arg(const clg_model_word *w, const char *name, int n) {
    for (int i = 0; i < w->n_args; i++) {
        const clg_model_arg *const a = &w->arg[i];
        if (!clg_arg_is_place(a) && strlen(a->name) == (size_t)n && memcmp(a->name, name, (size_t)n) == 0) return a;
    }
    return NULL;
}

/* name=value; equals: where its = is. */
static clg_status read_named(reader *r, clg_layer *l, const word *w, const char *equals, bool *given) {
    const clg_model_word *const k = &l->kind->word;
    const int n = (int)(equals - w->at), rest = w->n - n - 1, column = w->column + n + 1;
    char text[128];
    if (k->names && n == 4 && memcmp(w->at, "name", 4) == 0) {
        if (l->named) return misused(r, w->column, k, "name= is given twice");
        l->named = true;
        return read_name(r, "name=", equals + 1, rest, column, &l->name);
    }
    const clg_model_arg *const a = find_arg(k, w->at, n + 1);
    if (!a) {
        snprintf(text, sizeof text, "%s has no %s=", k->word, show(w->at, n).text);
        return misused(r, w->column, k, text);
    }
    if (given[a - k->arg]) {
        snprintf(text, sizeof text, "%s is given twice", a->name);
        return misused(r, w->column, k, text);
    }
    given[a - k->arg] = true;
    return read_value(r, a, equals + 1, rest, column, &l->value[a - k->arg]);
}

/* A value in its place. */
static clg_status read_place(reader *r, clg_layer *l, const word *w, int *place, bool *given) {
    const clg_model_word *const k = &l->kind->word;
    if (*place == k->n_args || !clg_arg_is_place(&k->arg[*place])) {
        char text[128];
        snprintf(text, sizeof text, "\"%s\" is too much", show(w->at, w->n).text);
        return misused(r, w->column, k, text);
    }
    const int i = (*place)++;
    given[i] = true;
    return read_value(r, &k->arg[i], w->at, w->n, w->column, &l->value[i]);
}

static clg_status read_layer(reader *r, const clg_kind *kind) {
    clg_model *const m = r->m;
    const clg_model_word *const k = &kind->word;
    bool given[CLG_LAYER_VALUES] = {false};
    int place = 0;
    if (m->n == r->most) return wrong(r, 1, "there are more than %d layers", r->most);
    clg_layer *const l = &m->layer[m->n];
    *l = (clg_layer){.kind = kind, .line = r->line, .column = r->words[0].column, .shape = {-1, {0}}};
    for (int i = 0; i < k->n_args; i++) l->value[i] = k->arg[i].usual;
    for (int i = 1; i < r->n; i++) {
        const word *const w = &r->words[i];
        const char *const equals = memchr(w->at, '=', (size_t)w->n);
        CLG_TRY(equals ? read_named(r, l, w, equals, given) : read_place(r, l, w, &place, given));
    }
    for (int i = 0; i < k->n_args; i++)
        if (k->arg[i].required && !given[i]) {
            char text[128];
            snprintf(text, sizeof text, "%s is missing", k->arg[i].name);
            return misused(r, r->end, k, text);
        }
    m->n++;
    return CLG_OK;
}

/* --- settings --- */

/* One word out of few. at(i): word i. */
static clg_status read_choice(reader *r, const char *(*at)(int), int *out) {
    clg_str all = {0};
    const word *const w = r->n > 1 ? &r->words[1] : NULL;
    for (int i = 0; at(i); i++) {
        if (w && is(w, at(i))) {
            *out = i;
            clg_str_free(&all);
            return CLG_OK;
        }
        clg_str_printf(&all, "%s%s", i ? ", " : "", at(i));
    }
    const clg_status s = wrong(r, w ? w->column : r->end, "%.*s %s: wants one of %s", r->words[0].n, r->words[0].at,
                               w ? show(w->at, w->n).text : "(nothing)", clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

static clg_status read_input(reader *r, const clg_model_word *k) {
    clg_model *const m = r->m;
    m->item.ndim = 0;
    if (r->n == 1) return misused(r, r->end, k, "SIZE is missing");
    for (int i = 1; i < r->n; i++) {
        double size;
        if (i == CLG_MAX_DIMS)
            return wrong(r, r->words[i].column, "an item may have %d axes at most", CLG_MAX_DIMS - 1);
        CLG_TRY(read_value(r, k->arg, r->words[i].at, r->words[i].n, r->words[i].column, &size));
        m->item.dim[m->item.ndim++] = (int64_t)size;
    }
    m->input_line = r->line;
    return CLG_OK;
}

static clg_status read_setting(reader *r, int which, int *seen) {
    enum { MODEL, INPUT, INIT, LOSS };
    clg_model *const m = r->m;
    const clg_model_word *const k = clg_setting_at(which);
    const word *const w = &r->words[1];
    int init;
    if (seen[which])
        return wrong(r, r->words[0].column, "%s is given twice, first in line %d", k->word, seen[which]);
    seen[which] = r->line;
    if (which == INPUT) return read_input(r, k);
    if (r->n > 2) return misused(r, r->words[2].column, k, "there is a word too much");
    switch (which) {
    case MODEL:
        m->titled = true;
        if (r->n == 1) return misused(r, r->end, k, "NAME is missing");
        return read_name(r, "model ", w->at, w->n, w->column, &m->name);
    case INIT: {
        static const enum clg_init kind[] = {CLG_INIT_HE, CLG_INIT_XAVIER, CLG_INIT_NORMAL, CLG_INIT_UNIFORM,
                                             CLG_INIT_ZERO};
        CLG_TRY(read_choice(r, clg_init_word, &init));
        m->init = kind[init];
        return CLG_OK;
    }
    default:
        m->loss_line = r->line;
        return read_choice(r, clg_loss_word, &m->loss);
    }
}

/* --- lines --- */

static clg_status read_line(reader *r, int *seen) {
    const word *const w = &r->words[0];
    const clg_model_word *k;
    if (r->n == 0) return CLG_OK;
    for (int i = 0; (k = clg_setting_at(i)) != NULL; i++)
        if (is(w, k->word)) return read_setting(r, i, seen);
    for (int i = 0; clg_kind_at(i); i++)
        if (is(w, clg_kind_at(i)->word.word)) return read_layer(r, clg_kind_at(i));
    clg_str all = {0};
    list_words(&all);
    const clg_status s = wrong(r, w->column, "\"%s\" is no word of a model%s; possible here: %s",
                               show(w->at, w->n).text, is(w, "softmax") ? " (the loss has the softmax in it)" : "",
                               clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

static clg_status read_text(reader *r, const char *text) {
    enum { SETTINGS = 4 };
    int seen[SETTINGS] = {0}, lines = 1;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) lines++;
    r->most = lines < CLG_MODEL_MOST_LAYERS ? lines : CLG_MODEL_MOST_LAYERS;
    r->m->layer = clg_arena_array(&r->m->arena, (size_t)r->most, sizeof *r->m->layer);
    if (!r->m->layer) return CLG_ERR_NOMEM;
    for (const char *line = text, *next; line; line = next) {
        r->line++;
        CLG_TRY(split(r, line, &next));
        CLG_TRY(read_line(r, seen));
    }
    r->end = 1;
    if (r->m->n > 0) return CLG_OK;
    clg_str all = {0};
    list_words(&all);
    const clg_status s = wrong(r, 1, "there is no layer in the text; possible here: %s", clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

/* conv1, conv2, fc1, ... in order; a name may not come twice, since it is that of the weights. */
static clg_status name_layers(reader *r) {
    clg_model *const m = r->m;
    for (int i = 0; i < m->n; i++) {
        clg_layer *const l = &m->layer[i];
        const char *const names = l->kind->word.names;
        int number = 1;
        if (!names) continue;
        for (int k = 0; k < i; k++) {
            const char *const other = m->layer[k].kind->word.names;
            number += other && strcmp(other, names) == 0;
        }
        if (!l->named) l->name = clg_arena_printf(&m->arena, "%s%d", names, number);
        if (!l->name) return CLG_ERR_NOMEM;
        for (int k = 0; k < i; k++)
            if (m->layer[k].name && strcmp(m->layer[k].name, l->name) == 0) {
                r->line = l->line;
                return wrong(r, l->column, "the weights of this layer would be called %s as those of line %d; give "
                             "another name=", l->name, m->layer[k].line);
            }
    }
    return CLG_OK;
}

clg_model *clg_model_parse(const char *name, const char *text) {
    if (!text) {
        clg_fail(CLG_ERR_INVALID, "clg_model_parse: text is NULL");
        return NULL;
    }
    clg_model *m = clg_calloc(1, sizeof *m);
    if (!m) {
        clg_fail_nomem("model");
        return NULL;
    }
    m->item.ndim = m->loss = -1;
    m->init = CLG_INIT_HE;
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3; /* the mark that some editors put before UTF-8 */
    m->name = m->source = clg_arena_strdup(&m->arena, name && *name ? name : "model");
    reader r = {.m = m};
    if (!m->source || read_text(&r, text) < 0 || name_layers(&r) < 0 || clg_model_finish(m, CLG_ERR_FORMAT) < 0)
        clg_model_destroy(&m);
    return m;
}

clg_model *clg_model_read(const char *path) {
    void *data = NULL;
    size_t size = 0;
    if (!path) {
        clg_fail(CLG_ERR_INVALID, "clg_model_read: path is NULL");
        return NULL;
    }
    if (clg_file_read(path, MOST_TEXT, &data, &size) < 0) return NULL;
    clg_model *m = NULL;
    if (memchr(data, 0, size))
        clg_fail(CLG_ERR_FORMAT, "%s: no text of a model: it has bytes of 0", path);
    else
        m = clg_model_parse(path, data);
    clg_free(data);
    return m;
}

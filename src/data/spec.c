/* Specs of data sets: cutting the line, and reading its options. Paths may have colons, and commas, unless a word and =
 * follow the comma: then it is written twice. */
#include "data/spec.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include <string.h>

size_t clg_spec_kind(const char *given) {
    return strcspn(given, ":");
}

/* Length of "word=" at the beginning; 0: there is none. */
static size_t key_length(const char *at) {
    size_t n = 0;
    while (at[n] == '_' || (at[n] >= 'a' && at[n] <= 'z')) n++;
    return n > 0 && at[n] == '=' ? n + 1 : 0;
}

/* Copies a piece to *to and puts a 0 behind it; returns where the next one begins, or the end. */
static const char *take_piece(const char *at, char **to) {
    for (; *at; at++) {
        if (*at == ',' && at[1] == ',') at++;
        else if (*at == ',' && key_length(at + 1) > 0) break;
        *(*to)++ = *at;
    }
    *(*to)++ = 0;
    return *at ? at + 1 : at;
}

/* Number of the choice that text is; -1: none. */
static int find_choice(const char *choices, const char *text) {
    const size_t n = strlen(text);
    for (int i = 0;; i++) {
        const size_t k = strcspn(choices, "|");
        if (k == n && n > 0 && memcmp(choices, text, n) == 0) return i;
        if (choices[k] == 0) return -1;
        choices += k + 1;
    }
}

/* "a, b, c" of "a|b|c"; returns to. */
static const char *listed(const char *choices, char *to, size_t size) {
    size_t n = 0;
    for (; *choices && n + 3 < size; choices++) {
        to[n++] = *choices == '|' ? ',' : *choices;
        if (*choices == '|') to[n++] = ' ';
    }
    to[n] = 0;
    return n > 0 ? to : "none";
}

static clg_status add_option(clg_spec *s, char *piece, const char *keys) {
    const size_t n = key_length(piece);
    if (n == 0) return clg_fail(CLG_ERR_INVALID, "%s: \"%s\" is not KEY=VALUE", s->given, piece);
    piece[n - 1] = 0;
    char text[256];
    if (find_choice(keys, piece) < 0)
        return clg_fail(CLG_ERR_INVALID, "%s: there is no option %s here; there are %s%s", s->given, piece,
                        listed(keys, text, sizeof text), !*s->path ? "" :
                        " (a comma in a path is written twice where a word and = follow)");
    if (clg_spec_text(s, piece)) return clg_fail(CLG_ERR_INVALID, "%s: %s is given twice", s->given, piece);
    s->option[s->n].key = piece;
    s->option[s->n++].value = piece + n; /* at most one for each key: they fit */
    return CLG_OK;
}

static clg_status cut(clg_spec *s, bool path, const char *keys) {
    const char *at = s->given + clg_spec_kind(s->given);
    char *to = s->text;
    if (*at == ':') at++;
    if (path) {
        s->path = to;
        at = take_piece(at, &to);
        if (!*s->path)
            return clg_fail(CLG_ERR_INVALID, "%s: a path is missing behind the colon", s->given);
    }
    while (*at) {
        char *piece = to;
        at = take_piece(at, &to);
        CLG_TRY(add_option(s, piece, keys));
    }
    return CLG_OK;
}

clg_status clg_spec_parse(const char *given, bool path, const char *keys, clg_spec *out) {
    clg_spec s = { .given = given, .path = "", .text = clg_alloc(strlen(given) + 2) };
    if (!s.text) return clg_fail_nomem("spec of a data set");
    const clg_status status = cut(&s, path, keys);
    if (status < 0) clg_spec_free(&s);
    else *out = s;
    return status;
}

void clg_spec_free(clg_spec *s) {
    clg_free(s->text);
    *s = (clg_spec){ 0 };
}

const char *clg_spec_text(const clg_spec *s, const char *key) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->option[i].key, key) == 0) return s->option[i].value;
    return NULL;
}

clg_status clg_spec_real(const clg_spec *s, const char *key, double min, double max, double *out) {
    const char *text = clg_spec_text(s, key);
    double v = 0;
    if (!text) return CLG_OK;
    if (!clg_read_number(text, strlen(text), &v) || !(v >= min && v <= max))
        return clg_fail(CLG_ERR_INVALID, "%s: %s=%s must be a number from %g to %g", s->given, key, text, min, max);
    *out = v;
    return CLG_OK;
}

clg_status clg_spec_integer(const clg_spec *s, const char *key, int64_t min, int64_t max, int64_t *out) {
    const char *text = clg_spec_text(s, key);
    if (text && !clg_read_integer(text, strlen(text), min, max, out))
        return clg_fail(CLG_ERR_INVALID, "%s: %s=%s must be a whole number from %lld to %lld", s->given, key, text,
                        (long long)min, (long long)max);
    return CLG_OK;
}

clg_status clg_spec_choice(const clg_spec *s, const char *key, const char *choices, int *out) {
    const char *text = clg_spec_text(s, key);
    if (!text) return CLG_OK;
    char all[128];
    const int i = find_choice(choices, text);
    if (i < 0)
        return clg_fail(CLG_ERR_INVALID, "%s: %s=%s; possible are %s", s->given, key, text,
                        listed(choices, all, sizeof all));
    *out = i;
    return CLG_OK;
}

clg_status clg_spec_reals(const clg_spec *s, const char *key, double **out, int *n) {
    const char *text = clg_spec_text(s, key);
    double *list = NULL;
    int count = 0, cap = 0;
    while (text) {
        const size_t k = strcspn(text, ",");
        if (!clg_grow(&list, &cap, count + 1, sizeof *list)) {
            clg_free(list);
            return clg_fail_nomem("option of a data set");
        }
        if (!clg_read_number(text, k, &list[count++])) {
            clg_free(list);
            return clg_fail(CLG_ERR_INVALID, "%s: %s must be numbers with commas between", s->given, key);
        }
        text = text[k] ? text + k + 1 : NULL;
    }
    if (list) {
        *out = list;
        *n = count;
    }
    return CLG_OK;
}

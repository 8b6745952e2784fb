/* CSV files: cutting text into fields. Format: RFC 4180, and what programs write beside it: other separators, spaces
 * around fields, LF or CR as line ends, blank lines, a byte order mark. Fields are copied one behind the other, each
 * with a 0 behind it, so that a cell costs its text and nothing more. */
#include "data/csv.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 24 }; /* of a name made for a column */

typedef struct scanner {
    const char *name, *at, *end;
    char       *to;        /* where the next field goes */
    char        separator;
    int         line;
} scanner;

static bool is_blank(const scanner *s, char c) {
    return (c == ' ' || c == '\t') && c != s->separator;
}

static void skip_blanks(scanner *s) {
    while (s->at < s->end && is_blank(s, *s->at)) s->at++;
}

static bool at_line_end(const scanner *s) {
    return s->at == s->end || *s->at == '\n' || *s->at == '\r';
}

static void end_line(scanner *s) {
    if (s->at < s->end && *s->at == '\r') s->at++, s->line += s->at == s->end || *s->at != '\n';
    if (s->at < s->end && *s->at == '\n') s->at++, s->line++;
}

static void skip_blank_lines(scanner *s) {
    for (;;) {
        const char *begin = s->at;
        skip_blanks(s);
        if (s->at == s->end) return;
        if (!at_line_end(s)) {
            s->at = begin;
            return;
        }
        end_line(s);
    }
}

/* Behind the opening quote, to behind the closing one. */
static clg_status quoted(scanner *s) {
    const int line = s->line;
    for (; s->at < s->end; s->at++) {
        const char c = *s->at;
        if (c == '"') {
            if (s->at + 1 == s->end || s->at[1] != '"') {
                s->at++;
                return CLG_OK;
            }
            s->at++;
        }
        s->line += c == '\n' || (c == '\r' && (s->at + 1 == s->end || s->at[1] != '\n'));
        *s->to++ = c;
    }
    return clg_fail(CLG_ERR_FORMAT, "%s: line %d: a quote \" is opened and never closed", s->name, line);
}

/* One field, to the separator or line end behind it. */
static clg_status field(scanner *s) {
    skip_blanks(s);
    if (s->at < s->end && *s->at == '"') {
        const int line = s->line;
        s->at++;
        CLG_TRY(quoted(s));
        skip_blanks(s);
        if (!at_line_end(s) && *s->at != s->separator)
            return clg_fail(CLG_ERR_FORMAT, "%s: line %d: there is text behind a closing quote; quotes inside of a "
                            "quoted field are written twice", s->name, line);
    } else {
        const char *begin = s->to;
        while (!at_line_end(s) && *s->at != s->separator) *s->to++ = *s->at++;
        while (s->to > begin && is_blank(s, s->to[-1])) s->to--;
    }
    *s->to++ = 0;
    return CLG_OK;
}

/* The fields of a line; *n is how many. */
static clg_status row(scanner *s, int *n) {
    *n = 0;
    for (;;) {
        CLG_TRY(field(s));
        if (++*n == INT_MAX) return clg_fail(CLG_ERR_FORMAT, "%s: line %d has too many fields", s->name, s->line);
        if (at_line_end(s)) break;
        s->at++;
    }
    end_line(s);
    return CLG_OK;
}

/* The first of comma, semicolon and tab in the first line, outside of quotes. */
static char find_separator(const char *at, const char *end) {
    bool inside = false;
    for (; at < end && (inside || (*at != '\n' && *at != '\r')); at++) {
        if (*at == '"') inside = !inside;
        else if (!inside && (*at == ',' || *at == ';' || *at == '\t')) return *at;
    }
    return ',';
}

static clg_status scanner_open(scanner *s, const char *name, const char *data, size_t size, char separator) {
    *s = (scanner){ .name = name, .at = data, .end = data + size, .line = 1 };
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) s->at += 3;
    if (memchr(data, 0, size))
        return clg_fail(CLG_ERR_FORMAT, "%s: has bytes of 0: not a text file%s", name,
                        size >= 2 && ((uint8_t)data[0] | 1) == 0xff ? "; save it as UTF-8" : "");
    skip_blank_lines(s);
    if (s->at == s->end) return clg_fail(CLG_ERR_FORMAT, "%s: the file is empty", name);
    s->separator = separator ? separator : find_separator(s->at, s->end);
    return CLG_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static clg_status check_names_differ(const clg_table *t) {
    const size_t bytes = (size_t)t->cols * sizeof *t->column;
    const char **sorted = clg_alloc(bytes), *twice = NULL;
    if (!sorted) return clg_fail_nomem("names of columns");
    memcpy(sorted, t->column, bytes);
    qsort(sorted, (size_t)t->cols, sizeof *sorted, by_text);
    for (int c = 1; c < t->cols && !twice; c++)
        if (strcmp(sorted[c - 1], sorted[c]) == 0) twice = sorted[c];
    clg_free(sorted);
    return twice ? clg_fail(CLG_ERR_FORMAT, "%s: two columns have the same name, %s", t->name, twice) : CLG_OK;
}

/* A line of numbers is no line of names, unless it counts them: 0, 1, 2, ... as programs write it for lack of names. */
static clg_status check_header(const clg_table *t) {
    bool numbers = true, counts = true;
    for (int c = 0; c < t->cols; c++) {
        int64_t k = -1;
        numbers &= clg_is_number(t->column[c], strlen(t->column[c]));
        counts &= clg_read_integer(t->column[c], strlen(t->column[c]), 0, INT_MAX, &k) && (k == c || k == c + 1);
    }
    if (numbers && !counts)
        return clg_fail(CLG_ERR_FORMAT, "%s: the first line has numbers where names of columns should be: %s, ...; if "
                        "the file has no names say header=no", t->name, t->column[0]);
    return check_names_differ(t);
}

/* Names of the columns: those of the header line, and c1, c2, ... where there is none. */
static clg_status name_columns(clg_table *t, bool header) {
    t->column = clg_calloc((size_t)t->cols, sizeof *t->column);
    t->made = clg_calloc((size_t)t->cols, MAX_NAME);
    if (!t->column || !t->made) return clg_fail_nomem("names of columns");
    const char *at = t->text;
    for (int c = 0; c < t->cols; c++) {
        char *made = t->made + (size_t)c * MAX_NAME;
        snprintf(made, MAX_NAME, "c%d", c + 1);
        t->column[c] = header && *at ? at : made;
        at += strlen(at) + 1;
    }
    t->first = header ? at : t->text;
    return header ? check_header(t) : CLG_OK;
}

static clg_status read_rows(scanner *s, bool header, clg_table *t) {
    int cap = 0, n, line = s->line;
    CLG_TRY(row(s, &t->cols));
    for (int k = header ? 0 : 1;; k++) {
        if (k > 0) {
            if (!clg_grow(&t->line, &cap, k, sizeof *t->line)) return clg_fail_nomem("rows of a table");
            t->line[k - 1] = line;
            t->rows = k;
        }
        skip_blank_lines(s);
        if (s->at == s->end) break;
        line = s->line;
        CLG_TRY(row(s, &n));
        if (n != t->cols)
            return clg_fail(CLG_ERR_FORMAT, "%s: line %d has %d field%s, but the first line has %d%s", s->name, line, n,
                            n == 1 ? "" : "s", t->cols, n > t->cols ? "; a separator inside of a field needs quotes "
                            "around the field" : "");
        if (k == INT_MAX - 1) return clg_fail(CLG_ERR_FORMAT, "%s: too many lines", s->name);
    }
    if (t->rows == 0) return clg_fail(CLG_ERR_FORMAT, "%s: there is a line of names and nothing else", s->name);
    return CLG_OK;
}

clg_status clg_table_parse(const char *name, const char *data, size_t size, const clg_csv_params *p, clg_table *out) {
    scanner s;
    clg_table t = { .name = name };
    clg_status status = scanner_open(&s, name, data, size, p->separator);
    if (status < 0) return status;
    t.text = s.to = clg_alloc(size + 1); /* a field ends at a separator, a line end or the file's end: one byte each */
    if (!t.text) return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %zu bytes", name, size);
    CLG_TRY_END(read_rows(&s, !p->no_header, &t));
    CLG_TRY_END(name_columns(&t, !p->no_header));
end:
    if (status < 0) clg_table_free(&t);
    else *out = t;
    return status;
}

void clg_table_free(clg_table *t) {
    clg_free(t->text);
    clg_free((void *)t->column);
    clg_free(t->made);
    clg_free(t->line);
    *t = (clg_table){ 0 };
}

bool clg_csv_listed(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; at;) {
        const size_t k = strcspn(at, ",");
        if (k == n && memcmp(at, name, n) == 0) return true;
        at = at[k] ? at + k + 1 : NULL;
    }
    return false;
}

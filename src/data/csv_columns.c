/* From the fields of a table to items: which columns are numbers, texts and the target; what is missing; then one pass
 * that fills the features. Each step walks once over the fields, row by row, since they lie one behind the other. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include "base/str.h"
#include "data/csv.h"
#include "data/targets.h"
#include <math.h>
#include <string.h>
#include <strings.h>

enum { MAX_ONE_HOT = 100, SHOWN = 5, SHOWN_NAMES = 20, SHOWN_TEXT = 40 };

/* What is known of a column. */
typedef struct column {
    bool         used, text;
    int64_t      numbers, texts;   /* values of each kind; the rest is missing */
    int          text_row;         /* of the first text */
    const char  *first_text;
    const char **value;            /* of a text column: the different values in byte order */
    int         *count;            /* how often each is there */
    int          values, value_cap, count_cap;
    double       sum;              /* of the numbers that a mean is taken from */
    int64_t      summed;
    int64_t      feature;          /* its first one */
} column;

typedef struct survey {
    const clg_table      *t;
    const clg_csv_params *p;
    const bool           *fit;   /* rows that means are taken from; NULL: all */
    column *col;
    int     target;
    bool   *dropped; /* rows that are left out */
    int     kept;
} survey;

static const char *next_cell(const char *cell) {
    return cell + strlen(cell) + 1;
}

static bool is_missing(const char *cell) {
    static const char *const words[] = { "", "?", "na", "n/a", "nan", "null" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(cell, words[i]) == 0) return true;
    return false;
}

/* --- which columns --- */

static clg_status fail_no_column(const clg_table *t, const char *what, const char *name) {
    clg_str all = { 0 };
    for (int c = 0; c < t->cols && c < SHOWN_NAMES; c++) clg_str_printf(&all, "%s%s", c > 0 ? ", " : "", t->column[c]);
    if (t->cols > SHOWN_NAMES) clg_str_printf(&all, ", ... (%d in all)", t->cols);
    clg_fail(CLG_ERR_INVALID, "%s: there is no column %s (%s); columns are: %s", t->name, name, what,
             clg_str_text(&all));
    clg_str_free(&all);
    return CLG_ERR_INVALID;
}

static int find_column(const clg_table *t, const char *name, size_t n) {
    for (int c = 0; c < t->cols; c++)
        if (strlen(t->column[c]) == n && memcmp(t->column[c], name, n) == 0) return c;
    return -1;
}

/* Every name of a list is that of a column. */
static clg_status check_list(const clg_table *t, const char *what, const char *list) {
    for (const char *at = list; at;) {
        const size_t n = strcspn(at, ",");
        if (find_column(t, at, n) < 0) {
            clg_str name = { 0 };
            clg_str_add_bytes(&name, at, n);
            fail_no_column(t, what, clg_str_text(&name));
            clg_str_free(&name);
            return CLG_ERR_INVALID;
        }
        at = at[n] ? at + n + 1 : NULL;
    }
    return CLG_OK;
}

static clg_status choose_columns(survey *s) {
    const clg_table *t = s->t;
    const clg_csv_params *p = s->p;
    int features = 0;
    CLG_TRY(check_list(t, "ignore", p->ignore));
    CLG_TRY(check_list(t, "text", p->text));
    s->target = p->target ? find_column(t, p->target, strlen(p->target)) : t->cols - 1;
    if (s->target < 0) return fail_no_column(t, "target", p->target);
    for (int c = 0; c < t->cols; c++) {
        s->col[c].used = !clg_csv_listed(p->ignore, t->column[c]);
        features += s->col[c].used && c != s->target;
    }
    if (!s->col[s->target].used)
        return clg_fail(CLG_ERR_INVALID, "%s: column %s is the target and cannot be ignored; another target?", t->name,
                        t->column[s->target]);
    if (features == 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: there is the target %s and no other column%s", t->name,
                        t->column[s->target], t->cols == 1 ? "; is the separator another one?" : "");
    return CLG_OK;
}

/* --- numbers or texts --- */

static void count_kinds(survey *s) {
    const char *cell = s->t->first;
    for (int r = 0; r < s->t->rows; r++) {
        for (int c = 0; c < s->t->cols; c++, cell = next_cell(cell)) {
            column *k = &s->col[c];
            if (!k->used || is_missing(cell)) continue;
            if (clg_is_number(cell, strlen(cell))) {
                k->numbers++;
            } else if (k->texts++ == 0) {
                k->text_row = r;
                k->first_text = cell;
            }
        }
    }
}

static clg_status fail_no_number(const survey *s, int c, const char *remedy) {
    const column *k = &s->col[c];
    return clg_fail(CLG_ERR_FORMAT, "%s: line %d, column %s: \"%.*s\" is no number; %s", s->t->name,
                    s->t->line[k->text_row], s->t->column[c], SHOWN_TEXT, k->first_text, remedy);
}

static clg_status decide_kinds(survey *s) {
    for (int c = 0; c < s->t->cols; c++) {
        column *k = &s->col[c];
        if (!k->used) continue;
        if (k->numbers + k->texts == 0)
            return clg_fail(CLG_ERR_FORMAT, "%s: column %s has no value in any row; leave it out (ignore=%s)",
                            s->t->name, s->t->column[c], s->t->column[c]);
        k->text = clg_csv_listed(s->p->text, s->t->column[c]) || k->numbers <= k->texts;
        if (!k->text && k->texts > 0)
            return fail_no_number(s, c, "most of this column are; text=NAME makes a column one of texts");
        if (k->text && c == s->target && s->p->task == CLG_TASK_REGRESSION)
            return k->texts > 0 ? fail_no_number(s, c, "regression needs a target of numbers") :
                clg_fail(CLG_ERR_INVALID, "%s: column %s cannot be text and the target of a regression", s->t->name,
                         s->t->column[c]);
    }
    return CLG_OK;
}

/* --- missing values --- */

/* Marks rows that are left out, and reports what may not be missing. */
static clg_status check_missing(survey *s) {
    const clg_table *t = s->t;
    clg_str where = { 0 };
    int64_t bad = 0;
    const char *cell = t->first;
    s->kept = t->rows;
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->cols; c++, cell = next_cell(cell)) {
            if (!s->col[c].used || !is_missing(cell)) continue;
            if (s->p->missing == CLG_MISSING_DROP) {
                s->kept -= !s->dropped[r];
                s->dropped[r] = true;
            } else if (s->p->missing == CLG_MISSING_ERROR || c == s->target) {
                if (bad++ < SHOWN)
                    clg_str_printf(&where, "%sline %d column %s", bad > 1 ? ", " : "", t->line[r], t->column[c]);
            }
        }
    }
    if (bad > 0)
        clg_fail(CLG_ERR_FORMAT, "%s: %lld value%s missing: %s%s; %s", t->name, (long long)bad,
                 bad == 1 ? " is" : "s are", clg_str_text(&where), bad > SHOWN ? ", ..." : "",
                 s->p->missing == CLG_MISSING_MEAN ? "a target cannot be filled in; missing=drop leaves such rows out" :
                 "missing=drop leaves such rows out, missing=mean fills in the mean of the column");
    clg_str_free(&where);
    if (bad > 0) return CLG_ERR_FORMAT;
    if (s->kept == 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: a value is missing in every one of the %d rows", t->name, t->rows);
    return CLG_OK;
}

/* --- values --- */

/* Position of a text among the values of a column, or where it would be put. */
static int position(const column *k, const char *text) {
    int low = 0, high = k->values;
    while (low < high) {
        const int mid = low + (high - low) / 2;
        if (strcmp(k->value[mid], text) < 0) low = mid + 1;
        else high = mid;
    }
    return low;
}

static clg_status add_value(const survey *s, int c, const char *text, bool counts) {
    column *k = &s->col[c];
    const int at = position(k, text);
    const bool classes = c == s->target;
    const int most = classes || s->p->ordinal ? CLG_MAX_CLASSES : MAX_ONE_HOT;
    const char *remedy = classes ? " for classes" : s->p->ordinal ? "; leave it out (ignore=NAME)" :
                         " for a feature each; leave it out (ignore=NAME), or number them (encode=ordinal)";
    if (at < k->values && strcmp(k->value[at], text) == 0) {
        k->count[at] += counts;
        return CLG_OK;
    }
    if (k->values == most)
        return clg_fail(CLG_ERR_FORMAT, "%s: column %s has more than %d different texts: too many%s", s->t->name,
                        s->t->column[c], most, remedy);
    if (!clg_grow(&k->value, &k->value_cap, k->values + 1, sizeof *k->value) ||
        !clg_grow(&k->count, &k->count_cap, k->values + 1, sizeof *k->count))
        return clg_fail_nomem("values of a column");
    memmove(k->value + at + 1, k->value + at, (size_t)(k->values - at) * sizeof *k->value);
    memmove(k->count + at + 1, k->count + at, (size_t)(k->values - at) * sizeof *k->count);
    k->value[at] = text;
    k->count[at] = counts;
    k->values++;
    return CLG_OK;
}

static clg_status read_cell(const survey *s, int r, int c, const char *cell, double *v) {
    if (clg_read_number(cell, strlen(cell), v) && isfinite(*v)) return CLG_OK;
    return clg_fail(CLG_ERR_FORMAT, "%s: line %d, column %s: %.*s is beyond the range of a double", s->t->name,
                    s->t->line[r], s->t->column[c], SHOWN_TEXT, cell);
}

/* The values of text columns, and the sums of the others. */
static clg_status collect_values(survey *s) {
    const char *cell = s->t->first;
    for (int r = 0; r < s->t->rows; r++) {
        const bool counts = !s->fit || s->fit[r];
        for (int c = 0; c < s->t->cols; c++, cell = next_cell(cell)) {
            column *k = &s->col[c];
            double v = 0;
            if (!k->used || s->dropped[r] || is_missing(cell)) continue;
            if (k->text) CLG_TRY(add_value(s, c, cell, counts));
            else CLG_TRY(read_cell(s, r, c, cell, &v));
            k->sum += counts ? v : 0;
            k->summed += counts;
        }
    }
    for (int c = 0; c < s->t->cols && s->p->missing == CLG_MISSING_MEAN; c++)
        if (s->col[c].used && (s->col[c].summed == 0 || !isfinite(s->col[c].sum)))
            return clg_fail(CLG_ERR_FORMAT, "%s: column %s has no mean: %s", s->t->name, s->t->column[c],
                            s->col[c].summed ? "the sum is too large" : "there is no value in the training part");
    return CLG_OK;
}

/* --- features --- */

static int features_of(const survey *s, const column *k) {
    return k->text && !s->p->ordinal ? k->values : 1;
}

static char *joined(const char *a, const char *between, const char *b) {
    clg_str text = { 0 };
    clg_str_printf(&text, "%s%s%s", a, between, b);
    if (!text.failed) return text.text;
    clg_str_free(&text);
    return NULL;
}

/* Gives each column its features, with their names. */
static clg_status lay_out(survey *s, clg_items *items) {
    int64_t n = 0, at = 0;
    for (int c = 0; c < s->t->cols; c++) {
        if (!s->col[c].used || c == s->target) continue;
        s->col[c].feature = n;
        n += features_of(s, &s->col[c]);
    }
    items->n = s->kept;
    items->shape = CLG_SHAPE(n);
    items->feature_name = clg_calloc((size_t)n + 1, sizeof *items->feature_name);
    items->real = n <= INT64_MAX / s->kept ? clg_calloc((size_t)(s->kept * n), sizeof *items->real) : NULL;
    if (!items->feature_name || !items->real)
        return clg_fail(CLG_ERR_NOMEM, "%s: no host memory for %d rows of %lld features", s->t->name, s->kept,
                        (long long)n);
    for (int c = 0; c < s->t->cols; c++) {
        const column *k = &s->col[c];
        if (!k->used || c == s->target) continue;
        for (int f = 0; f < features_of(s, k); f++, at++) {
            const bool one_hot = k->text && !s->p->ordinal;
            items->feature_name[at] = joined(s->t->column[c], one_hot ? "=" : "", one_hot ? k->value[f] : "");
            if (!items->feature_name[at]) return clg_fail_nomem("names of features");
        }
    }
    return CLG_OK;
}

static int most_frequent(const column *k) {
    int best = 0;
    for (int v = 1; v < k->values; v++)
        if (k->count[v] > k->count[best]) best = v;
    return best;
}

static clg_status fill_feature(const survey *s, int r, int c, const char *cell, double *x) {
    const column *k = &s->col[c];
    const bool missing = is_missing(cell);
    if (!k->text) {
        if (!missing) return read_cell(s, r, c, cell, &x[k->feature]);
        x[k->feature] = k->sum / (double)k->summed;
        return CLG_OK;
    }
    const int v = missing ? most_frequent(k) : position(k, cell);
    if (s->p->ordinal) x[k->feature] = v;
    else x[k->feature + v] = 1;
    return CLG_OK;
}

/* Features of all rows; target gets the numbers or the positions of the target. */
static clg_status fill(const survey *s, const clg_items *items, double *target) {
    const char *cell = s->t->first;
    double *x = items->real;
    for (int r = 0; r < s->t->rows; r++) {
        for (int c = 0; c < s->t->cols; c++, cell = next_cell(cell)) {
            if (!s->col[c].used || s->dropped[r]) continue;
            if (c != s->target) CLG_TRY(fill_feature(s, r, c, cell, x));
            else if (s->col[c].text) *target++ = position(&s->col[c], cell);
            else CLG_TRY(read_cell(s, r, c, cell, target++));
        }
        if (!s->dropped[r]) x += items->shape.dim[0];
    }
    return CLG_OK;
}

/* --- the target --- */

static clg_status name_text_classes(const survey *s, clg_items *items) {
    const column *k = &s->col[s->target];
    for (int c = 0; c < k->values; c++) {
        char *name = joined(k->value[c], "", "");
        if (!name) return clg_fail_nomem("names of classes");
        clg_free(items->class_name[c]); /* lists of names end at NULL: so not before */
        items->class_name[c] = name;
    }
    return CLG_OK;
}

/* Takes target over in any case. */
static clg_status set_target(const survey *s, double *target, clg_items *items) {
    const column *k = &s->col[s->target];
    const bool classes = k->text || s->p->task == CLG_TASK_CLASSES ||
                         (s->p->task == CLG_TASK_AUTO && clg_targets_are_classes(target, items->n, CLG_AUTO_CLASSES));
    char *what = joined(s->t->name, ": the target ", s->t->column[s->target]);
    clg_status status = what ? CLG_OK : clg_fail_nomem("message");
    if (status == CLG_OK && k->text && k->values == 1)
        status = clg_fail(CLG_ERR_FORMAT, "%s is %.*s in all %d rows: there is nothing to learn", what, SHOWN_TEXT,
                          k->value[0], s->kept);
    else if (status == CLG_OK)
        status = classes ? clg_targets_label(what, target, items->n, NULL, 0, items) :
                 clg_targets_vary(what, target, items->n);
    if (status == CLG_OK && k->text) status = name_text_classes(s, items);
    clg_free(what);
    if (classes || status < 0) {
        clg_free(target);
        return status;
    }
    items->target = target;
    items->targets = 1;
    return CLG_OK;
}

static clg_status make_items(survey *s, clg_items *items) {
    CLG_TRY(choose_columns(s));
    count_kinds(s);
    CLG_TRY(decide_kinds(s));
    CLG_TRY(check_missing(s));
    CLG_TRY(collect_values(s));
    CLG_TRY(lay_out(s, items));
    double *target = clg_calloc((size_t)s->kept, sizeof *target);
    if (!target) return clg_fail_nomem("targets");
    const clg_status status = fill(s, items, target);
    if (status == CLG_OK) return set_target(s, target, items);
    clg_free(target);
    return status;
}

clg_status clg_table_items(const clg_table *t, const clg_csv_params *p, const bool *fit, clg_items *out) {
    clg_items items = { 0 };
    survey s = { .t = t, .p = p, .fit = fit, .col = clg_calloc((size_t)t->cols, sizeof(column)),
                 .dropped = clg_calloc((size_t)t->rows, sizeof(bool)) };
    const clg_status status = s.col && s.dropped ? make_items(&s, &items) : clg_fail_nomem("columns of a table");
    for (int c = 0; s.col && c < t->cols; c++) {
        clg_free(s.col[c].value);
        clg_free(s.col[c].count);
    }
    clg_free(s.col);
    clg_free(s.dropped);
    if (status < 0) clg_items_free(&items);
    else *out = items;
    return status;
}

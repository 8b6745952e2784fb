/* Parts of a data set: lists of rows over the same items. Which item goes where depends on the seed, the number of
 * items and, where classes are kept in proportion, their labels: items are grouped by class, each group is shuffled,
 * and then cut (hold-out) or dealt in turn (folds). A part keeps the order that its items have in the whole. */
#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = CLG_VALIDATION + 1 };

static const char *const part_name[PARTS] = {"training", "test", "validation"};

/* --- roles --- */

/* A training part may become anything, the others stay what they are: choices were made by a validation part, and a
 * test part is for the end. */
static clg_status check_role(const clg_dataset *d, enum clg_part part, const char *call) {
    if (part < CLG_TRAIN || part > CLG_VALIDATION)
        return clg_fail(CLG_ERR_INVALID, "%s: there is no part %d", call, (int)part);
    if (d->part == CLG_TRAIN || d->part == part) return CLG_OK;
    return clg_fail(CLG_ERR_INVALID, "%s: items of a %s part cannot become a %s part; take them from the training part",
                    call, part_name[d->part], part_name[part]);
}

/* What is standardised by numbers of the whole must not be cut: its validation part would have had a say in them. */
static clg_status check_whole(const clg_dataset *d, const char *call) {
    if (!d) return clg_fail(CLG_ERR_INVALID, "%s: data set is NULL", call);
    if (d->part != CLG_TRAIN)
        return clg_fail(CLG_ERR_INVALID, "%s: a %s part is not cut into others; use the training part", call,
                        part_name[d->part]);
    if (d->scaler)
        return clg_fail(CLG_ERR_INVALID, "%s: the data set is standardised, so every part would know the mean of the "
                        "others; cut first, and standardise by clg_scaler_fit() on the training part", call);
    return CLG_OK;
}

/* --- lists of items --- */

static uint32_t *rows_alloc(int64_t n) {
    uint32_t *rows = clg_calloc((size_t)n, sizeof *rows);
    if (!rows) clg_fail_nomem("part of a data set");
    return rows;
}

clg_dataset *clg_dataset_slice(clg_dataset *d, int64_t begin, int64_t n) {
    if (!d || begin < 0 || n < 1 || begin > d->n || n > d->n - begin) {
        clg_fail(CLG_ERR_INVALID, "dataset_slice(begin %lld, n %lld): no range inside the %lld items of the data set",
                 (long long)begin, (long long)n, (long long)clg_dataset_size(d));
        return NULL;
    }
    uint32_t *rows = rows_alloc(n);
    if (!rows) return NULL;
    memcpy(rows, d->rows + begin, (size_t)n * sizeof *rows);
    return clg_dataset_of_rows(d, rows, n, d->part);
}

static clg_status check_items(const clg_dataset *d, const int64_t *items, int64_t n) {
    if (!d || !items || n < 1 || n > UINT32_MAX)
        return clg_fail(CLG_ERR_INVALID, "dataset_subset: %s", !d ? "data set is NULL" : !items ? "items is NULL" :
                        n < 1 ? "a part needs at least one item" : "a part has at most 2^32 - 1 items");
    for (int64_t i = 0; i < n; i++)
        if (items[i] < 0 || items[i] >= d->n)
            return clg_fail(CLG_ERR_INVALID, "dataset_subset: items[%lld] is %lld; the data set has %lld items",
                            (long long)i, (long long)items[i], (long long)d->n);
    return CLG_OK;
}

clg_dataset *clg_dataset_subset(clg_dataset *d, const int64_t *items, int64_t n, enum clg_part part) {
    if (check_items(d, items, n) < 0 || check_role(d, part, "dataset_subset") < 0) return NULL;
    uint32_t *rows = rows_alloc(n);
    if (!rows) return NULL;
    for (int64_t i = 0; i < n; i++) rows[i] = d->rows[items[i]];
    return clg_dataset_of_rows(d, rows, n, part);
}

/* Makes the parts that are asked for; role: of each item of d. Writes to out when all of them are there. */
static clg_status make_parts(const clg_dataset *d, const uint8_t *role, clg_dataset **const out[PARTS]) {
    clg_dataset *made[PARTS] = {NULL};
    for (int part = 0; part < PARTS; part++) {
        int64_t n = 0;
        for (int64_t i = 0; i < d->n; i++) n += role[i] == part;
        if (!out[part] || n == 0) continue;
        uint32_t *rows = rows_alloc(n);
        if (rows) {
            n = 0;
            for (int64_t i = 0; i < d->n; i++)
                if (role[i] == part) rows[n++] = d->rows[i];
            made[part] = clg_dataset_of_rows(d, rows, n, (enum clg_part)part);
        }
        if (!made[part]) {
            for (int k = 0; k < part; k++) clg_dataset_destroy(&made[k]);
            return clg_error_status();
        }
    }
    for (int part = 0; part < PARTS; part++)
        if (out[part]) *out[part] = made[part];
    return CLG_OK;
}

/* --- groups: the items of each class, or all in one --- */

typedef struct groups {
    int       n;
    int64_t  *size;  /* n of them */
    uint32_t *item;  /* positions in the data set; group after group */
} groups;

static void groups_free(groups *g) {
    clg_free(g->size);
    clg_free(g->item);
}

static int group_of(const clg_dataset *d, bool by_class, int64_t i) {
    return by_class ? (int)d->bank->items.label[d->rows[i]] : 0;
}

/* A counting sort, which keeps the order inside a group. To be freed also on failure. */
static clg_status groups_make(const clg_dataset *d, bool by_class, groups *g) {
    *g = (groups){.n = by_class ? d->bank->items.classes : 1};
    g->size = clg_calloc((size_t)g->n, sizeof *g->size);
    g->item = clg_calloc((size_t)d->n, sizeof *g->item);
    int64_t *next = clg_calloc((size_t)g->n, sizeof *next), begin = 0;
    if (!g->size || !g->item || !next) {
        clg_free(next);
        return clg_fail_nomem("parts of a data set");
    }
    for (int64_t i = 0; i < d->n; i++) g->size[group_of(d, by_class, i)]++;
    for (int k = 0; k < g->n; k++) {
        next[k] = begin;
        begin += g->size[k];
    }
    for (int64_t i = 0; i < d->n; i++) g->item[next[group_of(d, by_class, i)]++] = (uint32_t)i;
    clg_free(next);
    return CLG_OK;
}

static void groups_shuffle(groups *g, uint64_t seed, uint64_t stream) {
    int64_t begin = 0;
    for (int k = 0; k < g->n; begin += g->size[k++])
        clg_shuffle(g->item + begin, g->size[k], clg_shuffle_key(seed, stream, (uint64_t)k));
}

/* "class 3 (setosa)", and "class 3" if the name says no more; returns text. */
static const char *class_text(const clg_dataset *d, int k, char *text, size_t size) {
    const char *name = clg_dataset_class_name(d, k);
    char number[16];
    snprintf(number, sizeof number, "%d", k);
    const bool named = name && strcmp(name, number) != 0;
    snprintf(text, size, "class %s%s%s%s", number, named ? " (" : "", named ? name : "", named ? ")" : "");
    return text;
}

/* The smallest group that has an item. */
static int smallest(const groups *g) {
    int best = -1;
    for (int k = 0; k < g->n; k++)
        if (g->size[k] > 0 && (best < 0 || g->size[k] < g->size[best])) best = k;
    return best;
}

/* --- hold-out --- */

/* What one group gives to a part. */
typedef struct share {
    int     group;
    int64_t take;
    double  rest;  /* what rounding down has left */
} share;

static int by_rest(const void *a, const void *b) {
    const share *x = a, *y = b;
    if (x->rest != y->rest) return x->rest < y->rest ? 1 : -1;
    return x->group - y->group;
}

/* Takes `total` items, from each group in proportion to its size, by largest remainders (Hamilton's method), but from
 * no group more than room[group]. part: what each gives. false: there is not so much room. */
static bool take_shares(const groups *g, double fraction, int64_t total, const int64_t *room, share *s, int64_t *part) {
    for (int k = 0; k < g->n; k++) {
        const double quota = fraction * (double)g->size[k];
        s[k] = (share){.group = k, .take = (int64_t)quota < room[k] ? (int64_t)quota : room[k]};
        s[k].rest = quota - (double)s[k].take;
        total -= s[k].take;
    }
    qsort(s, (size_t)g->n, sizeof *s, by_rest);
    for (bool more = true; total > 0 && more;) {
        more = false;
        for (int i = 0; i < g->n && total > 0; i++) {
            if (s[i].take == room[s[i].group]) continue;
            s[i].take++;
            total--;
            more = true;
        }
    }
    for (int i = 0; i < g->n; i++) part[s[i].group] = s[i].take;
    return total == 0;
}

static clg_status check_fractions(const clg_dataset *d, const clg_split_params *p) {
    const double val = p->val, test = p->test;
    if (!(val >= 0 && test >= 0 && val + test > 0 && val + test < 1))
        return clg_fail(CLG_ERR_INVALID, "dataset_split: fractions val %g and test %g; they must not be negative, and "
                        "together more than 0 and less than 1", val, test);
    const int64_t n_val = llround(val * (double)d->n), n_test = llround(test * (double)d->n);
    const long long n = (long long)d->n;
    if (val > 0 && n_val == 0)
        return clg_fail(CLG_ERR_INVALID, "dataset_split: the validation part would be empty: %g of %lld items", val, n);
    if (test > 0 && n_test == 0)
        return clg_fail(CLG_ERR_INVALID, "dataset_split: the test part would be empty: %g of %lld items", test, n);
    if (n_val + n_test >= d->n)
        return clg_fail(CLG_ERR_INVALID, "dataset_split: the training part would be empty: val %g and test %g of %lld "
                        "items", val, test, n);
    return CLG_OK;
}

/* Writes the role of each item: the end of each group becomes test, what is before it validation. Shares are taken for
 * both together and then for the test part from these, so that a small class is not rounded down twice. */
static clg_status hold_out(const clg_dataset *d, const clg_split_params *p, const groups *g, uint8_t *role) {
    const int64_t n_test = llround(p->test * (double)d->n), n_out = n_test + llround(p->val * (double)d->n);
    share *s = clg_calloc((size_t)g->n, sizeof *s);
    int64_t *room = clg_calloc(3 * (size_t)g->n, sizeof *room), begin = 0;
    clg_status status = s && room ? CLG_OK : clg_fail_nomem("parts of a data set");
    if (status < 0) goto end;
    int64_t *out = room + g->n, *test = out + g->n;
    for (int k = 0; k < g->n; k++) room[k] = g->size[k] > 0 ? g->size[k] - 1 : 0;
    if (!take_shares(g, p->val + p->test, n_out, room, s, out) || !take_shares(g, p->test, n_test, out, s, test)) {
        const int k = smallest(g);
        char text[80];
        status = clg_fail(CLG_ERR_INVALID, "dataset_split: val %g and test %g of %lld items leave no item of some "
                          "class for training (%s has %lld); take less, or set no_stratify", p->val, p->test,
                          (long long)d->n, class_text(d, k, text, sizeof text), (long long)g->size[k]);
        goto end;
    }
    for (int k = 0; k < g->n; begin += g->size[k++])
        for (int64_t i = 0; i < g->size[k]; i++) {
            const int64_t from_end = g->size[k] - 1 - i;
            role[g->item[begin + i]] = from_end < test[k] ? CLG_TEST : from_end < out[k] ? CLG_VALIDATION : CLG_TRAIN;
        }
end:
    clg_free(s);
    clg_free(room);
    return status;
}

clg_status clg_dataset_split(clg_dataset *d, const clg_split_params *p, clg_dataset **train, clg_dataset **val,
                             clg_dataset **test) {
    CLG_TRY(check_whole(d, "dataset_split"));
    if (!p) return clg_fail(CLG_ERR_INVALID, "dataset_split: params is NULL");
    CLG_TRY(check_fractions(d, p));
    groups g;
    uint8_t *role = clg_calloc((size_t)d->n, 1);
    clg_status status = groups_make(d, d->bank->items.label && !p->no_stratify, &g);
    if (status >= 0 && !role) status = clg_fail_nomem("parts of a data set");
    if (status < 0) goto end;
    if (!p->no_shuffle) groups_shuffle(&g, p->seed, 1);
    CLG_TRY_END(hold_out(d, p, &g, role));
    status = make_parts(d, role, (clg_dataset **const[PARTS]){train, test, val});
end:
    groups_free(&g);
    clg_free(role);
    return status;
}

/* --- folds --- */

static clg_status check_folds(const clg_dataset *d, enum clg_fold_kind kind, int k, int i) {
    CLG_TRY(check_whole(d, "dataset_fold"));
    if (kind < CLG_FOLD_AUTO || kind > CLG_FOLD_MODULO)
        return clg_fail(CLG_ERR_INVALID, "dataset_fold: there is no kind %d of folds", (int)kind);
    if (k < 2) return clg_fail(CLG_ERR_INVALID, "dataset_fold: %d folds; at least 2 are needed", k);
    if (k > d->n)
        return clg_fail(CLG_ERR_INVALID, "dataset_fold: %d folds of %lld items; a fold needs at least one item", k,
                        (long long)d->n);
    if (i < 0 || i >= k)
        return clg_fail(CLG_ERR_INVALID, "dataset_fold: there is no fold %d; they are 0 to %d", i, k - 1);
    return CLG_OK;
}

static clg_status check_class_sizes(const clg_dataset *d, const groups *g, int k) {
    const int small = smallest(g);
    const long long size = (long long)g->size[small];
    char text[80], most[40];
    if (size >= k) return CLG_OK;
    snprintf(most, sizeof most, size < 2 ? "" : "take at most %lld, or ", size);
    return clg_fail(CLG_ERR_INVALID, "dataset_fold: %s has %lld item%s, fewer than the %d folds; %stake folds that do "
                    "not keep the classes in proportion", class_text(d, small, text, sizeof text),
                    size, size == 1 ? "" : "s", k, most);
}

clg_status clg_dataset_fold(clg_dataset *d, enum clg_fold_kind kind, int k, int i, uint64_t seed, clg_dataset **train,
                            clg_dataset **val) {
    CLG_TRY(check_folds(d, kind, k, i));
    const bool by_class = kind == CLG_FOLD_AUTO && d->bank->items.label;
    groups g;
    uint8_t *role = clg_calloc((size_t)d->n, 1);
    clg_status status = groups_make(d, by_class, &g);
    if (status >= 0 && !role) status = clg_fail_nomem("parts of a data set");
    if (status < 0) goto end;
    if (by_class) CLG_TRY_END(check_class_sizes(d, &g, k));
    if (kind != CLG_FOLD_MODULO) groups_shuffle(&g, seed, 2);
    for (int64_t j = i; j < d->n; j += k) role[g.item[j]] = CLG_VALIDATION;
    status = make_parts(d, role, (clg_dataset **const[PARTS]){train, NULL, val});
end:
    groups_free(&g);
    clg_free(role);
    return status;
}

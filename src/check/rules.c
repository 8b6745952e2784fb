/* The rules that every row of the op table keeps, asked of the table itself: which cases, mistakes and texts an op must
 * have. Nothing here is particular to an op: what a rule asks follows from the row and from its cases.
 *
 * Exact cases: where the reference gives numbers that f32 holds for small integers in every case, no rounding excuses
 * a difference, so one of the cases must be EXACT. Mistakes: the first case with one input of another shape or type;
 * where the op refuses that by its own name, the refusal is part of the API and needs a line in a table of mistakes. */
#include "check/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rules {
    clg_op_info info;
    clg_device *ref;
    void      (*missing)(void *user, const char *line);
    void       *user;
    int         count;
} rules;

static void lacks(rules *k, const char *fmt, ...) CLG_FMT(2, 3);

static void lacks(rules *k, const char *fmt, ...) {
    char line[512];
    va_list ap;
    k->count++;
    if (!k->missing) return;
    const int at = snprintf(line, sizeof line, "%s: ", k->info.name);
    va_start(ap, fmt);
    vsnprintf(line + at, sizeof line - (size_t)at, fmt, ap);
    va_end(ap);
    k->missing(k->user, line);
}

/* --- texts --- */

static void check_texts(rules *k) {
    const clg_op_info *i = &k->info;
    if (!*i->formula) lacks(k, "the row has no formula text");
    if (!*i->shapes) lacks(k, "the row has no shapes text");
    if (i->differentiable && !*i->gradient) lacks(k, "the row has a gradient, but no text of it");
    if (!i->differentiable && *i->gradient) lacks(k, "the row has a text of its gradient, but no gradient");
}

/* --- cases --- */

static bool has_size(const clg_case *c, int64_t size) {
    for (int i = 0; i < c->n_in; i++)
        for (int d = 0; d < c->in[i].ndim; d++)
            if (c->in[i].dim[d] == size) return true;
    return false;
}

/* "f32[2,0]" and so on. */
static bool says_empty(const char *text) {
    for (const char *s = text ? strpbrk(text, "[,") : NULL; s; s = strpbrk(s + 1, "[,"))
        if (s[1] == '0' && (s[2] == ',' || s[2] == ']')) return true;
    return false;
}

static bool refuses_empty(const char *op) {
    const clg_bad_case *b;
    for (int i = 0; (b = clg_bad_case_at(i)) != NULL; i++)
        for (int t = 0; strcmp(b->op, op) == 0 && t < 3; t++)
            if (says_empty(b->says[t])) return true;
    return false;
}

/* Whether f32 holds every number that the reference gives for small integers. */
static bool is_whole(const clg_case *c, clg_device *ref) {
    const clg_case_form in_double = {.real = CLG_F64};
    clg_case_run run;
    double *v = NULL;
    clg_status s = clg_case_open(c, ref, &in_double, NULL, &run);
    if (s == CLG_OK) s = clg_case_fill(c, &run, 1, true);
    if (s == CLG_OK) s = clg_case_outcome(c, &run, &v);
    bool whole = s == CLG_OK;
    for (int64_t i = 0; whole && i < run.n; i++) whole = v[i] == (double)(float)v[i] && !isnan(v[i]);
    free(v);
    clg_case_close(&run);
    return whole;
}

static void check_cases(rules *k) {
    const clg_case *c;
    int cases = 0, empty = 0, one = 0, exact = 0, grad = 0, axes = 0;
    for (int i = 0; (c = clg_case_at(k->info.name, i)) != NULL; i++) {
        if (c->flags & CLG_CASE_BENCH) continue;
        cases++;
        for (int j = 0; j < c->n_in && k->info.max_in != 0; j++) axes += c->in[j].ndim; /* a source has no operands */
        empty += has_size(c, 0);
        one += has_size(c, 1);
        exact += c->flags & CLG_CASE_EXACT ? 1 : 0;
        grad += c->flags & CLG_CASE_GRAD ? 1 : 0;
    }
    if (!cases) lacks(k, "no case");
    if (axes && !empty && !refuses_empty(k->info.name))
        lacks(k, "no case with a size of 0, and no mistake whose message shows one refused (\"f32[2,0]\")");
    if (axes && !one) lacks(k, "no case with a size of 1");
    if (cases && k->info.differentiable && !grad) lacks(k, "differentiable, but no case has CLG_CASE_GRAD");
    if (!cases || exact) return;
    bool whole = true, any = false;
    for (int i = 0; whole && (c = clg_case_at(k->info.name, i)) != NULL; i++) {
        if (c->flags & CLG_CASE_BENCH || clg_case_elems(c) < 2) continue;
        any = true;
        whole = is_whole(c, k->ref);
    }
    if (any && whole) lacks(k, "small integers give numbers that f32 holds, but no case has CLG_CASE_EXACT");
}

/* --- mistakes --- */

/* One input of the case as something else; false: there is no such change. */
static bool change(clg_case *c, int input, int how) {
    clg_case_input *in = &c->in[input];
    switch (how) {
    case 0: in->dtype = in->dtype == CLG_F32 ? CLG_U8 : CLG_F32; return true;
    case 1: in->dtype = in->dtype == CLG_I32 ? CLG_F32 : CLG_I32; return true;
    case 2: return in->ndim > 0 && in->dim[in->ndim - 1] != 1 ? in->dim[in->ndim - 1] += 1, true : false;
    case 3: return in->ndim > 0 && in->dim[0] != 1 ? in->dim[0] += 1, true : false;
    case 4: return in->ndim > 0 ? in->ndim--, true : false;
    case 5: return in->ndim < CLG_MAX_DIMS ? in->dim[in->ndim++] = 3, true : false;
    default: return false;
    }
}

/* Whether the op itself refuses the changed case; the message is in clg_error(). */
static bool refuses(const rules *k, const clg_case *c) {
    clg_case_run run;
    const size_t n = strlen(k->info.name);
    const clg_status s = clg_case_build(c, k->ref, NULL, &run);
    clg_case_close(&run);
    return s < 0 && strncmp(clg_error(), k->info.name, n) == 0 && clg_error()[n] == '(';
}

static bool has_mistake(const char *op) {
    const clg_bad_case *b;
    for (int i = 0; (b = clg_bad_case_at(i)) != NULL; i++)
        if (strcmp(b->op, op) == 0) return true;
    return false;
}

static void check_mistakes(rules *k) {
    const clg_case *c = NULL;
    for (int i = 0; (c = clg_case_at(k->info.name, i)) != NULL && c->n_in == 0; i++) {}
    if (!c || k->info.max_in == 0 || has_mistake(k->info.name)) return;
    for (int input = 0; input < c->n_in; input++)
        for (int how = 0; how < 6; how++) {
            clg_case other = *c;
            if (!change(&other, input, how) || !refuses(k, &other)) continue;
            lacks(k, "no mistake in clg_bad_...; one would be: %s", clg_error());
            return;
        }
}

int clg_check_rules(int op, clg_device *ref, void (*missing)(void *user, const char *line), void *user) {
    rules k = {.ref = ref, .missing = missing, .user = user};
    if (clg_op_get_info(op, &k.info) < 0) return 1;
    check_texts(&k);
    check_cases(&k);
    check_mistakes(&k);
    return k.count;
}

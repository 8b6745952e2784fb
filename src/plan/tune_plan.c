/* Tuning of all that a graph computes: the keys of its units, the costliest first, each measured and stored; then, with
 * the implementations that have won, the number of compute queues. */
#include "plan/place.h"
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    clg_plan *plan; /* of the unit: for a device */
    const clg_unit *unit;
    char  *key;  /* in the plan's arena */
    int    uses;
    double cost; /* seconds, roughly, of all uses: what tuning may gain */
} entry;

typedef struct list {
    entry *e;
    int    n, cap;
} list;

/* On a machine of 200 GF/s and 20 GB/s: only the order counts. */
static double cost_of_unit(const clg_unit *u) {
    const clg_cost c = u->seen->op->cost ? u->seen->op->cost(u->seen) : cost_of(u->seen, 0);
    return c.flops / 2e11 + c.bytes / 2e10;
}

static clg_status add(clg_plan *p, list *l, const clg_unit *u) {
    clg_str key = { 0 };
    clg_tune_key(u, true, &key);
    char *text = key.failed ? NULL : clg_arena_strdup(&p->arena, clg_str_text(&key));
    clg_str_free(&key);
    if (!text) return clg_fail_nomem("tuning");
    for (int i = 0; i < l->n; i++)
        if (l->e[i].plan->device == p->device && strcmp(l->e[i].key, text) == 0) {
            l->e[i].uses++;
            l->e[i].cost += cost_of_unit(u);
            return CLG_OK;
        }
    if (!clg_grow(&l->e, &l->cap, l->n + 1, sizeof *l->e)) return clg_fail_nomem("tuning");
    l->e[l->n++] = (entry){ p, u, text, 1, cost_of_unit(u) };
    return CLG_OK;
}

static int by_cost(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->cost != y->cost ? (x->cost < y->cost) - (x->cost > y->cost) : strcmp(x->key, y->key);
}

static bool has_elements(const clg_unit *u) {
    for (int i = 0; i < u->seen->n_out; i++)
        if (out_elems(u->seen, i) == 0) return false;
    return true;
}

static clg_status collect(clg_plan *p, const clg_tune_params *t, list *l) {
    for (int i = 0; i < p->n_units && !p->caps->ref; i++) {
        const clg_unit *u = &p->units[i];
        if (u->elementwise || u->n_nodes == 0 || !clg_str_glob(t->op, u->nodes[0]->op->name)) continue;
        if (has_elements(u) && clg_tune_has_choice(p, u, t->all_impls)) CLG_TRY(add(p, l, u));
    }
    for (int i = 0; p->parts && i < p->parts->n; i++) CLG_TRY(collect(p->parts->part[i].plan, t, l));
    if (l->n > 0) qsort(l->e, (size_t)l->n, sizeof *l->e, by_cost);
    return CLG_OK;
}

/* Tells the caller; false: stop. */
static bool report(const clg_tune_params *t, clg_tune_row *row, const clg_record *r) {
    clg_str before = { 0 }, best = { 0 };
    if (!t->progress) return true;
    if (r && r->before.impl) clg_choice_print(&r->before, &before);
    if (r && r->best.impl) clg_choice_print(&r->best, &best);
    row->before = clg_str_text(&before);
    row->best = clg_str_text(&best);
    row->before_by = r ? clg_chosen_name(r->before.by) : "";
    const bool go_on = t->progress(t->user, row);
    clg_str_free(&before);
    clg_str_free(&best);
    return go_on;
}

/* Asked for each key, since other processes may have stored more meanwhile. */
static bool has_record(const clg_plan *p, const entry *e, clg_choice *found) {
    bool unfinished = false;
    clg_records r = clg_records_load(p->device);
    const bool known = clg_records_find(&r, false, e->key, e->unit->seen, NULL, NULL, found, &unfinished);
    clg_records_free(&r);
    return known && !unfinished;
}

static clg_status tune_entry(const entry *e, const clg_tune_params *t, double deadline, clg_tune_row *row,
                             clg_tune_info *info, bool *go_on) {
    clg_plan *p = e->plan;
    clg_record r = { .key = e->key };
    clg_tune_job job = { .plan = p, .unit = e->unit, .deadline = deadline, .all_impls = t->all_impls };
    if (!t->again && has_record(p, e, &r.best)) {
        info->kept++;
        row->state = CLG_TUNE_KEPT;
        *go_on = report(t, row, &r);
        return CLG_OK;
    }
    if (clg_now() > deadline) {
        info->unfinished++;
        return CLG_OK;
    }
    *go_on = report(t, row, NULL);
    if (!*go_on) return CLG_OK;
    const clg_status status = clg_tune_unit(&job, &r);
    if (status == CLG_ERR_DEVICE) return status;
    if (status < 0) { /* one key that is too large, or builds nowhere, does not end the others */
        clg_log_msg(CLG_LOG_WARN, "tuning passes over %s: %s", e->key, clg_error());
        r.best.impl = NULL;
    }
    info->wrong += row->wrong = job.wrong;
    row->candidates = job.candidates;
    if (r.unfinished || !r.best.impl) info->unfinished++;
    else info->measured++;
    row->state = r.unfinished || !r.best.impl ? CLG_TUNE_UNFINISHED : CLG_TUNE_MEASURED;
    row->before_s = r.before_s;
    row->best_s = r.best_s;
    if (r.best.impl) CLG_TRY(clg_records_store(p->device, &r));
    *go_on = report(t, row, &r);
    return CLG_OK;
}

/* --- compute queues --- */

static bool report_queues(const clg_tune_params *t, clg_tune_row *row, const clg_queues_record *r) {
    char before[24] = "", best[24] = "";
    if (!t->progress) return true;
    if (r->queues > 0) {
        snprintf(before, sizeof before, "1 queue");
        snprintf(best, sizeof best, r->queues == 1 ? "%d queue" : "%d queues", r->queues);
    }
    row->before = before;
    row->best = best;
    row->before_by = r->queues > 0 ? clg_chosen_name(CLG_CHOSEN_HEURISTIC) : "";
    row->before_s = r->before_s;
    row->best_s = r->best_s;
    row->candidates = r->candidates;
    row->wrong = r->wrong;
    return t->progress(t->user, row);
}

static clg_status measure_queues(clg_plan *p, const clg_tune_params *t, double deadline, clg_tune_row *row,
                                 clg_tune_info *info) {
    clg_queues_record r = { 0 };
    clg_records known = clg_records_load(p->device);
    r.queues = t->again ? 0 : clg_queues_find(&known, row->key);
    clg_records_free(&known);
    row->state = r.queues > 0 ? CLG_TUNE_KEPT : CLG_TUNE_BEGUN;
    info->kept += r.queues > 0;
    if (row->state != CLG_TUNE_KEPT && clg_now() > deadline) {
        info->unfinished++;
        return CLG_OK;
    }
    if (!report_queues(t, row, &r) || row->state == CLG_TUNE_KEPT) return CLG_OK;
    const clg_status status = clg_queues_measure(p, deadline, &r);
    if (status == CLG_ERR_DEVICE) return status;
    if (status < 0) clg_log_msg(CLG_LOG_WARN, "tuning passes over %s: %s", row->key, clg_error());
    row->state = r.queues == 0 || r.unfinished ? CLG_TUNE_UNFINISHED : CLG_TUNE_MEASURED;
    info->wrong += r.wrong;
    if (row->state == CLG_TUNE_MEASURED) info->measured++;
    else info->unfinished++;
    report_queues(t, row, &r);
    return row->state == CLG_TUNE_MEASURED ? clg_queues_store(p, row->key, &r) : CLG_OK;
}

static clg_status tune_queues(clg_plan *p, const clg_tune_params *t, double deadline, clg_tune_row *row,
                              clg_tune_info *info) {
    clg_str key = { 0 };
    clg_queues_key(p, &key);
    row->key = clg_str_text(&key);
    const clg_status status = key.failed ? clg_fail_nomem("tuning") : measure_queues(p, t, deadline, row, info);
    clg_str_free(&key);
    return status;
}

clg_status clg_tune_plan(clg_plan *p, const clg_tune_params *params, clg_tune_info *info) {
    clg_tune_info none;
    clg_tune_params t = params ? *params : (clg_tune_params){ 0 };
    list l = { 0 };
    if (!info) info = &none;
    *info = (clg_tune_info){ 0 };
    const double start = clg_now(), deadline = start + (t.seconds > 0 ? t.seconds : 60);
    clg_status status = collect(p, &t, &l);
    bool go_on = true;
    const bool queues = clg_str_glob(t.op, "queues") && clg_queues_unset(p) && clg_plan_branches(p);
    info->keys = l.n + queues;
    for (int i = 0; i < l.n && status >= 0 && go_on; i++) {
        clg_tune_row row = { .key = l.e[i].key, .uses = l.e[i].uses, .number = i, .total = info->keys };
        status = tune_entry(&l.e[i], &t, deadline, &row, info, &go_on);
    }
    if (queues && status >= 0 && go_on) {
        clg_tune_row row = { .uses = 1, .number = l.n, .total = info->keys };
        status = tune_queues(p, &t, deadline, &row, info);
    }
    info->seconds = clg_now() - start;
    clg_free(l.e);
    return status;
}

clg_status clg_tune(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_tune_params *tune,
                    clg_tune_info *info) {
    clg_plan_params p = params ? *params : (clg_plan_params){ 0 };
    if (!g) return clg_fail(CLG_ERR_INVALID, "clg_tune: the graph is NULL");
    p.tune_ms = -1;
    clg_findings *findings = clg_calloc(1, sizeof *findings);
    if (!findings) return clg_fail_nomem("tuning");
    clg_plan *plan = clg_plan_analyse(g, targets, &p, NULL, findings);
    const clg_status status = plan ? clg_tune_plan(plan, tune, info) : clg_error_status();
    clg_plan_destroy(&plan);
    clg_findings_destroy(&findings);
    return status;
}

clg_status clg_tune_path(const clg_device *dev, char *path, size_t size) {
    clg_str text = { 0 };
    if (!dev || !path || size == 0)
        return clg_fail(CLG_ERR_INVALID, "clg_tune_path: the %s is NULL or empty", !dev ? "device" : "path");
    const clg_status status = clg_records_path(dev, &text);
    if (status >= 0) {
        const size_t n = text.size < size ? text.size : size - 1;
        memcpy(path, clg_str_text(&text), n);
        path[n] = 0;
    }
    clg_str_free(&text);
    return status;
}

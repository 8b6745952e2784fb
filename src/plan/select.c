/* The choice of an implementation for each op: forced names first, then what was measured on this device, then the
 * defaults that the library ships for the class of the device, then the first row of the table that prefers the class,
 * then whatever runs. */
#include "plan/place.h"
#include "plan/tune.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static const char *const elementwise_names[] = { "elementwise.cpu", "elementwise.gpu" };

/* Calls the next name of a comma list into *name, *size; false at its end. */
static bool next_name(const char **list, const char **name, size_t *size) {
    *list += strspn(*list, ", ");
    *name = *list;
    *size = strcspn(*list, ", ");
    *list += *size;
    return *size > 0;
}

bool clg_impl_forced(const clg_plan *p, const char *name) {
    const char *list = p->params.impl ? p->params.impl : "", *item;
    size_t size;
    while (next_name(&list, &item, &size))
        if (strlen(name) == size && memcmp(name, item, size) == 0) return true;
    return false;
}

bool clg_elementwise_for_gpu(const clg_plan *p) {
    if (clg_impl_forced(p, elementwise_names[0])) return false;
    if (clg_impl_forced(p, elementwise_names[1])) return true;
    const bool gpu = p->caps->cls == CLG_CLASS_GPU;
    return clg_impl_barred(p, NULL, elementwise_names[gpu], NULL) ? !gpu : gpu;
}

const char *clg_elementwise_name(bool gpu) { return elementwise_names[gpu]; }

bool clg_impl_known(const char *name, size_t size) {
    for (int i = 0; i < 2; i++)
        if (strlen(elementwise_names[i]) == size && memcmp(elementwise_names[i], name, size) == 0) return true;
    for (int i = 0; clg_op_at(i); i++)
        for (const clg_impl *m = clg_op_at(i)->impls; m && m->name; m++)
            if (strlen(m->name) == size && memcmp(m->name, name, size) == 0) return true;
    return false;
}

static clg_status check_names(const clg_plan *p) {
    const char *list = p->params.impl ? p->params.impl : "", *name;
    size_t size;
    while (next_name(&list, &name, &size))
        if (!clg_impl_known(name, size))
            return clg_fail(CLG_ERR_INVALID, "clg_compile: there is no implementation \"%.*s\"; clg_op_impl() lists "
                            "them all", (int)size, name);
    return CLG_OK;
}

bool clg_impl_usable(const clg_plan *p, const clg_node *n, const clg_impl *m) {
    if (p->params.exact && m->inexact) return false;
    return !m->accept || m->accept(n, p->device);
}

static bool may(const void *plan, const clg_node *n, const clg_impl *m) {
    return clg_impl_usable(plan, n, m) && !clg_impl_barred(plan, n, m->name, NULL);
}

/* The first that is forced; of those that are not barred, the first usable one that prefers the class; the first usable
 * one. */
static clg_choice by_table(const clg_plan *p, const clg_node *n) {
    const clg_impl *preferred = NULL, *any = NULL;
    for (const clg_impl *m = n->op->impls; m && m->name; m++) {
        if (!clg_impl_usable(p, n, m)) continue;
        if (clg_impl_forced(p, m->name)) return clg_choice_default(m, CLG_CHOSEN_FORCED);
        if (clg_impl_barred(p, n, m->name, NULL)) continue;
        if (!preferred && (m->prefer & p->caps->cls) && (!m->prefers || m->prefers(n, p->device))) preferred = m;
        if (!any) any = m;
    }
    return clg_choice_default(preferred ? preferred : any, CLG_CHOSEN_HEURISTIC);
}

/* By the key of the unit with its chain, else by that of its op alone. */
static bool find(const clg_plan *p, const clg_unit *u, const clg_records *r, enum clg_chosen by, clg_choice *c) {
    bool found = false;
    for (int chain = 1; chain >= 0 && !found && r->size > 0; chain--) {
        clg_str key = { 0 };
        clg_tune_key(u, chain, &key); /* cut short without memory, it finds nothing */
        found = clg_records_find(r, by == CLG_CHOSEN_SHIPPED, clg_str_text(&key), u->seen, may, p, c, NULL);
        clg_str_free(&key);
    }
    if (found) c->by = by;
    return found;
}

clg_choice clg_choice_untuned(const clg_plan *p, const clg_unit *u) {
    const clg_records shipped = clg_records_shipped(p->device);
    clg_choice c = by_table(p, u->seen);
    if (c.by != CLG_CHOSEN_FORCED) find(p, u, &shipped, CLG_CHOSEN_SHIPPED, &c);
    return c;
}

static clg_choice choose(const clg_plan *p, const clg_unit *u, const clg_records *tuned) {
    const clg_choice *candidate = clg_plan_candidate(p);
    for (const clg_impl *m = u->seen->op->impls; candidate && m && m->name; m++)
        if (m == candidate->impl) return *candidate;
    clg_choice c = clg_choice_untuned(p, u);
    if (c.by != CLG_CHOSEN_FORCED) find(p, u, tuned, CLG_CHOSEN_TUNED, &c);
    return c;
}

double clg_tune_budget(const clg_plan_params *params) {
    const char *mode = getenv("CLGRAD_TUNE");
    if (params->tune_ms != 0) return 1e-3 * params->tune_ms;
    if (!mode || !*mode) return 0;
    if (strcmp(mode, "off") == 0) return -1;
    if (strcmp(mode, "auto") == 0) return 10;
    const double seconds = strncmp(mode, "auto:", 5) == 0 ? strtod(mode + 5, NULL) : 0;
    if (!(seconds > 0 && seconds < 1e6)) {
        clg_log_msg(CLG_LOG_WARN, "CLGRAD_TUNE=%s is not known: off, auto, or auto:SECONDS for each plan", mode);
        return 0;
    }
    return seconds;
}

clg_status clg_plan_see(clg_plan *p) {
    for (int i = 0; i < p->n_units && !p->caps->ref; i++) {
        clg_unit *u = &p->units[i];
        if (u->elementwise || u->n_nodes == 0) continue;
        u->seen = clg_plan_widen(p, u->nodes[0]);
        if (!u->seen) return CLG_ERR_NOMEM;
    }
    return CLG_OK;
}

/* One of the two kinds of elementwise kernels must be usable where there are such nodes, unless a kind is forced. */
static clg_status check_elementwise(clg_plan *p) {
    bool wanted = false;
    for (int gpu = 0; gpu < 2; gpu++)
        if (clg_impl_forced(p, elementwise_names[gpu]) || !clg_impl_barred(p, NULL, elementwise_names[gpu], NULL))
            return CLG_OK;
    for (int i = 0; i < p->n_units; i++)
        for (int k = 0; k < p->units[i].n_nodes; k++) {
            if (!(p->units[i].nodes[k]->op->flags & CLG_OP_ELEMENTWISE)) continue;
            CLG_TRY(clg_plan_refuse(p, p->units[i].nodes[k], "no usable kind of elementwise kernels"));
            wanted = true;
        }
    return wanted ? clg_fail_no_impl(p, NULL) : CLG_OK;
}

/* Of a plan whose number of queues nobody has given. */
static int tuned_queues(const clg_plan *p, const clg_records *tuned) {
    clg_str key = { 0 };
    if (p->force || tuned->size == 0 || !clg_queues_unset(p)) return 0;
    clg_queues_key(p, &key);
    const int n = key.failed ? 0 : clg_queues_find(tuned, clg_str_text(&key));
    clg_str_free(&key);
    return n;
}

clg_status clg_plan_select(clg_plan *p) {
    CLG_TRY(check_names(p));
    if (p->caps->ref) return CLG_OK;
    clg_status status = check_elementwise(p);
    clg_records tuned = { 0 };
    if (clg_tune_budget(&p->params) >= 0 && !clg_plan_candidate(p)) tuned = clg_records_load(p->device);
    p->tuned_queues = tuned_queues(p, &tuned);
    for (int i = 0; i < p->n_units; i++) { /* all, so that all that cannot be done here is known at once */
        clg_unit *u = &p->units[i];
        if (u->elementwise || u->n_nodes == 0) continue;
        u->choice = choose(p, u, &tuned);
        u->impl = u->choice.impl;
        if (u->impl) continue;
        CLG_TRY_END(clg_plan_refuse(p, u->nodes[0], "no usable implementation for these shapes and types"));
        status = clg_fail_no_impl(p, u->nodes[0]);
    }
end:
    clg_records_free(&tuned);
    return status;
}

/* How many compute queues a plan spreads its branches over (queues.c): whether a device runs kernels of several queues
 * side by side, and whether that makes up for the events between them, depends on the device, its driver, and the plan.
 * So the plan is run with one queue and with two, by turns, then with three and four while each one more makes it
 * faster. A number of queues can win only if its first run leaves the same bits as that of one queue. The caller's
 * params and states take part in the runs, and are put back. */
#include "plan/kept.h"
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "queues ";

bool clg_queues_unset(const clg_plan *p) {
    const char *text = getenv("CLGRAD_QUEUES");
    return p->params.queues == 0 && !(text && *text);
}

/* --- records --- */

/* Roots by their first appearance, since ids tell of nodes that take no part. */
typedef struct names {
    int *of; /* by root; 0: none yet */
    int  n;
} names;

static int name_of(names *s, int root) {
    if (s->of[root] == 0) s->of[root] = ++s->n;
    return s->of[root];
}

static void add_unit(const clg_plan *p, const clg_unit *u, names *s, clg_str *out) {
    if (u->seen) clg_tune_key(u, true, out);
    for (int i = 0; i < u->n_nodes; i++) {
        const clg_node *n = u->nodes[i];
        char shape[128];
        clg_str_printf(out, " %s", n->op->name);
        for (int k = 0; k < n->n_in; k++) clg_str_printf(out, " %d", name_of(s, clg_root_of(p, n->in[k])));
        for (int k = 0; k < n->n_out; k++)
            clg_str_printf(out, " -> %d %s", name_of(s, n->out[k]->id),
                           clg_shape_text(n->out[k]->dtype, n->out[k]->shape, shape, sizeof shape));
    }
    clg_str_add(out, "\n");
}

/* What the order of the steps and their times follow from, as a hash: the ops, what each reads of the others, and what
 * is to stay at the end. */
void clg_queues_key(const clg_plan *p, clg_str *out) {
    const clg_plan_params *a = &p->params;
    clg_str text = { 0 };
    clg_sha256 h;
    char hash[65];
    names s = { clg_calloc((size_t)p->n_values + 1, sizeof *s.of), 0 };
    if (!s.of) {
        out->failed = true;
        return;
    }
    clg_str_printf(&text, "%d %d %d %d %d %d %s\n", a->inference, a->exact, a->no_fuse, a->no_reuse, a->no_inplace,
                   a->no_prepare, a->impl ? a->impl : "");
    for (int i = 0; i < p->n_units; i++) add_unit(p, &p->units[i], &s, &text);
    for (int i = 0; i < p->n_targets; i++)
        clg_str_printf(&text, " t%d", name_of(&s, clg_root_of(p, p->targets[i].made)));
    for (int i = 0; i < p->n_effects; i++)
        clg_str_printf(&text, " e%d=%d", name_of(&s, p->effects[i].dst), name_of(&s, p->effects[i].src));
    clg_sha256_init(&h);
    clg_sha256_add_str(&h, clg_str_text(&text));
    clg_sha256_end(&h, hash);
    if (text.failed) out->failed = true;
    clg_str_free(&text);
    clg_free(s.of);
    clg_str_printf(out, "%s%d units %.16s", prefix, p->n_units, hash);
}

int clg_queues_find(const clg_records *r, const char *key) {
    int found = 0;
    size_t at = 0;
    clg_records_line l;
    while (clg_records_next(r, &at, key, &l)) {
        const int n = l.value[0] - '0';
        const bool whole = l.value_size == 1 || l.value[1] == ' ';
        if (l.key_size == strlen(key) && n >= 1 && n <= CLG_QUEUES && whole) found = n;
    }
    return found;
}

clg_status clg_queues_store(const clg_plan *p, const char *key, const clg_queues_record *r) {
    clg_str line = { 0 };
    clg_str_printf(&line, "%s = %d # %.4g ms; with 1: %.4g ms", key, r->queues, 1e3 * r->best_s, 1e3 * r->before_s);
    const clg_status status = line.failed ? clg_fail_nomem("tuning records")
                                          : clg_records_put(p->device, key, clg_str_text(&line));
    clg_str_free(&line);
    return status;
}

/* --- candidates --- */

/* With the records of the ops as they are now. */
static clg_plan *compile(const clg_plan *p, int queues) {
    static const clg_choice none = { 0 };
    clg_plan_params params = p->params;
    clg_tensor **targets = clg_calloc((size_t)p->n_targets + 1, sizeof *targets);
    if (!targets) {
        clg_fail_nomem("plan");
        return NULL;
    }
    for (int i = 0; i < p->n_targets; i++) targets[i] = p->graph->tensors[p->targets[i].t->id];
    params.queues = queues;
    params.tune_ms = 0;
    clg_plan *q = clg_compile_choice(p->graph, (clg_list){ p->n_targets, targets }, &params, &none);
    clg_free(targets);
    return q;
}

static int most_used(const clg_plan *p) {
    int most = 0;
    for (int i = p->n_prepared; i < p->n_steps; i++)
        if (p->steps[i].queue > most) most = p->steps[i].queue;
    return most + 1;
}

static clg_status write_inputs(clg_plan *p) {
    clg_status status = CLG_OK;
    for (int i = 0; i < p->n_nodes && status >= 0; i++) {
        clg_node *n = p->graph->nodes[i];
        if (!p->needed[i] || n->op != &clg_op_input) continue;
        void *data = clg_tune_operand(n->out[0], 2, (uint64_t)i, false);
        status = data ? clg_write(p, p->graph->tensors[n->out[0]->id], data, clg_tensor_bytes(n->out[0]))
                      : clg_fail_nomem("operands");
        clg_free(data);
    }
    return status;
}

static clg_status digest_slot(const clg_slot *s, clg_sha256 *h) {
    const size_t elems = (size_t)clg_shape_elems(s->shape), bytes = elems * clg_dtype_size(s->dtype);
    void *data = clg_alloc(bytes + 1);
    const clg_status status = !data ? clg_fail_nomem(s->name)
                            : elems > 0 ? clg_buffer_read(s->buffer, 0, s->dtype, data, elems) : CLG_OK;
    if (status >= 0) clg_sha256_add(h, data, bytes);
    clg_free(data);
    return status;
}

static clg_status digest_target(clg_plan *p, const clg_tensor *t, clg_sha256 *h) {
    const size_t bytes = clg_tensor_bytes(t);
    void *data = clg_alloc(bytes + 1);
    const clg_status status = data ? clg_read(p, p->graph->tensors[t->id], data, bytes)
                                   : clg_fail_nomem(clg_tensor_name(t));
    if (status >= 0) clg_sha256_add(h, data, bytes);
    clg_free(data);
    return status;
}

/* What one run from the kept state leaves behind, as a hash. */
static clg_status run_once(clg_plan *p, const clg_kept *state, char digest[65]) {
    clg_sha256 h;
    clg_sha256_init(&h);
    CLG_TRY(clg_kept_put_back(state));
    CLG_TRY(write_inputs(p));
    CLG_TRY(clg_run(p));
    for (int i = 0; i < p->n_targets; i++)
        if (!(p->targets[i].t->node->op->flags & CLG_OP_EFFECT)) CLG_TRY(digest_target(p, p->targets[i].made, &h));
    for (int i = 0; i < p->n_effects; i++) CLG_TRY(digest_slot(p->effects[i].node->slot, &h));
    clg_sha256_end(&h, digest);
    return CLG_OK;
}

/* --- measuring --- */

bool clg_plan_branches(const clg_plan *p) {
    if (p->parts || p->whole || p->caps->ref) return false;
    for (int u = 0; u < p->n_units; u++)
        for (int v = 0; v < u; v++)
            if (p->units[u].n_nodes > 0 && p->units[v].n_nodes > 0 && !clg_reaches(p, u, v) && !clg_reaches(p, v, u))
                return true;
    return false;
}

/* One number of queues more against the best so far, which is r[0]. *go_on: it is faster, and takes its place. */
static clg_status challenge(const clg_plan *p, const clg_kept *state, const char *want, double deadline, clg_runner *r,
                            clg_queues_record *out, bool *go_on) {
    char have[65];
    const int queues = out->queues + 1;
    *go_on = false;
    r[1] = (clg_runner){ .plan = compile(p, queues) };
    if (!r[1].plan) return clg_error_status();
    if (most_used(r[1].plan) < queues) return CLG_OK;
    out->candidates++;
    CLG_TRY(run_once(r[1].plan, state, have));
    if (strcmp(have, want) != 0) {
        clg_log_msg(CLG_LOG_WARN, "%d compute queues are not used, since they give other bits than one", queues);
        out->wrong++;
        return CLG_OK;
    }
    CLG_TRY(clg_runner_warm(&r[1]));
    *go_on = clg_race(r, 2, deadline) == 1 && r[1].plan;
    if (out->queues == 1 && r[0].best < CLG_RUNNER_FAILED) out->before_s = r[0].best;
    if (r[*go_on].best < CLG_RUNNER_FAILED) out->best_s = r[*go_on].best;
    if (!*go_on) return CLG_OK;
    out->queues = queues;
    clg_plan_destroy(&r[0].plan);
    r[0] = r[1];
    r[1].plan = NULL;
    return CLG_OK;
}

/* A number of queues that cannot be had, or fails, does not win. */
static clg_status try_more(const clg_plan *p, const clg_kept *state, const char *want, double deadline, clg_runner *r,
                           clg_queues_record *out, bool *go_on) {
    clg_error_state before;
    clg_error_save(&before);
    const clg_status status = challenge(p, state, want, deadline, r, out, go_on);
    clg_plan_destroy(&r[1].plan);
    if (status >= 0 || status == CLG_ERR_DEVICE) return status;
    clg_log_msg(CLG_LOG_INFO, "%d compute queues: %s", out->queues + 1, clg_error());
    clg_error_restore(&before);
    *go_on = false;
    return CLG_OK;
}

/* r[0] begins as one queue. */
static clg_status search(const clg_plan *p, const clg_kept *state, double deadline, clg_runner *r,
                         clg_queues_record *out) {
    char want[65];
    bool go_on = true;
    r[0].plan = compile(p, 1);
    if (!r[0].plan) return clg_error_status();
    CLG_TRY(run_once(r[0].plan, state, want));
    CLG_TRY(clg_runner_warm(&r[0]));
    out->queues = out->candidates = 1;
    out->best_s = out->before_s = r[0].best;
    while (go_on && out->queues < CLG_QUEUES) {
        if (clg_now() > deadline) out->unfinished = true;
        if (out->unfinished) break;
        CLG_TRY(try_more(p, state, want, deadline, r, out, &go_on));
        if (!r[0].plan) break; /* it failed while it raced, or was far behind */
    }
    return CLG_OK;
}

/* Of the plan's effects, as they are now. */
static clg_status keep_state(const clg_plan *p, clg_kept *state) {
    for (int i = 0; i < p->n_effects; i++) CLG_TRY(clg_kept_take(state, p->effects[i].node->slot));
    return CLG_OK;
}

/* What cannot be put back is lost, as with a lost device. */
static clg_status put_back(const clg_plan *p, const clg_kept *state) {
    if (clg_kept_put_back(state) >= 0 && clg_device_finish(p->device) >= 0) return CLG_OK;
    char why[300];
    snprintf(why, sizeof why, "%s", clg_error());
    return clg_fail(CLG_ERR_DEVICE, "tuning: params and states could not be put back behind the runs that measure: %s",
                    why);
}

clg_status clg_queues_measure(const clg_plan *p, double deadline, clg_queues_record *r) {
    clg_kept state = { 0 };
    clg_runner runner[2] = { { 0 }, { 0 } };
    *r = (clg_queues_record){ 0 };
    if (!clg_plan_branches(p)) return CLG_OK;
    clg_status status = keep_state(p, &state);
    if (status >= 0) {
        clg_error_state cause;
        status = search(p, &state, deadline, runner, r);
        if (status < 0) clg_error_save(&cause);
        for (int i = 0; i < 2; i++) clg_plan_destroy(&runner[i].plan);
        const clg_status back = put_back(p, &state);
        if (back < 0) status = back;
        else if (status < 0) clg_error_restore(&cause);
    }
    if (status < 0) r->queues = 0;
    clg_kept_drop(&state);
    return status;
}

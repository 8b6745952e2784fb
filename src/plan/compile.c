/* clg_compile(): checks the targets, makes the table of values, and runs the passes (see plan.h). */
#include "plan/place.h"
#include "plan/tune.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <string.h>

/* --- values --- */

size_t clg_value_bytes(const clg_plan *p, const clg_value *v) {
    return (size_t)clg_value_elems(v) * clg_device_elem_size(p->device, v->t->dtype);
}

bool clg_node_is_view(const clg_plan *p, const clg_node *n) {
    return (n->op->flags & CLG_OP_VIEW) || (p->params.inference && (n->op->flags & CLG_OP_TRAIN_ONLY));
}

int clg_node_reads(const clg_plan *p, const clg_node *n, int *from) {
    *from = n->op == &clg_op_assign ? n->n_in - 1 : 0; /* the destination is not read */
    if (n->op->flags & CLG_OP_PHASE) *from = p->params.inference ? 0 : 1;
    return clg_node_is_view(p, n) ? *from + 1 : n->n_in;
}

/* Which input a view shows. */
static int viewed(const clg_plan *p, const clg_node *n) {
    int input;
    clg_node_reads(p, n, &input);
    return input;
}

static void value_init(clg_value *v, const clg_tensor *t, int index) {
    *v = (clg_value){ .t = t, .root = index, .mem = index, .unit = -1, .last_unit = -1, .first = -1, .last = -1 };
}

int clg_value_add(clg_plan *p, clg_dtype type, clg_shape shape, const char *name) {
    clg_tensor *t = clg_arena_alloc(&p->arena, sizeof *t);
    if (!t) return CLG_ERR_NOMEM;
    if (!clg_grow(&p->values, &p->cap_values, p->n_values + 1, sizeof *p->values))
        return clg_fail_nomem("plan");
    *t = (clg_tensor){ .graph = p->graph, .id = p->n_values, .dtype = type, .shape = shape,
                       .name = clg_arena_strdup(&p->arena, name) };
    if (!t->name) return CLG_ERR_NOMEM;
    value_init(&p->values[p->n_values], t, p->n_values);
    return p->n_values++;
}

/* The value of the first variable node of a slot: the one identity of the slot in this plan; -1: none. */
static int slot_value(const clg_plan *p, const clg_slot *slot) {
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        if (n->op == &clg_op_variable && n->slot == slot) return n->out[0]->id;
    }
    return -1;
}

/* Numbers are doubles, which hold integers up to 2^53. */
static bool is_number(clg_dtype t, double v) { return t != CLG_I64 || fabs(v) < 0x1p53; }

static void constant_value(clg_value *v, const clg_node *n) {
    v->constant = true;
    if (n->op == &clg_op_fill) {
        const double want = ((const clg_fill_attr *)n->attr)->value;
        double bits = 0;
        clg_from_double(v->t->dtype, &want, &bits, 1); /* as the type holds it; no type is larger than a double */
        clg_to_double(v->t->dtype, &bits, &v->number, 1);
        v->uniform = true;
        return;
    }
    v->host = n->data;
    if (clg_value_elems(v) == 1) clg_to_double(v->t->dtype, v->host, &v->number, 1);
    v->uniform = clg_value_elems(v) == 1 && is_number(v->t->dtype, v->number);
}

static void source_value(clg_plan *p, const clg_node *n) {
    clg_value *v = &p->values[n->out[0]->id];
    if (n->op == &clg_op_variable) {
        v->place = CLG_PLACE_SLOT;
        v->slot = n->slot;
        v->buffer = n->slot->buffer;
        v->root = slot_value(p, n->slot);
    } else if (n->op == &clg_op_input) v->place = p->needed[n->id] ? CLG_PLACE_FIXED : CLG_PLACE_NONE;
    else constant_value(v, n);
}

/* One value for each tensor of the graph: sources get their places, views their roots. */
static clg_status make_values(clg_plan *p) {
    const clg_graph *g = p->graph;
    p->n_tensors = g->n_tensors;
    if (!clg_grow(&p->values, &p->cap_values, g->n_tensors, sizeof *p->values)) return clg_fail_nomem("plan");
    for (int i = 0; i < g->n_tensors; i++) value_init(&p->values[i], g->tensors[i], i);
    p->n_values = g->n_tensors;
    for (int i = 0; i < p->n_nodes; i++) { /* inputs come before their users */
        const clg_node *n = g->nodes[i];
        if (n->op->flags & CLG_OP_SOURCE) source_value(p, n);
        else if (clg_node_is_view(p, n)) p->values[n->out[0]->id].root = clg_root_of(p, n->in[viewed(p, n)]);
    }
    return CLG_OK;
}

/* --- what is needed --- */

static bool computed_already(const clg_plan *p, const clg_node *n) {
    return p->values && n->n_out > 0 && clg_root_value(p, n->out[0])->constant;
}

void clg_plan_mark(clg_plan *p) {
    memset(p->needed, 0, (size_t)p->n_nodes * sizeof *p->needed);
    for (int i = 0; i < p->n_targets; i++) p->needed[p->targets[i].made->node->id] = true;
    for (int i = p->n_nodes - 1; i >= 0; i--) {
        const clg_node *n = p->graph->nodes[i];
        int from;
        if (!p->needed[i] || computed_already(p, n)) continue;
        const int reads = clg_node_reads(p, n, &from);
        for (int k = from; k < reads; k++)
            if (!clg_part_is_foreign(p, n->in[k]->node)) p->needed[n->in[k]->node->id] = true;
    }
}

/* --- targets --- */

clg_status clg_plan_add_target(clg_plan *p, const clg_tensor *t, int i) {
    if (!t) {
        CLG_TRY(clg_graph_report_error(p->graph));
        return clg_fail(CLG_ERR_INVALID, "clg_compile: target %d is NULL; %s", i,
                        clg_error_status() ? clg_error() : "its builder was given NULL");
    }
    if (t->graph != p->graph)
        return clg_fail(CLG_ERR_INVALID, "clg_compile: target %d (%s) belongs to another graph", i, clg_tensor_name(t));
    if (!clg_grow(&p->targets, &p->cap_targets, p->n_targets + 1, sizeof *p->targets)) return clg_fail_nomem("plan");
    p->targets[p->n_targets++] = (clg_target){ .t = t, .made = t, .value = t->id };
    return CLG_OK;
}

/* Dropout draws another mask in every training run: "rng.step" counts them. */
static clg_status advance_random(clg_plan *p) {
    bool random = false;
    const clg_tensor *step = NULL;
    for (int i = 0; i < p->n_nodes; i++)
        if (p->needed[i] && (p->graph->nodes[i]->op->flags & CLG_OP_TRAIN_ONLY)) random = true;
    if (!random || p->params.inference) return CLG_OK;
    clg_device *const pin = p->graph->pin;
    clg_tensor *const now = clg_state(p->graph, "rng.step", CLG_I32, CLG_SCALAR, 0);
    for (int i = 0; now && i < p->n_nodes; i++) /* a target of the caller may do it already */
        if (p->needed[i] && p->graph->nodes[i]->op == &clg_op_assign && p->graph->nodes[i]->slot == now->node->slot)
            return CLG_OK;
    if (now) p->graph->pin = now->node->device;
    step = clg_assign(now, clg_add(now, clg_fill(p->graph, CLG_I32, CLG_SCALAR, 1)));
    p->graph->pin = pin;
    return clg_plan_add_target(p, step, p->n_targets);
}

/* The marks are sized for the graph as it is now. */
static clg_status mark_all(clg_plan *p) {
    p->n_nodes = p->graph->n_nodes;
    p->needed = clg_arena_array(&p->arena, (size_t)p->n_nodes + 1, sizeof *p->needed);
    if (!p->needed) return CLG_ERR_NOMEM;
    clg_plan_mark(p);
    return CLG_OK;
}

/* What clg_when_training() hung on something that is needed; an effect may need more of that kind. */
static clg_status add_training_effects(clg_plan *p) {
    bool more = !p->params.inference;
    while (more) {
        more = false;
        for (int i = 0; i < p->graph->n_training; i++) {
            const clg_tensor *effect = p->graph->training[i].effect;
            if (!p->needed[p->graph->training[i].trigger->node->id] || p->needed[effect->node->id]) continue;
            CLG_TRY(clg_plan_add_target(p, effect, p->n_targets));
            more = true;
        }
        if (more) clg_plan_mark(p);
    }
    return CLG_OK;
}

static clg_status collect_targets(clg_plan *p, clg_list targets) {
    CLG_TRY(clg_graph_report_error(p->graph));
    if (targets.n <= 0 || !targets.t)
        return clg_fail(CLG_ERR_INVALID, "clg_compile: no targets; list the values to read and the effects to perform");
    for (int i = 0; i < targets.n; i++) CLG_TRY(clg_plan_add_target(p, targets.t[i], i));
    CLG_TRY(mark_all(p));
    CLG_TRY(add_training_effects(p));
    CLG_TRY(advance_random(p));
    return mark_all(p);
}

/* --- effects --- */

static clg_status add_effect(clg_plan *p, const clg_node *n) {
    const int dst = slot_value(p, n->slot);
    if (dst < 0) return clg_fail(CLG_ERR_INVALID, "clg_compile: assign to a variable that the graph does not know");
    for (int i = 0; i < p->n_effects; i++)
        if (p->effects[i].dst == dst)
            return clg_fail(CLG_ERR_INVALID, "clg_compile: %s is assigned twice in one plan; combine the new values "
                            "into one clg_assign(), or compile two plans", n->slot->name);
    if (!clg_grow(&p->effects, &p->cap_effects, p->n_effects + 1, sizeof *p->effects)) return clg_fail_nomem("plan");
    p->effects[p->n_effects++] = (clg_effect){ n, dst, clg_root_of(p, n->in[n->n_in - 1]), false, -1 };
    return CLG_OK;
}

static int find_effect(const clg_plan *p, int dst) {
    for (int i = 0; i < p->n_effects; i++)
        if (p->effects[i].dst == dst) return i;
    return -1;
}

/* A copy of a variable, taken at the start of each run; its index, or a negative clg_status. */
static int snapshot(clg_plan *p, int variable, enum clg_place place) {
    for (int i = 0; i < p->n_snapshots; i++)
        if (p->snapshots[i][0] == variable && p->values[p->snapshots[i][1]].place == place) return p->snapshots[i][1];
    const clg_tensor *t = p->values[variable].t;
    const int copy = clg_value_add(p, t->dtype, t->shape, clg_tensor_name(t));
    if (copy < 0) return copy;
    if (!clg_grow(&p->snapshots, &p->cap_snapshots, p->n_snapshots + 1, sizeof *p->snapshots))
        return clg_fail_nomem("plan");
    p->values[copy].place = place;
    p->snapshots[p->n_snapshots][0] = variable;
    p->snapshots[p->n_snapshots++][1] = copy;
    return copy;
}

/* Finds the assigns among what is needed. Where one stores another variable's old value, which this run may overwrite
 * before the end, that value is saved first: so a and b can be swapped. */
static clg_status collect_effects(clg_plan *p) {
    for (int i = 0; i < p->n_nodes; i++)
        if (p->needed[i] && p->graph->nodes[i]->op == &clg_op_assign) CLG_TRY(add_effect(p, p->graph->nodes[i]));
    for (int i = 0; i < p->n_effects; i++) {
        clg_effect *e = &p->effects[i];
        if (e->src == e->dst || p->values[e->src].place != CLG_PLACE_SLOT || find_effect(p, e->src) < 0) continue;
        e->snapshot = snapshot(p, e->src, CLG_PLACE_ARENA);
        if (e->snapshot < 0) return (clg_status)e->snapshot;
    }
    return CLG_OK;
}

/* Targets stay readable until the next run: in memory of their own, and of variables the value before the run. */
static clg_status place_targets(clg_plan *p) {
    for (int i = 0; i < p->n_targets; i++) {
        clg_target *target = &p->targets[i];
        if (target->t->node->op->flags & CLG_OP_EFFECT) continue;
        target->value = clg_root_of(p, target->made);
        if (p->values[target->value].place == CLG_PLACE_SLOT) {
            target->value = snapshot(p, target->value, CLG_PLACE_FIXED);
            if (target->value < 0) return (clg_status)target->value;
        }
        p->values[target->value].place = CLG_PLACE_FIXED;
        p->values[target->value].keep = true;
    }
    return CLG_OK;
}

/* Every computed value lives somewhere; constants only once a step or target wants them in memory. */
static void place_values(clg_plan *p) {
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        const unsigned none = CLG_OP_SOURCE | CLG_OP_EFFECT;
        if (!p->needed[i] || (n->op->flags & none) || clg_node_is_view(p, n)) continue;
        for (int k = 0; k < n->n_out; k++) {
            clg_value *v = &p->values[n->out[k]->id];
            if (!v->constant && v->place == CLG_PLACE_NONE) v->place = CLG_PLACE_ARENA;
        }
    }
}

/* --- the pipeline --- */

void clg_plan_set_device(clg_plan *p, clg_device *dev) {
    p->device = dev;
    p->caps = clg_device_get_caps(dev);
}

static clg_status find_constants(clg_plan *p) {
    CLG_TRY(make_values(p));
    if (!p->params.no_fold) CLG_TRY(clg_plan_fold(p));
    clg_plan_mark(p); /* what only fed constants is not needed any more */
    return CLG_OK;
}

static clg_status place_all(clg_plan *p) {
    CLG_TRY(collect_effects(p));
    CLG_TRY(place_targets(p));
    place_values(p);
    clg_part_import(p);
    CLG_TRY(clg_plan_fuse(p));
    return clg_plan_see(p);
}

/* An oracle takes no short cuts. */
static void restrain(clg_plan *p) {
    if (p->caps->ref) p->params.no_fold = p->params.no_fuse = true;
}

clg_status clg_plan_study(clg_plan *p) {
    restrain(p);
    CLG_TRY(mark_all(p));
    CLG_TRY(find_constants(p));
    return place_all(p);
}

static clg_status analyse(clg_plan *p, clg_list targets) {
    bool mixed;
    CLG_TRY(collect_targets(p, targets));
    CLG_TRY(clg_plan_find_device(p, &mixed));
    if (!mixed) restrain(p);
    if (!mixed) CLG_TRY(clg_plan_micro(p));
    if (p->micro_part) CLG_TRY(mark_all(p));
    CLG_TRY(find_constants(p));
    CLG_TRY(clg_plan_check_types(p, &mixed));
    if (!mixed) return place_all(p);
    CLG_TRY(collect_effects(p));
    CLG_TRY(clg_plan_split(p));
    return clg_parts_analyse(p);
}

clg_plan *clg_plan_create(clg_graph *g, clg_device *dev, const clg_plan_params *params) {
    clg_plan *p = clg_calloc(1, sizeof *p);
    if (!p) {
        clg_fail_nomem("plan");
        return NULL;
    }
    p->graph = clg_graph_ref(g);
    p->failed_step = -1;
    clg_plan_set_device(p, dev);
    if (params) p->params = *params;
    if (p->params.impl) {
        p->params.impl = clg_arena_strdup(&p->arena, p->params.impl);
        if (!p->params.impl) clg_plan_destroy(&p);
    }
    return p;
}

clg_plan *clg_plan_analyse(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_choice *force,
                           clg_findings *findings) {
    clg_plan *p = clg_plan_create(g, g->device, params);
    if (!p) return NULL;
    p->force = force;
    p->findings = findings;
    if (analyse(p, targets) < 0) clg_plan_destroy(&p);
    return p;
}

/* A failed measurement is no reason not to run, unless the device is lost, or what it held. */
static clg_status tune_new_keys(clg_plan *p) {
    const double seconds = clg_tune_budget(&p->params);
    clg_error_state before;
    if (seconds <= 0 || p->force || p->caps->ref) return CLG_OK;
    clg_error_save(&before);
    const clg_status status = clg_tune_plan(p, &(clg_tune_params){ .seconds = seconds }, NULL);
    if (status == CLG_ERR_DEVICE) return status;
    if (status < 0) clg_log_msg(CLG_LOG_WARN, "tuning stopped: %s", clg_error());
    clg_error_restore(&before);
    return CLG_OK;
}

clg_status clg_plan_choose(clg_plan *p) {
    CLG_TRY(tune_new_keys(p));
    return clg_plan_select(p);
}

static clg_status finish(clg_plan *p) {
    CLG_TRY(clg_plan_order(p));
    CLG_TRY(clg_plan_feed(p));
    CLG_TRY(clg_plan_emit(p));
    if (!p->caps->ref && !p->params.no_prepare) CLG_TRY(clg_plan_prepare(p));
    if (!p->params.no_fuse) CLG_TRY(clg_plan_batch(p));
    CLG_TRY(clg_plan_memory(p));
    CLG_TRY(clg_plan_queues(p));
    CLG_TRY(clg_plan_bind(p));
    return clg_plan_link(p);
}

clg_status clg_plan_finish(clg_plan *p) {
    const clg_status status = finish(p);
    if (status < 0) clg_plan_bar(p, status);
    return status;
}

static clg_status complete(clg_plan *p) {
    if (p->parts) return clg_parts_complete(p);
    CLG_TRY(clg_plan_choose(p));
    CLG_TRY(clg_plan_finish(p));
    return clg_plan_replay_choose(p);
}

static clg_plan *compile(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_choice *force,
                         clg_findings *findings) {
    const double start = clg_now();
    clg_plan *p = clg_plan_analyse(g, targets, params, force, findings);
    if (!p) return NULL;
    if (complete(p) < 0) {
        clg_plan_destroy(&p);
        return NULL;
    }
    p->info.compile_seconds = clg_now() - start;
    clg_log_msg(CLG_LOG_INFO, "plan: %d steps, %d programs, %.2f MB of intermediates (%.2f MB without reuse), %.3f s",
            p->info.n_steps, p->info.n_programs, 1e-6 * (double)p->info.bytes_arena,
            1e-6 * (double)p->info.bytes_without_reuse, p->info.compile_seconds);
    return p;
}

/* Compiles again while something is found to be avoided: an implementation that fails, a node that its device cannot
 * compute, which the reference then does. */
static clg_plan *compile_avoiding(clg_graph *g, clg_list targets, const clg_plan_params *params,
                                  const clg_choice *force, clg_findings *findings) {
    clg_plan *p = NULL;
    int known = -1;
    while (!p && findings->n + findings->bars.n > known) {
        known = findings->n + findings->bars.n;
        p = compile(g, targets, params, force, findings);
    }
    if (p) clg_plan_tell_fallbacks(p);
    return p;
}

clg_plan *clg_compile_choice(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_choice *force) {
    clg_findings *findings = clg_calloc(1, sizeof *findings);
    if (!findings) {
        clg_fail_nomem("plan");
        return NULL;
    }
    clg_plan *p = compile_avoiding(g, targets, params, force, findings);
    if (p) p->owns_findings = true;
    else clg_findings_destroy(&findings);
    return p;
}

clg_plan *clg_plan_again(clg_plan *p) {
    clg_tensor **targets = clg_arena_array(&p->arena, (size_t)p->n_targets + 1, sizeof *targets);
    if (!targets) return NULL;
    for (int i = 0; i < p->n_targets; i++) targets[i] = p->graph->tensors[p->targets[i].t->id];
    return compile_avoiding(p->graph, (clg_list){ .t = targets, .n = p->n_targets }, &p->params, p->force, p->findings);
}

clg_plan *clg_compile(clg_graph *g, clg_list targets, const clg_plan_params *params) {
    if (g) return clg_compile_choice(g, targets, params, NULL);
    /* keep the reason why there is none */
    clg_fail(CLG_ERR_INVALID, "clg_compile: the graph is NULL%s%s", clg_error_status() ? "; before: " : "",
             clg_error_status() ? clg_error() : "");
    return NULL;
}

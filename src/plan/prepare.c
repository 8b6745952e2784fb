/* Preparation: what depends only on constants and on params that the plan does not change (packed or transformed
 * weights, the scale and shift of a batch norm, tables) is computed before the first run, and again only after a param
 * was written by somebody else: a file, the host, or another plan. So an inference plan repacks its weights once.
 *
 * Method: a step can be prepared if all the memory that it touches is written by such steps alone; the largest such set
 * is found by crossing out. These steps go first; what later steps read of them stays in memory of its own. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <string.h>

/* The same in every run, if no step writes it. */
static bool is_still(const clg_plan *p, int mem) {
    const clg_value *v = &p->values[mem];
    if (v->import) return false;
    if (v->place == CLG_PLACE_FIXED && v->t->node && v->t->node->op == &clg_op_input) return false;
    for (int i = 0; i < p->n_effects; i++)
        if (clg_value_mem(p, p->effects[i].dst) == mem) return false;
    return true;
}

bool clg_emit_is_still(const clg_emit *e, const clg_tensor *t) {
    const clg_plan *p = e->plan;
    const clg_value *v = clg_root_value(p, t);
    return v->place == CLG_PLACE_SLOT && is_still(p, clg_value_mem(p, v->root));
}

/* Whether a step can be prepared; what it writes cannot be if it cannot. */
static bool check_step(const clg_plan *p, const clg_step *s, bool *still, bool *changed) {
    bool all = s->kind != CLG_STEP_REF;
    for (int i = 0; i < s->n_args; i++)
        if (clg_arg_touches(&s->args[i])) all &= still[clg_value_mem(p, s->args[i].value)];
    for (int i = 0; i < s->n_args && !all; i++) {
        if (!clg_arg_writes(&s->args[i])) continue;
        bool *out = &still[clg_value_mem(p, s->args[i].value)];
        *changed |= *out;
        *out = false;
    }
    return all;
}

/* Moves the prepared steps to the front; both keep their order. */
static clg_status move_steps(clg_plan *p, const bool *prepared) {
    clg_step *moved = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *moved);
    int n = 0;
    if (!moved) return CLG_ERR_NOMEM;
    for (int late = 0; late < 2; late++)
        for (int i = 0; i < p->n_steps; i++)
            if (prepared[i] == !late) moved[n++] = p->steps[i];
    memcpy(p->steps, moved, (size_t)p->n_steps * sizeof *moved);
    return CLG_OK;
}

/* What the prepared steps leave to others stays where it is from run to run. */
static void keep_results(clg_plan *p) {
    for (int i = p->n_prepared; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_args; k++) {
            const clg_step_arg *a = &p->steps[i].args[k];
            clg_value *v = clg_arg_touches(a) ? &p->values[clg_value_mem(p, a->value)] : NULL;
            if (v && v->prepared && v->place == CLG_PLACE_ARENA) v->place = CLG_PLACE_FIXED;
        }
}

/* The params that the prepared steps read. */
static clg_status list_slots(clg_plan *p) {
    int n = 0;
    for (int i = 0; i < p->n_prepared; i++) n += p->steps[i].n_args;
    p->watched = clg_arena_array(&p->arena, (size_t)n + 1, sizeof *p->watched);
    if (!p->watched) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_prepared; i++)
        for (int k = 0; k < p->steps[i].n_args; k++) {
            const clg_step_arg *a = &p->steps[i].args[k];
            clg_slot *slot = clg_arg_touches(a) ? p->values[clg_value_mem(p, a->value)].slot : NULL;
            int j = 0;
            if (!slot) continue;
            while (j < p->n_watched && p->watched[j].slot != slot) j++;
            if (j == p->n_watched) p->watched[p->n_watched++] = (clg_watch){ slot, 0 };
        }
    return CLG_OK;
}

clg_status clg_plan_prepare(clg_plan *p) {
    bool *still = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof *still);
    bool *prepared = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *prepared);
    bool changed = true;
    if (!still || !prepared) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_values; i++) still[i] = is_still(p, i);
    while (changed) {
        changed = false;
        for (int i = 0; i < p->n_steps; i++) prepared[i] = check_step(p, &p->steps[i], still, &changed);
    }
    for (int i = 0; i < p->n_steps; i++) {
        p->n_prepared += prepared[i];
        for (int k = 0; k < p->steps[i].n_args && prepared[i]; k++)
            if (clg_arg_writes(&p->steps[i].args[k]))
                p->values[clg_value_mem(p, p->steps[i].args[k].value)].prepared = true;
    }
    if (p->n_prepared == 0) return CLG_OK;
    CLG_TRY(move_steps(p, prepared));
    keep_results(p);
    return list_slots(p);
}

bool clg_plan_stale(const clg_plan *p) {
    bool stale = p->n_prepared > 0 && !p->is_prepared;
    for (int i = 0; i < p->n_watched && !stale; i++)
        stale = atomic_load(&p->watched[i].slot->version) != p->watched[i].version;
    return stale;
}

void clg_plan_watch(clg_plan *p) {
    for (int i = 0; i < p->n_watched; i++) p->watched[i].version = atomic_load(&p->watched[i].slot->version);
}

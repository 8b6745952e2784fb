/* Floats of 16 bits are storage: implementations of ops compute in f32 and never see them. Where a node has such
 * tensors, its implementation gets a copy of the node with f32 scratch in their place, and conversions stand before and
 * behind it. The scratch lives during the node's steps only, so what stays in memory between nodes has 16 bits. */
#include "plan/plan.h"

#include <string.h>

static bool is_small(const clg_tensor *t) { return t->dtype == CLG_F16 || t->dtype == CLG_BF16; }

/* An f32 stand-in for a tensor. */
static clg_tensor *stand_in(clg_plan *p, const clg_tensor *t) {
    const char *name = clg_arena_printf(&p->arena, "%s as f32", clg_tensor_name(t));
    const int i = name ? clg_value_add(p, CLG_F32, t->shape, name) : (int)CLG_ERR_NOMEM;
    if (i < 0) return NULL;
    p->values[i].place = CLG_PLACE_ARENA;
    p->values[i].scratch = true;
    clg_tensor *made;
    memcpy(&made, &p->values[i].t, sizeof made); /* nodes have theirs without const */
    return made;
}

/* The n tensors with stand-ins, one for each that is different; NULL: no memory. */
static clg_tensor **replace(clg_plan *p, clg_tensor *const *t, int n) {
    clg_tensor **seen = clg_arena_array(&p->arena, (size_t)n + 1, sizeof *seen);
    for (int i = 0; seen && i < n; i++) {
        seen[i] = t[i];
        if (!is_small(t[i])) continue;
        int k = 0;
        while (t[k] != t[i]) k++;
        seen[i] = k < i ? seen[k] : stand_in(p, t[i]);
        if (!seen[i]) return NULL;
    }
    return seen;
}

const clg_node *clg_plan_widen(clg_plan *p, const clg_node *n) {
    bool any = false;
    for (int i = 0; i < n->n_in; i++) any |= is_small(n->in[i]);
    for (int i = 0; i < n->n_out; i++) any |= is_small(n->out[i]);
    if (!any) return n;
    clg_node *seen = clg_arena_copy(&p->arena, n, sizeof *n);
    if (!seen) return NULL;
    seen->in = replace(p, n->in, n->n_in);
    seen->out = replace(p, n->out, n->n_out);
    return seen->in && seen->out ? seen : NULL;
}

clg_status clg_emit_widen(clg_plan *p, int unit) {
    const clg_unit *u = &p->units[unit];
    const clg_node *n = u->nodes[0];
    for (int i = 0; i < n->n_in; i++) {
        int k = 0;
        while (n->in[k] != n->in[i]) k++;
        if (k == i && u->seen->in[i] != n->in[i]) CLG_TRY(clg_emit_convert(p, unit, n->in[i], u->seen->in[i]));
    }
    return CLG_OK;
}

clg_status clg_emit_narrow(clg_plan *p, int unit) {
    const clg_unit *u = &p->units[unit];
    const clg_node *n = u->nodes[0];
    for (int i = 0; i < n->n_out; i++)
        if (u->seen->out[i] != n->out[i]) CLG_TRY(clg_emit_convert(p, unit, u->seen->out[i], n->out[i]));
    return CLG_OK;
}

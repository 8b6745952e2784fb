/* The order of the units, and updates in place.
 *
 * An assign is done in place when the unit that computes the new value can be put behind every reader of the old one:
 * each such pair is one more edge of the order. Otherwise the new value goes to the arena and is copied at the end.
 * Among the units that could run next, one that takes no memory (the update of a weight, say) goes first, so that its
 * operands die; else the order of creation, which keeps forward and backward passes in step. */
#include "plan/plan.h"

#include "base/alloc.h"

/* The unit of a new value may write into the slot: it reads the old value at most element by element, each before it is
 * written, as elementwise kernels and some tails do. */
static bool may_write(const clg_plan *p, const clg_effect *e, int unit) {
    const clg_unit *u = &p->units[unit];
    clg_unit head = *u;
    head.n_nodes = 1;
    if (!clg_unit_reads(p, u, e->dst)) return true;
    if (p->caps->ref || u->elementwise) return !p->caps->ref;
    return u->nodes[0]->op->flags & CLG_OP_TAIL_ONCE && !clg_unit_reads(p, &head, e->dst);
}

static bool try_in_place(clg_plan *p, clg_effect *e) {
    const clg_value *src = &p->values[e->src];
    const int unit = src->unit;
    if (unit < 0 || src->place != CLG_PLACE_ARENA || src->keep || !may_write(p, e, unit)) return false;
    for (int r = 0; r < p->n_units; r++)
        if (r != unit && clg_unit_reads(p, &p->units[r], e->dst) && clg_reaches(p, r, unit)) return false;
    for (int r = 0; r < p->n_units; r++)
        if (r != unit && clg_unit_reads(p, &p->units[r], e->dst)) clg_reach_add(p, unit, r);
    return true;
}

static void place_effects(clg_plan *p) {
    for (int i = 0; i < p->n_effects; i++) {
        clg_effect *e = &p->effects[i];
        clg_value *src = &p->values[e->src];
        e->in_place = !p->params.no_inplace && try_in_place(p, e);
        if (e->in_place) {
            src->place = CLG_PLACE_SLOT;
            src->slot = p->values[e->dst].slot;
            src->buffer = p->values[e->dst].buffer;
            src->mem = e->dst;
        }
    }
    for (int i = 0; i < p->n_effects; i++)
        if (!p->effects[i].in_place) p->values[p->effects[i].src].keep = true;
}

static void find_leaving(clg_plan *p) {
    for (int u = 0; u < p->n_units; u++)
        for (int i = 0; i < p->units[u].n_nodes; i++)
            for (int k = 0; k < p->units[u].nodes[i]->n_in; k++) {
                clg_value *v = clg_root_value(p, p->units[u].nodes[i]->in[k]);
                if (v->unit != u) v->leaves = true;
            }
}

/* Arena memory that a unit's outputs take. What stays inside a fused unit takes none. */
static size_t takes(const clg_plan *p, const clg_unit *u) {
    size_t bytes = 0;
    for (int i = 0; i < u->n_nodes; i++)
        for (int k = 0; k < u->nodes[i]->n_out; k++) {
            const clg_value *v = &p->values[u->nodes[i]->out[k]->id];
            const bool stored = v->leaves || v->keep || u->n_nodes == 1;
            if (stored && v->place == CLG_PLACE_ARENA) bytes += clg_value_bytes(p, v);
        }
    return bytes;
}

static int waits_for(const clg_plan *p, int u) {
    int n = 0;
    for (int v = 0; v < p->n_units; v++) n += clg_reaches(p, u, v);
    return n;
}

/* Key of a unit: the last of its nodes in order of creation, by parts of the batch; free ones before all others. */
static int64_t key_of(const clg_plan *p, int u) {
    const clg_unit *unit = &p->units[u];
    const int64_t last = unit->nodes[unit->n_nodes - 1]->id, part = p->micro_part ? p->micro_part[last] : 0;
    const int64_t key = part * INT32_MAX + last;
    return takes(p, unit) == 0 ? key - INT64_MAX / 2 : key;
}

static void note_reads(clg_plan *p, int u, int position) {
    const clg_unit *unit = &p->units[u];
    for (int i = 0; i < unit->n_nodes; i++)
        for (int k = 0; k < unit->nodes[i]->n_in; k++)
            clg_root_value(p, unit->nodes[i]->in[k])->last_unit = position;
}

clg_status clg_plan_order(clg_plan *p) {
    place_effects(p);
    find_leaving(p);
    const size_t n = (size_t)p->n_units + 1;
    int *waits = clg_arena_array(&p->arena, n, sizeof *waits);
    int64_t *key = clg_arena_array(&p->arena, n, sizeof *key);
    p->order = clg_arena_array(&p->arena, n, sizeof *p->order);
    if (!waits || !key || !p->order) return CLG_ERR_NOMEM;
    for (int u = 0; u < p->n_units; u++) {
        waits[u] = p->units[u].n_nodes > 0 ? waits_for(p, u) : -1; /* -1: done, or merged into another */
        if (p->units[u].n_nodes > 0) key[u] = key_of(p, u);
    }
    for (;;) {
        int next = -1;
        for (int u = 0; u < p->n_units; u++)
            if (waits[u] == 0 && (next < 0 || key[u] < key[next])) next = u;
        if (next < 0) break;
        waits[next] = -1;
        note_reads(p, next, p->n_order);
        p->order[p->n_order++] = next;
        for (int u = 0; u < p->n_units; u++)
            if (waits[u] > 0 && clg_reaches(p, u, next)) waits[u]--;
    }
    for (int u = 0; u < p->n_units; u++)
        if (waits[u] >= 0) return clg_fail(CLG_ERR_INVALID, "clg_compile: the order of the steps has a cycle");
    return CLG_OK;
}

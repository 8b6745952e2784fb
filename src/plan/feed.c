/* Feeding: a unit whose result only one other reads, as input 0 of its node, may be computed by the steps of that one,
 * on the way, if its implementation can (clg_impl.takes): a convolution of one tap before a depthwise one, say, whose
 * result is several times as large as what goes in and comes out. So that is never in memory.
 *
 * Done when the order is known and nothing is emitted: the feeder's operands are read later than that says, so none may
 * be written in place before. */
#include "plan/plan.h"

static int reads_of(const clg_plan *p, const clg_unit *u, int root) {
    int n = 0;
    for (int i = 0; i < u->n_nodes; i++)
        for (int k = 0; k < u->nodes[i]->n_in; k++) n += clg_root_of(p, u->nodes[i]->in[k]) == root;
    return n;
}

/* The unit that makes input 0 of u for it alone; NULL: there is none. */
static clg_unit *find_feeder(const clg_plan *p, const clg_unit *u) {
    if (u->nodes[0]->n_in == 0) return NULL;
    const clg_value *v = clg_root_value(p, u->nodes[0]->in[0]);
    clg_unit *feeder = v->unit >= 0 ? &p->units[v->unit] : NULL;
    if (!feeder || feeder->elementwise || feeder->feeder || v->keep || v->place != CLG_PLACE_ARENA) return NULL;
    if (feeder->seen != feeder->nodes[0] || feeder->choice.by == CLG_CHOSEN_FORCED) return NULL;
    for (int i = 0; i < p->n_units; i++)
        if (&p->units[i] != feeder && reads_of(p, &p->units[i], v->root) != (&p->units[i] == u)) return NULL;
    return feeder;
}

/* Nothing that the feeder reads is a param or state that the plan writes. */
static bool reads_still(const clg_plan *p, const clg_unit *feeder) {
    for (int i = 0; i < p->n_effects; i++)
        if (clg_unit_reads(p, feeder, p->effects[i].dst)) return false;
    return true;
}

/* The chain behind the feeder's node must be one that a kernel can have, with the result that the unit reads. */
static clg_status fits(clg_plan *p, const clg_unit *u, const clg_unit *feeder, bool *fit) {
    const int64_t cols = u->impl->takes(u->seen, feeder->seen, p->device);
    clg_tail tail;
    *fit = cols > 0 && feeder->n_nodes == 1;
    if (cols == 0 || *fit) return CLG_OK;
    CLG_TRY(clg_tail_make(p, (int)(feeder - p->units), cols, true, &tail));
    *fit = tail.text && tail.out == clg_root_of(p, u->nodes[0]->in[0]);
    return CLG_OK;
}

static void note_reads(const clg_plan *p, const clg_unit *feeder, int position) {
    for (int i = 0; i < feeder->n_nodes; i++)
        for (int k = 0; k < feeder->nodes[i]->n_in; k++) {
            clg_value *v = clg_root_value(p, feeder->nodes[i]->in[k]);
            if (v->last_unit < position) v->last_unit = position;
        }
}

clg_status clg_plan_feed(clg_plan *p) {
    if (p->caps->ref || p->params.no_fuse || clg_plan_candidate(p)) return CLG_OK;
    for (int i = 0; i < p->n_order; i++) {
        clg_unit *u = &p->units[p->order[i]];
        if (u->elementwise || !u->impl || !u->impl->takes || u->seen != u->nodes[0]) continue;
        clg_unit *feeder = find_feeder(p, u);
        bool fit = feeder && reads_still(p, feeder);
        if (fit) CLG_TRY(fits(p, u, feeder, &fit));
        if (!fit) continue;
        u->feeder = feeder;
        feeder->fed = true;
        note_reads(p, feeder, i);
    }
    return CLG_OK;
}

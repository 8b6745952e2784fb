/* Units: what one kernel (or one implementation of an op) computes. Elementwise nodes of the same shape are fused, so
 * that a value used only inside its unit never reaches memory.
 *
 * Method: nodes are visited from the last to the first; each joins the units of its consumers if nothing then waits for
 * itself. From the consumers' side a cheap mask of the backward pass (y > 0) lands beside its use there, not beside y,
 * where it would have to be stored. reach[u] is the set of units that u must run after, kept transitively closed.
 *
 * In the end a unit with one result joins, as its tail, the node that it follows, if nothing else wants that node's
 * result and nothing lies between: whether a kernel then takes the tail is seen when it is emitted. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <limits.h>
#include <string.h>

enum {
    MAX_POINTERS = 20, /* of a unit: a device must take 1024 bytes of arguments, and a buffer is 16 */
    MAX_TAIL_POINTERS = 8, /* of a tail, and a kernel has its own */
    LARGE = 16384,     /* elements of a param whose update is worth a tail */
};

typedef struct fusion {
    clg_plan *p;
    int *unit_of;   /* by node id; -1: none */
    int *size;      /* nodes, by unit; 0: merged into another */
    const clg_node **any; /* a node of each unit */
    int *first_use, *next_use; /* consumers of a root: links into uses of (node, input) */
    const clg_node **user;
    int n_uses;
} fusion;

static uint64_t *row(const clg_plan *p, int u) { return &p->reach[(size_t)u * p->words]; }
static void set_bit(uint64_t *r, int v) { r[v / 64] |= (uint64_t)1 << (v % 64); }
static void clear_bit(uint64_t *r, int v) { r[v / 64] &= ~((uint64_t)1 << (v % 64)); }

static void join_row(const clg_plan *p, int u, int v) {
    uint64_t *to = row(p, u);
    const uint64_t *from = row(p, v);
    for (int i = 0; i < p->words; i++) to[i] |= from[i];
    set_bit(to, v);
}

void clg_reach_add(clg_plan *p, int u, int v) {
    if (u == v || clg_reaches(p, u, v)) return;
    join_row(p, u, v);
    for (int x = 0; x < p->n_units; x++)
        if (clg_reaches(p, x, u)) join_row(p, x, v);
}

static bool is_computed(const clg_plan *p, const clg_node *n) {
    if (!p->needed[n->id] || (n->op->flags & (CLG_OP_SOURCE | CLG_OP_EFFECT)) || clg_node_is_view(p, n)) return false;
    return !clg_root_value(p, n->out[0])->constant;
}

/* --- consumers --- */

static clg_status list_uses(fusion *f) {
    clg_plan *p = f->p;
    size_t n = 0;
    for (int i = 0; i < p->n_nodes; i++) n += (size_t)p->graph->nodes[i]->n_in;
    f->first_use = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof(int));
    f->next_use = clg_arena_array(&p->arena, n + 1, sizeof(int));
    f->user = clg_arena_array(&p->arena, n + 1, sizeof *f->user);
    if (!f->first_use || !f->next_use || !f->user) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_values; i++) f->first_use[i] = -1;
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *c = p->graph->nodes[i];
        if (!is_computed(p, c)) continue;
        for (int k = 0; k < c->n_in; k++) {
            const int root = clg_root_of(p, c->in[k]);
            f->user[f->n_uses] = c;
            f->next_use[f->n_uses] = f->first_use[root];
            f->first_use[root] = f->n_uses++;
        }
    }
    return CLG_OK;
}

#define EACH_USE(f, u, tensor) \
    for (int u = (f)->first_use[(tensor)->id]; u >= 0; u = (f)->next_use[u])

/* --- joining --- */

/* Whether units other than a and b, or the plan's end, want a node's result: then it is an argument. */
static bool is_wanted(const fusion *f, const clg_node *n, int a, int b) {
    const int root = n->out[0]->id;
    if (f->p->values[root].keep) return true;
    for (int i = 0; i < f->p->n_effects; i++)
        if (f->p->effects[i].src == root) return true;
    for (int use = f->first_use[root]; use >= 0; use = f->next_use[use]) {
        const int c = f->unit_of[f->user[use]->id];
        if (c != a && c != b) return true;
    }
    return false;
}

/* Buffers that the nodes of units a and b, with one more, would take as arguments; counts no further than the limit. */
static int pointer_count(const fusion *f, int a, int b, const clg_node *extra) {
    const clg_plan *p = f->p;
    int seen[MAX_POINTERS + 1], n = 0;
    for (int i = 0; i < p->n_nodes && n <= MAX_POINTERS; i++) {
        const clg_node *c = p->graph->nodes[i];
        if (f->unit_of[i] < 0 && c != extra) continue;
        if (f->unit_of[i] != a && f->unit_of[i] != b && c != extra) continue;
        if (is_wanted(f, c, a, b)) seen[n++] = c->out[0]->id;
        for (int k = 0; k < c->n_in && n <= MAX_POINTERS; k++) {
            const clg_value *v = clg_root_value(p, c->in[k]);
            const int from = v->t->node ? f->unit_of[v->t->node->id] : -1;
            int j = 0;
            if ((from >= 0 && (from == a || from == b)) || v->t->node == extra || (v->constant && v->uniform)) continue;
            while (j < n && seen[j] != v->root) j++;
            if (j == n) seen[n++] = v->root;
        }
    }
    return n;
}

static bool fits(const fusion *f, int a, int b, const clg_node *extra) {
    const int nodes = f->size[a] + (b >= 0 && b != a ? f->size[b] : 0) + (extra ? 1 : 0);
    return nodes <= CLG_MAX_FUSED && (nodes * 4 <= MAX_POINTERS || pointer_count(f, a, b, extra) <= MAX_POINTERS);
}

/* A node can join a unit of its consumers if the unit need not wait for another consumer. */
static bool can_join(const fusion *f, const clg_node *n, int u) {
    if (!clg_shape_equal(f->any[u]->out[0]->shape, n->out[0]->shape)) return false;
    if (!(f->any[u]->op->flags & CLG_OP_ELEMENTWISE)) return false;
    EACH_USE(f, use, n->out[0]) {
        const int c = f->unit_of[f->user[use]->id];
        if (c != u && clg_reaches(f->p, u, c)) return false;
    }
    return fits(f, u, -1, n);
}

/* A unit can merge with one that runs after it if no third one lies between them. */
static bool can_merge(const fusion *f, int a, int later) {
    const clg_plan *p = f->p;
    for (int x = 0; x < p->n_units; x++)
        if (x != a && x != later && clg_reaches(p, later, x) && clg_reaches(p, x, a)) return false;
    return fits(f, a, later, NULL);
}

static void merge(fusion *f, int a, int b) {
    clg_plan *p = f->p;
    for (int i = 0; i < p->n_nodes; i++)
        if (f->unit_of[i] == b) f->unit_of[i] = a;
    f->size[a] += f->size[b];
    f->size[b] = 0;
    join_row(p, a, b);
    clear_bit(row(p, a), a);
    clear_bit(row(p, a), b);
    memset(row(p, b), 0, (size_t)p->words * sizeof(uint64_t));
    for (int x = 0; x < p->n_units; x++) {
        if (x == a || (!clg_reaches(p, x, a) && !clg_reaches(p, x, b))) continue;
        clear_bit(row(p, x), b);
        join_row(p, x, a);
    }
}

/* Puts an elementwise node into a unit of its consumers, merging those that then can be one; -1: none takes it. */
static int join(fusion *f, const clg_node *n) {
    int u = -1;
    EACH_USE(f, use, n->out[0]) {
        const int c = f->unit_of[f->user[use]->id];
        if (c == u) continue;
        if (u < 0 && can_join(f, n, c)) {
            u = c;
            f->size[u]++;
            f->unit_of[n->id] = u;
        }
    }
    if (u < 0) return -1;
    EACH_USE(f, use, n->out[0]) {
        const int c = f->unit_of[f->user[use]->id];
        if (c != u) clg_reach_add(f->p, c, u);
    }
    EACH_USE(f, use, n->out[0]) {
        const int c = f->unit_of[f->user[use]->id];
        const clg_node *other = f->any[c];
        if (c != u && (other->op->flags & CLG_OP_ELEMENTWISE)
            && clg_shape_equal(other->out[0]->shape, n->out[0]->shape) && can_merge(f, u, c))
            merge(f, u, c);
    }
    return u;
}

static void visit(fusion *f, const clg_node *n) {
    clg_plan *p = f->p;
    const bool goes_on = p->micro_sum && p->micro_sum[n->id];
    if ((n->op->flags & CLG_OP_ELEMENTWISE) && !p->params.no_fuse && !goes_on && join(f, n) >= 0) return;
    const int u = p->n_units++;
    f->unit_of[n->id] = u;
    f->size[u] = 1;
    f->any[u] = n;
    for (int k = 0; k < n->n_out; k++)
        EACH_USE(f, use, n->out[k]) clg_reach_add(p, f->unit_of[f->user[use]->id], u);
}

/* --- tails --- */

static bool is_effect(const clg_plan *p, int root) {
    for (int i = 0; i < p->n_effects; i++)
        if (p->effects[i].src == root || p->effects[i].dst == root) return true;
    return false;
}

/* Results of a unit that leave it; small effects count as many: updates of such params are better kept together.
 * *updates: some result is a large one. */
static int result_count(const fusion *f, int u, bool *updates) {
    int n = 0;
    *updates = false;
    for (int i = 0; i < f->p->n_nodes; i++) {
        const clg_node *c = f->p->graph->nodes[i];
        if (f->unit_of[i] != u) continue;
        const bool effect = is_effect(f->p, c->out[0]->id);
        if (effect && out_elems(c, 0) < LARGE) return INT_MAX;
        *updates |= effect;
        n += is_wanted(f, c, u, u);
    }
    return n;
}

/* The last node before u that has these flags and whose result only u wants, as many elements as u's own; NULL: none. */
static const clg_node *find_head(const fusion *f, int u, unsigned flags) {
    const clg_plan *p = f->p;
    const clg_shape s = f->any[u]->out[0]->shape;
    for (int i = p->n_nodes - 1; i >= 0; i--) {
        const clg_node *n = p->graph->nodes[i];
        const int h = f->unit_of[i];
        if (h < 0 || (n->op->flags & flags) != flags || f->size[h] != 1 || !clg_reaches(p, u, h)) continue;
        if (out_elems(n, 0) != clg_shape_elems(s) || is_wanted(f, n, h, u) || is_effect(p, n->out[0]->id)) continue;
        bool reads = false;
        EACH_USE(f, use, n->out[0]) reads |= f->unit_of[f->user[use]->id] == u;
        if (reads && can_merge(f, h, u) && pointer_count(f, u, u, NULL) <= MAX_TAIL_POINTERS) return n;
    }
    return NULL;
}

static void attach_tails(fusion *f) {
    bool updates;
    for (int u = 0; u < f->p->n_units; u++) {
        if (f->size[u] == 0 || !(f->any[u]->op->flags & CLG_OP_ELEMENTWISE)) continue;
        if (result_count(f, u, &updates) != 1) continue;
        const clg_node *head = find_head(f, u, updates ? CLG_OP_TAIL | CLG_OP_TAIL_ONCE : CLG_OP_TAIL);
        if (!head) continue;
        const int h = f->unit_of[head->id];
        merge(f, h, u);
        f->any[h] = head;
    }
}

/* --- the result --- */

/* The node that came last. */
static void put_first(clg_unit *u) {
    const clg_node *n = u->nodes[u->n_nodes - 1];
    memmove(u->nodes + 1, u->nodes, (size_t)(u->n_nodes - 1) * sizeof *u->nodes);
    u->nodes[0] = n;
}

static clg_status make_units(fusion *f) {
    clg_plan *p = f->p;
    p->units = clg_arena_array(&p->arena, (size_t)p->n_units + 1, sizeof *p->units);
    if (!p->units) return CLG_ERR_NOMEM;
    for (int u = 0; u < p->n_units; u++) {
        p->units[u].nodes = clg_arena_array(&p->arena, (size_t)f->size[u] + 1, sizeof *p->units[u].nodes);
        if (!p->units[u].nodes) return CLG_ERR_NOMEM;
        p->units[u].elementwise = f->any[u]->op->flags & CLG_OP_ELEMENTWISE;
    }
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        if (f->unit_of[i] < 0) continue;
        clg_unit *u = &p->units[f->unit_of[i]];
        u->nodes[u->n_nodes++] = n;
        if (!u->elementwise && n == f->any[f->unit_of[i]]) put_first(u);
        for (int k = 0; k < n->n_out; k++) p->values[n->out[k]->id].unit = f->unit_of[i];
    }
    return CLG_OK;
}

bool clg_unit_reads(const clg_plan *p, const clg_unit *u, int root) {
    for (int i = 0; i < u->n_nodes; i++)
        for (int k = 0; k < u->nodes[i]->n_in; k++)
            if (clg_root_of(p, u->nodes[i]->in[k]) == root) return true;
    return false;
}

clg_status clg_plan_fuse(clg_plan *p) {
    fusion f = { .p = p };
    int computed = 0;
    for (int i = 0; i < p->n_nodes; i++) computed += is_computed(p, p->graph->nodes[i]);
    p->words = computed / 64 + 1;
    p->reach = clg_arena_array(&p->arena, ((size_t)computed + 1) * (size_t)p->words, sizeof *p->reach);
    f.unit_of = clg_arena_array(&p->arena, (size_t)p->n_nodes + 1, sizeof(int));
    f.size = clg_arena_array(&p->arena, (size_t)computed + 1, sizeof(int));
    f.any = clg_arena_array(&p->arena, (size_t)computed + 1, sizeof *f.any);
    if (!p->reach || !f.unit_of || !f.size || !f.any) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_nodes; i++) f.unit_of[i] = -1;
    CLG_TRY(list_uses(&f));
    for (int i = p->n_nodes - 1; i >= 0; i--)
        if (is_computed(p, p->graph->nodes[i])) visit(&f, p->graph->nodes[i]);
    if (!p->params.no_fuse) attach_tails(&f);
    return make_units(&f);
}

/* How the nodes of a graph are cut into parts that one device each computes in one go.
 *
 * Method: devices take turns; each node is given the first turn of its device that does not come before those of its
 * operands. With two devices no schedule has fewer changes that starts with the same one; every device is tried as the
 * first. Elementwise nodes that only a later turn wants are then moved there, next to their use, as far as they do not
 * carry more operands there than results: masks of a backward pass would take memory until then. */
#include "plan/place.h"

#include "base/alloc.h"

#include <limits.h>
#include <string.h>

typedef struct splitting {
    clg_plan  *p;
    clg_parts *parts;
    clg_device **dev;  /* distinct devices */
    int  n_dev;
    int *dev_of;       /* by node: index into dev; -1: free */
    int *turn, *best;  /* by node; dev of turn t is (t + first) % n_dev */
    int  first;        /* device of turn 0 */
} splitting;

static const clg_node *node_at(const splitting *s, int i) { return s->p->graph->nodes[i]; }

/* The node that computes what is read as t, -1: nothing does. */
static int producer(const splitting *s, const clg_tensor *t) {
    const clg_value *v = clg_root_value(s->p, t);
    if (v->constant || !v->t->node || s->dev_of[v->t->node->id] < 0) return -1;
    return v->t->node->id;
}

static clg_status find_devices(splitting *s) {
    for (int i = 0; i < s->p->n_nodes; i++) {
        clg_device *d = clg_plan_device_of(s->p, node_at(s, i));
        int k = 0;
        while (k < s->n_dev && s->dev[k] != d) k++;
        if (d && k == s->n_dev) s->dev[s->n_dev++] = d;
        s->dev_of[i] = d ? k : -1;
    }
    return CLG_OK;
}

/* --- turns --- */

static int last_turn(const splitting *s, const int *turn) {
    int last = -1;
    for (int i = 0; i < s->p->n_nodes; i++)
        if (s->dev_of[i] >= 0 && turn[i] > last) last = turn[i];
    return last;
}

/* Turns that are used, neighbours of one device counted once. turn_part[t], if not NULL, becomes the number of each. */
static int count_parts(const splitting *s, const int *turn, int first, int *turn_part) {
    int n = 0, before = -1;
    for (int t = 0, last = last_turn(s, turn); t <= last; t++) {
        bool used = false;
        for (int i = 0; i < s->p->n_nodes && !used; i++) used = s->dev_of[i] >= 0 && turn[i] == t;
        if (!used) continue;
        if ((t + first) % s->n_dev != before) n++;
        before = (t + first) % s->n_dev;
        if (turn_part) turn_part[t] = n - 1;
    }
    return n;
}

static void take_turns(const splitting *s, int first, int *turn) {
    for (int i = 0; i < s->p->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        int from, t = 0;
        if (s->dev_of[i] < 0) continue;
        const int reads = clg_node_reads(s->p, n, &from);
        for (int k = from; k < reads; k++) {
            const int q = producer(s, n->in[k]);
            if (q >= 0 && turn[q] > t) t = turn[q];
        }
        while ((t + first) % s->n_dev != s->dev_of[i]) t++;
        turn[i] = t;
    }
}

static void choose_turns(splitting *s) {
    int least = INT_MAX;
    for (int first = 0; first < s->n_dev; first++) {
        take_turns(s, first, s->turn);
        const int n = count_parts(s, s->turn, first, NULL);
        if (n >= least) continue;
        least = n;
        s->first = first;
        memcpy(s->best, s->turn, (size_t)s->p->n_nodes * sizeof *s->turn);
    }
    memcpy(s->turn, s->best, (size_t)s->p->n_nodes * sizeof *s->turn);
}

/* Results of this node that others wait for: its turn stays. */
static void hold(const splitting *s, const clg_tensor *t, int *latest) {
    const int q = producer(s, t);
    if (q >= 0 && s->turn[q] < latest[q]) latest[q] = s->turn[q];
}

static int operands(const splitting *s, const clg_node *n) {
    int from, count = 0;
    const int reads = clg_node_reads(s->p, n, &from);
    for (int k = from; k < reads; k++) {
        bool first = producer(s, n->in[k]) >= 0;
        for (int j = from; j < k; j++) first &= clg_root_of(s->p, n->in[j]) != clg_root_of(s->p, n->in[k]);
        count += first;
    }
    return count;
}

static void move_to_use(splitting *s) {
    int *latest = s->best; /* by node: the last turn that is soon enough for its users */
    for (int i = 0; i < s->p->n_nodes; i++) latest[i] = INT_MAX;
    for (int i = 0; i < s->p->n_targets; i++)
        if (!(s->p->targets[i].t->node->op->flags & CLG_OP_EFFECT)) hold(s, s->p->targets[i].t, latest);
    for (int i = 0; i < s->p->n_effects; i++) hold(s, s->p->values[s->p->effects[i].src].t, latest);
    for (int i = s->p->n_nodes - 1; i >= 0; i--) {
        const clg_node *n = node_at(s, i);
        int from;
        if (s->dev_of[i] < 0) continue;
        if (n->op->flags & CLG_OP_ELEMENTWISE && latest[i] != INT_MAX && operands(s, n) <= 1)
            while (s->turn[i] + s->n_dev <= latest[i]) s->turn[i] += s->n_dev;
        const int reads = clg_node_reads(s->p, n, &from);
        for (int k = from; k < reads; k++) {
            const int q = producer(s, n->in[k]);
            const int soon = q >= 0 && s->dev_of[q] != s->dev_of[i] ? s->turn[i] - 1 : s->turn[i];
            if (q >= 0 && soon < latest[q]) latest[q] = soon;
        }
    }
}

/* --- parts --- */

static int add_part(clg_parts *parts, clg_device *dev) {
    if (!clg_grow(&parts->part, &parts->cap, parts->n + 1, sizeof *parts->part)) return clg_fail_nomem("plan");
    parts->part[parts->n] = (clg_part){ .device = dev };
    return parts->n++;
}

static clg_status make_parts(splitting *s) {
    int *part = clg_arena_array(&s->p->arena, (size_t)last_turn(s, s->turn) + 2, sizeof *part);
    if (!part) return CLG_ERR_NOMEM;
    const int n = count_parts(s, s->turn, s->first, part);
    for (int i = 0; i < s->p->n_nodes; i++) s->parts->of_node[i] = s->dev_of[i] < 0 ? -1 : part[s->turn[i]];
    for (int k = 0; k < n; k++) {
        clg_device *dev = NULL;
        for (int i = 0; i < s->p->n_nodes && !dev; i++)
            if (s->parts->of_node[i] == k) dev = s->dev[s->dev_of[i]];
        const int made = add_part(s->parts, dev);
        if (made < 0) return (clg_status)made;
    }
    return CLG_OK;
}

/* The first part of a device that is not before part `from`, added if there is none; or a negative clg_status. */
static int part_from(clg_parts *parts, const clg_device *dev, int from) {
    for (int k = from < 0 ? 0 : from; k < parts->n; k++)
        if (parts->part[k].device == dev) return k;
    return CLG_ERR_INVALID;
}

static int part_for(clg_parts *parts, clg_device *dev, int from) {
    const int k = part_from(parts, dev, from);
    return k >= 0 ? k : add_part(parts, dev);
}

static int last_part(const clg_parts *parts, const clg_device *dev) {
    int last = 0;
    for (int k = 0; k < parts->n; k++)
        if (parts->part[k].device == dev) last = k;
    return last;
}

static clg_status add_to(clg_parts *parts, int part, const clg_tensor *t) {
    clg_part *k = &parts->part[part];
    for (int i = 0; i < k->n_targets; i++)
        if (k->targets[i] == t) return CLG_OK;
    if (!clg_grow(&k->targets, &k->cap_targets, k->n_targets + 1, sizeof *k->targets)) return clg_fail_nomem("plan");
    k->targets[k->n_targets++] = t;
    return CLG_OK;
}

/* --- effects: behind all reads of the variable on its device; other devices read a copy made before the run --- */

static bool is_on(const clg_value *v, const clg_device *dev) { return v->slot && v->slot->device == dev; }

static clg_status place_effect(splitting *s, const clg_effect *e, int *last_read) {
    clg_device *home = e->node->slot->device;
    const clg_value *src = &s->p->values[e->src];
    const int made = producer(s, src->t), in = made < 0 ? -1 : s->parts->of_node[made];
    int from = last_read[e->dst] > in ? last_read[e->dst] : in;
    if (is_on(src, home) && last_part(s->parts, home) > from) from = last_part(s->parts, home);
    const int part = part_for(s->parts, home, from);
    if (part < 0) return (clg_status)part;
    if (is_on(src, home) && part > last_read[e->src]) last_read[e->src] = part;
    s->parts->of_node[e->node->id] = part;
    return add_to(s->parts, part, e->node->out[0]);
}

/* Those that store another variable come first: they stand in the last part of their device, and what they read may not
 * be overwritten before. */
static clg_status place_effects(splitting *s) {
    int *last_read = clg_arena_array(&s->p->arena, (size_t)s->p->n_values + 1, sizeof *last_read);
    if (!last_read) return CLG_ERR_NOMEM;
    for (int i = 0; i < s->p->n_values; i++) last_read[i] = -1;
    for (int i = 0; i < s->p->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        int from;
        if (s->dev_of[i] < 0) continue;
        const int reads = clg_node_reads(s->p, n, &from), part = s->parts->of_node[i];
        for (int k = from; k < reads; k++) {
            const int root = clg_root_of(s->p, n->in[k]);
            if (is_on(&s->p->values[root], s->dev[s->dev_of[i]]) && last_read[root] < part) last_read[root] = part;
        }
    }
    for (int copies = 1; copies >= 0; copies--)
        for (int i = 0; i < s->p->n_effects; i++) {
            const clg_effect *e = &s->p->effects[i];
            if (is_on(&s->p->values[e->src], e->node->slot->device) == copies) CLG_TRY(place_effect(s, e, last_read));
        }
    return CLG_OK;
}

/* Variables are read before the run: in the first part of their device. */
static clg_status place_targets(splitting *s) {
    for (int i = 0; i < s->p->n_targets; i++) {
        const clg_tensor *t = s->p->targets[i].t;
        const clg_value *v = clg_root_value(s->p, t);
        const int made = producer(s, t);
        if (t->node->op->flags & CLG_OP_EFFECT) continue;
        clg_device *any = s->parts->n > 0 ? s->parts->part[0].device : s->p->device;
        const int part = made >= 0 ? s->parts->of_node[made] : part_for(s->parts, v->slot ? v->slot->device : any, 0);
        if (part < 0) return (clg_status)part;
        CLG_TRY(add_to(s->parts, part, t));
    }
    return CLG_OK;
}

/* --- crossings --- */

static clg_status add_import(clg_parts *parts, int part, int root) {
    clg_part *k = &parts->part[part];
    for (int i = 0; i < k->n_imports; i++)
        if (k->imports[i] == root) return CLG_OK;
    if (!clg_grow(&k->imports, &k->cap_imports, k->n_imports + 1, sizeof *k->imports)) return clg_fail_nomem("plan");
    k->imports[k->n_imports++] = root;
    return CLG_OK;
}

/* One copy serves all later parts on the same device. */
static bool has_crossed(const clg_parts *parts, int root, int to) {
    for (int i = 0; i < parts->n_crossings; i++)
        if (parts->crossing[i].root == root
            && parts->part[parts->crossing[i].to].device == parts->part[to].device) return true;
    return false;
}

static clg_status cross(splitting *s, int root, int to) {
    clg_parts *parts = s->parts;
    const clg_value *v = &s->p->values[root];
    const clg_device *dev = parts->part[to].device;
    const int made = producer(s, v->t), from = made < 0 ? -1 : parts->of_node[made];
    if (from == to || (from < 0 && !v->slot) || is_on(v, dev)) return CLG_OK;
    CLG_TRY(add_import(parts, to, root));
    if (from >= 0) CLG_TRY(add_to(parts, from, v->t));
    if ((from >= 0 && parts->part[from].device == dev) || has_crossed(parts, root, to)) return CLG_OK;
    if (!clg_grow(&parts->crossing, &parts->cap_crossings, parts->n_crossings + 1, sizeof *parts->crossing))
        return clg_fail_nomem("plan");
    parts->crossing[parts->n_crossings++] = (clg_crossing){ .root = root, .from = from, .to = to };
    return CLG_OK;
}

static clg_status find_crossings(splitting *s) {
    for (int part = 0; part < s->parts->n; part++)
        for (int i = 0; i < s->p->n_nodes; i++) {
            const clg_node *n = node_at(s, i);
            int from;
            if (s->parts->of_node[i] != part) continue;
            const int reads = clg_node_reads(s->p, n, &from);
            for (int k = from; k < reads; k++) CLG_TRY(cross(s, clg_root_of(s->p, n->in[k]), part));
        }
    return CLG_OK;
}

clg_status clg_plan_split(clg_plan *p) {
    const size_t n = (size_t)p->n_nodes + 1;
    clg_parts *parts = clg_calloc(1, sizeof *parts);
    if (!parts) return clg_fail_nomem("plan");
    p->parts = parts;
    splitting s = { .p = p, .parts = parts };
    parts->n_nodes = p->n_nodes;
    parts->of_node = clg_arena_array(&p->arena, n, sizeof *parts->of_node);
    s.dev = clg_arena_array(&p->arena, (size_t)p->graph->n_pinned + 3, sizeof *s.dev);
    s.dev_of = clg_arena_array(&p->arena, n, sizeof *s.dev_of);
    s.turn = clg_arena_array(&p->arena, n, sizeof *s.turn);
    s.best = clg_arena_array(&p->arena, n, sizeof *s.best);
    if (!parts->of_node || !s.dev || !s.dev_of || !s.turn || !s.best) return CLG_ERR_NOMEM;
    CLG_TRY(find_devices(&s));
    choose_turns(&s);
    move_to_use(&s);
    CLG_TRY(make_parts(&s));
    CLG_TRY(place_effects(&s));
    CLG_TRY(place_targets(&s));
    return find_crossings(&s);
}

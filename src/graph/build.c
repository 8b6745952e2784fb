/* Building nodes. A candidate lives on the stack while its shapes are inferred; equal nodes are found by a hash table
 * over (op, attributes, inputs, slot, data, result types), and only a new one is copied into the graph's arena. So a
 * failure, or a repetition, leaves the graph as it was. */
#include "graph/graph.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static clg_status fail_node(const clg_node *n, clg_status code, const char *fmt, va_list ap) {
    enum { SHOWN = 8 }; /* a group may have thousands */
    clg_str s = { 0 };
    char text[256];
    const int shown = n->n_in < SHOWN ? n->n_in : SHOWN;
    clg_str_printf(&s, "%s(", n->op->name);
    if (n->n_in == 0 && n->out[0]->name) clg_str_add(&s, n->out[0]->name);
    for (int i = 0; i < shown; i++) clg_str_printf(&s, "%s%s", i ? ", " : "", clg_tensor_name(n->in[i]));
    clg_str_add(&s, shown < n->n_in ? ", ...): " : "): ");
    vsnprintf(text, sizeof text, fmt, ap);
    clg_str_add(&s, text);
    for (int i = 0; i < shown; i++) {
        const clg_tensor *t = n->in[i];
        clg_str_printf(&s, "%s%s is ", i ? ", " : ": ", clg_tensor_name(t));
        clg_str_add(&s, clg_shape_text(t->dtype, t->shape, text, sizeof text));
    }
    if (s.failed) {
        clg_fail(code, "%s: out of host memory for the message", n->op->name);
    } else {
        clg_fail(code, "%s", clg_str_text(&s));
    }
    clg_str_free(&s);
    return code;
}

clg_status clg_fail_op(const clg_node *n, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fail_node(n, CLG_ERR_SHAPE, fmt, ap);
    va_end(ap);
    return CLG_ERR_SHAPE;
}

clg_status clg_fail_op_as(const clg_node *n, clg_status code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fail_node(n, code, fmt, ap);
    va_end(ap);
    return code;
}

clg_status set_out(clg_node *n, int i, clg_dtype t, clg_shape s) {
    char why[256];
    if (!clg_shape_valid(t, s, why, sizeof why)) return clg_fail_op(n, "%s", why);
    n->out[i]->dtype = t;
    clg_shape_copy(&n->out[i]->shape, s);
    return CLG_OK;
}

clg_cost cost_of(const clg_node *n, double flops) {
    clg_cost c = { flops, 0 };
    for (int i = 0; i < n->n_in; i++) {
        bool first = true; /* an operand used twice is read once */
        for (int k = 0; k < i && first && n->n_in <= CLG_MAX_IN; k++) first = n->in[k] != n->in[i];
        if (first) c.bytes += (double)clg_tensor_bytes(n->in[i]);
    }
    for (int i = 0; i < n->n_out; i++) c.bytes += (double)clg_tensor_bytes(n->out[i]);
    return c;
}

/* --- sharing --- */

static bool shareable(const clg_op *op) {
    return !(op->flags & CLG_OP_EFFECT) && op != &clg_op_input;
}

static uint64_t node_hash(const clg_node *n) {
    uint64_t h = clg_fnv1a(CLG_FNV_BASIS, &n->op, sizeof n->op);
    if (n->attr) h = clg_fnv1a(h, n->attr, n->op->attr_size);
    if (n->n_in) h = clg_fnv1a(h, n->in, (size_t)n->n_in * sizeof *n->in);
    h = clg_fnv1a(h, &n->slot, sizeof n->slot);
    h = clg_fnv1a(h, &n->device, sizeof n->device);
    if (n->data) h = clg_fnv1a(h, n->data, clg_tensor_bytes(n->out[0]));
    return h;
}

static bool node_equal(const clg_node *a, const clg_node *b) {
    if (a->hash != b->hash || a->op != b->op || a->n_in != b->n_in || a->slot != b->slot || !a->data != !b->data)
        return false;
    if (a->device != b->device) return false;
    if (a->attr && memcmp(a->attr, b->attr, a->op->attr_size) != 0) return false;
    if (a->n_in && memcmp(a->in, b->in, (size_t)a->n_in * sizeof *a->in) != 0) return false;
    for (int i = 0; i < a->n_out; i++)
        if (a->out[i]->dtype != b->out[i]->dtype || !clg_shape_equal(a->out[i]->shape, b->out[i]->shape)) return false;
    return !a->data || memcmp(a->data, b->data, clg_tensor_bytes(a->out[0])) == 0;
}

/* The place of an equal node, or the empty place where it would go; needs a table that is not full. */
static clg_node **table_place(clg_graph *g, const clg_node *n) {
    const size_t mask = (size_t)g->table_size - 1;
    for (size_t i = (size_t)n->hash & mask;; i = (i + 1) & mask)
        if (!g->table[i] || node_equal(g->table[i], n)) return &g->table[i];
}

static bool table_reserve(clg_graph *g) {
    if (g->table_used < g->table_size / 2) return true;
    const int old_size = g->table_size, size = old_size ? old_size * 2 : 256;
    clg_node **old = g->table, **table = clg_calloc((size_t)size, sizeof *table);
    if (!table) return false;
    g->table = table;
    g->table_size = size;
    for (int i = 0; i < old_size; i++)
        if (old[i]) *table_place(g, old[i]) = old[i];
    clg_free(old);
    return true;
}

/* --- nodes --- */

/* A copy of the candidate in the arena, not yet part of the graph. NULL: no memory. */
static clg_node *copy_node(clg_graph *g, const clg_node *from, const char *name) {
    clg_node *n = clg_arena_copy(&g->arena, from, sizeof *from);
    if (!n) return NULL;
    n->in = clg_arena_copy(&g->arena, from->in, (size_t)from->n_in * sizeof *n->in);
    n->out = clg_arena_array(&g->arena, (size_t)from->n_out, sizeof *n->out);
    if (from->attr) n->attr = clg_arena_copy(&g->arena, from->attr, from->op->attr_size);
    if (from->data) n->data = clg_arena_copy(&g->arena, from->data, clg_tensor_bytes(from->out[0]));
    if (!n->in || !n->out || (from->attr && !n->attr) || (from->data && !n->data)) return NULL;
    for (int i = 0; i < n->n_out; i++) {
        n->out[i] = clg_arena_copy(&g->arena, from->out[i], sizeof *n->out[i]);
        if (!n->out[i]) return NULL;
        n->out[i]->node = n;
        n->out[i]->name = NULL;
    }
    if (name) {
        n->out[0]->name = clg_arena_strdup(&g->arena, name);
        if (!n->out[0]->name) return NULL;
    }
    return n;
}

/* Finds the candidate's equal, or makes it a node of the graph. */
static clg_tensor *commit(clg_graph *g, clg_node *candidate, const char *name) {
    clg_node **place = NULL;
    if (shareable(candidate->op)) {
        candidate->hash = node_hash(candidate);
        if (!table_reserve(g)) goto no_memory;
        place = table_place(g, candidate);
        if (*place) return (*place)->out[0];
    }
    if (!clg_grow(&g->nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes) ||
        !clg_grow(&g->tensors, &g->cap_tensors, g->n_tensors + candidate->n_out, sizeof *g->tensors))
        goto no_memory;
    clg_node *n = copy_node(g, candidate, name);
    if (!n) goto no_memory;
    g->nodes[g->n_nodes++] = n;
    for (int i = 0; i < n->n_out; i++) g->tensors[g->n_tensors++] = n->out[i];
    if (place) {
        *place = n;
        g->table_used++;
    }
    return n->out[0];
no_memory:
    return clg_graph_fail(g, CLG_ERR_NOMEM, "%s: out of host memory for a node of the graph", candidate->op->name);
}

/* Mistakes that no op allows. false: reported. */
static bool check_inputs(clg_graph *g, const clg_node *n) {
    for (int i = 0; i < n->n_in; i++) {
        const clg_tensor *t = n->in[i];
        if (t->graph != g) {
            clg_graph_fail(t->graph, CLG_ERR_INVALID, "%s: %s and %s belong to different graphs", n->op->name,
                           clg_tensor_name(n->in[0]), clg_tensor_name(t));
            clg_graph_fail(g, CLG_ERR_INVALID, "%s: %s and %s belong to different graphs", n->op->name,
                           clg_tensor_name(n->in[0]), clg_tensor_name(t));
            return false;
        }
        if (t->node->op->flags & CLG_OP_EFFECT && n->op != &clg_op_group) {
            clg_graph_fail(g, CLG_ERR_INVALID, "%s: %s is an effect and has no value; list it in clg_compile() or "
                           "clg_group()", n->op->name, clg_tensor_name(t));
            return false;
        }
    }
    return true;
}

/* --- composites --- */

static bool is_small(clg_dtype t) { return t == CLG_F16 || t == CLG_BF16; }

/* What an expansion gave against the rule of the row. false: reported. */
static bool check_expansion(const clg_node *n, clg_tensor *const *out) {
    char made[128], inferred[128];
    for (int i = 0; i < n->n_out; i++) {
        const clg_tensor *t = out[i], *want = n->out[i];
        if (!t) return false;
        if (t->dtype == want->dtype && clg_shape_equal(t->shape, want->shape)) continue;
        clg_graph_fail(n->graph, CLG_ERR_INVALID, "%s expands to %s; its rule says %s", n->op->name,
                       clg_shape_text(t->dtype, t->shape, made, sizeof made),
                       clg_shape_text(want->dtype, want->shape, inferred, sizeof inferred));
        return false;
    }
    return true;
}

/* The expansion with operands of 16 bits widened to f32 and the results narrowed: those types only store, and squares
 * and sums in between would leave their range. */
static bool expand_wide(const clg_node *n, clg_tensor **out) {
    clg_tensor *in[CLG_MAX_IN], result[CLG_MAX_OUT], *results[CLG_MAX_OUT];
    clg_node wide = *n;
    wide.in = in;
    wide.out = results;
    for (int i = 0; i < n->n_in; i++) {
        in[i] = is_small(n->in[i]->dtype) ? clg_cast(n->in[i], CLG_F32) : n->in[i];
        if (!in[i]) return false;
    }
    for (int i = 0; i < n->n_out; i++) {
        result[i] = *n->out[i];
        result[i].node = &wide;
        results[i] = &result[i];
    }
    const clg_status status = n->op->infer(&wide);
    if (status < 0) {
        clg_graph_fail(n->graph, status, "%s", clg_error());
        return false;
    }
    if (!n->op->expand(&wide, out) || !check_expansion(&wide, out)) return false;
    for (int i = 0; i < n->n_out; i++) out[i] = clg_cast(out[i], n->out[i]->dtype);
    return true;
}

/* Fills out[] with what the candidate stands for on this device. false: an error was reported. */
static bool expand(const clg_node *n, clg_tensor **out) {
    bool small = false;
    memset(out, 0, (size_t)n->n_out * sizeof *out);
    for (int i = 0; i < n->n_in; i++) small |= is_small(n->in[i]->dtype);
    if (small && n->n_in <= CLG_MAX_IN && !expand_wide(n, out)) return false;
    if (!small && !n->op->expand(n, out)) return false;
    return check_expansion(n, out);
}

static bool expands(const clg_graph *g, const clg_op *op) {
    return op->expand && !clg_device_get_caps(clg_graph_target(g))->ref;
}

static clg_device *device_of(const clg_graph *g, const clg_op *op, const struct clg_slot *slot) {
    if (slot) return slot->device;
    return op->flags & (CLG_OP_SOURCE | CLG_OP_VIEW | CLG_OP_EFFECT) ? NULL : clg_graph_target(g);
}

/* Finds or makes the node, or expands it; writes all its outputs. */
static bool build(clg_graph *g, const clg_op *op, const void *attr, clg_tensor *const *in, int n, const void *data,
                  struct clg_slot *slot, const char *name, clg_tensor **results) {
    memset(results, 0, (size_t)op->n_out * sizeof *results);
    if (!g) return false;
    while (n > op->min_in && !in[n - 1]) n--; /* optional operands left out */
    for (int i = 0; i < n; i++)
        if (!in[i]) return false; /* whoever made the NULL has reported it */
    if (n < op->min_in || n > op->max_in) {
        clg_graph_fail(g, CLG_ERR_INVALID, "%s: takes %d to %d operands, not %d", op->name, op->min_in, op->max_in, n);
        return false;
    }
    clg_tensor out[CLG_MAX_OUT], *outs[CLG_MAX_OUT];
    clg_node node = { .op = op, .graph = g, .id = g->n_nodes, .n_in = n, .n_out = op->n_out, .out = outs,
                      .attr = op->attr_size ? attr : NULL, .data = data, .slot = slot,
                      .device = device_of(g, op, slot) };
    memcpy(&node.in, &in, sizeof in); /* a candidate only reads its inputs */
    for (int i = 0; i < op->n_out; i++) {
        out[i] = (clg_tensor){ .graph = g, .node = &node, .index = i, .id = g->n_tensors + i };
        outs[i] = &out[i];
    }
    out[0].name = name;
    if (!check_inputs(g, &node)) return false;
    const clg_status status = op->infer(&node);
    if (status < 0) {
        clg_graph_fail(g, status, "%s", clg_error());
        return false;
    }
    if (expands(g, op)) return expand(&node, results);
    const clg_tensor *first = commit(g, &node, name);
    for (int i = 0; first && i < op->n_out; i++) results[i] = first->node->out[i];
    return first != NULL;
}

clg_tensor *clg_node_build_in(clg_graph *g, const clg_op *op, const void *attr, clg_tensor *const *in, int n,
                              const void *data, struct clg_slot *slot, const char *name) {
    clg_tensor *out[CLG_MAX_OUT];
    return build(g, op, attr, in, n, data, slot, name, out) ? out[0] : NULL;
}

static clg_graph *graph_of(clg_tensor *const *in, int n) {
    for (int i = 0; i < n; i++)
        if (in[i]) return in[i]->graph;
    return NULL;
}

clg_tensor *clg_node_build(const clg_op *op, const void *attr, clg_tensor *const *in, int n) {
    return clg_node_build_in(graph_of(in, n), op, attr, in, n, NULL, NULL, NULL);
}

bool clg_node_outputs(const clg_op *op, const void *attr, clg_tensor *const *in, int n, clg_tensor **out) {
    if (build(graph_of(in, n), op, attr, in, n, NULL, NULL, NULL, out)) return true;
    for (int i = 0; i < op->n_out; i++) out[i] = NULL;
    return false;
}

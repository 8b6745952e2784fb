/* A unit as a graph of its own: the op over inputs of the same shapes, and the elementwise chain behind it, so that a
 * candidate is measured with the tail that it takes, or with the extra kernel that it needs. Also the unit's key. */
#include "plan/tune.h"

#include <stdio.h>
#include <string.h>

/* Chains behind 16-bit results are no tails: there, the op is measured alone. */
static int n_nodes(const clg_unit *u) { return u->seen == u->nodes[0] ? u->n_nodes : 1; }

/* --- keys --- */

/* Attributes as numbers: of 64 bits where each is small, as those of convolution are, else of 32. */
static void print_attr(const clg_node *n, clg_str *out) {
    const unsigned char *attr = n->attr;
    const size_t size = n->op->attr_size;
    bool wide = size > 8 && size % 8 == 0;
    for (size_t i = 0; wide && i < size; i += 8) {
        int64_t v;
        memcpy(&v, attr + i, sizeof v);
        wide = v >= INT32_MIN && v <= INT32_MAX;
    }
    clg_str_add(out, wide ? " {" : " {w ");
    for (size_t i = 0; i < size; i += wide ? 8 : 4) {
        int64_t v = 0;
        int32_t half = 0;
        if (wide) memcpy(&v, attr + i, sizeof v);
        else memcpy(&half, attr + i, size - i < 4 ? size - i : 4);
        clg_str_printf(out, "%s%lld", i ? "," : "", wide ? (long long)v : (long long)half);
    }
    clg_str_add(out, "}");
}

void clg_tune_key(const clg_unit *u, bool chain, clg_str *out) {
    const clg_node *n = u->seen;
    char shape[128];
    clg_str_add(out, n->op->name);
    for (int i = 0; i < n->n_in; i++)
        clg_str_printf(out, " %s", clg_shape_text(n->in[i]->dtype, n->in[i]->shape, shape, sizeof shape));
    if (n->op->attr_size > 0) print_attr(n, out);
    for (int i = 1; chain && i < n_nodes(u); i++) clg_str_printf(out, " + %s", u->nodes[i]->op->name);
}

/* --- graphs --- */

static clg_shape cut_shape(clg_shape s, int axis, const clg_tune_part *part) {
    if (axis >= 0) s.dim[axis] = part->count;
    return s;
}

static clg_tensor *add_input(clg_tune_graph *t, const clg_tensor *given, int axis, const clg_tune_part *part) {
    char name[16];
    int k = 0;
    while (k < t->n_in && (t->given[k] != given || t->axis[k] != axis)) k++;
    if (k < t->n_in || k == CLG_TUNE_INPUTS) return k < t->n_in ? t->in[k] : NULL;
    snprintf(name, sizeof name, "in%d", k);
    t->given[k] = given;
    t->axis[k] = axis;
    t->in[k] = clg_input(t->graph, name, given->dtype, cut_shape(given->shape, axis, part));
    t->n_in++;
    return t->in[k];
}

/* The axis of an operand of the chain that runs along axis `cut` of the results; -1: none, it is stretched there. */
static int chain_axis(clg_shape operand, clg_shape result, int cut) {
    const int k = cut < 0 ? -1 : cut - (result.ndim - operand.ndim);
    return k >= 0 && result.dim[cut] > 1 && operand.dim[k] == result.dim[cut] ? k : -1;
}

/* An operand of node i, which is of the chain: a result of the unit, a number, or an input. made: results so far. */
static clg_tensor *chain_operand(clg_tune_graph *t, const clg_plan *p, const clg_unit *u, int i, int k,
                                 clg_tensor *const *made, const clg_tune_part *part) {
    const clg_tensor *x = u->nodes[i]->in[k];
    const int root = clg_root_of(p, x);
    const int axis = part ? chain_axis(x->shape, out_shape(u->nodes[0], 0), part->cut.out) : -1;
    for (int j = 0; j < i; j++)
        if (u->nodes[j]->out[0]->id == root)
            return clg_shape_equal(x->shape, u->nodes[j]->out[0]->shape) ? made[j]
                : clg_reshape(made[j], cut_shape(x->shape, axis, part));
    const clg_value *v = &p->values[root];
    if (v->constant && v->uniform) return clg_fill(t->graph, x->dtype, cut_shape(x->shape, axis, part), v->number);
    return add_input(t, x, axis, part);
}

static clg_status build(clg_tune_graph *t, const clg_plan *p, const clg_unit *u, const clg_tune_part *part,
                        bool nudged) {
    const clg_node *n = u->seen;
    clg_tensor *in[CLG_MAX_IN], *made[CLG_MAX_FUSED + 1];
    for (int i = 0; i < n->n_in; i++) in[i] = add_input(t, n->in[i], part ? part->cut.in[i] : -1, part);
    t->n_out = n->n_out;
    clg_node_outputs(n->op, n->attr, in, n->n_in, t->out);
    made[0] = t->out[0];
    if (nudged && n_nodes(u) > 1 && n->n_out == 1 && t->out[0] && clg_dtype_is_float(t->out[0]->dtype)) {
        t->nudge = clg_input(t->graph, "nudge", t->out[0]->dtype, CLG_SCALAR);
        made[0] = t->own = clg_add(t->out[0], t->nudge);
    }
    for (int i = 1; i < n_nodes(u); i++) {
        const clg_node *c = u->nodes[i];
        for (int k = 0; k < c->n_in; k++) in[k] = chain_operand(t, p, u, i, k, made, part);
        made[i] = clg_node_build(c->op, c->attr, in, c->n_in);
        t->out[0] = made[i];
    }
    const clg_status status = clg_graph_report_error(t->graph);
    return status < 0 || t->out[0] ? status : clg_fail(CLG_ERR_UNSUP, "tuning: %s cannot be built again", n->op->name);
}

clg_status clg_tune_graph_build(clg_tune_graph *t, clg_device *d, const clg_plan *p, const clg_unit *u,
                                const clg_tune_part *part, bool nudged) {
    *t = (clg_tune_graph){ .graph = clg_graph_create(d, NULL) };
    return t->graph ? build(t, p, u, part, nudged) : clg_error_status();
}

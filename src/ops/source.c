/* Where values come from and where they go: input, const, fill, variable (a tensor of the store), assign, group, and
 * stop_grad. None of them has a kernel of its own. */
#include "graph/graph.h"
#include "graph/init.h"

#include "base/alloc.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* --- rows --- */

typedef struct value_attr { int32_t dtype, pad_; clg_shape shape; } value_attr;

static clg_status infer_value(clg_node *n) {
    const value_attr *a = n->attr;
    return set_out(n, 0, (clg_dtype)a->dtype, a->shape);
}

static clg_status infer_input(clg_node *n) {
    const clg_graph *g = n->graph;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == &clg_op_input && strcmp(g->nodes[i]->out[0]->name, n->out[0]->name) == 0)
            return clg_fail_op_as(n, CLG_ERR_INVALID, "the graph has an input of this name already");
    return infer_value(n);
}

static clg_status infer_fill(clg_node *n) {
    const clg_fill_attr *a = n->attr;
    const bool whole = a->value == floor(a->value); /* false for NaN */
    if ((a->dtype == CLG_I32 && !(whole && a->value >= INT32_MIN && a->value <= INT32_MAX)) ||
        (a->dtype == CLG_I64 && !(whole && fabs(a->value) <= 0x1p53)) ||
        (a->dtype == CLG_U8 && !(whole && a->value >= 0 && a->value <= UINT8_MAX)))
        return clg_fail_op_as(n, CLG_ERR_INVALID, "%g is no value of type %s", a->value, clg_dtype_name(a->dtype));
    return set_out(n, 0, a->dtype, a->shape);
}

static void ref_fill(const clg_node *n, const double *const *in, double *const *out) {
    const clg_fill_attr *a = n->attr;
    const int64_t elems = out_elems(n, 0);
    for (int64_t i = 0; i < elems; i++) out[0][i] = a->value;
}

static void ref_const(const clg_node *n, const double *const *in, double *const *out) {
    clg_to_double(n->out[0]->dtype, n->data, out[0], (size_t)out_elems(n, 0));
}

static clg_status infer_variable(clg_node *n) {
    return set_out(n, 0, n->slot->dtype, n->slot->shape);
}

static clg_status infer_assign(clg_node *n) {
    if (n->in[0]->node->op != &clg_op_variable)
        return clg_fail_op_as(n, CLG_ERR_INVALID, "the destination must come from clg_param() or clg_state()");
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "types differ; see clg_cast()");
    if (!clg_shape_equal(in_shape(n, 0), in_shape(n, 1))) return clg_fail_op(n, "shapes differ");
    return set_out(n, 0, CLG_U8, CLG_SCALAR);
}

static clg_status infer_group(clg_node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (!(n->in[i]->node->op->flags & CLG_OP_EFFECT))
            return clg_fail_op_as(n, CLG_ERR_INVALID, "%s is no effect", clg_tensor_name(n->in[i]));
    return set_out(n, 0, CLG_U8, CLG_SCALAR);
}

static clg_status infer_same(clg_node *n) {
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static void ref_same(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)out_elems(n, 0) * sizeof(double));
}

static clg_cost cost_none(const clg_node *n) {
    return (clg_cost){ 0, 0 };
}

const clg_op clg_op_input = {
    .name = "input", .formula = "y = what clg_write() gave", .shapes = "-> [S...]", .n_out = 1, .flags = CLG_OP_SOURCE,
    .attr_size = sizeof(value_attr), .infer = infer_input, .cost = cost_none };
const clg_op clg_op_const = {
    .name = "const", .formula = "y = given values", .shapes = "-> [S...]", .n_out = 1, .flags = CLG_OP_SOURCE,
    .attr_size = sizeof(value_attr), .infer = infer_value, .ref = ref_const, .cost = cost_none };
const clg_op clg_op_fill = {
    .name = "fill", .formula = "y = one value everywhere", .shapes = "-> [S...]", .n_out = 1, .flags = CLG_OP_SOURCE,
    .attr_size = sizeof(clg_fill_attr), .infer = infer_fill, .ref = ref_fill, .cost = cost_none };
const clg_op clg_op_variable = {
    .name = "variable", .formula = "y = a tensor of the store, before the run", .shapes = "-> [S...]", .n_out = 1,
    .flags = CLG_OP_SOURCE, .infer = infer_variable, .cost = cost_none };
const clg_op clg_op_assign = {
    .name = "assign", .formula = "the store's tensor becomes x at the end of the run",
    .shapes = "tensor of the store [S...], x [S...] -> effect", .min_in = 2, .max_in = 2, .n_out = 1,
    .flags = CLG_OP_EFFECT, .infer = infer_assign };
const clg_op clg_op_group = {
    .name = "group", .formula = "all effects", .shapes = "effects -> effect", .max_in = INT_MAX, .n_out = 1,
    .flags = CLG_OP_EFFECT, .infer = infer_group, .cost = cost_none };
const clg_op clg_op_stop_grad = {
    .name = "stop_grad", .formula = "y = x", .shapes = "x [S...] -> [S...]", .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = CLG_OP_VIEW | CLG_OP_NO_GRAD, .infer = infer_same, .ref = ref_same, .cost = cost_none,
    .join = clg_join_rows };

/* --- builders --- */

static bool name_ok(clg_graph *g, const char *call, const char *name) {
    if (name && *name) return true;
    clg_graph_fail(g, CLG_ERR_INVALID, "%s: a name is needed", call);
    return false;
}

clg_tensor *clg_input(clg_graph *g, const char *name, clg_dtype type, clg_shape shape) {
    if (!g || !name_ok(g, "input", name)) return NULL;
    value_attr a;
    memset(&a, 0, sizeof a);
    a.dtype = (int32_t)type;
    clg_shape_copy(&a.shape, shape);
    return clg_node_build_in(g, &clg_op_input, &a, NULL, 0, NULL, NULL, name);
}

clg_tensor *clg_const(clg_graph *g, clg_dtype type, clg_shape shape, const void *data) {
    if (!g) return NULL;
    if (!data) return clg_graph_fail(g, CLG_ERR_INVALID, "const: data is NULL");
    value_attr a;
    memset(&a, 0, sizeof a);
    a.dtype = (int32_t)type;
    clg_shape_copy(&a.shape, shape);
    return clg_node_build_in(g, &clg_op_const, &a, NULL, 0, data, NULL, NULL);
}

clg_tensor *clg_fill(clg_graph *g, clg_dtype type, clg_shape shape, double value) {
    clg_fill_attr a;
    memset(&a, 0, sizeof a);
    a.dtype = type;
    clg_shape_copy(&a.shape, shape);
    a.value = value;
    return clg_node_build_in(g, &clg_op_fill, &a, NULL, 0, NULL, NULL, NULL);
}

/* A slot of this name with equal type and shape, or NULL and *found tells whether there is another one. */
static clg_status check_slot(const clg_slot *slot, const char *call, clg_dtype type, clg_shape shape, bool trainable) {
    char have[128], want[128];
    if (slot->dtype != type || !clg_shape_equal(slot->shape, shape))
        return clg_fail(CLG_ERR_SHAPE, "%s(%s): the store has it as %s, asked for is %s", call, slot->name,
                        clg_shape_text(slot->dtype, slot->shape, have, sizeof have),
                        clg_shape_text(type, shape, want, sizeof want));
    if (!slot->loaded && slot->trainable != trainable)
        return clg_fail(CLG_ERR_INVALID, "%s(%s): the name is in use as a %s", call, slot->name,
                        slot->trainable ? "param" : "state");
    return CLG_OK;
}

static clg_tensor *variable(clg_graph *g, const char *call, const char *name, clg_dtype type, clg_shape shape,
                            bool trainable, enum clg_init init, double value) {
    char why[256];
    if (!g || !name_ok(g, call, name)) return NULL;
    if (!clg_shape_valid(type, shape, why, sizeof why))
        return clg_graph_fail(g, CLG_ERR_SHAPE, "%s(%s): %s", call, name, why);
    clg_slot *slot = clg_store_find(g->store, name);
    clg_status status = CLG_OK;
    if (slot) {
        status = check_slot(slot, call, type, shape, trainable);
    } else {
        status = clg_store_add(g->store, clg_graph_target(g), name, type, shape, trainable, &slot);
        if (status == CLG_OK) {
            slot->initial = (clg_initial){ true, init, value };
            if (trainable ? init != CLG_INIT_ZERO : value != 0 || signbit(value))
                status = clg_slot_reset(slot, clg_graph_seed(g));
            if (status < 0) clg_store_remove_last(g->store);
        }
    }
    if (status < 0) return clg_graph_fail(g, status, "%s", clg_error());
    if (slot->loaded) { /* until now it was nobody's, so it goes where this graph wants it */
        status = clg_slot_move(g->store, slot, clg_graph_target(g));
        if (status < 0) return clg_graph_fail(g, status, "%s", clg_error());
        slot->loaded = false;
        slot->trainable = trainable;
        slot->initial = (clg_initial){ true, init, value };
    }
    return clg_node_build_in(g, &clg_op_variable, NULL, NULL, 0, NULL, slot, name);
}

clg_tensor *clg_param(clg_graph *g, const char *name, clg_dtype type, clg_shape shape, enum clg_init init) {
    if (!g) return NULL;
    if ((unsigned)type < CLG_DTYPE_COUNT && !clg_dtype_is_float(type))
        return clg_graph_fail(g, CLG_ERR_INVALID, "param(%s): what is trained must be of a float type, not %s; use "
                              "clg_state()", name ? name : "NULL", clg_dtype_name(type));
    if (init < CLG_INIT_ZERO || init > CLG_INIT_UNIFORM)
        return clg_graph_fail(g, CLG_ERR_INVALID, "param(%s): unknown initialisation %d", name ? name : "NULL",
                              (int)init);
    return variable(g, "param", name, type, shape, true, init, 0);
}

clg_tensor *clg_state(clg_graph *g, const char *name, clg_dtype type, clg_shape shape, double value) {
    return variable(g, "state", name, type, shape, false, CLG_INIT_ZERO, value);
}

clg_tensor *clg_assign(clg_tensor *dst, clg_tensor *value) {
    if (!dst || !value) return NULL;
    clg_tensor *in[] = { dst, value };
    return clg_node_build_in(dst->graph, &clg_op_assign, NULL, in, 2, NULL, dst->node->slot, NULL);
}

clg_tensor *clg_group(clg_list effects) {
    if (effects.n < 1 || !effects.t) {
        clg_fail(CLG_ERR_INVALID, "group: the list of effects is empty");
        return NULL;
    }
    for (int i = 0; i < effects.n; i++)
        if (!effects.t[i]) return NULL;
    return clg_node_build(&clg_op_group, NULL, effects.t, effects.n);
}

clg_tensor *clg_stop_grad(clg_tensor *x) {
    return clg_node_build(&clg_op_stop_grad, NULL, &x, 1);
}

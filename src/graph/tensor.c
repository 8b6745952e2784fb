/* Tensors: types, shapes, names. */
#include "base/arena.h"
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

static const struct { const char *name; size_t size; } dtypes[CLG_DTYPE_COUNT] = {
    [CLG_F32] = { "f32", 4 }, [CLG_F16] = { "f16", 2 }, [CLG_BF16] = { "bf16", 2 },
    [CLG_F64] = { "f64", 8 }, [CLG_I32] = { "i32", 4 }, [CLG_U8] = { "u8", 1 },
    [CLG_I64] = { "i64", 8 },
};

static bool known(clg_dtype t) {
    return (unsigned)t < CLG_DTYPE_COUNT;
}

const char *clg_dtype_name(clg_dtype t) {
    return known(t) ? dtypes[t].name : "?";
}

size_t clg_dtype_size(clg_dtype t) {
    return known(t) ? dtypes[t].size : 0;
}

clg_shape clg_tensor_shape(const clg_tensor *t) {
    return t ? t->shape : (clg_shape){ .ndim = -1 };
}

clg_dtype clg_tensor_dtype(const clg_tensor *t) {
    return t ? t->dtype : CLG_DTYPE_COUNT;
}

clg_graph *clg_tensor_graph(const clg_tensor *t) {
    return t ? t->graph : NULL;
}

size_t clg_tensor_bytes(const clg_tensor *t) {
    return t ? (size_t)clg_shape_elems(t->shape) * clg_dtype_size(t->dtype) : 0;
}

const char *clg_tensor_name(const clg_tensor *t) {
    if (!t) return "NULL";
    if (t->name) return t->name;
    if (!t->made_name) {
        clg_tensor *made = t->node->out[t->index]; /* the same tensor, not const: the name is a cache */
        made->made_name = clg_arena_printf(&t->graph->arena, "%s_%d", t->node->op->name, t->id);
    }
    return t->made_name ? t->made_name : t->node->op->name;
}

/* Names of inputs and of what lives in the store are their identity: those stay. */
clg_tensor *clg_named(clg_tensor *t, const char *name) {
    if (!t || !name || t->node->op == &clg_op_input || t->node->op == &clg_op_variable) return t;
    const char *copy = clg_arena_strdup(&t->graph->arena, name);
    if (!copy) return clg_graph_fail(t->graph, CLG_ERR_NOMEM, "out of host memory: name \"%s\"", name);
    t->name = copy;
    return t;
}

char *clg_shape_text(clg_dtype t, clg_shape s, char *buf, size_t size) {
    size_t at = (size_t)snprintf(buf, size, "%s[", clg_dtype_name(t));
    if (s.ndim < 0) at += (size_t)snprintf(buf + at, size - at, "?");
    for (int i = 0; i < s.ndim && i < CLG_MAX_DIMS && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%lld", i ? "," : "", (long long)s.dim[i]);
    if (at < size) snprintf(buf + at, size - at, "]");
    return buf;
}

void clg_shape_copy(clg_shape *to, clg_shape from) {
    memset(to, 0, sizeof *to);
    to->ndim = from.ndim;
    for (int i = 0; i < from.ndim && i < CLG_MAX_DIMS; i++) to->dim[i] = from.dim[i];
}

bool clg_shape_valid(clg_dtype t, clg_shape s, char *why, size_t size) {
    if (!known(t)) {
        snprintf(why, size, "unknown type %d", (int)t);
        return false;
    }
    if (s.ndim < 0 || s.ndim > CLG_MAX_DIMS) {
        snprintf(why, size, "a tensor has 0 to %d axes, not %d", CLG_MAX_DIMS, s.ndim);
        return false;
    }
    /* Every element may become a double on the reference device. Zeros do not count, so that no partial product of
     * the other sizes overflows either. */
    int64_t left = (int64_t)(PTRDIFF_MAX / sizeof(double));
    for (int i = 0; i < s.ndim; i++) {
        if (s.dim[i] < 0) {
            snprintf(why, size, "size %lld of axis %d is negative", (long long)s.dim[i], i);
            return false;
        }
        if (s.dim[i] == 0) continue;
        left /= s.dim[i];
        if (left == 0) {
            char text[128];
            snprintf(why, size, "%s has more elements than can be addressed", clg_shape_text(t, s, text, sizeof text));
            return false;
        }
    }
    return true;
}

int clg_axis(int axis, int ndim) {
    if (axis < 0) axis += ndim;
    return axis >= 0 && axis < ndim ? axis : -1;
}

bool clg_shape_broadcast(clg_shape a, clg_shape b, clg_shape *out) {
    clg_shape s = { .ndim = a.ndim > b.ndim ? a.ndim : b.ndim };
    for (int i = 1; i <= s.ndim; i++) { /* from the last axis */
        const int64_t da = i <= a.ndim ? a.dim[a.ndim - i] : 1, db = i <= b.ndim ? b.dim[b.ndim - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        s.dim[s.ndim - i] = da == 1 ? db : da;
    }
    *out = s;
    return true;
}

clg_tensor *clg_sum_to(clg_tensor *x, clg_shape shape) {
    if (!x || clg_shape_equal(x->shape, shape)) return x;
    const int lead = x->shape.ndim - shape.ndim;
    unsigned axes = 0;
    for (int i = 0; i < x->shape.ndim; i++)
        if (i < lead || (shape.dim[i - lead] == 1 && x->shape.dim[i] != 1)) axes |= CLG_AXIS(i);
    clg_tensor *sum = axes ? clg_sum(x, axes) : x;
    return sum && !clg_shape_equal(sum->shape, shape) ? clg_reshape(sum, shape) : sum;
}

/* --- micro-batches --- */

enum clg_join clg_join_rows(const clg_node *n, const enum clg_join *in, int out) {
    (void)out;
    for (int i = 0; i < n->n_in; i++)
        if (in[i] != CLG_JOIN_ROWS) return CLG_JOIN_NONE;
    return CLG_JOIN_ROWS;
}

enum clg_join clg_join_first(const clg_node *n, const enum clg_join *in, int out) {
    (void)out;
    for (int i = 0; i < n->n_in; i++)
        if (in[i] != (i == 0 ? CLG_JOIN_ROWS : CLG_JOIN_WHOLE)) return CLG_JOIN_NONE;
    return CLG_JOIN_ROWS;
}

bool clg_part_build(const clg_node *n, const void *attr, clg_tensor *const *in, clg_tensor **out) {
    return clg_node_outputs(n->op, attr, in, n->n_in, out);
}

bool clg_part_shape(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    clg_shape attr;
    (void)first;
    clg_shape_copy(&attr, n->out[0]->shape);
    attr.dim[0] = in[0]->shape.dim[0];
    return clg_part_build(n, &attr, in, out);
}

/* The generator of elementwise kernels: one for each unit of fused nodes, written from the expr strings of their ops.
 *
 * cpu  work-group of one; each work-item walks a chunk of the innermost axis in vectors of 16. Axes along which all
 *      operands run on evenly are merged, so that mostly one axis is left; else rows, their starts found by div/mod.
 * gpu  one work-item an element; operands that are stretched are found by div/mod.
 * Sizes, strides and odd numbers are arguments, so that another batch size or learning rate needs no other program.
 * A unit may mix types. u8 is computed as int, floats of 16 bits as float; each node's result is brought to what its
 * type can hold, so that a value is the same whether it is stored or stays inside.
 * Contraction to fma is off: a fused kernel gives the bits of separate ones. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_OPERAND = 3 * CLG_MAX_FUSED, /* no elementwise op has more than 3 */
    MAX_PTR = MAX_OPERAND + CLG_MAX_FUSED,
    MAX_ARG = MAX_PTR + MAX_OPERAND * (1 + CLG_MAX_DIMS) + 2 * CLG_MAX_DIMS,
    GPU_GROUP = 256,
    CHUNK = 4096, /* elements that are worth a work-item of class cpu */
};

/* A buffer argument. */
typedef struct pointer {
    int  value;             /* the root that names the memory: values in one place share a pointer */
    bool read, written;
} pointer;

enum pattern { FULL, ONE, STRIDED };

/* One way of walking through an operand. */
typedef struct load {
    int pointer, root;
    enum pattern pattern;
    int64_t stride[CLG_MAX_DIMS]; /* of each axis of the unit; 0: stretched */
} load;

typedef struct number {
    double value;
    enum clg_arg_kind kind;
} number;

typedef struct gen {
    clg_plan *p;
    const clg_unit *u;
    int      unit, position;
    bool     gpu;
    int      n_dims;
    int64_t  dim[CLG_MAX_DIMS], elems;
    pointer  ptr[MAX_PTR];
    load     loads[MAX_OPERAND];
    number   numbers[MAX_OPERAND];
    int      operand[CLG_MAX_FUSED][CLG_MAX_IN]; /* the load of each operand that comes from outside */
    int      n_ptr, n_loads, n_numbers;
    clg_str  text;          /* parameters and body */
    clg_step_arg args[MAX_ARG];
    int      n_args;
    bool     failed;        /* no memory */
} gen;

/* What is computed in: one element, a vector, and the integers of the same width, which conditions of vectors need. */
typedef struct value_class {
    const char *type[2], *mask[2]; /* [1]: of one element, for class gpu */
    enum clg_arg_kind kind;        /* of a number of this type */
    const char *format;            /* of a literal */
} value_class;

static const value_class
    floats  = { { "float16", "float" }, { "int16", "int" }, CLG_ARG_FLOAT, "%.1ff" },
    doubles = { { "double16", "double" }, { "long16", "long" }, CLG_ARG_DOUBLE, "%.1f" },
    ints    = { { "int16", "int" }, { "int16", "int" }, CLG_ARG_INT, "%.0f" },
    longs   = { { "long16", "long" }, { "long16", "long" }, CLG_ARG_LONG, "%.0f" };

static const struct { const char *memory; const value_class *value; } types[CLG_DTYPE_COUNT] = {
    [CLG_F32] = { "float", &floats },   [CLG_F16] = { "ushort", &floats }, [CLG_BF16] = { "ushort", &floats },
    [CLG_F64] = { "double", &doubles }, [CLG_I32] = { "int", &ints },      [CLG_U8] = { "uchar", &ints },
    [CLG_I64] = { "long", &longs },
};

static const char *value_type(const gen *g, clg_dtype t) { return types[t].value->type[g->gpu]; }
static bool is_small(clg_dtype t) { return t == CLG_F16 || t == CLG_BF16; }

/* --- analysis: pointers, loads, axes --- */

static int mem_of(const clg_plan *p, int v) {
    while (p->values[v].mem != v) v = p->values[v].mem;
    return v;
}

static int find_pointer(gen *g, int root) {
    const int mem = mem_of(g->p, root);
    for (int i = 0; i < g->n_ptr; i++)
        if (mem_of(g->p, g->ptr[i].value) == mem) return i;
    g->ptr[g->n_ptr] = (pointer){ .value = root };
    return g->n_ptr++;
}

/* The node of the unit that computes a root; -1: it comes from outside. */
static int node_of(const gen *g, int root) {
    for (int i = 0; i < g->u->n_nodes; i++)
        if (g->u->nodes[i]->out[0]->id == root) return i;
    return -1;
}

static bool is_number(const gen *g, int root) {
    return g->p->values[root].constant && g->p->values[root].uniform;
}

static load walk(const gen *g, const clg_tensor *t, clg_shape s) {
    load l = { .root = clg_root_of(g->p, t) };
    const int64_t n = clg_shape_elems(t->shape);
    if (n == g->elems) return l; /* the same elements in the same order, whatever the axes */
    l.pattern = n == 1 ? ONE : STRIDED;
    int64_t step = 1;
    for (int d = s.ndim - 1, k = t->shape.ndim - 1; d >= 0 && k >= 0; d--, k--) {
        l.stride[d] = t->shape.dim[k] == 1 ? 0 : step;
        step *= t->shape.dim[k];
    }
    return l;
}

/* Index of the load of an operand, added if it is new. */
static int find_load(gen *g, const clg_tensor *t) {
    const load l = walk(g, t, g->u->nodes[0]->out[0]->shape);
    for (int i = 0; i < g->n_loads; i++)
        if (g->loads[i].root == l.root && g->loads[i].pattern == l.pattern
            && memcmp(g->loads[i].stride, l.stride, sizeof l.stride) == 0)
            return i;
    g->loads[g->n_loads] = l;
    return g->n_loads++;
}

static void find_loads(gen *g) {
    for (int i = 0; i < g->u->n_nodes; i++)
        for (int k = 0; k < g->u->nodes[i]->n_in; k++) {
            const clg_tensor *t = g->u->nodes[i]->in[k];
            const int root = clg_root_of(g->p, t);
            if (node_of(g, root) >= 0 || is_number(g, root)) continue;
            const int l = g->operand[i][k] = find_load(g, t);
            g->loads[l].pointer = find_pointer(g, root);
            g->ptr[g->loads[l].pointer].read = true;
        }
}

static bool is_stored(const gen *g, const clg_node *n) {
    const clg_value *v = &g->p->values[n->out[0]->id];
    return v->keep || v->leaves || v->place == CLG_PLACE_SLOT;
}

/* An output may take the memory of an operand that dies here, if it is read element by element: with as many elements,
 * it is not stretched. */
static void share_memory(gen *g, clg_value *out) {
    const clg_plan *p = g->p;
    if (p->params.no_inplace || p->params.no_reuse || out->place != CLG_PLACE_ARENA) return;
    for (int i = 0; i < g->n_ptr; i++) {
        const clg_value *v = &p->values[g->ptr[i].value];
        if (g->ptr[i].written || v->place != CLG_PLACE_ARENA || v->keep) continue;
        if (v->last_unit != g->position || clg_value_elems(v) != g->elems) continue;
        if (v->t->dtype != out->t->dtype) continue;
        out->mem = g->ptr[i].value;
        return;
    }
}

static void find_outputs(gen *g) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        if (!is_stored(g, g->u->nodes[i])) continue;
        const int root = g->u->nodes[i]->out[0]->id;
        share_memory(g, &g->p->values[root]);
        g->ptr[find_pointer(g, root)].written = true;
    }
}

/* Drops axes of size 1 and merges neighbours along which every stretched operand runs on evenly. */
static void merge_axes(gen *g) {
    const clg_shape s = g->u->nodes[0]->out[0]->shape;
    int n = 0;
    for (int d = 0; d < s.ndim; d++) {
        bool even = n > 0;
        if (s.dim[d] == 1) continue;
        for (int i = 0; i < g->n_loads && even; i++) {
            const int64_t *stride = g->loads[i].stride;
            even = g->loads[i].pattern != STRIDED || stride[n - 1] == stride[d] * s.dim[d];
        }
        if (!even) g->dim[n++] = 1;
        g->dim[n - 1] *= s.dim[d];
        for (int i = 0; i < g->n_loads; i++) g->loads[i].stride[n - 1] = g->loads[i].stride[d];
    }
    if (n == 0) g->dim[n++] = 1;
    g->n_dims = n;
}

/* --- arguments --- */

static clg_step_arg *add_arg(gen *g, enum clg_arg_kind kind, const char *fmt, int a, int b) {
    char name[32];
    snprintf(name, sizeof name, fmt, a, b);
    clg_step_arg *x = &g->args[g->n_args++];
    *x = (clg_step_arg){ .kind = kind, .value = -1, .name = clg_arena_strdup(&g->p->arena, name) };
    if (!x->name) g->failed = true;
    return x;
}

/* Parameters are written in the order of the arguments. */
static void size_arg(gen *g, bool wide, const char *fmt, int a, int b, int64_t i) {
    clg_step_arg *x = add_arg(g, wide ? CLG_ARG_LONG : CLG_ARG_INT, fmt, a, b);
    x->u.i = i;
    if (x->name) clg_str_printf(&g->text, ", const %s %s", wide ? "long" : "int", x->name);
}

static void pointer_args(gen *g) {
    for (int i = 0; i < g->n_ptr; i++) {
        const pointer *x = &g->ptr[i];
        const enum clg_arg_kind kind = !x->written ? CLG_ARG_IN : x->read ? CLG_ARG_INOUT : CLG_ARG_OUT;
        add_arg(g, kind, "p%d", i, 0)->value = x->value;
        clg_str_printf(&g->text, "%s%s_T(%s, p%d)", i ? ", " : "",
                       kind == CLG_ARG_IN ? "IN" : kind == CLG_ARG_OUT ? "OUT" : "INOUT",
                       types[g->p->values[x->value].t->dtype].memory, i);
    }
    for (int i = 0; i < g->n_numbers; i++) {
        const number *c = &g->numbers[i];
        clg_step_arg *x = add_arg(g, c->kind, "c%d", i, 0);
        const char *type = c->kind == CLG_ARG_INT ? "int" : c->kind == CLG_ARG_LONG ? "long"
            : c->kind == CLG_ARG_FLOAT ? "float" : "double";
        if (c->kind == CLG_ARG_INT || c->kind == CLG_ARG_LONG) /* 2^63 stands for the largest */
            x->u.i = c->value >= 0x1p63 ? INT64_MAX : c->value <= -0x1p63 ? INT64_MIN : (int64_t)c->value;
        else x->u.f = c->value;
        clg_str_printf(&g->text, ", const %s c%d", type, i);
    }
}

/* Sizes of all axes but the first, and the strides that are not 0; of class cpu, the last axis is handled apart. */
static void axis_args(gen *g, bool wide) {
    const int axes = g->gpu ? g->n_dims : g->n_dims - 1;
    for (int d = 1; d < axes; d++) size_arg(g, wide, "d%d", d, 0, g->dim[d]);
    for (int i = 0; i < g->n_loads; i++)
        for (int d = 0; d < axes && g->loads[i].pattern == STRIDED; d++)
            if (g->loads[i].stride[d] != 0) size_arg(g, wide, "s%d_%d", i, d, g->loads[i].stride[d]);
}

/* --- text of the nodes --- */

/* Numbers that belong to the shape of the code; others, like a learning rate or 1/batch, are arguments. */
static bool is_plain(double v) { return !isfinite(v) || fabs(v) == 0.5 || (v == rint(v) && fabs(v) <= 16); }

static void write_number(gen *g, clg_str *out, double v, clg_dtype t) {
    const value_class *c = types[t].value;
    clg_str_printf(out, "((%s)(", value_type(g, t));
    if (isnan(v)) clg_str_add(out, "NAN");
    else if (isinf(v)) clg_str_add(out, v > 0 ? "INFINITY" : "-INFINITY");
    else if (is_plain(v)) clg_str_printf(out, c->format, v);
    else {
        int i = 0;
        while (i < g->n_numbers && (g->numbers[i].value != v || g->numbers[i].kind != c->kind)) i++;
        if (i == g->n_numbers) g->numbers[g->n_numbers++] = (number){ v, c->kind };
        clg_str_printf(out, "c%d", i);
    }
    clg_str_add(out, "))");
}

static void write_operand(gen *g, clg_str *out, int i, int k) {
    const clg_tensor *t = g->u->nodes[i]->in[k];
    const int root = clg_root_of(g->p, t), node = node_of(g, root);
    if (node >= 0) clg_str_printf(out, "v%d", node);
    else if (is_number(g, root)) write_number(g, out, g->p->values[root].number, t->dtype);
    else clg_str_printf(out, "x%d", g->operand[i][k]);
}

/* A conversion to the value type. To 16 bits it is the first of two roundings, and must not spoil the second. */
static void write_conversion(const gen *g, clg_str *out, clg_dtype from, clg_dtype to) {
    if (!is_small(to)) clg_str_printf(out, "convert_%s", value_type(g, to));
    else if (types[from].value != &floats) clg_str_printf(out, "ew_odd_%s", value_type(g, from));
}

/* $0 $1 $2: operands; $T: the value type of the result, $S of operand 0; $V(x): x as $T; $M: the mask of $T; $C: what
 * converts to $T */
static void write_expr(gen *g, clg_str *out, int i) {
    const clg_node *n = g->u->nodes[i];
    const clg_dtype t = n->out[0]->dtype;
    for (const char *s = n->op->expr; *s; s++) {
        if (*s != '$') clg_str_add_bytes(out, s, 1);
        else if (*++s == 'T') clg_str_add(out, value_type(g, t));
        else if (*s == 'V') clg_str_printf(out, "(%s)", value_type(g, t));
        else if (*s == 'M') clg_str_add(out, types[t].value->mask[g->gpu]);
        else if (*s == 'S') clg_str_add(out, value_type(g, n->in[0]->dtype));
        else if (*s == 'C') write_conversion(g, out, n->in[0]->dtype, t);
        else write_operand(g, out, i, *s - '0');
    }
}

/* The result of a node, as a store and a load would leave it. */
static void write_nodes(gen *g, clg_str *out, const char *indent) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_dtype t = g->u->nodes[i]->out[0]->dtype;
        const char *type = value_type(g, t);
        clg_str_printf(out, "%sconst %s v%d = ", indent, type, i);
        if (t == CLG_U8) clg_str_add(out, "clamp(");
        else if (is_small(t)) clg_str_printf(out, "ew_round_%s_%s(", clg_dtype_name(t), type);
        write_expr(g, out, i);
        if (t == CLG_U8) clg_str_printf(out, ", (%s)(0), (%s)(255))", type, type);
        clg_str_add(out, is_small(t) ? ");\n" : ";\n");
    }
}

/* Index of a strided load: the sum of axis times stride over axes 0 .. axes - 1. */
static void write_index(const gen *g, clg_str *out, int l, int axes, const char *type) {
    bool any = false;
    for (int d = 0; d < axes; d++) {
        if (g->loads[l].stride[d] == 0) continue;
        clg_str_printf(out, "%s(%s)i%d * s%d_%d", any ? " + " : "", type, d, l, d);
        any = true;
    }
    if (!any) clg_str_add(out, "0");
}

/* The axes 0 .. axes - 1 of the position q<axes - 1>: q of an axis counts the outer ones with it. One division each: of
 * a division beside a remainder LLVM makes a "freeze", which Oclgrind 21.10 does not know. */
static void write_axes(clg_str *out, int axes, const char *type, const char *indent) {
    for (int d = axes - 1; d > 0; d--)
        clg_str_printf(out, "%sconst %s q%d = q%d / (%s)d%d, i%d = q%d - q%d * (%s)d%d;\n", indent, type, d - 1, d,
                       type, d, d, d, d - 1, type, d);
    clg_str_printf(out, "%sconst %s i0 = q0;\n", indent, type);
}

static clg_dtype load_dtype(const gen *g, int l) { return g->p->values[g->loads[l].root].t->dtype; }

/* --- class gpu --- */

static void write_gpu(gen *g, clg_str *out, bool wide) {
    const char *type = wide ? "ulong" : "uint";
    bool strided = false;
    for (int i = 0; i < g->n_loads; i++) strided |= g->loads[i].pattern == STRIDED;
    clg_str_add(out, "    const size_t i = get_global_id(0);\n    if (i >= (size_t)n) return;\n");
    if (strided) {
        clg_str_printf(out, "    const %s q%d = (%s)i;\n", type, g->n_dims - 1, type);
        write_axes(out, g->n_dims, type, "    ");
    }
    for (int i = 0; i < g->n_loads; i++) {
        const load *l = &g->loads[i];
        const clg_dtype t = load_dtype(g, i);
        clg_str_printf(out, "    const %s x%d = ew_get_%s(AT(p%d, ", value_type(g, t), i, clg_dtype_name(t),
                       l->pointer);
        if (l->pattern == STRIDED) write_index(g, out, i, g->n_dims, type);
        else clg_str_add(out, l->pattern == FULL ? "i" : "0");
        clg_str_add(out, "));\n");
    }
    write_nodes(g, out, "    ");
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_tensor *t = g->u->nodes[i]->out[0];
        if (is_stored(g, g->u->nodes[i]))
            clg_str_printf(out, "    ew_put_%s(AT(p%d, i), v%d);\n", clg_dtype_name(t->dtype),
                           find_pointer(g, t->id), i);
    }
}

static void launch_gpu(gen *g, clg_step *s) {
    size_t group = GPU_GROUP;
    while (group > 1 && (group > g->p->caps->max_group || group > g->p->caps->max_item[0])) group /= 2;
    s->local[0] = group;
    s->global[0] = ((size_t)g->elems + group - 1) / group * group;
}

/* --- class cpu --- */

/* Where a load stands: in the inner loop; before it, if it is stretched along a row; before the loop over rows, if it
 * is one element, or a single vector that all rows share. */
enum level { INNER, ROW, ONCE };

static enum level level_of(const gen *g, int l) {
    const load *x = &g->loads[l];
    const int last = g->n_dims - 1;
    if (x->pattern != STRIDED) return x->pattern == ONE ? ONCE : INNER;
    if (x->stride[last] == 0) return ROW;
    for (int d = 0; d < last; d++)
        if (x->stride[d] != 0) return INNER;
    return g->dim[last] <= 16 ? ONCE : INNER;
}

static void write_loads(gen *g, clg_str *out, enum level level, bool rows, const char *indent) {
    for (int i = 0; i < g->n_loads; i++) {
        const load *l = &g->loads[i];
        const char *type = value_type(g, load_dtype(g, i)), *stored = clg_dtype_name(load_dtype(g, i));
        if (level_of(g, i) != level) continue;
        clg_str_printf(out, "%sconst %s x%d = ", indent, type, i);
        if (l->pattern == ONE) clg_str_printf(out, "(%s)(ew_get_%s(AT(p%d, 0)))", type, stored, l->pointer);
        else if (level == ONCE) clg_str_printf(out, "ew_load_%s(AT(p%d, 0), (int)n)", stored, l->pointer);
        else if (level == ROW) clg_str_printf(out, "(%s)(ew_get_%s(AT(p%d, b%d)))", type, stored, l->pointer, i);
        else if (l->pattern == STRIDED)
            clg_str_printf(out, "ew_load_%s(AT(p%d, b%d + i), left)", stored, l->pointer, i);
        else clg_str_printf(out, "ew_load_%s(AT(p%d, at), %s)", stored, l->pointer, rows ? "wide" : "left");
        clg_str_add(out, ";\n");
    }
}

/* At the end of a row, whole vectors that reach into the next row are faster than parts of one: what is stored there is
 * overwritten when this work-item comes to it. Not so in place, where it is still to be read, and never beyond the rows
 * of the work-item. */
static void write_loop(gen *g, clg_str *out, bool rows, const char *indent) {
    char deeper[32];
    snprintf(deeper, sizeof deeper, "%s    ", indent);
    clg_str_printf(out, "%sfor (long i = begin; i < end; i += 16) {\n%sconst long at = %si;\n"
                        "%sconst int left = (int)min(end - i, (long)16);\n", indent, deeper, rows ? "row * n + " : "",
                   deeper);
    if (rows) clg_str_printf(out, "%sconst int wide = at <= safe ? 16 : left;\n", deeper);
    write_loads(g, out, INNER, rows, deeper);
    write_nodes(g, out, deeper);
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_tensor *t = g->u->nodes[i]->out[0];
        if (!is_stored(g, g->u->nodes[i])) continue;
        const int x = find_pointer(g, t->id);
        clg_str_printf(out, "%sew_store_%s(AT(p%d, at), v%d, %s);\n", deeper, clg_dtype_name(t->dtype), x, i,
                       rows && !g->ptr[x].read ? "wide" : "left");
    }
    clg_str_printf(out, "%s}\n", indent);
}

static void write_cpu(gen *g, clg_str *out) {
    clg_str_add(out, "    const long begin = (long)get_global_id(0) * chunk, end = min(begin + chunk, n);\n");
    write_loads(g, out, ONCE, false, "    ");
    if (g->n_dims == 1) {
        write_loop(g, out, false, "    ");
        return;
    }
    clg_str_add(out, "    const long first = (long)get_global_id(1) * block, last = min(first + block, rows);\n"
                     "    const long safe = chunk >= n ? last * n - 16 : -1;\n"
                     "    for (long row = first; row < last; row++) {\n");
    clg_str_printf(out, "        const long q%d = row;\n", g->n_dims - 2);
    write_axes(out, g->n_dims - 1, "long", "        ");
    for (int i = 0; i < g->n_loads; i++) {
        if (g->loads[i].pattern != STRIDED || level_of(g, i) == ONCE) continue;
        clg_str_printf(out, "        const long b%d = ", i);
        write_index(g, out, i, g->n_dims - 1, "long");
        clg_str_add(out, ";\n");
    }
    write_loads(g, out, ROW, true, "        ");
    write_loop(g, out, true, "        ");
    clg_str_add(out, "    }\n");
}

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* A few chunks for each compute unit, none smaller than CHUNK elements: over rows first, then along them. */
static void cpu_sizes(gen *g, clg_step *s) {
    const int64_t n = g->dim[g->n_dims - 1], rows = g->elems / n;
    const int64_t units = g->p->caps->compute_units > 0 ? g->p->caps->compute_units : 1;
    int64_t items = ceil_div(g->elems, CHUNK);
    if (items > 4 * units) items = 4 * units;
    const int64_t block = ceil_div(rows, items < rows ? items : rows), blocks = ceil_div(rows, block);
    const int64_t chunk = ceil_div(ceil_div(n, ceil_div(items, blocks)), 64) * 64;
    s->global[0] = (size_t)ceil_div(n, chunk);
    s->global[1] = (size_t)blocks;
    size_arg(g, true, "n", 0, 0, n);
    size_arg(g, true, "chunk", 0, 0, chunk);
    if (g->n_dims == 1) return;
    size_arg(g, true, "rows", 0, 0, rows);
    size_arg(g, true, "block", 0, 0, block);
}

/* --- the whole kernel --- */

static void write_kernel(gen *g, clg_step *s) {
    clg_str body = { 0 };
    const bool wide = g->elems > INT32_MAX;
    if (g->gpu) write_gpu(g, &body, wide); /* before the parameters: it finds the numbers */
    else write_cpu(g, &body);
    clg_str_add(&g->text, "(");
    pointer_args(g);
    for (int i = 0; i < 3; i++) s->global[i] = s->local[i] = 1;
    if (g->gpu) {
        size_arg(g, wide, "n", 0, 0, g->elems);
        launch_gpu(g, s);
    } else cpu_sizes(g, s);
    axis_args(g, wide);
    clg_str_printf(&g->text, ") {\n%s}\n", clg_str_text(&body));
    g->failed |= body.failed || g->text.failed;
    clg_str_free(&body);
}

/* The name of the kernel with this text, added if it is new; NULL: no memory. */
static const char *name_kernel(clg_plan *p, const char *body) {
    for (int i = 0; i < p->n_generated; i++)
        if (strcmp(p->generated[i].body, body) == 0)
            return clg_arena_strdup(&p->arena, p->generated[i].name);
    if (!clg_grow(&p->generated, &p->cap_generated, p->n_generated + 1, sizeof *p->generated)) return NULL;
    clg_generated *k = &p->generated[p->n_generated];
    k->body = clg_arena_strdup(&p->arena, body);
    if (!k->body) return NULL;
    snprintf(k->name, sizeof k->name, "ew_%d", p->n_generated++);
    return clg_arena_strdup(&p->arena, k->name);
}

static clg_status finish(gen *g, clg_step *s) {
    clg_plan *p = g->p;
    if (g->failed) return clg_fail_nomem("elementwise kernel");
    s->function = name_kernel(p, clg_str_text(&g->text));
    s->options = s->local[0] == 1 ? "" : clg_arena_printf(&p->arena, "-DWGX=%zu", s->local[0]);
    s->args = clg_arena_copy(&p->arena, g->args, (size_t)g->n_args * sizeof *g->args);
    s->n_args = g->n_args;
    if (!s->function || !s->options || !s->args) return clg_fail_nomem("elementwise kernel");
    for (int i = 0; i < g->n_ptr; i++) {
        const double bytes = (double)clg_value_bytes(p, &p->values[g->ptr[i].value]);
        s->bytes += bytes * (g->ptr[i].read && g->ptr[i].written ? 2 : 1);
    }
    for (int i = 0; i < g->n_loads; i++) p->generated_types |= 1u << load_dtype(g, i);
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_node *n = g->u->nodes[i];
        p->generated_types |= 1u << n->out[0]->dtype;
        for (int k = 0; k < n->n_in; k++) p->generated_types |= 1u << n->in[k]->dtype;
        s->flops += n->op->cost ? n->op->cost(n).flops : (double)g->elems;
    }
    return CLG_OK;
}

static clg_status generate(gen *g) {
    clg_plan *p = g->p;
    while (p->order[g->position] != g->unit) g->position++;
    find_loads(g);
    find_outputs(g);
    for (int i = 0; i < g->n_ptr; i++) { /* constants get memory once a kernel reads them */
        clg_value *v = &p->values[g->ptr[i].value];
        if (v->place == CLG_PLACE_NONE && v->constant) v->place = CLG_PLACE_FIXED;
    }
    const char *impl = !g->u->elementwise ? "convert" : g->gpu ? "elementwise.gpu" : "elementwise.cpu";
    clg_step *s = clg_step_add(p, CLG_STEP_KERNEL, g->unit, impl, 0);
    if (!s) return CLG_ERR_NOMEM;
    merge_axes(g);
    write_kernel(g, s);
    return finish(g, s);
}

static clg_status emit_unit(clg_plan *p, const clg_unit *u, int unit) {
    if (out_elems(u->nodes[0], 0) == 0) return CLG_OK;
    gen *g = clg_calloc(1, sizeof *g);
    if (!g) return clg_fail_nomem("elementwise kernel");
    g->p = p;
    g->u = u;
    g->unit = unit;
    g->gpu = clg_elementwise_for_gpu(p);
    g->elems = out_elems(g->u->nodes[0], 0);
    const clg_status status = generate(g);
    clg_str_free(&g->text);
    clg_free(g);
    return status;
}

clg_status clg_emit_elementwise(clg_plan *p, int unit) { return emit_unit(p, &p->units[unit], unit); }

clg_status clg_emit_convert(clg_plan *p, int unit, clg_tensor *from, clg_tensor *to) {
    static const clg_op convert = { .name = "convert", .n_out = 1, .flags = CLG_OP_ELEMENTWISE, .expr = "$C($0)" };
    const clg_node node = { .op = &convert, .graph = p->graph, .n_in = 1, .n_out = 1, .in = &from, .out = &to };
    const clg_node *nodes[] = { &node };
    p->values[to->id].leaves = true; /* so it is stored */
    return emit_unit(p, &(const clg_unit){ .nodes = nodes, .n_nodes = 1 }, unit);
}

/* The prelude has what a program needs: without tensors of f64, no double. */
void clg_generated_source(const clg_plan *p, clg_str *out) {
    if (p->generated_types & 1u << CLG_F64) clg_str_add(out, "#define EW_F64\n");
    if (p->generated_types & 1u << CLG_I64) clg_str_add(out, "#define EW_I64\n");
    if (p->generated_types & (1u << CLG_F16 | 1u << CLG_BF16)) clg_str_add(out, "#define EW_SMALL\n");
    bool functions = false;
    for (int i = 0; i < p->n_generated; i++) functions |= strstr(p->generated[i].body, "clg_") != NULL;
    clg_str_add(out, "#include \"ew.clh\"\n#pragma OPENCL FP_CONTRACT OFF\n");
    if (functions) clg_str_add(out, "#include \"ew_math.clh\"\n");
    for (int i = 0; i < p->n_generated; i++)
        clg_str_printf(out, "\nKERNEL %s%s", p->generated[i].name, p->generated[i].body);
}

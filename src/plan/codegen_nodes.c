/* What generated text is made of: operands and how they are walked through, arguments, and the nodes themselves,
 * written from the expr strings of their ops.
 *
 * Sizes, strides and odd numbers are arguments, so that another batch size or learning rate needs no other program.
 * A text may mix types. u8 is computed as int, floats of 16 bits as float; each node's result is brought to what its
 * type can hold, so that a value is the same whether it is stored or stays inside. */
#include "plan/codegen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

const char *clg_gen_value_type(const clg_gen *g, clg_dtype t) { return types[t].value->type[g->gpu]; }
const char *clg_gen_memory_type(clg_dtype t) { return types[t].memory; }
clg_dtype clg_gen_load_dtype(const clg_gen *g, int l) { return g->p->values[g->loads[l].root].t->dtype; }
static bool is_small(clg_dtype t) { return t == CLG_F16 || t == CLG_BF16; }

/* --- operands --- */

int clg_gen_pointer_of(clg_gen *g, int root) {
    const int mem = clg_value_mem(g->p, root);
    for (int i = 0; i < g->n_ptr; i++)
        if (clg_value_mem(g->p, g->ptr[i].value) == mem) return i;
    g->ptr[g->n_ptr] = (clg_gen_pointer){ .value = root };
    return g->n_ptr++;
}

/* The node of the unit that computes a root; -1: it comes from outside. */
static int node_of(const clg_gen *g, int root) {
    for (int i = 0; i < g->u->n_nodes; i++)
        if (g->u->nodes[i]->out[0]->id == root) return i;
    return -1;
}

static bool is_number(const clg_gen *g, int root) {
    return g->p->values[root].constant && g->p->values[root].uniform;
}

static clg_gen_load walk(const clg_gen *g, const clg_tensor *t, clg_shape s) {
    clg_gen_load l = { .root = clg_root_of(g->p, t) };
    const int64_t n = clg_shape_elems(t->shape);
    if (n == g->elems) return l; /* the same elements in the same order, whatever the axes */
    l.pattern = n == 1 ? CLG_GEN_ONE : CLG_GEN_STRIDED;
    int64_t step = 1;
    for (int d = s.ndim - 1, k = t->shape.ndim - 1; d >= 0 && k >= 0; d--, k--) {
        l.stride[d] = t->shape.dim[k] == 1 ? 0 : step;
        step *= t->shape.dim[k];
    }
    return l;
}

/* Index of the load of an operand, added if it is new. */
static int find_load(clg_gen *g, const clg_tensor *t) {
    const clg_gen_load l = walk(g, t, g->u->nodes[0]->out[0]->shape);
    for (int i = 0; i < g->n_loads; i++)
        if (g->loads[i].root == l.root && g->loads[i].pattern == l.pattern
            && memcmp(g->loads[i].stride, l.stride, sizeof l.stride) == 0)
            return i;
    g->loads[g->n_loads] = l;
    return g->n_loads++;
}

void clg_gen_find_loads(clg_gen *g) {
    for (int i = 0; i < g->u->n_nodes; i++)
        for (int k = 0; k < g->u->nodes[i]->n_in; k++) {
            const clg_tensor *t = g->u->nodes[i]->in[k];
            const int root = clg_root_of(g->p, t);
            if (root == g->given || node_of(g, root) >= 0 || is_number(g, root)) continue;
            const int l = g->operand[i][k] = find_load(g, t);
            g->loads[l].pointer = clg_gen_pointer_of(g, root);
            g->ptr[g->loads[l].pointer].read = true;
        }
}

bool clg_gen_stores(const clg_gen *g, const clg_node *n) {
    const clg_value *v = &g->p->values[n->out[0]->id];
    return v->keep || v->leaves || v->place == CLG_PLACE_SLOT;
}

/* --- arguments --- */

static clg_step_arg *add_arg(clg_gen *g, enum clg_arg_kind kind, const char *fmt, int a, int b) {
    char name[32];
    const int n = snprintf(name, sizeof name, "%s", g->prefix);
    snprintf(name + n, sizeof name - (size_t)n, fmt, a, b);
    clg_step_arg *x = &g->args[g->n_args++];
    *x = (clg_step_arg){ .kind = kind, .value = -1, .name = clg_arena_strdup(&g->p->arena, name) };
    if (!x->name) g->failed = true;
    return x;
}

/* Parameters are written in the order of the arguments. */
void clg_gen_size_arg(clg_gen *g, bool wide, const char *fmt, int a, int b, int64_t i) {
    clg_step_arg *x = add_arg(g, wide ? CLG_ARG_LONG : CLG_ARG_INT, fmt, a, b);
    x->u.i = i;
    if (x->name) clg_str_printf(&g->text, ", const %s %s", wide ? "long" : "int", x->name);
}

void clg_gen_pointer_args(clg_gen *g) {
    for (int i = 0; i < g->n_ptr; i++) {
        const clg_gen_pointer *x = &g->ptr[i];
        const enum clg_arg_kind kind = !x->written ? CLG_ARG_IN : x->read ? CLG_ARG_INOUT : CLG_ARG_OUT;
        add_arg(g, kind, "p%d", i, 0)->value = x->value;
        clg_str_printf(&g->text, "%s%s_T(%s, %sp%d)", i ? ", " : "",
                       kind == CLG_ARG_IN ? "IN" : kind == CLG_ARG_OUT ? "OUT" : "INOUT",
                       types[g->p->values[x->value].t->dtype].memory, g->prefix, i);
    }
    for (int i = 0; i < g->n_numbers; i++) {
        const clg_gen_number *c = &g->numbers[i];
        clg_step_arg *x = add_arg(g, c->kind, "c%d", i, 0);
        x->constant = true;
        const char *type = c->kind == CLG_ARG_INT ? "int" : c->kind == CLG_ARG_LONG ? "long"
            : c->kind == CLG_ARG_FLOAT ? "float" : "double";
        if (c->kind == CLG_ARG_INT || c->kind == CLG_ARG_LONG) /* 2^63 stands for the largest */
            x->u.i = c->value >= 0x1p63 ? INT64_MAX : c->value <= -0x1p63 ? INT64_MIN : (int64_t)c->value;
        else x->u.f = c->value;
        clg_str_printf(&g->text, ", const %s %sc%d", type, g->prefix, i);
    }
}

/* --- text of the nodes --- */

/* Numbers that belong to the shape of the code; others, like a learning rate or 1/batch, are arguments. */
static bool is_plain(double v) { return !isfinite(v) || fabs(v) == 0.5 || (v == rint(v) && fabs(v) <= 16); }

static void write_number(clg_gen *g, clg_str *out, double v, clg_dtype t) {
    const value_class *c = types[t].value;
    clg_str_printf(out, "((%s)(", clg_gen_value_type(g, t));
    if (isnan(v)) clg_str_add(out, "NAN");
    else if (isinf(v)) clg_str_add(out, v > 0 ? "INFINITY" : "-INFINITY");
    else if (is_plain(v)) clg_str_printf(out, c->format, v);
    else {
        int i = 0;
        while (i < g->n_numbers && (g->numbers[i].value != v || g->numbers[i].kind != c->kind)) i++;
        if (i == g->n_numbers) g->numbers[g->n_numbers++] = (clg_gen_number){ v, c->kind };
        clg_str_printf(out, "%sc%d", g->prefix, i);
    }
    clg_str_add(out, "))");
}

static void write_operand(clg_gen *g, clg_str *out, int i, int k) {
    const clg_tensor *t = g->u->nodes[i]->in[k];
    const int root = clg_root_of(g->p, t), node = node_of(g, root);
    if (root == g->given) clg_str_add(out, "given");
    else if (node >= 0) clg_str_printf(out, "v%d", node);
    else if (is_number(g, root)) write_number(g, out, g->p->values[root].number, t->dtype);
    else clg_str_printf(out, "x%d", g->operand[i][k]);
}

/* A conversion to the value type. To 16 bits it is the first of two roundings, and must not spoil the second. */
static void write_conversion(const clg_gen *g, clg_str *out, clg_dtype from, clg_dtype to) {
    if (!is_small(to)) clg_str_printf(out, "convert_%s", clg_gen_value_type(g, to));
    else if (types[from].value != &floats) clg_str_printf(out, "ew_odd_%s", clg_gen_value_type(g, from));
}

/* $0 $1 $2: operands; $T: the value type of the result, $S of operand 0; $V(x): x as $T; $M: the mask of $T; $C: what
 * converts to $T */
static void write_expr(clg_gen *g, clg_str *out, int i) {
    const clg_node *n = g->u->nodes[i];
    const clg_dtype t = n->out[0]->dtype;
    for (const char *s = n->op->expr; *s; s++) {
        if (*s != '$') clg_str_add_bytes(out, s, 1);
        else if (*++s == 'T') clg_str_add(out, clg_gen_value_type(g, t));
        else if (*s == 'V') clg_str_printf(out, "(%s)", clg_gen_value_type(g, t));
        else if (*s == 'M') clg_str_add(out, types[t].value->mask[g->gpu]);
        else if (*s == 'S') clg_str_add(out, clg_gen_value_type(g, n->in[0]->dtype));
        else if (*s == 'C') write_conversion(g, out, n->in[0]->dtype, t);
        else write_operand(g, out, i, *s - '0');
    }
}

void clg_gen_nodes(clg_gen *g, clg_str *out, const char *indent) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_dtype t = g->u->nodes[i]->out[0]->dtype;
        const char *type = clg_gen_value_type(g, t);
        clg_str_printf(out, "%sconst %s v%d = ", indent, type, i);
        if (t == CLG_U8) clg_str_add(out, "clamp(");
        else if (is_small(t)) clg_str_printf(out, "ew_round_%s_%s(", clg_dtype_name(t), type);
        write_expr(g, out, i);
        if (t == CLG_U8) clg_str_printf(out, ", (%s)(0), (%s)(255))", type, type);
        clg_str_add(out, is_small(t) ? ");\n" : ";\n");
    }
}

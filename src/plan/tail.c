/* Tails: an elementwise chain behind a node that is not elementwise is computed by its last kernel, in registers,
 * on the way to memory. That kernel gives each value with its row and column in a view of the output as a matrix, and
 * stores what TAIL16 or TAIL (cl/clg.clh) makes of it; a program with a tail has these as a text before its own.
 *
 * Operands are found by row and column: of the output's own shape (row * cols + col), one element, or stretched: along
 * columns (the bias of a linear layer), along rows (a channel's scale: row / div % mod), or both. What cannot be found
 * that way, or has another type, keeps a kernel of its own behind the node's. Contraction to fma is off, so that a tail
 * gives the bits of a separate kernel. */
#include "plan/codegen.h"

#include "base/alloc.h"

#include <string.h>

enum { LONG_FLOPS = 12 }; /* of an element: a text that kernels should not repeat for each register */

/* How an operand is found. */
typedef struct finder {
    bool by_row, by_col;
    int64_t div, mod;  /* row / div % mod; mod 0: not needed */
} finder;

typedef struct tailing {
    clg_gen g;
    const char *what, *macro;  /* "tail", "TAIL" */
    int64_t rows, cols;
    finder  find[CLG_GEN_OPERANDS];
} tailing;

/* --- what can be a tail --- */

/* Values are of the kernel's type; masks and small integers may lie between. */
static bool types_fit(const clg_gen *g, clg_dtype t) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_dtype made = g->u->nodes[i]->out[0]->dtype;
        if (made != t && (made != CLG_U8 && made != CLG_I32)) return false;
        if (clg_gen_stores(g, g->u->nodes[i]) && made != t) return false;
    }
    for (int i = 0; i < g->n_loads; i++)
        if (clg_gen_load_dtype(g, i) != t) return false;
    return true;
}

/* The first axis of the columns; -1: the view cuts through an axis. */
static int first_column_axis(clg_shape s, int64_t cols) {
    int64_t n = 1;
    int d = s.ndim;
    while (d > 0 && n < cols) n *= s.dim[--d];
    return n == cols ? d : -1;
}

/* How a stretched operand runs along the columns: not at all, or element by element. */
static bool find_columns(const clg_gen_load *l, clg_shape s, int first, finder *f) {
    int64_t step = 1;
    bool any = false, even = true;
    for (int d = s.ndim - 1; d >= first; d--) {
        if (s.dim[d] == 1) continue;
        any |= l->stride[d] != 0;
        even &= l->stride[d] == step;
        step *= s.dim[d];
    }
    f->by_col = any;
    return !any || even;
}

/* Along the rows: one run of axes at most, each step of which is a row of the operand. */
static bool find_rows(const clg_gen_load *l, clg_shape s, int first, int64_t width, finder *f) {
    int64_t rows = 1, step = width;
    f->div = f->mod = 1;
    for (int d = first - 1; d >= 0; d--) {
        const bool runs = l->stride[d] != 0;
        if (s.dim[d] == 1) continue;
        if (runs && f->by_row && rows != f->div * f->mod) return false; /* a second run */
        if (runs && l->stride[d] != step) return false;
        if (runs && !f->by_row) f->div = rows;
        if (runs) {
            f->by_row = true;
            f->mod *= s.dim[d];
            step *= s.dim[d];
        }
        rows *= s.dim[d];
    }
    if (f->div * f->mod == rows) f->mod = 0;
    return true;
}

static bool find_operands(tailing *t) {
    const clg_shape s = t->g.u->nodes[0]->out[0]->shape;
    const int first = first_column_axis(s, t->cols);
    for (int i = 0; i < t->g.n_loads; i++) {
        const clg_gen_load *l = &t->g.loads[i];
        finder *f = &t->find[i];
        if (l->pattern != CLG_GEN_STRIDED) continue;
        if (first < 0 || !find_columns(l, s, first, f)) return false;
        if (!find_rows(l, s, first, f->by_col ? t->cols : 1, f)) return false;
    }
    return t->g.elems <= INT32_MAX;
}

/* --- the text --- */

static void write_size(clg_str *out, const tailing *t, const char *name, int i) {
    clg_str_printf(out, "(uint)%s%s", t->g.prefix, name);
    if (i >= 0) clg_str_printf(out, "%d", i);
}

/* The index of an operand's element: of its first lane if it runs along the columns. */
static void write_index(const tailing *t, int i, clg_str *out) {
    const finder *f = &t->find[i];
    if (!f->by_row) {
        clg_str_add(out, f->by_col ? "col" : "0");
        return;
    }
    clg_str_add(out, f->mod ? "clg_tail_row(" : f->div > 1 ? "(row / " : "row");
    if (f->mod) {
        clg_str_add(out, "row, ");
        write_size(out, t, "div", i);
        clg_str_add(out, ", ");
        write_size(out, t, "mod", i);
    } else if (f->div > 1) write_size(out, t, "div", i);
    if (f->mod || f->div > 1) clg_str_add(out, ")");
    if (!f->by_col) return;
    clg_str_add(out, " * ");
    write_size(out, t, "cols", -1);
    clg_str_add(out, " + col");
}

/* The body of the function for 16 columns from `col` on, or for one. */
static void write_body(tailing *t, bool one, clg_str *out) {
    clg_gen *g = &t->g;
    g->gpu = one;
    for (int i = 0; i < g->n_loads; i++) {
        const clg_gen_load *l = &g->loads[i];
        const bool many = !one && (l->pattern == CLG_GEN_FULL || t->find[i].by_col);
        const char *type = clg_gen_value_type(g, clg_gen_load_dtype(g, i));
        clg_str_printf(out, "    const %s x%d = (%s)(%s(%sp%d, ", type, i, type, many ? "LOAD16" : "LOAD", g->prefix,
                       l->pointer);
        if (l->pattern == CLG_GEN_ONE) clg_str_add(out, "0");
        else if (l->pattern == CLG_GEN_STRIDED) write_index(t, i, out);
        else {
            clg_str_add(out, "row * ");
            write_size(out, t, "cols", -1);
            clg_str_add(out, " + col");
        }
        clg_str_add(out, "));\n");
    }
    clg_gen_nodes(g, out, "    ");
    for (int i = 0; i < g->u->n_nodes; i++)
        if (clg_gen_stores(g, g->u->nodes[i])) clg_str_printf(out, "    return v%d;\n", i);
}

static void add_args(tailing *t) {
    clg_gen *g = &t->g;
    bool cols = false;
    if (g->n_ptr > 0) clg_str_add(&g->text, ", ");
    clg_gen_pointer_args(g);
    for (int i = 0; i < g->n_loads; i++) {
        const finder *f = &t->find[i];
        cols |= g->loads[i].pattern == CLG_GEN_FULL || (f->by_row && f->by_col);
        if (!f->by_row) continue;
        if (f->mod || f->div > 1) clg_gen_size_arg(g, false, "div%d", i, 0, f->div);
        if (f->mod) clg_gen_size_arg(g, false, "mod%d", i, 0, f->mod);
    }
    if (cols) clg_gen_size_arg(g, false, "cols", 0, 0, t->cols);
}

static void write_function(const tailing *t, clg_str *out, const char *type, const char *lanes, const clg_str *body) {
    clg_str_printf(out, "static inline %s clg_%s%s(const %s given, const uint row, const uint col %s_ARGS) {\n"
                        "#pragma OPENCL FP_CONTRACT OFF\n%s}\n", type, t->what, lanes, type, t->macro,
                   clg_str_text(body));
}

static double flops_of(const clg_gen *g) {
    double flops = 0;
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_node *n = g->u->nodes[i];
        flops += n->op->cost ? n->op->cost(n).flops : (double)g->elems;
    }
    return flops;
}

/* Everything that stands before the source of the kernel. */
static void write_text(tailing *t, clg_dtype type, clg_str *out) {
    clg_gen *g = &t->g;
    clg_str vector = { 0 }, one = { 0 };
    write_body(t, true, &one);
    const char *one_type = clg_gen_value_type(g, type);
    write_body(t, false, &vector);
    const char *vector_type = clg_gen_value_type(g, type);
    add_args(t);
    const bool functions = strstr(clg_str_text(&vector), "(clg_") || strstr(clg_str_text(&vector), " clg_");
    if (type == CLG_F64) clg_str_add(out, "#define EW_HAS_f64\n");
    clg_str_printf(out, "#define CLG_%s %d\n#include \"clg.clh\"\n#include \"ew.clh\"\n", t->macro,
                   flops_of(g) > LONG_FLOPS * (double)g->elems ? 2 : 1);
    clg_str_add(out, "#pragma OPENCL FP_CONTRACT OFF\n");
    if (functions) clg_str_add(out, "#include \"ew_math.clh\"\n");
    clg_str_printf(out, "#define %s_ARGS %s\n#define %s_PASS ", t->macro, clg_str_text(&g->text), t->macro);
    for (int i = 0; i < g->n_args; i++) {
        const char *name = g->args[i].name ? g->args[i].name : "";
        clg_str_printf(out, ", %s", name);
        if (g->args[i].kind == CLG_ARG_IN) clg_str_printf(out, ", %s_off", name);
    }
    clg_str_add(out, "\n");
    write_function(t, out, vector_type, "16", &vector);
    write_function(t, out, one_type, "", &one);
    clg_str_add(out, "#pragma OPENCL FP_CONTRACT DEFAULT\n");
    g->failed |= vector.failed || one.failed || g->text.failed || out->failed;
    clg_str_free(&vector);
    clg_str_free(&one);
}

/* --- attaching --- */

static clg_status finish(tailing *t, const clg_str *text, clg_tail *tail) {
    clg_gen *g = &t->g;
    clg_plan *p = g->p;
    if (g->failed) return clg_fail_nomem("tail of a kernel");
    tail->text = clg_arena_strdup(&p->arena, clg_str_text(text));
    tail->args = clg_arena_copy(&p->arena, g->args, ((size_t)g->n_args + 1) * sizeof *g->args);
    tail->n_args = g->n_args;
    if (!tail->text || !tail->args) return clg_fail_nomem("tail of a kernel");
    for (int i = 0; i < g->n_ptr; i++) {
        clg_value *v = &p->values[g->ptr[i].value];
        if (v->place == CLG_PLACE_NONE && v->constant) v->place = CLG_PLACE_FIXED;
        tail->bytes += (double)clg_value_bytes(p, v);
    }
    for (int i = 0; i < g->u->n_nodes; i++)
        if (clg_gen_stores(g, g->u->nodes[i])) tail->out = clg_root_of(p, g->u->nodes[i]->out[0]);
    tail->flops = flops_of(g);
    return CLG_OK;
}

static clg_status make(tailing *t, clg_dtype type, clg_tail *tail) {
    clg_str text = { 0 };
    clg_gen_find_loads(&t->g);
    if (!types_fit(&t->g, type) || !find_operands(t)) return CLG_OK;
    write_text(t, type, &text);
    const clg_status status = finish(t, &text, tail);
    clg_str_free(&text);
    return status;
}

clg_status clg_tail_make(clg_plan *p, int unit, int64_t cols, bool feeds, clg_tail *tail) {
    const clg_unit *u = &p->units[unit];
    const clg_tensor *given = u->nodes[0]->out[0];
    *tail = (clg_tail){ .text = NULL };
    if (u->n_nodes < 2 || u->seen->out[0] != given || (given->dtype != CLG_F32 && given->dtype != CLG_F64))
        return CLG_OK;
    const int64_t elems = out_elems(u->nodes[0], 0);
    if (cols <= 0 || elems % cols != 0) return CLG_OK;
    tailing *t = clg_calloc(1, sizeof *t);
    if (!t) return clg_fail_nomem("tail of a kernel");
    const clg_unit chain = clg_unit_chain(u);
    t->g = (clg_gen){ .p = p, .u = &chain, .unit = unit, .given = given->id, .prefix = feeds ? "feed_" : "tail_", .elems = elems };
    t->what = feeds ? "feed" : "tail";
    t->macro = feeds ? "FEED" : "TAIL";
    t->rows = elems / cols;
    t->cols = cols;
    const clg_status status = make(t, given->dtype, tail);
    clg_str_free(&t->g.text);
    clg_free(t);
    return status;
}

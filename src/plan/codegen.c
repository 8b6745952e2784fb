/* The generator of elementwise kernels: one for each unit of fused nodes.
 *
 * cpu  work-group of one; each work-item walks a chunk of the innermost axis in vectors of 16. Axes along which all
 *      operands run on evenly are merged, so that mostly one axis is left; else rows, their starts found by div/mod.
 * gpu  codegen_gpu.c
 * Contraction to fma is off: a fused kernel gives the bits of separate ones. */
#include "base/integer.h"
#include "plan/codegen.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 4096 }; /* elements that are worth a work-item of class cpu */

/* --- outputs and axes --- */

/* An output may take the memory of an operand that dies here, if it is read element by element: with as many elements,
 * it is not stretched. */
static void share_memory(clg_gen *g, clg_value *out) {
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

static void find_outputs(clg_gen *g) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        if (!clg_gen_stores(g, g->u->nodes[i])) continue;
        const int root = g->u->nodes[i]->out[0]->id;
        share_memory(g, &g->p->values[root]);
        g->ptr[clg_gen_pointer_of(g, root)].written = true;
    }
}

/* Drops axes of size 1 and merges neighbours along which every stretched operand runs on evenly. */
static void merge_axes(clg_gen *g) {
    const clg_shape s = g->u->nodes[0]->out[0]->shape;
    int n = 0;
    for (int d = 0; d < s.ndim; d++) {
        bool even = n > 0;
        if (s.dim[d] == 1) continue;
        for (int i = 0; i < g->n_loads && even; i++) {
            const int64_t *stride = g->loads[i].stride;
            even = g->loads[i].pattern != CLG_GEN_STRIDED || stride[n - 1] == stride[d] * s.dim[d];
        }
        if (!even) g->dim[n++] = 1;
        g->dim[n - 1] *= s.dim[d];
        for (int i = 0; i < g->n_loads; i++) g->loads[i].stride[n - 1] = g->loads[i].stride[d];
    }
    if (n == 0) g->dim[n++] = 1;
    g->n_dims = n;
}

/* Sizes of all axes but the first, and the strides that are not 0; of class cpu, the last axis is handled apart. */
static void axis_args(clg_gen *g, bool wide) {
    const int axes = g->gpu ? g->n_dims : g->n_dims - 1;
    for (int d = 1; d < axes; d++) clg_gen_size_arg(g, wide, "d%d", d, 0, g->dim[d]);
    for (int i = 0; i < g->n_loads; i++)
        for (int d = 0; d < axes && g->loads[i].pattern == CLG_GEN_STRIDED; d++)
            if (g->loads[i].stride[d] != 0) clg_gen_size_arg(g, wide, "s%d_%d", i, d, g->loads[i].stride[d]);
}

void clg_gen_index(const clg_gen *g, clg_str *out, int l, int axes, const char *type) {
    bool any = false;
    for (int d = 0; d < axes; d++) {
        if (g->loads[l].stride[d] == 0) continue;
        clg_str_printf(out, "%s(%s)i%d * s%d_%d", any ? " + " : "", type, d, l, d);
        any = true;
    }
    if (!any) clg_str_add(out, "0");
}

/* One division each: of a division beside a remainder LLVM makes a "freeze", which Oclgrind 21.10 does not know. */
void clg_gen_axes(clg_str *out, int axes, const char *type, const char *indent) {
    for (int d = axes - 1; d > 0; d--)
        clg_str_printf(out, "%sconst %s q%d = q%d / (%s)d%d, i%d = q%d - q%d * (%s)d%d;\n", indent, type, d - 1, d,
                       type, d, d, d, d - 1, type, d);
    clg_str_printf(out, "%sconst %s i0 = q0;\n", indent, type);
}

/* --- class cpu --- */

/* Where a load stands: in the inner loop; before it, if it is stretched along a row; before the loop over rows, if it
 * is one element, or a single vector that all rows share. */
enum level { INNER, ROW, ONCE };

static enum level level_of(const clg_gen *g, int l) {
    const clg_gen_load *x = &g->loads[l];
    const int last = g->n_dims - 1;
    if (x->pattern != CLG_GEN_STRIDED) return x->pattern == CLG_GEN_ONE ? ONCE : INNER;
    if (x->stride[last] == 0) return ROW;
    for (int d = 0; d < last; d++)
        if (x->stride[d] != 0) return INNER;
    return g->dim[last] <= 16 ? ONCE : INNER;
}

static void write_loads(clg_gen *g, clg_str *out, enum level level, bool rows, const char *indent) {
    for (int i = 0; i < g->n_loads; i++) {
        const clg_gen_load *l = &g->loads[i];
        const clg_dtype kept = clg_gen_load_dtype(g, i);
        const char *type = clg_gen_value_type(g, kept), *stored = clg_dtype_name(kept);
        if (level_of(g, i) != level) continue;
        clg_str_printf(out, "%sconst %s x%d = ", indent, type, i);
        if (l->pattern == CLG_GEN_ONE) clg_str_printf(out, "(%s)(ew_get_%s(AT(p%d, 0)))", type, stored, l->pointer);
        else if (level == ONCE) clg_str_printf(out, "ew_load_%s(AT(p%d, 0), (int)n)", stored, l->pointer);
        else if (level == ROW) clg_str_printf(out, "(%s)(ew_get_%s(AT(p%d, b%d)))", type, stored, l->pointer, i);
        else if (l->pattern == CLG_GEN_STRIDED)
            clg_str_printf(out, "ew_load_%s(AT(p%d, b%d + i), left)", stored, l->pointer, i);
        else clg_str_printf(out, "ew_load_%s(AT(p%d, at), %s)", stored, l->pointer, rows ? "wide" : "left");
        clg_str_add(out, ";\n");
    }
}

/* At the end of a row, whole vectors that reach into the next row are faster than parts of one: what is stored there is
 * overwritten when this work-item comes to it. Not so in place, where it is still to be read, and never beyond the rows
 * of the work-item. */
static void write_vector(clg_gen *g, clg_str *out, bool rows, bool whole, const char *indent) {
    clg_str_printf(out, "%sconst long at = %si;\n", indent, rows ? "row * n + " : "");
    clg_str_printf(out, "%sconst int left = %s;\n", indent, whole ? "16" : "(int)(end - i)");
    if (rows) clg_str_printf(out, "%sconst int wide = %s;\n", indent, whole ? "16" : "at <= safe ? 16 : left");
    write_loads(g, out, INNER, rows, indent);
    clg_gen_nodes(g, out, indent);
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_tensor *t = g->u->nodes[i]->out[0];
        if (!clg_gen_stores(g, g->u->nodes[i])) continue;
        const int x = clg_gen_pointer_of(g, t->id);
        clg_str_printf(out, "%sew_store_%s(AT(p%d, at), v%d, %s);\n", indent, clg_dtype_name(t->dtype), x, i,
                       rows && !g->ptr[x].read ? "wide" : "left");
    }
}

/* Whole vectors, then the rest, if any: in one loop for both, tests and stores by parts cost more than a small body. */
static void write_loop(clg_gen *g, clg_str *out, bool rows, const char *indent) {
    char deeper[32];
    snprintf(deeper, sizeof deeper, "%s    ", indent);
    clg_str_printf(out, "%slong i = begin;\n%sfor (; i + 16 <= end; i += 16) {\n", indent, indent);
    write_vector(g, out, rows, true, deeper);
    clg_str_printf(out, "%s}\n%sif (i < end) {\n", indent, indent);
    write_vector(g, out, rows, false, deeper);
    clg_str_printf(out, "%s}\n", indent);
}

static void write_cpu(clg_gen *g, clg_str *out) {
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
    clg_gen_axes(out, g->n_dims - 1, "long", "        ");
    for (int i = 0; i < g->n_loads; i++) {
        if (g->loads[i].pattern != CLG_GEN_STRIDED || level_of(g, i) == ONCE) continue;
        clg_str_printf(out, "        const long b%d = ", i);
        clg_gen_index(g, out, i, g->n_dims - 1, "long");
        clg_str_add(out, ";\n");
    }
    write_loads(g, out, ROW, true, "        ");
    write_loop(g, out, true, "        ");
    clg_str_add(out, "    }\n");
}

/* A few chunks for each compute unit, none smaller than CHUNK elements: over rows first, then along them. */
static void cpu_sizes(clg_gen *g, clg_step *s) {
    const int64_t n = g->dim[g->n_dims - 1], rows = g->elems / n;
    const int64_t units = g->p->caps->compute_units > 0 ? g->p->caps->compute_units : 1;
    int64_t items = clg_div_up(g->elems, CHUNK);
    if (items > 4 * units) items = 4 * units;
    const int64_t block = clg_div_up(rows, items < rows ? items : rows), blocks = clg_div_up(rows, block);
    const int64_t chunk = clg_div_up(clg_div_up(n, clg_div_up(items, blocks)), 64) * 64;
    s->global[0] = (size_t)clg_div_up(n, chunk);
    s->global[1] = (size_t)blocks;
    clg_gen_size_arg(g, true, "n", 0, 0, n);
    clg_gen_size_arg(g, true, "chunk", 0, 0, chunk);
    if (g->n_dims == 1) return;
    clg_gen_size_arg(g, true, "rows", 0, 0, rows);
    clg_gen_size_arg(g, true, "block", 0, 0, block);
}

/* --- the whole kernel --- */

static void write_kernel(clg_gen *g, clg_step *s) {
    clg_str body = { 0 };
    const bool wide = g->elems > INT32_MAX;
    if (g->gpu) clg_gen_body_gpu(g, &body, wide); /* before the parameters: it finds the numbers */
    else write_cpu(g, &body);
    clg_str_add(&g->text, "(");
    clg_gen_pointer_args(g);
    for (int i = 0; i < 3; i++) s->global[i] = s->local[i] = 1;
    if (g->gpu) {
        clg_gen_size_arg(g, wide, "n", 0, 0, g->elems);
        clg_gen_launch_gpu(g, s);
    } else cpu_sizes(g, s);
    const int n_args = g->n_args;
    axis_args(g, wide);
    s->flat = g->n_dims == 1 && g->n_args == n_args;
    clg_str_printf(&g->text, ") {\n%s}\n", clg_str_text(&body));
    g->failed |= body.failed || g->text.failed;
    clg_str_free(&body);
}

const char *clg_generated_name(clg_plan *p, const char *body) {
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

static clg_status finish(clg_gen *g, clg_step *s) {
    clg_plan *p = g->p;
    if (g->failed) return clg_fail_nomem("elementwise kernel");
    s->function = clg_generated_name(p, clg_str_text(&g->text));
    s->options = s->local[0] == 1 ? "" : clg_arena_printf(&p->arena, "-DWGX=%zu", s->local[0]);
    s->args = clg_arena_copy(&p->arena, g->args, (size_t)g->n_args * sizeof *g->args);
    s->n_args = g->n_args;
    if (!s->function || !s->options || !s->args) return clg_fail_nomem("elementwise kernel");
    for (int i = 0; i < g->n_ptr; i++) {
        const double bytes = (double)clg_value_bytes(p, &p->values[g->ptr[i].value]);
        s->bytes += bytes * (g->ptr[i].read && g->ptr[i].written ? 2 : 1);
    }
    for (int i = 0; i < g->n_loads; i++) p->generated_types |= 1u << clg_gen_load_dtype(g, i);
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_node *n = g->u->nodes[i];
        p->generated_types |= 1u << n->out[0]->dtype;
        for (int k = 0; k < n->n_in; k++) p->generated_types |= 1u << n->in[k]->dtype;
        s->flops += n->op->cost ? n->op->cost(n).flops : (double)g->elems;
    }
    return CLG_OK;
}

static clg_status generate(clg_gen *g) {
    clg_plan *p = g->p;
    while (p->order[g->position] != g->unit) g->position++;
    clg_gen_find_loads(g);
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
    clg_gen *g = clg_calloc(1, sizeof *g);
    if (!g) return clg_fail_nomem("elementwise kernel");
    g->p = p;
    g->u = u;
    g->unit = unit;
    g->given = -1;
    g->prefix = "";
    g->gpu = clg_elementwise_for_gpu(p);
    g->elems = out_elems(g->u->nodes[0], 0);
    const clg_status status = generate(g);
    clg_str_free(&g->text);
    clg_free(g);
    return status;
}

clg_status clg_emit_elementwise(clg_plan *p, int unit) {
    const clg_unit *u = &p->units[unit], chain = clg_unit_chain(u);
    const int first = p->n_steps;
    CLG_TRY(emit_unit(p, u->elementwise ? u : &chain, unit));
    if (p->n_steps == first) return CLG_OK; /* no elements */
    p->steps[first].first_node = u->elementwise ? 0 : 1;
    p->steps[first].n_nodes = u->n_nodes - p->steps[first].first_node;
    return CLG_OK;
}

clg_status clg_emit_convert(clg_plan *p, int unit, clg_tensor *from, clg_tensor *to) {
    static const clg_op convert = { .name = "convert", .n_out = 1, .flags = CLG_OP_ELEMENTWISE, .expr = "$C($0)" };
    const clg_node node = { .op = &convert, .graph = p->graph, .n_in = 1, .n_out = 1, .in = &from, .out = &to };
    const clg_node *nodes[] = { &node };
    p->values[to->id].leaves = true; /* so it is stored */
    return emit_unit(p, &(const clg_unit){ .nodes = nodes, .n_nodes = 1 }, unit);
}

/* The prelude has what a program needs: without tensors of f64, no double. */
void clg_generated_source(const clg_plan *p, clg_str *out) {
    if (clg_elementwise_for_gpu(p)) clg_str_add(out, "#define EW_GPU\n");
    for (int t = 0; t < CLG_DTYPE_COUNT; t++)
        if (p->generated_types & 1u << t) clg_str_printf(out, "#define EW_HAS_%s\n", clg_dtype_name((clg_dtype)t));
    bool functions = false;
    for (int i = 0; i < p->n_generated; i++) functions |= strstr(p->generated[i].body, "clg_") != NULL;
    clg_str_add(out, "#include \"ew.clh\"\n#pragma OPENCL FP_CONTRACT OFF\n");
    if (functions) clg_str_add(out, "#include \"ew_math.clh\"\n");
    for (int i = 0; i < p->n_generated; i++)
        clg_str_printf(out, "\nKERNEL %s%s", p->generated[i].name, p->generated[i].body);
}

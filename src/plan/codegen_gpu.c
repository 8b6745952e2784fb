/* The text of generated elementwise kernels for class gpu: a work-item computes four neighbours, or one element.
 *
 * Elementwise kernels are bound by memory, and need many bytes under way with few instructions. So four neighbours are
 * read, and stored, as one aligned vector (all tensors begin at multiples of 128 bytes): 16 bytes of f32 an item, whole
 * lines of a warp of 32 or a wave of 64, and one message of Intel's SIMD 8 to 32 where there would be four; where
 * operands are stretched, four elements share the divisions that find them. They are computed one by one, by the text
 * of a single element, so the bits are the same. One element is left where an axis that a stretched operand follows is
 * no multiple of 4, where the vectors of an item would take more than 128 bytes of registers (half of what SIMD16 has),
 * and where the text is so long that memory does not count. */
#include "plan/codegen.h"

enum { GROUP = 256, QUAD = 4, QUAD_BYTES = 128, QUAD_FLOPS = 32 };

/* Whether four neighbours of a load are neighbours in memory; else, in quads, they are one element. */
static bool runs(const clg_gen *g, int load) {
    const clg_gen_load *l = &g->loads[load];
    return l->pattern == CLG_GEN_FULL || (l->pattern == CLG_GEN_STRIDED && l->stride[g->n_dims - 1] != 0);
}

/* Bytes of registers that an element of a type is computed in. */
static int value_bytes(clg_dtype t) { return clg_dtype_size(t) > 4 ? 8 : 4; }

static bool takes_quads(const clg_gen *g) {
    int bytes = 0;
    double flops = 0;
    for (int i = 0; i < g->n_loads; i++) {
        if (g->loads[i].pattern == CLG_GEN_STRIDED && g->dim[g->n_dims - 1] % QUAD != 0) return false;
        if (runs(g, i)) bytes += QUAD * value_bytes(clg_gen_load_dtype(g, i));
    }
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_node *n = g->u->nodes[i];
        if (clg_gen_stores(g, n)) bytes += QUAD * value_bytes(n->out[0]->dtype);
        flops += n->op->cost ? n->op->cost(n).flops : (double)g->elems;
    }
    return bytes <= QUAD_BYTES && flops <= QUAD_FLOPS * (double)g->elems;
}

/* Where element `at` of the unit, or the first of four, lies in a load. */
static void write_place(const clg_gen *g, clg_str *out, int load, const char *type) {
    const clg_gen_load *l = &g->loads[load];
    if (l->pattern == CLG_GEN_STRIDED) clg_gen_index(g, out, load, g->n_dims, type);
    else clg_str_add(out, l->pattern == CLG_GEN_FULL ? "at" : "0");
}

static void write_loads(const clg_gen *g, clg_str *out, const char *type) {
    for (int i = 0; i < g->n_loads; i++) {
        const clg_dtype t = clg_gen_load_dtype(g, i);
        const char *value = clg_gen_value_type(g, t), *stored = clg_dtype_name(t);
        const bool four = g->quads && runs(g, i);
        if (four) clg_str_printf(out, "    %s t%d[4];\n    ew_take_%s(AT(p%d, ", value, i, stored, g->loads[i].pointer);
        else clg_str_printf(out, "    const %s x%d = ew_get_%s(AT(p%d, ", value, i, stored, g->loads[i].pointer);
        write_place(g, out, i, type);
        if (four) clg_str_printf(out, "), left, t%d);\n", i);
        else clg_str_add(out, "));\n");
    }
}

/* The results of four elements, one after the other. */
static void write_four(clg_gen *g, clg_str *out) {
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_tensor *t = g->u->nodes[i]->out[0];
        if (clg_gen_stores(g, g->u->nodes[i]))
            clg_str_printf(out, "    %s r%d[4];\n", clg_gen_value_type(g, t->dtype), i);
    }
    clg_str_add(out, "#pragma unroll\n    for (int k = 0; k < 4; k++) {\n");
    for (int i = 0; i < g->n_loads; i++)
        if (runs(g, i))
            clg_str_printf(out, "        const %s x%d = t%d[k];\n", clg_gen_value_type(g, clg_gen_load_dtype(g, i)), i,
                           i);
    clg_gen_nodes(g, out, "        ");
    for (int i = 0; i < g->u->n_nodes; i++)
        if (clg_gen_stores(g, g->u->nodes[i])) clg_str_printf(out, "        r%d[k] = v%d;\n", i, i);
    clg_str_add(out, "    }\n");
}

void clg_gen_body_gpu(clg_gen *g, clg_str *out, bool wide) {
    const char *type = wide ? "ulong" : "uint";
    bool strided = false;
    for (int i = 0; i < g->n_loads; i++) strided |= g->loads[i].pattern == CLG_GEN_STRIDED;
    g->quads = takes_quads(g);
    clg_str_printf(out, "    const size_t at = get_global_id(0)%s;\n    if (at >= (size_t)n) return;\n",
                   g->quads ? " * 4" : "");
    if (g->quads) clg_str_add(out, strided ? "    const int left = 4;\n"
                                           : "    const int left = (int)min((size_t)n - at, (size_t)4);\n");
    if (strided) {
        clg_str_printf(out, "    const %s q%d = (%s)at;\n", type, g->n_dims - 1, type);
        clg_gen_axes(out, g->n_dims, type, "    ");
    }
    write_loads(g, out, type);
    if (g->quads) write_four(g, out);
    else clg_gen_nodes(g, out, "    ");
    for (int i = 0; i < g->u->n_nodes; i++) {
        const clg_tensor *t = g->u->nodes[i]->out[0];
        if (!clg_gen_stores(g, g->u->nodes[i])) continue;
        const char *stored = clg_dtype_name(t->dtype);
        const int x = clg_gen_pointer_of(g, t->id);
        if (g->quads) clg_str_printf(out, "    ew_give_%s(AT(p%d, at), left, r%d);\n", stored, x, i);
        else clg_str_printf(out, "    ew_put_%s(AT(p%d, at), v%d);\n", stored, x, i);
    }
}

void clg_gen_launch_gpu(const clg_gen *g, clg_step *s) {
    const size_t items = ((size_t)g->elems + (g->quads ? QUAD - 1 : 0)) / (g->quads ? QUAD : 1);
    size_t group = GROUP;
    while (group > 1 && (group > g->p->caps->max_group || group > g->p->caps->max_item[0])) group /= 2;
    s->local[0] = group;
    s->global[0] = (items + group - 1) / group * group;
}

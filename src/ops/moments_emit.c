/* Kernels of moments and comoments (cl/moments.cl). On class gpu few segments are cut into parts, which depend on the
 * shape alone, and a second launch joins what is known of the parts: a batch norm of 16 channels would otherwise keep
 * 16 work-groups busy. */
#include "ops/moments.h"
#include "ops/move.h"
#include "ops/team.h"

enum { LANES = 16, SHORT = 32 /* GPU: shorter rows are a work-item's */ };

/* One launch over x, and u, in merged form. */
typedef struct pass {
    const clg_node *node;
    const clg_tensor *y[2];
    clg_reduce_form f;
    clg_reduce_cut cut;
    int64_t per; /* units of a work-item of a CPU; 0: a launch of class gpu, which takes the parts */
    const char *options;
} pass;

static bool is_moments(const pass *p) { return p->node->op == &clg_op_moments; }

static clg_status launch(clg_emit *e, const pass *p, const char *kernel, int64_t items, int64_t local) {
    const int64_t *const dim = p->f.dim;
    const int64_t n = dim[K0] * dim[K1] * dim[K2], k1 = dim[K1], k2 = dim[K2], k3 = dim[K3];
    const int64_t r0 = dim[R0], r1 = dim[R1], r2 = dim[R2], per = p->per;
    const int64_t row_part = p->cut.row_part, col_part = p->cut.col_part;
    const double scale = 1 / (double)p->f.length;
    const clg_tensor *const u = p->node->in[0], *const x = p->node->in[is_moments(p) ? 0 : 1];
    clg_arg args[17] = { { 0 } };
    int k = 0;
    if (!is_moments(p)) args[k++] = (clg_arg)IN(u);
    args[k++] = (clg_arg)IN(x);
    if (is_moments(p)) {
        const clg_tensor *const mean = p->y[0], *const var = p->y[1];
        args[k++] = (clg_arg)OUT(mean);
        args[k++] = (clg_arg)OUT(var);
    } else {
        const clg_tensor *const mean = p->node->in[2], *const s = p->y[0], *const t = p->y[1];
        args[k++] = (clg_arg)IN(mean);
        args[k++] = (clg_arg)OUT(s);
        args[k++] = (clg_arg)OUT(t);
    }
    const clg_arg sizes[] = { INT(n), INT(k1), INT(k2), INT(k3), INT(r0), INT(r1), INT(r2) };
    for (int i = 0; i < 7; i++) args[k++] = sizes[i];
    if (per == 0) args[k++] = (clg_arg)INT(row_part);
    if (per == 0) args[k++] = (clg_arg)INT(col_part);
    if (is_moments(p)) args[k++] = (clg_arg)FLOAT(scale);
    if (per > 0) args[k] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = kernel, .options = p->options, .args = args, .local = { (size_t)local, 1, 1 },
        .global = { (size_t)items, per > 0 ? 1 : (size_t)p->cut.parts[0], per > 0 ? 1 : (size_t)p->cut.parts[1] } });
}

/* --- class cpu --- */

clg_status clg_moments_emit_cpu(clg_emit *e, const clg_node *n, const clg_reduce_form *f) {
    const bool rows = f->dim[K3] == 1;
    const int64_t units = rows ? f->segments : f->segments / f->dim[K3] * clg_div_up(f->dim[K3], LANES);
    pass p = { .node = n, .y = { n->out[0], n->out[1] }, .f = *f };
    if (f->segments == 0) return CLG_OK;
    p.per = clg_reduce_per(units, f->length * (rows ? 1 : LANES));
    return launch(e, &p, rows ? (is_moments(&p) ? "moments.moments_rows" : "moments.comoments_rows")
                              : (is_moments(&p) ? "moments.moments_cols" : "moments.comoments_cols"),
                  clg_div_up(units, p.per), 1);
}

/* --- class gpu --- */

static clg_status join_moments(clg_emit *e, const pass *p) {
    const clg_tensor *const sums = p->y[0], *const squares = p->y[1];
    const clg_tensor *const mean = p->node->out[0], *const var = p->node->out[1];
    const int64_t n = p->f.segments, rows = p->f.dim[R0] * p->f.dim[R1], width = p->f.dim[R2];
    const int64_t row_part = p->cut.row_part, col_part = p->cut.col_part;
    const double scale = 1 / (double)p->f.length;
    const size_t group = (size_t)clg_team_group(clg_emit_device(e), CLG_TEAM_GROUP);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "moments.moments_join", .options = p->options, .global = { (size_t)n, 1, 1 },
        .local = { group, 1, 1 },
        .args = ARGS(IN(sums), IN(squares), OUT(mean), OUT(var), INT(n), INT(rows), INT(width), INT(row_part),
                     INT(col_part), FLOAT(scale)) });
}

static clg_status join_comoments(clg_emit *e, const pass *p) {
    const clg_tensor *const sums = p->y[0], *const products = p->y[1];
    const clg_tensor *const s = p->node->out[0], *const t = p->node->out[1];
    const int64_t n = p->f.segments, parts = p->cut.parts[0] * p->cut.parts[1];
    const size_t group = (size_t)clg_team_group(clg_emit_device(e), CLG_TEAM_GROUP);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "moments.comoments_join", .options = p->options, .global = { (size_t)n, 1, 1 },
        .local = { group, 1, 1 }, .args = ARGS(IN(sums), IN(products), OUT(s), OUT(t), INT(n), INT(parts)) });
}

/* As reductions are cut (reduce_emit.c): 8 groups for each of 128 compute units, or 32 Ki items. A join reads all parts
 * of a result one after the other, so they are 64 at most. */
clg_status clg_moments_emit_gpu(clg_emit *e, const clg_node *n, const clg_reduce_form *f) {
    enum { MOST = 64 };
    const bool tree = f->dim[K3] == 1 && f->length >= SHORT;
    pass p = { .node = n, .y = { n->out[0], n->out[1] }, .f = *f, .options = "" };
    if (f->segments == 0) return CLG_OK;
    p.cut = tree ? clg_reduce_cut_of(f, f->segments, 1024, 4096, MOST)
                 : clg_reduce_cut_of(f, f->segments, 32768, 64, MOST);
    const int64_t parts = p.cut.parts[0] * p.cut.parts[1];
    if (parts > 1) {
        for (int i = 0; i < 2; i++) p.y[i] = clg_emit_scratch(e, n->out[0]->dtype, CLG_SHAPE(parts, f->segments));
        p.options = "-DPARTIAL=1";
    }
    if (tree) {
        const clg_team t = clg_team_of(clg_emit_device(e), f->segments * parts, p.cut.row_part * p.cut.col_part,
                                       n->out[0]->dtype == CLG_F32);
        p.options = clg_team_options(e, &t, p.options);
        CLG_TRY(launch(e, &p, is_moments(&p) ? "moments.moments_tree" : "moments.comoments_tree",
                       clg_team_items(&t, f->segments), t.group));
    } else {
        CLG_TRY(launch(e, &p, is_moments(&p) ? "moments.moments_items" : "moments.comoments_items", f->segments,
                       clg_team_group(clg_emit_device(e), CLG_TEAM_GROUP)));
    }
    if (parts == 1) return CLG_OK;
    return is_moments(&p) ? join_moments(e, &p) : join_comoments(e, &p);
}

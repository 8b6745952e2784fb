/* Kernels of the reductions (cl/reduce.cl). Where there are too few outputs to keep a device busy, the reduction is cut
 * into parts, which depend on the shape alone, and a second launch joins the parts: so the order of summation is fixed,
 * and results repeat bit for bit. */
#include "base/integer.h"
#include "ops/move.h"
#include "ops/reduce.h"
#include "ops/team.h"

enum { MAX_PARTS = 256, SHORT = 32, WIDE = 128 }; /* GPU: shorter rows are a work-item's; outputs of a wide block */

/** One launch over x in merged form. */
typedef struct pass {
    const clg_tensor *x, *y;
    clg_reduce_form g;
    clg_reduce_cut cut;
    double scale;
    const char *options;
    bool may_join;              /* by the functions of sub-groups */
} pass;

static clg_reduce_form form_of(const clg_node *n) {
    return clg_reduce_form_of(in_shape(n, 0), ((const clg_reduce_attr *)n->attr)->axes);
}

bool clg_reduce_fits(const clg_node *n, const clg_device *d) {
    (void)d;
    return in_elems(n, 0) <= INT32_MAX && out_elems(n, 0) <= INT32_MAX;
}

bool clg_reduce_fits_group(const clg_node *n, const clg_device *d) {
    return clg_reduce_fits(n, d) && clg_team_group(d, CLG_TEAM_GROUP) >= CLG_TEAM_LEAST;
}

int64_t clg_reduce_per(int64_t units, int64_t work) {
    return clg_max64(clg_div_up(4096, clg_max64(work, 1)), clg_div_up(units, 256));
}

clg_reduce_cut clg_reduce_cut_of(const clg_reduce_form *g, int64_t units, int64_t want, int64_t least, int64_t most) {
    const int64_t rows = clg_max64(1, g->dim[R0] * g->dim[R1]), columns = clg_max64(1, g->dim[R2]);
    const int64_t parts = clg_max64(1, clg_min64(clg_min64(clg_div_up(want, units), most), g->length / least));
    clg_reduce_cut c = { .row_part = clg_div_up(rows, clg_min64(rows, parts)) };
    c.parts[0] = clg_div_up(rows, c.row_part);
    c.col_part = rows >= parts ? columns : clg_div_up(clg_div_up(columns, clg_div_up(parts, rows)), 64) * 64;
    c.parts[1] = clg_div_up(columns, c.col_part);
    return c;
}

static void cut(pass *p, int64_t units, int64_t want, int64_t least) {
    p->cut = clg_reduce_cut_of(&p->g, units, want, least, MAX_PARTS);
}

/** per: units of work of a work-item, 0 if the kernel has no such argument. */
static clg_status launch(clg_emit *e, const pass *p, const char *kernel, int64_t items, size_t local, int64_t per) {
    const int64_t *const dim = p->g.dim;
    const int64_t n = dim[K0] * dim[K1] * dim[K2], k1 = dim[K1], k2 = dim[K2], k3 = dim[K3];
    const int64_t r0 = dim[R0], r1 = dim[R1], r2 = dim[R2], row_part = p->cut.row_part, col_part = p->cut.col_part;
    const clg_tensor *const x = p->x, *const y = p->y;
    const double scale = p->scale;
    clg_arg args[14] = { IN(x), OUT(y), INT(n), INT(k1), INT(k2), INT(k3), INT(r0), INT(r1), INT(r2),
                         INT(row_part), INT(col_part), FLOAT(scale) }; /* the rest is zero, which is the end */
    if (per > 0) args[12] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){ .kernel = kernel, .options = p->options, .args = args,
                                             .global = { (size_t)items, (size_t)p->cut.parts[0],
                                                         (size_t)p->cut.parts[1] }, .local = { local, 1, 1 } });
}

/** How a class of devices does it: what it cuts, and the launch of a pass that is cut. */
typedef struct way {
    void       (*cut)(pass *p);
    clg_status (*run)(clg_emit *e, const pass *p);
} way;

/* CPU: work-groups of one, of at least 4096 elements each and at most 256 of them. Units: blocks of cl/reduce.cl. */
static int64_t block_of(const pass *p) { return p->g.dim[K3] >= WIDE ? WIDE : 16; }
static int64_t lanes_of(const pass *p) { return clg_min64(p->g.dim[K3], block_of(p)); }
static int64_t units_cpu(const pass *p) {
    return p->g.segments / p->g.dim[K3] * clg_div_up(p->g.dim[K3], block_of(p));
}

static void cut_cpu(pass *p) { cut(p, units_cpu(p), 64, 16384 / lanes_of(p)); }

static clg_status run_cpu(clg_emit *e, const pass *p) {
    const int64_t units = units_cpu(p), per = clg_reduce_per(units, p->cut.row_part * p->cut.col_part * lanes_of(p));
    return launch(e, p, p->g.dim[K3] > 1 ? "reduce.cols" : "reduce.rows", clg_div_up(units, per), 1, per);
}

/* GPU: a team for each segment of neighbours, else a work-item an output. Cut until there are 8 groups for each of
 * 128 compute units, or 32 Ki items; but a lane of a group of 256 keeps 16 elements, an item 64. */
static bool is_tree(const pass *p) { return p->g.dim[K3] == 1 && p->g.length >= SHORT; }

static void cut_gpu(pass *p) {
    if (is_tree(p)) cut(p, p->g.segments, 1024, 4096);
    else            cut(p, p->g.segments, 32768, 64);
}

static clg_status run_gpu(clg_emit *e, const pass *p) {
    const clg_device *const d = clg_emit_device(e);
    if (!is_tree(p)) {
        const int64_t group = clg_team_group(d, CLG_TEAM_GROUP);
        return launch(e, p, "reduce.items", p->g.segments, (size_t)group, 0);
    }
    const int64_t rows = p->g.segments * p->cut.parts[0] * p->cut.parts[1];
    const clg_team t = clg_team_of(d, rows, p->cut.row_part * p->cut.col_part, p->may_join);
    pass with = *p;
    with.options = clg_team_options(e, &t, p->options);
    return launch(e, &with, "reduce.tree", clg_team_items(&t, p->g.segments), (size_t)t.group, 0);
}

/** Types that the functions of sub-groups have everywhere. */
static bool is_word(clg_dtype t) { return t == CLG_F32 || t == CLG_I32; }

/** The -D that makes the kernels join by the op's rule; a sum needs none. */
static const char *join_of(const clg_op *op) {
    if (op == &clg_op_max) return " -DMAX=1";
    if (op == &clg_op_min) return " -DMIN=1";
    return op == &clg_op_prod ? " -DPROD=1" : "";
}

static clg_status emit_join(clg_emit *e, const clg_node *n, const way *w) {
    const char *const type = clg_move_type(in_dtype(n, 0));
    const char *const plain = clg_emit_options(e, "-DT=%s%s", type, join_of(n->op));
    const clg_reduce_form g = form_of(n);
    pass last = { .x = n->in[0], .y = n->out[0], .g = g,
                  .cut = { g.dim[R0] * g.dim[R1], g.dim[R2], { 1, 1 } }, .scale = 1.0 / (double)clg_max64(g.length, 1),
                  .options = plain };
    last.may_join = is_word(in_dtype(n, 0)) && n->op != &clg_op_prod;
    if (g.segments == 0) return CLG_OK;
    pass first = last;
    w->cut(&first);
    const int64_t parts = first.cut.parts[0] * first.cut.parts[1];
    if (parts > 1) {
        first.y = last.x = clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(parts, g.segments));
        CLG_TRY(w->run(e, &first));
        last.g = (clg_reduce_form){ .dim = { 1, 1, 1, 1, 1, parts, g.segments }, .segments = g.segments,
                                    .length = parts };
        last.cut.row_part = 1;
        last.cut.col_part = parts;
    }
    if (n->op == &clg_op_mean) last.options = clg_emit_options(e, "-DT=%s -DMEAN=1", type);
    return w->run(e, &last);
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit_join(e, n, &(way){ cut_cpu, run_cpu }); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit_join(e, n, &(way){ cut_gpu, run_gpu }); }

/** The place of an extreme, or a mask of it: `per` segments a work-item, or, on class gpu, a long one a team. */
static clg_status emit_first(clg_emit *e, const clg_node *node, bool gpu) {
    const clg_device *const d = clg_emit_device(e);
    const clg_reduce_form g = form_of(node);
    const clg_tensor *const x = node->in[0], *const y = node->out[0];
    const int64_t n = g.segments, per = gpu ? 1 : clg_reduce_per(g.segments, g.length);
    const int64_t k1 = g.dim[K1], k2 = g.dim[K2], k3 = g.dim[K3], r0 = g.dim[R0], r1 = g.dim[R1], r2 = g.dim[R2];
    const int64_t group = gpu ? clg_team_group(d, CLG_TEAM_GROUP) : 1;
    const bool least = node->op == &clg_op_argmin || node->op == &clg_op_first_min;
    const bool place = node->op == &clg_op_argmax || node->op == &clg_op_argmin;
    const char *const options = clg_emit_options(e, "-DT=%s -DFIRST=1%s", clg_move_type(in_dtype(node, 0)),
                                                 least ? " -DMIN=1" : "");
    if (n == 0 || g.length == 0) return CLG_OK;
    if (gpu && g.dim[K3] == 1 && g.length >= SHORT) {
        const clg_team t = clg_team_of(d, n, g.length, is_word(x->dtype));
        return clg_emit_launch(e, &(clg_launch){
            .kernel = place ? "reduce.place_tree" : "reduce.mask_tree", .options = clg_team_options(e, &t, options),
            .global = { (size_t)clg_team_items(&t, n), 1, 1 }, .local = { (size_t)t.group, 1, 1 },
            .args = ARGS(IN(x), OUT(y), INT(n), INT(k1), INT(k2), INT(k3), INT(r0), INT(r1), INT(r2)) });
    }
    return clg_emit_launch(e, &(clg_launch){
        .kernel = place ? "reduce.first_place" : "reduce.first_mask", .options = options,
        .global = { (size_t)clg_div_up(n, per), 1, 1 }, .local = { (size_t)group, 1, 1 },
        .args = ARGS(IN(x), OUT(y), INT(n), INT(k1), INT(k2), INT(k3), INT(r0), INT(r1), INT(r2), INT(per)) });
}

static clg_status emit_first_cpu(clg_emit *e, const clg_node *n) { return emit_first(e, n, false); }
static clg_status emit_first_gpu(clg_emit *e, const clg_node *n) { return emit_first(e, n, true); }

const clg_impl clg_reduce_impls[] = {
    { "reduce.cpu", CLG_CLASS_CPU, clg_reduce_fits, emit_cpu, NULL, false },
    { "reduce.gpu", CLG_CLASS_GPU, clg_reduce_fits_group, emit_gpu, NULL, false },
    { 0 },
};
const clg_impl clg_first_impls[] = {
    { "first.cpu", CLG_CLASS_CPU, clg_reduce_fits, emit_first_cpu, NULL, false },
    { "first.gpu", CLG_CLASS_GPU, clg_reduce_fits_group, emit_first_gpu, NULL, false },
    { 0 },
};

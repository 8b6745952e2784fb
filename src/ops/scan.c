/* Cumulative sums along an axis. The gradient is the scan in the other direction. Kernels: cl/scan.cl.
 *
 * Long axes are cut into parts, as few segments would leave a device idle: sums of the parts, an exclusive scan of
 * those, and then all parts at once, each from its start. How many depends on the shape alone. */
#include "base/integer.h"
#include "ops/move.h"
#include "ops/reduce.h"
#include "ops/team.h"

typedef struct scan_attr {
    int32_t axis, exclusive, reverse;
} scan_attr;

extern const clg_op clg_op_cumsum;

static clg_span span_of(const clg_node *n) { return clg_span_of(in_shape(n, 0), ((const scan_attr *)n->attr)->axis); }

static clg_status infer(clg_node *n) {
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() to i32 or f32 first");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const scan_attr *const a = n->attr;
    const clg_span f = span_of(n);
    for (int64_t o = 0; o < f.outer; o++)
        for (int64_t k = 0; k < f.inner; k++) {
            double sum = 0;
            for (int64_t s = 0; s < f.size; s++) {
                const int64_t e = (o * f.size + (a->reverse ? f.size - 1 - s : s)) * f.inner + k;
                const double before = sum;
                sum += in[0][e];
                out[0][e] = a->exclusive ? before : sum;
            }
        }
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    scan_attr back = *(const scan_attr *)n->attr;
    back.reverse = !back.reverse;
    gx[0] = clg_node_build(&clg_op_cumsum, &back, gy, 1);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

/* --- implementations --- */

enum { MAX_PARTS = 256, LONG = 128 /* GPU: longer axes are a work-group's */ };

/** One launch. from: what each part starts at; NULL: 0. */
typedef struct pass {
    const clg_tensor *x, *from, *y;
    clg_span f;
    int64_t part_len, parts;
    const char *options;
} pass;

static bool is_tree(const clg_span *f) { return f->inner == 1 && f->size >= LONG; }

static clg_status launch(clg_emit *e, const pass *p, bool gpu) {
    const clg_tensor *const x = p->x, *const from = p->from, *const y = p->y;
    const int64_t outer = p->f.outer, n = p->f.size, inner = p->f.inner, part_len = p->part_len, parts = p->parts;
    const bool tree = gpu && is_tree(&p->f);
    const int64_t lanes = clg_min64(inner, 16), units = outer * parts * (gpu ? inner : clg_div_up(inner, 16));
    const int64_t per = clg_reduce_per(units, part_len * lanes);
    const bool word = p->x->dtype == CLG_F32 || p->x->dtype == CLG_I32;
    const clg_team team = gpu ? clg_team_whole(clg_emit_device(e), word) : (clg_team){ 1, 1, false };
    const int64_t group = team.group;
    const int64_t items = tree ? outer * parts * group : gpu ? units : clg_div_up(units, per);
    clg_arg args[10] = { IN(x) }; /* the rest is zero, which is the end */
    int i = 1;
    if (from) args[i++] = (clg_arg)IN(from);
    args[i++] = (clg_arg)OUT(y);
    args[i++] = (clg_arg)INT(outer);
    args[i++] = (clg_arg)INT(n);
    args[i++] = (clg_arg)INT(inner);
    args[i++] = (clg_arg)INT(part_len);
    args[i++] = (clg_arg)INT(parts);
    if (!gpu) args[i] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = tree ? "scan.tree" : gpu ? "scan.items" : inner > 1 ? "scan.cols" : "scan.rows",
        .options = tree ? clg_team_options(e, &team, p->options) : p->options, .global = { (size_t)items, 1, 1 },
        .local = { (size_t)group, 1, 1 }, .args = args });
}

/** How many parts: so many that there are about `want` units of work, of at least `least` elements each. */
static int64_t parts_of(const clg_span *f, bool gpu) {
    const int64_t units = f->outer * (gpu ? f->inner : clg_div_up(f->inner, 16));
    const int64_t want = !gpu ? 64 : is_tree(f) ? 512 : 32768;
    const int64_t least = !gpu ? 16384 / clg_min64(f->inner, 16) : is_tree(f) ? 4096 : 64;
    return clg_max64(1, clg_min64(clg_min64(clg_div_up(want, units), MAX_PARTS), f->size / least));
}

static clg_status emit(clg_emit *e, const clg_node *n, bool gpu) {
    const scan_attr *const a = n->attr;
    const clg_span f = span_of(n);
    if (out_elems(n, 0) == 0) return CLG_OK;
    const int64_t part_len = clg_div_up(f.size, parts_of(&f, gpu)), parts = clg_div_up(f.size, part_len);
    const char *const type = clg_move_type(in_dtype(n, 0)), *const turn = a->reverse ? " -DREVERSE=1" : "";
    const clg_tensor *from = NULL;
    if (parts > 1) {
        const clg_tensor *const totals = clg_emit_scratch(e, n->in[0]->dtype, CLG_SHAPE(f.outer, parts, f.inner));
        from = clg_emit_scratch(e, n->in[0]->dtype, CLG_SHAPE(f.outer, parts, f.inner));
        const pass sum = { n->in[0], NULL, totals, f, part_len, parts,
                           clg_emit_options(e, "-DT=%s%s -DTOTAL=1", type, turn) };
        const pass start = { totals, NULL, from, { f.outer, parts, f.inner }, parts, 1,
                             clg_emit_options(e, "-DT=%s -DEXCLUSIVE=1", type) };
        CLG_TRY(launch(e, &sum, gpu));
        CLG_TRY(launch(e, &start, gpu));
    }
    const pass all = { n->in[0], from, n->out[0], f, part_len, parts,
                       clg_emit_options(e, "-DT=%s%s%s%s", type, turn, a->exclusive ? " -DEXCLUSIVE=1" : "",
                                        from ? " -DFROM=1" : "") };
    return launch(e, &all, gpu);
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, false); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, true); }

static const clg_impl impls[] = {
    { "scan.cpu", CLG_CLASS_CPU, clg_reduce_fits, emit_cpu, NULL, false },
    { "scan.gpu", CLG_CLASS_GPU, clg_reduce_fits_group, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_cumsum = { .name = "cumsum", .min_in = 1, .max_in = 1, .n_out = 1,
    .formula = "y[i] = x[0] + ... + x[i] along an axis; exclusive: without x[i]; reverse: from the end",
    .gradient = "gx = cumsum(gy) in the other direction", .shapes = "x [...] -> [...]",
    .attr_size = sizeof(scan_attr), .infer = infer, .ref = ref, .vjp = vjp, .cost = cost, .impls = impls };

clg_tensor *clg_cumsum(clg_tensor *x, int axis, const clg_cumsum_params *p) {
    if (!x) return NULL;
    const int i = clg_axis(axis, x->shape.ndim);
    if (i < 0) return clg_fail_axis("cumsum", x, axis);
    return clg_node_build(&clg_op_cumsum, &(scan_attr){ i, p && p->exclusive, p && p->reverse }, &x, 1);
}

/* Reductions: sum, mean, max, argmax over any set of axes, and first_max, the mask that max needs for its gradient.
 *
 * Axes are merged into at most K0 R0 K1 R1 K2 R2 K3 (K kept, R reduced); cl/reduce.cl works on that form. Where there
 * are too few outputs to keep a device busy, the reduction is cut into parts, which depend on the shape alone, and a
 * second launch joins the parts: so the order of summation is fixed, and results repeat bit for bit. */
#include "graph/op.h"
#include "plan/emit.h"
#include <math.h>
#include <string.h>

typedef struct reduce_attr {
    uint32_t axes; /* bit i: axis i is reduced */
} reduce_attr;

extern const clg_op clg_op_sum, clg_op_mean, clg_op_max, clg_op_argmax, clg_op_first_max;

static uint32_t axes_of(const clg_node *n) { return ((const reduce_attr *)n->attr)->axes; }

/* --- geometry --- */

enum { K0, R0, K1, R1, K2, R2, K3, FORM };

typedef struct geometry {
    int64_t dim[FORM];
    int64_t segments; /* K0 K1 K2 K3: outputs */
    int64_t length;   /* R0 R1 R2: elements of each */
} geometry;

/** The merged form of a shape, filled from the right; sizes of 1 vanish. */
static geometry merge_axes(clg_shape s, uint32_t axes) {
    geometry g = { .dim = { 1, 1, 1, 1, 1, 1, 1 } };
    int place = K3;
    for (int i = s.ndim - 1; i >= 0; i--) {
        const bool reduced = axes >> i & 1;
        if (s.dim[i] == 1) continue;
        if ((place % 2 == 1) != reduced) place--;
        g.dim[place] *= s.dim[i];
    }
    g.segments = g.dim[K0] * g.dim[K1] * g.dim[K2] * g.dim[K3];
    g.length = g.dim[R0] * g.dim[R1] * g.dim[R2];
    return g;
}

/** Place in x of element i (row-major) of segment o (row-major). */
static int64_t element(const geometry *g, int64_t o, int64_t i) {
    int64_t index[FORM], at = 0;
    for (int d = FORM - 1; d >= 0; d--) {
        int64_t *const rest = d % 2 ? &i : &o;
        index[d] = *rest % g->dim[d];
        *rest /= g->dim[d];
    }
    for (int d = 0; d < FORM; d++) at = at * g->dim[d] + index[d];
    return at;
}

/* --- infer, reference, gradient --- */

static clg_status infer_as(clg_node *n, clg_dtype t) {
    const clg_shape x = in_shape(n, 0);
    const uint32_t axes = axes_of(n);
    clg_shape y = CLG_SCALAR;
    if (axes != (1u << x.ndim) - 1) {
        y = x;
        for (int i = 0; i < x.ndim; i++)
            if (axes >> i & 1) y.dim[i] = 1;
    }
    return set_out(n, 0, t, y);
}

static clg_status check_number(const clg_node *n) {
    if (in_dtype(n, 0) == CLG_U8) return clg_fail_op(n, "u8 holds flags and bytes; clg_cast() to i32 or f32 first");
    return CLG_OK;
}

static clg_status check_not_empty(const clg_node *n) {
    if (merge_axes(in_shape(n, 0), axes_of(n)).length > 0) return CLG_OK;
    return clg_fail_op(n, "nothing to reduce: an axis has size 0");
}

static clg_status infer_sum(clg_node *n) {
    CLG_TRY(check_number(n));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_mean(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    CLG_TRY(check_not_empty(n));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_max(clg_node *n) {
    CLG_TRY(check_number(n));
    CLG_TRY(check_not_empty(n));
    return infer_as(n, in_dtype(n, 0));
}

static clg_status infer_argmax(clg_node *n) {
    CLG_TRY(check_number(n));
    CLG_TRY(check_not_empty(n));
    return infer_as(n, CLG_I32);
}

static clg_status infer_first_max(clg_node *n) {
    CLG_TRY(check_number(n));
    return set_out(n, 0, CLG_U8, in_shape(n, 0));
}

static void ref_sum(const clg_node *n, const double *const *in, double *const *out) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    for (int64_t o = 0; o < g.segments; o++) {
        double s = 0;
        for (int64_t i = 0; i < g.length; i++) s += in[0][element(&g, o, i)];
        out[0][o] = s;
    }
}

static void ref_mean(const clg_node *n, const double *const *in, double *const *out) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    ref_sum(n, in, out);
    for (int64_t o = 0; o < g.segments; o++) out[0][o] /= (double)g.length;
}

/** Which element of segment o is the first maximum; NaN is larger than all. */
static int64_t first_max(const geometry *g, const double *x, int64_t o) {
    int64_t best = 0;
    double top = x[element(g, o, 0)];
    for (int64_t i = 1; i < g->length; i++) {
        const double v = x[element(g, o, i)];
        if (v > top || (isnan(v) && !isnan(top))) top = v, best = i;
    }
    return best;
}

static void ref_max(const clg_node *n, const double *const *in, double *const *out) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    for (int64_t o = 0; o < g.segments; o++) out[0][o] = in[0][element(&g, o, first_max(&g, in[0], o))];
}

static void ref_argmax(const clg_node *n, const double *const *in, double *const *out) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    for (int64_t o = 0; o < g.segments; o++) out[0][o] = (double)first_max(&g, in[0], o);
}

static void ref_first_max(const clg_node *n, const double *const *in, double *const *out) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    for (int64_t o = 0; o < g.segments; o++) {
        const int64_t best = first_max(&g, in[0], o);
        for (int64_t i = 0; i < g.length; i++) out[0][element(&g, o, i)] = i == best;
    }
}

static void vjp_sum(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_broadcast(gy[0], in_shape(n, 0));
}

static void vjp_mean(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    gx[0] = clg_broadcast(clg_scale(gy[0], 1.0 / (double)g.length), in_shape(n, 0));
}

static void vjp_max(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const mask = clg_node_build(&clg_op_first_max, n->attr, n->in, 1);
    gx[0] = clg_where(mask, gy[0], clg_fill(n->graph, gy[0]->dtype, CLG_SCALAR, 0));
}

static clg_cost cost(const clg_node *n) { return cost_of(n, (double)in_elems(n, 0)); }

/* --- implementations --- */

enum { GROUP = 256, MAX_PARTS = 256 };

/** One launch over x in merged form. */
typedef struct pass {
    const clg_tensor *x, *y;
    geometry g;
    int64_t row_part, col_part; /* rows (R0 R1) and columns (R2) of a part */
    int64_t parts[2];           /* how many of each */
    double scale;
    const char *options;
} pass;

static bool fits_int(const clg_node *n, const clg_device *d) {
    (void)d;
    return in_elems(n, 0) <= INT32_MAX;
}

static bool fits_group(const clg_node *n, const clg_device *d) {
    const clg_device_caps *c = clg_device_get_caps(d);
    return fits_int(n, d) && c->max_group >= GROUP && c->max_item[0] >= GROUP;
}

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/** Cuts the segments so that `units` of work become about `want`, with no less than `least` elements of each. */
static void cut(pass *p, int64_t units, int64_t want, int64_t least) {
    const int64_t rows = larger(1, p->g.dim[R0] * p->g.dim[R1]), columns = larger(1, p->g.dim[R2]);
    const int64_t parts = larger(1, smaller(smaller(ceil_div(want, units), MAX_PARTS), p->g.length / least));
    p->row_part = ceil_div(rows, smaller(rows, parts));
    p->parts[0] = ceil_div(rows, p->row_part);
    p->col_part = rows >= parts ? columns : ceil_div(ceil_div(columns, ceil_div(parts, rows)), 64) * 64;
    p->parts[1] = ceil_div(columns, p->col_part);
}

/** per: units of work of a work-item, 0 if the kernel has no such argument. */
static clg_status launch(clg_emit *e, const pass *p, const char *kernel, int64_t items, size_t local, int64_t per) {
    const int64_t *const dim = p->g.dim;
    const int64_t n = dim[K0] * dim[K1] * dim[K2], k1 = dim[K1], k2 = dim[K2], k3 = dim[K3];
    const int64_t r0 = dim[R0], r1 = dim[R1], r2 = dim[R2], row_part = p->row_part, col_part = p->col_part;
    const clg_tensor *const x = p->x, *const y = p->y;
    const double scale = p->scale;
    clg_arg args[14] = { IN(x), OUT(y), INT(n), INT(k1), INT(k2), INT(k3), INT(r0), INT(r1), INT(r2),
                         INT(row_part), INT(col_part), FLOAT(scale) }; /* the rest is zero, which is the end */
    if (per > 0) args[12] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){ .kernel = kernel, .options = p->options, .args = args,
                                             .global = { (size_t)items, (size_t)p->parts[0], (size_t)p->parts[1] },
                                             .local = { local, 1, 1 } });
}

/** How a class of devices does it: what it cuts, and the launch of a pass that is cut. */
typedef struct way {
    void       (*cut)(pass *p);
    clg_status (*run)(clg_emit *e, const pass *p);
} way;

/* CPU: work-groups of one, of at least 4096 elements each and at most 256 of them. */
static int64_t lanes_of(const pass *p) { return smaller(p->g.dim[K3], 16); }
static int64_t units_cpu(const pass *p) { return p->g.segments / p->g.dim[K3] * ceil_div(p->g.dim[K3], 16); }
static int64_t units_per_item(int64_t units, int64_t work) {
    return larger(ceil_div(4096, larger(work, 1)), ceil_div(units, 256));
}

static void cut_cpu(pass *p) { cut(p, units_cpu(p), 64, 16384 / lanes_of(p)); }

static clg_status run_cpu(clg_emit *e, const pass *p) {
    const int64_t units = units_cpu(p), per = units_per_item(units, p->row_part * p->col_part * lanes_of(p));
    return launch(e, p, p->g.dim[K3] > 1 ? "reduce.cols" : "reduce.rows", ceil_div(units, per), 1, per);
}

/* GPU: a work-group for each long segment of neighbours, else a work-item an output. */
static bool is_tree(const pass *p) { return p->g.dim[K3] == 1 && p->g.length >= GROUP; }

static void cut_gpu(pass *p) {
    if (is_tree(p)) cut(p, p->g.segments, 512, 4096);
    else            cut(p, p->g.segments, 32768, 64);
}

static clg_status run_gpu(clg_emit *e, const pass *p) {
    if (is_tree(p)) return launch(e, p, "reduce.tree", p->g.segments * GROUP, GROUP, 0);
    return launch(e, p, "reduce.items", p->g.segments, GROUP, 0);
}

static clg_status emit_join(clg_emit *e, const clg_node *n, const way *w) {
    const char *const type = in_dtype(n, 0) == CLG_I32 ? "int" : "float";
    const char *const plain = clg_emit_options(e, "-DT=%s%s", type, n->op == &clg_op_max ? " -DMAX=1" : "");
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    pass last = { .x = n->in[0], .y = n->out[0], .g = g, .row_part = g.dim[R0] * g.dim[R1], .col_part = g.dim[R2],
                  .parts = { 1, 1 }, .scale = 1.0 / (double)larger(g.length, 1), .options = plain };
    if (g.segments == 0) return CLG_OK;
    pass first = last;
    w->cut(&first);
    const int64_t parts = first.parts[0] * first.parts[1];
    if (parts > 1) {
        first.y = last.x = clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(parts, g.segments));
        CLG_TRY(w->run(e, &first));
        last.g = (geometry){ .dim = { 1, 1, 1, 1, 1, parts, g.segments }, .segments = g.segments, .length = parts };
        last.row_part = 1;
        last.col_part = parts;
    }
    if (n->op == &clg_op_mean) last.options = clg_emit_options(e, "-DT=%s -DMEAN=1", type);
    return w->run(e, &last);
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit_join(e, n, &(way){ cut_cpu, run_cpu }); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit_join(e, n, &(way){ cut_gpu, run_gpu }); }

/** argmax and first_max: `per` segments a work-item. */
static clg_status emit_first(clg_emit *e, const clg_node *n, bool gpu) {
    const geometry g = merge_axes(in_shape(n, 0), axes_of(n));
    const clg_tensor *const x = n->in[0], *const y = n->out[0];
    const int64_t segments = g.segments, per = gpu ? 1 : units_per_item(g.segments, g.length);
    const int64_t k1 = g.dim[K1], k2 = g.dim[K2], k3 = g.dim[K3], r0 = g.dim[R0], r1 = g.dim[R1], r2 = g.dim[R2];
    if (segments == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = n->op == &clg_op_argmax ? "reduce.argmax" : "reduce.first_max",
        .options = clg_emit_options(e, "-DT=%s -DFIRST=1", in_dtype(n, 0) == CLG_I32 ? "int" : "float"),
        .global = { (size_t)ceil_div(segments, per), 1, 1 }, .local = { gpu ? GROUP : 1, 1, 1 },
        .args = ARGS(IN(x), OUT(y), { .kind = CLG_ARG_INT, .name = "n", .u.i = segments }, INT(k1), INT(k2), INT(k3),
                     INT(r0), INT(r1), INT(r2), INT(per)) });
}

static clg_status emit_first_cpu(clg_emit *e, const clg_node *n) { return emit_first(e, n, false); }
static clg_status emit_first_gpu(clg_emit *e, const clg_node *n) { return emit_first(e, n, true); }

static const clg_impl impls[] = {
    { "reduce.cpu", CLG_CLASS_CPU, fits_int, emit_cpu, NULL, false },
    { "reduce.gpu", CLG_CLASS_GPU, fits_group, emit_gpu, NULL, false },
    { 0 },
};
static const clg_impl first_impls[] = {
    { "first.cpu", CLG_CLASS_CPU, fits_int, emit_first_cpu, NULL, false },
    { "first.gpu", CLG_CLASS_GPU, fits_group, emit_first_gpu, NULL, false },
    { 0 },
};

/* --- rows --- */

#define REDUCE_ROW(name, formula, gradient, flags, vjp, impls)                                                        \
    { #name, formula, gradient, 1, 1, 1, flags, sizeof(reduce_attr), infer_##name, ref_##name, vjp, cost, NULL, NULL, \
      impls }

const clg_op clg_op_sum = REDUCE_ROW(sum, "y = sum of x over axes", "gx = gy, stretched", 0, vjp_sum, impls);
const clg_op clg_op_mean = REDUCE_ROW(mean, "y = sum of x over axes / number of elements summed",
                                      "gx = gy / number, stretched", 0, vjp_mean, impls);
const clg_op clg_op_max = REDUCE_ROW(max, "y = largest of x over axes; NaN if one is NaN",
                                     "gx = gy at the first maximum in row-major order, else 0", 0, vjp_max, impls);
const clg_op clg_op_argmax = REDUCE_ROW(argmax, "y = index along an axis of the first maximum of x", NULL,
                                        CLG_OP_NO_GRAD, NULL, first_impls);
const clg_op clg_op_first_max = REDUCE_ROW(first_max, "y = 1 at the first maximum of x over axes, else 0", NULL,
                                           CLG_OP_NO_GRAD, NULL, first_impls);

/* --- builders --- */

static clg_tensor *no_axis(const clg_op *op, const clg_tensor *x, int axis) {
    char text[128];
    const char *const name = clg_tensor_name(x);
    return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "%s(%s): there is no axis %d: %s is %s", op->name, name, axis, name,
                          clg_shape_text(x->dtype, x->shape, text, sizeof text));
}

/** A reduction over axes of size 1 only moves no data. */
static clg_tensor *reduce(const clg_op *op, clg_tensor *x, unsigned axes) {
    if (!x) return NULL;
    const unsigned all = (1u << x->shape.ndim) - 1;
    const reduce_attr attr = { axes == CLG_ALL ? all : axes };
    for (int i = x->shape.ndim; i < 32; i++)
        if (attr.axes >> i & 1) return no_axis(op, x, i);
    if (x->dtype != CLG_U8 && merge_axes(x->shape, attr.axes).length == 1)
        return attr.axes == all ? clg_reshape(x, CLG_SCALAR) : x;
    return clg_node_build(op, &attr, &x, 1);
}

clg_tensor *clg_sum(clg_tensor *x, unsigned axes) { return reduce(&clg_op_sum, x, axes); }
clg_tensor *clg_mean(clg_tensor *x, unsigned axes) { return reduce(&clg_op_mean, x, axes); }
clg_tensor *clg_max(clg_tensor *x, unsigned axes) { return reduce(&clg_op_max, x, axes); }

clg_tensor *clg_argmax(clg_tensor *x, int axis) {
    if (!x) return NULL;
    const int i = clg_axis(axis, x->shape.ndim);
    if (i < 0) return no_axis(&clg_op_argmax, x, axis);
    return clg_node_build(&clg_op_argmax, &(reduce_attr){ CLG_AXIS(i) }, &x, 1);
}

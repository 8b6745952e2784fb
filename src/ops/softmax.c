/* Softmax and log-softmax over one axis, stable: the maximum is taken off first. Kernels: cl/softmax.cl. */
#include "ops/softmax.h"
#include "ops/move.h"
#include "ops/team.h"
#include <math.h>

typedef struct softmax_attr {
    int32_t axis;
} softmax_attr;

extern const clg_op clg_op_softmax, clg_op_log_softmax;

static int axis_of(const clg_node *n) { return ((const softmax_attr *)n->attr)->axis; }

clg_softmax_form clg_softmax_form_of(clg_shape s, int axis) {
    clg_softmax_form f = { 1, s.dim[axis], 1, 0 };
    for (int i = 0; i < axis; i++) f.outer *= s.dim[i];
    for (int i = axis + 1; i < s.ndim; i++) f.inner *= s.dim[i];
    f.n = f.outer * f.inner;
    return f;
}

static clg_status infer(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

void clg_softmax_stat(const clg_softmax_form *f, const double *x, int64_t p, double *max, double *log_sum) {
    const double *const from = x + clg_softmax_start(f, p);
    double m = -INFINITY, s = 0;
    for (int64_t c = 0; c < f->classes; c++) m = fmax(m, from[c * f->inner]);
    for (int64_t c = 0; c < f->classes; c++) s += exp(from[c * f->inner] - m);
    *max = m;
    *log_sum = log(s);
}

static void ref_log_softmax(const clg_node *n, const double *const *in, double *const *out) {
    const clg_softmax_form f = clg_softmax_form_of(in_shape(n, 0), axis_of(n));
    for (int64_t p = 0; p < f.n; p++) {
        const int64_t start = clg_softmax_start(&f, p);
        double m, s;
        clg_softmax_stat(&f, in[0], p, &m, &s);
        for (int64_t c = 0; c < f.classes; c++) out[0][start + c * f.inner] = in[0][start + c * f.inner] - m - s;
    }
}

static void ref_softmax(const clg_node *n, const double *const *in, double *const *out) {
    ref_log_softmax(n, in, out);
    for (int64_t i = 0; i < out_elems(n, 0); i++) out[0][i] = exp(out[0][i]);
}

static void vjp_softmax(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const y = n->out[0];
    gx[0] = clg_mul(y, clg_sub(gy[0], clg_sum(clg_mul(gy[0], y), CLG_AXIS(axis_of(n)))));
}

static void vjp_log_softmax(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_sub(gy[0], clg_mul(clg_exp(n->out[0]), clg_sum(gy[0], CLG_AXIS(axis_of(n)))));
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 14.0 * (double)out_elems(n, 0)); }

/* --- implementations --- */

bool clg_softmax_fits(const clg_node *n, const clg_device *d) {
    (void)d;
    return in_elems(n, 0) <= INT32_MAX;
}

bool clg_softmax_fits_group(const clg_node *n, const clg_device *d) {
    return clg_softmax_fits(n, d) && clg_team_group(d, CLG_TEAM_GROUP) >= CLG_TEAM_LEAST;
}

int64_t clg_softmax_per(int64_t units, int64_t work) {
    const int64_t by_work = work < 2048 ? 2048 / (work > 0 ? work : 1) : 1, by_count = (units + 255) / 256;
    return by_work > by_count ? by_work : by_count;
}

clg_status clg_softmax_emit_cpu(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_softmax_form *f,
                                const char *options) {
    const int64_t n = f->n, classes = f->classes, inner = f->inner;
    const bool lanes = inner > 1;
    const int64_t units = lanes ? n / inner * ((inner + 15) / 16) : n;
    const int64_t per = clg_softmax_per(units, lanes ? 16 * classes : classes);
    clg_arg args[7] = { IN(x), OUT(y), INT(n), INT(classes) }; /* the rest is zero, which is the end */
    int i = 4;
    if (lanes) args[i++] = (clg_arg)INT(inner);
    args[i] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){ .kernel = lanes ? "softmax.cols" : "softmax.rows", .options = options,
                                             .global = { (size_t)((units + per - 1) / per), 1, 1 },
                                             .local = { 1, 1, 1 }, .args = args });
}

static clg_status emit(clg_emit *e, const clg_node *n, bool gpu) {
    const clg_softmax_form f = clg_softmax_form_of(in_shape(n, 0), axis_of(n));
    const char *const options = n->op == &clg_op_log_softmax ? "-DMODE=1" : "-DMODE=0";
    if (out_elems(n, 0) == 0) return CLG_OK;
    return gpu ? clg_softmax_emit_gpu(e, n->in[0], n->out[0], &f, false, options)
               : clg_softmax_emit_cpu(e, n->in[0], n->out[0], &f, options);
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, false); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, true); }

static const clg_impl impls[] = {
    { "softmax.cpu", CLG_CLASS_CPU, clg_softmax_fits, emit_cpu, NULL, false },
    { "softmax.gpu", CLG_CLASS_GPU, clg_softmax_fits_group, emit_gpu, NULL, false },
    { 0 },
};

static enum clg_join join(const clg_node *n, const enum clg_join *in, int out) {
    return axis_of(n) > 0 ? clg_join_rows(n, in, out) : CLG_JOIN_NONE;
}

const clg_op clg_op_softmax = { .name = "softmax", .min_in = 1, .max_in = 1, .n_out = 1,
    .formula = "y = exp(x - m) / sum of exp(x - m) over an axis, m = max of x",
    .gradient = "gx = y (gy - sum of gy y)", .shapes = "x [...], axis -> [...]", .attr_size = sizeof(softmax_attr),
    .infer = infer, .ref = ref_softmax, .vjp = vjp_softmax, .cost = cost, .join = join,
    .impls = impls };
const clg_op clg_op_log_softmax = { .name = "log_softmax", .min_in = 1, .max_in = 1, .n_out = 1,
    .formula = "y = x - m - log(sum of exp(x - m)) over an axis, m = max of x",
    .gradient = "gx = gy - exp(y) sum of gy", .shapes = "x [...], axis -> [...]", .attr_size = sizeof(softmax_attr),
    .infer = infer, .ref = ref_log_softmax, .vjp = vjp_log_softmax, .cost = cost, .join = join,
    .impls = impls };

static clg_tensor *build(const clg_op *op, clg_tensor *x, int axis) {
    if (!x) return NULL;
    const softmax_attr attr = { clg_axis(axis, x->shape.ndim) };
    if (attr.axis < 0) return clg_fail_axis(op->name, x, axis);
    return clg_node_build(op, &attr, &x, 1);
}

clg_tensor *clg_softmax(clg_tensor *x, int axis) { return build(&clg_op_softmax, x, axis); }
clg_tensor *clg_log_softmax(clg_tensor *x, int axis) { return build(&clg_op_log_softmax, x, axis); }

/* Cross-entropy from logits with integer targets, and its gradient. The forward op keeps what the backward op needs:
 * the number of positions that count, and maximum and log of the sum of each position (cl/softmax.cl, MODE 2). */
#include "ops/softmax.h"
#include "ops/team.h"
#include "ops/wide.h"
#include <math.h>

enum { LOSS, COUNT, STAT };                       /* outputs of cross_entropy: scalar, scalar, [2, positions] */
enum { LOGITS, TARGET, COUNT_IN, STAT_IN, GY };   /* inputs of cross_entropy_bwd; the first two of both */
enum { PART = 512, IGNORED = -1 };                /* positions of a partial sum */

extern const clg_op clg_op_cross_entropy, clg_op_cross_entropy_bwd;

static clg_softmax_form form_of(const clg_node *n) { return clg_softmax_form_of(in_shape(n, LOGITS), 1); }

/* --- infer, reference, gradient --- */

static clg_status infer(clg_node *n) {
    const clg_shape x = in_shape(n, LOGITS), t = in_shape(n, TARGET);
    if (!clg_dtype_is_float(in_dtype(n, LOGITS))) return clg_fail_op(n, "the logits must be floats; clg_cast() them");
    if (in_dtype(n, TARGET) != CLG_I32 && in_dtype(n, TARGET) != CLG_I64)
        return clg_fail_op(n, "the targets must be i32 or i64; clg_cast() them");
    bool fits = x.ndim >= 2 && t.ndim == x.ndim - 1 && x.dim[0] == t.dim[0];
    for (int i = 1; fits && i < t.ndim; i++) fits = t.dim[i] == x.dim[i + 1];
    if (!fits) return clg_fail_op(n, "logits [N, C, ...] want targets [N, ...]");
    if (x.dim[1] == 0) return clg_fail_op(n, "there is no class: C is 0");
    CLG_TRY(set_out(n, LOSS, in_dtype(n, LOGITS), CLG_SCALAR));
    const clg_dtype wide = clg_wide_type(in_dtype(n, LOGITS)); /* f16 cannot count far, nor bf16 hold a log of a sum */
    CLG_TRY(set_out(n, COUNT, wide, CLG_SCALAR));
    return set_out(n, STAT, wide, CLG_SHAPE(2, form_of(n).n));
}

static clg_status infer_bwd(clg_node *n) { return set_out(n, 0, in_dtype(n, LOGITS), in_shape(n, LOGITS)); }

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const clg_softmax_form f = form_of(n);
    double sum = 0, count = 0;
    for (int64_t p = 0; p < f.n; p++) {
        double *const m = out[STAT] + p, *const s = out[STAT] + f.n + p;
        const int64_t t = (int64_t)in[TARGET][p];
        clg_softmax_stat(&f, in[LOGITS], p, m, s);
        if (t == IGNORED) continue;
        count++;
        sum += t >= 0 && t < f.classes ? *m + *s - in[LOGITS][clg_softmax_start(&f, p) + t * f.inner] : NAN;
    }
    out[LOSS][0] = sum / count;
    out[COUNT][0] = count;
}

static void ref_bwd(const clg_node *n, const double *const *in, double *const *out) {
    const clg_softmax_form f = form_of(n);
    const double factor = in[GY][0] / in[COUNT_IN][0];
    for (int64_t p = 0; p < f.n; p++) {
        const int64_t t = (int64_t)in[TARGET][p], start = clg_softmax_start(&f, p);
        const double w = t >= 0 && t < f.classes ? factor : NAN;
        for (int64_t c = 0; c < f.classes; c++) {
            const int64_t i = start + c * f.inner;
            const double y = exp(in[LOGITS][i] - in[STAT_IN][p] - in[STAT_IN][f.n + p]);
            out[0][i] = t == IGNORED ? 0 : (y - (c == t)) * w;
        }
    }
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const in[] = { n->in[LOGITS], n->in[TARGET], n->out[COUNT], n->out[STAT], gy[LOSS] };
    if (gy[LOSS]) gx[LOGITS] = clg_node_build(&clg_op_cross_entropy_bwd, NULL, in, 5);
}

/** The target as [N, 1, ...], beside the logits, and the constant v of its type. */
static clg_tensor *beside(const clg_node *n) {
    clg_shape s = in_shape(n, LOGITS);
    s.dim[1] = 1;
    return clg_reshape(n->in[TARGET], s);
}
static clg_tensor *lit(const clg_tensor *like, double v) { return clg_fill(like->graph, like->dtype, CLG_SCALAR, v); }

/** With p = softmax(x) and w = gy / count where a position counts: gx = (p - [class = target]) w. Against u, the
 *  derivative by x is w p (u - sum of u p), by gy the sum of u gx / gy. count and stat are functions of the other
 *  inputs that the forward op keeps; what depends on x through them is in the first term. */
static void vjp_bwd(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const u = clg_widen(gy[0]), *const count = n->in[COUNT_IN], *const t = beside(n);
    if (clg_wants_grad(n, LOGITS)) {
        clg_tensor *const p = clg_softmax(clg_widen(n->in[LOGITS]), 1), *const w = clg_div(clg_widen(n->in[GY]), count);
        clg_tensor *const below = clg_where(clg_lt(t, lit(t, (double)in_dim(n, LOGITS, 1))), w, lit(w, NAN));
        clg_tensor *const known = clg_where(clg_ge(t, lit(t, 0)), below, lit(w, NAN));
        clg_tensor *const weight = clg_where(clg_eq(t, lit(t, IGNORED)), lit(w, 0), known);
        clg_tensor *const spread = clg_sub(u, clg_sum(clg_mul(u, p), CLG_AXIS(1)));
        gx[LOGITS] = clg_cast(clg_mul(weight, clg_mul(p, spread)), in_dtype(n, LOGITS));
    }
    if (clg_wants_grad(n, GY)) {
        clg_tensor *in[] = { n->in[LOGITS], n->in[TARGET], count, n->in[STAT_IN], lit(gy[0], 1) };
        clg_tensor *const unit = clg_widen(clg_node_build(&clg_op_cross_entropy_bwd, NULL, in, 5));
        gx[GY] = clg_cast(clg_sum(clg_mul(u, unit), CLG_ALL), in_dtype(n, GY));
    }
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 13.0 * (double)in_elems(n, LOGITS)); }

/* --- micro-batches --- */

static enum clg_join join_loss(const clg_node *n, const enum clg_join *in, int out) {
    static const enum clg_join of[] = { CLG_JOIN_SUM, CLG_JOIN_WHOLE, CLG_JOIN_LOCAL };
    return clg_join_rows(n, in, out) == CLG_JOIN_ROWS ? of[out] : CLG_JOIN_NONE;
}

/** How many positions count is seen from the targets before the first part, whose gradients want it. A part's share in
 *  the loss is the sum of its losses, 0 if it has none, over that. */
static bool part_loss(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    clg_tensor *const target = n->in[TARGET];
    (void)first;
    clg_tensor *const all = clg_sum(clg_cast(clg_ne(target, lit(target, IGNORED)), n->out[COUNT]->dtype), CLG_ALL);
    if (!clg_part_build(n, NULL, in, out)) return false;
    clg_tensor *const none = lit(out[COUNT], 0), *const sum = clg_mul(clg_cast(out[LOSS], all->dtype), out[COUNT]);
    out[LOSS] = clg_cast(clg_div(clg_where(clg_gt(out[COUNT], none), sum, none), all), n->out[LOSS]->dtype);
    out[COUNT] = all;
    return out[LOSS] != NULL;
}

static enum clg_join join_bwd(const clg_node *n, const enum clg_join *in, int out) {
    (void)n;
    (void)out;
    const bool fits = in[LOGITS] == CLG_JOIN_ROWS && in[TARGET] == CLG_JOIN_ROWS && in[COUNT_IN] == CLG_JOIN_WHOLE
                   && in[STAT_IN] == CLG_JOIN_LOCAL && in[GY] == CLG_JOIN_WHOLE;
    return fits ? CLG_JOIN_ROWS : CLG_JOIN_NONE;
}

/* --- implementations --- */

static const char *options_of(const clg_node *n) {
    return in_dtype(n, TARGET) == CLG_I64 ? "-DMODE=2 -DIDX=long" : "-DMODE=2";
}

/** A partial loss of each PART positions, by a work-group; then their mean. */
static clg_status emit(clg_emit *e, const clg_node *node, bool gpu) {
    const clg_softmax_form f = form_of(node);
    const char *const options = options_of(node);
    const clg_tensor *const x = node->in[LOGITS], *const target = node->in[TARGET], *const stat = node->out[STAT];
    const clg_tensor *const loss = node->out[LOSS], *const count = node->out[COUNT], *sums = loss, *counts = count;
    const int64_t n = f.n, classes = f.classes, inner = f.inner, per = PART;
    const int64_t parts = n > PART ? (n + PART - 1) / PART : 1;
    const clg_team team = gpu ? clg_team_whole(clg_emit_device(e), x->dtype == CLG_F32) : (clg_team){ 1, 1, false };
    const size_t local = (size_t)team.group;
    if (n > 0)
        CLG_TRY(gpu ? clg_softmax_emit_gpu(e, x, stat, &f, true, options)
                    : clg_softmax_emit_cpu(e, x, stat, &f, options));
    if (parts > 1) {
        sums = clg_emit_scratch(e, x->dtype, CLG_SHAPE(parts));
        counts = clg_emit_scratch(e, x->dtype, CLG_SHAPE(parts));
    }
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "softmax.loss_parts", .options = gpu ? clg_team_options(e, &team, options) : options,
        .global = { (size_t)parts * local, 1, 1 }, .local = { local, 1, 1 },
        .args = ARGS(IN(x), IN(target), IN(stat), OUT(sums), OUT(counts), INT(n), INT(classes), INT(inner),
                     INT(per)) }));
    if (parts == 1) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "softmax.loss_join", .options = options, .global = { 1, 1, 1 }, .local = { 1, 1, 1 },
        .args = ARGS(IN(sums), IN(counts), OUT(loss), OUT(count), INT(parts)) });
}

static clg_status emit_bwd(clg_emit *e, const clg_node *node, bool gpu) {
    const clg_softmax_form f = form_of(node);
    const char *const options = options_of(node);
    const clg_tensor *const x = node->in[LOGITS], *const target = node->in[TARGET], *const count = node->in[COUNT_IN];
    const clg_tensor *const stat = node->in[STAT_IN], *const gy = node->in[GY], *const gx = node->out[0];
    const int64_t n = f.n, classes = f.classes, inner = f.inner;
    const bool cols = !gpu && inner > 1;
    const int64_t units = cols ? f.outer * classes : n, per = clg_softmax_per(units, cols ? inner : classes);
    const int64_t group = gpu ? clg_team_group(clg_emit_device(e), CLG_TEAM_GROUP) : 1;
    clg_arg args[11] = { IN(x), IN(target), IN(count), IN(stat), IN(gy), OUT(gx), INT(n), INT(classes) };
    int i = 8;
    if (gpu || cols) args[i++] = (clg_arg)INT(inner);
    if (!gpu) args[i] = (clg_arg)INT(per);
    if (out_elems(node, 0) == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = gpu ? "softmax.loss_grad_items" : cols ? "softmax.loss_grad_cols" : "softmax.loss_grad_rows",
        .options = options,
        .global = { (size_t)(gpu ? n * classes : (units + per - 1) / per), 1, 1 },
        .local = { (size_t)group, 1, 1 }, .args = args });
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, false); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, true); }
static clg_status emit_bwd_cpu(clg_emit *e, const clg_node *n) { return emit_bwd(e, n, false); }
static clg_status emit_bwd_gpu(clg_emit *e, const clg_node *n) { return emit_bwd(e, n, true); }

static const clg_impl impls[] = {
    { "cross_entropy.cpu", CLG_CLASS_CPU, clg_softmax_fits, emit_cpu, NULL, false },
    { "cross_entropy.gpu", CLG_CLASS_GPU, clg_softmax_fits_group, emit_gpu, NULL, false },
    { 0 },
};
static const clg_impl bwd_impls[] = {
    { "cross_entropy_bwd.cpu", CLG_CLASS_CPU, clg_softmax_fits, emit_bwd_cpu, NULL, false },
    { "cross_entropy_bwd.gpu", CLG_CLASS_GPU, clg_softmax_fits_group, emit_bwd_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_cross_entropy = { .name = "cross_entropy", .min_in = 2, .max_in = 2, .n_out = 3,
    .formula = "loss = mean of -log_softmax(x)[target] where target is not -1; NaN where none is",
    .gradient = "gx = (softmax(x) - [class = target]) gy / count", .infer = infer, .ref = ref, .vjp = vjp,
    .shapes = "logits [N,C,S...], target i32 or i64 [N,S...] -> loss [], count [], statistics [2,N S...]",
    .cost = cost, .join = join_loss, .part = part_loss, .impls = impls };
const clg_op clg_op_cross_entropy_bwd = { .name = "cross_entropy_bwd", .min_in = 5, .max_in = 5, .n_out = 1,
    .formula = "gx = (softmax(x) - [class = target]) gy / count; 0 where target is -1",
    .gradient = "against u, with p = softmax(x): by x p (u - sum of u p) gy / count, by gy the sum of u gx / gy",
    .shapes = "logits [N,C,S...], target [N,S...], count [], statistics [2,N S...], gy [] -> [N,C,S...]",
    .infer = infer_bwd, .ref = ref_bwd, .vjp = vjp_bwd, .cost = cost, .join = join_bwd,
    .impls = bwd_impls };

clg_tensor *clg_cross_entropy(clg_tensor *logits, clg_tensor *target) {
    return clg_node_build(&clg_op_cross_entropy, NULL, (clg_tensor *const[]){ logits, target }, 2);
}

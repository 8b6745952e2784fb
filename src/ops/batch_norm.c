/* Batch normalisation (Ioffe & Szegedy 2015): moments.c takes the statistics, batch_norm applies some, and the builder
 * chooses by phase: those of the batch in training plans, the running ones in inference plans. What only the
 * other phase needs the planner never computes; the update of the running statistics hangs on the mean that training
 * takes. */
#include "ops/norm.h"
#include <math.h>

extern const clg_op clg_op_batch_norm;

/* --- batch_norm by given statistics: x, mean, var, gamma, beta --- */

static clg_status infer(clg_node *n) {
    static const char *const names[] = {"", "mean", "var", "gamma", "beta"};
    const clg_shape x = in_shape(n, 0);
    CLG_TRY(clg_norm_check(n));
    if (x.ndim < 2) return clg_fail_op(n, "wants [N, C, ...]");
    for (int i = 1; i < 5; i++) CLG_TRY(clg_norm_check_param(n, i, names[i], CLG_SHAPE(x.dim[1])));
    return set_out(n, 0, in_dtype(n, 0), x);
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const double eps = ((const clg_norm_attr *)n->attr)->eps;
    const int64_t elems = in_elems(n, 0), channels = in_dim(n, 0, 1), plane = channels && in_dim(n, 0, 0)
        ? elems / channels / in_dim(n, 0, 0) : 1;
    for (int64_t i = 0; i < elems; i++) {
        const int64_t c = i / plane % channels;
        double y = (in[0][i] - in[1][c]) / sqrt(in[2][c] + eps);
        if (n->n_in > 3) y *= in[3][c];
        if (n->n_in > 4) y += in[4][c];
        out[0][i] = y;
    }
}

/* Input i as [1, C, 1, ...]; NULL if it is not there. */
static clg_tensor *channel_input(const clg_node *n, int i) {
    clg_tensor *const t = in_tensor(n, i);
    return t ? clg_reshape(clg_widen(t), clg_norm_channels(in_dim(n, 0, 1), in_shape(n, 0).ndim)) : NULL;
}

/* gamma goes into the scale, which has a value for each channel only. */
static bool expand(const clg_node *n, clg_tensor **y) {
    clg_tensor *const x = clg_widen(n->in[0]), *const gamma = channel_input(n, 3), *const beta = channel_input(n, 4);
    clg_tensor *const r = clg_norm_rstd(channel_input(n, 2), ((const clg_norm_attr *)n->attr)->eps);
    clg_tensor *const mean = channel_input(n, 1), *const scale = gamma ? clg_mul(r, gamma) : r;
    if (!mean) return false;
    clg_tensor *const shift = beta ? beta : clg_fill(n->graph, mean->dtype, mean->shape, 0);
    y[0] = clg_cast(clg_normalize(x, mean, scale, shift), in_dtype(n, 0));
    return y[0] != NULL;
}

const clg_op clg_op_batch_norm = {
    .name = "batch_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) gamma + beta; in training mean and var are moments of x over N and S",
    .gradient = "gx = gy gamma / s, gmean = -sum of gx, gvar = -sum of gx (x - mean) / (2 s^2), s = sqrt(var + eps); "
                "ggamma = sum of gy (x - mean) / s, gbeta = sum of gy",
    .shapes = "x [N,C,S...], mean [C], var [C], gamma [C], beta [C] -> [N,C,S...]",
    .min_in = 3, .max_in = 5, .n_out = 1, .attr_size = sizeof(clg_norm_attr),
    .infer = infer, .ref = ref, .expand = expand,
};

/* --- the builder --- */

typedef struct running { clg_tensor *mean, *var; } running;

/* Running statistics come in pairs, of the type and shape that statistics of x have. */
static bool check_running(clg_tensor *x, running r, bool frozen) {
    char have[128], want[128];
    const clg_dtype t = clg_wide_type(x->dtype);
    const char *name = clg_tensor_name(x);
    if (x->shape.ndim < 2 || !clg_dtype_is_float(x->dtype)) {
        clg_graph_fail(x->graph, CLG_ERR_SHAPE, "batch_norm(%s): wants floating-point numbers [N, C, ...]: %s is %s",
                       name, name, clg_shape_text(x->dtype, x->shape, have, sizeof have));
        return false;
    }
    if (!r.mean != !r.var || (frozen && !r.mean)) {
        clg_graph_fail(x->graph, CLG_ERR_INVALID, "batch_norm(%s): %s", name, frozen
                       ? "frozen needs running_mean and running_var"
                       : "give both of running_mean and running_var, or none");
        return false;
    }
    for (int i = 0; i < 2 && r.mean; i++) {
        const clg_tensor *s = i ? r.var : r.mean;
        if (s->dtype == t && clg_shape_equal(s->shape, CLG_SHAPE(x->shape.dim[1]))) continue;
        clg_graph_fail(x->graph, CLG_ERR_SHAPE, "batch_norm(%s): running_%s must be %s: it is %s", name,
                       i ? "var" : "mean", clg_shape_text(t, CLG_SHAPE(x->shape.dim[1]), want, sizeof want),
                       clg_shape_text(s->dtype, s->shape, have, sizeof have));
        return false;
    }
    return true;
}

/* Old running statistics moved towards those of the batch. */
static clg_tensor *moved(clg_tensor *old, clg_tensor *batch, double momentum, double correction) {
    return clg_assign(old, clg_add(clg_scale(old, 1 - momentum), clg_scale(batch, momentum * correction)));
}

/* Mean and variance that plans take: in inference plans the running ones. The batch is seen through a phase of x and
 * x without gradient: in inference plans no gradient flows through its statistics, so they are not computed there. */
static running statistics(clg_tensor *x, running r, double momentum) {
    const int64_t channels = x->shape.dim[1], n = clg_shape_elems(x->shape) / (channels ? channels : 1);
    const unsigned axes = ((1u << x->shape.ndim) - 1) & ~2u;
    const clg_dtype t = clg_wide_type(x->dtype);
    running batch, taken;
    if (n == 0 || channels == 0) { /* nothing to take them from */
        taken.mean = r.mean ? r.mean : clg_fill(x->graph, t, CLG_SHAPE(channels), 0);
        taken.var = r.var ? r.var : clg_fill(x->graph, t, CLG_SHAPE(channels), 1);
        return taken;
    }
    clg_moments(r.mean ? clg_phase(clg_stop_grad(x), x) : x, axes, &batch.mean, &batch.var);
    batch.mean = clg_reshape(batch.mean, CLG_SHAPE(channels));
    batch.var = clg_reshape(batch.var, CLG_SHAPE(channels));
    if (!r.mean) return batch;
    taken.mean = clg_phase(r.mean, batch.mean);
    taken.var = clg_phase(r.var, batch.var);
    if (taken.mean && !clg_has_training_effect(taken.mean)) { /* an equal call before this one has it */
        const double unbiased = n > 1 ? (double)n / (double)(n - 1) : 1;
        clg_tensor *const both[] = {moved(r.mean, batch.mean, momentum, 1),
                                    moved(r.var, batch.var, momentum, unbiased)};
        clg_when_training(taken.mean, clg_group((clg_list){2, both}));
    }
    return taken;
}

clg_tensor *clg_batch_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, clg_tensor *running_mean,
                           clg_tensor *running_var, const clg_norm_params *p) {
    const bool frozen = p && p->frozen;
    const double momentum = p && p->momentum != 0 ? p->momentum : 0.1;
    const clg_norm_attr a = {clg_norm_eps(p), 0};
    running r = {running_mean, running_var};
    if (!x || !check_running(x, r, frozen)) return NULL;
    if (!(momentum > 0 && momentum <= 1))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "batch_norm(%s): momentum is %g; it must be above 0, at "
                              "most 1", clg_tensor_name(x), momentum);
    if (!frozen) r = statistics(x, r, momentum);
    return clg_node_build(&clg_op_batch_norm, &a,
                          (clg_tensor *[]){x, r.mean, r.var, clg_norm_gamma(gamma, beta), beta}, 5);
}

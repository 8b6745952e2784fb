/* Cases of normalisation. Bounds: a mean of n values below 1 is off by a few eps, so x - mean is too; 1 / sqrt(var)
 * multiplies that, which is below 3 for the uniform values here, and adds 6 eps of its own to |z| below 4; 64 leaves
 * room for gamma and for sums of up to some hundred terms in another order. Small groups get shuffled values that lie
 * apart (DISTINCT), so that no variance is near 0. */
#include "check/bad.h"
#include "check/cases.h"

static clg_tensor *layer_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_layer_norm(in[0], in[1], in[2], *(const int *)c->attr, NULL);
}
static clg_tensor *rms_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_rms_norm(in[0], in[1], *(const int *)c->attr, NULL);
}
static clg_tensor *instance_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_instance_norm(in[0], in[1], in[2], NULL);
}
static clg_tensor *group_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_group_norm(in[0], in[1], in[2], *(const int *)c->attr, NULL);
}
/* Without gamma, and without both. */
static clg_tensor *layer_norm_beta(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_layer_norm(in[0], NULL, in[1], *(const int *)c->attr, clg_norm_params(.eps = 0.01));
}
static clg_tensor *group_norm_plain(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_group_norm(in[0], NULL, NULL, *(const int *)c->attr, clg_norm_params(.eps = 0.01));
}
/* Values around 1000 with a deviation of 4.6: the variance must not come from a difference of squares, which would be
 * off by a million eps. A mean of n values is off by n eps / 2 of their size at most, in whatever order they are added:
 * after division by the deviation, 100 1000 / (2 4.6) eps. */
static clg_tensor *far(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = clg_add(clg_scale(in[0], 8), clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 1000));
    return clg_layer_norm(x, NULL, NULL, *(const int *)c->attr, NULL);
}
static clg_tensor *batch_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_batch_norm(in[0], in[1], in[2], NULL, NULL, c->attr);
}
static clg_tensor *batch_norm_frozen(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_batch_norm(in[0], in[1], in[2], in[3], in[4], clg_norm_params(.frozen = true, .eps = 1e-3));
}
static clg_tensor *batch_norm_bare(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_batch_norm(in[0], NULL, NULL, in[1], in[2], clg_norm_params(.frozen = true));
}
/* The state "s" after two runs: the running mean, or the running variance. */
static clg_tensor *batch_norm_state(clg_graph *g, clg_tensor *x, const char *mean, const char *var) {
    const clg_shape s = CLG_SHAPE(clg_tensor_shape(x).dim[1]);
    clg_tensor *m = clg_state(g, mean, CLG_F32, s, 0.5), *v = clg_state(g, var, CLG_F32, s, 2);
    clg_tensor *y = clg_batch_norm(x, NULL, NULL, m, v, clg_norm_params(.momentum = 0.25));
    return clg_assign(clg_state(g, "out", CLG_F32, CLG_SCALAR, 0), clg_sum(y, CLG_ALL));
}
static clg_tensor *running_mean(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return batch_norm_state(g, in[0], "s", "t");
}
static clg_tensor *running_var(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return batch_norm_state(g, in[0], "t", "s");
}
static clg_tensor *moments(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *mean, *var;
    clg_moments(in[0], *(const unsigned *)c->attr, &mean, &var);
    return clg_sub(var, mean);
}
/* Both results, of different weight. */
static clg_tensor *comoments(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s, *t;
    clg_comoments(in[0], in[1], in[2], *(const unsigned *)c->attr, &s, &t);
    return clg_add(clg_scale(s, 2), t);
}
static clg_tensor *normalize(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_normalize(in[0], in[1], in[2], in[3]);
}
static clg_tensor *lrn(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_lrn(in[0], c->attr); }
static clg_tensor *phase(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_mul(clg_phase(in[0], in[1]), in[1]);
}

static const int one = 1, two = 2, three = 3, all = 4, g2 = 2, g3 = 3;
static const clg_norm_params usual = {0}, wide = {.eps = 0.1};
static const unsigned axis0 = CLG_AXIS(0), axes02 = CLG_AXIS(0) | CLG_AXIS(2), every = CLG_ALL;
static const clg_lrn_params n3 = {.size = 3}, n5 = {.size = 5, .alpha = 0.5, .beta = 0.5, .k = 2},
                            n4 = {.size = 4, .alpha = 1, .beta = 0.75, .k = 1}, n9 = {.size = 9, .alpha = 1};

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
/* x and its gamma and beta. */
#define AFFINE(op_, build_, attr_, flags_, n, dx, np, dp)                                                     \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = 64, .flags = flags_, .n_in = 3,            \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}, {np, DIMS dp}, {np, DIMS dp}}}
#define RMS(attr_, flags_, n, dx, np, dp)                                                             \
    {.op = "rms_norm", .text = #attr_, .build = rms_norm, .attr = &attr_, .k = 64, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}, {np, DIMS dp}}}
#define PLAIN(op_, build_, attr_, k_, flags_, n, dx)                                                      \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 1,         \
     .in = {{n, DIMS dx, CLG_FILL_DISTINCT}}}
#define LAYER(...)     AFFINE(layer_norm, layer_norm, __VA_ARGS__)
#define INSTANCE(...)  AFFINE(instance_norm, instance_norm, one, __VA_ARGS__)
#define GROUP(...)     AFFINE(group_norm, group_norm, __VA_ARGS__)
#define BATCH(...)     AFFINE(batch_norm, batch_norm, __VA_ARGS__)
#define LRN(attr, ...)     PLAIN(lrn, lrn, attr, 24, __VA_ARGS__)
#define MOMENTS(attr, ...) PLAIN(moments, moments, attr, 16, __VA_ARGS__)
/* u, x, and the mean in dm. k: the roundings of a chain of additions, as many as elements that are no neighbours, and a
 * few for the lanes and the term itself. */
#define COMOMENTS(attr_, k_, flags_, n, dx, nm, dm)                                                               \
    {.op = "comoments", .text = #attr_, .build = comoments, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 3, \
     .in = {{n, DIMS dx}, {n, DIMS dx}, {nm, DIMS dm}}}
#define NORMALIZE(flags_, n, dx, nm, dm)                                                                      \
    {.op = "normalize", .build = normalize, .k = 4, .flags = flags_, .n_in = 4,                                 \
     .in = {{n, DIMS dx}, {nm, DIMS dm}, {nm, DIMS dm}, {nm, DIMS dm}}}
#define FROZEN(flags_, n, dx, c)                                                                              \
    {.op = "batch_norm", .text = "frozen", .build = batch_norm_frozen, .k = 32, .flags = flags_, .n_in = 5,       \
     .in = {{n, DIMS dx}, {1, {c}}, {1, {c}}, {1, {c}}, {1, {c}, CLG_FILL_POSITIVE}}},                            \
    {.op = "batch_norm", .text = "frozen, bare", .build = batch_norm_bare, .k = 32, .flags = flags_, .n_in = 3,   \
     .in = {{n, DIMS dx}, {1, {c}}, {1, {c}, CLG_FILL_POSITIVE}}}

const clg_case clg_cases_norm[] = {
    LAYER(one, G, 3, (2, 3, 7), 1, (7)),
    LAYER(two, G, 3, (4, 3, 5), 2, (3, 5)),
    LAYER(one, G, 2, (5, 37), 1, (37)), LAYER(one, G, 1, (23), 1, (23)),
    LAYER(all, G, 4, (2, 3, 2, 3), 4, (2, 3, 2, 3)),
    LAYER(one, G, 2, (3, 1), 1, (1)), LAYER(one, 0, 2, (0, 5), 1, (5)),
    LAYER(one, 0, 2, (5, 0), 1, (0)),
    LAYER(one, 0, 2, (64, 768), 1, (768)),
    LAYER(one, B, 2, (2048, 768), 1, (768)),
    {.op = "layer_norm", .text = "beta only", .build = layer_norm_beta, .attr = &one, .k = 64, .flags = G, .n_in = 2,
     .in = {{2, {5, 9}, CLG_FILL_DISTINCT}, {1, {9}}}},
    /* x and the mean round to 256 eps, and of sums up to 1e5 the mean is off by 1150 eps; z by a quarter of each. */
    PLAIN(layer_norm, far, one, 10900, 0, 2, (4, 100)),
    RMS(one, G, 3, (2, 3, 7), 1, (7)), RMS(two, G, 3, (4, 3, 5), 2, (3, 5)), RMS(one, G, 2, (3, 37), 1, (37)),
    RMS(one, G, 2, (4, 1), 1, (1)), RMS(one, 0, 2, (0, 5), 1, (5)), RMS(three, 0, 4, (2, 4, 16, 16), 3, (4, 16, 16)),
    INSTANCE(G, 4, (3, 5, 3, 4), 1, (5)),
    INSTANCE(G, 3, (2, 3, 19), 1, (3)),
    INSTANCE(G, 5, (1, 2, 2, 3, 4), 1, (2)),
    INSTANCE(G, 3, (2, 3, 1), 1, (3)),
    INSTANCE(0, 4, (0, 3, 4, 4), 1, (3)),
    INSTANCE(0, 4, (2, 3, 28, 28), 1, (3)),
    GROUP(g3, G, 4, (3, 6, 3, 4), 1, (6)), GROUP(g2, G, 2, (3, 8), 1, (8)),
    GROUP(one, G, 4, (2, 3, 3, 5), 1, (3)),
    GROUP(g3, G, 3, (2, 3, 17), 1, (3)), GROUP(g2, 0, 3, (2, 4, 0), 1, (4)),
    GROUP(one, G, 3, (1, 1, 7), 1, (1)), GROUP(g2, 0, 5, (2, 4, 3, 5, 7), 1, (4)),
    PLAIN(group_norm, group_norm_plain, g2, 64, G, 4, (2, 4, 2, 3)),

    BATCH(usual, G, 4, (3, 5, 3, 4), 1, (5)), BATCH(usual, G, 2, (7, 8), 1, (8)),
    BATCH(wide, G, 3, (4, 3, 17), 1, (3)), BATCH(usual, G, 5, (2, 1, 2, 3, 4), 1, (1)),
    BATCH(usual, G, 2, (1, 5), 1, (5)), BATCH(usual, 0, 4, (0, 3, 2, 2), 1, (3)),
    BATCH(usual, 0, 2, (4, 0), 1, (0)), BATCH(usual, 0, 4, (8, 16, 14, 14), 1, (16)),
    BATCH(usual, B, 4, (32, 64, 56, 56), 1, (64)),
    FROZEN(G, 4, (2, 3, 3, 5), 3), FROZEN(G, 2, (5, 19), 19), FROZEN(0, 3, (0, 3, 4), 3), FROZEN(G, 2, (1, 1), 1),
    {.op = "batch_norm", .text = "running mean", .build = running_mean, .k = 16,
     .flags = CLG_CASE_EFFECT | CLG_CASE_MIXED, .n_in = 1, .in = {{4, {3, 5, 2, 4}}}},
    {.op = "batch_norm", .text = "running var", .build = running_var, .k = 16, .flags = CLG_CASE_EFFECT, .n_in = 1,
     .in = {{4, {3, 5, 2, 4}}}},
    {.op = "batch_norm", .text = "running var of one", .build = running_var, .k = 16, .flags = CLG_CASE_EFFECT,
     .n_in = 1, .in = {{2, {1, 5}}}},
    MOMENTS(axis0, G, 2, (7, 5)), MOMENTS(axes02, G, 3, (3, 5, 17)),
    MOMENTS(every, G, 2, (5, 7)), MOMENTS(axis0, E | G, 2, (1, 5)),
    MOMENTS(axis0, 0, 2, (3, 0)), MOMENTS(axis0, E | G, 2, (4, 1)),

    MOMENTS(axes02, G, 4, (3, 5, 2, 37)), MOMENTS(axes02, 0, 4, (9, 3, 7, 20)), MOMENTS(axes02, 0, 3, (2, 3, 600)),
    MOMENTS(axes02, 0, 3, (2, 3, 8192)), MOMENTS(every, 0, 1, (17001)), /* in parts, on GPUs */
    MOMENTS(axis0, 0, 2, (300, 33)), MOMENTS(axes02, B, 4, (32, 64, 56, 56)),

    COMOMENTS(axis0, 16, E | G, 2, (7, 5), 2, (1, 5)), COMOMENTS(axes02, 16, E | G, 3, (3, 5, 17), 3, (1, 5, 1)),
    COMOMENTS(every, 16, E | G, 2, (5, 7), 0, ()), COMOMENTS(axis0, 16, E | G, 2, (1, 1), 2, (1, 1)),
    COMOMENTS(axes02, 16, E, 4, (3, 5, 2, 37), 4, (1, 5, 1, 37)),
    COMOMENTS(axes02, 16, E, 3, (2, 3, 600), 3, (1, 3, 1)),
    COMOMENTS(axes02, 24, E, 3, (2, 3, 8192), 3, (1, 3, 1)), COMOMENTS(every, 24, E, 1, (17001), 0, ()),
    COMOMENTS(axis0, 16, E, 2, (0, 5), 2, (1, 5)), COMOMENTS(axis0, 16, E, 2, (3, 0), 2, (1, 0)),
    COMOMENTS(axis0, 304, E, 2, (300, 33), 2, (1, 33)), COMOMENTS(axes02, 16, B, 3, (32, 64, 3136), 3, (1, 64, 1)),

    NORMALIZE(E | G, 4, (2, 3, 2, 5), 4, (1, 3, 1, 1)), NORMALIZE(E | G, 2, (5, 19), 1, (19)),
    NORMALIZE(E | G, 2, (3, 17), 2, (3, 17)), NORMALIZE(E | G, 1, (1), 0, ()), NORMALIZE(E, 2, (0, 3), 1, (3)),

    /* pow is allowed 16 ulp. */
    LRN(n3, G, 4, (2, 5, 3, 4)), LRN(n5, G, 4, (2, 7, 3, 3)), LRN(n4, G, 3, (2, 6, 19)),
    LRN(n9, G, 3, (1, 3, 5)), LRN(n5, G, 2, (3, 8)), LRN(n3, G, 4, (1, 1, 1, 1)),
    LRN(n3, 0, 4, (2, 0, 3, 3)), LRN(n5, 0, 4, (2, 17, 8, 20)),
    {.op = "phase", .build = phase, .k = 1, .flags = E | G, .n_in = 2, .in = {{2, {3, 5}}, {2, {3, 5}}}},
    {.op = "phase", .build = phase, .k = 1, .flags = E, .n_in = 2, .in = {{2, {3, 0}}, {2, {3, 0}}}},
    {.op = "phase", .build = phase, .k = 1, .flags = E | G, .n_in = 2, .in = {{1, {1}}, {1, {1}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(layer, clg_layer_norm(X(2, 3, 5), W(3), NULL, 1, NULL))
BAD(layer_axes, clg_layer_norm(X(2, 3), NULL, NULL, 3, NULL))
BAD(rms, clg_rms_norm(X(2, 3), W(3, 3), 2, NULL))
BAD(rms_int, clg_rms_norm(T(8), NULL, 1, NULL))
BAD(instance, clg_instance_norm(X(2, 3), NULL, NULL, NULL))
BAD(instance_gamma, clg_instance_norm(X(2, 3, 4), W(4), NULL, NULL))
BAD(group, clg_group_norm(X(2, 6, 4), NULL, NULL, 4, NULL))
BAD(batch, clg_batch_norm(X(2, 3, 4), W(3), V(4), NULL, NULL, NULL))
BAD(batch_rank, clg_batch_norm(X(3), NULL, NULL, NULL, NULL, NULL))
BAD(batch_running, clg_batch_norm(X(2, 3), NULL, NULL, clg_state(g, "m", CLG_F32, CLG_SHAPE(2), 0),
                                  clg_state(g, "v", CLG_F32, CLG_SHAPE(3), 1), NULL))
BAD(lrn_size, clg_lrn(X(2, 3, 4), NULL))
BAD(lrn_rank, clg_lrn(X(3), clg_lrn_params(.size = 3)))
BAD(phases, clg_phase(X(2, 3), W(3, 2)))
static clg_tensor *bad_moments(clg_graph *g) {
    clg_tensor *mean, *var;
    clg_moments(X(2, 3), CLG_AXIS(2), &mean, &var);
    return mean ? mean : var;
}
static clg_tensor *bad_comoments(clg_graph *g) {
    clg_tensor *s, *t;
    clg_comoments(X(2, 3), W(2, 3), V(2), CLG_AXIS(0), &s, &t);
    return s ? s : t;
}
static clg_tensor *bad_comoments_shape(clg_graph *g) {
    clg_tensor *s, *t;
    clg_comoments(X(2, 3), W(3, 3), V(3), CLG_AXIS(0), &s, &t);
    return s ? s : t;
}
static clg_tensor *bad_normalized(clg_graph *g) {
    clg_tensor *v = V(2);
    return clg_normalize(X(2, 3), v, v, v);
}

const clg_bad_case clg_bad_norm[] = {
    {"layer_norm", bad_layer, {"layer_norm", "f32[2,3,5]", "gamma must be f32[5]"}},
    {"layer_norm", bad_layer_axes, {"layer_norm", "f32[2,3]", "last 3 axes"}},
    {"rms_norm", bad_rms, {"rms_norm", "f32[3,3]", "gamma must be f32[2,3]"}},
    {"rms_norm", bad_rms_int, {"rms_norm", "i32[8]", "floating-point"}},
    {"instance_norm", bad_instance, {"instance_norm", "f32[2,3]", "[N, C, ...]"}},
    {"instance_norm", bad_instance_gamma, {"instance_norm", "f32[4]", "gamma must be f32[3]"}},
    {"group_norm", bad_group, {"group_norm", "f32[2,6,4]", "4 groups"}},
    {"batch_norm", bad_batch, {"batch_norm", "f32[2,3,4]", "beta must be f32[3]"}},
    {"batch_norm", bad_batch_rank, {"batch_norm", "f32[3]", "[N, C, ...]"}},
    {"batch_norm", bad_batch_running, {"batch_norm", "running_mean must be f32[3]", "f32[2]"}},
    {"lrn", bad_lrn_size, {"lrn", "f32[2,3,4]", "size is 0"}},
    {"lrn", bad_lrn_rank, {"lrn", "f32[3]", "[N, C, ...]"}},
    {"moments", bad_moments, {"moments", "f32[2,3]", "no axis 2"}},
    {"comoments", bad_comoments, {"comoments", "f32[2]", "mean must be f32[1,3]"}},
    {"comoments", bad_comoments_shape, {"comoments", "f32[2,3]", "f32[3,3]"}},
    {"normalize", bad_normalized, {"normalize", "f32[2,3]", "f32[2]"}},
    {"phase", bad_phases, {"phase", "f32[2,3]", "f32[3,2]"}},
    {.op = NULL},
};

/* Cases of softmax and losses. */
#include "check/bad.h"
#include "check/cases.h"
#include <math.h>

/* The gradients as ops of their own: y's gradient along gy, so that their gradients are second derivatives. */
static clg_tensor *vjp_of(clg_tensor *y, clg_tensor *gy, clg_tensor *x) {
    clg_tensor *gx = NULL;
    clg_vjp(y, gy, (clg_list){1, &x}, &gx);
    return gx;
}
static clg_tensor *lit(clg_tensor *like, double v) {
    return clg_fill(clg_tensor_graph(like), clg_tensor_dtype(like), CLG_SCALAR, v);
}

/* --- softmax --- */

#define AXIS (*(const int *)c->attr)
static clg_tensor *softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_softmax(clg_scale(in[0], 3), AXIS);
}
static clg_tensor *softmax_plain(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_softmax(in[0], AXIS);
}
static clg_tensor *softmax_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_softmax(in[0], AXIS), in[1], in[0]);
}
static clg_tensor *log_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_log_softmax(clg_scale(in[0], 3), AXIS);
}
static clg_tensor *log_softmax_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_log_softmax(in[0], AXIS), in[1], in[0]);
}
/* Logits around 80 and -80: exp of them would be infinite or 0. */
static clg_tensor *far_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_softmax(clg_scale(in[0], 90), 1);
}
static clg_tensor *far_log_softmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_log_softmax(clg_scale(in[0], 90), 1);
}

/* --- classes: logits, target, weights --- */

static clg_tensor *cross_entropy(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cross_entropy(clg_scale(in[0], 3), in[1]);
}
static clg_tensor *cross_entropy_plain(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cross_entropy(in[0], in[1]);
}
static clg_tensor *cross_entropy_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_cross_entropy(in[0], in[1]), in[2], in[0]);
}
/* LABEL has -1 in some places; where another number is ignored, this is what stands there. */
static clg_tensor *labels(clg_tensor *t, bool has_ignore, int64_t ignore) {
    return has_ignore ? clg_where(clg_eq(t, lit(t, -1)), lit(t, (double)ignore), t) : t;
}
static clg_tensor *cross_entropy_with(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const clg_cross_entropy_params *p = c->attr;
    clg_tensor *t = labels(in[1], p->has_ignore, p->ignore_index);
    return clg_cross_entropy_with(in[0], t, c->n_in > 2 ? in[2] : NULL, p);
}
/* -1, and what is above the classes, is no class: NaN where it stands. */
static clg_tensor *cross_entropy_off(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cross_entropy_with(in[0], in[1], NULL, c->attr);
}
/* Soft targets: those of a softmax, so that they are probabilities. */
static clg_tensor *cross_entropy_soft(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cross_entropy_with(in[0], clg_softmax(in[1], 1), c->n_in > 2 ? in[2] : NULL, c->attr);
}
static clg_tensor *cross_entropy_twice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *l = clg_cross_entropy_with(in[0], in[1], in[2], c->attr);
    return vjp_of(clg_sum(clg_square(l), CLG_ALL), NULL, in[0]);
}
static clg_tensor *nll(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const clg_nll_params *p = c->attr;
    clg_tensor *t = labels(in[1], p->has_ignore, p->ignore_index);
    return clg_nll(in[0], t, c->n_in > 2 ? in[2] : NULL, p);
}

/* --- elements --- */

typedef struct point_case { clg_loss_params p; double delta; } point_case;
#define PARAMS (&((const point_case *)c->attr)->p)
#define POINT(op)                                                                   \
    static clg_tensor *op(const clg_case *c, clg_graph *g, clg_tensor *const *in) { \
        return clg_##op(in[0], in[1], PARAMS);                                      \
    }
POINT(mse) POINT(l1) POINT(hinge) POINT(perceptron_loss)
static clg_tensor *huber(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_huber(in[0], in[1], ((const point_case *)c->attr)->delta, PARAMS);
}
static clg_tensor *bce_logits(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_bce_logits(clg_scale(in[0], 3), in[1], c->n_in > 2 ? in[2] : NULL, PARAMS);
}
/* Logits of up to 200: sigmoid rounds to 0 and 1, and its logarithm must not be taken. Also at 0 exactly. */
static clg_tensor *far_bce_logits(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_bce_logits(clg_scale(in[0], 200), in[1], NULL, PARAMS);
}
static clg_tensor *kl_div(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_kl_div(clg_log_softmax(in[0], 1), in[1], PARAMS);
}
static clg_tensor *mse_twice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_square(mse(c, g, in)), NULL, in[0]);
}
static clg_tensor *huber_twice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_square(huber(c, g, in)), NULL, in[0]);
}
static clg_tensor *bce_logits_twice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(bce_logits(c, g, in), NULL, in[0]);
}
static clg_tensor *kl_div_twice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(kl_div(c, g, in), NULL, in[0]);
}
/* The gradient at the kink: 0 in each of these. */
static clg_tensor *l1_at_0(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(clg_l1(in[0], clg_scale(in[0], 1), PARAMS), NULL, in[0]);
}
static clg_tensor *hinge_at_1(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_mul(clg_sign(in[0]), clg_abs(clg_sign(in[1])));
    return vjp_of(clg_hinge(s, clg_sign(in[0]), PARAMS), NULL, s);
}
static clg_tensor *perceptron_at_0(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *s = clg_mul(in[0], lit(in[0], 0));
    return vjp_of(clg_perceptron_loss(s, in[1], PARAMS), NULL, s);
}

static const int axis0 = 0, axis1 = 1, last = -1;
#define CE_PARAMS(name, ...) static const clg_cross_entropy_params name = {__VA_ARGS__}
CE_PARAMS(mean_of, 0);
CE_PARAMS(torch, .has_ignore = true, .ignore_index = -100);
CE_PARAMS(ignore_1, .has_ignore = true, .ignore_index = 1);
CE_PARAMS(sum_of, .reduction = CLG_REDUCE_SUM);
CE_PARAMS(none, .reduction = CLG_REDUCE_NONE);
CE_PARAMS(off, .reduction = CLG_REDUCE_NONE, .has_ignore = true, .ignore_index = -100);
CE_PARAMS(smooth, .label_smoothing = 0.125);
CE_PARAMS(smooth_none, .label_smoothing = 0.125, .reduction = CLG_REDUCE_NONE);
CE_PARAMS(smooth_ignore, .label_smoothing = 0.25, .has_ignore = true, .ignore_index = 2);
static const clg_nll_params nll_mean = {0}, nll_sum = {.reduction = CLG_REDUCE_SUM},
                            nll_none = {.reduction = CLG_REDUCE_NONE, .has_ignore = true, .ignore_index = 0};
static const point_case mean = {{CLG_REDUCE_MEAN}, 1}, total = {{CLG_REDUCE_SUM}, 0.5},
                        each = {{CLG_REDUCE_NONE}, 0.75}, batch_mean = {{CLG_REDUCE_BATCH_MEAN}, 2};

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define MIX CLG_CASE_MIXED
#define DIMS(...) {__VA_ARGS__}
#define S(op_, k_, attr_, flags_, n, dx) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dx}}}
#define SB(op_, k_, attr_, flags_, n, dx) \
    {.op = #op_, .text = #attr_, .build = op_##_bwd, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dx}, {n, DIMS dx}}}
#define SOFT(op, terms, T) /* T: extra flags */                                                                    \
    S(op, 30, axis1, G | T, 2, (5, 10)), S(op, 30, last, T, 2, (64, 10)), S(op, 30, axis1, G | T, 3, (2, 5, 7)),      \
    S(op, 30, axis0, G | T, 2, (6, 19)), S(op, 40, last, T, 2, (3, 100)), S(op, 30, axis0, G | T, 1, (1)),            \
    S(op, 30, axis1, T, 2, (0, 4)), S(op, 30, axis1, T, 2, (4, 0)), S(op, 40, last, T, 2, (2, 1000)),                 \
    S(op, 30, axis1, G | T, 4, (2, 3, 2, 5)), S(op, 40, last, B | T, 2, (4096, 1000)),                                \
    SB(op, terms, axis1, G, 2, (5, 10)), SB(op, terms, last, 0, 2, (64, 33)), SB(op, terms, axis1, G, 3, (2, 5, 7)),  \
    SB(op, terms, axis0, G, 2, (6, 19)), SB(op, terms, last, B, 2, (4096, 1000))
#define CE(classes, flags_, type, n, dx, nt, dt)                                                                   \
    {.op = "cross_entropy", .build = cross_entropy, .k = 60, .flags = flags_, .n_in = 2,                            \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, type, classes}}},                                           \
    {.op = "cross_entropy_bwd", .build = cross_entropy_bwd, .k = 40,                                                \
     .flags = (flags_) | CLG_CASE_SMALL, .n_in = 3,                                                                 \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, type, classes}, {0}}}
/* Integer targets, with and without weights; soft ones. */
#define HARD(op_, build_, attr_, k_, flags_, type, classes, n, dx, nt, dt)                                         \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2,              \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, type, classes}}}
#define HARDW(op_, build_, attr_, k_, flags_, type, classes, n, dx, nt, dt)                                        \
    {.op = #op_, .text = #attr_ " weights", .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 3,   \
     .in = {{n, DIMS dx}, {nt, DIMS dt, CLG_FILL_LABEL, type, classes}, {1, {classes}, CLG_FILL_POSITIVE}}}
#define SOFTW(attr_, k_, flags_, classes, n, dx)                                                                   \
    {.op = "cross_entropy_with", .text = #attr_ " soft", .build = cross_entropy_soft, .attr = &attr_, .k = k_,      \
     .flags = flags_, .n_in = 2, .in = {{n, DIMS dx}, {n, DIMS dx}}},                                               \
    {.op = "cross_entropy_with", .text = #attr_ " soft weights", .build = cross_entropy_soft, .attr = &attr_,       \
     .k = k_, .flags = flags_, .n_in = 3, .in = {{n, DIMS dx}, {n, DIMS dx}, {1, {classes}, CLG_FILL_POSITIVE}}}
#define P(op_, build_, fy, attr_, k_, flags_, n, dx)                                                               \
    {.op = #op_, .text = #attr_ " " #build_, .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2,  \
     .in = {{n, DIMS dx, CLG_FILL_UNIT}, {n, DIMS dx, CLG_FILL_##fy}}}
/* fy: how y is filled; terms: roundings of one element. A sum of n terms adds n eps of itself at most. */
#define POINTS(op, fy, terms, X_)                                                                                  \
    P(op, op, fy, each, terms, G | X_, 2, (5, 7)), P(op, op, fy, each, terms, G | X_, 3, (2, 3, 17)),                \
    P(op, op, fy, mean, 35 + terms, G, 2, (5, 7)), P(op, op, fy, total, 57 * (terms), G | X_, 4, (1, 3, 1, 19)),      \
    P(op, op, fy, batch_mean, 16 + terms, G, 2, (4, 16)), P(op, op, fy, mean, terms, G | X_, 1, (1)),                 \
    P(op, op, fy, mean, terms, G | X_, 0, (0)), P(op, op, fy, total, 0, X_, 2, (0, 3)),                              \
    P(op, op, fy, each, 0, X_, 2, (3, 0)), P(op, op, fy, batch_mean, 0, X_, 2, (3, 0))

const clg_case clg_cases_loss[] = {
    SOFT(softmax, 40, CLG_CASE_SMALL), SOFT(log_softmax, 40, 0),
    {.op = "softmax", .text = "plain", .build = softmax_plain, .attr = &last, .k = 40, .flags = B | CLG_CASE_SMALL,
     .n_in = 1, .in = {{2, {4096, 1000}}}},
    S(softmax, 60, last, CLG_CASE_SMALL, 2, (2, 9000)), S(log_softmax, 60, last, 0, 2, (3, 8200)), /* in parts */
    {.op = "softmax", .text = "far", .build = far_softmax, .k = 200, .n_in = 1, .in = {{2, {7, 10}}}},
    {.op = "log_softmax", .text = "far", .build = far_log_softmax, .k = 60, .n_in = 1, .in = {{2, {7, 10}}}},

    CE(10, G, CLG_I32, 2, (8, 10), 1, (8)), CE(10, 0, CLG_I32, 2, (64, 10), 1, (64)),
    CE(3, G, CLG_I32, 3, (4, 3, 5), 2, (4, 5)), CE(5, G, CLG_I64, 4, (2, 5, 3, 7), 3, (2, 3, 7)),
    CE(33, G, CLG_I32, 2, (17, 33), 1, (17)), CE(1, G, CLG_I32, 2, (3, 1), 1, (3)),
    CE(7, G, CLG_I64, 2, (5, 7), 1, (5)), CE(8300, 0, CLG_I32, 2, (2, 8300), 1, (2)),
    CE(10, 0, CLG_I32, 2, (0, 10), 1, (0)), CE(10, 0, CLG_I64, 3, (2, 10, 0), 2, (2, 0)),
    CE(4, 0, CLG_I64, 3, (700, 4, 1), 2, (700, 1)), CE(1000, B, CLG_I32, 2, (4096, 1000), 1, (4096)),

    {.op = "cross_entropy", .text = "plain", .build = cross_entropy_plain, .k = 60, .flags = B, .n_in = 2,
     .in = {{2, {4096, 1000}}, {1, {4096}, CLG_FILL_LABEL, CLG_I32, 1000}}},
    HARD(cross_entropy_with, cross_entropy_with, mean_of, 60, G, CLG_I32, 10, 2, (8, 10), 1, (8)),
    HARD(cross_entropy_with, cross_entropy_with, ignore_1, 60, G, CLG_I64, 3, 3, (40, 3, 5), 2, (40, 5)),
    HARD(cross_entropy_with, cross_entropy_with, torch, 60, G, CLG_I32, 3, 2, (19, 3), 1, (19)),
    HARD(cross_entropy_with, cross_entropy_off, off, 60, 0, CLG_I32, 7, 2, (30, 5), 1, (30)),
    HARD(cross_entropy_with, cross_entropy_off, torch, 60, 0, CLG_I64, 7, 3, (3, 5, 10), 2, (3, 10)),
    HARD(cross_entropy_with, cross_entropy_with, sum_of, 100, G, CLG_I32, 5, 4, (2, 5, 3, 7), 3, (2, 3, 7)),
    HARD(cross_entropy_with, cross_entropy_with, none, 40, G, CLG_I64, 33, 2, (17, 33), 1, (17)),
    HARD(cross_entropy_with, cross_entropy_with, smooth, 60, G, CLG_I32, 7, 2, (5, 7), 1, (5)),
    HARD(cross_entropy_with, cross_entropy_with, smooth_none, 60, G, CLG_I64, 5, 3, (2, 5, 19), 2, (2, 19)),
    HARD(cross_entropy_with, cross_entropy_with, smooth_ignore, 60, G, CLG_I32, 4, 2, (1, 4), 1, (1)),
    HARD(cross_entropy_with, cross_entropy_with, sum_of, 0, 0, CLG_I32, 4, 2, (0, 4), 1, (0)),
    HARD(cross_entropy_with, cross_entropy_with, none, 0, 0, CLG_I32, 4, 3, (2, 4, 0), 2, (2, 0)),
    HARDW(cross_entropy_with, cross_entropy_with, mean_of, 60, G, CLG_I32, 10, 2, (8, 10), 1, (8)),
    HARDW(cross_entropy_with, cross_entropy_with, smooth, 60, G | MIX, CLG_I64, 5, 4, (2, 5, 3, 7), 3, (2, 3, 7)),
    HARDW(cross_entropy_with, cross_entropy_with, none, 60, G, CLG_I32, 1, 2, (3, 1), 1, (3)),
    HARDW(cross_entropy_with, cross_entropy_twice, mean_of, 100, G, CLG_I32, 5, 2, (4, 5), 1, (4)),
    HARDW(cross_entropy_with, cross_entropy_twice, smooth_none, 200, G, CLG_I32, 3, 3, (2, 3, 2), 2, (2, 2)),
    SOFTW(mean_of, 60, G, 7, 2, (5, 7)), SOFTW(sum_of, 150, G, 5, 4, (2, 5, 3, 7)),
    SOFTW(smooth_none, 60, G, 3, 3, (4, 3, 5)),
    SOFTW(smooth, 60, G, 33, 2, (17, 33)), SOFTW(none, 60, G, 1, 2, (3, 1)), SOFTW(sum_of, 0, 0, 4, 2, (0, 4)),

    HARD(nll, nll, nll_mean, 30, G, CLG_I32, 10, 2, (8, 10), 1, (8)),
    HARD(nll, nll, nll_sum, 42, G | E, CLG_I64, 5, 4, (2, 5, 3, 7), 3, (2, 3, 7)),
    HARD(nll, nll, nll_none, 2, G | E, CLG_I32, 33, 2, (17, 33), 1, (17)),
    HARD(nll, nll, nll_none, 2, G | E, CLG_I32, 1, 2, (3, 1), 1, (3)),
    HARD(nll, nll, nll_sum, 0, E, CLG_I32, 4, 2, (0, 4), 1, (0)),
    HARDW(nll, nll, nll_mean, 30, G, CLG_I64, 10, 2, (8, 10), 1, (8)),
    HARDW(nll, nll, nll_sum, 42, G | E, CLG_I32, 3, 3, (4, 3, 5), 2, (4, 5)),

    POINTS(mse, UNIT, 4, E), P(mse, mse_twice, UNIT, each, 20, G, 2, (5, 7)),
    POINTS(l1, DISTINCT, 2, E), P(l1, l1_at_0, UNIT, each, 0, E, 2, (5, 7)),
    POINTS(huber, DISTINCT, 4, 0), P(huber, huber_twice, DISTINCT, each, 20, 0, 2, (5, 7)),
    POINTS(bce_logits, BOOL, 20, 0), P(bce_logits, bce_logits_twice, BOOL, each, 40, G, 2, (5, 7)),
    P(bce_logits, far_bce_logits, BOOL, each, 20, G, 2, (5, 7)),
    {.op = "bce_logits", .text = "each weights", .build = bce_logits, .attr = &each, .k = 40, .flags = G, .n_in = 3,
     .in = {{3, {2, 5, 7}}, {3, {2, 5, 7}, CLG_FILL_BOOL}, {2, {5, 1}, CLG_FILL_POSITIVE}}},
    {.op = "bce_logits", .text = "mean weight", .build = bce_logits, .attr = &mean, .k = 60, .flags = G, .n_in = 3,
     .in = {{2, {5, 7}}, {2, {5, 7}, CLG_FILL_UNIT}, {0, {0}, CLG_FILL_POSITIVE}}},
    POINTS(hinge, AWAY, 3, E), P(hinge, hinge_at_1, AWAY, each, 0, E, 2, (5, 7)),
    POINTS(perceptron_loss, AWAY, 2, E), P(perceptron_loss, perceptron_at_0, AWAY, each, 0, E, 2, (5, 7)),
    P(kl_div, kl_div, POSITIVE, each, 30, G, 2, (5, 7)), P(kl_div, kl_div, POSITIVE, mean, 60, G, 3, (2, 3, 17)),
    P(kl_div, kl_div, POSITIVE, batch_mean, 200, G, 2, (4, 10)), P(kl_div, kl_div, POSITIVE, total, 200, G, 2, (3, 1)),
    P(kl_div, kl_div, POSITIVE, total, 0, 0, 2, (0, 3)), P(kl_div, kl_div, BOOL, each, 30, 0, 2, (5, 7)),
    P(kl_div, kl_div_twice, POSITIVE, mean, 60, G, 2, (5, 7)),
    {.op = NULL},
};

/* --- mistakes --- */

#define T64(...) clg_input(g, "t", CLG_I64, CLG_SHAPE(__VA_ARGS__))
#define CE_BAD(...) clg_cross_entropy_with(__VA_ARGS__)

BAD(softmax, clg_softmax(X(2, 3), 2))
BAD(softmax_type, clg_softmax(T(2, 3), 1))
BAD(log_softmax, clg_log_softmax(X(2, 3), -3))
BAD(log_softmax_type, clg_log_softmax(T(2, 3), 1))
BAD(ce, clg_cross_entropy(X(4, 10), T(5)))
BAD(ce_types, clg_cross_entropy(X(4, 10), V(4)))
BAD(ce_classes, clg_cross_entropy(X(4, 0), T(4)))
BAD(cew, CE_BAD(X(4, 10), T64(5), NULL, NULL))
BAD(cew_soft, CE_BAD(X(4, 10), V(4), NULL, NULL))
BAD(cew_weight, CE_BAD(X(4, 10), T(4), W(4), NULL))
BAD(cew_smoothing, CE_BAD(X(4, 10), T(4), NULL, clg_cross_entropy_params(.label_smoothing = 1.5)))
BAD(cew_ignore, CE_BAD(X(4, 10), T(4), NULL, clg_cross_entropy_params(.has_ignore = true, .ignore_index = 1ll << 40)))
BAD(cew_reduction, CE_BAD(X(4, 10), T(4), NULL, clg_cross_entropy_params(.reduction = CLG_REDUCE_BATCH_MEAN)))
BAD(cew_classes, CE_BAD(X(4, 0), T(4), NULL, NULL))
BAD(nll, clg_nll(X(4, 10), T(5), NULL, NULL))
BAD(nll_soft, clg_nll(X(4, 10), V(4, 10), NULL, NULL))
BAD(mse, clg_mse(X(4, 3), W(3), NULL))
BAD(mse_empty, clg_mse(X(4, 0), W(4, 0), NULL))
BAD(l1, clg_l1(X(4, 3), T(4, 3), NULL))
BAD(l1_batch, clg_l1(X(0, 3), W(0, 3), clg_loss_params(.reduction = CLG_REDUCE_BATCH_MEAN)))
BAD(huber, clg_huber(X(4, 3), W(4, 1), 1, NULL))
BAD(huber_delta, clg_huber(X(4, 3), W(4, 3), 0, NULL))
BAD(bce, clg_bce_logits(X(4, 3), W(4, 2), NULL, NULL))
BAD(bce_weight, clg_bce_logits(X(4, 3), W(4, 3), V(4), NULL))
BAD(hinge, clg_hinge(X(4, 3), W(4), NULL))
BAD(perceptron, clg_perceptron_loss(X(4, 3), W(4), NULL))
BAD(kl, clg_kl_div(X(4, 3), W(3, 4), NULL))

const clg_bad_case clg_bad_loss[] = {
    {"softmax", bad_softmax, {"softmax", "f32[2,3]", "2"}},
    {"softmax", bad_softmax_type, {"softmax", "i32[2,3]", "clg_cast"}},
    {"log_softmax", bad_log_softmax, {"log_softmax", "f32[2,3]", "-3"}},
    {"log_softmax", bad_log_softmax_type, {"log_softmax", "i32[2,3]", "clg_cast"}},
    {"cross_entropy", bad_ce, {"cross_entropy", "f32[4,10]", "i32[5]"}},
    {"cross_entropy", bad_ce_types, {"cross_entropy", "f32[4,10]", "f32[4]"}},
    {"cross_entropy", bad_ce_classes, {"cross_entropy", "f32[4,0]", "C is 0"}},
    {"cross_entropy_with", bad_cew, {"cross_entropy_with", "f32[4,10]", "i64[5]"}},
    {"cross_entropy_with", bad_cew_soft, {"cross_entropy_with", "f32[4,10]", "soft"}},
    {"cross_entropy_with", bad_cew_weight, {"cross_entropy_with", "f32[4,10]", "[C]"}},
    {"cross_entropy_with", bad_cew_smoothing, {"cross_entropy_with", "label_smoothing", "1.5"}},
    {"cross_entropy_with", bad_cew_ignore, {"cross_entropy_with", "ignore_index", "1099511627776"}},
    {"cross_entropy_with", bad_cew_reduction, {"cross_entropy_with", "reduction", "f32[4,10]"}},
    {"cross_entropy_with", bad_cew_classes, {"cross_entropy_with", "f32[4,0]", "C is 0"}},
    {"nll", bad_nll, {"nll", "f32[4,10]", "i32[5]"}},
    {"nll", bad_nll_soft, {"nll", "f32[4,10]", "i64"}},
    {"mse", bad_mse, {"mse", "f32[4,3]", "f32[3]"}},
    {"mse", bad_mse_empty, {"mse", "f32[4,0]", "mean"}},
    {"l1", bad_l1, {"l1", "f32[4,3]", "i32[4,3]"}},
    {"l1", bad_l1_batch, {"l1", "f32[0,3]", "batch"}},
    {"huber", bad_huber, {"huber", "f32[4,3]", "f32[4,1]"}},
    {"huber", bad_huber_delta, {"huber", "delta", "0"}},
    {"bce_logits", bad_bce, {"bce_logits", "f32[4,3]", "f32[4,2]"}},
    {"bce_logits", bad_bce_weight, {"bce_logits", "f32[4,3]", "f32[4]"}},
    {"hinge", bad_hinge, {"hinge", "f32[4,3]", "f32[4]"}},
    {"perceptron_loss", bad_perceptron, {"perceptron_loss", "f32[4,3]", "f32[4]"}},
    {"kl_div", bad_kl, {"kl_div", "f32[4,3]", "f32[3,4]"}},
    {.op = NULL},
};

/* Cases of reductions and scans. */
#include "check/bad.h"
#include "check/cases.h"
#include <math.h>

#define AXES (*(const unsigned *)c->attr)
#define OF_AXES(op) \
    static clg_tensor *op(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_##op(in[0], AXES); }
OF_AXES(sum) OF_AXES(mean) OF_AXES(prod) OF_AXES(max) OF_AXES(min) OF_AXES(logsumexp) OF_AXES(any) OF_AXES(all)
static clg_tensor *argmax(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_argmax(in[0], *(const int *)c->attr);
}
static clg_tensor *argmin(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_argmin(in[0], *(const int *)c->attr);
}
/* The gradient along in[1], as a value: its own gradient makes the second derivative. */
static clg_tensor *vjp_of(clg_tensor *y, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(y, in[1], (clg_list){1, &in[0]}, &gx);
    return gx;
}
#define SECOND(op)                                                                        \
    static clg_tensor *op##_vjp(const clg_case *c, clg_graph *g, clg_tensor *const *in) { \
        return vjp_of(op(c, g, in), in);                                                  \
    }
SECOND(max) SECOND(min) SECOND(prod) SECOND(logsumexp)
/* Factors near 1, so that long products neither overflow nor vanish. */
static clg_tensor *long_prod(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_prod(clg_add(clg_scale(in[0], 0x1p-8), clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 1)), AXES);
}
/* exp of these would be infinite, and their sum 0. */
static clg_tensor *far_logsumexp(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_logsumexp(clg_add(clg_scale(in[0], 300), clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, -500)), AXES);
}
static clg_tensor *no_logsumexp(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_logsumexp(clg_log(clg_mul(in[0], clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 0))), AXES);
}

typedef struct stat_case { unsigned axes; double p; } stat_case; /* p of a norm; 1: unbiased variance */
static clg_tensor *var(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const stat_case *s = c->attr;
    return clg_var(in[0], s->axes, s->p == 1);
}
static clg_tensor *norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const stat_case *s = c->attr;
    return clg_norm(in[0], s->axes, s->p);
}
/* Moved a little: DISTINCT values are symmetric, so their sizes would be pairs of equals. */
static clg_tensor *max_norm(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = clg_add(in[0], clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 0x1p-9));
    return clg_norm(x, ((const stat_case *)c->attr)->axes, INFINITY);
}
SECOND(var) SECOND(norm)
/* At the kink: the gradient is 0, not NaN. */
static clg_tensor *norm_at_0(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const stat_case *s = c->attr;
    clg_tensor *x = clg_mul(in[0], clg_fill(g, clg_tensor_dtype(in[0]), CLG_SCALAR, 0));
    return clg_grad(clg_sum(clg_norm(x, s->axes, s->p), CLG_ALL), x);
}

typedef struct scan_case { int axis; clg_cumsum_params p; } scan_case;
static clg_tensor *cumsum(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const scan_case *s = c->attr;
    return clg_cumsum(in[0], s->axis, &s->p);
}

static const unsigned every = CLG_ALL, a0 = CLG_AXIS(0), a1 = CLG_AXIS(1), a2 = CLG_AXIS(2),
                      a02 = CLG_AXIS(0) | CLG_AXIS(2), a12 = CLG_AXIS(1) | CLG_AXIS(2),
                      a023 = CLG_AXIS(0) | CLG_AXIS(2) | CLG_AXIS(3), a024 = a02 | CLG_AXIS(4);
static const int axis0 = 0, axis1 = 1, last = -1;
static const stat_case all_biased = {CLG_ALL, 0}, all_unbiased = {CLG_ALL, 1}, a1_biased = {2, 0},
                       a1_unbiased = {2, 1}, a02_unbiased = {5, 1}, a023_biased = {13, 0};
static const stat_case all_l2 = {CLG_ALL, 2}, a1_l2 = {2, 2}, a02_l2 = {5, 2}, all_l1 = {CLG_ALL, 1}, a02_l1 = {5, 1},
                       all_max = {CLG_ALL, INFINITY}, a02_max = {5, INFINITY};
static const scan_case axis0_plain = {0, {false, false}}, axis1_plain = {1, {false, false}},
                       axis1_exclusive = {1, {true, false}}, axis1_reverse = {1, {false, true}},
                       axis1_both = {1, {true, true}}, last_both = {-1, {true, true}};

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define B CLG_CASE_BENCH
#define MIX CLG_CASE_MIXED
#define DIMS(...) {__VA_ARGS__}
/* RT: of another type than F32. */
#define RT(op_, build_, fill_, type_, attr_, k_, flags_, n, dims)                                     \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 1, \
     .in = {{n, DIMS dims, CLG_FILL_##fill_, type_}}}
#define R(op, fill, attr, k, flags, n, dims) RT(op, op, fill, CLG_F32, attr, k, flags, n, dims)
/* Contiguous and strided reductions, inner runs below and above 16, sizes of 1, long ones. */
#define TERMS(n) n
#define EIGHT(n) 8
#define NONE(n) 0
#define REDUCE(op, fill, flags, K)                                                                                \
    R(op, fill, every, K(105), flags, 3, (3, 5, 7)), R(op, fill, a0, K(6), flags, 2, (6, 33)),                       \
    R(op, fill, a0, K(40), flags, 2, (40, 3)), R(op, fill, a1, K(37), flags, 2, (5, 37)),                            \
    R(op, fill, a1, K(1), flags, 2, (4, 1)), R(op, fill, a1, K(5), flags, 3, (2, 5, 19)),                            \
    R(op, fill, a02, K(14), flags, 3, (2, 3, 7)), R(op, fill, a12, K(66), flags, 3, (3, 2, 33)),                     \
    R(op, fill, a023, K(60), flags, 4, (3, 6, 4, 5)), R(op, fill, a2, K(17), flags, 3, (1, 1, 17)),                  \
    R(op, fill, a024, K(12), flags, 5, (2, 3, 2, 5, 3)), R(op, fill, a1, K(3), flags, 2, (0, 3)),                    \
    R(op, fill, every, K(1), flags, 0, (0)), R(op, fill, every, K(1), flags, 1, (1)),                                \
    R(op, fill, every, K(5000), (flags) & ~G, 1, (5000)), R(op, fill, a0, K(1500), (flags) & ~G, 2, (1500, 2)),      \
    R(op, fill, a1, K(2049), (flags) & ~G, 2, (3, 2049)), R(op, fill, a0, K(7), (flags) & ~G, 2, (7, 300)),          \
    R(op, fill, a02, K(258), (flags) & ~G, 4, (2, 3, 129, 128)),                                                     \
    R(op, fill, a0, K(1024), (flags) | B, 2, (1024, 4096)),                                                          \
    R(op, fill, a1, K(4096), (flags) | B, 2, (1024, 4096)), R(op, fill, every, K(10000), (flags) | B, 2, (1024, 4096))
#define INTEGERS(op, type)                                                                                        \
    RT(op, op, UNIT, type, a1, 0, E, 2, (5, 37)), RT(op, op, UNIT, type, a0, 0, E, 2, (6, 33)),                      \
    RT(op, op, UNIT, type, every, 0, E, 1, (5000)), RT(op, op, UNIT, type, a0, 0, E, 2, (4, 145))
/* Two inputs: x, and gy of y's shape. */
#define SLOPE(op_, build_, fill_, attr_, k_, flags_, n, dims, ny, dimsy)                                      \
    {.op = #op_, .text = #attr_ " gradient", .build = build_, .attr = &attr_, .k = k_, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dims, CLG_FILL_##fill_}, {ny, DIMS dimsy}}}
#define MASKS(op, build)                                                                                          \
    SLOPE(op, build, DISTINCT, every, 0, E | G, 2, (3, 5), 0, (0)),                                                  \
    SLOPE(op, build, DISTINCT, a1, 0, E | G, 2, (5, 37), 2, (5, 1)),                                                 \
    SLOPE(op, build, DISTINCT, a02, 0, E | G, 3, (2, 3, 7), 3, (1, 3, 1)),                                           \
    SLOPE(op, build, DISTINCT, a0, 0, E, 2, (40, 33), 2, (1, 33)),                                                   \
    SLOPE(op, build, DISTINCT, a1, 0, E, 2, (0, 3), 2, (0, 1)),                                                   \
    SLOPE(op, build, DISTINCT, a1, 0, E, 2, (3, 1), 2, (3, 1))
#define PLACES(op)                                                                                                \
    R(op, DISTINCT, axis1, 0, E, 2, (7, 10)), R(op, DISTINCT, last, 0, E, 2, (64, 33)),                              \
    R(op, DISTINCT, axis0, 0, E, 2, (40, 3)), R(op, DISTINCT, axis1, 0, E, 3, (2, 5, 19)),                           \
    R(op, DISTINCT, axis0, 0, E, 1, (1)), R(op, DISTINCT, axis1, 0, E, 2, (3, 1)),                                   \
    R(op, DISTINCT, axis1, 0, E, 3, (2, 5, 0)), RT(op, op, UNIT, CLG_I32, axis1, 0, E, 2, (7, 10)),                  \
    RT(op, op, UNIT, CLG_I32, last, 0, E, 2, (5, 300)), /* with equal ones, far apart */                               \
    RT(op, op, UNIT, CLG_I64, axis0, 0, E, 2, (40, 3)), R(op, DISTINCT, last, 0, E | B, 2, (4096, 1000))
#define FLAGS(op)                                                                                                 \
    R(op, BOOL, every, 0, E, 1, (1)), R(op, BOOL, a1, 0, E, 2, (37, 3)), R(op, BOOL, a0, 0, E, 2, (2, 33)),          \
    RT(op, op, BOOL, CLG_U8, a02, 0, E, 3, (2, 19, 2)), RT(op, op, BOOL, CLG_I32, a1, 0, E, 2, (37, 2)),             \
    RT(op, op, BOOL, CLG_I64, a1, 0, E, 2, (37, 2)), R(op, BOOL, every, 0, E, 1, (5000)),                            \
    R(op, BOOL, a1, 0, E, 2, (5, 0)), R(op, BOOL, a0, 0, E, 2, (3, 0)), R(op, BOOL, every, 0, E, 2, (5, 0))

const clg_case clg_cases_reduce[] = {
    REDUCE(sum, UNIT, E | G, TERMS), INTEGERS(sum, CLG_I32), INTEGERS(sum, CLG_I64),
    R(sum, UNIT, a0, 0, E, 2, (0, 3)),
    REDUCE(mean, UNIT, G, EIGHT),
    REDUCE(max, DISTINCT, E | G, NONE), INTEGERS(max, CLG_I32), INTEGERS(max, CLG_I64), INTEGERS(max, CLG_U8),
    REDUCE(min, DISTINCT, E | G, NONE), INTEGERS(min, CLG_I32), INTEGERS(min, CLG_I64), INTEGERS(min, CLG_U8),
    MASKS(first_max, max_vjp), MASKS(first_min, min_vjp),
    PLACES(argmax), PLACES(argmin),

    /* Exact: at most 15 factors of up to 3. */
    R(prod, AWAY, every, 12, E | G, 2, (3, 4)), R(prod, AWAY, a1, 13, E | G, 2, (5, 13)),
    R(prod, AWAY, a0, 7, E | G, 2, (7, 33)), R(prod, AWAY, a02, 14, E | G, 3, (2, 3, 7)),
    R(prod, AWAY, a024, 12, E | G, 5, (2, 3, 2, 5, 3)), R(prod, AWAY, every, 1, E | G, 0, (0)),
    R(prod, AWAY, a1, 1, E | G, 2, (4, 1)), R(prod, AWAY, a0, 0, E, 2, (0, 3)), R(prod, AWAY, a1, 0, E, 2, (0, 3)),
    RT(prod, prod, AWAY, CLG_I32, a1, 0, E, 2, (5, 7)), RT(prod, prod, AWAY, CLG_I64, a0, 0, E, 2, (7, 33)),
    RT(prod, long_prod, UNIT, CLG_F32, every, 5000, 0, 1, (5000)),
    RT(prod, long_prod, UNIT, CLG_F32, a0, 1500, 0, 2, (1500, 2)),
    RT(prod, long_prod, UNIT, CLG_F32, a1, 2049, 0, 2, (3, 2049)),
    /* BOOL: rows without, with one and with several zeros. */
    R(prod, BOOL, a1, 0, E | G, 2, (31, 3)), R(prod, BOOL, a0, 0, E | G, 2, (4, 33)),
    SLOPE(prod, prod_vjp, BOOL, a1, 8, E | G, 2, (16, 3), 2, (16, 1)),
    SLOPE(prod, prod_vjp, AWAY, a1, 13, E | G, 2, (5, 7), 2, (5, 1)),
    SLOPE(prod, prod_vjp, AWAY, a02, 14, E | G, 3, (2, 3, 4), 3, (1, 3, 1)),
    SLOPE(prod, prod_vjp, UNIT, a1, 24, MIX, 2, (3, 21), 2, (3, 1)),

    R(var, UNIT, all_biased, 16, G, 3, (3, 5, 7)), R(var, UNIT, all_unbiased, 16, G, 2, (6, 33)),
    R(var, UNIT, a1_biased, 16, G, 2, (5, 37)), R(var, UNIT, a1_unbiased, 16, G, 3, (2, 5, 19)),
    R(var, UNIT, a02_unbiased, 16, G, 3, (2, 3, 7)), R(var, UNIT, a023_biased, 16, G, 4, (3, 6, 4, 5)),
    R(var, UNIT, a1_biased, 0, E | G, 2, (4, 1)), R(var, UNIT, a1_unbiased, 16, E | G, 2, (5, 2)),
    R(var, UNIT, a1_unbiased, 16, 0, 2, (0, 3)), R(var, UNIT, all_unbiased, 16, 0, 1, (5000)),
    SLOPE(var, var_vjp, UNIT, a1_unbiased, 16, G, 2, (5, 7), 2, (5, 1)),

    R(norm, UNIT, all_l2, 60, G, 3, (3, 5, 7)), R(norm, UNIT, a1_l2, 20, G, 2, (5, 37)),
    R(norm, UNIT, a02_l2, 12, G, 3, (2, 3, 7)), R(norm, AWAY, all_l1, 105, E | G, 3, (3, 5, 7)),
    R(norm, AWAY, a02_l1, 14, E | G, 3, (2, 3, 7)),
    RT(norm, max_norm, DISTINCT, CLG_F32, all_max, 1, E | G, 3, (3, 5, 7)),
    RT(norm, max_norm, DISTINCT, CLG_F32, a02_max, 1, E | G, 3, (2, 3, 7)), R(norm, AWAY, all_l2, 2, G, 0, (0)),
    R(norm, AWAY, a1_l2, 2, G, 2, (4, 1)), R(norm, UNIT, a1_l2, 0, E, 2, (3, 0)), R(norm, UNIT, a1_l2, 0, E, 2, (0, 3)),
    R(norm, UNIT, all_l1, 0, E, 2, (3, 0)), R(norm, UNIT, all_l2, 100, 0, 1, (5000)),
    RT(norm, norm_at_0, UNIT, CLG_F32, a1_l2, 0, E, 2, (3, 5)),
    RT(norm, norm_at_0, UNIT, CLG_F32, all_l1, 0, E, 2, (3, 5)),
    SLOPE(norm, norm_vjp, AWAY, a1_l2, 20, G, 2, (5, 7), 2, (5, 1)),

    R(logsumexp, UNIT, every, 10, G, 3, (3, 5, 7)), R(logsumexp, UNIT, a1, 10, G, 2, (5, 37)),
    R(logsumexp, UNIT, a0, 10, G, 2, (6, 33)), R(logsumexp, UNIT, a02, 10, G, 3, (2, 3, 7)),
    R(logsumexp, UNIT, a1, 2, G, 2, (4, 1)), R(logsumexp, UNIT, every, 2, G, 0, (0)),
    R(logsumexp, UNIT, a1, 10, 0, 2, (0, 3)), R(logsumexp, UNIT, every, 20, 0, 1, (5000)),
    RT(logsumexp, far_logsumexp, UNIT, CLG_F32, a1, 400, G, 2, (5, 7)),
    RT(logsumexp, no_logsumexp, POSITIVE, CLG_F32, a1, 0, E, 2, (5, 7)),
    SLOPE(logsumexp, logsumexp_vjp, UNIT, a1, 12, G, 2, (5, 7), 2, (5, 1)),

    FLAGS(any), FLAGS(all),

    /* Runs of whole vectors and with a rest, few and many rows, long enough to be cut. */
    R(cumsum, UNIT, axis1_plain, 37, E | G, 2, (5, 37)), R(cumsum, UNIT, axis1_exclusive, 37, E | G, 2, (5, 37)),
    R(cumsum, UNIT, axis1_reverse, 37, E | G, 2, (5, 37)), R(cumsum, UNIT, axis1_both, 37, E | G, 2, (5, 37)),
    R(cumsum, UNIT, axis0_plain, 32, E | G, 1, (32)), R(cumsum, UNIT, axis1_plain, 5, E | G, 3, (2, 5, 19)),
    R(cumsum, UNIT, axis1_exclusive, 5, E | G, 3, (2, 5, 19)), R(cumsum, UNIT, axis1_reverse, 5, E | G, 3, (2, 5, 3)),
    R(cumsum, UNIT, axis1_both, 5, E | G, 4, (2, 5, 3, 11)), R(cumsum, UNIT, axis0_plain, 1, E | G, 1, (1)),
    R(cumsum, UNIT, axis1_exclusive, 0, E | G, 2, (4, 1)), R(cumsum, UNIT, axis1_plain, 0, E, 2, (3, 0)),
    R(cumsum, UNIT, axis1_plain, 0, E, 2, (0, 3)), R(cumsum, UNIT, axis0_plain, 70001, E, 1, (70001)),
    R(cumsum, UNIT, last_both, 40003, E, 2, (2, 40003)), R(cumsum, UNIT, axis1_reverse, 9001, E, 2, (3, 9001)),
    R(cumsum, UNIT, axis0_plain, 3001, E, 2, (3001, 19)), R(cumsum, UNIT, axis1_both, 5003, E, 3, (1, 5003, 3)),
    RT(cumsum, cumsum, UNIT, CLG_I32, axis1_plain, 0, E, 2, (5, 37)),
    RT(cumsum, cumsum, UNIT, CLG_I64, axis1_both, 0, E, 3, (2, 5, 19)),
    R(cumsum, UNIT, axis1_plain, 4096, E | B, 2, (1024, 4096)),
    R(cumsum, UNIT, axis0_plain, 1024, E | B, 2, (1024, 4096)),
    {.op = NULL},
};

/* --- mistakes --- */

#define U8(...) clg_input(g, "u", CLG_U8, CLG_SHAPE(__VA_ARGS__))

BAD(sum_axis, clg_sum(X(2, 3), CLG_AXIS(4)))
BAD(sum_type, clg_sum(U8(2, 3), CLG_ALL))
BAD(mean_empty, clg_mean(X(2, 0), CLG_AXIS(1)))
BAD(mean_type, clg_mean(T(2, 3), CLG_AXIS(1)))
BAD(prod_axis, clg_prod(X(2, 3), CLG_AXIS(2)))
BAD(prod_type, clg_prod(U8(2, 3), CLG_ALL))
BAD(max_empty, clg_max(X(2, 0), CLG_AXIS(1)))
BAD(min_empty, clg_min(X(2, 0), CLG_ALL))
BAD(argmax_axis, clg_argmax(X(2, 3), 2))
BAD(argmax_empty, clg_argmax(X(2, 0), 1))
BAD(argmin_axis, clg_argmin(X(2, 3), -3))
BAD(argmin_empty, clg_argmin(X(2, 0), 1))
BAD(var_one, clg_var(X(2, 1), CLG_AXIS(1), true))
BAD(var_empty, clg_var(X(2, 0), CLG_AXIS(1), false))
BAD(var_type, clg_var(T(2, 3), CLG_AXIS(1), false))
BAD(norm_p, clg_norm(X(2, 3), CLG_ALL, 3))
BAD(norm_empty, clg_norm(X(2, 0), CLG_ALL, INFINITY))
BAD(norm_type, clg_norm(T(2, 3), CLG_ALL, 2))
BAD(logsumexp_empty, clg_logsumexp(X(2, 0), CLG_AXIS(1)))
BAD(logsumexp_type, clg_logsumexp(T(2, 3), CLG_AXIS(1)))
BAD(any_axis, clg_any(X(2, 3), CLG_AXIS(3)))
BAD(all_axis, clg_all(X(2, 3), CLG_AXIS(3)))
BAD(cumsum_axis, clg_cumsum(X(2, 3), 2, NULL))
BAD(cumsum_type, clg_cumsum(U8(2, 3), 0, NULL))

const clg_bad_case clg_bad_reduce[] = {
    {"sum", bad_sum_axis, {"sum", "f32[2,3]", ""}},
    {"sum", bad_sum_type, {"sum", "u8[2,3]", "clg_cast"}},
    {"mean", bad_mean_empty, {"mean", "f32[2,0]", "size 0"}},
    {"mean", bad_mean_type, {"mean", "i32[2,3]", "clg_cast"}},
    {"prod", bad_prod_axis, {"prod", "f32[2,3]", "2"}},
    {"prod", bad_prod_type, {"prod", "u8[2,3]", "clg_cast"}},
    {"max", bad_max_empty, {"max", "f32[2,0]", "size 0"}},
    {"min", bad_min_empty, {"min", "f32[2,0]", "size 0"}},
    {"argmax", bad_argmax_axis, {"argmax", "f32[2,3]", "2"}},
    {"argmax", bad_argmax_empty, {"argmax", "f32[2,0]", ""}},
    {"argmin", bad_argmin_axis, {"argmin", "f32[2,3]", "-3"}},
    {"argmin", bad_argmin_empty, {"argmin", "f32[2,0]", ""}},
    {"var", bad_var_one, {"var", "f32[2,1]", "biased"}},
    {"var", bad_var_empty, {"var", "f32[2,0]", ""}},
    {"var", bad_var_type, {"var", "i32[2,3]", "clg_cast"}},
    {"norm", bad_norm_p, {"norm", "f32[2,3]", "3"}},
    {"norm", bad_norm_empty, {"norm", "f32[2,0]", ""}},
    {"norm", bad_norm_type, {"norm", "i32[2,3]", "clg_cast"}},
    {"logsumexp", bad_logsumexp_empty, {"logsumexp", "f32[2,0]", ""}},
    {"logsumexp", bad_logsumexp_type, {"logsumexp", "i32[2,3]", "clg_cast"}},
    {"any", bad_any_axis, {"any", "f32[2,3]", "3"}},
    {"all", bad_all_axis, {"all", "f32[2,3]", "3"}},
    {"cumsum", bad_cumsum_axis, {"cumsum", "f32[2,3]", "2"}},
    {"cumsum", bad_cumsum_type, {"cumsum", "u8[2,3]", "clg_cast"}},
    {.op = NULL},
};

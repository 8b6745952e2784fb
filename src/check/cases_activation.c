/* Cases of activations. Bounds: table 7.4 of OpenCL 1.2 for the functions inside, half a unit for each operation of
 * correct rounding, 2.5 for a division, times what reaches the result, and one for the reference's own rounding. Inputs
 * are stretched so that every piece and every kink of a function lies within them. */
#include "check/bad.h"
#include "check/operands.h"

#define SCALED(name, factor) static clg_tensor *name##_s(clg_tensor *x) { return clg_##name(clg_scale(x, factor)); }
SCALED(relu6, 8) SCALED(hard_sigmoid, 5) SCALED(hard_swish, 5) SCALED(log_sigmoid, 4) SCALED(softsign, 4)
SCALED(silu, 4) SCALED(mish, 4) SCALED(gelu, 3) SCALED(gelu_tanh, 3) SCALED(selu, 3)

static clg_tensor *leaky(clg_tensor *x) { return clg_leaky_relu(x, 0.25); }
static clg_tensor *elu_s(clg_tensor *x) { return clg_elu(clg_scale(x, 3), 0.7); }
static clg_tensor *softplus_s(clg_tensor *x) { return clg_softplus(clg_scale(x, 4), 1); }
static clg_tensor *softplus_b(clg_tensor *x) { return clg_softplus(x, 2.5); }
static clg_tensor *hard_tanh_s(clg_tensor *x) { return clg_hard_tanh(x, -0.5, 0.75); }
static clg_tensor *hard_tanh_i(clg_tensor *x) { return clg_hard_tanh(x, -1, 2); }
static clg_tensor *threshold_s(clg_tensor *x) { return clg_threshold(x, 0.1, -0.5); }
static clg_tensor *threshold_i(clg_tensor *x) { return clg_threshold(x, 1, 20); }

#define PRELU(flags_, n, dims, na, da) \
    {.op = "prelu", .build = binary, .f2 = clg_prelu, .k = 1, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dims, CLG_FILL_AWAY}, {na, DIMS da, CLG_FILL_UNIT}}}

const clg_case clg_cases_activation[] = {
    UNARY(unit_step, AWAY, 0, E), I1(unit_step),
    UNARY_AS(relu6, relu6_s, AWAY, 0, E | G), UNARY(relu6, AWAY, 0, E), I1(relu6),
    UNARY_AS(hard_tanh, hard_tanh_s, UNIT, 0, E | G), TYPED1(hard_tanh, hard_tanh_i, CLG_I32, 2, {3, 17}),
    UNARY_AS(hard_sigmoid, hard_sigmoid_s, AWAY, 5, E | G),
    UNARY_AS(hard_swish, hard_swish_s, AWAY, 6, E | G),
    UNARY_AS(threshold, threshold_s, UNIT, 0, E | G), TYPED1(threshold, threshold_i, CLG_I32, 2, {3, 17}),
    UNARY_AS(leaky_relu, leaky, AWAY, 1, E | G),
    UNARY_AS(elu, elu_s, AWAY, 5, G),
    UNARY_AS(selu, selu_s, AWAY, 6, G),
    SMOOTH_AS(softplus, softplus_s, UNIT, 6),
    {.op = "softplus", .text = "beta 2.5", .build = unary, .f1 = softplus_b, .k = 7, .flags = G, .n_in = 1,
     .in = {{2, {3, 37}}}},
    SMOOTH_AS(log_sigmoid, log_sigmoid_s, UNIT, 6),
    SMOOTH_AS(softsign, softsign_s, AWAY, 5),
    SMOOTH_AS(silu, silu_s, UNIT, 8),
    SMOOTH_AS(mish, mish_s, UNIT, 13),
    SMOOTH_AS(gelu, gelu_s, UNIT, 19),
    SMOOTH_AS(gelu_tanh, gelu_tanh_s, UNIT, 12),
    PRELU(E | G, 4, (2, 3, 5, 7), 1, (3)),
    PRELU(E | G, 2, (3, 37), 1, (37)),
    PRELU(E | G, 3, (2, 5, 17), 0, (0)),
    PRELU(E | G, 3, (2, 5, 3), 1, (1)),
    PRELU(E | G, 1, (7), 1, (1)),
    PRELU(E | G, 0, (0), 0, (0)),
    PRELU(E, 3, (0, 5, 3), 1, (5)),
    PRELU(E, 3, (2, 0, 3), 1, (0)),
    PRELU(E | CLG_CASE_BENCH, 4, (64, 64, 28, 28), 1, (64)),
    {.op = NULL},
};

/* --- mistakes --- */

BYTES(unit_step) BYTES(relu6)
BAD(hard_tanh, clg_hard_tanh(clg_cast(X(2, 3), CLG_U8), 0, 1))
BAD(threshold, clg_threshold(clg_cast(X(2, 3), CLG_U8), 0, 1))
INTEGERS(hard_sigmoid) INTEGERS(hard_swish) INTEGERS(selu) INTEGERS(log_sigmoid) INTEGERS(softsign) INTEGERS(silu)
INTEGERS(mish) INTEGERS(gelu) INTEGERS(gelu_tanh)
BAD(leaky_relu, clg_leaky_relu(T(2, 3), 2))
BAD(elu, clg_elu(T(2, 3), 1))
BAD(softplus, clg_softplus(T(2, 3), 1))
BAD(prelu, clg_prelu(X(2, 5, 3), W(3)))
BAD(prelu_axes, clg_prelu(X(2, 5, 3), W(5, 1)))
BAD(prelu_types, clg_prelu(X(2, 5, 3), T(5)))

const clg_bad_case clg_bad_activation[] = {
    SAYS_BYTES(unit_step), SAYS_BYTES(relu6), SAYS_BYTES(hard_tanh), SAYS_BYTES(threshold),
    SAYS_INTEGERS(hard_sigmoid), SAYS_INTEGERS(hard_swish), SAYS_INTEGERS(leaky_relu), SAYS_INTEGERS(elu),
    SAYS_INTEGERS(selu), SAYS_INTEGERS(softplus), SAYS_INTEGERS(log_sigmoid), SAYS_INTEGERS(softsign),
    SAYS_INTEGERS(silu), SAYS_INTEGERS(mish), SAYS_INTEGERS(gelu), SAYS_INTEGERS(gelu_tanh),
    {"prelu", bad_prelu, {"prelu", "f32[2,5,3]", "f32[3]"}},
    {"prelu", bad_prelu_axes, {"prelu", "f32[2,5,3]", "f32[5,1]"}},
    {"prelu", bad_prelu_types, {"prelu", "f32[2,5,3]", "i32[5]"}},
    {.op = NULL},
};

/* Cases of math_rows.h: functions of one real, rounding, classes, logic, remainders. The bound k of a function is what
 * OpenCL 1.2 (table 7.4) allows it, and one more for the reference's own rounding. Operands stay within the domains,
 * and 0.1 away from poles. */
#include "check/bad.h"
#include "check/operands.h"

#define SCALED(name, factor) static clg_tensor *name##_s(clg_tensor *x) { return clg_##name(clg_scale(x, factor)); }
SCALED(expm1, 3) SCALED(log1p, 0.9) SCALED(asin, 0.9) SCALED(acos, 0.9) SCALED(atan, 5) SCALED(sinh, 2) SCALED(cosh, 2)
SCALED(asinh, 5) SCALED(atanh, 0.9) SCALED(erf, 3) SCALED(erfc, 3) SCALED(exp2, 4)
SCALED(floor, 3.5) SCALED(ceil, 3.5) SCALED(round, 3.5) SCALED(trunc, 3.5)

static clg_tensor *acosh_s(clg_tensor *x) {
    return clg_acosh(clg_add(x, clg_fill(clg_tensor_graph(x), clg_tensor_dtype(x), CLG_SCALAR, 1)));
}
/* Halves, which go to the even neighbour. */
static clg_tensor *halves(clg_tensor *x) { return clg_round(clg_scale(x, 0.5)); }
/* Of log: NaN below 0. Of 1 / x: infinite at 0, which there is among small integers. */
static clg_tensor *isnan_log(clg_tensor *x) { return clg_isnan(clg_log(x)); }
static clg_tensor *isinf_reciprocal(clg_tensor *x) { return clg_isinf(clg_reciprocal(x)); }
static clg_tensor *isfinite_reciprocal(clg_tensor *x) { return clg_isfinite(clg_reciprocal(x)); }
static clg_tensor *clamp_s(clg_tensor *x) { return clg_clamp(x, -0.5, 0.75); }
static clg_tensor *clamp_i(clg_tensor *x) { return clg_clamp(x, -1, 2); }

#define FLAGS2(name)                                        \
    TYPED2(name, clg_##name, CLG_U8, UNIT, BOOL),           \
    {.op = #name, .build = binary, .f2 = clg_##name, .flags = E, .n_in = 2, \
     .in = {{1, {1}, CLG_FILL_BOOL, CLG_U8}, {1, {40}, CLG_FILL_UNIT, CLG_U8}}}, \
    {.op = #name, .build = binary, .f2 = clg_##name, .flags = E, .n_in = 2, \
     .in = {{2, {0, 3}, CLG_FILL_BOOL, CLG_U8}, {0, {0}, CLG_FILL_BOOL, CLG_U8}}}

const clg_case clg_cases_math[] = {
    SMOOTH_AS(exp2, exp2_s, UNIT, 4),
    SMOOTH_AS(expm1, expm1_s, UNIT, 4),
    SMOOTH(log2, POSITIVE, 4),
    SMOOTH_AS(log1p, log1p_s, UNIT, 3),
    SMOOTH(rsqrt, POSITIVE, 3),
    SMOOTH(reciprocal, AWAY, 4),
    SMOOTH(tan, UNIT, 6),
    SMOOTH_AS(asin, asin_s, UNIT, 5),
    SMOOTH_AS(acos, acos_s, UNIT, 5),
    SMOOTH_AS(atan, atan_s, UNIT, 6),
    SMOOTH_AS(sinh, sinh_s, UNIT, 5),
    SMOOTH_AS(cosh, cosh_s, UNIT, 5),
    SMOOTH_AS(asinh, asinh_s, UNIT, 5),
    SMOOTH_AS(acosh, acosh_s, POSITIVE, 5),
    SMOOTH_AS(atanh, atanh_s, UNIT, 6),
    BINARY(atan2, AWAY, AWAY, 7, G),
    SMOOTH_AS(erf, erf_s, UNIT, 17),
    SMOOTH_AS(erfc, erfc_s, UNIT, 17),
    UNARY_AS(floor, floor_s, UNIT, 0, E),
    UNARY_AS(ceil, ceil_s, UNIT, 0, E),
    UNARY_AS(round, round_s, UNIT, 0, E),
    UNARY_AS(round, halves, UNIT, 0, E),
    UNARY_AS(trunc, trunc_s, UNIT, 0, E),
    UNARY_AS(isnan, isnan_log, UNIT, 0, E),
    UNARY_AS(isinf, isinf_reciprocal, UNIT, 0, E),
    UNARY_AS(isfinite, isfinite_reciprocal, UNIT, 0, E),
    FLAGS2(logical_and),
    FLAGS2(logical_or),
    FLAGS2(logical_xor),
    TYPED1(logical_not, clg_logical_not, CLG_U8, 2, {3, 17}),
    TYPED1(logical_not, clg_logical_not, CLG_U8, 0), TYPED1(logical_not, clg_logical_not, CLG_U8, 2, {1, 1}),
    TYPED1(logical_not, clg_logical_not, CLG_U8, 2, {0, 4}),
    BINARY(remainder, UNIT, AWAY, 1, E | G),
    TYPED2(remainder_int, clg_remainder, CLG_I32, UNIT, AWAY),
    TYPED2(remainder_int, clg_remainder, CLG_I32, UNIT, UNIT),
    {.op = "remainder_int", .build = binary, .f2 = clg_remainder, .flags = E, .n_in = 2,
     .in = {{2, {0, 3}, CLG_FILL_UNIT, CLG_I32}, {1, {1}, CLG_FILL_AWAY, CLG_I32}}},
    BINARY(fmod, UNIT, AWAY, 0, E | G),
    UNARY_AS(clamp, clamp_s, UNIT, 0, E | G),
    TYPED1(clamp, clamp_i, CLG_I32, 2, {3, 17}),
    {.op = NULL},
};

/* --- mistakes --- */

INTEGERS(exp2) INTEGERS(expm1) INTEGERS(log2) INTEGERS(log1p) INTEGERS(rsqrt) INTEGERS(reciprocal) INTEGERS(tan)
INTEGERS(asin) INTEGERS(acos) INTEGERS(atan) INTEGERS(sinh) INTEGERS(cosh) INTEGERS(asinh) INTEGERS(acosh)
INTEGERS(atanh) INTEGERS(erf) INTEGERS(erfc) INTEGERS(floor) INTEGERS(ceil) INTEGERS(round) INTEGERS(trunc)
INTEGERS(isnan) INTEGERS(isinf) INTEGERS(isfinite)

BAD(atan2, clg_atan2(X(2, 3), W(2, 4)))
BAD(remainder, clg_remainder(X(2, 3), W(3, 2)))
BAD(remainder_types, clg_remainder(T(2, 3), X(2, 3)))
BAD(fmod, clg_fmod(X(2, 3), T(2, 3)))
BAD(logical_and, clg_logical_and(clg_cast(X(4), CLG_U8), clg_cast(W(3), CLG_U8)))
BAD(logical_or, clg_logical_or(X(4), W(4)))
BAD(logical_xor, clg_logical_xor(clg_cast(X(4), CLG_U8), T(4)))
BAD(logical_not, clg_logical_not(T(4)))
BAD(clamp, clg_clamp(clg_cast(X(2, 3), CLG_U8), 0, 1))

const clg_bad_case clg_bad_math[] = {
    SAYS_INTEGERS(exp2), SAYS_INTEGERS(expm1), SAYS_INTEGERS(log2), SAYS_INTEGERS(log1p), SAYS_INTEGERS(rsqrt),
    SAYS_INTEGERS(reciprocal), SAYS_INTEGERS(tan), SAYS_INTEGERS(asin), SAYS_INTEGERS(acos), SAYS_INTEGERS(atan),
    SAYS_INTEGERS(sinh), SAYS_INTEGERS(cosh), SAYS_INTEGERS(asinh), SAYS_INTEGERS(acosh), SAYS_INTEGERS(atanh),
    SAYS_INTEGERS(erf), SAYS_INTEGERS(erfc), SAYS_INTEGERS(floor), SAYS_INTEGERS(ceil), SAYS_INTEGERS(round),
    SAYS_INTEGERS(trunc), SAYS_INTEGERS(isnan), SAYS_INTEGERS(isinf), SAYS_INTEGERS(isfinite),
    {"atan2", bad_atan2, {"atan2", "f32[2,3]", "f32[2,4]"}},
    {"remainder", bad_remainder, {"remainder", "f32[2,3]", "f32[3,2]"}},
    {"remainder_int", bad_remainder_types, {"remainder_int", "i32[2,3]", "f32[2,3]"}},
    {"fmod", bad_fmod, {"fmod", "f32[2,3]", "i32[2,3]"}},
    {"logical_and", bad_logical_and, {"logical_and", "u8[4]", "u8[3]"}},
    {"logical_or", bad_logical_or, {"logical_or", "f32[4]", "clg_ne"}},
    {"logical_xor", bad_logical_xor, {"logical_xor", "u8[4]", "i32[4]"}},
    {"logical_not", bad_logical_not, {"logical_not", "i32[4]", "u8"}},
    {"clamp", bad_clamp, {"clamp", "u8[2,3]"}},
    {.op = NULL},
};

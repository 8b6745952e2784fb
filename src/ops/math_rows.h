/* Rows of the elementwise table: functions of one real, rounding, classes of numbers, logic, and the divisions with a
 * remainder. What the columns mean stands in elementwise_rows.h. clg_NAME_$T are functions of cl/ew_math.clh. */

ROW(exp2, 1, 0, real, "exp2($0)", exp2(a), ga = clg_mul(gy, clg_scale(y, M_LN2)), "y = 2^x", "gx = gy y ln 2", 10)
ROW(expm1, 1, 0, real, "expm1($0)", expm1(a), ga = clg_mul(gy, clg_add(y, lit(y, 1))),
    "y = exp(x) - 1", "gx = gy (y + 1)", 12)
ROW(log2, 1, 0, real, "log2($0)", log2(a), ga = clg_div(gy, clg_scale(a, M_LN2)), "y = log2(x)", "gx = gy / (x ln 2)",
    10)
ROW(log1p, 1, 0, real, "log1p($0)", log1p(a), ga = clg_div(gy, clg_add(a, lit(a, 1))), "y = log(1 + x)",
    "gx = gy / (1 + x)", 12)
ROW(rsqrt, 1, 0, real, "rsqrt($0)", 1 / sqrt(a), ga = clg_mul(gy, clg_scale(clg_mul(y, clg_square(y)), -0.5)),
    "y = 1 / sqrt(x)", "gx = -gy y^3 / 2", 4)
ROW(reciprocal, 1, 0, real, "$V(1) / $0", 1 / a, ga = clg_neg(clg_mul(gy, clg_square(y))), "y = 1 / x", "gx = -gy y^2",
    1)

ROW(tan, 1, 0, real, "clg_tan_$T($0)", tan(a), ga = clg_mul(gy, clg_add(clg_square(y), lit(y, 1))),
    "y = tan(x)", "gx = gy (1 + y^2)", 20)
ROW(asin, 1, 0, real, "asin($0)", asin(a), ga = clg_mul(gy, clg_rsqrt(one_less_square(a))), "y = asin(x)",
    "gx = gy / sqrt(1 - x^2)", 15)
ROW(acos, 1, 0, real, "acos($0)", acos(a), ga = clg_neg(clg_mul(gy, clg_rsqrt(one_less_square(a)))), "y = acos(x)",
    "gx = -gy / sqrt(1 - x^2)", 15)
ROW(atan, 1, 0, real, "atan($0)", atan(a), ga = clg_div(gy, clg_add(clg_square(a), lit(a, 1))), "y = atan(x)",
    "gx = gy / (1 + x^2)", 15)
ROW(sinh, 1, 0, real, "sinh($0)", sinh(a), ga = clg_mul(gy, clg_cosh(a)), "y = sinh(x)", "gx = gy cosh(x)", 15)
ROW(cosh, 1, 0, real, "cosh($0)", cosh(a), ga = clg_mul(gy, clg_sinh(a)), "y = cosh(x)", "gx = gy sinh(x)", 15)
ROW(asinh, 1, 0, real, "asinh($0)", asinh(a), ga = clg_mul(gy, clg_rsqrt(clg_add(clg_square(a), lit(a, 1)))),
    "y = asinh(x)", "gx = gy / sqrt(x^2 + 1)", 20)
ROW(acosh, 1, 0, real, "acosh($0)", acosh(a), ga = clg_mul(gy, clg_rsqrt(clg_neg(one_less_square(a)))),
    "y = acosh(x)", "gx = gy / sqrt(x^2 - 1)", 20)
ROW(atanh, 1, 0, real, "atanh($0)", atanh(a), ga = clg_div(gy, one_less_square(a)), "y = atanh(x)",
    "gx = gy / (1 - x^2)", 20)
ROW(atan2, 2, 0, real, "atan2($0, $1)", atan2(a, b),
    ga = clg_div(clg_mul(gy, b), clg_add(clg_square(a), clg_square(b)));
    gb = clg_neg(clg_div(clg_mul(gy, a), clg_add(clg_square(a), clg_square(b)))),
    "y = the angle of the point (b, a), in -pi .. pi", "ga = gy b / (a^2 + b^2), gb = -gy a / (a^2 + b^2)", 25)
ROW(erf, 1, 0, real, "erf($0)", erf(a), ga = clg_mul(gy, erf_slope(a)),
    "y = 2 / sqrt(pi) integral of exp(-t^2) over 0 .. x", "gx = gy 2 / sqrt(pi) exp(-x^2)", 25)
ROW(erfc, 1, 0, real, "erfc($0)", erfc(a), ga = clg_neg(clg_mul(gy, erf_slope(a))), "y = 1 - erf(x)",
    "gx = -gy 2 / sqrt(pi) exp(-x^2)", 25)

FLAT(floor, 1, 0, real, "floor($0)", floor(a), "y = the largest integer <= x", 1)
FLAT(ceil, 1, 0, real, "ceil($0)", ceil(a), "y = the smallest integer >= x", 1)
FLAT(round, 1, 0, real, "rint($0)", rint(a), "y = the nearest integer, halves to the even one", 1)
FLAT(trunc, 1, 0, real, "trunc($0)", trunc(a), "y = x without its fraction", 1)

FLAT(isnan, 1, 0, classify, "convert_$T(abs($0 != $0))", isnan(a) != 0, "y = 1 if x is NaN else 0", 1)
FLAT(isinf, 1, 0, classify, "convert_$T(abs(fabs($0) == INFINITY))", isinf(a) != 0, "y = 1 if x is infinite else 0", 1)
FLAT(isfinite, 1, 0, classify, "convert_$T(abs(fabs($0) < INFINITY))", isfinite(a) != 0,
     "y = 0 if x is NaN or infinite else 1", 1)

FLAT(logical_and, 2, 0, flags, "convert_$T(abs(($0 != $V(0)) & ($1 != $V(0))))", a != 0 && b != 0,
     "y = 1 if a and b are not 0, else 0", 1)
FLAT(logical_or, 2, 0, flags, "convert_$T(abs(($0 != $V(0)) | ($1 != $V(0))))", a != 0 || b != 0,
     "y = 1 if a or b is not 0, else 0", 1)
/* Flags are 0 .. 255; of an xor of conditions Oclgrind 21.10 makes 2. */
FLAT(logical_xor, 2, 0, flags, "convert_$T(abs(min($0, $V(1)) != min($1, $V(1))))", (a != 0) != (b != 0),
     "y = 1 if one of a and b is 0, else 0", 1)
FLAT(logical_not, 1, 0, flags, "convert_$T(abs($0 == $V(0)))", a == 0, "y = 1 if x is 0, else 0", 1)

/* (a - y) / b is an integer but for rounding. */
ROW(remainder, 2, 0, real, "clg_remainder_$T($0, $1)", floored_remainder(a, b),
    ga = gy; gb = clg_neg(clg_mul(gy, clg_round(clg_div(clg_sub(a, y), b)))),
    "y = a - b floor(a / b), of the sign of b", "ga = gy, gb = -gy floor(a / b)", 10)
FLAT(remainder_int, 2, 0, integer, "clg_remainder_$T($0, $1)", b == 0 ? 0 : floored_remainder(a, b),
     "y = a - b floor(a / b), of the sign of b; 0 if b = 0", 10)
ROW(fmod, 2, 0, real, "fmod($0, $1)", fmod(a, b),
    ga = gy; gb = clg_neg(clg_mul(gy, clg_round(clg_div(clg_sub(a, y), b)))),
    "y = a - b trunc(a / b), of the sign of a", "ga = gy, gb = -gy trunc(a / b)", 10)

/* NaN stays; a bound that is not passed is a number, to which no gradient flows. */
ROW(clamp, 3, 0, number, "($0 < $1) ? $1 : (($0 > $2) ? $2 : $0)", a < b ? b : a > c ? c : a,
    ga = clg_where(clg_ge(a, b), clg_where(clg_le(a, c), gy, lit(gy, 0)), lit(gy, 0)),
    "y = lo if x < lo, hi if x > hi, else x", "gx = gy if lo <= x <= hi else 0", 2)

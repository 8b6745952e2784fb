/* The table of elementwise ops; elementwise.c includes it twice under other definitions of the macros.
 *
 *   ROW(name, operands, attribute, infer, OpenCL C, reference, gradient, formula, text of the gradient, flops)
 *   FLAT(name, operands, attribute, infer, OpenCL C, reference, formula, flops)       no gradient by nature
 *
 * OpenCL C: $0, $1, $2 operands; $T the value type of the result (float, double, int, long); $V(c) a constant of that
 * type; $M the signed integer type of its width, which the condition of a vector's "? :" must have; $C what converts to
 * $T; $S the value type of operand 0. Every expression is valid for scalars and for vectors of 16, and for every type
 * that infer lets through. A comparison is 1 or, per lane, -1; abs() makes 1 of both ("& 1" would too, but of that LLVM
 * makes a zext, which Oclgrind 21.10 takes for a sext).
 * Reference: the same in double over a, b, c. Gradient: graph builders over a, b, c, y and gy that set ga, gb, gc;
 * elementwise.c sums them down to the shapes of the operands. attribute: its size in bytes.
 * infer: real (floats), integer (i32, i64) and number (both) give the operands' type, compare (all types) gives u8. */

ROW(add, 2, 0, number, "$0 + $1", a + b, ga = gy; gb = gy, "y = a + b", "ga = gy, gb = gy", 1)
ROW(sub, 2, 0, number, "$0 - $1", a - b, ga = gy; gb = clg_neg(gy), "y = a - b", "ga = gy, gb = -gy", 1)
ROW(mul, 2, 0, number, "$0 * $1", a * b, ga = clg_mul(gy, b); gb = clg_mul(gy, a),
    "y = a b", "ga = gy b, gb = gy a", 1)
ROW(div, 2, 0, real, "$0 / $1", a / b, ga = clg_div(gy, b); gb = clg_neg(clg_div(clg_mul(gy, y), b)),
    "y = a / b", "ga = gy / b, gb = -gy y / b", 1)
/* One row, so that its gradient takes all sums in one sweep. */
ROW(normalize, 4, 0, real, "($0 - $1) * $2 + $3", (a - b) * c + d,
    clg_tensor *g[4] = { NULL };
    clg_normalize_grads(n, gy, g); ga = g[0]; gb = g[1]; gc = g[2]; gd = g[3],
    "y = (a - b) c + d", "ga = gy c, gb = -gy c, gc = gy (a - b), gd = gy", 3)
/* Integer division stops a CPU at b = 0 and at INT_MIN / -1, so neither reaches the "/". */
FLAT(div_int, 2, 0, integer,
     "($1 == $V(0)) ? $V(0) : (($1 == $V(-1)) ? ($V(0) - $0) : "
     "($0 / ((($1 == $V(0)) | ($1 == $V(-1))) ? $V(1) : $1)))",
     b == 0 ? 0 : trunc(a / b), "y = a / b towards 0; 0 if b = 0", 1)
/* At a = 0, d/db is taken as 0 for every b, and at b = 0, d/da is 0 even where a^(b-1) is infinite. */
ROW(pow, 2, 0, real, "pow($0, $1)", pow(a, b),
    ga = clg_mul(gy, clg_mul(b, clg_pow(a, clg_sub(clg_where(clg_eq(b, lit(b, 0)), lit(b, 1), b), lit(b, 1)))));
    gb = clg_mul(gy, clg_mul(clg_where(clg_eq(a, lit(a, 0)), lit(a, 0), y),
                             clg_log(clg_where(clg_eq(a, lit(a, 0)), lit(a, 1), a)))),
    "y = a^b", "ga = gy b a^(b-1), 0 where b = 0; gb = gy y log a, 0 where a = 0", 20)
/* NaN in either operand gives NaN; a wins a tie. */
ROW(maximum, 2, 0, number, "(($0 >= $1) | ($0 != $0)) ? $0 : $1", a >= b || isnan(a) ? a : b,
    ga = clg_where(clg_ge(a, b), gy, lit(gy, 0)); gb = clg_where(clg_lt(a, b), gy, lit(gy, 0)),
    "y = max(a, b)", "ga = gy if a >= b else 0, gb = gy if a < b else 0", 1)
ROW(minimum, 2, 0, number, "(($0 <= $1) | ($0 != $0)) ? $0 : $1", a <= b || isnan(a) ? a : b,
    ga = clg_where(clg_le(a, b), gy, lit(gy, 0)); gb = clg_where(clg_gt(a, b), gy, lit(gy, 0)),
    "y = min(a, b)", "ga = gy if a <= b else 0, gb = gy if a > b else 0", 1)

FLAT(eq, 2, 0, compare, "convert_$T(abs($0 == $1))", a == b, "y = 1 if a = b else 0", 1)
FLAT(ne, 2, 0, compare, "convert_$T(abs($0 != $1))", a != b, "y = 0 if a = b else 1", 1)
FLAT(lt, 2, 0, compare, "convert_$T(abs($0 < $1))", a < b, "y = 1 if a < b else 0", 1)
FLAT(le, 2, 0, compare, "convert_$T(abs($0 <= $1))", a <= b, "y = 1 if a <= b else 0", 1)
FLAT(gt, 2, 0, compare, "convert_$T(abs($0 > $1))", a > b, "y = 1 if a > b else 0", 1)
FLAT(ge, 2, 0, compare, "convert_$T(abs($0 >= $1))", a >= b, "y = 1 if a >= b else 0", 1)
ROW(where, 3, 0, where, "-convert_$M(abs($0 != 0)) ? $1 : $2", a != 0 ? b : c,
    gb = clg_where(a, gy, lit(gy, 0)); gc = clg_where(a, lit(gy, 0), gy),
    "y = a if cond else b", "ga = gy if cond else 0, gb = 0 if cond else gy", 1)

ROW(neg, 1, 0, number, "-$0", -a, ga = clg_neg(gy), "y = -x", "gx = -gy", 1)
ROW(square, 1, 0, number, "$0 * $0", a * a, ga = clg_mul(gy, clg_scale(a, 2)), "y = x^2", "gx = 2 gy x", 1)
ROW(sqrt, 1, 0, real, "sqrt($0)", sqrt(a), ga = clg_div(clg_scale(gy, 0.5), y), "y = sqrt(x)", "gx = gy / (2 y)", 4)
ROW(exp, 1, 0, real, "clg_exp_$T($0)", exp(a), ga = clg_mul(gy, y), "y = exp(x)", "gx = gy y", 10)
ROW(log, 1, 0, real, "log($0)", log(a), ga = clg_div(gy, a), "y = log(x)", "gx = gy / x", 10)
ROW(sin, 1, 0, real, "clg_sin_$T($0)", sin(a), ga = clg_mul(gy, clg_cos(a)), "y = sin(x)", "gx = gy cos(x)", 10)
ROW(cos, 1, 0, real, "clg_cos_$T($0)", cos(a), ga = clg_neg(clg_mul(gy, clg_sin(a))), "y = cos(x)",
    "gx = -gy sin(x)", 10)
ROW(abs, 1, 0, real, "fabs($0)", fabs(a), ga = clg_mul(gy, clg_sign(a)), "y = |x|", "gx = gy sign(x)", 1)
FLAT(abs_int, 1, 0, integer, "convert_$T(abs($0))", fabs(a), "y = |x|", 1)
FLAT(sign, 1, 0, number, "convert_$T(abs($0 > $V(0))) - convert_$T(abs($0 < $V(0)))", (a > 0) - (a < 0),
     "y = 1 if x > 0, -1 if x < 0, else 0", 1)
/* From y, not x: so x need not be kept, and relu can work in place. */
ROW(relu, 1, 0, number, "($0 < $V(0)) ? $V(0) : $0", a < 0 ? 0 : a,
    ga = clg_where(clg_gt(y, lit(y, 0)), gy, lit(gy, 0)), "y = max(x, 0)", "gx = gy if y > 0 else 0", 1)
ROW(sigmoid, 1, 0, real, "clg_sigmoid_$T($0)", 1 / (1 + exp(-a)),
    ga = clg_mul(gy, clg_mul(y, clg_sub(lit(y, 1), y))), "y = 1 / (1 + exp(-x))", "gx = gy y (1 - y)", 12)
ROW(tanh, 1, 0, real, "clg_tanh_$T($0)", tanh(a), ga = clg_mul(gy, clg_sub(lit(y, 1), clg_square(y))),
    "y = tanh(x)", "gx = gy (1 - y^2)", 20)

ROW(broadcast, 1, sizeof(clg_shape), broadcast, "$0", a, ga = gy,
    "y = x, sizes of 1 stretched to a shape", "gx = sum of gy over the stretched axes", 0)
ROW(cast, 1, sizeof(cast_attr), cast, "$C($0)", a, ga = cast_back(a, gy),
    "y = x as a type of float", "gx = gy as x's type; none from integers", 1)
FLAT(cast_i32, 1, sizeof(cast_attr), cast, "convert_$T_sat(ew_no_nan_$S($0))", to_integer(a, INT32_MIN, INT32_MAX),
     "y = x towards 0, kept in the range of i32; 0 for NaN", 1)
FLAT(cast_i64, 1, sizeof(cast_attr), cast, "convert_$T_sat(ew_no_nan_$S($0))", to_integer(a, -0x1p63, 0x1p63),
     "y = x towards 0, kept in the range of i64; 0 for NaN", 1)
FLAT(cast_u8, 1, sizeof(cast_attr), cast,
     "clamp(convert_$T_sat(ew_no_nan_$S($0)), $V(0), $V(255))", to_integer(a, 0, 255),
     "y = x towards 0, kept in 0 .. 255; 0 for NaN", 1)

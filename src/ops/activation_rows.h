/* Rows of the elementwise table: activations. What the columns mean stands in elementwise_rows.h; numbers like a slope
 * are operands, which the generator of kernels writes as constants. Sources:
 *   relu6        Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10
 *   leaky_relu   Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models
 *   elu          Clevert et al. 2016, arXiv 1511.07289
 *   gelu         Hendrycks & Gimpel 2016, arXiv 1606.08415
 *   silu         Ramachandran et al. 2017, arXiv 1710.05941 (swish)
 *   mish         Misra 2019, arXiv 1908.08681
 *   softplus     Dugas et al. 2001, Incorporating second-order functional knowledge
 *   softsign     Bergstra et al. 2009, Quadratic polynomials learn better image features
 *   hard_sigmoid, hard_swish  Howard et al. 2019, arXiv 1905.02244
 * Every one keeps NaN, and has its limits at -inf and inf: x times a factor that vanishes there stops x first. */

FLAT(unit_step, 1, 0, number, "convert_$T(abs($0 > $V(0)))", a > 0, "y = 1 if x > 0 else 0", 1)
/* From y, not x: so x need not be kept. */
ROW(relu6, 1, 0, number, "($0 < $V(0)) ? $V(0) : (($0 > $V(6)) ? $V(6) : $0)", a < 0 ? 0 : a > 6 ? 6 : a,
    ga = pass_between(y, gy, lit(y, 0), lit(y, 6)), "y = min(max(x, 0), 6)", "gx = gy if 0 < y < 6 else 0", 2)
ROW(hard_tanh, 3, 0, number, "($0 < $1) ? $1 : (($0 > $2) ? $2 : $0)", a < b ? b : a > c ? c : a,
    ga = pass_between(y, gy, b, c), "y = min(max(x, lo), hi)", "gx = gy if lo < y < hi else 0", 2)
ROW(hard_sigmoid, 1, 0, real,
    "($0 <= $V(-3)) ? $V(0) : (($0 >= $V(3)) ? $V(1) : ($0 + $V(3)) / $V(6))",
    a <= -3 ? 0 : a >= 3 ? 1 : (a + 3) / 6, ga = pass_between(y, clg_scale(gy, 1.0 / 6), lit(y, 0), lit(y, 1)),
    "y = min(max(x + 3, 0), 6) / 6", "gx = gy / 6 if -3 < x < 3 else 0", 3)
ROW(hard_swish, 1, 0, real,
    "($0 <= $V(-3)) ? $V(0) : (($0 >= $V(3)) ? $0 : $0 * ($0 + $V(3)) / $V(6))",
    a <= -3 ? 0 : a >= 3 ? a : a * (a + 3) / 6, ga = clg_mul(gy, clg_hard_swish_slope(a)),
    "y = x min(max(x + 3, 0), 6) / 6", "gx = 0 if x <= -3, gy if x >= 3, else gy (2 x + 3) / 6", 4)
ROW(threshold, 3, 0, number, "($0 <= $1) ? $2 : $0", a <= b ? c : a,
    ga = clg_where(clg_gt(a, b), gy, lit(gy, 0)), "y = x if x > t else value", "gx = gy if x > t else 0", 1)
ROW(leaky_relu, 2, 0, real, "($0 > $V(0)) ? $0 : $1 * $0", a > 0 ? a : b * a,
    ga = clg_where(clg_gt(a, lit(a, 0)), gy, clg_mul(gy, b)),
    "y = x if x > 0 else slope x", "gx = gy if x > 0 else slope gy", 2)
/* exp of min(x, 0): what a mask discards must be finite too, or it comes back as NaN when differentiated again. */
ROW(elu, 2, 0, real, "($0 > $V(0)) ? $0 : $1 * expm1($0)", a > 0 ? a : b * expm1(a),
    ga = clg_where(clg_gt(a, lit(a, 0)), gy, clg_mul(gy, clg_mul(b, clg_exp(clg_minimum(a, lit(a, 0)))))),
    "y = x if x > 0 else alpha (exp(x) - 1)", "gx = gy if x > 0 else gy alpha exp(x)", 14)

ROW(softplus, 2, 0, real, "fmax($0, $V(0)) + log1p(exp(-$1 * fabs($0))) / $1",
    fmax(a, 0) + log1p(exp(-b * fabs(a))) / b,
    ga = clg_mul(gy, clg_sigmoid(clg_mul(a, b))), "y = log(1 + exp(beta x)) / beta", "gx = gy / (1 + exp(-beta x))", 25)
ROW(log_sigmoid, 1, 0, real, "fmin($0, $V(0)) - log1p(exp(-fabs($0)))", fmin(a, 0) - log1p(exp(-fabs(a))),
    ga = clg_mul(gy, clg_sigmoid(clg_neg(a))), "y = -log(1 + exp(-x))", "gx = gy / (1 + exp(x))", 25)
ROW(softsign, 1, 0, real,
    "(fabs($0) > $V(0x1p60f)) ? copysign($V(1), $0) : $0 / ($V(1) + fabs($0))",
    isinf(a) ? copysign(1, a) : a / (1 + fabs(a)), ga = clg_div(gy, clg_square(clg_add(clg_abs(a), lit(a, 1)))),
    "y = x / (1 + |x|)", "gx = gy / (1 + |x|)^2", 3)
ROW(silu, 1, 0, real,
    "(($0 < $V(-1024)) ? $V(-1024) : $0) / ($V(1) + clg_exp_$T(-$0))", above(a, -1024) / (1 + exp(-a)),
    ga = clg_mul(gy, clg_silu_slope(a)), "y = x s, s = 1 / (1 + exp(-x))", "gx = gy s (1 + x (1 - s))", 13)
ROW(mish, 1, 0, real, "clg_mish_$T($0)", above(a, -1024) * tanh(fmax(a, 0) + log1p(exp(-fabs(a)))),
    ga = clg_mul(gy, clg_mish_slope(a)), "y = x t, t = tanh(log(1 + exp(x)))",
    "gx = gy (t + x (1 - t^2) / (1 + exp(-x)))", 20)
ROW(gelu, 1, 0, real, "clg_gelu_$T($0)", above(a, -64) * 0.5 * erfc(-a * M_SQRT1_2),
    ga = clg_mul(gy, clg_gelu_slope(a)),
    "y = x Phi(x), Phi(x) = (1 + erf(x / sqrt(2))) / 2", "gx = gy (Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi))", 30)
ROW(gelu_tanh, 1, 0, real, "clg_gelu_tanh_$T($0)",
    0.5 * above(a, -64) * (1 + tanh(0.5 * M_2_SQRTPI * M_SQRT2 * (a + 0.044715 * a * a * a))),
    ga = clg_mul(gy, clg_gelu_tanh_slope(a)), "y = x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3)",
    "gx = gy (1 + tanh(u) + x (1 - tanh(u)^2) u') / 2", 18)

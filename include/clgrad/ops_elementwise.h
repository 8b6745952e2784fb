/* Elementwise operations. Operands have the same dtype, which clg_cast() changes, and broadcast as in NumPy: align the
 * last axes; a size of 1 stretches. */
#ifndef CLGRAD_OPS_ELEMENTWISE_H_
#define CLGRAD_OPS_ELEMENTWISE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_add(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_sub(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_mul(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_div(clg_tensor *a, clg_tensor *b);     /* integers: towards 0, 0 where b is 0 */
CLG_API clg_tensor *clg_pow(clg_tensor *a, clg_tensor *b);     /* a^b; d/db needs a > 0 (0 where a is 0) */
CLG_API clg_tensor *clg_maximum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */
CLG_API clg_tensor *clg_minimum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */

/** The remainder of a / b with the sign of b: a - b floor(a / b), as % in Python. i32, i64: 0 where b is 0. clg_fmod(),
 *  of floats, has the sign of a: a - b trunc(a / b), as fmod() in C. NaN where b is 0 or a infinite.
 *  Gradient: ga = gy, gb = -gy floor(a / b), or trunc(). */
CLG_API clg_tensor *clg_remainder(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_fmod(clg_tensor *a, clg_tensor *b);

/** The angle of the point (x, y), in -pi .. pi; atan2(0, 0) is 0, its gradient NaN. */
CLG_API clg_tensor *clg_atan2(clg_tensor *y, clg_tensor *x);

/* Comparison: u8, 1 where true, else 0; no gradient. NaN is unequal to everything. */
CLG_API clg_tensor *clg_eq(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ne(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_lt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_le(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_gt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ge(clg_tensor *a, clg_tensor *b);

/* Logic on flags: u8 in, u8 out; what is not 0 counts as 1. No gradient. */
CLG_API clg_tensor *clg_logical_and(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_logical_or(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_logical_xor(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_logical_not(clg_tensor *x);

/* Classes of floats: u8, 1 where true, else 0; no gradient. */
CLG_API clg_tensor *clg_isnan(clg_tensor *x);
CLG_API clg_tensor *clg_isinf(clg_tensor *x);
CLG_API clg_tensor *clg_isfinite(clg_tensor *x);

/** a where cond is not 0, else b. Broadcasts all three; cond is u8, i32 or i64. */
CLG_API clg_tensor *clg_where(clg_tensor *cond, clg_tensor *a, clg_tensor *b);

CLG_API clg_tensor *clg_neg(clg_tensor *x);
CLG_API clg_tensor *clg_scale(clg_tensor *x, double factor);
CLG_API clg_tensor *clg_square(clg_tensor *x);
CLG_API clg_tensor *clg_abs(clg_tensor *x);     /* gradient 0 at 0 */
CLG_API clg_tensor *clg_sign(clg_tensor *x);    /* -1, 0, 1; gradient 0 */

/** x, but at least lo and at most hi (infinite: no bound). NaN stays. The gradient passes where lo <= x <= hi.
 *
 *  Errors: CLG_ERR_INVALID if lo > hi, or x holds integers and a bound is none. */
CLG_API clg_tensor *clg_clamp(clg_tensor *x, double lo, double hi);

/* Functions of floats. Outside their domain they are NaN, at their poles infinite, as in C. */
CLG_API clg_tensor *clg_sqrt(clg_tensor *x);
CLG_API clg_tensor *clg_rsqrt(clg_tensor *x);      /* 1 / sqrt(x) */
CLG_API clg_tensor *clg_reciprocal(clg_tensor *x); /* 1 / x */
CLG_API clg_tensor *clg_exp(clg_tensor *x);
CLG_API clg_tensor *clg_exp2(clg_tensor *x);       /* 2^x */
CLG_API clg_tensor *clg_expm1(clg_tensor *x);      /* exp(x) - 1, exact near 0 */
CLG_API clg_tensor *clg_log(clg_tensor *x);
CLG_API clg_tensor *clg_log2(clg_tensor *x);
CLG_API clg_tensor *clg_log1p(clg_tensor *x);      /* log(1 + x), exact near 0 */
CLG_API clg_tensor *clg_sin(clg_tensor *x);
CLG_API clg_tensor *clg_cos(clg_tensor *x);
CLG_API clg_tensor *clg_tan(clg_tensor *x);
CLG_API clg_tensor *clg_asin(clg_tensor *x);
CLG_API clg_tensor *clg_acos(clg_tensor *x);
CLG_API clg_tensor *clg_atan(clg_tensor *x);
CLG_API clg_tensor *clg_sinh(clg_tensor *x);
CLG_API clg_tensor *clg_cosh(clg_tensor *x);
CLG_API clg_tensor *clg_asinh(clg_tensor *x);
CLG_API clg_tensor *clg_acosh(clg_tensor *x);
CLG_API clg_tensor *clg_atanh(clg_tensor *x);
CLG_API clg_tensor *clg_erf(clg_tensor *x);        /* 2 / sqrt(pi) times the integral of exp(-t^2) over 0 .. x */
CLG_API clg_tensor *clg_erfc(clg_tensor *x);       /* 1 - erf(x), without loss of digits at large x */

/* Rounding of floats to integers, as floats; gradient 0. */
CLG_API clg_tensor *clg_floor(clg_tensor *x);
CLG_API clg_tensor *clg_ceil(clg_tensor *x);
CLG_API clg_tensor *clg_round(clg_tensor *x);      /* to the nearest, halves to the even one */
CLG_API clg_tensor *clg_trunc(clg_tensor *x);      /* towards 0 */

/** Converts the type; to an integer, towards zero and kept in its range, NaN to 0. The gradient is cast back; there is
 *  none through integers. */
CLG_API clg_tensor *clg_cast(clg_tensor *x, clg_dtype type);

CLG_END_DECLS

#endif /* CLGRAD_OPS_ELEMENTWISE_H_ */

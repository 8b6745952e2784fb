/* Elementwise operations. Operands have the same dtype, which clg_cast() changes, and broadcast as in NumPy: align the
 * last axes; a size of 1 stretches. */
#ifndef CLGRAD_OPS_ELEMENTWISE_H_
#define CLGRAD_OPS_ELEMENTWISE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_API clg_tensor *clg_add(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_sub(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_mul(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_div(clg_tensor *a, clg_tensor *b);     /* i32: towards zero, 0 where b is 0 */
CLG_API clg_tensor *clg_pow(clg_tensor *a, clg_tensor *b);     /* a^b; d/db needs a > 0 (0 where a is 0) */
CLG_API clg_tensor *clg_maximum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */
CLG_API clg_tensor *clg_minimum(clg_tensor *a, clg_tensor *b); /* where equal, the gradient goes to a */

/* Comparison: u8, 1 where true, else 0; no gradient. NaN is unequal to everything. */
CLG_API clg_tensor *clg_eq(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ne(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_lt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_le(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_gt(clg_tensor *a, clg_tensor *b);
CLG_API clg_tensor *clg_ge(clg_tensor *a, clg_tensor *b);

/** a where cond is not 0, else b. Broadcasts all three; cond is u8 or i32. */
CLG_API clg_tensor *clg_where(clg_tensor *cond, clg_tensor *a, clg_tensor *b);

CLG_API clg_tensor *clg_neg(clg_tensor *x);
CLG_API clg_tensor *clg_scale(clg_tensor *x, double factor);
CLG_API clg_tensor *clg_square(clg_tensor *x);
CLG_API clg_tensor *clg_sqrt(clg_tensor *x);
CLG_API clg_tensor *clg_exp(clg_tensor *x);
CLG_API clg_tensor *clg_log(clg_tensor *x);
CLG_API clg_tensor *clg_sin(clg_tensor *x);
CLG_API clg_tensor *clg_cos(clg_tensor *x);
CLG_API clg_tensor *clg_abs(clg_tensor *x);     /* gradient 0 at 0 */
CLG_API clg_tensor *clg_sign(clg_tensor *x);    /* -1, 0, 1; gradient 0 */

/** Converts the type; to an integer, towards zero and kept in its range, NaN to 0. The gradient is cast back; there is
 *  none through integers. */
CLG_API clg_tensor *clg_cast(clg_tensor *x, clg_dtype type);

CLG_END_DECLS

#endif /* CLGRAD_OPS_ELEMENTWISE_H_ */

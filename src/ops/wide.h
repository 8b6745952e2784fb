/* f16 and bf16 only store: between the ops of a composite, squares and sums would leave their range or lose their
 * digits. So a composite that has such values widens its inputs to f32 and narrows its result. */
#ifndef CLG_OPS_WIDE_H_
#define CLG_OPS_WIDE_H_

#include "graph/op.h"

/** What values of type t are computed in. */
static inline clg_dtype clg_wide_type(clg_dtype t) { return t == CLG_F16 || t == CLG_BF16 ? CLG_F32 : t; }

static inline clg_tensor *clg_widen(clg_tensor *x) { return x ? clg_cast(x, clg_wide_type(x->dtype)) : NULL; }

#endif /* CLG_OPS_WIDE_H_ */

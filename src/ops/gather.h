/* What gather.c and gather_along.c share. */
#ifndef CLG_OPS_GATHER_H_
#define CLG_OPS_GATHER_H_

#include "ops/move.h"

#include <math.h>

typedef struct clg_gather_attr {
    int32_t axis, zero; /* gather: whether an index out of range reads 0 (in gradients) and not NaN */
    int64_t size;       /* scatter: of the axis in the result */
} clg_gather_attr;

static inline const clg_gather_attr *clg_gather_attr_of(const clg_node *n) { return n->attr; }

/** Index k if it lies in 0 .. size - 1, else -1. */
static inline int64_t clg_valid_index(double k, int64_t size) { return k >= 0 && k < (double)size ? (int64_t)k : -1; }

/** What the reference reads by an index out of range; integers have no NaN and become 0. */
static inline double clg_missing(const clg_node *n) { return clg_gather_attr_of(n)->zero ? 0 : (double)NAN; }

/** For infer(): whether operand 1 has a type of indices. */
clg_status clg_check_index(const clg_node *n);

/** Options of the kernels of cl/gather.cl. zero: what is missing is 0. */
const char *clg_gather_options(clg_emit *e, const clg_tensor *x, const clg_tensor *index, bool zero);

#endif /* CLG_OPS_GATHER_H_ */

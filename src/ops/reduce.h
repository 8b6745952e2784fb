/* The form that reductions bring a tensor into, and what their files share: reduce.c (rows and builders), prod.c,
 * reduce_emit.c (their kernels), statistic.c (composites) and scan.c. */
#ifndef CLG_OPS_REDUCE_H_
#define CLG_OPS_REDUCE_H_

#include "graph/op.h"
#include "plan/emit.h"

typedef struct clg_reduce_attr {
    uint32_t axes; /* bit i: axis i is reduced */
} clg_reduce_attr;

/** Neighbouring axes of one kind are merged, which leaves K0 R0 K1 R1 K2 R2 K3: K kept, R reduced. */
enum { K0, R0, K1, R1, K2, R2, K3, CLG_REDUCE_FORM };

typedef struct clg_reduce_form {
    int64_t dim[CLG_REDUCE_FORM];
    int64_t segments; /* K0 K1 K2 K3: outputs */
    int64_t length;   /* R0 R1 R2: elements of each */
} clg_reduce_form;

/** The merged form of a shape, filled from the right; sizes of 1 vanish. */
clg_reduce_form clg_reduce_form_of(clg_shape s, uint32_t axes);

/** Place in x of element i (row-major) of segment o (row-major). */
int64_t clg_reduce_element(const clg_reduce_form *f, int64_t o, int64_t i);

/** The result's shape: reduced axes have size 1; a scalar if all are reduced. */
clg_shape clg_reduce_shape(clg_shape x, uint32_t axes);

/** Turns what a caller gave (CLG_ALL, or bits) into *mask; false: reported, as there is no such axis. */
bool clg_reduce_axes(const clg_op *op, const clg_tensor *x, unsigned axes, uint32_t *mask);

/** For infer(): fails if there is nothing to reduce. */
clg_status clg_reduce_not_empty(const clg_node *n, uint32_t axes);

/** For accept(): the elements can be counted by an int; and the device has work-groups at all. */
bool clg_reduce_fits(const clg_node *n, const clg_device *d);
bool clg_reduce_fits_group(const clg_node *n, const clg_device *d);

/** Rows (R0 R1) and columns (R2) of a part, and the number of parts of each. */
typedef struct clg_reduce_cut {
    int64_t row_part, col_part, parts[2];
} clg_reduce_cut;

/** Cuts the segments so that `units` of work become about `want`: into at most `most` parts, with no less than `least`
 *  elements of each; by the shape alone, so that sums are taken in the same order everywhere. */
clg_reduce_cut clg_reduce_cut_of(const clg_reduce_form *g, int64_t units, int64_t want, int64_t least, int64_t most);

/** How many units of `work` elements a work-item of a CPU should do: at least 4096 elements, at most 256 items. */
int64_t clg_reduce_per(int64_t units, int64_t work);

/** Implementations of sum, mean, prod, max and min; of argmax, argmin, first_max and first_min. */
extern const clg_impl clg_reduce_impls[], clg_first_impls[];

extern const clg_op clg_op_sum, clg_op_mean, clg_op_prod, clg_op_max, clg_op_min, clg_op_argmax, clg_op_argmin,
    clg_op_first_max, clg_op_first_min;

#endif /* CLG_OPS_REDUCE_H_ */

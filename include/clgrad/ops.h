/* Operations: every one is a row of the op table (clg_op_get_info()); docs/ops.md is made from it. This header includes
 * all families. */
#ifndef CLGRAD_OPS_H_
#define CLGRAD_OPS_H_

#include <clgrad/ops_activation.h>
#include <clgrad/ops_conv.h>
#include <clgrad/ops_elementwise.h>
#include <clgrad/ops_index.h>
#include <clgrad/ops_linalg.h>
#include <clgrad/ops_loss.h>
#include <clgrad/ops_norm.h>
#include <clgrad/ops_pool.h>
#include <clgrad/ops_random.h>
#include <clgrad/ops_reduce.h>
#include <clgrad/ops_shape.h>

CLG_BEGIN_DECLS

/** A row of the op table. Strings are static. */
typedef struct clg_op_info {
    const char *name;        /* "conv" */
    const char *formula;     /* one line of plain text: "y[n,o,s] = sum ..." */
    const char *gradient;    /* one line of plain text; "" if there is none */
    const char *shapes;      /* one line: "a [...,M,K], b [...,K,N] -> [...,M,N]" */
    const char *family;      /* "Convolution": what the docs list together */
    int  min_in, max_in, n_out;
    bool elementwise, effect, differentiable;
    bool composite;          /* no kernels of its own: devices get the ops that it expands to */
} clg_op_info;

CLG_API int clg_op_count(void);
CLG_API CLG_CHECK clg_status clg_op_get_info(int i, clg_op_info *info);

/** Name of implementation k of op i ("conv.direct_gpu"), NULL past the last. Element-wise ops share those of the
 *  fused kernel generator. */
CLG_API const char *clg_op_impl(int i, int k);

/** How many times larger than the direct sum's the rounding errors of implementation k of op i may be, by the ratio of
 *  the sums of absolute values: 1 for direct sums, more for Winograd (left out by clg_plan_params.exact); 0: no such
 *  implementation. */
CLG_API double clg_op_impl_growth(int i, int k);

CLG_END_DECLS

#endif /* CLGRAD_OPS_H_ */

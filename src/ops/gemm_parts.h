/* What the hosts of the kernels for class cpu (gemm.c) and class gpu (gemm_gpu.c) share. */
#ifndef CLG_OPS_GEMM_PARTS_H_
#define CLG_OPS_GEMM_PARTS_H_

#include "base/integer.h"
#include "ops/gemm.h"

/** CLG_ERR_UNSUP unless the kernels take sizes and types. */
clg_status clg_gemm_check(const clg_emit_gemm_params *p);

/** *q = *p with defaults filled in; false if there is nothing to compute. */
bool clg_gemm_normal(const clg_emit_gemm_params *p, clg_emit_gemm_params *q);

/** A product that is all of a node's output, row upon row, may have a tail: its columns, else 0. */
int64_t clg_gemm_tail_cols(const clg_emit_gemm_params *p);

#define SIZES(p) INT_AS(m, (p)->m), INT_AS(n, (p)->n), INT_AS(k, (p)->k)
#define BATCH(p) LONG_AS(a_stride, (p)->a_stride), LONG_AS(b_stride, (p)->b_stride), \
    LONG_AS(c_stride, (p)->c_stride), LONG_AS(a_begin, (p)->a_off), LONG_AS(b_begin, (p)->b_off), \
    LONG_AS(c_begin, (p)->c_off)

#endif /* CLG_OPS_GEMM_PARTS_H_ */

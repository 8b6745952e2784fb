/* Matrix products for the ops that are made of them: which kernel of cl/gemm.cl, which tile, how many work-items. */
#ifndef CLG_OPS_GEMM_H_
#define CLG_OPS_GEMM_H_

#include "plan/emit.h"

/** For rows that use clg_emit_gemm_cpu() or clg_emit_gemm_gpu(); the names are
 *  theirs, so that they may stand beside an op's. */
extern const clg_knob clg_gemm_cpu_knobs[], clg_gemm_gpu_knobs[];

/** Whether the kernels of this library take the sizes (their counters are int) and types. Zero sizes are fine. */
bool clg_gemm_fits(clg_dtype t, int64_t m, int64_t n, int64_t k, int64_t batch);

/** C[i] = op(A[i]) op(B[i]) by register tiles, work-groups of one: for devices of class cpu. */
clg_status clg_emit_gemm_cpu(clg_emit *e, const clg_emit_gemm_params *p);

/** The same by local-memory tiles: for devices of class gpu, where CLBlast does not fit. */
clg_status clg_emit_gemm_gpu(clg_emit *e, const clg_emit_gemm_params *p);

#endif /* CLG_OPS_GEMM_H_ */

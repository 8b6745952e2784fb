/* A kernel launch is one expression. What an implementation of an op may do while it emits its steps. */
#ifndef CLG_PLAN_EMIT_H_
#define CLG_PLAN_EMIT_H_

#include "graph/op.h"

enum clg_arg_kind { CLG_ARG_END, CLG_ARG_IN, CLG_ARG_OUT, CLG_ARG_INOUT, CLG_ARG_INT, CLG_ARG_LONG,
                    CLG_ARG_FLOAT, CLG_ARG_DOUBLE, CLG_ARG_LOCAL };

typedef struct clg_arg {
    enum clg_arg_kind kind;
    const char *name;            /* checked against the .cl signature in debug builds and tests */
    const clg_tensor *t;         /* IN, OUT, INOUT: bound as (buffer, element offset) */
    union { int64_t i; double f; size_t bytes; } u;
} clg_arg;

/* The name of the C variable is the name of the parameter in the .cl file. */
#define IN(x)       { .kind = CLG_ARG_IN,    .name = #x, .t = (x) }
#define OUT(x)      { .kind = CLG_ARG_OUT,   .name = #x, .t = (x) }
#define INOUT(x)    { .kind = CLG_ARG_INOUT, .name = #x, .t = (x) }
#define INT(x)      { .kind = CLG_ARG_INT,   .name = #x, .u.i = (x) }
#define LONG(x)     { .kind = CLG_ARG_LONG,  .name = #x, .u.i = (x) }
#define FLOAT(x)    { .kind = CLG_ARG_FLOAT, .name = #x, .u.f = (x) } /* const ACC x: a double beside f64 tensors */
#define LOCAL(x, n) { .kind = CLG_ARG_LOCAL, .name = #x, .u.bytes = (n) }
/* Where no C variable has that name. */
#define IN_AS(param, v)   { .kind = CLG_ARG_IN,   .name = #param, .t = (v) }
#define INT_AS(param, v)  { .kind = CLG_ARG_INT,  .name = #param, .u.i = (v) }
#define LONG_AS(param, v) { .kind = CLG_ARG_LONG, .name = #param, .u.i = (v) }
#define ARGS(...)   ((const clg_arg[]){ __VA_ARGS__, { .kind = CLG_ARG_END } })

typedef struct clg_launch {
    const char *kernel;          /* "pool.max_fwd": cl/pool.cl, function max_fwd */
    const char *options;         /* -D's; part of the cache key; from clg_emit_options(); NULL: none */
    size_t      global[3], local[3]; /* in work-items; zeros are 1. global is rounded up to a multiple of local, so
                                    kernels check their bounds. local becomes -DWGX -DWGY -DWGZ, and KERNEL's
                                    reqd_work_group_size */
    const clg_arg *args;         /* copied */
    int64_t     tail_cols;       /* not 0: this launch is the last that touches the node's output 0, its argument OUT,
                                    and stores all of it, a tight matrix with rows of so many elements, by TAIL16 and
                                    TAIL; its signature ends in TAIL_ARGS */
    int64_t     feed_cols;       /* not 0: this launch computes the feeder, and what stands behind it by FEED16 and FEED,
                                    as rows of so many elements; FEED_ARGS stand before TAIL_ARGS */
} clg_launch;

/** Text in the plan's arena; "" and a sticky failure when memory is out. */
const char *clg_emit_options(clg_emit *e, const char *fmt, ...) CLG_FMT(2, 3);

/** The value of a knob of this impl: the tuned one, else the default; -1 if the impl has no such knob, so that a kernel
 *  shared by several impls may ask. */
int clg_emit_knob(clg_emit *e, const char *name);

/** The device that is compiled for. */
const clg_device *clg_emit_device(const clg_emit *e);

/** The node that makes input 0 and has no steps of its own: one launch must compute it (feed_cols). NULL: none. */
const clg_node *clg_emit_feeder(const clg_emit *e);

/** Whether t is a param that the plan does not change: what is computed from such params alone (a packed copy, say) is
 *  computed once and not in each run, unless preparation is switched off. */
bool clg_emit_is_still(const clg_emit *e, const clg_tensor *t);

/** Device scratch that lives during this node's steps only. Sticky failure gives NULL; launches then fail cleanly. */
const clg_tensor *clg_emit_scratch(clg_emit *e, clg_dtype type, clg_shape shape);

/** A table that lives as long as the plan; data is copied and uploaded once, now. */
const clg_tensor *clg_emit_table(clg_emit *e, clg_dtype type, clg_shape shape, const void *data);

/** Appends a launch. If one of its tensors is f64, the program gets -DCLG_F64 (clg.clh: T and ACC are double) and FLOAT
 *  arguments are doubles. Nothing is built yet: programs are built and arguments bound once, when memory is planned. */
clg_status clg_emit_launch(clg_emit *e, const clg_launch *l);

/** Appends a copy of all elements of src to dst (equal element counts and types). */
clg_status clg_emit_copy(clg_emit *e, const clg_tensor *src, const clg_tensor *dst);

/** A row-major product of batch matrices: C[i] = op(A[i]) op(B[i]), offsets 0, pitches and strides in elements.
 *  A stride of 0 uses the same matrix for all. */
typedef struct clg_emit_gemm_params {
    bool ta, tb;
    int64_t m, n, k, batch;
    int64_t lda, ldb, ldc;          /* 0: tight */
    int64_t a_stride, b_stride, c_stride;
    int64_t a_off, b_off, c_off;
    const clg_tensor *a, *b, *c;
    bool finish;                    /* c is all of the node's output 0, tight, and complete after this: a tail fits */
} clg_emit_gemm_params;

/** Appends a GEMM of f32 by CLBlast. CLG_ERR_UNSUP if it does not fit: accept() asks clg_emit_clblast_fits() first, and
 *  for the type. */
clg_status clg_emit_clblast(clg_emit *e, const clg_emit_gemm_params *p);
bool clg_emit_clblast_fits(const clg_device *d, int64_t m, int64_t n, int64_t k, int64_t batch);

/** Appends a GEMM by the kernels of this library (cl/gemm.cl; src/ops/gemm.c), or by CLBlast where that is the
 *  default of the device's class. For convolution by im2col. */
clg_status clg_emit_gemm(clg_emit *e, const clg_emit_gemm_params *p);

#endif /* CLG_PLAN_EMIT_H_ */

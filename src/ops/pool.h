/* What the pooling ops and their backward ops share. All are computed as 3-D; missing axes have size 1. */
#ifndef CLG_OPS_POOL_H_
#define CLG_OPS_POOL_H_

#include "plan/emit.h"

/** What the sum of a window is divided by in an average: the cells it covers in the input; these and the cells of the
 *  padding; nothing. */
enum clg_pool_divide { CLG_POOL_BY_CELLS, CLG_POOL_BY_PADDED, CLG_POOL_BY_ONE };

/** Attributes of every pooling row. Arrays are D, H, W; the axes that a 1-D or 2-D pooling lacks come first. */
typedef struct clg_pool_attr {
    int64_t kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    int64_t size[3]; /* avg_pool_bwd: the input's, which its gradient does not tell; else 0 */
    int64_t out[3];  /* adaptive pooling: windows along each axis; else 0 */
    int32_t ceil_mode, divide;
} clg_pool_attr;

typedef struct clg_pool_geo {
    int64_t planes, in[3], out[3];
    clg_pool_attr attr;
} clg_pool_geo;

/** Attributes for an input x; what is out of range clg_pool_infer() reports. p NULL: zeros. */
clg_pool_attr clg_pool_attr_from(const clg_tensor *x, const clg_pool_params *p, enum clg_pool_divide divide);

static inline bool clg_pool_adaptive(const clg_pool_attr *a) { return a->out[0] > 0; }

/** Geometry of a pooling whose large side (input) has shape x. */
clg_pool_geo clg_pool_geometry(clg_shape x, const clg_pool_attr *attr);

/** Output sizes into *y for an input of shape x and type t; fails for node n. */
clg_status clg_pool_infer(const clg_node *n, clg_dtype t, clg_shape x, clg_shape *y);

/** Cells from, from + step, ... below `to`. */
typedef struct clg_pool_span { int64_t from, to, step; } clg_pool_span;

/** The cells of the input that window o covers on an axis. */
clg_pool_span clg_pool_cells(const clg_pool_geo *g, int axis, int64_t o);

/** What the sum over window o (D, H, W) is divided by in an average. */
double clg_pool_count(const clg_pool_geo *g, const int64_t o[3]);

/** The greatest cell of window o, as an index into plane x. */
int64_t clg_pool_argmax(const clg_pool_geo *g, const double *x, const int64_t o[3]);

/** Counts o on through the windows of a plane; false behind the last. Starts at 0, 0, 0. */
bool clg_pool_next(const clg_pool_geo *g, int64_t o[3]);

/** Cells of the largest window. */
int64_t clg_pool_window(const clg_pool_geo *g);

/** Whether the kernels take it: f32 and f64 planes below 2^30 elements. */
bool clg_pool_fits(clg_dtype t, const clg_pool_geo *g);

/** Whether no window reaches into the padding or past the input. */
bool clg_pool_whole(const clg_pool_geo *g);

/**
 * Launches a kernel of cl/pool.cl over `items` units of work (rows, planes or elements), of which each costs `work`
 * cells. from: the one or two inputs, named as in the kernel; many: the name of the count there.
 */
typedef struct clg_pool_launch {
    const char *kernel;
    clg_arg from[2], to;
    int n_from;
    const char *many; /* "rows", "planes": a block of them for each work-item; "n": one for each */
    int64_t items, work;
    int64_t tail_cols; /* as in clg_launch */
    int64_t groups;    /* not 0: so many work-groups share the items, by `tiles`, options of the kernel */
    const char *tiles;
} clg_pool_launch;

clg_status clg_pool_emit(clg_emit *e, const clg_pool_geo *g, const clg_pool_launch *l);

extern const clg_op clg_op_max_pool, clg_op_max_pool_at, clg_op_max_pool_bwd, clg_op_avg_pool, clg_op_avg_pool_bwd;
extern const clg_op clg_op_adaptive_max_pool, clg_op_adaptive_avg_pool, clg_op_global_max_pool, clg_op_global_avg_pool,
    clg_op_l2_pool;

#endif /* CLG_OPS_POOL_H_ */

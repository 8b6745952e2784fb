/* What ops that move elements share: types, splitting into work-items, copies of strided regions (region.c), and the
 * internal rows that others are built from. */
#ifndef CLG_OPS_MOVE_H_
#define CLG_OPS_MOVE_H_

#include "base/integer.h"
#include "graph/op.h"
#include "plan/emit.h"

enum { CLG_MOVE_GROUP = 256 };

/** Whether x is a clg_permute() that swaps the last two axes and nothing else; its operand is x->node->in[0]. */
bool clg_is_transpose(const clg_tensor *x);

/** "float", "long", ...: the OpenCL C type that holds an element. */
const char *clg_move_type(clg_dtype t);

/** For class cpu: how many units of `size` elements make a work-item of 8192 elements or more, at most 256 items. */
static inline int64_t clg_units_per_item(int64_t units, int64_t size) {
    const int64_t by_size = clg_div_up(8192, size > 0 ? size : 1), by_count = clg_div_up(units, 256);
    return by_size > by_count ? by_size : by_count;
}

/** accept(): every operand and result has at most 2^31 - 1 elements, which is what the kernels count with. _group: and
 *  the device has work-groups of CLG_MOVE_GROUP. */
bool clg_move_fits(const clg_node *n, const clg_device *d);
bool clg_move_fits_group(const clg_node *n, const clg_device *d);

/** An axis of a tensor as outer, size, inner: x[o, j, i] row-major. */
typedef struct clg_span { int64_t outer, size, inner; } clg_span;
clg_span clg_span_of(clg_shape s, int axis);

/** "NAME(x, axis): there is no such axis: x is f32[2,3]" as CLG_ERR_SHAPE; NULL. */
clg_tensor *clg_fail_axis(const char *op, const clg_tensor *x, int axis);

/* --- regions --- */

/** y[to + r pitch + i] = x[from + ...]: axes slowest first, of sizes dim and steps (any sign, or 0) in x; the last axis
 *  is contiguous in y; r numbers the rows, row-major over the other axes. */
typedef struct clg_region {
    int n;
    int64_t dim[CLG_MAX_DIMS], step[CLG_MAX_DIMS], from, to, pitch;
} clg_region;

/** Appends an axis, faster than all before. merge: joins it with the one before where x allows, drops sizes of 1. */
void clg_region_add(clg_region *r, int64_t dim, int64_t step, bool merge);

/** One launch, of the class's kernel. */
clg_status clg_emit_region(clg_emit *e, const clg_tensor *x, const clg_tensor *y, const clg_region *r, bool gpu);

/* --- slice.c --- */

/** y[i] = x[begin + i step] along every axis of x; y has `count` elements there. All in range. */
typedef struct clg_slice_attr { int64_t begin[CLG_MAX_DIMS], step[CLG_MAX_DIMS], count[CLG_MAX_DIMS]; } clg_slice_attr;
clg_tensor *clg_slice_node(clg_tensor *x, const clg_slice_attr *a);
clg_slice_attr clg_slice_all(clg_shape s); /* all of x */

/** y of a shape: y[begin + i step] = x[i] along every axis, `value` elsewhere: the adjoint of slice, and padding. */
clg_tensor *clg_place_node(clg_tensor *x, clg_shape shape, const int64_t *begin, const int64_t *step, double value);

/* --- axis_map.c --- */

/** A linear map along one axis, made from few numbers: y[o,j,i] = sum over k of w[j,k] x[o,k,i]. */
enum clg_map_kind {
    CLG_MAP_REFLECT,   /* p = elements before: mirrored at the first and last, which are not repeated */
    CLG_MAP_REPLICATE, /* p = elements before: the first and last are repeated */
    CLG_MAP_NEAREST,   /* k = floor(j / p); p = 0: floor(j size / count) in whole numbers */
    CLG_MAP_LINEAR,    /* between floor and ceil of max(0, (j + 1/2) / p - 1/2) */
    CLG_MAP_CORNERS    /* between floor and ceil of j p */
};
clg_tensor *clg_axis_map(clg_tensor *x, int axis, enum clg_map_kind kind, int64_t count, double p);

/* --- gather.c: the kernel that axis_map shares --- */

/** y[o,k,i] = x[o,index[k],i]; an index out of range gives NaN, or 0 for integers and if `zero`. s: of x; count: of
 *  indices. safe: all are in range. */
clg_status clg_emit_gather(clg_emit *e, const clg_tensor *x, const clg_tensor *index, const clg_tensor *y, clg_span s,
                           int64_t count, bool zero, bool safe, bool gpu);

#endif /* CLG_OPS_MOVE_H_ */

/* Operations that move elements: shapes, axes, parts. */
#ifndef CLGRAD_OPS_SHAPE_H_
#define CLGRAD_OPS_SHAPE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/* These take tensors of any type. An axis below 0 counts from the end. */

CLG_API clg_tensor *clg_reshape(clg_tensor *x, clg_shape shape); /* one size may be -1; moves no data */
CLG_API clg_tensor *clg_flatten(clg_tensor *x, int from_axis);   /* merges axes from_axis.. into one */
CLG_API clg_tensor *clg_squeeze(clg_tensor *x, int axis);        /* drops an axis of size 1; moves no data */
CLG_API clg_tensor *clg_unsqueeze(clg_tensor *x, int axis);      /* puts in a 1 that becomes axis `axis`; a view */
CLG_API clg_tensor *clg_permute(clg_tensor *x, const int *order); /* order[i]: which axis of x becomes axis i */
CLG_API clg_tensor *clg_transpose(clg_tensor *x);                 /* swaps the last two axes */
CLG_API clg_tensor *clg_broadcast(clg_tensor *x, clg_shape shape); /* stretches sizes of 1, as NumPy's broadcast_to */

/** The end of a slice that runs as far as its axis does, in the direction of its step. */
#define CLG_END INT64_MAX

/**
 * Every step-th element along an axis, from begin up to but without end, as Python's x[begin:end:step].
 *
 * Shapes: x [..., S, ...] -> [..., S', ...], S' = (end - begin) / step, rounded up, at least 0
 *         begin and end below 0 count from the end of the axis; a step below 0 goes backwards: all is (-1, CLG_END, -1)
 * Errors: CLG_ERR_SHAPE if begin or end lies outside of the axis (nothing is clamped), or step is 0
 * Grad:   gy at the elements taken, 0 elsewhere
 */
CLG_API clg_tensor *clg_slice(clg_tensor *x, int axis, int64_t begin, int64_t end, int64_t step);

/** The same along all axes in one pass, with an entry for each axis of x; end NULL: CLG_END, step NULL: 1. */
CLG_API clg_tensor *clg_slice_axes(clg_tensor *x, const int64_t *begin, const int64_t *end, const int64_t *step);

/** Tensors one behind the other along an axis, in which alone their sizes may differ; types must be equal. */
CLG_API clg_tensor *clg_concat(clg_list xs, int axis);

/** Tensors of one shape along a new axis: [S...] -> [..., xs.n, ...]. */
CLG_API clg_tensor *clg_stack(clg_list xs, int axis);

/**
 * n equal parts of x along an axis, in order: out has room for n tensors. For parts of other sizes see clg_slice().
 *
 * Returns: false, and out all NULL, if an error was reported.
 * Errors: CLG_ERR_SHAPE if n does not divide the axis.
 */
CLG_API bool clg_split(clg_tensor *x, int axis, int n, clg_tensor **out);

/** What lies beyond the border: one value; x mirrored at its first and last element, which are not repeated
 *  (3 2 | 1 2 3 | 2 1); its first and last element (1 1 | 1 2 3 | 3 3). */
enum clg_border { CLG_BORDER_CONSTANT, CLG_BORDER_REFLECT, CLG_BORDER_REPLICATE };

/**
 * Puts begin[i] elements before axis i of x and end[i] behind it; both have an entry for each axis of x, end NULL is
 * begin. value: for CONSTANT; an integer for integer types.
 *
 * Shapes: x [S...] -> [begin + S + end ...]
 * Errors: CLG_ERR_SHAPE if a number is negative (see clg_slice()), for REFLECT not below S, or for REPLICATE S is 0
 * Grad:   each element of x gets the sum of gy over its copies
 */
CLG_API clg_tensor *clg_pad(clg_tensor *x, const int64_t *begin, const int64_t *end, enum clg_border border,
                            double value);

CLG_API clg_tensor *clg_flip(clg_tensor *x, unsigned axes); /* backwards along axes: CLG_AXIS(i) or CLG_ALL */
CLG_API clg_tensor *clg_roll(clg_tensor *x, int axis, int64_t shift); /* y[(i + shift) mod S] = x[i]; any sign */

/** x one behind the other, times[i] copies along axis i (an entry for each axis of x, 0 or more), as NumPy's tile. */
CLG_API clg_tensor *clg_tile(clg_tensor *x, const int64_t *times);

/** Each element `times` times along an axis, as NumPy's repeat: 1 2 -> 1 1 2 2. */
CLG_API clg_tensor *clg_repeat(clg_tensor *x, int axis, int64_t times);

/** New sizes of the spatial axes: for each either size or scale (S' = floor(S scale)), which may be below 1. */
typedef struct clg_upsample_params {
    int64_t size[CLG_MAX_SPATIAL];
    double  scale[CLG_MAX_SPATIAL];
    bool    align_corners; /* bilinear: the first and last elements stay where they are, else the outer edges do */
} clg_upsample_params;

#define clg_upsample_params(...) (&(const clg_upsample_params){__VA_ARGS__})

/**
 * Resizes the last 1, 2 or 3 axes: by the element at floor(j S / S'), or linearly between neighbours along each axis
 * (linear, bilinear, trilinear by x's rank). No smoothing when sizes shrink.
 *
 * Shapes: x [N, C, S...] -> [N, C, S'...]; bilinear: floats only
 * Errors: CLG_ERR_SHAPE if not exactly one of size and scale is given for an axis, or it would be empty
 * Source: PyTorch's interpolate (modes nearest, linear, bilinear, trilinear)
 */
CLG_API clg_tensor *clg_upsample_nearest(clg_tensor *x, const clg_upsample_params *p);
CLG_API clg_tensor *clg_upsample_bilinear(clg_tensor *x, const clg_upsample_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_SHAPE_H_ */

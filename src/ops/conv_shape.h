/* Geometry of convolution: what conv, conv_bwd_data and conv_bwd_filter and all their implementations share.
 * Everything is 3-D inside: 1-D and 2-D have leading axes of size 1. Letters: N batch, C and O channels in and out,
 * G groups; x [N, C, in], w [O, C/G, k], y [N, O, out]; q an output pixel, t a tap of the filter, i an input pixel. */
#ifndef CLG_OPS_CONV_SHAPE_H_
#define CLG_OPS_CONV_SHAPE_H_

#include "base/integer.h"
#include "plan/emit.h"

typedef struct clg_conv_attr {
    int64_t stride[3], dilation[3], pad[3], pad_end[3]; /* axes D, H, W; pad_end below 0: that many elements of x are
                                                           not seen (conv_transpose with output padding) */
    int64_t size[3]; /* conv_bwd_data: spatial sizes of x; conv_bwd_filter: of w; conv: 0 */
    int64_t groups;
} clg_conv_attr;

typedef struct clg_conv_geom {
    int64_t N, C, O, G;
    int64_t Cg, Og;    /* channels per group */
    int64_t in[3], k[3], out[3], stride[3], dil[3], pad[3];
    int64_t I, T, Q;   /* elements of an input plane, of a filter plane, of an output plane */
} clg_conv_geom;

enum { CLG_CONV_SIZE_LIMIT = INT32_MAX }; /* of spatial sizes and attributes: keeps every sum far from overflow */

extern const clg_op clg_op_conv, clg_op_convolve, clg_op_conv_bwd_data, clg_op_conv_bwd_filter;

/** The geometry of a node of conv, convolve or one of the backward ops, once inferred. */
clg_conv_geom clg_conv_geometry(const clg_node *n);

/** The attributes that p asks of the op `name` for operands x and w (NULL: none). size, kernel: their spatial sizes,
 *  `axes` of them; kernel NULL: unknown, as x or w have no such axes; infer() will say so. false: an error was
 *  reported. */
bool clg_conv_attributes(const clg_conv_params *p, const char *name, const clg_tensor *x, const clg_tensor *w, int axes,
                         const int64_t *size, const int64_t *kernel, clg_conv_attr *a);

/** Spatial axis i of `axes` of the caller becomes this one of D, H, W. */
static inline int clg_conv_axis(int axes, int i) { return 3 - axes + i; }

/** Checks stride, dilation, padding of the last `axes` of D, H, W, and groups. */
clg_status clg_conv_check_attr(const clg_node *n, const clg_conv_attr *a, int axes);

/** Output size of spatial axis i, which is `axis` of D, H, W in the attributes, checked. */
clg_status clg_conv_check_axis(const clg_node *n, const clg_conv_attr *a, int axis, int64_t size, int64_t k, int i,
                               int64_t *out);

/** Checks x and w against the attributes of n and computes the shape of y. */
clg_status clg_conv_check(const clg_node *n, clg_shape x, clg_shape w, clg_shape *y);

/** Index in the input plane that tap t of output pixel q reads; -1 if that is padding. */
int64_t clg_conv_index(const clg_conv_geom *g, int64_t q, int64_t t);

/** Builds a backward op; size: spatial sizes of its result are those of `like`. */
clg_tensor *clg_conv_build_bwd(const clg_op *op, clg_conv_attr attr, clg_shape like, clg_tensor *a, clg_tensor *b);

/** 2 N O Q (C/G) T flops, for all three. */
clg_cost clg_conv_cost(const clg_node *n);

/** By images: side by side, or, for bwd_filter, adding up. */
bool clg_conv_cut(const clg_node *n, clg_cut *c);

/** True if y is x seen as a matrix product: taps of size 1, no stride, no padding. */
bool clg_conv_is_pointwise(const clg_conv_geom *g);

/** True if the node is f32 or f64 and every plane, filter row and tile index fits an int. */
bool clg_conv_fits_int(const clg_node *n);
bool clg_conv_geom_fits(const clg_conv_geom *g);

/** The offsets of the taps, T rows of (z, y, x), as a table for kernels that compute indices themselves. */
clg_status clg_conv_tap_table(clg_emit *e, const clg_conv_geom *g, const clg_tensor **table);

/** Appends gw = sum over s of part[s], in that order. options: of a program of conv_bwd.cl that is built anyway, or
 *  NULL; group: work-group size. */
clg_status clg_conv_emit_sum(clg_emit *e, const clg_tensor *part, const clg_tensor *gw, int64_t parts,
                             const char *options, size_t group);

/** Between images and columns, of n0 .. n0 + images - 1 of the images: im2col, or (gather) col2im. */
typedef struct clg_conv_columns {
    const clg_tensor *src, *dst;
    bool    gather;
    int64_t n0, images;
    int64_t image_stride, row_stride; /* of the columns */
} clg_conv_columns;

/** Appends it; cls: whose kernels. */
clg_status clg_conv_emit_columns(clg_emit *e, const clg_conv_geom *g, enum clg_device_class cls,
                                 const clg_conv_columns *c);

/** Items of a one-dimensional work-group: 1 on class cpu. */
size_t clg_conv_group_size(const clg_emit *e);

/** Appends y += b over output channels, in place. */
clg_status clg_conv_emit_bias(clg_emit *e, const clg_conv_geom *g, const clg_tensor *y, const clg_tensor *b);

/** Rows of Winograd for conv and conv_bwd_data. Growth: (max_i (|A^T| [(|G| 1) . (|B^T| 1)])_i)^2 / 9, where the vector
 *  in () is (2, 3, 3, 2) for F(2 x 2) and (5/2, 5, 5, 7/4, 7/4, 10) for F(4 x 4), of which A^T makes 8 and 48. */
#define CLG_CONV_WINO2 .inexact = true, .growth = 8 * 8 / 9.0
#define CLG_CONV_WINO4 .inexact = true, .growth = 48 * 48 / 9.0
extern const clg_knob clg_conv_wino_knobs[], clg_conv_wino_gpu_knobs[], clg_conv_direct_knobs[], clg_conv_bands_knobs[],
    clg_conv_lanes_knobs[], clg_conv_gpu_knobs[];

/* Implementations. cpu, bands: conv_direct.c, for the filter conv_filter.c, as channels; filter_rows:
 * conv_filter_rows.c; depthwise: conv_depthwise.c, conv_depthwise_gpu.c; gpu: conv_gpu.c; gemm: conv_gemm.c; lanes:
 * conv_lanes.c; pointwise: conv_pointwise.c; wino: conv_wino.c. */
bool clg_conv_accept_cpu(const clg_node *n, const clg_device *d);
bool clg_conv_accept_lanes(const clg_node *n, const clg_device *d);
bool clg_conv_prefers_lanes(const clg_node *n, const clg_device *d);
bool clg_conv_accept_channels(const clg_node *n, const clg_device *d);
bool clg_conv_prefers_channels(const clg_node *n, const clg_device *d);
extern const clg_knob clg_conv_filter_channels_knobs[], clg_conv_depthwise_gpu_knobs[];
bool clg_conv_accept_filter_rows(const clg_node *n, const clg_device *d);
bool clg_conv_prefers_filter_rows(const clg_node *n, const clg_device *d);
bool clg_conv_accept_depthwise(const clg_node *n, const clg_device *d);
int64_t clg_conv_depthwise_takes(const clg_node *n, const clg_node *feeder, const clg_device *d);
bool clg_conv_accept_depthwise_gpu(const clg_node *n, const clg_device *d);
bool clg_conv_accept_bands(const clg_node *n, const clg_device *d);
bool clg_conv_prefers_bands(const clg_node *n, const clg_device *d);
bool clg_conv_prefers_gemm(const clg_node *n, const clg_device *d);
bool clg_conv_accept_gpu(const clg_node *n, const clg_device *d);
bool clg_conv_accept_gemm(const clg_node *n, const clg_device *d);
bool clg_conv_accept_pointwise(const clg_node *n, const clg_device *d);
bool clg_conv_accept_wino(const clg_node *n, const clg_device *d);
bool clg_conv_accept_wino2_gpu(const clg_node *n, const clg_device *d);
bool clg_conv_accept_wino4_gpu(const clg_node *n, const clg_device *d);
bool clg_conv_wins_wino4(const clg_node *n, const clg_device *d);
bool clg_conv_wins_wino2_gpu(const clg_node *n, const clg_device *d);
bool clg_conv_wins_wino4_gpu(const clg_node *n, const clg_device *d);
clg_status clg_conv_fwd_cpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_rows(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_lanes(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_bands(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_gemm(clg_emit *e, const clg_node *n);
clg_status clg_conv_wino2(clg_emit *e, const clg_node *n);
clg_status clg_conv_wino4(clg_emit *e, const clg_node *n);
clg_status clg_conv_wino2_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_wino4_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_pointwise(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_cpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_bands(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_gemm(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_pointwise(clg_emit *e, const clg_node *n);
clg_status clg_conv_fwd_depthwise(clg_emit *e, const clg_node *n);
clg_status clg_conv_data_depthwise(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_depthwise(clg_emit *e, const clg_node *n);
clg_status clg_conv_depthwise_gpu(clg_emit *e, const clg_node *n); /* forward and backward-data */
clg_status clg_conv_filter_depthwise_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_channels(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_cpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_gpu(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_gemm(clg_emit *e, const clg_node *n);
clg_status clg_conv_filter_pointwise(clg_emit *e, const clg_node *n);

#endif /* CLG_OPS_CONV_SHAPE_H_ */

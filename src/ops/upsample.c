/* upsample_nearest and upsample_bilinear over the last 1, 2 or 3 axes: a linear map along each of them (axis_map.c),
 * the innermost first, while there is least to do. PyTorch's conventions. */
#include "ops/move.h"

#include <math.h>
#include <string.h>

extern const clg_op clg_op_upsample_nearest, clg_op_upsample_bilinear;

typedef struct upsample_attr {
    int64_t size[CLG_MAX_SPATIAL], corners;
    double scale[CLG_MAX_SPATIAL]; /* 0: from the sizes */
} upsample_attr;

static clg_status infer_upsample(clg_node *n) {
    const upsample_attr *a = n->attr;
    clg_shape y = in_shape(n, 0);
    if (n->op == &clg_op_upsample_bilinear && !clg_dtype_is_float(in_dtype(n, 0)))
        return clg_fail_op(n, "wants floats; clg_cast() first");
    for (int i = 2; i < y.ndim; i++) {
        const int64_t in = y.dim[i], size = a->size[i - 2];
        const double scale = a->scale[i - 2];
        if (size < 0 || scale < 0 || isnan(scale) || (size == 0) == (scale == 0))
            return clg_fail_op(n, "axis %d: size %lld, scale %g: one of them must be given, above 0", i,
                               (long long)size, scale);
        if (scale > 0 && floor((double)in * scale) > (double)INT32_MAX)
            return clg_fail_op(n, "axis %d would be too long", i);
        y.dim[i] = scale > 0 ? (int64_t)floor((double)in * scale) : size;
        if (in < 1 || y.dim[i] < 1)
            return clg_fail_op(n, "axis %d: %lld elements would become %lld", i, (long long)in, (long long)y.dim[i]);
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

/** Where element j of y lies in an axis of x, in elements of x. */
static double place_in(const clg_node *n, int axis, int64_t j) {
    const upsample_attr *a = n->attr;
    const double in = (double)in_dim(n, 0, axis), out = (double)out_dim(n, 0, axis);
    const double scale = a->scale[axis - 2] > 0 ? a->scale[axis - 2] : out / in;
    if (n->op == &clg_op_upsample_nearest)
        return a->scale[axis - 2] > 0 ? (double)j / scale : (double)(j * in_dim(n, 0, axis) / out_dim(n, 0, axis));
    if (a->corners) return out > 1 ? (double)j * (in - 1) / (out - 1) : 0;
    return fmax(0, ((double)j + 0.5) / scale - 0.5);
}

/* All corners of the cell around the place, each with the product of its weights along the axes. */
static void ref_upsample(const clg_node *n, const double *const *in, double *const *out) {
    const clg_shape x = in_shape(n, 0), y = out_shape(n, 0);
    const bool nearest = n->op == &clg_op_upsample_nearest;
    const int spatial = y.ndim - 2;
    for (int64_t e = 0, elems = out_elems(n, 0); e < elems; e++) {
        int64_t low[CLG_MAX_SPATIAL], rest = e;
        double part[CLG_MAX_SPATIAL], sum = 0;
        for (int d = spatial - 1; d >= 0; d--) {
            const double f = place_in(n, d + 2, rest % y.dim[d + 2]);
            low[d] = (int64_t)fmin(floor(f), (double)(x.dim[d + 2] - 1));
            part[d] = nearest || low[d] == x.dim[d + 2] - 1 ? 0 : f - (double)low[d];
            rest /= y.dim[d + 2];
        }
        for (int corner = 0; corner < 1 << spatial; corner++) {
            int64_t at = rest;
            double weight = 1;
            for (int d = 0; d < spatial; d++) {
                const int up = corner >> d & 1;
                weight *= up ? part[d] : 1 - part[d];
                at = at * x.dim[d + 2] + low[d] + (up && part[d] > 0);
            }
            if (weight != 0) sum += weight == 1 ? in[0][at] : weight * in[0][at];
        }
        out[0][e] = sum;
    }
}

static bool expand_upsample(const clg_node *n, clg_tensor **out) {
    const upsample_attr *a = n->attr;
    clg_tensor *t = n->in[0];
    for (int i = in_shape(n, 0).ndim - 1; i >= 2; i--) {
        const double in = (double)in_dim(n, 0, i), size = (double)out_dim(n, 0, i), scale = a->scale[i - 2];
        const enum clg_map_kind kind = n->op == &clg_op_upsample_nearest ? CLG_MAP_NEAREST
                                       : a->corners                      ? CLG_MAP_CORNERS : CLG_MAP_LINEAR;
        const double p = kind == CLG_MAP_CORNERS ? (size > 1 ? (in - 1) / (size - 1) : 0)
                         : scale > 0             ? scale : kind == CLG_MAP_LINEAR ? size / in : 0;
        t = clg_axis_map(t, i, kind, out_dim(n, 0, i), p);
    }
    out[0] = t;
    return t != NULL;
}

#define UPSAMPLE_ROW(name_, formula_)                                                                                 \
    { .name = name_, .formula = formula_, .gradient = "gx = the transposed maps on gy, each sum in a fixed order",    \
      .shapes = "x [N,C,S...] -> [N,C,S'...], S' = size or floor(S scale)", .min_in = 1, .max_in = 1, .n_out = 1,     \
      .attr_size = sizeof(upsample_attr), .infer = infer_upsample, .ref = ref_upsample, .expand = expand_upsample }

const clg_op clg_op_upsample_nearest =
    UPSAMPLE_ROW("upsample_nearest", "y[j] = x[floor(j S / S')] along each spatial axis, x[floor(j / scale)] with a "
                 "scale");
const clg_op clg_op_upsample_bilinear =
    UPSAMPLE_ROW("upsample_bilinear", "y[j] = x between its neighbours at max(0, (j + 1/2) S / S' - 1/2), with corners "
                 "at j (S - 1) / (S' - 1), linearly along each spatial axis");

static clg_tensor *upsample(const clg_op *op, clg_tensor *x, const clg_upsample_params *p, bool corners) {
    upsample_attr a;
    char text[128];
    if (!x) return NULL;
    if (!p) return clg_graph_fail(x->graph, CLG_ERR_INVALID, "%s(%s): params are NULL", op->name, clg_tensor_name(x));
    if (x->shape.ndim < 3 || x->shape.ndim > 2 + CLG_MAX_SPATIAL)
        return clg_graph_fail(x->graph, CLG_ERR_SHAPE, "%s(%s): wants [N,C,S...] with 1 to 3 spatial axes: %s is %s",
                              op->name, clg_tensor_name(x), clg_tensor_name(x),
                              clg_shape_text(x->dtype, x->shape, text, sizeof text));
    memset(&a, 0, sizeof a);
    a.corners = corners;
    for (int i = 0; i < x->shape.ndim - 2; i++) {
        a.size[i] = p->size[i];
        a.scale[i] = p->scale[i];
    }
    return clg_node_build(op, &a, &x, 1);
}

clg_tensor *clg_upsample_nearest(clg_tensor *x, const clg_upsample_params *p) {
    return upsample(&clg_op_upsample_nearest, x, p, false);
}

clg_tensor *clg_upsample_bilinear(clg_tensor *x, const clg_upsample_params *p) {
    return upsample(&clg_op_upsample_bilinear, x, p, p && p->align_corners);
}

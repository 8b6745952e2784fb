/* conv_transpose: every element of x adds the filter, scaled by it, to the result. It is conv_bwd_data with x in the
 * place of the gradient: out_pad is padding that the convolution it is the adjoint of does not have at its end. */
#include "ops/conv_shape.h"

#include <string.h>

typedef struct transpose_attr {
    clg_conv_attr conv; /* first: what the checks of conv_shape.c read; size stays 0 */
    int64_t out_pad[3];
} transpose_attr;

extern const clg_op clg_op_conv_transpose;

static clg_status check_channels(const clg_node *n, clg_shape x, clg_shape w) {
    const long long c = x.dim[1], groups = ((const transpose_attr *)n->attr)->conv.groups;
    if (c < 1 || w.dim[1] < 1) return clg_fail_op(n, "wants at least one channel in and out");
    if (w.dim[0] != c)
        return clg_fail_op(n, "filter must be [C, O/groups, K...]: it has %lld input channels, but x has %lld",
                           (long long)w.dim[0], c);
    if (c % groups) return clg_fail_op(n, "groups = %lld must divide the %lld input channels", groups, c);
    if (w.dim[1] > INT64_MAX / groups) return clg_fail_op(n, "there are 2^63 output channels or more");
    return CLG_OK;
}

/* S' of spatial axis i. */
static clg_status check_axis(const clg_node *n, int axes, int i, int64_t size, int64_t k, int64_t *out) {
    const transpose_attr *a = n->attr;
    const int axis = clg_conv_axis(axes, i);
    const int64_t stride = a->conv.stride[axis], dilation = a->conv.dilation[axis], limit = CLG_CONV_SIZE_LIMIT;
    const int64_t more = a->out_pad[axis];
    if (size < 1) return clg_fail_op(n, "spatial sizes must be positive");
    if (k < 1) return clg_fail_op(n, "filter sizes must be positive");
    if (size > limit || k > limit) return clg_fail_op(n, "spatial sizes must be below 2^31");
    if (more < 0 || more >= clg_max64(stride, dilation))
        return clg_fail_op(n, "out_pad must be at least 0 and below the stride or the dilation: it is %lld on spatial "
                              "axis %d with stride %lld and dilation %lld", (long long)more, i, (long long)stride,
                           (long long)dilation);
    *out = (size - 1) * stride - a->conv.pad[axis] - a->conv.pad_end[axis] + dilation * (k - 1) + more + 1;
    if (*out < 1)
        return clg_fail_op(n, "padding of %lld and %lld leaves nothing of spatial axis %d: its size would be %lld",
                           (long long)a->conv.pad[axis], (long long)a->conv.pad_end[axis], i, (long long)*out);
    if (*out > limit) return clg_fail_op(n, "spatial sizes must be below 2^31");
    return CLG_OK;
}

static clg_status infer(clg_node *n) {
    const clg_shape x = in_shape(n, 0), w = in_shape(n, 1);
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point tensors");
    for (int i = 1; i < n->n_in; i++)
        if (in_dtype(n, i) != in_dtype(n, 0)) return clg_fail_op(n, "types differ");
    if (x.ndim < 3 || x.ndim > 5)
        return clg_fail_op(n, "x must be [N, C, S...] with 1 to 3 spatial axes, got %d axes", x.ndim);
    if (w.ndim != x.ndim) return clg_fail_op(n, "filter must be [C, O/groups, K...] with as many axes as x");
    const int axes = x.ndim - 2;
    const transpose_attr *a = n->attr;
    CLG_TRY(clg_conv_check_attr(n, &a->conv, axes));
    CLG_TRY(check_channels(n, x, w));
    clg_shape y = x;
    y.dim[1] = w.dim[1] * a->conv.groups;
    for (int i = 0; i < axes; i++) CLG_TRY(check_axis(n, axes, i, x.dim[2 + i], w.dim[2 + i], &y.dim[2 + i]));
    if (n->n_in == 3 && (in_shape(n, 2).ndim != 1 || in_dim(n, 2, 0) != y.dim[1]))
        return clg_fail_op(n, "bias must be [%lld], one value per output channel", (long long)y.dim[1]);
    return set_out(n, 0, in_dtype(n, 0), y);
}

/* Sizes of the last three axes, with leading ones of 1. */
static void spatial(clg_shape s, int64_t size[3]) {
    for (int a = 0; a < 3; a++) {
        const int axis = s.ndim - 3 + a;
        size[a] = axis < 2 ? 1 : s.dim[axis];
    }
}

/* Index in a plane of y that element s of a plane of x reaches through tap t; -1: cut off. */
static int64_t target(const transpose_attr *a, const int64_t in[3], const int64_t k[3], const int64_t out[3], int64_t s,
                      int64_t t) {
    int64_t index = 0, step = 1;
    for (int axis = 2; axis >= 0; axis--) {
        const int64_t from = s % in[axis] * a->conv.stride[axis] - a->conv.pad[axis];
        const int64_t i = from + t % k[axis] * a->conv.dilation[axis];
        if (i < 0 || i >= out[axis]) return -1;
        index += i * step;
        step *= out[axis];
        s /= in[axis];
        t /= k[axis];
    }
    return index;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const transpose_attr *a = n->attr;
    int64_t size[3], k[3], made[3];
    spatial(in_shape(n, 0), size);
    spatial(in_shape(n, 1), k);
    spatial(out_shape(n, 0), made);
    const int64_t N = in_dim(n, 0, 0), C = in_dim(n, 0, 1), O = out_dim(n, 0, 1), G = a->conv.groups;
    const int64_t S = size[0] * size[1] * size[2], T = k[0] * k[1] * k[2], plane = made[0] * made[1] * made[2];
    double *y = out[0];
    for (int64_t i = 0; i < N * O * plane; i++) y[i] = n->n_in == 3 ? in[2][i / plane % O] : 0.0;
    for (int64_t s = 0; s < S; s++)
        for (int64_t t = 0; t < T; t++) {
            const int64_t i = target(a, size, k, made, s, t);
            if (i < 0) continue;
            for (int64_t im = 0; im < N; im++)
                for (int64_t c = 0; c < C; c++)
                    for (int64_t o = 0; o < O / G; o++)
                        y[(im * O + c / (C / G) * (O / G) + o) * plane + i] +=
                            in[0][(im * C + c) * S + s] * in[1][(c * (O / G) + o) * T + t];
        }
}

static bool expand(const clg_node *n, clg_tensor **out) {
    const transpose_attr *a = n->attr;
    const clg_shape shape = out_shape(n, 0);
    clg_conv_attr conv = a->conv;
    for (int i = 0; i < 3; i++) conv.pad_end[i] -= a->out_pad[i];
    out[0] = clg_conv_build_bwd(&clg_op_conv_bwd_data, conv, shape, n->in[0], n->in[1]);
    if (n->n_in == 3) {
        clg_shape b = { .ndim = shape.ndim - 1, .dim = { shape.dim[1], 1, 1, 1 } };
        out[0] = clg_add(out[0], clg_reshape(n->in[2], b));
    }
    return out[0] != NULL;
}

const clg_op clg_op_conv_transpose = {
    .name = "conv_transpose",
    .formula = "y[n,o,i] = b[o] + sum over c and all (s, t) with s stride + t dilation - pad = i of x[n,c,s] w[c,o,t]",
    .gradient = "gx = conv(gy, w); gw = conv_bwd_filter(gy, x); gb = sum of gy over n and i",
    .shapes = "x [N,C,S...], w [C,O/groups,K...], b [O] or none -> [N,O,S'...], "
              "S' = (S-1) stride - pad - pad_end + dilation (K-1) + out_pad + 1",
    .min_in = 2, .max_in = 3, .n_out = 1,
    .attr_size = sizeof(transpose_attr),
    .infer = infer, .ref = ref, .expand = expand,
};

clg_tensor *clg_conv_transpose(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_transpose_params *p) {
    const clg_conv_transpose_params none = { 0 };
    if (!x || !w) return NULL;
    if (!p) p = &none;
    const int axes = x->shape.ndim >= 3 && x->shape.ndim <= 5 ? x->shape.ndim - 2 : CLG_MAX_SPATIAL;
    clg_conv_params conv = { .asymmetric = p->asymmetric, .groups = p->groups };
    memcpy(conv.stride, p->stride, sizeof conv.stride);
    memcpy(conv.dilation, p->dilation, sizeof conv.dilation);
    memcpy(conv.pad, p->pad, sizeof conv.pad);
    memcpy(conv.pad_end, p->pad_end, sizeof conv.pad_end);
    transpose_attr a = { .out_pad = { 0 } };
    if (!clg_conv_attributes(&conv, clg_op_conv_transpose.name, x, w, axes, NULL, NULL, &a.conv)) return NULL;
    for (int i = 0; i < axes; i++) a.out_pad[clg_conv_axis(axes, i)] = p->out_pad[i];
    return clg_node_build(&clg_op_conv_transpose, &a, (clg_tensor *[]){ x, w, b }, b ? 3 : 2);
}

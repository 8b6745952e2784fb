/* pad: with a constant it is place (slice.c); mirrored and repeated borders are linear maps along each axis
 * (axis_map.c). */
#include "ops/move.h"

#include <math.h>
#include <string.h>

extern const clg_op clg_op_pad;

typedef struct pad_attr {
    int64_t begin[CLG_MAX_DIMS], end[CLG_MAX_DIMS];
    double value;
    int64_t border; /* enum clg_border */
} pad_attr;

static clg_status infer_pad(clg_node *n) {
    const pad_attr *a = n->attr;
    clg_shape y = in_shape(n, 0);
    for (int i = 0; i < y.ndim; i++) {
        const int64_t b = a->begin[i], e = a->end[i], size = y.dim[i];
        if (b < 0 || e < 0)
            return clg_fail_op(n, "axis %d: %lld before and %lld behind: none may be negative (clg_slice() cuts off)",
                               i, (long long)b, (long long)e);
        if (a->border == CLG_BORDER_REFLECT && (b > 0 || e > 0) && (b >= size || e >= size))
            return clg_fail_op(n, "axis %d of size %lld cannot be mirrored %lld before, %lld behind: at most size - 1",
                               i, (long long)size, (long long)b, (long long)e);
        if (a->border == CLG_BORDER_REPLICATE && size == 0 && b + e > 0)
            return clg_fail_op(n, "axis %d has no element to repeat", i);
        if (b > INT64_MAX - size - e) return clg_fail_op(n, "axis %d would be too long", i);
        y.dim[i] += b + e;
    }
    const clg_dtype t = in_dtype(n, 0);
    const double low = t == CLG_U8 ? 0 : t == CLG_I32 ? INT32_MIN : -0x1p53;
    const double high = t == CLG_U8 ? UINT8_MAX : t == CLG_I32 ? INT32_MAX : 0x1p53;
    if (!clg_dtype_is_float(t) && !(a->value == floor(a->value) && a->value >= low && a->value <= high))
        return clg_fail_op(n, "%g is no value of type %s", a->value, clg_dtype_name(in_dtype(n, 0)));
    return set_out(n, 0, in_dtype(n, 0), y);
}

/** Place in an axis of x that element j of y shows; -1: none. */
static int64_t seen_at(const pad_attr *a, int axis, int64_t size, int64_t j) {
    const int64_t k = j - a->begin[axis];
    if (k >= 0 && k < size) return k;
    if (a->border == CLG_BORDER_CONSTANT) return -1;
    if (a->border == CLG_BORDER_REPLICATE) return k < 0 ? 0 : size - 1;
    return k < 0 ? -k : 2 * (size - 1) - k;
}

static void ref_pad(const clg_node *n, const double *const *in, double *const *out) {
    const pad_attr *a = n->attr;
    const clg_shape x = in_shape(n, 0), y = out_shape(n, 0);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        int64_t rest = i, at = 0, pitch = 1;
        for (int d = y.ndim - 1; d >= 0; d--) {
            const int64_t k = seen_at(a, d, x.dim[d], rest % y.dim[d]);
            at = k < 0 || at < 0 ? -1 : at + k * pitch;
            rest /= y.dim[d];
            pitch *= x.dim[d];
        }
        out[0][i] = at < 0 ? a->value : in[0][at];
    }
}

static bool expand_pad(const clg_node *n, clg_tensor **out) {
    static const int64_t ones[CLG_MAX_DIMS] = { 1, 1, 1, 1, 1, 1 };
    const pad_attr *a = n->attr;
    const clg_shape y = out_shape(n, 0);
    clg_tensor *t = n->in[0];
    if (a->border == CLG_BORDER_CONSTANT) {
        t = clg_place_node(t, y, a->begin, ones, a->value);
    } else {
        for (int i = y.ndim - 1; i >= 0; i--)
            if (a->begin[i] + a->end[i] > 0)
                t = clg_axis_map(t, i, a->border == CLG_BORDER_REFLECT ? CLG_MAP_REFLECT : CLG_MAP_REPLICATE, y.dim[i],
                                 (double)a->begin[i]);
    }
    out[0] = t;
    return t != NULL;
}

const clg_op clg_op_pad = {
    .name = "pad",
    .formula = "y[begin + i] = x[i] along every axis; beyond the border value, or x mirrored, or its edge",
    .gradient = "gx[i] = sum of gy over the copies of x[i]", .shapes = "x [S...] -> [begin+S+end...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(pad_attr), .infer = infer_pad, .ref = ref_pad,
    .expand = expand_pad };

clg_tensor *clg_pad(clg_tensor *x, const int64_t *begin, const int64_t *end, enum clg_border border, double value) {
    pad_attr a;
    bool any = false;
    if (!x) return NULL;
    if (!begin) return clg_graph_fail(x->graph, CLG_ERR_INVALID, "pad(%s): begin is NULL", clg_tensor_name(x));
    if (border < CLG_BORDER_CONSTANT || border > CLG_BORDER_REPLICATE)
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "pad(%s): unknown border %d", clg_tensor_name(x), (int)border);
    memset(&a, 0, sizeof a);
    for (int i = 0; i < x->shape.ndim; i++) {
        a.begin[i] = begin[i];
        a.end[i] = end ? end[i] : begin[i];
        any = any || a.begin[i] || a.end[i];
    }
    a.border = border;
    a.value = border == CLG_BORDER_CONSTANT ? value : 0;
    return any ? clg_node_build(&clg_op_pad, &a, &x, 1) : x;
}

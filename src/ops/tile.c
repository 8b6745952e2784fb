/* tile and repeat: an axis of size 1 is put in and stretched; one view, one broadcast, one view an axis. */
#include "ops/move.h"

#include <string.h>

extern const clg_op clg_op_tile, clg_op_repeat;

/** [outer, size, inner] with a stretched axis before (or behind) size, under the shape of n's result along `axis`. */
static clg_tensor *stretch(clg_tensor *x, int axis, int64_t times, bool behind) {
    if (!x || times == 1) return x;
    const clg_span s = clg_span_of(x->shape, axis);
    clg_shape y = x->shape;
    y.dim[axis] *= times;
    const clg_shape thin = behind ? CLG_SHAPE(s.outer * s.size, 1, s.inner) : CLG_SHAPE(s.outer, 1, s.size * s.inner);
    clg_shape thick = thin;
    thick.dim[1] = times;
    return clg_reshape(clg_broadcast(clg_reshape(x, thin), thick), y);
}

/* --- tile --- */

typedef struct tile_attr { int64_t times[CLG_MAX_DIMS]; } tile_attr;

static clg_status infer_tile(clg_node *n) {
    const int64_t *times = ((const tile_attr *)n->attr)->times;
    clg_shape y = in_shape(n, 0);
    for (int i = 0; i < y.ndim; i++) {
        if (times[i] < 0) return clg_fail_op(n, "%lld times along axis %d", (long long)times[i], i);
        if (times[i] > 0 && y.dim[i] > INT64_MAX / times[i]) return clg_fail_op(n, "axis %d would be too long", i);
        y.dim[i] *= times[i];
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_tile(const clg_node *n, const double *const *in, double *const *out) {
    const clg_shape x = in_shape(n, 0), y = out_shape(n, 0);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        int64_t rest = i, at = 0, pitch = 1;
        for (int d = y.ndim - 1; d >= 0; d--) {
            at += rest % y.dim[d] % x.dim[d] * pitch;
            rest /= y.dim[d];
            pitch *= x.dim[d];
        }
        out[0][i] = in[0][at];
    }
}

/* The innermost axis first: the largest copies come last. */
static bool expand_tile(const clg_node *n, clg_tensor **out) {
    clg_tensor *t = n->in[0];
    for (int i = in_shape(n, 0).ndim - 1; i >= 0; i--)
        t = stretch(t, i, ((const tile_attr *)n->attr)->times[i], false);
    out[0] = t;
    return t != NULL;
}

const clg_op clg_op_tile = {
    .name = "tile", .formula = "y[i] = x[i mod size] along every axis", .gradient = "gx = sum of gy over the copies",
    .shapes = "x [S...] -> [times S...]", .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(tile_attr),
    .infer = infer_tile, .ref = ref_tile, .expand = expand_tile };

clg_tensor *clg_tile(clg_tensor *x, const int64_t *times) {
    tile_attr a;
    if (!x) return NULL;
    if (!times) return clg_graph_fail(x->graph, CLG_ERR_INVALID, "tile(%s): times is NULL", clg_tensor_name(x));
    memset(&a, 0, sizeof a);
    memcpy(a.times, times, (size_t)x->shape.ndim * sizeof *times);
    return clg_node_build(&clg_op_tile, &a, &x, 1);
}

/* --- repeat --- */

typedef struct repeat_attr { int64_t axis, times; } repeat_attr;

static clg_status infer_repeat(clg_node *n) {
    const repeat_attr *a = n->attr;
    clg_shape y = in_shape(n, 0);
    if (a->times < 0) return clg_fail_op(n, "%lld times", (long long)a->times);
    if (a->times > 0 && y.dim[a->axis] > INT64_MAX / a->times) return clg_fail_op(n, "the axis would be too long");
    y.dim[a->axis] *= a->times;
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_repeat(const clg_node *n, const double *const *in, double *const *out) {
    const repeat_attr *a = n->attr;
    const clg_span y = clg_span_of(out_shape(n, 0), (int)a->axis);
    for (int64_t o = 0; o < y.outer; o++)
        for (int64_t j = 0; j < y.size; j++)
            for (int64_t i = 0; i < y.inner; i++)
                out[0][(o * y.size + j) * y.inner + i] =
                    in[0][(o * (y.size / a->times) + j / a->times) * y.inner + i];
}

static bool expand_repeat(const clg_node *n, clg_tensor **out) {
    const repeat_attr *a = n->attr;
    out[0] = stretch(n->in[0], (int)a->axis, a->times, true);
    return out[0] != NULL;
}

const clg_op clg_op_repeat = {
    .name = "repeat", .formula = "y[i] = x[i / times] along an axis, rounded down",
    .gradient = "gx = sum of gy over the copies", .shapes = "x [...,S,...] -> [...,times S,...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(repeat_attr), .infer = infer_repeat, .ref = ref_repeat,
    .expand = expand_repeat };

clg_tensor *clg_repeat(clg_tensor *x, int axis, int64_t times) {
    if (!x) return NULL;
    const repeat_attr a = { clg_axis(axis, x->shape.ndim), times };
    return a.axis < 0 ? clg_fail_axis("repeat", x, axis) : clg_node_build(&clg_op_repeat, &a, &x, 1);
}

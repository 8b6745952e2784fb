/* What is made of slices: flip, split, roll. Each has a plain twin of its own; on devices it becomes one slice, or a
 * concatenation of two. */
#include "ops/move.h"

/* --- flip --- */

typedef struct flip_attr { uint32_t axes; } flip_attr;

static uint32_t flipped(const clg_node *n) { return ((const flip_attr *)n->attr)->axes; }

static clg_status infer_same(clg_node *n) { return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0)); }

static void ref_flip(const clg_node *n, const double *const *in, double *const *out) {
    const clg_shape s = in_shape(n, 0);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        int64_t rest = i, at = 0, pitch = 1;
        for (int d = s.ndim - 1; d >= 0; d--) {
            const int64_t k = rest % s.dim[d];
            at += (flipped(n) >> d & 1 ? s.dim[d] - 1 - k : k) * pitch;
            rest /= s.dim[d];
            pitch *= s.dim[d];
        }
        out[0][i] = in[0][at];
    }
}

static bool expand_flip(const clg_node *n, clg_tensor **out) {
    const clg_shape s = in_shape(n, 0);
    clg_slice_attr a = clg_slice_all(s);
    for (int i = 0; i < s.ndim; i++)
        if (flipped(n) >> i & 1 && s.dim[i] > 1) a.begin[i] = s.dim[i] - 1, a.step[i] = -1;
    out[0] = clg_slice_node(n->in[0], &a);
    return out[0] != NULL;
}

const clg_op clg_op_flip = {
    .name = "flip", .formula = "y[i] = x[size - 1 - i] along each of axes", .gradient = "gx = gy, flipped likewise",
    .shapes = "x [S...] -> [S...]", .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(flip_attr),
    .infer = infer_same, .ref = ref_flip, .expand = expand_flip };

clg_tensor *clg_flip(clg_tensor *x, unsigned axes) {
    if (!x) return NULL;
    const unsigned all = (1u << x->shape.ndim) - 1;
    const flip_attr a = { axes == ~0u ? all : axes };
    for (int i = x->shape.ndim; i < 32; i++)
        if (a.axes >> i & 1) return clg_fail_axis("flip", x, i);
    return clg_node_build(&clg_op_flip, &a, &x, 1);
}

/* --- split --- */

typedef struct split_attr {
    int32_t axis, part;
    int64_t parts;
} split_attr;

static clg_status infer_split(clg_node *n) {
    const split_attr *a = n->attr;
    clg_shape y = in_shape(n, 0);
    if (a->parts < 1 || y.dim[a->axis] % a->parts)
        return clg_fail_op(n, "axis %d has %lld elements, which do not make %lld equal parts", (int)a->axis,
                           (long long)y.dim[a->axis], (long long)a->parts);
    y.dim[a->axis] /= a->parts;
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_split(const clg_node *n, const double *const *in, double *const *out) {
    const split_attr *a = n->attr;
    const clg_span s = clg_span_of(in_shape(n, 0), a->axis);
    const int64_t size = s.size / a->parts * s.inner;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < size; i++) out[0][o * size + i] = in[0][(o * a->parts + a->part) * size + i];
}

static bool expand_split(const clg_node *n, clg_tensor **out) {
    const split_attr *a = n->attr;
    const int64_t size = out_dim(n, 0, a->axis);
    clg_slice_attr s = clg_slice_all(in_shape(n, 0));
    s.begin[a->axis] = size > 0 ? a->part * size : 0;
    s.count[a->axis] = size;
    out[0] = clg_slice_node(n->in[0], &s);
    return out[0] != NULL;
}

const clg_op clg_op_split = {
    .name = "split", .formula = "y_p = x[p S/n .. (p + 1) S/n - 1] along an axis, p = 0 .. n - 1",
    .gradient = "gx = gy at its part, 0 elsewhere", .shapes = "x [...,S,...] -> n times [...,S/n,...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(split_attr), .infer = infer_split, .ref = ref_split,
    .expand = expand_split };

bool clg_split(clg_tensor *x, int axis, int n, clg_tensor **out) {
    for (int i = 0; i < n; i++) out[i] = NULL;
    if (!x) return false;
    const int at = clg_axis(axis, x->shape.ndim);
    if (at < 0) return clg_fail_axis("split", x, axis) != NULL;
    bool fine = true;
    for (int i = 0; i < (n > 1 ? n : 1) && fine; i++) {
        const split_attr a = { at, i, n };
        clg_tensor *const y = clg_node_build(&clg_op_split, &a, &x, 1);
        fine = y != NULL;
        if (n > 0) out[i] = y;
    }
    for (int i = 0; i < n && !fine; i++) out[i] = NULL;
    return fine;
}

/* --- roll --- */

typedef struct roll_attr {
    int32_t axis, pad_;
    int64_t shift; /* 0 .. size - 1 */
} roll_attr;

static void ref_roll(const clg_node *n, const double *const *in, double *const *out) {
    const roll_attr *a = n->attr;
    const clg_span s = clg_span_of(in_shape(n, 0), a->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t j = 0; j < s.size; j++)
            for (int64_t i = 0; i < s.inner; i++)
                out[0][(o * s.size + (j + a->shift) % s.size) * s.inner + i] = in[0][(o * s.size + j) * s.inner + i];
}

static bool expand_roll(const clg_node *n, clg_tensor **out) {
    const roll_attr *a = n->attr;
    const int64_t size = in_dim(n, 0, a->axis);
    clg_slice_attr head = clg_slice_all(in_shape(n, 0)), tail = head;
    out[0] = n->in[0];
    if (a->shift == 0) return true;
    tail.begin[a->axis] = size - a->shift;
    tail.count[a->axis] = a->shift;
    head.count[a->axis] = size - a->shift;
    out[0] = clg_concat(CLG_LIST(clg_slice_node(n->in[0], &tail), clg_slice_node(n->in[0], &head)), a->axis);
    return out[0] != NULL;
}

const clg_op clg_op_roll = {
    .name = "roll", .formula = "y[(i + shift) mod size] = x[i] along an axis", .gradient = "gx = gy, rolled back",
    .shapes = "x [S...] -> [S...]", .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(roll_attr),
    .infer = infer_same, .ref = ref_roll, .expand = expand_roll };

clg_tensor *clg_roll(clg_tensor *x, int axis, int64_t shift) {
    if (!x) return NULL;
    const int at = clg_axis(axis, x->shape.ndim);
    if (at < 0) return clg_fail_axis("roll", x, axis);
    const int64_t size = x->shape.dim[at];
    const roll_attr a = { at, 0, size > 0 ? (shift % size + size) % size : 0 };
    return clg_node_build(&clg_op_roll, &a, &x, 1);
}

/* slice (any step but 0), and its adjoint place, which is also padding with a constant.
 *
 * A slice of a slice stays two: were they joined, what is made of the second would not depend on the first, and a
 * gradient with respect to that would be lost. So there is a builder for several axes at once. */
#include "ops/move.h"

#include <string.h>

extern const clg_op clg_op_slice, clg_op_place;

/* --- slice --- */

static const clg_slice_attr *slice_of(const clg_node *n) { return n->attr; }

static bool outside(int64_t at, int64_t size) { return at < 0 || at >= size; }

static clg_status infer_slice(clg_node *n) {
    const clg_slice_attr *a = slice_of(n);
    clg_shape y = in_shape(n, 0);
    for (int i = 0; i < y.ndim; i++) {
        const int64_t size = y.dim[i], last = a->begin[i] + (a->count[i] - 1) * a->step[i];
        if (a->count[i] < 0 || (a->count[i] > 0 && (outside(a->begin[i], size) || outside(last, size))))
            return clg_fail_op(n, "axis %d: elements %lld to %lld do not exist", i, (long long)a->begin[i],
                               (long long)last);
        y.dim[i] = a->count[i];
    }
    return set_out(n, 0, in_dtype(n, 0), y);
}

/** Where element i (row-major) of a block of shape s lies in a tensor of shape `in`: at begin + index step. */
static int64_t place_of(int64_t i, clg_shape s, clg_shape in, const int64_t *begin, const int64_t *step) {
    int64_t at = 0, pitch = 1;
    for (int d = s.ndim - 1; d >= 0; d--) {
        at += (begin[d] + i % s.dim[d] * step[d]) * pitch;
        i /= s.dim[d];
        pitch *= in.dim[d];
    }
    return at;
}

static void ref_slice(const clg_node *n, const double *const *in, double *const *out) {
    const clg_slice_attr *a = slice_of(n);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++)
        out[0][i] = in[0][place_of(i, out_shape(n, 0), in_shape(n, 0), a->begin, a->step)];
}

static void vjp_slice(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_place_node(gy[0], in_shape(n, 0), slice_of(n)->begin, slice_of(n)->step, 0);
}

static clg_cost cost_slice(const clg_node *n) { return (clg_cost){ 0, 2.0 * (double)clg_tensor_bytes(n->out[0]) }; }

static clg_status emit_slice(clg_emit *e, const clg_node *n, bool gpu) {
    const clg_slice_attr *a = slice_of(n);
    const clg_shape x = in_shape(n, 0);
    int64_t pitch[CLG_MAX_DIMS], next = 1;
    clg_region r = { .pitch = 1 };
    for (int i = x.ndim - 1; i >= 0; i--) {
        pitch[i] = next;
        next *= x.dim[i];
        r.from += a->begin[i] * pitch[i];
    }
    for (int i = 0; i < x.ndim; i++) clg_region_add(&r, a->count[i], a->step[i] * pitch[i], true);
    if (r.n > 0) r.pitch = r.dim[r.n - 1];
    return clg_emit_region(e, n->in[0], n->out[0], &r, gpu);
}

static clg_status emit_slice_cpu(clg_emit *e, const clg_node *n) { return emit_slice(e, n, false); }
static clg_status emit_slice_gpu(clg_emit *e, const clg_node *n) { return emit_slice(e, n, true); }

static const clg_impl slice_impls[] = {
    { "slice.cpu", CLG_CLASS_CPU, clg_move_fits, emit_slice_cpu, NULL, false },
    { "slice.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_slice_gpu, NULL, false },
    { 0 },
};

/* Rows that stay as they are: all of them, in their order. */
static enum clg_join join(const clg_node *n, const enum clg_join *in, const int64_t *step) {
    const clg_shape x = in_shape(n, 0), y = out_shape(n, 0);
    const bool kept = x.ndim > 0 && x.dim[0] == y.dim[0] && step[0] == 1;
    return kept ? clg_join_rows(n, in, 0) : CLG_JOIN_NONE;
}

static enum clg_join join_slice(const clg_node *n, const enum clg_join *in, int out) {
    (void)out;
    return join(n, in, slice_of(n)->step);
}

static bool part_slice(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    clg_slice_attr a = *slice_of(n);
    (void)first;
    a.count[0] = in[0]->shape.dim[0];
    return clg_part_build(n, &a, in, out);
}

const clg_op clg_op_slice = {
    .name = "slice", .formula = "y[i] = x[begin + i step] along an axis",
    .gradient = "gx[begin + i step] = gy[i], 0 elsewhere", .shapes = "x [...,S,...] -> [...,S',...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(clg_slice_attr), .infer = infer_slice, .ref = ref_slice,
    .vjp = vjp_slice, .cost = cost_slice, .join = join_slice, .part = part_slice, .impls = slice_impls };

clg_slice_attr clg_slice_all(clg_shape s) {
    clg_slice_attr a;
    memset(&a, 0, sizeof a);
    for (int i = 0; i < s.ndim; i++) {
        a.step[i] = 1;
        a.count[i] = s.dim[i];
    }
    return a;
}

clg_tensor *clg_slice_node(clg_tensor *x, const clg_slice_attr *a) {
    clg_slice_attr all, both = *a;
    if (!x) return NULL;
    all = clg_slice_all(x->shape);
    for (int i = 0; i < x->shape.ndim; i++)
        if (both.count[i] <= 1) both.step[i] = 1; /* equal slices have equal attributes */
    if (memcmp(&both, &all, sizeof all) == 0) return x;
    return clg_node_build(&clg_op_slice, &both, &x, 1);
}

/** Puts what begin, end and step say of axis i into *a. false: reported. */
static bool cut(clg_tensor *x, int i, int64_t begin, int64_t end, int64_t step, clg_slice_attr *a) {
    char text[128];
    const int64_t size = x->shape.dim[i];
    const int64_t b = begin < 0 ? begin + size : begin, stop = step > 0 ? size : -1;
    const int64_t e = end == CLG_END ? stop : end < 0 ? end + size : end;
    const bool begins = (b >= 0 && (b < size || (b == size && step > 0))) || (size == 0 && begin >= -1 && begin <= 0);
    const bool ends = end == CLG_END || (e >= 0 && e <= size);
    if (step == 0 || step == INT64_MIN || !begins || !ends) {
        clg_graph_fail(x->graph, CLG_ERR_SHAPE, "slice(%s, axis %d, begin %lld, end %lld, step %lld): begin and end "
                       "must lie in the axis, of size %lld, and step must not be 0: %s is %s", clg_tensor_name(x), i,
                       (long long)begin, (long long)end, (long long)step, (long long)size, clg_tensor_name(x),
                       clg_shape_text(x->dtype, x->shape, text, sizeof text));
        return false;
    }
    const int64_t length = step > 0 ? e - b : b - e, stride = step > 0 ? step : -step;
    a->count[i] = length > 0 && size > 0 ? (length - 1) / stride + 1 : 0;
    a->begin[i] = a->count[i] > 0 ? b : 0;
    a->step[i] = step;
    return true;
}

clg_tensor *clg_slice(clg_tensor *x, int axis, int64_t begin, int64_t end, int64_t step) {
    if (!x) return NULL;
    const int i = clg_axis(axis, x->shape.ndim);
    clg_slice_attr a = clg_slice_all(x->shape);
    if (i < 0) return clg_fail_axis("slice", x, axis);
    return cut(x, i, begin, end, step, &a) ? clg_slice_node(x, &a) : NULL;
}

clg_tensor *clg_slice_axes(clg_tensor *x, const int64_t *begin, const int64_t *end, const int64_t *step) {
    if (!x) return NULL;
    clg_slice_attr a = clg_slice_all(x->shape);
    if (!begin) return clg_graph_fail(x->graph, CLG_ERR_INVALID, "slice(%s): begin is NULL", clg_tensor_name(x));
    for (int i = 0; i < x->shape.ndim; i++)
        if (!cut(x, i, begin[i], end ? end[i] : CLG_END, step ? step[i] : 1, &a)) return NULL;
    return clg_slice_node(x, &a);
}

/* --- place --- */

typedef struct place_attr {
    clg_shape shape;
    int64_t begin[CLG_MAX_DIMS], step[CLG_MAX_DIMS];
    double value;
} place_attr;

static clg_status infer_place(clg_node *n) {
    const place_attr *a = n->attr;
    if (a->shape.ndim != in_shape(n, 0).ndim) return clg_fail_op(n, "the result must have as many axes as x");
    for (int i = 0; i < a->shape.ndim; i++) {
        const int64_t count = in_dim(n, 0, i), last = a->begin[i] + (count - 1) * a->step[i];
        if (count > 0 && (outside(a->begin[i], a->shape.dim[i]) || outside(last, a->shape.dim[i])))
            return clg_fail_op(n, "axis %d: places %lld to %lld do not exist in %lld", i, (long long)a->begin[i],
                               (long long)last, (long long)a->shape.dim[i]);
    }
    return set_out(n, 0, in_dtype(n, 0), a->shape);
}

static void ref_place(const clg_node *n, const double *const *in, double *const *out) {
    const place_attr *a = n->attr;
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) out[0][i] = a->value;
    for (int64_t i = 0, elems = in_elems(n, 0); i < elems; i++)
        out[0][place_of(i, in_shape(n, 0), out_shape(n, 0), a->begin, a->step)] = in[0][i];
}

static void vjp_place(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const place_attr *a = n->attr;
    clg_slice_attr s = clg_slice_all(in_shape(n, 0));
    memcpy(s.begin, a->begin, sizeof s.begin);
    memcpy(s.step, a->step, sizeof s.step);
    for (int i = 0; i < in_shape(n, 0).ndim; i++)
        if (s.count[i] == 0) s.begin[i] = 0;
    gx[0] = clg_slice_node(gy[0], &s);
}

static clg_cost cost_place(const clg_node *n) { return cost_of(n, 0); }

/** One axis of y: its size, and which places x's `count` elements take. */
typedef struct placing { int64_t size, begin, step, count; } placing;

/** Axes of y, slowest first; an axis that x fills as it is joins the one before. Returns how many. */
static int placings(const clg_node *n, placing *p) {
    const place_attr *a = n->attr;
    int k = 0;
    for (int i = 0; i < a->shape.ndim; i++) {
        const placing q = { a->shape.dim[i], a->begin[i], a->step[i], in_dim(n, 0, i) };
        const bool whole = q.size == q.count && (q.step == 1 || q.count == 1);
        if (whole && k > 0 && (p[k - 1].step == 1 || q.size == 1)) {
            p[k - 1].size *= q.size;
            p[k - 1].begin *= q.size;
            p[k - 1].count *= q.size;
        } else {
            p[k++] = q;
        }
    }
    return k;
}

static clg_status emit_place(clg_emit *e, const clg_node *node, bool gpu) {
    enum { CHUNK = 16384 };
    placing q[CLG_MAX_DIMS], p[CLG_MAX_DIMS];
    const int k = placings(node, q);
    for (int i = 0; i < CLG_MAX_DIMS; i++)
        p[i] = i < CLG_MAX_DIMS - k ? (placing){ 1, 0, 1, 1 } : q[i - (CLG_MAX_DIMS - k)];
    const clg_tensor *const x = node->in[0], *const y = node->out[0];
    const int64_t n = out_elems(node, 0) / p[5].size, chunk = p[5].size < CHUNK ? p[5].size : CHUNK;
    const int64_t per = gpu ? 1 : clg_units_per_item(n, chunk);
    const bool real = clg_dtype_is_float(x->dtype);
    clg_arg args[32] = { IN(x), OUT(y), INT(n) }; /* the rest is zero, which is the end */
    static const char *const names[4][6] = {
        { "", "d1", "d2", "d3", "d4", "d5" }, { "b0", "b1", "b2", "b3", "b4", "b5" },
        { "k0", "k1", "k2", "k3", "k4", "k5" }, { "n0", "n1", "n2", "n3", "n4", "n5" } };
    int at = 3;
    for (int j = 0; j < 4; j++)
        for (int i = j == 0; i < 6; i++) {
            const int64_t number[4] = { p[i].size, p[i].begin, p[i].step, p[i].count };
            args[at++] = (clg_arg){ .kind = CLG_ARG_INT, .name = names[j][i], .u.i = number[j] };
        }
    const double value = ((const place_attr *)node->attr)->value;
    const clg_arg whole = { .kind = CLG_ARG_LONG, .name = "value", .u.i = real ? 0 : (int64_t)value };
    args[at++] = real ? (clg_arg)FLOAT(value) : whole;
    args[at++] = (clg_arg)INT(chunk);
    args[at] = (clg_arg)INT(per);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = gpu ? "move.place_items" : "move.place_rows", .args = args,
        .global = { (size_t)(gpu ? out_elems(node, 0) : clg_div_up(n, per)),
                    (size_t)(gpu ? 1 : clg_div_up(p[5].size, chunk)), 1 },
        .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .options = clg_emit_options(e, "-DT=%s -DV=%s", clg_move_type(x->dtype), real ? "ACC" : "long") });
}

static clg_status emit_place_cpu(clg_emit *e, const clg_node *n) { return emit_place(e, n, false); }
static clg_status emit_place_gpu(clg_emit *e, const clg_node *n) { return emit_place(e, n, true); }

static const clg_impl place_impls[] = {
    { "place.cpu", CLG_CLASS_CPU, clg_move_fits, emit_place_cpu, NULL, false },
    { "place.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_place_gpu, NULL, false },
    { 0 },
};

static enum clg_join join_place(const clg_node *n, const enum clg_join *in, int out) {
    (void)out;
    return join(n, in, ((const place_attr *)n->attr)->step);
}

static bool part_place(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    place_attr a = *(const place_attr *)n->attr;
    (void)first;
    a.shape.dim[0] = in[0]->shape.dim[0];
    return clg_part_build(n, &a, in, out);
}

const clg_op clg_op_place = {
    .name = "place", .formula = "y[begin + i step] = x[i] along every axis, value elsewhere: what slice undoes",
    .gradient = "gx[i] = gy[begin + i step]", .shapes = "x [S...] -> [S'...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(place_attr), .infer = infer_place, .ref = ref_place,
    .vjp = vjp_place, .cost = cost_place, .join = join_place, .part = part_place, .impls = place_impls };

clg_tensor *clg_place_node(clg_tensor *x, clg_shape shape, const int64_t *begin, const int64_t *step, double value) {
    place_attr a;
    if (!x) return NULL;
    memset(&a, 0, sizeof a);
    clg_shape_copy(&a.shape, shape);
    for (int i = 0; i < shape.ndim; i++) {
        a.begin[i] = begin[i];
        a.step[i] = i < x->shape.ndim && x->shape.dim[i] <= 1 ? 1 : step[i];
    }
    a.value = value;
    return clg_shape_equal(x->shape, shape) && clg_shape_elems(shape) == 0 ? x
                                                                           : clg_node_build(&clg_op_place, &a, &x, 1);
}

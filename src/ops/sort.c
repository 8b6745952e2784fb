/* argsort along the last axis, and on it sort and top_k along any: indices come first, values are gathered by them, so
 * the gradient is that of the gathering.
 *
 * Elements are packed with their indices into integers in the same order, which makes sorting stable. Long rows are cut
 * into pieces that fit a cache (CPU: merge sort by one work-item; GPU: each lane of a work-group
 * counts which of the piece's elements go before its own), and sorted pieces are merged in pairs until one is left:
 * each work-item finds by bisection where its part of the result begins in both (merge path: Odeh, Green, Mwassi,
 * Shmueli, Birk 2012). All of it is stable. For a few of many, a work-item keeps the best of a row in a short sorted
 * list. */
#include "ops/gather.h"

#include <string.h>

extern const clg_op clg_op_argsort, clg_op_sort, clg_op_top_k;

typedef struct sort_attr {
    int32_t axis, descending;
    int64_t count; /* how many of the first are wanted */
} sort_attr;

static const sort_attr *sort_of(const clg_node *n) { return n->attr; }

/* --- reference --- */

/** A column of x: element i at x[i step]. NaN is larger than all; where equal, the first goes before. */
typedef struct column {
    const double *x;
    int64_t step;
    bool descending;
} column;

static bool larger(double a, double b) { return a > b || (isnan(a) && !isnan(b)); }

static bool before(const column *c, double i, double j) {
    const double a = c->x[(int64_t)i * c->step], b = c->x[(int64_t)j * c->step];
    if (larger(a, b)) return c->descending;
    if (larger(b, a)) return !c->descending;
    return i < j;
}

/** heap[0 .. n - 1] is a heap, the last in order on top, but for its top: restores it. `step` lies between elements. */
static void sift(const column *c, double *heap, int64_t n, int64_t step) {
    for (int64_t p = 0, k; (k = 2 * p + 1) < n; p = k) {
        if (k + 1 < n && before(c, heap[k * step], heap[(k + 1) * step])) k++;
        if (!before(c, heap[p * step], heap[k * step])) return;
        const double t = heap[p * step];
        heap[p * step] = heap[k * step];
        heap[k * step] = t;
    }
}

/** The indices of the first `count` of `size` elements in order: a heap of the best so far (Williams 1964), in place.
 *  */
static void first_of(const column *c, int64_t size, double *out, int64_t count, int64_t step) {
    for (int64_t i = 0; i < count; i++) { /* a new element rises */
        int64_t k = i;
        out[k * step] = (double)i;
        for (int64_t p; k > 0 && before(c, out[(p = (k - 1) / 2) * step], (double)i); k = p) {
            out[k * step] = out[p * step];
            out[p * step] = (double)i;
        }
    }
    for (int64_t i = count; i < size; i++)
        if (before(c, (double)i, out[0])) {
            out[0] = (double)i;
            sift(c, out, count, step);
        }
    for (int64_t n = count - 1; n > 0; n--) {
        const double t = out[0];
        out[0] = out[n * step];
        out[n * step] = t;
        sift(c, out, n, step);
    }
}

static void ref_indices(const clg_node *n, const double *x, double *index) {
    const sort_attr *a = sort_of(n);
    const clg_span s = clg_span_of(in_shape(n, 0), a->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const column c = { x + o * s.size * s.inner + i, s.inner, a->descending };
            if (a->count > 0) first_of(&c, s.size, index + o * a->count * s.inner + i, a->count, s.inner);
        }
}

static void ref_argsort(const clg_node *n, const double *const *in, double *const *out) {
    ref_indices(n, in[0], out[0]);
}

static void ref_sort(const clg_node *n, const double *const *in, double *const *out) {
    const clg_span x = clg_span_of(in_shape(n, 0), sort_of(n)->axis);
    ref_indices(n, in[0], out[1]);
    for (int64_t k = 0, elems = out_elems(n, 0); k < elems; k++) {
        const int64_t o = k / (sort_of(n)->count * x.inner), i = k % x.inner;
        out[0][k] = in[0][(o * x.size + (int64_t)out[1][k]) * x.inner + i];
    }
}

/* --- argsort --- */

static clg_status infer_argsort(clg_node *n) {
    clg_shape y = in_shape(n, 0);
    if (y.dim[y.ndim - 1] > INT32_MAX) return clg_fail_op(n, "indices are i32, and the axis is longer");
    y.dim[y.ndim - 1] = sort_of(n)->count;
    return set_out(n, 0, CLG_I32, y);
}

static clg_cost cost_argsort(const clg_node *n) {
    const double size = (double)in_dim(n, 0, in_shape(n, 0).ndim - 1);
    return cost_of(n, (double)in_elems(n, 0) * log2(size + 1));
}

/** What all launches share: packed keys and indices, twice, to sort from one into the other. */
typedef struct sorting {
    const clg_tensor *x, *side[2];
    int64_t rows, size, piece;
    const char *options;
    bool gpu;
} sorting;

static clg_status sort_pieces(clg_emit *e, const sorting *s) {
    const clg_tensor *const x = s->x, *const items = s->side[0], *const other = s->side[1];
    const int64_t pieces = clg_div_up(s->size, s->piece), n = s->rows * pieces, size = s->size, piece = s->piece;
    const int64_t per = clg_units_per_item(n, 4 * (size < piece ? size : piece));
    if (s->gpu)
        return clg_emit_launch(e, &(clg_launch){
            .kernel = "sort.rank_pieces", .options = s->options, .global = { (size_t)(n * piece), 1, 1 },
            .local = { (size_t)piece, 1, 1 }, .args = ARGS(IN(x), OUT(items), INT(n), INT(size)) });
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "sort.merge_pieces", .options = s->options, .global = { (size_t)clg_div_up(n, per), 1, 1 },
        .args = ARGS(IN(x), INOUT(items), INOUT(other), INT(n), INT(size), INT(piece), INT(per)) });
}

/** Merges pairs of pieces of `width` from one side to the other. */
static clg_status merge(clg_emit *e, const sorting *s, int from, int64_t width) {
    const clg_tensor *const items = s->side[from], *const other = s->side[!from];
    const int64_t size = s->size, chunk = s->gpu ? 16 : 2 * s->piece, n = s->rows * clg_div_up(size, chunk);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "sort.merge", .options = s->options, .global = { (size_t)n, 1, 1 },
        .local = { s->gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = ARGS(IN(items), OUT(other), INT(n), INT(size), INT(width), INT(chunk)) });
}

/** The first `count` indices: of the sorted items, or picked from x in one pass. */
static clg_status write_first(clg_emit *e, const clg_node *node, const sorting *s, const clg_tensor *items) {
    const clg_tensor *const x = s->x, *const y = node->out[0];
    const int64_t size = s->size, count = sort_of(node)->count, n = items ? out_elems(node, 0) : s->rows;
    const int64_t per = s->gpu ? 1 : clg_units_per_item(n, items ? 1 : 2 * size);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = items ? "sort.unpack" : "sort.first", .options = s->options,
        .global = { (size_t)clg_div_up(n, per), 1, 1 }, .local = { s->gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = items ? ARGS(IN(items), OUT(y), INT(n), INT(size), INT(count), INT(per))
                      : ARGS(IN(x), OUT(y), INT(n), INT(size), INT(count), INT(per)) });
}

enum { SELECT = 32, PIECE_CPU = 4096, PIECE_GPU = CLG_MOVE_GROUP };

static clg_status emit_argsort(clg_emit *e, const clg_node *n, bool gpu) {
    const sort_attr *a = sort_of(n);
    const clg_dtype t = in_dtype(n, 0);
    const bool wide = clg_dtype_size(t) == 8;
    const int64_t size = in_dim(n, 0, a->axis), rows = out_elems(n, 0) / a->count;
    sorting s = { .x = n->in[0], .rows = rows, .size = size, .gpu = gpu, .piece = gpu ? PIECE_GPU : PIECE_CPU };
    s.options = clg_emit_options(e, "-DT=%s%s%s%s", clg_move_type(t), clg_dtype_is_float(t) ? " -DREAL=1" : "",
                                 wide ? " -DWIDE=1" : "", a->descending ? " -DDESCENDING=1" : "");
    if (a->count <= SELECT && a->count < size && (!gpu || rows >= 1024 || size <= 256))
        return write_first(e, n, &s, NULL);
    for (int i = 0; i < 2; i++) s.side[i] = clg_emit_scratch(e, CLG_I64, CLG_SHAPE(rows * size * (wide ? 2 : 1)));
    int side = 0;
    CLG_TRY(sort_pieces(e, &s));
    for (int64_t width = s.piece; width < size; width *= 2, side = !side) CLG_TRY(merge(e, &s, side, width));
    return write_first(e, n, &s, s.side[side]);
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit_argsort(e, n, false); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit_argsort(e, n, true); }

static const clg_impl impls[] = {
    { "argsort.cpu", CLG_CLASS_CPU, clg_move_fits, emit_cpu, NULL, false },
    { "argsort.gpu", CLG_CLASS_GPU, clg_move_fits_group, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_argsort = {
    .name = "argsort", .formula = "y = indices of the first k of x in order along the last axis, stable; what sort and "
    "top_k are made of", .shapes = "x [...,S] -> i32 [...,k]", .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = CLG_OP_NO_GRAD, .attr_size = sizeof(sort_attr), .infer = infer_argsort, .ref = ref_argsort,
    .cost = cost_argsort, .impls = impls };

/* --- sort, top_k --- */

static clg_status infer_sort(clg_node *n) {
    const sort_attr *a = sort_of(n);
    clg_shape y = in_shape(n, 0);
    const int64_t size = y.dim[a->axis];
    if (size > INT32_MAX) return clg_fail_op(n, "indices are i32, and the axis is longer");
    if (a->count < 0 || a->count > size)
        return clg_fail_op(n, "axis %d has %lld elements, fewer than %lld", (int)a->axis, (long long)size,
                           (long long)a->count);
    y.dim[a->axis] = a->count;
    CLG_TRY(set_out(n, 0, in_dtype(n, 0), y));
    return set_out(n, 1, CLG_I32, y);
}

/** With its axis and the last one exchanged. */
static clg_tensor *exchanged(clg_tensor *x, int axis) {
    int order[CLG_MAX_DIMS];
    if (!x) return NULL;
    for (int i = 0; i < x->shape.ndim; i++) order[i] = i;
    order[axis] = x->shape.ndim - 1;
    order[x->shape.ndim - 1] = axis;
    return clg_permute(x, order);
}

static bool expand_sort(const clg_node *n, clg_tensor **out) {
    const int axis = sort_of(n)->axis, last = in_shape(n, 0).ndim - 1;
    const sort_attr a = { last, sort_of(n)->descending, sort_of(n)->count };
    clg_tensor *const x = exchanged(n->in[0], axis);
    clg_tensor *const index = clg_node_build(&clg_op_argsort, &a, &x, 1);
    out[0] = exchanged(clg_gather_along(x, index, last), axis);
    out[1] = exchanged(index, axis);
    return out[0] && out[1];
}

#define SORT_ROW(name_, formula_, shapes_)                                                                          \
    { .name = name_, .formula = formula_, .gradient = "gx[index[k]] = gy[k], 0 elsewhere", .shapes = shapes_,       \
      .min_in = 1, .max_in = 1, .n_out = 2, .attr_size = sizeof(sort_attr), .infer = infer_sort, .ref = ref_sort,   \
      .expand = expand_sort }

const clg_op clg_op_sort = SORT_ROW("sort", "y = x in order along an axis, stable, NaN as the largest; and where each "
                                    "came from", "x [...,S,...] -> [...,S,...], i32 [...,S,...]");
const clg_op clg_op_top_k = SORT_ROW("top_k", "y = the k largest (or smallest) of x along an axis, in order; and where "
                                     "each came from", "x [...,S,...] -> [...,k,...], i32 [...,k,...]");

static clg_tensor *sorted(const clg_op *op, clg_tensor *x, int axis, bool descending, int64_t count,
                          clg_tensor **index) {
    clg_tensor *out[2] = { NULL, NULL };
    if (index) *index = NULL;
    if (!x) return NULL;
    const int at = clg_axis(axis, x->shape.ndim);
    if (at < 0) return clg_fail_axis(op->name, x, axis);
    const sort_attr a = { at, descending, op == &clg_op_sort ? x->shape.dim[at] : count };
    if (clg_node_outputs(op, &a, &x, 1, out) && index) *index = out[1];
    return out[0];
}

clg_tensor *clg_sort(clg_tensor *x, int axis, bool descending, clg_tensor **index) {
    return sorted(&clg_op_sort, x, axis, descending, 0, index);
}

clg_tensor *clg_top_k(clg_tensor *x, int axis, int64_t k, bool largest, clg_tensor **index) {
    return sorted(&clg_op_top_k, x, axis, largest, k, index);
}

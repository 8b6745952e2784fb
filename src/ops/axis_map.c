/* A linear map along one axis, y[o,j,i] = sum over k of w[j,k] x[o,k,i], whose matrix w has at most two entries a row
 * and is made from a few numbers: mirrored and repeated borders, upsampling. Its adjoint is the same op with the
 * transposed matrix, so any order of derivatives is there, and each element has one writer that adds in a fixed order.
 *
 * Devices get the matrix as tables of compressed rows (start, index, weight), made when the plan is compiled. A map
 * that only copies needs no weights: it is the gather kernel. */
#include "base/alloc.h"
#include "ops/move.h"

#include <math.h>
#include <string.h>

extern const clg_op clg_op_axis_map;

typedef struct map_attr {
    int32_t axis, kind, adjoint, pad_;
    int64_t size, count; /* of the axis before and after the map, of the operands of its adjoint the other way round */
    double p;
} map_attr;

static const map_attr *map_of(const clg_node *n) { return n->attr; }

/** Two neighbours around place f: which, and their weights; 1 if the second has no weight. */
static int between(double f, int64_t size, int64_t *index, double *weight) {
    const double low = fmin(floor(f), (double)(size - 1));
    index[0] = (int64_t)low;
    index[1] = index[0] + 1;
    weight[1] = f - low;
    weight[0] = 1 - weight[1];
    return weight[1] > 0 && index[1] < size ? 2 : (weight[0] = 1, 1);
}

/** The entries of row j of the matrix (at most two, at different places, in rising order); how many. */
static int row_of(const map_attr *a, int64_t j, int64_t *index, double *weight) {
    const int64_t last = a->size - 1, k = j - (int64_t)a->p;
    weight[0] = 1;
    switch ((enum clg_map_kind)a->kind) {
    case CLG_MAP_REFLECT: index[0] = k < 0 ? -k : k > last ? 2 * last - k : k; return 1;
    case CLG_MAP_REPLICATE: index[0] = k < 0 ? 0 : k > last ? last : k; return 1;
    case CLG_MAP_NEAREST:
        index[0] = a->p == 0 ? j * a->size / a->count : (int64_t)((double)j / a->p);
        if (index[0] > last) index[0] = last;
        return 1;
    case CLG_MAP_LINEAR: return between(fmax(0, ((double)j + 0.5) / a->p - 0.5), a->size, index, weight);
    case CLG_MAP_CORNERS: return between((double)j * a->p, a->size, index, weight);
    }
    return 0;
}

/* --- infer, reference, gradient --- */

static bool copies(const map_attr *a) { return !a->adjoint && a->kind <= CLG_MAP_NEAREST; }

static clg_status infer_map(clg_node *n) {
    const map_attr *a = map_of(n);
    clg_shape y = in_shape(n, 0);
    if (!copies(a) && !clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    y.dim[a->axis] = a->adjoint ? a->size : a->count;
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_map(const clg_node *n, const double *const *in, double *const *out) {
    const map_attr *a = map_of(n);
    const clg_span x = clg_span_of(in_shape(n, 0), a->axis), y = clg_span_of(out_shape(n, 0), a->axis);
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) out[0][i] = 0;
    for (int64_t j = 0; j < a->count; j++) {
        int64_t index[2];
        double weight[2];
        const int terms = row_of(a, j, index, weight);
        for (int64_t o = 0; o < x.outer; o++)
            for (int64_t i = 0; i < x.inner; i++)
                for (int t = 0; t < terms; t++) {
                    const int64_t from = a->adjoint ? j : index[t], to = a->adjoint ? index[t] : j;
                    const double v = in[0][(o * x.size + from) * x.inner + i];
                    out[0][(o * y.size + to) * y.inner + i] += weight[t] == 1 ? v : weight[t] * v;
                }
    }
}

static void vjp_map(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    map_attr a = *map_of(n);
    a.adjoint = !a.adjoint;
    gx[0] = clg_node_build(&clg_op_axis_map, &a, gy, 1);
}

/** Of two terms an element of the longer side. */
static clg_cost cost_map(const clg_node *n) {
    const int64_t longer = in_elems(n, 0) > out_elems(n, 0) ? in_elems(n, 0) : out_elems(n, 0);
    return cost_of(n, copies(map_of(n)) ? 0 : 4.0 * (double)longer);
}

/* --- tables --- */

/** Row j as a table holds it: where all rows have two entries, one entry is two halves, which give the same bits. */
static int table_row(const map_attr *a, int64_t j, int64_t *index, double *weight) {
    if (row_of(a, j, index, weight) == 2) return 2;
    if (a->adjoint || a->kind <= CLG_MAP_NEAREST) return 1;
    index[1] = index[0];
    weight[0] = weight[1] = 0.5;
    return 2;
}

/** Compressed rows of the map or its adjoint. */
typedef struct tables {
    int32_t *start, *index; /* rows + 1; terms */
    double  *weight;
    int64_t  rows, terms;
} tables;

static void free_tables(tables *t) {
    clg_free(t->start);
    clg_free(t->index);
    clg_free(t->weight);
}

/* Two rounds over the matrix: count the entries of each row, then put them there. Rows of the adjoint get theirs in
 * rising order of j, since j rises. */
static bool make_tables(const map_attr *a, tables *t) {
    int64_t index[2];
    double weight[2];
    t->rows = a->adjoint ? a->size : a->count;
    t->start = clg_calloc((size_t)t->rows + 2, sizeof *t->start);
    t->index = clg_calloc(2 * (size_t)a->count + 1, sizeof *t->index);
    t->weight = clg_calloc(2 * (size_t)a->count + 1, sizeof *t->weight);
    if (!t->start || !t->index || !t->weight) return false;
    int32_t *const at = t->start + 1; /* where the next entry of a row goes; in the end, where the next row begins */
    for (int64_t j = 0; j < a->count; j++)
        for (int k = table_row(a, j, index, weight) - 1; k >= 0; k--) at[a->adjoint ? index[k] : j]++;
    int32_t sum = 0;
    for (int64_t r = 0; r < t->rows; r++) {
        const int32_t here = at[r];
        at[r] = sum;
        sum += here;
    }
    t->terms = sum;
    for (int64_t j = 0; j < a->count; j++) {
        const int terms = table_row(a, j, index, weight);
        for (int k = 0; k < terms; k++) {
            const int32_t p = at[a->adjoint ? index[k] : j]++;
            t->index[p] = (int32_t)(a->adjoint ? j : index[k]);
            t->weight[p] = weight[k];
        }
    }
    return true;
}

static const clg_tensor *upload_weights(clg_emit *e, clg_dtype type, const tables *t) {
    if (type == CLG_F64) return clg_emit_table(e, CLG_F64, CLG_SHAPE(t->terms), t->weight);
    float *const w = (float *)(void *)t->weight; /* in place: element k is read before it is overwritten */
    for (int64_t k = 0; k < t->terms; k++) {
        const float v = (float)t->weight[k];
        memcpy(w + k, &v, sizeof v);
    }
    return clg_emit_table(e, CLG_F32, CLG_SHAPE(t->terms), w);
}

/* --- implementations --- */

static clg_status emit_tables(clg_emit *e, const clg_node *node, const tables *t, bool gpu) {
    const map_attr *a = map_of(node);
    const clg_tensor *const x = node->in[0], *const y = node->out[0];
    const clg_span s = clg_span_of(x->shape, a->axis);
    const clg_tensor *const index = clg_emit_table(e, CLG_I32, CLG_SHAPE(t->terms), t->index);
    if (copies(a)) return clg_emit_gather(e, x, index, y, s, t->rows, true, true, gpu);
    const clg_tensor *const start = clg_emit_table(e, CLG_I32, CLG_SHAPE(t->rows + 1), t->start);
    const clg_tensor *const weight = upload_weights(e, x->dtype, t);
    const int64_t n = s.outer * t->rows, h = s.size, w = t->rows, inner = s.inner;
    const bool pairs = !gpu && inner == 1 && !a->adjoint;
    const int64_t units = pairs ? s.outer : n, per = gpu ? 1 : clg_units_per_item(units, pairs ? w : inner);
    return clg_emit_launch(e, &(clg_launch){
        .kernel = gpu ? "axis_map.items" : pairs ? "axis_map.pairs" : "axis_map.rows",
        .global = { (size_t)(gpu ? n * inner : clg_div_up(units, per)), 1, 1 },
        .local = { gpu ? CLG_MOVE_GROUP : 1, 1, 1 },
        .args = ARGS(IN(x), OUT(y), IN(start), IN(index), IN(weight), INT(n), INT(h), INT(w), INT(inner), INT(per)) });
}

static clg_status emit_map(clg_emit *e, const clg_node *n, bool gpu) {
    tables t = { 0 };
    clg_status status = CLG_OK;
    if (!make_tables(map_of(n), &t)) CLG_TRY_END(clg_fail_nomem("table"));
    status = emit_tables(e, n, &t, gpu);
end:
    free_tables(&t);
    return status;
}

static clg_status emit_map_cpu(clg_emit *e, const clg_node *n) { return emit_map(e, n, false); }
static clg_status emit_map_gpu(clg_emit *e, const clg_node *n) { return emit_map(e, n, true); }

/* A row has at most two terms, and they are counted in ints. */
static bool fits(const clg_node *n, const clg_device *d) {
    return clg_move_fits(n, d) && map_of(n)->count <= INT32_MAX / 2;
}
static bool fits_group(const clg_node *n, const clg_device *d) {
    return clg_move_fits_group(n, d) && map_of(n)->count <= INT32_MAX / 2;
}

static const clg_impl impls[] = {
    { "axis_map.cpu", CLG_CLASS_CPU, fits, emit_map_cpu, NULL, false },
    { "axis_map.gpu", CLG_CLASS_GPU, fits_group, emit_map_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_axis_map = {
    .name = "axis_map", .formula = "y[j] = sum over k of w[j,k] x[k] along an axis, w fixed and sparse: what pad, "
    "upsample_nearest and upsample_bilinear are made of", .gradient = "gx[k] = sum over j of w[j,k] gy[j]",
    .shapes = "x [...,S,...] -> [...,S',...]", .min_in = 1, .max_in = 1, .n_out = 1, .attr_size = sizeof(map_attr),
    .infer = infer_map, .ref = ref_map, .vjp = vjp_map, .cost = cost_map, .impls = impls };

clg_tensor *clg_axis_map(clg_tensor *x, int axis, enum clg_map_kind kind, int64_t count, double p) {
    if (!x) return NULL;
    const map_attr a = { axis, (int32_t)kind, 0, 0, x->shape.dim[axis], count, p };
    return clg_node_build(&clg_op_axis_map, &a, &x, 1);
}

/* embedding (rows of a table: gather along axis 0) and one_hot (comparison with 0 .. n - 1): plain twins; devices get
 * what they stand for. */
#include "base/alloc.h"
#include "ops/gather.h"

extern const clg_op clg_op_embedding, clg_op_one_hot;

/* --- embedding --- */

static clg_status infer_embedding(clg_node *n) {
    const clg_shape table = in_shape(n, 0);
    clg_shape y = in_shape(n, 1);
    CLG_TRY(clg_check_index(n));
    if (table.ndim != 2) return clg_fail_op(n, "the table must have two axes, [rows, size]");
    if (y.ndim == CLG_MAX_DIMS) return clg_fail_op(n, "the result would have %d axes; 6 are possible", y.ndim + 1);
    y.dim[y.ndim++] = table.dim[1];
    return set_out(n, 0, in_dtype(n, 0), y);
}

static void ref_embedding(const clg_node *n, const double *const *in, double *const *out) {
    const int64_t rows = in_dim(n, 0, 0), size = in_dim(n, 0, 1);
    for (int64_t k = 0, count = in_elems(n, 1); k < count; k++)
        for (int64_t i = 0; i < size; i++)
            out[0][k * size + i] = in[1][k] >= 0 && in[1][k] < (double)rows ? in[0][(int64_t)in[1][k] * size + i]
                                                                          : (double)NAN;
}

static bool expand_embedding(const clg_node *n, clg_tensor **out) {
    out[0] = clg_gather(n->in[0], n->in[1], 0);
    return out[0] != NULL;
}

const clg_op clg_op_embedding = {
    .name = "embedding", .formula = "y[k] = row index[k] of the table; out of range: NaN, 0 for integers",
    .gradient = "gradient of a row = sum of gy[k] over the k that chose it",
    .shapes = "table [V,D], index [K...] -> [K...,D]", .min_in = 2, .max_in = 2, .n_out = 1, .infer = infer_embedding,
    .ref = ref_embedding, .expand = expand_embedding };

clg_tensor *clg_embedding(clg_tensor *table, clg_tensor *index) {
    if (!table || !index) return NULL;
    return clg_node_build(&clg_op_embedding, NULL, (clg_tensor *const[]){ table, index }, 2);
}

/* --- one_hot --- */

typedef struct one_hot_attr { int64_t classes, type; } one_hot_attr;

static clg_status infer_one_hot(clg_node *n) {
    const one_hot_attr *a = n->attr;
    clg_shape y = in_shape(n, 0);
    if (in_dtype(n, 0) != CLG_I32 && in_dtype(n, 0) != CLG_I64) return clg_fail_op(n, "indices must be i32 or i64");
    if (a->classes < 1 || a->classes > INT32_MAX)
        return clg_fail_op(n, "%lld classes; 1 to 2^31 - 1 are possible", (long long)a->classes);
    if (y.ndim == CLG_MAX_DIMS) return clg_fail_op(n, "the result would have %d axes; 6 are possible", y.ndim + 1);
    y.dim[y.ndim++] = a->classes;
    return set_out(n, 0, (clg_dtype)a->type, y);
}

static void ref_one_hot(const clg_node *n, const double *const *in, double *const *out) {
    const int64_t classes = ((const one_hot_attr *)n->attr)->classes;
    for (int64_t k = 0, count = in_elems(n, 0); k < count; k++)
        for (int64_t c = 0; c < classes; c++) out[0][k * classes + c] = in[0][k] == (double)c;
}

static bool expand_one_hot(const clg_node *n, clg_tensor **out) {
    const one_hot_attr *a = n->attr;
    clg_shape s = in_shape(n, 0);
    int32_t *const number = clg_alloc((size_t)a->classes * sizeof *number);
    if (!number) return clg_graph_fail(n->graph, CLG_ERR_NOMEM, "one_hot: out of host memory") != NULL;
    for (int64_t c = 0; c < a->classes; c++) number[c] = (int32_t)c;
    clg_tensor *const all = clg_const(n->graph, CLG_I32, CLG_SHAPE(a->classes), number);
    clg_free(number);
    s.dim[s.ndim++] = 1;
    out[0] = clg_cast(clg_eq(clg_reshape(n->in[0], s), clg_cast(all, in_dtype(n, 0))), (clg_dtype)a->type);
    return out[0] != NULL;
}

const clg_op clg_op_one_hot = {
    .name = "one_hot", .formula = "y[k,c] = 1 where index[k] = c, else 0", .shapes = "index [K...] -> [K...,C]",
    .min_in = 1, .max_in = 1, .n_out = 1, .flags = CLG_OP_NO_GRAD, .attr_size = sizeof(one_hot_attr),
    .infer = infer_one_hot, .ref = ref_one_hot, .expand = expand_one_hot };

clg_tensor *clg_one_hot(clg_tensor *index, int64_t classes, clg_dtype type) {
    const one_hot_attr a = { classes, (int64_t)type };
    return clg_node_build(&clg_op_one_hot, &a, &index, 1);
}

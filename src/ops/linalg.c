/* Products of vectors: dot and outer. Composites of elementwise products and a sum. */
#include "graph/op.h"

static clg_status check_types(const clg_node *n) {
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "types differ; clg_cast() changes one");
    if (!clg_dtype_is_float(in_dtype(n, 0)) && in_dtype(n, 0) != CLG_I32)
        return clg_fail_op(n, "wants floats or i32; clg_cast() the operands");
    return CLG_OK;
}

/* --- dot --- */

static clg_status infer_dot(clg_node *n) {
    CLG_TRY(check_types(n));
    if (!clg_shape_equal(in_shape(n, 0), in_shape(n, 1)))
        return clg_fail_op(n, "the shapes differ; see clg_matmul() for products of matrices");
    return set_out(n, 0, in_dtype(n, 0), CLG_SCALAR);
}

static void ref_dot(const clg_node *n, const double *const *in, double *const *out) {
    const int64_t elems = in_elems(n, 0);
    double sum = 0;
    for (int64_t i = 0; i < elems; i++) sum += in[0][i] * in[1][i];
    out[0][0] = sum;
}

/* One launch while a single work-item is quick, else a sum that many share. */
static bool expand_dot(const clg_node *n, clg_tensor **out) {
    enum { SHORT = 4096 };
    const int64_t elems = in_elems(n, 0);
    if (clg_dtype_is_float(in_dtype(n, 0)) && elems <= SHORT)
        out[0] = clg_reshape(clg_matmul(clg_reshape(n->in[0], CLG_SHAPE(1, elems)),
                                        clg_reshape(n->in[1], CLG_SHAPE(elems, 1))), CLG_SCALAR);
    else
        out[0] = clg_sum(clg_mul(n->in[0], n->in[1]), CLG_ALL);
    return out[0] != NULL;
}

const clg_op clg_op_dot = {
    .name = "dot",
    .formula = "y = sum over i of a[i] b[i]",
    .gradient = "ga = gy b, gb = gy a",
    .shapes = "a [S...], b [S...] -> []",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .infer = infer_dot, .ref = ref_dot, .expand = expand_dot,
};

clg_tensor *clg_dot(clg_tensor *a, clg_tensor *b) {
    return clg_node_build(&clg_op_dot, NULL, (clg_tensor *const[]){a, b}, 2);
}

/* --- outer --- */

static clg_status infer_outer(clg_node *n) {
    CLG_TRY(check_types(n));
    if (in_shape(n, 0).ndim != 1 || in_shape(n, 1).ndim != 1)
        return clg_fail_op(n, "wants vectors, with one axis; see clg_flatten(), and clg_einsum() for more axes");
    return set_out(n, 0, in_dtype(n, 0), CLG_SHAPE(in_dim(n, 0, 0), in_dim(n, 1, 0)));
}

static void ref_outer(const clg_node *n, const double *const *in, double *const *out) {
    const int64_t rows = in_dim(n, 0, 0), columns = in_dim(n, 1, 0);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) out[0][i * columns + j] = in[0][i] * in[1][j];
}

static bool expand_outer(const clg_node *n, clg_tensor **out) {
    out[0] = clg_mul(clg_reshape(n->in[0], CLG_SHAPE(in_dim(n, 0, 0), 1)), n->in[1]);
    return out[0] != NULL;
}

const clg_op clg_op_outer = {
    .name = "outer",
    .formula = "y[i,j] = a[i] b[j]",
    .gradient = "ga = gy b, gb = gy^T a",
    .shapes = "a [M], b [N] -> [M,N]",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .infer = infer_outer, .ref = ref_outer, .expand = expand_outer,
};

clg_tensor *clg_outer(clg_tensor *a, clg_tensor *b) {
    return clg_node_build(&clg_op_outer, NULL, (clg_tensor *const[]){a, b}, 2);
}

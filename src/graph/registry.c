/* The list of all ops: the structural ones by name, then the elementwise table. */
#include "graph/op.h"

/* One line an op; each is a row `clg_op_NAME` in src/ops. */
#define CLG_OPS(X)                                                                                     \
    X(input) X(const) X(fill) X(variable) X(assign) X(group) X(stop_grad)                              \
    X(sum) X(mean) X(max) X(argmax) X(first_max)                                                       \
    X(reshape) X(permute)                                                                              \
    X(matmul)                                                                                          \
    X(conv) X(conv_bwd_data) X(conv_bwd_filter)                                                        \
    X(max_pool) X(max_pool_at) X(max_pool_bwd) X(avg_pool) X(avg_pool_bwd)                             \
    X(softmax) X(log_softmax)                                                                          \
    X(cross_entropy) X(cross_entropy_bwd)                                                              \
    X(dropout)

#define X(name) extern const clg_op clg_op_##name;
CLG_OPS(X)
#undef X

static const clg_op *const structural[] = {
#define X(name) &clg_op_##name,
    CLG_OPS(X)
#undef X
};

enum { N_STRUCTURAL = sizeof structural / sizeof structural[0] };

const clg_op *clg_op_at(int i) {
    if (i < 0) return NULL;
    if (i < N_STRUCTURAL) return structural[i];
    return i - N_STRUCTURAL < clg_n_elementwise_ops ? clg_elementwise_ops[i - N_STRUCTURAL] : NULL;
}

int clg_op_count(void) {
    return N_STRUCTURAL + clg_n_elementwise_ops;
}

clg_status clg_op_get_info(int i, clg_op_info *info) {
    const clg_op *op = clg_op_at(i);
    if (!op || !info)
        return clg_fail(CLG_ERR_INVALID, "clg_op_get_info(%d): %s", i,
                        op ? "info is NULL" : "no such op; they are numbered 0 .. clg_op_count() - 1");
    *info = (clg_op_info){ .name = op->name, .formula = op->formula ? op->formula : "",
                           .gradient = op->gradient ? op->gradient : "", .min_in = op->min_in, .max_in = op->max_in,
                           .n_out = op->n_out, .elementwise = op->flags & CLG_OP_ELEMENTWISE,
                           .effect = op->flags & CLG_OP_EFFECT,
                           .differentiable = op->vjp && !(op->flags & CLG_OP_NO_GRAD) };
    return CLG_OK;
}

const char *clg_op_impl(int i, int k) {
    static const char *const elementwise[] = { "elementwise.cpu", "elementwise.gpu" }; /* src/plan/codegen.c */
    const clg_op *op = clg_op_at(i);
    if (!op || k < 0) return NULL;
    if (op->flags & CLG_OP_ELEMENTWISE) return k < 2 ? elementwise[k] : NULL;
    for (int j = 0; op->impls && op->impls[j].name; j++)
        if (j == k) return op->impls[j].name;
    return NULL;
}

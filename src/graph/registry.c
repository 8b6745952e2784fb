/* The list of all ops: the structural ones by name, then the elementwise table. */
#include "graph/op.h"

/* One word an op; each is a row `clg_op_NAME` in src/ops. */
#define CLG_OPS_SOURCE(X) X(input) X(const) X(fill) X(variable) X(assign) X(group) X(stop_grad)
#define CLG_OPS_REDUCE(X) X(sum) X(mean) X(max) X(argmax) X(first_max)
#define CLG_OPS_SHAPE(X)  X(reshape) X(permute)
#define CLG_OPS_INDEX(X)
#define CLG_OPS_LINALG(X) X(matmul)
#define CLG_OPS_CONV(X)   X(conv) X(conv_bwd_data) X(conv_bwd_filter)
#define CLG_OPS_POOL(X)   X(max_pool) X(max_pool_at) X(max_pool_bwd) X(avg_pool) X(avg_pool_bwd)
#define CLG_OPS_LOSS(X)   X(softmax) X(log_softmax) X(cross_entropy) X(cross_entropy_bwd)
#define CLG_OPS_NORM(X)
#define CLG_OPS_RANDOM(X) X(dropout)
#define CLG_OPS_ACTIVATION(X)

#define CLG_OPS(X)                                                                                          \
    CLG_OPS_SOURCE(X) CLG_OPS_REDUCE(X) CLG_OPS_SHAPE(X) CLG_OPS_INDEX(X) CLG_OPS_LINALG(X) CLG_OPS_CONV(X) \
    CLG_OPS_POOL(X) CLG_OPS_LOSS(X) CLG_OPS_NORM(X) CLG_OPS_RANDOM(X) CLG_OPS_ACTIVATION(X)

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
                           .differentiable = (op->vjp || op->expand) && !(op->flags & CLG_OP_NO_GRAD),
                           .shapes = op->shapes ? op->shapes : "", .composite = op->expand != NULL };
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

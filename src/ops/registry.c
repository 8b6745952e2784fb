/* The list of all ops: the structural ones by name, then the elementwise table. */
#include "graph/op.h"

/* One word an op; each is a row `clg_op_NAME` in src/ops. */
#define CLG_OPS_SOURCE(X) X(input) X(const) X(fill) X(variable) X(assign) X(group) X(stop_grad)
#define CLG_OPS_REDUCE(X)                                                                                \
    X(sum) X(mean) X(prod) X(max) X(min) X(argmax) X(argmin) X(first_max) X(first_min) X(var) X(norm)            \
    X(logsumexp) X(any) X(all) X(cumsum)
#define CLG_OPS_SHAPE(X)  X(reshape) X(permute) X(slice) X(place) X(concat) X(stack) X(split) X(pad) X(flip) X(roll) \
                          X(tile) X(repeat) X(axis_map) X(upsample_nearest) \
                          X(upsample_bilinear)
#define CLG_OPS_INDEX(X)  X(gather) X(scatter_add) X(gather_along) X(scatter_add_along) X(embedding) X(one_hot) \
                          X(argsort) X(sort) X(top_k)
#define CLG_OPS_LINALG(X) X(matmul) X(dot) X(outer) X(einsum)
#define CLG_OPS_CONV(X)   X(conv) X(convolve) X(conv_transpose) X(conv_bwd_data) X(conv_bwd_filter) X(im2col) X(col2im)
#define CLG_OPS_POOL(X)   X(max_pool) X(max_pool_at) X(max_pool_bwd) X(avg_pool) X(avg_pool_bwd) \
    X(adaptive_max_pool) X(adaptive_avg_pool) X(global_max_pool) X(global_avg_pool) X(l2_pool)
#define CLG_OPS_LOSS(X)                                                                                  \
    X(softmax) X(log_softmax) X(cross_entropy) X(cross_entropy_bwd) X(cross_entropy_with) X(nll) X(mse)  \
    X(l1) X(huber) X(bce_logits) X(hinge) X(perceptron_loss) X(kl_div)
#define CLG_OPS_NORM(X)   X(batch_norm) X(moments) X(comoments) X(layer_norm) X(rms_norm) X(instance_norm) \
    X(group_norm) X(lrn) X(phase)
#define CLG_OPS_RANDOM(X) X(dropout) X(dropout_channels) X(gaussian_noise) X(random_shift) X(random_flip)
#define CLG_OPS_ACTIVATION(X) X(prelu) X(selu)

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

/* The families in the order of the list, each with how many rows it has; ops of one family stand in one section of the
 * docs. */
#define ONE(name)  +1
#define ROW(...)   +1
#define FLAT(...)  +1
static const struct { const char *name; int ops; } families[] = {
    { "Sources and effects", 0 CLG_OPS_SOURCE(ONE) },
    { "Reductions", 0 CLG_OPS_REDUCE(ONE) },
    { "Shapes and parts", 0 CLG_OPS_SHAPE(ONE) },
    { "Indices and sorting", 0 CLG_OPS_INDEX(ONE) },
    { "Matrix products", 0 CLG_OPS_LINALG(ONE) },
    { "Convolution", 0 CLG_OPS_CONV(ONE) },
    { "Pooling", 0 CLG_OPS_POOL(ONE) },
    { "Softmax and losses", 0 CLG_OPS_LOSS(ONE) },
    { "Normalisation", 0 CLG_OPS_NORM(ONE) },
    { "Random numbers", 0 CLG_OPS_RANDOM(ONE) },
    { "Activations", 0 CLG_OPS_ACTIVATION(ONE) },
    { "Arithmetic and comparison", 0
#include "ops/elementwise_rows.h"
    },
    { "Functions of one number", 0
#include "ops/math_rows.h"
    },
    { "Activations", 0
#include "ops/activation_rows.h"
    },
};

static const char *family_of(int i) {
    size_t f = 0;
    while (f + 1 < sizeof families / sizeof families[0] && i >= families[f].ops) i -= families[f++].ops;
    return families[f].name;
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
                           .shapes = op->shapes ? op->shapes : "", .composite = op->expand != NULL,
                           .family = family_of(i) };
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

double clg_op_impl_growth(int i, int k) {
    if (!clg_op_impl(i, k)) return 0;
    const clg_op *op = clg_op_at(i);
    return op->impls && op->impls[k].inexact ? op->impls[k].growth : 1;
}

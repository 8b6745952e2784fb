/* phase: one value in training plans, another in inference plans, without cost: the planner takes it for a view of the
 * one that counts (CLG_OP_PHASE), so that nothing else is computed for it. */
#include "graph/op.h"

#include <string.h>

static clg_status infer(clg_node *n) {
    if (in_dtype(n, 0) != in_dtype(n, 1) || !clg_shape_equal(in_shape(n, 0), in_shape(n, 1)))
        return clg_fail_op(n, "wants two tensors of one shape and type");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

/* As in training. */
static void ref(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[1], (size_t)out_elems(n, 0) * sizeof *out[0]);
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *const zero = clg_fill(n->graph, gy[0]->dtype, gy[0]->shape, 0);
    if (clg_wants_grad(n, 0)) gx[0] = clg_phase(gy[0], zero);
    if (clg_wants_grad(n, 1)) gx[1] = clg_phase(zero, gy[0]);
}

static clg_cost cost(const clg_node *n) {
    (void)n;
    return (clg_cost){ 0, 0 };
}

extern const clg_op clg_op_phase;

const clg_op clg_op_phase = {
    .name = "phase",
    .formula = "y = b in training plans, a in inference plans",
    .gradient = "ga = 0, gb = gy in training plans; ga = gy, gb = 0 in inference plans",
    .shapes = "a [S...], b [S...] -> [S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_VIEW | CLG_OP_PHASE,
    .infer = infer, .ref = ref, .vjp = vjp, .cost = cost,
};

clg_tensor *clg_phase(clg_tensor *infer_value, clg_tensor *train_value) {
    return clg_node_build(&clg_op_phase, NULL, (clg_tensor *[]){ infer_value, train_value }, 2);
}

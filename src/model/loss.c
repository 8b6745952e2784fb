/* What a model's output is compared with, and what it answers. */
#include "model/model.h"

#include <clgrad/ops.h>

clg_tensor *clg_model_target(const clg_model *m, clg_graph *g, const char *name, int64_t rows) {
    if (!m || clg_model_loss(m) != CLG_LOSS_MSE) return clg_input(g, name, CLG_I32, CLG_SHAPE(rows));
    return clg_input(g, name, CLG_F32, CLG_SHAPE(rows, clg_model_outputs(m)));
}

/* Labels 0 and 1 as reals of f's type and shape. */
static clg_tensor *as_real(clg_tensor *f, clg_tensor *target) {
    return clg_reshape(clg_cast(target, clg_tensor_dtype(f)), clg_tensor_shape(f));
}

/* y = 2 t - 1 */
static clg_tensor *signs(clg_tensor *f, clg_tensor *target) {
    return clg_sub(clg_scale(as_real(f, target), 2), clg_fill(clg_tensor_graph(f), clg_tensor_dtype(f), CLG_SCALAR, 1));
}

/* max(0, -y f), differentiated as -y where y f <= 0: clg_perceptron_loss() has 0 at y f = 0, where Rosenblatt's rule
 * moves the weights. */
static clg_tensor *perceptron(clg_tensor *f, clg_tensor *target) {
    clg_tensor *const yf = clg_mul(signs(f, target), f);
    clg_tensor *const zero = clg_fill(clg_tensor_graph(f), clg_tensor_dtype(f), CLG_SCALAR, 0);
    return clg_mean(clg_where(clg_le(yf, zero), clg_neg(yf), zero), CLG_ALL);
}

clg_tensor *clg_model_loss_of(const clg_model *m, clg_tensor *output, clg_tensor *target) {
    if (!output || !target) return NULL;
    switch (clg_model_loss(m)) {
    case CLG_LOSS_LOGISTIC:   return clg_bce_logits(output, as_real(output, target), NULL, NULL);
    case CLG_LOSS_MSE:        return clg_mse(output, clg_cast(target, clg_tensor_dtype(output)), NULL);
    case CLG_LOSS_HINGE:      return clg_hinge(output, signs(output, target), NULL);
    case CLG_LOSS_PERCEPTRON: return perceptron(output, target);
    default:                  return clg_cross_entropy(output, target);
    }
}

clg_tensor *clg_model_answer(const clg_model *m, clg_tensor *output) {
    if (!output || clg_model_loss(m) == CLG_LOSS_MSE) return NULL;
    const clg_shape rows = {1, {clg_tensor_shape(output).dim[0]}};
    if (clg_model_loss(m) == CLG_LOSS_CROSS_ENTROPY) return clg_reshape(clg_argmax(output, 1), rows);
    clg_tensor *const zero = clg_fill(clg_tensor_graph(output), clg_tensor_dtype(output), CLG_SCALAR, 0);
    return clg_reshape(clg_cast(clg_gt(output, zero), CLG_I32), rows);
}

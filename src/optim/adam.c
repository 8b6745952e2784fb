/* Adam with decoupled weight decay. Source: Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019,
 * arXiv:1711.05101. */
#include "optim/step.h"

#include <math.h>

/* 1 - beta^t = 1 - exp(z), z = t ln(beta) < 0. The difference would lose half of the digits in f32 at the first
 * steps (0.999^t is close to 1), so by tanh: with h = tanh(-z/2), 1 - exp(z) = 2 h / (1 + h). */
static clg_tensor *correction(clg_step *s, double beta) {
    clg_tensor *h = clg_tanh(clg_scale(s->t, -0.5 * log(beta)));
    clg_tensor *one = clg_fill(s->graph, clg_tensor_dtype(s->t), CLG_SCALAR, 1);
    return clg_div(clg_scale(h, 2), clg_add(one, h));
}

clg_tensor *clg_adam_by(const clg_descent *d, const clg_optim_params *p) {
    clg_step s;
    if (!clg_step_begin(&s, "adam", d, p, 2)) return NULL;
    const double b1 = s.o.beta1 > 0 ? s.o.beta1 : 0.9, b2 = s.o.beta2 > 0 ? s.o.beta2 : 0.999;
    const double eps = s.o.eps > 0 ? s.o.eps : 1e-8;
    clg_tensor *c1 = correction(&s, b1), *c2 = correction(&s, b2);
    for (int i = 0; i < s.n; i++) {
        clg_step_at(&s, i);
        clg_tensor *g = s.grad[i];
        clg_tensor *m = clg_step_slot(&s, i, "m"), *v = clg_step_slot(&s, i, "v");
        clg_tensor *m1 = clg_add(clg_scale(m, b1), clg_scale(g, 1 - b1));
        clg_tensor *v1 = clg_add(clg_scale(v, b2), clg_scale(clg_square(g), 1 - b2));
        clg_tensor *root = clg_sqrt(clg_div(v1, clg_step_scalar(&s, i, c2)));
        clg_tensor *floor = clg_fill(s.graph, clg_step_type(&s, i), CLG_SCALAR, eps);
        clg_step_assign(&s, m, m1);
        clg_step_assign(&s, v, v1);
        clg_step_move(&s, i, clg_div(clg_div(m1, clg_step_scalar(&s, i, c1)), clg_add(root, floor)));
    }
    return clg_step_end(&s);
}

/* Steps scaled by the root of past squares: RMSprop (Tieleman & Hinton 2012) forgets them, Adagrad (Duchi et al. 2011)
 * sums them. */
#include "optim/step.h"

/* g / (sqrt(v) + eps) */
static clg_tensor *scaled(const clg_step *s, int i, clg_tensor *g, clg_tensor *v, double eps) {
    clg_tensor *floor = clg_fill(s->graph, clg_step_type(s, i), CLG_SCALAR, eps);
    return clg_div(g, clg_add(clg_sqrt(v), floor));
}

clg_tensor *clg_rmsprop_by(const clg_descent *d, const clg_optim_params *p) {
    clg_step s;
    if (!clg_step_begin(&s, "rmsprop", d, p, 2)) return NULL;
    const double alpha = s.o.alpha > 0 ? s.o.alpha : 0.99, eps = s.o.eps > 0 ? s.o.eps : 1e-8;
    for (int i = 0; i < s.n; i++) {
        clg_step_at(&s, i);
        clg_tensor *g = s.grad[i], *v = clg_step_slot(&s, i, "v");
        clg_tensor *v1 = clg_add(clg_scale(v, alpha), clg_scale(clg_square(g), 1 - alpha));
        clg_tensor *direction = scaled(&s, i, g, v1, eps);
        clg_step_assign(&s, v, v1);
        if (s.o.momentum > 0) {
            clg_tensor *b = clg_step_slot(&s, i, "momentum");
            direction = clg_add(clg_scale(b, s.o.momentum), direction);
            clg_step_assign(&s, b, direction);
        }
        clg_step_move(&s, i, direction);
    }
    return clg_step_end(&s);
}

clg_tensor *clg_adagrad_by(const clg_descent *d, const clg_optim_params *p) {
    clg_step s;
    if (!clg_step_begin(&s, "adagrad", d, p, 1)) return NULL;
    for (int i = 0; i < s.n; i++) {
        clg_step_at(&s, i);
        clg_tensor *g = s.grad[i], *v = clg_step_slot(&s, i, "v");
        clg_tensor *v1 = clg_add(v, clg_square(g));
        clg_step_assign(&s, v, v1);
        clg_step_move(&s, i, scaled(&s, i, g, v1, s.o.eps > 0 ? s.o.eps : 1e-10));
    }
    return clg_step_end(&s);
}

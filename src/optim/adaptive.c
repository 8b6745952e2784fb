/* Steps scaled by the root of past squares: RMSprop (Tieleman & Hinton 2012) forgets them, Adagrad (Duchi et al. 2011)
 * sums them. */
#include "optim/step.h"

/* g / (sqrt(v) + eps) */
static clg_tensor *scaled(const clg_step *s, int i, clg_tensor *g, clg_tensor *v, double eps) {
    clg_tensor *floor = clg_fill(s->graph, clg_step_type(s, i), CLG_SCALAR, eps);
    return clg_div(g, clg_add(clg_sqrt(v), floor));
}

clg_tensor *clg_rmsprop(clg_tensor *loss, const clg_optim_params *p) {
    if (!loss) return NULL;
    const clg_optim_params o = p ? *p : (clg_optim_params){0};
    clg_step s;
    if (!clg_step_begin(&s, "rmsprop", loss, &o, o.lr > 0 ? o.lr : 0.01, 2)) return NULL;
    const double alpha = o.alpha > 0 ? o.alpha : 0.99, eps = o.eps > 0 ? o.eps : 1e-8;
    for (int i = 0; i < s.n; i++) {
        clg_tensor *g = clg_step_grad(&s, i), *v = clg_step_slot(&s, i, "v");
        clg_tensor *v1 = clg_add(clg_scale(v, alpha), clg_scale(clg_square(g), 1 - alpha));
        clg_tensor *direction = scaled(&s, i, g, v1, eps);
        clg_step_assign(&s, v, v1);
        if (o.momentum > 0) {
            clg_tensor *b = clg_step_slot(&s, i, "momentum");
            direction = clg_add(clg_scale(b, o.momentum), direction);
            clg_step_assign(&s, b, direction);
        }
        clg_step_move(&s, i, direction);
    }
    return clg_step_end(&s);
}

clg_tensor *clg_adagrad(clg_tensor *loss, const clg_optim_params *p) {
    if (!loss) return NULL;
    const clg_optim_params o = p ? *p : (clg_optim_params){0};
    clg_step s;
    if (!clg_step_begin(&s, "adagrad", loss, &o, o.lr > 0 ? o.lr : 0.01, 1)) return NULL;
    for (int i = 0; i < s.n; i++) {
        clg_tensor *g = clg_step_grad(&s, i), *v = clg_step_slot(&s, i, "v");
        clg_tensor *v1 = clg_add(v, clg_square(g));
        clg_step_assign(&s, v, v1);
        clg_step_move(&s, i, scaled(&s, i, g, v1, o.eps > 0 ? o.eps : 1e-10));
    }
    return clg_step_end(&s);
}

/* Stochastic gradient descent, with momentum if asked (Polyak 1964 in the form of Sutskever et al. 2013), which may
 * look ahead (Nesterov 1983, in the same form). */
#include "optim/step.h"

clg_tensor *clg_sgd_by(const clg_descent *d, const clg_optim_params *p) {
    clg_step s;
    if (!clg_step_begin(&s, "sgd", d, p, 1)) return NULL;
    for (int i = 0; i < s.n; i++) {
        clg_step_at(&s, i);
        clg_tensor *direction = s.grad[i];
        if (s.o.momentum > 0) {
            clg_tensor *v = clg_step_slot(&s, i, "momentum");
            direction = clg_add(clg_scale(v, s.o.momentum), direction);
            clg_step_assign(&s, v, direction);
            if (s.o.nesterov) direction = clg_add(s.grad[i], clg_scale(direction, s.o.momentum));
        }
        clg_step_move(&s, i, direction);
    }
    return clg_step_end(&s);
}

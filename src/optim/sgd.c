/* Stochastic gradient descent, with momentum if asked (Polyak 1964 in the form of Sutskever et al. 2013), which may
 * look ahead (Nesterov 1983, in the same form). */
#include "optim/step.h"

clg_tensor *clg_sgd(clg_tensor *loss, const clg_optim_params *p) {
    if (!loss) return NULL;
    clg_step s;
    if (!clg_step_begin(&s, "sgd", loss, p, 1)) return NULL;
    for (int i = 0; i < s.n; i++) {
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

/* What a step goes by: gradients, averaged over several runs, with the gradient of the penalty
 * l2/2 |w|^2, and clipped by value and by norm. Fields that are not given add nothing to the graph.
 * Source: Pascanu et al. 2013, arXiv:1211.5063 (clipping by norm). */
#include "optim/step.h"

static clg_tensor *number(const clg_step *s, clg_dtype type, double value) {
    return clg_fill(s->graph, type, CLG_SCALAR, value);
}

/* The k-th run sees the sum of the k - 1 before it, and clears it. */
static clg_tensor *mean_of_runs(clg_step *s, int i, clg_tensor *g) {
    const clg_dtype type = clg_step_type(s, i);
    clg_tensor *sum = clg_step_slot(s, i, "sum"), *total = clg_add(sum, g);
    clg_step_each_run(s, sum, clg_where(s->due, number(s, type, 0), total));
    return clg_div(total, number(s, type, (double)s->o.accumulate));
}

static clg_tensor *norm_of_all(const clg_step *s) {
    clg_tensor *sum = NULL;
    for (int i = 0; i < s->n; i++) {
        clg_step_at(s, i);
        clg_tensor *part = clg_cast(clg_sum(clg_square(s->grad[i]), CLG_ALL), s->type);
        sum = sum ? clg_add(sum, part) : part;
    }
    return clg_sqrt(sum);
}

void clg_step_gradients(clg_step *s) {
    for (int i = 0; i < s->n; i++) {
        clg_step_at(s, i);
        const clg_dtype type = clg_step_type(s, i);
        clg_tensor *g = clg_cast(s->loss ? clg_grad(s->loss, s->param[i]) : s->grad[i], type);
        if (s->due) g = mean_of_runs(s, i, g);
        if (s->o.l2 > 0 && clg_step_decays(s, i)) g = clg_add(g, clg_scale(clg_cast(s->param[i], type), s->o.l2));
        if (s->o.clip_value > 0) g = clg_clamp(g, -s->o.clip_value, s->o.clip_value);
        s->grad[i] = g;
    }
    if (!(s->o.clip_norm > 0)) return;
    clg_tensor *most = number(s, s->type, s->o.clip_norm);
    clg_tensor *factor = clg_div(most, clg_maximum(most, norm_of_all(s))); /* exactly 1 within the bound */
    for (int i = 0; i < s->n; i++) {
        clg_step_at(s, i);
        s->grad[i] = clg_mul(s->grad[i], clg_step_scalar(s, i, factor));
    }
}

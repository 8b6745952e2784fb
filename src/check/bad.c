/* Mistakes a user makes, and what the message has to say: the op, and the shapes that do not fit. */
#include "check/check.h"

#include <string.h>

static const clg_bad_case *const parts[] = {clg_bad_elementwise, clg_bad_shape, clg_bad_linear, clg_bad_network,
    clg_bad_math, clg_bad_activation, clg_bad_conv, clg_bad_index, clg_bad_linalg, clg_bad_loss, clg_bad_move,
    clg_bad_norm, clg_bad_pool, clg_bad_random, clg_bad_reduce};

const clg_bad_case *clg_bad_case_at(int i) {
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        for (const clg_bad_case *b = parts[p]; b->op; b++)
            if (i-- == 0) return b;
    return NULL;
}

/* Builds the mistake, goes on building on it, and compiles: the first error must come out, and only that. */
static void check_bad(const clg_bad_case *b, int number, const clg_check_params *p, clg_check_result *r) {
    clg_graph *g = clg_graph_create(p->ref, NULL);
    clg_tensor *y = g ? b->build(g) : NULL;
    clg_tensor *later = clg_relu(clg_add(y, y));
    clg_plan *plan = g ? clg_compile(g, (clg_list){1, &later}, NULL) : NULL;
    if (y || plan) clg_check_fail(p, r, -1, NULL, "bad case %d (%s): was accepted", number, b->op);
    else if (clg_error_status() != CLG_ERR_SHAPE || clg_graph_status(g) != CLG_ERR_SHAPE)
        clg_check_fail(p, r, -1, NULL, "bad case %d (%s): %s instead of CLG_ERR_SHAPE: %s", number, b->op,
                       clg_status_name(clg_error_status()), clg_error());
    else
        for (int i = 0; i < 3; i++)
            if (b->says[i] && !strstr(clg_error(), b->says[i]))
                clg_check_fail(p, r, -1, NULL, "bad case %d (%s): the message does not say \"%s\": %s", number, b->op,
                               b->says[i], clg_error());
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

int clg_check_bad_cases(const clg_check_params *p, int *tried) {
    clg_check_result r = {.op = "wrong shapes"};
    const clg_bad_case *b;
    int i = 0;
    for (; (b = clg_bad_case_at(i)) != NULL; i++) check_bad(b, i, p, &r);
    *tried = i;
    return r.failures;
}

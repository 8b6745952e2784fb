/* Operands of more than 2^31 bytes, and of more than 2^31 elements. One axis of a case is stretched until its first
 * operand is that large, and the case is compiled for the device with a cap of memory far below. Nothing is run: right
 * is a refusal with a reason (no implementation takes such sizes, or no memory), or a plan that has no use for the
 * operand. A plan that counts too few bytes has wrapped a size. */
#include "check/check.h"

#include <math.h>
#include <string.h>

enum { STRETCHES = 5, CASES = 4 };

static double elems(clg_shape s) {
    double n = 1;
    for (int d = 0; d < s.ndim; d++) n *= (double)s.dim[d];
    return n;
}

/* Which axes grow together, so that the inputs still fit: axis 0, or the last one, of all inputs that agree with the
 * first there; of the first alone; axis 0 of all. */
static bool stretches(const clg_case *c, int how, int input, int *axis) {
    const clg_case_input *in = &c->in[input], *first = &c->in[0];
    if (in->ndim == 0) return false;
    const bool last = how == 1 || how == 3;
    *axis = last ? in->ndim - 1 : 0;
    if (input == 0 || how == 4) return true;
    if (how >= 2) return false;
    return in->dim[*axis] == first->dim[last ? first->ndim - 1 : 0];
}

/* The case with its first input above so many elements; false: it has no axis that could grow. */
static bool stretch(const clg_case *from, int how, double want, clg_case *to) {
    const double have = (double)clg_input_elems(&from->in[0]);
    int axis;
    *to = *from;
    if (from->n_in == 0 || have < 1 || from->in[0].ndim == 0) return false;
    const int64_t factor = (int64_t)(want / have) + 1;
    for (int i = 0; i < from->n_in; i++)
        if (stretches(from, how, i, &axis)) to->in[i].dim[axis] *= factor;
    return true;
}

/* Bytes that a plan of the case cannot do without: those of its result and of what it writes. */
static double least_bytes(const clg_case_run *run) {
    return elems(clg_tensor_shape(run->y)) * (double)clg_dtype_size(clg_tensor_dtype(run->y));
}

/* False: the shapes do not go together. */
static bool check_stretched(const clg_case *c, int number, const clg_check_params *p, clg_check_result *r) {
    clg_case_run run;
    clg_plan_info info;
    clg_status s = clg_case_build(c, p->capped, NULL, &run);
    const bool built = s == CLG_OK;
    if (!built && (s != CLG_ERR_SHAPE && s != CLG_ERR_INVALID && s != CLG_ERR_UNSUP && s != CLG_ERR_NOMEM))
        clg_check_fail(p, r, number, NULL, "over 2^31: building gives %s: %s", clg_status_name(s), clg_error());
    if (built) {
        char shapes[256];
        r->sizes++;
        run.plan = clg_compile(run.graph, (clg_list){1, &run.y}, NULL);
        s = run.plan ? CLG_OK : clg_error_status();
        if (run.plan) clg_plan_get_info(run.plan, &info);
        clg_case_text(c, shapes, sizeof shapes);
        if (run.plan && (double)(info.bytes_fixed + info.bytes_arena) < least_bytes(&run))
            clg_check_fail(p, r, number, NULL, "over 2^31: %s: a plan with %.0f bytes for a result of %.0f", shapes,
                           (double)(info.bytes_fixed + info.bytes_arena), least_bytes(&run));
        else if (!run.plan && s != CLG_ERR_NOMEM && s != CLG_ERR_UNSUP && s != CLG_ERR_SHAPE)
            clg_check_fail(p, r, number, NULL, "over 2^31: %s: %s: %s", shapes, clg_status_name(s), clg_error());
        else if (!run.plan && strlen(clg_error()) < 20)
            clg_check_fail(p, r, number, NULL, "over 2^31: %s: no reason given: \"%s\"", shapes, clg_error());
    }
    clg_case_close(&run);
    return built;
}

void clg_check_sizes(int op, const clg_check_params *p, clg_check_result *r) {
    const double want[] = {0x1p29, 0x1p31};
    const clg_case *c;
    if (!p->capped) return;
    for (size_t w = 0; w < sizeof want / sizeof want[0]; w++) {
        bool done = false;
        for (int i = 0, tried = 0; tried < CASES && !done && (c = clg_case_at(r->op, i)) != NULL; i++) {
            clg_case big;
            if (c->flags & CLG_CASE_BENCH) continue;
            bool any = false;
            for (int how = 0; how < STRETCHES && !done; how++)
                if (stretch(c, how, want[w], &big)) any = true, done = check_stretched(&big, i, p, r);
            tried += any;
        }
    }
}

/* The "ref" device: one step a node, computed by the op's plain C function in double on the caller's thread. */
#include "plan/plan.h"

#include <math.h>

/* Integer tensors hold integers: what a double expression leaves is cut towards zero and kept in range. */
static void truncate(clg_dtype t, double *x, int64_t n) {
    const double lo = t == CLG_U8 ? 0 : t == CLG_I32 ? INT32_MIN : -0x1p63;
    const double hi = t == CLG_U8 ? UINT8_MAX : t == CLG_I32 ? INT32_MAX : 0x1p63;
    if (clg_dtype_is_float(t)) return;
    for (int64_t i = 0; i < n; i++) x[i] = isnan(x[i]) ? 0 : x[i] <= lo ? lo : x[i] >= hi ? hi : trunc(x[i]);
}

void clg_ref_node(const clg_node *n, const double *const *in, double *const *out) {
    n->op->ref(n, in, out);
    for (int i = 0; i < n->n_out; i++) truncate(n->out[i]->dtype, out[i], out_elems(n, i));
}

clg_status clg_emit_ref(clg_plan *p, int unit) {
    const clg_node *n = p->units[unit].nodes[0];
    if (!n->op->ref) return clg_fail(CLG_ERR_UNSUP, "%s has no reference", n->op->name);
    clg_step *s = clg_step_add(p, CLG_STEP_REF, unit, "ref", n->n_in + n->n_out);
    if (!s) return CLG_ERR_NOMEM;
    for (int i = 0; i < s->n_args; i++) {
        const bool input = i < n->n_in;
        const int root = clg_root_of(p, input ? n->in[i] : n->out[i - n->n_in]);
        s->args[i] = (clg_step_arg){ .kind = input ? CLG_ARG_IN : CLG_ARG_OUT, .name = "", .value = root };
        if (p->values[root].constant) p->values[root].place = CLG_PLACE_FIXED;
    }
    const clg_cost cost = n->op->cost ? n->op->cost(n) : cost_of(n, 0);
    s->flops = cost.flops;
    s->bytes = cost.bytes;
    return CLG_OK;
}

clg_status clg_ref_run(clg_plan *p, const clg_step *s) {
    const clg_node *n = p->units[s->unit].nodes[0];
    const double *in[CLG_MAX_IN] = { 0 };
    double *out[CLG_MAX_OUT] = { 0 };
    for (int i = 0; i < s->n_args; i++) {
        const clg_value *v = &p->values[s->args[i].value];
        double *x = clg_buffer_host(v->buffer, v->offset);
        if (i < n->n_in) in[i] = x;
        else out[i - n->n_in] = x;
    }
    clg_ref_node(n, in, out);
    return CLG_OK;
}

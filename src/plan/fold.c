/* Constant folding: a node whose inputs are all known is computed once, by its reference in double, and rounded to its
 * type. Equal elements everywhere stay one number of any size, which kernels then hold as a literal. Integers beyond
 * 2^53 are no doubles: what reads or makes such is left to the device. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

enum { MAX_ELEMS = 65536 }; /* larger results are cheaper to compute than to keep and upload */

static bool foldable(const clg_plan *p, const clg_node *n) {
    const unsigned never = CLG_OP_SOURCE | CLG_OP_EFFECT | CLG_OP_TRAIN_ONLY;
    if (!p->needed[n->id] || (n->op->flags & never) || clg_node_is_view(p, n) || !n->op->ref) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!clg_root_value(p, n->in[i])->constant || in_elems(n, i) > MAX_ELEMS) return false;
    for (int i = 0; i < n->n_out; i++)
        if (out_elems(n, i) > MAX_ELEMS) return false;
    return n->n_in > 0 && n->n_in <= CLG_MAX_IN;
}

static double *input_values(const clg_value *v) {
    const size_t n = (size_t)clg_value_elems(v);
    double *x = clg_alloc((n + 1) * sizeof *x);
    if (!x) return NULL;
    if (v->uniform)
        for (size_t i = 0; i < n; i++) x[i] = v->number;
    else clg_to_double(v->t->dtype, v->host, x, n);
    return x;
}

static bool exact(clg_dtype t, const double *x, size_t n) {
    for (size_t i = 0; t == CLG_I64 && i < n; i++)
        if (!(fabs(x[i]) < 0x1p53)) return false;
    return true;
}

static bool all_equal(const double *x, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (memcmp(&x[i], &x[0], sizeof *x) != 0) return false; /* bits: -0 and NaN count */
    return n > 0;
}

/* Rounds the result to the type and keeps it. */
static clg_status keep(clg_plan *p, clg_value *v, double *x) {
    const size_t n = (size_t)clg_value_elems(v);
    void *host = clg_arena_array(&p->arena, n + 1, clg_dtype_size(v->t->dtype));
    if (!host) return CLG_ERR_NOMEM;
    clg_from_double(v->t->dtype, x, host, n);
    clg_to_double(v->t->dtype, host, x, n);
    v->constant = true;
    v->host = host;
    v->uniform = all_equal(x, n);
    if (v->uniform) v->number = x[0];
    return CLG_OK;
}

static clg_status fold(clg_plan *p, const clg_node *n) {
    const double *in[CLG_MAX_IN] = { 0 };
    double *out[CLG_MAX_OUT] = { 0 };
    clg_status status = CLG_OK;
    for (int i = 0; i < n->n_in; i++)
        if (!(in[i] = input_values(clg_root_value(p, n->in[i])))) CLG_TRY_END(clg_fail_nomem("constant"));
    for (int i = 0; i < n->n_out; i++)
        if (!(out[i] = clg_calloc((size_t)out_elems(n, i) + 1, sizeof **out))) CLG_TRY_END(clg_fail_nomem("constant"));
    for (int i = 0; i < n->n_in; i++)
        if (!exact(in_dtype(n, i), in[i], (size_t)in_elems(n, i))) goto end;
    clg_ref_node(n, in, out);
    for (int i = 0; i < n->n_out; i++)
        if (!exact(n->out[i]->dtype, out[i], (size_t)out_elems(n, i))) goto end;
    for (int i = 0; i < n->n_out; i++) CLG_TRY_END(keep(p, &p->values[n->out[i]->id], out[i]));
end:
    for (int i = 0; i < n->n_in; i++) clg_free((void *)in[i]);
    for (int i = 0; i < n->n_out; i++) clg_free(out[i]);
    return status;
}

/* An elementwise node of equal elements is one number, whatever its size. */
static bool fold_uniform(clg_plan *p, const clg_node *n) {
    double x[CLG_MAX_IN], y;
    if (!p->needed[n->id] || !(n->op->flags & CLG_OP_ELEMENTWISE) || n->n_in > CLG_MAX_IN) return false;
    for (int i = 0; i < n->n_in; i++) {
        const clg_value *v = clg_root_value(p, n->in[i]);
        if (!v->constant || !v->uniform) return false;
        x[i] = v->number;
    }
    clg_value *v = &p->values[n->out[0]->id];
    double bits = 0;
    y = n->op->scalar(x);
    if (!exact(v->t->dtype, &y, 1)) return false;
    clg_from_double(v->t->dtype, &y, &bits, 1);
    clg_to_double(v->t->dtype, &bits, &v->number, 1);
    v->constant = v->uniform = true;
    return true;
}

clg_status clg_plan_fold(clg_plan *p) {
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        if (!fold_uniform(p, n) && foldable(p, n)) CLG_TRY(fold(p, n));
    }
    return CLG_OK;
}

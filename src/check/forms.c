/* Other forms of the operands, for one case of each op: its real inputs as f64 and as f16, its i32 inputs as i64, and
 * every input as a view, once a transposed transpose and once a strided part of something larger. The reference, given
 * the same types and no views, is the judge.
 *
 * f64: the same k, in units of 2^-52. f16 is a storage type: the arithmetic is that of f32, and each of the few nodes
 * of a case rounds its result to f16 once, so the bound is (k + 2) 2^-10; integers up to 2^11 are exact. Views hold the
 * same values as the plain operands, so they keep the case's own bound. */
#include "check/check.h"

#include <float.h>
#include <math.h>

enum { LARGEST = 20000 }; /* elements of all inputs: larger cases say no more about a type */

static const struct form {
    const char   *name;
    clg_case_form as;
    double        eps;   /* 0: that of f32 */
    int           more;  /* added to k */
    double        whole; /* integers up to this are exact; 0: all */
} forms[CLG_FORM_COUNT] = {
    [CLG_FORM_F64]        = {"f64", {.real = CLG_F64}, DBL_EPSILON, 0, 0},
    [CLG_FORM_F16]        = {"f16", {.real = CLG_F16}, 0x1p-10, 2, 2048},
    [CLG_FORM_I64]        = {"i64", {.integer = CLG_I64}, 0, 0, 0},
    [CLG_FORM_TRANSPOSED] = {"transposed", {.view = CLG_VIEW_TRANSPOSED}, 0, 0, 0},
    [CLG_FORM_SLICED]     = {"sliced", {.view = CLG_VIEW_SLICED}, 0, 0, 0},
};

const char *clg_form_name(enum clg_form_kind f) { return forms[f].name; }

/* Whether the form changes this input at all. */
static bool changes(const clg_case_input *in, enum clg_form_kind f) {
    switch (f) {
    case CLG_FORM_I64: return in->dtype == CLG_I32;
    case CLG_FORM_TRANSPOSED: return in->ndim >= 2 && in->dim[in->ndim - 1] > 1 && in->dim[in->ndim - 2] > 1;
    case CLG_FORM_SLICED: return in->ndim >= 1;
    default: return clg_input_is_real(in);
    }
}

static bool changes_any(const clg_case *c, enum clg_form_kind f) {
    bool any = false;
    for (int i = 0; i < c->n_in; i++) any = any || changes(&c->in[i], f);
    return any;
}

/* A case that the form changes and the reference takes. */
static bool suits(const clg_case *c, enum clg_form_kind f, const clg_check_params *p) {
    clg_case_run run;
    const int64_t n = clg_case_elems(c);
    if (c->flags & CLG_CASE_BENCH || n < 2 || n > LARGEST || !changes_any(c, f)) return false;
    const clg_status s = clg_case_open(c, p->ref, &forms[f].as, NULL, &run);
    const bool elements = s == CLG_OK && run.n > 0;
    clg_case_close(&run);
    return elements;
}

/* The first exact case that suits, else the first that does; -1: none. */
static int pick(const char *op, enum clg_form_kind f, const clg_check_params *p) {
    const clg_case *c;
    for (int exact = 1; exact >= 0; exact--)
        for (int i = 0; (c = clg_case_at(op, i)) != NULL; i++) {
            if (p->only_case && p->only_case != i + 1) continue;
            if (!(c->flags & CLG_CASE_EXACT) == !exact && suits(c, f, p)) return i;
        }
    return -1;
}

/* Without fp64 there is no f64. */
static bool device_has(const clg_check_params *p, enum clg_form_kind f) {
    clg_device_info info;
    clg_device_get_info(p->dev, &info);
    return f != CLG_FORM_F64 || info.fp64;
}

static void check_form(int op, enum clg_form_kind f, const clg_check_params *p, clg_check_result *r) {
    clg_form_result *form = &r->form[f];
    const int before = r->failures;
    clg_expected want;
    form->pass = true;
    form->number = device_has(p, f) ? pick(r->op, f, p) : -1;
    if (form->number < 0) return;
    const clg_case *c = clg_case_at(r->op, form->number);
    const clg_check_job j = {.op = op, .number = form->number, .c = c, .form = forms[f].as, .what = forms[f].name,
                             .eps = forms[f].eps > 0 ? forms[f].eps : FLT_EPSILON, .k = c->k + forms[f].more,
                             .whole = forms[f].whole > 0 ? forms[f].whole : INFINITY, .p = p, .r = r,
                             .max_error = &form->max_error, .bound = &form->bound};
    clg_check_job plain = j; /* a view changes nothing of the result */
    plain.form.view = CLG_VIEW_PLAIN;
    if (clg_check_expect(&plain, &want)) {
        if (!p->only_impl) form->plans += clg_check_plan(&j, NULL, NULL, &want, NULL);
        if (f < CLG_FORM_TRANSPOSED || p->only_impl)
            for (unsigned ran = clg_check_impls(&j, &want); ran; ran &= ran - 1) form->plans++;
        clg_expected_free(&want);
    }
    form->pass = r->failures == before;
}

void clg_check_forms(int op, const clg_check_params *p, clg_check_result *r) {
    for (int f = 0; f < CLG_FORM_COUNT; f++) check_form(op, (enum clg_form_kind)f, p, r);
}

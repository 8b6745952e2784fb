/* Whether a candidate computes what it should: its results against the reference, at the full size, on operands that
 * are small integers, so that sums are exact whatever their order.
 *
 * Where the reference would take too long, it computes a part (clg_op.cut): the last images or rows. If results of
 * parts stand side by side, that part of the candidate's result is compared; if they add up, the operands are 0 outside
 * it. The whole result is then compared with that of the first candidate that agreed with the reference. */
#include "plan/tune.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REF_FLOPS = 200000000 }; /* about half a second of the reference */

/* What an inexact implementation may be off by, as a part of the largest result. */
static const double INEXACT = 2e-5;

struct clg_tune_check {
    const clg_node *n;
    clg_tune_graph  ref;         /* the problem, or a part of it, on the device "ref" */
    clg_tune_part   part;
    bool     is_cut;
    void    *data[CLG_TUNE_INPUTS]; /* of the dtype, at full size */
    double  *want[CLG_MAX_OUT];  /* of the part */
    int64_t  n_want[CLG_MAX_OUT];
    void    *whole[CLG_MAX_OUT]; /* the results of the first right candidate; NULL: none yet */
    bool     whole_inexact;
    double   own_most;           /* the largest of the op's own results, where a chain follows */
    double  *slack;              /* of the part: what the chain makes, for each element, of the error that an inexact
                                    implementation may have; NULL: none follows, or that was not needed yet */
    double   most_slack;
    char     why[160];           /* the first difference of the last wrong candidate */
};

/* --- operands --- */

/* SplitMix64 (Steele et al. 2014). */
static uint64_t next(uint64_t *s) {
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* What integer operands, which may be indices into any of the others, stay below. */
static int64_t index_limit(const clg_node *n) {
    int64_t least = INT32_MAX;
    for (int i = 0; i < n->n_in; i++)
        for (int k = 0; k < n->in[i]->shape.ndim; k++)
            if (clg_dtype_is_float(in_dtype(n, i)) && in_dim(n, i, k) < least) least = in_dim(n, i, k);
    return least < 1 || least == INT32_MAX ? 1 : least;
}

void *clg_tune_operand(const clg_tensor *t, int64_t limit, uint64_t seed, bool positive) {
    enum { BLOCK = 256 };
    const int64_t elems = clg_shape_elems(t->shape);
    const size_t size = clg_dtype_size(t->dtype);
    char *data = clg_calloc((size_t)elems + 1, size);
    double x[BLOCK];
    for (int64_t at = 0; data && at < elems; at += BLOCK) {
        const int64_t m = elems - at < BLOCK ? elems - at : BLOCK;
        for (int64_t i = 0; i < m; i++) {
            const uint64_t r = next(&seed) >> 8;
            x[i] = !clg_dtype_is_float(t->dtype) ? (double)(r % (t->dtype == CLG_U8 ? 2 : (uint64_t)limit))
                 : positive ? (double)(r % 4) + 1 : (double)(r % 7) - 3;
        }
        clg_from_double(t->dtype, x, data + (size_t)at * size, (size_t)m);
    }
    return data;
}

static clg_status make_operands(clg_tune_check *c, bool positive) {
    for (int i = 0; i < c->ref.n_in; i++) {
        clg_free(c->data[i]);
        c->data[i] = clg_tune_operand(c->ref.given[i], index_limit(c->n), (uint64_t)i + 1, positive);
        if (!c->data[i]) return clg_fail_nomem("operands");
    }
    return CLG_OK;
}

/* --- parts --- */

/* Elements before an axis, and from one position of it to the next. */
static void around(clg_shape s, int axis, int64_t *outer, int64_t *inner) {
    *outer = *inner = 1;
    for (int i = 0; i < axis; i++) *outer *= s.dim[i];
    for (int i = axis + 1; i < s.ndim; i++) *inner *= s.dim[i];
}

/* The elements of t at positions first .. first + count - 1 of the axis (-1: all of them), of its dtype. */
static void *part_of(const clg_tensor *t, const void *data, int axis, const clg_tune_part *part) {
    const size_t size = clg_dtype_size(t->dtype);
    int64_t outer = 1, inner = clg_shape_elems(t->shape), dim = 1, first = 0, count = 1;
    if (axis >= 0) {
        around(t->shape, axis, &outer, &inner);
        dim = t->shape.dim[axis];
        first = part->first;
        count = part->count;
    }
    const size_t bytes = (size_t)(count * inner) * size;
    char *x = clg_alloc((size_t)outer * bytes + 1);
    for (int64_t o = 0; x && o < outer; o++)
        memcpy(x + (size_t)o * bytes, (const char *)data + (size_t)((o * dim + first) * inner) * size, bytes);
    return x;
}

/* Everything outside the part becomes 0. */
static void *only_part(const clg_tensor *t, const void *data, int axis, const clg_tune_part *part) {
    const size_t size = clg_dtype_size(t->dtype);
    int64_t outer, inner;
    around(t->shape, axis, &outer, &inner);
    char *x = clg_calloc((size_t)clg_shape_elems(t->shape) + 1, size);
    for (int64_t o = 0; x && o < outer; o++) {
        const size_t at = (size_t)((o * t->shape.dim[axis] + part->first) * inner) * size;
        memcpy(x + at, (const char *)data + at, (size_t)(part->count * inner) * size);
    }
    return x;
}

static void choose_part(clg_tune_check *c) {
    const clg_node *n = c->n;
    const double flops = (n->op->cost ? n->op->cost(n) : cost_of(n, 0)).flops;
    if (flops <= REF_FLOPS || !n->op->cut || n->n_out != 1 || !n->op->cut(n, &c->part.cut)) return;
    for (int i = 0; i < n->n_in && !c->is_cut; i++) {
        if (c->part.cut.in[i] < 0) continue;
        const int64_t dim = in_dim(n, i, c->part.cut.in[i]), fits = (int64_t)((double)dim * REF_FLOPS / flops);
        c->part.count = fits < 1 ? 1 : fits < dim ? fits : dim;
        c->part.first = dim - c->part.count;
        c->is_cut = true;
    }
}

/* --- the reference --- */

/* The reference's plan, its operands written. */
static clg_status open_reference(const clg_tune_check *c, clg_plan **out) {
    clg_tensor *targets[CLG_MAX_OUT + 1];
    clg_status status = CLG_OK;
    int n = 0;
    for (; n < c->ref.n_out; n++) targets[n] = c->ref.out[n];
    if (c->ref.own) targets[n++] = c->ref.own;
    *out = clg_compile(c->ref.graph, (clg_list){ n, targets }, NULL);
    if (!*out) return clg_error_status();
    for (int i = 0; i < c->ref.n_in && status >= 0; i++) {
        void *data = part_of(c->ref.given[i], c->data[i], c->ref.axis[i], &c->part);
        status = data ? clg_write(*out, c->ref.in[i], data, clg_tensor_bytes(c->ref.in[i])) : clg_fail_nomem("operands");
        clg_free(data);
    }
    return status;
}

static clg_status run_nudged(const clg_tune_check *c, clg_plan *plan, double by) {
    double number;
    if (c->ref.nudge) {
        clg_from_double(c->ref.nudge->dtype, &by, &number, 1);
        CLG_TRY(clg_write(plan, c->ref.nudge, &number, clg_tensor_bytes(c->ref.nudge)));
    }
    return clg_run(plan);
}

static clg_status read_result(clg_plan *plan, clg_tensor *y, void **data) {
    const size_t bytes = clg_tensor_bytes(y);
    *data = clg_alloc(bytes + 1);
    if (!*data) return clg_fail_nomem("results");
    return clg_read(plan, y, *data, bytes);
}

/* n elements as doubles; takes the data over. */
static double *doubles_of(clg_dtype t, void *data, int64_t n) {
    double *x = data ? clg_alloc((size_t)(n + 1) * sizeof *x) : NULL;
    if (x) clg_to_double(t, data, x, (size_t)n);
    clg_free(data);
    return x;
}

static clg_status read_doubles(clg_plan *plan, clg_tensor *y, double **out) {
    void *data = NULL;
    const clg_status status = read_result(plan, y, &data);
    *out = NULL;
    if (status < 0) clg_free(data);
    else *out = doubles_of(y->dtype, data, clg_shape_elems(y->shape));
    return status < 0 || *out ? status : clg_fail_nomem("results");
}

static double largest(const double *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most) most = fabs(x[i]);
    return most;
}

static clg_status compute(clg_tune_check *c) {
    clg_plan *plan = NULL;
    double *own = NULL;
    clg_status status = open_reference(c, &plan);
    if (status >= 0) status = run_nudged(c, plan, 0);
    for (int k = 0; k < c->ref.n_out && status >= 0; k++) {
        clg_free(c->want[k]);
        c->n_want[k] = clg_shape_elems(c->ref.out[k]->shape);
        status = read_doubles(plan, c->ref.out[k], &c->want[k]);
    }
    if (status >= 0 && c->ref.own) status = read_doubles(plan, c->ref.own, &own);
    if (own) c->own_most = largest(own, clg_shape_elems(c->ref.own->shape));
    clg_free(own);
    clg_plan_destroy(&plan);
    return status;
}

/* A chain may stretch errors of the op, or cut off the large results that errors are measured by: "normalize, relu6".
 * So it is followed from results that are all off by the error, up and down. */
static clg_status find_slack(clg_tune_check *c) {
    clg_plan *plan = NULL;
    clg_status status = open_reference(c, &plan);
    c->slack = clg_calloc((size_t)c->n_want[0] + 1, sizeof *c->slack);
    if (status >= 0 && !c->slack) status = clg_fail_nomem("results");
    for (int up = 0; up < 2 && status >= 0; up++) {
        double *moved = NULL;
        status = run_nudged(c, plan, (up ? 1 : -1) * INEXACT * c->own_most);
        if (status >= 0) status = read_doubles(plan, c->ref.out[0], &moved);
        for (int64_t i = 0; status >= 0 && i < c->n_want[0]; i++) {
            const double off = fabs(moved[i] - c->want[0][i]);
            if (isfinite(off) && off > c->slack[i]) c->slack[i] = off;
        }
        clg_free(moved);
    }
    if (c->slack) c->most_slack = largest(c->slack, c->n_want[0]);
    clg_plan_destroy(&plan);
    return status;
}

/* Operands for which the op gives no numbers tell nothing. */
static bool mostly_nan(const clg_tune_check *c) {
    int64_t n = 0;
    for (int64_t i = 0; i < c->n_want[0]; i++) n += !isfinite(c->want[0][i]);
    return 2 * n > c->n_want[0];
}

clg_status clg_tune_check_create(const clg_plan *p, const clg_unit *u, clg_tune_check **out) {
    clg_status status = CLG_OK;
    clg_tune_check *c = clg_calloc(1, sizeof *c);
    clg_device *ref = c ? clg_device_open("ref", NULL) : NULL;
    if (!c) return clg_fail_nomem("check");
    if (!ref) CLG_TRY_END(clg_error_status());
    c->n = u->seen;
    choose_part(c);
    CLG_TRY_END(clg_tune_graph_build(&c->ref, ref, p, u, c->is_cut ? &c->part : NULL, true));
    for (int positive = 0; positive < 2; positive++) {
        CLG_TRY_END(make_operands(c, positive));
        CLG_TRY_END(compute(c));
        if (!mostly_nan(c)) break;
    }
    *out = c;
    c = NULL;
end:
    clg_device_destroy(&ref);
    clg_tune_check_destroy(&c);
    return status;
}

void clg_tune_check_destroy(clg_tune_check **check) {
    clg_tune_check *c = *check;
    if (!c) return;
    for (int i = 0; i < CLG_TUNE_INPUTS; i++) clg_free(c->data[i]);
    for (int i = 0; i < CLG_MAX_OUT; i++) {
        clg_free(c->want[i]);
        clg_free(c->whole[i]);
    }
    clg_free(c->slack);
    clg_graph_destroy(&c->ref.graph);
    clg_free(c);
    *check = NULL;
}

/* --- comparing --- */

/* Reals may differ by a part of the largest; the direct sums of small integers do not differ at all, but functions and
 * quotients do, and so do the transforms of inexact implementations (as many as are compared), by the error that they
 * promise. */
static bool agree(clg_tune_check *c, const clg_tensor *y, const double *have, const double *want, int64_t n, int inexact,
                  bool whole) {
    const double part = !clg_dtype_is_float(y->dtype) ? 0 : inexact ? inexact * INEXACT : 64 * 0x1p-23;
    const double allowed = part * largest(want, n);
    for (int64_t i = 0; i < n; i++) {
        const bool same = have[i] == want[i] || (isnan(have[i]) && isnan(want[i]));
        const double slack = !c->slack ? 0 : whole ? c->most_slack : c->slack[i];
        if (same || fabs(have[i] - want[i]) <= fmax(allowed, inexact * slack)) continue;
        snprintf(c->why, sizeof c->why, "element %lld of %lld is %.9g, and should be %.9g", (long long)i, (long long)n,
                 have[i], want[i]);
        return false;
    }
    return true;
}

/* The same, but for errors that a chain has enlarged. whole: not of the part, so that the largest counts for all. */
static clg_status agree_after_chain(clg_tune_check *c, const clg_tensor *y, const double *have, const double *want,
                                    int64_t n, int inexact, bool whole, bool *right) {
    *right = agree(c, y, have, want, n, inexact, whole);
    if (*right || !inexact || !c->ref.nudge || c->slack) return CLG_OK;
    CLG_TRY(find_slack(c));
    *right = agree(c, y, have, want, n, inexact, whole);
    return CLG_OK;
}

const char *clg_tune_check_why(const clg_tune_check *c) { return c->why; }

static clg_status write_operands(const clg_tune_check *c, clg_plan *plan, const clg_tune_graph *g, bool part) {
    for (int i = 0; i < g->n_in; i++) {
        const int axis = c->ref.axis[i];
        const bool cuts = part && axis >= 0;
        void *cut = cuts ? only_part(g->given[i], c->data[i], axis, &c->part) : NULL;
        if (cuts && !cut) return clg_fail_nomem("operands");
        const clg_status status = clg_write(plan, g->in[i], cut ? cut : c->data[i], clg_tensor_bytes(g->in[i]));
        clg_free(cut);
        CLG_TRY(status);
    }
    return CLG_OK;
}

/* Fills the place of a result with bytes that are no result: memory that is used again may hold the right one, left by
 * a candidate before. */
static clg_status spoil_result(clg_plan *plan, const clg_tensor *y) {
    const clg_value *v = clg_root_value(plan, y);
    const size_t bytes = clg_tensor_bytes(y);
    void *garbage = clg_alloc(bytes + 1);
    if (!garbage) return clg_fail_nomem("results");
    memset(garbage, 0xff, bytes);
    const clg_status status = v->buffer ? clg_buffer_write(v->buffer, v->offset, y->dtype, garbage,
                                                           (size_t)clg_value_elems(v)) : CLG_OK;
    clg_free(garbage);
    return status;
}

/* Result k against the reference's, of the part if side by side. */
static clg_status judge(clg_tune_check *c, int k, const clg_tensor *y, const void *data, bool inexact,
                        bool *right) {
    const int axis = c->is_cut ? c->part.cut.out : -1;
    double *have = doubles_of(y->dtype, part_of(y, data, axis, &c->part), c->n_want[k]);
    if (!have) return clg_fail_nomem("results");
    const clg_status status = *right
        ? agree_after_chain(c, y, have, c->want[k], c->n_want[k], inexact, false, right) : CLG_OK;
    clg_free(have);
    return status;
}

/* The whole result k against that of the first right candidate, or kept as such. */
static clg_status judge_whole(clg_tune_check *c, int k, const clg_tensor *y, void **data, bool inexact, bool *right) {
    const int64_t n = clg_shape_elems(y->shape);
    if (!*right || !c->is_cut) return CLG_OK;
    if (!c->whole[k]) {
        c->whole[k] = *data;
        c->whole_inexact = inexact;
        *data = NULL;
        return CLG_OK;
    }
    double *have = doubles_of(y->dtype, part_of(y, *data, -1, NULL), n);
    double *want = doubles_of(y->dtype, part_of(y, c->whole[k], -1, NULL), n);
    const clg_status status = have && want
        ? agree_after_chain(c, y, have, want, n, inexact + c->whole_inexact, true, right) : clg_fail_nomem("results");
    clg_free(have);
    clg_free(want);
    return status;
}

clg_status clg_tune_check_run(clg_tune_check *c, clg_plan *plan, const clg_tune_graph *g, bool inexact, bool *right) {
    const bool adds_up = c->is_cut && c->part.cut.out < 0;
    *right = true;
    for (int run = adds_up ? 0 : 1; run < 2; run++) {
        CLG_TRY(write_operands(c, plan, g, run == 0));
        for (int k = 0; k < g->n_out; k++) CLG_TRY(spoil_result(plan, g->out[k]));
        CLG_TRY(clg_run(plan));
        for (int k = 0; k < g->n_out; k++) {
            void *data = NULL;
            clg_status status = read_result(plan, g->out[k], &data);
            if (status >= 0 && (run == 0 || !adds_up)) status = judge(c, k, g->out[k], data, inexact, right);
            if (status >= 0 && run == 1) status = judge_whole(c, k, g->out[k], &data, inexact, right);
            clg_free(data);
            CLG_TRY(status);
        }
    }
    return CLG_OK;
}

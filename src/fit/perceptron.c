/* The perceptron with its own rule (Rosenblatt 1958), and Novikoff's bound (1962) on its mistakes. Sequential: each row
 * needs the weights that the row before left; so on the host, in double. */
#include <clgrad/perceptron.h>

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

/* A run: the rows, the present weights (w[dim] is b), and those before an earlier pass. */
typedef struct run {
    const double  *x;
    const int32_t *y;
    int64_t n, dim;
    const clg_perceptron_params *p;
    double  *w, *before; /* [dim + 1] */
    int64_t *pass_updates, passes;
    int      cap;
} run;

static double score(const double *w, double b, const double *x, int64_t dim) {
    double s = b;
    for (int64_t j = 0; j < dim; j++) s += w[j] * x[j];
    return s;
}

static clg_status check_rows(const char *call, const double *x, const int32_t *y, int64_t n, int64_t dim) {
    if (!x || !y || n < 1 || dim < 1)
        return clg_fail(CLG_ERR_INVALID, "%s: needs rows: x is %s, y is %s, n = %lld, dim = %lld", call,
                        x ? "given" : "NULL", y ? "given" : "NULL", (long long)n, (long long)dim);
    for (int64_t i = 0; i < n; i++) {
        if (y[i] != 1 && y[i] != -1)
            return clg_fail(CLG_ERR_INVALID, "%s: the label of row %lld is %d; labels are 1 and -1", call, (long long)i,
                            (int)y[i]);
        for (int64_t j = 0; j < dim; j++)
            if (!isfinite(x[i * dim + j]))
                return clg_fail(CLG_ERR_INVALID, "%s: column %lld of row %lld is %g; leave the row out or fill it in",
                                call, (long long)j, (long long)i, x[i * dim + j]);
    }
    return CLG_OK;
}

/* One pass over the rows; *updates: how many there were. */
static clg_status pass(run *r, int64_t *updates) {
    const int64_t dim = r->dim;
    *updates = 0;
    for (int64_t i = 0; i < r->n; i++) {
        const double *x = r->x + i * dim, y = r->y[i];
        if (y * score(r->w, r->w[dim], x, dim) > 0) continue;
        for (int64_t j = 0; j < dim; j++) r->w[j] += y * x[j];
        r->w[dim] += y;
        ++*updates;
        const double s = score(r->w, r->w[dim], x, dim);
        if (!isfinite(s))
            return clg_fail(CLG_ERR_INVALID, "perceptron_fit(): <w, x> + b of row %lld in pass %lld is %g: the numbers "
                            "are too large for double; scale the columns", (long long)i, (long long)r->passes + 1, s);
        if (r->p->on_update) r->p->on_update(r->p->user, i, r->w, r->w[dim]);
    }
    if (!clg_grow(&r->pass_updates, &r->cap, (int)r->passes + 1, sizeof *r->pass_updates))
        return clg_fail_nomem("perceptron");
    r->pass_updates[r->passes++] = *updates;
    return CLG_OK;
}

/* Passes until one has no update, the weights come back, or there were enough. What a pass does depends on the weights
 * before it alone, so equal weights mean a cycle; they are compared with those after pass 1, 2, 4, 8, ... (Brent 1980):
 * that meets every cycle and keeps one set of weights. */
static clg_status passes(run *r, int64_t most, enum clg_perceptron_end *end) {
    const size_t bytes = ((size_t)r->dim + 1) * sizeof *r->w;
    for (int64_t next = 1; r->passes < most;) {
        int64_t updates;
        CLG_TRY(pass(r, &updates));
        if (updates == 0) *end = CLG_PERCEPTRON_CONVERGED;
        else if (memcmp(r->w, r->before, bytes) == 0) *end = CLG_PERCEPTRON_CYCLE;
        if (*end != CLG_PERCEPTRON_PASSES) break;
        if (r->passes == next) {
            memcpy(r->before, r->w, bytes);
            next *= 2;
        }
    }
    return CLG_OK;
}

clg_status clg_perceptron_fit(const double *x, const int32_t *y, int64_t n, int64_t dim,
                              const clg_perceptron_params *p, clg_perceptron_result *out) {
    const clg_perceptron_params defaults = {0};
    run r = { .x = x, .y = y, .n = n, .dim = dim, .p = p ? p : &defaults };
    const int64_t most = r.p->max_passes ? r.p->max_passes : 1000;
    enum clg_perceptron_end end = CLG_PERCEPTRON_PASSES;
    clg_status status;
    if (!out) return clg_fail(CLG_ERR_INVALID, "perceptron_fit(): the result is NULL");
    CLG_TRY(check_rows("perceptron_fit()", x, y, n, dim));
    if (most < 1 || most > INT32_MAX)
        return clg_fail(CLG_ERR_INVALID, "perceptron_fit(): max_passes is %lld; give 1 to %d, or 0 for 1000",
                        (long long)most, INT32_MAX);
    r.w = clg_calloc((size_t)dim + 1, sizeof *r.w);
    r.before = clg_calloc((size_t)dim + 1, sizeof *r.before);
    if (!r.w || !r.before) status = clg_fail_nomem("perceptron");
    else status = passes(&r, most, &end);
    clg_free(r.before);
    if (status < 0) {
        clg_free(r.w);
        clg_free(r.pass_updates);
        return status;
    }
    *out = (clg_perceptron_result){ .end = end, .passes = r.passes, .pass_updates = r.pass_updates, .dim = dim,
                                    .w = r.w, .b = r.w[dim] };
    for (int64_t i = 0; i < r.passes; i++) out->updates += r.pass_updates[i];
    for (int64_t i = 0; i < n; i++) out->right += y[i] * score(r.w, r.w[dim], x + i * dim, dim) > 0;
    return CLG_OK;
}

void clg_perceptron_result_free(clg_perceptron_result *r) {
    if (!r) return;
    clg_free(r->w);
    clg_free(r->pass_updates);
    *r = (clg_perceptron_result){0};
}

clg_status clg_perceptron_bound(const double *x, const int32_t *y, int64_t n, int64_t dim, const double *w, double b,
                                clg_mistake_bound *out) {
    if (!out) return clg_fail(CLG_ERR_INVALID, "perceptron_bound(): the result is NULL");
    CLG_TRY(check_rows("perceptron_bound()", x, y, n, dim));
    double length = fabs(b), radius = 0, margin = INFINITY;
    for (int64_t j = 0; w && j < dim; j++) length = hypot(length, w[j]);
    if (!w || !(length > 0) || !isfinite(length))
        return clg_fail(CLG_ERR_INVALID, "perceptron_bound(): |(w, b)| is %g; give finite weights, not all of them 0",
                        w ? length : 0.0);
    for (int64_t i = 0; i < n; i++) {
        double norm = 0;
        for (int64_t j = 0; j < dim; j++) norm = hypot(norm, x[i * dim + j]);
        const double s = score(w, b, x + i * dim, dim);
        if (!isfinite(s))
            return clg_fail(CLG_ERR_INVALID, "perceptron_bound(): <w, x> + b of row %lld is %g: the numbers are too "
                            "large for double; scale the columns", (long long)i, s);
        radius = fmax(radius, norm);
        margin = fmin(margin, y[i] * s / length);
    }
    *out = (clg_mistake_bound){ radius, margin, margin > 0 ? (radius * radius + 1) / (margin * margin) : INFINITY };
    return CLG_OK;
}

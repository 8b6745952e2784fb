/* Standardisation: each feature of an item, or channel of a picture, to mean 0 and variance 1. Mean and variance are
 * kept up to date number by number (Welford 1962, doi:10.1080/00401706.1962.10490022): nothing cancels, whatever the
 * mean, and a constant feature has variance 0 exactly. */
#include "data/scaler.h"
#include "base/alloc.h"
#include "base/error.h"
#include "data/dataset.h"
#include <math.h>
#include <string.h>

static const char mean_name[] = "data.mean", deviation_name[] = "data.deviation";

clg_scaler *clg_scaler_ref(clg_scaler *s) {
    if (s) atomic_fetch_add(&s->refs, 1);
    return s;
}

void clg_scaler_destroy(clg_scaler **s) {
    if (!s || !*s) return;
    clg_scaler *dead = *s;
    *s = NULL;
    if (atomic_fetch_sub(&dead->refs, 1) > 1) return;
    clg_free(dead->mean);
    clg_free(dead->deviation);
    clg_free(dead);
}

/* Of n zeros each. */
static clg_scaler *scaler_new(int64_t n) {
    clg_scaler *s = clg_calloc(1, sizeof *s);
    if (s) {
        atomic_init(&s->refs, 1);
        s->n = n;
        s->mean = clg_calloc((size_t)n, sizeof *s->mean);
        s->deviation = clg_calloc((size_t)n, sizeof *s->deviation);
    }
    if (s && s->mean && s->deviation) return s;
    clg_scaler_destroy(&s);
    clg_fail_nomem("scaler");
    return NULL;
}

static clg_status check_numbers(const clg_scaler *s, clg_status code, const char *call) {
    for (int64_t k = 0; k < s->n; k++)
        if (!isfinite(s->mean[k]) || !isfinite(s->deviation[k]) || !(s->deviation[k] > 0))
            return clg_fail(code, "%s: feature %lld has mean %g and deviation %g; they must be finite, and a "
                            "deviation more than 0", call, (long long)k, s->mean[k], s->deviation[k]);
    return CLG_OK;
}

clg_scaler *clg_scaler_create(int64_t n, const double *mean, const double *deviation) {
    if (n < 1 || n > INT64_MAX / (int64_t)sizeof *mean || !mean || !deviation) {
        clg_fail(CLG_ERR_INVALID, "scaler_create: %s", n < 1 ? "at least one feature is needed" :
                 !mean ? "mean is NULL" : !deviation ? "deviation is NULL" : "too many features");
        return NULL;
    }
    clg_scaler *s = scaler_new(n);
    if (!s) return NULL;
    memcpy(s->mean, mean, (size_t)n * sizeof *mean);
    memcpy(s->deviation, deviation, (size_t)n * sizeof *deviation);
    if (check_numbers(s, CLG_ERR_INVALID, "scaler_create") < 0) clg_scaler_destroy(&s);
    return s;
}

/* --- fitting --- */

/* squares: of the differences to the mean, summed up. */
static void fit(const clg_dataset *d, clg_scaler *s, double *row, double *squares) {
    const clg_items *it = &d->bank->items;
    const int64_t plane = (int64_t)clg_items_numbers(it) / s->n; /* numbers of an item that share a mean */
    for (int64_t i = 0; i < d->n; i++) {
        clg_row_x(it, NULL, d->rows[i], CLG_F64, row);
        for (int64_t k = 0; k < s->n; k++) {
            double mean = s->mean[k], sum = squares[k];
            for (int64_t j = 0; j < plane; j++) {
                const double x = row[k * plane + j], difference = x - mean;
                mean += difference / (double)(i * plane + j + 1);
                sum += difference * (x - mean);
            }
            s->mean[k] = mean;
            squares[k] = sum;
        }
    }
    const double count = (double)d->n * (double)plane;
    for (int64_t k = 0; k < s->n; k++) s->deviation[k] = squares[k] > 0 ? sqrt(squares[k] / count) : 1;
}

clg_scaler *clg_scaler_fit(const clg_dataset *d) {
    if (!d || d->part != CLG_TRAIN || d->scaler) {
        clg_fail(CLG_ERR_INVALID, "scaler_fit: %s", !d ? "data set is NULL" : d->scaler ?
                 "the data set is standardised already" : d->part == CLG_TEST ?
                 "a test part must not have a say in the scale; fit it on the training part" :
                 "a validation part must not have a say in the scale; fit it on the training part");
        return NULL;
    }
    const int64_t tested = clg_dataset_test_items(d);
    if (tested > 0) {
        clg_fail(CLG_ERR_INVALID, "scaler_fit: %lld of the %lld items are in a test part, which must not have a say in "
                 "the scale; fit it on the training part", (long long)tested, (long long)d->n);
        return NULL;
    }
    clg_scaler *s = scaler_new(d->bank->items.shape.dim[0]);
    double *row = clg_calloc(clg_items_numbers(&d->bank->items), sizeof *row);
    double *squares = s ? clg_calloc((size_t)s->n, sizeof *squares) : NULL;
    if (!s || !row || !squares) {
        clg_fail_nomem("scaler");
        clg_scaler_destroy(&s);
    } else {
        fit(d, s, row, squares);
        /* numbers near the largest double have squares beyond it */
        if (check_numbers(s, CLG_ERR_INVALID, "scaler_fit") < 0) clg_scaler_destroy(&s);
    }
    clg_free(row);
    clg_free(squares);
    return s;
}

clg_status clg_dataset_standardize(clg_dataset *d, const clg_scaler *s) {
    if (!d || !s || d->scaler)
        return clg_fail(CLG_ERR_INVALID, "dataset_standardize: %s", !d ? "data set is NULL" : !s ? "scaler is NULL" :
                        "the data set is standardised already");
    if (s->n != d->bank->items.shape.dim[0])
        return clg_fail(CLG_ERR_SHAPE, "dataset_standardize: the scaler has %lld features, the items have %lld",
                        (long long)s->n, (long long)d->bank->items.shape.dim[0]);
    if (d->pre) clg_prefetch_drop(d->pre);
    d->scaler = clg_scaler_ref((clg_scaler *)s); /* the numbers stay const: only the count of its users changes */
    return CLG_OK;
}

/* --- facts, and the store --- */

int64_t clg_scaler_size(const clg_scaler *s) {
    return s ? s->n : 0;
}

const double *clg_scaler_mean(const clg_scaler *s) {
    return s ? s->mean : NULL;
}

const double *clg_scaler_deviation(const clg_scaler *s) {
    return s ? s->deviation : NULL;
}

static clg_status put(clg_store *store, const char *name, const double *v, int64_t n) {
    float *f = clg_calloc((size_t)n, sizeof *f);
    if (!f) return clg_fail_nomem("scaler");
    for (int64_t i = 0; i < n; i++) f[i] = (float)v[i];
    const clg_status status = clg_store_put(store, name, CLG_F32, CLG_SHAPE(n), f);
    clg_free(f);
    return status;
}

clg_status clg_scaler_to_store(const clg_scaler *s, clg_store *store) {
    if (!s || !store)
        return clg_fail(CLG_ERR_INVALID, "scaler_to_store: %s is NULL", s ? "store" : "scaler");
    CLG_TRY(put(store, mean_name, s->mean, s->n));
    return put(store, deviation_name, s->deviation, s->n);
}

/* The entry of a name; false: there is none. */
static bool find(const clg_store *store, const char *name, clg_store_entry *e) {
    for (int i = 0; i < clg_store_count(store); i++)
        if (clg_store_get(store, i, e) >= 0 && strcmp(e->name, name) == 0) return true;
    return false;
}

static clg_status get(clg_store *store, const char *name, double *v, int64_t n) {
    float *f = clg_calloc((size_t)n, sizeof *f);
    if (!f) return clg_fail_nomem("scaler");
    const clg_status status = clg_store_read(store, name, f, (size_t)n * sizeof *f);
    for (int64_t i = 0; status >= 0 && i < n; i++) v[i] = f[i];
    clg_free(f);
    return status;
}

clg_status clg_scaler_from_store(clg_store *store, clg_scaler **out) {
    clg_store_entry m, d;
    if (!store || !out)
        return clg_fail(CLG_ERR_INVALID, "scaler_from_store: %s is NULL", store ? "the place for the scaler" : "store");
    const bool mean = find(store, mean_name, &m), deviation = find(store, deviation_name, &d);
    if (!mean && !deviation) {
        *out = NULL;
        return CLG_OK;
    }
    if (!mean || !deviation || m.dtype != CLG_F32 || d.dtype != CLG_F32 || m.shape.ndim != 1 || d.shape.ndim != 1 ||
        m.shape.dim[0] != d.shape.dim[0] || m.shape.dim[0] < 1)
        return clg_fail(CLG_ERR_FORMAT, "scaler_from_store: %s and %s must be two f32 tensors of one axis and one size",
                        mean_name, deviation_name);
    clg_scaler *s = scaler_new(m.shape.dim[0]);
    if (!s) return CLG_ERR_NOMEM;
    clg_status status = CLG_OK;
    CLG_TRY_END(get(store, mean_name, s->mean, s->n));
    CLG_TRY_END(get(store, deviation_name, s->deviation, s->n));
    CLG_TRY_END(check_numbers(s, CLG_ERR_FORMAT, "scaler_from_store"));
    *out = s;
    return CLG_OK;
end:
    clg_scaler_destroy(&s);
    return status;
}

/* One case on one device: values, building, compiling, running, reading. */
#include "check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const clg_case *const parts[] = {clg_cases_elementwise, clg_cases_shape, clg_cases_linear, clg_cases_network,
    clg_cases_activation, clg_cases_conv, clg_cases_index, clg_cases_loss,
    clg_cases_norm, clg_cases_pool, clg_cases_random, clg_cases_reduce};

const clg_case *clg_case_at(const char *op, int i) {
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        for (const clg_case *c = parts[p]; c->op; c++)
            if (strcmp(c->op, op) == 0 && i-- == 0) return c;
    return NULL;
}

char *clg_case_text(const clg_case *c, char *text, size_t size) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < c->n_in && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%s[", i ? " " : "", clg_dtype_name(c->in[i].dtype));
        for (int d = 0; d < c->in[i].ndim && at < size; d++)
            at += (size_t)snprintf(text + at, size - at, "%s%lld", d ? "," : "", (long long)c->in[i].dim[d]);
        if (at < size) at += (size_t)snprintf(text + at, size - at, "]");
    }
    if (c->text && at < size) snprintf(text + at, size - at, "%s%s", at ? " " : "", c->text);
    return text;
}

/* --- values --- */

/* SplitMix64 (Steele et al. 2014): small, good enough for test values, the same everywhere. */
static uint64_t next(uint64_t *s) {
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
static double unit(uint64_t *s) { return (double)(next(s) >> 40) * 0x1p-24; } /* [0, 1), exact in f32 */
static double small(uint64_t *s, int low, int high) { return low + (double)(next(s) % (uint64_t)(high - low + 1)); }

int64_t clg_input_elems(const clg_case_input *in) {
    int64_t n = 1;
    for (int d = 0; d < in->ndim; d++) n *= in->dim[d];
    return n;
}

static double value(const clg_case_input *in, bool exact, uint64_t *s) {
    double x;
    switch (in->fill) {
    case CLG_FILL_AWAY:
        x = exact ? small(s, 1, 3) : 0.2 + 0.75 * unit(s);
        return next(s) & 1 ? x : -x;
    case CLG_FILL_POSITIVE: return exact ? small(s, 1, 4) : 0.5 + 1.5 * unit(s);
    case CLG_FILL_LABEL: return next(s) % 8 == 0 ? -1 : small(s, 0, in->top - 1);
    case CLG_FILL_BOOL: return small(s, 0, 1);
    case CLG_FILL_UNIT:
    case CLG_FILL_DISTINCT: break;
    }
    return exact || in->dtype == CLG_I32 ? small(s, -3, 3) : in->dtype == CLG_U8 ? small(s, 0, 3) : 2 * unit(s) - 1;
}

double *clg_case_values(const clg_case *c, int i, uint64_t seed, bool exact) {
    const clg_case_input *in = &c->in[i];
    const int64_t n = clg_input_elems(in);
    double *v = malloc((size_t)(n + 1) * sizeof *v);
    if (!v) return NULL;
    uint64_t s = seed * 1000003 + (uint64_t)i * 7919 + exact;
    if (in->fill == CLG_FILL_DISTINCT && !exact) {
        for (int64_t j = 0; j < n; j++) v[j] = (float)((2.0 * (double)j + 1) / (double)n - 1);
        for (int64_t j = n - 1; j > 0; j--) {
            const int64_t k = (int64_t)(next(&s) % (uint64_t)(j + 1));
            const double t = v[j];
            v[j] = v[k], v[k] = t;
        }
    } else {
        for (int64_t j = 0; j < n; j++) v[j] = (float)value(in, exact, &s);
    }
    return v;
}

/* --- host bytes of a type from and to doubles --- */

static void to_bytes(clg_dtype t, const double *v, int64_t n, void *bytes) {
    for (int64_t i = 0; i < n; i++) switch (t) {
        case CLG_F64: ((double *)bytes)[i] = v[i]; break;
        case CLG_I32: ((int32_t *)bytes)[i] = (int32_t)v[i]; break;
        case CLG_U8: ((uint8_t *)bytes)[i] = (uint8_t)v[i]; break;
        default: ((float *)bytes)[i] = (float)v[i];
        }
}

static void from_bytes(clg_dtype t, const void *bytes, int64_t n, double *v) {
    for (int64_t i = 0; i < n; i++) switch (t) {
        case CLG_F64: v[i] = ((const double *)bytes)[i]; break;
        case CLG_I32: v[i] = ((const int32_t *)bytes)[i]; break;
        case CLG_U8: v[i] = ((const uint8_t *)bytes)[i]; break;
        default: v[i] = ((const float *)bytes)[i];
        }
}

/* --- a case on a device --- */

static clg_status what_counts(const clg_case *c, clg_case_run *r) {
    clg_store_entry e = {.dtype = clg_tensor_dtype(r->y), .shape = clg_tensor_shape(r->y)};
    for (int i = 0; c->flags & CLG_CASE_EFFECT && i < clg_store_count(r->store); i++) {
        const clg_status s = clg_store_get(r->store, i, &e);
        if (s < 0) return s;
        if (strcmp(e.name, "s") == 0) break;
    }
    r->dtype = e.dtype;
    r->n = 1;
    for (int d = 0; d < e.shape.ndim; d++) r->n *= e.shape.dim[d];
    return CLG_OK;
}

clg_status clg_case_open(const clg_case *c, clg_device *dev, clg_dtype real, const clg_plan_params *pp,
                         clg_case_run *r) {
    static const char *const names[CLG_CASE_INPUTS] = {"a", "b", "c", "d", "e", "f"};
    *r = (clg_case_run){.store = clg_store_create(dev, 42)};
    r->graph = r->store ? clg_graph_create(dev, r->store) : NULL;
    if (!r->graph) goto fail;
    for (int i = 0; i < c->n_in; i++) {
        clg_shape s = {c->in[i].ndim, {0}};
        memcpy(s.dim, c->in[i].dim, sizeof s.dim);
        const clg_dtype t = c->in[i].dtype == CLG_F32 ? real : c->in[i].dtype;
        r->in[i] = clg_input(r->graph, names[i], t, s);
    }
    r->y = c->build(c, r->graph, r->in);
    r->plan = clg_compile(r->graph, (clg_list){1, &r->y}, pp);
    if (!r->plan || what_counts(c, r) < 0) goto fail;
    return CLG_OK;
fail:
    clg_case_close(r);
    return clg_error_status() < 0 ? clg_error_status() : CLG_ERR_INVALID;
}

void clg_case_close(clg_case_run *r) {
    clg_plan_destroy(&r->plan);
    clg_graph_destroy(&r->graph);
    clg_store_destroy(&r->store);
}

clg_status clg_case_write(const clg_case *c, clg_case_run *r, int i, const double *values) {
    const int64_t n = clg_input_elems(&c->in[i]);
    const size_t bytes = clg_tensor_bytes(r->in[i]);
    void *host = malloc(bytes + 1);
    if (!host) return CLG_ERR_NOMEM;
    to_bytes(clg_tensor_dtype(r->in[i]), values, n, host);
    const clg_status s = clg_write(r->plan, r->in[i], host, bytes);
    free(host);
    return s;
}

clg_status clg_case_fill(const clg_case *c, clg_case_run *r, uint64_t seed, bool exact) {
    clg_status s = CLG_OK;
    for (int i = 0; i < c->n_in && s == CLG_OK; i++) {
        double *v = clg_case_values(c, i, seed, exact);
        s = v ? clg_case_write(c, r, i, v) : CLG_ERR_NOMEM;
        free(v);
    }
    return s;
}

clg_status clg_case_outcome(const clg_case *c, clg_case_run *r, double **out) {
    const bool effect = c->flags & CLG_CASE_EFFECT;
    const size_t bytes = (size_t)r->n * clg_dtype_size(r->dtype);
    void *host = malloc(bytes + 1);
    double *v = malloc((size_t)(r->n + 1) * sizeof *v);
    clg_status s = host && v ? clg_run(r->plan) : CLG_ERR_NOMEM;
    if (s == CLG_OK && effect) s = clg_run(r->plan);
    if (s == CLG_OK) s = effect ? clg_store_read(r->store, "s", host, bytes) : clg_read(r->plan, r->y, host, bytes);
    if (s == CLG_OK) from_bytes(r->dtype, host, r->n, v);
    free(host);
    if (s == CLG_OK) *out = v;
    else free(v);
    return s;
}

bool clg_case_uses(const clg_case_run *r, const char *impl) {
    char *text = NULL, quoted[128];
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return false;
    const clg_status s = clg_plan_report(r->plan, CLG_REPORT_JSON, f);
    bool found = false;
    if (fclose(f) == 0 && s == CLG_OK) {
        snprintf(quoted, sizeof quoted, "\"%s\"", impl);
        found = strstr(text, quoted) != NULL;
    }
    free(text);
    return found;
}

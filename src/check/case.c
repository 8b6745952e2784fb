/* One case on one device: values, types, views, building, compiling, running, reading. */
#include "check/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const clg_case *const parts[] = {clg_cases_elementwise, clg_cases_shape, clg_cases_linear, clg_cases_network,
    clg_cases_math, clg_cases_activation, clg_cases_conv, clg_cases_index, clg_cases_linalg, clg_cases_loss,
    clg_cases_move, clg_cases_norm, clg_cases_pool, clg_cases_random, clg_cases_reduce,
    clg_cases_wino};

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

int64_t clg_case_elems(const clg_case *c) {
    int64_t n = 0;
    for (int i = 0; i < c->n_in; i++) n += clg_input_elems(&c->in[i]);
    return n;
}

bool clg_input_is_real(const clg_case_input *in) { return in->dtype == CLG_F32; }

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

/* IEEE 754 binary16, to nearest, ties to even; written here once more so that the library's own is checked by it. */
static uint16_t to_half(double x) {
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const double a = fabs(x);
    if (isnan(x)) return 0x7e00;
    if (a >= 65520) return sign | 0x7c00; /* the middle between the largest number and the next power of two */
    const int e = a < 0x1p-14 ? -14 : ilogb(a);
    const long m = lrint(ldexp(a, 10 - e)); /* 1024 .. 2048, below it a subnormal; a carry moves into the exponent */
    return (uint16_t)(sign | ((e + 14) * 1024 + m));
}

static double from_half(uint16_t h) {
    const int e = h >> 10 & 31, m = h & 1023;
    const double a = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h & 0x8000 ? -a : a;
}

/* bfloat16 is the upper half of binary32. */
static uint16_t to_brain(double x) {
    const float f = (float)x;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return isnan(x) ? 0x7fc0 : (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static double from_brain(uint16_t b) {
    const uint32_t u = (uint32_t)b << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

void clg_bytes_from(clg_dtype t, const double *v, int64_t n, void *bytes) {
    for (int64_t i = 0; i < n; i++) switch (t) {
        case CLG_F64: ((double *)bytes)[i] = v[i]; break;
        case CLG_F16: ((uint16_t *)bytes)[i] = to_half(v[i]); break;
        case CLG_BF16: ((uint16_t *)bytes)[i] = to_brain(v[i]); break;
        case CLG_I32: ((int32_t *)bytes)[i] = (int32_t)v[i]; break;
        case CLG_I64: ((int64_t *)bytes)[i] = (int64_t)v[i]; break;
        case CLG_U8: ((uint8_t *)bytes)[i] = (uint8_t)v[i]; break;
        default: ((float *)bytes)[i] = (float)v[i];
        }
}

void clg_bytes_to(clg_dtype t, const void *bytes, int64_t n, double *v) {
    for (int64_t i = 0; i < n; i++) switch (t) {
        case CLG_F64: v[i] = ((const double *)bytes)[i]; break;
        case CLG_F16: v[i] = from_half(((const uint16_t *)bytes)[i]); break;
        case CLG_BF16: v[i] = from_brain(((const uint16_t *)bytes)[i]); break;
        case CLG_I32: v[i] = ((const int32_t *)bytes)[i]; break;
        case CLG_I64: v[i] = (double)((const int64_t *)bytes)[i]; break;
        case CLG_U8: v[i] = ((const uint8_t *)bytes)[i]; break;
        default: v[i] = ((const float *)bytes)[i];
        }
}

/* --- operands that are views of the graph's inputs --- */

/* Where element 0 of an operand lies in its base, how far its axes go there, and the shape of the base. */
typedef struct layout {
    clg_shape base;
    int64_t   stride[CLG_MAX_DIMS], offset;
} layout;

/* A slice takes every second element of the first and the last axis, and leaves one out at each end of all. */
static int64_t slice_step(int axis, int ndim) { return axis == 0 || axis == ndim - 1 ? 2 : 1; }

static layout layout_of(const clg_case_input *in, enum clg_case_view view) {
    layout l = {.base = {in->ndim, {0}}};
    const int n = in->ndim;
    int64_t step = 1;
    memcpy(l.base.dim, in->dim, sizeof l.base.dim);
    if (view == CLG_VIEW_TRANSPOSED && n >= 2) l.base.dim[n - 1] = in->dim[n - 2], l.base.dim[n - 2] = in->dim[n - 1];
    for (int d = 0; d < n && view == CLG_VIEW_SLICED; d++) l.base.dim[d] = slice_step(d, n) * in->dim[d] + 2;
    for (int d = n - 1; d >= 0; step *= l.base.dim[d--]) {
        l.stride[d] = step;
        if (view != CLG_VIEW_SLICED) continue;
        l.stride[d] *= slice_step(d, n);
        l.offset += step;
    }
    if (view == CLG_VIEW_TRANSPOSED && n >= 2) {
        const int64_t t = l.stride[n - 1];
        l.stride[n - 1] = l.stride[n - 2], l.stride[n - 2] = t;
    }
    return l;
}

/* The operand as graph over its base. */
static clg_tensor *view_of(clg_tensor *base, const clg_case_input *in, enum clg_case_view view) {
    if (view == CLG_VIEW_TRANSPOSED && in->ndim >= 2) return clg_transpose(base);
    for (int d = 0; view == CLG_VIEW_SLICED && d < in->ndim; d++) {
        const int64_t step = slice_step(d, in->ndim);
        base = clg_slice(base, d, 1, 1 + step * in->dim[d], step);
    }
    return base;
}

/* The base with the values at the operand's places, and elsewhere what would show in any result. */
static double *spread(const layout *l, const clg_case_input *in, const double *v) {
    const int64_t n = clg_input_elems(in);
    int64_t all = 1, index[CLG_MAX_DIMS] = {0};
    for (int d = 0; d < in->ndim; d++) all *= l->base.dim[d];
    double *x = malloc((size_t)(all + 1) * sizeof *x);
    for (int64_t i = 0; x && i < all; i++) x[i] = clg_input_is_real(in) ? NAN : 119;
    for (int64_t i = 0, at = l->offset; x && i < n; i++) {
        x[at] = v[i];
        for (int d = in->ndim - 1; d >= 0; d--) {
            at += l->stride[d];
            if (++index[d] < in->dim[d]) break;
            at -= l->stride[d] * in->dim[d];
            index[d] = 0;
        }
    }
    return x;
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

static clg_dtype type_in(const clg_case_input *in, const clg_case_form *form) {
    if (clg_input_is_real(in)) return form->real;
    return in->dtype == CLG_I32 && form->integer ? form->integer : in->dtype;
}

clg_status clg_case_build(const clg_case *c, clg_device *dev, const clg_case_form *form, clg_case_run *r) {
    static const char *const names[CLG_CASE_INPUTS] = {"a", "b", "c", "d", "e", "f"};
    *r = (clg_case_run){.store = clg_store_create(dev, 42)};
    if (form) r->form = *form;
    r->graph = r->store ? clg_graph_create(dev, r->store) : NULL;
    if (!r->graph) return clg_error_status();
    for (int i = 0; i < c->n_in; i++) {
        const layout l = layout_of(&c->in[i], r->form.view);
        r->base[i] = clg_input(r->graph, names[i], type_in(&c->in[i], &r->form), l.base);
        r->in[i] = view_of(r->base[i], &c->in[i], r->form.view);
    }
    r->y = c->build(c, r->graph, r->in);
    if (r->y && clg_graph_status(r->graph) == CLG_OK) return CLG_OK;
    return clg_error_status() < 0 ? clg_error_status() : CLG_ERR_INVALID;
}

clg_status clg_case_open(const clg_case *c, clg_device *dev, const clg_case_form *form, const clg_plan_params *pp,
                         clg_case_run *r) {
    clg_status s = clg_case_build(c, dev, form, r);
    if (s == CLG_OK) {
        r->plan = clg_compile(r->graph, (clg_list){1, &r->y}, pp);
        s = r->plan ? what_counts(c, r) : clg_error_status();
    }
    if (s < 0) clg_case_close(r);
    return s;
}

void clg_case_close(clg_case_run *r) {
    clg_plan_destroy(&r->plan);
    clg_graph_destroy(&r->graph);
    clg_store_destroy(&r->store);
}

clg_status clg_case_write(const clg_case *c, clg_case_run *r, int i, const double *values) {
    const size_t bytes = clg_tensor_bytes(r->base[i]), size = clg_dtype_size(clg_tensor_dtype(r->base[i]));
    const layout l = layout_of(&c->in[i], r->form.view);
    void *host = malloc(bytes + 1);
    double *base = r->form.view ? spread(&l, &c->in[i], values) : NULL;
    clg_status s = host && (base || !r->form.view) ? CLG_OK : CLG_ERR_NOMEM;
    if (s == CLG_OK) {
        clg_bytes_from(clg_tensor_dtype(r->base[i]), base ? base : values, (int64_t)(bytes / size), host);
        s = clg_write(r->plan, r->base[i], host, bytes);
    }
    free(base);
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
    if (s == CLG_OK) clg_bytes_to(r->dtype, host, r->n, v);
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

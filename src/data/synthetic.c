/* Sets made by a formula. Every number is drawn by Philox at a counter made of item, number and purpose, so that it
 * depends on nothing that was drawn before; normal numbers by Box and Muller 1958, doi:10.1214/aoms/1177706645. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/philox.h"
#include "data/items.h"
#include <clgrad/sources.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_N = 200, NAME = 24 };
static const int64_t max_n = INT32_MAX, max_features = 1 << 20;
static const double pi = 3.14159265358979323846;

enum purpose { FOR_X, FOR_NOISE, FOR_W, FOR_FLIP };

/* Params with defaults filled in, and what is drawn from them. */
typedef struct maker {
    int64_t     n, features, n_w;
    uint64_t    seed;
    double      noise, margin, flip, b;
    double     *w;   /* own copy */
    clg_items   out;
} maker;

/* --- random numbers --- */

/* Two numbers uniform in (0, 1), of 53 bits. */
static void draw(const maker *m, enum purpose why, int64_t item, int64_t k, double u[2]) {
    const uint32_t key[2] = { (uint32_t)m->seed, (uint32_t)(m->seed >> 32) };
    const uint32_t counter[4] = { (uint32_t)item, (uint32_t)k, (uint32_t)why, 0 };
    uint32_t bits[4];
    clg_philox(counter, key, bits);
    for (int i = 0; i < 2; i++) {
        const uint64_t word = ((uint64_t)bits[2 * i] << 32 | bits[2 * i + 1]) >> 12;
        u[i] = ((double)word + 0.5) * 0x1p-52;
    }
}

static double uniform(const maker *m, enum purpose why, int64_t item, int64_t k) {
    double u[2];
    draw(m, why, item, k, u);
    return u[0];
}

static double normal(const maker *m, enum purpose why, int64_t item, int64_t k) {
    double u[2];
    draw(m, why, item, k, u);
    return sqrt(-2 * log(u[0])) * cos(2 * pi * u[1]);
}

static double noise(const maker *m, int64_t item, int64_t k) {
    return m->noise > 0 ? m->noise * normal(m, FOR_NOISE, item, k) : 0;
}

/* --- kinds: each fills one item --- */

static void make_linear(maker *m, int64_t i) {
    double *x = m->out.real + i * m->features, y = m->b;
    for (int64_t k = 0; k < m->features; k++) {
        x[k] = normal(m, FOR_X, i, k);
        y += m->w[k] * x[k];
    }
    m->out.target[i] = y + noise(m, i, 0);
}

static void make_poly(maker *m, int64_t i) {
    double *x = m->out.real + i * m->features, y = 0, power = 1;
    const double v = 2 * uniform(m, FOR_X, i, 0) - 1;
    for (int64_t k = m->n_w - 1; k >= 0; k--) y = y * v + m->w[k];
    for (int64_t k = 0; k < m->features; k++) x[k] = power *= v;
    m->out.target[i] = y + noise(m, i, 0);
}

static void make_xor(maker *m, int64_t i) {
    double *x = m->out.real + 2 * i;
    x[0] = (double)(i >> 1 & 1) + noise(m, i, 0);
    x[1] = (double)((i >> 1 & 1) ^ (i & 1)) + noise(m, i, 1);
}

static void make_moons(maker *m, int64_t i) {
    double *x = m->out.real + 2 * i;
    const int64_t k = i / 2, of = (m->n + 1 - i % 2) / 2; /* of the points of its class */
    const double a = of > 1 ? pi * (double)k / (double)(of - 1) : 0;
    x[0] = (i % 2 ? 1 - cos(a) : cos(a)) + noise(m, i, 0);
    x[1] = (i % 2 ? 0.5 - sin(a) : sin(a)) + noise(m, i, 1);
}

/* A normal point is moved along w, so that its distance from the plane becomes what its class needs. */
static void make_clouds(maker *m, int64_t i) {
    double *x = m->out.real + i * m->features, along = 0;
    const double spread = m->noise > 0 ? m->noise : 1, y = i % 2 ? 1 : -1;
    for (int64_t k = 0; k < m->features; k++) {
        x[k] = spread * normal(m, FOR_X, i, k);
        along += m->w[k] * x[k];
    }
    /* the last term is more than the rounding of the sums, so that the margin holds to the last bit */
    const double want = m->margin + fabs(along) + 1e-12 * (1 + fabs(m->margin) + fabs(m->b) + fabs(along));
    for (int64_t k = 0; k < m->features; k++) x[k] += (y * want - m->b - along) * m->w[k];
}

/* --- weights --- */

static clg_status copy_weights(maker *m, const double *from, int64_t n) {
    m->w = clg_calloc((size_t)n, sizeof *m->w);
    if (!m->w) return clg_fail_nomem("weights of a data set");
    m->n_w = n;
    for (int64_t k = 0; k < n; k++) m->w[k] = from ? from[k] : normal(m, FOR_W, 0, k);
    return CLG_OK;
}

static clg_status weights_linear(maker *m, const double *given) {
    static const double book[2] = { 2, -3.4 };
    if (!given && m->features == 2) {
        given = book;
        if (m->b == 0) m->b = 4.2;
    }
    return copy_weights(m, given, m->features);
}

static clg_status weights_poly(maker *m, const double *given) {
    static const double cubic[4] = { 0.5, -1, -1, 2.5 };
    return given ? copy_weights(m, given, m->n_w) : copy_weights(m, cubic, 4);
}

static clg_status weights_clouds(maker *m, const double *given) {
    double length = 0;
    CLG_TRY(copy_weights(m, given, m->features));
    for (int64_t k = 0; k < m->n_w; k++) length = hypot(length, m->w[k]);
    if (!(length > 0)) return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(clouds): w is zero: it has no direction");
    for (int64_t k = 0; k < m->n_w; k++) m->w[k] /= length;
    return CLG_OK;
}

/* --- the table of kinds --- */

enum { HAS_MARGIN = 1, HAS_WEIGHTS = 2, HAS_FEATURES = 4 };

typedef struct kind {
    const char *name;
    int         has;
    int64_t     features;         /* default */
    const char *class_name[2];    /* NULL: real targets */
    clg_status (*weights)(maker *m, const double *given);
    void      (*make)(maker *m, int64_t i);
} kind;

static const kind kinds[] = {
    { "linear", HAS_WEIGHTS | HAS_FEATURES,              2, { NULL, NULL },       weights_linear, make_linear },
    { "poly",   HAS_WEIGHTS | HAS_FEATURES,              1, { NULL, NULL },       weights_poly,   make_poly   },
    { "xor",    0,                                       2, { "0", "1" },         NULL,           make_xor    },
    { "moons",  0,                                       2, { "upper", "lower" }, NULL,           make_moons  },
    { "clouds", HAS_WEIGHTS | HAS_FEATURES | HAS_MARGIN, 2, { "-1", "+1" },       weights_clouds, make_clouds },
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static const kind *find_kind(const char *name) {
    for (int i = 0; name && i < N_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): unknown kind; known are linear, poly, xor, moons and clouds",
             name ? name : "NULL");
    return NULL;
}

static clg_status check_params(const kind *k, const clg_synthetic_params *p) {
    const bool poly = k->make == make_poly;
    if (p->n < 0 || p->n > max_n)
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): n is %lld; 1 to %lld are possible", k->name,
                        (long long)p->n, (long long)max_n);
    if (p->features < 0 || p->features > max_features || (p->features > 0 && !(k->has & HAS_FEATURES)))
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): %lld features; possible are %s", k->name,
                        (long long)p->features, k->has & HAS_FEATURES ? "1 to 2^20" : "the 2 it has");
    if (!(p->noise >= 0 && isfinite(p->noise)) || !isfinite(p->margin) || !isfinite(p->b))
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): noise %g, margin %g, b %g: noise must not be "
                        "negative, and all must be finite", k->name, p->noise, p->margin, p->b);
    if (!(p->flip >= 0 && p->flip <= 1) || (p->flip > 0 && !k->class_name[0]))
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): flip %g: it is a fraction of items with classes",
                        k->name, p->flip);
    if ((p->margin != 0 && !(k->has & HAS_MARGIN)) || ((p->w || p->n_w || p->b != 0) && !(k->has & HAS_WEIGHTS)))
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): it has no %s", k->name,
                        p->margin != 0 && !(k->has & HAS_MARGIN) ? "margin" : "w and b");
    if (poly && p->b != 0)
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(poly): it has no b; the constant is w[0]");
    if ((p->w != NULL) != (p->n_w > 0) || (p->w && !poly && p->features > 0 && p->n_w != p->features))
        return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): %lld weights for %lld features", k->name,
                        (long long)p->n_w, (long long)p->features);
    for (int64_t i = 0; i < p->n_w; i++)
        if (!isfinite(p->w[i]))
            return clg_fail(CLG_ERR_INVALID, "dataset_synthetic(%s): w[%lld] is %g", k->name, (long long)i, p->w[i]);
    return CLG_OK;
}

/* --- making --- */

/* text, between, number: "x2", "x^2"; number 0: the text alone. */
static char *name_of(const char *text, const char *between, int64_t number) {
    char *name = clg_alloc(NAME);
    if (name && number > 0) snprintf(name, NAME, "%s%s%lld", text, between, (long long)number);
    else if (name) snprintf(name, NAME, "%s", text);
    return name;
}

static clg_status make_names(maker *m, const kind *k) {
    clg_items *out = &m->out;
    bool ok = (out->feature_name = clg_calloc((size_t)m->features + 1, sizeof(char *))) != NULL;
    for (int64_t i = 0; ok && i < m->features; i++) {
        const bool poly = k->make == make_poly;
        out->feature_name[i] = name_of("x", poly ? "^" : "", poly && i == 0 ? 0 : i + 1);
        ok = out->feature_name[i] != NULL;
    }
    if (ok && k->class_name[0]) ok = (out->class_name = clg_calloc(3, sizeof(char *))) != NULL;
    for (int i = 0; ok && k->class_name[0] && i < 2; i++)
        ok = (out->class_name[i] = name_of(k->class_name[i], "", 0)) != NULL;
    return ok ? CLG_OK : clg_fail_nomem("names of a data set");
}

/* Exactly round(flip n) labels change. Source: Knuth, TAOCP 2, 3.4.2, algorithm S. */
static void flip_labels(maker *m) {
    int64_t left = (int64_t)floor(m->flip * (double)m->n + 0.5);
    for (int64_t i = 0; i < m->n && left > 0; i++) {
        if (uniform(m, FOR_FLIP, i, 0) * (double)(m->n - i) >= (double)left) continue;
        m->out.label[i] ^= 1;
        left--;
    }
}

static clg_status make_items(maker *m, const kind *k) {
    clg_items *out = &m->out;
    CLG_TRY(make_names(m, k));
    out->n = m->n;
    out->shape = CLG_SHAPE(m->features);
    out->real = clg_calloc((size_t)m->n, (size_t)m->features * sizeof *out->real);
    if (k->class_name[0]) out->label = clg_calloc((size_t)m->n, sizeof *out->label);
    else out->target = clg_calloc((size_t)m->n, sizeof *out->target);
    if (!out->real || (!out->label && !out->target))
        return clg_fail(CLG_ERR_NOMEM, "dataset_synthetic(%s): no host memory for %lld items of %lld numbers", k->name,
                        (long long)m->n, (long long)m->features);
    for (int64_t i = 0; i < m->n; i++) {
        k->make(m, i);
        if (out->label) out->label[i] = (int32_t)(i % 2);
    }
    out->classes = out->label ? 2 : 0;
    out->targets = out->label ? 0 : 1;
    if (out->label) flip_labels(m);
    return CLG_OK;
}

clg_dataset *clg_dataset_synthetic(const char *name, const clg_synthetic_params *given) {
    static const clg_synthetic_params none = { 0 };
    const kind *k = find_kind(name);
    const clg_synthetic_params *p = given ? given : &none;
    if (!k || check_params(k, p) < 0) return NULL;
    maker m = { .n = p->n ? p->n : DEFAULT_N, .n_w = p->n_w, .seed = p->seed, .noise = p->noise, .margin = p->margin,
                .flip = p->flip, .b = p->b };
    m.features = p->features ? p->features : p->w && k->make != make_poly ? p->n_w : k->features;
    clg_status status = k->weights ? k->weights(&m, p->w) : CLG_OK;
    if (status == CLG_OK) status = make_items(&m, k);
    clg_free(m.w);
    if (status == CLG_OK) return clg_dataset_from_items(&m.out, CLG_TRAIN);
    clg_items_free(&m.out);
    return NULL;
}

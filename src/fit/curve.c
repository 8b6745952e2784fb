/* Learning curves and validation curves: cross-validation at each of several sizes or values, with the norm and the
 * paths of the weights. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include "fit/select.h"

#include <math.h>
#include <string.h>

typedef struct maker {
    clg_cv_runner runner;
    const clg_setup *setup;
    clg_dataset  *data;
    const clg_cv_params *cv;
    clg_arena    *arena;
    clg_curve     out;
    double      **path;      /* [n]: weights after the first fold of each point */
    int64_t      *n_path;    /* [n] */
    int           at;        /* the present point */
} maker;

/* --- weights --- */

/* Does it have two axes or more: is it more than a bias? */
static bool is_weight(const clg_store_entry *e) {
    return e->trainable && e->shape.ndim >= 2;
}

static int64_t size_of(const clg_store_entry *e) {
    int64_t n = 1;
    for (int k = 0; k < e->shape.ndim; k++) n *= e->shape.dim[k];
    return n;
}

/* A tensor of the store in double. */
static clg_status read_weight(clg_store *s, const clg_store_entry *e, double *to) {
    const int64_t n = size_of(e);
    if (e->dtype == CLG_F64) return clg_store_read(s, e->name, to, (size_t)n * sizeof *to);
    float v; /* the floats are read into the same memory, and widened there from the last to the first */
    CLG_TRY(clg_store_read(s, e->name, to, (size_t)n * sizeof v));
    for (int64_t i = n - 1; i >= 0; i--) {
        memcpy(&v, (char *)to + (size_t)i * sizeof v, sizeof v);
        to[i] = v;
    }
    return CLG_OK;
}

static clg_status read_weights(clg_store *s, double **weights, int64_t *n) {
    clg_store_entry e;
    int64_t size = 0, at = 0;
    for (int i = 0; i < clg_store_count(s); i++) {
        CLG_TRY(clg_store_get(s, i, &e));
        if (is_weight(&e)) size += size_of(&e);
    }
    double *w = clg_calloc((size_t)(size ? size : 1), sizeof *w);
    if (!w) return clg_fail_nomem("the weights of a curve");
    clg_status status = CLG_OK;
    for (int i = 0; status == CLG_OK && i < clg_store_count(s); i++) {
        status = clg_store_get(s, i, &e);
        if (status < 0 || !is_weight(&e)) continue;
        status = read_weight(s, &e, w + at);
        at += size_of(&e);
    }
    if (status < 0) {
        clg_free(w);
        return status;
    }
    *weights = w;
    *n = size;
    return CLG_OK;
}

/* After each fold: adds |w| to the point's norm; keeps the weights of the first. */
static clg_status look_at_weights(void *user, int fold, clg_trainer *t) {
    maker *m = user;
    double *w = NULL, sum = 0;
    int64_t n = 0;
    CLG_TRY(read_weights(clg_trainer_store(t), &w, &n));
    for (int64_t i = 0; i < n; i++) sum += w[i] * w[i];
    m->out.point[m->at].norm += sqrt(sum);
    if (fold == 0) {
        m->path[m->at] = w;
        m->n_path[m->at] = n;
    } else {
        clg_free(w);
    }
    return CLG_OK;
}

/* --- points --- */

static clg_status begin_curve(maker *m, const char *name, int n) {
    m->out.name = name;
    m->out.point = clg_arena_array(m->arena, (size_t)n, sizeof *m->out.point);
    m->path = clg_arena_array(m->arena, (size_t)n, sizeof *m->path);
    m->n_path = clg_arena_array(m->arena, (size_t)n, sizeof *m->n_path);
    if (!m->out.point || !m->path || !m->n_path) return CLG_ERR_NOMEM;
    m->out.n = n;
    return CLG_OK;
}

/* Cross-validation of a setup as point i. limit: items to train on, 0: all. */
static clg_status run_point(maker *m, int i, const clg_setup *s, int64_t limit) {
    clg_dataset *own, *use;
    clg_status status;
    CLG_TRY(clg_setup_data(s, m->data, &own, &use));
    clg_model *model = clg_setup_model(s, use);
    status = model ? CLG_OK : clg_error_status();
    m->at = i;
    const clg_cv_job job = {.model = model, .data = use, .fit = &s->fit, .cv = m->cv, .limit = limit,
                            .trained = look_at_weights, .user = m};
    if (model) status = clg_cv_run(&m->runner, &job, &m->out.point[i].cv);
    if (status == CLG_OK) m->out.point[i].norm /= m->out.point[i].cv.k;
    clg_model_destroy(&model);
    clg_dataset_destroy(&own);
    if (status < 0) return clg_fail_context(status, "%s = %s: ", m->out.name, m->out.point[i].value);
    return CLG_OK;
}

/* Joins the weights of the points, if they are as many at each. */
static clg_status join_paths(maker *m) {
    const int64_t n = m->n_path[0];
    for (int i = 1; i < m->out.n; i++)
        if (m->n_path[i] != n) return CLG_OK;
    double *path = clg_arena_array(m->arena, (size_t)m->out.n, (size_t)(n ? n : 1) * sizeof *path);
    if (!path) return CLG_ERR_NOMEM;
    for (int i = 0; i < m->out.n; i++) memcpy(path + i * n, m->path[i], (size_t)n * sizeof *path);
    m->out.path = path;
    m->out.n_path = n;
    return CLG_OK;
}

static clg_status end_curve(maker *m, clg_status status, clg_curve *out) {
    if (status == CLG_OK) status = join_paths(m);
    for (int i = 0; m->path && i < m->out.n; i++) clg_free(m->path[i]);
    clg_cv_runner_close(&m->runner);
    if (status < 0) clg_curve_free(&m->out);
    else *out = m->out;
    return status;
}

static clg_status open_maker(maker *m, const char *call, clg_device *dev, const clg_setup *s, clg_dataset *d,
                             const clg_cv_params *p, const void *what, const clg_curve *out) {
    if (!dev || !s || !d || !what || !out)
        return clg_fail(CLG_ERR_INVALID, "%s: the %s is NULL", call, !dev ? "device" : !s ? "setup" : !d ? "data set"
                        : !what ? "list of points" : "curve");
    CLG_TRY(clg_cv_check(call, &s->fit, p));
    clg_arena *arena = clg_calloc(1, sizeof *arena);
    if (!arena) return clg_fail_nomem("a curve");
    *m = (maker){.runner = {.dev = dev}, .setup = s, .data = d, .cv = p, .arena = arena, .out = {.own = arena}};
    return CLG_OK;
}

void clg_curve_free(clg_curve *c) {
    if (!c) return;
    for (int i = 0; c->point && i < c->n; i++) clg_cv_result_free(&c->point[i].cv);
    if (c->own) clg_arena_free(c->own);
    clg_free(c->own);
    *c = (clg_curve){0};
}

/* --- learning curve --- */

/* As many steps as with the whole training part. */
static clg_setup setup_for_size(const maker *m, int64_t size) {
    enum { USUAL_EPOCHS = 10, USUAL_BATCH = 64 };
    clg_setup s = *m->setup;
    const double n = (double)clg_dataset_size(m->data);
    const double share = m->cv->holdout > 0 ? 1 - m->cv->holdout : 1 - 1.0 / m->cv->k;
    if (m->cv->full_batch) return s; /* an epoch is a step */
    if (s.fit.epochs == 0) s.fit.epochs = USUAL_EPOCHS;
    if (s.fit.batch == 0) s.fit.batch = USUAL_BATCH;
    const double batch = fmin((double)s.fit.batch, n * share);
    if (s.fit.batch > size) s.fit.batch = size;
    const double steps = (double)s.fit.epochs * ceil(n * share / batch);
    s.fit.epochs = (int64_t)ceil(steps / ceil((double)size / (double)s.fit.batch));
    return s;
}

static clg_status learning_points(maker *m, const int64_t *sizes, int n) {
    CLG_TRY(begin_curve(m, "items", n));
    for (int i = 0; i < n; i++) {
        const clg_setup s = setup_for_size(m, sizes[i]);
        m->out.point[i].x = (double)sizes[i];
        m->out.point[i].value = clg_arena_printf(m->arena, "%lld", (long long)sizes[i]);
        if (!m->out.point[i].value) return CLG_ERR_NOMEM;
        CLG_TRY(run_point(m, i, &s, sizes[i]));
    }
    return CLG_OK;
}

clg_status clg_learning_curve(clg_device *dev, const clg_setup *s, clg_dataset *d, const clg_cv_params *p,
                              const int64_t *sizes, int n, clg_curve *out) {
    maker m;
    CLG_TRY(open_maker(&m, "learning_curve", dev, s, d, p, sizes, out));
    clg_status status = n < 1 ? clg_fail(CLG_ERR_INVALID, "learning_curve: there are no sizes") : CLG_OK;
    for (int i = 0; status == CLG_OK && i < n; i++)
        if (sizes[i] < 1)
            status = clg_fail(CLG_ERR_INVALID, "learning_curve: size %d is %lld: give 1 or more", i,
                              (long long)sizes[i]);
    if (status == CLG_OK) status = learning_points(&m, sizes, n);
    return end_curve(&m, status, out);
}

/* --- validation curve --- */

static clg_status validation_points(maker *m, const char *text) {
    clg_dimension dim;
    CLG_TRY(clg_dimension_parse(m->arena, "validation_curve", text, &dim));
    CLG_TRY(begin_curve(m, dim.name, (int)dim.n));
    for (int i = 0; i < m->out.n; i++) {
        clg_setup s = *m->setup;
        m->out.point[i].value = dim.value[i];
        if (!clg_read_number(dim.value[i], strlen(dim.value[i]), &m->out.point[i].x)) m->out.point[i].x = NAN;
        CLG_TRY(clg_setup_set(&s, dim.name, dim.value[i]));
        CLG_TRY(run_point(m, i, &s, 0));
    }
    return CLG_OK;
}

clg_status clg_validation_curve(clg_device *dev, const clg_setup *s, clg_dataset *d, const clg_cv_params *p,
                                const char *dim, clg_curve *out) {
    maker m;
    CLG_TRY(open_maker(&m, "validation_curve", dev, s, d, p, dim, out));
    return end_curve(&m, validation_points(&m, dim), out);
}

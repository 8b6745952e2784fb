/* A data parallel step: every device computes the gradients of its rows; the host adds them, the last layer first, as
 * they become ready; every device makes the step by the sum. Until the first device makes the step, all can be done
 * again: gradients change nothing but running statistics, of which the plans keep the old values. */
#include "fit/parallel.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include <clgrad/ops.h>

#include <math.h>
#include <string.h>

/* One call of clg_parallel_step(). */
typedef struct job {
    clg_trainer  *t;
    clg_parallel *p;
    const char   *x, *target;  /* the batch */
    size_t        x_bytes, target_bytes; /* of a row */
    int64_t       rows;
    float         next_lr;
    int           fault;       /* the device that a failing call was for; -1: none */
    int           timing;      /* the device that is timed; -1: none */
} job;

static bool works(const job *j, int i) {
    return !j->p->w[i].dropped && j->p->w[i].rows > 0;
}

/* --- running --- */

static clg_status send(job *j, clg_fit_worker *w, int64_t first) {
    const clg_fit_part *g = clg_fit_get_part(j->t, &w->gradients, w->dev, w->store, w->rows, CLG_FIT_GRADIENTS);
    if (!g) return clg_error_status();
    CLG_TRY(clg_write(g->plan, g->x, j->x + (size_t)first * j->x_bytes, (size_t)w->rows * j->x_bytes));
    CLG_TRY(clg_write(g->plan, g->target, j->target + (size_t)first * j->target_bytes,
                      (size_t)w->rows * j->target_bytes));
    w->ran = g;
    w->begun = w->ended = 0;
    return CLG_OK;
}

/* What comes back from a run, in the order in which it becomes ready. */
static clg_tensor *result(const clg_fit_part *g, int k) {
    return k < g->n_grads ? g->grad[g->n_grads - 1 - k] : k == g->n_grads ? g->loss : g->good;
}

static clg_status run(clg_fit_worker *w) {
    w->began = clg_now();
    CLG_TRY(clg_run(w->ran->plan));
    for (; w->begun < w->ran->n_grads + 2; w->begun++) CLG_TRY(clg_read_begin(w->ran->plan, result(w->ran, w->begun)));
    return CLG_OK;
}

/* Hands the next result out. */
static clg_status next_result(clg_fit_worker *w, void *to, size_t bytes) {
    return clg_read_end(w->ran->plan, result(w->ran, w->ended++), to, bytes);
}

/* Everybody gets rows before the first one runs; those whose runs return at once come before those that do not. */
static clg_status run_all(job *j) {
    clg_parallel *p = j->p;
    int64_t first = 0;
    for (int i = 0; i < p->n; i++) {
        if (!works(j, i)) continue;
        j->fault = i;
        CLG_TRY(send(j, &p->w[i], first));
        first += p->w[i].rows;
    }
    for (int sync = 0; sync < 2; sync++)
        for (int i = 0; i < p->n; i++) {
            if (!works(j, i) || p->w[i].sync != sync) continue;
            j->fault = i;
            CLG_TRY(run(&p->w[i]));
        }
    return CLG_OK;
}

/* --- adding --- */

enum { CHUNK = 1024 };

/* sum = sum_i weight_i part_i, in double, in that order. */
static void add_f32(float *sum, const float *const *part, const double *weight, int n, size_t size) {
    double acc[CHUNK];
    for (size_t at = 0; at < size; at += CHUNK) {
        const size_t m = size - at < CHUNK ? size - at : CHUNK;
        for (size_t k = 0; k < m; k++) acc[k] = weight[0] * (double)part[0][at + k];
        for (int i = 1; i < n; i++)
            for (size_t k = 0; k < m; k++) acc[k] += weight[i] * (double)part[i][at + k];
        for (size_t k = 0; k < m; k++) sum[at + k] = (float)acc[k];
    }
}

static void add_f64(double *sum, const double *const *part, const double *weight, int n, size_t size) {
    for (size_t k = 0; k < size; k++) sum[k] = weight[0] * part[0][k];
    for (int i = 1; i < n; i++)
        for (size_t k = 0; k < size; k++) sum[k] += weight[i] * part[i][k];
}

static void add(const job *j, int grad) {
    const clg_parallel *p = j->p;
    const size_t at = p->at[grad], each = clg_dtype_size(j->t->p.type);
    const void *part[CLG_FIT_DEVICES];
    double weight[CLG_FIT_DEVICES];
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (!works(j, i)) continue;
        part[n] = p->w[i].host + at;
        weight[n++] = (double)p->w[i].rows / (double)j->rows;
    }
    const size_t size = clg_tensor_bytes(p->w[p->first].apply.grad[grad]) / each;
    if (j->t->p.type == CLG_F64) add_f64((double *)(p->sum + at), (const double *const *)part, weight, n, size);
    else add_f32((float *)(p->sum + at), (const float *const *)part, weight, n, size);
}

/* --- collecting --- */

static clg_status fetch(job *j, int i, int grad) {
    clg_fit_worker *w = &j->p->w[i];
    j->fault = i;
    return next_result(w, w->host + j->p->at[grad], clg_tensor_bytes(w->ran->grad[grad]));
}

/* The timed one is waited for before all others, so its time is its own. */
static clg_status fetch_timed(job *j) {
    clg_parallel *p = j->p;
    if (j->timing < 0 || !works(j, j->timing)) return CLG_OK;
    for (int grad = p->n_grads - 1; grad >= 0; grad--) CLG_TRY(fetch(j, j->timing, grad));
    return CLG_OK;
}

/* A gradient of all devices becomes their sum, which goes back at once. */
static clg_status reduce(job *j, int grad) {
    clg_parallel *p = j->p;
    for (int i = 0; i < p->n; i++)
        if (works(j, i) && i != j->timing) CLG_TRY(fetch(j, i, grad));
    add(j, grad);
    for (int i = 0; i < p->n; i++) {
        clg_fit_worker *w = &p->w[i];
        if (w->dropped) continue;
        j->fault = i;
        clg_tensor *to = w->apply.grad[grad];
        CLG_TRY(clg_write(w->apply.plan, to, p->sum + p->at[grad], clg_tensor_bytes(to)));
    }
    return CLG_OK;
}

static clg_status next_number(clg_fit_worker *w, double *x) {
    float f;
    if (clg_tensor_dtype(result(w->ran, w->ended)) == CLG_F64) return next_result(w, x, sizeof *x);
    CLG_TRY(next_result(w, &f, sizeof f));
    *x = f;
    return CLG_OK;
}

static clg_status add_scores(job *j) {
    clg_parallel *p = j->p;
    double loss, good;
    p->loss = p->good = 0;
    for (int i = 0; i < p->n; i++) {
        clg_fit_worker *w = &p->w[i];
        if (!works(j, i)) continue;
        j->fault = i;
        CLG_TRY(next_number(w, &loss));
        CLG_TRY(next_number(w, &good));
        p->loss += (double)w->rows * loss;
        p->good += good;
    }
    return CLG_OK;
}

static clg_status gradients(job *j) {
    clg_parallel *p = j->p;
    clg_split_rows(p, j->rows);
    j->timing = clg_split_timing(p, j->rows, j->t->p.batch);
    for (int i = 0; i < p->n; i++) p->w[i].ran = NULL;
    CLG_TRY(run_all(j));
    CLG_TRY(fetch_timed(j));
    if (j->timing >= 0) p->w[j->timing].took = clg_now() - p->w[j->timing].began;
    for (int grad = p->n_grads - 1; grad >= 0; grad--) CLG_TRY(reduce(j, grad));
    return add_scores(j);
}

/* --- the step --- */

static clg_status write_number(const clg_fit_part *part, clg_tensor *t, double x) {
    const float f = (float)x;
    return clg_tensor_dtype(t) == CLG_F64 ? clg_write(part->plan, t, &x, sizeof x)
                                          : clg_write(part->plan, t, &f, sizeof f);
}

static clg_status apply(const job *j, clg_fit_part *a) {
    CLG_TRY(write_number(a, a->loss, j->p->loss));
    CLG_TRY(write_number(a, a->good, j->p->good));
    if (a->written != j->next_lr) CLG_TRY(clg_write(a->plan, a->next_lr, &j->next_lr, sizeof j->next_lr));
    a->written = j->next_lr;
    return clg_run(a->plan);
}

/* The step is done as soon as one device has made it: who fails in it is dropped, and nothing is done again. */
static clg_status apply_all(job *j, bool *done) {
    clg_parallel *p = j->p;
    *done = false;
    for (int i = 0; i < p->n; i++) {
        if (p->w[i].dropped) continue;
        const clg_status s = apply(j, &p->w[i].apply);
        j->fault = i;
        if (s < 0 && (!clg_parallel_is_fault(s) || p->alive == 1)) return s;
        if (s < 0) CLG_TRY(clg_parallel_drop(j->t, i, s));
        else *done = true;
    }
    return CLG_OK;
}

/* --- doing it again --- */

/* What the run of gradients has written becomes what it was; copies that are under way are of no use any more. */
static clg_status undo(clg_fit_worker *w) {
    const clg_fit_part *g = w->ran;
    clg_status s = CLG_OK;
    while (g && s == CLG_OK && w->ended < w->begun)
        s = next_result(w, w->host, clg_tensor_bytes(result(g, w->ended)));
    w->ran = NULL;
    for (int i = 0; g && s == CLG_OK && i < g->n_running; i++) {
        const size_t bytes = clg_tensor_bytes(g->running[i]);
        void *old = clg_alloc(bytes);
        s = old ? clg_read(g->plan, g->running[i], old, bytes) : clg_fail_nomem("running statistics");
        if (s == CLG_OK) s = clg_store_write(w->store, clg_tensor_name(g->running[i]), old, bytes);
        clg_free(old);
    }
    return s;
}

static clg_status undo_all(clg_trainer *t) {
    clg_parallel *p = t->parallel;
    for (int i = 0; i < p->n; i++) {
        const clg_status s = p->w[i].dropped ? CLG_OK : undo(&p->w[i]);
        if (s < 0 && !clg_parallel_is_fault(s)) return s;
        if (s < 0) CLG_TRY(clg_parallel_drop(t, i, s));
    }
    return CLG_OK;
}

static clg_status prepare(job *j, clg_dataset *d) {
    const clg_trainer *t = j->t;
    const clg_fit_part *a = &j->p->w[j->p->first].apply;
    const clg_shape item = clg_model_item(t->model);
    const void *x, *target;
    CLG_TRY(clg_dataset_batch(d, j->rows, t->p.type, clg_tensor_dtype(a->target), &x, &target));
    j->x = x;
    j->target = target;
    j->x_bytes = clg_dtype_size(t->p.type);
    for (int i = 0; i < item.ndim; i++) j->x_bytes *= (size_t)item.dim[i];
    j->target_bytes = clg_tensor_bytes(a->target) / (size_t)clg_tensor_shape(a->target).dim[0];
    return CLG_OK;
}

clg_status clg_parallel_step(clg_trainer *t, clg_dataset *d, int64_t rows, float next_lr, bool *done) {
    job j = {.t = t, .p = t->parallel, .rows = rows, .next_lr = next_lr};
    *done = false;
    CLG_TRY(clg_parallel_ready(t));
    CLG_TRY(prepare(&j, d));
    for (;;) {
        const clg_status s = gradients(&j);
        if (s == CLG_OK) break;
        if (!clg_parallel_is_fault(s)) return s;
        CLG_TRY(clg_parallel_drop(t, j.fault, s));
        CLG_TRY(undo_all(t));
        if (clg_parallel_stopping(t)) return CLG_OK;
        CLG_TRY(clg_parallel_ready(t));
    }
    if (j.timing >= 0) clg_split_timed(j.p, j.timing, j.p->w[j.timing].took, t->p.batch);
    return apply_all(&j, done);
}

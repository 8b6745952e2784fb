/* Copies of weights: the whole store on the host, to which a run that diverges goes back, and the best weights as
 * states of the store, which checkpoints then hold. */
#include "fit/trainer.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t entry_bytes(const clg_store_entry *e) {
    size_t n = clg_dtype_size(e->dtype);
    for (int i = 0; i < e->shape.ndim; i++) n *= (size_t)e->shape.dim[i];
    return n;
}

static bool all_finite(const clg_store_entry *e, const void *data) {
    const size_t n = entry_bytes(e) / clg_dtype_size(e->dtype);
    const float *x = data;
    const double *y = data;
    for (size_t i = 0; i < n; i++)
        if ((e->dtype == CLG_F32 && !isfinite(x[i])) || (e->dtype == CLG_F64 && !isfinite(y[i]))) return false;
    return true;
}

/* --- the whole store --- */

/* Names are kept too: another store may take over that has its tensors in another order. */

enum { ALIGN = 8 };

static size_t round_up(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t name_bytes(const clg_store_entry *e) {
    return round_up(strlen(e->name) + 1);
}

static clg_status reserve(clg_snapshot *s, const clg_store *store, int n) {
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        clg_store_entry e;
        CLG_TRY(clg_store_get(store, i, &e));
        size += ALIGN + name_bytes(&e) + round_up(entry_bytes(&e));
    }
    if (size <= s->cap) return CLG_OK;
    char *data = clg_resize(s->data, size);
    if (!data) return clg_fail_nomem("copy of the weights");
    s->data = data;
    s->cap = size;
    return CLG_OK;
}

/* A tensor is its bytes (in 8), its name and its elements, each padded to 8. */
static clg_status take_entry(const clg_store_entry *e, clg_store *store, char **to, bool *finite) {
    const uint64_t bytes = entry_bytes(e);
    memcpy(*to, &bytes, sizeof bytes);
    strcpy(*to + ALIGN, e->name);
    *to += ALIGN + name_bytes(e);
    CLG_TRY(clg_store_read(store, e->name, *to, bytes));
    if (e->trainable && !all_finite(e, *to)) *finite = false;
    *to += round_up(bytes);
    return CLG_OK;
}

clg_status clg_snapshot_take(clg_snapshot *s, const clg_trainer *t, bool *finite) {
    const int n = clg_store_count(t->store);
    *finite = true;
    s->n = 0; /* nothing until all is there */
    CLG_TRY(reserve(s, t->store, n));
    char *to = s->data;
    for (int i = 0; i < n; i++) {
        clg_store_entry e;
        CLG_TRY(clg_store_get(t->store, i, &e));
        CLG_TRY(take_entry(&e, t->store, &to, finite));
    }
    s->n = n;
    s->epoch = t->epoch;
    s->item = t->item;
    s->steps = t->steps;
    return CLG_OK;
}

clg_status clg_snapshot_restore(const clg_snapshot *s, clg_trainer *t) {
    const char *at = s->data;
    for (int i = 0; i < s->n; i++) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        const char *name = at + ALIGN;
        at = name + round_up(strlen(name) + 1);
        CLG_TRY(clg_store_write(t->store, name, at, bytes));
        at += round_up(bytes);
    }
    t->epoch = s->epoch;
    t->item = s->item;
    t->steps = s->steps;
    return CLG_OK;
}

void clg_snapshot_free(clg_snapshot *s) {
    clg_free(s->data);
    *s = (clg_snapshot){0};
}

/* --- the best weights --- */

/* Weights, and what inference needs besides: not the optimiser's, the run's and the random numbers' states. */
static bool is_kept(const char *name) {
    static const char *const others[] = {"optim.", "fit.", "rng."};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0) return false;
    return true;
}

/* Copies "conv1.weight" to "fit.best.conv1.weight", or back. */
static clg_status copy_entry(clg_trainer *t, const clg_store_entry *e, bool back) {
    char best[512];
    const int n = snprintf(best, sizeof best, "fit.best.%s", e->name);
    if (n < 0 || (size_t)n >= sizeof best)
        return clg_fail(CLG_ERR_INVALID, "trainer: the name %.40s... is longer than 500 characters", e->name);
    if (!clg_state(t->anchor, best, e->dtype, e->shape, 0)) return clg_graph_status(t->anchor);
    const size_t bytes = entry_bytes(e);
    void *data = clg_alloc(bytes);
    if (!data) return clg_fail_nomem("copy of the best weights");
    clg_status s = clg_store_read(t->store, back ? best : e->name, data, bytes);
    if (s == CLG_OK) s = clg_store_write(t->store, back ? e->name : best, data, bytes);
    clg_free(data);
    return s;
}

static clg_status copy_all(clg_trainer *t, bool back) {
    const int n = clg_store_count(t->store); /* without those that copy_entry() adds */
    for (int i = 0; i < n; i++) {
        clg_store_entry e;
        CLG_TRY(clg_store_get(t->store, i, &e));
        if (is_kept(e.name)) CLG_TRY(copy_entry(t, &e, back));
    }
    return CLG_OK;
}

clg_status clg_trainer_keep_best(clg_trainer *t) {
    t->best_kept = 0;
    CLG_TRY(copy_all(t, false));
    t->best_kept = t->epoch;
    return CLG_OK;
}

clg_status clg_trainer_restore_best(clg_trainer *t) {
    return copy_all(t, true);
}

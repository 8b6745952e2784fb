/* Checkpoints: the store as it is (weights, slots, counters, the sums of an unfinished epoch, the best weights) and two
 * texts, "model" and "training": how, and how far. Times are left out, so that equal runs give equal bytes.
 *
 * "training" is JSON: {"version", "optimizer", "type", "batch", "accumulate", "items", "epoch", "item", "steps",
 * "best_kept", "split": [rows of a full batch for each of several devices],
 * "history": [[train loss, accuracy, r2, n, val loss, accuracy, r2, n, lr], ...]}, null for NaN. */
#include "fit/parallel.h"

#include "base/alloc.h"
#include "base/error.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, COLUMNS = 9, MAX_TEXT = 1 << 24 };

/* --- writing --- */

static json_t *real(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *epoch_json(const clg_epoch *e) {
    return json_pack("[o,o,o,I,o,o,o,I,o]", real(e->train.loss), real(e->train.accuracy), real(e->train.r2),
                     (json_int_t)e->train.n, real(e->val.loss), real(e->val.accuracy), real(e->val.r2),
                     (json_int_t)e->val.n, real(e->lr));
}

/* NULL: there is none, or none yet. */
static json_t *split_json(const clg_trainer *t) {
    const clg_parallel *p = t->parallel;
    json_t *rows = p && p->known && p->alive == p->n ? json_array() : NULL;
    for (int i = 0; rows && i < p->n; i++) (void)json_array_append_new(rows, json_integer((json_int_t)p->w[i].share));
    return rows;
}

static json_t *training_json(const clg_trainer *t) {
    json_t *history = json_array();
    for (int64_t i = 0; i < t->epoch; i++) /* a failure shows in the length, which is checked below */
        (void)json_array_append_new(history, epoch_json(&t->history[i]));
    if (json_array_size(history) != (size_t)t->epoch) {
        json_decref(history);
        return NULL;
    }
    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o*, s:o}", "version", (int)VERSION,
                     "optimizer", t->p.optimizer, "type", clg_dtype_name(t->p.type), "batch", (json_int_t)t->p.batch,
                     "accumulate", (json_int_t)t->p.accumulate, "items", (json_int_t)t->items, "epoch",
                     (json_int_t)t->epoch, "item", (json_int_t)t->item, "steps", (json_int_t)t->steps, "best_kept",
                     (json_int_t)t->best_kept, "split", split_json(t), "history", history);
}

clg_status clg_trainer_save(clg_trainer *t, const char *path) {
    if (!t || !path || !*path) return clg_fail(CLG_ERR_INVALID, "trainer_save: trainer and path are needed");
    json_t *j = training_json(t);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(j);
    clg_status s = text ? clg_store_set_meta(t->store, "training", text) : clg_fail_nomem("checkpoint");
    free(text); /* jansson's */
    if (s == CLG_OK) s = clg_store_set_meta(t->store, "model", clg_model_text(t->model));
    return s == CLG_OK ? clg_store_save(t->store, path, NULL) : s;
}

/* --- reading --- */

/* What "training" says. */
typedef struct saved {
    const char *optimizer, *type;
    json_int_t  version, batch, accumulate, items, epoch, item, steps, best_kept;
    json_t     *history, *split; /* split: NULL without */
} saved;

/* A text of the file, to be freed; NULL after a failure. */
static char *read_text(const char *path, const char *key) {
    for (size_t size = 1 << 14; size <= MAX_TEXT; size *= 4) {
        char *text = clg_alloc(size);
        if (!text) {
            clg_fail_nomem("text of a checkpoint");
            return NULL;
        }
        const clg_status s = clg_file_meta(path, key, text, size);
        if (s == CLG_OK) return text;
        clg_free(text);
        if (s != CLG_ERR_INVALID) return NULL;
    }
    clg_fail(CLG_ERR_FORMAT, "%s: no checkpoint of a training run: it has no text \"%s\"", path, key);
    return NULL;
}

static clg_status no_checkpoint(const char *path, const char *why) {
    return clg_fail(CLG_ERR_FORMAT, "%s: its text \"training\" does not describe a training run: %s", path, why);
}

static clg_status read_saved(const char *path, json_t *j, saved *s) {
    json_error_t e;
    s->split = NULL;
    if (json_unpack_ex(j, &e, 0, "{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s?o, s:o}", "version", &s->version,
                       "optimizer", &s->optimizer, "type", &s->type, "batch", &s->batch, "accumulate", &s->accumulate,
                       "items", &s->items, "epoch", &s->epoch, "item", &s->item, "steps", &s->steps, "best_kept",
                       &s->best_kept, "split", &s->split, "history", &s->history) != 0)
        return no_checkpoint(path, e.text);
    if (s->version != VERSION) return no_checkpoint(path, "it is of another version");
    const bool ok = s->batch >= 1 && s->accumulate >= 1 && s->items >= 0 && s->epoch >= 0 && s->epoch <= INT32_MAX &&
                    s->item >= 0 && s->item < (s->items > 0 ? s->items : 1) && s->item % s->batch == 0 &&
                    s->steps >= 0 && s->best_kept >= 0 && s->best_kept <= s->epoch && json_is_array(s->history) &&
                    (json_int_t)json_array_size(s->history) == s->epoch;
    return ok ? CLG_OK : no_checkpoint(path, "a value is out of range");
}

/* The first line in which two texts differ. */
static clg_status other_model(const char *path, const char *theirs, const char *ours) {
    int line = 1;
    for (;;) {
        const int n = (int)strcspn(theirs, "\n"), m = (int)strcspn(ours, "\n");
        if (n != m || strncmp(theirs, ours, (size_t)n) != 0)
            return clg_fail(CLG_ERR_FORMAT, "%s: is of another model: line %d of it is \"%.*s\", here it is \"%.*s\"",
                            path, line, n, n > 0 ? theirs : "", m, m > 0 ? ours : "");
        if (theirs[n] == 0 || ours[m] == 0) break;
        theirs += n + 1;
        ours += m + 1;
        line++;
    }
    return clg_fail(CLG_ERR_FORMAT, "%s: is of another model: one of the two has lines after line %d", path, line);
}

static clg_status check_same(const clg_trainer *t, const char *path, const saved *s) {
    char ours[24];
    if (strcmp(s->optimizer, t->p.optimizer) != 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: was trained by %s, this run by %s", path, s->optimizer, t->p.optimizer);
    if (strcmp(s->type, clg_dtype_name(t->p.type)) != 0)
        return clg_fail(CLG_ERR_FORMAT, "%s: was trained in %s, this run in %s", path, s->type,
                        clg_dtype_name(t->p.type));
    if (s->item > 0 && (s->batch != t->p.batch || s->accumulate != t->p.accumulate))
        return clg_fail(CLG_ERR_FORMAT, "%s: was written inside an epoch with batch %lld and accumulate %lld, this run "
                        "has %lld and %lld", path, (long long)s->batch, (long long)s->accumulate, (long long)t->p.batch,
                        (long long)t->p.accumulate);
    char *theirs = read_text(path, "seed");
    if (!theirs) return clg_error_status();
    snprintf(ours, sizeof ours, "%llu", (unsigned long long)clg_store_seed(t->store));
    const clg_status status = strcmp(theirs, ours) == 0 ? CLG_OK
        : clg_fail(CLG_ERR_FORMAT, "%s: is of a store with seed %.20s, this one has %s", path, theirs, ours);
    clg_free(theirs);
    return status;
}

static double real_of(const json_t *row, size_t i) {
    const json_t *x = json_array_get(row, i);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static int64_t whole_of(const json_t *row, size_t i) {
    return json_integer_value(json_array_get(row, i));
}

static clg_epoch epoch_of(const json_t *row, int64_t epoch) {
    return (clg_epoch){.epoch = epoch, .lr = real_of(row, 8), .seconds = NAN, .items_per_second = NAN,
                       .train = {real_of(row, 0), real_of(row, 1), real_of(row, 2), whole_of(row, 3)},
                       .val = {real_of(row, 4), real_of(row, 5), real_of(row, 6), whole_of(row, 7)}};
}

/* The split of the file, unless this run has one, another number of devices, or another batch. */
static void take_split(const clg_trainer *t, const json_t *split) {
    clg_parallel *p = t->parallel;
    int64_t rows[CLG_FIT_DEVICES], sum = 0;
    if (!p || t->p.split || p->alive < p->n || json_array_size(split) != (size_t)p->n) return;
    for (int i = 0; i < p->n; i++) {
        rows[i] = whole_of(split, (size_t)i);
        if (rows[i] < 0 || rows[i] > t->p.batch - sum) return;
        sum += rows[i];
    }
    if (sum == t->p.batch) clg_split_begin(p, t->p.batch, rows);
}

/* All that can fail, then all that changes the trainer. */
static clg_status take_over(clg_trainer *t, const char *path, const saved *s) {
    for (size_t i = 0; i < (size_t)s->epoch; i++)
        if (json_array_size(json_array_get(s->history, i)) != COLUMNS) return no_checkpoint(path, "its history");
    CLG_TRY(check_same(t, path, s));
    CLG_TRY(clg_trainer_reserve(t, s->epoch));
    CLG_TRY(clg_trainer_ready(t)); /* every tensor of a step is asked for */
    CLG_TRY(clg_store_load_all(t->store, path, NULL));
    for (size_t i = 0; i < (size_t)s->epoch; i++)
        t->history[i] = epoch_of(json_array_get(s->history, i), (int64_t)i + 1);
    take_split(t, s->split);
    t->epoch = s->epoch;
    t->item = s->item;
    t->items = s->items;
    t->steps = s->steps;
    t->best_kept = s->best_kept;
    return CLG_OK;
}

static clg_status resume_by(clg_trainer *t, const char *path, const char *training) {
    saved s;
    json_error_t e;
    json_t *j = json_loads(training, 0, &e);
    if (!j) return no_checkpoint(path, e.text);
    clg_status status = read_saved(path, j, &s);
    if (status == CLG_OK) status = take_over(t, path, &s);
    json_decref(j);
    return status;
}

clg_status clg_trainer_resume(clg_trainer *t, const char *path) {
    if (!t || !path || !*path) return clg_fail(CLG_ERR_INVALID, "trainer_resume: trainer and path are needed");
    char *model = read_text(path, "model"), *training = model ? read_text(path, "training") : NULL;
    clg_status s = clg_error_status();
    if (training)
        s = strcmp(model, clg_model_text(t->model)) != 0 ? other_model(path, model, clg_model_text(t->model))
                                                         : resume_by(t, path, training);
    clg_free(model);
    clg_free(training);
    return s;
}

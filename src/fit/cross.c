/* K-fold cross-validation and hold-out (Stone 1974): one trainer goes through all folds and is reset between them, so
 * that its plans are compiled once. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/philox.h"
#include "fit/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the trainer --- */

void clg_cv_runner_close(clg_cv_runner *r) {
    clg_trainer_destroy(&r->trainer);
}

static const char *optimizer_of(const clg_fit_params *fit) {
    return fit->optimizer ? fit->optimizer : "sgd";
}

static bool reusable(const clg_cv_runner *r, const clg_model *m, const clg_fit_params *fit) {
    return r->trainer && r->type == fit->type && r->seed == fit->seed &&
           strcmp(r->optimizer, optimizer_of(fit)) == 0 &&
           strcmp(clg_model_text(clg_trainer_model(r->trainer)), clg_model_text(m)) == 0;
}

static clg_trainer *new_trainer(clg_cv_runner *r, const clg_model *m, const clg_fit_params *fit) {
    clg_trainer_destroy(&r->trainer);
    clg_store *store = clg_store_create(r->dev, fit->seed);
    if (!store) return NULL;
    r->trainer = clg_trainer_create(r->dev, store, m, fit);
    clg_store_destroy(&store); /* the trainer holds it */
    r->type = fit->type;
    r->seed = fit->seed;
    snprintf(r->optimizer, sizeof r->optimizer, "%s", optimizer_of(fit));
    return r->trainer;
}

clg_trainer *clg_cv_trainer(clg_cv_runner *r, const clg_model *m, const clg_fit_params *fit) {
    if (!reusable(r, m, fit)) return new_trainer(r, m, fit);
    if (clg_trainer_set(r->trainer, fit) < 0 || clg_trainer_reset(r->trainer) < 0) return NULL;
    return r->trainer;
}

/* --- splits --- */

clg_status clg_cv_check(const char *call, const clg_fit_params *fit, const clg_cv_params *p) {
    if (!fit || !p) return clg_fail(CLG_ERR_INVALID, "%s: %s are NULL", call, fit ? "the cv params" : "the fit params");
    if ((p->k != 0) == (p->holdout != 0))
        return clg_fail(CLG_ERR_INVALID, "%s: k is %d and holdout %g: give one of them, k folds or a fraction that is "
                        "held out", call, p->k, p->holdout);
    if (p->holdout != 0 && !(p->holdout > 0 && p->holdout < 1))
        return clg_fail(CLG_ERR_INVALID, "%s: holdout is %g: give a fraction between 0 and 1", call, p->holdout);
    if (fit->save)
        return clg_fail(CLG_ERR_INVALID, "%s: each fold would write the same checkpoint %s: leave save out", call,
                        fit->save);
    return CLG_OK;
}

/* An item with its place in an order in which every beginning has each class in its share: the r-th item of a class of
 * c, shuffled, stands at (r + 1/2) / c. */
typedef struct place {
    double   at;
    uint64_t draw; /* among equals */
    int64_t  item;
    int32_t  label;
} place;

static int by_draw(const void *a, const void *b) {
    const place *p = a, *q = b;
    if (p->label != q->label) return p->label < q->label ? -1 : 1;
    return p->draw != q->draw ? (p->draw < q->draw ? -1 : 1) : p->item < q->item ? -1 : 1;
}

static int by_place(const void *a, const void *b) {
    const place *p = a, *q = b;
    if (p->at != q->at) return p->at < q->at ? -1 : 1;
    return p->draw != q->draw ? (p->draw < q->draw ? -1 : 1) : p->item < q->item ? -1 : 1;
}

/* 64 bits that depend on seed and item alone. */
static uint64_t draw(uint64_t seed, int64_t item) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)item, (uint32_t)((uint64_t)item >> 32), 0, 0};
    uint32_t bits[4];
    clg_philox(counter, key, bits);
    return (uint64_t)bits[1] << 32 | bits[0];
}

static clg_status make_places(const clg_dataset *d, uint64_t seed, place *at, int64_t n) {
    const bool classes = clg_dataset_classes(d) > 0;
    for (int64_t i = 0; i < n; i++) {
        at[i] = (place){.draw = draw(seed, i), .item = i};
        if (classes) CLG_TRY(clg_dataset_item(d, i, NULL, &at[i].label));
    }
    qsort(at, (size_t)n, sizeof *at, by_draw);
    for (int64_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && at[end].label == at[begin].label; end++) {}
        for (int64_t i = begin; i < end; i++) at[i].at = ((double)(i - begin) + 0.5) / (double)(end - begin);
    }
    qsort(at, (size_t)n, sizeof *at, by_place);
    return CLG_OK;
}

/* The first `limit` items of that order instead of *train. */
static clg_status cut(clg_dataset **train, int64_t limit, uint64_t seed) {
    const int64_t n = clg_dataset_size(*train);
    clg_status status = CLG_OK;
    clg_dataset *part = NULL;
    if (limit > n)
        return clg_fail(CLG_ERR_INVALID, "learning_curve: size %lld, but the training part of a fold has %lld items: "
                        "give smaller sizes, or more folds", (long long)limit, (long long)n);
    place *at = clg_calloc((size_t)n, sizeof *at);
    int64_t *item = clg_calloc((size_t)limit, sizeof *item);
    if (!at || !item) status = clg_fail_nomem("a part of the training items");
    if (status == CLG_OK) status = make_places(*train, seed, at, n);
    for (int64_t i = 0; status == CLG_OK && i < limit; i++) item[i] = at[i].item;
    if (status == CLG_OK && !(part = clg_dataset_subset(*train, item, limit, CLG_TRAIN))) status = clg_error_status();
    clg_free(at);
    clg_free(item);
    if (status < 0) return status;
    clg_dataset_destroy(train);
    *train = part;
    return CLG_OK;
}

static clg_status standardize(clg_dataset *train, clg_dataset *val) {
    clg_scaler *s = clg_scaler_fit(train);
    if (!s) return clg_error_status();
    clg_status status = clg_dataset_standardize(train, s);
    if (status == CLG_OK) status = clg_dataset_standardize(val, s);
    clg_scaler_destroy(&s);
    return status;
}

clg_status clg_cv_split(const clg_cv_params *p, clg_dataset *d, int i, int64_t limit, clg_dataset **train,
                        clg_dataset **val) {
    clg_dataset *t = NULL, *v = NULL;
    clg_status status;
    if (p->holdout > 0) {
        const clg_split_params split = {.val = p->holdout, .seed = p->seed};
        status = clg_dataset_split(d, &split, &t, &v, NULL);
    } else {
        status = clg_dataset_fold(d, p->folds, p->k, i, p->seed, &t, &v);
    }
    if (status == CLG_OK && limit > 0) status = cut(&t, limit, p->seed);
    if (status == CLG_OK && p->standardize) status = standardize(t, v);
    if (status < 0) {
        clg_dataset_destroy(&t);
        clg_dataset_destroy(&v);
        return status;
    }
    *train = t;
    *val = v;
    return CLG_OK;
}

/* --- folds --- */

static clg_status score_fold(const clg_cv_job *job, clg_trainer *t, clg_dataset *train, clg_dataset *val,
                             clg_cv_result *out, clg_fold *f) {
    const size_t cells = (size_t)out->classes * (size_t)out->classes;
    int64_t *counts = cells ? clg_calloc(cells, sizeof *counts) : NULL;
    if (cells && !counts) return clg_fail_nomem("a confusion matrix");
    clg_status status = clg_evaluate(t, train, &f->train, NULL, NULL);
    if (status == CLG_OK) status = clg_evaluate(t, val, &f->val, counts, NULL);
    for (size_t i = 0; status == CLG_OK && i < cells; i++) {
        out->confusion[i] += counts[i];
        if (i % ((size_t)out->classes + 1) == 0) out->right += counts[i];
    }
    out->n += f->n_val;
    clg_free(counts);
    return status;
}

static clg_status train_fold(const clg_cv_job *job, clg_trainer *t, clg_dataset *train, clg_dataset *val,
                             clg_cv_result *out, clg_fold *f) {
    clg_fit_result r;
    const double began = clg_now();
    f->n_train = clg_dataset_size(train);
    f->n_val = clg_dataset_size(val);
    if (job->cv->full_batch) {
        clg_fit_params fit = *job->fit;
        fit.batch = f->n_train;
        CLG_TRY(clg_trainer_set(t, &fit));
    }
    CLG_TRY(clg_fit(t, train, val, &r));
    const bool restored = r.end == CLG_FIT_EARLY || job->fit->keep_best;
    f->end = r.end;
    f->epochs = restored && r.best_epoch > 0 ? r.best_epoch : r.epochs;
    out->diverged += r.end == CLG_FIT_DIVERGED;
    CLG_TRY(score_fold(job, t, train, val, out, f));
    f->seconds = clg_now() - began;
    return CLG_OK;
}

static clg_status run_fold(const clg_cv_job *job, clg_trainer *t, int i, clg_cv_result *out) {
    clg_dataset *train = NULL, *val = NULL;
    clg_status status = clg_cv_split(job->cv, job->data, i, job->limit, &train, &val);
    if (status < 0) return status;
    if (i > 0) status = clg_trainer_reset(t);
    if (status == CLG_OK) status = train_fold(job, t, train, val, out, &out->fold[i]);
    if (status == CLG_OK && job->trained) status = job->trained(job->user, i, t);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    if (status < 0) return clg_fail_context(status, "fold %d of %d: ", i + 1, out->k);
    if (job->cv->on_fold) job->cv->on_fold(job->cv->user, i, &out->fold[i]);
    return CLG_OK;
}

/* --- what they say together --- */

/* Mean over the folds and its standard error of the number at `offset` of each. */
static void mean_of(const clg_cv_result *r, size_t offset, double *mean, double *sem) {
    double sum = 0, squares = 0;
    for (int i = 0; i < r->k; i++) sum += *(const double *)(const void *)((const char *)&r->fold[i] + offset);
    *mean = sum / r->k;
    for (int i = 0; i < r->k; i++) {
        const double v = *(const double *)(const void *)((const char *)&r->fold[i] + offset) - *mean;
        squares += v * v;
    }
    *sem = r->k > 1 ? sqrt(squares / (r->k - 1) / r->k) : NAN;
}

static void summarize(clg_cv_result *r) {
    const bool classes = r->classes > 0;
    mean_of(r, offsetof(clg_fold, val.loss), &r->loss, &r->loss_sem);
    mean_of(r, offsetof(clg_fold, train.loss), &r->train_loss, &r->train_loss_sem);
    mean_of(r, classes ? offsetof(clg_fold, val.accuracy) : offsetof(clg_fold, val.r2), &r->accuracy,
            &r->accuracy_sem);
    mean_of(r, classes ? offsetof(clg_fold, train.accuracy) : offsetof(clg_fold, train.r2), &r->train_accuracy,
            &r->train_accuracy_sem);
}

static clg_status begin_result(const clg_cv_job *job, clg_cv_result *r) {
    r->k = job->cv->holdout > 0 ? 1 : job->cv->k;
    r->classes = clg_dataset_classes(job->data);
    if (r->k < 1 || r->k > clg_dataset_size(job->data)) /* says what is wrong before anything is compiled */
        return clg_dataset_fold(job->data, job->cv->folds, r->k, 0, job->cv->seed, NULL, NULL);
    r->fold = clg_calloc((size_t)r->k, sizeof *r->fold);
    if (r->classes > 0) r->confusion = clg_calloc((size_t)r->classes * (size_t)r->classes, sizeof *r->confusion);
    if (!r->fold || (r->classes > 0 && !r->confusion)) return clg_fail_nomem("the results of the folds");
    return CLG_OK;
}

clg_status clg_cv_run(clg_cv_runner *runner, const clg_cv_job *job, clg_cv_result *out) {
    clg_cv_result r = {0};
    clg_status status;
    const double began = clg_now();
    CLG_TRY_END(begin_result(job, &r));
    const int64_t plans = reusable(runner, job->model, job->fit) ? clg_trainer_plans(runner->trainer) : 0;
    clg_trainer *t = clg_cv_trainer(runner, job->model, job->fit);
    if (!t) {
        status = clg_error_status();
        goto end;
    }
    r.weights = clg_model_weights(job->model);
    for (int i = 0; i < r.k; i++) CLG_TRY_END(run_fold(job, t, i, &r));
    summarize(&r);
    r.plans = clg_trainer_plans(t) - plans;
    r.seconds = clg_now() - began;
    *out = r;
    return CLG_OK;
end:
    clg_cv_result_free(&r);
    return status;
}

void clg_cv_result_free(clg_cv_result *r) {
    if (!r) return;
    clg_free(r->fold);
    clg_free(r->confusion);
    *r = (clg_cv_result){0};
}

clg_status clg_cross_validate(clg_device *dev, const clg_model *m, clg_dataset *d, const clg_fit_params *fit,
                              const clg_cv_params *p, clg_cv_result *out) {
    if (!dev || !m || !d || !out)
        return clg_fail(CLG_ERR_INVALID, "cross_validate: the %s is NULL", !dev ? "device" : !m ? "model"
                        : !d ? "data set" : "result");
    CLG_TRY(clg_cv_check("cross_validate", fit, p));
    clg_model *model = clg_model_for(m, clg_dataset_shape(d), clg_dataset_classes(d), clg_dataset_targets(d));
    if (!model) return clg_error_status();
    clg_cv_runner runner = {.dev = dev};
    const clg_cv_job job = {.model = model, .data = d, .fit = fit, .cv = p};
    const clg_status status = clg_cv_run(&runner, &job, out);
    clg_cv_runner_close(&runner);
    clg_model_destroy(&model);
    return status;
}

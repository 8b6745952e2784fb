/* Scores on a data set, by inference plans. The host compares answers with its own copy of the targets, so one read of
 * the outputs a batch gives everything; all sums are double. */
#include "fit/trainer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- what fits --- */

static void shape_text(clg_shape s, char *to, size_t size) {
    size_t at = 0;
    to[0] = 0;
    for (int i = 0; i < s.ndim && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%lld", i > 0 ? "x" : "", (long long)s.dim[i]);
}

static bool same_shape(clg_shape a, clg_shape b) {
    return a.ndim == b.ndim && (a.ndim < 1 || memcmp(a.dim, b.dim, (size_t)a.ndim * sizeof a.dim[0]) == 0);
}

clg_status clg_trainer_fits(const clg_trainer *t, const clg_dataset *d, const char *call, const char *what) {
    char have[160], want[160];
    const clg_shape item = clg_dataset_shape(d), input = clg_model_item(t->model);
    const int64_t outputs = clg_model_outputs(t->model), classes = clg_dataset_classes(d);
    const enum clg_model_loss loss = clg_model_loss(t->model);
    const int64_t most = loss == CLG_LOSS_CROSS_ENTROPY ? outputs : 2;
    if (!same_shape(item, input)) {
        shape_text(item, have, sizeof have);
        shape_text(input, want, sizeof want);
        return clg_fail(CLG_ERR_SHAPE, "%s: the items of %s are %s, but the model %s is for %s", call, what, have,
                        clg_model_name(t->model), want);
    }
    if (loss == CLG_LOSS_MSE && clg_dataset_targets(d) != outputs)
        return clg_fail(CLG_ERR_SHAPE, "%s: %s has %lld real targets an item, but the model %s has %lld outputs for "
                        "them", call, what, (long long)clg_dataset_targets(d), clg_model_name(t->model),
                        (long long)outputs);
    if (loss != CLG_LOSS_MSE && (classes < 1 || classes > most))
        return clg_fail(CLG_ERR_SHAPE, "%s: %s has %lld classes, but the model %s (loss %s) is for %s%lld", call, what,
                        (long long)classes, clg_model_name(t->model), clg_model_loss_name(loss),
                        most > 1 ? "1 to " : "", (long long)most);
    return CLG_OK;
}

/* --- real targets --- */

/* Reads the targets of all items into [n, k]; NULL after a failure. */
static double *all_targets(const clg_dataset *d, int64_t n, int64_t k) {
    double *t = clg_calloc((size_t)(n * k), sizeof *t);
    if (!t) {
        clg_fail_nomem("targets of a data set");
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        if (clg_dataset_row(d, i, NULL, t + i * k) < 0) {
            clg_free(t);
            return NULL;
        }
    return t;
}

static double spread(const double *t, int64_t n, int64_t k) {
    double sum = 0;
    for (int64_t j = 0; j < k; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++) mean += t[i * k + j];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) sum += (t[i * k + j] - mean) * (t[i * k + j] - mean);
    }
    return sum;
}

clg_status clg_fit_spread(const clg_dataset *d, double *sum) {
    const int64_t n = clg_dataset_size(d), k = clg_dataset_targets(d);
    double *t = all_targets(d, n, k);
    if (!t) return clg_error_status();
    *sum = spread(t, n, k);
    clg_free(t);
    return CLG_OK;
}

/* --- a pass over the data --- */

typedef struct pass {
    clg_trainer *t;
    clg_dataset *d;
    int64_t      n, outputs;
    bool         reals;
    double      *target;    /* real targets [n, outputs]; else NULL */
    double      *f;         /* outputs of a batch */
    float       *f32;       /* the same, as a model in f32 gives them */
    int32_t     *answer;    /* of a batch */
    int64_t     *confusion;
    float       *output;
    double       loss, squares;
    int64_t      right;
} pass;

static clg_status read_output(const pass *p, const clg_fit_part *part) {
    const size_t n = (size_t)(part->rows * p->outputs);
    if (p->t->p.type == CLG_F64) return clg_read(part->plan, part->output, p->f, n * sizeof *p->f);
    CLG_TRY(clg_read(part->plan, part->output, p->f32, n * sizeof *p->f32));
    for (size_t i = 0; i < n; i++) p->f[i] = p->f32[i];
    return CLG_OK;
}

static clg_status read_loss(const pass *p, const clg_fit_part *part, double *loss) {
    float x;
    if (p->t->p.type == CLG_F64) return clg_read(part->plan, part->loss, loss, sizeof *loss);
    CLG_TRY(clg_read(part->plan, part->loss, &x, sizeof x));
    *loss = x;
    return CLG_OK;
}

static clg_status count_classes(pass *p, int64_t first, int64_t rows) {
    const int classes = clg_dataset_classes(p->d);
    for (int64_t i = 0; i < rows; i++) {
        int32_t label;
        CLG_TRY(clg_dataset_item(p->d, first + i, NULL, &label));
        const int32_t a = p->answer[i];
        p->right += a == label;
        if (p->confusion && a >= 0 && a < classes) p->confusion[(int64_t)label * classes + a]++;
    }
    return CLG_OK;
}

static clg_status run_batch(pass *p, int64_t first, int64_t rows) {
    const clg_fit_part *part = clg_trainer_part(p->t, rows, false);
    double loss;
    if (!part) return clg_error_status();
    CLG_TRY(clg_dataset_next(p->d, part->plan, part->x, part->target));
    CLG_TRY(clg_run(part->plan));
    CLG_TRY(read_loss(p, part, &loss));
    CLG_TRY(read_output(p, part));
    const int64_t at = first * p->outputs, n = rows * p->outputs;
    p->loss += loss * (double)rows;
    if (p->output)
        for (int64_t i = 0; i < n; i++) p->output[at + i] = (float)p->f[i];
    if (p->reals) {
        for (int64_t i = 0; i < n; i++) p->squares += (p->f[i] - p->target[at + i]) * (p->f[i] - p->target[at + i]);
        return CLG_OK;
    }
    CLG_TRY(clg_read(part->plan, part->answer, p->answer, (size_t)rows * sizeof *p->answer));
    return count_classes(p, first, rows);
}

static clg_status run_all(pass *p, int64_t batch) {
    if (p->reals && !(p->target = all_targets(p->d, p->n, p->outputs))) return clg_error_status();
    p->f = clg_calloc((size_t)(batch * p->outputs), sizeof *p->f);
    p->f32 = clg_calloc((size_t)(batch * p->outputs), sizeof *p->f32);
    p->answer = clg_calloc((size_t)batch, sizeof *p->answer);
    if (!p->f || !p->f32 || !p->answer) return clg_fail_nomem("evaluation");
    if (p->d == p->t->fitting) p->t->moved = true;
    CLG_TRY(clg_dataset_start(p->d, false, 0, 0));
    for (int64_t first = 0; first < p->n; first += batch)
        CLG_TRY(run_batch(p, first, p->n - first < batch ? p->n - first : batch));
    return CLG_OK;
}

double clg_fit_r2(double squares, double all) {
    return all > 0 ? 1 - squares / all : squares == 0 ? 1 : 0;
}

static void give_score(const pass *p, clg_score *score) {
    const double n = (double)p->n;
    *score = (clg_score){.loss = p->loss / n, .n = p->n, .r2 = NAN, .accuracy = NAN};
    if (p->reals) score->r2 = clg_fit_r2(p->squares, spread(p->target, p->n, p->outputs));
    else score->accuracy = (double)p->right / n;
}

/* Items in a batch: by their size alone, so that scores have the same bits whatever the batches of training were. */
static int64_t batch_for(clg_shape item) {
    int64_t size = 1;
    for (int i = 0; i < item.ndim; i++) size *= item.dim[i];
    const int64_t rows = (1 << 20) / (size > 0 ? size : 1);
    return rows < 16 ? 16 : rows > 256 ? 256 : rows;
}

clg_status clg_trainer_score(clg_trainer *t, clg_dataset *d, int64_t limit, clg_score *score, int64_t *confusion,
                             float *output) {
    const int64_t size = clg_dataset_size(d), n = limit > 0 && limit < size ? limit : size;
    const int64_t most = batch_for(clg_model_item(t->model)), batch = n < most ? n : most;
    pass p = {.t = t, .d = d, .n = n, .outputs = clg_model_outputs(t->model), .confusion = confusion, .output = output,
              .reals = clg_model_loss(t->model) == CLG_LOSS_MSE};
    const clg_status s = run_all(&p, batch);
    if (s == CLG_OK) give_score(&p, score);
    clg_free(p.target);
    clg_free(p.f);
    clg_free(p.f32);
    clg_free(p.answer);
    return s;
}

clg_status clg_evaluate(clg_trainer *t, clg_dataset *d, clg_score *score, int64_t *confusion, float *output) {
    if (!t || !d || !score)
        return clg_fail(CLG_ERR_INVALID, "evaluate: the %s is NULL", !t ? "trainer" : !d ? "data set" : "score");
    CLG_TRY(clg_trainer_fits(t, d, "evaluate", "the data set"));
    const size_t classes = (size_t)clg_dataset_classes(d);
    if (confusion) memset(confusion, 0, classes * classes * sizeof *confusion);
    CLG_TRY(clg_trainer_score(t, d, 0, score, confusion, output));
    if (clg_dataset_part(d) == CLG_TEST && clg_dataset_evaluated(d) == 2)
        clg_log_msg(CLG_LOG_WARN, "note: the test part is evaluated a second time; if choices follow from it, it is a "
                    "validation part, and another part must tell how good the model is");
    return CLG_OK;
}

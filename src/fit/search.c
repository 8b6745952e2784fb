/* Grid and random search (Bergstra & Bengio 2012) over setups that are judged by validation. Values are texts from the
 * beginning to the end, so what the table shows is what was set. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "fit/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TRIALS = 100000, MAX_TURNS = 64 };

typedef struct search {
    clg_cv_runner   runner;
    const clg_setup *setup;
    clg_dataset    *data;
    const clg_search_params *p;
    clg_arena      *arena;
    clg_dimension  *dim;
    clg_search_result out;
} search;

/* --- which trials --- */

static clg_status parse_dims(search *s) {
    const clg_search_params *p = s->p;
    if (p->n_dims < 1 || !p->dim || p->random < 0 || p->random > MAX_TRIALS)
        return clg_fail(CLG_ERR_INVALID, "search: %d dimensions, %lld random trials: give a dimension or more, and 0 "
                        "to 100000 trials", p->dim ? p->n_dims : 0, (long long)p->random);
    s->dim = clg_arena_array(s->arena, (size_t)p->n_dims, sizeof *s->dim);
    const char **name = clg_arena_array(s->arena, (size_t)p->n_dims, sizeof *name);
    if (!s->dim || !name) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_dims; i++) {
        CLG_TRY(clg_dimension_parse(s->arena, "search", p->dim[i], &s->dim[i]));
        name[i] = s->dim[i].name;
        for (int j = 0; j < i; j++)
            if (strcmp(name[i], name[j]) == 0)
                return clg_fail(CLG_ERR_INVALID, "search: there are two dimensions %s", name[i]);
    }
    s->out.n_dims = p->n_dims;
    s->out.name = name;
    return CLG_OK;
}

/* Setups in the grid, but at most MAX_TRIALS + 1; ranges count as without end if they are drawn from. */
static int64_t grid_size(const search *s, bool drawn) {
    int64_t n = 1;
    for (int i = 0; i < s->p->n_dims && n <= MAX_TRIALS; i++)
        n = drawn && s->dim[i].range ? MAX_TRIALS + 1 : n * s->dim[i].n;
    return n <= MAX_TRIALS ? n : MAX_TRIALS + 1;
}

/* Point i of the grid; the last dimension is the fastest. */
static void grid_values(const search *s, int64_t i, const char **value) {
    for (int k = s->p->n_dims - 1; k >= 0; k--) {
        value[k] = s->dim[k].value[i % s->dim[k].n];
        i /= s->dim[k].n;
    }
}

static bool known(const search *s, int64_t trials, const char *const *value) {
    for (int64_t i = 0; i < trials; i++) {
        int same = 0;
        for (int k = 0; k < s->p->n_dims; k++) same += strcmp(s->out.trial[i].value[k], value[k]) == 0;
        if (same == s->p->n_dims) return true;
    }
    return false;
}

/* Draws until it is a new one; among few possibilities, which whole numbers may leave, it may have to be an old one. */
static clg_status random_values(const search *s, int64_t i, const char **value) {
    for (uint32_t turn = 0; turn < MAX_TURNS; turn++) {
        for (int k = 0; k < s->p->n_dims; k++) {
            value[k] = clg_dimension_draw(s->arena, &s->dim[k], s->p->seed, (uint32_t)i, turn, (uint32_t)k);
            if (!value[k]) return CLG_ERR_NOMEM;
        }
        if (!known(s, i, value)) break;
    }
    return CLG_OK;
}

/* Draws the wanted number, but no more than there are setups. */
static clg_status count_trials(const search *s, int64_t *n, bool *drawn) {
    const int64_t grid = grid_size(s, s->p->random > 0);
    *drawn = s->p->random > 0 && s->p->random < grid;
    *n = *drawn ? s->p->random : grid;
    return *n <= MAX_TRIALS ? CLG_OK : clg_fail(CLG_ERR_INVALID, "search: the grid has more than 100000 points");
}

static clg_status make_trials(search *s) {
    int64_t n;
    bool drawn;
    CLG_TRY(count_trials(s, &n, &drawn));
    s->out.trial = clg_arena_array(s->arena, (size_t)n, sizeof *s->out.trial);
    if (!s->out.trial) return CLG_ERR_NOMEM;
    s->out.n = n;
    for (int64_t i = 0; i < n; i++) {
        const char **value = clg_arena_array(s->arena, (size_t)s->p->n_dims, sizeof *value);
        if (!value) return CLG_ERR_NOMEM;
        if (drawn) CLG_TRY(random_values(s, i, value));
        else grid_values(s, i, value);
        s->out.trial[i].number = i + 1;
        s->out.trial[i].value = value;
    }
    return CLG_OK;
}

/* --- trying --- */

static clg_status setup_of(const search *s, const clg_trial *t, clg_setup *to) {
    *to = *s->setup;
    for (int k = 0; k < s->p->n_dims; k++) CLG_TRY(clg_setup_set(to, s->dim[k].name, t->value[k]));
    return CLG_OK;
}

/* "lr=0.1 batch=32: " before an error of the trial. */
static clg_status with_values(const search *s, const clg_trial *t, clg_status status) {
    clg_str text = {0};
    for (int k = 0; k < s->p->n_dims; k++)
        clg_str_printf(&text, "%s%s=%s", k ? " " : "", s->dim[k].name, t->value[k]);
    (void)clg_fail_context(status, "search, trial %s: ", clg_str_text(&text));
    clg_str_free(&text);
    return status;
}

static clg_status run_trial(search *s, clg_trial *t) {
    clg_setup setup;
    clg_dataset *own = NULL, *use;
    clg_model *m = NULL;
    clg_status status;
    CLG_TRY_END(setup_of(s, t, &setup));
    CLG_TRY_END(clg_setup_data(&setup, s->data, &own, &use));
    m = clg_setup_model(&setup, use);
    status = m ? CLG_OK : clg_error_status();
    if (!m) goto end;
    const clg_cv_job job = {.model = m, .data = use, .fit = &setup.fit, .cv = &s->p->cv};
    status = clg_cv_run(&s->runner, &job, &t->cv);
end:
    clg_model_destroy(&m);
    clg_dataset_destroy(&own);
    return status < 0 ? with_values(s, t, status) : CLG_OK;
}

static clg_status run_trials(search *s) {
    for (int64_t i = 0; i < s->out.n; i++) {
        CLG_TRY(run_trial(s, &s->out.trial[i]));
        if (s->p->on_trial) s->p->on_trial(s->p->user, i, s->out.n, &s->out.trial[i]);
    }
    return CLG_OK;
}

/* --- who is best --- */

static int order(double a, double b) { /* NaN is behind every number */
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    return a < b ? -1 : a > b;
}

static int by_accuracy(const void *a, const void *b) {
    const clg_trial *p = a, *q = b;
    int o = (p->cv.diverged > 0) - (q->cv.diverged > 0);
    if (o == 0) o = order(-p->cv.accuracy, -q->cv.accuracy);
    if (o == 0) o = order(p->cv.loss, q->cv.loss);
    return o ? o : p->number < q->number ? -1 : 1;
}

static int by_loss(const void *a, const void *b) {
    const clg_trial *p = a, *q = b;
    int o = (p->cv.diverged > 0) - (q->cv.diverged > 0);
    if (o == 0) o = order(p->cv.loss, q->cv.loss);
    return o ? o : p->number < q->number ? -1 : 1;
}

/* --- the winner --- */

/* There is no validation part any more: what looked at it is left out, and the epochs are those that it led to. */
static void without_validation(clg_fit_params *fit, const clg_cv_result *cv) {
    int64_t sum = 0;
    for (int i = 0; i < cv->k; i++) sum += cv->fold[i].epochs;
    if (fit->patience > 0 || fit->keep_best) fit->epochs = (sum + cv->k / 2) / cv->k;
    if (fit->epochs < 1) fit->epochs = 1;
    fit->patience = 0;
    fit->keep_best = false;
    if (fit->schedule.kind == CLG_LR_PLATEAU) fit->schedule.kind = CLG_LR_CONSTANT;
}

/* Standardises both by all of d; the scaler goes with the weights. Handles of our own: those of the caller stay. */
static clg_status scale_all(const clg_cv_params *cv, clg_dataset *all, clg_dataset *test, clg_store *store) {
    if (!cv->standardize) return CLG_OK;
    clg_scaler *s = clg_scaler_fit(all);
    if (!s) return clg_error_status();
    clg_status status = clg_dataset_standardize(all, s);
    if (status == CLG_OK && test) status = clg_dataset_standardize(test, s);
    if (status == CLG_OK) status = clg_scaler_to_store(s, store);
    clg_scaler_destroy(&s);
    return status;
}

static clg_status fit_winner(search *s, const clg_setup *setup, clg_dataset *all, clg_dataset *test) {
    clg_fit_result r;
    clg_cv_runner fresh = {.dev = s->runner.dev};
    clg_model *m = clg_setup_model(setup, all);
    if (!m) return clg_error_status();
    clg_trainer *t = clg_cv_trainer(&fresh, m, &setup->fit);
    clg_model_destroy(&m);
    if (!t) return clg_error_status();
    s->out.winner = t;
    CLG_TRY(scale_all(&s->p->cv, all, test, clg_trainer_store(t)));
    CLG_TRY(clg_fit(t, all, NULL, &r));
    if (r.end == CLG_FIT_DIVERGED)
        return clg_fail(CLG_ERR_INVALID, "search: the best setup diverged in step %lld when it was trained on all of "
                        "the data: take a smaller learning rate", (long long)r.bad_step);
    return test ? clg_evaluate(t, test, &s->out.test, NULL, NULL) : CLG_OK;
}

/* A handle of the same items that may be standardised. */
static clg_dataset *handle(clg_dataset *d) {
    return clg_dataset_slice(d, 0, clg_dataset_size(d));
}

static clg_status refit(search *s) {
    clg_setup setup;
    clg_dataset *own[2] = {NULL, NULL}, *use[2] = {NULL, NULL}, *part[2] = {NULL, NULL};
    clg_dataset *const from[2] = {s->data, s->p->test};
    clg_status status;
    CLG_TRY_END(setup_of(s, &s->out.trial[0], &setup));
    without_validation(&setup.fit, &s->out.trial[0].cv);
    if (s->p->cv.full_batch) setup.fit.batch = clg_dataset_size(s->data);
    for (int i = 0; i < 2 && from[i]; i++) {
        CLG_TRY_END(clg_setup_data(&setup, from[i], &own[i], &use[i]));
        part[i] = handle(use[i]);
        status = part[i] ? CLG_OK : clg_error_status();
        if (status < 0) goto end;
    }
    status = fit_winner(s, &setup, part[0], part[1]);
end:
    for (int i = 0; i < 2; i++) {
        clg_dataset_destroy(&part[i]);
        clg_dataset_destroy(&own[i]);
    }
    return status < 0 ? with_values(s, &s->out.trial[0], status) : CLG_OK;
}

/* --- all of it --- */

static clg_status run_search(search *s) {
    CLG_TRY(parse_dims(s));
    CLG_TRY(make_trials(s));
    CLG_TRY(run_trials(s));
    const bool loss = s->p->by_loss || clg_dataset_classes(s->data) == 0;
    qsort(s->out.trial, (size_t)s->out.n, sizeof *s->out.trial, loss ? by_loss : by_accuracy);
    return s->p->refit || s->p->test ? refit(s) : CLG_OK;
}

clg_status clg_search(clg_device *dev, const clg_setup *setup, clg_dataset *d, const clg_search_params *p,
                      clg_search_result *out) {
    if (!dev || !setup || !d || !p || !out)
        return clg_fail(CLG_ERR_INVALID, "search: the %s is NULL", !dev ? "device" : !setup ? "setup" : !d ? "data set"
                        : !p ? "params pointer" : "result");
    CLG_TRY(clg_cv_check("search", &setup->fit, &p->cv));
    clg_arena *arena = clg_calloc(1, sizeof *arena);
    if (!arena) return clg_fail_nomem("a search");
    search s = {.runner = {.dev = dev}, .setup = setup, .data = d, .p = p, .arena = arena,
                .out = {.test = {NAN, NAN, NAN, 0}, .own = arena}};
    const clg_status status = run_search(&s);
    clg_cv_runner_close(&s.runner);
    if (status < 0) clg_search_result_free(&s.out);
    else *out = s.out;
    return status;
}

int64_t clg_search_size(const clg_search_params *p) {
    clg_arena arena = {0};
    search s = {.p = p, .arena = &arena};
    int64_t n = 0;
    bool drawn;
    if (!p) return clg_fail(CLG_ERR_INVALID, "search_size: params pointer is NULL");
    clg_status status = parse_dims(&s);
    if (status == CLG_OK) status = count_trials(&s, &n, &drawn);
    clg_arena_free(&arena);
    return status < 0 ? status : n;
}

void clg_search_result_free(clg_search_result *r) {
    if (!r) return;
    for (int64_t i = 0; r->trial && i < r->n; i++) clg_cv_result_free(&r->trial[i].cv);
    clg_trainer_destroy(&r->winner);
    if (r->own) clg_arena_free(r->own);
    clg_free(r->own);
    *r = (clg_search_result){0};
}

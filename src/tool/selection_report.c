/* The reports of `clgrad select` and `clgrad curve`: what was judged, the results as a table and as drawings,
 * recipe, device and times. And the drawing of a search: the validation score of each trial over the values of each
 * setting. */
#include "tool/facts.h"
#include "tool/selection.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the table --- */

enum { SCORES = 6, CELL = 40 };

static void mean_text(char *to, double mean, double error) {
    if (isfinite(error)) snprintf(to, CELL, "%.4f \xc2\xb1 %.4f", mean, error);
    else if (isfinite(mean)) snprintf(to, CELL, "%.4f", mean);
    else snprintf(to, CELL, "diverged");
}

static void fill_scores(char (*row)[CELL], const clg_cv_result *r) {
    mean_text(row[0], r->train_loss, r->train_loss_sem);
    mean_text(row[1], r->loss, r->loss_sem);
    mean_text(row[2], r->train_accuracy, r->train_accuracy_sem);
    mean_text(row[3], r->accuracy, r->accuracy_sem);
    snprintf(row[4], CELL, "%lld", (long long)r->weights);
    snprintf(row[5], CELL, "%.1f", r->seconds);
}

static void fill_heads(char (*row)[CELL], const char *measure) {
    const char *const head[SCORES] = {"training loss", "validation loss", NULL, NULL, "weights", "seconds"};
    for (int i = 0; i < SCORES; i++) snprintf(row[i], CELL, "%s", head[i] ? head[i] : "");
    snprintf(row[2], CELL, "training %s", measure);
    snprintf(row[3], CELL, "validation %s", measure);
}

static void put_table(clg_report *to, const clg_judged *j) {
    const int columns = j->n_labels + SCORES;
    char (*text)[CELL] = calloc((size_t)(j->n + 1) * SCORES, sizeof *text);
    const char **cell = calloc((size_t)(j->n + 1) * (size_t)columns, sizeof *cell);
    for (int i = 0; text && cell && i <= j->n; i++) {
        const char *const *label = i ? j->row[i - 1].label : j->head;
        if (i) fill_scores(text + i * SCORES, j->row[i - 1].cv);
        else fill_heads(text, clg_selection_measure(j->row[0].cv));
        for (int k = 0; k < columns; k++)
            cell[i * columns + k] = k < j->n_labels ? label[k] : text[i * SCORES + k - j->n_labels];
    }
    if (text && cell) clg_report_table(to, "Means over the folds and their standard errors.", columns, j->n + 1, cell);
    free(text);
    free(cell);
}

/* --- the page --- */

int clg_selection_report(const clg_selection *s, const clg_judged *j, const clg_figure *f, const char *path) {
    clg_facts *facts = calloc(1, sizeof *facts);
    clg_report *r = facts ? clg_report_create(j->title) : NULL;
    if (!r) {
        free(facts);
        return clg_tool_error(CLG_EXIT_FAILED, "--report %s: no memory", path);
    }
    clg_report_heading(r, "Results");
    if (s->cv.k > 0)
        clg_report_text(r, "%s\nJudged by %d-fold cross-validation on the training part.", j->text, s->cv.k);
    else
        clg_report_text(r, "%s\nJudged by %g of the training part, held out once.", j->text, s->cv.holdout);
    clg_report_figure(r, f, j->caption);
    if (j->n > 0) put_table(r, j);
    clg_report_heading(r, "Configuration");
    clg_train_put_options(r, &s->o);
    clg_facts_add(facts, "quantity", "value");
    clg_facts_add_device(facts, s->dev);
    clg_facts_add_time(facts);
    clg_report_heading(r, "Device and times");
    clg_facts_put(facts, r, NULL);
    free(facts);
    const int code = clg_report_save(r, path) < 0 ? clg_tool_fail() : CLG_EXIT_OK;
    clg_report_destroy(&r);
    return code;
}

/* --- a search --- */

enum { MAX_CHARTS = 4, LABEL = 200, WIDE = 15 /* a ratio that wants a logarithmic axis */ };

/* Values of dimension k as numbers; true if a logarithmic axis suits them. */
static bool fill_numbers(const clg_search_result *r, int k, double *x, bool *numbers) {
    double low = INFINITY, high = -INFINITY;
    *numbers = true;
    for (int64_t i = 0; i < r->n; i++) {
        char *end;
        x[i] = strtod(r->trial[i].value[k], &end);
        *numbers = *numbers && end != r->trial[i].value[k] && *end == 0 && isfinite(x[i]);
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    return *numbers && low > 0 && high >= WIDE * low;
}

/* Words get numbers, the best first; the label says which. */
static void fill_words(const clg_search_result *r, int k, double *x, char label[LABEL]) {
    int known = 0, n = snprintf(label, LABEL, "%s:", r->name[k]);
    for (int64_t i = 0; i < r->n; i++) {
        int64_t same = 0;
        while (strcmp(r->trial[same].value[k], r->trial[i].value[k]) != 0) same++;
        x[i] = same < i ? x[same] : ++known;
        if (same < i || n >= LABEL - 60) continue;
        n += snprintf(label + n, 60, "%s %d %.40s", known > 1 ? "," : "", known, r->trial[i].value[k]);
    }
}

clg_figure *clg_selection_draw_search(const clg_search_result *r, const char *title) {
    const int charts = r->n_dims < MAX_CHARTS ? r->n_dims : MAX_CHARTS;
    const size_t n = (size_t)r->n;
    double *room = calloc(n * (size_t)(charts + 1), sizeof *room), *y = room;
    char label[MAX_CHARTS][LABEL];
    clg_series s[MAX_CHARTS];
    clg_chart c[MAX_CHARTS];
    if (!room) return NULL;
    for (size_t i = 0; i < n; i++) y[i] = r->trial[i].cv.accuracy;
    for (int k = 0; k < charts; k++) {
        double *x = room + n * (size_t)(k + 1);
        bool numbers;
        const bool log = fill_numbers(r, k, x, &numbers);
        snprintf(label[k], LABEL, "%s", r->name[k]);
        if (!numbers) fill_words(r, k, x, label[k]);
        s[k] = (clg_series){.x = x, .y = y, .n = r->n, .points = true};
        c[k] = (clg_chart){.x_label = label[k], .y_label = clg_selection_measure(&r->trial[0].cv), .series = &s[k],
                           .n_series = 1, .log_x = log};
    }
    clg_figure *f = clg_figure_charts(title, c, charts);
    free(room);
    return f;
}

/* `clgrad train --kfold K`: before the run that is tested and saved, the recipe is judged by cross-validation on the
 * training part; and how the folds are shown. */
#include "tool/selection.h"
#include "tool/show.h"
#include <stdlib.h>
#include <string.h>

typedef struct judge {
    clg_selection s;
    int64_t       fold; /* the present one, from 0 */
} judge;

static void label(judge *j) {
    snprintf(j->s.bar.label, sizeof j->s.bar.label, "fold %lld/%d", (long long)j->fold + 1, j->s.cv.k);
}

/* Items of all folds and epochs; a fold that is stopped early leaps to its end. */
static enum clg_fit_action on_step(void *user, const clg_fit_state *f) {
    judge *j = user;
    const int64_t fold = f->items * f->epochs;
    j->s.bar.total = fold * j->s.cv.k;
    clg_progress_update(&j->s.bar, j->fold * fold + (f->epoch - 1) * f->items + f->item);
    return CLG_FIT_GO_ON;
}

static void on_fold(void *user, int i, const clg_fold *f) {
    judge *j = user;
    j->fold = i + 1;
    if (j->fold < j->s.cv.k) label(j);
}

static void print_folds(FILE *to, const clg_cv_result *r) {
    char loss[48], right[48];
    const char *m = clg_selection_measure(r);
    const bool classes = r->classes > 0;
    fprintf(to, "fold  trained on  validated on  epochs  train loss  train %-8s  val loss  val %-8s  seconds\n", m, m);
    for (int i = 0; i < r->k; i++) {
        const clg_fold *f = &r->fold[i];
        fprintf(to, "%4d  %10lld  %12lld  %6lld  %10.4f  %14.4f  %8.4f  %12.4f  %7.1f%s\n", i + 1,
                (long long)f->n_train, (long long)f->n_val, (long long)f->epochs, f->train.loss,
                classes ? f->train.accuracy : f->train.r2, f->val.loss, classes ? f->val.accuracy : f->val.r2,
                f->seconds, f->end == CLG_FIT_DIVERGED ? "  diverged" : "");
    }
    fprintf(to, "mean of %d folds and its standard error: loss %s, %s %s", r->k,
            clg_selection_mean(loss, sizeof loss, r->loss, r->loss_sem), m,
            clg_selection_mean(right, sizeof right, r->accuracy, r->accuracy_sem));
    if (classes) fprintf(to, "; %lld of %lld right", (long long)r->right, (long long)r->n);
    fprintf(to, "\n\n");
}

static int cross_validate(judge *j, clg_cv_result *out) {
    clg_model *m = j->s.setup.zoo ? clg_model_zoo(j->s.setup.zoo, &j->s.setup.zoo_params) : NULL;
    if (j->s.setup.zoo && !m) return clg_tool_fail();
    clg_progress_begin(&j->s.bar, "", "items", 0, 1);
    label(j);
    const clg_status status = clg_cross_validate(j->s.dev, m ? m : j->s.setup.model, j->s.data, &j->s.setup.fit,
                                                 &j->s.cv, out);
    clg_progress_end(&j->s.bar);
    clg_model_destroy(&m);
    return status == CLG_OK ? CLG_EXIT_OK : clg_tool_fail_usage();
}

int clg_train_kfold(clg_train_run *r) {
    judge j = {.s = {.command = "train", .o = r->o, .kfold = r->o.out.kfold, .dev = r->dev}};
    j.s.o.out.json = NULL; /* the lines of the run */
    if (r->free_batch) j.s.o.batch = 0;
    j.s.o.val_fraction = NAN;
    int code = clg_selection_open(&j.s);
    if (code == CLG_EXIT_OK) {
        j.s.setup.fit.on_step = on_step;
        j.s.setup.fit.user = &j;
        j.s.cv.on_fold = on_fold;
        j.s.cv.user = &j;
        code = cross_validate(&j, &r->folds);
    }
    j.s.dev = NULL; /* that of the run */
    clg_selection_close(&j.s);
    if (code != CLG_EXIT_OK) return code;
    print_folds(r->table, &r->folds);
    json_t *line = clg_selection_json(&r->folds);
    json_object_set_new(line, "kfold", json_integer(r->folds.k));
    return clg_jsonl_write(r->json, line);
}

/* --- in a report --- */

enum { COLUMNS = 8, CELL = 32 };

static void fill_row(char row[COLUMNS][CELL], const clg_fold *f, int number, bool classes) {
    snprintf(row[0], CELL, "%d", number);
    snprintf(row[1], CELL, "%lld", (long long)f->n_train);
    snprintf(row[2], CELL, "%lld", (long long)f->n_val);
    snprintf(row[3], CELL, "%lld%s", (long long)f->epochs, f->end == CLG_FIT_DIVERGED ? " (diverged)" : "");
    snprintf(row[4], CELL, "%.4f", f->train.loss);
    snprintf(row[5], CELL, "%.4f", classes ? f->train.accuracy : f->train.r2);
    snprintf(row[6], CELL, "%.4f", f->val.loss);
    snprintf(row[7], CELL, "%.4f", classes ? f->val.accuracy : f->val.r2);
}

static void put_table(clg_report *to, const clg_cv_result *r) {
    char head[COLUMNS][CELL] = {"fold", "trained on", "validated on", "epochs", "train loss", "", "val loss", ""};
    const int rows = r->k + 1;
    char (*text)[CELL] = calloc((size_t)rows * COLUMNS, sizeof *text);
    const char **cell = calloc((size_t)rows * COLUMNS, sizeof *cell);
    snprintf(head[5], CELL, "train %s", clg_selection_measure(r));
    snprintf(head[7], CELL, "val %s", clg_selection_measure(r));
    if (text && cell) {
        memcpy(text, head, sizeof head);
        for (int i = 0; i < r->k; i++) fill_row(text + (i + 1) * COLUMNS, &r->fold[i], i + 1, r->classes > 0);
        for (int i = 0; i < rows * COLUMNS; i++) cell[i] = text[i];
        clg_report_table(to, NULL, COLUMNS, rows, cell);
    }
    free(text);
    free(cell);
}

void clg_train_show_folds(clg_album *a, const clg_train_run *run) {
    const clg_cv_result *r = &run->folds;
    if (r->k == 0) return;
    clg_album_heading(a, "Cross-validation");
    clg_report_text(a->report, "Before this run the recipe was judged by %d-fold cross-validation on the training "
                    "part: loss %.4f \xc2\xb1 %.4f, %s %.4f \xc2\xb1 %.4f (mean of the folds and its standard error).",
                    r->k, r->loss, r->loss_sem, clg_selection_measure(r), r->accuracy, r->accuracy_sem);
    put_table(a->report, r);
    if (r->classes == 0) return;
    const char **name = clg_show_class_names(run->train);
    clg_album_add(a, "folds", clg_figure_confusion("All folds", r->confusion, r->classes, name),
                  "Answers to every item of the training part, each by the network that had not seen it.");
    free(name);
}

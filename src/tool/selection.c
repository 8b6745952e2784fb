/* From the options of a recipe to what clg_cross_validate(), clg_search() and the curves want; and how results are
 * printed. */
#include "tool/selection.h"
#include <math.h>
#include <string.h>

/* --- setup --- */

int clg_selection_setup(const clg_train_options *o, const char *command, clg_setup *to, clg_model **own) {
    const clg_network_options *n = &o->network;
    const char *name = n->model ? n->model : "lenet";
    *to = (clg_setup){.zoo = NULL};
    *own = NULL;
    const int code = clg_train_params(o, &to->fit);
    if (code != CLG_EXIT_OK) return code;
    to->fit.save = NULL;
    if (!clg_network_in_zoo(name)) {
        const int open = clg_network_open(n, command, own);
        to->model = *own;
        return open;
    }
    to->zoo = name;
    to->zoo_params = clg_network_zoo(n);
    return CLG_EXIT_OK;
}

static void on_fold(void *user, int i, const clg_fold *f) {
    clg_selection *s = user;
    clg_progress_update(&s->bar, ++s->done);
}

void clg_selection_options(clg_selection *s, const clg_opt *own, clg_opt *table) {
    int n = 0;
    clg_train_recipe(&s->o, table);
    while (table[n].kind != CLG_OPT_END) n++;
    do table[n++] = *own;
    while ((own++)->kind != CLG_OPT_END);
}

void clg_selection_begin(clg_selection *s, int64_t folds) {
    s->done = 0;
    clg_progress_begin(&s->bar, s->command, "trainings", 0, folds);
}

int clg_selection_open(clg_selection *s) {
    const bool held_out = s->kfold == 0 && !isnan(s->o.val_fraction) && s->o.val_fraction > 0;
    if (s->kfold > 0 && !isnan(s->o.val_fraction))
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --kfold and --val-fraction are two ways to judge: give one",
                              s->command);
    if (s->kfold == 0 && !held_out) s->kfold = 5;
    s->cv = (clg_cv_params){.k = (int)s->kfold, .holdout = held_out ? s->o.val_fraction : 0, .seed = s->o.seed,
                            .folds = s->modulo ? CLG_FOLD_MODULO : CLG_FOLD_AUTO, .standardize = s->o.standardize,
                            .on_fold = on_fold, .user = s};
    s->data = clg_dataset_open(s->o.data ? s->o.data : "digits", CLG_TRAIN);
    if (!s->data) return clg_tool_fail_usage();
    const double part = s->cv.k > 0 ? 1 - 1.0 / s->cv.k : 1 - s->cv.holdout;
    const bool free_batch = s->o.batch == 0;
    clg_train_suit(&s->o, s->data, (int64_t)((double)clg_dataset_size(s->data) * part));
    s->cv.full_batch = free_batch && s->o.batch < CLG_USUAL_BATCH; /* so no batch of one item is left of a fold */
    const int code = clg_selection_setup(&s->o, s->command, &s->setup, &s->model);
    if (code != CLG_EXIT_OK) return code;
    if (!s->dev) s->dev = clg_device_open(s->o.out.device, NULL);
    if (!s->dev) return clg_tool_fail();
    s->table = clg_jsonl_table(s->o.out.json);
    return clg_jsonl_open(s->o.out.json, &s->json);
}

void clg_selection_close(clg_selection *s) {
    clg_progress_end(&s->bar);
    clg_dataset_destroy(&s->data);
    clg_model_destroy(&s->model);
    clg_device_destroy(&s->dev);
    clg_jsonl_close(&s->json);
}

/* --- results --- */

const char *clg_selection_measure(const clg_cv_result *r) {
    return r->classes > 0 ? "accuracy" : "R2";
}

char *clg_selection_mean(char *to, size_t size, double mean, double sem) {
    const bool huge = fabs(mean) >= 1e5 || fabs(sem) >= 1e5;
    if (isnan(sem)) snprintf(to, size, huge ? "%.4g" : "%.4f", mean);
    else snprintf(to, size, huge ? "%.4g +- %.4g" : "%.4f +- %.4f", mean, sem);
    return to;
}

json_t *clg_selection_json(const clg_cv_result *r) {
    const bool classes = r->classes > 0;
    json_t *folds = json_array();
    for (int i = 0; i < r->k; i++) {
        const clg_fold *f = &r->fold[i];
        json_array_append_new(folds, json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:o}", "train_items",
            (json_int_t)f->n_train, "val_items", (json_int_t)f->n_val, "train_loss", clg_json_real(f->train.loss),
            classes ? "train_accuracy" : "train_r2", clg_json_real(classes ? f->train.accuracy : f->train.r2),
            "val_loss", clg_json_real(f->val.loss), classes ? "val_accuracy" : "val_r2",
            clg_json_real(classes ? f->val.accuracy : f->val.r2), "epochs", (json_int_t)f->epochs, "seconds",
            clg_json_real(f->seconds)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:o, s:o}",
        "val_loss", clg_json_real(r->loss), "val_loss_sem", clg_json_real(r->loss_sem),
        classes ? "val_accuracy" : "val_r2", clg_json_real(r->accuracy),
        classes ? "val_accuracy_sem" : "val_r2_sem", clg_json_real(r->accuracy_sem),
        "train_loss", clg_json_real(r->train_loss), "train_loss_sem", clg_json_real(r->train_loss_sem),
        classes ? "train_accuracy" : "train_r2", clg_json_real(r->train_accuracy),
        classes ? "train_accuracy_sem" : "train_r2_sem", clg_json_real(r->train_accuracy_sem),
        "weights", (json_int_t)r->weights, "diverged", r->diverged, "seconds", clg_json_real(r->seconds),
        "folds", folds);
}

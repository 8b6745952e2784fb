/* `clgrad train --plot` and `--report`: the curves as a file, and one HTML page that tells all of a run: result,
 * curves, pictures of what was learned, configuration, model, data, device, times. */
#include "tool/facts.h"
#include "tool/show.h"
#include "tool/train.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT = CLG_FACTS_TEXT };

static void shape_text(clg_shape s, char out[80]) {
    int n = snprintf(out, 80, s.ndim > 0 ? "" : "?");
    for (int i = 0; i < s.ndim && n < 60; i++) n += snprintf(out + n, 80 - (size_t)n, "%s%lld", i ? " \xc3\x97 " : "",
                                                            (long long)s.dim[i]);
}

/* --- the parts --- */

static bool has_reals(const clg_train_run *r) {
    return clg_dataset_classes(r->train) == 0;
}

static void add_score(clg_facts *f, const char *part, const clg_score *s, bool reals) {
    char what[80];
    if (!isfinite(s->loss)) return;
    snprintf(what, sizeof what, "%s loss", part);
    clg_facts_add(f, what, "%.5g", s->loss);
    snprintf(what, sizeof what, "%s %s", part, reals ? "R\xc2\xb2" : "accuracy");
    clg_facts_add(f, what, "%.4f", reals ? s->r2 : s->accuracy);
}

static void put_result(clg_report *to, const clg_train_run *r, clg_facts *f) {
    static const char *const ends[] = {
        "all epochs are done", "stopped early: the validation loss did not fall any more", "stopped before the end",
        "the loss was no longer finite: the weights are those of the last good epoch"};
    const clg_fit_result *e = &r->result;
    clg_facts_add(f, "quantity", "value");
    clg_facts_add(f, "end", "%s", ends[e->end]);
    if (e->end == CLG_FIT_DIVERGED) clg_facts_add(f, "first bad step", "%lld", (long long)e->bad_step);
    clg_facts_add(f, "epochs", "%lld", (long long)e->epochs);
    if (e->best_epoch > 0) clg_facts_add(f, "best epoch by validation loss", "%lld", (long long)e->best_epoch);
    if (e->epochs > 0) add_score(f, "last training", &e->last.train, has_reals(r));
    if (e->epochs > 0 && r->val) add_score(f, "last validation", &e->last.val, has_reals(r));
    if (r->test_score.n > 0) add_score(f, "test", &r->test_score, has_reals(r));
    clg_report_heading(to, "Result");
    clg_facts_put(f, to, r->test_score.n > 0 ? NULL : r->test ? "Without a test, since the run did not come to its end."
                         : "Without a test, since the data have no test part.");
}

void clg_train_put_options(clg_report *to, const clg_train_options *o) {
    clg_opt table[CLG_TRAIN_ROWS];
    clg_train_options copy = *o;
    char text[CLG_OPT_TEXT_SIZE];
    clg_facts *f = calloc(1, sizeof *f);
    clg_train_recipe(&copy, table);
    if (f) clg_facts_add(f, "option", "value");
    for (const clg_opt *row = table; f && row->kind != CLG_OPT_END; row++)
        if (row->name && *clg_opt_text(row, text)) clg_facts_add(f, row->name, "%s", clg_opt_text(row, text));
    if (f) clg_facts_put(f, to, "Options of clgrad train; those that are not here are as by default.");
    free(f);
}

static void put_model(clg_report *to, const clg_train_run *r) {
    const clg_model *m = r->model;
    const int layers = clg_model_layers(m);
    enum { COLUMNS = 4 };
    char (*text)[100] = calloc((size_t)(layers + 1) * COLUMNS, sizeof *text);
    const char **cell = calloc((size_t)(layers + 1) * COLUMNS, sizeof *cell);
    clg_report_heading(to, "Model");
    clg_report_text(to, "%s: %lld weights, loss %s.", clg_model_name(m), (long long)clg_model_weights(m),
                    clg_model_loss_name(clg_model_loss(m)));
    for (int i = 1; text && cell && i <= layers; i++) {
        char (*row)[100] = text + i * COLUMNS;
        const char *name = clg_model_layer_name(m, i - 1), *line = clg_model_layer(m, i - 1);
        snprintf(row[0], sizeof *row, "%d", i);
        snprintf(row[1], sizeof *row, "%s", line);
        snprintf(row[2], sizeof *row, "%s", name ? name : "");
        shape_text(clg_model_layer_shape(m, i - 1), row[3]);
    }
    static const char *const head[COLUMNS] = {"layer", "line", "weights", "result of one item"};
    for (int i = 0; text && cell && i < (layers + 1) * COLUMNS; i++) cell[i] = i < COLUMNS ? head[i] : text[i];
    if (text && cell) clg_report_table(to, NULL, COLUMNS, layers + 1, cell);
    clg_report_text(to, "As a file for clgrad train --model FILE:");
    clg_report_code(to, clg_model_text(m));
    free(text);
    free(cell);
}

static void put_data(clg_report *to, const clg_train_run *r, clg_facts *f) {
    char shape[80], names[TEXT] = "";
    const int classes = clg_dataset_classes(r->train);
    shape_text(clg_dataset_shape(r->train), shape);
    clg_facts_add(f, "quantity", "value");
    clg_facts_add(f, "data set", "%s", r->o.data);
    clg_facts_add(f, "training part", "%lld %s", (long long)clg_dataset_size(r->train), r->unit);
    if (r->val) clg_facts_add(f, "validation part", "%lld %s", (long long)clg_dataset_size(r->val), r->unit);
    if (r->test) clg_facts_add(f, "test part", "%lld %s", (long long)clg_dataset_size(r->test), r->unit);
    clg_facts_add(f, "an item", "%s numbers%s", shape, r->o.standardize ? ", standardised by the training part" : "");
    for (int k = 0; k < classes && clg_dataset_class_name(r->train, k); k++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", k ? ", " : ": ", clg_dataset_class_name(r->train, k));
    }
    if (classes > 0) clg_facts_add(f, "classes", "%d%s", classes, names);
    else clg_facts_add(f, "real targets", "%lld", (long long)clg_dataset_targets(r->train));
    clg_report_heading(to, "Data");
    clg_facts_put(f, to, NULL);
}

static void put_machine(clg_report *to, const clg_train_run *r, clg_facts *f) {
    clg_plan_info plan;
    const bool known = clg_trainer_plan_info(r->trainer, r->o.batch, &plan) == CLG_OK;
    clg_facts_add(f, "quantity", "value");
    clg_facts_add_device(f, r->dev);
    if (known) clg_facts_add(f, "launches of a step", "%d", plan.n_steps);
    if (known) clg_facts_add(f, "arithmetic of a step", "%.4g million operations", plan.flops / 1e6);
    if (!isnan(r->first_step)) clg_facts_add(f, "from the start to the first step", "%.2f s", r->first_step);
    if (r->result.epochs > 0 && isfinite(r->result.last.seconds)) /* not known of epochs before a resume */
        clg_facts_add(f, "last epoch", "%.2f s, %.0f %s a second", r->result.last.seconds,
                      r->result.last.items_per_second, r->unit);
    clg_facts_add_time(f);
    clg_report_heading(to, "Device and times");
    clg_facts_put(f, to, NULL);
}

static void put_pictures(clg_album *a, const clg_train_run *r) {
    const clg_exhibit x = {.dev = r->dev, .trainer = r->trainer, .data = r->test ? r->test : r->train, .seen = r->train,
                           .confusion = r->confusion, .output = r->test_score.n > 0 ? r->output : NULL};
    const clg_epoch *e;
    const int64_t n = clg_trainer_history(r->trainer, &e);
    if (n > 0) clg_album_heading(a, "Curves");
    clg_show_curves(a, "Loss and score of each epoch", e, n);
    if (!x.output && r->test) return;
    clg_show_confusion(a, &x);
    clg_show_wrong(a, &x);
    clg_show_targets(a, &x);
    clg_show_fit(a, &x);
    clg_show_regions(a, &x);
    clg_show_filters(a, &x);
    clg_show_maps(a, &x, 0);
}

static void run_title(const clg_train_run *r, char out[300]) {
    snprintf(out, 300, "%s on %s: %s, lr %g, batch %lld", clg_model_name(r->model), r->o.data, r->o.optimizer, r->o.lr,
             (long long)r->o.batch);
}

static int draw_plot(const clg_train_run *r) {
    char title[300];
    clg_album a = {.file = r->o.out.plot};
    const clg_epoch *e;
    const int64_t n = clg_trainer_history(r->trainer, &e);
    run_title(r, title);
    clg_show_curves(&a, title, e, n);
    if (a.code == CLG_EXIT_OK && n > 0) fprintf(r->table, "curves in %s\n", r->o.out.plot);
    return a.code;
}

static int write_report(const clg_train_run *r) {
    char title[300];
    clg_facts *f = calloc(1, sizeof *f);
    run_title(r, title);
    clg_album a = {.report = f ? clg_report_create(title) : NULL};
    if (!a.report) {
        free(f);
        return clg_tool_error(CLG_EXIT_FAILED, "--report %s: no memory", r->o.out.report);
    }
    put_result(a.report, r, f);
    clg_train_show_folds(&a, r);
    put_pictures(&a, r);
    clg_report_heading(a.report, "Configuration");
    clg_train_put_options(a.report, &r->o);
    put_model(a.report, r);
    put_data(a.report, r, f);
    put_machine(a.report, r, f);
    if (a.code == CLG_EXIT_OK && clg_report_save(a.report, r->o.out.report) < 0) a.code = clg_tool_fail();
    if (a.code == CLG_EXIT_OK) fprintf(r->table, "report in %s; open it in a browser\n", r->o.out.report);
    clg_report_destroy(&a.report);
    free(f);
    return a.code;
}

int clg_train_draw(const clg_train_run *r) {
    const int code = r->o.out.plot ? draw_plot(r) : CLG_EXIT_OK;
    return code == CLG_EXIT_OK && r->o.out.report ? write_report(r) : code;
}

/* `clgrad eval`: how good a saved network is on a data set: loss and accuracy, top-k, confusion matrix, precision and
 * recall of each class; for real targets the mean squared error and R2. */
#include "tool/loaded.h"
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Tests a checkpoint of clgrad train. For classes: loss, accuracy, the share of\n"
    "items whose class is among the k likeliest, the confusion matrix, which tells\n"
    "how often items of each class (row) were taken for each class (column), and for\n"
    "each class precision (of what was taken for it, how much was), recall (of what\n"
    "was, how much was found) and F1 (their harmonic mean). For real targets: the\n"
    "mean squared error and R2, the part of their variance that is explained.";

static const char outro[] =
    "Examples\n"
    "  clgrad train --save lenet.safetensors\n"
    "  clgrad eval --load lenet.safetensors\n"
    "  clgrad eval --load lenet.safetensors --data mnist:data --part train";

enum { MATRIX = 20, NAME = 12 }; /* most classes that are shown as a matrix; columns for the name of one */

typedef struct eval {
    clg_loaded l;
    const char *json;
    int64_t     top;
    clg_jsonl  *lines;
    FILE       *table;
    int         classes;  /* of the data; 0: real targets */
    double      top_k;    /* NaN: does not apply */
} eval;

/* --- numbers --- */

static double top_k(eval *e) {
    const int64_t n = e->l.score.n, outputs = clg_model_outputs(e->l.model);
    if (e->top == 0) e->top = outputs > 5 ? 5 : 2;
    if (e->classes == 0 || outputs < 3 || e->top > outputs) return NAN;
    int32_t *truth = calloc((size_t)n, sizeof *truth);
    bool ok = truth != NULL;
    for (int64_t i = 0; ok && i < n; i++) ok = clg_dataset_item(e->l.set, i, NULL, &truth[i]) == CLG_OK;
    const double share = ok ? clg_metric_top_k(e->l.output, truth, n, (int)outputs, (int)e->top) : NAN;
    free(truth);
    return share;
}

/* --- telling --- */

static const char *class_name(const eval *e, int k, char number[16]) {
    const char *name = clg_dataset_class_name(e->l.set, k);
    snprintf(number, 16, "%d", k);
    return name ? name : number;
}

static void print_class(const eval *e, const clg_class_metrics *m) {
    fprintf(e->table, "  %9.4f  %8.4f  %8.4f  %8lld\n", m->precision, m->recall, m->f1, (long long)m->support);
}

static void print_matrix(const eval *e) {
    char number[16];
    const int n = e->classes;
    fprintf(e->table, "\n%*s", NAME + 1, "answer:");
    for (int k = 0; k < n; k++) fprintf(e->table, " %6.6s", class_name(e, k, number));
    fputc('\n', e->table);
    for (int i = 0; i < n; i++) {
        fprintf(e->table, "%*.*s:", NAME, NAME, class_name(e, i, number));
        for (int k = 0; k < n; k++) fprintf(e->table, " %6lld", (long long)e->l.confusion[i * n + k]);
        fputc('\n', e->table);
    }
}

static void print_classes(const eval *e) {
    char number[16];
    if (e->classes <= MATRIX) print_matrix(e);
    fprintf(e->table, "\n%*s  precision    recall        F1     items\n", NAME + 1, "class:");
    for (int k = 0; k < e->classes; k++) {
        const clg_class_metrics m = clg_confusion_class(e->l.confusion, e->classes, k);
        fprintf(e->table, "%*.*s:", NAME, NAME, class_name(e, k, number));
        print_class(e, &m);
    }
    const clg_class_metrics mean = clg_confusion_macro(e->l.confusion, e->classes);
    fprintf(e->table, "%*s:", NAME, "mean");
    print_class(e, &mean);
}

static void print_all(const eval *e) {
    const char *unit = clg_dataset_shape(e->l.set).ndim == 3 ? "pictures" : "items";
    fprintf(e->table, "%s (%s) on %s, %s part, %lld %s\n", e->l.load, clg_model_name(e->l.model), e->l.data, e->l.part,
            (long long)e->l.score.n, unit);
    if (e->classes == 0) {
        fprintf(e->table, "mean squared error %.6g, R2 %.4f\n", e->l.score.loss, e->l.score.r2);
        return;
    }
    fprintf(e->table, "loss %.4f, accuracy %.4f", e->l.score.loss, e->l.score.accuracy);
    if (!isnan(e->top_k)) fprintf(e->table, ", top-%lld %.4f", (long long)e->top, e->top_k);
    fputc('\n', e->table);
    print_classes(e);
}

static json_t *class_json(const clg_class_metrics *m) {
    return json_pack("{s:f, s:f, s:f, s:I}", "precision", m->precision, "recall", m->recall, "f1", m->f1, "support",
                     (json_int_t)m->support);
}

static json_t *result_json(const eval *e) {
    clg_device_info info;
    clg_device_get_info(e->l.dev, &info);
    if (e->classes == 0)
        return json_pack("{s:o, s:o, s:I, s:s}", "mse", clg_json_real(e->l.score.loss), "r2",
                         clg_json_real(e->l.score.r2), "items", (json_int_t)e->l.score.n, "device", info.name);
    json_t *rows = json_array(), *classes = json_array();
    for (int i = 0; i < e->classes; i++) {
        const clg_class_metrics m = clg_confusion_class(e->l.confusion, e->classes, i);
        json_t *row = json_array();
        for (int k = 0; k < e->classes; k++)
            json_array_append_new(row, json_integer(e->l.confusion[i * e->classes + k]));
        json_array_append_new(rows, row);
        json_array_append_new(classes, class_json(&m));
    }
    const clg_class_metrics mean = clg_confusion_macro(e->l.confusion, e->classes);
    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:s, s:o, s:o, s:o}", "loss", clg_json_real(e->l.score.loss),
                     "accuracy", clg_json_real(e->l.score.accuracy), "items", (json_int_t)e->l.score.n, "k",
                     (json_int_t)e->top, "top_k", clg_json_real(e->top_k), "device", info.name, "confusion", rows,
                     "classes", classes, "mean", class_json(&mean));
}

/* --- the command --- */

static int run(eval *e) {
    int code = clg_loaded_open(&e->l, "eval");
    if (code == CLG_EXIT_OK) code = clg_jsonl_open(e->json, &e->lines);
    if (code == CLG_EXIT_OK) code = clg_loaded_measure(&e->l);
    if (code != CLG_EXIT_OK) return code;
    e->classes = clg_dataset_classes(e->l.set);
    e->top_k = top_k(e);
    print_all(e);
    return clg_jsonl_write(e->lines, result_json(e));
}

int clg_cmd_eval(int argc, char **argv) {
    eval e = {.l = CLG_LOADED_NONE, .top_k = NAN};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        CLG_LOADED_OPTIONS(e.l),
        {CLG_OPT_INT, "top", "K", &e.top, "count an answer as right if the class is among the K\nlikeliest "
         "(default 5, or 2 of up to five classes)", 1, 1e6},
        {CLG_OPT_TEXT, "json", "FILE", &e.json, "write the results as one JSON line; - is stdout"},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad eval --load FILE [OPTIONS]", intro, options, outro, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    e.table = clg_jsonl_table(e.json);
    code = run(&e);
    clg_loaded_close(&e.l);
    clg_jsonl_close(&e.lines);
    return code;
}

/* `clgrad eval`: a checkpoint's loss, accuracy and confusion matrix on a data set. */
#include "tool/model.h"
#include <stdlib.h>

static const char intro[] =
    "Tests a checkpoint of clgrad train: prints loss, accuracy, and the confusion\n"
    "matrix, which tells how often pictures of each class (row) were taken for each\n"
    "class (column). The model is described in the checkpoint.";

static const char outro[] =
    "Examples\n"
    "  clgrad train --save lenet.safetensors\n"
    "  clgrad eval --load lenet.safetensors\n"
    "  clgrad eval --load lenet.safetensors --data mnist:data --part train";

typedef struct eval {
    const char   *load, *data, *part, *device, *json;
    json_t       *meta[2]; /* the model's strings belong to the first */
    clg_net_spec     model;
    clg_dataset  *set;
    clg_device   *dev;
    clg_store    *store;
    clg_evaluator run;
    clg_net       net;     /* only to create the tensors that the file must have */
    clg_jsonl    *lines;
    int64_t      *confusion;
} eval;

/* Model and data of the checkpoint; --data goes before the latter. */
static int read_meta(eval *e) {
    int code = CLG_EXIT_OK;
    e->meta[0] = clg_meta_json(e->load, "model", &code);
    if (!e->meta[0]) return code;
    if (!clg_model_from_json(e->meta[0], &e->model))
        return clg_tool_error(CLG_EXIT_FILE, "%s: its metadata describes no model that this version knows", e->load);
    if (e->data) return CLG_EXIT_OK;
    e->meta[1] = clg_meta_json(e->load, "training", &code);
    if (!e->meta[1]) return code;
    e->data = json_string_value(json_object_get(e->meta[1], "data"));
    return e->data ? CLG_EXIT_OK
                   : clg_tool_error(CLG_EXIT_USAGE, "eval: %s does not tell its data set; give --data SPEC", e->load);
}

static int open_data(eval *e) {
    e->set = clg_dataset_open(e->data, e->part[1] == 'r' ? CLG_TRAIN : CLG_TEST);
    if (!e->set) {
        const int code = clg_tool_fail();
        return clg_error_status() == CLG_ERR_INVALID ? CLG_EXIT_USAGE : code;
    }
    return clg_model_fits(&e->model, e->data, e->set);
}

static int load(eval *e) {
    e->dev = clg_device_open(e->device, NULL);
    if (!e->dev) return clg_tool_fail();
    e->store = clg_store_create(e->dev, 0);
    if (!e->store) return clg_tool_fail();
    if (!clg_net_build(&e->net, &e->model, e->dev, e->store, 1)) return clg_tool_fail();
    if (clg_graph_status(e->net.graph) < 0) return clg_tool_fail();
    e->run = (clg_evaluator){.model = &e->model, .dev = e->dev, .store = e->store};
    return clg_checkpoint_load(e->store, e->load);
}

static void print_confusion(const eval *e, FILE *to) {
    const int64_t n = e->model.classes;
    fprintf(to, "\nanswer:");
    for (int64_t k = 0; k < n; k++) fprintf(to, "%6lld", (long long)k);
    fprintf(to, "   right\n");
    for (int64_t i = 0; i < n; i++) {
        int64_t all = 0;
        fprintf(to, "%6lld:", (long long)i);
        for (int64_t k = 0; k < n; k++) {
            all += e->confusion[i * n + k];
            fprintf(to, "%6lld", (long long)e->confusion[i * n + k]);
        }
        if (all > 0) fprintf(to, "  %5.1f%%\n", 100.0 * (double)e->confusion[i * n + i] / (double)all);
        else fprintf(to, "       -\n");
    }
}

static json_t *confusion_json(const eval *e) {
    const int64_t n = e->model.classes;
    json_t *rows = json_array();
    for (int64_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (int64_t k = 0; k < n; k++) json_array_append_new(row, json_integer(e->confusion[i * n + k]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static int evaluate(eval *e) {
    clg_net_score score;
    clg_device_info info;
    FILE *table = clg_jsonl_table(e->json);
    e->confusion = calloc((size_t)(e->model.classes * e->model.classes), sizeof *e->confusion);
    if (!e->confusion) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    if (clg_net_evaluate(&e->run, e->set, 0, &score, e->confusion) < 0) return clg_tool_fail();
    clg_device_get_info(e->dev, &info);
    fprintf(table, "%s (%s) on %s, %s part, %lld pictures\n", e->load, e->model.name, e->data, e->part,
            (long long)score.n);
    fprintf(table, "loss %.4f, accuracy %.4f\n", score.loss, score.accuracy);
    print_confusion(e, table);
    return clg_jsonl_write(e->lines, json_pack("{s:o, s:o, s:I, s:s, s:o}", "loss", clg_json_real(score.loss),
                                               "accuracy", clg_json_real(score.accuracy), "items",
                                               (json_int_t)score.n, "device", info.name, "confusion",
                                               confusion_json(e)));
}

int clg_cmd_eval(int argc, char **argv) {
    eval e = {.part = "test"};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_TEXT, "load", "FILE", &e.load, "the checkpoint (required)", .given = NULL},
        {CLG_OPT_TEXT, "data", "SPEC", &e.data, "data set: digits or mnist:DIR (default: the one it\nwas trained on)",
         .given = NULL},
        {CLG_OPT_CHOICE, "part", "test|train", &e.part, "which pictures of the data set", .given = NULL},
        {CLG_OPT_TEXT, "device", "D", &e.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_TEXT, "json", "FILE", &e.json, "write the results as one JSON line; - is stdout", .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad eval --load FILE [OPTIONS]", intro, options, outro, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (!e.load) return clg_tool_error(CLG_EXIT_USAGE, "eval: --load FILE is missing; see clgrad eval --help");
    code = read_meta(&e);
    if (code == CLG_EXIT_OK) code = open_data(&e);
    if (code == CLG_EXIT_OK) code = load(&e);
    if (code == CLG_EXIT_OK) code = clg_jsonl_open(e.json, &e.lines);
    if (code == CLG_EXIT_OK) code = evaluate(&e);
    clg_evaluator_free(&e.run);
    clg_net_free(&e.net);
    clg_dataset_destroy(&e.set);
    clg_store_destroy(&e.store);
    clg_device_destroy(&e.dev);
    clg_jsonl_close(&e.lines);
    json_decref(e.meta[0]);
    json_decref(e.meta[1]);
    free(e.confusion);
    return code;
}

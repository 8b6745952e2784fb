/* Opens a checkpoint with its model and data, and lets it answer: see loaded.h. */
#include "tool/loaded.h"
#include <stdlib.h>

static int read_options(clg_loaded *l, const char *command) {
    int64_t items;
    if (l->data) return CLG_EXIT_OK;
    const int code = clg_train_read_options(l->load, &l->o, &l->saved, &items);
    l->data = l->o.data;
    return code != CLG_EXIT_OK || l->data ? code
        : clg_tool_error(CLG_EXIT_USAGE, "%s: %s does not tell its data set; give --data SPEC", command, l->load);
}

static int open_data(clg_loaded *l) {
    l->set = clg_dataset_open(l->data, l->part[1] == 'r' ? CLG_TRAIN : CLG_TEST);
    return l->set ? CLG_EXIT_OK : clg_tool_fail_usage();
}

/* A mistake of shapes is one of a file here. */
static int fail(void) {
    const int code = clg_tool_fail();
    return clg_error_status() == CLG_ERR_SHAPE ? CLG_EXIT_FILE : code;
}

static int load(clg_loaded *l) {
    clg_scaler *s = NULL;
    l->dev = clg_device_open(l->device, NULL);
    l->store = l->dev ? clg_store_create(l->dev, 0) : NULL;
    l->trainer = l->store ? clg_trainer_create(l->dev, l->store, l->model, clg_fit_params(.batch = 250)) : NULL;
    if (!l->trainer || clg_store_load_all(l->store, l->load, NULL) < 0 || clg_scaler_from_store(l->store, &s) < 0)
        return fail();
    const clg_status status = s ? clg_dataset_standardize(l->set, s) : CLG_OK;
    clg_scaler_destroy(&s);
    return status < 0 ? fail() : CLG_EXIT_OK;
}

int clg_loaded_open(clg_loaded *l, const char *command) {
    if (!l->load)
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --load FILE is missing; see clgrad %s --help", command, command);
    int code = read_options(l, command);
    if (code == CLG_EXIT_OK) code = clg_train_read_model(l->load, &l->model);
    if (code == CLG_EXIT_OK) code = open_data(l);
    return code == CLG_EXIT_OK ? load(l) : code;
}

int clg_loaded_measure(clg_loaded *l) {
    const size_t n = (size_t)clg_dataset_size(l->set), classes = (size_t)clg_dataset_classes(l->set);
    l->confusion = classes > 0 ? calloc(classes * classes, sizeof *l->confusion) : NULL;
    l->output = calloc(n * (size_t)clg_model_outputs(l->model), sizeof *l->output);
    if ((classes > 0 && !l->confusion) || !l->output) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    return clg_evaluate(l->trainer, l->set, &l->score, l->confusion, l->output) < 0 ? fail() : CLG_EXIT_OK;
}

void clg_loaded_close(clg_loaded *l) {
    clg_trainer_destroy(&l->trainer);
    clg_model_destroy(&l->model);
    clg_dataset_destroy(&l->set);
    clg_store_destroy(&l->store);
    clg_device_destroy(&l->dev);
    json_decref(l->saved);
    free(l->confusion);
    free(l->output);
}

/* `clgrad train`: from the command line to a run: options, data, model, device, trainer; then clg_train_run_all(). */
#include "tool/train.h"
#include <stdlib.h>
#include <string.h>

/* --- data --- */

static int open_data(clg_train_run *r) {
    const clg_train_options *o = &r->o;
    clg_dataset *all = clg_dataset_open(o->data, CLG_TRAIN);
    r->test = all ? clg_dataset_open(o->data, CLG_TEST) : NULL;
    if (!all || (!r->test && clg_error_status() != CLG_ERR_INVALID)) { /* test=0 is INVALID: no such part */
        const int code = clg_tool_fail_usage();
        clg_dataset_destroy(&all);
        return code;
    }
    r->unit = clg_dataset_shape(all).ndim == 3 ? "pictures" : "items";
    if (isnan(o->val_fraction) || o->val_fraction == 0) {
        r->train = all;
        return CLG_EXIT_OK;
    }
    const clg_split_params p = {.val = o->val_fraction, .seed = o->seed};
    const clg_status s = clg_dataset_split(all, &p, &r->train, &r->val, NULL);
    clg_dataset_destroy(&all);
    return s < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

/* What looks at a validation part needs one. */
static int check_validation(const clg_train_run *r) {
    const bool plateau = r->fit.schedule.kind == CLG_LR_PLATEAU;
    if (r->val || (r->o.patience == 0 && !r->o.keep_best && !plateau)) return CLG_EXIT_OK;
    return clg_tool_error(CLG_EXIT_USAGE, "train: %s looks at the validation loss: give --val-fraction too",
                          r->o.patience > 0 ? "--patience" : r->o.keep_best ? "--keep-best" : "--schedule plateau");
}

/* What the library would refuse only after kernels were compiled. */
static int check_data(const clg_train_run *r) {
    const int64_t n = clg_dataset_size(r->train);
    const clg_augment_params *a = &r->fit.augment;
    if (r->o.batch > n)
        return clg_tool_error(CLG_EXIT_USAGE, "train: --batch %lld is larger than the training part, %lld %s",
                              (long long)r->o.batch, (long long)n, r->unit);
    if ((a->shift > 0 || a->crop > 0 || a->flip) && clg_dataset_shape(r->train).ndim != 3)
        return clg_tool_error(CLG_EXIT_USAGE, "train: --augment %s: only pictures are moved and flipped; the items of "
                              "%s are none", r->o.augment, r->o.data);
    return CLG_EXIT_OK;
}

/* By the training part. The store rounds means and deviations to f32, for whoever uses the file: so here too. */
static int standardize(clg_train_run *r) {
    if (!r->o.standardize) return CLG_EXIT_OK;
    clg_scaler *exact = clg_scaler_fit(r->train), *s = NULL;
    clg_status status = exact ? clg_scaler_to_store(exact, r->store) : clg_error_status();
    if (status == CLG_OK) status = clg_scaler_from_store(r->store, &s);
    if (status == CLG_OK) status = clg_dataset_standardize(r->train, s);
    if (status == CLG_OK && r->val) status = clg_dataset_standardize(r->val, s);
    if (status == CLG_OK && r->test) status = clg_dataset_standardize(r->test, s);
    clg_scaler_destroy(&exact);
    clg_scaler_destroy(&s);
    return status < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

/* --- model --- */

static int make_model(clg_train_run *r) {
    clg_model *open = NULL;
    const char *resume = r->o.out.resume;
    const int code = resume ? clg_train_read_model(resume, &open) : clg_network_open(&r->o.network, "train", &open);
    if (code != CLG_EXIT_OK) return code;
    r->model = clg_model_for(open, clg_dataset_shape(r->train), clg_dataset_classes(r->train),
                             clg_dataset_targets(r->train));
    clg_model_destroy(&open);
    if (r->model) return CLG_EXIT_OK;
    clg_tool_fail();
    return CLG_EXIT_FILE;
}

/* --- device, store, trainer --- */

static int resume(clg_train_run *r) {
    const char *path = r->o.out.resume;
    const int64_t items = clg_dataset_size(r->train);
    if (items != r->resumed_items)
        return clg_tool_error(CLG_EXIT_FILE, "%s was trained on %lld %s, but --data %s gives %lld: another data set?",
                              path, (long long)r->resumed_items, r->unit, r->o.data, (long long)items);
    if (clg_trainer_resume(r->trainer, path) == CLG_OK) return CLG_EXIT_OK;
    const int code = clg_tool_fail();
    return clg_error_status() == CLG_ERR_SHAPE ? CLG_EXIT_FILE : code;
}

static int make_trainer(clg_train_run *r) {
    int code = clg_train_open_devices(r);
    if (code != CLG_EXIT_OK) return code;
    r->store = clg_store_create(r->dev, r->o.seed);
    code = r->store ? standardize(r) : clg_tool_fail();
    if (code == CLG_EXIT_OK) code = make_model(r);
    if (code != CLG_EXIT_OK) return code;
    r->trainer = clg_trainer_create(r->dev, r->store, r->model, &r->fit);
    if (!r->trainer) return clg_tool_fail();
    if (r->o.out.resume) code = resume(r);
    return code == CLG_EXIT_OK ? clg_train_note_options(r) : code;
}

/* --- all of it --- */

static int train(clg_train_run *r) {
    int code = r->o.out.resume ? clg_train_resume_options(r) : CLG_EXIT_OK;
    if (code != CLG_EXIT_OK) return code;
    if (!r->o.data) r->o.data = "digits";
    if (r->o.out.kfold > 0 && r->o.out.resume)
        return clg_tool_error(CLG_EXIT_USAGE, "train: --kfold begins anew, --resume goes on: give one of them");
    code = clg_tool_check_output("save", r->o.out.save);
    if (code == CLG_EXIT_OK) code = clg_tool_check_output("plot", r->o.out.plot);
    if (code == CLG_EXIT_OK) code = clg_tool_check_output("report", r->o.out.report);
    if (code == CLG_EXIT_OK) code = clg_traced_parse(&r->o.out.trace, "train", &r->traced);
    if (code == CLG_EXIT_OK) code = open_data(r);
    if (code != CLG_EXIT_OK) return code;
    r->free_batch = r->o.batch == 0;
    clg_train_suit(&r->o, r->train, clg_dataset_size(r->train));
    code = clg_train_params(&r->o, &r->fit);
    if (code == CLG_EXIT_OK) code = check_data(r);
    if (code == CLG_EXIT_OK) code = check_validation(r);
    if (code != CLG_EXIT_OK) return code;
    clg_progress_note("preparing (the first run on a device compiles its kernels)");
    code = make_trainer(r);
    clg_progress_note(NULL);
    if (code == CLG_EXIT_OK) code = (r->o.out.resume ? clg_jsonl_append : clg_jsonl_open)(r->o.out.json, &r->json);
    if (code == CLG_EXIT_OK && r->o.out.kfold > 0) code = clg_train_kfold(r);
    return code == CLG_EXIT_OK ? clg_train_run_all(r) : code;
}

static void release(clg_train_run *r) {
    clg_trainer_destroy(&r->trainer);
    clg_model_destroy(&r->model);
    clg_dataset_destroy(&r->train);
    clg_dataset_destroy(&r->val);
    clg_dataset_destroy(&r->test);
    clg_store_destroy(&r->store);
    clg_train_close_devices(r);
    clg_jsonl_close(&r->json);
    clg_cv_result_free(&r->folds);
    json_decref(r->saved);
    free(r->confusion);
    free(r->output);
}

int clg_cmd_train(int argc, char **argv) {
    clg_train_run r = {.o = clg_train_defaults(), .first_step = NAN};
    int code = clg_train_parse(&r.o, argc, argv);
    if (code >= 0) return code;
    r.table = clg_jsonl_table(r.o.out.json);
    code = train(&r);
    release(&r);
    return code;
}

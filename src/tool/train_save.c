/* Checkpoints of `clgrad train`: the store (weights, optimiser slots, counters, running sums of the epoch) and two
 * metadata texts, "model" (what is trained) and "training" (how, and how far). Times are left out, so that equal
 * runs give equal bytes. */
#include "tool/train.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- writing --- */

static json_t *history_json(const clg_run_state *t) {
    json_t *all = json_array();
    for (int64_t i = 0; i < t->epoch; i++) {
        const clg_run_epoch *e = &t->history[i];
        json_array_append_new(all, json_pack("[o,o,o,o]", clg_json_real(e->train_loss),
                                             clg_json_real(e->train_accuracy), clg_json_real(e->val_loss),
                                             clg_json_real(e->val_accuracy)));
    }
    return all;
}

static json_t *training_json(const clg_run_state *t) {
    const clg_train_options *o = &t->o;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    return json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:s, s:I, s:I, s:I, s:o}", "data", o->data, "optimizer",
                     o->optimizer, "epochs", (json_int_t)o->epochs, "batch", (json_int_t)o->batch, "lr", o->lr,
                     "weight_decay", o->weight_decay, "val_fraction", o->val_fraction, "seed", seed, "items",
                     (json_int_t)clg_dataset_size(t->train), "epoch", (json_int_t)t->epoch, "item",
                     (json_int_t)t->item, "history", history_json(t));
}

/* Takes the reference. */
static clg_status set_meta(clg_store *s, const char *key, json_t *j) {
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    const clg_status status = text ? clg_store_set_meta(s, key, text) : CLG_ERR_NOMEM;
    free(text);
    return status;
}

int clg_train_save(clg_run_state *t) {
    if (!t->o.save) return CLG_EXIT_OK;
    clg_status s = set_meta(t->store, "model", clg_model_json(&t->o.model));
    if (s == CLG_OK) s = set_meta(t->store, "training", training_json(t));
    if (s == CLG_OK) s = clg_store_save(t->store, t->o.save, NULL);
    return s < 0 ? clg_tool_fail() : CLG_EXIT_OK;
}

/* --- reading --- */

static int bad_checkpoint(const clg_run_state *t, const char *why) {
    return clg_tool_error(CLG_EXIT_FILE, "%s: its metadata does not describe a training run of clgrad: %s", t->o.resume,
                          why);
}

static double real_or_nan(json_t *j) {
    return json_is_number(j) ? json_number_value(j) : NAN;
}

static int read_history(clg_run_state *t, json_t *all) {
    const int64_t most = t->o.epochs > t->epoch ? t->o.epochs : t->epoch;
    if (!json_is_array(all) || (int64_t)json_array_size(all) != t->epoch) return bad_checkpoint(t, "history");
    t->history = calloc((size_t)most + 1, sizeof *t->history);
    if (!t->history) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *row = json_array_get(all, i);
        t->history[i] = (clg_run_epoch){real_or_nan(json_array_get(row, 0)), real_or_nan(json_array_get(row, 1)),
                                    real_or_nan(json_array_get(row, 2)), real_or_nan(json_array_get(row, 3))};
    }
    return CLG_EXIT_OK;
}

enum { TEXT = 80 };

/* What the options say that a resumed run must not change, by enum clg_train_given; "" for the others. */
static void option_texts(const clg_train_options *o, char text[CLG_GIVEN_COUNT][TEXT]) {
    memset(text, 0, CLG_GIVEN_COUNT * TEXT);
    snprintf(text[0], TEXT, "--model %s", o->model.name);
    snprintf(text[1], TEXT, "--activation %s", o->model.activation);
    snprintf(text[2], TEXT, "--pooling %s", o->model.pooling);
    snprintf(text[3], TEXT, "--hidden %s", o->model.hidden);
    snprintf(text[4], TEXT, "--dropout %.15g", o->model.dropout);
    snprintf(text[CLG_GIVEN_BATCH], TEXT, "--batch %lld", (long long)o->batch);
    snprintf(text[CLG_GIVEN_LR], TEXT, "--lr %.15g", o->lr);
    snprintf(text[CLG_GIVEN_OPTIMIZER], TEXT, "--optimizer %s", o->optimizer);
    snprintf(text[CLG_GIVEN_DECAY], TEXT, "--weight-decay %.15g", o->weight_decay);
    snprintf(text[CLG_GIVEN_VAL], TEXT, "--val-fraction %.15g", o->val_fraction);
    snprintf(text[CLG_GIVEN_SEED], TEXT, "--seed %llu", (unsigned long long)o->seed);
}

static int check_agreement(const clg_run_state *t, const clg_train_options *saved) {
    char mine[CLG_GIVEN_COUNT][TEXT], theirs[CLG_GIVEN_COUNT][TEXT];
    option_texts(&t->o, mine);
    option_texts(saved, theirs);
    for (int i = 0; i < CLG_GIVEN_COUNT; i++)
        if (t->o.given[i] && strcmp(mine[i], theirs[i]) != 0)
            return clg_tool_error(CLG_EXIT_USAGE, "train: %s, but %s was made with %s; a resumed run goes on as it "
                                  "began: leave the option out", mine[i], t->o.resume, theirs[i]);
    return CLG_EXIT_OK;
}

/* The saved options into *r, the position into t. */
static int read_training(clg_run_state *t, json_t *j, clg_train_options *r, json_int_t *items) {
    json_int_t epochs, batch, epoch, item;
    const char *seed;
    json_error_t e;
    if (json_unpack_ex(j, &e, 0, "{s:s, s:s, s:I, s:I, s:F, s:F, s:F, s:s, s:I, s:I, s:I}", "data", &r->data,
                       "optimizer", &r->optimizer, "epochs", &epochs, "batch", &batch, "lr", &r->lr, "weight_decay",
                       &r->weight_decay, "val_fraction", &r->val_fraction, "seed", &seed, "items", items, "epoch",
                       &epoch, "item", &item) != 0)
        return bad_checkpoint(t, e.text);
    r->epochs = epochs;
    r->batch = batch;
    r->seed = strtoull(seed, NULL, 10);
    t->epoch = epoch;
    t->item = item;
    const bool ok = clg_opt_is_choice(CLG_OPTIMIZERS, r->optimizer) && epochs >= 1 && epochs <= CLG_MAX_EPOCHS &&
                    batch >= 1 && batch <= CLG_MAX_BATCH && r->lr > 0 && r->weight_decay >= 0 &&
                    r->val_fraction >= 0 && r->val_fraction < 1 && epoch >= 0 && epoch <= CLG_MAX_EPOCHS &&
                    item >= 0 && item < *items && item % batch == 0;
    return ok ? CLG_EXIT_OK : bad_checkpoint(t, "a value is out of range");
}

int clg_train_resume_options(clg_run_state *t) {
    int code = CLG_EXIT_OK;
    json_int_t items = 0;
    clg_train_options *o = &t->o, r = t->o;
    t->meta[0] = clg_meta_json(o->resume, "model", &code);
    if (!t->meta[0]) return code;
    t->meta[1] = clg_meta_json(o->resume, "training", &code);
    if (!t->meta[1]) return code;
    if (!clg_model_from_json(t->meta[0], &r.model)) return bad_checkpoint(t, "the model");
    code = read_training(t, t->meta[1], &r, &items);
    if (code == CLG_EXIT_OK) code = check_agreement(t, &r);
    if (code != CLG_EXIT_OK) return code;
    if (o->given[CLG_GIVEN_DATA]) r.data = o->data;
    if (o->given[CLG_GIVEN_EPOCHS]) r.epochs = o->epochs;
    if (!o->save) r.save = o->resume;
    *o = r;
    t->resumed_items = items;
    return read_history(t, json_object_get(t->meta[1], "history"));
}

int clg_train_resume_tensors(clg_run_state *t) {
    const int64_t items = clg_dataset_size(t->train);
    if (items != t->resumed_items)
        return clg_tool_error(CLG_EXIT_FILE, "%s was trained on %lld pictures, but --data %s gives %lld: another data "
                              "set?", t->o.resume, (long long)t->resumed_items, t->o.data, (long long)items);
    return clg_checkpoint_load(t->store, t->o.resume);
}

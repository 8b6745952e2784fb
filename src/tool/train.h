/* `clgrad train` in parts: the command (train.c), its options and recipes (train_options.c), the run (train_run.c), its
 * devices (train_devices.c),
 * what checkpoints tell of the options (train_save.c), pictures and the report (train_report.c). */
#ifndef CLG_TOOL_TRAIN_H_
#define CLG_TOOL_TRAIN_H_

#include "tool/network.h"
#include "tool/traced.h"

enum { CLG_MAX_EPOCHS = 100000, CLG_MAX_BATCH = 65536, CLG_USUAL_BATCH = 64 };
enum { CLG_TRAIN_DEVICES = 16 };
enum { CLG_RECIPE_ROWS = 48, CLG_TRAIN_ROWS = 64 };

/** What is done with a run and does not belong to it: a resumed run may do something else. */
typedef struct clg_train_output {
    const char *device, *split, *on_failure, *save, *resume, *plot, *report, *json;
    int64_t     stop_after;
    clg_traced_options trace;
    int64_t     kfold;    /* judge the recipe by so many folds first; 0: not */
} clg_train_output;

/** The recipe: what a checkpoint remembers. NULL, NaN and 0: not given. */
typedef struct clg_train_options {
    clg_network_options network;
    const char *data, *optimizer, *schedule, *augment;
    int64_t     epochs, batch, accumulate, patience, warmup;
    double      lr, momentum, weight_decay, l2, max_norm, clip_norm, clip_value, val_fraction;
    bool        standardize, keep_best;
    uint64_t    seed;
    bool        seed_given;
    const char *preset;   /* only read by clg_train_parse() */
    clg_train_output out;
} clg_train_options;

/** All that a run of the tool knows. */
typedef struct clg_train_run {
    clg_train_options o;
    clg_dataset *train, *val, *test; /* val: NULL without a validation part */
    clg_model   *model;              /* complete for the data */
    clg_fit_params fit;              /* what the trainer was made with; its callbacks belong to train_run.c */
    clg_device  *devs[CLG_TRAIN_DEVICES]; /* n_devs of them share the work */
    int          n_devs;
    clg_device  *dev;                /* the first of them that works */
    int64_t      split[CLG_TRAIN_DEVICES];
    clg_store   *store;
    clg_trainer *trainer;            /* its history: clg_trainer_history() */
    bool          free_batch;        /* nobody asked for o.batch */
    clg_cv_result folds;             /* of --kfold; k is 0 without */
    clg_fit_result result;
    clg_score    test_score;         /* n is 0 until the run has ended well */
    int64_t     *confusion;          /* of the test part, classes x classes; NULL for real targets */
    float       *output;             /* of the test part, [n, outputs] */
    double       first_step;         /* seconds from the start to the end of the first step; NaN before */
    const char  *unit;               /* "pictures" or "items" */
    clg_traced   traced;
    clg_jsonl   *json;
    FILE        *table;
    int64_t      resumed_items;      /* training items that the resumed checkpoint was made with; 0: none */
    json_t      *saved;              /* of the resumed checkpoint: texts of o belong to it */
} clg_train_run;

/* --- train_options.c --- */

/** The options of a recipe, and all options, as an END-terminated table over *o with room for CLG_TRAIN_ROWS. */
void clg_train_recipe(clg_train_options *o, clg_opt *table);
void clg_train_table(clg_train_options *o, clg_opt *table);

/** Reads the command line; the options of a preset stand before it. Returns -1 or an exit code, as clg_opt_parse(). */
int clg_train_parse(clg_train_options *o, int argc, char **argv);

/** Everything as if nothing had been given. */
clg_train_options clg_train_defaults(void);

/** The recipe as the library wants it. Returns 0 or an exit code after explaining. */
int clg_train_params(const clg_train_options *o, clg_fit_params *p);

/** Fills in what was not given: for a data set, of which `items` are trained on. Of a small set all is one batch, and
 *  rows of numbers go to a model for them. */
void clg_train_suit(clg_train_options *o, const clg_dataset *d, int64_t items);

/** A recipe by name. NULL past the last. */
typedef struct clg_train_preset {
    const char *name, *options, *summary;
} clg_train_preset;
const clg_train_preset *clg_train_preset_at(int i);

/* --- train_run.c --- */

/** Trains to the end and tests; prints, writes JSON lines, saves. Returns an exit code. */
int clg_train_run_all(clg_train_run *r);

/* --- train_devices.c --- */

/** Opens the devices of --device, and puts what concerns several into r->fit. Returns 0 or an exit code after
 *  explaining. */
int clg_train_open_devices(clg_train_run *r);
void clg_train_close_devices(clg_train_run *r);

/** The lines that name them. */
void clg_train_print_devices(const clg_train_run *r);

/** Of several: a table of what each has done, and a JSON line of it; r->dev becomes the first one that works. Returns
 *  an exit code. */
int clg_train_tell_devices(clg_train_run *r);

/* --- train_kfold.c --- */

/** Cross-validation of the recipe on the training part: prints the folds, and keeps them in r->folds. Returns 0 or an
 *  exit code after explaining. */
int clg_train_kfold(clg_train_run *r);

/** The folds in a report, if there are any. */
struct clg_album;
void clg_train_show_folds(struct clg_album *a, const clg_train_run *r);

/* --- train_report.c --- */

/** Writes what --plot and --report ask for, of whatever the run has come to. Returns an exit code. */
int clg_train_draw(const clg_train_run *r);

/** The options of a recipe as a table. */
void clg_train_put_options(clg_report *to, const clg_train_options *o);

/* --- train_save.c --- */

/** Puts the recipe, and the number of training items, into the store's texts. Returns an exit code. */
int clg_train_note_options(clg_train_run *r);

/** Takes the recipe of the checkpoint o.out.resume; options that were given must agree with it.
 *  Returns 0 or an exit code after explaining. */
int clg_train_resume_options(clg_train_run *r);

/** Reads the recipe of a checkpoint into *o, whose texts then belong to *saved; *items: the training items.
 *  Returns 0 or an exit code after explaining. */
int clg_train_read_options(const char *path, clg_train_options *o, json_t **saved, int64_t *items);

/** The model of a checkpoint. Returns 0 or an exit code after explaining. */
int clg_train_read_model(const char *path, clg_model **out);

#endif /* CLG_TOOL_TRAIN_H_ */

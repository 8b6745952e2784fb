/* What the commands that judge a recipe by validation share: train --kfold, select and curve. */
#ifndef CLG_TOOL_SELECTION_H_
#define CLG_TOOL_SELECTION_H_

#include "tool/train.h"

/** A recipe that is judged, with its data and its device. */
typedef struct clg_selection {
    const char       *command;   /* for messages */
    clg_train_options o;
    int64_t           kfold;     /* 0: a hold-out by --val-fraction, if that was given */
    bool              modulo;
    clg_setup         setup;
    clg_model        *model;     /* of a file; NULL: of the zoo */
    clg_dataset      *data;      /* the training part */
    clg_device       *dev;
    clg_cv_params     cv;
    clg_jsonl        *json;
    FILE             *table;
    clg_progress      bar;       /* of folds */
    int64_t           done;
} clg_selection;

/** Rows of an option table for how recipes are judged. */
#define CLG_SELECTION_OPTIONS(s)                                                                                \
    {CLG_OPT_TITLE, .help = "How it is judged"},                                                                \
    {CLG_OPT_INT, "kfold", "K", &(s).kfold, "cross-validation: K parts take turns as validation\npart (default " \
     "5; with --val-fraction one part is held\nout once)", 2, 1e6},                                             \
    {CLG_OPT_FLAG, "modulo", NULL, &(s).modulo, "folds by item number modulo K, nothing shuffled"}

/** The setup that the options of a recipe describe. *own: the model of a file, to be destroyed; else NULL.
 *  Returns 0 or an exit code after explaining. */
int clg_selection_setup(const clg_train_options *o, const char *command, clg_setup *to, clg_model **own);

/** Opens data and device, and the JSON lines; fills in setup and cv. Returns 0 or an exit code after explaining. */
int  clg_selection_open(clg_selection *s);
void clg_selection_close(clg_selection *s);

/** A bar over `folds` trainings of folds. Until the end of the bar cv.on_fold moves it. */
void clg_selection_begin(clg_selection *s, int64_t folds);

/** The options of a recipe and behind them a command's own, which end in CLG_OPT_END; table has CLG_TRAIN_ROWS. */
void clg_selection_options(clg_selection *s, const clg_opt *own, clg_opt *table);

/** "accuracy", or "R2" for real targets. */
const char *clg_selection_measure(const clg_cv_result *r);

/** "0.9712 +- 0.0021"; without a standard error "0.9712". Returns to. */
char *clg_selection_mean(char *to, size_t size, double mean, double sem);

/** Results as a report shows them. */
typedef struct clg_judged {
    const char *title, *text, *caption; /* caption: of the figure */
    const char *const *head;            /* [n_labels] of the columns before the scores */
    int n_labels, n;
    struct clg_judged_row {
        const char *const *label;       /* [n_labels] */
        const clg_cv_result *cv;
    } *row;                             /* [n] */
} clg_judged;

/** Writes a page with results, figure, recipe, device and times. Returns 0 or an exit code after explaining. */
int clg_selection_report(const clg_selection *s, const clg_judged *j, const clg_figure *f, const char *path);

/** The validation score of each trial over each of the first four settings. NULL: no memory. */
clg_figure *clg_selection_draw_search(const clg_search_result *r, const char *title);

/** The summary of a result as a JSON object, to which the caller adds. */
json_t *clg_selection_json(const clg_cv_result *r);

#endif /* CLG_TOOL_SELECTION_H_ */

/* `clgrad train` in three parts: options and set-up (train.c), the loop (train_run.c), checkpoints (train_save.c). */
#ifndef CLG_TOOL_TRAIN_H_
#define CLG_TOOL_TRAIN_H_

#include "tool/model.h"

/** Which options were given; the first five are those of CLG_MODEL_OPTIONS. */
enum clg_train_given {
    CLG_GIVEN_DATA = CLG_MODEL_GIVEN, CLG_GIVEN_EPOCHS, CLG_GIVEN_BATCH, CLG_GIVEN_LR, CLG_GIVEN_OPTIMIZER,
    CLG_GIVEN_DECAY, CLG_GIVEN_VAL, CLG_GIVEN_SEED, CLG_GIVEN_COUNT
};

enum { CLG_MAX_EPOCHS = 100000, CLG_MAX_BATCH = 65536 };

typedef struct clg_train_options {
    clg_net_spec   model;
    const char *data, *optimizer;
    int64_t     epochs, batch;
    double      lr, weight_decay, val_fraction;
    uint64_t    seed;
    const char *device, *save, *resume, *plot, *json;
    int64_t     stop_after;
    bool        given[CLG_GIVEN_COUNT];
} clg_train_options;

/** A training plan for one batch size. */
typedef struct clg_train_part {
    clg_net   net;
    clg_plan *plan;
} clg_train_part;

typedef struct clg_run_state {
    clg_train_options o;
    clg_device  *dev;
    clg_store   *store;
    clg_dataset *all, *train, *val, *test; /* val: NULL without a validation part; train is part of all */
    clg_train_part part[2];                /* the full batch; the last, smaller one */
    clg_evaluator  eval;
    clg_jsonl   *json;
    FILE        *table;
    clg_run_epoch   *history;                  /* of finished epochs; room for o.epochs, at least */
    int64_t      epoch, item;              /* finished epochs; items done in the present one */
    int64_t      steps;                    /* done by this process */
    double       first_step;               /* seconds from start to the end of the first step; NaN before */
    double       mark_time;                /* when the first step, which compiles kernels, was over; and the item: */
    int64_t      mark_item;                /* rates are counted from there */
    json_t      *meta[2];                  /* of the resumed checkpoint: o's strings belong to them */
    int64_t      resumed_items;            /* training pictures it was made with */
} clg_run_state;

/* --- train_run.c --- */

/** The training plan for this batch size; NULL after a failure (clg_error()). Compiles at first need. */
clg_train_part *clg_train_part_for(clg_run_state *t, int64_t rows);

/** Trains from (epoch, item) to the end and tests; prints, writes JSON lines, saves. Returns an exit code. */
int clg_train_run(clg_run_state *t);

/* --- train_save.c --- */

/** Writes the checkpoint with all that a resumed run needs, if --save was given. Returns an exit code. */
int clg_train_save(clg_run_state *t);

/** Reads model, options and position out of the checkpoint o.resume; options that were given must agree with it.
 *  Returns 0 or an exit code after explaining. */
int clg_train_resume_options(clg_run_state *t);

/** Loads the tensors; the plan of the full batch must exist, so that every tensor it needs is asked for. */
int clg_train_resume_tensors(clg_run_state *t);

#endif /* CLG_TOOL_TRAIN_H_ */

/* Training: a model, its weights and the plans of its steps; epochs, early stopping, checkpoints, evaluation. */
#ifndef CLGRAD_FIT_H_
#define CLGRAD_FIT_H_

#include <clgrad/augment.h>
#include <clgrad/data.h>
#include <clgrad/model.h>
#include <clgrad/optim.h>

CLG_BEGIN_DECLS

/** A training run: where it stands, its history, and compiled plans, one a batch size (the few that were used last are
 *  kept). It holds its store. Thread-safety: one thread at a time. */
typedef struct clg_trainer clg_trainer;

/** How good a model is on n items. For classes r2 is NaN. For real targets the loss of an mse model is the mean squared
 *  error, accuracy is NaN, and r2 is 1 - sum (t - f)^2 / sum (t - mean)^2 over all targets, each with its own mean. */
typedef struct clg_score {
    double  loss, accuracy, r2;
    int64_t n;
} clg_score;

/** What is known of a finished epoch; without a validation part the numbers of val are NaN. Times and rates are not in
 *  checkpoints: those of epochs before a resume are NaN. */
typedef struct clg_epoch {
    int64_t   epoch;             /* from 1 */
    clg_score train, val;        /* train: means over the epoch, while the weights moved */
    double    lr;                /* of its last step */
    double    seconds;           /* with validation and saving */
    double    items_per_second;  /* of training alone, without the first step of the trainer, which builds kernels */
} clg_epoch;

enum clg_fit_action { CLG_FIT_GO_ON, CLG_FIT_STOP };

/** Where a run stands, for callbacks. */
typedef struct clg_fit_state {
    clg_trainer *trainer;
    int64_t step;          /* batches so far, in all; every `accumulate` of them make one step of the optimiser */
    int64_t epoch, epochs; /* the present one, from 1; how many there will be */
    int64_t item, items;   /* of this epoch so far; in all */
} clg_fit_state;

/** May call everything on the trainer but clg_fit(), _set(), _reset(), _resume() and _destroy(). */
typedef enum clg_fit_action (*clg_step_fn)(void *user, const clg_fit_state *s);
typedef enum clg_fit_action (*clg_epoch_fn)(void *user, const clg_fit_state *s, const clg_epoch *e);

typedef struct clg_fit_params {
    int64_t     epochs;            /* default 10; below 2^31 */
    int64_t     batch;             /* default 64; the last batch of an epoch may be smaller. Larger than the training
                                      part is an error that says both */
    int64_t     accumulate;        /* batches whose gradients are averaged before a step; default optim.accumulate */
    const char *optimizer;         /* of clg_optimizer_name(); default "sgd" */
    clg_optim_params optim;        /* lr, momentum, decay, clipping, ... */
    clg_schedule     schedule;     /* of the learning rate, by steps of the optimiser; default constant. While it runs,
                                      clg_fit() writes the state "optim.lr" */
    clg_augment_params augment;    /* of pictures while training; default none */
    clg_dtype   type;              /* of x and the weights: CLG_F32 (the default) or CLG_F64 */
    uint64_t    seed;              /* of the order of items; initial weights and dropout follow the store's seed */
    bool        no_shuffle;        /* items in the data's own order, in each epoch */
    int64_t     patience;          /* early stopping: that many epochs in a row without a lower validation loss end the
                                      run, and the best weights are restored; default 0: never */
    bool        keep_best;         /* restore the weights of the lowest validation loss also when all epochs are done */
    int64_t     check_every;       /* batches between looks for a loss that is not finite; default 50 */
    const char *save;              /* checkpoint, written after each epoch, when a callback stops the run, and when the
                                      best weights were restored; default none */
    clg_step_fn  on_step;          /* after each batch is enqueued; default none */
    clg_epoch_fn on_epoch;         /* after each epoch; default none */
    void        *user;             /* for both */
} clg_fit_params;

#define clg_fit_params(...) (&(const clg_fit_params){__VA_ARGS__})

/**
 * A run of a complete model (clg_model_for()) over the weights of a store, which it makes if they are not there, by the
 * store's seed. p NULL: all defaults. Model and params are copied.
 *
 * Errors: CLG_ERR_INVALID for an open model or a field out of range (names it); CLG_ERR_SHAPE if the store has tensors
 * of these names for another model; CLG_ERR_UNSUP for f64 on a device without it.
 */
CLG_API clg_trainer *clg_trainer_create(clg_device *dev, clg_store *store, const clg_model *m, const clg_fit_params *p);
CLG_API void         clg_trainer_destroy(clg_trainer **t);
CLG_API clg_store   *clg_trainer_store(clg_trainer *t);
CLG_API const clg_model *clg_trainer_model(const clg_trainer *t);

/** How many plans it has compiled so far: what is reused does not count. */
CLG_API int64_t clg_trainer_plans(const clg_trainer *t);

/** Facts about the plan of a training step with `rows` items, which is compiled if it is not there. */
CLG_API CLG_CHECK clg_status clg_trainer_plan_info(clg_trainer *t, int64_t rows, clg_plan_info *info);

/** Starts anew: clg_store_reset(), no history, first epoch. Plans stay, so the folds of a cross-validation compile
 *  once; what follows has the bits of a new trainer over a new store. A scaler that is in the store is reset like
 *  everything else: put it there again. */
CLG_API CLG_CHECK clg_status clg_trainer_reset(clg_trainer *t);

/** Gives a run other params. Plans of training steps are dropped if optimizer, optim (but for lr), accumulate or
 *  augment change; weights, slots and position stay. Errors: CLG_ERR_INVALID as above, and if type changes; then
 *  nothing changed. */
CLG_API CLG_CHECK clg_status clg_trainer_set(clg_trainer *t, const clg_fit_params *p);

enum clg_fit_end {
    CLG_FIT_DONE,     /* all epochs are done */
    CLG_FIT_EARLY,    /* patience was over */
    CLG_FIT_STOPPED,  /* by a callback; clg_fit() again goes on where it stopped */
    CLG_FIT_DIVERGED  /* the loss was no longer finite */
};

/** How a run ended. */
typedef struct clg_fit_result {
    enum clg_fit_end end;
    int64_t   epochs, steps; /* epochs done in all, batches done in all */
    int64_t   best_epoch;    /* of the lowest validation loss; 0: there was no validation */
    int64_t   bad_step;      /* DIVERGED: the first batch whose loss was not finite, or the batch after which the loss
                                on the validation part was not; from 1. Else 0 */
    clg_epoch last, best;    /* all zero if there is none */
} clg_fit_result;

/**
 * Trains until the epochs are done, a callback stops it, patience is over, or the loss is no longer finite: then
 * everything is as it was after the last good epoch (or at the start of the call, if none was finished), and
 * result->end is CLG_FIT_DIVERGED. A run that was over goes on if it is called again with more epochs.
 *
 * train must not be a test part, nor have items of one (clg_dataset_test_items()). val may be NULL; a validation part
 * decides about early stopping, the best weights and CLG_LR_PLATEAU, while a test part may be watched and decide
 * nothing. result may be NULL; divergence is then an error, CLG_ERR_INVALID. The position of train and val in their
 * items is used and changed.
 *
 * Errors: CLG_ERR_INVALID: a test part, a batch larger than train, patience, keep_best or a plateau without val or by a
 * test part; CLG_ERR_SHAPE: items or classes that the model is not for.
 */
CLG_API CLG_CHECK clg_status clg_fit(clg_trainer *t, clg_dataset *train, clg_dataset *val, clg_fit_result *result);

/** The finished epochs: their number, and where they stand (until the next call on the trainer). e may be NULL. */
CLG_API int64_t clg_trainer_history(const clg_trainer *t, const clg_epoch **e);

/**
 * Scores the present weights on a data set, in its own order, without training. confusion (classes x classes of the
 * data set, row: true class, column: answer; answers of other classes are not counted) and output ([n, outputs]: logits
 * or values) may be NULL; after a failure they are unspecified. Logs a note (CLG_LOG_WARN) at the second evaluation of
 * a test part: if choices are made by it, it is no test any more.
 */
CLG_API CLG_CHECK clg_status clg_evaluate(clg_trainer *t, clg_dataset *d, clg_score *score, int64_t *confusion,
                                          float *output);

/**
 * Checkpoints: weights, slots, counters, position, history, the model's text ("model" of the store's texts; the run's
 * own is "training"), all texts of the store. Resuming gives the same bits as a run without the interruption, also
 * inside an epoch, if the params are the same; other params (more epochs, another learning rate) are taken as they are.
 * (The reference device computes f32 in double, and a file keeps f32: there only runs in CLG_F64 have the same bits.)
 *
 * Errors of clg_trainer_resume(): CLG_ERR_IO; CLG_ERR_FORMAT if the file is damaged, no checkpoint, or of another
 * model, optimiser, type or seed (says what differs), or was written inside an epoch and with another batch size. Then
 * nothing has changed.
 */
CLG_API CLG_CHECK clg_status clg_trainer_save(clg_trainer *t, const char *path);
CLG_API CLG_CHECK clg_status clg_trainer_resume(clg_trainer *t, const char *path);

CLG_END_DECLS

#endif /* CLGRAD_FIT_H_ */

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

/** What happens when one of several devices fails, or has no memory left: */
enum clg_on_failure {
    CLG_FAILED_DROP, /* the others take over its rows and go on from the last step, of which nothing is lost; a warning
                        (CLG_LOG_WARN) names device, step and cause. The default */
    CLG_FAILED_STOP  /* clg_fit() ends with its error after saving the state of the last step (if `save` is given);
                        called again, it goes on with the others */
};

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
    clg_device *const *devices;    /* data parallel, see below: further devices beside that of clg_trainer_create(), of
                                      any platform, none twice; they must stay open as long as the trainer */
    int          n_devices;
    const int64_t *split;          /* rows of a full batch for each device, 1 + n_devices of them; their sum is `batch`.
                                      Default: in proportion to the speeds measured in the first steps */
    enum clg_on_failure on_failure; /* of one of several devices */
} clg_fit_params;

#define clg_fit_params(...) (&(const clg_fit_params){__VA_ARGS__})

/**
 * Several devices. Each has a replica of the store (weights, slots, counters) and computes the gradients g_i of its
 * rows of a batch; the host adds sum_i (rows_i / rows) g_i, in the order of the devices and in double, rounds once, and
 * every device makes the same step by the sum (clg_optimizer_apply()). The last layers are copied out and added under
 * the rest of the backward pass.
 *
 *   Numbers.   The same devices and the same split give the same bits. Against one device the sum over a batch is
 *              rounded in another order: two sums of f32 over n rows differ by at most 2 (n + 1) 2^-24 sum |g_r|
 *              (Higham 2002, section 4.2; about a root of n in place of n if roundings are independent), so a step of
 *              SGD moves w by lr times that more or less, and differences grow as training makes errors grow.
 *   Split.     If it is not given, a batch is cut into equal parts in the first steps, in which each device is timed
 *              beside the others, then in proportion to rows a second, for good; differences below an eighth are left
 *              alone. Checkpoints hold it: a run resumed with the same number of devices has the same split. A device
 *              may get no rows; it still makes every step. Smaller last batches are cut in the same proportion.
 *   Random.    Dropout and augmentation: a stream of its own for each device.
 *   Batch norm uses the statistics of each device's own rows, and its running statistics are those of the first device.
 *   Devices whose arithmetic differs in the last bit drift apart within an epoch by rounding; they begin each epoch
 *   with the state of the first. What a callback writes to the store reaches the others then.
 *   Failure.   clg_trainer_store() and everything else that needs one device is of the first one that works: it changes
 *              when that one fails. Without any device left clg_fit() ends with the error of the last.
 *   Source: Goyal et al. 2017, arXiv:1706.02677, section 3 (synchronous steps by the mean over the whole batch); Li et
 *           al. 2020, arXiv:2006.15704 (gradients are sent while the backward pass goes on).
 */

/** What is known of a device of a trainer. The texts live as long as the trainer. */
typedef struct clg_worker {
    const char *name;
    int64_t     rows;            /* of a full batch */
    double      rows_per_second; /* as measured in the first steps, beside the others; 0: not known yet */
    bool        dropped;
    const char *why;             /* it was dropped; else "" */
} clg_worker;

/** The devices in their order, dropped ones too: writes at most max, returns how many there are; 1 for a trainer that
 *  was given one. */
CLG_API int clg_trainer_workers(const clg_trainer *t, clg_worker *w, int max);

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

/** Facts about the plan of a training step with `rows` items, which is compiled if it is not there. Of several devices:
 *  what the first one does, its share of the rows and the step. */
CLG_API CLG_CHECK clg_status clg_trainer_plan_info(clg_trainer *t, int64_t rows, clg_plan_info *info);

/** Starts anew: clg_store_reset(), no history, first epoch. Plans stay, so the folds of a cross-validation compile
 *  once; what follows has the bits of a new trainer over a new store. A scaler that is in the store is reset like
 *  everything else: put it there again. */
CLG_API CLG_CHECK clg_status clg_trainer_reset(clg_trainer *t);

/** Gives a run other params. Plans of training steps are dropped if optimizer, optim (but for lr), accumulate or
 *  augment change; weights, slots and position stay. Errors: CLG_ERR_INVALID as above, and if type or devices change;
 *  then nothing changed. */
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

/* Inside a trainer: the plans of its steps, its position, its history. */
#ifndef CLG_FIT_TRAINER_H_
#define CLG_FIT_TRAINER_H_

#include <clgrad/fit.h>

/** A graph over the trainer's store for one batch size, and its plan. */
typedef struct clg_fit_part {
    clg_graph  *graph;
    clg_tensor *x, *target, *output, *loss;
    clg_tensor *answer;  /* NULL for real targets */
    clg_tensor *next_lr; /* input: the learning rate of the step after this one; training only */
    clg_plan   *plan;
    int64_t     rows;
    int64_t     used;    /* when, in calls of clg_trainer_part() */
    float       written; /* the value of next_lr; NaN: none */
    clg_tensor **grad;   /* of gradients: those of the params of the loss, in their order; */
    clg_tensor  *good;   /* right answers, or the sum of squared errors; */
    clg_tensor **running; /* and states that the plan may write, as they were before the run */
    int          n_grads, n_running;
} clg_fit_part;

enum { CLG_FIT_PARTS = 8 };

enum clg_fit_kind { CLG_FIT_TRAINING, CLG_FIT_INFERENCE, CLG_FIT_GRADIENTS };

/** Plans by batch size; the one that was not used for longest makes room for a new one. */
typedef struct clg_fit_parts {
    clg_fit_part part[CLG_FIT_PARTS];
} clg_fit_parts;

/** The whole store at one moment, in host memory. */
typedef struct clg_snapshot {
    int     n;    /* tensors: each its name and what it holds; 0: nothing was taken */
    char   *data;
    size_t  cap;  /* bytes */
    int64_t epoch, item, steps;
} clg_snapshot;

struct clg_trainer {
    clg_device    *dev;
    clg_store     *store;
    clg_graph     *anchor;   /* holds the store and has a tensor for every weight */
    clg_model     *model;    /* its own copy */
    clg_fit_params p;        /* completed by defaults; the texts are owned */
    clg_fit_parts  training, inference;
    struct clg_parallel *parallel; /* several devices: dev, store, anchor are of the first that works; else NULL */
    int64_t        calls, plans;
    int64_t        epoch, item; /* finished epochs; items done in the present one */
    int64_t        steps;       /* batches in all */
    int64_t        items;       /* of the training part that the position belongs to; 0: none */
    int64_t        best_kept;   /* the epoch whose weights are in "fit.best.*"; 0: none */
    clg_epoch     *history;     /* epoch of them */
    int            cap_history;
    clg_snapshot   good, fresh; /* after the last good epoch; to be tried */
    bool           warm;        /* its first step, which builds kernels, is done */
    const clg_dataset *fitting; /* of the running clg_fit(); else NULL */
    bool           moved;       /* clg_evaluate() has moved the position of `fitting` */
};

/* --- part.c --- */

/** The graph of a batch: inputs, output, loss, answer; false: there is none. */
bool clg_fit_graph(const clg_trainer *t, clg_device *dev, clg_store *store, clg_fit_part *p, int64_t rows,
                   bool training);

/** Effects that follow a run: sums over the epoch (of the loss of each item; good), the count of batches, the first
 *  batch whose loss was not finite. */
clg_tensor *clg_fit_watch(const clg_fit_part *p, clg_tensor *loss, clg_tensor *sum, clg_tensor *good);

/** Makes the input next_lr, which "optim.lr" becomes. */
clg_tensor *clg_fit_next_lr(const clg_trainer *t, clg_fit_part *p);

/** Whether graphs over the store draw random numbers. */
bool clg_fit_is_random(const clg_store *store);

/** The part for `rows` rows; compiles it if need be. NULL after a failure. */
clg_fit_part *clg_fit_get_part(clg_trainer *t, clg_fit_parts *all, clg_device *dev, clg_store *store, int64_t rows,
                               enum clg_fit_kind kind);

/** The same on the trainer's device. */
clg_fit_part *clg_trainer_part(clg_trainer *t, int64_t rows, bool training);

void clg_fit_part_free(clg_fit_part *p);
void clg_fit_parts_free(clg_fit_parts *all);

/* --- trainer.c --- */

/** Compiles a step of a full batch if need be, so that all its states are in the store. */
clg_status clg_trainer_ready(clg_trainer *t);

/** Room for n epochs in the history. */
clg_status clg_trainer_reserve(clg_trainer *t, int64_t n);

/** The epoch of the lowest validation loss, from 1; 0 without validation. */
int64_t clg_trainer_best(const clg_trainer *t);

/* --- evaluate.c --- */

/** CLG_ERR_SHAPE naming both if the data set is not what the model is for. what: "train", for messages. */
clg_status clg_trainer_fits(const clg_trainer *t, const clg_dataset *d, const char *call, const char *what);

/** clg_evaluate() for the first `limit` items (0: all), without counting it as an evaluation. */
clg_status clg_trainer_score(clg_trainer *t, clg_dataset *d, int64_t limit, clg_score *score, int64_t *confusion,
                             float *output);

/** Sum of (t - mean)^2 over all targets of all items. */
clg_status clg_fit_spread(const clg_dataset *d, double *sum);

/** 1 - squares / all; where all targets are equal 1 if they are met, else 0, as clg_metric_r2() says. */
double clg_fit_r2(double squares, double all);

/* --- snapshot.c --- */

/** Copies the store, and the position. Says by *finite whether all weights are finite. */
clg_status clg_snapshot_take(clg_snapshot *s, const clg_trainer *t, bool *finite);
clg_status clg_snapshot_restore(const clg_snapshot *s, clg_trainer *t);
void       clg_snapshot_free(clg_snapshot *s);

/** Copies the weights, and the states that go with them, to the states "fit.best.NAME", and back. */
clg_status clg_trainer_keep_best(clg_trainer *t);
clg_status clg_trainer_restore_best(clg_trainer *t);

#endif /* CLG_FIT_TRAINER_H_ */

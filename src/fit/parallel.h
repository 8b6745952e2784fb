/* Data parallel training inside a trainer: its devices with their replicas of the store, and how a batch is shared.
 * What it computes, and by which method, stands in fit.h. */
#ifndef CLG_FIT_PARALLEL_H_
#define CLG_FIT_PARALLEL_H_

#include "fit/trainer.h"

enum { CLG_FIT_DEVICES = 64 };

/** A device with its replica. */
typedef struct clg_fit_worker {
    clg_device   *dev;
    clg_store    *store;      /* held by graphs */
    clg_graph    *anchor;     /* holds the replica; NULL for the first one that works, whose anchor is the trainer's */
    clg_fit_parts gradients;
    clg_fit_part  apply;      /* the step by the sum: grad, loss (its sum over the rows) and good are inputs */
    const clg_fit_part *ran;  /* what it has run in the step under way; NULL: nothing */
    int           begun, ended; /* copies of what it has run: gradients from the last to the first, loss, good */
    char         *host;       /* its gradients, one after the other */
    int64_t       share;      /* rows of a full batch */
    int64_t       rows;       /* of the step under way */
    double        began, took; /* when its run began, and how long it took, in seconds */
    double        seconds;    /* the least time of a run of `timed` rows; 0: not timed */
    int64_t       timed;
    bool          sync;       /* its runs are done when they return: the reference */
    bool          dropped;
    char          why[400];
    char          name[200];
} clg_fit_worker;

typedef struct clg_parallel {
    clg_fit_worker *w;
    int       n, first, alive;  /* the first one that works; how many do */
    int       n_grads;
    size_t   *at;               /* where in host and sum each gradient begins, in bytes */
    char     *sum;
    double    loss, good;       /* of the step under way */
    int64_t   batch;            /* that the shares are of */
    bool      given;            /* the split is the user's, or a checkpoint's */
    bool      known;            /* the split is for good */
    int       n_timed;          /* steps in which a device was timed */
    clg_status stopped;         /* a device has failed, and the run is to end with this error; */
    char      stop_text[800];
} clg_parallel;

/* --- parallel.c --- */

/** Makes t->parallel and the replicas, if the params name devices. */
clg_status clg_parallel_create(clg_trainer *t);
void       clg_parallel_destroy(clg_parallel **p);

/** The params have changed. same_step: plans stay; had_split: those before had a split. */
void clg_parallel_set(clg_trainer *t, bool same_step, bool had_split);

/** Compiles what a full batch needs, so that all states are there. */
clg_status clg_parallel_ready(clg_trainer *t);

/** Gives every device what the first one has, each with a stream of random numbers of its own. */
clg_status clg_parallel_sync(clg_trainer *t);

/** Gives streams of random numbers by rank to the devices that work. */
clg_status clg_parallel_streams(clg_trainer *t);

/** Device i has failed with s, whose text is clg_error()'s: takes it out, with a warning or as the reason of a stop. If
 *  it is the last one: returns s, and it stays. */
clg_status clg_parallel_drop(clg_trainer *t, int i, clg_status s);

/** Whether s is a failure of the trainer's device, and another one has taken its place, so that what failed is to be
 *  done again. */
bool clg_parallel_lost(clg_trainer *t, clg_status s);

/** The error that the run is to end with, once; CLG_OK: none. */
clg_status clg_parallel_stop(clg_trainer *t);
bool       clg_parallel_stopping(const clg_trainer *t);

/** Whether a status says that a device is at fault. */
bool clg_parallel_is_fault(clg_status s);

clg_status clg_parallel_info(clg_trainer *t, int64_t rows, clg_plan_info *info);

/* --- parallel_step.c --- */

/** Trains on the next `rows` rows of d. *done is false if a device has failed and the run is to end instead: then
 *  everything is as after the last step. */
clg_status clg_parallel_step(clg_trainer *t, clg_dataset *d, int64_t rows, float next_lr, bool *done);

/* --- parallel_split.c --- */

/** Sets w->rows for a batch: in proportion to the shares of those that work; the largest remainders are rounded up. */
void clg_split_rows(clg_parallel *p, int64_t rows);

/** Equal shares, to begin with and to be timed; or those that are given (NULL: none). */
void clg_split_begin(clg_parallel *p, int64_t batch, const int64_t *given);

/** The device whose time is to be taken in a step of that many rows; -1: none. */
int clg_split_timing(const clg_parallel *p, int64_t rows, int64_t batch);

/** It took so long. After some of them the shares become those by speed. */
void clg_split_timed(clg_parallel *p, int i, double seconds, int64_t batch);

/** After one was dropped: its rows go to the others. */
void clg_split_again(clg_parallel *p, int64_t batch);

#endif /* CLG_FIT_PARALLEL_H_ */

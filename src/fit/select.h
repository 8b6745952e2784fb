/* Inside model selection: one trainer that goes through folds and trials, and the dimensions of a search. */
#ifndef CLG_FIT_SELECT_H_
#define CLG_FIT_SELECT_H_

#include "base/arena.h"

#include <clgrad/select.h>

/* --- cross.c --- */

/** Keeps the trainer of the last job, for the next one that can use its plans. All zero but for dev: none yet. */
typedef struct clg_cv_runner {
    clg_device  *dev;
    clg_trainer *trainer;
    clg_dtype    type;
    uint64_t     seed;
    char         optimizer[24];
} clg_cv_runner;

typedef struct clg_cv_job {
    const clg_model      *model;    /* complete */
    clg_dataset          *data;
    const clg_fit_params *fit;
    const clg_cv_params  *cv;
    int64_t               limit;    /* items of the training part that are used; 0: all */
    clg_status          (*trained)(void *user, int fold, clg_trainer *t); /* after each fold; NULL: none */
    void                 *user;
} clg_cv_job;

/** clg_cross_validate() of a job; *out is written if all went well. */
clg_status clg_cv_run(clg_cv_runner *r, const clg_cv_job *job, clg_cv_result *out);
void       clg_cv_runner_close(clg_cv_runner *r);

/** The trainer of a job in its initial state. NULL after a failure. */
clg_trainer *clg_cv_trainer(clg_cv_runner *r, const clg_model *m, const clg_fit_params *fit);

/** CLG_ERR_INVALID if the params say neither k nor holdout, or both, or the fit params what has no place in a fold. */
clg_status clg_cv_check(const char *call, const clg_fit_params *fit, const clg_cv_params *p);

/** Training and validation part of fold i, standardised if so wanted. limit: as in the job. */
clg_status clg_cv_split(const clg_cv_params *p, clg_dataset *d, int i, int64_t limit, clg_dataset **train,
                        clg_dataset **val);

/* --- setup.c --- */

/** A setup's data: d itself (*own is NULL), or a copy of its first features, to be destroyed. */
clg_status clg_setup_data(const clg_setup *s, clg_dataset *d, clg_dataset **own, clg_dataset **use);

/** What is known of a name; NULL: nothing. */
const clg_setup_name *clg_setup_find(const char *name);

/* --- dimension.c --- */

/** A name with its values. */
typedef struct clg_dimension {
    const char  *name;      /* the full one, not the alias */
    int64_t      n;         /* points of the grid */
    const char **value;     /* their texts */
    bool         range, log, whole;
    double       low, high;
} clg_dimension;

/** Reads "NAME=VALUES" (clg_search_params) into the arena. */
clg_status clg_dimension_parse(clg_arena *a, const char *call, const char *text, clg_dimension *to);

/** A value drawn by (seed, trial, turn, dimension); turn is for another try. NULL: no memory. */
const char *clg_dimension_draw(clg_arena *a, const clg_dimension *d, uint64_t seed, uint32_t trial, uint32_t turn,
                               uint32_t index);

#endif /* CLG_FIT_SELECT_H_ */

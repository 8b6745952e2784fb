/* Model selection: how good a way of training is on items it has not seen, and which of many ways is best. */
#ifndef CLGRAD_SELECT_H_
#define CLGRAD_SELECT_H_

#include <clgrad/fit.h>

CLG_BEGIN_DECLS

/* --- cross-validation and hold-out --- */

/** One split into a training and a validation part: what came of training on the one. */
typedef struct clg_fold {
    int64_t   n_train, n_val;
    clg_score train, val;    /* of the weights in the end (the best ones, if the fit params say so) */
    enum clg_fit_end end;
    int64_t   epochs;        /* after which the weights were those: all that were done, or the best */
    double    seconds;
} clg_fold;

/** What the folds say together. Means are over folds; _sem is their standard error, the sample deviation / sqrt(k), NaN
 *  for one fold. Folds share training items, so it is a lower estimate (Bengio & Grandvalet 2004). */
typedef struct clg_cv_result {
    int       k;
    clg_fold *fold;                                /* [k] */
    double    loss, loss_sem;                      /* on the validation parts */
    double    accuracy, accuracy_sem;              /* R^2 for real targets */
    double    train_loss, train_loss_sem;          /* on the training parts */
    double    train_accuracy, train_accuracy_sem;
    int64_t   right, n;                            /* items answered rightly, items validated, over all folds */
    int       classes;                             /* 0: real targets */
    int64_t  *confusion;                           /* [classes, classes], row: true class, over all folds; else NULL */
    int       diverged;                            /* folds that diverged; their last good weights count */
    int64_t   weights;                             /* numbers that the model learns */
    int64_t   plans;                               /* compiled for this result: 0 if all were there */
    double    seconds;
} clg_cv_result;

/** How items are split. Either k or holdout must be given. */
typedef struct clg_cv_params {
    int      k;                /* folds, 2 .. items: each item is validated exactly once; 5 and 10 are usual */
    double   holdout;          /* instead: one split, with this fraction for validation, in (0, 1) */
    enum clg_fold_kind folds;  /* default: stratified for classes, else shuffled; or item number mod k */
    uint64_t seed;             /* of the split */
    bool     full_batch;       /* each step sees the whole training part, whatever fit->batch says */
    bool     standardize;      /* by mean and deviation of the training part of each fold alone */
    void   (*on_fold)(void *user, int i, const clg_fold *f); /* after each */
    void    *user;
} clg_cv_params;

#define clg_cv_params(...) (&(const clg_cv_params){__VA_ARGS__})

/**
 * Trains m on k - 1 of k parts of the data and validates it on the other one, k times; or once with holdout. m may be
 * open: it is made for the data. fit->seed is also that of the weights, so all folds start alike, and compile their
 * plans once. Early stopping and keep_best look at the validation part, which makes its numbers a little too good.
 *
 * fit->save must be NULL. A callback that stops a run ends its fold only. out is written if all went well, and is to
 * be freed.
 * Errors: CLG_ERR_INVALID as clg_dataset_fold() (k above the items, a class with fewer than k, a test part) and as
 *         clg_fit(); CLG_ERR_SHAPE if the model does not fit the data.
 * Source: Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x.
 */
CLG_API CLG_CHECK clg_status clg_cross_validate(clg_device *dev, const clg_model *m, clg_dataset *d,
                                                const clg_fit_params *fit, const clg_cv_params *p, clg_cv_result *out);
CLG_API void clg_cv_result_free(clg_cv_result *r);

/* --- a setup: everything that can be chosen --- */

/** A way of training. Texts are not copied. */
typedef struct clg_setup {
    const char      *zoo;        /* a model of the zoo with these options, */
    clg_zoo_params   zoo_params;
    const clg_model *model;      /* or, if zoo is NULL, this model, which may be open */
    clg_fit_params   fit;
    int64_t          features;   /* the first so many numbers of each item only; default all */
} clg_setup;

/** A name that clg_setup_set() knows. */
typedef struct clg_setup_name {
    const char *name, *alias;    /* "weight_decay", "wd"; alias may be NULL */
    const char *help;
    bool        whole;           /* a whole number */
} clg_setup_name;

/** They are lr, weight_decay, momentum, batch, epochs, dropout, hidden, activation, optimizer and so on; i from 0, NULL
 *  past the last. Static storage. */
CLG_API const clg_setup_name *clg_setup_name_at(int i);

/**
 * Sets a field by name and text; 0 is the field's default, as in the params, but for dropout, where it is none.
 * Texts are kept: value must live as long as the setup.
 * Errors: CLG_ERR_INVALID for an unknown name (lists the known ones), a value that is no number or out of range, or an
 *         option of the zoo for a setup with a model of one's own.
 */
CLG_API CLG_CHECK clg_status clg_setup_set(clg_setup *s, const char *name, const char *value);

/** The model of a setup for these data, to be destroyed. Errors: as clg_model_zoo() and clg_model_for(). */
CLG_API clg_model *clg_setup_model(const clg_setup *s, const clg_dataset *d);

/* --- search --- */

/** One tried setup. */
typedef struct clg_trial {
    const char *const *value;    /* [n_dims]: the texts that were set */
    int64_t       number;        /* in the order of trying, from 1 */
    clg_cv_result cv;
} clg_trial;

/** Best first. Everything belongs to the result. */
typedef struct clg_search_result {
    int          n_dims;
    const char *const *name;     /* [n_dims] */
    int64_t      n;
    clg_trial   *trial;          /* [n] */
    clg_trainer *winner;         /* the best setup, trained anew on all of the data; NULL unless asked for */
    clg_score    test;           /* of the winner; NaN without a test part */
    struct clg_arena *own;
} clg_search_result;

typedef struct clg_search_params {
    /** Dimensions, as "NAME=VALUES" with a name of clg_setup_set(). Values are a list, or a range of numbers:
     *      "lr=0.01,0.1,1"  "optimizer=sgd,adam"  "hidden=64/128,64/"     with a / values may have commas
     *      "momentum=0..0.9"  "weight_decay=1e-5..1e-1:log"  "lr=1e-3..1:log:7"
     *  Of a range a grid takes 5 points, or as many as are given, evenly or in equal ratios (log), and random search
     *  any number, rounded to four digits. */
    const char *const *dim;
    int           n_dims;
    int64_t       random;        /* setups drawn at random, all different; default 0: the grid of all combinations */
    uint64_t      seed;          /* of the drawing: trial i is the same however many there are */
    clg_cv_params cv;            /* by what they are judged: k folds or a hold-out, the same for all */
    bool          by_loss;       /* the lowest loss is best, as always for real targets; default: the highest accuracy,
                                    of equal ones that with the lower loss */
    bool          refit;         /* train the winner on all of the data */
    clg_dataset  *test;          /* refits, and scores the winner once on this part */
    void        (*on_trial)(void *user, int64_t i, int64_t n, const clg_trial *t); /* after trial i of n, from 0 */
    void         *user;
} clg_search_params;

#define clg_search_params(...) (&(const clg_search_params){__VA_ARGS__})

/**
 * Judges setups that differ from s in the dimensions, by validation, and sorts them; those that diverged come last. The
 * refit trains as many epochs as the winner's folds took on average, where they were stopped early, and has no
 * validation part: a plateau schedule is a constant rate there.
 * Trials that differ in nothing that is compiled (learning rate, epochs, seed) share their plans.
 * Errors: CLG_ERR_INVALID for a dimension that cannot be read, none, or more than 100,000 trials; and as
 *         clg_cross_validate(), then with the trial's values. out is written if all went well, and is to be freed.
 * Source: Bergstra & Bengio 2012, Random search for hyper-parameter optimization.
 */
CLG_API CLG_CHECK clg_status clg_search(clg_device *dev, const clg_setup *s, clg_dataset *d, const clg_search_params *p,
                                        clg_search_result *out);
CLG_API void clg_search_result_free(clg_search_result *r);

/** How many setups a search will try; of p the dimensions and random count. A negative clg_status if they are wrong. */
CLG_API int64_t clg_search_size(const clg_search_params *p);

/* --- curves --- */

/** Training and validation error at one place of a curve. */
typedef struct clg_curve_point {
    double        x;         /* items trained on; or the value, NaN if it is no number */
    const char   *value;     /* as text */
    clg_cv_result cv;
    double        norm;      /* |w| over all weights of two axes or more (no biases), mean over the folds */
} clg_curve_point;

/** Points in the order given. Everything belongs to the curve. */
typedef struct clg_curve {
    const char      *name;   /* of x: "items" or the dimension */
    int              n;
    clg_curve_point *point;  /* [n] */
    int64_t          n_path; /* weights of two axes or more in the model, if all points have the same number; else 0 */
    const double    *path;   /* [n, n_path]: their values after the first fold, for pictures of how they shrink */
    struct clg_arena *own;
} clg_curve;

/**
 * Learning curve: error against the number of items that are trained on. sizes [n]: 1 to the smallest training part of
 * the folds. Smaller parts are inside larger ones, drawn once by the seed, with each class in its share. Each size is
 * trained about as many steps as the whole part, so that what differs are the data and not the time; a batch that is
 * larger than a size is cut to it.
 * Errors: CLG_ERR_INVALID for sizes out of range, and as clg_cross_validate(). out is to be freed.
 */
CLG_API CLG_CHECK clg_status clg_learning_curve(clg_device *dev, const clg_setup *s, clg_dataset *d,
                                                const clg_cv_params *p, const int64_t *sizes, int n, clg_curve *out);

/**
 * Validation curve: error against one dimension, as in clg_search_params ("hidden=1,2,4,8"). With one that is a size
 * it is a capacity curve: where both errors are high the model underfits, where the training error falls and the
 * validation error rises it overfits. With "weight_decay=0,0.01,0.1" it is a decay sweep, with the norm of the weights
 * and their paths.
 * Errors: as clg_search(). out is to be freed.
 */
CLG_API CLG_CHECK clg_status clg_validation_curve(clg_device *dev, const clg_setup *s, clg_dataset *d,
                                                  const clg_cv_params *p, const char *dim, clg_curve *out);
CLG_API void clg_curve_free(clg_curve *c);

CLG_END_DECLS

#endif /* CLGRAD_SELECT_H_ */

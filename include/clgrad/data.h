/* Data sets: pictures or rows of numbers with classes or target values; their parts, and batches of them. */
#ifndef CLGRAD_DATA_H_
#define CLGRAD_DATA_H_

#include <clgrad/plan.h>

CLG_BEGIN_DECLS

/** Thread-safety: one thread at a time; the next batch is prepared on a thread of its own. */
typedef struct clg_dataset clg_dataset;

/** The role of a data set. What is for training may become a test or a validation part, and nothing changes back. */
enum clg_part { CLG_TRAIN, CLG_TEST, CLG_VALIDATION };

/**
 * Opens the training or the test part of a data set by a spec: KIND, KIND:PATH, KIND:PATH,KEY=VALUE,... or
 * KIND:KEY=VALUE,...: "digits", "mnist:DIR", "csv:FILE,target=NAME", "moons:n=400,noise=0.2". sources.h has a table of
 * the kinds with their options. A comma belongs to the path or value before it unless a word and = follow; there it is
 * written twice. A set without parts of its own is split by clg_dataset_split(): test=0.2 is the fraction of the test
 * part, classes in proportion, and split=0 the seed; test=0 makes all items training items.
 * Errors: CLG_ERR_INVALID for an unknown kind, option or value (the message lists those that are known), and for
 *         CLG_VALIDATION; else those of the reader.
 */
CLG_API clg_dataset *clg_dataset_open(const char *spec, enum clg_part part);
CLG_API void         clg_dataset_destroy(clg_dataset **d);

/** IDX files (MNIST, Fashion-MNIST; .gz too): images u8 scaled to [0,1] f32, items [1, H, W]; labels i32. The part is
 *  CLG_TRAIN; see clg_dataset_subset() for another.
 *  Errors: CLG_ERR_IO, CLG_ERR_FORMAT (truncated, wrong magic, sizes that lie, counts that differ, damaged gzip). */
CLG_API clg_dataset *clg_dataset_open_idx(const char *images, const char *labels);

/** A data set in memory. Either label or target is needed; everything else that is NULL or 0 has a default. */
typedef struct clg_dataset_params {
    int64_t        n;                  /* items, 1 .. 2^32 - 1 */
    clg_shape      item;               /* shape of one: 1 to CLG_MAX_DIMS - 1 axes */
    const double  *x;                  /* [n, item]; finite */
    const int32_t *label;              /* [n]: classes, 0 .. classes - 1 */
    int            classes;            /* default 1 + the largest label */
    const double  *target;             /* [n, targets]: real numbers, if label is NULL; finite */
    int64_t        targets;            /* default 1 */
    const char *const *class_name;     /* [classes], which must be given then */
    const char *const *feature_name;   /* one for each number of an item */
    enum clg_part  part;
} clg_dataset_params;

#define clg_dataset_params(...) (&(const clg_dataset_params){__VA_ARGS__})

/** A data set of arrays, which are copied. Errors: CLG_ERR_INVALID (what is missing, out of range or not finite, and in
 *  which item), CLG_ERR_NOMEM. */
CLG_API clg_dataset *clg_dataset_create(const clg_dataset_params *p);

CLG_API int64_t   clg_dataset_size(const clg_dataset *d);    /* items */
CLG_API clg_shape clg_dataset_shape(const clg_dataset *d);   /* of one item, e.g. [1, 28, 28]; of NULL: ndim is -1 */
CLG_API int       clg_dataset_classes(const clg_dataset *d); /* how many; 0: items have real targets */
CLG_API int64_t   clg_dataset_targets(const clg_dataset *d); /* real targets of an item; 0: items have classes */
CLG_API enum clg_part clg_dataset_part(const clg_dataset *d); /* of NULL: CLG_TEST, with which the least is allowed */

/** Name of a class, and of number k of an item; NULL: it has none. Valid as long as the data set. */
CLG_API const char *clg_dataset_class_name(const clg_dataset *d, int k);
CLG_API const char *clg_dataset_feature_name(const clg_dataset *d, int64_t k);

/* --- parts. They share the items, and have an order, a position and a role of their own; they may outlive the whole.
 * Where nothing else is said, the items of a part keep the order they have in the whole ("file order"). --- */

/** Items begin .. begin + n - 1, with the role of d.
 *  Errors: CLG_ERR_INVALID if the range is empty or not inside. */
CLG_API clg_dataset *clg_dataset_slice(clg_dataset *d, int64_t begin, int64_t n);

/**
 * The items of these numbers, in this order, as a part of that role. A number may stand there more than once (for a
 * bootstrap). Items of a test part stay test items, and items of a validation part stay what they are.
 * Errors: CLG_ERR_INVALID (empty, no such item, a role that they cannot take); CLG_ERR_NOMEM.
 */
CLG_API clg_dataset *clg_dataset_subset(clg_dataset *d, const int64_t *items, int64_t n, enum clg_part part);

typedef struct clg_split_params {
    double   val, test;    /* fractions of the items; 0: no such part */
    bool     no_shuffle;   /* the last items become the test part, those before them the validation part */
    bool     no_stratify;  /* do not care for classes */
    uint64_t seed;         /* of the shuffling */
} clg_split_params;

#define clg_split_params(...) (&(const clg_split_params){__VA_ARGS__})

/**
 * Hold-out: cuts a training part into training, validation and test part. Sizes are the fractions rounded to the
 * nearest; items with classes are taken from each class in proportion, by largest remainders, and each class keeps one
 * item at least for training. Who goes where depends on seed, size and labels only. A pointer may be NULL if that part
 * is not wanted; where the fraction is 0, NULL is written.
 * Errors: CLG_ERR_INVALID if a fraction is out of range or leaves a part empty, if no item of some class would be left
 *         for training, if d is no training part or is standardised (cut first: the mean of all items knows them all);
 *         CLG_ERR_NOMEM. Then nothing is written.
 */
CLG_API CLG_CHECK clg_status clg_dataset_split(clg_dataset *d, const clg_split_params *p, clg_dataset **train,
                                               clg_dataset **val, clg_dataset **test);

enum clg_fold_kind {
    CLG_FOLD_AUTO,     /* shuffled; classes in proportion ("stratified"): of each, folds differ by one item at most */
    CLG_FOLD_SHUFFLED, /* shuffled, whatever the classes */
    CLG_FOLD_MODULO    /* item number modulo k; nothing is shuffled */
};

/**
 * Fold i of K-fold cross-validation: 1/k of a training part as validation part, the rest for training. Over
 * i = 0 .. k - 1 every item is validated exactly once; sizes differ by one at most. Who goes where depends on kind, k,
 * seed, size and labels only. A pointer may be NULL if that part is not wanted.
 * Errors: CLG_ERR_INVALID if k is less than 2 or more than the items, if there is no fold i, if a class has fewer than
 *         k items (CLG_FOLD_AUTO; the message names it), and as clg_dataset_split(); CLG_ERR_NOMEM. Then nothing is
 *         written.
 * Source: Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x; Kohavi 1995 (stratified folds).
 */
CLG_API CLG_CHECK clg_status clg_dataset_fold(clg_dataset *d, enum clg_fold_kind kind, int k, int i, uint64_t seed,
                                              clg_dataset **train, clg_dataset **val);

/** Counts one more evaluation of these items, and returns how often any of them was evaluated, this time included. All
 *  parts of one data set share the counts, so a test part is recognised however it was made. Stops at INT_MAX. */
CLG_API int clg_dataset_evaluated(clg_dataset *d);

/** How many items of d are in a test part, or in several, that were made of the same data and are not destroyed: what
 *  learns must not see them. So the whole cannot stand in for its training part by mistake. */
CLG_API int64_t clg_dataset_test_items(const clg_dataset *d);

/* --- standardisation --- */

/** Mean and deviation of each feature, which is a place of axis 0 of an item: of a row each number, of a picture each
 *  channel. Immutable: may be shared by threads. */
typedef struct clg_scaler clg_scaler;

/**
 * Mean and population deviation (divided by n) over all items of a training part. A constant feature gets deviation 1.
 * Errors: CLG_ERR_INVALID on a test or validation part, which must not have a say in it, if d has items of a test part
 *         (clg_dataset_test_items()), on a part that is standardised already, and if numbers are too large to be
 *         squared; CLG_ERR_NOMEM.
 */
CLG_API clg_scaler *clg_scaler_fit(const clg_dataset *d);

/** Of n known means and deviations, which are copied. Errors: CLG_ERR_INVALID (not finite; a deviation not above 0). */
CLG_API clg_scaler *clg_scaler_create(int64_t n, const double *mean, const double *deviation);
CLG_API void        clg_scaler_destroy(clg_scaler **s);

CLG_API int64_t       clg_scaler_size(const clg_scaler *s);      /* features */
CLG_API const double *clg_scaler_mean(const clg_scaler *s);      /* clg_scaler_size() numbers; valid as long as s */
CLG_API const double *clg_scaler_deviation(const clg_scaler *s);

/** From now on d, and parts that are made of it, give (x - mean) / deviation. The scaler may be destroyed.
 *  Errors: CLG_ERR_SHAPE for another number of features; CLG_ERR_INVALID if d is standardised already. */
CLG_API CLG_CHECK clg_status clg_dataset_standardize(clg_dataset *d, const clg_scaler *s);

/** Puts a scaler into a store, as "data.mean" and "data.deviation" (f32, one axis): there it travels with the weights.
 *  Errors: CLG_ERR_SHAPE if the store has them in another size; CLG_ERR_NOMEM, after which one may be written. */
CLG_API CLG_CHECK clg_status clg_scaler_to_store(const clg_scaler *s, clg_store *store);

/** The scaler of a store, rounded to f32; *out is NULL if it has none.
 *  Errors: CLG_ERR_FORMAT if one of the two is missing, or they are none that clg_scaler_to_store() has written. */
CLG_API CLG_CHECK clg_status clg_scaler_from_store(clg_store *store, clg_scaler **out);

/* --- batches and items --- */

/**
 * Starts an epoch: with shuffle, in an order that depends on seed, epoch and size only; else in file order. Without
 * this call a data set is read in the order of (seed 0, epoch 0) and starts the following epoch by itself.
 * The order is a Fisher-Yates shuffle of the file order by the numbers of SplitMix64 under a key of (seed, epoch). It
 * stays what it is from version to version: checkpoints are resumed by it.
 * Source: Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195.
 */
CLG_API CLG_CHECK clg_status clg_dataset_start(clg_dataset *d, bool shuffle, uint64_t seed, int64_t epoch);

/** Moves on by n items without reading them (to resume inside an epoch). n may not exceed clg_dataset_left(). */
CLG_API CLG_CHECK clg_status clg_dataset_skip(clg_dataset *d, int64_t n);

/** Items left in this epoch: so the caller can run the last, smaller batch with a plan of that size. */
CLG_API int64_t clg_dataset_left(const clg_dataset *d);

/**
 * Writes the next batch into two inputs of a plan; the batch size B is theirs. Shapes: x [B, item...], f32 or f64;
 * target [B] i32 for classes; for real targets [B, targets], or [B] if there is one, f32 or f64.
 * A batch larger than what is left takes the rest from the following epoch.
 * Errors: CLG_ERR_SHAPE (says what the inputs must be), CLG_ERR_INVALID, CLG_ERR_NOMEM.
 */
CLG_API CLG_CHECK clg_status clg_dataset_next(clg_dataset *d, clg_plan *p, clg_tensor *x, clg_tensor *target);

/**
 * The same in host memory, for whoever shares a batch out to several plans: rows of x, in f32 or f64, and of targets:
 * CLG_I32 for classes, f32 or f64 for real targets. Valid until the next batch of d, or its end.
 * Errors: CLG_ERR_SHAPE for other types; CLG_ERR_INVALID, CLG_ERR_NOMEM.
 */
CLG_API CLG_CHECK clg_status clg_dataset_batch(clg_dataset *d, int64_t rows, clg_dtype x_type, clg_dtype target_type,
                                               const void **x, const void **target);

/** Copies item i (in file order), as batches give it, to the host: pixels has the item's size, label one int. Either
 *  may be NULL.
 *  Errors: CLG_ERR_INVALID if there is no such item, or the items have no classes and label is not NULL. */
CLG_API CLG_CHECK clg_status clg_dataset_item(const clg_dataset *d, int64_t i, float *pixels, int32_t *label);

/** The same in double: x has the item's size, target clg_dataset_targets() numbers, or one for the class. */
CLG_API CLG_CHECK clg_status clg_dataset_row(const clg_dataset *d, int64_t i, double *x, double *target);

CLG_END_DECLS

#endif /* CLGRAD_DATA_H_ */

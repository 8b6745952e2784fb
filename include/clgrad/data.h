/* Data sets: pictures or rows of numbers with classes or target values; their parts, and batches of them. */
#ifndef CLGRAD_DATA_H_
#define CLGRAD_DATA_H_

#include <clgrad/plan.h>

CLG_BEGIN_DECLS

/** Thread-safety: one thread at a time; the next batch is prepared on a thread of its own. */
typedef struct clg_dataset clg_dataset;

/** Means and deviations by which items are standardised. Immutable: may be shared by threads. */
typedef struct clg_scaler clg_scaler;
CLG_API void clg_scaler_destroy(clg_scaler **s);

/** The role of a data set. A test part stays one: see clg_dataset_subset(). */
enum clg_part { CLG_TRAIN, CLG_TEST, CLG_VALIDATION };

/**
 * Opens a part of a data set by a spec: "digits" (6,400 and 1,000 real handwritten digits inside the library: the
 * first of MNIST in file order) or "mnist:DIR" (train-images-idx3-ubyte[.gz] and so on in DIR; Fashion-MNIST too).
 * Errors: CLG_ERR_INVALID for an unknown spec (the message lists the known ones), else as clg_dataset_open_idx().
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
CLG_API int       clg_dataset_classes(const clg_dataset *d); /* 1 + the largest label; 0: items have real targets */
CLG_API int64_t   clg_dataset_targets(const clg_dataset *d); /* real targets of an item; 0: items have classes */
CLG_API enum clg_part clg_dataset_part(const clg_dataset *d); /* of NULL: CLG_TEST, with which the least is allowed */

/** Name of a class, and of number k of an item; NULL: it has none. Valid as long as the data set. */
CLG_API const char *clg_dataset_class_name(const clg_dataset *d, int k);
CLG_API const char *clg_dataset_feature_name(const clg_dataset *d, int64_t k);

/** Items begin .. begin + n - 1 as a data set of their own that shares the memory; for a validation part.
 *  Errors: CLG_ERR_INVALID if the range is empty or not inside. */
CLG_API clg_dataset *clg_dataset_slice(clg_dataset *d, int64_t begin, int64_t n);

/** Starts an epoch: with shuffle, in an order that depends on seed and epoch only; else in file order. Without this
 *  call a data set is read in the order of (seed 0, epoch 0) and starts the following epoch by itself. */
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

/** Copies item i (in file order) to the host: pixels has the item's size, label one int. Either may be NULL.
 *  Errors: CLG_ERR_INVALID if there is no such item, or the items have no classes and label is not NULL. */
CLG_API CLG_CHECK clg_status clg_dataset_item(const clg_dataset *d, int64_t i, float *pixels, int32_t *label);

/** The same in double: x has the item's size, target clg_dataset_targets() numbers, or one for the class. */
CLG_API CLG_CHECK clg_status clg_dataset_row(const clg_dataset *d, int64_t i, double *x, double *target);

/** Counts one more evaluation of these items, and returns how often any of them was evaluated, this time included. All
 *  parts of one data set share the counts, so a test part is recognised however it was made. Saturates at 65,535. */
CLG_API int clg_dataset_evaluated(clg_dataset *d);

CLG_END_DECLS

#endif /* CLGRAD_DATA_H_ */

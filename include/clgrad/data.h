/* Data sets: pictures or rows with labels, in batches. */
#ifndef CLGRAD_DATA_H_
#define CLGRAD_DATA_H_

#include <clgrad/plan.h>

CLG_BEGIN_DECLS

/** Thread-safety: one thread at a time; the next batch is prepared on a thread of its own. */
typedef struct clg_dataset clg_dataset;

/** IDX files (MNIST, Fashion-MNIST; .gz too): images u8 scaled to [0,1] f32, items [1, H, W]; labels i32.
 *  Errors: CLG_ERR_IO, CLG_ERR_FORMAT (truncated, wrong magic, sizes that lie, counts that differ, damaged gzip). */
CLG_API clg_dataset *clg_dataset_open_idx(const char *images, const char *labels);

enum clg_part { CLG_TRAIN, CLG_TEST };

/**
 * Opens a part of a data set by a spec: "digits" (6,400 and 1,000 real handwritten digits inside the library: the
 * first of MNIST in file order) or "mnist:DIR" (train-images-idx3-ubyte[.gz] and so on in DIR; Fashion-MNIST too).
 * Errors: CLG_ERR_INVALID for an unknown spec (the message lists the known ones), else as clg_dataset_open_idx().
 */
CLG_API clg_dataset *clg_dataset_open(const char *spec, enum clg_part part);
CLG_API void         clg_dataset_destroy(clg_dataset **d);

CLG_API int64_t   clg_dataset_size(const clg_dataset *d);    /* items */
CLG_API clg_shape clg_dataset_shape(const clg_dataset *d);   /* of one item, e.g. [1, 28, 28] */
CLG_API int       clg_dataset_classes(const clg_dataset *d); /* 1 + the largest label */

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

/** Writes the next batch into two inputs of a plan; the batch size is theirs (x [B, item...] f32, target [B] i32).
 *  A batch larger than what is left takes the rest from the following epoch. */
CLG_API CLG_CHECK clg_status clg_dataset_next(clg_dataset *d, clg_plan *p, clg_tensor *x, clg_tensor *target);

/** Copies item i (in file order) to the host: pixels has the item's size, label one int. Either may be NULL. */
CLG_API CLG_CHECK clg_status clg_dataset_item(const clg_dataset *d, int64_t i, float *pixels, int32_t *label);

CLG_END_DECLS

#endif /* CLGRAD_DATA_H_ */

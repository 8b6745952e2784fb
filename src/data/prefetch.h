/* Batches on the host: gathering and converting items, ahead of need, on a thread of its own. */
#ifndef CLG_DATA_PREFETCH_H_
#define CLG_DATA_PREFETCH_H_

#include "data/row.h"

/** How a batch lies in memory: types of its numbers, and bytes of a row. */
typedef struct clg_layout {
    clg_dtype x, target;
    size_t    x_bytes, target_bytes;
} clg_layout;

/** Where items come from; borrowed while a job runs. */
typedef struct clg_gather {
    const clg_items  *items;
    const clg_scaler *scaler; /* NULL: items as they are */
    const uint32_t   *order;  /* row of the items at a position of the epoch */
    clg_layout        layout;
} clg_gather;

/** Room for a batch; its first n rows are filled. */
typedef struct clg_batch {
    void   *x, *target;
    int64_t n;
} clg_batch;

typedef struct clg_prefetch clg_prefetch;

/** A worker with two batches of `rows` rows. The worker thread starts here; if the system gives none, jobs are done
 *  by the caller's thread. NULL: no memory. */
clg_prefetch *clg_prefetch_create(int64_t rows, const clg_layout *layout);
void          clg_prefetch_destroy(clg_prefetch **p);

/** True if batches of this layout with so many rows find room. */
bool clg_prefetch_suits(const clg_prefetch *p, int64_t rows, const clg_layout *layout);

/** Copies positions first .. first + n - 1 into rows row .. of a batch. */
void clg_gather_rows(const clg_gather *g, clg_batch *b, int64_t row, int64_t first, int64_t n);

/** Starts to fill the batch that clg_prefetch_take() gives next. The worker must be idle. */
void clg_prefetch_begin(clg_prefetch *p, const clg_gather *g, int64_t first, int64_t n);

/** Waits until the worker is idle. */
void clg_prefetch_wait(clg_prefetch *p);

/** Waits, and gives the batch that was filled (n is 0 if none was begun). It is the caller's until the next take. */
clg_batch *clg_prefetch_take(clg_prefetch *p);

/** Waits, and forgets what was filled. */
void clg_prefetch_drop(clg_prefetch *p);

#endif /* CLG_DATA_PREFETCH_H_ */

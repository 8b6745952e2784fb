/* Inside a data set: the items, which it shares with its parts, and where it stands. */
#ifndef CLG_DATA_DATASET_H_
#define CLG_DATA_DATASET_H_

#include "data/items.h"
#include "data/prefetch.h"
#include "data/scaler.h"
#include <stdatomic.h>

/** What is known of an item, whichever part it is in. */
typedef struct clg_mark {
    uint32_t evaluated; /* how often it was part of an evaluation */
    uint32_t tests;     /* how many test parts have it at present */
} clg_mark;

/** What a data set and all its parts share. The items never change; marks change under the lock of dataset.c, because
 *  parts of one data set may be used by several threads. */
typedef struct clg_bank {
    atomic_int refs;
    clg_items  items;
    clg_mark  *mark; /* one for each item */
} clg_bank;

struct clg_dataset {
    clg_bank     *bank;
    enum clg_part part;
    int64_t       n;
    uint32_t     *rows;    /* n rows of the bank: the data set's own order ("file order") */
    uint32_t     *order;   /* the same rows in the order of the epoch */
    clg_scaler   *scaler;  /* NULL: items are given as they are */
    bool          shuffle;
    uint64_t      seed;
    int64_t       epoch, pos;
    clg_prefetch *pre;     /* made by the first batch; NULL before */
};

/** n rows of the bank of d, in this order, as a part of its own. Takes over rows (of clg_alloc()), also on failure. */
clg_dataset *clg_dataset_of_rows(const clg_dataset *d, uint32_t *rows, int64_t n, enum clg_part part);

/** Puts n numbers in an order that depends on the key alone. */
void clg_shuffle(uint32_t *v, int64_t n, uint64_t key);

/** The key of stream `counter` of a seed. Streams: 0 orders epochs, 1 makes parts. */
uint64_t clg_shuffle_key(uint64_t seed, uint64_t stream, uint64_t counter);

#endif /* CLG_DATA_DATASET_H_ */

/* What a reader of a format makes, and a data set is made from: the numbers of all items, their classes or targets,
 * and names. Formats know nothing of batches, parts and order; data sets know nothing of formats. */
#ifndef CLG_DATA_ITEMS_H_
#define CLG_DATA_ITEMS_H_

#include <clgrad/data.h>

/** Every array is made by clg_alloc() or its like, and so is each string of the arrays of names, which end by NULL. */
typedef struct clg_items {
    int64_t   n;            /* 1 .. 2^32 - 1 */
    clg_shape shape;        /* of one item: 1 to CLG_MAX_DIMS - 1 axes, none of them 0 */
    uint8_t  *u8;           /* [n, shape]: pixels; the number is u8 / 255 */
    double   *real;         /* [n, shape]: if u8 is NULL */
    int32_t  *label;        /* [n]: classes, 0 .. classes - 1 */
    int       classes;      /* 0: as many as there are names; without names 1 + the largest label */
    double   *target;       /* [n, targets]: real numbers, if label is NULL */
    int64_t   targets;
    char    **class_name;   /* one for each class; NULL: none */
    char    **feature_name; /* one for each number of an item; NULL: none */
} clg_items;

/** Frees the contents and clears the struct. */
void clg_items_free(clg_items *it);

/** Numbers of one item, of a shape that was checked. */
size_t clg_items_numbers(const clg_items *it);

/**
 * A data set of these items. Takes the contents over and clears *items, also when it fails.
 * Errors: CLG_ERR_FORMAT, for the caller to put the file's name before by clg_fail_context(): no items, a shape that no
 *         batch can have, a label out of range, a number that is not finite, names too few or too many;
 *         CLG_ERR_NOMEM.
 */
clg_dataset *clg_dataset_from_items(clg_items *items, enum clg_part part);

/** The checks of clg_dataset_from_items() alone; fills in it->classes. code: what a failure returns. */
clg_status clg_items_check(clg_items *it, clg_status code);

/** Copies the arrays of p into *to; on failure *to holds what must be freed. */
clg_status clg_items_copy(const clg_dataset_params *p, clg_items *to);

#endif /* CLG_DATA_ITEMS_H_ */

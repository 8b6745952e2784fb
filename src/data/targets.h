/* Targets: are these numbers classes, and which? */
#ifndef CLG_DATA_TARGETS_H_
#define CLG_DATA_TARGETS_H_

#include "data/items.h"

enum { CLG_MAX_CLASSES = 1000, CLG_AUTO_CLASSES = 20 };

/** True if the numbers are whole, with at most `most` (<= CLG_MAX_CLASSES) different values: then CLG_TASK_AUTO takes
 *  them for classes. */
bool clg_targets_are_classes(const double *v, int64_t n, int most);

/** Sets label, classes and class_name of items from whole numbers, classes by size; what stands in messages for them.
 *  known: the n_known numbers whose values are the classes (those of the training part, if v is the test part); NULL:
 *  those of v.
 *  Errors: CLG_ERR_FORMAT for others than whole numbers, more than CLG_MAX_CLASSES values, one value only, a value in v
 *  that is not known. */
clg_status clg_targets_label(const char *what, const double *v, int64_t n, const double *known, int64_t n_known,
                             clg_items *items);

/** Errors: CLG_ERR_FORMAT if there are no two different numbers. */
clg_status clg_targets_vary(const char *what, const double *v, int64_t n);

#endif /* CLG_DATA_TARGETS_H_ */

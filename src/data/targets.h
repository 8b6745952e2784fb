/* Targets: are these numbers classes, and which? */
#ifndef CLG_DATA_TARGETS_H_
#define CLG_DATA_TARGETS_H_

#include "data/items.h"

enum { CLG_MAX_CLASSES = 1000, CLG_AUTO_CLASSES = 20 };

/** The rule of CLG_TASK_AUTO for numbers: whole, with at most CLG_AUTO_CLASSES different values. */
bool clg_targets_are_classes(const double *v, int64_t n);

/** Sets label, classes and class_name of items from whole numbers, classes by size; what stands in messages for them.
 *  Errors: CLG_ERR_FORMAT for others than whole numbers, more than CLG_MAX_CLASSES values, one value only. */
clg_status clg_targets_label(const char *what, const double *v, int64_t n, clg_items *items);

/** Errors: CLG_ERR_FORMAT if there are no two different numbers. */
clg_status clg_targets_vary(const char *what, const double *v, int64_t n);

#endif /* CLG_DATA_TARGETS_H_ */

/* Items from two arrays: features or pictures, and targets. */
#ifndef CLG_DATA_ARRAYS_H_
#define CLG_DATA_ARRAYS_H_

#include "data/items.h"
#include "data/npy.h"
#include <clgrad/sources.h>

/** known: the targets of the training part, which say what the classes are; NULL: y does. *out is untouched on failure.
 *  Errors: CLG_ERR_FORMAT (axes that are none of items, numbers of items that differ, targets that are no classes). */
clg_status clg_arrays_items(const clg_npy *x, const clg_npy *y, const clg_npy *known, const clg_array_params *p,
                            clg_items *out);

#endif /* CLG_DATA_ARRAYS_H_ */

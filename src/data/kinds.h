/* The kinds of specs that clg_dataset_open() knows: each has a row in open.c and a function here that opens it. */
#ifndef CLG_DATA_KINDS_H_
#define CLG_DATA_KINDS_H_

#include "data/spec.h"
#include <clgrad/data.h>

/** Opens a part (CLG_TRAIN or CLG_TEST) of the data set of a spec, whose options are all known. */
typedef clg_dataset *clg_kind_open(const clg_spec *s, enum clg_part part);

clg_kind_open clg_open_digits, clg_open_mnist;                                          /* mnist.c */
clg_kind_open clg_open_csv;                                                             /* csv_open.c */
clg_kind_open clg_open_npy, clg_open_npz;                                               /* arrays_open.c */
clg_kind_open clg_open_cifar10;                                                         /* cifar.c */
clg_kind_open clg_open_folder;                                                          /* folder.c */
clg_kind_open clg_open_linear, clg_open_poly, clg_open_xor, clg_open_moons, clg_open_clouds; /* synthetic_open.c */

/** The part of a data set that has none of its own: a split by the options test and split. Takes d over; NULL gives
 *  NULL. */
clg_dataset *clg_take_part(clg_dataset *d, const clg_spec *s, enum clg_part part);

/** The options of clg_take_part(), for keys. */
#define CLG_PART_KEYS "test|split"

#endif /* CLG_DATA_KINDS_H_ */

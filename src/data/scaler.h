/* Standardisation, as data sets share it. */
#ifndef CLG_DATA_SCALER_H_
#define CLG_DATA_SCALER_H_

#include <clgrad/data.h>
#include <stdatomic.h>

struct clg_scaler {
    atomic_int refs;
    int64_t    n;                /* features; of items with more than one axis: channels, which is axis 0 */
    double    *mean, *deviation; /* n each */
};

clg_scaler *clg_scaler_ref(clg_scaler *s); /* NULL is fine */

#endif /* CLG_DATA_SCALER_H_ */

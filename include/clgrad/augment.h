/* Augmentation: pictures are changed while training, on the device, in ways that leave their class as it is. */
#ifndef CLGRAD_AUGMENT_H_
#define CLGRAD_AUGMENT_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** What may happen to a picture; {0}: nothing. */
typedef struct clg_augment_params {
    int64_t shift; /* moved by -shift to shift pixels along each axis, all alike likely; zeros move in */
    bool    flip;  /* left-right, half of the pictures */
    int64_t crop;  /* the same move under its other name: padded by crop zeros on each side, and a window of the old
                      size cut out anywhere. Give shift or crop, not both */
    double  noise; /* standard deviation of Gaussian noise, added to each element behind the others */
} clg_augment_params;

#define clg_augment_params(...) (&(const clg_augment_params){__VA_ARGS__})

CLG_END_DECLS

#endif /* CLGRAD_AUGMENT_H_ */

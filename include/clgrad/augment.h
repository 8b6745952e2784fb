/* Augmentation: pictures are changed while training, on the device, in ways that leave their class as it is. */
#ifndef CLGRAD_AUGMENT_H_
#define CLGRAD_AUGMENT_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** What may happen to a picture; {0}: nothing. */
typedef struct clg_augment_params {
    int64_t shift; /* clg_random_shift(): moved by -shift to shift pixels along each axis; zeros move in */
    bool    flip;  /* clg_random_flip(): left-right, half of the pictures. Not for digits and letters */
    int64_t crop;  /* the same as shift under its other name: padded by crop zeros on each side, and a window of the old
                      size cut out at random. Give one of the two */
    double  noise; /* clg_gaussian_noise(): standard deviation of what is added to each element, behind the others */
} clg_augment_params;

#define clg_augment_params(...) (&(const clg_augment_params){__VA_ARGS__})

/**
 * The pictures x [N,C,H,W], each changed in its own way, in another in each training run; x itself in inference plans.
 * The zeros that move in are black where pixels are 0 .. 1; where they were standardised, they are the mean.
 * Drawn from the store's seed and "rng.step": the same bits in a resumed run. p NULL: nothing happens.
 *
 * Errors: CLG_ERR_INVALID if both shift and crop are given, or a field is below 0; CLG_ERR_SHAPE if x is no batch of
 *         pictures, or smaller than a shift.
 */
CLG_API clg_tensor *clg_augment(clg_tensor *x, const clg_augment_params *p);

CLG_END_DECLS

#endif /* CLGRAD_AUGMENT_H_ */

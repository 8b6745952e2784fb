/* Drawn at random: dropout, noise, moves and reflections of pictures. All are the identity in inference plans. */
#ifndef CLGRAD_OPS_RANDOM_H_
#define CLGRAD_OPS_RANDOM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** Zeroes each element with probability p and scales the rest by 1/(1-p); identity in inference plans.
 *  Philox 4x32-10 on (store seed, node, step, index): the same mask on every device. Source: Salmon et al. 2011. */
CLG_API clg_tensor *clg_dropout(clg_tensor *x, double p);

/** The same for whole planes of x [N,C,S...]: neighbouring pixels are too alike for dropout of single ones.
 *  Source: Tompson et al. 2015, arXiv 1411.4280. */
CLG_API clg_tensor *clg_dropout_channels(clg_tensor *x, double p);

/** x + sigma z with z from N(0, 1), others in each training run; identity in inference plans. Gradient gy. Random words
 *  as for clg_dropout(); made normal by Box and Muller (1958), so z is the same on every device but for some ulp.
 *
 *  Errors: CLG_ERR_INVALID if sigma is below 0 or not finite. */
CLG_API clg_tensor *clg_gaussian_noise(clg_tensor *x, double sigma);

/** Moves each picture of x [N,C,H,W] by whole pixels, -pixels to +pixels along each axis, every move alike likely,
 *  others in each training run; zeros move in from outside, and what leaves is lost. To pad by `pixels` zeros and to
 *  cut a window of the old size out at random is the same. Identity in inference plans. Gradient: gy moved back. Random
 *  words as for clg_dropout().
 *
 *  Errors: CLG_ERR_SHAPE if x has other axes, or a move could leave nothing of a picture; CLG_ERR_INVALID below 0. */
CLG_API clg_tensor *clg_random_shift(clg_tensor *x, int64_t pixels);

/** Reflects each picture of x [N,C,H,W] left to right with probability p; identity in inference plans. Gradient: gy,
 *  reflected likewise.
 *
 *  Errors: CLG_ERR_SHAPE if x has other axes; CLG_ERR_INVALID unless 0 <= p < 1. */
CLG_API clg_tensor *clg_random_flip(clg_tensor *x, double p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_RANDOM_H_ */

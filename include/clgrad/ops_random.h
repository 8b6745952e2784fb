/* Dropout and noise. */
#ifndef CLGRAD_OPS_RANDOM_H_
#define CLGRAD_OPS_RANDOM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** Zeroes each element with probability p and scales the rest by 1/(1-p); identity in inference plans.
 *  Philox 4x32-10 on (store seed, node, step, index): the same mask on every device. Source: Salmon et al. 2011. */
CLG_API clg_tensor *clg_dropout(clg_tensor *x, double p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_RANDOM_H_ */

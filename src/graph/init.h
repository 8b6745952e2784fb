/* Initial values of params. */
#ifndef CLG_GRAPH_INIT_H_
#define CLG_GRAPH_INIT_H_

#include "graph/store.h"

/** Draws all values of a shape into x. They depend on the arguments only, not on the device or the order of calls. */
void clg_init_values(enum clg_init init, uint64_t seed, const char *name, clg_shape shape, double *x);

/** Writes the initial values of a slot that has some; other slots stay as they are. */
clg_status clg_slot_reset(clg_slot *slot, uint64_t seed);

#endif /* CLG_GRAPH_INIT_H_ */

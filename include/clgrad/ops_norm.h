/* Normalisation. */
#ifndef CLGRAD_OPS_NORM_H_
#define CLGRAD_OPS_NORM_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

CLG_END_DECLS

#endif /* CLGRAD_OPS_NORM_H_ */

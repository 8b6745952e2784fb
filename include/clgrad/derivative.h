/* Derivatives as a course teaches them: Jacobians, Hessians, directional derivatives, built as graph. */
#ifndef CLGRAD_DERIVATIVE_H_
#define CLGRAD_DERIVATIVE_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS



CLG_END_DECLS

#endif /* CLGRAD_DERIVATIVE_H_ */

/* Short words for the mistakes of the table: BAD(name, expr) is a builder of `expr` over the graph g. */
#ifndef CLG_CHECK_BAD_H_
#define CLG_CHECK_BAD_H_

#include "check/cases.h"

#define X(...) clg_input(g, "x", CLG_F32, CLG_SHAPE(__VA_ARGS__))
#define W(...) clg_input(g, "w", CLG_F32, CLG_SHAPE(__VA_ARGS__))
#define V(...) clg_input(g, "v", CLG_F32, CLG_SHAPE(__VA_ARGS__))
#define T(...) clg_input(g, "t", CLG_I32, CLG_SHAPE(__VA_ARGS__))
#define BAD(name, expr) static clg_tensor *bad_##name(clg_graph *g) { return expr; }

#endif /* CLG_CHECK_BAD_H_ */

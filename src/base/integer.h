/* Small integer arithmetic of sizes and counts. */
#ifndef CLG_BASE_INTEGER_H_
#define CLG_BASE_INTEGER_H_

#include <stdint.h>

static inline int64_t clg_div_up(int64_t a, int64_t b) { return (a + b - 1) / b; } /* a >= 0, b > 0 */
static inline int64_t clg_max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t clg_min64(int64_t a, int64_t b) { return a < b ? a : b; }

#endif /* CLG_BASE_INTEGER_H_ */

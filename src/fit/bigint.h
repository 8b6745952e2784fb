/* Signed integers of up to 4096 bits, for decisions that must be exact. The caller knows a bound for what it computes
 * and keeps within it; there is no check here. Not GMP: it ends the program where there is no memory, and this library
 * never does; numbers of one size need no memory of their own, and few operations. */
#ifndef CLG_FIT_BIGINT_H_
#define CLG_FIT_BIGINT_H_

#include <stdbool.h>
#include <stdint.h>

enum { CLG_BIG_LIMBS = 128, CLG_BIG_BITS = 32 * CLG_BIG_LIMBS };

typedef struct clg_big {
    int      sign;                /* -1, 0, 1 */
    int      n;                   /* limbs in use, lowest first; the highest is not 0 */
    uint32_t limb[CLG_BIG_LIMBS];
} clg_big; /* sign 0, n 0 is zero */

void clg_big_set(clg_big *a, int64_t value);
void clg_big_shift(clg_big *a, int bits);            /* a 2^bits; bits >= 0 */
void clg_big_mul(clg_big *to, const clg_big *a, const clg_big *b);  /* to: another than a and b */
void clg_big_sub(clg_big *a, const clg_big *b);      /* a - b */
void clg_big_div_exact(clg_big *a, const clg_big *d);/* a / d, which must leave no rest; d is not 0 */
int  clg_big_compare(const clg_big *a, const clg_big *b);           /* -1, 0, 1 */

/** a / d as a double, with an error of a few units in the last place. d is not 0. */
double clg_big_ratio(const clg_big *a, const clg_big *d);

#endif /* CLG_FIT_BIGINT_H_ */

/* Philox4x32-10, counter-based random numbers. Source: Salmon et al. 2011, doi:10.1145/2063384.2063405.
 * cl/random.clh is its twin; tests compare both with the published vectors. */
#ifndef CLG_BASE_PHILOX_H_
#define CLG_BASE_PHILOX_H_

#include <stdint.h>

/** out = Philox4x32-10(counter, key). */
void clg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/** Uniform in [0, 1) with 24 bits: (u >> 8) 2^-24, exact in f32. */
static inline float clg_philox_unit(uint32_t u) { return (float)(u >> 8) * 0x1p-24f; }

#endif /* CLG_BASE_PHILOX_H_ */

/* The vector registers of a CPU, for which the tiles of class cpu are chosen. Their kernels compute in vectors of 16
 * elements, which the compiler cuts to what there is; a tile whose sums do not fit into the registers is stored to
 * memory and loaded again at every step, which takes three times as long. */
#ifndef CLG_OPS_REGISTERS_H_
#define CLG_OPS_REGISTERS_H_

#include "cl/device.h"

typedef struct clg_registers {
    int parts; /* registers that a vector of 16 elements takes, so instructions for each operation */
    int sums;  /* vectors of 16 sums that there is room for, beside operands */
    bool wide; /* as AVX-512's */
} clg_registers;

/** 32 registers of 16 floats (AVX-512) hold 24 of sums; 16 of 8 floats (AVX2) hold 12, which are 6 vectors of one
 *  column, or 4 of two, beside operands. Elements: f32, or doubles, of which half as many fit.
 *  Narrower registers, and those of devices that do not tell, count as AVX2's. */
static inline clg_registers clg_registers_of(const clg_device *d, bool doubles) {
    const bool wide = clg_device_get_caps(d)->vector_f32 >= 16;
    const int parts = (wide ? 1 : 2) * (doubles ? 2 : 1);
    return (clg_registers){ parts, (wide ? 24 : 12) / parts, wide };
}

/** Fused multiply-adds of a tile's step, as instructions: with fewer sums than are in flight, their latency shows. */
static inline int clg_registers_products(clg_registers r, int sums) {
    const int n = sums * r.parts, least = r.parts > 1 ? 8 : 4;
    return n < least ? least : n;
}

#endif /* CLG_OPS_REGISTERS_H_ */

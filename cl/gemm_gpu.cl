/* Matrix products c[z] = op(a[z]) op(b[z]), row-major, z = get_global_id(2) a batch index, for class gpu. Host side:
 * src/ops/gemm_gpu.c. Tiles of the operands go through local memory, outputs stay in registers (Volkov, Demmel, 2008).
 *
 * Why these sizes: a work-item reads RM + RN elements of local memory for RM * RN multiply-adds: 1/4 at 8 x 8, 3/8 at
 * 8 x 4, 1/2 at 4 x 4. Where 64 lanes multiply beside 32 banks (AMD, NVIDIA's sm_80), 1/2 just keeps up; beside 128
 * lanes (sm_86) only 1/4 does. From global memory a tile of 128 x 128 takes a byte for 32 operations, 64 x 64 for 16.
 *
 *   tile       sums   items  waves of 64, 32   local   registers and groups a compute unit: sm_80   gfx90a
 *   128 x 128  8 x 8  256    4, 8              17 K    145, 1                                       126, 3
 *   128 x 64   8 x 4  256    4, 8              13 K     77, 3                                        78, 5
 *   64 x 64    4 x 4  256    4, 8               9 K     64, 4                                        60, 7
 *   32 x 32    4 x 4   64    1, 2               5 K     70, 14                                       70, 14
 *   16 x 16    4 x 4   16    1, 1 (not full)    3 K    127, 16                                       64, 25
 *
 * One group of 8 warps can do here: the next tiles come from global memory into registers while the present ones are
 * multiplied, and 64 sums an item are independent of each other. 32 x 32 is one wave of 64, for products that would
 * leave compute units without work; 16 x 16, a wave that is not full and fetches 4 quads an item, is for devices with
 * groups below 64 items (scratch of 144 bytes on gfx1030).
 *
 * On Intel the sums of 8 to 32 items share one register file (device.h: registers): at its narrowest, which NARROW asks
 * for, 8 x 8 sums and their operands just spill, 8 x 4 fit: those are the default. Every element of c has one writer,
 * and is a sum in the order of k. */

#ifndef BM
#define BM 64
#endif
#ifndef BN
#define BN 64
#endif
#ifndef RM
#define RM 4
#endif
#ifndef RN
#define RN 4
#endif
#ifndef TA
#define TA 0
#endif
#ifndef TB
#define TB 0
#endif
#ifndef VEC
#define VEC 0
#endif
#define BK 16
#include "block.clh"

#define GX (BN / RN)
#define GY (BM / RM)
#define ITEMS (GX * GY)
#define QUADS(side) ((side) * BK / 4 / ITEMS) /* of a tile of side x BK, that one work-item moves */
#define PITCH(side) ((side) + 4)              /* keeps rows aligned to vectors, and steps them on by four banks */

/** Fetches quads of an operand's tile: `side` rows or columns from o0 on, terms k0 .. k0 + BK. Four elements of a quad
 *  are neighbours in memory, along k or across it; so are the quads of neighbouring work-items. Past the edges: 0. */
static inline void fetch(ACC4 *to, const int side, const bool along_k, __global const ACC *x, const long ld,
                         const int o0, const int most, const int k0, const int k, const int item) {
#pragma unroll
    for (int s = 0; s < QUADS(side); s++) {
        const int q = item + s * ITEMS, in_row = along_k ? BK / 4 : side / 4, row = q / in_row, at = q % in_row * 4;
        const int r = row + (along_k ? o0 : k0), rows = along_k ? most : k, i = at + (along_k ? k0 : o0),
                  end = along_k ? k : most;
        __global const ACC *p = x + r * ld + i;
        to[s] = (ACC4)(0);
#if VEC
        if (r < rows && i < end) to[s] = *(__global const ACC4 *)p;
#else
        if (r < rows) {
            if (i < end) to[s].x = p[0];
            if (i + 1 < end) to[s].y = p[1];
            if (i + 2 < end) to[s].z = p[2];
            if (i + 3 < end) to[s].w = p[3];
        }
#endif
    }
}

/** Stores what fetch() fetched as [term][row or column]. */
static inline void put(__local ACC4 *tile, const ACC4 *from, const int side, const bool along_k, const int item) {
#pragma unroll
    for (int s = 0; s < QUADS(side); s++) {
        const int q = item + s * ITEMS, in_row = along_k ? BK / 4 : side / 4, row = q / in_row, at = q % in_row;
        if (along_k) {
            __local ACC *t = (__local ACC *)tile + 4 * at * PITCH(side) + row;
            t[0] = from[s].x;
            t[PITCH(side)] = from[s].y;
            t[2 * PITCH(side)] = from[s].z;
            t[3 * PITCH(side)] = from[s].w;
        } else {
            tile[row * PITCH(side) / 4 + at] = from[s];
        }
    }
}

/** BM x BN outputs a work-group, RM x RN a work-item, in blocks of 4 x 4 that lie GY and GX blocks apart: so neighbours
 *  read neighbouring vectors of local memory, without bank conflicts. The next tiles are fetched into registers while
 *  the present ones are multiplied. VEC: pitches, offsets and sizes are multiples of 4, so that quads are vectors. */
BLOCK_KERNEL tile_gpu(IN(a), IN(b), OUT(c), const int m, const int n, const int k, const long lda, const long ldb,
                const long ldc, const long a_stride, const long b_stride, const long c_stride, const long a_begin,
                const long b_begin, const long c_begin TAIL_ARGS) {
    __local ACC4 sa[BK * PITCH(BM) / 4], sb[BK * PITCH(BN) / 4];
    const int lx = (int)get_local_id(0), ly = (int)get_local_id(1), item = ly * GX + lx;
    const int j0 = (int)get_group_id(0) * BN, i0 = (int)get_group_id(1) * BM;
    const long z = (long)get_global_id(2);
    __global const ACC *pa = AT(a, a_begin + z * a_stride), *pb = AT(b, b_begin + z * b_stride);
    ACC4 next_a[QUADS(BM)], next_b[QUADS(BN)], sum[RM][RN / 4];
    BLOCK_CLEAR(sum);
    fetch(next_a, BM, !TA, pa, lda, i0, m, 0, k, item);
    fetch(next_b, BN, TB, pb, ldb, j0, n, 0, k, item);
    for (int k0 = 0; k0 < k; k0 += BK) {
        put(sa, next_a, BM, !TA, item);
        put(sb, next_b, BN, TB, item);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch(next_a, BM, !TA, pa, lda, i0, m, k0 + BK, k, item);
        fetch(next_b, BN, TB, pb, ldb, j0, n, k0 + BK, k, item);
        block_multiply(sum, sa + ly, PITCH(BM) / 4, GY, sb + lx, PITCH(BN) / 4, GX);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#if !defined CLG_TAIL || CLG_TAIL < 2
#pragma unroll
#endif
    for (int r = 0; r < RM; r++)
#if !defined CLG_TAIL || CLG_TAIL < 2
#pragma unroll
#endif
        for (int s = 0; s < RN / 4; s++) {
            const int i = i0 + 4 * (ly + GY * (r / 4)) + r % 4, j = j0 + 4 * (lx + GX * s);
            const uint row = (uint)z * m + i; /* of the output as one matrix, for the tail */
            __global ACC *pc = AT(c, c_begin + z * c_stride + i * ldc + j);
            if (i >= m) continue;
#if VEC && !defined CLG_TAIL
            if (j < n) *(__global ACC4 *)pc = sum[r][s];
#else
            if (j < n) pc[0] = TAIL(sum[r][s].x, row, j);
            if (j + 1 < n) pc[1] = TAIL(sum[r][s].y, row, j + 1);
            if (j + 2 < n) pc[2] = TAIL(sum[r][s].z, row, j + 2);
            if (j + 3 < n) pc[3] = TAIL(sum[r][s].w, row, j + 3);
#endif
        }
}

/* Gradient of a convolution with respect to its filter, for class cpu, and the sum of partial gradients.
 *
 *   gw[s][g M + i, k] = sum over units u of part s, sum over lanes q of u: gp[n, g M + i][q] * xp[n, g][offsets[k] + q]
 *
 * gp are the planes of gy laid out with the pitch of xp, zero in the lanes between rows; a unit is a run of lanes of
 * one image. Lanes run along pixels; a work-item of a work-group of one owns MB x TB sums for `blocks` blocks of
 * columns k = (channel, tap) in one part. Last blocks are moved back to end at M and K and skip what their
 * neighbours own. The parts are summed in order by sum_parts, so results repeat bit for bit. */
#include "clg.clh"

#ifndef MB /* output channels of a register tile */
#define MB 4
#endif
#ifndef TB /* columns (channel, tap) of a register tile */
#define TB 5
#endif

KERNEL filter_tile(IN(gp), IN(xp), IN_T(int, offsets), OUT(gw), const int groups, const int M, const int K,
                   const int lanes, const long x_group, const int unit, const int units_per_image, const int units,
                   const int parts, const int blocks) {
    const int r0 = get_global_id(1) * MB, i0 = min(r0, M - MB);
    const int z = get_global_id(2), g = z % groups, part = z / groups;
    const int u0 = (long)units * part / parts, u1 = (long)units * (part + 1) / parts;
    const int first = get_global_id(0) * blocks;

    for (int c0 = first * TB; c0 < min(K, (first + blocks) * TB); c0 += TB) {
        const int k0 = min(c0, K - TB);
        ACC16 s[MB][TB];
        int off[TB];
#pragma unroll
        for (int j = 0; j < TB; j++) {
            off[j] = LOAD(offsets, k0 + j);
#pragma unroll
            for (int i = 0; i < MB; i++) s[i][j] = (ACC16)(0);
        }
        for (int u = u0; u < u1; u++) {
            const size_t ng = (size_t)(u / units_per_image) * groups + g;
            const int begin = u % units_per_image * unit, end = min(lanes, begin + unit);
            __global const T *gy = AT(gp, (ng * M + i0) * lanes), *x = AT(xp, ng * x_group);
            for (int q = begin; q < end; q += 16) {
                ACC16 gv[MB];
#pragma unroll
                for (int i = 0; i < MB; i++) gv[i] = vload16(0, gy + (size_t)i * lanes + q);
#pragma unroll
                for (int j = 0; j < TB; j++) {
                    const ACC16 xv = vload16(0, x + off[j] + q);
#pragma unroll
                    for (int i = 0; i < MB; i++) s[i][j] = fma(gv[i], xv, s[i][j]);
                }
            }
        }
        __global T *out = AT(gw, ((size_t)part * groups + g) * M * K);
#pragma unroll
        for (int i = 0; i < MB; i++)
#pragma unroll
            for (int j = 0; j < TB; j++)
                if (i0 + i >= r0 && k0 + j >= c0) out[(size_t)(i0 + i) * K + k0 + j] = clg_sum16(s[i][j]);
    }
}

/* gw[i] = sum_s part[s][i], i < n; 16 elements per work-item. */
KERNEL sum_parts(IN(part), OUT(gw), const long n, const int parts) {
    const long i = (long)get_global_id(0) * 16;
    if (i >= n) return;
    ACC16 sum = (ACC16)(0);
    for (int s = 0; s < parts; s++) sum += LOAD16(part, s * n + i);
    if (i + 16 <= n) {
        STORE16(gw, i, sum);
    } else {
        ACC t[16];
        vstore16(sum, 0, t);
        for (int j = 0; i + j < n; j++) STORE(gw, i + j, t[j]);
    }
}

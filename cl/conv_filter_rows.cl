/* Gradient of a convolution with respect to its filter, for class cpu, lanes along the pixels of a row, for few
 * channels and stride 1. Host side: src/ops/conv_filter_rows.c.
 *
 *   part[s][g M + o][c][t] = sum over the images n of part s and all pixels q: gy[n, g M + o][q] xp[n, g, c][q + t]
 *
 * xp are zero-padded planes; gy lies as it came. A work-item has OB output channels and one of x. The sums of one line
 * of the filter, OB KW vectors, are in registers while an image's pixels pass, and those of the other lines wait in
 * memory. sum_parts (conv_bwd.cl) adds the parts in order.
 * Options: OB, KH, KW. */
#include "clg.clh"

#ifndef OB
#define OB 3
#endif
#ifndef KH
#define KH 5
#endif
#ifndef KW
#define KW 5
#endif

/* s[o][kx] += gy[o plane + lane] x[kx + lane]; if part, of the first n lanes: the others may read anything. */
INLINE void add_pixels(ACC16 s[OB][KW], __global const T *gy, size_t plane, __global const T *x, bool part, int n) {
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ACC16 g[OB];
#pragma unroll
    for (int o = 0; o < OB; o++) {
        g[o] = CLG_LOAD16(gy + o * plane);
        if (part) g[o] = select((ACC16)(0), g[o], lane < (int16)(n));
    }
#pragma unroll
    for (int kx = 0; kx < KW; kx++) {
        const ACC16 all = CLG_LOAD16(x + kx), v = part ? select((ACC16)(0), all, lane < (int16)(n)) : all;
#pragma unroll
        for (int o = 0; o < OB; o++) s[o][kx] = fma(g[o], v, s[o][kx]);
    }
}

KERNEL filter_rows(IN(gy), IN(xp), OUT(part), const int groups, const int M, const int channels, const int N,
                   const int images, const int out_h, const int out_w, const int pitch, const int x_plane) {
    const int blocks = M / OB, first = get_global_id(0) * images, o0 = get_global_id(1) % blocks * OB;
    const int c = get_global_id(1) / blocks, g = get_global_id(2);
    const size_t plane = (size_t)out_h * out_w;
    ACC16 sums[KH][OB * KW];
    for (int i = 0; i < KH * OB * KW; i++) sums[i / (OB * KW)][i % (OB * KW)] = (ACC16)(0);

    for (int n = first; n < min(N, first + images); n++) {
        const size_t ng = (size_t)n * groups + g;
        __global const T *y = AT(gy, (ng * M + o0) * plane), *x = AT(xp, (ng * channels + c) * x_plane);
        for (int ky = 0; ky < KH; ky++) {
            ACC16 s[OB][KW];
#pragma unroll
            for (int i = 0; i < OB * KW; i++) s[i / KW][i % KW] = sums[ky][i];
            for (int h = 0; h < out_h; h++) {
                __global const T *row = y + h * out_w, *from = x + (h + ky) * pitch;
                int i = 0;
                for (; i + 16 <= out_w; i += 16) add_pixels(s, row + i, plane, from + i, false, 16);
                if (i < out_w) add_pixels(s, row + i, plane, from + i, true, out_w - i);
            }
#pragma unroll
            for (int i = 0; i < OB * KW; i++) sums[ky][i] = s[i / KW][i % KW];
        }
    }
    __global T *to = AT(part, ((get_global_id(0) * groups + g) * M + o0) * channels * KH * KW + c * KH * KW);
    for (int o = 0; o < OB; o++)
        for (int t = 0; t < KH * KW; t++)
            to[o * channels * KH * KW + t] = clg_sum16(sums[t / KW][o * KW + t % KW]);
}

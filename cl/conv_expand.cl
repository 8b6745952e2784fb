/* A convolution of one tap and the depthwise one behind it, for class cpu: y[n, c] = b[c] + w[c] * z[n, c], where z is
 * what FEED makes of bx + wx x[n], and is never in memory. Such pairs are in every inverted residual block (Sandler et
 * al. 2018), where z is six times as large as x; written to memory and read again, it takes longer than the products.
 *
 * A work-item makes MR channels of z, all rows that a strip of y needs, in a buffer of its own in a core's second
 * cache, and from that its strip. Strips share rows of z, which both make.
 * Options: as in conv_depthwise.clh and gemm_tile.clh; the sizes, so that addresses are constants; PITCH elements of the
 * buffer a channel; STRIP rows of y. */
#ifndef PADW
#define PADW  0
#define PADH  0
#define OVER  0
#define OVERH 0
#endif
#ifndef IN_H
#define IN_H  6
#define IN_W  10
#define OUT_H 4
#define OUT_W 8
#define STRIP 4
#endif
#define ROWS __private
#include "conv_depthwise.clh"
#include "gemm_tile.clh"

#ifdef CLG_FEED
#define FEED16(v, row, col) clg_feed16(v, row, col FEED_PASS)
#else
#define FEED_ARGS
#define FEED_PASS
#define FEED16(v, row, col) (v)
#endif
#ifndef PITCH
#define PITCH 512
#endif
#define BEFORE 16 /* elements before the first channel that may be read */

/* z[i][q] = what is made of channel i and pixel q, for q < n, of which pixel 0 is `first` of the plane. row: of channel
 * 0 in the output as a matrix. */
INLINE void expand(__global const T *px, __global const T *pw, const ACC *bias, ACC *z, const uint row, const int first,
                   const int n, const int terms FEED_ARGS) {
    for (int q = 0; q < n; q += NR) {
        ACC16 sum[MR][NV];
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++) sum[i][v] = (ACC16)(bias[i]);
        if (NV > 1 && q + 16 >= n) add_products(sum, pw, px + q, terms, terms, 1, IN_H * IN_W, 1, 0);
        else add_products(sum, pw, px + q, terms, terms, 1, IN_H * IN_W, NV, 0);
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
#if !defined CLG_FEED || CLG_FEED < 2
                CLG_KEEP16(z + i * PITCH + q + 16 * v, FEED16(sum[i][v], row + i, first + q + 16 * v));
#else
                CLG_KEEP16(z + i * PITCH + q + 16 * v, sum[i][v]);
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < NV; v++) {
                const ACC16 made = vload16(v, z + i * PITCH + q);
                CLG_KEEP16(z + i * PITCH + q + 16 * v, FEED16(made, row + i, first + q + 16 * v));
            }
#endif
    }
}

KERNEL expand_depthwise(IN(x), IN(wx), IN(bx), IN(w), IN(b), OUT(y), const int has_bx, const int has_bias,
                        const int channels, const int terms FEED_ARGS TAIL_ARGS) {
    const int own = get_global_id(0) * MR, c0 = min(own, channels - MR), row0 = get_global_id(1) * STRIP;
    const size_t n = get_global_id(2);
    const int last = min(row0 + STRIP, OUT_H), tiles = (last - row0 + RB - 1) / RB;
    const int top = max(0, row0 * S - PADH), bottom = min(IN_H, (row0 + tiles * RB - 1) * S - PADH + KH);
    ACC bias[MR];
    CLG_WORK(ACC, buf, BEFORE + MR * PITCH + 16);
#pragma unroll
    for (int i = 0; i < MR; i++) bias[i] = has_bx ? LOAD(bx, c0 + i) : 0;
    expand(AT(x, n * terms * (IN_H * IN_W) + (size_t)top * IN_W), AT(wx, (size_t)c0 * terms), bias, buf + BEFORE,
           (uint)(n * channels + c0), top * IN_W, (bottom - top) * IN_W, terms FEED_PASS);
    for (int i = own - c0; i < MR; i++) {
        const int c = c0 + i, of = (int)n * channels + c;
        const ACC add = has_bias ? LOAD(b, c) : 0;
        __global T *out = AT(y, (size_t)of * (OUT_H * OUT_W));
        ACC wv[TAPS];
#pragma unroll
        for (int t = 0; t < TAPS; t++) wv[t] = LOAD(w, (size_t)c * TAPS + t);
        for (int r = row0; r < last; r += RB)
            for (int j = (OUT_W - 1) / V * V; j >= 0; j -= V)
                direct_tile(buf + BEFORE + i * PITCH, top, wv, add, out, of, IN_H, IN_W, OUT_W, last * OUT_W, r, j,
                            false TAIL_PASS);
    }
}

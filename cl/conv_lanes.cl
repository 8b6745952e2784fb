/* Direct convolution for class cpu with lanes along output channels, forward: for planes so small that vectors along
 * them would reach far past their ends, and for filters with a stride. Host side: src/ops/conv_lanes.c.
 *
 *   pack         p[g, block][k][lane] = w[g, 16 V block + lane][k], 0 past the last channel
 *   conv_lanes   y[n, g M + i, q] = b[g M + i] + sum_k p[.., i][k] xp[n, g][taps[k] + q]
 *
 * k runs over (channel, tap). xp are zero-padded planes, as in conv_direct.cl. A register tile is 16 V channels x R
 * rows x W columns of pixels: at each k V vectors of p are multiplied by R W numbers of x, which the multiply-add
 * itself reads from memory and spreads where V is 1. At the end 16 pixels x 16 channels are transposed in registers.
 * The last tile of a row, and the last row of tiles, are moved back to end with the plane, and skip what their
 * neighbour stores. The sums are those of conv_direct.cl, in the same order.
 *
 * Method: the register tile of Georganas et al. (2018), "Anatomy of high-performance deep learning convolutions on SIMD
 * architectures"; but x and y stay NCHW. Options: V, R, W, PITCH (elements from row to row of xp). */
#include "clg.clh"

#ifndef V
#define V 1
#endif
#ifndef R
#define R 2
#endif
#ifndef W
#define W 8
#endif
#ifndef PITCH
#define PITCH 16
#endif

KERNEL pack(IN(w), OUT(p), const int M, const int K) {
    const int blocks = (M + 16 * V - 1) / (16 * V), block = get_global_id(0) % blocks, g = get_global_id(0) / blocks;
    const int first = block * 16 * V;
    __global const T *from = AT(w, ((size_t)g * M + first) * K);
    __global T *to = AT(p, (size_t)get_global_id(0) * K * 16 * V);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < 16 * V; i++) to[(size_t)k * 16 * V + i] = first + i < M ? from[(size_t)i * K + k] : 0;
}

/* Stores columns skip .. W - 1 of n channels, of which the first is row `row` of y: t[i] are those of channel i, at
 * element `at` of its plane. */
INLINE void store_channels(ACC16 t[16], __global T *y, uint row, int n, size_t plane, size_t at, int skip TAIL_ARGS) {
    for (int i = 0; i < n; i++) {
        const ACC16 made = TAIL16(t[i], row + i, at);
        __global T *to = y + i * plane + at;
        if (skip == 0) {
            clg_store_part(to, made, W);
        } else {
            ACC lanes[16];
            vstore16(made, 0, lanes);
            for (int c = skip; c < W; c++) to[c] = lanes[c];
        }
    }
}

KERNEL conv_lanes(IN(xp), IN(p), IN(b), IN_T(int, taps), OUT(y), const int has_bias, const int groups, const int M,
                  const int K, const long x_group, const int y_h, const int y_w, const int steps TAIL_ARGS) {
    const int blocks = (M + 16 * V - 1) / (16 * V), tiles = (y_h + R - 1) / R, columns = (y_w + W - 1) / W;
    const int block = get_global_id(1), first = get_global_id(0) * steps, o = block * 16 * V;
    const size_t ng = get_global_id(2), g = ng % groups, plane = (size_t)y_h * y_w;
    __global const T *x = AT(xp, ng * x_group), *u = AT(p, (g * blocks + block) * (size_t)K * 16 * V);
    __global const int *tap = AT(taps, 0);
    ACC16 bias[V];
    for (int v = 0; v < V; v++) {
        ACC s[16];
        for (int i = 0; i < 16; i++) s[i] = has_bias && o + 16 * v + i < M ? LOAD(b, g * M + o + 16 * v + i) : 0;
        bias[v] = vload16(0, s);
    }
    for (int tile = first * columns; tile < min(first + steps, tiles) * columns; tile++) {
        const int row = tile / columns, r = row * R, c = tile % columns * W, r0 = min(r, y_h - R), c0 = min(c, y_w - W);
        ACC16 sum[R * W][V];
#pragma unroll
        for (int i = 0; i < R * W; i++)
#pragma unroll
            for (int v = 0; v < V; v++) sum[i][v] = bias[v];
        __global const T *at = x + r0 * PITCH + c0, *uk = u, *next = u + (K + (long)row * K / tiles) * 16 * V;
        for (int k = 0, count = 0; k < K; k++, uk += 16 * V) {
            __global const T *xk = at + tap[k];
            ACC16 uv[V];
#pragma unroll
            for (int v = 0; v < V; v++) uv[v] = CLG_LOAD16(uk + 16 * v);
            if (++count == tiles) { /* the rows of tiles share the filters of the next block */
                clg_fetch_far(next, 16 * V);
                next += 16 * V;
                count = 0;
            }
#pragma unroll
            for (int i = 0; i < R * W; i++) {
                const ACC16 xv = (ACC16)(xk[i / W * PITCH + i % W]);
#pragma unroll
                for (int v = 0; v < V; v++) sum[i][v] = fma(xv, uv[v], sum[i][v]);
            }
        }
#pragma unroll
        for (int j = 0; j < R; j++)
#pragma unroll
            for (int v = 0; v < V; v++) {
                ACC16 t[16];
#pragma unroll
                for (int i = 0; i < 16; i++) t[i] = i < W ? sum[j * W + min(i, W - 1)][v] : (ACC16)(0);
                clg_transpose16(t);
                if (r0 + j >= r && o + 16 * v < M)
                    store_channels(t, AT(y, (ng * M + o + 16 * v) * plane), (uint)(ng * M + o + 16 * v),
                                   min(16, M - o - 16 * v), plane, (size_t)(r0 + j) * y_w + c0, c - c0 TAIL_PASS);
            }
    }
}

/* Winograd convolution for class gpu, forward and backward-data. Method: as in Yan, Wang & Chu, "Optimizing Batched
 * Winograd Convolution on GPUs", PPoPP 2020: a work-group owns TB tiles of y and RB output channels at all XI points.
 * For BK channels of x at a time it transforms its tiles into local memory and copies the filters there, which
 * filters() has transformed. The points are shared out among the work-items: each multiplies at one point, for RN tiles
 * and RM channels, so it reads RN + RM words of local memory for RN RM multiply-adds: a quarter of a word with 8 x 8,
 * in vectors of four. At the end the products go through local memory once more, XR channels of every item at a time,
 * since the transform back needs all points of a tile. Transformed x is never stored.
 *
 * Tiles are numbered through all images, t = (n TY + ty) TX + tx. src/ops/conv_wino_gpu.c chooses the blocks and says
 * why. */
#include "conv_wino.clh"

#ifndef LT /* work-items along the tiles, along the channels */
#define LT 2
#endif
#ifndef LR
#define LR 2
#endif
#ifndef RN /* tiles of a work-item, channels; multiples of 4 */
#define RN 8
#endif
#ifndef RM
#define RM 8
#endif
#define BK    4
#include "block.clh"
#define TB    (LT * RN)
#define RB    (LR * RM)
#define ITEMS (XI * LT * LR)
#define SIDE  ((BK * TB + ITEMS - 1) / ITEMS) /* tiles of x, of one channel each, that an item transforms at a time */

#define INPUT (BK * XI * (TB + RB)) /* words of local memory */
#if 4 * TB * LR <= BK * (TB + RB)
#define XR 4
#elif 2 * TB * LR <= BK * (TB + RB)
#define XR 2
#else
#define XR 1
#endif
#define OUTPUT (XI * TB * LR * XR)
#define AREA   (INPUT > OUTPUT ? INPUT : OUTPUT)

/** U = G w G^T as tiles() copies it: [group][panel of RB channels][k, up to a multiple of BK][point][channel]; zeros
 *  past O and K. */
KERNEL filters(IN(w), OUT(u), const int K, const int O, const int panels, const int KP, const long w_group,
               const int w_row, const int w_k, const int turn) {
    const int row = get_global_id(0), k = get_global_id(1);
    const size_t g = get_global_id(2), at = g * w_group + (size_t)row * w_row + (size_t)k * w_k;
    const bool in = k < K && row < O;
    const size_t to = ((g * panels + row / RB) * KP + k) * (XI * RB) + row % RB;
    if (row >= panels * RB) return;
    ACC t[P][3], f[3], q[P];
#pragma unroll
    for (int j = 0; j < 3; j++) {
#pragma unroll
        for (int r = 0; r < 3; r++) f[r] = in ? LOAD(w, at + (turn ? 8 - r * 3 - j : r * 3 + j)) : (ACC)0;
        WINO_FILTER(ACC, q, f)
#pragma unroll
        for (int r = 0; r < P; r++) t[r][j] = q[r];
    }
#pragma unroll
    for (int r = 0; r < P; r++) {
        WINO_FILTER(ACC, q, t[r])
#pragma unroll
        for (int j = 0; j < P; j++) STORE(u, to + (r * P + j) * RB, q[j]);
    }
}

/* Where a tile of x lies: its first pixel, of channel 0; which of its lines and columns are in the image. */
typedef struct tile_at {
    long at;
    uint lines, columns;
} tile_at;

INLINE tile_at find_tile(const int tile, const int count, const long image, const int h, const int width,
                         const int pad_h, const int pad_w, const int TY, const int TX) {
    const int line = tile / TX % TY * M - pad_h, column = tile % TX * M - pad_w;
    tile_at t = { (long)(tile / TX / TY) * image + (long)line * width + column, 0, 0 };
#pragma unroll
    for (int r = 0; r < P; r++) {
        t.lines |= (line + r >= 0 && line + r < h ? 1u : 0u) << r;
        t.columns |= (column + r >= 0 && column + r < width ? 1u : 0u) << r;
    }
    if (tile >= count) t.lines = 0;
    return t;
}

/** V = B^T d B of one tile, to `to` with TB words from point to point. */
INLINE void transform(__local ACC *to, __global const T *x, const tile_at at, const int width, const bool in) {
    ACC t[P][P], d[P], q[P];
#pragma unroll
    for (int j = 0; j < P; j++) {
#pragma unroll
        for (int r = 0; r < P; r++)
            d[r] = in && at.lines >> r & at.columns >> j & 1 ? x[at.at + r * width + j] : (ACC)0;
        WINO_DATA(ACC, q, d)
#pragma unroll
        for (int r = 0; r < P; r++) t[r][j] = q[r];
    }
#pragma unroll
    for (int r = 0; r < P; r++) {
        WINO_DATA(ACC, q, t[r])
#pragma unroll
        for (int j = 0; j < P; j++) to[(r * P + j) * TB] = q[j];
    }
}

/** y of one tile and channel, from products that lie TB LR XR words apart. */
INLINE void transform_back(ACC result[M][M], __local const ACC *from) {
    ACC t[M][P], c[P], q[M];
#pragma unroll
    for (int j = 0; j < P; j++) {
#pragma unroll
        for (int r = 0; r < P; r++) c[r] = from[(r * P + j) * (TB * LR * XR)];
        WINO_RESULT(ACC, q, c)
#pragma unroll
        for (int r = 0; r < M; r++) t[r][j] = q[r];
    }
#pragma unroll
    for (int r = 0; r < M; r++) WINO_RESULT(ACC, result[r], t[r])
}

BLOCK_KERNEL tiles(IN(x), IN(u), IN(b), OUT(y), const int has_bias, const int K, const int O, const int h,
                    const int width, const int y_h, const int y_w, const int pad_h, const int pad_w, const int TY,
                    const int TX, const int count TAIL_ARGS) {
    __local ACC4 area[AREA / 4];
    __local ACC *const words = (__local ACC *)area;
    const int item = get_local_id(0), point = item / (LT * LR), lt = item % LT, lr = item / LT % LR;
    const int t0 = get_group_id(0) * TB, panel = get_group_id(1), panels = get_num_groups(1);
    const size_t g = get_global_id(2), groups = get_global_size(2);
    const int KP = (K + BK - 1) / BK * BK;
    __global const T *const px = AT(x, g * K * h * width);
    __global const ACC *pu = AT(u, (g * panels + panel) * KP * (XI * RB));
    tile_at at[SIDE];
    ACC4 sum[RM][RN / 4];
#pragma unroll
    for (int i = 0; i < SIDE; i++)
        at[i] = find_tile(t0 + (item + i * ITEMS) % TB, count, (long)groups * K * h * width, h, width, pad_h, pad_w, TY,
                          TX);
    BLOCK_CLEAR(sum);
    for (int k0 = 0; k0 < K; k0 += BK, pu += BK * XI * RB) {
#pragma unroll
        for (int i = 0; i < SIDE; i++) {
            const int e = item + i * ITEMS, k = e / TB;
            if (k < BK)
                transform(words + k * (XI * TB) + e % TB, px + (long)(k0 + k) * h * width, at[i], width, k0 + k < K);
        }
        for (int e = item; e < BK * XI * RB / 4; e += ITEMS) area[BK * XI * TB / 4 + e] = vload4(e, pu);
        barrier(CLK_LOCAL_MEM_FENCE);
        block_multiply(sum, area + BK * XI * TB / 4 + point * (RB / 4) + lr, XI * RB / 4, LR,
                       area + point * (TB / 4) + lt, XI * TB / 4, LT);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int turn = 0; turn < RM / XR; turn++) {
#pragma unroll
        for (int r = 0; r < RM; r++)
#pragma unroll
            for (int s = 0; s < RN / 4; s++) /* registers have no index: so all are asked */
                if (r / XR == turn)
                    area[((point * LR + lr) * XR + r % XR) * (TB / 4) + lt + LT * s] = sum[r][s];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = item; e < TB * LR * XR; e += ITEMS) {
            const int tile = t0 + e % TB, x0 = tile % TX * M, y0 = tile / TX % TY * M;
            const int r = turn * XR + e / TB % XR, row = panel * RB + r / 4 * (4 * LR) + e / TB / XR * 4 + r % 4;
            if (tile >= count || row >= O) continue;
            const ACC bias = has_bias ? LOAD(b, g * O + row) : (ACC)0;
            const size_t plane = ((size_t)(tile / TX / TY) * groups + g) * O + row;
            ACC result[M][M];
            transform_back(result, words + e);
#pragma unroll
            for (int i = 0; i < M; i++)
#pragma unroll
                for (int j = 0; j < M; j++) {
                    const int pixel = (y0 + i) * y_w + x0 + j;
                    if (y0 + i < y_h && x0 + j < y_w)
                        STORE(y, plane * y_h * y_w + pixel, TAIL(bias + result[i][j], (uint)plane, pixel));
                }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

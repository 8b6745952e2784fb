/* Depthwise convolution (one filter a channel) for class gpu: forward, backward-data, backward-weights. Bound by
 * memory: a work-group reads the part of the input that its outputs need once, with the halo and zeros for the padding,
 * into local memory, and computes from there without edges.
 *
 * The outputs of a plane lie in cells of EH x EW, which read the same taps: 1 x 1, and in backward-data one element of
 * each phase of the stride. A work-group owns ROWS * R x COLS cells of each of PLANES planes, a work-item R cells down
 * a column: a column of the tile, once in registers, serves all of them and all rows of taps, while neighbouring items
 * read neighbouring elements, from different banks, and store neighbouring ones. All loops over registers are unrolled.
 *
 *   MODE 0  y[q] = sum_t w[t] x[q S + t D - pad]
 *   MODE 1  gx[S a + e] = sum of w[t] gy[a + (e + pad - t D) / S] over the taps t for which that is whole
 *   MODE 2  gw[t] = sum_q gy[q] x[q S + t D - pad]
 *
 * Options: KH x KW taps, strides SH, SW, dilations DH, DW, PH and PW: padding mod stride (MODE 1); PITCH: elements from
 * row to row of the tile. */
#include "clg.clh"

#ifndef MODE
#define MODE 0
#endif
#ifndef KH
#define KH 3
#define KW 3
#endif
#ifndef SH
#define SH 1
#define SW 1
#endif
#ifndef DH
#define DH 1
#define DW 1
#endif
#ifndef PH
#define PH 0
#define PW 0
#endif
#ifndef COLS
#define COLS 1
#define ROWS 1
#define PLANES 1
#endif
#ifndef R
#define R 1
#endif

/* OFF: where tap k of output e of a cell lies behind the first element that the cell reads; IS: whether it is one. */
#if MODE == 1
#define LOW(K, S, D, P)          (-(((K) - 1) * (D) - (P) + (S) - 1) / (S))
#define IS(e, k, S, D, P)        (((e) + (P) - (k) * (D)) % (S) == 0)
#define OFF(e, k, K, S, D, P)    (((e) + (P) - (k) * (D)) / (S) - LOW(K, S, D, P))
#define CELL_SPAN(K, S, D, P)    (((S) - 1 + (P)) / (S) - LOW(K, S, D, P) + 1)
#define EH SH
#define EW SW
#define UH 1 /* elements from cell to cell */
#define UW 1
#else
#define IS(e, k, S, D, P)        1
#define OFF(e, k, K, S, D, P)    ((k) * (D))
#define CELL_SPAN(K, S, D, P)    (((K) - 1) * (D) + 1)
#define EH 1
#define EW 1
#define UH SH
#define UW SW
#endif
#define IS_H(e, k)  IS(e, k, SH, DH, PH)
#define IS_W(e, k)  IS(e, k, SW, DW, PW)
#define OFF_H(e, k) OFF(e, k, KH, SH, DH, PH)
#define OFF_W(e, k) OFF(e, k, KW, SW, DW, PW)

#define TAPS   (KH * KW)
#define SPAN   ((R - 1) * UH + CELL_SPAN(KH, SH, DH, PH)) /* rows that a work-item reads */
#define TILE_H ((ROWS * R - 1) * UH + CELL_SPAN(KH, SH, DH, PH))
#define TILE_W ((COLS - 1) * UW + CELL_SPAN(KW, SW, DW, PW))
#ifndef PITCH
#define PITCH TILE_W
#endif
#define TILE   (PLANES * TILE_H * PITCH)

/* Planes first, first + step, ... of x, of which there are `count`, from element (row0, col0) on. */
static inline void stage(__global const T *x, const int first, const int step, const int count, const int in_h,
                         const int in_w, const int row0, const int col0, __local ACC *tile) {
    for (int e = get_local_id(0); e < PLANES * TILE_H * TILE_W; e += WGX) {
        const int line = e / TILE_W, i = e - line * TILE_W, plane = line / TILE_H;
        const int h = row0 + line - plane * TILE_H, c = col0 + i;
        const bool inside = plane < count && h >= 0 && h < in_h && c >= 0 && c < in_w;
        tile[line * PITCH + i] = inside ? x[((size_t)(first + plane * step) * in_h + h) * in_w + c] : 0;
    }
}

/* Work-item: its column of cells, which of R rows of them, and which plane. */
#define PLACE                                                                     \
    const int me = get_local_id(0), my_col = me % COLS, my_row = me / COLS % ROWS; \
    const int my_plane = me / (COLS * ROWS);                                       \
    __local const ACC *from = tile + (my_plane * TILE_H + my_row * R * UH) * PITCH + my_col * UW

#if MODE != 2

KERNEL outputs(IN(x), IN(w), IN(b), OUT(y), const int has_bias, const int channels, const int planes, const int in_h,
               const int in_w, const int out_h, const int out_w, const int pad_h, const int pad_w, const int tiles_h,
               const int tiles_w TAIL_ARGS) {
    __local ACC tile[TILE], wv[PLANES * TAPS];
    PLACE;
    const int group = get_group_id(0), above = group / tiles_w, run = above / tiles_h, first = run * PLANES;
    const int a0 = (above - run * tiles_h) * ROWS * R, b0 = (group - above * tiles_w) * COLS;
    for (int e = me; e < PLANES * TAPS; e += WGX) wv[e] = LOAD(w, (first + e / TAPS) % channels * TAPS + e % TAPS);
    stage(AT(x, 0), first, 1, planes - first, in_h, in_w, a0 * UH - pad_h, b0 * UW - pad_w, tile);
    barrier(CLK_LOCAL_MEM_FENCE);

    const int plane = first + my_plane;
    if (plane >= planes) return;
    const ACC bias = has_bias ? LOAD(b, plane % channels) : 0;
    ACC s[R][EH][EW];
#pragma unroll
    for (int j = 0; j < R; j++)
#pragma unroll
        for (int e = 0; e < EH * EW; e++) s[j][e / EW][e % EW] = bias;
#pragma unroll
    for (int kx = 0; kx < KW; kx++)
#pragma unroll
        for (int ex = 0; ex < EW; ex++) {
            if (!IS_W(ex, kx)) continue;
            ACC v[SPAN];
#pragma unroll
            for (int h = 0; h < SPAN; h++) v[h] = from[h * PITCH + OFF_W(ex, kx)];
#pragma unroll
            for (int ky = 0; ky < KH; ky++)
#pragma unroll
                for (int ey = 0; ey < EH; ey++) {
                    if (!IS_H(ey, ky)) continue;
                    const ACC tap = wv[my_plane * TAPS + ky * KW + kx];
#pragma unroll
                    for (int j = 0; j < R; j++) s[j][ey][ex] += tap * v[j * UH + OFF_H(ey, ky)];
                }
        }
#pragma unroll
    for (int j = 0; j < R; j++)
#pragma unroll
        for (int e = 0; e < EH * EW; e++) {
            const int h = (a0 + my_row * R + j) * EH + e / EW, c = (b0 + my_col) * EW + e % EW;
            if (h >= out_h || c >= out_w) continue;
            const int at = h * out_w + c;
            STORE(y, (size_t)plane * out_h * out_w + at, TAIL(s[j][e / EW][e % EW], (uint)plane, at));
        }
}

#else

#ifndef CHUNK
#define CHUNK TAPS /* that are summed over the group at a time */
#endif
#define AREA  (TILE > CHUNK * WGX ? TILE : CHUNK * WGX)

/* gw[part][c][t] over the units of a part, which are tiles of PLANES images; then over the group, as a tree. */
KERNEL filters(IN(gy), IN(x), OUT(gw), const int channels, const int images, const int units, const int parts,
               const int in_h, const int in_w, const int out_h, const int out_w, const int pad_h, const int pad_w,
               const int tiles_h, const int tiles_w) {
    __local ACC tile[AREA];
    PLACE;
    const int group = get_group_id(0), part = group / channels, c = group - part * channels;
    ACC s[TAPS];
#pragma unroll
    for (int t = 0; t < TAPS; t++) s[t] = 0;

    for (int u = (long)units * part / parts; u < (long)units * (part + 1) / parts; u++) {
        const int above = u / tiles_w, run = above / tiles_h, first = run * PLANES, image = first + my_plane;
        const int a0 = (above - run * tiles_h) * ROWS * R, b0 = (u - above * tiles_w) * COLS;
        const int h0 = a0 + my_row * R, col = b0 + my_col;
        barrier(CLK_LOCAL_MEM_FENCE);
        stage(AT(x, 0), first * channels + c, channels, images - first, in_h, in_w, a0 * UH - pad_h, b0 * UW - pad_w,
              tile);
        barrier(CLK_LOCAL_MEM_FENCE);
        ACC g[R];
#pragma unroll
        for (int j = 0; j < R; j++)
            g[j] = image < images && h0 + j < out_h && col < out_w
                ? LOAD(gy, (((size_t)image * channels + c) * out_h + h0 + j) * out_w + col) : 0;
#pragma unroll
        for (int kx = 0; kx < KW; kx++) {
            ACC v[SPAN];
#pragma unroll
            for (int h = 0; h < SPAN; h++) v[h] = from[h * PITCH + OFF_W(0, kx)];
#pragma unroll
            for (int ky = 0; ky < KH; ky++)
#pragma unroll
                for (int j = 0; j < R; j++) s[ky * KW + kx] += g[j] * v[j * UH + OFF_H(0, ky)];
        }
    }
#pragma unroll
    for (int t0 = 0; t0 < TAPS; t0 += CHUNK) {
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int q = 0; q < CHUNK; q++)
            if (t0 + q < TAPS) tile[q * WGX + me] = s[t0 + q];
        for (int n = WGX; n > 1; n = (n + 1) / 2) {
            const int lower = (n + 1) / 2;
            barrier(CLK_LOCAL_MEM_FENCE);
            if (me + lower < n)
                for (int q = 0; q < min(CHUNK, TAPS - t0); q++) tile[q * WGX + me] += tile[q * WGX + me + lower];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int q = me; q < min(CHUNK, TAPS - t0); q += WGX)
            STORE(gw, ((size_t)part * channels + c) * TAPS + t0 + q, tile[q * WGX]);
    }
}

#endif

/* Winograd convolution for class gpu, forward and backward-data, in one launch: a work-group of TS x TS owns TS tiles
 * and 2 TS output rows. For BK channels at a time it transforms tiles of x and taps of w into local memory, from where
 * every item adds the products of its tile and its two rows at all points; as one item holds all points of an output
 * tile, the transform back needs no exchange. Neither transformed x nor transformed w is ever stored: 9 taps are read
 * in place of P^2 values. Tiles are numbered through all images, t = (n TY + ty) TX + tx. */
#include "conv_wino.clh"

#ifndef TS
#define TS 16
#endif
#define BK   4
#define ROWS (2 * TS)

KERNEL tiles(IN(x), IN(w), IN(b), OUT(y), const int has_bias, const int K, const int O, const int h, const int width,
             const int y_h, const int y_w, const int pad_h, const int pad_w, const int TY, const int TX,
             const int count, const long w_group, const int w_row, const int w_k, const int turn TAIL_ARGS) {
    __local ACC vs[BK][XI][TS], us[BK][XI][ROWS];
    const int lx = get_local_id(0), ly = get_local_id(1), item = ly * TS + lx;
    const int t0 = get_group_id(0) * TS, row0 = get_group_id(1) * ROWS;
    const size_t g = get_global_id(2), groups = get_global_size(2);
    ACC sum[2][XI];
#pragma unroll
    for (int i = 0; i < XI; i++) sum[0][i] = sum[1][i] = 0;
    for (int k0 = 0; k0 < K; k0 += BK) {
        for (int e = item; e < BK * TS; e += TS * TS) { /* neighbours take neighbouring tiles */
            const int k = k0 + e / TS, tile = t0 + e % TS;
            const int col = tile % TX * M - pad_w, line = tile / TX % TY * M - pad_h;
            const bool in = k < K && tile < count;
            const size_t plane = ((size_t)(tile / TX / TY) * groups + g) * K + k;
            ACC t[P][P], d[P], q[P];
#pragma unroll
            for (int j = 0; j < P; j++) {
#pragma unroll
                for (int r = 0; r < P; r++) {
                    const int i = line + r, c = col + j;
                    d[r] = in && i >= 0 && i < h && c >= 0 && c < width ? LOAD(x, (plane * h + i) * width + c) : (ACC)0;
                }
                WINO_DATA(ACC, q, d)
#pragma unroll
                for (int r = 0; r < P; r++) t[r][j] = q[r];
            }
#pragma unroll
            for (int r = 0; r < P; r++) {
                WINO_DATA(ACC, q, t[r])
#pragma unroll
                for (int j = 0; j < P; j++) vs[e / TS][r * P + j][e % TS] = q[j];
            }
        }
        for (int e = item; e < BK * ROWS; e += TS * TS) {
            const int k = k0 + e / ROWS, row = row0 + e % ROWS;
            const bool in = k < K && row < O;
            const size_t at = g * w_group + (size_t)row * w_row + (size_t)k * w_k;
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
                for (int j = 0; j < P; j++) us[e / ROWS][r * P + j][e % ROWS] = q[j];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < BK; k++)
#pragma unroll
            for (int i = 0; i < XI; i++) {
                const ACC v = vs[k][i][lx];
                sum[0][i] = fma(us[k][i][ly], v, sum[0][i]);
                sum[1][i] = fma(us[k][i][ly + TS], v, sum[1][i]);
            }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const int tile = t0 + lx, x0 = tile % TX * M, y0 = tile / TX % TY * M;
#pragma unroll
    for (int part = 0; part < 2; part++) {
        const int row = row0 + ly + part * TS;
        if (tile >= count || row >= O) continue;
        const ACC bias = has_bias ? LOAD(b, g * O + row) : (ACC)0;
        const size_t plane = ((size_t)(tile / TX / TY) * groups + g) * O + row;
        ACC t[M][P], c[P], q[M];
#pragma unroll
        for (int j = 0; j < P; j++) {
#pragma unroll
            for (int r = 0; r < P; r++) c[r] = sum[part][r * P + j];
            WINO_RESULT(ACC, q, c)
#pragma unroll
            for (int r = 0; r < M; r++) t[r][j] = q[r];
        }
#pragma unroll
        for (int r = 0; r < M; r++) {
            WINO_RESULT(ACC, q, t[r])
#pragma unroll
            for (int j = 0; j < M; j++) {
                const int pixel = (y0 + r) * y_w + x0 + j;
                if (y0 + r < y_h && x0 + j < y_w)
                    STORE(y, plane * y_h * y_w + pixel, TAIL(bias + q[j], (uint)plane, pixel));
            }
        }
    }
}

/* Gradient of a convolution with respect to its filter, for class cpu, lanes along output channels:
 *
 *   part[s][g][ob][k][lane] = sum over pixels p of part s of: gy[n, g M + o][q] xp[n, g][offsets[k] + at(q)]
 *
 * where o = ob LANES + lane, p = n Q + q runs over the pixels of all images and k over (channel, tap). It is a plain
 * matrix product: no sums across lanes, xp is read by single elements, so at any stride and without an edge. The pixels
 * are taken in chunks that fit the first cache: the chunk of gy is turned to pixel-major order once, and all rows of
 * the item add to their sums, which wait in memory between chunks. filter_finish adds the parts in order and turns the
 * result into [o][k].
 *
 * The register tile is that of GotoBLAS (Goto & van de Geijn 2008). Last rows are repeated and dropped at the end. */
#include "clg.clh"

#ifndef BASES /* rows of a register tile: BASES offsets, TW neighbouring taps each */
#define BASES 6
#endif
#ifndef TW
#define TW 1
#endif
#ifndef NV /* vectors of 16 output channels */
#define NV 4
#endif
#define ROWS  (BASES * TW)
#define LANES (16 * NV)
#define CHUNK (448 / NV) /* pixels: 28 KiB of floats */

/* t[j][lane] = gy[(o0 + lane) Q + j] for j < n and up to 15 more; rows past the last channel repeat it. */
static inline void turn_channels(__global const T *gy, int o0, int M, int Q, int n, ACC16 *t) {
    for (int v = 0; v < NV; v++)
        for (int j = 0; j < n; j += 16) {
            ACC16 a[16];
#pragma unroll
            for (int i = 0; i < 16; i++) a[i] = vload16(0, gy + (size_t)min(o0 + 16 * v + i, M - 1) * Q + j);
            clg_transpose16(a);
#pragma unroll
            for (int i = 0; i < 16; i++) t[(j + i) * NV + v] = a[i];
        }
}

typedef struct plane { int d, h, w, step_d, step_h, step_w, slice, pitch; } plane;

/* at[j] = first + where pixel q + j of the output plane finds tap 0 in xp. */
static inline void locate(const plane y, int q, int n, int first, int *at) {
    int x = q % y.w, row = q / y.w % y.h, d = q / y.w / y.h;
    for (int j = 0; j < n; j++) {
        at[j] = first + d * y.step_d * y.slice + row * y.step_h * y.pitch + x * y.step_w;
        if (++x < y.w) continue;
        x = 0;
        if (++row < y.h) continue;
        row = 0;
        d++;
    }
}

KERNEL filter_channels(IN(gy), IN(xp), IN_T(int, offsets), OUT(part), const int groups, const int M, const int blocks,
                       const int blocks_per_item, const int pixels, const int parts, const long x_group,
                       const int across, const int out_d, const int out_h, const int out_w, const int step_d,
                       const int step_h, const int step_w, const int slice, const int pitch) {
    const plane y = { out_d, out_h, out_w, step_d, step_h, step_w, slice, pitch };
    const int Q = out_d * out_h * out_w, o0 = get_global_id(1) * LANES;
    const int b0 = get_global_id(0) * blocks_per_item, b1 = min(blocks, b0 + blocks_per_item);
    const int z = get_global_id(2), g = z % groups, s = z / groups;
    const int end = (long)pixels * (s + 1) / parts;
    __global ACC *sums = AT(part, ((size_t)z * get_global_size(1) + get_global_id(1)) * blocks * ROWS * LANES);
    ACC16 t[(CHUNK + 16) * NV];
    int at[CHUNK];
    bool first = true;

    for (int p = (long)pixels * s / parts; p < end;) {
        const int image = p / Q;
        int n = 0;
        do { /* across: a chunk may go on with the next image */
            const int now = (p + n) / Q, q = (p + n) % Q, count = min(min(CHUNK - n, end - p - n), Q - q);
            turn_channels(AT(gy, ((size_t)now * groups + g) * M * Q + q), o0, M, Q, count, t + n * NV);
            locate(y, q, count, (int)((now - image) * groups * x_group), at + n);
            n += count;
        } while (across && n < CHUNK && p + n < end);
        p += n;
        __global const T *x0 = AT(xp, ((size_t)image * groups + g) * x_group);
        for (int b = b0; b < b1; b++) {
            __global ACC *mine = sums + (size_t)b * ROWS * LANES;
            __global const T *x[BASES];
            ACC16 sum[ROWS][NV];
#pragma unroll
            for (int r = 0; r < BASES; r++) x[r] = x0 + LOAD(offsets, b * BASES + r);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int v = 0; v < NV; v++) sum[r][v] = first ? (ACC16)(0) : vload16(r * NV + v, mine);
            for (int j = 0; j < n; j++) {
                const int i = at[j];
                ACC16 gv[NV];
#pragma unroll
                for (int v = 0; v < NV; v++) gv[v] = t[j * NV + v];
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    const ACC16 xv = (ACC16)(x[r / TW][i + r % TW]);
#pragma unroll
                    for (int v = 0; v < NV; v++) sum[r][v] = fma(xv, gv[v], sum[r][v]);
                }
            }
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int v = 0; v < NV; v++) vstore16(sum[r][v], r * NV + v, mine);
        }
        first = false;
    }
}

/* gw[g M + o][k] = sum over s of part[s][g][o / LANES][k][o % LANES]; 16 k x 16 o a work-item. */
KERNEL filter_finish(IN(part), OUT(gw), const int groups, const int M, const int K, const int rows, const int parts) {
    const int k0 = get_global_id(0) * 16, o0 = get_global_id(1) * 16, g = get_global_id(2);
    const int n_o = (M + LANES - 1) / LANES;
    const size_t step = (size_t)groups * n_o * rows * LANES;
    __global const T *p = AT(part, (((size_t)g * n_o + o0 / LANES) * rows + k0) * LANES + o0 % LANES);
    ACC16 a[16];
#pragma unroll
    for (int i = 0; i < 16; i++) a[i] = (ACC16)(0);
    for (int s = 0; s < parts; s++)
#pragma unroll
        for (int i = 0; i < 16; i++) a[i] += vload16(0, p + s * step + min(i, K - 1 - k0) * LANES);
    clg_transpose16(a);
#pragma unroll
    for (int i = 0; i < 16; i++)
        if (o0 + i < M) clg_store_part(AT(gw, ((size_t)g * M + o0 + i) * K + k0), a[i], K - k0);
}

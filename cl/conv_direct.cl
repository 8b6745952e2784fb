/* Direct convolution for class cpu, forward and backward-data: a matrix product whose right operand is read in place.
 *
 *   y[n, g M + i, pixel q] = b[g M + i] + sum_k w[g][w_off[k] + i w_row] * xp[n, g][x_off[k] + q]
 *
 * k runs over (channel, tap). xp are zero-padded planes; q runs along the flattened plane, so that the k loop has no
 * edges: lanes between the end of a row and its pitch are computed and dropped when storing. A phase is a subset of
 * the output pixels, every (sz, sy, sx)-th from (oz, oy, ox), with a range of k of its own: forward has one;
 * backward-data of a strided convolution has one for each remainder.
 *
 * A work-item of a work-group of one owns MR rows x `tiles` tiles of NV float16. The last block of rows is moved back
 * to end at M and skips the rows of its neighbour. Source: the register tile is that of GotoBLAS (Goto & van de Geijn
 * 2008); the offset table that of the indirect convolution (Dukhan 2019, arXiv:1907.02129). */
#include "clg.clh"

#ifndef MR /* rows (output channels) of a register tile */
#define MR 4
#endif
#ifndef NV /* vectors of 16 pixels of a register tile */
#define NV 4
#endif
#define NR (16 * NV)

enum { PHASE_K0, PHASE_K1, PHASE_OZ, PHASE_OY, PHASE_OX, PHASE_NZ, PHASE_NY, PHASE_NX, PHASE_SIZE };

/* y[i step] = t[i] for i < n, exactly: whole vectors, and one that overlaps its neighbour for the rest. */
inline void store_lanes(__global T *y, const ACC *t, int n, int step) {
    if (step != 1) {
        for (int i = 0; i < n; i++) y[(size_t)i * step] = t[i];
    } else if (n >= 16) {
        for (int i = 0; i + 16 <= n; i += 16) vstore16(vload16(0, t + i), 0, y + i);
        vstore16(vload16(0, t + n - 16), 0, y + n - 16);
    } else if (n >= 8) {
        vstore8(vload8(0, t), 0, y);
        vstore8(vload8(0, t + n - 8), 0, y + n - 8);
    } else if (n >= 4) {
        vstore4(vload4(0, t), 0, y);
        vstore4(vload4(0, t + n - 4), 0, y + n - 4);
    } else {
        for (int i = 0; i < n; i++) y[i] = t[i];
    }
}

KERNEL conv_tile(IN(xp), IN(w), IN(b), IN_T(int, taps), IN_T(int, phases), OUT(y), const int has_bias,
                 const int groups, const int M, const int n_phases, const int depth, const long x_group,
                 const int x_slice, const int pitch, const long w_group, const int w_row, const int y_d, const int y_h,
                 const int y_w, const int step_d, const int step_h, const int step_w, const int tiles TAIL_ARGS) {
    const int r0 = get_global_id(0) * MR, i0 = min(r0, M - MR);
    const size_t z = get_global_id(2);
    const int d = z % depth, f = z / depth % n_phases;
    const size_t ng = z / depth / n_phases;
    const int g = ng % groups;
    int ph[PHASE_SIZE];
    for (int i = 0; i < PHASE_SIZE; i++) ph[i] = LOAD(phases, f * PHASE_SIZE + i);
    if (d >= ph[PHASE_NZ]) return;
    const int nx = ph[PHASE_NX], ny = ph[PHASE_NY], lanes = (ny - 1) * pitch + nx;
    const size_t plane = (size_t)y_d * y_h * y_w;
    __global const T *x = AT(xp, ng * x_group + (size_t)d * x_slice);
    __global const T *a = AT(w, g * w_group + (size_t)i0 * w_row);
    const size_t slice = (size_t)(ph[PHASE_OZ] + d * step_d) * y_h * y_w;
    __global T *out = AT(y, (ng * M + i0) * plane);
    const int first = get_global_id(1) * tiles;

    for (int q0 = first * NR; q0 < min(lanes, (first + tiles) * NR); q0 += NR) {
        ACC16 c[MR][NV];
#pragma unroll
        for (int i = 0; i < MR; i++) {
            const ACC bias = has_bias ? LOAD(b, g * M + i0 + i) : 0;
#pragma unroll
            for (int v = 0; v < NV; v++) c[i][v] = (ACC16)(bias);
        }
        for (int k = ph[PHASE_K0]; k < ph[PHASE_K1]; k++) {
            __global const T *xk = x + q0 + LOAD(taps, 2 * k), *ak = a + LOAD(taps, 2 * k + 1);
            ACC16 xv[NV];
#pragma unroll
            for (int v = 0; v < NV; v++) xv[v] = vload16(v, xk);
#pragma unroll
            for (int i = 0; i < MR; i++) {
                const ACC16 av = (ACC16)(ak[(size_t)i * w_row]);
#pragma unroll
                for (int v = 0; v < NV; v++) c[i][v] = fma(av, xv[v], c[i][v]);
            }
        }
        ACC t[MR * NR + 16]; /* whole vectors are read behind the end of a row */
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++) vstore16(c[i][v], i * NV + v, t);
        int h = q0 / pitch, column = q0 % pitch;
        for (int s = 0; s < NR && h < ny; h++) {
            const int n = min(nx - column, NR - s);
            const size_t at = slice + (size_t)(ph[PHASE_OY] + h * step_h) * y_w + ph[PHASE_OX] + (size_t)column * step_w;
            for (int i = r0 - i0; i < MR; i++) {
                ACC *lanes_of = t + i * NR + s;
#ifdef CLG_TAIL
                ACC u[NR];
                const size_t row = ng * M + i0 + i;
                for (int j = 0; step_w == 1 && j < n; j += 16)
                    vstore16(TAIL16(vload16(0, lanes_of + j), row, at + j), 0, u + j);
                for (int j = 0; step_w != 1 && j < n; j++) u[j] = TAIL(lanes_of[j], row, at + (size_t)j * step_w);
                lanes_of = u;
#endif
                store_lanes(out + at + i * plane, lanes_of, n, step_w);
            }
            s += pitch - column;
            column = 0;
        }
    }
}

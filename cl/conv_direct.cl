/* Direct convolution for class cpu, forward and backward-data: a matrix product whose right operand is read in place.
 *
 *   y[n, g M + i, pixel q] = b[g M + i] + sum_k w[g][w_off[k] + i w_row] * xp[n, g][x_off[k] + q]
 *
 * k runs over (channel, tap). xp are zero-padded planes; q runs along the flattened plane, so that the k loop has no
 * edges: lanes between the end of a row and its pitch are computed and dropped when storing. A phase is a subset of
 * the output pixels, every (sz, sy, sx)-th from (oz, oy, ox), with a range of k of its own: forward has one;
 * backward-data of a strided convolution has one for each remainder.
 *
 * Where only one phase has taps (a strided filter of one tap), that phase alone is computed, with GAPS.
 *
 * A work-item of a work-group of one owns MR rows x `tiles` tiles of NV float16. The last block of rows is moved back
 * to end at M and skips the rows of its neighbour. Source: the register tile is that of GotoBLAS (Goto & van de Geijn
 * 2008); the offset table that of the indirect convolution (Dukhan 2019, arXiv:1907.02129). */
#include "clg.clh"
#include "conv_tile.clh"

#ifndef CLAIM /* y leaves the caches: a tile claims what it will store before it is computed */
#define CLAIM 0
#endif

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
    const size_t at = ((size_t)(ph[PHASE_OZ] + d * step_d) * y_h + ph[PHASE_OY]) * y_w + ph[PHASE_OX];
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
        if (CLAIM) {
            __global const T *to = out + at + (size_t)(q0 / pitch) * (step_h * y_w) + q0 % pitch * step_w;
#pragma unroll
            for (int i = 0; i < MR; i++)
#pragma unroll
                for (int v = 0; v < NV; v++) CLG_CLAIM(to + i * plane + 16 * v);
        }
        add_taps(c, x + q0, a, AT(taps, 0), ph[PHASE_K0], ph[PHASE_K1], w_row);
        store_tile(c, out, ng * M + i0, at, plane, r0 - i0, q0 / pitch, q0 % pitch, ny, nx, pitch, step_h * y_w, step_w,
                   (int2)(y_w, y_h), 0 TAIL_PASS);
    }
}

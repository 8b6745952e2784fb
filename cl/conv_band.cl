/* Direct convolution for class cpu of planes that are too large to be padded in memory: the sums of conv_direct.cl, but
 * a work-item pads a band of rows at a time, of all channels of an image, into scratch of its own that stays in its
 * core's cache, and computes all outputs of the band from it. So x is read from memory once (but for the rows that
 * neighbouring bands share) and nothing but y is written.
 *
 * Work-item i owns bands i per_item .. (i + 1) per_item - 1; band j is rows `high` (j % bands) and following, of image
 * j / bands, of each phase of y. Tiles run along the flattened band, or (by_row) along one row each. */
#include "clg.clh"
#include "conv_pad.clh"
#include "conv_tile.clh"

KERNEL conv_band(IN(x), IN(w), IN(b), IN_T(int, taps), IN_T(int, phases), IN_T(int, starts), OUT(xp), OUT(y),
                 const int has_bias, const int M, const int n_phases, const int n_starts, const int channels,
                 const int in_h, const int in_w, const int pad_h, const int pad_w, const int in_step_h,
                 const int in_step_w, const int in_skip, const int rows, const int pitch, const int size,
                 const int high, const int bands, const int all_bands, const int per_item, const int w_row,
                 const int y_h, const int y_w, const int step_h, const int step_w, const int by_row, const int past,
                 const long all_taps TAIL_ARGS) {
    const size_t item = get_global_id(0), in_plane = (size_t)in_h * in_w, plane = (size_t)y_h * y_w;
    __global T *xs = AT(xp, item * ((size_t)channels * n_starts * size + NR)); /* vectors run over the end of the last */
    for (int band = item * per_item; band < min(all_bands, (int)(item + 1) * per_item); band++) {
        const size_t n = band / bands;
        const int h0 = band % bands * high;
        for (int j = 0; j < channels * n_starts; j++)
            pad_rows(AT(x, (n * channels + j / n_starts) * in_plane), xs + (size_t)j * size, 0, rows, size, rows, pitch,
                     1, in_h, in_w, 0, LOAD(starts, 3 * (j % n_starts) + 1) - pad_h + h0 * in_step_h,
                     LOAD(starts, 3 * (j % n_starts) + 2) - pad_w, 1, in_step_h, in_step_w);
        /* what the next band adds, of which every in_skip-th row is read: a row of a channel every `chunk` taps */
        const int next = max(0, (h0 + rows) * in_step_h - pad_h);
        const int fresh = clamp((in_h - next) / in_skip, 0, high * in_step_h / in_skip);
        const int wanted = fresh * channels, chunk = clamp(all_taps / max(1, wanted), 8L, 1L << 20);
        int asked = 0;
        for (int f = 0; f < n_phases; f++) {
            int ph[PHASE_SIZE];
            for (int i = 0; i < PHASE_SIZE; i++) ph[i] = LOAD(phases, f * PHASE_SIZE + i);
            const int lines = min(high, ph[PHASE_NY] - h0);
            if (lines <= 0) continue;
            /* lines without a gap, here and in y, are one long line */
            const bool joined = pitch == y_w && ph[PHASE_NX] == y_w && step_h == 1;
            const int nx = joined ? lines * pitch : ph[PHASE_NX], ny = joined ? 1 : lines;
            const int next_line = joined ? nx : pitch;
            const int across = by_row ? (nx + NR - 1) / NR : ((ny - 1) * next_line + nx + NR - 1) / NR; /* tiles */
            for (int r0 = 0; r0 < M; r0 += MR) {
                const int i0 = min(r0, M - MR);
                __global const T *a = AT(w, (size_t)i0 * w_row);
                const size_t at = (size_t)(ph[PHASE_OY] + h0 * step_h) * y_w + ph[PHASE_OX];
                for (int t = 0; t < (by_row ? ny * across : across); t++) {
                    const int q0 = t / across * next_line + t % across * NR, h = q0 / next_line;
                    ACC16 c[MR][NV];
#pragma unroll
                    for (int i = 0; i < MR; i++) {
                        const ACC bias = has_bias ? LOAD(b, i0 + i) : 0;
#pragma unroll
                        for (int v = 0; v < NV; v++) c[i][v] = (ACC16)(bias);
                    }
                    for (int k = ph[PHASE_K0]; k < ph[PHASE_K1]; k += chunk) {
                        add_taps(c, xs + q0, a, AT(taps, 0), k, min(k + chunk, ph[PHASE_K1]), w_row);
                        if (asked < wanted) {
                            clg_fetch(AT(x, (n * channels + asked / fresh) * in_plane +
                                          (size_t)(next + asked % fresh * in_skip) * in_w), in_w);
                            asked++;
                        }
                    }
                    store_tile(c, AT(y, (n * M + i0) * plane), n * M + i0, at, plane, r0 - i0, h, q0 % next_line,
                               by_row ? h + 1 : ny, nx, next_line, step_h * y_w, step_w, (int2)(y_w, y_h), past
                               TAIL_PASS);
                }
            }
        }
    }
}

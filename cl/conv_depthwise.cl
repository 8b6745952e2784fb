/* Depthwise convolution (one filter a channel) for class cpu: forward, backward-data, backward-weights. Bound by
 * memory, so no pass over padded planes. Forward, and backward-data of stride 1, which is the same, read rows where
 * they lie (depthwise_direct). With dilation, wide padding or very narrow rows, and in the other gradients, a work-item
 * copies a strip of rows into its own padded buffer in the first cache, with the columns of a stride of 2 taken
 * apart, and computes from there without edges.
 *
 * Lanes run along a row, V of them; from the buffer, the last vector of a wide row is moved back to end with it.
 * Register tiles are RB rows high, so that a loaded vector serves the taps of several rows. Rows past the end of a
 * strip are computed and dropped.
 * Options: KH x KW taps, stride S of 1 or 2, dilation D (1 where S is 2). AHEAD: asks for what comes next; planes are
 * so short that the hardware's streams begin anew all the time (a fifth of the time of 16 x 128 planes of 28 x 28). */
#include "conv_depthwise.clh"

#ifndef AHEAD
#define AHEAD 0
#endif

#define BUF 6144 /* elements of the buffer; vectors may run over the end of each half by 32 */

/* The first n lanes of v, then zeros. */
static inline VEC first_lanes(VEC v, int n) { return n >= V ? v : select((VEC)(0), v, IOTA < (LANEV)(n)); }

static inline void clear(ACC *buf, int n) {
    for (int i = 0; i < n; i += V) VSTORE((VEC)(0), buf + i);
}

/* buf[r pitch + i] = x[row0 + r][i - pad], 0 outside, for r < rows and i < pitch; left and right of x it must be 0
 * before. Last vectors run over the end of a row with zeros, before the next one is written. */
static inline void pad_rows(__global const T *x, int in_h, int in_w, int row0, int rows, int pad, int pitch, ACC *buf) {
    const int n = min(in_w, pitch - pad);
    for (int r = 0; r < rows; r++) {
        __global const T *row = x + (size_t)(row0 + r) * in_w;
        if (row0 + r < 0 || row0 + r >= in_h) {
            clear(buf + r * pitch, pitch);
            continue;
        }
        for (int i = 0; i < n; i += V) VSTORE(first_lanes(GLOAD(row + i), n - i), buf + r * pitch + pad + i);
    }
}

/* The same with even and odd columns apart: buf[r pitch + i] is padded column 2 i, buf[odd + r pitch + i] 2 i + 1. */
static inline void pad_rows_apart(__global const T *x, int in_h, int in_w, int row0, int rows, int pad, int pitch,
                                  int odd, ACC *buf) {
    /* elements 0, 2, ... of a row start at entry `a` of its half of the buffer, 1, 3, ... at entry `b` of the other */
    const int a = pad / 2, b = (pad + 1) / 2;
    ACC *to_a = buf + a + (pad % 2 ? odd : 0), *to_b = buf + b + (pad % 2 ? 0 : odd);
    const int n_a = min((in_w + 1) / 2, pitch - a), n_b = min(in_w / 2, pitch - b);
    for (int r = 0; r < rows; r++) {
        __global const T *row = x + (size_t)(row0 + r) * in_w;
        if (row0 + r < 0 || row0 + r >= in_h) {
            clear(buf + r * pitch, pitch);
            clear(buf + r * pitch + odd, pitch);
            continue;
        }
        for (int i = 0; i < n_a; i += V) {
            const VEC lo = GLOAD(row + 2 * i), hi = GLOAD(row + 2 * i + V);
            VSTORE(first_lanes((VEC)(lo.even, hi.even), n_a - i), to_a + r * pitch + i);
            if (i < n_b) VSTORE(first_lanes((VEC)(lo.odd, hi.odd), n_b - i), to_b + r * pitch + i);
        }
    }
}

static inline void take_rows(__global const T *x, int in_h, int in_w, int row0, int rows, int pad, int pitch, int odd,
                             ACC *buf) {
#if S == 2
    pad_rows_apart(x, in_h, in_w, row0, rows, pad, pitch, odd, buf);
#else
    pad_rows(x, in_h, in_w, row0, rows, pad, pitch, buf);
#endif
}

/* Rows of the buffer for n rows of a strip. */
#define ROWS_OF(n) (((n) + RB - 1) / RB * RB * S - S + (KH - 1) * D + 1)

/* Where tap column kx of output column 0 lies in a row of the buffer. */
#define COLUMN(kx) ((kx) * D % S * odd + (kx) * D / S)

#ifdef PADW
/* y[c] = b[c] + w[c] * x[c]; flip: with the filter turned around, which is backward-data of stride 1. Columns
 * are made from the last one on, so that what spills is overwritten (store_rows). Needs rows of at least PADW +
 * S elements, so that taps left of a row meet at most the row before. */
KERNEL depthwise_direct(IN(x), IN(w), IN(b), OUT(y), const int has_bias, const int flip, const int channels,
                        const int planes, const int planes_per_item, const int in_h, const int in_w, const int out_h,
                        const int out_w, const int rows TAIL_ARGS) {
    const int first = get_global_id(0) * planes_per_item, row0 = get_global_id(1) * rows;
    const int last = min(row0 + rows, out_h), end = last * out_w;
    for (int plane = first; plane < min(planes, first + planes_per_item); plane++) {
        const int c = plane % channels;
        ACC wv[TAPS];
#pragma unroll
        for (int t = 0; t < TAPS; t++) wv[t] = LOAD(w, c * TAPS + (flip ? TAPS - 1 - t : t));
        const ACC bias = has_bias ? LOAD(b, c) : 0;
        __global const T *in = AT(x, (size_t)plane * in_h * in_w);
        __global T *out = AT(y, (size_t)plane * out_h * out_w);
        for (int r = row0; r < last; r += RB)
            for (int i = (out_w - 1) / V * V; i >= 0; i -= V) {
                if (AHEAD) clg_fetch(in + (r * in_w + i * RB) * S + 1024, RB * V * S);
                direct_tile(in, 0, wv, bias, out, plane, in_h, in_w, out_w, end, r, i, plane == 0 && i == 0 TAIL_PASS);
            }
    }
}
#endif

/* y[c] = b[c] + w[c] * x[c]; flip: with the filter turned around, which is backward-data of stride 1. */
KERNEL depthwise_rows(IN(x), IN(w), IN(b), OUT(y), const int has_bias, const int flip, const int channels,
                      const int planes, const int planes_per_item, const int in_h, const int in_w, const int out_h,
                      const int out_w, const int pad_h, const int pad_w, const int rows, const int pitch,
                      const int odd TAIL_ARGS) {
    const int first = get_global_id(0) * planes_per_item, row0 = get_global_id(1) * rows;
    const int n = min(rows, out_h - row0);
    CLG_WORK(ACC, buf, BUF + 96);
    clear(buf, ROWS_OF(n) * pitch);
    if (S == 2) clear(buf + odd, ROWS_OF(n) * pitch);

    for (int plane = first; plane < min(planes, first + planes_per_item); plane++) {
        const int c = plane % channels;
        ACC wv[TAPS];
#pragma unroll
        for (int t = 0; t < TAPS; t++) wv[t] = LOAD(w, c * TAPS + (flip ? TAPS - 1 - t : t));
        const ACC bias = has_bias ? LOAD(b, c) : 0;
        take_rows(AT(x, (size_t)plane * in_h * in_w), in_h, in_w, row0 * S - pad_h,
                  ROWS_OF(n), pad_w, pitch, odd, buf);
        __global T *out = AT(y, (size_t)plane * out_h * out_w);
        for (int r = 0; r < n; r += RB)
            for (int i0 = 0; i0 < out_w; i0 += V) {
                const int i = max(0, min(i0, out_w - V));
                const ACC *from = buf + r * S * pitch + i;
                VEC s[RB];
#pragma unroll
                for (int j = 0; j < RB; j++) s[j] = (VEC)(bias);
#pragma unroll
                for (int h = 0; h < SPAN; h++)
#pragma unroll
                    for (int kx = 0; kx < KW; kx++) {
                        const VEC xv = VLOAD(from + h * pitch + COLUMN(kx));
#pragma unroll
                        for (int j = 0; j < RB; j++) {
                            const int ky = h - j * S;
                            if (ky >= 0 && ky % D == 0 && ky / D < KH) s[j] = fma(wv[ky / D * KW + kx], xv, s[j]);
                        }
                    }
                store_rows(out, s, plane, (row0 + r) * out_w + i, out_w, (row0 + n) * out_w TAIL_PASS);
            }
    }
}

/* Backward-data of stride 2, in squares of 2 x 2 elements of gx: element 2 a + e of an axis gathers taps k of one
 * parity from gy[a + (e + pad - k) / 2]. PH, PW: parities of the paddings; row0 and pad are such that SHIFT is never
 * negative. */
#ifndef PH
#define PH 1
#endif
#ifndef PW
#define PW 1
#endif
#define PARITY(p, k)   (((k) + (p)) & 1)                          /* e */
#define GATHER(p, k)   ((PARITY(p, k) + (p) - (k)) / 2)
#define SHIFT(p, k, K) (GATHER(p, k) - GATHER(p, (K) - 1))
#define TALL           (RB + SHIFT(PH, 0, KH))                    /* rows that a tile reads */

KERNEL depthwise_data2(IN(gy), IN(w), OUT(gx), const int channels, const int planes, const int planes_per_item,
                       const int in_h, const int in_w, const int out_h, const int out_w, const int pad_h,
                       const int pad_w, const int rows, const int pitch TAIL_ARGS) {
    const int first = get_global_id(0) * planes_per_item, row0 = get_global_id(1) * rows;
    const int half_h = (in_h + 1) / 2, half_w = (in_w + 1) / 2, n = min(rows, half_h - row0);
    CLG_WORK(ACC, buf, BUF + 96);
    clear(buf, ((n + RB - 1) / RB * RB + TALL - RB) * pitch);

    for (int plane = first; plane < min(planes, first + planes_per_item); plane++) {
        ACC wv[TAPS];
#pragma unroll
        for (int t = 0; t < TAPS; t++) wv[t] = LOAD(w, plane % channels * TAPS + t);
        pad_rows(AT(gy, (size_t)plane * out_h * out_w), out_h, out_w, row0 - pad_h, (n + RB - 1) / RB * RB + TALL - RB,
                 pad_w, pitch, buf);
        __global T *out = AT(gx, (size_t)plane * in_h * in_w);
        for (int r = 0; r < n; r += RB)
            for (int i0 = 0; i0 < half_w; i0 += V) {
                const int i = max(0, min(i0, half_w - V));
                VEC s[RB][2][2];
#pragma unroll
                for (int j = 0; j < RB; j++) s[j][0][0] = s[j][0][1] = s[j][1][0] = s[j][1][1] = (VEC)(0);
#pragma unroll
                for (int h = 0; h < TALL; h++)
#pragma unroll
                    for (int kx = 0; kx < KW; kx++) {
                        const VEC v = VLOAD(buf + (r + h) * pitch + i + SHIFT(PW, kx, KW));
#pragma unroll
                        for (int ky = 0; ky < KH; ky++) {
                            const int j = h - SHIFT(PH, ky, KH);
                            if (j >= 0 && j < RB)
                                s[j][PARITY(PH, ky)][PARITY(PW, kx)] =
                                    fma(wv[ky * KW + kx], v, s[j][PARITY(PH, ky)][PARITY(PW, kx)]);
                        }
                    }
#pragma unroll
                for (int j = 0; j < RB; j++)
#pragma unroll
                    for (int e = 0; e < 2; e++) {
                        const int h = 2 * (row0 + r + j) + e, count = in_w - 2 * i;
                        if (r + j >= n || h >= in_h) continue;
                        VEC lo, hi;
                        lo.even = s[j][e][0].lo;
                        lo.odd = s[j][e][1].lo;
                        hi.even = s[j][e][0].hi;
                        hi.odd = s[j][e][1].hi;
                        const size_t at = (size_t)h * in_w + 2 * i;
                        store_first(out + at, NARROW(TAIL16(WIDE(lo), plane, at)), count);
                        if (count > V)
                            store_first(out + at + V, NARROW(TAIL16(WIDE(hi), plane, at + V)), count - V);
                    }
            }
    }
}

/* gw[s][c][t] = sum over the units of part s, which are strips of images, of gy x. */
KERNEL depthwise_filter(IN(gy), IN(x), OUT(gw), const int channels, const int strips_per_plane, const int units,
                        const int parts, const int in_h, const int in_w, const int out_h, const int out_w,
                        const int pad_h, const int pad_w, const int rows, const int pitch, const int odd) {
    const int c = get_global_id(0), part = get_global_id(1);
    CLG_WORK(ACC, buf, BUF + 96);
    VEC s[TAPS];
#pragma unroll
    for (int t = 0; t < TAPS; t++) s[t] = (VEC)(0);
    clear(buf, ROWS_OF(rows) * pitch);
    if (S == 2) clear(buf + odd, ROWS_OF(rows) * pitch);

    for (int u = (long)units * part / parts; u < (long)units * (part + 1) / parts; u++) {
        const size_t plane = (size_t)(u / strips_per_plane) * channels + c;
        const int row0 = u % strips_per_plane * rows, n = min(rows, out_h - row0);
        take_rows(AT(x, plane * in_h * in_w), in_h, in_w, row0 * S - pad_h,
                  ROWS_OF(n), pad_w, pitch, odd, buf);
        __global const T *g = AT(gy, (plane * out_h + row0) * out_w);
        const size_t next = (size_t)((u + 1) / strips_per_plane) * channels + c; /* plane of the next unit */
        const int next0 = (u + 1) % strips_per_plane * rows;
        for (int r = 0; r < n; r += RB)
            for (int i0 = 0; i0 < out_w; i0 += V) {
                const int i = max(0, min(i0, out_w - V));
                const LANEV mine = IOTA >= (LANEV)(i0 - i) && IOTA < (LANEV)(out_w - i);
                const ACC *from = buf + r * S * pitch + i;
                VEC gv[RB];
                if (AHEAD) {
                    clg_fetch(AT(gy, (next * out_h + next0 + r) * out_w + i0 * RB), RB * V);
                    clg_fetch(AT(x, (next * in_h + (next0 + r) * S) * in_w + i0 * RB * S * S), RB * V * S * S);
                }
#pragma unroll
                for (int j = 0; j < RB; j++)
                    gv[j] = r + j < n ? select((VEC)(0), GLOAD(g + (size_t)(r + j) * out_w + i), mine) : (VEC)(0);
#pragma unroll
                for (int h = 0; h < SPAN; h++)
#pragma unroll
                    for (int kx = 0; kx < KW; kx++) {
                        const VEC xv = VLOAD(from + h * pitch + COLUMN(kx));
#pragma unroll
                        for (int j = 0; j < RB; j++) {
                            const int ky = h - j * S;
                            if (ky >= 0 && ky % D == 0 && ky / D < KH)
                                s[ky / D * KW + kx] = fma(gv[j], xv, s[ky / D * KW + kx]);
                        }
                    }
            }
    }
#pragma unroll
    for (int t = 0; t < TAPS; t++) STORE(gw, ((size_t)part * channels + c) * TAPS + t, clg_sum16(WIDE(s[t])));
}

/* Images to columns and back, and a bias: the rows im2col and col2im, and what convolution by GEMM needs beside it.
 *
 *   im2col:  dst[image][(c, t)][q] = src[n0 + image][c][q step + tap t - pad], 0 outside
 *   col2im:  dst[n0 + image][c][i] = sum over taps t whose output pixel q exists of src[image][(c, t)][q]
 *
 * Columns have strides for images and for rows (c, t); q is contiguous. im2col and col2im: one work-item a pixel;
 * global sizes: pixels, rows, images. im2col_rows and col2im_rows, for work-groups of one: `run` rows of pixels a
 * work-item; global sizes: runs, rows, images. Every pixel adds up its taps in the same order in both. */
#include "clg.clh"

#define COLUMNS(name)                                                                                                 \
    KERNEL name(IN(src), OUT(dst), IN_T(int, taps), const int n0, const int C, const int T_taps,                      \
                const long image_stride, const long row_stride, const int run, const int in_d, const int in_h,        \
                const int in_w, const int out_d, const int out_h, const int out_w, const int step_d, const int step_h, \
                const int step_w, const int pad_d, const int pad_h, const int pad_w)

COLUMNS(im2col) {
    const size_t q = get_global_id(0), row = get_global_id(1), image = get_global_id(2);
    if (q >= (size_t)out_d * out_h * out_w) return;
    const int c = row / T_taps, t = row % T_taps, p = q;
    const int z = p / out_w / out_h * step_d + LOAD(taps, 3 * t) - pad_d;
    const int y = p / out_w % out_h * step_h + LOAD(taps, 3 * t + 1) - pad_h;
    const int x = p % out_w * step_w + LOAD(taps, 3 * t + 2) - pad_w;
    ACC v = 0;
    if (z >= 0 && z < in_d && y >= 0 && y < in_h && x >= 0 && x < in_w)
        v = LOAD(src, (((n0 + image) * C + c) * in_d + z) * in_h * in_w + (size_t)y * in_w + x);
    STORE(dst, image * image_stride + row * row_stride + q, v);
}

COLUMNS(col2im) {
    const size_t i = get_global_id(0), c = get_global_id(1), image = get_global_id(2);
    if (i >= (size_t)in_d * in_h * in_w) return;
    const int p = i, pz = p / in_w / in_h + pad_d, py = p / in_w % in_h + pad_h, px = p % in_w + pad_w;
    ACC sum = 0;
    for (int t = 0; t < T_taps; t++) {
        const int z = pz - LOAD(taps, 3 * t), y = py - LOAD(taps, 3 * t + 1), x = px - LOAD(taps, 3 * t + 2);
        if (z < 0 || y < 0 || x < 0 || z % step_d || y % step_h || x % step_w) continue;
        const int oz = z / step_d, oy = y / step_h, ox = x / step_w;
        if (oz >= out_d || oy >= out_h || ox >= out_w) continue;
        const size_t q = ((size_t)oz * out_h + oy) * out_w + ox;
        sum += LOAD(src, image * image_stride + (c * T_taps + t) * row_stride + q);
    }
    STORE(dst, ((n0 + image) * C + c) * in_d * in_h * in_w + i, sum);
}

/* y[i] = 0 for begin <= i < end. */
static inline void clear(__global T *y, int begin, int end) {
    int i = begin;
    for (; i + 16 <= end; i += 16) CLG_STORE16(y + i, ((ACC16)(0)));
    for (; i < end; i++) y[i] = 0;
}

/* The pixels of a row of columns, lo <= ox < hi, whose tap ox step + at lies in a row of the image. */
static inline int2 inside(int in_w, int out_w, int step, int at) {
    const int lo = at >= 0 ? 0 : min(out_w, (-at + step - 1) / step);
    const int hi = in_w <= at ? lo : clamp((in_w - at + step - 1) / step, lo, out_w);
    return (int2)(lo, hi);
}

/* to[x] = from[x step] for lo <= x < hi; the last vector is moved back to end with the row. */
static inline void copy_row(__global T *to, __global const T *from, const int lo, const int hi, const int step) {
    if (hi - lo < 16 || step > 2) {
        for (int x = lo; x < hi; x++) to[x] = from[(size_t)x * step];
        return;
    }
    for (int i = lo; i < hi; i += 16) {
        const int x = min(i, hi - 16);
        if (step == 1) CLG_STORE16(to + x, CLG_LOAD16(from + x));
        else CLG_STORE16(to + x, ((ACC16)(CLG_LOAD16(from + 2 * x).even, CLG_LOAD16(from + 2 * x + 16).even)));
    }
}

COLUMNS(im2col_rows) {
    const size_t row = get_global_id(1), image = get_global_id(2);
    const int r0 = (int)get_global_id(0) * run, r1 = min(out_d * out_h, r0 + run);
    const int c = row / T_taps, t = row % T_taps, at = LOAD(taps, 3 * t + 2) - pad_w;
    const int2 range = inside(in_w, out_w, step_w, at);
    __global const T *plane = AT(src, ((n0 + image) * C + c) * in_d * in_h * in_w);
    __global T *to = AT(dst, image * image_stride + row * row_stride + (size_t)r0 * out_w);
    for (int r = r0; r < r1; r++, to += out_w) {
        const int z = r / out_h * step_d + LOAD(taps, 3 * t) - pad_d;
        const int y = r % out_h * step_h + LOAD(taps, 3 * t + 1) - pad_h;
        if (z < 0 || z >= in_d || y < 0 || y >= in_h) {
            clear(to, 0, out_w);
            continue;
        }
        __global const T *from = plane + ((size_t)z * in_h + y) * in_w + at;
        clear(to, 0, range.x);
        copy_row(to, from, range.x, range.y, step_w);
        clear(to, range.y, out_w);
    }
}

COLUMNS(col2im_rows) {
    const size_t c = get_global_id(1), image = get_global_id(2);
    const int r0 = (int)get_global_id(0) * run, r1 = min(in_d * in_h, r0 + run);
    __global T *to = AT(dst, (((n0 + image) * C + c) * in_d * in_h + r0) * in_w);
    for (int r = r0; r < r1; r++, to += in_w) {
        clear(to, 0, in_w);
        for (int t = 0; t < T_taps; t++) {
            const int z = r / in_h + pad_d - LOAD(taps, 3 * t), y = r % in_h + pad_h - LOAD(taps, 3 * t + 1);
            const int at = LOAD(taps, 3 * t + 2) - pad_w, oz = z / step_d, oy = y / step_h;
            if (z < 0 || y < 0 || z % step_d || y % step_h || oz >= out_d || oy >= out_h) continue;
            const int2 range = inside(in_w, out_w, step_w, at);
            __global const T *from =
                AT(src, image * image_stride + (c * T_taps + t) * row_stride + ((size_t)oz * out_h + oy) * out_w);
            int x = range.x;
            for (; step_w == 1 && x + 16 <= range.y; x += 16)
                CLG_STORE16(to + at + x, CLG_LOAD16(to + at + x) + CLG_LOAD16(from + x));
            for (; step_w == 2 && x + 16 <= range.y && at + 2 * x + 32 <= in_w; x += 16) {
                __global T *out = to + at + 2 * x;
                const ACC16 v = CLG_LOAD16(from + x);
                ACC16 lo = CLG_LOAD16(out), hi = CLG_LOAD16(out + 16);
                lo.even += v.lo;
                hi.even += v.hi;
                CLG_STORE16(out, lo);
                CLG_STORE16(out + 16, hi);
            }
            for (; x < range.y; x++) to[(size_t)x * step_w + at] += from[x];
        }
    }
}

/* y[n][o][q] += b[o] over all `size` elements, `run` of them a work-item. */
KERNEL add_bias(INOUT(y), IN(b), const int O, const int Q, const long size, const int run) {
    const size_t begin = get_global_id(0) * run, end = min((size_t)size, begin + run);
    for (size_t i = begin; i < end;) { /* plane by plane */
        const size_t plane = i / Q, stop = min(end, (plane + 1) * Q);
        const ACC bias = LOAD(b, plane % O);
        for (; i + 16 <= stop; i += 16) STORE16(y, i, LOAD16(y, i) + bias);
        for (; i < stop; i++) STORE(y, i, LOAD(y, i) + bias);
    }
}

/* Convolution by GEMM: images to columns and back, and the bias. All work-items along pixels, one element each.
 *
 *   im2col:  dst[image][(c, t)][q] = src[n0 + image][c][q step + tap t - pad], 0 outside
 *   col2im:  dst[n0 + image][c][i] = sum over taps t whose output pixel q exists of src[image][(c, t)][q]
 *
 * Columns have strides for images and for rows (c, t); q is contiguous. Global sizes: pixels, rows, images. */
#include "clg.clh"

typedef struct geometry {
    int in_d, in_h, in_w, out_d, out_h, out_w, step_d, step_h, step_w, pad_d, pad_h, pad_w;
} geometry;

KERNEL im2col(IN(src), OUT(dst), IN_T(int, taps), const int n0, const int C, const int T_taps, const long image_stride,
              const long row_stride, const int in_d, const int in_h, const int in_w, const int out_d, const int out_h,
              const int out_w, const int step_d, const int step_h, const int step_w, const int pad_d, const int pad_h,
              const int pad_w) {
    const size_t q = get_global_id(0), row = get_global_id(1), image = get_global_id(2);
    if (q >= (size_t)out_d * out_h * out_w) return;
    const int c = row / T_taps, t = row % T_taps, p = q;
    const int z = p / out_w / out_h * step_d + LOAD(taps, 3 * t) - pad_d;
    const int y = p / out_w % out_h * step_h + LOAD(taps, 3 * t + 1) - pad_h;
    const int x = p % out_w * step_w + LOAD(taps, 3 * t + 2) - pad_w;
    float v = 0.0f;
    if (z >= 0 && z < in_d && y >= 0 && y < in_h && x >= 0 && x < in_w)
        v = LOAD(src, (((n0 + image) * C + c) * in_d + z) * in_h * in_w + (size_t)y * in_w + x);
    STORE(dst, image * image_stride + row * row_stride + q, v);
}

KERNEL col2im(IN(src), OUT(dst), IN_T(int, taps), const int n0, const int C, const int T_taps, const long image_stride,
              const long row_stride, const int in_d, const int in_h, const int in_w, const int out_d, const int out_h,
              const int out_w, const int step_d, const int step_h, const int step_w, const int pad_d, const int pad_h,
              const int pad_w) {
    const size_t i = get_global_id(0), c = get_global_id(1), image = get_global_id(2);
    if (i >= (size_t)in_d * in_h * in_w) return;
    const int p = i, pz = p / in_w / in_h + pad_d, py = p / in_w % in_h + pad_h, px = p % in_w + pad_w;
    float sum = 0.0f;
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

/* y[n][o][q] += b[o]. Global sizes: Q, O, N. */
KERNEL add_bias(INOUT(y), IN(b), const int O, const int Q) {
    const size_t q = get_global_id(0), o = get_global_id(1), n = get_global_id(2);
    if (q >= (size_t)Q) return;
    const size_t i = (n * O + o) * Q + q;
    STORE(y, i, LOAD(y, i) + LOAD(b, o));
}

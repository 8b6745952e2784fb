/* The pixels that a convolution of one tap with a stride reads, transposed, for class cpu:
 *
 *   dst[image][q][c] = src[image][c][q step]
 *
 * so that gy[image] times it is a product without another copy. 16 pixels of 16 channels at a time, of which the last are
 * moved back. A work-item makes `run` rows of pixels. Global sizes: runs, images. */
#include "clg.clh"

KERNEL across(IN(src), OUT(dst), const int C, const int run, const int in_h, const int in_w, const int out_h,
              const int out_w, const int step_h, const int step_w) {
    const size_t image = get_global_id(1), plane = (size_t)in_h * in_w;
    const int r0 = (int)get_global_id(0) * run, r1 = min(out_h, r0 + run);
    __global const T *from = AT(src, image * C * plane);
    __global T *to = AT(dst, image * out_h * out_w * C);
    for (int r = r0; r < r1; r++)
        for (int c = 0; c < C; c += 16) {
            const int c0 = min(c, C - 16);
            __global const T *row = from + c0 * plane + (size_t)r * step_h * in_w;
            for (int i = 0; i < 16; i++) clg_fetch(row + i * plane + (r + 1 < r1 ? step_h * in_w : 0), in_w);
            for (int x = 0; x < out_w; x += 16) {
                const int x0 = min(x, out_w - 16);
                ACC16 v[16];
#pragma unroll
                for (int i = 0; i < 16; i++) {
                    __global const T *p = row + i * plane + x0 * step_w;
                    v[i] = step_w == 1 ? CLG_LOAD16(p) : (ACC16)(CLG_LOAD16(p).even, CLG_LOAD16(p + 16).even);
                }
                clg_transpose16(v);
#pragma unroll
                for (int i = 0; i < 16; i++) CLG_STORE16(to + ((size_t)r * out_w + x0 + i) * C + c0, v[i]);
            }
        }
}

/* Zero-padded copies of planes, split into the phases of a stride, for the direct convolutions of class cpu.
 *
 *   xp[plane][f][d][h][w] = x[plane][d sz + pz - padz][h sy + py - pady][w sx + px - padx], 0 outside,
 *
 * where (pz, py, px) = phase[f]. Rows have a pitch that may be shorter than the padded row: its right padding is then
 * the left padding of the next row. A work-item owns a run of rows of one phase of one plane (the last run also
 * what follows up to the plane's size), so inside it vectors may run over and be overwritten by the next row. */
#include "clg.clh"

/* Zeros at y[i] for begin <= i < stop; may write up to 15 more. */
inline void clear(__global T *y, int begin, int stop) {
    for (int i = begin; i < stop; i += 16) vstore16((ACC16)(0), 0, y + i);
}

/* Zeros exactly there. */
inline void clear_exactly(__global T *y, int begin, int stop) {
    int i = begin;
    for (; i + 16 <= stop; i += 16) vstore16((ACC16)(0), 0, y + i);
    for (; i < stop; i++) y[i] = 0;
}

KERNEL pad_planes(IN(x), OUT(xp), IN_T(int, phases), const int n_phases, const int in_d, const int in_h,
                  const int in_w, const int pad_d, const int pad_h, const int pad_w, const int step_d,
                  const int step_h, const int step_w, const int rows, const int height, const int pitch,
                  const int size, const int rows_per_item) {
    const int chunk = get_global_id(0);
    const size_t plane = get_global_id(1);
    const int f = plane % n_phases;
    const int row0 = chunk * rows_per_item, row1 = min(rows, row0 + rows_per_item);
    const int end = row1 == rows ? size : min(size, row1 * pitch);
    const int pw = LOAD(phases, 3 * f + 2) - pad_w;
    /* entries left .. right - 1 of a row lie in the source row */
    const int left = min(pitch, pw >= 0 ? 0 : (-pw + step_w - 1) / step_w);
    const int right = in_w <= pw ? left : clamp((in_w - pw + step_w - 1) / step_w, left, pitch);
    __global const T *src = AT(x, plane / n_phases * ((size_t)in_d * in_h * in_w));
    __global T *y = AT(xp, plane * size);
    int slice = row0 / height, row = row0 % height, done = row0 * pitch; /* entries before done are written */
    for (int o = row0 * pitch; o < row1 * pitch; o += pitch) {
        const int d = slice * step_d + LOAD(phases, 3 * f) - pad_d;
        const int h = row * step_h + LOAD(phases, 3 * f + 1) - pad_h;
        if (d >= 0 && d < in_d && h >= 0 && h < in_h) {
            __global const T *x_row = src + ((size_t)d * in_h + h) * in_w + pw;
            if (step_w == 1 && o + pitch + 16 <= end) {
                clear(y, done, o + left);
                for (int i = left; i < right; i += 16) vstore16(vload16(0, x_row + i), 0, y + o + i);
            } else {
                clear_exactly(y, done, min(o + left, end));
                const int stop = min(right, end - o);
                int i = left;
                for (; step_w == 1 && i + 16 <= stop; i += 16) vstore16(vload16(0, x_row + i), 0, y + o + i);
                for (; i < stop; i++) y[o + i] = x_row[(size_t)i * step_w];
            }
            done = min(o + right, end);
        }
        if (++row == height) {
            row = 0;
            slice++;
        }
    }
    clear_exactly(y, done, end);
}

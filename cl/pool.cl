/* Pooling on a CPU: a work-item owns `block` rows of y, lanes along the row; cells of the padding are lanes that are
 * masked out. Geometry: pool.clh; host side: src/ops/pool.c.
 *
 *   max, at     y[o] = v[the cell of window o where x is greatest]; for max v is x. The first of equal cells in
 *               row-major order counts; a NaN is greater than every number, and of several the last counts
 *   avg         y[o] = sum of the cells of window o / their number */
#include "pool.clh"

/** 16 windows from `first` on: v where x is greatest. p: the plane begins there. */
INLINE ACC16 at16(__global const ACC *x, __global const ACC *v, const long p, const geo g, const span a, const span b,
                  const int first) {
    const int16 col = first * SW - g.pw + SW * LANES;
    ACC16 m = (ACC16)((ACC)-INFINITY), r = m;
    MASK16 none = (MASK16)(-1); /* lanes that have met no cell yet */
    EACH_ROW(i, j, a, b) {
        const long row = p + (long)(i * g.h + j) * g.w + first * SW - g.pw;
#pragma unroll
        for (int k = 0; k < KW; k++) {
            const MASK16 in = within(col, k, g);
            const ACC16 t = in ? tap(x, row, k * DLW) : (ACC16)((ACC)-INFINITY);
            const MASK16 take = in & (BEATS(t, m) | none);
            m = take ? t : m;
            r = take ? tap(v, row, k * DLW) : r;
            none &= ~in;
        }
    }
    return r;
}

/* Of the loads that the taps of 16 windows share, LOADS vectors, the greatest over the rows; then over the taps. */
#if SW == 2
#define LOADS (((KW - 1) * DLW / 2 + 1) * 2)
#define NEXT_LOAD(row, n) ((n) % 2 ? load_next(x, row + (n) - 1) : load_near(x, row + (n)))
#define TAP_OF(l, k) (((k) & 1) ? (ACC16)((l)[(k) & ~1].odd, (l)[(k) | 1].odd) \
                              : (ACC16)((l)[(k) & ~1].even, (l)[(k) | 1].even))
#else
#define LOADS KW
#define NEXT_LOAD(row, n) tap(x, row, (n) * DLW)
#define TAP_OF(l, k) ((l)[(k) / DLW])
#endif

INLINE ACC16 max16(__global const ACC *x, const long p, const geo g, const span a, const span b, const int first) {
    const int16 col = first * SW - g.pw + SW * LANES;
    ACC16 l[LOADS], m = (ACC16)((ACC)-INFINITY);
#pragma unroll
    for (int n = 0; n < LOADS; n++) l[n] = m;
    EACH_ROW(i, j, a, b) {
        const long row = p + (long)(i * g.h + j) * g.w + first * SW - g.pw;
#pragma unroll
        for (int n = 0; n < LOADS; n++) {
            const ACC16 t = NEXT_LOAD(row, n);
            l[n] = BEATS(t, l[n]) ? t : l[n];
        }
    }
#pragma unroll
    for (int k = 0; k < KW; k++) {
        const ACC16 t = within(col, k, g) ? TAP_OF(l, k * DLW) : (ACC16)((ACC)-INFINITY);
        m = BEATS(t, m) ? t : m;
    }
    return m;
}

/* Over the windows of a row, 16 at a time from `first`; the last step of a long row goes back to be a full one. */
#define EACH_16(first)                                                                                    \
    for (int o_ = 0, first = 0; o_ < g.ow; o_ += 16, first = g.ow >= 16 ? min(o_, g.ow - 16) : 0)

INLINE void max_row(__global const ACC *x, __global const ACC *v, const bool same, __global ACC *y, const long p,
                    const geo g, const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro);
    if (VECTORS) {
        EACH_16(first) {
            const ACC16 m = same ? max16(x, p, g, a, b, first) : at16(x, v, p, g, a, b, first);
            store_lanes(y + first, m, g.ow - first);
        }
    } else {
        for (int o = 0; o < g.ow; o++) y[o] = v[p + argmax(x + p, g, a, b, CELLS_W(o))];
    }
}

INLINE void avg_row(__global const ACC *x, __global ACC *y, const long p, const geo g, const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro);
    const int n = COUNT_D(zo) * COUNT_H(ro);
    if (VECTORS) {
        EACH_16(first) {
            const int16 col = first * SW - g.pw + SW * LANES;
            ACC16 sum = (ACC16)(0);
            EACH_ROW(i, j, a, b)
#pragma unroll
                for (int k = 0; k < KW; k++)
                    sum += within(col, k, g) ? tap(x, p + (long)(i * g.h + j) * g.w + first * SW - g.pw, k)
                                             : (ACC16)(0);
            store_lanes(y + first, sum / divisor16(col, n, g), g.ow - first);
        }
    } else {
        for (int o = 0; o < g.ow; o++) y[o] = sum_cells(x + p, g, a, b, CELLS_W(o)) / (ACC)(n * COUNT_W(o));
    }
}

KERNEL max_cpu(IN(x), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) max_row(AT(x, 0), AT(x, 0), true, AT(y, row * ow), p * plane, g, zo, ro);
}

KERNEL at_cpu(IN(x), IN(v), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) max_row(AT(x, 0), AT(v, 0), false, AT(y, row * ow), p * plane, g, zo, ro);
}

KERNEL avg_cpu(IN(x), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) avg_row(AT(x, 0), AT(y, row * ow), p * plane, g, zo, ro);
}

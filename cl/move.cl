/* Moves elements: y[i0,...,i5] = x[i0 s0 + ... + i5 s5] for a permutation of the axes of a contiguous x; the host
 * merges axes that stay neighbours and fills up with sizes of 1 from the left. Each element of y has one writer.
 *
 *   rows    CPU: a work-item makes `per` rows of y; a row is contiguous in y. Where s5 = 1 (-DCOPY=1) it is contiguous
 *           in x too; else it is a gather, whose cache lines serve the next rows.
 *   strips  CPU: y[b, i, j] = x[b, j, i]: a work-item makes `per` strips of 16 rows i of y, in tiles of 16 x 16, so
 *           that each cache line of x is read once
 *   items   GPU: a work-item an element
 *   tiles   GPU: y[b, i, j] = x[b, j, i]: tiles of 16 x 16 through local memory, so that both sides are contiguous
 *
 * -DT=float|int|uchar: the storage type. */
#include "clg.clh"

#define AXES const int d1, const int d2, const int d3, const int d4, const int d5, \
             const long s0, const long s1, const long s2, const long s3, const long s4, const long s5

/* start: where row r, the last axis left out, begins in x. */
#define ROW_START(r)                                                                               \
    const size_t r3 = (r) / d4, r2 = r3 / d3, r1 = r2 / d2, r0 = r1 / d1;                          \
    const size_t start = r0 * s0 + (r1 - r0 * d1) * s1 + (r2 - r1 * d2) * s2 + (r3 - r2 * d3) * s3 \
                         + ((r) - r3 * d4) * s4

KERNEL rows(IN(x), OUT(y), const int n, AXES, const int per) {
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    for (size_t r = first; r < end; r++) {
        ROW_START(r);
        const __global T *from = AT(x, start);
        __global T *to = AT(y, r * d5);
        int i = 0;
#ifdef COPY
        for (; i + 16 <= d5; i += 16) vstore16(vload16(0, from + i), 0, to + i);
        for (; i < d5; i++) to[i] = from[i];
#else
        for (; i < d5; i++) to[i] = from[i * s5];
#endif
    }
}

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define T16 CAT(T, 16)

KERNEL strips(IN(x), OUT(y), const int n, const int h, const int w, const int per) {
    const size_t per_matrix = (h + 15) / 16, first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    for (size_t s = first; s < end; s++) {
        const size_t b = s / per_matrix, matrix = b * h * w;
        const int i0 = (int)(s - b * per_matrix) * 16, rows_here = min(16, h - i0);
        for (int j0 = 0; j0 < w; j0 += 16) {
            const int cols_here = min(16, w - j0);
            T tile[16 * 16];
            for (int j = 0; j < cols_here; j++)
                vstore16(vload16(0, AT(x, matrix + (size_t)(j0 + j) * h + i0)), j, tile);
            for (int i = 0; i < rows_here; i++) {
                __global T *to = AT(y, matrix + (size_t)(i0 + i) * w + j0);
                if (cols_here == 16) {
                    const T *t = tile + i;
                    vstore16((T16)(t[0], t[16], t[32], t[48], t[64], t[80], t[96], t[112], t[128], t[144], t[160],
                                   t[176], t[192], t[208], t[224], t[240]), 0, to);
                } else {
                    for (int j = 0; j < cols_here; j++) to[j] = tile[j * 16 + i];
                }
            }
        }
    }
}

KERNEL items(IN(x), OUT(y), const int n, AXES) {
    const size_t i = get_global_id(0), r = i / d5;
    if (i >= (size_t)n * d5) return;
    ROW_START(r);
    STORE(y, i, LOAD(x, start + (i - r * d5) * s5));
}

/* Local size 16 x 16; a column of padding keeps the banks of local memory apart. */
KERNEL tiles(IN(x), OUT(y), const int h, const int w) {
    __local T tile[16][17];
    const size_t matrix = get_group_id(2) * h * w;
    const int i0 = (int)get_group_id(1) * 16, j0 = (int)get_group_id(0) * 16;
    const int a = (int)get_local_id(0), b = (int)get_local_id(1);
    if (j0 + b < w && i0 + a < h) tile[b][a] = LOAD(x, matrix + (size_t)(j0 + b) * h + i0 + a);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (i0 + b < h && j0 + a < w) STORE(y, matrix + (size_t)(i0 + b) * w + j0 + a, tile[a][b]);
}

/* Moves elements. Each element of y has one writer.
 *
 *   rows    CPU: y[to + r pitch + i] = x[from + i0 s0 + ... + i4 s4 + i s5], where (i0,...,i4) are the digits of r: any
 *           permutation, slice or part of a concatenation; the host merges axes that stay neighbours and fills up with
 *           sizes of 1 from the left. A work-item makes `per` rows of y, of long ones a chunk. -DSTEP: s5 if it is
 *           1, -1 or 2, else 0: a gather, whose cache lines serve the next rows.
 *   items   GPU: the same, a work-item an element
 *   strips  CPU: y[b, i, j] = x[b, j, i]: a work-item makes `per` strips of `rows` rows i of y, in tiles of 16 x 16;
 *           strips of 64 rows read 4 cache lines that lie side by side at a time
 *   tiles   GPU: y[b, i, j] = x[b, j, i]: tiles of 16 x 16 through local memory, so that both sides are contiguous
 *   place_rows, place_items: y[b0 + i0 k0, ...] = x[i0, ...], value elsewhere (-DV: its type)
 *
 * -DT=float|double|int|long|uchar|ushort: the storage type. */
#include "clg.clh"

#define T16 CLG_CAT(T, 16)

#define AXES const int d1, const int d2, const int d3, const int d4, const int d5, \
             const long s0, const long s1, const long s2, const long s3, const long s4, const long s5, \
             const long from, const long to, const long pitch

/* Digits of row r, the last axis left out. */
#define DIGITS(r)                                                       \
    const uint r3 = (r) / d4, r2 = r3 / d3, r1 = r2 / d2;               \
    int i4 = (r) - r3 * d4, i3 = r3 - r2 * d3, i2 = r2 - r1 * d2, i0 = r1 / d1, i1 = r1 - (uint)i0 * d1

#define ROW_START (from + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4)

/* To the next row: cheaper than dividing again where rows are short. */
#define NEXT_ROW                                          \
    if (++i4 == d4) {                                     \
        i4 = 0;                                           \
        if (++i3 == d3) {                                 \
            i3 = 0;                                       \
            if (++i2 == d2) {                             \
                i2 = 0;                                   \
                if (++i1 == d1) i1 = 0, i0++;             \
            }                                             \
        }                                                 \
    }

KERNEL rows(IN(x), OUT(y), const int n, AXES, const int chunk, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    const int begin = get_global_id(1) * chunk, stop = min(begin + chunk, d5);
    DIGITS(first);
    for (uint r = first; r < end; r++) {
        const __global T *src = AT(x, ROW_START);
        __global T *dst = AT(y, to + r * pitch);
        int i = begin;
#if STEP == 1
        for (; i + 16 <= stop; i += 16) vstore16(vload16(0, src + i), 0, dst + i);
        for (; i < stop; i++) dst[i] = src[i];
#elif STEP == -1
        for (; i + 16 <= stop; i += 16) vstore16(vload16(0, src - i - 15).sfedcba9876543210, 0, dst + i);
        for (; i < stop; i++) dst[i] = src[-i];
#elif STEP == 2
        for (; i + 16 <= stop; i += 16)
            vstore16((T16)(vload16(0, src + 2 * i).even, vload16(1, src + 2 * i).even), 0, dst + i);
        for (; i < stop; i++) dst[i] = src[2 * i];
#else
        for (; i < stop; i++) dst[i] = src[i * s5];
#endif
        NEXT_ROW
    }
}

KERNEL items(IN(x), OUT(y), const int n, AXES, const int chunk, const int per) {
    const size_t i = get_global_id(0);
    const uint r = i / d5;
    if (i >= (size_t)n * d5) return;
    DIGITS(r);
    const long at = i - (size_t)r * d5;
    STORE(y, to + r * pitch + at, LOAD(x, ROW_START + at * s5));
}


/* A step of transposing 16 x 16 in registers: vectors a[i] and a[i + 8] are shuffled like cards into b[2 i] and
 * b[2 i + 1], which turns the 8 bits of an element's place (row, column) round by one: 4 steps swap row and column. */
#define SHUFFLE(b, a)                                                                      \
    _Pragma("unroll") for (int k = 0; k < 8; k++) {                                        \
        b[2 * k] = MIX(a[k].lo, a[k + 8].lo);                                              \
        b[2 * k + 1] = MIX(a[k].hi, a[k + 8].hi);                                          \
    }
#define MIX(a, b) ((T16)((a), (b))).s08192a3b4c5d6e7f

KERNEL strips(IN(x), OUT(y), const int n, const int h, const int w, const int rows, const int per) {
    const size_t per_matrix = (h + rows - 1) / rows, first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    for (size_t s = first; s < end; s++) {
        const size_t b = s / per_matrix, matrix = b * h * w;
        const int strip = (int)(s - b * per_matrix) * rows, strip_end = min(strip + rows, h);
        for (int j0 = 0; j0 < w; j0 += 16) {
            const int cols_here = min(16, w - j0);
            for (int i0 = strip; i0 < strip_end; i0 += 16) {
                const int rows_here = min(16, h - i0);
                T16 t[16], u[16];
                for (int j = 0; j < 16; j++)
                    t[j] = vload16(0, AT(x, matrix + (size_t)(j0 + min(j, cols_here - 1)) * h + i0));
                SHUFFLE(u, t)
                SHUFFLE(t, u)
                SHUFFLE(u, t)
                SHUFFLE(t, u)
                for (int i = 0; i < rows_here; i++) {
                    __global T *to = AT(y, matrix + (size_t)(i0 + i) * w + j0);
                    if (cols_here == 16) {
                        vstore16(t[i], 0, to);
                    } else {
                        T rest[16];
                        vstore16(t[i], 0, rest);
                        for (int j = 0; j < cols_here; j++) to[j] = rest[j];
                    }
                }
            }
        }
    }
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

#ifdef V
#define PLACES const int d1, const int d2, const int d3, const int d4, const int d5, const int b0, const int b1,     \
               const int b2, const int b3, const int b4, const int b5, const int k0, const int k1, const int k2,     \
               const int k3, const int k4, const int k5, const int n0, const int n1, const int n2, const int n3,     \
               const int n4, const int n5, const V value

/* Which element along an axis of x comes to place j of y's: -1 if none. */
static inline int source(int j, int b, int k, int n) {
    j -= b;
    if (k == 1) return j < n ? j : -1; /* before b it is negative */
    const int i = j / k;
    return i * k == j && i >= 0 && i < n ? i : -1;
}

/* Where row (i0, ..., i4) of y begins in x; negative if nothing of x comes there. */
#define ROW_SOURCE                                                                                           \
    const int a0 = source(i0, b0, k0, n0), a1 = source(i1, b1, k1, n1), a2 = source(i2, b2, k2, n2),         \
              a3 = source(i3, b3, k3, n3), a4 = source(i4, b4, k4, n4);                                      \
    const long start = a0 < 0 || a1 < 0 || a2 < 0 || a3 < 0 || a4 < 0 ? -1                                   \
                       : ((((long)a0 * n1 + a1) * n2 + a2) * n3 + a3) * n4 * n5 + (long)a4 * n5

static inline void fill(__global T *to, int n, T v) {
    int i = 0;
    for (; i + 16 <= n; i += 16) vstore16((T16)v, 0, to + i);
    for (; i < n; i++) to[i] = v;
}

KERNEL place_rows(IN(x), OUT(y), const int n, PLACES, const int chunk, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    const int begin = get_global_id(1) * chunk, stop = min(begin + chunk, d5);
    DIGITS(first);
    for (uint r = first; r < end; r++) {
        ROW_SOURCE;
        __global T *dst = AT(y, (long)r * d5);
        if (start < 0) {
            fill(dst + begin, stop - begin, (T)value);
        } else if (k5 == 1) {
            const int low = clamp(b5, begin, stop), high = clamp(b5 + n5, low, stop);
            const __global T *src = AT(x, start - b5);
            fill(dst + begin, low - begin, (T)value);
            int i = low;
            for (; i + 16 <= high; i += 16) vstore16(vload16(0, src + i), 0, dst + i);
            for (; i < high; i++) dst[i] = src[i];
            fill(dst + high, stop - high, (T)value);
        } else {
            for (int j = begin; j < stop; j++) {
                const int at = source(j, b5, k5, n5);
                dst[j] = at < 0 ? (T)value : LOAD(x, start + at);
            }
        }
        NEXT_ROW
    }
}

KERNEL place_items(IN(x), OUT(y), const int n, PLACES, const int chunk, const int per) {
    const size_t i = get_global_id(0);
    const uint r = i / d5;
    if (i >= (size_t)n * d5) return;
    DIGITS(r);
    ROW_SOURCE;
    const int at = source(i - (size_t)r * d5, b5, k5, n5);
    STORE(y, i, start < 0 || at < 0 ? (T)value : LOAD(x, start + at));
}
#endif

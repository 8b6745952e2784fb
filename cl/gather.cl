/* Elements by a tensor of indices, and the way back. x[o,j,i] has h places j along its axis and `inner` elements i
 * behind it; an index outside of 0 .. h - 1 reads MISSING and writes nothing. Each element of y has one writer, which
 * adds in the order of the indices.
 *
 *   rows, lists, items        y[o,k,i] = x[o,index[k],i]; w indices, n = outer w rows
 *   add_rows, add_items       y[o,j,i] = sum of x[o,k,i] over the k with index[k] = j; y has h places, x has w. A
 *                             work-item owns `span` neighbouring places j of one o (items: and one i), and reads all
 *   indices along                     y[o,k,i] = x[o,index[o,k,i],i]; n elements
 *   add_along                 y[o,j,i] = sum of x[o,k,i] over the k with index[o,k,i] = j; a work-item owns a column
 *                             (o, i); n columns
 *
 * -DT: storage type of x and y. -DIDX=int|long: of the indices. -DMISSING: NAN, or 0 for integers.
 * -DSAFE=1: all indices are in range. */
#include "clg.clh"

#ifndef IDX
#define IDX int
#endif
#define T16 CLG_CAT(T, 16)

KERNEL rows(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner, const int chunk,
            const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    const int begin = get_global_id(1) * chunk, stop = min(begin + chunk, inner);
    uint o = first / w;
    int k = first - o * w;
    for (uint r = first; r < end; r++) {
        const IDX j = LOAD(index, k);
        __global T *dst = AT(y, (size_t)r * inner);
        int i = begin;
        if (j < 0 || j >= h) {
            for (; i < stop; i++) dst[i] = (T)MISSING;
        } else {
            const __global T *src = AT(x, ((size_t)o * h + j) * inner);
            for (; i + 16 <= stop; i += 16) vstore16(vload16(0, src + i), 0, dst + i);
            for (; i < stop; i++) dst[i] = src[i];
        }
        if (++k == w) k = 0, o++;
    }
}

/* As rows, where inner is 1: a work-item makes all of `per` outer places o. */
KERNEL lists(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner, const int chunk,
             const int per) {
    const uint outer = n / w, first = get_global_id(0) * per, end = min(first + per, outer);
    for (uint o = first; o < end; o++) {
        const __global T *src = AT(x, (size_t)o * h);
        const __global IDX *list = AT(index, 0);
        __global T *dst = AT(y, (size_t)o * w);
        for (int k = 0; k < w; k++) {
#ifdef SAFE
            dst[k] = src[list[k]];
#else
            const IDX j = list[k];
            dst[k] = j < 0 || j >= h ? (T)MISSING : src[j];
#endif
        }
    }
}

KERNEL items(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner, const int chunk,
             const int per) {
    const size_t id = get_global_id(0), r = id / inner, o = r / w;
    if (id >= (size_t)n * inner) return;
    const IDX j = LOAD(index, r - o * w);
    STORE(y, id, j < 0 || j >= h ? (T)MISSING : LOAD(x, (o * h + j) * inner + (id - r * inner)));
}

KERNEL add_rows(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner,
                const int span) {
    const uint spans = (h + span - 1) / span, o = get_global_id(0) / spans;
    const int j0 = (get_global_id(0) - o * spans) * span, here = min(span, h - j0);
    __global T *dst = AT(y, ((size_t)o * h + j0) * inner);
    const __global T *src = AT(x, (size_t)o * w * inner);
    if (get_global_id(0) >= n) return;
    for (size_t i = 0; i < (size_t)here * inner; i++) dst[i] = 0;
    for (int k = 0; k < w; k++) {
        const IDX j = LOAD(index, k) - j0;
        if (j < 0 || j >= here) continue;
        __global T *to = dst + (size_t)j * inner;
        const __global T *from = src + (size_t)k * inner;
        int i = 0;
        for (; i + 16 <= inner; i += 16) vstore16(vload16(0, to + i) + vload16(0, from + i), 0, to + i);
        for (; i < inner; i++) to[i] += from[i];
    }
}

KERNEL add_items(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner,
                 const int span) {
    const size_t id = get_global_id(0), spans = (h + span - 1) / span, block = id / inner, o = block / spans;
    if (id >= (size_t)n * inner) return;
    const int i = id - block * inner, j0 = (int)(block - o * spans) * span, here = min(span, h - j0);
    __global T *dst = AT(y, (o * h + j0) * inner + i);
    for (int j = 0; j < here; j++) dst[(size_t)j * inner] = 0;
    for (int k = 0; k < w; k++) {
        const IDX j = LOAD(index, k) - j0;
        if (j >= 0 && j < here) dst[(size_t)j * inner] += LOAD(x, (o * w + k) * inner + i);
    }
}

KERNEL along(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    for (uint e = first; e < end; e++) {
        const uint r = e / inner, o = r / w;
        const IDX j = LOAD(index, e);
        STORE(y, e, j < 0 || j >= h ? (T)MISSING : LOAD(x, ((size_t)o * h + j) * inner + (e - r * inner)));
    }
}

KERNEL add_along(IN(x), IN_T(IDX, index), OUT(y), const int n, const int h, const int w, const int inner,
                 const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    for (uint c = first; c < end; c++) {
        const uint o = c / inner, i = c - o * inner;
        __global T *dst = AT(y, (size_t)o * h * inner + i);
        for (int j = 0; j < h; j++) dst[(size_t)j * inner] = 0;
        for (int k = 0; k < w; k++) {
            const size_t e = ((size_t)o * w + k) * inner + i;
            const IDX j = LOAD(index, e);
            if (j >= 0 && j < h) dst[(size_t)j * inner] += LOAD(x, e);
        }
    }
}

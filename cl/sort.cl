/* Indices of rows in order, stable; see src/ops/sort.c. What is sorted are integers that hold an element's key and its
 * index, so that equal keys keep their order and one comparison, without a branch, decides. -DT: type of x,
 * -DREAL=1: a float. -DWIDE=1: 64-bit keys, else 32. -DDESCENDING=1. NaN is the largest; -0 equals 0.
 *
 *   merge_pieces  CPU: a work-item sorts `per` pieces of rows by merging, from 8 elements upwards; ends in items
 *   rank_pieces   GPU: a work-group a piece, a work-item an element: it counts what goes before its own
 *   merge         neighbouring sorted pieces of `width` elements become one; a work-item makes `chunk` elements
 *   unpack        the indices of the first `count` of each row
 *   first         a work-item keeps the first `count` of a row, at most 32, in a sorted list */
#include "clg.clh"

#ifdef WIDE
#define KEY     long
#define LARGEST LONG_MAX
#define KEY_OF(x)     as_long(x)
#define ITEM    long2
#define PACK(key, i)  ((long2)(key, i))
#define INDEX(item)   ((int)(item).y)
#define BEFORE(a, b)  (((a).x < (b).x) | (((a).x == (b).x) & ((a).y < (b).y)))
#else
#define KEY     int
#define LARGEST INT_MAX
#define KEY_OF(x)     as_int(x)
#define ITEM    long
#define PACK(key, i)  (((long)(key) << 32) | (i))
#define INDEX(item)   ((int)(item))
#define BEFORE(a, b)  ((a) < (b))
#endif
#define ITEMS(x, at)  ((__global ITEM *)((x) + (x##_off)) + (at))
#define RESULT(x, at) ((const __global ITEM *)((x) + (x##_off)) + (at))

/* A whole number that is ordered as x is: the bits of floats, with those of negative ones turned round. */
static inline ITEM item_of(T x, int i) {
#ifdef REAL
    KEY key = x == 0 ? 0 : KEY_OF(x);
    key = x != x ? LARGEST : key ^ ((key >> (sizeof(KEY) * 8 - 1)) & LARGEST);
#else
    KEY key = x;
#endif
#ifdef DESCENDING
    key = ~key;
#endif
    return PACK(key, i);
}

static inline void merge_two(const __global ITEM *from, __global ITEM *to, int a, int m, int b) {
    int i = a, j = m, k = a;
    while (i < m && j < b) {
        const ITEM p = from[i], q = from[j];
        const int second = BEFORE(q, p);
        to[k++] = second ? q : p;
        i += 1 - second;
        j += second;
    }
    while (i < m) to[k++] = from[i++];
    while (j < b) to[k++] = from[j++];
}

KERNEL merge_pieces(IN(x), INOUT_T(long, items), INOUT_T(long, other), const int n, const int size, const int piece,
                    const int per) {
    const uint pieces = (size + piece - 1) / piece;
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    for (uint p = first; p < end; p++) {
        const uint r = p / pieces;
        const int begin = (p - r * pieces) * piece, here = min(piece, size - begin);
        const size_t at = (size_t)r * size + begin;
        int odd = 0;
        for (int width = 8; width < here; width *= 2) odd ^= 1;
        __global ITEM *from = odd ? ITEMS(other, at) : ITEMS(items, at);
        __global ITEM *to = odd ? ITEMS(items, at) : ITEMS(other, at);
        for (int run = 0; run < here; run += 8)
            for (int i = run; i < min(run + 8, here); i++) {
                const ITEM item = item_of(LOAD(x, at + i), begin + i);
                int k = i;
                for (; k > run && BEFORE(item, from[k - 1]); k--) from[k] = from[k - 1];
                from[k] = item;
            }
        for (int width = 8; width < here; width *= 2) {
            for (int a = 0; a < here; a += 2 * width)
                merge_two(from, to, a, min(a + width, here), min(a + 2 * width, here));
            __global ITEM *t = from;
            from = to, to = t;
        }
    }
}

KERNEL rank_pieces(IN(x), OUT_T(long, items), const int n, const int size) {
    __local ITEM piece[WGX];
    const uint pieces = (size + WGX - 1) / WGX, r = get_group_id(0) / pieces;
    const int begin = (get_group_id(0) - r * pieces) * WGX, here = min(WGX, size - begin), l = get_local_id(0);
    const size_t at = (size_t)r * size + begin;
    if (l < here) piece[l] = item_of(LOAD(x, at + l), begin + l);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (l >= here) return;
    const ITEM item = piece[l];
    int rank = 0;
    for (int m = 0; m < here; m++) rank += BEFORE(piece[m], item);
    ITEMS(items, at)[rank] = item;
}

KERNEL merge(IN_T(long, items), OUT_T(long, other), const int n, const int size, const int width, const int chunk) {
    const uint chunks = (size + chunk - 1) / chunk, r = get_global_id(0) / chunks;
    if (get_global_id(0) >= n) return;
    const int begin = (get_global_id(0) - r * chunks) * chunk, end = min(begin + chunk, size);
    const int base = begin / width / 2 * 2 * width; /* 2 width may not fit an int */
    const int na = min(width, size - base), nb = min(width, size - base - na), d = begin - base;
    const __global ITEM *a = RESULT(items, (size_t)r * size + base), *b = a + na;
    __global ITEM *to = ITEMS(other, (size_t)r * size);
    int low = max(0, d - nb), high = min(d, na); /* how many of a are among the first d */
    while (low < high) {
        const int m = low + (high - low) / 2;
        if (BEFORE(b[d - 1 - m], a[m])) high = m;
        else low = m + 1;
    }
    int i = low, j = d - low, k = begin;
    for (; k < end && i < na && j < nb; k++) {
        const ITEM p = a[i], q = b[j];
        const int second = BEFORE(q, p);
        to[k] = second ? q : p;
        i += 1 - second;
        j += second;
    }
    for (; k < end; k++) to[k] = i < na ? a[i++] : b[j++];
}

KERNEL unpack(IN_T(long, items), OUT_T(int, y), const int n, const int size, const int count, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    uint r = first / count;
    int k = first - r * count;
    for (uint e = first; e < end; e++) {
        STORE(y, e, INDEX(RESULT(items, (size_t)r * size)[k]));
        if (++k == count) k = 0, r++;
    }
}

KERNEL first(IN(x), OUT_T(int, y), const int n, const int size, const int count, const int per) {
    const uint first = get_global_id(0) * per, end = min(first + per, (uint)n);
    for (uint r = first; r < end; r++) {
        ITEM best[32];
        int have = 0;
        for (int i = 0; i < size; i++) {
            const ITEM item = item_of(LOAD(x, (size_t)r * size + i), i);
            if (have == count && !BEFORE(item, best[count - 1])) continue;
            int k = have < count ? have++ : count - 1;
            for (; k > 0 && BEFORE(item, best[k - 1]); k--) best[k] = best[k - 1];
            best[k] = item;
        }
        for (int k = 0; k < count; k++) STORE(y, (size_t)r * count + k, INDEX(best[k]));
    }
}

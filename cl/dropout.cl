/* Dropout: y[i] = x[i] scale where the random word of i is at least the threshold, else 0.
 *
 * Word of element i: word i % 4 of Philox4x32-10 at counter (quad + i / 4, tick, node, 0) under the key: it depends on
 * nothing else, so every device draws the same mask, and the backward pass draws it again. For planes, i is the
 * plane's number.
 *
 *   blocks        CPU: a work-item makes `per` blocks of 64 elements, 16 counters at once
 *   quads         GPU: a work-item makes the 4 elements of a counter
 *   planes        CPU: a work-item makes `per` planes of `size` elements
 *   group_planes  GPU: a work-group makes a plane */
#include "clg.clh"
#include "random.clh"

#define RANDOM const int key0, const int key1, const int node, const int threshold, const ACC scale, const int quad

/* Masks have the width of what they choose from. */
#ifdef CLG_F64
#define WIDE(mask) convert_long16(mask)
#else
#define WIDE(mask) (mask)
#endif

KERNEL blocks(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM, const int per) {
    const long first = (long)get_global_id(0) * per * 64, end = min(first + (long)per * 64, n);
    const uint limit = (uint)threshold, now = (uint)LOAD(tick, 0);
    for (long i = first; i < end; i += 64) {
        uint16 words[4];
        ACC16 v[4];
        philox_block((uint)quad + (uint)(i / 4), now, (uint)node, (uint)key0, (uint)key1, words);
        for (int k = 0; k < 4; k++)
            v[k] = WIDE(words[k] >= (uint16)(limit)) ? vload16(k, AT(x, i)) * scale : (ACC16)(0);
        store_block(AT(y, i), v, n - i);
    }
}

KERNEL quads(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM) {
    const size_t i = get_global_id(0) * 4;
    if (i >= (size_t)n) return;
    const uint4 w = philox_quad((uint)quad + (uint)(i / 4), (uint)LOAD(tick, 0), (uint)node, (uint)key0, (uint)key1);
    const uint limit = (uint)threshold, words[4] = { w.x, w.y, w.z, w.w };
    for (int j = 0; j < 4 && i + j < (size_t)n; j++) STORE(y, i + j, words[j] >= limit ? LOAD(x, i + j) * scale : 0);
}

/* Whether plane i stays. */
#define STAYS(i) plane_stays((ulong)(i), (uint)quad, (uint)LOAD(tick, 0), (uint)node, (uint)key0, (uint)key1, (uint)threshold)
static inline bool plane_stays(const ulong i, const uint quad, const uint tick, const uint node, const uint k0, const uint k1,
                               const uint limit) {
    const uint4 w = philox_quad(quad + (uint)(i / 4), tick, node, k0, k1);
    const uint pair = i & 2 ? (i & 1 ? w.w : w.z) : (i & 1 ? w.y : w.x);
    return pair >= limit;
}

KERNEL planes(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM, const long size, const int per) {
    const long first = (long)get_global_id(0) * per, end = min(first + per, n / size);
    for (long i = first; i < end; i++) {
        const bool stays = STAYS(i);
        const long stop = (i + 1) * size;
        long j = i * size;
        for (; j + 16 <= stop; j += 16) STORE16(y, j, stays ? LOAD16(x, j) * scale : (ACC16)(0));
        for (; j < stop; j++) STORE(y, j, stays ? LOAD(x, j) * scale : 0);
    }
}

KERNEL group_planes(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM, const long size) {
    const size_t i = get_group_id(0);
    const bool stays = STAYS(i);
    for (size_t j = get_local_id(0); j < (size_t)size; j += WGX)
        STORE(y, i * size + j, stays ? LOAD(x, i * size + j) * scale : 0);
}

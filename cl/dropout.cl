/* Dropout: y[i] = x[i] scale where the random word of i is at least the threshold, else 0.
 *
 * Word of element i: word i % 4 of Philox4x32-10 at counter (i / 4, tick, node, 0) under the key: it depends on nothing
 * else, so every device draws the same mask, and the backward pass draws it again.
 *
 *   blocks  CPU: a work-item makes `per` blocks of 64 elements, 16 counters at once
 *   quads   GPU: a work-item makes the 4 elements of a counter */
#include "clg.clh"
#include "random.clh"

#define RANDOM const int key0, const int key1, const int node, const int threshold, const float scale

/* Counter l of a block serves its elements 4 l .. 4 l + 3, so words are woven: c0[0], c1[0], c2[0], c3[0], c0[1] ... */
#define ZIP(type, a, b) ((type)((a), (b))).s08192a3b4c5d6e7f
#define WEAVE(half) \
    ZIP(ulong16, as_ulong8(ZIP(uint16, c0.half, c1.half)), as_ulong8(ZIP(uint16, c2.half, c3.half)))
#define KEEP(words, v) (((words) >= (uint16)(limit)) ? (v) * scale : (float16)(0.0f))

KERNEL blocks(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM, const int per) {
    const long first = (long)get_global_id(0) * per * 64, end = min(first + (long)per * 64, n);
    const uint16 lane = (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const uint limit = (uint)threshold, now = (uint)LOAD(tick, 0);
    for (long i = first; i < end; i += 64) {
        uint16 c0 = (uint16)((uint)(i / 4)) + lane, c1 = (uint16)(now), c2 = (uint16)((uint)node), c3 = (uint16)(0);
        uint k0 = (uint)key0, k1 = (uint)key1;
        PHILOX(uint16, PHILOX_HIGH16);
        const __global T *from = AT(x, i);
        const ulong16 low = WEAVE(lo), high = WEAVE(hi);
        const float16 a = KEEP(as_uint16(low.lo), vload16(0, from)), b = KEEP(as_uint16(low.hi), vload16(1, from));
        const float16 c = KEEP(as_uint16(high.lo), vload16(2, from)), d = KEEP(as_uint16(high.hi), vload16(3, from));
        if (i + 64 <= n) {
            __global T *to = AT(y, i);
            vstore16(a, 0, to);
            vstore16(b, 1, to);
            vstore16(c, 2, to);
            vstore16(d, 3, to);
        } else {
            float rest[64];
            vstore16(a, 0, rest);
            vstore16(b, 1, rest);
            vstore16(c, 2, rest);
            vstore16(d, 3, rest);
            for (int j = 0; j < (int)(n - i); j++) STORE(y, i + j, rest[j]);
        }
    }
}

KERNEL quads(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM) {
    const size_t i = get_global_id(0) * 4;
    const uint limit = (uint)threshold;
    uint c0 = (uint)(i / 4), c1 = (uint)LOAD(tick, 0), c2 = (uint)node, c3 = 0, k0 = (uint)key0, k1 = (uint)key1;
    if (i >= (size_t)n) return;
    PHILOX(uint, PHILOX_HIGH);
    const uint words[4] = { c0, c1, c2, c3 };
    for (int j = 0; j < 4 && i + j < (size_t)n; j++)
        STORE(y, i + j, words[j] >= limit ? LOAD(x, i + j) * scale : 0.0f);
}

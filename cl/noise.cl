/* y = x + sigma z, z from N(0, 1) by Box and Muller's method from the random words of dropout.cl; src/ops/noise.c has
 * the formulas.
 *
 *   blocks  CPU: a work-item makes `per` blocks of 64 elements, 16 counters at once
 *   quads   GPU: a work-item makes the 4 elements of a counter */
#include "clg.clh"
#include "random.clh"

#define RANDOM const int key0, const int key1, const int node, const ACC sigma, const int per

/* (w / 2^9 + 1/2) / 2^23, exact */
#define UNIT(V, w) ((CLG_CAT(convert_, V)((w) >> 9u) + (V)(0.5f)) * (V)(0x1p-23f))

/* Even lanes of words and their successors give even and odd lanes of z. */
static inline ACC16 normals(const uint16 words) {
    const ACC8 r = sqrt((ACC8)(-2) * log(UNIT(ACC8, words.even))), t = (ACC8)(2) * UNIT(ACC8, words.odd);
    ACC16 z;
    z.even = r * cospi(t);
    z.odd = r * sinpi(t);
    return z;
}

KERNEL blocks(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM) {
    const long first = (long)get_global_id(0) * per * 64, end = min(first + (long)per * 64, n);
    const uint now = (uint)LOAD(tick, 0);
    for (long i = first; i < end; i += 64) {
        uint16 words[4];
        ACC16 v[4];
        philox_block((uint)(i / 4), now, (uint)node, (uint)key0, (uint)key1, words);
        for (int k = 0; k < 4; k++) v[k] = vload16(k, AT(x, i)) + sigma * normals(words[k]);
        store_block(AT(y, i), v, n - i);
    }
}

KERNEL quads(IN(x), IN_T(int, tick), OUT(y), const long n, RANDOM) {
    const size_t i = get_global_id(0) * 4;
    if (i >= (size_t)n) return;
    const uint4 w = philox_quad((uint)(i / 4), (uint)LOAD(tick, 0), (uint)node, (uint)key0, (uint)key1);
    const ACC2 r = sqrt((ACC2)(-2) * log(UNIT(ACC2, w.even))), t = (ACC2)(2) * UNIT(ACC2, w.odd);
    const ACC z[4] = { r.x * cospi(t.x), r.x * sinpi(t.x), r.y * cospi(t.y), r.y * sinpi(t.y) };
    for (int j = 0; j < 4 && i + j < (size_t)n; j++) STORE(y, i + j, LOAD(x, i + j) + sigma * z[j]);
}

/* Sums of two things in one launch, over sets of axes in the merged form of reduce.clh:
 *
 *   moments     mean = sum of x / n, var = sum of (x - mean)^2 / n: two sweeps, of which the second mostly finds the
 *               segment in a cache. The mean is taken off first, so nothing cancels
 *   comoments   s = sum of u, t = sum of u (x - mean)
 *
 *   ..._rows    CPU, K3 = 1: lanes along the columns; a work-item makes `per` segments
 *   ..._cols    CPU: lanes along k3; a work-item makes `per` blocks of 16 results
 *   ..._tree    GPU, K3 = 1: a work-group a segment; its items stride through it, then a tree in local memory
 *   ..._items   GPU: a work-item a result
 *
 * One writer for each result, sums in an order that the shape fixes. */
#include "clg.clh"
#include "reduce.clh"

#if WGX == 1
#define V    ACC16
#define X(i) CLG_LOAD16(AT(x, i))
#define U(i) CLG_LOAD16(AT(u, i))
#else
#define V    ACC
#define X(i) LOAD(x, i)
#define U(i) LOAD(u, i)
#endif

#ifdef CLG_F64
#define BELOW(count) convert_long16(lanes < (int16)(count))
#define MASK long16
#else
#define BELOW(count) (lanes < (int16)(count))
#define MASK int16
#endif
#define ALL(v)  (v)
#define SOME(v) select((V)(0), (v), some)

/* What an element does to the sums k0 and k1; M leaves out lanes past the end. */
#define ADD(k, i, M) k##0 += M(X(i));
#define ADD_SQUARE(k, i, M)               \
    {                                     \
        const V d = M(X(i) - about);      \
        k##0 += d * d;                    \
    }
#define ADD_BOTH(k, i, M)                         \
    {                                             \
        const V w = U(i), wx = w * (X(i) - about); \
        k##0 += M(w);                             \
        k##1 += M(wx);                            \
    }

#define SWEEP_ROWS(BODY)                                    \
    for (int r = 0; r < r0 * r1; r++) {                     \
        const size_t at = ROW_BASE((size_t)r);              \
        int i = 0;                                          \
        for (; i + 32 <= r2; i += 32) {                     \
            BODY(a, at + i, ALL)                            \
            BODY(b, at + i + 16, ALL)                       \
        }                                                   \
        for (; i + 16 <= r2; i += 16) { BODY(a, at + i, ALL) } \
        if (i < r2) {                                       \
            const MASK some = BELOW(r2 - i);                \
            BODY(a, at + i, SOME)                           \
        }                                                   \
    }
#define SWEEP_COLS(BODY)                                            \
    for (int r = 0; r < r0 * r1; r++) {                             \
        const size_t row = ROW_BASE((size_t)r) + lane;              \
        for (int i = 0; i < r2; i++) { BODY(a, row + (size_t)i * k3, ALL) } \
    }
#define SWEEP_GROUP(BODY)                                   \
    for (uint e = me; e < count; e += WGX) {                \
        const uint r = e / width;                           \
        BODY(a, ROW_BASE((size_t)r) + (e - r * width), ALL) \
    }

/* Segments of a work-item; blocks of 16 results of segments; what a group and an item of class gpu needs. */
#define EACH_SEGMENT                                                                               \
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);                \
    const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);             \
    for (size_t o = first; o < end; o++)
#define EACH_BLOCK                                                                                 \
    const size_t blocks = ((size_t)k3 + 15) / 16, total = n * blocks;                              \
    const size_t first = get_global_id(0) * per, end = min(first + per, total);                    \
    for (size_t block = first; block < end; block++)
#define BLOCK                                                                                      \
    const size_t o = block / blocks, lane = (block - o * blocks) * 16, at = o * k3 + lane;         \
    const int left = (int)min((size_t)16, k3 - lane);                                              \
    GEOMETRY(o)
#define GROUP                                                                                      \
    __local ACC part[WGX];                                                                         \
    const size_t o = get_group_id(0);                                                              \
    const uint me = get_local_id(0), width = max(r2, 1), count = (uint)(r0 * r1) * (uint)r2;       \
    GEOMETRY(o)
#define ITEM                                                                                       \
    const size_t at = get_global_id(0);                                                            \
    if (at >= (size_t)n * k3) return;                                                              \
    const size_t o = at / k3, lane = at - o * k3;                                                  \
    GEOMETRY(o)

/* Sum over a work-group, for all of its items. */
inline ACC group_sum(const ACC v, __local ACC *part) {
    const uint me = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE); /* what was there before has been read */
    part[me] = v;
    for (uint half_size = WGX / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_size) part[me] += part[me + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return part[0];
}

/* --- moments --- */

#define MOMENTS IN(x), OUT(mean), OUT(var), const int n, SIZES, const ACC scale

KERNEL moments_rows(MOMENTS, const int per) {
    EACH_SEGMENT {
        GEOMETRY(o);
        V a0 = 0, b0 = 0;
        SWEEP_ROWS(ADD)
        const ACC about = clg_sum16(a0 + b0) * scale;
        a0 = b0 = 0;
        SWEEP_ROWS(ADD_SQUARE)
        STORE(mean, o, about);
        STORE(var, o, clg_sum16(a0 + b0) * scale);
    }
}

KERNEL moments_cols(MOMENTS, const int per) {
    EACH_BLOCK {
        BLOCK;
        V a0 = 0;
        SWEEP_COLS(ADD)
        const V about = a0 * scale;
        a0 = 0;
        SWEEP_COLS(ADD_SQUARE)
        clg_store_part(AT(mean, at), about, left);
        clg_store_part(AT(var, at), a0 * scale, left);
    }
}

KERNEL moments_tree(MOMENTS) {
    GROUP;
    V a0 = 0;
    SWEEP_GROUP(ADD)
    const ACC about = group_sum(a0, part) * scale;
    a0 = 0;
    SWEEP_GROUP(ADD_SQUARE)
    const ACC squares = group_sum(a0, part);
    if (me > 0) return;
    STORE(mean, o, about);
    STORE(var, o, squares * scale);
}

KERNEL moments_items(MOMENTS) {
    ITEM;
    V a0 = 0;
    SWEEP_COLS(ADD)
    const ACC about = a0 * scale;
    a0 = 0;
    SWEEP_COLS(ADD_SQUARE)
    STORE(mean, at, about);
    STORE(var, at, a0 * scale);
}

/* --- comoments --- */

#define COMOMENTS IN(u), IN(x), IN(mean), OUT(s), OUT(t), const int n, SIZES

KERNEL comoments_rows(COMOMENTS, const int per) {
    EACH_SEGMENT {
        GEOMETRY(o);
        const ACC about = LOAD(mean, o);
        V a0 = 0, a1 = 0, b0 = 0, b1 = 0;
        SWEEP_ROWS(ADD_BOTH)
        STORE(s, o, clg_sum16(a0 + b0));
        STORE(t, o, clg_sum16(a1 + b1));
    }
}

KERNEL comoments_cols(COMOMENTS, const int per) {
    EACH_BLOCK {
        BLOCK;
        const V about = CLG_LOAD16(AT(mean, at));
        V a0 = 0, a1 = 0;
        SWEEP_COLS(ADD_BOTH)
        clg_store_part(AT(s, at), a0, left);
        clg_store_part(AT(t, at), a1, left);
    }
}

KERNEL comoments_tree(COMOMENTS) {
    GROUP;
    const ACC about = LOAD(mean, o);
    V a0 = 0, a1 = 0;
    SWEEP_GROUP(ADD_BOTH)
    const ACC plain = group_sum(a0, part), about_mean = group_sum(a1, part);
    if (me > 0) return;
    STORE(s, o, plain);
    STORE(t, o, about_mean);
}

KERNEL comoments_items(COMOMENTS) {
    ITEM;
    const ACC about = LOAD(mean, at);
    V a0 = 0, a1 = 0;
    SWEEP_COLS(ADD_BOTH)
    STORE(s, at, a0);
    STORE(t, at, a1);
}

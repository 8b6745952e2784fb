/* Cumulative sums over the middle axis of [outer, n, inner], forwards or backwards:
 *
 *   y[s] = from + x[0] + ... + x[s]          s counts in the direction of the scan; -DEXCLUSIVE: without x[s]
 *
 * A launch may cut the axis into `parts` of part_len. With -DTOTAL=1 it gives the sum of each part, [outer, parts,
 * inner]; the exclusive scan of those, by another launch, is what a third one starts its parts from (-DFROM=1). So the
 * order of summation depends on the shape alone, and each result has one writer.
 *
 *   rows   CPU, inner = 1: 16 steps at once, by a prefix sum within the vector; a work-item makes `per` parts
 *   cols   CPU: lanes along inner; a work-item makes `per` blocks of 16 parts
 *   tree   GPU, inner = 1: a work-group a part; for each WGX steps a prefix sum in local memory (Hillis & Steele 1986),
 *          or, with -DSUBGROUP=1, one of each sub-group, behind the sums of those before it
 *   items  GPU: a work-item a part
 *
 * -DT=float|double|int|long, -DREVERSE=1 */
#include "clg.clh"
#include "team.clh"

#define T16 CLG_CAT(T, 16)
#define T8  CLG_CAT(T, 8)
#define T4  CLG_CAT(T, 4)
#define T2  CLG_CAT(T, 2)

#ifdef REVERSE
#define PLACE(s) (n - 1 - (s))
#else
#define PLACE(s) (s)
#endif
#ifdef FROM
#define PARAMS IN(x), IN(from), OUT(y)
#define BEGIN(at) LOAD(from, at)
#define BEGIN16(at) LOAD16(from, at)
#else
#define PARAMS IN(x), OUT(y)
#define BEGIN(at) ((T)0)
#define BEGIN16(at) ((T16)((T)0))
#endif

/* One step: the result of it, and the sum so far. */
#ifdef EXCLUSIVE
#define STEP(sum, v, put) { put(sum); sum += v; }
#else
#define STEP(sum, v, put) { sum += v; put(sum); }
#endif

/* Lanes move up by one, two, ...; the lowest become 0. */
#define UP1(v) ((T16)((T)0, (v).s01234567, (v).s89ab, (v).scd, (v).se))
#define UP2(v) ((T16)((T2)((T)0), (v).s01234567, (v).s89ab, (v).scd))
#define UP4(v) ((T16)((T4)((T)0), (v).s01234567, (v).s89ab))
#define UP8(v) ((T16)((T8)((T)0), (v).s01234567))

static inline T16 prefix16(T16 v) {
    v += UP1(v);
    v += UP2(v);
    v += UP4(v);
    return v + UP8(v);
}

#ifdef REVERSE
#define TURN(v) ((v).sfedcba9876543210)
#define PLACE16(s) (n - 16 - (s))
#else
#define TURN(v) (v)
#define PLACE16(s) (s)
#endif

KERNEL rows(PARAMS, const int outer, const int n, const int inner, const int part_len, const int parts,
            const int per) {
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)outer * parts);
    for (size_t at = first; at < end; at++) {
        const size_t row = at / parts * n;
        const int begin = (int)(at - at / parts * parts) * part_len, stop = min(begin + part_len, n);
        T sum = BEGIN(at);
        int s = begin;
        for (; s + 16 <= stop; s += 16) {
            const T16 in = LOAD16(x, row + PLACE16(s)), v = prefix16(TURN(in));
#ifndef TOTAL
#ifdef EXCLUSIVE
            const T16 out = UP1(v) + sum;
#else
            const T16 out = v + sum;
#endif
            STORE16(y, row + PLACE16(s), TURN(out));
#endif
            sum += v.sf;
        }
        for (; s < stop; s++) {
            const T v = LOAD(x, row + PLACE(s));
#ifdef TOTAL
            sum += v;
#else
#define PUT(r) STORE(y, row + PLACE(s), r)
            STEP(sum, v, PUT)
#undef PUT
#endif
        }
#ifdef TOTAL
        STORE(y, at, sum);
#endif
    }
}

/* 16 lanes, or the first `count` of them where the row of `inner` ends. */
static inline void put16(__global T *to, T16 v, int count) {
    if (count >= 16) {
        vstore16(v, 0, to);
    } else {
        T lanes[16];
        vstore16(v, 0, lanes);
        for (int i = 0; i < count; i++) to[i] = lanes[i];
    }
}

KERNEL cols(PARAMS, const int outer, const int n, const int inner, const int part_len, const int parts,
            const int per) {
    const size_t blocks = ((size_t)inner + 15) / 16, n_blocks = (size_t)outer * parts * blocks;
    const size_t first = get_global_id(0) * per, end = min(first + per, n_blocks);
    for (size_t b = first; b < end; b++) {
        const size_t at = b / blocks, o = at / parts, lane = (b - at * blocks) * 16, row = o * n;
        const int begin = (int)(at - o * parts) * part_len, stop = min(begin + part_len, n);
        const int count = inner - (int)lane;
        T16 sum = BEGIN16(at * inner + lane);
        for (int s = begin; s < stop; s++) {
            const size_t e = (row + PLACE(s)) * inner + lane;
            const T16 v = LOAD16(x, e);
#ifdef TOTAL
            sum += v;
#else
#define PUT(r) put16(AT(y, e), r, count)
            STEP(sum, v, PUT)
#undef PUT
#endif
        }
#ifdef TOTAL
        put16(AT(y, at * inner + lane), sum, count);
#endif
    }
}

KERNEL tree(PARAMS, const int outer, const int n, const int inner, const int part_len, const int parts) {
#ifdef SUBGROUP
    __local T sums[WGX];
#else
    __local T prefix[2][WGX];
#endif
    const size_t at = get_group_id(0), row = at / parts * n;
    const uint me = get_local_id(0);
    const int begin = (int)(at - at / parts * parts) * part_len, stop = min(begin + part_len, n);
    T sum = BEGIN(at);
    for (int s = begin; s < stop; s += WGX) {
        const int mine = s + (int)me;
        const T v = mine < stop ? LOAD(x, row + PLACE(mine)) : (T)0;
#ifdef SUBGROUP
        const T within = sub_group_scan_exclusive_add(v);
        T all = 0, below = 0;
        if (get_sub_group_local_id() == get_sub_group_size() - 1) sums[get_sub_group_id()] = within + v;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint g = 0; g < get_num_sub_groups(); g++) {
            if (g == get_sub_group_id()) below = all;
            all += sums[g];
        }
        const T before = below + within, with = before + v;
#else
        uint now = 0;
        prefix[0][me] = v;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint step = 1; step < WGX; step *= 2, now ^= 1) {
            const T p = prefix[now][me];
            prefix[now ^ 1][me] = me >= step ? p + prefix[now][me - step] : p;
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        const T before = me > 0 ? prefix[now][me - 1] : (T)0, with = prefix[now][me], all = prefix[now][WGX - 1];
#endif
#ifndef TOTAL
        if (mine < stop) {
#ifdef EXCLUSIVE
            const T out = sum + before;
#else
            const T out = sum + with;
#endif
            STORE(y, row + PLACE(mine), out);
        }
#endif
        sum += all;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#ifdef TOTAL
    if (me == 0) STORE(y, at, sum);
#endif
}

KERNEL items(PARAMS, const int outer, const int n, const int inner, const int part_len, const int parts) {
    const size_t id = get_global_id(0), at = id / inner, o = at / parts, k = id - at * inner;
    if (o >= (size_t)outer) return;
    const int begin = (int)(at - o * parts) * part_len, stop = min(begin + part_len, n);
    T sum = BEGIN(id);
    for (int s = begin; s < stop; s++) {
        const size_t e = (o * n + PLACE(s)) * inner + k;
        const T v = LOAD(x, e);
#ifdef TOTAL
        sum += v;
#else
#define PUT(r) STORE(y, e, r)
        STEP(sum, v, PUT)
#undef PUT
#endif
    }
#ifdef TOTAL
    STORE(y, id, sum);
#endif
}

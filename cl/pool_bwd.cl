/* Gradients of pooling on a CPU. Geometry: pool.clh; host side: src/ops/pool_bwd.c.
 *
 *   max         gx[i] = sum of gy[o] over the windows o whose greatest cell is i
 *   avg         gx[i] = sum of gy[o] / (number of cells) over the windows o that cover i
 *
 * _scatter: a work-item owns `block` planes, and adds the gradient of each window in turn. _gather: the same for
 * windows that lie in planes, at most 2 apart; it keeps which tap is the greatest of each window of the few rows of
 * windows that meet, and makes each row of gx from them, written once. _pairs: for windows of 2 x 2 that do not
 * overlap; a work-item owns `block` pairs of rows. */
#include "pool.clh"

/** The windows of a row that scatter by vectors: those that lie inside it, so that their taps need no test. None if
 *  they are few. */
INLINE span inner(const geo g) {
    const int last = g.w + g.pw - (KW - 1) * DLW - 1;
    const int to = last < 0 ? 0 : min(g.ow, last / SW + 1), from = (g.pw + SW - 1) / SW;
    return (VECTORS & (to - from >= 4)) ? (span){from, to} : (span){g.ow, g.ow};
}

INLINE void clear(__global ACC *y, const long n) {
    long i = 0;
    for (; i + 16 <= n; i += 16) vstore16((ACC16)(0), 0, y + i);
    for (; i < n; i++) y[i] = 0;
}

/** Adds the gradients of one row of windows at their greatest cells. */
INLINE void scatter_max(__global const ACC *x, __global const ACC *gy, __global ACC *gx, const geo g,
                        const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro), in = inner(g);
    for (int o = 0; o < in.from; o++) gx[argmax(x, g, a, b, CELLS_W(o))] += gy[o];
    for (int o = in.from; o < in.to; o += 16) {
        int best[16];
        int16 at = (int16)((a.from * g.h + b.from) * g.w);
        ACC16 m = tap(x, (a.from * g.h + b.from) * g.w + o * SW - g.pw, 0);
        EACH_ROW(i, j, a, b)
#pragma unroll
            for (int k = 0; k < KW; k++) {
                const ACC16 t = tap(x, (i * g.h + j) * g.w + o * SW - g.pw, k * DLW);
                const MASK16 take = BEATS(t, m);
                m = take ? t : m;
                at = convert_int16(take) ? (int16)((i * g.h + j) * g.w + k * DLW) : at;
            }
        vstore16(at, 0, best);
        const int n = min(16, in.to - o);
        for (int i = 0; i < n; i++) gx[best[i] + (o + i) * SW - g.pw] += gy[o + i];
    }
    for (int o = in.to; o < g.ow; o++) gx[argmax(x, g, a, b, CELLS_W(o))] += gy[o];
}

KERNEL max_scatter(IN(x), IN(gy), OUT(gx), const long planes, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w, begin = (long)get_global_id(0) * block, end = min((long)planes, begin + block);
    clear(AT(gx, begin * plane), (end - begin) * plane);
    for (long p = begin; p < end; p++)
        for (int zo = 0; zo < od; zo++)
            for (int ro = 0; ro < oh; ro++)
                scatter_max(AT(x, p * plane), AT(gy, ((p * od + zo) * oh + ro) * ow), AT(gx, p * plane), g, zo, ro);
}

/** Adds lane i of v to the cells of window i of a row that begins at gx; as many windows as lanes, or as are left. */
INLINE void spread(__global ACC *gx, const ACC16 v, const int left) {
    ACC each[16];
#if SW == 1
    if (left >= 16) {
        for (int k = 0; k < KW; k++) vstore16(vload16(0, gx + k) + v, 0, gx + k);
        return;
    }
#elif SW == 2
    if (left > 16) { /* an odd kernel touches, with a 0, one cell of the window that follows */
        for (int k = 0; k < KW; k += 2) {
            const ACC16 odd = k + 1 < KW ? v : (ACC16)(0);
            vstore16(vload16(0, gx + k) + CLG_MIX_LO(v, odd), 0, gx + k);
            vstore16(vload16(1, gx + k) + CLG_MIX_HI(v, odd), 1, gx + k);
        }
        return;
    }
#endif
    vstore16(v, 0, each);
    for (int i = 0; i < min(16, left); i++)
        for (int k = 0; k < KW; k++) gx[i * SW + k] += each[i];
}

INLINE void scatter_avg(__global const ACC *gy, __global ACC *gx, const geo g, const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro), in = inner(g);
    const int count = COUNT_D(zo) * COUNT_H(ro);
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int o = 0; o < g.ow;) {
        if (o >= in.from && o < in.to) {
            /* the last step of a long row goes back to be a full one, with zeros for what is done */
            const int first = SW == 1 && in.to - in.from >= 16 ? min(o, in.to - 16) : o;
            const ACC16 all = vload16(0, gy + first) / (ACC16)((ACC)(count * FULL_W));
            const ACC16 v = TO_MASK16(lane >= (int16)(o - first)) ? all : (ACC16)(0);
            EACH_ROW(i, j, a, b)
                spread(gx + (i * g.h + j) * g.w + first * SW - g.pw, v, in.to - first);
            o = min(first + 16, in.to);
        } else {
            const span c = CELLS_W(o);
            const ACC v = gy[o] / (ACC)(count * COUNT_W(o));
            EACH_ROW(i, j, a, b)
                EACH_CELL(k, c) gx[(i * g.h + j) * g.w + k] += v;
            o++;
        }
    }
}

KERNEL avg_scatter(IN(gy), OUT(gx), const long planes, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w, begin = (long)get_global_id(0) * block, end = min((long)planes, begin + block);
    clear(AT(gx, begin * plane), (end - begin) * plane);
    for (long p = begin; p < end; p++)
        for (int zo = 0; zo < od; zo++)
            for (int ro = 0; ro < oh; ro++)
                scatter_avg(AT(gy, ((p * od + zo) * oh + ro) * ow), AT(gx, p * plane), g, zo, ro);
}

/* --- windows that overlap, in planes: each row of gx is gathered from the rows of windows that cover it --- */

#if SW <= 2 && KW <= 16 && KH <= 16 && !ADAPTIVE

/* Cell c = SW s + f of a row meets tap k of window s + (f + PW) / SW - t, where k = (f + PW) % SW + SW t. For the cells
 * of s0 <= s < s0 + STEPS, windows s0 + LOW .. are kept as a line: what they give, to which tap, KW row + column. */
enum {
    LINE = 64, NR = (KH - 1) / SH + 1, LOW = PW / SW - (KW - 1) / SW, HIGH = (PW + SW - 1) / SW,
    STEPS = LINE - (HIGH - LOW)
};

typedef int16 loose_int16 __attribute__((aligned(4)));

typedef struct line {
    ACC give[LINE + 16];
    int at[LINE + 16];
} line;

/** 16 windows of row ro from window o on; max: else all their cells are given an equal part. */
INLINE void fill_line(line *l, const int e, __global const ACC *x, __global const ACC *gy, const bool max,
                      const long p, const geo g, const int ro, const int o) {
    const int16 col = o * SW - PW + SW * LANES;
    const span b = CELLS_H(ro);
    const MASK16 is_window = TO_MASK16(as_uint16(o + LANES) < (uint16)(g.ow));
    ACC16 give = load_near(gy, (p * g.oh + ro) * (long)g.ow + o);
    if (max) {
        const int top = b.from - (ro * SH - g.ph);
        int16 at = top * KW + clamp(-col, (int16)(0), (int16)(KW - 1));
        ACC16 m = (ACC16)((ACC)-INFINITY);
        for (int j = b.from, n = top * KW; j < b.to; j++, n += KW)
#pragma unroll
            for (int k = 0; k < KW; k++) {
                const ACC16 t = within(col, k, g) ? tap(x, (p * g.h + j) * g.w + o * SW - PW, k)
                                                  : (ACC16)((ACC)-INFINITY);
                const MASK16 take = BEATS(t, m);
                m = take ? t : m;
                at = convert_int16(take) ? (int16)(n + k) : at;
            }
        *(loose_int16 *)(l->at + e) = at;
    } else {
        give = give / divisor16(col, COUNT_H(ro), g);
    }
    *(clg_loose16 *)(l->give + e) = is_window ? give : (ACC16)(0);
}

/** Adds to cells SW s + f what line l gives them by its row of taps that begins with number n. */
INLINE ACC16 take_line(const line *l, const bool max, const ACC16 sum, const int s, const int f, const int n) {
    ACC16 r = sum;
#pragma unroll
    for (int t = (KW - 1) / SW; t >= 0; t--) {
        const int k = (f + PW) % SW + SW * t, e = s + (f + PW) / SW - t - LOW;
        if (k >= KW) continue;
        const ACC16 give = *(const clg_loose16 *)(l->give + e);
        r += !max ? give : TO_MASK16(*(const loose_int16 *)(l->at + e) == (int16)(n + k)) ? give : (ACC16)(0);
    }
    return r;
}

/** Cells of row r of a plane, from column SW s0 on: `steps` times SW of them. row: its number among all rows. */
INLINE void gather_row(const line *lines, const bool max, __global ACC *gx, const geo g, const int r, const int s0,
                       const int steps, const uint row TAIL_ARGS) {
    const int below = r + g.ph, from = below < KH ? 0 : (below - KH) / SH + 1, to = min(g.oh - 1, below / SH);
    const int last = (g.w - 16 * SW) / SW; /* the last step of a row goes back to be a full one, if it can */
    for (int i = 0; i < steps; i += 16) {
        const int s = ((g.w % SW == 0) & (s0 + i > last) & (last >= s0)) ? last - s0 : i, left = g.w - SW * (s0 + s);
        ACC16 sum[SW];
        for (int f = 0; f < SW; f++) sum[f] = (ACC16)(0);
        for (int ro = from; ro <= to; ro++)
#pragma unroll
            for (int f = 0; f < SW; f++)
                sum[f] = take_line(lines + ro % NR, max, sum[f], s, f, (below - ro * SH) * KW);
        const int col = SW * (s0 + s), n = min(left, SW * (steps - s));
#if SW == 1
        store_lanes(gx + col, TAIL16(sum[0], row, col), n);
#else
        store_lanes(gx + col, TAIL16(CLG_MIX_LO(sum[0], sum[1]), row, col), n);
        if (n > 16) store_lanes(gx + col + 16, TAIL16(CLG_MIX_HI(sum[0], sum[1]), row, col + 16), n - 16);
#endif
    }
}

INLINE void gather_plane(__global const ACC *x, __global const ACC *gy, const bool max, __global ACC *gx,
                         const long p, const geo g TAIL_ARGS) {
    line lines[NR];
    const int all = (g.w + SW - 1) / SW;
    for (int s0 = 0; s0 < all; s0 += STEPS) {
        const int steps = min((int)STEPS, all - s0);
        for (int r = 0, ro = 0; r < g.h; r++) {
            for (; ro <= min(g.oh - 1, (r + g.ph) / SH); ro++)
                for (int e = 0; e < steps + HIGH - LOW; e += 16)
                    fill_line(lines + ro % NR, e, x, gy, max, p, g, ro, s0 + LOW + e);
            gather_row(lines, max, gx + (p * g.h + r) * g.w, g, r, s0, steps, (uint)(p * g.h + r) TAIL_PASS);
        }
    }
}

KERNEL max_gather(IN(x), IN(gy), OUT(gx), const long planes, const long block, GEO TAIL_ARGS) {
    MAKE_GEO;
    const long begin = (long)get_global_id(0) * block, end = min((long)planes, begin + block);
    for (long p = begin * d; p < end * d; p++)
        gather_plane(AT(x, 0), AT(gy, 0), true, AT(gx, 0), p, g TAIL_PASS);
}

KERNEL avg_gather(IN(gy), OUT(gx), const long planes, const long block, GEO TAIL_ARGS) {
    MAKE_GEO;
    const long begin = (long)get_global_id(0) * block, end = min((long)planes, begin + block);
    for (long p = begin * d; p < end * d; p++)
        gather_plane(AT(gy, 0), AT(gy, 0), false, AT(gx, 0), p, g TAIL_PASS);
}

#endif

/* --- windows of 2 x 2, 2 apart and whole: every cell of gx is written once, without clearing --- */

/** a and b in turn, to the first 2n cells from column col of a row on; row: its number among all rows. */
INLINE void store_pairs(__global ACC *gx, const ACC16 a, const ACC16 b, const int n, const uint row,
                        const int col TAIL_ARGS) {
    clg_store_part(gx + col, TAIL16(CLG_MIX_LO(a, b), row, col), min(16, 2 * n));
    if (n > 8) clg_store_part(gx + col + 16, TAIL16(CLG_MIX_HI(a, b), row, col + 16), 2 * n - 16);
}

/** The gradients v of n windows of two rows, from column col on; x, gx: the first of these rows, which are w long. */
INLINE void give_pairs(__global const ACC *x, const ACC16 v, __global ACC *gx, const int w, const int n,
                       const uint row, const int col TAIL_ARGS) {
    const ACC16 a = tap(x, col, 0), b = tap(x, col, 1), c = tap(x, col + w, 0), e = tap(x, col + w, 1);
    const ACC16 zero = (ACC16)(0);
    const MASK16 take_b = BEATS(b, a);
    ACC16 m = take_b ? b : a;
    const MASK16 take_c = BEATS(c, m);
    m = take_c ? c : m;
    const MASK16 take_e = BEATS(e, m);
    const ACC16 to_abc = take_e ? zero : v, to_ab = take_c ? zero : to_abc;
    store_pairs(gx, take_b ? zero : to_ab, take_b ? to_ab : zero, n, row, col TAIL_PASS);
    store_pairs(gx + w, take_c ? to_abc : zero, take_e ? v : zero, n, row + 1, col TAIL_PASS);
}

/** What the windows of row ro leave out where the size of the plane is odd. gx: the first of its two rows, number
 *  row. */
INLINE void clear_rest(__global ACC *gx, const geo g, const int ro, const uint row TAIL_ARGS) {
    if (g.w & 1)
        for (int i = 0; i < 2; i++) gx[(i + 1) * g.w - 1] = TAIL((ACC)0, row + i, g.w - 1);
    if (!(g.h & 1) || ro < g.oh - 1) return;
    for (int i = 0; i < g.w; i += 16)
        clg_store_part(gx + 2 * g.w + i, TAIL16((ACC16)(0), row + 2, i), min(16, g.w - i));
}

/* Rows of windows of a work-item, each with the number of the first of its two rows of cells. */
#define FOR_PAIRS(body)                                                          \
    MAKE_GEO;                                                                    \
    FOR_ROWS(rows, block) {                                                      \
        const long cells = (p * od + zo) * h + 2 * ro, at = cells * w;           \
        for (int o = 0; o < ow; o += 16) {                                       \
            const int first = ow >= 16 ? min(o, ow - 16) : 0, n = min(16, ow - first); \
            body                                                                 \
        }                                                                        \
        clear_rest(AT(gx, at), g, ro, (uint)cells TAIL_PASS);                    \
    }

KERNEL max_pairs(IN(x), IN(gy), OUT(gx), const long rows, const long block, GEO TAIL_ARGS) {
    FOR_PAIRS(give_pairs(AT(x, at), LOAD16(gy, row * ow + first), AT(gx, at), w, n, (uint)cells,
                         2 * first TAIL_PASS);)
}

KERNEL avg_pairs(IN(gy), OUT(gx), const long rows, const long block, GEO TAIL_ARGS) {
    FOR_PAIRS(const ACC16 v = QUARTER * LOAD16(gy, row * ow + first);
              store_pairs(AT(gx, at), v, v, n, (uint)cells, 2 * first TAIL_PASS);
              store_pairs(AT(gx, at + w), v, v, n, (uint)cells + 1, 2 * first TAIL_PASS);)
}

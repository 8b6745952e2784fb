/* Softmax over the middle axis of [outer, classes, inner], and the parts of cross-entropy built on it.
 *
 *   MODE 0: y = exp(x - m) / s      MODE 1: y = x - m - log s      MODE 2: y[0, p] = m, y[1, p] = log s
 *   with m = max of x and s = sum of exp(x - m) over the classes of position p = (outer, inner)
 *
 *   rows   CPU, inner = 1: lanes along the classes; a work-item makes `per` positions
 *   cols   CPU: lanes along inner; a work-item makes `per` blocks of 16 positions
 *   tree   GPU, inner = 1: a team of work-items a position (team.clh)
 *   items  GPU: a work-item a position
 *   spread GPU, inner = 1: where few positions have many classes, a launch of tree (-DPARTIAL=1) cuts those into parts
 *          and leaves [parts, 2, n] of m and s; this one joins the parts of a position, and writes
 *
 * On GPUs m and s are found in one sweep, in which s is scaled anew when m grows (Milakov & Gimelshein 2018,
 * arXiv:1805.02867), here once for each HELD classes.
 *
 *   loss_parts  CPU, GPU: sum and count, over a part of the positions, of  m + log s - x[target].  Target -1 is not
 *               counted; others outside 0 .. classes - 1 give NaN. A work-group makes a part, in a fixed order.
 *               Where there is only one part, the sum becomes the mean
 *   loss_join   CPU, GPU: loss = sum of the parts / their count; NaN where none counts
 *   loss_grad_  gx = (exp(x - m - log s) - [class = target]) gy / count; 0 for target -1
 *     rows      CPU, inner = 1: a work-item makes `per` positions
 *     cols      CPU: a work-item makes `per` rows (outer, class)
 *     items     GPU: a work-item an element
 *
 * Each element of an output has one writer. */
#include "clg.clh"
#include "exp.clh"
#include "team.clh"

#ifndef MODE
#define MODE 0
#endif
#ifndef IDX
#define IDX int
#endif

/* A mask of 16 ints as one of ACC's width. */
#ifdef CLG_F64
#define MASK16(lanes) convert_long16(lanes)
#else
#define MASK16(lanes) (lanes)
#endif

#define EXP      clg_exp_(ACC16)
#define EXP_TERM CLG_CAT(clg_exp_term_, ACC16) /* where only a sum is made */

INLINE ACC16 greater(const ACC16 a, const ACC16 b) { return a > b ? a : b; } /* b unless a is a greater number */

INLINE ACC max16(const ACC16 a) {
    const ACC8 b = fmax(a.lo, a.hi);
    const ACC4 c = fmax(b.lo, b.hi);
    const ACC2 d = fmax(c.lo, c.hi);
    return fmax(d.x, d.y);
}

/* 16 values of which only the first `count` are real; the rest are -inf and vanish in max and exp. */
INLINE ACC16 load_lanes(const __global ACC *from, int count) {
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return select((ACC16)((ACC)-INFINITY), vload16(0, from), MASK16(lane < (int16)(count)));
}

INLINE ACC row_max(const __global ACC *x, const int n) {
    ACC16 a = (ACC16)((ACC)-INFINITY), b = a;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        a = greater(CLG_LOAD16(x + i), a);
        b = greater(CLG_LOAD16(x + i + 16), b);
    }
    for (; i + 16 <= n; i += 16) a = greater(CLG_LOAD16(x + i), a);
    if (i < n) a = greater(load_lanes(x + i, n - i), a);
    return max16(greater(a, b));
}

/** Sum of exp(x - m); what is added is stored to y too, if that is not NULL. *top: the maximum of the row at `next`,
 *  which comes from memory while this one, from the first cache, is computed. */
INLINE ACC row_sum(const __global ACC *x, __global ACC *y, const int n, const ACC m, const __global ACC *next,
                   ACC *top) {
    ACC16 a = (ACC16)((ACC)0), b = a, c = (ACC16)((ACC)-INFINITY), d = c;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        c = greater(CLG_LOAD16(next + i), c);
        d = greater(CLG_LOAD16(next + i + 16), d);
        const ACC16 v = CLG_LOAD16(x + i) - m, w = CLG_LOAD16(x + i + 16) - m;
        const ACC16 e = y ? EXP(v) : EXP_TERM(v), f = y ? EXP(w) : EXP_TERM(w);
        if (y) CLG_STORE16(y + i, e);
        if (y) CLG_STORE16(y + i + 16, f);
        a += e;
        b += f;
    }
    for (; i < n; i += 16) {
        const ACC16 e = EXP(load_lanes(x + i, n - i) - m);
        c = greater(load_lanes(next + i, n - i), c);
        if (y) clg_store_part(y + i, e, n - i);
        a += e;
    }
    *top = max16(greater(c, d));
    return clg_sum16(a + b);
}

KERNEL rows(IN(x), OUT(y), const int n, const int classes, const int per) {
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    ACC m = classes > 16 && first < end ? row_max(AT(x, first * classes), classes) : 0;
    for (size_t p = first; p < end; p++) {
        const __global T *from = AT(x, p * classes), *next = p + 1 < end ? from + classes : from;
        ACC top;
        if (classes <= 16) m = max16(load_lanes(from, classes));
#if MODE == 0
        __global T *to = AT(y, p * classes);
        if (classes <= 16) {
            const ACC16 e = EXP(load_lanes(from, classes) - m);
            clg_store_part(to, e / clg_sum16(e), classes);
            continue;
        }
        const ACC s = (ACC)1 / row_sum(from, to, classes, m, next, &top);
        int i = 0;
        for (; i + 16 <= classes; i += 16) CLG_STORE16(to + i, CLG_LOAD16(to + i) * s);
        if (i < classes) clg_store_part(to + i, vload16(0, to + i) * s, classes - i);
#else
        const ACC s = log(row_sum(from, NULL, classes, m, next, &top));
#if MODE == 1
        __global T *to = AT(y, p * classes);
        int i = 0;
        for (; i + 16 <= classes; i += 16) CLG_STORE16(to + i, CLG_LOAD16(from + i) - m - s);
        if (i < classes) clg_store_part(to + i, vload16(0, from + i) - m - s, classes - i);
#else
        STORE(y, p, m);
        STORE(y, n + p, s);
#endif
#endif
        m = top;
    }
}

KERNEL cols(IN(x), OUT(y), const int n, const int classes, const int inner, const int per) {
    const size_t blocks = (inner + 15) / 16, n_blocks = n / inner * blocks;
    const size_t first = get_global_id(0) * per, end = min(first + per, n_blocks);
    for (size_t b = first; b < end; b++) {
        const size_t outer = b / blocks, start = outer * classes * inner + (b - outer * blocks) * 16;
        const int lane = (int)(b - outer * blocks) * 16, count = inner - lane;
        const __global T *from = AT(x, start);
        ACC16 m = (ACC16)((ACC)-INFINITY), s = (ACC16)((ACC)0);
        for (size_t c = 0; c < classes; c++) m = greater(CLG_LOAD16(from + c * inner), m);
        for (size_t c = 0; c < classes; c++) s += EXP(CLG_LOAD16(from + c * inner) - m);
#if MODE == 2
        const size_t p = outer * inner + lane;
        clg_store_part(AT(y, p), m, count);
        clg_store_part(AT(y, n + p), log(s), count);
#else
        __global T *to = AT(y, start);
#if MODE == 1
        s = log(s);
        for (size_t c = 0; c < classes; c++)
            clg_store_part(to + c * inner, CLG_LOAD16(from + c * inner) - m - s, count);
#else
        s = (ACC)1 / s;
        for (size_t c = 0; c < classes; c++)
            clg_store_part(to + c * inner, EXP(CLG_LOAD16(from + c * inner) - m) * s, count);
#endif
#endif
    }
}

/* --- class gpu --- */

/* m begins at the least number and not at -inf, from which exp(x - m) of an x = -inf would be NaN. */
#ifdef CLG_F64
#define LOWEST (-DBL_MAX)
#else
#define LOWEST (-FLT_MAX)
#endif
#define HELD 4

/* m and s of the classes first .. stop - 1 that belong to this lane; X(c) is that of class c. */
#define FIND(X, first, stop)                                                                    \
    ACC m = LOWEST, s = 0;                                                                      \
    for (int begin = (first) + (int)lane; begin < (stop); begin += HELD * (int)lanes) {         \
        ACC held[HELD], top = m;                                                                \
        _Pragma("unroll") for (int k = 0; k < HELD; k++) {                                      \
            const int c = begin + k * (int)lanes;                                               \
            held[k] = c < (stop) ? X(c) : (ACC)-INFINITY;                                       \
            top = fmax(top, held[k]);                                                           \
        }                                                                                       \
        s *= exp(m - top);                                                                      \
        _Pragma("unroll") for (int k = 0; k < HELD; k++) s += exp(held[k] - top);               \
        m = top;                                                                                \
    }

/* What becomes of x; s is log s, or 1 / s. */
#if MODE == 1
#define LAST(s) log(s)
#define MADE(x) ((x) - m - s)
#else
#define LAST(s) ((ACC)1 / (s))
#define MADE(x) (exp((x) - m) * s)
#endif

/* The part of the classes that belongs to index 1 of the group. */
#define PART const int first = (int)get_group_id(1) * part_len, end = min(first + part_len, classes)

#define X_ROW(c) LOAD(x, start + (c))

KERNEL tree(IN(x), OUT(y), const int n, const int classes, const int part_len) {
    TEAM_LOCAL(ACC, joins);
    TEAM;
    PART;
    EACH_ROW(n) {
        ROW_OF_TEAM(n);
        const size_t start = (size_t)o * classes;
        const int stop = live ? end : first;
        FIND(X_ROW, first, stop)
        const ACC mine = m;
        TEAM_MAX(m, joins);
        s *= exp(mine - m);
        TEAM_SUM(s, joins);
#ifdef PARTIAL
        if (live && lane == 0) {
            STORE(y, get_group_id(1) * 2 * n + o, m);
            STORE(y, (get_group_id(1) * 2 + 1) * n + o, s);
        }
#elif MODE == 2
        if (live && lane == 0) {
            STORE(y, o, m);
            STORE(y, (size_t)n + o, log(s));
        }
#else
        s = LAST(s);
        for (int c = first + (int)lane; c < stop; c += (int)lanes) STORE(y, start + c, MADE(X_ROW(c)));
#endif
    }
}

/* A group a part of a position; with MODE 2 a work-item a position. */
KERNEL spread(IN(x), IN(known), OUT(y), const int n, const int classes, const int part_len, const int parts) {
#if MODE == 2
    const uint o = get_global_id(0);
    if (o >= (uint)n) return;
#else
    const uint o = get_group_id(0);
#endif
    ACC m = LOWEST, s = 0;
    for (int i = 0; i < parts; i++) m = fmax(m, LOAD(known, (size_t)2 * i * n + o));
    for (int i = 0; i < parts; i++)
        s += LOAD(known, (size_t)(2 * i + 1) * n + o) * exp(LOAD(known, (size_t)2 * i * n + o) - m);
#if MODE == 2
    STORE(y, o, m);
    STORE(y, (size_t)n + o, log(s));
#else
    PART;
    const size_t start = (size_t)o * classes;
    s = LAST(s);
    for (int c = first + (int)get_local_id(0); c < end; c += WGX) STORE(y, start + c, MADE(X_ROW(c)));
#endif
}

#define AT_CLASS(c) (start + (size_t)(c) * inner)
#define X_ITEM(c)   LOAD(x, AT_CLASS(c))

KERNEL items(IN(x), OUT(y), const int n, const int classes, const int inner) {
    const uint lane = 0, lanes = 1, p = get_global_id(0);
    if (p >= (uint)n) return;
    const uint outer = p / (uint)inner;
    const size_t start = (size_t)outer * classes * inner + (p - outer * inner);
    FIND(X_ITEM, 0, classes)
#if MODE == 2
    STORE(y, p, m);
    STORE(y, (size_t)n + p, log(s));
#else
    s = LAST(s);
    for (int c = 0; c < classes; c++) STORE(y, AT_CLASS(c), MADE(X_ITEM(c)));
#endif
}

/* --- cross-entropy: -DIDX=int|long, the type of the targets --- */

/* Whether t is a class. */
#define IS_CLASS(t) ((t) >= 0 && (t) < classes)

KERNEL loss_parts(IN(x), IN_T(IDX, target), IN(stat), OUT(sums), OUT(counts), const int n, const int classes,
                  const int inner, const int per) {
    TEAM_LOCAL(ACC, joins);
    TEAM;
    const size_t first = get_group_id(0) * per, end = min(first + per, (size_t)n);
    ACC sum = 0, count = 0;
    for (size_t p = first + lane; p < end; p += lanes) {
        const IDX t = LOAD(target, p);
        if (t == -1) continue;
        count += 1;
        if (!IS_CLASS(t)) {
            sum = NAN;
        } else {
            const size_t outer = p / inner, at = (outer * classes + t) * inner + (p - outer * inner);
            sum += LOAD(stat, p) - LOAD(x, at) + LOAD(stat, n + p);
        }
    }
    TEAM_SUM(sum, joins);
    TEAM_SUM(count, joins);
    if (lane == 0) {
        if (get_num_groups(0) == 1) sum /= count;
        STORE(sums, get_group_id(0), sum);
        STORE(counts, get_group_id(0), count);
    }
}

KERNEL loss_join(IN(sums), IN(counts), OUT(loss), OUT(count), const int parts) {
    ACC16 sum = (ACC16)((ACC)0), number = (ACC16)((ACC)0);
    int i = 0;
    for (; i + 16 <= parts; i += 16) {
        sum += LOAD16(sums, i);
        number += LOAD16(counts, i);
    }
    ACC s = clg_sum16(sum), c = clg_sum16(number);
    for (; i < parts; i++) {
        s += LOAD(sums, i);
        c += LOAD(counts, i);
    }
    STORE(loss, 0, s / c);
    STORE(count, 0, c);
}

/* The factor of a position: 0 for target -1, NaN for targets out of range. */
#define WEIGHT(t) ((t) == -1 ? (ACC)0 : IS_CLASS(t) ? factor : (ACC)NAN)

KERNEL loss_grad_rows(IN(x), IN_T(IDX, target), IN(count), IN(stat), IN(gy), OUT(gx), const int n, const int classes,
                      const int per) {
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    const ACC factor = LOAD(gy, 0) / LOAD(count, 0);
    for (size_t p = first; p < end; p++) {
        const IDX t = LOAD(target, p);
        const ACC m = LOAD(stat, p), s = LOAD(stat, n + p), w = WEIGHT(t);
        const size_t start = p * classes;
        if (t == -1) {
            for (int c = 0; c < classes; c++) STORE(gx, start + c, (ACC)0);
            continue;
        }
        int c = 0;
        for (; c + 16 <= classes; c += 16)
            CLG_STORE16(AT(gx, start + c), EXP(CLG_LOAD16(AT(x, start + c)) - m - s) * w);
        if (c < classes)
            clg_store_part(AT(gx, start + c), EXP(load_lanes(AT(x, start + c), classes - c) - m - s) * w, classes - c);
        if (IS_CLASS(t)) STORE(gx, start + t, LOAD(gx, start + t) - w);
    }
}

/* Targets as int; those of 64 bits that do not fit are kept out of range. */
#define TARGETS(t) CLG_CAT(TARGETS_, IDX)(t)
#define TARGETS_int(t)  (t)
#define TARGETS_long(t) convert_int16_sat(t)

KERNEL loss_grad_cols(IN(x), IN_T(IDX, target), IN(count), IN(stat), IN(gy), OUT(gx), const int n, const int classes,
                      const int inner, const int per) {
    const size_t n_rows = (size_t)n / inner * classes;
    const size_t first = get_global_id(0) * per, end = min(first + per, n_rows);
    const ACC16 factor = (ACC16)(LOAD(gy, 0) / LOAD(count, 0));
    for (size_t row = first; row < end; row++) {
        const size_t outer = row / classes, p = outer * inner, start = row * inner;
        const int class = (int)(row - outer * classes);
        for (int i = 0; i < inner; i += 16) {
            const int16 t = TARGETS(vload16(0, AT(target, p + i)));
            const ACC16 m = LOAD16(stat, p + i), s = LOAD16(stat, n + p + i);
            const ACC16 hit = select((ACC16)((ACC)0), (ACC16)((ACC)1), MASK16(t == (int16)(class)));
            const int16 off = (t < (int16)(0)) | (t >= (int16)(classes));
            ACC16 w = select(factor, (ACC16)((ACC)NAN), MASK16(off));
            w = (EXP(LOAD16(x, start + i) - m - s) - hit) * w;
            clg_store_part(AT(gx, start + i), select(w, (ACC16)((ACC)0), MASK16(t == (int16)(-1))), inner - i);
        }
    }
}

KERNEL loss_grad_items(IN(x), IN_T(IDX, target), IN(count), IN(stat), IN(gy), OUT(gx), const int n, const int classes,
                       const int inner) {
    const uint i = get_global_id(0);
    if (i >= (uint)n * classes) return;
    const uint row = i / (uint)inner, outer = row / (uint)classes, p = outer * inner + (i - row * inner);
    const IDX t = LOAD(target, p);
    const int class = (int)(row - outer * classes);
    const ACC factor = LOAD(gy, 0) / LOAD(count, 0), w = WEIGHT(t);
    const ACC v = (exp(LOAD(x, i) - LOAD(stat, p) - LOAD(stat, n + p)) - (t == class ? (ACC)1 : (ACC)0)) * w;
    STORE(gx, i, t == -1 ? (ACC)0 : v);
}

/* Reductions over sets of axes. Axes of the same kind that lie side by side are merged, which leaves at most
 *
 *   x [K0, R0, K1, R1, K2, R2, K3]  ->  y [K0, K1, K2, K3]        K kept, R reduced; absent ones are 1
 *
 *   y[k0,k1,k2,k3] = join of x[k0,r0,k1,r1,k2,r2,k3] over r0, r1, r2
 *                    join: +, times, or the larger or smaller (NaN wins)
 *
 * A "row" is a pair (r0, r1), a "column" an r2. A launch may cut both into parts, which gives partial results
 * [parts of rows, parts of columns, y]; a second launch joins them, in this order. Each result has one writer.
 *
 *   rows   CPU, K3 = 1: lanes along the columns; a work-item makes `per` outputs
 *   cols   CPU: lanes along k3; a work-item makes `per` blocks of 16 outputs, or of 128 where k3 is that long: so many
 *          neighbours of a row are read at once, since rows that are a page apart or more are slow to come to
 *   tree   GPU, K3 = 1: a team of work-items an output (team.clh); its lanes stride through the part, by vectors of 4
 *          where rows allow, and are joined
 *   items  GPU: a work-item an output
 *   first_place, first_mask   a work-item makes `per` segments: the place of the first maximum, or a mask of it
 *   place_tree, mask_tree     GPU, K3 = 1: the same by a team: each lane finds its first one, then the largest value
 *                             and the least place of it are joined
 *
 * -DT=float|double|int|long|uchar; -DMAX=1, -DMIN=1, -DPROD=1 (else sum), -DMEAN=1 (times scale at the end), -DFIRST=1
 * (only those of a place; with -DMIN=1 of the first minimum). */
#include "clg.clh"
#include "reduce.clh"
#include "team.clh"

#define T16 CLG_CAT(T, 16)
#define T8  CLG_CAT(T, 8)
#define T4  CLG_CAT(T, 4)
#define T2  CLG_CAT(T, 2)

/* 16 neighbours in memory, which vload16() would make PoCL compute with in parts (clg.clh). */
typedef T16 loose16 __attribute__((aligned(sizeof(T))));
#define AT16(p) (*(const __global loose16 *)(p))

/* The signed integer of T's width, which masks of T's vectors are made of, and the least and largest T. */
#define MASK_float  int
#define MASK_double long
#define MASK_int    int
#define MASK_long   long
#define MASK_uchar  char
#define LEAST_float  (-INFINITY)
#define LEAST_double (-INFINITY)
#define LEAST_int    INT_MIN
#define LEAST_long   LONG_MIN
#define LEAST_uchar  0
#define MOST_float  INFINITY
#define MOST_double INFINITY
#define MOST_int    INT_MAX
#define MOST_long   LONG_MAX
#define MOST_uchar  UCHAR_MAX
#define MASK16(lanes) CLG_CAT(CLG_CAT(convert_, CLG_CAT(MASK_, T)), 16)(lanes)

#if defined MAX || (defined FIRST && !defined MIN)
#define IS_MAX
#endif

/* a stays when it is not smaller (larger), or NaN; valid for scalars and vectors. */
#ifdef IS_MAX
#define JOIN(a, b) ((((a) >= (b)) | ((a) != (a))) ? (a) : (b))
#define START ((T)CLG_CAT(LEAST_, T))
#elif defined MIN
#define JOIN(a, b) ((((a) <= (b)) | ((a) != (a))) ? (a) : (b))
#define START ((T)CLG_CAT(MOST_, T))
#elif defined PROD
#define JOIN(a, b) ((a) * (b))
#define START ((T)1)
#else
#define JOIN(a, b) ((a) + (b))
#define START ((T)0)
#endif
#ifdef MEAN
#define FINISH(v) ((v) * scale)
#else
#define FINISH(v) (v)
#endif

/* The join over a sub-group, whose functions do not say what becomes of a NaN. */
#define NONE_float NAN
#define NONE_int   0
#define WITH_NAN(v, joined) (sub_group_any((v) != (v)) ? (T)CLG_CAT(NONE_, T) : (joined))
#ifdef IS_MAX
#define WITHIN(v) WITH_NAN(v, sub_group_reduce_max(v))
#elif defined MIN
#define WITHIN(v) WITH_NAN(v, sub_group_reduce_min(v))
#else
#define WITHIN(v) sub_group_reduce_add(v)
#endif

/* The part of rows and columns that belongs to (global or group) index 1 and 2. */
#define PART(id)                                                                                 \
    const int row_first = (int)id(1) * row_part, row_end = min(row_first + row_part, r0 * r1);   \
    const int col_first = (int)id(2) * col_part, col_end = min(col_first + col_part, r2)

#ifndef FIRST

static inline T join16(T16 a) {
    const T8 b = JOIN(a.lo, a.hi);
    const T4 c = JOIN(b.lo, b.hi);
    const T2 d = JOIN(c.lo, c.hi);
    return JOIN(d.x, d.y);
}

KERNEL rows(IN(x), OUT(y), const int n, SIZES, const int row_part, const int col_part, const ACC scale,
            const int per) {
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);
    const size_t part = (get_global_id(1) * get_global_size(2) + get_global_id(2)) * n;
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    PART(get_global_id);
    for (size_t o = first; o < end; o++) {
        GEOMETRY(o);
        T16 a = (T16)(START), b = a, c = a, d = a;
        for (int r = row_first; r < row_end; r++) {
            const __global T *p = AT(x, ROW_BASE((size_t)r));
            int i = col_first;
            for (; i + 64 <= col_end; i += 64) {
                a = JOIN(a, AT16(p + i));
                b = JOIN(b, AT16(p + i + 16));
                c = JOIN(c, AT16(p + i + 32));
                d = JOIN(d, AT16(p + i + 48));
            }
            for (; i + 16 <= col_end; i += 16) a = JOIN(a, AT16(p + i));
            if (i < col_end) a = JOIN(a, select((T16)(START), AT16(p + i), MASK16(lane < (int16)(col_end - i))));
        }
        a = JOIN(a, b);
        c = JOIN(c, d);
        a = JOIN(a, c);
        STORE(y, part + o, FINISH(join16(a)));
    }
}

/* A block of outputs: 16 WIDE where k3 is as long, else 16. */
#define WIDE 8
#define BLOCK(k3) ((k3) >= 16 * WIDE ? 16 * WIDE : 16)

#define SUM_ROWS for (int r = row_first; r < row_end; r++)
#define ROW_AT(lane) AT(x, ROW_BASE((size_t)r) + (lane) + (size_t)col_first * k3)

KERNEL cols(IN(x), OUT(y), const int n, SIZES, const int row_part, const int col_part, const ACC scale,
            const int per) {
    const size_t blocks = ((size_t)k3 + BLOCK(k3) - 1) / BLOCK(k3), n_blocks = n * blocks;
    const size_t first = get_global_id(0) * per, end = min(first + per, n_blocks);
    const size_t part = (get_global_id(1) * get_global_size(2) + get_global_id(2)) * n * k3;
    PART(get_global_id);
    for (size_t block = first; block < end; block++) {
        const size_t o = block / blocks, begin = (block - o * blocks) * BLOCK(k3);
        const size_t stop = min(begin + BLOCK(k3), (size_t)k3);
        GEOMETRY(o);
        if (stop - begin == 16 * WIDE) { /* rows by turns into two sums */
            T16 even[WIDE], odd[WIDE];
#pragma unroll
            for (int v = 0; v < WIDE; v++) even[v] = odd[v] = (T16)(START);
            SUM_ROWS {
                const __global T *p = ROW_AT(begin);
                for (int i = col_first; i < col_end; i += 2, p += (size_t)2 * k3) {
                    const bool both = i + 1 < col_end;
#pragma unroll
                    for (int v = 0; v < WIDE; v++) {
                        even[v] = JOIN(even[v], AT16(p + 16 * v));
                        if (both) odd[v] = JOIN(odd[v], AT16(p + k3 + 16 * v));
                    }
                }
            }
#pragma unroll
            for (int v = 0; v < WIDE; v++) STORE16(y, part + o * k3 + begin + 16 * v, FINISH(JOIN(even[v], odd[v])));
            continue;
        }
        for (size_t lane = begin; lane < stop; lane += 16) {
            T16 a = (T16)(START), b = a, c = a, d = a;
            SUM_ROWS {
                const __global T *p = ROW_AT(lane);
                int i = col_first;
                for (; i + 4 <= col_end; i += 4, p += (size_t)4 * k3) {
                    a = JOIN(a, AT16(p));
                    b = JOIN(b, AT16(p + k3));
                    c = JOIN(c, AT16(p + (size_t)2 * k3));
                    d = JOIN(d, AT16(p + (size_t)3 * k3));
                }
                for (; i < col_end; i++, p += k3) a = JOIN(a, AT16(p));
            }
            a = JOIN(a, b);
            c = JOIN(c, d);
            a = FINISH(JOIN(a, c));
            const size_t at = part + o * k3 + lane;
            if (lane + 16 <= stop) {
                STORE16(y, at, a);
            } else {
                T lanes[16];
                vstore16(a, 0, lanes);
                for (int i = 0; i < (int)(stop - lane); i++) STORE(y, at + i, lanes[i]);
            }
        }
    }
}

#define TAKE4(r, c) sums = JOIN(sums, *(const __global T4 *)AT(x, ROW_FAST(row_first + (r)) + col_first + (c)));
#define TAKE(r, c)                                                                  \
    {                                                                               \
        const T v_ = LOAD(x, ROW_FAST(row_first + (r)) + col_first + (c));          \
        sum = JOIN(sum, v_);                                                        \
    }

KERNEL tree(IN(x), OUT(y), const int n, SIZES, const int row_part, const int col_part, const ACC scale) {
    TEAM_LOCAL(T, part_of);
    TEAM;
    const size_t part = (get_group_id(1) * get_num_groups(2) + get_group_id(2)) * n;
    PART(get_group_id);
    const int width = max(col_end - col_first, 0), rows = max(row_end - row_first, 0);
    EACH_ROW(n) {
        ROW_OF_TEAM(n);
        GEOMETRY(o);
        T sum = START;
        if (live && TEAM_BY_4(AT(x, 0), T, r2) && width % 4 == 0) {
            T4 sums = (T4)(START);
            TEAM_SWEEP(rows, width, 4, TAKE4)
            const T2 two = JOIN(sums.lo, sums.hi);
            sum = JOIN(two.x, two.y);
        } else if (live) {
            TEAM_SWEEP(rows, width, 1, TAKE)
        }
        TEAM_JOIN(sum, part_of, JOIN, WITHIN);
        if (live && lane == 0) STORE(y, part + o, FINISH(sum));
    }
}

KERNEL items(IN(x), OUT(y), const int n, SIZES, const int row_part, const int col_part, const ACC scale) {
    const size_t at = get_global_id(0), count = (size_t)n * k3;
    if (at >= count) return;
    const uint o = (uint)at / (uint)k3;
    const size_t part = (get_global_id(1) * get_global_size(2) + get_global_id(2)) * count;
    PART(get_global_id);
    GEOMETRY(o);
    T sum = START;
    for (int r = row_first; r < row_end; r++) {
        const size_t row = ROW_BASE((size_t)r) + (at - o * k3);
        for (int i = col_first; i < col_end; i++) {
            const T v = LOAD(x, row + (size_t)i * k3);
            sum = JOIN(sum, v);
        }
    }
    STORE(y, part + at, FINISH(sum));
}

#else /* FIRST */

/* i counts the elements of a segment in row-major order. */
#define EACH(body)                                                    \
    for (int r = 0, i = 0; r < r0 * r1; r++)                          \
        for (int c = 0; c < r2; c++, i++) {                           \
            const size_t e = ROW_BASE((size_t)r) + (size_t)c * k3 + k; \
            body;                                                     \
        }

#ifdef MIN
#define BEYOND(v, top) ((v) < (top))
#else
#define BEYOND(v, top) ((v) > (top))
#endif

/* best: place of the first extreme; a NaN is beyond all. */
#define FIND(o)                                                                     \
    const size_t segment = (o) / k3, k = (o) - segment * k3;                        \
    GEOMETRY(segment);                                                              \
    T top = LOAD(x, base + k);                                                      \
    int best = 0;                                                                   \
    EACH(const T v = LOAD(x, e); if (BEYOND(v, top) || (v != v && top == top)) { top = v; best = i; })

#define SEGMENTS                                                                     \
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);  \
    for (size_t o = first; o < end; o++)

KERNEL first_place(IN(x), OUT_T(int, y), const int n, SIZES, const int per) {
    SEGMENTS {
        FIND(o)
        STORE(y, o, best);
    }
}

KERNEL first_mask(IN(x), OUT_T(uchar, y), const int n, SIZES, const int per) {
    SEGMENTS {
        FIND(o)
        EACH(STORE(y, e, (uchar)(i == best)))
    }
}

/* With -1 for the place of lanes that have no element, until the places are joined. */
#define TAKE_FIRST(r, c)                                                                \
    {                                                                                   \
        const T v_ = LOAD(x, ROW_FAST(r) + (c));                                        \
        if (best < 0 || BEYOND(v_, top) || (v_ != v_ && top == top)) {                  \
            top = v_;                                                                   \
            best = (int)((r) * (uint)r2 + (c));                                         \
        }                                                                               \
    }
#define FIND_BY_TEAM                                                                    \
    ROW_OF_TEAM(n);                                                                     \
    GEOMETRY(o);                                                                        \
    const int rows = live ? r0 * r1 : 0;                                                \
    T top = START;                                                                      \
    int best = -1;                                                                      \
    TEAM_SWEEP(rows, r2, 1, TAKE_FIRST)                                                 \
    T most = top;                                                                       \
    TEAM_JOIN(most, tops, JOIN, WITHIN);                                                \
    const bool has_it = best >= 0 && (top == most || (top != top && most != most));     \
    int place = has_it ? best : INT_MAX;                                                \
    TEAM_JOIN(place, places, min, sub_group_reduce_min)

KERNEL place_tree(IN(x), OUT_T(int, y), const int n, SIZES) {
    TEAM_LOCAL(T, tops);
    TEAM_LOCAL(int, places);
    TEAM;
    EACH_ROW(n) {
        FIND_BY_TEAM;
        if (live && lane == 0) STORE(y, o, place);
    }
}

#define PUT_MASK(r, c) STORE(y, ROW_FAST(r) + (c), (uchar)((int)((r) * (uint)r2 + (c)) == place));

KERNEL mask_tree(IN(x), OUT_T(uchar, y), const int n, SIZES) {
    TEAM_LOCAL(T, tops);
    TEAM_LOCAL(int, places);
    TEAM;
    EACH_ROW(n) {
        FIND_BY_TEAM;
        TEAM_SWEEP(rows, r2, 1, PUT_MASK)
    }
}

#endif

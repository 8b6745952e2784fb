/* Pooling over windows of KD x KH x KW cells that are SD x SH x SW apart; planes of d x h x w become od x oh x ow.
 * Host side: src/ops/pool.c, src/ops/pool_bwd.c.
 *
 *   max, at     y[o] = v[the cell of window o where x is greatest]; for max v is x. The first of equal cells in
 *               row-major order counts; a NaN is greater than every number, and of several the last counts
 *   avg         y[o] = sum of the cells of window o / their number; DIVIDE 1: cells of the padding count; 2: / 1
 *   max_bwd     gx[i] = sum of gy[o] over the windows o whose greatest cell is i
 *   avg_bwd     gx[i] = sum of gy[o] / (number of cells) over the windows o that cover i
 *
 * Cells of a window are DLD x DLH x DLW apart. ADAPTIVE: window o of n is cells floor(o size / n) to
 * ceil((o + 1) size / n) of an axis, and kernel, stride and padding mean nothing.
 *
 * _cpu: a work-item owns `block` output rows (_bwd_cpu: planes; _bwd2_cpu: pairs of rows), lanes along the row. _gpu: a
 * work-item owns one element. Sums run in row-major order of the windows, so results repeat bit for bit. WHOLE says
 * that no window reaches into the padding. Vector loads may read up to 4 KiB past the end of x; such lanes are never
 * stored. */
#include "clg.clh"

#ifndef KD
#define KD 1
#endif
#ifndef KH
#define KH 2
#endif
#ifndef KW
#define KW 2
#endif
#ifndef SD
#define SD 1
#endif
#ifndef SH
#define SH 2
#endif
#ifndef SW
#define SW 2
#endif
#ifndef WHOLE
#define WHOLE 0
#endif
#ifndef DIVIDE
#define DIVIDE 0
#endif
#ifndef DLD
#define DLD 1
#define DLH 1
#define DLW 1
#endif
#ifndef ED /* padding behind, where that counts */
#define ED 0
#define EH 0
#define EW 0
#endif
#ifndef ADAPTIVE
#define ADAPTIVE 0
#endif

/* What a comparison of ACC16 gives; FULL_W: what a window within the row is divided by along the row. */
#ifdef CLG_F64
#define MASK16 long16
#define TO_MASK16 convert_long16
#else
#define MASK16 int16
#define TO_MASK16 convert_int16
#endif
#if DIVIDE == 2
#define FULL_W 1
#define QUARTER (ACC)1
#else
#define FULL_W KW
#define QUARTER (ACC)0.25f
#endif

/* A call that PoCL leaves a call costs more than a short row. Oclgrind cannot run what forced inlining leaves in a
 * program that is not optimised, so ./dev kernels switches it off. */
#ifdef NO_FORCED_INLINE
#define INLINE inline
#else
#define INLINE inline __attribute__((always_inline))
#endif

#define GEO const int d, const int h, const int w, const int od, const int oh, const int ow, const int pd, \
            const int ph, const int pw
#define MAKE_GEO const geo g = {d, h, w, od, oh, ow, pd, ph, pw}

typedef struct geo {
    int d, h, w, od, oh, ow, pd, ph, pw; /* sizes of an input and an output plane, padding */
} geo;

typedef struct span {
    int from, to;
} span;

/** Which cells of an axis window o of n covers. */
INLINE span cells(const int o, const int stride, const int kernel_size, const int apart, const int pad, const int size,
                  const int n) {
#if ADAPTIVE
    return (span){(int)((long)o * size / n), (int)(((long)(o + 1) * size + n - 1) / n)};
#else
    const int begin = o * stride - pad, end = begin + (kernel_size - 1) * apart + 1;
#if WHOLE
    return (span){begin, end};
#else
    return (span){begin >= 0 ? begin : begin + (apart - 1 - begin) / apart * apart, min(end, size)};
#endif
#endif
}

#define CELLS_D(o) cells(o, SD, KD, DLD, g.pd, g.d, g.od)
#define CELLS_H(o) cells(o, SH, KH, DLH, g.ph, g.h, g.oh)
#define CELLS_W(o) cells(o, SW, KW, DLW, g.pw, g.w, g.ow)

/* Over the cells of a window, by spans a and b of its planes and rows; one row: by its span c. */
#define EACH_ROW(i, j, a, b) for (int i = a.from; i < a.to; i += DLD) for (int j = b.from; j < b.to; j += DLH)
#define EACH_CELL(k, c)      for (int k = c.from; k < c.to; k += DLW)

/** How many cells of an axis count in the average; c: what the window covers. */
INLINE int counted(const int o, const span c, const int stride, const int kernel_size, const int pad, const int end) {
#if DIVIDE == 2
    return 1;
#elif DIVIDE == 1
    const int begin = o * stride - pad;
    return min(begin + kernel_size, end) - begin;
#else
    return c.to - c.from;
#endif
}

#define COUNT_D(o) counted(o, CELLS_D(o), SD, KD, g.pd, g.d + ED)
#define COUNT_H(o) counted(o, CELLS_H(o), SH, KH, g.ph, g.h + EH)
#define COUNT_W(o) counted(o, CELLS_W(o), SW, KW, g.pw, g.w + EW)

/** The windows of a row that go by vectors: those that lie inside it, so that their taps need no test. None if they are
 *  few, or so far apart that the lanes read and dropped behind the row would leave the slack behind the buffer. */
INLINE span inner(const geo g) {
    const int last = g.w + g.pw - (KW - 1) * DLW - 1;
    const int to = last < 0 ? 0 : min(g.ow, last / SW + 1), from = (g.pw + SW - 1) / SW;
    return (SW <= 32) & !ADAPTIVE & (to - from >= 4) ? (span){from, to} : (span){g.ow, g.ow};
}

/** Cells p[0], p[SW], p[2 SW], ... behind tap k. Stride 2: neighbouring taps share their loads. */
INLINE ACC16 tap(__global const ACC *p, const int k) {
#if SW == 1
    return vload16(0, p + k);
#elif SW == 2
    const ACC16 a = vload16(0, p + (k & ~1)), b = vload16(1, p + (k & ~1));
    return k & 1 ? (ACC16)(a.odd, b.odd) : (ACC16)(a.even, b.even);
#else
    p += k;
    return (ACC16)(p[0], p[SW], p[2 * SW], p[3 * SW], p[4 * SW], p[5 * SW], p[6 * SW], p[7 * SW], p[8 * SW],
                   p[9 * SW], p[10 * SW], p[11 * SW], p[12 * SW], p[13 * SW], p[14 * SW], p[15 * SW]);
#endif
}

/* Whether cell t takes the place of the greatest so far, m. */
#define BEATS(t, m) (((t) > (m)) | ((t) != (t)))

/** The greatest cell of a window, as an index into its plane. */
INLINE int argmax(__global const ACC *x, const geo g, const span a, const span b, const span c) {
    int best = (a.from * g.h + b.from) * g.w + c.from;
    ACC m = x[best];
    EACH_ROW(i, j, a, b)
        EACH_CELL(k, c) {
            const int at = (i * g.h + j) * g.w + k;
            const ACC t = x[at];
            if (BEATS(t, m)) {
                m = t;
                best = at;
            }
        }
    return best;
}

INLINE ACC sum_cells(__global const ACC *x, const geo g, const span a, const span b, const span c) {
    ACC sum = 0;
    EACH_ROW(i, j, a, b)
        EACH_CELL(k, c) sum += x[(i * g.h + j) * g.w + k];
    return sum;
}

/** 16 windows from `first` on: v where x is greatest. x, v: a plane; same: they are one. */
INLINE ACC16 max16(__global const ACC *x, __global const ACC *v, const bool same, const geo g, const span a,
                     const span b, const int first) {
    const int begin = first * SW - g.pw;
    ACC16 m = tap(x + (a.from * g.h + b.from) * g.w + begin, 0);
    ACC16 r = tap(v + (a.from * g.h + b.from) * g.w + begin, 0);
    EACH_ROW(i, j, a, b) {
        const int row = (i * g.h + j) * g.w + begin;
#pragma unroll
        for (int k = 0; k < KW; k++) {
            const ACC16 t = tap(x + row, k * DLW);
            const MASK16 take = BEATS(t, m);
            m = take ? t : m;
            if (!same) r = take ? tap(v + row, k * DLW) : r;
        }
    }
    return same ? m : r;
}

INLINE void max_row(__global const ACC *x, __global const ACC *v, const bool same, __global ACC *y, const geo g,
                    const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro), in = inner(g);
    for (int o = 0; o < in.from; o++) y[o] = v[argmax(x, g, a, b, CELLS_W(o))];
    for (int o = in.from; o < in.to; o += 16) {
        const int first = in.to - in.from >= 16 ? min(o, in.to - 16) : o; /* the last step of a row is a full one too */
        clg_store_part(y + first, max16(x, v, same, g, a, b, first), min(16, in.to - first));
    }
    for (int o = in.to; o < g.ow; o++) y[o] = v[argmax(x, g, a, b, CELLS_W(o))];
}

INLINE void avg_row(__global const ACC *x, __global ACC *y, const geo g, const int zo, const int ro) {
    const span a = CELLS_D(zo), b = CELLS_H(ro), in = inner(g);
    const int n = COUNT_D(zo) * COUNT_H(ro);
    for (int o = 0; o < in.from; o++)
        y[o] = sum_cells(x, g, a, b, CELLS_W(o)) / (ACC)(n * COUNT_W(o));
    for (int o = in.from; o < in.to; o += 16) {
        const int first = in.to - in.from >= 16 ? min(o, in.to - 16) : o;
        ACC16 sum = (ACC16)(0);
        EACH_ROW(i, j, a, b)
#pragma unroll
            for (int k = 0; k < KW; k++) sum += tap(x + (i * g.h + j) * g.w + first * SW - g.pw, k);
        clg_store_part(y + first, sum / (ACC16)((ACC)(n * FULL_W)), min(16, in.to - first));
    }
    for (int o = in.to; o < g.ow; o++)
        y[o] = sum_cells(x, g, a, b, CELLS_W(o)) / (ACC)(n * COUNT_W(o));
}

/* Work-item i owns rows i * block .. of all rows of all planes of the output: p, zo, ro are counted along. */
#define FOR_ROWS(rows, block)                                                                                   \
    const long begin_ = (long)get_global_id(0) * (block), end_ = min((long)(rows), begin_ + (block));          \
    long p = begin_ / ((long)od * oh);                                                                          \
    int zo = (int)(begin_ / oh % od), ro = (int)(begin_ % oh);                                                 \
    for (long row = begin_; row < end_; row++, ro + 1 < oh ? ro++ : (ro = 0, zo + 1 < od ? zo++ : (zo = 0, p++)))

KERNEL max_cpu(IN(x), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) max_row(AT(x, p * plane), AT(x, p * plane), true, AT(y, row * ow), g, zo, ro);
}

KERNEL at_cpu(IN(x), IN(v), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) max_row(AT(x, p * plane), AT(v, p * plane), false, AT(y, row * ow), g, zo, ro);
}

KERNEL avg_cpu(IN(x), OUT(y), const long rows, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w;
    FOR_ROWS(rows, block) avg_row(AT(x, p * plane), AT(y, row * ow), g, zo, ro);
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
        ACC16 m = tap(x + (a.from * g.h + b.from) * g.w + o * SW - g.pw, 0);
        EACH_ROW(i, j, a, b)
#pragma unroll
            for (int k = 0; k < KW; k++) {
                const ACC16 t = tap(x + (i * g.h + j) * g.w + o * SW - g.pw, k * DLW);
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

KERNEL max_bwd_cpu(IN(x), IN(gy), OUT(gx), const long planes, const long block, GEO) {
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

KERNEL avg_bwd_cpu(IN(gy), OUT(gx), const long planes, const long block, GEO) {
    MAKE_GEO;
    const long plane = (long)d * h * w, begin = (long)get_global_id(0) * block, end = min((long)planes, begin + block);
    clear(AT(gx, begin * plane), (end - begin) * plane);
    for (long p = begin; p < end; p++)
        for (int zo = 0; zo < od; zo++)
            for (int ro = 0; ro < oh; ro++)
                scatter_avg(AT(gy, ((p * od + zo) * oh + ro) * ow), AT(gx, p * plane), g, zo, ro);
}

/* --- windows of 2 x 2, 2 apart and whole: every cell of gx is written once, without clearing --- */

/** a and b in turn, to the first 2n cells. */
INLINE void store_pairs(__global ACC *gx, const ACC16 a, const ACC16 b, const int n) {
    clg_store_part(gx, CLG_MIX_LO(a, b), min(16, 2 * n));
    if (n > 8) clg_store_part(gx + 16, CLG_MIX_HI(a, b), 2 * n - 16);
}

/** The gradients of n windows from x on; h, w are the sizes of the plane. */
INLINE void max_pairs(__global const ACC *x, const ACC16 v, __global ACC *gx, const int w, const int n) {
    const ACC16 a = tap(x, 0), b = tap(x, 1), c = tap(x + w, 0), e = tap(x + w, 1), zero = (ACC16)(0);
    const MASK16 take_b = BEATS(b, a);
    ACC16 m = take_b ? b : a;
    const MASK16 take_c = BEATS(c, m);
    m = take_c ? c : m;
    const MASK16 take_e = BEATS(e, m);
    const ACC16 to_abc = take_e ? zero : v, to_ab = take_c ? zero : to_abc;
    store_pairs(gx, take_b ? zero : to_ab, take_b ? to_ab : zero, n);
    store_pairs(gx + w, take_c ? to_abc : zero, take_e ? v : zero, n);
}

/** What the windows of row ro leave out where the size of the plane is odd. gx: the first of its two rows. */
INLINE void clear_rest(__global ACC *gx, const geo g, const int ro) {
    if (g.w & 1) gx[g.w - 1] = gx[2 * g.w - 1] = 0;
    if ((g.h & 1) && ro == g.oh - 1) clear(gx + 2 * g.w, g.w);
}

KERNEL max_bwd2_cpu(IN(x), IN(gy), OUT(gx), const long rows, const long block, GEO) {
    MAKE_GEO;
    FOR_ROWS(rows, block) {
        const long at = ((p * od + zo) * h + 2 * ro) * w;
        for (int o = 0; o < ow; o += 16) {
            const int first = ow >= 16 ? min(o, ow - 16) : 0;
            max_pairs(AT(x, at + 2 * first), LOAD16(gy, row * ow + first), AT(gx, at + 2 * first), w,
                      min(16, ow - first));
        }
        clear_rest(AT(gx, at), g, ro);
    }
}

KERNEL avg_bwd2_cpu(IN(gy), OUT(gx), const long rows, const long block, GEO) {
    MAKE_GEO;
    FOR_ROWS(rows, block) {
        const long at = ((p * od + zo) * h + 2 * ro) * w;
        for (int o = 0; o < ow; o += 16) {
            const int first = ow >= 16 ? min(o, ow - 16) : 0;
            const ACC16 v = QUARTER * LOAD16(gy, row * ow + first);
            store_pairs(AT(gx, at + 2 * first), v, v, min(16, ow - first));
            store_pairs(AT(gx, at + 2 * first + w), v, v, min(16, ow - first));
        }
        clear_rest(AT(gx, at), g, ro);
    }
}

/* --- one work-item an element --- */

/* Output i: its plane p and window zo, ro, o, the cells a, b, c of which it covers. */
#define WINDOW(i)                                                                                         \
    const int o = (int)((i) % ow), ro = (int)((i) / ow % oh), zo = (int)((i) / ow / oh % od);             \
    const long p = (long)((i) / ow / oh / od), plane = (long)d * h * w;                                  \
    const span a = CELLS_D(zo), b = CELLS_H(ro), c = CELLS_W(o)

KERNEL max_gpu(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(x, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

KERNEL at_gpu(IN(x), IN(v), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(v, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

INLINE int count_cells(const geo g, const int zo, const int ro, const int o) {
    return COUNT_D(zo) * COUNT_H(ro) * COUNT_W(o);
}

KERNEL avg_gpu(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, sum_cells(AT(x, p * plane), g, a, b, c) / (ACC)count_cells(g, zo, ro, o));
}

/** The windows of an axis that cover cell i of size, or that may, where cells are apart. */
INLINE span windows(const int i, const int stride, const int kernel_size, const int apart, const int pad,
                    const int size, const int n) {
#if ADAPTIVE
    return (span){(int)((long)i * n / size), (int)(((long)(i + 1) * n + size - 1) / size)};
#else
    const int end = i + pad, reach = (kernel_size - 1) * apart + 1;
    return (span){end < reach ? 0 : (end - reach) / stride + 1, min(n, end / stride + 1)};
#endif
}

/* Element i of gx: its plane p, its index `at` there, the windows a, b, c that cover it. */
#define CELL(i)                                                                                              \
    const long plane = (long)d * h * w, p = (long)(i) / plane;                                               \
    const int at = (int)((long)(i) - p * plane);                                                             \
    const span a = windows(at / w / h, SD, KD, DLD, pd, d, od), b = windows(at / w % h, SH, KH, DLH, ph, h, oh), \
               c = windows(at % w, SW, KW, DLW, pw, w, ow)

KERNEL max_bwd_gpu(IN(x), IN(gy), OUT(gx), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    ACC sum = 0;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                if (argmax(AT(x, p * plane), g, CELLS_D(zo), CELLS_H(ro), CELLS_W(o)) == at)
                    sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o);
    STORE(gx, i, sum);
}

KERNEL avg_bwd_gpu(IN(gy), OUT(gx), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    ACC sum = 0;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o) / (ACC)count_cells(g, zo, ro, o);
    STORE(gx, i, sum);
}

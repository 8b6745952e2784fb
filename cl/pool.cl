/* Pooling over windows of KD x KH x KW cells that are SD x SH x SW apart; planes of d x h x w become od x oh x ow.
 * Host side: src/ops/pool.c, src/ops/pool_bwd.c.
 *
 *   max, at     y[o] = v[the cell of window o where x is greatest]; for max v is x. The first of equal cells in
 *               row-major order counts; a NaN is greater than every number, and of several the last counts
 *   avg         y[o] = sum of the cells of window o / their number; COUNT_PAD: cells of the padding count
 *   max_bwd     gx[i] = sum of gy[o] over the windows o whose greatest cell is i
 *   avg_bwd     gx[i] = sum of gy[o] / (number of cells) over the windows o that cover i
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
#ifndef COUNT_PAD
#define COUNT_PAD 0
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

/** Which cells of an axis window o covers. */
INLINE span cells(const int o, const int stride, const int kernel_size, const int pad, const int size) {
    const int begin = o * stride - pad;
#if WHOLE
    return (span){begin, begin + kernel_size};
#else
    return (span){max(begin, 0), min(begin + kernel_size, size)};
#endif
}

/** How many cells of an axis count in the average. */
INLINE int counted(const int o, const int stride, const int kernel_size, const int pad, const int size) {
    const int begin = o * stride - pad;
#if WHOLE
    return kernel_size;
#elif COUNT_PAD
    return min(begin + kernel_size, size + pad) - begin;
#else
    return min(begin + kernel_size, size) - max(begin, 0);
#endif
}

/** The windows of a row that go by vectors: those that lie inside it, so that their taps need no test. None if they are
 *  few, or so far apart that the lanes read and dropped behind the row would leave the slack behind the buffer. */
INLINE span inner(const geo g) {
    const int last = g.w + g.pw - KW, to = last < 0 ? 0 : min(g.ow, last / SW + 1), from = (g.pw + SW - 1) / SW;
    return SW <= 32 && to - from >= 4 ? (span){from, to} : (span){g.ow, g.ow};
}

/** Cells p[0], p[SW], p[2 SW], ... behind tap k. Stride 2: neighbouring taps share their loads. */
INLINE float16 tap(__global const float *p, const int k) {
#if SW == 1
    return vload16(0, p + k);
#elif SW == 2
    const float16 a = vload16(0, p + (k & ~1)), b = vload16(1, p + (k & ~1));
    return k & 1 ? (float16)(a.odd, b.odd) : (float16)(a.even, b.even);
#else
    p += k;
    return (float16)(p[0], p[SW], p[2 * SW], p[3 * SW], p[4 * SW], p[5 * SW], p[6 * SW], p[7 * SW], p[8 * SW],
                     p[9 * SW], p[10 * SW], p[11 * SW], p[12 * SW], p[13 * SW], p[14 * SW], p[15 * SW]);
#endif
}

/* Whether cell t takes the place of the greatest so far, m. */
#define BEATS(t, m) (((t) > (m)) | ((t) != (t)))

/** The greatest cell of a window, as an index into its plane. */
INLINE int argmax(__global const float *x, const geo g, const span a, const span b, const span c) {
    int best = (a.from * g.h + b.from) * g.w + c.from;
    float m = x[best];
    for (int i = a.from; i < a.to; i++)
        for (int j = b.from; j < b.to; j++)
            for (int k = c.from; k < c.to; k++) {
                const int at = (i * g.h + j) * g.w + k;
                const float t = x[at];
                if (BEATS(t, m)) {
                    m = t;
                    best = at;
                }
            }
    return best;
}

INLINE float sum_cells(__global const float *x, const geo g, const span a, const span b, const span c) {
    float sum = 0.0f;
    for (int i = a.from; i < a.to; i++)
        for (int j = b.from; j < b.to; j++)
            for (int k = c.from; k < c.to; k++) sum += x[(i * g.h + j) * g.w + k];
    return sum;
}

/** 16 windows from `first` on: v where x is greatest. x, v: a plane; same: they are one. */
INLINE float16 max16(__global const float *x, __global const float *v, const bool same, const geo g, const span a,
                     const span b, const int first) {
    const int begin = first * SW - g.pw;
    float16 m = tap(x + (a.from * g.h + b.from) * g.w + begin, 0);
    float16 r = tap(v + (a.from * g.h + b.from) * g.w + begin, 0);
    for (int i = a.from; i < a.to; i++)
        for (int j = b.from; j < b.to; j++) {
            const int row = (i * g.h + j) * g.w + begin;
#pragma unroll
            for (int k = 0; k < KW; k++) {
                const float16 t = tap(x + row, k);
                const int16 take = BEATS(t, m);
                m = take ? t : m;
                if (!same) r = take ? tap(v + row, k) : r;
            }
        }
    return same ? m : r;
}

INLINE void max_row(__global const float *x, __global const float *v, const bool same, __global float *y, const geo g,
                    const int zo, const int ro) {
    const span a = cells(zo, SD, KD, g.pd, g.d), b = cells(ro, SH, KH, g.ph, g.h), in = inner(g);
    for (int o = 0; o < in.from; o++) y[o] = v[argmax(x, g, a, b, cells(o, SW, KW, g.pw, g.w))];
    for (int o = in.from; o < in.to; o += 16) {
        const int first = in.to - in.from >= 16 ? min(o, in.to - 16) : o; /* the last step of a row is a full one too */
        clg_store_part(y + first, max16(x, v, same, g, a, b, first), min(16, in.to - first));
    }
    for (int o = in.to; o < g.ow; o++) y[o] = v[argmax(x, g, a, b, cells(o, SW, KW, g.pw, g.w))];
}

INLINE void avg_row(__global const float *x, __global float *y, const geo g, const int zo, const int ro) {
    const span a = cells(zo, SD, KD, g.pd, g.d), b = cells(ro, SH, KH, g.ph, g.h), in = inner(g);
    const int n = counted(zo, SD, KD, g.pd, g.d) * counted(ro, SH, KH, g.ph, g.h);
    for (int o = 0; o < in.from; o++)
        y[o] = sum_cells(x, g, a, b, cells(o, SW, KW, g.pw, g.w)) / (float)(n * counted(o, SW, KW, g.pw, g.w));
    for (int o = in.from; o < in.to; o += 16) {
        const int first = in.to - in.from >= 16 ? min(o, in.to - 16) : o;
        float16 sum = (float16)(0.0f);
        for (int i = a.from; i < a.to; i++)
            for (int j = b.from; j < b.to; j++)
#pragma unroll
                for (int k = 0; k < KW; k++) sum += tap(x + (i * g.h + j) * g.w + first * SW - g.pw, k);
        clg_store_part(y + first, sum / (float16)((float)(n * KW)), min(16, in.to - first));
    }
    for (int o = in.to; o < g.ow; o++)
        y[o] = sum_cells(x, g, a, b, cells(o, SW, KW, g.pw, g.w)) / (float)(n * counted(o, SW, KW, g.pw, g.w));
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

INLINE void clear(__global float *y, const long n) {
    long i = 0;
    for (; i + 16 <= n; i += 16) vstore16((float16)(0.0f), 0, y + i);
    for (; i < n; i++) y[i] = 0.0f;
}

/** Adds the gradients of one row of windows at their greatest cells. */
INLINE void scatter_max(__global const float *x, __global const float *gy, __global float *gx, const geo g,
                        const int zo, const int ro) {
    const span a = cells(zo, SD, KD, g.pd, g.d), b = cells(ro, SH, KH, g.ph, g.h), in = inner(g);
    for (int o = 0; o < in.from; o++) gx[argmax(x, g, a, b, cells(o, SW, KW, g.pw, g.w))] += gy[o];
    for (int o = in.from; o < in.to; o += 16) {
        int best[16];
        int16 at = (int16)((a.from * g.h + b.from) * g.w);
        float16 m = tap(x + (a.from * g.h + b.from) * g.w + o * SW - g.pw, 0);
        for (int i = a.from; i < a.to; i++)
            for (int j = b.from; j < b.to; j++)
#pragma unroll
                for (int k = 0; k < KW; k++) {
                    const float16 t = tap(x + (i * g.h + j) * g.w + o * SW - g.pw, k);
                    const int16 take = BEATS(t, m);
                    m = take ? t : m;
                    at = take ? (int16)((i * g.h + j) * g.w + k) : at;
                }
        vstore16(at, 0, best);
        const int n = min(16, in.to - o);
        for (int i = 0; i < n; i++) gx[best[i] + (o + i) * SW - g.pw] += gy[o + i];
    }
    for (int o = in.to; o < g.ow; o++) gx[argmax(x, g, a, b, cells(o, SW, KW, g.pw, g.w))] += gy[o];
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
INLINE void spread(__global float *gx, const float16 v, const int left) {
    float each[16];
#if SW == 1
    if (left >= 16) {
        for (int k = 0; k < KW; k++) vstore16(vload16(0, gx + k) + v, 0, gx + k);
        return;
    }
#elif SW == 2
    if (left > 16) { /* an odd kernel touches, with a 0, one cell of the window that follows */
        for (int k = 0; k < KW; k += 2) {
            const float16 odd = k + 1 < KW ? v : (float16)(0.0f);
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

INLINE void scatter_avg(__global const float *gy, __global float *gx, const geo g, const int zo, const int ro) {
    const span a = cells(zo, SD, KD, g.pd, g.d), b = cells(ro, SH, KH, g.ph, g.h), in = inner(g);
    const int count = counted(zo, SD, KD, g.pd, g.d) * counted(ro, SH, KH, g.ph, g.h);
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int o = 0; o < g.ow;) {
        if (o >= in.from && o < in.to) {
            /* the last step of a long row goes back to be a full one, with zeros for what is done */
            const int first = SW == 1 && in.to - in.from >= 16 ? min(o, in.to - 16) : o;
            const float16 all = vload16(0, gy + first) / (float16)((float)(count * KW));
            const float16 v = lane >= (int16)(o - first) ? all : (float16)(0.0f);
            for (int i = a.from; i < a.to; i++)
                for (int j = b.from; j < b.to; j++)
                    spread(gx + (i * g.h + j) * g.w + first * SW - g.pw, v, in.to - first);
            o = min(first + 16, in.to);
        } else {
            const span c = cells(o, SW, KW, g.pw, g.w);
            const float v = gy[o] / (float)(count * counted(o, SW, KW, g.pw, g.w));
            for (int i = a.from; i < a.to; i++)
                for (int j = b.from; j < b.to; j++)
                    for (int k = c.from; k < c.to; k++) gx[(i * g.h + j) * g.w + k] += v;
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
INLINE void store_pairs(__global float *gx, const float16 a, const float16 b, const int n) {
    clg_store_part(gx, CLG_MIX_LO(a, b), min(16, 2 * n));
    if (n > 8) clg_store_part(gx + 16, CLG_MIX_HI(a, b), 2 * n - 16);
}

/** The gradients of n windows from x on; h, w are the sizes of the plane. */
INLINE void max_pairs(__global const float *x, const float16 v, __global float *gx, const int w, const int n) {
    const float16 a = tap(x, 0), b = tap(x, 1), c = tap(x + w, 0), e = tap(x + w, 1), zero = (float16)(0.0f);
    const int16 take_b = BEATS(b, a);
    float16 m = take_b ? b : a;
    const int16 take_c = BEATS(c, m);
    m = take_c ? c : m;
    const int16 take_e = BEATS(e, m);
    const float16 to_abc = take_e ? zero : v, to_ab = take_c ? zero : to_abc;
    store_pairs(gx, take_b ? zero : to_ab, take_b ? to_ab : zero, n);
    store_pairs(gx + w, take_c ? to_abc : zero, take_e ? v : zero, n);
}

/** What the windows of row ro leave out where the size of the plane is odd. gx: the first of its two rows. */
INLINE void clear_rest(__global float *gx, const geo g, const int ro) {
    if (g.w & 1) gx[g.w - 1] = gx[2 * g.w - 1] = 0.0f;
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
            const float16 v = 0.25f * LOAD16(gy, row * ow + first);
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
    const span a = cells(zo, SD, KD, pd, d), b = cells(ro, SH, KH, ph, h), c = cells(o, SW, KW, pw, w)

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
    return counted(zo, SD, KD, g.pd, g.d) * counted(ro, SH, KH, g.ph, g.h) * counted(o, SW, KW, g.pw, g.w);
}

KERNEL avg_gpu(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, sum_cells(AT(x, p * plane), g, a, b, c) / (float)count_cells(g, zo, ro, o));
}

/** The windows of an axis that cover cell i. */
INLINE span windows(const int i, const int stride, const int kernel_size, const int pad, const int n) {
    const int end = i + pad;
    return (span){end < kernel_size ? 0 : (end - kernel_size) / stride + 1, min(n, end / stride + 1)};
}

/* Element i of gx: its plane p, its index `at` there, the windows a, b, c that cover it. */
#define CELL(i)                                                                                              \
    const long plane = (long)d * h * w, p = (long)(i) / plane;                                               \
    const int at = (int)((long)(i) - p * plane);                                                             \
    const span a = windows(at / w / h, SD, KD, pd, od), b = windows(at / w % h, SH, KH, ph, oh),             \
               c = windows(at % w, SW, KW, pw, ow)

KERNEL max_bwd_gpu(IN(x), IN(gy), OUT(gx), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    float sum = 0.0f;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                if (argmax(AT(x, p * plane), g, cells(zo, SD, KD, pd, d), cells(ro, SH, KH, ph, h),
                           cells(o, SW, KW, pw, w)) == at)
                    sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o);
    STORE(gx, i, sum);
}

KERNEL avg_bwd_gpu(IN(gy), OUT(gx), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    float sum = 0.0f;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o) / (float)count_cells(g, zo, ro, o);
    STORE(gx, i, sum);
}

/* Pooling and its gradients on a GPU: a work-item owns an element of the result. Geometry: pool.clh; what is computed:
 * pool.cl, pool_bwd.cl; host side: src/ops/pool.c, src/ops/pool_bwd.c.
 *
 * Gradients gather: a cell adds what the windows that cover it give, in their order. Where windows lie in planes and
 * are evenly apart (_tiles) a work-group owns a tile of TILE_H x TILE_W cells of each of SLICES planes: first it makes
 * of each window that meets the tile what it gives, and, for max, to which cell, once, in local memory; then cells
 * gather from there. Else (_bwd) a cell finds out for itself. */
#include "pool.clh"

/* Output i: its plane p and window zo, ro, o, the cells a, b, c of which it covers. */
#define WINDOW(i)                                                                                         \
    const int o = (int)((i) % ow), ro = (int)((i) / ow % oh), zo = (int)((i) / ow / oh % od);             \
    const long p = (long)((i) / ow / oh / od), plane = (long)d * h * w;                                  \
    const span a = CELLS_D(zo), b = CELLS_H(ro), c = CELLS_W(o)

KERNEL max_fwd(IN(x), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(x, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

KERNEL at_fwd(IN(x), IN(v), OUT(y), const long n, GEO) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    WINDOW(i);
    STORE(y, i, LOAD(v, p * plane + argmax(AT(x, p * plane), g, a, b, c)));
}

INLINE int count_cells(const geo g, const int zo, const int ro, const int o) {
    return COUNT_D(zo) * COUNT_H(ro) * COUNT_W(o);
}

KERNEL avg_fwd(IN(x), OUT(y), const long n, GEO) {
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

KERNEL max_bwd(IN(x), IN(gy), OUT(gx), const long n, GEO TAIL_ARGS) {
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
    STORE(gx, i, TAIL(sum, (uint)(i / w), at % w));
}

KERNEL avg_bwd(IN(gy), OUT(gx), const long n, GEO TAIL_ARGS) {
    MAKE_GEO;
    const size_t i = get_global_id(0);
    if (i >= (size_t)n) return;
    CELL(i);
    ACC sum = 0;
    for (int zo = a.from; zo < a.to; zo++)
        for (int ro = b.from; ro < b.to; ro++)
            for (int o = c.from; o < c.to; o++)
                sum += LOAD(gy, ((p * od + zo) * oh + ro) * ow + o) / (ACC)count_cells(g, zo, ro, o);
    STORE(gx, i, TAIL(sum, (uint)(i / w), at % w));
}

/* --- gradients by tiles --- */

#ifdef TILE_H

/* Windows of an axis that meet as many cells: their beginnings lie in a span of cells + reach - 1. */
#define MEETING(cells_, K, S, DL) (((cells_) + ((K) - 1) * (DL) - 1) / (S) + 1)
#define WINS_H MEETING(TILE_H, KH, SH, DLH)
#define WINS_W MEETING(TILE_W, KW, SW, DLW)
#define WINS   (WINS_H * WINS_W)

#define ROW_WINDOWS(r) windows(r, SH, KH, DLH, ph, h, oh)
#define COL_WINDOWS(c) windows(c, SW, KW, DLW, pw, w, ow)

/* Slices: planes of an image, `slices` of them; slice0, r0, c0: where the tile of this group begins. */
#define TILE_PLACE                                                                                    \
    const int tiles_w = (w + TILE_W - 1) / TILE_W, tiles_h = (h + TILE_H - 1) / TILE_H;               \
    const int above = (int)get_group_id(0) / tiles_w, run = above / tiles_h;                          \
    const int r0 = (above - run * tiles_h) * TILE_H, c0 = ((int)get_group_id(0) - above * tiles_w) * TILE_W; \
    const long slice0 = (long)run * SLICES;                                                           \
    const int ro0 = ROW_WINDOWS(r0).from, o0 = COL_WINDOWS(c0).from

/* Window e of those that the group looks at, (ro, o) of slice slice0 + q; or goes on to the next if there is none. */
#define TILE_WINDOW(e)                                                                      \
    const int q = (e) / WINS, ro = ro0 + (e) % WINS / WINS_W, o = o0 + (e) % WINS_W;        \
    if (slice0 + q >= slices || ro >= oh || o >= ow) continue

/* Cell e of the tile, (r, c) of slice slice0 + q, and the windows a, b that cover it; or goes on. */
#define TILE_CELL(e)                                                                                               \
    const int q = (e) / (TILE_H * TILE_W), r = r0 + (e) / TILE_W % TILE_H, c = c0 + (e) % TILE_W;                  \
    if (slice0 + q >= slices || r >= h || c >= w) continue;                                                        \
    const span a = ROW_WINDOWS(r), b = COL_WINDOWS(c);                                                             \
    const long row = (slice0 + q) * h + r

/* Where window (i, j) of slice slice0 + q stands in local memory. */
#define PLACE(q, i, j) ((q) * WINS + ((i) - ro0) * WINS_W + (j) - o0)

KERNEL max_bwd_tiles(IN(x), IN(gy), OUT(gx), const long slices, GEO TAIL_ARGS) {
    MAKE_GEO;
    TILE_PLACE;
    __local ACC give[SLICES * WINS];
    __local int best[SLICES * WINS];
    for (int e = get_local_id(0); e < SLICES * WINS; e += WGX) {
        TILE_WINDOW(e);
        give[e] = LOAD(gy, ((slice0 + q) * oh + ro) * ow + o);
        best[e] = argmax(AT(x, (slice0 + q) * h * w), g, (span){0, 1}, CELLS_H(ro), CELLS_W(o));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = get_local_id(0); e < SLICES * TILE_H * TILE_W; e += WGX) {
        TILE_CELL(e);
        ACC sum = 0;
        for (int i = a.from; i < a.to; i++)
            for (int j = b.from; j < b.to; j++)
                if (best[PLACE(q, i, j)] == r * w + c) sum += give[PLACE(q, i, j)];
        STORE(gx, row * w + c, TAIL(sum, (uint)row, c));
    }
}

KERNEL avg_bwd_tiles(IN(gy), OUT(gx), const long slices, GEO TAIL_ARGS) {
    MAKE_GEO;
    TILE_PLACE;
    __local ACC give[SLICES * WINS];
    for (int e = get_local_id(0); e < SLICES * WINS; e += WGX) {
        TILE_WINDOW(e);
        give[e] = LOAD(gy, ((slice0 + q) * oh + ro) * ow + o) / (ACC)(COUNT_H(ro) * COUNT_W(o));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = get_local_id(0); e < SLICES * TILE_H * TILE_W; e += WGX) {
        TILE_CELL(e);
        ACC sum = 0;
        for (int i = a.from; i < a.to; i++)
            for (int j = b.from; j < b.to; j++) sum += give[PLACE(q, i, j)];
        STORE(gx, row * w + c, TAIL(sum, (uint)row, c));
    }
}

#endif

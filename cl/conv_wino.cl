/* Winograd convolution for class cpu, forward and backward-data (whose filter is rotated and transposed, and whose x
 * is gy): transforms of x and y beside P^2 matrix products V -> M with lanes along tiles, all work-groups of one.
 *
 * Tiles are numbered through all images, t = (n TY + ty) TX + tx; a block is 16 NV of them, whatever images they lie
 * in, so that lanes are full on small planes too.
 *
 *   U[g][xi][panel][k / 16][MR][16]      filters: panels of MR output rows, in the order in which they are read; 16
 *                                        elements more a xi, so that those of a filter share no sets of a cache
 *   V[g][block][k / KG][xi][k % KG][16 NV]   x: a region, of 16 more a xi, for each run of KG input channels
 *   M[...][xi][row][16 NV]               products
 *
 *   filters   w -> U
 *   fused     x -> y: an item owns a run of blocks, and scratch for V of a block and M of some rows: what it writes it
 *             reads again from its own cache
 *   data, products, results              the same in three launches, where blocks are few and channels many
 *
 * x is read in place: a row of tiles is transformed along its columns first, with lanes along pixels, then split into
 * M phases of pixels for the rows. Vectors overrun: stores into V are in ascending order, so that the next one puts
 * right what the one before has spilled; loads of x are masked. */
#include "conv_wino.clh"

#ifndef MR /* rows (output channels) of a register tile */
#define MR 6
#endif
#ifndef NV /* vectors of 16 tiles of a register tile */
#define NV 4
#endif
#ifndef NC /* vectors of 16 pixels that are loaded from a row of x at once */
#define NC 4
#endif
#define TB (16 * NV)
#define RUN min(15, (16 * NC - 2) / M) /* tiles in them; one lane is kept for the pixels that two tiles share */

/* Sixteen elements at any address. vload16 and vstore16 mean the same, but PoCL makes four instructions of a store. */
typedef struct __attribute__((packed)) vector16 {
    ACC16 v;
} vector16;
#define GET16(i, p)    (((__global const vector16 *)(p))[i].v)
#define PUT16(x, i, p) (((__global vector16 *)(p))[i].v = (x))

/* What all kernels know of the shapes, a table of the host's. Channels are those of one group. */
typedef struct shapes {
    int K, O;               /* channels of x and of y */
    int h, w, y_h, y_w;     /* planes of x and of y */
    int pad_h, pad_w;
    int TY, TX, tiles;      /* of an image; tiles of all images */
    int groups, KG, panels; /* KG: channels of a region of V; panels of a group */
} shapes;

static inline shapes shapes_of(__global const int *t) {
    return (shapes){ t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13] };
}

static inline size_t slab(const shapes s) { return (size_t)s.KG * TB + 16; } /* of a xi in V */
static inline size_t region(const shapes s) { return XI * slab(s) + P * 16 * NC; }

/* --- filters --- */

/** w_row, w_k: steps of w along output rows and along k. turn: 8 reads the taps backwards. */
KERNEL filters(IN(w), OUT(u), const int K, const int O, const long w_group, const int w_row, const int w_k,
               const int turn) {
    const int kb = get_global_id(0), panel = get_global_id(1), blocks = get_global_size(0);
    const size_t g = get_global_id(2);
    const size_t step = get_global_size(1) * blocks * (16 * MR) + 16; /* of a xi */
    __global T *to = AT(u, g * XI * step + ((size_t)panel * blocks + kb) * (16 * MR));
    for (int i = 0; i < MR; i++, to += 16) {
        const int row = panel * MR + i;
        ACC16 t[P][3], f[3], q[P];
        ACC tap[9 * 16];
        for (int l = 0; l < 16; l++) { /* lanes past K repeat the last; nobody reads them */
            __global const T *from = AT(w, g * w_group + (size_t)min(row, O - 1) * w_row +
                                               (size_t)min(kb * 16 + l, K - 1) * w_k);
#pragma unroll
            for (int j = 0; j < 9; j++) tap[j * 16 + l] = from[turn ? 8 - j : j];
        }
#pragma unroll
        for (int j = 0; j < 3; j++) {
#pragma unroll
            for (int r = 0; r < 3; r++) f[r] = vload16(r * 3 + j, tap);
            WINO_FILTER(ACC16, q, f)
#pragma unroll
            for (int r = 0; r < P; r++) t[r][j] = row < O ? q[r] : (ACC16)(0);
        }
#pragma unroll
        for (int r = 0; r < P; r++) {
            WINO_FILTER(ACC16, q, t[r])
#pragma unroll
            for (int j = 0; j < P; j++) PUT16(q[j], 0, to + (r * P + j) * step);
        }
    }
}

/* --- x -> V --- */

#define EVENS(a, b) ((ACC16)((a).s0, (a).s2, (a).s4, (a).s6, (a).s8, (a).sa, (a).sc, (a).se, \
                             (b).s0, (b).s2, (b).s4, (b).s6, (b).s8, (b).sa, (b).sc, (b).se))
#define ODDS(a, b)  ((ACC16)((a).s1, (a).s3, (a).s5, (a).s7, (a).s9, (a).sb, (a).sd, (a).sf, \
                             (b).s1, (b).s3, (b).s5, (b).s7, (b).s9, (b).sb, (b).sd, (b).sf))
#define NEXT(a)     ((a).s123456789abcdef0)

/* Pixels M l + j of a row as lane l of d[j]. */
static inline void split(const ACC16 *row, ACC16 *d) {
#if M == 4
    const ACC16 even0 = EVENS(row[0], row[1 % NC]), odd0 = ODDS(row[0], row[1 % NC]);
    const ACC16 even1 = EVENS(row[2 % NC], row[3 % NC]), odd1 = ODDS(row[2 % NC], row[3 % NC]);
    d[0] = EVENS(even0, even1);
    d[1] = EVENS(odd0, odd1);
    d[2] = ODDS(even0, even1);
    d[3] = ODDS(odd0, odd1);
#else
    d[0] = EVENS(row[0], row[1 % NC]);
    d[1] = ODDS(row[0], row[1 % NC]);
#endif
    d[M] = NEXT(d[0]);
    d[M + 1] = NEXT(d[1]);
}

/* V of a run of tiles of one channel: the tiles from row, column of the padded plane on. x: the plane; before: elements
 * that may be read before it; bounce: room for a copy of P rows where a vector would begin before x. */
static inline void data_run(__global const T *x, const size_t before, int row, int col, const shapes s, __global T *v,
                            __global T *bounce) {
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int near = clamp(col, -16 * NC, s.w), first = clamp(row, 0, s.h - 1) * s.w + near;
    const size_t step = slab(s);
    const bool copied = first < 0 && (size_t)-first > before;
    ACC16 t[P][NC];
    if (copied)
        for (int r = 0; r < P; r++)
            for (int c = 0; c < 16 * NC; c++) {
                const int i = row + r, j = col + c;
                bounce[r * 16 * NC + c] = i >= 0 && i < s.h && j >= 0 && j < s.w ? x[i * s.w + j] : (ACC)0;
            }
    __global const T *from = copied ? bounce : x;
#pragma unroll
    for (int c = 0; c < NC; c++) {
        const int16 at = (int16)(col + 16 * c) + lane, in = at >= (int16)(0) & at < (int16)(s.w);
        ACC16 d[P], q[P];
#pragma unroll
        for (int r = 0; r < P; r++) {
            const int i = row + r, here = copied ? r * 16 * NC : clamp(i, 0, s.h - 1) * s.w + near;
            const int16 seen = in & (int16)(i >= 0 && i < s.h ? -1 : 0);
            d[r] = as_float16(as_int16(GET16(c, from + here)) & seen);
        }
        WINO_DATA(ACC16, q, d)
#pragma unroll
        for (int r = 0; r < P; r++) t[r][c] = q[r];
    }
#pragma unroll
    for (int r = 0; r < P; r++) {
        ACC16 d[P], q[P];
        split(t[r], d);
        WINO_DATA(ACC16, q, d)
#pragma unroll
        for (int j = 0; j < P; j++, v += step) PUT16(q[j], 0, v);
    }
}

/* V of channels k0 .. k1 - 1 of group g and of the block of tiles. */
static inline void data_block(__global const T *x, const shapes s, int g, int block, int k0, int k1, __global T *v) {
    const int t0 = block * TB, count = min(TB, s.tiles - t0);
    const int n0 = t0 / (s.TY * s.TX), ty0 = t0 / s.TX % s.TY, tx0 = t0 % s.TX;
    const size_t plane = (size_t)s.h * s.w, image = plane * s.K * s.groups;
    for (int k = k0; k < k1; k++) {
        size_t at = n0 * image + ((size_t)g * s.K + k) * plane;
        int ty = ty0, tx = tx0;
        for (int o = 0; o < count;) {
            const int run = min(min(s.TX - tx, RUN), count - o);
            data_run(x + at, at, ty * M - s.pad_h, tx * M - s.pad_w, s, v + (size_t)(k - k0) * TB + o,
                     v + XI * slab(s));
            o += run;
            tx += run;
            if (tx == s.TX) {
                tx = 0;
                if (++ty == s.TY) {
                    ty = 0;
                    at += image;
                }
            }
        }
    }
}

/* --- V -> M --- */

/* m[i][16 NV] = sum over k of u[i][k] v[k][16 NV], of a panel and a point. v: of the first run of channels. */
static inline void product(__global const T *u, __global const T *v, const shapes s, __global T *m) {
    ACC16 c[MR][NV];
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int j = 0; j < NV; j++) c[i][j] = (ACC16)(0);
    for (int k0 = 0; k0 < s.K; k0 += s.KG, v += region(s)) {
        __global const T *vk = v;
        for (int kb = k0; kb < min(s.K, k0 + s.KG); kb += 16, u += 16 * MR) {
            for (int kk = 0; kk < min(16, s.K - kb); kk++, vk += TB) {
                ACC16 vv[NV];
#pragma unroll
                for (int j = 0; j < NV; j++) vv[j] = GET16(j, vk);
#pragma unroll
                for (int i = 0; i < MR; i++) {
                    const ACC16 uu = (ACC16)(u[i * 16 + kk]);
#pragma unroll
                    for (int j = 0; j < NV; j++) c[i][j] = fma(uu, vv[j], c[i][j]);
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int j = 0; j < NV; j++) PUT16(c[i][j], i * NV + j, m);
}

/* --- M -> y --- */

/* Columns of a row of M x 16 results, q[j] lane l being column M l + j, to y: the first n. plane, at: where that is in
 * y, as a matrix of planes. */
static inline void store_row(__global T *y, size_t plane, size_t at, const ACC16 *q, int n TAIL_ARGS) {
#if M == 4
    const ACC16 a = CLG_MIX_LO(q[0], q[2]), b = CLG_MIX_LO(q[1], q[3]);
    const ACC16 c = CLG_MIX_HI(q[0], q[2]), d = CLG_MIX_HI(q[1], q[3]);
    const ACC16 line[M] = { CLG_MIX_LO(a, b), CLG_MIX_HI(a, b), CLG_MIX_LO(c, d), CLG_MIX_HI(c, d) };
#else
    const ACC16 line[M] = { CLG_MIX_LO(q[0], q[1]), CLG_MIX_HI(q[0], q[1]) };
#endif
#pragma unroll
    for (int j = 0; j < M; j++)
        if (n > 16 * j) clg_store_part(y + at + 16 * j, TAIL16(line[j], plane, at + 16 * j), min(16, n - 16 * j));
}

/* A run of at most 16 tiles of one row, from m on; step: of M along xi. y: a plane; at: of their first result; rows,
 * cols: what of them lies inside y. */
static inline void result_run(__global const T *m, size_t step, ACC bias, __global T *y, size_t plane, size_t at,
                              int pitch, int rows, int cols TAIL_ARGS) {
    ACC16 t[M][P];
#pragma unroll
    for (int j = 0; j < P; j++) {
        ACC16 c[P], q[M];
#pragma unroll
        for (int r = 0; r < P; r++, m += P * step) c[r] = GET16(0, m);
        m -= (XI - 1) * step;
        WINO_RESULT(ACC16, q, c)
#pragma unroll
        for (int r = 0; r < M; r++) t[r][j] = q[r];
    }
#pragma unroll
    for (int r = 0; r < M; r++) {
        ACC16 q[M];
        WINO_RESULT(ACC16, q, t[r])
#pragma unroll
        for (int j = 0; j < M; j++) q[j] += (ACC16)(bias);
        if (r < rows) store_row(y, plane, at + (size_t)r * pitch, q, cols TAIL_PASS);
    }
}

/* Rows row0 .. row1 - 1 of group g and the block of tiles; m: of row0; step: of M along xi. */
static inline void result_block(__global const T *m, size_t step, const shapes s, int g, int block, int row0, int row1,
                                __global const T *b, int has_bias, __global T *y TAIL_ARGS) {
    const int t0 = block * TB, count = min(TB, s.tiles - t0);
    const int n0 = t0 / (s.TY * s.TX), ty0 = t0 / s.TX % s.TY, tx0 = t0 % s.TX;
    const size_t size = (size_t)s.y_h * s.y_w, image = (size_t)s.O * s.groups; /* elements of a plane, planes */
    for (int row = row0; row < row1; row++, m += TB) {
        const ACC bias = has_bias ? b[g * s.O + row] : (ACC)0;
        size_t plane = n0 * image + (size_t)g * s.O + row;
        int ty = ty0, tx = tx0;
        for (int o = 0; o < count;) {
            const int run = min(min(s.TX - tx, 16), count - o);
            result_run(m + o, step, bias, y + plane * size, plane, (size_t)ty * M * s.y_w + tx * M, s.y_w,
                       s.y_h - ty * M, min(run * M, s.y_w - tx * M) TAIL_PASS);
            o += run;
            tx += run;
            if (tx == s.TX) {
                tx = 0;
                if (++ty == s.TY) {
                    ty = 0;
                    plane += image;
                }
            }
        }
    }
}

/* --- kernels --- */

/* U of a panel and a point. */
static inline __global const T *filters_at(__global const T *u, const shapes s, int g, int panel, int xi) {
    const size_t size = (s.K + 15) / 16 * 16 * MR;
    return u + ((size_t)g * XI + xi) * (s.panels * size + 16) + panel * size;
}

/** v: size elements for each item. chunk: panels whose products wait for their transform at a time. */
KERNEL fused(IN(x), IN(u), IN(b), OUT(y), INOUT(v), IN_T(int, table), const int has_bias, const int blocks,
             const int chunk, const long size TAIL_ARGS) {
    const shapes s = shapes_of(AT(table, 0));
    const int item = get_global_id(0), items = get_global_size(0), g = get_global_id(1);
    __global T *vs = AT(v, ((size_t)g * items + item) * size), *m = vs + region(s);
    const size_t step = (size_t)chunk * MR * TB;
    for (int block = (long)blocks * item / items; block < (long)blocks * (item + 1) / items; block++) {
        data_block(AT(x, 0), s, g, block, 0, s.K, vs);
        for (int p0 = 0; p0 < s.panels; p0 += chunk) {
            const int p1 = min(s.panels, p0 + chunk);
            for (int xi = 0; xi < XI; xi++)
                for (int p = p0; p < p1; p++)
                    product(filters_at(AT(u, 0), s, g, p, xi), vs + xi * slab(s), s,
                            m + xi * step + (size_t)(p - p0) * MR * TB);
            result_block(m, step, s, g, block, p0 * MR, min(s.O, p1 * MR), AT(b, 0), has_bias, AT(y, 0)
                         TAIL_PASS);
        }
    }
}

KERNEL data(IN(x), INOUT(v), IN_T(int, table)) {
    const shapes s = shapes_of(AT(table, 0));
    const int run = get_global_id(0), block = get_global_id(1), g = get_global_id(2);
    const size_t at = ((size_t)g * get_global_size(1) + block) * get_global_size(0) + run;
    data_block(AT(x, 0), s, g, block, run * s.KG, min(s.K, run * s.KG + s.KG), AT(v, at * region(s)));
}

KERNEL products(IN(u), IN(v), OUT(m), IN_T(int, table), const int blocks, const int chunk) {
    const shapes s = shapes_of(AT(table, 0));
    const int p0 = get_global_id(0) * chunk, xi = get_global_id(1), g = get_global_id(2) / blocks;
    const int runs = (s.K + s.KG - 1) / s.KG;
    const size_t gb = get_global_id(2);
    for (int p = p0; p < min(s.panels, p0 + chunk); p++)
        product(filters_at(AT(u, 0), s, g, p, xi), AT(v, gb * runs * region(s) + xi * slab(s)), s,
                AT(m, ((gb * XI + xi) * s.panels + p) * (MR * TB)));
}

KERNEL results(IN(m), IN(b), OUT(y), IN_T(int, table), const int has_bias, const int rows TAIL_ARGS) {
    const shapes s = shapes_of(AT(table, 0));
    const int row = get_global_id(0) * rows, block = get_global_id(1), g = get_global_id(2);
    const size_t gb = (size_t)g * get_global_size(1) + block, padded = (size_t)s.panels * MR;
    result_block(AT(m, (gb * XI * padded + row) * TB), padded * TB, s, g, block, row, min(s.O, row + rows), AT(b, 0),
                 has_bias, AT(y, 0) TAIL_PASS);
}

/* Matrix products c[z] = op(a[z]) op(b[z]), row-major, z = get_global_id(2) a batch index, for class cpu. Host
 * side: src/ops/gemm.c.
 *
 *   tile       c = op(a) b       one MR x 16*NV register tile a work-item, lanes along the columns of b; DOTS columns
 *                                at the end, few_columns, along k
 *   dot_tile   c = a b^T         lanes along k, MB x 16/MB outputs at a time, one tree of sums at the end of each
 *   pack(_t)   op(b) as panels   [panel][k][16*NV] for wide b, where rows of b are too far apart for the cache, and for
 *                                products with b^T that are not for dot_tile
 *   pack_a     a^T as tiles      [tile][k][MR], where the columns of a tile are too far apart
 *
 * Element (i, k) of op(a) is a[i * a_row + k * a_col]; x_begin is where matrix 0 begins, x_stride the step from one
 * batch matrix to the next. Every element of c has one writer, and is a sum in a fixed order. Vector loads may read up
 * to 4 KiB past the end of b; such lanes are never stored. */
#include "clg.clh"
#include "gemm_tile.clh"

#ifndef EDGE
#define EDGE 0
#endif
#ifndef DOTS
#define DOTS 0
#endif
#ifdef PAST /* c is larger than the caches */
#define STORE_SUMS(p, v) clg_store_past(p, v)
#else
#define STORE_SUMS(p, v) CLG_STORE16(p, v)
#endif
#define MOST_TERMS 2048 /* of a sum along lanes in `tile`; as in gemm.c */

#ifndef MB
#define MB 4
#endif
#define NB (16 / MB)
#ifdef FEW_SUMS /* registers hold few sums: so many columns of a tile at once, else all */
#define COLUMNS (4 / MB)
#else
#define COLUMNS NB
#endif

/* Integers as wide as ACC: what select() takes. */
#ifdef CLG_F64
#define INDEX16 long16
#else
#define INDEX16 int16
#endif

/* Stores rows own - i0 <= i < MR of a tile that begins at row i0 and column j0 of an m x n matrix. */
INLINE void store_sums(ACC16 sum[MR][NV], __global ACC *pc, uint row, int own, int i0, int j0, int n,
                       long ldc TAIL_ARGS) {
#if !defined CLG_TAIL || CLG_TAIL < 2
    if (i0 == own && j0 + NR <= n) {
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                STORE_SUMS(pc + i * ldc + 16 * v, TAIL16(sum[i][v], row + i, j0 + 16 * v));
        return;
    }
#endif
    ACC16 edge[MR * NV]; /* a copy, so that an index known only at run time leaves sum[] in registers */
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int v = 0; v < NV; v++) edge[i * NV + v] = sum[i][v];
    for (int i = own - i0; i < MR; i++)
        for (int v = 0; v < NV && j0 + 16 * v < n; v++)
            clg_store_part(pc + i * ldc + 16 * v, TAIL16(edge[i * NV + v], row + i, j0 + 16 * v),
                           min(16, n - j0 - 16 * v));
}

/* Halves the groups of lanes of u and v that are still to be summed (of 16, 8, 4, 2 lanes); those of u come first. */
#define HALVE16(u, v) ((ACC16)(u.lo, v.lo) + (ACC16)(u.hi, v.hi))
#define HALVE8(u, v) ((ACC16)(u.s012389ab, v.s012389ab) + (ACC16)(u.s4567cdef, v.s4567cdef))
#define HALVE4(u, v) ((ACC16)(u.s014589cd, v.s014589cd) + (ACC16)(u.s2367abef, v.s2367abef))
#define HALVE2(u, v) ((ACC16)(u.even, v.even) + (ACC16)(u.odd, v.odd))

/** Lane i = the sum of all lanes of s[i]. */
static inline ACC16 sums16(ACC16 *s) {
#pragma unroll
    for (int i = 0; i < 8; i++) s[i] = HALVE16(s[2 * i], s[2 * i + 1]);
#pragma unroll
    for (int i = 0; i < 4; i++) s[i] = HALVE8(s[2 * i], s[2 * i + 1]);
#pragma unroll
    for (int i = 0; i < 2; i++) s[i] = HALVE4(s[2 * i], s[2 * i + 1]);
    return HALVE2(s[0], s[1]);
}

#if DOTS
#define LINE (MOST_TERMS + 16) /* of `col`: room for a column, and a vector of zeros */

/* The last DOTS columns of tiles first .. end - 1; lanes run along k, since of lanes along columns most would be idle.
 * A lies as it came, not transposed. col: DOTS lines. */
INLINE void few_columns(__global const ACC *of_a, __global const ACC *pb, __global ACC *of_c, const int z, const int m,
                        const int n, const int k, const long a_row, const long ldb, const long ldc, const int first,
                        const int end, ACC *col TAIL_ARGS) {
    const INDEX16 rest = (INDEX16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) < (INDEX16)(k % 16);
    for (int kk = 0; kk < k; kk++)
#pragma unroll
        for (int j = 0; j < DOTS; j++) col[j * LINE + kk] = pb[kk * ldb + j];
#pragma unroll
    for (int j = 0; j < DOTS; j++) vstore16((ACC16)(0), 0, col + j * LINE + k);
    for (int ip = first; ip < end; ip++) {
        const int own = ip * MR, i0 = min(own, m - MR);
        ACC16 sum[32];
        ACC edge[48]; /* a row is read as a whole vector */
#pragma unroll
        for (int i = 0; i < 32; i++) sum[i] = (ACC16)(0);
        for (int kk = 0; kk < k; kk += 16)
#pragma unroll
            for (int i = 0; i < MR; i++) {
                const ACC16 as = CLG_LOAD16(of_a + (i0 + i) * a_row + kk);
                const ACC16 av = kk + 16 <= k ? as : select((ACC16)(0), as, rest);
#pragma unroll
                for (int j = 0; j < DOTS; j++)
                    sum[i * DOTS + j] = fma(av, vload16(0, col + j * LINE + kk), sum[i * DOTS + j]);
            }
        vstore16(sums16(sum), 0, edge);
        if (MR * DOTS > 16) vstore16(sums16(sum + 16), 1, edge);
        for (int i = own - i0; i < MR; i++)
            clg_store_part(of_c + (i0 + i) * ldc, TAIL16(vload16(0, edge + i * DOTS), (uint)z * m + i0 + i, n - DOTS),
                           DOTS);
    }
}
#endif

/** Needs m >= MR: the last tile of a column begins at m - MR and stores only the rows that the one before left out. A
 *  work-item makes `steps` tiles of one panel, below each other, so that a tile of few terms is not outweighed by the
 *  start of a work-group. Neighbouring items are neighbours along m or, if `across`, along n and then the batch. Column
 *  j0 + j of b is b[j0 / NR * b_panel + k * ldb + j]: b_panel is NR, or NR * k for a packed b. a_tile: from one tile of
 *  a packed a to the next, 0 if a lies as it came. EDGE: the last panel has at most 16 columns, and only they are
 *  computed. DOTS: it has that many, at most 4, and MR times as many at most 32. */
KERNEL tile(IN(a), IN(b), OUT(c), const int m, const int n, const int k, const long a_row, const long a_col,
            const long a_tile, const long b_panel, const long ldb, const long ldc, const int steps, const int across,
            const long a_stride, const long b_stride, const long c_stride, const long a_begin, const long b_begin,
            const long c_begin TAIL_ARGS) {
    const size_t id0 = get_global_id(0), id1 = get_global_id(1), id2 = get_global_id(2);
    const size_t jp = across ? id0 : id1, z = across ? id1 : id2;
    const int j0 = (int)jp * NR, first = (int)(across ? id2 : id0) * steps;
    const int end = min(first + steps, (m + MR - 1) / MR);
    __global const ACC *of_a = AT(a, a_begin + (long)z * a_stride);
    __global const ACC *pb = AT(b, b_begin + (long)z * b_stride + (long)jp * b_panel);
    __global ACC *of_c = AT(c, c_begin + (long)z * c_stride + j0);
#if DOTS
    if (j0 + DOTS == n) {
        CLG_WORK(ACC, col, DOTS * LINE);
        few_columns(of_a, pb, of_c, (int)z, m, n, k, a_row, ldb, ldc, first, end, col TAIL_PASS);
        return;
    }
#endif
    for (int ip = first; ip < end; ip++) {
        const int own = ip * MR, i0 = min(own, m - MR);
        __global const ACC *pa = of_a + (a_tile ? (long)ip * a_tile : i0 * a_row);
        ACC16 sum[MR][NV];
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++) sum[i][v] = (ACC16)(0);
#if EDGE
        if (j0 + 16 >= n) add_products(sum, pa, pb, k, a_row, a_col, ldb, 1, 0);
        else
#endif
            add_products(sum, pa, pb, k, a_row, a_col, ldb, NV, ip < NV && j0 + NR < n ? NR + 16 * ip : 0);
        store_sums(sum, of_c + i0 * ldc, (uint)z * m + i0, own, i0, j0, n, ldc TAIL_PASS);
    }
}

/* sum[i][j] += row i of a times row j of b, for the COLUMNS rows of b from `first` on. rest: lanes of the last
 * vector. */
INLINE void add_dots(ACC16 *sum, __global const ACC *const *pa, __global const ACC *const *pb, const int first, int k,
                     const INDEX16 rest) {
    int kk = 0;
    for (; kk + 16 <= k; kk += 16) {
        ACC16 bv[COLUMNS];
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) bv[j] = vload16(0, pb[first + j] + kk);
#pragma unroll
        for (int i = 0; i < MB; i++) {
            const ACC16 av = vload16(0, pa[i] + kk);
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) sum[i * NB + first + j] = fma(av, bv[j], sum[i * NB + first + j]);
        }
    }
    if (kk == k) return;
    ACC16 bv[COLUMNS];
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) bv[j] = select((ACC16)(0), vload16(0, pb[first + j] + kk), rest);
#pragma unroll
    for (int i = 0; i < MB; i++) {
        const ACC16 av = select((ACC16)(0), vload16(0, pa[i] + kk), rest);
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) sum[i * NB + first + j] = fma(av, bv[j], sum[i * NB + first + j]);
    }
}

/** b is [n, k] here. Rows past the edges repeat the last one and are not stored. A work-item makes `steps` tiles of the
 *  same rows, so that a tile of few terms is not outweighed by the start of a work-group. */
KERNEL dot_tile(IN(a), IN(b), OUT(c), const int m, const int n, const int k, const long lda, const long ldb,
                const long ldc, const int steps, const long a_stride, const long b_stride, const long c_stride,
                const long a_begin, const long b_begin, const long c_begin TAIL_ARGS) {
    const size_t jp = get_global_id(0), ip = get_global_id(1), z = get_global_id(2);
    const int i0 = (int)ip * MB, first = (int)jp * steps * NB, end = min(n, first + steps * NB);
    /* behind the last terms both sides are cleared: what lies there may be infinite */
    const INDEX16 rest = (INDEX16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) < (INDEX16)(k % 16);
    __global const ACC *pa[MB];
#pragma unroll
    for (int i = 0; i < MB; i++) pa[i] = AT(a, a_begin + (long)z * a_stride + min(i0 + i, m - 1) * lda);
    __global const ACC *of_b = AT(b, b_begin + (long)z * b_stride);
    __global ACC *of_c = AT(c, c_begin + (long)z * c_stride + i0 * ldc);
    for (int j0 = first; j0 < end; j0 += NB) {
        __global const ACC *pb[NB];
        ACC16 sum[MB * NB];
#pragma unroll
        for (int j = 0; j < NB; j++) pb[j] = of_b + min(j0 + j, n - 1) * ldb;
#pragma unroll
        for (int i = 0; i < MB * NB; i++) sum[i] = (ACC16)(0);
#pragma unroll
        for (int j = 0; j < NB; j += COLUMNS) add_dots(sum, pa, pb, j, k, rest);
        const ACC16 r = sums16(sum);
        __global ACC *pc = of_c + j0;
#if MB == 4 && !defined CLG_TAIL
        if (i0 + MB <= m && j0 + NB <= n) {
            vstore4(r.s0123, 0, pc);
            vstore4(r.s4567, 0, pc + ldc);
            vstore4(r.s89ab, 0, pc + 2 * ldc);
            vstore4(r.scdef, 0, pc + 3 * ldc);
            continue;
        }
#endif
        ACC edge[32]; /* a row is read as a whole vector */
        vstore16(r, 0, edge);
        vstore16(r, 1, edge);
        for (int i = 0; i < MB && i0 + i < m; i++)
            clg_store_part(pc + i * ldc, TAIL16(vload16(0, edge + i * NB), (uint)z * m + i0 + i, j0), min(NB, n - j0));
    }
}

/** y[z][p][kk][j] = op(b)[z][kk][p * NR + j]; lanes past column n are arbitrary. Element (kk, j) of op(b) is
 *  b[kk * ldb + j], or b[j * ldb + kk] for `pack_t`. A work-item packs `block` rows of one panel. */
KERNEL pack(IN(b), OUT(y), const int n, const int k, const long ldb, const long b_stride, const long b_begin,
            const int block) {
    const size_t p = get_global_id(0), z = get_global_id(2);
    const int k0 = (int)get_global_id(1) * block, k1 = min(k, k0 + block), some = min(NR, n - (int)p * NR);
    __global const ACC *pb = AT(b, b_begin + (long)z * b_stride + k0 * ldb + (long)p * NR);
    __global ACC *py = AT(y, (((long)z * get_global_size(0) + p) * k + k0) * NR);
    for (int kk = k0; kk < k1; kk++, pb += ldb, py += NR) {
        if (some == NR) {
#pragma unroll
            for (int v = 0; v < NV; v++) CLG_STORE16(py + 16 * v, CLG_LOAD16(pb + 16 * v));
        } else {
            for (int j = 0; j < NR; j++) py[j] = j < some ? pb[j] : (ACC)0;
        }
    }
}

KERNEL pack_t(IN(b), OUT(y), const int n, const int k, const long ldb, const long b_stride, const long b_begin,
              const int block) {
    const size_t p = get_global_id(0), z = get_global_id(2);
    const int k0 = (int)get_global_id(1) * block, k1 = min(k, k0 + block), j0 = (int)p * NR;
    __global const ACC *pb = AT(b, b_begin + (long)z * b_stride);
    __global ACC *py = AT(y, ((long)z * get_global_size(0) + p) * k * NR);
    for (int v = 0; v < NV; v++) {
        int kk = k0;
        for (; kk + 16 <= k1; kk += 16) {
            ACC16 r[16];
#pragma unroll
            for (int i = 0; i < 16; i++) r[i] = vload16(0, pb + min(j0 + 16 * v + i, n - 1) * ldb + kk);
            clg_transpose16(r);
#pragma unroll
            for (int i = 0; i < 16; i++) CLG_STORE16(py + (long)(kk + i) * NR + 16 * v, r[i]);
        }
        for (; kk < k1; kk++)
            for (int i = 0; i < 16; i++) py[(long)kk * NR + 16 * v + i] = pb[min(j0 + 16 * v + i, n - 1) * ldb + kk];
    }
}

/* Lanes of the vector that copies a row of a tile: at most 2 MR, so that its surplus stays inside the next row. */
#if MR == 1
#define PIECE 2
#elif MR <= 3
#define PIECE 4
#elif MR <= 8
#define PIECE 8
#else
#define PIECE 16
#endif

/** y[z][t][kk][i] = a[z][kk * lda + i0(t) + i], where tile t begins at i0(t) as in `tile`: a transposed A as tiles. A
 *  work-item packs `block` rows, 8 tiles at a time, so that it reads whole lines and writes few streams. A row of a
 *  tile is copied as one vector, whose surplus lanes the next row overwrites; the last row of a block has no next. */
KERNEL pack_a(IN(a), OUT(y), const int m, const int k, const long lda, const long a_stride, const long a_begin,
              const int block) {
    const size_t z = get_global_id(2);
    const int k0 = (int)get_global_id(0) * block, k1 = min(k, k0 + block), tiles = (m + MR - 1) / MR;
    __global const ACC *pa = AT(a, a_begin + (long)z * a_stride);
    __global ACC *py = AT(y, (long)z * tiles * k * MR);
    for (int t0 = 0; t0 < tiles; t0 += 8) {
        const int t1 = min(t0 + 8, tiles);
        for (int kk = k0; kk < k1 - 1; kk++)
            for (int t = t0; t < t1; t++)
                CLG_CAT(vstore, PIECE)(CLG_CAT(vload, PIECE)(0, pa + kk * lda + min(t * MR, m - MR)), 0,
                                       py + ((long)t * k + kk) * MR);
        for (int t = t0; t < t1; t++)
            for (int i = 0; i < MR; i++)
                py[((long)t * k + k1 - 1) * MR + i] = pa[(k1 - 1) * lda + min(t * MR, m - MR) + i];
    }
}

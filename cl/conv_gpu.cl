/* Convolution for class gpu: implicit GEMM (Chetlur et al., cuDNN, 2014), c[m][col] = sum over k of a[m][k] b[k][col],
 * where the elements of b are found in the image as they are needed. Host side: src/ops/conv_gpu.c. Any stride,
 * dilation, padding and number of groups; 1 to 3 axes.
 *
 *   planes  conv, conv_bwd_data   m output channel, col (image, pixel of c), k (channel, tap)   a = w,  b = x or gy
 *   filter  conv_bwd_filter       m output channel, col (channel, tap), k (image, output pixel) a = gy, b = x
 *
 * A work-group makes BM x BN outputs, a work-item RM x RN of them, in blocks of 4 x 4 that lie GY and GX blocks apart,
 * so that neighbours read neighbouring vectors of local memory. Tiles of BK terms go through local memory; the next
 * are fetched into registers while the present ones are multiplied. Each output has one writer and is a sum in the
 * order of k, whatever the tile.
 *
 * Indices: an element of b is a pixel and a shift, its offset and place in the plane sums of two parts, of which one
 * stays in the registers of the item that fetches and the other is read from local memory by all of a wave at once.
 * What changes with k is carried on from tile to tile as the digits of a number are: no division in the loop.
 *
 * Backward-data with a stride s makes the pixels of each residue modulo s by themselves, from the taps that meet them:
 * a phase, which is a convolution with stride 1 and no zeros to multiply. All phases share one launch. */

#ifndef BM
#define BM 64
#endif
#ifndef BN
#define BN 64
#endif
#ifndef RM
#define RM 4
#endif
#ifndef RN
#define RN 4
#endif
#ifndef BK
#define BK 8
#endif
#include "block.clh"
#ifndef AXES
#define AXES 2 /* 2: planes have no depth */
#endif
#define GX (BN / RN)
#define GY (BM / RM)
#define ITEMS (GX * GY)
#define PITCH(side) ((side) + 4)            /* keeps rows aligned to vectors, and steps them on by four banks */
#define STEP (ITEMS / BK)                   /* rows of `a` that are fetched at a time, each along BK terms */
#define EACH(side) ((side) / STEP)          /* of them, elements of an item */
#define B_STEP (ITEMS > BN ? ITEMS / BN : 1) /* terms of b that `planes` fetches at a time, each along BN columns */
#define B_COLS (ITEMS > BN ? 1 : BN / ITEMS)
#define MULTIPLY block_multiply(sum, as + item / GX, PITCH(BM) / 4, GY, bs + item % GX, PITCH(BN) / 4, GX)
#define FAR INT_MIN                         /* outside of every plane, whatever is added to it */

/** A pixel of an image: index in the plane, and coordinates that tell whether a shifted one is still inside. */
typedef struct place {
    __global const ACC *image;
    int at, z, y, x;
} place;

/** The element of b at a shifted pixel; 0 in the padding. shift: (offset, z, y, x). A load that is not wanted goes to
 *  the first element, so that no branch stands between loads. */
static inline ACC element(const place s, const int4 shift, const int b_d, const int b_h, const int b_w) {
    int in = (uint)s.y + (uint)shift.z < (uint)b_h;
    in &= (uint)s.x + (uint)shift.w < (uint)b_w;
#if AXES == 3
    in &= (uint)s.z + (uint)shift.y < (uint)b_d;
#endif
    const ACC v = s.image[in ? s.at + shift.x : 0];
    return in ? v : (ACC)0;
}

/** Fetches one term of rows that lie `step` elements apart, the first at `row`; behind the last that one again, whose
 *  sums nobody stores. `a` is at the term. */
static inline void fetch_a(ACC *next, __global const ACC *a, const int row, const int step, const int last,
                           const int in) {
#pragma unroll
    for (int s = 0; s < EACH(BM); s++) {
        const ACC v = a[min(row + s * step, last)];
        next[s] = in ? v : (ACC)0;
    }
}

/** Stores what an item fetched of its term: all its elements of a tile of so many rows. */
#define PUT(tile, from, side)                                \
    _Pragma("unroll") for (int s = 0; s < EACH(side); s++)   \
        ((__local ACC *)tile)[item % BK * PITCH(side) + item / BK + s * STEP] = from[s]

/* What column q of a quad becomes; a tail reads only what belongs to an output. */
#define RESULT(q, v) (col + q < cols ? TAIL(v, (uint)(row[q] + m), pixel[q]) : (ACC)0)
#define STORE_ONE(q, v) \
    if (col + q < cols) STORE(c, (size_t)(row[q] + m) * c_plane + pixel[q], v)

/** phases: 16 numbers of each: the first of its taps, their number, its pixels along each axis; where the first of
 *  them lies in the plane of c, and how far apart they are along each axis, in elements. Pixel j of a phase is pixel
 *  j step - pad of b's plane, whose sizes are b_; shifted by a tap, (z, y, x, index in w), it is what that tap is
 *  multiplied with. Index in w: g a_group + m a_m + channel a_c. */
BLOCK_KERNEL planes(IN(a), IN(b), IN(bias), IN_T(int, taps), IN_T(int, phases), OUT(c), const int has_bias,
                     const int groups, const int M, const int channels, const int images, const int n_phases,
                     const long a_group, const int a_m, const int a_c, const int b_d, const int b_h, const int b_w,
                     const int step_d, const int step_h, const int step_w, const int pad_d, const int pad_h,
                     const int pad_w, const int c_plane TAIL_ARGS) {
    __local ACC4 as[BK * PITCH(BM) / 4], bs[BK * PITCH(BN) / 4];
    __local int4 shifts[BK]; /* of the terms */
    const int item = get_local_id(0), g = get_group_id(2), m0 = get_group_id(1) * BM;
    const int col0 = (int)get_group_id(0) / n_phases * BN, first_row = item / BN * (ITEMS > BN);
    __global const int *phase = AT(phases, 16 * ((int)get_group_id(0) % n_phases));
    const int n_taps = phase[1], p_h = phase[3], p_w = phase[4], pixels = phase[2] * p_h * p_w, cols = images * pixels;
    const int b_plane = b_d * b_h * b_w, K = col0 < cols ? channels * n_taps : 0;
    place at[B_COLS];
#pragma unroll
    for (int q = 0; q < B_COLS; q++) {
        const int col = min(col0 + item % BN + q * ITEMS, cols - 1), image = col / pixels, j = col - image * pixels;
        const int line = j / p_w, z = line / p_h;
        at[q].z = z * step_d - pad_d;
        at[q].y = (line - z * p_h) * step_h - pad_h;
        at[q].x = (j - line * p_w) * step_w - pad_w;
        at[q].at = (at[q].z * b_h + at[q].y) * b_w + at[q].x;
        at[q].image = AT(b, ((size_t)image * groups + g) * channels * b_plane);
    }
    __global const ACC *w = AT(a, g * a_group);
    const int a_row = min(m0 + item / BK, M) * a_m;
    /* the term that this item fetches of `a`, and of which it is the one to tell the shift */
    const int n = max(n_taps, 1), next_channel = BK / n, next_tap = BK % n;
    int k = item % BK, channel = k / n, tap = k % n;
    ACC next_a[EACH(BM)], next_b[B_COLS][BK / B_STEP];
    ACC4 sum[RM][RN / 4];
    BLOCK_CLEAR(sum);
    for (int k0 = -BK; k0 < K; k0 += BK) {
        const int4 t = vload4(phase[0] + tap, AT(taps, 0));
        if (k0 >= 0) {
            PUT(as, next_a, BM);
#pragma unroll
            for (int q = 0; q < B_COLS; q++)
#pragma unroll
                for (int r = 0; r < BK / B_STEP; r++)
                    ((__local ACC *)bs)[(first_row + r * B_STEP) * PITCH(BN) + item % BN + q * ITEMS] = next_b[q][r];
        }
        if (item < BK)
            shifts[item] = (int4)(channel * b_plane + (t.x * b_h + t.y) * b_w + t.z, t.x, k < K ? t.y : FAR, t.z);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch_a(next_a, w + (k < K ? channel * a_c + t.w : 0), a_row, STEP * a_m, (M - 1) * a_m, k < K);
#pragma unroll
        for (int r = 0; r < BK / B_STEP; r++) {
            const int4 shift = shifts[first_row + r * B_STEP];
#pragma unroll
            for (int q = 0; q < B_COLS; q++) next_b[q][r] = element(at[q], shift, b_d, b_h, b_w);
        }
        k += BK;
        tap += next_tap;
        channel += next_channel + (tap >= n);
        tap -= tap >= n ? n : 0;
        if (k0 >= 0) MULTIPLY;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const int in_quads = n_phases == 1 && pixels % 4 == 0 && c_off % 4 == 0; /* aligned, all or none of four */
#pragma unroll
    for (int s = 0; s < RN / 4; s++) {
        const int col = col0 + 4 * (item % GX + GX * s);
        int image = col / pixels, line = col / p_w, z = line / p_h;
        int x = col - line * p_w, y = line - z * p_h, row[4], pixel[4];
        z -= image * phase[2];
#pragma unroll
        for (int q = 0; q < 4; q++) { /* to the next pixel as the digits of a number go */
            row[q] = (image * groups + g) * M;
            pixel[q] = phase[5] + z * phase[6] + y * phase[7] + x * phase[8];
            x++;
            y += x == p_w;
            x = x == p_w ? 0 : x;
            z += y == p_h;
            y = y == p_h ? 0 : y;
            image += z == phase[2];
            z = z == phase[2] ? 0 : z;
        }
#pragma unroll
        for (int r = 0; r < RM; r++) {
            const int m = m0 + 4 * (item / GX + GY * (r / 4)) + r % 4;
            if (m >= M) continue;
            const ACC start = has_bias ? LOAD(bias, g * M + m) : (ACC)0;
            ACC4 v = sum[r][s] + start;
            v = (ACC4)(RESULT(0, v.x), RESULT(1, v.y), RESULT(2, v.z), RESULT(3, v.w));
            if (in_quads) {
                if (col < cols) *(__global ACC4 *)AT(c, (size_t)(row[0] + m) * c_plane + pixel[0]) = v;
            } else {
                STORE_ONE(0, v.x);
                STORE_ONE(1, v.y);
                STORE_ONE(2, v.z);
                STORE_ONE(3, v.w);
            }
        }
    }
}

/** The k axis may be cut into parts that conv_bwd.sum_parts adds in order. Output pixel p of the plane p_ is pixel
 *  p step - pad of b's plane; taps: (z, y, x, index in w). */
BLOCK_KERNEL filter(IN(a), IN(b), IN_T(int, taps), OUT(c), const int groups, const int M, const int channels,
                     const int n_taps, const int images, const int parts, const int b_d, const int b_h,
                     const int b_w, const int p_d, const int p_h, const int p_w, const int step_d, const int step_h,
                     const int step_w, const int pad_d, const int pad_h, const int pad_w) {
    __local ACC4 as[BK * PITCH(BM) / 4], bs[BK * PITCH(BN) / 4];
    __local int4 shifts[BN]; /* of the columns */
    const int item = get_local_id(0), g = (int)get_group_id(2) % groups, part = (int)get_group_id(2) / groups;
    const int col0 = get_group_id(0) * BN, m0 = get_group_id(1) * BM, cols = channels * n_taps;
    const int b_plane = b_d * b_h * b_w, pixels = p_d * p_h * p_w, K = images * pixels;
    const int k_begin = (long)K * part / parts, k_end = (long)K * (part + 1) / parts;
    for (int j = item; j < BN; j += ITEMS) {
        const int col = min(col0 + j, cols - 1), channel = col / n_taps;
        const int4 t = vload4(col - channel * n_taps, AT(taps, 0));
        shifts[j] = (int4)(channel * b_plane + (t.x * b_h + t.y) * b_w + t.z, t.x, t.y, t.z);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    /* the term that this item fetches, and BK, as numbers (image, z, y, x) */
    int k = k_begin + item % BK, line = k / p_w, z = line / p_h, image = z / p_d;
    int x = k - line * p_w, y = line - z * p_h;
    z -= image * p_d;
    const int lines = BK / p_w, deep = lines / p_h;
    const int next_x = BK - lines * p_w, next_y = lines - deep * p_h, next_z = deep % p_d, next_image = deep / p_d;
    const int a_row = min(m0 + item / BK, M) * pixels;
    ACC next_a[EACH(BM)], next_b[EACH(BN)];
    ACC4 sum[RM][RN / 4];
    BLOCK_CLEAR(sum);
    for (int k0 = k_begin - BK; k0 < k_end; k0 += BK) {
        if (k0 >= k_begin) {
            PUT(as, next_a, BM);
            PUT(bs, next_b, BN);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const size_t picture = (size_t)clamp(image, 0, max(images - 1, 0)) * groups + g;
        fetch_a(next_a, AT(a, picture * M * pixels + (k < k_end ? (z * p_h + y) * p_w + x : 0)), a_row, STEP * pixels,
                (M - 1) * pixels, k < k_end);
        place at;
        at.z = z * step_d - pad_d;
        at.y = y * step_h - pad_h;
        at.x = x * step_w - pad_w;
        at.at = (at.z * b_h + at.y) * b_w + at.x;
        at.image = AT(b, picture * channels * b_plane);
        if (k >= k_end) at.y = FAR;
#pragma unroll
        for (int s = 0; s < EACH(BN); s++) next_b[s] = element(at, shifts[item / BK + s * STEP], b_d, b_h, b_w);
        k += BK;
        x += next_x;
        y += next_y + (x >= p_w);
        x -= x >= p_w ? p_w : 0;
        z += next_z + (y >= p_h);
        y -= y >= p_h ? p_h : 0;
        image += next_image + (z >= p_d);
        z -= z >= p_d ? p_d : 0;
        if (k0 >= k_begin) MULTIPLY;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const size_t row0 = ((size_t)part * groups + g) * M;
    const int in_quads = cols % 4 == 0 && c_off % 4 == 0;
#pragma unroll
    for (int r = 0; r < RM; r++) {
        const int m = m0 + 4 * (item / GX + GY * (r / 4)) + r % 4;
        if (m >= M) continue;
#pragma unroll
        for (int s = 0; s < RN / 4; s++) {
            const int col = col0 + 4 * (item % GX + GX * s);
            const size_t to = (row0 + m) * cols + col;
            if (in_quads) {
                if (col < cols) *(__global ACC4 *)AT(c, to) = sum[r][s];
                continue;
            }
            if (col < cols) STORE(c, to, sum[r][s].x);
            if (col + 1 < cols) STORE(c, to + 1, sum[r][s].y);
            if (col + 2 < cols) STORE(c, to + 2, sum[r][s].z);
            if (col + 3 < cols) STORE(c, to + 3, sum[r][s].w);
        }
    }
}

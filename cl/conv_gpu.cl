/* Direct convolution for class gpu: implicit GEMM in local-memory tiles, C[m][col] = sum_k A[m][k] B[k][col], where the
 * elements of B are found in the image on the fly. Any stride, dilation, padding and number of groups; 1 to 3 axes.
 *
 *   MODE 0  conv             m output channel, col (image, output pixel), k (channel, tap):   A = w,  B = x
 *   MODE 1  conv_bwd_data    m input channel,  col (image, input pixel),  k (o, tap):         A = w,  B = gy
 *   MODE 2  conv_bwd_filter  m output channel, col (channel, tap),        k (image, output pixel): A = gy, B = x
 *
 * A work-group of TS x TS owns a tile of 4 TS x 4 TS outputs, a work-item 4 x 4 of them, each written once. In MODE 2
 * the k axis may be cut into parts that conv_bwd.sum_parts adds in order. The plane of B has sizes b_d b_h b_w; p_d
 * p_h p_w are those of the other pixels: of col (MODE 0, 1) or of k (MODE 2). */
#include "clg.clh"

#ifndef TS
#define TS 16
#endif
#ifndef MODE
#define MODE 0
#endif
#define TILE (4 * TS)
#define DEPTH 16

typedef struct geometry {
    int b_d, b_h, b_w, p_d, p_h, p_w, step_d, step_h, step_w, pad_d, pad_h, pad_w;
} geometry;

/* Pixel (z, y, x) of the p plane; for MODE 0 and 2, where tap 0 of that pixel lies in the plane of B. */
inline int4 pixel_at(const geometry s, int p) {
    const int x = p % s.p_w, y = p / s.p_w % s.p_h, z = p / s.p_w / s.p_h;
#if MODE == 1
    return (int4)(z + s.pad_d, y + s.pad_h, x + s.pad_w, 0);
#else
    return (int4)(z * s.step_d - s.pad_d, y * s.step_h - s.pad_h, x * s.step_w - s.pad_w, 0);
#endif
}

/* Index in the plane of B of a tap at a pixel; -1: padding, or (MODE 1) no output pixel. */
inline int plane_index(const geometry s, const int4 at, const int4 tap) {
#if MODE == 1
    const int z = at.x - tap.x, y = at.y - tap.y, x = at.z - tap.z;
    if (z < 0 || y < 0 || x < 0 || z % s.step_d || y % s.step_h || x % s.step_w) return -1;
    const int bz = z / s.step_d, by = y / s.step_h, bx = x / s.step_w;
#else
    const int bz = at.x + tap.x, by = at.y + tap.y, bx = at.z + tap.z;
    if (bz < 0 || by < 0 || bx < 0) return -1;
#endif
    return bz < s.b_d && by < s.b_h && bx < s.b_w ? (bz * s.b_h + by) * s.b_w + bx : -1;
}

inline int4 tap_at(__global const int *taps, int t) {
    return (int4)(taps[3 * t], taps[3 * t + 1], taps[3 * t + 2], 0);
}

KERNEL implicit_gemm(IN(a), IN(b), IN(bias), IN_T(int, taps), OUT(c), const int has_bias, const int groups, const int M,
                     const int cols, const int K, const int channels, const int T_taps, const int parts, const int b_d,
                     const int b_h, const int b_w, const int p_d, const int p_h, const int p_w, const int step_d,
                     const int step_h, const int step_w, const int pad_d, const int pad_h, const int pad_w TAIL_ARGS) {
    const geometry s = { b_d, b_h, b_w, p_d, p_h, p_w, step_d, step_h, step_w, pad_d, pad_h, pad_w };
    const int pixels = p_d * p_h * p_w;
    const size_t b_plane = (size_t)b_d * b_h * b_w;
    const int col0 = get_group_id(0) * TILE, m0 = get_group_id(1) * TILE;
    const int z = get_group_id(2), g = z % groups, part = z / groups;
    const int tx = get_local_id(0), ty = get_local_id(1), me = ty * TS + tx;
    __local ACC as[DEPTH][TILE + 1], bs[DEPTH][TILE + 1];
    __local int4 col_at[TILE];   /* MODE 0, 1: the pixel; MODE 2: the tap */
    __local int col_plane[TILE]; /* MODE 0, 1: the image; MODE 2: the channel; -1: no such column */

    for (int j = me; j < TILE; j += TS * TS) {
        const int col = col0 + j;
#if MODE == 2
        col_plane[j] = col < cols ? col / T_taps : -1;
        col_at[j] = tap_at(AT(taps, 0), col % T_taps);
#else
        col_plane[j] = col < cols ? col / pixels : -1;
        col_at[j] = pixel_at(s, col % pixels);
#endif
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    ACC sum[4][4]; /* all loops over it are unrolled: registers have no index */
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = 0;
    const int k_begin = (long)K * part / parts, k_end = (long)K * (part + 1) / parts;
    for (int k0 = k_begin; k0 < k_end; k0 += DEPTH) {
        for (int e = me; e < DEPTH * TILE; e += TS * TS) {
            const int k = k0 + e % DEPTH, m = m0 + e / DEPTH;
            ACC v = 0;
            if (k < k_end && m < M) {
#if MODE == 0
                v = LOAD(a, ((size_t)g * M + m) * K + k);
#elif MODE == 1
                v = LOAD(a, (((size_t)g * channels + k / T_taps) * M + m) * T_taps + k % T_taps);
#else
                v = LOAD(a, (((size_t)(k / pixels) * groups + g) * M + m) * pixels + k % pixels);
#endif
            }
            as[e % DEPTH][e / DEPTH] = v;
        }
        for (int e = me; e < DEPTH * TILE; e += TS * TS) {
#if MODE == 2 /* neighbours along pixels, which is k */
            const int row = e % DEPTH, j = e / DEPTH, k = k0 + row;
            const int image = k / pixels, channel = col_plane[j];
            const int4 at = pixel_at(s, k % pixels), tap = col_at[j];
#else
            const int row = e / TILE, j = e % TILE, k = k0 + row;
            const int image = col_plane[j], channel = k / T_taps;
            const int4 at = col_at[j], tap = tap_at(AT(taps, 0), k % T_taps);
#endif
            ACC v = 0;
            if (k < k_end && col_plane[j] >= 0) {
                const int i = plane_index(s, at, tap);
                if (i >= 0) v = LOAD(b, (((size_t)image * groups + g) * channels + channel) * b_plane + i);
            }
            bs[row][j] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < DEPTH; k++) {
            ACC av[4], bv[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                av[i] = as[k][ty + i * TS];
                bv[i] = bs[k][tx + i * TS];
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += av[i] * bv[j];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int m = m0 + ty + i * TS;
        const ACC start = has_bias && m < M ? LOAD(bias, g * M + m) : 0;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int col = col0 + tx + j * TS;
            if (m >= M || col >= cols) continue;
#if MODE == 2
            STORE(c, (((size_t)part * groups + g) * M + m) * cols + col, sum[i][j]);
#else
            const int row = (col / pixels * groups + g) * M + m, pixel = col % pixels;
            STORE(c, (size_t)row * pixels + pixel, TAIL(start + sum[i][j], row, pixel));
#endif
        }
    }
}

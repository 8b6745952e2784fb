/* Sums of two things in one launch, over sets of axes in the merged form of reduce.clh:
 *
 *   moments     mean = sum of x / n, var = sum of (x - mean)^2 / n, where nothing cancels, since a mean is taken off
 *               first. CPU: two sweeps, of which the second mostly finds the segment in a cache. GPU: one, 16
 *               elements at a time lie in registers, which gives their sum and their squares about their own mean, and
 *               such pairs are joined (Chan, Golub & LeVeque 1983)
 *   comoments   s = sum of u, t = sum of u (x - mean)
 *
 *   ..._rows    CPU, K3 = 1: lanes along the columns; a work-item makes `per` segments
 *   ..._cols    CPU: lanes along k3; a work-item makes `per` blocks of 16 results
 *   ..._tree    GPU, K3 = 1: a team of work-items a segment (team.clh), by vectors of 4 where rows allow
 *   ..._items   GPU: a work-item a result
 *   ..._join    GPU: where too few segments would leave a device idle, a launch cuts them into parts as reduce.cl
 *               do, and keeps for each what it knows of it (-DPARTIAL=1); a work-item joins those of a result
 *
 * One writer for each result, sums in an order that the shape fixes. */
#include "clg.clh"
#include "reduce.clh"
#include "team.clh"

/* --- class cpu --- */

#define V    ACC16
#define X(i) CLG_LOAD16(AT(x, i))
#define U(i) CLG_LOAD16(AT(u, i))

#ifdef CLG_F64
#define BELOW(count) convert_long16(lanes < (int16)(count))
#define MASK long16
#else
#define BELOW(count) (lanes < (int16)(count))
#define MASK int16
#endif
#define ALL(v)  (v)
#define SOME(v) select((V)(0), (v), some)

/* What an element does to the sums k0 and k1; M leaves out lanes past the end. */
#define ADD(k, i, M) k##0 += M(X(i));
#define ADD_SQUARE(k, i, M)               \
    {                                     \
        const V d = M(X(i) - about);      \
        k##0 += d * d;                    \
    }
#define ADD_BOTH(k, i, M)                         \
    {                                             \
        const V w = U(i), wx = w * (X(i) - about); \
        k##0 += M(w);                             \
        k##1 += M(wx);                            \
    }

#define SWEEP_ROWS(BODY)                                    \
    for (int r = 0; r < r0 * r1; r++) {                     \
        const size_t at = ROW_BASE((size_t)r);              \
        int i = 0;                                          \
        for (; i + 32 <= r2; i += 32) {                     \
            BODY(a, at + i, ALL)                            \
            BODY(b, at + i + 16, ALL)                       \
        }                                                   \
        for (; i + 16 <= r2; i += 16) { BODY(a, at + i, ALL) } \
        if (i < r2) {                                       \
            const MASK some = BELOW(r2 - i);                \
            BODY(a, at + i, SOME)                           \
        }                                                   \
    }
#define SWEEP_COLS(BODY)                                            \
    for (int r = 0; r < r0 * r1; r++) {                             \
        const size_t row = ROW_BASE((size_t)r) + lane;              \
        for (int i = 0; i < r2; i++) { BODY(a, row + (size_t)i * k3, ALL) } \
    }

/* Segments of a work-item; blocks of 16 results of segments. */
#define EACH_SEGMENT                                                                               \
    const size_t first = get_global_id(0) * per, end = min(first + per, (size_t)n);                \
    const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);             \
    for (size_t o = first; o < end; o++)
#define EACH_BLOCK                                                                                 \
    const size_t blocks = ((size_t)k3 + 15) / 16, total = n * blocks;                              \
    const size_t first = get_global_id(0) * per, end = min(first + per, total);                    \
    for (size_t block = first; block < end; block++)
#define BLOCK                                                                                      \
    const size_t o = block / blocks, lane = (block - o * blocks) * 16, at = o * k3 + lane;         \
    const int left = (int)min((size_t)16, k3 - lane);                                              \
    GEOMETRY(o)

#define MOMENTS IN(x), OUT(mean), OUT(var), const int n, SIZES, const ACC scale

KERNEL moments_rows(MOMENTS, const int per) {
    EACH_SEGMENT {
        GEOMETRY(o);
        V a0 = 0, b0 = 0;
        SWEEP_ROWS(ADD)
        const ACC about = clg_sum16(a0 + b0) * scale;
        a0 = b0 = 0;
        SWEEP_ROWS(ADD_SQUARE)
        STORE(mean, o, about);
        STORE(var, o, clg_sum16(a0 + b0) * scale);
    }
}

KERNEL moments_cols(MOMENTS, const int per) {
    EACH_BLOCK {
        BLOCK;
        V a0 = 0;
        SWEEP_COLS(ADD)
        const V about = a0 * scale;
        a0 = 0;
        SWEEP_COLS(ADD_SQUARE)
        clg_store_part(AT(mean, at), about, left);
        clg_store_part(AT(var, at), a0 * scale, left);
    }
}

#define COMOMENTS IN(u), IN(x), IN(mean), OUT(s), OUT(t), const int n, SIZES

KERNEL comoments_rows(COMOMENTS, const int per) {
    EACH_SEGMENT {
        GEOMETRY(o);
        const ACC about = LOAD(mean, o);
        V a0 = 0, a1 = 0, b0 = 0, b1 = 0;
        SWEEP_ROWS(ADD_BOTH)
        STORE(s, o, clg_sum16(a0 + b0));
        STORE(t, o, clg_sum16(a1 + b1));
    }
}

KERNEL comoments_cols(COMOMENTS, const int per) {
    EACH_BLOCK {
        BLOCK;
        const V about = CLG_LOAD16(AT(mean, at));
        V a0 = 0, a1 = 0;
        SWEEP_COLS(ADD_BOTH)
        clg_store_part(AT(s, at), a0, left);
        clg_store_part(AT(t, at), a1, left);
    }
}

/* --- class gpu --- */

#define PARTS SIZES, const int row_part, const int col_part

/* The part of the rows and columns that belongs to group 1 and 2. */
#define PART                                                                                        \
    const int row_first = (int)get_group_id(1) * row_part, rows = min(row_part, r0 * r1 - row_first); \
    const int col_first = (int)get_group_id(2) * col_part, width = min(col_part, r2 - col_first);   \
    const size_t part = (get_group_id(1) * get_num_groups(2) + get_group_id(2)) * (size_t)n * k3
/* A work-item is a team of one, on the elements of result `at`, which are k3 apart. */
#define ITEM                                                                                        \
    const uint lane = 0, lanes = 1, at = get_global_id(0);                                          \
    if (at >= (uint)n * k3) return;                                                                 \
    const uint o = at / (uint)k3;                                                                   \
    GEOMETRY(o)
#define PLACE(r, c) (ROW_FAST(row_first + (r)) + (size_t)(col_first + (c)) * k3 + (at - o * k3)) /* of an item */
#define SPOT(r, c)  (ROW_FAST(row_first + (r)) + col_first + (c))                               /* of a team */

/* What is known of some elements: how many, their sum, and the sum of squares about their mean. */
typedef struct {
    ACC count, sum, squares;
} known;

/** Joins a with what is known of others, of which there is one at least. */
INLINE known join(const known a, const ACC count, const ACC sum, const ACC squares) {
    const ACC both = a.count + count, d = sum / count - a.sum / fmax(a.count, (ACC)1);
    const known r = { both, a.sum + sum, a.squares + squares + d * d * (a.count * count / both) };
    return r;
}

#define SUM_ACC(v)  (v)
#define SUM_ACC4(v) (((v).x + (v).y) + ((v).z + (v).w))
#define VECTOR_AT(x, i) (*(const __global ACC4 *)AT(x, i))

/* Joins `all` with all elements of the team's lane, HELD units of UNIT neighbours at a time; as TEAM_SWEEP, which
 * see. FROM(x, ADDRESS(row, column)) is a unit of type VEC. */
#define HELD 4
#define KNOW(VEC, UNIT, FROM, ADDRESS)                                                              \
    {                                                                                               \
        const uint across = max((uint)width / UNIT, 1u), total = (uint)rows * ((uint)width / UNIT); \
        const uint down = lanes / across, right = lanes - down * across;                            \
        uint r = lane / across, c = lane - r * across;                                              \
        for (uint i = lane; i < total;) {                                                           \
            VEC held[HELD], sum = (VEC)((ACC)0), squares = sum;                                     \
            uint have = 0;                                                                          \
            _Pragma("unroll") for (uint k = 0; k < HELD; k++) {                                     \
                held[k] = (VEC)((ACC)0);                                                            \
                if (i < total) {                                                                    \
                    held[k] = FROM(x, ADDRESS(r, c * UNIT));                                        \
                    have++;                                                                         \
                }                                                                                   \
                sum += held[k];                                                                     \
                i += lanes;                                                                         \
                r += down;                                                                          \
                c += right;                                                                         \
                if (c >= across) {                                                                  \
                    c -= across;                                                                    \
                    r++;                                                                            \
                }                                                                                   \
            }                                                                                       \
            const ACC count = (ACC)(have * UNIT), about = SUM_##VEC(sum) / count;                   \
            _Pragma("unroll") for (uint k = 0; k < HELD; k++) {                                     \
                const VEC d = held[k] - about;                                                      \
                squares += k < have ? d * d : (VEC)((ACC)0);                                        \
            }                                                                                       \
            all = join(all, count, SUM_##VEC(sum), SUM_##VEC(squares));                             \
        }                                                                                           \
    }

#ifdef PARTIAL
#define RESULT(first, second) (first)
#else
#define RESULT(first, second) (second)
#endif

KERNEL moments_tree(IN(x), OUT(mean), OUT(var), const int n, PARTS, const ACC scale) {
    TEAM_LOCAL(ACC, joins);
    TEAM;
    PART;
    EACH_ROW(n) {
        ROW_OF_TEAM(n);
        GEOMETRY(o);
        known all;
        all.count = all.sum = all.squares = 0;
        if (live && TEAM_BY_4(AT(x, 0), ACC, r2) && width % 4 == 0) {
            KNOW(ACC4, 4, VECTOR_AT, SPOT)
        } else if (live) {
            KNOW(ACC, 1, LOAD, SPOT)
        }
        ACC sum = all.sum;
        TEAM_SUM(sum, joins);
        const ACC about = sum / ((ACC)rows * width), d = all.sum / fmax(all.count, (ACC)1) - about;
        ACC squares = all.squares + all.count * (d * d);
        TEAM_SUM(squares, joins);
        if (live && lane == 0) {
            STORE(mean, part + o, RESULT(sum, sum * scale));
            STORE(var, part + o, RESULT(squares, squares * scale));
        }
    }
}

KERNEL moments_items(IN(x), OUT(mean), OUT(var), const int n, PARTS, const ACC scale) {
    PART;
    ITEM;
    known all;
    all.count = all.sum = all.squares = 0;
    KNOW(ACC, 1, LOAD, PLACE)
    STORE(mean, part + at, RESULT(all.sum, all.sum * scale));
    STORE(var, part + at, RESULT(all.squares, all.squares * scale));
}

/* Of a segment of rows x width elements, cut into parts: those of the last row and column are smaller. */
KERNEL moments_join(IN(sums), IN(squares), OUT(mean), OUT(var), const int n, const int rows, const int width,
                    const int row_part, const int col_part, const ACC scale) {
    const uint at = get_global_id(0);
    if (at >= (uint)n) return;
    const int down = (rows + row_part - 1) / row_part, across = (width + col_part - 1) / col_part;
    ACC sum = 0, rest = 0;
    for (int p = 0; p < down * across; p++) sum += LOAD(sums, (size_t)p * n + at);
    const ACC about = sum * scale;
    size_t p = at;
    for (int i = 0; i < down; i++)
        for (int j = 0; j < across; j++, p += n) {
            const ACC count = (ACC)min(row_part, rows - i * row_part) * min(col_part, width - j * col_part);
            const ACC d = LOAD(sums, p) / count - about;
            rest += LOAD(squares, p) + count * (d * d);
        }
    STORE(mean, at, about);
    STORE(var, at, rest * scale);
}

#define ADD_UNITS(VEC, FROM, ADDRESS, r, c)                                     \
    {                                                                           \
        const size_t e_ = ADDRESS(r, c);                                        \
        const VEC u_ = FROM(u, e_);                                             \
        plain += u_;                                                            \
        apart += u_ * (FROM(x, e_) - about);                                    \
    }
#define ADD_ITEM(r, c)  ADD_UNITS(ACC, LOAD, PLACE, r, c)
#define ADD_TEAM(r, c)  ADD_UNITS(ACC, LOAD, SPOT, r, c)
#define ADD_TEAM4(r, c) ADD_UNITS(ACC4, VECTOR_AT, SPOT, r, c)

KERNEL comoments_tree(IN(u), IN(x), IN(mean), OUT(s), OUT(t), const int n, PARTS) {
    TEAM_LOCAL(ACC, joins);
    TEAM;
    PART;
    EACH_ROW(n) {
        ROW_OF_TEAM(n);
        GEOMETRY(o);
        const ACC about = LOAD(mean, o);
        ACC sum = 0, product = 0;
        if (live && TEAM_BY_4(AT(x, 0), ACC, r2) && TEAM_BY_4(AT(u, 0), ACC, r2) && width % 4 == 0) {
            ACC4 plain = (ACC4)((ACC)0), apart = plain;
            TEAM_SWEEP(rows, width, 4, ADD_TEAM4)
            sum = SUM_ACC4(plain);
            product = SUM_ACC4(apart);
        } else if (live) {
            ACC plain = 0, apart = 0;
            TEAM_SWEEP(rows, width, 1, ADD_TEAM)
            sum = plain;
            product = apart;
        }
        TEAM_SUM(sum, joins);
        TEAM_SUM(product, joins);
        if (live && lane == 0) {
            STORE(s, part + o, sum);
            STORE(t, part + o, product);
        }
    }
}

KERNEL comoments_items(IN(u), IN(x), IN(mean), OUT(s), OUT(t), const int n, PARTS) {
    PART;
    ITEM;
    const ACC about = LOAD(mean, at);
    ACC plain = 0, apart = 0;
    TEAM_SWEEP(rows, width, 1, ADD_ITEM)
    STORE(s, part + at, plain);
    STORE(t, part + at, apart);
}

KERNEL comoments_join(IN(sums), IN(products), OUT(s), OUT(t), const int n, const int parts) {
    const uint at = get_global_id(0);
    if (at >= (uint)n) return;
    ACC sum = 0, product = 0;
    for (int p = 0; p < parts; p++) {
        sum += LOAD(sums, (size_t)p * n + at);
        product += LOAD(products, (size_t)p * n + at);
    }
    STORE(s, at, sum);
    STORE(t, at, product);
}

/* Matrix products by the kernels of cl/gemm.cl, for class cpu, and which kernel a product of another op takes.
 *
 * op(A) B by `tile`, whatever the strides of A (its elements are broadcast); A B^T with few rows by `dot_tile`.
 * Operands are packed in panels, as Goto and van de Geijn (2008) do, only where that pays: B^T in all other products,
 * since its lanes would be gathered, a wide B, and with that a large A^T. A panel of B is used along all of k: with
 * two vector loads a cycle it streams from the second-level cache as fast as it is used. A product with one column is
 * turned into one with one row, so that lanes are full. The tile is the one with the least work for the shape and the
 * number of cores; a shape must gain to leave the usual tile, because each tile is a program to build. */
#include "ops/gemm_parts.h"
#include "ops/registers.h"

#include <limits.h>

bool clg_gemm_fits(clg_dtype t, int64_t m, int64_t n, int64_t k, int64_t batch) {
    const int64_t most = INT_MAX - 1024; /* room to round up to tiles */
    return (t == CLG_F32 || t == CLG_F64) && m <= most && n <= most && k <= most && batch <= most;
}

bool clg_gemm_normal(const clg_emit_gemm_params *p, clg_emit_gemm_params *q) {
    *q = *p;
    if (q->batch == 0) q->batch = 1;
    if (q->lda == 0) q->lda = q->ta ? q->m : q->k;
    if (q->ldb == 0) q->ldb = q->tb ? q->k : q->n;
    if (q->ldc == 0) q->ldc = q->n;
    return q->m > 0 && q->n > 0 && q->batch > 0;
}

clg_status clg_gemm_check(const clg_emit_gemm_params *p) {
    const clg_dtype t = p->c->dtype;
    if (!clg_gemm_fits(t, p->m, p->n, p->k, p->batch) || p->a->dtype != t || p->b->dtype != t)
        return clg_fail(CLG_ERR_UNSUP, "matmul: no kernel for %s, m %lld, n %lld, k %lld, batch %lld; the kernels take "
                        "f32 or f64 and sizes below 2^31", clg_dtype_name(t), (long long)p->m, (long long)p->n,
                        (long long)p->k, (long long)p->batch);
    return CLG_OK;
}

typedef struct tile {
    int mr, nv; /* rows; columns in vectors of 16 */
} tile;

/* For registers that hold 24, 12, 6 or 3 vectors of sums; the usual tile first. The kernel needs mr <= m. */
enum { N_TILES = 9, OUT_OF_CACHE = 1 << 21, MOST_PACKED = 1 << 23 /* elements */,
       MOST_TERMS = 2048 /* as in gemm.cl */, LARGE = 4 << 20 /* bytes: more than a core's cache */,
       SMALL_B = 256 << 10 /* less than that */,
       PAST_BYTES = 32 << 20 /* of c: more than the last cache keeps */ };
static const tile tiles_24[N_TILES] = {{6, 4}, {4, 4}, {8, 3}, {12, 2}, {12, 1}, {4, 1}, {2, 4}, {1, 8}, {1, 4}};
static const tile tiles_12[N_TILES] = {{6, 2}, {4, 2}, {8, 1}, {12, 1}, {4, 1}, {2, 2}, {1, 4}, {1, 2}, {1, 1}};
static const tile tiles_6[N_TILES] = {{6, 1}, {4, 1}, {5, 1}, {2, 2}, {3, 1}, {2, 1}, {1, 4}, {1, 2}, {1, 1}};
static const tile tiles_3[N_TILES] = {{3, 1}, {2, 1}, {1, 3}, {1, 2}, {1, 1}};

static const tile *tiles_for(clg_registers r) {
    return r.sums >= 24 ? tiles_24 : r.sums >= 12 ? tiles_12 : r.sums >= 6 ? tiles_6 : tiles_3;
}

const clg_knob clg_gemm_cpu_knobs[] = {
    {"gemm_path", 3, {-1, 0, 1}},     /* A B^T: 0 by `tile`, 1 by `dot_tile` */
    {"gemm_pack", 4, {-1, 0, 1, 2}},  /* 0 nothing but B^T, 1 B, 2 B and A^T */
    {"gemm_tile", N_TILES + 1, {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
    {0},
};

/* Columns of the last panel that are so few that sums along k take less than a vector of columns: 0, 1 .. 4. Their
 * operand must lie along k. */
static int few_columns(clg_registers r, tile t, const clg_emit_gemm_params *p) {
    const int64_t rest = p->n % (16 * t.nv);
    const bool few = rest > 0 && rest <= 4 && t.mr * rest <= 24 && t.mr * rest <= r.sums;
    return few && p->n > 16 * t.nv && !p->ta && p->k >= 16 && p->k <= MOST_TERMS ? (int)rest : 0;
}

/* Whether the last panel is narrow enough to be computed as one vector. */
static bool has_edge(tile t, int64_t n) {
    const int64_t rest = n % (16 * t.nv);
    return t.nv > 2 && n > 16 * t.nv && rest > 0 && rest <= 16;
}

/* Vector operations of a tile with nv vectors: fused multiply-adds or loads, whichever take longer, its start, and what
 * a row of it costs beside, which is one stream of stores. */
static double tile_cost(clg_registers r, int mr, int nv, double k, double row) {
    const int fma = clg_registers_products(r, mr * nv), load = mr + nv * r.parts;
    return (fma > load ? fma : load) * k + 40 + mr * nv + mr * row;
}

/* The same of a tile whose columns are sums along k; each is gathered, and summed over lanes. */
static double dots_cost(clg_registers r, int mr, int columns, double k) {
    const int sums = mr * columns;
    return (clg_registers_products(r, sums) + (mr + columns) * r.parts) * k / 16 + columns * k + 40 + 10 * sums;
}

/* What a core does for the product. */
static double tile_work(clg_registers r, tile t, const clg_emit_gemm_params *p, int cores) {
    const int dots = few_columns(r, t, p);
    const int64_t panels = clg_div_up(p->n, 16 * t.nv), full = dots || has_edge(t, p->n) ? panels - 1 : panels;
    const int64_t tiles = clg_div_up(p->m, t.mr) * p->batch;
    /* tiles of one vector (AVX2): where c leaves the caches, to write a line here and a line there takes longer than to
       write two that follow each other */
    const double row = !r.wide && (double)p->m * (double)p->n * (double)p->batch > OUT_OF_CACHE ? 80 : 0;
    double work = (double)clg_div_up(tiles * full, cores) * tile_cost(r, t.mr, t.nv, (double)p->k, row);
    const double last = dots ? dots_cost(r, t.mr, dots, (double)p->k) : tile_cost(r, t.mr, 1, (double)p->k, row);
    if (full < panels) work += (double)clg_div_up(tiles, cores) * last;
    return work;
}

static tile choose_tile(clg_emit *e, const clg_emit_gemm_params *p) {
    const int cores = clg_device_get_caps(clg_emit_device(e))->compute_units, knob = clg_emit_knob(e, "gemm_tile");
    /* for which another program is worth building: a part of the work, and some microseconds */
    const double gain = 0.85, least = 8000;
    const clg_registers r = clg_registers_of(clg_emit_device(e), p->c->dtype == CLG_F64);
    const tile *tiles = tiles_for(r);
    if (knob >= 0 && knob < N_TILES && tiles[knob].mr > 0 && tiles[knob].mr <= p->m) return tiles[knob];
    tile best = {0, 0};
    double best_work = 0;
    for (int i = 0; i < N_TILES && tiles[i].mr > 0; i++) {
        if (tiles[i].mr > p->m) continue;
        const double work = tile_work(r, tiles[i], p, cores);
        if (best.mr != 0 && (work >= best_work * gain || work > best_work - least)) continue;
        best = tiles[i];
        best_work = work;
    }
    return best;
}

int64_t clg_gemm_tail_cols(const clg_emit_gemm_params *p) {
    const bool tight = p->ldc == p->n && p->c_off == 0 && (p->batch == 1 || p->c_stride == p->m * p->n);
    return p->finish && tight && p->batch * p->m * p->n == clg_shape_elems(p->c->shape) ? p->n : 0;
}

static clg_status emit_dot(clg_emit *e, const clg_emit_gemm_params *p) {
    const int mb = p->m == 1 ? 1 : p->m == 2 ? 2 : 4, nb = 16 / mb, most = 8;
    const int64_t rows = clg_div_up(p->m, mb), cols = clg_div_up(p->n, nb);
    const int64_t enough = 128 * (int64_t)clg_device_get_caps(clg_emit_device(e))->compute_units; /* to share evenly */
    const int64_t fit = rows * cols * p->batch / enough, steps = fit < 1 ? 1 : fit > most ? most : fit;
    const clg_tensor *a = p->a, *b = p->b, *c = p->c;
    const bool few = clg_registers_of(clg_emit_device(e), p->c->dtype == CLG_F64).sums < 12;
    return clg_emit_launch(e, &(clg_launch){"gemm.dot_tile",
        clg_emit_options(e, few ? "-DMB=%d -DFEW_SUMS" : "-DMB=%d", mb),
        {(size_t)clg_div_up(cols, steps), (size_t)rows, (size_t)p->batch}, {0},
        ARGS(IN(a), IN(b), OUT(c), SIZES(p), LONG_AS(lda, p->lda), LONG_AS(ldb, p->ldb), LONG_AS(ldc, p->ldc),
             INT(steps), BATCH(p)), clg_gemm_tail_cols(p)});
}

/* How `tile` finds its operands: as they came, or packed in scratch. */
typedef struct packed { const clg_tensor *a, *b; } packed; /* NULL: not packed */

/* Tiles an item makes below each other: some 2000 vector operations, while there are items to share among the cores. */
static int64_t tile_steps(clg_emit *e, const clg_emit_gemm_params *p, tile t) {
    const int64_t tiles = clg_div_up(p->m, t.mr), all = tiles * clg_div_up(p->n, 16 * t.nv) * p->batch;
    const int64_t enough = 32 * (int64_t)clg_device_get_caps(clg_emit_device(e))->compute_units;
    const int64_t wanted = 2000 / (p->k * t.mr * t.nv + 40) + 1, fit = all / enough, most = wanted < fit ? wanted : fit;
    if (most < 1) return 1;
    return clg_div_up(tiles, clg_div_up(tiles, most < tiles ? most : tiles)); /* the last item has not much less */
}

/* B does not fit the caches, and its rows lie so far apart that the hardware sees no pattern in what a panel reads. It
 * is asked for no nearer than the second cache: asked for into the first, it takes twice as long as not at all. */
static bool comes_from_memory(const clg_emit_gemm_params *p, int64_t tiles, tile t) {
    const int64_t page = 4096, elem = (int64_t)clg_dtype_size(p->b->dtype), copies = p->b_stride == 0 ? 1 : p->batch;
    return p->ldb * elem >= page && copies * p->k * p->n * elem >= LARGE && tiles >= 2 * t.nv;
}

/* A is read from beyond a core's cache once for each panel, and each tile of it lies behind the one before. A packed
 * tile is a stream of a page in some 2000 cycles, at whose end the hardware has to start anew (2048, TN: 42 ms without
 * asking, 35.6 with it; NN: 36.1, 34.6). */
static bool a_follows(const clg_emit_gemm_params *p, bool is_packed) {
    return (is_packed || (!p->ta && p->lda == p->k)) &&
        p->m * p->k * (int64_t)clg_dtype_size(p->c->dtype) >= LARGE;
}

/* All columns of a batch that share their rows of A come one after the other, where A is larger than B, and B fits into
 * a core's cache: so A is read once, by one core. */
static bool goes_across(const clg_emit_gemm_params *p) {
    const int64_t elem = (int64_t)clg_dtype_size(p->b->dtype), copies = p->b_stride == 0 ? 1 : p->batch;
    const int64_t all_b = copies * p->k * p->n * elem;
    return (p->batch == 1 || p->a_stride == 0) && p->m * p->k * elem > all_b && all_b <= SMALL_B;
}

static clg_status emit_tile(clg_emit *e, const clg_emit_gemm_params *p, tile t, packed y) {
    const int64_t columns = 16 * t.nv, tiles = clg_div_up(p->m, t.mr), panels = clg_div_up(p->n, columns);
    const int64_t steps = tile_steps(e, p, t), across = goes_across(p);
    const size_t down = (size_t)clg_div_up(tiles, steps), batch = (size_t)p->batch;
    const int64_t a_tile = p->k * t.mr, b_panel = p->k * columns;
    const clg_tensor *a = y.a ? y.a : p->a, *b = y.b ? y.b : p->b, *c = p->c;
    const int64_t a_stride = !y.a || p->a_stride == 0 ? p->a_stride : tiles * a_tile;
    const int64_t b_stride = !y.b || p->b_stride == 0 ? p->b_stride : panels * b_panel;
    const int dots = few_columns(clg_registers_of(clg_emit_device(e), c->dtype == CLG_F64), t, p);
    const char *edge = dots ? clg_emit_options(e, " -DDOTS=%d", dots) : has_edge(t, p->n) ? " -DEDGE=1" : "";
    const bool past = clg_shape_elems(c->shape) * (int64_t)clg_dtype_size(c->dtype) >= PAST_BYTES && p->ldc % 16 == 0;
    const bool ahead = !y.b && comes_from_memory(p, tiles, t), next_a = !across && a_follows(p, y.a);
    return clg_emit_launch(e, &(clg_launch){"gemm.tile",
        clg_emit_options(e, "-DMR=%d -DNV=%d%s%s%s%s", t.mr, t.nv, edge, past ? " -DPAST" : "",
                         ahead ? " -DAHEAD=1" : "", next_a ? " -DNEXT_A=1" : ""),
        {across ? (size_t)panels : down, across ? batch : (size_t)panels, across ? down : batch}, {0},
        ARGS(IN(a), IN(b), OUT(c), SIZES(p), LONG_AS(a_row, p->ta ? 1 : p->lda),
             LONG_AS(a_col, y.a ? t.mr : p->ta ? p->lda : 1), LONG_AS(a_tile, y.a ? a_tile : 0),
             LONG_AS(b_panel, y.b ? b_panel : columns), LONG_AS(ldb, y.b ? columns : p->ldb), LONG_AS(ldc, p->ldc),
             INT(steps), INT(across), LONG_AS(a_stride, a_stride), LONG_AS(b_stride, b_stride),
             LONG_AS(c_stride, p->c_stride), LONG_AS(a_begin, y.a ? 0 : p->a_off),
             LONG_AS(b_begin, y.b ? 0 : p->b_off), LONG_AS(c_begin, p->c_off)), clg_gemm_tail_cols(p)});
}

/* Rows of a wide B lie a page or more apart: a tile that walks down them misses the TLB, and with a power of two between
 * them they share few sets of the caches, which on some CPUs halves the speed (256 x 1024 x 1024: 3.8 ms, 1.8 packed).
 * Packing pays if many rows of A use the copy; the wider B is, the fewer are enough. A tile of one vector (AVX2) uses a
 * line of each row, so rows that are some lines apart fall into the same sets of the nearest cache, and each is a page:
 * there it pays earlier. */
static bool should_pack_b(const clg_emit_gemm_params *p, tile t, clg_registers r) {
    if (p->tb) return true;
    const double copies = p->b_stride == 0 ? 1 : (double)p->batch;
    const bool small = copies * (double)p->k * (double)p->n <= MOST_PACKED;
    if (!r.wide && t.nv <= 2 && p->n >= 256 && p->m >= 48 && p->k >= 32 && small) return true;
    return p->n >= 1024 && p->m >= 128 && (double)p->m * (double)p->n >= 256.0 * 1024 && p->k >= 64 && copies == 1;
}

/* Each row of a large A^T is a page of its own, of which a tile uses a fraction of a line. */
static bool should_pack_a(const clg_emit_gemm_params *p, clg_registers r) {
    return p->ta && p->n >= (r.wide ? 1024 : 256) && (double)p->k * (double)p->m >= 256.0 * 1024 &&
        (p->batch == 1 || p->a_stride == 0);
}

static clg_status pack_b(clg_emit *e, const clg_emit_gemm_params *p, tile t, const clg_tensor **to) {
    const int64_t batch = p->b_stride == 0 ? 1 : p->batch, columns = 16 * t.nv, panels = clg_div_up(p->n, columns);
    const int64_t block = p->k < 512 ? 32 : p->k < 2048 ? 64 : 128;
    const clg_tensor *b = p->b, *y = *to = clg_emit_scratch(e, p->c->dtype, CLG_SHAPE(batch, panels, p->k, columns));
    return clg_emit_launch(e, &(clg_launch){p->tb ? "gemm.pack_t" : "gemm.pack",
        clg_emit_options(e, "-DMR=%d -DNV=%d", t.mr, t.nv),
        {(size_t)panels, (size_t)clg_div_up(p->k, block), (size_t)batch}, {0},
        ARGS(IN(b), OUT(y), INT_AS(n, p->n), INT_AS(k, p->k), LONG_AS(ldb, p->ldb), LONG_AS(b_stride, p->b_stride),
             LONG_AS(b_begin, p->b_off), INT(block))});
}

static clg_status pack_a(clg_emit *e, const clg_emit_gemm_params *p, tile t, const clg_tensor **to) {
    const int64_t batch = p->a_stride == 0 ? 1 : p->batch, tiles = clg_div_up(p->m, t.mr), block = 16;
    const clg_tensor *a = p->a, *y = *to = clg_emit_scratch(e, p->c->dtype, CLG_SHAPE(batch, tiles, p->k, t.mr));
    return clg_emit_launch(e, &(clg_launch){"gemm.pack_a",
        clg_emit_options(e, "-DMR=%d -DNV=%d", t.mr, t.nv), {(size_t)clg_div_up(p->k, block), 1, (size_t)batch}, {0},
        ARGS(IN(a), OUT(y), INT_AS(m, p->m), INT_AS(k, p->k), LONG_AS(lda, p->lda), LONG_AS(a_stride, p->a_stride),
             LONG_AS(a_begin, p->a_off), INT(block))});
}

/* One column becomes one row: c^T = op(b)^T op(a)^T, and a row or a column of pitch 1 is both, transposed or not. */
static void turn(clg_emit_gemm_params *p) {
    if (p->n == 1 && p->ldc == 1 && p->m > 1) {
        const clg_emit_gemm_params o = *p;
        p->ta = !o.tb;
        p->tb = !o.ta;
        p->m = o.n;
        p->n = o.m;
        p->ldc = o.m;
        p->a = o.b, p->lda = o.ldb, p->a_stride = o.b_stride, p->a_off = o.b_off;
        p->b = o.a, p->ldb = o.lda, p->b_stride = o.a_stride, p->b_off = o.a_off;
    }
    if (p->m == 1 && p->ta && p->lda == 1) {
        p->ta = false;
        p->lda = p->k;
    }
    if (p->n == 1 && !p->tb && p->ldb == 1) {
        p->tb = true;
        p->ldb = p->k;
    }
}

clg_status clg_emit_gemm_cpu(clg_emit *e, const clg_emit_gemm_params *p) {
    clg_emit_gemm_params q;
    CLG_TRY(clg_gemm_check(p));
    if (!clg_gemm_normal(p, &q)) return CLG_OK;
    turn(&q);
    const int path = clg_emit_knob(e, "gemm_path"), pack = clg_emit_knob(e, "gemm_pack");
    /* `dot_tile` is bound by its loads and the sums over lanes: with many rows of A a packed B is faster, and with few
       ones too if it is packed once */
    const int64_t enough = q.tb && !q.ta && q.b_off == 0 && clg_emit_is_still(e, q.b) ? 8 : 256;
    if (q.tb && !q.ta && (path == 1 || (path != 0 && (q.m < enough || q.n < 32)))) return emit_dot(e, &q);
    const clg_registers r = clg_registers_of(clg_emit_device(e), false);
    const tile t = choose_tile(e, &q);
    packed y = {0};
    if (q.k > 0) {
        const bool b = q.tb || (pack < 0 ? should_pack_b(&q, t, r) : pack >= 1);
        const bool a = q.ta && (pack < 0 ? should_pack_a(&q, r) : pack == 2);
        if (b) CLG_TRY(pack_b(e, &q, t, &y.b));
        if (a) CLG_TRY(pack_a(e, &q, t, &y.a));
    }
    return emit_tile(e, &q, t, y);
}

clg_status clg_emit_gemm(clg_emit *e, const clg_emit_gemm_params *p) {
    const clg_device *d = clg_emit_device(e);
    if (clg_device_get_caps(d)->cls == CLG_CLASS_CPU) return clg_emit_gemm_cpu(e, p);
    const bool clblast = p->batch > 0 && p->m > 0 && p->n > 0 && p->k > 0 && p->c->dtype == CLG_F32 &&
        clg_emit_clblast_fits(d, p->m, p->n, p->k, p->batch);
    return clblast ? clg_emit_clblast(e, p) : clg_emit_gemm_gpu(e, p);
}

/* Matrix products for class gpu by cl/gemm_gpu.cl: one kernel, whose tile is chosen by shape, compute units and what a
 * work-group may use. The kernel's file says why these tiles. */
#include "ops/gemm_parts.h"

enum { DEPTH = 16, PAD = 4, N_TILES = 7 }; /* BK of the kernel, and what it adds to a row in local memory */
enum { SPILLED = 4 }; /* times slower where sums lie in memory: each multiply-add then reads and writes one there */

typedef struct tile {
    int bm, bn, rm, rn; /* outputs of a work-group, of a work-item */
    double speed;       /* of a wave's multiply-adds, by what each takes of local and global memory; 1: the largest */
} tile;

/* The last is one work-item, for devices that take no groups. */
static const tile tiles[N_TILES] = {
    {64, 64, 4, 4, 0.7}, {128, 128, 8, 8, 1.0}, {128, 64, 8, 4, 0.85}, {64, 128, 4, 8, 0.85}, {32, 32, 4, 4, 0.4},
    {16, 16, 4, 4, 0.1}, {4, 4, 4, 4, 0},
};

const clg_knob clg_gemm_gpu_knobs[] = {
    {"gemm_tile", N_TILES, {-1, 0, 1, 2, 3, 4, 5}},
    {0},
};

static bool fits(const tile *t, const clg_device_caps *caps, size_t elem) {
    const size_t x = (size_t)(t->bn / t->rn), y = (size_t)(t->bm / t->rm);
    return x * y <= caps->max_group && x <= caps->max_item[0] && y <= caps->max_item[1] &&
        DEPTH * (size_t)(t->bm + t->bn + 2 * PAD) * elem <= caps->local_mem;
}

/* Whether what a work-item holds is within its registers: sums, operands of a term, the quads that it fetches, and some
 * 24 for addresses and counts. */
static bool holds(const tile *t, const clg_device_caps *caps, size_t elem) {
    const int items = t->bm / t->rm * (t->bn / t->rn), quads = DEPTH * (t->bm + t->bn) / items;
    const int values = t->rm * t->rn + t->rm + t->rn + quads;
    return values * (int)(elem / 4) + 24 <= caps->registers;
}

/* Items of a group with the idle ones of its last wave. */
static double lanes_of(const tile *t, const clg_device_caps *caps) {
    const int wave = caps->wave >= 8 && caps->wave <= 64 ? caps->wave : 32;
    return (double)(clg_div_up(t->bm / t->rm * (t->bn / t->rn), wave) * wave);
}

/* The tile with the least time: rounds of groups over the compute units, of waves that are full or not. */
static const tile *choose_tile(clg_emit *e, const clg_emit_gemm_params *p) {
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    const size_t elem = clg_dtype_size(p->c->dtype);
    const int knob = clg_emit_knob(e, "gemm_tile");
    if (knob >= 0 && knob < N_TILES && fits(&tiles[knob], caps, elem)) return &tiles[knob];
    const tile *best = &tiles[N_TILES - 1];
    double best_time = 0;
    for (int i = 0; i < N_TILES - 1; i++) {
        const tile *t = &tiles[i];
        if (!fits(t, caps, elem)) continue;
        const int64_t groups = clg_div_up(p->m, t->bm) * clg_div_up(p->n, t->bn) * p->batch;
        const double rounds = (double)clg_div_up(groups, caps->compute_units), spilled = holds(t, caps, elem) ? 1 : SPILLED;
        const double time = rounds * lanes_of(t, caps) * t->rm * t->rn / t->speed * spilled;
        if (best_time > 0 && time >= best_time) continue;
        best = t;
        best_time = time;
    }
    return best;
}

/* Whether four neighbours in memory are always one aligned vector that lies in its matrix or out of it. */
static bool in_vectors(const clg_emit_gemm_params *p) {
    const int64_t all = p->lda | p->ldb | p->ldc | p->a_off | p->b_off | p->c_off | p->n | (p->ta ? p->m : p->k) |
        (p->tb ? p->k : p->n) | (p->batch > 1 ? p->a_stride | p->b_stride | p->c_stride : 0);
    return all % 4 == 0;
}

clg_status clg_emit_gemm_gpu(clg_emit *e, const clg_emit_gemm_params *params) {
    clg_emit_gemm_params q;
    CLG_TRY(clg_gemm_check(params));
    if (!clg_gemm_normal(params, &q)) return CLG_OK;
    const clg_emit_gemm_params *p = &q;
    const tile *t = choose_tile(e, p);
    const size_t x = (size_t)(t->bn / t->rn), y = (size_t)(t->bm / t->rm);
    const bool vectors = t->bm * t->bn >= 64 * 64 && in_vectors(p); /* small ones are not worth programs of their own */
    const clg_tensor *a = p->a, *b = p->b, *c = p->c;
    return clg_emit_launch(e, &(clg_launch){"gemm_gpu.tile_gpu",
        clg_emit_options(e, "-DBM=%d -DBN=%d -DRM=%d -DRN=%d -DTA=%d -DTB=%d -DVEC=%d -DNARROW=%d", t->bm, t->bn,
                         t->rm, t->rn, p->ta, p->tb, vectors, clg_device_get_caps(clg_emit_device(e))->narrow),
        {(size_t)clg_div_up(p->n, t->bn) * x, (size_t)clg_div_up(p->m, t->bm) * y, (size_t)p->batch}, {x, y, 1},
        ARGS(IN(a), IN(b), OUT(c), SIZES(p), LONG_AS(lda, p->lda), LONG_AS(ldb, p->ldb), LONG_AS(ldc, p->ldc),
             BATCH(p)), clg_gemm_tail_cols(p)});
}

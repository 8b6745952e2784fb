/* Winograd's filtering for class gpu (cl/conv_wino_gpu.cl), its blocks, and where it wins over direct sums.
 *
 * How blocks are chosen, in multiply-adds (no GPU was at hand: these are counts, and the tuner measures):
 *   products   one each; an item with 8 x 8 reads a quarter of a word of local memory for one, which 32 banks beside
 *              128 lanes just deliver; one with 4 x 4 half a word, which costs it 1.4
 *   inputs     transforms of x: what a tile of one channel takes, loads and index checks included, shared by the RB
 *              channels of the group; the copy of the filters: two for each word, shared by the tiles
 *   results    three for each product that goes through local memory, shared by the K channels of x
 * over what of the last waves of a group works, and what of the last round of groups. Registers: 8 x 8 keeps 64 sums
 * and some 40 more, so two groups of 256 share 64 Ki registers (NVIDIA), two waves a SIMD those of AMD's gfx9, nine
 * those of gfx10; local memory is 16 KiB for F(2 x 2), 27 KiB for F(4 x 4) with 288 items, so two groups of either fit
 * too. Where an item has few registers (Intel) 4 x 4 is all that does not spill. */
#include "ops/conv_wino.h"

#include <math.h>

enum { BK = 4, N_BLOCKS = 8 }; /* BK: of the kernel */

/* Items along the tiles and the channels; tiles and channels of each. */
typedef struct block { int lt, lr, side; } block;

static const block blocks[N_BLOCKS] = {
    { 4, 4, 8 }, { 2, 4, 8 }, { 3, 2, 8 }, { 2, 2, 8 }, { 4, 4, 4 }, { 2, 2, 4 }, { 1, 1, 8 }, { 1, 1, 4 },
};

const clg_knob clg_conv_wino_gpu_knobs[] = {
    { "block", 1 + N_BLOCKS, { -1, 0, 1, 2, 3, 4, 5, 6, 7 } },
    { 0 },
};

static bool few_registers(const clg_device_caps *caps) { return caps->registers < 128; }

/* As the kernel has it: what comes in, or what goes out, the latter a number of channels of each item at a time. */
static size_t local_words(const block *b, int64_t XI) {
    const int64_t TB = b->lt * b->side, RB = b->lr * b->side, in = BK * (TB + RB);
    const int64_t out = TB * b->lr * (4 * TB * b->lr <= in ? 4 : 2 * TB * b->lr <= in ? 2 : 1);
    return (size_t)(XI * clg_max64(in, out));
}

/* Elements of the transformed filters. */
static int64_t filter_elems(const clg_wino *s, const block *b) {
    const int64_t RB = b->lr * b->side;
    return s->G * clg_div_up(s->O, RB) * RB * clg_div_up(s->K, BK) * BK * s->XI;
}

static bool fits(const block *b, const clg_wino *s, const clg_device_caps *caps) {
    const size_t items = (size_t)(s->XI * b->lt * b->lr);
    if (b->side == 8 && items > 384) return false; /* of 64 Ki registers on NVIDIA each takes 168 */
    return items <= caps->max_group && items <= caps->max_item[0] &&
        local_words(b, s->XI) * sizeof(float) <= caps->local_mem &&
        (uint64_t)filter_elems(s, b) <= caps->max_alloc / sizeof(float);
}

/* Multiply-adds that the time of all groups is worth, as above. */
static double block_cost(const clg_wino *s, const block *b, const clg_device_caps *caps) {
    const double TB = b->lt * b->side, RB = b->lr * b->side, XI = (double)s->XI;
    const int64_t items = s->XI * b->lt * b->lr, wave = caps->wave > 0 ? caps->wave : 32;
    const double products = XI * TB * RB * (b->side == 8 ? 1.0 : 1.4);
    const double inputs = TB * (s->M == 4 ? 400.0 : 150.0) + 2.0 * XI * RB, outputs = 3.0 * XI * TB * RB;
    const int64_t groups = clg_div_up(s->tiles, b->lt * b->side) * clg_div_up(s->O, b->lr * b->side) * s->G;
    const double idle_lanes = (double)(clg_div_up(items, wave) * wave) / (double)items;
    const int64_t rounds = clg_div_up(groups, caps->compute_units);
    return (double)(rounds * caps->compute_units) * idle_lanes * ((double)s->K * (products + inputs) + outputs);
}

/* The block with the least cost; NULL: none fits. */
static const block *choose_block(const clg_wino *s, const clg_device_caps *caps, double *cost) {
    const block *best = NULL;
    for (int i = 0; i < N_BLOCKS; i++) {
        const block *b = &blocks[i];
        if (!fits(b, s, caps) || (few_registers(caps) && b->side == 8)) continue;
        const double c = block_cost(s, b, caps);
        if (best && c >= *cost) continue;
        best = b;
        *cost = c;
    }
    return best;
}

/* The smallest fits where any does. */
static bool has_block(const clg_node *n, const clg_device *d, int64_t M) {
    const clg_wino s = clg_wino_geometry(n, M);
    return fits(&blocks[N_BLOCKS - 1], &s, clg_device_get_caps(d));
}

bool clg_conv_accept_wino2_gpu(const clg_node *n, const clg_device *d) {
    return clg_conv_accept_wino(n, d) && has_block(n, d, 2);
}

bool clg_conv_accept_wino4_gpu(const clg_node *n, const clg_device *d) {
    return clg_conv_accept_wino(n, d) && has_block(n, d, 4);
}

/* Of direct sums in square tiles, whose operands are looked up in the image on the fly; small tiles read more. */
static double direct_tiles(const clg_wino *s, const clg_device_caps *caps, int side, double each) {
    const int64_t groups = clg_div_up(s->N * s->y_h * s->y_w, side) * clg_div_up(s->O, side) * s->G;
    const int64_t rounds = clg_div_up(groups, caps->compute_units);
    return (double)(rounds * caps->compute_units) * side * side * 9 * (double)s->K * each;
}

static double direct_cost(const clg_wino *s, const clg_device_caps *caps) {
    const double large = direct_tiles(s, caps, 64, few_registers(caps) ? 1.6 : 1.2);
    return fmin(large, fmin(direct_tiles(s, caps, 32, 1.7), direct_tiles(s, caps, 16, 2.5)));
}

/* A quarter faster by the count, which leaves room for what it does not see, with the launch that transforms the
 * filters in training: 5 us of 128 multiply-adds a unit and ns. */
static bool wins(const clg_node *n, const clg_device *d, int64_t M, double over) {
    const clg_device_caps *caps = clg_device_get_caps(d);
    const clg_wino s = clg_wino_geometry(n, M);
    double cost = 0;
    if (s.tiles == 0 || !choose_block(&s, caps, &cost)) return false;
    const double launch = 640e3 * caps->compute_units;
    return 1.25 * cost < over && 1.25 * cost + launch < direct_cost(&s, caps);
}

bool clg_conv_wins_wino2_gpu(const clg_node *n, const clg_device *d) { return wins(n, d, 2, HUGE_VAL); }

/* Only where F(2 x 2), which rounds less, is not about as fast. */
bool clg_conv_wins_wino4_gpu(const clg_node *n, const clg_device *d) {
    const clg_wino s = clg_wino_geometry(n, 2);
    double cost2 = HUGE_VAL;
    return choose_block(&s, clg_device_get_caps(d), &cost2) && wins(n, d, 4, cost2);
}

static clg_status emit(clg_emit *e, const clg_node *n, int64_t M) {
    const clg_wino s = clg_wino_geometry(n, M);
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    const int knob = clg_emit_knob(e, "block");
    double cost;
    if (s.tiles == 0) return CLG_OK; /* an empty batch */
    const block *c = choose_block(&s, caps, &cost);
    if (knob >= 0 && fits(&blocks[knob], &s, caps)) c = &blocks[knob];
    if (!c) c = &blocks[N_BLOCKS - 1];
    const int64_t RB = c->lr * c->side, panels = clg_div_up(s.O, RB), KP = clg_div_up(s.K, BK) * BK;
    const clg_tensor *x = s.x, *w = s.w, *b = s.b ? s.b : s.w, *y = s.y; /* without bias b is not read */
    const clg_tensor *u = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(s.G * panels, KP, s.XI * RB));
    const int64_t has_bias = s.b != NULL, K = s.K, O = s.O, h = s.h, width = s.w_, y_h = s.y_h, y_w = s.y_w;
    const int64_t pad_h = s.pad_h, pad_w = s.pad_w, TY = s.TY, TX = s.TX, count = s.tiles;
    const int64_t w_group = s.w_group, w_row = s.w_row, w_k = s.w_k, turn = s.turn;
    const char *options = clg_emit_options(e, "-DM=%d -DLT=%d -DLR=%d -DRN=%d -DRM=%d -DNARROW=%d", (int)s.M, c->lt,
                                           c->lr, c->side, c->side, caps->narrow);
    const size_t items = (size_t)(s.XI * c->lt * c->lr);
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino_gpu.filters", .options = options,
        .global = { (size_t)(panels * RB), (size_t)KP, (size_t)s.G }, .local = { (size_t)RB, 1, 1 },
        .args = ARGS(IN(w), OUT(u), INT(K), INT(O), INT(panels), INT(KP), LONG(w_group), INT(w_row), INT(w_k),
                     INT(turn)),
    }));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino_gpu.tiles", .options = options,
        .global = { (size_t)clg_div_up(count, c->lt * c->side) * items, (size_t)panels, (size_t)s.G },
        .local = { items, 1, 1 },
        .args = ARGS(IN(x), IN(u), IN(b), OUT(y), INT(has_bias), INT(K), INT(O), INT(h), INT(width), INT(y_h),
                     INT(y_w), INT(pad_h), INT(pad_w), INT(TY), INT(TX), INT(count)),
        .tail_cols = y_h * y_w,
    });
}

clg_status clg_conv_wino2_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, 2); }
clg_status clg_conv_wino4_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, 4); }

/* conv and conv_bwd_data for class cpu: one kernel (cl/conv_direct.cl) over zero-padded planes and tables of offsets.
 * Forward: rows are output channels, k runs over (c, t). Backward-data: rows are input channels, k over (o, t), and
 * the pixels of gx fall into one phase for each remainder modulo the stride, with the taps that reach it. */
#include "ops/conv_planes.h"

#include "base/alloc.h"

enum { PHASE_K0, PHASE_K1, PHASE_OZ, PHASE_OY, PHASE_OX, PHASE_NZ, PHASE_NY, PHASE_NX, PHASE_SIZE };

bool clg_conv_accept_cpu(const clg_node *n, const clg_device *d) {
    (void)d;
    return clg_conv_fits_int(n);
}

/* One launch of the tile kernel: y[rows] = w[rows][k] planes[k]. */
typedef struct clg_conv_tiling {
    const clg_tensor *xp, *w, *b, *y; /* b: NULL for none */
    int32_t *taps, *phases;           /* n_taps pairs (offset in planes, offset in w); n_phases rows */
    int64_t n_taps, n_phases;
    int64_t M, depth;                 /* rows per group; largest NZ */
    int64_t x_group, x_slice, pitch, w_group, w_row;
    int64_t y_size[3], step[3];       /* a plane of y; distance of the pixels of a phase in it */
} clg_conv_tiling;

typedef struct tile { int mr, nv; } tile;

/* The register tile with the least work, in vector operations per k: products, loads, and a share of the fixed cost
 * of a tile. The machine has 32 vector registers at best, so 24 sums. */
static tile choose_tile(int64_t rows, int64_t lanes, double k) {
    static const tile tiles[] = { { 6, 4 }, { 4, 4 }, { 8, 3 }, { 5, 4 }, { 4, 6 }, { 3, 6 }, { 3, 4 }, { 2, 6 },
                                  { 2, 4 }, { 1, 8 }, { 1, 4 }, { 12, 2 }, { 4, 3 }, { 6, 3 }, { 8, 2 }, { 8, 1 },
                                  { 4, 2 }, { 2, 2 }, { 1, 2 }, { 4, 1 }, { 1, 1 } };
    tile best = { 1, 1 };
    double least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile t = tiles[i];
        if (t.mr > rows) continue;
        const double count = (double)clg_div_up(rows, t.mr) * (double)clg_div_up(lanes, 16 * t.nv);
        const double products = t.mr * t.nv, loads = 0.5 * t.mr + 2 * t.nv;
        const double step = products > loads ? products : loads;
        const double cost = count * (k * (step + 1) + 3 * products + 40);
        if (least == 0 || cost < least) {
            least = cost;
            best = t;
        }
    }
    return best;
}

static clg_status emit_tiling(clg_emit *e, const clg_conv_tiling *c, int64_t N, int64_t groups) {
    const int64_t M = c->M, n_phases = c->n_phases, depth = c->depth, z = N * groups * n_phases * depth;
    if (z == 0) return CLG_OK; /* an empty batch */
    const clg_tensor *xp = c->xp, *w = c->w, *b = c->b ? c->b : c->w, *y = c->y; /* without bias b is not read */
    const clg_tensor *taps = clg_emit_table(e, CLG_I32, CLG_SHAPE(c->n_taps, 2), c->taps);
    const clg_tensor *phases = clg_emit_table(e, CLG_I32, CLG_SHAPE(c->n_phases, PHASE_SIZE), c->phases);
    const int64_t lanes = (c->phases[PHASE_NY] - 1) * c->pitch + c->phases[PHASE_NX]; /* phase 0 is the largest */
    const double k = (double)c->n_taps / (double)c->n_phases;
    const tile t = choose_tile(c->M, lanes, k);
    const int64_t n_tiles = clg_div_up(lanes, 16 * t.nv), blocks = clg_div_up(c->M, t.mr);
    /* several tiles an item where one is below some 2000 vector operations, while 128 items are left */
    const double work = k * t.mr * t.nv + 100;
    int64_t tiles = (int64_t)(2000 / work) + 1;
    tiles = clg_max64(1, clg_min64(clg_min64(tiles, n_tiles), n_tiles * blocks * z / 128));
    const int64_t has_bias = c->b != NULL, x_group = c->x_group, x_slice = c->x_slice, pitch = c->pitch;
    const int64_t w_group = c->w_group, w_row = c->w_row, y_d = c->y_size[0], y_h = c->y_size[1], y_w = c->y_size[2];
    const int64_t step_d = c->step[0], step_h = c->step[1], step_w = c->step[2];
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_direct.conv_tile",
        .options = clg_emit_options(e, "-DMR=%d -DNV=%d", t.mr, t.nv),
        .global = { (size_t)blocks, (size_t)clg_div_up(n_tiles, tiles), (size_t)z },
        .args = ARGS(IN(xp), IN(w), IN(b), IN(taps), IN(phases), OUT(y), INT(has_bias), INT(groups), INT(M),
                     INT(n_phases), INT(depth), LONG(x_group), INT(x_slice), INT(pitch), LONG(w_group), INT(w_row),
                     INT(y_d), INT(y_h), INT(y_w), INT(step_d), INT(step_h), INT(step_w), INT(tiles)),
        .tail_cols = y_d * y_h * y_w,
    });
}

/* Rows that follow each other without a gap become one long row: fewer tile edges. */
static void merge_rows(clg_conv_tiling *c, int32_t *phase, const clg_conv_planes *p) {
    if (c->n_phases != 1 || c->pitch != phase[PHASE_NX] || c->y_size[2] != phase[PHASE_NX]) return;
    phase[PHASE_NX] *= phase[PHASE_NY];
    if (p->rows[1] == phase[PHASE_NY]) {
        phase[PHASE_NX] *= phase[PHASE_NZ];
        phase[PHASE_NZ] = 1;
    }
    phase[PHASE_NY] = 1;
    c->y_size[2] = phase[PHASE_NX];
    c->y_size[1] = 1;
    c->y_size[0] = c->depth = phase[PHASE_NZ];
    c->pitch = phase[PHASE_NX];
}

clg_status clg_conv_fwd_cpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    clg_conv_planes p = clg_conv_input_planes(&g);
    clg_conv_planes_layout(&p, true);
    const int64_t K = g.Cg * g.T;
    int32_t phase[PHASE_SIZE] = { 0, (int32_t)K, 0, 0, 0, (int32_t)g.out[0], (int32_t)g.out[1], (int32_t)g.out[2] };
    clg_conv_tiling c = {
        .w = in_tensor(n, 1), .b = in_tensor(n, 2), .y = n->out[0],
        .phases = phase, .n_taps = K, .n_phases = 1, .M = g.Og, .depth = g.out[0],
        .x_group = g.Cg * clg_conv_planes_count(&p) * p.size, .x_slice = p.rows[1] * p.pitch, .pitch = p.pitch,
        .w_group = g.Og * K, .w_row = K,
        .y_size = { g.out[0], g.out[1], g.out[2] }, .step = { 1, 1, 1 },
    };
    merge_rows(&c, phase, &p);
    c.taps = clg_alloc((size_t)K * 2 * sizeof *c.taps);
    if (!c.taps) return clg_fail_nomem("offsets of a convolution");
    for (int64_t k = 0; k < K; k++) {
        c.taps[2 * k] = (int32_t)clg_conv_tap_entry(&g, &p, k / g.T, k % g.T);
        c.taps[2 * k + 1] = (int32_t)k;
    }
    clg_status status = clg_conv_emit_planes(e, &p, n->in[0], g.N * g.C, &c.xp);
    if (status == CLG_OK) status = emit_tiling(e, &c, g.N, g.G);
    clg_free(c.taps);
    return status;
}

/* --- backward-data --- */

/* Output entry that tap t of axis a contributes to input pixel i' stride + r: i' + *shift. false: none. */
static bool tap_shift(const clg_conv_geom *g, int a, int64_t r, int64_t t, int64_t *shift) {
    const int64_t from = r + g->pad[a] - t * g->dil[a];
    *shift = from / g->stride[a];
    return from % g->stride[a] == 0;
}

/* Planes of gy such that every shift of every phase is a non-negative offset. */
static clg_conv_planes gradient_planes(const clg_conv_geom *g) {
    clg_conv_planes p = { .lanes = clg_div_up(g->in[2], g->stride[2]) };
    for (int a = 0; a < 3; a++) {
        int64_t low = 0, high = 0, shift;
        for (int64_t r = 0; r < clg_min64(g->stride[a], g->in[a]); r++)
            for (int64_t t = 0; t < g->k[a]; t++) {
                if (!tap_shift(g, a, r, t, &shift)) continue;
                low = clg_min64(low, shift);
                high = clg_max64(high, shift);
            }
        p.in[a] = g->out[a];
        p.pad[a] = -low;
        p.step[a] = p.phases[a] = p.phase_step[a] = 1;
        p.need[a] = clg_div_up(g->in[a], g->stride[a]) + high - low;
    }
    return p;
}

/* Fills the table of one phase from entry k on; returns the next free entry. */
static int64_t data_phase(const clg_conv_geom *g, const clg_conv_planes *p, const int64_t r[3], int64_t k,
                          int32_t *taps, int32_t *phase) {
    int64_t n = 0; /* taps that reach the phase */
    int32_t *pair = taps + 2 * k;
    for (int64_t t = 0; t < g->T; t++) {
        const int64_t tap[3] = { t / (g->k[1] * g->k[2]), t / g->k[2] % g->k[1], t % g->k[2] };
        int64_t at[3];
        bool reaches = true;
        for (int a = 0; a < 3; a++) {
            reaches = tap_shift(g, a, r[a], tap[a], &at[a]) && reaches;
            at[a] += p->pad[a];
        }
        if (!reaches) continue;
        pair[2 * n] = (int32_t)((at[0] * p->rows[1] + at[1]) * p->pitch + at[2]);
        pair[2 * n + 1] = (int32_t)t;
        n++;
    }
    for (int64_t i = n; i < g->Og * n; i++) { /* the same for the other channels of gy */
        pair[2 * i] = pair[2 * (i - n)] + (int32_t)p->size;
        pair[2 * i + 1] = pair[2 * (i - n) + 1] + (int32_t)(g->Cg * g->T);
    }
    phase[PHASE_K0] = (int32_t)k;
    phase[PHASE_K1] = (int32_t)(k + g->Og * n);
    for (int a = 0; a < 3; a++) {
        phase[PHASE_OZ + a] = (int32_t)r[a];
        phase[PHASE_NZ + a] = (int32_t)clg_div_up(g->in[a] - r[a], g->stride[a]);
    }
    return k + g->Og * n;
}

static clg_status data_tables(const clg_conv_geom *g, const clg_conv_planes *p, clg_conv_tiling *c) {
    int64_t n[3];
    for (int a = 0; a < 3; a++) n[a] = clg_min64(g->stride[a], g->in[a]);
    c->n_phases = n[0] * n[1] * n[2];
    c->n_taps = g->Og * g->T; /* every tap belongs to one phase at most */
    c->taps = clg_calloc((size_t)c->n_taps, 2 * sizeof *c->taps);
    c->phases = clg_calloc((size_t)c->n_phases, PHASE_SIZE * sizeof *c->phases);
    if (!c->taps || !c->phases) return clg_fail_nomem("offsets of a convolution");
    int64_t k = 0;
    for (int64_t f = 0; f < c->n_phases; f++) {
        const int64_t r[3] = { f / (n[1] * n[2]), f / n[2] % n[1], f % n[2] };
        k = data_phase(g, p, r, k, c->taps, c->phases + f * PHASE_SIZE);
    }
    return CLG_OK;
}

clg_status clg_conv_data_cpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    if (g.I == 0) return CLG_OK; /* nothing but padding */
    clg_conv_planes p = gradient_planes(&g);
    clg_conv_planes_layout(&p, true);
    clg_conv_tiling c = {
        .w = n->in[1], .y = n->out[0], .M = g.Cg, .depth = clg_div_up(g.in[0], g.stride[0]),
        .x_group = g.Og * p.size, .x_slice = p.rows[1] * p.pitch, .pitch = p.pitch,
        .w_group = g.Og * g.Cg * g.T, .w_row = g.T,
        .y_size = { g.in[0], g.in[1], g.in[2] },
    };
    for (int a = 0; a < 3; a++) c.step[a] = g.in[a] == 1 ? 1 : g.stride[a];
    clg_status status;
    CLG_TRY_END(data_tables(&g, &p, &c));
    merge_rows(&c, c.phases, &p);
    CLG_TRY_END(clg_conv_emit_planes(e, &p, n->in[0], g.N * g.O, &c.xp));
    status = emit_tiling(e, &c, g.N, g.G);
end:
    clg_free(c.taps);
    clg_free(c.phases);
    return status;
}

/* conv and conv_bwd_data for class cpu: one kernel (cl/conv_direct.cl) over zero-padded planes and tables of offsets.
 * Forward: rows are output channels, k runs over (c, t). Backward-data: rows are input channels, k over (o, t), and
 * the pixels of gx fall into one phase for each remainder modulo the stride, with the taps that reach it. */
#include "ops/conv_tiling.h"
#include "ops/registers.h"

#include "base/alloc.h"

enum {
    LEAST_BYTES = 4 << 20, /* of padded planes, for bands */
    LARGE_FILTER = 1 << 18, /* elements, all in all */
    LARGE_Y = 16 << 20,    /* bytes: of outputs that share the last cache with little else */
    WIDE = 96,             /* rows that 15 more elements do not make much longer */
    N_WIDE = 23, N_TILES = 26,
};

const clg_knob clg_conv_direct_knobs[] = {
    { "tile", 14, { -1, 0, 1, 2, 4, 6, 13, 15, 16, 18, 19, 21, 23, 24 } },
    { 0 },
};

bool clg_conv_accept_cpu(const clg_node *n, const clg_device *d) {
    (void)d;
    return clg_conv_fits_int(n);
}

bool clg_conv_accept_bands(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    return clg_conv_accept_cpu(n, d) && g.G == 1 && g.in[0] == 1 && g.k[0] == 1 && g.out[0] == 1;
}

/* The work is in vector operations per k: products, loads (one across two cache lines is two, and two more where it
 * is the first of its lines, from a farther cache), what a tile was measured to take beyond that, and a share of its
 * fixed cost. The first N_WIDE tiles are for 24 vectors of sums, the others for 6; many rows need many registers for
 * addresses. Of 6 vectors one is better left free: what else lives through the loop (constants of a tail) finds room
 * there, where the compiler stores sums otherwise, at half the speed. */
static clg_conv_tile choose_tile(clg_registers r, int forced, const clg_conv_work *w) {
    static const struct { int mr, nv, more; } tiles[N_TILES] = {
        { 6, 4, 0 }, { 4, 4, 1 }, { 8, 3, 3 }, { 5, 4, 1 }, { 4, 6, 1 }, { 3, 8, 2 }, { 3, 7, 2 }, { 3, 6, 2 },
        { 3, 4, 1 }, { 2, 6, 1 }, { 2, 4, 1 }, { 1, 8, 1 }, { 1, 4, 1 }, { 12, 2, 1 }, { 4, 3, 1 }, { 6, 3, 1 },
        { 8, 2, 1 }, { 8, 1, 1 }, { 4, 2, 1 }, { 2, 2, 1 }, { 1, 2, 1 }, { 4, 1, 1 }, { 1, 1, 1 },
        { 6, 1, 2 }, { 5, 1, 0 }, { 3, 1, 0 },
    };
    const int line = r.parts > 1 ? 3 : 2; /* loads of 16 unaligned floats: of 8, every second is across two lines */
    clg_conv_tile best = { 1, 1, 0 };
    for (int i = 0; i < N_TILES; i++) {
        const int mr = tiles[i].mr, nv = tiles[i].nv;
        const bool asked = i == forced && mr <= w->rows;
        if (!asked && (i >= N_WIDE ? r.sums >= 24 : mr * nv > r.sums)) continue;
        if (!asked && (mr > w->rows || mr > w->most || (w->whole && w->lanes % (16 * nv) != 0))) continue;
        const double count = (double)clg_div_up(w->rows, mr) * (double)w->runs * (double)clg_div_up(w->lanes, 16 * nv);
        const double products = clg_registers_products(r, mr * nv), loads = mr + nv * (line + 2 * w->first);
        const double step = (products > loads ? products : loads) + tiles[i].more;
        const double cost = count * (w->k * step + 3 * products + 40);
        if (best.cost == 0 || cost < best.cost || asked) best = (clg_conv_tile){ mr, nv, cost };
        if (asked) break;
    }
    return best;
}

clg_conv_tile clg_conv_choose_tile(clg_emit *e, const clg_conv_work *w) {
    return choose_tile(clg_registers_of(clg_emit_device(e), false), clg_emit_knob(e, "tile"), w);
}

/* Rows of a plane of y follow each other at the pitch of x's padded planes. */
static clg_conv_work work_of(int64_t rows, int64_t lanes, int64_t channels, double k) {
    return (clg_conv_work){ rows, 1, lanes, k, (double)channels / k, 16, false };
}

double clg_conv_direct_cost(const clg_conv_geom *g, const clg_device *d) {
    clg_conv_planes p = clg_conv_input_planes(g);
    clg_conv_planes_layout(&p, true);
    const clg_conv_work w = work_of(g->Og, (g->out[1] - 1) * p.pitch + g->out[2], g->Cg, (double)(g->Cg * g->T));
    return choose_tile(clg_registers_of(d, false), -1, &w).cost;
}

static clg_status emit_tiling(clg_emit *e, const clg_conv_tiling *c, const clg_conv_planes *p) {
    if (c->high > 0) return clg_conv_emit_bands(e, c, p);
    const int64_t M = c->M, n_phases = c->n_phases, depth = c->depth, groups = c->groups;
    const int64_t z = c->N * groups * n_phases * depth;
    const clg_tensor *xp = c->x, *w = c->w, *b = c->b ? c->b : c->w, *y = c->y; /* without bias b is not read */
    CLG_TRY(clg_conv_emit_planes(e, p, c->x, c->N * groups * c->channels, &xp));
    if (z == 0) return CLG_OK; /* an empty batch */
    const clg_tensor *taps = clg_emit_table(e, CLG_I32, CLG_SHAPE(c->n_taps, 2), c->taps);
    const clg_tensor *phases = clg_emit_table(e, CLG_I32, CLG_SHAPE(c->n_phases, CLG_PHASE_SIZE), c->phases);
    const int64_t pitch = c->pitch, lanes = (c->phases[CLG_PHASE_NY] - 1) * pitch + c->phases[CLG_PHASE_NX];
    const double k = clg_max64(1, c->n_taps / c->n_phases);
    const clg_conv_work all = work_of(c->M, lanes, c->channels, k);
    const clg_conv_tile t = clg_conv_choose_tile(e, &all);
    const int64_t n_tiles = clg_div_up(lanes, 16 * t.nv), blocks = clg_div_up(c->M, t.mr);
    /* several tiles an item where one is below some 2000 vector operations, while 128 items are left; and where w is
       large and read across its rows: the lines that a tile has fetched serve its neighbours if they come next */
    const double work = k * t.mr * t.nv + 100;
    const bool far = c->w_row < c->n_taps && (double)c->M * k > LARGE_FILTER;
    int64_t tiles = far ? n_tiles : (int64_t)(2000 / work) + 1;
    tiles = clg_max64(1, clg_min64(clg_min64(tiles, n_tiles), n_tiles * blocks * z / (far ? 48 : 128)));
    if (far) tiles = clg_div_up(n_tiles, clg_div_up(n_tiles, tiles)); /* the last item has not much less */
    const int64_t has_bias = c->b != NULL, x_group = c->channels * clg_conv_planes_count(p) * p->size;
    const int64_t x_slice = p->rows[1] * p->pitch, w_group = c->w_group, w_row = c->w_row;
    const int64_t y_d = c->y_size[0], y_h = c->y_size[1], y_w = c->y_size[2];
    const int64_t step_d = c->step[0], step_h = c->step[1], step_w = c->step[2];
    const char *claim = clg_tensor_bytes(y) > LARGE_Y ? " -DCLAIM=1" : "";
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_direct.conv_tile",
        .options = c->gaps ? clg_emit_options(e, "-DMR=%d -DNV=%d -DGAPS=%d", t.mr, t.nv, (int)c->gaps)
                           : clg_emit_options(e, "-DMR=%d -DNV=%d%s", t.mr, t.nv, claim),
        .global = { (size_t)blocks, (size_t)clg_div_up(n_tiles, tiles), (size_t)z },
        .args = ARGS(IN(xp), IN(w), IN(b), IN(taps), IN(phases), OUT(y), INT(has_bias), INT(groups), INT(M),
                     INT(n_phases), INT(depth), LONG(x_group), INT(x_slice), INT(pitch), LONG(w_group), INT(w_row),
                     INT(y_d), INT(y_h), INT(y_w), INT(step_d), INT(step_h), INT(step_w), INT(tiles)),
        .tail_cols = y_d * y_h * y_w,
    });
}

/* Rows that follow each other without a gap become one long row: fewer tile edges. */
static void merge_rows(clg_conv_tiling *c, int32_t *phase, const clg_conv_planes *p) {
    const int64_t width = phase[CLG_PHASE_NX];
    if (c->high > 0 || c->gaps || c->n_phases != 1 || c->pitch != width || c->y_size[2] != width) return;
    phase[CLG_PHASE_NX] *= phase[CLG_PHASE_NY];
    if (p->rows[1] == phase[CLG_PHASE_NY]) {
        phase[CLG_PHASE_NX] *= phase[CLG_PHASE_NZ];
        phase[CLG_PHASE_NZ] = 1;
    }
    phase[CLG_PHASE_NY] = 1;
    c->y_size[2] = phase[CLG_PHASE_NX];
    c->y_size[1] = 1;
    c->y_size[0] = c->depth = phase[CLG_PHASE_NZ];
    c->pitch = phase[CLG_PHASE_NX];
}

/* Zeros before each row, beside the padding, that put its elements on whole vectors: a band is then written by aligned
 * stores, and a tap in the middle of the filter reads aligned vectors. */
static int64_t lead_of(const clg_conv_planes *p) {
    const bool vectors = p->step[2] == 1 && p->in[2] % 16 == 0 && p->lanes % 16 == 0 && p->in[2] >= WIDE;
    return vectors ? (16 - p->pad[2] % 16) % 16 : 0;
}

/* Lays out p, for all rows or for bands of them. */
static void lay_out(clg_emit *e, clg_conv_tiling *c, clg_conv_planes *p, bool banded) {
    c->lead = banded ? lead_of(p) : 0;
    p->pad[2] += c->lead;
    p->need[2] += c->lead;
    c->high = banded ? clg_conv_band_rows(e, c, p) : 0;
    if (banded) p->need[1] += c->high - c->lines;
    clg_conv_planes_layout(p, !banded);
    c->pitch = p->pitch;
    if (banded) p->size += 16; /* so that the last row may be written in whole vectors */
}

static clg_status forward(clg_emit *e, const clg_node *n, bool banded) {
    const clg_conv_geom g = clg_conv_geometry(n);
    clg_conv_planes p = clg_conv_input_planes(&g);
    const int64_t K = g.Cg * g.T;
    int32_t phase[CLG_PHASE_SIZE] = { 0, (int32_t)K, 0, 0, 0, (int32_t)g.out[0], (int32_t)g.out[1], (int32_t)g.out[2] };
    clg_conv_tiling c = {
        .x = n->in[0], .w = in_tensor(n, 1), .b = in_tensor(n, 2), .y = n->out[0],
        .phases = phase, .n_taps = K, .n_phases = 1, .N = g.N, .groups = g.G, .channels = g.Cg, .M = g.Og,
        .depth = g.out[0], .lines = g.out[1], .w_group = g.Og * K, .w_row = K,
        .y_size = { g.out[0], g.out[1], g.out[2] }, .step = { 1, 1, 1 },
    };
    lay_out(e, &c, &p, banded);
    merge_rows(&c, phase, &p);
    c.taps = clg_alloc((size_t)K * 2 * sizeof *c.taps);
    if (!c.taps) return clg_fail_nomem("offsets of a convolution");
    for (int64_t k = 0; k < K; k++) {
        c.taps[2 * k] = (int32_t)(clg_conv_tap_entry(&g, &p, k / g.T, k % g.T) + c.lead);
        c.taps[2 * k + 1] = (int32_t)k;
    }
    const clg_status status = emit_tiling(e, &c, &p);
    clg_free(c.taps);
    return status;
}

clg_status clg_conv_fwd_cpu(clg_emit *e, const clg_node *n) { return forward(e, n, false); }
clg_status clg_conv_fwd_bands(clg_emit *e, const clg_node *n) { return forward(e, n, true); }

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
    phase[CLG_PHASE_K0] = (int32_t)k;
    phase[CLG_PHASE_K1] = (int32_t)(k + g->Og * n);
    for (int a = 0; a < 3; a++) {
        phase[CLG_PHASE_OZ + a] = (int32_t)r[a];
        phase[CLG_PHASE_NZ + a] = (int32_t)clg_div_up(g->in[a] - r[a], g->stride[a]);
    }
    return k + g->Og * n;
}

static clg_status data_tables(const clg_conv_geom *g, const clg_conv_planes *p, clg_conv_tiling *c) {
    int64_t n[3];
    for (int a = 0; a < 3; a++) n[a] = clg_min64(g->stride[a], g->in[a]);
    c->n_phases = c->gaps ? 1 : n[0] * n[1] * n[2];
    c->n_taps = g->Og * g->T; /* every tap belongs to one phase at most */
    c->taps = clg_calloc((size_t)c->n_taps, 2 * sizeof *c->taps);
    c->phases = clg_calloc((size_t)c->n_phases, CLG_PHASE_SIZE * sizeof *c->phases);
    if (!c->taps || !c->phases) return clg_fail_nomem("offsets of a convolution");
    int64_t k = 0;
    for (int64_t f = 0; f < c->n_phases; f++) {
        const int64_t r[3] = { f / (n[1] * n[2]), f / n[2] % n[1], f % n[2] };
        k = data_phase(g, p, r, k, c->taps, c->phases + f * CLG_PHASE_SIZE);
    }
    return CLG_OK;
}

static clg_status backward(clg_emit *e, const clg_node *n, bool banded) {
    const clg_conv_geom g = clg_conv_geometry(n);
    if (g.I == 0) return CLG_OK; /* nothing but padding */
    clg_conv_planes p = gradient_planes(&g);
    clg_conv_tiling c = {
        .x = n->in[0], .w = n->in[1], .y = n->out[0], .N = g.N, .groups = g.G, .channels = g.Og, .M = g.Cg,
        .depth = clg_div_up(g.in[0], g.stride[0]), .lines = clg_div_up(g.in[1], g.stride[1]),
        .w_group = g.Og * g.Cg * g.T, .w_row = g.T,
        .y_size = { g.in[0], g.in[1], g.in[2] },
    };
    for (int a = 0; a < 3; a++) c.step[a] = g.in[a] == 1 ? 1 : g.stride[a];
    /* one tap at the first pixel of each step: the other phases have none */
    if (!banded && g.T == 1 && g.stride[2] == 2 && g.in[0] == 1 && g.pad[0] + g.pad[1] + g.pad[2] == 0)
        c.gaps = g.stride[1];
    lay_out(e, &c, &p, banded);
    clg_status status;
    CLG_TRY_END(data_tables(&g, &p, &c));
    merge_rows(&c, c.phases, &p);
    status = emit_tiling(e, &c, &p);
end:
    clg_free(c.taps);
    clg_free(c.phases);
    return status;
}

clg_status clg_conv_data_cpu(clg_emit *e, const clg_node *n) { return backward(e, n, false); }
clg_status clg_conv_data_bands(clg_emit *e, const clg_node *n) { return backward(e, n, true); }

/* Padding in memory moves the planes three times: it costs where they leave the caches. */
bool clg_conv_prefers_bands(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const bool data = n->op == &clg_op_conv_bwd_data;
    clg_conv_planes p = data ? gradient_planes(&g) : clg_conv_input_planes(&g);
    (void)d;
    clg_conv_planes_layout(&p, true);
    return !p.direct && (double)(g.N * (data ? g.O : g.C)) * (double)clg_conv_planes_count(&p) * (double)p.size *
        (double)clg_dtype_size(in_dtype(n, 0)) >= LEAST_BYTES;
}

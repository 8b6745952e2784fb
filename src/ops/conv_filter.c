/* conv_bwd_filter for class cpu, a product of gradient planes and input planes summed along their pixels, by two
 * kernels: with lanes along output channels (cl/conv_filter.cl), and with lanes along pixels for few output channels
 * (cl/conv_bwd.cl). The pixels are cut into parts, whose number depends on the shape and on the register tile, so the
 * bits of the result do too: they are the same on every run of a device. */
#include "ops/conv_planes.h"
#include "ops/registers.h"

#include "base/alloc.h"

enum { UNIT = 2048, PART_LANES = 8192, MIN_ITEMS = 48, MAX_PART_BYTES = 32 << 20 };

typedef struct tile { int mb, tb; } tile;

/* The register tile with the least products and loads (x is read unaligned: twice the cost). */
static tile choose_tile(clg_registers r, int64_t M, int64_t K) {
    static const tile tiles[] = { { 6, 4 }, { 4, 5 }, { 4, 6 }, { 3, 5 }, { 8, 3 }, { 2, 8 }, { 2, 5 }, { 1, 9 },
                                  { 1, 5 }, { 4, 3 }, { 4, 1 }, { 2, 2 }, { 1, 3 }, { 1, 1 } };
    tile best = { 1, 1 };
    double least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile t = tiles[i];
        if (t.mb > M || t.tb > K || t.mb * t.tb > r.sums) continue;
        const double products = t.mb * t.tb * r.parts, loads = r.parts * t.mb + (r.parts > 1 ? 3 : 2) * t.tb;
        const double cost = (double)clg_div_up(M, t.mb) * (double)clg_div_up(K, t.tb) *
                            ((products > loads ? products : loads) + 2);
        if (least == 0 || cost < least) {
            least = cost;
            best = t;
        }
    }
    return best;
}

/* The layout of gy: rows at the pitch of xp, zeros between, a whole number of vectors. */
static clg_conv_planes gradient_planes(const clg_conv_geom *g, const clg_conv_planes *xp) {
    clg_conv_planes p = { .lanes = g->out[2] };
    for (int a = 0; a < 3; a++) {
        p.in[a] = g->out[a];
        p.step[a] = p.phases[a] = p.phase_step[a] = 1;
    }
    p.rows[0] = g->out[0];
    p.rows[1] = xp->rows[1];
    p.pitch = xp->pitch;
    const int64_t lanes = ((g->out[0] - 1) * p.rows[1] + g->out[1] - 1) * p.pitch + g->out[2];
    p.size = clg_div_up(lanes, 16) * 16;
    p.direct = p.size == g->Q;
    return p;
}

/* Lays out both operands so that every lane read exists and is finite: lanes of zeros in gy multiply it. */
static void layout(const clg_conv_geom *g, clg_conv_planes *x, clg_conv_planes *gy) {
    *x = clg_conv_input_planes(g);
    for (int may_direct = 1; may_direct >= 0; may_direct--) {
        clg_conv_planes_layout(x, may_direct);
        *gy = gradient_planes(g, x);
        const int64_t last = clg_conv_tap_entry(g, x, 0, g->T - 1) % x->size;
        if (gy->size + last <= x->size) return;
        if (!x->direct) x->size = clg_div_up(gy->size + last, 16) * 16;
    }
}

static int64_t choose_parts(const clg_conv_geom *g, int64_t lanes, int64_t items, int64_t units) {
    const int64_t elems = g->O * g->Cg * g->T;
    const int64_t by_cache = clg_div_up(g->N * lanes, PART_LANES), by_items = clg_div_up(MIN_ITEMS, items);
    const int64_t by_memory = clg_max64(1, MAX_PART_BYTES / 4 / elems);
    return clg_max64(1, clg_min64(clg_min64(clg_max64(by_cache, by_items), by_memory), units));
}

clg_status clg_conv_filter_cpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    clg_conv_planes px, pg;
    layout(&g, &px, &pg);
    const clg_tensor *xp, *gp, *offsets = NULL, *gw = n->out[0], *result = gw;
    CLG_TRY(clg_conv_emit_planes(e, &px, n->in[0], g.N * g.C, &xp));
    CLG_TRY(clg_conv_emit_planes(e, &pg, n->in[1], g.N * g.O, &gp));
    CLG_TRY(clg_conv_offset_table(e, &g, &px, &offsets));
    const int64_t groups = g.G, M = g.Og, K = g.Cg * g.T, lanes = pg.size;
    const int64_t x_group = g.Cg * clg_conv_planes_count(&px) * px.size;
    const tile t = choose_tile(clg_registers_of(clg_emit_device(e), n->in[0]->dtype == CLG_F64), M, K);
    const char *options = clg_emit_options(e, "-DMB=%d -DTB=%d", t.mb, t.tb);
    const int64_t units_per_image = clg_div_up(lanes, UNIT), units = g.N * units_per_image;
    const int64_t unit = clg_div_up(clg_div_up(lanes, units_per_image), 16) * 16;
    const int64_t rows = clg_div_up(M, t.mb), columns = clg_div_up(K, t.tb);
    const int64_t parts = choose_parts(&g, lanes, rows * columns * groups, units);
    /* several blocks of columns an item where one is short, while 128 items are left */
    const double work = (double)units / (double)parts * (double)unit / 16 * t.mb * t.tb + 200;
    int64_t blocks = clg_min64((int64_t)(4000 / work) + 1, rows * columns * groups * parts / 128);
    blocks = clg_max64(1, clg_min64(blocks, columns));
    if (parts > 1) gw = clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(parts, clg_shape_elems(result->shape)));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_bwd.filter_tile",
        .options = options,
        .global = { (size_t)clg_div_up(columns, blocks), (size_t)rows, (size_t)(parts * groups) },
        .args = ARGS(IN(gp), IN(xp), IN(offsets), OUT(gw), INT(groups), INT(M), INT(K), INT(lanes), LONG(x_group),
                     INT(unit), INT(units_per_image), INT(units), INT(parts), INT(blocks)),
    }));
    return parts > 1 ? clg_conv_emit_sum(e, gw, result, parts, options, 1) : CLG_OK;
}

/* --- lanes along output channels --- */

enum { FEW_CHANNELS = 12, CHUNK_VECTORS = 448 /* of conv_filter.cl */, MAX_SUM_BYTES = 192 << 10,
       ENOUGH_ITEMS = 48, PART_CHUNKS = 4, LARGE_INPUT = 6 << 20 };

typedef struct lanes_tile { int bases, taps, nv; } lanes_tile;

enum { N_WIDE = 11, N_LANES_TILES = 16 }; /* the first for 24 vectors of sums in registers, the others for 6 */
static const lanes_tile lanes_tiles[N_LANES_TILES] = {
    { 6, 1, 4 }, { 2, 3, 4 }, { 8, 1, 3 }, { 4, 3, 2 }, { 3, 3, 2 }, { 8, 1, 2 }, { 2, 5, 2 }, { 9, 1, 1 }, { 5, 5, 1 },
    { 3, 7, 1 }, { 8, 3, 1 }, { 6, 1, 1 }, { 2, 3, 1 }, { 2, 1, 2 }, { 1, 5, 1 }, { 4, 1, 1 },
};

const clg_knob clg_conv_filter_channels_knobs[] = {
    { "tile", 17, { -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } }, { 0 },
};

bool clg_conv_accept_channels(const clg_node *n, const clg_device *d) {
    (void)d;
    return clg_conv_fits_int(n) && clg_conv_geometry(n).N > 0;
}

bool clg_conv_prefers_channels(const clg_node *n, const clg_device *d) {
    (void)d;
    return clg_conv_geometry(n).Og >= FEW_CHANNELS;
}

/* The tile with the least cycles a pixel: two products or two loads a cycle, and some for the loop. */
static lanes_tile choose_lanes_tile(clg_registers r, const clg_conv_geom *g, int knob) {
    const int64_t K = g->Cg * g->T;
    lanes_tile best = lanes_tiles[r.sums >= 24 ? 0 : N_WIDE];
    double least = 0;
    for (int i = 0; i < N_LANES_TILES; i++) {
        const lanes_tile t = lanes_tiles[i];
        if (t.taps > 1 && (g->k[2] != t.taps || g->dil[2] != 1)) continue;
        if (i == knob) return t;
        if ((i < N_WIDE) != (r.sums >= 24)) continue;
        const double rows = t.bases * t.taps, products = rows * t.nv * r.parts, loads = rows + t.nv * r.parts + 1;
        const double count = (double)clg_div_up(K, t.bases * t.taps) * (double)clg_div_up(g->Og, 16 * t.nv);
        const double cost = count * ((products > loads ? products : loads) + 2);
        if (least == 0 || cost < least) {
            least = cost;
            best = t;
        }
    }
    return best;
}

/* x padded. Elements are read one by one, so a stride is a *step and needs no phases. But where there is only one phase
 * and x is larger than caches, the elements that are read are collected in it, for they are read again for each block
 * of output channels. */
static clg_conv_planes padded_planes(const clg_conv_geom *g, int64_t *step) {
    clg_conv_planes p = clg_conv_input_planes(g);
    const bool collect = clg_conv_planes_count(&p) == 1 && g->N * g->C * g->I > LARGE_INPUT;
    for (int a = 0; a < 3; a++) {
        step[a] = collect ? 1 : g->stride[a];
        if (collect) continue;
        p.step[a] = p.phases[a] = p.phase_step[a] = 1;
        p.need[a] = (g->out[a] - 1) * g->stride[a] + (g->k[a] - 1) * g->dil[a] + 1;
    }
    clg_conv_planes_layout(&p, true);
    return p;
}

/* First entries of each base of each block; the last base is repeated to fill the last block. */
static clg_status base_table(clg_emit *e, const clg_conv_geom *g, const clg_conv_planes *p, int64_t n, int64_t taps,
                             const clg_tensor **table) {
    int32_t *offset = clg_alloc((size_t)n * sizeof *offset);
    if (!offset) return clg_fail_nomem("offsets of a convolution");
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = clg_min64(i * taps, g->Cg * g->T - taps), t = k % g->T;
        const int64_t z = t / (g->k[1] * g->k[2]) * g->dil[0], y = t / g->k[2] % g->k[1] * g->dil[1];
        offset[i] = (int32_t)(k / g->T * p->size + (z * p->rows[1] + y) * p->pitch + t % g->k[2] * g->dil[2]);
    }
    *table = clg_emit_table(e, CLG_I32, CLG_SHAPE(n), offset);
    clg_free(offset);
    return CLG_OK;
}

clg_status clg_conv_filter_channels(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    int64_t step[3];
    const clg_conv_planes px = padded_planes(&g, step);
    const clg_tensor *gy = n->in[1], *gw = n->out[0], *xp, *offsets = NULL;
    const lanes_tile t = choose_lanes_tile(clg_registers_of(clg_emit_device(e), false), &g, clg_emit_knob(e, "tile"));
    const int64_t groups = g.G, M = g.Og, K = g.Cg * g.T, pixels = g.N * g.Q, x_group = g.Cg * px.size;
    const int64_t tile_rows = t.bases * t.taps, lanes = 16 * t.nv, blocks = clg_div_up(K, tile_rows);
    const int64_t rows = blocks * tile_rows, columns = clg_div_up(M, lanes), elem = (int64_t)clg_dtype_size(gw->dtype);
    /* an item's sums stay in the second cache; parts where that gives too few items */
    const int64_t most = clg_max64(1, MAX_SUM_BYTES / (tile_rows * lanes * elem));
    const int64_t ranges = clg_div_up(blocks, most), items = ranges * columns * groups;
    const int64_t chunk = CHUNK_VECTORS / t.nv, longest = clg_max64(1, pixels / (chunk * PART_CHUNKS));
    const int64_t parts = clg_max64(1, clg_min64(clg_div_up(ENOUGH_ITEMS, items), longest));
    const int64_t blocks_per_item = clg_div_up(blocks, ranges);
    const int64_t across = (double)(chunk / g.Q + 1) * (double)groups * (double)x_group < 0x1p30;
    CLG_TRY(clg_conv_emit_planes(e, &px, n->in[0], g.N * g.C, &xp));
    CLG_TRY(base_table(e, &g, &px, blocks * t.bases, t.taps, &offsets));
    const clg_tensor *part = clg_emit_scratch(e, gw->dtype, CLG_SHAPE(parts * groups * columns, rows * lanes));
    const char *options = clg_emit_options(e, "-DBASES=%d -DTW=%d -DNV=%d", t.bases, t.taps, t.nv);
    const int64_t out_d = g.out[0], out_h = g.out[1], out_w = g.out[2];
    const int64_t step_d = step[0], step_h = step[1], step_w = step[2];
    const int64_t slice = px.rows[1] * px.pitch, pitch = px.pitch;
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_filter.filter_channels", .options = options,
        .global = { (size_t)clg_div_up(blocks, blocks_per_item), (size_t)columns, (size_t)(parts * groups) },
        .args = ARGS(IN(gy), IN(xp), IN(offsets), OUT(part), INT(groups), INT(M), INT(blocks), INT(blocks_per_item),
                     INT(pixels), INT(parts), LONG(x_group), INT(across), INT(out_d), INT(out_h), INT(out_w),
                     INT(step_d), INT(step_h), INT(step_w), INT(slice), INT(pitch)),
    }));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_filter.filter_finish", .options = options,
        .global = { (size_t)clg_div_up(K, 16), (size_t)clg_div_up(M, 16), (size_t)groups },
        .args = ARGS(IN(part), OUT(gw), INT(groups), INT(M), INT(K), INT(rows), INT(parts)),
    });
}

/* conv_bwd_filter for class cpu: a product of gradient planes and input planes summed along their pixels, in register
 * tiles of channels x (channel, tap); see cl/conv_bwd.cl. Where output tiles are few or the pixels do not fit the
 * cache, the pixels are cut into parts, whose number depends on the shape only: so do the bits of the result. */
#include "ops/conv_planes.h"

#include "base/alloc.h"

enum { UNIT = 2048, PART_LANES = 8192, MIN_ITEMS = 48, MAX_PART_BYTES = 32 << 20 };

typedef struct tile { int mb, tb; } tile;

/* The register tile with the least products and loads (x is read unaligned: twice the cost). */
static tile choose_tile(int64_t M, int64_t K) {
    static const tile tiles[] = { { 6, 4 }, { 4, 5 }, { 4, 6 }, { 3, 5 }, { 8, 3 }, { 2, 8 }, { 2, 5 }, { 1, 9 },
                                  { 1, 5 }, { 4, 3 }, { 4, 1 }, { 2, 2 }, { 1, 3 }, { 1, 1 } };
    tile best = { 1, 1 };
    double least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile t = tiles[i];
        if (t.mb > M || t.tb > K) continue;
        const double products = t.mb * t.tb, loads = t.mb + 2 * t.tb;
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

static clg_status offset_table(clg_emit *e, const clg_conv_geom *g, const clg_conv_planes *p,
                               const clg_tensor **table) {
    const int64_t K = g->Cg * g->T;
    int32_t *offset = clg_alloc((size_t)K * sizeof *offset);
    if (!offset) return clg_fail_nomem("offsets of a convolution");
    for (int64_t k = 0; k < K; k++) offset[k] = (int32_t)clg_conv_tap_entry(g, p, k / g->T, k % g->T);
    *table = clg_emit_table(e, CLG_I32, CLG_SHAPE(K), offset);
    clg_free(offset);
    return CLG_OK;
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
    CLG_TRY(offset_table(e, &g, &px, &offsets));
    const int64_t groups = g.G, M = g.Og, K = g.Cg * g.T, lanes = pg.size;
    const int64_t x_group = g.Cg * clg_conv_planes_count(&px) * px.size;
    const tile t = choose_tile(M, K);
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

/* conv for class cpu with lanes along output channels (cl/conv_lanes.cl). */
#include "ops/conv_tiling.h"
#include "ops/registers.h"

/* rows x cols pixels x vectors of 16 channels of a register tile. */
typedef struct tile { int rows, cols, vectors; } tile;

enum { MOST_COLS = 16, MOST_ROWS = 4, ITEM_WORK = 20000 /* vector operations */ };

const clg_knob clg_conv_lanes_knobs[] = {
    { "vectors", 3, { -1, 1, 2 } },
    { "rows", 5, { -1, 1, 2, 3, 4 } },
    { 0 },
};

/* Vector operations for all channels of a plane: two products a cycle, and two loads, of which a number of x that is
 * multiplied by one vector only is one; the transposition of what is stored. */
static double tile_cost(const clg_conv_geom *g, clg_registers r, tile t) {
    const int sums = t.rows * t.cols * t.vectors, loads = t.vectors * r.parts + t.rows * t.cols;
    const int products = clg_registers_products(r, sums);
    const double count = (double)clg_div_up(g->Og, 16 * t.vectors) * (double)clg_div_up(g->out[1], t.rows)
                       * (double)clg_div_up(g->out[2], t.cols);
    const double step = (products > loads ? products : loads) + 1;
    return count * ((double)(g->Cg * g->T) * step + t.rows * t.vectors * 180 + 60);
}

/* The tile with the least work, among those that forced (0: any) lets through; its cost. */
static double choose_tile(const clg_conv_geom *g, clg_registers r, int vectors, int rows, tile *best) {
    const int most = r.wide ? r.sums + 4 : r.sums; /* fewer operands than products have */
    double least = 0;
    for (int v = 1; v <= 2; v++)
        for (int h = 1; h <= MOST_ROWS && h <= g->out[1]; h++) {
            const int64_t room = clg_min64(MOST_COLS, most / (v * h));
            if ((vectors > 0 && v != vectors) || (rows > 0 && h != rows) || room < 1) continue;
            const tile t = { h, (int)clg_div_up(g->out[2], clg_div_up(g->out[2], room)), v };
            const double cost = tile_cost(g, r, t);
            if (least == 0 || cost < least) {
                least = cost;
                *best = t;
            }
        }
    return least;
}

bool clg_conv_accept_lanes(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    (void)d;
    return in_dtype(n, 0) == CLG_F32 && clg_conv_fits_int(n) && g.in[0] == 1 && g.k[0] == 1 && g.out[0] == 1
        && g.Q > 0 && g.Cg > 0;
}

static clg_status emit_pack(clg_emit *e, const clg_conv_geom *g, const clg_tensor *w, const char *options, tile t,
                            const clg_tensor **out) {
    const int64_t M = g->Og, K = g->Cg * g->T, blocks = g->G * clg_div_up(M, 16 * t.vectors);
    const clg_tensor *p = *out = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(blocks, K, 16 * t.vectors));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_lanes.pack", .options = options, .global = { (size_t)blocks },
        .args = ARGS(IN(w), OUT(p), INT(M), INT(K)),
    });
}

clg_status clg_conv_fwd_lanes(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_tensor *x = n->in[0], *w = n->in[1], *y = n->out[0], *xp, *p, *taps;
    const clg_tensor *b = in_tensor(n, 2) ? in_tensor(n, 2) : w; /* unread without bias */
    const int64_t has_bias = b != w, groups = g.G, M = g.Og, K = g.Cg * g.T, y_h = g.out[1], y_w = g.out[2];
    const int64_t z = g.N * groups;
    clg_conv_planes planes = clg_conv_input_planes(&g);
    tile t;
    const double cost = choose_tile(&g, clg_registers_of(clg_emit_device(e), false), clg_emit_knob(e, "vectors"),
                                    clg_emit_knob(e, "rows"), &t);
    clg_conv_planes_layout(&planes, true);
    CLG_TRY(clg_conv_emit_planes(e, &planes, x, z * g.Cg, &xp));
    if (z == 0) return CLG_OK; /* an empty batch */
    const char *options = clg_emit_options(e, "-DV=%d -DR=%d -DW=%d -DPITCH=%d", t.vectors, t.rows, t.cols,
                                           (int)planes.pitch);
    CLG_TRY(emit_pack(e, &g, w, options, t, &p));
    CLG_TRY(clg_conv_offset_table(e, &g, &planes, &taps));
    const int64_t blocks = clg_div_up(M, 16 * t.vectors), tiles = clg_div_up(y_h, t.rows);
    const int64_t units = clg_max64(1, clg_device_get_caps(clg_emit_device(e))->compute_units);
    const int64_t fair = clg_div_up(tiles * blocks * z, 8 * units);
    const int64_t worth = (int64_t)(ITEM_WORK * (double)(blocks * tiles) / cost); /* rows of tiles */
    const int64_t steps = clg_max64(1, clg_min64(clg_min64(fair, worth), tiles));
    const int64_t x_group = g.Cg * clg_conv_planes_count(&planes) * planes.size;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_lanes.conv_lanes", .options = options,
        .global = { (size_t)clg_div_up(tiles, steps), (size_t)blocks, (size_t)z },
        .args = ARGS(IN(xp), IN(p), IN(b), IN(taps), OUT(y), INT(has_bias), INT(groups), INT(M), INT(K), LONG(x_group),
                     INT(y_h), INT(y_w), INT(steps)),
        .tail_cols = y_h * y_w,
    });
}

/* Where it is known to win: with lanes for all channels; with filters that the caches keep from one row of tiles to the
 * next. Direct sums with lanes along rows reach past the ends of small planes, and with a stride and a large filter they
 * read a plane's rows from farther than the first cache: that pays with registers for tiles that read each number of x
 * once for 32 channels. */
bool clg_conv_prefers_lanes(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_registers r = clg_registers_of(d, false);
    const int64_t most = 1 << 20, K = g.Cg * g.T;
    const double part = 0.9; /* of the work: the packing of filters is not in it */
    tile t;
    if (g.Og % 16 != 0 || g.T == 1 || g.Og * K > most || clg_conv_prefers_bands(n, d)) return false;
    const bool large = r.wide && g.T >= 25 && g.stride[1] > 1 && g.Og >= 32;
    return large || choose_tile(&g, r, -1, -1, &t) < part * clg_conv_direct_cost(&g, d);
}

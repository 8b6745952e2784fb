/* Winograd's minimal filtering, F(2 x 2, 3 x 3) and F(4 x 4, 3 x 3), for conv and conv_bwd_data with stride 1 (Lavin &
 * Gray 2015, arXiv:1509.09308): fewer products for more, and larger, rounding errors. Backward-data is the same
 * convolution of gy by the filter rotated and transposed, with 2 - pad. Kernels: cl/conv_wino.cl. */
#include "ops/conv_wino.h"
#include "ops/registers.h"

enum { CACHE = 900 << 10 }; /* bytes that an item should keep: most of a core's second-level cache */

clg_wino clg_wino_geometry(const clg_node *n, int64_t M) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const bool data = n->op == &clg_op_conv_bwd_data;
    const int64_t *from = data ? g.out : g.in, *to = data ? g.in : g.out;
    clg_wino s = { .x = n->in[0], .w = n->in[1], .b = data ? NULL : in_tensor(n, 2), .y = n->out[0], .M = M, .P = M + 2,
               .N = g.N, .G = g.G, .K = data ? g.Og : g.Cg, .O = data ? g.Cg : g.Og, .h = from[1], .w_ = from[2],
               .y_h = to[1], .y_w = to[2], .pad_h = data ? 2 - g.pad[1] : g.pad[1],
               .pad_w = data ? 2 - g.pad[2] : g.pad[2], .w_group = g.Og * g.Cg * 9,
               .w_row = data ? 9 : g.Cg * 9, .w_k = data ? g.Cg * 9 : 9, .turn = data };
    s.XI = s.P * s.P;
    s.TY = clg_div_up(s.y_h, M);
    s.TX = clg_div_up(s.y_w, M);
    s.tiles = s.N * s.TY * s.TX;
    return s;
}

bool clg_conv_accept_wino(const clg_node *n, const clg_device *d) {
    (void)d;
    const clg_conv_geom g = clg_conv_geometry(n);
    if (in_dtype(n, 0) != CLG_F32 || !clg_conv_fits_int(n) || g.in[0] != 1 || g.out[0] != 1 || g.k[0] != 1)
        return false;
    for (int a = 1; a < 3; a++)
        if (g.k[a] != 3 || g.stride[a] != 1 || g.dil[a] != 1) return false;
    return g.I > 0 && g.Q > 0 && clg_wino_geometry(n, 2).tiles < INT32_MAX - 64;
}

/* Where F(4 x 4) wins over direct sums on class cpu: channels, of x and of y, to share the transforms of a tile among,
 * tiles to share those of the filter among: fewer where products take longer than to read the filters. F(2 x 2) wins by
 * little, or by noise, where it does, and is left to the tuner. */
bool clg_conv_wins_wino4(const clg_node *n, const clg_device *d) {
    const clg_wino s = clg_wino_geometry(n, 4);
    return s.K >= 16 && s.O >= 8 && s.tiles >= (clg_registers_of(d, false).wide ? 32 : 16);
}

/* tile: of the list below; mode: 0 fused, 1 staged; chunk: panels. -1: by shape. */
const clg_knob clg_conv_wino_knobs[] = {
    { "tile", 8, { -1, 0, 1, 2, 3, 4, 5, 6 } },
    { "mode", 3, { -1, 0, 1 } },
    { "chunk", 7, { -1, 1, 2, 4, 8, 16, 64 } },
    { 0 },
};

typedef struct tile { int mr, nv; } tile;
enum { N_WIDE = 4, N_TILES = 7 }; /* the first for 24 vectors of sums in registers, the others for 6 */
static const tile tiles[N_TILES] = { { 6, 4 }, { 8, 3 }, { 12, 2 }, { 16, 1 }, { 6, 1 }, { 2, 2 }, { 4, 1 } };

/* The register tile with the least work: products two a cycle, loads likewise, and what a tile costs besides. */
static tile choose_tile(clg_emit *e, const clg_wino *s) {
    const int forced = clg_emit_knob(e, "tile");
    const clg_registers r = clg_registers_of(clg_emit_device(e), false);
    tile best = tiles[0];
    double least = 0;
    for (int i = 0; i < N_TILES; i++) {
        const tile t = tiles[i];
        if (forced == i) return t;
        if ((i < N_WIDE) != (r.sums >= 24)) continue;
        const double count = (double)clg_div_up(s->O, t.mr) * (double)clg_div_up(s->tiles, 16 * t.nv);
        const double step = (double)clg_max64(t.mr * t.nv * r.parts, t.mr + t.nv * r.parts + 1) + 1;
        const double cost = count * ((double)s->K * step + 2 * t.mr * t.nv + 30);
        if (least == 0 || cost < least) {
            least = cost;
            best = t;
        }
    }
    return best;
}

/* How the kernels cut the work. */
typedef struct cut {
    tile    t;
    int     nc;                         /* vectors of a row of x */
    int64_t blocks, panels, KG, region; /* KG: channels of a region of V; its elements */
    int64_t items, chunk;               /* fused: persistent items; panels a round. Staged: panels an item */
    bool    staged;
    const char *options;
    const clg_tensor *table, *u, *b;
    int64_t has_bias;
} cut;

static int64_t region_size(const clg_wino *s, const cut *c, int64_t channels) {
    return s->XI * (channels * 16 * c->t.nv + 16) + s->P * 16 * c->nc;
}

static cut choose_cut(clg_emit *e, const clg_wino *s) {
    cut c = { .t = choose_tile(e, s), .has_bias = s->b != NULL, .b = s->b ? s->b : s->w }; /* unread without bias */
    const int64_t units = clg_max64(1, clg_device_get_caps(clg_emit_device(e))->compute_units), TB = 16 * c.t.nv;
    const int mode = clg_emit_knob(e, "mode"), chunk = clg_emit_knob(e, "chunk");
    for (c.nc = 1; c.nc < s->M && (16 * c.nc - 2) / s->M < s->TX; c.nc *= 2) {}
    c.blocks = clg_div_up(s->tiles, TB);
    c.panels = clg_div_up(s->O, c.t.mr);
    c.staged = mode >= 0 ? mode : c.blocks * s->G < 4 * units;
    c.KG = c.staged ? clg_min64(clg_div_up(s->K, 16) * 16, 32) : clg_div_up(s->K, 16) * 16;
    c.region = region_size(s, &c, c.KG);
    c.items = clg_min64(c.blocks, 4 * units);
    const int64_t v_bytes = 4 * region_size(s, &c, s->K), m_bytes = 4 * s->XI * c.t.mr * TB; /* of a panel */
    if (c.staged) c.chunk = clg_max64(1, clg_min64(8, c.panels * s->XI * c.blocks * s->G / (8 * units)));
    else c.chunk = v_bytes < CACHE ? clg_max64(1, (CACHE - v_bytes) / m_bytes) : c.panels;
    if (chunk > 0) c.chunk = chunk;
    c.chunk = clg_min64(c.chunk, c.panels);
    c.options = clg_emit_options(e, "-DM=%d -DMR=%d -DNV=%d -DNC=%d", (int)s->M, c.t.mr, c.t.nv, c.nc);
    const int32_t table[] = { (int32_t)s->K, (int32_t)s->O, (int32_t)s->h, (int32_t)s->w_, (int32_t)s->y_h,
                              (int32_t)s->y_w, (int32_t)s->pad_h, (int32_t)s->pad_w, (int32_t)s->TY, (int32_t)s->TX,
                              (int32_t)s->tiles, (int32_t)s->G, (int32_t)c.KG, (int32_t)c.panels };
    c.table = clg_emit_table(e, CLG_I32, CLG_SHAPE(sizeof table / sizeof *table), table);
    return c;
}

/* U, by a launch of its own: it depends on the filter alone. */
static clg_status emit_filters(clg_emit *e, const clg_wino *s, cut *c) {
    const clg_tensor *w = s->w, *u;
    const int64_t K = s->K, O = s->O, kb = clg_div_up(K, 16), w_group = s->w_group, w_row = s->w_row, w_k = s->w_k;
    const int64_t turn = s->turn;
    u = c->u = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(s->G * s->XI, c->panels * kb * c->t.mr * 16 + 16));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino.filters", .options = c->options, .global = { (size_t)kb, (size_t)c->panels, (size_t)s->G },
        .args = ARGS(IN(w), OUT(u), INT(K), INT(O), LONG(w_group), INT(w_row), INT(w_k), INT(turn)),
    });
}

static clg_status emit_fused(clg_emit *e, const clg_wino *s, const cut *c) {
    const clg_tensor *x = s->x, *y = s->y, *u = c->u, *b = c->b, *table = c->table, *v;
    const int64_t has_bias = c->has_bias, blocks = c->blocks, chunk = c->chunk;
    const int64_t size = clg_div_up(c->region + s->XI * chunk * c->t.mr * 16 * c->t.nv, 16) * 16 + 16;
    v = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(s->G * c->items, size));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino.fused", .options = c->options, .global = { (size_t)c->items, (size_t)s->G },
        .args = ARGS(IN(x), IN(u), IN(b), OUT(y), INOUT(v), IN(table), INT(has_bias), INT(blocks), INT(chunk),
                     LONG(size)),
        .tail_cols = s->y_h * s->y_w,
    });
}

static clg_status emit_staged(clg_emit *e, const clg_wino *s, const cut *c) {
    const clg_tensor *x = s->x, *y = s->y, *u = c->u, *b = c->b, *table = c->table;
    const int64_t has_bias = c->has_bias, blocks = c->blocks, chunk = c->chunk, TB = 16 * c->t.nv;
    const int64_t runs = clg_div_up(s->K, c->KG), rows = 2;
    const clg_tensor *v = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(s->G * blocks, runs, c->region));
    const clg_tensor *m = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(s->G * blocks, s->XI * c->panels, c->t.mr * TB));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino.data", .options = c->options, .global = { (size_t)runs, (size_t)blocks, (size_t)s->G },
        .args = ARGS(IN(x), INOUT(v), IN(table)),
    }));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino.products", .options = c->options,
        .global = { (size_t)clg_div_up(c->panels, chunk), (size_t)s->XI, (size_t)(blocks * s->G) },
        .args = ARGS(IN(u), IN(v), OUT(m), IN(table), INT(blocks), INT(chunk)),
    }));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_wino.results", .options = c->options,
        .global = { (size_t)clg_div_up(s->O, rows), (size_t)blocks, (size_t)s->G },
        .args = ARGS(IN(m), IN(b), OUT(y), IN(table), INT(has_bias), INT(rows)),
        .tail_cols = s->y_h * s->y_w,
    });
}

static clg_status emit(clg_emit *e, const clg_node *n, int64_t M) {
    const clg_wino s = clg_wino_geometry(n, M);
    if (s.tiles == 0) return CLG_OK; /* an empty batch */
    cut c = choose_cut(e, &s);
    CLG_TRY(emit_filters(e, &s, &c));
    return c.staged ? emit_staged(e, &s, &c) : emit_fused(e, &s, &c);
}

clg_status clg_conv_wino2(clg_emit *e, const clg_node *n) { return emit(e, n, 2); }
clg_status clg_conv_wino4(clg_emit *e, const clg_node *n) { return emit(e, n, 4); }

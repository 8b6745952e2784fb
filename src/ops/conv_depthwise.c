/* Depthwise convolution, one filter a channel, of one or two spatial axes: forward, backward-data and backward-weights
 * for class cpu (cl/conv_depthwise.cl). */
#include "ops/conv_shape.h"

#include "ops/registers.h"

enum { FED = 20480, FED_SLACK = 128, /* elements of the buffer of conv_expand.cl; what vectors may run over at a row */
       BUF = 6144 /* elements: of conv_depthwise.cl */, MAX_TAPS = 49, ITEM_ELEMS = 8192, ENOUGH_ITEMS = 64,
       LARGE = 4 << 20 /* bytes: more than a core's cache */,
       AXIS_H = 1, AXIS_W = 2 };

/* Strips of output rows whose input rows fit the buffer of a work-item. */
typedef struct strips {
    int64_t rb, v;         /* rows of a register tile, lanes */
    int64_t rows, count;   /* of a strip; strips of a plane */
    int64_t pitch, odd;    /* of the buffer; where its odd columns begin */
} strips;

/* Whether registers hold tiles of 7 rows, of which a loaded vector serves more taps. */
static bool is_wide(clg_emit *e) { return clg_registers_of(clg_emit_device(e), false).wide; }

/* height x width: outputs; an output row reads `stride` rows of the buffer further than its neighbour, and `reach` more
 * rows and columns than one; phases: copies of a row; tall: tiles of 7 rows where they divide the height. false: a
 * tile's rows do not fit the buffer. */
static bool choose_strips(int64_t height, int64_t width, int64_t stride, const int64_t reach[2], int64_t phases,
                          int64_t taps, bool tall, strips *s) {
    s->v = width > 8 ? 16 : width > 4 ? 8 : 4;
    s->pitch = clg_max64(width, s->v) + reach[1];
    const int64_t most = BUF / phases / s->pitch - reach[0] - 1; /* rows further than the first */
    tall &= most >= 6 * stride;
    s->rb = (tall || height % 4 != 0) && height % 7 == 0 && taps <= 9 ? 7 : 4;
    if (most < (s->rb - 1) * stride) return false;
    const int64_t fit = (most / stride + 1) / s->rb * s->rb;
    s->count = clg_div_up(height, fit);
    s->rows = clg_min64(fit, clg_div_up(clg_div_up(height, s->count), s->rb) * s->rb);
    s->count = clg_div_up(height, s->rows);
    s->odd = phases == 1 ? 0 : BUF / 2 + 32;
    return true;
}

/* The strips of a pass over output pixels. */
static bool forward_strips(const clg_conv_geom *g, bool tall, strips *s) {
    const int64_t stride = g->stride[AXIS_H];
    const int64_t reach[2] = { (g->k[AXIS_H] - 1) * g->dil[AXIS_H], (g->k[AXIS_W] - 1) * g->dil[AXIS_W] / stride };
    return choose_strips(g->out[AXIS_H], g->out[AXIS_W], stride, reach, stride, g->T, tall, s);
}

/* gy[a + gather] reaches element 2 a + e of gx through tap k, e being the parity of k + pad. */
static int64_t gather(int64_t parity, int64_t k) { return (((k + parity) & 1) + parity - k) / 2; }

static bool data2_strips(const clg_conv_geom *g, bool tall, strips *s) {
    int64_t reach[2];
    for (int i = 0; i < 2; i++) {
        const int64_t parity = g->pad[AXIS_H + i] & 1;
        reach[i] = gather(parity, 0) - gather(parity, g->k[AXIS_H + i] - 1);
    }
    return choose_strips(clg_div_up(g->in[AXIS_H], 2), clg_div_up(g->in[AXIS_W], 2), 1, reach, 1, g->T, tall, s);
}

/* The same convolution that backward-data of stride 1 is: of gy, with the filter turned around. */
static clg_conv_geom turned(const clg_conv_geom *g) {
    clg_conv_geom t = *g;
    for (int a = 0; a < 3; a++) {
        t.in[a] = g->out[a];
        t.out[a] = g->in[a];
        t.pad[a] = (g->k[a] - 1) * g->dil[a] - g->pad[a];
    }
    t.I = g->Q;
    t.Q = g->I;
    return t;
}

bool clg_conv_accept_depthwise(const clg_node *n, const clg_device *d) {
    (void)d;
    const clg_conv_geom g = clg_conv_geometry(n), t = turned(&g);
    const int64_t stride = g.stride[AXIS_H];
    strips s;
    if (g.Cg != 1 || g.Og != 1 || !clg_conv_fits_int(n) || g.T > MAX_TAPS || g.N == 0 || g.I == 0) return false;
    if (g.in[0] != 1 || g.k[0] != 1 || g.out[0] != 1 || g.pad[0] != 0) return false;
    if (stride > 2 || g.stride[AXIS_W] != stride) return false;
    if (g.dil[AXIS_H] != g.dil[AXIS_W] || g.dil[AXIS_H] > (stride == 2 ? 1 : 4)) return false;
    if (n->op != &clg_op_conv_bwd_data) return forward_strips(&g, false, &s);
    if (t.pad[AXIS_H] < 0 || t.pad[AXIS_W] < 0) return false; /* rows and columns that no output reads: rare */
    return stride == 2 ? data2_strips(&g, false, &s) : forward_strips(&t, false, &s);
}

static const char *tile_options(clg_emit *e, const clg_conv_geom *g, const strips *s) {
    return clg_emit_options(e, "-DKH=%d -DKW=%d -DS=%d -DD=%d -DRB=%d -DV=%d", (int)g->k[AXIS_H], (int)g->k[AXIS_W],
                            (int)g->stride[AXIS_H], (int)g->dil[AXIS_H], (int)s->rb, (int)s->v);
}

/* Whether rows of x come from beyond a core's cache. */
static bool comes_from_memory(const clg_tensor *x) { return clg_tensor_bytes(x) > LARGE; }

/* The same, and how far tiles and taps reach over the edges. */
static const char *direct_options(clg_emit *e, const clg_conv_geom *g, const strips *s) {
    const int64_t stride = g->stride[AXIS_H], last = (g->out[AXIS_H] - 1) / s->rb * s->rb * stride;
    const int64_t span = (s->rb - 1) * stride + g->k[AXIS_H];
    const int64_t rows = last - g->pad[AXIS_H] + span - g->in[AXIS_H];
    const int64_t cols = (g->out[AXIS_W] - 1) * stride - g->pad[AXIS_W] + g->k[AXIS_W] - g->in[AXIS_W];
    return clg_emit_options(e, "%s -DPADH=%d -DPADW=%d -DOVERH=%d -DOVER=%d", tile_options(e, g, s),
                            (int)g->pad[AXIS_H], (int)g->pad[AXIS_W], (int)clg_max64(0, clg_min64(rows, span)),
                            (int)clg_max64(0, clg_min64(cols, g->k[AXIS_W])));
}

/* Planes of a work-item, for planes of some elements: none so small that its launch counts. */
static int64_t choose_planes(const clg_conv_geom *g, const strips *s, int64_t width) {
    const int64_t enough = clg_div_up(ITEM_ELEMS, s->rows * width), items = g->N * g->C * s->count / ENOUGH_ITEMS;
    return clg_max64(1, clg_min64(enough, items));
}

/* Whether rows can be read where they lie. */
static bool is_direct(const clg_conv_geom *g) {
    const int64_t pad_w = g->pad[AXIS_W];
    return pad_w <= 3 && g->in[AXIS_W] >= pad_w + g->stride[AXIS_W] && g->dil[AXIS_W] == 1;
}

static clg_status emit_rows(clg_emit *e, const clg_conv_geom *g, const clg_tensor *x, const clg_tensor *w,
                            const clg_tensor *bias, const clg_tensor *y, int64_t flip) {
    const bool tall = g->stride[AXIS_H] == 1 && is_wide(e); /* of stride 2, tiles of 4 are 5 % faster */
    strips s;
    forward_strips(g, tall, &s);
    const clg_tensor *b = bias ? bias : w; /* unread without bias */
    const int64_t has_bias = bias != NULL, channels = g->C, planes = g->N * g->C;
    const int64_t planes_per_item = choose_planes(g, &s, g->out[AXIS_W]);
    const int64_t in_h = g->in[AXIS_H], in_w = g->in[AXIS_W], out_h = g->out[AXIS_H], out_w = g->out[AXIS_W];
    const int64_t pad_h = g->pad[AXIS_H], pad_w = g->pad[AXIS_W], rows = s.rows, pitch = s.pitch, odd = s.odd;
    if (is_direct(g)) {
        const bool ahead = g->stride[AXIS_H] == 1 && (s.rb == 7 || comes_from_memory(x));
        return clg_emit_launch(e, &(clg_launch){
            .kernel = "conv_depthwise.depthwise_direct",
            .options = clg_emit_options(e, "%s%s", direct_options(e, g, &s), ahead ? " -DAHEAD=1" : ""),
            .global = { (size_t)clg_div_up(planes, planes_per_item), (size_t)s.count },
            .args = ARGS(IN(x), IN(w), IN(b), OUT(y), INT(has_bias), INT(flip), INT(channels), INT(planes),
                         INT(planes_per_item), INT(in_h), INT(in_w), INT(out_h), INT(out_w), INT(rows)),
            .tail_cols = out_h * out_w,
        });
    }
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_depthwise.depthwise_rows", .options = tile_options(e, g, &s),
        .global = { (size_t)clg_div_up(planes, planes_per_item), (size_t)s.count },
        .args = ARGS(IN(x), IN(w), IN(b), OUT(y), INT(has_bias), INT(flip), INT(channels), INT(planes),
                     INT(planes_per_item), INT(in_h), INT(in_w), INT(out_h), INT(out_w), INT(pad_h), INT(pad_w),
                     INT(rows), INT(pitch), INT(odd)),
        .tail_cols = out_h * out_w,
    });
}

/* --- behind a convolution of one tap, which it computes on the way (cl/conv_expand.cl) --- */

/* Channels of the feeder that a work-item makes, of planes or strips of them that fit its buffer; vectors of 16 pixels
 * of a tile. */
typedef struct fed { int64_t channels, vectors, pitch; } fed;

static fed choose_fed(const clg_device *d) {
    const clg_registers r = clg_registers_of(d, false);
    const int64_t channels = r.sums >= 6 ? 6 : r.sums;
    return (fed){ channels, r.sums / channels, FED / channels };
}

/* Strips of which the rows that are read fit the buffer; false: not even those of one tile. */
static bool fed_strips(const clg_conv_geom *g, const clg_device *d, strips *s) {
    const fed f = choose_fed(d);
    const int64_t height = g->out[AXIS_H], stride = g->stride[AXIS_H], items = g->N * clg_div_up(g->C, f.channels);
    const int64_t fit = (f.pitch - FED_SLACK - 16 * f.vectors) / g->in[AXIS_W]; /* rows of the buffer */
    const int64_t cores = clg_device_get_caps(d)->compute_units, enough = 8 * (cores > 0 ? cores : 1);
    forward_strips(g, false, s);
    const int64_t tiles = ((fit - g->k[AXIS_H]) / stride + 1) / s->rb, wanted = clg_div_up(enough, items);
    if (fit < g->k[AXIS_H] || tiles < 1) return false;
    s->count = clg_max64(clg_div_up(height, tiles * s->rb), clg_min64(wanted, clg_div_up(height, 4 * s->rb)));
    s->rows = clg_div_up(clg_div_up(height, s->count), s->rb) * s->rb;
    s->count = clg_div_up(height, s->rows);
    return true;
}

int64_t clg_conv_depthwise_takes(const clg_node *n, const clg_node *feeder, const clg_device *d) {
    strips s;
    if (feeder->op != &clg_op_conv || n->out[0]->dtype != CLG_F32) return 0;
    const clg_conv_geom g = clg_conv_geometry(n), f = clg_conv_geometry(feeder);
    if (!clg_conv_is_pointwise(&f) || f.G != 1 || !clg_conv_fits_int(feeder) || f.C == 0) return 0;
    if (!clg_shape_equal(n->in[0]->shape, feeder->out[0]->shape) || f.O < choose_fed(d).channels) return 0;
    return is_direct(&g) && fed_strips(&g, d, &s) ? f.Q : 0;
}

static clg_status emit_fed(clg_emit *e, const clg_node *n, const clg_node *feeder) {
    const clg_conv_geom g = clg_conv_geometry(n), f = clg_conv_geometry(feeder);
    const clg_tensor *x = feeder->in[0], *wx = feeder->in[1], *bx = in_tensor(feeder, 2), *w = n->in[1];
    const clg_tensor *b = in_tensor(n, 2), *y = n->out[0];
    const int64_t has_bx = bx != NULL, has_bias = b != NULL, channels = g.C, terms = f.C;
    const fed t = choose_fed(clg_emit_device(e));
    strips s;
    fed_strips(&g, clg_emit_device(e), &s);
    if (!bx) bx = wx; /* unread */
    if (!b) b = w;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_expand.expand_depthwise",
        .options = clg_emit_options(e, "%s -DMR=%d -DNV=%d -DPITCH=%d -DIN_H=%d -DIN_W=%d -DOUT_H=%d -DOUT_W=%d "
                                    "-DSTRIP=%d", direct_options(e, &g, &s), (int)t.channels, (int)t.vectors,
                                    (int)t.pitch, (int)g.in[AXIS_H], (int)g.in[AXIS_W], (int)g.out[AXIS_H],
                                    (int)g.out[AXIS_W], (int)s.rows),
        .global = { (size_t)clg_div_up(channels, t.channels), (size_t)s.count, (size_t)g.N },
        .args = ARGS(IN(x), IN(wx), IN(bx), IN(w), IN(b), OUT(y), INT(has_bx), INT(has_bias), INT(channels), INT(terms)),
        .tail_cols = g.Q, .feed_cols = f.Q,
    });
}

clg_status clg_conv_fwd_depthwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_node *feeder = clg_emit_feeder(e);
    if (feeder) return emit_fed(e, n, feeder);
    return emit_rows(e, &g, n->in[0], n->in[1], in_tensor(n, 2), n->out[0], false);
}

clg_status clg_conv_data_depthwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n), t = turned(&g);
    const bool wide = is_wide(e);
    const clg_tensor *gy = n->in[0], *w = n->in[1], *gx = n->out[0];
    if (g.stride[AXIS_H] == 1) return emit_rows(e, &t, gy, w, NULL, gx, true);
    strips s;
    data2_strips(&g, wide, &s);
    const int64_t channels = g.C, planes = g.N * g.C, planes_per_item = choose_planes(&g, &s, g.in[AXIS_W] * 2);
    const int64_t in_h = g.in[AXIS_H], in_w = g.in[AXIS_W], out_h = g.out[AXIS_H], out_w = g.out[AXIS_W];
    const int parity_h = (int)(g.pad[AXIS_H] & 1), parity_w = (int)(g.pad[AXIS_W] & 1);
    const int64_t pad_h = -gather(parity_h, g.k[AXIS_H] - 1) - g.pad[AXIS_H] / 2;
    const int64_t pad_w = -gather(parity_w, g.k[AXIS_W] - 1) - g.pad[AXIS_W] / 2, rows = s.rows, pitch = s.pitch;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_depthwise.depthwise_data2",
        .options = clg_emit_options(e, "%s -DPH=%d -DPW=%d", tile_options(e, &g, &s), parity_h, parity_w),
        .global = { (size_t)clg_div_up(planes, planes_per_item), (size_t)s.count },
        .args = ARGS(IN(gy), IN(w), OUT(gx), INT(channels), INT(planes), INT(planes_per_item), INT(in_h), INT(in_w),
                     INT(out_h), INT(out_w), INT(pad_h), INT(pad_w), INT(rows), INT(pitch)),
        .tail_cols = in_h * in_w,
    });
}

clg_status clg_conv_filter_depthwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_tensor *x = n->in[0], *gy = n->in[1], *result = n->out[0], *gw = result;
    strips s;
    forward_strips(&g, false, &s);
    const int64_t channels = g.C, units = g.N * s.count, parts = clg_min64(units, clg_div_up(ENOUGH_ITEMS, channels));
    const int64_t in_h = g.in[AXIS_H], in_w = g.in[AXIS_W], out_h = g.out[AXIS_H], out_w = g.out[AXIS_W];
    const int64_t pad_h = g.pad[AXIS_H], pad_w = g.pad[AXIS_W], rows = s.rows, pitch = s.pitch, odd = s.odd;
    const int64_t strips_per_plane = s.count;
    if (parts > 1) gw = clg_emit_scratch(e, result->dtype, CLG_SHAPE(parts, g.C * g.T));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_depthwise.depthwise_filter",
        .options = clg_emit_options(e, "%s%s", tile_options(e, &g, &s), comes_from_memory(x) ? " -DAHEAD=1" : ""),
        .global = { (size_t)channels, (size_t)parts },
        .args = ARGS(IN(gy), IN(x), OUT(gw), INT(channels), INT(strips_per_plane), INT(units), INT(parts), INT(in_h),
                     INT(in_w), INT(out_h), INT(out_w), INT(pad_h), INT(pad_w), INT(rows), INT(pitch), INT(odd)),
    }));
    return parts > 1 ? clg_conv_emit_sum(e, gw, result, parts, NULL, 1) : CLG_OK;
}

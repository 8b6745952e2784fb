/* Depthwise convolution, one filter a channel, of one or two spatial axes: forward, backward-data and backward-weights
 * for class gpu (cl/conv_depthwise_gpu.cl).
 *
 * Why these tiles. All three passes read each element of their inputs about once and do T multiply-adds for it, so what
 * counts is that many loads are under way: full waves, and several groups on a compute unit, one of which loads while
 * others compute. A row of 32 columns is a warp, half a wave of 64 and two to four threads of Intel's SIMD 8 or 16, and
 * its loads are whole lines of 128 bytes; narrower planes take 16 or 8 columns, and planes of 7 x 7 or 14 x 14 go
 * several to a group so that it has 128 items at least. 256 items with at most 16 KiB of local memory (f32 3 x 3: 5
 * KiB) leave room for 4 groups on all targets: 64 KiB of a compute unit of AMD and of a sub-slice of Intel, 64 KiB and
 * 1024 items of a multiprocessor of Turing. Four outputs of an item read 6 rows of a 3 x 3 window instead of 12, for
 * 6 + 4 registers; more would leave the items of small planes without work. At a stride of 2 neighbours share
 * little, and two outputs an item keep the tile in the budget. */
#include "ops/conv_shape.h"

enum { MODE_FORWARD, MODE_DATA, MODE_FILTER };
enum { AXIS_H = 1, AXIS_W = 2, MAX_TAPS = 49, MAX_STRIDE = 4, MAX_SPAN = 64, MAX_ITEMS = 256, FULL_ITEMS = 128,
       FEW_ITEMS = 64, LOCAL_BUDGET = 16 << 10, ENOUGH_GROUPS = 512 };

const clg_knob clg_conv_depthwise_gpu_knobs[] = {
    { "rows", 5, { -1, 1, 2, 4, 8 } }, /* cells of a work-item */
    { 0 },
};

/* What the kernel computes, axis by axis (0: rows, 1: columns): `cells` of outputs, `step` elements apart in the input,
 * each reading `span` of them from -pad on. */
typedef struct passes {
    int     mode;
    int64_t cells[2], step[2], span[2], pad[2], planes;
} passes;

/* A work-group: cols x rows x planes items, r cells each. */
typedef struct tile {
    int64_t cols, rows, planes, r, h, pitch;
} tile;

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

static passes passes_of(const clg_conv_geom *g, int mode) {
    passes p = { .mode = mode, .planes = mode == MODE_FILTER ? g->N : g->N * g->C };
    for (int i = 0; i < 2; i++) {
        const int64_t s = g->stride[AXIS_H + i], reach = (g->k[AXIS_H + i] - 1) * g->dil[AXIS_H + i];
        const int64_t pad = g->pad[AXIS_H + i], odd = pad % s;
        if (mode == MODE_DATA) { /* of cell a, phase e: gy[a + (e + pad - t D) / S] */
            const int64_t low = floor_div(odd - reach, s);
            p.cells[i] = clg_div_up(g->in[AXIS_H + i], s);
            p.step[i] = 1;
            p.span[i] = (s - 1 + odd) / s - low + 1;
            p.pad[i] = -(pad / s + low);
        } else {
            p.cells[i] = g->out[AXIS_H + i];
            p.step[i] = s;
            p.span[i] = reach + 1;
            p.pad[i] = pad;
        }
    }
    return p;
}

static int64_t power_up(int64_t n) {
    int64_t p = 1;
    while (p < n) p *= 2;
    return p;
}

/* Elements that groups of c columns read of a row of the input, and half a line of memory for the ends of each. */
static int64_t row_reads(const passes *p, int64_t c) {
    return clg_div_up(p->cells[1], c) * ((c - 1) * p->step[1] + p->span[1] + 8);
}

/* Columns of a group: 32, 16 or 8, with the fewest reads; for narrow planes fewer. */
static int64_t choose_cols(const passes *p, int64_t limit) {
    int64_t best = clg_min64(power_up(p->cells[1]), 32);
    while (best > limit) best /= 2;
    for (int64_t c = best / 2; c >= 8; c /= 2)
        if (row_reads(p, c) < row_reads(p, best)) best = c;
    return best;
}

/* Rows of items that together are narrower than the 32 banks of local memory should begin in different ones; with a
 * step of 2 no pitch helps. */
static int64_t choose_pitch(const passes *p, const tile *t, int64_t width) {
    for (int64_t pitch = width; t->cols < 32 && p->step[1] == 1 && pitch < width + 8; pitch++)
        if (t->r * p->step[0] * pitch % 32 == t->cols) return pitch;
    return width;
}

static size_t local_bytes(const passes *p, tile *t, int64_t taps, size_t elem) {
    const int64_t items = t->cols * t->rows * t->planes;
    t->h = (t->rows * t->r - 1) * p->step[0] + p->span[0];
    t->pitch = choose_pitch(p, t, (t->cols - 1) * p->step[1] + p->span[1]);
    const int64_t n = t->planes * t->h * t->pitch;
    return elem * (size_t)(p->mode == MODE_FILTER ? clg_max64(n, items) : n + t->planes * taps);
}

/* Taps whose sums over the group fit into local memory at once. */
static int64_t choose_chunk(const clg_device *d, const tile *t, int64_t taps, size_t elem) {
    const size_t local = clg_device_get_caps(d)->local_mem, room = local < LOCAL_BUDGET ? local : LOCAL_BUDGET;
    const int64_t fit = (int64_t)(room / elem) / (t->cols * t->rows * t->planes);
    return clg_max64(1, clg_min64(fit, taps));
}

/* false: not even one work-item fits into local memory. r: cells of a work-item; -1: by shape. */
static bool choose_tile(const clg_device *d, const clg_conv_geom *g, const passes *p, size_t elem, int r, tile *t) {
    const clg_device_caps *caps = clg_device_get_caps(d);
    const int64_t limit = clg_min64(MAX_ITEMS, (int64_t)(caps->max_group < caps->max_item[0] ? caps->max_group
                                                                                             : caps->max_item[0]));
    const int64_t h = g->stride[AXIS_H], by_stride = p->mode == MODE_DATA ? clg_div_up(h * g->stride[AXIS_W], 2) : h;
    t->r = clg_min64(r > 0 ? r : clg_max64(1, 4 / by_stride), power_up(p->cells[0]));
    t->cols = choose_cols(p, limit);
    const int64_t rows = clg_div_up(p->cells[0], t->r), strips = clg_div_up(rows, limit / t->cols);
    t->rows = clg_div_up(rows, strips);
    const int64_t items = t->cols * t->rows;
    t->planes = clg_min64(p->planes, clg_min64(limit / items, clg_div_up(FULL_ITEMS, items)));
    while (local_bytes(p, t, g->T, elem) > caps->local_mem ||
           (local_bytes(p, t, g->T, elem) > LOCAL_BUDGET && t->cols * t->rows * t->planes > FEW_ITEMS)) {
        if (t->planes > 1) t->planes = (t->planes + 1) / 2;
        else if (t->rows > 1 && (t->rows * t->r >= t->cols || t->cols == 1)) t->rows = (t->rows + 1) / 2;
        else if (t->cols > 1) t->cols /= 2;
        else if (t->r > 1) t->r /= 2;
        else return false;
    }
    return true;
}

/* Tiles of a plane along an axis. */
static int64_t tiles_of(const passes *p, const tile *t, int axis) {
    return clg_div_up(p->cells[axis], axis == 0 ? t->rows * t->r : t->cols);
}

static int64_t count_groups(const passes *p, const tile *t) {
    return clg_div_up(p->planes, t->planes) * tiles_of(p, t, 0) * tiles_of(p, t, 1);
}

static int mode_of(const clg_node *n) {
    return n->op == &clg_op_conv_bwd_data ? MODE_DATA : n->op == &clg_op_conv_bwd_filter ? MODE_FILTER : MODE_FORWARD;
}

bool clg_conv_accept_depthwise_gpu(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    tile t;
    if (g.Cg != 1 || g.Og != 1 || !clg_conv_fits_int(n) || g.T > MAX_TAPS || g.N == 0 || g.I == 0) return false;
    if (g.in[0] != 1 || g.k[0] != 1 || g.out[0] != 1 || g.pad[0] != 0) return false;
    for (int a = AXIS_H; a <= AXIS_W; a++)
        if (g.stride[a] > MAX_STRIDE || (g.k[a] - 1) * g.dil[a] >= MAX_SPAN) return false;
    const passes p = passes_of(&g, mode_of(n));
    return choose_tile(d, &g, &p, clg_dtype_size(in_dtype(n, 0)), 1, &t) &&
        count_groups(&p, &t) < INT32_MAX / MAX_ITEMS;
}

static const char *tile_options(clg_emit *e, const clg_conv_geom *g, const passes *p, const tile *t) {
    const int64_t *k = g->k + AXIS_H, *s = g->stride + AXIS_H, *d = g->dil + AXIS_H, *pad = g->pad + AXIS_H;
    const char *parity = p->mode != MODE_DATA ? ""
        : clg_emit_options(e, " -DPH=%d -DPW=%d", (int)(pad[0] % s[0]), (int)(pad[1] % s[1]));
    return clg_emit_options(e, "-DMODE=%d -DKH=%d -DKW=%d -DSH=%d -DSW=%d -DDH=%d -DDW=%d -DCOLS=%d -DROWS=%d "
                            "-DPLANES=%d -DR=%d -DPITCH=%d%s", p->mode, (int)k[0], (int)k[1], (int)s[0], (int)s[1],
                            (int)d[0], (int)d[1], (int)t->cols, (int)t->rows, (int)t->planes, (int)t->r,
                            (int)t->pitch, parity);
}

clg_status clg_conv_depthwise_gpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const passes p = passes_of(&g, mode_of(n));
    const bool data = p.mode == MODE_DATA;
    const clg_tensor *x = n->in[0], *w = n->in[1], *y = n->out[0], *b = data ? NULL : in_tensor(n, 2);
    const int64_t has_bias = b != NULL, channels = g.C, planes = p.planes, pad_h = p.pad[0], pad_w = p.pad[1];
    const int64_t *in = data ? g.out : g.in, *out = data ? g.in : g.out;
    const int64_t in_h = in[AXIS_H], in_w = in[AXIS_W], out_h = out[AXIS_H], out_w = out[AXIS_W];
    tile t;
    choose_tile(clg_emit_device(e), &g, &p, clg_dtype_size(x->dtype), clg_emit_knob(e, "rows"), &t);
    const int64_t tiles_h = tiles_of(&p, &t, 0), tiles_w = tiles_of(&p, &t, 1);
    const size_t items = (size_t)(t.cols * t.rows * t.planes);
    if (!b) b = w; /* unread */
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_depthwise_gpu.outputs", .options = tile_options(e, &g, &p, &t),
        .global = { (size_t)count_groups(&p, &t) * items }, .local = { items },
        .args = ARGS(IN(x), IN(w), IN(b), OUT(y), INT(has_bias), INT(channels), INT(planes), INT(in_h), INT(in_w),
                     INT(out_h), INT(out_w), INT(pad_h), INT(pad_w), INT(tiles_h), INT(tiles_w)),
        .tail_cols = out_h * out_w,
    });
}

/* A group for each channel and part of the images: parts by shape and tile only, and so are the bits. */
clg_status clg_conv_filter_depthwise_gpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const passes p = passes_of(&g, MODE_FILTER);
    const clg_tensor *x = n->in[0], *gy = n->in[1], *result = n->out[0], *gw = result;
    tile t;
    choose_tile(clg_emit_device(e), &g, &p, clg_dtype_size(x->dtype), clg_emit_knob(e, "rows"), &t);
    const int64_t chunk = choose_chunk(clg_emit_device(e), &t, g.T, clg_dtype_size(x->dtype));
    const int64_t channels = g.C, images = g.N, units = count_groups(&p, &t), pad_h = p.pad[0], pad_w = p.pad[1];
    const int64_t parts = clg_min64(units, clg_div_up(ENOUGH_GROUPS, channels));
    const int64_t in_h = g.in[AXIS_H], in_w = g.in[AXIS_W], out_h = g.out[AXIS_H], out_w = g.out[AXIS_W];
    const int64_t tiles_h = tiles_of(&p, &t, 0), tiles_w = tiles_of(&p, &t, 1);
    const size_t items = (size_t)(t.cols * t.rows * t.planes);
    if (parts > 1) gw = clg_emit_scratch(e, result->dtype, CLG_SHAPE(parts, g.C * g.T));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_depthwise_gpu.filters",
        .options = clg_emit_options(e, "%s -DCHUNK=%d", tile_options(e, &g, &p, &t), (int)chunk),
        .global = { (size_t)(channels * parts) * items }, .local = { items },
        .args = ARGS(IN(gy), IN(x), OUT(gw), INT(channels), INT(images), INT(units), INT(parts), INT(in_h), INT(in_w),
                     INT(out_h), INT(out_w), INT(pad_h), INT(pad_w), INT(tiles_h), INT(tiles_w)),
    }));
    return parts > 1 ? clg_conv_emit_sum(e, gw, result, parts, NULL, MAX_ITEMS) : CLG_OK;
}

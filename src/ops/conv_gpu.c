/* The three convolutions for class gpu by the implicit GEMM of cl/conv_gpu.cl: which block of outputs a work-group
 * makes, and the tables of taps and phases. */
#include "base/alloc.h"
#include "ops/conv_shape.h"

enum { N_TILES = 8, PAD = 4 /* what the kernel adds to a row in local memory */ };

typedef struct tile {
    int bm, bn, rm, rn, bk; /* outputs of a work-group, of a work-item; terms in local memory */
    double speed, speed64;  /* of multiply-adds, the largest tile's being 1; with waves of 64 */
} tile;

/* Why these. For RM x RN multiply-adds an item reads RM + RN words of local memory, in vectors of four: 4 x 4 takes two
 * reads for 16, 8 x 4 three for 32, 8 x 8 four for 64. Local memory gives a compute unit some 128 bytes a cycle. NVIDIA
 * and RDNA, where a read by many lanes of one vector is one read, need half to three quarters of that at 4 x 4 and less
 * than half at 8 x 8; a wave of 64 of GCN takes 8 cycles for each read, so 4 x 4 is bound by them and, with the packed
 * multiply-adds of CDNA, 8 x 4 is too.
 *
 * What it costs, by the compilers of docs/offline.md, in registers an item and waves a scheduler:
 *   block, items      sm_80 (of 16)      gfx1030 (of 16)   gfx90a (of 8)    local memory
 *   4 x 4, 256         96: 4 waves        81: 10            74: 6           9.0 KiB
 *   8 x 4, 256        100: 4              90: 10            89: 5           6.5 KiB
 *   8 x 8, 256        165: 2             123: 8            124: 4           8.5 KiB
 * Two waves of 8 x 8 have 64 independent sums each, enough for the latency of arithmetic; the loads of the next tile
 * have the time of 512 multiply-adds an item, some 1000 cycles of the two waves. Local memory does not bound any.
 * Layers with few outputs take small tiles, which read more from global memory, so that every compute unit has work:
 * 32 x 32 is one wave of 64, 8 x 128 is for up to eight channels: first layers, their gradients, groups.
 * The last is one work-item, for devices that take no groups. */
static const tile tiles[N_TILES] = {
    {64, 64, 4, 4, 16, 0.7, 0.5}, {128, 128, 8, 8, 8, 1.0, 1.0}, {128, 64, 8, 4, 8, 0.85, 0.7},
    {64, 64, 8, 8, 8, 0.6, 0.6}, {32, 128, 8, 4, 8, 0.6, 0.5}, {32, 32, 4, 4, 16, 0.4, 0.35},
    {8, 128, 4, 4, 8, 0.3, 0.25}, {4, 4, 4, 4, 1, 0.01, 0.01},
};

const clg_knob clg_conv_gpu_knobs[] = {
    { "tile", N_TILES, { -1, 0, 1, 2, 3, 4, 5, 6 } },
    { "depth", 3, { -1, 8, 16 } },
    { 0 },
};

static int items_of(const tile *t) { return t->bm / t->rm * (t->bn / t->rn); }

static bool fits(const tile *t, const clg_device_caps *caps, size_t elem) {
    const size_t items = (size_t)items_of(t);
    const size_t table = (size_t)(t->bn > t->bk ? t->bn : t->bk) * 4 * sizeof(int32_t);
    return items <= caps->max_group && items <= caps->max_item[0] &&
        (size_t)(t->bk * (t->bm + t->bn + 2 * PAD)) * elem + table <= caps->local_mem;
}

/* Of Intel, where a thread has 4 or 8 KiB of registers for 8 to 32 items. */
static bool few_registers(const clg_device_caps *caps) { return caps->registers < 128; }

/* Whether what an item holds, its sums and the elements on their way, leaves room in the registers: 64 words of sums of
 * some 128 registers; else 16 sums, and 48 words in all. */
static bool suits(const tile *t, const clg_device_caps *caps, size_t elem) {
    const size_t words = elem / sizeof(float), sums = (size_t)(t->rm * t->rn);
    const size_t fetched = (size_t)((t->bm + t->bn) * t->bk / items_of(t));
    return few_registers(caps) ? sums <= 16 && (sums + fetched) * words <= 48 : sums * words <= 64;
}

/* The tile with the least time for `batch` products of M x cols: rounds of tiles over the compute units. */
static tile choose_tile(clg_emit *e, clg_dtype type, int64_t M, int64_t cols, int64_t batch) {
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    const size_t elem = clg_dtype_size(type);
    const int knob = clg_emit_knob(e, "tile"), depth = clg_emit_knob(e, "depth");
    tile best = tiles[N_TILES - 1];
    double best_time = 0;
    for (int i = 0; i < N_TILES - 1; i++) {
        tile t = tiles[i];
        if (depth > 0 || few_registers(caps)) t.bk = depth > 0 ? depth : 8;
        if (knob >= 0 ? i != knob : !suits(&t, caps, elem)) continue;
        if (!fits(&t, caps, elem)) t.bk = 8;
        if (!fits(&t, caps, elem)) continue;
        const int64_t groups = clg_div_up(M, t.bm) * clg_div_up(cols, t.bn) * batch;
        const double speed = caps->wave >= 64 ? t.speed64 : t.speed;
        const double time = (double)clg_div_up(groups, caps->compute_units) * t.bm * t.bn / speed;
        if (best_time > 0 && time >= best_time) continue;
        best = t;
        best_time = time;
    }
    return best;
}

static const char *tile_options(clg_emit *e, const tile *t, const clg_conv_geom *g) {
    return clg_emit_options(e, "-DBM=%d -DBN=%d -DRM=%d -DRN=%d -DBK=%d -DAXES=%d -DNARROW=%d", t->bm, t->bn, t->rm,
                            t->rn, t->bk, g->in[0] == 1 && g->out[0] == 1 && g->k[0] == 1 ? 2 : 3,
                            clg_device_get_caps(clg_emit_device(e))->narrow);
}

/* --- phases --- */

/* Phases along an axis. One for conv; for conv_bwd_data the residues modulo the stride. */
static int64_t count_phases(const clg_conv_geom *g, int a, bool data) {
    return data ? clg_min64(g->stride[a], g->in[a]) : 1;
}

/* How far tap t shifts the pixels of phase p in the plane that is read; false: it does not meet them. */
static bool tap_shift(const clg_conv_geom *g, int a, bool data, int64_t p, int64_t t, int64_t *shift) {
    const int64_t from = p + g->pad[a] - t * g->dil[a];
    *shift = data ? from / g->stride[a] : t * g->dil[a];
    return !data || from % g->stride[a] == 0;
}

typedef struct phases {
    int64_t n, pixels;   /* pixels of the largest */
    int32_t *row, *tap;  /* rows of 16 and 4: see the kernel */
    int64_t n_taps;
} phases;

/* Appends the taps that meet the pixels of phase p (one a axis). */
static void add_taps(phases *s, const clg_conv_geom *g, bool data, const int64_t *p) {
    for (int64_t t = 0; t < g->T; t++) {
        const int64_t at[3] = { t / (g->k[1] * g->k[2]), t / g->k[2] % g->k[1], t % g->k[2] };
        int64_t shift[3];
        bool meets = true;
        for (int a = 0; a < 3; a++) meets = tap_shift(g, a, data, p[a], at[a], &shift[a]) && meets;
        if (!meets) continue;
        int32_t *tap = s->tap + 4 * s->n_taps++;
        for (int a = 0; a < 3; a++) tap[a] = (int32_t)shift[a];
        tap[3] = (int32_t)t;
    }
}

static void add_phase(phases *s, const clg_conv_geom *g, bool data, int64_t f) {
    const int64_t h = count_phases(g, 1, data), w = count_phases(g, 2, data), p[3] = { f / (h * w), f / w % h, f % w };
    const int64_t *plane = data ? g->in : g->out;
    int32_t *row = s->row + 16 * f;
    int64_t pixels = 1, pitch = 1, first = 0;
    row[0] = (int32_t)s->n_taps;
    add_taps(s, g, data, p);
    row[1] = (int32_t)s->n_taps - row[0];
    if (row[1] == 0) row[0] = 0;
    for (int a = 2; a >= 0; a--) {
        const int64_t gap = data ? g->stride[a] : 1, n = clg_div_up(plane[a] - p[a], gap);
        row[2 + a] = (int32_t)n;
        row[6 + a] = (int32_t)(pitch * gap);
        first += pitch * p[a];
        pixels *= n;
        pitch *= plane[a];
    }
    row[5] = (int32_t)first;
    s->pixels = clg_max64(s->pixels, pixels);
}

static clg_status make_phases(clg_emit *e, const clg_conv_geom *g, bool data, phases *s, const clg_tensor **rows,
                              const clg_tensor **taps) {
    clg_status status = CLG_OK;
    *s = (phases){ .n = count_phases(g, 0, data) * count_phases(g, 1, data) * count_phases(g, 2, data) };
    s->row = clg_calloc((size_t)s->n * 16, sizeof *s->row);
    s->tap = clg_calloc((size_t)g->T * 4, sizeof *s->tap);
    if (!s->row || !s->tap) {
        status = clg_fail_nomem("taps of a convolution");
    } else {
        for (int64_t f = 0; f < s->n; f++) add_phase(s, g, data, f);
        *rows = clg_emit_table(e, CLG_I32, CLG_SHAPE(s->n, 16), s->row);
        *taps = clg_emit_table(e, CLG_I32, CLG_SHAPE(g->T, 4), s->tap);
    }
    clg_free(s->row);
    clg_free(s->tap);
    return status;
}

/* --- launches --- */

bool clg_conv_accept_gpu(const clg_node *n, const clg_device *d) {
    enum { MOST_PHASES = 4096 };
    const clg_conv_geom g = clg_conv_geometry(n);
    int64_t n_phases = 1;
    (void)d;
    for (int a = 0; a < 3 && n_phases <= MOST_PHASES; a++)
        n_phases *= count_phases(&g, a, n->op == &clg_op_conv_bwd_data);
    return clg_conv_fits_int(n) && n_phases <= MOST_PHASES;
}

static clg_status emit_planes(clg_emit *e, const clg_node *n, bool data) {
    const clg_conv_geom s = clg_conv_geometry(n);
    const clg_tensor *a = n->in[1], *b = n->in[0], *c = n->out[0];
    const clg_tensor *bias = !data && n->n_in == 3 ? n->in[2] : a; /* unread without bias */
    const clg_tensor *taps = NULL, *rows = NULL;
    const int64_t has_bias = bias != a, groups = s.G, images = s.N, M = data ? s.Cg : s.Og;
    const int64_t channels = data ? s.Og : s.Cg, a_group = s.Og * s.Cg * s.T;
    const int64_t a_m = data ? s.T : s.Cg * s.T, a_c = data ? s.Cg * s.T : s.T;
    const int64_t *plane = data ? s.out : s.in, one[3] = { 1, 1, 1 }, none[3] = { 0 }, c_plane = data ? s.I : s.Q;
    const int64_t *step = data ? one : s.stride, *pad = data ? none : s.pad;
    phases p;
    if (clg_shape_elems(c->shape) == 0) return CLG_OK; /* an empty batch */
    CLG_TRY(make_phases(e, &s, data, &p, &rows, &taps));
    const tile t = choose_tile(e, c->dtype, M, images * p.pixels, groups * p.n);
    const size_t items = (size_t)items_of(&t);
    const int64_t n_phases = p.n;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_gpu.planes", .options = tile_options(e, &t, &s),
        .global = { (size_t)(clg_div_up(images * p.pixels, t.bn) * n_phases) * items, (size_t)clg_div_up(M, t.bm),
                    (size_t)groups },
        .local = { items, 1, 1 },
        .args = ARGS(IN(a), IN(b), IN(bias), IN(taps), IN_AS(phases, rows), OUT(c),
                     INT(has_bias), INT(groups), INT(M), INT(channels), INT(images), INT(n_phases), LONG(a_group),
                     INT(a_m), INT(a_c), INT_AS(b_d, plane[0]), INT_AS(b_h, plane[1]), INT_AS(b_w, plane[2]),
                     INT_AS(step_d, step[0]), INT_AS(step_h, step[1]), INT_AS(step_w, step[2]), INT_AS(pad_d, pad[0]),
                     INT_AS(pad_h, pad[1]), INT_AS(pad_w, pad[2]), INT(c_plane)),
        .tail_cols = c_plane,
    });
}

/* Parts of the sum over pixels, to fill a GPU where output tiles are few. By shape only: so are the bits. */
static int64_t choose_parts(const clg_conv_geom *g) {
    const int64_t elems = g->O * g->Cg * g->T, pixels = g->N * g->Q;
    const int64_t blocks = clg_div_up(g->Og, 64) * clg_div_up(g->Cg * g->T, 64) * g->G;
    const int64_t by_memory = clg_max64(1, (int64_t)(32 << 20) / 4 / elems);
    return clg_max64(1, clg_min64(clg_min64(clg_div_up(512, blocks), pixels / 256), by_memory));
}

clg_status clg_conv_filter_gpu(clg_emit *e, const clg_node *n) {
    const clg_conv_geom s = clg_conv_geometry(n);
    const clg_tensor *a = n->in[1], *b = n->in[0], *result = n->out[0], *c = result, *taps = NULL, *rows = NULL;
    const int64_t groups = s.G, M = s.Og, channels = s.Cg, n_taps = s.T, images = s.N, cols = s.Cg * s.T;
    const int64_t parts = choose_parts(&s);
    phases p;
    CLG_TRY(make_phases(e, &s, false, &p, &rows, &taps));
    const tile t = choose_tile(e, c->dtype, M, cols, groups * parts);
    const size_t items = (size_t)items_of(&t);
    if (parts > 1) c = clg_emit_scratch(e, c->dtype, CLG_SHAPE(parts, clg_shape_elems(result->shape)));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_gpu.filter", .options = tile_options(e, &t, &s),
        .global = { (size_t)clg_div_up(cols, t.bn) * items, (size_t)clg_div_up(M, t.bm), (size_t)(groups * parts) },
        .local = { items, 1, 1 },
        .args = ARGS(IN(a), IN(b), IN(taps), OUT(c), INT(groups), INT(M), INT(channels), INT(n_taps), INT(images),
                     INT(parts), INT_AS(b_d, s.in[0]), INT_AS(b_h, s.in[1]), INT_AS(b_w, s.in[2]),
                     INT_AS(p_d, s.out[0]), INT_AS(p_h, s.out[1]), INT_AS(p_w, s.out[2]), INT_AS(step_d, s.stride[0]),
                     INT_AS(step_h, s.stride[1]), INT_AS(step_w, s.stride[2]), INT_AS(pad_d, s.pad[0]),
                     INT_AS(pad_h, s.pad[1]), INT_AS(pad_w, s.pad[2])),
    }));
    return parts > 1 ? clg_conv_emit_sum(e, c, result, parts, NULL, 256) : CLG_OK;
}

clg_status clg_conv_fwd_gpu(clg_emit *e, const clg_node *n) { return emit_planes(e, n, false); }
clg_status clg_conv_data_gpu(clg_emit *e, const clg_node *n) { return emit_planes(e, n, true); }

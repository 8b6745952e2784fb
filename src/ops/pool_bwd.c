/* max_pool_bwd and avg_pool_bwd: the adjoints of pooling. On a CPU a work-item owns planes of gx; it writes windows of
 * 2 x 2 that do not overlap straight, gathers the rows of gx from the rows of windows that cover them where windows are
 * at most 2 apart, and else adds the gradient of each window in turn. On a GPU a work-item owns cells and gathers from
 * the windows that cover them, which a work-group keeps in local memory where they lie in planes. */
#include "base/integer.h"
#include "ops/pool.h"

static const clg_pool_attr *attr_of(const clg_node *n) { return n->attr; }

/* gx has the shape of the input that was pooled. */
static clg_pool_geo geometry(const clg_node *n) { return clg_pool_geometry(out_shape(n, 0), attr_of(n)); }

static clg_status check_gy(const clg_node *n, clg_shape x, clg_shape gy) {
    clg_shape y;
    CLG_TRY(clg_pool_infer(n, in_dtype(n, 0), x, &y));
    return clg_shape_equal(y, gy) ? CLG_OK : clg_fail_op(n, "gy has not the shape of the pooled tensor");
}

static clg_status infer_max(clg_node *n) {
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "types differ; clg_cast() changes one");
    CLG_TRY(check_gy(n, in_shape(n, 0), in_shape(n, 1)));
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static clg_status infer_avg(clg_node *n) {
    clg_shape x = in_shape(n, 0);
    for (int i = 2; i < x.ndim && x.ndim <= 5; i++) x.dim[i] = attr_of(n)->size[3 - x.ndim + i];
    CLG_TRY(check_gy(n, x, in_shape(n, 0)));
    return set_out(n, 0, in_dtype(n, 0), x);
}

static void ref_max(const clg_node *n, const double *const *in, double *const *out) {
    const clg_pool_geo g = geometry(n);
    const double *x = in[0], *gy = in[1];
    double *gx = out[0];
    const int64_t plane = g.in[0] * g.in[1] * g.in[2];
    for (int64_t i = 0; i < g.planes * plane; i++) gx[i] = 0;
    for (int64_t p = 0; p < g.planes; p++, x += plane, gx += plane) {
        int64_t o[3] = {0};
        do gx[clg_pool_argmax(&g, x, o)] += *gy++;
        while (clg_pool_next(&g, o));
    }
}

static void add_cells(const clg_pool_geo *g, double *gx, const int64_t o[3], double v) {
    const clg_pool_span a = clg_pool_cells(g, 0, o[0]), b = clg_pool_cells(g, 1, o[1]), c = clg_pool_cells(g, 2, o[2]);
    for (int64_t i = a.from; i < a.to; i++)
        for (int64_t j = b.from; j < b.to; j++)
            for (int64_t k = c.from; k < c.to; k++) gx[(i * g->in[1] + j) * g->in[2] + k] += v;
}

static void ref_avg(const clg_node *n, const double *const *in, double *const *out) {
    const clg_pool_geo g = geometry(n);
    const double *gy = in[0];
    double *gx = out[0];
    const int64_t plane = g.in[0] * g.in[1] * g.in[2];
    for (int64_t i = 0; i < g.planes * plane; i++) gx[i] = 0;
    for (int64_t p = 0; p < g.planes; p++, gx += plane) {
        int64_t o[3] = {0};
        do {
            add_cells(&g, gx, o, *gy++ / clg_pool_count(&g, o));
        } while (clg_pool_next(&g, o));
    }
}

/* Linear in gy; where x is greatest does not change with it. */
static void vjp_max(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[1] = clg_node_build(&clg_op_max_pool_at, n->attr, (clg_tensor *[]){n->in[0], gy[0]}, 2);
}

static void vjp_avg(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_pool_attr attr = *attr_of(n);
    for (int i = 0; i < 3; i++) attr.size[i] = 0;
    gx[0] = clg_node_build(&clg_op_avg_pool, &attr, (clg_tensor *[]){gy[0]}, 1);
}

static int64_t work(const clg_pool_geo *g) { return g->out[2] * clg_pool_window(g); }

static clg_cost cost(const clg_node *n) {
    const clg_pool_geo g = geometry(n);
    return cost_of(n, (double)(g.planes * g.out[0] * g.out[1]) * (double)work(&g));
}

static bool accept(const clg_node *n, const clg_device *d) {
    const clg_pool_geo g = geometry(n);
    return clg_pool_fits(in_dtype(n, 0), &g);
}

/* Whole windows of 2 x 2, 2 apart, that leave out less than a row and a column. */
static bool is_pairs(const clg_pool_geo *g) {
    const clg_pool_attr *a = &g->attr;
    return clg_pool_whole(g) && a->kernel[0] == 1 && a->stride[0] == 1 && a->kernel[1] == 2 && a->stride[1] == 2 &&
        a->kernel[2] == 2 && a->stride[2] == 2 && a->dilation[1] == 1 && a->dilation[2] == 1;
}

/* Windows that lie in planes, at most 2 apart along rows, without gaps: what max_gather and avg_gather take. */
static bool is_planar(const clg_pool_geo *g) {
    const clg_pool_attr *a = &g->attr;
    return !clg_pool_adaptive(a) && a->kernel[0] == 1 && a->stride[0] == 1 && a->pad[0] == 0 && a->pad_end[0] == 0 &&
        a->kernel[1] <= 16 && a->kernel[2] <= 16 && a->stride[2] <= 2 && a->dilation[1] == 1 && a->dilation[2] == 1;
}

/* How a class of windows goes back: scattered, gathered, or 2 x 2 without overlap. */
typedef struct ways { const char *scatter, *gather, *pairs; } ways;

static clg_status emit_cpu(clg_emit *e, const clg_node *n, ways w) {
    const clg_pool_geo g = geometry(n);
    const bool pairs = is_pairs(&g), scatters = !pairs && !is_planar(&g); /* scatters add to cells: no tail */
    const clg_tensor *x = n->in[0], *gy = n->in[n->n_in - 1], *gx = n->out[0];
    const int64_t rows = g.out[0] * g.out[1];
    const char *const kernel = pairs ? w.pairs : scatters ? w.scatter : w.gather;
    clg_pool_launch l = {.kernel = kernel, .from = {IN(x), IN(gy)}, .n_from = n->n_in,
        .to = OUT(gx), .many = pairs ? "rows" : "planes", .items = pairs ? g.planes * rows : g.planes,
        .work = pairs ? work(&g) : work(&g) * rows, .tail_cols = scatters ? 0 : g.in[2]};
    if (n->n_in == 1) l.from[0] = l.from[1];
    return clg_pool_emit(e, &g, &l);
}

/* Tiles of class gpu. 512 cells are two for each of 256 work-items, and their windows, of 3 x 3 and 2 apart 144, take 1
 * to 2 KiB of local memory: too little to limit how many groups a compute unit has. Rows of 32 cells are whole lines of
 * memory and a warp; planes that are smaller go several to a group, so that waves of 64 are full, too. */
enum { TILE_ROWS = 16, TILE_COLS = 32, TILE_CELLS = 512, TILE_LOCAL = 16 << 10 };

typedef struct tile { int64_t rows, cols, slices; } tile;

/* Windows that meet so many cells of an axis, as in cl/pool_gpu.cl. */
static int64_t meeting(const clg_pool_attr *a, int axis, int64_t cells) {
    return (cells + (a->kernel[axis] - 1) * a->dilation[axis] - 1) / a->stride[axis] + 1;
}

/* false: windows do not lie in planes, are not evenly apart, or reach so far that local memory is too small. */
static bool choose_tile(const clg_device *d, const clg_pool_geo *g, size_t elem, tile *t) {
    const clg_pool_attr *a = &g->attr;
    const int64_t limit = clg_min64(TILE_LOCAL, (int64_t)clg_device_get_caps(d)->local_mem);
    if (clg_pool_adaptive(a) || a->kernel[0] != 1 || a->stride[0] != 1 || a->pad[0] != 0 || a->pad_end[0] != 0)
        return false;
    *t = (tile){.rows = TILE_ROWS, .cols = TILE_COLS};
    while (t->rows / 2 >= g->in[1]) t->rows /= 2;
    while (t->cols / 2 >= g->in[2]) t->cols /= 2;
    t->slices = clg_min64(g->planes * g->in[0], TILE_CELLS / (t->rows * t->cols));
    const int64_t windows = meeting(a, 1, t->rows) * meeting(a, 2, t->cols);
    t->slices = clg_min64(t->slices, limit / (int64_t)(elem + sizeof(int32_t)) / windows);
    const int64_t tiles = clg_div_up(g->in[1], t->rows) * clg_div_up(g->in[2], t->cols);
    return t->slices > 0 && tiles < INT32_MAX / g->planes / g->in[0];
}

/* How a class of windows goes back on a GPU: by tiles, or cell by cell. */
static clg_status emit_gpu(clg_emit *e, const clg_node *n, const char *tiles, const char *cells) {
    const clg_pool_geo g = geometry(n);
    const clg_tensor *x = n->in[0], *gy = n->in[n->n_in - 1], *gx = n->out[0];
    clg_pool_launch l = {.kernel = cells, .from = {IN(x), IN(gy)}, .n_from = n->n_in, .to = OUT(gx), .many = "n",
        .items = out_elems(n, 0), .tail_cols = g.in[2]};
    tile t;
    if (n->n_in == 1) l.from[0] = l.from[1];
    if (l.items > 0 && choose_tile(clg_emit_device(e), &g, clg_dtype_size(gx->dtype), &t)) {
        l.kernel = tiles;
        l.many = "slices";
        l.items = g.planes * g.in[0];
        l.groups = clg_div_up(l.items, t.slices) * clg_div_up(g.in[1], t.rows) * clg_div_up(g.in[2], t.cols);
        l.tiles = clg_emit_options(e, " -DTILE_H=%d -DTILE_W=%d -DSLICES=%d", (int)t.rows, (int)t.cols, (int)t.slices);
    }
    return clg_pool_emit(e, &g, &l);
}

static clg_status emit_max_cpu(clg_emit *e, const clg_node *n) {
    return emit_cpu(e, n, (ways){"pool_bwd.max_scatter", "pool_bwd.max_gather", "pool_bwd.max_pairs"});
}
static clg_status emit_avg_cpu(clg_emit *e, const clg_node *n) {
    return emit_cpu(e, n, (ways){"pool_bwd.avg_scatter", "pool_bwd.avg_gather", "pool_bwd.avg_pairs"});
}
static clg_status emit_max_gpu(clg_emit *e, const clg_node *n) {
    return emit_gpu(e, n, "pool_gpu.max_bwd_tiles", "pool_gpu.max_bwd");
}
static clg_status emit_avg_gpu(clg_emit *e, const clg_node *n) {
    return emit_gpu(e, n, "pool_gpu.avg_bwd_tiles", "pool_gpu.avg_bwd");
}

static const clg_impl max_impls[] = {
    {"max_pool_bwd.cpu", CLG_CLASS_CPU, accept, emit_max_cpu, NULL, false},
    {"max_pool_bwd.gpu", CLG_CLASS_GPU, accept, emit_max_gpu, NULL, false},
    {0},
};

static const clg_impl avg_impls[] = {
    {"avg_pool_bwd.cpu", CLG_CLASS_CPU, accept, emit_avg_cpu, NULL, false},
    {"avg_pool_bwd.gpu", CLG_CLASS_GPU, accept, emit_avg_gpu, NULL, false},
    {0},
};

const clg_op clg_op_max_pool_bwd = {
    .name = "max_pool_bwd",
    .formula = "gx[n,c,i] = sum of gy[n,c,o] over the windows o whose greatest cell of x is i",
    .gradient = "g gy = max_pool_at(x, g gx); none for x",
    .shapes = "x [N,C,S...], gy [N,C,S'...] -> [N,C,S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TAIL, .attr_size = sizeof(clg_pool_attr),
    .infer = infer_max, .ref = ref_max, .vjp = vjp_max, .cost = cost, .join = clg_join_rows,
    .impls = max_impls,
};

const clg_op clg_op_avg_pool_bwd = {
    .name = "avg_pool_bwd",
    .formula = "gx[n,c,i] = sum of gy[n,c,o] / number(o) over the windows o that cover i",
    .gradient = "g gy = avg_pool(g gx)",
    .shapes = "gy [N,C,S'...] -> [N,C,S...]",
    .min_in = 1, .max_in = 1, .n_out = 1, .flags = CLG_OP_TAIL, .attr_size = sizeof(clg_pool_attr),
    .infer = infer_avg, .ref = ref_avg, .vjp = vjp_avg, .cost = cost, .join = clg_join_rows,
    .impls = avg_impls,
};

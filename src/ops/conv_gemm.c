/* Convolution by GEMM, the general fallback: im2col in chunks of images, so that scratch stays bounded, and the GEMM
 * of the library. Source: Chellapilla, Puri, Simard 2006.
 *   forward        y[n] = w col[n]               rows (c, t) of col, pixels q
 *   backward-data  col[n] = w^T gy[n], then col2im gathers
 *   filter         gw = gy col^T over (n, q): a product for each image and the sum of them, which moves 2 N O C T
 *                  elements; or, where that is more, one long product of copies with the images side by side, 2 N (O +
 *                  C T) Q elements; of which each chunk gives a partial sum, added in order. */
#include "ops/conv_shape.h"

#include "ops/gemm.h"

enum { CHUNK_BYTES = 64 << 20, MAX_PART_BYTES = 32 << 20, LEAST_BYTES = 4 << 20,
       RUNS = 64 /* work-items */ };

/* Images of a chunk: as many as keep `elems` of type t per image below the limit. */
static int64_t chunk_images(const clg_conv_geom *g, const clg_device *d, clg_dtype t, int64_t elems) {
    const size_t most = clg_device_get_caps(d)->max_alloc / 4;
    const int64_t bytes = most < CHUNK_BYTES ? (int64_t)most : CHUNK_BYTES;
    return clg_max64(1, clg_min64(g->N, bytes / (int64_t)clg_dtype_size(t) / clg_max64(1, elems)));
}

bool clg_conv_accept_gemm(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const double size = (double)clg_dtype_size(in_dtype(n, 0));
    const double column_bytes = size * ((double)g.C * (double)g.T + (double)g.O) * (double)g.Q;
    return clg_conv_fits_int(n) && clg_gemm_fits(in_dtype(n, 0), g.O, g.Q, g.C * g.T, g.N) &&
           column_bytes < (double)clg_device_get_caps(d)->max_alloc;
}

static clg_status emit_columns(clg_emit *e, const clg_conv_geom *g, const clg_conv_columns *c) {
    return clg_conv_emit_columns(e, g, clg_device_get_caps(clg_emit_device(e))->cls, c);
}

/* One product per image and group, batched along whichever there is more of. p: the matrices of image 0, group 0. */
static clg_status emit_products(clg_emit *e, clg_emit_gemm_params p, int64_t images, int64_t groups,
                                const int64_t image_step[3], const int64_t group_step[3]) {
    const bool batch_images = images >= groups;
    const int64_t *inner = batch_images ? image_step : group_step, *outer = batch_images ? group_step : image_step;
    p.batch = batch_images ? images : groups;
    p.a_stride = inner[0];
    p.b_stride = inner[1];
    p.c_stride = inner[2];
    for (int64_t i = 0; i < (batch_images ? groups : images); i++) {
        CLG_TRY(clg_emit_gemm(e, &p));
        p.a_off += outer[0];
        p.b_off += outer[1];
        p.c_off += outer[2];
    }
    return CLG_OK;
}

clg_status clg_conv_fwd_gemm(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    if (g.N == 0) return CLG_OK;
    const bool pointwise = clg_conv_is_pointwise(&g); /* x is its own column matrix */
    const int64_t K = g.Cg * g.T, image = g.C * g.T * g.Q;
    const int64_t chunk = pointwise ? g.N : chunk_images(&g, clg_emit_device(e), in_dtype(n, 0), image);
    const clg_tensor *col = pointwise ? n->in[0] : clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(chunk, image));
    for (int64_t n0 = 0; n0 < g.N; n0 += chunk) {
        const int64_t images = clg_min64(chunk, g.N - n0);
        if (!pointwise)
            CLG_TRY(emit_columns(e, &g, &(clg_conv_columns){ .src = n->in[0], .dst = col, .n0 = n0, .images = images,
                                                             .image_stride = image, .row_stride = g.Q }));
        const clg_emit_gemm_params p = { .m = g.Og, .n = g.Q, .k = K, .a = n->in[1], .b = col, .c = n->out[0],
                                         .c_off = n0 * g.O * g.Q };
        CLG_TRY(emit_products(e, p, images, g.G, (int64_t[]){ 0, image, g.O * g.Q },
                              (int64_t[]){ g.Og * K, K * g.Q, g.Og * g.Q }));
    }
    return n->n_in == 3 ? clg_conv_emit_bias(e, &g, n->out[0], n->in[2]) : CLG_OK;
}

static bool goes_by_image(const clg_conv_geom *g, const clg_device *d, clg_dtype t) {
    const double rows = (double)g->C * (double)g->T, weights = (double)g->O * (double)g->Cg * (double)g->T;
    const double bytes = weights * (double)g->N * (double)clg_dtype_size(t);
    const bool at_once = clg_conv_is_pointwise(g) || chunk_images(g, d, t, g->C * g->T * g->Q) == g->N;
    return g->N == 1 || (weights <= ((double)g->O + rows) * (double)g->Q && bytes <= MAX_PART_BYTES && g->G == 1 &&
                         at_once);
}

/* Whether the columns of one tap can be had transposed, so that the product need not do that again. */
static bool has_across(const clg_device *d, const clg_conv_geom *g) {
    bool inside = g->in[0] == 1 && g->out[0] == 1; /* no padding, also none behind the end */
    for (int i = 0; i < 3; i++) inside &= g->pad[i] == 0 && (g->out[i] - 1) * g->stride[i] < g->in[i];
    return clg_device_get_caps(d)->cls == CLG_CLASS_CPU && g->T == 1 && g->G == 1 && inside && g->stride[2] <= 2 &&
        g->C >= 16 && g->out[2] >= 16;
}

/* Gradients of one tap with a stride: what belongs to pixels lies apart in x and gx. A pass of its own collects or
 * spreads it faster than sums that go from one to the next. */
bool clg_conv_prefers_gemm(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const double bytes = (double)g.N * (double)g.C * (double)g.I * (double)clg_dtype_size(in_dtype(n, 0));
    const bool fits = n->op == &clg_op_conv_bwd_data || (has_across(d, &g) && goes_by_image(&g, d, in_dtype(n, 0)));
    return g.T == 1 && g.G == 1 && g.I > g.Q && bytes >= LEAST_BYTES && fits;
}

clg_status clg_conv_data_gemm(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    if (g.N == 0) return CLG_OK;
    const bool pointwise = clg_conv_is_pointwise(&g);
    const int64_t K = g.Cg * g.T, image = g.C * g.T * g.Q;
    const int64_t chunk = pointwise ? g.N : chunk_images(&g, clg_emit_device(e), in_dtype(n, 0), image);
    const clg_tensor *col = pointwise ? n->out[0] : clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(chunk, image));
    for (int64_t n0 = 0; n0 < g.N; n0 += chunk) {
        const int64_t images = clg_min64(chunk, g.N - n0);
        const clg_emit_gemm_params p = { .ta = true, .m = K, .n = g.Q, .k = g.Og, .a = n->in[1], .b = n->in[0],
                                         .c = col, .b_off = n0 * g.O * g.Q };
        CLG_TRY(emit_products(e, p, images, g.G, (int64_t[]){ 0, g.O * g.Q, image },
                              (int64_t[]){ g.Og * K, g.Og * g.Q, K * g.Q }));
        if (!pointwise)
            CLG_TRY(emit_columns(e, &g, &(clg_conv_columns){ .src = col, .dst = n->out[0], .gather = true, .n0 = n0,
                                                             .images = images, .image_stride = image,
                                                             .row_stride = g.Q }));
    }
    return CLG_OK;
}

/* gy seen as images of O channels under a filter of one tap: its columns are its planes. */
static clg_conv_geom gradient_geometry(const clg_conv_geom *g) {
    clg_conv_geom s = *g;
    s.C = s.Cg = g->O;
    s.I = g->Q;
    s.T = 1;
    for (int a = 0; a < 3; a++) {
        s.in[a] = s.out[a];
        s.k[a] = s.stride[a] = s.dil[a] = 1;
        s.pad[a] = 0;
    }
    return s;
}

/* An empty batch: the sum of no parts. */
static clg_status emit_zero(clg_emit *e, const clg_tensor *gw) {
    const clg_tensor *none = clg_emit_scratch(e, gw->dtype, CLG_SHAPE(1));
    return clg_conv_emit_sum(e, none, gw, 0, NULL, 1);
}

static clg_status emit_across(clg_emit *e, const clg_conv_geom *g, const clg_tensor *src, const clg_tensor *dst) {
    const int64_t in_h = g->in[1], in_w = g->in[2], out_h = g->out[1], out_w = g->out[2], C = g->C;
    const int64_t step_h = g->stride[1], step_w = g->stride[2], run = clg_div_up(out_h, clg_div_up(RUNS, g->N));
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_across.across", .global = { (size_t)clg_div_up(out_h, run), (size_t)g->N },
        .args = ARGS(IN(src), OUT(dst), INT(C), INT(run), INT(in_h), INT(in_w), INT(out_h), INT(out_w), INT(step_h),
                     INT(step_w)),
    });
}

/* G groups of one image, or one group of N. */
static clg_status emit_by_image(clg_emit *e, const clg_node *n, const clg_conv_geom *g) {
    const clg_tensor *gy = n->in[1], *gw = n->out[0], *col = n->in[0], *part = gw;
    const int64_t K = g->Cg * g->T, image = g->C * g->T * g->Q;
    const bool pointwise = clg_conv_is_pointwise(g), across = !pointwise && has_across(clg_emit_device(e), g);
    if (!pointwise) {
        const clg_tensor *to = clg_emit_scratch(e, gw->dtype, CLG_SHAPE(g->N, image));
        if (across) CLG_TRY(emit_across(e, g, col, to));
        else CLG_TRY(emit_columns(e, g, &(clg_conv_columns){ .src = col, .dst = to, .images = g->N, .image_stride = image,
                                                        .row_stride = g->Q }));
        col = to;
    }
    if (g->N > 1) part = clg_emit_scratch(e, gw->dtype, CLG_SHAPE(g->N, g->O, K));
    CLG_TRY(clg_emit_gemm(e, &(clg_emit_gemm_params){
        .tb = !across, .m = g->Og, .n = K, .k = g->Q, .batch = g->N * g->G, .a = gy, .b = col, .c = part,
        .a_stride = g->Og * g->Q, .b_stride = K * g->Q, .c_stride = g->Og * K }));
    return g->N > 1 ? clg_conv_emit_sum(e, part, gw, g->N, NULL, clg_conv_group_size(e)) : CLG_OK;
}

clg_status clg_conv_filter_gemm(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n), gg = gradient_geometry(&g);
    const clg_tensor *gw = n->out[0];
    const clg_dtype t = gw->dtype;
    if (g.N == 0) return emit_zero(e, gw);
    if (goes_by_image(&g, clg_emit_device(e), t)) return emit_by_image(e, n, &g);
    const int64_t K = g.Cg * g.T, weights = g.O * K, rows = g.C * g.T;
    const int64_t chunk = chunk_images(&g, clg_emit_device(e), t, (rows + g.O) * g.Q), parts = clg_div_up(g.N, chunk);
    const clg_tensor *col = clg_emit_scratch(e, t, CLG_SHAPE(rows, chunk * g.Q));
    const clg_tensor *gp = clg_emit_scratch(e, t, CLG_SHAPE(g.O, chunk * g.Q));
    const clg_tensor *part = parts > 1 ? clg_emit_scratch(e, t, CLG_SHAPE(parts, weights)) : gw;
    for (int64_t i = 0; i < parts; i++) {
        const int64_t n0 = i * chunk, images = clg_min64(chunk, g.N - n0), k = images * g.Q;
        clg_conv_columns c = { .src = n->in[0], .dst = col, .n0 = n0, .images = images, .image_stride = g.Q,
                               .row_stride = k };
        CLG_TRY(emit_columns(e, &g, &c));
        c.src = n->in[1];
        c.dst = gp;
        CLG_TRY(emit_columns(e, &gg, &c));
        CLG_TRY(clg_emit_gemm(e, &(clg_emit_gemm_params){
            .tb = true, .m = g.Og, .n = K, .k = k, .batch = g.G, .a_stride = g.Og * k, .b_stride = K * k,
            .c_stride = g.Og * K, .a = gp, .b = col, .c = part, .c_off = i * weights,
        }));
    }
    return parts > 1 ? clg_conv_emit_sum(e, part, gw, parts, NULL, clg_conv_group_size(e)) : CLG_OK;
}

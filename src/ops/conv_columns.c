/* im2col and col2im, and the launches that convolution by GEMM shares with them (cl/conv_gemm.cl). Both rows are linear
 * and each is the gradient of the other. */
#include "ops/conv_shape.h"

#include <string.h>

/* --- launches --- */

enum { ITEMS = 64 /* of a work-group on class gpu */, RUN = 4096 /* elements of a work-item on class cpu */,
       ENOUGH = 128 /* work-items */ };

static bool takes_group(const clg_device_caps *c) { return c->max_group >= ITEMS && c->max_item[0] >= ITEMS; }

size_t clg_conv_group_size(const clg_emit *e) {
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    return caps->cls == CLG_CLASS_CPU || !takes_group(caps) ? 1 : ITEMS;
}

/* Rows of pixels a work-item, so that there is enough for each and there are enough of them. */
static int64_t choose_run(int64_t rows, int64_t work, int64_t others) {
    const int64_t runs = clg_min64(clg_div_up(ENOUGH, clg_max64(1, others)), clg_div_up(work, RUN));
    return clg_div_up(rows, clg_max64(1, runs));
}

clg_status clg_conv_emit_columns(clg_emit *e, const clg_conv_geom *g, enum clg_device_class cls,
                                 const clg_conv_columns *c) {
    const clg_tensor *src = c->src, *dst = c->dst, *taps = NULL;
    const int64_t pixels = c->gather ? g->I : g->Q, rows = c->gather ? g->C : g->C * g->T;
    if (pixels == 0 || rows == 0 || c->images == 0) return CLG_OK;
    CLG_TRY(clg_conv_tap_table(e, g, &taps));
    const int64_t lines = c->gather ? g->in[0] * g->in[1] : g->out[0] * g->out[1];
    const int64_t run = choose_run(lines, c->gather ? pixels * g->T : pixels, rows * c->images);
    const int64_t n0 = c->n0, C = g->C, T_taps = g->T, image_stride = c->image_stride, row_stride = c->row_stride;
    const int64_t in_d = g->in[0], in_h = g->in[1], in_w = g->in[2];
    const int64_t out_d = g->out[0], out_h = g->out[1], out_w = g->out[2];
    const int64_t step_d = g->stride[0], step_h = g->stride[1], step_w = g->stride[2];
    const int64_t pad_d = g->pad[0], pad_h = g->pad[1], pad_w = g->pad[2];
    const bool by_rows = cls == CLG_CLASS_CPU;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = by_rows ? (c->gather ? "conv_gemm.col2im_rows" : "conv_gemm.im2col_rows")
                          : (c->gather ? "conv_gemm.col2im" : "conv_gemm.im2col"),
        .global = { (size_t)(by_rows ? clg_div_up(lines, run) : pixels), (size_t)rows, (size_t)c->images },
        .local = { by_rows || !takes_group(clg_device_get_caps(clg_emit_device(e))) ? 1 : ITEMS },
        .args = ARGS(IN(src), OUT(dst), IN(taps), INT(n0), INT(C), INT(T_taps), LONG(image_stride), LONG(row_stride),
                     INT(run), INT(in_d), INT(in_h), INT(in_w), INT(out_d), INT(out_h), INT(out_w), INT(step_d),
                     INT(step_h), INT(step_w), INT(pad_d), INT(pad_h), INT(pad_w)),
    });
}

clg_status clg_conv_emit_bias(clg_emit *e, const clg_conv_geom *g, const clg_tensor *y, const clg_tensor *b) {
    const int64_t O = g->O, Q = g->Q, size = g->N * O * Q;
    const size_t group = clg_conv_group_size(e);
    const int64_t run = group == 1 ? RUN : 1;
    if (size == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_gemm.add_bias",
        .global = { (size_t)clg_div_up(size, run) }, .local = { group },
        .args = ARGS(INOUT(y), IN(b), INT(O), INT(Q), LONG(size), INT(run)),
    });
}

/* --- the rows --- */

typedef struct columns_attr {
    clg_conv_attr conv; /* first: what the checks of conv_shape.c read; size: spatial sizes of the images */
    int64_t kernel[3], axes;
} columns_attr;

extern const clg_op clg_op_im2col, clg_op_col2im;

/* Checks images of n planes against the attributes; *places: S' of each axis. */
static clg_status check(const clg_node *n, clg_shape x, int64_t *places) {
    const columns_attr *a = n->attr;
    const int axes = (int)a->axes;
    double taps = x.dim[1] > 1 ? (double)x.dim[1] : 1, pixels = 1;
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants a floating-point tensor");
    CLG_TRY(clg_conv_check_attr(n, &a->conv, axes));
    for (int i = 0; i < axes; i++) {
        const int axis = clg_conv_axis(axes, i);
        CLG_TRY(clg_conv_check_axis(n, &a->conv, axis, x.dim[2 + i], a->kernel[axis], i, &places[i]));
        taps *= (double)a->kernel[axis];
        pixels *= (double)places[i];
    }
    if (taps > 0x1p62 || pixels > 0x1p62) return clg_fail_op(n, "the columns have 2^62 elements or more");
    return CLG_OK;
}

static int64_t product(const int64_t *v, int n) {
    int64_t p = 1;
    for (int i = 0; i < n; i++) p *= v[i];
    return p;
}

static clg_status infer_columns(clg_node *n) {
    const clg_shape x = in_shape(n, 0);
    int64_t places[3];
    if (x.ndim < 3 || x.ndim > 5)
        return clg_fail_op(n, "x must be [N, C, S...] with 1 to 3 spatial axes, got %d axes", x.ndim);
    CLG_TRY(check(n, x, places));
    const int64_t taps = product(((const columns_attr *)n->attr)->kernel, 3);
    return set_out(n, 0, in_dtype(n, 0), CLG_SHAPE(x.dim[0], x.dim[1] * taps, product(places, x.ndim - 2)));
}

static clg_status infer_images(clg_node *n) {
    const columns_attr *a = n->attr;
    const clg_shape cols = in_shape(n, 0);
    const int axes = (int)a->axes;
    if (cols.ndim != 3) return clg_fail_op(n, "columns must be [N, C K, Q], got %d axes", cols.ndim);
    clg_shape x = { .ndim = 2 + axes, .dim = { cols.dim[0], 0 } };
    for (int i = 0; i < axes; i++) x.dim[2 + i] = a->conv.size[clg_conv_axis(axes, i)];
    int64_t places[3];
    CLG_TRY(check(n, x, places));
    const int64_t taps = product(a->kernel, 3), pixels = product(places, axes);
    if (cols.dim[1] % taps != 0)
        return clg_fail_op(n, "the window has %lld places, which do not divide the %lld rows of the columns",
                           (long long)taps, (long long)cols.dim[1]);
    if (cols.dim[2] != pixels)
        return clg_fail_op(n, "the window fits into images of this size %lld times, but there are %lld columns",
                           (long long)pixels, (long long)cols.dim[2]);
    x.dim[1] = cols.dim[1] / taps;
    return set_out(n, 0, in_dtype(n, 0), x);
}

/* Geometry of a convolution over the images, its channels out left out. */
static clg_conv_geom geometry(const clg_node *n) {
    const columns_attr *a = n->attr;
    const bool gather = n->op == &clg_op_col2im;
    const clg_shape x = gather ? out_shape(n, 0) : in_shape(n, 0);
    clg_conv_geom g = { .N = x.dim[0], .C = x.dim[1], .Cg = x.dim[1], .O = 1, .Og = 1, .G = 1 };
    g.I = g.T = g.Q = 1;
    for (int i = 0; i < 3; i++) {
        const int from = i - clg_conv_axis((int)a->axes, 0);
        g.in[i] = from < 0 ? 1 : x.dim[2 + from];
        g.k[i] = a->kernel[i];
        g.stride[i] = a->conv.stride[i];
        g.dil[i] = a->conv.dilation[i];
        g.pad[i] = a->conv.pad[i];
        g.out[i] = (g.in[i] + g.pad[i] + a->conv.pad_end[i] - g.dil[i] * (g.k[i] - 1) - 1) / g.stride[i] + 1;
        g.I *= g.in[i];
        g.T *= g.k[i];
        g.Q *= g.out[i];
    }
    return g;
}

static void ref_columns(const clg_node *n, const double *const *in, double *const *out) {
    const clg_conv_geom g = geometry(n);
    for (int64_t plane = 0; plane < g.N * g.C; plane++)
        for (int64_t t = 0; t < g.T; t++)
            for (int64_t q = 0; q < g.Q; q++) {
                const int64_t i = clg_conv_index(&g, q, t);
                out[0][(plane * g.T + t) * g.Q + q] = i < 0 ? 0.0 : in[0][plane * g.I + i];
            }
}

static void ref_images(const clg_node *n, const double *const *in, double *const *out) {
    const clg_conv_geom g = geometry(n);
    for (int64_t i = 0; i < g.N * g.C * g.I; i++) out[0][i] = 0;
    for (int64_t plane = 0; plane < g.N * g.C; plane++)
        for (int64_t t = 0; t < g.T; t++)
            for (int64_t q = 0; q < g.Q; q++) {
                const int64_t i = clg_conv_index(&g, q, t);
                if (i >= 0) out[0][plane * g.I + i] += in[0][(plane * g.T + t) * g.Q + q];
            }
}

static void vjp_columns(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    columns_attr a = *(const columns_attr *)n->attr;
    for (int i = 0; i < a.axes; i++) a.conv.size[clg_conv_axis((int)a.axes, i)] = in_dim(n, 0, 2 + i);
    gx[0] = clg_node_build(&clg_op_col2im, &a, gy, 1);
}

static void vjp_images(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    columns_attr a = *(const columns_attr *)n->attr;
    memset(a.conv.size, 0, sizeof a.conv.size);
    gx[0] = clg_node_build(&clg_op_im2col, &a, gy, 1);
}

static bool accept(const clg_node *n, const clg_device *d) {
    (void)d;
    const clg_conv_geom g = geometry(n);
    return (in_dtype(n, 0) == CLG_F32 || in_dtype(n, 0) == CLG_F64) && clg_conv_geom_fits(&g);
}

static clg_status emit_for(clg_emit *e, const clg_node *n, enum clg_device_class cls) {
    const clg_conv_geom g = geometry(n);
    return clg_conv_emit_columns(e, &g, cls, &(clg_conv_columns){
        .src = n->in[0], .dst = n->out[0], .gather = n->op == &clg_op_col2im, .images = g.N,
        .image_stride = g.C * g.T * g.Q, .row_stride = g.Q });
}
static clg_status emit_cpu(clg_emit *e, const clg_node *n) { return emit_for(e, n, CLG_CLASS_CPU); }
static clg_status emit_gpu(clg_emit *e, const clg_node *n) { return emit_for(e, n, CLG_CLASS_GPU); }

static const clg_impl columns_impls[] = {
    { "im2col.cpu", CLG_CLASS_CPU, accept, emit_cpu, NULL, false },
    { "im2col.gpu", CLG_CLASS_GPU, accept, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_im2col = {
    .name = "im2col",
    .formula = "y[n, c K + t, q] = x[n, c, q stride + t dilation - pad], 0 outside of x",
    .gradient = "gx = col2im(gy)",
    .shapes = "x [N,C,S...] -> [N,C K,Q], K places of the window, Q windows",
    .min_in = 1, .max_in = 1, .n_out = 1,
    .attr_size = sizeof(columns_attr),
    .infer = infer_columns, .ref = ref_columns, .vjp = vjp_columns, .impls = columns_impls,
};

static const clg_impl images_impls[] = {
    { "col2im.cpu", CLG_CLASS_CPU, accept, emit_cpu, NULL, false },
    { "col2im.gpu", CLG_CLASS_GPU, accept, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_col2im = {
    .name = "col2im",
    .formula = "y[n,c,i] = sum over all (t, q) with q stride + t dilation - pad = i of x[n, c K + t, q]",
    .gradient = "gx = im2col(gy)",
    .shapes = "x [N,C K,Q] -> [N,C,S...], K places of the window, Q windows",
    .min_in = 1, .max_in = 1, .n_out = 1,
    .attr_size = sizeof(columns_attr),
    .infer = infer_images, .ref = ref_images, .vjp = vjp_images, .impls = images_impls,
};

/* Builds either op over images of these spatial sizes. */
static clg_tensor *build(const clg_op *op, clg_tensor *x, int axes, const int64_t *size, const clg_im2col_params *p) {
    columns_attr a = { .kernel = { 1, 1, 1 }, .axes = axes };
    clg_conv_params conv = { .asymmetric = p->asymmetric, .mode = p->mode };
    int64_t kernel[3] = { 1, 1, 1 };
    for (int i = 0; i < axes; i++) {
        conv.stride[i] = p->stride[i];
        conv.dilation[i] = p->dilation[i];
        conv.pad[i] = p->pad[i];
        conv.pad_end[i] = p->pad_end[i];
        if (p->kernel[i]) kernel[i] = p->kernel[i];
        a.kernel[clg_conv_axis(axes, i)] = kernel[i];
    }
    if (!clg_conv_attributes(&conv, op->name, x, NULL, axes, size, kernel, &a.conv)) return NULL;
    for (int i = 0; i < axes && op == &clg_op_col2im; i++) a.conv.size[clg_conv_axis(axes, i)] = size[i];
    return clg_node_build(op, &a, &x, 1);
}

clg_tensor *clg_im2col(clg_tensor *x, const clg_im2col_params *p) {
    const clg_im2col_params none = { 0 };
    if (!x) return NULL;
    const bool fits = x->shape.ndim >= 3 && x->shape.ndim <= 5;
    return build(&clg_op_im2col, x, fits ? x->shape.ndim - 2 : CLG_MAX_SPATIAL, x->shape.dim + 2,
                 p ? p : &none);
}

clg_tensor *clg_col2im(clg_tensor *cols, clg_shape size, const clg_im2col_params *p) {
    const clg_im2col_params none = { 0 };
    if (!cols) return NULL;
    bool valid = size.ndim >= 1 && size.ndim <= CLG_MAX_SPATIAL;
    for (int i = 0; valid && i < size.ndim; i++) valid = size.dim[i] >= 0;
    if (!valid) {
        char text[128];
        return clg_graph_fail(cols->graph, CLG_ERR_SHAPE, "col2im(%s): size must have 1 to 3 sizes of 0 or more: %s is "
                              "%s", clg_tensor_name(cols), clg_tensor_name(cols),
                              clg_shape_text(cols->dtype, cols->shape, text, sizeof text));
    }
    return build(&clg_op_col2im, cols, size.ndim, size.dim, p ? p : &none);
}

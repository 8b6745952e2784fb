/* conv: cross-correlation over 1 to 3 spatial axes with stride, dilation, padding on every side and groups; convolve:
 * the same with the filter flipped. Dumoulin & Visin 2016 (arXiv:1603.07285) has the arithmetic of the sizes. */
#include "ops/conv_shape.h"
#include "ops/gemm.h"

static clg_status infer(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point tensors");
    for (int i = 1; i < n->n_in; i++)
        if (in_dtype(n, i) != in_dtype(n, 0)) return clg_fail_op(n, "types differ");
    clg_shape y;
    CLG_TRY(clg_conv_check(n, in_shape(n, 0), in_shape(n, 1), &y));
    if (n->n_in == 3 && (in_shape(n, 2).ndim != 1 || in_dim(n, 2, 0) != y.dim[1]))
        return clg_fail_op(n, "bias must be [%lld], one value per output channel", (long long)y.dim[1]);
    return set_out(n, 0, in_dtype(n, 0), y);
}

/* The sum over all taps; flip: tap t of a pixel meets the filter's tap T-1-t, which is the flip of all axes. */
static void correlate(const clg_node *n, bool flip, const double *const *in, double *const *out) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const double *x = in[0], *w = in[1], *b = n->n_in == 3 ? in[2] : NULL;
    double *y = out[0];
    for (int64_t i = 0; i < g.N * g.O * g.Q; i++) y[i] = b ? b[i / g.Q % g.O] : 0.0;
    for (int64_t q = 0; q < g.Q; q++)
        for (int64_t t = 0; t < g.T; t++) {
            const int64_t i = clg_conv_index(&g, q, t), tw = flip ? g.T - 1 - t : t;
            if (i < 0) continue;
            for (int64_t im = 0; im < g.N; im++)
                for (int64_t o = 0; o < g.O; o++) {
                    const double *xg = x + (im * g.C + o / g.Og * g.Cg) * g.I + i, *wo = w + o * g.Cg * g.T + tw;
                    double s = 0;
                    for (int64_t c = 0; c < g.Cg; c++) s += xg[c * g.I] * wo[c * g.T];
                    y[(im * g.O + o) * g.Q + q] += s;
                }
        }
}

static void ref(const clg_node *n, const double *const *in, double *const *out) { correlate(n, false, in, out); }
static void flipped_ref(const clg_node *n, const double *const *in, double *const *out) { correlate(n, true, in, out); }

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const clg_conv_attr attr = *(const clg_conv_attr *)n->attr;
    clg_tensor *x = n->in[0], *w = n->in[1];
    if (clg_wants_grad(n, 0)) gx[0] = clg_conv_build_bwd(&clg_op_conv_bwd_data, attr, x->shape, gy[0], w);
    if (clg_wants_grad(n, 1)) gx[1] = clg_conv_build_bwd(&clg_op_conv_bwd_filter, attr, w->shape, x, gy[0]);
    if (n->n_in == 3 && clg_wants_grad(n, 2))
        gx[2] = clg_reshape(clg_sum(gy[0], (CLG_AXIS(out_shape(n, 0).ndim) - 1) & ~CLG_AXIS(1)), n->in[2]->shape);
}

clg_cost clg_conv_cost(const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    return cost_of(n, 2.0 * (double)g.N * (double)g.O * (double)g.Q * (double)g.Cg * (double)g.T);
}

static const clg_impl impls[] = {
    { "conv.depthwise_cpu", CLG_CLASS_CPU, clg_conv_accept_depthwise, clg_conv_fwd_depthwise,
      .takes = clg_conv_depthwise_takes },
    { "conv.depthwise_gpu", CLG_CLASS_GPU, clg_conv_accept_depthwise_gpu, clg_conv_depthwise_gpu,
      clg_conv_depthwise_gpu_knobs, false },
    { "conv.pointwise", CLG_CLASS_CPU | CLG_CLASS_GPU, clg_conv_accept_pointwise, clg_conv_fwd_pointwise,
      clg_gemm_cpu_knobs, false },
    { "conv.wino4_cpu", CLG_CLASS_CPU, clg_conv_accept_wino, clg_conv_wino4, .prefers = clg_conv_wins_wino4,
      CLG_CONV_WINO4, .knobs = clg_conv_wino_knobs },
    { "conv.wino2_cpu", 0, clg_conv_accept_wino, clg_conv_wino2, CLG_CONV_WINO2,
      .knobs = clg_conv_wino_knobs },
    { "conv.lanes", CLG_CLASS_CPU, clg_conv_accept_lanes, clg_conv_fwd_lanes, clg_conv_lanes_knobs, false,
      clg_conv_prefers_lanes, 0 },
    { "conv.bands", CLG_CLASS_CPU, clg_conv_accept_bands, clg_conv_fwd_bands, clg_conv_bands_knobs, false,
      clg_conv_prefers_bands, 0 },
    { "conv.direct_cpu", CLG_CLASS_CPU, clg_conv_accept_cpu, clg_conv_fwd_cpu, clg_conv_direct_knobs, false },
    { "conv.wino4_gpu", CLG_CLASS_GPU, clg_conv_accept_wino4_gpu, clg_conv_wino4_gpu, CLG_CONV_WINO4,
      .prefers = clg_conv_wins_wino4_gpu, .knobs = clg_conv_wino_gpu_knobs },
    { "conv.wino2_gpu", CLG_CLASS_GPU, clg_conv_accept_wino2_gpu, clg_conv_wino2_gpu, CLG_CONV_WINO2,
      .prefers = clg_conv_wins_wino2_gpu, .knobs = clg_conv_wino_gpu_knobs },
    { "conv.direct_gpu", CLG_CLASS_GPU, clg_conv_accept_gpu, clg_conv_fwd_gpu, clg_conv_gpu_knobs, false },
    { "conv.gemm", 0, clg_conv_accept_gemm, clg_conv_fwd_gemm, NULL, false },
    { 0 },
};

#define SHAPES "x [N,C,S...], w [O,C/groups,K...], b [O] or none -> [N,O,S'...], " \
               "S' = (S + pad + pad_end - dilation (K-1) - 1) / stride + 1, rounded down"

const clg_op clg_op_conv = {
    .name = "conv",
    .formula = "y[n,o,q] = b[o] + sum_{c,t} x[n, c, q stride + t dilation - pad] w[o,c,t]",
    .gradient = "gx = conv_bwd_data(gy, w); gw = conv_bwd_filter(x, gy); gb = sum of gy over n and q",
    .shapes = SHAPES,
    .min_in = 2, .max_in = 3, .n_out = 1, .flags = CLG_OP_TAIL,
    .attr_size = sizeof(clg_conv_attr),
    .infer = infer, .ref = ref, .vjp = vjp, .cost = clg_conv_cost, .cut = clg_conv_cut,
    .join = clg_join_first,
    .impls = impls,
};

/* w with its taps in the reverse order. */
static clg_tensor *flip_filter(clg_tensor *w) {
    unsigned spatial = 0;
    for (int i = 2; i < w->shape.ndim; i++) spatial |= CLG_AXIS(i);
    return clg_flip(w, spatial);
}

static bool flipped_expand(const clg_node *n, clg_tensor **out) {
    clg_tensor *const in[] = { n->in[0], flip_filter(n->in[1]), in_tensor(n, 2) };
    out[0] = clg_node_build(&clg_op_conv, n->attr, in, n->n_in);
    return out[0] != NULL;
}

const clg_op clg_op_convolve = {
    .name = "convolve",
    .formula = "y[n,o,q] = b[o] + sum_{c,t} x[n, c, q stride + t dilation - pad] w[o, c, K-1-t]",
    .gradient = "that of conv(x, flip(w), b)",
    .shapes = SHAPES,
    .min_in = 2, .max_in = 3, .n_out = 1,
    .attr_size = sizeof(clg_conv_attr),
    .infer = infer, .ref = flipped_ref, .expand = flipped_expand,
};

clg_tensor *clg_conv(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_params *p) {
    const clg_conv_params none = { 0 };
    if (!p) p = &none;
    if (!x || !w) return NULL;
    const clg_op *op = p->flip ? &clg_op_convolve : &clg_op_conv;
    const bool ranks = x->shape.ndim >= 3 && x->shape.ndim <= 5;
    const bool fit = ranks && w->shape.ndim == x->shape.ndim;
    clg_conv_attr a;
    if (!clg_conv_attributes(p, op->name, x, w, ranks ? x->shape.ndim - 2 : CLG_MAX_SPATIAL, x->shape.dim + 2,
                             fit ? w->shape.dim + 2 : NULL, &a))
        return NULL;
    return clg_node_build(op, &a, (clg_tensor *[]){ x, w, b }, b ? 3 : 2);
}

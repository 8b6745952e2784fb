/* conv_bwd_data and conv_bwd_filter: the two adjoints of conv, ops of their own. The three are bilinear and each is
 * the gradient of the others, so derivatives of any order stay among them. */
#include "ops/conv_shape.h"
#include "ops/gemm.h"

#include <string.h>

static clg_status check_types(const clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point tensors");
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "types differ");
    if (in_shape(n, 0).ndim < 3 || in_shape(n, 0).ndim > 5 || in_shape(n, 1).ndim != in_shape(n, 0).ndim)
        return clg_fail_op(n, "wants two tensors with 1 to 3 spatial axes");
    return CLG_OK;
}

/** like with its spatial sizes replaced by those in the attributes. */
static clg_shape with_size(const clg_node *n, int64_t d0, int64_t d1, int ndim) {
    const clg_conv_attr *a = n->attr;
    clg_shape s = { .ndim = ndim, .dim = { d0, d1 } };
    for (int i = 2; i < ndim; i++) s.dim[i] = a->size[3 - ndim + i];
    return s;
}

static clg_status infer_data(clg_node *n) {
    CLG_TRY(check_types(n));
    const clg_shape gy = in_shape(n, 0), w = in_shape(n, 1);
    const int64_t groups = ((const clg_conv_attr *)n->attr)->groups;
    const clg_shape x = with_size(n, gy.dim[0], w.dim[1] * (groups > 0 ? groups : 1), gy.ndim);
    clg_shape y;
    CLG_TRY(clg_conv_check(n, x, w, &y));
    if (!clg_shape_equal(y, gy)) return clg_fail_op(n, "gy is not the shape that conv would give");
    return set_out(n, 0, in_dtype(n, 0), x);
}

static clg_status infer_filter(clg_node *n) {
    CLG_TRY(check_types(n));
    const clg_shape x = in_shape(n, 0), gy = in_shape(n, 1);
    const int64_t groups = ((const clg_conv_attr *)n->attr)->groups;
    const clg_shape w = with_size(n, gy.dim[1], x.dim[1] / (groups > 0 ? groups : 1), gy.ndim);
    clg_shape y;
    CLG_TRY(clg_conv_check(n, x, w, &y));
    if (!clg_shape_equal(y, gy)) return clg_fail_op(n, "gy is not the shape that conv would give");
    return set_out(n, 0, in_dtype(n, 0), w);
}

static void ref_data(const clg_node *n, const double *const *in, double *const *out) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const double *gy = in[0], *w = in[1];
    double *gx = out[0];
    memset(gx, 0, (size_t)(g.N * g.C * g.I) * sizeof *gx);
    for (int64_t q = 0; q < g.Q; q++)
        for (int64_t t = 0; t < g.T; t++) {
            const int64_t i = clg_conv_index(&g, q, t);
            if (i < 0) continue;
            for (int64_t im = 0; im < g.N; im++)
                for (int64_t c = 0; c < g.C; c++) {
                    const int64_t o0 = c / g.Cg * g.Og;
                    double s = 0;
                    for (int64_t o = o0; o < o0 + g.Og; o++)
                        s += gy[(im * g.O + o) * g.Q + q] * w[(o * g.Cg + c % g.Cg) * g.T + t];
                    gx[(im * g.C + c) * g.I + i] += s;
                }
        }
}

static void ref_filter(const clg_node *n, const double *const *in, double *const *out) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const double *x = in[0], *gy = in[1];
    double *gw = out[0];
    memset(gw, 0, (size_t)(g.O * g.Cg * g.T) * sizeof *gw);
    for (int64_t q = 0; q < g.Q; q++)
        for (int64_t t = 0; t < g.T; t++) {
            const int64_t i = clg_conv_index(&g, q, t);
            if (i < 0) continue;
            for (int64_t o = 0; o < g.O; o++)
                for (int64_t c = 0; c < g.Cg; c++) {
                    const int64_t cx = o / g.Og * g.Cg + c;
                    double s = 0;
                    for (int64_t im = 0; im < g.N; im++)
                        s += gy[(im * g.O + o) * g.Q + q] * x[(im * g.C + cx) * g.I + i];
                    gw[(o * g.Cg + c) * g.T + t] += s;
                }
        }
}

static clg_conv_attr attr_of(const clg_node *n) { return *(const clg_conv_attr *)n->attr; }

static clg_tensor *forward(const clg_node *n, clg_tensor *x, clg_tensor *w) {
    clg_conv_attr a = attr_of(n);
    memset(a.size, 0, sizeof a.size);
    return clg_node_build(&clg_op_conv, &a, (clg_tensor *[]){ x, w }, 2);
}

static void vjp_data(clg_node *n, clg_tensor *const *g, clg_tensor **gx) {
    clg_tensor *gy = n->in[0], *w = n->in[1];
    if (clg_wants_grad(n, 0)) gx[0] = forward(n, g[0], w);
    if (clg_wants_grad(n, 1)) gx[1] = clg_conv_build_bwd(&clg_op_conv_bwd_filter, attr_of(n), w->shape, g[0], gy);
}

static void vjp_filter(clg_node *n, clg_tensor *const *g, clg_tensor **gx) {
    clg_tensor *x = n->in[0], *gy = n->in[1];
    if (clg_wants_grad(n, 0)) gx[0] = clg_conv_build_bwd(&clg_op_conv_bwd_data, attr_of(n), x->shape, gy, g[0]);
    if (clg_wants_grad(n, 1)) gx[1] = forward(n, x, g[0]);
}

static const clg_impl data_impls[] = {
    { "conv_bwd_data.depthwise_cpu", CLG_CLASS_CPU, clg_conv_accept_depthwise, clg_conv_data_depthwise, NULL, false },
    { "conv_bwd_data.depthwise_gpu", CLG_CLASS_GPU, clg_conv_accept_depthwise_gpu, clg_conv_depthwise_gpu,
      clg_conv_depthwise_gpu_knobs, false },
    { "conv_bwd_data.pointwise", CLG_CLASS_CPU | CLG_CLASS_GPU, clg_conv_accept_pointwise,
      clg_conv_data_pointwise, clg_gemm_cpu_knobs, false },
    { "conv_bwd_data.wino4_cpu", CLG_CLASS_CPU, clg_conv_accept_wino, clg_conv_wino4, .prefers = clg_conv_wins_wino4,
      CLG_CONV_WINO4, .knobs = clg_conv_wino_knobs },
    { "conv_bwd_data.wino2_cpu", 0, clg_conv_accept_wino, clg_conv_wino2, CLG_CONV_WINO2,
      .knobs = clg_conv_wino_knobs },
    { "conv_bwd_data.gemm", CLG_CLASS_CPU, clg_conv_accept_gemm, clg_conv_data_gemm, NULL, false,
      clg_conv_prefers_gemm, 0 },
    { "conv_bwd_data.bands", CLG_CLASS_CPU, clg_conv_accept_bands, clg_conv_data_bands, clg_conv_bands_knobs, false,
      clg_conv_prefers_bands, 0 },
    { "conv_bwd_data.direct_cpu", CLG_CLASS_CPU, clg_conv_accept_cpu, clg_conv_data_cpu, clg_conv_direct_knobs, false },
    { "conv_bwd_data.wino4_gpu", CLG_CLASS_GPU, clg_conv_accept_wino4_gpu, clg_conv_wino4_gpu, CLG_CONV_WINO4,
      .prefers = clg_conv_wins_wino4_gpu, .knobs = clg_conv_wino_gpu_knobs },
    { "conv_bwd_data.wino2_gpu", CLG_CLASS_GPU, clg_conv_accept_wino2_gpu, clg_conv_wino2_gpu, CLG_CONV_WINO2,
      .prefers = clg_conv_wins_wino2_gpu, .knobs = clg_conv_wino_gpu_knobs },
    { "conv_bwd_data.direct_gpu", CLG_CLASS_GPU, clg_conv_accept_gpu, clg_conv_data_gpu, clg_conv_gpu_knobs, false },
    { 0 },
};

const clg_op clg_op_conv_bwd_data = {
    .name = "conv_bwd_data",
    .formula = "gx[n,c,i] = sum over o and all (q, t) with q stride + t dilation - pad = i of gy[n,o,q] w[o,c,t]",
    .gradient = "for ggx: ggy = conv(ggx, w); gw = conv_bwd_filter(ggx, gy)",
    .shapes = "gy [N,O,S'...], w [O,C/groups,K...] -> [N,C,S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TAIL,
    .attr_size = sizeof(clg_conv_attr),
    .infer = infer_data, .ref = ref_data, .vjp = vjp_data, .cost = clg_conv_cost, .cut = clg_conv_cut,
    .join = clg_join_first,
    .impls = data_impls,
};

static const clg_impl filter_impls[] = {
    { "conv_bwd_filter.depthwise_cpu", CLG_CLASS_CPU, clg_conv_accept_depthwise, clg_conv_filter_depthwise,
      NULL, false },
    { "conv_bwd_filter.depthwise_gpu", CLG_CLASS_GPU, clg_conv_accept_depthwise_gpu, clg_conv_filter_depthwise_gpu,
      clg_conv_depthwise_gpu_knobs, false },
    { "conv_bwd_filter.pointwise", CLG_CLASS_CPU | CLG_CLASS_GPU, clg_conv_accept_pointwise,
      clg_conv_filter_pointwise, NULL, false },
    { "conv_bwd_filter.gemm", CLG_CLASS_CPU, clg_conv_accept_gemm, clg_conv_filter_gemm, NULL, false,
      clg_conv_prefers_gemm, 0 },
    { "conv_bwd_filter.rows", CLG_CLASS_CPU, clg_conv_accept_filter_rows, clg_conv_filter_rows, NULL, false,
      clg_conv_prefers_filter_rows },
    { "conv_bwd_filter.channels", CLG_CLASS_CPU, clg_conv_accept_channels, clg_conv_filter_channels,
      clg_conv_filter_channels_knobs, false, clg_conv_prefers_channels },
    { "conv_bwd_filter.direct_cpu", CLG_CLASS_CPU, clg_conv_accept_cpu, clg_conv_filter_cpu, NULL, false },
    { "conv_bwd_filter.direct_gpu", CLG_CLASS_GPU, clg_conv_accept_gpu, clg_conv_filter_gpu, clg_conv_gpu_knobs,
      false },
    { 0 },
};

static enum clg_join join_filter(const clg_node *n, const enum clg_join *in, int out) {
    return clg_join_rows(n, in, out) == CLG_JOIN_ROWS ? CLG_JOIN_SUM : CLG_JOIN_NONE;
}

const clg_op clg_op_conv_bwd_filter = {
    .name = "conv_bwd_filter",
    .formula = "gw[o,c,t] = sum_{n,q} gy[n,o,q] x[n, c, q stride + t dilation - pad]",
    .gradient = "for ggw: gx = conv_bwd_data(gy, ggw); ggy = conv(x, ggw)",
    .shapes = "x [N,C,S...], gy [N,O,S'...] -> [O,C/groups,K...]",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .attr_size = sizeof(clg_conv_attr),
    .infer = infer_filter, .ref = ref_filter, .vjp = vjp_filter, .cost = clg_conv_cost, .cut = clg_conv_cut,
    .join = join_filter,
    .impls = filter_impls,
};

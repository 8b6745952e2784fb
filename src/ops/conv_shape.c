/* Geometry of convolution: checks with the rule that is broken, and the index arithmetic all parts share. */
#include "ops/conv_shape.h"

#include "base/alloc.h"

#include <string.h>

clg_status clg_conv_check_attr(const clg_node *n, const clg_conv_attr *a, int axes) {
    const int64_t limit = CLG_CONV_SIZE_LIMIT;
    for (int i = clg_conv_axis(axes, 0); i < 3; i++) {
        if (a->stride[i] < 1) return clg_fail_op(n, "stride must be positive, got %lld", (long long)a->stride[i]);
        if (a->dilation[i] < 1)
            return clg_fail_op(n, "dilation must be positive, got %lld", (long long)a->dilation[i]);
        if (a->pad[i] < 0)
            return clg_fail_op(n, "padding must not be negative, got %lld", (long long)a->pad[i]);
        if (a->stride[i] > limit || a->dilation[i] > limit || a->pad[i] > limit || a->pad_end[i] > limit ||
            a->pad_end[i] < -limit)
            return clg_fail_op(n, "stride, dilation and padding must be below 2^31");
    }
    if (a->groups < 1) return clg_fail_op(n, "groups must be positive, got %lld", (long long)a->groups);
    return CLG_OK;
}

static clg_status check_channels(const clg_node *n, const clg_conv_attr *a, clg_shape x, clg_shape w) {
    const long long c = x.dim[1], o = w.dim[0], cg = w.dim[1], groups = a->groups;
    if (c < 1 || o < 1) return clg_fail_op(n, "wants at least one channel in and out");
    if (c % groups || o % groups)
        return clg_fail_op(n, "groups = %lld must divide both %lld input and %lld output channels", groups, c, o);
    if (cg != c / groups)
        return clg_fail_op(n, "filter has %lld input channels, but x has %lld in %lld group%s", cg, c, groups,
                           groups == 1 ? "" : "s");
    return CLG_OK;
}

clg_status clg_conv_check_axis(const clg_node *n, const clg_conv_attr *a, int axis, int64_t size, int64_t k, int i,
                               int64_t *out) {
    if (k < 1) return clg_fail_op(n, "filter sizes must be positive");
    if (size > CLG_CONV_SIZE_LIMIT || k > CLG_CONV_SIZE_LIMIT)
        return clg_fail_op(n, "spatial sizes must be below 2^31");
    const int64_t padded = size + a->pad[axis] + a->pad_end[axis], extent = a->dilation[axis] * (k - 1) + 1;
    if (extent > padded)
        return clg_fail_op(n, "filter of %lld (dilation included) is larger than the padded input of %lld on spatial "
                              "axis %d", (long long)extent, (long long)padded, i);
    *out = (padded - extent) / a->stride[axis] + 1;
    return CLG_OK;
}

clg_status clg_conv_check(const clg_node *n, clg_shape x, clg_shape w, clg_shape *y) {
    const clg_conv_attr *a = n->attr;
    if (x.ndim < 3 || x.ndim > 5)
        return clg_fail_op(n, "x must be [N, C, S...] with 1 to 3 spatial axes, got %d axes", x.ndim);
    if (w.ndim != x.ndim) return clg_fail_op(n, "filter must be [O, C/groups, K...] with as many axes as x");
    const int axes = x.ndim - 2;
    CLG_TRY(clg_conv_check_attr(n, a, axes));
    CLG_TRY(check_channels(n, a, x, w));
    clg_shape out = x;
    out.dim[1] = w.dim[0];
    for (int i = 0; i < axes; i++)
        CLG_TRY(clg_conv_check_axis(n, a, clg_conv_axis(axes, i), x.dim[2 + i], w.dim[2 + i], i, &out.dim[2 + i]));
    *y = out;
    return CLG_OK;
}

clg_conv_geom clg_conv_geometry(const clg_node *n) {
    const clg_conv_attr *a = n->attr;
    const bool data = n->op == &clg_op_conv_bwd_data, filter = n->op == &clg_op_conv_bwd_filter;
    const clg_shape x = data ? out_shape(n, 0) : in_shape(n, 0);
    const clg_shape w = filter ? out_shape(n, 0) : in_shape(n, 1);
    const clg_shape y = data ? in_shape(n, 0) : filter ? in_shape(n, 1) : out_shape(n, 0);
    clg_conv_geom g = { .N = x.dim[0], .C = x.dim[1], .O = w.dim[0], .G = a->groups };
    g.Cg = g.C / g.G;
    g.Og = g.O / g.G;
    g.I = g.T = g.Q = 1;
    const int first = clg_conv_axis(x.ndim - 2, 0);
    for (int i = 0; i < 3; i++) {
        const bool used = i >= first;
        g.in[i] = used ? x.dim[2 + i - first] : 1;
        g.k[i] = used ? w.dim[2 + i - first] : 1;
        g.out[i] = used ? y.dim[2 + i - first] : 1;
        g.stride[i] = used ? a->stride[i] : 1;
        g.dil[i] = used ? a->dilation[i] : 1;
        g.pad[i] = used ? a->pad[i] : 0;
        g.I *= g.in[i];
        g.T *= g.k[i];
        g.Q *= g.out[i];
    }
    return g;
}

int64_t clg_conv_index(const clg_conv_geom *g, int64_t q, int64_t t) {
    int64_t index = 0, step = 1;
    for (int a = 2; a >= 0; a--) {
        const int64_t i = (q % g->out[a]) * g->stride[a] + (t % g->k[a]) * g->dil[a] - g->pad[a];
        if (i < 0 || i >= g->in[a]) return -1;
        index += i * step;
        step *= g->in[a];
        q /= g->out[a];
        t /= g->k[a];
    }
    return index;
}

clg_tensor *clg_conv_build_bwd(const clg_op *op, clg_conv_attr attr, clg_shape like, clg_tensor *a, clg_tensor *b) {
    memset(attr.size, 0, sizeof attr.size);
    for (int i = 2; i < like.ndim; i++) attr.size[3 - like.ndim + i] = like.dim[i];
    return clg_node_build(op, &attr, (clg_tensor *[]){ a, b }, 2);
}

bool clg_conv_cut(const clg_node *n, clg_cut *c) {
    const bool filter = n->op == &clg_op_conv_bwd_filter;
    *c = (clg_cut){ .in = { 0, filter ? 0 : -1, -1 }, .out = filter ? -1 : 0 };
    return true;
}

bool clg_conv_is_pointwise(const clg_conv_geom *g) {
    for (int a = 0; a < 3; a++)
        if (g->k[a] != 1 || g->stride[a] != 1 || g->pad[a] != 0 || g->in[a] != g->out[a]) return false;
    return true;
}

bool clg_conv_geom_fits(const clg_conv_geom *g) {
    const double filter = (double)g->Og * (double)g->Cg * (double)g->T, limit = 2e9;
    double padded = (double)g->Cg, made = (double)g->Og;
    for (int a = 0; a < 3; a++) {
        const double extent = (double)g->out[a] * (double)g->stride[a] + (double)g->k[a] * (double)g->dil[a];
        const double source = (double)(g->in[a] + g->pad[a]);
        if (extent + source > limit) return false;
        padded *= extent > source ? extent : source;
        made *= extent;
    }
    return filter < limit && padded < limit && made < limit && (double)g->N * (double)g->Q < limit &&
           (double)g->N * (double)g->I < limit && (double)g->C * (double)g->T < limit &&
           (double)g->N * (double)g->G < limit;
}

bool clg_conv_fits_int(const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    return (in_dtype(n, 0) == CLG_F32 || in_dtype(n, 0) == CLG_F64) && clg_conv_geom_fits(&g);
}

clg_status clg_conv_tap_table(clg_emit *e, const clg_conv_geom *g, const clg_tensor **table) {
    int32_t *tap = clg_alloc((size_t)g->T * 3 * sizeof *tap);
    if (!tap) return clg_fail_nomem("taps of a convolution");
    for (int64_t t = 0; t < g->T; t++) {
        tap[3 * t + 0] = (int32_t)(t / (g->k[1] * g->k[2]) * g->dil[0]);
        tap[3 * t + 1] = (int32_t)(t / g->k[2] % g->k[1] * g->dil[1]);
        tap[3 * t + 2] = (int32_t)(t % g->k[2] * g->dil[2]);
    }
    *table = clg_emit_table(e, CLG_I32, CLG_SHAPE(g->T, 3), tap);
    clg_free(tap);
    return CLG_OK;
}

clg_status clg_conv_emit_sum(clg_emit *e, const clg_tensor *part, const clg_tensor *gw, int64_t parts,
                             const char *options, size_t group) {
    const int64_t n = clg_shape_elems(gw->shape);
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    while (group > 1 && (group > caps->max_group || group > caps->max_item[0])) group /= 2;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_bwd.sum_parts", .options = options,
        .global = { (size_t)clg_div_up(n, 16) }, .local = { group },
        .args = ARGS(IN(part), OUT(gw), LONG(n), INT(parts)),
    });
}

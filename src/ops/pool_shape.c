/* The geometry of pooling, and the launch that all its kernels share.
 *
 * Window o of an axis begins at cell o stride - pad and covers every dilation-th cell, as many as the kernel has, as
 * far as they lie in the input. There are (size + pad + pad_end - reach) / stride + 1 windows, where reach is
 * (kernel - 1) dilation + 1; rounded up in ceil mode, where the last one must still begin inside the input or the
 * padding before it (as in PyTorch). Adaptive pooling of size cells into n windows: window o is
 * floor(o size / n) .. ceil((o + 1) size / n) - 1. */
#include "base/integer.h"
#include "ops/pool.h"
#include <limits.h>

enum { CELLS_A_WORK_ITEM = 4096, ITEMS_A_CORE = 16, TILE_ITEMS = 256 };

static int64_t reach_of(const clg_pool_attr *a, int axis) { return (a->kernel[axis] - 1) * a->dilation[axis] + 1; }

static int64_t windows_of(int64_t size, const clg_pool_attr *a, int axis) {
    if (clg_pool_adaptive(a)) return a->out[axis];
    const int64_t stride = a->stride[axis], pad = a->pad[axis];
    const int64_t room = size + pad + a->pad_end[axis] - reach_of(a, axis) + (a->ceil_mode ? stride - 1 : 0);
    if (room < 0) return 0;
    const int64_t n = room / stride + 1;
    return a->ceil_mode && (n - 1) * stride >= size + pad ? n - 1 : n;
}

clg_pool_geo clg_pool_geometry(clg_shape x, const clg_pool_attr *attr) {
    clg_pool_geo g = {.planes = x.dim[0] * x.dim[1], .attr = *attr};
    for (int i = 0; i < 3; i++) {
        const int axis = x.ndim - 3 + i;
        g.in[i] = axis < 2 ? 1 : x.dim[axis];
        g.out[i] = windows_of(g.in[i], attr, i);
    }
    return g;
}

/* --- rules --- */

static const int64_t most = INT32_MAX / 4;

/* Attributes of one axis, called `axis` in messages. */
static clg_status check_axis(const clg_node *n, int i, int axis) {
    const clg_pool_attr *p = n->attr;
    const long long k = p->kernel[i], s = p->stride[i], d = p->dilation[i], reach = (k - 1) * d + 1;
    const long long pads[] = {p->pad[i], p->pad_end[i]};
    if (k < 1 || k > most) return clg_fail_op(n, "kernel of axis %d is %lld; it must be 1 or more", axis, k);
    if (s < 1 || s > most) return clg_fail_op(n, "stride of axis %d is %lld; it must be 1 or more", axis, s);
    if (d < 1 || d > most) return clg_fail_op(n, "dilation of axis %d is %lld; it must be 1 or more", axis, d);
    for (int e = 0; e < 2; e++)
        if (pads[e] < 0 || pads[e] >= reach)
            return clg_fail_op(n, "padding %s axis %d is %lld; it must be less than what a window reaches over, %lld",
                               e ? "behind" : "before", axis, pads[e], reach);
    return CLG_OK;
}

/* A window that begins in the padding must meet a cell: one that is dilated can step over a short input. */
static clg_status check_windows(const clg_node *n, int i, int axis, int64_t size, int64_t windows) {
    const clg_pool_attr *p = n->attr;
    const int64_t dilation = p->dilation[i];
    for (int64_t o = 0; o < windows && size < dilation && o * p->stride[i] < p->pad[i]; o++) {
        const int64_t begin = o * p->stride[i] - p->pad[i];
        const int64_t first = begin + (dilation - 1 - begin) / dilation * dilation;
        if (first >= size)
            return clg_fail_op(n, "window %lld of axis %d covers padding only: size %lld, dilation %lld, padding %lld",
                               (long long)o, axis, (long long)size, (long long)dilation, (long long)p->pad[i]);
    }
    return CLG_OK;
}

clg_status clg_pool_infer(const clg_node *n, clg_dtype t, clg_shape x, clg_shape *y) {
    const clg_pool_attr *p = n->attr;
    if (x.ndim < 3 || x.ndim > 5) return clg_fail_op(n, "wants [N, C, ...] with 1 to 3 more axes");
    if (!clg_dtype_is_float(t)) return clg_fail_op(n, "wants floating-point numbers; clg_cast() converts");
    *y = x;
    for (int i = 5 - x.ndim; i < 3; i++) {
        const int axis = x.ndim - 3 + i;
        if (!clg_pool_adaptive(p)) CLG_TRY(check_axis(n, i, axis));
        const int64_t windows = windows_of(x.dim[axis], p, i);
        y->dim[axis] = windows;
        if (x.dim[axis] < 1 || windows < 1)
            return clg_fail_op(n, "no window fits axis %d: size %lld, kernel %lld, dilation %lld, padding %lld + %lld",
                               axis, (long long)x.dim[axis], (long long)p->kernel[i], (long long)p->dilation[i],
                               (long long)p->pad[i], (long long)p->pad_end[i]);
        CLG_TRY(check_windows(n, i, axis, x.dim[axis], windows));
    }
    return CLG_OK;
}

/* --- windows --- */

clg_pool_span clg_pool_cells(const clg_pool_geo *g, int axis, int64_t o) {
    const clg_pool_attr *a = &g->attr;
    const int64_t size = g->in[axis], n = g->out[axis], step = a->dilation[axis];
    if (clg_pool_adaptive(a)) return (clg_pool_span){o * size / n, ((o + 1) * size + n - 1) / n, 1};
    int64_t from = o * a->stride[axis] - a->pad[axis];
    const int64_t to = clg_min64(from + reach_of(a, axis), size);
    while (from < 0) from += step;
    return (clg_pool_span){from, to, step};
}

double clg_pool_count(const clg_pool_geo *g, const int64_t o[3]) {
    const clg_pool_attr *a = &g->attr;
    double count = 1;
    for (int i = 0; i < 3; i++) {
        const clg_pool_span s = clg_pool_cells(g, i, o[i]);
        const int64_t begin = o[i] * a->stride[i] - a->pad[i];
        if (a->divide == CLG_POOL_BY_PADDED)
            count *= (double)(clg_min64(begin + a->kernel[i], g->in[i] + a->pad_end[i]) - begin);
        if (a->divide == CLG_POOL_BY_CELLS) count *= (double)(s.to - s.from);
    }
    return count;
}

int64_t clg_pool_argmax(const clg_pool_geo *g, const double *x, const int64_t o[3]) {
    const clg_pool_span a = clg_pool_cells(g, 0, o[0]), b = clg_pool_cells(g, 1, o[1]), c = clg_pool_cells(g, 2, o[2]);
    int64_t best = -1;
    for (int64_t i = a.from; i < a.to; i += a.step)
        for (int64_t j = b.from; j < b.to; j += b.step)
            for (int64_t k = c.from; k < c.to; k += c.step) {
                const int64_t at = (i * g->in[1] + j) * g->in[2] + k;
                if (best < 0 || x[at] > x[best] || x[at] != x[at]) best = at;
            }
    return best;
}

bool clg_pool_next(const clg_pool_geo *g, int64_t o[3]) {
    for (int i = 2; i >= 0; i--) {
        if (++o[i] < g->out[i]) return true;
        o[i] = 0;
    }
    return false;
}

int64_t clg_pool_window(const clg_pool_geo *g) {
    int64_t cells = 1;
    for (int i = 0; i < 3; i++)
        cells *= clg_pool_adaptive(&g->attr) ? clg_min64(g->in[i], g->in[i] / g->out[i] + 2) : g->attr.kernel[i];
    return cells;
}

bool clg_pool_whole(const clg_pool_geo *g) {
    if (clg_pool_adaptive(&g->attr)) return false;
    for (int i = 0; i < 3; i++)
        if (g->attr.pad[i] > 0 || (g->out[i] - 1) * g->attr.stride[i] + reach_of(&g->attr, i) > g->in[i]) return false;
    return true;
}

/* --- launches --- */

bool clg_pool_fits(clg_dtype t, const clg_pool_geo *g) {
    const int64_t limit = INT_MAX / 2;
    int64_t in = 1, out = 1, reach = 0, window = 1;
    for (int i = 0; i < 3; i++) {
        if (g->in[i] > limit || g->out[i] > limit) return false;
        in *= g->in[i];
        out *= g->out[i];
        if (in > limit || out > limit) return false; /* each factor is below 2^30: no overflow before this */
        reach = clg_max64(reach, g->out[i] * g->attr.stride[i] + reach_of(&g->attr, i));
        window *= clg_min64(g->attr.kernel[i], limit);
        if (window > limit) return false;
    }
    return (t == CLG_F32 || t == CLG_F64) && reach <= limit;
}

/* What differs from the defaults of cl/pool.clh only for some. */
static const char *rare_options(clg_emit *e, const clg_pool_geo *g) {
    const clg_pool_attr *a = &g->attr;
    const bool dilated = a->dilation[0] * a->dilation[1] * a->dilation[2] > 1;
    const char *text = clg_pool_adaptive(a) ? " -DADAPTIVE=1" : "";
    if (dilated)
        text = clg_emit_options(e, "%s -DDLD=%d -DDLH=%d -DDLW=%d", text, (int)a->dilation[0], (int)a->dilation[1],
                                (int)a->dilation[2]);
    if (a->divide == CLG_POOL_BY_PADDED && !clg_pool_whole(g))
        text = clg_emit_options(e, "%s -DDIVIDE=1 -DED=%d -DEH=%d -DEW=%d", text, (int)a->pad_end[0],
                                (int)a->pad_end[1], (int)a->pad_end[2]);
    return a->divide == CLG_POOL_BY_ONE ? clg_emit_options(e, "%s -DDIVIDE=2", text) : text;
}

clg_status clg_pool_emit(clg_emit *e, const clg_pool_geo *g, const clg_pool_launch *l) {
    const clg_pool_attr *a = &g->attr;
    const clg_device_caps *caps = clg_device_get_caps(clg_emit_device(e));
    const bool blocks = l->groups == 0 && l->many[0] != 'n';
    int64_t items = (int64_t)caps->compute_units * ITEMS_A_CORE, block = 1;
    if (l->items == 0) return CLG_OK;
    if (blocks) {
        items = clg_max64(1, clg_min64(items, (int64_t)((double)l->items * (double)l->work / CELLS_A_WORK_ITEM)));
        block = (l->items + items - 1) / items;
    }
    clg_arg args[20];
    int n = 0;
    for (int i = 0; i < l->n_from; i++) args[n++] = l->from[i];
    args[n++] = l->to;
    args[n++] = (clg_arg){.kind = CLG_ARG_LONG, .name = l->many, .u.i = l->items};
    if (blocks) args[n++] = (clg_arg)LONG(block);
    const clg_arg sizes[] = {INT_AS(d, g->in[0]), INT_AS(h, g->in[1]), INT_AS(w, g->in[2]), INT_AS(od, g->out[0]),
                             INT_AS(oh, g->out[1]), INT_AS(ow, g->out[2]), INT_AS(pd, a->pad[0]),
                             INT_AS(ph, a->pad[1]), INT_AS(pw, a->pad[2]), {.kind = CLG_ARG_END}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) args[n++] = sizes[i];
    const int64_t limit = clg_min64((int64_t)caps->max_group, (int64_t)caps->max_item[0]);
    const size_t group = blocks ? 1 : (size_t)clg_min64(l->groups > 0 ? TILE_ITEMS : 128, limit);
    const size_t global = l->groups > 0 ? (size_t)l->groups * group : (size_t)((l->items + block - 1) / block);
    return clg_emit_launch(e, &(clg_launch){l->kernel,
        clg_emit_options(e, "-DKD=%d -DKH=%d -DKW=%d -DSD=%d -DSH=%d -DSW=%d -DPW=%d -DWHOLE=%d%s%s", (int)a->kernel[0],
                         (int)a->kernel[1], (int)a->kernel[2], (int)a->stride[0], (int)a->stride[1],
                         (int)a->stride[2], (int)a->pad[2], clg_pool_whole(g), rare_options(e, g),
                         l->tiles ? l->tiles : ""),
        {global}, {group}, args, l->tail_cols});
}

/* The three convolutions for class gpu: one implicit-GEMM kernel (cl/conv_gpu.cl) in three modes. */
#include "ops/conv_shape.h"

enum { MODE_FWD, MODE_DATA, MODE_FILTER };

/* Side of the square work-group: 16 where the device allows it, smaller where groups or local memory are small. */
static int group_side(const clg_device *d, size_t elem) {
    const clg_device_caps *caps = clg_device_get_caps(d);
    for (int side = 16; side > 1; side /= 2) {
        const size_t tile = 4 * (size_t)side, local = 2 * 16 * (tile + 1) * elem + tile * 20;
        if ((size_t)side * (size_t)side <= caps->max_group && (size_t)side <= caps->max_item[0] &&
            (size_t)side <= caps->max_item[1] && local <= caps->local_mem)
            return side;
    }
    return 1;
}

bool clg_conv_accept_gpu(const clg_node *n, const clg_device *d) {
    (void)d;
    return clg_conv_fits_int(n);
}

/* Parts of the sum over pixels, to fill a GPU where output tiles are few. By shape only: so are the bits. */
static int64_t choose_parts(const clg_conv_geom *g, int64_t tiles) {
    const int64_t elems = g->O * g->Cg * g->T, pixels = g->N * g->Q;
    const int64_t by_memory = clg_max64(1, (int64_t)(32 << 20) / 4 / elems);
    return clg_max64(1, clg_min64(clg_min64(clg_div_up(512, tiles), pixels / 256), by_memory));
}

static clg_status emit_mode(clg_emit *e, const clg_node *n, int mode) {
    const clg_conv_geom s = clg_conv_geometry(n);
    const bool filter = mode == MODE_FILTER, data = mode == MODE_DATA;
    const clg_tensor *a = n->in[1], *b = n->in[0], *result = n->out[0], *c = result;
    const clg_tensor *bias = mode == MODE_FWD && n->n_in == 3 ? n->in[2] : a, *taps = NULL; /* unread without bias */
    const int64_t has_bias = bias != a, groups = s.G, M = data ? s.Cg : s.Og, T_taps = s.T;
    const int64_t channels = data ? s.Og : s.Cg;
    const int64_t cols = filter ? s.Cg * s.T : s.N * (data ? s.I : s.Q), K = filter ? s.N * s.Q : channels * s.T;
    const int64_t *plane = data ? s.out : s.in, *pixel = data ? s.in : s.out;
    const int64_t b_d = plane[0], b_h = plane[1], b_w = plane[2], p_d = pixel[0], p_h = pixel[1], p_w = pixel[2];
    const int64_t step_d = s.stride[0], step_h = s.stride[1], step_w = s.stride[2];
    const int64_t pad_d = s.pad[0], pad_h = s.pad[1], pad_w = s.pad[2];
    if (cols == 0) return CLG_OK; /* an empty batch */
    CLG_TRY(clg_conv_tap_table(e, &s, &taps));
    const int side = group_side(clg_emit_device(e), clg_dtype_size(in_dtype(n, 0)));
    const int64_t tile = 4 * side, tiles_x = clg_div_up(cols, tile), tiles_y = clg_div_up(M, tile);
    const int64_t parts = filter ? choose_parts(&s, tiles_x * tiles_y * groups) : 1;
    if (parts > 1) c = clg_emit_scratch(e, in_dtype(n, 0), CLG_SHAPE(parts, clg_shape_elems(result->shape)));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_gpu.implicit_gemm",
        .options = clg_emit_options(e, "-DTS=%d -DMODE=%d", side, mode),
        .global = { (size_t)(tiles_x * side), (size_t)(tiles_y * side), (size_t)(groups * parts) },
        .local = { (size_t)side, (size_t)side, 1 },
        .args = ARGS(IN(a), IN(b), IN(bias), IN(taps), OUT(c), INT(has_bias), INT(groups), INT(M), INT(cols), INT(K),
                     INT(channels), INT(T_taps), INT(parts), INT(b_d), INT(b_h), INT(b_w), INT(p_d), INT(p_h),
                     INT(p_w), INT(step_d), INT(step_h), INT(step_w), INT(pad_d), INT(pad_h), INT(pad_w)),
        .tail_cols = filter ? 0 : p_d * p_h * p_w,
    }));
    return parts > 1 ? clg_conv_emit_sum(e, c, result, parts, NULL, (size_t)(side * side)) : CLG_OK;
}

clg_status clg_conv_fwd_gpu(clg_emit *e, const clg_node *n) { return emit_mode(e, n, MODE_FWD); }
clg_status clg_conv_data_gpu(clg_emit *e, const clg_node *n) { return emit_mode(e, n, MODE_DATA); }
clg_status clg_conv_filter_gpu(clg_emit *e, const clg_node *n) { return emit_mode(e, n, MODE_FILTER); }

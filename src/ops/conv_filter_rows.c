/* conv_bwd_filter for class cpu with lanes along the pixels of a row (cl/conv_filter_rows.cl), for few channels:
 * neither operand is moved but for x's padding. Images are cut into parts, whose number depends on the shape alone. */
#include "ops/conv_planes.h"
#include "ops/registers.h"

enum { MOST_PARTS = 32, FEW_CHANNELS = 12, LEAST_WIDTH = 12, MOST_TAPS = 8 /* of a line of the filter */,
       MOST_LINES = 8 };

/* Output channels of a work-item: a divisor of M whose sums have room beside the operands; 0: there is none. */
static int64_t choose_block(clg_registers r, int64_t M, int64_t taps) {
    int64_t block = 0;
    for (int64_t o = 1; o <= M && o * taps <= r.sums; o++)
        if (M % o == 0) block = o;
    return block;
}

bool clg_conv_accept_filter_rows(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    if (in_dtype(n, 0) != CLG_F32 || !clg_conv_fits_int(n)) return false;
    if (g.in[0] != 1 || g.k[0] != 1 || g.out[0] != 1) return false;
    for (int a = 1; a < 3; a++)
        if (g.stride[a] != 1 || g.dil[a] != 1) return false;
    return g.N > 0 && g.Q > 0 && g.Cg > 0 && g.k[1] <= MOST_LINES && g.k[2] <= MOST_TAPS
        && choose_block(clg_registers_of(d, false), g.Og, g.k[2]) > 0;
}

bool clg_conv_prefers_filter_rows(const clg_node *n, const clg_device *d) {
    (void)d;
    const clg_conv_geom g = clg_conv_geometry(n);
    return g.Og < FEW_CHANNELS && g.Cg < FEW_CHANNELS && g.out[2] >= LEAST_WIDTH;
}

clg_status clg_conv_filter_rows(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    clg_conv_planes p = clg_conv_input_planes(&g);
    const clg_tensor *gy = n->in[1], *gw = n->out[0], *xp, *part = gw;
    clg_conv_planes_layout(&p, true);
    CLG_TRY(clg_conv_emit_planes(e, &p, n->in[0], g.N * g.C, &xp));
    const int64_t block = choose_block(clg_registers_of(clg_emit_device(e), false), g.Og, g.k[2]);
    const int64_t groups = g.G, M = g.Og, channels = g.Cg, N = g.N, out_h = g.out[1], out_w = g.out[2];
    const int64_t images = clg_div_up(N, MOST_PARTS), parts = clg_div_up(N, images), pitch = p.pitch, x_plane = p.size;
    if (parts > 1) part = clg_emit_scratch(e, CLG_F32, CLG_SHAPE(parts, clg_shape_elems(gw->shape)));
    CLG_TRY(clg_emit_launch(e, &(clg_launch){
        .kernel = "conv_filter_rows.filter_rows",
        .options = clg_emit_options(e, "-DOB=%d -DKH=%d -DKW=%d", (int)block, (int)g.k[1], (int)g.k[2]),
        .global = { (size_t)parts, (size_t)(channels * (M / block)), (size_t)groups },
        .args = ARGS(IN(gy), IN(xp), OUT(part), INT(groups), INT(M), INT(channels), INT(N), INT(images), INT(out_h),
                     INT(out_w), INT(pitch), INT(x_plane)),
    }));
    return parts > 1 ? clg_conv_emit_sum(e, part, gw, parts, NULL, 1) : CLG_OK;
}

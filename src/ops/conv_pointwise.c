/* Convolution with a filter of one tap, stride 1, no padding and one group: y[n] = w x[n], a product of matrices with
 * the images as its batch. With one pixel an image it is a dense layer, one product for all. */
#include "ops/conv_shape.h"

#include "ops/gemm.h"

bool clg_conv_accept_pointwise(const clg_node *n, const clg_device *d) {
    const clg_conv_geom g = clg_conv_geometry(n);
    return clg_conv_is_pointwise(&g) && g.G == 1 && clg_conv_accept_gemm(n, d);
}

clg_status clg_conv_fwd_pointwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_tensor *x = n->in[0], *w = n->in[1], *y = n->out[0];
    if (g.N == 0) return CLG_OK;
    CLG_TRY(clg_emit_gemm(e, g.Q == 1
        ? &(clg_emit_gemm_params){ .tb = true, .m = g.N, .n = g.O, .k = g.C, .batch = 1, .a = x, .b = w,
                                   .c = y, .finish = n->n_in == 2 }
        : &(clg_emit_gemm_params){ .m = g.O, .n = g.Q, .k = g.C, .batch = g.N, .a = w, .b = x, .c = y,
                                   .b_stride = g.C * g.Q, .c_stride = g.O * g.Q, .finish = n->n_in == 2 }));
    return n->n_in == 3 ? clg_conv_emit_bias(e, &g, y, n->in[2]) : CLG_OK;
}

clg_status clg_conv_data_pointwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_tensor *gy = n->in[0], *w = n->in[1], *gx = n->out[0];
    if (g.N == 0) return CLG_OK;
    return clg_emit_gemm(e, g.Q == 1
        ? &(clg_emit_gemm_params){ .m = g.N, .n = g.C, .k = g.O, .batch = 1, .a = gy, .b = w, .c = gx,
                                   .finish = true }
        : &(clg_emit_gemm_params){ .ta = true, .m = g.C, .n = g.Q, .k = g.O, .batch = g.N, .a = w, .b = gy, .c = gx,
                                   .b_stride = g.O * g.Q, .c_stride = g.C * g.Q, .finish = true });
}

clg_status clg_conv_filter_pointwise(clg_emit *e, const clg_node *n) {
    const clg_conv_geom g = clg_conv_geometry(n);
    const clg_tensor *x = n->in[0], *gy = n->in[1], *gw = n->out[0];
    if (g.N > 0 && g.Q == 1)
        return clg_emit_gemm(e, &(clg_emit_gemm_params){ .ta = true, .m = g.O, .n = g.C, .k = g.N, .batch = 1, .a = gy,
                                                         .b = x, .c = gw });
    return clg_conv_filter_gemm(e, n);
}

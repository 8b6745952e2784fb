/* The convolutions that Winograd's filtering serves, as its kernels for both classes of device see them. */
#ifndef CLG_OPS_CONV_WINO_H_
#define CLG_OPS_CONV_WINO_H_

#include "ops/conv_shape.h"

/** A convolution x -> y with 3 x 3 taps and stride 1; channels are those of one group. Backward-data is the same of gy
 *  by the filter rotated and transposed, with 2 - pad. */
typedef struct clg_wino {
    const clg_tensor *x, *w, *b, *y; /* b: NULL for none */
    int64_t M, P, XI;                /* sides of a tile of y and of x; points */
    int64_t N, G, K, O, h, w_, y_h, y_w, pad_h, pad_w;
    int64_t w_group, w_row, w_k, turn;
    int64_t TY, TX, tiles;
} clg_wino;

clg_wino clg_wino_geometry(const clg_node *n, int64_t M);

#endif /* CLG_OPS_CONV_WINO_H_ */

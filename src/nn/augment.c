/* Augmentation, of the random ops on pictures. */
#include <clgrad/augment.h>
#include <clgrad/ops.h>

clg_tensor *clg_augment(clg_tensor *x, const clg_augment_params *p) {
    if (!x || !p) return x;
    if (p->shift && p->crop)
        return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_INVALID,
                              "augment(%s): shift %lld and crop %lld do the same: give one of them", clg_tensor_name(x),
                              (long long)p->shift, (long long)p->crop);
    clg_tensor *y = clg_random_shift(x, p->shift ? p->shift : p->crop);
    if (p->flip) y = clg_random_flip(y, 0.5);
    return clg_gaussian_noise(y, p->noise);
}

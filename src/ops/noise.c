/* Additive Gaussian noise, drawn from random.h's words by Box and Muller's method: of words v, w of an even element and
 * its successor, u = (v / 2^9 + 1/2) / 2^23 and t likewise of w are uniform in (0, 1), exact in f32, and
 * z = sqrt(-2 log u) (cos 2 pi t, sin 2 pi t) are two independent numbers of N(0, 1), none beyond 5.8.
 * Sources: Box & Muller 1958, doi:10.1214/aoms/1177706645; Bishop 1995, "Training with noise is equivalent to Tikhonov
 * regularization". */
#include "ops/random.h"
#include "plan/emit.h"
#include <math.h>

static double unit(uint32_t word) { return ((word >> 9) + 0.5) * 0x1p-23; }

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const clg_random_attr *const a = n->attr;
    uint32_t word[4] = { 0 };
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        clg_random_words(a, in[1][0], i, word);
        const int even = (int)(i % 4) / 2 * 2;
        const double r = sqrt(-2 * log(unit(word[even]))), angle = 2 * M_PI * unit(word[even + 1]);
        out[0][i] = in[0][i] + a->factor * r * (i % 2 ? sin(angle) : cos(angle));
    }
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    (void)n;
    gx[0] = gy[0];
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 60.0 * (double)out_elems(n, 0)); }

static clg_status launch(clg_emit *e, const clg_node *noise, const char *kernel, int64_t items, size_t local,
                         int64_t per) {
    const clg_random_attr *const a = noise->attr;
    const clg_tensor *const x = noise->in[0], *const tick = noise->in[1], *const y = noise->out[0];
    const int64_t n = out_elems(noise, 0);
    const int32_t key0 = (int32_t)a->key[0], key1 = (int32_t)a->key[1], node = (int32_t)a->node;
    const double sigma = a->factor;
    if (n == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = kernel, .global = { (size_t)items, 1, 1 }, .local = { local, 1, 1 },
        .args = ARGS(IN(x), IN(tick), OUT(y), LONG(n), INT(key0), INT(key1), INT(node), FLOAT(sigma), INT(per)) });
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) {
    const int64_t blocks = (out_elems(n, 0) + CLG_RANDOM_BLOCK - 1) / CLG_RANDOM_BLOCK;
    const int64_t per = clg_random_per(blocks, 8);
    return launch(e, n, "noise.blocks", (blocks + per - 1) / per, 1, per);
}

static clg_status emit_gpu(clg_emit *e, const clg_node *n) {
    return launch(e, n, "noise.quads", (out_elems(n, 0) + 3) / 4, CLG_RANDOM_GROUP, 1);
}

static const clg_impl impls[] = {
    { "gaussian_noise.cpu", CLG_CLASS_CPU, NULL, emit_cpu, NULL, false },
    { "gaussian_noise.gpu", CLG_CLASS_GPU, clg_random_fits_group, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_gaussian_noise = {
    .name = "gaussian_noise", .formula = "y = x + sigma z, z from N(0, 1)", .gradient = "gx = gy",
    .shapes = "x [S...], step [] -> [S...]", .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TRAIN_ONLY,
    .attr_size = sizeof(clg_random_attr), .infer = clg_random_infer, .ref = ref, .vjp = vjp, .cost = cost,
    .impls = impls };

clg_tensor *clg_gaussian_noise(clg_tensor *x, double sigma) {
    if (!x) return NULL;
    if (!(sigma >= 0 && isfinite(sigma)))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "gaussian_noise(%s, %g): sigma must be at least 0 and finite",
                              clg_tensor_name(x), sigma);
    return sigma == 0 ? x : clg_random_build(&clg_op_gaussian_noise, x, 0, sigma);
}

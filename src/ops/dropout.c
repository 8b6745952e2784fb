/* Dropout with a mask that is drawn, not stored: word of element i = word i % 4 of Philox4x32-10 at counter
 * (i / 4, step, node, 0) under the store's seed. step is the state "rng.step", which advances with each training run;
 * the backward pass is the same op with the same attributes on gy.
 * Sources: Srivastava et al. 2014 (dropout), Salmon et al. 2011 (Philox). */
#include "base/philox.h"
#include "graph/op.h"
#include "plan/emit.h"

typedef struct dropout_attr {
    uint32_t key[2];
    uint32_t node;      /* makes dropouts of one graph differ */
    uint32_t threshold; /* words below it drop their element: p 2^32 */
    double   scale;     /* 1 / (1 - p) */
} dropout_attr;

static clg_status infer(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const dropout_attr *const a = n->attr;
    uint32_t word[4] = { 0 };
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        const uint32_t counter[4] = { (uint32_t)(i / 4), (uint32_t)(int32_t)in[1][0], a->node, 0 };
        if (i % 4 == 0) clg_philox(counter, a->key, word);
        out[0][i] = word[i % 4] >= a->threshold ? in[0][i] * a->scale : 0;
    }
}

extern const clg_op clg_op_dropout;

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(&clg_op_dropout, n->attr, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 30.0 * (double)out_elems(n, 0)); }

enum { GROUP = 256, BLOCK = 64 };

static bool fits_group(const clg_node *n, const clg_device *d) {
    (void)n;
    const clg_device_caps *c = clg_device_get_caps(d);
    return c->max_group >= GROUP && c->max_item[0] >= GROUP;
}

static clg_status launch(clg_emit *e, const clg_node *node, const char *kernel, int64_t items, size_t local,
                         int64_t per) {
    const dropout_attr *const a = node->attr;
    const clg_tensor *const x = node->in[0], *const tick = node->in[1], *const y = node->out[0];
    const int64_t n = out_elems(node, 0);
    const int32_t key0 = (int32_t)a->key[0], key1 = (int32_t)a->key[1], threshold = (int32_t)a->threshold;
    const double scale = a->scale;
    clg_arg args[11] = { IN(x), IN(tick), OUT(y), LONG(n), INT(key0), INT(key1),
                         { .kind = CLG_ARG_INT, .name = "node", .u.i = (int32_t)a->node }, INT(threshold),
                         FLOAT(scale) }; /* the rest is zero, which is the end */
    if (per > 0) args[9] = (clg_arg)INT(per);
    if (n == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){ .kernel = kernel, .global = { (size_t)items, 1, 1 },
                                             .local = { local, 1, 1 }, .args = args });
}

/** Work-items of at least 16 blocks, at most 256 of them. */
static clg_status emit_cpu(clg_emit *e, const clg_node *n) {
    const int64_t blocks = (out_elems(n, 0) + BLOCK - 1) / BLOCK, even = (blocks + 255) / 256;
    const int64_t per = even > 16 ? even : 16;
    return launch(e, n, "dropout.blocks", (blocks + per - 1) / per, 1, per);
}

static clg_status emit_gpu(clg_emit *e, const clg_node *n) {
    return launch(e, n, "dropout.quads", (out_elems(n, 0) + 3) / 4, GROUP, 0);
}

static const clg_impl impls[] = {
    { "dropout.cpu", CLG_CLASS_CPU, NULL, emit_cpu, NULL, false },
    { "dropout.gpu", CLG_CLASS_GPU, fits_group, emit_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_dropout = { "dropout", "y = x / (1 - p) with probability 1 - p, else 0", "gx = gy under y's mask",
                                2, 2, 1, CLG_OP_TRAIN_ONLY, sizeof(dropout_attr), infer, ref, vjp, cost, NULL, NULL,
                                impls };

clg_tensor *clg_dropout(clg_tensor *x, double p) {
    if (!x || p == 0) return x;
    if (!(p > 0 && p < 1))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "dropout(%s, %g): the probability must be at least 0, below 1",
                              clg_tensor_name(x), p);
    const uint64_t seed = clg_graph_seed(x->graph);
    const dropout_attr attr = { { (uint32_t)seed, (uint32_t)(seed >> 32) }, clg_graph_next_random(x->graph),
                                (uint32_t)(p * 0x1p32), 1 / (1 - p) };
    clg_tensor *const step = clg_state(x->graph, "rng.step", CLG_I32, CLG_SCALAR, 0);
    return clg_node_build(&clg_op_dropout, &attr, (clg_tensor *const[]){ x, step }, 2);
}

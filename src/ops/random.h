/* What random rows share: the stream of random words of a node. Word of element i is word i % 4 of Philox4x32-10 at
 * counter (i / 4, step, node, 0) under the store's seed. step is the state "rng.step", operand 1 of every random row,
 * which advances with each training run. Source: Salmon et al. 2011. */
#ifndef CLG_OPS_RANDOM_H_
#define CLG_OPS_RANDOM_H_

#include "base/philox.h"
#include "graph/op.h"

typedef struct clg_random_attr {
    uint32_t key[2];
    uint32_t node;      /* makes random nodes of one graph differ */
    uint32_t threshold; /* dropout, flip: words below it drop their element, reflect their picture: p 2^32.
                           Shift: number of moves along an axis */
    double   factor;    /* dropout: 1 / (1 - p); noise: sigma; shift: -1 for the way back */
    int64_t  quads;     /* dropout of a part of the rows: counters of those before it */
} clg_random_attr;

/** A random row over x, with a stream of its own. */
static inline clg_tensor *clg_random_build(const clg_op *op, clg_tensor *x, uint32_t threshold, double factor) {
    const uint64_t seed = clg_graph_seed(x->graph);
    const clg_random_attr attr = { { (uint32_t)seed, (uint32_t)(seed >> 32) }, clg_graph_next_random(x->graph),
                                   threshold, factor, 0 };
    clg_tensor *const step = clg_state(x->graph, "rng.step", CLG_I32, CLG_SCALAR, 0);
    return clg_node_build(op, &attr, (clg_tensor *const[]){ x, step }, 2);
}

static inline clg_status clg_random_infer(clg_node *n) {
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floats; clg_cast() first");
    return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0));
}

/** The four words of the counter that element i belongs to. */
static inline void clg_random_words(const clg_random_attr *a, double step, int64_t i, uint32_t word[4]) {
    const uint32_t counter[4] = { (uint32_t)(i / 4 + a->quads), (uint32_t)(int32_t)step, a->node, 0 };
    clg_philox(counter, a->key, word);
}

enum { CLG_RANDOM_GROUP = 256, CLG_RANDOM_BLOCK = 64 };

static inline bool clg_random_fits_group(const clg_node *n, const clg_device *d) {
    (void)n;
    const clg_device_caps *c = clg_device_get_caps(d);
    return c->max_group >= CLG_RANDOM_GROUP && c->max_item[0] >= CLG_RANDOM_GROUP;
}

/** How many of n equal pieces a work-item of class cpu does: at least `least`, for at most 256 of them. */
static inline int64_t clg_random_per(int64_t n, int64_t least) {
    const int64_t even = (n + 255) / 256;
    return even > least ? even : least;
}

#endif /* CLG_OPS_RANDOM_H_ */

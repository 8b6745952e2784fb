/* Dropout of elements and of channels, with a mask that is drawn, not stored: what is random.h's word below a threshold
 * is dropped; the backward pass is the same op with the same attributes on gy.
 * Sources: Srivastava et al. 2014 (dropout), Tompson et al. 2015, arXiv 1411.4280 (of channels). */
#include "ops/random.h"
#include "plan/emit.h"

extern const clg_op clg_op_dropout, clg_op_dropout_channels;

/* Elements that share a word: one, or a plane of x [N,C,S...]. */
static int64_t element(const clg_node *n) {
    (void)n;
    return 1;
}

static int64_t plane(const clg_node *n) {
    const clg_shape s = in_shape(n, 0);
    int64_t size = 1;
    for (int d = 2; d < s.ndim; d++) size *= s.dim[d];
    return size;
}

static clg_status infer_channels(clg_node *n) {
    CLG_TRY(clg_random_infer(n));
    if (in_shape(n, 0).ndim < 2) return clg_fail_op(n, "x must have the axes [N,C,S...]");
    return CLG_OK;
}

static void ref_by(const clg_node *n, int64_t size, const double *const *in, double *const *out) {
    const clg_random_attr *const a = n->attr;
    uint32_t word[4] = { 0 };
    for (int64_t i = 0, elems = out_elems(n, 0); i < elems; i++) {
        clg_random_words(a, in[1][0], i / size, word);
        out[0][i] = word[i / size % 4] >= a->threshold ? in[0][i] * a->factor : 0;
    }
}

static void ref(const clg_node *n, const double *const *in, double *const *out) { ref_by(n, element(n), in, out); }
static void ref_channels(const clg_node *n, const double *const *in, double *const *out) {
    ref_by(n, plane(n), in, out);
}

static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(n->op, n->attr, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

/* Words of a row: elements, or planes. The mask of the whole is drawn where those before a part fill counters. */
static int64_t words(const clg_node *n) {
    const int64_t rows = in_dim(n, 0, 0), size = n->op == &clg_op_dropout ? element(n) : plane(n);
    return rows > 0 && size > 0 ? in_elems(n, 0) / size / rows : 0;
}

static enum clg_join join(const clg_node *n, const enum clg_join *in, int out) {
    return in_shape(n, 0).ndim > 0 && words(n) % 4 == 0 ? clg_join_first(n, in, out) : CLG_JOIN_NONE;
}

static bool part(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out) {
    clg_random_attr attr = *(const clg_random_attr *)n->attr;
    attr.quads += first * words(n) / 4;
    return clg_part_build(n, &attr, in, out);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 30.0 * (double)out_elems(n, 0)); }
static clg_cost cost_channels(const clg_node *n) { return cost_of(n, (double)out_elems(n, 0)); }

/* per: pieces of work an item; 0: the kernel takes none. size: elements a word; 1: the kernel takes none. */
static clg_status launch(clg_emit *e, const clg_node *node, const char *kernel, int64_t items, size_t local,
                         int64_t per, int64_t size) {
    const clg_random_attr *const a = node->attr;
    const clg_tensor *const x = node->in[0], *const tick = node->in[1], *const y = node->out[0];
    const int64_t n = out_elems(node, 0);
    const int32_t key0 = (int32_t)a->key[0], key1 = (int32_t)a->key[1], threshold = (int32_t)a->threshold;
    const double scale = a->factor;
    const int64_t quad = (int32_t)(uint32_t)a->quads;
    clg_arg args[13] = { IN(x), IN(tick), OUT(y), LONG(n), INT(key0), INT(key1),
                         { .kind = CLG_ARG_INT, .name = "node", .u.i = (int32_t)a->node }, INT(threshold),
                         FLOAT(scale), INT(quad) }; /* the rest is zero, which is the end */
    int n_args = 10;
    if (size != 1) args[n_args++] = (clg_arg)LONG(size);
    if (per > 0) args[n_args] = (clg_arg)INT(per);
    if (n == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){ .kernel = kernel, .global = { (size_t)items, 1, 1 },
                                             .local = { local, 1, 1 }, .args = args });
}

static clg_status emit_cpu(clg_emit *e, const clg_node *n) {
    const int64_t blocks = (out_elems(n, 0) + CLG_RANDOM_BLOCK - 1) / CLG_RANDOM_BLOCK;
    const int64_t per = clg_random_per(blocks, 16);
    return launch(e, n, "dropout.blocks", (blocks + per - 1) / per, 1, per, 1);
}

static clg_status emit_gpu(clg_emit *e, const clg_node *n) {
    return launch(e, n, "dropout.quads", (out_elems(n, 0) + 3) / 4, CLG_RANDOM_GROUP, 0, 1);
}

/* Planes of one element are elements. */
static clg_status emit_planes_cpu(clg_emit *e, const clg_node *n) {
    const int64_t size = plane(n), planes = size ? out_elems(n, 0) / size : 0;
    if (size == 1) return emit_cpu(e, n);
    const int64_t per = clg_random_per(planes, size ? 4096 / size + 1 : 1);
    return launch(e, n, "dropout.planes", (planes + per - 1) / per, 1, per, size);
}

static clg_status emit_planes_gpu(clg_emit *e, const clg_node *n) {
    const int64_t size = plane(n), planes = size ? out_elems(n, 0) / size : 0;
    if (size == 1) return emit_gpu(e, n);
    return launch(e, n, "dropout.group_planes", planes * CLG_RANDOM_GROUP, CLG_RANDOM_GROUP, 0, size);
}

static const clg_impl impls[] = {
    { "dropout.cpu", CLG_CLASS_CPU, NULL, emit_cpu, NULL, false },
    { "dropout.gpu", CLG_CLASS_GPU, clg_random_fits_group, emit_gpu, NULL, false },
    { 0 },
};

static const clg_impl channel_impls[] = {
    { "dropout_channels.cpu", CLG_CLASS_CPU, NULL, emit_planes_cpu, NULL, false },
    { "dropout_channels.gpu", CLG_CLASS_GPU, clg_random_fits_group, emit_planes_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_dropout = {
    .name = "dropout", .formula = "y = x / (1 - p) with probability 1 - p, else 0",
    .gradient = "gx = gy under y's mask", .shapes = "x [S...], step [] -> [S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TRAIN_ONLY, .attr_size = sizeof(clg_random_attr),
    .infer = clg_random_infer, .ref = ref, .vjp = vjp, .cost = cost, .join = join,
    .part = part, .impls = impls };

const clg_op clg_op_dropout_channels = {
    .name = "dropout_channels", .formula = "y[n,c] = x[n,c] / (1 - p) with probability 1 - p, else 0",
    .gradient = "gx = gy under y's mask", .shapes = "x [N,C,S...], step [] -> [N,C,S...]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TRAIN_ONLY, .attr_size = sizeof(clg_random_attr),
    .infer = infer_channels, .ref = ref_channels, .vjp = vjp, .cost = cost_channels, .join = join,
    .part = part, .impls = channel_impls };

static clg_tensor *build(const clg_op *op, clg_tensor *x, double p) {
    if (!x) return NULL;
    if (!(p >= 0 && p < 1))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "%s(%s, %g): the probability must be at least 0, below 1",
                              op->name, clg_tensor_name(x), p);
    return p == 0 ? x : clg_random_build(op, x, (uint32_t)(p * 0x1p32), 1 / (1 - p));
}

clg_tensor *clg_dropout(clg_tensor *x, double p) { return build(&clg_op_dropout, x, p); }
clg_tensor *clg_dropout_channels(clg_tensor *x, double p) { return build(&clg_op_dropout_channels, x, p); }

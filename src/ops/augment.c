/* Augmentation of pictures x [N,C,H,W], each in its own way: moves by whole pixels and reflections. They are drawn from
 * random.h's words, not stored: the gradient draws them again and takes them back. */
#include "ops/random.h"
#include "plan/emit.h"

/* What happens to a picture: pixel (i, j) comes from (i - down, j - right), or from (i, W - 1 - j). */
typedef struct pose {
    int64_t down, right;
    bool    mirrored;
} pose;

/* Words 2 n and 2 n + 1 of picture n, each times 2 s + 1 over 2^32, less s. */
static pose shift_of(const clg_random_attr *a, double step, int64_t picture) {
    uint32_t word[4] = { 0 };
    clg_random_words(a, step, 2 * picture, word);
    const int at = (int)(picture % 2) * 2;
    const int64_t span = a->threshold, way = a->factor < 0 ? -1 : 1;
    const int64_t down = (int64_t)(((uint64_t)word[at] * a->threshold) >> 32) - span / 2;
    const int64_t right = (int64_t)(((uint64_t)word[at + 1] * a->threshold) >> 32) - span / 2;
    return (pose){ way * down, way * right, false };
}

/* Word n of picture n is below the threshold. */
static pose flip_of(const clg_random_attr *a, double step, int64_t picture) {
    uint32_t word[4] = { 0 };
    clg_random_words(a, step, picture, word);
    return (pose){ 0, 0, word[picture % 4] < a->threshold };
}

static void ref_by(const clg_node *n, pose (*pose_of)(const clg_random_attr *, double, int64_t),
                   const double *const *in, double *const *out) {
    const int64_t c = out_dim(n, 0, 1), h = out_dim(n, 0, 2), w = out_dim(n, 0, 3);
    for (int64_t at = 0, elems = out_elems(n, 0); at < elems; at++) {
        const pose p = pose_of(n->attr, in[1][0], at / (c * h * w));
        const int64_t j = at % w, row = at / w, i = row % h - p.down, k = p.mirrored ? w - 1 - j : j - p.right;
        out[0][at] = i >= 0 && i < h && k >= 0 && k < w ? in[0][(row - p.down) * w + k] : 0;
    }
}

static void ref_shift(const clg_node *n, const double *const *in, double *const *out) { ref_by(n, shift_of, in, out); }
static void ref_flip(const clg_node *n, const double *const *in, double *const *out) { ref_by(n, flip_of, in, out); }

static clg_status infer(clg_node *n) {
    CLG_TRY(clg_random_infer(n));
    if (in_shape(n, 0).ndim != 4) return clg_fail_op(n, "x must be pictures with the axes [N,C,H,W]");
    return CLG_OK;
}

static clg_status infer_shift(clg_node *n) {
    const int64_t s = ((const clg_random_attr *)n->attr)->threshold / 2;
    CLG_TRY(infer(n));
    if (s >= in_dim(n, 0, 2) || s >= in_dim(n, 0, 3))
        return clg_fail_op(n, "a move by %lld pixels could leave nothing of a picture: give less than its height and "
                           "width", (long long)s);
    return CLG_OK;
}

static void vjp_shift(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_random_attr back = *(const clg_random_attr *)n->attr;
    back.factor = -back.factor;
    gx[0] = clg_node_build(n->op, &back, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static void vjp_flip(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    gx[0] = clg_node_build(n->op, n->attr, (clg_tensor *const[]){ gy[0], n->in[1] }, 2);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 0); }

/* --- kernels --- */

/* n: rows or elements. */
static clg_status launch(clg_emit *e, const clg_node *of, const char *kernel, int64_t n, int64_t items,
                         size_t local, int64_t per) {
    const clg_random_attr *const a = of->attr;
    const clg_tensor *const x = of->in[0], *const tick = of->in[1], *const y = of->out[0];
    const int32_t key0 = (int32_t)a->key[0], key1 = (int32_t)a->key[1], node = (int32_t)a->node;
    const int32_t limit = (int32_t)a->threshold, way = a->factor < 0 ? -1 : 1;
    const int64_t h = out_dim(of, 0, 2), w = out_dim(of, 0, 3), rows = out_dim(of, 0, 1) * h;
    if (n == 0) return CLG_OK;
    return clg_emit_launch(e, &(clg_launch){
        .kernel = kernel, .global = { (size_t)items, 1, 1 }, .local = { local, 1, 1 },
        .args = ARGS(IN(x), IN(tick), OUT(y), LONG(n), INT(key0), INT(key1), INT(node), INT(limit), INT(way),
                     LONG(rows), LONG(h), LONG(w), INT(per)) });
}

static clg_status emit_rows(clg_emit *e, const clg_node *node, const char *kernel) {
    const int64_t w = out_dim(node, 0, 3), rows = w ? out_elems(node, 0) / w : 0;
    const int64_t per = clg_random_per(rows, w ? 4096 / w + 1 : 1);
    return launch(e, node, kernel, rows, (rows + per - 1) / per, 1, per);
}

static clg_status emit_items(clg_emit *e, const clg_node *node, const char *kernel) {
    return launch(e, node, kernel, out_elems(node, 0), out_elems(node, 0), CLG_RANDOM_GROUP, 1);
}

static clg_status shift_cpu(clg_emit *e, const clg_node *n) { return emit_rows(e, n, "augment.shift_rows"); }
static clg_status shift_gpu(clg_emit *e, const clg_node *n) { return emit_items(e, n, "augment.shift_items"); }
static clg_status flip_cpu(clg_emit *e, const clg_node *n) { return emit_rows(e, n, "augment.flip_rows"); }
static clg_status flip_gpu(clg_emit *e, const clg_node *n) { return emit_items(e, n, "augment.flip_items"); }

static const clg_impl shift_impls[] = {
    { "random_shift.cpu", CLG_CLASS_CPU, NULL, shift_cpu, NULL, false },
    { "random_shift.gpu", CLG_CLASS_GPU, clg_random_fits_group, shift_gpu, NULL, false },
    { 0 },
};

static const clg_impl flip_impls[] = {
    { "random_flip.cpu", CLG_CLASS_CPU, NULL, flip_cpu, NULL, false },
    { "random_flip.gpu", CLG_CLASS_GPU, clg_random_fits_group, flip_gpu, NULL, false },
    { 0 },
};

const clg_op clg_op_random_shift = {
    .name = "random_shift",
    .formula = "y[n,c,i,j] = x[n,c,i-d_n,j-r_n], 0 outside; d_n, r_n uniform in -s .. s",
    .gradient = "gx[n,c,i,j] = gy[n,c,i+d_n,j+r_n], 0 outside", .shapes = "x [N,C,H,W], step [] -> [N,C,H,W]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TRAIN_ONLY, .attr_size = sizeof(clg_random_attr),
    .infer = infer_shift, .ref = ref_shift, .vjp = vjp_shift, .cost = cost, .impls = shift_impls };

const clg_op clg_op_random_flip = {
    .name = "random_flip", .formula = "y[n,c,i,j] = x[n,c,i,W-1-j] with probability p for each n, else x[n,c,i,j]",
    .gradient = "gx = gy, flipped likewise", .shapes = "x [N,C,H,W], step [] -> [N,C,H,W]",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TRAIN_ONLY, .attr_size = sizeof(clg_random_attr),
    .infer = infer, .ref = ref_flip, .vjp = vjp_flip, .cost = cost, .impls = flip_impls };

clg_tensor *clg_random_shift(clg_tensor *x, int64_t pixels) {
    if (!x) return NULL;
    if (pixels < 0 || pixels > INT32_MAX / 2)
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "random_shift(%s, %lld): the pixels must be at least 0, below "
                              "2^30", clg_tensor_name(x), (long long)pixels);
    return pixels == 0 ? x : clg_random_build(&clg_op_random_shift, x, (uint32_t)(2 * pixels + 1), 1);
}

clg_tensor *clg_random_flip(clg_tensor *x, double p) {
    if (!x) return NULL;
    if (!(p >= 0 && p < 1))
        return clg_graph_fail(x->graph, CLG_ERR_INVALID, "random_flip(%s, %g): the probability must be at least 0, "
                              "below 1", clg_tensor_name(x), p);
    return p == 0 ? x : clg_random_build(&clg_op_random_flip, x, (uint32_t)(p * 0x1p32), 1);
}

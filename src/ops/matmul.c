/* matmul: matrix products over the last two axes, batched and broadcast over the leading ones. Transposes of the
 * operands are flags of the row, so that neither the product nor its gradients ever move data for one. */
#include "ops/gemm.h"
#include "ops/move.h"

typedef struct attr {
    int32_t ta, tb;
} attr;

static const attr *attr_of(const clg_node *n) { return n->attr; }

typedef struct sizes {
    int64_t m, n, k;
} sizes;

static sizes sizes_of(const clg_node *n) {
    const attr *t = attr_of(n);
    const clg_shape a = in_shape(n, 0), b = in_shape(n, 1);
    return (sizes){a.dim[a.ndim - (t->ta ? 1 : 2)], b.dim[b.ndim - (t->tb ? 2 : 1)],
                   a.dim[a.ndim - (t->ta ? 2 : 1)]};
}

/* The leading axes. */
static clg_shape batch_shape(clg_shape s) {
    s.ndim -= 2;
    return s;
}

static clg_status infer(clg_node *n) {
    const clg_shape a = in_shape(n, 0), b = in_shape(n, 1);
    if (a.ndim < 2 || b.ndim < 2)
        return clg_fail_op(n, "wants matrices, with two axes or more; clg_reshape() makes a vector a row or a column");
    if (in_dtype(n, 0) != in_dtype(n, 1)) return clg_fail_op(n, "types differ; clg_cast() changes one");
    if (!clg_dtype_is_float(in_dtype(n, 0))) return clg_fail_op(n, "wants floating-point matrices");
    const attr *t = attr_of(n);
    const sizes s = sizes_of(n);
    if (b.dim[b.ndim - (t->tb ? 1 : 2)] != s.k) {
        const char *which[] = {"", " (of a transposed)", " (of b transposed)", " (of both transposed)"};
        return clg_fail_op(n, "inner sizes differ%s", which[(t->ta ? 1 : 0) + (t->tb ? 2 : 0)]);
    }
    clg_shape y;
    if (!clg_shape_broadcast(batch_shape(a), batch_shape(b), &y))
        return clg_fail_op(n, "leading axes do not broadcast");
    y.dim[y.ndim++] = s.m;
    y.dim[y.ndim++] = s.n;
    return set_out(n, 0, in_dtype(n, 0), y);
}

/* How the batch matrices of both operands follow each other: axes of the output, outermost first, with steps counted
 * in matrices. Axes that run on evenly in both operands are merged, so that nearly always one is left. */
typedef struct batches {
    int n;
    int64_t size[CLG_MAX_DIMS], a[CLG_MAX_DIMS], b[CLG_MAX_DIMS], c[CLG_MAX_DIMS];
} batches;

/* Steps of an operand along the batch axes of the output; 0 where it is stretched. */
static void batch_steps(clg_shape x, int ndim, int64_t *step) {
    int64_t matrices = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        const int axis = i - (ndim - x.ndim);
        const int64_t size = axis < 0 ? 1 : x.dim[axis];
        step[i] = size == 1 ? 0 : matrices;
        matrices *= size;
    }
}

static batches batches_of(const clg_node *n) {
    const clg_shape y = batch_shape(out_shape(n, 0));
    int64_t a[CLG_MAX_DIMS], b[CLG_MAX_DIMS];
    batch_steps(batch_shape(in_shape(n, 0)), y.ndim, a);
    batch_steps(batch_shape(in_shape(n, 1)), y.ndim, b);
    batches r = {0};
    for (int i = 0; i < y.ndim; i++) {
        if (y.dim[i] == 1) continue;
        const int last = r.n - 1;
        if (r.n > 0 && r.a[last] == a[i] * y.dim[i] && r.b[last] == b[i] * y.dim[i]) {
            r.size[last] *= y.dim[i];
        } else {
            r.size[r.n++] = y.dim[i];
        }
        r.a[r.n - 1] = a[i];
        r.b[r.n - 1] = b[i];
    }
    int64_t matrices = 1;
    for (int j = r.n - 1; j >= 0; j--) {
        r.c[j] = matrices;
        matrices *= r.size[j];
    }
    return r;
}

/* Which matrices of a, b and c belong to position i of the row-major order of all batch axes. */
static void batch_at(const batches *s, int64_t i, int64_t *a, int64_t *b, int64_t *c) {
    *a = *b = *c = 0;
    for (int j = s->n - 1; j >= 0; j--) {
        const int64_t at = i % s->size[j];
        *a += at * s->a[j];
        *b += at * s->b[j];
        *c += at * s->c[j];
        i /= s->size[j];
    }
}

static int64_t batch_count(const batches *s) {
    int64_t count = 1;
    for (int j = 0; j < s->n; j++) count *= s->size[j];
    return count;
}

static void ref(const clg_node *n, const double *const *in, double *const *out) {
    const attr *t = attr_of(n);
    const sizes s = sizes_of(n);
    const batches all = batches_of(n);
    const int64_t a_row = t->ta ? 1 : s.k, a_col = t->ta ? s.m : 1, b_row = t->tb ? 1 : s.n, b_col = t->tb ? s.k : 1;
    for (int64_t z = 0; z < batch_count(&all); z++) {
        int64_t a_at, b_at, c_at;
        batch_at(&all, z, &a_at, &b_at, &c_at);
        const double *a = in[0] + a_at * s.m * s.k, *b = in[1] + b_at * s.k * s.n;
        double *y = out[0] + c_at * s.m * s.n;
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                double sum = 0;
                for (int64_t k = 0; k < s.k; k++) sum += a[i * a_row + k * a_col] * b[k * b_row + j * b_col];
                y[i * s.n + j] = sum;
            }
    }
}

static clg_tensor *product(clg_tensor *a, bool ta, clg_tensor *b, bool tb) {
    const attr t = {ta, tb};
    return clg_node_build(&clg_op_matmul, &t, (clg_tensor *[]){a, b}, 2);
}

/* With y = op(a) op(b): the gradient of op(a) is gy op(b)^T, that of op(b) is op(a)^T gy; of a itself transposed if op
 * transposes. Each is one product with flags. */
static void vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    const attr *t = attr_of(n);
    clg_tensor *a = n->in[0], *b = n->in[1], *g = gy[0];
    if (!g) return;
    gx[0] = clg_sum_to(t->ta ? product(b, t->tb, g, true) : product(g, false, b, !t->tb), a->shape);
    gx[1] = clg_sum_to(t->tb ? product(g, true, a, t->ta) : product(a, !t->ta, g, false), b->shape);
}

static clg_cost cost(const clg_node *n) { return cost_of(n, 2.0 * (double)out_elems(n, 0) * (double)sizes_of(n).k); }

/* By the outermost axis of the batch, or by rows of op(a). */
static bool cut(const clg_node *n, clg_cut *c) {
    const clg_shape a = in_shape(n, 0), b = in_shape(n, 1);
    const bool batched = a.ndim > 2 && a.ndim == b.ndim && a.dim[0] == b.dim[0];
    if (!batched && (a.ndim != 2 || b.ndim != 2)) return false;
    *c = (clg_cut){.in = {!batched && attr_of(n)->ta ? 1 : 0, batched ? 0 : -1}, .out = 0};
    return true;
}

/* Rows of op(a) give rows of y. Where axis 0 is summed over in both, parts add up; where it is a batch axis of both, each
 * matrix stands for itself. */
static enum clg_join join(const clg_node *n, const enum clg_join *in, int out) {
    const int a = in_shape(n, 0).ndim, b = in_shape(n, 1).ndim;
    (void)out;
    if (in[0] != CLG_JOIN_ROWS) return CLG_JOIN_NONE;
    if (in[1] == CLG_JOIN_WHOLE && a > b) return CLG_JOIN_ROWS;
    if (in[1] == CLG_JOIN_WHOLE) return a == 2 && b == 2 && !attr_of(n)->ta ? CLG_JOIN_ROWS : CLG_JOIN_NONE;
    if (in[1] != CLG_JOIN_ROWS || a != b) return CLG_JOIN_NONE;
    return a > 2 ? CLG_JOIN_ROWS : attr_of(n)->ta && !attr_of(n)->tb ? CLG_JOIN_SUM : CLG_JOIN_NONE;
}

/* Emits by one of the kernels: one call for the longest batch axis, a loop over what could not be merged into it. */
static clg_status emit(clg_emit *e, const clg_node *n, clg_status (*by)(clg_emit *, const clg_emit_gemm_params *)) {
    const attr *t = attr_of(n);
    const sizes s = sizes_of(n);
    batches rest = batches_of(n);
    if (out_elems(n, 0) == 0) return CLG_OK;
    clg_emit_gemm_params p = {.ta = t->ta, .tb = t->tb, .m = s.m, .n = s.n, .k = s.k, .batch = 1,
        .a = n->in[0], .b = n->in[1], .c = n->out[0], .finish = rest.n <= 1};
    if (rest.n > 0) {
        int longest = 0;
        for (int j = 1; j < rest.n; j++)
            if (rest.size[j] > rest.size[longest]) longest = j;
        p.batch = rest.size[longest];
        p.a_stride = rest.a[longest] * s.m * s.k;
        p.b_stride = rest.b[longest] * s.k * s.n;
        p.c_stride = rest.c[longest] * s.m * s.n;
        rest.size[longest] = 1;
    }
    for (int64_t z = 0; z < batch_count(&rest); z++) {
        int64_t a_at, b_at, c_at;
        batch_at(&rest, z, &a_at, &b_at, &c_at);
        p.a_off = a_at * s.m * s.k;
        p.b_off = b_at * s.k * s.n;
        p.c_off = c_at * s.m * s.n;
        CLG_TRY(by(e, &p));
    }
    return CLG_OK;
}

static bool accept_own(const clg_node *n, const clg_device *d) {
    const sizes s = sizes_of(n);
    if (out_elems(n, 0) == 0) return true;
    return clg_gemm_fits(in_dtype(n, 0), s.m, s.n, s.k, clg_shape_elems(batch_shape(out_shape(n, 0))));
}

static bool accept_clblast(const clg_node *n, const clg_device *d) {
    const sizes s = sizes_of(n);
    const int64_t batch = clg_shape_elems(batch_shape(out_shape(n, 0)));
    return in_dtype(n, 0) == CLG_F32 && s.m > 0 && s.n > 0 && s.k > 0 && batch > 0 &&
        clg_emit_clblast_fits(d, s.m, s.n, s.k, batch);
}

static clg_status emit_tile_cpu(clg_emit *e, const clg_node *n) { return emit(e, n, clg_emit_gemm_cpu); }
static clg_status emit_tile_gpu(clg_emit *e, const clg_node *n) { return emit(e, n, clg_emit_gemm_gpu); }
static clg_status emit_clblast(clg_emit *e, const clg_node *n) { return emit(e, n, clg_emit_clblast); }

static const clg_impl impls[] = {
    {"matmul.tile_cpu", CLG_CLASS_CPU, accept_own, emit_tile_cpu, clg_gemm_cpu_knobs, false},
    {"matmul.clblast", CLG_CLASS_GPU, accept_clblast, emit_clblast, NULL, false},
    {"matmul.tile_gpu", CLG_CLASS_GPU, accept_own, emit_tile_gpu, clg_gemm_gpu_knobs, false},
    {0},
};

const clg_op clg_op_matmul = {
    .name = "matmul",
    .formula = "y[z,i,j] = sum over k of op(a)[z,i,k] op(b)[z,k,j]; op: as is, or the last two axes swapped",
    .shapes = "a [...,M,K], b [...,K,N] -> [...,M,N]; leading axes broadcast",
    .gradient = "g op(a) = gy op(b)^T, g op(b) = op(a)^T gy, summed over the batch axes that were stretched",
    .min_in = 2, .max_in = 2, .n_out = 1, .flags = CLG_OP_TAIL | CLG_OP_TAIL_ONCE,
    .attr_size = sizeof(attr),
    .infer = infer, .ref = ref, .vjp = vjp, .cost = cost, .cut = cut, .join = join,
    .impls = impls,
};

static clg_tensor *strip_transposes(clg_tensor *x, bool *flag) {
    for (; clg_is_transpose(x); x = x->node->in[0]) {
        x->passed_over = true;
        *flag = !*flag;
    }
    return x;
}

clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b) {
    bool ta = false, tb = false;
    a = strip_transposes(a, &ta);
    b = strip_transposes(b, &tb);
    /* Many matrices times one are one taller matrix times it; so the gradient of b is one product too. */
    if (a && b && !ta && a->shape.ndim > 2 && b->shape.ndim == 2 && a->dtype == b->dtype) {
        const clg_shape s = a->shape;
        const int64_t k = s.dim[s.ndim - 1], rows = clg_shape_elems(batch_shape(s)) * s.dim[s.ndim - 2];
        if (k == b->shape.dim[tb ? 1 : 0]) {
            clg_shape y = s;
            y.dim[s.ndim - 1] = b->shape.dim[tb ? 0 : 1];
            return clg_reshape(product(clg_reshape(a, CLG_SHAPE(rows, k)), false, b, tb), y);
        }
    }
    return product(a, ta, b, tb);
}

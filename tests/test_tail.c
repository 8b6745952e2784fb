/* Tails: chains behind products and convolutions give the same bits in the kernel that they follow as in kernels of
 * their own, and kernels take those that they can take. */
#include "support/plan.h"

/* --- the chains --- */

/* What stands behind y; c is an operand of the shape that the row of the table says. */
typedef clg_tensor *(*chain)(clg_tensor *y, clg_tensor *c);

static clg_tensor *add_relu(clg_tensor *y, clg_tensor *c) { return clg_relu(clg_add(y, c)); }
static clg_tensor *scale_shift(clg_tensor *y, clg_tensor *c) { return clg_add(clg_mul(y, c), c); }
static clg_tensor *masked(clg_tensor *y, clg_tensor *c) {
    clg_tensor *zero = clg_fill(clg_tensor_graph(y), clg_tensor_dtype(y), CLG_SCALAR, 0);
    return clg_where(clg_gt(c, zero), y, zero);
}
static clg_tensor *clipped(clg_tensor *y, clg_tensor *c) { return clg_scale(clg_clamp(clg_sub(c, y), 0, 6), 0.37); }
static clg_tensor *gelu(clg_tensor *y, clg_tensor *c) { return clg_gelu(clg_add(y, c)); }
static clg_tensor *whole(clg_tensor *y, clg_tensor *c) {
    return clg_mul(clg_cast(clg_cast(y, CLG_I32), clg_tensor_dtype(y)), c);
}
static clg_tensor *twice(clg_tensor *y, clg_tensor *c) { return clg_mul(clg_tanh(y), clg_add(y, c)); }
static clg_tensor *seen_also(clg_tensor *y, clg_tensor *c) { return clg_add(clg_max(y, CLG_ALL), clg_mul(y, c)); }
static clg_tensor *flattened(clg_tensor *y, clg_tensor *c) { return clg_relu(clg_add(clg_flatten(y, 1), c)); }

enum { SAME, UNIFORM, LAST, FIRST, SECOND, BOTH_FIRST, BUT_FIRST, BUT_LAST, FLAT };

static const struct { const char *name; chain make; int operand; bool fits[2]; } chains[] = {
    { "residual", add_relu, SAME, { true, true } },            /* fits: a matrix, planes */
    { "one", add_relu, UNIFORM, { true, true } },
    { "columns", add_relu, LAST, { true, false } },
    { "images", scale_shift, FIRST, { true, true } },
    { "channels", scale_shift, SECOND, { true, true } },
    { "planes", scale_shift, BOTH_FIRST, { true, true } },
    { "positions", scale_shift, BUT_FIRST, { true, true } },
    { "columns left out", add_relu, BUT_LAST, { true, false } },
    { "mask", masked, SAME, { true, true } },
    { "clip", clipped, SECOND, { true, true } },
    { "functions", gelu, SECOND, { true, true } },
    { "integers", whole, SAME, { true, true } },
    { "used twice", twice, SAME, { true, true } },
    { "read by others", seen_also, SAME, { false, false } },
    { "reshaped", flattened, FLAT, { false, false } },
};
enum { N_CHAINS = sizeof chains / sizeof *chains, MAX_ELEMS = 8192 };

static clg_shape operand_shape(clg_shape y, int kind) {
    clg_shape s = y;
    const int last = y.ndim - 1;
    for (int d = 0; d < y.ndim; d++) {
        const bool keep = kind == SAME || (kind == LAST && d == last) || (kind == FIRST && d == 0)
            || (kind == SECOND && d == 1) || (kind == BOTH_FIRST && d < 2) || (kind == BUT_FIRST && d > 0)
            || (kind == BUT_LAST && d != last);
        if (!keep) s.dim[d] = 1;
    }
    if (kind == FLAT) {
        s = (clg_shape){ .ndim = 1, .dim = { 1 } };
        for (int d = 1; d < y.ndim; d++) s.dim[0] *= y.dim[d];
    }
    return s;
}

/* --- the nodes before them --- */

static clg_tensor *product(clg_tensor *a, clg_tensor *b) { return clg_matmul(a, b); }
static clg_tensor *product_nt(clg_tensor *a, clg_tensor *b) { return clg_matmul(a, clg_transpose(b)); }
static clg_tensor *conv(clg_tensor *x, clg_tensor *w) {
    return clg_conv(x, w, NULL, clg_conv_params(.pad = { 1, 1 }));
}
static clg_tensor *conv_s2(clg_tensor *x, clg_tensor *w) {
    return clg_conv(x, w, NULL, clg_conv_params(.stride = { 2, 2 }, .groups = 2));
}
static clg_tensor *conv_1(clg_tensor *x, clg_tensor *w) { return clg_conv(x, w, NULL, NULL); }
static clg_tensor *up(clg_tensor *x, clg_tensor *w) { /* conv_bwd_data, a phase for each remainder */
    return clg_conv_transpose(x, w, NULL, clg_conv_transpose_params(.stride = { 2, 2 }));
}

/* gradients of pooling at x for gy */
static clg_tensor *pooled_back(clg_tensor *x, clg_tensor *y, clg_tensor *gy) {
    clg_tensor *gx = NULL;
    clg_vjp(y, gy, CLG_LIST(x), &gx);
    return gx;
}
static clg_tensor *max_back_2(clg_tensor *x, clg_tensor *gy) {
    return pooled_back(x, clg_max_pool(x, clg_pool_params(.kernel = { 2, 2 })), gy);
}
static clg_tensor *max_back_3(clg_tensor *x, clg_tensor *gy) {
    const clg_pool_params *p = clg_pool_params(.kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 });
    return pooled_back(x, clg_max_pool(x, p), gy);
}
static clg_tensor *max_back_apart(clg_tensor *x, clg_tensor *gy) { /* adds to cells: no tail */
    return pooled_back(x, clg_max_pool(x, clg_pool_params(.kernel = { 2, 2 }, .dilation = { 2, 2 })), gy);
}
static clg_tensor *avg_back_2(clg_tensor *x, clg_tensor *gy) {
    return pooled_back(x, clg_avg_pool(x, clg_pool_params(.kernel = { 2, 2 })), gy);
}

typedef struct head {
    const char *name, *impl;
    clg_tensor *(*make)(clg_tensor *, clg_tensor *);
    clg_shape in[2];
    bool takes; /* tails that suit its view */
    unsigned chains; /* bits: each is a program to build */
} head;

enum { ALL = (1 << N_CHAINS) - 1, FEW = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8, F64 = FEW | 1 << 11,
       ROWS = 1 << 4 | 1 << 8 }; /* of a view of rows, which takes others than planes do */

static const head heads[] = {
    { "matmul", "matmul.tile_cpu", product, { { 3, { 3, 7, 5 } }, { 3, { 3, 5, 70 } } }, true, FEW },
    { "matmul", "matmul.tile_cpu", product, { { 3, { 2, 13, 9 } }, { 3, { 2, 9, 17 } } }, true, ALL },
    { "matmul a row", "matmul.tile_cpu", product, { { 3, { 2, 1, 9 } }, { 3, { 2, 9, 33 } } }, true, FEW },
    { "matmul a b^T", "matmul.tile_cpu", product_nt, { { 3, { 2, 13, 9 } }, { 3, { 2, 21, 9 } } }, true, FEW },
    { "matmul gpu", "matmul.tile_gpu", product, { { 3, { 2, 13, 9 } }, { 3, { 2, 9, 17 } } }, true, FEW },
    { "conv", "conv.direct_cpu", conv, { { 4, { 2, 3, 9, 11 } }, { 4, { 5, 3, 3, 3 } } }, true, ALL },
    { "conv wino4", "conv.wino4_cpu", conv, { { 4, { 2, 3, 9, 11 } }, { 4, { 5, 3, 3, 3 } } }, true, FEW },
    { "conv wino2", "conv.wino2_cpu", conv, { { 4, { 2, 3, 9, 19 } }, { 4, { 5, 3, 3, 3 } } }, true, 1 << 4 },
    { "conv s2 g2", "conv.direct_cpu", conv_s2, { { 4, { 3, 4, 9, 21 } }, { 4, { 6, 2, 3, 3 } } }, true, FEW },
    { "conv lanes", "conv.lanes", conv, { { 4, { 1, 3, 5, 21 } }, { 4, { 20, 3, 3, 3 } } }, true, FEW },
    { "conv bands", "conv.bands", conv, { { 4, { 2, 3, 9, 11 } }, { 4, { 5, 3, 3, 3 } } }, true, FEW },
    { "conv wide bands", "conv.bands", conv, { { 4, { 1, 2, 2, 64 } }, { 4, { 6, 2, 3, 3 } } }, true, FEW },
    { "conv 1x1", "conv.pointwise", conv_1, { { 4, { 2, 6, 5, 7 } }, { 4, { 10, 6, 1, 1 } } }, true, FEW },
    { "conv gemm", "conv.gemm", conv, { { 4, { 2, 3, 5, 6 } }, { 4, { 5, 3, 3, 3 } } }, false, FEW },
    { "conv_bwd_data", "conv_bwd_data.direct_cpu", up, { { 4, { 2, 3, 5, 6 } }, { 4, { 3, 4, 3, 3 } } }, true, FEW },
    { "max pool back", "max_pool_bwd.cpu", max_back_2, { { 4, { 2, 3, 9, 11 } }, { 4, { 2, 3, 4, 5 } } }, true, ROWS },
    { "max pool 3 back", "max_pool_bwd.cpu", max_back_3, { { 4, { 2, 3, 9, 41 } }, { 4, { 2, 3, 5, 21 } } }, true,
      ROWS },
    { "max pool back by adding", "max_pool_bwd.cpu", max_back_apart, { { 4, { 1, 2, 5, 7 } }, { 4, { 1, 2, 2, 3 } } },
      false, 1 << 4 },
    { "max pool back gpu", "max_pool_bwd.gpu", max_back_2, { { 4, { 1, 2, 5, 7 } }, { 4, { 1, 2, 2, 3 } } }, true,
      ROWS },
    { "avg pool back", "avg_pool_bwd.cpu", avg_back_2, { { 4, { 2, 3, 8, 38 } }, { 4, { 2, 3, 4, 19 } } }, true, ROWS },
};

/* --- running --- */

typedef struct trial {
    clg_device *dev;
    clg_graph  *g;
    clg_tensor *in[N_CHAINS][3], *y[N_CHAINS];
    const char *name[N_CHAINS];
    int         n, own; /* chains; those that keep kernels of their own */
} trial;

static trial make_trial(const head *h, clg_dtype type) {
    trial t = { .dev = open_device(NULL) };
    t.g = clg_graph_create(t.dev, NULL);
    for (int c = 0; c < N_CHAINS; c++) {
        if (!(h->chains >> c & 1) || (type != CLG_F32 && !(F64 >> c & 1))) continue;
        const int i = t.n++;
        char name[3][16];
        for (int k = 0; k < 3; k++) snprintf(name[k], sizeof name[k], "%c%d", 'a' + k, i);
        for (int k = 0; k < 2; k++) t.in[i][k] = clg_input(t.g, name[k], type, h->in[k]);
        clg_tensor *y = h->make(t.in[i][0], t.in[i][1]);
        cr_assert_not_null(y, "%s", clg_error());
        t.in[i][2] = clg_input(t.g, name[2], type, operand_shape(clg_tensor_shape(y), chains[c].operand));
        t.y[i] = chains[c].make(y, t.in[i][2]);
        t.name[i] = chains[c].name;
        t.own += !h->takes || !chains[c].fits[clg_tensor_shape(y).ndim == 4];
    }
    return t;
}

static void fill(clg_plan *p, clg_tensor *in) {
    static float x[MAX_ELEMS];
    static double d[MAX_ELEMS];
    const int64_t n = elems(clg_tensor_shape(in));
    cr_assert(n <= MAX_ELEMS);
    fill_random(x, n);
    for (int64_t i = 0; i < n; i++) d[i] = x[i];
    OK(clg_write(p, in, clg_tensor_dtype(in) == CLG_F64 ? (void *)d : (void *)x, clg_tensor_bytes(in)));
}

static int count(const clg_plan *p, const char *word) {
    char *text = NULL;
    size_t size = 0;
    int n = 0;
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(p, CLG_REPORT_TEXT, f));
    fclose(f);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) n++;
    free(text);
    return n;
}

/* The results of all chains; returns the elementwise kernels of the plan. */
static int run(const trial *t, const clg_plan_params *params, char (*got)[MAX_ELEMS * 8]) {
    clg_plan *p = compile(t->g, (clg_list){ t->n, (clg_tensor **)t->y }, params);
    random_state = 3;
    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < 3; k++) fill(p, t->in[i][k]);
    OK(clg_run(p));
    for (int i = 0; i < t->n; i++) {
        cr_assert(clg_tensor_bytes(t->y[i]) <= sizeof *got);
        OK(clg_read(p, t->y[i], got[i], clg_tensor_bytes(t->y[i])));
    }
    const int kernels = count(p, "elementwise.");
    clg_plan_destroy(&p);
    return kernels;
}

static void check_head(const head *h, clg_dtype type) {
    static char want[N_CHAINS][MAX_ELEMS * 8], got[N_CHAINS][MAX_ELEMS * 8];
    trial t = make_trial(h, type);
    run(&t, clg_plan_params(.impl = h->impl, .no_fuse = true), want);
    const int kernels = run(&t, clg_plan_params(.impl = h->impl), got);
    for (int i = 0; i < t.n; i++)
        cr_assert_arr_eq(got[i], want[i], clg_tensor_bytes(t.y[i]), "%s behind %s (%s)", t.name[i], h->name, h->impl);
    cr_assert_eq(kernels, t.own, "%s: %d kernels of chains, not %d", h->name, kernels, t.own);
    clg_graph_destroy(&t.g);
    clg_device_destroy(&t.dev);
}

Test(tail, same_bits) {
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) check_head(&heads[i], CLG_F32);
}

Test(tail, doubles) {
    clg_device_info info;
    clg_device *dev = open_device(NULL);
    clg_device_get_info(dev, &info);
    clg_device_destroy(&dev);
    if (!info.fp64) cr_skip("no fp64");
    check_head(&heads[1], CLG_F64);
    check_head(&heads[8], CLG_F64);
}

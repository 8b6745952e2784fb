/* Convolutions of random shapes: every implementation of conv and of both gradients against the reference device,
 * exactly, since the values are small integers; transposed convolutions; products with im2col against conv. The case
 * table (src/check) has the named shapes; this finds what nobody thought of. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { CONV, TRANSPOSED, COLUMNS };

typedef struct random_case {
    enum kind kind; /* on the device; the reference computes COLUMNS by conv */
    clg_dtype type;
    int axes;
    bool bias;
    int64_t n, c, o;
    int64_t in[3], k[3], out_pad[3];
    clg_conv_params p;
} random_case;

static uint32_t state;

static uint32_t draw(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static int64_t between(int64_t low, int64_t high) { return low + draw() % (high - low + 1); }

/* Keeps a drawn axis possible. */
static void repair_axis(random_case *r, int a) {
    const int64_t pads = r->p.pad[a] + r->p.pad_end[a], reach = r->p.dilation[a] * (r->k[a] - 1);
    if (r->kind == TRANSPOSED) {
        if ((r->in[a] - 1) * r->p.stride[a] + reach >= pads) return;
        r->p.pad[a] = r->p.pad_end[a] = 0;
    } else if (between(0, 12) == 0 || r->in[a] + pads <= reach) {
        r->k[a] = r->in[a];
        r->p.dilation[a] = 1;
    }
}

/* Strides above the filter, dilation, padding on one side only, groups, depthwise, filters as large as the image. */
static random_case draw_case(enum kind kind, clg_dtype type) {
    static const int groups[] = { 1, 1, 1, 2, 3 }, size[] = { 70, 17, 7 };
    random_case r = { .kind = kind, .type = type, .axes = (int)between(1, 3), .bias = between(0, 1) };
    r.n = between(1, 3);
    r.p.groups = kind == COLUMNS ? 1 : groups[between(0, 4)];
    r.p.asymmetric = true;
    r.c = r.p.groups * between(1, 5);
    r.o = r.p.groups * between(1, between(0, 3) ? 7 : 20);
    if (between(0, 5) == 0 && kind != COLUMNS) {
        r.p.groups = r.c;
        r.o = r.c * between(1, 2);
    }
    for (int a = 0; a < r.axes; a++) {
        r.in[a] = between(1, size[r.axes - 1]);
        r.k[a] = between(1, between(0, 3) ? 3 : 6);
        r.p.stride[a] = between(0, 1) ? 1 : between(1, 4);
        r.p.dilation[a] = between(0, 2) ? 1 : between(1, 3);
        r.p.pad[a] = between(0, 1) ? 0 : between(0, 3);
        r.p.pad_end[a] = between(0, 1) ? r.p.pad[a] : between(0, 3);
        repair_axis(&r, a);
        const int64_t most = r.p.stride[a] > r.p.dilation[a] ? r.p.stride[a] : r.p.dilation[a];
        r.out_pad[a] = between(0, most - 1);
    }
    return r;
}

static void describe(const random_case *r, char *text, size_t size) {
    static const char *const kinds[] = { "conv", "transposed", "columns" };
    int at = snprintf(text, size, "%s %s n%lld c%lld o%lld g%lld bias %d", kinds[r->kind], clg_dtype_name(r->type),
                      (long long)r->n, (long long)r->c, (long long)r->o, (long long)r->p.groups, r->bias);
    for (int a = 0; a < r->axes && (size_t)at < size; a++)
        at += snprintf(text + at, size - (size_t)at, " (in %lld k %lld s %lld d %lld p %lld,%lld out %lld)",
                       (long long)r->in[a], (long long)r->k[a], (long long)r->p.stride[a], (long long)r->p.dilation[a],
                       (long long)r->p.pad[a], (long long)r->p.pad_end[a], (long long)r->out_pad[a]);
}

static clg_shape shape_of(int64_t d0, int64_t d1, const int64_t *size, int axes) {
    clg_shape s = { .ndim = axes + 2, .dim = { d0, d1 } };
    for (int i = 0; i < axes; i++) s.dim[2 + i] = size[i];
    return s;
}

static clg_tensor *transposed(const random_case *r, clg_tensor *x, clg_tensor *w, clg_tensor *b) {
    clg_conv_transpose_params p = { .asymmetric = true, .groups = r->p.groups };
    memcpy(p.stride, r->p.stride, sizeof p.stride);
    memcpy(p.dilation, r->p.dilation, sizeof p.dilation);
    memcpy(p.pad, r->p.pad, sizeof p.pad);
    memcpy(p.pad_end, r->p.pad_end, sizeof p.pad_end);
    memcpy(p.out_pad, r->out_pad, sizeof p.out_pad);
    return clg_conv_transpose(x, w, b, &p);
}

/* conv as a product: w [O, C K] times the columns [N, C K, Q], in the shape of y. */
static clg_tensor *by_columns(const random_case *r, clg_tensor *x, clg_tensor *w, clg_tensor *b) {
    clg_im2col_params p = { .asymmetric = true };
    int64_t taps = 1;
    for (int a = 0; a < r->axes; a++) taps *= p.kernel[a] = r->k[a];
    memcpy(p.stride, r->p.stride, sizeof p.stride);
    memcpy(p.dilation, r->p.dilation, sizeof p.dilation);
    memcpy(p.pad, r->p.pad, sizeof p.pad);
    memcpy(p.pad_end, r->p.pad_end, sizeof p.pad_end);
    clg_tensor *y = clg_matmul(clg_reshape(w, CLG_SHAPE(r->o, r->c * taps)), clg_im2col(x, &p));
    if (b) y = clg_add(y, clg_reshape(b, CLG_SHAPE(r->o, 1)));
    return clg_reshape(y, clg_tensor_shape(clg_conv(x, w, b, &r->p)));
}

static clg_tensor *build(const random_case *r, bool ref, clg_tensor *x, clg_tensor *w, clg_tensor *b) {
    if (r->kind == TRANSPOSED) return transposed(r, x, w, b);
    return r->kind == COLUMNS && !ref ? by_columns(r, x, w, b) : clg_conv(x, w, b, &r->p);
}

/* Fills an input with small integers. */
static bool fill(clg_plan *p, clg_tensor *t) {
    const size_t size = clg_tensor_bytes(t), n = size / clg_dtype_size(clg_tensor_dtype(t));
    void *v = malloc(size + 1);
    for (size_t k = 0; k < n; k++) {
        const int value = (int)between(-2, 2);
        if (clg_tensor_dtype(t) == CLG_F64) ((double *)v)[k] = value;
        else ((float *)v)[k] = (float)value;
    }
    const bool ok = clg_write(p, t, v, size) == CLG_OK;
    free(v);
    return ok;
}

enum { RESULTS = 4 }; /* y, gx, gw, and the gradient of sum(gx * gx) by gy: conv again */

/* Runs the case on a device; results are malloc'ed. */
static bool run_case(clg_device *d, bool ref, const random_case *r, const char *impl, uint32_t seed,
                     void *result[RESULTS], size_t bytes[RESULTS]) {
    const int64_t g = r->p.groups, w0 = r->kind == TRANSPOSED ? r->c : r->o, w1 = r->kind == TRANSPOSED ? r->o : r->c;
    clg_graph *graph = clg_graph_create(d, NULL);
    clg_tensor *in[4], *t[RESULTS];
    in[0] = clg_input(graph, "x", r->type, shape_of(r->n, r->c, r->in, r->axes));
    in[1] = clg_input(graph, "w", r->type, shape_of(w0, w1 / g, r->k, r->axes));
    in[2] = r->bias ? clg_input(graph, "b", r->type, CLG_SHAPE(r->o)) : NULL;
    t[0] = build(r, ref, in[0], in[1], in[2]);
    in[3] = clg_input(graph, "gy", r->type, clg_tensor_shape(t[0]));
    clg_vjp(t[0], in[3], CLG_LIST(in[0], in[1]), &t[1]);
    clg_vjp(t[1], t[1], CLG_LIST(in[3]), &t[3]);
    clg_plan *p = clg_compile(graph, (clg_list){ RESULTS, t }, clg_plan_params(.impl = impl));
    bool ok = p != NULL;
    state = seed;
    for (int i = 0; i < 4 && ok; i++)
        if (in[i]) ok = fill(p, in[i]);
    ok = ok && clg_run(p) == CLG_OK;
    for (int i = 0; i < RESULTS && ok; i++) {
        bytes[i] = clg_tensor_bytes(t[i]);
        result[i] = malloc(bytes[i] + 1);
        ok = clg_read(p, t[i], result[i], bytes[i]) == CLG_OK;
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&graph);
    return ok;
}

static double element(const void *v, clg_dtype t, size_t i) {
    return t == CLG_F64 ? ((const double *)v)[i] : (double)((const float *)v)[i];
}

/* Compares one case; says what differs. */
static void compare_case(clg_device *d, clg_device *ref, const random_case *r, const char *impl, uint32_t seed) {
    static const char *const what[RESULTS] = { "y", "gx", "gw", "second" };
    void *got[RESULTS] = { 0 }, *want[RESULTS] = { 0 };
    size_t bytes[RESULTS] = { 0 };
    char text[512];
    describe(r, text, sizeof text);
    const bool ran = run_case(ref, true, r, NULL, seed, want, bytes) && run_case(d, false, r, impl, seed, got, bytes);
    cr_expect(ran, "%s: %s: %s", impl ? impl : "", text, clg_error());
    for (int i = 0; i < RESULTS && ran; i++) {
        size_t wrong = 0;
        for (size_t k = 0; k < bytes[i] / clg_dtype_size(r->type); k++)
            wrong += element(got[i], r->type, k) != element(want[i], r->type, k);
        cr_expect_eq(wrong, 0, "%s: %s of %s: %zu values differ", impl ? impl : "", what[i], text, wrong);
    }
    for (int i = 0; i < RESULTS; i++) {
        free(got[i]);
        free(want[i]);
    }
}

static void sweep(enum kind kind, clg_dtype type, const char *impl, int cases, uint32_t seed) {
    clg_device *d = clg_device_open(NULL, NULL), *ref = clg_device_open("ref", NULL);
    cr_assert(d && ref, "%s", clg_error());
    clg_device_info info;
    clg_device_get_info(d, &info);
    if (type == CLG_F64 && !info.fp64) cr_skip_test("the device has no f64");
    for (int i = 0; i < cases; i++) {
        state = seed + (uint32_t)i;
        const random_case r = draw_case(kind, type);
        compare_case(d, ref, &r, impl, seed + (uint32_t)i);
    }
    clg_device_destroy(&ref);
    clg_device_destroy(&d);
}

#define ALL(impl) "conv." impl ",conv_bwd_data." impl ",conv_bwd_filter." impl
#define BANDS "conv.bands,conv_bwd_data.bands" /* where they accept */
#define LANES "conv.lanes,conv_bwd_filter.rows"

Test(conv, direct_cpu, .timeout = 300) { sweep(CONV, CLG_F32, ALL("direct_cpu"), 60, 1); }
Test(conv, bands, .timeout = 300) { sweep(CONV, CLG_F32, BANDS, 60, 5000); }
Test(conv, bands_f64, .timeout = 300) { sweep(CONV, CLG_F64, BANDS, 20, 5100); }
Test(conv, lanes, .timeout = 300) { sweep(CONV, CLG_F32, LANES, 60, 6000); }
Test(conv, direct_gpu, .timeout = 300) { sweep(CONV, CLG_F32, ALL("direct_gpu"), 40, 1000); }
Test(conv, gemm, .timeout = 300) { sweep(CONV, CLG_F32, ALL("gemm"), 40, 2000); }
Test(conv, direct_cpu_f64, .timeout = 300) { sweep(CONV, CLG_F64, ALL("direct_cpu"), 20, 100); }
Test(conv, direct_gpu_f64, .timeout = 300) { sweep(CONV, CLG_F64, ALL("direct_gpu"), 15, 1100); }
Test(conv, gemm_f64, .timeout = 300) { sweep(CONV, CLG_F64, ALL("gemm"), 15, 2100); }
Test(conv, transposed, .timeout = 300) { sweep(TRANSPOSED, CLG_F32, NULL, 40, 3000); }
Test(conv, transposed_gemm, .timeout = 300) { sweep(TRANSPOSED, CLG_F32, ALL("gemm"), 20, 3100); }
Test(conv, columns, .timeout = 300) { sweep(COLUMNS, CLG_F32, "im2col.cpu,col2im.cpu", 30, 4000); }
Test(conv, columns_gpu, .timeout = 300) { sweep(COLUMNS, CLG_F32, "im2col.gpu,col2im.gpu", 30, 4100); }
Test(conv, columns_f64, .timeout = 300) { sweep(COLUMNS, CLG_F64, NULL, 10, 4200); }

/* Large enough for several tiles, parts and runs of rows. */
Test(conv, large, .timeout = 300) {
    static const random_case cases[] = {
        { .axes = 2, .n = 3, .c = 2, .o = 9, .in = { 101, 67 }, .k = { 3, 5 }, .p = { .pad = { 1, 2 } } },
        { .axes = 2, .n = 2, .c = 3, .o = 17, .in = { 64, 64 }, .k = { 1, 1 }, .bias = true },
        { .axes = 2, .n = 5, .c = 4, .o = 8, .in = { 33, 90 }, .k = { 3, 3 }, .p = { .stride = { 2, 3 } } },
        { .axes = 1, .n = 2, .c = 3, .o = 4, .in = { 5000 }, .k = { 7 }, .p = { .dilation = { 4 }, .pad = { 9 } } },
        { .axes = 3, .n = 1, .c = 2, .o = 3, .in = { 12, 30, 20 }, .k = { 3, 3, 3 }, .p = { .pad = { 1, 1, 1 } } },
    };
    clg_device *d = clg_device_open(NULL, NULL), *ref = clg_device_open("ref", NULL);
    cr_assert(d && ref, "%s", clg_error());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        random_case r = cases[i];
        r.p.groups = 1;
        compare_case(d, ref, &r, ALL("direct_cpu"), 7);
        compare_case(d, ref, &r, BANDS, 7);
        compare_case(d, ref, &r, LANES, 7);
        compare_case(d, ref, &r, ALL("direct_gpu"), 7);
        compare_case(d, ref, &r, ALL("gemm"), 7);
    }
    /* a result above 32 MB, of rows in whole vectors, is stored past the caches */
    const random_case huge = { .axes = 2, .n = 1, .c = 1, .o = 8, .in = { 1030, 1024 }, .k = { 3, 3 },
                               .p = { .pad = { 1, 1 }, .groups = 1 } };
    compare_case(d, ref, &huge, BANDS, 7);
    /* and lines of one above 16 MB are claimed before; what comes from beyond a core's cache is asked for */
    compare_case(d, ref, &huge, ALL("direct_cpu"), 7);
    const random_case planes = { .axes = 2, .n = 5, .c = 240, .o = 240, .in = { 35, 35 }, .k = { 3, 3 },
                                 .p = { .pad = { 1, 1 }, .groups = 240 } };
    compare_case(d, ref, &planes, ALL("depthwise_cpu"), 7);
    const random_case filters = { .axes = 2, .n = 1, .c = 1031, .o = 1025, .in = { 32, 33 }, .k = { 1, 1 },
                                  .p = { .groups = 1 } };
    compare_case(d, ref, &filters, ALL("pointwise"), 7);
    clg_device_destroy(&ref);
    clg_device_destroy(&d);
}

/* --- one tap is a product of matrices --- */

static bool plan_has(clg_plan *p, const char *word) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert(f);
    const bool written = clg_plan_report(p, CLG_REPORT_JSON, f) == CLG_OK;
    fclose(f);
    const bool found = written && strstr(text, word) != NULL;
    free(text);
    return found;
}

/* w x[n] by matmul, and its gradients. */
static void product(clg_tensor *const in[3], int64_t n, int64_t c, int64_t o, int64_t q, clg_tensor *t[3]) {
    clg_tensor *w = clg_reshape(in[1], CLG_SHAPE(o, c)), *x = clg_reshape(in[0], CLG_SHAPE(n, c, q));
    clg_tensor *y = clg_matmul(w, x);
    t[0] = y;
    clg_vjp(y, clg_reshape(in[2], CLG_SHAPE(n, o, q)), CLG_LIST(in[0], in[1]), &t[1]);
}

static void check_pointwise(clg_device *d, int64_t n, int64_t c, int64_t o, int64_t h, int64_t w) {
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *in[3] = { clg_input(g, "x", CLG_F32, CLG_SHAPE(n, c, h, w)),
                          clg_input(g, "w", CLG_F32, CLG_SHAPE(o, c, 1, 1)),
                          clg_input(g, "gy", CLG_F32, CLG_SHAPE(n, o, h, w)) };
    clg_tensor *t[6] = { clg_conv(in[0], in[1], NULL, NULL) };
    clg_vjp(t[0], in[2], CLG_LIST(in[0], in[1]), &t[1]);
    product(in, n, c, o, h * w, t + 3);
    clg_plan *p = clg_compile(g, (clg_list){ 6, t }, NULL);
    cr_assert(p, "%s", clg_error());
    cr_expect(plan_has(p, "\"conv.pointwise\"") && plan_has(p, "\"conv_bwd_data.pointwise\"") &&
              plan_has(p, "\"conv_bwd_filter.pointwise\""), "another implementation was chosen");
    state = 5;
    for (int i = 0; i < 3; i++) cr_assert(fill(p, in[i]));
    cr_assert_eq(clg_run(p), CLG_OK);
    for (int i = 0; i < 3; i++) {
        const size_t bytes = clg_tensor_bytes(t[i]);
        void *got = malloc(bytes), *want = malloc(bytes);
        cr_assert(clg_read(p, t[i], got, bytes) == CLG_OK && clg_read(p, t[i + 3], want, bytes) == CLG_OK);
        cr_expect_arr_eq(got, want, bytes, "result %d of %lldx%lldx%lldx%lldx%lld", i, (long long)n, (long long)c,
                         (long long)o, (long long)h, (long long)w);
        free(got);
        free(want);
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

Test(conv, pointwise, .timeout = 120) {
    clg_device *d = clg_device_open(NULL, NULL);
    cr_assert_not_null(d);
    check_pointwise(d, 3, 5, 7, 4, 6);
    check_pointwise(d, 1, 17, 33, 9, 5);
    check_pointwise(d, 6, 20, 10, 1, 1); /* a dense layer */
    check_pointwise(d, 5, 40, 33, 2, 3); /* more weights than pixels */
    clg_device_destroy(&d);
}

/* --- modes --- */

/* A mode is nothing but its padding: both are the same node. */
Test(conv, modes) {
    static const struct {
        enum clg_pad_mode mode;
        int64_t size, k, stride, dilation, pad, pad_end, out;
    } rows[] = {
        { CLG_PAD_VALID, 8, 3, 1, 1, 0, 0, 6 },  { CLG_PAD_VALID, 8, 3, 2, 2, 0, 0, 2 },
        { CLG_PAD_SAME, 8, 3, 1, 1, 1, 1, 8 },   { CLG_PAD_SAME, 8, 4, 1, 1, 2, 1, 8 },
        { CLG_PAD_SAME, 8, 2, 1, 1, 1, 0, 8 },   { CLG_PAD_SAME, 8, 2, 1, 3, 2, 1, 8 },
        { CLG_PAD_SAME, 8, 3, 2, 1, 1, 0, 4 },   { CLG_PAD_SAME, 9, 3, 2, 1, 1, 1, 5 },
        { CLG_PAD_SAME, 9, 1, 2, 1, 0, 0, 5 },   { CLG_PAD_SAME, 7, 2, 5, 1, 0, 0, 2 },
        { CLG_PAD_SAME, 1, 6, 1, 1, 3, 2, 1 },   { CLG_PAD_FULL, 8, 3, 1, 1, 2, 2, 10 },
        { CLG_PAD_FULL, 8, 4, 3, 2, 6, 6, 5 },   { CLG_PAD_FULL, 8, 1, 1, 1, 0, 0, 8 },
    };
    clg_device *d = clg_device_open("ref", NULL);
    clg_graph *g = clg_graph_create(d, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char x_name[16], w_name[16];
        snprintf(x_name, sizeof x_name, "x%zu", i);
        snprintf(w_name, sizeof w_name, "w%zu", i);
        clg_tensor *x = clg_input(g, x_name, CLG_F32, CLG_SHAPE(1, 1, 5, rows[i].size));
        clg_tensor *w = clg_input(g, w_name, CLG_F32, CLG_SHAPE(1, 1, 1, rows[i].k));
        const clg_conv_params by_mode = { .mode = rows[i].mode, .stride = { 1, rows[i].stride },
                                          .dilation = { 1, rows[i].dilation } };
        const clg_conv_params by_pads = { .stride = { 1, rows[i].stride }, .dilation = { 1, rows[i].dilation },
                                          .pad = { 0, rows[i].pad }, .pad_end = { 0, rows[i].pad_end },
                                          .asymmetric = true };
        clg_tensor *y = clg_conv(x, w, NULL, &by_mode);
        cr_expect(y && y == clg_conv(x, w, NULL, &by_pads), "row %zu: %s", i, clg_error());
        if (y) cr_expect_eq(clg_tensor_shape(y).dim[3], rows[i].out, "row %zu", i);
    }
    clg_graph_destroy(&g);
    clg_device_destroy(&d);
}

/* The message names the op, the rule and the shapes. */
Test(conv, errors) {
    static const struct {
        clg_conv_params p;
        int64_t x[4], w[4];
        const char *rule;
    } bad[] = {
        { .x = { 1, 3, 8, 8 }, .w = { 4, 2, 3, 3 }, .rule = "filter has 2 input channels, but x has 3 in 1 group:" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 9, 3 }, .rule = "filter of 9 (dilation included) is larger" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .dilation = { 1, 4 } }, .rule = "filter of 9" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .pad = { -1 } }, .rule = "padding must not be negative" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .stride = { -2 } }, .rule = "stride must be positive" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .dilation = { -1 } }, .rule = "dilation must be positive" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .groups = 2 }, .rule = "groups = 2 must divide both 3" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .groups = -1 }, .rule = "groups must be positive" },
        { .x = { 1, 3, 8, 8 }, .w = { 4, 3, 3, 3 }, .p = { .pad = { INT64_MAX } }, .rule = "below 2^31" },
        { .x = { 1, 0, 8, 8 }, .w = { 4, 0, 3, 3 }, .rule = "at least one channel" },
    };
    clg_device *d = clg_device_open("ref", NULL);
    cr_assert_not_null(d);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clg_graph *g = clg_graph_create(d, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(bad[i].x[0], bad[i].x[1], bad[i].x[2], bad[i].x[3]));
        clg_tensor *w = clg_input(g, "w", CLG_F32, CLG_SHAPE(bad[i].w[0], bad[i].w[1], bad[i].w[2], bad[i].w[3]));
        cr_expect_null(clg_conv(x, w, NULL, &bad[i].p));
        cr_expect_eq(clg_graph_status(g), CLG_ERR_SHAPE);
        cr_expect(strstr(clg_error(), bad[i].rule) && strstr(clg_error(), "conv") && strstr(clg_error(), "w is f32["),
                  "case %zu: %s", i, clg_error());
        clg_graph_destroy(&g);
    }
    clg_device_destroy(&d);
}

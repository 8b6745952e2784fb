/* Convolutions of random shapes: every implementation of conv and of both gradients against the reference device,
 * exactly, since the values are small integers. The case table (src/check) has the named shapes; this finds what
 * nobody thought of. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct random_case {
    int axes;
    bool bias;
    int64_t n, c, o;
    int64_t in[3], k[3];
    clg_conv_params p;
} random_case;

static uint32_t state;

static uint32_t draw(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static int64_t between(int64_t low, int64_t high) { return low + draw() % (high - low + 1); }

/* Strides above the filter, dilation, padding on one side only, groups, depthwise, filters as large as the image. */
static random_case draw_case(void) {
    static const int groups[] = { 1, 1, 1, 2, 3 }, size[] = { 70, 17, 7 };
    random_case r = { .axes = (int)between(1, 3), .bias = between(0, 1), .n = between(1, 3) };
    r.p.groups = groups[between(0, 4)];
    r.p.asymmetric = true;
    r.c = r.p.groups * between(1, 5);
    r.o = r.p.groups * between(1, between(0, 3) ? 7 : 20);
    if (between(0, 5) == 0) {
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
        const int64_t padded = r.in[a] + r.p.pad[a] + r.p.pad_end[a];
        if (between(0, 12) != 0 && padded > r.p.dilation[a] * (r.k[a] - 1)) continue;
        r.k[a] = r.in[a];
        r.p.dilation[a] = 1;
    }
    return r;
}

static void describe(const random_case *r, char *text, size_t size) {
    int at = snprintf(text, size, "n%lld c%lld o%lld g%lld bias %d", (long long)r->n, (long long)r->c, (long long)r->o,
                      (long long)r->p.groups, r->bias);
    for (int a = 0; a < r->axes && (size_t)at < size; a++)
        at += snprintf(text + at, size - (size_t)at, " (in %lld k %lld s %lld d %lld p %lld,%lld)", (long long)r->in[a],
                       (long long)r->k[a], (long long)r->p.stride[a], (long long)r->p.dilation[a],
                       (long long)r->p.pad[a], (long long)r->p.pad_end[a]);
}

static clg_shape shape_of(int64_t d0, int64_t d1, const int64_t *size, int axes) {
    clg_shape s = { .ndim = axes + 2, .dim = { d0, d1 } };
    for (int i = 0; i < axes; i++) s.dim[2 + i] = size[i];
    return s;
}

enum { RESULTS = 4 }; /* y, gx, gw, and the gradient of sum(gx * gx) by gy: conv again */

/* Runs the case on a device; results are malloc'ed. */
static bool run_case(clg_device *d, const random_case *r, const char *impl, uint32_t seed, float *result[RESULTS],
                     size_t bytes[RESULTS]) {
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *in[4], *t[RESULTS];
    in[0] = clg_input(g, "x", CLG_F32, shape_of(r->n, r->c, r->in, r->axes));
    in[1] = clg_input(g, "w", CLG_F32, shape_of(r->o, r->c / r->p.groups, r->k, r->axes));
    in[2] = r->bias ? clg_input(g, "b", CLG_F32, CLG_SHAPE(r->o)) : NULL;
    t[0] = clg_conv(in[0], in[1], in[2], &r->p);
    in[3] = clg_input(g, "gy", CLG_F32, clg_tensor_shape(t[0]));
    clg_vjp(t[0], in[3], CLG_LIST(in[0], in[1]), &t[1]);
    clg_vjp(t[1], t[1], CLG_LIST(in[3]), &t[3]);
    clg_plan *p = clg_compile(g, (clg_list){ RESULTS, t }, clg_plan_params(.impl = impl));
    bool ok = p != NULL;
    state = seed;
    for (int i = 0; i < 4 && ok; i++) {
        if (!in[i]) continue;
        const size_t size = clg_tensor_bytes(in[i]);
        float *v = malloc(size);
        for (size_t k = 0; k < size / sizeof *v; k++) v[k] = (float)between(-2, 2);
        ok = clg_write(p, in[i], v, size) == CLG_OK;
        free(v);
    }
    ok = ok && clg_run(p) == CLG_OK;
    for (int i = 0; i < RESULTS && ok; i++) {
        bytes[i] = clg_tensor_bytes(t[i]);
        result[i] = malloc(bytes[i]);
        ok = clg_read(p, t[i], result[i], bytes[i]) == CLG_OK;
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    return ok;
}

/* Compares one case; says what differs. */
static void compare_case(clg_device *d, clg_device *ref, const random_case *r, const char *impl, uint32_t seed) {
    static const char *const what[RESULTS] = { "y", "gx", "gw", "second" };
    float *got[RESULTS] = { 0 }, *want[RESULTS] = { 0 };
    size_t bytes[RESULTS] = { 0 };
    char text[256];
    describe(r, text, sizeof text);
    const bool ran = run_case(ref, r, NULL, seed, want, bytes) && run_case(d, r, impl, seed, got, bytes);
    cr_expect(ran, "%s: %s: %s", impl, text, clg_error());
    for (int i = 0; i < RESULTS && ran; i++) {
        size_t wrong = 0;
        for (size_t k = 0; k < bytes[i] / sizeof(float); k++) wrong += got[i][k] != want[i][k];
        cr_expect_eq(wrong, 0, "%s: %s of %s: %zu values differ", impl, what[i], text, wrong);
    }
    for (int i = 0; i < RESULTS; i++) {
        free(got[i]);
        free(want[i]);
    }
}

static void sweep(const char *impl, int cases, uint32_t seed) {
    clg_device *d = clg_device_open(NULL, NULL), *ref = clg_device_open("ref", NULL);
    cr_assert(d && ref, "%s", clg_error());
    for (int i = 0; i < cases; i++) {
        state = seed + (uint32_t)i;
        const random_case r = draw_case();
        compare_case(d, ref, &r, impl, seed + (uint32_t)i);
    }
    clg_device_destroy(&ref);
    clg_device_destroy(&d);
}

Test(conv, direct_cpu, .timeout = 300) {
    sweep("conv.direct_cpu,conv_bwd_data.direct_cpu,conv_bwd_filter.direct_cpu", 60, 1);
}

Test(conv, direct_gpu, .timeout = 300) {
    sweep("conv.direct_gpu,conv_bwd_data.direct_gpu,conv_bwd_filter.direct_gpu", 40, 1000);
}

Test(conv, gemm, .timeout = 300) { sweep("conv.gemm,conv_bwd_data.gemm,conv_bwd_filter.gemm", 40, 2000); }

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
        compare_case(d, ref, &r, "conv.direct_cpu,conv_bwd_data.direct_cpu,conv_bwd_filter.direct_cpu", 7);
        compare_case(d, ref, &r, "conv.direct_gpu,conv_bwd_data.direct_gpu,conv_bwd_filter.direct_gpu", 7);
        compare_case(d, ref, &r, "conv.gemm,conv_bwd_data.gemm,conv_bwd_filter.gemm", 7);
    }
    clg_device_destroy(&ref);
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

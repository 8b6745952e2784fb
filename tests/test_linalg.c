/* Matrix products beyond the case table: every kernel in float64, at sizes that reach every path, against loops here;
 * sizes that do not fit the kernels' counters; dot, outer and einsum in float64. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clg_device *dev;
static clg_graph *g;

static void open_graph(void) {
    dev = clg_device_open(NULL, NULL);
    g = clg_graph_create(dev, NULL);
    cr_assert_not_null(g, "%s", clg_error());
}

static void close_graph(void) {
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

TestSuite(linalg, .init = open_graph, .fini = close_graph);

static bool has_f64(void) {
    clg_tensor *x = clg_input(g, "probe", CLG_F64, CLG_SHAPE(2)), *y = clg_exp(x);
    clg_plan *p = clg_compile(g, CLG_LIST(y), NULL);
    const bool yes = p != NULL;
    cr_assert(yes || clg_error_status() == CLG_ERR_UNSUP, "%s", clg_error());
    clg_plan_destroy(&p);
    return yes;
}

static double *whole_numbers(int64_t n, int seed) {
    double *x = malloc((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (double)((i * 7 + i / 5 * 3 + seed) % 9 - 4);
    return x;
}

/* 2^30 x stays a whole number in float64 only: what float32 computes somewhere would show. */
static void scale_up(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = x[i] * 0x1p30 + x[i];
}

typedef struct product {
    int64_t batch, m, n, k;
} product;

/* op(a) op(b) where both have a batch. */
static void check_product(const product *p, bool ta, bool tb, const char *impl) {
    const int64_t na = p->batch * p->m * p->k, nb = p->batch * p->k * p->n, nc = p->batch * p->m * p->n;
    double *a = whole_numbers(na, 1), *b = whole_numbers(nb, 5), *c = malloc((size_t)(nc + 1) * sizeof *c);
    char name[2][64];
    scale_up(a, na);
    for (int i = 0; i < 2; i++) snprintf(name[i], sizeof name[i], "%c %lld %lld %lld %lld %d%d %s", "ab"[i],
        (long long)p->batch, (long long)p->m, (long long)p->n, (long long)p->k, ta, tb, impl);
    const clg_shape of_a = ta ? CLG_SHAPE(p->batch, p->k, p->m) : CLG_SHAPE(p->batch, p->m, p->k);
    const clg_shape of_b = tb ? CLG_SHAPE(p->batch, p->n, p->k) : CLG_SHAPE(p->batch, p->k, p->n);
    clg_tensor *A = clg_input(g, name[0], CLG_F64, of_a), *B = clg_input(g, name[1], CLG_F64, of_b);
    clg_tensor *C = clg_matmul(ta ? clg_transpose(A) : A, tb ? clg_transpose(B) : B);
    clg_plan *plan = clg_compile(g, CLG_LIST(C), clg_plan_params(.impl = impl));
    cr_assert_not_null(plan, "%s: %s", name[0], clg_error());
    cr_assert_eq(clg_write(plan, A, a, clg_tensor_bytes(A)), CLG_OK);
    cr_assert_eq(clg_write(plan, B, b, clg_tensor_bytes(B)), CLG_OK);
    cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, C, c, clg_tensor_bytes(C)), CLG_OK);
    for (int64_t z = 0, at = 0; z < p->batch; z++)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++, at++) {
                double want = 0;
                for (int64_t k = 0; k < p->k; k++)
                    want += a[z * p->m * p->k + (ta ? k * p->m + i : i * p->k + k)] *
                        b[z * p->k * p->n + (tb ? j * p->k + k : k * p->n + j)];
                cr_assert_eq(c[at], want, "%s: %g, not %g at %lld,%lld", name[0], c[at], want, (long long)i,
                             (long long)j);
            }
    clg_plan_destroy(&plan);
    free(a);
    free(b);
    free(c);
}

Test(linalg, float64_by_every_kernel, .timeout = 300) {
    static const product sizes[] = {
        {1, 1, 1, 1},   {1, 5, 7, 3},     {2, 17, 33, 19}, {1, 70, 130, 37}, {1, 300, 40, 20}, {3, 1, 50, 35},
        {2, 64, 1, 33}, {1, 128, 4100, 64}, {1, 13, 16, 0},  {1, 2, 90, 16},
    };
    if (!has_f64()) cr_skip_test("the device has no double precision");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int t = 0; t < 4; t++) {
            if (sizes[i].n > 4000 && t != 0) continue; /* packing: for b as it is */
            check_product(&sizes[i], t & 1, t & 2, "matmul.tile_cpu");
            check_product(&sizes[i], t & 1, t & 2, "matmul.tile_gpu");
        }
}

Test(linalg, float64_of_composites) {
    if (!has_f64()) cr_skip_test("the device has no double precision");
    const double at[2] = {0x1p30 + 1, 3}, want[4] = {at[0] * at[0], at[0] * 3, at[0] * 3, 9};
    double have[4], dot, ein;
    clg_tensor *x = clg_input(g, "x", CLG_F64, CLG_SHAPE(2));
    clg_tensor *y[] = {clg_outer(x, x), clg_dot(x, x), clg_einsum("i,i->", CLG_LIST(x, x))};
    clg_plan *p = clg_compile(g, (clg_list){3, y}, NULL);
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_eq(clg_write(p, x, at, sizeof at), CLG_OK);
    cr_assert_eq(clg_run(p), CLG_OK);
    cr_assert_eq(clg_read(p, y[0], have, sizeof have), CLG_OK);
    cr_assert_eq(clg_read(p, y[1], &dot, sizeof dot), CLG_OK);
    cr_assert_eq(clg_read(p, y[2], &ein, sizeof ein), CLG_OK);
    for (int i = 0; i < 4; i++) cr_expect_eq(have[i], want[i]);
    cr_expect_eq(dot, fma(at[0], at[0], 9));
    cr_expect_eq(ein, fma(at[0], at[0], 9));
    clg_plan_destroy(&p);
}

/* The kernels count rows and columns in int: beyond that compiling says so, before any memory is asked for. */
Test(linalg, sizes_beyond_int_are_refused) {
    const int64_t big = ((int64_t)1 << 31) + 3;
    clg_tensor *tall = clg_input(g, "tall", CLG_F32, CLG_SHAPE(big, 1));
    clg_tensor *one = clg_input(g, "one", CLG_F32, CLG_SHAPE(1, 1));
    const struct {
        const char *name;
        clg_tensor *y;
    } rows[] = {
        {"m", clg_matmul(tall, one)},
        {"n", clg_matmul(one, clg_transpose(tall))},
        {"k", clg_matmul(clg_transpose(tall), tall)},
        {"batch", clg_matmul(clg_reshape(tall, CLG_SHAPE(big, 1, 1)), clg_reshape(tall, CLG_SHAPE(big, 1, 1)))},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clg_tensor *y = rows[i].y;
        cr_assert_not_null(y, "%s: %s", rows[i].name, clg_error());
        clg_plan *p = clg_compile(g, CLG_LIST(y), NULL);
        cr_expect_null(p, "%s", rows[i].name);
        cr_expect_eq(clg_error_status(), CLG_ERR_UNSUP, "%s: %s", rows[i].name, clg_error());
        cr_expect_not_null(strstr(clg_error(), "matmul"), "%s: %s", rows[i].name, clg_error());
    }
    /* the number of elements itself may not overflow either, and nothing to compute is nothing to refuse */
    clg_tensor *empty = clg_matmul(clg_input(g, "e", CLG_F32, CLG_SHAPE(big, 0)),
                                   clg_input(g, "f", CLG_F32, CLG_SHAPE(0, 0)));
    clg_plan *p = clg_compile(g, CLG_LIST(empty), NULL);
    cr_expect_not_null(p, "%s", clg_error());
    clg_plan_destroy(&p);
    cr_expect_null(clg_outer(clg_reshape(tall, CLG_SHAPE(big)), clg_reshape(tall, CLG_SHAPE(big))));
    cr_expect_eq(clg_graph_status(g), CLG_ERR_SHAPE);
    cr_expect_not_null(strstr(clg_error(), "more elements than can be addressed"), "%s", clg_error());
}

Test(linalg, einsum_takes_no_nonsense) {
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(2, 3));
    cr_expect_null(clg_einsum("ij->ji", CLG_LIST(NULL)), "NULL in gives NULL out");
    cr_expect_null(clg_einsum("", (clg_list){0, NULL}));
    cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
    cr_expect_eq(clg_graph_status(g), CLG_OK, "no graph to report to");
    cr_expect_eq(clg_einsum(" i j -> i j ", CLG_LIST(x)), x, "blanks do not count, and nothing is to be done");
    cr_expect_null(clg_einsum(NULL, CLG_LIST(x)));
    cr_expect_eq(clg_graph_status(g), CLG_ERR_INVALID);
}

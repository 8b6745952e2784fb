/* The numbers that an introductory course works out by hand for convolution and pooling (Zhang et al., "Dive into Deep
 * Learning", chapters 7.2 to 7.5), exactly, on the default device and on the reference. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MAX = 64 };

typedef struct example {
    const char *what;
    clg_shape   x, w, y;      /* images and filters; w.ndim 0: pooling */
    float       in[MAX], filter[MAX], out[MAX];
    clg_conv_params conv;
    clg_pool_params pool;
    bool        average;
} example;

#define S(...) {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}}
#define NINE {0, 1, 2, 3, 4, 5, 6, 7, 8}
#define TWICE_NINE {0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9}
#define EDGES /* ones with a black stripe over the columns 2 to 5 */                              \
    {1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1}

static const example table[] = {
    {"cross-correlation", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 2, 2), NINE, {0, 1, 2, 3}, {19, 25, 37, 43}},
    {"padding of 1", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 4, 4), NINE, {0, 1, 2, 3},
     {0, 3, 8, 4, 9, 19, 25, 10, 21, 37, 43, 16, 6, 7, 8, 0}, .conv = {.pad = {1, 1}}},
    {"strides 3 and 2", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 2, 2), NINE, {0, 1, 2, 3}, {0, 8, 6, 8},
     .conv = {.pad = {1, 1}, .stride = {3, 2}}},
    {"two channels in", S(1, 2, 3, 3), S(1, 2, 2, 2), S(1, 1, 2, 2), TWICE_NINE, {0, 1, 2, 3, 1, 2, 3, 4},
     {56, 72, 104, 120}},
    {"three channels out", S(1, 2, 3, 3), S(3, 2, 2, 2), S(1, 3, 2, 2), TWICE_NINE,
     {0, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 2, 3, 4, 5, 2, 3, 4, 5, 3, 4, 5, 6},
     {56, 72, 104, 120, 76, 100, 148, 172, 96, 128, 192, 224}},
    {"true convolution turns the filter", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 2, 2), NINE, {3, 2, 1, 0},
     {19, 25, 37, 43}, .conv = {.flip = true}},
    {"one axis", S(1, 1, 7), S(1, 1, 2), S(1, 1, 6), {0, 1, 2, 3, 4, 5, 6}, {1, 2}, {2, 5, 8, 11, 14, 17}},
    {"same size, even filter: more before than behind", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 3, 3), NINE, {0, 1, 2, 3},
     {0, 3, 8, 9, 19, 25, 21, 37, 43}, .conv = {.mode = CLG_PAD_SAME}},
    {"valid", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 2, 2), NINE, {0, 1, 2, 3}, {19, 25, 37, 43},
     .conv = {.mode = CLG_PAD_VALID}},
    {"full", S(1, 1, 3, 3), S(1, 1, 2, 2), S(1, 1, 4, 4), NINE, {0, 1, 2, 3},
     {0, 3, 8, 4, 9, 19, 25, 10, 21, 37, 43, 16, 6, 7, 8, 0}, .conv = {.mode = CLG_PAD_FULL}},
    {"vertical edges: white to black is 1, black to white is -1", S(1, 1, 4, 8), S(1, 1, 1, 2), S(1, 1, 4, 7), EDGES,
     {1, -1}, {0, 1, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, -1, 0}},
    {"a filter for vertical edges finds no horizontal ones", S(1, 1, 4, 3), S(1, 1, 1, 2), S(1, 1, 4, 2),
     {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, {1, -1}, {0}},
    {"max pooling", .x = S(1, 1, 3, 3), .y = S(1, 1, 2, 2), .in = NINE, .out = {4, 5, 7, 8},
     .pool = {.kernel = {2, 2}, .stride = {1, 1}}},
    {"average pooling", .x = S(1, 1, 3, 3), .y = S(1, 1, 2, 2), .in = NINE, .out = {2, 3, 5, 6}, .average = true,
     .pool = {.kernel = {2, 2}, .stride = {1, 1}}},
    {"pooling, windows side by side", .x = S(1, 1, 4, 4), .y = S(1, 1, 1, 1),
     .in = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, .out = {10}, .pool = {.kernel = {3, 3}}},
    {"pooling, padding 1 and stride 2", .x = S(1, 1, 4, 4), .y = S(1, 1, 2, 2),
     .in = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, .out = {5, 7, 13, 15},
     .pool = {.kernel = {3, 3}, .pad = {1, 1}, .stride = {2, 2}}},
};
enum { N_EXAMPLES = sizeof table / sizeof table[0] };

static void run_example(clg_device *dev, const char *device, const example *e) {
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_const(g, CLG_F32, e->x, e->in), *y;
    if (e->w.ndim > 0) y = clg_conv(x, clg_const(g, CLG_F32, e->w, e->filter), NULL, &e->conv);
    else y = e->average ? clg_avg_pool(x, &e->pool) : clg_max_pool(x, &e->pool);
    clg_plan *plan = clg_compile(g, CLG_LIST(y), NULL);
    float out[MAX];
    cr_assert_not_null(plan, "%s on %s: %s", e->what, device, clg_error());
    int n = 1;
    for (int i = 0; i < e->y.ndim; i++) n *= (int)e->y.dim[i];
    const clg_shape s = clg_tensor_shape(y);
    cr_assert(s.ndim == e->y.ndim && memcmp(s.dim, e->y.dim, sizeof *s.dim * (size_t)s.ndim) == 0, "%s: shape",
              e->what);
    cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, y, out, (size_t)n * sizeof *out), CLG_OK, "%s", clg_error());
    for (int i = 0; i < n; i++)
        cr_expect(out[i] == e->out[i], "%s on %s: element %d is %g, the course has %g", e->what, device, i, out[i],
                  e->out[i]);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

Test(course, numbers, .timeout = 300) {
    static const char *const devices[] = {NULL, "ref"};
    for (int d = 0; d < 2; d++) {
        clg_device *dev = clg_device_open(devices[d], NULL);
        cr_assert_not_null(dev, "%s", clg_error());
        for (int i = 0; i < N_EXAMPLES; i++) run_example(dev, devices[d] ? "ref" : "the device", &table[i]);
        clg_device_destroy(&dev);
    }
}

/* An edge between columns `at` - 1 and `at`: where the filter fires, and where that is seen after 2 x 2 max pooling. */
static void find_edge(clg_device *dev, int at, float fires[4][4], float pooled[3][3]) {
    clg_graph *g = clg_graph_create(dev, NULL);
    float picture[4][5], filter[2] = {1, -1};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 5; j++) picture[i][j] = j < at;
    clg_tensor *x = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 4, 5), picture);
    clg_tensor *y = clg_conv(x, clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 1, 2), filter), NULL, NULL);
    clg_tensor *z = clg_max_pool(y, clg_pool_params(.kernel = {2, 2}, .stride = {1, 1}));
    clg_plan *plan = clg_compile(g, CLG_LIST(y, z), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, y, fires, sizeof(float[4][4])), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, z, pooled, sizeof(float[3][3])), CLG_OK, "%s", clg_error());
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

/* The filter's answer moves with the edge; after pooling a place still answers when the edge has moved by one pixel. */
Test(course, pooling_tolerates_a_shift, .timeout = 120) {
    float fires[4][4], moved[4][4], pooled[3][3], pooled_moved[3][3];
    clg_device *dev = clg_device_open(NULL, NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    find_edge(dev, 2, fires, pooled);
    find_edge(dev, 3, moved, pooled_moved);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            cr_expect(fires[i][j] == (j == 1), "%d %d", i, j);
            cr_expect(moved[i][j] == (j == 2), "%d %d", i, j);
        }
    for (int i = 0; i < 3; i++) {
        const float before[] = {1, 1, 0}, after[] = {0, 1, 1};
        for (int j = 0; j < 3; j++) {
            cr_expect(pooled[i][j] == before[j], "%d %d", i, j);
            cr_expect(pooled_moved[i][j] == after[j], "%d %d", i, j);
        }
        cr_expect(pooled[i][1] == 1 && pooled_moved[i][1] == 1, "column 1 sees the edge in both pictures");
    }
    clg_device_destroy(&dev);
}

/* Learning the edge filter from its answers: gradient descent on the squared error finds 1, -1. */
Test(course, the_edge_filter_is_learnt, .timeout = 120) {
    static const float picture[] = EDGES;
    float answer[4][7] = {{0}}, w[2], loss;
    for (int i = 0; i < 4; i++) answer[i][1] = 1, answer[i][5] = -1;
    clg_device *dev = clg_device_open(NULL, NULL);
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 4, 8), picture);
    clg_tensor *filter = clg_param(g, "filter", CLG_F32, CLG_SHAPE(1, 1, 1, 2), CLG_INIT_NORMAL);
    clg_tensor *y = clg_conv(x, filter, NULL, NULL);
    clg_tensor *l = clg_sum(clg_square(clg_sub(y, clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 4, 7), answer))), CLG_ALL);
    clg_tensor *step = clg_sgd(l, clg_optim_params(.lr = 0.03));
    clg_plan *plan = clg_compile(g, CLG_LIST(l, step), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    for (int i = 0; i < 40; i++) cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_read(plan, l, &loss, sizeof loss), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_read(store, "filter", w, sizeof w), CLG_OK, "%s", clg_error());
    cr_expect(fabsf(w[0] - 1) < 0.02f && fabsf(w[1] + 1) < 0.02f, "%g %g after loss %g", w[0], w[1], loss);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

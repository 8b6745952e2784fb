/* Convolution: a filter that finds edges, the same filter learned from its answers, sizes by padding and stride, and
 * channels. Writes convolution.svg into the folder given, else the present one. */
#include "chapter.h"

enum { H = 6, W = 8, SIDE = 28 };

/* White, with a black stripe over the columns 2 to 5. */
static float stripe[H][W];

static clg_tensor *picture_of(clg_graph *g) { return clg_const(g, CLG_F32, CLG_SHAPE(1, 1, H, W), stripe); }

static void print_rows(const char *what, const float *y, int rows, int columns) {
    printf("%s\n", what);
    for (int i = 0; i < rows; i++, printf("\n"))
        for (int j = 0; j < columns; j++) printf("%3g", y[i * columns + j] + 0.0f); /* + 0: no -0 */
}

/* The filter (1, -1) answers where white becomes black, with the opposite sign where black becomes white, and not at
 * all where nothing changes from left to right. */
static void find_edges(clg_device *dev, float edges[H][W - 1]) {
    static const float filter[2] = {1, -1};
    float turned[W][H - 1];
    bool here = true, there = true;
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = picture_of(g), *w = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 1, 2), filter);
    clg_tensor *y = clg_conv(x, w, NULL, NULL), *z = clg_conv(clg_transpose(x), w, NULL, NULL);
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(y, z), NULL));
    must(clg_run(plan));
    must(clg_read(plan, y, edges, sizeof(float[H][W - 1])));
    must(clg_read(plan, z, turned, sizeof turned));
    print_rows("the picture", stripe[0], 1, W);
    print_rows("the filter (1, -1) on it", edges[0], 1, W - 1);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W - 1; j++) here = here && edges[i][j] == (j == 1 ? 1 : j == 5 ? -1 : 0);
    for (int i = 0; i < W; i++)
        for (int j = 0; j < H - 1; j++) there = there && turned[i][j] == 0;
    claim(here, "it answers 1 where white becomes black, -1 where black becomes white, else 0");
    claim(there, "on the picture turned by 90 degrees, whose edges lie level, it answers 0 everywhere");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

/* Gradient descent on the squared error finds the filter from picture and answers. */
static void learn_filter(clg_device *dev, float edges[H][W - 1]) {
    float w[2], loss = 0;
    clg_store  *store = need(clg_store_create(dev, 3));
    clg_graph  *g = clg_graph_create(dev, store);
    clg_tensor *filter = clg_param(g, "filter", CLG_F32, CLG_SHAPE(1, 1, 1, 2), CLG_INIT_NORMAL);
    clg_tensor *target = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, H, W - 1), edges);
    clg_tensor *l = clg_sum(clg_square(clg_sub(clg_conv(picture_of(g), filter, NULL, NULL), target)), CLG_ALL);
    clg_plan   *step = need(clg_compile(g, CLG_LIST(l, clg_sgd(l, clg_optim_params(.lr = 0.02))), NULL));
    printf("\nlearning the filter from the answers\n");
    for (int i = 1; i <= 20; i++) {
        must(clg_run(step));
        must(clg_read(step, l, &loss, sizeof loss));
        must(clg_store_read(store, "filter", w, sizeof w));
        if (i % 5 == 0) printf("step %2d  squared error %8.4f  filter (%.4f, %.4f)\n", i, loss, w[0], w[1]);
    }
    claim(fabsf(w[0] - 1) < 0.02f && fabsf(w[1] + 1) < 0.02f, "20 steps of gradient descent find the filter (1, -1)");
    clg_plan_destroy(&step);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
}

/* floor((n + 2 p - k) / s) + 1 along each axis. */
static void sizes(clg_device *dev) {
    static const struct { int64_t k[2], p[2], s[2]; } rows[] = {
        {{3, 3}, {0, 0}, {1, 1}}, {{3, 3}, {1, 1}, {1, 1}}, {{5, 3}, {2, 1}, {1, 1}}, {{3, 3}, {1, 1}, {2, 2}},
        {{3, 5}, {0, 1}, {3, 4}},
    };
    bool all = true;
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_fill(g, CLG_F32, CLG_SHAPE(1, 1, 8, 8), 1);
    printf("\nsizes of the result for a picture of 8 x 8\nfilter  padding  stride  result\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t *k = rows[i].k, *p = rows[i].p, *s = rows[i].s;
        const clg_conv_params params = { .pad = {p[0], p[1]}, .stride = {s[0], s[1]} };
        clg_tensor *w = clg_fill(g, CLG_F32, CLG_SHAPE(1, 1, k[0], k[1]), 1);
        const clg_shape y = clg_tensor_shape(clg_conv(x, w, NULL, &params));
        printf(" %lld x %lld   %lld x %lld    %lld x %lld   %lld x %lld\n", (long long)k[0], (long long)k[1],
               (long long)p[0], (long long)p[1], (long long)s[0], (long long)s[1], (long long)y.dim[2],
               (long long)y.dim[3]);
        for (int a = 0; a < 2; a++) all = all && y.dim[2 + a] == (8 + 2 * p[a] - k[a]) / s[a] + 1;
    }
    claim(all, "each side is floor((8 + 2 padding - filter) / stride) + 1");
    clg_graph_destroy(&g);
}

/* Many channels in: one filter for each, and the sum; a filter of one pixel is a product of matrices. */
static void channels(clg_device *dev) {
    float x[2][3][3], w[2][2][2] = {{{0, 1}, {2, 3}}, {{1, 2}, {3, 4}}}, mix[3][2] = {{1, 0}, {0, 1}, {1, 2}};
    float sum[4], one[4], other[4], mixed[3][9];
    bool add = true, product = true;
    for (int i = 0; i < 9; i++) x[0][i / 3][i % 3] = (float)i, x[1][i / 3][i % 3] = (float)i + 1;
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *tx = clg_const(g, CLG_F32, CLG_SHAPE(1, 2, 3, 3), x);
    clg_tensor *tw = clg_const(g, CLG_F32, CLG_SHAPE(1, 2, 2, 2), w);
    clg_tensor *y = clg_conv(tx, tw, NULL, NULL);
    clg_tensor *y0 = clg_conv(clg_slice(tx, 1, 0, 1, 1), clg_slice(tw, 1, 0, 1, 1), NULL, NULL);
    clg_tensor *y1 = clg_conv(clg_slice(tx, 1, 1, 2, 1), clg_slice(tw, 1, 1, 2, 1), NULL, NULL);
    clg_tensor *m = clg_conv(tx, clg_const(g, CLG_F32, CLG_SHAPE(3, 2, 1, 1), mix), NULL, NULL);
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(y, y0, y1, m), NULL));
    must(clg_run(plan));
    must(clg_read(plan, y, sum, sizeof sum));
    must(clg_read(plan, y0, one, sizeof one));
    must(clg_read(plan, y1, other, sizeof other));
    must(clg_read(plan, m, mixed, sizeof mixed));
    printf("\ntwo channels in: (%g, %g, %g, %g) + (%g, %g, %g, %g) = (%g, %g, %g, %g)\n", one[0], one[1], one[2],
           one[3], other[0], other[1], other[2], other[3], sum[0], sum[1], sum[2], sum[3]);
    for (int i = 0; i < 4; i++) add = add && sum[i] == one[i] + other[i];
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < 9; i++)
            product = product && mixed[o][i] == mix[o][0] * x[0][i / 3][i % 3] + mix[o][1] * x[1][i / 3][i % 3];
    claim(add, "a convolution of many channels is the sum over the channels");
    claim(product, "three filters of 1 x 1 are a 3 x 2 matrix for each pixel");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

/* A digit through three filters of Sobel's kind, for the picture. */
static void edges_of_a_digit(clg_device *dev, const char *folder) {
    static const float sobel[2][9] = {{1, 0, -1, 2, 0, -2, 1, 0, -1}, {1, 2, 1, 0, 0, 0, -1, -2, -1}};
    static float tiles[3][SIDE * SIDE];
    const char *const caption[] = {"a digit", "left, right edges", "upper, lower"};
    clg_dataset *digits = need(clg_dataset_open("digits", CLG_TEST));
    must(clg_dataset_item(digits, 0, tiles[0], NULL));
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, SIDE, SIDE), tiles[0]);
    clg_tensor *w = clg_const(g, CLG_F32, CLG_SHAPE(2, 1, 3, 3), sobel);
    clg_tensor *y = clg_conv(x, w, NULL, clg_conv_params(.pad = {1, 1}));
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(y), NULL));
    must(clg_run(plan));
    must(clg_read(plan, y, tiles[1], 2 * sizeof tiles[0]));
    picture(clg_figure_tiles("a digit, and its edges by two filters of 3 x 3", &(clg_tiles_params){
        .plane = tiles[0], .n = 3, .h = SIDE, .w = SIDE, .columns = 3, .diverging = true, .caption = caption}), folder,
        "convolution");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_dataset_destroy(&digits);
}

int main(int argc, char **argv) {
    float edges[H][W - 1];
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W; j++) stripe[i][j] = j < 2 || j > 5;
    clg_device *dev = need(clg_device_open(NULL, NULL));
    find_edges(dev, edges);
    learn_filter(dev, edges);
    sizes(dev);
    channels(dev);
    edges_of_a_digit(dev, chapter_folder(argc, argv));
    clg_device_destroy(&dev);
    return chapter_end();
}

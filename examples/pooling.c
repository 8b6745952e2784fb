/* Pooling: maximum and mean of windows, sizes, and what it is for: an answer that tolerates a shift of the picture.
 * Writes pooling.svg into the folder given, else the present one. */
#include "chapter.h"

#include <string.h>

enum { PICTURES = 100, SIDE = 28, ALL = PICTURES * SIDE * SIDE, WINDOWS = 3 };

/* Windows of 2 x 2, one pixel apart, and windows of 3 x 3 with padding and stride. */
static void by_numbers(clg_device *dev) {
    const float x[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    float most[4], mean[4], strided[4], block[16];
    for (int i = 0; i < 16; i++) block[i] = (float)i;
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *tx = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 3, 3), x);
    clg_tensor *tb = clg_const(g, CLG_F32, CLG_SHAPE(1, 1, 4, 4), block);
    clg_tensor *ym = clg_max_pool(tx, clg_pool_params(.kernel = {2, 2}, .stride = {1, 1}));
    clg_tensor *ya = clg_avg_pool(tx, clg_pool_params(.kernel = {2, 2}, .stride = {1, 1}));
    clg_tensor *ys = clg_max_pool(tb, clg_pool_params(.kernel = {3, 3}, .pad = {1, 1}, .stride = {2, 2}));
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(ym, ya, ys), NULL));
    must(clg_run(plan));
    must(clg_read(plan, ym, most, sizeof most));
    must(clg_read(plan, ya, mean, sizeof mean));
    must(clg_read(plan, ys, strided, sizeof strided));
    printf("0 1 2   max  %g %g   mean %g %g\n3 4 5        %g %g        %g %g\n6 7 8\n", most[0], most[1], mean[0],
           mean[1], most[2], most[3], mean[2], mean[3]);
    bool right = strided[0] == 5 && strided[1] == 7 && strided[2] == 13 && strided[3] == 15;
    for (int i = 0; i < 4; i++) {
        const float at = x[i / 2 * 3 + i % 2];
        right = right && most[i] == at + 4 && mean[i] == at + 2;
    }
    claim(right, "each cell is the maximum, or the mean, of its 2 x 2 window");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

/* The digits, and the same moved one pixel to the right. */
static void load(float *here, float *moved) {
    clg_dataset *digits = need(clg_dataset_open("digits", CLG_TRAIN));
    for (int i = 0; i < PICTURES; i++) {
        float *x = here + i * SIDE * SIDE, *y = moved + i * SIDE * SIDE;
        must(clg_dataset_item(digits, i, x, NULL));
        for (int j = 0; j < SIDE * SIDE; j++) y[j] = j % SIDE ? x[j - 1] : 0;
    }
    clg_dataset_destroy(&digits);
}

/* How much of the answer changes: sum |a - b| / sum |a|. */
static double change(const float *a, const float *b, size_t n) {
    double apart = 0, all = 0;
    for (size_t i = 0; i < n; i++) apart += fabs((double)a[i] - b[i]), all += fabs((double)a[i]);
    return apart / all;
}

/* Left and right edges, as a filter finds them; of each window the strongest. */
static clg_tensor *pooled_edges(clg_tensor *x, int64_t window) {
    static const float sobel[9] = {1, 0, -1, 2, 0, -2, 1, 0, -1};
    clg_tensor *w = clg_const(clg_tensor_graph(x), CLG_F32, CLG_SHAPE(1, 1, 3, 3), sobel);
    clg_tensor *edges = clg_abs(clg_conv(x, w, NULL, clg_conv_params(.pad = {1, 1})));
    return window == 1 ? edges : clg_max_pool(edges, clg_pool_params(.kernel = {window, window}));
}

/* A digit and the same moved, their edges, and these pooled by 4 x 4, drawn as large as the digit. */
static void draw(clg_device *dev, const float *here, const float *moved, const char *folder) {
    static float tiles[2][3][SIDE * SIDE];
    const char *const caption[] = {"a digit", "its edges", "maximum of 4 x 4", "moved by one pixel", "its edges",
                                   "maximum of 4 x 4"};
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(1, 1, SIDE, SIDE)), *edges = pooled_edges(x, 1);
    clg_tensor *pooled = clg_upsample_nearest(pooled_edges(x, 4), clg_upsample_params(.scale = {4, 4}));
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(edges, pooled), NULL));
    for (int k = 0; k < 2; k++) {
        memcpy(tiles[k][0], k ? moved : here, sizeof tiles[k][0]);
        must(clg_write(plan, x, tiles[k][0], sizeof tiles[k][0]));
        must(clg_run(plan));
        must(clg_read(plan, edges, tiles[k][1], sizeof tiles[k][1]));
        must(clg_read(plan, pooled, tiles[k][2], sizeof tiles[k][2]));
    }
    picture(clg_figure_tiles("what a shift by one pixel changes", &(clg_tiles_params){
        .plane = tiles[0][0], .n = 6, .h = SIDE, .w = SIDE, .columns = 3, .caption = caption}), folder, "pooling");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

static void tolerate_shifts(clg_device *dev, const char *folder) {
    static float here[ALL], moved[ALL], a[ALL], b[ALL];
    static const int64_t window[WINDOWS] = {1, 2, 4};
    double share[WINDOWS];
    clg_tensor *y[WINDOWS];
    load(here, moved);
    clg_graph  *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(PICTURES, 1, SIDE, SIDE));
    for (int k = 0; k < WINDOWS; k++) y[k] = pooled_edges(x, window[k]);
    clg_plan *plan = need(clg_compile(g, CLG_LIST(y[0], y[1], y[2]), NULL));
    printf("\n%d digits and the same moved by one pixel: how much of their edges changes\n", PICTURES);
    for (int k = 0; k < WINDOWS; k++) {
        const size_t bytes = clg_tensor_bytes(y[k]);
        must(clg_write(plan, x, here, sizeof here));
        must(clg_run(plan));
        must(clg_read(plan, y[k], a, bytes));
        must(clg_write(plan, x, moved, sizeof moved));
        must(clg_run(plan));
        must(clg_read(plan, y[k], b, bytes));
        share[k] = change(a, b, bytes / sizeof *a);
        const clg_shape s = clg_tensor_shape(y[k]);
        printf("maximum of %lld x %lld, %2lld x %2lld answers: %4.1f %%\n", (long long)window[k], (long long)window[k],
               (long long)s.dim[2], (long long)s.dim[3], 100 * share[k]);
    }
    claim(share[1] < share[0] && share[2] < share[1], "the larger the windows, the less a shift by one pixel changes");
    claim(share[2] < share[0] / 2, "with windows of 4 x 4 less than half of what it changes without pooling");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    draw(dev, here, moved, folder);
}

int main(int argc, char **argv) {
    clg_device *dev = need(clg_device_open(NULL, NULL));
    by_numbers(dev);
    tolerate_shifts(dev, chapter_folder(argc, argv));
    clg_device_destroy(&dev);
    return chapter_end();
}

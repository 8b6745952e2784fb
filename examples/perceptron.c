/* The perceptron: its rule, the bound on its mistakes, the same as SGD step by step, and data that no line separates.
 * Writes perceptron.svg and perceptron_margin.svg into the folder given, else the present one. */
#include "chapter.h"

#include <string.h>

enum { N = 100, DIM = 2, MARGINS = 6 };

typedef struct rows {
    double  x[N][DIM];
    int32_t y[N]; /* -1, 1 */
    int64_t n;
} rows;

/* The items of a set of two classes; numbers are rounded to 1/256, so that float holds them and their sums exactly. */
static rows rows_of(clg_dataset *d) {
    rows r = { .n = clg_dataset_size(need(d)) };
    for (int64_t i = 0; i < r.n; i++) {
        double class;
        must(clg_dataset_row(d, i, r.x[i], &class));
        for (int j = 0; j < DIM; j++) r.x[i][j] = rint(256 * r.x[i][j]) / 256;
        r.y[i] = class > 0 ? 1 : -1;
    }
    clg_dataset_destroy(&d);
    return r;
}

static rows clouds(double margin, double flip) {
    static const double w[DIM] = {0.8, 0.6};
    return rows_of(clg_dataset_synthetic("clouds", clg_synthetic_params(
        .n = N, .seed = 1, .margin = margin, .flip = flip, .w = w, .n_w = DIM, .b = 0.5)));
}

/* --- the rule --- */

/* After each update of the rule: which row, and the weights. */
typedef struct trail {
    double  w[1000][DIM + 1];
    int64_t row[1000];
    int     n;
} trail;

static void keep(void *user, int64_t row, const double *w, double b) {
    trail *t = user;
    if (t->n == 1000) return;
    t->row[t->n] = row;
    memcpy(t->w[t->n], w, DIM * sizeof *w);
    t->w[t->n++][DIM] = b;
}

static clg_perceptron_result fit(const rows *r, int64_t max_passes, trail *t) {
    clg_perceptron_result out;
    must(clg_perceptron_fit(r->x[0], r->y, r->n, DIM, clg_perceptron_params(
        .max_passes = max_passes, .on_update = t ? keep : NULL, .user = t), &out));
    return out;
}

/* The same as stochastic gradient descent: rate 1, one row at a time, on max(0, -y (<w, x> + b)). Returns how many of
 * the steps left other weights than the rule did. */
static int64_t steps_apart(clg_device *dev, const rows *r, const clg_perceptron_result *rule, const trail *t) {
    int64_t apart = 0;
    int     seen = 0;
    float   want[DIM + 1] = {0}, w[DIM + 1];
    clg_store  *store = need(clg_store_create(dev, 0));
    clg_graph  *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(1, DIM)), *y = clg_input(g, "y", CLG_F32, CLG_SHAPE(1, 1));
    clg_tensor *weight = clg_param(g, "w", CLG_F32, CLG_SHAPE(DIM, 1), CLG_INIT_ZERO);
    clg_tensor *bias = clg_param(g, "b", CLG_F32, CLG_SHAPE(1), CLG_INIT_ZERO);
    clg_tensor *score = clg_add(clg_matmul(x, weight), bias);
    /* clg_clamp() lets the gradient through at its bounds, so w = 0 moves; clg_perceptron_loss() has 0 there. */
    clg_tensor *loss = clg_sum(clg_clamp(clg_neg(clg_mul(y, score)), 0, INFINITY), CLG_ALL);
    clg_plan   *step = need(clg_compile(g, CLG_LIST(clg_sgd(loss, clg_optim_params(.lr = 1))), NULL));
    for (int64_t pass = 0; pass < rule->passes; pass++)
        for (int64_t i = 0, end = seen + rule->pass_updates[pass]; i < r->n; i++) {
            const float xi[DIM] = { (float)r->x[i][0], (float)r->x[i][1] }, yi = (float)r->y[i];
            must(clg_write(step, x, xi, sizeof xi));
            must(clg_write(step, y, &yi, sizeof yi));
            must(clg_run(step));
            must(clg_store_read(store, "w", w, DIM * sizeof *w));
            must(clg_store_read(store, "b", w + DIM, sizeof *w));
            if (seen < end && t->row[seen] == i) {
                for (int j = 0; j <= DIM; j++) want[j] = (float)t->w[seen][j];
                seen++;
            }
            apart += memcmp(w, want, sizeof w) != 0;
        }
    clg_plan_destroy(&step);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    return apart;
}

static void draw(const rows *r, const clg_perceptron_result *p, const char *folder) {
    enum { GRID = 240 };
    static int32_t region[GRID * GRID], label[N];
    double px[N], py[N], most = 0;
    for (int i = 0; i < N; i++) {
        px[i] = r->x[i][0], py[i] = r->x[i][1], label[i] = r->y[i] > 0;
        most = fmax(most, fmax(fabs(px[i]), fabs(py[i])));
    }
    most *= 1.05;
    for (int i = 0; i < GRID * GRID; i++) {
        const double x = most * (2 * (i % GRID + 0.5) / GRID - 1), y = most * (2 * (i / GRID + 0.5) / GRID - 1);
        region[i] = p->w[0] * x + p->w[1] * y + p->b > 0;
    }
    picture(clg_figure_regions("two clouds, and the line that the perceptron found", &(clg_region_params){
        .x0 = -most, .x1 = most, .y0 = -most, .y1 = most, .nx = GRID, .ny = GRID, .region = region, .px = px, .py = py,
        .label = label, .n = N, .x_label = "x1", .y_label = "x2", .classes = 2,
        .class_name = (const char *const[]){"-1", "+1"}}), folder, "perceptron");
}

static void separable(clg_device *dev, const char *folder) {
    static trail t;
    const rows r = clouds(0.05, 0);
    clg_perceptron_result p = fit(&r, 0, &t);
    clg_mistake_bound bound;
    printf("%d points in two clouds\nupdates in pass 1, 2, ...:", N);
    for (int64_t i = 0; i < p.passes; i++) printf(" %lld", (long long)p.pass_updates[i]);
    printf("; %lld in all\nw = (%.4f, %.4f), b = %g\n", (long long)p.updates, p.w[0], p.w[1], p.b);
    claim(p.end == CLG_PERCEPTRON_CONVERGED && p.right == N, "the last pass has none: all %d points are right", N);
    must(clg_perceptron_bound(r.x[0], r.y, N, DIM, p.w, p.b, &bound));
    claim(bound.margin > 0, "the line leaves a margin on both sides");
    const int64_t apart = steps_apart(dev, &r, &p, &t);
    claim(apart == 0, "SGD with batch 1 on max(0, -y (<w, x> + b)) takes the same steps: %lld of %lld are equal",
          (long long)(p.passes * N - apart), (long long)(p.passes * N));
    draw(&r, &p, folder);
    clg_perceptron_result_free(&p);
}

/* --- the bound --- */

static void mistakes_by_margin(const char *folder) {
    static const double w[DIM] = {0.8, 0.6};
    double margin[MARGINS], updates[MARGINS], most[MARGINS];
    bool below = true;
    printf("\nclouds with less and less room between them\n   r    rho   updates  bound (r^2 + 1) / rho^2\n");
    for (int i = 0; i < MARGINS; i++) {
        const rows r = clouds(ldexp(1.6, -i), 0);
        clg_mistake_bound bound;
        clg_perceptron_result p = fit(&r, 0, NULL);
        must(clg_perceptron_bound(r.x[0], r.y, N, DIM, w, 0.5, &bound)); /* of the plane that the clouds were made by */
        printf("%.3f  %.3f  %5lld  %8.0f\n", bound.radius, bound.margin, (long long)p.updates, bound.bound);
        below = below && p.end == CLG_PERCEPTRON_CONVERGED && (double)p.updates <= bound.bound;
        margin[i] = bound.margin, updates[i] = (double)p.updates, most[i] = bound.bound;
        clg_perceptron_result_free(&p);
    }
    claim(below, "the rule ends each time, and never makes more updates than the bound");
    claim(updates[MARGINS - 1] > updates[0] && most[MARGINS - 1] > most[0], "the less room, the more updates");
    picture(clg_figure_charts(NULL, &(clg_chart){.title = "updates until no row is wrong", .x_label = "margin rho",
        .y_label = "updates", .log_x = true, .log_y = true, .n_series = 2, .series = (clg_series[]){
            {.name = "the rule", .x = margin, .y = updates, .n = MARGINS},
            {.name = "bound (r^2 + 1) / rho^2", .x = margin, .y = most, .n = MARGINS, .dashed = true}}}, 1),
            folder, "perceptron_margin");
}

/* --- no line --- */

static void not_separable(void) {
    static const double corner[4][DIM] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    static const int32_t xor[4] = {-1, 1, 1, -1};
    clg_perceptron_result p;
    bool    line;
    int64_t of_three, of_four;
    must(clg_separable(corner[0], xor, 4, DIM, &line, NULL, NULL));
    must(clg_count_separable(corner[0], 3, DIM, &of_three));
    must(clg_count_separable(corner[0], 4, DIM, &of_four));
    must(clg_perceptron_fit(corner[0], xor, 4, DIM, NULL, &p));
    printf("\nXOR: the corners of a square, opposite ones alike\nupdates in pass 1, 2, ...:");
    for (int64_t i = 0; i < p.passes; i++) printf(" %lld", (long long)p.pass_updates[i]);
    printf("; w = (%g, %g), b = %g\n", p.w[0], p.w[1], p.b);
    claim(!line, "no line separates them");
    claim(of_three == 8 && of_four == 14, "lines realise %lld of 8 labelings of three corners, %lld of 16 of all four",
          (long long)of_three, (long long)of_four);
    claim(p.end == CLG_PERCEPTRON_CYCLE, "the weights came back after pass %lld: the rule goes round for ever",
          (long long)p.passes);
    clg_perceptron_result_free(&p);

    const rows r = clouds(0.05, 0.1);
    p = fit(&r, 1000, NULL);
    printf("\nthe first clouds with 10 %% of the labels turned over: %lld updates in %lld passes, %lld of %d right\n",
           (long long)p.updates, (long long)p.passes, (long long)p.right, N);
    claim(p.end != CLG_PERCEPTRON_CONVERGED && p.pass_updates[p.passes - 1] > 0, "the run says that it did not end: %s",
          p.end == CLG_PERCEPTRON_CYCLE ? "the weights came back" : "no more passes");
    clg_perceptron_result_free(&p);
}

int main(int argc, char **argv) {
    clg_device *dev = need(clg_device_open(NULL, NULL));
    separable(dev, chapter_folder(argc, argv));
    mistakes_by_margin(chapter_folder(argc, argv));
    not_separable();
    clg_device_destroy(&dev);
    return chapter_end();
}

/* A multilayer perceptron learns XOR, which no linear model can. Writes mlp_xor_linear.svg and mlp_xor.svg, what the
 * two answer where, into the folder given, else the present one. */
#include "chapter.h"

enum { N = 200, GRID = 160 };

/* What a trained model answers on a grid over the square of -0.5 .. 1.5. */
static void draw(clg_trainer *t, clg_dataset *d, const char *title, const char *folder, const char *name) {
    static double  x[GRID * GRID][2], px[N], py[N];
    static int32_t region[GRID * GRID], zero[GRID * GRID], label[N];
    static float   out[GRID * GRID * 2];
    clg_score score;
    for (int i = 0; i < GRID * GRID; i++) {
        x[i][0] = -0.5 + 2 * (i % GRID + 0.5) / GRID;
        x[i][1] = -0.5 + 2 * (i / GRID + 0.5) / GRID;
    }
    clg_dataset *grid = need(clg_dataset_create(clg_dataset_params(
        .n = GRID * GRID, .item = CLG_SHAPE(2), .x = x[0], .label = zero, .classes = 2, .part = CLG_VALIDATION)));
    const bool one = clg_model_outputs(clg_trainer_model(t)) == 1;
    must(clg_evaluate(t, grid, &score, NULL, out));
    for (int i = 0; i < GRID * GRID; i++) region[i] = one ? out[i] > 0 : out[2 * i + 1] > out[2 * i];
    for (int i = 0; i < N; i++) {
        double xi[2], class;
        must(clg_dataset_row(d, i, xi, &class));
        px[i] = xi[0], py[i] = xi[1], label[i] = (int32_t)class;
    }
    picture(clg_figure_regions(title, &(clg_region_params){ .x0 = -0.5, .x1 = 1.5, .y0 = -0.5, .y1 = 1.5, .nx = GRID,
            .ny = GRID, .region = region, .px = px, .py = py, .label = label, .n = N, .x_label = "x1", .y_label = "x2",
            .classes = 2 }), folder, name);
    clg_dataset_destroy(&grid);
}

/* Trains a model of the zoo and returns the share of new points that it has right. */
static double accuracy_of(clg_device *dev, clg_model *open, const char *title, const char *folder, const char *name) {
    clg_dataset *train = need(clg_dataset_synthetic("xor", clg_synthetic_params(.n = N, .noise = 0.15, .seed = 1)));
    clg_dataset *val = need(clg_dataset_synthetic("xor", clg_synthetic_params(.n = N, .noise = 0.15, .seed = 2)));
    clg_model   *m = need(clg_model_for(need(open), clg_dataset_shape(train), clg_dataset_classes(train), 0));
    clg_store   *store = need(clg_store_create(dev, 1));
    clg_trainer *t = need(clg_trainer_create(dev, store, m, clg_fit_params(
        .epochs = 60, .batch = 50, .optimizer = "adam", .optim = {.lr = 0.03})));
    clg_score score, on_train;
    must(clg_fit(t, train, NULL, NULL));
    must(clg_evaluate(t, train, &on_train, NULL, NULL));
    must(clg_evaluate(t, val, &score, NULL, NULL));
    printf("%s, %lld weights: right are %.3f of the points it was trained with, %.3f of new ones\n", title,
           (long long)clg_model_weights(m), on_train.accuracy, score.accuracy);
    draw(t, val, title, folder, name);
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    return score.accuracy;
}

int main(int argc, char **argv) {
    const char *folder = chapter_folder(argc, argv);
    clg_device *dev = need(clg_device_open(NULL, NULL));
    clg_model  *logistic = clg_model_zoo("logistic", NULL);
    clg_model  *hidden = clg_model_zoo("mlp", clg_zoo_params(.hidden = "8", .activation = "tanh"));
    const double line = accuracy_of(dev, logistic, "logistic regression", folder, "mlp_xor_linear");
    const double mlp = accuracy_of(dev, hidden, "one hidden layer of 8", folder, "mlp_xor");
    claim(line < 0.8, "a line has at most three of the four clouds on the right side");
    claim(mlp > 0.98, "with a hidden layer nearly all points are right");
    clg_device_destroy(&dev);
    return chapter_end();
}

/* Dropout: what it does to the numbers of a layer, and to the gap between training and validation.
 * Writes dropout.svg into the folder given, else the present one. */
#include "chapter.h"

#include <string.h>

enum { N = 10000, RUNS = 100, TRAIN = 400, VAL = 600, PIXELS = 28 * 28, EPOCHS = 20 };

/* One draw of x' = dropout(x) for x = 1, 2, 3, 4, 1, 2, ... into y; inference: as a plan of inference has it. */
static void draw(clg_device *dev, uint64_t seed, double p, bool inference, int runs, float *y, double sum[4],
                 int64_t *zeros) {
    float x[N];
    for (int i = 0; i < N; i++) x[i] = (float)(1 + i % 4);
    clg_store  *store = need(clg_store_create(dev, seed));
    clg_graph  *g = clg_graph_create(dev, store);
    clg_tensor *t = clg_dropout(clg_const(g, CLG_F32, CLG_SHAPE(N), x), p);
    clg_plan   *plan = need(clg_compile(g, CLG_LIST(t), clg_plan_params(.inference = inference)));
    for (int run = 0; run < runs; run++) {
        must(clg_run(plan));
        must(clg_read(plan, t, y, N * sizeof *y));
        for (int i = 0; sum && i < N; i++) {
            sum[i % 4] += y[i];
            *zeros += y[i] == 0;
        }
    }
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
}

/* E[x'] = x: the mean over `RUNS` draws of N / 4 equal numbers each is x, up to 4 deviations of that mean. */
static void mean_is_kept(clg_device *dev) {
    static const double share[] = {0.2, 0.5, 0.8};
    static float y[N];
    bool mean = true, kept = true;
    printf("x' = dropout(x): each number becomes 0 with probability p, else x / (1 - p)\n");
    printf("  p   dropped   mean of x' for x = 1, 2, 3, 4\n");
    for (int k = 0; k < 3; k++) {
        const double p = share[k], draws = RUNS * N / 4.0;
        double  sum[4] = {0};
        int64_t zeros = 0;
        draw(dev, 1, p, false, RUNS, y, sum, &zeros);
        printf("%.1f   %5.2f %%  ", p, 100.0 * (double)zeros / (RUNS * N));
        for (int v = 0; v < 4; v++) {
            const double x = v + 1, deviation = x * sqrt(p / (1 - p) / draws);
            printf(" %.4f", sum[v] / draws);
            mean = mean && fabs(sum[v] / draws - x) < 4 * deviation;
        }
        printf("\n");
        for (int i = 0; i < N; i++) kept = kept && (y[i] == 0 || fabs(y[i] * (1 - p) / (1 + i % 4) - 1) < 1e-6);
    }
    claim(mean, "the mean stays: E[x'] = x, up to 4 standard deviations of the mean");
    claim(kept, "what is kept is x / (1 - p)");
}

static void seeds(clg_device *dev) {
    static float a[N], b[N], c[N], d[N];
    bool same = true;
    draw(dev, 1, 0.5, false, 1, a, NULL, NULL);
    draw(dev, 1, 0.5, false, 1, b, NULL, NULL);
    draw(dev, 2, 0.5, false, 1, c, NULL, NULL);
    draw(dev, 1, 0.5, true, 1, d, NULL, NULL);
    for (int i = 0; i < N; i++) same = same && d[i] == (float)(1 + i % 4);
    claim(memcmp(a, b, sizeof a) == 0 && memcmp(a, c, sizeof a) != 0,
          "the same seed drops the same numbers, another seed others");
    claim(same, "in inference nothing is dropped and nothing scaled");
}

/* --- the gap --- */

/* The first digits, a fifth of them with the label of another class: what can only be learned by heart. */
static clg_dataset *noisy_digits(clg_dataset *digits) {
    static double  x[TRAIN][PIXELS];
    static int32_t label[TRAIN];
    for (int i = 0; i < TRAIN; i++) {
        double class;
        must(clg_dataset_row(digits, i, x[i], &class));
        label[i] = (int32_t)class;
        if (i % 5 == 0) label[i] = (label[i] + 1 + i / 5 % 9) % 10;
    }
    return need(clg_dataset_create(clg_dataset_params(.n = TRAIN, .item = CLG_SHAPE(PIXELS), .x = x[0],
                                                      .label = label)));
}

static clg_dataset *other_digits(clg_dataset *digits) {
    static double  x[VAL][PIXELS];
    static int32_t label[VAL];
    for (int i = 0; i < VAL; i++) {
        double class;
        must(clg_dataset_row(digits, TRAIN + i, x[i], &class));
        label[i] = (int32_t)class;
    }
    return need(clg_dataset_create(clg_dataset_params(.n = VAL, .item = CLG_SHAPE(PIXELS), .x = x[0], .label = label,
                                                      .part = CLG_VALIDATION)));
}

typedef struct outcome {
    clg_score train, val;
    double    curve[EPOCHS]; /* error on the validation part */
} outcome;

static void fit(clg_device *dev, double p, clg_dataset *train, clg_dataset *val, outcome *r) {
    const clg_epoch *e;
    clg_model   *mlp = need(clg_model_zoo("mlp", clg_zoo_params(.hidden = "256,256", .dropout = p)));
    clg_model   *m = need(clg_model_for(mlp, CLG_SHAPE(PIXELS), 10, 0));
    clg_store   *store = need(clg_store_create(dev, 1));
    clg_trainer *t = need(clg_trainer_create(dev, store, m, clg_fit_params(.epochs = EPOCHS, .batch = 50,
                                                                          .optim = {.lr = 0.02, .momentum = 0.9})));
    must(clg_fit(t, train, val, NULL));
    must(clg_evaluate(t, train, &r->train, NULL, NULL));
    must(clg_evaluate(t, val, &r->val, NULL, NULL));
    const int64_t n = clg_trainer_history(t, &e);
    for (int64_t i = 0; i < n; i++) r->curve[i] = 1 - e[i].val.accuracy;
    printf("p = %.1f  training error %.3f  validation error %.3f  gap %.3f\n", p, 1 - r->train.accuracy,
           1 - r->val.accuracy, r->train.accuracy - r->val.accuracy);
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&mlp);
}

static void gap(clg_device *dev, const char *folder) {
    static outcome without, with;
    clg_dataset *digits = need(clg_dataset_open("digits", CLG_TRAIN));
    clg_dataset *train = noisy_digits(digits), *val = other_digits(digits);
    printf("\n%d digits, one label in five wrong, two hidden layers of 256\n", TRAIN);
    fit(dev, 0, train, val, &without);
    fit(dev, 0.5, train, val, &with);
    claim(without.train.accuracy > 0.97, "without dropout the network learns the wrong labels by heart");
    claim(with.train.accuracy - with.val.accuracy < 0.75 * (without.train.accuracy - without.val.accuracy)
          && with.val.accuracy > without.val.accuracy, "with dropout the gap is smaller, and the validation error too");
    picture(clg_figure_charts(NULL, &(clg_chart){.title = "error on digits that were not learned from",
        .x_label = "epoch", .y_label = "share wrong", .n_series = 2, .series = (clg_series[]){
            {.name = "without dropout", .y = without.curve, .n = EPOCHS},
            {.name = "with dropout, p = 0.5", .y = with.curve, .n = EPOCHS, .dashed = true}}}, 1), folder, "dropout");
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_dataset_destroy(&digits);
}

int main(int argc, char **argv) {
    clg_device *dev = need(clg_device_open(NULL, NULL));
    mean_is_kept(dev);
    seeds(dev);
    gap(dev, chapter_folder(argc, argv));
    clg_device_destroy(&dev);
    return chapter_end();
}

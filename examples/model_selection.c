/* Model selection: polynomials of growing degree through 20 noisy points of a cubic: under- and overfitting, and K-fold
 * cross-validation, which chooses the degree from these 20 points alone.
 * Writes model_selection.svg into the folder given, else the present one. */
#include "chapter.h"

enum { N = 20, OTHER = 200, K = 5, DEGREES = 6, MOST = 15, FINE = 201 };

static const int degree[DEGREES] = {1, 2, 3, 4, 8, MOST};
static double x_all[N + OTHER], y_all[N + OTHER]; /* 20 points to learn from, 200 that tell the truth */

static const clg_fit_params how = { .epochs = 100, .batch = N, .optimizer = "adam", .optim = {.lr = 0.1}, .seed = 1 };

/* Points with features: Legendre's polynomials P_1 .. P_d at x. With a bias they make the same functions as powers do,
 * but each has length 1 on [-1, 1], so gradient descent gets there. */
static clg_dataset *points(int d, const double *x, const double *y, int n, enum clg_part part) {
    double *f = need(malloc((size_t)(n * d) * sizeof *f));
    for (int i = 0; i < n; i++) {
        double before = 1, now = x[i];
        for (int k = 1; k <= d; k++) {
            const double after = ((2 * k + 1) * x[i] * now - k * before) / (k + 1);
            f[i * d + k - 1] = now * sqrt(2 * k + 1);
            before = now, now = after;
        }
    }
    clg_dataset *set = need(clg_dataset_create(clg_dataset_params(.n = n, .item = CLG_SHAPE(d), .x = f, .target = y,
                                                                  .part = part)));
    free(f);
    return set;
}

static void load(void) {
    clg_dataset *d = need(clg_dataset_synthetic("poly", clg_synthetic_params(.n = N + OTHER, .noise = 0.3, .seed = 4)));
    for (int i = 0; i < N + OTHER; i++) must(clg_dataset_row(d, i, &x_all[i], &y_all[i]));
    clg_dataset_destroy(&d);
}

typedef struct fitted { double train, other, curve[FINE]; } fitted;

/* Trains on all 20 points. */
static fitted fit(clg_device *dev, int d, const double *fine) {
    static const double zero[FINE];
    fitted r;
    float  out[FINE];
    clg_score score;
    clg_dataset *train = points(d, x_all, y_all, N, CLG_TRAIN);
    clg_dataset *other = points(d, x_all + N, y_all + N, OTHER, CLG_TEST);
    clg_dataset *line = points(d, fine, zero, FINE, CLG_VALIDATION);
    clg_model   *linear = need(clg_model_zoo("linear", NULL)), *m = need(clg_model_for(linear, CLG_SHAPE(d), 0, 1));
    clg_store   *store = need(clg_store_create(dev, 1));
    clg_trainer *t = need(clg_trainer_create(dev, store, m, &how));
    must(clg_fit(t, train, NULL, NULL));
    must(clg_evaluate(t, train, &score, NULL, NULL));
    r.train = score.loss;
    must(clg_evaluate(t, other, &score, NULL, NULL));
    r.other = score.loss;
    must(clg_evaluate(t, line, &score, NULL, out));
    for (int i = 0; i < FINE; i++) r.curve[i] = out[i];
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&linear);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&other);
    clg_dataset_destroy(&line);
    return r;
}

static void draw(const fitted *r, const clg_curve *folds, const double *fine, const char *folder) {
    static const char *const title[3] = {"degree 1: underfitting", "degree 3", "degree 15: overfitting"};
    static const int which[3] = {0, 2, DEGREES - 1};
    double x[DEGREES], train[DEGREES], other[DEGREES], fold[DEGREES], error[DEGREES];
    clg_chart  chart[4];
    clg_series series[3][2];
    for (int i = 0; i < 3; i++) {
        series[i][0] = (clg_series){.name = "points", .x = x_all, .y = y_all, .n = N, .points = true};
        series[i][1] = (clg_series){.name = "fit", .x = fine, .y = r[which[i]].curve, .n = FINE};
        chart[i] = (clg_chart){.title = title[i], .x_label = "x", .y_label = "y", .series = series[i], .n_series = 2,
                               .y_low = -4, .y_high = 3};
    }
    for (int i = 0; i < DEGREES; i++) {
        x[i] = degree[i], train[i] = r[i].train, other[i] = r[i].other;
        fold[i] = folds->point[i].cv.loss, error[i] = folds->point[i].cv.loss_sem;
    }
    const clg_series by_degree[] = {{.name = "training", .x = x, .y = train, .n = DEGREES},
                                    {.name = "200 other points", .x = x, .y = other, .n = DEGREES, .dashed = true},
                                    {.name = "5 folds", .x = x, .y = fold, .error = error, .n = DEGREES}};
    chart[3] = (clg_chart){.title = "error by degree", .x_label = "degree", .y_label = "mean squared error",
                           .series = by_degree, .n_series = 3, .log_y = true};
    picture(clg_figure_charts("20 points of a cubic", chart, 4), folder, "model_selection");
}

int main(int argc, char **argv) {
    double fine[FINE];
    fitted r[DEGREES];
    int    least = 0, chosen = 0;
    bool   falls = true;
    clg_curve folds;
    for (int i = 0; i < FINE; i++) fine[i] = -1 + 2.0 * i / (FINE - 1);
    clg_device *dev = need(clg_device_open(NULL, NULL));
    load();
    /* five folds for each degree: the first so many features */
    clg_dataset *all = points(MOST, x_all, y_all, N, CLG_TRAIN);
    must(clg_validation_curve(dev, &(clg_setup){ .zoo = "linear", .fit = how }, all,
                              clg_cv_params(.k = K, .seed = 1, .full_batch = true), "features=1,2,3,4,8,15", &folds));
    printf("degree  training  other points  %d folds\n", K);
    for (int i = 0; i < DEGREES; i++) {
        const clg_cv_result *cv = &folds.point[i].cv;
        r[i] = fit(dev, degree[i], fine);
        printf("%4d     %.3f      %.3f      %.3f +- %.3f\n", degree[i], r[i].train, r[i].other, cv->loss, cv->loss_sem);
        if (r[i].other < r[least].other) least = i;
        if (cv->loss < folds.point[chosen].cv.loss) chosen = i;
        falls = falls && (i == 0 || r[i].train <= r[i - 1].train * 1.02);
    }
    const fitted *low = &r[0], *cubic = &r[2], *high = &r[DEGREES - 1];
    claim(falls, "the training error falls with the degree");
    claim(low->train > 2 * cubic->train && low->other > 2 * cubic->other,
          "degree 1 underfits: both errors are more than twice those of degree 3");
    claim(high->train < cubic->train && high->other > 2 * cubic->other,
          "degree 15 overfits: a smaller error on the 20 points, more than twice the error on others");
    claim(degree[chosen] == 3 && degree[least] == 3, "%d folds of the 20 points choose degree %d, and so do the others",
          K, degree[chosen]);
    draw(r, &folds, fine, chapter_folder(argc, argv));
    clg_curve_free(&folds);
    clg_dataset_destroy(&all);
    clg_device_destroy(&dev);
    return chapter_end();
}

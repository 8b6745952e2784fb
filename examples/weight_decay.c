/* Weight decay: the gap between training and validation error with and without it, three ways to have it, and a sweep.
 * 60 rows for 60 features and much noise: the fit can be perfect, and then is wrong elsewhere.
 * Writes weight_decay.svg and weight_decay_sweep.svg into the folder given, else the present one. */
#include "chapter.h"

enum { FEATURES = 60, TRAIN = 60, VAL = 200, EPOCHS = 300, DECAYS = 7 };

typedef struct run {
    double train, val, length;            /* mean squared errors at the end, |w| */
    double train_curve[EPOCHS], val_curve[EPOCHS];
    float  w[FEATURES];
} run;

static clg_device  *dev;
static clg_dataset *train, *val;

/* y = 0.05 + sum of 0.1 x_i + noise of deviation 0.5. */
static void make_data(void) {
    double w[FEATURES];
    for (int i = 0; i < FEATURES; i++) w[i] = 0.1;
    clg_dataset *all = need(clg_dataset_synthetic("linear", clg_synthetic_params(
        .n = TRAIN + VAL, .seed = 3, .noise = 0.5, .w = w, .n_w = FEATURES, .b = 0.05)));
    int64_t item[VAL];
    for (int i = 0; i < VAL; i++) item[i] = TRAIN + i;
    train = need(clg_dataset_slice(all, 0, TRAIN));
    val = need(clg_dataset_subset(all, item, VAL, CLG_VALIDATION));
    clg_dataset_destroy(&all);
}

/* Full batches of gradient descent, rate 0.1, with what `how` says about the weights. */
static void fit(clg_optim_params how, run *r) {
    how.lr = 0.1;
    clg_model   *linear = need(clg_model_zoo("linear", NULL));
    clg_model   *m = need(clg_model_for(linear, CLG_SHAPE(FEATURES), 0, 1));
    clg_store   *store = need(clg_store_create(dev, 1));
    clg_trainer *t = need(clg_trainer_create(dev, store, m, clg_fit_params(
        .epochs = EPOCHS, .batch = TRAIN, .optim = how)));
    clg_score score;
    const clg_epoch *e;
    must(clg_fit(t, train, val, NULL));
    must(clg_evaluate(t, train, &score, NULL, NULL));
    r->train = score.loss;
    must(clg_evaluate(t, val, &score, NULL, NULL));
    r->val = score.loss;
    const int64_t n = clg_trainer_history(t, &e);
    for (int64_t i = 0; i < n; i++) r->train_curve[i] = e[i].train.loss, r->val_curve[i] = e[i].val.loss;
    must(clg_store_read(store, "fc1.weight", r->w, sizeof r->w));
    r->length = 0;
    for (int i = 0; i < FEATURES; i++) r->length += (double)r->w[i] * r->w[i];
    r->length = sqrt(r->length);
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&linear);
}

static void print(const char *what, const run *r) {
    printf("%-26s training %.3f  validation %.3f  gap %.3f  |w| %.3f\n", what, r->train, r->val, r->val - r->train,
           r->length);
}

static double apart(const run *a, const run *b) {
    double most = 0;
    for (int i = 0; i < FEATURES; i++) most = fmax(most, fabs((double)a->w[i] - b->w[i]));
    return most;
}

static void with_and_without(const char *folder) {
    static run free_, decayed, penalised, projected;
    printf("%d rows to learn from, %d features; mean squared errors after %d steps\n", TRAIN, FEATURES, EPOCHS);
    fit((clg_optim_params){0}, &free_);
    fit((clg_optim_params){.weight_decay = 1}, &decayed);
    fit((clg_optim_params){.l2 = 1}, &penalised);
    fit((clg_optim_params){.max_norm2 = 0.25}, &projected);
    print("without", &free_);
    print("decay, lambda = 1", &decayed);
    print("penalty, lambda = 1", &penalised);
    print("projection, theta = 0.25", &projected);
    claim(decayed.val < 0.7 * free_.val && decayed.val - decayed.train < 0.6 * (free_.val - free_.train),
          "decay makes the gap and the validation error smaller, though the training error is larger");
    claim(decayed.length < free_.length, "and the weights shorter");
    claim(apart(&decayed, &penalised) < 1e-5, "for SGD decay and penalty of the same lambda end in the same weights");
    claim(projected.length < 0.5 + 1e-5, "projection keeps |w|^2 <= theta");
    picture(clg_figure_charts("60 rows, 60 features", (clg_chart[]){
        {.title = "without decay", .x_label = "step", .y_label = "mean squared error", .log_y = true, .n_series = 2,
         .y_low = 0.01, .y_high = 3, .series = (clg_series[]){
            {.name = "training", .y = free_.train_curve, .n = EPOCHS},
            {.name = "validation", .y = free_.val_curve, .n = EPOCHS, .dashed = true}}},
        {.title = "lambda = 1", .x_label = "step", .y_label = "mean squared error", .log_y = true, .n_series = 2,
         .y_low = 0.01, .y_high = 3, .series = (clg_series[]){
            {.name = "training", .y = decayed.train_curve, .n = EPOCHS},
            {.name = "validation", .y = decayed.val_curve, .n = EPOCHS, .dashed = true}}}}, 2), folder, "weight_decay");
}

static void sweep(const char *folder) {
    static const double lambda[DECAYS] = {0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
    static run r;
    double train_error[DECAYS], val_error[DECAYS], length[DECAYS];
    int best = 0;
    bool shorter = true, more = true;
    printf("\nlambda  training  validation  |w|\n");
    for (int i = 0; i < DECAYS; i++) {
        fit((clg_optim_params){.weight_decay = lambda[i]}, &r);
        printf("%5g   %.3f     %.3f       %.3f\n", lambda[i], r.train, r.val, r.length);
        train_error[i] = r.train, val_error[i] = r.val, length[i] = r.length;
        if (val_error[i] < val_error[best]) best = i;
        shorter = shorter && (i == 0 || length[i] < length[i - 1]);
        more = more && (i == 0 || train_error[i] > train_error[i - 1]);
    }
    claim(shorter && more, "the larger lambda, the shorter the weights and the larger the training error");
    claim(best > 0 && best < DECAYS - 1, "the validation error is least in between, at lambda = %g", lambda[best]);
    picture(clg_figure_charts("how much decay?", (clg_chart[]){
        {.title = "errors", .x_label = "lambda", .y_label = "mean squared error", .log_x = true, .n_series = 2,
         .series = (clg_series[]){{.name = "training", .x = lambda, .y = train_error, .n = DECAYS},
                                  {.name = "validation", .x = lambda, .y = val_error, .n = DECAYS, .dashed = true}}},
        {.title = "length of the weights", .x_label = "lambda", .y_label = "|w|", .log_x = true, .n_series = 1,
         .series = (clg_series[]){{.x = lambda, .y = length, .n = DECAYS}}}}, 2), folder, "weight_decay_sweep");
}

int main(int argc, char **argv) {
    dev = need(clg_device_open(NULL, NULL));
    make_data();
    with_and_without(chapter_folder(argc, argv));
    sweep(chapter_folder(argc, argv));
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_device_destroy(&dev);
    return chapter_end();
}

/* LeNet on handwritten digits: training, what it confuses, the filters it learned and what they see in a digit.
 * Writes lenet_curves.svg, lenet_confusion.svg, lenet_filters.svg, lenet_maps.svg and lenet.safetensors into the folder
 * given, else the present one. */
#include "chapter.h"

enum { EPOCHS = 3, BATCH = 40 /* divides all parts: one plan serves */, CLASSES = 10, FILTERS = 6, SIDE = 28 };

static void curves(const clg_trainer *t, const char *folder) {
    double train[EPOCHS], val[EPOCHS], right[EPOCHS];
    const clg_epoch *e;
    const int64_t n = clg_trainer_history(t, &e);
    for (int64_t i = 0; i < n; i++) {
        train[i] = e[i].train.loss, val[i] = e[i].val.loss, right[i] = e[i].val.accuracy;
        printf("epoch %lld: loss %.3f, on the validation part %.3f, %.3f right\n", (long long)e[i].epoch, train[i],
               val[i], right[i]);
    }
    claim(val[n - 1] < val[0] && train[n - 1] < train[0] / 2, "the losses fall");
    picture(clg_figure_charts("LeNet", (clg_chart[]){
        {.title = "loss", .x_label = "epoch", .y_label = "cross-entropy", .n_series = 2, .series = (clg_series[]){
            {.name = "training", .y = train, .n = n}, {.name = "validation", .y = val, .n = n, .dashed = true}}},
        {.title = "accuracy", .x_label = "epoch", .y_label = "share right", .n_series = 1, .series = (clg_series[]){
            {.name = "validation", .y = right, .n = n, .dashed = true}}}}, 2), folder, "lenet_curves");
}

static void test(clg_trainer *t, clg_dataset *d, const char *folder) {
    int64_t counts[CLASSES * CLASSES];
    double  least = 1;
    int     worst = 0;
    clg_score score;
    must(clg_evaluate(t, d, &score, counts, NULL));
    for (int k = 0; k < CLASSES; k++) {
        const double recall = clg_confusion_class(counts, CLASSES, k).recall;
        if (recall < least) least = recall, worst = k;
    }
    printf("test: %.3f of %lld right; of the digits %d the fewest, %.3f\n", score.accuracy, (long long)score.n, worst,
           least);
    claim(score.accuracy > 0.95, "more than 95 %% of the digits that it never saw are right");
    picture(clg_figure_confusion("LeNet on 1000 test digits", counts, CLASSES, NULL), folder, "lenet_confusion");
}

/* The first layer's filters, and what each of them makes of one digit. */
static void look_inside(clg_device *dev, clg_trainer *t, clg_dataset *d, const char *folder) {
    static float filter[FILTERS][5][5], x[SIDE * SIDE], tiles[1 + FILTERS][SIDE][SIDE];
    const char *const caption[] = {"the digit", "filter 1", "filter 2", "filter 3", "filter 4", "filter 5", "filter 6"};
    const clg_model *m = clg_trainer_model(t);
    clg_tensor *layer[32];
    must(clg_store_read(clg_trainer_store(t), "conv1.weight", filter, sizeof filter));
    must(clg_dataset_item(d, 0, x, NULL));
    clg_graph  *g = clg_graph_create(dev, clg_trainer_store(t));
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(1, 1, SIDE, SIDE));
    clg_model_build_all(m, in, layer);
    printf("its layers, and what one digit becomes\n");
    for (int i = 0; i < clg_model_layers(m); i++) {
        const clg_shape s = clg_model_layer_shape(m, i);
        printf("  %-24s", clg_model_layer(m, i));
        for (int a = 0; a < s.ndim; a++) printf(a ? " x %lld" : "%lld", (long long)s.dim[a]);
        printf("\n");
    }
    clg_plan *plan = need(clg_compile(g, CLG_LIST(layer[1]), clg_plan_params(.inference = true)));
    must(clg_write(plan, in, x, sizeof x));
    must(clg_run(plan));
    must(clg_read(plan, layer[1], tiles[1], sizeof tiles - sizeof tiles[0]));
    for (int i = 0; i < SIDE * SIDE; i++) tiles[0][i / SIDE][i % SIDE] = x[i];
    int see = 0;
    for (int k = 1; k <= FILTERS; k++) {
        double sum = 0;
        for (int i = 0; i < SIDE * SIDE; i++) sum += tiles[k][i / SIDE][i % SIDE];
        see += sum > 0;
    }
    claim(see >= 3, "at least half of the filters see something in this digit (%d of %d)", see, FILTERS);
    picture(clg_figure_tiles("filters of the first layer: blue below 0, red above", &(clg_tiles_params){
        .plane = filter[0][0], .n = FILTERS, .h = 5, .w = 5, .columns = FILTERS, .diverging = true,
        .caption = caption + 1}), folder, "lenet_filters");
    picture(clg_figure_tiles("a digit, and where each filter answers to it", &(clg_tiles_params){
        .plane = tiles[0][0], .n = 1 + FILTERS, .h = SIDE, .w = SIDE, .columns = 1 + FILTERS, .caption = caption}),
        folder, "lenet_maps");
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
}

int main(int argc, char **argv) {
    const char *folder = chapter_folder(argc, argv);
    char        path[1024];
    clg_device  *dev = need(clg_device_open(NULL, NULL));
    clg_dataset *digits = need(clg_dataset_open("digits", CLG_TRAIN)), *train, *val;
    clg_dataset *final = need(clg_dataset_open("digits", CLG_TEST));
    must(clg_dataset_split(digits, &(clg_split_params){.val = 0.1}, &train, &val, NULL));
    clg_model   *lenet = need(clg_model_zoo("lenet", NULL));
    clg_model   *m = need(clg_model_for(lenet, clg_dataset_shape(train), CLASSES, 0));
    clg_store   *store = need(clg_store_create(dev, 42));
    clg_trainer *t = need(clg_trainer_create(dev, store, m, clg_fit_params(
        .epochs = EPOCHS, .batch = BATCH, .optimizer = "momentum", .optim = {.lr = 0.02},
        .schedule = {.kind = CLG_LR_COSINE})));
    printf("LeNet, %lld weights, learns from %lld digits\n", (long long)clg_model_weights(m),
           (long long)clg_dataset_size(train));
    must(clg_fit(t, train, val, NULL));
    curves(t, folder);
    test(t, final, folder);
    look_inside(dev, t, final, folder);
    snprintf(path, sizeof path, "%s/lenet.safetensors", folder);
    must(clg_trainer_save(t, path));
    clg_trainer_destroy(&t);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&lenet);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_dataset_destroy(&digits);
    clg_dataset_destroy(&final);
    clg_device_destroy(&dev);
    return chapter_end();
}

/* Every allocation of the parts of the library that work on the host (data, readers, models, training on the reference,
 * judging) fails once in turn: see support/sweep.h. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "support/sweep.h"
#include <clgrad/clgrad.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A data set of arrays is cut, standardised and read; its scale goes into a store and back. */
static clg_status read_fold(clg_device *dev, clg_dataset *fold, double *value) {
    clg_status status = CLG_OK;
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(4, 2)), *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(4));
    clg_tensor *sum = clg_sum(clg_abs(x), CLG_AXIS(0));
    clg_plan *p = clg_compile(g, CLG_LIST(sum, clg_neg(t)), NULL);
    float got[2] = { 0 };
    if (!p) {
        status = clg_error_status();
        goto end;
    }
    for (int i = 0; i < 2; i++) { /* the second batch was gathered ahead */
        CLG_TRY_END(clg_dataset_next(fold, p, x, t));
        CLG_TRY_END(clg_run(p));
        CLG_TRY_END(clg_read(p, sum, got, sizeof got));
        *value += got[0] + got[1];
    }
end:
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    return status;
}

static clg_status data_job(const char *dir, double *value) {
    static const char *const names[] = { "even", "odd" };
    clg_status status = CLG_ERR_DEVICE;
    double x[40];
    int32_t label[20];
    for (int i = 0; i < 40; i++) x[i] = i * i;
    for (int i = 0; i < 20; i++) label[i] = i % 2;
    clg_dataset *all = clg_dataset_create(clg_dataset_params(.n = 20, .item = CLG_SHAPE(2), .x = x, .label = label,
                                          .classes = 2, .class_name = names, .feature_name = names));
    clg_dataset *most = NULL, *test = NULL, *train = NULL, *val = NULL;
    clg_scaler *scaler = NULL, *back = NULL;
    clg_device *dev = all ? clg_device_open("ref", NULL) : NULL;
    clg_store *store = dev ? clg_store_create(dev, 0) : NULL;
    *value = 0;
    (void)dir;
    if (!store) {
        status = clg_error_status();
        goto end;
    }
    CLG_TRY_END(clg_dataset_split(all, clg_split_params(.test = 0.2), &most, NULL, &test));
    CLG_TRY_END(clg_dataset_fold(most, CLG_FOLD_AUTO, 4, 1, 0, &train, &val));
    scaler = clg_scaler_fit(train);
    if (!scaler) CLG_TRY_END(clg_error_status());
    CLG_TRY_END(clg_scaler_to_store(scaler, store));
    CLG_TRY_END(clg_scaler_from_store(store, &back));
    CLG_TRY_END(clg_dataset_standardize(train, back));
    CLG_TRY_END(read_fold(dev, train, value));
    *value += (double)(1000 * clg_dataset_size(test) + 100 * clg_dataset_size(val));
end:
    clg_scaler_destroy(&scaler);
    clg_scaler_destroy(&back);
    clg_dataset_destroy(&all);
    clg_dataset_destroy(&most);
    clg_dataset_destroy(&test);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
    return status;
}

static void write_in(const char *dir, const char *name, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f) return; /* then the job fails, and that is seen */
    fputs(text, f);
    fclose(f);
}

static void write_sources(const char *dir) {
    static const char *const folders[] = { "pictures", "pictures/a", "pictures/b" };
    char path[300];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        mkdir(path, 0700);
    }
    write_in(dir, "pictures/a/1.pgm", "P2 2 1 255 10 20\n");
    write_in(dir, "pictures/a/2.pgm", "P2 2 1 255 30 40\n");
    write_in(dir, "pictures/b/1.pgm", "P2 2 1 255 50 60\n");
    write_in(dir, "t.csv", "id,a,\"c\",y\n1,2.5,u,no\n2,,v,yes\n3,3,u,no\n4,5,?,yes\n5,1,v,no\n6,4,u,yes\n");
}

/* Each kind of source that has a reader of its own. */
static clg_status reading_job(const char *dir, double *value) {
    static const char *const specs[] = { "csv:%s/t.csv,ignore=id,missing=mean,test=0.4", "folder:%s/pictures,test=0",
        "npz:%s/numpy/parts.npz", "npy:%s/numpy/colour.npy,y=%s/numpy/one_hot.npy,test=0.4",
        "clouds:n=20,w=1,2,3", "poly:n=20,w=1,2,features=2" };
    char spec[700], data[300];
    const char *root = getenv("CLGRAD_SOURCE");
    snprintf(data, sizeof data, "%s/tests/data", root ? root : "..");
    write_sources(dir);
    *value = 0;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        const char *from = i < 2 ? dir : data;
        double x[64], y;
        snprintf(spec, sizeof spec, specs[i], from, from);
        clg_dataset *d = clg_dataset_open(spec, CLG_TRAIN);
        if (!d) return clg_error_status();
        const clg_status status = clg_dataset_row(d, 1, x, &y);
        *value += (double)clg_dataset_size(d) + 10 * x[0] + 100 * y;
        clg_dataset_destroy(&d);
        if (status < 0) return status;
    }
    return CLG_OK;
}

/* A run over XOR with all that allocates: slots, the best weights, a checkpoint, which another run goes on from. */
static clg_status go_on(clg_trainer *t, clg_dataset *d, const char *path, double *value) {
    clg_fit_result result;
    clg_score score;
    int64_t confusion[4];
    float output[8];
    CLG_TRY(clg_trainer_resume(t, path));
    CLG_TRY(clg_fit(t, d, d, &result));
    CLG_TRY(clg_evaluate(t, d, &score, confusion, output));
    *value = score.loss + (double)result.steps;
    return CLG_OK;
}

static clg_status fit_job(const char *dir, double *value) {
    static const double x[] = { 0, 0, 0, 1, 1, 0, 1, 1 };
    static const int32_t label[] = { 0, 1, 1, 0 };
    static const char *const names[] = { "equal", "different" };
    char path[200];
    clg_status status = CLG_ERR_DEVICE;
    clg_fit_params p = { .epochs = 2, .batch = 3, .optimizer = "adam", .keep_best = true, .save = path,
                         .type = CLG_F64 };
    snprintf(path, sizeof path, "%s/run.safetensors", dir);
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 4, .item = CLG_SHAPE(2), .x = x, .label = label,
                                                           .classes = 2, .class_name = names));
    clg_model *text = d ? clg_model_parse("xor", "linear 3\ntanh\ndropout 0.1\nlinear outputs\n") : NULL;
    clg_model *m = text ? clg_model_for(text, CLG_SHAPE(2), 2, 0) : NULL;
    clg_device *dev = m ? clg_device_open("ref", NULL) : NULL;
    clg_store *a = dev ? clg_store_create(dev, 7) : NULL, *b = a ? clg_store_create(dev, 7) : NULL;
    clg_trainer *first = b ? clg_trainer_create(dev, a, m, &p) : NULL, *second = NULL;
    p.epochs = 3;
    if (first) second = clg_trainer_create(dev, b, m, &p);
    if (!second) {
        status = clg_error_status();
        goto end;
    }
    CLG_TRY_END(clg_fit(first, d, d, NULL));
    CLG_TRY_END(go_on(second, d, path, value));
end:
    clg_trainer_destroy(&first);
    clg_trainer_destroy(&second);
    clg_store_destroy(&a);
    clg_store_destroy(&b);
    clg_device_destroy(&dev);
    clg_model_destroy(&m);
    clg_model_destroy(&text);
    clg_dataset_destroy(&d);
    return status;
}

/* Every way of judging a recipe, with all that it allocates: folds, trials, the winner, a curve; and separability. */
static clg_status judge(clg_device *dev, clg_dataset *d, clg_dataset *test, const clg_model *m, double *value) {
    static const char *const dims[] = { "features=1,2", "lr=0.1..1:2" };
    const clg_setup s = { .zoo = "logistic", .fit = { .epochs = 1, .batch = 2 } };
    const clg_cv_params two = { .k = 2, .standardize = true, .full_batch = true };
    const clg_search_params p = { .dim = dims, .n_dims = 2, .random = 3, .cv = { .holdout = 0.25, .standardize = true },
                                  .test = test };
    clg_cv_result cv;
    clg_search_result found;
    clg_curve curve;
    CLG_TRY(clg_cross_validate(dev, m, d, &s.fit, &two, &cv));
    *value = cv.loss;
    clg_cv_result_free(&cv);
    CLG_TRY(clg_search(dev, &s, d, &p, &found));
    *value += found.test.loss + 10 * (double)found.trial[0].number;
    clg_search_result_free(&found);
    CLG_TRY(clg_learning_curve(dev, &s, d, &two, (const int64_t[]){ 2, 3 }, 2, &curve));
    *value += curve.point[1].norm;
    clg_curve_free(&curve);
    return CLG_OK;
}

static clg_status judge_job(const char *dir, double *value) {
    static const double square[] = { 0, 0, 0, 1, 1, 0, 1, 1 };
    static const int32_t and[] = { -1, -1, -1, 1 };
    clg_perceptron_result rule = {0};
    clg_status status = CLG_ERR_DEVICE;
    double loss = 0;
    int64_t count = 0;
    clg_dataset *d = clg_dataset_open("moons:n=12", CLG_TRAIN);
    clg_dataset *test = d ? clg_dataset_open("moons:n=12", CLG_TEST) : NULL;
    clg_model *m = test ? clg_model_zoo("logistic", NULL) : NULL;
    clg_device *dev = m ? clg_device_open("ref", NULL) : NULL;
    if (!dev) {
        status = clg_error_status();
        goto end;
    }
    CLG_TRY_END(judge(dev, d, test, m, &loss));
    CLG_TRY_END(clg_count_separable(square, 4, 2, &count));
    CLG_TRY_END(clg_perceptron_fit(square, and, 4, 2, NULL, &rule));
    *value = loss + (double)count + (double)rule.updates;
end:
    clg_perceptron_result_free(&rule);
    clg_device_destroy(&dev);
    clg_model_destroy(&m);
    clg_dataset_destroy(&test);
    clg_dataset_destroy(&d);
    return status;
}

/* A model of the zoo and one of a text, completed; saved, opened again, and asked for a picture. */
static clg_status save_model(clg_device *dev, const clg_model *m, const char *path) {
    clg_store *store = clg_store_create(dev, 3);
    clg_graph *g = store ? clg_graph_create(dev, store) : NULL;
    const float mean[] = { 0.25f }, deviation[] = { 0.5f };
    clg_status status = g ? CLG_OK : clg_error_status();
    if (g) {
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(1, 1, 4, 4));
        clg_tensor *y = clg_model_build(m, x);
        clg_state(g, "data.mean", CLG_F32, CLG_SHAPE(1), 0);
        clg_state(g, "data.deviation", CLG_F32, CLG_SHAPE(1), 1);
        if (!y || clg_graph_status(g) < 0) status = clg_graph_status(g);
    }
    if (status == CLG_OK) status = clg_store_write(store, "data.mean", mean, sizeof mean);
    if (status == CLG_OK) status = clg_store_write(store, "data.deviation", deviation, sizeof deviation);
    if (status == CLG_OK) status = clg_store_set_meta(store, "model", clg_model_text(m));
    if (status == CLG_OK) status = clg_store_set_meta(store, "classes", "a\nb");
    if (status == CLG_OK) status = clg_store_save(store, path, NULL);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    return status;
}

static clg_status model_job(const char *dir, double *value) {
    uint8_t pixels[16] = { 0, 255, 7, 200 };
    char path[200];
    float out[2];
    int32_t best;
    clg_status status = CLG_OK;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    clg_model *zoo = clg_model_zoo("mlp", clg_zoo_params(.hidden = "4,3", .activation = "tanh", .dropout = 0.5));
    clg_model *text = zoo ? clg_model_parse("text", "conv 2 kernel=3 name=a\nrelu\nflatten\nlinear outputs") : NULL;
    clg_model *m = text ? clg_model_for(text, CLG_SHAPE(1, 4, 4), 2, 0) : NULL;
    clg_device *dev = m ? clg_device_open("ref", NULL) : NULL;
    clg_predictor *p = NULL;
    if (!dev) CLG_TRY_END(clg_error_status());
    CLG_TRY_END(save_model(dev, m, path));
    if ((p = clg_predictor_open(dev, path, clg_predictor_params(.batch = 2))) == NULL) CLG_TRY_END(clg_error_status());
    CLG_TRY_END(clg_predict_image(p, &(clg_image){ 4, 4, 1, pixels }, out, &best));
    *value = out[0] + best + (double)clg_model_layers(zoo) + (clg_predictor_class(p, 1) != NULL);
end:
    clg_predictor_destroy(&p);
    clg_device_destroy(&dev);
    clg_model_destroy(&m);
    clg_model_destroy(&text);
    clg_model_destroy(&zoo);
    return status;
}

Test(fault_host, data, .timeout = 600) {
    run_sweep(&(sweep){ .name = "data", .job = data_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault_host, reading, .timeout = 600) {
    run_sweep(&(sweep){ .name = "reading", .job = reading_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault_host, fit, .timeout = 600) {
    run_sweep(&(sweep){ .name = "fit", .job = fit_job, .allocations = true, .step = 7 }, 0, 0);
}

Test(fault_host, model, .timeout = 600) {
    run_sweep(&(sweep){ .name = "model", .job = model_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault_host, judge, .timeout = 600) {
    run_sweep(&(sweep){ .name = "judge", .job = judge_job, .allocations = true, .step = 3 }, 0, 0);
}

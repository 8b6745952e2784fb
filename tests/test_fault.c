/* Every OpenCL call and every allocation of a small complete job fails once in turn. Whatever fails, the job returns a
 * clean status with a message (or the right result, where a call is optional), nothing leaks, and a run after it works.
 * The jobs run in child processes, a batch each, so that a crash is told with the number and name of the call. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <criterion/criterion.h>

#include "base/error.h"
#include "cl/replay.h"
#include "support/fail.h"
#include "support/opencl.h"
#include <clgrad/clgrad.h>

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 64 };

/* A job leaves the same value whenever it succeeds. dir: scratch space. */
typedef clg_status (*job_fn)(const char *dir, double *value);

/* One sweep: which job, and what fails. */
typedef struct sweep {
    const char *name;
    job_fn job;
    bool allocations; /* else OpenCL calls */
    bool cold;        /* a process for each fault, so that finding the devices can fail too */
    int  step;        /* every step-th fault is tried; 1: each */
} sweep;

/* What a child process tells; in shared memory. */
typedef struct told {
    long at;          /* the fault under way */
    bool done;        /* the job no longer reaches the fault */
    char call[64];
    char wrong[600];  /* "" if all is well */
} told;

/* --- the jobs --- */

static clg_status use_kernel(clg_device *d, clg_program *p, clg_buffer *x, clg_buffer *y, double *value) {
    clg_kernel *k = NULL;
    clg_upload *u = NULL;
    clg_download *down = NULL;
    struct _cl_event *done = NULL;
    clg_status status = CLG_OK;
    const float data[4] = { 1, 2, 3, 4 };
    float back[4];
    clg_note note = { 0 };
    const clg_bind args[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = x, .offset = 4 },
                              { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = y },
                              { .kind = CLG_BIND_FLOAT, .name = "s", .f = 2 } };
    CLG_TRY_END(clg_kernel_create(p, "scale", args, 3, &k));
    CLG_TRY_END(clg_kernel_set_range(k, (size_t[]){ 4, 1, 1 }, (size_t[]){ 1, 1, 1 }));
    CLG_TRY_END(clg_upload_create(d, CLG_F32, 4, clg_upload_doubles(d, sizeof data), "x", &u));
    for (int i = 0; i < 3; i++) {
        CLG_TRY_END(clg_upload_write(u, data, done));
        struct _cl_event *sent = clg_upload_sent(u);
        clg_event_release(&done);
        CLG_TRY_END(clg_buffer_copy(clg_upload_buffer(u), 0, x, 4, CLG_F32, 4, NULL,
                                    &(clg_link){ .n_wait = 1, .wait = &sent, .done = &done }));
        clg_upload_taken(u);
        CLG_TRY_END(clg_kernel_enqueue(k, &note, NULL));
    }
    CLG_TRY_END(clg_download_create(d, CLG_F32, 4, "y", &down));
    clg_event_release(&done);
    CLG_TRY_END(clg_kernel_enqueue(k, &note, &(clg_link){ .done = &done }));
    CLG_TRY_END(clg_download_begin(down, y, 0, done));
    CLG_TRY_END(clg_download_begin(down, y, 0, NULL));
    CLG_TRY_END(clg_buffer_copy(y, 0, y, 8, CLG_F32, 4, NULL, &(clg_link){ .n_wait = 1, .wait = &done }));
    CLG_TRY_END(clg_download_end(down, back));
    CLG_TRY_END(clg_device_finish(d));
    CLG_TRY_END(clg_buffer_read(y, 8, CLG_F32, back, 4));
    *value = back[0] + 10 * back[1] + 100 * back[2] + 1000 * back[3];
end:
    clg_event_release(&done);
    clg_download_destroy(&down);
    clg_note_forget(d, &note);
    clg_upload_destroy(&u);
    clg_kernel_destroy(&k);
    return status;
}

static clg_status write_trace(clg_trace *t, const char *path) {
    FILE *f = fopen(path, "w");
    const clg_status status = f ? clg_trace_write(t, f) : clg_fail(CLG_ERR_IO, "%s", path);
    if (f) fclose(f);
    return status;
}

/* The device layer alone; every path that the library takes on some device. trace: where to write one; NULL: none. */
static clg_status device_job(const char *cache_dir, const char *trace, double *value) {
    static const char text[] = "KERNEL scale(IN(x), OUT(y), const float s) {\n"
                               "    const size_t i = get_global_id(0);\n    STORE(y, i, s * LOAD(x, i));\n}\n";
    clg_status status = CLG_OK;
    clg_buffer *x = NULL, *y = NULL;
    clg_program *p = NULL;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.profiling = true, .cache_dir = cache_dir));
    clg_trace *t = d && trace ? clg_trace_create(20) : NULL;
    if (!d || (trace && !t)) CLG_TRY_END(clg_error_status());
    if (t) CLG_TRY_END(clg_trace_device(t, d));
    CLG_TRY_END(clg_program_get(d, &(clg_source){ "scale", text, NULL }, &p));
    CLG_TRY_END(clg_buffer_create(d, 64, "x", &x));
    CLG_TRY_END(clg_buffer_create(d, 64, "y", &y));
    CLG_TRY_END(use_kernel(d, p, x, y, value));
    clg_program_save_new(d);
    if (t) CLG_TRY_END(write_trace(t, trace));
end:
    clg_trace_destroy(&t);
    clg_buffer_destroy(&x);
    clg_buffer_destroy(&y);
    clg_program_release(&p);
    clg_device_destroy(&d);
    return status;
}

static clg_status compiling_job(const char *dir, double *value) {
    (void)dir;
    unsetenv("CLGRAD_FORCE_DISCRETE");
    return device_job("", NULL, value);
}

static clg_status discrete_job(const char *dir, double *value) {
    char path[200];
    snprintf(path, sizeof path, "%s/trace.json", dir);
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    return device_job(dir, path, value);
}

/* Saves its program every time, since the cache is a new directory every time. */
static clg_status saving_job(const char *dir, double *value) {
    static int counter;
    char below[200];
    unsetenv("CLGRAD_FORCE_DISCRETE");
    snprintf(below, sizeof below, "%s/%d", dir, counter++);
    return device_job(below, NULL, value);
}

/* Both halves of a device, in a list. */
static clg_status parts_job(const char *dir, double *value) {
    clg_device *devs[2] = { 0 };
    clg_buffer *b = NULL, *copy = NULL;
    clg_status status = CLG_OK;
    float x = 3, y = 0;
    (void)dir;
    const int n = clg_devices_open("0#1/2,0#0/2", clg_device_params(.cache_dir = ""), devs, 2);
    *value = n;
    if (n < 0) return n;
    for (int i = 0; i < n; i++) {
        CLG_TRY_END(clg_buffer_create(devs[i], 4, "b", &b));
        CLG_TRY_END(clg_buffer_create(devs[i], 4, "copy", &copy));
        CLG_TRY_END(clg_buffer_write(b, 0, CLG_F32, &x, 1));
        CLG_TRY_END(clg_buffer_copy(b, 0, copy, 0, CLG_F32, 1, NULL, NULL));
        CLG_TRY_END(clg_buffer_read(copy, 0, CLG_F32, &y, 1));
        *value += y;
        clg_buffer_destroy(&b);
        clg_buffer_destroy(&copy);
    }
end:
    clg_buffer_destroy(&b);
    clg_buffer_destroy(&copy);
    for (int i = 0; i < n; i++) clg_device_destroy(&devs[i]);
    return status;
}

/* A training step of a small network, twice; then its weights are saved, and loaded into another store. */
static clg_status train(clg_device *d, clg_store *net, clg_graph *g, double *value) {
    clg_status status = CLG_OK;
    const int32_t labels[] = { 2, 0 };
    float pixels[72], hidden[2 * 2 * 4 * 4], loss_value = 0;
    for (int i = 0; i < 72; i++) pixels[i] = (float)(i % 7) / 7;
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(2, 1, 6, 6)), *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(2));
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "conv", 2, 3, NULL));
    clg_tensor *loss = clg_cross_entropy(clg_nn_linear(clg_flatten(h, 1), "fc", 3), t);
    clg_tensor *step = clg_sgd(loss, clg_optim_params(.lr = 0.1, .momentum = 0.9));
    clg_tensor *dh = clg_grad(loss, h);
    const char *forced = getenv("CLGRAD_FORCE_DISCRETE");
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, step, dh), clg_plan_params(.queues = forced ? 2 : 1,
                                                                              .no_reuse = forced != NULL));
    if (!plan) return clg_error_status();
    for (int i = 0; i < 2; i++) {
        CLG_TRY_END(clg_write(plan, x, pixels, sizeof pixels));
        CLG_TRY_END(clg_write(plan, t, labels, sizeof labels));
        CLG_TRY_END(clg_run(plan));
        CLG_TRY_END(clg_read_begin(plan, dh));
        CLG_TRY_END(clg_read(plan, loss, &loss_value, sizeof loss_value));
    }
    CLG_TRY_END(clg_read_end(plan, dh, hidden, sizeof hidden));
    *value = (double)loss_value + hidden[5];
    CLG_TRY_END(clg_device_finish(d));
    CLG_TRY_END(clg_store_set_meta(net, "model", "tiny"));
end:
    clg_plan_destroy(&plan);
    return status;
}

static clg_status whole_job(const char *device, const char *dir, double *value) {
    char path[200], cache[200];
    clg_status status = CLG_ERR_DEVICE;
    snprintf(cache, sizeof cache, "%s/cache", dir);
    snprintf(path, sizeof path, "%s/net.safetensors", dir);
    clg_device *d = clg_device_open(device, clg_device_params(.cache_dir = cache));
    clg_store *net = d ? clg_store_create(d, 7) : NULL, *copy = net ? clg_store_create(d, 8) : NULL;
    clg_graph *g = copy ? clg_graph_create(d, net) : NULL;
    if (!g) {
        status = clg_error_status();
        goto end;
    }
    CLG_TRY_END(train(d, net, g, value));
    CLG_TRY_END(clg_store_save(net, path, NULL));
    CLG_TRY_END(clg_store_load(copy, path, NULL));
    *value += clg_store_count(copy);
end:
    clg_graph_destroy(&g);
    clg_store_destroy(&net);
    clg_store_destroy(&copy);
    clg_device_destroy(&d);
    return status;
}

static clg_status training_job(const char *dir, double *value) {
    unsetenv("CLGRAD_FORCE_DISCRETE");
    setenv("CLGRAD_REPLAY", "off", 1);
    return whole_job(opencl_device(), dir, value);
}

/* With inputs that have two buffers, and steps on two queues. */
static clg_status doubled_job(const char *dir, double *value) {
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    return whole_job(opencl_device(), dir, value);
}

/* The second run is recorded. */
static clg_status replaying_job(const char *dir, double *value) {
    unsetenv("CLGRAD_FORCE_DISCRETE");
    setenv("CLGRAD_REPLAY", "on", 1);
    return whole_job(opencl_device(), dir, value);
}

/* The trial itself, which may end in a no but never in an error. */
static clg_status trial_job(const char *dir, double *value) {
    char pattern[200];
    glob_t found;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.cache_dir = dir));
    if (!d) return clg_error_status();
    snprintf(pattern, sizeof pattern, "%s/replay-*.txt", dir);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) remove(found.gl_pathv[i]);
        globfree(&found);
    }
    (void)clg_replay_pays(d);
    clg_device_destroy(&d);
    *value = 1;
    return CLG_OK;
}

static clg_status reference_job(const char *dir, double *value) { return whole_job("ref", dir, value); }

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

/* --- one child --- */

static void set_fault(const sweep *s, long n) {
    if (s->allocations) {
        fail_alloc_at(n);
    } else {
        fail_call_at(n);
    }
}

static bool reached(const sweep *s) { return s->allocations ? fail_alloc_reached() : fail_call_name() != NULL; }

/* The job with fault n; false: something is wrong, and t says what. */
static bool try_fault(const sweep *s, const char *dir, long n, double want, told *t) {
    double value = 0;
    t->at = n;
    set_fault(s, n);
    const clg_status status = s->job(dir, &value);
    const bool hit = reached(s);
    snprintf(t->call, sizeof t->call, "%s", s->allocations ? "allocation" : hit ? fail_call_name() : "none");
    set_fault(s, 0);
    t->done = !hit;
    if (status < 0 && (!hit || *clg_error() == 0 || clg_error_status() != status))
        snprintf(t->wrong, sizeof t->wrong, "status %d with error %d \"%s\"", status, clg_error_status(), clg_error());
    else if (status >= 0 && value != want /* another implementation rounds otherwise */
             && !(strcmp(t->call, "clBuildProgram") == 0 && fabs(value - want) < 1e-5 * fabs(want)))
        snprintf(t->wrong, sizeof t->wrong, "success with the value %g, not %g", value, want);
    else if (fail_blocks_alive() != 0 || fail_objects_alive() != 0)
        snprintf(t->wrong, sizeof t->wrong, "%ld blocks and %ld OpenCL objects leak; status %d, %s",
                 fail_blocks_alive(), fail_objects_alive(), status, clg_error());
    else if ((s->cold || n / s->step % 4 == 0) && (s->job(dir, &value) < 0 || value != want))
        snprintf(t->wrong, sizeof t->wrong, "the next run gives %g, not %g: %s", value, want, clg_error());
    return *t->wrong == 0;
}

/* want: the job's value; 0: what it gives without a fault. */
static void child(const sweep *s, const char *dir, long first, double want, told *t) {
    double value = want;
    if (fail_alloc_install() < 0) snprintf(t->wrong, sizeof t->wrong, "%s", clg_error());
    if (!s->cold && (s->job(dir, &value) < 0 || (want != 0 && value != want)))
        snprintf(t->wrong, sizeof t->wrong, "without a fault: value %g, %s", value, clg_error());
    const long last = s->cold ? first : first + (BATCH - 1) * s->step;
    for (long i = first; i <= last && !t->done && *t->wrong == 0; i += s->step)
        if (!try_fault(s, dir, i, value, t)) break;
}

/* --- the sweep --- */

static told *shared(void) {
    told *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(t != MAP_FAILED);
    return t;
}

/* One batch in a child process; false: it crashed. */
static bool run_batch(const sweep *s, const char *dir, long first, double want, told *t) {
    int status = 0;
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        child(s, dir, first, want, t);
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* All faults from 1 until the job no longer reaches them; those of a cold sweep until `most`. */
static void run_sweep(const sweep *s, double want, long most) {
    char dir[] = "/tmp/clgrad-fault-XXXXXX", command[64];
    const long batch = s->cold ? 1 : (long)BATCH * s->step;
    long faults = 0;
    told *t = shared();
    cr_assert(mkdtemp(dir));
    for (long first = 1; !t->done && (!s->cold || first <= most); first += batch) {
        const bool alive = run_batch(s, dir, first, want, t);
        cr_expect(alive, "%s: the process died at fault %ld (after %s)", s->name, t->at, t->call);
        cr_expect(*t->wrong == 0, "%s: fault %ld (%s): %s", s->name, t->at, t->call, t->wrong);
        if (!alive || *t->wrong) break;
        faults = t->at;
    }
    cr_expect(faults > 10, "%s: only %ld faults", s->name, faults);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_expect(system(command) == 0);
    munmap(t, sizeof *t);
}

static const double scaled = 2 + 10 * 4 + 100 * 6 + 1000 * 8; /* what use_kernel() leaves */

/* Finding the devices: the first calls of a process. */
Test(fault, enumeration, .timeout = 120) {
    run_sweep(&(sweep){ .name = "enumeration", .job = compiling_job, .cold = true, .step = 1 }, scaled, 40);
}

static const sweep device_sweeps[] = {
    { .name = "compiling", .job = compiling_job, .step = 1 },
    { .name = "discrete", .job = discrete_job, .step = 1 },
    { .name = "saving", .job = saving_job, .step = 1 },
};

Test(fault, device_calls, .timeout = 600) {
    for (int i = 0; i < 3; i++) run_sweep(&device_sweeps[i], scaled, 0);
}

Test(fault, device_allocations, .timeout = 600) {
    for (int i = 0; i < 3; i++) {
        sweep s = device_sweeps[i];
        s.allocations = true;
        run_sweep(&s, scaled, 0);
    }
}

/* Asked in a child: this process must not wake the driver, whose threads a fork would lose. */
static bool has_halves(void) {
    int status = 1;
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) _exit(why_no_halves("0") ? 3 : 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3), "status %d", status);
    return WEXITSTATUS(status) == 0;
}

Test(fault, parts, .timeout = 60) {
    if (!has_halves()) cr_skip_test("the device has one compute unit, or its driver makes no parts of it");
    run_sweep(&(sweep){ .name = "parts", .job = parts_job, .step = 1 }, 0, 0);
    run_sweep(&(sweep){ .name = "parts", .job = parts_job, .allocations = true, .step = 1 }, 0, 0);
}

/* The steps keep the time bearable; they are primes, so that they fall on different calls of loops. */
Test(fault, training_calls, .timeout = 600) {
    run_sweep(&(sweep){ .name = "training", .job = training_job, .step = 17 }, 0, 0);
    run_sweep(&(sweep){ .name = "doubled", .job = doubled_job, .step = 31 }, 0, 0);
}

Test(fault, replay_calls, .timeout = 600) {
    run_sweep(&(sweep){ .name = "replaying", .job = replaying_job, .step = 29 }, 0, 0);
    run_sweep(&(sweep){ .name = "trial", .job = trial_job, .step = 7 }, 1, 0);
}

Test(fault, replay_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "replaying", .job = replaying_job, .allocations = true, .step = 31 }, 0, 0);
    run_sweep(&(sweep){ .name = "trial", .job = trial_job, .allocations = true, .step = 3 }, 1, 0);
}

Test(fault, training_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "training", .job = training_job, .allocations = true, .step = 7 }, 0, 0);
    run_sweep(&(sweep){ .name = "reference", .job = reference_job, .allocations = true, .step = 3 }, 0, 0);
}

Test(fault, data_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "data", .job = data_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault, reading_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "reading", .job = reading_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault, fit_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "fit", .job = fit_job, .allocations = true, .step = 7 }, 0, 0);
}

Test(fault, model_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "model", .job = model_job, .allocations = true, .step = 1 }, 0, 0);
}

Test(fault, judge_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "judge", .job = judge_job, .allocations = true, .step = 3 }, 0, 0);
}

/* Inference: predictors over files made here, by training, and by PyTorch; clgrad predict; all ways a file can be
 * wrong. */
#include "support/scratch.h"
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[SCRATCH];
static clg_device *dev;

static void set_up(void) {
    make_scratch(folder);
    cr_assert_eq(chdir(folder), 0);
    dev = clg_device_open("ref", NULL);
    cr_assert_not_null(dev, "%s", clg_error());
}

static void tear_down(void) {
    clg_device_destroy(&dev);
    remove_scratch(folder);
}

/* --- files --- */

typedef struct tensor { const char *name; clg_dtype type; clg_shape shape; const void *data; size_t bytes; } tensor;
#define F32(name, array, ...) {name, CLG_F32, CLG_SHAPE(__VA_ARGS__), array, sizeof array}

/* A file of tensors, n of them, with metadata; NULL: left out. */
static void make_file(const char *path, const char *model, const char *classes, const tensor *t, int n) {
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    for (int i = 0; i < n; i++) {
        cr_assert_not_null(clg_state(g, t[i].name, t[i].type, t[i].shape, 0), "%s", clg_error());
        cr_assert_eq(clg_store_write(store, t[i].name, t[i].data, t[i].bytes), CLG_OK, "%s", clg_error());
    }
    if (model) cr_assert_eq(clg_store_set_meta(store, "model", model), CLG_OK);
    if (classes) cr_assert_eq(clg_store_set_meta(store, "classes", classes), CLG_OK);
    cr_assert_eq(clg_store_save(store, path, NULL), CLG_OK, "%s", clg_error());
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
}

static const float w3[3][2] = {{1, 0}, {0, 1}, {-1, -1}}, b3[3] = {0, 0.5f, 0};
static const char model3[] = "input 2\nlinear 3\nloss cross_entropy\n";

/* --- answers --- */

Test(predict, classes_in_pieces, .init = set_up, .fini = tear_down) {
    static const float x[5][2] = {{3, 0}, {0, 3}, {-2, -1}, {1, 0.5f}, {0, 0}};
    static const int32_t want[5] = {0, 1, 2, 0, 1};
    make_file("f", model3, "red\ngreen\n\xc3\xa9", (tensor[]){F32("fc1.weight", w3, 3, 2), F32("fc1.bias", b3, 3),
                                                              F32("fc1.weight.m", w3, 3, 2)}, 3);
    for (int64_t batch = 0; batch < 8; batch += 2) {
        float out[5][3];
        int32_t best[5];
        clg_predictor *p = clg_predictor_open(dev, "f", clg_predictor_params(.batch = batch));
        cr_assert_not_null(p, "%s", clg_error());
        cr_expect_eq(clg_predictor_classes(p), 3);
        cr_expect_eq(clg_model_weights(clg_predictor_model(p)), 9);
        cr_assert_eq(clg_predict(p, 5, x[0], out[0], best), CLG_OK, "%s", clg_error());
        cr_expect_arr_eq(best, want, sizeof want);
        for (int i = 0; i < 5; i++) {
            double e[3], sum = 0;
            for (int k = 0; k < 3; k++) sum += e[k] = exp(x[i][0] * w3[k][0] + x[i][1] * w3[k][1] + b3[k]);
            for (int k = 0; k < 3; k++) cr_expect_float_eq(out[i][k], e[k] / sum, 1e-6);
        }
        int32_t only;
        cr_assert_eq(clg_predict(p, 1, x[2], NULL, &only), CLG_OK);
        cr_expect_eq(only, 2);
        cr_expect_eq(clg_predict(p, 0, NULL, NULL, NULL), CLG_OK);
        cr_expect_eq(clg_predict(p, -1, x[0], out[0], best), CLG_ERR_INVALID);
        cr_expect_eq(clg_predict(p, 1, NULL, out[0], best), CLG_ERR_INVALID);
        cr_expect_str_eq(clg_predictor_class(p, 0), "red");
        cr_expect_str_eq(clg_predictor_class(p, 2), "\xc3\xa9");
        cr_expect_null(clg_predictor_class(p, 3));
        cr_expect_null(clg_predictor_class(p, -1));
        clg_predictor_destroy(&p);
        cr_expect_null(p);
    }
}

Test(predict, two_classes_and_values, .init = set_up, .fini = tear_down) {
    static const float w[1][2] = {{1, -1}}, x[3][2] = {{2, 1}, {0, 2}, {1, 1}};
    static const double f[3] = {1, -2, 0};
    static const struct { const char *loss; int classes; } rows[] = {{"logistic", 2}, {"perceptron", 2}, {"mse", 0}};
    for (int i = 0; i < 3; i++) {
        char text[100];
        float out[3];
        int32_t best[3];
        snprintf(text, sizeof text, "input 2\nlinear 1 bias=no name=a\nloss %s\n", rows[i].loss);
        make_file("f", text, NULL, (tensor[]){F32("a.weight", w, 1, 2)}, 1);
        clg_predictor *p = clg_predictor_open(dev, "f", NULL);
        cr_assert_not_null(p, "%s", clg_error());
        cr_expect_eq(clg_predictor_classes(p), rows[i].classes);
        cr_assert_eq(clg_predict(p, 3, x[0], out, best), CLG_OK, "%s", clg_error());
        for (int k = 0; k < 3; k++) {
            cr_expect_float_eq(out[k], rows[i].classes ? 1 / (1 + exp(-f[k])) : f[k], 1e-6);
            cr_expect_eq(best[k], rows[i].classes ? f[k] > 0 : -1);
        }
        clg_predictor_destroy(&p);
    }
}

/* Doubles, and a scaler that lies beside the weights. */
Test(predict, items_are_standardised_as_in_training, .init = set_up, .fini = tear_down) {
    static const double w[1][2] = {{1, 10}};
    static const float mean[2] = {5, 1}, deviation[2] = {2, 0.5f}, x[2] = {7, 2};
    float out;
    make_file("f", "input 2\nlinear 1 bias=no\nloss mse\n", NULL,
              (tensor[]){{"fc1.weight", CLG_F64, CLG_SHAPE(1, 2), w, sizeof w}, F32("data.mean", mean, 2),
                         F32("data.deviation", deviation, 2)}, 3);
    clg_predictor *p = clg_predictor_open(dev, "f", NULL);
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_eq(clg_predict(p, 1, x, &out, NULL), CLG_OK);
    cr_expect_float_eq(out, (7 - 5) / 2.0 + 10 * (2 - 1) / 0.5, 1e-5);
    clg_predictor_destroy(&p);
}

Test(predict, pictures, .init = set_up, .fini = tear_down) {
    static const float w[1][2][2] = {{{1, 2}, {4, 8}}}, w3c[1][3] = {{1, 2, 4}};
    uint8_t pixels[4] = {0, 51, 102, 255}, colour[3] = {255, 0, 51};
    float out = 7;
    make_file("grey", "input 2 2\nflatten\nlinear 1 bias=no\nloss mse\n", NULL,
              (tensor[]){F32("fc1.weight", w, 1, 4)}, 1);
    make_file("colour", "input 3 1 1\nflatten\nlinear 1 bias=no\nloss mse\n", NULL,
              (tensor[]){F32("fc1.weight", w3c, 1, 3)}, 1);
    make_file("row", model3, NULL, (tensor[]){F32("fc1.weight", w3, 3, 2), F32("fc1.bias", b3, 3)}, 2);
    clg_predictor *p = clg_predictor_open(dev, "grey", NULL);
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_eq(clg_predict_image(p, &(clg_image){2, 2, 1, pixels}, &out, NULL), CLG_OK, "%s", clg_error());
    cr_expect_float_eq(out, 0.2 * 2 + 0.4 * 4 + 8, 1e-5);
    out = 7;
    cr_expect_eq(clg_predict_image(p, &(clg_image){4, 1, 1, pixels}, &out, NULL), CLG_ERR_SHAPE);
    cr_expect(strstr(clg_error(), "4 x 1 pixels, but the model takes 2 x 2"), "%s", clg_error());
    cr_expect_eq(clg_predict_image(p, NULL, &out, NULL), CLG_ERR_INVALID);
    cr_expect_eq(out, 7);
    clg_predictor_destroy(&p);
    p = clg_predictor_open(dev, "colour", NULL);
    cr_assert_eq(clg_predict_image(p, &(clg_image){1, 1, 3, colour}, &out, NULL), CLG_OK, "%s", clg_error());
    cr_expect_float_eq(out, 1 + 0 + 0.2 * 4, 1e-5);
    clg_predictor_destroy(&p);
    p = clg_predictor_open(dev, "row", NULL);
    cr_expect_eq(clg_predict_image(p, &(clg_image){2, 1, 1, pixels}, &out, NULL), CLG_ERR_SHAPE);
    cr_expect(strstr(clg_error(), "items of 2 numbers, no pictures"), "%s", clg_error());
    clg_predictor_destroy(&p);
}

/* Puts the weights of tests/data/lenet-trace, which have names of their own, into the file "lenet". */
static void rename_lenet(const clg_model *m) {
    static const char *const names[][2] = {
        {"c1_w", "conv1.weight"}, {"c1_b", "conv1.bias"}, {"c2_w", "conv2.weight"}, {"c2_b", "conv2.bias"},
        {"f1_w", "fc1.weight"}, {"f1_b", "fc1.bias"}, {"f2_w", "fc2.weight"}, {"f2_b", "fc2.bias"},
        {"f3_w", "fc3.weight"}, {"f3_b", "fc3.bias"}};
    static float data[10][120 * 400];
    tensor t[10];
    char path[600];
    clg_store *store = clg_store_create(dev, 0);
    snprintf(path, sizeof path, "%s/tests/data/lenet-trace/after_100_steps.safetensors", getenv("CLGRAD_SOURCE"));
    cr_assert_eq(clg_store_load(store, path, NULL), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_store_count(store), 10);
    for (int i = 0; i < 10; i++) {
        clg_store_entry e;
        size_t bytes = sizeof(float);
        cr_assert_eq(clg_store_get(store, i, &e), CLG_OK);
        for (int k = 0; k < e.shape.ndim; k++) bytes *= (size_t)e.shape.dim[k];
        cr_assert_eq(clg_store_read(store, e.name, data[i], bytes), CLG_OK, "%s", clg_error());
        t[i] = (tensor){NULL, CLG_F32, e.shape, data[i], bytes};
        for (int k = 0; k < 10; k++)
            if (strcmp(names[k][0], e.name) == 0) t[i].name = names[k][1];
    }
    make_file("lenet", clg_model_text(m), NULL, t, 10);
    clg_store_destroy(&store);
}

/* The weights that PyTorch has trained for 100 steps fit the zoo's LeNet, and tell most test digits right. */
Test(predict, lenet_of_pytorch, .init = set_up, .fini = tear_down) {
    enum { N = 100 };
    static float x[N][784];
    int32_t label[N], best[N];
    int right = 0;
    clg_model *open = clg_model_zoo("lenet", NULL), *m = clg_model_for(open, CLG_SHAPE(1, 28, 28), 10, 0);
    rename_lenet(m);
    clg_dataset *d = clg_dataset_open("digits", CLG_TEST);
    for (int i = 0; i < N; i++) cr_assert_eq(clg_dataset_item(d, i, x[i], &label[i]), CLG_OK);
    clg_predictor *p = clg_predictor_open(dev, "lenet", clg_predictor_params(.batch = 32));
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_eq(clg_predict(p, N, x[0], NULL, best), CLG_OK, "%s", clg_error());
    for (int i = 0; i < N; i++) right += best[i] == label[i];
    cr_expect_gt(right, 80, "%d of %d", right, N);
    clg_predictor_destroy(&p);
    clg_dataset_destroy(&d);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
}

/* --- bad files --- */

static void expect_bad(const char *path, clg_status status, const char *says) {
    cr_expect_null(clg_predictor_open(dev, path, NULL), "%s", says);
    cr_expect_eq(clg_error_status(), status, "%s: %s", says, clg_error());
    cr_expect(strstr(clg_error(), says) && strstr(clg_error(), path), "%s: %s", says, clg_error());
    cr_expect_null(strchr(clg_error(), '\n'));
}

Test(predict, files_that_are_no_models, .init = set_up, .fini = tear_down) {
    static const float short_mean[1] = {0}, one[1] = {1}, none[2] = {0, 0}, flat[6] = {0};
    static const tensor weight = F32("fc1.weight", w3, 3, 2), bias = F32("fc1.bias", b3, 3);
    expect_bad("nosuch", CLG_ERR_IO, "No such file");
    make_file("f", NULL, NULL, (tensor[]){weight, bias}, 2);
    expect_bad("f", CLG_ERR_FORMAT, "there is no model inside");
    make_file("f", "{\"name\": \"lenet\"}", NULL, (tensor[]){weight, bias}, 2);
    expect_bad("f", CLG_ERR_FORMAT, "saved before version 0.3");
    make_file("f", "input 2\nlinaer 3\n", NULL, (tensor[]){weight, bias}, 2);
    expect_bad("f", CLG_ERR_FORMAT, "its model:2:1: \"linaer\"");
    make_file("f", "linear 3\n", NULL, (tensor[]){weight, bias}, 2);
    expect_bad("f", CLG_ERR_FORMAT, "its model is open");
    make_file("f", model3, NULL, (tensor[]){weight}, 1);
    expect_bad("f", CLG_ERR_FORMAT, "tensor \"fc1.bias\" of its model is missing");
    make_file("f", model3, NULL, (tensor[]){F32("fc1.weight", flat, 6), bias}, 2);
    expect_bad("f", CLG_ERR_FORMAT, "does not fit its model: ");
    make_file("f", model3, NULL, (tensor[]){weight, bias, F32("data.mean", short_mean, 1),
                                            F32("data.deviation", one, 1)}, 4);
    expect_bad("f", CLG_ERR_FORMAT, "\"data.mean\" has 1 numbers, but items have 2 features");
    make_file("f", model3, NULL, (tensor[]){weight, bias, F32("data.mean", none, 2)}, 3);
    expect_bad("f", CLG_ERR_FORMAT, "data.deviation");
    FILE *f = fopen("f", "r+");
    fseek(f, 0, SEEK_END);
    cr_assert_eq(ftruncate(fileno(f), ftell(f) - 1), 0);
    fclose(f);
    expect_bad("f", CLG_ERR_FORMAT, "f: ");
    cr_expect_null(clg_predictor_open(NULL, "f", NULL));
    cr_expect_null(clg_predictor_open(dev, "f", clg_predictor_params(.batch = -1)));
    cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
    cr_expect_eq(clg_predict(NULL, 1, one, NULL, NULL), CLG_ERR_INVALID);
}

/* --- the program --- */

static int run(const char *format, ...) {
    char command[1200], arguments[1000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(arguments, sizeof arguments, format, ap);
    va_end(ap);
    snprintf(command, sizeof command, "%s >out 2>err", arguments);
    const int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool file_has(const char *name, const char *text) {
    static char all[1 << 16];
    FILE *f = fopen(name, "r");
    cr_assert_not_null(f);
    all[fread(all, 1, sizeof all - 1, f)] = 0;
    fclose(f);
    if (!strstr(all, text)) fprintf(stderr, "no \"%s\" in %s:\n%s\n", text, name, all);
    return strstr(all, text) != NULL;
}

/* A test digit as 28x28 and, each pixel four times, as 56x56; dark on light if asked for. */
static void draw(const clg_dataset *d, int64_t i, bool dark, int times, const char *path) {
    static float x[784];
    static uint8_t pixels[56 * 56];
    const int side = 28 * times;
    cr_assert_eq(clg_dataset_item(d, i, x, NULL), CLG_OK);
    for (int y = 0; y < side; y++)
        for (int k = 0; k < side; k++) {
            const int v = (int)lrintf(255 * x[y / times * 28 + k / times]);
            pixels[y * side + k] = (uint8_t)(dark ? 255 - v : v);
        }
    cr_assert_eq(clg_image_write(path, &(clg_image){side, side, 1, pixels}), CLG_OK, "%s", clg_error());
}

/* The class of each line; every line has as many likeliest classes as asked for. */
static int read_classes(const char *path, int top, int32_t *class, int most) {
    char line[2000];
    int n = 0;
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    while (n < most && fgets(line, sizeof line, f)) {
        json_t *j = json_loads(line, 0, NULL), *list = json_object_get(j, "top");
        cr_assert(json_is_integer(json_object_get(j, "class")), "%s", line);
        class[n++] = (int32_t)json_integer_value(json_object_get(j, "class"));
        cr_expect_eq((int)json_array_size(list), top);
        double before = 1;
        for (int k = 0; k < top; k++) {
            const double p = json_real_value(json_object_get(json_array_get(list, (size_t)k), "probability"));
            cr_expect(p >= 0 && p <= before, "%s", line);
            before = p;
        }
        json_decref(j);
    }
    fclose(f);
    return n;
}

Test(predict, the_program_answers, .init = set_up, .fini = tear_down) {
    enum { N = 20 };
    int32_t label[N], plain[N], other[N];
    int right = 0;
    char name[32];
    clg_dataset *d = clg_dataset_open("digits", CLG_TEST);
    cr_assert_eq(run("\"$CLGRAD_TOOL\" train --model softmax --epochs 2 --save net --device ref"), 0);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(clg_dataset_item(d, i, NULL, &label[i]), CLG_OK);
        for (int kind = 0; kind < 3; kind++) {
            snprintf(name, sizeof name, "%c%02d.%s", "pib"[kind], i, i % 2 ? "png" : "pgm");
            draw(d, i, kind == 1, kind == 2 ? 2 : 1, name);
        }
    }
    cr_assert_eq(run("\"$CLGRAD_TOOL\" predict --load net --device ref --top 3 --json lines p*.p*"), 0);
    cr_assert_eq(read_classes("lines", 3, plain, N), N);
    for (int i = 0; i < N; i++) right += plain[i] == label[i];
    cr_expect_geq(right, 15, "%d", right);
    cr_expect(file_has("out", "p00.pgm: "));
    cr_assert_eq(run("\"$CLGRAD_TOOL\" predict --load net --device ref --invert --json - i*.p*"), 0);
    cr_assert_eq(read_classes("out", 1, other, N), N);
    cr_expect_arr_eq(other, plain, sizeof plain, "inverted twice is as it was");
    cr_expect(file_has("err", "i19.png: "));
    cr_assert_eq(run("\"$CLGRAD_TOOL\" predict --load net --device ref --fit --json - b*.p*"), 0);
    cr_assert_eq(read_classes("out", 1, other, N), N);
    cr_expect_arr_eq(other, plain, sizeof plain, "the mean of four equal pixels is that pixel");
    cr_expect_eq(run("\"$CLGRAD_TOOL\" predict --load net --device ref p00.pgm b01.png nosuch.png p03.png"), 4);
    cr_expect(file_has("err", "b01.png: the picture is 56 x 56 pixels, but the model takes 28 x 28 (width x height); "
                              "--fit scales it"));
    cr_expect(file_has("err", "nosuch.png: cannot open"));
    cr_expect(file_has("out", "p00.pgm: ") && file_has("out", "p03.png: "), "the others are answered");
    cr_assert_eq(run("CLGRAD_DEVICE=ref \"$CLGRAD_EXAMPLES/example_predict\" net p00.pgm p01.png"), 0);
    snprintf(name, sizeof name, "p01.png is a %d, I am ", (int)plain[1]);
    cr_expect(file_has("out", name));
    cr_expect_eq(run("CLGRAD_DEVICE=ref \"$CLGRAD_EXAMPLES/example_predict\" p00.pgm p01.png"), 1);
    clg_dataset_destroy(&d);
}

Test(predict, names_and_values_are_shown, .init = set_up, .fini = tear_down) {
    static const float w[3][1] = {{-1}, {0}, {1}}, b[3] = {0, 0.25f, 0}, v[2][1] = {{1}, {-2}};
    uint8_t white = 255;
    make_file("named", "input 1 1\nflatten\nlinear 3\nloss cross_entropy\n", "black\ngrey\nwhite",
              (tensor[]){F32("fc1.weight", w, 3, 1), F32("fc1.bias", b, 3)}, 2);
    make_file("values", "input 1 1\nflatten\nlinear 2 bias=no\nloss mse\n", NULL,
              (tensor[]){F32("fc1.weight", v, 2, 1)}, 1);
    cr_assert_eq(clg_image_write("x.png", &(clg_image){1, 1, 1, &white}), CLG_OK);
    cr_assert_eq(run("\"$CLGRAD_TOOL\" predict --load named --device ref --top 9 x.png"), 0);
    cr_expect(file_has("out", "x.png: white (0.6220), grey (0.2938), black (0.0842)\n"));
    cr_assert_eq(run("\"$CLGRAD_TOOL\" predict --load values --device ref x.png --json lines"), 0);
    cr_expect(file_has("out", "x.png: 1 -2\n"));
    cr_expect(file_has("lines", "\"values\":[1.0,-2.0]"));
    cr_expect_eq(run("\"$CLGRAD_TOOL\" predict x.png"), 2);
    cr_expect(file_has("err", "--load FILE is missing"));
    cr_expect_eq(run("\"$CLGRAD_TOOL\" predict --load named"), 2);
    cr_expect(file_has("err", "give a picture"));
    cr_expect_eq(run("\"$CLGRAD_TOOL\" predict --load x.png x.png"), 4);
    cr_expect_eq(run("\"$CLGRAD_TOOL\" predict --help"), 0);
    cr_expect(file_has("out", "--invert"));
}

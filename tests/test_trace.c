/* One hundred training steps of LeNet, loss by loss and weight by weight, against PyTorch (tests/data/lenet-trace). */
#include "support/golden.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-3 /* float32 strays by 4e-4: tests/data/lenet-trace/README.md */

static const char *const names[][2] = {
    {"c1_w", "conv1.weight"}, {"c1_b", "conv1.bias"}, {"c2_w", "conv2.weight"}, {"c2_b", "conv2.bias"},
    {"f1_w", "fc1.weight"}, {"f1_b", "fc1.bias"}, {"f2_w", "fc2.weight"}, {"f2_b", "fc2.bias"},
    {"f3_w", "fc3.weight"}, {"f3_b", "fc3.bias"},
};
enum { N_NAMES = sizeof names / sizeof names[0], BATCH = 64 };

static clg_tensor *net(clg_tensor *x) {
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "conv1", 6, 5, clg_conv_params(.pad = {2, 2})));
    h = clg_relu(clg_nn_conv2d(clg_max_pool(h, &k2), "conv2", 16, 5, NULL));
    h = clg_relu(clg_nn_linear(clg_flatten(clg_max_pool(h, &k2), 1), "fc1", 120));
    return clg_nn_linear(clg_relu(clg_nn_linear(h, "fc2", 84)), "fc3", 10);
}

/* Writes the file's tensors into the store, or compares the store with them. */
static void each_weight(clg_store *store, const char *file, bool write) {
    char path[1024];
    golden g;
    cr_assert(golden_open(golden_path(file, path, sizeof path), &g), "%s", path);
    for (int k = 0; k < N_NAMES; k++) {
        clg_shape shape;
        int64_t n;
        double *v = golden_tensor(&g, names[k][0], &shape, &n), largest;
        float *host = malloc((size_t)n * 4);
        cr_assert(v && host);
        for (int64_t i = 0; i < n; i++) host[i] = (float)v[i];
        const clg_status s = write ? clg_store_write(store, names[k][1], host, (size_t)n * 4)
                                   : clg_store_read(store, names[k][1], host, (size_t)n * 4);
        cr_assert_eq(s, CLG_OK, "%s", clg_error());
        const double error = golden_error(host, v, n, &largest);
        cr_expect(error <= TOLERANCE, "%s %s: off by %g, largest %g", file, names[k][1], error, largest);
        free(v);
        free(host);
    }
    golden_close(&g);
}

Test(trace, lenet_100_steps, .timeout = 300) {
    char path[1024];
    json_t *trace = json_load_file(golden_path("lenet-trace/trace.json", path, sizeof path), 0, NULL);
    const json_t *losses = json_object_get(trace, "losses");
    cr_assert_eq(json_array_size(losses), 100, "%s", path);
    clg_device *dev = clg_device_open(NULL, NULL);
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    clg_dataset *data = clg_dataset_open("digits", CLG_TRAIN);
    cr_assert(g && data, "%s", clg_error());
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(BATCH, 1, 28, 28));
    clg_tensor *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(BATCH));
    clg_tensor *loss = clg_cross_entropy(net(x), t);
    clg_tensor *step = clg_sgd(loss, clg_optim_params(.lr = 0.01, .momentum = 0.9));
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, step), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    each_weight(store, "lenet-trace/init.safetensors", true);
    cr_assert_eq(clg_dataset_start(data, false, 0, 0), CLG_OK, "%s", clg_error());
    double worst = 0;
    for (size_t i = 0; i < 100; i++) {
        float l = 0;
        cr_assert_eq(clg_dataset_next(data, plan, x, t), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_read(plan, loss, &l, sizeof l), CLG_OK, "%s", clg_error());
        const double want = json_number_value(json_array_get(losses, i)), error = l > want ? l - want : want - l;
        cr_expect(error <= TOLERANCE, "step %zu: loss %g, PyTorch %g", i, l, want);
        worst = error > worst ? error : worst;
    }
    cr_log_info("worst difference of a loss: %g", worst);
    each_weight(store, "lenet-trace/after_100_steps.safetensors", false);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_dataset_destroy(&data);
    clg_device_destroy(&dev);
    json_decref(trace);
}

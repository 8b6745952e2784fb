/* LeNet as a graph, on one page, without models and trainers: `lenet_graph [IMAGES LABELS]`, the files in IDX format,
 * gzipped or not. Without files it takes the digits inside the library. Saves lenet_graph.safetensors in the
 * present directory. */
#include <clgrad/clgrad.h>

#include <stdio.h>

static clg_tensor *net(clg_tensor *x) {
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "conv1", 6, 5, clg_conv_params(.pad = {2, 2})));
    h = clg_max_pool(h, clg_pool_params(.kernel = {2, 2}));
    h = clg_relu(clg_nn_conv2d(h, "conv2", 16, 5, NULL));
    h = clg_max_pool(h, clg_pool_params(.kernel = {2, 2}));
    h = clg_relu(clg_nn_linear(clg_flatten(h, 1), "fc1", 120));
    h = clg_relu(clg_nn_linear(h, "fc2", 84));
    return clg_nn_linear(h, "fc3", 10);
}

int main(int argc, char **argv) {
    clg_device  *dev  = clg_device_open(NULL, NULL);  /* $CLGRAD_DEVICE, else the fastest */
    clg_store   *weights = clg_store_create(dev, 42); /* named weights; seed 42 */
    clg_graph   *g    = clg_graph_create(dev, weights);
    clg_dataset *data = argc > 2 ? clg_dataset_open_idx(argv[1], argv[2]) : clg_dataset_open("digits", CLG_TRAIN);
    clg_tensor  *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 1, 28, 28));
    clg_tensor  *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(64));
    clg_tensor  *y = net(x), *loss = clg_cross_entropy(y, t);
    clg_tensor  *right = clg_mean(clg_cast(clg_eq(clg_reshape(clg_argmax(y, 1), CLG_SHAPE(64)), t), CLG_F32), CLG_ALL);
    clg_plan    *plan = clg_compile(g, CLG_LIST(loss, right, clg_adam(loss, clg_optim_params(.lr = 1e-3))), NULL);
    float l = 0, share = 0, sum = 0;
    for (int i = 1; plan && i <= 300; i++) {
        if (clg_dataset_next(data, plan, x, t) < 0 || clg_run(plan) < 0) break;
        if (i <= 200 && i % 50) continue;             /* reading waits for the device: not at every step */
        if (clg_read(plan, loss, &l, sizeof l) < 0 || clg_read(plan, right, &share, sizeof share) < 0) break;
        if (i % 50 == 0) printf("%5d  loss %.4f  %3.0f %% of the batch right\n", i, l, 100 * share);
        sum += i > 200 ? share / 100 : 0;             /* mean over the last 100 batches */
    }
    const bool ok = !clg_error_status() && !clg_store_save(weights, "lenet_graph.safetensors", NULL);
    if (!ok) fprintf(stderr, "%s\n", clg_error());
    clg_plan_destroy(&plan); clg_graph_destroy(&g); clg_store_destroy(&weights); clg_dataset_destroy(&data);
    clg_device_destroy(&dev);
    return ok && sum > 0.9f ? 0 : 1;
}

/* Values, gradients and optimiser steps on the device against PyTorch's (tests/data/torch/README.md). */
#include "support/golden.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 16 };

/* A case of the file under construction: its tensors by name. */
typedef struct setting {
    const json_t *config;
    golden        file;
    clg_graph    *graph;
    const char   *name[MAX_TENSORS];
    clg_tensor   *input[MAX_TENSORS];
    int           n;
} setting;

static clg_tensor *get(const setting *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->name[i], name) == 0) return s->input[i];
    return NULL;
}
static const char *text(const setting *s, const char *key) {
    const char *t = json_string_value(json_object_get(s->config, key));
    return t ? t : "";
}
static bool truth(const setting *s, const char *key) { return json_is_true(json_object_get(s->config, key)); }
static double number(const setting *s, const char *key) { return json_number_value(json_object_get(s->config, key)); }
static void numbers(const setting *s, const char *key, int64_t *out) {
    const json_t *a = json_object_get(s->config, key);
    for (size_t i = 0; i < json_array_size(a) && i < CLG_MAX_SPATIAL; i++)
        out[i] = json_integer_value(json_array_get(a, i));
}

/* --- what torch calls an op, in ours --- */

static clg_tensor *conv(const setting *s) {
    clg_conv_params p = {.groups = (int64_t)number(s, "groups"), .asymmetric = true};
    numbers(s, "stride", p.stride);
    numbers(s, "dilation", p.dilation);
    numbers(s, "pad_begin", p.pad);
    numbers(s, "pad_end", p.pad_end);
    return clg_conv(get(s, "x"), get(s, "w"), get(s, "b"), &p);
}
static clg_tensor *pool(const setting *s) {
    clg_pool_params p = {.ceil_mode = truth(s, "ceil_mode"), .count_pad = truth(s, "count_include_pad")};
    numbers(s, "kernel", p.kernel);
    numbers(s, "stride", p.stride);
    numbers(s, "pad", p.pad);
    return text(s, "op")[0] == 'm' ? clg_max_pool(get(s, "x"), &p) : clg_avg_pool(get(s, "x"), &p);
}
static clg_tensor *global_pool(const setting *s) { return clg_mean(get(s, "x"), CLG_AXIS(2) | CLG_AXIS(3)); }
static clg_tensor *act(const setting *s) {
    clg_tensor *x = get(s, "x");
    const char *name = text(s, "act");
    if (strcmp(name, "sigmoid") == 0) return clg_sigmoid(x);
    if (strcmp(name, "tanh") == 0) return clg_tanh(x);
    if (strcmp(name, "relu") == 0) return clg_relu(x);
    return clg_where(clg_gt(x, clg_scale(x, 0)), x, clg_scale(x, number(s, "alpha"))); /* leaky_relu */
}
static clg_tensor *softmax(const setting *s) {
    const int axis = (int)number(s, "axis");
    return truth(s, "log") ? clg_log_softmax(get(s, "x"), axis) : clg_softmax(get(s, "x"), axis);
}
static clg_tensor *cross_entropy(const setting *s) { return clg_cross_entropy(get(s, "x"), get(s, "target")); }
static clg_tensor *linear(const setting *s) {
    clg_tensor *y = clg_matmul(get(s, "x"), clg_transpose(get(s, "w")));
    return get(s, "b") ? clg_add(y, get(s, "b")) : y;
}
static clg_tensor *matmul(const setting *s) {
    clg_tensor *a = get(s, "a"), *b = get(s, "b");
    return clg_matmul(truth(s, "trans_a") ? clg_transpose(a) : a, truth(s, "trans_b") ? clg_transpose(b) : b);
}
static clg_tensor *binary(const setting *s) {
    clg_tensor *a = get(s, "a"), *b = get(s, "b");
    return strcmp(text(s, "binary"), "add") == 0 ? clg_add(a, b) : clg_maximum(a, b);
}
static clg_tensor *reduce(const setting *s) {
    clg_tensor *x = get(s, "x"), *y;
    unsigned axes = 0;
    const json_t *a = json_object_get(s->config, "axes");
    for (size_t i = 0; i < json_array_size(a); i++) axes |= CLG_AXIS(json_integer_value(json_array_get(a, i)));
    if (strcmp(text(s, "reduce"), "max") == 0) y = clg_max(x, axes);
    else y = clg_mean(clg_square(clg_sub(x, clg_mean(x, axes))), axes); /* var */
    clg_shape kept = {0, {0}};
    const clg_shape full = clg_tensor_shape(y);
    for (int i = 0; i < full.ndim; i++)
        if (truth(s, "keepdim") || !(axes & CLG_AXIS(i))) kept.dim[kept.ndim++] = full.dim[i];
    return clg_reshape(y, kept);
}
static clg_tensor *dense(const setting *s, clg_tensor *x, const char *w, const char *b) {
    return clg_add(clg_matmul(x, clg_transpose(get(s, w))), get(s, b));
}
static clg_tensor *lenet(const setting *s) {
    const bool relu = strncmp(text(s, "variant"), "relu", 4) == 0;
    clg_tensor *(*f)(clg_tensor *) = relu ? clg_relu : clg_sigmoid;
    clg_tensor *(*p)(clg_tensor *, const clg_pool_params *) = relu ? clg_max_pool : clg_avg_pool;
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = p(f(clg_conv(get(s, "x"), get(s, "c1_w"), get(s, "c1_b"), clg_conv_params(.pad = {2, 2}))), &k2);
    h = clg_flatten(p(f(clg_conv(h, get(s, "c2_w"), get(s, "c2_b"), NULL)), &k2), 1);
    return dense(s, f(dense(s, f(dense(s, h, "f1_w", "f1_b")), "f2_w", "f2_b")), "f3_w", "f3_b");
}

static const struct { const char *op; clg_tensor *(*build)(const setting *); } known[] = {
    {"conv1d", conv}, {"conv2d", conv}, {"conv3d", conv}, {"maxpool1d", pool}, {"maxpool2d", pool}, {"avgpool1d", pool},
    {"avgpool2d", pool}, {"globalpool", global_pool}, {"act", act}, {"softmax", softmax}, {"softmax_ce", cross_entropy},
    {"linear", linear}, {"matmul", matmul}, {"binary", binary}, {"reduce", reduce}, {"lenet", lenet},
};
enum { N_KNOWN = sizeof known / sizeof known[0] };

/* --- one case --- */

static bool write_all(const setting *s, clg_plan *plan) {
    bool ok = true;
    for (int i = 0; i < s->n && ok; i++) {
        clg_shape shape;
        int64_t n;
        double *v = golden_tensor(&s->file, s->name[i], &shape, &n);
        const bool label = clg_tensor_dtype(s->input[i]) == CLG_I32;
        void *host = malloc((size_t)n * 4 + 1);
        ok = v && host;
        for (int64_t j = 0; ok && j < n; j++) {
            if (label) ((int32_t *)host)[j] = (int32_t)v[j];
            else ((float *)host)[j] = (float)v[j];
        }
        ok = ok && clg_write(plan, s->input[i], host, (size_t)n * 4) == CLG_OK;
        free(host);
        free(v);
    }
    return ok;
}

static void compare(const setting *s, clg_plan *plan, clg_tensor *t, const char *name, double tolerance) {
    clg_shape shape;
    int64_t n = 0;
    double *want = golden_tensor(&s->file, name, &shape, &n), largest;
    float *got = malloc(clg_tensor_bytes(t) + 1);
    cr_assert(want && got && clg_tensor_bytes(t) == (size_t)n * 4, "%s %s: %zu bytes for %lld elements",
              text(s, "file"), name, clg_tensor_bytes(t), (long long)n);
    cr_assert_eq(clg_read(plan, t, got, (size_t)n * 4), CLG_OK, "%s", clg_error());
    const double error = golden_error(got, want, n, &largest);
    cr_expect(error <= tolerance * largest + 1e-6, "%s %s: error %g, largest %g", text(s, "file"), name, error,
              largest);
    free(want);
    free(got);
}

/* Names in the json array `key` that stand for tensors of the graph: inputs of the case. */
static void make_inputs(setting *s) {
    const json_t *names = json_object_get(s->config, "inputs");
    clg_shape shape;
    int64_t n;
    for (size_t i = 0; i < json_array_size(names) && s->n < MAX_TENSORS; i++) {
        s->name[s->n] = json_string_value(json_array_get(names, i));
        double *v = golden_tensor(&s->file, s->name[s->n], &shape, &n);
        cr_assert_not_null(v, "%s", s->name[s->n]);
        free(v);
        const bool label = strcmp(s->name[s->n], "target") == 0;
        s->input[s->n] = clg_input(s->graph, s->name[s->n], label ? CLG_I32 : CLG_F32, shape);
        s->n++;
    }
}

static void run_case(clg_device *dev, const json_t *config, clg_tensor *(*build)(const setting *)) {
    char path[1024], name[256];
    setting s = {.config = config, .graph = clg_graph_create(dev, NULL)};
    snprintf(name, sizeof name, "torch/%s", text(&s, "file"));
    cr_assert(golden_open(golden_path(name, path, sizeof path), &s.file), "%s", path);
    make_inputs(&s);
    const char *op = text(&s, "op");
    const bool network = strcmp(op, "lenet") == 0, loss_only = strcmp(op, "softmax_ce") == 0;
    clg_tensor *y = build(&s), *loss = network ? clg_cross_entropy(y, get(&s, "target")) : y, *target[MAX_TENSORS + 2];
    const char *target_name[MAX_TENSORS + 2];
    int n = 0;
    if (!loss_only) target_name[n] = "y", target[n++] = y;
    if (network || loss_only) target_name[n] = "loss", target[n++] = loss;
    const json_t *grads = json_object_get(config, "grads");
    for (size_t i = 0; i < json_array_size(grads); i++, n++) {
        target_name[n] = json_string_value(json_array_get(grads, i));
        clg_tensor *x = get(&s, target_name[n] + 2); /* behind "d_" */
        clg_vjp(loss, get(&s, "gy"), (clg_list){1, &x}, &target[n]);
    }
    clg_plan *plan = clg_compile(s.graph, (clg_list){n, target}, NULL);
    cr_assert_not_null(plan, "%s: %s", path, clg_error());
    cr_assert(write_all(&s, plan) && clg_run(plan) == CLG_OK, "%s: %s", path, clg_error());
    for (int i = 0; i < n; i++) compare(&s, plan, target[i], target_name[i], network ? 1e-4 : 1e-5);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&s.graph);
    golden_close(&s.file);
}

static json_t *load_cases(void) {
    char path[1024];
    json_t *all = json_load_file(golden_path("torch/cases.json", path, sizeof path), 0, NULL);
    cr_assert(json_array_size(all) > 0, "%s", path);
    return all;
}

ParameterizedTestParameters(golden, ops) {
    static int *index;
    index = cr_malloc(sizeof *index * N_KNOWN);
    for (int i = 0; i < N_KNOWN; i++) index[i] = i;
    return cr_make_param_array(int, index, N_KNOWN);
}

ParameterizedTest(int *op, golden, ops, .timeout = 300) {
    json_t *all = load_cases(), *config;
    clg_device *dev = clg_device_open(NULL, NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    size_t i;
    int seen = 0;
    json_array_foreach(all, i, config) {
        if (strcmp(json_string_value(json_object_get(config, "op")), known[*op].op) != 0) continue;
        run_case(dev, config, known[*op].build);
        seen++;
    }
    cr_expect_gt(seen, 0, "%s has no case", known[*op].op);
    clg_device_destroy(&dev);
    json_decref(all);
}

/* --- optimisers: loss = sum(p g), so that the gradient of p is g --- */

static void run_optimiser(clg_device *dev, const json_t *config) {
    char path[1024], name[256];
    setting s = {.config = config};
    snprintf(name, sizeof name, "torch/%s", text(&s, "file"));
    cr_assert(golden_open(golden_path(name, path, sizeof path), &s.file), "%s", path);
    clg_shape shape, all;
    int64_t n, total;
    double *p0 = golden_tensor(&s.file, "p0", &shape, &n), *g = golden_tensor(&s.file, "g", &all, &total),
           *y = golden_tensor(&s.file, "y", &all, &total), largest;
    cr_assert(p0 && g && y);
    float *host = malloc((size_t)n * 4);
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *graph = clg_graph_create(dev, store);
    clg_tensor *p = clg_param(graph, "p", CLG_F32, shape, CLG_INIT_ZERO), *in = clg_input(graph, "g", CLG_F32, shape);
    clg_tensor *loss = clg_sum(clg_mul(p, in), CLG_ALL);
    const char *kind = text(&s, "optimizer");
    const bool adam = strncmp(kind, "adam", 4) == 0, decoupled = strcmp(kind, "adam") != 0;
    const double decay = number(&s, "weight_decay");
    if (!decoupled) loss = clg_add(loss, clg_scale(clg_sum(clg_square(p), CLG_ALL), decay / 2)); /* L2 in the loss */
    const clg_optim_params o = {.lr = number(&s, "lr"), .momentum = number(&s, "momentum"),
                                .weight_decay = decoupled ? decay : 0, .decay_all = true};
    clg_tensor *step = adam ? clg_adam(loss, &o) : clg_sgd(loss, &o);
    clg_plan *plan = clg_compile(graph, CLG_LIST(step), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    for (int64_t i = 0; i < n; i++) host[i] = (float)p0[i];
    cr_assert_eq(clg_store_write(store, "p", host, (size_t)n * 4), CLG_OK, "%s", clg_error());
    for (int64_t t = 0; t < total / n; t++) {
        for (int64_t i = 0; i < n; i++) host[i] = (float)g[t * n + i];
        cr_assert_eq(clg_write(plan, in, host, (size_t)n * 4), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_run(plan), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_store_read(store, "p", host, (size_t)n * 4), CLG_OK, "%s", clg_error());
        const double error = golden_error(host, y + t * n, n, &largest);
        cr_expect(error <= 1e-5 * largest + 1e-6, "%s step %lld: error %g, largest %g", path, (long long)t, error,
                  largest);
    }
    int32_t steps = 0;
    cr_expect_eq(clg_store_read(store, "optim.step", &steps, sizeof steps), CLG_OK, "%s", clg_error());
    cr_expect_eq(steps, total / n);
    free(p0), free(g), free(y), free(host);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&graph);
    clg_store_destroy(&store);
    golden_close(&s.file);
}

Test(golden, optimisers, .timeout = 300) {
    json_t *all = load_cases(), *config;
    clg_device *dev = clg_device_open(NULL, NULL);
    cr_assert_not_null(dev, "%s", clg_error());
    size_t i;
    int seen = 0;
    json_array_foreach(all, i, config) {
        if (strcmp(json_string_value(json_object_get(config, "op")), "optim") != 0) continue;
        run_optimiser(dev, config);
        seen++;
    }
    cr_expect_eq(seen, 4);
    clg_device_destroy(&dev);
    json_decref(all);
}

/* Every case of the file belongs to an op of this test: none is left out by a misspelt name. */
Test(golden, every_case_is_run) {
    json_t *all = load_cases(), *config;
    size_t i;
    json_array_foreach(all, i, config) {
        const char *op = json_string_value(json_object_get(config, "op"));
        bool found = strcmp(op, "optim") == 0;
        for (int k = 0; k < N_KNOWN; k++) found = found || strcmp(op, known[k].op) == 0;
        cr_expect(found, "%s", op);
    }
    json_decref(all);
}

/* clgrad-bench-train: the time of one training step (forward, loss, backward, SGD) on a batch that stays.
 * peers/torch_step.py times the same networks in PyTorch; compare.py runs both by turns. */
#include "timing.h"
#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench {
    const char *model, *device, *json;
    int64_t     batch;
    double      budget, momentum;
    bool        plan;
    clg_device *dev;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

static clg_tensor *lenet(clg_tensor *x, clg_tensor *(*f)(clg_tensor *),
                         clg_tensor *(*pool)(clg_tensor *, const clg_pool_params *)) {
    const clg_pool_params k2 = {.kernel = {2, 2}};
    clg_tensor *h = pool(f(clg_nn_conv2d(x, "conv1", 6, 5, clg_conv_params(.pad = {2, 2}))), &k2);
    h = clg_flatten(pool(f(clg_nn_conv2d(h, "conv2", 16, 5, NULL)), &k2), 1);
    return clg_nn_linear(f(clg_nn_linear(f(clg_nn_linear(h, "fc1", 120)), "fc2", 84)), "fc3", 10);
}
static clg_tensor *lenet_relu_max(clg_tensor *x) { return lenet(x, clg_relu, clg_max_pool); }
static clg_tensor *lenet_relu_avg(clg_tensor *x) { return lenet(x, clg_relu, clg_avg_pool); }
static clg_tensor *lenet_sigmoid_avg(clg_tensor *x) { return lenet(x, clg_sigmoid, clg_avg_pool); }
static clg_tensor *mlp(clg_tensor *x) {
    clg_tensor *h = clg_dropout(clg_relu(clg_nn_linear(clg_flatten(x, 1), "fc1", 256)), 0.5);
    return clg_nn_linear(clg_dropout(clg_relu(clg_nn_linear(h, "fc2", 256)), 0.5), "fc3", 10);
}
static clg_tensor *softmax(clg_tensor *x) { return clg_nn_linear(clg_flatten(x, 1), "fc", 10); }

static const struct { const char *name; clg_tensor *(*build)(clg_tensor *); } models[] = {
    {"lenet-relu-max", lenet_relu_max}, {"lenet-relu-avg", lenet_relu_avg}, {"lenet-sigmoid-avg", lenet_sigmoid_avg},
    {"mlp", mlp}, {"softmax", softmax},
};
enum { N_MODELS = sizeof models / sizeof models[0] };

/* One batch of the shipped digits. */
static clg_status fill(clg_plan *plan, clg_tensor *x, clg_tensor *t) {
    clg_dataset *d = clg_dataset_open("digits", CLG_TRAIN);
    const clg_status s = d ? clg_dataset_next(d, plan, x, t) : clg_error_status();
    clg_dataset_destroy(&d);
    return s;
}

static int report(const bench *b, int m, const clg_timing *t, const clg_plan_info *i) {
    fprintf(b->table, "%-20s batch %4lld %9.4f ms a step, best %9.4f, +-%2.0f%%  %3d launches, %.1f GF/s, %.2f MiB\n",
            models[m].name, (long long)b->batch, t->seconds * 1e3, t->best * 1e3, t->spread * 100, i->n_steps,
            i->flops / t->seconds * 1e-9, (double)(i->bytes_arena + i->bytes_fixed + i->bytes_params) / 1048576);
    fflush(b->table);
    clg_device_info device;
    clg_device_get_info(b->dev, &device);
    return clg_jsonl_write(b->lines, json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:f,s:f,s:f,s:i,s:f}", "peer", "clgrad",
        "version", clg_version(), "device", device.name, "driver", device.driver, "model", models[m].name, "batch",
        (json_int_t)b->batch, "ms", t->seconds * 1e3, "ms_best", t->best * 1e3, "spread", t->spread, "launches",
        i->n_steps, "flops", i->flops));
}

static int bench_model(const bench *b, int m) {
    clg_timing time;
    clg_plan_info info;
    int code = 0;
    clg_store *store = clg_store_create(b->dev, 1);
    clg_graph *g = clg_graph_create(b->dev, store);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(b->batch, 1, 28, 28));
    clg_tensor *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(b->batch));
    clg_tensor *loss = clg_cross_entropy(models[m].build(x), t);
    clg_tensor *step = clg_sgd(loss, clg_optim_params(.lr = 0.01, .momentum = b->momentum));
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, step), NULL);
    if (!plan || fill(plan, x, t) < 0 || clg_time_plan(b->dev, plan, b->budget, &time) < 0) code = clg_tool_fail();
    if (!code) {
        clg_plan_get_info(plan, &info);
        code = report(b, m, &time, &info);
        if (b->plan && clg_plan_report(plan, CLG_REPORT_TEXT, b->table) < 0) code = clg_tool_fail();
    }
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    return code;
}

int main(int argc, char **argv) {
    bench b = {.batch = 64, .budget = 2, .model = "all"};
    const clg_opt options[] = {
        {CLG_OPT_CHOICE, "model", "all|lenet-relu-max|lenet-relu-avg|lenet-sigmoid-avg|mlp|softmax", &b.model,
         "network (default all)"},
        {CLG_OPT_INT, "batch", "N", &b.batch, "pictures a step (default 64)", 1, 6400},
        {CLG_OPT_REAL, "momentum", "X", &b.momentum, "of SGD (default 0)", 0, 0.9999},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each network (default 2)", 0.001, 1000},
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_FLAG, "plan", NULL, &b.plan, "also print the plan: every launch, with its time"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a network to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench-train [OPTIONS]",
        "Times a training step: forward, loss, backward and update of the weights, on one\n"
        "batch that stays. benchmarks/compare.py sets PyTorch's time beside it.",
        options, NULL, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, clg_device_params(.profiling = b.plan));
    if (!b.dev) code = clg_tool_fail();
    for (int m = 0; m < N_MODELS && code == 0; m++)
        if (strcmp(b.model, "all") == 0 || strcmp(b.model, models[m].name) == 0) code = bench_model(&b, m);
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

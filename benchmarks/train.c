/* clgrad-bench-train: the time of one training step (forward, loss, backward, SGD) on a batch that stays.
 * peers/torch_peer.py times the same networks in PyTorch; compare.py runs both by turns. */
#include "network.h"
#include "timing.h"
#include "tool/traced.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCHES = 32 };

typedef struct bench {
    const char *model, *device, *json, *batches, *report;
    int64_t     width, size, queues;
    double      budget, momentum;
    bool        plan, memory;
    clg_traced_options trace;
    clg_traced  traced;
    clg_device *dev;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

/* A step of the smallest network: what the first use of anything takes is not the measured network's. */
static clg_status use_once(const bench *b) {
    clg_network n;
    const clg_network_params p = {.batch = 2, .train = true};
    clg_status s = clg_network_open(b->dev, bench_net_find("softmax"), &p, &n);
    if (s < 0) return s;
    s = clg_run(n.plan);
    if (s == CLG_OK) s = clg_device_finish(b->dev);
    clg_network_close(&n);
    return s;
}

/* rss_mb less rss_before_mb is what a network took of the process at its peak: on devices that share the host's memory
 * it contains the device's buffers. */
static int report(const bench *b, const bench_net *m, int64_t batch, const clg_timing *t, const clg_plan_info *i,
                  double loss, double before) {
    clg_device_info device;
    clg_device_stats stats;
    fprintf(b->table, "%-20s batch %4lld %9.4f ms a step, best %9.4f, +-%2.0f%%  %3d launches, %6.1f GF/s, %.2f MB\n",
            m->name, (long long)batch, t->seconds * 1e3, t->best * 1e3, t->spread * 100, i->n_steps,
            i->flops / t->seconds * 1e-9, clg_network_megabytes(i));
    fflush(b->table);
    clg_device_get_info(b->dev, &device);
    clg_device_get_stats(b->dev, &stats);
    return clg_jsonl_write(b->lines, json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:f,s:f,s:f,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "peer", "clgrad",
        "version", clg_version(), "device", device.name, "driver", device.driver, "model", m->name,
        "batch", (json_int_t)batch, "width", (json_int_t)b->width, "size", (json_int_t)b->size,
        "ms", t->seconds * 1e3, "ms_best", t->best * 1e3, "spread", t->spread, "launches", i->n_steps,
        "flops", i->flops, "plan_mb", clg_network_megabytes(i),
        "arena_mb", 1e-6 * (double)i->bytes_arena, "without_reuse_mb", 1e-6 * (double)i->bytes_without_reuse,
        "device_mb", 1e-6 * (double)stats.mem_peak, "rss_before_mb", before, "rss_mb", clg_process_megabytes("VmHWM:"),
        "loss", clg_json_real(loss)));
}

/* Steps as a training run makes them, each with a batch of its own, for --trace; behind the timing. */
static int trace_steps(bench *b, clg_network *n, const bench_net *m) {
    if (!b->trace.path) return 0;
    int code = clg_traced_begin(&b->traced, &b->dev, 1);
    while (!code && b->traced.done < b->traced.last) {
        clg_status s = bench_net_fill(n->plan, n->x, m->classes);
        if (s == CLG_OK) s = bench_net_fill(n->plan, n->labels, m->classes);
        if (s == CLG_OK) s = clg_run(n->plan);
        code = s == CLG_OK ? clg_traced_step(&b->traced) : clg_tool_fail();
    }
    const int end = clg_traced_end(&b->traced);
    return code ? code : end;
}

static int bench_model(bench *b, const bench_net *m, int64_t batch) {
    clg_network n;
    clg_timing time;
    clg_plan_info info;
    if (b->memory && use_once(b) < 0) return clg_tool_fail();
    clg_process_forget_peak();
    const double before = clg_process_megabytes("VmRSS:");
    const clg_network_params p = {.batch = batch, .width = b->width, .size = b->size, .queues = b->queues, .train = true,
                                  .momentum = b->momentum};
    float loss = NAN;
    if (clg_network_open(b->dev, m, &p, &n) < 0) return clg_tool_fail();
    clg_status s = clg_time_plan(b->dev, n.plan, b->budget, &time);
    if (s == CLG_OK) s = clg_read(n.plan, n.y, &loss, sizeof loss);
    int code = s == CLG_OK ? 0 : clg_tool_fail();
    if (!code) {
        clg_plan_get_info(n.plan, &info);
        code = report(b, m, batch, &time, &info, (double)loss, before);
        if (b->plan && clg_plan_report(n.plan, CLG_REPORT_TEXT, b->table) < 0) code = clg_tool_fail();
        if (!code) code = clg_network_report(n.plan, b->report);
        if (!code) code = trace_steps(b, &n, m);
    }
    clg_network_close(&n);
    return code;
}

static int walk(bench *b) {
    int64_t batch[MAX_BATCHES];
    const int n = clg_numbers("batch", b->batches, batch, MAX_BATCHES);
    int code = n < 0 ? CLG_EXIT_USAGE : 0, seen = 0;
    const bench_net *m;
    for (int i = 0; (m = bench_net_at(i)) != NULL; i++) {
        const bool small = strncmp(m->name, "plain", 5) != 0 && strcmp(m->name, "branches") != 0 && m->classes <= 10;
        if (strcmp(b->model, "all") == 0 ? !small : strcmp(b->model, m->name) != 0) continue;
        for (int k = 0; k < n && code == 0; k++) code = bench_model(b, m, batch[k]);
        seen++;
    }
    return code || seen ? code : clg_tool_error(CLG_EXIT_USAGE, "--model %s: see benchmarks/models.c", b->model);
}

int main(int argc, char **argv) {
    bench b = {.batches = "64", .budget = 2, .model = "all"};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "model", "NAME", &b.model, "network: lenet-relu-max, lenet-relu-avg, lenet-sigmoid-avg,\n"
         "mlp, softmax, cifar, branches, resnet18, mobilenetv2, or\n"
         "plain2, 4, 8, 16 (3x3 convolutions, that many); all: the\nsmall ones"},
        {CLG_OPT_TEXT, "batch", "N,...", &b.batches, "examples a step"},
        {CLG_OPT_INT, "width", "N", &b.width, "of the hidden layers of mlp and plain", 1, 4096},
        {CLG_OPT_INT, "size", "N", &b.size, "rows and columns of the pictures of plain", 1, 1024},
        {CLG_OPT_REAL, "momentum", "X", &b.momentum, "of SGD (default 0)", 0, 0.9999},
        {CLG_OPT_INT, "queues", "N", &b.queues, "compute queues for independent branches (default 1)", 1, 4},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each network", 0.001, 1000},
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_FLAG, "memory", NULL, &b.memory, "make a step of another network first, so that rss_mb less\n"
         "rss_before_mb of the JSON is the memory of the network alone"},
        {CLG_OPT_FLAG, "plan", NULL, &b.plan, "also print the plan: every launch, with its time"},
        {CLG_OPT_TEXT, "report", "FILE", &b.report, "write the plan with its times as JSON to FILE"},
        {CLG_OPT_TEXT, "trace", "FILE", &b.trace.path, "after the timing, record steps that upload a batch each; "
         "of the\nfirst network only"},
        {CLG_OPT_TEXT, "trace-steps", "A..B", &b.trace.steps, "which ones (default " CLG_TRACED_STEPS ")"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a network to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench-train [OPTIONS]",
        "Times a training step: forward, loss, backward and update of the weights, on one\n"
        "batch that stays. benchmarks/compare.py sets PyTorch's time beside it.",
        options, NULL, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_traced_parse(&b.trace, "clgrad-bench-train", &b.traced);
    if (!code) code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, clg_device_params(.profiling = b.plan || b.report || b.trace.path));
    code = b.dev ? walk(&b) : clg_tool_fail();
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

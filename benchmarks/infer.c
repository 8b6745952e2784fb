/* clgrad-bench-infer: the latency of inference as a user has it: write the input, run the plan, read the result, one
 * call after the other. Batch norm is folded as the library does for plans compiled with .inference. */
#include "network.h"
#include "timing.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BATCHES = 32 };

typedef struct bench {
    const char *model, *device, *json, *batches, *report;
    int64_t     width, size, queues;
    double      budget;
    bool        plan;
    clg_device *dev;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

typedef struct calls {
    const clg_network *n;
    float *in, *out;
    size_t in_bytes, out_bytes;
} calls;

static clg_status call(void *what, int n) {
    const calls *c = what;
    clg_status s = CLG_OK;
    for (int i = 0; i < n && s == CLG_OK; i++) {
        s = clg_write(c->n->plan, c->n->x, c->in, c->in_bytes);
        if (s == CLG_OK) s = clg_run(c->n->plan);
        if (s == CLG_OK) s = clg_read(c->n->plan, c->n->y, c->out, c->out_bytes);
    }
    return s;
}

static clg_status time_calls(const clg_network *n, double budget, clg_timing *t) {
    calls c = {.n = n, .in_bytes = clg_tensor_bytes(n->x), .out_bytes = clg_tensor_bytes(n->y)};
    c.in = calloc(1, c.in_bytes);
    c.out = calloc(1, c.out_bytes);
    for (size_t i = 0; c.in && i < c.in_bytes / sizeof *c.in; i++) c.in[i] = (float)(i % 257) / 128 - 1;
    const clg_status s = c.in && c.out ? clg_time(call, &c, budget, t) : CLG_ERR_NOMEM;
    free(c.in);
    free(c.out);
    return s;
}

static int report(const bench *b, const bench_net *m, int64_t batch, const clg_timing *t, const clg_plan_info *i) {
    clg_device_info device;
    fprintf(b->table, "%-20s batch %4lld %9.4f ms a call, best %9.4f, +-%2.0f%%  %3d launches, %6.1f GF/s, %.2f MB\n",
            m->name, (long long)batch, t->seconds * 1e3, t->best * 1e3, t->spread * 100, i->n_steps,
            i->flops / t->seconds * 1e-9, clg_network_megabytes(i));
    fflush(b->table);
    clg_device_get_info(b->dev, &device);
    return clg_jsonl_write(b->lines, json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:f,s:f,s:f,s:i,s:f,s:f}", "peer", "clgrad",
        "version", clg_version(), "device", device.name, "driver", device.driver, "model", m->name, "batch",
        (json_int_t)batch, "ms", t->seconds * 1e3, "ms_best", t->best * 1e3, "spread", t->spread, "launches",
        i->n_steps, "flops", i->flops, "plan_mb", clg_network_megabytes(i)));
}

static int bench_model(const bench *b, const bench_net *m, int64_t batch) {
    clg_network n;
    clg_timing time;
    clg_plan_info info;
    const clg_network_params p = {.batch = batch, .width = b->width, .size = b->size, .queues = b->queues};
    if (clg_network_open(b->dev, m, &p, &n) < 0) return clg_tool_fail();
    int code = time_calls(&n, b->budget, &time) == CLG_OK ? 0 : clg_tool_fail();
    if (!code) {
        clg_plan_get_info(n.plan, &info);
        code = report(b, m, batch, &time, &info);
        if (b->plan && clg_plan_report(n.plan, CLG_REPORT_TEXT, b->table) < 0) code = clg_tool_fail();
    }
    if (!code) code = clg_network_report(n.plan, b->report);
    clg_network_close(&n);
    return code;
}

static int walk(const bench *b) {
    int64_t batch[MAX_BATCHES];
    const int n = clg_numbers("batch", b->batches, batch, MAX_BATCHES);
    int code = n < 0 ? CLG_EXIT_USAGE : 0, seen = 0;
    const bench_net *m;
    for (int i = 0; (m = bench_net_at(i)) != NULL; i++) {
        if (strcmp(b->model, "all") == 0 ? strncmp(m->name, "plain", 5) == 0 : strcmp(b->model, m->name) != 0) continue;
        for (int k = 0; k < n && code == 0; k++) code = bench_model(b, m, batch[k]);
        seen++;
    }
    return code || seen ? code : clg_tool_error(CLG_EXIT_USAGE, "--model %s: see benchmarks/models.c", b->model);
}

int main(int argc, char **argv) {
    bench b = {.batches = "1,8,64", .budget = 1, .model = "all"};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "model", "NAME", &b.model, "network, as in clgrad-bench-train"},
        {CLG_OPT_TEXT, "batch", "N,...", &b.batches, "examples a call"},
        {CLG_OPT_INT, "width", "N", &b.width, "of the hidden layers of mlp and plain", 1, 4096},
        {CLG_OPT_INT, "size", "N", &b.size, "rows and columns of the pictures of plain", 1, 1024},
        {CLG_OPT_INT, "queues", "N", &b.queues, "compute queues for independent branches (default 1)", 1, 4},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each network", 0.001, 1000},
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_FLAG, "plan", NULL, &b.plan, "also print the plan: every launch, with its time"},
        {CLG_OPT_TEXT, "report", "FILE", &b.report, "write the plan with its times as JSON to FILE"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a network to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench-infer [OPTIONS]",
        "Times inference: the input is written, the plan is run, the result is read, call\n"
        "after call, as a user must do it.",
        options, NULL, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, clg_device_params(.profiling = b.plan || b.report));
    code = b.dev ? walk(&b) : clg_tool_fail();
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

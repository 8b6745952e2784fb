/* clgrad-bench-latency: what a launch, a wait and a start cost, and what a run of a network costs the caller (enqueue.h).
 * Starts are measured in children: from the moment before the fork until the first training step of LeNet is done, with
 * empty and with filled caches of kernels. */
#include "enqueue.h"
#include "network.h"
#include "timing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM_STARTS = 5, REPEATS = 7 };

typedef struct bench {
    const char *device, *json, *folder, *networks;
    double      budget;
    bool        first_step, no_starts;
    clg_device *dev;
    clg_device_info info;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

static int say(const bench *b, const char *what, double seconds, double best, double spread) {
    fprintf(b->table, "%-28s %12.3f us, best %12.3f, +-%2.0f%%\n", what, seconds * 1e6, best * 1e6, 100 * spread);
    fflush(b->table);
    return clg_jsonl_write(b->lines, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f}", "what", what, "device", b->info.name,
        "driver", b->info.driver, "seconds", seconds, "best", best, "spread", spread));
}

static int say_timing(const bench *b, const char *what, const clg_timing *t) {
    return say(b, what, t->seconds, t->best, t->spread);
}

static int say_times(const bench *b, const char *what, double *seconds, int n) {
    const clg_spread all = clg_spread_of(seconds, n);
    return say(b, what, all.median, all.least, all.spread);
}

/* --- launches and waits --- */

typedef struct tiny {
    clg_device *dev;
    clg_plan   *plan;
} tiny;

static clg_status run_and_wait(void *what, int n) {
    const tiny *t = what;
    clg_status s = CLG_OK;
    for (int i = 0; i < n && s == CLG_OK; i++) {
        s = clg_run(t->plan);
        if (s == CLG_OK) s = clg_device_finish(t->dev);
    }
    return s;
}

/* Seconds that clg_run() itself takes, the work being done by others meanwhile. */
static clg_status time_enqueue(const tiny *t, double seconds[REPEATS]) {
    enum { RUNS = 200 };
    clg_status s = CLG_OK;
    for (int r = 0; r < REPEATS && s == CLG_OK; r++) {
        const double begin = clg_bench_now();
        for (int i = 0; i < RUNS && s == CLG_OK; i++) s = clg_run(t->plan);
        seconds[r] = (clg_bench_now() - begin) / RUNS;
        if (s == CLG_OK) s = clg_device_finish(t->dev);
    }
    return s;
}

static int bench_launches(const bench *b) {
    clg_graph *g = clg_graph_create(b->dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(16));
    clg_tensor *y = clg_relu(x);
    clg_plan *plan = clg_compile(g, CLG_LIST(y), NULL);
    tiny t = {b->dev, plan};
    clg_timing stream, wait;
    double enqueue[REPEATS];
    int code = 0;
    if (!plan || clg_time_plan(b->dev, plan, b->budget, &stream) < 0 ||
        clg_time(run_and_wait, &t, b->budget, &wait) < 0 || time_enqueue(&t, enqueue) < 0)
        code = clg_tool_fail();
    if (!code) code = say_times(b, "enqueue", enqueue, REPEATS);
    if (!code) code = say_timing(b, "replay", &stream);
    if (!code) code = say_timing(b, "run and wait", &wait);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    return code;
}

/* --- starts --- */

/* What a child does. */
static int first_step(const bench *b) {
    clg_network n;
    const clg_network_params p = {.batch = 64, .train = true, .momentum = 0.9};
    float loss;
    clg_status s = clg_network_open(b->dev, bench_net_find("lenet-relu-max"), &p, &n);
    if (s < 0) return clg_tool_fail();
    s = clg_run(n.plan);
    if (s == CLG_OK) s = clg_read(n.plan, n.y, &loss, sizeof loss);
    clg_network_close(&n);
    return s == CLG_OK ? 0 : clg_tool_fail();
}

static int start(const bench *b, const char *self, double *seconds) {
    int status;
    const double begin = clg_bench_now();
    const pid_t child = fork();
    if (child < 0) return clg_tool_error(CLG_EXIT_FAILED, "fork: %s", strerror(errno));
    if (child == 0) {
        setenv("CLGRAD_CACHE_DIR", b->folder, 1);
        setenv("POCL_CACHE_DIR", b->folder, 1);
        execl(self, self, "--first-step", b->device ? "--device" : NULL, b->device, (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return clg_tool_error(CLG_EXIT_FAILED, "wait: %s", strerror(errno));
    *seconds = clg_bench_now() - begin;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
        : clg_tool_error(CLG_EXIT_FAILED, "the child that makes the first step failed");
}

static int bench_starts(bench *b, const char *self) {
    const char *tmp = getenv("TMPDIR");
    char folder[512], clean[600];
    double cold = 0, warm[WARM_STARTS];
    snprintf(folder, sizeof folder, "%s/clgrad-latency-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return clg_tool_error(CLG_EXIT_FILE, "%s: %s", folder, strerror(errno));
    b->folder = folder;
    int code = start(b, self, &cold);
    for (int i = 0; i < WARM_STARTS && code == 0; i++) code = start(b, self, &warm[i]);
    if (!code) code = say(b, "cold start", cold, cold, 0);
    if (!code) code = say_times(b, "warm start", warm, WARM_STARTS);
    snprintf(clean, sizeof clean, "rm -rf '%s'", folder);
    if (system(clean) != 0 && !code) code = clg_tool_error(CLG_EXIT_FILE, "%s cannot be removed", folder);
    return code;
}

static int bench_networks(const bench *b) {
    const clg_enqueue_bench all = {.dev = b->dev, .device = b->info.name, .driver = b->info.driver,
                                   .names = b->networks, .budget = b->budget, .table = b->table, .lines = b->lines};
    if (strcmp(b->networks, "none") == 0 || b->info.type == CLG_DEVICE_REF) return 0; /* it computes as it is called */
    return clg_bench_enqueue(&all);
}

int main(int argc, char **argv) {
    bench b = {.budget = 0.3, .networks = "all"};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each row (default 0.3)", 0.001, 1000},
        {CLG_OPT_TEXT, "networks", "A,B", &b.networks, "mlp-1, lenet-1, lenet-64, mobilenet-1 (mobilenetv2 at 64 x\n"
         "64), none"},
        {CLG_OPT_FLAG, "no-starts", NULL, &b.no_starts, "leave out the cold and warm starts"},
        {CLG_OPT_FLAG, "first-step", NULL, &b.first_step, "only make one training step of LeNet, and say nothing"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a row to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench-latency [OPTIONS]",
        "Measures what clg_run() costs the caller, a launch in a stream of them, a run with\n"
        "a wait behind it; of whole networks what a run costs the caller and how many there\n"
        "are a second, with and without replay, on one queue and on two, by turns; and the\n"
        "time from nothing to the first training step of LeNet, with empty (cold) and with\n"
        "filled (warm, five times) caches of kernels. Medians, and (largest - least) / median.",
        options, NULL, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, NULL);
    code = b.dev ? 0 : clg_tool_fail();
    if (!code) clg_device_get_info(b.dev, &b.info);
    if (!code) code = b.first_step ? first_step(&b) : bench_launches(&b);
    if (!code && !b.first_step) code = bench_networks(&b);
    if (!code && !b.first_step && !b.no_starts) code = bench_starts(&b, "/proc/self/exe");
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

/* `clgrad tune`: measures, on the device at hand, the implementations of each op and their parameters, and keeps the
 * fastest ones for all later runs of any program. */
#include "check/check.h"
#include "tool/network.h"
#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Times, on this device, each implementation of each op and its parameters, at\n"
    "the sizes of a model or of the benchmark, and stores the fastest as text in the\n"
    "cache directory, where every later program finds them. A candidate must agree\n"
    "with the reference before it may win. The costliest ops come first; what does\n"
    "not fit into the time is left for the next call, which goes on from there.\n"
    "Last comes, for each step of a model that has branches, how many compute queues\n"
    "they are best spread over (\"queues\").\n\n"
    "The table shows for each key the time without tuning (by rules, or by the\n"
    "defaults that the library brings along), that of the fastest, and their ratio,\n"
    "with a mark where it is above 1.5.";

static const char outro[] =
    "Examples\n"
    "  clgrad tune                              the benchmark, for a minute\n"
    "  clgrad tune --model lenet --batch 64     a training step and its inference\n"
    "  clgrad tune --op 'conv*' --budget 10m --json tune.jsonl\n"
    "  CLGRAD_TUNE=off clgrad train             as if nothing had been tuned\n"
    "  CLGRAD_TUNE=auto clgrad train            tunes what is new while it starts\n\n"
    "scripts/tune_defaults.sh makes the defaults that the library brings along.";

enum { SLOW_LIMIT_PERCENT = 150 };

typedef struct request {
    clg_network_options network;
    clg_model  *model;    /* NULL: the suite */
    bool        again, all_impls;
    const char *device, *suite, *op, *budget, *json, *export_to;
    int64_t     batch;
    double      seconds, deadline;
    clg_device *dev;
    clg_jsonl  *lines;
    FILE       *table;
    clg_progress bar;
    clg_tune_info sum;
    int         slow, code;   /* keys above the limit; exit code of a callback */
    double      worst;
} request;

static volatile sig_atomic_t stopped;
static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

/* --- rows --- */

static bool is_measured(const clg_tune_row *row) {
    return (row->state == CLG_TUNE_MEASURED || row->state == CLG_TUNE_UNFINISHED) && row->best[0];
}

static int write_row(request *r, const clg_tune_row *row) {
    return clg_jsonl_write(r->lines, json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:i, s:i, s:i, s:b}",
        "key", row->key, "before", row->before, "before_by", row->before_by, "best", row->best,
        "before_ms", row->before_s * 1e3, "best_ms", row->best_s * 1e3, "ratio", row->before_s / row->best_s,
        "candidates", row->candidates, "wrong", row->wrong, "uses", row->uses,
        "finished", row->state == CLG_TUNE_MEASURED));
}

static bool on_row(void *user, const clg_tune_row *row) {
    request *r = user;
    const double left = r->deadline - clg_tool_now();
    clg_progress_update(&r->bar, (int64_t)(r->seconds - (left > 0 ? left : 0)));
    if (is_measured(row)) {
        const double ratio = row->before_s / row->best_s;
        clg_progress_note(NULL);
        fprintf(r->table, "%10.4f %10.4f %6.2f%s  %s\n%32s%s -> %s%s\n", row->before_s * 1e3, row->best_s * 1e3, ratio,
                ratio > SLOW_LIMIT_PERCENT / 100.0 ? "!" : " ", row->key, "", row->before, row->best,
                row->state == CLG_TUNE_UNFINISHED ? " (unfinished)" : "");
        fflush(r->table);
        r->slow += ratio > SLOW_LIMIT_PERCENT / 100.0;
        if (ratio > r->worst) r->worst = ratio;
        r->code = write_row(r, row);
    }
    return !stopped && r->code == 0;
}

/* --- graphs --- */

static clg_status tune_graph(request *r, clg_graph *g, clg_list targets, bool inference) {
    clg_tune_info info;
    const double left = r->deadline - clg_tool_now();
    const clg_status s = clg_tune(g, targets, &(clg_plan_params){.inference = inference},
        clg_tune_params(.seconds = left > 1e-3 ? left : 1e-3, .again = r->again, .all_impls = r->all_impls, .op = r->op,
                        .progress = on_row, .user = r), &info);
    if (s < 0) return s;
    r->sum.keys += info.keys;
    r->sum.measured += info.measured;
    r->sum.kept += info.kept;
    r->sum.unfinished += info.unfinished;
    r->sum.wrong += info.wrong;
    return s;
}

static clg_status tune_model(request *r) {
    clg_store *store = clg_store_create(r->dev, 1);
    clg_network net = {0};
    clg_status s = store ? clg_network_build(&net, r->model, r->dev, store, r->batch) : clg_error_status();
    if (s == CLG_OK) {
        clg_tensor *step = clg_sgd(net.loss, clg_optim_params(.momentum = 0.9));
        s = tune_graph(r, net.graph, CLG_LIST(net.loss, step), false);
        if (s == CLG_OK) s = tune_graph(r, net.graph, CLG_LIST(net.output), true);
    }
    clg_network_free(&net);
    clg_store_destroy(&store);
    return s;
}

static clg_status tune_case(request *r, const clg_case *c) {
    clg_case_run run;
    clg_status s = clg_case_build(c, r->dev, NULL, &run);
    if (s == CLG_OK) s = tune_graph(r, run.graph, (clg_list){1, &run.y}, false);
    clg_case_close(&run);
    return s;
}

/* A case is listed under its own op, but what it computes may be another (a gradient). */
static clg_status tune_suite(request *r) {
    const clg_case *c;
    clg_status s = CLG_OK;
    for (int op = 0; op < clg_op_count() && s == CLG_OK; op++) {
        clg_op_info info;
        s = clg_op_get_info(op, &info);
        for (int i = 0; s == CLG_OK && !stopped && (c = clg_case_at(info.name, i)) != NULL; i++)
            if (c->flags & CLG_CASE_BENCH) s = tune_case(r, c);
    }
    return s;
}

/* --- the end --- */

static int print_summary(request *r) {
    char path[4096];
    if (clg_tune_path(r->dev, path, sizeof path) < 0) return clg_tool_fail();
    fprintf(r->table, "%d measured, %d known before, %d left for the next call; %d candidates were wrong\n",
            r->sum.measured, r->sum.kept, r->sum.unfinished, r->sum.wrong);
    if (r->sum.measured > 0)
        fprintf(r->table, "without tuning, the worst takes %.2f times as long; %d above %.1f\n", r->worst, r->slow,
                SLOW_LIMIT_PERCENT / 100.0);
    fprintf(r->table, "records: %s\n", path[0] ? path : "not stored, as there is no cache directory");
    return clg_jsonl_write(r->lines, json_pack("{s:i, s:i, s:i, s:i, s:f, s:i, s:s}", "measured", r->sum.measured,
        "kept", r->sum.kept, "unfinished", r->sum.unfinished, "wrong", r->sum.wrong, "worst_ratio", r->worst,
        "slow", r->slow, "records", path));
}

/* Copies the records without their remarks on times, which are this machine's. */
static void copy_records(FILE *from, FILE *to) {
    char line[8192];
    fprintf(to, "# clgrad tuning records, format 1\n");
    while (fgets(line, sizeof line, from)) {
        char *remark = strstr(line, " # ");
        if (strncmp(line, "queues ", 7) == 0 || strncmp(line, "exclude ", 8) == 0) continue; /* of this machine alone */
        if (remark) memcpy(remark, "\n", 2);
        if (line[0] != '#' || strncmp(line, "# device", 8) == 0 || strncmp(line, "# driver", 8) == 0) fputs(line, to);
    }
}

static int export_records(request *r) {
    char path[4096], *text = NULL;
    size_t size = 0;
    if (clg_tune_path(r->dev, path, sizeof path) < 0) return clg_tool_fail();
    FILE *from = fopen(path, "r"), *to = from ? open_memstream(&text, &size) : NULL;
    if (!from) return clg_tool_error(CLG_EXIT_FILE, "tune: cannot read %s", path);
    if (to) copy_records(from, to);
    fclose(from);
    const bool whole = to && fclose(to) == 0;
    const int code = whole ? clg_tool_replace("tune", r->export_to, text, size)
                           : clg_tool_error(CLG_EXIT_FAILED, "tune: out of memory");
    free(text);
    return code;
}

static int run(request *r) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = clg_jsonl_open(r->json, &r->lines);
    if (code) return code;
    r->table = clg_jsonl_table(r->json);
    r->dev = clg_device_open(r->device, NULL);
    r->deadline = clg_tool_now() + r->seconds;
    clg_progress_begin(&r->bar, "tuning", "s", 0, (int64_t)r->seconds);
    if (r->dev) fprintf(r->table, "ms without   ms tuned  ratio   key; what is taken without tuning -> the fastest\n");
    const clg_status s = !r->dev ? clg_error_status() : r->model ? tune_model(r) : tune_suite(r);
    clg_progress_end(&r->bar);
    code = s < 0 ? clg_tool_fail() : r->code ? r->code : print_summary(r);
    if (code == CLG_EXIT_OK && r->export_to) code = export_records(r);
    if (code == CLG_EXIT_OK && stopped) code = CLG_EXIT_INTERRUPTED;
    clg_device_destroy(&r->dev);
    clg_jsonl_close(&r->lines);
    return code;
}

int clg_cmd_tune(int argc, char **argv) {
    request r = {.network = CLG_NETWORK_NONE, .budget = "60s", .batch = 64, .suite = "bench"};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "What to tune"},
        {CLG_OPT_TEXT, "model", "NAME|FILE", &r.network.model, "a model's training step and its inference, in place\n"
         "of a suite; clgrad models lists them", .given = NULL},
        {CLG_OPT_INT, "batch", "N", &r.batch, "items in one step of the model", 1, 65536, NULL},
        CLG_NETWORK_OPTIONS(r.network),
        CLG_NETWORK_DATA(r.network),
        {CLG_OPT_CHOICE, "suite", "bench", &r.suite, "the sizes of the benchmark", .given = NULL},
        {CLG_OPT_TEXT, "op", "GLOB", &r.op, "only ops whose name fits, or \"queues\"", .given = NULL},
        {CLG_OPT_TITLE, .help = "How"},
        {CLG_OPT_TEXT, "budget", "TIME", &r.budget, "time to spend: 90s, 10m, 2h", .given = NULL},
        {CLG_OPT_FLAG, "again", NULL, &r.again, "also measure what is known", .given = NULL},
        {CLG_OPT_FLAG, "all-impls", NULL, &r.all_impls, "also try what was made for the other class of device\n"
         "(CPU, GPU); slow to build", .given = NULL},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_TEXT, "json", "FILE", &r.json, "write a JSON line for each key, and one with the sums;\n- is stdout",
         .given = NULL},
        {CLG_OPT_TEXT, "export", "FILE", &r.export_to, "write the records as shipped defaults are written",
         .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad tune [OPTIONS]", intro, options, outro, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    r.seconds = clg_opt_seconds(r.budget);
    if (r.seconds == 0)
        return clg_tool_error(CLG_EXIT_USAGE, "tune: --budget %s: wants a time, as 90s, 10m or 2h", r.budget);
    if (r.network.model) {
        code = clg_network_open(&r.network, argv[0], &r.model);
        if (code == CLG_EXIT_OK) code = clg_network_complete(&r.network, argv[0], &r.model);
    } else if (clg_network_given(&r.network) || r.network.input || r.network.classes) {
        code = clg_tool_error(CLG_EXIT_USAGE, "tune: options that describe a model want --model too");
    } else {
        code = CLG_EXIT_OK;
    }
    if (code == CLG_EXIT_OK) code = run(&r);
    clg_model_destroy(&r.model);
    return code;
}

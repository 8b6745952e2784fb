/* See enqueue.h. A round is some runs in a row, of each way of enqueueing by turns: so what the machine does meanwhile
 * meets all of them. Of each round are taken the time until the last clg_run() has returned, and until all is done;
 * what is told are the medians of the rounds and their spread, (largest - smallest) / median. */
#include "enqueue.h"
#include "network.h"
#include "timing.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 11, MOST_RUNS = 2000, WAYS = 6 };

/* The rows. mobilenetv2 at 64 x 64: many launches, each of them short. */
static const struct row {
    const char *name, *network;
    int64_t     batch, size;
    bool        train;
} rows[] = {
    {"mlp-1", "mlp", 1, 0, false},
    {"lenet-1", "lenet-relu-max", 1, 0, false},
    {"lenet-64", "lenet-relu-max", 64, 0, true},
    {"mobilenet-1", "mobilenetv2", 1, 64, false},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const struct { const char *name; enum clg_replay replay; int queues; } ways[WAYS] = {
    {"off", CLG_REPLAY_OFF, 1}, {"on", CLG_REPLAY_ON, 1}, {"auto", CLG_REPLAY_AUTO, 1},
    {"off", CLG_REPLAY_OFF, 2}, {"on", CLG_REPLAY_ON, 2}, {"auto", CLG_REPLAY_AUTO, 2},
};

/* One network in one way; times of a run, in seconds, by round. */
typedef struct side {
    bool        open;
    clg_network n;
    double      enqueue[ROUNDS], whole[ROUNDS];
} side;

/* --- measuring --- */

static clg_status run_some(clg_device *dev, side *s, int runs, double *enqueue, double *whole) {
    clg_status status = CLG_OK;
    const double begin = clg_bench_now();
    for (int i = 0; i < runs && status == CLG_OK; i++) status = clg_run(s->n.plan);
    const double returned = clg_bench_now();
    if (status == CLG_OK) status = clg_device_finish(dev);
    *enqueue = (returned - begin) / runs;
    *whole = (clg_bench_now() - begin) / runs;
    return status;
}

/* Opens what the device can, and lets it compile and record. runs: as many as fit into a round. */
static clg_status open_sides(const clg_enqueue_bench *b, const struct row *r, side *sides, int *runs) {
    double enqueue, whole = 0, slowest = 1e-7;
    for (int i = 0; i < WAYS; i++) {
        const clg_network_params p = {.batch = r->batch, .size = r->size, .train = r->train, .queues = ways[i].queues,
                                      .replay = ways[i].replay};
        clg_status s = clg_network_open(b->dev, bench_net_find(r->network), &p, &sides[i].n);
        if (s == CLG_ERR_UNSUP && ways[i].replay == CLG_REPLAY_ON) continue; /* the device records nothing */
        sides[i].open = s == CLG_OK;
        if (s == CLG_OK) s = run_some(b->dev, &sides[i], 3, &enqueue, &whole);
        if (s == CLG_OK) s = run_some(b->dev, &sides[i], 5, &enqueue, &whole);
        if (s < 0) return s;
        if (whole > slowest) slowest = whole;
    }
    const double most = b->budget / ROUNDS / slowest;
    *runs = most < 1 ? 1 : most > MOST_RUNS ? MOST_RUNS : (int)most;
    return CLG_OK;
}

static clg_status measure(const clg_enqueue_bench *b, side *sides, int runs) {
    clg_status s = CLG_OK;
    for (int r = 0; r < ROUNDS && s == CLG_OK; r++)
        for (int i = 0; i < WAYS && s == CLG_OK; i++)
            if (sides[i].open) s = run_some(b->dev, &sides[i], runs, &sides[i].enqueue[r], &sides[i].whole[r]);
    return s;
}

/* --- telling --- */

static json_t *list(const double *x) {
    json_t *all = json_array();
    for (int i = 0; i < ROUNDS; i++) json_array_append_new(all, json_real(x[i] * 1e6));
    return all;
}

static int tell(const clg_enqueue_bench *b, const struct row *r, int way, side *s, int runs) {
    clg_plan_info info;
    clg_plan_get_info(s->n.plan, &info);
    json_t *rounds = json_pack("{s:o, s:o}", "enqueue_us", list(s->enqueue), "run_us", list(s->whole));
    const clg_spread enqueue = clg_spread_of(s->enqueue, ROUNDS), whole = clg_spread_of(s->whole, ROUNDS);
    fprintf(b->table, "%-12s %-5s  %-6s %6d %8d %9.2f +-%3.0f%% %11.3f %9.1f +-%3.0f%% %9.0f\n", r->name,
            r->train ? "train" : "infer", ways[way].name, ways[way].queues, info.n_steps, enqueue.median * 1e6,
            100 * enqueue.spread, enqueue.median * 1e6 / info.n_steps, whole.median * 1e6, 100 * whole.spread,
            1 / whole.median);
    fflush(b->table);
    return clg_jsonl_write(b->lines, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:i, s:i, s:i, s:f, s:f, "
        "s:f, s:f, s:f, s:f, s:o}", "what", "network", "device", b->device, "driver", b->driver, "row", r->name,
        "network", r->network, "batch", (json_int_t)r->batch, "size", (json_int_t)r->size, "training", (int)r->train,
        "replay", ways[way].name, "queues", ways[way].queues, "launches", info.n_steps, "runs_a_round", runs,
        "enqueue_us", enqueue.median * 1e6, "enqueue_spread", enqueue.spread, "enqueue_us_a_launch",
        enqueue.median * 1e6 / info.n_steps, "run_us", whole.median * 1e6, "run_spread", whole.spread, "runs_a_second",
        1 / whole.median, "rounds", rounds));
}

static int bench_row(const clg_enqueue_bench *b, const struct row *r) {
    side *sides = calloc(WAYS, sizeof *sides);
    int runs = 0, code = sides ? 0 : clg_tool_error(CLG_EXIT_FAILED, "no memory");
    if (!code && (open_sides(b, r, sides, &runs) < 0 || measure(b, sides, runs) < 0)) code = clg_tool_fail();
    for (int i = 0; i < WAYS && !code; i++)
        if (sides[i].open) code = tell(b, r, i, &sides[i], runs);
    for (int i = 0; sides && i < WAYS; i++)
        if (sides[i].open) clg_network_close(&sides[i].n);
    free(sides);
    return code;
}

int clg_bench_enqueue(const clg_enqueue_bench *b) {
    int code = 0, seen = 0;
    for (int i = 0; i < N_ROWS; i++) seen += clg_opt_lists(b->names, rows[i].name);
    if (seen == 0)
        return clg_tool_error(CLG_EXIT_USAGE, "--networks %s: there are mlp-1, lenet-1, lenet-64 and mobilenet-1; all, "
                              "none", b->names);
    fprintf(b->table, "\n%-12s %-5s  %-6s %6s %8s %16s %11s %16s %9s\n", "network", "what", "replay", "queues",
            "launches", "us to enqueue", "a launch", "us a run", "runs/s");
    for (int i = 0; i < N_ROWS && !code; i++)
        if (clg_opt_lists(b->names, rows[i].name)) code = bench_row(b, &rows[i]);
    return code;
}

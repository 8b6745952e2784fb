/* clgrad-bench: every op at sizes that matter, by every implementation; a wrong default shows in the last column. */
#include "check/check.h"
#include "timing.h"
#include "tool/tool.h"

#include <fnmatch.h>
#include <string.h>

enum { MAX_IMPLS = 16 };

typedef struct bench {
    const char *device, *op, *impl, *json;
    double      budget;
    bool        all;
    clg_device *dev;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

typedef struct row {
    const char   *impl; /* NULL: what the library chose */
    clg_timing    time;
    clg_plan_info info;
} row;

static clg_status measure(const bench *b, const clg_case *c, const char *impl, row *r, bool *ran) {
    clg_case_run run;
    *r = (row){.impl = impl};
    clg_status s = clg_case_open(c, b->dev, NULL, clg_plan_params(.impl = impl), &run);
    *ran = s == CLG_OK && (!impl || clg_case_uses(&run, impl));
    if (*ran) {
        s = clg_case_fill(c, &run, 1, false);
        if (s == CLG_OK) s = clg_time_plan(b->dev, run.plan, b->budget, &r->time);
        clg_plan_get_info(run.plan, &r->info);
    }
    clg_case_close(&run);
    return s;
}

static int report(const bench *b, const clg_case *c, const row *r, double best) {
    char text[256];
    const double gflops = r->info.flops / r->time.seconds * 1e-9, gbytes = r->info.bytes_moved / r->time.seconds * 1e-9;
    fprintf(b->table, "%-16s %-44s %-26s %10.4f ms %8.1f GF/s %8.1f GB/s  +-%2.0f%%  %5.2f\n", c->op,
            clg_case_text(c, text, sizeof text), r->impl ? r->impl : "(default)", r->time.seconds * 1e3, gflops, gbytes,
            r->time.spread * 100, r->time.seconds / best);
    fflush(b->table);
    return clg_jsonl_write(b->lines, json_pack("{s:s,s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:f}", "op", c->op, "case", text,
        "impl", r->impl ? r->impl : "default", "ms", r->time.seconds * 1e3, "ms_best", r->time.best * 1e3, "spread",
        r->time.spread, "gflops", gflops, "gbytes", gbytes, "ratio_to_best", r->time.seconds / best));
}

/* The default, then each implementation of the op that can run the case and fits --impl. */
static int bench_case(const bench *b, int op, const clg_case *c) {
    row rows[MAX_IMPLS];
    int n = 0, code = 0;
    for (int k = -1; n < MAX_IMPLS && (k < 0 || clg_op_impl(op, k)); k++) {
        const char *impl = k < 0 ? NULL : clg_op_impl(op, k);
        bool ran;
        if (impl && (!b->impl || (strcmp(b->impl, "all") != 0 && fnmatch(b->impl, impl, 0) != 0))) continue;
        if (measure(b, c, impl, &rows[n], &ran) < 0) return clg_tool_fail();
        n += ran;
    }
    double best = rows[0].time.seconds;
    for (int i = 1; i < n; i++) best = rows[i].time.seconds < best ? rows[i].time.seconds : best;
    for (int i = 0; i < n && code == 0; i++) code = report(b, c, &rows[i], best);
    return code;
}

static int walk(const bench *b) {
    const clg_case *c;
    int code = 0, seen = 0;
    for (int op = 0; op < clg_op_count() && code == 0; op++) {
        clg_op_info info;
        if (clg_op_get_info(op, &info) < 0) return clg_tool_fail();
        if (b->op && fnmatch(b->op, info.name, 0) != 0) continue;
        for (int i = 0; (c = clg_case_at(info.name, i)) != NULL && code == 0; i++) {
            if (!b->all && !(c->flags & CLG_CASE_BENCH)) continue;
            code = bench_case(b, op, c);
            seen++;
        }
    }
    if (code == 0 && !seen) return clg_tool_error(CLG_EXIT_USAGE, "clgrad-bench: no case fits --op %s", b->op);
    return code;
}

int main(int argc, char **argv) {
    bench b = {.budget = 0.5};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "op", "GLOB", &b.op, "ops to time, such as 'conv*' (default: all)"},
        {CLG_OPT_TEXT, "impl", "GLOB", &b.impl, "also time these implementations, or all (default: only the one\n"
         "that the library takes by itself)"},
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each row (default 0.5)", 0.001, 1000},
        {CLG_OPT_FLAG, "all-cases", NULL, &b.all, "also the small cases of the tests"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a row to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench [OPTIONS]",
        "Times every op at sizes that matter. Columns: milliseconds a run, arithmetic and\n"
        "memory speed by the op's own count, spread of the repeats, and the time in units\n"
        "of the fastest row of its case: above 1 for the default, the choice was wrong.",
        options, "Example:\n  clgrad-bench --op 'conv*' --impl all\n", NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, NULL);
    code = b.dev ? walk(&b) : clg_tool_fail();
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

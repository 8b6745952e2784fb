/* clgrad-bench: every op at sizes that matter, by every implementation: speed, share of the roofline (Williams et al.
 * 2009), and accuracy in the same run. A wrong default shows in the last column. */
#include "accuracy.h"
#include "timing.h"
#include "tool/tool.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMPLS = 32 };

typedef struct bench {
    const char *device, *op, *impl, *json, *words;
    double      budget, peak_flops, peak_bytes; /* GF/s, GB/s; 0: unknown */
    bool        all, check;
    clg_device *dev, *ref;
    clg_jsonl  *lines;
    FILE       *table;
} bench;

typedef struct row {
    const char   *impl; /* NULL: what the library chose */
    char          chosen[256]; /* implementations of this op in the plan */
    clg_timing    time;
    clg_plan_info info;
    clg_accuracy  accuracy;
} row;

/* What a case is compared with; computed once for all implementations. */
typedef struct reference {
    double *outcome; /* NULL: not asked */
    int64_t n;
} reference;

static void note_chosen(const clg_case_run *run, int op, row *r) {
    size_t at = 0;
    r->chosen[0] = 0;
    for (int k = 0; clg_op_impl(op, k); k++) {
        const char *name = clg_op_impl(op, k);
        if (clg_case_uses(run, name) && at < sizeof r->chosen)
            at += (size_t)snprintf(r->chosen + at, sizeof r->chosen - at, "%s%s", at ? "," : "", name);
    }
}

/* The first run of the plan is compared: what random ops draw is the same in the first run of every plan. */
static clg_status compare(const clg_case *c, int op, clg_case_run *run, const reference *want, clg_accuracy *a) {
    double *got = NULL, growth = 1;
    clg_status s = clg_case_outcome(c, run, &got);
    if (s == CLG_OK) clg_accuracy_of(c, got, want->outcome, want->n, a);
    for (int k = 0; clg_op_impl(op, k); k++) /* of sums that are no direct ones: src/check/check.c has the bound */
        if (clg_op_impl_growth(op, k) > growth && clg_case_uses(run, clg_op_impl(op, k)))
            growth = clg_op_impl_growth(op, k);
    if (growth > 1) a->bound /= growth * (c->k + 24) / c->k;
    free(got);
    return s;
}

static clg_status measure(const bench *b, const clg_case *c, int op, const reference *want, row *r, bool *ran) {
    clg_case_run run;
    clg_status s = clg_case_open(c, b->dev, NULL, clg_plan_params(.impl = r->impl), &run);
    *ran = s == CLG_OK && (!r->impl || clg_case_uses(&run, r->impl));
    if (*ran) {
        note_chosen(&run, op, r);
        s = clg_case_fill(c, &run, 1, false);
        if (s == CLG_OK && want->outcome) s = compare(c, op, &run, want, &r->accuracy);
        if (s == CLG_OK) s = clg_time_plan(b->dev, run.plan, b->budget, &r->time);
        clg_plan_get_info(run.plan, &r->info);
    }
    clg_case_close(&run);
    return s;
}

/* Attained speed by what the roofline allows at the case's flops a byte; 0 where the peaks are not known. */
static double share_of_roof(const bench *b, const row *r) {
    if (b->peak_flops <= 0 || b->peak_bytes <= 0) return 0;
    const double seconds = fmax(r->info.flops * 1e-9 / b->peak_flops, r->info.bytes_moved * 1e-9 / b->peak_bytes);
    return seconds / r->time.seconds;
}

static int report(const bench *b, const clg_case *c, const row *r, double best) {
    char text[256], accuracy[96] = "";
    const double gflops = r->info.flops / r->time.seconds * 1e-9, gbytes = r->info.bytes_moved / r->time.seconds * 1e-9;
    const double roof = share_of_roof(b, r);
    const clg_accuracy *a = &r->accuracy;
    if (b->check)
        snprintf(accuracy, sizeof accuracy, "  ulp %.3g max %.2g mean (%.3g, %.2g of rms)%s", a->max_ulp, a->mean_ulp,
                 a->max_ulp_rms, a->mean_ulp_rms, a->bound > 1 ? " WRONG" : "");
    fprintf(b->table, "%-16s %-44s %-26s %10.4f ms %8.1f GF/s %8.1f GB/s %4.0f%%  +-%2.0f%%  %5.2f%s\n", c->op,
            clg_case_text(c, text, sizeof text), r->impl ? r->impl : "(default)", r->time.seconds * 1e3, gflops, gbytes,
            roof * 100, r->time.spread * 100, r->time.seconds / best, accuracy);
    fflush(b->table);
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "op", c->op, "case", text, "impl",
        r->impl ? r->impl : "default", "chosen", r->chosen, "ms", r->time.seconds * 1e3, "ms_best", r->time.best * 1e3,
        "spread", r->time.spread, "flops", r->info.flops, "bytes", r->info.bytes_moved, "gflops", gflops, "gbytes",
        gbytes, "roof", roof, "ratio_to_best", r->time.seconds / best);
    if (b->check && j)
        json_object_set_new(j, "accuracy", json_pack("{s:o,s:o,s:o,s:o,s:o}", "max_ulp", clg_json_real(a->max_ulp),
            "mean_ulp", clg_json_real(a->mean_ulp), "max_ulp_rms", clg_json_real(a->max_ulp_rms), "mean_ulp_rms",
            clg_json_real(a->mean_ulp_rms), "bound", clg_json_real(a->bound)));
    return clg_jsonl_write(b->lines, j);
}

/* The default, then each implementation of the op that can run the case and fits --impl. */
static int bench_case(const bench *b, int op, const clg_case *c) {
    row rows[MAX_IMPLS];
    reference want = {0};
    int n = 0, code = 0;
    if (b->check && !(want.outcome = clg_reference_outcome(c, b->ref, &want.n))) return clg_tool_fail();
    for (int k = -1; n < MAX_IMPLS && code == 0 && (k < 0 || clg_op_impl(op, k)); k++) {
        const char *impl = k < 0 ? NULL : clg_op_impl(op, k);
        bool ran;
        if (impl && (!b->impl || (strcmp(b->impl, "all") != 0 && fnmatch(b->impl, impl, 0) != 0))) continue;
        rows[n] = (row){.impl = impl};
        if (measure(b, c, op, &want, &rows[n], &ran) < 0) code = clg_tool_fail();
        n += ran;
    }
    free(want.outcome);
    double best = n ? rows[0].time.seconds : 0;
    for (int i = 1; i < n; i++) best = rows[i].time.seconds < best ? rows[i].time.seconds : best;
    for (int i = 0; i < n && code == 0; i++) code = report(b, c, &rows[i], best);
    return code;
}

/* Every word of a comma-free list "64-64 k3" is part of the case's text; of several lists, parted by ';', one fits. */
static bool is_asked(const bench *b, const clg_case *c) {
    char text[256], lists[4096], *save = NULL, *save_word;
    if (!b->words) return b->all || (c->flags & CLG_CASE_BENCH);
    if (!(c->flags & CLG_CASE_BENCH) && !b->all) return false;
    if (strlen(b->words) >= sizeof lists) return false;
    strcpy(lists, b->words);
    clg_case_text(c, text, sizeof text);
    for (char *list = strtok_r(lists, ";", &save); list; list = strtok_r(NULL, ";", &save)) {
        bool fits = true, first = true;
        for (char *w = strtok_r(list, " ", &save_word); w && fits; w = strtok_r(NULL, " ", &save_word), first = false)
            fits = first && strncmp(w, "op=", 3) == 0 ? strcmp(c->op, w + 3) == 0 : strstr(text, w) != NULL;
        if (fits) return true;
    }
    return false;
}

static int walk(const bench *b) {
    const clg_case *c;
    int code = 0, seen = 0;
    for (int op = 0; op < clg_op_count() && code == 0; op++) {
        clg_op_info info;
        if (clg_op_get_info(op, &info) < 0) return clg_tool_fail();
        if (b->op && fnmatch(b->op, info.name, 0) != 0) continue;
        for (int i = 0; (c = clg_case_at(info.name, i)) != NULL && code == 0; i++) {
            if (!is_asked(b, c)) continue;
            code = bench_case(b, op, c);
            seen++;
        }
    }
    if (code == 0 && !seen) return clg_tool_error(CLG_EXIT_USAGE, "clgrad-bench: no case fits --op and --case");
    return code;
}

int main(int argc, char **argv) {
    bench b = {.budget = 0.5};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "op", "GLOB", &b.op, "ops to time, such as 'conv*' (default: all)"},
        {CLG_OPT_TEXT, "case", "WORDS", &b.words, "only cases whose text has all these words; several lists\n"
         "are parted by ';', and a list may begin with op=NAME:\n"
         "'op=matmul 512 NT; op=conv 64-64'"},
        {CLG_OPT_TEXT, "impl", "GLOB", &b.impl, "also time these implementations, or all (default: only the one\n"
         "that the library takes by itself)"},
        {CLG_OPT_TEXT, "device", "DEVICE", &b.device, "device, as in `clgrad devices`"},
        {CLG_OPT_REAL, "seconds", "S", &b.budget, "time for each row (default 0.5)", 0.001, 1000},
        {CLG_OPT_FLAG, "check", NULL, &b.check, "compare each outcome with the reference in double: error in ULP"},
        {CLG_OPT_REAL, "peak-gflops", "X", &b.peak_flops, "the machine's roofs by clgrad-bench-peak:", 0, 1e9},
        {CLG_OPT_REAL, "peak-gbytes", "X", &b.peak_bytes, "for the column that is a percentage of them", 0, 1e9},
        {CLG_OPT_FLAG, "all-cases", NULL, &b.all, "also the small cases of the tests"},
        {CLG_OPT_TEXT, "json", "FILE", &b.json, "write one JSON object a row to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {"clgrad-bench [OPTIONS]",
        "Times every op at sizes that matter. Columns: milliseconds a run, arithmetic and\n"
        "memory speed by the op's own count, share of the roofline, spread of the repeats,\n"
        "and the time in units of the fastest row of its case: above 1 for the default,\n"
        "the choice was wrong.",
        options, "Example:\n  clgrad-bench --op 'conv*' --impl all --check\n", NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    code = clg_jsonl_open(b.json, &b.lines);
    if (code) return code;
    b.table = clg_jsonl_table(b.json);
    b.dev = clg_device_open(b.device, NULL);
    b.ref = b.check ? clg_device_open("ref", NULL) : NULL;
    code = b.dev && (b.ref || !b.check) ? walk(&b) : clg_tool_fail();
    clg_device_destroy(&b.ref);
    clg_device_destroy(&b.dev);
    clg_jsonl_close(&b.lines);
    return code;
}

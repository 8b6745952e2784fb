/* clgrad doctor: every op on a device against the reference device; a report to attach to a bug. */
#include "check/check.h"
#include "tool/tool.h"

#include <string.h>

typedef struct doctor {
    const char *device, *op, *json;
    uint64_t    seed;
    FILE       *table;
    clg_jsonl  *lines;
} doctor;

static void print_failure(void *user, const char *line) { fprintf(user, "    %s\n", line); }

static void print_device(FILE *to, const clg_device *dev) {
    clg_device_info i;
    clg_device_get_info(dev, &i);
    fprintf(to, "device    %s\nplatform  %s, %s\ndriver    %s, %s\n", i.name, i.platform, i.vendor, i.driver,
            i.version);
    fprintf(to, "limits    %d compute units, %.0f MiB, %.0f MiB in one buffer, %.0f KiB local, work-group %llu%s%s\n",
            i.compute_units, (double)i.mem_total / 1048576, (double)i.mem_max_alloc / 1048576,
            (double)i.local_mem / 1024, (unsigned long long)i.max_group, i.fp64 ? ", fp64" : "",
            i.fp16 ? ", fp16" : "");
    if (i.quirks && *i.quirks) fprintf(to, "quirks    %s\n", i.quirks);
    fprintf(to, "library   clgrad %s\n\n", clg_version());
    fprintf(to, "%-18s %5s %6s %5s %11s %8s %9s %8s\n", "op", "cases", "plans", "impls", "error/bound", "gradient",
            "same bits", "ms");
}

/* One line for people, one for programs. Returns an exit code. */
static int report(const doctor *d, const clg_check_result *r) {
    fprintf(d->table, "%-18s %5d %6d %5d %5.2g/%-5.4g %8.1e %9s %8.0f  %s\n", r->op, r->cases, r->runs, r->impls,
            r->max_error, r->bound, r->max_gradient_error, r->deterministic ? "yes" : "NO", r->seconds * 1e3,
            r->pass ? "ok" : "FAILED");
    fflush(d->table);
    return clg_jsonl_write(d->lines, json_pack("{s:s,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:b,s:b,s:f}", "op", r->op, "cases",
        r->cases, "plans", r->runs, "gradients", r->gradients, "max_error", clg_json_real(r->max_error), "bound",
        clg_json_real(r->bound), "max_ulp", clg_json_real(r->max_ulp), "max_gradient_error",
        clg_json_real(r->max_gradient_error), "deterministic", r->deterministic, "pass", r->pass,
        "seconds", r->seconds));
}

static bool is_op(const char *name) {
    clg_op_info info;
    for (int i = 0; i < clg_op_count(); i++)
        if (clg_op_get_info(i, &info) == CLG_OK && strcmp(info.name, name) == 0) return true;
    return false;
}

static int walk(const doctor *d, const clg_check_params *p) {
    int seen = 0, failed = 0, cases = 0, code = 0;
    clg_progress bar;
    clg_progress_begin(&bar, "checking", "ops", 0, clg_op_count());
    for (int i = 0; i < clg_op_count() && code == 0; i++) {
        clg_op_info info;
        clg_check_result r;
        if (clg_op_get_info(i, &info) < 0) return clg_tool_fail();
        if (d->op && strcmp(d->op, info.name) != 0) continue;
        clg_check_op(i, p, &r);
        code = report(d, &r);
        clg_progress_update(&bar, i + 1);
        seen++;
        cases += r.cases;
        failed += !r.pass;
    }
    clg_progress_end(&bar);
    if (code) return code;
    fprintf(d->table, "\n%d ops, %d cases: %s\n", seen, cases, failed ? "FAILED" : "all agree with the reference");
    return failed ? CLG_EXIT_FAILED : CLG_EXIT_OK;
}

int clg_cmd_doctor(int argc, char **argv) {
    doctor d = {.seed = 1};
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "device", "DEVICE", &d.device, "device to check, as in `clgrad devices`\n"
         "(default $CLGRAD_DEVICE, else the best one)"},
        {CLG_OPT_TEXT, "op", "NAME", &d.op, "check this op only"},
        {CLG_OPT_SEED, "seed", "N", &d.seed, "seed of the values"},
        {CLG_OPT_TEXT, "json", "FILE", &d.json, "write one JSON object an op to FILE, - for stdout"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {
        "clgrad doctor [OPTIONS]",
        "Runs every op of the library on a device and compares it with the reference\n"
        "in double: small integers must agree in every bit, reals within the bound\n"
        "k eps that rounding allows, gradients with differences, a second run in\n"
        "every bit. Attach the output to a bug report. The first run compiles every\n"
        "kernel and takes some minutes; later runs find them in the cache.",
        options, "Example:\n  clgrad doctor --device pocl --op conv --json doctor.jsonl\n", NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (d.op && !is_op(d.op))
        return clg_tool_error(CLG_EXIT_USAGE, "doctor: no op is called %s; leave --op out to see them all", d.op);
    code = clg_jsonl_open(d.json, &d.lines);
    if (code) return code;
    d.table = clg_jsonl_table(d.json);
    clg_check_params p = {.seed = d.seed, .failed = print_failure, .user = d.table};
    p.dev = clg_device_open(d.device, NULL);
    p.ref = p.dev ? clg_device_open("ref", NULL) : NULL;
    if (p.ref) {
        print_device(d.table, p.dev);
        code = walk(&d, &p);
    } else {
        code = clg_tool_fail();
    }
    clg_device_destroy(&p.dev);
    clg_device_destroy(&p.ref);
    clg_jsonl_close(&d.lines);
    return code;
}

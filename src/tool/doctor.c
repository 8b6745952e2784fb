/* clgrad doctor: every op on a device against the reference device; a table for people, a report for bug trackers. */
#include "tool/doctor.h"

#include <string.h>

typedef struct doctor {
    clg_doctor_selection want;
    const char        *json;
    FILE              *table;
    clg_doctor_report *report;
    int                failures; /* lines given to the report */
    bool               remember, forget;
    clg_device        *dev;
} doctor;

/* --- failures --- */

/* " --name 'value'"; quotes only where a shell needs them. Option values have no quotes of their own. */
static size_t add_option(char *text, size_t at, size_t size, const char *name, const char *value) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";
    const char *quote = value[strspn(value, plain)] ? "'" : "";
    if (at >= size) return at;
    return at + (size_t)snprintf(text + at, size - at, " --%s %s%s%s", name, quote, value, quote);
}

static void command_for(const doctor *d, const clg_check_failure *f, char *text, size_t size) {
    char number[24];
    size_t at = (size_t)snprintf(text, size, "clgrad doctor");
    if (d->want.device) at = add_option(text, at, size, "device", d->want.device);
    at = add_option(text, at, size, "op", f->op);
    snprintf(number, sizeof number, "%d", f->number);
    if (f->number >= 0) at = add_option(text, at, size, "case", number);
    if (f->impl) at = add_option(text, at, size, "impl", f->impl);
    snprintf(number, sizeof number, "%llu", (unsigned long long)f->seed);
    add_option(text, at, size, "seed", number);
}

static void failed(void *user, const clg_check_failure *f) {
    doctor *d = user;
    char command[512];
    command_for(d, f, command, sizeof command);
    d->failures++;
    clg_doctor_report_failure(d->report, f, command);
    fprintf(d->table, "    %s: %s\n    to repeat: %s\n", f->op, f->text, command);
    clg_doctor_remember(d->dev, f, d->remember, d->table);
}

/* --- the table --- */

static void print_device(FILE *to, clg_device *dev) {
    clg_device_info i;
    clg_device_get_info(dev, &i);
    fprintf(to, "device    %s\nplatform  %s, %s\ndriver    %s, %s\n", i.name, i.platform, i.vendor, i.driver,
            i.version);
    fprintf(to, "limits    %d compute units, %.0f MiB, %.0f MiB in one buffer, %.0f KiB local, work-group %llu%s%s\n",
            i.compute_units, (double)i.mem_total / 1048576, (double)i.mem_max_alloc / 1048576,
            (double)i.local_mem / 1024, (unsigned long long)i.max_group, i.fp64 ? ", fp64" : "",
            i.fp16 ? ", fp16" : "");
    if (i.quirks && *i.quirks) fprintf(to, "quirks    %s\n", i.quirks);
    clg_doctor_print_excluded(dev, to);
    fprintf(to, "library   clgrad %s\n\n", clg_version());
    fprintf(to, "%-18s %5s %5s %10s %7s %-7s %8s %8s %4s %6s\n", "op", "cases", "plans", "err/bound", "ulp",
            "also", "gradient", "second", "bits", "ms");
}

/* One letter for each form that was compared: d double, h half, l long, t transposed, s slice; a dash where not. */
static const char *forms_text(const clg_check_result *r, char *text) {
    static const char letters[] = "dhlts";
    for (int f = 0; f < CLG_FORM_COUNT; f++) text[f] = r->form[f].number < 0 ? '-' : r->form[f].pass ? letters[f] : '!';
    text[CLG_FORM_COUNT] = 0;
    return text;
}

static void print_op(FILE *to, const clg_check_result *r) {
    char also[CLG_FORM_COUNT + 1];
    fprintf(to, "%-18s %5d %5d %5.2g/%-4.4g %7.2g %-7s %8.1e %8.1e %4s %6.0f  %s\n", r->op, r->cases, r->runs,
            r->max_error, r->bound, r->max_ulp, forms_text(r, also), r->max_gradient_error, r->max_curvature_error,
            r->deterministic ? "same" : "VARY", r->seconds * 1e3, r->pass ? "ok" : "FAILED");
    fflush(to);
}

/* --- the walk --- */

static bool is_op(const char *name) {
    clg_op_info info;
    for (int i = 0; i < clg_op_count(); i++)
        if (clg_op_get_info(i, &info) == CLG_OK && strcmp(info.name, name) == 0) return true;
    return false;
}

/* What came of it, in words; and how to tell the authors. */
static void verdict(doctor *d, int ops, int cases, int bad, const char *names) {
    char text[1024];
    if (!bad) snprintf(text, sizeof text, "%d ops, %d cases: all agree with the reference", ops, cases);
    else snprintf(text, sizeof text, "%d of %d ops FAILED, in %d comparisons: %s", bad, ops, d->failures, names);
    fprintf(d->table, "\nverdict: %s\n", text);
    if (bad && !d->json) fprintf(d->table, "To report it, attach report.json of: clgrad doctor --json report.json\n");
    else if (bad) fprintf(d->table, "To report it, attach the report: each failure has the command that repeats it.\n");
    clg_doctor_report_verdict(d->report, true, bad == 0, text);
}

static int walk(doctor *d, const clg_check_params *p) {
    int seen = 0, bad = 0, cases = 0, plans = 0, code = 0;
    char names[512] = "";
    clg_progress bar;
    clg_progress_begin(&bar, "checking", "ops", 0, clg_op_count());
    for (int i = 0; i < clg_op_count() && code == 0; i++) {
        clg_op_info info;
        clg_check_result r;
        char now[128];
        if (clg_op_get_info(i, &info) < 0) return clg_tool_fail();
        if (d->want.op && strcmp(d->want.op, info.name) != 0) continue;
        snprintf(now, sizeof now, "not finished: stopped while it checked %s", info.name);
        clg_doctor_report_verdict(d->report, false, false, now);
        code = clg_doctor_report_write(d->report, false);
        if (code) break;
        clg_check_op(i, p, &r);
        print_op(d->table, &r);
        clg_doctor_report_op(d->report, &r);
        clg_progress_update(&bar, i + 1);
        seen++;
        cases += r.cases;
        plans += r.runs;
        for (int f = 0; f < CLG_FORM_COUNT; f++) plans += r.form[f].plans;
        bad += !r.pass;
        const size_t at = strlen(names);
        if (!r.pass) snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", r.op);
    }
    clg_progress_end(&bar);
    if (code) return code;
    if (cases == 0) return clg_tool_error(CLG_EXIT_USAGE, "doctor: no case %lld", (long long)d->want.number);
    if (plans == 0)
        return clg_tool_error(CLG_EXIT_USAGE, "doctor: nothing was compared: no implementation fits --impl %s here; "
                              "clgrad ops NAME lists them", d->want.impl ? d->want.impl : "*");
    verdict(d, seen, cases, bad, names);
    code = clg_doctor_report_write(d->report, true);
    return code ? code : bad ? CLG_EXIT_FAILED : CLG_EXIT_OK;
}

/* --- the command --- */

static int check_ops(doctor *d, const clg_check_params *p) {
    print_device(d->table, p->dev);
    int code = clg_doctor_report_open(d->json, p->dev, &d->want, &d->report);
    if (code == 0) code = walk(d, p);
    clg_doctor_report_close(&d->report);
    return code;
}

static int check_device(doctor *d) {
    clg_check_params p = {.seed = d->want.seed, .failed = failed, .user = d, .only_case = (int)d->want.number + 1,
                          .only_impl = d->want.impl};
    int code;
    p.dev = clg_device_open(d->want.device, NULL);
    p.ref = p.dev ? clg_device_open("ref", NULL) : NULL;
    p.capped = p.ref ? clg_device_open(d->want.device, clg_device_params(.mem_cap = CLG_CHECK_CAP)) : NULL;
    d->dev = p.dev;
    if (p.capped) {
        code = d->forget ? clg_doctor_forget(p.dev, d->table) : CLG_EXIT_OK;
        const bool check = code == 0 && (!d->forget || d->remember);
        if (check) code = check_ops(d, &p);
    } else {
        code = clg_tool_fail();
    }
    clg_device_destroy(&p.dev);
    clg_device_destroy(&p.ref);
    clg_device_destroy(&p.capped);
    return code;
}

int clg_cmd_doctor(int argc, char **argv) {
    doctor d = {.want = {.seed = 1}};
    bool one_case = false;
    const clg_opt options[] = {
        {CLG_OPT_TEXT, "device", "DEVICE", &d.want.device, "device to check, as in `clgrad devices`\n"
         "(default $CLGRAD_DEVICE, else the best one)"},
        {CLG_OPT_TEXT, "json", "FILE", &d.json, "write the report to FILE, - for stdout: one JSON\n"
         "object with device, ops, failures, and verdict"},
        {CLG_OPT_TITLE, .help = "What is wrong here"},
        {CLG_OPT_FLAG, "remember", NULL, &d.remember, "never choose again, on this device and driver, the\n"
         "implementations that are wrong (kept with the tuning\n"
         "records of the device)"},
        {CLG_OPT_FLAG, "forget", NULL, &d.forget, "allow them all again; checks only with --remember"},
        {CLG_OPT_TITLE, .help = "To repeat a part"},
        {CLG_OPT_TEXT, "op", "NAME", &d.want.op, "check this op only (`clgrad ops` lists them)"},
        {CLG_OPT_INT, "case", "N", &d.want.number, "check case N of it only", 0, 1000000,
         &one_case},
        {CLG_OPT_TEXT, "impl", "GLOB", &d.want.impl, "only implementations whose name fits, such as '*.gpu'"},
        {CLG_OPT_SEED, "seed", "N", &d.want.seed, "seed of the values"},
        {CLG_OPT_END},
    };
    const clg_usage usage = {
        "clgrad doctor [OPTIONS]",
        "Runs every op of the library on a device and compares it with the reference\n"
        "in double: small integers must agree in every bit, reals within the bound\n"
        "k eps that rounding allows, a second run in every bit, first and second\n"
        "derivatives with differences. \"also\" shows what else was compared for one case\n"
        "of the op: d double, h half, l long, t transposed and s sliced operands. Attach\n"
        "the report to a bug report. The first run compiles every kernel and takes some\n"
        "minutes; later runs find them in the cache.",
        options, "Examples:\n  clgrad doctor --json report.json\n"
        "  clgrad doctor --remember               and work around what is wrong\n"
        "  clgrad doctor --device pocl --op conv --case 3 --seed 7\n", NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (d.want.op && !is_op(d.want.op))
        return clg_tool_error(CLG_EXIT_USAGE, "doctor: no op is called %s; `clgrad ops` lists them", d.want.op);
    if (one_case && !d.want.op)
        return clg_tool_error(CLG_EXIT_USAGE, "doctor: --case numbers the cases of an op; say which by --op");
    if (!one_case) d.want.number = -1;
    d.table = clg_jsonl_table(d.json);
    return check_device(&d);
}

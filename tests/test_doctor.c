/* clgrad doctor and clgrad ops as programs: exit codes, the JSON report, the page of ops. $CLGRAD_TOOL is the program;
 * $CLGRAD_SOURCE the source folder. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs `clgrad ARGS`, keeps what it prints, returns the exit code. */
static int clgrad(const char *args, char *out, size_t size) {
    char command[1200];
    const char *tool = getenv("CLGRAD_TOOL");
    cr_assert_not_null(tool, "set CLGRAD_TOOL to the clgrad program, as meson does");
    snprintf(command, sizeof command, "'%s' %s", tool, args);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    const size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int doctor(const char *args, char *out, size_t size) {
    char all[600];
    snprintf(all, sizeof all, "doctor %s 2>&1", args);
    return clgrad(all, out, size);
}

static json_t *get(json_t *j, const char *key) { return json_object_get(j, key); }
static const char *text(json_t *j, const char *key) { return json_string_value(get(j, key)); }

Test(doctor, one_op, .timeout = 120) {
    char out[8192], path[] = "doctor-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    char args[128];
    snprintf(args, sizeof args, "--op mul --seed 3 --json %s", path);
    cr_assert_eq(doctor(args, out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "all agree with the reference"), "%s", out);
    cr_expect(strstr(out, "device "), "%s", out);
    json_t *report = json_load_file(path, 0, NULL);
    remove(path);
    cr_assert_not_null(report);
    cr_expect_str_eq(text(report, "report"), "clgrad doctor");
    cr_expect(text(report, "clgrad") && text(get(report, "device"), "driver") && text(get(report, "device"), "quirks"));
    cr_expect_gt(json_integer_value(get(get(get(report, "device"), "limits"), "mem_total")), 0);
    cr_expect_str_eq(json_string_value(get(get(report, "selection"), "seed")), "3");
    cr_assert_eq(json_array_size(get(report, "ops")), 1);
    json_t *op = json_array_get(get(report, "ops"), 0);
    cr_expect_str_eq(text(op, "op"), "mul");
    cr_expect_gt(json_integer_value(get(op, "cases")), 5);
    cr_expect(json_is_true(get(op, "pass")) && json_is_true(get(op, "deterministic")));
    cr_expect(json_is_number(get(op, "max_error")) && json_is_number(get(op, "bound")));
    cr_expect_leq(json_number_value(get(op, "max_error")), json_number_value(get(op, "bound")));
    cr_expect_gt(json_integer_value(get(get(op, "gradient"), "compared")), 10);
    cr_expect_gt(json_integer_value(get(get(op, "second_derivative"), "compared")), 10);
    cr_expect(json_is_true(get(get(get(op, "forms"), "sliced"), "pass")));
    cr_expect_gt(json_integer_value(get(op, "huge_operands")), 0);
    cr_expect_eq(json_array_size(get(report, "failures")), 0);
    json_t *verdict = get(report, "verdict");
    cr_expect(json_is_true(get(verdict, "pass")) && json_is_true(get(verdict, "finished")));
    json_decref(report);
}

/* The whole table on the reference device: fast, and every op is in the report. */
Test(doctor, reference_device, .timeout = 120) {
    static char out[1 << 20];
    json_error_t error;
    cr_expect_eq(clgrad("doctor --device ref --json - 2>/dev/null", out, sizeof out), 0, "%s", out);
    json_t *report = json_loads(out, 0, &error);
    cr_assert_not_null(report, "%s: %s", error.text, out);
    cr_expect_gt(json_array_size(get(report, "ops")), 150);
    cr_expect_str_eq(text(get(report, "device"), "type"), "ref");
    size_t i;
    json_t *op;
    json_array_foreach(get(report, "ops"), i, op)
        cr_expect(json_is_true(get(op, "pass")), "%s fails", text(op, "op"));
    json_decref(report);
}

/* What a bug report tells to run does run, and takes that case alone. */
Test(doctor, repeats_one_case, .timeout = 120) {
    char out[8192];
    cr_expect_eq(doctor("--device ref --op conv --case 3 --seed 9", out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "1 ops, 1 cases"), "%s", out);
    cr_expect_eq(doctor("--op add --case 0 --impl '*.gpu' --seed 1", out, sizeof out), 0, "%s", out);
    cr_expect_eq(doctor("--op add --case 100000", out, sizeof out), 2, "%s", out);
    cr_expect_eq(doctor("--case 1", out, sizeof out), 2, "%s", out);
    cr_expect(strstr(out, "--op"), "%s", out);
}

Test(doctor, mistakes) {
    char out[8192];
    cr_expect_eq(doctor("--op nope", out, sizeof out), 2);
    cr_expect(strstr(out, "no op is called nope"), "%s", out);
    cr_expect_eq(doctor("--device nosuchdevice", out, sizeof out), 3, "%s", out);
    cr_expect_eq(doctor("--op mul --device ref --json /nonexistent/x", out, sizeof out), 4, "%s", out);
    cr_expect_eq(doctor("--help", out, sizeof out), 0);
}

/* docs/ops.md is what the table says today. */
Test(doctor, page_of_ops) {
    static char want[1 << 20], have[1 << 20];
    char path[1024];
    const char *source = getenv("CLGRAD_SOURCE");
    cr_assert_not_null(source, "set CLGRAD_SOURCE to the source folder, as meson does");
    cr_assert_eq(clgrad("ops --markdown", want, sizeof want), 0);
    snprintf(path, sizeof path, "%s/docs/ops.md", source);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "no %s: clgrad ops --markdown > docs/ops.md", path);
    have[fread(have, 1, sizeof have - 1, f)] = 0;
    fclose(f);
    cr_expect(strcmp(want, have) == 0, "docs/ops.md is out of date; run: '%s' ops --markdown > '%s'",
              getenv("CLGRAD_TOOL"), path);
}

Test(doctor, list_of_ops) {
    static char out[65536];
    cr_expect_eq(clgrad("ops", out, sizeof out), 0);
    cr_expect(strstr(out, "\nConvolution\n") && strstr(out, "\n  conv "), "%s", out);
    cr_expect_eq(clgrad("ops conv", out, sizeof out), 0);
    cr_expect(strstr(out, "conv.direct_cpu") && strstr(out, "[N,C,S...]"), "%s", out);
    cr_expect_eq(clgrad("ops 'conv_bwd*'", out, sizeof out), 0);
    cr_expect(strstr(out, "conv_bwd_data") && strstr(out, "conv_bwd_filter"), "%s", out);
    cr_expect_eq(clgrad("ops nope 2>/dev/null", out, sizeof out), 2);
}

/* --- CONTRIBUTING.md shows how an op was added: what it says stands in the tree --- */

/* The text of a file of the source folder; NULL: there is none. The caller frees it. */
static char *source_text(const char *name) {
    char path[1024];
    const char *source = getenv("CLGRAD_SOURCE");
    cr_assert_not_null(source, "set CLGRAD_SOURCE to the source folder, as meson does");
    snprintf(path, sizeof path, "%s/%s", source, name);
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    char *text = calloc(1, 1 << 20);
    cr_assert_not_null(text);
    fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

Test(doctor, contributing_shows_the_tree) {
    char *guide = source_text("CONTRIBUTING.md"), *file = NULL, name[256] = "";
    int added = 0;
    cr_assert_not_null(guide);
    for (char *line = strtok(guide, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "+++ b/%255s", name) == 1) {
            free(file);
            file = source_text(name);
            cr_assert_not_null(file, "CONTRIBUTING.md names %s", name);
        }
        char *from = strstr(line, "{+"), *to = from ? strstr(from, "+}") : NULL;
        if (!file || !to) continue;
        *to = 0;
        cr_expect(strstr(file, from + 2), "CONTRIBUTING.md shows this, but %s has not: %s", name, from + 2);
        added++;
    }
    cr_expect_gt(added, 8);
    free(file);
    free(guide);
}

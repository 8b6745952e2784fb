/* clgrad doctor as a program: its exit codes and its JSON lines. $CLGRAD_TOOL is the program. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs `clgrad doctor ARGS`, keeps what it prints to stdout, returns the exit code. */
static int doctor(const char *args, char *out, size_t size) {
    char command[1200];
    const char *tool = getenv("CLGRAD_TOOL");
    cr_assert_not_null(tool, "set CLGRAD_TOOL to the clgrad program, as meson does");
    snprintf(command, sizeof command, "'%s' doctor %s 2>&1", tool, args);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    const size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(doctor, one_line_an_op, .timeout = 120) {
    char out[8192], path[] = "doctor-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    char args[128];
    snprintf(args, sizeof args, "--op mul --seed 3 --json %s", path);
    cr_assert_eq(doctor(args, out, sizeof out), 0, "%s", out);
    cr_expect(strstr(out, "all agree with the reference"), "%s", out);
    cr_expect(strstr(out, "device "), "%s", out);
    json_t *line = json_load_file(path, 0, NULL);
    remove(path);
    cr_assert_not_null(line);
    cr_expect_str_eq(json_string_value(json_object_get(line, "op")), "mul");
    cr_expect_gt(json_integer_value(json_object_get(line, "cases")), 5);
    cr_expect(json_is_true(json_object_get(line, "pass")) && json_is_true(json_object_get(line, "deterministic")));
    cr_expect(json_is_number(json_object_get(line, "max_error")) && json_is_number(json_object_get(line, "bound")));
    cr_expect_leq(json_number_value(json_object_get(line, "max_error")),
                  json_number_value(json_object_get(line, "bound")));
    json_decref(line);
}

/* The whole table on the reference device: fast, and every op has its line. */
Test(doctor, reference_device, .timeout = 120) {
    static char out[65536];
    cr_expect_eq(doctor("--device ref --json -", out, sizeof out), 0, "%s", out);
    int lines = 0;
    for (const char *s = out; (s = strstr(s, "\"pass\":true")) != NULL; s++) lines++;
    cr_expect_gt(lines, 50, "%s", out);
    cr_expect_null(strstr(out, "\"pass\":false"), "%s", out);
}

Test(doctor, mistakes) {
    char out[8192];
    cr_expect_eq(doctor("--op nope", out, sizeof out), 2);
    cr_expect(strstr(out, "no op is called nope"), "%s", out);
    cr_expect_eq(doctor("--device nosuchdevice", out, sizeof out), 3, "%s", out);
    cr_expect_eq(doctor("--op mul --device ref --json /nonexistent/x", out, sizeof out), 4, "%s", out);
    cr_expect_eq(doctor("--help", out, sizeof out), 0);
}

/* The case table on the device: one Criterion test an op, each in a process of its own. By hand:
 *   test_ops --op conv|all [--case 17] [--impl GLOB] [--seed 9] [--device D] [--small FLOPS]
 * runs that part in this process and prints every failure. --small is for interpreters: only cases up to so much
 * arithmetic, values only, without CLBlast. */
#include "check/check.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

static void print_failure(void *user, const char *line) { fprintf(stderr, "%s\n", line); }

static bool open_devices(const char *which, clg_check_params *p) {
    p->dev = clg_device_open(which, NULL);
    p->ref = p->dev ? clg_device_open("ref", NULL) : NULL;
    if (!p->ref) fprintf(stderr, "%s\n", clg_error());
    return p->ref != NULL;
}

static void close_devices(clg_check_params *p) {
    clg_device_destroy(&p->dev);
    clg_device_destroy(&p->ref);
}

/* Criterion copies parameters between processes: so an index, and not a pointer. */
ParameterizedTestParameters(ops, table) {
    static int *numbers;
    const int n = clg_op_count();
    numbers = cr_malloc(sizeof *numbers * (size_t)n);
    for (int i = 0; i < n; i++) numbers[i] = i;
    return cr_make_param_array(int, numbers, (size_t)n);
}

ParameterizedTest(int *op, ops, table, .timeout = 600) {
    clg_check_params p = {.seed = 1, .failed = print_failure};
    clg_check_result r;
    cr_assert(open_devices(NULL, &p));
    clg_device_info device;
    clg_device_get_info(p.dev, &device);
    const bool is_pocl = strstr(device.platform, "Portable Computing Language") != NULL;
    clg_check_op(*op, &p, &r);
    close_devices(&p);
    cr_expect(r.pass, "%s: %d failures in %d cases", r.op, r.failures, r.cases);
    cr_expect(r.cases > 0 && r.runs >= r.cases, "%s: nothing was compared", r.op);
    for (int k = 0; is_pocl && clg_op_impl(*op, k); k++) /* where every implementation can run, each has a case */
        cr_expect(r.ran >> k & 1, "%s: no case takes %s", r.op, clg_op_impl(*op, k));
}

Test(ops, wrong_shapes) {
    clg_check_params p = {.failed = print_failure};
    int tried = 0;
    p.ref = clg_device_open("ref", NULL);
    cr_assert_not_null(p.ref);
    cr_expect_eq(clg_check_bad_cases(&p, &tried), 0);
    cr_expect_geq(tried, 20);
    clg_device_destroy(&p.ref);
}

/* A check that cannot fail is worth nothing. The derivative of x stop_grad(x) is 2 x, its graph says x. */
static clg_tensor *wrong(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_mul(in[0], clg_stop_grad(in[0]));
}

Test(ops, gradient_check_can_fail) {
    const clg_case c = {.op = "mul", .build = wrong, .flags = CLG_CASE_GRAD, .n_in = 1, .in = {{1, {5}}}};
    clg_check_params p = {.seed = 1};
    clg_check_result r = {.op = "mul"};
    p.ref = clg_device_open("ref", NULL);
    cr_assert_not_null(p.ref);
    clg_check_gradient(&c, 0, &p, &r);
    cr_expect_eq(r.failures, 1);
    cr_expect_gt(r.max_gradient_error, 0.01);
    clg_device_destroy(&p.ref);
}

static const char *option(int argc, char **argv, const char *name) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return NULL;
}

static int by_hand(int argc, char **argv) {
    const char *only = option(argc, argv, "--op"), *number = option(argc, argv, "--case"),
               *seed = option(argc, argv, "--seed"), *small = option(argc, argv, "--small");
    clg_check_params p = {.seed = seed ? strtoull(seed, NULL, 0) : 1, .failed = print_failure,
                          .only_impl = option(argc, argv, "--impl"), .only_case = number ? atoi(number) + 1 : 0};
    if (small) p.max_flops = atof(small), p.quick = true, p.skip_impl = "clblast";
    if (!open_devices(option(argc, argv, "--device"), &p)) return 1;
    int failures = 0, seen = 0;
    for (int i = 0; i < clg_op_count(); i++) {
        clg_op_info info;
        clg_check_result r;
        if (clg_op_get_info(i, &info) < 0 || (strcmp(only, info.name) != 0 && strcmp(only, "all") != 0)) continue;
        clg_check_op(i, &p, &r);
        printf("%-18s %3d cases %4d plans %4d derivatives  error %8.3g of %g  gradient %8.2g  %6.2f s  %s\n", r.op,
               r.cases, r.runs, r.gradients, r.max_error, r.bound, r.max_gradient_error, r.seconds, r.pass ? "ok" : "FAILED");
        fflush(stdout);
        failures += r.failures;
        seen++;
    }
    if (!seen) fprintf(stderr, "no op is called %s\n", only ? only : "?");
    close_devices(&p);
    return failures || !seen;
}

int main(int argc, char **argv) {
    if (option(argc, argv, "--op")) return by_hand(argc, argv);
    struct criterion_test_set *tests = criterion_initialize();
    int result = 0;
    if (criterion_handle_args(argc, argv, true)) result = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return result;
}

/* The case table on the device, in parts. By hand:
 *   test_ops --op GLOB [--case 17] [--impl GLOB] [--seed 9] [--device D] [--small FLOPS]
 * runs that part in this process and prints every failure. --small is for interpreters: only cases up to so much
 * arithmetic, values only, without CLBlast; CLG_TEST_SMALL=FLOPS does the same to the whole suite. */
#include "check/check.h"
#include "support/rebuilt.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static void print_failure(void *user, const clg_check_failure *f) {
    fprintf(stderr, "%s: %s\n    test_ops --op %s --seed %llu", f->op, f->text, f->op, (unsigned long long)f->seed);
    if (f->number >= 0) fprintf(stderr, " --case %d", f->number);
    if (f->impl) fprintf(stderr, " --impl %s", f->impl);
    fprintf(stderr, "\n");
}

static void print_line(void *user, const char *line) { fprintf(stderr, "%s\n", line); }

static bool open_devices(const char *which, clg_check_params *p) {
    p->dev = clg_device_open(which, NULL);
    p->ref = p->dev ? clg_device_open("ref", NULL) : NULL;
    p->capped = p->ref ? clg_device_open(which, clg_device_params(.mem_cap = CLG_CHECK_CAP)) : NULL;
    if (!p->capped) fprintf(stderr, "%s\n", clg_error());
    return p->capped != NULL;
}

static void close_devices(clg_check_params *p) {
    clg_device_destroy(&p->dev);
    clg_device_destroy(&p->ref);
    clg_device_destroy(&p->capped);
}

/* For interpreters. */
static void limit(clg_check_params *p, const char *flops) {
    p->max_flops = atof(flops);
    p->quick = true;
    p->skip_impl = "clblast";
}

/* For the log, and for the table that scripts/lanes.py makes of it. */
static void print_impls(int op, const clg_check_result *r) {
    int n = 0, ran = 0;
    for (; clg_op_impl(op, n); n++) ran += r->ran >> n & 1;
    if (n == 0) return;
    fprintf(stderr, "implementations of %s: %d of %d ran%s", r->op, ran, n, ran < n ? "; not" : "");
    for (int k = 0; k < n; k++)
        if (!(r->ran >> k & 1)) fprintf(stderr, " %s", clg_op_impl(op, k));
    fputc('\n', stderr);
}

/* Each part of the table in a process of its own, since a driver's compiler takes half a second to start (PoCL). Parts
 * take every PARTS-th op, so that neighbours, which are alike, are shared out. */
enum { PARTS = 16 };

/* Criterion copies parameters between processes: so an index, and not a pointer. */
ParameterizedTestParameters(ops, table) {
    int *numbers = cr_malloc(sizeof *numbers * PARTS);
    for (int i = 0; i < PARTS; i++) numbers[i] = i;
    return cr_make_param_array(int, numbers, PARTS);
}

static void check_op(int op, const clg_check_params *p, bool all_run) {
    clg_check_result r;
    clg_check_op(op, p, &r);
    cr_expect(r.pass, "%s: %d failures in %d cases", r.op, r.failures, r.cases);
    cr_expect(r.cases > 0 && r.runs >= r.cases, "%s: nothing was compared", r.op);
    for (int k = 0; all_run && clg_op_impl(op, k); k++) /* where each can run, each has a case */
        cr_expect(r.ran >> k & 1, "%s: no case takes %s", r.op, clg_op_impl(op, k));
    print_impls(op, &r);
}

ParameterizedTest(int *part, ops, table, .timeout = 1200) {
    clg_check_params p = {.seed = 1, .failed = print_failure};
    int rebuilt = 0;
    clg_set_log(count_rebuilt, &rebuilt, CLG_LOG_INFO);
    cr_assert(open_devices(NULL, &p));
    clg_device_info device;
    clg_device_get_info(p.dev, &device);
    const char *small = getenv("CLG_TEST_SMALL"); /* as --small */
    const bool all_run = !small && device.type == CLG_DEVICE_CPU && device.fp64 && device.max_group >= 1024;
    if (small) limit(&p, small);
    for (int op = *part; op < clg_op_count(); op += PARTS) check_op(op, &p, all_run);
    close_devices(&p);
    clg_set_log(NULL, NULL, CLG_LOG_NONE);
    cr_expect_eq(rebuilt, 0);
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

Test(ops, rules, .timeout = 120) {
    clg_device *ref = clg_device_open("ref", NULL);
    int missing = 0;
    cr_assert_not_null(ref);
    for (int i = 0; i < clg_op_count(); i++) missing += clg_check_rules(i, ref, print_line, NULL);
    cr_expect_eq(missing, 0, "%d things are missing in the table of ops", missing);
    clg_device_destroy(&ref);
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

/* x^2 with the gradient 2 x, but no second derivative. */
static clg_tensor *half_wrong(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *still = clg_stop_grad(in[0]);
    return clg_sub(clg_scale(clg_mul(in[0], still), 2), clg_square(still));
}

Test(ops, curvature_check_can_fail) {
    const clg_case c = {.op = "mul", .build = half_wrong, .flags = CLG_CASE_GRAD, .n_in = 1, .in = {{1, {5}}}};
    clg_check_params p = {.seed = 1};
    clg_check_result r = {.op = "mul"};
    p.ref = clg_device_open("ref", NULL);
    cr_assert_not_null(p.ref);
    clg_check_gradient(&c, 0, &p, &r);
    cr_expect_eq(r.failures, 1);
    cr_expect_lt(r.max_gradient_error, CLG_GRADIENT_BOUND);
    cr_expect_gt(r.max_curvature_error, 0.01);
    clg_device_destroy(&p.ref);
}

/* The judge's own binary16: every number comes back, and halves between two of them go to the even one. */
Test(ops, half) {
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t from = (uint16_t)h;
        uint16_t back;
        double v;
        clg_bytes_to(CLG_F16, &from, 1, &v);
        clg_bytes_from(CLG_F16, &v, 1, &back);
        cr_expect(back == from || (v != v && (back & 0x7fff) > 0x7c00), "%04x became %g and %04x", from, v, back);
    }
    static const struct { double from, to; } rounded[] = {{2049, 2048}, {2051, 2052}, {65519.9, 65504}, {0x1p-25, 0},
        {0x1.8p-24, 0x1p-23}, {1 + 0x1p-11, 1}, {1 + 0x1.8p-10, 1 + 0x1p-9}, {-0x1.ffep-15, -0x1p-14}};
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        uint16_t h;
        double v;
        clg_bytes_from(CLG_F16, &rounded[i].from, 1, &h);
        clg_bytes_to(CLG_F16, &h, 1, &v);
        cr_expect_eq(v, rounded[i].to, "%.17g became %.17g", rounded[i].from, v);
    }
}

static clg_tensor *first_input(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return in[0]; }

/* A view holds the operand's values in its order: x through each view is x. */
Test(ops, views) {
    clg_device *ref = clg_device_open("ref", NULL);
    cr_assert_not_null(ref);
    for (int view = CLG_VIEW_PLAIN; view <= CLG_VIEW_SLICED; view++) {
        static const clg_case c = {.build = first_input, .n_in = 1, .in = {{4, {2, 3, 5, 4}}}};
        const clg_case_form form = {.view = (enum clg_case_view)view};
        clg_case_run run;
        double *want = clg_case_values(&c, 0, 9, false), *got = NULL;
        cr_assert_eq(clg_case_open(&c, ref, &form, NULL, &run), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_case_write(&c, &run, 0, want), CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_case_outcome(&c, &run, &got), CLG_OK, "%s", clg_error());
        cr_assert_eq(run.n, 120);
        cr_expect_eq(memcmp(got, want, 120 * sizeof *got), 0, "view %d", view);
        cr_expect(view == CLG_VIEW_PLAIN || run.base[0] != run.in[0], "view %d is none", view);
        free(want);
        free(got);
        clg_case_close(&run);
    }
    clg_device_destroy(&ref);
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
    if (small) limit(&p, small);
    if (!open_devices(option(argc, argv, "--device"), &p)) return 1;
    int failures = 0, seen = 0;
    for (int i = 0; i < clg_op_count(); i++) {
        clg_op_info info;
        clg_check_result r;
        if (clg_op_get_info(i, &info) < 0 || fnmatch(only, info.name, 0) != 0) continue;
        clg_check_op(i, &p, &r);
        printf("%-18s %3d cases %4d plans %4d derivatives  error %8.3g of %g  gradient %8.2g  %6.2f s  %s\n", r.op,
               r.cases, r.runs, r.gradients, r.max_error, r.bound, r.max_gradient_error, r.seconds,
               r.pass ? "ok" : "FAILED");
        fflush(stdout);
        if (!p.quick) failures += clg_check_rules(i, p.ref, print_line, NULL);
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

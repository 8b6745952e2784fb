/* The number of compute queues as something that is measured: which record counts, that the fastest number wins and one
 * that gives other bits does not, and that params and states are as before. What runs here are two branches of the
 * test's own op, which copies its first input as often as the test says for each number of queues. Nothing is built. */
#define _DEFAULT_SOURCE /* setenv */
#include "plan/tune.h"
#include "support/files.h"
#include "support/plan.h"

enum { N = 1 << 18, MOST_QUEUES = 4 };

static int  copies[MOST_QUEUES + 1]; /* by the number of queues that a plan was asked for; 0: of the default */
static bool wrong_at[MOST_QUEUES + 1]; /* copies its second input */

static clg_status infer(clg_node *n) { return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0)); }
static void ref(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)out_elems(n, 0) * sizeof(double));
}

static clg_status emit(clg_emit *e, const clg_node *n) {
    const int queues = e->plan->params.queues;
    for (int i = 0; i < copies[queues]; i++) CLG_TRY(clg_emit_copy(e, n->in[wrong_at[queues]], n->out[0]));
    return CLG_OK;
}

static const clg_impl impls[] = { { "branch.copy", CLG_CLASS_CPU | CLG_CLASS_GPU, NULL, emit, NULL, false }, { 0 } };
static const clg_op branch_op = { .name = "branch_test", .min_in = 2, .max_in = 2, .n_out = 1, .infer = infer,
                                  .ref = ref, .impls = impls };

/* Two branches over an input and a state, which a run changes; `other` is what wrong ones copy. */
typedef struct setting {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *y[2], *step;
} setting;

static clg_tensor *copy_of(clg_tensor *x, clg_tensor *other) {
    return clg_node_build(&branch_op, NULL, (clg_tensor *[]){ x, other }, 2);
}

static setting open_setting(void) {
    setting s = { .dev = clg_device_open("cpu", clg_device_params(.cache_dir = folder)) };
    cr_assert_not_null(s.dev, "%s", clg_error());
    s.store = clg_store_create(s.dev, 1);
    s.g = clg_graph_create(s.dev, s.store);
    clg_tensor *x = clg_input(s.g, "x", CLG_F32, CLG_SHAPE(N));
    clg_tensor *total = clg_state(s.g, "total", CLG_F32, CLG_SHAPE(N), 3);
    clg_tensor *other = clg_input(s.g, "other", CLG_F32, CLG_SHAPE(N));
    s.y[0] = copy_of(x, other);
    s.y[1] = copy_of(total, other);
    s.step = clg_assign(total, s.y[0]);
    cr_assert_not_null(s.step, "%s", clg_error());
    return s;
}

static clg_list targets_of(setting *s) {
    static clg_tensor *t[3];
    t[0] = s->y[0];
    t[1] = s->y[1];
    t[2] = s->step;
    return (clg_list){ 3, t };
}

static void close_setting(setting *s) {
    clg_graph_destroy(&s->g);
    clg_store_destroy(&s->store);
    clg_device_destroy(&s->dev);
}

static void copy_times(int default_, int one, int two, int three) {
    const int n[] = { default_, one, two, three };
    memcpy(copies, n, sizeof n);
    memset(wrong_at, 0, sizeof wrong_at);
}

static int queues_of(setting *s, const clg_plan_params *params) {
    clg_plan *p = compile(s->g, targets_of(s), params);
    const int n = (int)reported(p, "n_queues");
    clg_plan_destroy(&p);
    return n;
}

static const char *records_path(const setting *s) {
    static char path[300];
    OK(clg_tune_path(s->dev, path, sizeof path));
    return path;
}

/* The line of the queues, of which there is one at most. */
static const char *record_of(const setting *s) {
    static char line[300];
    FILE *f = fopen(records_path(s), "r");
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) found = strncmp(line, "queues ", 7) == 0;
    if (f) fclose(f);
    return found ? line : NULL;
}

static clg_tune_info tune(setting *s, const clg_plan_params *params, bool again) {
    clg_tune_info info;
    OK(clg_tune(s->g, targets_of(s), params, clg_tune_params(.again = again), &info));
    return info;
}

static void quiet(void *user, enum clg_log_level level, const char *msg) { *(int *)user += level == CLG_LOG_WARN; }

static int warnings;
static void set_up(void) {
    make_folder();
    unsetenv("CLGRAD_TUNE");
    unsetenv("CLGRAD_QUEUES");
    warnings = 0;
    clg_set_log(quiet, &warnings, CLG_LOG_WARN);
}

TestSuite(tune_queues, .init = set_up, .fini = remove_folder, .timeout = 120);

/* Tunes again, a few times at most, where another program took the processor from the faster number. */
static void tune_until(setting *s, int want) {
    for (int i = 0; i < 5 && queues_of(s, NULL) != want; i++) tune(s, NULL, true);
    cr_assert_eq(queues_of(s, NULL), want);
}

Test(tune_queues, the_fastest_number_is_taken) {
    setting s = open_setting();
    copy_times(2, 40, 2, 2);
    cr_expect_eq(queues_of(&s, NULL), 1);
    clg_tune_info info = tune(&s, NULL, false);
    cr_expect(info.keys == 1 && info.measured == 1 && info.wrong == 0, "%d %d", info.measured, info.wrong);
    tune_until(&s, 2);
    cr_assert_not_null(record_of(&s));
    cr_expect(strstr(record_of(&s), " = 2 # ") && strstr(record_of(&s), " ms; with 1: "), "%s", record_of(&s));
    info = tune(&s, NULL, false);
    cr_expect(info.keys == 1 && info.kept == 1 && info.measured == 0);
    /* what was asked for goes before, and then there is nothing to measure */
    cr_expect_eq(queues_of(&s, clg_plan_params(.queues = 3)), 3);
    cr_expect_eq(queues_of(&s, clg_plan_params(.tune_ms = -1)), 1);
    cr_expect_eq(tune(&s, clg_plan_params(.queues = 3), true).keys, 0);
    setenv("CLGRAD_QUEUES", "4", 1);
    cr_expect_eq(queues_of(&s, NULL), 4);
    cr_expect_eq(tune(&s, NULL, true).keys, 0);
    unsetenv("CLGRAD_QUEUES");
    /* another plan of the graph is another key */
    cr_expect_eq(queues_of(&s, clg_plan_params(.inference = true)), 1);
    /* more queues that only cost are not taken */
    copy_times(2, 2, 40, 2);
    tune_until(&s, 1);
    cr_expect(strstr(record_of(&s), " = 1 # "), "%s", record_of(&s));
    cr_expect_eq(warnings, 0);
    close_setting(&s);
}

Test(tune_queues, other_bits_do_not_win) {
    setting s = open_setting();
    copy_times(2, 40, 2, 2);
    wrong_at[2] = true;
    const clg_tune_info info = tune(&s, NULL, false);
    cr_expect(info.wrong == 1 && warnings == 1, "%d wrong, %d warnings", info.wrong, warnings);
    cr_expect(record_of(&s) && strstr(record_of(&s), " = 1 # "), "it is not measured again");
    cr_expect_eq(queues_of(&s, NULL), 1);
    close_setting(&s);
}

Test(tune_queues, params_and_states_are_as_before) {
    static float x[N], before[N], after[N];
    setting s = open_setting();
    copy_times(2, 3, 2, 2);
    fill_small(x, N);
    clg_plan *p = compile(s.g, targets_of(&s), NULL);
    OK(clg_write(p, s.g->tensors[0], x, sizeof x));
    OK(clg_run(p)); /* total = x */
    OK(clg_store_read(s.store, "total", before, sizeof before));
    cr_expect_arr_eq(before, x, sizeof x);
    tune(&s, NULL, false);
    OK(clg_store_read(s.store, "total", after, sizeof after));
    cr_expect_arr_eq(after, x, sizeof x);
    OK(clg_run(p));
    OK(clg_read(p, s.y[1], after, sizeof after));
    cr_expect_arr_eq(after, x, sizeof x, "a plan from before goes on with its own input");
    clg_plan_destroy(&p);
    close_setting(&s);
}

/* A plan whose units wait for each other has nothing to choose; compiling measures where it is asked to. */
Test(tune_queues, where_there_are_branches) {
    setting s = open_setting();
    clg_tune_info info;
    copy_times(2, 40, 2, 2);
    clg_tensor *chain = copy_of(s.y[0], s.y[0]);
    OK(clg_tune(s.g, CLG_LIST(chain), NULL, NULL, &info));
    cr_expect_eq(info.keys, 0);
    cr_expect_null(record_of(&s));
    OK(clg_tune(s.g, targets_of(&s), NULL, clg_tune_params(.op = "conv*"), &info));
    cr_expect_eq(info.keys, 0);
    OK(clg_tune(s.g, targets_of(&s), NULL, clg_tune_params(.seconds = 1e-9), &info));
    cr_expect(info.keys == 1 && info.unfinished == 1 && !record_of(&s), "%d", info.unfinished);
    queues_of(&s, clg_plan_params(.tune_ms = 20000));
    cr_assert_not_null(record_of(&s));
    tune_until(&s, 2);
    close_setting(&s);
}

Test(tune_queues, what_is_no_number_is_passed_over) {
    static const char *const bad[] = { "0", "5", "two", "2x", "22", "-1", "# 2" };
    setting s = open_setting();
    copy_times(2, 2, 2, 2);
    tune(&s, NULL, false);
    cr_assert_not_null(record_of(&s));
    char key[200] = "", text[600];
    snprintf(key, sizeof key, "%.*s", (int)(strstr(record_of(&s), " = ") - record_of(&s)), record_of(&s));
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const bool good = i == sizeof bad / sizeof *bad;
        snprintf(text, sizeof text, "%s0 = 4\n%s = %s\n", key, key, good ? "3 # by hand" : bad[i]);
        write_text(strrchr(records_path(&s), '/') + 1, text);
        cr_expect_eq(queues_of(&s, NULL), good ? 3 : 1, "%s", text);
    }
    close_setting(&s);
}

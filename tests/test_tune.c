/* The tuner: which record wins, that files survive anything, that a wrong candidate does not, that time is kept.
 * The op that is tuned here is the test's own: y = x with an implementation that copies, one that does it several times
 * over, one that does nothing and is therefore the fastest, and one that cannot run. So nothing is compiled. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/file.h"
#include "plan/tune.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[SCRATCH];

static void set_up(void) {
    make_scratch(folder);
    unsetenv("CLGRAD_TUNE");
}

static void tear_down(void) { remove_scratch(folder); }

static void drop(void *user, enum clg_log_level level, const char *msg) {}

TestSuite(tune, .init = set_up, .fini = tear_down);

/* --- the op --- */

static clg_status infer(clg_node *n) { return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0)); }
static void ref(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)out_elems(n, 0) * sizeof(double));
}

static clg_status once(clg_emit *e, const clg_node *n) { return clg_emit_copy(e, n->in[0], n->out[0]); }
static clg_status nothing(clg_emit *e, const clg_node *n) { return CLG_OK; }
static clg_status failing(clg_emit *e, const clg_node *n) { return clg_fail(CLG_ERR_UNSUP, "not today"); }
static bool never(const clg_node *n, const clg_device *d) { return false; }

/* Does its work knob "times" times (-1: 32), unless knob "wrong" is 1. */
static clg_status often(clg_emit *e, const clg_node *n) {
    const int times = clg_emit_knob(e, "times"), wrong = clg_emit_knob(e, "wrong");
    for (int i = 0; wrong != 1 && i < (times < 0 ? 32 : times); i++) CLG_TRY(clg_emit_copy(e, n->in[0], n->out[0]));
    return clg_emit_knob(e, "absent") == -1 ? CLG_OK : clg_fail(CLG_ERR_INVALID, "a knob that is not there");
}

static const clg_knob knobs[] = {{"times", 4, {-1, 64, 4, 16}}, {"wrong", 2, {0, 1}}, {0}};
static const clg_impl impls[] = {
    {"copy.often", CLG_CLASS_CPU | CLG_CLASS_GPU, NULL, often, knobs, false},
    {"copy.nothing", 0, NULL, nothing, NULL, false},
    {"copy.failing", 0, NULL, failing, NULL, false},
    {"copy.never", 0, never, once, NULL, false},
    {"copy.inexact", 0, NULL, once, NULL, true},
    {0},
};
static const clg_op copy_op = {.name = "copy_test", .min_in = 1, .max_in = 1, .n_out = 1, .infer = infer, .ref = ref,
                               .impls = impls};

static const char key[] = "copy_test f32[1024,256]";

typedef struct setting {
    clg_device *dev;
    clg_graph  *g;
    clg_tensor *x, *y;
} setting;

static setting open_setting(void) {
    setting s = {.dev = clg_device_open("cpu", clg_device_params(.cache_dir = folder))};
    cr_assert_not_null(s.dev, "%s", clg_error());
    s.g = clg_graph_create(s.dev, NULL);
    s.x = clg_input(s.g, "x", CLG_F32, CLG_SHAPE(1024, 256));
    s.y = clg_node_build(&copy_op, NULL, &s.x, 1);
    cr_assert_not_null(s.y);
    return s;
}

static void close_setting(setting *s) {
    clg_graph_destroy(&s->g);
    clg_device_destroy(&s->dev);
}

/* "tuned: copy.often times=4": how a plan does it. */
static const char *chosen(const setting *s, const clg_plan_params *params) {
    static char text[200];
    clg_str out = {0};
    clg_plan *p = clg_compile(s->g, CLG_LIST(s->y), params);
    cr_assert_not_null(p, "%s", clg_error());
    const clg_choice *c = &p->units[p->order[0]].choice;
    clg_str_printf(&out, "%s: ", clg_chosen_name(c->by));
    clg_choice_print(c, &out);
    snprintf(text, sizeof text, "%s", clg_str_text(&out));
    clg_str_free(&out);
    clg_plan_destroy(&p);
    return text;
}

/* Tunes once more, a few times at most, where another program took the processor from the faster candidate. */
static const char *tuned_choice(const setting *s, const clg_plan_params *params, const char *want) {
    const char *got = chosen(s, params);
    for (int i = 0; i < 5 && strcmp(got, want) != 0; i++) {
        cr_assert_eq(clg_tune(s->g, CLG_LIST(s->y), params, clg_tune_params(.again = true), NULL), CLG_OK);
        got = chosen(s, params);
    }
    return got;
}

#define expect_tuned(s, want, ...) cr_expect_str_eq(tuned_choice((s), clg_plan_params(__VA_ARGS__), (want)), (want))
#define expect_choice(s, want, ...) cr_expect_str_eq(chosen((s), clg_plan_params(__VA_ARGS__)), (want))

static void path_of(const setting *s, char *path, size_t size) {
    cr_assert_eq(clg_tune_path(s->dev, path, size), CLG_OK);
    cr_assert(path[0]);
}

static void write_records(const setting *s, const char *text, size_t size) {
    char path[300];
    path_of(s, path, sizeof path);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(text, 1, size, f) == size && fclose(f) == 0);
}

static void write_choice(const setting *s, const char *choice) {
    char text[400];
    snprintf(text, sizeof text, "%s = %s # 1 ms\n", key, choice);
    write_records(s, text, strlen(text));
}

static char *read_records(const setting *s) {
    char path[300];
    void *data = NULL;
    size_t size;
    path_of(s, path, sizeof path);
    cr_assert_eq(clg_file_read(path, 1 << 20, &data, &size), CLG_OK);
    return data;
}

/* --- looking up --- */

Test(tune, forced_before_tuned_before_heuristic) {
    setting s = open_setting();
    expect_choice(&s, "heuristic: copy.often");
    write_choice(&s, "copy.often times=16");
    expect_choice(&s, "tuned: copy.often times=16");
    expect_choice(&s, "heuristic: copy.often", .tune_ms = -1);
    setenv("CLGRAD_TUNE", "off", 1);
    expect_choice(&s, "heuristic: copy.often");
    setenv("CLGRAD_TUNE", "nonsense", 1); /* said in the log, and as if it were not there */
    expect_choice(&s, "tuned: copy.often times=16");
    unsetenv("CLGRAD_TUNE");
    write_choice(&s, "copy.inexact");
    expect_choice(&s, "tuned: copy.inexact");
    expect_choice(&s, "heuristic: copy.often", .exact = true);
    close_setting(&s);
}

Test(tune, what_is_unknown_or_refused_is_passed_over) {
    static const char *const bad[] = {
        "copy.gone", "copy.often tiles=2", "copy.often times=3", "copy.often times=", "copy.often times", "copy.never",
        "copy.often times=4x", "copy.often times=99999999999999999999", "copy.often times=4 wrong=1 more", "copy", ""};
    setting s = open_setting();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_choice(&s, bad[i]);
        cr_expect_str_eq(chosen(&s, NULL), "heuristic: copy.often", "\"%s\"", bad[i]);
    }
    /* the last good line of a key counts */
    char text[400];
    snprintf(text, sizeof text, "%s = copy.often times=4\n%s = copy.often times=16\n%s = copy.gone\n", key, key, key);
    write_records(&s, text, strlen(text));
    expect_choice(&s, "tuned: copy.often times=16");
    close_setting(&s);
}

Test(tune, shipped_keys_are_patterns) {
    static const char text[] = "# remark\nother* = copy.often times=4\ncopy_test f32[?,*] = copy.often times=16\n"
                               "copy_test f32[1024,*] = copy.gone\ncopy_test f32[10*] = copy.never\n"
                               "copy_test * = copy.often times=64 # last\n* = copy.often times=4\n";
    setting s = open_setting();
    clg_choice c = {0};
    const clg_records r = {text, strlen(text), NULL};
    cr_expect(clg_records_find(&r, true, key, s.y->node, NULL, NULL, &c, NULL));
    cr_expect(c.impl == &impls[3], "without a filter, the first pattern that fits and is known");
    clg_choice d = {0};
    cr_expect_not(clg_records_find(&r, false, key, s.y->node, NULL, NULL, &d, NULL), "as keys they are not equal");
    close_setting(&s);
}

/* --- files --- */

static clg_record record_of(const char *of, int impl, double seconds) {
    const clg_choice c = clg_choice_default(&impls[impl], CLG_CHOSEN_HEURISTIC);
    return (clg_record){.key = of, .best = c, .before = c, .best_s = seconds, .before_s = 2 * seconds};
}

Test(tune, records_are_stored_and_replaced) {
    setting s = open_setting();
    clg_record a = record_of("b_key f32[1]", 0, 1e-3), b = record_of("a_key f32[2]", 1, 2e-3);
    a.best.knob[0] = 16;
    cr_assert_eq(clg_records_store(s.dev, &a), CLG_OK);
    cr_assert_eq(clg_records_store(s.dev, &b), CLG_OK);
    b.best_s = 5e-3;
    b.unfinished = true;
    cr_assert_eq(clg_records_store(s.dev, &b), CLG_OK);
    char *text = read_records(&s);
    clg_device_info info;
    clg_device_get_info(s.dev, &info);
    cr_expect_not_null(strstr(text, info.name));
    cr_expect_not_null(strstr(text, info.driver));
    const char *at = strstr(text, "\na_key f32[2] = copy.nothing # 5 ms; without: 4 ms by copy.nothing; unfinished\n"
                                  "b_key f32[1] = copy.often times=16 # 1 ms; without: 2 ms by copy.often\n");
    cr_expect(at && !strstr(at + 1, "a_key f32[2] = copy.nothing # 2"), "%s", text);
    clg_free(text);
    close_setting(&s);
}

static uint64_t random_state = 7;
static unsigned draw(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 40);
}

/* Lines cut, bytes changed, zeros, no end: what is there is used or passed over, and a new record can be stored. */
Test(tune, damaged_files_do_no_harm) {
    setting s = open_setting();
    clg_set_log(drop, NULL, CLG_LOG_WARN);
    char good[1000], bad[1000];
    const int size = snprintf(good, sizeof good, "# clgrad tuning records, format 1\n%s = copy.often times=16 # 1 ms\n"
                              "other f32[3] = conv.direct_cpu tile=3 # 2 ms\n = \n==\n = x\n%s = copy.often\n", key,
                              key);
    for (int round = 0; round < 400; round++) {
        memcpy(bad, good, (size_t)size);
        for (unsigned i = draw() % 9; i > 0; i--) bad[draw() % (unsigned)size] = (char)draw();
        write_records(&s, bad, draw() % 3 ? draw() % (unsigned)size : (size_t)size);
        clg_plan *p = clg_compile(s.g, CLG_LIST(s.y), NULL);
        cr_assert_not_null(p, "round %d: %s", round, clg_error());
        clg_plan_destroy(&p);
    }
    const clg_record r = record_of(key, 1, 1e-3);
    cr_expect_eq(clg_records_store(s.dev, &r), CLG_OK);
    expect_choice(&s, "tuned: copy.nothing");
    close_setting(&s);
}

Test(tune, an_unreadable_file_is_as_none) {
    setting s = open_setting();
    char path[300];
    path_of(&s, path, sizeof path);
    clg_set_log(drop, NULL, CLG_LOG_WARN);
    cr_assert_eq(clg_dir_make(path), CLG_OK); /* a folder in its place */
    expect_choice(&s, "heuristic: copy.often");
    const clg_record r = record_of(key, 1, 1e-3);
    cr_expect_eq(clg_records_store(s.dev, &r), CLG_ERR_IO);
    close_setting(&s);
}

/* Many processes and threads at one file: every record is there in the end. */
Test(tune, writers_side_by_side_lose_nothing) {
    enum { WRITERS = 4, EACH = 12 };
    char name[60];
    for (int w = 0; w < WRITERS; w++) {
        const pid_t pid = fork();
        cr_assert_geq(pid, 0);
        if (pid > 0) continue;
        setting s = open_setting();
        int failed = 0;
        for (int i = 0; i < EACH; i++) {
            snprintf(name, sizeof name, "key_%d f32[%d]", w, i);
            const clg_record r = record_of(name, 1, 1e-3);
            failed += clg_records_store(s.dev, &r) != CLG_OK;
        }
        _exit(failed);
    }
    for (int w = 0, status; w < WRITERS; w++) cr_expect(wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status));
    setting s = open_setting();
    char *text = read_records(&s);
    for (int i = 0; i < WRITERS * EACH; i++) {
        snprintf(name, sizeof name, "\nkey_%d f32[%d] = ", i / EACH, i % EACH);
        cr_expect_not_null(strstr(text, name), "%s", name);
    }
    clg_free(text);
    close_setting(&s);
}

/* --- measuring --- */

static int rows, measured;
static bool on_row(void *user, const clg_tune_row *row) {
    rows++;
    measured += row->state == CLG_TUNE_MEASURED;
    if (row->state == CLG_TUNE_MEASURED)
        cr_expect(row->wrong >= 2 && row->best_s > 0 && row->before_s >= row->best_s, "%s: %d wrong of %d, %g s, %g s",
                  row->key, row->wrong, row->candidates, row->best_s, row->before_s);
    return *(bool *)user;
}

/* What does nothing would win, and what fails must not stop the others; few copies are faster than many. */
Test(tune, the_fastest_right_candidate_wins) {
    setting s = open_setting();
    clg_tune_info info;
    bool go_on = true;
    clg_set_log(drop, NULL, CLG_LOG_WARN);
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), clg_plan_params(.exact = true), clg_tune_params(.progress = on_row,
                          .user = &go_on), &info), CLG_OK, "%s", clg_error());
    cr_expect(info.keys == 1 && info.measured == 1 && info.kept == 0 && info.unfinished == 0 && info.wrong >= 2);
    cr_expect(rows == 2 && measured == 1);
    expect_tuned(&s, "tuned: copy.often times=4", .exact = true);
    /* known now */
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, NULL, &info), CLG_OK);
    cr_expect(info.keys == 1 && info.measured == 0 && info.kept == 1);
    /* inexact ones may win where they are wanted */
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, clg_tune_params(.again = true), &info), CLG_OK);
    expect_tuned(&s, "tuned: copy.inexact", .exact = false);
    expect_choice(&s, "heuristic: copy.often", .exact = true);
    close_setting(&s);
}

Test(tune, time_is_kept_and_a_later_call_goes_on) {
    setting s = open_setting();
    clg_tune_info info;
    bool go_on = false;
    clg_set_log(drop, NULL, CLG_LOG_WARN);
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, clg_tune_params(.progress = on_row, .user = &go_on),
                          &info), CLG_OK);
    cr_expect(rows == 1 && info.measured == 0, "the caller may stop it");
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, clg_tune_params(.seconds = 1e-6), &info), CLG_OK);
    cr_expect(info.measured == 0 && info.unfinished == 1 && info.seconds < 2);
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, clg_tune_params(.op = "conv*"), &info), CLG_OK);
    cr_expect_eq(info.keys, 0);
    cr_assert_eq(clg_tune(s.g, CLG_LIST(s.y), NULL, NULL, &info), CLG_OK);
    cr_expect_eq(info.measured, 1);
    close_setting(&s);
}

Test(tune, compiling_tunes_if_asked_to) {
    setting s = open_setting();
    clg_set_log(drop, NULL, CLG_LOG_WARN);
    expect_tuned(&s, "tuned: copy.often times=4", .tune_ms = 10000, .exact = true);
    char *text = read_records(&s);
    cr_expect_not_null(strstr(text, key));
    clg_free(text);
    char path[300];
    path_of(&s, path, sizeof path);
    cr_assert_eq(unlink(path), 0);
    setenv("CLGRAD_TUNE", "auto:10", 1);
    expect_tuned(&s, "tuned: copy.inexact", .exact = false);
    close_setting(&s);
}

Test(tune, without_a_cache_directory_nothing_is_kept) {
    clg_device *dev = clg_device_open("cpu", clg_device_params(.cache_dir = ""));
    char path[10] = "x";
    cr_assert_eq(clg_tune_path(dev, path, sizeof path), CLG_OK);
    cr_expect_str_empty(path);
    const clg_record r = record_of(key, 1, 1e-3);
    cr_expect_eq(clg_records_store(dev, &r), CLG_OK);
    cr_expect_eq(clg_tune(NULL, (clg_list){0}, NULL, NULL, NULL), CLG_ERR_INVALID);
    cr_expect_eq(clg_tune_path(NULL, path, sizeof path), CLG_ERR_INVALID);
    clg_device_destroy(&dev);
}

/* Real ops at a size whose check is cut into parts: all three passes of a convolution, with a chain behind it that has
 * an operand of the whole size, one for each channel, and a number. The fourth key is that of the compute queues. */
Test(tune, large_problems_are_checked_in_part) {
    setting s = open_setting();
    clg_tune_info info;
    clg_tensor *x = clg_input(s.g, "im", CLG_F32, CLG_SHAPE(24, 32, 30, 31)), *gx[2];
    clg_tensor *w = clg_input(s.g, "w", CLG_F32, CLG_SHAPE(33, 32, 3, 3));
    clg_tensor *r = clg_input(s.g, "r", CLG_F32, CLG_SHAPE(24, 33, 28, 29));
    clg_tensor *b = clg_input(s.g, "b", CLG_F32, CLG_SHAPE(33, 1, 1));
    clg_tensor *y = clg_scale(clg_relu(clg_add(clg_mul(clg_conv(x, w, NULL, NULL), b), r)), 0.25);
    clg_vjp(clg_conv(x, w, NULL, NULL), r, CLG_LIST(x, w), gx);
    cr_assert_eq(clg_tune(s.g, CLG_LIST(y, gx[0], gx[1]), NULL, clg_tune_params(.seconds = 5), &info), CLG_OK, "%s",
                 clg_error());
    cr_expect(info.keys == 4 && info.measured + info.unfinished == 4 && info.wrong == 0, "%d %d %d %d", info.keys,
              info.measured, info.unfinished, info.wrong);
    /* after a transformed sum has set the measure, direct ones are right too */
    cr_assert_eq(clg_tune(s.g, CLG_LIST(gx[0]), NULL, clg_tune_params(.seconds = 5, .again = true), &info), CLG_OK);
    cr_expect_eq(info.wrong, 0);
    char *text = read_records(&s);
    cr_expect_not_null(strstr(text, "} + mul + add + relu + mul = conv."), "%s", text);
    clg_free(text);
    close_setting(&s);
}

/* A record of the op alone holds for it with any chain; one of the whole goes before. */
Test(tune, chains_have_records_of_their_own) {
    static const char alone[] = "matmul f32[8,8] f32[8,8] {w 0,0} = matmul.tile_gpu\n";
    static const char both[] = "matmul f32[8,8] f32[8,8] {w 0,0} = matmul.tile_gpu\n"
                               "matmul f32[8,8] f32[8,8] {w 0,0} + relu = matmul.tile_cpu\n";
    setting s = open_setting();
    clg_tensor *a = clg_input(s.g, "a", CLG_F32, CLG_SHAPE(8, 8));
    s.y = clg_relu(clg_matmul(a, a));
    write_records(&s, alone, strlen(alone));
    expect_choice(&s, "tuned: matmul.tile_gpu");
    write_records(&s, both, strlen(both));
    expect_choice(&s, "tuned: matmul.tile_cpu");
    close_setting(&s);
}

/* Copies beside the runs: uploads and downloads with many runs in flight, their order, their errors; and that a run
 * neither waits nor allocates. */
#define _DEFAULT_SOURCE /* setenv */
#include "support/fail.h"
#include "support/plan.h"

enum { N = 50000 }; /* inputs of 200 KB have two buffers on every device */

/* What is added up over the runs, and targets of every kind. */
typedef struct sums {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *before, *doubled, *view, *constant, *prepared, *empty, *step, *late;
    clg_plan   *p;
} sums;

static sums make_sums(const char *which) {
    sums s = { .dev = open_device(which) };
    s.store = clg_store_create(s.dev, 1);
    s.g = clg_graph_create(s.dev, s.store);
    s.x = clg_input(s.g, "x", CLG_F32, CLG_SHAPE(N));
    s.before = clg_state(s.g, "total", CLG_F32, CLG_SHAPE(N), 0);
    clg_tensor *w = clg_param(s.g, "w", CLG_F32, CLG_SHAPE(64, 64), CLG_INIT_ONE), *far = w;
    s.doubled = clg_scale(s.before, 2);
    s.view = clg_reshape(s.doubled, CLG_SHAPE(N / 10, 10));
    s.constant = clg_fill(s.g, CLG_F32, CLG_SHAPE(5), 7);
    s.prepared = clg_neg(w);
    s.empty = clg_input(s.g, "empty", CLG_F32, CLG_SHAPE(0));
    s.step = clg_assign(s.before, clg_add(s.before, s.x));
    clg_tensor *m = clg_add(clg_mean(s.doubled, CLG_ALL), w);
    for (int i = 0; i < 6; i++) m = clg_scale(clg_matmul(m, far), 1.0 / 64); /* work behind the targets */
    s.late = clg_mean(m, CLG_ALL);
    s.p = compile(s.g, CLG_LIST(s.x, s.before, s.doubled, s.view, s.constant, s.prepared, s.empty, s.step, s.late), NULL);
    return s;
}

static void close_sums(sums *s) {
    clg_plan_destroy(&s->p);
    clg_graph_destroy(&s->g);
    clg_store_destroy(&s->store);
    clg_device_destroy(&s->dev);
}

static void run_with(sums *s, double x) {
    static float data[N];
    for (int i = 0; i < N; i++) data[i] = (float)(x + i % 3);
    OK(clg_write(s->p, s->x, data, sizeof data));
    OK(clg_run(s->p));
}

static void begin(sums *s, clg_tensor *t) { OK(clg_read_begin(s->p, t)); }

/* Run r adds r + i % 3 to element i. */
static void expect_total(sums *s, clg_tensor *t, int run, double factor) {
    static float got[N];
    OK(clg_read_end(s->p, t, got, sizeof got));
    for (int i = 0; i < N; i++)
        cr_assert_eq(got[i], (float)(factor * (run * (run - 1) / 2 + run * (i % 3))), "run %d, element %d: %g", run, i,
                     (double)got[i]);
}

static const struct { const char *device; bool discrete; } ways[] = { { "ref", 0 }, { NULL, 0 }, { NULL, 1 } };

static void force(bool discrete) {
    if (discrete) setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    else unsetenv("CLGRAD_FORCE_DISCRETE");
}

/* Copies are handed out up to two runs after they were begun, while later runs write the same memory. */
static void copy_beside(sums *s, int runs) {
    clg_tensor *const all[] = { s->before, s->doubled, s->view };
    for (int r = 0; r < runs; r++) {
        run_with(s, r);
        for (int i = 0; i < 3; i++) begin(s, all[i]);
        for (int i = 0; i < 3 && r > 0; i++) expect_total(s, all[i], r - 1, i > 0 ? 2 : 1);
    }
    for (int i = 0; i < 3; i++) expect_total(s, all[i], runs - 1, i > 0 ? 2 : 1);
}

Test(queues, downloads, .timeout = 120) {
    for (int w = 0; w < 3; w++) {
        float five[5], weights[64 * 64];
        force(ways[w].discrete);
        sums s = make_sums(ways[w].device);
        copy_beside(&s, 30);
        begin(&s, s.constant);
        begin(&s, s.prepared);
        begin(&s, s.empty);
        OK(clg_read_end(s.p, s.empty, NULL, 0));
        OK(clg_read_end(s.p, s.constant, five, sizeof five));
        OK(clg_read_end(s.p, s.prepared, weights, sizeof weights));
        cr_expect(five[4] == 7 && weights[9] == -1);
        begin(&s, s.doubled);
        begin(&s, s.doubled);
        close_sums(&s); /* with copies under way */
    }
}

/* An input that is a target, and one that is prepared, are written by nobody's step. */
Test(queues, sources_as_targets, .timeout = 120) {
    for (int w = 0; w < 3; w++) {
        static float got[N], weights[64 * 64];
        force(ways[w].discrete);
        sums s = make_sums(ways[w].device);
        for (int r = 0; r < 20; r++) {
            for (int i = 0; i < 64 * 64; i++) weights[i] = (float)(r + i);
            OK(clg_store_write(s.store, "w", weights, sizeof weights));
            run_with(&s, r);
            begin(&s, s.x);
            begin(&s, s.prepared);
            if (r == 0) continue;
            OK(clg_read_end(s.p, s.x, got, sizeof got));
            OK(clg_read_end(s.p, s.prepared, weights, sizeof weights));
            cr_assert_eq(got[5], (float)(r - 1 + 2), "run %d: %g", r - 1, (double)got[5]);
            cr_assert_eq(weights[70], -(float)(r - 1 + 70), "run %d: %g", r - 1, (double)weights[70]);
        }
        close_sums(&s);
    }
}

static void expect_refused(clg_status status, const char *words) {
    cr_expect_eq(status, CLG_ERR_INVALID, "%s", words);
    cr_expect(strstr(clg_error(), words), "%s: %s", words, clg_error());
}

Test(queues, refused_downloads) {
    static float got[N];
    sums s = make_sums("ref");
    clg_tensor *far = clg_neg(s.x);
    expect_refused(clg_read_begin(NULL, s.x), "plan is NULL");
    expect_refused(clg_read_begin(s.p, NULL), "target is NULL");
    expect_refused(clg_read_begin(s.p, far), "no target");
    expect_refused(clg_read_begin(s.p, s.step), "is an effect");
    expect_refused(clg_read_end(NULL, s.x, got, sizeof got), "plan is NULL");
    expect_refused(clg_read_end(s.p, s.x, got, sizeof got), "no copy of x was begun");
    run_with(&s, 1);
    begin(&s, s.doubled);
    run_with(&s, 2);
    begin(&s, s.doubled);
    expect_refused(clg_read_begin(s.p, s.doubled), "2 copies of");
    expect_refused(clg_read_end(s.p, s.doubled, got, 4), "with 200000 bytes, not 4");
    expect_refused(clg_read_end(s.p, s.doubled, NULL, sizeof got), "data is NULL");
    OK(clg_read_end(s.p, s.doubled, got, sizeof got)); /* what was refused took nothing away */
    cr_expect_eq(got[1], 0);
    OK(clg_read_end(s.p, s.doubled, got, sizeof got));
    cr_expect_eq(got[1], 4);
    expect_refused(clg_read_end(s.p, s.doubled, got, sizeof got), "no copy");
    close_sums(&s);
}

/* --- uploads --- */

/* Every run reads what was written last before it, however the writes fall between the runs. */
Test(queues, uploads, .timeout = 120) {
    static const int writes[] = { 1, 1, 0, 2, 1, 0, 0, 3, 1, 1 }; /* before a run */
    for (int w = 0; w < 3; w++) {
        static float got[N];
        double sum = 0, value = 0;
        force(ways[w].discrete);
        sums s = make_sums(ways[w].device);
        clg_plan *p = compile(s.g, CLG_LIST(s.doubled, s.step), NULL);
        for (int r = 0; r < 40; r++) {
            for (int k = 0; k < writes[r % 10]; k++) {
                value = r + 100 * k;
                for (int i = 0; i < N; i++) got[i] = (float)value;
                OK(clg_write(p, s.x, got, sizeof got));
            }
            OK(clg_run(p));
            sum += value;
        }
        OK(clg_run(p));
        OK(clg_read(p, s.doubled, got, sizeof got));
        for (int i = 0; i < N; i++) cr_assert_eq(got[i], (float)(2 * sum), "%d: %g, not %g", i, (double)got[i], 2 * sum);
        clg_plan_destroy(&p);
        close_sums(&s);
    }
}

Test(queues, two_buffers_are_counted) {
    sums s = make_sums(NULL);
    clg_tensor *y = clg_sum(s.x, CLG_ALL);
    clg_plan *p = compile(s.g, CLG_LIST(y), NULL), *both = compile(s.g, CLG_LIST(y, s.x), NULL);
    clg_plan_info info;
    clg_device_stats stats, after;
    clg_plan_get_info(p, &info);
    cr_expect(info.bytes_fixed >= 2 * N * 4 && info.bytes_fixed < 2 * N * 4 + 4096, "%llu",
              (unsigned long long)info.bytes_fixed);
    clg_plan_get_info(both, &info); /* a target stays where it is */
    cr_expect(info.bytes_fixed >= N * 4 && info.bytes_fixed < N * 4 + 4096);
    clg_device_get_stats(s.dev, &stats);
    clg_plan_destroy(&p);
    clg_device_get_stats(s.dev, &after);
    cr_expect(stats.mem_used - after.mem_used >= 2 * N * 4, "%llu", (unsigned long long)(stats.mem_used - after.mem_used));
    clg_plan_destroy(&both);
    close_sums(&s);
}

/* --- what a run does not do --- */

/* A write waits only for the slot of the write before last, which was sent long ago. */
Test(queues, no_waits_no_allocations, .timeout = 120) {
    static float data[N];
    cr_assert_eq(fail_alloc_install(), CLG_OK);
    for (int w = 1; w < 3; w++) {
        force(ways[w].discrete);
        sums s = make_sums(ways[w].device);
        clg_plan *p = compile(s.g, CLG_LIST(s.doubled, s.step, s.late), NULL);
        for (int warm = 0; warm < 12; warm++) { /* the first ones make channels, programs, and what keeps cores awake */
            OK(clg_write(p, s.x, data, sizeof data));
            OK(clg_run(p));
            OK(clg_read_begin(p, s.doubled));
            OK(clg_read_end(p, s.doubled, data, sizeof data));
            OK(clg_read(p, s.late, data, 4));
        }
        for (int round = 0; round < 5; round++) {
            OK(clg_device_finish(s.dev));
            const long blocks = fail_alloc_count(), waits = fail_waits();
            for (int r = 0; r < 2; r++) {
                OK(clg_write(p, s.x, data, sizeof data));
                OK(clg_run(p));
                OK(clg_run(p));
                OK(clg_read_begin(p, s.doubled));
            }
            cr_expect_eq(fail_alloc_count(), blocks, "allocations in a run");
            cr_expect_eq(fail_waits(), waits, "waits in a run");
            for (int r = 0; r < 2; r++) OK(clg_read_end(p, s.doubled, data, sizeof data));
        }
        clg_plan_destroy(&p);
        close_sums(&s);
    }
}

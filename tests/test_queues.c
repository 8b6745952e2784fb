/* Copies beside the runs: uploads and downloads with many runs in flight, their order, their errors; and that a run
 * neither waits nor allocates. */
#define _DEFAULT_SOURCE /* setenv */
#include "plan/plan.h"
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
        clg_plan *p = compile(s.g, CLG_LIST(s.doubled, s.step, s.late), clg_plan_params(.queues = 2, .no_reuse = true));
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

/* --- several compute queues --- */

static clg_tensor *convolve(clg_tensor *x, const char *name, int64_t out, int64_t kernel) {
    return clg_relu(clg_nn_conv2d(x, name, out, kernel, clg_conv_params(.pad = { kernel / 2, kernel / 2 })));
}

/* A block with branches of different lengths, which are joined; twice. */
static clg_tensor *inception(clg_tensor *x) {
    for (int i = 0; i < 2; i++) {
        char name[4][8];
        for (int k = 0; k < 4; k++) snprintf(name[k], sizeof name[k], "b%d%d", i, k);
        clg_tensor *a = convolve(x, name[0], 4, 1), *b = convolve(convolve(x, name[1], 4, 1), name[2], 6, 3);
        clg_tensor *c = convolve(x, name[3], 2, 5);
        x = clg_concat(CLG_LIST(a, b, c), 1);
    }
    return x;
}

static clg_tensor *chain(clg_tensor *x) {
    x = clg_max_pool(convolve(x, "c1", 6, 5), clg_pool_params(.kernel = { 2, 2 }));
    return clg_max_pool(convolve(x, "c2", 8, 5), clg_pool_params(.kernel = { 2, 2 }));
}

typedef struct shape_of_run {
    clg_tensor *(*body)(clg_tensor *x);
    const char *optimizer, *impl;
    bool no_reuse, no_inplace, inference;
} shape_of_run;

enum { B = 8, PIXELS = B * 2 * 16 * 16, OUT_MAX = 200000 };

/* What is left after some steps: loss, logits and all params. */
static size_t train_on(const shape_of_run *s, int queues, float *out, int *beside) {
    static float x[PIXELS];
    int32_t label[B];
    size_t n = 0;
    clg_device *d = open_device(NULL);
    clg_store *store = clg_store_create(d, 3);
    clg_graph *g = clg_graph_create(d, store);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(B, 2, 16, 16)), *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(B));
    clg_tensor *logits = clg_nn_linear(clg_flatten(s->body(in), 1), "fc", 5), *loss = clg_cross_entropy(logits, t);
    clg_tensor *step = clg_optimizer(s->optimizer, loss, clg_optim_params(.lr = 0.01));
    clg_plan *p = compile(g, s->inference ? CLG_LIST(logits, loss) : CLG_LIST(logits, loss, step),
                          clg_plan_params(.queues = queues, .no_reuse = s->no_reuse, .no_inplace = s->no_inplace,
                                          .inference = s->inference, .impl = s->impl));
    for (int r = 0; r < 4; r++) {
        random_state = (uint32_t)r + 9;
        fill_random(x, PIXELS);
        for (int i = 0; i < B; i++) label[i] = (i + r) % 5;
        OK(clg_write(p, in, x, sizeof x));
        OK(clg_write(p, t, label, sizeof label));
        OK(clg_run(p));
        OK(clg_read_begin(p, logits));
        if (r > 0) OK(clg_read_end(p, logits, out + n, B * 5 * 4)); /* of the run before */
        n += r > 0 ? B * 5 : 0;
    }
    OK(clg_read_end(p, logits, out + n, B * 5 * 4));
    n += B * 5;
    read_floats(p, loss, out + n++);
    for (int i = 0; i < clg_store_count(store); i++) {
        clg_store_entry info;
        OK(clg_store_get(store, i, &info));
        if (info.dtype != CLG_F32) continue;
        const size_t elems_of = (size_t)elems(info.shape);
        cr_assert(n + elems_of < OUT_MAX);
        OK(clg_store_read(store, info.name, out + n, 4 * elems_of));
        n += elems_of;
    }
    *beside = 0;
    for (int i = p->n_prepared; i < p->n_steps; i++) *beside += p->steps[i].queue > 0;
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&d);
    return n;
}

static const shape_of_run shapes[] = {
    { inception, "sgd", NULL, 0, 0, 0 },
    { inception, "adam", NULL, .no_reuse = true },
    { inception, "adam", NULL, .no_inplace = true },
    { inception, "sgd", "matmul.clblast", .no_reuse = true, .inference = true },
    { chain, "sgd", NULL, 0, 0, 0 },
};

/* The same bits, however many queues there are; and they are used where there are branches. */
Test(queues, same_bits, .timeout = 240) {
    static float one[OUT_MAX], many[OUT_MAX];
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const shape_of_run *s = &shapes[i];
        int beside;
        const size_t n = train_on(s, 1, one, &beside);
        cr_expect_eq(beside, 0);
        for (int queues = 2; queues <= 3; queues++) {
            force(i % 2);
            const size_t m = train_on(s, queues, many, &beside);
            cr_assert_eq(m, n);
            cr_expect(memcmp(one, many, n * sizeof *one) == 0, "case %zu: %d queues give other bits than 1", i, queues);
            cr_expect(s->body != inception || !s->no_reuse || beside > 2, "case %zu: %d steps beside", i, beside);
        }
        force(false);
    }
}

/* Plans with one queue and with several on one device, run by turns on the same weights. */
Test(queues, turns, .timeout = 120) {
    static float x[PIXELS], y[3][B * 5];
    clg_device *d = open_device(NULL);
    clg_store *store = clg_store_create(d, 3);
    clg_graph *g = clg_graph_create(d, store);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(B, 2, 16, 16));
    clg_tensor *y1 = clg_nn_linear(clg_flatten(inception(in), 1), "fc", 5);
    clg_tensor *step = clg_sgd(clg_mean(clg_square(y1), CLG_ALL), clg_optim_params(.lr = 0.01));
    clg_plan *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = compile(g, CLG_LIST(y1, step), clg_plan_params(.queues = i + 1, .no_reuse = i > 0));
    double sum[2] = { 0, 0 };
    for (int order = 0; order < 2; order++) {
        OK(clg_store_reset(store));
        for (int r = 0; r < 12; r++) {
            const int i = order == 0 ? 0 : r % 3;
            random_state = (uint32_t)r;
            fill_random(x, PIXELS);
            OK(clg_write(p[i], in, x, sizeof x));
            OK(clg_run(p[i]));
        }
        OK(clg_read(p[order == 0 ? 0 : 2], y1, y[order], sizeof y[order]));
        for (int i = 0; i < B * 5; i++) sum[order] += y[order][i];
    }
    cr_expect_arr_eq(y[0], y[1], sizeof y[0], "%g and %g", sum[0], sum[1]);
    for (int i = 0; i < 3; i++) clg_plan_destroy(&p[i]);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&d);
}

Test(queues, refused_numbers) {
    clg_device *d = open_device("ref");
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *y = clg_neg(clg_input(g, "x", CLG_F32, CLG_SHAPE(3)));
    cr_expect(!clg_compile(g, CLG_LIST(y), clg_plan_params(.queues = -1)) && strstr(clg_error(), "-1 compute queues"));
    cr_expect(!clg_compile(g, CLG_LIST(y), clg_plan_params(.queues = 5)) && strstr(clg_error(), "1 to 4"));
    static const char *const bad[] = { "0", "5", "two", "2x" };
    for (int i = 0; i < 4; i++) {
        setenv("CLGRAD_QUEUES", bad[i], 1);
        cr_expect(!clg_compile(g, CLG_LIST(y), NULL) && strstr(clg_error(), bad[i]), "%s: %s", bad[i], clg_error());
    }
    setenv("CLGRAD_QUEUES", "3", 1);
    clg_plan *p = compile(g, CLG_LIST(y), NULL);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&d);
}

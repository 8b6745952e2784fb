/* Traces (clgrad/trace.h): what is in the file, that it is the truth, that recording changes no result. */
#include <criterion/criterion.h>

#include "support/device.h"
#include <clgrad/clgrad.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OK(expr) cr_assert_eq((expr), CLG_OK, "%s", clg_error())

/* --- reading a trace --- */

typedef struct span { const char *process, *row, *name; double start, end; } span;

static json_t *write_and_read(clg_trace *t) {
    json_error_t why;
    FILE *f = tmpfile();
    cr_assert(f);
    OK(clg_trace_write(t, f));
    rewind(f);
    json_t *j = json_loadf(f, 0, &why);
    cr_assert(j, "line %d: %s", why.line, why.text);
    fclose(f);
    return j;
}

/* The name that metadata give to a process, or to a thread of it. */
static const char *name_of(json_t *trace, const char *what, json_int_t pid, json_int_t tid) {
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, e) {
        if (strcmp(json_string_value(json_object_get(e, "name")), what) != 0) continue;
        if (json_integer_value(json_object_get(e, "pid")) != pid) continue;
        if (json_integer_value(json_object_get(e, "tid")) == tid)
            return json_string_value(json_object_get(json_object_get(e, "args"), "name"));
    }
    return NULL;
}

/* Spans whose name begins so; their number. */
static int find(json_t *trace, const char *prefix, span *out, int max) {
    int n = 0;
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, e) {
        const char *name = json_string_value(json_object_get(e, "name"));
        if (strcmp(json_string_value(json_object_get(e, "ph")), "X") != 0) continue;
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        const json_int_t pid = json_integer_value(json_object_get(e, "pid"));
        const double ts = json_number_value(json_object_get(e, "ts"));
        const double dur = json_number_value(json_object_get(e, "dur"));
        cr_assert(n < max, "more than %d spans %s", max, prefix);
        out[n++] = (span){ name_of(trace, "process_name", pid, 0), name_of(trace, "thread_name", pid,
                           json_integer_value(json_object_get(e, "tid"))), name, ts, ts + dur };
        cr_assert(out[n - 1].process && out[n - 1].row, "%s: a row without a name", name);
    }
    return n;
}

static int64_t number(json_t *trace, const char *key) {
    return json_integer_value(json_object_get(json_object_get(trace, "otherData"), key));
}

/* --- something to record --- */

typedef struct net {
    clg_graph *g;
    clg_plan  *plan;
    clg_tensor *x, *y;
} net;

/* Inputs and outputs of 64 x n numbers. */
static net make_net(clg_device *d, int64_t n) {
    net t = { .g = clg_graph_create(d, NULL) };
    t.x = clg_named(clg_input(t.g, "pixels \"1\\2\"", CLG_F32, CLG_SHAPE(64, n)), "pixels \"1\\2\"");
    t.y = clg_named(clg_sum(clg_matmul(clg_tanh(t.x), clg_transpose(t.x)), CLG_AXIS(1)), "answer");
    t.plan = clg_compile(t.g, CLG_LIST(t.y), NULL);
    cr_assert(t.plan, "%s", clg_error());
    return t;
}

static void use_net(const net *t, int64_t n, int runs, float out[64]) {
    float *x = malloc((size_t)n * 64 * sizeof *x);
    cr_assert(x);
    for (int64_t i = 0; i < n * 64; i++) x[i] = (float)(i * 7 % 13) / 13;
    for (int i = 0; i < runs; i++) {
        OK(clg_write(t->plan, t->x, x, (size_t)n * 64 * sizeof *x));
        OK(clg_run(t->plan));
    }
    OK(clg_read(t->plan, t->y, out, 64 * sizeof *out));
    free(x);
}

static void free_net(net *t) {
    clg_plan_destroy(&t->plan);
    clg_graph_destroy(&t->g);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

/* --- tests --- */

/* Each command once; on the right row; not before its call began and not after the read ended. */
static void check_device(const char *which, const char *impl, bool discrete, int64_t n_cols, bool beside) {
    enum { RUNS = 3 };
    float plain[64], traced[64];
    span call[16], step[64], upload[16], download[16];
    setenv("CLGRAD_SHARED", "off", 1); /* so that uploads and downloads are commands */
    if (discrete) setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    clg_device *d = clg_device_open(which, clg_device_params(.profiling = true));
    cr_assert(d, "%s", clg_error());
    net t = make_net(d, n_cols);
    use_net(&t, n_cols, RUNS, plain);
    const double begin = now_us();
    clg_trace *trace = clg_trace_create(0);
    cr_assert(trace, "%s", clg_error());
    OK(clg_trace_device(trace, d));
    clg_trace_begin(trace, "three runs");
    use_net(&t, n_cols, RUNS, traced);
    clg_trace_end(trace);
    json_t *j = write_and_read(trace);
    const double passed = now_us() - begin;
    cr_expect(memcmp(plain, traced, sizeof plain) == 0, "recording changes the result");
    cr_assert_eq(find(j, "three runs", call, 16), 1);
    cr_expect_str_eq(call[0].process, "host");
    const span all = call[0];
    cr_expect(all.start >= 0 && all.end <= passed, "%g to %g of %g us", all.start, all.end, passed);
    cr_assert_eq(find(j, "clg_run", call, 16), RUNS);
    cr_expect_eq(find(j, "clg_write pixels \"1\\2\"", step, 64), RUNS, "names are escaped");
    cr_expect_eq(find(j, "clg_read answer", download, 16), 1);
    const int n = find(j, impl, step, 64);
    clg_plan_info info;
    clg_plan_get_info(t.plan, &info);
    cr_expect(n >= RUNS && n <= RUNS * info.n_steps, "%d spans %s of %d steps", n, impl, info.n_steps);
    for (int i = 0; i < n; i++) {
        cr_expect(strcmp(step[i].process, "host") != 0 && strcmp(step[i].row, "compute") == 0, "%s", step[i].row);
        cr_expect(step[i].end >= step[i].start && step[i].start >= call[0].start - 100
                  && step[i].end <= download[0].end + 100, "%s: %g to %g us; the first run began at %g, the read "
                  "ended at %g", step[i].name, step[i].start, step[i].end, call[0].start, download[0].end);
        cr_expect(i == 0 || step[i].start >= step[i - 1].end - 1, "one queue, one command at a time");
    }
    if (strcmp(which, "ref") != 0) {
        cr_expect_eq(find(j, "upload pixels", upload, 16), RUNS);
        cr_expect_str_eq(upload[0].row, beside ? "upload" : "compute");
        cr_expect_eq(find(j, "download", download, 16), 1);
    }
    cr_expect_eq(number(j, "dropped_spans") + number(j, "spans_without_times") + number(j, "unfinished_spans"), 0);
    json_decref(j);
    clg_trace_destroy(&trace);
    use_net(&t, n_cols, 1, traced); /* nothing records any more */
    free_net(&t);
    clg_device_destroy(&d);
}

Test(tracefile, ref, .timeout = 30) { check_device("ref", "ref", false, 256, false); }
Test(tracefile, unified, .timeout = 60) {
    check_device(opencl_device(), "matmul", false, 256, false);
    check_device(opencl_device(), "matmul", false, 1024, true); /* an input that is worth two buffers */
}
Test(tracefile, discrete, .timeout = 60) { check_device(opencl_device(), "matmul", true, 256, true); }

/* --- transfers beside computation --- */

enum { ITEMS = 512, WIDTH = 1024, BATCHES = 12, ROUNDS = 20, MANY = 1000 };

/* A layer that learns to give zeros; slope: of the loss by the weights, its square, which is known last in a run. */
typedef struct lesson {
    clg_device *d;
    clg_store  *store;
    clg_graph  *g;
    clg_plan   *plan;
    clg_tensor *x, *slope;
} lesson;

static float batch[3][ITEMS * WIDTH];

static lesson make_lesson(bool discrete) {
    setenv("CLGRAD_SHARED", "off", 1);
    if (discrete) setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    lesson l = { .d = clg_device_open("0", clg_device_params(.profiling = true)) };
    cr_assert(l.d, "%s", clg_error());
    l.store = clg_store_create(l.d, 1);
    l.g = clg_graph_create(l.d, l.store);
    l.x = clg_named(clg_input(l.g, "x", CLG_F32, CLG_SHAPE(ITEMS, WIDTH)), "x");
    clg_tensor *w = clg_param(l.g, "w", CLG_F32, CLG_SHAPE(WIDTH, 256), CLG_INIT_XAVIER);
    clg_tensor *loss = clg_mean(clg_square(clg_matmul(l.x, w)), CLG_ALL);
    l.slope = clg_sum(clg_square(clg_grad(loss, w)), CLG_ALL);
    l.plan = clg_compile(l.g, CLG_LIST(l.slope, clg_sgd(loss, clg_optim_params(.lr = 0.01))), NULL);
    cr_assert(l.plan, "%s", clg_error());
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < ITEMS * WIDTH; i++) batch[k][i] = (float)((i + 3 * k) % 13) / 13;
    return l;
}

static void free_lesson(lesson *l) {
    clg_plan_destroy(&l->plan);
    clg_graph_destroy(&l->g);
    clg_store_destroy(&l->store);
    clg_device_destroy(&l->d);
}

/* When a batch is sent: when all is done; when the run before the present one is, as in a loop that looks at each slope
 * one step late; as soon as it can. */
enum pace { STEP_BY_STEP, ONE_AHEAD, AHEAD };

/* From the first weights on. Returns the last slope. */
static float learn(const lesson *l, enum pace pace) {
    float slope;
    OK(clg_store_reset(l->store));
    OK(clg_write(l->plan, l->x, batch[0], sizeof batch[0]));
    for (int n = 0; n < BATCHES; n++) {
        OK(clg_run(l->plan));
        if (pace == STEP_BY_STEP) OK(clg_device_finish(l->d));
        if (pace == ONE_AHEAD) OK(clg_read_begin(l->plan, l->slope));
        if (pace == ONE_AHEAD && n > 0) OK(clg_read_end(l->plan, l->slope, &slope, sizeof slope));
        if (n + 1 < BATCHES) OK(clg_write(l->plan, l->x, batch[(n + 1) % 3], sizeof batch[0]));
    }
    if (pace == ONE_AHEAD) OK(clg_read_end(l->plan, l->slope, &slope, sizeof slope));
    else OK(clg_read(l->plan, l->slope, &slope, sizeof slope));
    return slope;
}

/* From the first to the last step of each run. Steps are those whose names begin with an implementation, "conv.wino2";
 * commands of a queue stand in the order in which they were enqueued. */
static void find_runs(json_t *j, const lesson *l, span run[BATCHES]) {
    static span s[MANY];
    clg_plan_info info;
    clg_plan_get_info(l->plan, &info);
    int n = 0;
    for (int i = 0, all = find(j, "", s, MANY); i < all; i++)
        if (strcmp(s[i].row, "compute") == 0 && memchr(s[i].name, '.', strcspn(s[i].name, " "))) s[n++] = s[i];
    cr_assert_eq(n, BATCHES * info.n_steps, "%d steps in %d runs of %d", n, BATCHES, info.n_steps);
    for (int r = 0; r < BATCHES; r++) {
        run[r] = s[r * info.n_steps];
        run[r].end = s[(r + 1) * info.n_steps - 1].end;
    }
}

/* Checks when batches came in: before their own runs, and behind the runs that had read the buffer. Returns how many
 * did during the run before their own. */
static int check_uploads(json_t *j, const lesson *l) {
    span upload[BATCHES], run[BATCHES];
    int beside = 0;
    cr_assert_eq(find(j, "upload x", upload, BATCHES), BATCHES);
    find_runs(j, l, run);
    for (int n = 0; n < BATCHES; n++) {
        cr_expect_str_eq(upload[n].row, "upload");
        cr_expect(upload[n].end <= run[n].start, "run %d begins at %.3f us, its batch is there at %.3f", n,
                  run[n].start, upload[n].end);
        cr_expect(n < 2 || upload[n].start >= run[n - 2].end, "batch %d comes in at %.3f us, but run %d, which ends at "
                  "%.3f, reads that buffer", n, upload[n].start, n - 2, run[n - 2].end);
        beside += n > 0 && upload[n].start > run[n - 1].start && upload[n].start < run[n - 1].end;
    }
    return beside;
}

static int traced_lesson(const lesson *l, enum pace pace, float slope) {
    clg_trace *trace = clg_trace_create(0);
    OK(clg_trace_device(trace, l->d));
    const float other = learn(l, pace);
    json_t *j = write_and_read(trace);
    const int beside = check_uploads(j, l);
    cr_expect(memcmp(&slope, &other, sizeof slope) == 0, "%.9g step by step, %.9g with uploads beside the runs",
              (double)slope, (double)other);
    json_decref(j);
    clg_trace_destroy(&trace);
    return beside;
}

/* The next batch comes in while the present one is computed. On an idle machine nearly all do; on a busy one the host
 * may come too late every time, so it gets some rounds. */
Test(tracefile, uploads_beside_runs, .timeout = 120) {
    for (int discrete = 0; discrete < 2; discrete++) {
        int beside = 0;
        lesson l = make_lesson(discrete);
        const float slope = learn(&l, STEP_BY_STEP);
        traced_lesson(&l, AHEAD, slope);
        for (int round = 0; round < ROUNDS && beside == 0; round++) beside = traced_lesson(&l, ONE_AHEAD, slope);
        cr_expect(beside > 0, "no batch in %d came in during the run before its own", ROUNDS * BATCHES);
        free_lesson(&l);
    }
}

/* A trace that is full keeps what it has and says what it has not; a device outlives its owner's reference. */
Test(tracefile, full, .timeout = 30) {
    float out[64];
    span s[8];
    clg_device *d = clg_device_open("ref", NULL);
    clg_trace *trace = clg_trace_create(5);
    OK(clg_trace_device(trace, d));
    net t = make_net(d, 2);
    use_net(&t, 2, 3, out);
    free_net(&t);
    clg_device_destroy(&d);
    json_t *j = write_and_read(trace);
    cr_expect_eq(number(j, "spans"), 5);
    cr_expect(number(j, "dropped_spans") > 5);
    cr_expect(find(j, "", s, 8) == 5);
    json_decref(j);
    char path[] = "/tmp/clgrad-trace-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(file >= 0);
    OK(clg_trace_save(trace, path));
    cr_expect((j = json_load_file(path, 0, NULL)) != NULL && find(j, "", s, 8) == 5);
    json_decref(j);
    cr_expect(clg_trace_save(trace, "/nowhere/trace.json") == CLG_ERR_IO && strstr(clg_error(), "/nowhere"), "%s",
              clg_error());
    close(file);
    remove(path);
    clg_trace_destroy(&trace);
    clg_trace_destroy(&trace);
}

static void *nest(void *trace) {
    char name[8];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "at %d", i);
        clg_trace_begin(trace, name);
    }
    for (int i = 0; i < 21; i++) clg_trace_end(trace); /* one too many */
    return NULL;
}

/* Spans nest within their thread; 16 are kept, names are cut, and what is no UTF-8 becomes readable. */
Test(tracefile, host_spans, .timeout = 30) {
    pthread_t thread[3];
    span s[64];
    clg_trace *trace = clg_trace_create(100);
    cr_assert(trace);
    for (int i = 0; i < 3; i++) cr_assert_eq(pthread_create(&thread[i], NULL, nest, trace), 0);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    clg_trace_begin(trace, "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789");
    clg_trace_end(trace);
    clg_trace_begin(trace, "\xff\x01\xc3\xa9");
    clg_trace_end(trace);
    clg_trace_begin(trace, "open");
    json_t *j = write_and_read(trace);
    cr_expect_eq(find(j, "at ", s, 64), 3 * 16);
    cr_expect_eq(number(j, "dropped_spans"), 3 * 4);
    for (int k = 0; k < 48; k += 16) /* the innermost ends first */
        for (int i = 1; i < 16; i++)
            cr_expect(strcmp(s[i].row, s[0].row) != 0 || (s[i].start <= s[i - 1].start && s[i].end >= s[i - 1].end));
    cr_assert_eq(find(j, "0123", s, 64), 1);
    cr_expect_eq(strlen(s[0].name), 63);
    cr_expect_eq(find(j, "?\x01\xc3\xa9", s, 64), 1);
    cr_expect_eq(find(j, "open", s, 64), 0);
    json_decref(j);
    clg_trace_destroy(&trace);
}

Test(tracefile, refused, .timeout = 30) {
    clg_device *plain = clg_device_open(opencl_device(), NULL), *ref = clg_device_open("ref", NULL);
    clg_trace *a = clg_trace_create(1), *b = clg_trace_create(1);
    cr_assert(plain && ref && a && b, "%s", clg_error());
    cr_expect(clg_trace_create(-1) == NULL && strstr(clg_error(), "-1"), "%s", clg_error());
    cr_expect(clg_trace_create(INT64_MAX) == NULL);
    cr_expect(clg_trace_device(a, NULL) == CLG_ERR_INVALID && clg_trace_device(NULL, ref) == CLG_ERR_INVALID);
    cr_expect(clg_trace_device(a, plain) == CLG_ERR_INVALID && strstr(clg_error(), ".profiling = true"), "%s",
              clg_error());
    OK(clg_trace_device(a, ref));
    cr_expect(clg_trace_device(b, ref) == CLG_ERR_INVALID && strstr(clg_error(), "already"), "%s", clg_error());
    clg_trace_destroy(&a);
    OK(clg_trace_device(b, ref)); /* it is free again */
    cr_expect(clg_trace_write(b, NULL) == CLG_ERR_INVALID && clg_trace_write(NULL, stdout) == CLG_ERR_INVALID);
    cr_expect(clg_trace_save(b, NULL) == CLG_ERR_INVALID && clg_trace_save(NULL, "x") == CLG_ERR_INVALID);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        cr_expect_eq(clg_trace_write(b, full), CLG_ERR_IO);
        fclose(full);
    }
    clg_trace_begin(NULL, "nothing");
    clg_trace_end(NULL);
    clg_trace_destroy(&b);
    clg_device_destroy(&plain);
    clg_device_destroy(&ref);
}

/* Replay of recorded commands: the same bits as enqueues, also when memory, transfers and runs change in between. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include "support/opencl.h"
#include <criterion/criterion.h>

#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(expr) cr_assert_eq((expr), CLG_OK, "%s", clg_error())

enum { STEPS = 6, MOST = 1 << 16 };

/* --- nets --- */

typedef struct recipe {
    const char *text, *optimizer;
    int64_t     channels, size, batch, classes;
    clg_dtype   type;
} recipe;

static const recipe recipes[] = {
    { "conv 6 kernel=5 pad=2\nrelu\nmax_pool 2\nconv 16 kernel=5\nrelu\nmax_pool 2\nflatten\nlinear 120\nrelu\n"
      "linear 84\nrelu\nlinear outputs\n", "momentum", 1, 28, 16, 10 },
    { "flatten\nlinear 32\ntanh\ndropout 0.3\nlinear outputs\n", "adam", 1, 8, 5, 4 },
    { "conv 4 kernel=3 pad=1\nbatch_norm\nrelu\navg_pool 2\nflatten\nlinear outputs\n", "rmsprop", 3, 8, 6, 3 },
    { "flatten\nlinear outputs\n", "sgd", 1, 4, 1, 2 },
};

typedef struct net {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_plan   *plan;
    clg_tensor *x, *t, *loss, *answer;
} net;

static net make_net(const recipe *r, clg_device *dev, enum clg_replay replay) {
    net n = { .dev = dev, .store = clg_store_create(dev, 5) };
    clg_model *text = clg_model_parse("net", r->text);
    clg_model *m = text ? clg_model_for(text, CLG_SHAPE(r->channels, r->size, r->size), (int)r->classes, 0) : NULL;
    cr_assert(m && n.store, "%s", clg_error());
    n.g = clg_graph_create(dev, n.store);
    n.x = clg_named(clg_input(n.g, "x", CLG_F32, CLG_SHAPE(r->batch, r->channels, r->size, r->size)), "x");
    n.t = clg_input(n.g, "t", CLG_I32, CLG_SHAPE(r->batch));
    n.answer = clg_model_build(m, n.x);
    n.loss = clg_cross_entropy(n.answer, n.t);
    clg_tensor *step = clg_optimizer(r->optimizer, n.loss, clg_optim_params(.lr = 0.02));
    n.plan = clg_compile(n.g, CLG_LIST(n.loss, n.answer, step), clg_plan_params(.replay = replay));
    cr_assert(n.plan, "%s", clg_error());
    clg_model_destroy(&m);
    clg_model_destroy(&text);
    return n;
}

static void free_net(net *n) {
    clg_plan_destroy(&n->plan);
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
}

static void write_batch(const net *n, const recipe *r, int step) {
    const size_t pixels = (size_t)(r->batch * r->channels * r->size * r->size);
    float *x = malloc(pixels * sizeof *x);
    int32_t t[64];
    cr_assert(x);
    for (size_t i = 0; i < pixels; i++) x[i] = (float)((i * 37 + (size_t)step * 11) % 29) / 29;
    for (int i = 0; i < r->batch; i++) t[i] = (int32_t)((i + step) % r->classes);
    OK(clg_write(n->plan, n->x, x, pixels * sizeof *x));
    OK(clg_write(n->plan, n->t, t, (size_t)r->batch * sizeof *t));
    free(x);
}

/* Every weight and state of the store behind each other; their bytes. */
static size_t read_store(const net *n, unsigned char *to) {
    size_t at = 0;
    for (int i = 0; i < clg_store_count(n->store); i++) {
        clg_store_entry s;
        OK(clg_store_get(n->store, i, &s));
        size_t bytes = clg_dtype_size(s.dtype);
        for (int k = 0; k < s.shape.ndim; k++) bytes *= (size_t)s.shape.dim[k];
        unsigned char *room = malloc(bytes + 1);
        cr_assert(room);
        OK(clg_store_read(n->store, s.name, room, bytes));
        for (size_t k = 0; k < bytes; k++) to[(at + k) % MOST] = (unsigned char)(to[(at + k) % MOST] * 31 + room[k]);
        at += bytes;
        free(room);
    }
    return at;
}

/* Steps with all that may happen between them; what they leave. Runs follow each other without a wait in between. */
static size_t train(net *n, const recipe *r, unsigned char *left) {
    float loss[STEPS] = { 0 };
    memset(left, 0, MOST);
    for (int i = 0; i < STEPS; i++) {
        write_batch(n, r, i);
        OK(clg_run(n->plan));
        OK(clg_run(n->plan)); /* the same batch again */
        if (i == 3) OK(clg_read_begin(n->plan, n->loss));
        if (i == 4) OK(clg_read_end(n->plan, n->loss, &loss[3], sizeof loss[0]));
        if (i % 2 == 0) OK(clg_read(n->plan, n->loss, &loss[i], sizeof loss[0]));
    }
    const size_t bytes = read_store(n, left);
    memcpy(left + MOST - sizeof loss, loss, sizeof loss);
    return bytes;
}

/* How many kernels clg_plan_report() calls recorded. */
static int recorded(const net *n) {
    FILE *f = tmpfile();
    cr_assert(f);
    OK(clg_plan_report(n->plan, CLG_REPORT_JSON, f));
    rewind(f);
    json_t *j = json_loadf(f, 0, NULL);
    const int count = (int)json_integer_value(json_object_get(j, "n_recorded"));
    json_decref(j);
    fclose(f);
    return count;
}

/* The driver is asked, not the library. */
static void want_recording(void) {
    if (!opencl_has(opencl_id(opencl_device()), "cl_khr_command_buffer"))
        cr_skip_test("the driver has no cl_khr_command_buffer");
}

/* least: per cent of the kernels; those that read an input with two buffers are enqueued. */
static void compare(clg_device *d, int least) {
    static unsigned char off[MOST], on[MOST];
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        const recipe *r = &recipes[i];
        net a = make_net(r, d, CLG_REPLAY_OFF), b = make_net(r, d, CLG_REPLAY_ON);
        clg_plan_info info;
        const size_t bytes = train(&a, r, off);
        cr_expect_eq(train(&b, r, on), bytes);
        cr_expect(memcmp(off, on, MOST) == 0, "net %zu: replay gives other bits", i);
        clg_plan_get_info(b.plan, &info);
        cr_expect_eq(recorded(&a), 0);
        cr_expect(100 * recorded(&b) > least * info.n_kernels, "net %zu: %d of %d kernels are recorded", i, recorded(&b),
                  info.n_kernels);
        free_net(&a);
        free_net(&b);
    }
}

Test(replay, gives_the_bits_of_enqueues, .timeout = 100) {
    want_recording();
    clg_device *d = clg_device_open(opencl_device(), NULL);
    cr_assert(d, "%s", clg_error());
    compare(d, 50);
    clg_device_destroy(&d);
}

/* As on a device that cannot have a recording under way twice; and as on one with memory of its own. */
Test(replay, without_simultaneous_use, .timeout = 100) {
    want_recording();
    setenv("CLGRAD_REPLAY_ALONE", "1", 1);
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    clg_device *d = clg_device_open(opencl_device(), NULL);
    cr_assert(d, "%s", clg_error());
    compare(d, 20);
    clg_device_destroy(&d);
}

/* A run in a trace is one command of the recording, and whatever could not be recorded. */
Test(replay, in_a_trace, .timeout = 60) {
    want_recording();
    char *text = NULL;
    size_t size = 0;
    int n = 0;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.profiling = true));
    clg_trace *trace = clg_trace_create(0);
    cr_assert(d && trace, "%s", clg_error());
    net a = make_net(&recipes[0], d, CLG_REPLAY_ON);
    write_batch(&a, &recipes[0], 0);
    OK(clg_run(a.plan)); /* enqueues */
    OK(clg_trace_device(trace, d));
    for (int i = 0; i < 5; i++) OK(clg_run(a.plan));
    FILE *f = open_memstream(&text, &size);
    OK(clg_trace_write(trace, f));
    fclose(f);
    for (const char *at = text; (at = strstr(at, "\"replay of ")) != NULL; at++) n++;
    cr_expect(n >= 5 && n % 5 == 0, "%d recordings in 5 runs", n);
    free(text);
    free_net(&a);
    clg_trace_destroy(&trace);
    clg_device_destroy(&d);
}

/* --- memory of the application --- */

static cl_mem buffer_of(cl_context context, const float *x, size_t bytes) {
    cl_int err;
    unsigned char *host = calloc(1, bytes + CLG_MEM_SLACK);
    cr_assert(host);
    if (x) memcpy(host, x, bytes);
    cl_mem m = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes + CLG_MEM_SLACK, host, &err);
    cr_assert_eq(err, CL_SUCCESS);
    free(host);
    return m;
}

/* Recorded arguments are thrown away when a plan's memory changes. */
Test(replay, follows_a_change_of_memory, .timeout = 60) {
    enum { N = 64 };
    want_recording();
    const cl_device_id id = opencl_id(opencl_device());
    cl_int err;
    float first[N], second[N], out[N];
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
    clg_device *d = clg_device_wrap(context, id, NULL, NULL);
    cr_assert(d, "%s", clg_error());
    for (int i = 0; i < N; i++) {
        first[i] = (float)i;
        second[i] = (float)(i * 3 % 7);
    }
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(8, 8));
    clg_tensor *y = clg_matmul(clg_relu(clg_matmul(x, x)), x);
    clg_plan *p = clg_compile(g, CLG_LIST(y), clg_plan_params(.replay = CLG_REPLAY_ON));
    cr_assert(p, "%s", clg_error());
    cl_mem mem[2] = { buffer_of(context, first, sizeof first), buffer_of(context, second, sizeof second) };
    float want[2][N];
    for (int i = 0; i < 8; i++) { /* the first two runs are enqueued, and recorded */
        OK(clg_plan_use(p, x, mem[i / 2 % 2], 0));
        OK(clg_run(p));
        OK(clg_run(p));
        OK(clg_read(p, y, out, sizeof out));
        if (i == 0 || i == 2) memcpy(want[i / 2], out, sizeof out);
        cr_expect(memcmp(out, want[i / 2 % 2], sizeof out) == 0, "round %d", i);
    }
    cr_expect(memcmp(want[0], want[1], sizeof want[0]) != 0);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clReleaseMemObject(mem[0]);
    clReleaseMemObject(mem[1]);
    clg_device_destroy(&d);
    clReleaseContext(context);
}

/* --- the choice --- */

static char *slurp(const char *dir, const char *name) {
    char path[400];
    char *text = calloc(1, 4096);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    cr_assert(f && text, "%s", path);
    cr_assert(fread(text, 1, 4095, f) > 0);
    fclose(f);
    return text;
}

/* The name of the file with the answer; false: there is none. */
static bool find_answer(const char *dir, char *name, size_t size) {
    char command[300];
    snprintf(command, sizeof command, "cd '%s' && ls replay-*.txt 2>/dev/null", dir);
    FILE *f = popen(command, "r");
    cr_assert(f);
    const bool found = fgets(name, (int)size, f) != NULL;
    pclose(f);
    name[strcspn(name, "\n")] = 0;
    return found;
}

static int recorded_by_auto(const char *dir) {
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.cache_dir = dir));
    cr_assert(d, "%s", clg_error());
    net a = make_net(&recipes[0], d, CLG_REPLAY_AUTO);
    OK(clg_run(a.plan));
    OK(clg_run(a.plan));
    const int n = recorded(&a);
    free_net(&a);
    clg_device_destroy(&d);
    return n;
}

/* The trial is made once, told, and believed: also when somebody has changed the answer. */
Test(replay, is_chosen_by_a_trial, .timeout = 100) {
    want_recording();
    char dir[] = "/tmp/clgrad-replay-XXXXXX", name[100], path[400], command[100];
    cr_assert(mkdtemp(dir));
    const int n = recorded_by_auto(dir);
    cr_assert(find_answer(dir, name, sizeof name));
    char *text = slurp(dir, name);
    cr_expect(strncmp(text, n > 0 ? "yes " : "no ", n > 0 ? 4 : 3) == 0, "%s", text);
    cr_expect(strstr(text, "us replayed\n") != NULL, "the numbers are right: %s", text);
    free(text);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int i = 0; i < 3; i++) {
        static const char *const answers[] = { "yes # by hand\n", "no # by hand\n", "yesno" };
        FILE *f = fopen(path, "w");
        cr_assert(f);
        fputs(answers[i], f);
        fclose(f);
        const int now = recorded_by_auto(dir);
        if (i < 2) cr_expect((now > 0) == (i == 0), "%s: %d", answers[i], now);
    }
    text = slurp(dir, name);
    cr_expect(strstr(text, "us replayed") != NULL, "what is no answer is replaced: %s", text);
    free(text);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_expect_eq(system(command), 0);
}

static void refused(clg_device *d, enum clg_replay replay, clg_status status, const char *text) {
    clg_graph *g = clg_graph_create(d, NULL);
    clg_tensor *y = clg_relu(clg_input(g, "x", CLG_F32, CLG_SHAPE(4)));
    clg_plan *p = clg_compile(g, CLG_LIST(y), clg_plan_params(.replay = replay));
    cr_expect(!p && clg_error_status() == status && strstr(clg_error(), text), "%s", clg_error());
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
}

Test(replay, refused, .timeout = 60) {
    clg_device *ref = clg_device_open("ref", NULL);
    refused(ref, CLG_REPLAY_ON, CLG_ERR_UNSUP, "leave it to CLG_REPLAY_AUTO");
    refused(ref, (enum clg_replay)7, CLG_ERR_INVALID, "replay 7");
    setenv("CLGRAD_REPLAY", "perhaps", 1);
    refused(ref, CLG_REPLAY_AUTO, CLG_ERR_INVALID, "CLGRAD_REPLAY=perhaps: is none of auto, on, off");
    clg_device_destroy(&ref);
}

/* Replay of recorded commands: the same bits as enqueues, also when memory, transfers and runs change in between. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include "support/nets.h"
#include "support/opencl.h"
#include "support/scratch.h"
#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int recorded(const net *n) { return reported(n, "n_recorded"); }

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
        net a = make_net(r, d, clg_plan_params(.replay = CLG_REPLAY_OFF));
        net b = make_net(r, d, clg_plan_params(.replay = CLG_REPLAY_ON));
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
    net a = make_net(&recipes[0], d, clg_plan_params(.replay = CLG_REPLAY_ON));
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
    net a = make_net(&recipes[0], d, clg_plan_params(.mega = CLG_MEGA_OFF));
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
    char dir[SCRATCH], name[100], path[400];
    make_scratch(dir);
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
    remove_scratch(dir);
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

/* Every OpenCL call and every allocation of a small complete job fails once in turn. Whatever fails, the job returns a
 * clean status with a message (or the right result, where a call is optional), nothing leaks, and a run after it works.
 * The jobs run in child processes, a batch each, so that a crash is told with the number and name of the call. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "cl/replay.h"
#include "support/fail.h"
#include "support/opencl.h"
#include "support/sweep.h"
#include <clgrad/clgrad.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the jobs --- */

static clg_status use_kernel(clg_device *d, clg_program *p, clg_buffer *x, clg_buffer *y, double *value) {
    clg_kernel *k = NULL;
    clg_upload *u = NULL;
    clg_download *down = NULL;
    struct _cl_event *done = NULL;
    clg_status status = CLG_OK;
    const float data[4] = { 1, 2, 3, 4 };
    float back[4];
    clg_note note = { 0 };
    const clg_bind args[] = { { .kind = CLG_BIND_BUFFER, .name = "x", .is_const = true, .buffer = x, .offset = 4 },
                              { .kind = CLG_BIND_BUFFER, .name = "y", .buffer = y },
                              { .kind = CLG_BIND_FLOAT, .name = "s", .f = 2 } };
    CLG_TRY_END(clg_kernel_create(p, "scale", args, 3, &k));
    CLG_TRY_END(clg_kernel_set_range(k, (size_t[]){ 4, 1, 1 }, (size_t[]){ 1, 1, 1 }));
    CLG_TRY_END(clg_upload_create(d, CLG_F32, 4, clg_upload_best(d, sizeof data, true), "x", &u));
    for (int i = 0; i < 3; i++) {
        CLG_TRY_END(clg_upload_write(u, data, done));
        struct _cl_event *sent = clg_upload_sent(u);
        clg_event_release(&done);
        CLG_TRY_END(clg_buffer_copy(clg_upload_buffer(u), 0, x, 4, CLG_F32, 4, NULL,
                                    &(clg_link){ .n_wait = sent != NULL, .wait = &sent, .done = &done }));
        clg_upload_taken(u);
        CLG_TRY_END(clg_kernel_enqueue(k, &note, NULL));
    }
    CLG_TRY_END(clg_download_create(d, CLG_F32, 4, "y", &down));
    clg_event_release(&done);
    CLG_TRY_END(clg_kernel_enqueue(k, &note, &(clg_link){ .done = &done }));
    CLG_TRY_END(clg_download_begin(down, y, 0, done));
    CLG_TRY_END(clg_download_begin(down, y, 0, NULL));
    CLG_TRY_END(clg_buffer_copy(y, 0, y, 8, CLG_F32, 4, NULL, &(clg_link){ .n_wait = 1, .wait = &done }));
    CLG_TRY_END(clg_download_end(down, back));
    CLG_TRY_END(clg_device_finish(d));
    CLG_TRY_END(clg_buffer_read(y, 8, CLG_F32, back, 4));
    *value = back[0] + 10 * back[1] + 100 * back[2] + 1000 * back[3];
end:
    clg_event_release(&done);
    clg_download_destroy(&down);
    clg_note_forget(d, &note);
    clg_upload_destroy(&u);
    clg_kernel_destroy(&k);
    return status;
}

static clg_status write_trace(clg_trace *t, const char *path) {
    FILE *f = fopen(path, "w");
    const clg_status status = f ? clg_trace_write(t, f) : clg_fail(CLG_ERR_IO, "%s", path);
    if (f) fclose(f);
    return status;
}

/* The device layer alone; every path that the library takes on some device. trace: where to write one; NULL: none. */
static clg_status device_job(const char *cache_dir, const char *trace, double *value) {
    static const char text[] = "KERNEL scale(IN(x), OUT(y), const float s) {\n"
                               "    const size_t i = get_global_id(0);\n    STORE(y, i, s * LOAD(x, i));\n}\n";
    clg_status status = CLG_OK;
    clg_buffer *x = NULL, *y = NULL;
    clg_program *p = NULL;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.profiling = true, .cache_dir = cache_dir));
    clg_trace *t = d && trace ? clg_trace_create(20) : NULL;
    if (!d || (trace && !t)) CLG_TRY_END(clg_error_status());
    if (t) CLG_TRY_END(clg_trace_device(t, d));
    CLG_TRY_END(clg_program_get(d, &(clg_source){ "scale", text, NULL }, &p));
    CLG_TRY_END(clg_buffer_create(d, 64, "x", &x));
    CLG_TRY_END(clg_buffer_create(d, 64, "y", &y));
    CLG_TRY_END(use_kernel(d, p, x, y, value));
    clg_program_save_new(d);
    if (t) CLG_TRY_END(write_trace(t, trace));
end:
    clg_trace_destroy(&t);
    clg_buffer_destroy(&x);
    clg_buffer_destroy(&y);
    clg_program_release(&p);
    clg_device_destroy(&d);
    return status;
}

static clg_status compiling_job(const char *dir, double *value) {
    (void)dir;
    unsetenv("CLGRAD_FORCE_DISCRETE");
    return device_job("", NULL, value);
}

static clg_status discrete_job(const char *dir, double *value) {
    char path[200];
    snprintf(path, sizeof path, "%s/trace.json", dir);
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    return device_job(dir, path, value);
}

/* Saves its program every time, since the cache is a new directory every time. */
static clg_status saving_job(const char *dir, double *value) {
    static int counter;
    char below[200];
    unsetenv("CLGRAD_FORCE_DISCRETE");
    snprintf(below, sizeof below, "%s/%d", dir, counter++);
    return device_job(below, NULL, value);
}

/* Both halves of a device, in a list. */
static clg_status parts_job(const char *dir, double *value) {
    clg_device *devs[2] = { 0 };
    clg_buffer *b = NULL, *copy = NULL;
    clg_status status = CLG_OK;
    float x = 3, y = 0;
    (void)dir;
    const int n = clg_devices_open("0#1/2,0#0/2", clg_device_params(.cache_dir = ""), devs, 2);
    *value = n;
    if (n < 0) return n;
    for (int i = 0; i < n; i++) {
        CLG_TRY_END(clg_buffer_create(devs[i], 4, "b", &b));
        CLG_TRY_END(clg_buffer_create(devs[i], 4, "copy", &copy));
        CLG_TRY_END(clg_buffer_write(b, 0, CLG_F32, &x, 1));
        CLG_TRY_END(clg_buffer_copy(b, 0, copy, 0, CLG_F32, 1, NULL, NULL));
        CLG_TRY_END(clg_buffer_read(copy, 0, CLG_F32, &y, 1));
        *value += y;
        clg_buffer_destroy(&b);
        clg_buffer_destroy(&copy);
    }
end:
    clg_buffer_destroy(&b);
    clg_buffer_destroy(&copy);
    for (int i = 0; i < n; i++) clg_device_destroy(&devs[i]);
    return status;
}

/* A training step of a small network, twice; then its weights are saved, and loaded into another store. */
static clg_status train(clg_device *d, clg_store *net, clg_graph *g, double *value) {
    clg_status status = CLG_OK;
    const int32_t labels[] = { 2, 0 };
    float pixels[72], hidden[2 * 2 * 4 * 4], loss_value = 0;
    for (int i = 0; i < 72; i++) pixels[i] = (float)(i % 7) / 7;
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(2, 1, 6, 6)), *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(2));
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "conv", 2, 3, NULL));
    clg_tensor *loss = clg_cross_entropy(clg_nn_linear(clg_flatten(h, 1), "fc", 3), t);
    clg_tensor *step = clg_sgd(loss, clg_optim_params(.lr = 0.1, .momentum = 0.9));
    clg_tensor *dh = clg_grad(loss, h);
    const char *forced = getenv("CLGRAD_FORCE_DISCRETE");
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, step, dh), clg_plan_params(.queues = forced ? 2 : 1,
                                                                              .no_reuse = forced != NULL));
    if (!plan) return clg_error_status();
    for (int i = 0; i < 2; i++) {
        CLG_TRY_END(clg_write(plan, x, pixels, sizeof pixels));
        CLG_TRY_END(clg_write(plan, t, labels, sizeof labels));
        CLG_TRY_END(clg_run(plan));
        CLG_TRY_END(clg_read_begin(plan, dh));
        CLG_TRY_END(clg_read(plan, loss, &loss_value, sizeof loss_value));
    }
    CLG_TRY_END(clg_read_end(plan, dh, hidden, sizeof hidden));
    *value = (double)loss_value + hidden[5];
    CLG_TRY_END(clg_device_finish(d));
    CLG_TRY_END(clg_store_set_meta(net, "model", "tiny"));
end:
    clg_plan_destroy(&plan);
    return status;
}

static clg_status whole_job(const char *device, const char *dir, double *value) {
    char path[200], cache[200];
    clg_status status = CLG_ERR_DEVICE;
    snprintf(cache, sizeof cache, "%s/cache", dir);
    snprintf(path, sizeof path, "%s/net.safetensors", dir);
    clg_device *d = clg_device_open(device, clg_device_params(.cache_dir = cache));
    clg_store *net = d ? clg_store_create(d, 7) : NULL, *copy = net ? clg_store_create(d, 8) : NULL;
    clg_graph *g = copy ? clg_graph_create(d, net) : NULL;
    if (!g) {
        status = clg_error_status();
        goto end;
    }
    CLG_TRY_END(train(d, net, g, value));
    CLG_TRY_END(clg_store_save(net, path, NULL));
    CLG_TRY_END(clg_store_load(copy, path, NULL));
    *value += clg_store_count(copy);
end:
    clg_graph_destroy(&g);
    clg_store_destroy(&net);
    clg_store_destroy(&copy);
    clg_device_destroy(&d);
    return status;
}

static clg_status training_job(const char *dir, double *value) {
    unsetenv("CLGRAD_FORCE_DISCRETE");
    unsetenv("CLGRAD_MICRO_BATCH");
    setenv("CLGRAD_REPLAY", "off", 1);
    return whole_job(opencl_device(), dir, value);
}

/* With inputs that have two buffers, steps on two queues, and a batch in two parts. */
static clg_status doubled_job(const char *dir, double *value) {
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    setenv("CLGRAD_MICRO_BATCH", "1", 1);
    return whole_job(opencl_device(), dir, value);
}

/* The second run is recorded. */
static clg_status replaying_job(const char *dir, double *value) {
    unsetenv("CLGRAD_FORCE_DISCRETE");
    unsetenv("CLGRAD_MICRO_BATCH");
    setenv("CLGRAD_REPLAY", "on", 1);
    return whole_job(opencl_device(), dir, value);
}

/* The trial itself, which may end in a no but never in an error. */
static clg_status trial_job(const char *dir, double *value) {
    char pattern[200];
    glob_t found;
    clg_device *d = clg_device_open(opencl_device(), clg_device_params(.cache_dir = dir));
    if (!d) return clg_error_status();
    snprintf(pattern, sizeof pattern, "%s/replay-*.txt", dir);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) remove(found.gl_pathv[i]);
        globfree(&found);
    }
    (void)clg_replay_pays(d);
    clg_device_destroy(&d);
    *value = 1;
    return CLG_OK;
}

static clg_status reference_job(const char *dir, double *value) { return whole_job("ref", dir, value); }

static const double scaled = 2 + 10 * 4 + 100 * 6 + 1000 * 8; /* what use_kernel() leaves */

/* Finding the devices: the first calls of a process. */
Test(fault, enumeration, .timeout = 120) {
    run_sweep(&(sweep){ .name = "enumeration", .job = compiling_job, .cold = true, .step = 1 }, scaled, 40);
}

static const sweep device_sweeps[] = {
    { .name = "compiling", .job = compiling_job, .step = 1 },
    { .name = "discrete", .job = discrete_job, .step = 1 },
    { .name = "saving", .job = saving_job, .step = 1 },
};

Test(fault, device_calls, .timeout = 600) {
    for (int i = 0; i < 3; i++) run_sweep(&device_sweeps[i], scaled, 0);
}

Test(fault, device_allocations, .timeout = 600) {
    for (int i = 0; i < 3; i++) {
        sweep s = device_sweeps[i];
        s.allocations = true;
        run_sweep(&s, scaled, 0);
    }
}

/* Asked in a child: this process must not wake the driver, whose threads a fork would lose. */
static bool has_halves(void) {
    int status = 1;
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) _exit(why_no_halves("0") ? 3 : 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3), "status %d", status);
    return WEXITSTATUS(status) == 0;
}

Test(fault, parts, .timeout = 60) {
    if (!has_halves()) cr_skip_test("the device has one compute unit, or its driver makes no parts of it");
    run_sweep(&(sweep){ .name = "parts", .job = parts_job, .step = 1 }, 0, 0);
    run_sweep(&(sweep){ .name = "parts", .job = parts_job, .allocations = true, .step = 1 }, 0, 0);
}

/* The steps keep the time bearable; they are primes, so that they fall on different calls of loops. */
Test(fault, training_calls, .timeout = 600) {
    run_sweep(&(sweep){ .name = "training", .job = training_job, .step = 17 }, 0, 0);
    run_sweep(&(sweep){ .name = "doubled", .job = doubled_job, .step = 31 }, 0, 0);
}

Test(fault, replay_calls, .timeout = 600) {
    run_sweep(&(sweep){ .name = "replaying", .job = replaying_job, .step = 29 }, 0, 0);
    run_sweep(&(sweep){ .name = "trial", .job = trial_job, .step = 7 }, 1, 0);
}

Test(fault, replay_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "replaying", .job = replaying_job, .allocations = true, .step = 31 }, 0, 0);
    run_sweep(&(sweep){ .name = "trial", .job = trial_job, .allocations = true, .step = 3 }, 1, 0);
}

Test(fault, training_allocations, .timeout = 600) {
    run_sweep(&(sweep){ .name = "training", .job = training_job, .allocations = true, .step = 7 }, 0, 0);
    run_sweep(&(sweep){ .name = "reference", .job = reference_job, .allocations = true, .step = 3 }, 0, 0);
}

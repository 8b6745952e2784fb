/* Values, gradients and optimiser steps on the device against PyTorch's: every configuration of a directory in the
 * format of tests/data/torch/README.md. Not under Criterion, since one process shall run and count them all:
 *   torch_cases [DIR]     DIR, else $CLG_TORCH_CASES, else tests/data/torch; $CLGRAD_DEVICE chooses the device */
#include "support/torch_ops.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct tally {
    int cases, tensors, gradients, failures;
    const char *dir;
    clg_device *dev;
} tally;

static void fail(tally *t, const char *file, const char *fmt, ...) CLG_FMT(3, 4);

static void fail(tally *t, const char *file, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "FAILED %s: ", file);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    t->failures++;
}

/* --- inputs --- */

static bool is_integer(const torch_case *c, const char *name) {
    const char *t = json_string_value(json_object_get(json_object_get(c->file.header, name), "dtype"));
    return t && t[0] == 'I';
}

/* Running statistics live in the store; everything else is an input. */
static bool is_state(const char *name) { return strncmp(name, "running_", 8) == 0; }

static bool make_inputs(torch_case *c) {
    const json_t *names = json_object_get(c->config, "inputs");
    clg_shape shape;
    int64_t n;
    for (size_t i = 0; i < json_array_size(names); i++, c->n++) {
        const char *name = json_string_value(json_array_get(names, i));
        double *v = c->n < TORCH_MAX_TENSORS && name ? golden_tensor(&c->file, name, &shape, &n) : NULL;
        if (!v) return false;
        free(v);
        c->name[c->n] = name;
        c->input[c->n] = is_state(name) ? clg_state(c->graph, name, CLG_F32, shape, 0)
                                        : clg_input(c->graph, name, is_integer(c, name) ? CLG_I64 : CLG_F32, shape);
    }
    return true;
}

/* store: where t is a state of that name; NULL: t is an input of the plan. */
static clg_status write_input(clg_plan *plan, clg_store *store, clg_tensor *t, const double *v, int64_t n) {
    const bool whole = clg_tensor_dtype(t) == CLG_I64;
    const size_t bytes = (size_t)n * (whole ? sizeof(int64_t) : sizeof(float));
    void *host = malloc(bytes + 1);
    if (!host) return CLG_ERR_NOMEM;
    for (int64_t j = 0; j < n; j++) {
        if (whole) ((int64_t *)host)[j] = (int64_t)v[j];
        else ((float *)host)[j] = (float)v[j];
    }
    const clg_status s = store ? clg_store_write(store, clg_tensor_name(t), host, bytes)
                               : clg_write(plan, t, host, bytes);
    free(host);
    return s;
}

static clg_status write_all(const torch_case *c, clg_plan *plan) {
    for (int i = 0; i < c->n; i++) {
        clg_shape shape;
        int64_t n;
        double *v = golden_tensor(&c->file, c->name[i], &shape, &n);
        const clg_status s = v ? write_input(plan, is_state(c->name[i]) ? c->store : NULL, c->input[i], v, n)
                               : CLG_ERR_FORMAT;
        free(v);
        if (s < 0) return s;
    }
    return CLG_OK;
}

/* --- results --- */

/* The files hold scalars as [1]. */
static bool same_shape(clg_shape a, clg_shape b) {
    if (a.ndim == 0) return b.ndim == 0 || (b.ndim == 1 && b.dim[0] == 1);
    return a.ndim == b.ndim && memcmp(a.dim, b.dim, (size_t)a.ndim * sizeof *a.dim) == 0;
}

/* y NULL: the state of the store that is called NAME_out in the file. */
static clg_status read_result(const torch_case *c, clg_plan *plan, clg_tensor *y, const char *name, float *to,
                              size_t n) {
    char state[64];
    if (y) return clg_read(plan, y, to, n * sizeof *to);
    snprintf(state, sizeof state, "%.*s", (int)(strlen(name) - strlen("_out")), name);
    return clg_store_read(c->store, state, to, n * sizeof *to);
}

static void compare(tally *t, const torch_case *c, clg_plan *plan, clg_tensor *y, const char *name, double tolerance) {
    const char *file = torch_text(c, "file");
    clg_shape shape;
    int64_t n = 0;
    double *want = golden_tensor(&c->file, name, &shape, &n), largest = 0;
    float *got = malloc((size_t)n * sizeof *got + 1);
    t->tensors++;
    if (!want || !got || (y && !same_shape(clg_tensor_shape(y), shape))) {
        fail(t, file, "%s has %zu bytes in %d axes, the file %lld elements in %d", name, clg_tensor_bytes(y),
             clg_tensor_shape(y).ndim, (long long)n, shape.ndim);
    } else if (read_result(c, plan, y, name, got, (size_t)n) < 0) {
        fail(t, file, "%s: %s", name, clg_error());
    } else {
        const double error = golden_error(got, want, n, &largest);
        if (!(error <= tolerance * largest + 1e-6))
            fail(t, file, "%s is off by %g, its largest is %g", name, error, largest);
    }
    free(want);
    free(got);
}

static clg_tensor *input(const torch_case *c, const char *name) {
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->name[i], name) == 0) return c->input[i];
    return NULL;
}

/* Adds the tensors of the json array `key` to the targets. false: one is not there. */
static bool collect(const torch_case *c, const char *key, const torch_outputs *o, clg_tensor **target,
                    const char **name, int *n) {
    const json_t *names = json_object_get(c->config, key);
    for (size_t i = 0; i < json_array_size(names) && *n < 2 * TORCH_MAX_TENSORS; i++, ++*n) {
        name[*n] = json_string_value(json_array_get(names, i));
        if (!name[*n]) return false;
        if (strcmp(key, "outputs") == 0) {
            target[*n] = strcmp(name[*n], "loss") == 0 ? o->loss : strcmp(name[*n], "y") == 0 ? o->y : NULL;
            if (is_state(name[*n])) continue; /* is read from the store */
        } else {
            clg_tensor *x = input(c, name[*n] + 2); /* behind "d_" */
            clg_vjp(o->loss ? o->loss : o->y, o->loss ? NULL : input(c, "gy"), (clg_list){1, &x}, &target[*n]);
        }
        if (!target[*n]) return false;
    }
    return true;
}

static void run_graph(tally *t, torch_case *c) {
    const char *file = torch_text(c, "file"), *op = torch_text(c, "op"), *why = "", *name[2 * TORCH_MAX_TENSORS];
    const bool network = strcmp(op, "lenet") == 0 || strcmp(op, "mlp") == 0;
    clg_tensor *target[2 * TORCH_MAX_TENSORS];
    torch_outputs o = {0};
    int n = 0, n_outputs = 0;
    c->store = clg_store_create(t->dev, 1);
    c->graph = clg_graph_create(t->dev, c->store);
    if (!make_inputs(c)) return fail(t, file, "an input of the list is not in the file");
    if (!torch_build(c, &o, &why)) return fail(t, file, "%s: not known: %s: %s", op, why, clg_error());
    if (!collect(c, "outputs", &o, target, name, &n) || (n_outputs = n) < 1 ||
        !collect(c, "grads", &o, target, name, &n))
        return fail(t, file, "%s: an output or gradient cannot be made: %s", op, clg_error());
    clg_tensor *list[2 * TORCH_MAX_TENSORS];
    int n_list = 0;
    for (int i = 0; i < n; i++)
        if (target[i]) list[n_list++] = target[i];
    clg_plan *plan = clg_compile(c->graph, (clg_list){n_list, list}, NULL);
    if (!plan || write_all(c, plan) < 0 || clg_run(plan) < 0) fail(t, file, "%s: %s", op, clg_error());
    else
        for (int i = 0; i < n; i++) compare(t, c, plan, target[i], name[i], network ? 1e-4 : 1e-5);
    t->gradients += n - n_outputs;
    clg_plan_destroy(&plan);
}

/* --- optimisers --- */

static clg_status step(clg_plan *plan, clg_store *store, clg_tensor *in, const double *g, float *p, int64_t n) {
    clg_status s = write_input(plan, NULL, in, g, n);
    if (s == CLG_OK) s = clg_run(plan);
    return s == CLG_OK ? clg_store_read(store, "p", p, (size_t)n * sizeof *p) : s;
}

static void run_steps(tally *t, torch_case *c, const double *p0, const double *g, const double *y, clg_shape shape,
                      int64_t n, int64_t steps) {
    const char *file = torch_text(c, "file");
    clg_tensor *p = clg_param(c->graph, "p", CLG_F32, shape, CLG_INIT_ZERO);
    clg_tensor *in = clg_input(c->graph, "g", CLG_F32, shape);
    clg_tensor *effect = torch_step(c, p, in);
    clg_plan *plan = effect ? clg_compile(c->graph, CLG_LIST(effect), NULL) : NULL;
    float *host = malloc((size_t)n * sizeof *host + 1);
    for (int64_t i = 0; host && i < n; i++) host[i] = (float)p0[i];
    if (!plan || !host || clg_store_write(c->store, "p", host, (size_t)n * sizeof *host) < 0)
        fail(t, file, "optimizer %s: %s", torch_text(c, "optimizer"), effect ? clg_error() : "not known");
    else
        for (int64_t k = 0; k < steps; k++) {
            double largest = 0;
            if (step(plan, c->store, in, g + k * n, host, n) < 0) fail(t, file, "%s", clg_error());
            const double error = golden_error(host, y + k * n, n, &largest);
            t->tensors++;
            if (!(error <= 1e-5 * largest + 1e-6)) fail(t, file, "step %lld is off by %g", (long long)k, error);
        }
    free(host);
    clg_plan_destroy(&plan);
}

static void run_optimiser(tally *t, torch_case *c) {
    clg_shape shape, all;
    int64_t n = 0, total = 0, check = 0;
    double *p0 = golden_tensor(&c->file, "p0", &shape, &n), *g = golden_tensor(&c->file, "g", &all, &total),
           *y = golden_tensor(&c->file, "y", &all, &check);
    c->store = clg_store_create(t->dev, 1);
    c->graph = clg_graph_create(t->dev, c->store);
    if (p0 && g && y && n > 0 && total == check && total % n == 0)
        run_steps(t, c, p0, g, y, shape, n, total / n);
    else
        fail(t, torch_text(c, "file"), "p0, g and y do not fit");
    free(p0), free(g), free(y);
}

/* --- the directory --- */

static void run_case(tally *t, const json_t *config) {
    torch_case c = {.config = config};
    char path[2048];
    t->cases++;
    snprintf(path, sizeof path, "%s/%s", t->dir, torch_text(&c, "file"));
    if (!golden_open(path, &c.file)) return fail(t, path, "cannot be read");
    if (strcmp(torch_text(&c, "op"), "optim") == 0) run_optimiser(t, &c);
    else run_graph(t, &c);
    clg_graph_destroy(&c.graph);
    clg_store_destroy(&c.store);
    golden_close(&c.file);
}

static bool exists(const char *path) {
    struct stat s;
    return stat(path, &s) == 0;
}

/* A relative directory is taken from here, from where the shell stood, or from the source tree: meson changes the
 * folder before it starts a test. */
static const char *find_directory(const char *given, char *path, size_t size) {
    const char *const bases[] = {".", getenv("PWD"), getenv("CLGRAD_SOURCE")};
    if (!given || !*given) return golden_path("torch", path, size);
    for (int i = 0; i < 3 && given[0] != '/'; i++) {
        snprintf(path, size, "%s/%s/cases.json", bases[i] ? bases[i] : ".", given);
        if (!exists(path)) continue;
        path[strlen(path) - strlen("/cases.json")] = 0;
        return path;
    }
    return given;
}

/* --- workers: most of the time goes into building kernels, one case after the other --- */

/* Runs the cases worker, worker + workers, ... in a process of its own; its tally comes through the pipe. */
static pid_t start_worker(const json_t *all, const char *dir, int worker, int workers, int *from) {
    int ends[2];
    if (pipe(ends) < 0) return -1;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        tally t = {.dir = dir, .dev = clg_device_open(NULL, NULL)};
        if (!t.dev) fail(&t, dir, "%s", clg_error());
        for (size_t i = (size_t)worker; t.dev && i < json_array_size(all); i += (size_t)workers)
            run_case(&t, json_array_get(all, i));
        clg_device_destroy(&t.dev);
        const bool told = write(ends[1], &t, sizeof t) == (ssize_t)sizeof t;
        fflush(NULL);
        _exit(told ? 0 : 1);
    }
    close(ends[1]);
    *from = ends[0];
    return pid;
}

static bool add_worker(tally *sum, pid_t pid, int from) {
    tally t;
    int status = 0;
    const bool told = pid > 0 && read(from, &t, sizeof t) == (ssize_t)sizeof t;
    if (pid > 0) waitpid(pid, &status, 0);
    if (pid > 0) close(from);
    if (!told || status != 0) return false;
    sum->cases += t.cases;
    sum->tensors += t.tensors;
    sum->gradients += t.gradients;
    sum->failures += t.failures;
    return true;
}

int main(int argc, char **argv) {
    enum { MAX_WORKERS = 16 };
    char path[1024], list[2048];
    tally t = {.dir = find_directory(argc > 1 ? argv[1] : getenv("CLG_TORCH_CASES"), path, sizeof path)};
    snprintf(list, sizeof list, "%s/cases.json", t.dir);
    json_error_t error;
    json_t *all = json_load_file(list, 0, &error);
    if (!all) {
        fprintf(stderr, "%s: %s\n", list, error.text);
        return 1;
    }
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int workers = cores < 1 ? 1 : cores > MAX_WORKERS ? MAX_WORKERS : (int)cores;
    pid_t pid[MAX_WORKERS];
    int from[MAX_WORKERS], lost = 0;
    for (int i = 0; i < workers; i++) pid[i] = start_worker(all, t.dir, i, workers, &from[i]);
    for (int i = 0; i < workers; i++) lost += !add_worker(&t, pid[i], from[i]);
    if (lost > 0) fprintf(stderr, "FAILED: %d of %d processes died\n", lost, workers);
    printf("%d of %zu configurations of %s ran: %d tensors compared, %d of them gradients; %d failures\n", t.cases,
           json_array_size(all), t.dir, t.tensors, t.gradients, t.failures);
    const bool whole = (size_t)t.cases == json_array_size(all) && t.cases > 0;
    json_decref(all);
    return !whole || lost > 0 || t.failures > 0;
}

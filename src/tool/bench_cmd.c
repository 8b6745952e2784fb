/* `clgrad bench`: everything that can be measured on a device, in one file that can be sent in. The parts are the
 * programs clgrad-bench*, and this one (devices, doctor), each run by itself: what fails or takes too long is written
 * down, and the rest goes on. */
#define _POSIX_C_SOURCE 200809L
#include "tool/tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char intro[] =
    "Measures a device and writes one JSON file: what the device is, whether every\n"
    "operation is right on it (clgrad doctor), its peak, each operation by each\n"
    "implementation, training and inference of whole networks, the cost of launches\n"
    "and of whole runs with and without replay.\n"
    "The parts share the budget by their weight; one that takes longer is stopped,\n"
    "and what it has measured by then is kept. Leave the machine alone meanwhile.\n"
    "For numbers of tuned kernels run clgrad tune before.";

static const char outro[] =
    "Examples\n"
    "  clgrad bench --all                          the default device, 10 minutes\n"
    "  clgrad bench --all --device gpu --budget 30m --out my-gpu.json\n"
    "  clgrad bench --part peak,train              two parts of it\n\n"
    "The file can be sent in: benchmarks/results/README.md of the sources says how.";

enum { MAX_ARGS = 12, LINE = 1 << 16 };

/* A part: a program, its fixed arguments, and how it is told to hurry. */
static const struct part {
    const char *name, *program, *arg[5];
    double weight, least, most; /* of the budget; seconds a row: weight x budget / rows, between these; 0: no option */
    int    rows;
} parts[] = {
    {"device", "clgrad", {"devices"}, 0, 0, 0, 0},
    {"doctor", "clgrad", {"doctor"}, 0.3, 0, 0, 0},
    {"peak", "clgrad-bench-peak", {NULL}, 0.05, 0.001, 0.05, 100},
    {"ops", "clgrad-bench", {"--impl", "all"}, 0.35, 0.001, 0.2, 400},
    {"train", "clgrad-bench-train", {NULL}, 0.12, 0.001, 2, 20},
    {"infer", "clgrad-bench-infer", {NULL}, 0.12, 0.001, 1, 20},
    {"latency", "clgrad-bench-latency", {NULL}, 0.06, 0.001, 1.5, 45},
};
enum { N_PARTS = sizeof parts / sizeof parts[0] };

typedef struct request {
    bool        all;
    const char *part, *device, *out, *budget_text;
    double      budget, weights; /* of all parts that are wanted */
    bool        add;
} request;

/* --- finding the programs --- */

/* Beside this program, or where the build puts it, or anywhere in $PATH. */
static void find_program(const char *name, char *path, size_t size) {
    static const char *const places[] = {"", "../../benchmarks/"};
    char self[2048];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash && strcmp(name, "clgrad") == 0) {
        snprintf(path, size, "%s", self);
        return;
    }
    for (int i = 0; slash && i < 2; i++) {
        slash[1] = 0;
        snprintf(path, size, "%s%s%s", self, places[i], name);
        if (access(path, X_OK) == 0) return;
    }
    snprintf(path, size, "%s", name);
}

/* --- running one --- */

typedef struct child {
    pid_t  pid;
    int    from;   /* its JSON lines */
    FILE  *errors; /* its messages */
    bool   stopped;
    int    status;
} child;

static bool start(child *c, char *const *argv) {
    int ends[2];
    posix_spawn_file_actions_t acts;
    if (!(c->errors = tmpfile()) || pipe(ends) != 0) return false;
    bool ok = posix_spawn_file_actions_init(&acts) == 0;
    ok = ok && posix_spawn_file_actions_adddup2(&acts, ends[1], 1) == 0 &&
         posix_spawn_file_actions_adddup2(&acts, fileno(c->errors), 2) == 0 &&
         posix_spawn_file_actions_addclose(&acts, ends[0]) == 0 &&
         posix_spawnp(&c->pid, argv[0], &acts, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&acts);
    close(ends[1]);
    c->from = ends[0];
    return ok;
}

/* Takes whole lines out of text as JSON objects; what is no JSON is no result. */
static void take_lines(char *text, size_t *n, json_t *rows) {
    char *begin = text, *end;
    while ((end = memchr(begin, '\n', *n - (size_t)(begin - text))) != NULL) {
        *end = 0;
        json_t *row = json_loads(begin, 0, NULL);
        if (row) json_array_append_new(rows, row);
        begin = end + 1;
    }
    *n -= (size_t)(begin - text);
    memmove(text, begin, *n);
    if (*n == LINE) *n = 0;
}

/* Reads what it prints until it ends, or until it is stopped after so many seconds. */
static void follow(child *c, double seconds, json_t *rows) {
    static char text[LINE];
    size_t have = 0;
    const double end = clg_tool_now() + seconds;
    for (;;) {
        const double left = end - clg_tool_now();
        struct pollfd p = {.fd = c->from, .events = POLLIN};
        const int ready = poll(&p, 1, left > 0 && !c->stopped ? (int)(1000 * left) + 1 : 5000);
        if (ready == 0 || (ready < 0 && errno != EINTR)) {
            kill(c->pid, c->stopped ? SIGKILL : SIGTERM);
            if (c->stopped) break;
            c->stopped = true;
            continue;
        }
        const ssize_t n = ready > 0 ? read(c->from, text + have, LINE - have) : -1;
        if (n == 0 || (n < 0 && errno != EINTR)) break;
        if (n > 0) have += (size_t)n;
        take_lines(text, &have, rows);
    }
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) {}
}

/* The last line of its messages. */
static void last_message(FILE *f, char *text, size_t size) {
    char line[512];
    *text = 0;
    rewind(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (*line) snprintf(text, size, "%s", line);
    }
}

static json_t *words(char *const *argv) {
    json_t *all = json_array();
    for (; *argv; argv++) json_array_append_new(all, json_string(*argv));
    return all;
}

static json_t *run_part(const request *r, const struct part *p) {
    char path[4096], seconds[32], message[512] = "it could not be started", device[] = "--device", json[] = "--json";
    char dash[] = "-", option[] = "--seconds", when[32];
    char *argv[MAX_ARGS] = {path};
    int n = 1;
    child c = {.from = -1};
    const double share = r->weights > 0 ? p->weight / r->weights * r->budget : 0, begin = clg_tool_now();
    double each = p->rows ? share / p->rows : 0;
    each = each < p->least ? p->least : each > p->most ? p->most : each;
    json_t *rows = json_array();
    const time_t now = time(NULL);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    find_program(p->program, path, sizeof path);
    for (int i = 0; i < 5 && p->arg[i]; i++) argv[n++] = (char *)p->arg[i]; /* posix_spawn() changes nothing */
    if (r->device) argv[n++] = device, argv[n++] = (char *)r->device;
    if (p->rows) snprintf(seconds, sizeof seconds, "%.4f", each), argv[n++] = option, argv[n++] = seconds;
    argv[n++] = json, argv[n++] = dash, argv[n] = NULL;
    bool ok = start(&c, argv);
    if (ok) {
        follow(&c, share > 10 ? share : 10, rows);
        last_message(c.errors, message, sizeof message);
        ok = !c.stopped && WIFEXITED(c.status) && WEXITSTATUS(c.status) == 0;
    }
    if (c.from >= 0) close(c.from);
    if (c.errors) fclose(c.errors);
    fprintf(stderr, "clgrad: bench: %-8s %4d results in %.0f s%s%s\n", p->name, (int)json_array_size(rows),
            clg_tool_now() - begin, c.stopped ? ", stopped: its time was over" : ok ? "" : ", failed: ",
            c.stopped || ok ? "" : message);
    argv[0] = (char *)p->program;
    return json_pack("{s:s, s:s, s:o, s:f, s:f, s:b, s:b, s:s, s:o}", "part", p->name, "made", when, "command",
                     words(argv), "seconds", clg_tool_now() - begin, "seconds_a_row", each, "ok", ok, "stopped",
                     c.stopped, "message", ok ? "" : message, "results", rows);
}

/* --- the file --- */

static int write_file(const char *path, const json_t *all) {
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
    if (!text) return clg_tool_error(CLG_EXIT_FAILED, "bench: out of memory");
    const int code = clg_tool_replace("bench", path, text, strlen(text));
    free(text);
    return code;
}

static bool is_wanted(const request *r, const char *name) {
    return r->all || (r->part && clg_opt_lists(r->part, name));
}

/* What an OpenCL device does not say of itself. No names: the file is meant to be sent in. */
static json_t *host(void) {
    struct utsname u = {.sysname = ""};
    (void)uname(&u); /* else "" is what is known */
    return json_pack("{s:s, s:s, s:s, s:I}", "system", u.sysname, "release", u.release, "machine", u.machine, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN));
}

/* A new file, or the present one, to which parts are added: of the same version and device, as it has one of each. */
static int open_file(const request *r, json_t **all) {
    const char *device = r->device ? r->device : "";
    *all = r->add ? json_load_file(r->out, 0, NULL) : NULL;
    if (!*all && (!r->add || access(r->out, F_OK) != 0)) {
        *all = json_pack("{s:s, s:o, s:s, s:[]}", "clgrad", clg_version(), "host", host(), "device", device, "parts");
        return *all ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FAILED, "bench: out of memory");
    }
    const char *version = json_string_value(json_object_get(*all, "clgrad"));
    const char *of = json_string_value(json_object_get(*all, "device"));
    if (!json_is_array(json_object_get(*all, "parts"))) version = NULL;
    if (version && of && strcmp(version, clg_version()) == 0 && strcmp(of, device) == 0) return CLG_EXIT_OK;
    if (!version || !of)
        return clg_tool_error(CLG_EXIT_FILE, "bench: --add: %s is no file of clgrad bench", r->out);
    return clg_tool_error(CLG_EXIT_FILE, "bench: --add: %s was made by clgrad %s with --device \"%s\", but this is "
                          "clgrad %s with \"%s\": give another --out", r->out, version, of, clg_version(), device);
}

/* In the place of an older one of this name. */
static void put_part(json_t *all, const char *name, json_t *part) {
    json_t *list = json_object_get(all, "parts");
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *old = json_string_value(json_object_get(json_array_get(list, i), "part"));
        if (old && strcmp(old, name) == 0) json_array_remove(list, i);
    }
    json_array_append_new(list, part);
}

static int run(const request *r) {
    json_t *all = NULL;
    int code = open_file(r, &all);
    for (int i = 0; i < N_PARTS && code == CLG_EXIT_OK; i++)
        if (is_wanted(r, parts[i].name)) put_part(all, parts[i].name, run_part(r, &parts[i]));
    if (code == CLG_EXIT_OK) code = write_file(r->out, all);
    json_decref(all);
    if (code == CLG_EXIT_OK) fprintf(stderr, "clgrad: bench: %s is written\n", r->out);
    return code;
}

int clg_cmd_bench(int argc, char **argv) {
    request r = {.out = "clgrad-bench.json", .budget_text = "10m"};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_FLAG, "all", NULL, &r.all, "all parts", .given = NULL},
        {CLG_OPT_TEXT, "part", "A,B", &r.part, "only these: device, doctor, peak, ops, train, infer,\nlatency",
         .given = NULL},
        {CLG_OPT_TEXT, "budget", "TIME", &r.budget_text, "for all parts together: 90s, 10m, 2h", .given = NULL},
        {CLG_OPT_TEXT, "out", "FILE", &r.out, "where the numbers go", .given = NULL},
        {CLG_OPT_FLAG, "add", NULL, &r.add, "keep the other parts that are in FILE", .given = NULL},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad bench --all [OPTIONS]", intro, options, outro, NULL, 0};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    r.budget = clg_opt_seconds(r.budget_text);
    if (r.budget == 0)
        return clg_tool_error(CLG_EXIT_USAGE, "bench: --budget %s is no time: give 90s, 10m or 2h", r.budget_text);
    bool any = false;
    for (int i = 0; i < N_PARTS; i++) {
        if (!is_wanted(&r, parts[i].name)) continue;
        r.weights += parts[i].weight;
        any = true;
    }
    if (!any)
        return clg_tool_error(CLG_EXIT_USAGE, "bench: nothing to measure: give --all, or --part with some of device, "
                              "doctor, peak, ops, train, infer, latency");
    code = clg_tool_check_output("--out", r.out);
    if (code != CLG_EXIT_OK) return code;
    if (clg_device_find(r.device) < 0) return clg_tool_fail();
    return run(&r);
}

/* A window of steps as a trace: see traced.h. */
#include "tool/traced.h"
#include <errno.h>
#include <stdlib.h>

enum { MOST_STEPS = 1000000000 };

/* "10..60" */
static bool read_window(const char *text, clg_traced *t) {
    char *end;
    errno = 0;
    t->first = strtoll(text, &end, 10);
    if (end == text || end[0] != '.' || end[1] != '.') return false;
    const char *second = end + 2;
    t->last = strtoll(second, &end, 10);
    return end != second && *end == 0 && errno == 0 && t->first >= 1 && t->last >= t->first && t->last <= MOST_STEPS;
}

int clg_traced_parse(const clg_traced_options *o, const char *command, clg_traced *t) {
    *t = (clg_traced){.path = o->path};
    if (!read_window(o->steps ? o->steps : CLG_TRACED_STEPS, t))
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --trace-steps %s: give the first and the last step, counted from 1, "
                              "such as " CLG_TRACED_STEPS, command, o->steps);
    if (o->steps && !o->path)
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --trace-steps says which steps --trace FILE records: give that too",
                              command);
    return clg_tool_check_output("trace", o->path);
}

static void name_step(const clg_traced *t) {
    char name[40];
    snprintf(name, sizeof name, "step %lld", (long long)t->done + 1);
    clg_trace_begin(t->trace, name);
}

/* The window begins with the next step, if that is its first. */
static int open_window(clg_traced *t) {
    if (!t->path || t->trace || t->written || t->done + 1 < t->first) return CLG_EXIT_OK;
    t->trace = clg_trace_create(0);
    if (!t->trace) return clg_tool_fail();
    for (int i = 0; i < t->n_devices; i++)
        if (clg_trace_device(t->trace, t->devices[i]) < 0) return clg_tool_fail();
    name_step(t);
    return CLG_EXIT_OK;
}

static int write_window(clg_traced *t) {
    t->written = true;
    const int code = clg_trace_save(t->trace, t->path) < 0 ? clg_tool_fail() : CLG_EXIT_OK;
    clg_trace_destroy(&t->trace);
    return code;
}

int clg_traced_begin(clg_traced *t, clg_device *const *devices, int n) {
    t->devices = devices;
    t->n_devices = n;
    return open_window(t);
}

int clg_traced_step(clg_traced *t) {
    clg_trace_end(t->trace);
    t->done++;
    if (!t->trace) return open_window(t);
    if (t->done >= t->last) return write_window(t);
    name_step(t);
    return CLG_EXIT_OK;
}

int clg_traced_end(clg_traced *t) {
    if (t->trace && t->done >= t->first) return write_window(t);
    clg_trace_destroy(&t->trace); /* the window was open, but its first step did not come */
    if (!t->path || t->written) return CLG_EXIT_OK;
    return clg_tool_error(CLG_EXIT_OK, "--trace %s was not written: the run had %lld steps, and the window begins with "
                          "step %lld; see --trace-steps", t->path, (long long)t->done, (long long)t->first);
}

/* See network.h. */
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void clg_network_close(clg_network *n) {
    clg_plan_destroy(&n->plan);
    clg_graph_destroy(&n->graph);
    clg_store_destroy(&n->store);
}

clg_status clg_network_open(clg_device *dev, const bench_net *m, const clg_network_params *p, clg_network *n) {
    const int64_t width = p->width ? p->width : m->width;
    const int64_t rows = p->size ? p->size : m->shape[1], columns = p->size ? p->size : m->shape[2];
    *n = (clg_network){.store = clg_store_create(dev, 1)};
    n->graph = clg_graph_create(dev, n->store);
    n->x = clg_input(n->graph, "x", CLG_F32, CLG_SHAPE(p->batch, m->shape[0], rows, columns));
    n->y = m->build(n->x, width);
    clg_tensor *step = NULL;
    if (p->train) {
        n->labels = clg_input(n->graph, "labels", CLG_I32, CLG_SHAPE(p->batch));
        n->y = clg_cross_entropy(n->y, n->labels);
        step = clg_sgd(n->y, clg_optim_params(.lr = 0.01, .momentum = p->momentum));
    }
    n->plan = clg_compile(n->graph, p->train ? CLG_LIST(n->y, step) : CLG_LIST(n->y),
                          clg_plan_params(.inference = !p->train, .queues = (int)p->queues,
                                          .replay = p->replay));
    clg_status s = n->plan ? bench_net_fill(n->plan, n->x, m->classes) : clg_error_status();
    if (s == CLG_OK && n->labels) s = bench_net_fill(n->plan, n->labels, m->classes);
    if (s != CLG_OK) clg_network_close(n);
    return s;
}

int clg_numbers(const char *option, const char *text, int64_t *out, int max) {
    int n = 0;
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        const long long v = strtoll(at, &end, 10);
        if (end == at || errno || v < 1 || n == max || (*end && *end != ',')) {
            clg_tool_error(CLG_EXIT_USAGE, "--%s %s: needs 1 to %d positive numbers with commas, such as 1,8", option,
                           text, max);
            return -1;
        }
        out[n++] = v;
        if (!*end) return n;
        at = end;
    }
}

int clg_network_report(clg_plan *plan, const char *path) {
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!path) return CLG_EXIT_OK;
    if (!f) return clg_tool_error(CLG_EXIT_FILE, "--report %s: %s", path, strerror(errno));
    const clg_status s = clg_plan_report(plan, CLG_REPORT_JSON, f);
    if (fclose(f) != 0) return clg_tool_error(CLG_EXIT_FILE, "--report %s: %s", path, strerror(errno));
    return s == CLG_OK ? CLG_EXIT_OK : clg_tool_fail();
}

double clg_network_megabytes(const clg_plan_info *i) {
    return 1e-6 * (double)(i->bytes_arena + i->bytes_fixed + i->bytes_params);
}

double clg_process_megabytes(const char *line) {
    char text[256];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(text, sizeof text, f))
        if (strncmp(text, line, strlen(line)) == 0) kilobytes = atof(text + strlen(line));
    if (f) fclose(f);
    return kilobytes * 1024e-6;
}

void clg_process_forget_peak(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    (void)fputs("5", f); /* man 5 proc */
    (void)fclose(f);
}

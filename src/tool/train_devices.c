/* The devices of `clgrad train --device A,B`: opening, the split that was asked for, and what each of them has done. */
#include "tool/train.h"
#include <stdlib.h>
#include <string.h>

/* --- opening --- */

static int read_split(clg_train_run *r) {
    const char *text = r->o.out.split, *at = text;
    int64_t sum = 0;
    int n = 0;
    if (!text) return CLG_EXIT_OK;
    for (char *end; n < CLG_TRAIN_DEVICES; at = end + 1) {
        r->split[n] = strtoll(at, &end, 10);
        if (end == at || (*end && *end != ',') || r->split[n] < 0 || r->split[n] > CLG_MAX_BATCH)
            return clg_tool_error(CLG_EXIT_USAGE, "train: --split %s: give rows for each device, as in 40,24", text);
        sum += r->split[n++];
        if (!*end) break;
    }
    if (n != r->n_devs)
        return clg_tool_error(CLG_EXIT_USAGE, "train: --split %s: has %d numbers, but there %s %d device%s", text, n,
                              r->n_devs == 1 ? "is" : "are", r->n_devs, r->n_devs == 1 ? "" : "s");
    if (sum != r->o.batch)
        return clg_tool_error(CLG_EXIT_USAGE, "train: --split %s: is %lld rows together, but --batch is %lld", text,
                              (long long)sum, (long long)r->o.batch);
    r->fit.split = r->split;
    return CLG_EXIT_OK;
}

int clg_train_open_devices(clg_train_run *r) {
    const clg_device_params p = {.profiling = r->o.out.trace.path != NULL};
    const char *which = r->o.out.device, *stop = r->o.out.on_failure;
    if (which && strchr(which, ',')) {
        const int n = clg_devices_open(which, &p, r->devs, CLG_TRAIN_DEVICES);
        if (n < 0) return clg_tool_fail_usage();
        r->n_devs = n;
    } else {
        r->devs[0] = clg_device_open(which, &p);
        if (!r->devs[0]) return clg_tool_fail();
        r->n_devs = 1;
    }
    r->dev = r->devs[0];
    r->fit.devices = r->devs + 1;
    r->fit.n_devices = r->n_devs - 1;
    r->fit.on_failure = stop && strcmp(stop, "stop") == 0 ? CLG_FAILED_STOP : CLG_FAILED_DROP;
    return read_split(r);
}

void clg_train_close_devices(clg_train_run *r) {
    for (int i = 0; i < r->n_devs; i++) clg_device_destroy(&r->devs[i]);
}

/* --- telling --- */

void clg_train_print_devices(const clg_train_run *r) {
    for (int i = 0; i < r->n_devs; i++) {
        clg_device_info d;
        clg_device_get_info(r->devs[i], &d);
        fprintf(r->table, "%-8s %s (%s)", i == 0 ? r->n_devs > 1 ? "devices" : "device" : "", d.name, d.platform);
        if (r->fit.split) fprintf(r->table, ": %lld rows of a batch", (long long)r->split[i]);
        fprintf(r->table, "\n");
    }
}

static json_t *worker_json(const clg_worker *w) {
    return json_pack("{s:s, s:I, s:o, s:b, s:s}", "device", w->name, "rows", (json_int_t)w->rows, "rows_per_second",
                     w->rows_per_second > 0 ? json_real(w->rows_per_second) : json_null(), "dropped", (int)w->dropped,
                     "why", w->why);
}

static void print_worker(FILE *to, int i, const clg_worker *w) {
    char rate[32] = "-";
    if (w->rows_per_second > 0) snprintf(rate, sizeof rate, "%.0f", w->rows_per_second);
    fprintf(to, "%6d  %4lld  %8s  %s%s%s\n", i + 1, (long long)w->rows, rate, w->name, w->dropped ? "; dropped: " : "",
            w->why);
}

int clg_train_tell_devices(clg_train_run *r) {
    clg_worker w[CLG_TRAIN_DEVICES];
    json_t *all = r->n_devs > 1 ? json_array() : NULL;
    const int n = clg_trainer_workers(r->trainer, w, CLG_TRAIN_DEVICES);
    if (r->n_devs == 1) return CLG_EXIT_OK;
    fprintf(r->table, "\ndevice  rows    rows/s  of each batch; rows a second in the first steps, beside the others\n");
    for (int i = 0; i < n; i++) {
        print_worker(r->table, i, &w[i]);
        (void)json_array_append_new(all, worker_json(&w[i]));
    }
    for (int i = n; i-- > 0;)
        if (!w[i].dropped) r->dev = r->devs[i];
    fflush(r->table);
    if (json_array_size(all) == (size_t)n) return clg_jsonl_write(r->json, json_pack("{s:o}", "devices", all));
    json_decref(all);
    return clg_tool_error(CLG_EXIT_FAILED, "no memory");
}

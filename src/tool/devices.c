/* `clgrad devices`: what is here, and what would be chosen. */
#include "tool/tool.h"
#include <string.h>

static const char intro[] =
    "Lists the OpenCL devices of this machine and, last, \"ref\": the reference in\n"
    "plain C, slow and exact, which needs no OpenCL. The device that would be used\n"
    "now has a star. Choose another by its index or by platform:type:name, each part\n"
    "optional and case ignored, in --device or in the environment variable\n"
    "CLGRAD_DEVICE. \"#i/n\" behind it is part i of n equal parts of a device.";

static const char outro[] =
    "Examples\n"
    "  clgrad devices\n"
    "  clgrad devices --device gpu          would there be one?\n"
    "  CLGRAD_DEVICE=pocl clgrad train      by platform\n"
    "  clgrad train --device nvidia:gpu:1   the second one\n"
    "  clgrad train --device pocl#0/2       the first half of its cores";

static const char *const type_names[] = {"cpu", "gpu", "accel", "ref"};

static void print_text(FILE *to, int i, bool chosen, const clg_device_info *d) {
    fprintf(to, "%c %d  %-5s  %s\n", chosen ? '*' : ' ', i, type_names[d->type], d->name);
    if (d->type == CLG_DEVICE_REF) return;
    fprintf(to, "            %s; %s; driver %s\n", d->platform, d->version, d->driver);
    fprintf(to, "            %d compute units, %.1f GB memory, one buffer up to %.1f GB, %.0f KB local memory\n",
            d->compute_units, (double)d->mem_total / 1e9, (double)d->mem_max_alloc / 1e9, (double)d->local_mem / 1024);
    fprintf(to, "            fp64 %s, fp16 %s, command buffers %s, subgroups %s, %s memory\n", d->fp64 ? "yes" : "no",
            d->fp16 ? "yes" : "no", d->command_buffer ? "yes" : "no", d->subgroups ? "yes" : "no",
            d->unified_memory ? "shared" : "its own");
    if (d->quirks[0]) fprintf(to, "            driver faults worked around: %s\n", d->quirks);
}

/* What is excluded on the one that would be used: only an opened device tells. */
static void print_excluded(FILE *to, const char *which) {
    const char *name, *why = "";
    clg_device *dev = clg_device_open(which, NULL);
    for (int i = 0; dev && (name = clg_impl_excluded(dev, i, &why)) != NULL; i++)
        fprintf(to, "            excluded here (clgrad doctor --forget): %s: %s\n", name, why);
    clg_device_destroy(&dev);
}

static json_t *device_json(int i, bool chosen, const clg_device_info *d) {
    return json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:b, s:s}",
                     "index", i, "chosen", chosen, "type", type_names[d->type], "name", d->name, "platform",
                     d->platform, "vendor", d->vendor, "driver", d->driver, "version", d->version, "compute_units",
                     d->compute_units, "mem_total", (json_int_t)d->mem_total, "mem_max_alloc",
                     (json_int_t)d->mem_max_alloc, "local_mem", (json_int_t)d->local_mem, "max_group",
                     (json_int_t)d->max_group, "fp16", d->fp16, "fp64", d->fp64, "command_buffer",
                     d->command_buffer, "subgroups", d->subgroups, "unified_memory", d->unified_memory, "quirks",
                     d->quirks);
}

static int list(int chosen, const char *which, const char *json) {
    clg_jsonl *lines = NULL;
    FILE *table = clg_jsonl_table(json);
    int code = clg_jsonl_open(json, &lines);
    for (int i = 0; code == CLG_EXIT_OK && i < clg_device_count(); i++) {
        clg_device_info d;
        if (clg_device_list(i, &d) < 0) {
            code = clg_tool_fail();
            break;
        }
        print_text(table, i, i == chosen, &d);
        if (i == chosen && d.type != CLG_DEVICE_REF) print_excluded(table, which);
        code = clg_jsonl_write(lines, device_json(i, i == chosen, &d));
    }
    clg_jsonl_close(&lines);
    return code;
}

int clg_cmd_devices(int argc, char **argv) {
    const char *device = NULL, *json = NULL;
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        {CLG_OPT_TEXT, "device", "D", &device, "mark what this would choose; exit code 3 if nothing\nfits",
         .given = NULL},
        {CLG_OPT_TEXT, "json", "FILE", &json, "write a JSON line for each device; - is stdout", .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad devices [OPTIONS]", intro, options, outro, NULL, 0};
    const int stop = clg_opt_parse(&usage, argc, argv);
    if (stop >= 0) return stop;
    const int chosen = clg_device_find(device);
    const int code = list(chosen, device, json);
    return code == CLG_EXIT_OK && chosen < 0 ? clg_tool_fail() : code;
}

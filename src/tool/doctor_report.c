/* The doctor's report: one JSON object with all that a bug report needs: device, driver, limits, each op's results,
 * each failure with the command that repeats it, and the verdict. The file is written anew before each op, so that it
 * is there, and names the op, when a driver takes the program down with it. */
#include "tool/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct clg_doctor_report {
    const char *path;
    json_t     *root, *ops, *failures, *verdict;
};

static json_t *system_json(void) {
    struct utsname u;
    if (uname(&u) < 0) return json_null();
    return json_pack("{s:s,s:s,s:s}", "name", u.sysname, "release", u.release, "machine", u.machine);
}

/* A text, or null. Drivers' names and build logs need not be UTF-8, nor end between characters: what cannot stand in
 * JSON becomes "?". */
static json_t *text_or_null(const char *text) {
    json_t *j = text ? json_string(text) : json_null();
    char *plain = j ? NULL : strdup(text);
    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    if (plain) j = json_string(plain);
    free(plain);
    return j;
}

static json_t *seed_text(uint64_t seed) { /* as text: JSON numbers end before 2^64 */
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return json_string(text);
}

static json_t *device_json(const clg_device *dev) {
    static const char *const types[] = {"cpu", "gpu", "accel", "ref"};
    clg_device_info i;
    clg_device_get_info(dev, &i);
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:s,s:{s:i,s:I,s:I,s:I,s:I},s:{s:b,s:b,s:b,s:b,s:b},s:o}",
        "name", text_or_null(i.name), "platform", text_or_null(i.platform), "vendor", text_or_null(i.vendor),
        "driver", text_or_null(i.driver), "version", text_or_null(i.version), "type", types[i.type],
        "limits", "compute_units", i.compute_units, "mem_total", (json_int_t)i.mem_total, "mem_max_alloc",
        (json_int_t)i.mem_max_alloc, "local_mem", (json_int_t)i.local_mem, "max_group", (json_int_t)i.max_group,
        "features", "fp16", i.fp16, "fp64", i.fp64, "command_buffer", i.command_buffer, "subgroups", i.subgroups,
        "unified_memory", i.unified_memory, "quirks", text_or_null(i.quirks ? i.quirks : ""));
}

int clg_doctor_report_open(const char *path, clg_device *dev, const clg_doctor_selection *s,
                           clg_doctor_report **out) {
    clg_doctor_report *r = *out = calloc(1, sizeof *r);
    if (r) {
        *r = (clg_doctor_report){path, json_object(), json_array(), json_array(), json_object()};
        json_object_set_new(r->root, "report", json_string("clgrad doctor"));
        json_object_set_new(r->root, "format", json_integer(1));
        json_object_set_new(r->root, "clgrad", json_string(clg_version()));
        json_object_set_new(r->root, "system", system_json());
        json_object_set_new(r->root, "device", device_json(dev));
        json_object_set_new(r->root, "excluded", clg_doctor_excluded_json(dev));
        json_object_set_new(r->root, "selection", json_pack("{s:o,s:o,s:o,s:i,s:o}", "device", text_or_null(s->device),
            "op", text_or_null(s->op), "impl", text_or_null(s->impl), "case", (int)s->number, "seed",
            seed_text(s->seed)));
        json_object_set(r->root, "ops", r->ops);
        json_object_set(r->root, "failures", r->failures);
        json_object_set(r->root, "verdict", r->verdict);
    }
    if (!r || !r->root || json_object_size(r->root) < 10) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    return CLG_EXIT_OK;
}

void clg_doctor_report_close(clg_doctor_report **r) {
    if (!*r) return;
    json_decref((*r)->root);
    json_decref((*r)->ops);
    json_decref((*r)->failures);
    json_decref((*r)->verdict);
    free(*r);
    *r = NULL;
}

static json_t *form_json(const clg_form_result *f) {
    return json_pack("{s:i,s:i,s:o,s:o,s:b}", "case", f->number, "plans", f->plans, "max_error",
                     clg_json_real(f->max_error), "bound", clg_json_real(f->bound), "pass", f->pass);
}

void clg_doctor_report_op(clg_doctor_report *r, const clg_check_result *c) {
    json_t *op = json_pack("{s:s,s:b,s:i,s:i,s:i,s:o,s:o,s:o,s:b,s:f}", "op", c->op, "pass", c->pass, "cases", c->cases,
        "plans", c->runs, "implementations", c->impls, "max_error", clg_json_real(c->max_error), "bound",
        clg_json_real(c->bound), "max_ulp", clg_json_real(c->max_ulp), "deterministic", c->deterministic, "seconds",
        c->seconds);
    json_t *forms = json_object();
    for (int f = 0; f < CLG_FORM_COUNT; f++)
        if (c->form[f].number >= 0)
            json_object_set_new(forms, clg_form_name((enum clg_form_kind)f), form_json(&c->form[f]));
    json_object_set_new(op, "gradient", json_pack("{s:i,s:o,s:o}", "compared", c->gradients, "max_error",
        clg_json_real(c->max_gradient_error), "bound", clg_json_real(CLG_GRADIENT_BOUND)));
    json_object_set_new(op, "second_derivative", json_pack("{s:i,s:o,s:o}", "compared", c->curvatures, "max_error",
        clg_json_real(c->max_curvature_error), "bound", clg_json_real(CLG_CURVATURE_BOUND)));
    json_object_set_new(op, "huge_operands", json_integer(c->sizes));
    json_object_set_new(op, "forms", forms);
    json_array_append_new(r->ops, op);
}

void clg_doctor_report_failure(clg_doctor_report *r, const clg_check_failure *f, const char *command) {
    json_array_append_new(r->failures, json_pack("{s:s,s:i,s:o,s:o,s:s}", "op", f->op, "case", f->number, "impl",
                                                 text_or_null(f->impl), "text", text_or_null(f->text), "command",
                                                 command));
}

void clg_doctor_report_verdict(clg_doctor_report *r, bool finished, bool pass, const char *text) {
    json_object_set_new(r->verdict, "finished", json_boolean(finished));
    json_object_set_new(r->verdict, "pass", json_boolean(pass));
    json_object_set_new(r->verdict, "text", json_string(text));
}

int clg_doctor_report_write(const clg_doctor_report *r, bool last) {
    const size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(9);
    if (!r->path || (strcmp(r->path, "-") == 0 && !last)) return CLG_EXIT_OK;
    errno = 0;
    const bool out = strcmp(r->path, "-") == 0;
    const bool ok = out ? json_dumpf(r->root, stdout, flags) == 0 && printf("\n") > 0 && fflush(stdout) == 0
                        : json_dump_file(r->root, r->path, flags) == 0;
    return ok ? CLG_EXIT_OK : clg_tool_error(CLG_EXIT_FILE, "--json %s: cannot write it: %s", r->path, strerror(errno));
}

/* clg_plan_report(): the steps and the memory plan as text, JSON, or a DOT graph. */
#include "plan/parts_report.h"
#include "plan/place.h"
#include "plan/tune.h"

#include <stdlib.h>
#include <string.h>

/* "add mul relu": the ops of a step. */
static void write_ops(const clg_plan *p, const clg_step *s, clg_str *out) {
    if (s->unit < 0) {
        clg_str_add(out, s->impl);
        return;
    }
    const clg_unit *u = &p->units[s->unit];
    for (int i = 0; s->feeder && i < s->feeder->n_nodes; i++) clg_str_printf(out, "%s ", s->feeder->nodes[i]->op->name);
    for (int i = 0; i < s->n_nodes; i++)
        clg_str_printf(out, "%s%s", i ? " " : "", u->nodes[s->first_node + i]->op->name);
}

/* What a step writes: "relu_7 f32[64,6,28,28]", several with commas. */
static void write_outputs(const clg_plan *p, const clg_step *s, clg_str *out) {
    char shape[128];
    const char *comma = "";
    for (int i = 0; i < s->n_args; i++) {
        if (s->args[i].kind != CLG_ARG_OUT && s->args[i].kind != CLG_ARG_INOUT) continue;
        const clg_tensor *t = clg_written(p, s->args[i].value);
        clg_str_printf(out, "%s%s %s", comma, clg_tensor_name(t),
                       clg_shape_text(t->dtype, t->shape, shape, sizeof shape));
        comma = ", ";
    }
}

/* The implementation with its knobs and why it was taken; false: no choice was made for this step. */
static bool write_choice(const clg_plan *p, const clg_step *s, clg_str *out) {
    const clg_choice *c = s->unit >= 0 ? &p->units[s->unit].choice : NULL;
    if (!c || !c->impl) return false;
    clg_choice_print(c, out);
    return true;
}

static const char *kernel_name(const clg_step *s, char *buf, size_t size) {
    if (s->kind == CLG_STEP_KERNEL) snprintf(buf, size, "%s.%s", s->file ? s->file : "generated", s->function);
    else snprintf(buf, size, "%s", s->kind == CLG_STEP_COPY ? "copy" : s->kind == CLG_STEP_GEMM ? "clblast" : "ref");
    return buf;
}

/* --- times --- */

static bool has_times(const clg_plan *p) {
    for (int i = 0; i < p->n_steps; i++)
        if (clg_note_ns(&p->steps[i].note) > 0) return true;
    return false;
}

/* When the last run began, by the device's clock: the earliest start of its steps. */
static uint64_t run_start(const clg_plan *p) {
    uint64_t start = UINT64_MAX;
    for (int i = p->n_prepared; i < p->n_steps; i++) {
        const clg_note *n = &p->steps[i].note;
        if (clg_note_ns(n) > 0 && n->start < start) start = n->start;
    }
    return start;
}

/* When a step ran, in us from the start of the run; false: not measured, or not in this run. */
static bool times_of(const clg_plan *p, int i, double *start, double *end) {
    const clg_note *n = &p->steps[i].note;
    const uint64_t zero = run_start(p);
    if (i < p->n_prepared || clg_note_ns(n) == 0) return false;
    *start = 1e-3 * (double)(n->start - zero);
    *end = 1e-3 * (double)(n->end - zero);
    return true;
}

static const char *queue_of(const clg_step *s, char *buf, size_t size) {
    if (s->kind == CLG_STEP_REF || s->queue == 0) return s->kind == CLG_STEP_REF ? "host" : "compute";
    snprintf(buf, size, "compute %d", s->queue + 1);
    return buf;
}

/* How many kernels of a run are in recordings, and how many of those there are. */
static int count_recorded(const clg_plan *p, int *recordings) {
    int n = 0;
    *recordings = 0;
    for (int i = p->n_prepared; i < p->n_steps; i++) {
        if (!p->steps[i].replay) continue;
        n += p->steps[i].replay_end - i;
        ++*recordings;
    }
    return n;
}

/* --- text --- */

static void text_step(const clg_plan *p, int i, bool times, clg_str *out) {
    const clg_step *s = &p->steps[i];
    const uint64_t ns = clg_note_ns(&s->note);
    double start, end;
    char kernel[128], queue[24];
    clg_str_printf(out, "%4d%c %-26s %-26s %10.3f %10.3f  %-9s", i, i < p->n_prepared ? '*' : ' ', s->impl,
                   kernel_name(s, kernel, sizeof kernel), 1e-6 * s->flops, 1e-6 * s->bytes,
                   queue_of(s, queue, sizeof queue));
    if (times && times_of(p, i, &start, &end)) clg_str_printf(out, " %10.1f %10.1f", start, end);
    else if (times) clg_str_printf(out, " %10s %10s", "-", "-");
    if (times && ns > 0)
        clg_str_printf(out, " %10.1f %8.2f", 1e-3 * (double)ns, s->flops / (double)ns);
    else if (times) clg_str_printf(out, " %10s %8s", "-", "-");
    clg_str_add(out, "  ");
    write_ops(p, s, out);
    clg_str_add(out, " -> ");
    write_outputs(p, s, out);
    clg_str choice = { 0 };
    if (write_choice(p, s, &choice))
        clg_str_printf(out, "; %s: %s", clg_chosen_name(p->units[s->unit].choice.by), clg_str_text(&choice));
    clg_str_free(&choice);
    clg_str_add(out, "\n");
}

void clg_plan_text(const clg_plan *p, clg_str *out) {
    clg_fallbacks_text(p, out);
    if (p->parts) {
        clg_parts_text(p, out);
        return;
    }
    const clg_plan_info *m = &p->info;
    const bool times = has_times(p);
    int recordings;
    const int recorded = count_recorded(p, &recordings);
    double total = 0;
    clg_str_printf(out, "%4s  %-26s %-26s %10s %10s  %-9s%s  %s\n", "step", "implementation", "kernel", "Mflop", "MB",
                   "queue", times ? "   start us     end us         us     GF/s" : "", "ops -> outputs");
    for (int i = 0; i < p->n_steps; i++) {
        text_step(p, i, times, out);
        if (i >= p->n_prepared) total += (double)clg_note_ns(&p->steps[i].note);
    }
    clg_str_printf(out, "%d steps, %d kernels, %d programs; %.3f Mflop, %.3f MB moved", m->n_steps, m->n_kernels,
                   m->n_programs, 1e-6 * m->flops, 1e-6 * m->bytes_moved);
    if (times) clg_str_printf(out, "; %.1f us, %.2f GF/s", 1e-3 * total, m->flops / total);
    if (p->n_queues > 1)
        clg_str_printf(out, "\nbranches are spread over %d compute queues%s", p->n_queues,
                       p->tuned_queues > 0 ? ", as tuned" : "");
    if (recorded > 0) clg_str_printf(out, "\n%d kernels are replayed, from %d recordings", recorded, recordings);
    const int in_mega = clg_plan_mega_steps(p), launches = clg_plan_mega_launches(p);
    if (m->micro_batch > 0)
        clg_str_printf(out, "\nmicro-batches: %lld rows of the batch at a time", (long long)m->micro_batch);
    if (in_mega > 0)
        clg_str_printf(out, "\n%d kernels are run by %d launch%s of megakernels", in_mega, launches,
                       launches > 1 ? "es" : "");
    if (m->n_prepared > 0)
        clg_str_printf(out, "\n%d steps (*) before the first run, and again when a param was written; their results, "
                            "MB: %.3f", m->n_prepared, 1e-6 * (double)m->bytes_prepared);
    clg_str_printf(out, "\nmemory, MB: intermediates %.3f at peak (%.3f without reuse, %.3f at least), of that scratch "
                        "%.3f; inputs, constants, targets %.3f; params and state %.3f\n",
                   1e-6 * (double)m->bytes_arena, 1e-6 * (double)m->bytes_without_reuse, 1e-6 * (double)p->bytes_lower,
                   1e-6 * (double)m->bytes_workspace, 1e-6 * (double)m->bytes_fixed, 1e-6 * (double)m->bytes_params);
    if (!p->whole) clg_str_printf(out, "compiled in %.3f s\n", m->compile_seconds);
}

/* --- JSON --- */

static json_t *json_step(const clg_plan *p, int i) {
    const clg_step *s = &p->steps[i];
    double start, end;
    char kernel[128], queue[24];
    const uint64_t ns = clg_note_ns(&s->note);
    clg_str ops = { 0 }, outputs = { 0 }, choice = { 0 };
    write_ops(p, s, &ops);
    write_outputs(p, s, &outputs);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:s}", "impl", s->impl, "kernel",
                          kernel_name(s, kernel, sizeof kernel), "ops", clg_str_text(&ops), "outputs",
                          clg_str_text(&outputs), "flops", s->flops, "bytes", s->bytes, "queue",
                          queue_of(s, queue, sizeof queue));
    if (j && write_choice(p, s, &choice)) {
        json_object_set_new(j, "choice", json_string(clg_str_text(&choice)));
        json_object_set_new(j, "chosen_by", json_string(clg_chosen_name(p->units[s->unit].choice.by)));
    }
    clg_str_free(&choice);
    if (j && i < p->n_prepared) json_object_set_new(j, "prepared", json_true());
    if (j && ns > 0) json_object_set_new(j, "us", json_real(1e-3 * (double)ns));
    if (j && times_of(p, i, &start, &end)) {
        json_object_set_new(j, "start_us", json_real(start));
        json_object_set_new(j, "end_us", json_real(end));
    }
    clg_str_free(&ops);
    clg_str_free(&outputs);
    return j;
}

json_t *clg_plan_json(const clg_plan *p) {
    const clg_plan_info *m = &p->info;
    json_t *steps = json_array();
    bool ok = steps != NULL;
    for (int i = 0; i < p->n_steps && ok; i++)
        ok = json_array_append_new(steps, json_step(p, i)) == 0;
    int recordings;
    const int recorded = count_recorded(p, &recordings);
    const int in_mega = clg_plan_mega_steps(p), launches = clg_plan_mega_launches(p);
    json_t *j = json_pack("{s:i, s:i, s:I, s:i, s:i, s:i, s:i, s:i, s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}",
                          "n_steps", m->n_steps, "n_queues", p->n_queues, "micro_batch",
                          (json_int_t)m->micro_batch, "n_recorded", recorded,
                          "n_recordings", recordings, "n_mega", in_mega, "n_mega_launches", launches,
                          "n_prepared", m->n_prepared, "bytes_prepared", (json_int_t)m->bytes_prepared,
                          "n_kernels", m->n_kernels, "n_programs", m->n_programs, "bytes_arena",
                          (json_int_t)m->bytes_arena, "bytes_without_reuse", (json_int_t)m->bytes_without_reuse,
                          "bytes_lower_bound", (json_int_t)p->bytes_lower, "bytes_workspace",
                          (json_int_t)m->bytes_workspace, "bytes_fixed", (json_int_t)m->bytes_fixed, "bytes_params",
                          (json_int_t)m->bytes_params, "flops", m->flops, "bytes_moved", m->bytes_moved,
                          "compile_seconds", m->compile_seconds, "steps", steps); /* takes steps over */
    ok = ok && j && clg_fallbacks_json(p, j) && clg_avoided_json(p, j);
    if (ok && p->parts) {
        json_object_del(j, "steps");
        ok = json_object_set_new(j, "n_fallback", json_integer(m->n_fallback)) == 0
            && json_object_set_new(j, "n_copies", json_integer(m->n_copies)) == 0 && clg_parts_json(p, j);
    }
    if (ok) return j;
    json_decref(j);
    return NULL;
}

static clg_status json_report(const clg_plan *p, clg_str *out) {
    json_t *j = clg_plan_json(p);
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(j);
    if (!text) return clg_fail_nomem("report");
    clg_str_add(out, text);
    clg_str_add(out, "\n");
    free(text);
    return CLG_OK;
}

/* --- DOT: steps as boxes, an edge for each value from the step that wrote its memory last --- */

int clg_plan_writer(const clg_plan *p, int step, int value) {
    for (int s = step - 1; s >= 0; s--)
        for (int i = 0; i < p->steps[s].n_args; i++) {
            const clg_step_arg *a = &p->steps[s].args[i];
            if ((a->kind == CLG_ARG_OUT || a->kind == CLG_ARG_INOUT) && p->values[a->value].mem == value) return s;
        }
    return -1;
}

static void escape(clg_str *out, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') clg_str_add(out, "\\");
        clg_str_add_bytes(out, text, 1);
    }
}

static void dot_step(const clg_plan *p, int i, clg_str *out) {
    const clg_step *s = &p->steps[i];
    clg_str label = { 0 };
    char part[16] = "";
    if (p->whole) snprintf(part, sizeof part, "p%d", p->part);
    write_ops(p, s, &label);
    clg_str_printf(out, "  %ss%d [label=\"%d ", part, i, i);
    escape(out, clg_str_text(&label));
    clg_str_printf(out, "\\n%s\\n", s->impl);
    clg_str_free(&label);
    write_outputs(p, s, &label);
    escape(out, clg_str_text(&label));
    clg_str_free(&label);
    clg_str_add(out, "\"];\n");
    for (int k = 0; k < s->n_args; k++) {
        const clg_step_arg *a = &s->args[k];
        if (a->kind != CLG_ARG_IN && a->kind != CLG_ARG_INOUT) continue;
        const clg_value *v = &p->values[a->value];
        const int from = clg_plan_writer(p, i, v->mem);
        if (from >= 0) clg_str_printf(out, "  %ss%d -> %ss%d;\n", part, from, part, i);
        else {
            clg_str_printf(out, "  %sv%d [shape=ellipse, label=\"", part, v->mem);
            escape(out, clg_tensor_name(v->t));
            clg_str_printf(out, "\"];\n  %sv%d -> %ss%d;\n", part, v->mem, part, i);
        }
    }
}

void clg_plan_dot(const clg_plan *p, clg_str *out) {
    if (p->parts) clg_parts_dot(p, out);
    for (int i = 0; i < p->n_steps; i++) dot_step(p, i, out);
}

static void dot_report(const clg_plan *p, clg_str *out) {
    clg_str_add(out, "digraph plan {\n  node [shape=box];\n");
    clg_plan_dot(p, out);
    clg_str_add(out, "}\n");
}

clg_status clg_plan_report(const clg_plan *p, enum clg_report_kind kind, FILE *to) {
    clg_str out = { 0 };
    clg_status status = CLG_OK;
    if (!p || !to) return clg_fail(CLG_ERR_INVALID, "clg_plan_report: the %s is NULL", !p ? "plan" : "file");
    switch (kind) {
    case CLG_REPORT_TEXT: clg_plan_text(p, &out); break;
    case CLG_REPORT_JSON: status = json_report(p, &out); break;
    case CLG_REPORT_DOT:  dot_report(p, &out); break;
    default: status = clg_fail(CLG_ERR_INVALID, "clg_plan_report: there is no kind %d", (int)kind); break;
    }
    if (status >= 0 && out.failed) status = clg_fail_nomem("report");
    if (status >= 0 && (fputs(clg_str_text(&out), to) < 0 || fflush(to) != 0))
        status = clg_fail(CLG_ERR_IO, "clg_plan_report: the report could not be written");
    clg_str_free(&out);
    return status;
}

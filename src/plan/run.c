/* Binding the steps to memory once, and what a finished plan does: run, destroy. */
#include "plan/place.h"

#include "base/alloc.h"
#include "base/log.h"

#include <string.h>

/* --- binding --- */

/* Takes over a reference to a program; the plan keeps one for each distinct program. */
static clg_status keep_program(clg_plan *p, clg_program *program) {
    for (int i = 0; i < p->n_programs; i++)
        if (p->programs[i] == program) {
            clg_program_release(&program);
            return CLG_OK;
        }
    if (!clg_grow(&p->programs, &p->cap_programs, p->n_programs + 1, sizeof *p->programs)) {
        clg_program_release(&program);
        return clg_fail_nomem("plan");
    }
    p->programs[p->n_programs++] = program;
    return CLG_OK;
}

bool clg_step_shares(const clg_step *a, const clg_step *b) {
    if (a->kind != CLG_STEP_KERNEL || b->kind != CLG_STEP_KERNEL) return false;
    if (!a->file != !b->file || strcmp(a->options, b->options) != 0) return false;
    if (!a->tail != !b->tail || (a->tail && strcmp(a->tail, b->tail) != 0)) return false;
    return !a->file || strcmp(a->file, b->file) == 0;
}

clg_status clg_step_source(const clg_plan *p, int step, int end, const char *generated, clg_str *kernels,
                           clg_source *src) {
    const clg_step *s = &p->steps[step];
    for (int i = step; i < end && s->file; i++)
        if (clg_step_shares(&p->steps[i], s)) clg_str_printf(kernels, "%s,", p->steps[i].function);
    *src = (clg_source){ .name = s->file ? s->file : "elementwise", .text = s->file ? NULL : generated,
                         .options = s->options, .before = s->tail, .only = s->file ? clg_str_text(kernels) : NULL };
    return kernels->failed ? clg_fail_nomem("names of kernels") : CLG_OK;
}

/* The program of a step; hashing a source costs, so an earlier step with the same one is asked first. */
static clg_status get_program(clg_plan *p, int step, const char *generated) {
    clg_step *s = &p->steps[step];
    for (int i = step - 1; i >= 0; i--)
        if (p->steps[i].program && clg_step_shares(&p->steps[i], s)) {
            s->program = p->steps[i].program;
            return CLG_OK;
        }
    clg_str kernels = { 0 };
    clg_source src;
    clg_program *program = NULL;
    clg_status status = clg_step_source(p, step, p->n_steps, generated, &kernels, &src);
    if (status >= 0) status = clg_program_get(p->device, &src, &program);
    clg_str_free(&kernels);
    CLG_TRY(status);
    s->program = program;
    return keep_program(p, program);
}

static clg_status bind_kernel(clg_plan *p, clg_step *s) {
    static const enum clg_bind_kind kind_of[] = {
        [CLG_ARG_IN] = CLG_BIND_BUFFER, [CLG_ARG_OUT] = CLG_BIND_BUFFER, [CLG_ARG_INOUT] = CLG_BIND_BUFFER,
        [CLG_ARG_INT] = CLG_BIND_INT, [CLG_ARG_LONG] = CLG_BIND_LONG, [CLG_ARG_FLOAT] = CLG_BIND_FLOAT,
        [CLG_ARG_DOUBLE] = CLG_BIND_DOUBLE,
        [CLG_ARG_LOCAL] = CLG_BIND_LOCAL,
    };
    clg_bind *binds = clg_arena_array(&p->arena, (size_t)s->n_args + 1, sizeof *binds);
    if (!binds) return CLG_ERR_NOMEM;
    for (int i = 0; i < s->n_args; i++) {
        const clg_step_arg *a = &s->args[i];
        binds[i] = (clg_bind){ .kind = kind_of[a->kind], .name = a->name, .is_const = a->kind == CLG_ARG_IN };
        if (clg_arg_touches(a)) {
            binds[i].buffer = p->values[a->value].buffer;
            binds[i].offset = p->values[a->value].offset;
        } else if (a->kind == CLG_ARG_FLOAT || a->kind == CLG_ARG_DOUBLE) binds[i].f = a->u.f;
        else if (a->kind == CLG_ARG_LOCAL) binds[i].bytes = a->u.bytes;
        else binds[i].i = a->u.i;
    }
    CLG_TRY(clg_kernel_create(s->program, s->function, binds, s->n_args, &s->kernel));
    return clg_kernel_set_range(s->kernel, s->global, s->local);
}

static void bind_gemm(const clg_plan *p, clg_step *s) {
    const clg_emit_gemm_params *g = &s->gemm_params;
    const clg_value *a = &p->values[s->args[0].value], *b = &p->values[s->args[1].value],
                    *c = &p->values[s->args[2].value];
    s->gemm = (clg_gemm){ .ta = g->ta, .tb = g->tb, .m = g->m, .n = g->n, .k = g->k, .batch = g->batch,
                          .a = a->buffer, .b = b->buffer, .c = c->buffer,
                          .a_off = a->offset + (uint64_t)g->a_off, .b_off = b->offset + (uint64_t)g->b_off,
                          .c_off = c->offset + (uint64_t)g->c_off, .lda = g->lda, .ldb = g->ldb, .ldc = g->ldc,
                          .a_stride = g->a_stride, .b_stride = g->b_stride, .c_stride = g->c_stride };
}

clg_status clg_step_rebind(clg_plan *p, clg_step *s, int mem) {
    if (s->kind == CLG_STEP_GEMM) bind_gemm(p, s);
    for (int i = 0, at = 0; s->kernel && i < s->n_args; at += clg_arg_touches(&s->args[i++]) ? 2 : 1) {
        const clg_step_arg *a = &s->args[i];
        if (!clg_arg_touches(a) || clg_value_mem(p, a->value) != mem) continue;
        CLG_TRY(clg_kernel_set_buffer(s->kernel, at, p->values[a->value].buffer, p->values[a->value].offset));
    }
    return s->mega ? clg_mega_rebind(p, s->mega, mem) : CLG_OK;
}

/* What traces call it: implementation and first output. */
static clg_status name_step(clg_plan *p, clg_step *s) {
    const clg_tensor *out = NULL;
    for (int i = 0; i < s->n_args && !out; i++)
        if (clg_arg_touches(&s->args[i]) && clg_arg_writes(&s->args[i])) out = clg_written(p, s->args[i].value);
    s->note.name = clg_arena_printf(&p->arena, "%s%s%s", s->impl, out ? " " : "", out ? clg_tensor_name(out) : "");
    return s->note.name ? CLG_OK : CLG_ERR_NOMEM;
}

clg_status clg_plan_bind_kernels(clg_plan *p) {
    clg_str source = { 0 };
    clg_status status = CLG_OK;
    clg_generated_source(p, &source);
    if (source.failed) CLG_TRY_END(clg_fail_nomem("kernel source"));
    if (p->n_generated > 0) clg_log_msg(CLG_LOG_TRACE, "generated kernels of the plan:\n%s", clg_str_text(&source));
    for (int i = 0; i < p->n_steps; i++) {
        clg_step *s = &p->steps[i];
        if (s->kind != CLG_STEP_KERNEL || s->kernel || s->mega) continue;
        status = get_program(p, i, clg_str_text(&source));
        if (status >= 0) status = bind_kernel(p, s);
        if (status >= 0) continue;
        p->failed_step = i;
        clg_unit *u = &p->units[s->unit];
        clg_fail_context(status, "%s: ", clg_node_text(p, u->nodes[u->n_nodes - 1]));
        goto end;
    }
    p->info.n_programs = p->n_programs + clg_plan_mega_launches(p);
end:
    clg_str_free(&source);
    return status;
}

clg_status clg_plan_bind(clg_plan *p) {
    for (int i = 0; i < p->n_steps; i++) {
        clg_step *s = &p->steps[i];
        CLG_TRY(name_step(p, s));
        if (s->kind == CLG_STEP_GEMM) bind_gemm(p, s);
        p->info.n_kernels += s->kind == CLG_STEP_KERNEL && i >= p->n_prepared;
    }
    p->info.n_steps = p->n_steps - p->n_prepared;
    p->info.n_prepared = p->n_prepared;
    CLG_TRY(clg_plan_mega_make(p));
    return clg_plan_bind_kernels(p);
}

/* --- running --- */

/* A step that failed behind its launch was made: to make it again would do it twice. */
static bool is_launched(const clg_step *s) {
    return s->mega ? clg_plan_mega_launched(s->mega) : s->kernel && clg_kernel_launched(s->kernel);
}

static clg_status run_steps(clg_plan *p, int begin, int end) {
    for (int i = begin, next; i < end; i = next) {
        clg_status status = clg_plan_mega_run(p, i, &next);
        if (status >= 0 && next == i) status = clg_plan_replay_run(p, i, &next);
        if (status >= 0 && next == i) status = clg_step_run(p, next++);
        if (status >= 0) continue;
        p->failed_step = is_launched(&p->steps[i]) ? -1 : i;
        return clg_fail_context(status, "clg_run: step %d of %d (%s): ", i, p->n_steps, p->steps[i].impl);
    }
    return CLG_OK;
}

/* A run that stops halfway is not joined. */
static void wait_for_branches(clg_plan *p) {
    clg_error_state before;
    clg_error_save(&before);
    if (clg_device_finish(p->device) < 0) clg_log_msg(CLG_LOG_DEBUG, "behind a run that failed: %s", clg_error());
    clg_error_restore(&before);
}

static clg_status run(clg_plan *p) {
    if (p->parts) return clg_parts_run(p);
    if (p->unbound) CLG_TRY(clg_plan_bind_kernels(p));
    p->unbound = false;
    if (clg_plan_stale(p)) {
        p->is_prepared = false;
        clg_plan_watch(p);
        CLG_TRY(clg_plan_await_reads(p)); /* a target may be prepared */
        CLG_TRY(run_steps(p, 0, p->n_prepared));
        p->is_prepared = true;
    }
    CLG_TRY(clg_plan_replay_record(p));
    for (int i = 0; i < p->n_effects; i++) clg_slot_change(p->effects[i].node->slot);
    p->ran = true;
    p->again = p->idle = false;
    clg_status status = clg_run_begin(p);
    if (status >= 0) status = run_steps(p, p->n_prepared, p->n_steps);
    if (status >= 0) status = clg_run_end(p);
    if (status >= 0 && (p->caps->ref || p->again)) return CLG_OK;
    if (status >= 0) return p->shows ? clg_device_flush_run(p->device) : clg_device_flush(p->device);
    if (p->n_queues > 1) wait_for_branches(p);
    return status;
}

clg_status clg_run(clg_plan *p) {
    if (!p) return clg_fail(CLG_ERR_INVALID, "clg_run: the plan is NULL");
    const double start = clg_trace_start(p->device);
    const bool first = !p->proven && !p->whole;
    const clg_status status = first ? clg_plan_first_run(p, run) : run(p);
    clg_trace_call(p->device, "clg_run", NULL, start);
    return status;
}

/* Drivers compile at the first launch; what they made is in the binaries only after it. */
void clg_plan_save_programs(clg_plan *p) {
    if (!p->ran || p->saved || p->caps->ref) return;
    p->saved = true;
    clg_program_save_new(p->device);
}

const clg_target *clg_plan_target(const clg_plan *p, const clg_tensor *t) {
    for (int i = 0; i < p->n_targets; i++)
        if (p->targets[i].t == t) return &p->targets[i];
    return NULL;
}

void clg_plan_get_info(const clg_plan *p, clg_plan_info *info) {
    if (!info) return;
    *info = p ? p->info : (clg_plan_info){ 0 };
}

/* --- end --- */

void clg_plan_destroy(clg_plan **plan) {
    if (!plan || !*plan) return;
    clg_plan *p = *plan;
    *plan = NULL;
    clg_plan_save_programs(p);
    clg_plan_replay_drop(p);
    clg_plan_mega_drop(p);
    for (int i = 0; i < p->n_targets; i++) clg_download_destroy(&p->targets[i].download);
    clg_parts_destroy(&p->parts);
    if (p->owns_findings) clg_findings_destroy(&p->findings);
    clg_event_release(&p->start);
    clg_event_release(&p->end);
    for (int i = 0; i < p->n_steps; i++) {
        clg_event_release(&p->steps[i].event);
        clg_note_forget(p->device, &p->steps[i].note);
        clg_kernel_destroy(&p->steps[i].kernel);
    }
    for (int i = 0; i < p->n_programs; i++) clg_program_release(&p->programs[i]);
    for (int i = 0; i < p->n_values; i++) {
        clg_value *v = &p->values[i];
        if (v->place == CLG_PLACE_FIXED && !v->borrowed && (v->own || !v->upload)) clg_buffer_destroy(&v->buffer);
        if (!v->upload) clg_buffer_destroy(&v->own);
        clg_upload_destroy(&v->upload); /* with its memory */
    }
    for (int i = 0; p->arenas && i < p->n_arenas; i++) clg_buffer_destroy(&p->arenas[i]);
    clg_free(p->values);
    clg_free(p->effects);
    clg_free(p->targets);
    clg_free(p->snapshots);
    clg_free(p->steps);
    clg_free(p->generated);
    clg_free(p->programs);
    clg_free(p->arena_bytes);
    clg_arena_free(&p->arena);
    clg_graph *graph = p->graph;
    clg_free(p);
    clg_graph_destroy(&graph);
}

/* Copies of targets beside the runs: clg_read_begin() and clg_read_end(). From the first copy of a target on, the last
 * step of a run that writes it gives an event, for which the download queue waits; and the first step of the next run
 * that writes it waits for the copies that are still under way. */
#include "plan/plan.h"

clg_target *clg_readable(const clg_plan *p, const clg_tensor *t, const char *call) {
    if (!p || !t) {
        clg_fail(CLG_ERR_INVALID, "%s: the %s is NULL", call, p ? "target" : "plan");
        return NULL;
    }
    for (int i = 0; i < p->n_targets; i++) {
        if (p->targets[i].t != t) continue;
        if (!(t->node->op->flags & CLG_OP_EFFECT)) return &p->targets[i];
        clg_fail(CLG_ERR_INVALID, "%s: %s is an effect and has no value", call, clg_tensor_name(t));
        return NULL;
    }
    clg_fail(CLG_ERR_INVALID, "%s: %s is no target of the plan; list it in clg_compile()", call,
             t->graph == p->graph ? clg_tensor_name(t) : "a tensor of another graph");
    return NULL;
}

clg_status clg_check_bytes(const clg_tensor *t, const void *data, size_t bytes, const char *call) {
    char shape[128];
    if (!data && bytes > 0) return clg_fail(CLG_ERR_INVALID, "%s: data is NULL, but %s has %zu bytes", call,
                                                 clg_tensor_name(t), bytes);
    if (bytes == clg_tensor_bytes(t)) return CLG_OK;
    return clg_fail(CLG_ERR_INVALID, "%s: %s is %s with %zu bytes, not %zu", call, clg_tensor_name(t),
                    clg_shape_text(t->dtype, t->shape, shape, sizeof shape), clg_tensor_bytes(t), bytes);
}

/* --- steps --- */

static clg_status run_ref(clg_plan *p, clg_step *s) {
    const double start = clg_trace_start(p->device);
    const clg_status status = clg_ref_run(p, s);
    clg_trace_computed(p->device, s->note.name, start);
    return status;
}

static clg_status enqueue(clg_plan *p, clg_step *s, const clg_link *l) {
    switch (s->kind) {
    case CLG_STEP_KERNEL: return clg_kernel_enqueue(s->kernel, &s->note, l);
    case CLG_STEP_GEMM:   return clg_gemm_clblast(p->device, &s->gemm, &s->note, l);
    case CLG_STEP_REF:    return run_ref(p, s);
    case CLG_STEP_COPY:   break;
    }
    const clg_value *src = &p->values[s->args[0].value], *dst = &p->values[s->args[1].value];
    return clg_buffer_copy(src->buffer, src->offset, dst->buffer, dst->offset, src->t->dtype,
                           (size_t)clg_value_elems(src), &s->note, l);
}

/* Lists the copies that step i must wait for; -1: all. */
static int pending(const clg_plan *p, int i) {
    int n = 0;
    for (int k = 0; k < p->n_targets; k++) {
        const clg_target *t = &p->targets[k];
        if (t->download && (i < 0 || t->first == i)) n += clg_download_pending(t->download, p->waits + n);
    }
    return n;
}

static bool is_last(const clg_plan *p, int i) {
    for (int k = 0; k < p->n_targets; k++)
        if (p->targets[k].download && p->targets[k].last == i) return true;
    return false;
}

clg_status clg_step_run(clg_plan *p, int step) {
    clg_step *s = &p->steps[step];
    struct _cl_event *event = NULL;
    if (!s->shared) return enqueue(p, s, NULL);
    const clg_link l = { .n_wait = pending(p, step), .wait = p->waits, .done = is_last(p, step) ? &event : NULL };
    CLG_TRY(enqueue(p, s, &l));
    clg_event_release(&s->event);
    s->event = event;
    return CLG_OK;
}

clg_status clg_plan_await_reads(clg_plan *p) {
    const int n = p->waits ? pending(p, -1) : 0;
    return n > 0 ? clg_link_mark(p->device, &(clg_link){ .n_wait = n, .wait = p->waits }) : CLG_OK;
}

/* --- copies --- */

static bool writes(const clg_plan *p, const clg_step *s, int mem) {
    for (int i = 0; i < s->n_args; i++)
        if (clg_arg_touches(&s->args[i]) && clg_arg_writes(&s->args[i]) && clg_value_mem(p, s->args[i].value) == mem)
            return true;
    return false;
}

/* The first copy of a target: its slots, and the steps that deal with it. */
static clg_status open_channel(clg_plan *p, clg_target *t) {
    const clg_value *v = &p->values[t->value];
    const int mem = clg_value_mem(p, t->value);
    if (!p->waits) p->waits = clg_arena_array(&p->arena, (size_t)p->n_targets * CLG_DOWNLOADS, sizeof *p->waits);
    if (!p->waits) return CLG_ERR_NOMEM;
    CLG_TRY(clg_download_create(p->device, t->t->dtype, (size_t)clg_value_elems(v), clg_tensor_name(t->t), &t->download));
    t->first = t->last = -1;
    for (int i = p->n_prepared; i < p->n_steps && !p->caps->ref; i++) {
        if (p->steps[i].kind == CLG_STEP_REF || !writes(p, &p->steps[i], mem)) continue;
        if (t->first < 0) t->first = i;
        t->last = i;
    }
    if (t->first < 0) return CLG_OK;
    p->steps[t->first].shared = p->steps[t->last].shared = true;
    return CLG_OK;
}

clg_status clg_read_begin(clg_plan *p, clg_tensor *target) {
    clg_target *t = clg_readable(p, target, "clg_read_begin");
    if (!t) return CLG_ERR_INVALID;
    if (!t->download) CLG_TRY(open_channel(p, t));
    if (clg_download_full(t->download))
        return clg_fail(CLG_ERR_INVALID, "clg_read_begin: %d copies of %s are under way; take one by clg_read_end() "
                        "first", CLG_DOWNLOADS, clg_tensor_name(target));
    const clg_value *v = &p->values[t->value];
    const double start = clg_trace_start(p->device);
    const clg_status status = clg_download_begin(t->download, v->buffer, (size_t)v->offset,
                                                 t->last < 0 ? NULL : p->steps[t->last].event);
    clg_trace_call(p->device, "clg_read_begin", clg_tensor_name(target), start);
    return status;
}

clg_status clg_read_end(clg_plan *p, clg_tensor *target, void *data, size_t bytes) {
    clg_target *t = clg_readable(p, target, "clg_read_end");
    if (!t) return CLG_ERR_INVALID;
    CLG_TRY(clg_check_bytes(target, data, bytes, "clg_read_end"));
    if (!t->download || !clg_download_begun(t->download))
        return clg_fail(CLG_ERR_INVALID, "clg_read_end: no copy of %s was begun: see clg_read_begin()",
                        clg_tensor_name(target));
    const double start = clg_trace_start(p->device);
    const clg_status status = clg_download_end(t->download, data);
    clg_trace_call(p->device, "clg_read_end", clg_tensor_name(target), start);
    CLG_TRY(status);
    clg_plan_save_programs(p);
    return CLG_OK;
}

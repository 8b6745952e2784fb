/* Data in and out, beside the runs. An input with two buffers is written into the one that no run in flight reads, and
 * the next run goes over to it (enqueue.c). From the first copy of a target by clg_read_begin() on, the last step of a
 * run that writes it gives an event, for which the download queue waits; and the first step of the next run that writes
 * it waits for the copies that are still under way. */
#include "plan/place.h"

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

/* --- writing --- */

/* In line; the input may be a target too. */
static clg_status write_in_line(clg_plan *p, clg_upload *u, const void *data) {
    CLG_TRY(clg_plan_await_reads(p));
    return clg_upload_write(u, data, NULL);
}

/* Into the buffer that no run reads. What is left behind is read by the runs so far. */
static clg_status write_other(clg_plan *p, clg_upload *u, const void *data) {
    struct _cl_event *all = NULL;
    if (p->ended && p->idle) clg_upload_idle(u);
    if (p->ended) return clg_upload_write(u, data, clg_upload_fresh(u) ? NULL : clg_run_event(p));
    if (p->ran) { /* a run was not enqueued whole */
        CLG_TRY(clg_link_mark(p->device, &(clg_link){ .done = &all }));
        clg_status status = clg_device_flush(p->device);
        if (status >= 0) status = clg_upload_write(u, data, all);
        clg_event_release(&all);
        return status;
    }
    return clg_upload_write(u, data, NULL);
}

clg_status clg_write(clg_plan *p, clg_tensor *input, const void *data, size_t bytes) {
    if (!p || !input) return clg_fail(CLG_ERR_INVALID, "clg_write: the %s is NULL", p ? "input" : "plan");
    if (input->graph != p->graph)
        return clg_fail(CLG_ERR_INVALID, "clg_write: %s belongs to another graph than the plan",
                        clg_tensor_name(input));
    if (input->node->op != &clg_op_input)
        return clg_fail(CLG_ERR_INVALID, "clg_write: %s is no input (made by clg_input()) but the result of %s",
                        clg_tensor_name(input), input->node->op->name);
    CLG_TRY(clg_check_bytes(input, data, bytes, "clg_write"));
    if (p->parts) return clg_parts_write(p, input, data, bytes);
    clg_upload *u = input->id < p->n_tensors ? p->values[input->id].upload : NULL;
    if (u && p->values[input->id].own)
        return clg_fail(CLG_ERR_INVALID, "clg_write: %s is in memory of the application: write there, or give it back "
                        "by clg_plan_use(plan, input, NULL, 0)", clg_tensor_name(input));
    if (!u || bytes == 0) return CLG_OK; /* this plan does not need it */
    const double start = clg_trace_start(p->device);
    const clg_status status = clg_upload_is_doubled(u) ? write_other(p, u, data) : write_in_line(p, u, data);
    clg_trace_call(p->device, "clg_write", clg_tensor_name(input), start);
    return status;
}

/* --- reading --- */

bool clg_target_is_shared(const clg_plan *p, const clg_target *t) {
    const clg_buffer *b = p->values[t->value].buffer;
    return b && clg_buffer_is_shared(b);
}

clg_status clg_read(clg_plan *p, clg_tensor *t, void *data, size_t bytes) {
    const clg_target *target = clg_readable(p, t, "clg_read");
    if (!target) return CLG_ERR_INVALID;
    CLG_TRY(clg_check_bytes(t, data, bytes, "clg_read"));
    if (p->parts) return clg_read(clg_parts_owner(p, t), t, data, bytes);
    const clg_value *v = &p->values[target->value];
    const double start = clg_trace_start(p->device);
    const size_t n = (size_t)clg_value_elems(v);
    struct _cl_event *end = p->ended && !p->idle ? clg_run_event(p) : NULL;
    const bool look = p->ended && (p->idle || end) && clg_target_is_shared(p, target);
    const clg_status status = look ? clg_buffer_look(v->buffer, v->offset, t->dtype, data, n, end)
                                   : clg_buffer_read(v->buffer, v->offset, t->dtype, data, n);
    p->idle |= look && status >= 0;
    clg_trace_call(p->device, "clg_read", clg_tensor_name(t), start);
    CLG_TRY(status);
    clg_plan_save_programs(p);
    return CLG_OK;
}

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
    CLG_TRY(clg_download_create(p->device, t->t->dtype, (size_t)clg_value_elems(v), clg_tensor_name(t->t),
                                &t->download));
    t->first = t->last = -1;
    for (int i = p->n_prepared; i < p->n_steps && !p->caps->ref; i++) {
        if (!writes(p, &p->steps[i], mem)) continue;
        if (t->first < 0) t->first = i;
        t->last = i;
    }
    if (t->first < 0) return CLG_OK;
    p->steps[t->first].linked = p->steps[t->last].linked = true;
    clg_plan_replay_drop(p); /* these two stand alone now */
    return CLG_OK;
}

clg_status clg_read_begin(clg_plan *p, clg_tensor *target) {
    clg_target *t = clg_readable(p, target, "clg_read_begin");
    if (!t) return CLG_ERR_INVALID;
    if (p->parts) return clg_read_begin(clg_parts_owner(p, target), target);
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
    if (p->parts) return clg_read_end(clg_parts_owner(p, target), target, data, bytes);
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

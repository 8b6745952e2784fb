/* Plans of an application that uses OpenCL itself (opencl.h): its memory in place of the plan's for inputs and targets,
 * and runs between its events. Arguments are bound once, so a change of memory is a new binding of the steps that touch
 * it; runs stay what they are. */
#include "cl/wrap.h"
#include "plan/place.h"

#include <clgrad/opencl.h>

_Static_assert((int)CLG_MEM_SLACK == (int)CLG_BUFFER_SLACK, "opencl.h promises what buffer.h asks for");

/* The value in whose memory an input or a target is; -1: reported, or with *needed false that no step needs it. */
static int find_memory(const clg_plan *p, const clg_tensor *t, bool *needed) {
    const clg_target *target = clg_plan_target(p, t);
    const bool input = t->node->op == &clg_op_input;
    *needed = true;
    if (t->graph != p->graph || (!input && (!target || t->node->op->flags & CLG_OP_EFFECT))) {
        clg_fail(CLG_ERR_INVALID, "clg_plan_use: %s is %s", clg_tensor_name(t), t->graph != p->graph
                 ? "of another graph than the plan" : "neither an input nor a readable target of the plan");
        return -1;
    }
    *needed = target || (t->id < p->n_tensors && p->values[t->id].upload);
    if (!*needed) return -1;
    const int mem = clg_value_mem(p, target ? target->value : clg_root_of(p, t));
    const clg_value *v = &p->values[mem];
    if (v->place == CLG_PLACE_FIXED && !v->constant) return mem;
    clg_fail(CLG_ERR_INVALID, "clg_plan_use: %s is %s: its memory is not the plan's to change", clg_tensor_name(t),
             v->constant ? "a constant" : "the store's");
    return -1;
}

/* All values that live in `mem` get buffer b from byte `offset` on. */
static clg_status take(clg_plan *p, int mem, clg_buffer *b, size_t offset) {
    for (int i = 0; i < p->n_values; i++) {
        clg_value *v = &p->values[i];
        if (v->root != i || clg_value_mem(p, i) != mem) continue;
        v->buffer = b;
        v->offset = offset / clg_dtype_size(v->t->dtype);
    }
    clg_plan_replay_drop(p);
    for (int i = 0; i < p->n_steps; i++) CLG_TRY(clg_step_rebind(p, &p->steps[i], mem));
    if (p->values[mem].prepared) p->is_prepared = false;
    return CLG_OK;
}

static bool is_written(const clg_plan *p, int mem) {
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_args; k++) {
            const clg_step_arg *a = &p->steps[i].args[k];
            if (clg_arg_touches(a) && clg_arg_writes(a) && clg_value_mem(p, a->value) == mem) return true;
        }
    return false;
}

static bool has_memory_of(const clg_plan *part, const clg_tensor *t) {
    const bool input = t->node->op == &clg_op_input && t->id < part->n_tensors;
    return clg_plan_target(part, t) || (input && part->values[t->id].upload);
}

/* The part that owns the memory takes the application's; those that borrow it follow. */
static clg_status use_in_parts(clg_plan *p, clg_tensor *t, struct _cl_mem *mem, size_t offset) {
    clg_parts *parts = p->parts;
    int owner = -1;
    for (int k = 0; k < parts->n; k++) {
        if (!has_memory_of(parts->part[k].plan, t)) continue;
        if (owner >= 0)
            return clg_fail(CLG_ERR_UNSUP, "clg_plan_use: %s is used on several devices, each of which has memory of "
                            "its own", clg_tensor_name(t));
        owner = k;
    }
    clg_plan *first = parts->part[owner < 0 ? 0 : owner].plan;
    CLG_TRY(clg_plan_use(first, t, mem, offset));
    if (owner < 0) return CLG_OK; /* nobody needs it */
    const int root = clg_root_of(first, t);
    const clg_value *v = &first->values[root];
    for (int k = owner + 1; k < parts->n; k++)
        if (parts->part[k].device == first->device && parts->part[k].plan->values[root].borrowed)
            CLG_TRY(take(parts->part[k].plan, root, v->buffer, (size_t)v->offset * clg_dtype_size(v->t->dtype)));
    return CLG_OK;
}

clg_status clg_plan_use(clg_plan *p, clg_tensor *t, struct _cl_mem *mem, size_t offset) {
    bool needed;
    if (!p || !t) return clg_fail(CLG_ERR_INVALID, "clg_plan_use: the %s is NULL", p ? "tensor" : "plan");
    if (p->parts) return use_in_parts(p, t, mem, offset);
    if (p->caps->ref) return clg_fail(CLG_ERR_UNSUP, "clg_plan_use: the device ref has no OpenCL memory");
    if (offset % 128 != 0)
        return clg_fail(CLG_ERR_INVALID, "clg_plan_use(%s): offset %zu is no multiple of 128", clg_tensor_name(t),
                        offset);
    const int at = find_memory(p, t, &needed);
    if (at < 0) return needed ? CLG_ERR_INVALID : CLG_OK;
    clg_value *v = &p->values[at];
    clg_buffer *next = v->own, *present = v->buffer;
    if (!mem && !v->own) return CLG_OK;
    if (mem) {
        const size_t bytes = clg_value_bytes(p, v);
        if (offset > SIZE_MAX - bytes)
            return clg_fail(CLG_ERR_INVALID, "clg_plan_use(%s): offset %zu is absurd", clg_tensor_name(t), offset);
        CLG_TRY(clg_buffer_wrap(p->device, mem, offset + bytes, is_written(p, at), clg_tensor_name(t), &next));
    }
    const size_t before = (size_t)v->offset * clg_dtype_size(v->t->dtype);
    const clg_status status = take(p, at, next, mem ? offset : 0);
    if (status < 0) {
        (void)take(p, at, present, before);
        if (mem) clg_buffer_destroy(&next);
        return status;
    }
    if (v->own) clg_buffer_destroy(&present); /* the application's, which is given back */
    v->own = !mem ? NULL : v->own ? v->own : present;
    return CLG_OK;
}

/* Of a plan of one device, or of a part. */
clg_status clg_plan_use_again(const clg_plan *from, clg_plan *to) {
    for (int i = 0; i < from->n_tensors; i++) {
        clg_tensor *t = from->graph->tensors[i];
        const clg_target *target = clg_plan_target(from, t);
        if (!target && t->node->op != &clg_op_input) continue;
        const clg_value *v = &from->values[clg_value_mem(from, target ? target->value : clg_root_of(from, t))];
        if (!v->own || (target && t->node->op->flags & CLG_OP_EFFECT)) continue;
        CLG_TRY(clg_plan_use(to, t, clg_buffer_memory(v->buffer), (size_t)v->offset * clg_dtype_size(v->t->dtype)));
    }
    return CLG_OK;
}

/* Events belong to the context of the graph's device: the others are waited for. */
static clg_status run_parts(clg_plan *p, unsigned n) {
    if (n > 0) CLG_TRY(clg_device_finish(p->device));
    CLG_TRY(clg_run(p));
    for (int k = 0; k < p->parts->n; k++)
        if (p->parts->part[k].device != p->device) CLG_TRY(clg_device_finish(p->parts->part[k].device));
    return CLG_OK;
}

clg_status clg_run_events(clg_plan *p, unsigned n, struct _cl_event *const *wait, struct _cl_event **done) {
    if (!p || (n > 0 && !wait))
        return clg_fail(CLG_ERR_INVALID, "clg_run_events: the %s is NULL", p ? "list of events" : "plan");
    if (p->caps->ref) return clg_fail(CLG_ERR_UNSUP, "clg_run_events: the device ref has no OpenCL events");
    CLG_TRY(clg_device_wait_for(p->device, n, wait));
    CLG_TRY(p->parts ? run_parts(p, n) : clg_run(p));
    return done ? clg_device_mark(p->device, done) : CLG_OK;
}

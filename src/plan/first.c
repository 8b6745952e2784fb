/* The first run of a plan. Some implementations fail only when they are launched for the first time: their kernels want
 * more registers or local memory than the device has for a work-group, or scratch that is not to be had, or a library's
 * kernels do not build. Such a run loses nothing: the plan is compiled again without that implementation (exclude.c),
 * takes the place of the old one with what was written to its inputs, and runs from the start.
 *
 * Method: undo and repeat. Before the first run, copies are taken of the params and states that a step writes before
 * the last kernel is launched; behind a launch that failed the devices are waited for and the copies put back. They are
 * dropped when the run is enqueued (kept.c: in host memory where that of the device lacks). Without memory for them,
 * only failures before the first such write are helped. */
#include "plan/kept.h"
#include "plan/place.h"

#include "base/alloc.h"
#include "base/log.h"

typedef struct undo {
    clg_kept kept;
    bool lacked;        /* an implementation was passed over for lack of memory: once, since it is seldom its fault */
} undo;

/* --- the steps of all parts, in the order of the run --- */

static int n_parts(const clg_plan *p) { return p->parts ? p->parts->n : 1; }

static clg_plan *part(clg_plan *p, int k) { return p->parts ? p->parts->part[k].plan : p; }

static bool writes_slot(const clg_plan *p, const clg_step *s, const clg_slot *slot) {
    for (int i = 0; i < s->n_args; i++) {
        const clg_step_arg *a = &s->args[i];
        if (clg_arg_touches(a) && clg_arg_writes(a) && p->values[clg_value_mem(p, a->value)].slot == slot) return true;
    }
    return false;
}

/* Whether step i begins a launch, which may fail: a megakernel is one. */
static bool may_fail(const clg_plan *p, int i) {
    const clg_step *s = &p->steps[i];
    if (s->mega && i > 0 && p->steps[i - 1].mega == s->mega) return false;
    return s->kind == CLG_STEP_KERNEL || s->kind == CLG_STEP_GEMM;
}

/* Whether a slot may be written already when a launch fails. */
static bool is_at_risk(clg_plan *p, const clg_slot *slot) {
    bool written = false;
    for (int k = 0; k < n_parts(p); k++) {
        const clg_plan *q = part(p, k);
        for (int i = 0; i < q->n_steps; i++) {
            if (written && may_fail(q, i)) return true;
            written = written || writes_slot(q, &q->steps[i], slot);
        }
    }
    return false;
}

/* Whether the run that failed has written a slot. */
static bool was_written(clg_plan *p, const clg_slot *slot) {
    for (int k = 0; k < n_parts(p); k++) {
        const clg_plan *q = part(p, k);
        const int end = q->failed_step >= 0 ? q->failed_step : q->n_steps;
        for (int i = 0; i < end; i++)
            if (writes_slot(q, &q->steps[i], slot)) return true;
        if (q->failed_step >= 0) break;
    }
    return false;
}

/* --- copies --- */

static void take_copies(clg_plan *p, undo *u) {
    clg_status status = CLG_OK;
    for (int i = 0; i < p->n_effects && status >= 0; i++) {
        clg_slot *slot = p->effects[i].node->slot;
        if (is_at_risk(p, slot)) status = clg_kept_take(&u->kept, slot);
    }
    if (status >= 0) return;
    clg_log_msg(CLG_LOG_DEBUG, "the first run cannot be undone: %s", clg_error());
    clg_kept_drop(&u->kept);
}

/* What the run that failed has written is as it was before; false: it cannot be. */
static bool put_back(clg_plan *p, undo *u) {
    for (int k = 0; k < n_parts(p); k++)
        if (clg_device_finish(part(p, k)->device) < 0) return false; /* a lost device stays lost */
    for (int i = 0; i < p->n_effects; i++) /* the steps of a megakernel that was refused are launched one by one */
        if (was_written(p, p->effects[i].node->slot) && !clg_kept_has(&u->kept, p->effects[i].node->slot)) return false;
    return clg_kept_put_back(&u->kept) >= 0;
}

/* --- the next plan --- */

/* What was written to an input, as the next plan's. */
static clg_status carry_input(clg_plan *from, clg_plan *to, clg_tensor *t) {
    const clg_value *v = NULL;
    for (int k = 0; k < n_parts(from) && !v; k++)
        if (t->id < part(from, k)->n_tensors && part(from, k)->values[t->id].upload) v = &part(from, k)->values[t->id];
    const size_t bytes = clg_tensor_bytes(t);
    if (!v || v->own || bytes == 0) return CLG_OK;
    void *data = clg_alloc(bytes);
    if (!data) return clg_fail_nomem(clg_tensor_name(t));
    clg_status status = clg_buffer_read(clg_upload_buffer(v->upload), 0, t->dtype, data,
                                        (size_t)clg_shape_elems(t->shape));
    if (status >= 0) status = clg_write(to, t, data, bytes);
    clg_free(data);
    return status;
}

static clg_status carry(clg_plan *from, clg_plan *to) {
    for (int i = 0; i < from->n_tensors; i++) {
        clg_tensor *t = from->graph->tensors[i];
        if (t->node->op == &clg_op_input) CLG_TRY(carry_input(from, to, t));
    }
    for (int k = 0; k < n_parts(from); k++) CLG_TRY(clg_plan_use_again(part(from, k), to));
    return CLG_OK;
}

/* The caller's plan has the contents of the other one from now on. */
static void exchange(clg_plan *p, clg_plan *other) {
    const clg_plan old = *p;
    *p = *other;
    *other = old;
    for (int k = 0; p->parts && k < p->parts->n; k++) p->parts->part[k].plan->whole = p;
    for (int k = 0; other->parts && k < other->parts->n; k++) other->parts->part[k].plan->whole = other;
    p->info.compile_seconds += old.info.compile_seconds;
    p->owns_findings = true;
    other->owns_findings = false;
}

static clg_status compile_again(clg_plan *p) {
    clg_plan *next = clg_plan_again(p);
    if (!next) return clg_error_status();
    const clg_status status = carry(p, next);
    if (status >= 0) exchange(p, next);
    clg_plan_destroy(&next);
    return status;
}

/* --- the first run --- */

/* The part whose step failed; NULL: no step did. */
static clg_plan *failed_part(clg_plan *p) {
    for (int k = 0; k < n_parts(p); k++)
        if (part(p, k)->failed_step >= 0) return part(p, k);
    return NULL;
}

static bool is_being_read(clg_plan *p) {
    for (int k = 0; k < n_parts(p); k++)
        for (int i = 0; i < part(p, k)->n_targets; i++) {
            const clg_download *d = part(p, k)->targets[i].download;
            if (d && clg_download_begun(d)) return true;
        }
    return false;
}

/* After a run that failed with clg_error(): whether it is worth running again. */
static bool help(clg_plan *p, clg_status status, undo *u) {
    clg_plan *failed = failed_part(p);
    clg_error_state cause;
    if (!failed || clg_plan_candidate(p) || is_being_read(p) || (status != CLG_ERR_UNSUP && status != CLG_ERR_NOMEM)) return false;
    clg_error_save(&cause);
    const bool undone = put_back(p, u), room = undone && status == CLG_ERR_NOMEM && clg_kept_make_room(&u->kept);
    clg_error_restore(&cause);
    if (!undone) return false;
    failed->failed_step = room ? -1 : failed->failed_step;
    if (room) return true; /* it may have been the copies that there was no room for */
    if ((status == CLG_ERR_NOMEM && u->lacked) || !clg_plan_bar_launch(failed, status)) return false;
    u->lacked = u->lacked || status == CLG_ERR_NOMEM;
    clg_error_save(&cause);
    const clg_status next = compile_again(p);
    if (next < 0) clg_log_msg(CLG_LOG_DEBUG, "no other plan: %s", clg_error());
    clg_error_restore(&cause);
    return next >= 0;
}

clg_status clg_plan_first_run(clg_plan *p, clg_status (*run)(clg_plan *p)) {
    undo u = { 0 };
    clg_error_state before, cause;
    clg_error_save(&before);
    take_copies(p, &u);
    clg_status status = run(p);
    while (status < 0 && help(p, status, &u)) status = run(p);
    clg_kept_drop(&u.kept);
    p->proven = status >= 0;
    if (status < 0) clg_error_save(&cause);
    clg_error_restore(&before);
    if (status < 0) clg_error_restore(&cause);
    return status;
}

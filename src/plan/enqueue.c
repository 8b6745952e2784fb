/* Steps on their way to the queues: what each of them waits for, and the events that others will wait for. A run begins
 * by going over to what was uploaded since the last one: the steps that read an input with two buffers get the one that
 * was written last, and the first step waits for the upload, or the marker does where the run forks to further queues.
 * The last step, or the barrier that joins them, gives an event, behind which that buffer may be written again, and
 * targets in shared memory be read. */
#include "plan/plan.h"

/* --- steps --- */

/* On the host; the compute queue waits in its place, and gives its event. */
static clg_status run_ref(clg_plan *p, clg_step *s, const clg_link *l) {
    if (l && l->n_wait > 0) CLG_TRY(clg_link_mark(p->device, &(clg_link){ .n_wait = l->n_wait, .wait = l->wait }));
    const double start = clg_trace_start(p->device);
    const clg_status status = clg_ref_run(p, s);
    clg_trace_computed(p->device, s->note.name, start);
    if (status < 0 || !l || !l->done) return status;
    return clg_link_mark(p->device, &(clg_link){ .done = l->done });
}

static clg_status enqueue(clg_plan *p, clg_step *s, const clg_link *l) {
    switch (s->kind) {
    case CLG_STEP_KERNEL: return clg_kernel_enqueue(s->kernel, &s->note, l);
    case CLG_STEP_GEMM:   return clg_gemm_clblast(p->device, &s->gemm, &s->note, l);
    case CLG_STEP_REF:    return run_ref(p, s, l);
    case CLG_STEP_COPY:   break;
    }
    const clg_value *src = &p->values[s->args[0].value], *dst = &p->values[s->args[1].value];
    return clg_buffer_copy(src->buffer, src->offset, dst->buffer, dst->offset, src->t->dtype,
                           (size_t)clg_value_elems(src), &s->note, l);
}

/* Appends the copies of targets that step i must wait for; i -1: all. */
static void list_reads(const clg_plan *p, int i, clg_link *l) {
    for (int k = 0; k < p->n_targets; k++) {
        const clg_target *t = &p->targets[k];
        if (t->download && (i < 0 || t->first == i))
            l->n_wait += clg_download_pending(t->download, p->waits + l->n_wait);
    }
}

/* Appends the uploads that the run waits for. */
static void list_uploads(const clg_plan *p, clg_link *l) {
    for (int i = 0; i < p->n_doubled; i++) {
        const clg_value *v = &p->values[p->doubled[i].value];
        if (!v->own && clg_upload_fresh(v->upload) && clg_upload_sent(v->upload))
            p->waits[l->n_wait++] = clg_upload_sent(v->upload);
    }
}

/* Appends the steps of other queues that step i must wait for. */
static void list_steps(const clg_plan *p, const clg_step *s, clg_link *l) {
    for (int i = 0; i < s->n_waits; i++) p->waits[l->n_wait++] = p->steps[s->waits[i]].event;
    if (s->forks) p->waits[l->n_wait++] = p->start;
}

static bool gives_event(const clg_plan *p, int i) {
    if (p->steps[i].signals) return true;
    for (int k = 0; k < p->n_targets; k++)
        if (p->targets[k].download && p->targets[k].last == i) return true;
    return i == p->last && p->marks_end && p->n_joins == 0;
}

clg_status clg_step_run(clg_plan *p, int step) {
    clg_step *s = &p->steps[step];
    struct _cl_event *event = NULL;
    clg_link l = { .queue = s->queue, .wait = p->waits, .done = gives_event(p, step) ? &event : NULL };
    if (!s->linked) return enqueue(p, s, NULL);
    if (step == p->n_prepared && !p->forks) list_uploads(p, &l);
    list_steps(p, s, &l);
    list_reads(p, step, &l);
    CLG_TRY(enqueue(p, s, &l));
    clg_event_release(&s->event);
    s->event = event;
    return CLG_OK;
}

clg_status clg_steps_run(clg_plan *p, int begin, int end, clg_kernel *kernel) {
    struct _cl_event *event = NULL;
    clg_link l = { .wait = p->waits };
    bool gives = false;
    if (begin <= p->n_prepared && p->n_prepared < end) list_uploads(p, &l);
    for (int i = begin; i < end; i++) {
        if (!p->steps[i].linked) continue;
        list_reads(p, i, &l);
        gives |= gives_event(p, i);
    }
    if (l.n_wait == 0 && clg_kernel_again(kernel, gives)) { /* the events of the steps are those of its command already */
        p->again = end == p->n_steps;
        return CLG_OK;
    }
    if (gives) l.done = &event;
    CLG_TRY(clg_kernel_enqueue(kernel, NULL, &l));
    clg_status status = CLG_OK;
    for (int i = begin; i < end && gives; i++) {
        if (!p->steps[i].linked || !gives_event(p, i)) continue;
        clg_event_release(&p->steps[i].event);
        const clg_status shared = clg_event_share(event, &p->steps[i].event);
        if (shared < 0) status = shared;
    }
    clg_event_release(&event);
    return status;
}

clg_status clg_plan_await_reads(clg_plan *p) {
    clg_link l = { .wait = p->waits };
    list_reads(p, -1, &l);
    return l.n_wait > 0 ? clg_link_mark(p->device, &l) : CLG_OK;
}

/* --- runs --- */

/* Binds the buffer that was written last to the steps that read the input. */
static clg_status go_over(clg_plan *p, const clg_doubled *d) {
    clg_value *v = &p->values[d->value];
    clg_buffer *before = v->buffer, *next = clg_upload_buffer(v->upload);
    if (v->own || before == next) return CLG_OK;
    v->buffer = next;
    for (int i = 0; i < d->n_steps; i++) {
        const clg_status status = clg_step_rebind(p, &p->steps[d->steps[i]], d->value);
        if (status < 0) {
            v->buffer = before; /* so that the next run binds all of them */
            return status;
        }
    }
    return CLG_OK;
}

clg_status clg_run_begin(clg_plan *p) {
    p->ended = false;
    for (int i = 0; i < p->n_doubled; i++) CLG_TRY(go_over(p, &p->doubled[i]));
    if (!p->forks) return CLG_OK;
    clg_link l = { .wait = p->waits, .done = &p->start };
    clg_event_release(&p->start);
    list_uploads(p, &l);
    return clg_link_mark(p->device, &l);
}

static clg_status join(clg_plan *p) {
    clg_link l = { .n_wait = p->n_joins, .wait = p->waits, .done = &p->end };
    clg_event_release(&p->end);
    for (int i = 0; i < p->n_joins; i++) p->waits[i] = p->steps[p->joins[i]].event;
    return clg_link_mark(p->device, &l);
}

struct _cl_event *clg_run_event(const clg_plan *p) { return p->n_joins > 0 ? p->end : p->steps[p->last].event; }

clg_status clg_run_end(clg_plan *p) {
    if (p->n_joins > 0) CLG_TRY(join(p));
    for (int i = 0; i < p->n_doubled; i++) {
        const clg_value *v = &p->values[p->doubled[i].value];
        if (!v->own) clg_upload_taken(v->upload);
    }
    p->ended = p->marks_end;
    return CLG_OK;
}

/* --- what is known before the first run --- */

static bool touches(const clg_plan *p, const clg_step *s, int mem) {
    for (int i = 0; i < s->n_args; i++)
        if (clg_arg_touches(&s->args[i]) && clg_value_mem(p, s->args[i].value) == mem) return true;
    return false;
}

static clg_status list_readers(clg_plan *p, clg_doubled *d) {
    d->steps = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *d->steps);
    if (!d->steps) return CLG_ERR_NOMEM;
    for (int i = p->n_prepared; i < p->n_steps; i++)
        if (touches(p, &p->steps[i], d->value)) d->steps[d->n_steps++] = i;
    return CLG_OK;
}

enum clg_upload_way clg_input_way(const clg_plan *p, const clg_value *v) {
    if (p->whole) return CLG_UPLOAD_IN_LINE; /* later parts of the device use the same buffer */
    if (!v->t->node || v->t->node->op != &clg_op_input || v->keep) return CLG_UPLOAD_IN_LINE;
    return clg_upload_best(p->device, clg_value_bytes(p, v), p->shares);
}

static bool has_shared_target(const clg_plan *p) {
    for (int i = 0; i < p->n_targets; i++)
        if (clg_target_is_shared(p, &p->targets[i])) return true;
    return false;
}

clg_status clg_plan_link(clg_plan *p) {
    int n = 0;
    for (int i = 0; i < p->n_values; i++) n += p->values[i].upload && clg_upload_is_doubled(p->values[i].upload);
    const size_t most = (size_t)n + (size_t)p->n_targets * CLG_DOWNLOADS + CLG_QUEUES + 1;
    p->waits = clg_arena_array(&p->arena, most, sizeof *p->waits);
    p->doubled = clg_arena_array(&p->arena, (size_t)n + 1, sizeof *p->doubled);
    if (!p->waits || !p->doubled) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_values; i++) {
        if (!p->values[i].upload || !clg_upload_is_doubled(p->values[i].upload)) continue;
        p->doubled[p->n_doubled].value = i;
        CLG_TRY(list_readers(p, &p->doubled[p->n_doubled++]));
    }
    for (int i = p->n_prepared; i < p->n_steps; i++) {
        if (p->steps[i].queue > 0) p->steps[i].linked = true;
        else p->last = i;
    }
    p->shows = has_shared_target(p);
    p->marks_end = (p->n_doubled > 0 || p->shows) && p->n_steps > p->n_prepared;
    if (p->marks_end) p->steps[p->n_prepared].linked = p->steps[p->last].linked = true;
    return CLG_OK;
}

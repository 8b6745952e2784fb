/* Events between queues: see link.h. Barriers and markers of OpenCL 1.2; whoever makes another queue wait for an event
 * flushes the queue that gives it. */
#include "cl/internal.h"

void clg_event_release(cl_event *e) {
    if (*e) clReleaseEvent(*e);
    *e = NULL;
}

clg_status clg_event_share(cl_event event, cl_event *to) {
    const cl_int err = clRetainEvent(event);
    if (err != CL_SUCCESS) return clg_cl_fail(NULL, err, "clRetainEvent", "end of several steps");
    *to = event;
    return CLG_OK;
}

cl_command_queue clg_link_queue(const clg_device *d, const clg_link *l) {
    return l && l->queue > 0 ? d->branch[l->queue - 1] : d->queue;
}

bool clg_link_wants(const clg_device *d, const clg_note *note, const clg_link *l) {
    return (l && l->done) || clg_note_wants(d, note);
}

clg_status clg_link_give(clg_device *d, cl_command_queue q, clg_note *note, const char *name, const clg_link *l,
                         cl_event event) {
    if (!l || !l->done) {
        clg_note_command(d, q, note, name, event);
        return CLG_OK;
    }
    const cl_int err = clg_note_wants(d, note) ? clRetainEvent(event) : CL_SUCCESS; /* two owners */
    if (err != CL_SUCCESS) {
        clReleaseEvent(event);
        return clg_cl_fail(d, err, "clRetainEvent", "%s", name);
    }
    if (clg_note_wants(d, note)) clg_note_command(d, q, note, name, event);
    *l->done = event;
    return CLG_OK;
}

clg_status clg_link_mark(clg_device *d, const clg_link *l) {
    const cl_int err = clEnqueueBarrierWithWaitList(clg_link_queue(d, l), (cl_uint)l->n_wait,
                                                    l->n_wait ? l->wait : NULL, l->done);
    clg_resident_end(d);
    if (err == CL_SUCCESS) return CLG_OK;
    if (l->done) *l->done = NULL; /* whatever the driver left there */
    return clg_cl_fail(d, err, "clEnqueueBarrierWithWaitList", "%d events to wait for", l->n_wait);
}

/* Notes (trace.h): when a step of a plan ran last. A note with an event stands in the device's list until the device is
 * known to be done. */
#include "cl/recording.h"

bool clg_note_wants(const clg_device *d, const clg_note *n) {
    return (n && d->caps.profiling) || clg_trace_wants(d);
}

/* Keeps the event until clg_notes_collect(), in place of that of the enqueue before. */
static void keep(clg_device *d, clg_note *n, cl_event event) {
    pthread_mutex_lock(&d->lock);
    if (n->event) {
        clReleaseEvent(n->event);
    } else {
        n->next = d->notes;
        d->notes = n;
    }
    n->event = event;
    pthread_mutex_unlock(&d->lock);
}

void clg_note_command(clg_device *d, cl_command_queue q, clg_note *n, const char *name, cl_event event) {
    if (!event) return;
    clg_trace_command(d, q, n && n->name ? n->name : name, event);
    if (n && d->caps.profiling) keep(d, n, event);
    else clReleaseEvent(event);
}

/* Takes the note off the list; the lock is held. */
static void forget(clg_device *d, clg_note *n) {
    clg_note **at = &d->notes;
    while (*at && *at != n) at = &(*at)->next;
    if (*at) *at = n->next;
    if (n->event) clReleaseEvent(n->event);
    n->event = NULL;
}

void clg_note_forget(clg_device *d, clg_note *n) {
    pthread_mutex_lock(&d->lock);
    forget(d, n);
    pthread_mutex_unlock(&d->lock);
}

cl_int clg_event_times(cl_event event, uint64_t *start, uint64_t *end) {
    cl_ulong begun = 0, done = 0;
    cl_int err = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begun, &begun, NULL);
    if (err == CL_SUCCESS) err = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof done, &done, NULL);
    if (err != CL_SUCCESS) return err;
    if (done < begun) return CL_PROFILING_INFO_NOT_AVAILABLE;
    *start = begun;
    *end = done;
    return CL_SUCCESS;
}

bool clg_event_done(cl_event event) {
    cl_int status = CL_QUEUED;
    const cl_int err = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    return err != CL_SUCCESS || status <= CL_COMPLETE;
}

void clg_notes_collect(clg_device *d) {
    if (!d->caps.profiling) return;
    pthread_mutex_lock(&d->lock);
    for (clg_note *n = d->notes, *next; n; n = next) {
        next = n->next;
        if (!clg_event_done(n->event)) continue;
        (void)clg_event_times(n->event, &n->start, &n->end); /* unknown times are no reason to fail */
        forget(d, n);
    }
    pthread_mutex_unlock(&d->lock);
}

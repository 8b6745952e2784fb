/* Lost devices and time-outs.
 *
 * A driver that reset its device, or whose device is gone, answers with errors for ever, some of them misleading, and a
 * command that hangs is waited for in vain. So the first such error is kept: from then on every call that would use the
 * device fails at once with that message; only destroy functions still wait for what the driver has begun.
 *
 * With clg_device_params.timeout_ms, waits ask for the state of an event with sleeps that grow with the time waited, by
 * an eighth, so that at most so much is lost. When the time is over the device counts as hung: its commands may still
 * run, so what they may touch (queues, host memory of uploads) is given up and not freed. */
#include "base/clock.h"
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LONGEST_SLEEP 0.02 /* seconds */
#define SPIN 5e-5          /* seconds of asking without sleep */

/* Whether an error means that the device will not work again. What waits, or needs no resources of its own, fails for
 * nothing else than a command that broke down. */
static bool is_loss(cl_int code, const char *call) {
    const bool waits = strcmp(call, "clFinish") == 0 || strcmp(call, "clWaitForEvents") == 0
        || strcmp(call, "clFlush") == 0 || strcmp(call, "clEnqueueReadBuffer") == 0;
    switch (code) {
    case CL_DEVICE_NOT_AVAILABLE: return true;
    case CL_OUT_OF_RESOURCES:
    case CL_INVALID_COMMAND_QUEUE:
    case CL_INVALID_CONTEXT:
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: return waits;
    default: return code <= -9999; /* NVIDIA's code for an illegal access, after which the context is dead */
    }
}

clg_status clg_device_check(const clg_device *d) {
    if (atomic_load_explicit(&d->state, memory_order_acquire) == CLG_DEVICE_WORKS) return CLG_OK;
    return clg_fail(CLG_ERR_DEVICE, "device %s is lost since an earlier failure: %s; close it and open it again, or "
                    "another one (if that fails too, the driver has to be restarted)", d->row.name, d->lost_text);
}

/* Keeps the first message; later ones follow from it. */
void clg_device_note(clg_device *d, cl_int code, const char *call) {
    if (!d || !d->context || !is_loss(code, call)) return;
    pthread_mutex_lock(&d->lock);
    if (atomic_load(&d->state) == CLG_DEVICE_WORKS) {
        snprintf(d->lost_text, sizeof d->lost_text, "%s", clg_error());
        atomic_store_explicit(&d->state, CLG_DEVICE_LOST, memory_order_release);
        clg_log_msg(CLG_LOG_WARN, "device %s is lost: %s", d->row.name, d->lost_text);
    }
    pthread_mutex_unlock(&d->lock);
}

/* Which step was waited for: the oldest that is not done; known where steps are timed. The lock is held. */
static const char *hung_step(const clg_device *d) {
    const char *name = NULL;
    for (const clg_note *n = d->notes; n; n = n->next) /* the newest first */
        if (n->event && !clg_event_done(n->event)) name = n->name;
    return name;
}

static cl_int time_out(clg_device *d) {
    pthread_mutex_lock(&d->lock);
    const char *name = hung_step(d);
    if (clg_device_works(d)) {
        snprintf(d->lost_text, sizeof d->lost_text, "nothing was done within %d ms (clg_device_params.timeout_ms)"
                 "%s%s%s; either a command hangs, or the time is too short", d->timeout_ms,
                 name ? "; it waits for step \"" : "", name ? name : "",
                 name ? "\"" : "; a device that is opened with .profiling tells for which step");
        atomic_store_explicit(&d->state, CLG_DEVICE_HUNG, memory_order_release);
    }
    pthread_mutex_unlock(&d->lock);
    return CLG_CL_TIMED_OUT;
}

/* Waits for one event within the device's time; the event's error, if it has one. */
static cl_int wait_within(clg_device *d, cl_event e) {
    const double begin = clg_now(), limit = 1e-3 * d->timeout_ms;
    for (;;) {
        cl_int state = CL_QUEUED;
        const cl_int err = clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
        if (err != CL_SUCCESS) return err;
        if (state == CL_COMPLETE) return CL_SUCCESS;
        if (state < 0) return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
        const double waited = clg_now() - begin;
        if (waited >= limit) return time_out(d);
        if (waited < SPIN) continue;
        double sleep = waited / 8 < LONGEST_SLEEP ? waited / 8 : LONGEST_SLEEP;
        if (sleep > limit - waited) sleep = limit - waited;
        nanosleep(&(struct timespec){ 0, (long)(1e9 * sleep) + 1 }, NULL);
    }
}

/* A driver whose device is lost answers at once. One that has only said so may still be at work on what is about to be
 * freed (PoCL crashes then), so it is waited for, unless it hangs. */
static bool is_hung(const clg_device *d) {
    return atomic_load_explicit(&d->state, memory_order_acquire) == CLG_DEVICE_HUNG;
}

cl_int clg_wait_event(clg_device *d, cl_event e) {
    clg_resident_end(d);
    if (is_hung(d)) return CL_DEVICE_NOT_AVAILABLE;
    return d->timeout_ms > 0 && clg_device_works(d) ? wait_within(d, e) : clWaitForEvents(1, &e);
}

cl_int clg_wait_queue(clg_device *d, cl_command_queue q) {
    cl_event done = NULL;
    clg_resident_end(d);
    if (is_hung(d)) return CL_DEVICE_NOT_AVAILABLE;
    if (d->timeout_ms <= 0 || !clg_device_works(d)) return clFinish(q);
    cl_int err = clEnqueueMarkerWithWaitList(q, 0, NULL, &done);
    if (err != CL_SUCCESS) return err;
    err = clFlush(q);
    if (err == CL_SUCCESS) err = wait_within(d, done);
    clReleaseEvent(done);
    return err;
}

clg_status clg_device_settle(clg_device *d) {
    CLG_TRY(clg_device_check(d));
    if (d->timeout_ms <= 0) return CLG_OK;
    clg_awake_ring(d);
    const cl_int err = clg_wait_queue(d, d->queue);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clFinish", "a command enqueued before failed");
}

bool clg_is_out_of_memory(cl_int code) {
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES || code == CL_OUT_OF_HOST_MEMORY
        || code == CL_INVALID_BUFFER_SIZE;
}

bool clg_make_room(clg_device *d) {
    clg_pool_trim(d, 0);
    return clg_wait_queue(d, d->queue) == CL_SUCCESS; /* what is freed goes when the commands that use it are done */
}

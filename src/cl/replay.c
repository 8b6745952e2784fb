/* Replay through cl_khr_command_buffer (OpenCL extension specification, provisional 0.9): see replay.h. The entry
 * points come from the platform by name, and their types are declared here, since headers and loaders differ in what
 * they have. Only kernels are recorded: the signature of recorded copies changed between versions of the extension,
 * that of kernels did not.
 *
 * A command buffer that is still under way may be enqueued again only where the device allows simultaneous use. Where
 * it does not, its last event is asked, and the caller enqueues one by one instead of waiting. */
#include "cl/replay.h"
#include "cl/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the extension --- */

enum {
    DEVICE_CAPABILITIES = 0x12A9, DEVICE_REQUIRED_QUEUE = 0x12AA, /* clGetDeviceInfo */
    CAN_OVERLAP = 1 << 2,             /* CL_COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR */
    FLAGS = 0x1293, OVERLAP = 1 << 0, /* CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR */
};

typedef struct clg_commands_ *commands; /* cl_command_buffer_khr */

struct clg_replay_calls {
    commands (CL_API_CALL *create)(cl_uint, const cl_command_queue *, const cl_ulong *, cl_int *);
    cl_int (CL_API_CALL *kernel)(commands, cl_command_queue, const cl_ulong *, cl_kernel, cl_uint, const size_t *,
                                 const size_t *, const size_t *, cl_uint, const cl_uint *, cl_uint *, void **);
    cl_int (CL_API_CALL *finalize)(commands);
    cl_int (CL_API_CALL *enqueue)(cl_uint, cl_command_queue *, commands, cl_uint, const cl_event *, cl_event *);
    cl_int (CL_API_CALL *release)(commands);
    bool there, overlap;
};

static bool load(const clg_device *d, const char *name, void *to) {
    void *f = clGetExtensionFunctionAddressForPlatform(d->row.platform, name);
    memcpy(to, &f, sizeof f); /* ISO C has no conversion from void * to a function */
    return f != NULL;
}

/* What the queue must be is less than what it is. */
static bool suits_queue(const clg_device *d) {
    const cl_command_queue_properties have = d->caps.profiling ? CL_QUEUE_PROFILING_ENABLE : 0;
    cl_command_queue_properties want = 0;
    return clGetDeviceInfo(d->row.id, DEVICE_REQUIRED_QUEUE, sizeof want, &want, NULL) == CL_SUCCESS
        && (want & ~have) == 0;
}

/* Looks once; NULL: no memory, and the next call looks again. */
static const struct clg_replay_calls *find(clg_device *d) {
    cl_bitfield can = 0;
    if (d->replay) return d->replay;
    struct clg_replay_calls *c = clg_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->there = d->row.info.command_buffer && suits_queue(d) && load(d, "clCreateCommandBufferKHR", &c->create)
        && load(d, "clCommandNDRangeKernelKHR", &c->kernel) && load(d, "clFinalizeCommandBufferKHR", &c->finalize)
        && load(d, "clEnqueueCommandBufferKHR", &c->enqueue) && load(d, "clReleaseCommandBufferKHR", &c->release);
    c->overlap = c->there && !getenv("CLGRAD_REPLAY_ALONE") /* the way of other devices, for tests */
        && clGetDeviceInfo(d->row.id, DEVICE_CAPABILITIES, sizeof can, &can, NULL) == CL_SUCCESS && (can & CAN_OVERLAP);
    pthread_mutex_lock(&d->lock);
    if (d->replay) clg_free(c);
    else d->replay = c;
    pthread_mutex_unlock(&d->lock);
    return d->replay;
}

bool clg_replay_can(clg_device *d) {
    const struct clg_replay_calls *c = d->caps.ref ? NULL : find(d);
    return c && c->there;
}

/* --- recordings --- */

struct clg_recorded {
    clg_device *device;
    commands    commands;
    cl_event    last;     /* of the last enqueue; NULL: none, or not needed */
    char        name[32]; /* in traces */
};

static clg_status fail(const clg_recorded *r, cl_int err, const char *call) {
    return clg_cl_fail(r->device, err, call, "%s; clg_plan_params.replay = CLG_REPLAY_OFF does without", r->name);
}

static clg_status record(clg_recorded *r, clg_kernel *const *kernels, int n) {
    clg_device *d = r->device;
    const struct clg_replay_calls *c = d->replay;
    const cl_ulong overlap[] = { FLAGS, OVERLAP, 0 };
    cl_int err = CL_SUCCESS;
    r->commands = c->create(1, &d->queue, c->overlap ? overlap : NULL, &err);
    if (err != CL_SUCCESS) {
        r->commands = NULL;
        return fail(r, err, "clCreateCommandBufferKHR");
    }
    for (int i = 0; i < n && err == CL_SUCCESS; i++) {
        clg_launch_range range;
        cl_kernel kernel = clg_kernel_range(kernels[i], &range);
        err = c->kernel(r->commands, NULL, NULL, kernel, 3, NULL, range.global, range.local, 0, NULL, NULL, NULL);
    }
    if (err != CL_SUCCESS) return fail(r, err, "clCommandNDRangeKernelKHR");
    err = c->finalize(r->commands);
    return err == CL_SUCCESS ? CLG_OK : fail(r, err, "clFinalizeCommandBufferKHR");
}

clg_status clg_recorded_create(clg_device *d, clg_kernel *const *kernels, int n, clg_recorded **out) {
    if (!clg_replay_can(d))
        return clg_fail(CLG_ERR_UNSUP, "device %s records no commands (cl_khr_command_buffer)", d->row.name);
    clg_recorded *r = clg_calloc(1, sizeof *r);
    if (!r) return clg_fail_nomem("recorded commands");
    r->device = d;
    snprintf(r->name, sizeof r->name, "replay of %d kernels", n);
    const clg_status status = record(r, kernels, n);
    if (status < 0) clg_recorded_destroy(&r);
    else *out = r;
    return status;
}

clg_status clg_recorded_enqueue(clg_recorded *r, bool *enqueued) {
    clg_device *d = r->device;
    const struct clg_replay_calls *c = d->replay;
    cl_event event = NULL;
    *enqueued = !r->last || clg_event_done(r->last);
    if (!*enqueued) return CLG_OK;
    const bool wants = !c->overlap || clg_trace_wants(d);
    const cl_int err = c->enqueue(0, NULL, r->commands, 0, NULL, wants ? &event : NULL);
    clg_resident_end(d);
    if (err != CL_SUCCESS) return fail(r, err, "clEnqueueCommandBufferKHR");
    if (r->last) clReleaseEvent(r->last);
    r->last = NULL;
    if (event) clg_trace_command(d, d->queue, r->name, event);
    if (event && c->overlap) clReleaseEvent(event);
    else r->last = event;
    return CLG_OK;
}

/* The specification lets a pending command buffer be released; drivers have been seen to free it at once. */
void clg_recorded_destroy(clg_recorded **replay) {
    if (!replay || !*replay) return;
    clg_recorded *r = *replay;
    *replay = NULL;
    if (r->commands) {
        (void)clg_wait_queue(r->device, r->device->queue);
        if (atomic_load(&r->device->state) != CLG_DEVICE_HUNG) r->device->replay->release(r->commands);
    }
    if (r->last) clReleaseEvent(r->last);
    clg_free(r);
}

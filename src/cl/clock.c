/* The device's clock against the host's. A command of four bytes is enqueued and waited for; its QUEUED time lies
 * within the call that enqueued it, its START behind the beginning of that call, its END before the end of the wait.
 * The narrowest of some trials gives the moment. Drivers whose QUEUED contradicts the other two are believed by those
 * alone. clGetDeviceAndHostTimer() would need OpenCL 2.1. */
#include "base/clock.h"
#include "cl/recording.h"

enum { TRIALS = 12 };

typedef struct trial {
    double   begin, enqueued, end; /* host, seconds */
    cl_ulong queued, started, ended; /* device, ns */
} trial;

static cl_int get_times(cl_event e, trial *t) {
    cl_int err = clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_QUEUED, sizeof t->queued, &t->queued, NULL);
    if (err == CL_SUCCESS)
        err = clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_START, sizeof t->started, &t->started, NULL);
    return err == CL_SUCCESS ? clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof t->ended, &t->ended, NULL)
                             : err;
}

static cl_int try_once(const clg_device *d, const clg_buffer *b, trial *t, const char **call) {
    cl_event done = NULL;
    cl_uint word;
    t->begin = clg_now();
    *call = "clEnqueueReadBuffer";
    cl_int err = clEnqueueReadBuffer(d->queue, b->mem, CL_FALSE, 0, sizeof word, &word, 0, NULL, &done);
    t->enqueued = clg_now();
    if (err != CL_SUCCESS) return err;
    *call = "clWaitForEvents";
    err = clWaitForEvents(1, &done);
    t->end = clg_now();
    if (err != CL_SUCCESS) clFinish(d->queue); /* word is on this stack */
    *call = "clGetEventProfilingInfo";
    if (err == CL_SUCCESS) err = get_times(done, t);
    clReleaseEvent(done);
    return err;
}

static double seconds(cl_ulong from, cl_ulong to) { return 1e-9 * (double)(int64_t)(to - from); }

/* The host's time of one moment of the trial's lies within *width around m->host. */
static void enclose(const trial *t, clg_moment *m, double *width) {
    double low = t->begin, high = t->end - seconds(t->started, t->ended); /* of START */
    m->device = t->started;
    const double wait = seconds(t->queued, t->started);
    const double tight_low = t->begin + wait > low ? t->begin + wait : low;
    const double tight_high = t->enqueued + wait < high ? t->enqueued + wait : high;
    if (t->queued > 0 && wait >= 0 && tight_low <= tight_high) {
        low = tight_low;
        high = tight_high;
    }
    m->host = low + (high - low) / 2;
    *width = high - low;
}

clg_status clg_clock_compare(clg_device *d, clg_moment *m) {
    clg_buffer *b = NULL;
    double least = 0, width;
    cl_int err = CL_SUCCESS;
    const char *call = "";
    CLG_TRY(clg_queues_finish(d));
    CLG_TRY(clg_buffer_create(d, sizeof(cl_uint), "comparison of clocks", &b));
    for (int i = 0; i < TRIALS && err == CL_SUCCESS; i++) {
        trial t = { 0 };
        clg_moment one;
        err = try_once(d, b, &t, &call);
        if (err != CL_SUCCESS) break;
        enclose(&t, &one, &width);
        if (i > 0 && width >= least) continue;
        *m = one;
        least = width;
    }
    clg_buffer_destroy(&b);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, call, "comparison of the device's clock with the host's");
}

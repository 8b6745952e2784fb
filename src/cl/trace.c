/* Recording of traces (clgrad/trace.h). Spans go into an array that was allocated at creation. A command's event is
 * kept with its span until its times can be read; when many are waiting, those that are done are read on the way, so
 * that the driver's memory stays bounded too. trace_write.c makes the file. */
#include "base/clock.h"
#include "cl/recording.h"

#include <stdio.h>
#include <string.h>

enum { MAX_UNREAD = 4096, READ_AT_ONCE = 64 };

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

pthread_mutex_t *clg_trace_lock(void) { return &trace_lock; }

/* --- the trace and its devices --- */

clg_trace *clg_trace_create(int64_t max_spans) {
    const int64_t usual = 100000, most = INT64_C(1) << 32;
    if (max_spans < 0 || max_spans > most) {
        clg_fail(CLG_ERR_INVALID, "clg_trace_create(%lld): give 1 to %lld spans, or 0 for %lld", (long long)max_spans,
                 (long long)most, (long long)usual);
        return NULL;
    }
    clg_trace *t = clg_calloc(1, sizeof *t);
    if (t) t->max = max_spans > 0 ? max_spans : usual;
    if (t) t->spans = clg_calloc((size_t)t->max, sizeof *t->spans);
    if (!t || !t->spans) {
        clg_free(t);
        clg_fail_nomem("trace");
        return NULL;
    }
    t->zero = clg_now();
    return t;
}

clg_status clg_trace_device(clg_trace *t, clg_device *dev) {
    clg_moment now = { 0 };
    if (!t || !dev) return clg_fail(CLG_ERR_INVALID, "clg_trace_device: the %s is NULL", t ? "device" : "trace");
    if (!dev->caps.profiling && !dev->caps.ref)
        return clg_fail(CLG_ERR_INVALID, "clg_trace_device: device %s keeps no times: open it with "
                        "clg_device_params(.profiling = true)", dev->row.name);
    if (!dev->caps.ref) CLG_TRY(clg_clock_compare(dev, &now));
    pthread_mutex_lock(&trace_lock);
    const bool taken = atomic_load(&dev->trace) != NULL, full = t->n_devices == CLG_TRACE_DEVICES;
    if (!taken && !full) {
        t->devices[t->n_devices].device = clg_device_ref(dev);
        t->devices[t->n_devices].first = t->devices[t->n_devices].last = now;
        t->n_devices++;
        atomic_store(&dev->trace, t);
    }
    pthread_mutex_unlock(&trace_lock);
    if (taken) return clg_fail(CLG_ERR_INVALID, "clg_trace_device: device %s has a trace already", dev->row.name);
    if (full) return clg_fail(CLG_ERR_INVALID, "clg_trace_device: a trace has %d devices at most", CLG_TRACE_DEVICES);
    return CLG_OK;
}

void clg_trace_destroy(clg_trace **trace) {
    if (!trace || !*trace) return;
    clg_trace *t = *trace;
    *trace = NULL;
    pthread_mutex_lock(&trace_lock);
    for (int i = 0; i < t->n_devices; i++) atomic_store(&t->devices[i].device->trace, NULL);
    pthread_mutex_unlock(&trace_lock);
    for (int64_t i = t->read; i < t->n; i++)
        if (t->spans[i].event) clReleaseEvent(t->spans[i].event);
    for (int i = 0; i < t->n_devices; i++) clg_device_destroy(&t->devices[i].device);
    clg_free(t->spans);
    clg_free(t);
}

/* --- spans; the lock is held --- */

/* A new span in a row; NULL: there is no room. */
static clg_span *add(clg_trace *t, int row, bool has_row, const char *name) {
    if (t->n == t->max || !has_row) {
        t->dropped++;
        return NULL;
    }
    clg_span *s = &t->spans[t->n++];
    *s = (clg_span){ .row = row };
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static int find_queue(clg_trace *t, const clg_device *d, cl_command_queue q) {
    int device = 0;
    while (t->devices[device].device != d) device++;
    for (int i = 0; i < t->n_queues; i++)
        if (t->queues[i].device == device && t->queues[i].queue == q) return i;
    if (t->n_queues == CLG_TRACE_QUEUES) return -1;
    t->queues[t->n_queues].device = device;
    t->queues[t->n_queues].queue = q;
    clg_queue_name(d, q, t->queues[t->n_queues].name, sizeof t->queues[0].name);
    return t->n_queues++;
}

static int find_thread(clg_trace *t) {
    const pthread_t self = pthread_self();
    for (int i = 0; i < t->n_threads; i++)
        if (pthread_equal(t->threads[i].thread, self)) return i;
    if (t->n_threads == CLG_TRACE_THREADS) return -1;
    t->threads[t->n_threads].thread = self;
    return t->n_threads++;
}

static void add_host_span(clg_trace *t, int thread, const char *name, double start) {
    clg_span *s = add(t, -1 - thread, thread >= 0, name);
    if (!s) return;
    s->at.s.start = start;
    s->at.s.end = clg_now();
}

void clg_trace_read(clg_trace *t, int64_t most) {
    for (int64_t i = 0; i < most && t->read < t->n; i++, t->read++) {
        clg_span *s = &t->spans[t->read];
        if (!s->event) continue;
        if (!clg_event_done(s->event)) return;
        s->lost = clg_event_times(s->event, &s->at.ns.start, &s->at.ns.end) != CL_SUCCESS;
        clReleaseEvent(s->event);
        s->event = NULL;
    }
}

/* --- what call sites use --- */

bool clg_trace_wants(const clg_device *d) { return atomic_load(&d->trace) != NULL; }

void clg_trace_command(clg_device *d, cl_command_queue q, const char *name, cl_event event) {
    if (!clg_trace_wants(d)) return;
    pthread_mutex_lock(&trace_lock);
    clg_trace *t = atomic_load(&d->trace);
    const int row = t ? find_queue(t, d, q) : -1;
    clg_span *s = t ? add(t, row, row >= 0, name) : NULL;
    if (s && clRetainEvent(event) == CL_SUCCESS) s->event = event;
    else if (s) s->lost = true;
    if (t && t->n - t->read > MAX_UNREAD) clg_trace_read(t, READ_AT_ONCE);
    pthread_mutex_unlock(&trace_lock);
}

double clg_trace_start(const clg_device *d) { return clg_trace_wants(d) ? clg_now() : 0; }

void clg_trace_call(clg_device *d, const char *call, const char *what, double start) {
    char name[CLG_TRACE_NAME];
    if (start == 0) return;
    snprintf(name, sizeof name, "%s%s%s", call, what ? " " : "", what ? what : "");
    pthread_mutex_lock(&trace_lock);
    clg_trace *t = atomic_load(&d->trace);
    if (t) add_host_span(t, find_thread(t), name, start);
    pthread_mutex_unlock(&trace_lock);
}

void clg_trace_computed(clg_device *d, const char *name, double start) {
    if (start == 0) return;
    pthread_mutex_lock(&trace_lock);
    clg_trace *t = atomic_load(&d->trace);
    const int row = t ? find_queue(t, d, NULL) : -1;
    clg_span *s = t ? add(t, row, row >= 0, name) : NULL;
    if (s) {
        s->at.s.start = start;
        s->at.s.end = clg_now();
    }
    pthread_mutex_unlock(&trace_lock);
}

void clg_trace_begin(clg_trace *t, const char *name) {
    if (!t) return;
    pthread_mutex_lock(&trace_lock);
    const int i = find_thread(t);
    const int depth = i >= 0 ? t->threads[i].depth++ : CLG_TRACE_DEPTH;
    if (depth < CLG_TRACE_DEPTH) {
        snprintf(t->threads[i].open[depth].name, CLG_TRACE_NAME, "%s", name ? name : "");
        t->threads[i].open[depth].start = clg_now();
    } else {
        t->dropped++;
    }
    pthread_mutex_unlock(&trace_lock);
}

void clg_trace_end(clg_trace *t) {
    if (!t) return;
    pthread_mutex_lock(&trace_lock);
    const int i = find_thread(t);
    if (i >= 0 && t->threads[i].depth > 0) {
        const int depth = --t->threads[i].depth;
        if (depth < CLG_TRACE_DEPTH)
            add_host_span(t, i, t->threads[i].open[depth].name, t->threads[i].open[depth].start);
    }
    pthread_mutex_unlock(&trace_lock);
}

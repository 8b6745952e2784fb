/* Upload channels: see buffer.h. The caller's data go into one of two staging slots in turn; a slot is waited for only
 * when it is needed again. In line, the transfer is a command of the compute queue, behind the runs so far and before
 * the next. Doubled, there are two buffers: the upload queue fills the one that no run in flight reads, behind the
 * event of the last run that did, while the compute queue works on the other one. In memory that is shared with the
 * device the host fills it itself, and needs no slots. */
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct upload_slot {
    clg_staging memory;
    cl_event    sent; /* the memory may be overwritten; NULL: it may */
} upload_slot;

struct clg_upload {
    clg_device *device;
    clg_dtype dtype;
    size_t n, bytes;      /* n: elements */
    bool doubled, shared; /* shared: doubled, and the host writes to the buffers */
    int  next;            /* slot */
    int  turn;            /* the buffer that was written last */
    bool fresh;           /* and no run reads it yet */
    clg_buffer *buffer[2]; /* the second one only if doubled */
    cl_event    busy[2];   /* what is before it must be done before the buffer is written; NULL: it is */
    upload_slot slot[2];
    char name[64];        /* of its commands in traces */
};

enum clg_upload_way clg_upload_best(const clg_device *d, size_t bytes, bool share) {
    /* PoCL 3.1, 2 cores: a net of 12 us takes 12 us more through events, at 64 KiB still; from 200 KiB on nothing. */
    const size_t least = 128 * 1024;
    if (d->caps.ref || bytes == 0) return CLG_UPLOAD_IN_LINE;
    if (share && d->caps.shares) return CLG_UPLOAD_SHARED;
    return !d->caps.unified || bytes >= least ? CLG_UPLOAD_DOUBLED : CLG_UPLOAD_IN_LINE;
}

/* Those that are not shared may come from the pool, and are cleared: that is on the compute queue. */
static clg_status create_buffers(clg_upload *u, const char *what) {
    clg_device *d = u->device;
    const size_t wanted = u->n * clg_device_elem_size(d, u->dtype), bytes = wanted > 0 ? wanted : d->caps.align;
    for (int i = 0; i < (u->doubled ? 2 : 1); i++) {
        CLG_TRY((u->shared ? clg_buffer_create_shared : clg_buffer_create)(d, bytes, what, &u->buffer[i]));
        u->shared = u->shared && clg_buffer_is_shared(u->buffer[i]);
        if (u->doubled && !u->shared) CLG_TRY(clg_link_mark(d, &(clg_link){ .done = &u->busy[i] }));
    }
    return u->doubled && !u->shared ? clg_device_flush(d) : CLG_OK;
}

/* The queue and the slots of commands. */
static clg_status create_slots(clg_upload *u, const char *what) {
    clg_device *d = u->device;
    if (d->caps.ref || u->n == 0 || u->shared) return CLG_OK;
    CLG_TRY(clg_queue_open(d, &d->upload, "upload queue"));
    for (int i = 0; i < 2; i++) CLG_TRY(clg_staging_create(d, d->upload, u->bytes, what, &u->slot[i].memory));
    return CLG_OK;
}

clg_status clg_upload_create(clg_device *d, clg_dtype t, size_t n, enum clg_upload_way way, const char *what,
                             clg_upload **out) {
    clg_status status = CLG_OK;
    clg_upload *u = clg_calloc(1, sizeof *u);
    if (!u) return clg_fail_nomem(what);
    *u = (clg_upload){ .device = d, .dtype = t, .n = n, .bytes = n * clg_dtype_size(t),
                       .doubled = way != CLG_UPLOAD_IN_LINE, .shared = way == CLG_UPLOAD_SHARED };
    snprintf(u->name, sizeof u->name, "upload %s", what);
    CLG_TRY_END(create_buffers(u, what));
    CLG_TRY_END(create_slots(u, what));
    *out = u;
    return CLG_OK;
end:
    clg_upload_destroy(&u);
    return status;
}

/* Waits until what is read before the event may be overwritten; what: has failed if the wait does. */
static clg_status wait_for(clg_upload *u, cl_event *event, const char *what) {
    if (!*event) return CLG_OK;
    cl_int state = CL_QUEUED;
    cl_int err = clGetEventInfo(*event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    if (err != CL_SUCCESS || state != CL_COMPLETE) {
        clg_awake_ring(u->device);
        err = clg_wait_event(u->device, *event);
    }
    clg_event_release(event);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(u->device, err, "clWaitForEvents", "an earlier %s failed", what);
}

/* No clg_device_flush(): the run that follows ends the spinning. */
static clg_status send(clg_upload *u, upload_slot *s, cl_command_queue q) {
    clg_device *d = u->device;
    cl_event *busy = &u->busy[u->turn];
    cl_int err = clEnqueueWriteBuffer(q, u->buffer[u->turn]->mem, CL_FALSE, 0, u->bytes, s->memory.host, *busy ? 1 : 0,
                                      *busy ? busy : NULL, &s->sent);
    clg_resident_end(d);
    if (err != CL_SUCCESS) {
        s->sent = NULL;
        return clg_cl_fail(d, err, "clEnqueueWriteBuffer", "upload of %zu bytes", u->bytes);
    }
    clg_event_release(busy);
    clg_trace_command(d, q, u->name, s->sent);
    err = clFlush(q);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clFlush", "upload of %zu bytes", u->bytes);
}

/* Goes over to the buffer that is to be written: the other one, unless no run reads the present one. */
static clg_status turn(clg_upload *u, cl_event reader) {
    const cl_int err = reader ? clRetainEvent(reader) : CL_SUCCESS;
    if (err != CL_SUCCESS) return clg_cl_fail(u->device, err, "clRetainEvent", "end of a run");
    if (reader) {
        clg_event_release(&u->busy[u->turn]);
        u->busy[u->turn] = reader;
    }
    if (!u->fresh) u->turn ^= 1;
    u->fresh = true;
    return CLG_OK;
}

/* Copies the data to where they go: with a command, or without. */
static clg_status put(clg_upload *u, upload_slot *s, const void *data) {
    if (u->shared) {
        CLG_TRY(wait_for(u, &u->busy[u->turn], "run"));
        memcpy(u->buffer[u->turn]->shared, data, u->bytes);
        return CLG_OK;
    }
    memcpy(s->memory.host, data, u->bytes);
    CLG_TRY(send(u, s, u->doubled ? u->device->upload : u->device->queue));
    u->next ^= 1;
    return CLG_OK;
}

clg_status clg_upload_write(clg_upload *u, const void *data, cl_event reader) {
    clg_device *d = u->device;
    upload_slot *s = &u->slot[u->next];
    if (u->n == 0) return CLG_OK;
    if (d->caps.ref) return clg_buffer_write(u->buffer[0], 0, u->dtype, data, u->n);
    CLG_TRY(clg_device_check(d));
    CLG_TRY(wait_for(u, &s->sent, "upload"));
    const bool fresh = u->fresh;
    const int present = u->turn;
    if (u->doubled) CLG_TRY(turn(u, reader));
    const clg_status status = put(u, s, data);
    if (status < 0) { /* as if nothing had been written */
        u->fresh = fresh;
        u->turn = present;
    }
    return status;
}

bool clg_upload_is_doubled(const clg_upload *u) { return u->doubled; }
bool clg_upload_fresh(const clg_upload *u) { return u->fresh; }
clg_buffer *clg_upload_buffer(const clg_upload *u) { return u->buffer[u->turn]; }
cl_event clg_upload_sent(const clg_upload *u) { return u->slot[u->next ^ 1].sent; }

void clg_upload_idle(clg_upload *u) {
    if (!u->shared || u->fresh) return;
    clg_event_release(&u->busy[u->turn]);
    u->fresh = true;
}

void clg_upload_taken(clg_upload *u) { u->fresh = false; }

void clg_upload_destroy(clg_upload **upload) {
    if (!upload || !*upload) return;
    clg_upload *u = *upload;
    *upload = NULL;
    for (int i = 0; i < 2; i++) {
        upload_slot *s = &u->slot[i];
        if (s->sent) (void)clg_wait_event(u->device, s->sent);
        clg_event_release(&s->sent);
        clg_staging_free(u->device, u->device->upload, &s->memory);
        clg_event_release(&u->busy[i]);
    }
    for (int i = 0; i < 2; i++) clg_buffer_destroy(&u->buffer[i]); /* whatever uses it next is on the compute queue */
    clg_free(u);
}

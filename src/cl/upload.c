/* Upload channels: see buffer.h. The caller's data go into one of two staging slots in turn; a slot is waited for only
 * when it is needed again. In line, the transfer is a command of the compute queue, behind the runs so far and before
 * the next. Doubled, there are two buffers: the upload queue fills the one that no run in flight reads, behind the
 * event of the last run that did, while the compute queue works on the other one. */
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
    bool doubled;
    int  next;            /* slot */
    int  turn;            /* the buffer that was written last */
    bool fresh;           /* and no run reads it yet */
    clg_buffer *buffer[2]; /* the second one only if doubled */
    cl_event    busy[2];   /* what is before it must be done before the buffer is written; NULL: it is */
    upload_slot slot[2];
    char name[64];        /* of its commands in traces */
};

bool clg_upload_doubles(const clg_device *d, size_t bytes) {
    /* PoCL 3.1, 2 cores: a net of 12 us takes 12 us more through events, at 64 KiB still; from 200 KiB on nothing. */
    const size_t least = 128 * 1024;
    return !d->caps.ref && bytes > 0 && (!d->caps.unified || bytes >= least);
}

/* The buffers may come from the pool, and are cleared: that is on the compute queue. */
static clg_status create_buffers(clg_upload *u, const char *what) {
    clg_device *d = u->device;
    const size_t bytes = u->n * clg_device_elem_size(d, u->dtype);
    for (int i = 0; i < (u->doubled ? 2 : 1); i++) {
        CLG_TRY(clg_buffer_create(d, bytes > 0 ? bytes : d->caps.align, what, &u->buffer[i]));
        if (u->doubled) CLG_TRY(clg_link_mark(d, &(clg_link){ .done = &u->busy[i] }));
    }
    return u->doubled ? clg_device_flush(d) : CLG_OK;
}

clg_status clg_upload_create(clg_device *d, clg_dtype t, size_t n, bool doubled, const char *what, clg_upload **out) {
    clg_status status = CLG_OK;
    clg_upload *u = clg_calloc(1, sizeof *u);
    if (!u) return clg_fail_nomem(what);
    *u = (clg_upload){ .device = d, .dtype = t, .n = n, .bytes = n * clg_dtype_size(t), .doubled = doubled };
    snprintf(u->name, sizeof u->name, "upload %s", what);
    CLG_TRY_END(create_buffers(u, what));
    if (!d->caps.ref && n > 0) CLG_TRY_END(clg_queue_open(d, &d->upload, "upload queue"));
    for (int i = 0; i < 2 && n > 0 && !d->caps.ref; i++)
        CLG_TRY_END(clg_staging_create(d, d->upload, u->bytes, what, &u->slot[i].memory));
    *out = u;
    return CLG_OK;
end:
    clg_upload_destroy(&u);
    return status;
}

/* Waits until the memory of a slot may be overwritten. */
static clg_status wait_for_slot(clg_upload *u, upload_slot *s) {
    if (!s->sent) return CLG_OK;
    cl_int state = CL_QUEUED;
    cl_int err = clGetEventInfo(s->sent, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    if (err != CL_SUCCESS || state != CL_COMPLETE) {
        clg_awake_ring(u->device);
        err = clg_wait_event(u->device, s->sent);
    }
    clg_event_release(&s->sent);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(u->device, err, "clWaitForEvents", "an earlier upload failed");
}

/* No clg_device_flush(): the run that follows ends the spinning. */
static clg_status send(clg_upload *u, upload_slot *s, cl_command_queue q) {
    clg_device *d = u->device;
    cl_event *busy = &u->busy[u->turn];
    cl_int err = clEnqueueWriteBuffer(q, u->buffer[u->turn]->mem, CL_FALSE, 0, u->bytes, s->memory.host, *busy ? 1 : 0,
                                      *busy ? busy : NULL, &s->sent);
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

clg_status clg_upload_write(clg_upload *u, const void *data, cl_event reader) {
    clg_device *d = u->device;
    upload_slot *s = &u->slot[u->next];
    if (u->n == 0) return CLG_OK;
    if (d->caps.ref) return clg_buffer_write(u->buffer[0], 0, u->dtype, data, u->n);
    CLG_TRY(clg_device_check(d));
    CLG_TRY(wait_for_slot(u, s));
    const bool fresh = u->fresh;
    const int present = u->turn;
    if (u->doubled) CLG_TRY(turn(u, reader));
    memcpy(s->memory.host, data, u->bytes);
    const clg_status status = send(u, s, u->doubled ? d->upload : d->queue);
    if (status < 0) { /* as if nothing had been written */
        u->fresh = fresh;
        u->turn = present;
        return status;
    }
    u->next ^= 1;
    return CLG_OK;
}

bool clg_upload_is_doubled(const clg_upload *u) { return u->doubled; }
bool clg_upload_fresh(const clg_upload *u) { return u->fresh; }
clg_buffer *clg_upload_buffer(const clg_upload *u) { return u->buffer[u->turn]; }
cl_event clg_upload_sent(const clg_upload *u) { return u->slot[u->next ^ 1].sent; }
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

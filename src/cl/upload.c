/* Upload channels: see buffer.h. Two slots in turn; a slot is waited for only when it is needed again. Devices with
 * memory of their own get pinned host slots and device slots: the transfer queue fills a device slot while the
 * compute queue works, and the compute queue copies it into place. */
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct upload_slot {
    clg_staging memory;
    clg_buffer *device; /* discrete: where the transfer goes */
    cl_event   sent;    /* host may be overwritten; NULL: it may */
    cl_event   placed;  /* discrete: device may be overwritten; NULL: it may */
} upload_slot;

struct clg_upload {
    clg_device *device;
    clg_buffer *dst;
    size_t elem, n;       /* elements */
    size_t offset, bytes; /* the same in bytes; OpenCL only */
    clg_dtype dtype;
    bool staged; /* through device slots */
    int next;
    upload_slot slot[2];
    char upload[64], place[64]; /* names of its commands in traces */
};

static clg_status create_slot(clg_upload *u, upload_slot *s, const char *what) {
    clg_device *d = u->device;
    CLG_TRY(clg_staging_create(d, d->upload, u->bytes, what, &s->memory));
    if (!u->staged) return CLG_OK;
    CLG_TRY(clg_buffer_create(d, u->bytes, what, &s->device));
    /* The slot may come from the pool: earlier users are on the compute queue. */
    const cl_int err = clEnqueueMarkerWithWaitList(d->queue, 0, NULL, &s->placed);
    if (err == CL_SUCCESS) return clg_device_flush(d);
    s->placed = NULL;
    return clg_cl_fail(d, err, "clEnqueueMarkerWithWaitList", "%s", what);
}

clg_status clg_upload_create(clg_buffer *dst, size_t elem, clg_dtype t, size_t n, const char *what, clg_upload **out) {
    clg_status status = CLG_OK;
    CLG_TRY(clg_buffer_check(dst, elem, t, n, "clg_upload_create"));
    clg_upload *u = clg_calloc(1, sizeof *u);
    if (!u) return clg_fail_nomem(what);
    *u = (clg_upload){ .device = dst->device, .dst = dst, .elem = elem, .dtype = t, .n = n,
                       .offset = elem * clg_dtype_size(t), .bytes = n * clg_dtype_size(t),
                       .staged = !dst->device->caps.unified };
    snprintf(u->upload, sizeof u->upload, "upload %s", what);
    snprintf(u->place, sizeof u->place, "place %s", what);
    if (u->staged) CLG_TRY_END(clg_queue_open(u->device, &u->device->upload, "upload queue"));
    for (int i = 0; i < 2 && n > 0 && !dst->host; i++) CLG_TRY_END(create_slot(u, &u->slot[i], what));
    *out = u;
    return CLG_OK;
end:
    clg_upload_destroy(&u);
    return status;
}

/* Waits until the host part of a slot may be overwritten. */
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

static clg_status send(clg_upload *u, upload_slot *s) {
    clg_device *d = u->device;
    cl_int err = clEnqueueWriteBuffer(d->queue, u->dst->mem, CL_FALSE, u->offset, u->bytes, s->memory.host, 0, NULL,
                                            &s->sent);
    if (err != CL_SUCCESS) s->sent = NULL;
    else clg_trace_command(d, d->queue, u->upload, s->sent);
    if (err == CL_SUCCESS) err = clFlush(d->queue); /* no clg_device_flush(): the run that follows ends the spinning */
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clEnqueueWriteBuffer", "upload of %zu bytes", u->bytes);
}

/* The transfer waits only for the last copy out of this slot; the copy waits for the transfer. */
static clg_status send_staged(clg_upload *u, upload_slot *s) {
    clg_device *d = u->device;
    cl_int err = clEnqueueWriteBuffer(d->upload, s->device->mem, CL_FALSE, 0, u->bytes, s->memory.host, s->placed ? 1 : 0,
                                      s->placed ? &s->placed : NULL, &s->sent);
    if (err != CL_SUCCESS) {
        s->sent = NULL;
        return clg_cl_fail(d, err, "clEnqueueWriteBuffer", "upload of %zu bytes", u->bytes);
    }
    clg_event_release(&s->placed);
    clg_trace_command(d, d->upload, u->upload, s->sent);
    err = clFlush(d->upload);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clFlush", "transfer queue");
    err = clEnqueueCopyBuffer(d->queue, s->device->mem, u->dst->mem, 0, u->offset, u->bytes, 1, &s->sent,
                              &s->placed);
    if (err == CL_SUCCESS) {
        clg_trace_command(d, d->queue, u->place, s->placed);
        return clg_device_flush(d);
    }
    s->placed = NULL;
    return clg_cl_fail(d, err, "clEnqueueCopyBuffer", "upload of %zu bytes", u->bytes);
}

clg_status clg_upload_write(clg_upload *u, const void *data) {
    if (u->n == 0) return CLG_OK;
    if (u->dst->host) return clg_buffer_write(u->dst, u->elem, u->dtype, data, u->n);
    upload_slot *s = &u->slot[u->next];
    CLG_TRY(clg_device_check(u->device));
    CLG_TRY(wait_for_slot(u, s));
    memcpy(s->memory.host, data, u->bytes);
    CLG_TRY(u->staged ? send_staged(u, s) : send(u, s));
    u->next ^= 1;
    return CLG_OK;
}

static void destroy_slot(clg_upload *u, upload_slot *s) {
    if (s->sent) (void)clg_wait_event(u->device, s->sent);
    clg_event_release(&s->sent);
    clg_event_release(&s->placed);
    clg_buffer_destroy(&s->device); /* the copy out of it is on the compute queue, like whatever uses it next */
    clg_staging_free(u->device, u->device->upload, &s->memory);
}

void clg_upload_destroy(clg_upload **upload) {
    if (!upload || !*upload) return;
    clg_upload *u = *upload;
    *upload = NULL;
    for (int i = 0; i < 2; i++) destroy_slot(u, &u->slot[i]);
    clg_free(u);
}

/* Download channels: see buffer.h. Two slots of host memory in turn; the download queue fills one behind the event of
 * the command that made the data, while the compute queue works on. */
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct download_slot {
    clg_staging memory;
    cl_event    done; /* NULL: nothing is under way (or the device is "ref", where copies are done at once) */
} download_slot;

struct clg_download {
    clg_device *device;
    clg_dtype dtype;
    size_t n, bytes;
    int first, begun; /* the oldest copy that was begun and not handed out; how many there are */
    download_slot slot[CLG_DOWNLOADS];
    char name[64]; /* of its commands in traces */
};

clg_status clg_download_create(clg_device *d, clg_dtype t, size_t n, const char *what, clg_download **out) {
    clg_status status = CLG_OK;
    clg_download *x = clg_calloc(1, sizeof *x);
    if (!x) return clg_fail_nomem(what);
    *x = (clg_download){ .device = d, .dtype = t, .n = n, .bytes = n * clg_dtype_size(t) };
    snprintf(x->name, sizeof x->name, "download %s", what);
    if (!d->caps.ref) CLG_TRY_END(clg_queue_open(d, &d->download, "download queue"));
    for (int i = 0; i < CLG_DOWNLOADS && n > 0; i++)
        CLG_TRY_END(clg_staging_create(d, d->download, x->bytes, what, &x->slot[i].memory));
    *out = x;
    return CLG_OK;
end:
    clg_download_destroy(&x);
    return status;
}

/* Waits for a copy; after a failure nothing is written to the slot any more either. */
static cl_int wait_for(clg_download *x, download_slot *s) {
    if (!s->done) return CL_SUCCESS;
    clg_awake_ring(x->device);
    const cl_int err = clg_wait_event(x->device, s->done);
    if (err != CL_SUCCESS) (void)clg_wait_queue(x->device, x->device->download);
    clg_event_release(&s->done);
    return err;
}

/* The event behind which everything enqueued so far is done, on its way. */
static clg_status mark(clg_device *d, cl_event *event) {
    CLG_TRY(clg_link_mark(d, &(clg_link){ .done = event }));
    const clg_status status = clg_device_flush(d);
    if (status < 0) clg_event_release(event);
    return status;
}

static clg_status fetch(clg_download *x, download_slot *s, clg_buffer *src, size_t elem, cl_event after) {
    clg_device *d = x->device;
    cl_int err = clEnqueueReadBuffer(d->download, src->mem, CL_FALSE, elem * clg_dtype_size(x->dtype), x->bytes,
                                     s->memory.host, 1, &after, &s->done);
    clg_resident_end(d);
    if (err != CL_SUCCESS) {
        s->done = NULL;
        return clg_cl_fail(d, err, "clEnqueueReadBuffer", "download of %zu bytes", x->bytes);
    }
    clg_trace_command(d, d->download, x->name, s->done);
    err = clFlush(d->download);
    if (err == CL_SUCCESS) return CLG_OK;
    wait_for(x, s);
    return clg_cl_fail(d, err, "clFlush", "download queue");
}

bool clg_download_full(const clg_download *x) { return x->begun == CLG_DOWNLOADS; }
bool clg_download_begun(const clg_download *x) { return x->begun > 0; }

clg_status clg_download_begin(clg_download *x, clg_buffer *src, size_t elem, cl_event after) {
    download_slot *s = &x->slot[(x->first + x->begun) % CLG_DOWNLOADS];
    cl_event all = NULL;
    CLG_TRY(clg_buffer_check(src, elem, x->dtype, x->n, "clg_download_begin"));
    CLG_TRY(clg_device_check(x->device));
    if (src->host) {
        clg_from_double(x->dtype, src->host + elem, s->memory.host, x->n);
    } else if (x->n > 0) {
        if (!after) CLG_TRY(mark(x->device, &all));
        const clg_status status = fetch(x, s, src, elem, after ? after : all);
        clg_event_release(&all);
        CLG_TRY(status);
    }
    x->begun++;
    return CLG_OK;
}

clg_status clg_download_end(clg_download *x, void *data) {
    download_slot *s = &x->slot[x->first];
    const cl_int err = wait_for(x, s);
    x->first = (x->first + 1) % CLG_DOWNLOADS;
    x->begun--;
    if (err != CL_SUCCESS)
        return clg_cl_fail(x->device, err, "clWaitForEvents", "download of %zu bytes; an earlier command may have "
                           "failed", x->bytes);
    if (x->n > 0) memcpy(data, s->memory.host, x->bytes);
    if (!x->device->caps.ref) clg_notes_collect(x->device);
    return CLG_OK;
}

int clg_download_pending(const clg_download *x, cl_event *wait) {
    int n = 0;
    for (int i = 0; i < CLG_DOWNLOADS; i++)
        if (x->slot[i].done) wait[n++] = x->slot[i].done;
    return n;
}

void clg_download_destroy(clg_download **download) {
    if (!download || !*download) return;
    clg_download *x = *download;
    *download = NULL;
    for (int i = 0; i < CLG_DOWNLOADS; i++) {
        wait_for(x, &x->slot[i]);
        clg_staging_free(x->device, x->device->download, &x->slot[i].memory);
    }
    clg_free(x);
}

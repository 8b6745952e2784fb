/* Copies from one device to another. Within a context: one command on the queue of the receiver, behind an event of the
 * sender's queue, which in turn goes on behind the copy; nobody waits. Else through memory of the host: a blocking
 * read, and a write that nobody waits for; on the reference device these convert. */
#include "cl/internal.h"
#include "cl/transfer.h"
#include "cl/wrap.h"

struct clg_transfer {
    clg_device *from;
    clg_buffer *dst;
    size_t      elem, n; /* elements */
    clg_dtype   dtype;
    void       *host;    /* the elements as the host sees them; NULL: direct */
    cl_event    sent;    /* behind which host may be overwritten; NULL: it may */
};

clg_status clg_transfer_create(clg_device *from, clg_buffer *dst, size_t dst_elem, clg_dtype t, size_t n,
                               const char *what, clg_transfer **out) {
    clg_status status = CLG_OK;
    CLG_TRY(clg_buffer_check(dst, dst_elem, t, n, "clg_transfer_create"));
    clg_transfer *x = clg_calloc(1, sizeof *x);
    if (!x) return clg_fail_nomem(what);
    *x = (clg_transfer){ .from = from, .dst = dst, .elem = dst_elem, .n = n, .dtype = t };
    if (!from->context || from->context != dst->device->context) {
        x->host = clg_calloc(n + 1, clg_dtype_size(t));
        if (!x->host) CLG_TRY_END(clg_fail_nomem(what));
    }
    *out = x;
    return CLG_OK;
end:
    clg_transfer_destroy(&x);
    return status;
}

void clg_transfer_destroy(clg_transfer **t) {
    if (!t || !*t) return;
    clg_transfer *x = *t;
    clg_device *to = x->dst->device;
    *t = NULL;
    if (x->sent) (void)clg_wait_event(to, x->sent);
    clg_event_release(&x->sent);
    if (atomic_load(&to->state) != CLG_DEVICE_HUNG) clg_free(x->host); /* else a command may still read it */
    clg_free(x);
}

bool clg_transfer_is_direct(const clg_transfer *t) { return !t->host; }

/* What follows on the sender's queue may overwrite the source, so it waits for the copy. */
static clg_status copy(clg_transfer *x, clg_buffer *src, size_t src_elem) {
    clg_device *to = x->dst->device;
    const size_t size = clg_dtype_size(x->dtype);
    cl_event ready = NULL, done = NULL;
    cl_int err;
    clg_status status = CLG_OK;
    CLG_TRY_END(clg_device_mark(x->from, &ready));
    err = clEnqueueCopyBuffer(to->queue, src->mem, x->dst->mem, src_elem * size, x->elem * size, x->n * size, 1,
                              &ready, &done);
    clg_resident_end(to);
    if (err != CL_SUCCESS)
        CLG_TRY_END(clg_cl_fail(to, err, "clEnqueueCopyBuffer", "%zu bytes of another device", x->n * size));
    CLG_TRY_END(clg_device_flush(to));
    CLG_TRY_END(clg_device_wait_for(x->from, 1, &done));
end:
    if (done) clReleaseEvent(done);
    if (ready) clReleaseEvent(ready);
    return status;
}

/* Enqueues the elements in host memory, which stay there until that is done. */
static clg_status send(clg_transfer *x) {
    clg_device *to = x->dst->device;
    const size_t size = clg_dtype_size(x->dtype);
    if (x->dst->host) return clg_buffer_write(x->dst, x->elem, x->dtype, x->host, x->n);
    cl_int err = clEnqueueWriteBuffer(to->queue, x->dst->mem, CL_FALSE, x->elem * size, x->n * size, x->host, 0, NULL,
                                      &x->sent);
    clg_resident_end(to);
    if (err != CL_SUCCESS) x->sent = NULL;
    else err = clFlush(to->queue);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(to, err, "clEnqueueWriteBuffer", "%zu bytes", x->n * size);
}

clg_status clg_transfer_run(clg_transfer *x, clg_buffer *src, size_t src_elem) {
    CLG_TRY(clg_buffer_check(src, src_elem, x->dtype, x->n, "clg_transfer_run"));
    if (x->n == 0) return CLG_OK;
    if (!x->host) return copy(x, src, src_elem);
    const cl_int err = x->sent ? clg_wait_event(x->dst->device, x->sent) : CL_SUCCESS;
    clg_event_release(&x->sent);
    if (err != CL_SUCCESS) return clg_cl_fail(x->dst->device, err, "clWaitForEvents", "an earlier copy failed");
    CLG_TRY(clg_buffer_read(src, src_elem, x->dtype, x->host, x->n));
    return send(x);
}

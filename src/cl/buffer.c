/* Device memory. Freed buffers are kept for reuse by size class: a buffer that goes back may still be in use by
 * enqueued commands, which is fine, since whatever comes next waits behind them on the in-order queue. */
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>

/* --- size classes and the pool --- */

/* Allocated size: room for the slack, rounded up in steps of 1/8 (small) or 1 MiB (large), so that similar requests
 * share a class. Never above what the device can allocate at once. 0: too large. */
static size_t class_size(const clg_device *d, size_t bytes) {
    if (bytes > d->caps.max_alloc || bytes > SIZE_MAX / 4) return 0;
    const size_t need = bytes + CLG_BUFFER_SLACK;
    size_t step = 1024;
    while (step < (1u << 20) && step * 8 < need) step *= 2;
    const size_t size = (need + step - 1) / step * step;
    return size - CLG_BUFFER_SLACK > d->caps.max_alloc ? (need + 127) / 128 * 128 : size;
}

/* Bytes that the owner, and vectors that run over, may see. */
static size_t used(const clg_buffer *b) { return b->bytes + CLG_BUFFER_SLACK; }

static void buffer_free(clg_buffer *b) {
    if (b->mem) clReleaseMemObject(b->mem);
    clg_free(b->host);
    clg_free(b);
}

/* Removes entry i of the pool; the lock is held. */
static clg_buffer *pool_take(clg_device *d, int i) {
    clg_buffer *b = d->pool[i];
    memmove(&d->pool[i], &d->pool[i + 1], (size_t)(d->n_pool - i - 1) * sizeof d->pool[0]);
    d->n_pool--;
    d->stats.mem_pooled -= b->size;
    return b;
}

static void trim_locked(clg_device *d, uint64_t keep) {
    while (d->n_pool > 0 && d->stats.mem_pooled > keep) buffer_free(pool_take(d, 0));
}

void clg_pool_trim(clg_device *d, uint64_t keep) {
    pthread_mutex_lock(&d->lock);
    trim_locked(d, keep);
    pthread_mutex_unlock(&d->lock);
}

/* Takes `size` out of the cap, and for reuse a pooled buffer of that size if there is one. Makes room by trimming the
 * pool. false: over the cap; nothing was taken. */
static bool reserve(clg_device *d, size_t size, bool reuse, clg_buffer **pooled) {
    clg_device_stats *s = &d->stats;
    *pooled = NULL;
    pthread_mutex_lock(&d->lock);
    for (int i = d->n_pool - 1; reuse && i >= 0 && !*pooled; i--)
        if (d->pool[i]->size == size) *pooled = pool_take(d, i);
    bool fits = true;
    if (s->mem_cap > 0) {
        fits = size <= s->mem_cap && s->mem_used <= s->mem_cap - size;
        if (fits) trim_locked(d, s->mem_cap - size - s->mem_used);
    }
    if (fits) {
        s->mem_used += size;
        if (s->mem_used > s->mem_peak) s->mem_peak = s->mem_used;
    } else if (*pooled) {
        buffer_free(*pooled);
        *pooled = NULL;
    }
    pthread_mutex_unlock(&d->lock);
    return fits;
}

static void unreserve(clg_device *d, size_t size) {
    pthread_mutex_lock(&d->lock);
    d->stats.mem_used -= size;
    pthread_mutex_unlock(&d->lock);
}

/* --- creation --- */

static clg_status fail_memory(clg_device *d, const char *what, size_t bytes, const char *why) {
    clg_device_stats s;
    char cap[64] = "no cap";
    clg_device_get_stats(d, &s);
    if (s.mem_cap > 0) snprintf(cap, sizeof cap, "cap %.1f MiB", (double)s.mem_cap / 1048576);
    return clg_fail(CLG_ERR_NOMEM, "out of device memory for %s: %.1f MiB (%zu bytes) wanted, %.1f MiB in use, %s, "
                    "device %s: %s; use smaller batches, or raise CLGRAD_MEM_CAP if it is set", what,
                    (double)bytes / 1048576, bytes, (double)s.mem_used / 1048576, cap, d->row.name, why);
}

static cl_int clear(clg_device *d, const clg_buffer *b, const char **call) {
    const cl_uint zero = 0;
    cl_event event = NULL, *wanted = clg_trace_wants(d) ? &event : NULL;
    cl_int err;
    if (!(d->row.quirks & CLG_QUIRK_NO_FILL)) {
        *call = "clEnqueueFillBuffer";
        err = clEnqueueFillBuffer(d->queue, b->mem, &zero, sizeof zero, 0, b->size, 0, NULL, wanted);
        clg_resident_end(d);
    } else {
        *call = "clEnqueueWriteBuffer";
        void *zeros = clg_calloc(1, b->size);
        if (!zeros) return CL_OUT_OF_HOST_MEMORY;
        err = clEnqueueWriteBuffer(d->queue, b->mem, CL_FALSE, 0, b->size, zeros, 0, NULL, wanted);
        if (err == CL_SUCCESS) err = clg_wait_queue(d, d->queue);
        if (atomic_load(&d->state) != CLG_DEVICE_HUNG) clg_free(zeros); /* else the command may still read them */
    }
    clg_note_command(d, d->queue, NULL, "clear", event);
    return err;
}

/* Whether the process can still have so much memory. PoCL takes that of a buffer at its first use, and ends the process
 * where it gets none (assertion "p->mem_ptr != NULL"). */
static bool host_has(size_t bytes) {
    void *memory = clg_alloc(bytes);
    clg_free(memory);
    return memory != NULL;
}

/* Creates the memory object and clears it; drivers allocate late, so the first use is where memory runs out. */
static cl_int allocate(clg_device *d, clg_buffer *b, const char **call) {
    cl_int err = CL_SUCCESS;
    *call = "clCreateBuffer";
    if (!b->mem && d->caps.shares && d->caps.cls == CLG_CLASS_CPU) { /* for lists of addresses (clg_kernel_uses()) */
        b->mem = clg_shared_create(d, b->size, used(b), &b->address);
        if (b->mem) return CL_SUCCESS;
        if (!host_has(b->size)) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    }
    if (!b->mem) b->mem = clCreateBuffer(d->context, CL_MEM_READ_WRITE, b->size, NULL, &err);
    if (err != CL_SUCCESS) {
        b->mem = NULL;
        return err;
    }
    err = clear(d, b, call);
    if (err != CL_SUCCESS) {
        clReleaseMemObject(b->mem);
        b->mem = NULL;
        b->address = NULL;
    }
    return err;
}

static clg_status fill_in(clg_device *d, clg_buffer *b, const char *what) {
    if (d->caps.ref) {
        b->host = clg_calloc(1, b->size);
        return b->host ? CLG_OK : fail_memory(d, what, b->bytes, "host memory is exhausted");
    }
    const char *call;
    CLG_TRY(clg_device_check(d));
    cl_int err = allocate(d, b, &call);
    if (clg_is_out_of_memory(err) && clg_make_room(d)) err = allocate(d, b, &call); /* what is pooled may be missing */
    if (clg_is_out_of_memory(err)) return fail_memory(d, what, b->bytes, clg_cl_code_name(err));
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, call, "%s, %zu bytes", what, b->bytes);
}

static clg_status create(clg_device *d, size_t bytes, bool shared, const char *what, clg_buffer **out) {
    clg_buffer *b;
    const size_t size = class_size(d, bytes);
    if (size == 0) {
        char why[96];
        snprintf(why, sizeof why, "it allocates at most %zu bytes at once", d->caps.max_alloc);
        return fail_memory(d, what, bytes, why);
    }
    if (!reserve(d, size, !shared, &b)) return fail_memory(d, what, bytes, "over the cap");
    if (!b) b = clg_calloc(1, sizeof *b);
    clg_status status = CLG_OK;
    if (!b) {
        status = clg_fail_nomem(what);
    } else {
        b->device = d;
        b->bytes = bytes;
        b->size = size;
        if (shared) b->mem = clg_shared_create(d, size, used(b), &b->shared);
        if (b->shared) b->address = b->shared;
        else status = fill_in(d, b, what);
    }
    if (status < 0) {
        unreserve(d, size);
        if (b) buffer_free(b);
        return status;
    }
    *out = b;
    return CLG_OK;
}

clg_status clg_buffer_create(clg_device *d, size_t bytes, const char *what, clg_buffer **out) {
    return create(d, bytes, false, what, out);
}

clg_status clg_buffer_create_shared(clg_device *d, size_t bytes, const char *what, clg_buffer **out) {
    return create(d, bytes, d->caps.shares, what, out);
}

bool clg_buffer_is_shared(const clg_buffer *b) { return b->shared != NULL; }

void *clg_buffer_address(const clg_buffer *b) { return b->address; }

void clg_buffer_destroy(clg_buffer **buffer) {
    if (!buffer || !*buffer) return;
    clg_buffer *b = *buffer;
    clg_device *d = b->device;
    *buffer = NULL;
    if (b->size == 0) { /* of the application */
        buffer_free(b);
        return;
    }
    pthread_mutex_lock(&d->lock);
    d->stats.mem_used -= b->size;
    if (b->shared || b->size > d->pool_limit) { /* the host would not wait for commands that still use it */
        buffer_free(b);
    } else {
        trim_locked(d, d->pool_limit - b->size);
        if (d->n_pool == CLG_POOL_MAX) buffer_free(pool_take(d, 0));
        d->pool[d->n_pool++] = b;
        d->stats.mem_pooled += b->size;
    }
    pthread_mutex_unlock(&d->lock);
}

size_t clg_buffer_bytes(const clg_buffer *b) { return b->bytes; }

double *clg_buffer_host(clg_buffer *b, size_t elem) { return b->host ? b->host + elem : NULL; }

/* --- copies --- */

clg_status clg_buffer_check(const clg_buffer *b, size_t elem, clg_dtype t, size_t n, const char *call) {
    const size_t each = clg_device_elem_size(b->device, t);
    const size_t room = each > 0 ? b->bytes / each : 0;
    if (elem <= room && n <= room - elem) return CLG_OK;
    return clg_fail(CLG_ERR_INVALID, "%s: elements %zu to %zu of type %s lie outside a buffer of %zu", call, elem,
                    elem + n, clg_dtype_name(t), room);
}

clg_status clg_buffer_write(clg_buffer *b, size_t elem, clg_dtype t, const void *data, size_t n) {
    CLG_TRY(clg_buffer_check(b, elem, t, n, "clg_buffer_write"));
    if (n == 0) return CLG_OK;
    if (b->host) {
        clg_to_double(t, data, b->host + elem, n);
        return CLG_OK;
    }
    clg_device *d = b->device;
    const size_t at = elem * clg_dtype_size(t), size = n * clg_dtype_size(t);
    const bool bounded = d->timeout_ms > 0;
    cl_event event = NULL;
    CLG_TRY(clg_device_settle(d));
    clg_awake_ring(d);
    clg_resident_end(d);
    cl_int err = clEnqueueWriteBuffer(d->queue, b->mem, bounded ? CL_FALSE : CL_TRUE, at, size, data, 0, NULL,
                                      clg_trace_wants(d) ? &event : NULL);
    clg_resident_end(d);
    if (err == CL_SUCCESS && bounded) err = clg_wait_queue(d, d->queue);
    clg_note_command(d, d->queue, NULL, "upload", event);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clEnqueueWriteBuffer", "%zu bytes", size);
}

clg_status clg_buffer_read(clg_buffer *b, size_t elem, clg_dtype t, void *data, size_t n) {
    CLG_TRY(clg_buffer_check(b, elem, t, n, "clg_buffer_read"));
    if (n == 0) return CLG_OK;
    if (b->host) {
        clg_from_double(t, b->host + elem, data, n);
        return CLG_OK;
    }
    const size_t at = elem * clg_dtype_size(t), size = n * clg_dtype_size(t);
    CLG_TRY(clg_device_settle(b->device));
    cl_event done = NULL;
    cl_int err = clEnqueueReadBuffer(b->device->queue, b->mem, CL_FALSE, at, size, data, 0, NULL, &done);
    clg_resident_end(b->device);
    if (err == CL_SUCCESS) {
        err = clg_awake_wait(b->device, done, false);
        clg_note_command(b->device, b->device->queue, NULL, "download", done);
    }
    if (err != CL_SUCCESS)
        return clg_cl_fail(b->device, err, "clEnqueueReadBuffer", "%zu bytes; an earlier command may have failed",
                           size);
    clg_notes_collect(b->device);
    return CLG_OK;
}

clg_status clg_buffer_look(clg_buffer *b, size_t elem, clg_dtype t, void *data, size_t n, cl_event after) {
    const size_t size = clg_dtype_size(t);
    CLG_TRY(clg_buffer_check(b, elem, t, n, "clg_buffer_look"));
    CLG_TRY(clg_device_check(b->device));
    const cl_int err = after ? clg_awake_wait(b->device, after, true) : CL_SUCCESS;
    if (err != CL_SUCCESS)
        return clg_cl_fail(b->device, err, "clWaitForEvents", "%zu bytes; an earlier command may have failed",
                           n * size);
    if (n > 0) memcpy(data, (const char *)b->shared + elem * size, n * size);
    clg_notes_collect(b->device);
    return CLG_OK;
}

clg_status clg_buffer_copy(clg_buffer *src, size_t src_elem, clg_buffer *dst, size_t dst_elem, clg_dtype t, size_t n,
                           clg_note *note, const clg_link *l) {
    CLG_TRY(clg_buffer_check(src, src_elem, t, n, "clg_buffer_copy, source"));
    CLG_TRY(clg_buffer_check(dst, dst_elem, t, n, "clg_buffer_copy, destination"));
    clg_device *d = src->device;
    CLG_TRY(clg_device_check(src->device));
    const size_t size = clg_dtype_size(t);
    const bool nothing = n == 0 || (src == dst && src_elem == dst_elem);
    if (src->host && !nothing) memmove(dst->host + dst_elem, src->host + src_elem, n * sizeof(double));
    if (src->host) return CLG_OK;
    if (nothing) return l ? clg_link_mark(d, l) : CLG_OK;
    cl_event event = NULL;
    cl_command_queue q = clg_link_queue(d, l);
    const cl_uint n_wait = l ? (cl_uint)l->n_wait : 0;
    const cl_int err = clEnqueueCopyBuffer(q, src->mem, dst->mem, src_elem * size, dst_elem * size, n * size,
                                           n_wait, n_wait ? l->wait : NULL, clg_link_wants(d, note, l) ? &event : NULL);
    clg_resident_end(d);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clEnqueueCopyBuffer", "%zu bytes", n * size);
    return clg_link_give(d, q, note, "copy", l, event);
}

/* What belongs to an application that uses OpenCL itself: devices over its context and queue, its memory, its events.
 * Everything is retained here and checked when it comes in, so that a mistake is told by its name and not by a code of
 * the driver in the midst of a run. */
#include "cl/internal.h"
#include "cl/wrap.h"

#include <clgrad/opencl.h>

/* --- devices --- */

/* The device that a sub-device is part of; NULL: id is whole. */
static cl_device_id parent_of(cl_device_id id) {
    cl_device_id parent = NULL;
    return clGetDeviceInfo(id, CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, NULL) == CL_SUCCESS ? parent : NULL;
}

/* PoCL lists the whole device for a context that was made of its parts. */
static clg_status check_context(cl_context context, cl_device_id id) {
    enum { MANY = 64 };
    cl_device_id all[MANY];
    size_t bytes = 0;
    const cl_int err = clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof all, all, &bytes);
    if (err != CL_SUCCESS) return clg_cl_fail(NULL, err, "clGetContextInfo", "clg_device_wrap: what is context?");
    for (cl_device_id d = id; d; d = parent_of(d))
        for (size_t i = 0; i < bytes / sizeof *all; i++)
            if (all[i] == d) return CLG_OK;
    return clg_fail(CLG_ERR_INVALID, "clg_device_wrap: id is none of the %zu devices of the context",
                    bytes / sizeof *all);
}

static clg_status check_queue(cl_context context, cl_device_id id, cl_command_queue queue, bool profiling) {
    cl_context its_context = NULL;
    cl_device_id its_device = NULL;
    cl_command_queue_properties bits = 0;
    cl_int err = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof its_context, &its_context, NULL);
    if (err == CL_SUCCESS) err = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof its_device, &its_device, NULL);
    if (err == CL_SUCCESS) err = clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof bits, &bits, NULL);
    if (err != CL_SUCCESS) return clg_cl_fail(NULL, err, "clGetCommandQueueInfo", "clg_device_wrap: what is queue?");
    if (its_context != context || its_device != id)
        return clg_fail(CLG_ERR_INVALID, "clg_device_wrap: the queue is one of another %s",
                        its_context != context ? "context" : "device");
    if (bits & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        return clg_fail(CLG_ERR_INVALID, "clg_device_wrap: the queue runs out of order, but steps of a plan follow "
                        "each other: give a queue without CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, or NULL");
    if (profiling && !(bits & CL_QUEUE_PROFILING_ENABLE))
        return clg_fail(CLG_ERR_INVALID, "clg_device_wrap: .profiling needs a queue with CL_QUEUE_PROFILING_ENABLE");
    return CLG_OK;
}

clg_device *clg_device_wrap(cl_context context, cl_device_id id, cl_command_queue queue,
                            const clg_device_params *params) {
    clg_device_row row;
    if (!context || !id) {
        clg_fail(CLG_ERR_INVALID, "clg_device_wrap: the %s is NULL", context ? "id" : "context");
        return NULL;
    }
    if (check_context(context, id) < 0) return NULL;
    if (queue && check_queue(context, id, queue, params && params->profiling) < 0) return NULL;
    if (clg_catalog_describe(id, "clg_device_wrap", &row) < 0) return NULL;
    return clg_device_create(&row, context, queue, params);
}

/* --- memory --- */

clg_status clg_buffer_wrap(clg_device *d, cl_mem mem, size_t end, bool writes, const char *what, clg_buffer **out) {
    cl_context context = NULL;
    cl_mem_object_type type = 0;
    cl_mem_flags flags = 0;
    size_t size = 0;
    cl_int err = clGetMemObjectInfo(mem, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (err == CL_SUCCESS) err = clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof type, &type, NULL);
    if (err == CL_SUCCESS) err = clGetMemObjectInfo(mem, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    if (err == CL_SUCCESS) err = clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof size, &size, NULL);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clGetMemObjectInfo", "memory for %s", what);
    if (context != d->context || type != CL_MEM_OBJECT_BUFFER)
        return clg_fail(CLG_ERR_INVALID, "memory for %s: it must be a buffer of the device's own context", what);
    if (flags & (writes ? CL_MEM_READ_ONLY : CL_MEM_WRITE_ONLY))
        return clg_fail(CLG_ERR_INVALID, "memory for %s: by its flags kernels cannot %s it", what,
                        writes ? "write" : "read");
    if (end > SIZE_MAX - CLG_BUFFER_SLACK || size < end + CLG_BUFFER_SLACK)
        return clg_fail(CLG_ERR_INVALID, "memory for %s: it has %zu bytes; allocate %zu, of which the last %d are only "
                        "read past rows (CLG_MEM_SLACK)", what, size, end + CLG_BUFFER_SLACK, CLG_BUFFER_SLACK);
    clg_buffer *b = clg_calloc(1, sizeof *b);
    if (!b) return clg_fail_nomem(what);
    err = clRetainMemObject(mem);
    if (err != CL_SUCCESS) {
        clg_free(b);
        return clg_cl_fail(d, err, "clRetainMemObject", "memory for %s", what);
    }
    *b = (clg_buffer){ .device = d, .mem = mem, .bytes = size - CLG_BUFFER_SLACK };
    *out = b;
    return CLG_OK;
}

cl_mem clg_buffer_memory(const clg_buffer *b) { return b->mem; }

/* --- events --- */

clg_status clg_device_wait_for(clg_device *d, unsigned n, cl_event const *wait) {
    if (n == 0) return CLG_OK;
    clg_awake_ring(d);
    return clg_link_mark(d, &(clg_link){ .n_wait = (int)n, .wait = wait });
}

clg_status clg_device_mark(clg_device *d, cl_event *done) {
    cl_event event = NULL;
    const cl_int err = clEnqueueMarkerWithWaitList(d->queue, 0, NULL, &event);
    clg_resident_end(d);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clEnqueueMarkerWithWaitList", "end of a run");
    *done = event;
    return clg_device_flush(d);
}

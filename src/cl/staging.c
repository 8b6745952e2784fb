/* Host memory that transfers go through. Devices with memory of their own get pinned memory, from which and to which
 * their copy engines work: a buffer with CL_MEM_ALLOC_HOST_PTR that stays mapped. */
#include "cl/internal.h"

static clg_status create_pinned(clg_device *d, cl_command_queue q, size_t bytes, clg_staging *s) {
    cl_int err = CL_SUCCESS;
    s->pinned = clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &err);
    if (err != CL_SUCCESS) {
        s->pinned = NULL;
        return clg_cl_fail(d, err, "clCreateBuffer", "pinned staging memory of %zu bytes", bytes);
    }
    s->host = clEnqueueMapBuffer(q, s->pinned, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes, 0, NULL, NULL, &err);
    if (err != CL_SUCCESS) s->host = NULL;
    else err = clg_wait_queue(d, q);
    if (err == CL_SUCCESS) return CLG_OK;
    return clg_cl_fail(d, err, "clEnqueueMapBuffer", "pinned staging memory of %zu bytes", bytes);
}

clg_status clg_staging_create(clg_device *d, cl_command_queue q, size_t bytes, const char *what, clg_staging *s) {
    if (!d->caps.unified && !d->caps.ref) return create_pinned(d, q, bytes, s);
    s->host = clg_alloc(bytes);
    return s->host ? CLG_OK : clg_fail_nomem(what);
}

void clg_staging_free(clg_device *d, cl_command_queue q, clg_staging *s) {
    const bool hung = atomic_load(&d->state) == CLG_DEVICE_HUNG; /* a command may still use it */
    if (!s->pinned && !hung) clg_free(s->host);
    if (s->pinned && s->host && clg_device_works(d)) {
        clEnqueueUnmapMemObject(q, s->pinned, s->host, 0, NULL, NULL);
        (void)clg_wait_queue(d, q);
    }
    if (s->pinned) clReleaseMemObject(s->pinned);
    *s = (clg_staging){ 0 };
}

/* Memory that host and device share, and whose address both know: shared virtual memory whose words either side may
 * write (OpenCL 2.0, "fine-grained buffer"), with a buffer object over it, so that kernels and commands see a buffer like
 * any other. The host copies to and from it itself, where a transfer would be a command of its own, with a worker to
 * wake, and a staging copy. */
#define CL_TARGET_OPENCL_VERSION 200
#include "base/clock.h"
#include "cl/internal.h"

#include <string.h>
#include <time.h>

#define PATIENCE 1.0 /* seconds */

/* Pieces of a device's memory that have not gone, and the device: whose last one frees it. */
struct clg_shared_count { atomic_int n; };

static void leave(clg_shared_count *c) {
    if (atomic_fetch_sub(&c->n, 1) == 1) clg_free(c);
}

void clg_shared_await(clg_device *d) {
    clg_shared_count *c = d->shared;
    if (!c) return;
    const double end = clg_now() + PATIENCE;
    while (atomic_load(&c->n) > 1 && atomic_load(&d->state) != CLG_DEVICE_HUNG && clg_now() < end)
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    d->shared = NULL;
    leave(c);
}

#if CLG_HAVE_SVM

/* One more piece; NULL: no memory for the count. */
static clg_shared_count *join(clg_device *d) {
    pthread_mutex_lock(&d->lock);
    if (!d->shared && (d->shared = clg_calloc(1, sizeof *d->shared)) != NULL) atomic_init(&d->shared->n, 1);
    clg_shared_count *c = d->shared;
    pthread_mutex_unlock(&d->lock);
    if (c) atomic_fetch_add(&c->n, 1);
    return c;
}

static bool has(const clg_device_row *row, cl_device_svm_capabilities wanted) {
    cl_device_svm_capabilities caps = 0;
    if (strncmp(row->version, "OpenCL 1.", 9) == 0) return false; /* it does not know the question */
    const cl_int err = clGetDeviceInfo(row->id, CL_DEVICE_SVM_CAPABILITIES, sizeof caps, &caps, NULL);
    return err == CL_SUCCESS && (caps & wanted) == wanted;
}

bool clg_shared_has(const clg_device_row *row) { return has(row, CL_DEVICE_SVM_FINE_GRAIN_BUFFER); }

bool clg_shared_has_atomics(const clg_device_row *row) {
    return has(row, CL_DEVICE_SVM_FINE_GRAIN_BUFFER | CL_DEVICE_SVM_ATOMICS);
}

cl_int clg_shared_uses(cl_kernel k, const void *const *addresses, size_t n) {
    return clSetKernelExecInfo(k, CL_KERNEL_EXEC_INFO_SVM_PTRS, n * sizeof *addresses, addresses);
}

typedef struct shared {
    cl_context context; /* of the buffer, which keeps it */
    void      *memory;
    clg_shared_count *count;
} shared;

/* When nothing uses the buffer any more. */
static void CL_CALLBACK free_memory(cl_mem mem, void *what) {
    shared *s = what;
    clg_shared_count *count = s->count;
    clSVMFree(s->context, s->memory);
    clg_free(s);
    leave(count);
}

cl_mem clg_shared_create(clg_device *d, size_t bytes, size_t zeros, void **memory) {
    const cl_svm_mem_flags how = CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER;
    cl_int err = CL_SUCCESS;
    cl_mem mem = NULL;
    shared *s = clg_alloc(sizeof *s);
    if (!s) return NULL;
    *s = (shared){ .context = d->context, .count = join(d) };
    if (s->count) s->memory = clSVMAlloc(d->context, how, bytes, 0);
    if (s->memory) mem = clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, s->memory, &err);
    if (mem && err == CL_SUCCESS) err = clSetMemObjectDestructorCallback(mem, free_memory, s);
    if (mem && err == CL_SUCCESS) {
        *memory = memset(s->memory, 0, zeros);
        return mem;
    }
    if (mem) clReleaseMemObject(mem);
    if (s->memory) clSVMFree(d->context, s->memory);
    if (s->count) leave(s->count);
    clg_free(s);
    return NULL;
}

#else /* a loader of OpenCL 1.2 */

bool clg_shared_has(const clg_device_row *row) { return (void)row, false; }
bool clg_shared_has_atomics(const clg_device_row *row) { return (void)row, false; }
cl_int clg_shared_uses(cl_kernel k, const void *const *addresses, size_t n) {
    return (void)k, (void)addresses, n == 0 ? CL_SUCCESS : CL_INVALID_OPERATION;
}
cl_mem clg_shared_create(clg_device *d, size_t bytes, size_t zeros, void **memory) {
    return (void)d, (void)bytes, (void)zeros, (void)memory, NULL;
}

#endif

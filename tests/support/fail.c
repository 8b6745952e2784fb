/* OpenCL functions that count, and fail when told to; else they call the loader's (dlsym RTLD_NEXT). What would go on
 * behind the caller's back if it were not done (waiting, releasing) is done even when it reports a failure. */
#define _GNU_SOURCE /* RTLD_NEXT */
#define CL_TARGET_OPENCL_VERSION 200
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "fail.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_long calls, call_at, objects, waits;
static _Atomic(const char *) failed_call;

void fail_call_at(long n) {
    failed_call = NULL;
    calls = 0;
    call_at = n;
}

long fail_call_count(void) { return calls; }
const char *fail_call_name(void) { return failed_call; }
long fail_objects_alive(void) { return objects; }
long fail_waits(void) { return waits; }

/* Counts a call; true: it is the one. */
static bool fails(const char *name) {
    if (strcmp(name, "clFinish") == 0 || strcmp(name, "clWaitForEvents") == 0) waits++;
    if (atomic_fetch_add(&calls, 1) + 1 != call_at) return false;
    failed_call = name;
    return true;
}

static void *loader(const char *name) {
    void *f = dlsym(RTLD_NEXT, name);
    if (!f) {
        fprintf(stderr, "fail.c: the OpenCL loader has no %s\n", name);
        abort();
    }
    return f;
}

/* REAL(name): a pointer `real` to the loader's function of that name. */
#define REAL(name)                                         \
    static __typeof__(&name) real;                         \
    if (!real) {                                           \
        void *f_ = loader(#name);                          \
        memcpy(&real, &f_, sizeof real);                   \
    }

/* --- a device that is lost --- */

enum { CONTEXTS = 64 };

static _Atomic(cl_context) context[CONTEXTS], doomed;
static atomic_int n_contexts;
static atomic_long launches, lost_at;
static atomic_bool lost;

void fail_device_at(int device, long n) {
    lost = false;
    launches = 0;
    lost_at = n;
    doomed = n > 0 && device >= 0 && device < n_contexts ? (cl_context)context[device] : NULL;
}

bool fail_device_lost(void) { return lost; }

static cl_context note_context(cl_context c) {
    if (c && n_contexts < CONTEXTS) context[n_contexts++] = c;
    return c;
}

/* The context that an object belongs to, asked of the loader itself. */
#define CONTEXT_OF(type, call, what)                       \
    static cl_context call##_context(type x) {             \
        REAL(call)                                         \
        cl_context c = NULL;                               \
        return doomed && x && real(x, what, sizeof c, &c, NULL) == CL_SUCCESS ? c : NULL; \
    }
CONTEXT_OF(cl_command_queue, clGetCommandQueueInfo, CL_QUEUE_CONTEXT)
CONTEXT_OF(cl_mem, clGetMemObjectInfo, CL_MEM_CONTEXT)
CONTEXT_OF(cl_program, clGetProgramInfo, CL_PROGRAM_CONTEXT)
CONTEXT_OF(cl_kernel, clGetKernelInfo, CL_KERNEL_CONTEXT)
CONTEXT_OF(cl_event, clGetEventInfo, CL_EVENT_CONTEXT)
static cl_context itself(cl_context c) { return c; }
static void *note_other(void *x) { return x; }
static cl_context of_list(const cl_event *list) { return list ? clGetEventInfo_context(list[0]) : NULL; }
static cl_context of_none(const void *x) { return x ? NULL : NULL; }
static cl_context of_number(cl_uint n) { return n ? NULL : NULL; }

#define SUBJECT(x) _Generic((x), cl_context: itself, cl_command_queue: clGetCommandQueueInfo_context,      \
    cl_mem: clGetMemObjectInfo_context, cl_program: clGetProgramInfo_context,                              \
    cl_kernel: clGetKernelInfo_context, cl_event: clGetEventInfo_context, const cl_event *: of_list,       \
    cl_platform_id: of_none, cl_device_id: of_none, const cl_context_properties *: of_none, cl_uint: of_number)(x)
#define NOTED(type, x) _Generic((type)NULL, cl_context: note_context, default: note_other)(x)
#define FIRST_OF(x, ...) x
#define WITH_REST(...) (__VA_ARGS__, 0)
#define FIRST(args) FIRST_(WITH_REST args)
#define FIRST_(args) SUBJECT(FIRST_OF args)

/* Whether a call fails because its device is lost, which the n-th launch on it decides. */
static bool on_lost(const char *name, cl_context c) {
    if (!doomed || c != doomed) return false;
    if (strcmp(name, "clEnqueueNDRangeKernel") == 0 && atomic_fetch_add(&launches, 1) + 1 >= lost_at) lost = true;
    return lost;
}

/* A call that returns its code; made: an expression that counts what it has made. */
#define CALL(name, code, params, args, made)               \
    cl_int name params {                                   \
        REAL(name)                                         \
        if (on_lost(#name, FIRST(args))) return CL_DEVICE_NOT_AVAILABLE; \
        if (fails(#name)) return code;                     \
        const cl_int err_ = real args;                     \
        if (err_ == CL_SUCCESS) objects += (made);         \
        return err_;                                       \
    }

/* A call that is made in any case. gone: objects that go with it. */
#define ALWAYS(name, code, params, args, gone) ALWAYS_ON(FIRST(args), name, code, params, args, gone)
#define ALWAYS_ON(subject, name, code, params, args, gone) \
    cl_int name params {                                   \
        REAL(name)                                         \
        const bool lost_ = on_lost(#name, subject);        \
        const bool fail_ = fails(#name);                   \
        const cl_int err_ = real args;                     \
        if (err_ == CL_SUCCESS) objects -= (gone);         \
        return lost_ ? CL_DEVICE_NOT_AVAILABLE : fail_ ? code : err_; \
    }

/* A call that returns an object, and its code through err; counts: 1 if the object is one to be released. */
#define CREATE(type, name, code, counts, params, args)     \
    type name params {                                     \
        REAL(name)                                         \
        const bool lost_ = on_lost(#name, FIRST(args)); \
        if (lost_ || fails(#name)) {                       \
            if (err) *err = lost_ ? CL_DEVICE_NOT_AVAILABLE : code; \
            return NULL;                                   \
        }                                                  \
        type object_ = NOTED(type, real args);             \
        if (object_) objects += (counts);                  \
        return object_;                                    \
    }

typedef void (CL_CALLBACK *context_notify)(const char *, const void *, size_t, void *);
typedef void (CL_CALLBACK *program_notify)(cl_program, void *);

CALL(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY, (cl_uint n, cl_platform_id *p, cl_uint *out), (n, p, out), 0)
CALL(clGetPlatformInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_platform_id p, cl_platform_info what, size_t size, void *to, size_t *out), (p, what, size, to, out), 0)
CALL(clGetDeviceIDs, CL_OUT_OF_HOST_MEMORY,
     (cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *d, cl_uint *out), (p, type, n, d, out), 0)
CALL(clGetDeviceInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_device_id d, cl_device_info what, size_t size, void *to, size_t *out), (d, what, size, to, out), 0)
CALL(clCreateSubDevices, CL_DEVICE_PARTITION_FAILED,
     (cl_device_id d, const cl_device_partition_property *props, cl_uint n, cl_device_id *made, cl_uint *out),
     (d, props, n, made, out), 0) /* the library keeps them */
CREATE(cl_context, clCreateContext, CL_DEVICE_NOT_AVAILABLE, 1,
       (const cl_context_properties *props, cl_uint n, const cl_device_id *d, context_notify f, void *user,
        cl_int *err), (props, n, d, f, user, err))
CREATE(cl_command_queue, clCreateCommandQueue, CL_OUT_OF_RESOURCES, 1,
       (cl_context c, cl_device_id d, cl_command_queue_properties props, cl_int *err), (c, d, props, err))
CREATE(cl_mem, clCreateBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE, 1,
       (cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *err), (c, flags, size, host, err))
CREATE(cl_program, clCreateProgramWithSource, CL_OUT_OF_HOST_MEMORY, 1,
       (cl_context c, cl_uint n, const char **text, const size_t *size, cl_int *err), (c, n, text, size, err))
CREATE(cl_program, clCreateProgramWithBinary, CL_INVALID_BINARY, 1,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *size, const unsigned char **binary,
        cl_int *status, cl_int *err), (c, n, d, size, binary, status, err))
CALL(clBuildProgram, CL_BUILD_PROGRAM_FAILURE,
     (cl_program p, cl_uint n, const cl_device_id *d, const char *options, program_notify f, void *user),
     (p, n, d, options, f, user), 0)
CALL(clGetProgramBuildInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_program p, cl_device_id d, cl_program_build_info what, size_t size, void *to, size_t *out),
     (p, d, what, size, to, out), 0)
CALL(clGetProgramInfo, CL_OUT_OF_HOST_MEMORY,
     (cl_program p, cl_program_info what, size_t size, void *to, size_t *out), (p, what, size, to, out), 0)
CREATE(cl_kernel, clCreateKernel, CL_OUT_OF_HOST_MEMORY, 1,
       (cl_program p, const char *name, cl_int *err), (p, name, err))
CALL(clSetKernelArg, CL_INVALID_ARG_SIZE,
     (cl_kernel k, cl_uint i, size_t size, const void *value), (k, i, size, value), 0)
CALL(clSetKernelExecInfo, CL_OUT_OF_RESOURCES,
     (cl_kernel k, cl_kernel_exec_info what, size_t size, const void *value), (k, what, size, value), 0)
CALL(clGetKernelInfo, CL_OUT_OF_RESOURCES,
     (cl_kernel k, cl_kernel_info what, size_t size, void *to, size_t *out), (k, what, size, to, out), 0)
CALL(clGetKernelArgInfo, CL_KERNEL_ARG_INFO_NOT_AVAILABLE,
     (cl_kernel k, cl_uint i, cl_kernel_arg_info what, size_t size, void *to, size_t *out),
     (k, i, what, size, to, out), 0)
CALL(clGetKernelWorkGroupInfo, CL_OUT_OF_RESOURCES,
     (cl_kernel k, cl_device_id d, cl_kernel_work_group_info what, size_t size, void *to, size_t *out),
     (k, d, what, size, to, out), 0)
CALL(clGetEventInfo, CL_OUT_OF_RESOURCES,
     (cl_event e, cl_event_info what, size_t size, void *to, size_t *out), (e, what, size, to, out), 0)
CALL(clRetainEvent, CL_OUT_OF_HOST_MEMORY, (cl_event e), (e), 1)
CALL(clRetainMemObject, CL_OUT_OF_HOST_MEMORY, (cl_mem m), (m), 1)
CALL(clEnqueueMigrateMemObjects, CL_OUT_OF_HOST_MEMORY,
     (cl_command_queue q, cl_uint n, const cl_mem *m, cl_mem_migration_flags f, cl_uint nw, const cl_event *w, cl_event *e),
     (q, n, m, f, nw, w, e), 0)
CALL(clGetEventProfilingInfo, CL_PROFILING_INFO_NOT_AVAILABLE,
     (cl_event e, cl_profiling_info what, size_t size, void *to, size_t *out), (e, what, size, to, out), 0)

/* Commands: one event is made if it is asked for. */
CALL(clEnqueueNDRangeKernel, CL_OUT_OF_RESOURCES,
     (cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global, const size_t *local,
      cl_uint n, const cl_event *list, cl_event *e), (q, k, dims, offset, global, local, n, list, e), e != NULL)
CALL(clEnqueueReadBuffer, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
     (cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size, void *to, cl_uint n, const cl_event *list,
      cl_event *e), (q, m, wait, at, size, to, n, list, e), e != NULL)
CALL(clEnqueueWriteBuffer, CL_OUT_OF_RESOURCES,
     (cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size, const void *from, cl_uint n,
      const cl_event *list, cl_event *e), (q, m, wait, at, size, from, n, list, e), e != NULL)
CALL(clEnqueueCopyBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE,
     (cl_command_queue q, cl_mem from, cl_mem to, size_t a, size_t b, size_t size, cl_uint n, const cl_event *list,
      cl_event *e), (q, from, to, a, b, size, n, list, e), e != NULL)
CALL(clEnqueueFillBuffer, CL_MEM_OBJECT_ALLOCATION_FAILURE,
     (cl_command_queue q, cl_mem m, const void *pattern, size_t each, size_t at, size_t size, cl_uint n,
      const cl_event *list, cl_event *e), (q, m, pattern, each, at, size, n, list, e), e != NULL)
CALL(clEnqueueMarkerWithWaitList, CL_OUT_OF_HOST_MEMORY,
     (cl_command_queue q, cl_uint n, const cl_event *list, cl_event *e), (q, n, list, e), e != NULL)
CALL(clEnqueueBarrierWithWaitList, CL_OUT_OF_HOST_MEMORY,
     (cl_command_queue q, cl_uint n, const cl_event *list, cl_event *e), (q, n, list, e), e != NULL)
CREATE(void *, clEnqueueMapBuffer, CL_MAP_FAILURE, 0,
       (cl_command_queue q, cl_mem m, cl_bool wait, cl_map_flags flags, size_t at, size_t size, cl_uint n,
        const cl_event *list, cl_event *e, cl_int *err), (q, m, wait, flags, at, size, n, list, e, err))

ALWAYS(clEnqueueUnmapMemObject, CL_OUT_OF_RESOURCES,
       (cl_command_queue q, cl_mem m, void *p, cl_uint n, const cl_event *list, cl_event *e), (q, m, p, n, list, e), 0)
ALWAYS(clFlush, CL_OUT_OF_RESOURCES, (cl_command_queue q), (q), 0)
ALWAYS(clFinish, CL_OUT_OF_RESOURCES, (cl_command_queue q), (q), 0)
ALWAYS_ON(of_list(list), clWaitForEvents, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
          (cl_uint n, const cl_event *list), (n, list), 0)
ALWAYS(clReleaseDevice, CL_OUT_OF_RESOURCES, (cl_device_id x), (x), 0) /* parts beyond those that are kept */
ALWAYS(clReleaseContext, CL_OUT_OF_RESOURCES, (cl_context x), (x), 1)
ALWAYS(clReleaseCommandQueue, CL_OUT_OF_RESOURCES, (cl_command_queue x), (x), 1)
ALWAYS(clReleaseMemObject, CL_OUT_OF_RESOURCES, (cl_mem x), (x), 1)
ALWAYS(clReleaseProgram, CL_OUT_OF_RESOURCES, (cl_program x), (x), 1)
ALWAYS(clReleaseKernel, CL_OUT_OF_RESOURCES, (cl_kernel x), (x), 1)
ALWAYS(clReleaseEvent, CL_OUT_OF_RESOURCES, (cl_event x), (x), 1)

/* --- shared memory --- */

typedef void (CL_CALLBACK *memory_notify)(cl_mem, void *);

CALL(clSetMemObjectDestructorCallback, CL_OUT_OF_HOST_MEMORY, (cl_mem m, memory_notify f, void *user), (m, f, user), 0)

void *clSVMAlloc(cl_context c, cl_svm_mem_flags flags, size_t size, cl_uint align) {
    REAL(clSVMAlloc)
    if (on_lost("clSVMAlloc", c) || fails("clSVMAlloc")) return NULL;
    void *memory = real(c, flags, size, align);
    objects += memory != NULL;
    return memory;
}

void clSVMFree(cl_context c, void *memory) {
    REAL(clSVMFree)
    objects -= memory != NULL;
    real(c, memory);
}

/* --- cl_khr_command_buffer, whose functions come by name --- */

static struct {
    void *(*create)(cl_uint, const cl_command_queue *, const cl_ulong *, cl_int *);
    cl_int (*kernel)(void *, cl_command_queue, const cl_ulong *, cl_kernel, cl_uint, const size_t *, const size_t *,
                     const size_t *, cl_uint, const cl_uint *, cl_uint *, void **);
    cl_int (*finalize)(void *);
    cl_int (*enqueue)(cl_uint, cl_command_queue *, void *, cl_uint, const cl_event *, cl_event *);
    cl_int (*release)(void *);
} khr;

static void *create_commands(cl_uint n, const cl_command_queue *q, const cl_ulong *props, cl_int *err) {
    if (fails("clCreateCommandBufferKHR")) {
        *err = CL_OUT_OF_RESOURCES;
        return NULL;
    }
    void *object = khr.create(n, q, props, err);
    objects += object != NULL;
    return object;
}

static cl_int record_kernel(void *c, cl_command_queue q, const cl_ulong *props, cl_kernel k, cl_uint dims,
                            const size_t *at, const size_t *global, const size_t *local, cl_uint n, const cl_uint *wait,
                            cl_uint *point, void **handle) {
    if (fails("clCommandNDRangeKernelKHR")) return CL_OUT_OF_HOST_MEMORY;
    return khr.kernel(c, q, props, k, dims, at, global, local, n, wait, point, handle);
}

static cl_int finalize_commands(void *c) {
    return fails("clFinalizeCommandBufferKHR") ? CL_OUT_OF_RESOURCES : khr.finalize(c);
}

static cl_int enqueue_commands(cl_uint nq, cl_command_queue *q, void *c, cl_uint n, const cl_event *list, cl_event *e) {
    if (fails("clEnqueueCommandBufferKHR")) return CL_OUT_OF_RESOURCES;
    const cl_int err = khr.enqueue(nq, q, c, n, list, e);
    objects += err == CL_SUCCESS && e;
    return err;
}

static cl_int release_commands(void *c) {
    const bool fail = fails("clReleaseCommandBufferKHR");
    const cl_int err = khr.release(c);
    objects -= err == CL_SUCCESS;
    return fail ? CL_OUT_OF_RESOURCES : err;
}

/* Keeps the driver's function, and puts ours in its place; both are pointers to functions of one type. */
#define TAKE(field, ours)                                  \
    do {                                                   \
        __typeof__(khr.field) own_ = ours;                 \
        memcpy(&khr.field, &f, sizeof f);                  \
        memcpy(&f, &own_, sizeof f);                       \
    } while (0)

void *clGetExtensionFunctionAddressForPlatform(cl_platform_id p, const char *name) {
    REAL(clGetExtensionFunctionAddressForPlatform)
    if (fails("clGetExtensionFunctionAddressForPlatform")) return NULL;
    void *f = real(p, name);
    if (!f) return NULL;
    if (strcmp(name, "clCreateCommandBufferKHR") == 0) TAKE(create, create_commands);
    else if (strcmp(name, "clCommandNDRangeKernelKHR") == 0) TAKE(kernel, record_kernel);
    else if (strcmp(name, "clFinalizeCommandBufferKHR") == 0) TAKE(finalize, finalize_commands);
    else if (strcmp(name, "clEnqueueCommandBufferKHR") == 0) TAKE(enqueue, enqueue_commands);
    else if (strcmp(name, "clReleaseCommandBufferKHR") == 0) TAKE(release, release_commands);
    return f;
}

/* --- host memory --- */

static atomic_long allocations, allocation_at, blocks;
static atomic_bool allocation_failed;

static void *failing_resize(void *user, void *ptr, size_t size) {
    if (size == 0) {
        if (ptr) blocks--;
        free(ptr);
        return NULL;
    }
    if (atomic_fetch_add(&allocations, 1) + 1 == allocation_at) {
        allocation_failed = true;
        return NULL;
    }
    void *p = realloc(ptr, size);
    if (p && !ptr) blocks++;
    return p;
}

clg_status fail_alloc_install(void) {
    return clg_set_allocator(&(clg_allocator){ .resize = failing_resize });
}

void fail_alloc_at(long n) {
    allocation_failed = false;
    allocations = 0;
    allocation_at = n;
}

long fail_alloc_count(void) { return allocations; }
bool fail_alloc_reached(void) { return allocation_failed; }
long fail_blocks_alive(void) { return blocks; }

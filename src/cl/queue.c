/* Command queues, their errors in words, and the times of kernels. One in-order compute queue; one more each for
 * uploads and for downloads, made when a channel wants it, and further compute queues when a plan wants them. Only
 * clg_device_finish() and blocking reads wait. */
#include "cl/internal.h"

#include <stdio.h>

typedef struct code_name { cl_int code; const char *name; } code_name;

#define CODE(x) { x, #x }
static const code_name code_names[] = {
    CODE(CL_SUCCESS), CODE(CL_DEVICE_NOT_FOUND), CODE(CL_DEVICE_NOT_AVAILABLE), CODE(CL_COMPILER_NOT_AVAILABLE),
    CODE(CL_MEM_OBJECT_ALLOCATION_FAILURE), CODE(CL_OUT_OF_RESOURCES), CODE(CL_OUT_OF_HOST_MEMORY),
    CODE(CL_PROFILING_INFO_NOT_AVAILABLE), CODE(CL_MEM_COPY_OVERLAP), CODE(CL_IMAGE_FORMAT_MISMATCH),
    CODE(CL_IMAGE_FORMAT_NOT_SUPPORTED), CODE(CL_BUILD_PROGRAM_FAILURE), CODE(CL_MAP_FAILURE),
    CODE(CL_MISALIGNED_SUB_BUFFER_OFFSET), CODE(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    CODE(CL_COMPILE_PROGRAM_FAILURE), CODE(CL_LINKER_NOT_AVAILABLE), CODE(CL_LINK_PROGRAM_FAILURE),
    CODE(CL_DEVICE_PARTITION_FAILED), CODE(CL_KERNEL_ARG_INFO_NOT_AVAILABLE), CODE(CL_INVALID_VALUE),
    CODE(CL_INVALID_DEVICE_TYPE), CODE(CL_INVALID_PLATFORM), CODE(CL_INVALID_DEVICE), CODE(CL_INVALID_CONTEXT),
    CODE(CL_INVALID_QUEUE_PROPERTIES), CODE(CL_INVALID_COMMAND_QUEUE), CODE(CL_INVALID_HOST_PTR),
    CODE(CL_INVALID_MEM_OBJECT), CODE(CL_INVALID_IMAGE_FORMAT_DESCRIPTOR), CODE(CL_INVALID_IMAGE_SIZE),
    CODE(CL_INVALID_SAMPLER), CODE(CL_INVALID_BINARY), CODE(CL_INVALID_BUILD_OPTIONS), CODE(CL_INVALID_PROGRAM),
    CODE(CL_INVALID_PROGRAM_EXECUTABLE), CODE(CL_INVALID_KERNEL_NAME), CODE(CL_INVALID_KERNEL_DEFINITION),
    CODE(CL_INVALID_KERNEL), CODE(CL_INVALID_ARG_INDEX), CODE(CL_INVALID_ARG_VALUE), CODE(CL_INVALID_ARG_SIZE),
    CODE(CL_INVALID_KERNEL_ARGS), CODE(CL_INVALID_WORK_DIMENSION), CODE(CL_INVALID_WORK_GROUP_SIZE),
    CODE(CL_INVALID_WORK_ITEM_SIZE), CODE(CL_INVALID_GLOBAL_OFFSET), CODE(CL_INVALID_EVENT_WAIT_LIST),
    CODE(CL_INVALID_EVENT), CODE(CL_INVALID_OPERATION), CODE(CL_INVALID_GL_OBJECT), CODE(CL_INVALID_BUFFER_SIZE),
    CODE(CL_INVALID_MIP_LEVEL), CODE(CL_INVALID_GLOBAL_WORK_SIZE), CODE(CL_INVALID_PROPERTY),
    CODE(CL_INVALID_IMAGE_DESCRIPTOR), CODE(CL_INVALID_COMPILER_OPTIONS), CODE(CL_INVALID_LINKER_OPTIONS),
    CODE(CL_INVALID_DEVICE_PARTITION_COUNT), { -1001, "CL_PLATFORM_NOT_FOUND_KHR" },
    { CLG_CL_TIMED_OUT, "timed out" },
};

const char *clg_cl_code_name(cl_int code) {
    for (size_t i = 0; i < sizeof code_names / sizeof code_names[0]; i++)
        if (code_names[i].code == code) return code_names[i].name;
    return "unknown OpenCL code";
}

clg_status clg_cl_fail(const clg_device *d, cl_int code, const char *call, const char *fmt, ...) {
    char what[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
    const char *hung = d && code == CLG_CL_TIMED_OUT ? d->lost_text : "";
    const clg_status status = clg_fail(memory ? CLG_ERR_NOMEM : CLG_ERR_DEVICE, "%s: %s (%d)%s%s%s%s%s%s", call,
                                       clg_cl_code_name(code), (int)code, d ? " on device " : "", d ? d->row.name : "",
                                       *hung ? ": " : "", hung, *what ? ": " : "", what);
    clg_device_note((clg_device *)d, code, call); /* what a device has come to is no part of what it is */
    return status;
}

clg_status clg_queue_open(clg_device *d, cl_command_queue *q, const char *what) {
    cl_int err = CL_SUCCESS;
    pthread_mutex_lock(&d->lock);
    if (!*q) *q = clCreateCommandQueue(d->context, d->row.id, d->caps.profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &err);
    if (err != CL_SUCCESS) *q = NULL;
    pthread_mutex_unlock(&d->lock);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clCreateCommandQueue", "%s", what);
}

clg_status clg_queues_create(clg_device *d) { return clg_queue_open(d, &d->queue, "compute queue"); }

clg_status clg_device_branch(clg_device *d, int n) {
    for (int i = 0; i + 1 < n; i++) CLG_TRY(clg_queue_open(d, &d->branch[i], "one more compute queue"));
    return CLG_OK;
}

enum { UPLOADS, COMPUTE, DOWNLOADS = COMPUTE + CLG_QUEUES, ALL_QUEUES };

/* The queues that exist now; NULL: not made yet. */
static void list_queues(clg_device *d, cl_command_queue to[ALL_QUEUES]) {
    pthread_mutex_lock(&d->lock);
    to[UPLOADS] = d->upload;
    to[COMPUTE] = d->queue;
    for (int i = 1; i < CLG_QUEUES; i++) to[COMPUTE + i] = d->branch[i - 1];
    to[DOWNLOADS] = d->download;
    pthread_mutex_unlock(&d->lock);
}

clg_status clg_queues_finish(clg_device *d) {
    cl_command_queue queues[ALL_QUEUES];
    clg_status status = clg_device_check(d);
    list_queues(d, queues);
    clg_awake_ring(d);
    for (int i = 0; i < ALL_QUEUES; i++) { /* all of them, and the first failure counts */
        const cl_int err = queues[i] ? clg_wait_queue(d, queues[i]) : CL_SUCCESS;
        if (err != CL_SUCCESS && status == CLG_OK)
            status = clg_cl_fail(d, err, "clFinish", "%s", i == UPLOADS ? "an upload failed" : i == DOWNLOADS
                                 ? "a download failed" : "a command enqueued before failed");
    }
    return status;
}

void clg_queue_name(const clg_device *d, cl_command_queue q, char *to, size_t size) {
    int branch = 0;
    while (branch < CLG_QUEUES - 1 && (!q || d->branch[branch] != q)) branch++;
    if (branch < CLG_QUEUES - 1) snprintf(to, size, "compute %d", branch + 2);
    else snprintf(to, size, "%s", !q || q == d->queue ? "compute" : q == d->upload ? "upload" : "download");
}

void clg_queues_destroy(clg_device *d) {
    cl_command_queue queues[ALL_QUEUES];
    if (atomic_load(&d->state) == CLG_DEVICE_HUNG) return; /* some drivers would wait here: they stay */
    list_queues(d, queues);
    for (int i = 0; i < ALL_QUEUES; i++)
        if (queues[i]) clReleaseCommandQueue(queues[i]);
}

clg_status clg_device_finish(clg_device *dev) {
    if (!dev) return clg_fail(CLG_ERR_INVALID, "clg_device_finish: the device is NULL");
    CLG_TRY(clg_queues_finish(dev));
    clg_notes_collect(dev);
    return CLG_OK;
}

static clg_status flush_queues(clg_device *d) {
    cl_command_queue queues[ALL_QUEUES];
    cl_int err = CL_SUCCESS;
    CLG_TRY(clg_device_check(d));
    list_queues(d, queues);
    for (int i = COMPUTE; i < DOWNLOADS && err == CL_SUCCESS; i++)
        if (queues[i]) err = clFlush(queues[i]);
    return err == CL_SUCCESS ? CLG_OK : clg_cl_fail(d, err, "clFlush", "%s", "");
}

clg_status clg_device_flush(clg_device *d) {
    const clg_status status = flush_queues(d);
    clg_awake_ring(d);
    return status;
}

clg_status clg_device_flush_run(clg_device *d) {
    const clg_status status = flush_queues(d);
    clg_awake_follow(d);
    return status;
}

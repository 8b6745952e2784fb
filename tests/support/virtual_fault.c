/* Faults of the virtual device. $CLGRAD_VIRTUAL_FAULT is a comma list, read anew at each call, so that a test may set
 * it when it wants; KERNEL is a name with * and ?:
 *   build=TEXT        programs whose source has this text do not build
 *   group=KERNEL:N    this kernel takes at most N work-items in a group
 *   resources=KERNEL  its launches give CL_OUT_OF_RESOURCES
 *   refused=KERNEL:N  its N-th launch and the next one, which tries again, give CL_OUT_OF_RESOURCES
 *   scratch=KERNEL    its launches give CL_MEM_OBJECT_ALLOCATION_FAILURE
 *   wrong=KERNEL      after it, the first float of its first output is 12345
 *   hang=KERNEL       its launches never begin
 *   alloc=N           so many launches, from now on, give CL_MEM_OBJECT_ALLOCATION_FAILURE, as of drivers that allocate
 *                     late
 *   lost=N            device 0 is lost after N launches from now on: CL_DEVICE_NOT_AVAILABLE from what is given to it,
 *                     CL_OUT_OF_RESOURCES from what waits
 * N counts from when the text has changed. */
#define _POSIX_C_SOURCE 200809L
#include "virtual.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char  seen[512];     /* the text that the counters belong to */
static long  launches, allocs, asked;
static bool  lost;

/* The first output of kernels: where `wrong` writes. */
static struct { cl_kernel kernel; cl_uint arg; cl_mem mem; cl_ulong offset; } outputs[MAX_OUTPUTS];

/* The value of a key in the present text; false: it is not there. */
static bool fault(const char *key, char value[128]) {
    char text[512], *rest = NULL;
    const char *now = getenv("CLGRAD_VIRTUAL_FAULT");
    const size_t n = strlen(key);
    bool found = false;
    snprintf(text, sizeof text, "%s", now ? now : "");
    pthread_mutex_lock(&lock);
    if (strcmp(text, seen) != 0) {
        strcpy(seen, text);
        launches = allocs = asked = 0;
        lost = false;
    }
    pthread_mutex_unlock(&lock);
    for (char *word = strtok_r(text, ",", &rest); word && !found; word = strtok_r(NULL, ",", &rest)) {
        found = strncmp(word, key, n) == 0 && word[n] == '=';
        if (found) snprintf(value, 128, "%s", word + n + 1);
    }
    return found;
}

static bool fault_of_kernel(const char *key, cl_kernel k) {
    char pattern[128], name[128];
    if (!fault(key, pattern)) return false;
    virtual_kernel_name(k, name);
    return fnmatch(pattern, name, 0) == 0;
}

bool virtual_fault_in_build(const char *source) {
    char text[128];
    return fault("build", text) && strstr(source, text);
}

/* The N of a value "KERNEL:N", where KERNEL fits; false: it does not, or is not there. */
static bool number_for_kernel(const char *key, cl_kernel k, long *number) {
    char value[128], name[128];
    if (!fault(key, value)) return false;
    char *colon = strrchr(value, ':');
    if (!colon) return false;
    *colon = 0;
    virtual_kernel_name(k, name);
    *number = atol(colon + 1);
    return fnmatch(value, name, 0) == 0;
}

bool virtual_fault_kernel_limit(cl_kernel k, size_t *limit) {
    long number;
    if (!number_for_kernel("group", k, &number)) return false;
    *limit = (size_t)number;
    return true;
}

/* --- lost --- */

static bool is_lost(cl_command_queue q) {
    char value[128];
    if (!fault("lost", value) || virtual_index(q) != 0) return false;
    pthread_mutex_lock(&lock);
    const bool now = lost;
    pthread_mutex_unlock(&lock);
    return now;
}

static bool launch_loses(cl_command_queue q) {
    char value[128];
    if (!fault("lost", value) || virtual_index(q) != 0) return false;
    pthread_mutex_lock(&lock);
    if (launches++ >= atol(value)) lost = true;
    const bool now = lost;
    pthread_mutex_unlock(&lock);
    return now;
}

static bool launch_lacks_memory(void) {
    char value[128];
    if (!fault("alloc", value)) return false;
    pthread_mutex_lock(&lock);
    const bool lacks = allocs++ < atol(value);
    pthread_mutex_unlock(&lock);
    return lacks;
}

static bool launch_is_refused(cl_kernel k) {
    long number;
    if (!number_for_kernel("refused", k, &number)) return false;
    pthread_mutex_lock(&lock);
    asked++;
    const bool now = asked == number || asked == number + 1;
    pthread_mutex_unlock(&lock);
    return now;
}

/* A driver that has lost its device has stopped what ran there. The one below still works, and crashes where a process
 * ends under its threads (PoCL, while it compiles): so it is waited for, and the answer is that of the lost one. */
static cl_int CL_API_CALL finish(cl_command_queue q) {
    const cl_int err = virtual_next->clFinish(q);
    return is_lost(q) ? CL_OUT_OF_RESOURCES : err;
}

static cl_int CL_API_CALL flush(cl_command_queue q) {
    return is_lost(q) ? CL_DEVICE_NOT_AVAILABLE : virtual_next->clFlush(q);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size, void *to,
                                      cl_uint n, const cl_event *list, cl_event *e) {
    return is_lost(q) ? CL_DEVICE_NOT_AVAILABLE
                      : virtual_next->clEnqueueReadBuffer(q, m, wait, at, size, to, n, list, e);
}

static cl_int CL_API_CALL write_buffer(cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size,
                                       const void *from, cl_uint n, const cl_event *list, cl_event *e) {
    return is_lost(q) ? CL_DEVICE_NOT_AVAILABLE
                      : virtual_next->clEnqueueWriteBuffer(q, m, wait, at, size, from, n, list, e);
}

/* --- wrong numbers --- */

static bool is_output(cl_kernel k, cl_uint i) {
    cl_kernel_arg_address_qualifier space = 0;
    cl_kernel_arg_type_qualifier bits = 0;
    if (virtual_next->clGetKernelArgInfo(k, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof space, &space, NULL)
        || space != CL_KERNEL_ARG_ADDRESS_GLOBAL) return false;
    if (virtual_next->clGetKernelArgInfo(k, i, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof bits, &bits, NULL)) return false;
    return !(bits & CL_KERNEL_ARG_TYPE_CONST);
}

/* Notes the first output; its offset in elements is the argument behind it. */
static cl_int CL_API_CALL set_arg(cl_kernel k, cl_uint i, size_t size, const void *value) {
    pthread_mutex_lock(&lock);
    for (int o = 0; value && size == 8 && o < MAX_OUTPUTS; o++) {
        if (outputs[o].kernel && outputs[o].kernel != k) continue;
        if (outputs[o].kernel && i == outputs[o].arg + 1) memcpy(&outputs[o].offset, value, size);
        else if (is_output(k, i) && (!outputs[o].kernel || i <= outputs[o].arg)) {
            outputs[o].kernel = k;
            outputs[o].arg = i;
            memcpy(&outputs[o].mem, value, size);
        }
        break;
    }
    pthread_mutex_unlock(&lock);
    return virtual_next->clSetKernelArg(k, i, size, value);
}

static cl_int CL_API_CALL release_kernel(cl_kernel k) {
    pthread_mutex_lock(&lock);
    for (int o = 0; o < MAX_OUTPUTS; o++)
        if (outputs[o].kernel == k) outputs[o].kernel = NULL;
    pthread_mutex_unlock(&lock);
    return virtual_next->clReleaseKernel(k);
}

/* --- launches --- */

cl_int virtual_fault_before_launch(cl_command_queue q, cl_kernel k, cl_event *gate) {
    cl_int err = CL_SUCCESS;
    if (launch_loses(q)) return CL_DEVICE_NOT_AVAILABLE;
    if (launch_lacks_memory() || fault_of_kernel("scratch", k)) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (fault_of_kernel("resources", k) || launch_is_refused(k)) return CL_OUT_OF_RESOURCES;
    if (!fault_of_kernel("hang", k)) return CL_SUCCESS;
    cl_context c = NULL;
    virtual_next->clGetCommandQueueInfo(q, CL_QUEUE_CONTEXT, sizeof c, &c, NULL);
    *gate = virtual_next->clCreateUserEvent(c, &err); /* which nobody completes */
    return err;
}

cl_int virtual_fault_after_launch(cl_command_queue q, cl_kernel k, cl_event *event) {
    const float bad = 12345;
    cl_mem mem = NULL;
    size_t at = 0;
    if (!fault_of_kernel("wrong", k)) return CL_SUCCESS;
    pthread_mutex_lock(&lock);
    for (int o = 0; o < MAX_OUTPUTS; o++) {
        if (outputs[o].kernel != k) continue;
        mem = outputs[o].mem;
        at = outputs[o].offset * sizeof bad;
    }
    pthread_mutex_unlock(&lock);
    if (!mem) return CL_SUCCESS;
    if (event && *event) virtual_next->clReleaseEvent(*event);
    return virtual_next->clEnqueueFillBuffer(q, mem, &bad, sizeof bad, at, sizeof bad, 0, NULL, event);
}

void virtual_fault_install(cl_icd_dispatch *table) {
    table->clFinish = finish;
    table->clFlush = flush;
    table->clEnqueueReadBuffer = read_buffer;
    table->clEnqueueWriteBuffer = write_buffer;
    table->clSetKernelArg = set_arg;
    table->clReleaseKernel = release_kernel;
}

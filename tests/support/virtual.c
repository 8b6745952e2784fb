/* The layer: what the virtual device says, and what it refuses. See virtual.h.
 *
 * Refused, as a driver may: work-groups beyond the limits, more local memory (static and bound) than there is, buffers
 * beyond the largest or beyond the memory, sub-buffers off the alignment, double where there is none, and functions of
 * OpenCL 2 on a device of 1.2. Each refusal is told on stderr. The handles are the driver's own, so all that is not
 * mentioned here passes through. */
#define _POSIX_C_SOURCE 200809L
#include "virtual.h"

#include "answer.h"
#include "quick.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 16, MAX_MEMS = 8192 };

const cl_icd_dispatch *virtual_next;
static cl_icd_dispatch table;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static virtual_spec specs[MAX_DEVICES];
static cl_device_id ids[MAX_DEVICES];
static int n_specs;

/* Memory objects that are alive, and the spec whose memory they take. */
static struct { cl_mem mem; size_t size; const virtual_spec *spec; } mems[MAX_MEMS];

cl_int virtual_violation(cl_int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "virtual device: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    return code;
}

/* --- whose is it --- */

static int index_of(cl_device_id d) {
    int found = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_specs && found < 0; i++)
        if (d && ids[i] == d) found = i;
    pthread_mutex_unlock(&lock);
    return found;
}

const virtual_spec *virtual_of_device(cl_device_id d) {
    const int i = index_of(d);
    return i < 0 ? NULL : &specs[i];
}

const virtual_spec *virtual_of_context(cl_context c) {
    cl_device_id d[MAX_DEVICES] = { 0 };
    if (virtual_next->clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof d, d, NULL) != CL_SUCCESS) return NULL;
    return virtual_of_device(d[0]);
}

int virtual_index(cl_command_queue q) {
    cl_device_id d = NULL;
    if (virtual_next->clGetCommandQueueInfo(q, CL_QUEUE_DEVICE, sizeof d, &d, NULL) != CL_SUCCESS) return -1;
    return index_of(d);
}

const virtual_spec *virtual_of_queue(cl_command_queue q) {
    const int i = virtual_index(q);
    return i < 0 ? NULL : &specs[i];
}

void virtual_kernel_name(cl_kernel k, char name[128]) {
    strcpy(name, "?");
    virtual_next->clGetKernelInfo(k, CL_KERNEL_FUNCTION_NAME, 128, name, NULL);
}

/* --- answers --- */

static cl_int CL_API_CALL get_platform_info(cl_platform_id p, cl_platform_info what, size_t size, void *to,
                                            size_t *out) {
    char version[96];
    snprintf(version, sizeof version, "OpenCL %d.%d %s", specs[0].version / 10, specs[0].version % 10, specs[0].driver);
    switch (what) {
    case CL_PLATFORM_NAME:       return answer_text(specs[0].platform, size, to, out);
    case CL_PLATFORM_VENDOR:     return answer_text(specs[0].vendor, size, to, out);
    case CL_PLATFORM_VERSION:    return answer_text(version, size, to, out);
    case CL_PLATFORM_EXTENSIONS: return answer_text("cl_khr_icd", size, to, out);
    default:                     return virtual_next->clGetPlatformInfo(p, what, size, to, out);
    }
}

/* The first of each type, in the order of the driver, as many as there are specs. */
static cl_int CL_API_CALL get_device_ids(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *to,
                                         cl_uint *out) {
    cl_device_id all[MAX_DEVICES];
    cl_uint have = 0, fit = 0;
    const cl_int err = virtual_next->clGetDeviceIDs(p, CL_DEVICE_TYPE_ALL, MAX_DEVICES, all, &have);
    if (err != CL_SUCCESS) return err;
    pthread_mutex_lock(&lock);
    for (cl_uint i = 0; i < have && i < (cl_uint)n_specs; i++) {
        ids[i] = all[i];
        const bool first = i == 0 && (type & CL_DEVICE_TYPE_DEFAULT);
        if (!first && !(type & specs[i].type)) continue;
        if (to && fit < n) to[fit] = all[i];
        fit++;
    }
    pthread_mutex_unlock(&lock);
    if (out) *out = fit;
    return fit > 0 ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

static bool is_intel(const virtual_spec *s) { return strstr(s->vendor, "Intel") != NULL; }

static cl_int device_text(const virtual_spec *s, cl_device_info what, size_t size, void *to, size_t *out) {
    char text[256];
    switch (what) {
    case CL_DEVICE_NAME:   return answer_text(s->name, size, to, out);
    case CL_DEVICE_VENDOR: return answer_text(s->vendor, size, to, out);
    case CL_DRIVER_VERSION: return answer_text(s->driver, size, to, out);
    case CL_DEVICE_VERSION:
        snprintf(text, sizeof text, "OpenCL %d.%d virtual", s->version / 10, s->version % 10);
        return answer_text(text, size, to, out);
    case CL_DEVICE_OPENCL_C_VERSION:
        snprintf(text, sizeof text, "OpenCL C %s ", s->version == 20 ? "2.0" : "1.2");
        return answer_text(text, size, to, out);
    default: /* CL_DEVICE_EXTENSIONS */
        snprintf(text, sizeof text, "cl_khr_byte_addressable_store cl_khr_global_int32_base_atomics "
                 "cl_khr_local_int32_base_atomics%s%s%s%s", s->fp64 ? " cl_khr_fp64" : "",
                 s->fp16 ? " cl_khr_fp16" : "", s->subgroups ? " cl_khr_subgroups" : "",
                 is_intel(s) ? " cl_intel_required_subgroup_size" : "");
        return answer_text(text, size, to, out);
    }
}

/* The queries by which a device tells how many work-items run in step. */
static cl_int device_wave(const virtual_spec *s, cl_device_info what, size_t size, void *to, size_t *out) {
    const cl_uint width = (cl_uint)s->wave;
    const size_t multiple = (size_t)s->wave;
    if (what == 0x4003 && s->wave_by == VIRTUAL_WAVE_NV) return answer(&width, sizeof width, size, to, out);
    if (what == 0x4043 && s->wave_by == VIRTUAL_WAVE_AMD) return answer(&width, sizeof width, size, to, out);
    if (what == CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE && s->wave_by != VIRTUAL_WAVE_UNKNOWN && s->version >= 30)
        return answer(&multiple, sizeof multiple, size, to, out);
    return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL get_device_info(cl_device_id d, cl_device_info what, size_t size, void *to, size_t *out) {
    const virtual_spec *s = virtual_of_device(d);
    const cl_bool no = CL_FALSE;
    const cl_uint one = 1, bits = s ? s->align * 8 : 0;
    const cl_device_fp_config none = 0;
    static const size_t sub_groups[] = { 8, 16, 32 };
    const cl_bool unified = s && s->unified, images = s && s->image > 0;
#define IS(value) answer(&(value), sizeof(value), size, to, out)
    if (!s) return virtual_next->clGetDeviceInfo(d, what, size, to, out);
    switch (what) {
    case CL_DEVICE_NAME: case CL_DEVICE_VENDOR: case CL_DRIVER_VERSION: case CL_DEVICE_VERSION:
    case CL_DEVICE_OPENCL_C_VERSION: case CL_DEVICE_EXTENSIONS: return device_text(s, what, size, to, out);
    case 0x4108: return is_intel(s) ? IS(sub_groups) : CL_INVALID_VALUE;
    case 0x4003: case 0x4043: case CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE:
        return device_wave(s, what, size, to, out);
    case CL_DEVICE_TYPE:                return IS(s->type);
    case CL_DEVICE_MAX_COMPUTE_UNITS:   return IS(s->units);
    case CL_DEVICE_MAX_CLOCK_FREQUENCY: return IS(s->mhz);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE: return IS(s->max_group);
    case CL_DEVICE_MAX_WORK_ITEM_SIZES: return IS(s->item);
    case CL_DEVICE_LOCAL_MEM_SIZE:      return IS(s->local);
    case CL_DEVICE_GLOBAL_MEM_SIZE:     return IS(s->memory);
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:  return IS(s->max_alloc);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN: return IS(bits);
    case CL_DEVICE_HOST_UNIFIED_MEMORY: return IS(unified);
    case CL_DEVICE_IMAGE_SUPPORT:       return IS(images);
    case CL_DEVICE_IMAGE2D_MAX_WIDTH: case CL_DEVICE_IMAGE2D_MAX_HEIGHT: return IS(s->image);
    case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: case CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT:
        return s->vector > 0 ? IS(s->vector) : IS(one);
    case CL_DEVICE_DOUBLE_FP_CONFIG:
        return s->fp64 ? virtual_next->clGetDeviceInfo(d, what, size, to, out) : IS(none);
    case CL_DEVICE_SVM_CAPABILITIES: return s->version < 20 ? CL_INVALID_VALUE : IS(none);
    case CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT: return s->version < 30 ? CL_INVALID_VALUE : IS(no);
    default: return virtual_next->clGetDeviceInfo(d, what, size, to, out);
    }
#undef IS
}

static cl_int CL_API_CALL get_work_group_info(cl_kernel k, cl_device_id d, cl_kernel_work_group_info what, size_t size,
                                              void *to, size_t *out) {
    const virtual_spec *s = virtual_of_device(d);
    if (s && what == CL_KERNEL_WORK_GROUP_SIZE) {
        size_t limit = s->max_group;
        virtual_fault_kernel_limit(k, &limit);
        return answer(&limit, sizeof limit, size, to, out);
    }
    if (s && what == CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE) {
        const size_t multiple = (size_t)s->wave;
        return answer(&multiple, sizeof multiple, size, to, out);
    }
    return virtual_next->clGetKernelWorkGroupInfo(k, d, what, size, to, out);
}

/* --- memory --- */

static cl_ulong memory_used(const virtual_spec *s) {
    cl_ulong used = 0;
    for (int i = 0; i < MAX_MEMS; i++)
        if (mems[i].mem && mems[i].spec == s) used += mems[i].size;
    return used;
}

static cl_mem CL_API_CALL create_buffer(cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *err) {
    const virtual_spec *s = virtual_of_context(c);
    cl_int code = CL_SUCCESS;
    pthread_mutex_lock(&lock);
    if (s && size > s->max_alloc)
        code = virtual_violation(CL_INVALID_BUFFER_SIZE, "%s: a buffer of %zu bytes, above the largest, %llu", s->name,
                                 size, (unsigned long long)s->max_alloc);
    else if (s && memory_used(s) + size > s->memory)
        code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    cl_mem m = code == CL_SUCCESS ? virtual_next->clCreateBuffer(c, flags, size, host, &code) : NULL;
    for (int i = 0; m && i < MAX_MEMS; i++) {
        if (mems[i].mem) continue;
        mems[i].mem = m;
        mems[i].size = size;
        mems[i].spec = s;
        break;
    }
    pthread_mutex_unlock(&lock);
    if (err) *err = code;
    return m;
}

static cl_int CL_API_CALL release_mem(cl_mem m) {
    cl_uint refs = 0;
    pthread_mutex_lock(&lock);
    virtual_next->clGetMemObjectInfo(m, CL_MEM_REFERENCE_COUNT, sizeof refs, &refs, NULL);
    for (int i = 0; refs <= 1 && i < MAX_MEMS; i++)
        if (mems[i].mem == m) mems[i].mem = NULL;
    const cl_int err = virtual_next->clReleaseMemObject(m);
    pthread_mutex_unlock(&lock);
    return err;
}

static cl_mem CL_API_CALL create_sub_buffer(cl_mem m, cl_mem_flags flags, cl_buffer_create_type type, const void *info,
                                            cl_int *err) {
    cl_context c = NULL;
    virtual_next->clGetMemObjectInfo(m, CL_MEM_CONTEXT, sizeof c, &c, NULL);
    const virtual_spec *s = virtual_of_context(c);
    const cl_buffer_region *r = info;
    if (!s || !r || r->origin % s->align == 0) return virtual_next->clCreateSubBuffer(m, flags, type, info, err);
    const cl_int code = virtual_violation(CL_MISALIGNED_SUB_BUFFER_OFFSET, "%s: a sub-buffer at %zu, no multiple of %u",
                                          s->name, r->origin, s->align);
    if (err) *err = code;
    return NULL;
}

static cl_mem CL_API_CALL create_image(cl_context c, cl_mem_flags flags, const cl_image_format *f,
                                       const cl_image_desc *d, void *host, cl_int *err) {
    const virtual_spec *s = virtual_of_context(c);
    if (!s || (d && d->image_width <= s->image && d->image_height <= s->image))
        return virtual_next->clCreateImage(c, flags, f, d, host, err);
    const cl_int code = s->image == 0 ? CL_INVALID_OPERATION : CL_INVALID_IMAGE_SIZE;
    if (err) *err = virtual_violation(code, "%s: an image, of at most %zu a side", s->name, s->image);
    return NULL;
}

/* --- programs --- */

enum { MAX_BROKEN = 64 };
static cl_program broken[MAX_BROKEN]; /* which do not build */

/* Without fp64, `double` in a source is an error; the driver's own headers, which stand before it, are spared. */
static const char no_double[] = "#undef cl_khr_fp64\n#define double device_has_no_fp64\n#line 1\n";

static cl_program CL_API_CALL create_program(cl_context c, cl_uint n, const char **text, const size_t *sizes,
                                             cl_int *err) {
    enum { MOST = 15 };
    const virtual_spec *s = virtual_of_context(c);
    const char *parts[MOST + 1];
    size_t lengths[MOST + 1];
    if (!s || n > MOST) return virtual_next->clCreateProgramWithSource(c, n, text, sizes, err);
    parts[0] = s->fp64 ? "" : no_double;
    lengths[0] = strlen(parts[0]);
    bool breaks = false;
    for (cl_uint i = 0; i < n; i++) {
        parts[i + 1] = text[i];
        lengths[i + 1] = sizes && sizes[i] ? sizes[i] : strlen(text[i]);
        breaks |= virtual_fault_in_build(text[i]);
    }
    cl_program p = virtual_next->clCreateProgramWithSource(c, n + 1, parts, lengths, err);
    pthread_mutex_lock(&lock);
    for (int i = 0; p && breaks && i < MAX_BROKEN; i++) {
        if (broken[i] && broken[i] != p) continue;
        broken[i] = p;
        break;
    }
    for (int i = 0; p && !breaks && i < MAX_BROKEN; i++) /* the handle of a dead one */
        if (broken[i] == p) broken[i] = NULL;
    pthread_mutex_unlock(&lock);
    return p;
}

static bool is_broken(cl_program p) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BROKEN; i++) found |= broken[i] == p;
    pthread_mutex_unlock(&lock);
    return found;
}

static cl_int CL_API_CALL build_program(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                                        void (CL_CALLBACK *done)(cl_program, void *), void *user) {
    const virtual_spec *s = n > 0 && d ? virtual_of_device(d[0]) : NULL;
    char all[4096];
    if (is_broken(p)) return CL_BUILD_PROGRAM_FAILURE;
    snprintf(all, sizeof all, "%s%s%s", options ? options : "", s && !s->fp64 ? " -cl-single-precision-constant" : "",
             quick_option(virtual_next, p, n > 0 && d ? d[0] : NULL, options));
    return virtual_next->clBuildProgram(p, n, d, all, done, user);
}

static cl_int CL_API_CALL get_build_info(cl_program p, cl_device_id d, cl_program_build_info what, size_t size,
                                         void *to, size_t *out) {
    if (what == CL_PROGRAM_BUILD_LOG && is_broken(p))
        return answer_text("1:1: error: this driver cannot compile it (injected)\n1 error generated.\n", size, to, out);
    return virtual_next->clGetProgramBuildInfo(p, d, what, size, to, out);
}

/* --- launches --- */

static cl_int check_launch(const virtual_spec *s, cl_kernel k, cl_device_id d, cl_uint dims, const size_t *local) {
    char name[128];
    size_t items = 1, limit = s->max_group;
    cl_ulong used = 0;
    virtual_kernel_name(k, name);
    virtual_fault_kernel_limit(k, &limit);
    for (cl_uint i = 0; local && i < dims; i++) {
        items *= local[i];
        if (local[i] > s->item[i])
            return virtual_violation(CL_INVALID_WORK_ITEM_SIZE, "%s, kernel %s: %zu work-items on axis %u, at most %zu",
                                     s->name, name, local[i], i, s->item[i]);
    }
    if (items > limit)
        return virtual_violation(CL_INVALID_WORK_GROUP_SIZE, "%s, kernel %s: %zu work-items in a group, at most %zu",
                                 s->name, name, items, limit);
    virtual_next->clGetKernelWorkGroupInfo(k, d, CL_KERNEL_LOCAL_MEM_SIZE, sizeof used, &used, NULL);
    if (used > s->local)
        return virtual_violation(CL_OUT_OF_RESOURCES, "%s, kernel %s: %llu bytes of local memory, at most %llu",
                                 s->name, name, (unsigned long long)used, (unsigned long long)s->local);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                                         const size_t *global, const size_t *local, cl_uint n, const cl_event *list,
                                         cl_event *event) {
    enum { MOST = 31 };
    cl_event waits[MOST + 1], gate = NULL;
    const int i = virtual_index(q);
    if (i < 0 || n > MOST)
        return virtual_next->clEnqueueNDRangeKernel(q, k, dims, offset, global, local, n, list, event);
    cl_int err = check_launch(&specs[i], k, ids[i], dims, local);
    if (err == CL_SUCCESS) err = virtual_fault_before_launch(q, k, &gate);
    if (err != CL_SUCCESS) return err;
    if (n > 0) memcpy(waits, list, n * sizeof *waits);
    if (gate) waits[n++] = gate;
    err = virtual_next->clEnqueueNDRangeKernel(q, k, dims, offset, global, local, n, n ? waits : NULL, event);
    return err == CL_SUCCESS ? virtual_fault_after_launch(q, k, event) : err;
}

/* --- what came after OpenCL 1.2 --- */

static cl_command_queue CL_API_CALL create_queue_2(cl_context c, cl_device_id d, const cl_queue_properties *p,
                                                   cl_int *err) {
    const virtual_spec *s = virtual_of_device(d);
    if (!s || s->version >= 20) return virtual_next->clCreateCommandQueueWithProperties(c, d, p, err);
    const cl_int code = virtual_violation(CL_INVALID_OPERATION, "%s: OpenCL 1.2 has no "
                                          "clCreateCommandQueueWithProperties", s->name);
    if (err) *err = code;
    return NULL;
}

static void *CL_API_CALL svm_alloc(cl_context c, cl_svm_mem_flags flags, size_t size, cl_uint align) {
    const virtual_spec *s = virtual_of_context(c);
    if (!s) return virtual_next->clSVMAlloc(c, flags, size, align);
    virtual_violation(0, "%s: it has no shared virtual memory", s->name);
    return NULL;
}

static cl_mem CL_API_CALL create_buffer_3(cl_context c, const cl_mem_properties *p, cl_mem_flags flags, size_t size,
                                          void *host, cl_int *err) {
    const virtual_spec *s = virtual_of_context(c);
    if (!s || s->version >= 30) return virtual_next->clCreateBufferWithProperties(c, p, flags, size, host, err);
    const cl_int code = virtual_violation(CL_INVALID_OPERATION, "%s: it has no clCreateBufferWithProperties", s->name);
    if (err) *err = code;
    return NULL;
}

/* No extension with functions is offered. */
static void *CL_API_CALL get_function(cl_platform_id p, const char *name) {
    (void)p;
    (void)name;
    return NULL;
}

/* --- the layer --- */

/* One spec a device, between semicolons. */
static bool read_specs(void) {
    char text[2048], *rest = NULL;
    const char *given = getenv("CLGRAD_VIRTUAL");
    snprintf(text, sizeof text, "%s", given && *given ? given : "tiny");
    for (char *one = strtok_r(text, ";", &rest); one && n_specs < MAX_DEVICES; one = strtok_r(NULL, ";", &rest)) {
        if (!virtual_parse(one, &specs[n_specs])) return false;
        n_specs++;
    }
    return n_specs > 0;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *to, size_t *out) {
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (what == CL_LAYER_API_VERSION) return answer(&version, sizeof version, size, to, out);
    if (what == CL_LAYER_NAME) return answer_text("clgrad virtual device", size, to, out);
    return CL_INVALID_VALUE;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch *target, cl_uint *n_out,
                                            const cl_icd_dispatch **out) {
    if (!target || !n_out || !out || n < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
    if (!read_specs()) return CL_INVALID_VALUE;
    virtual_next = target;
    table.clGetPlatformInfo = get_platform_info;
    table.clGetDeviceIDs = get_device_ids;
    table.clGetDeviceInfo = get_device_info;
    table.clGetKernelWorkGroupInfo = get_work_group_info;
    table.clCreateBuffer = create_buffer;
    table.clReleaseMemObject = release_mem;
    table.clCreateSubBuffer = create_sub_buffer;
    table.clCreateImage = create_image;
    table.clCreateProgramWithSource = create_program;
    table.clBuildProgram = build_program;
    table.clGetProgramBuildInfo = get_build_info;
    table.clEnqueueNDRangeKernel = enqueue_kernel;
    table.clCreateCommandQueueWithProperties = create_queue_2;
    table.clSVMAlloc = svm_alloc;
    table.clCreateBufferWithProperties = create_buffer_3;
    table.clGetExtensionFunctionAddressForPlatform = get_function;
    virtual_fault_install(&table);
    *n_out = sizeof table / sizeof(void *);
    *out = &table;
    return CL_SUCCESS;
}

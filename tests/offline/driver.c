/* See driver.h. Every object is the address of a token; what is enqueued is done at once, and buffers have no memory.
 * The limits of a profile are those that the vendor documents for devices of the kind; compilers check local memory and
 * registers, so nothing here refuses a program. The number of arguments of a kernel, which the library compares with
 * what it binds, is counted in the source, or behind the preprocessor of C ($CC, else cc) where parameters are macros.
 */
#define _POSIX_C_SOURCE 200809L
#define CL_TARGET_OPENCL_VERSION 120
#include "driver.h"
#include "support/answer.h"

#include <CL/cl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct profile {
    const char *name, *device, *vendor, *extensions;
    cl_device_type type;
    cl_uint  units, wave, wave_query; /* of wave: the vendor's query; 0: none */
    cl_uint  narrow; /* the smallest of Intel's sub-groups; 0: no such extension */
    size_t   group;
    cl_ulong local;
    cl_bool  unified;
} profile;

static const profile profiles[] = {
    {"amd", "gfx1030", "Advanced Micro Devices, Inc.", "cl_khr_fp64 cl_khr_fp16 cl_khr_subgroups",
     CL_DEVICE_TYPE_GPU, 36, 32, 0x4043, 0, 256, 65536, CL_FALSE},
    {"amd64", "gfx90a", "Advanced Micro Devices, Inc.", "cl_khr_fp64 cl_khr_fp16 cl_khr_subgroups",
     CL_DEVICE_TYPE_GPU, 104, 64, 0x4043, 0, 256, 65536, CL_FALSE},
    {"nvidia", "NVIDIA A100", "NVIDIA Corporation", "cl_khr_fp64", CL_DEVICE_TYPE_GPU, 108, 32, 0x4003, 0, 1024,
     49152, CL_FALSE},
    {"intel", "Intel(R) Iris(R) Xe Graphics", "Intel(R) Corporation",
     "cl_khr_fp16 cl_khr_fp64 cl_khr_subgroups cl_intel_required_subgroup_size", CL_DEVICE_TYPE_GPU, 96, 16, 0x1067, 8,
     512, 65536, CL_TRUE},
    {"intel16", "Intel(R) Data Center GPU Max 1550", "Intel(R) Corporation",
     "cl_khr_fp16 cl_khr_fp64 cl_khr_subgroups cl_intel_required_subgroup_size", CL_DEVICE_TYPE_GPU, 512, 16, 0x1067,
     16, 1024, 65536, CL_FALSE},
    {"cpu", "CPU", "-", "cl_khr_fp64", CL_DEVICE_TYPE_CPU, 8, 0, 0, 0, 4096, 1 << 20, CL_TRUE},
};
enum { N_PROFILES = sizeof profiles / sizeof profiles[0] };

static const profile *shown;
static const char *to_folder;
static int n_programs;
static bool failed;

bool driver_show(const char *name, const char *folder) {
    to_folder = folder;
    for (int i = 0; i < N_PROFILES; i++)
        if (strcmp(profiles[i].name, name) == 0) shown = &profiles[i];
    return shown != NULL;
}

const char *driver_profile(int i) { return i >= 0 && i < N_PROFILES ? profiles[i].name : NULL; }
int driver_programs(void) { return failed ? -1 : n_programs; }

/* --- objects: tokens, and the two that hold something --- */

struct _cl_program { char *source, *options, *expanded, path[4096]; };
struct _cl_kernel { int n_args; };

static char tokens[8]; /* one a kind of object */
#define TOKEN(type, i) ((type)(void *)&tokens[i])

#define TELL(type, value) answer(&(type){value}, sizeof(type), size, to, out)

cl_int clGetPlatformIDs(cl_uint n, cl_platform_id *p, cl_uint *out) {
    if (p && n > 0) *p = TOKEN(cl_platform_id, 0);
    if (out) *out = 1;
    return CL_SUCCESS;
}
cl_int clGetPlatformInfo(cl_platform_id p, cl_platform_info what, size_t size, void *to, size_t *out) {
    (void)p;
    return answer_text(what == CL_PLATFORM_NAME ? "Compilers only" : "OpenCL 1.2", size, to, out);
}
cl_int clGetDeviceIDs(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *d, cl_uint *out) {
    (void)p, (void)type;
    if (d && n > 0) *d = TOKEN(cl_device_id, 1);
    if (out) *out = 1;
    return CL_SUCCESS;
}
cl_int clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *to, size_t *out) {
    (void)d;
    if (shown->wave_query && what == shown->wave_query)
        return what == 0x1067 ? TELL(size_t, shown->wave) : TELL(cl_uint, shown->wave);
    switch (what) {
    case 0x4108: { /* CL_DEVICE_SUB_GROUP_SIZES_INTEL */
        const size_t sizes[2] = {shown->narrow, 2 * shown->narrow};
        return shown->narrow ? answer(sizes, sizeof sizes, size, to, out) : CL_INVALID_VALUE;
    }
    case CL_DEVICE_NAME: return answer_text(shown->device, size, to, out);
    case CL_DEVICE_VENDOR: return answer_text(shown->vendor, size, to, out);
    case CL_DEVICE_VERSION: return answer_text("OpenCL 1.2", size, to, out);
    case CL_DRIVER_VERSION: return answer_text("0", size, to, out);
    case CL_DEVICE_EXTENSIONS: return answer_text(shown->extensions, size, to, out);
    case CL_DEVICE_TYPE: return TELL(cl_device_type, shown->type);
    case CL_DEVICE_PLATFORM: return TELL(cl_platform_id, TOKEN(cl_platform_id, 0));
    case CL_DEVICE_MAX_COMPUTE_UNITS: return TELL(cl_uint, shown->units);
    case CL_DEVICE_MAX_CLOCK_FREQUENCY: return TELL(cl_uint, 1500);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN: return TELL(cl_uint, 2048);
    case CL_DEVICE_GLOBAL_MEM_SIZE: return TELL(cl_ulong, (cl_ulong)16 << 30);
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE: return TELL(cl_ulong, (cl_ulong)8 << 30);
    case CL_DEVICE_LOCAL_MEM_SIZE: return TELL(cl_ulong, shown->local);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE: return TELL(size_t, shown->group);
    case CL_DEVICE_MAX_WORK_ITEM_SIZES: {
        const size_t item[3] = {shown->group, shown->group, 64};
        return answer(item, sizeof item, size, to, out);
    }
    case CL_DEVICE_HOST_UNIFIED_MEMORY: return TELL(cl_bool, shown->unified);
    case CL_DEVICE_DOUBLE_FP_CONFIG: return TELL(cl_device_fp_config, CL_FP_FMA);
    case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: return TELL(cl_uint, shown->type == CL_DEVICE_TYPE_CPU ? 16 : 1);
    case CL_DEVICE_AVAILABLE:
    case CL_DEVICE_COMPILER_AVAILABLE: return TELL(cl_bool, CL_TRUE);
    default: return CL_INVALID_VALUE;
    }
}

cl_context clCreateContext(const cl_context_properties *props, cl_uint n, const cl_device_id *d,
                           void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *user, cl_int *err) {
    (void)props, (void)n, (void)d, (void)f, (void)user;
    *err = CL_SUCCESS;
    return TOKEN(cl_context, 2);
}
cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_command_queue_properties props, cl_int *err) {
    (void)c, (void)d, (void)props;
    *err = CL_SUCCESS;
    return TOKEN(cl_command_queue, 3);
}
cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *err) {
    (void)c, (void)flags, (void)size, (void)host;
    *err = CL_SUCCESS;
    return TOKEN(cl_mem, 4);
}

/* --- programs --- */

/* 64 bits of FNV-1a (Fowler, Noll, Vo 1991). */
static uint64_t hash(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

/* "conv_gpu" of the first #line directive that names a kernel file; generated programs have none. */
static void name_of(const char *source, char *name, size_t size) {
    snprintf(name, size, "generated");
    for (const char *at = source; (at = strstr(at, ".cl\"")) != NULL; at++) {
        const char *begin = at;
        while (begin > source && begin[-1] != '"' && begin[-1] != '\n') begin--;
        if (begin > source && begin[-1] == '"') snprintf(name, size, "%.*s", (int)(at - begin), begin);
    }
}

static void write_program(struct _cl_program *p) {
    char name[64];
    name_of(p->source, name, sizeof name);
    snprintf(p->path, sizeof p->path, "%s/%s-%016llx.cl", to_folder, name,
             (unsigned long long)hash(hash(0xcbf29ce484222325u, p->source), p->options));
    FILE *f = fopen(p->path, "wx");
    if (!f) return; /* there is one of the same content; or it fails below, where it is read */
    fprintf(f, "// %s\n%s", p->options, p->source);
    failed |= fclose(f) != 0;
    n_programs++;
}

/* The text behind the preprocessor; NULL: it failed. */
static char *expand(const char *path, const char *options) {
    enum { LARGEST = 1 << 22 };
    char command[8192];
    const char *cc = getenv("CC");
    size_t n = (size_t)snprintf(command, sizeof command, "%s -E -P -x c '%s'", cc && *cc ? cc : "cc", path);
    for (const char *at = options; (at = strstr(at, "-D")) != NULL && n < sizeof command; at++) {
        const size_t word = strcspn(at, " ");
        n += (size_t)snprintf(command + n, sizeof command - n, " '%.*s'", (int)word, at);
    }
    FILE *from = n < sizeof command ? popen(command, "r") : NULL;
    static char text[LARGEST];
    if (from) text[fread(text, 1, LARGEST - 1, from)] = 0;
    return from && pclose(from) == 0 ? strdup(text) : NULL;
}

cl_program clCreateProgramWithSource(cl_context c, cl_uint n, const char **text, const size_t *sizes, cl_int *err) {
    (void)c, (void)n, (void)sizes; /* the library gives one text that ends in 0 */
    struct _cl_program *p = calloc(1, sizeof *p);
    if (p) p->source = strdup(*text);
    *err = p && p->source ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    return p;
}
cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                      void(CL_CALLBACK *f)(cl_program, void *), void *user) {
    (void)n, (void)d, (void)f, (void)user;
    p->options = strdup(options);
    if (!p->options) return CL_OUT_OF_HOST_MEMORY;
    write_program(p);
    return CL_SUCCESS;
}
cl_int clReleaseProgram(cl_program p) {
    free(p->source);
    free(p->options);
    free(p->expanded);
    free(p);
    return CL_SUCCESS;
}
cl_int clGetProgramInfo(cl_program p, cl_program_info what, size_t size, void *to, size_t *out) {
    (void)p, (void)what, (void)size, (void)to, (void)out;
    return CL_INVALID_VALUE; /* no binaries */
}
cl_int clGetProgramBuildInfo(cl_program p, cl_device_id d, cl_program_build_info what, size_t size, void *to,
                             size_t *out) {
    (void)p, (void)d, (void)what;
    return answer_text("", size, to, out);
}

/* Parameters in a list up to its closing bracket; IN(x) and the like are two. Negative: some are macros. */
static int count_args(const char *list, bool expanded) {
    static const char *const two[] = {"IN(", "OUT(", "IN_T(", "OUT_T("};
    int n = 0;
    while (*list && *list != ')') {
        int depth = 0;
        bool pair = false;
        list += strspn(list, ", \n");
        for (int i = 0; i < 4; i++) pair = pair || strncmp(list, two[i], strlen(two[i])) == 0;
        if (!expanded && !pair && *list >= 'A' && *list <= 'Z') return -1; /* types are in small letters */
        for (; *list && (depth > 0 || (*list != ',' && *list != ')')); list++)
            depth += (*list == '(') - (*list == ')');
        n += !expanded && pair ? 2 : 1;
    }
    return n;
}

/* Arguments of a kernel; negative: there is no such one. */
static int args_of(cl_program p, const char *name) {
    char text[256];
    snprintf(text, sizeof text, "KERNEL %s(", name);
    const char *at = strstr(p->source, text);
    const int n = !at || strstr(p->source, "#define TAIL_ARGS ,") ? -1 : count_args(at + strlen(text), false);
    if (n >= 0) return n;
    if (!p->expanded) p->expanded = expand(p->path, p->options);
    snprintf(text, sizeof text, "void %s(", name);
    at = p->expanded ? strstr(p->expanded, text) : NULL;
    return at ? count_args(at + strlen(text), true) : -1;
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *err) {
    struct _cl_kernel *k = calloc(1, sizeof *k);
    const int n = args_of(p, name);
    *err = !k ? CL_OUT_OF_HOST_MEMORY : n < 0 ? CL_INVALID_KERNEL_NAME : CL_SUCCESS;
    if (*err == CL_SUCCESS) {
        k->n_args = n;
        return k;
    }
    free(k);
    return NULL;
}
cl_int clReleaseKernel(cl_kernel k) {
    free(k);
    return CL_SUCCESS;
}
cl_int clGetKernelInfo(cl_kernel k, cl_kernel_info what, size_t size, void *to, size_t *out) {
    return what == CL_KERNEL_NUM_ARGS ? TELL(cl_uint, (cl_uint)k->n_args) : CL_INVALID_VALUE;
}
cl_int clGetKernelArgInfo(cl_kernel k, cl_uint i, cl_kernel_arg_info what, size_t size, void *to, size_t *out) {
    (void)k, (void)i, (void)what, (void)size, (void)to, (void)out;
    return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
}
cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id d, cl_kernel_work_group_info what, size_t size, void *to,
                                size_t *out) {
    (void)k, (void)d;
    if (what == CL_KERNEL_WORK_GROUP_SIZE) return TELL(size_t, shown->group);
    if (what != CL_KERNEL_COMPILE_WORK_GROUP_SIZE) return CL_INVALID_VALUE;
    return answer((const size_t[3]){0}, 3 * sizeof(size_t), size, to, out);
}
cl_int clSetKernelArg(cl_kernel k, cl_uint i, size_t size, const void *value) {
    (void)size, (void)value;
    return (int)i < k->n_args ? CL_SUCCESS : CL_INVALID_ARG_INDEX;
}

/* --- commands: done before they return --- */

#define DONE(name, params)                      \
    cl_int name params {                        \
        if (e) *e = TOKEN(cl_event, 5);         \
        return CL_SUCCESS;                      \
    }
#define NOTHING(name, params) cl_int name params { return CL_SUCCESS; }
#pragma GCC diagnostic ignored "-Wunused-parameter"

DONE(clEnqueueNDRangeKernel, (cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
     const size_t *local, cl_uint n, const cl_event *list, cl_event *e))
DONE(clEnqueueReadBuffer, (cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size, void *to, cl_uint n,
     const cl_event *list, cl_event *e))
DONE(clEnqueueWriteBuffer, (cl_command_queue q, cl_mem m, cl_bool wait, size_t at, size_t size, const void *from,
     cl_uint n, const cl_event *list, cl_event *e))
DONE(clEnqueueCopyBuffer, (cl_command_queue q, cl_mem from, cl_mem to, size_t a, size_t b, size_t size, cl_uint n,
     const cl_event *list, cl_event *e))
DONE(clEnqueueFillBuffer, (cl_command_queue q, cl_mem m, const void *pattern, size_t each, size_t at, size_t size,
     cl_uint n, const cl_event *list, cl_event *e))
DONE(clEnqueueMarkerWithWaitList, (cl_command_queue q, cl_uint n, const cl_event *list, cl_event *e))
DONE(clEnqueueBarrierWithWaitList, (cl_command_queue q, cl_uint n, const cl_event *list, cl_event *e))
DONE(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *p, cl_uint n, const cl_event *list, cl_event *e))
void *clEnqueueMapBuffer(cl_command_queue q, cl_mem m, cl_bool wait, cl_map_flags flags, size_t at, size_t size,
                         cl_uint n, const cl_event *list, cl_event *e, cl_int *err) {
    static char some[64]; /* nobody writes there: no plan is run */
    *err = CL_SUCCESS;
    return some;
}
cl_int clGetEventInfo(cl_event e, cl_event_info what, size_t size, void *to, size_t *out) {
    return TELL(cl_int, CL_COMPLETE);
}
NOTHING(clFlush, (cl_command_queue q))
NOTHING(clFinish, (cl_command_queue q))
NOTHING(clWaitForEvents, (cl_uint n, const cl_event *list))
NOTHING(clReleaseContext, (cl_context x))
NOTHING(clReleaseCommandQueue, (cl_command_queue x))
NOTHING(clReleaseMemObject, (cl_mem x))
NOTHING(clReleaseEvent, (cl_event x))
NOTHING(clRetainEvent, (cl_event x))

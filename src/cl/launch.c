/* Kernels: arguments bound once, then only enqueued. A buffer argument is two OpenCL arguments, pointer and offset. */
#include "cl/internal.h"

#include <stdio.h>
#include <string.h>

struct clg_kernel {
    cl_kernel    kernel;
    clg_device  *device;
    clg_program *program;
    int          function; /* index in program->functions */
    bool         launched;
    char         name[64];
    size_t       global[3], local[3];
    clg_resident *stays;   /* NULL: each run is a command */
    bool         gave;     /* its last command gave an event */
    cl_mem      *held;     /* what it uses beside its arguments: no command holds that */
    int          n_held;
};

static clg_status fail_kernel(const clg_kernel *k, cl_int err, const char *call) {
    const clg_program *p = k->program;
    return clg_cl_fail(k->device, err, call, "kernel %s.%s, options \"%s\"", p->name, k->name, p->options);
}

/* OpenCL arguments of a bound one. */
static int width_of(const clg_bind *a) { return a->kind == CLG_BIND_BUFFER ? 2 : 1; }

static clg_status bad_arg(const clg_kernel *k, const clg_bind *a, const char *fmt, ...) CLG_FMT(3, 4);
static clg_status bad_arg(const clg_kernel *k, const clg_bind *a, const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return clg_fail(CLG_ERR_INVALID, "kernel %s.%s, argument %s: %s", k->program->name, k->name, a->name, text);
}

#ifndef NDEBUG
/* --- debug builds: the host's list against the .cl signature --- */

static bool arg_text(const clg_kernel *k, int i, cl_kernel_arg_info what, char *to, size_t size) {
    size_t n = 0;
    memset(to, 0, size);
    return clGetKernelArgInfo(k->kernel, (cl_uint)i, what, size - 1, to, &n) == CL_SUCCESS;
}

/* What the .cl file must say of the type of an argument that is passed by value; NULL: anything. */
static bool type_fits(enum clg_bind_kind kind, const char *type) {
    switch (kind) {
    case CLG_BIND_INT:   return strcmp(type, "int") == 0 || strcmp(type, "uint") == 0;
    case CLG_BIND_LONG:  return strcmp(type, "long") == 0 || strcmp(type, "ulong") == 0;
    case CLG_BIND_FLOAT: return strcmp(type, "float") == 0;
    case CLG_BIND_DOUBLE: return strcmp(type, "double") == 0;
    default:             return true;
    }
}

static bool arg_bits(const clg_kernel *k, int i, cl_kernel_arg_info what, void *to, size_t size) {
    return clGetKernelArgInfo(k->kernel, (cl_uint)i, what, size, to, NULL) == CL_SUCCESS;
}

/* Argument i of the kernel against *a. What the driver does not tell is not checked. */
static clg_status check_arg(const clg_kernel *k, const clg_bind *a, int i) {
    cl_kernel_arg_address_qualifier space = 0;
    cl_kernel_arg_type_qualifier bits = 0;
    char name[128], type[128], offset[160];
    if (!arg_text(k, i, CL_KERNEL_ARG_NAME, name, sizeof name)) return CLG_OK;
    if (strcmp(name, a->name) != 0) return bad_arg(k, a, "the .cl file calls argument %d %s", i, name);
    if (!arg_bits(k, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, &space, sizeof space)) return CLG_OK;
    const bool memory = a->kind == CLG_BIND_BUFFER;
    const cl_kernel_arg_address_qualifier want = memory ? CL_KERNEL_ARG_ADDRESS_GLOBAL
        : a->kind == CLG_BIND_LOCAL ? CL_KERNEL_ARG_ADDRESS_LOCAL : CL_KERNEL_ARG_ADDRESS_PRIVATE;
    if (space != want) return bad_arg(k, a, "the .cl file has it in another address space");
    if (arg_text(k, i, CL_KERNEL_ARG_TYPE_NAME, type, sizeof type) && !type_fits(a->kind, type))
        return bad_arg(k, a, "the .cl file says %s", type);
    if (!memory) return CLG_OK;
    if (arg_bits(k, i, CL_KERNEL_ARG_TYPE_QUALIFIER, &bits, sizeof bits)
        && a->is_const != ((bits & CL_KERNEL_ARG_TYPE_CONST) != 0))
        return bad_arg(k, a, "%s", a->is_const ? "bound as read only, but not const in the .cl file"
                                               : "const in the .cl file, but bound as written");
    snprintf(offset, sizeof offset, "%s_off", a->name);
    if (arg_text(k, i + 1, CL_KERNEL_ARG_NAME, name, sizeof name) && strcmp(name, offset) != 0)
        return bad_arg(k, a, "%s must follow it in the .cl file, not %s", offset, name);
    return CLG_OK;
}

static clg_status check_args(const clg_kernel *k, const clg_bind *args, int n, int have) {
    for (int i = 0, at = 0; i < n; at += width_of(&args[i++])) {
        if (at + width_of(&args[i]) > have) return bad_arg(k, &args[i], "the .cl file has only %d arguments", have);
        CLG_TRY(check_arg(k, &args[i], at));
    }
    return CLG_OK;
}
#endif

/* --- binding --- */

static cl_int set_arg(clg_kernel *k, const clg_bind *a, cl_uint at) {
    const cl_int i = (cl_int)a->i;
    const cl_long l = a->i;
    const cl_float f = (cl_float)a->f;
    const cl_ulong offset = a->offset;
    switch (a->kind) {
    case CLG_BIND_INT:   return clSetKernelArg(k->kernel, at, sizeof i, &i);
    case CLG_BIND_LONG:  return clSetKernelArg(k->kernel, at, sizeof l, &l);
    case CLG_BIND_FLOAT: return clSetKernelArg(k->kernel, at, sizeof f, &f);
    case CLG_BIND_DOUBLE: return clSetKernelArg(k->kernel, at, sizeof a->f, &a->f);
    case CLG_BIND_LOCAL: return clSetKernelArg(k->kernel, at, a->bytes, NULL);
    case CLG_BIND_BUFFER: break;
    }
    const cl_int err = clSetKernelArg(k->kernel, at, sizeof a->buffer->mem, &a->buffer->mem);
    if (err != CL_SUCCESS) return err;
    return clSetKernelArg(k->kernel, at + 1, sizeof offset, &offset);
}

static clg_status bind(clg_kernel *k, const clg_bind *args, int n) {
    cl_uint have = 0;
    size_t local = 0;
    cl_int err = clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof have, &have, NULL);
    if (err != CL_SUCCESS) return fail_kernel(k, err, "clGetKernelInfo");
#ifndef NDEBUG
    CLG_TRY(check_args(k, args, n, (int)have));
#endif
    int want = 0;
    for (int i = 0; i < n; i++) want += width_of(&args[i]);
    if (want != (int)have)
        return clg_fail(CLG_ERR_INVALID, "kernel %s.%s: %d arguments are bound (a buffer is two), the .cl file has %d",
                        k->program->name, k->name, want, (int)have);
    for (int i = 0, at = 0; i < n; at += width_of(&args[i++])) {
        const clg_bind *a = &args[i];
        if (a->kind == CLG_BIND_INT && (a->i < INT32_MIN || a->i > INT32_MAX))
            return bad_arg(k, a, "%lld does not fit an int", (long long)a->i);
        if (a->kind == CLG_BIND_BUFFER && (!a->buffer || a->buffer->device != k->device))
            return bad_arg(k, a, a->buffer ? "its buffer is of another device" : "it has no buffer");
        if (a->kind == CLG_BIND_LOCAL) local += a->bytes;
        if (local > k->device->caps.local_mem)
            return bad_arg(k, a, "%zu bytes of local memory are wanted, the device has %zu", local,
                           k->device->caps.local_mem);
        err = set_arg(k, a, (cl_uint)at);
        if (err != CL_SUCCESS) {
            fail_kernel(k, err, "clSetKernelArg");
            return clg_fail_context(CLG_ERR_INVALID, "argument %s: ", a->name);
        }
    }
    return CLG_OK;
}

clg_status clg_kernel_create(clg_program *p, const char *function, const clg_bind *args, int n, clg_kernel **out) {
    cl_int err = CL_SUCCESS;
    clg_status status = CLG_OK;
    clg_device *d = p->device;
    clg_kernel *k = clg_calloc(1, sizeof *k);
    if (!k) return clg_fail_nomem("kernel");
    k->device = d;
    k->program = p;
    atomic_fetch_add(&p->refs, 1);
    k->function = clg_program_function(d, p, function);
    CLG_TRY_END(k->function < 0 ? (clg_status)k->function : CLG_OK);
    snprintf(k->name, sizeof k->name, "%s", function);
    k->kernel = clCreateKernel(p->program, function, &err);
    if (err != CL_SUCCESS) {
        k->kernel = NULL;
        status = err == CL_INVALID_KERNEL_NAME
            ? clg_fail(CLG_ERR_INVALID, "program %s has no kernel %s", p->name, function)
            : fail_kernel(k, err, "clCreateKernel");
        if (err == CL_OUT_OF_RESOURCES || err == CL_INVALID_KERNEL_DEFINITION) /* no failure of the moment */
            status = clg_fail_context(CLG_ERR_BUILD, "%s", "");
        goto end;
    }
    CLG_TRY_END(bind(k, args, n));
    *out = k;
    return CLG_OK;
end:
    clg_kernel_destroy(&k);
    return status;
}

static clg_status set_again(clg_kernel *k, int at, const clg_bind *a) {
    const cl_int err = set_arg(k, a, (cl_uint)at);
    return err == CL_SUCCESS ? CLG_OK : fail_kernel(k, err, "clSetKernelArg");
}

clg_status clg_kernel_set_buffer(clg_kernel *k, int at, clg_buffer *b, uint64_t offset) {
    clg_resident_end(k->device);
    return set_again(k, at, &(clg_bind){ .kind = CLG_BIND_BUFFER, .buffer = b, .offset = offset });
}

clg_status clg_kernel_uses(clg_kernel *k, clg_buffer *const *b, int n) {
    if (n == 0 || k->held) return n == 0 ? CLG_OK : clg_fail(CLG_ERR_INVALID, "kernel %s uses buffers already", k->name);
    const void **addresses = clg_calloc((size_t)n, sizeof *addresses);
    k->held = clg_calloc((size_t)n, sizeof(cl_mem));
    if (!addresses || !k->held) {
        clg_free(addresses);
        return clg_fail_nomem("kernel");
    }
    for (int i = 0; i < n; i++) addresses[i] = b[i]->address;
    cl_int err = clg_shared_uses(k->kernel, addresses, (size_t)n);
    for (; err == CL_SUCCESS && k->n_held < n; k->n_held += err == CL_SUCCESS)
        err = clRetainMemObject(k->held[k->n_held] = b[k->n_held]->mem);
    clg_free(addresses);
    if (err == CL_SUCCESS) return CLG_OK;
    const clg_status status = fail_kernel(k, err, "clSetKernelExecInfo");
    if (status != CLG_ERR_DEVICE || !clg_device_works(k->device)) return status;
    return clg_fail_context(CLG_ERR_UNSUP, "%s", "it takes no list of addresses: ");
}

clg_status clg_kernel_stays(clg_kernel *k, clg_buffer *words, int at, int most) {
    return clg_resident_create(k->device, words, (cl_uint)at, most, &k->stays);
}

/* Commands that are under way may still use what it held, so it is handed to one behind them, which moves nothing; where
 * that cannot be, they are waited for. On a device that does not answer it stays for ever. */
static void let_go(clg_kernel *k) {
    clg_device *d = k->device;
    bool held = k->launched && k->n_held > 0;
    clg_resident_destroy(&k->stays);
    if (held && clg_device_works(d))
        held = clEnqueueMigrateMemObjects(d->queue, (cl_uint)k->n_held, k->held, 0, 0, NULL, NULL) != CL_SUCCESS;
    clg_resident_end(d);
    if (held && clg_wait_queue(d, d->queue) != CL_SUCCESS && atomic_load(&d->state) != CLG_DEVICE_HUNG)
        (void)clFinish(d->queue);
    for (int i = 0; i < k->n_held && !(held && atomic_load(&d->state) == CLG_DEVICE_HUNG); i++)
        clReleaseMemObject(k->held[i]);
    clg_free(k->held);
}

void clg_kernel_destroy(clg_kernel **kernel) {
    if (!kernel || !*kernel) return;
    clg_kernel *k = *kernel;
    *kernel = NULL;
    let_go(k);
    if (k->kernel) clReleaseKernel(k->kernel);
    clg_program_release(&k->program);
    clg_free(k);
}

/* --- ranges --- */

static clg_status bad_range(const clg_kernel *k, const size_t local[3], const char *fmt, ...) CLG_FMT(3, 4);
static clg_status bad_range(const clg_kernel *k, const size_t local[3], const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return clg_fail(CLG_ERR_INVALID, "kernel %s.%s, local size %zux%zux%zu: %s", k->program->name, k->name, local[0],
                    local[1], local[2], text);
}

clg_status clg_kernel_set_range(clg_kernel *k, const size_t global[3], const size_t local[3]) {
    const clg_device_caps *caps = &k->device->caps;
    const cl_device_id id = k->device->row.id;
    const char *device = k->device->row.name;
    size_t most = 0, fixed[3] = { 0 }, total = 1;
    for (int i = 0; i < 3; i++) {
        if (local[i] == 0 || local[i] > caps->max_item[i])
            return bad_range(k, local, "axis %d of device %s takes 1 to %zu", i, device, caps->max_item[i]);
        if (global[i] == 0 || global[i] % local[i] != 0)
            return bad_range(k, local, "the global size %zu of axis %d is no multiple of it", global[i], i);
        total *= local[i];
    }
    cl_int err = clGetKernelWorkGroupInfo(k->kernel, id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (err != CL_SUCCESS) return fail_kernel(k, err, "clGetKernelWorkGroupInfo");
    if (most > caps->max_group) most = caps->max_group;
    if (total > most)
        return clg_fail(CLG_ERR_UNSUP, "kernel %s.%s: %zu work-items in a group, but it takes at most %zu on %s",
                        k->program->name, k->name, total, most, device);
    err = clGetKernelWorkGroupInfo(k->kernel, id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof fixed, fixed, NULL);
    if (err != CL_SUCCESS) return fail_kernel(k, err, "clGetKernelWorkGroupInfo");
    if (fixed[0] > 0 && memcmp(fixed, local, sizeof fixed) != 0)
        return bad_range(k, local, "the program was built for %zux%zux%zu", fixed[0], fixed[1], fixed[2]);
    memcpy(k->global, global, sizeof k->global);
    memcpy(k->local, local, sizeof k->local);
    return CLG_OK;
}

/* --- running --- */

static void note_launch(clg_kernel *k) {
    pthread_mutex_lock(&k->device->lock);
    k->program->functions[k->function].launched = true;
    pthread_mutex_unlock(&k->device->lock);
    k->launched = true;
}

bool clg_kernel_launched(const clg_kernel *k) { return k->launched; }

/* Codes of a first launch that tell of the kernel, and not of the moment. */
static bool is_refused(cl_int err) {
    return err == CL_OUT_OF_RESOURCES || err == CL_INVALID_WORK_GROUP_SIZE || err == CL_INVALID_WORK_ITEM_SIZE;
}

static clg_status fail_launch(clg_kernel *k, cl_int err) {
    const clg_status status = fail_kernel(k, err, "clEnqueueNDRangeKernel");
    clg_device_stats s;
    if (!k->launched && is_refused(err) && clg_device_works(k->device))
        return clg_fail_context(CLG_ERR_UNSUP, "%s", "at its first launch: ");
    if (status != CLG_ERR_NOMEM) return status;
    clg_device_get_stats(k->device, &s);
    return clg_fail_context(status, "out of device memory at a launch, as this driver allocates late; %.1f MiB are in "
                            "use: use smaller batches; ", (double)s.mem_used / 1048576);
}

cl_kernel clg_kernel_range(clg_kernel *k, clg_launch_range *range) {
    if (!k->launched) note_launch(k);
    *range = (clg_launch_range){ k->global, k->local };
    return k->kernel;
}

bool clg_kernel_again(clg_kernel *k, bool gives) {
    return k->stays && (k->gave || !gives) && clg_resident_again(k->stays);
}

clg_status clg_kernel_enqueue(clg_kernel *k, clg_note *note, const clg_link *l) {
    clg_device *d = k->device;
    cl_event event = NULL;
    cl_uint changes = 0;
    cl_command_queue q = clg_link_queue(d, l);
    const cl_uint n_wait = l ? (cl_uint)l->n_wait : 0;
    cl_event *wanted = clg_link_wants(d, note, l) ? &event : NULL;
    if (!clg_device_works(d)) return clg_device_check(d);
    cl_int err = k->stays ? clg_resident_open(k->stays, k->kernel, &changes) : CL_SUCCESS;
    if (err != CL_SUCCESS) return fail_kernel(k, err, "clSetKernelArg");
    err = clEnqueueNDRangeKernel(q, k->kernel, 3, NULL, k->global, k->local, n_wait, n_wait ? l->wait : NULL, wanted);
    if (clg_is_out_of_memory(err) && clg_make_room(d)) /* drivers that allocate late find only now that memory lacks */
        err = clEnqueueNDRangeKernel(q, k->kernel, 3, NULL, k->global, k->local, n_wait, n_wait ? l->wait : NULL,
                                     wanted);
    if (err != CL_SUCCESS) return fail_launch(k, err);
    if (k->stays) clg_resident_opened(k->stays, changes, event);
    else clg_resident_end(d);
    k->gave = l && l->done;
    if (!k->launched) note_launch(k);
    return clg_link_give(d, q, note, k->name, l, event);
}

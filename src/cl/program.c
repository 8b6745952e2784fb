/* Programs by key: from the device's table, the disk cache, or the compiler. */
#include "cl/internal.h"

#include "base/clock.h"
#include "base/hash.h"

#include <string.h>

/* The guard of the driver's header (CLG_QUIRK_HEADER), and what has cl/clg.clh include our own instead. */
static const char own_declarations[] = " -D_OPENCL_H_ -DCLG_DECLARES";

/* Argument info is for the check of signatures; it changes no code. No relaxed mathematics: results stay exact. The
 * language is OpenCL C 1.2, but for programs that use sub-groups that by which the device has them. */
static void add_common(const clg_device *d, const char *wanted, clg_str *options) {
    const bool subgroups = wanted && strstr(wanted, CLG_SUBGROUP_OPTION) && d->subgroup_std;
    clg_str_printf(options, "-cl-std=%s -cl-kernel-arg-info", subgroups ? d->subgroup_std : "CL1.2");
    if (d->row.quirks & CLG_QUIRK_HEADER && !subgroups) clg_str_add(options, own_declarations);
}

static void program_free(clg_program *p) {
    if (p->program) clReleaseProgram(p->program);
    clg_free(p->name);
    clg_free(p->options);
    clg_free(p->failure);
    clg_free(p->functions);
    clg_free(p);
}

static void make_key(const clg_device *d, const char *text, const char *options, char key[65]) {
    clg_sha256 h;
    clg_sha256_init(&h);
    clg_sha256_add_str(&h, text);
    clg_sha256_add_str(&h, options);
    clg_sha256_add_str(&h, d->row.kind);
    clg_sha256_add_str(&h, d->row.driver);
    clg_sha256_add_str(&h, d->row.version);
    clg_sha256_add_str(&h, d->row.platform_name);
    clg_sha256_add_str(&h, d->row.platform_version);
    clg_sha256_add_str(&h, clg_version());
    clg_sha256_end(&h, key);
}

static clg_program *find(const clg_device *d, const char *key) {
    clg_program *p = d->programs;
    while (p && memcmp(p->key, key, 64) != 0) p = p->next;
    return p;
}

/* The whole build log, or why there is none; NULL: no memory. */
static char *build_log(const clg_device *d, cl_program program) {
    size_t size = 0;
    const cl_int err = clGetProgramBuildInfo(program, d->row.id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (err != CL_SUCCESS || size == 0) return clg_copy_text("(the driver gives no log)");
    char *log = clg_calloc(size + 1, 1);
    if (log && clGetProgramBuildInfo(program, d->row.id, CL_PROGRAM_BUILD_LOG, size, log, NULL) != CL_SUCCESS) *log = 0;
    return log;
}

/* Writes p->failure and returns it as the error. */
static clg_status fail_build(clg_device *d, clg_program *p, cl_program program, cl_int err) {
    clg_str text = { 0 };
    char *log = build_log(d, program);
    clg_str_printf(&text, "program %s does not build: %s (%d) on device %s, options \"%s\"; build log:\n%s", p->name,
                   clg_cl_code_name(err), (int)err, d->row.name, p->options, log ? log : "(no memory for the log)");
    clg_free(log);
    if (text.failed) {
        clg_str_free(&text);
        return clg_fail(CLG_ERR_BUILD, "program %s does not build: %s", p->name, clg_cl_code_name(err));
    }
    p->failure = text.text; /* both are of clg_alloc() */
    return clg_fail(CLG_ERR_BUILD, "%s", p->failure);
}

/* What the compiler warned of, for those who work on kernels. */
static void log_warnings(const clg_device *d, const clg_program *p, cl_program program) {
    if (!clg_log_on(CLG_LOG_DEBUG)) return;
    char *log = build_log(d, program);
    if (log && strstr(log, "warning")) clg_log_msg(CLG_LOG_DEBUG, "program %s: build log:\n%s", p->name, log);
    clg_free(log);
}

/* What is missing in our declarations the driver's header has: false if that is not what the program was built with. */
static bool undeclare(const clg_device *d, clg_program *p, cl_program program) {
    char *at = strstr(p->options, own_declarations);
    if (!at) return false;
    char *log = build_log(d, program);
    clg_log_msg(CLG_LOG_INFO, "program %s: built again with the driver's declarations, as ours (cl/builtins.clh) do not "
                "do:\n%s", p->name, log ? log : "");
    clg_free(log);
    const char *rest = at + sizeof own_declarations - 1;
    memmove(at, rest, strlen(rest) + 1);
    return true;
}

static clg_status compile(clg_device *d, clg_program *p, const char *text) {
    cl_int err = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(d->context, 1, &text, NULL, &err);
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clCreateProgramWithSource", "program %s", p->name);
    err = clBuildProgram(program, 1, &d->row.id, p->options, NULL, NULL);
    if (err == CL_BUILD_PROGRAM_FAILURE && undeclare(d, p, program))
        err = clBuildProgram(program, 1, &d->row.id, p->options, NULL, NULL);
    if (err == CL_SUCCESS) {
        log_warnings(d, p, program);
        p->program = program;
        return CLG_OK;
    }
    /* Failures of the source are remembered; those of the moment (memory) are not. */
    const bool lasting = err == CL_BUILD_PROGRAM_FAILURE || err == CL_INVALID_BUILD_OPTIONS;
    const clg_status status = lasting ? fail_build(d, p, program, err)
        : clg_cl_fail(d, err, "clBuildProgram", "program %s, options \"%s\"", p->name, p->options);
    clReleaseProgram(program);
    return status;
}

static void count(clg_device *d, const clg_program *p, bool cached, double seconds) {
    pthread_mutex_lock(&d->lock);
    if (cached) {
        d->stats.programs_cached++;
    } else {
        d->stats.programs_built += p->program != NULL;
        d->stats.build_seconds += seconds;
    }
    pthread_mutex_unlock(&d->lock);
    clg_log_msg(CLG_LOG_DEBUG, "program %s: %s in %.1f ms, options \"%s\"", p->name, cached ? "loaded from the cache"
            : p->program ? "built" : "failed to build", 1e3 * seconds, p->options);
}

static clg_program *program_new(clg_device *d, const char *name, const char *options, const char *key) {
    clg_program *p = clg_calloc(1, sizeof *p);
    if (!p) return NULL;
    atomic_init(&p->refs, 1); /* the table's */
    p->device = d;
    memcpy(p->key, key, sizeof p->key);
    p->name = clg_copy_text(name);
    p->options = clg_copy_text(options);
    if (p->name && p->options) return p;
    program_free(p);
    return NULL;
}

/* A program that is not in the table: makes it and, built or failed for good, enters it. The build lock is held. */
static clg_status make(clg_device *d, const char *name, const char *text, const char *options, const char *key,
                       clg_program **out) {
    clg_status status = CLG_OK;
    const double start = clg_now();
    clg_program *p = program_new(d, name, options, key);
    if (!p) return clg_fail_nomem("program");
    const int lock = clg_cache_lock(d, key);
    const bool cached = clg_cache_load(d, p);
    if (!cached) status = compile(d, p, text);
    clg_cache_unlock(lock);
    count(d, p, cached, clg_now() - start);
    if (status < 0 && !p->failure) {
        program_free(p);
        return status;
    }
    p->next = d->programs;
    d->programs = p;
    *out = p;
    return status;
}

clg_status clg_program_get(clg_device *d, const clg_source *src, clg_program **out) {
    clg_str text = { 0 }, options = { 0 };
    clg_status status = CLG_OK;
    char key[65];
    if (d->caps.ref)
        return clg_fail(CLG_ERR_UNSUP, "program %s: the device \"ref\" runs no OpenCL programs", src->name);
    CLG_TRY(clg_device_check(d));
    add_common(d, src->options, &options);
    if (d->row.quirks & CLG_QUIRK_NO_PREFETCH) clg_str_add(&options, " -DNO_PREFETCH");
    if (d->caps.divides) clg_str_add(&options, " -DDIVIDES");
    if (d->number > 0) clg_str_printf(&options, " -DDEVICE_NUMBER=%d", d->number);
    if (src->options && *src->options) clg_str_printf(&options, " %s", src->options);
    pthread_mutex_lock(clg_build_lock());
    CLG_TRY_END(options.failed ? clg_fail_nomem("build options") : clg_source_expand(src, &text));
    make_key(d, clg_str_text(&text), clg_str_text(&options), key);
    clg_program *p = find(d, key);
    if (!p) {
        status = make(d, src->name, clg_str_text(&text), clg_str_text(&options), key, &p);
    } else if (p->failure) {
        status = clg_fail(CLG_ERR_BUILD, "%s", p->failure);
    }
    if (status == CLG_OK) {
        atomic_fetch_add(&p->refs, 1);
        *out = p;
    }
end:
    pthread_mutex_unlock(clg_build_lock());
    clg_str_free(&text);
    clg_str_free(&options);
    return status;
}

void clg_program_release(clg_program **program) {
    if (!program || !*program) return;
    clg_program *p = *program;
    *program = NULL;
    if (atomic_fetch_sub(&p->refs, 1) == 1) program_free(p);
}

void clg_programs_free(clg_device *d) {
    while (d->programs) {
        clg_program *p = d->programs;
        d->programs = p->next;
        clg_program_release(&p);
    }
}

int clg_program_function(clg_device *d, clg_program *p, const char *name) {
    int found = -1;
    if (strlen(name) >= sizeof p->functions[0].name)
        return clg_fail(CLG_ERR_INVALID, "program %s: the kernel name %s is too long", p->name, name);
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < p->n_functions && found < 0; i++)
        if (strcmp(p->functions[i].name, name) == 0) found = i;
    if (found < 0 && clg_grow(&p->functions, &p->cap_functions, p->n_functions + 1, sizeof *p->functions)) {
        found = p->n_functions++;
        p->functions[found] = (clg_function){ .launched = false };
        strcpy(p->functions[found].name, name);
    }
    pthread_mutex_unlock(&d->lock);
    return found >= 0 ? found : (int)clg_fail_nomem("program");
}

/* Has functions that were launched and are in no file yet. */
static bool is_new(clg_device *d, const clg_program *p) {
    bool found = false;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < p->n_functions; i++) found |= p->functions[i].launched && !p->functions[i].saved;
    pthread_mutex_unlock(&d->lock);
    return found;
}

/* Also after a failure: an unwritable cache is tried once a program, not once a run. */
static void mark_saved(clg_device *d, clg_program *p) {
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < p->n_functions; i++) p->functions[i].saved |= p->functions[i].launched;
    pthread_mutex_unlock(&d->lock);
}

void clg_program_save_new(clg_device *d) {
    clg_error_state before;
    bool waited = false;
    if (!d->keeps_binaries) return;
    clg_error_save(&before);
    pthread_mutex_lock(clg_build_lock());
    for (clg_program *p = d->programs; p; p = p->next) {
        if (!is_new(d, p)) continue;
        /* Drivers specialise kernels when they run, not when they are enqueued. */
        if (!waited && clg_queues_finish(d) < 0) break;
        waited = true;
        const clg_status status = clg_cache_save(d, p);
        if (status < 0) clg_log_msg(CLG_LOG_INFO, "program %s was not saved to the cache: %s", p->name, clg_error());
        mark_saved(d, p);
    }
    pthread_mutex_unlock(clg_build_lock());
    clg_error_restore(&before);
}

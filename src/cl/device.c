/* Opened devices: context, queues, capabilities, statistics, references. Listing and choice: catalog.c, choose.c. */
#include "cl/internal.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t build_lock = PTHREAD_MUTEX_INITIALIZER;

pthread_mutex_t *clg_build_lock(void) { return &build_lock; }

int clg_device_count(void) {
    clg_error_state before;
    int n = 0;
    clg_error_save(&before);
    const clg_status status = clg_catalog_load(&n); /* a failure is told by clg_device_open() */
    (void)status;
    clg_error_restore(&before);
    return n;
}

clg_status clg_device_list(int i, clg_device_info *info) {
    clg_device_row row;
    const int n = clg_device_count();
    if (!info) return clg_fail(CLG_ERR_INVALID, "clg_device_list(%d): info is NULL", i);
    if (!clg_catalog_copy(i, &row))
        return clg_fail(CLG_ERR_INVALID, "clg_device_list(%d): there are %d devices, counted from 0", i, n);
    *info = row.info; /* whose strings are those of the table, and stay */
    return CLG_OK;
}

/* "512M" -> bytes; plain numbers are bytes. */
static clg_status parse_bytes(const char *text, uint64_t *bytes) {
    static const char suffixes[] = "KMGT";
    char *end = NULL;
    errno = 0;
    unsigned long long value = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    bool ok = end && errno == 0;
    if (ok && *end) {
        const char *s = strchr(suffixes, *end >= 'a' ? *end - 'a' + 'A' : *end);
        const int shift = s ? 10 * (int)(s - suffixes + 1) : 0;
        ok = s && end[1] == 0 && value <= (UINT64_MAX >> shift);
        value <<= shift;
    }
    if (!ok)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_MEM_CAP=%s: not a size; give bytes, with K, M or G behind it (512M)",
                        text);
    *bytes = value;
    return CLG_OK;
}

static clg_status set_options(clg_device *d, const clg_device_params *p) {
    const char *cap = getenv("CLGRAD_MEM_CAP"), *binaries = getenv("CLGRAD_BINARIES");
    const char *shared = getenv("CLGRAD_SHARED"), *resident = getenv("CLGRAD_RESIDENT");
    char dir[4096];
    d->stats.mem_cap = p->mem_cap;
    if (p->mem_cap == 0 && cap && *cap) CLG_TRY(parse_bytes(cap, &d->stats.mem_cap));
    if (p->timeout_ms < 0)
        return clg_fail(CLG_ERR_INVALID, "clg_device_open: timeout_ms is %d; give 0 (none) or more", p->timeout_ms);
    if (binaries && *binaries && strcmp(binaries, "on") != 0 && strcmp(binaries, "off") != 0)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_BINARIES=%s: is none of on, off", binaries);
    if (shared && *shared && strcmp(shared, "on") != 0 && strcmp(shared, "off") != 0)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_SHARED=%s: is none of on, off", shared);
    if (resident && *resident && strcmp(resident, "on") != 0 && strcmp(resident, "off") != 0)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_RESIDENT=%s: is none of on, off", resident);
    if (shared && strcmp(shared, "off") == 0) d->caps.shares = false;
    d->timeout_ms = p->timeout_ms;
    d->caps.profiling = p->profiling && !d->caps.ref;
    d->resides = (!resident || strcmp(resident, "off") != 0) && !d->caps.profiling && d->timeout_ms == 0;
    if (d->caps.ref || !clg_cache_dir(p->cache_dir, dir, sizeof dir))
        return CLG_OK;
    const size_t n = strlen(dir) + 1;
    d->cache_dir = clg_alloc(n);
    if (!d->cache_dir) return clg_fail_nomem("device");
    memcpy(d->cache_dir, dir, n);
    const bool wanted = binaries && *binaries ? strcmp(binaries, "on") == 0 : !(d->row.quirks & CLG_QUIRK_OWN_CACHE);
    d->keeps_binaries = wanted && !(d->row.quirks & CLG_QUIRK_NO_BINARIES);
    return CLG_OK;
}

/* What the application gave, kept until the device is freed. */
static clg_status take_over(clg_device *d, cl_context context, cl_command_queue queue) {
    cl_int err = context ? clRetainContext(context) : CL_SUCCESS;
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clRetainContext", "the application's context");
    d->context = context;
    err = queue ? clRetainCommandQueue(queue) : CL_SUCCESS;
    if (err != CL_SUCCESS) return clg_cl_fail(d, err, "clRetainCommandQueue", "the application's queue");
    d->queue = queue;
    return CLG_OK;
}

static clg_status open_opencl(clg_device *d, const clg_device_params *p) {
    const bool own_queue = d->queue == NULL;
    const cl_context_properties props[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)d->row.platform, 0 };
    cl_int err = CL_SUCCESS;
    if (*d->row.unusable)
        return clg_fail(CLG_ERR_DEVICE, "device %s (%s) cannot be used: %s; name another one (clgrad devices lists "
                        "them)", d->row.name, d->row.platform_name, d->row.unusable);
    /* Lets the path of discrete devices be tested on a CPU. */
    if (getenv("CLGRAD_FORCE_DISCRETE")) d->caps.unified = d->caps.shares = false;
    d->pool_limit = d->row.info.mem_total / 8 < (1u << 30) ? d->row.info.mem_total / 8 : (1u << 30);
    if (!d->context) d->context = clCreateContext(props, 1, &d->row.id, NULL, NULL, &err);
    if (err != CL_SUCCESS) {
        d->context = NULL;
        return clg_cl_fail(d, err, "clCreateContext", "the driver cannot open it; name another device (clgrad devices "
                           "lists them) or use CLGRAD_DEVICE=ref");
    }
    CLG_TRY(clg_queues_create(d));
    d->resides &= own_queue; /* what the application enqueues on its own is not seen */
    if (!own_queue) return CLG_OK;
    d->resides &= d->caps.cls == CLG_CLASS_CPU && d->caps.shares && clg_shared_has_atomics(&d->row);
    return clg_awake_create(d, p->active_wait_us);
}

/* The numbers of the devices of CLG_QUIRK_APART that are open, as bits; those behind the last one share it. */
static pthread_mutex_t numbers_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t numbers;

static int take_number(void) {
    int n = 0;
    pthread_mutex_lock(&numbers_lock);
    while (n < 63 && (numbers >> n & 1) != 0) n++;
    numbers |= UINT64_C(1) << n;
    pthread_mutex_unlock(&numbers_lock);
    return n;
}

static void give_number(int n) {
    if (n < 0) return;
    pthread_mutex_lock(&numbers_lock);
    numbers &= ~(UINT64_C(1) << n);
    pthread_mutex_unlock(&numbers_lock);
}

static void device_free(clg_device *d) {
    clg_queues_finish(d);
    clg_awake_destroy(d);
    clg_programs_free(d);
    clg_clblast_release(d);
    clg_pool_trim(d, 0);
    clg_queues_destroy(d);
    clg_shared_await(d);
    if (d->context) clReleaseContext(d->context);
    if (d->extra.free) d->extra.free(d->extra.data);
    pthread_mutex_destroy(&d->lock);
    for (int i = 0; i < d->n_told; i++) clg_free(d->told[i]);
    clg_free(d->told);
    clg_free(d->cache_dir);
    clg_free(d->replay);
    give_number(d->number);
    clg_free(d);
}

clg_device *clg_device_create(const clg_device_row *row, cl_context context, cl_command_queue queue,
                              const clg_device_params *params) {
    static const clg_device_params none = { 0 };
    clg_device *d = clg_calloc(1, sizeof *d);
    if (!d) {
        clg_fail_nomem("device");
        return NULL;
    }
    d->row = *row;
    clg_row_link(&d->row);
    d->caps = d->row.caps;
    d->number = d->row.quirks & CLG_QUIRK_APART ? take_number() : -1;
    atomic_init(&d->refs, 1);
    atomic_init(&d->state, CLG_DEVICE_WORKS);
    pthread_mutex_init(&d->lock, NULL);
    if (!params) params = &none;
    clg_status status = take_over(d, context, queue);
    if (status == CLG_OK) status = set_options(d, params);
    if (status == CLG_OK && !d->caps.ref) status = open_opencl(d, params);
    if (status < 0) {
        device_free(d);
        return NULL;
    }
    clg_log_msg(CLG_LOG_DEBUG, "device %s (%s, driver %s), class %s, cache %s%s%s", d->row.name, d->row.platform_name,
            d->row.driver, d->caps.cls == CLG_CLASS_GPU ? "gpu" : "cpu", d->cache_dir ? d->cache_dir : "off",
            *d->row.quirk_text ? "; known faults: " : "", d->row.quirk_text);
    return d;
}

clg_device *clg_device_open(const char *which, const clg_device_params *params) {
    clg_device_row row;
    clg_device_part part;
    const int i = clg_choose(which, &part);
    if (i < 0) return NULL;
    if (!clg_catalog_copy(i, &row)) {
        clg_fail(CLG_ERR_DEVICE, "device %d has disappeared", i);
        return NULL;
    }
    if (part.n > 0 && clg_part_create(&row, part) < 0) return NULL;
    return clg_device_create(&row, NULL, NULL, params);
}

void clg_device_destroy(clg_device **dev) {
    if (!dev || !*dev) return;
    clg_device *d = *dev;
    *dev = NULL;
    if (atomic_fetch_sub(&d->refs, 1) == 1) device_free(d);
}

clg_device *clg_device_ref(clg_device *d) {
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void clg_device_get_info(const clg_device *dev, clg_device_info *info) {
    static const clg_device_info none = { .name = "", .platform = "", .vendor = "", .driver = "", .version = "",
                                          .quirks = "" };
    if (info) *info = dev ? dev->row.info : none;
}

void clg_device_get_stats(const clg_device *dev, clg_device_stats *stats) {
    if (!stats) return;
    *stats = (clg_device_stats){ 0 };
    if (!dev) return;
    clg_device *d = (clg_device *)dev; /* for the lock only */
    pthread_mutex_lock(&d->lock);
    *stats = d->stats;
    pthread_mutex_unlock(&d->lock);
}

bool clg_device_first_time(clg_device *d, const char *key) {
    bool first = true;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < d->n_told && first; i++) first = strcmp(d->told[i], key) != 0;
    if (first && clg_grow(&d->told, &d->cap_told, d->n_told + 1, sizeof *d->told)) {
        d->told[d->n_told] = clg_copy_text(key);
        if (d->told[d->n_told]) d->n_told++;
    }
    pthread_mutex_unlock(&d->lock);
    return first;
}

const clg_device_caps *clg_device_get_caps(const clg_device *d) { return &d->caps; }

const char *clg_device_kind(const clg_device *d) { return d->row.kind; }

clg_device_extra *clg_device_extra_of(const clg_device *d) {
    return &((clg_device *)d)->extra; /* no part of what the device is */
}

const char *clg_device_cache_dir(const clg_device *d) { return d->cache_dir; }

size_t clg_device_elem_size(const clg_device *d, clg_dtype t) {
    return d->caps.ref ? sizeof(double) : clg_dtype_size(t);
}

bool clg_device_has_type(const clg_device *d, clg_dtype t) {
    return clg_dtype_size(t) > 0 && (t != CLG_F64 || d->caps.fp64 || d->caps.ref);
}

clg_status clg_device_accepts(const clg_device *d, clg_dtype t) {
    if (clg_dtype_size(t) == 0) return clg_fail(CLG_ERR_INVALID, "no such element type: %d", (int)t);
    if (clg_device_has_type(d, t)) return CLG_OK;
    return clg_fail(CLG_ERR_UNSUP, "tensors of type f64 need double precision, which device %s lacks (no cl_khr_fp64): "
                    "use f32, or the device \"ref\"", d->row.name);
}

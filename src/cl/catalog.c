/* The table of devices: every device of every platform that the ICD loader shows, then "ref". Filled once, in static
 * memory; again only if a driver failed on the way. */
#include "cl/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 64, MAX_PLATFORMS = 32 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static clg_device_row rows[MAX_ROWS + 1]; /* the last used one is "ref" */
static int n_rows;                        /* with "ref" */
static bool loaded;

void clg_row_link(clg_device_row *row) {
    row->info.name = row->name;
    row->info.platform = row->platform_name;
    row->info.vendor = row->vendor;
    row->info.driver = row->driver;
    row->info.version = row->version;
    row->info.quirks = row->quirk_text;
}

static void add_ref_row(void) {
    clg_device_row *row = &rows[n_rows++];
    memset(row, 0, sizeof *row);
    snprintf(row->name, sizeof row->name, "reference");
    snprintf(row->kind, sizeof row->kind, "reference");
    snprintf(row->platform_name, sizeof row->platform_name, "clgrad");
    snprintf(row->vendor, sizeof row->vendor, "clgrad");
    snprintf(row->driver, sizeof row->driver, "%s", clg_version());
    snprintf(row->version, sizeof row->version, "plain C in double precision");
    row->info.type = CLG_DEVICE_REF;
    row->info.compute_units = 1;
    row->info.fp64 = row->info.unified_memory = true;
    row->caps = (clg_device_caps){ .cls = CLG_CLASS_CPU, .ref = true, .compute_units = 1, .max_group = 1,
        .max_item = { 1, 1, 1 }, .max_alloc = SIZE_MAX / 4, .align = 128, .fp64 = true, .unified = true };
    clg_row_link(row);
}

/* Copies an OpenCL string without spaces at its ends or doubled within; cut to size. */
static void tidy(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; *from && n + 1 < size; from++)
        if (*from != ' ' || (n > 0 && to[n - 1] != ' ')) to[n++] = *from;
    while (n > 0 && to[n - 1] == ' ') n--;
    to[n] = 0;
}

static cl_int platform_text(cl_platform_id p, cl_platform_info what, char *to, size_t size) {
    char text[4096] = "";
    const cl_int err = clGetPlatformInfo(p, what, sizeof text - 1, text, NULL);
    tidy(to, size, err == CL_SUCCESS ? text : "?");
    return err;
}

static cl_int device_text(cl_device_id d, cl_device_info what, char *to, size_t size) {
    char text[16384] = "";
    const cl_int err = clGetDeviceInfo(d, what, sizeof text - 1, text, NULL);
    tidy(to, size, err == CL_SUCCESS ? text : "");
    return err;
}

static bool has_word(const char *list, const char *word) {
    const size_t n = strlen(word);
    for (const char *s = list; (s = strstr(s, word)) != NULL; s += n)
        if ((s == list || s[-1] == ' ') && (s[n] == 0 || s[n] == ' ')) return true;
    return false;
}

/* Reads one fixed-size property; a failure leaves *value and is kept in *err. */
static void get(cl_device_id id, cl_device_info what, void *value, size_t size, cl_int *err) {
    const cl_int e = clGetDeviceInfo(id, what, size, value, NULL);
    if (e != CL_SUCCESS) *err = e;
}

static enum clg_device_type type_of(cl_device_type t) {
    if (t & CL_DEVICE_TYPE_GPU) return CLG_DEVICE_GPU;
    if (t & CL_DEVICE_TYPE_ACCELERATOR) return CLG_DEVICE_ACCEL;
    return CLG_DEVICE_CPU;
}

/* Work-items in step, by the vendors' queries and that of OpenCL 3.0, whose numbers headers may lack; 0: no answer. */
static int wave_of(cl_device_id id) {
    enum { WARP_SIZE_NV = 0x4003, WAVEFRONT_WIDTH_AMD = 0x4043, PREFERRED_MULTIPLE = 0x1067 };
    cl_uint width = 0;
    size_t multiple = 0;
    if (clGetDeviceInfo(id, WARP_SIZE_NV, sizeof width, &width, NULL) == CL_SUCCESS) return (int)width;
    if (clGetDeviceInfo(id, WAVEFRONT_WIDTH_AMD, sizeof width, &width, NULL) == CL_SUCCESS) return (int)width;
    if (clGetDeviceInfo(id, PREFERRED_MULTIPLE, sizeof multiple, &multiple, NULL) == CL_SUCCESS) return (int)multiple;
    return 0;
}

/* Intel's CPU runtime names only its own extension; OpenCL 3.0 has a query (CL_DEVICE_MAX_NUM_SUB_GROUPS) and no
 * word. */
static bool says_subgroups(cl_device_id id, const char *extensions) {
    enum { MAX_NUM_SUB_GROUPS = 0x105C };
    cl_uint most = 0;
    if (has_word(extensions, "cl_khr_subgroups") || has_word(extensions, "cl_intel_subgroups")) return true;
    return clGetDeviceInfo(id, MAX_NUM_SUB_GROUPS, sizeof most, &most, NULL) == CL_SUCCESS && most > 0;
}

/* The narrowest sub-group that cl_intel_required_subgroup_size offers; 0: none. */
static int narrow_of(cl_device_id id, const char *extensions) {
    enum { SUB_GROUP_SIZES_INTEL = 0x4108 };
    size_t sizes[16], bytes = 0;
    int narrow = 0;
    if (!has_word(extensions, "cl_intel_required_subgroup_size") ||
        clGetDeviceInfo(id, SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) != CL_SUCCESS)
        return 0;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (narrow == 0 || sizes[i] < (size_t)narrow) narrow = (int)sizes[i];
    return narrow;
}

/* Registers of a work-item. AMD and NVIDIA count them for each: up to 256 and 255, some for addresses. Intel's threads
 * have a file of 4 KiB (Gen9 to Xe-HPG; 8 to 16 items) or 8 KiB (Xe-HPC; 16 to 32), of which the compiler keeps a
 * part: 112 of 128 are left to each of the fewest. Arm's have 64; of others nothing is known: they are taken for
 * such. */
static int registers_of(const char *vendor, int narrow) {
    if (strstr(vendor, "Advanced Micro") || strstr(vendor, "AMD") || strstr(vendor, "NVIDIA")) return 240;
    return narrow > 0 ? 112 : 64;
}

/* AMD's divider works beside the units that multiply: 16 sigmoids take 1.9 ns by the instruction and 3.1 by products
 * (Zen 5, both with AVX-512). Intel's takes 8 to 16 cycles for 16 floats, half as long as all of a sigmoid. */
static bool is_dividing(const clg_device_row *row) {
    return row->info.type == CLG_DEVICE_CPU && (strstr(row->vendor, "AMD") || strstr(row->name, "AMD"));
}

/* What the device can do. */
static cl_int fill_caps(clg_device_row *row) {
    cl_int err = CL_SUCCESS;
    cl_device_type type = CL_DEVICE_TYPE_CPU;
    cl_uint units = 1, align_bits = 1024, mhz = 0, vector = 0;
    cl_ulong memory = 0, max_alloc = 0, local = 0;
    size_t group = 1, item[16] = { 1, 1, 1 };
    cl_bool unified = CL_FALSE;
    cl_device_fp_config fp64 = 0;
    get(row->id, CL_DEVICE_TYPE, &type, sizeof type, &err);
    get(row->id, CL_DEVICE_MAX_COMPUTE_UNITS, &units, sizeof units, &err);
    get(row->id, CL_DEVICE_MAX_CLOCK_FREQUENCY, &mhz, sizeof mhz, &err);
    get(row->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, &align_bits, sizeof align_bits, &err);
    get(row->id, CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory, &err);
    get(row->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, &max_alloc, sizeof max_alloc, &err);
    get(row->id, CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof local, &err);
    get(row->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, &group, sizeof group, &err);
    get(row->id, CL_DEVICE_MAX_WORK_ITEM_SIZES, item, sizeof item, &err);
    get(row->id, CL_DEVICE_HOST_UNIFIED_MEMORY, &unified, sizeof unified, &err);
    cl_int optional = CL_SUCCESS;
    get(row->id, CL_DEVICE_DOUBLE_FP_CONFIG, &fp64, sizeof fp64, &optional);
    get(row->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &vector, sizeof vector, &optional);

    char extensions[8192];
    device_text(row->id, CL_DEVICE_EXTENSIONS, extensions, sizeof extensions);
    clg_device_info *info = &row->info;
    info->type = type_of(type);
    info->compute_units = (int)units;
    info->mem_total = memory;
    info->mem_max_alloc = max_alloc;
    info->local_mem = local;
    info->max_group = group;
    info->fp16 = has_word(extensions, "cl_khr_fp16");
    info->fp64 = fp64 != 0 || has_word(extensions, "cl_khr_fp64");
    info->command_buffer = has_word(extensions, "cl_khr_command_buffer");
    info->subgroups = says_subgroups(row->id, extensions);
    info->unified_memory = unified == CL_TRUE;
    row->clock_mhz = (int)mhz;
    const size_t align = align_bits / 8;
    const int narrow = narrow_of(row->id, extensions);
    row->caps = (clg_device_caps){
        .cls = info->type == CLG_DEVICE_CPU ? CLG_CLASS_CPU : CLG_CLASS_GPU, .compute_units = (int)units,
        .max_group = group, .max_item = { item[0], item[1], item[2] }, .local_mem = (size_t)local,
        .max_alloc = max_alloc > CLG_BUFFER_SLACK ? (size_t)max_alloc - CLG_BUFFER_SLACK : 0,
        .align = align > 128 ? align : 128, .fp16 = info->fp16, .fp64 = info->fp64, .unified = info->unified_memory,
        .shares = info->unified_memory && clg_shared_has(row), .vector_f32 = (int)vector, .divides = is_dividing(row),
        .wave = wave_of(row->id), .narrow = narrow,
        .registers = registers_of(row->vendor, narrow),
    };
    return err;
}

/* Why this device cannot be used, if so. false: because a driver call failed. */
static bool check_usable(clg_device_row *row, cl_int err) {
    int major = 0, minor = 0;
    cl_bool available = CL_FALSE, compiler = CL_FALSE;
    get(row->id, CL_DEVICE_AVAILABLE, &available, sizeof available, &err);
    get(row->id, CL_DEVICE_COMPILER_AVAILABLE, &compiler, sizeof compiler, &err);
    char why[sizeof row->unusable] = "";
    const size_t size = sizeof why;
    if (err != CL_SUCCESS)
        snprintf(why, size, "clGetDeviceInfo: %s (%d)", clg_cl_code_name(err), err);
    else if (sscanf(row->version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
        snprintf(why, size, "it offers \"%.24s\"; OpenCL 1.2 or later is needed", row->version);
    else if (!available)
        snprintf(why, size, "the driver says it is not available");
    else if (!compiler)
        snprintf(why, size, "the driver has no compiler");
    memcpy(row->unusable, why, sizeof why);
    return err == CL_SUCCESS;
}

/* One device; the platform's strings are in *row. false: a driver call failed. */
static bool fill_row(clg_device_row *row, cl_device_id id) {
    row->id = id;
    cl_int err = device_text(id, CL_DEVICE_NAME, row->name, sizeof row->name);
    if (err == CL_SUCCESS) err = device_text(id, CL_DEVICE_VERSION, row->version, sizeof row->version);
    if (err == CL_SUCCESS) err = device_text(id, CL_DRIVER_VERSION, row->driver, sizeof row->driver);
    device_text(id, CL_DEVICE_VENDOR, row->vendor, sizeof row->vendor);
    const cl_int caps_err = fill_caps(row);
    if (err == CL_SUCCESS) err = caps_err;
    const bool ok = check_usable(row, err);
    memcpy(row->kind, row->name, sizeof row->kind);
    clg_quirks_apply(row);
    clg_row_link(row);
    return ok;
}

clg_status clg_catalog_describe(cl_device_id id, const char *call, clg_device_row *row) {
    cl_int err = CL_SUCCESS;
    *row = (clg_device_row){ 0 };
    get(id, CL_DEVICE_PLATFORM, &row->platform, sizeof row->platform, &err);
    if (err == CL_SUCCESS)
        err = platform_text(row->platform, CL_PLATFORM_NAME, row->platform_name, sizeof row->platform_name);
    if (err == CL_SUCCESS)
        err = platform_text(row->platform, CL_PLATFORM_VERSION, row->platform_version, sizeof row->platform_version);
    if (err != CL_SUCCESS) return clg_cl_fail(NULL, err, "clGetDeviceInfo", "%s: what is the device?", call);
    (void)fill_row(row, id); /* a failure stands in row->unusable */
    return CLG_OK;
}

/* All devices of one platform. false: a driver call failed. */
static bool add_platform(cl_platform_id p) {
    clg_device_row row = { .platform = p };
    cl_device_id ids[MAX_ROWS];
    cl_uint n = 0;
    bool ok = platform_text(p, CL_PLATFORM_NAME, row.platform_name, sizeof row.platform_name) == CL_SUCCESS;
    ok &= platform_text(p, CL_PLATFORM_VERSION, row.platform_version, sizeof row.platform_version) == CL_SUCCESS;
    const cl_int err = clGetDeviceIDs(p, CL_DEVICE_TYPE_ALL, MAX_ROWS, ids, &n);
    if (err == CL_DEVICE_NOT_FOUND) return ok;
    if (err != CL_SUCCESS) {
        clg_log_msg(CLG_LOG_WARN, "platform %s: clGetDeviceIDs: %s", row.platform_name, clg_cl_code_name(err));
        return false;
    }
    for (cl_uint i = 0; i < n && i < MAX_ROWS && n_rows < MAX_ROWS; i++) {
        rows[n_rows] = row;
        ok &= fill_row(&rows[n_rows], ids[i]);
        n_rows++;
    }
    return ok;
}

static clg_status no_platform(void) {
    return clg_fail(CLG_ERR_DEVICE, "no OpenCL platform found: install a driver (Debian: apt-get install "
                    "pocl-opencl-icd for the CPU; intel-opencl-icd, mesa-opencl-icd, or NVIDIA's or AMD's driver for a "
                    "GPU), or use CLGRAD_DEVICE=ref");
}

/* Fills rows; the status says why there is none besides "ref". */
static clg_status fill(bool *complete) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n = 0;
    const char *pocl_cache = getenv("POCL_CACHE_DIR");
    n_rows = 0;
    if (pocl_cache && *pocl_cache == 0)
        return clg_fail(CLG_ERR_DEVICE, "POCL_CACHE_DIR is set but empty, and PoCL aborts the process over that: unset "
                        "it or name a writable directory");
    const cl_int err = clGetPlatformIDs(MAX_PLATFORMS, platforms, &n);
    if (err == -1001 /* CL_PLATFORM_NOT_FOUND_KHR */ || (err == CL_SUCCESS && n == 0)) return no_platform();
    if (err != CL_SUCCESS) return clg_cl_fail(NULL, err, "clGetPlatformIDs", "the OpenCL loader failed");
    *complete = true;
    for (cl_uint i = 0; i < n && i < MAX_PLATFORMS; i++) *complete &= add_platform(platforms[i]);
    if (n_rows > 0) return CLG_OK;
    *complete = false; /* looked for again next time: the cause may be mended */
    return clg_fail(CLG_ERR_DEVICE, "%u OpenCL platform%s found, but no device: is the driver's device there and "
                    "permitted to this user (PoCL: is $POCL_CACHE_DIR or ~/.cache writable)? Or use CLGRAD_DEVICE=ref",
                    n, n == 1 ? "" : "s");
}

clg_status clg_catalog_load(int *n) {
    clg_status status = CLG_OK;
    pthread_mutex_lock(&lock);
    if (!loaded) {
        status = fill(&loaded);
        add_ref_row();
    }
    *n = n_rows;
    pthread_mutex_unlock(&lock);
    return status;
}

bool clg_catalog_copy(int i, clg_device_row *row) {
    pthread_mutex_lock(&lock);
    const bool there = i >= 0 && i < n_rows;
    if (there) *row = rows[i];
    pthread_mutex_unlock(&lock);
    return there;
}

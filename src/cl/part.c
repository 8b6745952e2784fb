/* Parts of a device: "pocl#0/2" is the first of two, made by clCreateSubDevices (OpenCL 1.2, section 4.3) with
 * CL_DEVICE_PARTITION_EQUALLY; and lists of devices. Parts are made once and stay until the process ends: workers of
 * PoCL 3.1 still give back the event of a command when the part that ran it is freed, and crash. */
#include "cl/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number of up to four digits, and nothing behind it but end; -1: none. */
static int number_before(const char *text, char end) {
    const size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 4 && text[n] == end ? atoi(text) : -1;
}

clg_status clg_part_split(const char *which, char *whole, size_t size, clg_device_part *part) {
    const char *mark = strchr(which, '#');
    const size_t n = mark ? (size_t)(mark - which) : strlen(which);
    *part = (clg_device_part){ 0, 0 };
    if (n >= size) return clg_fail(CLG_ERR_DEVICE, "device \"%.40s...\": too long", which);
    memcpy(whole, which, n);
    whole[n] = 0;
    if (!mark) return CLG_OK;
    const char *slash = strchr(mark, '/');
    const int i = number_before(mark + 1, '/'), count = slash ? number_before(slash + 1, 0) : -1;
    if (i < 0 || count < 0)
        return clg_fail(CLG_ERR_DEVICE, "device \"%s\": what follows # must be i/n for part i of n equal parts, as in "
                        "\"pocl#0/2\"", which);
    if (i >= count)
        return clg_fail(CLG_ERR_DEVICE, "device \"%s\": there is no part %d of %d; parts are counted from 0", which, i,
                        count);
    if (count > 1) *part = (clg_device_part){ i, count }; /* Intel's CPU runtime refuses to make one part of all */
    return CLG_OK;
}

/* Whether the device can be parted so, before the driver is asked to. */
static clg_status check_parts(const clg_device_row *row, clg_device_part part) {
    enum { MANY = 16 };
    cl_device_partition_property kinds[MANY];
    size_t bytes = 0;
    if (row->caps.compute_units < part.n)
        return clg_fail(CLG_ERR_DEVICE, "device %s cannot be cut into %d parts: it has %d compute unit%s", row->name,
                        part.n, row->caps.compute_units, row->caps.compute_units == 1 ? "" : "s");
    if (row->quirks & CLG_QUIRK_NO_PARTS)
        return clg_fail(CLG_ERR_DEVICE, "device %s cannot be cut into parts: %s", row->name, row->quirk_text);
    const cl_int err = clGetDeviceInfo(row->id, CL_DEVICE_PARTITION_PROPERTIES, sizeof kinds, kinds, &bytes);
    for (size_t i = 0; err == CL_SUCCESS && i < bytes / sizeof *kinds; i++)
        if (kinds[i] == CL_DEVICE_PARTITION_EQUALLY) return CLG_OK;
    return clg_fail(CLG_ERR_DEVICE, "device %s cannot be cut into parts: its driver offers no "
                    "CL_DEVICE_PARTITION_EQUALLY; use it whole", row->name);
}

enum { MAX_KEPT = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { cl_device_id whole, id; clg_device_part part; } kept[MAX_KEPT]; /* behind lock */
static int n_kept;

static cl_device_id find_kept(cl_device_id whole, clg_device_part part) {
    for (int i = 0; i < n_kept; i++)
        if (kept[i].whole == whole && kept[i].part.n == part.n && kept[i].part.i == part.i) return kept[i].id;
    return NULL;
}

/* There is room. */
static void keep(cl_device_id whole, const cl_device_id *all, int n) {
    for (int i = 0; i < n; i++) {
        kept[n_kept].whole = whole;
        kept[n_kept].id = all[i];
        kept[n_kept++].part = (clg_device_part){ i, n };
    }
}

/* Makes the parts. The driver may make more than n, if the units do not come out even; they were never used and go. The
 * lock is held. */
static clg_status cut(const clg_device_row *row, clg_device_part part, cl_device_id *id) {
    const cl_device_partition_property props[] = { CL_DEVICE_PARTITION_EQUALLY, row->caps.compute_units / part.n, 0 };
    cl_uint n = 0;
    if (part.n > MAX_KEPT - n_kept)
        return clg_fail(CLG_ERR_DEVICE, "device %s cannot be cut into %d parts: %d parts of devices were made in this "
                        "process, and at most %d are", row->name, part.n, n_kept, MAX_KEPT);
    cl_int err = clCreateSubDevices(row->id, props, 0, NULL, &n);
    if (err == CL_SUCCESS && (int)n < part.n) err = CL_DEVICE_PARTITION_FAILED;
    if (err != CL_SUCCESS)
        return clg_cl_fail(NULL, err, "clCreateSubDevices", "%d parts of device %s", part.n, row->name);
    cl_device_id *all = clg_calloc(n, sizeof *all);
    if (!all) return clg_fail_nomem("parts of a device");
    err = clCreateSubDevices(row->id, props, n, all, NULL);
    if (err == CL_SUCCESS) keep(row->id, all, part.n);
    for (cl_uint i = (cl_uint)part.n; err == CL_SUCCESS && i < n; i++) clReleaseDevice(all[i]);
    *id = all[part.i];
    clg_free(all);
    if (err == CL_SUCCESS) return CLG_OK;
    return clg_cl_fail(NULL, err, "clCreateSubDevices", "%d parts of device %s", part.n, row->name);
}

clg_status clg_part_create(clg_device_row *row, clg_device_part part) {
    const clg_device_row whole = *row;
    cl_device_id id = NULL;
    CLG_TRY(check_parts(&whole, part));
    pthread_mutex_lock(&lock);
    id = find_kept(whole.id, part);
    clg_status status = id ? CLG_OK : cut(&whole, part, &id);
    pthread_mutex_unlock(&lock);
    CLG_TRY(status);
    status = clg_catalog_describe(id, "clg_device_open", row);
    CLG_TRY(status);
    row->part = part;
    snprintf(row->name, sizeof row->name, "%.90s (part %d of %d)", whole.name, part.i + 1, part.n);
    snprintf(row->kind, sizeof row->kind, "%.90s (one of %d parts)", whole.name, part.n);
    return CLG_OK;
}

/* --- lists --- */

/* What an entry of a list stands for. */
typedef struct chosen {
    int row;
    clg_device_part part;
} chosen;

/* A part lies in the whole, and parts of different sizes overlap. */
static bool overlap(const chosen *a, const chosen *b) {
    return a->row == b->row && (a->part.n != b->part.n || a->part.i == b->part.i);
}

/* Opens one entry of the list, unless it shares compute units with an earlier one. */
static clg_device *open_entry(const char *entry, const clg_device_params *params, chosen *taken, int n) {
    chosen *c = &taken[n];
    c->row = clg_choose(entry, &c->part);
    if (c->row < 0) return NULL;
    for (int i = 0; i < n; i++)
        if (overlap(c, &taken[i])) {
            clg_fail(CLG_ERR_INVALID, "clg_devices_open: \"%s\" is, or overlaps, device %d of the list; name each "
                     "device once, or parts of it of one size (\"pocl#0/2,pocl#1/2\")", entry, i + 1);
            return NULL;
        }
    return clg_device_open(entry, params);
}

/* Entry by entry; how many were opened is in *n, also on failure. */
static clg_status open_list(char *list, const clg_device_params *params, clg_device **devs, int max, chosen *taken,
                            int *n) {
    for (char *entry = list, *next; entry; entry = next) {
        next = strchr(entry, ',');
        if (next) *next++ = 0;
        if (*entry == 0 && (next || *n > 0))
            return clg_fail(CLG_ERR_INVALID, "clg_devices_open: entry %d of the list is empty", *n + 1);
        if (*n == max) return clg_fail(CLG_ERR_INVALID, "clg_devices_open: the list has more than %d devices", max);
        devs[*n] = open_entry(entry, params, taken, *n);
        if (!devs[*n]) return clg_error_status();
        ++*n;
    }
    return CLG_OK;
}

int clg_devices_open(const char *list, const clg_device_params *params, clg_device **devs, int max) {
    int n = 0;
    if (!devs || max < 1)
        return clg_fail(CLG_ERR_INVALID, "clg_devices_open: there is no room for devices (devs %s, max %d)",
                        devs ? "given" : "NULL", max);
    if (!list) list = "";
    char *copy = clg_copy_text(list);
    chosen *taken = clg_calloc((size_t)max, sizeof *taken);
    const clg_status status = copy && taken ? open_list(copy, params, devs, max, taken, &n)
                                            : clg_fail_nomem("list of devices");
    clg_free(copy);
    clg_free(taken);
    if (status == CLG_OK) return n;
    while (n > 0) clg_device_destroy(&devs[--n]);
    return status;
}

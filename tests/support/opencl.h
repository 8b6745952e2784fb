/* What OpenCL itself says of the device that tests use: a test may be skipped for what the driver cannot do, never for
 * what the library says or fails at. For suites that link OpenCL. */
#ifndef CLG_TEST_OPENCL_H_
#define CLG_TEST_OPENCL_H_

#include <CL/cl.h>
#include <stdio.h>

#include "support/device.h"

/* Text of a property, whatever its length; the caller frees it. */
static inline char *opencl_text(cl_device_id id, cl_device_info what) {
    size_t size = 0;
    if (clGetDeviceInfo(id, what, 0, NULL, &size) != CL_SUCCESS) return NULL;
    char *text = calloc(1, size + 1);
    if (text && clGetDeviceInfo(id, what, size, text, NULL) != CL_SUCCESS) text[0] = 0;
    return text;
}

/* The device behind a name of the library, or the whole of what it names a part of; NULL: none. The library counts the
 * devices of a platform as the driver does. */
static inline cl_device_id opencl_id(const char *which) {
    enum { MANY = 16 };
    cl_platform_id platform[MANY];
    cl_device_id id[MANY];
    clg_device_info want, info;
    cl_uint n = 0, m = 0, before = 0;
    char name[256];
    const int row = clg_device_find(which);
    if (row < 0 || clg_device_list(row, &want) != CLG_OK) return NULL;
    for (int i = 0; i < row; i++)
        if (clg_device_list(i, &info) == CLG_OK && strcmp(info.platform, want.platform) == 0) before++;
    if (clGetPlatformIDs(MANY, platform, &n) != CL_SUCCESS) return NULL;
    for (cl_uint i = 0; i < n && i < MANY; i++) {
        if (clGetPlatformInfo(platform[i], CL_PLATFORM_NAME, sizeof name, name, NULL) != CL_SUCCESS) continue;
        if (strcmp(name, want.platform) != 0) continue;
        if (clGetDeviceIDs(platform[i], CL_DEVICE_TYPE_ALL, MANY, id, &m) != CL_SUCCESS || before >= m) continue;
        return id[before];
    }
    return NULL;
}

/* Whether the driver names the extension. */
static inline bool opencl_has(cl_device_id id, const char *extension) {
    char *all = opencl_text(id, CL_DEVICE_EXTENSIONS);
    const size_t n = strlen(extension);
    bool found = false;
    for (const char *at = all; at && !found && (at = strstr(at, extension)) != NULL; at += n)
        found = (at == all || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0);
    free(all);
    return found;
}

/* Why a device cannot be cut in two; NULL: it can, and if the library does not, it is at fault. */
static inline const char *why_no_halves(const char *which) {
    enum { MANY = 16 };
    cl_device_partition_property kinds[MANY] = { 0 };
    clg_device_info info;
    size_t bytes = 0;
    cl_uint units = 0;
    const cl_device_id id = opencl_id(which);
    if (!id) return NULL;
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL) != CL_SUCCESS) return NULL;
    if (units < 2) return "the device has one compute unit";
    if (clg_device_list(clg_device_find(which), &info) != CLG_OK) return NULL;
    if (strstr(info.platform, "rusticl") && strncmp(info.driver, "22.", 3) == 0)
        return "rusticl of Mesa 22 crashes in clCreateSubDevices";
    if (clGetDeviceInfo(id, CL_DEVICE_PARTITION_PROPERTIES, sizeof kinds, kinds, &bytes) != CL_SUCCESS) return NULL;
    for (size_t i = 0; i < bytes / sizeof *kinds; i++)
        if (kinds[i] == CL_DEVICE_PARTITION_EQUALLY) return NULL;
    return "the driver does not divide devices into equal parts";
}

/* Part i of two of the device that tests use, or of the whole of what it is a part of. */
static inline const char *half_of_device(int i, char *to, size_t size) {
    const char *which = opencl_device();
    snprintf(to, size, "%.*s#%d/2", (int)strcspn(which, "#"), which, i);
    return to;
}

#endif /* CLG_TEST_OPENCL_H_ */

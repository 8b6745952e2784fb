/* An OpenCL layer that saves compile time; see quick.h. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>

#include "support/quick.h"
#include <stdio.h>

static const cl_icd_dispatch *next;
static cl_icd_dispatch table;

static cl_int CL_API_CALL build_program(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                                        void (CL_CALLBACK *done)(cl_program, void *), void *user) {
    char all[4096];
    const char *more = quick_option(next, p, n > 0 && d ? d[0] : NULL, options);
    if (*more && snprintf(all, sizeof all, "%s%s", options, more) < (int)sizeof all) options = all;
    return next->clBuildProgram(p, n, d, options, done, user);
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *to, size_t *out) {
    static const char name[] = "clgrad quick builds";
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const void *from = what == CL_LAYER_API_VERSION ? (const void *)&version : name;
    const size_t bytes = what == CL_LAYER_API_VERSION ? sizeof version : sizeof name;
    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
    if (to && size < bytes) return CL_INVALID_VALUE;
    if (to) memcpy(to, from, bytes);
    if (out) *out = bytes;
    return CL_SUCCESS;
}

/* What the table leaves out the loader takes from the driver. */
CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch *target, cl_uint *n_out,
                                            const cl_icd_dispatch **out) {
    if (!target || !n_out || !out || n < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
    next = target;
    table.clBuildProgram = build_program;
    *n_out = sizeof table / sizeof(void *);
    *out = &table;
    return CL_SUCCESS;
}

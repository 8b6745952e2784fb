/* What OpenCL layers of tests do to builds. Nearly all of a cold run of the suite on PoCL is its compiler, and of what
 * that compiles a third are kernels for GPUs. They are here for their numbers; no GPU has that optimiser, and no
 * planner chooses them on a CPU. So where $CLG_TEST_QUICK is 1, programs in work-groups of several items, CLBlast's
 * too, are built without optimisation on CPUs. Kernels for CPUs have groups of one, and are built as users have them. The lanes
 * (scripts/lanes.py) build everything as users have it. */
#ifndef SUPPORT_QUICK_H_
#define SUPPORT_QUICK_H_

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* CLBlast has its parameters in the text. */
static inline bool is_of_clblast(const cl_icd_dispatch *next, cl_program p) {
    size_t size = 0;
    char *text = NULL;
    if (!next->clGetProgramInfo(p, CL_PROGRAM_SOURCE, 0, NULL, &size) && size > 0) text = malloc(size);
    const bool of = text && !next->clGetProgramInfo(p, CL_PROGRAM_SOURCE, size, text, NULL) && strstr(text, "CLBlast");
    free(text);
    return of;
}

/** "-cl-opt-disable" or "", to be added to the options of a build on a device. */
static inline const char *quick_option(const cl_icd_dispatch *next, cl_program p, cl_device_id d, const char *options) {
    const char *wanted = getenv("CLG_TEST_QUICK");
    cl_device_type type = 0;
    bool groups = false;
    if (!wanted || strcmp(wanted, "1") != 0 || !d) return "";
    if (next->clGetDeviceInfo(d, CL_DEVICE_TYPE, sizeof type, &type, NULL) || !(type & CL_DEVICE_TYPE_CPU)) return "";
    for (const char *at = options; at && (at = strstr(at, "-DWG")) != NULL; at += 4) /* -DWGX=256, of cl/clg.clh */
        groups |= at[4] && at[5] == '=' && atoi(at + 6) != 1;
    return groups || is_of_clblast(next, p) ? " -cl-opt-disable" : "";
}

#endif /* SUPPORT_QUICK_H_ */

/* The virtual device: an OpenCL layer (CL/cl_layer.h) between the loader and a driver, here PoCL, that says of each
 * device what $CLGRAD_VIRTUAL tells it to say, and holds the caller to that. What its files share; the environment:
 *
 *   OPENCL_LAYERS=build/tests/virtual.so
 *   CLGRAD_VIRTUAL="amd-vega; intel-uhd,local=16384"   the first device of the driver, the second; others are hidden
 *   CLGRAD_VIRTUAL_FAULT="hang=conv*"                  faults, read anew at each call: virtual_fault.c lists them
 *
 * A device is the name of a profile (virtual_profiles.c) and changes to it: max_group=N, item=N (each axis),
 * local=BYTES, memory=BYTES, max_alloc=BYTES, align=BYTES, units=N, wave=N, image=N, vector=N (floats in a register),
 * fp64, no-fp64, fp16, no-fp16, subgroups, unified, discrete, cpu, gpu, cl12, cl30, and name=, vendor=, platform=,
 * driver= with texts without commas. */
#ifndef SUPPORT_VIRTUAL_H_
#define SUPPORT_VIRTUAL_H_

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#include <CL/cl_layer.h>
#include <stdbool.h>

enum virtual_wave { VIRTUAL_WAVE_MULTIPLE, VIRTUAL_WAVE_NV, VIRTUAL_WAVE_AMD, VIRTUAL_WAVE_UNKNOWN };

/** What a device says of itself; sizes in bytes. */
typedef struct virtual_spec {
    char profile[24], name[64], vendor[64], platform[64], driver[64];
    int  version;                /* 12, 20, 30 */
    cl_device_type type;
    cl_uint  units, mhz;
    size_t   max_group, item[3];
    cl_ulong local, memory, max_alloc; /* max_alloc 0: a quarter of the memory */
    cl_uint  align;
    bool     fp64, fp16, unified;
    int      wave;
    enum virtual_wave wave_by;   /* the query that tells the wave */
    size_t   image;              /* largest side; 0: no images */
    bool     subgroups;          /* named as an extension; the driver's compiler has none */
    cl_uint  vector;             /* native vector width for float; 0: 1 */
} virtual_spec;

extern const virtual_spec virtual_profiles[]; /* ends with an empty name */

/** Reads "amd-vega,local=16384"; false: what is wrong went to stderr. */
bool virtual_parse(const char *text, virtual_spec *spec);

/** The driver's own functions. */
extern const cl_icd_dispatch *virtual_next;

/** What was made of a device, of the first device of a context, of that of a queue; NULL: it is none of ours. */
const virtual_spec *virtual_of_device(cl_device_id d);
const virtual_spec *virtual_of_context(cl_context c);
const virtual_spec *virtual_of_queue(cl_command_queue q);
int virtual_index(cl_command_queue q); /* counts the devices from 0; -1: none of ours */

/** Says on stderr how a caller broke the device's rules, and returns the code. */
cl_int virtual_violation(cl_int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** fnmatch() of a kernel's name, "?" if the driver does not tell it. */
void virtual_kernel_name(cl_kernel k, char name[128]);

/** Puts the functions that inject faults into the table (virtual_fault.c); before_launch: CL_SUCCESS, or the error that
 *  the launch gives. */
void   virtual_fault_install(cl_icd_dispatch *table);
cl_int virtual_fault_before_launch(cl_command_queue q, cl_kernel k, cl_event *gate);
cl_int virtual_fault_after_launch(cl_command_queue q, cl_kernel k, cl_event *event);
bool   virtual_fault_kernel_limit(cl_kernel k, size_t *limit);
bool   virtual_fault_in_build(const char *source);

#endif /* SUPPORT_VIRTUAL_H_ */

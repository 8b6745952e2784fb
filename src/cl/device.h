/* L1, the only layer that sees OpenCL. Here: what upper layers may know of an opened device.
 * The reference device ("ref") is a device like the others whose buffers are host memory: every element, of any
 * dtype, is held as a double; it has no programs and no queues, and runs are done by the caller's thread. */
#ifndef CLG_CL_DEVICE_H_
#define CLG_CL_DEVICE_H_

#include <clgrad/device.h>
#include <clgrad/tensor.h>

enum clg_device_class { CLG_CLASS_CPU = 1, CLG_CLASS_GPU = 2 }; /* which shape of kernel suits it (design 12) */

typedef struct clg_device_caps {
    enum clg_device_class cls; /* GPU and accelerators: CLG_CLASS_GPU */
    bool   ref;
    int    compute_units;
    size_t max_group, max_item[3]; /* work-group limits: total, per axis */
    size_t local_mem, max_alloc;   /* bytes */
    size_t align;                  /* bytes: buffer slices start on multiples of this; at least 128 */
    bool   fp16, fp64, unified;
    bool   shares;                 /* host and device may write one piece of memory: clg_buffer_create_shared() */
    bool   profiling;
    int    vector_f32;             /* floats in a vector register; 0: unknown */
    bool   divides;                /* class cpu: its division is faster than products that replace one */
    int    wave;                   /* work-items that run in step on class gpu; 0: unknown */
    int    narrow;                 /* fewest work-items in step that a kernel may ask for (Intel); 0: it may not */
    int    registers;              /* of 32 bits that a work-item on class gpu can fill without spilling */
} clg_device_caps;

const clg_device_caps *clg_device_get_caps(const clg_device *d);

clg_device *clg_device_ref(clg_device *d); /* one more reference; returns d. clg_device_destroy() gives it back */

/** The device's name as far as results of measurements depend on it: the same for all parts of one size. */
const char *clg_device_kind(const clg_device *d);

/** What an upper layer keeps with a device (plan/exclude.c): freed with it. */
typedef struct clg_device_extra {
    void  *data;
    void (*free)(void *data);
} clg_device_extra;

clg_device_extra *clg_device_extra_of(const clg_device *d);

/** CLG_OK while the device works; once it is lost, CLG_ERR_DEVICE with what was first seen of that (lost.c). */
clg_status clg_device_check(const clg_device *d);

/** Whether kernels may join numbers by the functions of sub-groups: the device says that it has them, and a trial, made
 *  when this is first asked, gave what the host computes (subgroup.c). Programs that use them have the option
 *  CLG_SUBGROUP_OPTION. CLGRAD_SUBGROUPS=no switches them off; a language that has them (CL1.2, CL2.0, CL3.0) is
 *  believed without a trial. */
bool clg_device_has_subgroups(const clg_device *d);
#define CLG_SUBGROUP_OPTION "-DSUBGROUP=1"

/** Where files about the device are kept; NULL: nowhere. */
const char *clg_device_cache_dir(const clg_device *d);

/** Bytes of one element of t in this device's memory: clg_dtype_size(t), or sizeof(double) on "ref". */
size_t clg_device_elem_size(const clg_device *d, clg_dtype t);

/** Whether tensors of this type can live on the device. */
bool clg_device_has_type(const clg_device *d, clg_dtype t);

/** CLG_OK if tensors of this type can live on the device, else CLG_ERR_UNSUP with a remedy. */
clg_status clg_device_accepts(const clg_device *d, clg_dtype t);

/** True the first time that this key is asked for on this device, so that what concerns a device is said once. Without
 *  memory to keep it: always. */
bool clg_device_first_time(clg_device *d, const char *key);

#endif /* CLG_CL_DEVICE_H_ */

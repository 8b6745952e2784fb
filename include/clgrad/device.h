/* Devices: finding, opening, describing. */
#ifndef CLGRAD_DEVICE_H_
#define CLGRAD_DEVICE_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

/** An opened device. Thread-safety: safe; may be shared by threads. */
typedef struct clg_device clg_device;

enum clg_device_type { CLG_DEVICE_CPU, CLG_DEVICE_GPU, CLG_DEVICE_ACCEL, CLG_DEVICE_REF };

/** Facts about a device; sizes in bytes, 0 = unknown. Strings live as long as the device (or until exit). */
typedef struct clg_device_info {
    const char *name, *platform, *vendor, *driver;
    const char *version; /* OpenCL version of the device, e.g. "OpenCL 1.2 ..." */
    enum clg_device_type type;
    int      compute_units;
    uint64_t mem_total, mem_max_alloc, local_mem;
    uint64_t max_group;  /* work-items in a work-group */
    bool     fp16, fp64, command_buffer, subgroups, unified_memory;
    const char *quirks;  /* known driver faults that are worked around, "" if none */
} clg_device_info;

/** Number of devices the ICD loader shows, plus the reference device, which is always the last. Never below 1. */
CLG_API int clg_device_count(void);

/** Describes device i, 0 <= i < clg_device_count(). Opens nothing. */
CLG_API CLG_CHECK clg_status clg_device_list(int i, clg_device_info *info);

/** Index of the device that clg_device_open(which) would open now, or of which it would open a part. Returns a negative
 *  clg_status if none fits. */
CLG_API int clg_device_find(const char *which);

typedef struct clg_device_params {
    bool profiling;         /* queues record times; needed for times in clg_plan_report(); costs a little */
    const char *cache_dir;  /* default $CLGRAD_CACHE_DIR, else the XDG cache directory; "" = no disk cache */
    uint64_t mem_cap;       /* upper limit for device memory in bytes; default $CLGRAD_MEM_CAP, else none */
    int active_wait_us;     /* while runs of less than 1 ms, each with a clg_read(), follow each other closely, one
                               core of a CPU device stays awake between them for at most so many microseconds, since
                               waking it takes as long as a small network. 0: 200; negative: waits are passive */
    int timeout_ms;         /* longest wait for what was given to the device; then it counts as lost (see below). Must
                               be longer than all that is enqueued between two waits takes. 0: none */
} clg_device_params;

#define clg_device_params(...) (&(const clg_device_params){__VA_ARGS__})

/**
 * Opens a device by an index ("0", as in clg_device_list()) or a "platform:type:name" pattern, every part
 * optional, case ignored, platform and name matched as substrings, type one of cpu, gpu, accel, ref; a part
 * may also be a number, which counts among the devices that fit the others: "gpu", "gpu:1", "pocl",
 * "nvidia:gpu:0", "ref" (the C reference in double; needs no OpenCL). Of several that fit it is the best, where a GPU is
 * better than a CPU, and of one type a device whose platform has the word in its name before one that has it itself.
 * NULL or "" means $CLGRAD_DEVICE, else the best GPU, else an accelerator, else a CPU; never "ref".
 *
 * "#i/n" behind it asks for part i, 0 <= i < n, of n equal parts of the device (clCreateSubDevices): "pocl#0/2" has
 * half of its compute units, and info.name ends in "(part 1 of 2)". If the units do not come out even, some are in no
 * part. Parts share the device's memory, compiled programs and (with parts of one size) tuning records. How well they
 * are kept apart is the driver's matter: PoCL gives each its own cores, Intel's CPU runtime does not.
 *
 * Returns NULL on failure: CLG_ERR_DEVICE (the message lists what was found, or which package to install; or why there
 * is no such part).
 *
 * A device may be lost while it is used: unplugged, reset by its driver after a fault, or hung for longer than
 * timeout_ms. From then on each call that needs it fails at once with CLG_ERR_DEVICE and the first cause; other devices
 * go on. Everything may be destroyed as usual, and nothing waits for the device. Of one that hangs the command queues
 * and the memory of pending copies are not freed, since commands may still use them: they are lost to the process.
 * timeout_ms bounds all waits for commands: of reads, uploads, copies between devices, clg_device_finish() and destroy
 * functions. OpenCL has no bounded form of what else may block in a driver: compiling a program, enqueueing where the
 * driver waits for a full queue, releasing an object.
 */
CLG_API clg_device *clg_device_open(const char *which, const clg_device_params *params);

/**
 * Opens a comma list of devices, each as for clg_device_open(), with the same params: "pocl,intel", "gpu:0,gpu:1,cpu",
 * "pocl#0/2,pocl#1/2". None may be there twice, nor overlap another. devs has room for max. On failure nothing is open.
 *
 * Returns how many were opened, in the order of the list, or a negative status: CLG_ERR_INVALID for an empty entry,
 * more than max, or one that overlaps another; CLG_ERR_DEVICE as clg_device_open().
 */
CLG_API int clg_devices_open(const char *list, const clg_device_params *params, clg_device **devs, int max);

CLG_API void        clg_device_destroy(clg_device **dev);
CLG_API void        clg_device_get_info(const clg_device *dev, clg_device_info *info);

/** Blocks until all work given to the device is done; reports errors that happened meanwhile. */
CLG_API CLG_CHECK clg_status clg_device_finish(clg_device *dev);

/** Counters since the device was opened; memory in bytes. */
typedef struct clg_device_stats {
    uint64_t mem_used, mem_peak, mem_cap;          /* device buffers now, most ever, limit (0 = none) */
    uint64_t mem_pooled;                           /* held for reuse, not counted in mem_used */
    int      programs_built, programs_cached;      /* compiled from source; loaded from the disk cache */
    double   build_seconds;                        /* spent in compiling programs */
    uint64_t runs_joined;                          /* runs that the command of the run before did as well (CPUs) */
} clg_device_stats;

CLG_API void clg_device_get_stats(const clg_device *dev, clg_device_stats *stats);

CLG_END_DECLS

#endif /* CLGRAD_DEVICE_H_ */

/* What the files of src/cl share; the only place that includes CL/cl.h (1.2 entry points).
 *
 * Locks: clg_device.lock guards the pool, the statistics and the list of notes, and is held briefly; clg_build_lock()
 * is one for the process and guards program tables, compilers and CLBlast (whose own cache has a thread race before
 * 1.6.1); the lock of traces (recording.h) is innermost. Order: build lock first. */
#ifndef CLG_CL_INTERNAL_H_
#define CLG_CL_INTERNAL_H_

#ifndef CL_TARGET_OPENCL_VERSION /* shared.c has later ones */
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cl/launch.h"
#include "cl/trace.h"

/* --- the table of devices (catalog.c) --- */

/** Part i of n equal parts of a device; n 0: all of it. */
typedef struct clg_device_part { int i, n; } clg_device_part;

/** What was found behind the ICD loader. Static memory: strings live until exit. */
typedef struct clg_device_row {
    cl_platform_id  platform;
    cl_device_id    id;
    clg_device_info info;
    clg_device_caps caps;
    unsigned quirks;     /* enum clg_quirk */
    int      clock_mhz;
    clg_device_part part;       /* with n > 0, id is a sub-device that belongs to this row */
    char kind[128];      /* name without the number of the part: what was built or measured for it suits its like */
    char name[128], platform_name[128], platform_version[128], vendor[96], driver[96], version[128];
    char quirk_text[768];
    char unusable[96];   /* why it cannot be opened; "" if it can */
} clg_device_row;

/** Fills the table if that was not done; *n rows with "ref", also on failure, which says why only "ref" is there. */
clg_status clg_catalog_load(int *n);
bool clg_catalog_copy(int i, clg_device_row *row); /* false: no such row. The strings in row->info are the table's */
void clg_row_link(clg_device_row *row);            /* points row->info at the row's own strings */

/** A row for any device, also one that is not in the table. call is for messages. */
clg_status clg_catalog_describe(cl_device_id id, const char *call, clg_device_row *row);

/* --- choose.c, part.c --- */

/** clg_device_find() that also tells the part of the device. */
int clg_choose(const char *which, clg_device_part *part);

/** "pocl#1/2": whole "pocl", part 1 of 2. */
clg_status clg_part_split(const char *which, char *whole, size_t size, clg_device_part *part);

/** Turns the row of a whole device into that of a part, which stays until the process ends. */
clg_status clg_part_create(clg_device_row *row, clg_device_part part);

/* --- quirks.c --- */
enum clg_quirk {
    CLG_QUIRK_AVOID       = 1 << 0, /* never chosen unless asked for by name */
    CLG_QUIRK_GPU_KERNELS = 1 << 1, /* gets class gpu kernels although it is a CPU */
    CLG_QUIRK_NO_FILL     = 1 << 2, /* buffers are cleared by writing zeros */
    CLG_QUIRK_NO_PARTS    = 1 << 3, /* is never cut into parts */
    CLG_QUIRK_NO_BINARIES = 1 << 4, /* program binaries are neither kept nor loaded */
    CLG_QUIRK_NO_PREFETCH = 1 << 5, /* kernels are built with -DNO_PREFETCH */
    CLG_QUIRK_OWN_CACHE   = 1 << 6, /* program binaries are kept only where CLGRAD_BINARIES=on asks for it */
    CLG_QUIRK_APART       = 1 << 7, /* devices that are open at a time have programs of their own: clg_device.number */
    CLG_QUIRK_HEADER      = 1 << 8, /* programs declare what they call, instead of the driver's header */
};

/** Sets quirks and quirk_text of a row whose strings are filled in, and what they change in its caps. */
void clg_quirks_apply(clg_device_row *row);

/* --- device.c --- */
enum clg_device_state { CLG_DEVICE_WORKS, CLG_DEVICE_LOST, CLG_DEVICE_HUNG };
enum { CLG_POOL_MAX = 128 }; /* freed buffers kept */

typedef struct clg_awake clg_awake;

typedef struct clg_shared_count clg_shared_count;

typedef struct clg_resident clg_resident;

struct clg_device {
    atomic_int refs;
    clg_device_row   row;
    clg_device_caps  caps;
    cl_context       context;
    cl_command_queue queue, upload, download; /* the last two: NULL until a transfer channel wants them */
    cl_command_queue branch[CLG_QUEUES - 1];  /* further compute queues; NULL until a plan wants them */
    char            *cache_dir;       /* NULL: no disk cache */
    bool             keeps_binaries;  /* of programs, there */
    int              number;          /* that no other device has now, from 0; -1: it needs none */
    struct clg_program *programs;     /* build lock */
    bool             used_clblast;    /* build lock */

    pthread_mutex_t  lock;
    clg_device_stats stats;
    clg_buffer      *pool[CLG_POOL_MAX]; /* oldest first */
    int              n_pool;
    uint64_t         pool_limit;      /* bytes */
    clg_shared_count *shared;         /* memory of shared.c that has not gone; NULL: none was had */
    clg_note        *notes;           /* with an event that was not read yet */
    atomic_int       state;           /* enum clg_device_state */
    char             lost_text[600];  /* why, once the state says so */
    int              timeout_ms;      /* of waits; 0: none */
    clg_device_extra extra;
    struct clg_replay_calls *replay;  /* NULL: nobody has looked yet (replay.c) */
    atomic_int       replay_pays;     /* 0: unknown, 1: no, 2: yes */
    atomic_int       subgroups;       /* 0: unknown, 1: no, 2: yes (subgroup.c) */
    const char      *subgroup_std;    /* the language that has them; NULL: none */
    clg_awake       *awake;           /* NULL: waits are passive */
    bool             resides;         /* commands may be asked for more runs (resident.c) */
    clg_resident    *resident;        /* of the command that was enqueued last, if it may; else NULL */
    cl_uint          changes;         /* of that: modulo 2^32 */
    _Atomic(clg_trace *) trace;       /* NULL: nothing is recorded; changed behind the lock of traces */
    char           **told;            /* keys of clg_device_first_time() */
    int              n_told, cap_told;
};

pthread_mutex_t *clg_build_lock(void);

/** Opens what row describes, on a context and a queue of the application, or on new ones where they are NULL; NULL:
 *  reported. A part that the row holds goes to the device, or is released. */
clg_device *clg_device_create(const clg_device_row *row, cl_context context, cl_command_queue queue,
                              const clg_device_params *params);

/* --- lost.c --- */

#define CLG_CL_TIMED_OUT (-20001) /* beside OpenCL's codes: a wait was longer than clg_device_params.timeout_ms */

static inline bool clg_device_works(const clg_device *d) {
    return atomic_load_explicit(&d->state, memory_order_acquire) == CLG_DEVICE_WORKS;
}

/** Takes clg_error(), the message of a failed call, for the cause if the device is lost by it. */
void clg_device_note(clg_device *d, cl_int code, const char *call);

/** clWaitForEvents() of one event, clFinish(): within the device's time, else CLG_CL_TIMED_OUT. */
cl_int clg_wait_event(clg_device *d, cl_event e);
cl_int clg_wait_queue(clg_device *d, cl_command_queue q);

/** Before a command that uses the caller's memory: where waits are bounded, first waits for the commands before it, so
 *  that none is left behind in that memory when the time is over. Fails if the device is lost. */
clg_status clg_device_settle(clg_device *d);

/** CL_MEM_OBJECT_ALLOCATION_FAILURE and its like. */
bool clg_is_out_of_memory(cl_int code);

/** After such a code from a command: frees what is pooled and waits, after which the command may succeed. */
bool clg_make_room(clg_device *d);

/* --- queue.c --- */

/** Translates an OpenCL code: "clX: CL_Y (-n) on device 'd': what". what may be "". */
clg_status clg_cl_fail(const clg_device *d, cl_int code, const char *call, const char *fmt, ...) CLG_FMT(4, 5);
const char *clg_cl_code_name(cl_int code); /* "CL_OUT_OF_RESOURCES"; "unknown OpenCL code" */

clg_status clg_queues_create(clg_device *d);

/** Makes one more queue of the device, if *q is NULL. what: for the message. */
clg_status clg_queue_open(clg_device *d, cl_command_queue *q, const char *what);
clg_status clg_queues_finish(clg_device *d); /* waits; reads no times */
void       clg_queues_destroy(clg_device *d);

/** What traces call a queue: "compute", "compute 2", "upload", "download". */
void clg_queue_name(const clg_device *d, cl_command_queue q, char *to, size_t size);

/* --- note.c --- */

/** Whether a command is over, one way or the other; its times, if the driver tells them. */
bool   clg_event_done(cl_event event);
cl_int clg_event_times(cl_event event, uint64_t *start, uint64_t *end);

/** Reads the times of commands that are done into their notes; call when the queues are known to be done. */
void clg_notes_collect(clg_device *d);

/* --- link.c --- */

/** The queue of a command; l may be NULL. */
cl_command_queue clg_link_queue(const clg_device *d, const clg_link *l);

/** Whether a command is to be enqueued with an event, for its note, for a trace, or for its link; and what becomes of
 *  that event, which is taken over. note and l may be NULL; name: for traces, if there is no note. */
bool       clg_link_wants(const clg_device *d, const clg_note *note, const clg_link *l);
clg_status clg_link_give(clg_device *d, cl_command_queue q, clg_note *note, const char *name, const clg_link *l,
                         cl_event event);

/* --- awake.c --- */

/** limit_us: clg_device_params.active_wait_us. */
clg_status clg_awake_create(clg_device *d, int limit_us);
void       clg_awake_destroy(clg_device *d);

/** Flushes the compute queue and waits for an event of it. run: it is the end of a run. */
cl_int clg_awake_wait(clg_device *d, cl_event event, bool run);

/** When a run has been enqueued whole whose end will be waited for: ends the spinning before it, and maybe puts the
 *  next one behind it. */
void clg_awake_follow(clg_device *d);

/** Ends the spinning between runs; before anything that waits, and when a run has been enqueued whole. */
void clg_awake_ring(clg_device *d);

/** How often a kernel may look whether the next run has come, since it is likely to come soon and to be short; 0: it is
 *  not. */
cl_int clg_awake_looks(clg_device *d);

/* --- resident.c --- */

/** For a kernel with words in shared memory as cl/mega.clh says, which may do `most` runs in one command. arg: the
 *  OpenCL argument that tells the door. Without such memory, or if the device does not reside, each run is a command. */
clg_status clg_resident_create(clg_device *d, clg_buffer *words, cl_uint arg, int most, clg_resident **out);
void       clg_resident_destroy(clg_resident **r);

/** Before the kernel is enqueued: ends the present command, and sets the argument. *changes is for the next one. */
cl_int clg_resident_open(clg_resident *r, cl_kernel k, cl_uint *changes);

/** When it has been, with this event, which may be NULL. */
void clg_resident_opened(clg_resident *r, cl_uint changes, cl_event event);

/** Whether the last command of the kernel does one more run, behind which nothing else was enqueued. */
bool clg_resident_again(clg_resident *r);

/** Nothing more is asked of the present command. To be called behind whatever else is enqueued on the device, since the
 *  next run belongs behind that, and before what waits. */
void clg_resident_end(clg_device *d);

/** Whether the present command waits for more by itself. The device's lock is held. */
bool clg_resident_lingers(const clg_device *d);

/** Looks for `limit` seconds at most; true: all runs are done that were asked of the present command, whose event this
 *  is, and which will be ready for more for a while. */
bool clg_resident_wait(clg_device *d, cl_event event, double limit);

/* --- buffer.c --- */
struct clg_buffer {
    clg_device *device;
    cl_mem      mem;
    double     *host;   /* "ref" only */
    void       *address; /* where kernels and host see it; NULL: not known */
    void       *shared; /* the same, if the host may use it; NULL: it is the device's, or the application's */
    size_t      bytes;  /* asked for */
    size_t      size;   /* allocated: bytes + slack, rounded up to a size class; 0: the memory is the application's */
};

void clg_pool_trim(clg_device *d, uint64_t keep); /* frees pooled buffers, oldest first, until `keep` bytes are left */

/** CLG_ERR_INVALID unless n elements of t at elem lie within the buffer. */
clg_status clg_buffer_check(const clg_buffer *b, size_t elem, clg_dtype t, size_t n, const char *call);

/* --- shared.c --- */

/** Whether host and device may write words of one piece of memory: OpenCL 2.0, "fine-grained buffer". */
bool clg_shared_has(const clg_device_row *row);

/** Whether both may do that at the same time, by atomic operations. */
bool clg_shared_has_atomics(const clg_device_row *row);

/** Tells at which addresses of such memory the kernel works beside its arguments. */
cl_int clg_shared_uses(cl_kernel k, const void *const *addresses, size_t n);

/** Waits for a moment until all such memory of the device has gone: PoCL 3.1 lets go of what a command used some time
 *  after its event is complete, up to 10 ms on a busy machine, and calls the library then. */
void clg_shared_await(clg_device *d);

/** A buffer in such memory, which goes when the buffer and all that uses it have gone. Its first `zeros` bytes are 0; the
 *  others are not touched, so that they take no memory of a process yet. NULL: there is none to be had; nothing is
 *  reported. */
cl_mem clg_shared_create(clg_device *d, size_t bytes, size_t zeros, void **memory);

/* --- staging.c --- */

/** Host memory of a transfer channel. */
typedef struct clg_staging {
    void  *host;
    cl_mem pinned; /* what host is mapped from; NULL: ordinary memory */
} clg_staging;

/** q: the queue on which it is mapped, and unmapped. A staging of zeros is empty and may be freed. */
clg_status clg_staging_create(clg_device *d, cl_command_queue q, size_t bytes, const char *what, clg_staging *s);
void       clg_staging_free(clg_device *d, cl_command_queue q, clg_staging *s);

/* --- convert.c: elements of the "ref" device --- */
void clg_to_double(clg_dtype t, const void *from, double *to, size_t n);
void clg_from_double(clg_dtype t, const double *from, void *to, size_t n); /* rounds to nearest; integers saturate */

/* --- program.c, cache.c, source.c --- */

/** A function of a program: binaries of some drivers hold only the kernels that were launched before. */
typedef struct clg_function {
    char name[64];
    bool launched, saved;
} clg_function;

struct clg_program {
    atomic_int   refs;
    clg_device  *device;
    clg_program *next;       /* in the device's table */
    cl_program   program;    /* NULL: the build failed */
    char         key[65];    /* SHA-256 */
    char        *name, *options;
    char        *failure;    /* message of a failed build */
    clg_function *functions; /* lock of the device */
    int          n_functions, cap_functions;
};

/** All sources after #include, with #line directives. */
clg_status clg_source_expand(const clg_source *src, clg_str *out);

/** From the disk cache; false: a miss. Fills p->program and p->functions. */
bool clg_cache_load(clg_device *d, clg_program *p);

/** Writes the binary of a built program with the list of its launched functions. */
clg_status clg_cache_save(clg_device *d, clg_program *p);

/** Keeps other processes with the same cache directory from making the program of this key, until unlocked: PoCL 3.1
 *  removes and rewrites the files of a program that two processes build at once, and the loser fails or crashes
 *  (pocl issue 1480). Returns a descriptor for clg_cache_unlock(), or -1 if there is no lock to be had; waits a minute
 *  at most. The build lock is held: a POSIX lock belongs to the process. */
int  clg_cache_lock(const clg_device *d, const char *key);
void clg_cache_unlock(int lock);

/** Index of a function in p->functions, added if it is new; negative clg_status if there is no memory. */
int clg_program_function(clg_device *d, clg_program *p, const char *name);

/** Drops the device's table. */
void clg_programs_free(clg_device *d);

/* --- launch.c, gemm_clblast.c --- */

typedef struct clg_launch_range {
    const size_t *global, *local; /* of 3 axes */
} clg_launch_range;

/** What a recording launches, with the arguments that are bound now. Counts as launched. */
cl_kernel clg_kernel_range(clg_kernel *k, clg_launch_range *range);


void clg_clblast_release(clg_device *d); /* the device goes: drops CLBlast's cache if no other one uses it */

#endif /* CLG_CL_INTERNAL_H_ */

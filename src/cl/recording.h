/* The inside of a trace, for the two files that make it: trace.c records, trace_write.c writes. */
#ifndef CLG_CL_RECORDING_H_
#define CLG_CL_RECORDING_H_

#include "cl/internal.h"
#include "cl/trace.h"

enum {
    CLG_TRACE_NAME = 64, CLG_TRACE_DEVICES = 16, CLG_TRACE_QUEUES = 64, CLG_TRACE_THREADS = 32, CLG_TRACE_DEPTH = 16
};

/** One moment by both clocks. */
typedef struct clg_moment {
    uint64_t device; /* ns */
    double   host;   /* seconds of clg_now() */
} clg_moment;

typedef struct clg_span {
    char     name[CLG_TRACE_NAME];
    int      row;      /* of queues[], or -1 - of threads[] */
    cl_event event;    /* of a command whose times were not read yet; else NULL */
    bool     lost;     /* the driver gave no times */
    union {
        struct { uint64_t start, end; } ns; /* of a command */
        struct { double start, end; } s;    /* of the host, also for "ref" */
    } at;
} clg_span;

struct clg_trace {
    double     zero;        /* clg_now() at creation */
    clg_span  *spans;
    int64_t    n, max, dropped;
    int64_t    read;        /* no span before it has an event */
    int        n_devices, n_queues, n_threads;
    struct { clg_device *device; clg_moment first, last; } devices[CLG_TRACE_DEVICES];
    struct { int device; cl_command_queue queue; char name[32]; } queues[CLG_TRACE_QUEUES];
    struct {
        pthread_t thread;
        int depth;          /* may pass the maximum: the spans too many are dropped */
        struct { char name[CLG_TRACE_NAME]; double start; } open[CLG_TRACE_DEPTH];
    } threads[CLG_TRACE_THREADS];
};

/** One lock for all traces: it is the innermost, and held briefly but for writing. */
pthread_mutex_t *clg_trace_lock(void);

/** Reads the times of commands that are done, oldest first, until one is not, or `most` were; the lock is held. */
void clg_trace_read(clg_trace *t, int64_t most);

/** A moment by both clocks; waits for the device. */
clg_status clg_clock_compare(clg_device *d, clg_moment *m);

#endif /* CLG_CL_RECORDING_H_ */

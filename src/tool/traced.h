/* --trace and --trace-steps: a window of steps is recorded and written when its last step is over, or the run is. */
#ifndef CLG_TOOL_TRACED_H_
#define CLG_TOOL_TRACED_H_

#include "tool/tool.h"

typedef struct clg_traced_options {
    const char *path;  /* NULL: nothing is recorded */
    const char *steps; /* "10..60" */
} clg_traced_options;

typedef struct clg_traced {
    const char *path;
    int64_t     first, last; /* steps, counted from 1 */
    int64_t     done;        /* steps up to now */
    clg_device *const *devices;
    int         n_devices;
    clg_trace  *trace;       /* NULL before the window and behind it */
    bool        written;
} clg_traced;

#define CLG_TRACED_STEPS "10..60"

/** Reads the options; a device that will be traced must be opened with .profiling = (path != NULL). Returns 0 or an
 *  exit code after explaining. */
int clg_traced_parse(const clg_traced_options *o, const char *command, clg_traced *t);

/** The devices, which must stay open until clg_traced_end(); then the first step may begin. Returns an exit code. */
int clg_traced_begin(clg_traced *t, clg_device *const *devices, int n);

/** After each step was enqueued. Returns an exit code. */
int clg_traced_step(clg_traced *t);

/** The run is over, in whatever way: writes what there is. Says so if the run did not come to the window. Returns an
 *  exit code. */
int clg_traced_end(clg_traced *t);

#endif /* CLG_TOOL_TRACED_H_ */

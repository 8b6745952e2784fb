/* Traces: what devices and the host do over time, for looking at. */
#ifndef CLGRAD_TRACE_H_
#define CLGRAD_TRACE_H_

#include <clgrad/device.h>
#include <stdio.h>

CLG_BEGIN_DECLS

/**
 * A recording, written in Google's Trace Event Format (JSON), which chrome://tracing and https://ui.perfetto.dev show:
 * a process for the host with a row for each of its threads, and a process for each device with a row for each of its
 * queues. On the host's rows stand the caller's spans and every clg_run(), clg_write() and clg_read(), which is how
 * long enqueueing takes; on the device's rows when each command ran, by the device's own clock, which is brought in
 * line with the host's (to some microseconds).
 *
 * Recording allocates nothing and changes no result. Thread-safety: safe.
 */
typedef struct clg_trace clg_trace;

/** Takes the memory for max_spans (about 120 bytes each; 0: 100000); spans past them are not kept, but counted, and the
 *  file says how many. Returns NULL on failure: CLG_ERR_INVALID, CLG_ERR_NOMEM. */
CLG_API clg_trace *clg_trace_create(int64_t max_spans);

/**
 * From now on commands of the device are recorded, one row a queue ("compute", "upload", ...). Waits for the device, to
 * compare the clocks. The trace keeps the device open.
 *
 * Errors: CLG_ERR_INVALID if the device was opened without .profiling ("ref" needs none) or has a trace already, or if
 * the trace has 16 devices; CLG_ERR_DEVICE if the driver gives no times.
 */
CLG_API CLG_CHECK clg_status clg_trace_device(clg_trace *t, clg_device *dev);

/** A span of the calling thread, from begin to the end that belongs to it; may nest, 16 deep. The name is copied (63
 *  bytes). A span that has no end when the trace is written is not in the file. t NULL: nothing. */
CLG_API void clg_trace_begin(clg_trace *t, const char *name);
CLG_API void clg_trace_end(clg_trace *t);

/** Waits for the devices and writes everything recorded so far; recording goes on.
 *  Errors: CLG_ERR_IO; CLG_ERR_DEVICE if a command failed. */
CLG_API CLG_CHECK clg_status clg_trace_write(clg_trace *t, FILE *to);

/** The same into a file, which is replaced as a whole or not at all. Errors also: CLG_ERR_NOMEM. */
CLG_API CLG_CHECK clg_status clg_trace_save(clg_trace *t, const char *path);

/** Ends the recording on its devices. */
CLG_API void clg_trace_destroy(clg_trace **t);

CLG_END_DECLS

#endif /* CLGRAD_TRACE_H_ */

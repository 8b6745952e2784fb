/* Times of commands: notes, which hold when a step of a plan ran last, and what is recorded into a trace. Types of
 * CL/cl.h go by their tags. A device profiles or not for its whole life (clg_device_params.profiling); without it all
 * of this costs a comparison. */
#ifndef CLG_CL_TRACE_H_
#define CLG_CL_TRACE_H_

#include "cl/device.h"

#include <clgrad/trace.h>

struct _cl_command_queue;
struct _cl_event;

/** What is known of a command that is enqueued again and again. Its owner forgets it before its memory goes. */
typedef struct clg_note {
    const char *name;        /* in traces: implementation and first output, "conv.wino2 conv_7"; outlives the note */
    uint64_t    start, end;  /* ns of the device's clock, of the last enqueue that is known to be done; 0: unknown */
    struct _cl_event *event; /* of the last enqueue, if it was not read yet; lock of the device */
    struct clg_note  *next;
} clg_note;

static inline uint64_t clg_note_ns(const clg_note *n) { return n->end - n->start; }

/** Whether a command is to be enqueued with an event, for its note (may be NULL) or for a trace. */
bool clg_note_wants(const clg_device *d, const clg_note *n);

/** Takes over the event of a command that was enqueued on q: the note gets its times at the next clg_device_finish() or
 *  blocking read, the trace a span. name: for traces, if there is no note. event NULL: nothing. */
void clg_note_command(clg_device *d, struct _cl_command_queue *q, clg_note *n, const char *name,
                      struct _cl_event *event);

void clg_note_forget(clg_device *d, clg_note *n);

/* --- recording only; each does nothing if the device has no trace --- */

/** Whether commands of the device are recorded: then enqueue with an event, and give it to clg_trace_command(). */
bool clg_trace_wants(const clg_device *d);

/** Records a command of queue q when it is done; retains the event. Names: steps as in clg_note, "upload x",
 *  "download loss". */
void clg_trace_command(clg_device *d, struct _cl_command_queue *q, const char *name, struct _cl_event *event);

/** When a call or a step of "ref" begins: seconds of clg_now(); 0 if nothing is recorded. */
double clg_trace_start(const clg_device *d);

/** Records a call of this thread, "clg_write x", that began then and ends now. what NULL: no more than the call. */
void clg_trace_call(clg_device *d, const char *call, const char *what, double start);

/** Records a step of "ref", in the row of its device. */
void clg_trace_computed(clg_device *d, const char *name, double start);

#endif /* CLG_CL_TRACE_H_ */

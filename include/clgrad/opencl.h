/* For applications that use OpenCL themselves: clgrad on their context and queue, their memory as inputs and outputs,
 * their events. The types are those of CL/cl.h by their tags (cl_mem is struct _cl_mem *), so that this header needs
 * none; it is no part of clgrad.h. */
#ifndef CLGRAD_OPENCL_H_
#define CLGRAD_OPENCL_H_

#include <clgrad/plan.h>

CLG_BEGIN_DECLS

struct _cl_context;
struct _cl_device_id;
struct _cl_command_queue;
struct _cl_mem;
struct _cl_event;

/**
 * A device over an existing context. id is one of the context's devices, which may be a sub-device. queue is an
 * in-order queue of both, on which clgrad then enqueues, so its commands are ordered with the application's; NULL makes
 * one of its own. Context and queue are retained until the device and all that was made on it are destroyed.
 * params as for clg_device_open(); with a queue of the application active_wait_us has no effect: nothing but what a
 * plan needs is enqueued there.
 *
 * Errors: CLG_ERR_INVALID if context, id and queue do not belong together, the queue runs out of order, or .profiling
 *         is asked of a queue without CL_QUEUE_PROFILING_ENABLE; CLG_ERR_DEVICE if the device cannot be used.
 */
CLG_API clg_device *clg_device_wrap(struct _cl_context *context, struct _cl_device_id *id,
                                    struct _cl_command_queue *queue, const clg_device_params *params);

/** Bytes that must be readable behind a tensor in memory of the application: kernels read vectors past the end of rows.
 *  They use nothing of what they read there, and write nothing. */
enum { CLG_MEM_SLACK = 4096 };

/**
 * Uses memory of the application for an input or a readable target of a plan in place of the plan's own, without a
 * copy: row-major elements of the tensor's type from byte offset on. mem NULL goes back to the plan's own memory. Takes
 * effect with the next run; mem is retained until it is replaced or the plan is destroyed. What is in an input may
 * change between runs, in the order of the queue; clg_write() to it then fails. A target in memory of the application
 * can still be read by clg_read(). An input that the plan does not need is accepted and not read. Memory of two tensors
 * of one plan must not overlap; that is not checked.
 *
 * In a plan of several devices (clg_graph_pin()) mem belongs to the context of the device that uses t.
 *
 * Errors: CLG_ERR_INVALID for tensors that are neither, for constants, for memory of another context, too small (offset
 *         + tensor + CLG_MEM_SLACK), not readable or writable by its flags, or an offset that is no multiple of 128;
 *         CLG_ERR_UNSUP on the device "ref", and for what several devices use.
 */
CLG_API CLG_CHECK clg_status clg_plan_use(clg_plan *p, clg_tensor *t, struct _cl_mem *mem, size_t offset);

/**
 * clg_run() behind n events of other queues of the context (n 0: none), which is enqueued at once. done, if not NULL,
 * receives an event that completes with the run; the caller releases it. Both are of the context of the graph's device;
 * if other devices have parts of the plan, the call waits for the events and for those devices.
 */
CLG_API CLG_CHECK clg_status clg_run_events(clg_plan *p, unsigned n, struct _cl_event *const *wait,
                                            struct _cl_event **done);

CLG_END_DECLS

#endif /* CLGRAD_OPENCL_H_ */

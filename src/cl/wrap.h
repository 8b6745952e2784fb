/* Memory and events of an application that uses OpenCL itself. The types of CL/cl.h go by their tags: upper layers
 * pass them on and do not look inside. */
#ifndef CLG_CL_WRAP_H_
#define CLG_CL_WRAP_H_

#include "cl/buffer.h"

struct _cl_mem;
struct _cl_event;

/** A buffer over memory of the application, whose first `end` bytes are read, and written if `writes`. what is for
 *  messages. Retains mem until clg_buffer_destroy(). It is not counted as the device's memory and never pooled. */
clg_status clg_buffer_wrap(clg_device *d, struct _cl_mem *mem, size_t end, bool writes, const char *what,
                           clg_buffer **out);

/** The memory of such a buffer, or of any other. */
struct _cl_mem *clg_buffer_memory(const clg_buffer *b);

/** What is enqueued next on the compute queue waits for n events. */
clg_status clg_device_wait_for(clg_device *d, unsigned n, struct _cl_event *const *wait);

/** An event that completes when all that was enqueued on the compute queue is done; and makes that start. */
clg_status clg_device_mark(clg_device *d, struct _cl_event **done);

#endif /* CLG_CL_WRAP_H_ */

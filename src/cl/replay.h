/* Recorded commands: kernels that always follow each other are put into a command buffer once (cl_khr_command_buffer)
 * and enqueued by one call. */
#ifndef CLG_CL_REPLAY_H_
#define CLG_CL_REPLAY_H_

#include "cl/launch.h"

typedef struct clg_recorded clg_recorded;

/** Whether the device can record commands for its compute queue. */
bool clg_replay_can(clg_device *d);

/** Whether recorded commands gave right numbers in less time than enqueued ones. Measured once (replay_trial.c); kept
 *  for the process, and in the cache directory; without one it is not measured, and false. */
bool clg_replay_pays(clg_device *d);

/** Records n kernels in their order, with the arguments that they have now. They must outlive the recording. */
clg_status clg_recorded_create(clg_device *d, clg_kernel *const *kernels, int n, clg_recorded **out);

/** Enqueues all of them on the compute queue; never waits. *enqueued false: the last time is still under way, and this
 *  device cannot have both: enqueue the kernels themselves. */
clg_status clg_recorded_enqueue(clg_recorded *r, bool *enqueued);

void clg_recorded_destroy(clg_recorded **r); /* waits for the device, if it is under way */

#endif /* CLG_CL_REPLAY_H_ */

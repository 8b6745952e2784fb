/* How commands of different queues hang together: each compute queue runs in order, so an event is needed only where a
 * dependence crosses from one queue to another. Events go by the tag of cl_event: upper layers keep them and hand them
 * on. */
#ifndef CLG_CL_LINK_H_
#define CLG_CL_LINK_H_

#include "cl/device.h"

struct _cl_event;

enum { CLG_QUEUES = 4 }; /* compute queues of a device at most */

/** Where a command goes, what it waits for, and the event that it gives. A NULL link: queue 0, nothing, none. */
typedef struct clg_link {
    int queue;                     /* compute queue; others than 0 only after clg_device_branch() */
    int n_wait;
    struct _cl_event *const *wait; /* beside what is before it on its queue */
    struct _cl_event **done;       /* receives an event, which the caller releases; NULL: none is wanted */
} clg_link;

/** Gives an event back and sets it to NULL, which it may be already. */
void clg_event_release(struct _cl_event **e);

/** *to becomes one more owner of an event. */
clg_status clg_event_share(struct _cl_event *event, struct _cl_event **to);

/** The device has n compute queues from now on, if it had less. */
clg_status clg_device_branch(clg_device *d, int n);

/** What is enqueued next on l->queue waits for l->wait; l->done completes with all that was enqueued there. */
clg_status clg_link_mark(clg_device *d, const clg_link *l);

#endif /* CLG_CL_LINK_H_ */

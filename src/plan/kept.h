/* Copies of params and states that a run changes, so that it can be undone. They are in the memory of the device; where
 * that lacks, in the host's. */
#ifndef CLG_PLAN_KEPT_H_
#define CLG_PLAN_KEPT_H_

#include "plan/plan.h"

typedef struct clg_kept {
    struct clg_kept_copy *copies;
    int   n, cap;
    bool  crowded; /* nothing of it is to be in device memory */
} clg_kept;

/** Copies a slot as it is behind all that was enqueued. After a failure the copies before are still there. */
clg_status clg_kept_take(clg_kept *k, clg_slot *s);

/** Whether a slot can be put back; one without elements always can. */
bool clg_kept_has(const clg_kept *k, const clg_slot *s);

/** Moves the copies to host memory; false: it was done before, or it cannot be. */
bool clg_kept_make_room(clg_kept *k);

/** The slots are as they were; the copies stay. */
clg_status clg_kept_put_back(const clg_kept *k);

void clg_kept_drop(clg_kept *k);

#endif /* CLG_PLAN_KEPT_H_ */

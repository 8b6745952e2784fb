/* How kernels of class gpu divide a device's work-items over rows (cl/team.clh): reductions, softmax, moments,
 * scans. */
#ifndef CLG_OPS_TEAM_H_
#define CLG_OPS_TEAM_H_

#include "graph/op.h"
#include "plan/emit.h"

/** A work-group is the largest power of two that the device allows, up to this: 4 waves of 64, 8 of 32, 8 to 32 of
 *  Intel's SIMD 32 to 8, so that each scheduler of a compute unit of AMD or NVIDIA has one of a group or more. These
 *  kernels wait for memory, which waves hide: compiled offline, they take 20 to 58 registers and 1 KiB of local memory
 *  (moments, which hold 16 elements, 77), which is 12 to 16 waves a SIMD of gfx1030 of 16, 7 or 8 of 8 of gfx90a, and
 *  28 to 64 warps of 64 on sm_80 (moments in double: 21). With 1024 items, a barrier would wait for the last of 32
 *  waves. */
enum { CLG_TEAM_GROUP = 256, CLG_TEAM_LEAST = 8 };

/** At most `most` work-items of a group along the first axis, a power of two. */
int64_t clg_team_group(const clg_device *d, int64_t most);

typedef struct clg_team {
    int64_t group, lanes;  /* work-items of a group; of those, on one row */
    bool    subgroups;     /* they join by the functions of sub-groups; if lanes < group, a team is a sub-group */
} clg_team;

/** The team for each of so many rows of `length` elements: 32 lanes, a whole group for rows above 512. Where a device
 *  has sub-groups, and rows enough for each unit to be busy, a sub-group takes also longer ones, and no lane waits for
 *  another. may_join: whether the functions of sub-groups do what is wanted. */
clg_team clg_team_of(const clg_device *d, int64_t rows, int64_t length, bool may_join);

/** The team of a whole work-group. */
clg_team clg_team_whole(const clg_device *d, bool may_join);

/** Work-groups that a launch has for so many rows, in work-items. */
int64_t clg_team_items(const clg_team *t, int64_t rows);

/** The team's part of the options of a program. */
const char *clg_team_options(clg_emit *e, const clg_team *t, const char *others);

#endif /* CLG_OPS_TEAM_H_ */

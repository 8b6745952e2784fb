/* Teams of work-items: see team.h. */
#include "ops/team.h"
#include "ops/move.h"

enum { SMALL = 32, SMALL_ROW = 512, /* lanes of a small team, and its longest row: 4 vectors of 4 a lane */
       WAVE_ROW = 32,               /* elements of a lane, at most, where a sub-group takes a row that others split */
       BUSY = 16 };                 /* sub-groups a compute unit that have a row then */

int64_t clg_team_group(const clg_device *d, int64_t most) {
    const clg_device_caps *const c = clg_device_get_caps(d);
    int64_t n = 1;
    while (2 * n <= most && 2 * (size_t)n <= c->max_group && 2 * (size_t)n <= c->max_item[0]) n *= 2;
    return n;
}

clg_team clg_team_whole(const clg_device *d, bool may_join) {
    const int64_t group = clg_team_group(d, CLG_TEAM_GROUP);
    return (clg_team){ group, group, may_join && clg_device_has_subgroups(d) };
}

clg_team clg_team_of(const clg_device *d, int64_t rows, int64_t length, bool may_join) {
    const clg_device_caps *const c = clg_device_get_caps(d);
    const int64_t wave = c->wave > 0 ? c->wave : SMALL;
    clg_team t = clg_team_whole(d, may_join);
    if (length <= SMALL_ROW && t.group > SMALL) t.lanes = SMALL;
    const bool busy = rows >= (int64_t)BUSY * c->compute_units && length <= WAVE_ROW * wave;
    if (t.subgroups && busy && t.group > SMALL) t.lanes = SMALL;
    return t;
}

int64_t clg_team_items(const clg_team *t, int64_t rows) {
    return clg_div_up(rows, t->group / t->lanes) * t->group;
}

const char *clg_team_options(clg_emit *e, const clg_team *t, const char *others) {
    return clg_emit_options(e, "%s -DLANES=%d%s", others, (int)t->lanes, t->subgroups ? " " CLG_SUBGROUP_OPTION : "");
}

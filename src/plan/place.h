/* Plans of several devices. Such a plan is cut into parts, each of which one device computes without waiting for
 * another one: an ordinary plan over the same graph, restricted to the nodes of the part. Values that other parts want
 * leave a part as its targets and enter another as its inputs do; parts of one device share their memory. The plan of
 * the whole has no steps of its own: it runs its parts in order, and the copies between devices.
 *
 * Values of the graph have the same indices, and the same roots, in the plan of the whole and in all parts. */
#ifndef CLG_PLAN_PLACE_H_
#define CLG_PLAN_PLACE_H_

#include "cl/transfer.h"
#include "plan/plan.h"

/** A value that one device has and a part on another one wants. */
typedef struct clg_crossing {
    int root;
    int from, to;           /* parts; from -1: a variable, copied before anything of the run */
    clg_transfer *transfer;
    uint_fast64_t version;  /* of the variable, as it was sent */
    bool sent;
} clg_crossing;

typedef struct clg_part {
    clg_device *device;
    clg_plan   *plan;
    const clg_tensor **targets; /* what leaves it, what is read, what is assigned */
    int         n_targets, cap_targets;
    int        *imports;        /* roots that come from outside, inputs excepted */
    int         n_imports, cap_imports;
} clg_part;

struct clg_parts {
    clg_part *part;         /* in the order of the run */
    int       n, cap;
    int      *of_node;      /* by node id: the part that computes it; -1: whichever reads it, or none */
    int       n_nodes;
    clg_crossing *crossing; /* in the order of `to` */
    int       n_crossings, cap_crossings;
};

/* --- place.c: devices of nodes --- */

/** The device that computes a needed node; NULL: it is a source, view, constant or effect. */
clg_device *clg_plan_device_of(const clg_plan *p, const clg_node *n);

/** Sets p->device if one device computes all that is needed and has all variables of it; else *mixed. */
clg_status clg_plan_find_device(clg_plan *p, bool *mixed);

/** Finds needed nodes with types that their devices lack; *mixed if there are any. */
clg_status clg_plan_check_types(clg_plan *p, bool *mixed);

/** Notes that a node has to be computed by the reference, unless a candidate is measured. why: static text. */
clg_status clg_plan_refuse(clg_plan *p, const clg_node *n, const char *why);

void clg_findings_destroy(clg_findings **f);

/** Counts the nodes that fell back into p->info and logs, once for each op and device. */
void clg_plan_tell_fallbacks(clg_plan *p);

/* --- split.c --- */

/** Cuts the needed nodes of an analysed plan into p->parts. */
clg_status clg_plan_split(clg_plan *p);

/* --- parts.c --- */

/** Compiles the parts and makes the transfers. */
clg_status clg_parts_analyse(clg_plan *p);
clg_status clg_parts_complete(clg_plan *p);
clg_status clg_parts_run(clg_plan *p);
clg_status clg_parts_write(clg_plan *p, clg_tensor *input, const void *data, size_t bytes);
clg_plan  *clg_parts_owner(const clg_plan *p, const clg_tensor *target); /* the part that it is read from */
void       clg_parts_destroy(clg_parts **parts);

/** Whether another part computes a node. */
bool clg_part_is_foreign(const clg_plan *p, const clg_node *n);

/** Gives the values that come from outside places in memory, or finds the part before that has them. */
void clg_part_import(clg_plan *p);

/** Takes over the memory of a borrowed value. */
void clg_part_borrow(clg_plan *p, int value);

/* --- compile.c --- */

/** An empty plan with a reference to the graph; NULL: reported. */
clg_plan *clg_plan_create(clg_graph *g, clg_device *dev, const clg_plan_params *params);
/** All passes before implementations are chosen, for targets that are listed. */
clg_status clg_plan_study(clg_plan *p);
/** Tunes what the caller wants tuned, and chooses implementations. */
clg_status clg_plan_choose(clg_plan *p);
/** All passes behind that. */
clg_status clg_plan_finish(clg_plan *p);
/** i: its number, for messages. */
clg_status clg_plan_add_target(clg_plan *p, const clg_tensor *t, int i);

#endif /* CLG_PLAN_PLACE_H_ */

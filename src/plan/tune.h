/* Which implementation, with which knob values: records of what was measured, and the measuring.
 *
 * A record is a line of text, "KEY = IMPL KNOB=VALUE ... # remarks". The key says what is computed: the op, the
 * operands and the attributes of a node, and the ops of the chain behind it. Records come from the cache directory, one
 * file for each device, driver and version of the library (tune_file.c), and from the library itself: the shipped
 * defaults for a class of devices (src/plan/tuned). In those a key may have * and ?; the first that fits counts. */
#ifndef CLG_PLAN_TUNE_H_
#define CLG_PLAN_TUNE_H_

#include "plan/plan.h"
#include <clgrad/tune.h>

/** Appends the key of a unit whose implementation is to be chosen; chain: with the ops behind it that may be its tail.
 *  A record for the op alone holds for all chains that have none of their own. */
void clg_tune_key(const clg_unit *u, bool chain, clg_str *out);

/** Appends "conv.direct_cpu tile=3": the implementation and the knobs that are not at their defaults. */
void clg_choice_print(const clg_choice *c, clg_str *out);

/** "heuristic", "shipped", "tuned", "forced". */
const char *clg_chosen_name(enum clg_chosen by);

/** An implementation with all knobs at their defaults. */
clg_choice clg_choice_default(const clg_impl *m, enum clg_chosen by);

/* --- records (tune_file.c) --- */

/** The text of a file of records, or an empty one. */
typedef struct clg_records {
    const char *text;
    size_t      size;
    char       *owned; /* text, if it is to be freed */
} clg_records;

/** Reads the records of a device; none on any trouble, which is logged: a damaged file must not stop a program. */
clg_records clg_records_load(const clg_device *d);
void        clg_records_free(clg_records *r);

/** The defaults that the library ships for the class of a device, "" if it has none. Static storage. */
clg_records clg_records_shipped(const clg_device *d);

/** Whether an implementation may be chosen for a node, by what only the caller knows. */
typedef bool (*clg_choice_filter)(const void *user, const clg_node *n, const clg_impl *m);

/** Looks a key up. What names an implementation or a knob that is unknown here, or that `may` refuses, is passed over.
 *  globs: keys of records are patterns, of which the first that fits counts; else equal keys count, the last of them.
 *  unfinished, if not NULL, tells whether the search was cut short. */
bool clg_records_find(const clg_records *r, bool globs, const char *key, const clg_node *n, clg_choice_filter may,
                      const void *user, clg_choice *out, bool *unfinished);

/** What was measured of one key. */
typedef struct clg_record {
    const char *key;
    clg_choice  best, before; /* before: what is taken without the record */
    double      best_s, before_s; /* seconds a run */
    bool        unfinished;   /* the time was up before all candidates had been tried */
} clg_record;

/** Puts a record into the file of the device in place of that of the same key: other processes may do the same at the
 *  same time. Without a cache directory it does nothing. */
clg_status clg_records_store(const clg_device *d, const clg_record *r);

/** Puts a line "KEY = ..." into the file in place of those with that key; NULL: only removes them. */
clg_status clg_records_put(const clg_device *d, const char *key, const char *text);

/** A line of a file; its texts end by their sizes. */
typedef struct clg_records_line {
    const char *key, *value;
    size_t key_size, value_size;
} clg_records_line;

/** The next line whose key begins with a text, from *at, which is 0 at first; false: there is none. */
bool clg_records_next(const clg_records *r, size_t *at, const char *begin, clg_records_line *out);

/** The path of the file, or "" without a cache directory. */
clg_status clg_records_path(const clg_device *d, clg_str *out);

/* --- measuring (tune.c, tune_check.c) --- */

/** Finds the fastest right candidate of a unit. Until `deadline` (seconds of clg_now()); what was found until then
 *  is in *r with `unfinished` set, unless nothing was: then r->best.impl is NULL. */
typedef struct clg_tune_job {
    clg_plan       *plan;      /* analysed: compile.c */
    const clg_unit *unit;
    double          deadline;
    bool            all_impls; /* also those that are made for the other class of devices */
    int             candidates, wrong; /* out: how many were tried; how many of them gave wrong results */
} clg_tune_job;

clg_status clg_tune_unit(clg_tune_job *job, clg_record *r);

/** Whether there is anything to choose for a unit. */
bool clg_tune_has_choice(const clg_plan *p, const clg_unit *u, bool all_impls);

/* --- races (race.c) --- */

#define CLG_RUNNER_FAILED 1e30 /* instead of the time of what cannot be run any more */

typedef struct clg_runner {
    clg_plan *plan; /* NULL: it is out */
    int       runs; /* in one measurement */
    double    best; /* seconds a run */
} clg_runner;

/** The first runs, which find how many make a measurement. */
clg_status clg_runner_warm(clg_runner *r);

/** The fastest of n runners that are warm; the first has the right to a tie. Times stay also of those who drop out,
 *  whose plans are destroyed. Shorter behind the deadline. */
int clg_race(clg_runner *r, int n, double deadline);

/* --- compute queues (tune_queues.c) --- */

/** Appends the key of the number of queues that a plan's branches are spread over. */
void clg_queues_key(const clg_plan *p, clg_str *out);

/** The number in a record; 0: there is none. */
int clg_queues_find(const clg_records *r, const char *key);

/** What was measured. */
typedef struct clg_queues_record {
    int    queues;           /* 0: the plan has no branches, or something failed */
    double best_s, before_s; /* seconds a run; before: with one queue */
    int    candidates, wrong;
    bool   unfinished;
} clg_queues_record;

/** Runs an analysed plan with more and more queues while that makes it faster. Params and states are as before, also
 *  after a failure; if they cannot be put back it is CLG_ERR_DEVICE. */
clg_status clg_queues_measure(const clg_plan *p, double deadline, clg_queues_record *r);

clg_status clg_queues_store(const clg_plan *p, const char *key, const clg_queues_record *r);

/** Whether there are units that do not wait for each other, on a device with queues; false for several devices. */
bool clg_plan_branches(const clg_plan *p);

/** Whether the caller or the environment has left the number of queues to us. */
bool clg_queues_unset(const clg_plan *p);

/** Tunes what has no record in an analysed plan and stores the records; `seconds` in all. */
clg_status clg_tune_plan(clg_plan *p, const clg_tune_params *params, clg_tune_info *info);

/* --- a unit as a graph of its own (tune_graph.c) --- */

/** A part of a problem: positions first .. first + count - 1 of the axes in cut. */
typedef struct clg_tune_part {
    clg_cut cut;
    int64_t first, count;
} clg_tune_part;

enum { CLG_TUNE_INPUTS = 64 };

typedef struct clg_tune_graph {
    clg_graph *graph;
    int n_in, n_out;
    const clg_tensor *given[CLG_TUNE_INPUTS]; /* what in[i] stands for */
    int axis[CLG_TUNE_INPUTS];                /* along which in[i] is a part of that; -1: the whole */
    clg_tensor *in[CLG_TUNE_INPUTS], *out[CLG_MAX_OUT];
    clg_tensor *nudge, *own; /* an input, a number, and the op's own result with that added, from which the chain goes
                                on; NULL: there is no chain of reals, or it was not asked for */
} clg_tune_graph;

/** Builds the unit's nodes on a device; part NULL: at full size. Inputs come in the same order each time, a nudge, if
 *  that is wanted, not among them. The graph is destroyed by the caller, also after a failure. */
clg_status clg_tune_graph_build(clg_tune_graph *t, clg_device *d, const clg_plan *p, const clg_unit *u,
                                const clg_tune_part *part, bool nudged);

/* What a unit computes from given operands, and whether a candidate does the same. */
typedef struct clg_tune_check clg_tune_check;

/** Makes operands and computes what the reference says. */
clg_status clg_tune_check_create(const clg_plan *p, const clg_unit *u, clg_tune_check **out);
void       clg_tune_check_destroy(clg_tune_check **c);

/** Runs a candidate's plan over the operands. *right: it agrees with the reference, and with the candidates before. */
clg_status clg_tune_check_run(clg_tune_check *c, clg_plan *plan, const clg_tune_graph *g, bool inexact, bool *right);

/** Contents of an operand, small integers: of integers below the limit, of others -3 to 3, positive: 1 to 4, for ops
 *  that take no others. NULL: no memory. The caller frees them. */
void *clg_tune_operand(const clg_tensor *t, int64_t limit, uint64_t seed, bool positive);

/** How the last wrong candidate differed. */
const char *clg_tune_check_why(const clg_tune_check *c);

#endif /* CLG_PLAN_TUNE_H_ */

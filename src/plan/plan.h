/* The plan under construction and the finished plan: what the passes of src/plan share.
 *
 * clg_compile() (compile.c) calls the passes in this order:
 *   micro    a large batch by parts (micro.c)
 *   values   what is needed; views and constants (compile.c)     order    in-place updates, order of units (schedule.c)
 *   fold     constants computed at compile time (fold.c)         feed     units that others compute (feed.c)
 *   fuse     elementwise nodes -> units (fuse.c)                 emit     units -> steps (emit.c, codegen.c, tail.c)
 *   select   implementation of each unit (select.c, widen.c)     prepare  steps that are not part of a run (prepare.c)
 *                                                                memory   lifetimes -> places in buffers (memory.c)
 *                                                                batch    equal elementwise kernels -> one (batch.c)
 *                                                                queues   branches side by side (queues.c)
 *                                                                mega     short steps -> one kernel (mega.c)
 *                                                                bind     programs, kernels, arguments (run.c)
 *                                                                link     events between queues (enqueue.c)
 * A pass refers to values, units and steps by their index: the arrays move as they grow. */
#ifndef CLG_PLAN_PLAN_H_
#define CLG_PLAN_PLAN_H_

#include "base/arena.h"
#include "base/str.h"
#include "cl/replay.h"
#include "graph/graph.h"
#include "plan/emit.h"
#include <clgrad/plan.h>

/** Where the elements of a value are. */
enum clg_place {
    CLG_PLACE_NONE,  /* not in device memory: unused, or a constant that stands in kernel texts and arguments */
    CLG_PLACE_ARENA, /* in memory shared over time */
    CLG_PLACE_FIXED, /* in a buffer of its own: inputs, constants, tables, targets */
    CLG_PLACE_SLOT,  /* in the store */
};

/** A tensor as the plan sees it; the first values are the graph's tensors by id, then scratch and tables. */
typedef struct clg_value {
    const clg_tensor *t;
    enum clg_place place;
    int  root;             /* the value whose elements these are (views); all fields below are valid for roots only */
    int  mem;              /* the value in whose memory it lives (updates in place); itself otherwise */
    int  unit;             /* the unit that computes it; -1: a source or constant */
    int  last_unit;        /* position in the order of the last unit that reads it; -1: none */
    int  first, last;      /* of mem: first and last step that touch it; first -1: none */
    bool constant;         /* known at compile time: `number` if uniform, else `host` */
    bool uniform;          /* all elements are `number` */
    bool leaves;           /* another unit than its own reads it */
    bool prepared;         /* of mem: steps that are not part of a run write it */
    bool scratch, keep;    /* keep: a target, or source of a copy at the end: nothing may overwrite it */
    double number;
    const void *host;      /* elements of dtype t */
    clg_slot   *slot;      /* PLACE_SLOT */
    clg_buffer *buffer;
    uint64_t    offset;    /* elements */
    clg_upload *upload;    /* of an input */
    bool        import;    /* computed by another part of the plan (place.h) */
    bool        borrowed;  /* buffer belongs to an earlier part */
    clg_buffer *own;       /* the plan's memory, while buffer is the application's (interop.c); else NULL */
} clg_value;

/** Who chose an implementation: the rules of select.c, the library's defaults for a class of devices, a measurement on
 *  this device, or the caller. */
enum clg_chosen { CLG_CHOSEN_HEURISTIC, CLG_CHOSEN_SHIPPED, CLG_CHOSEN_TUNED, CLG_CHOSEN_FORCED };

enum { CLG_MAX_KNOBS = 8 };

/** An implementation and the values of its knobs, in the order of its table. */
typedef struct clg_choice {
    const clg_impl *impl;
    int             knob[CLG_MAX_KNOBS];
    enum clg_chosen by;
} clg_choice;

enum { CLG_MAX_FUSED = 32 }; /* nodes in a unit: bounds the registers of a kernel */

/** What is computed in one go: several fused elementwise nodes of one shape, or one other node, and behind it maybe
 *  such nodes, its tail. */
typedef struct clg_unit {
    const clg_node **nodes; /* in order of creation; one that is not elementwise first */
    int  n_nodes;
    bool elementwise;
    const clg_impl *impl;   /* of a node that is not elementwise */
    clg_choice choice;      /* that implementation again, its knobs, and why */
    const clg_node *seen;   /* what that sees: the node, with f32 in place of floats of 16 bits */
    struct clg_unit *feeder; /* the unit that makes input 0, and has no steps: this one's compute it on the way; NULL */
    bool fed;               /* and that is one */
} clg_unit;

/** A store into a slot at the end of the run. */
typedef struct clg_effect {
    const clg_node *node;
    int  dst, src;          /* roots: the variable, the new value */
    bool in_place;          /* the unit of src writes into the slot itself */
    int  snapshot;          /* a copy of src's old value taken at the start of the run; -1: none needed */
} clg_effect;

enum clg_step_kind { CLG_STEP_KERNEL, CLG_STEP_COPY, CLG_STEP_GEMM, CLG_STEP_REF };

typedef struct clg_step_arg {
    enum clg_arg_kind kind;
    const char *name;
    int value;              /* IN, OUT, INOUT: index of a root */
    bool constant;          /* a number of the text of a generated kernel, not a size */
    union { int64_t i; double f; size_t bytes; } u;
} clg_step_arg;

typedef struct clg_step {
    enum clg_step_kind kind;
    int unit;               /* -1: a copy that the plan itself needs */
    const char *impl;       /* "conv.direct_cpu", "copy" */
    const char *file, *function, *options; /* KERNEL; file NULL: generated by codegen.c */
    size_t global[3], local[3];
    clg_step_arg *args;     /* COPY: src, dst; GEMM: a, b, c; REF: inputs, outputs */
    int n_args;
    clg_emit_gemm_params gemm_params;
    clg_gemm    gemm;
    const char  *tail;      /* KERNEL: text before the file (tail.c); NULL: none */
    const struct clg_unit *feeder; /* the unit that is computed on the way; NULL: none */
    bool flat;              /* generated: element i of all tensors belongs together, i < n; no other axes or strides */
    int first_node, n_nodes; /* what it computes of its unit */
    clg_program *program;
    clg_kernel  *kernel;
    double   flops, bytes;  /* by the cost functions; at the last step of a unit */
    clg_note note;          /* when it ran last */
    int      queue;         /* compute queue */
    int      waits[CLG_QUEUES], n_waits; /* steps of other queues that must be done before (queues.c) */
    bool     forks;         /* the first on its queue, and waits for no step: for the start of the run */
    bool     signals;       /* a step or the end of the run waits for it */
    bool     linked;        /* none of that is as usual, or transfers wait for it, or it for them (enqueue.c) */
    clg_recorded *replay;   /* of this kernel and those behind it, before replay_end; NULL: none begins here */
    int      replay_end;
    struct clg_mega *mega;   /* that it is part of; NULL: none */
    struct _cl_event *event; /* of the last enqueue, if somebody waits for it; else NULL */
} clg_step;

/** A generated kernel; equal ones are shared by the units of a plan. */
typedef struct clg_generated {
    char *body;             /* everything behind the name */
    char  name[16];
} clg_generated;

/** What a kernel computes of its results before it stores them. */
typedef struct clg_tail {
    const char   *text;     /* NULL: none, or none that a kernel can have */
    clg_step_arg *args;     /* behind those of the kernel */
    int    n_args, out;     /* out: the root that is stored in place of the node's own */
    double flops, bytes;
} clg_tail;

/** A param that prepared steps read, and its version when they did. */
typedef struct clg_watch {
    struct clg_slot *slot;
    uint_fast64_t    version;
} clg_watch;

/** A readable target. */
typedef struct clg_target {
    const clg_tensor *t;
    const clg_tensor *made; /* what is computed for it: t, or of the parts of the batch what makes the same (micro.c) */
    int value;              /* the root, or a snapshot of a variable */
    clg_download *download; /* NULL: clg_read_begin() was not called yet */
    int first, last;        /* with download: the steps of a run that write it; -1: none does */
} clg_target;

/** An implementation that failed when the plan was made, and is not taken again. */
typedef struct clg_bar {
    const clg_device *device;
    int         node; /* id; -1: for all, since elementwise kernels share a program */
    const char *impl;
    char       *why;
} clg_bar;

typedef struct clg_bars {
    clg_bar *bar;
    int      n, cap;
} clg_bars;

/** An input with two buffers, and the steps of a run that read it. */
typedef struct clg_doubled {
    int value, n_steps;
    int *steps;
} clg_doubled;

/** A node that the reference computes because its device cannot. */
typedef struct clg_fallback {
    const clg_node *node;
    const char *why; /* static */
} clg_fallback;

/** What was found out while a plan was being made; compiling starts again when there is more. */
typedef struct clg_findings {
    clg_fallback *f;
    int      n, cap;
    clg_bars bars;
} clg_findings;

typedef struct clg_parts clg_parts; /* place.h */
typedef struct clg_mega clg_mega;   /* mega.c */

struct clg_plan {
    clg_graph  *graph;
    clg_device *device;
    const clg_device_caps *caps;
    clg_plan_params params; /* impl is copied */
    const clg_choice *force; /* a candidate that is measured: for every op that has its implementation; without one
                                (impl NULL), only nothing is tuned. Else NULL */
    int         failed_step; /* that clg_plan_bind() could not bind, or the last run not enqueue; -1: none */
    clg_parts  *parts;      /* what several devices do; then there are no units and steps here. Else NULL */
    clg_plan   *whole;      /* this is number `part` of its parts; else NULL */
    int         part;
    clg_findings *findings; /* of the plan and all its parts */
    bool        owns_findings;
    clg_arena   arena;      /* host objects of the plan */

    clg_value *values;
    int   n_values, cap_values, n_tensors; /* n_tensors: of the graph at compile time */
    bool *needed;           /* by node id */
    int  *micro_part;       /* by node id: the part of the batch that it is the last one to need, from 1 on; 0: none;
                               NULL: the batch is not cut (micro.c) */
    bool *micro_sum;        /* and whether it is a sum that further parts are added to; NULL with that */
    int   n_nodes;

    clg_unit *units;
    int       n_units;
    uint64_t *reach;        /* row u, bit v: unit u must run after unit v */
    int       words;        /* of a row */
    int      *order;        /* units in the order of the run, without those that were merged away */
    int       n_order;

    clg_effect *effects;
    int         n_effects, cap_effects;
    clg_target *targets;
    int         n_targets, cap_targets;
    int       (*snapshots)[2]; /* copies at the start of a run: variable, copy */
    int         n_snapshots, cap_snapshots;

    clg_step *steps;
    int       n_steps, cap_steps;
    int       n_prepared;    /* the first steps, which are run when one of `watched` has changed */
    bool      is_prepared;   /* that was done */
    clg_watch *watched;
    int        n_watched;
    clg_generated *generated;
    int            n_generated, cap_generated;
    unsigned       generated_types; /* bit t: some generated kernel deals with dtype t */
    clg_program  **programs; /* distinct ones, each with a reference */
    int            n_programs, cap_programs;

    clg_buffer **arenas;
    uint64_t    *arena_bytes;
    int          n_arenas, cap_arenas;
    uint64_t     bytes_lower; /* no plan in this order of steps can need less */
    clg_doubled *doubled;
    int          n_doubled;
    struct _cl_event **waits; /* room for the events that a step waits for */
    int  n_queues;           /* compute queues */
    int  tuned_queues;       /* as many were the fastest when it was measured; 0: it was not, or nobody asked */
    int  last;               /* step of a run on the first one */
    bool forks;              /* some step waits for the start of the run */
    int  joins[CLG_QUEUES], n_joins; /* steps that the first queue waits for at the end of a run */
    struct _cl_event *start, *end;   /* of the last run; end: of a run with joins, else it is the last step's */
    bool shares;             /* inputs and targets are in shared memory, where the device has it */
    bool shows;              /* some target is */
    bool marks_end;          /* runs give the event of their end: inputs or targets need it */
    bool ended;              /* and the end of the last run is behind all runs so far */
    bool idle;               /* and was waited for */
    bool again;              /* the last run was asked of the command of the one before */
    clg_plan_info info;
    bool replays, recorded;  /* kernels are to be recorded; they are */
    bool unbound;            /* some steps lack the kernels that they are to have in place of a megakernel */
    bool ran, saved;         /* a run was made; the programs were saved after it */
    bool proven;             /* a run was enqueued whole */
};

struct clg_emit {
    clg_plan *plan;
    const clg_node *node;
    int        unit;
    const clg_impl *impl;
    bool       tailed;       /* a launch computes the unit's tail */
    bool       fed;          /* and its feeder */
    clg_status status;       /* sticky */
};

/** What a candidate for an op takes wherever it can, to be measured; NULL: the plan is no such candidate. */
static inline const clg_choice *clg_plan_candidate(const clg_plan *p) {
    return p->force && p->force->impl ? p->force : NULL;
}

/* --- values (compile.c) --- */
static inline int clg_root_of(const clg_plan *p, const clg_tensor *t) { return p->values[t->id].root; }
static inline clg_value *clg_root_value(const clg_plan *p, const clg_tensor *t) {
    return &p->values[clg_root_of(p, t)];
}
static inline int64_t clg_value_elems(const clg_value *v) { return clg_shape_elems(v->t->shape); }
size_t clg_value_bytes(const clg_plan *p, const clg_value *v); /* in this device's memory */

/** The value whose memory v has: itself, or the one that it took over in place. */
static inline int clg_value_mem(const clg_plan *p, int v) {
    while (p->values[v].mem != v) v = p->values[v].mem;
    return v;
}

/** What a step writes, for people: the variable, where a new value of it goes to its memory. */
static inline const clg_tensor *clg_written(const clg_plan *p, int v) {
    const int mem = clg_value_mem(p, v);
    return p->values[p->values[mem].place == CLG_PLACE_SLOT ? mem : v].t;
}

static inline bool clg_arg_touches(const clg_step_arg *a) { return a->kind <= CLG_ARG_INOUT; }
static inline bool clg_arg_writes(const clg_step_arg *a) { return a->kind == CLG_ARG_OUT || a->kind == CLG_ARG_INOUT; }

/** A new value with a tensor of its own; its index, or a negative clg_status. */
int clg_value_add(clg_plan *p, clg_dtype type, clg_shape shape, const char *name);

/** Output 0 of such a node is the input that it reads, under another shape or name. */
bool clg_node_is_view(const clg_plan *p, const clg_node *n);

/** How many inputs of a node are read: views and assign read less than they have. Writes the first to *from. */
int clg_node_reads(const clg_plan *p, const clg_node *n, int *from);

/** Marks in needed[] what the targets need; stops at constants. */
void clg_plan_mark(clg_plan *p);

/** "conv(x, w) -> conv_7 f32[2,3]" in the plan's arena; never NULL. */
const char *clg_node_text(clg_plan *p, const clg_node *n);

/** A plan as it is before implementations are chosen; NULL on failure. force: as in clg_compile_choice(), or NULL.
 *  findings: what is known so far, and where to note more; it must outlive the plan. */
clg_plan *clg_plan_analyse(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_choice *force,
                           clg_findings *findings);

void clg_plan_set_device(clg_plan *p, clg_device *dev);

/** clg_compile() with a choice forced, which must outlive the call; nothing is tuned. */
clg_plan *clg_compile_choice(clg_graph *g, clg_list targets, const clg_plan_params *params, const clg_choice *force);

/** A plan in place of one that failed in its first run, whose findings have become more. The findings stay p's. */
clg_plan *clg_plan_again(clg_plan *p);

/* --- passes --- */
clg_status clg_plan_micro(clg_plan *p);
clg_status clg_plan_fold(clg_plan *p);
clg_status clg_plan_fuse(clg_plan *p);
clg_status clg_plan_select(clg_plan *p);
clg_status clg_plan_order(clg_plan *p);
clg_status clg_plan_emit(clg_plan *p);
clg_status clg_plan_prepare(clg_plan *p);
clg_status clg_plan_batch(clg_plan *p);
clg_status clg_plan_memory(clg_plan *p);
clg_status clg_plan_queues(clg_plan *p);
clg_status clg_plan_bind(clg_plan *p);
clg_status clg_plan_bind_kernels(clg_plan *p); /* of steps that have none, and are in no megakernel */
clg_status clg_plan_link(clg_plan *p);

/** Whether two steps are kernels of one program. */
bool clg_step_shares(const clg_step *a, const clg_step *b);

/** The source of a step's program, with the kernels that it and the steps behind it, before `end`, take from it.
 *  kernels: empty, freed by the caller once src is done with. */
clg_status clg_step_source(const clg_plan *p, int step, int end, const char *generated, clg_str *kernels,
                           clg_source *src);

/** Gives a bound step the present buffers of the values that live in `mem`. */
clg_status clg_step_rebind(clg_plan *p, clg_step *s, int mem);

/** Keeps what drivers compiled at the first launch: after the device was waited for. */
void clg_plan_save_programs(clg_plan *p);

/* --- first.c --- */

/** The first run, by a function that enqueues it: what fails at its first launch is replaced, and p with it. */
clg_status clg_plan_first_run(clg_plan *p, clg_status (*run)(clg_plan *p));

/* --- interop.c --- */

/** Memory of the application that a plan, or a part of one, uses becomes that of a plan in its place. */
clg_status clg_plan_use_again(const clg_plan *from, clg_plan *to);

/** What a target is read from; NULL: t is none. */
const clg_target *clg_plan_target(const clg_plan *p, const clg_tensor *t);

/* --- enqueue.c --- */

/** How an input comes to the device. */
enum clg_upload_way clg_input_way(const clg_plan *p, const clg_value *v);

/** Whether the host may look at a target's memory once a run has ended. */
bool clg_target_is_shared(const clg_plan *p, const clg_target *t);

/** Before the first step of a run, and behind its last one. */
clg_status clg_run_begin(clg_plan *p);
clg_status clg_run_end(clg_plan *p);

/** The event of the end of the last run; valid if p->ended. */
struct _cl_event *clg_run_event(const clg_plan *p);

/** Enqueues a step with what it must wait for, and keeps its event where somebody will wait for it. */
clg_status clg_step_run(clg_plan *p, int step);

/** What is enqueued next on the compute queue waits for all copies of targets that are under way. */
clg_status clg_plan_await_reads(clg_plan *p);

/** Enqueues a kernel in place of the steps from begin on, before end: it waits and gives events for all of them. */
clg_status clg_steps_run(clg_plan *p, int begin, int end, clg_kernel *kernel);

/* --- mega.c --- */

/** Makes the megakernels of a plan whose memory is planned, if it is to have some; their steps need no kernels of their
 *  own. A failure is logged, but for a lost device. */
clg_status clg_plan_mega_make(clg_plan *p);

/** Enqueues the one that begins with step i; *next: the step to go on with, i if there is none. Where a driver refuses
 *  it, the steps get kernels of their own. */
clg_status clg_plan_mega_run(clg_plan *p, int i, int *next);
clg_status clg_mega_rebind(const clg_plan *p, clg_mega *m, int mem); /* as clg_step_rebind() */

bool clg_plan_mega_launched(const clg_mega *m);   /* that it was enqueued, whatever failed then */
int  clg_plan_mega_steps(const clg_plan *p);    /* that are in megakernels */
int  clg_plan_mega_launches(const clg_plan *p); /* how many of those there are */
void clg_plan_mega_drop(clg_plan *p);

/* --- transfer.c --- */

/** What calls that copy tensors ask of their arguments: the target, or NULL after clg_fail(); and the size. */
clg_target *clg_readable(const clg_plan *p, const clg_tensor *t, const char *call);
clg_status  clg_check_bytes(const clg_tensor *t, const void *data, size_t bytes, const char *call);

/* --- replay.c --- */

/** What params.replay and CLGRAD_REPLAY ask for. */
clg_status clg_plan_replay_mode(const clg_plan *p, enum clg_replay *mode);

/** Decides whether the plan's kernels are recorded. */
clg_status clg_plan_replay_choose(clg_plan *p);

/** Records what can be, if that was not done; at the beginning of a run. */
clg_status clg_plan_replay_record(clg_plan *p);

/** Enqueues the recording that begins with step i; *next: the step to go on with, i if there is none. */
clg_status clg_plan_replay_run(clg_plan *p, int i, int *next);

/** What was recorded is not what is to be run any more: arguments, or who waits for a step, have changed. Waits for the
 *  device if there is something. */
void clg_plan_replay_drop(clg_plan *p);

/* --- fuse.c --- */
static inline bool clg_reaches(const clg_plan *p, int u, int v) {
    return p->reach[(size_t)u * p->words + v / 64] >> (v % 64) & 1;
}
/** Makes unit u, and all that run after it, run after v and all that v runs after. v must not reach u. */
void clg_reach_add(clg_plan *p, int u, int v);
bool clg_unit_reads(const clg_plan *p, const clg_unit *u, int root);

/* --- prepare.c --- */

/** Whether the prepared steps must be run before the others; and that they see the params as they are now. */
bool clg_plan_stale(const clg_plan *p);
void clg_plan_watch(clg_plan *p);

/* --- emit.c --- */

/** Appends an empty step of a unit; NULL: no memory (clg_fail was called). Valid until the next one. */
clg_step *clg_step_add(clg_plan *p, enum clg_step_kind kind, int unit, const char *impl, int n_args);
clg_status clg_step_copy(clg_plan *p, int unit, const char *impl, int src, int dst);

/* --- tail.c --- */

/** The elementwise nodes behind a unit's first node. */
static inline clg_unit clg_unit_chain(const clg_unit *u) {
    return (clg_unit){ .nodes = u->nodes + 1, .n_nodes = u->n_nodes - 1, .elementwise = true };
}

/** The tail of a unit for a kernel that sees the output as rows of `cols`. feeds: for that of the unit that it feeds,
 *  with other names. */
clg_status clg_tail_make(clg_plan *p, int unit, int64_t cols, bool feeds, clg_tail *tail);

/* --- feed.c --- */

/** Finds the units that others compute on the way. */
clg_status clg_plan_feed(clg_plan *p);

/* --- codegen.c --- */

/** Appends the kernel of an elementwise unit, or of the nodes behind the first of another. */
clg_status clg_emit_elementwise(clg_plan *p, int unit);

/** Appends a kernel that writes the elements of `from` to `to`, a root of as many elements, as the type of `to`. */
clg_status clg_emit_convert(clg_plan *p, int unit, clg_tensor *from, clg_tensor *to);
/** The name of the generated kernel with this text, added if it is new; NULL: no memory. */
const char *clg_generated_name(clg_plan *p, const char *body);
/** The source of all generated kernels. */
void clg_generated_source(const clg_plan *p, clg_str *out);

/* --- select.c --- */

/** Makes the nodes that implementations see. */
clg_status clg_plan_see(clg_plan *p);
/** What is taken for a unit if the records of this machine are not asked. impl NULL: nothing runs it. */
clg_choice clg_choice_untuned(const clg_plan *p, const clg_unit *u);
bool clg_impl_usable(const clg_plan *p, const clg_node *n, const clg_impl *m);
/** CLGRAD_TUNE and clg_plan_params.tune_ms: seconds to tune for; 0: only look up; below 0: do not even that. */
double clg_tune_budget(const clg_plan_params *params);
bool clg_impl_forced(const clg_plan *p, const char *name);
bool clg_elementwise_for_gpu(const clg_plan *p);
const char *clg_elementwise_name(bool gpu);
bool clg_impl_known(const char *name, size_t size);

/* --- exclude.c --- */

/** Whether an implementation is not to be chosen for a node (NULL: elementwise kernels), and why. why may be NULL. */
bool clg_impl_barred(const clg_plan *p, const clg_node *n, const char *impl, const char **why);

/** After a failure to bind: notes and logs which implementation failed, unless no other one can help. */
void clg_plan_bar(clg_plan *p, clg_status status);

/** The same after a failure to launch; false: nothing else can be tried. */
bool clg_plan_bar_launch(clg_plan *p, clg_status status);
void clg_bars_free(clg_bars *b);

/** CLG_ERR_UNSUP with all reasons: there is "no usable implementation" of a node, NULL: of elementwise ops. */
clg_status clg_fail_no_impl(clg_plan *p, const clg_node *n);

/* --- widen.c --- */

/** The node as an implementation sees it; NULL: no memory. */
const clg_node *clg_plan_widen(clg_plan *p, const clg_node *n);
/** Appends the conversions of a unit's inputs, before its implementation, or of its outputs, behind it. */
clg_status clg_emit_widen(clg_plan *p, int unit);
clg_status clg_emit_narrow(clg_plan *p, int unit);

/* --- ref.c --- */
clg_status clg_emit_ref(clg_plan *p, int unit);
clg_status clg_ref_run(clg_plan *p, const clg_step *s);

/** Computes a node in double: in[i] has the elements of input i, out[i] room for output i. */
void clg_ref_node(const clg_node *n, const double *const *in, double *const *out);

#endif /* CLG_PLAN_PLAN_H_ */

/* Plans: a graph compiled for its device, ready to run. */
#ifndef CLGRAD_PLAN_H_
#define CLGRAD_PLAN_H_

#include <clgrad/graph.h>
#include <stdio.h>

CLG_BEGIN_DECLS

/** Thread-safety: one thread at a time. */
typedef struct clg_plan clg_plan;

/** Whether kernels that follow each other are recorded once and enqueued by one call (cl_khr_command_buffer). */
enum clg_replay {
    CLG_REPLAY_AUTO, /* where a trial, once on each device, gave right numbers in less time, and the device does not
                        profile, since recorded steps have no times of their own */
    CLG_REPLAY_OFF,
    CLG_REPLAY_ON    /* CLG_ERR_UNSUP from clg_compile() where the device cannot */
};

/** Whether kernels that follow each other become one kernel and one launch, which goes from step to step by itself: on
 *  CPUs, where a launch takes longer than a small step. Results are the same bits. */
enum clg_mega_mode {
    CLG_MEGA_AUTO, /* where steps are short, unless the device profiles, since such steps have no times of their own, or
                      CLG_REPLAY_ON asks for recordings */
    CLG_MEGA_OFF,
    CLG_MEGA_ON    /* without effect on other devices, and with several queues */
};

typedef struct clg_plan_params {
    bool      inference;     /* dropout is identity; no random state advances */
    bool      exact;         /* only algorithms that sum products directly: no Winograd */
    bool      no_fuse, no_fold, no_reuse, no_inplace, no_prepare; /* switch one pass off, to bisect a wrong result */
    const char *impl;        /* comma list of implementations to take wherever they can run ("conv.direct_gpu");
                                default: the best for the device. See clg_op_get_info(). */
    int         tune_ms;     /* milliseconds to spend on measuring what has no record yet (clg_tune()); below 0: ignore
                                the records of this machine. Default: as CLGRAD_TUNE says, else use what is there */
    int         queues;      /* compute queues for branches that do not depend on each other: at most so many, 1 to 4.
                                Default: CLGRAD_QUEUES, else as many as clg_tune() found to be the fastest for this
                                plan, else 1. Results are the same bits */
    enum clg_replay replay;  /* recorded at the second run; plans over several devices never are */
    enum clg_mega_mode mega; /* CLG_MEGA_AUTO: as CLGRAD_MEGA says (auto, on, off) */
    int64_t   micro_batch;   /* training: so many rows of the batch at a time go forward and backward, gradients are
                                added up; rounded up to a divisor of the batch, and to a 64th of it. Below 0: all
                                rows. Default: as CLGRAD_MICRO_BATCH says (auto, off, rows); auto: on CPUs, where
                                intermediates of the batch are larger than the caches. Sums then have another order.
                                Networks that look at all rows at once (batch norm) are done as one */
} clg_plan_params;

#define clg_plan_params(...) (&(const clg_plan_params){__VA_ARGS__})

/**
 * Compiles exactly what the targets need: values to read, effects to perform, and nothing else. So one
 * graph serves training (CLG_LIST(loss, step)) and evaluation (CLG_LIST(logits)).
 *
 * Returns NULL on failure; this is where the first error of building the graph shows up. CLG_ERR_NOMEM names the
 * plan's peak and its largest tensor; CLG_ERR_BUILD carries the build log.
 */
CLG_API clg_plan *clg_compile(clg_graph *g, clg_list targets, const clg_plan_params *p);
CLG_API void      clg_plan_destroy(clg_plan **plan);

/** Sets an input. The data is copied before the call returns; the upload is ordered before the next run and does
 *  not wait for the last run: a large input has two buffers, of which the one that this run does not read is filled
 *  beside it (both count as clg_plan_info.bytes_fixed). Where device and host share memory, each input has two, and it
 *  is this call that fills one, once the run before the last is over. bytes must be the exact size. */
CLG_API CLG_CHECK clg_status clg_write(clg_plan *plan, clg_tensor *input, const void *data, size_t bytes);

/** Enqueues one run and returns at once. Runs of a device are performed in order. Allocates nothing (the second run
 *  may, to record kernels: clg_plan_params.replay).
 *
 *  In the first run an implementation may turn out to fail here, when its kernels are launched for the first time: the
 *  plan is then compiled again without it, one warning and clg_plan_report() say so, and the run gives what it gives
 *  with the next implementation. To that end the first run keeps copies of the params and states that it changes while
 *  it is enqueued. Errors: CLG_ERR_UNSUP if nothing else can be taken, CLG_ERR_NOMEM, CLG_ERR_DEVICE; after a first run
 *  that failed all params are as before, unless the device is lost. */
CLG_API CLG_CHECK clg_status clg_run(clg_plan *plan);

/** Waits for the runs so far and copies a target out. Reports errors that happened on the device.
 *  Errors: CLG_ERR_INVALID if it is no target of the plan or bytes differ. */
CLG_API CLG_CHECK clg_status clg_read(clg_plan *plan, clg_tensor *target, void *data, size_t bytes);

/**
 * Begins to copy a target out, as it is after the runs so far, and returns at once. The copy waits only for the step
 * that computes the target and goes on beside the steps behind it, on a queue of its own; later runs wait before they
 * overwrite the target. The first copy of a target allocates what it needs, and waits for the whole run.
 * Errors: CLG_ERR_INVALID if it is no target of the plan, or if two copies of it are under way already.
 */
CLG_API CLG_CHECK clg_status clg_read_begin(clg_plan *plan, clg_tensor *target);

/** Waits for the oldest copy of a target that was begun, and hands it out; that copy is over then, also after a failure
 *  on the device. Errors: CLG_ERR_INVALID, and the copy stays, if none was begun or bytes differ. */
CLG_API CLG_CHECK clg_status clg_read_end(clg_plan *plan, clg_tensor *target, void *data, size_t bytes);

typedef struct clg_plan_info {
    int      n_steps, n_kernels, n_programs; /* n_steps: launches, copies and library calls per run */
    uint64_t bytes_arena, bytes_without_reuse; /* intermediates: planned peak; sum of all their sizes */
    uint64_t bytes_params, bytes_workspace;  /* params and state used; algorithm scratch (inside the arena) */
    uint64_t bytes_fixed;                    /* inputs, constants, targets, and bytes_prepared: as long as the plan */
    double   flops, bytes_moved;             /* per run, by the cost functions */
    double   compile_seconds;
    int      n_prepared;                     /* further steps, which are run once, and again when a param was written */
    uint64_t bytes_prepared;                 /* their results: packed weights and the like; part of bytes_fixed */
    int64_t  micro_batch;                    /* rows of the batch that go through the network at a time; 0: all */
    int      n_fallback, n_copies;           /* nodes that the reference computes since their device has no
                                                implementation, or lacks the type; copies between devices per run */
} clg_plan_info;

CLG_API void clg_plan_get_info(const clg_plan *plan, clg_plan_info *info);

enum clg_report_kind { CLG_REPORT_TEXT, CLG_REPORT_JSON, CLG_REPORT_DOT };

/** One line per step: op, implementation, shapes, flops, bytes, queue, and if the device profiles when it began and
 *  ended in the last run, in us from that run's start, and how long it took; then the memory plan with its peak. */
CLG_API CLG_CHECK clg_status clg_plan_report(const clg_plan *plan, enum clg_report_kind kind, FILE *to);

CLG_END_DECLS

#endif /* CLGRAD_PLAN_H_ */

/* Tuning: which implementation of each op, with which parameters, is the fastest on a device, and how many compute
 * queues the branches of a plan are best spread over, is measured there, once, and kept as text in the cache directory.
 * clg_compile() uses what is there; it measures only if it is asked to. */
#ifndef CLGRAD_TUNE_H_
#define CLGRAD_TUNE_H_

#include <clgrad/plan.h>

CLG_BEGIN_DECLS

enum clg_tune_state {
    CLG_TUNE_BEGUN,      /* measuring begins: best is not known yet */
    CLG_TUNE_MEASURED,   /* done, and stored */
    CLG_TUNE_UNFINISHED, /* time ran out, or it failed: the best until now is stored (of queues: nothing), a later call
                            goes on */
    CLG_TUNE_KEPT,       /* there is a record already; nothing was measured: the times are 0 */
};

/** One key: an op with its attributes, the shapes and types of its operands, and what is fused behind it; or "queues"
 *  and a hash of a plan, whose choices are "1 queue" to "4 queues". Strings live during the call. */
typedef struct clg_tune_row {
    enum clg_tune_state state;
    const char *key;
    const char *before, *best;     /* what is taken without records of this machine; the fastest: "conv.wino4 tile=2" */
    const char *before_by;         /* "heuristic" or "shipped" */
    double      before_s, best_s;  /* seconds a run */
    int         candidates, wrong; /* tried; with wrong results, which cannot win */
    int         uses;              /* nodes of the graph with this key */
    int         number, total;     /* of this row, and of rows in this call */
} clg_tune_row;

typedef struct clg_tune_params {
    double seconds;      /* most time to spend; default 60 */
    bool   again;        /* also measure what has a record */
    bool   all_impls;    /* also try implementations that were made for the other class of devices (CPU, GPU) */
    const char *op;      /* only ops whose name fits this pattern (* and ?), "queues" among them; default all */
    bool (*progress)(void *user, const clg_tune_row *row); /* false: stop. Default none */
    void  *user;
} clg_tune_params;

#define clg_tune_params(...) (&(const clg_tune_params){__VA_ARGS__})

typedef struct clg_tune_info {
    int    keys, measured, kept, unfinished, wrong; /* distinct keys with a choice; wrong: candidates */
    double seconds;
} clg_tune_info;

/**
 * Measures, for each op that a plan of these targets would run and that has no record yet, the implementations and
 * their parameters, by turns, on operands of the same shapes. A candidate must agree with the reference before it may
 * win. The records are stored after each key, so a call that is cut short is continued by the next.
 * The costliest ops come first. Last, if the plan has branches that do not wait for each other, and neither params nor
 * CLGRAD_QUEUES give a number of queues, the whole plan is run over operands of the tuner's with one queue and with
 * more: a number may win if it leaves the same bits. Params and states are as before at the end; meanwhile there are copies
 * of them, and two more plans, in memory.
 * Does nothing on the device "ref".
 *
 * params, tune and info may be NULL. params as for clg_compile(); all but tune_ms matter.
 * Errors: those of clg_compile(); CLG_ERR_IO if a record cannot be stored.
 */
CLG_API CLG_CHECK clg_status clg_tune(clg_graph *g, clg_list targets, const clg_plan_params *params,
                                      const clg_tune_params *tune, clg_tune_info *info);

/** The file of a device's records; copies it to path, cut to size. "" if there is no cache directory. */
CLG_API CLG_CHECK clg_status clg_tune_path(const clg_device *dev, char *path, size_t size);

/**
 * Excludes an implementation ("conv.wino4_gpu", "elementwise.gpu") on this device and driver: it is never chosen again,
 * neither by a record nor by default. For implementations that give wrong numbers, as drivers' compilers make them now
 * and then: the tuner's check and `clgrad doctor --remember` call this. Kept as a line with the reason (one line, at
 * most 399 bytes; may be NULL) in the file of clg_tune_path(); without a cache directory, while the device is open.
 * clg_plan_params.impl still takes it. Holds for plans that are compiled from now on.
 * Errors: CLG_ERR_INVALID for an unknown name or the device "ref"; CLG_ERR_IO if it cannot be stored.
 */
CLG_API CLG_CHECK clg_status clg_impl_exclude(clg_device *dev, const char *impl, const char *why);

/** Takes that back, for all of them if impl is NULL. One that is not excluded is no error. */
CLG_API CLG_CHECK clg_status clg_impl_allow(clg_device *dev, const char *impl);

/** The excluded implementations, i from 0; NULL behind the last. *why (unless NULL) gets the reason. Strings live as
 *  long as the device. */
CLG_API const char *clg_impl_excluded(clg_device *dev, int i, const char **why);

CLG_END_DECLS

#endif /* CLGRAD_TUNE_H_ */

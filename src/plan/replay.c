/* Replay of plans: runs of kernels that follow each other on the compute queue, and whose events nobody waits for, are
 * recorded when a plan is run for the second time (drivers compile at the first), and enqueued whole from then on. A
 * library's calls, copies, and steps that wait for a transfer stand between the recordings. What is recorded holds the
 * arguments as they were, so a change of memory (clg_plan_use) or of what is waited for throws the recordings away. */
#include "plan/plan.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 2, WORTH = 8 }; /* kernels: of a recording; of a plan for which a device is tried */

/* Whether a step is a kernel that waits for no event, gives none, and keeps its arguments: an input that has two
 * buffers is bound anew from run to run. */
static bool is_free(const clg_plan *p, int i) {
    if (p->steps[i].kind != CLG_STEP_KERNEL || p->steps[i].linked || p->steps[i].mega) return false;
    for (int k = 0; k < p->n_doubled; k++)
        for (int r = 0; r < p->doubled[k].n_steps; r++)
            if (p->doubled[k].steps[r] == i) return false;
    return true;
}

/* The end of the kernels that can be recorded together from step i on. */
static int end_of(const clg_plan *p, int i) {
    while (i < p->n_steps && is_free(p, i)) i++;
    return i;
}

/* AUTO is what $CLGRAD_REPLAY says, where the device can. */
clg_status clg_plan_replay_mode(const clg_plan *p, enum clg_replay *mode) {
    const char *text = getenv("CLGRAD_REPLAY");
    *mode = p->params.replay;
    if (*mode != CLG_REPLAY_AUTO || !text || !*text || strcmp(text, "auto") == 0) return CLG_OK;
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return clg_fail(CLG_ERR_INVALID, "CLGRAD_REPLAY=%s: is none of auto, on, off", text);
    *mode = strcmp(text, "on") == 0 && clg_replay_can(p->device) ? CLG_REPLAY_ON : CLG_REPLAY_OFF;
    return CLG_OK;
}

clg_status clg_plan_replay_choose(clg_plan *p) {
    enum clg_replay mode;
    CLG_TRY(clg_plan_replay_mode(p, &mode));
    if (mode < CLG_REPLAY_AUTO || mode > CLG_REPLAY_ON)
        return clg_fail(CLG_ERR_INVALID, "clg_compile: replay %d is none of CLG_REPLAY_AUTO, _OFF, _ON", (int)mode);
    if (mode == CLG_REPLAY_ON && !clg_replay_can(p->device)) {
        clg_device_info d;
        clg_device_get_info(p->device, &d);
        return clg_fail(CLG_ERR_UNSUP, "clg_compile: CLG_REPLAY_ON, but device %s records no commands: it has no "
                        "cl_khr_command_buffer that suits its queue; leave it to CLG_REPLAY_AUTO", d.name);
    }
    p->replays = mode == CLG_REPLAY_ON;
    const int kernels = p->info.n_kernels - clg_plan_mega_steps(p);
    if (mode == CLG_REPLAY_AUTO && !clg_plan_candidate(p) && !p->caps->profiling && kernels >= WORTH)
        p->replays = clg_replay_pays(p->device);
    return CLG_OK;
}

static clg_status record(clg_plan *p, int begin, int end) {
    clg_kernel **kernels = clg_alloc((size_t)(end - begin) * sizeof *kernels);
    if (!kernels) return clg_fail_nomem("recorded commands");
    for (int i = begin; i < end; i++) kernels[i - begin] = p->steps[i].kernel;
    const clg_status status = clg_recorded_create(p->device, kernels, end - begin, &p->steps[begin].replay);
    clg_free(kernels);
    p->steps[begin].replay_end = end;
    return status;
}

clg_status clg_plan_replay_record(clg_plan *p) {
    if (!p->replays || p->recorded || !p->ran) return CLG_OK;
    clg_status status = CLG_OK;
    for (int i = p->n_prepared; i < p->n_steps && status >= 0;) {
        const int end = end_of(p, i);
        if (end - i >= LEAST) status = record(p, i, end);
        i = end > i ? end : i + 1;
    }
    p->recorded = status >= 0;
    if (status >= 0) return CLG_OK;
    clg_plan_replay_drop(p);
    if (p->params.replay == CLG_REPLAY_ON) return status;
    clg_log_msg(CLG_LOG_WARN, "the plan is run without recorded commands: %s", clg_error());
    p->replays = false;
    return CLG_OK;
}

clg_status clg_plan_replay_run(clg_plan *p, int i, int *next) {
    const clg_step *s = &p->steps[i];
    bool enqueued = false;
    if (s->replay) CLG_TRY(clg_recorded_enqueue(s->replay, &enqueued));
    *next = enqueued ? s->replay_end : i;
    return CLG_OK;
}

void clg_plan_replay_drop(clg_plan *p) {
    for (int i = p->n_prepared; i < p->n_steps; i++) clg_recorded_destroy(&p->steps[i].replay);
    p->recorded = false;
}

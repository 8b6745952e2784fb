/* Independent branches on several compute queues (clg_plan_params.queues; tune_queues.c measures how many). Two steps
 * depend on each other if one writes memory that the other touches; memory is what counts, so that a place in an arena
 * that is used again orders its users too. Method: list scheduling in the order of the plan (Graham 1969; as in HEFT, Topcuoglu et al. 2002):
 * each step goes to the queue where it can start first, by the costs that the ops report, and stays with what it
 * follows where that is no worse. Queues run in order, so a step waits for the last step of each other queue that it
 * depends on, and for none that the steps before it have waited for already: vector clocks (Fidge 1988, Mattern 1989)
 * say so. A run forks behind a marker on the first queue and is joined there, so that runs stay in order, and with them
 * all that is enqueued on the first queue alone. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* What a step does with memory: bytes from begin up to end of a buffer. */
typedef struct range {
    const clg_buffer *buffer;
    uint64_t begin, end;
    bool     writes;
} range;

typedef struct branching {
    clg_plan *p;
    range    *ranges;
    int      *first;              /* of ranges, by step; one more at the end */
    bool     *deps;               /* of the step at hand, by step */
    int     (*known)[CLG_QUEUES]; /* by step: on each queue, the last step that is done before this one ends */
    double   *end;                /* by step: seconds from the start of the run, by the model */
    int       last[CLG_QUEUES];   /* steps; -1: none yet */
} branching;

/* --- memory --- */

static clg_status list_ranges(branching *b) {
    clg_plan *p = b->p;
    int n = 0;
    for (int i = 0; i < p->n_steps; i++) n += p->steps[i].n_args;
    b->ranges = clg_arena_array(&p->arena, (size_t)n + 1, sizeof *b->ranges);
    b->first = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->first);
    b->deps = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->deps);
    b->known = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->known);
    b->end = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->end);
    if (!b->ranges || !b->first || !b->deps || !b->known || !b->end) return CLG_ERR_NOMEM;
    n = 0;
    for (int i = 0; i < p->n_steps; i++) {
        b->first[i] = n;
        for (int k = 0; k < p->steps[i].n_args; k++) {
            const clg_step_arg *a = &p->steps[i].args[k];
            if (!clg_arg_touches(a)) continue;
            const clg_value *v = &p->values[a->value];
            const uint64_t begin = v->offset * clg_device_elem_size(p->device, v->t->dtype);
            b->ranges[n++] = (range){ v->buffer, begin, begin + clg_value_bytes(p, v), clg_arg_writes(a) };
        }
    }
    b->first[p->n_steps] = n;
    return CLG_OK;
}

static bool depends(const branching *b, int late, int early) {
    for (int i = b->first[late]; i < b->first[late + 1]; i++)
        for (int k = b->first[early]; k < b->first[early + 1]; k++) {
            const range *x = &b->ranges[i], *y = &b->ranges[k];
            if (!x->writes && !y->writes) continue;
            if (x->buffer == y->buffer && x->begin < y->end && y->begin < x->end) return true;
        }
    return false;
}

/* --- queues --- */

/* Seconds, roughly: what is compared is only which queue is free first. */
static double cost(const clg_step *s) { return 5e-6 + s->flops / 2e10 + s->bytes / 1e10; }

/* When step i could start on queue q. */
static double start_on(const branching *b, int i, int q) {
    const double event = 2e-6;
    double at = b->last[q] >= 0 ? b->end[b->last[q]] : q > 0 ? event : 0;
    for (int k = b->p->n_prepared; k < i; k++) {
        if (!b->deps[k]) continue;
        const double ready = b->end[k] + (b->p->steps[k].queue == q ? 0 : event);
        if (ready > at) at = ready;
    }
    return at;
}

static void choose_queue(branching *b, int i) {
    int best = 0;
    double least = 0;
    for (int q = 0; q < b->p->n_queues; q++) {
        const double at = start_on(b, i, q);
        if (q > 0 && at >= least) continue;
        best = q;
        least = at;
    }
    b->p->steps[i].queue = best;
    b->end[i] = least + cost(&b->p->steps[i]);
}

static void learn(int *known, const int *from) {
    for (int q = 0; q < CLG_QUEUES; q++)
        if (from[q] > known[q]) known[q] = from[q];
}

/* The events that step i waits for. */
static void list_waits(branching *b, int i) {
    clg_plan *p = b->p;
    clg_step *s = &p->steps[i];
    int *known = b->known[i];
    for (int q = 0; q < CLG_QUEUES; q++) known[q] = -1;
    if (b->last[s->queue] >= 0) learn(known, b->known[b->last[s->queue]]);
    for (int k = i - 1; k >= p->n_prepared; k--) {
        if (!b->deps[k] || known[p->steps[k].queue] >= k) continue;
        s->waits[s->n_waits++] = k;
        p->steps[k].signals = p->steps[k].linked = s->linked = true;
        learn(known, b->known[k]);
    }
    s->forks = s->queue > 0 && s->n_waits == 0 && b->last[s->queue] < 0;
    p->forks |= s->forks;
    s->linked |= s->forks;
    known[s->queue] = i;
    b->last[s->queue] = i;
}

/* The first queue waits for the last step of each other one, if that is not known to be done. */
static void list_joins(branching *b) {
    clg_plan *p = b->p;
    int known[CLG_QUEUES];
    for (int q = 0; q < CLG_QUEUES; q++) known[q] = -1;
    if (b->last[0] >= 0) learn(known, b->known[b->last[0]]);
    for (;;) { /* the latest first: it may imply others */
        int latest = -1;
        for (int q = 1; q < p->n_queues; q++)
            if (b->last[q] > known[q] && b->last[q] > latest) latest = b->last[q];
        if (latest < 0) return;
        p->joins[p->n_joins++] = latest;
        p->steps[latest].signals = p->steps[latest].linked = true;
        learn(known, b->known[latest]);
    }
}

static bool on_host(const clg_plan *p) {
    for (int i = p->n_prepared; i < p->n_steps; i++)
        if (p->steps[i].kind == CLG_STEP_REF) return true;
    return false;
}

/* What the caller or the environment asks for, else what was found to be the fastest. */
static clg_status wanted(const clg_plan *p, int *n) {
    const char *text = getenv("CLGRAD_QUEUES");
    char *rest = NULL;
    long asked = p->params.queues;
    if (asked == 0 && text && *text) {
        asked = strtol(text, &rest, 10);
        if (*rest || asked < 1 || asked > CLG_QUEUES)
            return clg_fail(CLG_ERR_INVALID, "CLGRAD_QUEUES=%s: give 1 to %d compute queues", text, CLG_QUEUES);
    }
    if (asked < 0 || asked > CLG_QUEUES)
        return clg_fail(CLG_ERR_INVALID, "clg_compile: %ld compute queues: give 1 to %d, or 0 for the default", asked,
                        CLG_QUEUES);
    *n = asked > 0 ? (int)asked : p->tuned_queues > 0 ? p->tuned_queues : 1;
    return CLG_OK;
}

clg_status clg_plan_queues(clg_plan *p) {
    branching b = { .p = p };
    CLG_TRY(wanted(p, &p->n_queues));
    if (p->caps->ref || on_host(p)) p->n_queues = 1;
    if (p->n_queues == 1) return CLG_OK;
    CLG_TRY(clg_device_branch(p->device, p->n_queues));
    CLG_TRY(list_ranges(&b));
    for (int q = 0; q < CLG_QUEUES; q++) b.last[q] = -1;
    for (int i = p->n_prepared; i < p->n_steps; i++) {
        for (int k = p->n_prepared; k < i; k++) b.deps[k] = depends(&b, i, k);
        choose_queue(&b, i);
        list_waits(&b, i);
    }
    list_joins(&b);
    return CLG_OK;
}

/* The devices of a data parallel trainer: replicas, their plans, and what happens when one of them fails. */
#include "fit/parallel.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include <clgrad/ops.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- life --- */

static void worker_free(clg_fit_worker *w) {
    clg_fit_parts_free(&w->gradients);
    clg_fit_part_free(&w->apply);
    clg_graph_destroy(&w->anchor);
    clg_free(w->host);
    w->host = NULL;
    w->ran = NULL;
}

void clg_parallel_destroy(clg_parallel **p) {
    if (!p || !*p) return;
    for (int i = 0; i < (*p)->n; i++) worker_free(&(*p)->w[i]);
    clg_free((*p)->w);
    clg_free((*p)->at);
    clg_free((*p)->sum);
    clg_free(*p);
    *p = NULL;
}

/* A store on a further device with a tensor for every weight. */
static clg_status make_replica(const clg_trainer *t, clg_fit_worker *w) {
    clg_fit_part p;
    clg_store *store = clg_store_create(w->dev, clg_store_seed(t->store));
    if (!store) return clg_error_status();
    const bool made = clg_fit_graph(t, w->dev, store, &p, 2, false);
    w->store = store;
    w->anchor = p.graph;
    clg_store_destroy(&store); /* the graph holds it */
    return made ? clg_graph_status(w->anchor) : clg_error_status();
}

static void describe(clg_fit_worker *w) {
    clg_device_info info;
    clg_device_get_info(w->dev, &info);
    snprintf(w->name, sizeof w->name, "%s", info.name);
    w->sync = info.type == CLG_DEVICE_REF;
}

clg_status clg_parallel_create(clg_trainer *t) {
    const int n = 1 + t->p.n_devices;
    if (n == 1) return CLG_OK;
    if (n > CLG_FIT_DEVICES)
        return clg_fail(CLG_ERR_INVALID, "trainer: %d devices: at most %d share a batch", n, (int)CLG_FIT_DEVICES);
    t->parallel = clg_calloc(1, sizeof *t->parallel);
    if (t->parallel) t->parallel->w = clg_calloc((size_t)n, sizeof *t->parallel->w);
    if (!t->parallel || !t->parallel->w) return clg_fail_nomem("trainer");
    t->parallel->n = t->parallel->alive = n;
    for (int i = 0; i < n; i++) {
        clg_fit_worker *w = &t->parallel->w[i];
        w->dev = i == 0 ? t->dev : t->p.devices[i - 1];
        w->store = i == 0 ? t->store : NULL;
        describe(w);
        const clg_status s = i == 0 ? CLG_OK : make_replica(t, w);
        if (s < 0) return clg_fail_context(s, "trainer: device %d of %d (%s): ", i + 1, n, w->name);
    }
    clg_split_begin(t->parallel, t->p.batch, t->p.split);
    t->parallel->batch = t->p.batch;
    return CLG_OK;
}

void clg_parallel_set(clg_trainer *t, bool same_step, bool had_split) {
    clg_parallel *p = t->parallel;
    if (!p) return;
    for (int i = 0; !same_step && i < p->n; i++) {
        clg_fit_parts_free(&p->w[i].gradients);
        clg_fit_part_free(&p->w[i].apply);
    }
    if (t->p.split || had_split || t->p.batch != p->batch) clg_split_begin(p, t->p.batch, t->p.split);
    p->batch = t->p.batch;
    if (t->p.split && p->alive < p->n) clg_split_again(p, p->batch); /* without those that are gone */
}

/* --- the step by the sum --- */

static clg_plan *compile_apply(const clg_trainer *t, clg_fit_part *p, clg_tensor **param, clg_store *store) {
    char name[32];
    (void)clg_graph_params(p->loss, param, p->n_grads);
    for (int i = 0; i < p->n_grads; i++) {
        snprintf(name, sizeof name, "sum.%d", i);
        p->grad[i] = clg_input(p->graph, name, clg_tensor_dtype(param[i]), clg_tensor_shape(param[i]));
    }
    p->loss = clg_input(p->graph, "loss_sum", t->p.type, CLG_SCALAR);
    p->good = clg_input(p->graph, "good", p->answer ? CLG_F32 : t->p.type, CLG_SCALAR);
    const clg_list params = {p->n_grads, param}, grads = {p->n_grads, p->grad};
    clg_tensor *step = clg_optimizer_apply(t->p.optimizer, params, grads, &t->p.optim);
    clg_tensor *watch = clg_fit_watch(p, p->loss, p->loss, p->good), *lr = clg_fit_next_lr(t, p);
    if (!clg_fit_is_random(store)) return clg_compile(p->graph, CLG_LIST(step, watch, lr), NULL);
    clg_tensor *count = clg_state(p->graph, "rng.step", CLG_I32, CLG_SCALAR, 0);
    clg_tensor *next = clg_add(count, clg_fill(p->graph, CLG_I32, CLG_SCALAR, 1));
    return clg_compile(p->graph, CLG_LIST(step, watch, lr, clg_assign(count, next)), NULL);
}

static clg_status make_apply(const clg_trainer *t, clg_fit_worker *w) {
    clg_fit_part *p = &w->apply;
    if (p->plan) return CLG_OK;
    if (!clg_fit_graph(t, w->dev, w->store, p, 2, false)) return clg_error_status();
    p->n_grads = clg_graph_params(p->loss, NULL, 0);
    p->grad = clg_calloc((size_t)p->n_grads + 1, sizeof *p->grad);
    clg_tensor **param = clg_calloc((size_t)p->n_grads + 1, sizeof *param);
    if (p->grad && param) p->plan = compile_apply(t, p, param, w->store);
    else clg_fail_nomem("step of several devices");
    clg_free(param);
    if (p->plan) return CLG_OK;
    clg_fit_part_free(p);
    return clg_error_status();
}

/* Room on the host for all gradients. Params have 4 or 8 bytes, so each begins where its type may. */
static clg_status make_room(clg_parallel *p, clg_fit_worker *w) {
    const int n = w->apply.n_grads;
    size_t size = 0;
    if (!p->at) p->at = clg_calloc((size_t)n + 1, sizeof *p->at);
    for (int i = 0; p->at && i < n; i++) {
        p->at[i] = size;
        size += clg_tensor_bytes(w->apply.grad[i]);
    }
    p->n_grads = n;
    if (!p->sum) p->sum = clg_alloc(size + 1);
    if (!w->host) w->host = clg_alloc(size + 1);
    return p->at && p->sum && w->host ? CLG_OK : clg_fail_nomem("gradients on the host");
}

static clg_status ready(clg_trainer *t, clg_fit_worker *w) {
    if (w->rows > 0 && !clg_fit_get_part(t, &w->gradients, w->dev, w->store, w->rows, CLG_FIT_GRADIENTS))
        return clg_error_status();
    CLG_TRY(make_apply(t, w));
    return make_room(t->parallel, w);
}

clg_status clg_parallel_ready(clg_trainer *t) {
    clg_parallel *p = t->parallel;
    for (int i = 0; i < p->n;) {
        if (i == 0) clg_split_rows(p, t->p.batch);
        const clg_status s = p->w[i].dropped ? CLG_OK : ready(t, &p->w[i]);
        if (s < 0 && !clg_parallel_is_fault(s)) return s;
        if (s < 0) CLG_TRY(clg_parallel_drop(t, i, s));
        i = s < 0 ? 0 : i + 1;
    }
    return CLG_OK;
}

/* The plan of the first device for its rows, and the step. */
clg_status clg_parallel_info(clg_trainer *t, int64_t rows, clg_plan_info *info) {
    clg_parallel *p = t->parallel;
    clg_plan_info step;
    CLG_TRY(clg_parallel_ready(t));
    clg_split_rows(p, rows);
    clg_fit_worker *w = &p->w[p->first];
    CLG_TRY(ready(t, w));
    clg_plan_get_info(w->apply.plan, &step);
    *info = step;
    if (w->rows == 0) return CLG_OK;
    const clg_fit_part *g = clg_fit_get_part(t, &w->gradients, w->dev, w->store, w->rows, CLG_FIT_GRADIENTS);
    if (!g) return clg_error_status();
    clg_plan_get_info(g->plan, info);
    info->n_steps += step.n_steps;
    info->n_kernels += step.n_kernels;
    info->n_programs += step.n_programs;
    info->bytes_arena += step.bytes_arena;
    info->bytes_without_reuse += step.bytes_without_reuse;
    info->bytes_fixed += step.bytes_fixed;
    info->flops += step.flops;
    info->bytes_moved += step.bytes_moved;
    info->compile_seconds += step.compile_seconds;
    return CLG_OK;
}

/* --- the state of all --- */

/* Ranks are those among the devices that work; the first has the stream that a single device would have. */
clg_status clg_parallel_streams(clg_trainer *t) {
    clg_parallel *p = t->parallel;
    int32_t step;
    if (!clg_fit_is_random(t->store)) return CLG_OK;
    CLG_TRY(clg_store_read(t->store, "rng.step", &step, sizeof step));
    for (int i = p->first + 1, rank = 1; i < p->n; i++) {
        if (p->w[i].dropped) continue;
        const uint32_t far = (uint32_t)step + ((uint32_t)rank++ << 24);
        int32_t own;
        memcpy(&own, &far, sizeof own);
        const clg_status s = clg_store_write(p->w[i].store, "rng.step", &own, sizeof own);
        if (s < 0 && clg_parallel_is_fault(s)) return clg_parallel_drop(t, i, s); /* which does this again */
        CLG_TRY(s);
    }
    return CLG_OK;
}

clg_status clg_parallel_sync(clg_trainer *t) {
    clg_parallel *p = t->parallel;
    for (int i = p->first + 1; i < p->n;) {
        const int first = p->first;
        const clg_status s = p->w[i].dropped ? CLG_OK : clg_store_copy(p->w[i].store, t->store);
        if (s < 0) {
            char why[400];
            if (!clg_parallel_is_fault(s)) return s;
            snprintf(why, sizeof why, "%s", clg_error());
            const bool ours = clg_device_finish(t->dev) < 0; /* one of the two is at fault */
            CLG_TRY(clg_parallel_drop(t, ours ? first : i, clg_fail(s, "%s", why)));
        }
        i = p->first != first ? p->first + 1 : i + 1;
    }
    return clg_parallel_streams(t);
}

/* --- failures --- */

bool clg_parallel_is_fault(clg_status s) {
    return s == CLG_ERR_DEVICE || s == CLG_ERR_NOMEM;
}

/* The next device that works takes the trainer's place. */
static void move_on(clg_trainer *t) {
    clg_parallel *p = t->parallel;
    while (p->w[p->first].dropped) p->first++;
    clg_fit_worker *w = &p->w[p->first];
    clg_fit_parts_free(&t->inference);
    clg_graph_destroy(&t->anchor);
    t->dev = w->dev;
    t->store = w->store;
    t->anchor = w->anchor;
    w->anchor = NULL;
}

static void tell(clg_trainer *t, int i, clg_status s) {
    clg_parallel *p = t->parallel;
    const clg_fit_worker *w = &p->w[i];
    const long long step = (long long)t->steps + 1;
    if (t->p.on_failure == CLG_FAILED_STOP) {
        p->stopped = s;
        snprintf(p->stop_text, sizeof p->stop_text, "fit: device %d of %d (%s) has failed in step %lld: %s", i + 1,
                 p->n, w->name, step, w->why);
        return;
    }
    clg_log_msg(CLG_LOG_WARN, "fit: device %d of %d (%s) has failed in step %lld and is dropped; the %s from the last "
                "step, and nothing is lost. Cause: %s", i + 1, p->n, w->name, step,
                p->alive == 1 ? "other one goes on" : "others go on", w->why);
}

clg_status clg_parallel_drop(clg_trainer *t, int i, clg_status s) {
    clg_parallel *p = t->parallel;
    clg_fit_worker *w = &p->w[i];
    if (p->alive == 1) return s;
    snprintf(w->why, sizeof w->why, "%s", clg_error());
    w->dropped = true;
    p->alive--;
    tell(t, i, s);
    worker_free(w);
    if (i == p->first) move_on(t);
    clg_split_again(p, t->p.batch);
    return clg_parallel_streams(t);
}

bool clg_parallel_lost(clg_trainer *t, clg_status s) {
    const clg_parallel *p = t->parallel;
    return p && clg_parallel_is_fault(s) && p->alive > 1 && clg_parallel_drop(t, p->first, s) == CLG_OK;
}

bool clg_parallel_stopping(const clg_trainer *t) {
    return t->parallel && t->parallel->stopped < 0;
}

clg_status clg_parallel_stop(clg_trainer *t) {
    if (!clg_parallel_stopping(t)) return CLG_OK;
    const clg_status s = t->parallel->stopped;
    t->parallel->stopped = CLG_OK;
    return clg_fail(s, "%s; the run stands after step %lld%s%s; clg_fit() again goes on with the other devices",
                    t->parallel->stop_text, (long long)t->steps, t->p.save ? " and is saved in " : "",
                    t->p.save ? t->p.save : "");
}

/* --- what is told --- */

int clg_trainer_workers(const clg_trainer *t, clg_worker *out, int max) {
    const clg_parallel *p = t ? t->parallel : NULL;
    if (!t) return 0;
    if (!p && out && max > 0) {
        clg_device_info info;
        clg_device_get_info(t->dev, &info);
        out[0] = (clg_worker){.name = info.name, .rows = t->p.batch, .why = ""};
    }
    for (int i = 0; p && out && i < p->n && i < max; i++) {
        const clg_fit_worker *w = &p->w[i];
        out[i] = (clg_worker){.name = w->name, .rows = w->dropped ? 0 : w->share, .dropped = w->dropped, .why = w->why,
                              .rows_per_second = w->seconds > 0 ? (double)w->timed / w->seconds : 0};
    }
    return p ? p->n : 1;
}

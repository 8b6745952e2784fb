/* The parts of a plan of several devices: their plans, the copies between them, and what a finished plan does. */
#include "plan/place.h"

#include "base/alloc.h"

/* --- a part as it is compiled --- */

bool clg_part_is_foreign(const clg_plan *p, const clg_node *n) {
    const int of = p->whole ? p->whole->parts->of_node[n->id] : -1;
    return of >= 0 && of != p->part;
}

/* The part before this one on the same device that has a value in memory of its own, or borrows it; NULL: none. */
static const clg_plan *lender(const clg_plan *p, int value) {
    const clg_parts *parts = p->whole->parts;
    for (int k = 0; k < p->part; k++)
        if (parts->part[k].device == p->device && parts->part[k].plan->values[value].place == CLG_PLACE_FIXED)
            return parts->part[k].plan;
    return NULL;
}

void clg_part_import(clg_plan *p) {
    if (!p->whole) return;
    const clg_part *part = &p->whole->parts->part[p->part];
    for (int i = 0; i < part->n_imports; i++) {
        p->values[part->imports[i]].place = CLG_PLACE_FIXED;
        p->values[part->imports[i]].import = true;
    }
    for (int i = 0; i < p->n_tensors; i++) {
        clg_value *v = &p->values[i];
        const bool input = v->t->node->op == &clg_op_input && v->place == CLG_PLACE_FIXED;
        if (v->root == i && (v->import || input)) v->borrowed = lender(p, i) != NULL;
    }
}

void clg_part_borrow(clg_plan *p, int value) {
    const clg_value *v = &lender(p, value)->values[value];
    p->values[value].buffer = v->buffer;
    p->values[value].offset = v->offset;
}

/* --- compiling --- */

static clg_status analyse_part(clg_plan *whole, int k) {
    clg_part *part = &whole->parts->part[k];
    part->plan = clg_plan_create(whole->graph, part->device, &whole->params);
    if (!part->plan) return clg_error_status();
    part->plan->whole = whole;
    part->plan->part = k;
    part->plan->force = whole->force;
    part->plan->findings = whole->findings;
    for (int i = 0; i < part->n_targets; i++) CLG_TRY(clg_plan_add_target(part->plan, part->targets[i], i));
    return clg_plan_study(part->plan);
}

clg_status clg_parts_analyse(clg_plan *p) {
    for (int k = 0; k < p->parts->n; k++) CLG_TRY(analyse_part(p, k));
    return CLG_OK;
}

static clg_status make_transfer(clg_plan *p, clg_crossing *c) {
    const clg_parts *parts = p->parts;
    const clg_value *dst = &parts->part[c->to].plan->values[c->root];
    clg_device *from = c->from >= 0 ? parts->part[c->from].device : p->values[c->root].slot->device;
    return clg_transfer_create(from, dst->buffer, dst->offset, dst->t->dtype, (size_t)clg_value_elems(dst),
                               clg_tensor_name(dst->t), &c->transfer);
}

static void sum_info(clg_plan *p) {
    clg_plan_info *sum = &p->info;
    for (int k = 0; k < p->parts->n; k++) {
        const clg_plan_info *m = &p->parts->part[k].plan->info;
        sum->n_steps += m->n_steps;
        sum->n_kernels += m->n_kernels;
        sum->n_programs += m->n_programs;
        sum->n_prepared += m->n_prepared;
        sum->bytes_arena += m->bytes_arena;
        sum->bytes_without_reuse += m->bytes_without_reuse;
        sum->bytes_params += m->bytes_params;
        sum->bytes_workspace += m->bytes_workspace;
        sum->bytes_fixed += m->bytes_fixed;
        sum->bytes_prepared += m->bytes_prepared;
        sum->flops += m->flops;
        sum->bytes_moved += m->bytes_moved;
    }
    sum->n_copies = p->parts->n_crossings;
}

clg_status clg_parts_complete(clg_plan *p) {
    clg_parts *parts = p->parts;
    clg_status refused = CLG_OK;
    for (int k = 0; k < parts->n; k++) {
        const clg_status status = clg_plan_choose(parts->part[k].plan);
        if (status < 0 && status != CLG_ERR_UNSUP) return status;
        if (status < 0) refused = status;
    }
    CLG_TRY(refused);
    for (int k = 0; k < parts->n; k++) CLG_TRY(clg_plan_finish(parts->part[k].plan));
    for (int i = 0; i < parts->n_crossings; i++) CLG_TRY(make_transfer(p, &parts->crossing[i]));
    sum_info(p);
    return CLG_OK;
}

void clg_parts_destroy(clg_parts **parts) {
    clg_parts *x = *parts;
    *parts = NULL;
    if (!x) return;
    for (int i = 0; i < x->n_crossings; i++) clg_transfer_destroy(&x->crossing[i].transfer);
    for (int k = x->n - 1; k >= 0; k--) { /* later ones borrow memory */
        clg_plan_destroy(&x->part[k].plan);
        clg_free(x->part[k].targets);
        clg_free(x->part[k].imports);
    }
    clg_free(x->crossing);
    clg_free(x->part);
    clg_free(x);
}

/* --- running --- */

/* Copies of variables hold until somebody writes the variable. */
static clg_status send_variable(clg_plan *p, clg_crossing *c) {
    clg_slot *slot = p->values[c->root].slot;
    const uint_fast64_t version = atomic_load(&slot->version);
    if (c->sent && c->version == version) return CLG_OK;
    c->sent = false;
    CLG_TRY(clg_transfer_run(c->transfer, slot->buffer, 0));
    c->version = version;
    c->sent = true;
    return CLG_OK;
}

static clg_status run_part(clg_plan *p, int k) {
    for (int i = 0; i < p->parts->n_crossings; i++) {
        const clg_crossing *c = &p->parts->crossing[i];
        if (c->to != k || c->from < 0) continue;
        const clg_value *src = &p->parts->part[c->from].plan->values[c->root];
        CLG_TRY(clg_transfer_run(c->transfer, src->buffer, src->offset));
    }
    return clg_run(p->parts->part[k].plan);
}

clg_status clg_parts_run(clg_plan *p) {
    for (int i = 0; i < p->parts->n_crossings; i++)
        if (p->parts->crossing[i].from < 0) CLG_TRY(send_variable(p, &p->parts->crossing[i]));
    for (int k = 0; k < p->parts->n; k++) {
        const clg_status status = run_part(p, k);
        clg_device_info info;
        if (status >= 0) continue;
        clg_device_get_info(p->parts->part[k].device, &info);
        return clg_fail_context(status, "part %d of %d, on %s: ", k, p->parts->n, info.name);
    }
    return CLG_OK;
}

clg_status clg_parts_write(clg_plan *p, clg_tensor *input, const void *data, size_t bytes) {
    for (int k = 0; k < p->parts->n; k++)
        CLG_TRY(clg_write(p->parts->part[k].plan, input, data, bytes)); /* where nobody reads it that does nothing */
    return CLG_OK;
}

clg_plan *clg_parts_owner(const clg_plan *p, const clg_tensor *target) {
    int k = 0;
    while (k < p->parts->n - 1 && !clg_plan_target(p->parts->part[k].plan, target)) k++;
    return p->parts->part[k].plan;
}

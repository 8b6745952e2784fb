/* Which device computes which node: the one that it was pinned to while the graph was built, or the reference device,
 * where the former lacks a type or an implementation. */
#include "plan/place.h"

#include "base/alloc.h"
#include "base/log.h"

static const clg_fallback *find(const clg_plan *p, const clg_node *n) {
    for (int i = 0; i < p->findings->n; i++)
        if (p->findings->f[i].node == n) return &p->findings->f[i];
    return NULL;
}

/* It is computed by some step, before constants are known. */
static bool has_steps(const clg_plan *p, const clg_node *n) {
    return p->needed[n->id] && !(n->op->flags & (CLG_OP_SOURCE | CLG_OP_EFFECT)) && !clg_node_is_view(p, n);
}

clg_device *clg_plan_device_of(const clg_plan *p, const clg_node *n) {
    if (!has_steps(p, n) || (p->values && clg_root_value(p, n->out[0])->constant)) return NULL;
    return find(p, n) ? clg_store_reference(p->graph->store) : n->device;
}

/* *dev becomes d if it was NULL; false: it is another one. */
static bool agree(clg_device **dev, clg_device *d) {
    if (!*dev) *dev = d;
    return !d || *dev == d;
}

clg_status clg_plan_find_device(clg_plan *p, bool *mixed) {
    clg_device *dev = NULL;
    *mixed = false;
    if (p->findings->n > 0 && !clg_store_reference(p->graph->store)) return clg_error_status();
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        if (!p->needed[i]) continue;
        const bool has_slot = n->op == &clg_op_variable || n->op == &clg_op_assign;
        if (!agree(&dev, has_slot ? n->device : clg_plan_device_of(p, n))) *mixed = true;
    }
    if (!*mixed && dev) clg_plan_set_device(p, dev);
    return CLG_OK;
}

/* The first type of what a node reads and writes that a device lacks; CLG_DTYPE_COUNT: none. */
static clg_dtype missing_type(const clg_plan *p, const clg_node *n, const clg_device *dev) {
    int from;
    const int reads = clg_node_reads(p, n, &from);
    for (int k = from; k < reads; k++)
        if (!clg_device_has_type(dev, n->in[k]->dtype)) return n->in[k]->dtype;
    for (int k = 0; k < n->n_out; k++)
        if (!clg_device_has_type(dev, n->out[k]->dtype)) return n->out[k]->dtype;
    return CLG_DTYPE_COUNT;
}

clg_status clg_plan_check_types(clg_plan *p, bool *mixed) {
    for (int i = 0; i < p->n_nodes; i++) {
        const clg_node *n = p->graph->nodes[i];
        const clg_device *dev = clg_plan_device_of(p, n);
        if (!dev || missing_type(p, n, dev) == CLG_DTYPE_COUNT) continue;
        CLG_TRY(clg_plan_refuse(p, n, "the device lacks the type"));
        *mixed = true;
    }
    return *mixed && !clg_store_reference(p->graph->store) ? clg_error_status() : CLG_OK;
}

/* What is too large for an int to count its elements is so for every device: the host has no room for it either. */
static bool is_huge(const clg_node *n) {
    bool huge = false;
    for (int k = 0; k < n->n_in; k++) huge = huge || clg_shape_elems(n->in[k]->shape) > INT32_MAX;
    for (int k = 0; k < n->n_out; k++) huge = huge || clg_shape_elems(n->out[k]->shape) > INT32_MAX;
    return huge;
}

clg_status clg_plan_refuse(clg_plan *p, const clg_node *n, const char *why) {
    clg_findings *l = p->findings;
    if (clg_plan_candidate(p) || !n->op->ref || is_huge(n) || find(p, n)) return CLG_OK;
    if (!clg_grow(&l->f, &l->cap, l->n + 1, sizeof *l->f)) return clg_fail_nomem("plan");
    l->f[l->n++] = (clg_fallback){ n, why };
    return CLG_OK;
}

void clg_findings_destroy(clg_findings **f) {
    if (*f) {
        clg_free((*f)->f);
        clg_bars_free(&(*f)->bars);
    }
    clg_free(*f);
    *f = NULL;
}

void clg_plan_tell_fallbacks(clg_plan *p) {
    clg_device_info info;
    for (int i = 0; i < p->findings->n; i++) {
        const clg_fallback *f = &p->findings->f[i];
        if (!p->needed[f->node->id]) continue;
        p->info.n_fallback++;
        clg_device_get_info(f->node->device, &info);
        if (clg_device_first_time(f->node->device, f->node->op->name))
            clg_log_msg(CLG_LOG_WARN, "%s is computed by the reference on the host, not on device %s: %s; "
                        "clg_plan_report() lists all of them", clg_node_text(p, f->node), info.name, f->why);
    }
}

/* The choice of an implementation for each op: forced names first, then the default of the device's class, then
 * whatever runs. */
#include "plan/plan.h"

#include <string.h>

static const char *const elementwise_names[] = { "elementwise.cpu", "elementwise.gpu" };

/* Calls the next name of a comma list into *name, *size; false at its end. */
static bool next_name(const char **list, const char **name, size_t *size) {
    *list += strspn(*list, ", ");
    *name = *list;
    *size = strcspn(*list, ", ");
    *list += *size;
    return *size > 0;
}

bool clg_impl_forced(const clg_plan *p, const char *name) {
    const char *list = p->params.impl ? p->params.impl : "", *item;
    size_t size;
    while (next_name(&list, &item, &size))
        if (strlen(name) == size && memcmp(name, item, size) == 0) return true;
    return false;
}

bool clg_elementwise_for_gpu(const clg_plan *p) {
    if (clg_impl_forced(p, elementwise_names[0])) return false;
    return clg_impl_forced(p, elementwise_names[1]) || p->caps->cls == CLG_CLASS_GPU;
}

static bool known(const char *name, size_t size) {
    for (int i = 0; i < 2; i++)
        if (strlen(elementwise_names[i]) == size && memcmp(elementwise_names[i], name, size) == 0) return true;
    for (int i = 0; clg_op_at(i); i++)
        for (const clg_impl *m = clg_op_at(i)->impls; m && m->name; m++)
            if (strlen(m->name) == size && memcmp(m->name, name, size) == 0) return true;
    return false;
}

static clg_status check_names(const clg_plan *p) {
    const char *list = p->params.impl ? p->params.impl : "", *name;
    size_t size;
    while (next_name(&list, &name, &size))
        if (!known(name, size))
            return clg_fail(CLG_ERR_INVALID, "clg_compile: there is no implementation \"%.*s\"; clg_op_impl() lists "
                            "them all", (int)size, name);
    return CLG_OK;
}

static bool usable(const clg_plan *p, const clg_node *n, const clg_impl *m) {
    if (p->params.exact && m->inexact) return false;
    return !m->accept || m->accept(n, p->device);
}

static const clg_impl *choose(const clg_plan *p, const clg_node *n) {
    const clg_impl *preferred = NULL, *any = NULL;
    for (const clg_impl *m = n->op->impls; m && m->name; m++) {
        if (!usable(p, n, m)) continue;
        if (clg_impl_forced(p, m->name)) return m;
        if (!preferred && (m->prefer & p->caps->cls) && (!m->prefers || m->prefers(n, p->device))) preferred = m;
        if (!any) any = m;
    }
    return preferred ? preferred : any;
}

clg_status clg_plan_select(clg_plan *p) {
    CLG_TRY(check_names(p));
    for (int i = 0; i < p->n_units && !p->caps->ref; i++) {
        clg_unit *u = &p->units[i];
        if (u->elementwise || u->n_nodes == 0) continue;
        u->seen = clg_plan_widen(p, u->nodes[0]);
        if (!u->seen) return CLG_ERR_NOMEM;
        u->impl = choose(p, u->seen);
        if (!u->impl)
            return clg_fail(CLG_ERR_UNSUP, "%s: no implementation of %s runs on this device for these shapes and types",
                            clg_node_text(p, u->nodes[0]), u->nodes[0]->op->name);
    }
    return CLG_OK;
}

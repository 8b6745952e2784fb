/* clg_plan_report() of plans of several devices: the parts with their devices, the copies between them, and what the
 * reference computes because a device cannot. */
#include "plan/parts_report.h"
#include "plan/place.h"

#include <clgrad/tune.h>

static const char *device_name(const clg_device *d) {
    clg_device_info info;
    clg_device_get_info(d, &info);
    return info.name;
}

static bool is_listed(const clg_plan *p, const clg_fallback *f) { return !p->whole && p->needed[f->node->id]; }

static int fallback_count(const clg_plan *p) { return p->whole ? 0 : p->findings->n; }

void clg_fallbacks_text(const clg_plan *p, clg_str *out) {
    char shape[128];
    for (int i = 0; i < fallback_count(p); i++) {
        const clg_fallback *f = &p->findings->f[i];
        const clg_tensor *y = f->node->out[0];
        if (!is_listed(p, f)) continue;
        clg_str_printf(out, "%s -> %s %s is computed by the reference on the host, not on %s: %s\n", f->node->op->name,
                       clg_tensor_name(y), clg_shape_text(y->dtype, y->shape, shape, sizeof shape),
                       device_name(f->node->device), f->why);
    }
    for (int i = 0; i < p->findings->bars.n && !p->whole; i++) {
        const clg_bar *b = &p->findings->bars.bar[i];
        const bool here = b->device == p->device && !p->parts;
        clg_str_printf(out, "not used, as it fails %s%s: %s: %s\n", here ? "here" : "on ",
                       here ? "" : device_name(b->device), b->impl, b->why);
    }
}

bool clg_fallbacks_json(const clg_plan *p, json_t *to) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < fallback_count(p) && ok; i++) {
        const clg_fallback *f = &p->findings->f[i];
        if (is_listed(p, f))
            ok = json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "op", f->node->op->name, "output",
                                                       clg_tensor_name(f->node->out[0]), "device",
                                                       device_name(f->node->device), "why", f->why)) == 0;
    }
    if (!ok || json_array_size(list) == 0) {
        json_decref(list);
        return ok;
    }
    return json_object_set_new(to, "fallbacks", list) == 0;
}

/* Appends {impl, device, why}. */
static bool add_reason(json_t *list, const char *impl, const clg_device *d, const char *why) {
    return json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "impl", impl, "device", device_name(d), "why",
                                                 why)) == 0;
}

static bool list_excluded(clg_device *d, json_t *list) {
    const char *impl, *why = "";
    for (int i = 0; (impl = clg_impl_excluded(d, i, &why)) != NULL; i++)
        if (!add_reason(list, impl, d, why)) return false;
    return true;
}

/* Whether an earlier part is on the same device. */
static bool was_seen(const clg_parts *parts, int k) {
    int i = 0;
    while (parts->part[i].device != parts->part[k].device) i++;
    return i < k;
}

bool clg_avoided_json(const clg_plan *p, json_t *to) {
    if (p->whole) return true;
    json_t *failed = json_array(), *excluded = json_array();
    bool ok = failed && excluded && (p->parts || list_excluded(p->device, excluded));
    for (int i = 0; i < p->findings->bars.n && ok; i++) {
        const clg_bar *b = &p->findings->bars.bar[i];
        ok = add_reason(failed, b->impl, b->device, b->why);
    }
    for (int k = 0; p->parts && k < p->parts->n && ok; k++)
        ok = was_seen(p->parts, k) || list_excluded(p->parts->part[k].device, excluded);
    if (ok && json_array_size(failed) > 0) ok = json_object_set(to, "failed", failed) == 0;
    if (ok && json_array_size(excluded) > 0) ok = json_object_set(to, "excluded", excluded) == 0;
    json_decref(failed);
    json_decref(excluded);
    return ok;
}

/* --- copies --- */

typedef struct copy_text {
    const char *name, *from, *to;
    char   shape[128];
    double mb;
} copy_text;

static copy_text describe(const clg_plan *p, const clg_crossing *c) {
    const clg_tensor *t = p->values[c->root].t;
    const clg_device *from = c->from >= 0 ? p->parts->part[c->from].device : p->values[c->root].slot->device;
    copy_text x = { .name = clg_tensor_name(t), .from = device_name(from),
                    .to = device_name(p->parts->part[c->to].device), .mb = 1e-6 * (double)clg_tensor_bytes(t) };
    clg_shape_text(t->dtype, t->shape, x.shape, sizeof x.shape);
    return x;
}

static const char *way(const clg_crossing *c) {
    return c->transfer && clg_transfer_is_direct(c->transfer) ? "direct" : "through the host";
}

void clg_parts_text(const clg_plan *p, clg_str *out) {
    double sum = 0;
    for (int k = 0; k < p->parts->n; k++) {
        clg_str_printf(out, "part %d of %d, on %s\n", k, p->parts->n, device_name(p->parts->part[k].device));
        clg_plan_text(p->parts->part[k].plan, out);
        clg_str_add(out, "\n");
    }
    for (int i = 0; i < p->parts->n_crossings; i++) {
        const clg_crossing *c = &p->parts->crossing[i];
        const copy_text x = describe(p, c);
        clg_str_printf(out, "copy %s %s, %.3f MB, from %s", x.name, x.shape, x.mb, x.from);
        if (c->from >= 0) clg_str_printf(out, " (part %d)", c->from);
        clg_str_printf(out, " to %s (part %d), %s%s\n", x.to, c->to, way(c),
                       c->from < 0 ? ", when it was written" : "");
        sum += x.mb;
    }
    clg_str_printf(out, "%d parts, %d copies of %.3f MB in all; compiled in %.3f s\n", p->parts->n,
                   p->parts->n_crossings, sum, p->info.compile_seconds);
}

bool clg_parts_json(const clg_plan *p, json_t *to) {
    json_t *parts = json_array(), *copies = json_array();
    bool ok = parts && copies;
    for (int k = 0; k < p->parts->n && ok; k++) {
        json_t *part = clg_plan_json(p->parts->part[k].plan);
        ok = part && json_object_set_new(part, "device", json_string(device_name(p->parts->part[k].device))) == 0;
        ok = json_array_append_new(parts, part) == 0 && ok;
    }
    for (int i = 0; i < p->parts->n_crossings && ok; i++) {
        const clg_crossing *c = &p->parts->crossing[i];
        const copy_text x = describe(p, c);
        ok = json_array_append_new(copies, json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:f, s:s}", "value", x.name,
                                                     "shape", x.shape, "from", x.from, "from_part", c->from, "to", x.to,
                                                     "to_part", c->to, "bytes", 1e6 * x.mb, "way", way(c))) == 0;
    }
    if (ok) ok = json_object_set(to, "parts", parts) == 0 && json_object_set(to, "copies", copies) == 0;
    json_decref(parts);
    json_decref(copies);
    return ok;
}

/* --- DOT: a box a part; what crosses, or is kept from part to part, as dashed edges --- */

static void import_edges(const clg_plan *p, int k, clg_str *out) {
    const clg_part *part = &p->parts->part[k];
    for (int i = 0; i < part->n_imports; i++) {
        const clg_tensor *t = p->values[part->imports[i]].t;
        const int of = p->parts->of_node[t->node->id];
        if (of < 0) continue;
        const clg_plan *maker = p->parts->part[of].plan;
        const int step = clg_plan_writer(maker, maker->n_steps, part->imports[i]);
        if (step >= 0)
            clg_str_printf(out, "  p%ds%d -> p%dv%d [style=dashed];\n", of, step, k, part->imports[i]);
    }
}

void clg_parts_dot(const clg_plan *p, clg_str *out) {
    for (int k = 0; k < p->parts->n; k++) {
        clg_str_printf(out, "  subgraph cluster_%d {\n  label=\"part %d\";\n", k, k);
        clg_plan_dot(p->parts->part[k].plan, out);
        clg_str_add(out, "  }\n");
    }
    for (int k = 0; k < p->parts->n; k++) import_edges(p, k, out);
}

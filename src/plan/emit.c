/* From units to steps: what implementations call (emit.h), and the copies that the plan itself needs. */
#include "plan/plan.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

const char *clg_node_text(clg_plan *p, const clg_node *n) {
    char shape[128];
    const clg_tensor *y = n->n_out > 0 ? n->out[0] : NULL;
    const char *s = clg_arena_printf(&p->arena, "%s -> %s %s", n->op->name, y ? clg_tensor_name(y) : "",
                                     y ? clg_shape_text(y->dtype, y->shape, shape, sizeof shape) : "");
    return s ? s : n->op->name;
}

/* --- steps --- */

clg_step *clg_step_add(clg_plan *p, enum clg_step_kind kind, int unit, const char *impl, int n_args) {
    clg_step_arg *args = clg_arena_array(&p->arena, (size_t)n_args + 1, sizeof *args);
    if (!args) return NULL;
    if (!clg_grow(&p->steps, &p->cap_steps, p->n_steps + 1, sizeof *p->steps)) {
        clg_fail_nomem("plan");
        return NULL;
    }
    clg_step *s = &p->steps[p->n_steps++];
    *s = (clg_step){ .kind = kind, .unit = unit, .impl = impl, .args = args, .n_args = n_args, .n_nodes = 1 };
    return s;
}

/* Index of the root of a tensor that steps touch. Constants get memory when a step wants them there. */
static int use(clg_plan *p, const clg_tensor *t) {
    const int root = t && t->id >= 0 && t->id < p->n_values ? clg_root_of(p, t) : -1;
    if (root < 0 || t->graph != p->graph)
        return clg_fail(CLG_ERR_INVALID, "a step uses a tensor that the plan does not know");
    clg_value *v = &p->values[root];
    if (v->place == CLG_PLACE_NONE && v->constant) v->place = CLG_PLACE_FIXED;
    if (v->place == CLG_PLACE_NONE)
        return clg_fail(CLG_ERR_INVALID, "a step uses %s, which the plan does not compute", clg_tensor_name(t));
    return root;
}

static clg_status tensor_arg(clg_plan *p, clg_step_arg *a, enum clg_arg_kind kind, const char *name,
                             const clg_tensor *t) {
    const int value = use(p, t);
    *a = (clg_step_arg){ .kind = kind, .name = name, .value = value };
    return value < 0 ? (clg_status)value : CLG_OK;
}

clg_status clg_step_copy(clg_plan *p, int unit, const char *impl, int src, int dst) {
    const clg_tensor *from = p->values[src].t, *to = p->values[dst].t;
    if (clg_value_elems(&p->values[src]) == 0) return CLG_OK;
    clg_step *s = clg_step_add(p, CLG_STEP_COPY, unit, impl, 2);
    if (!s) return CLG_ERR_NOMEM;
    s->bytes = 2.0 * (double)clg_value_bytes(p, &p->values[src]);
    CLG_TRY(tensor_arg(p, &s->args[0], CLG_ARG_IN, "src", from));
    return tensor_arg(p, &s->args[1], CLG_ARG_OUT, "dst", to);
}

/* --- emit.h --- */

static clg_status stick(clg_emit *e, clg_status status) {
    if (status < 0 && e->status >= 0) e->status = status;
    return status;
}

const char *clg_emit_options(clg_emit *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *s = clg_arena_vprintf(&e->plan->arena, fmt, ap);
    va_end(ap);
    if (!s) stick(e, CLG_ERR_NOMEM);
    return s ? s : "";
}

int clg_emit_knob(clg_emit *e, const char *name) {
    const clg_knob *k = e->impl->knobs;
    for (int i = 0; k && k[i].name && i < CLG_MAX_KNOBS; i++)
        if (strcmp(k[i].name, name) == 0) return e->plan->units[e->unit].choice.knob[i];
    return -1;
}

const clg_device *clg_emit_device(const clg_emit *e) { return e->plan->device; }

const clg_node *clg_emit_feeder(const clg_emit *e) {
    const clg_unit *feeder = e->plan->units[e->unit].feeder;
    return feeder ? feeder->seen : NULL;
}

static const clg_tensor *extra_tensor(clg_emit *e, clg_dtype type, clg_shape shape, const char *what,
                                      enum clg_place place, const void *host) {
    clg_plan *p = e->plan;
    const char *name = clg_arena_printf(&p->arena, "%s of %s", what,
                                        e->node->n_out > 0 ? clg_tensor_name(e->node->out[0]) : e->node->op->name);
    const int i = name ? clg_value_add(p, type, shape, name) : (int)CLG_ERR_NOMEM;
    if (i < 0) {
        stick(e, (clg_status)i);
        return NULL;
    }
    p->values[i].place = place;
    p->values[i].scratch = place == CLG_PLACE_ARENA;
    p->values[i].constant = host != NULL;
    p->values[i].host = host;
    return p->values[i].t;
}

const clg_tensor *clg_emit_scratch(clg_emit *e, clg_dtype type, clg_shape shape) {
    return extra_tensor(e, type, shape, "scratch", CLG_PLACE_ARENA, NULL);
}

const clg_tensor *clg_emit_table(clg_emit *e, clg_dtype type, clg_shape shape, const void *data) {
    const size_t bytes = (size_t)clg_shape_elems(shape) * clg_dtype_size(type);
    const void *host = clg_arena_copy(&e->plan->arena, data, bytes ? bytes : 1);
    if (!host) {
        stick(e, CLG_ERR_NOMEM);
        return NULL;
    }
    return extra_tensor(e, type, shape, "table", CLG_PLACE_FIXED, host);
}

/* A launch that writes only empty tensors has nothing to do. */
static bool writes_something(const clg_arg *args) {
    bool writes = false, elements = false;
    for (const clg_arg *a = args; a->kind != CLG_ARG_END; a++) {
        if (a->kind != CLG_ARG_OUT && a->kind != CLG_ARG_INOUT) continue;
        writes = true;
        if (a->t && clg_shape_elems(a->t->shape) > 0) elements = true;
    }
    return elements || !writes;
}

/* "pool.max_fwd" -> file, function */
static clg_status set_kernel(clg_emit *e, clg_step *s, const char *kernel) {
    const char *dot = strchr(kernel, '.');
    char *file = dot ? clg_arena_strdup(&e->plan->arena, kernel) : NULL;
    if (!dot) return clg_fail(CLG_ERR_INVALID, "%s: a kernel is named \"file.function\", not \"%s\"", e->impl->name,
                              kernel);
    if (!file) return CLG_ERR_NOMEM;
    file[dot - kernel] = 0;
    s->file = file;
    s->function = file + (dot - kernel) + 1;
    return CLG_OK;
}

/* Sizes of 0 are 1; the global size is rounded up to whole work-groups; the local size becomes options, unless it is
 * the default of the prelude, so that equal programs are shared. */
static clg_status set_range(clg_plan *p, clg_step *s, const clg_launch *l, bool f64) {
    clg_str options = { 0 };
    clg_str_add(&options, l->options ? l->options : "");
    if (f64) clg_str_printf(&options, "%s-DCLG_F64", options.size ? " " : "");
    for (int i = 0; i < 3; i++) {
        const size_t local = l->local[i] ? l->local[i] : 1, global = l->global[i] ? l->global[i] : 1;
        s->local[i] = local;
        s->global[i] = (global + local - 1) / local * local;
        if (local != 1) clg_str_printf(&options, "%s-DWG%c=%zu", options.size ? " " : "", 'X' + i, local);
    }
    s->options = options.failed ? NULL : clg_arena_strdup(&p->arena, clg_str_text(&options));
    clg_str_free(&options);
    return s->options ? CLG_OK : clg_fail_nomem("plan");
}

static bool has_f64(const clg_arg *args) {
    for (const clg_arg *a = args; a->kind != CLG_ARG_END; a++)
        if (a->kind <= CLG_ARG_INOUT && a->t && a->t->dtype == CLG_F64) return true;
    return false;
}

static clg_status launch_args(clg_plan *p, clg_step *s, const clg_arg *args, int n, bool f64) {
    for (int i = 0; i < n; i++) {
        clg_step_arg *a = &s->args[i];
        const char *name = clg_arena_strdup(&p->arena, args[i].name);
        if (!name) return CLG_ERR_NOMEM;
        if (args[i].kind <= CLG_ARG_INOUT) {
            CLG_TRY(tensor_arg(p, a, args[i].kind, name, args[i].t));
            continue;
        }
        const enum clg_arg_kind kind = f64 && args[i].kind == CLG_ARG_FLOAT ? CLG_ARG_DOUBLE : args[i].kind;
        *a = (clg_step_arg){ .kind = kind, .name = name, .value = -1 };
        memcpy(&a->u, &args[i].u, sizeof a->u);
    }
    return CLG_OK;
}

/* The tail's arguments stand from `at` on, behind the n of the launch, which stores what the tail makes. */
static void set_tail(clg_emit *e, clg_step *s, int n, int at, const clg_tail *tail) {
    const clg_unit *u = &e->plan->units[e->unit];
    const int own = clg_root_of(e->plan, u->nodes[0]->out[0]);
    for (int i = 0; i < n; i++)
        if (s->args[i].kind == CLG_ARG_OUT && s->args[i].value == own) s->args[i].value = tail->out;
    if (tail->n_args > 0) memcpy(s->args + at, tail->args, (size_t)tail->n_args * sizeof *s->args);
    s->tail = tail->text;
    s->n_nodes = u->n_nodes;
    s->flops = tail->flops;
    s->bytes = tail->bytes;
    e->tailed = true;
}

/* The arguments of what feeds the kernel, behind the n of the launch. */
static clg_status set_feed(clg_emit *e, clg_step *s, int n, const clg_tail *feed) {
    if (feed->n_args > 0) memcpy(s->args + n, feed->args, (size_t)feed->n_args * sizeof *s->args);
    s->feeder = e->plan->units[e->unit].feeder;
    s->flops += feed->flops;
    s->bytes += feed->bytes;
    e->fed = true;
    if (!feed->text) return CLG_OK;
    s->tail = s->tail ? clg_arena_printf(&e->plan->arena, "%s%s", s->tail, feed->text) : feed->text;
    return s->tail ? CLG_OK : CLG_ERR_NOMEM;
}

static clg_status add_launch(clg_emit *e, const clg_launch *l) {
    clg_plan *p = e->plan;
    const clg_unit *feeder = l->feed_cols ? p->units[e->unit].feeder : NULL;
    int n = 0;
    clg_tail tail = { 0 }, feed = { 0 };
    while (l->args[n].kind != CLG_ARG_END) n++;
    if (l->tail_cols && !e->tailed) CLG_TRY(clg_tail_make(p, e->unit, l->tail_cols, false, &tail));
    if (feeder) CLG_TRY(clg_tail_make(p, (int)(feeder - p->units), l->feed_cols, true, &feed));
    clg_step *s = clg_step_add(p, CLG_STEP_KERNEL, e->unit, e->impl->name, n + feed.n_args + tail.n_args);
    if (!s) return CLG_ERR_NOMEM;
    CLG_TRY(set_kernel(e, s, l->kernel));
    const bool f64 = has_f64(l->args);
    CLG_TRY(set_range(e->plan, s, l, f64));
    CLG_TRY(launch_args(e->plan, s, l->args, n, f64));
    if (tail.text) set_tail(e, s, n, n + feed.n_args, &tail);
    return feeder ? set_feed(e, s, n, &feed) : CLG_OK;
}

clg_status clg_emit_launch(clg_emit *e, const clg_launch *l) {
    if (e->status < 0) return e->status;
    if (!writes_something(l->args)) return CLG_OK;
    clg_status status = add_launch(e, l);
    if (status < 0) status = clg_fail_context(status, "kernel %s: ", l->kernel);
    return stick(e, status);
}

clg_status clg_emit_copy(clg_emit *e, const clg_tensor *src, const clg_tensor *dst) {
    if (e->status < 0) return e->status;
    if (!src || !dst || src->dtype != dst->dtype || clg_shape_elems(src->shape) != clg_shape_elems(dst->shape))
        return stick(e, clg_fail(CLG_ERR_INVALID, "%s: copy between tensors of other sizes or types", e->impl->name));
    const int from = use(e->plan, src), to = use(e->plan, dst);
    if (from < 0 || to < 0) return stick(e, CLG_ERR_INVALID);
    return stick(e, clg_step_copy(e->plan, e->unit, e->impl->name, from, to));
}

bool clg_emit_clblast_fits(const clg_device *d, int64_t m, int64_t n, int64_t k, int64_t batch) {
    const clg_gemm g = { .m = m, .n = n, .k = k, .batch = batch, .lda = k > m ? k : m, .ldb = n > k ? n : k, .ldc = n,
                         .a_stride = m * k, .b_stride = k * n, .c_stride = m * n };
    return clg_gemm_clblast_fits(d, &g);
}

clg_status clg_emit_clblast(clg_emit *e, const clg_emit_gemm_params *params) {
    if (e->status < 0) return e->status;
    clg_emit_gemm_params g = *params;
    if (!clg_emit_clblast_fits(e->plan->device, g.m, g.n, g.k, g.batch))
        return clg_fail(CLG_ERR_UNSUP, "%s: CLBlast cannot multiply these sizes on this device", e->impl->name);
    if (g.a->dtype != CLG_F32 || g.b->dtype != CLG_F32 || g.c->dtype != CLG_F32)
        return clg_fail(CLG_ERR_UNSUP, "%s: CLBlast is used for f32 only", e->impl->name);
    if (g.m == 0 || g.n == 0 || g.batch == 0) return CLG_OK;
    if (!g.lda) g.lda = g.ta ? g.m : g.k;
    if (!g.ldb) g.ldb = g.tb ? g.k : g.n;
    if (!g.ldc) g.ldc = g.n;
    clg_step *s = clg_step_add(e->plan, CLG_STEP_GEMM, e->unit, e->impl->name, 3);
    if (!s) return stick(e, CLG_ERR_NOMEM);
    s->gemm_params = g;
    const struct { enum clg_arg_kind kind; const char *name; const clg_tensor *t; } args[] = {
        { CLG_ARG_IN, "a", g.a }, { CLG_ARG_IN, "b", g.b }, { CLG_ARG_OUT, "c", g.c }
    };
    for (int i = 0; i < 3; i++)
        CLG_TRY(stick(e, tensor_arg(e->plan, &s->args[i], args[i].kind, args[i].name, args[i].t)));
    return CLG_OK;
}

/* --- all steps of the plan --- */

/* With a tail, the node's own output is nowhere. */
static clg_status check_tail(const clg_emit *e, int first) {
    const int own = clg_root_of(e->plan, e->node->out[0]);
    for (int s = first; s < e->plan->n_steps; s++)
        for (int i = 0; i < e->plan->steps[s].n_args; i++) {
            const clg_step_arg *a = &e->plan->steps[s].args[i];
            if (clg_arg_touches(a) && a->value == own)
                return clg_fail(CLG_ERR_INVALID, "%s: a launch with a tail is not the only one that touches the output",
                                e->impl->name);
        }
    return CLG_OK;
}

/* What feeds the unit is neither written nor read. */
static void add_cost(const clg_plan *p, const clg_unit *u, clg_step *s) {
    for (const clg_unit *x = u; x; x = x->feeder) {
        const clg_node *n = x->nodes[0];
        const clg_cost cost = n->op->cost ? n->op->cost(n) : cost_of(n, 0);
        s->flops += cost.flops;
        s->bytes += cost.bytes;
        if (x->feeder) s->bytes -= 2.0 * (double)clg_value_bytes(p, clg_root_value(p, n->in[0]));
    }
}

static clg_status emit_node(clg_plan *p, int unit) {
    const clg_unit *u = &p->units[unit];
    const clg_node *n = u->nodes[0];
    clg_emit e = { .plan = p, .node = n, .unit = unit, .impl = u->impl };
    bool elements = false;
    for (int k = 0; k < n->n_out; k++) elements |= out_elems(n, k) > 0;
    if (!elements) return CLG_OK;
    CLG_TRY(clg_emit_widen(p, unit));
    const int first = p->n_steps;
    clg_status status = u->impl->emit(&e, u->seen);
    if (status >= 0) status = e.status;
    if (status < 0) return clg_fail_context(status, "%s: ", clg_node_text(p, n));
    if (u->feeder && !e.fed)
        return clg_fail(CLG_ERR_INVALID, "%s: no launch computes %s", u->impl->name, clg_node_text(p, u->feeder->seen));
    if (p->n_steps > first) add_cost(p, u, &p->steps[p->n_steps - 1]);
    if (e.tailed) return check_tail(&e, first);
    CLG_TRY(clg_emit_narrow(p, unit));
    return u->n_nodes > 1 ? clg_emit_elementwise(p, unit) : CLG_OK;
}

clg_status clg_plan_emit(clg_plan *p) {
    for (int i = 0; i < p->n_snapshots; i++)
        CLG_TRY(clg_step_copy(p, -1, "copy.start", p->snapshots[i][0], p->snapshots[i][1]));
    for (int i = 0; i < p->n_order; i++) {
        const int u = p->order[i];
        if (p->units[u].fed) continue;
        CLG_TRY(p->caps->ref ? clg_emit_ref(p, u)
                : p->units[u].elementwise ? clg_emit_elementwise(p, u) : emit_node(p, u));
    }
    for (int i = 0; i < p->n_effects; i++) {
        const clg_effect *e = &p->effects[i];
        if (e->in_place || e->src == e->dst) continue;
        CLG_TRY(clg_step_copy(p, -1, "copy.end", e->snapshot >= 0 ? e->snapshot : e->src, e->dst));
    }
    return CLG_OK;
}

/* Batches: launches of one generated kernel on different tensors (the optimiser's updates of all params) become one
 * launch, in which the first work-items walk the first tensors, the next ones the second, and so on. Each element is
 * computed by the same text as before, so the bits are the same.
 *
 * All are moved to the place of the last one. That is done only where nothing between touches what they write or writes
 * what they read, and where their operands, which then live longer, do not raise the peak of memory. */
#include "plan/codegen.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_BATCH = 24,      /* launches of a batch */
    MAX_ARG_BYTES = 960, /* of its arguments: a device must take 1024 */
};

typedef struct batching {
    clg_plan *p;
    uint64_t *live;    /* bytes of intermediates by step */
    uint64_t  most;    /* that they may reach */
    int      *first, *last; /* steps that touch it, by mem */
    bool     *gone;    /* steps that are in a batch */
} batching;

/* --- what may be moved --- */

static clg_status find_live(batching *b) {
    clg_plan *p = b->p;
    b->live = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->live);
    b->gone = clg_arena_array(&p->arena, (size_t)p->n_steps + 1, sizeof *b->gone);
    b->first = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof *b->first);
    b->last = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof *b->last);
    if (!b->live || !b->gone || !b->first || !b->last) return CLG_ERR_NOMEM;
    for (int v = 0; v < p->n_values; v++) b->first[v] = -1;
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->steps[s].n_args; i++) {
            if (!clg_arg_touches(&p->steps[s].args[i])) continue;
            const int mem = clg_value_mem(p, p->steps[s].args[i].value);
            if (b->first[mem] < 0) b->first[mem] = s;
            b->last[mem] = s;
        }
    for (int v = 0; v < p->n_values; v++) {
        if (b->first[v] < 0 || p->values[v].place != CLG_PLACE_ARENA) continue;
        for (int s = b->first[v]; s <= b->last[v]; s++) b->live[s] += clg_value_bytes(p, &p->values[v]);
    }
    for (int s = 0; s < p->n_steps; s++)
        if (b->live[s] > b->most) b->most = b->live[s];
    b->most += b->most / 32;
    return CLG_OK;
}

/* Whether a step can be done at the place of a later one. */
static bool is_free(const clg_plan *p, int step, int to) {
    const clg_step *s = &p->steps[step];
    for (int k = step + 1; k <= to; k++)
        for (int i = 0; i < s->n_args; i++)
            for (int j = 0; j < p->steps[k].n_args; j++) {
                const clg_step_arg *a = &s->args[i], *x = &p->steps[k].args[j];
                if (!clg_arg_touches(a) || !clg_arg_touches(x) || (!clg_arg_writes(a) && !clg_arg_writes(x))) continue;
                if (clg_value_mem(p, a->value) == clg_value_mem(p, x->value)) return false;
            }
    return true;
}

/* Bytes that then live on from the step: of intermediates which it reads last. */
static uint64_t dying_bytes(const batching *b, int step) {
    const clg_step *s = &b->p->steps[step];
    uint64_t bytes = 0;
    for (int i = 0; i < s->n_args; i++) {
        const int mem = clg_arg_touches(&s->args[i]) ? clg_value_mem(b->p, s->args[i].value) : -1;
        if (mem >= 0 && b->p->values[mem].place == CLG_PLACE_ARENA && b->last[mem] == step)
            bytes += clg_value_bytes(b->p, &b->p->values[mem]);
    }
    return bytes;
}

/* Notes that the operands live until a later step, if there is room. */
static bool make_room(batching *b, int step, int to) {
    const uint64_t bytes = dying_bytes(b, step);
    for (int s = step + 1; s <= to; s++)
        if (b->live[s] + bytes > b->most) return false;
    for (int s = step + 1; s <= to; s++) b->live[s] += bytes;
    return true;
}

/* The same kernel, with the same numbers; only sizes and tensors may differ. */
static bool is_alike(const clg_step *a, const clg_step *b) {
    if (strcmp(a->function, b->function) != 0 || strcmp(a->options, b->options) != 0 || a->n_args != b->n_args)
        return false;
    for (int i = 0; i < a->n_args; i++) {
        if (a->args[i].kind != b->args[i].kind) return false;
        if (a->args[i].constant && memcmp(&a->args[i].u, &b->args[i].u, sizeof a->args[i].u) != 0) return false;
    }
    return true;
}

static bool is_candidate(const batching *b, int step) {
    const clg_step *s = &b->p->steps[step];
    return !b->gone[step] && s->kind == CLG_STEP_KERNEL && s->flat && step >= b->p->n_prepared;
}

static size_t arg_bytes(const clg_step *s) {
    size_t n = 8;
    for (int i = 0; i < s->n_args; i++) n += clg_arg_touches(&s->args[i]) ? 16 : 8;
    return n;
}

/* --- the kernel of a batch --- */

static const char *scalar_type(const clg_step_arg *a) {
    return a->kind == CLG_ARG_INT ? "int" : a->kind == CLG_ARG_LONG ? "long" : a->kind == CLG_ARG_FLOAT ? "float"
        : "double";
}

/* Parameters: those of each launch with its number before the name; numbers once; where its work-items end. */
static void write_params(const clg_plan *p, const int *steps, int n, clg_str *out) {
    for (int b = 0; b < n; b++) {
        const clg_step *s = &p->steps[steps[b]];
        for (int i = 0; i < s->n_args; i++) {
            const clg_step_arg *a = &s->args[i];
            const char *comma = b || i ? ", " : "";
            if (clg_arg_touches(a))
                clg_str_printf(out, "%s%s_T(%s, a%d_%s)", comma, a->kind == CLG_ARG_IN ? "IN" : "INOUT",
                               clg_gen_memory_type(p->values[a->value].t->dtype), b, a->name);
            else if (!a->constant) clg_str_printf(out, "%sconst %s a%d_%s", comma, scalar_type(a), b, a->name);
            else if (b == 0) clg_str_printf(out, "%sconst %s %s", comma, scalar_type(a), a->name);
        }
        clg_str_printf(out, ", const long a%d_end", b);
    }
}

/* What the text of the kernel calls p0, p0_off, n, chunk, for the tensors of this work-item. */
static void write_choice(const clg_plan *p, const clg_step *s, int n, clg_str *out) {
    clg_str_add(out, "    long item = (long)get_global_id(0), start = 0;\n");
    for (int b = 0; b < n; b++) {
        if (b) clg_str_printf(out, "    if (item >= a%d_end) {\n        start = a%d_end;\n", b - 1, b - 1);
        for (int i = 0; i < s->n_args; i++) {
            const clg_step_arg *a = &s->args[i];
            if (a->constant) continue;
            const char *in = clg_arg_touches(a) && a->kind == CLG_ARG_IN ? "const " : "";
            clg_str_add(out, b ? "        " : "    ");
            if (!b && clg_arg_touches(a))
                clg_str_printf(out, "%s__global %s *", in, clg_gen_memory_type(p->values[a->value].t->dtype));
            else if (!b) clg_str_printf(out, "%s ", scalar_type(a));
            clg_str_printf(out, "%s = a%d_%s;\n", a->name, b, a->name);
            if (clg_arg_touches(a))
                clg_str_printf(out, "%s%s_off = a%d_%s_off;\n", b ? "        " : "    ulong ", a->name, b, a->name);
        }
        if (b) clg_str_add(out, "    }\n");
    }
    clg_str_add(out, "    item -= start;\n");
}

static void write_batch(const clg_plan *p, const int *steps, int n, const char *body, clg_str *out) {
    static const char id[] = "get_global_id(0)";
    clg_str_add(out, "(");
    write_params(p, steps, n, out);
    clg_str_add(out, ") {\n");
    write_choice(p, &p->steps[steps[0]], n, out);
    const char *at = strstr(body, ") {\n");
    at = at ? at + 4 : body;
    for (const char *next; (next = strstr(at, id)) != NULL; at = next + sizeof id - 1) {
        clg_str_add_bytes(out, at, (size_t)(next - at));
        clg_str_add(out, "item");
    }
    clg_str_add(out, at);
}

/* The arguments in the order of the parameters. */
static clg_status batch_args(clg_plan *p, const int *steps, int n, clg_step *to) {
    int have = 0, most = 0;
    for (int b = 0; b < n; b++) most += p->steps[steps[b]].n_args + 1;
    clg_step_arg *args = clg_arena_array(&p->arena, (size_t)most, sizeof *args);
    int64_t end = 0;
    if (!args) return CLG_ERR_NOMEM;
    for (int b = 0; b < n; b++) {
        const clg_step *s = &p->steps[steps[b]];
        for (int i = 0; i < s->n_args; i++) {
            if (s->args[i].constant && b > 0) continue;
            clg_step_arg *a = &args[have++];
            *a = s->args[i];
            if (a->kind == CLG_ARG_OUT) a->kind = CLG_ARG_INOUT;
            if (!a->constant) a->name = clg_arena_printf(&p->arena, "a%d_%s", b, a->name);
            if (!a->name) return CLG_ERR_NOMEM;
        }
        end += (int64_t)s->global[0];
        args[have] = (clg_step_arg){ .kind = CLG_ARG_LONG, .value = -1, .u.i = end,
                                     .name = clg_arena_printf(&p->arena, "a%d_end", b) };
        if (!args[have++].name) return CLG_ERR_NOMEM;
    }
    to->args = args;
    to->n_args = have;
    to->global[0] = (size_t)end;
    return CLG_OK;
}

static const char *body_of(const clg_plan *p, const char *function) {
    for (int i = 0; i < p->n_generated; i++)
        if (strcmp(p->generated[i].name, function) == 0) return p->generated[i].body;
    return "";
}

/* steps[0] is the last one, which becomes the batch. */
static clg_status make_batch(batching *b, const int *steps, int n) {
    clg_plan *p = b->p;
    clg_step merged = p->steps[steps[0]];
    clg_str text = { 0 };
    write_batch(p, steps, n, body_of(p, merged.function), &text);
    merged.function = text.failed ? NULL : clg_generated_name(p, clg_str_text(&text));
    clg_str_free(&text);
    if (!merged.function) return clg_fail_nomem("batch of updates");
    CLG_TRY(batch_args(p, steps, n, &merged));
    for (int i = 1; i < n; i++) {
        b->gone[steps[i]] = true;
        merged.flops += p->steps[steps[i]].flops;
        merged.bytes += p->steps[steps[i]].bytes;
    }
    p->steps[steps[0]] = merged;
    return CLG_OK;
}

clg_status clg_plan_batch(clg_plan *p) {
    batching b = { .p = p };
    int steps[MAX_BATCH], kept = 0;
    CLG_TRY(find_live(&b));
    for (int to = p->n_steps - 1; to >= p->n_prepared; to--) {
        int n = 1;
        if (!is_candidate(&b, to)) continue;
        const size_t bytes = arg_bytes(&p->steps[to]);
        steps[0] = to;
        for (int s = to - 1; s >= p->n_prepared && n < MAX_BATCH && bytes * (size_t)(n + 1) <= MAX_ARG_BYTES; s--)
            if (is_candidate(&b, s) && is_alike(&p->steps[s], &p->steps[to]) && is_free(p, s, to)
                && make_room(&b, s, to))
                steps[n++] = s;
        if (n > 1) CLG_TRY(make_batch(&b, steps, n));
    }
    for (int s = 0; s < p->n_steps; s++)
        if (!b.gone[s]) p->steps[kept++] = p->steps[s];
    p->n_steps = kept;
    return CLG_OK;
}

/* The memory plan: lifetimes of intermediates counted in steps, and offsets in arenas so that those alive together do
 * not overlap. Method: greedy by size; the largest first, each at the tightest gap between the neighbours of its
 * lifetime (Pisarchyk & Lee 2020, arXiv:2001.03288, algorithm 3). An arena never exceeds the largest allocation. */
#include "plan/place.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>

/* A piece of arena memory: a root value, or several that share memory in place. */
typedef struct item {
    int    value;
    size_t bytes;  /* with alignment */
    size_t offset;
    int    first, last, arena; /* arena -1: not placed yet */
} item;

static size_t aligned(const clg_plan *p, size_t bytes) {
    const size_t align = p->caps->align ? p->caps->align : 128;
    return (bytes > 0 ? bytes + align - 1 : align) / align * align;
}

static void find_lifetimes(clg_plan *p) {
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->steps[s].n_args; i++) {
            if (!clg_arg_touches(&p->steps[s].args[i])) continue;
            clg_value *v = &p->values[clg_value_mem(p, p->steps[s].args[i].value)];
            if (v->first < 0) v->first = s;
            v->last = s;
        }
}

/* Largest first; then by time, so that the plan does not depend on the sort. */
static int by_size(const void *pa, const void *pb) {
    const item *a = pa, *b = pb;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static bool overlap(const item *a, const item *b) { return a->first <= b->last && b->first <= a->last; }

/* Offset for x among the placed items of an arena that live when it does, which `near` lists by offset: the tightest
 * gap between them, else behind them; SIZE_MAX: it does not fit. */
static size_t gap(const item *x, const item *const *near, int n, size_t limit) {
    size_t best = SIZE_MAX, best_room = SIZE_MAX, at = 0;
    for (int i = 0; i < n; i++) {
        const size_t room = near[i]->offset > at ? near[i]->offset - at : 0;
        if (room >= x->bytes && room < best_room) {
            best = at;
            best_room = room;
        }
        if (near[i]->offset + near[i]->bytes > at) at = near[i]->offset + near[i]->bytes;
    }
    if (best != SIZE_MAX) return best;
    return at <= limit && x->bytes <= limit - at ? at : SIZE_MAX;
}

static int by_offset(const void *pa, const void *pb) {
    const item *a = *(const item *const *)pa, *b = *(const item *const *)pb;
    return a->offset != b->offset ? (a->offset < b->offset ? -1 : 1) : a->value - b->value;
}

static clg_status place(clg_plan *p, item *items, int k, const item **near) {
    item *x = &items[k];
    const size_t limit = p->caps->max_alloc ? p->caps->max_alloc - CLG_BUFFER_SLACK : SIZE_MAX / 4;
    for (int a = 0;; a++) {
        int n = 0;
        for (int i = 0; i < k; i++)
            if (items[i].arena == a && (p->params.no_reuse || overlap(&items[i], x))) near[n++] = &items[i];
        qsort(near, (size_t)n, sizeof *near, by_offset);
        x->offset = gap(x, near, n, limit);
        if (x->offset == SIZE_MAX && a < p->n_arenas) continue;
        if (x->offset == SIZE_MAX) return CLG_ERR_NOMEM;
        if (a == p->n_arenas) {
            uint64_t **sizes = &p->arena_bytes;
            if (!clg_grow(sizes, &p->cap_arenas, a + 1, sizeof **sizes)) return clg_fail_nomem("plan");
            p->arena_bytes[p->n_arenas++] = 0;
        }
        x->arena = a;
        if (p->arena_bytes[a] < x->offset + x->bytes) p->arena_bytes[a] = x->offset + x->bytes;
        return CLG_OK;
    }
}

/* --- what the report says --- */

static void count_live(clg_plan *p, const item *items, int n) {
    for (int s = 0; s < p->n_steps; s++) {
        uint64_t live = 0, scratch = 0;
        for (int i = 0; i < n; i++) {
            if (items[i].first > s || items[i].last < s) continue;
            live += items[i].bytes;
            if (p->values[items[i].value].scratch) scratch += items[i].bytes;
        }
        if (live > p->bytes_lower) p->bytes_lower = live;
        if (scratch > p->info.bytes_workspace) p->info.bytes_workspace = scratch;
    }
}

static void count_bytes(clg_plan *p) {
    for (int i = 0; i < p->n_values; i++) {
        const clg_value *v = &p->values[i];
        if (v->root != i || clg_value_mem(p, i) != i || v->borrowed) continue;
        if (v->place == CLG_PLACE_SLOT && v->first >= 0) p->info.bytes_params += clg_value_bytes(p, v);
        if (v->place == CLG_PLACE_FIXED)
            p->info.bytes_fixed += (clg_input_way(p, v) == CLG_UPLOAD_IN_LINE ? 1 : 2) * clg_value_bytes(p, v);
        if (v->place == CLG_PLACE_FIXED && v->prepared && !v->keep) p->info.bytes_prepared += clg_value_bytes(p, v);
    }
    for (int i = 0; i < p->n_arenas; i++) p->info.bytes_arena += p->arena_bytes[i];
    for (int i = p->n_prepared; i < p->n_steps; i++) {
        p->info.flops += p->steps[i].flops;
        p->info.bytes_moved += p->steps[i].bytes;
    }
}

/* Without reuse every value has memory of its own, also those that share it in place. */
static uint64_t bytes_without_reuse(const clg_plan *p) {
    uint64_t bytes = 0;
    for (int i = 0; i < p->n_values; i++) {
        const clg_value *v = &p->values[i];
        const bool touched = p->values[clg_value_mem(p, i)].first >= 0;
        if (v->root == i && v->place == CLG_PLACE_ARENA && touched) bytes += aligned(p, clg_value_bytes(p, v));
    }
    return bytes;
}

/* --- buffers --- */

static clg_status fail_memory(clg_plan *p) {
    char shape[128];
    const clg_value *big = NULL;
    const uint64_t peak = p->info.bytes_arena > p->bytes_lower ? p->info.bytes_arena : p->bytes_lower;
    for (int i = 0; i < p->n_values; i++) {
        const clg_value *v = &p->values[i];
        if (v->root == i && v->place != CLG_PLACE_NONE && v->place != CLG_PLACE_SLOT
            && (!big || clg_value_bytes(p, v) > clg_value_bytes(p, big)))
            big = v;
    }
    if (!big) return CLG_ERR_NOMEM;
    return clg_fail_context(CLG_ERR_NOMEM, "clg_compile: the plan needs %.2f MB for intermediates at its peak and %.2f "
                            "MB for inputs, constants and targets; its largest tensor is %s %s with %.2f MB; take a "
                            "smaller batch or raise the memory cap: ", 1e-6 * (double)peak,
                            1e-6 * (double)p->info.bytes_fixed, clg_tensor_name(big->t),
                            clg_shape_text(big->t->dtype, big->t->shape, shape, sizeof shape),
                            1e-6 * (double)clg_value_bytes(p, big));
}

static clg_status fill_fixed(clg_plan *p, clg_value *v) {
    const size_t n = (size_t)clg_value_elems(v), size = clg_dtype_size(v->t->dtype);
    if (!v->constant || n == 0) return CLG_OK;
    if (!v->uniform) return clg_buffer_write(v->buffer, 0, v->t->dtype, v->host, n);
    if (v->number == 0 && !signbit(v->number)) return CLG_OK; /* buffers start as zeros */
    unsigned char *data = clg_alloc(n * size);
    if (!data) return clg_fail_nomem("constant");
    for (size_t i = 0; i < n; i++) clg_from_double(v->t->dtype, &v->number, data + i * size, 1);
    const clg_status status = clg_buffer_write(v->buffer, 0, v->t->dtype, data, n);
    clg_free(data);
    return status;
}

static clg_status create_fixed(clg_plan *p) {
    for (int i = 0; i < p->n_values; i++) {
        clg_value *v = &p->values[i];
        if (v->root != i || v->place != CLG_PLACE_FIXED) continue;
        if (v->t->node && v->t->node->op == &clg_op_input) {
            CLG_TRY(clg_upload_create(p->device, v->t->dtype, (size_t)clg_value_elems(v), clg_input_way(p, v),
                                      clg_tensor_name(v->t), &v->upload));
            v->buffer = clg_upload_buffer(v->upload);
            continue;
        }
        const size_t bytes = clg_value_bytes(p, v);
        if (v->borrowed) {
            clg_part_borrow(p, i);
            continue;
        }
        const bool share = p->shares && v->keep && !v->constant; /* clg_read() looks at it */
        CLG_TRY((share ? clg_buffer_create_shared : clg_buffer_create)(p->device, bytes ? bytes : p->caps->align,
                                                                       clg_tensor_name(v->t), &v->buffer));
        CLG_TRY(fill_fixed(p, v));
    }
    return CLG_OK;
}

static clg_status create_arenas(clg_plan *p, const item *items, int n) {
    p->arenas = clg_arena_array(&p->arena, (size_t)p->n_arenas + 1, sizeof *p->arenas);
    if (!p->arenas) return CLG_ERR_NOMEM;
    for (int i = 0; i < p->n_arenas; i++)
        CLG_TRY(clg_buffer_create(p->device, p->arena_bytes[i], "intermediates of the plan", &p->arenas[i]));
    for (int i = 0; i < n; i++) {
        clg_value *v = &p->values[items[i].value];
        v->buffer = p->arenas[items[i].arena];
        v->offset = items[i].offset / clg_device_elem_size(p->device, v->t->dtype);
    }
    for (int i = 0; i < p->n_values; i++) { /* values that share memory in place */
        clg_value *v = &p->values[i];
        const clg_value *m = &p->values[clg_value_mem(p, i)];
        if (v->root == i && v != m) {
            v->buffer = m->buffer;
            v->offset = m->offset;
        }
    }
    return CLG_OK;
}

/* What is recorded keeps its arguments, and gives no event: such a plan has one buffer an input. */
static clg_status choose_sharing(clg_plan *p) {
    enum clg_replay mode;
    CLG_TRY(clg_plan_replay_mode(p, &mode));
    p->shares = p->caps->shares && !p->whole && mode != CLG_REPLAY_ON;
    return CLG_OK;
}

clg_status clg_plan_memory(clg_plan *p) {
    int n = 0;
    item *items = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof *items);
    const item **near = clg_arena_array(&p->arena, (size_t)p->n_values + 1, sizeof *near);
    if (!items || !near) return CLG_ERR_NOMEM;
    CLG_TRY(choose_sharing(p));
    find_lifetimes(p);
    for (int i = 0; i < p->n_values; i++) {
        const clg_value *v = &p->values[i];
        if (v->root != i || v->place != CLG_PLACE_ARENA || clg_value_mem(p, i) != i || v->first < 0) continue;
        items[n++] = (item){ i, aligned(p, clg_value_bytes(p, v)), 0, v->first, v->last, -1 };
    }
    qsort(items, (size_t)n, sizeof *items, by_size);
    clg_status status = CLG_OK;
    for (int i = 0; i < n && status >= 0; i++) {
        status = place(p, items, i, near);
        if (status == CLG_ERR_NOMEM)
            clg_fail(status, "one tensor exceeds the largest buffer of the device (%.2f MB)",
                     1e-6 * (double)p->caps->max_alloc);
    }
    count_live(p, items, n);
    count_bytes(p);
    p->info.bytes_without_reuse = bytes_without_reuse(p);
    if (status >= 0) status = create_fixed(p);
    if (status >= 0) status = create_arenas(p, items, n);
    return status == CLG_ERR_NOMEM ? fail_memory(p) : status;
}

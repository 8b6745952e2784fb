/* Micro-batches: a training plan of a large batch takes some rows of it at a time through the forward and the backward
 * pass, and adds up the gradients, before the params are updated. Intermediates are then those of a few rows: they stay
 * in the caches of a CPU between the layers, and the arena is as much smaller. The method is that of gradient
 * accumulation, as the micro-batches of Huang et al. 2019, arXiv:1811.06965 (GPipe), but that the plan does it.
 *
 * The graph gets nodes for each part, which the targets are made of in place of those of the user. Which nodes can be
 * done in parts, and how these make the whole, the rows of the ops say (clg_op.join): rows of axis 0, sums, or what is
 * the same for all parts. Where one cannot, as batch normalisation, which looks at all rows at once, nothing is done. */
#include "plan/plan.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* What a tensor is to the parts: as in op.h; and made of a sum, so that no part can read it. */
enum { NONE = CLG_JOIN_NONE, WHOLE = CLG_JOIN_WHOLE, ROWS = CLG_JOIN_ROWS, SUM = CLG_JOIN_SUM, LOCAL = CLG_JOIN_LOCAL,
       AFTER };

enum { MOST_PARTS = 64 }; /* each has steps of its own, and passes look at pairs of steps */

/* Where the rows of a part come from. */
typedef struct beginning { const clg_node *node; int part; } beginning;

typedef struct splitting {
    clg_plan  *p;
    int64_t    batch, rows, n_parts; /* rows: of a part */
    int        n_nodes;        /* of the graph before */
    unsigned char *is;         /* by tensor id: what it is */
    clg_tensor **part;         /* by tensor id: of the part that is being made; NULL: the tensor itself */
    clg_tensor **whole;        /* by tensor id: what stands in its place behind the parts; NULL: itself */
    int       *wanted, n_wanted; /* by tensor id: 1 + which of the targets that are rows; 0: none of them */
    clg_tensor **rows_of;      /* by part, by those */
    beginning *begin; int n_begin, cap_begin;
    const clg_node **sums; int n_sums, cap_sums;
} splitting;

static clg_node *node_at(const splitting *s, int i) { return s->p->graph->nodes[i]; }

/* --- what can be done in parts --- */

static bool has_rows(const splitting *s, const clg_tensor *t) {
    return t->shape.ndim > 0 && t->shape.dim[0] == s->batch;
}

/* Operands of the rank of the result have its axis 0, or stretch along it. */
static enum clg_join join_elementwise(const clg_node *n, const enum clg_join *in) {
    const clg_tensor *y = n->out[0];
    for (int i = 0; i < n->n_in; i++)
        if (in[i] == CLG_JOIN_LOCAL || (in[i] == CLG_JOIN_ROWS && in_shape(n, i).ndim != y->shape.ndim))
            return CLG_JOIN_NONE;
    return CLG_JOIN_ROWS;
}

static enum clg_join join_of(const clg_node *n, const enum clg_join *in, int out) {
    if (n->op->flags & CLG_OP_ELEMENTWISE) return join_elementwise(n, in);
    return n->op->join ? n->op->join(n, in, out) : CLG_JOIN_NONE;
}

/* A view of one operand under its own shape: what stands for that stands for this. */
static bool is_alias(const splitting *s, const clg_node *n) {
    return n->op->flags & (CLG_OP_TRAIN_ONLY | CLG_OP_PHASE) && clg_node_is_view(s->p, n);
}

/* Whether the device has the types of a node. Those that it lacks go to the reference, with the node as it is. */
static bool has_types(const splitting *s, const clg_node *n) {
    bool has = true;
    for (int k = 0; k < n->n_in; k++) has &= clg_device_has_type(s->p->device, n->in[k]->dtype);
    for (int k = 0; k < n->n_out; k++) has &= clg_device_has_type(s->p->device, n->out[k]->dtype);
    return has;
}

/* Sets what the results of a node are; false: it cannot be done in parts. */
static bool classify(splitting *s, const clg_node *n) {
    enum clg_join in[CLG_MAX_IN];
    bool parts = false, after = false;
    int from;
    const int reads = clg_node_reads(s->p, n, &from);
    for (int k = from; k < reads; k++) {
        const int is = s->is[n->in[k]->id];
        after |= is == SUM || is == AFTER;
        parts |= is == ROWS || is == LOCAL;
    }
    if (parts && (after || n->n_in > CLG_MAX_IN || n->op->flags & CLG_OP_EFFECT || !has_types(s, n))) return false;
    if (parts && !is_alias(s, n))
        for (int k = 0; k < n->n_in; k++) in[k] = (enum clg_join)s->is[n->in[k]->id];
    for (int k = 0; k < n->n_out; k++) {
        int is = after ? AFTER : WHOLE;
        if (parts) is = is_alias(s, n) ? s->is[n->in[from]->id] : (int)join_of(n, in, k);
        if (is == NONE) return false;
        s->is[n->out[k]->id] = (unsigned char)is;
    }
    return true;
}

static void classify_source(splitting *s, const clg_node *n) {
    s->is[n->out[0]->id] = n->op == &clg_op_input && has_rows(s, n->out[0]) ? ROWS : WHOLE;
}

/* Rows of the largest input. */
static void find_batch(splitting *s) {
    size_t most = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        if (!s->p->needed[i] || n->op != &clg_op_input || n->out[0]->shape.ndim == 0) continue;
        if (clg_tensor_bytes(n->out[0]) <= most) continue;
        most = clg_tensor_bytes(n->out[0]);
        s->batch = n->out[0]->shape.dim[0];
    }
}

/* Whether the plan can be done in parts, and updates something by their sum. */
static bool is_divisible(splitting *s) {
    bool updates = false;
    for (int i = 0; i < s->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        if (!s->p->needed[i]) continue;
        if (n->op->flags & CLG_OP_SOURCE) classify_source(s, n);
        else if (!classify(s, n)) {
            clg_log_msg(CLG_LOG_DEBUG, "micro-batches: none, because of %s", clg_node_text(s->p, n));
            return false;
        }
        updates |= n->op == &clg_op_assign && s->is[n->out[0]->id] == AFTER;
    }
    for (int i = 0; i < s->p->n_targets; i++)
        if (s->is[s->p->targets[i].t->id] == LOCAL) return false;
    return updates;
}

/* --- how many rows --- */

/* Of a row: bytes and floating-point operations; bytes of a part, however many rows it has. */
typedef struct traffic { double rows, flops, fixed; } traffic;

static bool is_read_by_parts(const splitting *s, const clg_tensor *t) {
    for (int i = 0; i < s->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        bool reads = false, parts = false;
        if (!s->p->needed[i]) continue;
        for (int k = 0; k < n->n_in; k++) {
            reads |= n->in[k] == t;
            parts |= s->is[n->in[k]->id] == ROWS;
        }
        if (reads && parts) return true;
    }
    return false;
}

/* What rows leave in memory; params that each part reads, and sums that it reads and writes. */
static traffic traffic_of(const splitting *s) {
    traffic t = { 0, 0, 0 };
    for (int i = 0; i < s->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        const bool param = n->op == &clg_op_variable;
        if (!s->p->needed[i] || n->op->flags & CLG_OP_EFFECT || clg_node_is_view(s->p, n)) continue;
        const int kind = s->is[n->out[0]->id];
        if (n->op->cost && (kind == ROWS || kind == SUM)) t.flops += n->op->cost(n).flops / (double)s->batch;
        for (int k = 0; k < n->n_out; k++) {
            const double bytes = (double)clg_tensor_bytes(n->out[k]);
            const int is = s->is[n->out[k]->id];
            if (is == ROWS) t.rows += bytes / (double)s->batch;
            if (is == SUM) t.fixed += 3 * bytes;
            if (param && is_read_by_parts(s, n->out[k])) t.fixed += bytes;
        }
    }
    return t;
}

/* The fewest rows of which the batch is a multiple, and that are at least `least`. */
static int64_t round_up(const splitting *s, double least) {
    int64_t parts = least > 1 ? (int64_t)((double)s->batch / least) : s->batch;
    if (parts > MOST_PARTS) parts = MOST_PARTS;
    while (parts > 1 && s->batch % parts) parts--;
    return parts > 1 ? s->batch / parts : s->batch;
}

/* Parts whose intermediates take 32 MB, which the last cache of a CPU holds, where those of the batch take several times
 * as much. Larger ones where params are large, which each part reads, transforms and has gradients of in several pieces,
 * and where rows are little work: a part should be some milliseconds of it, beside which its launches are nothing.
 * Measured: docs/performance.md. */
static int64_t rows_by_model(const splitting *s) {
    const double want = 32e6, work = 1.5e9, worth = 2.5, share = 24;
    const traffic t = traffic_of(s);
    double least = want / (t.rows > 1 ? t.rows : 1);
    clg_log_msg(CLG_LOG_DEBUG, "micro-batches: a row has %.3f MB and %.3f Mflop, a part %.3f MB", 1e-6 * t.rows,
                1e-6 * t.flops, 1e-6 * t.fixed);
    if ((double)s->batch < worth * least) return s->batch;
    if (least * t.rows < share * t.fixed) least = share * t.fixed / t.rows;
    if (least * t.flops < work) least = work / (t.flops > 1 ? t.flops : 1);
    return round_up(s, least);
}

static clg_status choose_rows(splitting *s) {
    const char *text = getenv("CLGRAD_MICRO_BATCH");
    char *end = NULL;
    long long rows = s->p->params.micro_batch;
    if (rows == 0 && text && *text && strcmp(text, "auto") != 0) {
        rows = strcmp(text, "off") == 0 ? -1 : strtoll(text, &end, 10);
        if (rows == 0 || (end && *end) || (end && rows < 0))
            return clg_fail(CLG_ERR_INVALID, "CLGRAD_MICRO_BATCH=%s: is none of auto, off, a number of rows", text);
    }
    s->rows = s->batch;
    if (rows > 0) s->rows = round_up(s, (double)rows);
    if (rows == 0 && s->p->caps->cls == CLG_CLASS_CPU) s->rows = rows_by_model(s);
    return CLG_OK;
}

/* --- the parts --- */

static clg_tensor *get(clg_tensor *const *made, clg_tensor *t) { return made[t->id] ? made[t->id] : t; }

/* The rows of a tensor that has all of them, for part number `part`, and a note that this begins there. */
static clg_tensor *cut(splitting *s, clg_tensor *t, int64_t part) {
    clg_tensor *x = clg_slice(t, 0, part * s->rows, (part + 1) * s->rows, 1);
    if (!x || !clg_grow(&s->begin, &s->cap_begin, s->n_begin + 1, sizeof *s->begin)) return NULL;
    s->begin[s->n_begin++] = (beginning){ x->node, (int)part + 1 };
    return x;
}

/* Operand k of a node as a part of it wants it. */
static clg_tensor *operand(splitting *s, const clg_node *n, int k, int64_t part) {
    clg_tensor *t = n->in[k];
    const bool stretched = n->op->flags & CLG_OP_ELEMENTWISE && t->shape.ndim == n->out[0]->shape.ndim;
    if (s->is[t->id] != WHOLE || !stretched || s->batch == 1 || !has_rows(s, t)) return get(s->part, t);
    return cut(s, get(s->part, t), part);
}

static bool build_part(splitting *s, const clg_node *n, int64_t part) {
    clg_tensor *in[CLG_MAX_IN], *out[CLG_MAX_OUT];
    int from;
    (void)clg_node_reads(s->p, n, &from);
    if (is_alias(s, n)) {
        s->part[n->out[0]->id] = get(s->part, n->in[from]);
        return true;
    }
    for (int k = 0; k < n->n_in; k++)
        if (!(in[k] = operand(s, n, k, part))) return false;
    if (!(n->op->part ? n->op->part(n, in, part * s->rows, out) : clg_part_build(n, n->attr, in, out))) return false;
    for (int k = 0; k < n->n_out; k++) s->part[n->out[k]->id] = out[k];
    return true;
}

/* The sum of the parts so far, and rows behind those so far. */
static bool join_part(splitting *s, const clg_tensor *t, int64_t part) {
    clg_tensor **whole = &s->whole[t->id], *x = s->part[t->id];
    if (s->is[t->id] == ROWS && s->wanted[t->id]) s->rows_of[(s->wanted[t->id] - 1) * s->n_parts + part] = x;
    if (s->is[t->id] != SUM) return true;
    *whole = part == 0 ? x : clg_add(*whole, x);
    if (!*whole || !clg_grow(&s->sums, &s->cap_sums, s->n_sums + 1, sizeof *s->sums)) return false;
    if (part > 0 && part < s->n_parts - 1) s->sums[s->n_sums++] = (*whole)->node;
    return true;
}

static bool is_of_parts(const splitting *s, const clg_node *n) {
    const int is = s->is[n->out[0]->id];
    if (!s->p->needed[n->id] || n->op->flags & CLG_OP_SOURCE) return false;
    return is == ROWS || is == SUM || is == LOCAL;
}

static bool build_parts(splitting *s, int64_t part) {
    for (int i = 0; i < s->n_nodes; i++) {
        const clg_node *n = node_at(s, i);
        if (!s->p->needed[i]) continue;
        if (n->op == &clg_op_input && s->is[n->out[0]->id] == ROWS
            && !(s->part[n->out[0]->id] = cut(s, n->out[0], part))) return false;
        if (is_of_parts(s, n) && !build_part(s, n, part)) return false;
        if (is_of_parts(s, n))
            for (int k = 0; k < n->n_out; k++)
                if (!join_part(s, n->out[k], part)) return false;
    }
    return true;
}

/* What is made of the sums, once. */
static bool build_after(splitting *s, const clg_node *n) {
    clg_tensor *out[CLG_MAX_OUT], **in = clg_arena_array(&s->p->arena, (size_t)n->n_in + 1, sizeof *in);
    if (!in) return false;
    for (int k = 0; k < n->n_in; k++) in[k] = get(s->whole, n->in[k]);
    if (n->op->flags & CLG_OP_EFFECT)
        out[0] = clg_node_build_in(n->graph, n->op, n->attr, in, n->n_in, NULL, n->slot, NULL);
    else if (!clg_part_build(n, n->attr, in, out)) return false;
    for (int k = 0; k < n->n_out; k++) s->whole[n->out[k]->id] = out[k];
    return out[0] != NULL;
}

static bool build(splitting *s) {
    for (int64_t part = 0; part < s->n_parts; part++)
        if (!build_parts(s, part)) return false;
    for (int i = 0; i < s->n_nodes; i++)
        if (s->p->needed[i] && s->is[node_at(s, i)->out[0]->id] == AFTER && !build_after(s, node_at(s, i))) return false;
    for (int i = 0; i < s->p->n_targets; i++) {
        const clg_tensor *t = s->p->targets[i].t;
        const clg_list rows = { (int)s->n_parts, s->rows_of + (s->wanted[t->id] - 1) * s->n_parts };
        clg_tensor *made = s->is[t->id] == ROWS ? clg_concat(rows, 0) : s->whole[t->id];
        if (s->is[t->id] == ROWS && !made) return false;
        if (made) s->p->targets[i].made = made;
    }
    return true;
}

/* Notes which part a node belongs to, the last of those it depends on, and which sums go on: they are written to memory
 * as soon as they can be, and not added up at the end, which would keep those of all parts until then. */
static clg_status note_parts(splitting *s) {
    clg_plan *p = s->p;
    const int n = p->graph->n_nodes;
    p->micro_part = clg_arena_array(&p->arena, (size_t)n, sizeof *p->micro_part);
    p->micro_sum = clg_arena_array(&p->arena, (size_t)n, sizeof *p->micro_sum);
    if (!p->micro_part || !p->micro_sum) return CLG_ERR_NOMEM;
    for (int i = 0; i < s->n_begin; i++) p->micro_part[s->begin[i].node->id] = s->begin[i].part;
    for (int i = 0; i < s->n_sums; i++) p->micro_sum[s->sums[i]->id] = true;
    for (int i = 0; i < n; i++) {
        const clg_node *x = p->graph->nodes[i];
        for (int k = 0; k < x->n_in; k++) {
            const int part = p->micro_part[x->in[k]->node->id];
            if (p->micro_part[i] < part) p->micro_part[i] = part;
        }
    }
    return CLG_OK;
}

/* --- the pass --- */

static bool want_rows(splitting *s) {
    for (int i = 0; i < s->p->n_targets; i++) {
        int *wanted = &s->wanted[s->p->targets[i].t->id];
        if (s->is[s->p->targets[i].t->id] == ROWS && !*wanted) *wanted = ++s->n_wanted;
    }
    s->rows_of = clg_arena_array(&s->p->arena, (size_t)(s->n_wanted * s->n_parts + 1), sizeof *s->rows_of);
    return s->rows_of;
}

static clg_status split(splitting *s) {
    clg_plan *p = s->p;
    find_batch(s);
    if (s->batch < 2 || !is_divisible(s)) return CLG_OK;
    CLG_TRY(choose_rows(s));
    s->n_parts = s->batch / s->rows;
    if (s->n_parts < 2) return CLG_OK;
    if (!want_rows(s)) return CLG_ERR_NOMEM;
    if (!build(s)) {
        CLG_TRY(clg_graph_report_error(p->graph));
        return clg_fail_nomem("plan");
    }
    p->info.micro_batch = s->rows;
    return note_parts(s);
}

clg_status clg_plan_micro(clg_plan *p) {
    splitting s = { .p = p, .n_nodes = p->n_nodes };
    const size_t n = (size_t)p->graph->n_tensors + 1;
    if (p->params.inference || p->caps->ref || p->graph->n_pinned > 0 || p->findings->n > 0) return CLG_OK;
    if (p->params.micro_batch < 0) return CLG_OK;
    s.is = clg_arena_array(&p->arena, n, sizeof *s.is);
    s.part = clg_arena_array(&p->arena, n, sizeof *s.part);
    s.whole = clg_arena_array(&p->arena, n, sizeof *s.whole);
    s.wanted = clg_arena_array(&p->arena, n, sizeof *s.wanted);
    if (!s.is || !s.part || !s.whole || !s.wanted) return CLG_ERR_NOMEM;
    const clg_status status = split(&s);
    clg_free(s.begin);
    clg_free(s.sums);
    return status;
}

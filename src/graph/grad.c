/* Reverse-mode differentiation: one sweep from y back over the nodes that lie between the xs and y, in falling order of
 * creation. Each row's vjp() builds nodes, and what several uses of a tensor send back is added up, later users first.
 * The result is graph like any other, so it can be differentiated again. */
#include "graph/grad.h"

#include "base/alloc.h"
#include "graph/graph.h"

#include <string.h>

typedef struct sweep {
    clg_graph     *g;
    clg_sweep_mode mode;
    int            n_tensors;  /* of the graph before the sweep; ids below are indices */
    unsigned char *wants;      /* by tensor: lies between an x and y, so its gradient is needed */
    clg_tensor   **grad;       /* by tensor: the sum so far; NULL: none yet */
    clg_tensor   **gx;         /* scratch for one node's inputs */
    int            max_in;
} sweep;

bool clg_wants_grad(const clg_node *n, int i) {
    const clg_graph *g = n->graph;
    if (i >= n->n_in) return false;
    if (!g->wants || n->in[i]->id >= g->n_wants) return true;
    return g->wants[n->in[i]->id];
}

/* A linear sweep is stopped only by who says so. */
static bool has_no_gradient(const sweep *s, const clg_op *op) {
    return op->flags & CLG_OP_NO_GRAD && !(s->mode.linear && op != &clg_op_stop_grad);
}

static bool cannot_be_passed(const clg_op *op) {
    return (!op->vjp && !op->expand) || op->flags & CLG_OP_NO_GRAD;
}

/* Marks all tensors that some x reaches through differentiable nodes and float tensors. */
static void mark(sweep *s, const clg_tensor *y, clg_list xs) {
    for (int i = 0; i < xs.n; i++)
        if (xs.t[i]) s->wants[xs.t[i]->id] = 1;
    for (int i = 0; i <= y->node->id; i++) {
        const clg_node *n = s->g->nodes[i];
        bool reached = false;
        if (has_no_gradient(s, n->op)) continue;
        for (int k = 0; k < n->n_in && !reached; k++) reached = s->wants[n->in[k]->id];
        if (!reached) continue;
        if (n->n_in > s->max_in) s->max_in = n->n_in;
        for (int k = 0; k < n->n_out; k++)
            if (clg_dtype_is_float(n->out[k]->dtype)) s->wants[n->out[k]->id] = 1;
    }
}

/* Stands for an operand while the gradient of a composite is made. Builders look through views (two reshapes are one),
 * but not through this; and what is made of one operand elsewhere is not made of this. So all that the expansion has
 * from the operand, and nothing else, comes through here. */
static clg_status infer_operand(clg_node *n) { return set_out(n, 0, in_dtype(n, 0), in_shape(n, 0)); }
static void ref_operand(const clg_node *n, const double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)out_elems(n, 0) * sizeof(double));
}
static void vjp_operand(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) { gx[0] = gy[0]; }

static const clg_op op_operand = { .name = "operand", .min_in = 1, .max_in = 1, .n_out = 1, .flags = CLG_OP_VIEW,
                                   .infer = infer_operand, .ref = ref_operand, .vjp = vjp_operand };

/* The gradient of a composite that was kept (on "ref"): that of its expansion. Operands are independent variables
 * here, even if one is computed from another; of one that is given twice, the first place gets the whole gradient.
 * false: an error was reported. */
static bool expansion_vjp(const sweep *s, clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *out[CLG_MAX_OUT] = { 0 }, *part[CLG_MAX_IN], *in[CLG_MAX_IN], *xs[CLG_MAX_IN];
    for (int i = 0; i < n->n_in; i++) {
        const bool is_float = clg_dtype_is_float(n->in[i]->dtype);
        in[i] = is_float ? clg_node_build(&op_operand, NULL, &n->in[i], 1) : n->in[i];
        xs[i] = is_float && clg_wants_grad(n, i) ? in[i] : NULL;
        for (int k = 0; k < i; k++)
            if (in[k] == in[i]) xs[i] = NULL;
        if (!in[i]) return false;
    }
    clg_node copy = *n;
    copy.in = in;
    if (!n->op->expand(&copy, out)) return false;
    for (int k = 0; k < n->n_out; k++) {
        if (!gy[k]) continue;
        if (!clg_vjp_as(s->mode, out[k], gy[k], (clg_list){ n->n_in, xs }, part)) return false;
        for (int i = 0; i < n->n_in; i++)
            if (part[i]) gx[i] = gx[i] ? clg_add(gx[i], part[i]) : part[i];
    }
    return true;
}

static bool fail_no_gradient(const sweep *s, const clg_node *n) {
    const char *name = clg_tensor_name(n->out[0]), *op = n->op->name, *call = s->mode.call;
    if (s->mode.linear)
        clg_graph_fail(s->g, CLG_ERR_UNSUP, "%s: the derivative is made of %s by %s, which cannot be differentiated "
                       "again", call, name, op);
    else
        clg_graph_fail(s->g, CLG_ERR_UNSUP, "%s: %s is made by %s, which has no gradient; put clg_stop_grad() around "
                       "it", call, name, op);
    return false;
}

/* Where two contributions to the gradient of x meet: where both are, else where x is. */
static clg_device *meeting_place(const clg_tensor *a, const clg_tensor *b, const clg_tensor *x) {
    clg_device *da = clg_node_device(a->node);
    return da && da == clg_node_device(b->node) ? da : clg_node_device(x->node);
}

static clg_tensor *add_on(clg_device *dev, clg_tensor *a, clg_tensor *b) {
    clg_graph *g = a->graph;
    clg_device *before = g->pin;
    if (dev) g->pin = dev;
    clg_tensor *sum = clg_add(a, b);
    g->pin = before;
    return sum;
}

/* Calls the row's vjp(). The gradient of a node is computed where the node is; of a view of an input, where gy is. */
static bool node_vjp(const sweep *s, clg_node *n, clg_tensor *const *gy) {
    clg_device *before = s->g->pin, *dev = clg_node_device(n);
    for (int k = 0; k < n->n_out && !dev; k++)
        if (gy[k]) dev = clg_node_device(gy[k]->node);
    if (dev) s->g->pin = dev;
    bool fine = true;
    memset(s->gx, 0, (size_t)s->max_in * sizeof *s->gx);
    if (n->op->vjp) n->op->vjp(n, gy, s->gx);
    else fine = expansion_vjp(s, n, gy, s->gx);
    s->g->pin = before;
    return fine && s->g->first_error >= 0;
}

/* Adds one node's contributions to its inputs' gradients. false: an error was reported. */
static bool step_back(sweep *s, clg_node *n) {
    clg_tensor *gy[CLG_MAX_OUT];
    bool arrives = false, wanted = false;
    for (int k = 0; k < n->n_out; k++) {
        gy[k] = s->grad[n->out[k]->id];
        arrives = arrives || gy[k];
    }
    for (int k = 0; k < n->n_in; k++) wanted = wanted || s->wants[n->in[k]->id];
    if (!arrives || !wanted || has_no_gradient(s, n->op)) return true;
    if (cannot_be_passed(n->op)) return fail_no_gradient(s, n);
    if (!node_vjp(s, n, gy)) return false;
    for (int k = 0; k < n->n_in; k++) {
        clg_tensor *x = n->in[k], *gx = s->gx[k];
        if (!gx || !s->wants[x->id]) continue;
        if (gx->dtype != x->dtype || !clg_shape_equal(gx->shape, x->shape)) {
            char have[128], want[128];
            clg_graph_fail(s->g, CLG_ERR_INVALID, "%s: %s gave operand %d a gradient %s; it is %s", s->mode.call,
                           n->op->name, k, clg_shape_text(gx->dtype, gx->shape, have, sizeof have),
                           clg_shape_text(x->dtype, x->shape, want, sizeof want));
            return false;
        }
        clg_tensor *sum = s->grad[x->id];
        s->grad[x->id] = sum ? add_on(meeting_place(sum, gx, x), sum, gx) : gx;
        if (!s->grad[x->id]) return false;
    }
    return true;
}

static bool sweep_back(sweep *s, const clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx) {
    s->wants = clg_calloc((size_t)s->n_tensors, sizeof *s->wants);
    s->grad = clg_calloc((size_t)s->n_tensors, sizeof *s->grad);
    if (s->wants && s->grad) {
        mark(s, y, xs);
        s->gx = clg_calloc((size_t)s->max_in, sizeof *s->gx);
    }
    if (!s->wants || !s->grad || !s->gx) {
        clg_graph_fail(s->g, CLG_ERR_NOMEM, "%s(%s): out of host memory", s->mode.call, clg_tensor_name(y));
        return false;
    }
    const unsigned char *outer = s->g->wants;
    const int n_outer = s->g->n_wants;
    s->g->wants = s->wants;
    s->g->n_wants = s->n_tensors;
    bool fine = true;
    s->grad[y->id] = gy;
    for (int i = y->node->id; i >= 0 && fine; i--) fine = step_back(s, s->g->nodes[i]);
    s->g->wants = outer;
    s->g->n_wants = n_outer;
    for (int i = 0; i < xs.n && fine; i++) {
        clg_tensor *x = xs.t[i];
        if (!x) continue;
        gx[i] = s->grad[x->id] ? s->grad[x->id] : clg_fill(s->g, x->dtype, x->shape, 0);
    }
    return fine;
}

/* Whether y depends on a matrix product that took the operand of the transpose x instead of x. */
static bool skips(const clg_tensor *y, const clg_tensor *x) {
    const clg_graph *g = y->graph;
    const clg_tensor *base = x;
    bool found = false, *needed = clg_calloc((size_t)y->node->id + 1, sizeof *needed);
    if (!needed) return true; /* so it is refused */
    while (base->node->op == &clg_op_permute) base = base->node->in[0];
    needed[y->node->id] = true;
    for (int i = y->node->id; i >= 0 && !found; i--) {
        const clg_node *n = g->nodes[i];
        for (int k = 0; needed[i] && k < n->n_in; k++) {
            needed[n->in[k]->node->id] = true;
            found |= n->op == &clg_op_matmul && n->in[k] == base;
        }
    }
    clg_free(needed);
    return found;
}

/* What no sweep can do. false: reported. */
static bool check(const char *call, const clg_tensor *y, const clg_tensor *gy, clg_list xs) {
    char a[128], b[128];
    if (!clg_dtype_is_float(y->dtype)) {
        clg_graph_fail(y->graph, CLG_ERR_SHAPE, "%s(%s): only float tensors have gradients; it is %s", call,
                       clg_tensor_name(y), clg_shape_text(y->dtype, y->shape, a, sizeof a));
        return false;
    }
    if (gy && gy->graph != y->graph) {
        clg_graph_fail(y->graph, CLG_ERR_INVALID, "%s(%s): gy belongs to another graph", call, clg_tensor_name(y));
        return false;
    }
    if (gy && (gy->dtype != y->dtype || !clg_shape_equal(gy->shape, y->shape))) {
        clg_graph_fail(y->graph, CLG_ERR_SHAPE, "%s(%s): gy must be as y: y is %s, gy is %s", call, clg_tensor_name(y),
                       clg_shape_text(y->dtype, y->shape, a, sizeof a),
                       clg_shape_text(gy->dtype, gy->shape, b, sizeof b));
        return false;
    }
    for (int i = 0; i < xs.n; i++) {
        const clg_tensor *x = xs.t[i];
        if (!x) continue;
        if (x->graph != y->graph) {
            clg_graph_fail(y->graph, CLG_ERR_INVALID, "%s(%s, %s): the tensors belong to different graphs", call,
                           clg_tensor_name(y), clg_tensor_name(x));
            return false;
        }
        if (x->passed_over && skips(y, x)) {
            clg_graph_fail(y->graph, CLG_ERR_UNSUP, "%s(%s, %s): %s is a transpose that a matrix product has taken as "
                           "a flag; differentiate by its operand %s and transpose the result", call, clg_tensor_name(y),
                           clg_tensor_name(x), clg_tensor_name(x), clg_tensor_name(x->node->in[0]));
            return false;
        }
        if (!clg_dtype_is_float(x->dtype)) {
            clg_graph_fail(y->graph, CLG_ERR_SHAPE, "%s(%s, %s): only float tensors have gradients; %s is %s", call,
                           clg_tensor_name(y), clg_tensor_name(x), clg_tensor_name(x),
                           clg_shape_text(x->dtype, x->shape, a, sizeof a));
            return false;
        }
    }
    return true;
}

bool clg_vjp_as(clg_sweep_mode mode, clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx) {
    for (int i = 0; i < xs.n; i++) gx[i] = NULL;
    if (!y || xs.n < 1 || y->graph->first_error < 0 || !check(mode.call, y, gy, xs)) return false;
    if (!gy) gy = clg_fill(y->graph, y->dtype, y->shape, 1);
    if (!gy) return false;
    sweep s = { .g = y->graph, .mode = mode, .n_tensors = y->graph->n_tensors, .max_in = 1 };
    const bool fine = sweep_back(&s, y, gy, xs, gx);
    for (int i = 0; i < xs.n && !fine; i++) gx[i] = NULL;
    clg_free(s.gx);
    clg_free(s.grad);
    clg_free(s.wants);
    return fine;
}

void clg_vjp(clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx) {
    clg_vjp_as((clg_sweep_mode){ .call = "grad" }, y, gy, xs, gx);
}

const clg_op *clg_grad_barrier(clg_tensor *y, clg_tensor *x) {
    const clg_graph *g = y->graph;
    sweep s = { .g = y->graph, .mode = { .linear = true }, .n_tensors = g->n_tensors };
    const clg_op *barrier = NULL;
    s.wants = clg_calloc((size_t)s.n_tensors, sizeof *s.wants);
    unsigned char *used = clg_calloc((size_t)s.n_tensors, sizeof *used);
    if (s.wants && used) {
        mark(&s, y, (clg_list){ 1, &x });
        used[y->id] = 1;
        for (int i = y->node->id; i >= 0 && !barrier; i--) {
            const clg_node *n = g->nodes[i];
            bool between = false, reached = false;
            for (int k = 0; k < n->n_out; k++) between = between || (used[n->out[k]->id] && n->out[k] != x);
            for (int k = 0; k < n->n_in; k++) reached = reached || s.wants[n->in[k]->id];
            if (!between || !reached || n->op == &clg_op_stop_grad) continue;
            if (cannot_be_passed(n->op)) barrier = n->op;
            for (int k = 0; k < n->n_in; k++) used[n->in[k]->id] = s.wants[n->in[k]->id];
        }
    }
    clg_free(used);
    clg_free(s.wants);
    return barrier;
}

clg_tensor *clg_grad(clg_tensor *y, clg_tensor *x) {
    if (!y || !x) return NULL;
    if (clg_shape_elems(y->shape) != 1) {
        char text[128];
        return clg_graph_fail(y->graph, CLG_ERR_SHAPE, "grad(%s, %s): %s must be a scalar: it is %s; sum it, or see "
                              "clg_vjp()", clg_tensor_name(y), clg_tensor_name(x), clg_tensor_name(y),
                              clg_shape_text(y->dtype, y->shape, text, sizeof text));
    }
    clg_tensor *gx;
    clg_vjp(y, NULL, (clg_list){ 1, &x }, &gx);
    return gx;
}

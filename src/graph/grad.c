/* Reverse-mode differentiation: one sweep from y back over the nodes that lie between the xs and y, in falling order of
 * creation. Each row's vjp() builds nodes, and what several uses of a tensor send back is added up, later users first.
 * The result is graph like any other, so it can be differentiated again. */
#include "graph/graph.h"

#include "base/alloc.h"

#include <string.h>

typedef struct sweep {
    clg_graph     *g;
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

/* Marks all tensors that some x reaches through differentiable nodes and float tensors. */
static void mark(sweep *s, const clg_tensor *y, clg_list xs) {
    for (int i = 0; i < xs.n; i++)
        if (xs.t[i]) s->wants[xs.t[i]->id] = 1;
    for (int i = 0; i <= y->node->id; i++) {
        const clg_node *n = s->g->nodes[i];
        bool reached = false;
        if (n->op->flags & CLG_OP_NO_GRAD) continue;
        for (int k = 0; k < n->n_in && !reached; k++) reached = s->wants[n->in[k]->id];
        if (!reached) continue;
        if (n->n_in > s->max_in) s->max_in = n->n_in;
        for (int k = 0; k < n->n_out; k++)
            if (clg_dtype_is_float(n->out[k]->dtype)) s->wants[n->out[k]->id] = 1;
    }
}

/* The gradient of a composite that was kept (on "ref"): that of its expansion. false: an error was reported. */
static bool expansion_vjp(clg_node *n, clg_tensor *const *gy, clg_tensor **gx) {
    clg_tensor *out[CLG_MAX_OUT] = { 0 }, *part[CLG_MAX_IN], *xs[CLG_MAX_IN];
    if (!n->op->expand(n, out)) return false;
    for (int i = 0; i < n->n_in; i++)
        xs[i] = clg_dtype_is_float(n->in[i]->dtype) && clg_wants_grad(n, i) ? n->in[i] : NULL;
    for (int k = 0; k < n->n_out; k++) {
        if (!gy[k]) continue;
        clg_vjp(out[k], gy[k], (clg_list){ n->n_in, xs }, part);
        for (int i = 0; i < n->n_in; i++)
            if (part[i]) gx[i] = gx[i] ? clg_add(gx[i], part[i]) : part[i];
    }
    return true;
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
    if (!arrives || !wanted || n->op->flags & CLG_OP_NO_GRAD) return true;
    if (!n->op->vjp && !n->op->expand) {
        clg_graph_fail(s->g, CLG_ERR_UNSUP, "grad: %s is made by %s, which has no gradient; put clg_stop_grad() around "
                       "it", clg_tensor_name(n->out[0]), n->op->name);
        return false;
    }
    memset(s->gx, 0, (size_t)s->max_in * sizeof *s->gx);
    if (n->op->vjp) n->op->vjp(n, gy, s->gx);
    else if (!expansion_vjp(n, gy, s->gx)) return false;
    if (s->g->first_error < 0) return false;
    for (int k = 0; k < n->n_in; k++) {
        clg_tensor *x = n->in[k], *gx = s->gx[k];
        if (!gx || !s->wants[x->id]) continue;
        if (gx->dtype != x->dtype || !clg_shape_equal(gx->shape, x->shape)) {
            char have[128], want[128];
            clg_graph_fail(s->g, CLG_ERR_INVALID, "grad: %s gave operand %d a gradient %s; it is %s", n->op->name, k,
                           clg_shape_text(gx->dtype, gx->shape, have, sizeof have),
                           clg_shape_text(x->dtype, x->shape, want, sizeof want));
            return false;
        }
        s->grad[x->id] = s->grad[x->id] ? clg_add(s->grad[x->id], gx) : gx;
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
        clg_graph_fail(s->g, CLG_ERR_NOMEM, "grad(%s): out of host memory", clg_tensor_name(y));
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

/* What no sweep can do. false: reported. */
static bool check(const clg_tensor *y, const clg_tensor *gy, clg_list xs) {
    char a[128], b[128];
    if (!clg_dtype_is_float(y->dtype)) {
        clg_graph_fail(y->graph, CLG_ERR_SHAPE, "grad(%s): only float tensors have gradients; it is %s",
                       clg_tensor_name(y), clg_shape_text(y->dtype, y->shape, a, sizeof a));
        return false;
    }
    if (gy && gy->graph != y->graph) {
        clg_graph_fail(y->graph, CLG_ERR_INVALID, "grad(%s): gy belongs to another graph", clg_tensor_name(y));
        return false;
    }
    if (gy && (gy->dtype != y->dtype || !clg_shape_equal(gy->shape, y->shape))) {
        clg_graph_fail(y->graph, CLG_ERR_SHAPE, "grad(%s): gy must be as y: y is %s, gy is %s", clg_tensor_name(y),
                       clg_shape_text(y->dtype, y->shape, a, sizeof a),
                       clg_shape_text(gy->dtype, gy->shape, b, sizeof b));
        return false;
    }
    for (int i = 0; i < xs.n; i++) {
        const clg_tensor *x = xs.t[i];
        if (!x) continue;
        if (x->graph != y->graph) {
            clg_graph_fail(y->graph, CLG_ERR_INVALID, "grad(%s, %s): the tensors belong to different graphs",
                           clg_tensor_name(y), clg_tensor_name(x));
            return false;
        }
        if (!clg_dtype_is_float(x->dtype)) {
            clg_graph_fail(y->graph, CLG_ERR_SHAPE, "grad(%s, %s): only float tensors have gradients; %s is %s",
                           clg_tensor_name(y), clg_tensor_name(x), clg_tensor_name(x),
                           clg_shape_text(x->dtype, x->shape, a, sizeof a));
            return false;
        }
    }
    return true;
}

void clg_vjp(clg_tensor *y, clg_tensor *gy, clg_list xs, clg_tensor **gx) {
    for (int i = 0; i < xs.n; i++) gx[i] = NULL;
    if (!y || xs.n < 1 || y->graph->first_error < 0 || !check(y, gy, xs)) return;
    if (!gy) gy = clg_fill(y->graph, y->dtype, y->shape, 1);
    if (!gy) return;
    sweep s = { .g = y->graph, .n_tensors = y->graph->n_tensors, .max_in = 1 };
    if (!sweep_back(&s, y, gy, xs, gx))
        for (int i = 0; i < xs.n; i++) gx[i] = NULL;
    clg_free(s.gx);
    clg_free(s.grad);
    clg_free(s.wants);
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

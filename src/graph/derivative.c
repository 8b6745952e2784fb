/* Derivatives beyond one reverse sweep, made of such sweeps.
 *
 * Forward mode is reverse mode twice: g(u) = J^T u is linear in u, so its vector-Jacobian product with v is (J^T)^T v,
 * J v. The variable u is a node of its own that nothing else uses, of value zero: no term of J v contains it, and
 * should a row's gradient leave one, linearity makes it vanish. A Jacobian is J^T e_i row by row, or J e_j column by
 * column, whichever are fewer. */
#include "graph/grad.h"

#include "base/alloc.h"
#include "cl/buffer.h"
#include "graph/graph.h"
#include <clgrad/derivative.h>

enum { MAX_SWEEPS = 1024 };

/* --- checks --- */

static bool fail_shape(const char *call, const clg_tensor *y, const clg_tensor *x, const char *what,
                       const clg_tensor *a, const clg_tensor *b) {
    char of_a[128], of_b[128];
    clg_graph_fail(y->graph, CLG_ERR_SHAPE, "%s(%s, %s): %s: %s is %s, %s is %s", call, clg_tensor_name(y),
                   clg_tensor_name(x), what, clg_tensor_name(a), clg_shape_text(a->dtype, a->shape, of_a, sizeof of_a),
                   clg_tensor_name(b), clg_shape_text(b->dtype, b->shape, of_b, sizeof of_b));
    return false;
}

/* y and x, and v unless it is NULL, are what a derivative can be made of. */
static bool check(const char *call, const clg_tensor *y, const clg_tensor *x, const clg_tensor *v) {
    if (x->graph != y->graph || (v && v->graph != y->graph)) {
        clg_graph_fail(y->graph, CLG_ERR_INVALID, "%s(%s, %s): the tensors belong to different graphs", call,
                       clg_tensor_name(y), clg_tensor_name(x));
        return false;
    }
    if (!clg_dtype_is_float(y->dtype) || !clg_dtype_is_float(x->dtype))
        return fail_shape(call, y, x, "only float tensors have derivatives", y, x);
    if (v && (v->dtype != x->dtype || !clg_shape_equal(v->shape, x->shape)))
        return fail_shape(call, y, x, "the vector must be as x", x, v);
    return y->graph->first_error == CLG_OK;
}

static bool check_scalar(const char *call, const clg_tensor *y, const clg_tensor *x) {
    if (clg_shape_elems(y->shape) == 1) return true;
    return fail_shape(call, y, x, "y must be a scalar; sum it, or see clg_jacobian()", y, x);
}

/* --- products --- */

/* -0: so it is not even a zero that somebody else put a clg_stop_grad() around. */
static clg_tensor *zero_variable(const clg_tensor *like) {
    return clg_stop_grad(clg_fill(like->graph, like->dtype, like->shape, -0.0));
}

static clg_tensor *sweep(const char *call, bool linear, clg_tensor *y, clg_tensor *gy, clg_tensor *x) {
    clg_tensor *gx = NULL;
    clg_vjp_as((clg_sweep_mode){ .call = call, .linear = linear }, y, gy, (clg_list){ 1, &x }, &gx);
    return gx;
}

clg_tensor *clg_jvp(clg_tensor *y, clg_tensor *x, clg_tensor *v) {
    if (!y || !x || !v || !check("jvp", y, x, v)) return NULL;
    clg_tensor *u = zero_variable(y), *g = sweep("jvp", false, y, u, x);
    return sweep("jvp", true, g, v, u);
}

clg_tensor *clg_hvp(clg_tensor *y, clg_tensor *x, clg_tensor *v) {
    if (!y || !x || !v || !check("hvp", y, x, v) || !check_scalar("hvp", y, x)) return NULL;
    return sweep("hvp", false, sweep("hvp", false, y, NULL, x), v, x);
}

/* --- Jacobians --- */

/* 1 at element i, else 0. */
static clg_tensor *one_hot(const clg_tensor *like, int64_t i) {
    const size_t n = (size_t)clg_shape_elems(like->shape);
    double *x = clg_calloc(n, sizeof *x);
    void *data = clg_calloc(n, clg_dtype_size(like->dtype));
    clg_tensor *t = NULL;
    if (x && data) {
        x[i] = 1;
        clg_from_double(like->dtype, x, data, n);
        t = clg_const(like->graph, like->dtype, like->shape, data);
    } else {
        clg_graph_fail(like->graph, CLG_ERR_NOMEM, "jacobian: out of host memory for %zu elements", n);
    }
    clg_free(data);
    clg_free(x);
    return t;
}

/* J as [elements of y, elements of x]. */
static clg_tensor *matrix(const char *call, clg_tensor *y, clg_tensor *x) {
    const int64_t m = clg_shape_elems(y->shape), n = clg_shape_elems(x->shape);
    if (m == 0 || n == 0) return clg_fill(y->graph, y->dtype, CLG_SHAPE(m, n), 0);
    clg_tensor *u = n < m ? zero_variable(y) : NULL, *g = u ? sweep(call, false, y, u, x) : NULL;
    const bool columns = g && !clg_grad_barrier(g, u);
    const int64_t count = columns ? n : m;
    clg_tensor *part[MAX_SWEEPS];
    if (y->graph->first_error < 0) return NULL;
    if (count > MAX_SWEEPS)
        return clg_graph_fail(y->graph, CLG_ERR_UNSUP, "%s(%s, %s): takes %lld sweeps, one an element of %s; at most "
                              "%d are made; clg_jvp() and clg_vjp() give products with it", call, clg_tensor_name(y),
                              clg_tensor_name(x), (long long)count, columns ? "x" : "y", MAX_SWEEPS);
    for (int64_t i = 0; i < count; i++) {
        part[i] = columns ? sweep(call, true, g, one_hot(x, i), u) : sweep(call, false, y, one_hot(y, i), x);
        part[i] = clg_reshape(clg_cast(part[i], y->dtype), CLG_SHAPE(1, columns ? m : n));
        if (!part[i]) return NULL;
    }
    clg_tensor *j = clg_concat((clg_list){ (int)count, part }, 0);
    return columns ? clg_transpose(j) : j;
}

/* The axes that count in numerator layout. */
static clg_shape axes_of(clg_shape s) {
    if (s.ndim == 1 && s.dim[0] == 1) s.ndim = 0;
    if (s.ndim == 2 && s.dim[1] == 1) s.ndim = 1;
    return s;
}

static clg_tensor *jacobian(const char *call, clg_tensor *y, clg_tensor *x) {
    const clg_shape of_y = axes_of(y->shape), of_x = axes_of(x->shape);
    clg_shape s = of_y;
    int order[CLG_MAX_DIMS];
    if (of_y.ndim + of_x.ndim > CLG_MAX_DIMS) {
        fail_shape(call, y, x, "the result would have more than 6 axes; clg_flatten() one", y, x);
        return NULL;
    }
    for (int i = 0; i < of_x.ndim; i++) s.dim[s.ndim++] = of_x.dim[i];
    for (int i = 0; i < s.ndim; i++) order[i] = i < of_y.ndim ? i : s.ndim - 1 - (i - of_y.ndim);
    clg_tensor *j = matrix(call, y, x);
    if (s.ndim > 1) {
        j = clg_reshape(j, s);
        return of_x.ndim > 1 ? clg_permute(j, order) : j;
    }
    if (of_y.ndim == 1) return clg_reshape(j, CLG_SHAPE(s.dim[0], 1));
    return of_x.ndim == 1 ? clg_reshape(j, CLG_SHAPE(1, s.dim[0])) : clg_reshape(j, CLG_SHAPE(1));
}

clg_tensor *clg_jacobian(clg_tensor *y, clg_tensor *x) {
    return y && x && check("jacobian", y, x, NULL) ? jacobian("jacobian", y, x) : NULL;
}

clg_tensor *clg_hessian(clg_tensor *y, clg_tensor *x) {
    if (!y || !x || !check("hessian", y, x, NULL) || !check_scalar("hessian", y, x)) return NULL;
    clg_tensor *g = sweep("hessian", false, y, NULL, x);
    return g ? jacobian("hessian", g, x) : NULL;
}

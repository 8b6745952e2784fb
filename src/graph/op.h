/* An operation is one row: everything about it stands in one clg_op, in one file of src/ops.
 * src/ops/registry.c lists the rows; tests, doctor, benchmark and docs walk that list. */
#ifndef CLG_GRAPH_OP_H_
#define CLG_GRAPH_OP_H_

#include "base/error.h"
#include "cl/device.h"
#include <clgrad/graph.h>
#include <clgrad/ops.h>

typedef struct clg_op   clg_op;
typedef struct clg_node clg_node; /* one application of an op: attributes, inputs, outputs */
typedef struct clg_emit clg_emit; /* the plan under construction: src/plan/emit.h */
struct clg_slot;

struct clg_tensor {
    clg_graph  *graph;
    clg_node   *node;  /* its producer */
    int         index; /* which output of the node */
    int         id;    /* dense number within the graph; NULL-free table index for passes */
    clg_dtype   dtype;
    clg_shape   shape;
    const char *name;  /* given by clg_named() or at creation; NULL: made from op and id */
    const char *made_name; /* clg_tensor_name() of an unnamed tensor, made when first asked for */
    bool        passed_over; /* a user of this tensor took its operand instead (matmul of a transpose): what depends
                                on that user does not depend on this tensor in the graph, so gradients by it are refused
                                where such a user lies between */
};

struct clg_node {
    const clg_op *op;
    clg_graph    *graph;
    int           id;    /* order of creation, which is a topological order */
    int           n_in, n_out;
    clg_tensor  **in, **out;
    const void   *attr;  /* op->attr_size bytes, all padding zero */
    const void   *data;  /* const: the host values, dtype of out[0]; else NULL */
    struct clg_slot *slot; /* variable, assign: the tensor in the store; else NULL */
    clg_device   *device; /* where it is computed, or where its slot is; NULL: sources, views, groups: wherever read */
    uint64_t      hash;  /* of all above but the ids; 0 and unused where nodes are not shared */
};

typedef struct clg_cost { double flops, bytes; } clg_cost;

enum clg_op_flags {
    CLG_OP_ELEMENTWISE = 1 << 0, /* has expr: fused, and emitted, by src/plan/codegen.c */
    CLG_OP_VIEW        = 1 << 1, /* output 0 is input 0's memory under another shape: emits nothing */
    CLG_OP_EFFECT      = 1 << 2, /* changes a store: assign, group. Output 0 is an effect (u8, scalar) */
    CLG_OP_SOURCE      = 1 << 3, /* input, const, fill, variable: no inputs, emits nothing */
    CLG_OP_TRAIN_ONLY  = 1 << 4, /* a view of input 0 in inference plans (dropout) */
    CLG_OP_NO_GRAD     = 1 << 5, /* no gradient by nature (compare, argmax, stop_grad) */
    CLG_OP_PHASE       = 1 << 6, /* a view of input 0 in inference plans, of input 1 in all others; with VIEW */
    CLG_OP_TAIL        = 1 << 7, /* some impl takes elementwise nodes behind it into its last launch (tail_cols) */
    CLG_OP_TAIL_ONCE   = 1 << 8, /* with TAIL, of every impl: once for each element, which may be stored where an operand
                                    of the tail was; others may compute and store an element again */
};

/** What a tuner may vary in an impl: n values, the first of which is the default, by convention -1: "by heuristics". */
typedef struct clg_knob { const char *name; int n; int value[24]; } clg_knob;

/** One way to run an op on a device. Chosen: the first row whose accept() says yes among those that prefer the
 *  device's class, else the first that accepts; a name forced by clg_plan_params.impl goes before if it accepts. */
typedef struct clg_impl {
    const char *name;                                      /* "conv.direct_cpu" */
    unsigned    prefer;                                    /* CLG_CLASS_CPU | CLG_CLASS_GPU: where it is a default */
    bool       (*accept)(const clg_node *n, const clg_device *d); /* NULL: everything. Capabilities, not names */
    clg_status (*emit)(clg_emit *e, const clg_node *n);    /* appends steps to the plan */
    const clg_knob *knobs;                                 /* ends with a row of NULLs; NULL: none */
    bool        inexact;                                   /* not a direct sum (Winograd): left out by .exact */
    bool       (*prefers)(const clg_node *n, const clg_device *d); /* narrows `prefer` to where it wins; NULL: to all
                                                              that it accepts */
    double      growth;                                    /* inexact: the sum of the absolute values of all terms over
                                                              that of the direct sum, at worst */
    int64_t    (*takes)(const clg_node *n, const clg_node *feeder, const clg_device *d); /* not 0: emit() can compute the
                                                              node that makes input 0, too, so that its result is never
                                                              in memory (clg_emit_feeder()), and sees that as rows of so
                                                              many elements; NULL: it cannot */
} clg_impl;

enum { CLG_MAX_IN = 16, CLG_MAX_OUT = 3 }; /* group takes any number of inputs */

/** The axes along which operands are cut for a part of the work, -1: taken whole; and that of output 0 along which the
 *  results of parts then stand side by side, -1: they add up. For checks that the whole would take too long for. */
typedef struct clg_cut { int in[CLG_MAX_IN], out; } clg_cut;

/** How a tensor is had from what is computed of some rows of the batch at a time, a row being an element of axis 0
 *  (micro-batches, src/plan/micro.c). As a result: NONE, not at all. As an operand: WHOLE or one of the other two. */
enum clg_join {
    CLG_JOIN_NONE,
    CLG_JOIN_WHOLE, /* it is the same for all rows, and given whole */
    CLG_JOIN_ROWS,  /* axis 0 has the rows of the part */
    CLG_JOIN_SUM,   /* the parts add up */
    CLG_JOIN_LOCAL, /* only nodes of the same part can read it */
};

struct clg_op {
    const char *name;
    const char *formula, *gradient;                        /* for the docs; gradient NULL: none */
    int         min_in, max_in, n_out;                     /* n_out outputs, at most CLG_MAX_OUT */
    unsigned    flags;
    size_t      attr_size;                                 /* compared and hashed bytewise */
    clg_status (*infer)(clg_node *n);                      /* checks inputs, sets dtype and shape of the outputs */
    void       (*ref)(const clg_node *n, const double *const *in, double *const *out); /* plain C, no tricks */
    void       (*vjp)(clg_node *n, clg_tensor *const *gy, clg_tensor **gx); /* builds nodes. gy[i] NULL: no gradient
                                                              arrives; gx[] comes all NULL: set what flows on */
    clg_cost   (*cost)(const clg_node *n);                 /* NULL: elements read and written */
    const char *expr;                                      /* elementwise: OpenCL C over $0, $1, ... and types $T
                                                              (value type), $V(x) (constant of that type) */
    double     (*scalar)(const double *x);                 /* elementwise: the reference of expr, x[i] = operand i */
    const clg_impl *impls;                                 /* ends with a row of NULLs; NULL for elementwise etc. */
    const char *shapes;                                    /* for the docs: "x [N,C,S...], w [...] -> [N,O,S'...]" */
    bool       (*expand)(const clg_node *n, clg_tensor **out); /* composite: see below. false: an error was reported */
    bool       (*cut)(const clg_node *n, clg_cut *c);      /* how a part is computed; NULL, false: only the whole */
    enum clg_join (*join)(const clg_node *n, const enum clg_join *in, int out); /* what output `out` is if operands are
                                                              as in[] says, one at least not WHOLE; NULL: NONE. Of
                                                              elementwise ops the planner knows it */
    bool       (*part)(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out); /* builds what gives the
                                                              outputs of the part that begins with row `first` from its
                                                              operands, n being the node of the whole; NULL: the same op
                                                              with the same attributes. false: an error was reported */
};

/* A composite is an op without kernels: a device gets the graph that expand() builds from n->in and n->attr (n may be
 * a candidate: keep no pointer to it), one tensor for each output, of the inferred types and shapes. The device "ref"
 * keeps the node, computes it by ref(), which knows nothing of the expansion, and differentiates the expansion: so
 * values and gradients are checked against plain C. vjp, cost and impls stay NULL. */

/* --- building nodes (src/graph/build.c) --- */

/**
 * Makes (or finds an equal) node and returns its output 0; output i is ->node->out[i]. in[] has n entries; NULL entries
 * only at the end (optional operands left out). attr: op->attr_size bytes, or NULL if that is 0; padding must be zero.
 * Any required NULL input, inputs of different graphs, or infer() failing: returns NULL and the graph keeps the
 * error. Equal nodes are shared unless the op has CLG_OP_EFFECT.
 */
clg_tensor *clg_node_build(const clg_op *op, const void *attr, clg_tensor *const *in, int n);

/** As clg_node_build(), for ops with several outputs: writes all op->n_out of them; all NULL and false on failure. */
bool clg_node_outputs(const clg_op *op, const void *attr, clg_tensor *const *in, int n, clg_tensor **out);

/** As above for ops without inputs, or with slot or data. */
clg_tensor *clg_node_build_in(clg_graph *g, const clg_op *op, const void *attr, clg_tensor *const *in, int n,
                              const void *data, struct clg_slot *slot, const char *name);

/** For infer(): "conv(x, w): <text>: x is f32[1,2], w is f32[3,4]" as CLG_ERR_SHAPE. Text is a rule in plain words. */
clg_status clg_fail_op(const clg_node *n, const char *fmt, ...) CLG_FMT(2, 3);

/** As above with another code: what is wrong is no shape. */
clg_status clg_fail_op_as(const clg_node *n, clg_status code, const char *fmt, ...) CLG_FMT(3, 4);

/** "f32[64,1,28,28]" into a buffer of at least 128 bytes; returns it. */
char *clg_shape_text(clg_dtype t, clg_shape s, char *buf, size_t size);

/** A number, counted up per graph, that makes random nodes distinct and stays equal for equal builds. */
uint32_t clg_graph_next_random(clg_graph *g);
uint64_t clg_graph_seed(const clg_graph *g);
clg_device *clg_graph_device(const clg_graph *g);

/** Whether clg_when_training() was called with this trigger. */
bool clg_has_training_effect(const clg_tensor *trigger);

/* --- accessors for rows --- */
static inline clg_shape in_shape(const clg_node *n, int i) { return n->in[i]->shape; }
static inline clg_shape out_shape(const clg_node *n, int i) { return n->out[i]->shape; }
static inline clg_dtype in_dtype(const clg_node *n, int i) { return n->in[i]->dtype; }
static inline int64_t in_dim(const clg_node *n, int i, int axis) { return n->in[i]->shape.dim[axis]; }
static inline int64_t out_dim(const clg_node *n, int i, int axis) { return n->out[i]->shape.dim[axis]; }
static inline clg_tensor *in_tensor(const clg_node *n, int i) { return i < n->n_in ? n->in[i] : NULL; }

static inline int64_t clg_shape_elems(clg_shape s) {
    int64_t e = 1;
    for (int i = 0; i < s.ndim; i++) e *= s.dim[i];
    return e;
}
static inline bool clg_shape_equal(clg_shape a, clg_shape b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}
static inline int64_t in_elems(const clg_node *n, int i) { return clg_shape_elems(n->in[i]->shape); }
static inline int64_t out_elems(const clg_node *n, int i) { return clg_shape_elems(n->out[i]->shape); }
static inline bool clg_dtype_is_float(clg_dtype t) { return t <= CLG_F64; }

/** Whether a tensor of this type and shape can exist; else why not, in plain words. */
bool clg_shape_valid(clg_dtype t, clg_shape s, char *why, size_t size);

/** *to = from with all padding and unused sizes zero: for attributes, which are compared bytewise. */
void clg_shape_copy(clg_shape *to, clg_shape from);

/** For join(): results whose rows depend on the same rows of all operands; and on those of operand 0 alone, with the
 *  others whole. */
enum clg_join clg_join_rows(const clg_node *n, const enum clg_join *in, int out);
enum clg_join clg_join_first(const clg_node *n, const enum clg_join *in, int out);

/** For part(): the node with another attribute. */
bool clg_part_build(const clg_node *n, const void *attr, clg_tensor *const *in, clg_tensor **out);

/** As part(), for ops whose attribute is the shape of the result. */
bool clg_part_shape(const clg_node *n, clg_tensor *const *in, int64_t first, clg_tensor **out);

/** During vjp(): whether the gradient of input i is needed at all, so that a row can skip an expensive one. */
bool clg_wants_grad(const clg_node *n, int i);

/** Sets output i; fails (CLG_ERR_SHAPE) if the element count overflows. */
clg_status set_out(clg_node *n, int i, clg_dtype t, clg_shape s);

/** Normalises an axis (negative counts from the end); -1 if out of range. */
int clg_axis(int axis, int ndim);

/** NumPy broadcasting of two shapes into *out; false if they do not fit. */
bool clg_shape_broadcast(clg_shape a, clg_shape b, clg_shape *out);

/** Sums x down to a shape it was broadcast from (the adjoint of broadcasting); x itself if equal. */
clg_tensor *clg_sum_to(clg_tensor *x, clg_shape shape);

clg_cost cost_of(const clg_node *n, double flops); /* flops + bytes of all inputs and outputs once */

/* --- rows needed by name outside their file --- */
extern const clg_op clg_op_input, clg_op_const, clg_op_fill, clg_op_variable, clg_op_assign, clg_op_group;
extern const clg_op clg_op_permute, clg_op_reshape, clg_op_matmul;

/* --- the table (src/ops/registry.c) --- */
const clg_op *clg_op_at(int i); /* NULL past the last */
extern const clg_op *const clg_elementwise_ops[]; /* src/ops/elementwise.c */
extern const int clg_n_elementwise_ops;

typedef struct clg_fill_attr { clg_dtype dtype; int32_t pad_; clg_shape shape; double value; } clg_fill_attr;

#endif /* CLG_GRAPH_OP_H_ */

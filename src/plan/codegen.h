/* What the generators of kernel text share: kernels of elementwise units (codegen.c, codegen_gpu.c) and tails of
 * other kernels (tail.c). Operands and the text of nodes are in codegen_nodes.c. */
#ifndef CLG_PLAN_CODEGEN_H_
#define CLG_PLAN_CODEGEN_H_

#include "plan/plan.h"

enum {
    CLG_GEN_OPERANDS = 4 * CLG_MAX_FUSED, /* no elementwise op has more than 4 */
    CLG_GEN_POINTERS = CLG_GEN_OPERANDS + CLG_MAX_FUSED,
    CLG_GEN_ARGS = CLG_GEN_POINTERS + CLG_GEN_OPERANDS * (1 + CLG_MAX_DIMS) + 2 * CLG_MAX_DIMS,
};

/* A buffer argument. */
typedef struct clg_gen_pointer {
    int  value;             /* the root that names the memory: values in one place share a pointer */
    bool read, written;
} clg_gen_pointer;

enum clg_gen_pattern { CLG_GEN_FULL, CLG_GEN_ONE, CLG_GEN_STRIDED };

/* One way of walking through an operand. */
typedef struct clg_gen_load {
    int pointer, root;
    enum clg_gen_pattern pattern;
    int64_t stride[CLG_MAX_DIMS]; /* of each axis of the unit; 0: stretched */
} clg_gen_load;

typedef struct clg_gen_number {
    double value;
    enum clg_arg_kind kind;
} clg_gen_number;

/* A kernel's text in the making. */
typedef struct clg_gen {
    clg_plan *p;
    const clg_unit *u;
    int      unit, position;
    int      given;         /* the root whose elements the tail of a kernel is given; -1: none */
    const char *prefix;     /* of the names of arguments */
    bool     gpu;           /* the text is of one element, not of a vector of 16 */
    bool     quads;         /* class gpu: a work-item computes four elements, one after the other */
    int      n_dims;
    int64_t  dim[CLG_MAX_DIMS], elems;
    clg_gen_pointer ptr[CLG_GEN_POINTERS];
    clg_gen_load   loads[CLG_GEN_OPERANDS];
    clg_gen_number numbers[CLG_GEN_OPERANDS];
    int      operand[CLG_MAX_FUSED][CLG_MAX_IN]; /* the load of each operand that comes from outside */
    int      n_ptr, n_loads, n_numbers;
    clg_str  text;          /* parameters and body */
    clg_step_arg args[CLG_GEN_ARGS];
    int      n_args;
    bool     failed;        /* no memory */
} clg_gen;

/* --- operands: each is a load, each load has a pointer --- */

/** The pointer of a root, added if it is new. */
int clg_gen_pointer_of(clg_gen *g, int root);

/** Finds the loads of all operands that come from outside and are no numbers. */
void clg_gen_find_loads(clg_gen *g);

/** Whether a node's result is written to memory. */
bool clg_gen_stores(const clg_gen *g, const clg_node *n);

/* --- arguments, each with its parameter in g->text --- */
void clg_gen_size_arg(clg_gen *g, bool wide, const char *fmt, int a, int b, int64_t i);
void clg_gen_pointer_args(clg_gen *g); /* pointers, then numbers; the first without a comma before it */

/* --- text --- */
const char *clg_gen_value_type(const clg_gen *g, clg_dtype t);  /* what is computed in: "float16" */
const char *clg_gen_memory_type(clg_dtype t);                   /* what is stored: "ushort" */
clg_dtype   clg_gen_load_dtype(const clg_gen *g, int load);

/** "const T v0 = ...;" for each node: the result, as a store and a load would leave it. Operands are x<load>, v<node>,
 *  numbers, and `given`. Finds the numbers. */
void clg_gen_nodes(clg_gen *g, clg_str *out, const char *indent);

/** Index of a strided load: the sum of axis times stride over axes 0 .. axes - 1; type: what is computed in. */
void clg_gen_index(const clg_gen *g, clg_str *out, int load, int axes, const char *type);

/** Writes the axes i0 .. i<axes - 1> of the position q<axes - 1>: q of an axis counts the outer ones with it. */
void clg_gen_axes(clg_str *out, int axes, const char *type, const char *indent);

/* --- class gpu (codegen_gpu.c) --- */

/** The body of an elementwise kernel; wide: positions need 64 bits. Finds the numbers. */
void clg_gen_body_gpu(clg_gen *g, clg_str *out, bool wide);

/** Sizes of the launch, once the body is written. */
void clg_gen_launch_gpu(const clg_gen *g, clg_step *s);

#endif /* CLG_PLAN_CODEGEN_H_ */

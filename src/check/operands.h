/* Short words for the cases of elementwise ops: the sizes and ways of broadcasting that every function of one or two
 * operands is tried with. Shapes: scalars, single elements, primes, below, at and above a vector of 16, empty. */
#ifndef CLG_CHECK_OPERANDS_H_
#define CLG_CHECK_OPERANDS_H_

#include "check/cases.h"

static inline clg_tensor *unary(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return c->f1(in[0]); }
static inline clg_tensor *binary(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return c->f2(in[0], in[1]);
}
/* The derivative as a value of its own: devices compute it too. */
static inline clg_tensor *slope(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_grad(clg_sum(c->f1(in[0]), CLG_ALL), in[0]);
}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD

/* name: the row; f: what is called, if that is no clg_NAME */
#define U1(name, f, fill_, k_, flags_, ...) \
    {.op = #name, .build = unary, .f1 = f, .k = k_, .flags = flags_, .n_in = 1, \
     .in = {{__VA_ARGS__, .fill = CLG_FILL_##fill_}}}
#define UNARY_AS(name, f, fill, k, flags)                                                    \
    U1(name, f, fill, k, flags, 2, {1, 7}), U1(name, f, fill, k, flags, 0),                  \
    U1(name, f, fill, k, flags, 3, {3, 5, 37}), U1(name, f, fill, k, flags, 2, {0, 4}),      \
    U1(name, f, fill, k, (flags) & ~G, 2, {64, 16}),                                         \
    U1(name, f, fill, k, (flags) | CLG_CASE_BENCH, 4, {16, 64, 56, 56})
#define UNARY(name, fill, k, flags) UNARY_AS(name, clg_##name, fill, k, flags)

/* The same with the derivative on the device: at most six functions and products of it, each off by at most 4 units. */
#define SMOOTH_AS(name, f_, fill_, k_)                                                       \
    UNARY_AS(name, f_, fill_, k_, G),                                                        \
    {.op = #name, .text = "derivative", .build = slope, .f1 = f_, .k = 24, .n_in = 1,        \
     .in = {{2, {3, 37}, CLG_FILL_##fill_}}}
#define SMOOTH(name, fill, k) SMOOTH_AS(name, clg_##name, fill, k)

#define B2(name, fa, fb, k_, flags_, na, da, nb, db) \
    {.op = #name, .build = binary, .f2 = clg_##name, .k = k_, .flags = flags_, .n_in = 2, \
     .in = {{na, DIMS da, CLG_FILL_##fa}, {nb, DIMS db, CLG_FILL_##fb}}}
#define DIMS(...) {__VA_ARGS__}
#define BINARY(name, fa, fb, k, flags)                                                          \
    B2(name, fa, fb, k, flags, 1, (7), 1, (7)), B2(name, fa, fb, k, flags, 2, (3, 37), 2, (3, 37)), \
    B2(name, fa, fb, k, flags, 2, (3, 17), 1, (17)), B2(name, fa, fb, k, flags, 3, (2, 1, 5), 3, (1, 3, 1)), \
    B2(name, fa, fb, k, flags, 0, (0), 2, (2, 3)), B2(name, fa, fb, k, flags, 4, (2, 3, 4, 5), 3, (3, 1, 1)), \
    B2(name, fa, fb, k, flags, 2, (0, 3), 2, (1, 3)), B2(name, fa, fb, k, (flags) & ~G, 2, (64, 16), 2, (64, 1)), \
    B2(name, fa, fb, k, (flags) | CLG_CASE_BENCH, 4, (16, 64, 56, 56), 4, (16, 64, 56, 56))

/* The same on integers, and on flags. */
#define TYPED2(name, f_, type, fa, fb) \
    {.op = #name, .build = binary, .f2 = f_, .k = 0, .flags = E, .n_in = 2, \
     .in = {{2, {3, 17}, CLG_FILL_##fa, type}, {1, {17}, CLG_FILL_##fb, type}}}
#define I2(name, fa, fb) TYPED2(name, clg_##name, CLG_I32, fa, fb)
#define TYPED1(name, f_, type, ...) \
    {.op = #name, .build = unary, .f1 = f_, .k = 0, .flags = E, .n_in = 1, \
     .in = {{__VA_ARGS__, .fill = CLG_FILL_UNIT, .dtype = type}}}
#define I1(name) TYPED1(name, clg_##name, CLG_I32, 2, {3, 17})

/* Mistakes (bad.h comes first): integers to a function of floats, bytes to one of numbers, shapes that do not
 * broadcast. */
#define INTEGERS(name) BAD(name, clg_##name(T(2, 3)))
#define BYTES(name)    BAD(name, clg_##name(clg_cast(X(2, 3), CLG_U8)))
#define PAIR(name)     BAD(name, clg_##name(X(2, 3), W(3, 2)))
#define SAYS_INTEGERS(name) {#name, bad_##name, {#name, "i32[2,3]", "floats"}}
#define SAYS_BYTES(name)    {#name, bad_##name, {#name, "u8[2,3]", "clg_cast"}}
#define SAYS_PAIR(name)     {#name, bad_##name, {#name, "f32[2,3]", "f32[3,2]"}}

#endif /* CLG_CHECK_OPERANDS_H_ */

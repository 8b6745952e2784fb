/* Cases of the elementwise ops. Shapes: scalars, single elements, primes, below, at and above a vector of 16, empty,
 * and every way of broadcasting. The bound k of a function is what OpenCL 1.2 (table 7.4) allows it, and one more for
 * the reference's own rounding. */
#include "check/bad.h"
#include "check/operands.h"

static clg_tensor *where(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_where(in[0], in[1], in[2]);
}
static clg_tensor *to_type(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cast(in[0], *(const clg_dtype *)c->attr);
}
/* The same through a float of another range first: -7.9 .. 7.9 shows the rounding towards zero. */
static clg_tensor *to_type_scaled(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_cast(clg_scale(in[0], 7.9), *(const clg_dtype *)c->attr);
}
static clg_tensor *stretch(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_broadcast(in[0], *(const clg_shape *)c->attr);
}
static clg_tensor *scaled(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_scale(in[0], 2.5); }

/* exp(88) is near the largest float. 88 x is off by 44 eps of 1 at most, and so is its exp, relatively. */
static clg_tensor *far_exp(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_exp(clg_scale(in[0], 88));
}

/* A chain with broadcasting, a value used twice and constants: what the fusion pass is for. */
static clg_tensor *chain(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = clg_add(clg_mul(in[0], in[1]), in[2]);
    clg_tensor *y = clg_mul(clg_sigmoid(x), clg_tanh(x));
    return clg_sub(clg_add(y, clg_fill(g, clg_tensor_dtype(x), CLG_SCALAR, 0.5)), clg_square(in[1]));
}
/* One value that feeds a reduction and an elementwise chain: the pass must not compute it twice in two ways. */
static clg_tensor *fork_join(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *e = clg_exp(clg_sub(in[0], clg_max(in[0], CLG_AXIS(1))));
    return clg_div(e, clg_sum(e, CLG_AXIS(1)));
}

static const clg_dtype f32 = CLG_F32, i32 = CLG_I32, i64 = CLG_I64, u8 = CLG_U8;
static const clg_shape to_2_3_4 = {3, {2, 3, 4}}, to_5_17 = {2, {5, 17}}, to_1_1 = {2, {1, 1}};
static const clg_shape to_0_5 = {2, {0, 5}};

/* Sizes of 1 and 0. */
#define CAST_OF(op_, to, kind, ...) \
    {.op = op_, .text = "to " #to, .build = to_type_scaled, .attr = &to, .flags = E, .n_in = 1, \
     .in = {{__VA_ARGS__, .fill = kind}}}
#define CAST(op, to, kind) CAST_OF(op, to, kind, 2, {1, 1}), CAST_OF(op, to, kind, 2, {0, 3})


const clg_case clg_cases_elementwise[] = {
    BINARY(add, UNIT, UNIT, 1, E | G), I2(add, UNIT, UNIT),
    {.op = "add", .text = "chain", .build = chain, .k = 24, .flags = G | CLG_CASE_MIXED, .n_in = 3,
     .in = {{2, {5, 33}}, {1, {33}}, {2, {5, 1}}}},
    {.op = "add", .text = "fork-join", .build = fork_join, .k = 48, .flags = CLG_CASE_MIXED, .n_in = 1,
     .in = {{2, {6, 19}, CLG_FILL_DISTINCT}}},
    BINARY(sub, UNIT, UNIT, 1, E | G), I2(sub, UNIT, UNIT),
    BINARY(mul, UNIT, UNIT, 1, E | G), I2(mul, UNIT, UNIT),
    {.op = "mul", .text = "scale 2.5", .build = scaled, .k = 1, .flags = E | G, .n_in = 1, .in = {{2, {3, 17}}}},
    BINARY(div, UNIT, AWAY, 4, G),
    {.op = "div_int", .build = binary, .f2 = clg_div, .flags = E, .n_in = 2,
     .in = {{2, {3, 17}, CLG_FILL_UNIT, CLG_I32}, {1, {17}, CLG_FILL_AWAY, CLG_I32}}},
    {.op = "div_int", .text = "zeros", .build = binary, .f2 = clg_div, .flags = E, .n_in = 2,
     .in = {{1, {40}, CLG_FILL_UNIT, CLG_I32}, {1, {40}, CLG_FILL_UNIT, CLG_I32}}},
    {.op = "div_int", .build = binary, .f2 = clg_div, .flags = E, .n_in = 2,
     .in = {{2, {0, 3}, CLG_FILL_UNIT, CLG_I32}, {1, {1}, CLG_FILL_AWAY, CLG_I32}}},
    BINARY(pow, POSITIVE, UNIT, 17, G),
    BINARY(maximum, DISTINCT, DISTINCT, 0, E), I2(maximum, UNIT, UNIT),
    {.op = "maximum", .text = "apart", .build = binary, .f2 = clg_maximum, .flags = E | G, .n_in = 2,
     .in = {{2, {4, 9}, CLG_FILL_AWAY}, {1, {1}, CLG_FILL_POSITIVE}}},
    BINARY(minimum, DISTINCT, DISTINCT, 0, E), I2(minimum, UNIT, UNIT),
    {.op = "minimum", .text = "apart", .build = binary, .f2 = clg_minimum, .flags = E | G, .n_in = 2,
     .in = {{2, {4, 9}, CLG_FILL_AWAY}, {1, {1}, CLG_FILL_POSITIVE}}},
    BINARY(eq, UNIT, UNIT, 0, E), I2(eq, UNIT, UNIT),
    BINARY(ne, UNIT, UNIT, 0, E), I2(ne, UNIT, UNIT),
    BINARY(lt, UNIT, UNIT, 0, E), I2(lt, UNIT, UNIT),
    BINARY(le, UNIT, UNIT, 0, E), I2(le, UNIT, UNIT),
    BINARY(gt, UNIT, UNIT, 0, E), I2(gt, UNIT, UNIT),
    BINARY(ge, UNIT, UNIT, 0, E), I2(ge, UNIT, UNIT),

    UNARY(neg, UNIT, 0, E | G), I1(neg),
    UNARY(square, UNIT, 1, E | G), I1(square),
    UNARY(sqrt, POSITIVE, 4, G),
    UNARY(exp, UNIT, 9, G),
    {.op = "exp", .text = "far", .build = far_exp, .k = 48, .n_in = 1, .in = {{2, {7, 150}}}},
    UNARY(log, POSITIVE, 4, G),
    UNARY(sin, UNIT, 5, G),
    UNARY(cos, UNIT, 5, G),
    UNARY(abs, AWAY, 0, E | G),
    TYPED1(abs_int, clg_abs, CLG_I32, 2, {3, 17}), TYPED1(abs_int, clg_abs, CLG_I32, 2, {1, 1}),
    TYPED1(abs_int, clg_abs, CLG_I32, 2, {0, 4}),
    UNARY(sign, AWAY, 0, E), I1(sign),
    UNARY(relu, AWAY, 0, E | G), I1(relu),
    UNARY(sigmoid, UNIT, 6, G),
    UNARY(tanh, UNIT, 6, G),

    {.op = "where", .build = where, .flags = E | G, .n_in = 3,
     .in = {{2, {3, 17}, CLG_FILL_BOOL, CLG_U8}, {2, {3, 17}}, {2, {3, 17}}}},
    {.op = "where", .build = where, .flags = E | G, .n_in = 3,
     .in = {{1, {17}, CLG_FILL_BOOL, CLG_I32}, {2, {3, 1}}, {0}}},
    {.op = "where", .build = where, .flags = E, .n_in = 3,
     .in = {{2, {0, 5}, CLG_FILL_BOOL, CLG_I32}, {2, {1, 5}}, {0}}},
    {.op = "where", .build = where, .flags = E, .n_in = 3,
     .in = {{1, {40}, CLG_FILL_BOOL, CLG_U8}, {1, {40}, CLG_FILL_UNIT, CLG_I32}, {0, {0}, CLG_FILL_UNIT, CLG_I32}}},

    {.op = "broadcast", .text = "to 2,3,4", .build = stretch, .attr = &to_2_3_4, .flags = E | G, .n_in = 1,
     .in = {{2, {3, 1}}}},
    {.op = "broadcast", .text = "to 5,17", .build = stretch, .attr = &to_5_17, .flags = E | G, .n_in = 1, .in = {{0}}},
    {.op = "broadcast", .text = "to 5,17", .build = stretch, .attr = &to_5_17, .flags = E | G, .n_in = 1,
     .in = {{1, {17}}}},
    {.op = "broadcast", .text = "to 1,1", .build = stretch, .attr = &to_1_1, .flags = E | G, .n_in = 1,
     .in = {{1, {1}}}},

    {.op = "broadcast", .text = "to 0,5", .build = stretch, .attr = &to_0_5, .flags = E, .n_in = 1,
     .in = {{2, {0, 1}}}},

    CAST("cast", f32, CLG_FILL_UNIT), CAST("cast_i32", i32, CLG_FILL_UNIT), CAST("cast_i64", i64, CLG_FILL_UNIT),
    CAST("cast_u8", u8, CLG_FILL_POSITIVE),
    {.op = "cast", .text = "i32 to f32", .build = to_type, .attr = &f32, .flags = E, .n_in = 1,
     .in = {{2, {3, 17}, CLG_FILL_UNIT, CLG_I32}}},
    {.op = "cast", .text = "to f32", .build = to_type, .attr = &f32, .flags = E | G, .n_in = 1, .in = {{2, {3, 17}}}},
    {.op = "cast", .text = "u8 to f32", .build = to_type, .attr = &f32, .flags = E, .n_in = 1,
     .in = {{2, {3, 17}, CLG_FILL_UNIT, CLG_U8}}},
    {.op = "cast_i32", .text = "f32 to i32", .build = to_type_scaled, .attr = &i32, .flags = E, .n_in = 1,
     .in = {{2, {3, 17}, CLG_FILL_AWAY}}},
    {.op = "cast_i32", .text = "u8 to i32", .build = to_type, .attr = &i32, .flags = E, .n_in = 1,
     .in = {{1, {33}, CLG_FILL_UNIT, CLG_U8}}},
    {.op = "cast_i64", .text = "f32 to i64", .build = to_type_scaled, .attr = &i64, .flags = E, .n_in = 1,
     .in = {{2, {3, 17}, CLG_FILL_AWAY}}},
    {.op = "cast_i64", .text = "i32 to i64", .build = to_type, .attr = &i64, .flags = E, .n_in = 1,
     .in = {{1, {33}, CLG_FILL_UNIT, CLG_I32}}},
    {.op = "cast_u8", .text = "f32 to u8", .build = to_type_scaled, .attr = &u8, .flags = E, .n_in = 1,
     .in = {{2, {3, 17}, CLG_FILL_POSITIVE}}},
    {.op = "cast_u8", .text = "i32 to u8", .build = to_type, .attr = &u8, .flags = E, .n_in = 1,
     .in = {{1, {33}, CLG_FILL_BOOL, CLG_I32}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(add, clg_add(X(2, 3), W(2, 4)))
BAD(add_types, clg_add(X(2, 3), T(2, 3)))
PAIR(sub) PAIR(mul) PAIR(div) PAIR(pow) PAIR(maximum) PAIR(minimum)
PAIR(eq) PAIR(ne) PAIR(lt) PAIR(le) PAIR(gt) PAIR(ge)
INTEGERS(sqrt) INTEGERS(exp) INTEGERS(log) INTEGERS(sin) INTEGERS(cos) INTEGERS(sigmoid) INTEGERS(tanh)
BYTES(neg) BYTES(square) BYTES(abs) BYTES(sign) BYTES(relu)
BAD(div_int, clg_div(T(2, 3), clg_input(g, "n", CLG_I32, CLG_SHAPE(2))))
BAD(where, clg_where(T(4), X(2, 3), W(2, 3)))
BAD(broadcast, clg_broadcast(X(2, 3), CLG_SHAPE(4, 3)))

const clg_bad_case clg_bad_elementwise[] = {
    {"add", bad_add, {"add", "f32[2,3]", "f32[2,4]"}},
    {"add", bad_add_types, {"add", "f32[2,3]", "i32[2,3]"}},
    SAYS_PAIR(sub), SAYS_PAIR(mul), SAYS_PAIR(div), SAYS_PAIR(pow), SAYS_PAIR(maximum), SAYS_PAIR(minimum),
    SAYS_PAIR(eq), SAYS_PAIR(ne), SAYS_PAIR(lt), SAYS_PAIR(le), SAYS_PAIR(gt), SAYS_PAIR(ge),
    SAYS_INTEGERS(sqrt), SAYS_INTEGERS(exp), SAYS_INTEGERS(log), SAYS_INTEGERS(sin), SAYS_INTEGERS(cos),
    SAYS_INTEGERS(sigmoid), SAYS_INTEGERS(tanh),
    SAYS_BYTES(neg), SAYS_BYTES(square), SAYS_BYTES(abs), SAYS_BYTES(sign), SAYS_BYTES(relu),
    {"div_int", bad_div_int, {"div_int", "i32[2,3]", "i32[2]"}},
    {"where", bad_where, {"where", "i32[4]", "f32[2,3]"}},
    {"broadcast", bad_broadcast, {"broadcast", "f32[2,3]", "4,3"}},
    {.op = NULL},
};

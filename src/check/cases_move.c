/* Cases of the ops that take tensors apart and put them together: slices, borders, copies. All are exact. */
#include "check/bad.h"
#include "check/cases.h"

/* --- builders --- */

typedef struct cut { int axis; int64_t begin, end, step; } cut;

/* Up to three slices, one of the other; a step of 0 ends the list. */
static clg_tensor *slice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const cut *s = c->attr;
    clg_tensor *x = in[0];
    for (int i = 0; i < 3 && s[i].step != 0; i++) x = clg_slice(x, s[i].axis, s[i].begin, s[i].end, s[i].step);
    return x;
}
/* The adjoint of a slice, by the gradient of the input b of its operand's shape. */
static clg_tensor *place(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const cut *s = c->attr;
    clg_tensor *x = in[0], *gx = NULL;
    for (int i = 0; i < 3 && s[i].step != 0; i++) x = clg_slice(x, s[i].axis, s[i].begin, s[i].end, s[i].step);
    clg_vjp(x, in[1], (clg_list){1, &in[0]}, &gx);
    return gx;
}
static clg_tensor *slice_axes(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    static const int64_t begin[] = {1, -1, 2}, end[] = {CLG_END, CLG_END, 17}, step[] = {2, -1, 3};
    return clg_slice_axes(in[0], begin, end, step);
}
/* The gradient with respect to a slice of which a slice is taken. */
static clg_tensor *slice_of_slice(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *first = clg_slice(in[0], 1, 1, CLG_END, 1), *gx = NULL;
    clg_vjp(clg_slice(first, 1, 0, 4, 2), in[1], (clg_list){1, &first}, &gx);
    return clg_mul(gx, first);
}
static clg_tensor *concat(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_concat((clg_list){c->n_in, in}, *(const int *)c->attr);
}
/* More operands than one node takes. */
static clg_tensor *many(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *t[40];
    for (int i = 0; i < 40; i++) t[i] = in[i % c->n_in];
    return clg_concat((clg_list){40, t}, *(const int *)c->attr);
}
static clg_tensor *stack(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_stack((clg_list){c->n_in, in}, *(const int *)c->attr);
}
static clg_tensor *stack_many(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *t[20];
    for (int i = 0; i < 20; i++) t[i] = in[i % c->n_in];
    return clg_stack((clg_list){20, t}, *(const int *)c->attr);
}

/* The parts in the reverse order, so that a wrong part shows. */
static clg_tensor *split(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const int *a = c->attr; /* axis, parts */
    clg_tensor *part[8], *turned[8];
    if (!clg_split(in[0], a[0], a[1], part)) return NULL;
    for (int i = 0; i < a[1]; i++) turned[i] = part[a[1] - 1 - i];
    return clg_concat((clg_list){a[1], turned}, a[0]);
}

typedef struct border {
    int64_t begin[4], end[4];
    enum clg_border how;
    double value;
} border;

static clg_tensor *pad(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const border *b = c->attr;
    return clg_pad(in[0], b->begin, b->end, b->how, b->value);
}
static clg_tensor *pad_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const border *b = c->attr;
    clg_tensor *gx = NULL;
    clg_vjp(clg_pad(in[0], b->begin, b->end, b->how, b->value), in[1], (clg_list){1, &in[0]}, &gx);
    return gx;
}
static clg_tensor *flip(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_flip(in[0], *(const unsigned *)c->attr);
}
static clg_tensor *roll(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const int *a = c->attr;
    return clg_roll(in[0], a[0], a[1]);
}
static clg_tensor *tile(const clg_case *c, clg_graph *g, clg_tensor *const *in) { return clg_tile(in[0], c->attr); }
static clg_tensor *repeat(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    const int *a = c->attr;
    return clg_repeat(in[0], a[0], a[1]);
}
/* Views before and behind: the operand of each kernel is another's result. */
static clg_tensor *views(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *x = clg_transpose(clg_slice(in[0], 1, 1, CLG_END, 2));
    return clg_add(clg_flip(clg_concat(CLG_LIST(x, x), 0), 3), clg_exp(clg_squeeze(clg_unsqueeze(clg_tile(x,
                   (const int64_t[]){2, 1}), 0), 0)));
}

/* --- attributes --- */

static const cut first_rows[] = {{0, 0, 2, 1}, {0}}, middle[] = {{1, 2, -1, 1}, {0}},
    odd[] = {{-1, 1, CLG_END, 2}, {0}},
    back[] = {{-1, -1, CLG_END, -1}, {0}}, back3[] = {{1, -2, 0, -3}, {0}}, none[] = {{0, 1, 1, 1}, {0}},
    one[] = {{1, -1, CLG_END, 1}, {0}}, two_axes[] = {{0, 1, CLG_END, 2}, {2, 0, 5, 2}, {0}},
    twice[] = {{1, 2, CLG_END, 3}, {1, -1, CLG_END, -1}, {0}},
    mixed[] = {{0, -1, CLG_END, -1}, {1, 1, 3, 1}, {3, 1, CLG_END, 3}};
static const int ax0 = 0, ax1 = 1, ax2 = 2, last = -1;
static const int split_0_3[] = {0, 3}, split_1_4[] = {1, 4}, split_1_1[] = {1, 1}, split_m1_2[] = {-1, 2};
static const int roll_0_1[] = {0, 1}, roll_1_m3[] = {1, -3}, roll_1_100[] = {1, 100}, roll_0_0[] = {0, 0};
static const int rep_0_2[] = {0, 2}, rep_1_3[] = {1, 3}, rep_m1_5[] = {-1, 5}, rep_0_0[] = {0, 0}, rep_1_1[] = {1, 1};
static const int64_t t_2[] = {2}, t_3_1[] = {3, 1}, t_1_4[] = {1, 4}, t_2_3_2[] = {2, 3, 2}, t_0_2[] = {0, 2};
static const unsigned f0 = 1, f1 = 2, f02 = 5, f23 = 12, fall = CLG_ALL, fnone = 0;
#define BORDER(name, how_, value_, ...) static const border name = {__VA_ARGS__, CLG_BORDER_##how_, value_};
#define B4(a, b, c, d) {a, b, c, d}
BORDER(zero_12, CONSTANT, 0, B4(1, 2, 0, 0), B4(2, 0, 0, 0))
BORDER(seven_axis0, CONSTANT, 7, B4(3, 0, 0, 0), B4(1, 0, 0, 0))
BORDER(image, CONSTANT, 0, B4(0, 0, 1, 1), B4(0, 0, 1, 2))
BORDER(image_2, CONSTANT, 2, B4(1, 0, 2, 3), B4(0, 2, 1, 0))
BORDER(nothing, CONSTANT, 1, B4(0, 0, 0, 0), B4(0, 0, 0, 0))
BORDER(reflect_12, REFLECT, 0, B4(1, 2, 0, 0), B4(2, 4, 0, 0))
BORDER(reflect_image, REFLECT, 0, B4(0, 0, 2, 1), B4(0, 0, 1, 3))
BORDER(reflect_end, REFLECT, 0, B4(0, 0, 0, 0), B4(0, 4, 0, 0))
BORDER(replicate_12, REPLICATE, 0, B4(3, 2, 0, 0), B4(2, 7, 0, 0))
BORDER(replicate_image, REPLICATE, 0, B4(1, 0, 2, 1), B4(0, 0, 5, 3))

/* --- the table --- */

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD
#define BIG CLG_CASE_BENCH
#define DIMS(...) {__VA_ARGS__}
#define ONE(op_, attr_, flags_, n, dims) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .flags = flags_, .n_in = 1, .in = {{n, DIMS dims}}}
#define TYPED(op_, attr_, type_, n, dims) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .flags = E, .n_in = 1, \
     .in = {{n, DIMS dims, CLG_FILL_UNIT, CLG_##type_}}}
#define TWO(op_, attr_, flags_, n, dims, ny, dimsy) \
    {.op = #op_, .text = #attr_, .build = op_, .attr = &attr_, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dims}, {ny, DIMS dimsy}}}
/* Every type once. */
#define TYPES(op, attr, n, dims) \
    TYPED(op, attr, I32, n, dims), TYPED(op, attr, U8, n, dims), TYPED(op, attr, I64, n, dims)
/* The gradient of a mirrored or repeated border. */
#define BWD(attr_, flags_, n, dims, dimsy) \
    {.op = "axis_map", .text = #attr_, .build = pad_bwd, .attr = &attr_, .k = 12, .flags = flags_, .n_in = 2, \
     .in = {{n, DIMS dims}, {n, DIMS dimsy}}}

const clg_case clg_cases_move[] = {
    ONE(slice, first_rows, E | G, 2, (5, 7)), ONE(slice, middle, E | G, 2, (5, 7)), ONE(slice, odd, E | G, 2, (3, 37)),
    ONE(slice, back, E | G, 2, (3, 19)), ONE(slice, back3, E | G, 2, (4, 11)), ONE(slice, none, E | G, 2, (4, 3)),
    ONE(slice, one, E | G, 3, (2, 5, 3)), ONE(slice, two_axes, E | G, 3, (5, 3, 6)),
    ONE(slice, twice, E | G, 2, (3, 20)),
    ONE(slice, mixed, E | G, 4, (3, 4, 2, 9)), ONE(slice, first_rows, E, 3, (5, 40, 31)), ONE(slice, back, E, 1, (1)),
    ONE(slice, back, E, 2, (0, 3)), ONE(slice, back, E, 2, (3, 0)), ONE(slice, first_rows, E, 1, (40000)),
    ONE(slice, middle, E, 2, (70, 300)), ONE(slice, middle, E, 2, (2, 40000)), TYPES(slice, two_axes, 3, (5, 3, 6)),
    ONE(slice, first_rows, E | BIG, 3, (64, 512, 512)), ONE(slice, middle, E | BIG, 2, (4096, 4096)),
    ONE(slice, odd, E | BIG, 2, (4096, 4096)), ONE(slice, back, E | BIG, 2, (4096, 4096)),

    {.op = "slice", .text = "three axes", .build = slice_axes, .flags = E | G, .n_in = 1, .in = {{3, {5, 4, 19}}}},
    {.op = "place", .text = "slice of slice", .build = slice_of_slice, .k = 2, .flags = E | G, .n_in = 2,
     .in = {{2, {3, 7}}, {2, {3, 2}}}},

    TWO(place, first_rows, E | G, 2, (5, 7), 2, (2, 7)), TWO(place, middle, E | G, 2, (5, 7), 2, (5, 4)),
    TWO(place, odd, E | G, 2, (3, 37), 2, (3, 18)), TWO(place, back, E | G, 2, (3, 19), 2, (3, 19)),
    TWO(place, back3, E | G, 2, (4, 11), 2, (4, 3)), TWO(place, none, E | G, 2, (4, 3), 2, (0, 3)),
    TWO(place, two_axes, E | G, 3, (5, 3, 6), 3, (2, 3, 3)), TWO(place, twice, E | G, 2, (3, 20), 2, (3, 6)),
    TWO(place, one, E | G, 2, (3, 5), 2, (3, 1)),
    TWO(place, mixed, E | G, 4, (3, 4, 2, 9), 4, (3, 2, 2, 3)), TWO(place, first_rows, E, 1, (40000), 1, (2)),
    TWO(place, middle, E, 2, (70, 300), 2, (70, 297)), TWO(place, odd, E, 2, (2, 40000), 2, (2, 20000)),

    TWO(concat, ax0, E | G, 2, (2, 3), 2, (5, 3)), TWO(concat, ax1, E | G, 2, (3, 4), 2, (3, 17)),
    TWO(concat, ax1, E | G, 3, (2, 3, 5), 3, (2, 1, 5)), TWO(concat, last, E | G, 3, (5, 4, 6), 3, (5, 4, 4)),
    TWO(concat, ax0, E, 1, (1), 1, (1)), TWO(concat, ax0, E, 2, (0, 3), 2, (2, 3)),
    TWO(concat, ax1, E, 2, (0, 3), 2, (0, 4)),
    TWO(concat, ax0, E, 1, (40000), 1, (20001)), TWO(concat, ax1, E, 2, (300, 33), 2, (300, 47)),
    {.op = "concat", .text = "40 operands", .build = many, .attr = &ax1, .flags = E | G, .n_in = 3,
     .in = {{2, {3, 2}}, {2, {3, 1}}, {2, {3, 5}}}},
    {.op = "concat", .text = "i32", .build = concat, .attr = &ax0, .flags = E, .n_in = 2,
     .in = {{2, {3, 2}, 0, CLG_I32}, {2, {1, 2}, 0, CLG_I32}}},
    {.op = "concat", .text = "u8", .build = concat, .attr = &ax0, .flags = E, .n_in = 2,
     .in = {{2, {3, 20}, 0, CLG_U8}, {2, {1, 20}, 0, CLG_U8}}},
    {.op = "concat", .text = "i64", .build = concat, .attr = &ax0, .flags = E, .n_in = 2,
     .in = {{2, {3, 2}, 0, CLG_I64}, {2, {1, 2}, 0, CLG_I64}}},
    TWO(concat, ax1, E | BIG, 4, (16, 64, 56, 56), 4, (16, 192, 56, 56)),
    TWO(stack, ax0, E | G, 2, (1, 3), 2, (1, 3)), TWO(stack, ax1, E | G, 3, (2, 3, 2), 3, (2, 3, 2)),
    TWO(stack, ax1, E | G, 2, (5, 17), 2, (5, 17)),
    TWO(stack, last, E | G, 2, (3, 4), 2, (3, 4)), TWO(stack, ax0, E, 0, (0), 0, (0)),
    TWO(stack, ax1, E, 2, (0, 2), 2, (0, 2)),
    {.op = "stack", .text = "20 operands", .build = stack_many, .attr = &ax2, .flags = E | G, .n_in = 3,
     .in = {{2, {3, 2}}, {2, {3, 2}}, {2, {3, 2}}}},
    ONE(split, split_0_3, E | G, 2, (6, 5)), ONE(split, split_1_4, E | G, 3, (2, 8, 3)),
    ONE(split, split_1_1, E | G, 2, (2, 3)),
    ONE(split, split_m1_2, E | G, 2, (3, 34)), ONE(split, split_0_3, E, 2, (3, 1)), ONE(split, split_0_3, E, 2, (0, 2)),
    TYPES(split, split_m1_2, 2, (3, 34)),

    ONE(pad, zero_12, E | G, 2, (3, 5)), ONE(pad, zero_12, E, 2, (0, 3)), ONE(pad, zero_12, E | G, 2, (1, 1)),
    ONE(pad, seven_axis0, E | G, 1, (17)), ONE(pad, seven_axis0, E | G, 3, (2, 5, 7)),
    ONE(pad, seven_axis0, E, 1, (40000)),
    ONE(pad, image, E | G, 4, (2, 3, 4, 5)), ONE(pad, image, E, 4, (2, 3, 28, 29)),
    ONE(pad, image_2, E | G, 4, (1, 2, 3, 17)),
    ONE(pad, nothing, E | G, 3, (2, 3, 4)), TYPES(pad, image_2, 4, (1, 2, 3, 17)),
    ONE(pad, reflect_12, E | G, 2, (3, 5)), ONE(pad, reflect_12, E | G, 2, (7, 33)),
    ONE(pad, reflect_image, E | G, 4, (2, 3, 5, 4)),
    ONE(pad, reflect_end, E | G, 3, (3, 5, 18)), ONE(pad, reflect_image, E, 4, (0, 3, 5, 4)),
    ONE(pad, replicate_12, E | G, 2, (3, 5)), ONE(pad, replicate_12, E | G, 2, (1, 1)),
    ONE(pad, replicate_12, E | G, 3, (2, 3, 19)),
    ONE(pad, replicate_image, E | G, 4, (2, 3, 5, 4)), TYPES(pad, replicate_image, 4, (2, 3, 5, 4)),
    TYPES(pad, reflect_image, 4, (2, 3, 5, 4)), ONE(pad, image, E | BIG, 4, (16, 64, 56, 56)),
    ONE(pad, reflect_image, E | BIG, 4, (16, 64, 56, 56)),
    BWD(reflect_12, E | G, 2, (3, 5), (6, 11)), BWD(reflect_image, E | G, 4, (2, 3, 5, 4), (2, 3, 8, 8)),
    BWD(replicate_12, E | G, 2, (3, 5), (8, 14)), BWD(replicate_12, E | G, 3, (2, 3, 19), (7, 12, 19)),
    BWD(replicate_12, E | G, 2, (3, 1), (8, 10)), BWD(reflect_image, E, 4, (0, 3, 5, 4), (0, 3, 8, 8)),
    BWD(replicate_image, E, 4, (2, 3, 5, 4), (3, 3, 12, 8)),

    ONE(flip, f0, E | G, 1, (19)), ONE(flip, f1, E | G, 2, (3, 17)), ONE(flip, f02, E | G, 3, (2, 3, 5)),
    ONE(flip, f23, E | G, 4, (4, 3, 5, 5)), ONE(flip, fall, E | G, 3, (2, 3, 4)), ONE(flip, fnone, E | G, 2, (2, 3)),
    ONE(flip, f0, E, 2, (1, 5)), ONE(flip, f0, E, 2, (0, 5)), ONE(flip, f0, E, 2, (5, 300)),
    TYPES(flip, f02, 3, (2, 3, 5)),
    ONE(flip, f23, E | BIG, 4, (256, 256, 3, 3)),
    ONE(roll, roll_0_1, E | G, 2, (5, 3)), ONE(roll, roll_1_m3, E | G, 2, (3, 17)),
    ONE(roll, roll_1_100, E | G, 3, (2, 7, 2)),
    ONE(roll, roll_0_0, E | G, 1, (5)), ONE(roll, roll_0_1, E, 2, (0, 5)), ONE(roll, roll_0_1, E, 1, (1)),
    ONE(tile, t_2, E | G, 1, (5)), ONE(tile, t_3_1, E | G, 2, (2, 17)), ONE(tile, t_1_4, E | G, 2, (3, 5)),
    ONE(tile, t_2_3_2, E | G, 3, (2, 1, 7)), ONE(tile, t_0_2, E, 2, (2, 3)), ONE(tile, t_3_1, E, 2, (0, 3)),
    ONE(tile, t_2_3_2, E | BIG, 3, (64, 256, 256)), TYPED(tile, t_3_1, I32, 2, (2, 17)),
    ONE(repeat, rep_0_2, E | G, 2, (3, 4)), ONE(repeat, rep_1_3, E | G, 2, (17, 1)),
    ONE(repeat, rep_1_3, E | G, 3, (2, 5, 3)),
    ONE(repeat, rep_m1_5, E | G, 2, (3, 7)),
    ONE(repeat, rep_0_0, E, 2, (2, 3)), ONE(repeat, rep_1_1, E, 2, (2, 3)), ONE(repeat, rep_0_2, E, 2, (0, 3)),

    {.op = "slice", .text = "views", .build = views, .k = 8, .flags = G | CLG_CASE_MIXED, .n_in = 1,
     .in = {{2, {6, 21}}}},
    {.op = NULL},
};

/* --- mistakes --- */

BAD(slice_end, clg_slice(X(2, 3), 1, 0, 4, 1))
BAD(slice_begin, clg_slice(X(2, 3), 1, -4, CLG_END, 1))
BAD(slice_step, clg_slice(X(2, 3), 1, 0, 3, 0))
BAD(slice_axis, clg_slice(X(2, 3), 2, 0, 3, 1))
BAD(slice_axes, clg_slice_axes(X(2, 3), ((const int64_t[]){0, 4}), NULL, NULL))
BAD(concat, clg_concat(CLG_LIST(X(2, 3), W(4, 5)), 0))
BAD(concat_type, clg_concat(CLG_LIST(X(2, 3), T(2, 3)), 0))
BAD(concat_rank, clg_concat(CLG_LIST(X(2, 3), W(2)), 1))
BAD(stack, clg_stack(CLG_LIST(X(2, 3), W(3, 2)), 0))
BAD(pad_negative, clg_pad(X(2, 3), ((const int64_t[]){0, -1}), NULL, CLG_BORDER_CONSTANT, 0))
BAD(pad_value, clg_pad(T(2, 3), ((const int64_t[]){0, 1}), NULL, CLG_BORDER_CONSTANT, 0.5))
BAD(pad_reflect, clg_pad(X(2, 3), ((const int64_t[]){0, 3}), NULL, CLG_BORDER_REFLECT, 0))
BAD(pad_edge, clg_pad(X(2, 0), ((const int64_t[]){0, 1}), NULL, CLG_BORDER_REPLICATE, 0))
BAD(flip, clg_flip(X(2, 3), CLG_AXIS(2)))
BAD(roll, clg_roll(X(2, 3), 2, 1))
BAD(tile, clg_tile(X(2, 3), ((const int64_t[]){1, -2})))
BAD(repeat, clg_repeat(X(2, 3), 3, 2))
BAD(squeeze, clg_squeeze(X(2, 3), 0))
BAD(unsqueeze, clg_unsqueeze(X(2, 3), 4))
static clg_tensor *bad_split(clg_graph *g) {
    clg_tensor *part[2];
    return clg_split(X(2, 3), 1, 2, part) ? part[0] : NULL;
}

const clg_bad_case clg_bad_move[] = {
    {"slice", bad_slice_end, {"slice", "f32[2,3]", "4"}},
    {"slice", bad_slice_begin, {"slice", "f32[2,3]", "-4"}},
    {"slice", bad_slice_step, {"slice", "f32[2,3]", "step"}},
    {"slice", bad_slice_axis, {"slice", "f32[2,3]", "no axis 2"}},
    {"slice", bad_slice_axes, {"slice", "f32[2,3]", "begin 4"}},
    {"concat", bad_concat, {"concat", "f32[2,3]", "f32[4,5]"}},
    {"concat", bad_concat_type, {"concat", "f32[2,3]", "i32[2,3]"}},
    {"concat", bad_concat_rank, {"concat", "f32[2,3]", "f32[2]"}},
    {"stack", bad_stack, {"stack", "f32[2,3]", "f32[3,2]"}},
    {"split", bad_split, {"split", "f32[2,3]", "2 equal parts"}},
    {"pad", bad_pad_negative, {"pad", "f32[2,3]", "-1"}},
    {"pad", bad_pad_value, {"pad", "i32[2,3]", "0.5"}},
    {"pad", bad_pad_reflect, {"pad", "f32[2,3]", "3"}},
    {"pad", bad_pad_edge, {"pad", "f32[2,0]", ""}},
    {"flip", bad_flip, {"flip", "f32[2,3]", "no axis 2"}},
    {"roll", bad_roll, {"roll", "f32[2,3]", "no axis 2"}},
    {"tile", bad_tile, {"tile", "f32[2,3]", "-2"}},
    {"repeat", bad_repeat, {"repeat", "f32[2,3]", "no axis 3"}},
    {"reshape", bad_squeeze, {"squeeze", "f32[2,3]", "0"}},
    {"reshape", bad_unsqueeze, {"unsqueeze", "f32[2,3]", "4"}},
    {.op = NULL},
};

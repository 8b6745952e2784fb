/* Cases of dropout, noise and augmentation. Noise: log, sqrt and cospi of table 7.4 of OpenCL 1.2 and two products
 * leave 9 units of sigma z; |sigma z| <= |y| + 1, and one for the sum. */
#include "check/bad.h"
#include "check/cases.h"

static const double p30 = 0.3, p50 = 0.5, sigma_half = 0.5, sigma_2 = 2;
static const int64_t s0 = 0, s1 = 1, s3 = 3;

static clg_tensor *dropout(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dropout(in[0], *(const double *)c->attr);
}
static clg_tensor *channels(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dropout_channels(in[0], *(const double *)c->attr);
}
static clg_tensor *noise(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_gaussian_noise(in[0], *(const double *)c->attr);
}
static clg_tensor *shift(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_random_shift(in[0], *(const int64_t *)c->attr);
}
static clg_tensor *flip(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_random_flip(in[0], *(const double *)c->attr);
}
/* The gradients under what the same plan drew. */
static clg_tensor *vjp_of(clg_tensor *y, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(y, in[1], (clg_list){1, (clg_tensor *[]){in[0]}}, &gx);
    return gx;
}
static clg_tensor *channels_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(channels(c, g, in), in);
}
static clg_tensor *shift_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(shift(c, g, in), in);
}
static clg_tensor *flip_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return vjp_of(flip(c, g, in), in);
}

#define DIMS(...) {__VA_ARGS__}
#define RANDOM(op_, build_, attr_, k_, flags_, n, dims) \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = (flags_) | CLG_CASE_RANDOM, \
     .n_in = 1, .in = {{n, DIMS dims}}}

#define BACKWARD(op_, build_, attr_, k_, flags_, n, dims) \
    {.op = #op_, .text = #attr_ " backward", .build = build_, .attr = &attr_, .k = k_, \
     .flags = (flags_) | CLG_CASE_RANDOM, .n_in = 2, .in = {{n, DIMS dims}, {n, DIMS dims}}}

#define E CLG_CASE_EXACT
#define G CLG_CASE_GRAD

const clg_case clg_cases_random[] = {
    RANDOM(dropout, dropout, p50, 2, E | G, 3, (1, 5, 13)),
    RANDOM(dropout_channels, channels, p50, 2, E | G, 4, (3, 5, 2, 7)),
    RANDOM(dropout_channels, channels, p30, 2, G, 3, (7, 5, 37)),
    RANDOM(dropout_channels, channels, p50, 2, E | G, 2, (5, 13)),
    RANDOM(dropout_channels, channels, p50, 2, E, 4, (1, 1, 1, 1)),
    RANDOM(dropout_channels, channels, p50, 2, E, 4, (2, 3, 0, 5)),
    RANDOM(dropout_channels, channels, p50, 2, E, 3, (0, 3, 5)),
    RANDOM(dropout_channels, channels, p50, 2, E, 5, (2, 67, 3, 8, 16)),
    BACKWARD(dropout_channels, channels_bwd, p30, 2, G, 3, (3, 5, 17)),
    RANDOM(dropout_channels, channels, p50, 2, E | CLG_CASE_BENCH, 4, (16, 64, 56, 56)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, G, 1, (1)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, G, 2, (3, 37)),
    RANDOM(gaussian_noise, noise, sigma_2, 19, G, 0, (0)),
    RANDOM(gaussian_noise, noise, sigma_2, 19, 0, 3, (5, 17, 128)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, 0, 2, (0, 3)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, CLG_CASE_BENCH, 4, (16, 64, 56, 56)),
    RANDOM(random_shift, shift, s1, 1, E | G, 4, (5, 1, 3, 2)),
    RANDOM(random_shift, shift, s3, 1, E | G, 4, (7, 3, 5, 4)),
    RANDOM(random_shift, shift, s0, 1, E | G, 4, (2, 1, 1, 3)),
    RANDOM(random_shift, shift, s3, 1, E, 4, (64, 3, 17, 37)),
    RANDOM(random_shift, shift, s3, 1, E, 4, (0, 1, 4, 5)),
    BACKWARD(random_shift, shift_bwd, s3, 1, E | G, 4, (7, 3, 4, 5)),
    RANDOM(random_shift, shift, s3, 1, E | CLG_CASE_BENCH, 4, (256, 3, 32, 32)),
    RANDOM(random_flip, flip, p50, 1, E | G, 4, (7, 3, 2, 5)),
    RANDOM(random_flip, flip, p30, 1, E | G, 4, (9, 1, 1, 1)),
    RANDOM(random_flip, flip, p50, 1, E, 4, (64, 3, 17, 37)),
    RANDOM(random_flip, flip, p50, 1, E, 4, (2, 3, 0, 5)),
    RANDOM(random_flip, flip, p50, 1, E, 4, (2, 3, 5, 0)),
    BACKWARD(random_flip, flip_bwd, p50, 1, E | G, 4, (7, 3, 4, 5)),
    RANDOM(random_flip, flip, p50, 1, E | CLG_CASE_BENCH, 4, (256, 3, 32, 32)),
    {.op = NULL},
};

/* --- mistakes --- */

BAD(dropout, clg_dropout(T(2, 3), 0.5))
BAD(channels, clg_dropout_channels(X(5), 0.5))
BAD(channels_type, clg_dropout_channels(T(2, 3), 0.5))
BAD(noise, clg_gaussian_noise(T(2, 3), 1))
BAD(shift, clg_random_shift(X(4, 28, 28), 2))
BAD(shift_all, clg_random_shift(X(4, 1, 28, 8), 8))
BAD(flip, clg_random_flip(X(4, 28), 0.5))
BAD(flip_type, clg_random_flip(T(4, 1, 28, 28), 0.5))

const clg_bad_case clg_bad_random[] = {
    {"dropout", bad_dropout, {"dropout", "i32[2,3]", "floats"}},
    {"dropout_channels", bad_channels, {"dropout_channels", "f32[5]", "[N,C,S...]"}},
    {"dropout_channels", bad_channels_type, {"dropout_channels", "i32[2,3]", "floats"}},
    {"gaussian_noise", bad_noise, {"gaussian_noise", "i32[2,3]", "floats"}},
    {"random_shift", bad_shift, {"random_shift", "f32[4,28,28]", "[N,C,H,W]"}},
    {"random_shift", bad_shift_all, {"random_shift", "f32[4,1,28,8]", "8 pixels"}},
    {"random_flip", bad_flip, {"random_flip", "f32[4,28]", "[N,C,H,W]"}},
    {"random_flip", bad_flip_type, {"random_flip", "i32[4,1,28,28]", "floats"}},
    {.op = NULL},
};

/* Cases of dropout and noise. Noise: log, sqrt and cospi of table 7.4 of OpenCL 1.2 and two products leave 9 units of
 * sigma z; |sigma z| <= |y| + 1, and one for the sum. */
#include "check/bad.h"
#include "check/cases.h"

static const double p30 = 0.3, p50 = 0.5, sigma_half = 0.5, sigma_2 = 2;

static clg_tensor *dropout(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dropout(in[0], *(const double *)c->attr);
}
static clg_tensor *channels(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_dropout_channels(in[0], *(const double *)c->attr);
}
static clg_tensor *noise(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    return clg_gaussian_noise(in[0], *(const double *)c->attr);
}
/* The gradient under the mask of the same plan. */
static clg_tensor *channels_bwd(const clg_case *c, clg_graph *g, clg_tensor *const *in) {
    clg_tensor *gx = NULL;
    clg_vjp(channels(c, g, in), in[1], (clg_list){1, (clg_tensor *[]){in[0]}}, &gx);
    return gx;
}

#define DIMS(...) {__VA_ARGS__}
#define RANDOM(op_, build_, attr_, k_, flags_, n, dims) \
    {.op = #op_, .text = #attr_, .build = build_, .attr = &attr_, .k = k_, .flags = (flags_) | CLG_CASE_RANDOM, \
     .n_in = 1, .in = {{n, DIMS dims}}}

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
    {.op = "dropout_channels", .text = "backward", .build = channels_bwd, .attr = &p30, .k = 2,
     .flags = CLG_CASE_RANDOM | G, .n_in = 2, .in = {{3, {3, 5, 17}}, {3, {3, 5, 17}}}},
    RANDOM(dropout_channels, channels, p50, 2, E | CLG_CASE_BENCH, 4, (16, 64, 56, 56)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, G, 1, (1)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, G, 2, (3, 37)),
    RANDOM(gaussian_noise, noise, sigma_2, 19, G, 0, (0)),
    RANDOM(gaussian_noise, noise, sigma_2, 19, 0, 3, (5, 17, 128)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, 0, 2, (0, 3)),
    RANDOM(gaussian_noise, noise, sigma_half, 19, CLG_CASE_BENCH, 4, (16, 64, 56, 56)),
    {.op = NULL},
};

/* --- mistakes --- */

BAD(dropout, clg_dropout(T(2, 3), 0.5))
BAD(channels, clg_dropout_channels(X(5), 0.5))
BAD(channels_type, clg_dropout_channels(T(2, 3), 0.5))
BAD(noise, clg_gaussian_noise(T(2, 3), 1))

const clg_bad_case clg_bad_random[] = {
    {"dropout", bad_dropout, {"dropout", "i32[2,3]", "floats"}},
    {"dropout_channels", bad_channels, {"dropout_channels", "f32[5]", "[N,C,S...]"}},
    {"dropout_channels", bad_channels_type, {"dropout_channels", "i32[2,3]", "floats"}},
    {"gaussian_noise", bad_noise, {"gaussian_noise", "i32[2,3]", "floats"}},
    {.op = NULL},
};

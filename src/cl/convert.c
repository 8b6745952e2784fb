/* Elements of the "ref" device are doubles; here they become, and come from, the types the host sees. To a type:
 * nearest value, ties to even; integers saturate and NaN becomes 0. */
#include "cl/internal.h"

#include <math.h>
#include <string.h>

/* Value of a float of 16 bits with the given number of exponent and fraction bits: f16 is (5, 10), bf16 (8, 7). */
static double from_small(uint16_t bits, int exp_bits, int frac_bits) {
    const int bias = (1 << (exp_bits - 1)) - 1, top = (1 << exp_bits) - 1;
    const int e = (bits >> frac_bits) & top;
    const double frac = bits & ((1 << frac_bits) - 1);
    double value;
    if (e == top) {
        value = frac != 0 ? NAN : INFINITY;
    } else {
        value = ldexp(e == 0 ? frac : frac + (1 << frac_bits), (e == 0 ? 1 : e) - bias - frac_bits);
    }
    return bits & 0x8000 ? -value : value;
}

static uint16_t to_small(double x, int exp_bits, int frac_bits) {
    const int bias = (1 << (exp_bits - 1)) - 1, top = (1 << exp_bits) - 1;
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const uint16_t inf = (uint16_t)(sign | top << frac_bits);
    int e;
    if (isnan(x)) return (uint16_t)(inf | 1 << (frac_bits - 1));
    if (isinf(x)) return inf;
    x = fabs(x);
    frexp(x, &e); /* x = m 2^e, m in [1/2, 1) */
    e--;
    if (e < 1 - bias || x == 0) e = 1 - bias; /* subnormal */
    const double frac = nearbyint(ldexp(x, frac_bits - e)); /* rounds ties to even */
    /* A rounding up to the next power of two carries into the exponent by itself. */
    const int biased = e + bias - 1; /* the leading one adds 1 to the exponent field */
    const double field = ldexp((double)biased, frac_bits) + frac;
    return field >= ldexp(top, frac_bits) ? inf : (uint16_t)(sign | (uint16_t)field);
}

static double clamp_round(double x, double lo, double hi) {
    if (isnan(x)) return 0;
    return x < lo ? lo : x > hi ? hi : nearbyint(x);
}

static int64_t to_i64(double x) {
    if (isnan(x)) return 0;
    return x <= -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)nearbyint(x);
}

/* Host memory need not be aligned for t, so elements go through memcpy. */
#define EACH(type, ...)                                   \
    for (size_t i = 0; i < n; i++) {                      \
        type v;                                           \
        __VA_ARGS__                                       \
    }                                                     \
    break
#define READ(expr)  memcpy(&v, (const char *)from + i * sizeof v, sizeof v); to[i] = (expr);
#define WRITE(expr) v = (expr); memcpy((char *)to + i * sizeof v, &v, sizeof v);

void clg_to_double(clg_dtype t, const void *from, double *to, size_t n) {
    switch (t) {
    case CLG_F32:  EACH(float, READ((double)v));
    case CLG_F16:  EACH(uint16_t, READ(from_small(v, 5, 10)));
    case CLG_BF16: EACH(uint16_t, READ(from_small(v, 8, 7)));
    case CLG_F64:  EACH(double, READ(v));
    case CLG_I32:  EACH(int32_t, READ((double)v));
    case CLG_U8:   EACH(uint8_t, READ((double)v));
    case CLG_I64:  EACH(int64_t, READ((double)v));
    case CLG_DTYPE_COUNT: break;
    }
}

void clg_from_double(clg_dtype t, const double *from, void *to, size_t n) {
    switch (t) {
    case CLG_F32:  EACH(float, WRITE((float)from[i]));
    case CLG_F16:  EACH(uint16_t, WRITE(to_small(from[i], 5, 10)));
    case CLG_BF16: EACH(uint16_t, WRITE(to_small(from[i], 8, 7)));
    case CLG_F64:  EACH(double, WRITE(from[i]));
    case CLG_I32:  EACH(int32_t, WRITE((int32_t)clamp_round(from[i], INT32_MIN, INT32_MAX)));
    case CLG_U8:   EACH(uint8_t, WRITE((uint8_t)clamp_round(from[i], 0, UINT8_MAX)));
    case CLG_I64:  EACH(int64_t, WRITE(to_i64(from[i])));
    case CLG_DTYPE_COUNT: break;
    }
}

/* Linear separability: the VC experiment, Cover's count, degenerate positions that rounding would get wrong, both
 * certificates; and the integers below it. No device. */
#include "fit/bigint.h"

#include <clgrad/separable.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static uint64_t state = 1;

/* SplitMix64: Steele, Lea & Flood 2014. */
static uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(void) { /* in [-1, 1) with 53 bits */
    return (double)(int64_t)(next() >> 11) * 0x1p-52 - 1;
}

/* --- counts --- */

static int64_t count(const double *x, int64_t n, int64_t dim) {
    int64_t c = -1;
    cr_assert_eq(clg_count_separable(x, n, dim, &c), CLG_OK, "%s", clg_error());
    return c;
}

Test(separable, vc_dimension_of_the_plane) {
    const double triangle[] = {0, 0, 1, 0, 0, 1}, line[] = {0, 0, 1, 1, 2, 2}, square[] = {0, 0, 1, 1, 0, 1, 1, 0};
    const double inner[] = {0, 0, 4, 0, 0, 4, 1, 1}, twin[] = {0, 0, 1, 0, 0, 1, 0, 0};
    cr_expect_eq(count(triangle, 3, 2), 8, "3 points are shattered");
    cr_expect_eq(count(line, 3, 2), 6, "+-+ and -+- are not possible on a line");
    cr_expect_eq(count(square, 4, 2), 14, "all but XOR and its opposite");
    cr_expect_eq(count(inner, 4, 2), 14, "all but the inner point against the three outer ones");
    cr_expect_eq(count(twin, 4, 2), 8, "equal points have equal labels");
    const double cube[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
    cr_expect_eq(count(cube, 4, 3), 16, "4 points in space are shattered");
    cr_expect_eq(count(cube, 5, 3), 30, "5 are not");
}

Test(separable, cover_s_count_in_general_position) {
    const struct { int64_t n, dim, count; } known[] = {
        {1, 2, 2}, {2, 1, 4}, {3, 1, 6}, {3, 2, 8}, {4, 2, 14}, {5, 2, 22}, {6, 2, 32}, {5, 3, 30}, {6, 3, 52},
        {62, 1, 124}, {62, 61, INT64_C(1) << 62}, {63, 2, 0},
    };
    double x[10 * 3];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const int64_t n = known[i].n, dim = known[i].dim;
        cr_expect_eq(clg_cover_count(n, dim), known[i].count, "n %d, dim %d: %lld", (int)n, (int)dim,
                     (long long)clg_cover_count(n, dim));
        if (n > 10) continue;
        for (int64_t k = 0; k < n * dim; k++) x[k] = uniform();
        cr_expect_eq(count(x, n, dim), known[i].count, "random points, n %d, dim %d", (int)n, (int)dim);
    }
    for (int64_t k = 0; k < 30; k++) x[k] = uniform();
    cr_expect_eq(count(x, 10, 3), clg_cover_count(10, 3));
}

/* --- one labeling, with its certificate --- */

/* The least y_i (<w, x_i> + b), plus what rounding can take away from it: w is given in doubles, and where the last bit
 * of a coordinate decides, its terms are larger than 1 / epsilon. */
static double slack(const double *x, const int32_t *y, int64_t n, int64_t dim, const double *w) {
    double least = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double s = w[dim], size = fabs(w[dim]);
        for (int64_t k = 0; k < dim; k++) {
            s += w[k] * x[i * dim + k];
            size += fabs(w[k] * x[i * dim + k]);
        }
        least = fmin(least, (y[i] > 0 ? 1 : -1) * s + 0x1p-50 * size);
    }
    return least;
}

/* The largest difference of the two hull points in a feature, or of a class' sum from 1. */
static double gap(const double *x, const int32_t *y, int64_t n, int64_t dim, const double *hull) {
    double most = 0, sum[2] = {0};
    for (int64_t i = 0; i < n; i++) sum[y[i] > 0] += hull[i] >= 0 ? hull[i] : NAN;
    for (int64_t k = 0; k < dim; k++) {
        double d = 0;
        for (int64_t i = 0; i < n; i++) d += (y[i] > 0 ? hull[i] : -hull[i]) * x[i * dim + k];
        most = fmax(most, fabs(d));
    }
    return fmax(most, fmax(fabs(sum[0] - 1), fabs(sum[1] - 1)));
}

static bool decide(const double *x, const int32_t *y, int64_t n, int64_t dim) {
    double w[8], hull[64];
    bool yes;
    cr_assert_eq(clg_separable(x, y, n, dim, &yes, w, hull), CLG_OK, "%s", clg_error());
    if (yes) cr_expect(slack(x, y, n, dim, w) >= 1, "slack %g", slack(x, y, n, dim, w));
    else cr_expect(gap(x, y, n, dim, hull) < 1e-12, "hulls are apart by %g", gap(x, y, n, dim, hull));
    return yes;
}

Test(separable, both_certificates) {
    const double square[] = {0, 0, 1, 1, 0, 1, 1, 0};
    const int32_t xor[] = {-1, -1, 1, 1}, and[] = {0, 1, 0, 0}, all[] = {1, 1, 1, 1};
    cr_expect(!decide(square, xor, 4, 2));
    cr_expect(decide(square, and, 4, 2));
    double w[3], x[60 * 3];
    bool yes;
    cr_assert_eq(clg_separable(square, all, 4, 2, &yes, w, NULL), CLG_OK);
    cr_expect(yes && slack(square, all, 4, 2, w) >= 1);
    int32_t y[60];
    int split = 0;
    for (int round = 0; round < 40; round++) { /* clouds that overlap in half of the rounds or so */
        for (int i = 0; i < 60; i++) {
            y[i] = i % 2;
            for (int k = 0; k < 3; k++) x[i * 3 + k] = uniform() + (k == round % 3 ? y[i] * 0.1 * round : 0);
        }
        split += decide(x, y, 60, 3);
    }
    cr_expect(split > 5 && split < 35, "%d of 40 separable", split);
}

/* Decimals of 53 bits, 1 or more apart: the plane must be good in doubles, not only in exact numbers. */
Test(separable, a_plane_survives_rounding) {
    double x[50 * 3], w[4];
    int32_t y[50];
    bool yes;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            y[i] = i % 2;
            for (int k = 0; k < 3; k++) x[i * 3 + k] = 0.1 * (double)(next() % 80);
            x[i * 3 + round % 3] = 100 + (y[i] ? 1.1 : 0.1) * (1 + (double)(next() % 9)) * (y[i] ? 1 : -1);
        }
        cr_assert_eq(clg_separable(x, y, 50, 3, &yes, w, NULL), CLG_OK, "%s", clg_error());
        cr_assert(yes);
        for (int k = 0; k < 3; k++) cr_expect(fabs(w[k]) < 100, "w %g", w[k]);
        for (int i = 0; i < 50; i++) {
            const double f = w[0] * x[3 * i] + w[1] * x[3 * i + 1] + w[2] * x[3 * i + 2] + w[3];
            cr_expect((y[i] ? f : -f) > 0.999, "round %d, point %d: %g", round, i, f);
        }
    }
}

/* A point on the segment of the other class, exactly or by one unit in the last place: 0.1 + 0.2 != 0.3. */
Test(separable, the_last_bit_decides) {
    const int32_t y[] = {1, 0, 1};
    double x[] = {0.1, 0.1, 0.2, 0.2, 0.3, 0.3};
    cr_expect(!decide(x, y, 3, 2));
    x[3] = nextafter(0.2, 1);
    cr_expect(decide(x, y, 3, 2));
    double near[] = {-1, 1e-300, 0, 0, 1, 1e-300};
    cr_expect(decide(near, y, 3, 2), "above the segment by 1e-300");
    near[3] = 1e-300;
    cr_expect(!decide(near, y, 3, 2));
    const double one[] = {1, nextafter(1, 2)};
    const int32_t two[] = {1, 0};
    cr_expect(decide(one, two, 2, 1));
}

Test(separable, bad_input) {
    const double x[] = {0, NAN}, good[] = {0, 1}, wide[] = {1e300, 1e-300, 1e-300, 1e300};
    const int32_t y[] = {0, 1};
    bool yes = true;
    int64_t c = 7;
    const struct { clg_status got, want; const char *why; } bad[] = {
        {clg_separable(x, y, 2, 1, &yes, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(NULL, y, 2, 1, &yes, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(good, NULL, 2, 1, &yes, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(good, y, 2, 1, NULL, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(good, y, 0, 1, &yes, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(good, y, 1, 0, &yes, NULL, NULL), CLG_ERR_INVALID, NULL},
        {clg_separable(wide, y, 2, 2, &yes, NULL, NULL), CLG_ERR_UNSUP, NULL},
        {clg_count_separable(good, 63, 1, &c), CLG_ERR_INVALID, NULL},
        {clg_count_separable(good, 2, 1, NULL), CLG_ERR_INVALID, NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) cr_expect_eq(bad[i].got, bad[i].want, "case %zu", i);
    cr_expect(yes && c == 7, "outputs changed although the calls failed");
    cr_expect_eq(clg_separable(x, y, 2, 1, &yes, NULL, NULL), CLG_ERR_INVALID);
    cr_expect_str_eq(clg_error(), "separable: feature 0 of point 1 is nan");
}

/* --- the integers --- */

static void random_big(clg_big *a, int limbs) {
    clg_big_set(a, 0);
    for (int i = 0; i < limbs; i++) { /* with zero limbs among them */
        clg_big low;
        clg_big_shift(a, 32);
        clg_big_set(&low, next() % 3 ? -(int64_t)(next() >> 32) : 0);
        clg_big_sub(a, &low);
    }
    if (next() & 1) a->sign = -a->sign;
}

/* (a b - (a - c) b) / b = c: every operation with all lengths and signs. */
Test(separable, integers_obey_the_laws_of_a_ring) {
    clg_big a, b, c, ab, rest;
    int big = 0;
    for (int round = 0; round < 20000; round++) {
        random_big(&a, (int)(next() % 12));
        random_big(&b, 1 + (int)(next() % 12));
        random_big(&c, (int)(next() % 12));
        if (b.sign == 0) continue;
        clg_big_shift(&b, (int)(next() % 70));
        clg_big_mul(&ab, &a, &b);
        clg_big_sub(&a, &c);
        clg_big_mul(&rest, &a, &b);
        clg_big_sub(&ab, &rest);
        clg_big_div_exact(&ab, &b);
        cr_assert_eq(clg_big_compare(&ab, &c), 0, "round %d", round);
        big += c.n > 8;
    }
    cr_expect(big > 1000);
}

Test(separable, integers_have_known_values) {
    clg_big a, b, c;
    clg_big_set(&a, INT64_MIN);
    clg_big_set(&b, 3);
    cr_expect_eq(clg_big_compare(&a, &b), -1);
    cr_expect_eq(clg_big_ratio(&a, &b), -0x1p63 / 3);
    clg_big_mul(&c, &a, &a);
    clg_big_shift(&c, 974);
    clg_big_shift(&b, 1100);
    cr_expect(fabs(clg_big_ratio(&c, &b) * 3 - 1) < 1e-15, "2^1100 / (3 2^1100) = %g", clg_big_ratio(&c, &b));
    clg_big_set(&a, 0);
    cr_expect(clg_big_ratio(&a, &b) == 0 && clg_big_compare(&a, &a) == 0);
}

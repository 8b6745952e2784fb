/* What is drawn at random, as a whole: dropout keeps the mean, noise has its moments, moves and reflections of pictures
 * are as frequent as they should be; statistics within five standard deviations, and masks exactly, by the published
 * generator. In each: another run draws other numbers, the reference device the same, and inference plans none. */
#include "support/plan.h"

#include "base/philox.h"

#include <math.h>

enum { PICTURES = 300, CHANNELS = 2, HIGH = 3, WIDE = 7, PLANE = HIGH * WIDE, PICTURE = CHANNELS * PLANE,
       PLANES = PICTURES * CHANNELS, ELEMS = PLANES * PLANE };
enum { SEED = 7, RUNS = 2 };

/* Training runs of f(x) on a device, and an inference run. */
static void run(const char *device, clg_tensor *(*f)(clg_tensor *), const float *x, float y[RUNS][ELEMS],
                float *plain) {
    clg_device *dev = open_device(device);
    clg_store *store = clg_store_create(dev, SEED);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(PICTURES, CHANNELS, HIGH, WIDE)), *out = f(in);
    clg_plan *train = compile(g, CLG_LIST(out), NULL);
    clg_plan *eval = compile(g, CLG_LIST(out), clg_plan_params(.inference = true));
    const size_t bytes = ELEMS * sizeof *x;
    OK(clg_write(train, in, x, bytes));
    OK(clg_write(eval, in, x, bytes));
    for (int r = 0; r < RUNS; r++) {
        OK(clg_run(train));
        OK(clg_read(train, out, y[r], bytes));
    }
    OK(clg_run(eval));
    OK(clg_read(eval, out, plain, bytes));
    clg_plan_destroy(&train);
    clg_plan_destroy(&eval);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* On the OpenCL device, and what holds of everything; off: how far the reference may be. */
static void run_both(clg_tensor *(*f)(clg_tensor *), const float *x, float y[RUNS][ELEMS], float off) {
    static float ref[RUNS][ELEMS], plain[ELEMS];
    run("ref", f, x, ref, plain);
    cr_assert_arr_eq(plain, x, sizeof plain);
    run(NULL, f, x, y, plain);
    cr_assert_arr_eq(plain, x, sizeof plain);
    cr_assert_neq(memcmp(y[0], y[1], sizeof y[0]), 0);
    for (int r = 0; r < RUNS; r++)
        for (int i = 0; i < ELEMS; i++) cr_assert_leq(fabsf(y[r][i] - ref[r][i]), off, "run %d, element %d", r, i);
}

/* Whether `have` of n throws agree with the probability p. */
static bool is_likely(double have, double n, double p) { return fabs(have - n * p) < 5 * sqrt(n * p * (1 - p)); }

/* The random word of element i in a run. */
static uint32_t word_of(int i, int tick) {
    const uint32_t counter[4] = {(uint32_t)i / 4, (uint32_t)tick, 0, 0}, key[2] = {SEED, 0};
    uint32_t word[4];
    clg_philox(counter, key, word);
    return word[i % 4];
}

static clg_tensor *dropout(clg_tensor *x) { return clg_dropout(x, 0.25); }
static clg_tensor *channels(clg_tensor *x) { return clg_dropout_channels(x, 0.25); }
static clg_tensor *noise(clg_tensor *x) { return clg_gaussian_noise(x, 2); }
static clg_tensor *shift(clg_tensor *x) { return clg_random_shift(x, 1); }
static clg_tensor *flip(clg_tensor *x) { return clg_random_flip(x, 0.5); }

/* Which elements are dropped is what the generator says, so how many are is no more than a test of it; those that stay
 * are scaled such that E[y] = x. */
Test(random, dropout_keeps_the_mean) {
    static float x[ELEMS], y[RUNS][ELEMS];
    for (int i = 0; i < ELEMS; i++) x[i] = 3;
    run_both(dropout, x, y, 0);
    for (int r = 0; r < RUNS; r++) {
        double sum = 0;
        for (int i = 0; i < ELEMS; i++) {
            cr_assert_eq(y[r][i], word_of(i, r) < 0x40000000u ? 0 : 4, "run %d, element %d is %g", r, i, y[r][i]);
            sum += y[r][i];
        }
        /* y is 0 or 4, with the mean 3 and the variance 16 p (1 - p) */
        cr_expect_lt(fabs(sum / ELEMS - 3), 5 * sqrt(16 * 0.25 * 0.75 / ELEMS), "mean %g", sum / ELEMS);
    }
}

/* Planes go or stay as a whole. */
Test(random, channels) {
    static float x[ELEMS], y[RUNS][ELEMS];
    for (int i = 0; i < ELEMS; i++) x[i] = 3;
    run_both(channels, x, y, 0);
    for (int r = 0; r < RUNS; r++) {
        int gone = 0;
        for (int i = 0; i < ELEMS; i++) {
            const int plane = i / PLANE;
            cr_assert_eq(y[r][i], word_of(plane, r) < 0x40000000u ? 0 : 4, "plane %d", plane);
            gone += i % PLANE == 0 && y[r][i] == 0;
        }
        cr_expect(is_likely(gone, PLANES, 0.25), "%d of %d planes dropped", gone, PLANES);
    }
}

/* Mean 0, variance sigma^2, kurtosis 3, neighbours independent; the same bits in another plan. */
Test(random, noise) {
    static float x[ELEMS], y[RUNS][ELEMS], again[RUNS][ELEMS], plain[ELEMS];
    run_both(noise, x, y, 1e-5f);
    run(NULL, noise, x, again, plain);
    cr_assert_arr_eq(y, again, sizeof y);
    double mean = 0, square = 0, fourth = 0, pair = 0, across = 0;
    for (int i = 0; i < ELEMS; i++) {
        const double z = y[0][i] / 2;
        mean += z, square += z * z, fourth += z * z * z * z;
        pair += i % 2 ? 0 : z * y[0][i + 1] / 2;
        across += z * y[1][i] / 2;
    }
    const double n = ELEMS, unit = 5 / sqrt(n);
    cr_expect_lt(fabs(mean / n), unit);
    cr_expect_lt(fabs(square / n - 1), sqrt(2) * unit);
    cr_expect_lt(fabs(fourth / n - 3), sqrt(96) * unit);
    cr_expect_lt(fabs(pair / (n / 2)), sqrt(2) * unit);
    cr_expect_lt(fabs(across / n), unit);
}

/* --- pictures --- */

/* Pictures of which no two elements are equal, and none is 0. */
static void draw_pictures(float *x) {
    for (int i = 0; i < ELEMS; i++) x[i] = (float)(i + 1);
}

/* The one move that explains all elements of a picture, as 3 (down + 1) + right + 1; -1: none does. */
static int move_of(const float *x, const float *y) {
    for (int move = 0; move < 9; move++) {
        bool fits = true;
        for (int at = 0; at < PICTURE && fits; at++) {
            const int i = at / WIDE % HIGH - (move / 3 - 1), j = at % WIDE - (move % 3 - 1);
            const bool inside = i >= 0 && i < HIGH && j >= 0 && j < WIDE;
            fits = y[at] == (inside ? x[at / PLANE * PLANE + i * WIDE + j] : 0);
        }
        if (fits) return move;
    }
    return -1;
}

Test(random, every_move_is_alike_likely) {
    static float x[ELEMS], y[RUNS][ELEMS];
    int count[9] = {0};
    draw_pictures(x);
    run_both(shift, x, y, 0);
    for (int i = 0; i < RUNS * PICTURES; i++) {
        const int move = move_of(x + i % PICTURES * PICTURE, y[i / PICTURES] + i % PICTURES * PICTURE);
        cr_assert_geq(move, 0, "picture %d was not moved as a whole", i);
        count[move]++;
    }
    for (int m = 0; m < 9; m++)
        cr_expect(is_likely(count[m], RUNS * PICTURES, 1. / 9), "(%d, %d): %d of %d", m / 3 - 1, m % 3 - 1, count[m],
                  RUNS * PICTURES);
}

Test(random, half_of_the_pictures_are_reflected) {
    static float x[ELEMS], y[RUNS][ELEMS];
    int count = 0;
    draw_pictures(x);
    run_both(flip, x, y, 0);
    for (int r = 0; r < RUNS; r++)
        for (int i = 0; i < ELEMS; i++) {
            const bool flipped = word_of(i / PICTURE, r) < 0x80000000u;
            const int from = flipped ? i - i % WIDE + WIDE - 1 - i % WIDE : i;
            cr_assert_eq(y[r][i], x[from], "run %d, element %d", r, i);
            count += i % PICTURE == 0 && flipped;
        }
    cr_expect(is_likely(count, RUNS * PICTURES, 0.5), "%d of %d", count, RUNS * PICTURES);
}

static clg_tensor *all(clg_tensor *x) {
    return clg_augment(x, clg_augment_params(.crop = 2, .flip = true, .noise = 0.5));
}
static clg_tensor *one_by_one(clg_tensor *x) {
    return clg_gaussian_noise(clg_random_flip(clg_random_shift(x, 2), 0.5), 0.5);
}

Test(random, augmentation_is_its_parts) {
    static float x[ELEMS], y[RUNS][ELEMS], parts[RUNS][ELEMS], plain[ELEMS];
    draw_pictures(x);
    run("ref", all, x, y, plain);
    cr_assert_arr_eq(plain, x, sizeof plain);
    run("ref", one_by_one, x, parts, plain);
    cr_assert_arr_eq(y, parts, sizeof y);
}

Test(random, augmentation_refuses) {
    static const struct { clg_augment_params p; const char *says; } bad[] = {
        {{.shift = 1, .crop = 2}, "shift 1 and crop 2"}, {{.shift = -1}, "random_shift(x, -1)"},
        {{.shift = 3}, "f32[300,2,3,7]"},                {{.noise = -1}, "gaussian_noise(x, -1)"},
    };
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        clg_graph *g = clg_graph_create(dev, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(PICTURES, CHANNELS, HIGH, WIDE));
        cr_expect_null(clg_augment(x, &bad[i].p));
        cr_expect_null(clg_compile(g, CLG_LIST(x), NULL));
        cr_expect_not_null(strstr(clg_error(), bad[i].says), "%s is not in: %s", bad[i].says, clg_error());
        clg_graph_destroy(&g);
    }
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *row = clg_input(g, "x", CLG_F32, CLG_SHAPE(8, 5)); /* no pictures: noise only */
    cr_expect_eq(clg_augment(row, NULL), row);
    cr_expect_eq(clg_augment(row, &(clg_augment_params){0}), row);
    cr_expect_not_null(clg_augment(row, clg_augment_params(.noise = 1)));
    cr_expect_null(clg_random_flip(row, 1));
    cr_expect_not_null(strstr(clg_error(), "random_flip(x, 1)"), "%s", clg_error());
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

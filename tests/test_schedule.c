/* Schedules of the learning rate and plateaus, against tables of their values. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define OK(expr) cr_assert_eq((expr), CLG_OK, #expr ": %s", clg_error())

Test(schedule, factors_have_their_values) {
    static const struct { clg_schedule s; int64_t step, steps; double factor; } table[] = {
        {{0}, 0, 10, 1}, {{0}, 99, 10, 1},
        {{.warmup = 4}, 0, 10, 0.2}, {{.warmup = 4}, 3, 10, 0.8}, {{.warmup = 4}, 4, 10, 1},
        {{.warmup = 20}, 9, 10, 10. / 21},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 4, 20, 1},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 5, 20, 0.5},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 19, 20, 0.125},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5, .warmup = 7}, 5, 20, 0.5 * 6 / 8},
        {{.kind = CLG_LR_STEP}, 3, 10, 1}, {{.kind = CLG_LR_STEP}, 4, 10, 0.1}, {{.kind = CLG_LR_STEP}, 8, 10, 0.01},
        {{.kind = CLG_LR_STEP}, 1, 0, 0.1},
        {{.kind = CLG_LR_COSINE}, 0, 12, 1}, {{.kind = CLG_LR_COSINE}, 4, 12, 0.75},
        {{.kind = CLG_LR_COSINE}, 6, 12, 0.5}, {{.kind = CLG_LR_COSINE}, 8, 12, 0.25},
        {{.kind = CLG_LR_COSINE}, 12, 12, 0}, {{.kind = CLG_LR_COSINE}, 40, 12, 0},
        {{.kind = CLG_LR_COSINE, .floor = 0.2}, 6, 12, 0.6}, {{.kind = CLG_LR_COSINE, .floor = 0.2}, 12, 12, 0.2},
        {{.kind = CLG_LR_COSINE, .warmup = 3}, 1, 15, 0.5}, {{.kind = CLG_LR_COSINE, .warmup = 3}, 3, 15, 1},
        {{.kind = CLG_LR_COSINE, .warmup = 3}, 7, 15, 0.75}, {{.kind = CLG_LR_COSINE, .warmup = 9}, 4, 5, 0.5},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 0, 13, 0.04}, {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 3, 13, 0.52},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 6, 13, 1}, {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 9, 13, 0.500002},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 12, 13, 4e-6}, {{.kind = CLG_LR_ONE_CYCLE}, 30, 101, 1},
        {{.kind = CLG_LR_ONE_CYCLE, .start = 0.5, .floor = 0.25}, 0, 11, 0.5},
        {{.kind = CLG_LR_ONE_CYCLE, .start = 0.5, .floor = 0.25}, 10, 11, 0.25},
        {{.kind = CLG_LR_ONE_CYCLE, .warmup = 1}, 0, 11, 0.02}, {{.kind = CLG_LR_ONE_CYCLE}, 0, 1, 0.04},
        {{.kind = CLG_LR_PLATEAU}, 7, 10, 1}, {{.kind = CLG_LR_PLATEAU, .warmup = 1}, 0, 10, 0.5},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        OK(clg_schedule_check(&table[i].s));
        const double got = clg_schedule_factor(&table[i].s, table[i].step, table[i].steps);
        cr_expect_float_eq(got, table[i].factor, 1e-12, "row %d: %.17g, not %.17g", (int)i, got, table[i].factor);
    }
}

Test(schedule, fields_out_of_range_are_refused) {
    static const struct { clg_schedule s; const char *says; } bad[] = {
        {{.kind = (enum clg_lr_kind)7}, "kind = 7"}, {{.warmup = -1}, "warmup = -1"}, {{.every = -5}, "every = -5"},
        {{.gamma = 1.5}, "gamma = 1.5"},             {{.gamma = NAN}, "gamma = nan"}, {{.floor = -1}, "floor = -1"},
        {{.peak = 1}, "peak = 1"},                   {{.start = 2}, "start = 2"},     {{.better = NAN}, "better = nan"},
        {{.patience = -1}, "patience = -1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(clg_schedule_check(&bad[i].s), CLG_ERR_INVALID);
        cr_expect_not_null(strstr(clg_error(), bad[i].says), "%s is not in: %s", bad[i].says, clg_error());
    }
    cr_expect_eq(clg_schedule_check(NULL), CLG_ERR_INVALID);
}

Test(schedule, a_plateau_lowers_the_rate) {
    static const double loss[] =   {3, 2, 2,   2.5, 1.95, NAN, 1.5, 1.5,  1.6, INFINITY, 1.45, 9,     9},
                        factor[] = {1, 1, 1,   1,   0.5,  0.5, 0.5, 0.5,  0.5, 0.25,     0.25, 0.25,  0.2};
    const clg_schedule s = {.kind = CLG_LR_PLATEAU, .gamma = 0.5, .patience = 3, .better = 0.1, .floor = 0.2};
    clg_plateau p = {0};
    for (size_t i = 0; i < sizeof loss / sizeof loss[0]; i++) {
        const double got = clg_plateau_update(&p, &s, loss[i]);
        cr_expect_eq(got, factor[i], "validation %d: %g, not %g", (int)i, got, factor[i]);
    }
    cr_assert_eq(p.seen, 13);
    cr_assert_eq(p.best, 1.5);
    clg_plateau early = {0}; /* no loss that counts yet: the defaults are patience 5, gamma 0.1 */
    for (int i = 0; i < 4; i++) cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, NAN), 1);
    cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, NAN), 0.1);
    cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, 1e30), 0.1);
    cr_assert_eq(early.best, 1e30);
}

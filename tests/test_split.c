/* Parts of data sets: roles, hold-out, folds; and their standardisation. Items hold their number, so that every one can
 * be followed. No OpenCL is needed: batches are read back through a plan on the reference device. */
#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 400 };

static const char *const letters[] = {"a", "b", "c", "d"};

/* sizes[c] items of class c, the classes taking turns until they are used up; sizes end with 0. */
static clg_dataset *numbered(const int *sizes, bool real, enum clg_part part) {
    double x[MOST];
    int32_t label[MOST];
    int left[4] = {0}, classes = 0, n = 0;
    for (; sizes[classes]; classes++) left[classes] = sizes[classes];
    for (bool more = true; more;) {
        more = false;
        for (int c = 0; c < classes; c++) {
            if (left[c] == 0) continue;
            left[c]--;
            more = true;
            label[n] = c;
            x[n] = n;
            n++;
        }
    }
    clg_dataset *d = real ? clg_dataset_create(clg_dataset_params(.n = n, .item = CLG_SHAPE(1), .x = x, .target = x,
                                               .part = part))
                          : clg_dataset_create(clg_dataset_params(.n = n, .item = CLG_SHAPE(1), .x = x, .label = label,
                                               .classes = classes, .class_name = letters, .part = part));
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static int number_of(const clg_dataset *d, int64_t i) {
    double x;
    cr_assert_eq(clg_dataset_row(d, i, &x, NULL), CLG_OK, "%s", clg_error());
    return (int)x;
}

static int count_class(const clg_dataset *d, int class) {
    int n = 0;
    for (int64_t i = 0; i < clg_dataset_size(d); i++) {
        double target;
        cr_assert_eq(clg_dataset_row(d, i, NULL, &target), CLG_OK);
        n += target == class;
    }
    return n;
}

/* Marks the items of a part; they must be in ascending order, and not be marked yet. */
static void mark(const clg_dataset *d, bool *seen) {
    for (int64_t i = 0; i < clg_dataset_size(d); i++) {
        cr_expect(i == 0 || number_of(d, i) > number_of(d, i - 1), "not in file order");
        cr_expect(!seen[number_of(d, i)], "item %d is in two parts", number_of(d, i));
        seen[number_of(d, i)] = true;
    }
}

static void expect_error(clg_status got, clg_status status, const char *want) {
    cr_expect_eq(got, status, "%d instead of \"%s\"", (int)got, want);
    cr_expect_not_null(strstr(clg_error(), want), "no \"%s\" in: %s", want, clg_error());
}

Test(split, roles_do_not_change_back) {
    static const int sizes[] = {6, 6, 0};
    static const int64_t items[] = {7, 3, 3, 0}, wrong[] = {0, 12}, negative[] = {-1};
    static const bool may[3][3] = {{true, true, true}, {false, true, false}, {false, false, true}};
    static const char *const names_of[] = {"training", "test", "validation"};
    for (int from = 0; from < 3; from++) {
        clg_dataset *d = numbered(sizes, false, (enum clg_part)from), *slice = clg_dataset_slice(d, 2, 3);
        cr_expect_eq(clg_dataset_part(slice), from);
        for (int to = 0; to < 3; to++) {
            clg_dataset *s = clg_dataset_subset(d, items, 4, (enum clg_part)to);
            cr_expect_eq(s != NULL, may[from][to], "%d to %d", from, to);
            if (s) cr_expect_eq(clg_dataset_part(s), to);
            char want[80];
            snprintf(want, sizeof want, "items of a %s part cannot become a %s part", names_of[from], names_of[to]);
            if (!s) expect_error(clg_error_status(), CLG_ERR_INVALID, want);
            clg_dataset_destroy(&s);
        }
        clg_dataset_destroy(&slice);
        clg_dataset_destroy(&d);
    }
    clg_dataset *d = numbered(sizes, false, CLG_TRAIN), *s = clg_dataset_subset(d, items, 4, CLG_TRAIN);
    for (int i = 0; i < 4; i++) cr_expect_eq(number_of(s, i), items[i]);
    clg_dataset *inner = clg_dataset_slice(s, 1, 2);
    cr_expect(number_of(inner, 0) == 3 && number_of(inner, 1) == 3, "a slice of a subset");
    cr_expect_null(clg_dataset_subset(d, wrong, 2, CLG_TRAIN));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "items[1] is 12; the data set has 12 items");
    cr_expect_null(clg_dataset_subset(d, negative, 1, CLG_TRAIN));
    cr_expect_null(clg_dataset_subset(d, items, 0, CLG_TRAIN));
    cr_expect_null(clg_dataset_subset(d, NULL, 1, CLG_TRAIN));
    cr_expect_null(clg_dataset_subset(NULL, items, 4, CLG_TRAIN));
    cr_expect_null(clg_dataset_subset(d, items, 4, (enum clg_part)7));
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&s);
    clg_dataset_destroy(&inner);
}

/* --- hold-out --- */

typedef struct parts {
    clg_dataset *train, *val, *test;
} parts;

static parts split(clg_dataset *d, const clg_split_params *p) {
    parts s = {NULL};
    cr_assert_eq(clg_dataset_split(d, p, &s.train, &s.val, &s.test), CLG_OK, "%s", clg_error());
    bool seen[MOST] = {false};
    mark(s.train, seen);
    if (s.val) mark(s.val, seen);
    if (s.test) mark(s.test, seen);
    for (int i = 0; i < clg_dataset_size(d); i++) cr_expect(seen[i], "item %d is in no part", i);
    return s;
}

static void parts_free(parts *s) {
    clg_dataset_destroy(&s->train);
    clg_dataset_destroy(&s->val);
    clg_dataset_destroy(&s->test);
}

static bool same_items(const clg_dataset *a, const clg_dataset *b) {
    bool same = clg_dataset_size(a) == clg_dataset_size(b);
    for (int64_t i = 0; same && i < clg_dataset_size(a); i++) same = number_of(a, i) == number_of(b, i);
    return same;
}

Test(split, hold_out_keeps_the_classes_in_proportion) {
    static const struct {
        int sizes[5];
        double val, test;
        int want_val[4], want_test[4];
    } cases[] = {
        {{50, 50, 50, 0}, 0.1, 0.2, {5, 5, 5}, {10, 10, 10}},
        {{212, 100, 0}, 0, 0.2, {0, 0}, {42, 20}},         /* 42.4 and 20 are 62 */
        {{7, 5, 3, 1, 0}, 0, 0.25, {0}, {2, 1, 1, 0}},     /* 1.75, 1.25, 0.75, 0.25: remainders give 4 in all */
        {{10, 2, 0}, 0.25, 0.25, {2, 1}, {3, 0}},          /* the class of 2 keeps one for training */
        {{4, 4, 0}, 0.5, 0.25, {2, 2}, {1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_dataset *d = numbered(cases[i].sizes, false, CLG_TRAIN);
        parts s = split(d, clg_split_params(.val = cases[i].val, .test = cases[i].test, .seed = i));
        for (int c = 0; cases[i].sizes[c]; c++) {
            cr_expect_eq(s.test ? count_class(s.test, c) : 0, cases[i].want_test[c], "case %zu, test, class %d", i, c);
            cr_expect_eq(s.val ? count_class(s.val, c) : 0, cases[i].want_val[c], "case %zu, val, class %d: %d", i, c,
                         s.val ? count_class(s.val, c) : 0);
        }
        cr_expect_eq(clg_dataset_part(s.train), CLG_TRAIN);
        if (s.val) cr_expect_eq(clg_dataset_part(s.val), CLG_VALIDATION);
        cr_expect_eq(clg_dataset_part(s.test), CLG_TEST);
        cr_expect_eq(clg_dataset_classes(s.train), clg_dataset_classes(d));
        parts_free(&s);
        clg_dataset_destroy(&d);
    }
}

Test(split, hold_out_depends_on_the_seed_alone) {
    static const int sizes[] = {20, 20, 0};
    clg_dataset *d = numbered(sizes, false, CLG_TRAIN), *real = numbered(sizes, true, CLG_TRAIN);
    parts a = split(d, clg_split_params(.test = 0.25, .seed = 3)),
          b = split(d, clg_split_params(.test = 0.25, .seed = 3)),
          c = split(d, clg_split_params(.test = 0.25, .seed = 4)),
          r = split(real, clg_split_params(.val = 0.25, .seed = 3));
    cr_expect(same_items(a.test, b.test) && same_items(a.train, b.train));
    cr_expect(!same_items(a.test, c.test), "the seed does not matter");
    cr_expect(clg_dataset_size(r.val) == 10 && !r.test);
    /* published results name a seed: this must not change from version to version */
    static const int golden[10] = {0, 1, 3, 7, 16, 18, 23, 26, 35, 36},
                     golden_real[10] = {2, 7, 10, 18, 19, 23, 27, 30, 31, 38};
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(number_of(a.test, i), golden[i], "place %d: %d", i, number_of(a.test, i));
        cr_expect_eq(number_of(r.val, i), golden_real[i], "real, place %d: %d", i, number_of(r.val, i));
    }
    parts_free(&c);
    c = split(d, clg_split_params(.val = 0.25, .test = 0.25, .no_stratify = true, .no_shuffle = true));
    for (int i = 0; i < 10; i++) cr_expect(number_of(c.val, i) == 20 + i && number_of(c.test, i) == 30 + i);
    parts_free(&a);
    parts_free(&b);
    parts_free(&c);
    parts_free(&r);
    clg_dataset_destroy(&real);
    a.test = NULL;
    cr_expect_eq(clg_dataset_split(d, clg_split_params(.test = 0.25, .seed = 3), NULL, NULL, &a.test), CLG_OK);
    cr_expect_eq(clg_dataset_size(a.test), 10, "only the part that is asked for");
    clg_dataset_destroy(&a.test);
    clg_dataset_destroy(&d);
}

Test(split, hold_out_that_cannot_be) {
    static const int sizes[] = {6, 4, 0}, ones[] = {1, 1, 1, 1, 0};
    static const struct { double val, test; const char *want; } cases[] = {
        {0, 0, "together more than 0 and less than 1"},
        {-0.1, 0.2, "must not be negative"},
        {0.5, 0.5, "together more than 0 and less than 1"},
        {NAN, 0.2, "must not be negative"},
        {0, INFINITY, "less than 1"},
        {0.04, 0.2, "the validation part would be empty: 0.04 of 10 items"},
        {0.2, 0.04, "the test part would be empty: 0.04 of 10 items"},
        {0.5, 0.46, "the training part would be empty"},
        {0.4, 0.5, "leave no item of some class for training (class 1 (b) has 4)"},
    };
    clg_dataset *d = numbered(sizes, false, CLG_TRAIN), *few = numbered(ones, false, CLG_TRAIN),
                *test = numbered(sizes, false, CLG_TEST);
    clg_dataset *const untouched = d;
    parts s = {untouched, untouched, untouched};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(clg_dataset_split(d, clg_split_params(.val = cases[i].val, .test = cases[i].test), &s.train,
                                       &s.val, &s.test), CLG_ERR_INVALID, cases[i].want);
    expect_error(clg_dataset_split(few, clg_split_params(.test = 0.25), &s.train, &s.val, &s.test), CLG_ERR_INVALID,
                 "class 0 (a) has 1); take less, or set no_stratify");
    expect_error(clg_dataset_split(test, clg_split_params(.test = 0.25), &s.train, &s.val, &s.test), CLG_ERR_INVALID,
                 "a test part is not cut into others");
    expect_error(clg_dataset_split(NULL, clg_split_params(.test = 0.25), &s.train, &s.val, &s.test), CLG_ERR_INVALID,
                 "data set is NULL");
    expect_error(clg_dataset_split(d, NULL, &s.train, &s.val, &s.test), CLG_ERR_INVALID, "params is NULL");
    cr_expect(s.train == untouched && s.val == untouched && s.test == untouched);
    cr_expect_eq(clg_dataset_split(few, clg_split_params(.test = 0.25, .no_stratify = true), &s.train, &s.val, &s.test),
                 CLG_OK, "%s", clg_error());
    cr_expect(clg_dataset_size(s.train) == 3 && !s.val && clg_dataset_size(s.test) == 1);
    parts_free(&s);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&few);
    clg_dataset_destroy(&test);
}

/* --- folds --- */

/* All folds of one kind: each item is validated once, and trains in all other folds. */
static void check_folds(clg_dataset *d, enum clg_fold_kind kind, int k, const int *sizes) {
    const int n = (int)clg_dataset_size(d);
    bool seen[MOST] = {false};
    for (int i = 0; i < k; i++) {
        clg_dataset *train, *val;
        cr_assert_eq(clg_dataset_fold(d, kind, k, i, 5, &train, &val), CLG_OK, "%s", clg_error());
        cr_expect(clg_dataset_part(train) == CLG_TRAIN && clg_dataset_part(val) == CLG_VALIDATION);
        const int size = (int)clg_dataset_size(val);
        cr_expect(size == n / k || size == n / k + 1, "fold %d of %d has %d of %d", i, k, size, n);
        bool here[MOST] = {false};
        mark(val, here);
        mark(train, here);
        for (int j = 0; j < n; j++) cr_expect(here[j]);
        mark(val, seen);
        for (int j = 0; j < size && kind == CLG_FOLD_MODULO; j++) cr_expect_eq(number_of(val, j), i + j * k);
        for (int c = 0; sizes && sizes[c]; c++) {
            const int got = count_class(val, c);
            cr_expect(got == sizes[c] / k || got == sizes[c] / k + 1, "fold %d: %d of class %d", i, got, c);
        }
        clg_dataset_destroy(&train);
        clg_dataset_destroy(&val);
    }
    for (int j = 0; j < n; j++) cr_expect(seen[j], "item %d is never validated", j);
}

Test(split, folds_validate_every_item_once) {
    static const int sizes[][5] = {{50, 50, 50, 0}, {31, 17, 0}, {10, 11, 12, 13, 0}, {10, 0}};
    static const int ks[] = {2, 3, 5, 10};
    for (int s = 0; s < 4; s++) {
        clg_dataset *d = numbered(sizes[s], false, CLG_TRAIN), *real = numbered(sizes[s], true, CLG_TRAIN);
        for (int i = 0; i < 4; i++) {
            check_folds(d, CLG_FOLD_AUTO, ks[i], sizes[s]);
            check_folds(d, CLG_FOLD_SHUFFLED, ks[i], NULL);
            check_folds(d, CLG_FOLD_MODULO, ks[i], NULL);
            check_folds(real, CLG_FOLD_AUTO, ks[i], NULL);
        }
        clg_dataset_destroy(&d);
        clg_dataset_destroy(&real);
    }
}

Test(split, folds_depend_on_the_seed_alone) {
    static const int sizes[] = {20, 20, 0};
    static const int golden[8] = {1, 3, 16, 25, 28, 29, 36, 38};
    clg_dataset *d = numbered(sizes, false, CLG_TRAIN), *a, *b, *c, *s;
    cr_assert_eq(clg_dataset_fold(d, CLG_FOLD_AUTO, 5, 2, 1, NULL, &a), CLG_OK);
    cr_assert_eq(clg_dataset_fold(d, CLG_FOLD_AUTO, 5, 2, 1, NULL, &b), CLG_OK);
    cr_assert_eq(clg_dataset_fold(d, CLG_FOLD_AUTO, 5, 2, 2, NULL, &c), CLG_OK);
    cr_assert_eq(clg_dataset_fold(d, CLG_FOLD_SHUFFLED, 5, 2, 1, NULL, &s), CLG_OK);
    cr_expect(same_items(a, b) && !same_items(a, c) && !same_items(a, s));
    for (int i = 0; i < 8; i++) cr_expect_eq(number_of(a, i), golden[i], "place %d: %d", i, number_of(a, i));
    clg_dataset_destroy(&a);
    clg_dataset_destroy(&b);
    clg_dataset_destroy(&c);
    clg_dataset_destroy(&s);
    clg_dataset_destroy(&d);
}

Test(split, folds_that_cannot_be) {
    static const int sizes[] = {6, 3, 1, 0};
    static const struct { enum clg_fold_kind kind; int k, i; const char *want; } cases[] = {
        {CLG_FOLD_SHUFFLED, 11, 0, "11 folds of 10 items"},
        {CLG_FOLD_AUTO, 11, 0, "11 folds of 10 items"},
        {CLG_FOLD_MODULO, 1, 0, "1 folds; at least 2"},
        {CLG_FOLD_MODULO, -5, 0, "at least 2"},
        {CLG_FOLD_MODULO, 5, 5, "no fold 5; they are 0 to 4"},
        {CLG_FOLD_MODULO, 5, -1, "no fold -1"},
        {CLG_FOLD_AUTO, 2, 0, "class 2 (c) has 1 item, fewer than the 2 folds; take folds that do not keep"},
        {(enum clg_fold_kind)9, 5, 0, "no kind 9"},
    };
    clg_dataset *d = numbered(sizes, false, CLG_TRAIN), *val = numbered(sizes, false, CLG_VALIDATION);
    clg_dataset *a = d, *b = d, *whole;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(clg_dataset_fold(d, cases[i].kind, cases[i].k, cases[i].i, 0, &a, &b), CLG_ERR_INVALID,
                     cases[i].want);
    expect_error(clg_dataset_fold(val, CLG_FOLD_AUTO, 2, 0, 0, &a, &b), CLG_ERR_INVALID,
                 "a validation part is not cut");
    expect_error(clg_dataset_fold(NULL, CLG_FOLD_AUTO, 2, 0, 0, &a, &b), CLG_ERR_INVALID, "data set is NULL");
    cr_expect(a == d && b == d, "outputs are touched");
    static const int64_t first_two[] = {0, 1, 3, 4, 6, 7};  /* 3 and 3 of the classes a and b, none of c */
    whole = clg_dataset_subset(d, first_two, 6, CLG_TRAIN);
    expect_error(clg_dataset_fold(whole, CLG_FOLD_AUTO, 4, 0, 0, &a, &b), CLG_ERR_INVALID, "take at most ");
    cr_expect_eq(clg_dataset_fold(whole, CLG_FOLD_AUTO, 2, 0, 0, &a, &b), CLG_OK,
                 "a class without items is no matter: %s", clg_error());
    clg_dataset_destroy(&a);
    clg_dataset_destroy(&b);
    clg_dataset_destroy(&whole);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&val);
}

/* --- standardisation --- */

Test(split, a_scaler_gives_mean_0_and_deviation_1) {
    enum { ROWS = 50 };
    double x[3 * ROWS], row[3], sum[3] = {0}, squares[3] = {0};
    int32_t label[ROWS] = {0};
    for (int i = 0; i < ROWS; i++) {
        x[3 * i] = 1e9 + i;        /* variance (50^2 - 1) / 12 = 208.25; squares of 1e9 would hide it */
        x[3 * i + 1] = 0.1;        /* its mean is rounded, yet its deviation is 0 and so becomes 1 */
        x[3 * i + 2] = i % 2 ? 3e-9 : -1e-9;
    }
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = ROWS, .item = CLG_SHAPE(3), .x = x, .label = label));
    clg_scaler *s = clg_scaler_fit(d);
    cr_assert_not_null(s, "%s", clg_error());
    cr_assert_eq(clg_scaler_size(s), 3);
    const double *mean = clg_scaler_mean(s), *deviation = clg_scaler_deviation(s);
    cr_expect(fabs(mean[0] - 1000000024.5) < 1e-6 && fabs(deviation[0] - sqrt(208.25)) < 1e-8, "%.17g", deviation[0]);
    cr_expect(mean[1] == 0.1 && deviation[1] == 1, "%.17g %g", mean[1], deviation[1]);
    cr_expect(fabs(mean[2] - 1e-9) < 1e-22 && fabs(deviation[2] - 2e-9) < 1e-22, "%.17g %.17g", mean[2], deviation[2]);
    cr_assert_eq(clg_dataset_standardize(d, s), CLG_OK, "%s", clg_error());
    clg_scaler_destroy(&s); /* the data set keeps what it needs */
    clg_dataset *part = clg_dataset_slice(d, 10, 1);
    cr_assert(clg_dataset_row(d, 10, row, NULL) == CLG_OK && clg_dataset_row(part, 0, sum, NULL) == CLG_OK);
    cr_expect(memcmp(row, sum, sizeof row) == 0, "parts are standardised too");
    memset(sum, 0, sizeof sum);
    for (int i = 0; i < ROWS; i++) {
        cr_assert_eq(clg_dataset_row(d, i, row, NULL), CLG_OK);
        for (int k = 0; k < 3; k++) {
            sum[k] += row[k];
            squares[k] += row[k] * row[k];
        }
    }
    for (int k = 0; k < 3; k++) {
        cr_expect(fabs(sum[k]) < 1e-6, "feature %d: sum %g", k, sum[k]);
        cr_expect(fabs(squares[k] - (k == 1 ? 0 : ROWS)) < 1e-6, "feature %d: sum of squares %g", k, squares[k]);
    }
    clg_dataset_destroy(&part);
    clg_dataset_destroy(&d);
}

Test(split, pictures_are_standardised_by_channel) {
    double x[2 * 2 * 3 * 2]; /* 2 pictures of 2 channels of 3 x 2 */
    int32_t label[2] = {0, 1};
    float f[12];
    for (int i = 0; i < 24; i++) x[i] = i / 6 % 2 ? i : -i;
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 2, .item = CLG_SHAPE(2, 3, 2), .x = x, .label = label));
    clg_scaler *s = clg_scaler_fit(d);
    cr_assert(s && clg_scaler_size(s) == 2, "%s", clg_error());
    /* 0 .. 5 and 12 .. 17 negated; 6 .. 11 and 18 .. 23: mean of the picked numbers, variance 36 + 35 / 12 */
    const double deviation = sqrt(36 + 35 / 12.0);
    for (int c = 0; c < 2; c++) {
        cr_expect_float_eq(clg_scaler_mean(s)[c], c ? 14.5 : -8.5, 1e-12);
        cr_expect_float_eq(clg_scaler_deviation(s)[c], deviation, 1e-12);
    }
    cr_assert_eq(clg_dataset_standardize(d, s), CLG_OK);
    cr_assert_eq(clg_dataset_item(d, 1, f, NULL), CLG_OK);
    for (int k = 0; k < 12; k++) {
        const double want = (x[12 + k] - (k < 6 ? -8.5 : 14.5)) / deviation;
        cr_expect(fabs(f[k] - want) < 1e-6, "%d: %g, not %g", k, f[k], want);
    }
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&d);
}

/* Items are converted piece by piece; the features of the second piece have means of their own. */
Test(split, long_rows_are_standardised) {
    enum { WIDE = 1300 };
    static double x[2 * WIDE], row[WIDE];
    static const double target[2] = {0, 1};
    for (int k = 0; k < WIDE; k++) {
        x[k] = k;
        x[WIDE + k] = k + 2 + k % 7;
    }
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 2, .item = CLG_SHAPE(WIDE), .x = x, .target = target));
    clg_scaler *s = clg_scaler_fit(d);
    cr_assert(s && clg_dataset_standardize(d, s) == CLG_OK && clg_dataset_row(d, 1, row, NULL) == CLG_OK);
    for (int k = 0; k < WIDE; k++) cr_expect_float_eq(row[k], 1, 1e-12, "feature %d: %g", k, row[k]);
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&d);
}

/* Batches, gathered ahead on the thread or not, are the standardised rows; changing it drops what was prepared. */
Test(split, batches_are_standardised) {
    clg_dataset *d = clg_dataset_open("digits", CLG_TEST);
    const double mean = 0.1307, deviation = 0.3081;
    clg_scaler *s = clg_scaler_create(1, &mean, &deviation);
    clg_device *dev = clg_device_open("ref", NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(50, 1, 28, 28));
    clg_tensor *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(50));
    clg_tensor *out = clg_mul(x, clg_fill(g, CLG_F32, CLG_SCALAR, 1)), *t_out = clg_neg(t);
    clg_plan *p = clg_compile(g, CLG_LIST(out, t_out), NULL);
    static float got[50 * 784], want[784], plain[784];
    cr_assert(d && s && p, "%s", clg_error());
    cr_assert_eq(clg_dataset_item(d, 120, plain, NULL), CLG_OK);
    cr_assert_eq(clg_dataset_start(d, false, 0, 0), CLG_OK);
    cr_assert_eq(clg_dataset_next(d, p, x, t), CLG_OK);
    cr_assert_eq(clg_dataset_standardize(d, s), CLG_OK);
    for (int b = 1; b < 4; b++) {
        cr_assert(clg_dataset_next(d, p, x, t) == CLG_OK && clg_run(p) == CLG_OK);
        cr_assert_eq(clg_read(p, out, got, sizeof got), CLG_OK);
        for (int i = 0; i < 50; i++) {
            cr_assert_eq(clg_dataset_item(d, 50 * b + i, want, NULL), CLG_OK);
            cr_expect(memcmp(want, got + 784 * i, sizeof want) == 0, "picture %d", 50 * b + i);
        }
    }
    cr_assert_eq(clg_dataset_item(d, 120, want, NULL), CLG_OK);
    for (int k = 0; k < 784; k++) cr_expect(fabs(want[k] - (plain[k] - mean) / deviation) < 1e-6);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&d);
}

Test(split, scalers_that_are_refused) {
    static const int sizes[] = {6, 4, 0};
    static const double zero[] = {0, 0}, one[] = {1, 1}, nan[] = {1, NAN}, huge[] = {1e300, -1e300};
    clg_dataset *train = numbered(sizes, false, CLG_TRAIN), *val = numbered(sizes, false, CLG_VALIDATION),
                *test = numbered(sizes, false, CLG_TEST), *a = train, *b = train;
    clg_scaler *s = clg_scaler_fit(train), *two = clg_scaler_create(2, zero, one);
    cr_assert(s && two, "%s", clg_error());
    cr_expect_null(clg_scaler_fit(test));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "a test part must not have a say");
    cr_expect_null(clg_scaler_fit(val));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "a validation part must not have a say");
    expect_error(clg_dataset_standardize(train, two), CLG_ERR_SHAPE, "the scaler has 2 features, the items have 1");
    expect_error(clg_dataset_standardize(NULL, s), CLG_ERR_INVALID, "data set is NULL");
    expect_error(clg_dataset_standardize(train, NULL), CLG_ERR_INVALID, "scaler is NULL");
    cr_expect_eq(clg_dataset_standardize(test, s), CLG_OK, "%s", clg_error());
    cr_expect_eq(clg_dataset_standardize(train, s), CLG_OK);
    expect_error(clg_dataset_standardize(train, s), CLG_ERR_INVALID, "standardised already");
    cr_expect_null(clg_scaler_fit(train));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "standardised already");
    expect_error(clg_dataset_split(train, clg_split_params(.val = 0.5), &a, &b, NULL), CLG_ERR_INVALID, "cut first");
    expect_error(clg_dataset_fold(train, CLG_FOLD_MODULO, 2, 0, 0, &a, &b), CLG_ERR_INVALID, "cut first");
    cr_expect_null(clg_scaler_create(2, zero, zero));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "feature 0 has mean 0 and deviation 0");
    cr_expect_null(clg_scaler_create(2, nan, one));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "feature 1 has mean nan");
    cr_expect(!clg_scaler_create(0, zero, one));
    cr_expect(!clg_scaler_create(2, NULL, one) && !clg_scaler_create(2, zero, NULL));
    cr_expect(!clg_scaler_fit(NULL) && clg_scaler_size(NULL) == 0);
    cr_expect(!clg_scaler_mean(NULL) && !clg_scaler_deviation(NULL));
    clg_dataset_destroy(&train);
    train = clg_dataset_create(clg_dataset_params(.n = 2, .item = CLG_SHAPE(1), .x = huge, .target = zero));
    cr_expect_null(clg_scaler_fit(train));
    expect_error(clg_error_status(), CLG_ERR_INVALID, "scaler_fit: feature 0");
    clg_scaler_destroy(&s);
    clg_scaler_destroy(&two);
    clg_scaler_destroy(NULL);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&val);
    clg_dataset_destroy(&test);
}

Test(split, a_scaler_travels_in_a_store) {
    static const double mean[] = {0.1, -2, 3e20}, deviation[] = {1, 0.3, 1e-20};
    const float none[3] = {0, 0, 0};
    clg_device *dev = clg_device_open("ref", NULL);
    clg_store *store = clg_store_create(dev, 0), *other = clg_store_create(dev, 0);
    clg_scaler *s = clg_scaler_create(3, mean, deviation), *two = clg_scaler_create(2, mean, deviation), *got = s;
    cr_assert(store && other && s && two);
    cr_assert_eq(clg_scaler_from_store(store, &got), CLG_OK);
    cr_expect_null(got, "an empty store has none");
    cr_assert_eq(clg_scaler_to_store(two, other), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_scaler_to_store(s, store), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_scaler_to_store(s, store), CLG_OK, "again: %s", clg_error());
    expect_error(clg_scaler_to_store(two, store), CLG_ERR_SHAPE, "f32[3], not f32[2]");
    cr_assert_eq(clg_store_reset(store), CLG_OK);
    cr_assert_eq(clg_scaler_from_store(store, &got), CLG_OK, "%s", clg_error());
    cr_assert_eq(clg_scaler_size(got), 3);
    for (int k = 0; k < 3; k++)
        cr_expect(clg_scaler_mean(got)[k] == (float)mean[k] && clg_scaler_deviation(got)[k] == (float)deviation[k]);
    clg_scaler_destroy(&got);
    cr_assert_eq(clg_store_put(store, "data.deviation", CLG_F32, CLG_SHAPE(3), none), CLG_OK);
    expect_error(clg_scaler_from_store(store, &got), CLG_ERR_FORMAT, "deviation 0");
    cr_expect_null(got);
    clg_store_destroy(&store);
    store = clg_store_create(dev, 0);
    cr_assert_eq(clg_store_put(store, "data.mean", CLG_F32, CLG_SHAPE(3), none), CLG_OK);
    expect_error(clg_scaler_from_store(store, &got), CLG_ERR_FORMAT, "data.mean and data.deviation must be");
    cr_assert_eq(clg_store_put(store, "data.deviation", CLG_F32, CLG_SHAPE(2), none), CLG_OK);
    expect_error(clg_scaler_from_store(store, &got), CLG_ERR_FORMAT, "one size");
    expect_error(clg_scaler_to_store(NULL, store), CLG_ERR_INVALID, "scaler is NULL");
    expect_error(clg_scaler_to_store(s, NULL), CLG_ERR_INVALID, "store is NULL");
    expect_error(clg_scaler_from_store(NULL, &got), CLG_ERR_INVALID, "store is NULL");
    clg_scaler_destroy(&s);
    clg_scaler_destroy(&two);
    clg_store_destroy(&store);
    clg_store_destroy(&other);
    clg_device_destroy(&dev);
}

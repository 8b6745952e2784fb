/* Data sets of arrays: what they may be made of, and what they give out. Batches are read back through a plan on the
 * reference device, which needs no OpenCL. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "data/items.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <string.h>

/* --- data sets of arrays --- */

enum { N = 12 };

static const char *const features[] = {"length", "width"};
static const char *const names[] = {"red", "green", "blue"};

/* Item i is (i + 0.1, -i / 3), of class i mod 3, to be mapped to (i^2, 1 / (i + 1)). */
static void fill(double *x, int32_t *label, double *target) {
    for (int i = 0; i < N; i++) {
        x[2 * i] = i + 0.1;
        x[2 * i + 1] = -i / 3.0;
        label[i] = i % 3;
        target[2 * i] = i * i;
        target[2 * i + 1] = 1.0 / (i + 1);
    }
}

Test(rows, arrays_become_a_data_set) {
    double x[2 * N], target[2 * N], row[2], t[2];
    int32_t label[N], k;
    float f[2];
    fill(x, label, target);
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .label = label,
                                        .classes = 3, .class_name = names, .feature_name = features));
    cr_assert(d, "%s", clg_error());
    memset(x, 0, sizeof x); /* the arrays were copied */
    memset(label, 0, sizeof label);
    cr_expect(clg_dataset_size(d) == N && clg_dataset_classes(d) == 3 && clg_dataset_targets(d) == 0);
    cr_expect(clg_dataset_part(d) == CLG_TRAIN && clg_dataset_shape(d).ndim == 1 && clg_dataset_shape(d).dim[0] == 2);
    cr_expect_str_eq(clg_dataset_class_name(d, 2), "blue");
    cr_expect_str_eq(clg_dataset_feature_name(d, 1), "width");
    cr_expect(!clg_dataset_class_name(d, 3) && !clg_dataset_class_name(d, -1) && !clg_dataset_feature_name(d, 2));
    cr_assert(clg_dataset_row(d, 7, row, t) == CLG_OK && clg_dataset_item(d, 7, f, &k) == CLG_OK);
    cr_expect(row[0] == 7.1 && row[1] == -7 / 3.0 && t[0] == 1 && k == 1 && f[0] == 7.1f);
    cr_expect_eq(clg_dataset_row(d, N, row, t), CLG_ERR_INVALID);
    clg_dataset_destroy(&d);

    fill(x, label, target);
    d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .target = target, .targets = 2,
                                              .part = CLG_TEST));
    cr_assert(d, "%s", clg_error());
    cr_expect(clg_dataset_classes(d) == 0 && clg_dataset_targets(d) == 2 && clg_dataset_part(d) == CLG_TEST);
    cr_expect(!clg_dataset_class_name(d, 0) && !clg_dataset_feature_name(d, 0));
    cr_assert_eq(clg_dataset_row(d, 3, NULL, t), CLG_OK);
    cr_expect(t[0] == 9 && t[1] == 0.25);
    cr_expect_eq(clg_dataset_item(d, 3, f, NULL), CLG_OK);
    cr_expect_eq(clg_dataset_item(d, 3, f, &k), CLG_ERR_INVALID);
    cr_expect_not_null(strstr(clg_error(), "clg_dataset_row"), "%s", clg_error());
    clg_dataset_destroy(&d);
}

Test(rows, arrays_that_make_no_data_set) {
    double x[2 * N], target[2 * N], nan[2 * N], inf[2 * N];
    int32_t label[N], negative[N];
    fill(x, label, target);
    fill(nan, negative, inf);
    nan[9] = NAN;
    inf[3] = INFINITY;
    negative[5] = -1;
#define BAD(want, ...) {want, {__VA_ARGS__}}
    const struct {
        const char *want;
        clg_dataset_params p;
    } cases[] = {
        BAD("x is NULL", .n = N, .item = CLG_SHAPE(2), .label = label),
        BAD("label and target are NULL", .n = N, .item = CLG_SHAPE(2), .x = x),
        BAD("both label and target", .n = N, .item = CLG_SHAPE(2), .x = x, .label = label, .target = target),
        BAD("no items", .item = CLG_SHAPE(2), .x = x, .label = label),
        BAD("no items", .n = -1, .item = CLG_SHAPE(2), .x = x, .label = label),
        BAD("more than 2^32", .n = INT64_MAX, .item = CLG_SHAPE(2), .x = x, .label = label),
        BAD("has 0 axes", .n = N, .x = x, .label = label),
        BAD("has 6 axes; 1 to 5", .n = N, .item = CLG_SHAPE(1, 1, 1, 1, 1, 2), .x = x, .label = label),
        BAD("axis 1 of an item has 0 places", .n = N, .item = CLG_SHAPE(2, 0), .x = x, .label = label),
        BAD("axis 1 of an item has 4611686018427387904 places: too large", .n = N,
            .item = CLG_SHAPE(2, INT64_MAX / 2 + 1), .x = x, .label = label),
        BAD("item 5: its class is -1", .n = N, .item = CLG_SHAPE(2), .x = x, .label = negative),
        BAD("item 2: its class is 2; the classes of this data set are 0 to 1", .n = N, .item = CLG_SHAPE(2), .x = x,
            .label = label, .classes = 2),
        BAD("item 4: feature 1 is nan", .n = N, .item = CLG_SHAPE(2), .x = nan, .label = label),
        BAD("item 1: target 1 is inf", .n = N, .item = CLG_SHAPE(2), .x = x, .target = inf, .targets = 2),
        BAD("names of classes need their number", .n = N, .item = CLG_SHAPE(2), .x = x, .label = label,
            .class_name = names),
        BAD("must not be negative", .n = N, .item = CLG_SHAPE(2), .x = x, .target = target, .targets = -1),
        BAD("no such part", .n = N, .item = CLG_SHAPE(2), .x = x, .label = label, .part = (enum clg_part)3),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(clg_dataset_create(&cases[i].p), "%s", cases[i].want);
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID, "%s", cases[i].want);
        cr_expect_not_null(strstr(clg_error(), cases[i].want), "no \"%s\" in: %s", cases[i].want, clg_error());
        cr_expect_eq(strncmp(clg_error(), "dataset_create: ", 16), 0, "%s", clg_error());
    }
    cr_expect_null(clg_dataset_create(NULL));
}

/* --- what readers make: items --- */

static char **make_names(int n) {
    char **name = clg_calloc((size_t)n + 1, sizeof *name);
    for (int i = 0; i < n; i++) {
        name[i] = clg_calloc(2, 1);
        name[i][0] = (char)('a' + i);
    }
    return name;
}

/* 3 pictures of 2 pixels; class_names, feature_names: how many, 0 for none. */
static clg_items make_items(int classes, int class_names, int feature_names) {
    clg_items it = {.n = 3, .shape = CLG_SHAPE(2), .classes = classes};
    it.u8 = clg_calloc(6, 1);
    it.label = clg_calloc(3, sizeof *it.label);
    it.u8[4] = 51;
    it.label[2] = 1;
    if (class_names) it.class_name = make_names(class_names);
    if (feature_names) it.feature_name = make_names(feature_names);
    return it;
}

Test(rows, items_are_taken_over) {
    static const struct { int classes, class_names, feature_names, want; const char *error; } cases[] = {
        {0, 0, 0, 2, NULL},
        {5, 0, 2, 5, NULL},
        {0, 3, 0, 3, NULL},
        {3, 3, 2, 3, NULL},
        {3, 2, 0, 0, "2 names for 3 classes"},
        {2, 3, 0, 0, "3 names for 2 classes"},
        {0, 1, 0, 0, "item 2: its class is 1; the classes of this data set are 0 to 0"},
        {0, 0, 1, 0, "1 names for 2 features"},
        {0, 0, 3, 0, "3 names for 2 features"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_items it = make_items(cases[i].classes, cases[i].class_names, cases[i].feature_names);
        clg_dataset *d = clg_dataset_from_items(&it, CLG_VALIDATION);
        cr_expect(!it.u8 && !it.label && !it.class_name && it.n == 0, "not taken over");
        cr_assert_eq(d == NULL, cases[i].error != NULL, "case %zu", i);
        if (d) {
            double x[2];
            cr_expect_eq(clg_dataset_classes(d), cases[i].want);
            cr_expect_eq(clg_dataset_part(d), CLG_VALIDATION);
            cr_assert_eq(clg_dataset_row(d, 2, x, NULL), CLG_OK);
            cr_expect(x[0] == 0.2 && x[1] == 0);
        } else {
            cr_expect_eq(clg_error_status(), CLG_ERR_FORMAT);
            cr_expect_not_null(strstr(clg_error(), cases[i].error), "no \"%s\" in: %s", cases[i].error, clg_error());
        }
        clg_dataset_destroy(&d);
    }
}

/* --- batches of every kind --- */

/* Reads a batch of all N items in file order through inputs of these types and this shape of the target, as double. */
static clg_status read_batch(clg_dataset *d, clg_dtype type, clg_dtype target_type, clg_shape target, double *x,
                             double *t) {
    clg_device *dev = clg_device_open("ref", NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    cr_assert_not_null(g, "%s", clg_error());
    clg_tensor *in = clg_input(g, "in", type, CLG_SHAPE(N, 2)), *to = clg_input(g, "to", target_type, target);
    clg_tensor *x_out = clg_cast(in, CLG_F64), *t_out = clg_cast(to, CLG_F64);
    clg_plan *p = clg_compile(g, CLG_LIST(x_out, t_out), NULL);
    cr_assert_not_null(p, "%s", clg_error());
    cr_assert_eq(clg_dataset_start(d, false, 0, 0), CLG_OK);
    const clg_status status = clg_dataset_next(d, p, in, to);
    if (status >= 0) {
        cr_assert_eq(clg_run(p), CLG_OK);
        cr_assert_eq(clg_read(p, x_out, x, 2 * N * sizeof *x), CLG_OK);
        cr_assert_eq(clg_read(p, t_out, t, clg_tensor_bytes(t_out)), CLG_OK);
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    return status;
}

Test(rows, batches_have_the_types_of_their_inputs) {
    double x[2 * N], target[2 * N], got_x[2 * N], got_t[2 * N];
    int32_t label[N];
    fill(x, label, target);
    clg_dataset *classes = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .label = label));
    clg_dataset *two = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .target = target,
                                                             .targets = 2));
    clg_dataset *one = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .target = target));
    cr_assert(classes && two && one, "%s", clg_error());
    cr_assert_eq(read_batch(classes, CLG_F64, CLG_I32, CLG_SHAPE(N), got_x, got_t), CLG_OK, "%s", clg_error());
    for (int i = 0; i < N; i++) cr_expect(got_x[2 * i + 1] == x[2 * i + 1] && got_t[i] == i % 3, "%d", i);
    cr_assert_eq(read_batch(two, CLG_F32, CLG_F64, CLG_SHAPE(N, 2), got_x, got_t), CLG_OK, "%s", clg_error());
    for (int i = 0; i < 2 * N; i++) cr_expect(got_x[i] == (float)x[i] && got_t[i] == target[i], "%d", i);
    cr_assert_eq(read_batch(two, CLG_F64, CLG_F32, CLG_SHAPE(N, 2), got_x, got_t), CLG_OK, "%s", clg_error());
    for (int i = 0; i < 2 * N; i++) cr_expect(got_x[i] == x[i] && got_t[i] == (float)target[i], "%d", i);
    static const clg_shape shapes[] = {{1, {N}}, {2, {N, 1}}};
    for (int k = 0; k < 2; k++) {
        cr_assert_eq(read_batch(one, CLG_F32, CLG_F32, shapes[k], got_x, got_t), CLG_OK, "%s", clg_error());
        for (int i = 0; i < N; i++) cr_expect_eq(got_t[i], (float)target[i], "%d", i);
    }
    static const struct { int set; clg_dtype x, t; clg_shape s; const char *want; } bad[] = {
        {0, CLG_F32, CLG_F32, {1, {N}}, "input to must be i32[12]"},
        {0, CLG_F32, CLG_I32, {2, {N, 1}}, "input to must be i32[12]"},
        {0, CLG_I32, CLG_I32, {1, {N}}, "input in must be f32[batch,2] or f64"},
        {1, CLG_F32, CLG_I32, {2, {N, 2}}, "input to must be f32[12,2] or f64"},
        {1, CLG_F32, CLG_F32, {1, {N}}, "input to must be f32[12,2] or f64"},
        {1, CLG_F32, CLG_F32, {2, {N - 1, 2}}, "input to must be f32[12,2] or f64"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(read_batch(bad[i].set ? two : classes, bad[i].x, bad[i].t, bad[i].s, got_x, got_t), CLG_ERR_SHAPE);
        cr_expect_not_null(strstr(clg_error(), bad[i].want), "no \"%s\" in: %s", bad[i].want, clg_error());
    }
    clg_dataset_destroy(&classes);
    clg_dataset_destroy(&two);
    clg_dataset_destroy(&one);
}

/* What was gathered ahead in one type is of no use to an input of another. */
Test(rows, types_may_change_from_batch_to_batch) {
    static const clg_dtype types[4][2] = {{CLG_F32, CLG_F64}, {CLG_F64, CLG_F64}, {CLG_F64, CLG_F32},
                                          {CLG_F32, CLG_F32}};
    double x[2 * N], target[2 * N], got_x[6], got_t[3];
    int32_t label[N];
    fill(x, label, target);
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .target = target));
    clg_device *dev = clg_device_open("ref", NULL);
    cr_assert_eq(clg_dataset_start(d, false, 0, 0), CLG_OK);
    for (int b = 0; b < 4; b++) {
        clg_graph *g = clg_graph_create(dev, NULL);
        clg_tensor *in = clg_input(g, "in", types[b][0], CLG_SHAPE(3, 2)), *to = clg_input(g, "to", types[b][1],
                                                                                           CLG_SHAPE(3));
        clg_tensor *x_out = clg_cast(clg_neg(in), CLG_F64), *t_out = clg_cast(clg_neg(to), CLG_F64);
        clg_plan *p = clg_compile(g, CLG_LIST(x_out, t_out), NULL);
        cr_assert(p && clg_dataset_next(d, p, in, to) == CLG_OK && clg_run(p) == CLG_OK, "%s", clg_error());
        cr_assert_eq(clg_read(p, x_out, got_x, sizeof got_x), CLG_OK);
        cr_assert_eq(clg_read(p, t_out, got_t, sizeof got_t), CLG_OK);
        for (int i = 0; i < 6; i++) cr_expect(fabs(got_x[i] + x[6 * b + i]) < 1e-6, "batch %d: %g", b, got_x[i]);
        for (int i = 0; i < 3; i++) cr_expect(fabs(got_t[i] + target[3 * b + i]) < 1e-6, "batch %d: %g", b, got_t[i]);
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
    }
    clg_device_destroy(&dev);
    clg_dataset_destroy(&d);
}

Test(rows, evaluations_are_counted_for_items) {
    double x[2 * N], target[2 * N];
    int32_t label[N];
    fill(x, label, target);
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .label = label));
    clg_dataset *a = clg_dataset_slice(d, 0, 6), *b = clg_dataset_slice(d, 6, 6), *again = clg_dataset_slice(d, 5, 1);
    cr_expect_eq(clg_dataset_evaluated(a), 1);
    cr_expect_eq(clg_dataset_evaluated(b), 1, "other items");
    cr_expect_eq(clg_dataset_evaluated(again), 2, "one of a");
    cr_expect_eq(clg_dataset_evaluated(d), 3);
    cr_expect_eq(clg_dataset_evaluated(NULL), 0);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&a);
    clg_dataset_destroy(&b);
    clg_dataset_destroy(&again);
}

/* The whole has the items of a test part as long as there is one; so has a training part of another cut. */
Test(rows, what_a_test_part_has_is_known) {
    double x[2 * N], target[2 * N];
    int32_t label[N];
    fill(x, label, target);
    static const int64_t items[] = {1, 5, 5, 7}, rest[] = {0, 2, 3, 7};
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = N, .item = CLG_SHAPE(2), .x = x, .label = label));
    clg_dataset *test = clg_dataset_subset(d, items, 4, CLG_TEST), *slice = clg_dataset_slice(test, 1, 3);
    clg_dataset *train = clg_dataset_subset(d, rest, 3, CLG_TRAIN), *mixed = clg_dataset_subset(d, rest, 4, CLG_TRAIN);
    cr_assert(d && test && slice && train && mixed, "%s", clg_error());
    cr_expect_eq(clg_dataset_test_items(d), 3);
    cr_expect_eq(clg_dataset_test_items(test), 4, "5 is there twice");
    cr_expect_eq(clg_dataset_test_items(train), 0);
    cr_expect_eq(clg_dataset_test_items(mixed), 1);
    cr_expect_null(clg_scaler_fit(d));
    cr_expect_not_null(strstr(clg_error(), "3 of the 12 items are in a test part"), "%s", clg_error());
    clg_scaler *s = clg_scaler_fit(train);
    cr_expect_not_null(s, "%s", clg_error());
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&test);
    cr_expect_eq(clg_dataset_test_items(d), 2, "the slice lives");
    clg_dataset_destroy(&slice);
    cr_expect_eq(clg_dataset_test_items(d), 0);
    cr_expect_eq(clg_dataset_test_items(NULL), 0);
    s = clg_scaler_fit(d);
    cr_expect_not_null(s, "%s", clg_error());
    clg_scaler_destroy(&s);
    clg_dataset_destroy(&d);
    clg_dataset_destroy(&train);
    clg_dataset_destroy(&mixed);
}

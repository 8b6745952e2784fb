/* Data sets from tables, and sets made by a formula: what the numbers become, and one message for each mistake. */
#include "support/files.h"
#include <clgrad/clgrad.h>
#include <math.h>

static double number(const clg_dataset *d, int64_t i, int k) {
    double x[64], t;
    cr_assert_eq(clg_dataset_row(d, i, x, &t), CLG_OK, "%s", clg_error());
    return k < 0 ? t : x[k];
}

/* Text of a data set: names of the features, then a line an item: numbers -> class or target. */
static const char *text_of(const clg_dataset *d) {
    static char text[4096];
    int at = 0;
    const int64_t features = clg_dataset_shape(d).dim[0];
    for (int k = 0; k < features; k++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", k ? " " : "", clg_dataset_feature_name(d, k));
    for (int64_t i = 0; i < clg_dataset_size(d); i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, ";");
        for (int k = 0; k < features; k++)
            at += snprintf(text + at, sizeof text - (size_t)at, " %.17g", number(d, i, k));
        const double t = number(d, i, -1);
        if (clg_dataset_classes(d) > 0)
            at += snprintf(text + at, sizeof text - (size_t)at, " -> %g=%s", t, clg_dataset_class_name(d, (int)t));
        else
            at += snprintf(text + at, sizeof text - (size_t)at, " -> %.17g", t);
    }
    return text;
}

/* --- tables --- */

static const struct { const char *name, *file; clg_csv_params params; const char *want; } good_tables[] = {
    { "numbers and whole classes", "a,b,y\n1,2.5,0\n-3,4e2,1\n", { 0 }, "a b; 1 2.5 -> 0=0; -3 400 -> 1=1" },
    { "classes by size, not by text", "a,y\n1,10\n2,9\n3,-1\n", { 0 }, "a; 1 -> 2=10; 2 -> 1=9; 3 -> 0=-1" },
    { "classes by text", "a,y\n1,cat\n2,ant\n3,cat\n", { 0 }, "a; 1 -> 1=cat; 2 -> 0=ant; 3 -> 1=cat" },
    { "real targets", "a,y\n1,0.5\n2,1\n", { 0 }, "a; 1 -> 0.5; 2 -> 1" },
    { "whole targets of a regression", "a,y\n1,3\n2,4\n", { .task = CLG_TASK_REGRESSION }, "a; 1 -> 3; 2 -> 4" },
    { "a target by name", "y,a,b\n0,1,2\n1,3,4\n", { .target = "y" }, "a b; 1 2 -> 0=0; 3 4 -> 1=1" },
    { "one-hot", "c,y\nred,0\nblue,1\nred,1\n", { 0 }, "c=blue c=red; 0 1 -> 0=0; 1 0 -> 1=1; 0 1 -> 1=1" },
    { "ordinal", "c,y\nred,0\nblue,1\nred,1\n", { .ordinal = true }, "c; 1 -> 0=0; 0 -> 1=1; 1 -> 1=1" },
    { "codes as texts", "zip,y\n20,0\n3,1\n", { .text = "zip" }, "zip=20 zip=3; 1 0 -> 0=0; 0 1 -> 1=1" },
    { "columns left out", "id,a,b,y\n7,1,2,0\n8,3,4,1\n", { .ignore = "id,b" }, "a; 1 -> 0=0; 3 -> 1=1" },
    { "quotes", "\"a, the first\",y\n\"1\",\"say \"\"x\"\"\"\n 2 , \"two\nlines\" \n", { 0 },
      "a, the first; 1 -> 0=say \"x\"; 2 -> 1=two\nlines" },
    { "CRLF", "a,y\r\n1,0\r\n2,1\r\n", { 0 }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "CR, and no end of the last line", "a,y\r1,0\r2,1", { 0 }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "blank lines, a mark, spaces", "\xef\xbb\xbf\n a , y \n\n1 , 0\n  \n2,1\n\n", { 0 }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "semicolons", "a;y\n1;0\n2;1\n", { 0 }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "tabs", "a\ty\n1\t0\n2\t1\n", { 0 }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "bars", "a|y\n1|0\n2|1\n", { .separator = '|' }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "no names", "1,0\n2,1\n", { .no_header = true }, "c1; 1 -> 0=0; 2 -> 1=1" },
    { "names that count", "0,1\n5,0\n6,1\n", { 0 }, "0; 5 -> 0=0; 6 -> 1=1" },
    { "names that count from 1", "1,2\n5,0\n6,1\n", { 0 }, "1; 5 -> 0=0; 6 -> 1=1" },
    { "whole numbers beyond 2^53", "a,y\n1,1e18\n2,-1e18\n", { 0 }, "a; 1 -> 1e+18; 2 -> -1e+18" },
    { "rows dropped", "a,c,y\n1,u,0\n,u,1\nNA,?,0\n2,v,1\n", { .missing = CLG_MISSING_DROP },
      "a c=u c=v; 1 1 0 -> 0=0; 2 0 1 -> 1=1" },
    { "means filled in", "a,c,y\n1,u,0\n,v,1\n4,,0\n4,v,1\n", { .missing = CLG_MISSING_MEAN },
      "a c=u c=v; 1 1 0 -> 0=0; 3 0 1 -> 1=1; 4 0 1 -> 0=0; 4 0 1 -> 1=1" },
    { "missing where nobody looks", "a,b,y\n1,,0\n2,,1\n", { .ignore = "b" }, "a; 1 -> 0=0; 2 -> 1=1" },
    { "a target that is dropped with its row", "a,y\n1,0\n2,nan\n3,1\n", { .missing = CLG_MISSING_DROP },
      "a; 1 -> 0=0; 3 -> 1=1" },
};

Test(csv, tables_become_features_and_targets, .init = make_folder, .fini = remove_folder) {
    for (size_t i = 0; i < sizeof good_tables / sizeof good_tables[0]; i++) {
        clg_dataset *d = clg_dataset_open_csv(write_text("good.csv", good_tables[i].file), &good_tables[i].params);
        cr_expect_not_null(d, "%s: %s", good_tables[i].name, clg_error());
        if (d) cr_expect_str_eq(text_of(d), good_tables[i].want, "%s: %s", good_tables[i].name, text_of(d));
        clg_dataset_destroy(&d);
    }
}

static const struct { const char *name, *file; clg_csv_params params; const char *want; } bad_tables[] = {
    { "nothing", "", { 0 }, "the file is empty" },
    { "blank lines only", "\n \r\n", { 0 }, "the file is empty" },
    { "names only", "a,y\n\n", { 0 }, "a line of names and nothing else" },
    { "too few fields", "a,b,y\n1,2,0\n\n1,2\n", { 0 }, "line 4 has 2 fields, but the first line has 3" },
    { "too few fields under CRLF", "a,b,y\r\n1,2,0\r\n\r\n1,2\r\n", { 0 }, "line 4 has 2 fields," },
    { "too many fields", "a,y\n1,0\n1,2,1\n", { 0 }, "line 3 has 3 fields, but the first line has 2" },
    { "lines inside of quotes are counted", "a,y\n\"1\n\n\",0\n1\n", { 0 }, "line 5 has 1 field," },
    { "no such target", "a,b,y\n1,2,0\n", { .target = "x" }, "no column x (target); columns are: a, b, y" },
    { "no such column to ignore", "a,b,y\n1,2,0\n", { .ignore = "a,c" }, "no column c (ignore); columns are: a, b, y" },
    { "no such text column", "a,b,y\n1,2,0\n", { .text = "z" }, "no column z (text)" },
    { "the target ignored", "a,y\n1,0\n2,1\n", { .ignore = "y" }, "column y is the target and cannot be ignored" },
    { "only a target", "y\n0\n1\n", { 0 }, "the target y and no other column" },
    { "text among numbers", "a,y\n1,0\n2,1\nx3,0\n", { 0 }, "line 4, column a: \"x3\" is no number" },
    { "a decimal comma", "a;y\n1;0\n2;1\n2,5;1\n", { 0 }, "line 4, column a: \"2,5\" is no number" },
    { "text in a regression", "a,y\n1,one\n2,2\n", { .task = CLG_TASK_REGRESSION },
      "line 2, column y: \"one\" is no number; regression" },
    { "missing values", "a,b,y\n1,,0\n?,2,1\nNaN,N/A,0\n3,4,\n6,6,1\n", { 0 },
      "5 values are missing: line 2 column b, line 3 column a, line 4 column a, line 4 column b, line 5 column y; " },
    { "many missing values", "a,y\n,\n,\n,\n1,1\n", { 0 },
      "6 values are missing: line 2 column a, line 2 column y, line 3 column a, line 3 column y, "
      "line 4 column a, ...; missing=drop" },
    { "a missing target", "a,y\n1,0\n2,\n3,1\n", { .missing = CLG_MISSING_MEAN },
      "1 value is missing: line 3 column y; a target cannot be filled in" },
    { "every row incomplete", "a,b,y\n1,,0\n,2,1\n", { .missing = CLG_MISSING_DROP },
      "missing in every one of the 2 rows" },
    { "an empty column", "a,b,y\n1,,0\n2,,1\n", { .missing = CLG_MISSING_MEAN }, "column b has no value in any row" },
    { "one class", "a,y\n1,3\n2,3.0\n", { 0 }, "the target y is 3 in all 2 items: there is nothing to learn" },
    { "one class of text", "a,y\n1,yes\n2,yes\n", { 0 }, "the target y is yes in all 2 rows" },
    { "a constant regression", "a,y\n1,.5\n2,.5\n", { 0 }, "the target y is 0.5 in all 2 items" },
    { "fractions for classes", "a,y\n1,0\n2,.5\n", { .task = CLG_TASK_CLASSES }, "classes must be whole numbers" },
    { "beyond doubles", "a,y\n1,0\n1e999,1\n", { 0 }, "line 3, column a: 1e999 is beyond the range of a double" },
    { "the same name twice", "a,b,a,y\n1,2,3,0\n", { 0 }, "two columns have the same name, a" },
    { "no line of names", "5.1,3.5,0\n4.9,3,1\n", { 0 }, "numbers where names of columns should be: 5.1, ...; if" },
    { "an open quote", "a,y\n1,0\n\"2,1\n", { 0 }, "line 3: a quote \" is opened and never closed" },
    { "text behind a quote", "a,y\n\"1\"2,0\n", { 0 }, "line 2: there is text behind a closing quote" },
    { "another separator", "a|y\n1|0\n", { 0 }, "no other column; is the separator another one?" },
};

Test(csv, mistakes_have_one_message_each, .init = make_folder, .fini = remove_folder) {
    for (size_t i = 0; i < sizeof bad_tables / sizeof bad_tables[0]; i++) {
        const char *path = write_text("bad.csv", bad_tables[i].file);
        clg_dataset *d = clg_dataset_open_csv(path, &bad_tables[i].params);
        cr_expect_null(d, "%s: was opened", bad_tables[i].name);
        cr_expect_not_null(strstr(clg_error(), bad_tables[i].want), "%s: no \"%s\" in: %s", bad_tables[i].name,
                           bad_tables[i].want, clg_error());
        cr_expect_not_null(strstr(clg_error(), path), "%s: no path in: %s", bad_tables[i].name, clg_error());
        clg_dataset_destroy(&d);
    }
    cr_expect_null(clg_dataset_open_csv(write_file("zero.csv", "a\0b", 3), NULL));
    cr_expect_not_null(strstr(clg_error(), "not a text file"), "%s", clg_error());
    cr_expect_null(clg_dataset_open_csv(in_folder("none.csv"), NULL));
    cr_expect_eq(clg_error_status(), CLG_ERR_IO, "%s", clg_error());
    cr_expect_null(clg_dataset_open_csv(NULL, NULL));
    cr_expect_eq(clg_error_status(), CLG_ERR_INVALID, "%s", clg_error());
}

/* A column of texts may have 100 of them, a class target 1000, and a target of whole numbers becomes one of classes up
 * to 20 different ones: each limit from both sides. */
static void write_values(const char *name, const char *prefix, int n) {
    FILE *f = fopen(in_folder(name), "w");
    cr_assert_not_null(f);
    fprintf(f, "a,b\n");
    for (int i = 0; i < n; i++) fprintf(f, "%s%d,%d\n", prefix, i, i % 2);
    fclose(f);
}

Test(csv, limits_of_the_rules, .init = make_folder, .fini = remove_folder) {
    static const struct {
        const char *prefix;
        int         n;
        const char *target;
        bool        ordinal;
        int         features, classes;
    } cases[] = {
        { "t", 100, "b", false, 100, 2 }, { "t", 101, "b", false, -1, 0 }, { "t", 1000, "b", true, 1, 2 },
        { "t", 1001, "b", true, -1, 0 },  { "t", 1000, "a", false, 1, 1000 }, { "t", 1001, "a", false, -1, 0 },
        { "", 20, "a", false, 1, 20 },    { "", 21, "a", false, 1, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_values("t.csv", cases[i].prefix, cases[i].n);
        clg_dataset *d = clg_dataset_open_csv(in_folder("t.csv"), clg_csv_params(.target = cases[i].target,
                                              .ordinal = cases[i].ordinal));
        cr_expect_eq(d != NULL, cases[i].features > 0, "case %zu: %s", i, clg_error());
        if (!d) cr_expect_not_null(strstr(clg_error(), "too many"), "%s", clg_error());
        if (d) cr_expect_eq(clg_dataset_shape(d).dim[0], cases[i].features, "case %zu", i);
        cr_expect_eq(clg_dataset_classes(d), cases[i].classes, "case %zu", i);
        clg_dataset_destroy(&d);
    }
}

Test(csv, the_real_tables_are_read_to_the_last_digit) {
    clg_dataset *iris = clg_dataset_open_csv(in_data("tabular/iris.csv"), NULL);
    cr_assert_not_null(iris, "%s", clg_error());
    cr_expect_eq(clg_dataset_size(iris), 150);
    cr_expect_eq(clg_dataset_classes(iris), 3);
    cr_expect_str_eq(clg_dataset_feature_name(iris, 3), "petal_width_cm");
    cr_expect(number(iris, 0, 0) == 5.1 && number(iris, 149, 3) == 1.8 && number(iris, 149, -1) == 2);
    clg_dataset *cancer = clg_dataset_open_csv(in_data("tabular/breast_cancer.csv"), NULL);
    cr_assert_not_null(cancer, "%s", clg_error());
    cr_expect(number(cancer, 0, 15) == 0.04904 && clg_dataset_classes(cancer) == 2 && clg_dataset_size(cancer) == 569);
    clg_dataset *diabetes = clg_dataset_open_csv(in_data("tabular/diabetes.csv"), NULL);
    cr_assert_not_null(diabetes, "%s", clg_error());
    cr_expect(clg_dataset_classes(diabetes) == 0 && clg_dataset_targets(diabetes) == 1);
    cr_expect(number(diabetes, 0, 8) == 4.8598 && number(diabetes, 0, -1) == 151 && clg_dataset_size(diabetes) == 442);
    clg_dataset *digits = clg_dataset_open_csv(in_data("tabular/digits.csv"), NULL);
    cr_assert_not_null(digits, "%s", clg_error());
    cr_expect(clg_dataset_classes(digits) == 10 && clg_dataset_shape(digits).dim[0] == 64);
    clg_dataset_destroy(&iris), clg_dataset_destroy(&cancer);
    clg_dataset_destroy(&diabetes), clg_dataset_destroy(&digits);
}

/* --- sets made by a formula --- */

static clg_dataset *make(const char *kind, const clg_synthetic_params *p) {
    clg_dataset *d = clg_dataset_synthetic(kind, p);
    cr_assert_not_null(d, "%s: %s", kind, clg_error());
    return d;
}

Test(synthetic, without_noise_the_formulas_hold) {
    clg_dataset *d = make("linear", clg_synthetic_params(.n = 50, .seed = 3));
    for (int i = 0; i < 50; i++)
        cr_expect_float_eq(number(d, i, -1), 2 * number(d, i, 0) - 3.4 * number(d, i, 1) + 4.2, 1e-14);
    clg_dataset_destroy(&d);
    const double w[3] = { 1, -2, 0.5 };
    d = make("linear", clg_synthetic_params(.n = 50, .w = w, .n_w = 3, .b = -7));
    cr_expect_eq(clg_dataset_shape(d).dim[0], 3);
    for (int i = 0; i < 50; i++)
        cr_expect_float_eq(number(d, i, -1), number(d, i, 0) - 2 * number(d, i, 1) + 0.5 * number(d, i, 2) - 7, 1e-14);
    clg_dataset_destroy(&d);
    d = make("poly", clg_synthetic_params(.n = 50, .w = w, .n_w = 3, .features = 4));
    cr_expect_str_eq(clg_dataset_feature_name(d, 3), "x^4");
    for (int i = 0; i < 50; i++) {
        const double x = number(d, i, 0);
        cr_expect(x >= -1 && x < 1);
        cr_expect_float_eq(number(d, i, 3), x * x * x * x, 1e-15);
        cr_expect_float_eq(number(d, i, -1), 1 - 2 * x + 0.5 * x * x, 1e-15);
    }
    clg_dataset_destroy(&d);
    d = make("xor", clg_synthetic_params(.n = 4));
    cr_expect_str_eq(text_of(d), "x1 x2; 0 0 -> 0=0; 0 1 -> 1=1; 1 1 -> 0=0; 1 0 -> 1=1");
    clg_dataset_destroy(&d);
    d = make("moons", clg_synthetic_params(.n = 101));
    for (int i = 0; i < 101; i++) {
        const double x = number(d, i, 0), y = number(d, i, 1);
        if (i % 2 == 0) cr_expect(fabs(hypot(x, y) - 1) < 1e-15 && y > -1e-15);
        else cr_expect(fabs(hypot(x - 1, y - 0.5) - 1) < 1e-15 && y < 0.5 + 1e-15);
    }
    cr_expect_eq(number(d, 0, 0), 1);
    cr_expect_float_eq(number(d, 100, 0), -1, 1e-15);
    clg_dataset_destroy(&d);
}

/* The residuals of y = 2 x1 - 3.4 x2 + 4.2 + e have mean 0 and the deviation that was asked for; so have the numbers x.
 * With n = 20,000 the mean strays by 1 / sqrt(n) = 0.7 %, the deviation by 0.5 %: 4 sigma are allowed. */
Test(synthetic, noise_has_the_chosen_deviation) {
    enum { N = 20000 };
    clg_dataset *d = make("linear", clg_synthetic_params(.n = N, .noise = 0.5, .seed = 11));
    double sum[3] = { 0 }, square[3] = { 0 };
    for (int i = 0; i < N; i++) {
        const double x[3] = { number(d, i, 0), number(d, i, 1),
                              (number(d, i, -1) - 2 * number(d, i, 0) + 3.4 * number(d, i, 1) - 4.2) / 0.5 };
        for (int k = 0; k < 3; k++) sum[k] += x[k], square[k] += x[k] * x[k];
    }
    for (int k = 0; k < 3; k++) {
        cr_expect(fabs(sum[k] / N) < 0.0283, "mean %d is %g", k, sum[k] / N);
        cr_expect(fabs(sqrt(square[k] / N) - 1) < 0.02, "deviation %d is %g", k, sqrt(square[k] / N));
    }
    clg_dataset_destroy(&d);
}

/* With a plane that is known the margin is measured; with a drawn one the perceptron must find a plane within the
 * (r^2 + 1) / margin^2 updates that Novikoff's bound allows for points inside radius r and a plane through 0. */
Test(synthetic, clouds_keep_their_margin) {
    const double w[2] = { 3, 4 };
    for (uint64_t seed = 0; seed < 5; seed++) {
        double least = INFINITY;
        clg_dataset *d = make("clouds", clg_synthetic_params(.n = 1001, .seed = seed, .margin = 0.25, .w = w, .n_w = 2,
                                                             .b = 1));
        for (int i = 0; i < 1001; i++) {
            const double y = number(d, i, -1) > 0 ? 1 : -1;
            least = fmin(least, y * ((3 * number(d, i, 0) + 4 * number(d, i, 1)) / 5 + 1));
        }
        cr_expect(least >= 0.25 && least < 0.26, "seed %d: %.17g", (int)seed, least);
        clg_dataset_destroy(&d);
    }
    clg_dataset *d = make("clouds", clg_synthetic_params(.n = 300, .seed = 5, .margin = 0.5, .features = 3));
    double at[4] = { 0 }, r2 = 0;
    int updates = 0;
    for (int wrong = 1; wrong > 0 && updates < 100000;) {
        wrong = 0;
        for (int i = 0; i < 300; i++) {
            const double y = number(d, i, -1) > 0 ? 1 : -1;
            double f = at[3], norm = 0;
            for (int k = 0; k < 3; k++) f += at[k] * number(d, i, k), norm += number(d, i, k) * number(d, i, k);
            r2 = fmax(r2, norm);
            if (y * f > 0) continue;
            for (int k = 0; k < 3; k++) at[k] += y * number(d, i, k);
            at[3] += y;
            wrong++, updates++;
        }
    }
    cr_expect(updates > 0 && updates <= (r2 + 1) / 0.25, "%d updates, bound %g", updates, (r2 + 1) / 0.25);
    clg_dataset_destroy(&d);
}

static bool same(const clg_dataset *a, const clg_dataset *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int k = -1; k < clg_dataset_shape(a).dim[0]; k++)
            if (number(a, i, k) != number(b, i, k)) return false;
    return true;
}

Test(synthetic, the_seed_decides_and_items_do_not_depend_on_their_number) {
    static const char *const kinds[] = { "linear", "poly", "xor", "moons", "clouds" };
    for (int i = 0; i < 5; i++) {
        clg_dataset *a = make(kinds[i], clg_synthetic_params(.n = 60, .seed = 9, .noise = 0.1));
        clg_dataset *b = make(kinds[i], clg_synthetic_params(.n = 60, .seed = 9, .noise = 0.1));
        clg_dataset *c = make(kinds[i], clg_synthetic_params(.n = 60, .seed = 10, .noise = 0.1));
        clg_dataset *more = make(kinds[i], clg_synthetic_params(.n = 90, .seed = 9, .noise = 0.1));
        cr_expect(same(a, b, 60), "%s", kinds[i]);
        cr_expect_not(same(a, c, 60), "%s", kinds[i]);
        if (strcmp(kinds[i], "moons") != 0) cr_expect(same(a, more, 60), "%s", kinds[i]); /* spaced by their number */
        cr_expect_eq(clg_dataset_part(a), CLG_TRAIN);
        clg_dataset_destroy(&a), clg_dataset_destroy(&b), clg_dataset_destroy(&c), clg_dataset_destroy(&more);
    }
}

Test(synthetic, flip_changes_exactly_its_fraction_of_the_labels) {
    for (int percent = 0; percent <= 100; percent += 10) {
        clg_dataset *d = make("moons", clg_synthetic_params(.n = 500, .flip = percent / 100.0));
        int flipped = 0;
        for (int i = 0; i < 500; i++) flipped += (int)number(d, i, -1) != i % 2;
        cr_expect_eq(flipped, 5 * percent);
        clg_dataset_destroy(&d);
    }
}

Test(synthetic, mistakes_have_one_message_each) {
    static const double w[2] = { 0, 0 };
    static const struct { const char *kind; clg_synthetic_params p; const char *want; } cases[] = {
        { "circles", { 0 }, "known are linear, poly, xor, moons and clouds" },
        { "xor", { .n = -1 }, "n is -1" },
        { "xor", { .features = 3 }, "3 features; possible are the 2 it has" },
        { "moons", { .noise = -0.1 }, "noise -0.1" },
        { "moons", { .noise = NAN }, "noise nan" },
        { "moons", { .margin = 1 }, "it has no margin" },
        { "moons", { .b = 1 }, "it has no w and b" },
        { "linear", { .flip = 0.1 }, "flip 0.1" },
        { "xor", { .flip = 1.5 }, "flip 1.5" },
        { "clouds", { .w = w, .n_w = 2 }, "w is zero" },
        { "clouds", { .w = w, .n_w = 2, .features = 3 }, "2 weights for 3 features" },
        { "linear", { .n_w = 2 }, "2 weights" },
        { "poly", { .b = 1 }, "the constant is w[0]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(clg_dataset_synthetic(cases[i].kind, &cases[i].p), "case %zu", i);
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
        cr_expect_not_null(strstr(clg_error(), cases[i].want), "no \"%s\" in: %s", cases[i].want, clg_error());
    }
}

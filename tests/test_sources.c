/* Opening data sets by a line of text: kinds, paths and options, and the parts of sets that have none of their own. */
#include "support/files.h"
#include <clgrad/clgrad.h>
#include <math.h>

static clg_dataset *open_part(const char *spec, enum clg_part part) {
    clg_dataset *d = clg_dataset_open(spec, part);
    cr_assert_not_null(d, "%s: %s", spec, clg_error());
    cr_assert_eq(clg_dataset_part(d), part, "%s", spec);
    return d;
}

static double number(const clg_dataset *d, int64_t i, int k) {
    double x[784], t;
    cr_assert_eq(clg_dataset_row(d, i, x, &t), CLG_OK, "%s", clg_error());
    return k < 0 ? t : x[k];
}

static const char *with_folder(const char *fmt, const char *name) {
    static char spec[700];
    snprintf(spec, sizeof spec, fmt, in_folder(name));
    return spec;
}

Test(sources, every_kind_has_help_that_fits_a_terminal) {
    int n = 0;
    for (const clg_dataset_kind *k; (k = clg_dataset_kind_at(n)) != NULL; n++) {
        cr_expect_eq(strncmp(k->usage, k->name, strlen(k->name)), 0, "%s: %s", k->name, k->usage);
        for (const char *line = k->help; *line;) {
            const size_t width = strcspn(line, "\n");
            cr_expect_leq(width, 78, "%s: %.*s", k->name, (int)width, line);
            line += width + (line[width] != 0);
        }
        cr_expect_null(clg_dataset_open("x:y", CLG_TRAIN));
        cr_expect_not_null(strstr(clg_error(), k->name), "%s is not named in: %s", k->name, clg_error());
    }
    cr_expect_gt(n, 6);
    cr_expect_null(clg_dataset_kind_at(-1));
}

Test(sources, a_table_is_split_once_and_for_all, .init = make_folder, .fini = remove_folder) {
    char spec[700];
    snprintf(spec, sizeof spec, "csv:%s", in_data("tabular/iris.csv"));
    clg_dataset *train = open_part(spec, CLG_TRAIN), *test = open_part(spec, CLG_TEST);
    cr_expect_eq(clg_dataset_size(train), 120);
    cr_expect_eq(clg_dataset_size(test), 30);
    int count[3] = { 0 };
    for (int i = 0; i < 30; i++) count[(int)number(test, i, -1)]++;
    cr_expect(count[0] == 10 && count[1] == 10 && count[2] == 10, "classes in proportion");
    snprintf(spec, sizeof spec, "csv:%s,test=0.5,split=3,target=sepal_length_cm,task=regression",
             in_data("tabular/iris.csv"));
    clg_dataset *half = open_part(spec, CLG_TEST);
    cr_expect_eq(clg_dataset_size(half), 75);
    cr_expect_eq(clg_dataset_targets(half), 1);
    snprintf(spec, sizeof spec, "csv:%s,test=0", in_data("tabular/iris.csv"));
    clg_dataset *all = open_part(spec, CLG_TRAIN);
    cr_expect_eq(clg_dataset_size(all), 150);
    cr_expect_eq(number(all, 149, 0), 5.9);
    cr_expect_null(clg_dataset_open(spec, CLG_TEST));
    cr_expect_not_null(strstr(clg_error(), "test=0 leaves nothing"), "%s", clg_error());
    clg_dataset_destroy(&train), clg_dataset_destroy(&test), clg_dataset_destroy(&half), clg_dataset_destroy(&all);
}

Test(sources, options_of_tables_reach_the_reader, .init = make_folder, .fini = remove_folder) {
    write_text("t.csv", "7;red;2.5;1\n8;;3;2\n9;blue;?;1\n9;red;4;2\n5;red;4;1\n");
    clg_dataset *d = open_part(with_folder("csv:%s,header=no,target=c4,ignore=c1,missing=drop,encode=ordinal,"
                                           "separator=semicolon,test=0,task=classes", "t.csv"), CLG_TRAIN);
    cr_expect_eq(clg_dataset_size(d), 3);
    cr_expect_eq(clg_dataset_shape(d).dim[0], 2);
    cr_expect_eq(clg_dataset_classes(d), 2);
    clg_dataset_destroy(&d);
    d = open_part(with_folder("csv:%s,header=no,text=c1,c3,missing=drop,test=0", "t.csv"), CLG_TRAIN);
    cr_expect_eq(clg_dataset_shape(d).dim[0], 6, "c1 of 7, 9, 5; c2 of red; c3 of 2.5, 4");
    clg_dataset_destroy(&d);
}

/* What is filled in is the mean of the training part's numbers: the test part has no say. */
Test(sources, missing_values_are_filled_in_from_the_training_part, .init = make_folder, .fini = remove_folder) {
    char text[2000] = "a,c,y\n";
    for (int i = 0; i < 40; i++) {
        char *to = text + strlen(text);
        if (i % 5 == 0) sprintf(to, ",,%d\n", i % 2);
        else sprintf(to, "%d,%s,%d\n", 100 + i * i, i % 3 ? "u" : "v", i % 2);
    }
    write_text("t.csv", text);
    clg_dataset *train = open_part(with_folder("csv:%s,missing=mean", "t.csv"), CLG_TRAIN);
    clg_dataset *test = open_part(with_folder("csv:%s,missing=mean", "t.csv"), CLG_TEST);
    double sum = 0, filled = -1;
    int present = 0, missing = 0;
    for (int i = 0; i < 32; i++) {
        const double a = number(train, i, 0), root = sqrt(a - 100);
        if (a >= 100 && root == (int)root && (int)root % 5) sum += a, present++;
        else filled = a, missing++;
    }
    cr_assert_gt(missing, 0);
    cr_expect_float_eq(filled, sum / present, 1e-9, "%g filled in, the mean is %g", filled, sum / present);
    for (int i = 0; i < 8; i++) {
        const double a = number(test, i, 0), root = sqrt(a - 100);
        if (a < 100 || root != (int)root || (int)root % 5 == 0) {
            cr_expect_eq(a, filled);
            missing++;
        }
    }
    cr_expect_eq(missing, 8);
    clg_dataset_destroy(&train), clg_dataset_destroy(&test);
}

Test(sources, paths_may_have_commas_and_colons, .init = make_folder, .fini = remove_folder) {
    static const char *const names[][2] = {
        { "a,b.csv", "a,b.csv" }, { "c:d.csv", "c:d.csv" }, { "v=2.csv", "v=2.csv" }, { "e,f=3.csv", "e,,f=3.csv" },
        { "g,,h.csv", "g,,,,h.csv" }, { "i,J=1.csv", "i,J=1.csv" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char spec[700];
        write_text(names[i][0], "a,y\n1,0\n2,1\n");
        snprintf(spec, sizeof spec, "csv:%s/%s,test=0", folder, names[i][1]);
        clg_dataset *d = open_part(spec, CLG_TRAIN);
        clg_dataset_destroy(&d);
    }
}

Test(sources, synthetic_sets_have_defaults_and_options) {
    static const struct { const char *spec; int n, features, classes; } cases[] = {
        { "linear", 160, 2, 0 }, { "poly:features=5", 160, 5, 0 }, { "xor", 160, 2, 2 }, { "moons:n=50", 40, 2, 2 },
        { "clouds:w=1,2,3,margin=0.1,test=0.5,n=20,b=-1", 10, 3, 2 }, { "linear:features=7,test=0,noise=0", 200, 7, 0 },
        { "xor:n=4,noise=0,test=0,flip=0.5,seed=3", 4, 2, 2 }, { "poly:w=1,2,n=10", 8, 1, 0 }, { "moons:", 160, 2, 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clg_dataset *d = open_part(cases[i].spec, CLG_TRAIN);
        cr_expect_eq(clg_dataset_size(d), cases[i].n, "%s: %lld", cases[i].spec, (long long)clg_dataset_size(d));
        cr_expect_eq(clg_dataset_shape(d).dim[0], cases[i].features, "%s", cases[i].spec);
        cr_expect_eq(clg_dataset_classes(d), cases[i].classes, "%s", cases[i].spec);
        clg_dataset_destroy(&d);
    }
    clg_dataset *d = open_part("poly:w=1,2,noise=0,test=0", CLG_TRAIN);
    cr_expect_float_eq(number(d, 7, -1), 1 + 2 * number(d, 7, 0), 1e-15);
    clg_dataset_destroy(&d);
    d = open_part("xor:test=0", CLG_TRAIN);
    cr_expect(fabs(number(d, 0, 0)) > 1e-9 && fabs(number(d, 0, 0)) < 0.5, "noise 0.1 unless another one is asked for");
    clg_dataset_destroy(&d);
    clg_dataset *other = open_part("moons:seed=1", CLG_TRAIN);
    d = open_part("moons", CLG_TRAIN);
    cr_expect_neq(number(d, 0, 0), number(other, 0, 0));
    clg_dataset_destroy(&d), clg_dataset_destroy(&other);
}

Test(sources, mistakes_have_one_message_each) {
    static const struct { const char *spec, *want; } cases[] = {
        { "", "unknown data set; known are digits, mnist:PATH" },
        { "iris.csv", "unknown data set; known are" },
        { "csv", "a path is missing" },
        { "csv:", "a path is missing" },
        { "csv:,target=y", "a path is missing" },
        { "csv:t.csv,taget=y", "there is no option taget here; there are target, task, " },
        { "csv:t.csv,target=a,target=b", "target is given twice" },
        { "csv:t.csv,task=cluster", "task=cluster; possible are classes, regression" },
        { "digits:n=5", "there is no option n here; there are none" },
        { "digits:5", "\"5\" is not KEY=VALUE" },
        { "moons:n=0", "n=0 must be a whole number from 1" },
        { "moons:n=4e2", "n=4e2 must be a whole number" },
        { "moons:noise=x", "noise=x must be a number from 0" },
        { "moons:noise=-1", "noise=-1 must be a number from 0" },
        { "clouds:w=1;2", "w must be numbers with commas between" },
        { "clouds:w=1,2,features=3", "2 weights for 3 features" },
        { "moons:test=1", "moons:test=1: dataset_split" },
        { "moons:test=2", "test=2 must be a number from 0 to 1" },
        { "moons:n=2", "moons:n=2: dataset_split" },
        { "moons:split=-1", "split=-1 must be" },
        { "mnist:/nowhere", "there is no such folder" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(clg_dataset_open(cases[i].spec, CLG_TRAIN), "%s", cases[i].spec);
        cr_expect_not_null(strstr(clg_error(), cases[i].want), "no \"%s\" in: %s", cases[i].want, clg_error());
    }
    cr_expect_null(clg_dataset_open(NULL, CLG_TRAIN));
    cr_expect_null(clg_dataset_open("moons", CLG_VALIDATION));
    cr_expect_not_null(strstr(clg_error(), "clg_dataset_split() takes a validation part"), "%s", clg_error());
}

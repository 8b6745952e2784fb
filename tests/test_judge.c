/* The commands that judge a recipe by validation, as their users meet them: train --kfold, select, curve. On the
 * reference device, with small models: it begins at once. */
#include "support/program.h"
#include "support/xml.h"

#include <jansson.h>
#include <math.h>

static void begin(void) {
    set_up();
    setenv("CLGRAD_DEVICE", "ref", 1);
}

/* The lines of a JSON file; *n of them. */
static json_t *lines_of(const char *name, size_t *n) {
    char *text = slurp(name, NULL);
    json_t *all = json_array();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *j = json_loads(line, 0, NULL);
        cr_assert_not_null(j, "%s is no JSON: %s", name, line);
        json_array_append_new(all, j);
    }
    free(text);
    *n = json_array_size(all);
    return all;
}

static double number(const json_t *lines, size_t i, const char *key) {
    const json_t *v = json_object_get(json_array_get(lines, i), key);
    cr_assert(json_is_number(v), "line %zu: %s is no number", i, key);
    return json_number_value(v);
}

/* How often a text stands in a file. */
static int count_in(const char *name, const char *text) {
    char *all = slurp(name, NULL);
    int n = 0;
    for (const char *c = all; (c = strstr(c, text)) != NULL; c += strlen(text)) n++;
    free(all);
    return n;
}

/* --- train --kfold --- */

Test(judge, folds_come_before_the_run, .init = begin, .fini = tear_down) {
    size_t n;
    expect_run(0, "train --data moons:n=100,noise=0.2 --hidden 8 --lr 0.1 --epochs 20 --kfold 4 --json j "
               "--report r.html");
    cr_expect(file_has("out", "mean of 4 folds and its standard error: loss") && file_has("out", "of 80 right"));
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 1 + 20 + 1, "%zu lines: the folds, the epochs, the test", n);
    const json_t *folds = json_object_get(json_array_get(j, 0), "folds");
    cr_expect(number(j, 0, "kfold") == 4 && json_array_size(folds) == 4);
    double mean = 0;
    for (size_t i = 0; i < 4; i++) {
        mean += number(folds, i, "val_accuracy") / 4;
        cr_expect(number(folds, i, "val_items") == 20 && number(folds, i, "train_items") == 60);
    }
    cr_expect(fabs(mean - number(j, 0, "val_accuracy")) < 1e-12 && mean > 0.8, "accuracy %g", mean);
    cr_expect(number(j, 0, "val_accuracy_sem") > 0);
    cr_expect_eq(count_in("r.html", "Cross-validation"), 2, "in the contents and as a heading");
    json_decref(j);
    char *page = slurp("r.html", NULL);
    const char *wrong = xml_read(page, NULL, NULL);
    cr_expect_null(wrong, "%s", wrong ? wrong : "");
    free(page);
}

/* --- select --- */

Test(judge, search_finds_and_tests_the_best, .init = begin, .fini = tear_down) {
    const char *const what = "select --data moons:n=120,noise=0.2 --model mlp --epochs 40 --search lr=1e-5,0.1,1e4 "
                             "--search hidden=2/8/8,4 --kfold 3 --seed 7";
    size_t n;
    expect_run(0, "%s --test --json j", what);
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 9 + 1);
    double best = 0;
    int diverged = 0;
    for (size_t i = 0; i < 9; i++) {
        cr_expect_eq(number(j, i, "trial"), (double)i + 1);
        best = fmax(best, number(j, i, "diverged") > 0 ? 0 : number(j, i, "val_accuracy"));
        diverged += number(j, i, "diverged") > 0;
    }
    const size_t winner = (size_t)number(j, 9, "best") - 1;
    cr_expect_eq(number(j, winner, "val_accuracy"), best);
    const json_t *values = json_object_get(json_array_get(j, 9), "values");
    cr_expect_str_eq(json_string_value(json_object_get(values, "lr")), "0.1");
    cr_expect(number(j, 9, "test_accuracy") > 0.8 && diverged > 0);
    cr_expect(file_has("out", "best: lr=0.1 hidden=") && file_has("out", "trained anew on all 96 items: test loss"));
    json_decref(j);
    char *out = slurp("out", NULL), *command = strstr(out, "train it: clgrad train ");
    cr_assert(command && strstr(command, " --lr 0.1") && strstr(command, " --epochs 40"), "%s", out);
    command[strcspn(command, "\n")] = 0;
    expect_run(0, "%s", command + strlen("train it: clgrad "));
    free(out);
    expect_run(0, "select --data moons:n=60 --hidden 2 --epochs 3 --patience 1 --kfold 2 --search lr=0.1");
    expect_run(0, "select --data moons:n=60,test=0 --hidden 2 --epochs 1 --batch 10 --search lr=0.1");
    cr_expect(file_has("out", "train it: clgrad train --data moons:n=60,test=0 "));
    expect_run(0, "%s --top 2", what);
    cr_expect(file_has("out", "... and 7 more (--top)") && count_in("out", "test loss") == 0);
}

Test(judge, random_search_and_model_files, .init = begin, .fini = tear_down) {
    FILE *f = fopen("net.txt", "w");
    cr_assert_not_null(f);
    fputs("flatten\nlinear 4\ntanh\nlinear outputs\n", f);
    fclose(f);
    const char *const what = "select --data moons:n=60 --model net.txt --epochs 2 --search lr=1e-3..1:log --random 4 "
                             "--val-fraction 0.3";
    size_t n, m;
    expect_run(0, "%s --json a", what);
    expect_run(0, "%s --json b --seed 2", what);
    json_t *a = lines_of("a", &n), *b = lines_of("b", &m);
    cr_assert(n == 5 && m == 5);
    const json_t *of_a = json_object_get(json_array_get(a, 0), "values");
    const json_t *of_b = json_object_get(json_array_get(b, 0), "values");
    const double lr = atof(json_string_value(json_object_get(of_a, "lr")));
    cr_expect(lr >= 1e-3 && lr <= 1 && !json_equal(of_a, of_b));
    json_decref(a);
    json_decref(b);
}

/* --- curve --- */

/* Marks of the points in a drawing, which must be well-formed. */
static void count_marks(void *user, const xml_element *e) {
    *(int *)user += xml_is(e, "class", "m");
}

static int marks(const char *name) {
    int n = 0;
    char *text = slurp(name, NULL);
    const char *wrong = xml_read(text, count_marks, &n);
    cr_expect_null(wrong, "%s: %s", name, wrong ? wrong : "");
    free(text);
    return n;
}

#define POLYNOMIAL "--data poly:n=30,noise=0.2,features=12 --model linear --standardize --lr 0.1 --epochs 300"

Test(judge, capacity_curve, .init = begin, .fini = tear_down) {
    size_t n;
    expect_run(0, "curve capacity " POLYNOMIAL " --over features=1,3,12 --json j --plot p.svg");
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 3);
    for (size_t i = 0; i < 3; i += 2) cr_expect_lt(number(j, 1, "val_loss"), number(j, i, "val_loss"));
    cr_expect(number(j, 2, "train_loss") < number(j, 1, "train_loss") && number(j, 2, "weights") == 13);
    cr_expect(file_has("out", "lowest validation loss: features = 3"));
    cr_expect(file_has("p.svg", "capacity curve of linear") && marks("p.svg") > 0);
    json_decref(j);
}

Test(judge, decay_curve, .init = begin, .fini = tear_down) {
    size_t n;
    expect_run(0, "curve decay " POLYNOMIAL " --over wd=0.001..1:log:4 --json j --plot p.svg");
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 4);
    for (size_t i = 1; i < n; i++) cr_expect_lt(number(j, i, "norm"), number(j, i - 1, "norm"));
    cr_expect(file_has("p.svg", "paths of the weights") && file_has("p.svg", "|w|") && marks("p.svg") > 0);
    json_decref(j);
}

Test(judge, learning_curve, .init = begin, .fini = tear_down) {
    size_t n;
    expect_run(0, "curve learning --data moons:n=200,noise=0.2 --model mlp --hidden 8 --epochs 10 --lr 0.1 --kfold 4 "
                  "--sizes 10,120 --json j --plot p.svg");
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 2);
    cr_expect_lt(number(j, 1, "val_loss"), number(j, 0, "val_loss"));
    cr_expect(file_has("p.svg", "learning curve of mlp") && file_has("p.svg", "items"));
    json_decref(j);
}

/* --- separable --- */

Test(judge, vc_experiment_and_data, .init = begin, .fini = tear_down) {
    size_t n;
    expect_run(0, "separable --points 5 --json j");
    json_t *j = lines_of("j", &n);
    cr_assert_eq(n, 5);
    cr_expect(number(j, 2, "separable") == 8 && number(j, 3, "separable") == 14 && number(j, 4, "separable") == 22);
    cr_expect(file_has("out", "shattered: 3 points"));
    char *out = slurp("out", NULL), first[8] = "", second[8] = "", third[8] = "";
    const char *impossible = strstr(out, "impossible for 4 points:");
    cr_assert_not_null(impossible);
    cr_expect_eq(sscanf(impossible + 24, "%7s %7s %7s", first, second, third), 2, "of 16 labelings 2 are impossible");
    for (int i = 0; i < 4; i++) cr_expect(first[i] && first[i] != second[i], "opposites: %s %s", first, second);
    free(out);
    json_decref(j);
    expect_run(0, "separable --data csv:%s/tests/data/tabular/iris.csv --class 0", getenv("CLGRAD_SOURCE"));
    cr_expect(file_has("out", "(120 items of 4 numbers): separable, by"));
    expect_run(0, "separable --data xor");
    cr_expect(file_has("out", "not separable\n4 items prove it"));
}

/* --- mistakes --- */

Test(judge, mistakes_are_explained, .init = begin, .fini = tear_down) {
    const struct { const char *arguments, *part; } bad[] = {
        {"select", "--search lr=0.01,0.1,1"},
        {"select --data moons --search lr=fast", "no number"},
        {"select --data moons --search rate=1", "known are lr"},
        {"select --data moons --search lr=1..0.1", "below the high end"},
        {"select --data moons --search lr=0.1 --kfold 3 --val-fraction 0.2", "give one"},
        {"select --data moons:n=20 --search lr=0.1 --kfold 9", "class"},
        {"select --data moons:n=20 --search lr=0.1 --kfold 17", "17"},
        {"select --data moons --model linear --search hidden=2", "hidden"},
        {"curve", "learning, capacity or decay"},
        {"curve upwards", "upwards is no curve"},
        {"curve capacity --data moons --model softmax", "--over features=1,2,4"},
        {"curve learning --data moons --sizes 10,x", "50,100,200"},
        {"curve learning --data moons:n=20 --sizes 500 --kfold 2", "size 500"},
        {"separable --data digits", "no rows of numbers"},
        {"separable --data moons --class 2", "have 2 classes"},
        {"separable --dim 9", "from 1 to 8"},
        {"train --data moons:n=20 --kfold 17", "17"},
        {"train --data moons --kfold 1", "from 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_run(2, "%s", bad[i].arguments);
        cr_expect(file_has("err", bad[i].part), "%s", bad[i].arguments);
        cr_expect_eq(count_in("err", "\n"), 1, "one line for: %s", bad[i].arguments);
    }
    expect_run(0, "help select");
    cr_expect(file_has("out", "--search NAME=VALUES") && file_has("out", "--kfold K"));
    expect_run(0, "curve --help");
    cr_expect(file_has("out", "overfitting"));
}

/* The programs of the course (examples/): each must end well, print what docs/course.md shows, have the numbers that
 * the chapter is about, and draw its pictures: well-formed SVG with the title and as many marks as there are data. */
#include "support/scratch.h"
#include "support/xml.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { TEXT = 1 << 16 };

static char folder[SCRATCH];

/* --- what a program prints --- */

static void run(const char *name, char *out) {
    char command[1024];
    make_scratch(folder);
    snprintf(command, sizeof command, "cd '%s' && '%s'/example_%s", folder, getenv("CLGRAD_EXAMPLES"), name);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    const size_t n = fread(out, 1, TEXT - 1, f);
    out[n] = 0;
    const int end = pclose(f);
    cr_expect(WIFEXITED(end) && WEXITSTATUS(end) == 0, "%s ends with %d:\n%s", name, end, out);
    cr_expect(!strstr(out, "[FALSE]"), "%s", out);
}

static void remove_folder(void) { remove_scratch(folder); }

static void read_file(const char *path, char *text, size_t size) {
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    const size_t n = fread(text, 1, size - 1, f);
    text[n] = 0;
    fclose(f);
    cr_assert(n < size - 1, "%s is too large", path);
}

/* The block of docs/course.md that shows the output of a program. */
static const char *shown(const char *name) {
    static char page[TEXT];
    char path[512], begin[64];
    snprintf(path, sizeof path, "%s/docs/course.md", getenv("CLGRAD_SOURCE"));
    read_file(path, page, sizeof page);
    snprintf(begin, sizeof begin, "\n```text %s\n", name);
    char *at = strstr(page, begin), *end = at ? strstr(at + strlen(begin), "\n```\n") : NULL;
    cr_assert(at && end, "docs/course.md has no block%s", begin);
    end[1] = 0;
    return at + strlen(begin);
}

static bool number_at(const char *s) {
    s += *s == '-' || *s == '+';
    s += *s == '.';
    return isdigit((unsigned char)*s);
}

/* Equal texts, but for the length of spaces and for numbers, which may differ by a share `loose` and 0.02. NULL: equal,
 * else where they part. Numbers that devices round differently, and trainings that part by that, need some room. */
static const char *differs(const char *a, const char *b, double loose) {
    while (*a || *b) {
        const char *const at = a;
        if (isspace((unsigned char)*a) && isspace((unsigned char)*b)) {
            a += strspn(a, " \n");
            b += strspn(b, " \n");
        } else if (number_at(a) && number_at(b)) {
            char *enda, *endb;
            const double x = strtod(a, &enda), y = strtod(b, &endb);
            if (!(fabs(x - y) <= loose * fmax(fabs(x), fabs(y)) + (loose > 0 ? 0.02 : 0))) return at;
            a = enda, b = endb;
        } else if (*a++ != *b++) {
            return at;
        }
    }
    return NULL;
}

Test(examples, outputs_are_compared) {
    cr_expect_null(differs("a 1.00, -2 ...\n", "a  1.01, -2.01 ...\n", 0.02));
    cr_expect_null(differs("1, 2", "1, 2", 0));
    cr_expect_not_null(differs("a 1", "a 1.2", 0.02));
    cr_expect_not_null(differs("1.001", "1.002", 0));
    cr_expect_not_null(differs("a 1 b", "a 1 c", 0.5));
    cr_expect_not_null(differs("a", "a 1", 0.5));
    cr_expect_not_null(differs("-1", "1", 0.5));
}

/* The number behind `word` in the line that begins with `line`. */
static double number(const char *out, const char *line, const char *word) {
    const size_t n = strlen(line);
    for (const char *at = out; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, line, n) == 0) {
            const char *end = strchr(at, '\n'), *found = strstr(at + n, word);
            cr_assert(found && (!end || found < end), "no \"%s\" in the line \"%s...\"", word, line);
            return strtod(found + strlen(word), NULL);
        }
    cr_assert_fail("no line \"%s...\" in:\n%s", line, out);
    return NAN;
}

/* --- what it draws --- */

/* A picture, and what is in it: a text (the title), curves, marks (points of curves and of clouds, with those of the
 * legend), embedded pictures (regions and tiles), and at least so many cells of a table. */
typedef struct drawing {
    const char *file, *text;
    int curves, marks, pictures, cells;
} drawing;

static void count(void *user, const xml_element *e) {
    drawing *d = user;
    d->curves += strcmp(e->name, "path") == 0 && xml_is(e, "class", "l");
    d->marks += xml_is(e, "class", "m");
    d->pictures += strcmp(e->name, "image") == 0;
    d->cells += strcmp(e->name, "rect") == 0;
}

static void look_at(const drawing *want) {
    static char text[1 << 20];
    char path[512];
    drawing d = {0};
    snprintf(path, sizeof path, "%s/%s.svg", folder, want->file);
    read_file(path, text, sizeof text);
    const char *wrong = xml_read(text, count, &d);
    cr_expect_null(wrong, "%s: %s", want->file, wrong);
    cr_expect(strncmp(text, "<svg ", 5) == 0 && strstr(text, want->text), "%s: no <svg> with the title \"%s\"",
              want->file, want->text);
    cr_expect(d.curves == want->curves && d.marks == want->marks && d.pictures == want->pictures
              && d.cells >= want->cells, "%s: %d curves, %d marks, %d pictures, %d rectangles", want->file, d.curves,
              d.marks, d.pictures, d.cells);
    remove(path);
}

/* Runs an example, compares its output with the page, looks at its pictures, and sees that there are no others. */
static const char *try(const char *name, double loose, const drawing *drawings, int n) {
    static char out[TEXT];
    char other[300];
    run(name, out);
    const char *want = shown(name), *at = differs(out, want, loose);
    cr_expect_null(at, "docs/course.md shows another output of %s (./dev course writes it anew) from here on:\n%.200s",
                   name, at);
    for (int i = 0; i < n; i++) look_at(&drawings[i]);
    snprintf(other, sizeof other, "! ls '%s' | grep '[.]svg$'", folder);
    cr_expect_eq(system(other), 0, "a picture that this test does not look at");
    remove_folder();
    return out;
}

#define TRY(name, loose, ...) \
    try(name, loose, (const drawing[]){__VA_ARGS__}, (int)(sizeof((const drawing[]){__VA_ARGS__}) / sizeof(drawing)))

Test(examples, gradients, .timeout = 400) {
    TRY("gradients", 0.001, {"gradients", "gradient descent at three rates", .curves = 3, .marks = 3 * 40 + 3});
}

Test(examples, perceptron, .timeout = 400) {
    TRY("perceptron", 0, {"perceptron", "two clouds", .pictures = 1, .marks = 100 + 2},
        {"perceptron_margin", "updates until no row is wrong", .curves = 2, .marks = 2 * 6 + 2});
}

Test(examples, mlp_xor, .timeout = 400) {
    const char *out = TRY("mlp_xor", 0.05, {"mlp_xor_linear", "logistic regression", .pictures = 1, .marks = 200 + 2},
                          {"mlp_xor", "one hidden layer of 8", .pictures = 1, .marks = 200 + 2});
    cr_expect_lt(number(out, "logistic regression", "with, "), 0.8);
    cr_expect_gt(number(out, "one hidden layer", "with, "), 0.98);
}

/* Under- and overfitting: the error on the points of training and on others, by degree; what five folds say. */
Test(examples, model_selection, .timeout = 400) {
    const char *out = TRY("model_selection", 0.05,
                          {"model_selection", "20 points of a cubic", .curves = 6, .marks = 3 * (20 + 2) + 3 * 6 + 3});
    double train[6], other[6], folds[6];
    for (int i = 0; i < 6; i++) {
        static const char *const degree[] = {"   1 ", "   2 ", "   3 ", "   4 ", "   8 ", "  15 "};
        char *end;
        train[i] = strtod(strstr(out, degree[i]) + 5, &end);
        other[i] = strtod(end, &end);
        folds[i] = strtod(end, &end);
        cr_expect(i == 0 || train[i] < train[i - 1], "training error of row %d", i);
    }
    for (int i = 0; i < 6; i++) cr_expect(folds[i] >= folds[2], "row %d is better than degree 3 by five folds", i);
    cr_expect(train[0] > 0.2 && other[0] > 0.3, "degree 1 underfits: %g, %g", train[0], other[0]);
    cr_expect(train[2] < 0.1 && other[2] < 0.15, "degree 3: %g, %g", train[2], other[2]);
    cr_expect(train[5] < 0.04 && other[5] > 0.5, "degree 15 overfits: %g, %g", train[5], other[5]);
    cr_expect(folds[0] > 1.5 * folds[2] && folds[5] > 2 * folds[2], "folds: %g, %g, %g", folds[0], folds[2], folds[5]);
}

/* The gap between validation and training error, without and with decay: the course's claim in numbers. */
Test(examples, weight_decay, .timeout = 400) {
    const char *out = TRY("weight_decay", 0.05, {"weight_decay", "without decay", .curves = 4, .marks = 4},
                          {"weight_decay_sweep", "how much decay?", .curves = 3, .marks = 3 * 7 + 2});
    const double free_gap = number(out, "without ", "gap"), gap = number(out, "decay, lambda = 1", "gap");
    cr_expect(free_gap > 0.8 && free_gap < 1.2, "without decay: %g", free_gap);
    cr_expect(gap > 0.3 && gap < 0.5, "with decay: %g", gap);
    cr_expect(number(out, "without ", "training") < 0.05 && number(out, "without ", "validation") > 0.8);
    cr_expect(number(out, "decay, lambda = 1", "validation") < 0.6);
    cr_expect(number(out, "decay, lambda = 1", "|w|") < 0.5 * number(out, "without ", "|w|"));
}

Test(examples, dropout, .timeout = 400) {
    const char *out = TRY("dropout", 0.15, {"dropout", "error on digits", .curves = 2, .marks = 2 * 20 + 2});
    cr_expect(number(out, "p = 0.0", "training error") < 0.03 && number(out, "p = 0.0", "gap") > 0.25);
    cr_expect(number(out, "p = 0.5", "gap") < 0.22);
    cr_expect(number(out, "p = 0.5", "validation error") < number(out, "p = 0.0", "validation error"));
}

Test(examples, convolution, .timeout = 400) {
    TRY("convolution", 0.001, {"convolution", "a digit, and its edges", .pictures = 3});
}

Test(examples, pooling, .timeout = 400) {
    TRY("pooling", 0.01, {"pooling", "what a shift by one pixel changes", .pictures = 6});
}

Test(examples, lenet, .timeout = 400) {
    const char *out = TRY("lenet", 0.25, {"lenet_curves", "LeNet", .curves = 3, .marks = 3 * 3 + 3},
                          {"lenet_confusion", "LeNet on 1000 test digits", .cells = 20},
                          {"lenet_filters", "filters of the first layer", .pictures = 6},
                          {"lenet_maps", "a digit, and where each filter answers to it", .pictures = 7});
    cr_expect_gt(number(out, "test", ":"), 0.95);
}

/* The graph of LeNet without pictures; losses of single batches part soon where devices round differently. */
Test(examples, lenet_graph, .timeout = 400) {
    const char *out = try("lenet_graph", 0.6, NULL, 0);
    cr_expect_lt(number(out, "  200 ", "loss"), 0.6);
}

/* Its parts, what crosses between them, and that the net learns. */
Test(examples, two_devices, .timeout = 400) {
    static char out[TEXT];
    run("two_devices ref ref", out);
    cr_expect_lt(number(out, "step 300", "loss"), 0.1);
    remove_folder();
    run("two_devices 0 ref", out);
    cr_expect(strstr(out, "part 2 of 3, on ") && strstr(out, "copy tanh"), "%s", out);
    cr_expect_lt(number(out, "step 300", "loss"), 0.1);
    remove_folder();
}

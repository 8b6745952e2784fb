/* What the program draws: the report of a run, the curves, and the pictures of a saved model. Every file must be
 * well-formed, hold everything inside, and say and show what the run did. */
#include "support/program.h"
#include "support/xml.h"

#include <clgrad/clgrad.h>
#include <math.h>
#include <sys/stat.h>

/* Elements of a page or a figure. */
typedef struct seen {
    int  figures, images, marks, dashed, outside;
    int  right, wrong;     /* cells of the confusion matrix with a count */
} seen;

static void visit(void *user, const xml_element *e) {
    seen *s = user;
    s->figures += strcmp(e->name, "figcaption") == 0;
    s->images += strcmp(e->name, "image") == 0;
    s->marks += xml_is(e, "class", "m");
    s->dashed += xml_is(e, "class", "d") && strcmp(e->name, "path") == 0;
    for (int i = 0; i < e->n; i++) {
        const xml_attribute *a = &e->attribute[i];
        const bool link = strcmp(a->name, "href") == 0 || strcmp(a->name, "src") == 0;
        s->outside += link && a->value[0] != '#' && strncmp(a->value, "data:image/png;base64,", 22) != 0;
    }
    for (int level = 1; strcmp(e->name, "rect") == 0 && level <= 10; level++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", level);
        s->right += xml_is(e, "class", name);
        name[0] = 'w';
        s->wrong += xml_is(e, "class", name);
    }
}

static seen look_at(const char *file) {
    seen s = {0};
    char *text = slurp(file, NULL);
    const char *wrong = xml_read(text, visit, &s);
    cr_expect_null(wrong, "%s: %s", file, wrong ? wrong : "");
    cr_expect_eq(s.outside, 0, "%s", file);
    free(text);
    return s;
}

static bool there(const char *file) {
    return access(file, F_OK) == 0;
}

/* Pictures of 8 x 8 as IDX files: bars that lie (class 0) or stand (class 1). */
static void make_pictures(const char *part, int n) {
    char path[64];
    snprintf(path, sizeof path, "bars/%s-images-idx3-ubyte", part);
    FILE *images = fopen(path, "wb");
    snprintf(path, sizeof path, "bars/%s-labels-idx1-ubyte", part);
    FILE *labels = fopen(path, "wb");
    cr_assert(images && labels);
    const uint8_t head[] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)n, 0, 0, 0, 8, 0, 0, 0, 8};
    const uint8_t head_1[] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)n};
    cr_assert(fwrite(head, sizeof head, 1, images) == 1 && fwrite(head_1, sizeof head_1, 1, labels) == 1);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < 64; k++) fputc((i % 2 ? k % 8 : k / 8) == 1 + i / 2 % 6 ? 255 - i : i, images);
        fputc(i % 2, labels);
    }
    cr_assert(fclose(images) == 0 && fclose(labels) == 0);
}

/* The number behind a text in a file. */
static double number_behind(const char *file, const char *text) {
    char *all = slurp(file, NULL), *at = strstr(all, text);
    cr_assert_not_null(at, "no \"%s\" in %s", text, file);
    const double x = strtod(at + strlen(text), NULL);
    free(all);
    return x;
}

static void check_parts(const char *file, const char *const *part) {
    for (int i = 0; part[i]; i++) cr_expect(file_has(file, part[i]), "%s", part[i]);
    static const char *const outside[] = {"http", "src=", "<script", "url(", "@import"};
    char *text = slurp(file, NULL);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_expect_null(strstr(text, outside[i]), "%s: %s", file, outside[i]);
    free(text);
}

Test(show, report_of_classes_in_the_plane, .init = set_up, .fini = tear_down) {
    static const char *const parts[] = {">Result</h2>", ">Curves</h2>", ">Answers</h2>", ">Decision boundary</h2>",
        ">Configuration</h2>", ">Model</h2>", ">Data</h2>", ">Device and times</h2>", ">learning rate</text>",
        "<td class=\"s\">schedule</td><td class=\"s\">cosine</td>", "linear 16\n", "moons:n=200,noise=0.2",
        "all epochs are done", "<th>class</th><th class=\"n\">precision</th>", NULL};
    expect_run(0, "train --device ref --data moons:n=200,noise=0.2 --hidden 16 --epochs 6 --batch 10 --lr 0.05 "
                  "--val-fraction 0.2 --schedule cosine --report r.html --plot p.svg --save m");
    check_parts("r.html", parts);
    cr_expect(file_has("out", "curves in p.svg\nreport in r.html; open it in a browser"));
    const double printed = number_behind("out", "test accuracy ");
    cr_expect_eq(number_behind("r.html", "test accuracy</td><td class=\"s\">"), printed);
    cr_expect_float_eq(number_behind("r.html", " right ("), 100 * printed, 0.01);
    const seen s = look_at("r.html");
    cr_expect_eq(s.right, 2);
    cr_expect_eq(s.images, 1, "the regions");
    cr_expect_eq(s.marks, 6 * 5 + 4 + 128 + 2, "%d marks: 5 curves, 4 of legends, the training part",
                 s.marks);
    const seen p = look_at("p.svg");
    cr_expect_eq(p.marks, 6 * 5 + 4);
    cr_expect_eq(p.dashed, 2, "validation");

    expect_run(0, "show --device ref --load m --out pictures");
    cr_expect(there("pictures/confusion.svg") && there("pictures/regions.svg") && !there("pictures/filters.svg"));
    cr_expect_eq(look_at("pictures/confusion.svg").right, 2);
    cr_expect_eq(look_at("pictures/regions.svg").marks, 40 + 2, "of the test part");
    cr_expect(file_has("out", "2 figures in pictures"));
    expect_run(0, "show --device ref --load m --part train --out page.html");
    cr_expect_eq(look_at("page.html").marks, 160 + 2);
}

Test(show, report_of_pictures, .init = set_up, .fini = tear_down) {
    static const char *const parts[] = {">Weights of conv1: conv 3 kernel=3 pad=1</b>",
        ">Layer 1: conv 3 kernel=3 pad=1</b>",
        ">Layer 2: relu</b>", ">Layer 3: max_pool 2</b>", "3 maps of 3, 4 \xc3\x97 4 each", ">Item 0</b>",
        "conv 3 kernel=3 pad=1\nrelu\nmax_pool 2\n", "1 \xc3\x97 8 \xc3\x97 8 numbers", NULL};
    cr_assert_eq(mkdir("bars", 0700), 0);
    make_pictures("train", 32);
    make_pictures("t10k", 8);
    FILE *f = fopen("net", "w");
    cr_assert_not_null(f);
    fputs("conv 3 kernel=3 pad=1\nrelu\nmax_pool 2\nflatten\nlinear outputs\n", f);
    cr_assert_eq(fclose(f), 0);
    expect_run(0, "train --device ref --data mnist:bars --model net --epochs 1 --lr 1e-4 --report r.html --save m");
    check_parts("r.html", parts);
    const seen s = look_at("r.html");
    const int wrong = 8 - (int)lround(8 * number_behind("out", "test accuracy "));
    cr_expect_gt(wrong, 0, "hardly trained");
    cr_expect_eq(s.images, wrong + 3 + 1 + 3 * 3, "%d: mistakes, filters, the item, maps of three layers", s.images);
    cr_expect(file_has("r.html", "those first that the model was surest of"));
    expect_run(0, "show --device ref --load m --item 7 --out pictures");
    static const char *const files[] = {"filters", "item", "maps-01", "maps-02", "maps-03", "confusion", "wrong"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64];
        snprintf(path, sizeof path, "pictures/%s.svg", files[i]);
        cr_expect(look_at(path).images >= (i == 5 ? 0 : 1), "%s", path);
    }
    cr_expect(file_has("pictures/item.svg", ">Item 7<"));
    expect_run(0, "show --device ref --load m --out pictures"); /* into a folder that is there */
}

Test(show, report_of_real_targets, .init = set_up, .fini = tear_down) {
    static const char *const parts[] = {">Predicted against true values</b>", "test R\xc2\xb2", ">R\xc2\xb2</text>",
                                        "<td class=\"s\">real targets</td><td class=\"s\">1</td>", NULL};
    expect_run(0, "train --device ref --data linear:n=100 --model linear --optimizer sgd --lr 0.1 --epochs 4 --batch "
                  "10 --report r.html");
    check_parts("r.html", parts);
    cr_expect_eq(look_at("r.html").marks, 2 * 4 + 2 + 20 + 1, "two curves, the test part, legends");
}

Test(show, report_of_a_fitted_curve, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --device ref --data poly:n=50,features=3 --model linear --lr 0.1 --epochs 3 --batch 8 "
                  "--report r.html");
    cr_expect(file_has("r.html", ">The fitted curve</b>"));
    cr_expect_eq(look_at("r.html").marks, 2 * 3 + 2 + 10 + 1 + 50 + 2, "curves, the test part, all points; legends");
}

Test(show, report_with_folds, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --device ref --data moons:n=100,noise=0.2 --hidden 8 --epochs 3 --batch 10 --kfold 4 --report "
                  "r.html");
    cr_expect(file_has("r.html", ">Cross-validation</h2>"));
    cr_expect(file_has("r.html", "judged by 4-fold cross-validation"));
    cr_expect(file_has("r.html", "<tr><td class=\"n\">4</td><td class=\"n\">60</td><td class=\"n\">20</td>"));
    char sum[64];
    snprintf(sum, sizeof sum, ">%g of 80 right (", number_behind("out", "; "));
    cr_expect(file_has("r.html", sum));
    look_at("r.html");
}

/* All items are for training: there is no test, and what needs its answers is left out. */
Test(show, report_without_a_test_part, .init = set_up, .fini = tear_down) {
    static const char *const parts[] = {"Without a test, since the data have no test part.", ">Cross-validation</h2>",
        ">Curves</h2>", ">Decision boundary</h2>", ">Device and times</h2>", NULL};
    expect_run(0, "train --device ref --data moons:n=100,test=0 --standardize --hidden 8 --epochs 3 --batch 10 "
                  "--kfold 4 --report r.html --save m --json j");
    check_parts("r.html", parts);
    cr_expect(file_has("out", ": 100 training items of 2 numbers"));
    cr_expect(file_has("out", "no test: the data have no test part"));
    cr_expect(file_has("j", "{\"test_loss\":null,\"test_accuracy\":null,"));
    char *text = slurp("r.html", NULL);
    cr_expect_null(strstr(text, ">Answers</h2>"));
    cr_expect_null(strstr(text, "test loss"));
    free(text);
    expect_run(2, "eval --device ref --load m");
    expect_run(0, "eval --device ref --load m --part train");
}

Test(show, report_of_a_run_that_ends_badly, .init = set_up, .fini = tear_down) {
    expect_run(130, "train --device ref --data moons:n=100 --hidden 8 --batch 10 --stop-after 12 --report r.html");
    cr_expect(file_has("r.html", "stopped before the end"));
    cr_expect(file_has("r.html", "Without a test"));
    look_at("r.html");
    expect_run(5, "train --device ref --data linear:n=100 --model linear --optimizer sgd --lr 2 --epochs 500 "
                  "--batch 10 --report d.html");
    cr_expect(file_has("d.html", "the loss was no longer finite"));
    cr_expect(file_has("d.html", "first bad step"));
    look_at("d.html");
}

Test(show, mistakes, .init = set_up, .fini = tear_down) {
    expect_run(4, "train --report nowhere/r.html");
    cr_expect(file_has("err", "--report nowhere/r.html: cannot write there"));
    expect_run(2, "show --out x");
    cr_expect(file_has("err", "--load FILE is missing"));
    expect_run(2, "show --load m");
    cr_expect(file_has("err", "--out is missing"));
    expect_run(4, "show --load m --out x");
    cr_expect(file_has("err", "m: "));
    expect_run(0, "train --device ref --data xor:n=40 --hidden 2 --epochs 1 --save m");
    expect_run(2, "show --device ref --load m --out x --item 8");
    cr_expect(file_has("err", "the test part has the items 0 to 7"));
    expect_run(4, "show --device ref --load m --out nowhere/x");
    cr_expect(file_has("err", "cannot make this folder"));
    expect_run(4, "show --device ref --load m --out m");
    cr_expect(file_has("err", "--out m: cannot make this folder"));
    expect_run(4, "show --device ref --load m --data linear --out x");
    expect_run(4, "show --device ref --load m --out nowhere/x.html");
    cr_expect(!there("x"));
}

Test(show, reports_of_a_search_and_of_a_curve, .init = set_up, .fini = tear_down) {
    expect_run(0, "select --device ref --data moons:n=60 --hidden 4 --epochs 2 --batch 10 --kfold 3 --search lr=0.01,1 "
                  "--search optimizer=sgd,adam --test --report s.html");
    cr_expect(file_has("s.html", "4 trials, the best first. Searched: lr=0.01,1, optimizer=sgd,adam"));
    cr_expect(file_has("s.html", "Judged by 3-fold cross-validation"));
    cr_expect(file_has("s.html", ">optimizer: 1 "));
    for (int i = 0; i < 2; i++)
        cr_expect(file_has("s.html", i ? ">device</td><td class=\"s\">reference" : ">Device and times</h2>"), "%d", i);
    cr_expect_float_eq(number_behind("s.html", "test accuracy "), number_behind("out", "test accuracy "), 1e-9);
    cr_expect_eq(look_at("s.html").marks, 2 * 4, "two charts of four trials");
    expect_run(0, "curve capacity --device ref --data moons:n=60 --over hidden=1/2/8 --epochs 2 --batch 10 "
                  "--val-fraction 0.2 --report c.html --plot c.svg");
    cr_expect(file_has("c.html", "held out once"));
    cr_expect(file_has("c.html", "hidden=1/2/8") && file_has("c.html", ">Device and times</h2>"));
    cr_expect_eq(look_at("c.html").marks, 2 * (2 * 3 + 2), "two charts of two curves of three, and legends");
    cr_expect_eq(look_at("c.svg").marks, 16);
    expect_run(4, "curve learning --report nowhere/c.html");
    expect_run(4, "select --search lr=1,2 --report nowhere/s.html");
    cr_expect(file_has("err", "--report nowhere/s.html: cannot write there"));
}

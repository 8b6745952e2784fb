/* The clgrad program as its users meet it: run as a process ($CLGRAD_TOOL), judged by exit code, output and files. */
#include "support/program.h"

#include <clgrad/clgrad.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The lines of a JSON file as an array; without the fields that hold times. */
static json_t *json_lines(const char *name, bool with_times) {
    char *text = slurp(name, NULL);
    json_t *all = json_array();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_error_t e;
        json_t *j = json_loads(line, 0, &e);
        cr_assert_not_null(j, "%s: not JSON (%s): %s", name, e.text, line);
        if (!with_times) {
            json_object_del(j, "seconds");
            json_object_del(j, "samples_per_second");
            json_object_del(j, "time_to_first_step");
        }
        json_array_append_new(all, j);
    }
    free(text);
    return all;
}

static double number(const json_t *j, const char *key) {
    const json_t *v = json_object_get(j, key);
    cr_assert(json_is_number(v), "%s is no number", key);
    return json_number_value(v);
}

/* --- training --- */

/* The table and the JSON line tell of each device; the curves are those of one. */
Test(tool, training_on_several_devices, .init = set_up, .fini = tear_down) {
    static const char recipe[] = "--data moons --model mlp --hidden 8 --batch 64 --epochs 3 --standardize";
    expect_run(0, "train --device ref %s --json one", recipe);
    expect_run(0, "train --device ref,0 --split 40,24 --on-failure stop %s --json two", recipe);
    cr_expect(file_has("out", "40 rows of a batch") && file_has("out", "device  rows    rows/s"));
    json_t *one = json_lines("one", true), *two = json_lines("two", true);
    const size_t n = json_array_size(one);
    cr_assert_eq(json_array_size(two), n + 1);
    for (size_t i = 0; i + 1 < n; i++)
        cr_expect_lt(fabs(number(json_array_get(one, i), "train_loss") - number(json_array_get(two, i), "train_loss")),
                     1e-5);
    json_t *devices = json_object_get(json_array_get(two, n - 1), "devices");
    cr_assert_eq(json_array_size(devices), 2);
    cr_expect_eq(number(json_array_get(devices, 1), "rows"), 24);
    cr_expect(json_is_false(json_object_get(json_array_get(devices, 1), "dropped")));
    json_decref(one);
    json_decref(two);
}

Test(tool, training_learns_and_reports, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --model mlp --hidden 64 --epochs 4 --val-fraction 0.1 --save m --json j --plot p.svg");
    json_t *lines = json_lines("j", true);
    cr_assert_eq(json_array_size(lines), 5);
    for (size_t i = 0; i < 4; i++) {
        json_t *l = json_array_get(lines, i);
        cr_expect_eq(number(l, "epoch"), (double)i + 1);
        cr_expect(number(l, "seconds") > 0 && number(l, "samples_per_second") > 0);
        cr_expect(number(l, "train_loss") > 0 && number(l, "val_loss") > 0);
        cr_expect(number(l, "train_accuracy") <= 1 && number(l, "val_accuracy") <= 1);
        cr_expect_eq(json_object_size(l), 8);
    }
    cr_expect_gt(number(json_array_get(lines, 3), "train_accuracy"), 0.9);
    cr_expect_gt(number(json_array_get(lines, 3), "val_accuracy"), 0.85);
    cr_expect_lt(number(json_array_get(lines, 3), "train_loss"), number(json_array_get(lines, 0), "train_loss"));
    json_t *last = json_array_get(lines, 4);
    cr_expect_eq(json_object_size(last), 5);
    cr_expect_gt(number(last, "test_accuracy"), 0.8);
    cr_expect(json_is_string(json_object_get(last, "device")));
    cr_expect(number(last, "time_to_first_step") > 0 && number(last, "time_to_first_step") < number(last, "seconds"));
    cr_expect(file_has("out", "5760 training, 640 validation"));

    char *svg = slurp("p.svg", NULL);
    cr_expect_eq(strncmp(svg, "<svg ", 5), 0);
    cr_expect_not_null(strstr(svg, "</svg>"));
    cr_expect_not_null(strstr(svg, "validation"));
    cr_expect_null(strstr(svg, "nan"));
    free(svg);

    /* eval must find the same numbers, and a confusion matrix that adds up to them */
    expect_run(0, "eval --load m --json -");
    json_t *eval = json_lines("out", true), *e = json_array_get(eval, 0);
    cr_expect_eq(number(e, "loss"), number(last, "test_loss"));
    cr_expect_eq(number(e, "accuracy"), number(last, "test_accuracy"));
    int64_t all = 0, right = 0;
    for (size_t i = 0; i < 10; i++)
        for (size_t k = 0; k < 10; k++) {
            const int64_t n = json_integer_value(json_array_get(json_array_get(json_object_get(e, "confusion"), i), k));
            all += n;
            if (i == k) right += n;
        }
    cr_expect_eq(all, 1000);
    cr_expect_float_eq((double)right / 1000, number(e, "accuracy"), 1e-9);
    cr_expect(file_has("err", "accuracy"));
    json_decref(eval);
    json_decref(lines);
}

Test(tool, the_same_command_gives_the_same_bytes, .init = set_up, .fini = tear_down) {
    const char *const commands[] = {
        "--model lenet --epochs 1 --dropout 0.1",
        "--model mlp --hidden 32,16 --epochs 2 --dropout 0.3 --optimizer adam --val-fraction 0.21 --batch 100",
        "--model softmax --epochs 2 --optimizer sgd --lr 0.1 --weight-decay 0.01 --batch 6400",
        "--model mlp --hidden 20 --epochs 1 --activation tanh --batch 77",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        expect_run(0, "train %s --save a --json ja", commands[i]);
        expect_run(0, "train %s --save b --json jb", commands[i]);
        expect_run(0, "train %s --save c --seed 2", commands[i]);
        cr_expect(same_files("a", "b"), "%s: not repeatable", commands[i]);
        cr_expect(!same_files("a", "c"), "%s: the seed does not matter", commands[i]);
        json_t *a = json_lines("ja", false), *b = json_lines("jb", false);
        cr_expect(json_equal(a, b), "%s: other JSON lines", commands[i]);
        json_decref(a);
        json_decref(b);
    }
}

/* Rows with real targets, standardised by the training part: eval does the same from the file. */
Test(tool, real_targets, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --data linear:n=400,noise=0.01 --model linear --standardize --epochs 40 --lr 0.05 --batch 32 "
               "--save m --json j --plot p.svg");
    cr_expect(file_has("out", "320 training, 80 test items of 2 numbers, 1 real target, standardized"));
    cr_expect(file_has("out", "R2"));
    cr_expect(file_has("p.svg", "R\xc2\xb2"));
    json_t *lines = json_lines("j", true), *last = json_array_get(lines, 40);
    cr_expect_gt(number(json_array_get(lines, 39), "train_r2"), 0.999);
    cr_expect_gt(number(last, "test_r2"), 0.999);
    expect_run(0, "eval --load m --json");
    json_t *eval = json_lines("out", true), *e = json_array_get(eval, 0);
    cr_expect_eq(number(e, "mse"), number(last, "test_loss"));
    cr_expect_eq(number(e, "r2"), number(last, "test_r2"));
    json_decref(eval);
    json_decref(lines);
}

/* A preset is its options, and what is given besides goes before. */
Test(tool, a_preset_is_its_options, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --preset mlp --epochs 1 --save a");
    expect_run(0, "train --model mlp --hidden 256 --optimizer sgd --lr 0.1 --batch 64 --epochs 1 --save b");
    cr_expect(same_files("a", "b"));
}

/* --- interruption --- */

Test(tool, a_resumed_run_gives_the_bytes_of_an_unbroken_one, .init = set_up, .fini = tear_down) {
    static const struct {
        const char *options;
        int stop[3]; /* after so many steps each; 0: none */
    } cases[] = {
        {"--model mlp --hidden 32 --epochs 2 --dropout 0.2 --val-fraction 0.1 --batch 100", {1}},
        {"--model mlp --hidden 32 --epochs 2 --dropout 0.2 --val-fraction 0.1 --batch 100", {57, 1, 1}},
        {"--model mlp --hidden 32 --epochs 2 --dropout 0.2 --val-fraction 0.1 --batch 100", {58, 57}},
        {"--model mlp --hidden 32 --epochs 2 --optimizer adam --batch 64", {130, 3}},
        {"--model softmax --epochs 3 --optimizer sgd --batch 6400", {1, 1}},
        {"--model lenet --epochs 1 --dropout 0.2", {40}},
        {"--model lenet --epochs 2 --schedule one_cycle --augment shift=2,noise=0.1 --accumulate 2", {81, 30}},
        {"--data moons:n=300,noise=0.3 --hidden 8 --batch 32 --epochs 6 --standardize --val-fraction 0.2 --patience 2 "
         "--optimizer adamw --schedule cosine --warmup 5 --lr 0.1", {9, 7, 8}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *options = cases[i].options;
        remove("part");
        remove("jpart");
        expect_run(0, "train %s --save whole --json jwhole", options);
        expect_run(130, "train %s --save part --json jpart --stop-after %d", options, cases[i].stop[0]);
        cr_expect(file_has("err", "--resume part"));
        for (int k = 1; k < 3 && cases[i].stop[k] > 0; k++)
            expect_run(130, "train --resume part --json jpart --stop-after %d", cases[i].stop[k]);
        expect_run(0, "train --resume part --json jpart");
        cr_expect(same_files("whole", "part"), "case %zu: other bytes", i);
        json_t *a = json_lines("jwhole", false), *b = json_lines("jpart", false);
        cr_expect(json_equal(a, b), "case %zu: other JSON lines", i);
        json_decref(a);
        json_decref(b);
    }
}

/* A checkpoint keeps options whole: a long path, and a number of 17 digits. */
Test(tool, long_options_survive_a_checkpoint, .init = set_up, .fini = tear_down) {
    char path[500] = "", options[1024] = "";
    while (strlen(path) < 450) strcat(path, "./");
    FILE *f = fopen("t.csv", "w");
    cr_assert_not_null(f);
    fputs("a,y\n", f);
    for (int i = 0; i < 20; i++) fprintf(f, "%d,%d\n", i, i % 2);
    fclose(f);
    expect_run(0, "train --device ref --data csv:%st.csv --model logistic --lr 0.0030000000000000005 --epochs 1 "
               "--save m", path);
    cr_assert_eq(clg_file_meta("m", "options", options, sizeof options), CLG_OK, "%s", clg_error());
    cr_expect_not_null(strstr(options, "\"0.0030000000000000005\""), "%s", options);
    expect_run(0, "eval --device ref --load m");
    expect_run(0, "train --device ref --resume m --epochs 2 --lr 0.0030000000000000005");
    expect_run(2, "train --device ref --resume m --epochs 3 --lr 0.003");
}

Test(tool, more_epochs_by_resume, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --model softmax --epochs 3 --save whole");
    expect_run(0, "train --model softmax --epochs 1 --save first");
    expect_run(0, "train --model softmax --resume first --epochs 3 --save more --plot p.svg");
    cr_expect(same_files("whole", "more"));
    expect_run(0, "train --resume more --plot p.svg"); /* nothing left to do: it only tests */
    cr_expect(file_has("out", "test accuracy"));
    cr_expect(same_files("whole", "more"));
}

/* Waits until the file has the text; false after a minute. */
static bool wait_for(const char *name, const char *text) {
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int i = 0; i < 3000; i++) {
        char *all = slurp(name, NULL);
        const bool there = strstr(all, text) != NULL;
        free(all);
        if (there) return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

Test(tool, ctrl_c_saves_and_exits_130, .init = set_up, .fini = tear_down) {
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        const pid_t pid = start("", "train --model softmax --epochs 90000 --save part");
        cr_expect(wait_for("out", "pictures/s\n    1 "), "no epoch line");
        kill(pid, signals[i]);
        cr_expect_eq(finish(pid), 130);
        cr_expect(file_has("err", "interrupted"));
        char text[1 << 16];
        cr_assert_eq(clg_file_meta("part", "training", text, sizeof text), CLG_OK, "%s", clg_error());
        json_t *j = json_loads(text, 0, NULL);
        const int epochs = (int)number(j, "epoch") + 2;
        json_decref(j);
        expect_run(0, "train --resume part --epochs %d", epochs);
        expect_run(0, "train --model softmax --epochs %d --save whole", epochs);
        cr_expect(same_files("whole", "part"), "signal %d: other bytes", signals[i]);
    }
    const pid_t pid = start("", "train --model softmax --epochs 90000");
    cr_expect(wait_for("out", "pictures/s\n    1 "), "no epoch line");
    kill(pid, SIGINT);
    cr_expect_eq(finish(pid), 130);
    cr_expect(file_has("err", "nothing was saved"));
}

/* --- what goes wrong --- */

Test(tool, nan_stops_the_training_and_keeps_the_checkpoint, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --model mlp --hidden 32 --epochs 1 --save good");
    expect_run(0, "train --model mlp --hidden 32 --epochs 1 --save kept");
    expect_run(5, "train --model mlp --hidden 32 --lr 1e30 --save kept --json j --plot p.svg");
    cr_expect(file_has("err", "not finite in step 2 "));
    cr_expect(file_has("err", "kept"));
    cr_expect(same_files("good", "kept"));
    /* the first step's loss is fine, the weights after it are not: --stop-after would save them */
    expect_run(5, "train --model mlp --hidden 32 --lr 1e30 --stop-after 1 --save kept");
    cr_expect(file_has("err", "not finite in step 1 "));
    cr_expect(same_files("good", "kept"));
}

Test(tool, a_failed_save_keeps_the_old_file, .init = set_up, .fini = tear_down) {
    setenv("CLGRAD_BINARIES", "on", 1); /* nothing is compiled, for which PoCL writes large files */
    expect_run(0, "train --model mlp --hidden 32 --epochs 1 --save good");
    expect_run(0, "train --model mlp --hidden 32 --epochs 1 --save kept");
    /* the largest file the process may write is smaller than a checkpoint */
    const pid_t pid = start("ulimit -f 16; trap '' XFSZ;", "train --model mlp --hidden 32 --epochs 2 --save kept");
    const int code = finish(pid);
    cr_expect_eq(code, 4, "exit code %d", code);
    cr_expect(file_has("err", "kept"));
    cr_expect(same_files("good", "kept"));
    cr_expect_eq(system("! ls -A | grep -v -x -e good -e kept -e out -e err"), 0, "a temporary file is left");
    expect_run(4, "train --model softmax --save nowhere/x");
    cr_expect(file_has("err", "--save nowhere/x"));
    expect_run(4, "train --model softmax --plot nowhere/x");
    expect_run(4, "train --model softmax --json nowhere/x");
}

Test(tool, devices_that_are_not_there, .init = set_up, .fini = tear_down) {
    expect_run(3, "train --device nosuchdevice");
    cr_expect(file_has("err", "nosuchdevice"));
    cr_expect(file_has("err", "ref"), "the candidates are not listed");
    expect_run(3, "devices --device 77");
    expect_run(0, "devices --json - --device ref");
    json_t *lines = json_lines("out", true), *last = json_array_get(lines, json_array_size(lines) - 1);
    cr_expect_str_eq(json_string_value(json_object_get(last, "type")), "ref");
    cr_expect(json_is_true(json_object_get(last, "chosen")));
    json_decref(lines);
}

/* A safetensors file of the reference device: texts of `from`, or another one for the model, and one tensor. */
static void write_checkpoint(const char *path, const char *from, const char *model, const char *tensor,
                             clg_shape shape) {
    static const char *const keys[] = {"model", "training", "options"};
    char text[65536];
    clg_device *dev = clg_device_open("ref", NULL);
    clg_store *s = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, s);
    cr_assert_not_null(clg_param(g, tensor, CLG_F32, shape, CLG_INIT_ONE));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(clg_file_meta(from, keys[i], text, sizeof text), CLG_OK);
        cr_assert_eq(clg_store_set_meta(s, keys[i], i == 0 && model ? model : text), CLG_OK);
    }
    cr_assert_eq(clg_store_save(s, path, NULL), CLG_OK);
    clg_graph_destroy(&g);
    clg_store_destroy(&s);
    clg_device_destroy(&dev);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

Test(tool, bad_files_exit_4_and_are_named, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --model softmax --epochs 1 --save good");
    size_t size;
    char *all = slurp("good", &size);
    FILE *f = fopen("cut", "wb");
    cr_assert(f && fwrite(all, 1, size - 100, f) == size - 100);
    fclose(f);
    free(all);
    write_text("text", "this is no checkpoint at all");
    write_text("empty", "");
    write_checkpoint("missing", "good", NULL, "fc1.weight", CLG_SHAPE(10, 784));
    write_checkpoint("shape", "good", NULL, "fc1.weight", CLG_SHAPE(10, 783));
    write_checkpoint("old", "good", "{\"name\":\"softmax\"}", "out.weight", CLG_SHAPE(10, 784));
    write_checkpoint("broken", "good", "linear ten\n", "fc1.weight", CLG_SHAPE(10, 784));
    write_text("train-images-idx3-ubyte", "damaged");
    write_text("train-labels-idx1-ubyte", "damaged");
    static const struct {
        const char *arguments, *want;
    } cases[] = {
        {"eval --load nowhere", "nowhere"},
        {"eval --load text", "text"},
        {"eval --load empty", "empty"},
        {"eval --load cut", "cut"},
        {"eval --load missing", "fc1.bias"},
        {"eval --load shape", "fc1.weight"},
        {"eval --load old", "in another way; train it again"},
        {"train --resume old --epochs 16", "in another way; train it again"},
        {"eval --load broken", "broken:1:8:"},
        {"train --resume cut", "cut"},
        {"train --resume missing", "missing"},
        {"train --resume shape", "fc1.weight"},
        {"train --data mnist:nowhere", "nowhere"},
        {"train --data mnist:.", "train-images-idx3-ubyte: "},
        {"eval --load good --data mnist:.", "t10k-images-idx3-ubyte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_run(4, "%s", cases[i].arguments);
        cr_expect(file_has("err", cases[i].want), "%s", cases[i].arguments);
        size_t n;
        free(slurp("err", &n));
        cr_expect_lt(n, 400, "%s: more than a message", cases[i].arguments);
    }
    /* a safetensors file of somebody else: no description of a model */
    clg_device *dev = clg_device_open("ref", NULL);
    clg_store *s = clg_store_create(dev, 0);
    cr_assert_eq(clg_store_save(s, "foreign", NULL), CLG_OK);
    clg_store_destroy(&s);
    clg_device_destroy(&dev);
    expect_run(4, "eval --load foreign");
    cr_expect(file_has("err", "no checkpoint of clgrad train"));
}

/* Four IDX files of `n` pictures of side x side with labels up to `top`. */
static void write_data(const char *dir, int n, int side, int top) {
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    char path[400];
    for (int part = 0; part < 2; part++)
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s", dir, names[part][k]);
            FILE *f = fopen(path, "wb");
            cr_assert_not_null(f);
            const unsigned char head[16] = {0, 0, 8, k ? 1 : 3, 0, 0, 0, (unsigned char)n, 0, 0, 0, (unsigned char)side,
                                            0, 0, 0, (unsigned char)side};
            fwrite(head, 1, k ? 8 : 16, f);
            for (int i = 0; i < n * (k ? 1 : side * side); i++) fputc(k ? i % (top + 1) : i * 37 % 251, f);
            fclose(f);
        }
}

Test(tool, data_that_do_not_fit_the_model, .init = set_up, .fini = tear_down) {
    cr_assert_eq(system("mkdir small few ten"), 0);
    write_data("small", 40, 20, 9);
    write_data("few", 40, 28, 2);
    write_data("ten", 40, 28, 9);
    expect_run(0, "train --model softmax --data mnist:few --epochs 1 --save three");
    expect_run(0, "eval --load three");
    expect_run(4, "eval --load three --data mnist:ten");
    cr_expect(file_has("err", "10 classes"));
    expect_run(4, "eval --load three --data mnist:small");
    cr_expect(file_has("err", "20x20"));
    expect_run(4, "train --resume three --data digits --epochs 2");
    expect_run(0, "train --model lenet --data mnist:small --epochs 1 --device ref");
    /* moved data are the same data; others are not */
    cr_assert_eq(system("mv few moved"), 0);
    expect_run(4, "train --resume three --epochs 2");
    expect_run(0, "train --resume three --epochs 2 --data mnist:moved");
}

static const struct { const char *arguments, *want; } wrong_lines[] = {
    {"", "usage: clgrad COMMAND"},
    {"trian", "trian is no command"},
    {"train --epcohs 3", "perhaps meant as --epochs"},
    {"train --zzzzzzzzzz 3", "unknown option --zzzzzzzzzz;"},
    {"train --epochs", "wants a value"},
    {"train --epochs three", "--epochs three: wants a whole number"},
    {"train --epochs 3.5", "wants a whole number"},
    {"train --epochs 0", "from 1 to"},
    {"train --epochs 99999999999999999999", "from 1 to"},
    {"train --lr 0", "wants a number from"},
    {"train --lr nan", "wants a number from"},
    {"train --lr=-1", "wants a number from"},
    {"train --lr 1e", "wants a number from"},
    {"train --seed -1", "2^64"},
    {"train --seed 18446744073709551616", "2^64"},
    {"train --dropout 1", "from 0 to 0.99"},
    {"train --val-fraction 1", "from 0 to 0.9"},
    {"train --model lenet5", "lenet5 is no model and no file; there are linear"},
    {"train --activation ''", "not empty"},
    {"train --activation relux", "relux"},
    {"train --save ''", "not empty"},
    {"train lenet", "unexpected \"lenet\""},
    {"train --hidden 12", "hidden has no meaning for this model; it is for mlp"},
    {"train --model mlp --pooling avg", "pooling has no meaning"},
    {"train --model softmax --dropout 0.5", "dropout has no meaning"},
    {"train --model mlp --hidden 12,", "hidden 12,:"},
    {"train --data nosuch", "known are digits"},
    {"train --batch 6401", "--batch 6401 is larger than the training part, 6400 pictures"},
    {"train --preset mnist", "there are lenet, lenet-course, mlp, mlp-dropout, mnist-99"},
    {"train --schedule stairs", "is none of constant, step, cosine"},
    {"train --schedule step,evry=3", "\"evry=3\" is not known; there may be every=, gamma="},
    {"train --schedule step,gamma=x", "\"gamma=x\" has no value that fits"},
    {"train --schedule cosine,floor=2", "floor"},
    {"train --augment shift=2,turn", "\"turn\" is not known; there may be shift=, crop=, flip, noise="},
    {"train --data moons --augment flip", "only pictures are moved and flipped"},
    {"train --patience 3", "--patience looks at the validation loss: give --val-fraction too"},
    {"train --schedule plateau", "give --val-fraction too"},
    {"train --resume good --model mlp", "--model mlp, but good was made with --model softmax"},
    {"train --resume good --lr 0.02", "--lr 0.02, but good was made with --lr 0.01"},
    {"train --resume good --seed 3", "made with --seed 1"},
    {"train --device ref --split 3,4", "--split 3,4: has 2 numbers, but there is 1 device"},
    {"train --device ref --split 63", "--split 63: is 63 rows together, but --batch is 64"},
    {"train --device ref --split 64,x", "give rows for each device, as in 40,24"},
    {"train --device ref,ref", "overlaps, device 1 of the list"},
    {"train --on-failure never", "is none of drop|stop"},
    {"train --trace t.json --trace-steps 5..3", "--trace-steps 5..3: give the first and the last step"},
    {"train --trace t.json --trace-steps 5", "such as 10..60"},
    {"train --trace-steps 5..7", "--trace-steps says which steps --trace FILE records"},
    {"eval", "--load FILE is missing"},
    {"eval --load good --part both", "is none of test|train"},
    {"plan", "give a model, as in clgrad plan lenet"},
    {"plan resnet", "resnet is no model and no file; there are linear, logistic, softmax"},
    {"plan lenet --input 1,2,", "--input 1,2,: wants 1 to 5 sizes"},
    {"plan lenet --input 1,4,4", "lenet:6:1: conv 16 kernel=5: conv("},
    {"models --classes 3", "want its name too"},
    {"models ./good --width 2", "change ./good itself"},
    {"plan lenet mlp", "unexpected \"mlp\""},
    {"devices --json=", "not empty"},
    {"data nosuch", "known are digits"},
    {"perceptron --data nosuch", "known are digits"},
    {"tune --budget soon", "wants a time"},
    {"tune --budget -3s", "wants a time"},
    {"tune --budget 5d", "wants a time"},
    {"tune --model resnet", "resnet is no model and no file"},
    {"tune --model softmax --dropout 0.5", "model softmax: dropout has no meaning for this model; it is for mlp"},
    {"tune --dropout 0.5", "want --model too"},
    {"tune --suite all", "is none of bench"},
    {"tune lenet", "unexpected \"lenet\""},
    {"help nothing", "nothing is no command"},
    {"version --inference", "unknown option"},
};

Test(tool, wrong_command_lines_exit_2, .init = set_up, .fini = tear_down) {
    expect_run(0, "train --model softmax --epochs 1 --save good");
    for (size_t i = 0; i < sizeof wrong_lines / sizeof wrong_lines[0]; i++) {
        expect_run(2, "%s", wrong_lines[i].arguments);
        cr_expect(file_has("err", wrong_lines[i].want), "clgrad %s", wrong_lines[i].arguments);
    }
}

/* Some seconds are enough for the first keys; the last line has the sums. */
Test(tool, tune_writes_what_it_measured, .init = set_up, .fini = tear_down) {
    cr_assert_eq(finish(start("CLGRAD_CACHE_DIR=$PWD/kernels", "tune --model softmax --batch 2 --op mat* --budget 3s "
                              "--json rows --export shipped")), 0);
    json_t *lines = json_lines("rows", true), *sums = json_array_get(lines, json_array_size(lines) - 1);
    const json_int_t measured = json_integer_value(json_object_get(sums, "measured"));
    const json_int_t unfinished = json_integer_value(json_object_get(sums, "unfinished"));
    cr_expect(json_array_size(lines) >= 2 && measured + unfinished >= 1);
    cr_expect_eq(json_integer_value(json_object_get(sums, "wrong")), 0);
    for (size_t i = 0; i + 1 < json_array_size(lines); i++) {
        json_t *line = json_array_get(lines, i);
        cr_expect(json_real_value(json_object_get(line, "best_ms")) > 0);
        cr_expect(json_real_value(json_object_get(line, "ratio")) >= 1);
        cr_expect(strncmp(json_string_value(json_object_get(line, "key")), "matmul f32[", 11) == 0);
    }
    cr_expect(file_has("shipped", "# clgrad tuning records, format 1\n# device"));
    cr_expect(file_has("shipped", " = matmul.tile_cpu"));
    json_decref(lines);
    cr_expect_eq(finish(start("CLGRAD_CACHE_DIR=$PWD/kernels", "tune --device nosuch")), 3);
}

Test(tool, help_teaches, .init = set_up, .fini = tear_down) {
    expect_run(0, "help");
    static const char *const commands[] = {"train",  "eval", "data", "devices", "doctor",
                                           "models", "plan", "tune", "version"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        expect_run(0, "help");
        cr_expect(file_has("out", commands[i]));
        expect_run(0, "%s --help", commands[i]);
        cr_expect(file_has("out", "usage: clgrad"));
        cr_expect(file_has("out", "Exit codes"));
        char *a = slurp("out", NULL);
        expect_run(0, "help %s", commands[i]);
        char *b = slurp("out", NULL);
        cr_expect_str_eq(a, b);
        for (char *line = strtok(a, "\n"); line; line = strtok(NULL, "\n"))
            cr_expect_leq(strlen(line), 80, "%s: too wide for a terminal: %s", commands[i], line);
        free(a);
        free(b);
    }
    expect_run(0, "version");
    cr_expect(file_has("out", "clgrad 0."));
}

Test(tool, plan_prints_what_is_compiled, .init = set_up, .fini = tear_down) {
    expect_run(0, "plan lenet --device ref");
    cr_expect(file_has("out", "conv"));
    expect_run(0, "plan mlp --device ref --inference --batch 3 --format json");
    char *text = slurp("out", NULL);
    json_t *j = json_loads(text, 0, NULL);
    cr_expect(json_is_object(j), "%s", text);
    json_decref(j);
    free(text);
    expect_run(0, "plan softmax --device ref --format dot");
    cr_expect(file_has("out", "digraph"));
}

/* The text that is printed is a model's file. */
Test(tool, models_are_texts, .init = set_up, .fini = tear_down) {
    expect_run(0, "models");
    cr_expect(file_has("out", "\nresnet18-imagenet"));
    expect_run(0, "models mlp --hidden 8,4 --activation tanh");
    cr_expect(file_has("out", "linear 8\ntanh\nlinear 4\ntanh\nlinear outputs\n"));
    cr_assert_eq(rename("out", "mine.txt"), 0);
    expect_run(0, "models mine.txt --input 2,3 --classes 5");
    cr_expect(file_has("out", "# 117 weights\n"));
    cr_expect(file_has("out", "linear 4  # [4] fc2\n"));
    cr_assert_eq(rename("out", "mine.txt"), 0);
    expect_run(0, "plan mine.txt --device ref --batch 2");
    cr_expect(file_has("out", "f32[2,5]"));
    expect_run(2, "plan mine.txt --device ref --classes 6");
    cr_expect(file_has("err", "ends in 5 outputs, but 6 classes"));
    expect_run(4, "models nosuch.txt");
    write_text("mine.txt", "linear 8\ntanh # bends\nlinear outputs\n");
    expect_run(0, "train --model mine.txt --data xor --epochs 2 --device ref --save net");
    cr_expect(file_has("out", "model    mine.txt, 42 weights"));
    expect_run(0, "eval --load net --device ref");
    write_text("mine.txt", "linear 8\n  tahn\nlinear outputs\n");
    expect_run(4, "train --model mine.txt --data xor --device ref");
    cr_expect(file_has("err", "mine.txt:2:3: \"tahn\" is no word of a model; possible here: "));
}

/* One table has both targets, so that what is printed can be known to the digit. */
Test(tool, data_says_what_is_in_a_set, .init = set_up, .fini = tear_down) {
    write_text("t.csv", "size,colour,kind,price\n1,red,cat,1.5\n3,blue,dog,2.5\n5,red,dog,3.5\n7,red,cat,4.5\n");
    expect_run(0, "data");
    cr_expect(file_has("out", "csv:FILE[,target=NAME]"));
    cr_expect(file_has("out", "clouds[:n=200,margin=0.5"));
    expect_run(0, "data csv:t.csv,target=kind,test=0");
    cr_expect(file_has("out", "items      4 for training\n"));
    cr_expect(file_has("out", "one item   4 features\n"));
    cr_expect(file_has("out", "    1 dog                       2   50.0%\n"));
    cr_expect(file_has("out", "  size                                4       2.2361            1            7\n"));
    cr_expect(file_has("out", "  colour=red                       0.75      0.43301            0            1\n"));
    cr_expect(file_has("out", "           3           1           0         2.5  ->  1 dog\n"));
    expect_run(0, "data csv:t.csv,test=0.25,ignore=kind,encode=ordinal --rows 0 --features 1");
    cr_expect(file_has("out", "items      3 for training, 1 for the test\n"));
    cr_expect(file_has("out", "target     1 real number\n"));
    cr_expect(file_has("out", "... and 1 more (--features 2 shows them)"));
    cr_expect_not(file_has("out", "first items"));
    expect_run(0, "data digits");
    cr_expect(file_has("out", "6400 for training, 1000 for the test"));
    cr_expect(file_has("out", "the first item, class 5\n"));
    cr_expect(file_has("out", "@@@@"));
    expect_run(2, "data csv:t.csv,target=size,test=1");
    expect_run(4, "data csv:none.csv");
    cr_expect(file_has("err", "none.csv: cannot open"));
}

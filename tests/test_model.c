/* Models as texts: the grammar and its errors, the zoo, completion for data, and what is built. */
#include <criterion/criterion.h>
#include <clgrad/clgrad.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clg_shape picture(int64_t c, int64_t h, int64_t w) { return (clg_shape){3, {c, h, w}}; }

/* --- text --- */

/* text, and what is canonical */
static const struct { const char *text, *canonical; } good[] = {
    {"linear 1", "linear 1\n"},
    {"\xef\xbb\xbflinear outputs name=a\r\n", "linear outputs name=a\n"},
    {"# all of it\n\n  model  mine # a name\r\nloss mse\ninput 1 28 28\ninit xavier\n"
     "conv 6 kernel=5 pad=2 stride=1 bias=yes\n\tsigmoid\navg_pool 2 # half\nbatch_norm momentum=.25\nflatten\n"
     "dropout 0.50\nlinear outputs\n",
     "model mine\ninput 1 28 28\ninit xavier\nconv 6 kernel=5 pad=2\nsigmoid\navg_pool 2\nbatch_norm momentum=0.25\n"
     "flatten\ndropout 0.5\nlinear outputs\nloss mse\n"},
    {"init he\nlinear 3 bias=no name=a.b-c_1\nleaky_relu slope=1e-1\nlinear outputs name=out",
     "linear 3 bias=no name=a.b-c_1\nleaky_relu slope=0.1\nlinear outputs name=out\n"},
    {"reshape 1 8 8\nconv 2 kernel=3 groups=1 dilation=2\nglobal_max_pool\nlinear 2",
     "reshape 1 8 8\nconv 2 kernel=3 dilation=2\nglobal_max_pool\nlinear 2\n"},
    {"max_pool 3 stride=2 pad=1\ngroup_norm 4 eps=0.001\nflatten\nlinear 2\nloss hinge",
     "max_pool 3 stride=2 pad=1\ngroup_norm 4 eps=0.001\nflatten\nlinear 2\nloss hinge\n"},
};

/* Reading what was printed prints the same. */
static void expect_round_trip(const clg_model *m) {
    clg_model *again = clg_model_parse("again", clg_model_text(m));
    cr_assert_not_null(again, "%s:\n%s", clg_error(), clg_model_text(m));
    cr_expect_str_eq(clg_model_text(again), clg_model_text(m));
    cr_expect_eq(clg_model_layers(again), clg_model_layers(m));
    cr_expect_eq(clg_model_weights(again), clg_model_weights(m));
    cr_expect_eq(clg_model_outputs(again), clg_model_outputs(m));
    clg_model_destroy(&again);
}

Test(model, texts_become_canonical) {
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        clg_model *m = clg_model_parse("good", good[i].text);
        cr_assert_not_null(m, "%zu: %s", i, clg_error());
        cr_expect_str_eq(clg_model_text(m), good[i].canonical, "%zu: %s", i, clg_model_text(m));
        expect_round_trip(m);
        clg_model_destroy(&m);
        cr_expect_null(m);
    }
}

/* text, where its error is, and words of the message */
static const struct { const char *text, *where, *says; } bad[] = {
    {"", "t:1:1: ", "there is no layer"},
    {"# nothing\n\ninput 3\n", "t:4:1: ", "there is no layer in the text; possible here: model, input, init, loss, "},
    {"covn 6 kernel=5", "t:1:1: ", "\"covn\" is no word of a model; possible here: model, input, init, loss, conv, "},
    {"linear 3\n  \tReLU", "t:2:4: ", "\"ReLU\" is no word"},
    {"linear 3\nsoftmax", "t:2:1: ", "the loss has the softmax in it"},
    {"conv", "t:1:5: ", "CHANNELS is missing; the form is: conv CHANNELS kernel= [stride=] [pad=] [dilation=] "
                        "[groups=] [bias=] [name=]"},
    {"conv 6  # five", "t:1:7: ", "kernel= is missing"},
    {"conv 6 kernel=five", "t:1:15: ", "kernel=five: wants a whole number from 1 to 1000"},
    {"conv 6 kernel=", "t:1:15: ", "kernel=(nothing): wants"},
    {"conv 6 kernel=0", "t:1:15: ", "from 1 to 1000"},
    {"conv 6 kernel=2.5", "t:1:15: ", "a whole number"},
    {"conv 6 kernel=5 kernal=2", "t:1:17: ", "conv has no kernal=; the form is"},
    {"conv 6 kernel=5 pad=1 pad=2", "t:1:23: ", "pad= is given twice"},
    {"conv 6 5", "t:1:8: ", "\"5\" is too much; the form is: conv CHANNELS kernel="},
    {"conv 6 kernel = 5", "t:1:8: ", "\"kernel\" is too much"},
    {"conv x kernel=5", "t:1:6: ", "CHANNELS x: wants a whole number from 1 to 1000000"},
    {"conv outputs kernel=5", "t:1:6: ", "CHANNELS outputs: wants a whole number"},
    {"conv 6 kernel=5 bias=0", "t:1:22: ", "bias=0: wants yes or no"},
    {"linear many", "t:1:8: ", "OUTPUTS many: wants a whole number from 1 to 1000000, or the word outputs"},
    {"linear 99999999999999999999", "t:1:8: ", "from 1 to 1000000"},
    {"linear -1", "t:1:8: ", "OUTPUTS -1"},
    {"linear 1e2147483648", "t:1:8: ", "wants a whole number"},
    {"dropout 1", "t:1:9: ", "P 1: wants a number from 0 to 0.99"},
    {"dropout 0,5", "t:1:9: ", "P 0,5: wants"},
    {"dropout nan", "t:1:9: ", "P nan: wants"},
    {"relu 3", "t:1:6: ", "\"3\" is too much; the form is: relu"},
    {"relu name=x", "t:1:6: ", "relu has no name="},
    {"linear 3 name=1x", "t:1:15: ", "name=1x: wants a name of 1 to 64 letters"},
    {"linear 3 name=a name=b", "t:1:17: ", "name= is given twice"},
    {"linear 3 name=a\nlinear 3 name=a", "t:2:1: ", "would be called a as those of line 1"},
    {"linear 3 name=fc2\nlinear 3", "t:2:1: ", "would be called fc2"},
    {"input 3\nlinear 3\ninput 3", "t:3:1: ", "input is given twice, first in line 1"},
    {"input", "t:1:6: ", "SIZE is missing"},
    {"input 1 2 3 4 5 6", "t:1:17: ", "5 axes at most"},
    {"input 0", "t:1:7: ", "SIZE 0: wants a whole number"},
    {"init", "t:1:5: ", "init (nothing): wants one of he, xavier, normal, uniform, zero"},
    {"init kaiming", "t:1:6: ", "init kaiming: wants one of he, xavier, normal, uniform, zero"},
    {"init he he", "t:1:9: ", "there is a word too much"},
    {"loss nll", "t:1:6: ", "wants one of cross_entropy, logistic, mse, hinge, perceptron"},
    {"model my net", "t:1:10: ", "there is a word too much"},
    {"model", "t:1:6: ", "NAME is missing"},
    {"model 1", "t:1:7: ", "model 1: wants a name"},
    {"linear \x01\x7f", "t:1:8: ", "OUTPUTS ??"},
    /* sizes that are known do not fit */
    {"input 1 4 4\nconv 2 kernel=5\nflatten\nlinear 2", "t:2:1: ", "conv 2 kernel=5: conv("},
    {"input 1 4 4\nconv 2 kernel=3\nlinear 2", "t:3:1: ",
     "linear 2: wants a row of numbers, but each item here is [2 2 2]; put a line flatten before it"},
    {"input 1 4 4\nrelu\nconv 2 kernel=3", "t:3:1: ", "the last layer must give a row of numbers"},
    {"input 16\nconv 2 kernel=3", "t:2:1: ", "bring rows of numbers into such a shape by a line reshape"},
    {"input 16\nreshape 1 4 5\nflatten\nlinear 1", "t:2:1: ", "a shape of 20 numbers, but an item here has 16"},
    {"input 3 4 4\nconv 4 kernel=1 groups=2", "t:2:1: ", "groups=2 must divide both the 3 channels"},
};

Test(model, errors_have_line_and_column) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clg_model *m = clg_model_parse("t", bad[i].text);
        cr_assert_null(m, "%s", bad[i].text);
        cr_expect_eq(clg_error_status(), CLG_ERR_FORMAT, "%s: %s", bad[i].text, clg_error());
        cr_expect(strncmp(clg_error(), bad[i].where, strlen(bad[i].where)) == 0, "%s: %s", bad[i].text, clg_error());
        cr_expect(strstr(clg_error(), bad[i].says), "%s: %s", bad[i].text, clg_error());
        cr_expect_null(strchr(clg_error(), '\n'));
    }
}

Test(model, texts_without_end_are_refused) {
    static char text[8 * 4100], line[4200];
    for (int i = 0; i < 4100; i++) strcat(text + 5 * i, "relu\n");
    cr_expect_null(clg_model_parse("t", text));
    cr_expect(strstr(clg_error(), "t:4097:1: there are more than 4096 layers"), "%s", clg_error());
    memset(line, 'x', sizeof line - 1);
    cr_expect_null(clg_model_parse("t", line));
    cr_expect(strstr(clg_error(), "xxx...\" is no word"), "%s", clg_error());
    for (int i = 0; i < 2000; i++) memcpy(line + 2 * i, "1 ", 2);
    memcpy(line, "input ", 6);
    cr_expect_null(clg_model_parse("t", line));
    cr_expect(strstr(clg_error(), "a line may have 32 words at most"), "%s", clg_error());
}

Test(model, more_weights_than_memory_are_refused) {
    cr_expect_null(clg_model_parse("t", "input 1000000\nlinear 2\n\nlinear 1000000\nlinear 1000000"));
    cr_expect_eq(clg_error_status(), CLG_ERR_NOMEM);
    cr_expect(strstr(clg_error(), "t:5:1: linear 1000000: "), "%s", clg_error());
    cr_expect_null(clg_model_parse("t", "input 1000000 1000000 1000000 1000000\nflatten\nlinear 1000000"));
    cr_expect(strstr(clg_error(), "t:1:1: input(x): "), "%s", clg_error());
}

Test(model, files_are_read) {
    char path[] = "model-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    FILE *f = fdopen(fd, "w");
    fputs("linear 4\nrelu\nlinear outputs\n", f);
    fflush(f);
    clg_model *m = clg_model_read(path);
    cr_assert_not_null(m, "%s", clg_error());
    cr_expect_str_eq(clg_model_name(m), path);
    clg_model_destroy(&m);
    fputs("rleu", f);
    fflush(f);
    cr_expect_null(clg_model_read(path));
    cr_expect(strstr(clg_error(), path) && strstr(clg_error(), ":4:1: \"rleu\""), "%s", clg_error());
    fputc(0, f);
    fclose(f);
    cr_expect_null(clg_model_read(path));
    cr_expect(clg_error_status() == CLG_ERR_FORMAT && strstr(clg_error(), "bytes of 0"), "%s", clg_error());
    remove(path);
    cr_expect_null(clg_model_read(path));
    cr_expect_eq(clg_error_status(), CLG_ERR_IO);
}

Test(model, the_words_say_what_they_take) {
    const clg_model_word *w;
    int n = 0;
    for (; (w = clg_model_word_at(n)) != NULL; n++) {
        cr_expect(w->what && *w->what, "%s", w->word);
        for (int i = 0; i < w->n_args; i++) {
            cr_expect(w->arg[i].what && w->arg[i].low <= w->arg[i].high, "%s %s", w->word, w->arg[i].name);
            cr_expect(w->arg[i].required || w->arg[i].usual == 0 || w->arg[i].usual >= w->arg[i].low);
        }
        for (int i = 0; i < n; i++) cr_expect_str_neq(clg_model_word_at(i)->word, w->word);
    }
    char form[20] = "";
    cr_expect_eq(clg_model_form(clg_model_word_at(4), form, sizeof form),
                 strlen("conv CHANNELS kernel= [stride=] [pad=] [dilation=] [groups=] [bias=] [name=]"));
    cr_expect_str_eq(form, "conv CHANNELS kerne");
    cr_expect_gt(n, 30);
    cr_expect_null(clg_model_word_at(-1));
}

/* docs/models.md is what the table says today. */
Test(model, the_page_is_that_of_the_table) {
    static char want[1 << 17], have[1 << 17];
    char path[4096];
    const char *const source = getenv("CLGRAD_SOURCE"), *const tool = getenv("CLGRAD_TOOL");
    cr_assert(source && tool, "CLGRAD_SOURCE and CLGRAD_TOOL must say where the source and the program are");
    snprintf(path, sizeof path, "'%s' models --markdown", tool);
    FILE *f = popen(path, "r");
    cr_assert_not_null(f);
    cr_expect_gt(fread(want, 1, sizeof want - 1, f), 1000);
    cr_expect_eq(pclose(f), 0);
    snprintf(path, sizeof path, "%s/docs/models.md", source);
    f = fopen(path, "r");
    cr_assert_not_null(f, "no %s: clgrad models --markdown > docs/models.md", path);
    cr_expect_gt(fread(have, 1, sizeof have - 1, f), 1000);
    fclose(f);
    cr_expect(strcmp(want, have) == 0, "docs/models.md is out of date; run: '%s' models --markdown > '%s'", tool, path);
}

/* --- zoo --- */

/* Published numbers of weights: LeNet-5 with biases, He et al.'s ResNet-18 (torchvision's for 1,000 classes). */
static const struct { const char *name; clg_shape item; int classes; int64_t targets, weights, outputs; } zoo[] = {
    {"linear", {1, {10}}, 0, 1, 11, 1},
    {"linear", {1, {10}}, 0, 3, 33, 3},
    {"logistic", {1, {30}}, 2, 0, 31, 1},
    {"softmax", {1, {64}}, 10, 0, 650, 10},
    {"softmax", {3, {1, 28, 28}}, 10, 0, 7850, 10},
    {"perceptron", {1, {4}}, 2, 0, 5, 1},
    {"mlp", {3, {1, 28, 28}}, 10, 0, 784 * 256 + 256 + 256 * 256 + 256 + 2570, 10},
    {"mlp", {1, {3}}, 0, 2, 4 * 256 + 257 * 256 + 257 * 2, 2},
    {"lenet", {3, {1, 28, 28}}, 10, 0, 61706, 10},
    {"lenet-course", {3, {1, 28, 28}}, 10, 0, 61706, 10},
    {"cifar", {3, {3, 32, 32}}, 10, 0, 864 + 9216 + 18432 + 36864 + 2 * 192 + 4096 * 256 + 256 + 2570, 10},
    {"resnet18", {3, {3, 32, 32}}, 10, 0, 11173962, 10},
    {"resnet18-imagenet", {3, {3, 224, 224}}, 1000, 0, 11689512, 1000},
};

Test(model, zoo_is_complete_for_data) {
    bool met[16] = {false};
    for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++) {
        clg_model *open = clg_model_zoo(zoo[i].name, NULL);
        cr_assert_not_null(open, "%s", clg_error());
        cr_expect_str_eq(clg_model_name(open), zoo[i].name);
        cr_expect_eq(clg_model_outputs(open), 0);
        cr_expect_eq(clg_model_item(open).ndim, -1);
        cr_expect_eq(clg_model_layer_shape(open, 0).ndim, -1);
        expect_round_trip(open);
        clg_model *m = clg_model_for(open, zoo[i].item, zoo[i].classes, zoo[i].targets);
        cr_assert_not_null(m, "%s", clg_error());
        cr_expect_eq(clg_model_weights(m), zoo[i].weights, "%s: %lld", zoo[i].name, (long long)clg_model_weights(m));
        cr_expect_eq(clg_model_outputs(m), zoo[i].outputs);
        cr_expect_eq(clg_model_layer_shape(m, clg_model_layers(m) - 1).dim[0], zoo[i].outputs);
        expect_round_trip(m);
        for (int k = 0; clg_model_zoo_name(k); k++) met[k] |= strcmp(clg_model_zoo_name(k), zoo[i].name) == 0;
        clg_model_destroy(&open);
        clg_model_destroy(&m);
    }
    for (int k = 0; clg_model_zoo_name(k); k++) {
        cr_expect(met[k], "%s is not tested", clg_model_zoo_name(k));
        cr_expect(strlen(clg_model_zoo_summary(k)) > 10);
    }
}

Test(model, zoo_takes_options) {
    const struct { const char *name; clg_zoo_params p; const char *text; } rows[] = {
        {"mlp", {.hidden = ""}, "model mlp\nflatten\nlinear outputs\n"},
        {"mlp", {.hidden = "8,4", .activation = "tanh", .dropout = 0.25, .width = 1.5},
         "model mlp\ninit xavier\nflatten\nlinear 12\ntanh\ndropout 0.25\nlinear 6\ntanh\ndropout 0.25\n"
         "linear outputs\n"},
        {"mlp", {.hidden = "3", .init = "zero", .width = 0.01},
         "model mlp\ninit zero\nflatten\nlinear 1\nrelu\nlinear outputs\n"},
        {"lenet-course", {0},
         "model lenet-course\ninit xavier\nconv 6 kernel=5 pad=2\nsigmoid\navg_pool 2\nconv 16 kernel=5\nsigmoid\n"
         "avg_pool 2\nflatten\nlinear 120\nsigmoid\nlinear 84\nsigmoid\nlinear outputs\nloss cross_entropy\n"},
        {"cifar", {.dropout = -1, .width = 0.1},
         "model cifar\nconv 3 kernel=3 pad=1 bias=no\nbatch_norm\nrelu\nconv 3 kernel=3 pad=1 bias=no\nbatch_norm\n"
         "relu\nmax_pool 2\nconv 6 kernel=3 pad=1 bias=no\nbatch_norm\nrelu\nconv 6 kernel=3 pad=1 bias=no\n"
         "batch_norm\nrelu\nmax_pool 2\nflatten\nlinear 26\nrelu\nlinear outputs\nloss cross_entropy\n"},
        {"lenet", {.pooling = "avg", .width = 0.5, .dropout = 0.5},
         "model lenet\nconv 3 kernel=5 pad=2\nrelu\navg_pool 2\nconv 8 kernel=5\nrelu\navg_pool 2\nflatten\nlinear 60\n"
         "relu\ndropout 0.5\nlinear 42\nrelu\ndropout 0.5\nlinear outputs\nloss cross_entropy\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clg_model *m = clg_model_zoo(rows[i].name, &rows[i].p);
        cr_assert_not_null(m, "%s", clg_error());
        cr_expect_str_eq(clg_model_text(m), rows[i].text, "%s", clg_model_text(m));
        clg_model_destroy(&m);
    }
}

Test(model, zoo_refuses_what_has_no_meaning) {
    const struct { const char *name; clg_zoo_params p; const char *says; } rows[] = {
        {"lenet5", {0}, "lenet5 is no model of the zoo; there are linear, logistic, softmax, perceptron, mlp, lenet, "
                        "lenet-course, cifar, resnet18, resnet18-imagenet"},
        {NULL, {0}, "NULL is no model"},
        {"lenet", {.hidden = "12"}, "model lenet: hidden has no meaning for this model; it is for mlp"},
        {"mlp", {.pooling = "avg"}, "pooling has no meaning for this model; it is for lenet, lenet-course, cifar"},
        {"softmax", {.dropout = 0.5}, "dropout has no meaning for this model; it is for mlp, lenet, lenet-course, "
                                      "cifar"},
        {"softmax", {.width = 2}, "width has no meaning for this model; it is for mlp, lenet, lenet-course, cifar, "
                                  "resnet18"},
        {"resnet18", {.activation = "tanh"}, "activation has no meaning"},
        {"linear", {.init = "he"}, "init has no meaning"},
        {"mlp", {.activation = "conv"}, "activation conv: wants one of relu, leaky_relu"},
        {"mlp", {.hidden = "12,"}, "hidden 12,: wants up to 64 sizes from 1 to 1000000, as in 256,128"},
        {"mlp", {.hidden = "0"}, "hidden 0: wants"},
        {"mlp", {.hidden = "1 2"}, "hidden 1 2: wants"},
        {"mlp", {.dropout = 1}, "dropout 1: wants a probability up to 0.99"},
        {"mlp", {.dropout = NAN}, "wants a probability"},
        {"mlp", {.width = -1}, "width -1: wants a factor"},
        {"mlp", {.init = "best"}, "init best: wants he, xavier"},
        {"lenet", {.pooling = "min"}, "pooling min: wants max or avg"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_null(clg_model_zoo(rows[i].name, &rows[i].p));
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
        cr_expect(strstr(clg_error(), rows[i].says), "%s", clg_error());
    }
    cr_expect_null(clg_model_zoo_name(-1));
    cr_expect_null(clg_model_zoo_summary(99));
}

/* --- for data --- */

static clg_model *complete(const char *text, clg_shape item, int classes, int64_t targets) {
    clg_model *open = clg_model_parse("t", text);
    cr_assert_not_null(open, "%s", clg_error());
    clg_model *m = clg_model_for(open, item, classes, targets);
    clg_model_destroy(&open);
    return m;
}

Test(model, loss_and_outputs_follow_the_data) {
    const struct {
        const char *text; int classes; int64_t targets; enum clg_model_loss loss; int64_t outputs;
    } rows[] = {
        {"linear outputs", 3, 0, CLG_LOSS_CROSS_ENTROPY, 3}, {"linear outputs", 2, 0, CLG_LOSS_CROSS_ENTROPY, 2},
        {"linear outputs", 0, 4, CLG_LOSS_MSE, 4},           {"linear 1", 2, 0, CLG_LOSS_LOGISTIC, 1},
        {"linear 1", 0, 1, CLG_LOSS_MSE, 1},                 {"linear 5", 3, 0, CLG_LOSS_CROSS_ENTROPY, 5},
        {"linear outputs\nloss hinge", 2, 0, CLG_LOSS_HINGE, 1},
        {"linear outputs\nloss logistic", 1, 0, CLG_LOSS_LOGISTIC, 1},
        {"loss perceptron\nlinear 1", 2, 0, CLG_LOSS_PERCEPTRON, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clg_model *m = complete(rows[i].text, (clg_shape){1, {4}}, rows[i].classes, rows[i].targets);
        cr_assert_not_null(m, "%zu: %s", i, clg_error());
        cr_expect_eq(clg_model_loss(m), rows[i].loss, "%zu", i);
        cr_expect_eq(clg_model_outputs(m), rows[i].outputs, "%zu", i);
        cr_expect(strstr(clg_model_text(m), clg_model_loss_name(rows[i].loss)), "%s", clg_model_text(m));
        expect_round_trip(m);
        clg_model_destroy(&m);
    }
    cr_expect_str_eq(clg_model_loss_name((enum clg_model_loss)99), "?");
}

Test(model, data_that_the_text_does_not_fit) {
    const struct { const char *text; clg_shape item; int classes; int64_t targets; const char *says; } rows[] = {
        {"flatten\nlinear 5\ninput 1 28 28", {3, {3, 32, 32}}, 5, 0,
         "t:3:1: input 1 28 28: but the items of the data are [3 32 32]"},
        {"linear 5", {1, {4}}, 6, 0,
         "t:1:1: linear 5: the model ends in 5 outputs, but 6 classes and loss cross_entropy want 6"},
        {"linear 5", {1, {4}}, 0, 2, "ends in 5 outputs, but 2 target values and loss mse want 2"},
        {"linear 2\nloss hinge", {1, {4}}, 2, 0, "but 2 classes and loss hinge want 1"},
        {"linear 1\n\nloss hinge", {1, {4}}, 3, 0, "t:3:1: loss hinge is for two classes, but the data has more"},
        {"linear 1\nloss mse", {1, {4}}, 2, 0, "loss mse wants real targets"},
        {"linear 1\nloss logistic", {1, {4}}, 0, 1, "loss logistic wants classes"},
        {"conv 2 kernel=3\nmax_pool 2\nconv 2 kernel=3\nflatten\nlinear outputs", {3, {1, 5, 5}}, 2, 0,
         "t:3:1: conv 2 kernel=3: conv("},
        {"conv 2 kernel=3\nlinear outputs", {3, {1, 5, 5}}, 2, 0, "t:2:1: linear 2: wants a row of numbers"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_null(complete(rows[i].text, rows[i].item, rows[i].classes, rows[i].targets));
        cr_expect_eq(clg_error_status(), CLG_ERR_SHAPE);
        cr_expect(strstr(clg_error(), rows[i].says), "%s", clg_error());
    }
    clg_model *m = clg_model_parse("t", "linear 1");
    cr_expect_null(clg_model_for(m, (clg_shape){1, {4}}, 0, 0));
    cr_expect_null(clg_model_for(m, CLG_SCALAR, 2, 0));
    cr_expect_null(clg_model_for(NULL, (clg_shape){1, {4}}, 2, 0));
    cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
    clg_model_destroy(&m);
}

/* --- in a graph --- */

static clg_device *dev;
static clg_store *store;
static clg_graph *graph;

static void set_up(void) {
    dev = clg_device_open("ref", NULL);
    store = clg_store_create(dev, 1);
    graph = clg_graph_create(dev, store);
    cr_assert_not_null(graph, "%s", clg_error());
}

static void tear_down(void) {
    clg_graph_destroy(&graph);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

Test(model, lenet_keeps_the_names_of_its_weights, .init = set_up, .fini = tear_down) {
    static const char *const names[] = {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight",
                                        "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"};
    clg_model *open = clg_model_zoo("lenet", NULL), *m = clg_model_for(open, picture(1, 28, 28), 10, 0);
    clg_tensor *layer[32], *x = clg_input(graph, "x", CLG_F32, CLG_SHAPE(3, 1, 28, 28));
    clg_tensor *y = clg_model_build_all(m, x, layer);
    cr_assert_not_null(y, "%s", clg_error());
    cr_assert_eq(clg_store_count(store), 10);
    for (int i = 0; i < 10; i++) {
        clg_store_entry e;
        cr_assert_eq(clg_store_get(store, i, &e), CLG_OK);
        cr_expect_str_eq(e.name, names[i]);
    }
    cr_expect_eq(layer[clg_model_layers(m) - 1], y);
    for (int i = 0; i < clg_model_layers(m); i++) {
        const clg_shape s = clg_tensor_shape(layer[i]), item = clg_model_layer_shape(m, i);
        cr_assert_eq(s.ndim, item.ndim + 1);
        for (int k = 0; k < item.ndim; k++) cr_expect_eq(s.dim[k + 1], item.dim[k]);
    }
    cr_expect_str_eq(clg_model_layer(m, 0), "conv 6 kernel=5 pad=2");
    cr_expect_str_eq(clg_model_layer_name(m, 0), "conv1");
    cr_expect_null(clg_model_layer_name(m, 1));
    cr_expect_null(clg_model_layer(m, clg_model_layers(m)));
    cr_expect_eq(clg_graph_init(graph), CLG_INIT_HE);
    clg_model_destroy(&open);
    clg_model_destroy(&m);
}

Test(model, conv_is_of_the_rank_of_its_input, .init = set_up, .fini = tear_down) {
    const clg_shape item[] = {{2, {2, 9}}, {3, {2, 9, 8}}, {4, {2, 5, 6, 7}}};
    for (int i = 0; i < 3; i++) {
        char name[8];
        clg_model *m = complete("conv 4 kernel=3 stride=2 groups=2 name=a\nbatch_norm name=b\nresidual 4 name=c\n"
                                "residual 6 stride=2 name=d\nmax_pool 2 pad=1\ninstance_norm\nglobal_avg_pool\nlinear "
                                "outputs", item[i], 3, 0);
        cr_assert_not_null(m, "%s", clg_error());
        clg_shape s = {item[i].ndim + 1, {2}};
        for (int k = 0; k < item[i].ndim; k++) s.dim[k + 1] = item[i].dim[k];
        clg_graph *g = clg_graph_create(dev, NULL);
        snprintf(name, sizeof name, "x%d", i);
        clg_tensor *y = clg_model_build(m, clg_input(g, name, CLG_F64, s));
        cr_assert_not_null(y, "%s", clg_error());
        cr_expect_eq(clg_tensor_dtype(y), CLG_F64);
        cr_expect(clg_tensor_shape(y).ndim == 2 && clg_tensor_shape(y).dim[1] == 3);
        clg_graph_destroy(&g);
        clg_model_destroy(&m);
    }
}

Test(model, mistakes_of_building_stay_in_the_graph) {
    const struct { int open; clg_dtype type; int64_t size; const char *says; } rows[] = {
        {1, CLG_F32, 4, "model_build(t): its outputs are open; make it complete by clg_model_for()"},
        {0, CLG_F32, 5, "model_build(t): wants f32 or f64 [N, item...] with items [4], but x is f32 with items [5]"},
        {0, CLG_I32, 4, "but x is i32"}};
    clg_device *ref = clg_device_open("ref", NULL);
    for (int i = 0; i < 3; i++) {
        clg_model *m = clg_model_parse("t", rows[i].open ? "linear outputs" : "input 4\nlinear 2");
        clg_graph *g = clg_graph_create(ref, NULL);
        cr_expect_null(clg_model_build(m, clg_input(g, "x", rows[i].type, CLG_SHAPE(2, rows[i].size))));
        cr_expect_lt(clg_graph_status(g), 0);
        cr_expect(strstr(clg_error(), rows[i].says), "%s", clg_error());
        clg_graph_destroy(&g);
        clg_model_destroy(&m);
    }
    clg_graph *g = clg_graph_create(ref, NULL);
    cr_expect_null(clg_model_build(NULL, clg_input(g, "x", CLG_F32, CLG_SHAPE(2, 2))));
    cr_expect_eq(clg_graph_status(g), CLG_ERR_INVALID);
    cr_expect_null(clg_model_build(NULL, NULL));
    clg_graph_destroy(&g);
    clg_device_destroy(&ref);
}

/* --- losses --- */

enum { ROWS = 4 };
static const double score[ROWS] = {1.5, -0.25, 0, 3};
static const int32_t label[ROWS] = {1, 1, 0, 0};

static double by_hand(enum clg_model_loss l, double f, double y) {
    switch (l) {
    case CLG_LOSS_LOGISTIC: return log1p(exp(-y * f));
    case CLG_LOSS_HINGE:    return fmax(0, 1 - y * f);
    default:                return fmax(0, -y * f);
    }
}

/* f = w x with w = 1: so f and its gradient are known. */
static void expect_loss(const char *word, enum clg_model_loss kind, clg_dtype type) {
    char text[64];
    snprintf(text, sizeof text, "linear 1 bias=no\nloss %s", word);
    clg_model *m = complete(text, (clg_shape){1, {1}}, 2, 0);
    cr_assert_not_null(m, "%s", clg_error());
    cr_expect_eq(clg_model_loss(m), kind);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *f = clg_input(g, "f", type, CLG_SHAPE(ROWS, 1)), *t = clg_model_target(m, g, "t", ROWS);
    clg_tensor *loss = clg_model_loss_of(m, f, t), *df = clg_grad(loss, f), *answer = clg_model_answer(m, f);
    clg_plan *plan = clg_compile(g, CLG_LIST(loss, df, answer), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    float f32[ROWS], d32[ROWS], loss32;
    double d64[ROWS], loss64, want = 0;
    int32_t is[ROWS];
    const bool f64 = type == CLG_F64;
    for (int i = 0; i < ROWS; i++) f32[i] = (float)score[i];
    cr_assert_eq(clg_write(plan, f, f64 ? (const void *)score : f32, f64 ? sizeof score : sizeof f32), CLG_OK);
    cr_assert_eq(clg_write(plan, t, label, sizeof label), CLG_OK);
    cr_assert_eq(clg_run(plan), CLG_OK);
    cr_assert_eq(clg_read(plan, loss, f64 ? (void *)&loss64 : &loss32, f64 ? sizeof loss64 : sizeof loss32), CLG_OK);
    cr_assert_eq(clg_read(plan, df, f64 ? (void *)d64 : d32, f64 ? sizeof d64 : sizeof d32), CLG_OK);
    cr_assert_eq(clg_read(plan, answer, is, sizeof is), CLG_OK);
    for (int i = 0; i < ROWS; i++) {
        const double y = 2 * label[i] - 1, h = 1e-6;
        want += by_hand(kind, score[i], y) / ROWS;
        double d = (by_hand(kind, score[i] + h, y) - by_hand(kind, score[i] - h, y)) / (2 * h) / ROWS;
        if (kind == CLG_LOSS_PERCEPTRON && score[i] == 0) d = -y / ROWS; /* Rosenblatt: 0 is wrong too */
        cr_expect_float_eq(f64 ? d64[i] : d32[i], d, 1e-6, "%s %d: %g", word, i, f64 ? d64[i] : d32[i]);
        cr_expect_eq(is[i], score[i] > 0);
    }
    cr_expect_float_eq(f64 ? loss64 : loss32, want, f64 ? 1e-14 : 1e-6, "%s", word);
    clg_plan_destroy(&plan);
    clg_graph_destroy(&g);
    clg_model_destroy(&m);
}

Test(model, losses_of_two_classes, .init = set_up, .fini = tear_down) {
    for (int f64 = 0; f64 < 2; f64++) {
        expect_loss("logistic", CLG_LOSS_LOGISTIC, f64 ? CLG_F64 : CLG_F32);
        expect_loss("hinge", CLG_LOSS_HINGE, f64 ? CLG_F64 : CLG_F32);
        expect_loss("perceptron", CLG_LOSS_PERCEPTRON, f64 ? CLG_F64 : CLG_F32);
    }
}

Test(model, losses_of_classes_and_values, .init = set_up, .fini = tear_down) {
    const float f[4] = {1, 3, 2, 0}, want[4] = {0, 3, 2, 1};
    const int32_t t[2] = {0, 1};
    int32_t is[2];
    float loss[2];
    clg_model *c = complete("linear outputs", (clg_shape){1, {1}}, 2, 0);
    clg_model *r = complete("linear outputs", (clg_shape){1, {1}}, 0, 2);
    clg_tensor *y = clg_input(graph, "y", CLG_F32, CLG_SHAPE(2, 2));
    clg_tensor *tc = clg_model_target(c, graph, "tc", 2), *tr = clg_model_target(r, graph, "tr", 2);
    clg_tensor *lc = clg_model_loss_of(c, y, tc), *lr = clg_model_loss_of(r, y, tr), *answer = clg_model_answer(c, y);
    cr_expect_null(clg_model_answer(r, y));
    clg_plan *plan = clg_compile(graph, CLG_LIST(lc, lr, answer), NULL);
    cr_assert_not_null(plan, "%s", clg_error());
    cr_assert(clg_write(plan, y, f, sizeof f) == CLG_OK && clg_write(plan, tc, t, sizeof t) == CLG_OK &&
              clg_write(plan, tr, want, sizeof want) == CLG_OK && clg_run(plan) == CLG_OK);
    cr_assert(clg_read(plan, lc, &loss[0], 4) == CLG_OK && clg_read(plan, lr, &loss[1], 4) == CLG_OK &&
              clg_read(plan, answer, is, sizeof is) == CLG_OK);
    cr_expect_float_eq(loss[0], (log(exp(1) + exp(3)) - 1 + log(exp(2) + 1) - 0) / 2, 1e-6);
    cr_expect_float_eq(loss[1], 0.5, 1e-7);
    cr_expect(is[0] == 1 && is[1] == 0);
    clg_plan_destroy(&plan);
    clg_model_destroy(&c);
    clg_model_destroy(&r);
}

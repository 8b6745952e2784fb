/* The zoo: known networks as texts of the same grammar that users write, with places for what options change.
 *
 * In these texts @init, @act, @pool, @dropout and @hidden stand for lines, and @N for a number that width scales. */
#include "model/model.h"

#include "base/error.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct zoo {
    const char *name, *summary, *text;
    clg_zoo_params usual; /* of what the text has places for */
} zoo;

/* Basic blocks of 64, 128, 256 and 512 channels, two each; the first of a size but the first halves the picture. */
#define RESNET18_BODY                                                                                    \
    "residual @64\nresidual @64\nresidual @128 stride=2\nresidual @128\nresidual @256 stride=2\n"        \
    "residual @256\nresidual @512 stride=2\nresidual @512\nglobal_avg_pool\nlinear outputs\nloss cross_entropy\n"

/* LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", with the plain
 * second convolution and the softmax that became customary. */
#define LENET                                                                                            \
    "@init\nconv @6 kernel=5 pad=2\n@act\n@pool 2\nconv @16 kernel=5\n@act\n@pool 2\nflatten\n"          \
    "linear @120\n@act\n@dropout\nlinear @84\n@act\n@dropout\nlinear outputs\nloss cross_entropy\n"

static const zoo zoos[] = {
    {"linear", "linear regression: one linear layer, squared error",
     "init zero\nflatten\nlinear outputs\nloss mse\n", {0}},
    {"logistic", "logistic regression: one linear layer, two classes",
     "init zero\nflatten\nlinear outputs\nloss logistic\n", {0}},
    {"softmax", "softmax regression: one linear layer, any number of classes",
     "init zero\nflatten\nlinear outputs\nloss cross_entropy\n", {0}},
    {"perceptron", "Rosenblatt's perceptron: one linear layer, two classes, corrected where it is wrong",
     "init zero\nflatten\nlinear outputs\nloss perceptron\n", {0}},
    {"mlp", "multilayer perceptron: fully connected hidden layers of any sizes",
     "@init\nflatten\n@hidden\nlinear outputs\n", {.activation = "relu", .hidden = "256,256"}},
    {"lenet", "LeNet-5 as it is built today: ReLU and max pooling",
     LENET, {.activation = "relu", .pooling = "max"}},
    {"lenet-course", "LeNet-5 as courses show it: sigmoid, average pooling, Xavier's initial weights",
     LENET, {.activation = "sigmoid", .pooling = "avg"}},
    {"cifar", "conv-conv-pool twice with batch norm and dropout, for small colour pictures",
     "@init\nconv @32 kernel=3 pad=1 bias=no\nbatch_norm\n@act\nconv @32 kernel=3 pad=1 bias=no\nbatch_norm\n@act\n"
     "@pool 2\nconv @64 kernel=3 pad=1 bias=no\nbatch_norm\n@act\nconv @64 kernel=3 pad=1 bias=no\nbatch_norm\n@act\n"
     "@pool 2\nflatten\nlinear @256\n@act\n@dropout\nlinear outputs\nloss cross_entropy\n",
     {.activation = "relu", .pooling = "max", .dropout = 0.5}},
    {"resnet18", "ResNet-18 for small pictures: stem of 3x3 without pooling",
     "conv @64 kernel=3 pad=1 bias=no\nbatch_norm\nrelu\n" RESNET18_BODY, {0}},
    {"resnet18-imagenet", "ResNet-18 for large pictures: stem of 7x7 with pooling, which quarters them",
     "conv @64 kernel=7 stride=2 pad=3 bias=no\nbatch_norm\nrelu\nmax_pool 3 stride=2 pad=1\n" RESNET18_BODY, {0}},
};
enum { N_ZOOS = sizeof zoos / sizeof *zoos, MOST_HIDDEN = 64 };

const char *clg_model_zoo_name(int i) {
    return i >= 0 && i < N_ZOOS ? zoos[i].name : NULL;
}

const char *clg_model_zoo_summary(int i) {
    return i >= 0 && i < N_ZOOS ? zoos[i].summary : NULL;
}

/* --- options --- */

/* What @hidden becomes for each size, in place of 0. */
#define HIDDEN "linear @0\n@act\n@dropout\n"

static const char *find_number(const char *text) {
    for (const char *p = text; (p = strchr(p, '@')) != NULL; p++)
        if (p[1] >= '0' && p[1] <= '9') return p;
    return NULL;
}

/* place NULL: a number. */
static bool has_place(const char *text, const char *place) {
    return (place ? strstr(text, place) : find_number(text)) || (strstr(text, "@hidden") && has_place(HIDDEN, place));
}

static clg_status fail_place(const zoo *z, const char *option, const char *place) {
    clg_str all = {0};
    for (int i = 0; i < N_ZOOS; i++)
        if (has_place(zoos[i].text, place)) clg_str_printf(&all, "%s%s", all.size ? ", " : "", zoos[i].name);
    const clg_status s = clg_fail(CLG_ERR_INVALID, "model %s: %s has no meaning for this model; it is for %s",
                                  z->name, option, clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

static bool is_init(const char *word) {
    for (int i = 0; clg_init_word(i); i++)
        if (strcmp(clg_init_word(i), word) == 0) return true;
    return false;
}

/* The next size of "256,128" at *p, which moves behind it and its comma; 0: there is none, -1: the text is wrong. */
static long next_size(const char **p) {
    char *end = NULL;
    if (!**p) return 0;
    if (**p < '0' || **p > '9') return -1;
    const long v = strtol(*p, &end, 10);
    if (v < 1 || v > 1000000 || (*end && (*end != ',' || !end[1]))) return -1;
    *p = *end ? end + 1 : end;
    return v;
}

static bool are_sizes(const char *p) {
    long v, n = 0;
    while ((v = next_size(&p)) > 0) n++;
    return v == 0 && n <= MOST_HIDDEN;
}

static clg_status check_activation(const zoo *z, const char *word) {
    const clg_kind *const k = clg_kind_find(word);
    if (k && k->activation) return CLG_OK;
    clg_str all = {0};
    for (int i = 0; clg_kind_at(i); i++)
        if (clg_kind_at(i)->activation) clg_str_printf(&all, "%s%s", all.size ? ", " : "", clg_kind_at(i)->word.word);
    const clg_status s = clg_fail(CLG_ERR_INVALID, "model %s: activation %s: wants one of %s", z->name, word,
                                  clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

/* Do the options that are given mean something for this model, and are they of known values? */
static clg_status check_options(const zoo *z, const clg_zoo_params *p) {
    const struct { const char *option, *place; bool given; } rows[] = {
        {"activation", "@act", p->activation}, {"pooling", "@pool", p->pooling}, {"hidden", "@hidden", p->hidden},
        {"init", "@init", p->init}, {"dropout", "@dropout", p->dropout != 0},
        {"width", NULL, p->width != 0 && p->width != 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !has_place(z->text, rows[i].place)) return fail_place(z, rows[i].option, rows[i].place);
    if (p->activation) CLG_TRY(check_activation(z, p->activation));
    if (p->pooling && strcmp(p->pooling, "max") != 0 && strcmp(p->pooling, "avg") != 0)
        return clg_fail(CLG_ERR_INVALID, "model %s: pooling %s: wants max or avg", z->name, p->pooling);
    if (p->init && !is_init(p->init))
        return clg_fail(CLG_ERR_INVALID, "model %s: init %s: wants he, xavier, normal, uniform or zero",
                        z->name, p->init);
    if (p->hidden && !are_sizes(p->hidden))
        return clg_fail(CLG_ERR_INVALID, "model %s: hidden %s: wants up to %d sizes from 1 to 1000000, as in "
                        "256,128", z->name, p->hidden, MOST_HIDDEN);
    if (!(p->dropout <= 0.99))
        return clg_fail(CLG_ERR_INVALID, "model %s: dropout %g: wants a probability up to 0.99", z->name, p->dropout);
    if (p->width != 0 && !(p->width >= 1e-3 && p->width <= 1e3))
        return clg_fail(CLG_ERR_INVALID, "model %s: width %g: wants a factor from 0.001 to 1000", z->name,
                        p->width);
    return CLG_OK;
}

/* --- text --- */

static bool skip(const char **p, const char *word) {
    const size_t n = strlen(word);
    if (strncmp(*p, word, n) != 0) return false;
    *p += n;
    return true;
}

static void add_size(clg_str *s, long size, double width) {
    const long scaled = lround((double)size * width);
    clg_str_printf(s, "%ld", scaled < 1 ? 1 : scaled);
}

static void add_hidden(clg_str *s, const clg_zoo_params *p);

/* The text with everything in its place. */
static void expand(clg_str *s, const char *text, long zero, const clg_zoo_params *p) {
    for (const char *t = text; *t;) {
        if (*t != '@') {
            const size_t n = strcspn(t, "@");
            clg_str_add_bytes(s, t, n);
            t += n;
            continue;
        }
        t++;
        if (skip(&t, "init")) {
            const char *const usual = clg_kind_find(p->activation)->rectifies ? "he" : "xavier";
            clg_str_printf(s, "init %s", p->init ? p->init : usual);
        } else if (skip(&t, "act")) {
            clg_str_add(s, p->activation);
        } else if (skip(&t, "pool")) {
            clg_str_printf(s, "%s_pool", p->pooling);
        } else if (skip(&t, "hidden\n")) {
            add_hidden(s, p);
        } else if (skip(&t, "dropout\n")) {
            if (p->dropout <= 0) continue;
            char number[CLG_NUMBER_ROOM];
            clg_str_printf(s, "dropout %s\n", clg_write_number(number, p->dropout));
        } else {
            char *end;
            const long size = strtol(t, &end, 10);
            add_size(s, size ? size : zero, p->width);
            t = end;
        }
    }
}

static void add_hidden(clg_str *s, const clg_zoo_params *p) {
    long size;
    for (const char *h = p->hidden; (size = next_size(&h)) > 0;) expand(s, HIDDEN, size, p);
}

static clg_status fail_name(const char *name) {
    clg_str all = {0};
    for (int i = 0; i < N_ZOOS; i++) clg_str_printf(&all, "%s%s", i ? ", " : "", zoos[i].name);
    const clg_status s = clg_fail(CLG_ERR_INVALID, "%s is no model of the zoo; there are %s", name ? name : "NULL",
                                  clg_str_text(&all));
    clg_str_free(&all);
    return s;
}

clg_model *clg_model_zoo(const char *name, const clg_zoo_params *params) {
    const zoo *z = NULL;
    const clg_zoo_params given = params ? *params : (clg_zoo_params){0};
    for (int i = 0; name && i < N_ZOOS; i++)
        if (strcmp(zoos[i].name, name) == 0) z = &zoos[i];
    if (!z) fail_name(name);
    if (!z || check_options(z, &given) < 0) return NULL;
    clg_zoo_params p = z->usual;
    if (given.activation) p.activation = given.activation;
    if (given.pooling) p.pooling = given.pooling;
    if (given.hidden) p.hidden = given.hidden;
    if (given.dropout != 0) p.dropout = given.dropout;
    p.init = given.init;
    p.width = given.width != 0 ? given.width : 1;
    clg_str text = {0};
    clg_str_printf(&text, "model %s\n", z->name);
    expand(&text, z->text, 0, &p);
    clg_model *m = NULL;
    if (text.failed) clg_fail_nomem("model");
    else m = clg_model_parse(z->name, clg_str_text(&text));
    clg_str_free(&text);
    return m;
}

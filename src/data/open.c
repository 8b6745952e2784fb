/* Opens data sets by a line of text: the table of kinds, and the parts of those that have no parts of their own. */
#include "base/error.h"
#include "base/str.h"
#include "data/kinds.h"
#include <clgrad/sources.h>
#include <string.h>

/* A row of the table. */
typedef struct kind {
    clg_dataset_kind about;
    bool             path;  /* what stands behind the colon is one */
    const char      *keys;  /* options, with | between */
    clg_kind_open   *open;
} kind;

static const kind kinds[] = {
    { { "digits", "digits",
        "handwritten digits inside the library: the first 6,400 and 1,000 of MNIST" },
      false, "", clg_open_digits },
    { { "mnist", "mnist:DIR",
        "the four IDX files of MNIST or Fashion-MNIST in a folder, .gz or not" },
      true, "", clg_open_mnist },
    { { "csv", "csv:FILE[,target=NAME][,OPTION=VALUE]...",
        "a table: a line of names, then a line an item. The target is the last\n"
        "column; text features become one 0/1 feature for each value. Options:\n"
        "  target=NAME        another column is the target\n"
        "  task=classes|regression\n"
        "                     what it is; else classes if it is text, or whole\n"
        "                     numbers with at most 20 different values\n"
        "  missing=drop|mean  leave out rows with missing values, or fill in the\n"
        "                     mean of the column in the training part\n"
        "  ignore=A,B,...     columns to leave out\n"
        "  text=A,B,...       columns of numbers that are only names\n"
        "  encode=ordinal     texts become numbers in sorted order\n"
        "  separator=comma|semicolon|tab|bar\n"
        "                     else the first of the first three that is there\n"
        "  header=no          there is no line of names; columns are c1, c2, ..." },
      true, "target|task|missing|ignore|text|encode|separator|header|" CLG_PART_KEYS, clg_open_csv },
    { { "npz", "npz:FILE[,OPTION=VALUE]...",
        "an archive of NumPy with arrays x (also X, data, images) and y (also\n"
        "target, label), or x_train, y_train, x_test, y_test. Options:\n"
        "  x=NAME, y=NAME     names of the arrays\n"
        "  task=classes|regression\n"
        "                     what y is; else classes if it is whole numbers with\n"
        "                     at most 100 different values, or one-hot\n"
        "  layout=auto|plain|channels_last\n"
        "                     axes of pictures; auto finds channels at the end" },
      true, "x|y|task|layout|" CLG_PART_KEYS, clg_open_npz },
    { { "npy", "npy:X.npy,Y.npy[,OPTION=VALUE]...",
        "two arrays of NumPy; options task and layout as for npz" },
      true, "y|task|layout|" CLG_PART_KEYS, clg_open_npy },
    { { "cifar10", "cifar10:DIR",
        "the binary version of CIFAR-10: data_batch_1.bin and so on" },
      true, "", clg_open_cifar10 },
    { { "folder", "folder:DIR",
        "pictures by class, DIR/CLASS/*.png, .pgm or .ppm, all of one size; or\n"
        "DIR/train/CLASS/* and DIR/test/CLASS/*" },
      true, CLG_PART_KEYS, clg_open_folder },
    { { "linear", "linear[:n=200,noise=0.1,seed=0,...]",
        "y = <w,x> + b + noise; w=2,-3.4 and b=4.2, or features=N, w=..., b=..." },
      false, "n|features|noise|w|b|seed|" CLG_PART_KEYS, clg_open_linear },
    { { "poly", "poly[:n=200,noise=0.2,seed=0,features=1,...]",
        "y = 0.5 - x - x^2 + 2.5 x^3 + noise, or w=w0,w1,...; features=N gives\n"
        "the powers x, x^2, ... x^N to learn from" },
      false, "n|features|noise|w|seed|" CLG_PART_KEYS, clg_open_poly },
    { { "xor", "xor[:n=200,noise=0.1,seed=0,flip=0]",
        "the corners of a square; opposite ones are of one class. flip=F turns\n"
        "that fraction of the labels" },
      false, "n|noise|flip|seed|" CLG_PART_KEYS, clg_open_xor },
    { { "moons", "moons[:n=200,noise=0.1,seed=0,flip=0]",
        "two half circles that interlock" },
      false, "n|noise|flip|seed|" CLG_PART_KEYS, clg_open_moons },
    { { "clouds", "clouds[:n=200,margin=0.5,noise=1,seed=0,flip=0,features=2,...]",
        "two clouds; no point is nearer than the margin to the plane between\n"
        "them, which has a random direction or w=w1,w2,... and b=b" },
      false, "n|features|margin|noise|flip|w|b|seed|" CLG_PART_KEYS, clg_open_clouds },
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

const clg_dataset_kind *clg_dataset_kind_at(int i) {
    return i >= 0 && i < N_KINDS ? &kinds[i].about : NULL;
}

static const kind *find_kind(const char *spec) {
    const size_t n = clg_spec_kind(spec);
    for (int i = 0; i < N_KINDS; i++)
        if (strlen(kinds[i].about.name) == n && memcmp(kinds[i].about.name, spec, n) == 0) return &kinds[i];
    return NULL;
}

static void fail_unknown(const char *spec) {
    clg_str known = { 0 };
    for (int i = 0; i < N_KINDS; i++)
        clg_str_printf(&known, "%s%s%s", i > 0 ? ", " : "", kinds[i].about.name, kinds[i].path ? ":PATH" : "");
    clg_fail(CLG_ERR_INVALID, "dataset_open(%s): unknown data set; known are %s", spec ? spec : "NULL",
             clg_str_text(&known));
    clg_str_free(&known);
}

clg_dataset *clg_dataset_open(const char *given, enum clg_part part) {
    const kind *k = given ? find_kind(given) : NULL;
    clg_spec spec;
    if (!k) {
        fail_unknown(given);
        return NULL;
    }
    if (part != CLG_TRAIN && part != CLG_TEST) {
        clg_fail(CLG_ERR_INVALID, "dataset_open(%s): data sets have a training and a test part; clg_dataset_split() "
                 "takes a validation part from the training part", given);
        return NULL;
    }
    if (clg_spec_parse(given, k->path, k->keys, &spec) < 0) return NULL;
    clg_dataset *d = k->open(&spec, part);
    clg_spec_free(&spec);
    return d;
}

static clg_dataset *split(clg_dataset *d, const clg_spec *s, enum clg_part part) {
    clg_dataset *out = NULL;
    clg_split_params p = { .test = 0.2 };
    int64_t seed = 0;
    if (clg_spec_real(s, "test", 0, 1, &p.test) < 0) return NULL;
    if (clg_spec_integer(s, "split", 0, INT64_MAX, &seed) < 0) return NULL;
    p.seed = (uint64_t)seed;
    if (p.test == 0 && part == CLG_TRAIN) return clg_dataset_slice(d, 0, clg_dataset_size(d));
    if (p.test == 0) {
        clg_fail(CLG_ERR_INVALID, "%s: test=0 leaves nothing for a test part", s->given);
        return NULL;
    }
    if (clg_dataset_split(d, &p, part == CLG_TRAIN ? &out : NULL, NULL, part == CLG_TEST ? &out : NULL) < 0)
        clg_fail_context(clg_error_status(), "%s: ", s->given);
    return out;
}

clg_dataset *clg_take_part(clg_dataset *d, const clg_spec *s, enum clg_part part) {
    clg_dataset *out = d ? split(d, s, part) : NULL;
    clg_dataset_destroy(&d);
    return out;
}

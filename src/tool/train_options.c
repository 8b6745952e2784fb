/* The options of `clgrad train`: the recipe of a run, presets, and what the library makes of them. */
#include "tool/train.h"
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Trains a network on data with classes or with real targets, tests it on data it\n"
    "has never seen, and prints a line for each epoch (one pass over all training\n"
    "data). Without options it trains LeNet on the 6,400 handwritten digits inside\n"
    "this program, in a few seconds. Ctrl-C stops after the present step and saves; a\n"
    "second Ctrl-C stops at once.";

static const char outro[] =
    "Schedules (of the learning rate)\n"
    "  constant\n"
    "  step       times gamma (0.1) after each `every` steps (a third of all)\n"
    "  cosine     down half a cosine, to floor (0) times --lr\n"
    "  one_cycle  from start (0.04) up to --lr at the fraction peak (0.3) of the\n"
    "             steps, then down to floor\n"
    "  plateau    times gamma (0.1) after `patience` (5) epochs whose validation loss\n"
    "             was not lower, by `better` (0), but not below floor (0)\n"
    "Values follow the kind: --schedule step,every=1000,gamma=0.5\n"
    "\n"
    "Examples\n"
    "  clgrad train --plot curves.svg\n"
    "  clgrad train --data mnist:data --epochs 3 --save lenet.safetensors\n"
    "  clgrad train --resume lenet.safetensors --epochs 6\n"
    "  clgrad train --model mlp --hidden 128 --dropout 0.2 --optimizer adam\n"
    "  clgrad train --model mine.txt --val-fraction 0.1 --patience 5\n"
    "  clgrad train --data csv:houses.csv --model mlp --standardize\n"
    "  clgrad train --data mnist:data --preset mnist-99";

/* --- presets --- */

static const clg_train_preset presets[] = {
    {"lenet", "--model lenet --optimizer momentum --lr 0.01 --batch 64 --epochs 10", "LeNet: 0.99 on MNIST"},
    {"lenet-course", "--model lenet-course --optimizer sgd --lr 0.9 --batch 256 --epochs 10",
     "sigmoid, average pooling: 0.95 on MNIST, after epochs of nothing"},
    {"mlp", "--model mlp --hidden 256 --optimizer sgd --lr 0.1 --batch 64 --epochs 10", "784-256-10: 0.975 on MNIST"},
    {"mlp-dropout", "--model mlp --hidden 256 --optimizer sgd --lr 0.1 --batch 64 --epochs 10 --dropout 0.5 "
     "--weight-decay 1e-4", "the same with dropout and weight decay"},
    {"mnist-99", "--model lenet --optimizer momentum --lr 0.05 --batch 64 --epochs 15 --schedule one_cycle "
     "--augment shift=2 --weight-decay 5e-4", "LeNet, shifted pictures, one cycle: 0.993 on MNIST"},
};

const clg_train_preset *clg_train_preset_at(int i) {
    return i >= 0 && i < (int)(sizeof presets / sizeof *presets) ? &presets[i] : NULL;
}

/* --- the tables --- */

void clg_train_recipe(clg_train_options *o, clg_opt *table) {
    const clg_opt rows[] = {
        {CLG_OPT_TITLE, .help = "What to train"},
        {CLG_OPT_TEXT, "data", "SPEC", &o->data, "data set: digits (built in), mnist:DIR, cifar10:DIR,\n"
         "csv:FILE, npz:FILE, npy:X,Y, folder:DIR, or made by\na formula: linear, xor, poly, moons, clouds (default\n"
         "digits); clgrad data --help explains them"},
        CLG_NETWORK_MODEL(o->network),
        CLG_NETWORK_OPTIONS(o->network),
        {CLG_OPT_FLAG, "standardize", NULL, &o->standardize, "give each feature mean 0 and deviation 1, by the\n"
         "training part"},
        {CLG_OPT_REAL, "val-fraction", "X", &o->val_fraction, "keep this part of the training data for validation\n"
         "after each epoch", 0, 0.9},
        {CLG_OPT_TEXT, "augment", "A,B=X,...", &o->augment, "change pictures while training: shift=PIXELS or\n"
         "crop=PIXELS (zeros around, and a random window: the\nsame), flip (left-right), noise=DEVIATION"},
        {CLG_OPT_TITLE, .help = "How to train"},
        {CLG_OPT_INT, "epochs", "N", &o->epochs, "passes over the training data\n(default 15 for digits, else "
         "1500 steps, 3 to 200)", 1, CLG_MAX_EPOCHS},
        {CLG_OPT_INT, "batch", "N", &o->batch, "items in one step (default 64, or all if there are\nfewer)", 1,
         CLG_MAX_BATCH},
        {CLG_OPT_INT, "accumulate", "N", &o->accumulate, "batches whose gradients are averaged for a step of\n"
         "the optimizer", 1, 1e6},
        {CLG_OPT_CHOICE, "optimizer", "sgd|momentum|nesterov|adagrad|rmsprop|adam|adamw", &o->optimizer,
         "the training rule (default momentum, which is SGD\nwith momentum 0.9)"},
        {CLG_OPT_REAL, "lr", "X", &o->lr, "learning rate: the length of a step\n(default 0.01; adam, adamw 0.001)",
         1e-30, 1e30},
        {CLG_OPT_REAL, "momentum", "X", &o->momentum, "of sgd, momentum, nesterov and rmsprop", 0, 0.9999},
        {CLG_OPT_TEXT, "schedule", "KIND,...", &o->schedule, "how the learning rate changes: see the end of\nclgrad "
         "train --help"},
        {CLG_OPT_INT, "warmup", "N", &o->warmup, "steps in which the learning rate rises from near 0", 1, 1e9},
        {CLG_OPT_REAL, "weight-decay", "X", &o->weight_decay, "in each step, shrink weights (not biases) by\nlr times "
         "this", 0, 1e6},
        {CLG_OPT_REAL, "l2", "X", &o->l2, "add the penalty X/2 |w|^2 of the weights to the loss", 0, 1e6},
        {CLG_OPT_REAL, "max-norm", "X", &o->max_norm, "keep |w|^2 of each weight tensor at X at most", 1e-30, 1e30},
        {CLG_OPT_REAL, "clip-norm", "X", &o->clip_norm, "shorten the gradient to this length", 1e-30, 1e30},
        {CLG_OPT_REAL, "clip-value", "X", &o->clip_value, "clip each element of the gradient to +-X", 1e-30, 1e30},
        {CLG_OPT_INT, "patience", "N", &o->patience, "stop when the validation loss has not fallen for N\nepochs, and "
         "take the best weights", 1, CLG_MAX_EPOCHS},
        {CLG_OPT_FLAG, "keep-best", NULL, &o->keep_best, "take the weights with the lowest validation loss"},
        {CLG_OPT_SEED, "seed", "N", &o->seed, "fixes initial weights, the order of the items,\nvalidation part, "
         "dropout and augmentation: the same\ncommand gives the same bits", .given = &o->seed_given},
        {CLG_OPT_END}};
    _Static_assert(sizeof rows <= CLG_RECIPE_ROWS * sizeof *rows, "raise CLG_RECIPE_ROWS");
    memcpy(table, rows, sizeof rows);
}

void clg_train_table(clg_train_options *o, clg_opt *table) {
    const clg_opt rows[] = {
        {CLG_OPT_TEXT, "preset", "NAME", &o->preset, "options that are known to work, before all others;\nsee below"},
        {CLG_OPT_TEXT, "device", "D,...", &o->out.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the "
         "best);\nseveral share each batch: gpu,cpu or\npocl#0/2,pocl#1/2"},
        {CLG_OPT_TEXT, "split", "N,...", &o->out.split, "rows of a batch for each of several devices, for the\nsame "
         "bits each time (default: by the speeds of the\nfirst steps)"},
        {CLG_OPT_CHOICE, "on-failure", "drop|stop", &o->out.on_failure, "when one of several devices fails: go on "
         "without it\n(the default), or save and stop"},
        {CLG_OPT_TITLE, .help = "What to keep"},
        {CLG_OPT_TEXT, "save", "FILE", &o->out.save, "write a checkpoint (safetensors) after each epoch\nand on "
         "Ctrl-C"},
        {CLG_OPT_TEXT, "resume", "FILE", &o->out.resume, "go on from a checkpoint with its options, to the\n"
         "same bits as without the break; only --epochs and a\nmoved --data may differ. Saves to FILE unless --save\n"
         "says otherwise, and appends to the --json file"},
        {CLG_OPT_TEXT, "plot", "FILE", &o->out.plot, "draw loss and accuracy over the epochs (SVG)"},
        {CLG_OPT_TEXT, "report", "FILE", &o->out.report, "write one HTML page with result, configuration,\n"
         "curves and pictures of what was learned"},
        {CLG_OPT_TEXT, "json", "FILE", &o->out.json, "write a JSON line for each epoch and one at the\nend; - is "
         "stdout"},
        {CLG_OPT_TEXT, "trace", "FILE", &o->out.trace.path, "write when each command ran on each device, and\n"
         "what the host did, for chrome://tracing or\nui.perfetto.dev"},
        {CLG_OPT_TEXT, "trace-steps", "A..B", &o->out.trace.steps, "the steps in the trace, counted from 1 in this "
         "process\n(default " CLG_TRACED_STEPS ")"},
        {CLG_OPT_INT, "kfold", "K", &o->out.kfold, "first judge the recipe by cross-validation: K parts of\nthe "
         "training data take turns as validation part", 2, 1e6},
        {CLG_OPT_INT, "stop-after", "N", &o->out.stop_after, "stop after N batches as Ctrl-C does, for limited\ntime "
         "slots", 1, 1e15},
        {CLG_OPT_END}};
    _Static_assert(sizeof rows <= (CLG_TRAIN_ROWS - CLG_RECIPE_ROWS) * sizeof *rows, "raise CLG_TRAIN_ROWS");
    clg_train_recipe(o, table);
    while (table->kind != CLG_OPT_END) table++;
    memcpy(table, rows, sizeof rows);
}

clg_train_options clg_train_defaults(void) {
    return (clg_train_options){.network = CLG_NETWORK_NONE, .lr = NAN, .momentum = NAN, .weight_decay = NAN, .l2 = NAN,
                               .max_norm = NAN, .clip_norm = NAN, .clip_value = NAN, .val_fraction = NAN, .seed = 1};
}

/* --- reading --- */

/* The value of --preset in a command line; NULL: none. */
static const char *find_preset(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--preset=", 9) == 0) return argv[i] + 9;
        if (strcmp(argv[i], "--preset") == 0 && i + 1 < argc) return argv[i + 1];
    }
    return NULL;
}

/* argv with the words of a preset's options behind argv[0]. They share one block with the array; NULL: no memory. */
static char **with_preset(const char *options, int *argc, char **argv) {
    const size_t most = (size_t)*argc + strlen(options) / 2 + 2;
    char **all = malloc(most * sizeof *all + strlen(options) + 1);
    if (!all) return NULL;
    char *words = (char *)(all + most);
    int n = 0;
    strcpy(words, options);
    all[n++] = argv[0];
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) all[n++] = w;
    for (int i = 1; i < *argc; i++) all[n++] = argv[i];
    all[n] = NULL;
    *argc = n;
    return all;
}

static int unknown_preset(const char *name) {
    char names[400] = "";
    for (size_t i = 0; clg_train_preset_at((int)i); i++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", presets[i].name);
    }
    return clg_tool_error(CLG_EXIT_USAGE, "train: --preset %s: there are %s", name, names);
}

/* What --help prints behind the options: the presets, then the rest. */
static char *make_outro(void) {
    const size_t room = 4096;
    char *text = malloc(room);
    size_t n = 0;
    if (!text) return NULL;
    n += (size_t)snprintf(text + n, room - n, "Presets\n");
    for (int i = 0; clg_train_preset_at(i); i++)
        n += (size_t)snprintf(text + n, room - n, "  %-14s%s\n", presets[i].name, presets[i].summary);
    snprintf(text + n, room - n, "\n%s", outro);
    return text;
}

int clg_train_parse(clg_train_options *o, int argc, char **argv) {
    static char **kept; /* texts of *o point into the words of a preset, as into argv */
    clg_opt table[CLG_TRAIN_ROWS];
    const char *name = find_preset(argc, argv);
    const clg_train_preset *p = presets;
    if (name) {
        const clg_train_preset *const end = presets + sizeof presets / sizeof *presets;
        while (p < end && strcmp(p->name, name) != 0) p++;
        if (p == end) return unknown_preset(name);
        argv = kept = with_preset(p->options, &argc, argv);
        if (!kept) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    }
    clg_train_table(o, table);
    char *text = make_outro();
    const clg_usage usage = {.synopsis = "clgrad train [OPTIONS]", .intro = intro, .options = table, .outro = text,
                             .trains = true};
    const int code = clg_opt_parse(&usage, argc, argv);
    free(text);
    return code;
}

/* --- what the library makes of it --- */

/* A value of a list "WORD,KEY=X,FLAG". */
typedef struct key {
    const char *name;
    int64_t *whole;
    double  *real;
    bool    *flag;
} key;

static int bad_list(const char *option, const char *text, const char *what, const key *keys) {
    char names[200] = "";
    for (const key *k = keys; k->name; k++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s%s", n ? ", " : "", k->name, k->flag ? "" : "=");
    }
    return clg_tool_error(CLG_EXIT_USAGE, "train: --%s %s: %s; there may be %s", option, text, what,
                          names[0] ? names : "nothing else");
}

static bool set_key(const key *k, const char *value) {
    char *end = NULL;
    if (k->flag) {
        *k->flag = true;
        return !*value;
    }
    if (k->whole) *k->whole = strtoll(value, &end, 10);
    else *k->real = strtod(value, &end);
    return end != value && *end == 0 && (k->whole ? *k->whole >= 0 : isfinite(*k->real) && *k->real >= 0);
}

/* Reads "KEY=X,FLAG,..." from `list` on; text is the whole value, for messages. */
static int read_list(const char *option, const char *text, const char *list, const key *keys) {
    char word[80], what[120];
    while (*list) {
        const size_t n = strcspn(list, ","), named = strcspn(list, ",=");
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), list);
        const char *value = named < n && n < sizeof word ? word + named + 1 : "";
        const key *k = keys;
        while (k->name && (strlen(k->name) != named || strncmp(k->name, list, named) != 0)) k++;
        snprintf(what, sizeof what, k->name ? "\"%s\" has no value that fits" : "\"%s\" is not known", word);
        if (!k->name || !set_key(k, value)) return bad_list(option, text, what, keys);
        list += n + (list[n] == ',');
    }
    return CLG_EXIT_OK;
}

static int read_augment(const char *text, clg_augment_params *a) {
    const key keys[] = {{"shift", .whole = &a->shift}, {"crop", .whole = &a->crop}, {"flip", .flag = &a->flip},
                        {"noise", .real = &a->noise}, {NULL}};
    return text ? read_list("augment", text, text, keys) : CLG_EXIT_OK;
}

static int read_schedule(const char *text, clg_schedule *s) {
    const key none[] = {{NULL}};
    const key step[] = {{"every", .whole = &s->every}, {"gamma", .real = &s->gamma}, {NULL}};
    const key cosine[] = {{"floor", .real = &s->floor}, {NULL}};
    const key cycle[] = {{"peak", .real = &s->peak}, {"start", .real = &s->start}, {"floor", .real = &s->floor},
                         {NULL}};
    const key plateau[] = {{"patience", .whole = &s->patience}, {"gamma", .real = &s->gamma},
                           {"better", .real = &s->better}, {"floor", .real = &s->floor}, {NULL}};
    const struct { const char *name; enum clg_lr_kind kind; const key *keys; } kinds[] = {
        {"constant", CLG_LR_CONSTANT, none}, {"step", CLG_LR_STEP, step}, {"cosine", CLG_LR_COSINE, cosine},
        {"one_cycle", CLG_LR_ONE_CYCLE, cycle}, {"plateau", CLG_LR_PLATEAU, plateau}};
    if (!text) return CLG_EXIT_OK;
    const size_t n = strcspn(text, ",");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == n && strncmp(kinds[i].name, text, n) == 0) {
            s->kind = kinds[i].kind;
            return read_list("schedule", text, text + n + (text[n] == ','), kinds[i].keys);
        }
    return clg_tool_error(CLG_EXIT_USAGE, "train: --schedule %s: is none of constant, step, cosine, one_cycle, plateau",
                          text);
}

static double or_zero(double x) {
    return isnan(x) ? 0 : x;
}

int clg_train_params(const clg_train_options *o, clg_fit_params *p) {
    *p = (clg_fit_params){.epochs = o->epochs, .batch = o->batch, .accumulate = o->accumulate,
                          .optimizer = o->optimizer, .seed = o->seed, .patience = o->patience,
                          .keep_best = o->keep_best, .save = o->out.save};
    p->optim = (clg_optim_params){.lr = or_zero(o->lr), .momentum = or_zero(o->momentum),
                                  .weight_decay = or_zero(o->weight_decay), .l2 = or_zero(o->l2),
                                  .max_norm2 = or_zero(o->max_norm), .clip_norm = or_zero(o->clip_norm),
                                  .clip_value = or_zero(o->clip_value)};
    p->schedule.warmup = o->warmup;
    const int code = read_augment(o->augment, &p->augment);
    if (code != CLG_EXIT_OK) return code;
    const int schedule = read_schedule(o->schedule, &p->schedule);
    if (schedule != CLG_EXIT_OK) return schedule;
    if (clg_schedule_check(&p->schedule) < 0) {
        clg_tool_fail();
        return CLG_EXIT_USAGE;
    }
    return CLG_EXIT_OK;
}

void clg_train_suit(clg_train_options *o, const clg_dataset *d, int64_t items) {
    enum { STEPS = 1500, LEAST = 3, MOST = 200 };
    if (!o->data) o->data = "digits";
    if (!o->optimizer) o->optimizer = "momentum";
    if (isnan(o->lr)) o->lr = clg_optimizer_default_lr(o->optimizer);
    if (!o->network.model && clg_dataset_shape(d).ndim == 1) o->network.model = "mlp";
    if (o->batch == 0) o->batch = items < CLG_USUAL_BATCH ? items : CLG_USUAL_BATCH;
    if (o->epochs > 0) return;
    const int64_t epochs = STEPS / ((items + o->batch - 1) / o->batch);
    o->epochs = strcmp(o->data, "digits") == 0 ? 15 : epochs < LEAST ? LEAST : epochs > MOST ? MOST : epochs;
}

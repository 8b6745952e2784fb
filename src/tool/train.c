/* `clgrad train`: options, data, device, first plan; then clg_train_run(). */
#include "tool/train.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char intro[] =
    "Trains a network that tells pictures apart, tests it on pictures it has never\n"
    "seen, and prints a line for each epoch (one pass over all training pictures).\n"
    "Without options it trains LeNet on the 6,400 handwritten digits inside this\n"
    "program, in a few seconds. Ctrl-C stops after the present step and saves; a\n"
    "second Ctrl-C stops at once.";

static const char outro[] =
    "Data sets (SPEC)\n"
    "  digits     6,400 training and 1,000 test pictures of MNIST, built in\n"
    "  mnist:DIR  a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte,\n"
    "             t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each as it is or\n"
    "             with .gz; Fashion-MNIST has the same form\n"
    "\n"
    "Models\n"
    "  lenet      two convolutions with pooling, then layers of 120, 84 and 10\n"
    "  mlp        fully connected hidden layers of the sizes of --hidden\n"
    "  softmax    one linear layer: multinomial logistic regression\n"
    "\n"
    "Examples\n"
    "  clgrad train --plot curves.svg\n"
    "  clgrad train --data mnist:data --epochs 3 --save lenet.safetensors\n"
    "  clgrad train --resume lenet.safetensors --epochs 6\n"
    "  clgrad train --model mlp --hidden 128 --dropout 0.2 --optimizer adam\n"
    "  clgrad train --activation sigmoid --pooling avg --optimizer adam --lr 0.001";

/* --- options --- */

static int parse(clg_train_options *o, int argc, char **argv) {
    bool *g = o->given;
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "What to train"},
        {CLG_OPT_TEXT, "data", "SPEC", &o->data, "data set: digits or mnist:DIR", 0, 0, &g[CLG_GIVEN_DATA]},
        {CLG_OPT_CHOICE, "model", CLG_MODELS, &o->model.name, "see below", 0, 0, &g[0]},
        CLG_MODEL_OPTIONS(o->model, g),
        {CLG_OPT_TITLE, .help = "How to train"},
        {CLG_OPT_INT, "epochs", "N", &o->epochs, "passes over the training pictures\n(default 15 for digits, "
         "else 3)", 1, CLG_MAX_EPOCHS, &g[CLG_GIVEN_EPOCHS]},
        {CLG_OPT_INT, "batch", "N", &o->batch, "pictures in one step", 1, CLG_MAX_BATCH, &g[CLG_GIVEN_BATCH]},
        {CLG_OPT_CHOICE, "optimizer", CLG_OPTIMIZERS, &o->optimizer, "sgd is plain, momentum is SGD with momentum 0.9",
         0, 0, &g[CLG_GIVEN_OPTIMIZER]},
        {CLG_OPT_REAL, "lr", "X", &o->lr, "learning rate: the length of a step\n(default 0.01; adam 0.001)", 1e-30,
         1e30, &g[CLG_GIVEN_LR]},
        {CLG_OPT_REAL, "weight-decay", "X", &o->weight_decay, "in each step, shrink weights (not biases) by\nlr times "
         "this", 0, 1e6, &g[CLG_GIVEN_DECAY]},
        {CLG_OPT_REAL, "val-fraction", "X", &o->val_fraction, "keep this part of the training pictures, the last\n"
         "ones, for validation after each epoch", 0, 0.9, &g[CLG_GIVEN_VAL]},
        {CLG_OPT_SEED, "seed", "N", &o->seed, "fixes initial weights, the order of the pictures\nand dropout: the same "
         "command gives the same bits", 0, 0, &g[CLG_GIVEN_SEED]},
        {CLG_OPT_TEXT, "device", "D", &o->device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_TITLE, .help = "What to keep"},
        {CLG_OPT_TEXT, "save", "FILE", &o->save, "write a checkpoint (safetensors) after each epoch\nand on Ctrl-C",
         .given = NULL},
        {CLG_OPT_TEXT, "resume", "FILE", &o->resume, "go on from a checkpoint with its options, to the\n"
         "same bits as without the break; only --epochs and a\nmoved --data may differ. Saves to FILE unless --save\n"
         "says otherwise, and appends to the --json file", .given = NULL},
        {CLG_OPT_TEXT, "plot", "FILE", &o->plot, "draw loss and accuracy over the epochs (SVG)", .given = NULL},
        {CLG_OPT_TEXT, "json", "FILE", &o->json, "write a JSON line for each epoch and one at the\nend; - is stdout",
         .given = NULL},
        {CLG_OPT_INT, "stop-after", "N", &o->stop_after, "stop after N steps as Ctrl-C does, for limited time\nslots",
         1, 1e15, NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {.synopsis = "clgrad train [OPTIONS]", .intro = intro, .options = options, .outro = outro,
                             .trains = true};
    const int code = clg_opt_parse(&usage, argc, argv);
    return code >= 0 ? code : clg_model_check(&o->model, g, argv[0]);
}

static void fill_defaults(clg_train_options *o) {
    if (isnan(o->lr)) o->lr = strcmp(o->optimizer, "adam") == 0 ? 0.001 : 0.01;
    if (o->epochs == 0) o->epochs = strcmp(o->data, "digits") == 0 ? 15 : 3;
}

/* A file that will be written at the end should not turn out to be impossible only then. */
static int check_output(const char *option, const char *path) {
    if (!path) return CLG_EXIT_OK;
    const char *slash = strrchr(path, '/');
    const int n = slash ? (int)(slash - path) : 0;
    char *dir = malloc((size_t)n + 2);
    if (!dir) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    snprintf(dir, (size_t)n + 2, "%.*s", slash ? (n ? n : 1) : 1, slash ? path : ".");
    const bool ok = access(dir, W_OK | X_OK) == 0;
    const int error = errno;
    free(dir);
    return ok ? CLG_EXIT_OK
              : clg_tool_error(CLG_EXIT_FILE, "--%s %s: cannot write there: %s", option, path, strerror(error));
}

/* --- data --- */

static int open_data(clg_run_state *t) {
    const clg_train_options *o = &t->o;
    t->all = clg_dataset_open(o->data, CLG_TRAIN);
    t->test = t->all ? clg_dataset_open(o->data, CLG_TEST) : NULL;
    if (!t->test) {
        const int code = clg_tool_fail();
        return clg_error_status() == CLG_ERR_INVALID ? CLG_EXIT_USAGE : code;
    }
    const int64_t n = clg_dataset_size(t->all), n_val = (int64_t)((double)n * o->val_fraction);
    if (n_val > 0) {
        t->val = clg_dataset_slice(t->all, n - n_val, n_val);
        if (!t->val) return clg_tool_fail();
    }
    t->train = clg_dataset_slice(t->all, 0, n - n_val);
    return t->train ? CLG_EXIT_OK : clg_tool_fail();
}

/* A new model is made for the data; a resumed one must fit it. */
static int fit_model(clg_run_state *t) {
    if (!t->o.resume) {
        t->o.model.classes = clg_dataset_classes(t->all);
        t->o.model.item = clg_dataset_shape(t->all);
    }
    const int code = clg_model_fits(&t->o.model, t->o.data, t->all);
    return code == CLG_EXIT_OK ? clg_model_fits(&t->o.model, t->o.data, t->test) : code;
}

/* --- device and first plan --- */

static void print_start(const clg_run_state *t, const clg_train_part *p) {
    const clg_train_options *o = &t->o;
    const clg_net_spec *m = &o->model;
    clg_device_info d;
    clg_plan_info i;
    clg_device_stats s;
    clg_device_get_info(t->dev, &d);
    clg_plan_get_info(p->plan, &i);
    clg_device_get_stats(t->dev, &s);
    fprintf(t->table, "device   %s (%s)\n", d.name, d.platform);
    fprintf(t->table, "data     %s: %lld training, ", o->data, (long long)clg_dataset_size(t->train));
    if (t->val) fprintf(t->table, "%lld validation, ", (long long)clg_dataset_size(t->val));
    fprintf(t->table, "%lld test pictures of %lldx%lld, %lld classes\n", (long long)clg_dataset_size(t->test),
            (long long)m->item.dim[1], (long long)m->item.dim[2], (long long)m->classes);
    fprintf(t->table, "model    %s, %lld weights; %s, lr %g, batch %lld, seed %llu\n", m->name,
            (long long)clg_net_weights(&p->net), o->optimizer, o->lr, (long long)o->batch,
            (unsigned long long)o->seed);
    fprintf(t->table, "plan     %d launches a step, %.1f MB of device memory (%.2f MB of intermediates; %.2f MB "
            "without reuse)\n", i.n_steps, (double)s.mem_peak / 1e6, (double)i.bytes_arena / 1e6,
            (double)i.bytes_without_reuse / 1e6);
    if (t->epoch > 0 || t->item > 0)
        fprintf(t->table, "resume   %s: %lld epochs and %lld pictures are done\n", o->resume, (long long)t->epoch,
                (long long)t->item);
    fflush(t->table);
}

static int open_device(clg_run_state *t) {
    clg_progress_note("preparing (the first run on a device compiles its kernels)");
    t->dev = clg_device_open(t->o.device, NULL);
    if (!t->dev) return clg_tool_fail();
    t->store = clg_store_create(t->dev, t->o.seed);
    if (!t->store) return clg_tool_fail();
    t->eval = (clg_evaluator){.model = &t->o.model, .dev = t->dev, .store = t->store};
    const int64_t n = clg_dataset_size(t->train);
    const clg_train_part *p = clg_train_part_for(t, t->o.batch < n ? t->o.batch : n);
    if (!p) return clg_tool_fail();
    const int code = t->o.resume ? clg_train_resume_tensors(t) : CLG_EXIT_OK;
    clg_progress_note(NULL);
    if (code != CLG_EXIT_OK) return code;
    print_start(t, p);
    clg_progress_note("preparing (the first run on a device compiles its kernels)");
    return code;
}

/* --- all of it --- */

static int train(clg_run_state *t) {
    int code = t->o.resume ? clg_train_resume_options(t) : CLG_EXIT_OK;
    if (code != CLG_EXIT_OK) return code;
    fill_defaults(&t->o);
    if (!t->history) t->history = calloc((size_t)t->o.epochs + 1, sizeof *t->history);
    if (!t->history) return clg_tool_error(CLG_EXIT_FAILED, "no memory");
    code = check_output("save", t->o.save);
    if (code == CLG_EXIT_OK) code = check_output("plot", t->o.plot);
    if (code == CLG_EXIT_OK) code = open_data(t);
    if (code == CLG_EXIT_OK) code = fit_model(t);
    if (code == CLG_EXIT_OK) code = open_device(t);
    if (code == CLG_EXIT_OK) code = (t->o.resume ? clg_jsonl_append : clg_jsonl_open)(t->o.json, &t->json);
    return code == CLG_EXIT_OK ? clg_train_run(t) : code;
}

static void release(clg_run_state *t) {
    for (int i = 0; i < 2; i++) {
        clg_plan_destroy(&t->part[i].plan);
        clg_net_free(&t->part[i].net);
        json_decref(t->meta[i]);
    }
    clg_evaluator_free(&t->eval);
    clg_dataset_destroy(&t->train);
    clg_dataset_destroy(&t->val);
    clg_dataset_destroy(&t->all);
    clg_dataset_destroy(&t->test);
    clg_store_destroy(&t->store);
    clg_device_destroy(&t->dev);
    clg_jsonl_close(&t->json);
    free(t->history);
}

int clg_cmd_train(int argc, char **argv) {
    clg_run_state t = {.o = {.model = CLG_MODEL_DEFAULT, .data = "digits", .optimizer = "momentum", .batch = 64,
                           .lr = NAN, .seed = 1},
                     .first_step = NAN};
    int code = parse(&t.o, argc, argv);
    if (code >= 0) return code;
    t.table = clg_jsonl_table(t.o.json);
    code = train(&t);
    release(&t);
    return code;
}

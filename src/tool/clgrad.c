/* The clgrad program: finds the subcommand and runs it. */
#include "tool/tool.h"
#include <string.h>

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const clg_command commands[] = {
    {"train", "train a network, save it, draw its curves", clg_cmd_train},
    {"eval", "how good a saved network is: loss, accuracy, each class", clg_cmd_eval},
    {"show", "pictures of a saved network: filters, feature maps, answers", clg_cmd_show},
    {"predict", "what a saved network takes pictures for", clg_cmd_predict},
    {"select", "try many settings, print which is best", clg_cmd_select},
    {"curve", "error against data, size of the model, or weight decay", clg_cmd_curve},
    {"data", "what data sets there are, and what is in one", clg_cmd_data},
    {"perceptron", "train a perceptron by its own rule; the bound on its mistakes", clg_cmd_perceptron},
    {"separable", "which labelings a linear classifier can realise at all", clg_cmd_separable},
    {"devices", "what is here to compute on, and what would be chosen", clg_cmd_devices},
    {"doctor", "check every operation on a device against the reference", clg_cmd_doctor},
    {"filter", "lay a filter over a picture: edges, blur, your own", clg_cmd_filter},
    {"models", "the networks that are known, and the words to write others", clg_cmd_models},
    {"ops", "the table of operations: formulas, shapes, gradients", clg_cmd_ops},
    {"plan", "print or draw what a model is compiled to", clg_cmd_plan},
    {"tune", "measure which kernels are the fastest on a device", clg_cmd_tune},
    {"bench", "measure a device: one file with all numbers", clg_cmd_bench},
    {"help", "this text, or that of a command: clgrad help train", cmd_help},
    {"version", "version of the program and its library", cmd_version},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const clg_command *find(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static void print_usage(FILE *to) {
    fprintf(to, "usage: clgrad COMMAND [OPTIONS]\n\n"
                "Deep learning on any OpenCL device. To see it work: clgrad train\n\nCommands\n");
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-12s%s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\nEvery command has --help.\n\nEnvironment\n"
                "  CLGRAD_DEVICE     the device, as --device (see clgrad devices --help)\n"
                "  CLGRAD_CACHE_DIR  where built programs and tuning records are kept (default ~/.cache/clgrad)\n"
                "  CLGRAD_TUNE       off: ignore what clgrad tune found; auto: tune what is new at once\n"
                "  CLGRAD_MEM_CAP    most device memory to use: bytes, or 512M, 2G\n"
                "  CLGRAD_LOG        none, error, warn, info, debug or trace (default warn)\n");
}

static int unknown(const char *name) {
    clg_tool_error(CLG_EXIT_USAGE, "%s is no command", name);
    print_usage(stderr);
    return CLG_EXIT_USAGE;
}

static int cmd_help(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return CLG_EXIT_OK;
    }
    const clg_command *c = find(argv[1]);
    if (!c) return unknown(argv[1]);
    char help[] = "--help";
    char *args[] = {argv[1], help, NULL};
    if (c->run != cmd_help) return c->run(2, args);
    print_usage(stdout);
    return CLG_EXIT_OK;
}

static int cmd_version(int argc, char **argv) {
    static const clg_opt none[] = {{CLG_OPT_END}};
    const clg_usage usage = {.synopsis = "clgrad version", .options = none,
                             .intro = "Prints the version of the program and its library."};
    const int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    printf("clgrad %s\n", clg_version());
    return CLG_EXIT_OK;
}

int main(int argc, char **argv) {
    clg_tool_start();
    if (argc < 2) {
        print_usage(stderr);
        return CLG_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    const clg_command *c = find(name);
    if (!c) return unknown(name);
    return c->run(argc - 1, argv + 1);
}

/* `clgrad plan`: what a model becomes on a device: the steps of its compiled plan and its memory. */
#include "tool/network.h"
#include <string.h>

static const char intro[] =
    "Compiles a model for a device and prints the plan: one line for each step (the\n"
    "operation, which implementation was chosen, shapes, work, memory traffic), then\n"
    "how device memory is shared. Nothing is trained. The model is one of the zoo or\n"
    "a file; clgrad models lists them, and the words of such files.";

static const char outro[] =
    "Examples\n"
    "  clgrad plan lenet\n"
    "  clgrad plan mlp --hidden 512 --inference --batch 1\n"
    "  clgrad plan resnet18 --input 3,32,32 --batch 8\n"
    "  clgrad plan lenet --format dot | dot -Tsvg > plan.svg";

typedef struct request {
    clg_network_options network;
    clg_model  *model;
    bool        inference;
    const char *device, *format;
    int64_t     batch;
} request;

static clg_status print_plan(const request *r, clg_device *dev, clg_store *store, clg_network *net) {
    if (clg_network_build(net, r->model, dev, store, r->batch) < 0) return clg_error_status();
    clg_tensor *step = r->inference ? NULL : clg_sgd(net->loss, clg_optim_params(.momentum = 0.9));
    clg_plan *plan = r->inference
                   ? clg_compile(net->graph, CLG_LIST(net->output), &(clg_plan_params){.inference = true})
                   : clg_compile(net->graph, CLG_LIST(net->loss, step), NULL);
    if (!plan) return clg_error_status();
    const enum clg_report_kind kind = strcmp(r->format, "json") == 0  ? CLG_REPORT_JSON
                               : strcmp(r->format, "dot") == 0 ? CLG_REPORT_DOT
                                                               : CLG_REPORT_TEXT;
    const clg_status s = clg_plan_report(plan, kind, stdout);
    clg_plan_destroy(&plan);
    return s;
}

static int run(const request *r) {
    clg_device *dev = clg_device_open(r->device, NULL);
    clg_store *store = dev ? clg_store_create(dev, 1) : NULL;
    clg_network net = {0};
    const int code = store && print_plan(r, dev, store, &net) == CLG_OK ? CLG_EXIT_OK : clg_tool_fail();
    clg_network_free(&net);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
    if (code == CLG_EXIT_OK && fflush(stdout) != 0)
        return clg_tool_error(CLG_EXIT_FILE, "plan: cannot write the report");
    return code;
}

int clg_cmd_plan(int argc, char **argv) {
    request r = {.network = CLG_NETWORK_NONE, .format = "text", .batch = 64};
    const char *name[2] = {NULL, NULL};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        CLG_NETWORK_OPTIONS(r.network),
        CLG_NETWORK_DATA(r.network),
        {CLG_OPT_INT, "batch", "N", &r.batch, "items in one step", 1, 65536, NULL},
        {CLG_OPT_FLAG, "inference", NULL, &r.inference, "only the way to the answer; else a training step",
         .given = NULL},
        {CLG_OPT_CHOICE, "format", "text|json|dot", &r.format, "how to print it; dot is for Graphviz", .given = NULL},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad plan NAME|FILE [OPTIONS]", intro, options, outro, name, 1};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (!name[0])
        return clg_tool_error(CLG_EXIT_USAGE, "plan: give a model, as in clgrad plan lenet; clgrad models lists them");
    r.network.model = name[0];
    code = clg_network_open(&r.network, argv[0], &r.model);
    if (code == CLG_EXIT_OK) code = clg_network_complete(&r.network, argv[0], &r.model);
    if (code == CLG_EXIT_OK) code = run(&r);
    clg_model_destroy(&r.model);
    return code;
}

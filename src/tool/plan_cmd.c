/* `clgrad plan`: what a model becomes on a device: the steps of its compiled plan and its memory. */
#include "tool/model.h"
#include <string.h>

static const char intro[] =
    "Compiles a model for a device and prints the plan: one line for each step (the\n"
    "operation, which implementation was chosen, shapes, work, memory traffic), then\n"
    "how device memory is shared. Nothing is trained; pictures are taken to be 28x28\n"
    "in 10 classes.";

static const char outro[] =
    "Examples\n"
    "  clgrad plan lenet\n"
    "  clgrad plan mlp --hidden 512 --inference --batch 1\n"
    "  clgrad plan lenet --format dot | dot -Tsvg > plan.svg";

typedef struct request {
    clg_net_spec   model;
    bool        given[CLG_MODEL_GIVEN], inference;
    const char *device, *format;
    int64_t     batch;
} request;

static clg_status print_plan(const request *r, clg_device *dev, clg_store *store, clg_net *net) {
    if (!clg_net_build(net, &r->model, dev, store, r->batch)) return clg_error_status();
    clg_tensor *step = r->inference ? NULL : clg_sgd(net->loss, clg_optim_params(.momentum = 0.9));
    clg_plan *plan = r->inference
                   ? clg_compile(net->graph, CLG_LIST(net->logits), &(clg_plan_params){.inference = true})
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
    clg_net net = {0};
    const int code = store && print_plan(r, dev, store, &net) == CLG_OK ? CLG_EXIT_OK : clg_tool_fail();
    clg_net_free(&net);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
    if (code == CLG_EXIT_OK && fflush(stdout) != 0)
        return clg_tool_error(CLG_EXIT_FILE, "plan: cannot write the report");
    return code;
}

int clg_cmd_plan(int argc, char **argv) {
    request r = {.model = CLG_MODEL_DEFAULT, .format = "text", .batch = 64};
    const char *name[2] = {NULL, NULL};
    const clg_opt options[] = {
        {CLG_OPT_TITLE, .help = "Options"},
        CLG_MODEL_OPTIONS(r.model, r.given),
        {CLG_OPT_INT, "batch", "N", &r.batch, "pictures in one step", 1, 65536, NULL},
        {CLG_OPT_FLAG, "inference", NULL, &r.inference, "only the way to the answer; else a training step",
         .given = NULL},
        {CLG_OPT_CHOICE, "format", "text|json|dot", &r.format, "how to print it; dot is for Graphviz", .given = NULL},
        {CLG_OPT_TEXT, "device", "D", &r.device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)",
         .given = NULL},
        {CLG_OPT_END}};
    const clg_usage usage = {"clgrad plan " CLG_MODELS " [OPTIONS]", intro, options, outro, name, 1};
    int code = clg_opt_parse(&usage, argc, argv);
    if (code >= 0) return code;
    if (!name[0] || !clg_opt_is_choice(CLG_MODELS, name[0]))
        return clg_tool_error(CLG_EXIT_USAGE, "plan: %s is no model; give one of " CLG_MODELS,
                              name[0] ? name[0] : "nothing");
    r.model.name = name[0];
    r.model.classes = 10;
    r.model.item = CLG_SHAPE(1, 28, 28);
    code = clg_model_check(&r.model, r.given, argv[0]);
    return code >= 0 ? code : run(&r);
}

/* The model of a command line: a name of the zoo with its options, or a file; and its graph for plan and tune. */
#include "tool/network.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool clg_network_given(const clg_network_options *o) {
    return o->model || o->activation || o->pooling || o->hidden || o->init || !isnan(o->dropout) || !isnan(o->width);
}

bool clg_network_in_zoo(const char *name) {
    for (int i = 0; clg_model_zoo_name(i); i++)
        if (strcmp(clg_model_zoo_name(i), name) == 0) return true;
    return false;
}

clg_zoo_params clg_network_zoo(const clg_network_options *o) {
    return (clg_zoo_params){.activation = o->activation, .pooling = o->pooling, .hidden = o->hidden, .init = o->init,
                            .width = isnan(o->width) ? 0 : o->width,
                            .dropout = isnan(o->dropout) ? 0 : o->dropout == 0 ? -1 : o->dropout};
}

static int unknown(const char *name, const char *command) {
    char names[512] = "";
    for (int i = 0; clg_model_zoo_name(i); i++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", clg_model_zoo_name(i));
    }
    return clg_tool_error(CLG_EXIT_USAGE, "%s: %s is no model and no file; there are %s; see clgrad models", command,
                          name, names);
}

int clg_network_open(const clg_network_options *o, const char *command, clg_model **out) {
    const char *const name = o->model ? o->model : "lenet";
    if (!clg_network_in_zoo(name)) {
        clg_network_options rest = *o;
        rest.model = NULL;
        if (!strpbrk(name, "./") && access(name, F_OK) != 0) return unknown(name, command);
        if (clg_network_given(&rest))
            return clg_tool_error(CLG_EXIT_USAGE, "%s: options that change a model are for those of the zoo; change %s "
                                  "itself", command, name);
        *out = clg_model_read(name);
        return *out ? CLG_EXIT_OK : clg_tool_fail();
    }
    const clg_zoo_params p = clg_network_zoo(o);
    *out = clg_model_zoo(name, &p);
    return *out ? CLG_EXIT_OK : clg_tool_fail_usage();
}

/* "1,28,28"; false: it is no shape of an item. */
static bool parse_shape(const char *text, clg_shape *out) {
    out->ndim = 0;
    for (;;) {
        char *end = NULL;
        const long v = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
        if (v < 1 || v > 1000000 || out->ndim == CLG_MAX_DIMS - 1) return false;
        out->dim[out->ndim++] = v;
        if (*end == 0) return true;
        if (*end != ',') return false;
        text = end + 1;
    }
}

int clg_network_complete(const clg_network_options *o, const char *command, clg_model **m) {
    const enum clg_model_loss loss = clg_model_loss(*m);
    clg_shape item = clg_model_item(*m);
    if (item.ndim < 0) item = CLG_SHAPE(1, 28, 28);
    if (o->input && !parse_shape(o->input, &item))
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --input %s: wants 1 to %d sizes, as in 3,32,32", command, o->input,
                              CLG_MAX_DIMS - 1);
    int classes = (int)o->classes, targets = 0;
    if (loss == CLG_LOSS_MSE) {
        targets = classes ? classes : clg_model_outputs(*m) ? (int)clg_model_outputs(*m) : 1;
        classes = 0;
    } else if (classes == 0) {
        classes = loss != CLG_LOSS_CROSS_ENTROPY ? 2 : clg_model_outputs(*m) ? (int)clg_model_outputs(*m) : 10;
    }
    clg_model *whole = clg_model_for(*m, item, classes, targets);
    if (!whole) {
        clg_tool_fail();
        return o->input || o->classes ? CLG_EXIT_USAGE : CLG_EXIT_FILE;
    }
    clg_model_destroy(m);
    *m = whole;
    return CLG_EXIT_OK;
}

clg_status clg_network_build(clg_network *net, const clg_model *m, clg_device *dev, clg_store *store, int64_t rows) {
    const clg_shape item = clg_model_item(m);
    clg_shape s = {item.ndim + 1, {rows}};
    for (int i = 0; i < item.ndim; i++) s.dim[i + 1] = item.dim[i];
    *net = (clg_network){.graph = clg_graph_create(dev, store)};
    if (!net->graph) return clg_error_status();
    net->output = clg_named(clg_model_build(m, clg_input(net->graph, "x", CLG_F32, s)), "output");
    net->loss = clg_named(clg_model_loss_of(m, net->output, clg_model_target(m, net->graph, "t", rows)), "loss");
    return CLG_OK;
}

void clg_network_free(clg_network *net) {
    clg_graph_destroy(&net->graph);
    *net = (clg_network){0};
}

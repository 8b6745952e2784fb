/* The model of a command line: a name of the zoo with its options, or a file; and its graph for plan and tune. */
#ifndef CLG_TOOL_NETWORK_H_
#define CLG_TOOL_NETWORK_H_

#include "tool/tool.h"

#include <math.h>

/** What was given; NULL, NaN and 0: nothing. */
typedef struct clg_network_options {
    const char *model; /* name or file; default lenet */
    const char *activation, *pooling, *hidden, *init;
    double      dropout, width;
    const char *input; /* "1,28,28"; for commands without data */
    int64_t     classes;
} clg_network_options;

#define CLG_NETWORK_NONE {.dropout = NAN, .width = NAN}

/** Rows of an option table for a clg_network_options o: the model itself; what changes a model of the zoo; what data
 *  would say. */
#define CLG_NETWORK_MODEL(o)                                                                                       \
    {CLG_OPT_TEXT, "model", "NAME|FILE", &(o).model, "a model of the zoo or a file that describes one; see\n"      \
     "clgrad models (default lenet; mlp for rows of numbers)"}
#define CLG_NETWORK_OPTIONS(o)                                                                                     \
    {CLG_OPT_TEXT, "activation", "WORD", &(o).activation, "after each hidden layer: relu, sigmoid, tanh, ..."},  \
    {CLG_OPT_CHOICE, "pooling", "max|avg", &(o).pooling, "how neighbours become one"},                             \
    {CLG_OPT_TEXT, "hidden", "A,B,...", &(o).hidden, "mlp: sizes of the hidden layers (default 256,256)"},         \
    {CLG_OPT_REAL, "dropout", "P", &(o).dropout, "in training, switch off units of the fully connected\n"          \
     "hidden layers with this probability", 0, 0.99},                                                              \
    {CLG_OPT_REAL, "width", "X", &(o).width, "as many times the channels and hidden units", 1e-3, 1e3},            \
    {CLG_OPT_TEXT, "init", "KIND", &(o).init, "how weights start: he, xavier, normal, uniform, zero\n(default "    \
     "he; xavier with sigmoid, tanh and their kin)"}
#define CLG_NETWORK_DATA(o)                                                                                        \
    {CLG_OPT_TEXT, "input", "C,H,W", &(o).input, "the shape of an item (default that of the file, else\n1,28,28)"}, \
    {CLG_OPT_INT, "classes", "N", &(o).classes, "classes to tell apart (default 10, or 2 where the\n"         \
     "loss is for two)", 1, 1e6}

/** Was anything about the model given, besides input and classes? */
bool clg_network_given(const clg_network_options *o);

/** Is this the name of a model of the zoo? */
bool clg_network_in_zoo(const char *name);

/** What the options change about a model of the zoo. */
clg_zoo_params clg_network_zoo(const clg_network_options *o);

/** The model that the options describe, open as its text leaves it. Returns 0 or an exit code after explaining. */
int clg_network_open(const clg_network_options *o, const char *command, clg_model **out);

/** Completes *m for the data that the options, or the defaults, speak of. Returns 0 or an exit code. */
int clg_network_complete(const clg_network_options *o, const char *command, clg_model **m);

/** A graph with a model and its loss over a batch. Freed by clg_network_free(). */
typedef struct clg_network {
    clg_graph  *graph;
    clg_tensor *output, *loss;
} clg_network;

/** Builds; mistakes stay in the graph until clg_compile() reports them. */
clg_status clg_network_build(clg_network *net, const clg_model *m, clg_device *dev, clg_store *store, int64_t rows);
void       clg_network_free(clg_network *net);

#endif /* CLG_TOOL_NETWORK_H_ */

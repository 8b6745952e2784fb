/* The models that the program trains, and everything that train, eval and plan share. */
#ifndef CLG_TOOL_MODEL_H_
#define CLG_TOOL_MODEL_H_

#include "tool/tool.h"

#define CLG_MODELS      "lenet|mlp|softmax"
#define CLG_ACTIVATIONS "relu|sigmoid|tanh"
#define CLG_POOLINGS    "max|avg"
#define CLG_OPTIMIZERS  "sgd|momentum|adam"

enum { CLG_MAX_HIDDEN = 8, CLG_EVAL_BATCH = 250 };

/** A model's description; travels as JSON in the metadata of a checkpoint. */
typedef struct clg_net_spec {
    const char *name, *activation, *pooling; /* one of the choices above */
    const char *hidden;                      /* mlp: "256,256" */
    double      dropout;
    int64_t     classes;
    clg_shape   item;                        /* of a picture: [1, 28, 28] */
} clg_net_spec;

/** The description with all defaults; classes and item are the data set's. */
#define CLG_MODEL_DEFAULT {.name = "lenet", .activation = "relu", .pooling = "max", .hidden = "256,256"}

/** Rows of an option table for a clg_net_spec m. given[0..4] tell which were given (model, activation, ...). */
#define CLG_MODEL_OPTIONS(m, given)                                                                              \
    {CLG_OPT_CHOICE, "activation", CLG_ACTIVATIONS, &(m).activation, "after each hidden layer", 0, 0,            \
     &(given)[1]},                                                                                               \
    {CLG_OPT_CHOICE, "pooling", CLG_POOLINGS, &(m).pooling, "lenet: how 2x2 neighbours become one", 0, 0,        \
     &(given)[2]},                                                                                               \
    {CLG_OPT_TEXT, "hidden", "A,B,...", &(m).hidden, "mlp: sizes of the hidden layers", 0, 0, &(given)[3]},      \
    {CLG_OPT_REAL, "dropout", "P", &(m).dropout, "in training, switch off units of the fully connected\n"       \
     "hidden layers with this probability", 0, 0.99, &(given)[4]}
enum { CLG_MODEL_GIVEN = 5 };

/** Explains options that mean nothing for this model (exit code), or returns -1. */
int clg_model_check(const clg_net_spec *m, const bool given[CLG_MODEL_GIVEN], const char *command);

/** Can the model be used on this data? Returns 0, or an exit code after explaining (size of pictures, labels). */
int clg_model_fits(const clg_net_spec *m, const char *spec, const clg_dataset *d);

/** A graph of the model for one batch size. Freed by clg_net_free(). */
typedef struct clg_net {
    clg_graph  *graph;
    clg_tensor *x, *t;          /* inputs: pictures f32 [rows, item...], labels i32 [rows] */
    clg_tensor *logits, *loss;  /* [rows, classes]; mean cross-entropy */
    clg_tensor *answer;         /* i32 [rows]: the class with the largest logit */
    int64_t     rows;
} clg_net;

/** Builds; mistakes stay in the graph until clg_compile() reports them. false: no graph could be made. */
bool clg_net_build(clg_net *net, const clg_net_spec *m, clg_device *dev, clg_store *store, int64_t rows);
void clg_net_free(clg_net *net);

/** Number of weights of the trainable params. */
int64_t clg_net_weights(const clg_net *net);

/** Description -> JSON object (new reference), and back. The strings of *m then belong to j, which must stay alive.
 *  Reading returns false if a field is missing or of no known value. */
json_t *clg_model_json(const clg_net_spec *m);
bool    clg_model_from_json(json_t *j, clg_net_spec *m);

/** Reads one metadata value of a checkpoint as JSON; NULL after explaining on stderr (*code is the exit code). */
json_t *clg_meta_json(const char *path, const char *key, int *code);

/** Loads every tensor that the store has from a checkpoint. Returns 0 or an exit code after explaining. */
int clg_checkpoint_load(clg_store *s, const char *path);

/* --- running over a data set without training (evaluate.c) --- */

/** Inference plans of a model, one for each batch size met (the full one and the last, smaller one). */
typedef struct clg_evaluator {
    const clg_net_spec *model;
    clg_device *dev;
    clg_store  *store;
    struct { clg_net net; clg_plan *plan; } part[2];
    int64_t     used; /* the slot to replace next */
} clg_evaluator;

typedef struct clg_net_score {
    double  loss, accuracy;
    int64_t n;
} clg_net_score;

/** Loss and accuracy over the first max items (0: all) in file order. confusion (classes x classes counts, row: true
 *  class, column: answer) may be NULL. Failures go to clg_error(). */
clg_status clg_net_evaluate(clg_evaluator *e, clg_dataset *d, int64_t max, clg_net_score *score, int64_t *confusion);
void       clg_evaluator_free(clg_evaluator *e);

/* --- curves (svg.c) --- */

/** What is known of a finished epoch; without a validation part its two values are NaN. */
typedef struct clg_run_epoch {
    double train_loss, train_accuracy, val_loss, val_accuracy;
} clg_run_epoch;

/** Draws loss and accuracy over the epochs 1 .. n as an SVG file. Returns 0 or an exit code after explaining. */
int clg_svg_plot(const char *path, const char *title, const clg_run_epoch *e, int n);

#endif /* CLG_TOOL_MODEL_H_ */

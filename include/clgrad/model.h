/* Models: a network as a list of layers, described by a small text; built into any graph, kept with its weights. */
#ifndef CLGRAD_MODEL_H_
#define CLGRAD_MODEL_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

/** A network's description: immutable, without weights. Thread-safety: may be shared by threads. */
typedef struct clg_model clg_model;

/** What a model's output f is compared with, t being the target; the mean over the batch is what training lowers.
 *  Labels t of 0 and 1 stand for y = 2 t - 1, -1 and 1. */
enum clg_model_loss {
    CLG_LOSS_CROSS_ENTROPY, /* f [N,C] logits, t i32 [N]: -log softmax(f)[t] */
    CLG_LOSS_LOGISTIC,      /* f [N,1], t i32 [N] of 0 or 1: log(1 + exp(-y f)) */
    CLG_LOSS_MSE,           /* f [N,K], t f32 or f64 [N,K]: (f - t)^2, mean over N and K */
    CLG_LOSS_HINGE,         /* f [N,1], t i32 [N] of 0 or 1: max(0, 1 - y f) */
    CLG_LOSS_PERCEPTRON     /* f [N,1], t i32 [N] of 0 or 1: max(0, -y f), with the subgradient -y where f = 0, so that
                               SGD moves weights of 0 as Rosenblatt's rule does */
};

/* --- the text --- */

/**
 * Reads a description, one layer a line; # starts a comment:
 *
 *     model mine                   # optional: a name for people, else that of the file
 *     input 1 28 28                # optional: the shape of an item; else that of the data
 *     init xavier                  # he (default), xavier, normal, uniform, zero
 *     conv 6 kernel=5 pad=2        # also stride= dilation= groups= bias=no name=
 *     sigmoid                      # relu tanh gelu silu leaky_relu ...
 *     avg_pool 2                   # max_pool; stride= pad=; global_avg_pool
 *     batch_norm                   # layer_norm ...
 *     dropout 0.5
 *     residual 64 stride=2         # a basic block of ResNet
 *     flatten
 *     linear 120                   # or linear outputs: as many as the data has classes or target values
 *     loss cross_entropy           # logistic, mse, hinge, perceptron; default: by the data
 *
 * clg_model_word_at() lists all words. Settings (model, input, init, loss) may stand anywhere; the order of all other
 * lines is that of the layers. Layers with weights are named conv1, conv2, fc1, bn1, ... in order, unless name= says
 * otherwise; their tensors are conv1.weight, conv1.bias, ... conv is 1-D, 2-D or 3-D by the rank of what it gets.
 *
 * name is for messages. Errors: CLG_ERR_FORMAT "NAME:LINE:COLUMN: what is wrong, and what is possible there"; also
 * where the text tells all sizes and a layer does not fit what it gets. CLG_ERR_NOMEM for more than 2^28 weights.
 */
CLG_API clg_model *clg_model_parse(const char *name, const char *text);
CLG_API clg_model *clg_model_read(const char *path); /* Errors: also CLG_ERR_IO */
CLG_API void       clg_model_destroy(clg_model **m);

/** A value that a line takes. */
typedef struct clg_model_arg {
    const char *name;      /* "kernel=" stands before its value; "CHANNELS" for the value alone, in this order */
    enum clg_model_arg_kind {
        CLG_MODEL_WHOLE,   /* a whole number */
        CLG_MODEL_OUTPUTS, /* a whole number, or the word outputs */
        CLG_MODEL_REAL,
        CLG_MODEL_SWITCH,  /* yes or no */
        CLG_MODEL_CHOICE   /* a word; settings only: the words stand in what */
    } kind;
    bool        required;
    double      low, high; /* inclusive */
    double      usual;     /* if it is left out (a switch: 1 is yes); 0 below low: what says it */
    const char *what;
} clg_model_arg;

/** A word that a line may begin with. */
typedef struct clg_model_word {
    const char *word;
    const char *what;
    const char *names;     /* "conv": layers are named conv1, conv2, ...; NULL: it has no weights */
    bool        setting;   /* no layer: model, input, init, loss */
    int         n_args;
    const clg_model_arg *arg;
} clg_model_word;

/** Word i of the grammar, for manuals and editors; NULL past the last. */
CLG_API const clg_model_word *clg_model_word_at(int i);

/** Writes how a line with this word looks, "max_pool KERNEL [stride=] [pad=]", cut to size bytes with the zero; what
 *  may be left out is in []. Returns the length without a cut. */
CLG_API size_t clg_model_form(const clg_model_word *w, char *text, size_t size);

/* --- the zoo --- */

/** Options of the models of the zoo; NULL or 0: the model's own. */
typedef struct clg_zoo_params {
    const char *activation;  /* a word of the text: relu, sigmoid, tanh, ... */
    const char *pooling;     /* max, avg */
    const char *hidden;      /* mlp: "256,128"; "" is none */
    const char *init;        /* a word of init; default by the activation: he for relu and its kin, else xavier */
    double      dropout;     /* probability, after each fully connected hidden layer; below 0: none */
    double      width;       /* factor on channels and hidden sizes; default 1 */
} clg_zoo_params;

#define clg_zoo_params(...) (&(const clg_zoo_params){__VA_ARGS__})

/**
 * A model of the zoo by name: linear, logistic, softmax, perceptron, mlp, lenet (modern: ReLU, max pooling),
 * lenet-course (sigmoid, average pooling, Xavier), cifar, resnet18 (for small pictures: 3x3 stem, no pooling),
 * resnet18-imagenet (7x7 stem and pooling). clg_model_text() is what one would write oneself.
 *
 * Errors: CLG_ERR_INVALID for an unknown name (lists the names) or an option that has no meaning for the model.
 */
CLG_API clg_model  *clg_model_zoo(const char *name, const clg_zoo_params *p);
CLG_API const char *clg_model_zoo_name(int i);    /* NULL past the last */
CLG_API const char *clg_model_zoo_summary(int i); /* one line for people */

/* --- a model for data --- */

/**
 * The same model for this data: fills in what the text leaves open (input shape, outputs, loss), and checks that each
 * layer fits what it gets. item: the shape of one item, as clg_dataset_shape(). classes 0: targets are real numbers,
 * `targets` of them an item. An open loss becomes cross_entropy for classes (logistic if the text ends in one output
 * and there are two classes), else mse. A cross_entropy model may have more outputs than there are classes.
 *
 * Errors: CLG_ERR_SHAPE "NAME:LINE:COLUMN: ..." if the text says otherwise or layers do not fit.
 */
CLG_API clg_model *clg_model_for(const clg_model *m, clg_shape item, int classes, int64_t targets);

CLG_API const char *clg_model_name(const clg_model *m);
/** Canonical: without comments and defaults; parses to the same model. Kept in checkpoints as metadata "model". */
CLG_API const char *clg_model_text(const clg_model *m);
CLG_API clg_shape   clg_model_item(const clg_model *m);    /* ndim -1: open */
CLG_API int64_t     clg_model_outputs(const clg_model *m); /* 0: open */
CLG_API enum clg_model_loss clg_model_loss(const clg_model *m); /* cross-entropy while open */
CLG_API const char *clg_model_loss_name(enum clg_model_loss l); /* "cross_entropy"; "?" for unknown values */
CLG_API int64_t     clg_model_weights(const clg_model *m); /* trainable numbers; 0 while input or outputs are open */

CLG_API int         clg_model_layers(const clg_model *m);  /* lines that build something */
/** Of layer i: its line, "conv 6 kernel=5 pad=2"; the name of its weights, "conv1" (NULL: it has none); the shape of
 *  its result for one item (ndim -1 while input or outputs are open). NULL for i out of range. */
CLG_API const char *clg_model_layer(const clg_model *m, int i);
CLG_API const char *clg_model_layer_name(const clg_model *m, int i);
CLG_API clg_shape   clg_model_layer_shape(const clg_model *m, int i);

/* --- in a graph --- */

/** Adds the layers to x's graph. Weights have the type of x: f32 or f64. Mistakes stay in the graph.
 *  Shapes: x [N, item...] -> [N, outputs] */
CLG_API clg_tensor *clg_model_build(const clg_model *m, clg_tensor *x);
/** The same; outputs of all layers go to layer (clg_model_layers() of them): for feature maps. */
CLG_API clg_tensor *clg_model_build_all(const clg_model *m, clg_tensor *x, clg_tensor **layer);

/** Target input for `rows` items: i32 [rows] for classes, f32 [rows, outputs] for CLG_LOSS_MSE. For doubles make an f64
 *  input of your own. */
CLG_API clg_tensor *clg_model_target(const clg_model *m, clg_graph *g, const char *name, int64_t rows);
/** The mean loss over the batch, a scalar of the output's type. */
CLG_API clg_tensor *clg_model_loss_of(const clg_model *m, clg_tensor *output, clg_tensor *target);
/** i32 [N]: the class an output means (largest logit; or 1 where f > 0). NULL for CLG_LOSS_MSE. */
CLG_API clg_tensor *clg_model_answer(const clg_model *m, clg_tensor *output);

CLG_END_DECLS

#endif /* CLGRAD_MODEL_H_ */

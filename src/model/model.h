/* Inside a model: its layers, each a row of the table of kinds with its values. */
#ifndef CLG_MODEL_MODEL_H_
#define CLG_MODEL_MODEL_H_

#include "base/arena.h"
#include "base/str.h"

#include <clgrad/model.h>

enum { CLG_LAYER_VALUES = 8, CLG_MODEL_MOST_LAYERS = 4096 };

typedef struct clg_layer clg_layer;

/** A kind of layer: one row is all that is to be said of it. */
typedef struct clg_kind {
    clg_model_word word;
    /** Adds the layer to the graph of x. Mistakes go to the graph: clg_graph_fail() or the ops' own. */
    clg_tensor *(*build)(const clg_layer *l, clg_tensor *x);
    bool activation, rectifies; /* an activation; one that HE is for */
} clg_kind;

/** A line that builds something. */
struct clg_layer {
    const clg_kind *kind;
    double      value[CLG_LAYER_VALUES]; /* of kind->word.arg, in order; CLG_MODEL_OUTPUTS: 0 is open */
    const char *name;                    /* of its weights; NULL: none */
    bool        named;                   /* by name= */
    const char *text;                    /* canonical */
    int         line, column;
    clg_shape   shape;                   /* of the result for one item; ndim -1: unknown */
};

struct clg_model {
    clg_arena   arena;    /* of all that follows */
    const char *source;   /* for messages: the file */
    const char *name;     /* for people */
    const char *text;
    bool        titled;   /* the name stands in the text */
    clg_shape   item;     /* ndim -1: open */
    int         input_line;
    enum clg_init init;
    bool        init_given;
    int         loss;     /* enum clg_model_loss; -1: open */
    int         loss_line;
    int64_t     outputs, weights;
    clg_layer  *layer;
    int         n;
};

/* --- kinds.c --- */

/** Is the value alone written, without a name? */
bool clg_arg_is_place(const clg_model_arg *a);

/** The kind that lines beginning with word are of; NULL: none. */
const clg_kind *clg_kind_find(const char *word);

/** Row i of the table; NULL past the last. */
const clg_kind *clg_kind_at(int i);

/* --- settings.c --- */

/** The words of init and loss, in order of their enums; NULL past the last. */
const char *clg_init_word(int i);
const char *clg_loss_word(int i);

/** Setting i, as a word of the grammar; NULL past the last. */
const clg_model_word *clg_setting_at(int i);

/* --- model.c --- */

/** Fills in texts, outputs, and, if all sizes are known, shapes and the number of weights; code is that of the error
 *  for layers that do not fit. */
clg_status clg_model_finish(clg_model *m, clg_status code);

#endif /* CLG_MODEL_MODEL_H_ */

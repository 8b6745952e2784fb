/* A checkpoint of `clgrad train`, opened to be asked: for eval and show. */
#ifndef CLG_TOOL_LOADED_H_
#define CLG_TOOL_LOADED_H_

#include "tool/train.h"

typedef struct clg_loaded {
    const char  *load, *data, *part, *device; /* as given; data NULL: that of the checkpoint; part: "test" or "train" */
    clg_train_options o;  /* of the checkpoint */
    json_t      *saved;   /* its texts */
    clg_model   *model;
    clg_dataset *set;     /* standardised as the training data was */
    clg_device  *dev;
    clg_store   *store;
    clg_trainer *trainer;
    clg_score    score;   /* what follows: of clg_loaded_measure() */
    int64_t     *confusion; /* classes x classes of set; NULL for real targets */
    float       *output;  /* [items of set, outputs] */
} clg_loaded;

/** Rows of an option table for a clg_loaded l. */
#define CLG_LOADED_OPTIONS(l)                                                                                        \
    {CLG_OPT_TEXT, "load", "FILE", &(l).load, "the checkpoint (required)"},                                        \
    {CLG_OPT_TEXT, "data", "SPEC", &(l).data, "data set, as of clgrad train (default: the one it was\ntrained on)"}, \
    {CLG_OPT_CHOICE, "part", "test|train", &(l).part, "which part of the data set"},                               \
    {CLG_OPT_TEXT, "device", "D", &(l).device, "see clgrad devices\n(default $CLGRAD_DEVICE, else the best)"}
#define CLG_LOADED_NONE {.part = "test", .o = clg_train_defaults()}

/** Opens everything; command is for messages. Returns 0 or an exit code after explaining; clg_loaded_close() it in any
 *  case. */
int  clg_loaded_open(clg_loaded *l, const char *command);
int  clg_loaded_measure(clg_loaded *l); /* lets the model answer for all items */
void clg_loaded_close(clg_loaded *l);

#endif /* CLG_TOOL_LOADED_H_ */

/* What PyTorch's cases call an op, in this library's words (tests/data/torch/README.md has the format). */
#ifndef CLG_TESTS_TORCH_OPS_H_
#define CLG_TESTS_TORCH_OPS_H_

#include "support/golden.h"

enum { TORCH_MAX_TENSORS = 24 };

/* A case under construction: its configuration, its file, its inputs by name. */
typedef struct torch_case {
    const json_t *config;
    golden        file;
    clg_store    *store;
    clg_graph    *graph;
    const char   *name[TORCH_MAX_TENSORS];
    clg_tensor   *input[TORCH_MAX_TENSORS];
    int           n;
} torch_case;

/* What a case computes; loss NULL: there is none. */
typedef struct torch_outputs {
    clg_tensor *y, *loss;
} torch_outputs;

/** Builds the op of the case. false: there is no op of this name, or an option is not known; *why says which. */
bool torch_build(const torch_case *c, torch_outputs *out, const char **why);

/** A step of the case's optimiser on sum(p g), whose gradient is g; NULL: no optimiser has this name. */
clg_tensor *torch_step(const torch_case *c, clg_tensor *p, clg_tensor *g);

const char *torch_text(const torch_case *c, const char *key);   /* "" if it is not there */
double      torch_number(const torch_case *c, const char *key); /* 0 if it is not there */

#endif /* CLG_TESTS_TORCH_OPS_H_ */

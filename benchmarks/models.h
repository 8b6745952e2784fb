/* The networks that the benchmarks train and run, on the public headers; peers/nets.py has the same in PyTorch. */
#ifndef CLG_BENCHMARKS_MODELS_H_
#define CLG_BENCHMARKS_MODELS_H_

#include <clgrad/clgrad.h>

typedef struct bench_net {
    const char *name;
    int64_t     shape[3]; /* of one example: channels, rows, columns */
    int64_t     classes;
    clg_tensor *(*build)(clg_tensor *x, int64_t width); /* x [N, shape...] -> logits [N, classes] */
    int64_t     width; /* of the hidden layers, where it can be chosen; 0 elsewhere */
} bench_net;

/** Network i of the table; NULL past the last. */
const bench_net *bench_net_at(int i);

/** The network of this name; NULL: none. */
const bench_net *bench_net_find(const char *name);

/** Values for an input of the plan: reals in [-1, 1), or labels below `classes` for I32; the same in each run. */
clg_status bench_net_fill(clg_plan *plan, clg_tensor *input, int64_t classes);

#endif /* CLG_BENCHMARKS_MODELS_H_ */

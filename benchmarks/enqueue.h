/* What a run of a network costs the caller, and how many there are a second, by how the steps are enqueued. */
#ifndef CLG_BENCHMARKS_ENQUEUE_H_
#define CLG_BENCHMARKS_ENQUEUE_H_

#include "tool/tool.h"

typedef struct clg_enqueue_bench {
    clg_device *dev;
    const char *device;  /* names of it, for the JSON lines */
    const char *driver;
    const char *names;   /* of rows, with commas: "mlp-1,lenet-64"; "all" */
    double      budget;  /* seconds for each way of each network */
    FILE       *table;
    clg_jsonl  *lines;
} clg_enqueue_bench;

/** Each network with replay off, on and chosen by the library, on one and on two queues; the ways take turns. Returns
 *  an exit code. */
int clg_bench_enqueue(const clg_enqueue_bench *b);

#endif /* CLG_BENCHMARKS_ENQUEUE_H_ */

/* A network of models.h compiled for a device: what the training and the inference benchmark time. */
#ifndef CLG_BENCHMARKS_NETWORK_H_
#define CLG_BENCHMARKS_NETWORK_H_

#include "models.h"
#include "tool/tool.h"

typedef struct clg_network {
    clg_store  *store;
    clg_graph  *graph;
    clg_plan   *plan;
    clg_tensor *x, *labels; /* labels NULL: inference */
    clg_tensor *y;          /* the loss, or the logits */
} clg_network;

typedef struct clg_network_params {
    int64_t batch;
    int64_t width, size; /* 0: the model's own */
    bool    train;
    double  momentum;
    int64_t queues;      /* compute queues; 0: the default */
    enum clg_replay replay;
} clg_network_params;

/** Builds, compiles and fills the inputs. On failure everything is closed. */
clg_status clg_network_open(clg_device *dev, const bench_net *m, const clg_network_params *p, clg_network *n);
void       clg_network_close(clg_network *n);

/** Numbers of a list "1,8,64" into out; their count, or -1 after explaining on stderr. */
int clg_numbers(const char *option, const char *text, int64_t *out, int max);

/** Megabytes of device memory that the plan needs: intermediates, inputs, outputs, weights and state. */
double clg_network_megabytes(const clg_plan_info *i);

/** Writes the plan as JSON, with times if the device profiles; path NULL: nothing. Returns an exit code. */
int clg_network_report(clg_plan *plan, const char *path);

/** A line of /proc/self/status in MB: "VmRSS:" is the resident memory now, "VmHWM:" the most so far (getrusage's would
 *  contain what the parent had before exec). 0 where there is no such file. */
double clg_process_megabytes(const char *line);

/** Lets "VmHWM:" begin anew at what is resident now; does nothing where the system cannot. */
void clg_process_forget_peak(void);

#endif /* CLG_BENCHMARKS_NETWORK_H_ */

/* clgrad: a deep-learning compute library in C11 for any OpenCL device.
 * This header includes the whole public API.
 *
 * THE MODEL IN FIVE NOUNS
 *   device  an opened OpenCL device (or the built-in C reference): queues, program cache
 *   store   named tensors that live on one device: weights, optimiser slots, running statistics, RNG counter
 *   graph   a description of a computation: nodes only, no data, nothing runs
 *   tensor  one value in a graph (a typed, shaped handle; owned by the graph, never freed alone)
 *   plan    a compiled graph: chosen kernels, planned memory, bound commands; run it as often as you like
 *
 * THREE RULES FOR ERRORS
 *   1. What creates an object returns it, or NULL.                     -> clg_error() says why
 *   2. What acts returns clg_status: CLG_OK or a negative code.        -> clg_error() says why
 *   3. What builds a graph returns a tensor and need never be checked: NULL in gives NULL out, the graph
 *      keeps the FIRST error (op, shapes, reason), and clg_compile() reports it.
 *
 * OWNERSHIP
 *   x_create/x_open gives you one reference; x_destroy(&x) gives it back and sets x to NULL; &NULL is fine.
 *   Children hold their parents (plan -> graph -> store -> device), so the order of destruction is free.
 *   Params structs, shapes, strings and host arrays are copied before a call returns, unless said otherwise.
 *
 * THREADS
 *   Different devices are independent. One device may be shared by threads. A store, graph or plan is used
 *   by one thread at a time. clg_error() is per thread. Callbacks may come from any thread.
 *
 * C++
 *   The headers are C++17 too. CLG_SHAPE() and CLG_LIST() work as arguments of calls; the clg_..._params(...) macros
 *   are C only: make a variable (clg_conv_params p = {}; p.groups = 2;) and pass its address.
 *
 * TENSORS
 *   Row-major, contiguous, no strides in the API; images are N,C,[D,[H,]]W; filters are O,I/groups,[kD,[kH,]]kW.
 *   The layout in device memory is the plan's own business. Zero in a params field means its default. */
#ifndef CLGRAD_CLGRAD_H_
#define CLGRAD_CLGRAD_H_

#include <clgrad/augment.h>
#include <clgrad/base.h>
#include <clgrad/config.h>
#include <clgrad/data.h>
#include <clgrad/derivative.h>
#include <clgrad/device.h>
#include <clgrad/fit.h>
#include <clgrad/graph.h>
#include <clgrad/image.h>
#include <clgrad/metrics.h>
#include <clgrad/model.h>
#include <clgrad/nn.h>
#include <clgrad/ops.h>
#include <clgrad/optim.h>
#include <clgrad/perceptron.h>
#include <clgrad/plan.h>
#include <clgrad/plot.h>
#include <clgrad/predict.h>
#include <clgrad/select.h>
#include <clgrad/separable.h>
#include <clgrad/sources.h>
#include <clgrad/store.h>
#include <clgrad/tensor.h>
#include <clgrad/trace.h>
#include <clgrad/tune.h>

#endif /* CLGRAD_CLGRAD_H_ */

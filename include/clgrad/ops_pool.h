/* Pooling. */
#ifndef CLGRAD_OPS_POOL_H_
#define CLGRAD_OPS_POOL_H_

#include <clgrad/graph.h>

CLG_BEGIN_DECLS

typedef struct clg_pool_params {
    int64_t kernel[CLG_MAX_SPATIAL];   /* required */
    int64_t stride[CLG_MAX_SPATIAL];   /* default: kernel */
    int64_t pad[CLG_MAX_SPATIAL];      /* default 0; padding never wins a max */
    bool    ceil_mode, count_pad;      /* round S' up; padding counts in averages */
} clg_pool_params;

#define clg_pool_params(...) (&(const clg_pool_params){__VA_ARGS__})

CLG_API clg_tensor *clg_max_pool(clg_tensor *x, const clg_pool_params *p); /* ties: first in row-major order */
CLG_API clg_tensor *clg_avg_pool(clg_tensor *x, const clg_pool_params *p);

CLG_END_DECLS

#endif /* CLGRAD_OPS_POOL_H_ */

/* Tensors: typed, shaped handles to values in a graph. */
#ifndef CLGRAD_TENSOR_H_
#define CLGRAD_TENSOR_H_

#include <clgrad/base.h>

CLG_BEGIN_DECLS

typedef struct clg_graph  clg_graph;
typedef struct clg_tensor clg_tensor;

/**
 * Element types. F16 (IEEE binary16) and BF16 (the upper half of f32) are for storage: every device has them; each op
 * computes in f32 and rounds its result to the nearest, ties to even. F64 runs where the device has double precision
 * (clg_device_info.fp64), else CLG_ERR_UNSUP. U8 holds flags and bytes. I32 and I64 wrap on overflow; the device "ref"
 * computes everything in double and so is exact for integers up to 2^53.
 */
typedef enum clg_dtype { CLG_F32, CLG_F16, CLG_BF16, CLG_F64, CLG_I32, CLG_U8, CLG_I64, CLG_DTYPE_COUNT } clg_dtype;

/** "f32", "i32", ...; "?" for unknown values. */
CLG_API const char *clg_dtype_name(clg_dtype t);
/** Bytes of one element as the host sees it; 0 for unknown values. */
CLG_API size_t clg_dtype_size(clg_dtype t);

enum { CLG_MAX_DIMS = 6, CLG_MAX_SPATIAL = 3 };

/** Sizes from the slowest to the fastest axis. ndim 0 is a scalar. A size may be 0 (an empty tensor). */
typedef struct clg_shape { int ndim; int64_t dim[CLG_MAX_DIMS]; } clg_shape;

#ifdef __cplusplus
} /* extern "C": the helpers are templates */
/** CLG_SHAPE(64, 1, 28, 28) */
template <typename... T> static inline clg_shape clg_shape_make_(T... d) {
    return clg_shape{(int)sizeof...(d), {(int64_t)d...}};
}
# define CLG_SHAPE(...) clg_shape_make_(__VA_ARGS__)
# define CLG_SCALAR (clg_shape{0, {0}})
extern "C" {
#else
/** CLG_SHAPE(64, 1, 28, 28) */
# define CLG_SHAPE(...) ((clg_shape){ \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
# define CLG_SCALAR ((clg_shape){0, {0}})
#endif

/** A list of tensors, for calls that take several: CLG_LIST(loss, step). */
typedef struct clg_list { int n; clg_tensor *const *t; } clg_list;
#ifdef __cplusplus
} /* extern "C" */
/** The tensors of a CLG_LIST(), which live as long as the call that it is an argument of. */
template <typename... T> struct clg_list_of_ {
    clg_tensor *t[sizeof...(T)];
    operator clg_list() const { return clg_list{(int)sizeof...(T), t}; }
};
template <typename... T> static inline clg_list_of_<T...> clg_list_make_(T... t) { return clg_list_of_<T...>{{t...}}; }
# define CLG_LIST(...) clg_list_make_(__VA_ARGS__)
extern "C" {
#else
# define CLG_LIST(...) ((clg_list){ \
    (int)(sizeof((clg_tensor *[]){__VA_ARGS__}) / sizeof(clg_tensor *)), (clg_tensor *[]){__VA_ARGS__}})
#endif

CLG_API clg_shape   clg_tensor_shape(const clg_tensor *t); /* of NULL: ndim is -1 */
CLG_API clg_dtype   clg_tensor_dtype(const clg_tensor *t); /* of NULL: CLG_DTYPE_COUNT */
CLG_API size_t      clg_tensor_bytes(const clg_tensor *t); /* as the host sees it: contiguous; of NULL: 0 */
CLG_API clg_graph  *clg_tensor_graph(const clg_tensor *t); /* where it belongs; of NULL: NULL */
CLG_API const char *clg_tensor_name(const clg_tensor *t);  /* "conv1.weight", or "relu_17" if unnamed */
/** Names t, for errors and reports; returns t. Inputs, params and states keep the name they were made with. */
CLG_API clg_tensor *clg_named(clg_tensor *t, const char *name);

CLG_END_DECLS

#endif /* CLGRAD_TENSOR_H_ */

/* What the layers share: their tensors in the store are called "layer.what". */
#ifndef CLG_NN_LAYER_H_
#define CLG_NN_LAYER_H_

#include <clgrad/nn.h>

/** clg_param() under "layer.what" in the graph of x. NULL and the graph's error if the name is missing or too long. */
clg_tensor *clg_layer_param(const clg_tensor *x, const char *layer, const char *what, clg_dtype type, clg_shape shape,
                            enum clg_init init);

/** As above for clg_state(). */
clg_tensor *clg_layer_state(const clg_tensor *x, const char *layer, const char *what, clg_dtype type, clg_shape shape,
                            double value);

/** A name for messages. */
static inline const char *clg_layer_name(const char *layer) { return layer ? layer : "NULL"; }

#endif /* CLG_NN_LAYER_H_ */

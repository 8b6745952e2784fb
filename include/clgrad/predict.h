/* Inference in an application: a saved model, ready to be asked. */
#ifndef CLGRAD_PREDICT_H_
#define CLGRAD_PREDICT_H_

#include <clgrad/device.h>
#include <clgrad/image.h>
#include <clgrad/model.h>

CLG_BEGIN_DECLS

/** A saved network with its plan. Thread-safety: one thread at a time. */
typedef struct clg_predictor clg_predictor;

typedef struct clg_predictor_params {
    int64_t batch;  /* items computed at once; default 1. A larger request runs in pieces, a smaller rest is padded */
} clg_predictor_params;

#define clg_predictor_params(...) (&(const clg_predictor_params){__VA_ARGS__})

/**
 * Opens a safetensors file that was saved with its model: clg_trainer_save(), clgrad train, or clg_store_save() after
 * clg_store_set_meta(store, "model", clg_model_text(m)) with a complete model m. Metadata "classes", where it is there,
 * has the names of the classes, a line each. If the file has a scaler (clg_scaler_to_store()), items are standardised
 * by it. Compiles, and runs once on zeros, so that the first answer is as quick as the others. p NULL: the defaults.
 *
 * Errors: CLG_ERR_IO; CLG_ERR_FORMAT if there is no model inside, or the file is damaged or has not the tensors of its
 *         model; CLG_ERR_INVALID for a batch below 0; CLG_ERR_UNSUP for f64 weights on a device without f64; those of
 *         clg_compile().
 */
CLG_API clg_predictor *clg_predictor_open(clg_device *dev, const char *path, const clg_predictor_params *p);
CLG_API void           clg_predictor_destroy(clg_predictor **p);

CLG_API const clg_model *clg_predictor_model(const clg_predictor *p); /* lives as long as p */
CLG_API const char *clg_predictor_class(const clg_predictor *p, int64_t k); /* its name; NULL: it has none */

/** Classes it tells apart: outputs, or 2 for a model of one output; 0 if it gives real numbers. */
CLG_API int64_t clg_predictor_classes(const clg_predictor *p);

/**
 * Answers for n items.
 *
 * Shapes: x [n, item...]; out [n, outputs], may be NULL: with cross-entropy probabilities of the classes (softmax);
 *         with one output and a loss for two classes that of class 1 by the logistic function, which only the loss
 *         logistic makes a probability in the strict sense; with mse the values. best [n], may be NULL: the likeliest
 *         class; -1 with mse.
 * Errors: CLG_ERR_INVALID for n below 0 or x NULL; CLG_ERR_NOMEM; CLG_ERR_DEVICE. out and best are then untouched.
 */
CLG_API CLG_CHECK clg_status clg_predict(clg_predictor *p, int64_t n, const float *x, float *out, int32_t *best);

/**
 * A picture as the model wants it: clg_image_planes(), grey or colour by the model's channels, divided by 255, as the
 * data sets give it. It must have the size of the model's item; out and best have room for one item.
 *
 * Errors: CLG_ERR_SHAPE naming both sizes, or if items are no pictures of 1 or 3 channels; else as clg_predict().
 */
CLG_API CLG_CHECK clg_status clg_predict_image(clg_predictor *p, const clg_image *image, float *out, int32_t *best);

CLG_END_DECLS

#endif /* CLGRAD_PREDICT_H_ */

/* Inference: a file becomes a store, a model and one plan for a fixed number of items. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/error.h"

#include <clgrad/data.h>
#include <clgrad/ops.h>
#include <clgrad/predict.h>

#include <stdio.h>
#include <string.h>

struct clg_predictor {
    clg_store  *store;
    clg_model  *model;
    clg_graph  *graph;
    clg_plan   *plan;
    clg_tensor *x, *out, *best; /* best: NULL for real values */
    int64_t     batch, item, outputs; /* item: numbers of one */
    float      *room;           /* a piece that is padded */
    uint8_t    *planes;         /* of a picture; with room for its numbers: */
    float      *picture;
    char       *classes;        /* names, each zero-terminated */
    int64_t     n_classes;      /* names */
};

enum { MOST_TEXT = 1 << 20 };

/* --- what the file says --- */

/* A metadata value; NULL: there is none (CLG_ERR_INVALID), or a failure. */
static char *read_meta(const char *path, const char *key) {
    char *const text = clg_alloc(MOST_TEXT);
    if (!text) {
        clg_fail_nomem("metadata of a file");
        return NULL;
    }
    if (clg_file_meta(path, key, text, MOST_TEXT) == CLG_OK) return text;
    clg_free(text);
    return NULL;
}

static clg_status open_model(clg_predictor *p, const char *path) {
    char *const text = read_meta(path, "model");
    if (!text && clg_error_status() == CLG_ERR_INVALID)
        return clg_fail(CLG_ERR_FORMAT, "%s: there is no model inside, only tensors: its metadata \"model\" should be "
                        "clg_model_text()", path);
    if (!text) return clg_error_status();
    clg_status s = CLG_OK;
    if (text[0] == '{')
        s = clg_fail(CLG_ERR_FORMAT, "%s: it was saved before version 0.3, with its model in another form; train it "
                     "again", path);
    else if ((p->model = clg_model_parse("its model", text)) == NULL)
        s = clg_fail_context(clg_error_status(), "%s: ", path);
    else if (clg_model_outputs(p->model) == 0)
        s = clg_fail(CLG_ERR_FORMAT, "%s: its model is open: save the text of a complete one, which clg_model_for() "
                     "gives", path);
    clg_free(text);
    return s;
}

/* Lines become zero-terminated names. */
static clg_status open_classes(clg_predictor *p) {
    const char *const text = clg_store_meta(p->store, "classes");
    if (!text || !*text) return CLG_OK;
    const size_t n = strlen(text);
    p->classes = clg_alloc(n + 1);
    if (!p->classes) return clg_fail_nomem("names of classes");
    memcpy(p->classes, text, n + 1);
    for (size_t i = 0; i < n; i++)
        if (p->classes[i] == '\n') p->classes[i] = 0;
    p->n_classes = 1;
    for (size_t i = 0; i + 1 < n; i++) p->n_classes += text[i] == '\n';
    return CLG_OK;
}

/* The type of the weights that the file has. */
static clg_dtype type_of_weights(const clg_predictor *p) {
    char name[128];
    clg_store_entry e;
    for (int l = 0; l < clg_model_layers(p->model); l++) {
        const char *const layer = clg_model_layer_name(p->model, l);
        if (!layer) continue;
        snprintf(name, sizeof name, "%s.weight", layer);
        for (int i = 0; i < clg_store_count(p->store); i++)
            if (clg_store_get(p->store, i, &e) == CLG_OK && strcmp(e.name, name) == 0) return e.dtype;
    }
    return CLG_F32;
}

/* --- the plan --- */

/* n numbers along the first axis of s, in f32: devices need not have f64. */
static clg_tensor *constant(clg_graph *g, const double *value, int64_t n, clg_shape s) {
    float *const v = clg_calloc((size_t)n, sizeof *v);
    for (int64_t i = 0; v && i < n; i++) v[i] = (float)value[i];
    clg_tensor *const t = v ? clg_const(g, CLG_F32, s, v) : clg_graph_fail(g, CLG_ERR_NOMEM, "no memory for a scaler");
    clg_free(v);
    return t;
}

/* (x - mean) / deviation, each for a place of axis 0 of an item. */
static clg_tensor *standardise(clg_predictor *p, clg_tensor *x, const clg_scaler *s) {
    const clg_shape item = clg_model_item(p->model);
    const int64_t n = clg_scaler_size(s);
    clg_shape features = {item.ndim, {n}};
    for (int i = 1; i < item.ndim; i++) features.dim[i] = 1;
    if (item.dim[0] != n)
        return clg_graph_fail(p->graph, CLG_ERR_SHAPE, "\"data.mean\" has %lld numbers, but items have %lld features",
                              (long long)n, (long long)item.dim[0]);
    return clg_div(clg_sub(x, constant(p->graph, clg_scaler_mean(s), n, features)),
                   constant(p->graph, clg_scaler_deviation(s), n, features));
}

static clg_tensor *probabilities(const clg_predictor *p, clg_tensor *f) {
    switch (clg_model_loss(p->model)) {
    case CLG_LOSS_MSE:           return f;
    case CLG_LOSS_CROSS_ENTROPY: return clg_softmax(f, 1);
    default:                     return clg_sigmoid(f);
    }
}

static clg_status build(clg_predictor *p) {
    const clg_shape item = clg_model_item(p->model);
    clg_shape s = {item.ndim + 1, {p->batch}};
    clg_scaler *scaler = NULL;
    p->item = 1;
    for (int i = 0; i < item.ndim; i++) {
        s.dim[i + 1] = item.dim[i];
        p->item *= item.dim[i];
    }
    p->outputs = clg_model_outputs(p->model);
    CLG_TRY(clg_scaler_from_store(p->store, &scaler));
    p->x = clg_input(p->graph, "x", CLG_F32, s);
    clg_tensor *const x = scaler ? standardise(p, p->x, scaler) : p->x;
    clg_scaler_destroy(&scaler);
    clg_tensor *const f = clg_model_build(p->model, clg_cast(x, type_of_weights(p)));
    p->out = clg_named(clg_cast(probabilities(p, f), CLG_F32), "out");
    p->best = clg_model_answer(p->model, f);
    return clg_graph_status(p->graph);
}

/* The store is filled before the graph is built, so that what the model wants and the file has not can be told. */
static clg_status build_on_file(clg_predictor *p, const char *path) {
    CLG_TRY(clg_store_load(p->store, path, NULL));
    const int n = clg_store_count(p->store);
    const clg_status s = build(p);
    if (s == CLG_ERR_SHAPE || s == CLG_ERR_INVALID || s == CLG_ERR_FORMAT)
        return clg_fail_context(CLG_ERR_FORMAT, "%s: it does not fit its model: ", path);
    if (s < 0) return s;
    clg_store_entry e;
    if (clg_store_count(p->store) == n) return CLG_OK;
    CLG_TRY(clg_store_get(p->store, n, &e));
    return clg_fail(CLG_ERR_FORMAT, "%s: tensor \"%s\" of its model is missing", path, e.name);
}

static clg_status run_piece(clg_predictor *p, const float *x) {
    CLG_TRY(clg_write(p->plan, p->x, x, (size_t)(p->batch * p->item) * sizeof *x));
    return clg_run(p->plan);
}

static clg_status compile(clg_predictor *p) {
    const clg_plan_params params = {.inference = true};
    p->plan = p->best ? clg_compile(p->graph, CLG_LIST(p->out, p->best), &params)
                      : clg_compile(p->graph, CLG_LIST(p->out), &params);
    if (!p->plan) return clg_error_status();
    p->room = clg_calloc((size_t)(p->batch * p->item), sizeof *p->room);
    if (!p->room) return clg_fail_nomem("items of a predictor");
    float *const out = clg_calloc((size_t)(p->batch * p->outputs), sizeof *out);
    if (!out) return clg_fail_nomem("outputs of a predictor");
    clg_status s = run_piece(p, p->room);
    if (s == CLG_OK) s = clg_read(p->plan, p->out, out, (size_t)(p->batch * p->outputs) * sizeof *out);
    clg_free(out);
    return s;
}

static clg_status open_file(clg_predictor *p, clg_device *dev, const char *path) {
    CLG_TRY(open_model(p, path));
    if ((p->store = clg_store_create(dev, 0)) == NULL || (p->graph = clg_graph_create(dev, p->store)) == NULL)
        return clg_error_status();
    CLG_TRY(build_on_file(p, path));
    CLG_TRY(open_classes(p));
    return compile(p);
}

clg_predictor *clg_predictor_open(clg_device *dev, const char *path, const clg_predictor_params *params) {
    const int64_t batch = params && params->batch ? params->batch : 1;
    if (!dev || !path || batch < 1) {
        clg_fail(CLG_ERR_INVALID, "clg_predictor_open(%s): wants a device, a file and a batch of 1 or more (%lld "
                 "given)", path ? path : "NULL", (long long)batch);
        return NULL;
    }
    clg_predictor *p = clg_calloc(1, sizeof *p);
    if (!p) {
        clg_fail_nomem("predictor");
        return NULL;
    }
    p->batch = batch;
    if (open_file(p, dev, path) < 0) clg_predictor_destroy(&p);
    return p;
}

void clg_predictor_destroy(clg_predictor **predictor) {
    if (!predictor || !*predictor) return;
    clg_predictor *const p = *predictor;
    *predictor = NULL;
    clg_plan_destroy(&p->plan);
    clg_graph_destroy(&p->graph);
    clg_store_destroy(&p->store);
    clg_model_destroy(&p->model);
    clg_free(p->room);
    clg_free(p->planes);
    clg_free(p->picture);
    clg_free(p->classes);
    clg_free(p);
}

/* --- questions --- */

const clg_model *clg_predictor_model(const clg_predictor *p) {
    return p ? p->model : NULL;
}

int64_t clg_predictor_classes(const clg_predictor *p) {
    if (!p || !p->best) return 0;
    return p->outputs == 1 ? 2 : p->outputs;
}

const char *clg_predictor_class(const clg_predictor *p, int64_t k) {
    if (!p || k < 0 || k >= p->n_classes) return NULL;
    const char *name = p->classes;
    while (k-- > 0) name += strlen(name) + 1;
    return name;
}

/* --- answers --- */

/* A piece of m <= batch items. */
static clg_status ask(clg_predictor *p, int64_t m, const float *x, float *out, int32_t *best) {
    if (m < p->batch) {
        memset(p->room, 0, (size_t)(p->batch * p->item) * sizeof *p->room);
        memcpy(p->room, x, (size_t)(m * p->item) * sizeof *x);
        x = p->room;
    }
    CLG_TRY(run_piece(p, x));
    CLG_TRY(clg_read(p->plan, p->out, out, (size_t)(p->batch * p->outputs) * sizeof *out));
    if (p->best) return clg_read(p->plan, p->best, best, (size_t)p->batch * sizeof *best);
    for (int64_t i = 0; i < m; i++) best[i] = -1;
    return CLG_OK;
}

clg_status clg_predict(clg_predictor *p, int64_t n, const float *x, float *out, int32_t *best) {
    if (!p || n < 0 || (n > 0 && !x))
        return clg_fail(CLG_ERR_INVALID, "clg_predict: wants a predictor, 0 or more items (%lld given) and x",
                        (long long)n);
    if (n == 0) return CLG_OK;
    /* Results go to room of our own, in whole pieces, until all have come. */
    const int64_t whole = (n + p->batch - 1) / p->batch * p->batch;
    float *const all = clg_calloc((size_t)whole, (size_t)p->outputs * sizeof *all);
    int32_t *const class = clg_calloc((size_t)whole, sizeof *class);
    clg_status s = all && class ? CLG_OK : clg_fail_nomem("predictions");
    for (int64_t i = 0; s == CLG_OK && i < n; i += p->batch)
        s = ask(p, n - i < p->batch ? n - i : p->batch, x + i * p->item, all + i * p->outputs, class + i);
    if (s == CLG_OK && out) memcpy(out, all, (size_t)(n * p->outputs) * sizeof *out);
    if (s == CLG_OK && best) memcpy(best, class, (size_t)n * sizeof *best);
    clg_free(all);
    clg_free(class);
    return s;
}

/* Channels, height and width of a picture for the model; false: it takes no pictures. */
static bool size_of_picture(const clg_model *m, int64_t size[3]) {
    const clg_shape s = clg_model_item(m);
    if (s.ndim != 2 && s.ndim != 3) return false;
    size[0] = s.ndim == 3 ? s.dim[0] : 1;
    size[1] = s.dim[s.ndim - 2];
    size[2] = s.dim[s.ndim - 1];
    return size[0] == 1 || size[0] == 3;
}

clg_status clg_predict_image(clg_predictor *p, const clg_image *image, float *out, int32_t *best) {
    int64_t size[3];
    if (!p || !image) return clg_fail(CLG_ERR_INVALID, "clg_predict_image: wants a predictor and a picture");
    if (!size_of_picture(p->model, size))
        return clg_fail(CLG_ERR_SHAPE, "the model takes items of %lld numbers, no pictures of 1 or "
                        "3 channels", (long long)p->item);
    if (image->height != size[1] || image->width != size[2])
        return clg_fail(CLG_ERR_SHAPE, "the picture is %d x %d pixels, but the model takes %lld x %lld (width x "
                        "height)", image->width, image->height, (long long)size[2], (long long)size[1]);
    if (!p->planes) p->planes = clg_alloc((size_t)p->item);
    if (!p->picture) p->picture = clg_calloc((size_t)p->item, sizeof *p->picture);
    if (!p->planes || !p->picture) return clg_fail_nomem("picture");
    CLG_TRY(clg_image_planes(image, (int)size[0], p->planes));
    for (int64_t i = 0; i < p->item; i++) p->picture[i] = (float)(p->planes[i] / 255.0);
    return clg_predict(p, 1, p->picture, out, best);
}

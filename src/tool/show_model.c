/* What a model learned and does: the weights of its first layer as pictures, and the results of its layers for one
 * item ("feature maps"). */
#include "tool/show.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_FILTERS = 64, MOST_MAPS = 32, MOST_LAYERS = 12 };

/* --- weights --- */

/* A tensor of the store as floats, to be freed; NULL: it has none of this name, or (album->code) a failure. */
static float *read_weights(clg_album *a, clg_store *store, const char *layer, clg_store_entry *e) {
    char name[160];
    snprintf(name, sizeof name, "%s.weight", layer);
    int i = 0;
    while (i < clg_store_count(store) && !(clg_store_get(store, i, e) == CLG_OK && strcmp(e->name, name) == 0)) i++;
    if (i == clg_store_count(store) || (e->dtype != CLG_F32 && e->dtype != CLG_F64)) return NULL;
    const int64_t n = clg_elements(e->shape);
    double *data = malloc((size_t)n * sizeof *data);
    float *out = malloc((size_t)n * sizeof *out);
    if (!data || !out) {
        clg_album_fail(a, clg_tool_error(CLG_EXIT_FAILED, "no memory"));
    } else if (clg_store_read(store, name, data, (size_t)n * clg_dtype_size(e->dtype)) < 0) {
        clg_album_fail(a, clg_tool_fail());
    } else {
        if (e->dtype == CLG_F32) memcpy(out, data, (size_t)n * sizeof *out);
        for (int64_t k = 0; e->dtype == CLG_F64 && k < n; k++) out[k] = (float)data[k];
        free(data);
        return out;
    }
    free(data);
    free(out);
    return NULL;
}

static bool is_picture(clg_shape s) {
    return s.ndim == 3 && s.dim[1] * s.dim[2] > 1;
}

/* Filters [out, in, h, w] of a convolution: colours if there are three channels, else each plane by itself. */
static clg_figure *conv_figure(const char *title, const float *w, clg_shape s, int *shown) {
    const bool colour = s.dim[1] == 3;
    const int64_t n = colour ? s.dim[0] : s.dim[0] * s.dim[1];
    *shown = (int)(n < MOST_FILTERS ? n : MOST_FILTERS);
    const clg_tiles_params p = {.plane = w, .n = *shown, .h = (int)s.dim[2], .w = (int)s.dim[3], .rgb = colour,
                                .diverging = !colour};
    return clg_figure_tiles(title, &p);
}

/* Weights [out, in] of a linear layer on the numbers of a picture, a picture for each unit and channel. */
static clg_figure *linear_figure(const char *title, const float *w, clg_shape s, clg_shape item, int *shown) {
    const int64_t n = s.dim[0] * item.dim[0];
    *shown = (int)(n < MOST_FILTERS ? n : MOST_FILTERS);
    const clg_tiles_params p = {.plane = w, .n = *shown, .h = (int)item.dim[1], .w = (int)item.dim[2],
                                .diverging = true};
    return clg_figure_tiles(title, &p);
}

void clg_show_filters(clg_album *a, const clg_exhibit *x) {
    const clg_model *m = clg_trainer_model(x->trainer);
    const clg_shape item = clg_model_item(m);
    clg_store_entry e;
    char title[200], caption[240];
    int i = 0, shown = 0;
    while (i < clg_model_layers(m) && !clg_model_layer_name(m, i)) i++;
    const char *name = clg_model_layer_name(m, i);
    float *w = name && is_picture(item) ? read_weights(a, clg_trainer_store(x->trainer), name, &e) : NULL;
    if (!w) return;
    const clg_shape s = e.shape;
    const bool conv = s.ndim == 4 && s.dim[2] * s.dim[3] > 1, linear = s.ndim == 2 && s.dim[1] == clg_elements(item);
    snprintf(title, sizeof title, "Weights of %s: %s", name, clg_model_layer(m, i));
    if (conv || linear) {
        clg_figure *f = conv ? conv_figure(title, w, s, &shown) : linear_figure(title, w, s, item, &shown);
        const char *const colours = conv && s.dim[1] == 3 ? "Each filter in the colours that it looks for."
                                  : "Blue is negative, white is 0, red is positive; each is scaled by itself.";
        snprintf(caption, sizeof caption, "%d %s of %lld. %s", shown, conv ? "filters" : "units",
                 (long long)(conv && s.dim[1] != 3 ? s.dim[0] * s.dim[1] : linear ? s.dim[0] * item.dim[0] : s.dim[0]),
                 colours);
        clg_album_heading(a, "What the first layer looks for");
        clg_album_add(a, "filters", f, caption);
    }
    free(w);
}

/* --- feature maps --- */

typedef struct maps {
    const clg_model *model;
    clg_graph  *graph;
    clg_tensor *x, **layer; /* of all layers */
    clg_tensor *shown[MOST_LAYERS];
    int         index[MOST_LAYERS], n;
    clg_plan   *plan;
    float      *pixels, *plane;
} maps;

static bool compile(maps *k, clg_device *dev, clg_store *store) {
    const clg_shape item = clg_model_item(k->model);
    const int layers = clg_model_layers(k->model);
    int64_t most = clg_elements(item);
    clg_shape batch = {item.ndim + 1, {1}};
    for (int i = 0; i < item.ndim; i++) batch.dim[i + 1] = item.dim[i];
    k->graph = clg_graph_create(dev, store);
    k->layer = calloc((size_t)layers + 1, sizeof(clg_tensor *));
    if (!k->graph || !k->layer) return false;
    k->x = clg_input(k->graph, "x", CLG_F32, batch);
    (void)clg_model_build_all(k->model, k->x, k->layer);
    for (int i = 0; i < layers && k->n < MOST_LAYERS; i++) {
        const clg_shape s = clg_model_layer_shape(k->model, i);
        if (!is_picture(s)) continue;
        most = clg_elements(s) > most ? clg_elements(s) : most;
        k->index[k->n] = i;
        k->shown[k->n++] = k->layer[i];
    }
    if (k->n == 0) return true;
    k->plan = clg_compile(k->graph, (clg_list){k->n, k->shown}, clg_plan_params(.inference = true));
    k->pixels = malloc((size_t)clg_elements(item) * sizeof(float));
    k->plane = malloc((size_t)most * sizeof(float));
    return k->plan && k->pixels && k->plane;
}

static bool add_layer(clg_album *a, maps *k, int i) {
    const clg_shape s = clg_model_layer_shape(k->model, k->index[i]);
    const int n = (int)(s.dim[0] < MOST_MAPS ? s.dim[0] : MOST_MAPS);
    char title[200], name[32], caption[120];
    if (clg_read(k->plan, k->shown[i], k->plane, (size_t)clg_elements(s) * sizeof(float)) < 0) {
        clg_album_fail(a, clg_tool_fail());
        return false;
    }
    snprintf(title, sizeof title, "Layer %d: %s", k->index[i] + 1, clg_model_layer(k->model, k->index[i]));
    snprintf(name, sizeof name, "maps-%02d", k->index[i] + 1);
    snprintf(caption, sizeof caption, "%d maps of %lld, %lld \xc3\x97 %lld each; light is high.", n,
             (long long)s.dim[0], (long long)s.dim[1], (long long)s.dim[2]);
    const clg_tiles_params p = {.plane = k->plane, .n = n, .h = (int)s.dim[1], .w = (int)s.dim[2]};
    return clg_album_add(a, name, clg_figure_tiles(title, &p), caption);
}

static void add_item(clg_album *a, maps *k, const clg_dataset *d, int64_t item) {
    const clg_shape s = clg_model_item(k->model);
    const bool colour = s.dim[0] == 3;
    char title[80], caption[120] = "";
    int32_t label;
    if (clg_dataset_classes(d) > 0 && clg_dataset_item(d, item, NULL, &label) == CLG_OK) {
        const char *name = clg_dataset_class_name(d, label);
        snprintf(caption, sizeof caption, "Class %d%s%s", label, name ? ": " : "", name ? name : "");
    }
    snprintf(title, sizeof title, "Item %lld", (long long)item);
    const clg_tiles_params p = {.plane = k->pixels, .n = (int)(colour ? 1 : s.dim[0]), .h = (int)s.dim[1],
                                .w = (int)s.dim[2], .rgb = colour};
    clg_album_add(a, "item", clg_figure_tiles(title, &p), caption);
}

void clg_show_maps(clg_album *a, const clg_exhibit *x, int64_t item) {
    maps k = {.model = clg_trainer_model(x->trainer)};
    const clg_shape s = clg_model_item(k.model);
    if (!is_picture(s) || a->code != CLG_EXIT_OK) return;
    const bool ok = compile(&k, x->dev, clg_trainer_store(x->trainer));
    if (!ok) clg_album_fail(a, clg_error_status() < 0 ? clg_tool_fail() : clg_tool_error(CLG_EXIT_FAILED, "no memory"));
    if (ok && k.n > 0) {
        const size_t bytes = (size_t)clg_elements(s) * sizeof(float);
        if (clg_dataset_item(x->data, item, k.pixels, NULL) < 0 || clg_write(k.plan, k.x, k.pixels, bytes) < 0 ||
            clg_run(k.plan) < 0) {
            clg_album_fail(a, clg_tool_fail());
        } else {
            clg_album_heading(a, "What the layers make of a picture");
            add_item(a, &k, x->data, item);
            for (int i = 0; i < k.n && add_layer(a, &k, i); i++) {}
        }
    }
    clg_plan_destroy(&k.plan);
    clg_graph_destroy(&k.graph);
    free(k.layer);
    free(k.pixels);
    free(k.plane);
}

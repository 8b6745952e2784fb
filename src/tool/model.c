/* The model zoo: each model is a function that adds its layers to a graph. */
#include "tool/model.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- hidden sizes --- */

/* "256,256" -> sizes; -1 if the text is no list of 1 to CLG_MAX_HIDDEN numbers from 1 to 65536. */
static int parse_hidden(const char *text, int64_t size[CLG_MAX_HIDDEN]) {
    int n = 0;
    for (;;) {
        char *end = NULL;
        errno = 0;
        const long v = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
        if (v < 1 || v > 65536 || errno != 0 || n == CLG_MAX_HIDDEN) return -1;
        size[n++] = v;
        if (*end == 0) return n;
        if (*end != ',') return -1;
        text = end + 1;
    }
}

int clg_model_check(const clg_net_spec *m, const bool given[CLG_MODEL_GIVEN], const char *command) {
    static const struct {
        const char *option, *models;
    } rows[CLG_MODEL_GIVEN] = {
        {"model", CLG_MODELS}, {"activation", "lenet|mlp"}, {"pooling", "lenet"}, {"hidden", "mlp"},
        {"dropout", "lenet|mlp"}};
    int64_t size[CLG_MAX_HIDDEN];
    for (int i = 0; i < CLG_MODEL_GIVEN; i++)
        if (given[i] && !clg_opt_is_choice(rows[i].models, m->name))
            return clg_tool_error(CLG_EXIT_USAGE, "%s: --%s has no meaning for --model %s; it is for %s", command,
                                  rows[i].option, m->name, rows[i].models);
    if (parse_hidden(m->hidden, size) < 0)
        return clg_tool_error(CLG_EXIT_USAGE, "%s: --hidden %s: wants 1 to %d sizes from 1 to 65536, as in 256,128",
                              command, m->hidden, CLG_MAX_HIDDEN);
    return -1;
}

int clg_model_fits(const clg_net_spec *m, const char *spec, const clg_dataset *d) {
    const int64_t classes = clg_dataset_classes(d);
    const clg_shape item = clg_dataset_shape(d);
    if (item.dim[1] != m->item.dim[1] || item.dim[2] != m->item.dim[2])
        return clg_tool_error(CLG_EXIT_FILE, "--data %s: there are pictures of %lldx%lld, but the model is for "
                              "%lldx%lld", spec, (long long)item.dim[1], (long long)item.dim[2],
                              (long long)m->item.dim[1], (long long)m->item.dim[2]);
    if (classes > m->classes)
        return clg_tool_error(CLG_EXIT_FILE, "--data %s: there are labels up to %lld, but the model knows only the "
                              "classes 0 to %lld", spec, (long long)classes - 1, (long long)m->classes - 1);
    return CLG_EXIT_OK;
}

/* --- layers --- */

static clg_tensor *activate(const clg_net_spec *m, clg_tensor *x) {
    if (strcmp(m->activation, "sigmoid") == 0) return clg_sigmoid(x);
    if (strcmp(m->activation, "tanh") == 0) return clg_tanh(x);
    return clg_relu(x);
}

static clg_tensor *pool(const clg_net_spec *m, clg_tensor *x) {
    const clg_pool_params *two = clg_pool_params(.kernel = {2, 2});
    return strcmp(m->pooling, "avg") == 0 ? clg_avg_pool(x, two) : clg_max_pool(x, two);
}

static clg_tensor *hidden_layer(const clg_net_spec *m, clg_tensor *x, const char *name, int64_t size) {
    clg_tensor *h = activate(m, clg_nn_linear(x, name, size));
    return m->dropout > 0 ? clg_dropout(h, m->dropout) : h;
}

/* Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", with the
 * plain second convolution and softmax output that became customary. */
static clg_tensor *lenet(const clg_net_spec *m, clg_tensor *x) {
    clg_tensor *h = activate(m, clg_nn_conv2d(x, "conv1", 6, 5, clg_conv_params(.pad = {2, 2})));
    h = pool(m, h);
    h = pool(m, activate(m, clg_nn_conv2d(h, "conv2", 16, 5, NULL)));
    h = hidden_layer(m, clg_flatten(h, 1), "fc1", 120);
    h = hidden_layer(m, h, "fc2", 84);
    return clg_nn_linear(h, "fc3", m->classes);
}

static clg_tensor *mlp(const clg_net_spec *m, clg_tensor *x) {
    int64_t size[CLG_MAX_HIDDEN];
    const int n = parse_hidden(m->hidden, size);
    clg_tensor *h = clg_flatten(x, 1);
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i + 1);
        h = hidden_layer(m, h, name, size[i]);
    }
    return clg_nn_linear(h, "out", m->classes);
}

static clg_tensor *softmax(const clg_net_spec *m, clg_tensor *x) {
    return clg_nn_linear(clg_flatten(x, 1), "out", m->classes);
}

/* --- a graph for one batch size --- */

bool clg_net_build(clg_net *net, const clg_net_spec *m, clg_device *dev, clg_store *store, int64_t rows) {
    *net = (clg_net){.graph = clg_graph_create(dev, store), .rows = rows};
    if (!net->graph) return false;
    const bool rectifies = strcmp(m->activation, "relu") == 0 && strcmp(m->name, "softmax") != 0;
    clg_graph_set_init(net->graph, rectifies ? CLG_INIT_HE : CLG_INIT_XAVIER);
    net->x = clg_input(net->graph, "x", CLG_F32, CLG_SHAPE(rows, m->item.dim[0], m->item.dim[1], m->item.dim[2]));
    net->t = clg_input(net->graph, "t", CLG_I32, CLG_SHAPE(rows));
    net->logits = strcmp(m->name, "lenet") == 0 ? lenet(m, net->x)
                : strcmp(m->name, "mlp") == 0   ? mlp(m, net->x)
                                                : softmax(m, net->x);
    net->logits = clg_named(net->logits, "logits");
    net->loss = clg_named(clg_cross_entropy(net->logits, net->t), "loss");
    net->answer = clg_named(clg_reshape(clg_argmax(net->logits, 1), CLG_SHAPE(rows)), "answer");
    return true;
}

void clg_net_free(clg_net *net) {
    clg_graph_destroy(&net->graph);
    *net = (clg_net){0};
}

int64_t clg_net_weights(const clg_net *net) {
    clg_tensor *param[64];
    const int n = clg_graph_params(net->loss, param, 64);
    int64_t sum = 0;
    for (int i = 0; i < n && i < 64; i++) sum += (int64_t)(clg_tensor_bytes(param[i]) / sizeof(float));
    return sum;
}

/* --- metadata --- */

json_t *clg_model_json(const clg_net_spec *m) {
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:[I,I,I]}", "name", m->name, "activation", m->activation,
                     "pooling", m->pooling, "hidden", m->hidden, "dropout", m->dropout, "classes",
                     (json_int_t)m->classes, "input", (json_int_t)m->item.dim[0], (json_int_t)m->item.dim[1],
                     (json_int_t)m->item.dim[2]);
}

bool clg_model_from_json(json_t *j, clg_net_spec *m) {
    json_int_t classes, c, h, w;
    int64_t size[CLG_MAX_HIDDEN];
    *m = (clg_net_spec)CLG_MODEL_DEFAULT;
    if (json_unpack(j, "{s:s, s:s, s:s, s:s, s:F, s:I, s:[I,I,I]}", "name", &m->name, "activation", &m->activation,
                    "pooling", &m->pooling, "hidden", &m->hidden, "dropout", &m->dropout, "classes", &classes,
                    "input", &c, &h, &w) != 0)
        return false;
    m->classes = classes;
    m->item = CLG_SHAPE(c, h, w);
    return clg_opt_is_choice(CLG_MODELS, m->name) && clg_opt_is_choice(CLG_ACTIVATIONS, m->activation) &&
           clg_opt_is_choice(CLG_POOLINGS, m->pooling) && parse_hidden(m->hidden, size) > 0 && m->dropout >= 0 &&
           m->dropout < 1 && classes >= 1 && classes <= 256 && c == 1 && h >= 1 && w >= 1 && h <= 65536 && w <= 65536;
}

int clg_checkpoint_load(clg_store *s, const char *path) {
    if (clg_store_load_all(s, path, NULL) == CLG_OK) return CLG_EXIT_OK;
    const int code = clg_tool_fail();
    return clg_error_status() == CLG_ERR_SHAPE ? CLG_EXIT_FILE : code;
}

json_t *clg_meta_json(const char *path, const char *key, int *code) {
    enum { MOST = 1 << 20 };
    char *text = malloc(MOST);
    if (!text) {
        *code = clg_tool_error(CLG_EXIT_FAILED, "no memory");
        return NULL;
    }
    json_t *j = NULL;
    const clg_status s = clg_file_meta(path, key, text, MOST);
    if (s == CLG_ERR_INVALID) {
        *code = clg_tool_error(CLG_EXIT_FILE, "%s: no checkpoint of clgrad train: its metadata has no usable \"%s\"",
                               path, key);
    } else if (s < 0) {
        *code = clg_tool_fail();
    } else {
        json_error_t e;
        j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
        if (!json_is_object(j)) {
            *code = clg_tool_error(CLG_EXIT_FILE, "%s: metadata \"%s\" is no JSON object: %s", path, key,
                                   j ? "it is of another type" : e.text);
            json_decref(j);
            j = NULL;
        }
    }
    free(text);
    return j;
}

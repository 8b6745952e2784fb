/* A model's life: its canonical text, the check of its layers, completion for data, and the way into a graph.
 *
 * The check builds the layers over the reference device, which computes nothing at that, so shapes follow from the ops'
 * own rules and nowhere else. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"

#include <string.h>

/* --- canonical text --- */

static void print_value(clg_str *s, const clg_model_arg *a, double x) {
    char number[CLG_NUMBER_ROOM];
    clg_str_printf(s, " %s", clg_arg_is_place(a) ? "" : a->name);
    if (a->kind == CLG_MODEL_SWITCH) clg_str_add(s, x != 0 ? "yes" : "no");
    else if (a->kind == CLG_MODEL_OUTPUTS && x == 0) clg_str_add(s, "outputs");
    else if (a->kind == CLG_MODEL_REAL) clg_str_add(s, clg_write_number(number, x));
    else clg_str_printf(s, "%.0f", x);
}

static char *print_layer(clg_arena *a, const clg_layer *l) {
    const clg_model_word *const k = &l->kind->word;
    clg_str s = {0};
    clg_str_add(&s, k->word);
    for (int i = 0; i < k->n_args; i++)
        if (k->arg[i].required || l->value[i] != k->arg[i].usual) print_value(&s, &k->arg[i], l->value[i]);
    if (l->named) clg_str_printf(&s, " name=%s", l->name);
    char *const text = s.failed ? NULL : clg_arena_strdup(a, clg_str_text(&s));
    clg_str_free(&s);
    return text;
}

static const char *init_word(enum clg_init init) {
    switch (init) {
    case CLG_INIT_XAVIER:  return "xavier";
    case CLG_INIT_NORMAL:  return "normal";
    case CLG_INIT_UNIFORM: return "uniform";
    case CLG_INIT_ZERO:    return "zero";
    default:               return "he";
    }
}

static char *print_model(clg_model *m) {
    clg_str s = {0};
    if (m->titled) clg_str_printf(&s, "model %s\n", m->name);
    if (m->item.ndim >= 0) {
        clg_str_add(&s, "input");
        for (int i = 0; i < m->item.ndim; i++) clg_str_printf(&s, " %lld", (long long)m->item.dim[i]);
        clg_str_add(&s, "\n");
    }
    if (m->init != CLG_INIT_HE) clg_str_printf(&s, "init %s\n", init_word(m->init));
    for (int i = 0; i < m->n; i++) clg_str_printf(&s, "%s\n", m->layer[i].text);
    if (m->loss >= 0) clg_str_printf(&s, "loss %s\n", clg_loss_word(m->loss));
    char *const text = s.failed ? NULL : clg_arena_strdup(&m->arena, clg_str_text(&s));
    clg_str_free(&s);
    return text;
}

/* --- check --- */

/* The weights of a model are at most so many bytes in double: 2^28 of them. A text of a few lines could ask for more
 * memory than there is. */
#define MOST_BYTES ((uint64_t)1 << 31)

/* What the graph says against layer l, with its place before it. */
static clg_status report_layer(const clg_model *m, const clg_layer *l, clg_graph *g, clg_status code) {
    const clg_status said = clg_graph_status(g);
    if (said == CLG_ERR_NOMEM) code = said;
    return clg_fail_context(code, "%s:%d:%d: %s: ", m->source, l->line, l->column, l->text);
}

static clg_shape item_of(const clg_tensor *t) {
    clg_shape s = clg_tensor_shape(t), item = {s.ndim - 1, {0}};
    for (int i = 1; i < s.ndim; i++) item.dim[i - 1] = s.dim[i];
    return item;
}

static clg_status count_weights(clg_model *m, clg_tensor *y) {
    const int n = clg_graph_params(y, NULL, 0);
    clg_tensor **const param = clg_calloc((size_t)n + 1, sizeof(clg_tensor *));
    if (!param) return clg_fail_nomem("list of weights");
    clg_graph_params(y, param, n);
    m->weights = 0;
    for (int i = 0; i < n; i++) m->weights += (int64_t)(clg_tensor_bytes(param[i]) / sizeof(float));
    clg_free(param);
    return CLG_OK;
}

/* Shapes of all layers over x, outputs and weights. */
static clg_status check_layers(clg_model *m, clg_graph *g, clg_tensor *x, clg_status code) {
    for (int i = 0; i < m->n; i++) {
        clg_layer *const l = &m->layer[i];
        x = l->kind->build(l, x);
        if (!x) return report_layer(m, l, g, code);
        l->shape = item_of(x);
    }
    const clg_layer *const last = &m->layer[m->n - 1];
    if (last->shape.ndim != 1)
        return clg_fail(code, "%s:%d:%d: %s: the last layer must give a row of numbers, but this gives %d axes; add "
                        "flatten and linear outputs", m->source, last->line, last->column, last->text,
                        last->shape.ndim);
    m->outputs = last->shape.dim[0];
    return count_weights(m, x);
}

static clg_status check(clg_model *m, clg_status code) {
    clg_shape s = {m->item.ndim + 1, {2}};
    for (int i = 0; i < m->item.ndim; i++) s.dim[i + 1] = m->item.dim[i];
    clg_device *dev = clg_device_open("ref", clg_device_params(.cache_dir = "", .mem_cap = MOST_BYTES));
    clg_graph *g = dev ? clg_graph_create(dev, NULL) : NULL;
    clg_status status = g ? CLG_OK : clg_error_status();
    if (g) {
        clg_graph_set_init(g, CLG_INIT_ZERO);
        clg_tensor *const x = clg_named(clg_input(g, "x", CLG_F32, s), "x");
        if (x) status = check_layers(m, g, x, code);
        else status = clg_fail_context(clg_graph_status(g) == CLG_ERR_NOMEM ? CLG_ERR_NOMEM : code, "%s:%d:1: ",
                                       m->source, m->input_line);
    }
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
    return status;
}

/* Does a line say "outputs"? Then which. */
static int open_layer(const clg_model *m) {
    for (int i = 0; i < m->n; i++) {
        const clg_model_word *const k = &m->layer[i].kind->word;
        for (int a = 0; a < k->n_args; a++)
            if (k->arg[a].kind == CLG_MODEL_OUTPUTS && m->layer[i].value[a] == 0) return i;
    }
    return -1;
}

clg_status clg_model_finish(clg_model *m, clg_status code) {
    for (int i = 0; i < m->n; i++)
        if ((m->layer[i].text = print_layer(&m->arena, &m->layer[i])) == NULL) return clg_fail_nomem("model");
    m->text = print_model(m);
    if (!m->text) return clg_fail_nomem("model");
    return m->item.ndim >= 0 && open_layer(m) < 0 ? check(m, code) : CLG_OK;
}

void clg_model_destroy(clg_model **m) {
    if (!m || !*m) return;
    clg_arena_free(&(*m)->arena);
    clg_free(*m);
    *m = NULL;
}

/* --- for data --- */

static clg_model *copy(const clg_model *m) {
    clg_model *c = clg_calloc(1, sizeof *c);
    if (!c) {
        clg_fail_nomem("model");
        return NULL;
    }
    *c = *m;
    c->arena = (clg_arena){0};
    c->source = clg_arena_strdup(&c->arena, m->source);
    c->name = clg_arena_strdup(&c->arena, m->name);
    c->layer = clg_arena_array(&c->arena, (size_t)m->n, sizeof *c->layer);
    bool ok = c->source && c->name && c->layer;
    for (int i = 0; ok && i < m->n; i++) {
        c->layer[i] = m->layer[i];
        if (m->layer[i].name) ok = (c->layer[i].name = clg_arena_strdup(&c->arena, m->layer[i].name)) != NULL;
    }
    if (!ok) clg_model_destroy(&c);
    return c;
}

static bool same(clg_shape a, clg_shape b) {
    for (int i = 0; i < a.ndim && a.ndim == b.ndim; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return a.ndim == b.ndim;
}

static void print_shape(clg_str *s, clg_shape x) {
    for (int i = 0; i < x.ndim; i++) clg_str_printf(s, "%s%lld", i ? " " : "", (long long)x.dim[i]);
}

static clg_status take_input(clg_model *m, clg_shape item) {
    if (m->item.ndim < 0) m->item = item;
    if (same(m->item, item)) return CLG_OK;
    clg_str text = {0}, data = {0};
    print_shape(&text, m->item);
    print_shape(&data, item);
    const clg_status s = clg_fail(CLG_ERR_SHAPE, "%s:%d:1: input %s: but the items of the data are [%s]", m->source,
                                  m->input_line, clg_str_text(&text), clg_str_text(&data));
    clg_str_free(&text);
    clg_str_free(&data);
    return s;
}

static bool for_two(int loss) {
    return loss == CLG_LOSS_LOGISTIC || loss == CLG_LOSS_HINGE || loss == CLG_LOSS_PERCEPTRON;
}

/* Is the loss that the text has one for such data? */
static clg_status check_loss(const clg_model *m, int classes) {
    const char *why = NULL;
    if (m->loss < 0) return CLG_OK;
    if (m->loss == CLG_LOSS_MSE && classes > 0)
        why = "wants real targets, but the data has classes; for these there are cross_entropy, and logistic, hinge "
              "and perceptron for two";
    if (m->loss != CLG_LOSS_MSE && classes == 0)
        why = "wants classes, but the targets of the data are real numbers; use mse";
    if (for_two(m->loss) && classes > 2) why = "is for two classes, but the data has more; use cross_entropy";
    return why ? clg_fail(CLG_ERR_SHAPE, "%s:%d:1: loss %s %s", m->source, m->loss_line, clg_loss_word(m->loss), why)
               : CLG_OK;
}

static void fill_outputs(clg_model *m, int64_t outputs) {
    for (int i; (i = open_layer(m)) >= 0;)
        for (int a = 0; a < m->layer[i].kind->word.n_args; a++)
            if (m->layer[i].kind->word.arg[a].kind == CLG_MODEL_OUTPUTS) m->layer[i].value[a] = (double)outputs;
}

/* The number of outputs that came out against what the data and the loss want. */
static clg_status check_outputs(const clg_model *m, int classes, int64_t targets) {
    const clg_layer *const last = &m->layer[m->n - 1];
    const int64_t want = classes == 0 ? targets : for_two(m->loss) ? 1 : classes;
    if (m->outputs == want || (m->loss == CLG_LOSS_CROSS_ENTROPY && m->outputs > want)) return CLG_OK;
    return clg_fail(CLG_ERR_SHAPE, "%s:%d:%d: %s: the model ends in %lld outputs, but %lld %s and loss %s want %lld; "
                    "say linear outputs", m->source, last->line, last->column, last->text, (long long)m->outputs,
                    classes ? (long long)classes : (long long)targets, classes ? "classes" : "target values",
                    clg_loss_word(m->loss), (long long)want);
}

static clg_status complete(clg_model *m, clg_shape item, int classes, int64_t targets) {
    CLG_TRY(take_input(m, item));
    CLG_TRY(check_loss(m, classes));
    if (m->loss < 0 && (classes == 0 || open_layer(m) >= 0)) m->loss = classes ? CLG_LOSS_CROSS_ENTROPY : CLG_LOSS_MSE;
    fill_outputs(m, classes == 0 ? targets : for_two(m->loss) ? 1 : classes);
    CLG_TRY(clg_model_finish(m, CLG_ERR_SHAPE));
    if (m->loss < 0) {
        m->loss = classes <= 2 && m->outputs == 1 ? CLG_LOSS_LOGISTIC : CLG_LOSS_CROSS_ENTROPY;
        if ((m->text = print_model(m)) == NULL) return clg_fail_nomem("model");
    }
    return check_outputs(m, classes, targets);
}

clg_model *clg_model_for(const clg_model *m, clg_shape item, int classes, int64_t targets) {
    if (!m || item.ndim < 1 || item.ndim >= CLG_MAX_DIMS || classes < 0 || (classes == 0 && targets < 1)) {
        clg_fail(CLG_ERR_INVALID, "clg_model_for(%s): wants a model, an item of 1 to %d axes (%d given), and classes "
                 "(%d) or targets (%lld)", m ? m->name : "NULL", CLG_MAX_DIMS - 1, item.ndim, classes,
                 (long long)targets);
        return NULL;
    }
    clg_model *c = copy(m);
    if (c && complete(c, item, classes, targets) < 0) clg_model_destroy(&c);
    return c;
}

/* --- questions --- */

const char *clg_model_name(const clg_model *m) { return m ? m->name : NULL; }
const char *clg_model_text(const clg_model *m) { return m ? m->text : NULL; }
clg_shape clg_model_item(const clg_model *m) { return m ? m->item : (clg_shape){-1, {0}}; }
int64_t clg_model_outputs(const clg_model *m) { return m ? m->outputs : 0; }
int64_t clg_model_weights(const clg_model *m) { return m ? m->weights : 0; }
int clg_model_layers(const clg_model *m) { return m ? m->n : 0; }

enum clg_model_loss clg_model_loss(const clg_model *m) {
    return m && m->loss >= 0 ? (enum clg_model_loss)m->loss : CLG_LOSS_CROSS_ENTROPY;
}

static const clg_layer *layer_at(const clg_model *m, int i) {
    return m && i >= 0 && i < m->n ? &m->layer[i] : NULL;
}

const char *clg_model_layer(const clg_model *m, int i) {
    const clg_layer *const l = layer_at(m, i);
    return l ? l->text : NULL;
}

const char *clg_model_layer_name(const clg_model *m, int i) {
    const clg_layer *const l = layer_at(m, i);
    return l ? l->name : NULL;
}

clg_shape clg_model_layer_shape(const clg_model *m, int i) {
    const clg_layer *const l = layer_at(m, i);
    return l ? l->shape : (clg_shape){-1, {0}};
}

/* --- in a graph --- */

/* What x must be for the model; false: the graph has the error. */
static bool accepts(const clg_model *m, clg_tensor *x) {
    clg_graph *const g = clg_tensor_graph(x);
    const clg_dtype t = clg_tensor_dtype(x);
    if (open_layer(m) >= 0) {
        (void)clg_graph_fail(g, CLG_ERR_INVALID, "model_build(%s): its outputs are open; make it complete by "
                             "clg_model_for()", m->name);
        return false;
    }
    if ((t == CLG_F32 || t == CLG_F64) && clg_tensor_shape(x).ndim > 1 &&
        (m->item.ndim < 0 || same(m->item, item_of(x))))
        return true;
    clg_str want = {0}, is = {0};
    print_shape(&want, m->item);
    print_shape(&is, item_of(x));
    (void)clg_graph_fail(g, CLG_ERR_SHAPE, "model_build(%s): wants f32 or f64 [N, item...] with items [%s], but %s is "
                         "%s with items [%s]", m->name, m->item.ndim < 0 ? "..." : clg_str_text(&want),
                         clg_tensor_name(x), clg_dtype_name(t), clg_str_text(&is));
    clg_str_free(&want);
    clg_str_free(&is);
    return false;
}

clg_tensor *clg_model_build_all(const clg_model *m, clg_tensor *x, clg_tensor **layer) {
    for (int i = 0; m && layer && i < m->n; i++) layer[i] = NULL;
    if (!m && x) return clg_graph_fail(clg_tensor_graph(x), CLG_ERR_INVALID, "model_build: model is NULL");
    if (!x || !accepts(m, x)) return NULL;
    clg_graph *const g = clg_tensor_graph(x);
    const enum clg_init before = clg_graph_init(g);
    clg_graph_set_init(g, m->init);
    for (int i = 0; i < m->n && x; i++) {
        x = m->layer[i].kind->build(&m->layer[i], x);
        if (layer) layer[i] = x;
    }
    clg_graph_set_init(g, before);
    return x;
}

clg_tensor *clg_model_build(const clg_model *m, clg_tensor *x) {
    return clg_model_build_all(m, x, NULL);
}

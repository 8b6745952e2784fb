/* What the tests of plans share: opening, compiling, reading, and a small network. */
#ifndef CLG_TEST_PLAN_H_
#define CLG_TEST_PLAN_H_

#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *const devices[] = { "ref", NULL };

#define OK(expr) cr_assert_eq((expr), CLG_OK, #expr ": %s", clg_error())

static inline clg_device *open_device(const char *which) {
    clg_device *d = clg_device_open(which, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

static inline clg_plan *compile(clg_graph *g, clg_list targets, const clg_plan_params *p) {
    clg_plan *plan = clg_compile(g, targets, p);
    cr_assert_not_null(plan, "%s", clg_error());
    return plan;
}

static inline void read_floats(clg_plan *p, clg_tensor *t, float *to) { OK(clg_read(p, t, to, clg_tensor_bytes(t))); }

static inline int steps_of(const clg_plan *p) {
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    return info.n_steps;
}

/* A number in the JSON report; -1 if it is not there. */
static inline double reported(const clg_plan *p, const char *key) {
    char *text = NULL, quoted[64];
    size_t size = 0;
    double value = -1;
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(p, CLG_REPORT_JSON, f));
    fclose(f);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(text, quoted);
    if (at) value = strtod(at + strlen(quoted), NULL);
    free(text);
    return value;
}

static uint32_t random_state = 1;
static inline uint32_t next_random(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}
static inline void fill_random(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)((int)(next_random() % 2000) - 1000) / 512;
}
static inline void fill_small(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)((int)(next_random() % 17) - 8);
}

static inline int64_t elems(clg_shape s) {
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

/* --- a network --- */

/* A small network with everything that passes touch: dropout, updates in place, constants, broadcasting, views. */
typedef struct net {
    clg_device *dev;
    clg_store *store;
    clg_graph *g;
    clg_tensor *x, *t, *loss, *logits, *step;
} net;

static inline net make_net(const char *which, bool adam) {
    net n = { .dev = open_device(which) };
    n.store = clg_store_create(n.dev, 7);
    n.g = clg_graph_create(n.dev, n.store);
    n.x = clg_input(n.g, "x", CLG_F32, CLG_SHAPE(24, 4, 5));
    n.t = clg_input(n.g, "t", CLG_I32, CLG_SHAPE(24));
    clg_tensor *h = clg_tanh(clg_nn_linear(clg_flatten(n.x, 1), "fc1", 37));
    h = clg_dropout(clg_relu(clg_nn_linear(h, "fc2", 29)), 0.1);
    n.logits = clg_nn_linear(h, "fc3", 10);
    n.loss = clg_cross_entropy(n.logits, n.t);
    const clg_optim_params *p = clg_optim_params(.lr = adam ? 0.01 : 0.1, .momentum = adam ? 0 : 0.9,
                                                 .weight_decay = 1e-3);
    n.step = adam ? clg_adam(n.loss, p) : clg_sgd(n.loss, p);
    return n;
}

static inline void free_net(net *n) {
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
    clg_device_destroy(&n->dev);
}

static inline void feed(const net *n, clg_plan *p) {
    float x[480];
    int32_t t[24];
    random_state = 5;
    fill_random(x, 480);
    for (int i = 0; i < 24; i++) t[i] = i % 10;
    OK(clg_write(p, n->x, x, sizeof x));
    OK(clg_write(p, n->t, t, sizeof t));
}

#endif /* CLG_TEST_PLAN_H_ */

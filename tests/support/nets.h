/* Small nets in training, for tests of the ways in which a plan can be run: all must leave the same bits. */
#ifndef CLG_TEST_NETS_H_
#define CLG_TEST_NETS_H_

#include <clgrad/clgrad.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "support/device.h"

#define OK(expr) cr_assert_eq((expr), CLG_OK, "%s", clg_error())

enum { STEPS = 6, MOST = 1 << 16 };

/* --- nets --- */

typedef struct recipe {
    const char *text, *optimizer;
    int64_t     channels, size, batch, classes;
    clg_dtype   type;
} recipe;

static const recipe recipes[] = {
    { "conv 6 kernel=5 pad=2\nrelu\nmax_pool 2\nconv 16 kernel=5\nrelu\nmax_pool 2\nflatten\nlinear 120\nrelu\n"
      "linear 84\nrelu\nlinear outputs\n", "momentum", 1, 28, 16, 10 },
    { "flatten\nlinear 32\ntanh\ndropout 0.3\nlinear outputs\n", "adam", 1, 8, 5, 4 },
    { "conv 4 kernel=3 pad=1\nbatch_norm\nrelu\navg_pool 2\nflatten\nlinear outputs\n", "rmsprop", 3, 8, 6, 3 },
    { "flatten\nlinear outputs\n", "sgd", 1, 4, 1, 2 },
};

typedef struct net {
    clg_device *dev;
    clg_store  *store;
    clg_graph  *g;
    clg_plan   *plan;
    clg_tensor *x, *t, *loss, *answer;
} net;

static inline net make_net(const recipe *r, clg_device *dev, const clg_plan_params *params) {
    net n = { .dev = dev, .store = clg_store_create(dev, 5) };
    clg_model *text = clg_model_parse("net", r->text);
    clg_model *m = text ? clg_model_for(text, CLG_SHAPE(r->channels, r->size, r->size), (int)r->classes, 0) : NULL;
    cr_assert(m && n.store, "%s", clg_error());
    n.g = clg_graph_create(dev, n.store);
    n.x = clg_named(clg_input(n.g, "x", CLG_F32, CLG_SHAPE(r->batch, r->channels, r->size, r->size)), "x");
    n.t = clg_input(n.g, "t", CLG_I32, CLG_SHAPE(r->batch));
    n.answer = clg_model_build(m, n.x);
    n.loss = clg_cross_entropy(n.answer, n.t);
    clg_tensor *step = clg_optimizer(r->optimizer, n.loss, clg_optim_params(.lr = 0.02));
    n.plan = clg_compile(n.g, CLG_LIST(n.loss, n.answer, step), params);
    cr_assert(n.plan, "%s", clg_error());
    clg_model_destroy(&m);
    clg_model_destroy(&text);
    return n;
}

/* A CPU, or the test is skipped. */
static inline clg_device *open_cpu(const clg_device_params *params) {
    clg_device_info info;
    clg_device *d = clg_device_open(opencl_device(), params);
    cr_assert(d, "%s", clg_error());
    clg_device_get_info(d, &info);
    if (info.type == CLG_DEVICE_CPU) return d;
    clg_device_destroy(&d);
    cr_skip_test("megakernels are for CPUs");
    return NULL;
}

static inline void free_net(net *n) {
    clg_plan_destroy(&n->plan);
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
}

static inline void write_batch(const net *n, const recipe *r, int step) {
    const size_t pixels = (size_t)(r->batch * r->channels * r->size * r->size);
    float *x = malloc(pixels * sizeof *x);
    int32_t t[64];
    cr_assert(x);
    for (size_t i = 0; i < pixels; i++) x[i] = (float)((i * 37 + (size_t)step * 11) % 29) / 29;
    for (int i = 0; i < r->batch; i++) t[i] = (int32_t)((i + step) % r->classes);
    OK(clg_write(n->plan, n->x, x, pixels * sizeof *x));
    OK(clg_write(n->plan, n->t, t, (size_t)r->batch * sizeof *t));
    free(x);
}

/* Every weight and state of the store behind each other; their bytes. */
static inline size_t read_store(const net *n, unsigned char *to) {
    size_t at = 0;
    for (int i = 0; i < clg_store_count(n->store); i++) {
        clg_store_entry s;
        OK(clg_store_get(n->store, i, &s));
        size_t bytes = clg_dtype_size(s.dtype);
        for (int k = 0; k < s.shape.ndim; k++) bytes *= (size_t)s.shape.dim[k];
        unsigned char *room = malloc(bytes + 1);
        cr_assert(room);
        OK(clg_store_read(n->store, s.name, room, bytes));
        for (size_t k = 0; k < bytes; k++) to[(at + k) % MOST] = (unsigned char)(to[(at + k) % MOST] * 31 + room[k]);
        at += bytes;
        free(room);
    }
    return at;
}

/* Steps with all that may happen between them; what they leave. Runs follow each other without a wait in between. */
static inline size_t train(net *n, const recipe *r, unsigned char *left) {
    float loss[STEPS] = { 0 };
    memset(left, 0, MOST);
    for (int i = 0; i < STEPS; i++) {
        write_batch(n, r, i);
        OK(clg_run(n->plan));
        OK(clg_run(n->plan)); /* the same batch again */
        if (i == 3) OK(clg_read_begin(n->plan, n->loss));
        if (i == 4) OK(clg_read_end(n->plan, n->loss, &loss[3], sizeof loss[0]));
        if (i % 2 == 0) OK(clg_read(n->plan, n->loss, &loss[i], sizeof loss[0]));
    }
    const size_t bytes = read_store(n, left);
    memcpy(left + MOST - sizeof loss, loss, sizeof loss);
    return bytes;
}

/* A number of clg_plan_report(). */
static inline int reported(const net *n, const char *key) {
    FILE *f = tmpfile();
    cr_assert(f);
    OK(clg_plan_report(n->plan, CLG_REPORT_JSON, f));
    rewind(f);
    json_t *j = json_loadf(f, 0, NULL);
    const int count = (int)json_integer_value(json_object_get(j, key));
    json_decref(j);
    fclose(f);
    return count;
}

#endif /* CLG_TEST_NETS_H_ */

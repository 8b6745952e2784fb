/* Graphs whose nodes are pinned to two devices, against the same graphs on one: bit for bit where both devices are
 * OpenCL devices of one kind, within bounds where one is the reference. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include "support/opencl.h"
#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(expr) cr_assert_eq((expr), CLG_OK, #expr ": %s", clg_error())

enum { MAX_IO = 6, RUNS = 4, MOST = 40000 };

/* A graph under construction on two devices, which may be one. */
typedef struct net {
    clg_device *dev[2];
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *in[MAX_IO], *out[MAX_IO]; /* out: read, or performed */
    int         n_in, n_out;
    bool        inference;
} net;

static void at(net *n, int k) { OK(clg_graph_pin(n->g, n->dev[k])); }

static clg_tensor *input(net *n, const char *name, clg_dtype type, clg_shape s) {
    return n->in[n->n_in++] = clg_input(n->g, name, type, s);
}

static void output(net *n, clg_tensor *t) { n->out[n->n_out++] = t; }

/* --- the graphs --- */

/* One method and one shape for most graphs, as each kernel is compiled anew on a cold cache. */
static void train(net *n, clg_tensor *loss, double clip_norm) {
    at(n, 0);
    output(n, loss);
    output(n, clg_optimizer("momentum", loss, clg_optim_params(.lr = 0.05, .clip_norm = clip_norm)));
}

static void lenet(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(4, 1, 8, 8)), *t = input(n, "t", CLG_I32, CLG_SHAPE(4));
    clg_tensor *h = clg_max_pool(clg_relu(clg_nn_conv2d(x, "conv", 2, 5, NULL)), clg_pool_params(.kernel = { 2, 2 }));
    at(n, 1);
    clg_tensor *y = clg_nn_linear(clg_relu(clg_flatten(h, 1)), "fc", 8);
    output(n, y);
    train(n, clg_cross_entropy(y, t), 0);
}

static void branches(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(4, 8));
    clg_tensor *a = clg_sigmoid(clg_nn_linear(x, "a", 8));
    at(n, 1);
    clg_tensor *b = clg_tanh(clg_nn_linear(x, "b", 8));
    at(n, 0);
    clg_tensor *sum = clg_mul(clg_add(a, b), a);
    at(n, 1);
    output(n, clg_sub(clg_exp(b), sum));
    train(n, clg_mean(clg_square(sum), CLG_ALL), 0.1);
}

static void alternations(net *n) {
    clg_tensor *h = input(n, "x", CLG_F32, CLG_SHAPE(4, 8)), *first = h;
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "l%d", i);
        at(n, i % 2);
        h = clg_add(clg_relu(clg_nn_linear(h, name, 8)), first); /* a skip over all of them */
    }
    train(n, clg_mean(clg_square(h), CLG_ALL), 0);
}

static void shared(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(4, 8));
    clg_tensor *w = clg_param(n->g, "w", CLG_F32, CLG_SHAPE(8, 8), CLG_INIT_XAVIER);
    clg_tensor *h = clg_tanh(clg_matmul(x, w));
    at(n, 1);
    h = clg_tanh(clg_matmul(h, w));
    clg_tensor *again = clg_param(n->g, "w", CLG_F32, CLG_SHAPE(8, 8), CLG_INIT_XAVIER);
    cr_expect_eq(clg_tensor_device(again), n->dev[0], "a param stays where it is");
    output(n, w);
    train(n, clg_mean(clg_mul(h, clg_mean(w, CLG_ALL)), CLG_ALL), 0);
}

static void views(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(6, 4));
    clg_tensor *a = clg_reshape(clg_square(x), CLG_SHAPE(4, 6));
    at(n, 1);
    clg_tensor *b = clg_reshape(clg_permute(clg_reshape(a, CLG_SHAPE(2, 12)), (int[]){ 1, 0 }), CLG_SHAPE(24));
    at(n, 0);
    output(n, clg_reshape(clg_exp(clg_reshape(b, CLG_SHAPE(8, 3))), CLG_SHAPE(3, 8)));
    output(n, clg_reshape(b, CLG_SHAPE(2, 3, 4)));
    output(n, clg_reshape(x, CLG_SHAPE(24)));
    output(n, a);
}

/* Each variable becomes what another one was, over and within devices; one is read on both after its new value. */
static void effects(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(3)), *v[4];
    for (int i = 0; i < 4; i++) {
        const char *const names[] = { "a", "b", "c", "d" };
        at(n, i / 2);
        v[i] = clg_state(n->g, names[i], CLG_F32, CLG_SHAPE(3), i + 1);
    }
    output(n, clg_mul(v[0], v[3]));
    output(n, clg_group(CLG_LIST(clg_assign(v[0], v[1]), clg_assign(v[1], v[0]), clg_assign(v[2], v[0]))));
    at(n, 0);
    clg_tensor *next = clg_add(clg_mul(v[3], x), v[2]);
    at(n, 1);
    output(n, clg_assign(v[3], clg_add(next, v[3])));
    output(n, clg_sub(next, v[3]));
    output(n, v[3]);
}

static void dropout(net *n) {
    clg_tensor *x = input(n, "x", CLG_F32, CLG_SHAPE(4, 8));
    clg_tensor *a = clg_dropout(clg_nn_linear(x, "fc", 8), 0.4);
    at(n, 1);
    clg_tensor *b = clg_dropout(clg_nn_batch_norm(clg_nn_linear(a, "fc2", 8), "bn", NULL), 0.3);
    output(n, b);
    if (!n->inference) train(n, clg_mean(clg_square(b), CLG_ALL), 0);
}

static void infer(net *n) {
    n->inference = true;
    dropout(n);
}

/* The pairs of devices that a graph is run on; not each on all, as kernels differ by the part that a device has. */
enum { GUEST = 1, HOME = 2, EXACT = 4 }; /* the reference is second, first, none of them */

static const struct { const char *name; void (*build)(net *n); double bound; int pairs; } table[] = {
    { "lenet", lenet, 1e-3, GUEST | EXACT },        { "branches", branches, 1e-4, HOME },
    { "alternations", alternations, 1e-3, GUEST },  { "shared", shared, 1e-3, HOME },
    { "views", views, 1e-5, GUEST | EXACT },         { "effects", effects, 1e-4, HOME | EXACT },
    { "dropout", dropout, 1e-3, GUEST },            { "infer", infer, 1e-4, HOME },
};
enum { N_NETS = sizeof table / sizeof table[0] };

/* --- running them --- */

typedef struct result {
    float *x;
    int    n;
    clg_plan_info info;
} result;

static void build(net *n, int which, clg_device *a, clg_device *b) {
    *n = (net){ .dev = { a, b } };
    n->store = clg_store_create(a, 7);
    n->g = clg_graph_create(a, n->store);
    table[which].build(n);
    OK(clg_graph_status(n->g));
}

static void close_net(net *n) {
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
}

static void write_inputs(net *n, clg_plan *p, int run) {
    for (int i = 0; i < n->n_in; i++) {
        union { float f; int32_t i; } data[4096];
        const size_t bytes = clg_tensor_bytes(n->in[i]);
        cr_assert(bytes <= sizeof data);
        for (size_t k = 0; k < bytes / 4; k++) {
            if (clg_tensor_dtype(n->in[i]) == CLG_I32) data[k].i = (int32_t)(k + (size_t)run) % 5;
            else data[k].f = (float)((k * 37 + (size_t)run * 11) % 61) / 61 - 0.4f;
        }
        OK(clg_write(p, n->in[i], data, bytes));
    }
}

static void keep(result *r, size_t bytes) {
    r->n += (int)(bytes / 4);
    cr_assert(r->n < MOST);
}

/* What is read after each run, and in the end everything in the store. */
static result run(net *n) {
    result r = { .x = calloc(MOST, sizeof(float)) };
    clg_plan *p = clg_compile(n->g, (clg_list){ n->n_out, n->out }, clg_plan_params(.inference = n->inference));
    cr_assert_not_null(p, "%s", clg_error());
    clg_plan_get_info(p, &r.info);
    for (int i = 0; i < RUNS; i++) {
        if (i != 2) write_inputs(n, p, i); /* what is not written stays */
        OK(clg_run(p));
        for (int k = 0; k < n->n_out; k++) {
            const size_t bytes = clg_tensor_bytes(n->out[k]);
            if (clg_tensor_dtype(n->out[k]) != CLG_F32) continue; /* an effect */
            OK(clg_read(p, n->out[k], r.x + r.n, bytes));
            keep(&r, bytes);
        }
    }
    for (int i = 0; i < clg_store_count(n->store); i++) {
        clg_store_entry e;
        OK(clg_store_get(n->store, i, &e));
        size_t bytes = 4;
        for (int k = 0; k < e.shape.ndim; k++) bytes *= (size_t)e.shape.dim[k];
        if (e.dtype != CLG_F32) continue;
        OK(clg_store_read(n->store, e.name, r.x + r.n, bytes));
        keep(&r, bytes);
    }
    clg_plan_destroy(&p);
    return r;
}

static result run_on(int which, clg_device *a, clg_device *b) {
    net n;
    build(&n, which, a, b);
    const result r = run(&n);
    close_net(&n);
    return r;
}

/* One graph on two devices against the same on `alone`: of the kind of both of them, if exact. */
static void compare(int which, clg_device *alone, clg_device *a, clg_device *b, bool exact) {
    const result want = run_on(which, alone, alone), have = run_on(which, a, b);
    const double bound = exact ? 0 : table[which].bound;
    cr_assert_eq(want.n, have.n);
    cr_expect_eq(want.info.n_copies, 0);
    cr_expect_gt(have.info.n_copies, 0, "%s: nothing crosses", table[which].name);
    cr_expect_eq(have.info.n_fallback, 0);
    for (int i = 0; i < want.n; i++)
        cr_assert(fabs((double)want.x[i] - (double)have.x[i]) <= bound * fmax(1, fabs((double)want.x[i])),
                  "%s: number %d of %d is %.9g, alone %.9g", table[which].name, i, want.n, have.x[i], want.x[i]);
    free(want.x);
    free(have.x);
}

static void compare_all(int pair, clg_device *alone, clg_device *a, clg_device *b) {
    for (int i = 0; i < N_NETS; i++)
        if (table[i].pairs & pair) compare(i, alone, a, b, pair == EXACT);
}

static clg_device *open_device(const char *which) {
    clg_device *d = clg_device_open(which, NULL);
    cr_assert_not_null(d, "%s", clg_error());
    return d;
}

/* Every graph, cheaply: what crosses is rounded to its type, which the reference does nowhere else. */
Test(placement, two_references) {
    clg_device *a = open_device("ref"), *b = open_device("ref");
    for (int i = 0; i < N_NETS; i++) compare(i, a, a, b, false);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
}

Test(placement, device_and_reference) {
    clg_device *a = open_device(opencl_device()), *b = open_device("ref");
    compare_all(GUEST, b, a, b);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
}

Test(placement, reference_is_home) {
    clg_device *a = open_device("ref"), *b = open_device(opencl_device());
    compare_all(HOME, a, a, b);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
}

Test(placement, one_device_opened_twice) {
    clg_device *a = open_device(opencl_device()), *b = open_device(opencl_device());
    compare_all(EXACT, a, a, b);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
}

/* Parts of one device in one context: values cross directly. */
Test(placement, two_parts_of_a_device) {
    cl_device_id half[2];
    cl_uint n = 0;
    cl_int err;
    const cl_device_partition_property equally[] = { CL_DEVICE_PARTITION_EQUALLY, 1, 0 };
    const char *why = why_no_halves(opencl_device());
    if (why) cr_skip_test("%s", why);
    cr_assert_eq(clCreateSubDevices(opencl_id(opencl_device()), equally, 2, half, &n), CL_SUCCESS);
    cl_context context = clCreateContext(NULL, 2, half, NULL, NULL, &err);
    cr_assert_eq(err, CL_SUCCESS);
    clg_device *a = clg_device_wrap(context, half[0], NULL, NULL), *b = clg_device_wrap(context, half[1], NULL, NULL);
    cr_assert(a && b, "%s", clg_error());
    compare_all(EXACT, a, a, b);
    clg_device_destroy(&a);
    clg_device_destroy(&b);
    clReleaseContext(context);
}

/* Micro-batches: a batch that is taken in parts gives the step of the whole one, bit for bit where sums are exact; what
 * looks at all rows at once is left whole; the memory of a plan shrinks, in whatever order plans are made. */
#include "support/device.h"
#include "support/plan.h"

#include <math.h>

enum { ROWS = 24, STEPS = 3, MOST_PARAMS = 20000 };

typedef clg_tensor *builder(clg_tensor *x, clg_tensor *label, clg_tensor **answer);

/* A network in training: from x [ROWS, 2, 12, 12] and labels to a loss. */
typedef struct trained {
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *label, *loss, *answer, *step;
    clg_plan   *plan;
} trained;

static trained network_of(clg_device *dev, builder *build, int64_t rows, int64_t size, double decay) {
    trained n = { .store = clg_store_create(dev, 3) };
    n.g = clg_graph_create(dev, n.store);
    n.x = clg_input(n.g, "x", CLG_F32, CLG_SHAPE(rows, 2, size, size));
    n.label = clg_input(n.g, "label", CLG_I32, CLG_SHAPE(rows));
    n.loss = build(n.x, n.label, &n.answer);
    n.step = clg_sgd(n.loss, clg_optim_params(.lr = 0.0625, .momentum = 0.5, .weight_decay = decay));
    return n;
}

static trained network(clg_device *dev, builder *build, int64_t rows, int64_t size) {
    return network_of(dev, build, rows, size, 0.125);
}

static void compile_parts(trained *n, int64_t micro_batch) {
    n->plan = compile(n->g, CLG_LIST(n->loss, n->answer, n->step), clg_plan_params(.micro_batch = micro_batch));
}

static void close_network(trained *n) {
    clg_plan_destroy(&n->plan);
    clg_graph_destroy(&n->g);
    clg_store_destroy(&n->store);
}

static int64_t taken(const trained *n) {
    clg_plan_info info;
    clg_plan_get_info(n->plan, &info);
    cr_expect_eq((int64_t)reported(n->plan, "micro_batch"), info.micro_batch);
    return info.micro_batch;
}

/* Losses, answers and params of some steps; returns how many numbers. */
static int train(trained *n, const float *x, const int32_t *label, float *out) {
    int at = 0;
    OK(clg_write(n->plan, n->x, x, clg_tensor_bytes(n->x)));
    OK(clg_write(n->plan, n->label, label, clg_tensor_bytes(n->label)));
    for (int i = 0; i < STEPS; i++) {
        OK(clg_run(n->plan));
        read_floats(n->plan, n->loss, out + at++);
    }
    read_floats(n->plan, n->answer, out + at);
    at += (int)elems(clg_tensor_shape(n->answer));
    for (int i = 0; i < clg_store_count(n->store); i++) {
        clg_store_entry e;
        OK(clg_store_get(n->store, i, &e));
        if (e.dtype != CLG_F32) continue;
        cr_assert_lt(at + (int)elems(e.shape), MOST_PARAMS);
        OK(clg_store_read(n->store, e.name, out + at, (size_t)elems(e.shape) * sizeof *out));
        at += (int)elems(e.shape);
    }
    return at;
}

/* --- networks --- */

static clg_tensor *cross(clg_tensor *answer, clg_tensor *label, clg_tensor **out) {
    *out = answer;
    return clg_cross_entropy(answer, label);
}

/* Convolutions of all passes, pools of both kinds, products, the mask of a dropout, weights in every layer. */
static clg_tensor *convolutions(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "c1", 8, 3, clg_conv_params(.pad = { 1, 1 })));
    h = clg_max_pool(h, clg_pool_params(.kernel = { 2, 2 }));
    h = clg_tanh(clg_nn_conv2d(clg_dropout_channels(h, 0.25), "c2", 8, 3, NULL));
    h = clg_flatten(clg_avg_pool(h, clg_pool_params(.kernel = { 2, 2 })), 1);
    h = clg_dropout(clg_relu(clg_nn_linear(h, "f1", 36)), 0.5);
    return cross(clg_nn_linear(h, "f2", 5), label, answer);
}

/* Rows that are normalised each by itself, joined along another axis; a loss that is a mean of all elements; a constant
 * with a value for each row. */
static clg_tensor *normalised(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    float weight[ROWS];
    for (int i = 0; i < ROWS; i++) weight[i] = (float)(1 + i % 3);
    clg_tensor *w = clg_const(clg_tensor_graph(x), CLG_F32, CLG_SHAPE(ROWS, 1), weight);
    clg_tensor *h = clg_nn_layer_norm(clg_nn_linear(clg_flatten(x, 1), "f1", 12), "norm", 1, NULL);
    h = clg_concat(CLG_LIST(clg_softmax(h, 1), clg_add(clg_scale(clg_stop_grad(h), 0.125), clg_mul(h, w))), 1);
    h = clg_slice(clg_reshape(clg_permute(clg_reshape(h, CLG_SHAPE(ROWS, 4, 6)), (const int[]){ 0, 2, 1 }),
                              CLG_SHAPE(ROWS, 24)), 1, 2, CLG_END, 1);
    *answer = clg_nn_linear(h, "f2", 1);
    clg_tensor *off = clg_sub(*answer, clg_reshape(clg_cast(label, CLG_F32), CLG_SHAPE(ROWS, 1)));
    return clg_add(clg_mean(clg_square(off), CLG_ALL), clg_sum(clg_mean(clg_square(h), CLG_AXIS(0)), CLG_ALL));
}

/* Sums of integers, and of few binary digits behind the point where weights do not decay: exact in any order. */
static clg_tensor *exact(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    clg_tensor *w = clg_param(clg_tensor_graph(x), "w", CLG_F32, CLG_SHAPE(288, 1), CLG_INIT_ONE);
    *answer = clg_matmul(clg_dropout(clg_flatten(x, 1), 0.5), w);
    clg_tensor *t = clg_reshape(clg_cast(label, CLG_F32), CLG_SHAPE(ROWS, 1));
    return clg_scale(clg_sum(clg_mul(*answer, t), CLG_ALL), 1.0 / 64);
}

/* Some work a row, which a plan of many rows is worth being cut for. */
static clg_tensor *wide(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    clg_tensor *h = clg_relu(clg_nn_conv2d(x, "c1", 16, 3, clg_conv_params(.pad = { 1, 1 })));
    h = clg_relu(clg_nn_conv2d(h, "c2", 32, 3, clg_conv_params(.pad = { 1, 1 })));
    return cross(clg_nn_linear(clg_flatten(clg_global_avg_pool(h), 1), "f1", 5), label, answer);
}

/* Rows that become another axis of a product, and rows in reverse order: neither can be done in parts. */
static clg_tensor *spread(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    float weight[ROWS * 5 * 2];
    for (int i = 0; i < ROWS * 10; i++) weight[i] = (float)(i % 7) / 8;
    clg_tensor *w = clg_const(clg_tensor_graph(x), CLG_F32, CLG_SHAPE(ROWS, 5, 2), weight);
    clg_tensor *h = clg_nn_linear(clg_flatten(x, 1), "f1", 5);
    clg_tensor *above = clg_cast(clg_gt(h, clg_fill(clg_tensor_graph(x), CLG_F32, CLG_SCALAR, 0)), CLG_F32);
    *answer = clg_matmul(above, w); /* by w's batch, which is no row */
    return clg_cross_entropy(h, label);
}

static clg_tensor *reversed(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    clg_tensor *h = clg_nn_linear(clg_flatten(x, 1), "f1", 5);
    *answer = clg_add(h, clg_slice(h, 0, -1, CLG_END, -1));
    return clg_cross_entropy(clg_tanh(*answer), label);
}

static clg_tensor *batch_norm(clg_tensor *x, clg_tensor *label, clg_tensor **answer) {
    clg_tensor *h = clg_nn_batch_norm(clg_nn_conv2d(x, "c1", 4, 3, NULL), "norm", NULL);
    return cross(clg_nn_linear(clg_flatten(h, 1), "f1", 5), label, answer);
}

/* --- tests --- */

static float x[ROWS * 288], whole[MOST_PARAMS], parts[MOST_PARAMS];
static int32_t label[ROWS];

static void fill(bool integers) {
    random_state = 5;
    if (!integers) fill_random(x, ROWS * 288);
    for (int i = 0; integers && i < ROWS * 288; i++) x[i] = (float)((int)(next_random() % 5) - 2);
    for (int i = 0; i < ROWS; i++) label[i] = (int32_t)(next_random() % 5);
}

static void compare(clg_device *dev, builder *build, int64_t micro_batch, int64_t expected, double slack) {
    const double decay = build == exact ? 0 : 0.125;
    trained a = network_of(dev, build, ROWS, 12, decay), b = network_of(dev, build, ROWS, 12, decay);
    compile_parts(&a, -1);
    compile_parts(&b, micro_batch);
    const int n = train(&a, x, label, whole);
    cr_expect_eq(taken(&a), 0);
    cr_expect_eq(taken(&b), expected, "%lld rows of %lld asked for", (long long)taken(&b), (long long)micro_batch);
    cr_assert_eq(train(&b, x, label, parts), n);
    for (int i = 0; i < n; i++) {
        const double bound = slack * 0x1p-23 * (1 + fabs(whole[i]));
        cr_assert(fabs(whole[i] - parts[i]) <= bound, "number %d, parts of %lld: %.9g is not %.9g", i,
                  (long long)micro_batch, parts[i], whole[i]);
    }
    close_network(&a);
    close_network(&b);
}

Test(micro, parts_make_the_step_of_the_whole, .timeout = 300) {
    clg_device *dev = open_device(opencl_device());
    fill(false);
    compare(dev, convolutions, 8, 8, 64);
    compare(dev, normalised, 1, 1, 64);
    for (int i = 0; i < 16; i++) label[i] = -1; /* of three parts the first has one label, the second none */
    label[2] = 1;
    compare(dev, convolutions, 8, 8, 64);
    clg_device_destroy(&dev);
}

/* Masks of dropout are those of the whole batch, and where sums are exact so are all bits. */
Test(micro, bit_for_bit, .timeout = 100) {
    clg_device *dev = open_device(opencl_device());
    fill(true);
    compare(dev, exact, 2, 2, 0);
    compare(dev, exact, 5, 6, 0); /* the next divisor */
    clg_device_destroy(&dev);
}

Test(micro, what_looks_at_all_rows_stays_whole, .timeout = 100) {
    clg_device *dev = open_device(opencl_device());
    fill(false);
    compare(dev, batch_norm, 8, 0, 0);
    compare(dev, spread, 8, 0, 0);
    compare(dev, reversed, 8, 0, 0);
    compare(dev, exact, ROWS, 0, 0);
    compare(dev, exact, 100, 0, 0);
    clg_device_destroy(&dev);
}

static uint64_t arena(const trained *n) {
    clg_plan_info info;
    clg_plan_get_info(n->plan, &info);
    return info.bytes_arena;
}

/* Also where another plan of the graph has made nodes of the parts before: its forward passes come first in the graph. */
Test(micro, needs_the_memory_of_a_part, .timeout = 100) {
    clg_device *dev = open_device(opencl_device());
    trained a = network(dev, convolutions, ROWS, 12), b = network(dev, convolutions, ROWS, 12);
    trained before = b;
    compile_parts(&a, -1);
    const uint64_t all = arena(&a);
    clg_plan_destroy(&a.plan);
    compile_parts(&a, 4);
    before.plan = compile(b.g, CLG_LIST(clg_sgd(b.loss, clg_optim_params(.lr = 1)), b.loss),
                          clg_plan_params(.micro_batch = 4));
    compile_parts(&b, 4);
    cr_expect_lt(3 * arena(&a), all, "%llu and %llu bytes", (unsigned long long)arena(&a), (unsigned long long)all);
    cr_expect_eq(arena(&b), arena(&a));
    clg_plan_destroy(&before.plan);
    close_network(&a);
    close_network(&b);
    clg_device_destroy(&dev);
}

/* By itself on CPUs where intermediates are several times as large as the caches, and in no plan that trains nothing. */
Test(micro, chosen_by_size, .timeout = 100) {
    clg_device *dev = open_device(opencl_device());
    clg_device_info info;
    clg_device_get_info(dev, &info);
    trained n = network(dev, wide, 64, 64);
    compile_parts(&n, 0);
    const int64_t rows = taken(&n);
    if (info.type == CLG_DEVICE_CPU) cr_expect(rows > 0 && rows < 64 && 64 % rows == 0, "%lld", (long long)rows);
    else cr_expect_eq(rows, 0);
    clg_plan_destroy(&n.plan);
    compile_parts(&n, 16);
    cr_expect_eq(taken(&n), 16);
    clg_plan_destroy(&n.plan);
    n.plan = compile(n.g, CLG_LIST(n.answer), clg_plan_params(.inference = true));
    cr_expect_eq(taken(&n), 0);
    close_network(&n);
    n = network(dev, convolutions, ROWS, 12);
    compile_parts(&n, 0);
    cr_expect_eq(taken(&n), 0);
    close_network(&n);
    clg_device_destroy(&dev);
}

Test(micro, by_the_environment, .timeout = 100) {
    static const struct { const char *text; int64_t rows; } cases[] = { { "6", 6 }, { "off", 0 }, { "auto", 0 } };
    static const char *const wrong[] = { "-3", "0", "6 rows", "on" };
    clg_device *dev = open_device(opencl_device());
    trained n = network(dev, exact, ROWS, 12);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("CLGRAD_MICRO_BATCH", cases[i].text, 1);
        compile_parts(&n, 0);
        cr_expect_eq(taken(&n), cases[i].rows, "%s", cases[i].text);
        clg_plan_destroy(&n.plan);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("CLGRAD_MICRO_BATCH", wrong[i], 1);
        cr_expect_null(clg_compile(n.g, CLG_LIST(n.step), NULL));
        cr_expect(clg_error_status() == CLG_ERR_INVALID && strstr(clg_error(), "is none of auto, off"), "%s", clg_error());
    }
    compile_parts(&n, 4); /* the caller's word goes before */
    cr_expect_eq(taken(&n), 4);
    close_network(&n);
    clg_device_destroy(&dev);
}

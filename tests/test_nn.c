/* Layers: what they keep in the store, batch norm's running statistics against plain C, phases, and their mistakes. */
#include "support/plan.h"
#include <math.h>
#include <unistd.h>

enum { N = 6, C = 5, S = 7, ELEMS = N * C * S };

/* A network with batch norm over the store, with a loss and a step of SGD. */
typedef struct model {
    clg_graph  *g;
    clg_tensor *x, *y, *loss;
    clg_plan   *train, *infer;
} model;

static clg_store *new_store(clg_device *dev) {
    clg_store *s = clg_store_create(dev, 3);
    cr_assert_not_null(s, "%s", clg_error());
    return s;
}

static model build_model(clg_device *dev, clg_store *store, double momentum) {
    model n = { .g = clg_graph_create(dev, store) };
    n.x = clg_input(n.g, "x", CLG_F32, CLG_SHAPE(N, C, S));
    n.y = clg_nn_batch_norm(n.x, "bn", clg_norm_params(.momentum = momentum));
    clg_tensor *z = clg_nn_linear(clg_flatten(clg_relu(n.y), 1), "fc", 2);
    n.loss = clg_mean(clg_square(z), CLG_ALL);
    n.train = compile(n.g, CLG_LIST(n.loss, clg_sgd(n.loss, clg_optim_params(.lr = 0.1))), NULL);
    n.infer = compile(n.g, CLG_LIST(n.y), clg_plan_params(.inference = true));
    return n;
}

static void close_model(model *n) {
    clg_plan_destroy(&n->train);
    clg_plan_destroy(&n->infer);
    clg_graph_destroy(&n->g);
}

static void step(model *n, const float *x) {
    OK(clg_write(n->train, n->x, x, ELEMS * sizeof *x));
    OK(clg_run(n->train));
}

static void read_state(clg_store *s, const char *name, float *to) { OK(clg_store_read(s, name, to, C * sizeof *to)); }

/* The statistics of one batch, folded into the running ones as PyTorch does. */
static void move_statistics(const float *x, double momentum, double *mean, double *var) {
    for (int c = 0; c < C; c++) {
        double m = 0, v = 0;
        for (int i = 0; i < N * S; i++) m += x[(i / S * C + c) * S + i % S] / (double)(N * S);
        for (int i = 0; i < N * S; i++) v += pow(x[(i / S * C + c) * S + i % S] - m, 2) / (double)(N * S - 1);
        mean[c] = (1 - momentum) * mean[c] + momentum * m;
        var[c] = (1 - momentum) * var[c] + momentum * v;
    }
}

static void expect_near(const float *got, const double *want, const char *what, int run) {
    for (int c = 0; c < C; c++)
        cr_assert_lt(fabs(got[c] - want[c]), 1e-5 * (1 + fabs(want[c])), "%s[%d] is %.9g after run %d, not %.9g", what,
                     c, got[c], run, want[c]);
}

Test(nn, batch_norm_keeps_running_statistics) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *store = new_store(dev);
        model n = build_model(dev, store, 0.25);
        double mean[C] = { 0 }, var[C] = { 1, 1, 1, 1, 1 };
        float x[ELEMS], got[C];
        for (int run = 1; run <= 5; run++) {
            fill_random(x, ELEMS);
            step(&n, x);
            move_statistics(x, 0.25, mean, var);
            read_state(store, "bn.running_mean", got);
            expect_near(got, mean, "mean", run);
            read_state(store, "bn.running_var", got);
            expect_near(got, var, "variance", run);
        }
        close_model(&n);
        clg_store_destroy(&store);
        clg_device_destroy(&dev);
    }
}

/* Inference normalises by the running statistics and the trained gamma and beta, and changes nothing. */
Test(nn, batch_norm_in_inference) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *store = new_store(dev);
        model n = build_model(dev, store, 0);
        float x[ELEMS], y[ELEMS], state[4][C], after[C];
        const char *const names[] = { "bn.running_mean", "bn.running_var", "bn.weight", "bn.bias" };
        for (int run = 0; run < 3; run++) {
            fill_random(x, ELEMS);
            step(&n, x);
        }
        for (int i = 0; i < 4; i++) read_state(store, names[i], state[i]);
        fill_random(x, ELEMS);
        OK(clg_write(n.infer, n.x, x, sizeof x));
        OK(clg_run(n.infer));
        OK(clg_run(n.infer));
        read_floats(n.infer, n.y, y);
        for (int i = 0; i < ELEMS; i++) {
            const int c = i / S % C;
            const double want = (x[i] - state[0][c]) / sqrt(state[1][c] + 1e-5) * state[2][c] + state[3][c];
            cr_assert_lt(fabs(y[i] - want), 1e-5 * (1 + fabs(want)), "y[%d] is %g, not %g", i, y[i], want);
        }
        for (int i = 0; i < 4; i++) {
            read_state(store, names[i], after);
            cr_assert_arr_eq(after, state[i], sizeof after, "%s changed", names[i]);
        }
        close_model(&n);
        clg_store_destroy(&store);
        clg_device_destroy(&dev);
    }
}

/* The planner drops what only training needs: an inference plan of batch norm is one kernel over x and four vectors. */
Test(nn, inference_computes_no_statistics) {
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N, C, S)), *y = clg_nn_batch_norm(x, "bn", NULL);
    clg_tensor *gx = clg_grad(clg_sum(clg_square(y), CLG_ALL), x);
    clg_plan *infer = compile(g, CLG_LIST(y), clg_plan_params(.inference = true));
    clg_plan *slope = compile(g, CLG_LIST(gx), clg_plan_params(.inference = true));
    clg_plan *train = compile(g, CLG_LIST(y), NULL);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    OK(clg_plan_report(infer, CLG_REPORT_TEXT, f));
    OK(clg_plan_report(slope, CLG_REPORT_TEXT, f));
    fclose(f);
    cr_expect_null(strstr(text, "mean("), "a batch statistic in an inference plan:\n%s", text);
    cr_expect_null(strstr(text, "reduce."), "a reduction in an inference plan:\n%s", text);
    cr_expect_gt(steps_of(train), steps_of(infer));
    free(text);
    clg_plan_destroy(&infer);
    clg_plan_destroy(&slope);
    clg_plan_destroy(&train);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* d sum(y^2) / dx = 2 y gamma / sqrt(var + eps) where the statistics are constants. */
Test(nn, gradients_of_inference_take_the_statistics_as_constants) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_graph *g = clg_graph_create(dev, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N, C, S));
        clg_tensor *m = clg_state(g, "m", CLG_F32, CLG_SHAPE(C), 0.5), *v = clg_state(g, "v", CLG_F32, CLG_SHAPE(C), 4);
        clg_tensor *y = clg_batch_norm(x, NULL, NULL, m, v, NULL), *gx = clg_grad(clg_sum(clg_square(y), CLG_ALL), x);
        clg_plan *p = compile(g, CLG_LIST(gx), clg_plan_params(.inference = true));
        clg_plan *t = compile(g, CLG_LIST(gx), NULL);
        float in[ELEMS], got[ELEMS];
        double total = 0;
        fill_random(in, ELEMS);
        OK(clg_write(p, x, in, sizeof in));
        OK(clg_run(p));
        read_floats(p, gx, got);
        for (int i = 0; i < ELEMS; i++)
            cr_assert_lt(fabs(got[i] - 2 * (in[i] - 0.5) / 4.00001), 1e-5, "%d: %g", i, got[i]);
        OK(clg_write(t, x, in, sizeof in)); /* in training the sum of y^2 hardly depends on x at all */
        OK(clg_run(t));
        read_floats(t, gx, got);
        for (int i = 0; i < ELEMS; i++) total += fabs(got[i]);
        cr_expect_lt(total, 1e-2);
        clg_plan_destroy(&p);
        clg_plan_destroy(&t);
        clg_graph_destroy(&g);
        clg_device_destroy(&dev);
    }
}

/* A checkpoint holds the running statistics; training goes on from it with the same bits. */
Test(nn, batch_norm_resumes) {
    clg_device *dev = open_device(NULL);
    char path[] = "/tmp/clgrad-nn-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    static const char *const names[] = { "bn.running_mean", "bn.running_var", "bn.weight", "bn.bias" };
    float x[6][ELEMS], want[4][C], got[C], y[2][ELEMS];
    for (int i = 0; i < 6; i++) fill_random(x[i], ELEMS);
    for (int pass = 0; pass < 2; pass++) {
        clg_store *store = new_store(dev);
        if (pass == 1) OK(clg_store_load(store, path, NULL));
        model n = build_model(dev, store, 0);
        for (int i = pass == 0 ? 0 : 3; i < 6; i++) {
            if (i == 3 && pass == 0) OK(clg_store_save(store, path, NULL));
            step(&n, x[i]);
        }
        OK(clg_write(n.infer, n.x, x[0], sizeof x[0]));
        OK(clg_run(n.infer));
        read_floats(n.infer, n.y, y[pass]);
        for (int k = 0; k < 4; k++) {
            read_state(store, names[k], pass == 0 ? want[k] : got);
            if (pass == 1) cr_expect_arr_eq(got, want[k], sizeof got, "%s", names[k]);
        }
        close_model(&n);
        clg_store_destroy(&store);
    }
    cr_expect_arr_eq(y[0], y[1], sizeof y[0]);
    unlink(path);
    clg_device_destroy(&dev);
}

/* Two layers of one graph keep their own; an equal call is one layer; a plan that needs neither moves neither. */
Test(nn, batch_norm_moves_what_a_plan_needs) {
    clg_device *dev = open_device("ref");
    clg_store *store = new_store(dev);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N, C, S));
    clg_tensor *a = clg_nn_batch_norm(x, "a", NULL), *b = clg_nn_batch_norm(clg_relu(x), "b", NULL);
    cr_expect_eq(a, clg_nn_batch_norm(x, "a", NULL));
    clg_tensor *mean = clg_mean(x, CLG_ALL);
    clg_plan *only_b = compile(g, CLG_LIST(b), NULL), *none = compile(g, CLG_LIST(mean), NULL);
    clg_plan *both = compile(g, CLG_LIST(a, b), NULL);
    float in[ELEMS], zero[C] = { 0 }, got[C], before[C];
    fill_random(in, ELEMS);
    OK(clg_write(only_b, x, in, sizeof in));
    OK(clg_write(none, x, in, sizeof in));
    OK(clg_write(both, x, in, sizeof in));
    OK(clg_run(none));
    OK(clg_run(only_b));
    read_state(store, "a.running_mean", got);
    cr_expect_arr_eq(got, zero, sizeof got);
    read_state(store, "b.running_mean", before);
    cr_expect_arr_neq(before, zero, sizeof before);
    OK(clg_run(both));
    read_state(store, "a.running_mean", got);
    cr_expect_arr_neq(got, zero, sizeof got);
    read_state(store, "b.running_mean", got);
    cr_expect_arr_neq(got, before, sizeof got);
    clg_plan_destroy(&only_b);
    clg_plan_destroy(&none);
    clg_plan_destroy(&both);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* The public pieces behind it: a value for each phase, and effects that training performs by itself. */
Test(nn, phases_and_training_effects) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *store = new_store(dev);
        clg_graph *g = clg_graph_create(dev, store);
        clg_tensor *count = clg_state(g, "count", CLG_F32, CLG_SCALAR, 0), *one = clg_fill(g, CLG_F32, CLG_SCALAR, 1);
        clg_tensor *runs = clg_state(g, "runs", CLG_F32, CLG_SCALAR, 0);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SCALAR);
        clg_tensor *square = clg_square(x), *y = clg_phase(clg_neg(x), square);
        clg_tensor *next = clg_add(count, one);
        cr_expect_eq(clg_when_training(square, clg_assign(count, next)), square);
        clg_when_training(next, clg_assign(runs, clg_add(runs, one))); /* an effect that another one needs */
        clg_tensor *z = clg_scale(y, 2), *gx = clg_grad(z, x);
        clg_plan *train = compile(g, CLG_LIST(z, gx), NULL);
        clg_plan *infer = compile(g, CLG_LIST(z, gx), clg_plan_params(.inference = true));
        const float three = 3;
        float v[6];
        OK(clg_write(train, x, &three, sizeof three));
        OK(clg_write(infer, x, &three, sizeof three));
        OK(clg_run(train));
        OK(clg_run(infer));
        OK(clg_run(train));
        read_floats(train, z, &v[0]);
        read_floats(train, gx, &v[1]);
        read_floats(infer, z, &v[2]);
        read_floats(infer, gx, &v[3]);
        OK(clg_store_read(store, "count", &v[4], sizeof v[4]));
        OK(clg_store_read(store, "runs", &v[5], sizeof v[5]));
        cr_expect_eq(v[0], 18);
        cr_expect_eq(v[1], 12);
        cr_expect_eq(v[2], -6);
        cr_expect_eq(v[3], -2);
        cr_expect_eq(v[4], 2);
        cr_expect_eq(v[5], 2);
        cr_expect_null(clg_when_training(y, x), "x is no effect");
        cr_expect_eq(clg_graph_status(g), CLG_ERR_INVALID);
        clg_plan_destroy(&train);
        clg_plan_destroy(&infer);
        clg_graph_destroy(&g);
        clg_store_destroy(&store);
        clg_device_destroy(&dev);
    }
}

/* --- all layers: shapes and params --- */

static void expect_shape(const clg_tensor *t, clg_shape s, const char *what) {
    const clg_shape got = clg_tensor_shape(t);
    cr_assert_eq(got.ndim, s.ndim, "%s: %d axes: %s", what, got.ndim, clg_error());
    for (int i = 0; i < s.ndim; i++) cr_expect_eq(got.dim[i], s.dim[i], "%s: axis %d", what, i);
}

static void expect_entry(clg_store *s, const char *name, clg_shape shape, bool trainable) {
    clg_store_entry e;
    for (int i = 0; i < clg_store_count(s); i++) {
        OK(clg_store_get(s, i, &e));
        if (strcmp(e.name, name) != 0) continue;
        cr_expect_eq(e.trainable, trainable, "%s", name);
        cr_expect_eq(e.shape.ndim, shape.ndim, "%s", name);
        for (int d = 0; d < shape.ndim; d++) cr_expect_eq(e.shape.dim[d], shape.dim[d], "%s", name);
        return;
    }
    cr_expect(false, "there is no %s", name);
}

Test(nn, layers_make_their_params) {
    clg_device *dev = open_device("ref");
    clg_store *store = new_store(dev);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *x1 = clg_input(g, "x1", CLG_F32, CLG_SHAPE(2, 4, 9));
    clg_tensor *x2 = clg_input(g, "x2", CLG_F32, CLG_SHAPE(2, 4, 6, 5));
    clg_tensor *x3 = clg_input(g, "x3", CLG_F32, CLG_SHAPE(1, 2, 4, 4, 4));
    clg_tensor *i = clg_input(g, "i", CLG_I32, CLG_SHAPE(3, 2));
    expect_shape(clg_nn_conv1d(x1, "c1", 6, 3, NULL), CLG_SHAPE(2, 6, 7), "conv1d");
    expect_shape(clg_nn_conv2d(x2, "c2", 6, 3, clg_conv_params(.pad = {1, 1}, .groups = 2)), CLG_SHAPE(2, 6, 6, 5),
                 "conv2d");
    expect_shape(clg_nn_conv3d(x3, "c3", 3, 2, clg_conv_params(.stride = {2, 2, 2})), CLG_SHAPE(1, 3, 2, 2, 2),
                 "conv3d");
    expect_shape(clg_nn_conv_transpose(x2, "t", 6, 2, clg_conv_transpose_params(.stride = {2, 2}, .groups = 2)),
                 CLG_SHAPE(2, 6, 12, 10), "conv_transpose");
    expect_shape(clg_nn_embedding(i, "e", 10, 4), CLG_SHAPE(3, 2, 4), "embedding");
    expect_shape(clg_nn_instance_norm(x2, "in", NULL), CLG_SHAPE(2, 4, 6, 5), "instance_norm");
    expect_shape(clg_nn_group_norm(x2, "gn", 2, NULL), CLG_SHAPE(2, 4, 6, 5), "group_norm");
    expect_shape(clg_nn_layer_norm(x2, "ln", 2, NULL), CLG_SHAPE(2, 4, 6, 5), "layer_norm");
    expect_shape(clg_nn_rms_norm(x2, "rn", 1, NULL), CLG_SHAPE(2, 4, 6, 5), "rms_norm");
    expect_shape(clg_nn_batch_norm(x2, "bn", NULL), CLG_SHAPE(2, 4, 6, 5), "batch_norm");
    expect_entry(store, "c1.weight", CLG_SHAPE(6, 4, 3), true);
    expect_entry(store, "c2.weight", CLG_SHAPE(6, 2, 3, 3), true);
    expect_entry(store, "c3.weight", CLG_SHAPE(3, 2, 2, 2, 2), true);
    expect_entry(store, "c3.bias", CLG_SHAPE(3), true);
    expect_entry(store, "t.weight", CLG_SHAPE(4, 3, 2, 2), true);
    expect_entry(store, "t.bias", CLG_SHAPE(6), true);
    expect_entry(store, "e.weight", CLG_SHAPE(10, 4), true);
    expect_entry(store, "gn.weight", CLG_SHAPE(4), true);
    expect_entry(store, "ln.bias", CLG_SHAPE(6, 5), true);
    expect_entry(store, "rn.weight", CLG_SHAPE(5), true);
    expect_entry(store, "bn.bias", CLG_SHAPE(4), true);
    expect_entry(store, "bn.running_var", CLG_SHAPE(4), false);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

typedef clg_tensor *(*mistake)(clg_graph *g, clg_tensor *x);
#define MISTAKE(name, expr) static clg_tensor *name(clg_graph *g, clg_tensor *x) { (void)g; return expr; }
MISTAKE(no_name, clg_nn_batch_norm(x, "", NULL))
MISTAKE(conv_rank, clg_nn_conv1d(x, "a", 2, 3, NULL))
MISTAKE(conv_groups, clg_nn_conv_transpose(x, "a", 3, 3, clg_conv_transpose_params(.groups = 2)))
MISTAKE(norm_axes, clg_nn_layer_norm(x, "a", 5, NULL))
MISTAKE(norm_groups, clg_nn_group_norm(x, "a", 3, NULL))
MISTAKE(momentum, clg_nn_batch_norm(x, "a", clg_norm_params(.momentum = 1.5)))
MISTAKE(one_statistic, clg_batch_norm(x, NULL, NULL, clg_state(g, "m", CLG_F32, CLG_SHAPE(4), 0), NULL, NULL))
MISTAKE(frozen_without, clg_batch_norm(x, NULL, NULL, NULL, NULL, clg_norm_params(.frozen = true)))
MISTAKE(no_table, clg_nn_embedding(x, "a", 0, 4))
MISTAKE(no_state, clg_batch_norm(x, NULL, NULL, clg_fill(g, CLG_F32, CLG_SHAPE(4), 0),
                                 clg_fill(g, CLG_F32, CLG_SHAPE(4), 1), NULL))

Test(nn, mistakes_are_named) {
    static const struct { mistake make; const char *says; } all[] = {
        { no_name, "needs a name" }, { conv_rank, "nn_conv1d(x, \"a\"): needs x [N, C, L]" },
        { conv_groups, "C and out a multiple of groups" }, { norm_axes, "nn_layer_norm(x, \"a\"): x has 4 axes" },
        { norm_groups, "3 groups" }, { momentum, "momentum is 1.5" }, { one_statistic, "give both" },
        { frozen_without, "frozen needs" }, { no_table, "n is 0" }, { no_state, "assign" },
    };
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        clg_graph *g = clg_graph_create(dev, NULL);
        all[i].make(g, clg_input(g, "x", CLG_F32, CLG_SHAPE(2, 4, 6, 5)));
        cr_expect_lt(clg_graph_status(g), 0, "mistake %zu was accepted", i);
        cr_expect(strstr(clg_error(), all[i].says), "mistake %zu: \"%s\" is not in: %s", i, all[i].says, clg_error());
        clg_graph_destroy(&g);
    }
    cr_expect_null(clg_nn_batch_norm(NULL, "a", NULL));
    cr_expect_null(clg_nn_conv3d(NULL, "a", 1, 1, NULL));
    clg_device_destroy(&dev);
}

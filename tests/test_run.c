/* Using plans, on the reference device and on the default one: effects, targets, inference, reports, what a run may not
 * do, and every message of bad use. */
#include "support/device.h"
#include "support/plan.h"
#include <math.h>
#include <pthread.h>

/* --- effects --- */

enum { N = 20 };

/* Two variables of one store, with known old values. */
typedef struct pair {
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *a, *b;
    float a0[N], b0[N];
    const clg_plan_params *params;
} pair;

static void reset(pair *x) {
    for (int i = 0; i < N; i++) {
        x->a0[i] = (float)i;
        x->b0[i] = (float)(100 + i);
    }
    OK(clg_store_write(x->store, "a", x->a0, sizeof x->a0));
    OK(clg_store_write(x->store, "b", x->b0, sizeof x->b0));
}

static void expect(const pair *x, const char *name, const float *want, const char *what) {
    float got[N];
    OK(clg_store_read(x->store, name, got, sizeof got));
    for (int i = 0; i < N; i++)
        cr_assert_eq(got[i], want[i], "%s: %s[%d] is %g, not %g", what, name, i, got[i], want[i]);
}

static void run_once(const pair *x, clg_list effects) {
    clg_plan *p = compile(x->g, effects, x->params);
    OK(clg_run(p));
    clg_plan_destroy(&p);
}

static void swap(pair *x) {
    run_once(x, CLG_LIST(clg_assign(x->a, x->b), clg_assign(x->b, x->a)));
    expect(x, "a", x->b0, "swap");
    expect(x, "b", x->a0, "swap");
}

static void crossed(pair *x) {
    float want[N];
    clg_tensor *one = clg_fill(x->g, CLG_F32, CLG_SCALAR, 1);
    run_once(x, CLG_LIST(clg_assign(x->a, clg_add(x->b, one)), clg_assign(x->b, clg_mul(x->a, one))));
    for (int i = 0; i < N; i++) want[i] = x->b0[i] + 1;
    expect(x, "a", want, "crossed");
    expect(x, "b", x->a0, "crossed");
}

/* The new value is used as well, and a reader of the old value that is made later still sees that. */
static void old_and_new(pair *x) {
    clg_tensor *next = clg_add(x->a, clg_fill(x->g, CLG_F32, CLG_SCALAR, 1));
    clg_tensor *sum_new = clg_sum(next, CLG_ALL), *sum_old = clg_sum(x->a, CLG_ALL);
    clg_plan *p = compile(x->g, CLG_LIST(clg_assign(x->a, next), sum_new, sum_old, x->a), x->params);
    for (int run = 0; run < 3; run++) {
        float got[2], seen[N];
        OK(clg_run(p));
        read_floats(p, sum_new, &got[0]);
        read_floats(p, sum_old, &got[1]);
        read_floats(p, x->a, seen);
        cr_assert_eq(got[0], 190 + N * (run + 1), "%g", got[0]);
        cr_assert_eq(got[1], 190 + N * run, "%g", got[1]);
        for (int i = 0; i < N; i++)
            cr_assert_eq(seen[i], x->a0[i] + (float)run, "a target shows the value before the run: %g", seen[i]);
    }
    clg_plan_destroy(&p);
}

/* Every element depends on all old ones. */
static void minus_sum(pair *x) {
    float want[N];
    run_once(x, CLG_LIST(clg_assign(x->a, clg_sub(x->a, clg_sum(x->a, CLG_ALL)))));
    for (int i = 0; i < N; i++) want[i] = x->a0[i] - 190;
    expect(x, "a", want, "minus sum");
}

static void one_value_two_places(pair *x) {
    float want[N];
    clg_tensor *next = clg_mul(x->a, clg_fill(x->g, CLG_F32, CLG_SCALAR, 3));
    run_once(x, CLG_LIST(clg_group(CLG_LIST(clg_assign(x->a, next), clg_assign(x->b, next)))));
    for (int i = 0; i < N; i++) want[i] = 3 * x->a0[i];
    expect(x, "a", want, "two places");
    expect(x, "b", want, "two places");
}

static void constant_and_itself(pair *x) {
    float want[N];
    run_once(x, CLG_LIST(clg_assign(x->a, clg_fill(x->g, CLG_F32, CLG_SHAPE(N), 8)), clg_assign(x->b, x->b)));
    for (int i = 0; i < N; i++) want[i] = 8;
    expect(x, "a", want, "constant");
    expect(x, "b", x->b0, "itself");
}

static void transposed(pair *x) {
    float want[N];
    clg_tensor *turned = clg_transpose(clg_reshape(x->a, CLG_SHAPE(4, 5)));
    run_once(x, CLG_LIST(clg_assign(x->a, clg_reshape(turned, CLG_SHAPE(N)))));
    for (int i = 0; i < N; i++) want[i] = x->a0[i % 4 * 5 + i / 4];
    expect(x, "a", want, "transposed");
}

Test(run, effects) {
    static const clg_plan_params variants[] = { { 0 }, { .no_inplace = true }, { .no_fuse = true } };
    static void (*const cases[])(pair *) = { swap, crossed, old_and_new, minus_sum, one_value_two_places,
                                             constant_and_itself, transposed };
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        for (int v = 0; v < 3; v++)
            for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
                pair x = { .store = clg_store_create(dev, 0), .params = &variants[v] };
                x.g = clg_graph_create(dev, x.store);
                x.a = clg_param(x.g, "a", CLG_F32, CLG_SHAPE(N), CLG_INIT_ZERO);
                x.b = clg_state(x.g, "b", CLG_F32, CLG_SHAPE(N), 0);
                reset(&x);
                cases[c](&x);
                clg_graph_destroy(&x.g);
                clg_store_destroy(&x.store);
            }
        clg_device_destroy(&dev);
    }
}

/* An update is one kernel that needs no memory beside the weight. */
Test(run, in_place) {
    clg_device *dev = open_device(NULL);
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(1000), CLG_INIT_ONE);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(1000));
    clg_plan *p = compile(g, CLG_LIST(clg_assign(w, clg_sub(w, clg_scale(x, 0.1)))), NULL);
    clg_plan_info info;
    clg_plan_get_info(p, &info);
    cr_assert_eq(info.n_steps, 1);
    cr_assert_eq(info.bytes_arena, 0);
    cr_assert_eq(info.bytes_params, 4000);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_device_destroy(&dev);
}

/* --- running allocates nothing --- */

static int allocations;
static void *counting(void *user, void *ptr, size_t size) {
    (void)user;
    allocations++;
    if (size) return realloc(ptr, size);
    free(ptr);
    return NULL;
}

Test(run, run_allocates_nothing) {
    OK(clg_set_allocator(&(clg_allocator){ counting, NULL }));
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], false);
        clg_plan *p = compile(n.g, CLG_LIST(n.loss, n.step), NULL);
        feed(&n, p);
        OK(clg_run(p));
        const int before = allocations;
        cr_assert_gt(before, 0);
        for (int i = 0; i < 5; i++) {
            feed(&n, p);
            OK(clg_run(p));
        }
        OK(clg_device_finish(n.dev));
        cr_assert_eq(allocations, before, "%d host allocations in 5 runs", allocations - before);
        clg_plan_destroy(&p);
        free_net(&n);
    }
}

/* --- targets of every kind, views --- */

Test(run, targets) {
    const float data[6] = { 1, 2, 3, 4, 5, 6 };
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_store *st = clg_store_create(dev, 0);
        clg_graph *g = clg_graph_create(dev, st);
        const clg_shape s = CLG_SHAPE(2, 3);
        clg_tensor *x = clg_input(g, "x", CLG_F32, s), *c = clg_const(g, CLG_F32, s, data);
        clg_tensor *f = clg_fill(g, CLG_I32, CLG_SHAPE(3), -7), *w = clg_param(g, "w", CLG_F32, s, CLG_INIT_ONE);
        clg_tensor *y = clg_add(clg_mul(x, c), w), *view = clg_flatten(clg_reshape(y, CLG_SHAPE(3, 2)), 0);
        clg_tensor *viewed = clg_mul(view, clg_reshape(x, CLG_SHAPE(6))), *wview = clg_reshape(w, CLG_SHAPE(6));
        clg_tensor *none = clg_input(g, "unused", CLG_F32, s), *empty = clg_fill(g, CLG_F32, CLG_SHAPE(0, 3), 1);
        clg_tensor *minus = clg_fill(g, CLG_F32, CLG_SHAPE(2), -0.0);
        clg_plan *p = compile(g, CLG_LIST(x, c, f, w, y, y, view, viewed, wview, empty, minus), NULL);
        float got[6];
        int32_t ints[3];
        OK(clg_write(p, x, data, sizeof data));
        OK(clg_write(p, none, data, sizeof data));
        OK(clg_run(p));
        read_floats(p, x, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i]);
        read_floats(p, c, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i]);
        OK(clg_read(p, f, ints, sizeof ints));
        for (int i = 0; i < 3; i++) cr_assert_eq(ints[i], -7);
        read_floats(p, y, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i] * data[i] + 1);
        read_floats(p, view, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], data[i] * data[i] + 1);
        read_floats(p, viewed, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], (data[i] * data[i] + 1) * data[i]);
        const float zeros[6] = { 0 };
        OK(clg_store_write(st, "w", zeros, sizeof zeros)); /* after the run: targets keep what the run saw */
        read_floats(p, w, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 1.0f);
        read_floats(p, wview, got);
        for (int i = 0; i < 6; i++) cr_assert_eq(got[i], 1.0f);
        OK(clg_read(p, empty, got, 0));
        read_floats(p, minus, got);
        cr_assert(got[1] == 0 && signbit(got[1]));
        clg_plan_destroy(&p);
        clg_graph_destroy(&g);
        clg_store_destroy(&st);
        clg_device_destroy(&dev);
    }
}

/* Dropout is the identity in inference plans, and only training plans advance its counter. */
Test(run, inference) {
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], false);
        clg_plan *training = compile(n.g, CLG_LIST(n.loss), NULL), *eval = compile(n.g, CLG_LIST(n.logits),
                                                                                  clg_plan_params(.inference = true));
        float first[240], second[240], loss[2];
        int32_t tick = -1;
        feed(&n, training), feed(&n, eval);
        OK(clg_run(eval));
        read_floats(eval, n.logits, first);
        OK(clg_run(training));
        read_floats(training, n.loss, &loss[0]);
        OK(clg_run(training));
        read_floats(training, n.loss, &loss[1]);
        cr_assert_neq(loss[0], loss[1], "another mask in every run");
        OK(clg_store_read(n.store, "rng.step", &tick, sizeof tick));
        cr_assert_eq(tick, 2);
        OK(clg_run(eval));
        read_floats(eval, n.logits, second);
        cr_assert_arr_eq(first, second, sizeof first);
        OK(clg_store_read(n.store, "rng.step", &tick, sizeof tick));
        cr_assert_eq(tick, 2);
        clg_plan_destroy(&eval);
        clg_plan_destroy(&training);
        free_net(&n);
    }
}

/* --- reports --- */

Test(run, reports) {
    for (int d = 0; d < 2; d++) {
        net n = make_net(devices[d], true);
        clg_plan *p = compile(n.g, CLG_LIST(n.loss, n.step), NULL);
        const char *const expected[] = { "matmul", "\"steps\"", "digraph plan {" };
        for (int kind = 0; kind < 3; kind++) {
            char *text = NULL;
            size_t size = 0;
            FILE *f = open_memstream(&text, &size);
            OK(clg_plan_report(p, (enum clg_report_kind)kind, f));
            fclose(f);
            cr_assert(strstr(text, expected[kind]) && strstr(text, "cross_entropy"), "%s", text);
            free(text);
        }
        cr_assert_eq((int)reported(p, "n_steps"), steps_of(p));
        cr_assert_gt(reported(p, "flops"), 0);
        cr_assert_eq(clg_plan_report(p, (enum clg_report_kind)9, stderr), CLG_ERR_INVALID);
        cr_assert_eq(clg_plan_report(NULL, CLG_REPORT_TEXT, stderr), CLG_ERR_INVALID);
        clg_plan_destroy(&p);
        free_net(&n);
    }
}

/* --- bad use --- */

static void expect_error(clg_status got, clg_status want, const char *text) {
    cr_expect_eq(got, want, "%s, not %s: %s", clg_status_name(got), clg_status_name(want), clg_error());
    cr_expect(strstr(clg_error(), text), "\"%s\" is not in: %s", text, clg_error());
}

static void expect_no_plan(clg_plan *p, clg_status want, const char *text) {
    cr_expect_null(p);
    expect_error(clg_error_status(), want, text);
    clg_plan_destroy(&p);
}

Test(run, errors) {
    for (int d = 0; d < 2; d++) {
        clg_device *dev = open_device(devices[d]);
        clg_graph *g = clg_graph_create(dev, NULL), *other = clg_graph_create(dev, NULL);
        clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(3)), *y = clg_square(x);
        clg_tensor *z = clg_input(other, "z", CLG_F32, CLG_SHAPE(3));
        clg_tensor *w = clg_param(g, "w", CLG_F32, CLG_SHAPE(3), CLG_INIT_ZERO), *set = clg_assign(w, y);
        float v[4] = { 0 };
        expect_no_plan(clg_compile(NULL, CLG_LIST(x), NULL), CLG_ERR_INVALID, "graph is NULL");
        expect_no_plan(clg_compile(g, (clg_list){ 0, NULL }, NULL), CLG_ERR_INVALID, "no targets");
        expect_no_plan(clg_compile(g, CLG_LIST(y, NULL), NULL), CLG_ERR_INVALID, "target 1 is NULL");
        expect_no_plan(clg_compile(g, CLG_LIST(z), NULL), CLG_ERR_INVALID, "another graph");
        expect_no_plan(clg_compile(g, CLG_LIST(set, clg_assign(w, x)), NULL), CLG_ERR_INVALID, "w is assigned twice");
        expect_no_plan(clg_compile(g, CLG_LIST(y), clg_plan_params(.impl = "elementwise.cpu,conv.magic")),
                       CLG_ERR_INVALID, "conv.magic");
        clg_plan *p = compile(g, CLG_LIST(y, set), NULL);
        expect_error(clg_write(p, x, v, 4), CLG_ERR_INVALID, "x is f32[3] with 12 bytes, not 4");
        expect_error(clg_write(p, y, v, 12), CLG_ERR_INVALID, "no input");
        expect_error(clg_write(p, z, v, 12), CLG_ERR_INVALID, "another graph");
        expect_error(clg_write(p, NULL, v, 12), CLG_ERR_INVALID, "input is NULL");
        expect_error(clg_write(p, x, NULL, 12), CLG_ERR_INVALID, "data is NULL");
        expect_error(clg_write(NULL, x, v, 12), CLG_ERR_INVALID, "plan is NULL");
        expect_error(clg_run(NULL), CLG_ERR_INVALID, "plan is NULL");
        expect_error(clg_read(p, y, v, 16), CLG_ERR_INVALID, "with 12 bytes, not 16");
        expect_error(clg_read(p, x, v, 12), CLG_ERR_INVALID, "x is no target");
        expect_error(clg_read(p, z, v, 12), CLG_ERR_INVALID, "no target");
        expect_error(clg_read(p, set, v, 1), CLG_ERR_INVALID, "effect");
        expect_error(clg_read(p, NULL, v, 12), CLG_ERR_INVALID, "target is NULL");
        clg_tensor *late = clg_add(y, x); /* made after the plan */
        expect_error(clg_read(p, late, v, 12), CLG_ERR_INVALID, "no target");
        OK(clg_write(p, clg_input(g, "late", CLG_F32, CLG_SHAPE(3)), v, 12));
        clg_add(clg_reshape(x, CLG_SHAPE(1, 3)), clg_fill(g, CLG_F32, CLG_SHAPE(5, 2), 1)); /* cannot be added */
        expect_no_plan(clg_compile(g, CLG_LIST(y), NULL), CLG_ERR_SHAPE, "f32[1,3]");
        clg_graph_destroy(&g);
        OK(clg_run(p)); /* a plan holds what it needs */
        clg_plan_destroy(&p);
        clg_plan_destroy(&p);
        clg_plan_destroy(NULL);
        clg_graph_destroy(&other);
        clg_device_destroy(&dev);
    }
}

/* --- preparation: once, and again after a param was written --- */

static void read_again(clg_plan *p, clg_tensor *y, float *got) {
    OK(clg_run(p));
    read_floats(p, y, got);
}

/* Packed weights and the like follow what the host, another plan, or a file writes. */
Test(run, prepared_steps) {
    enum { SIZE = 40 };
    const char *path = "test_prepared.safetensors";
    float x[SIZE * SIZE], w[SIZE * SIZE], got[SIZE * SIZE], want[SIZE * SIZE], before[SIZE * SIZE];
    clg_device *dev = open_device(NULL);
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *in = clg_input(g, "x", CLG_F32, CLG_SHAPE(SIZE, SIZE));
    clg_tensor *weight = clg_param(g, "w", CLG_F32, CLG_SHAPE(SIZE, SIZE), CLG_INIT_XAVIER);
    clg_tensor *scale = clg_exp(clg_mean(clg_matmul(weight, weight), CLG_AXIS(0))); /* of params only */
    clg_tensor *layer = clg_matmul(in, clg_transpose(weight)); /* a dense layer: its weights are packed once */
    clg_tensor *y = clg_mul(clg_matmul(layer, clg_tanh(weight)), scale);
    clg_plan *p = compile(g, CLG_LIST(y), NULL);
    clg_plan *plain = compile(g, CLG_LIST(y), clg_plan_params(.no_prepare = true));
    clg_plan *update = compile(g, CLG_LIST(clg_assign(weight, clg_scale(weight, 0.5))), NULL);
    clg_plan_info info, other;
    clg_plan_get_info(p, &info);
    clg_plan_get_info(plain, &other);
    cr_assert_gt(info.n_prepared, 0);
    cr_assert_gt(info.bytes_prepared, 0);
    cr_assert_eq(other.n_prepared, 0);
    cr_assert_eq(info.n_steps + info.n_prepared, other.n_steps);
    fill_random(x, SIZE * SIZE);
    fill_random(w, SIZE * SIZE);
    for (int i = 0; i < SIZE * SIZE; i++) w[i] /= 16;
    for (int change = 0; change < 4; change++) {
        if (change == 1) OK(clg_store_write(store, "w", w, sizeof w));
        if (change == 1) OK(clg_store_save(store, path, "*"));
        if (change == 2) OK(clg_run(update));
        if (change == 3) OK(clg_store_load(store, path, "*"));
        OK(clg_write(p, in, x, sizeof x));
        OK(clg_write(plain, in, x, sizeof x));
        read_again(plain, y, want);
        for (int k = 0; k < 2; k++) {
            read_again(p, y, got);
            cr_assert_arr_eq(got, want, sizeof got, "change %d, run %d", change, k);
        }
        if (change > 0) cr_assert(memcmp(before, want, sizeof want) != 0);
        memcpy(before, want, sizeof want);
    }
    remove(path);
    clg_plan_destroy(&p);
    clg_plan_destroy(&plain);
    clg_plan_destroy(&update);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* --- many small runs, as in a server: the device stays awake between them (src/cl/awake.c) --- */

static void *many_runs(void *arg) {
    const int rounds = 200;
    clg_device *dev = arg;
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(N)), *y = clg_add(clg_square(x), x);
    clg_plan *p = compile(g, CLG_LIST(y), NULL);
    for (int r = 0; r < rounds; r++) {
        float in[N], out[N];
        for (int i = 0; i < N; i++) in[i] = (float)(r + i);
        OK(clg_write(p, x, in, sizeof in));
        OK(clg_run(p));
        read_floats(p, y, out);
        for (int i = 0; i < N; i++)
            cr_assert_eq(out[i], in[i] * in[i] + in[i], "run %d: y[%d] of %g is %g", r, i, in[i], out[i]);
        if (r % 64 == 63) OK(clg_device_finish(dev)); /* waits that are no reads must end the spinning, too */
    }
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    return NULL;
}

Test(run, short_waits) {
    if (driver_is("Oclgrind")) cr_skip_test("Oclgrind 21.10 asserts when two threads start kernels");
    const int limits[] = { 0, -1, 20 }; /* usual, passive, 20 us */
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        clg_device *dev = clg_device_open(NULL, clg_device_params(.active_wait_us = limits[i]));
        cr_assert_not_null(dev, "%s", clg_error());
        pthread_t other;
        many_runs(dev);
        cr_assert_eq(pthread_create(&other, NULL, many_runs, dev), 0);
        many_runs(dev);
        cr_assert_eq(pthread_join(other, NULL), 0);
        clg_device_destroy(&dev);
    }
}

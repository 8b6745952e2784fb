/* Accumulation of gradients: small batches make the step of a big one, also when a run is saved between two of them. */
#include "support/plan.h"

enum { BATCH = 8, PARTS = 4, PART = BATCH / PARTS, FEATURES = 5 };

/* Linear regression in batches of n. */
typedef struct regression {
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *x, *t;
    clg_plan   *plan;
    int         n;
} regression;

static void regression_open(regression *r, clg_device *dev, int n, int64_t accumulate) {
    *r = (regression){.store = clg_store_create(dev, 4), .n = n};
    r->g = clg_graph_create(dev, r->store);
    r->x = clg_input(r->g, "x", CLG_F32, CLG_SHAPE(n, FEATURES));
    r->t = clg_input(r->g, "t", CLG_F32, CLG_SHAPE(n, 1));
    clg_tensor *w = clg_param(r->g, "w", CLG_F32, CLG_SHAPE(FEATURES, 1), CLG_INIT_ONE);
    clg_tensor *b = clg_param(r->g, "b", CLG_F32, CLG_SHAPE(1), CLG_INIT_ZERO);
    clg_tensor *off = clg_sub(clg_add(clg_matmul(r->x, w), b), r->t), *loss = clg_mean(clg_square(off), CLG_ALL);
    const clg_optim_params o = {.lr = 0.125, .momentum = 0.5, .weight_decay = 0.5, .accumulate = accumulate};
    r->plan = compile(r->g, CLG_LIST(clg_sgd(loss, &o)), NULL);
}

static void regression_close(regression *r) {
    clg_plan_destroy(&r->plan);
    clg_graph_destroy(&r->g);
    clg_store_destroy(&r->store);
}

static void regression_run(regression *r, const float *x, const float *t) {
    OK(clg_write(r->plan, r->x, x, (size_t)r->n * FEATURES * sizeof *x));
    OK(clg_write(r->plan, r->t, t, (size_t)r->n * sizeof *t));
    OK(clg_run(r->plan));
}

static void regression_get(const regression *r, float *w) {
    OK(clg_store_read(r->store, "w", w, FEATURES * sizeof *w));
    OK(clg_store_read(r->store, "b", w + FEATURES, sizeof *w));
}

/* The step of four small batches is the step of the big one, bit for bit where sums are exact; nothing moves in
 * between; and a run that is saved and resumed between two of them goes on with the same bits. */
Test(accumulate, small_batches_make_a_big_one) {
    enum { STEPS = 3 };
    float x[BATCH * FEATURES], t[BATCH], big[FEATURES + 1], small[FEATURES + 1], before[FEATURES + 1];
    regression whole, parts;
    clg_device *dev = open_device(NULL);
    regression_open(&whole, dev, BATCH, 0);
    regression_open(&parts, dev, PART, PARTS);
    random_state = 8;
    for (int s = 0; s < STEPS; s++) {
        for (int i = 0; i < BATCH * FEATURES; i++) x[i] = (float)((int)(next_random() % 5) - 2);
        for (int i = 0; i < BATCH; i++) t[i] = (float)((int)(next_random() % 9) - 4);
        regression_run(&whole, x, t);
        regression_get(&parts, before);
        for (int k = 0; k < PARTS; k++) {
            regression_get(&parts, small);
            cr_assert_arr_eq(small, before, sizeof small, "step %d moved with batch %d", s, k);
            regression_run(&parts, x + k * PART * FEATURES, t + k * PART);
            if (s != 1 || k != 1) continue;
            OK(clg_store_save(parts.store, "accumulate_resumed.safetensors", NULL));
            regression_close(&parts);
            regression_open(&parts, dev, PART, PARTS);
            OK(clg_store_load(parts.store, "accumulate_resumed.safetensors", NULL));
            remove("accumulate_resumed.safetensors");
        }
        regression_get(&whole, big);
        regression_get(&parts, small);
        cr_assert_neq(memcmp(small, before, sizeof small), 0);
        cr_assert_arr_eq(small, big, sizeof small, "step %d", s);
    }
    int32_t count = 0;
    OK(clg_store_read(parts.store, "optim.step", &count, sizeof count));
    cr_assert_eq(count, STEPS);
    regression_close(&whole);
    regression_close(&parts);
    clg_device_destroy(&dev);
}

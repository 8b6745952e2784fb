/* Training rules. Each optimiser, with decay, penalty, projection, clipping and accumulation, against a twin in plain C
 * and double, which knows the formulas of optim.h and nothing of graphs; identities between rules, exactly, on small
 * integers; schedules and plateaus against tables. */
#include "support/plan.h"

#include <math.h>

enum { ROWS = 3, COLS = 4, WEIGHTS = ROWS * COLS, BIASES = 5, ALL = WEIGHTS + BIASES };

/* --- the twin --- */

typedef struct twin {
    double w[ALL], v[ALL], m[ALL], sum[ALL]; /* weights, then biases; v: squares or momentum of SGD, m: momentum */
    int step, batch;
} twin;

static bool decays(const clg_optim_params *o, int i) { return o->decay_all || i < WEIGHTS; }

static double norm2(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
}

/* The gradient of this step in g; false: no step yet. */
static bool twin_gradient(twin *t, const clg_optim_params *o, double *g) {
    if (o->accumulate > 1) {
        t->batch++;
        for (int i = 0; i < ALL; i++) t->sum[i] += g[i];
        if (t->batch < o->accumulate) return false;
        for (int i = 0; i < ALL; i++) g[i] = t->sum[i] / (double)o->accumulate;
        memset(t->sum, 0, sizeof t->sum);
        t->batch = 0;
    }
    for (int i = 0; i < ALL; i++) {
        if (decays(o, i)) g[i] += o->l2 * t->w[i];
        if (o->clip_value > 0) g[i] = fmin(fmax(g[i], -o->clip_value), o->clip_value);
    }
    const double norm = sqrt(norm2(g, ALL));
    for (int i = 0; i < ALL && o->clip_norm > 0 && norm > o->clip_norm; i++) g[i] *= o->clip_norm / norm;
    return true;
}

static double or_default(double x, double fallback) { return x > 0 ? x : fallback; }

/* The direction of one element; p: its momentum, where that was given. */
static double direction(const char *name, const clg_optim_params *o, int t, double g, double *v, double *m) {
    if (strncmp(name, "adam", 4) == 0) {
        const double b1 = or_default(o->beta1, 0.9), b2 = or_default(o->beta2, 0.999);
        *m = b1 * *m + (1 - b1) * g;
        *v = b2 * *v + (1 - b2) * g * g;
        return *m / (1 - pow(b1, t)) / (sqrt(*v / (1 - pow(b2, t))) + or_default(o->eps, 1e-8));
    }
    if (strcmp(name, "adagrad") == 0) {
        *v += g * g;
        return g / (sqrt(*v) + or_default(o->eps, 1e-10));
    }
    if (strcmp(name, "rmsprop") == 0) {
        const double alpha = or_default(o->alpha, 0.99);
        *v = alpha * *v + (1 - alpha) * g * g;
        *m = o->momentum * *m + g / (sqrt(*v) + or_default(o->eps, 1e-8));
        return *m;
    }
    const double momentum = strcmp(name, "sgd") == 0 ? o->momentum : or_default(o->momentum, 0.9);
    *v = momentum * *v + g;
    return strcmp(name, "nesterov") == 0 ? g + momentum * *v : *v;
}

static void project(double *w, int n, double theta) {
    const double have = norm2(w, n);
    for (int i = 0; i < n && have > theta; i++) w[i] *= sqrt(theta / have);
}

static void twin_run(twin *t, const char *name, const clg_optim_params *o, const double *gradient) {
    const double lr = (float)or_default(o->lr, clg_optimizer_default_lr(name)); /* the state is f32 */
    const double decay = strcmp(name, "adamw") == 0 ? or_default(o->weight_decay, 0.01) : o->weight_decay;
    double g[ALL];
    memcpy(g, gradient, sizeof g);
    if (!twin_gradient(t, o, g)) return;
    t->step++;
    for (int i = 0; i < ALL; i++) {
        const double d = direction(name, o, t->step, g[i], &t->v[i], &t->m[i]);
        t->w[i] = (decays(o, i) ? 1 - lr * decay : 1) * t->w[i] - lr * d;
    }
    if (o->max_norm2 > 0) {
        project(t->w, WEIGHTS, o->max_norm2);
        if (o->decay_all) project(t->w + WEIGHTS, BIASES, o->max_norm2);
    }
}

/* --- two params whose gradients are inputs --- */

typedef struct pair {
    clg_store  *store;
    clg_graph  *g;
    clg_tensor *in_w, *in_b, *w, *b, *loss;
    clg_plan   *plan;
} pair;

static void pair_open(pair *p, clg_device *dev, clg_dtype type) {
    p->store = clg_store_create(dev, 1);
    p->g = clg_graph_create(dev, p->store);
    p->in_w = clg_input(p->g, "gw", type, CLG_SHAPE(ROWS, COLS));
    p->in_b = clg_input(p->g, "gb", type, CLG_SHAPE(BIASES));
    p->w = clg_param(p->g, "w", type, CLG_SHAPE(ROWS, COLS), CLG_INIT_ZERO);
    p->b = clg_param(p->g, "b", type, CLG_SHAPE(BIASES), CLG_INIT_ZERO);
    p->loss = clg_add(clg_sum(clg_mul(p->w, p->in_w), CLG_ALL), clg_sum(clg_mul(p->b, p->in_b), CLG_ALL));
}

static void pair_close(pair *p) {
    clg_plan_destroy(&p->plan);
    clg_graph_destroy(&p->g);
    clg_store_destroy(&p->store);
}

static void pair_set(pair *p, const double *w) {
    float f[ALL];
    for (int i = 0; i < ALL; i++) f[i] = (float)w[i];
    OK(clg_store_write(p->store, "w", f, WEIGHTS * sizeof *f));
    OK(clg_store_write(p->store, "b", f + WEIGHTS, BIASES * sizeof *f));
}

static void pair_get(pair *p, float *w) {
    OK(clg_store_read(p->store, "w", w, WEIGHTS * sizeof *w));
    OK(clg_store_read(p->store, "b", w + WEIGHTS, BIASES * sizeof *w));
}

static void pair_run(pair *p, const double *gradient) {
    float f[ALL];
    for (int i = 0; i < ALL; i++) f[i] = (float)gradient[i];
    OK(clg_write(p->plan, p->in_w, f, WEIGHTS * sizeof *f));
    OK(clg_write(p->plan, p->in_b, f + WEIGHTS, BIASES * sizeof *f));
    OK(clg_run(p->plan));
}

/* Multiples of 1/512 within +-2, so that f32 holds them. */
static void draw(double *x) {
    float f[ALL];
    fill_random(f, ALL);
    for (int i = 0; i < ALL; i++) x[i] = f[i];
}

static int counter(pair *p, const char *name) {
    int32_t n = -1;
    OK(clg_store_read(p->store, name, &n, sizeof n));
    return n;
}

static const struct rule {
    const char *name;
    clg_optim_params o;
    bool device; /* also on the OpenCL device, where each kernel must be built */
} rules[] = {
    {"sgd", {.lr = 0.1}, true},
    {"sgd", {.lr = 0.1, .momentum = 0.5, .weight_decay = 0.1}},
    {"momentum", {0}, true},
    {"nesterov", {.lr = 0.02, .momentum = 0.7}, true},
    {"adagrad", {.lr = 0.1}, true},
    {"rmsprop", {0}, true},
    {"rmsprop", {.momentum = 0.8, .alpha = 0.9, .eps = 1e-3}},
    {"adam", {.lr = 0.05}, true},
    {"adam", {.beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3, .l2 = 0.5}},
    {"adamw", {.lr = 0.05}, true},
    {"adamw", {.lr = 0.05, .weight_decay = 0.5, .decay_all = true}},
    {"sgd", {.lr = 0.1, .l2 = 0.25, .decay_all = true}},
    {"sgd", {.lr = 0.1, .clip_norm = 4}},
    {"sgd", {.lr = 0.1, .clip_norm = 1e3}},
    {"sgd", {.lr = 0.1, .clip_value = 0.5}},
    {"momentum", {.max_norm2 = 2}},
    {"sgd", {.lr = 0.1, .max_norm2 = 1.5, .decay_all = true}},
    {"adam", {.lr = 0.05, .accumulate = 3}, true},
    {"momentum", {.lr = 0.05, .weight_decay = 0.1, .l2 = 0.2, .clip_norm = 3, .clip_value = 1, .max_norm2 = 3,
                  .accumulate = 4}, true},
};

/* The largest distance after 21 runs, relative to max(1, |w|). */
static double distance_to_twin(clg_device *dev, const struct rule *r) {
    double w[ALL], g[ALL], worst = 0;
    float got[ALL];
    twin t = {{0}};
    pair p = {0};
    random_state = 5;
    draw(t.w);
    memcpy(w, t.w, sizeof w);
    pair_open(&p, dev, CLG_F32);
    p.plan = compile(p.g, CLG_LIST(clg_optimizer(r->name, p.loss, &r->o)), NULL);
    pair_set(&p, w);
    for (int i = 0; i < 21; i++) {
        draw(g);
        twin_run(&t, r->name, &r->o, g);
        pair_run(&p, g);
    }
    pair_get(&p, got);
    for (int i = 0; i < ALL; i++) worst = fmax(worst, fabs(got[i] - t.w[i]) / fmax(1, fabs(t.w[i])));
    cr_assert_neq(memcmp(w, t.w, sizeof w), 0);
    cr_assert_eq(counter(&p, "optim.step"), t.step);
    pair_close(&p);
    return worst;
}

/* In f32 each of 21 steps rounds a few times, so 2^-24 times some hundred; the reference stores f32 and rounds once. */
Test(optim, rules_agree_with_their_twins, .timeout = 300) {
    clg_device *ref = open_device("ref"), *dev = open_device(NULL);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const double on_ref = distance_to_twin(ref, &rules[i]);
        cr_expect_lt(on_ref, 21 * 0x1p-23, "rule %d, %s, ref: off by %g", (int)i, rules[i].name, on_ref);
        if (!rules[i].device) continue;
        const double on_dev = distance_to_twin(dev, &rules[i]);
        cr_expect_lt(on_dev, 200 * 0x1p-24, "rule %d, %s: off by %g", (int)i, rules[i].name, on_dev);
    }
    clg_device_destroy(&ref);
    clg_device_destroy(&dev);
}

Test(optim, names_and_their_rates) {
    static const char *const names[] = {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"};
    for (int i = 0; i < 7; i++) {
        cr_assert_str_eq(clg_optimizer_name(i), names[i]);
        cr_assert_eq(clg_optimizer_default_lr(names[i]), i < 5 ? 0.01 : 0.001);
    }
    cr_assert_null(clg_optimizer_name(7));
    cr_assert_null(clg_optimizer_name(-1));
    cr_assert_eq(clg_optimizer_default_lr("sgdm"), 0);
    cr_assert_str_eq(clg_error(), "optimizer(sgdm): no such optimiser: take sgd, momentum, nesterov, adagrad, rmsprop, "
                     "adam or adamw");
}

Test(optim, fields_out_of_range_are_refused) {
    static const struct { clg_optim_params o; const char *says; } bad[] = {
        {{.clip_norm = -1}, "clip_norm = -1"},     {{.clip_value = NAN}, "clip_value = nan"},
        {{.l2 = INFINITY}, "l2 = inf"},            {{.max_norm2 = -2}, "max_norm2 = -2"},
        {{.accumulate = -3}, "accumulate = -3"},   {{.weight_decay = -1}, "weight_decay = -1"},
    };
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        const bool unknown = i == sizeof bad / sizeof bad[0];
        pair p = {0};
        pair_open(&p, dev, CLG_F32);
        clg_tensor *step = unknown ? clg_optimizer("newton", p.loss, NULL) : clg_sgd(p.loss, &bad[i].o);
        cr_expect_null(step);
        cr_expect_null(clg_compile(p.g, CLG_LIST(step), NULL));
        cr_expect_eq(clg_error_status(), CLG_ERR_INVALID);
        const char *says = unknown ? "optimizer(newton)" : bad[i].says;
        cr_expect_not_null(strstr(clg_error(), says), "%s is not in: %s", says, clg_error());
        pair_close(&p);
    }
    clg_device_destroy(&dev);
}

/* --- schedules --- */

Test(optim, schedules_have_their_values) {
    static const struct { clg_schedule s; int64_t step, steps; double factor; } table[] = {
        {{0}, 0, 10, 1}, {{0}, 99, 10, 1},
        {{.warmup = 4}, 0, 10, 0.2}, {{.warmup = 4}, 3, 10, 0.8}, {{.warmup = 4}, 4, 10, 1},
        {{.warmup = 20}, 9, 10, 10. / 21},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 4, 20, 1},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 5, 20, 0.5},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5}, 19, 20, 0.125},
        {{.kind = CLG_LR_STEP, .every = 5, .gamma = 0.5, .warmup = 7}, 5, 20, 0.5 * 6 / 8},
        {{.kind = CLG_LR_STEP}, 3, 10, 1}, {{.kind = CLG_LR_STEP}, 4, 10, 0.1}, {{.kind = CLG_LR_STEP}, 8, 10, 0.01},
        {{.kind = CLG_LR_STEP}, 1, 0, 0.1},
        {{.kind = CLG_LR_COSINE}, 0, 12, 1}, {{.kind = CLG_LR_COSINE}, 4, 12, 0.75},
        {{.kind = CLG_LR_COSINE}, 6, 12, 0.5}, {{.kind = CLG_LR_COSINE}, 8, 12, 0.25},
        {{.kind = CLG_LR_COSINE}, 12, 12, 0}, {{.kind = CLG_LR_COSINE}, 40, 12, 0},
        {{.kind = CLG_LR_COSINE, .floor = 0.2}, 6, 12, 0.6}, {{.kind = CLG_LR_COSINE, .floor = 0.2}, 12, 12, 0.2},
        {{.kind = CLG_LR_COSINE, .warmup = 3}, 1, 15, 0.5}, {{.kind = CLG_LR_COSINE, .warmup = 3}, 3, 15, 1},
        {{.kind = CLG_LR_COSINE, .warmup = 3}, 7, 15, 0.75}, {{.kind = CLG_LR_COSINE, .warmup = 9}, 4, 5, 0.5},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 0, 13, 0.04}, {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 3, 13, 0.52},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 6, 13, 1}, {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 9, 13, 0.500002},
        {{.kind = CLG_LR_ONE_CYCLE, .peak = 0.5}, 12, 13, 4e-6}, {{.kind = CLG_LR_ONE_CYCLE}, 30, 101, 1},
        {{.kind = CLG_LR_ONE_CYCLE, .start = 0.5, .floor = 0.25}, 0, 11, 0.5},
        {{.kind = CLG_LR_ONE_CYCLE, .start = 0.5, .floor = 0.25}, 10, 11, 0.25},
        {{.kind = CLG_LR_ONE_CYCLE, .warmup = 1}, 0, 11, 0.02}, {{.kind = CLG_LR_ONE_CYCLE}, 0, 1, 0.04},
        {{.kind = CLG_LR_PLATEAU}, 7, 10, 1}, {{.kind = CLG_LR_PLATEAU, .warmup = 1}, 0, 10, 0.5},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        OK(clg_schedule_check(&table[i].s));
        const double got = clg_schedule_factor(&table[i].s, table[i].step, table[i].steps);
        cr_expect_float_eq(got, table[i].factor, 1e-12, "row %d: %.17g, not %.17g", (int)i, got, table[i].factor);
    }
}

Test(optim, schedules_out_of_range_are_refused) {
    static const struct { clg_schedule s; const char *says; } bad[] = {
        {{.kind = (enum clg_lr_kind)7}, "kind = 7"}, {{.warmup = -1}, "warmup = -1"}, {{.every = -5}, "every = -5"},
        {{.gamma = 1.5}, "gamma = 1.5"},             {{.gamma = NAN}, "gamma = nan"}, {{.floor = -1}, "floor = -1"},
        {{.peak = 1}, "peak = 1"},                   {{.start = 2}, "start = 2"},     {{.better = NAN}, "better = nan"},
        {{.patience = -1}, "patience = -1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(clg_schedule_check(&bad[i].s), CLG_ERR_INVALID);
        cr_expect_not_null(strstr(clg_error(), bad[i].says), "%s is not in: %s", bad[i].says, clg_error());
    }
}

Test(optim, a_plateau_lowers_the_rate) {
    static const double loss[] =   {3, 2, 2,   2.5, 1.95, NAN, 1.5, 1.5,  1.6, INFINITY, 1.45, 9,     9},
                        factor[] = {1, 1, 1,   1,   0.5,  0.5, 0.5, 0.5,  0.5, 0.25,     0.25, 0.25,  0.2};
    const clg_schedule s = {.kind = CLG_LR_PLATEAU, .gamma = 0.5, .patience = 3, .better = 0.1, .floor = 0.2};
    clg_plateau p = {0};
    for (size_t i = 0; i < sizeof loss / sizeof loss[0]; i++) {
        const double got = clg_plateau_update(&p, &s, loss[i]);
        cr_expect_eq(got, factor[i], "validation %d: %g, not %g", (int)i, got, factor[i]);
    }
    cr_assert_eq(p.seen, 13);
    cr_assert_eq(p.best, 1.5);
    clg_plateau early = {0}; /* no loss that counts yet: the defaults are patience 5, gamma 0.1 */
    for (int i = 0; i < 4; i++) cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, NAN), 1);
    cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, NAN), 0.1);
    cr_assert_eq(clg_plateau_update(&early, &(clg_schedule){0}, 1e30), 0.1);
    cr_assert_eq(early.best, 1e30);
}

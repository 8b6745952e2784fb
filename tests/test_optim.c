/* Training rules. Each optimiser, with decay, penalty, projection and clipping, against a twin in plain C
 * and double, which knows the formulas of optim.h and nothing of graphs; and identities between rules, exactly, on
 * small integers. */
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

/* --- gradients that are given --- */

/* A loss whose gradients depend on the weights. */
static clg_tensor *steep_loss(pair *p) {
    return clg_add(clg_sum(clg_square(clg_mul(p->w, p->in_w)), CLG_ALL),
                   clg_sum(clg_mul(clg_square(p->b), p->in_b), CLG_ALL));
}

/* Weights, then all states, after 9 runs; returns the bytes. */
static size_t whole_store(pair *p, unsigned char *to, size_t size) {
    size_t at = 0;
    for (int i = 0; i < clg_store_count(p->store); i++) {
        clg_store_entry e;
        OK(clg_store_get(p->store, i, &e));
        size_t n = clg_dtype_size(e.dtype);
        for (int k = 0; k < e.shape.ndim; k++) n *= (size_t)e.shape.dim[k];
        cr_assert(at + n <= size);
        OK(clg_store_read(p->store, e.name, to + at, n));
        at += n;
    }
    return at;
}

static void write_numbers(clg_plan *plan, clg_tensor *t, const double *x, int n) {
    float f[ALL];
    for (int i = 0; i < n; i++) f[i] = (float)x[i];
    if (clg_tensor_dtype(t) == CLG_F64) OK(clg_write(plan, t, x, (size_t)n * sizeof *x));
    else OK(clg_write(plan, t, f, (size_t)n * sizeof *f));
}

/* The inputs of a run; the first run is preceded by weights. */
static void draw_run(pair *p, clg_plan *plan, int run) {
    double x[ALL];
    draw(x);
    if (run == 0 && clg_tensor_dtype(p->w) == CLG_F32) pair_set(p, x);
    if (run == 0 && clg_tensor_dtype(p->w) == CLG_F64) {
        OK(clg_store_write(p->store, "w", x, WEIGHTS * sizeof *x));
        OK(clg_store_write(p->store, "b", x + WEIGHTS, BIASES * sizeof *x));
    }
    draw(x);
    write_numbers(plan, p->in_w, x, WEIGHTS);
    write_numbers(plan, p->in_b, x + WEIGHTS, BIASES);
}

static size_t by_loss(clg_device *on, clg_dtype type, const struct rule *r, unsigned char *to, size_t size) {
    pair p = {0};
    pair_open(&p, on, type);
    p.plan = compile(p.g, CLG_LIST(clg_optimizer(r->name, steep_loss(&p), &r->o)), NULL);
    random_state = 9;
    for (int i = 0; i < 9; i++) {
        draw_run(&p, p.plan, i);
        OK(clg_run(p.plan));
    }
    const size_t n = whole_store(&p, to, size);
    pair_close(&p);
    return n;
}

/* One plan for the gradients, which pass through the host, and one for the step. */
static size_t by_gradients(clg_device *on, clg_dtype type, const struct rule *r, unsigned char *to, size_t size) {
    pair p = {0};
    double host[ALL];
    pair_open(&p, on, type);
    clg_tensor *loss = steep_loss(&p), *gw = clg_grad(loss, p.w), *gb = clg_grad(loss, p.b);
    clg_plan *gradients = compile(p.g, CLG_LIST(gw, gb), NULL);
    clg_tensor *sw = clg_input(p.g, "sum_w", type, CLG_SHAPE(ROWS, COLS));
    clg_tensor *sb = clg_input(p.g, "sum_b", type, CLG_SHAPE(BIASES));
    p.plan = compile(p.g, CLG_LIST(clg_optimizer_apply(r->name, CLG_LIST(p.w, p.b), CLG_LIST(sw, sb), &r->o)), NULL);
    random_state = 9;
    for (int i = 0; i < 9; i++) {
        draw_run(&p, gradients, i);
        OK(clg_run(gradients));
        OK(clg_read(gradients, gw, host, clg_tensor_bytes(gw)));
        OK(clg_write(p.plan, sw, host, clg_tensor_bytes(gw)));
        OK(clg_read(gradients, gb, host, clg_tensor_bytes(gb)));
        OK(clg_write(p.plan, sb, host, clg_tensor_bytes(gb)));
        OK(clg_run(p.plan));
    }
    const size_t n = whole_store(&p, to, size);
    clg_plan_destroy(&gradients);
    pair_close(&p);
    return n;
}

/* On the reference in f64, where the host holds what the device has. */
Test(optim, given_gradients_make_the_same_step, .timeout = 300) {
    enum { ROOM = 4096 };
    static unsigned char want[ROOM], got[ROOM];
    clg_device *ref = open_device("ref"), *dev = open_device(NULL);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        for (int device = 0; device <= rules[i].device; device++) {
            clg_device *on = device ? dev : ref;
            const clg_dtype type = device ? CLG_F32 : CLG_F64;
            const size_t n = by_loss(on, type, &rules[i], want, ROOM);
            cr_assert_eq(by_gradients(on, type, &rules[i], got, ROOM), n);
            cr_expect_arr_eq(got, want, n, "rule %d, %s, %s", (int)i, rules[i].name, device ? "device" : "ref");
        }
    clg_device_destroy(&ref);
    clg_device_destroy(&dev);
}

Test(optim, gradients_that_do_not_fit_are_refused) {
    static const struct { int n_grads, wrong; clg_status code; const char *says; } bad[] = {
        {1, 0, CLG_ERR_INVALID, "there are 2 params and 1 gradients"},
        {2, 1, CLG_ERR_SHAPE, "sgd: the gradient bad is f32[4], but param b is f32[5]"},
        {2, 2, CLG_ERR_INVALID, "gw"}, /* an input in place of a param */
    };
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pair p = {0};
        pair_open(&p, dev, CLG_F32);
        clg_tensor *other = clg_input(p.g, "bad", CLG_F32, CLG_SHAPE(4));
        clg_tensor *param[] = {bad[i].wrong == 2 ? p.in_w : p.w, p.b};
        clg_tensor *grad[] = {p.in_w, bad[i].wrong == 1 ? other : p.in_b};
        clg_tensor *step = clg_optimizer_apply("sgd", (clg_list){2, param}, (clg_list){bad[i].n_grads, grad}, NULL);
        cr_expect_null(clg_compile(p.g, CLG_LIST(step), NULL));
        cr_expect_eq(clg_error_status(), bad[i].code, "%d: %s", (int)i, clg_error());
        cr_expect_not_null(strstr(clg_error(), bad[i].says), "%s is not in: %s", bad[i].says, clg_error());
        pair_close(&p);
    }
    clg_device_destroy(&dev);
}

/* --- what equals what, exactly --- */

enum decay { BY_UPDATE, BY_PENALTY, BY_LOSS, N_DECAYS };

/* Params after three steps from small integers with small integers as gradients: sums that f32 holds. */
static void decayed(clg_device *dev, const char *name, enum decay how, bool decay_all, float *w) {
    clg_optim_params o = {.lr = 0.25, .decay_all = decay_all};
    double x[ALL];
    float f[ALL];
    pair p = {0};
    pair_open(&p, dev, CLG_F32);
    clg_tensor *loss = p.loss, *squares = clg_sum(clg_square(p.w), CLG_ALL);
    if (decay_all) squares = clg_add(squares, clg_sum(clg_square(p.b), CLG_ALL));
    if (how == BY_UPDATE) o.weight_decay = 0.5;
    if (how == BY_PENALTY) o.l2 = 0.5;
    if (how == BY_LOSS) loss = clg_add(loss, clg_scale(squares, 0.5 / 2));
    p.plan = compile(p.g, CLG_LIST(clg_optimizer(name, loss, &o)), NULL);
    random_state = 3;
    for (int i = 0; i < 4; i++) {
        fill_small(f, ALL);
        for (int j = 0; j < ALL; j++) x[j] = f[j];
        if (i == 0) pair_set(&p, x);
        else pair_run(&p, x);
    }
    pair_get(&p, w);
    pair_close(&p);
}

/* (1 - lr lambda) w - lr g is a step down g + lambda w, the gradient of the loss and lambda/2 |w|^2. With a momentum,
 * or where steps are divided by their size, it is not. */
Test(optim, decay_is_the_penalty_for_sgd_alone) {
    static const struct { const char *name; bool device, all; } row[] = {
        {"sgd", true, false}, {"sgd", false, true}, {"momentum", false, false}, {"adam", false, false},
    };
    clg_device *dev = open_device(NULL), *ref = open_device("ref");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        float w[N_DECAYS][ALL];
        for (int how = 0; how < N_DECAYS; how++)
            decayed(row[i].device ? dev : ref, row[i].name, (enum decay)how, row[i].all, w[how]);
        cr_expect_arr_eq(w[BY_PENALTY], w[BY_LOSS], sizeof *w, "%s", row[i].name);
        const bool equal = memcmp(w[BY_UPDATE], w[BY_LOSS], sizeof *w) == 0;
        cr_expect_eq(equal, i < 2, "%s: decay and penalty are %s", row[i].name, equal ? "equal" : "not equal");
    }
    clg_device_destroy(&dev);
    clg_device_destroy(&ref);
}

/* Without a gradient, decay moves weights alone, or all. */
Test(optim, biases_are_exempt) {
    static const clg_optim_params how[] = {{.lr = 0.5, .weight_decay = 1}, {.lr = 0.5, .l2 = 1}, {.max_norm2 = 4}};
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < 2 * sizeof how / sizeof how[0]; i++) {
        clg_optim_params o = how[i / 2];
        double w[ALL];
        const double still[ALL] = {0};
        float got[ALL];
        pair p = {0};
        o.decay_all = i % 2;
        for (int j = 0; j < ALL; j++) w[j] = j < WEIGHTS ? 2 : 6;
        pair_open(&p, dev, CLG_F32);
        p.plan = compile(p.g, CLG_LIST(clg_sgd(p.loss, &o)), NULL);
        pair_set(&p, w);
        pair_run(&p, still);
        pair_get(&p, got);
        for (int j = 0; j < ALL; j++)
            cr_expect_eq(got[j] < w[j], j < WEIGHTS || o.decay_all, "rule %d, element %d: %g", (int)i, j, got[j]);
        pair_close(&p);
    }
    clg_device_destroy(&dev);
}

static double distance2(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/* The step ends in the ball, in the point of it that is nearest to where it would have ended: nearer than others that
 * are drawn on the sphere, around it and anywhere. A step that ends inside keeps its bits. */
Test(optim, projection_finds_the_nearest_point) {
    const double theta = 2, still[ALL] = {0};
    double w[ALL], got[WEIGHTS], other[ALL];
    float f[ALL];
    pair p = {0};
    clg_device *dev = open_device(NULL);
    pair_open(&p, dev, CLG_F32);
    p.plan = compile(p.g, CLG_LIST(clg_sgd(p.loss, clg_optim_params(.max_norm2 = theta))), NULL);
    draw(w);
    cr_assert_gt(norm2(w, WEIGHTS), 2 * theta);
    pair_set(&p, w);
    pair_run(&p, still);
    pair_get(&p, f);
    for (int i = 0; i < WEIGHTS; i++) got[i] = f[i];
    cr_expect_leq(norm2(got, WEIGHTS), theta * (1 + 8 * 0x1p-23), "%.9g", norm2(got, WEIGHTS));
    for (int k = 0; k < 1000; k++) {
        draw(other);
        for (int i = 0; i < WEIGHTS; i++) other[i] = k % 2 ? other[i] : got[i] + other[i] / 64;
        const double have = norm2(other, WEIGHTS);
        for (int i = 0; i < WEIGHTS; i++) other[i] *= sqrt(theta / have);
        cr_expect_lt(distance2(w, got, WEIGHTS), distance2(w, other, WEIGHTS) + 1e-6);
    }
    const double shrink = 0.99 * sqrt(theta / norm2(w, WEIGHTS));
    for (int i = 0; i < ALL; i++) w[i] = (float)(shrink * w[i]);
    pair_set(&p, w);
    pair_run(&p, still);
    pair_get(&p, f);
    for (int i = 0; i < WEIGHTS; i++) cr_assert_eq(f[i], w[i]);
    pair_close(&p);
    clg_device_destroy(&dev);
}

/* --- types, bad numbers, launches --- */

/* Weights in f64 and biases in bf16 make one step: what concerns both is computed in f64. */
Test(optim, types_may_be_mixed) {
    const clg_optim_params o = {.lr = 0.125, .momentum = 0.5, .weight_decay = 0.5, .l2 = 0.25, .clip_norm = 3,
                                .clip_value = 1.5, .max_norm2 = 9, .decay_all = true, .accumulate = 2};
    clg_device *dev = open_device(NULL);
    clg_device_info info;
    clg_device_get_info(dev, &info);
    if (!info.fp64) cr_skip("the device has no double precision");
    clg_store *store = clg_store_create(dev, 1);
    clg_graph *g = clg_graph_create(dev, store);
    clg_tensor *w = clg_param(g, "w", CLG_F64, CLG_SHAPE(ROWS, COLS), CLG_INIT_ONE);
    clg_tensor *b = clg_param(g, "b", CLG_BF16, CLG_SHAPE(BIASES), CLG_INIT_ONE);
    clg_tensor *of_w = clg_sum(clg_square(w), CLG_ALL), *of_b = clg_sum(clg_square(clg_cast(b, CLG_F64)), CLG_ALL);
    clg_plan *p = compile(g, CLG_LIST(clg_sgd(clg_add(of_w, of_b), &o)), NULL);
    twin t = {{0}};
    double got[WEIGHTS];
    uint16_t half[BIASES];
    for (int i = 0; i < ALL; i++) t.w[i] = 1;
    for (int s = 0; s < 6; s++) {
        double gradient[ALL];
        for (int i = 0; i < ALL; i++) gradient[i] = 2 * t.w[i];
        twin_run(&t, "sgd", &o, gradient);
        OK(clg_run(p));
    }
    OK(clg_store_read(store, "w", got, sizeof got));
    OK(clg_store_read(store, "b", half, sizeof half));
    const uint32_t bits = (uint32_t)half[0] << 16;
    float bias;
    memcpy(&bias, &bits, sizeof bias);
    cr_assert_float_eq(got[0], t.w[0], 1e-3, "%g, not %g", got[0], t.w[0]); /* the norm sees rounded biases */
    cr_assert_float_eq(bias, t.w[ALL - 1], 3 * 0x1p-8, "%g, not %g", bias, t.w[ALL - 1]);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    clg_store_destroy(&store);
    clg_device_destroy(&dev);
}

/* A gradient that is no number is not clipped to one. */
Test(optim, nan_stays_nan) {
    static const clg_optim_params how[] = {{.clip_norm = 1}, {.clip_value = 1}, {.max_norm2 = 1}, {.accumulate = 2}};
    clg_device *dev = open_device("ref");
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        double g[ALL] = {1, NAN, 1};
        float w[ALL];
        pair p = {0};
        pair_open(&p, dev, CLG_F32);
        p.plan = compile(p.g, CLG_LIST(clg_sgd(p.loss, &how[i])), NULL);
        pair_run(&p, g);
        pair_get(&p, w);
        cr_expect(i == 3 ? w[1] == 0 : isnan(w[1]), "rule %d: %g", (int)i, w[1]); /* no step was due yet */
        pair_run(&p, g);
        pair_get(&p, w);
        cr_expect(isnan(w[1]), "rule %d: %g", (int)i, w[1]);
        pair_close(&p);
    }
    clg_device_destroy(&dev);
}

static int launches(clg_device *dev, const clg_optim_params *o) {
    clg_graph *g = clg_graph_create(dev, NULL);
    clg_tensor *h = clg_input(g, "x", CLG_F32, CLG_SHAPE(64, 20));
    char name[8];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "fc%d", i);
        h = clg_nn_linear(h, name, 20);
    }
    clg_plan *p = compile(g, CLG_LIST(clg_optimizer("momentum", clg_mean(clg_square(h), CLG_ALL), o)), NULL);
    const int n = steps_of(p);
    clg_plan_destroy(&p);
    clg_graph_destroy(&g);
    return n;
}

/* What is done element by element joins the kernel that updates all params, or two, where weights and biases differ. */
Test(optim, rules_cost_no_launches) {
    clg_device *dev = open_device(NULL);
    const int plain = launches(dev, NULL);
    cr_expect_eq(launches(dev, &(clg_optim_params){.clip_value = 1}), plain);
    cr_expect_eq(launches(dev, &(clg_optim_params){.l2 = 0.5, .weight_decay = 0.5, .decay_all = true}), plain);
    cr_expect_leq(launches(dev, &(clg_optim_params){.l2 = 0.5, .weight_decay = 0.5}), plain + 1);
    cr_expect_leq(launches(dev, &(clg_optim_params){.accumulate = 4}), plain + 1);
    clg_device_destroy(&dev);
}

/* The perceptron: its rule against numbers worked out elsewhere, Novikoff's bound on separable data, data that no line
 * separates, the equality with SGD on max(0, -y (<w, x> + b)) step by step, and the command. */
#include "support/program.h"
#include "support/xml.h"

#include <clgrad/clgrad.h>
#include <math.h>

enum { MAX_ROWS = 200, MAX_DIM = 4 };

typedef struct table {
    double  x[MAX_ROWS * MAX_DIM];
    int32_t y[MAX_ROWS];
    int64_t n, dim;
} table;

static clg_perceptron_result fit(const table *t, const clg_perceptron_params *p) {
    clg_perceptron_result r = {0};
    cr_assert_eq(clg_perceptron_fit(t->x, t->y, t->n, t->dim, p, &r), CLG_OK, "%s", clg_error());
    return r;
}

static clg_mistake_bound bound_of(const table *t, const double *w, double b) {
    clg_mistake_bound r = {0};
    cr_assert_eq(clg_perceptron_bound(t->x, t->y, t->n, t->dim, w, b, &r), CLG_OK, "%s", clg_error());
    return r;
}

/* Fisher's iris in file order, setosa 1 and the others -1; in units of 1/scale cm. */
static table iris(double scale) {
    table t = { .dim = 4 };
    char path[512], line[200];
    snprintf(path, sizeof path, "%s/tests/data/tabular/iris.csv", getenv("CLGRAD_SOURCE"));
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    cr_assert_not_null(fgets(line, sizeof line, f));
    while (fgets(line, sizeof line, f)) {
        double *x = t.x + 4 * t.n;
        int kind;
        cr_assert(t.n < MAX_ROWS && sscanf(line, "%lf,%lf,%lf,%lf,%d", x, x + 1, x + 2, x + 3, &kind) == 5, "%s", line);
        for (int j = 0; j < 4 && scale != 1; j++) x[j] = round(scale * x[j]);
        t.y[t.n++] = kind == 0 ? 1 : -1;
    }
    fclose(f);
    cr_assert_eq(t.n, 150);
    return t;
}

Test(perceptron, iris_setosa) {
    const table t = iris(1);
    const int64_t updates[] = {2, 2, 1, 0};
    const double w[] = {1.3, 4.1, -5.2, -2.2};
    clg_perceptron_result r = fit(&t, NULL);
    cr_expect(r.end == CLG_PERCEPTRON_CONVERGED && r.passes == 4 && r.updates == 5 && r.right == 150 && r.b == 1);
    for (int i = 0; i < 4; i++) {
        cr_expect_eq(r.pass_updates[i], updates[i], "pass %d", i + 1);
        cr_expect(fabs(r.w[i] - w[i]) < 1e-12, "w[%d] = %.17g", i, r.w[i]);
    }
    const clg_mistake_bound b = bound_of(&t, r.w, r.b);
    cr_expect(b.margin > 0 && b.bound >= 5 && isfinite(b.bound));
    clg_perceptron_result_free(&r);
    cr_expect(!r.w && !r.pass_updates);
}

/* Pseudo-random numbers in [-1, 1) that are multiples of 2^-10, so that sums are exact. */
static double next(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return ((double)(*state >> 21) - 1024) / 1024;
}

/* Rows of a cube, those nearer than `margin` to the plane of (w, b) left out. */
static table cloud(uint32_t seed, int64_t n, int64_t dim, double margin, double *w, double *b) {
    table t = { .dim = dim };
    double length = 0;
    for (int64_t j = 0; j < dim; j++) w[j] = next(&seed);
    *b = next(&seed) / 4;
    for (int64_t j = 0; j < dim; j++) length += w[j] * w[j];
    length = sqrt(length + *b * *b);
    while (t.n < n) {
        double *x = t.x + t.n * dim, s = *b;
        for (int64_t j = 0; j < dim; j++) s += w[j] * (x[j] = next(&seed));
        if (fabs(s) / length < margin) continue;
        t.y[t.n++] = s > 0 ? 1 : -1;
    }
    return t;
}

/* On separable clouds of many margins and dimensions the rule stops before the bound, in file order and backwards. */
Test(perceptron, mistakes_stay_below_the_bound) {
    int64_t most = 0;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        double w[MAX_DIM], b, margin = 0.4 / (1 + seed % 7);
        const table t = cloud(seed, 150, 1 + seed % MAX_DIM, margin, w, &b);
        table back = t;
        for (int64_t i = 0; i < t.n; i++) {
            memcpy(back.x + i * t.dim, t.x + (t.n - 1 - i) * t.dim, sizeof(double) * (size_t)t.dim);
            back.y[i] = t.y[t.n - 1 - i];
        }
        const clg_mistake_bound known = bound_of(&t, w, b);
        cr_expect(known.margin >= margin * (1 - 1e-12) && known.radius <= sqrt((double)t.dim));
        cr_expect(fabs(known.bound * known.margin * known.margin - known.radius * known.radius - 1) < 1e-9);
        for (int turn = 0; turn < 2; turn++) {
            clg_perceptron_result r = fit(turn ? &back : &t, NULL);
            cr_expect(r.end == CLG_PERCEPTRON_CONVERGED && r.right == t.n, "seed %u", seed);
            cr_expect((double)r.updates <= known.bound, "seed %u: %lld updates, bound %g", seed, (long long)r.updates,
                      known.bound);
            const clg_mistake_bound own = bound_of(&t, r.w, r.b);
            cr_expect(own.margin > 0 && (double)r.updates <= own.bound, "the bound of what was found");
            most = r.updates > most ? r.updates : most;
            clg_perceptron_result_free(&r);
        }
    }
    cr_expect(most > 20, "the clouds were too easy to show anything: %lld updates at most", (long long)most);
}

/* One row: the best (w, b) is the row with its 1, and the bound of 1 update is met. */
Test(perceptron, the_bound_is_tight) {
    const table t = { {3, 4}, {-1}, 1, 2 };
    clg_perceptron_result r = fit(&t, NULL);
    const clg_mistake_bound b = bound_of(&t, r.w, r.b);
    cr_expect(r.updates == 1 && r.passes == 2 && r.w[0] == -3 && r.w[1] == -4 && r.b == -1);
    cr_expect(b.radius == 5 && fabs(b.margin - sqrt(26)) < 1e-12 && fabs(b.bound - 1) < 1e-12);
    clg_perceptron_result_free(&r);
}

/* Of the 16 labelings of the corners of a square the rule finds the 14 that a line makes, and sees that it goes round
 * on the other two: XOR and its opposite. */
Test(perceptron, all_labelings_of_a_square) {
    for (int bits = 0; bits < 16; bits++) {
        table t = { {0, 0, 0, 1, 1, 0, 1, 1}, {0}, 4, 2 };
        for (int i = 0; i < 4; i++) t.y[i] = bits >> i & 1 ? 1 : -1;
        const bool is_xor = bits == 6 || bits == 9;
        clg_perceptron_result r = fit(&t, NULL);
        cr_expect_eq(r.end, is_xor ? CLG_PERCEPTRON_CYCLE : CLG_PERCEPTRON_CONVERGED, "labeling %d", bits);
        cr_expect_eq(r.right == 4, !is_xor, "labeling %d: %lld right", bits, (long long)r.right);
        cr_expect(!is_xor || (r.passes < 20 && r.pass_updates[r.passes - 1] > 0), "%lld passes", (long long)r.passes);
        const clg_mistake_bound b = bound_of(&t, r.w, r.end == CLG_PERCEPTRON_CYCLE && r.b == 0 ? 1 : r.b);
        cr_expect_eq(isinf(b.bound), is_xor, "labeling %d", bits);
        cr_expect_eq(b.margin <= 0, is_xor, "labeling %d", bits);
        clg_perceptron_result_free(&r);
    }
}

/* Labels turned over: no line, no convergence, and the run says so; as many passes as were asked for. */
Test(perceptron, noisy_labels) {
    double w[2], b;
    table t = cloud(5, 100, 2, 0.1, w, &b);
    for (int i = 0; i < 100; i += 10) t.y[i] = -t.y[i];
    clg_perceptron_result r = fit(&t, clg_perceptron_params(.max_passes = 30));
    cr_expect(r.end == CLG_PERCEPTRON_PASSES && r.passes == 30 && r.right < 100);
    for (int i = 0; i < 30; i++) cr_expect(r.pass_updates[i] > 0);
    cr_expect(bound_of(&t, w, b).margin < 0 && isinf(bound_of(&t, w, b).bound));
    clg_perceptron_result_free(&r);
}

/* --- the same as SGD --- */

/* A step of SGD, rate 1 and batch 1, on max(0, -y s), s = <w, x> + b. */
typedef struct sgd {
    clg_store  *store;
    clg_graph  *g;
    clg_plan   *step;
    clg_tensor *x, *y;
    clg_dtype   type;
    int64_t     dim;
} sgd;

static sgd new_sgd(clg_device *dev, clg_dtype type, int64_t dim, bool zero_at_kink) {
    sgd s = { .store = clg_store_create(dev, 0), .type = type, .dim = dim };
    s.g = clg_graph_create(dev, s.store);
    s.x = clg_input(s.g, "x", type, CLG_SHAPE(1, dim));
    s.y = clg_input(s.g, "y", type, CLG_SHAPE(1, 1));
    clg_tensor *w = clg_param(s.g, "w", type, CLG_SHAPE(dim, 1), CLG_INIT_ZERO);
    clg_tensor *b = clg_param(s.g, "b", type, CLG_SHAPE(1), CLG_INIT_ZERO);
    clg_tensor *score = clg_add(clg_matmul(s.x, w), b);
    clg_tensor *loss = zero_at_kink ? clg_perceptron_loss(score, s.y, NULL)
                                    : clg_sum(clg_clamp(clg_neg(clg_mul(s.y, score)), 0, INFINITY), CLG_ALL);
    s.step = clg_compile(s.g, CLG_LIST(loss, clg_sgd(loss, clg_optim_params(.lr = 1))), NULL);
    cr_assert_not_null(s.step, "%s", clg_error());
    return s;
}

static void free_sgd(sgd *s) {
    clg_plan_destroy(&s->step);
    clg_graph_destroy(&s->g);
    clg_store_destroy(&s->store);
}

/* One step on a row; then the weights go to v [dim + 1]. */
static void take_step(sgd *s, const double *x, int32_t y, double *v) {
    float xf[MAX_DIM], yf = (float)y, vf[MAX_DIM + 1];
    const double yd = y;
    const bool f64 = s->type == CLG_F64;
    const size_t one = f64 ? sizeof(double) : sizeof(float), row = one * (size_t)s->dim;
    for (int64_t j = 0; j < s->dim; j++) xf[j] = (float)x[j];
    cr_assert(!clg_write(s->step, s->x, f64 ? (const void *)x : xf, row)
           && !clg_write(s->step, s->y, f64 ? (const void *)&yd : &yf, one) && !clg_run(s->step)
           && !clg_store_read(s->store, "w", f64 ? (void *)v : vf, row)
           && !clg_store_read(s->store, "b", f64 ? (void *)(v + s->dim) : vf + s->dim, one), "%s", clg_error());
    for (int64_t j = 0; j <= s->dim && !f64; j++) v[j] = vf[j];
}

/* The weights after each update of the rule, with the number of the step: pass x rows + row. */
typedef struct trail {
    double  v[64][MAX_DIM + 1];
    int64_t row[64], dim;
    int     n;
} trail;

static void keep(void *user, int64_t row, const double *w, double b) {
    trail *t = user;
    cr_assert(t->n < 64);
    memcpy(t->v[t->n], w, sizeof *w * (size_t)t->dim);
    t->v[t->n][t->dim] = b;
    t->row[t->n++] = row;
}

/* After every single row of every pass the weights of both are the same numbers. */
static void expect_equal_steps(const char *what, clg_device *dev, clg_dtype type, const table *t) {
    trail rule = { .dim = t->dim };
    double v[MAX_DIM + 1] = {0}, want[MAX_DIM + 1] = {0};
    int seen = 0;
    clg_perceptron_result r = fit(t, clg_perceptron_params(.max_passes = 8, .on_update = keep, .user = &rule));
    cr_expect_eq(rule.n, r.updates);
    sgd s = new_sgd(dev, type, t->dim, false);
    for (int64_t pass = 0; pass < r.passes; pass++) {
        const int end = seen + (int)r.pass_updates[pass];
        for (int64_t i = 0; i < t->n; i++) {
            take_step(&s, t->x + i * t->dim, t->y[i], v);
            if (seen < end && rule.row[seen] == i) memcpy(want, rule.v[seen++], sizeof want);
            for (int64_t j = 0; j <= t->dim; j++)
                cr_assert(v[j] == want[j], "%s: pass %lld, row %lld: weight %lld is %.17g by SGD, by the rule %.17g",
                          what, (long long)pass, (long long)i, (long long)j, v[j], want[j]);
        }
        cr_assert_eq(seen, end, "%s: pass %lld", what, (long long)pass);
    }
    cr_expect(seen >= 4, "%s: %d updates show little", what, seen);
    free_sgd(&s);
    clg_perceptron_result_free(&r);
}

Test(perceptron, equals_sgd_step_by_step, .timeout = 120) {
    double w[2], b, v[MAX_DIM + 1];
    const table cm = iris(1), mm = iris(10), xor = { {0, 0, 0, 1, 1, 0, 1, 1}, {-1, 1, 1, -1}, 4, 2 };
    const table clouds = cloud(6, 40, 2, 0.05, w, &b);
    clg_device *dev = clg_device_open(NULL, NULL), *ref = clg_device_open("ref", NULL);
    cr_assert(dev && ref, "%s", clg_error());
    expect_equal_steps("iris, decimals in double", ref, CLG_F64, &cm);
    expect_equal_steps("iris, millimetres", dev, CLG_F32, &mm);
    expect_equal_steps("clouds", dev, CLG_F32, &clouds);
    expect_equal_steps("XOR", dev, CLG_F32, &xor);
    sgd still = new_sgd(ref, CLG_F64, 4, true); /* the other subgradient at 0 never leaves w = 0 */
    for (int i = 0; i < 150; i++) take_step(&still, cm.x + 4 * i, cm.y[i], v);
    for (int j = 0; j < 5; j++) cr_expect_eq(v[j], 0);
    free_sgd(&still);
    clg_device_destroy(&dev);
    clg_device_destroy(&ref);
}

/* The same through a model and a trainer: after each step of an epoch in file order. */
typedef struct follower {
    const table *rows;
    const clg_perceptron_result *rule;
    const trail *rule_trail;
    double  want[MAX_DIM + 1];
    int     seen;
    int64_t steps, apart;
} follower;

static enum clg_fit_action compare_step(void *user, const clg_fit_state *s) {
    follower *f = user;
    double v[MAX_DIM + 1];
    const int64_t pass = (s->step - 1) / f->rows->n, row = (s->step - 1) % f->rows->n;
    int end = 0;
    for (int64_t p = 0; p <= pass; p++) end += (int)f->rule->pass_updates[p];
    if (f->seen < end && f->rule_trail->row[f->seen] == row)
        memcpy(f->want, f->rule_trail->v[f->seen++], sizeof f->want);
    clg_store *store = clg_trainer_store(s->trainer);
    cr_assert(!clg_store_read(store, "fc1.weight", v, 4 * sizeof *v)
              && !clg_store_read(store, "fc1.bias", v + 4, sizeof *v), "%s", clg_error());
    for (int j = 0; j < 5; j++) f->apart += v[j] != f->want[j];
    f->steps++;
    return CLG_FIT_GO_ON;
}

Test(perceptron, equals_a_trained_model_step_by_step) {
    const table t = iris(1);
    trail rule = { .dim = 4 };
    int32_t label[150];
    for (int i = 0; i < 150; i++) label[i] = t.y[i] > 0;
    clg_perceptron_result r = fit(&t, clg_perceptron_params(.on_update = keep, .user = &rule));
    follower f = { .rows = &t, .rule = &r, .rule_trail = &rule };
    clg_device  *dev = clg_device_open("ref", NULL);
    clg_dataset *d = clg_dataset_create(clg_dataset_params(.n = 150, .item = CLG_SHAPE(4), .x = t.x, .label = label));
    clg_model   *open = clg_model_zoo("perceptron", NULL), *m = clg_model_for(open, CLG_SHAPE(4), 2, 0);
    clg_store   *store = clg_store_create(dev, 0);
    clg_trainer *trainer = clg_trainer_create(dev, store, m, clg_fit_params(.epochs = 4, .batch = 1, .optim = {.lr = 1},
        .type = CLG_F64, .no_shuffle = true, .on_step = compare_step, .user = &f));
    cr_assert(trainer && d, "%s", clg_error());
    cr_assert_eq(clg_fit(trainer, d, NULL, NULL), CLG_OK, "%s", clg_error());
    cr_expect(f.steps == 600 && f.seen == 5 && f.apart == 0, "%lld steps, %d updates, %lld weights apart",
              (long long)f.steps, f.seen, (long long)f.apart);
    clg_trainer_destroy(&trainer);
    clg_store_destroy(&store);
    clg_model_destroy(&m);
    clg_model_destroy(&open);
    clg_dataset_destroy(&d);
    clg_device_destroy(&dev);
    clg_perceptron_result_free(&r);
}

/* --- mistakes of the caller --- */

Test(perceptron, bad_input) {
    const double x[] = {1, 2, 3, NAN}, big[] = {1e308, -1e308}, w[] = {0, 0}, w_nan[] = {NAN, 1};
    const int32_t y[] = {1, -1}, y0[] = {1, 0};
    const double good[] = {1, 2, 3, 4}, vast[] = {1e308, 1e308}, steep[] = {10, -10};
    clg_perceptron_result r = { .updates = 77 };
    clg_mistake_bound bound = { .radius = 77 };
#define SAYS(call, text) \
    cr_expect((call) == CLG_ERR_INVALID && strstr(clg_error(), text), "not \"%s\": %s", text, clg_error())
#define FIT(text, ...) SAYS(clg_perceptron_fit(__VA_ARGS__, &r), text)
#define BOUND(text, ...) SAYS(clg_perceptron_bound(__VA_ARGS__, &bound), text)
    FIT("n = 0", good, y, 0, 2, NULL);
    FIT("dim = 0", good, y, 2, 0, NULL);
    FIT("x is NULL", NULL, y, 2, 2, NULL);
    FIT("label of row 1 is 0; labels are 1 and -1", good, y0, 2, 2, NULL);
    FIT("column 1 of row 1 is nan", x, y, 2, 2, NULL);
    FIT("max_passes is -1", good, y, 2, 2, clg_perceptron_params(.max_passes = -1));
    FIT("too large for double; scale the columns", big, y, 2, 1, NULL);
    BOUND("label of row 1 is 0", good, y0, 2, 2, w, 1);
    BOUND("|(w, b)| is 0", good, y, 2, 2, w, 0);
    BOUND("|(w, b)| is nan", good, y, 2, 2, w_nan, 0);
    BOUND("<w, x> + b of row 0 is", vast, y, 1, 2, steep, 0);
    SAYS(clg_perceptron_fit(good, y, 2, 2, NULL, NULL), "result is NULL");
    SAYS(clg_perceptron_bound(good, y, 2, 2, good, 0, NULL), "result is NULL");
    cr_expect(r.updates == 77 && bound.radius == 77, "outputs were touched");
    clg_perceptron_result_free(NULL);
}

/* --- the command --- */

typedef struct drawing { int pictures, marks; } drawing;

static void count(void *user, const xml_element *e) {
    drawing *d = user;
    d->pictures += strcmp(e->name, "image") == 0;
    d->marks += xml_is(e, "class", "m");
}

Test(perceptron, command, .init = set_up, .fini = tear_down) {
    const char *root = getenv("CLGRAD_SOURCE");
    drawing d = {0};
    expect_run(0, "perceptron --data csv:%s/tests/data/tabular/iris.csv,test=0 --class 0 --json result", root);
    cr_expect(file_has("out", "updates  2 + 2 + 1 + 0 = 5\n"));
    cr_expect(file_has("out", "converged: pass 4 has no update, all 150 rows are right\n"));
    cr_expect(file_has("out", "w        1.3 4.1 -5.2 -2.2\nb        1\n"));
    cr_expect(file_has("result", "\"end\":\"converged\",\"passes\":4,\"updates\":5,\"pass_updates\":[2,2,1,0]"));
    expect_run(0, "perceptron --data xor:n=40,noise=0,test=0");
    cr_expect(file_has("out", "end      never: the weights came back"));
    cr_expect(file_has("out", "no plane separates the classes"));
    expect_run(0, "perceptron --data clouds:n=50,margin=0.02,test=0 --max-passes 1 --plot c.svg");
    cr_expect(file_has("out", "not reached after 1 passes"));
    cr_expect(file_has("out", "a plane separates the classes"));
    char *svg = slurp("c.svg", NULL);
    const char *wrong = xml_read(svg, count, &d);
    cr_expect_null(wrong, "%s", wrong);
    cr_expect(d.pictures == 1 && d.marks == 50 + 2, "%d pictures, %d marks", d.pictures, d.marks);
    free(svg);
    expect_run(2, "perceptron --data digits");
    cr_expect(file_has("err", "digits has 10 classes; say by --class which one is +1"));
    expect_run(2, "perceptron --data xor --class red");
    cr_expect(file_has("err", "--class red is no class of xor"));
    expect_run(2, "perceptron --data linear");
    cr_expect(file_has("err", "linear has real targets"));
    expect_run(2, "perceptron --data digits --class 1 --plot d.svg");
    cr_expect(file_has("err", "--plot draws rows of 2 numbers; those of digits have 784"));
}

/* Megakernels: the bits of step-by-step runs, of training and of every op of the table; also when transfers and runs
 * change in between, on one core, and where they cannot be had. */
#define CL_TARGET_OPENCL_VERSION 120
#include "check/check.h"
#include "support/nets.h"
#include "support/opencl.h"
#include "support/rebuilt.h"
#include "support/scratch.h"
#include <unistd.h>

/* --- training --- */

static int in_one(const net *n) { return reported(n, "n_mega"); }

static void compare(clg_device *d) {
    static unsigned char off[MOST], on[MOST];
    int rebuilt = 0;
    clg_set_log(count_rebuilt, &rebuilt, CLG_LOG_INFO);
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        const recipe *r = &recipes[i];
        net a = make_net(r, d, clg_plan_params(.mega = CLG_MEGA_OFF));
        net b = make_net(r, d, clg_plan_params(.mega = CLG_MEGA_ON));
        clg_plan_info info;
        const size_t bytes = train(&a, r, off);
        cr_expect_eq(train(&b, r, on), bytes);
        cr_expect(memcmp(off, on, MOST) == 0, "net %zu: a megakernel gives other bits", i);
        clg_plan_get_info(b.plan, &info);
        cr_expect_eq(in_one(&a), 0);
        cr_expect(10 * in_one(&b) >= 9 * info.n_kernels, "net %zu: %d of %d kernels", i, in_one(&b), info.n_kernels);
        free_net(&a);
        free_net(&b);
    }
    clg_set_log(NULL, NULL, CLG_LOG_NONE);
    cr_expect_eq(rebuilt, 0);
}

Test(mega, gives_the_bits_of_steps, .timeout = 200) {
    clg_device *d = open_cpu(NULL);
    compare(d);
    clg_device_destroy(&d);
}

/* Inputs have two buffers there, which take turns. */
Test(mega, with_uploads_beside, .timeout = 200) {
    setenv("CLGRAD_FORCE_DISCRETE", "1", 1);
    clg_device *d = open_cpu(NULL);
    compare(d);
    clg_device_destroy(&d);
}

/* One group does everything, in order. */
Test(mega, on_one_core, .timeout = 200) {
    clg_device *d = open_cpu(NULL);
    clg_device_destroy(&d);
    if (getenv("CLGRAD_DEVICE") && strchr(getenv("CLGRAD_DEVICE"), '#')) cr_skip_test("a part has no parts");
    d = clg_device_open("#0/2", NULL);
    if (!d) cr_skip_test("%s", clg_error());
    compare(d);
    clg_device_destroy(&d);
}

/* --- when it is not to be had --- */

static char warned[2000];

static void take_warning(void *user, enum clg_log_level level, const char *message) {
    if (level == CLG_LOG_WARN && strstr(message, "megakernel")) snprintf(warned, sizeof warned, "%s", message);
}

/* Two kernels at least. */
static clg_plan *small_plan(clg_device *d, clg_graph **g, const clg_plan_params *params) {
    *g = clg_graph_create(d, NULL);
    clg_tensor *x = clg_input(*g, "x", CLG_F32, CLG_SHAPE(8, 8));
    return clg_compile(*g, CLG_LIST(clg_matmul(clg_softmax(clg_matmul(x, x), 1), x)), params);
}

/* A program that does not build costs a warning and nothing else. */
Test(mega, that_does_not_build, .timeout = 100) {
    char dir[SCRATCH], command[1000];
    make_scratch(dir);
    snprintf(command, sizeof command, "cp '%s'/cl/*.cl* '%s' && echo broken >> '%s'/mega.clh", getenv("CLGRAD_SOURCE"),
             dir, dir);
    cr_assert_eq(system(command), 0);
    setenv("CLGRAD_CL_PATH", dir, 1);
    clg_device *d = open_cpu(NULL);
    clg_graph *g;
    net n = { 0 };
    clg_set_log(take_warning, NULL, CLG_LOG_WARN);
    n.plan = small_plan(d, &g, clg_plan_params(.mega = CLG_MEGA_ON));
    cr_assert(n.plan, "%s", clg_error());
    OK(clg_run(n.plan));
    OK(clg_device_finish(d));
    cr_expect(strstr(warned, "step by step") && strstr(warned, "mega.clh"), "%s", warned);
    cr_expect_eq(in_one(&n), 0);
    clg_plan_destroy(&n.plan);
    clg_graph_destroy(&g);
    clg_device_destroy(&d);
    remove_scratch(dir);
}

/* Steps that profile have times. */
Test(mega, leaves_what_it_would_spoil, .timeout = 100) {
    clg_device *d = open_cpu(clg_device_params(.profiling = true));
    clg_graph *g;
    net n = { 0 };
    n.plan = small_plan(d, &g, NULL);
    cr_assert(n.plan, "%s", clg_error());
    cr_expect_eq(in_one(&n), 0);
    clg_plan_destroy(&n.plan);
    clg_graph_destroy(&g);
    clg_device_destroy(&d);
}

Test(mega, refused, .timeout = 60) {
    clg_device *ref = clg_device_open("ref", NULL);
    clg_graph *g;
    clg_plan *p = small_plan(ref, &g, clg_plan_params(.mega = (enum clg_mega_mode)7));
    cr_expect(!p && clg_error_status() == CLG_ERR_INVALID && strstr(clg_error(), "mega 7"), "%s", clg_error());
    clg_graph_destroy(&g);
    setenv("CLGRAD_MEGA", "perhaps", 1);
    p = small_plan(ref, &g, NULL);
    cr_expect(!p && strstr(clg_error(), "CLGRAD_MEGA=perhaps: is none of auto, on, off"), "%s", clg_error());
    clg_graph_destroy(&g);
    clg_device_destroy(&ref);
}

/* --- every op --- */

enum { GROUP = 10 };

/* Several cases in one plan. */
typedef struct bunch {
    const clg_case *c[GROUP];
    clg_tensor *in[GROUP][CLG_CASE_INPUTS], *y[GROUP];
    int         n;
    clg_store  *store;
    clg_graph  *graph;
    clg_plan   *plan;
} bunch;

/* The first case of the op that leaves a value and is no deliberate failure. */
static const clg_case *case_of(const char *op) {
    const clg_case *c;
    for (int i = 0; (c = clg_case_at(op, i)) != NULL; i++)
        if (!(c->flags & CLG_CASE_EFFECT) && clg_case_elems(c) < 20000) return c;
    return NULL;
}

static void build(bunch *b, clg_device *d, enum clg_mega_mode mode) {
    char name[24];
    b->store = clg_store_create(d, 42);
    b->graph = clg_graph_create(d, b->store);
    for (int k = 0; k < b->n; k++) {
        const clg_case *c = b->c[k];
        for (int i = 0; i < c->n_in; i++) {
            clg_shape s = { .ndim = c->in[i].ndim };
            memcpy(s.dim, c->in[i].dim, sizeof s.dim);
            snprintf(name, sizeof name, "x%d_%d", k, i);
            b->in[k][i] = clg_input(b->graph, name, c->in[i].dtype, s);
        }
        b->y[k] = c->build(c, b->graph, b->in[k]);
    }
    b->plan = clg_compile(b->graph, (clg_list){ b->n, b->y }, clg_plan_params(.mega = mode));
    cr_assert(b->plan, "%s", clg_error());
}

static void write_inputs(bunch *b) {
    for (int k = 0; k < b->n; k++)
        for (int i = 0; i < b->c[k]->n_in; i++) {
            const size_t bytes = clg_tensor_bytes(b->in[k][i]);
            const clg_dtype t = clg_tensor_dtype(b->in[k][i]);
            double *v = clg_case_values(b->c[k], i, 7, false);
            void *host = malloc(bytes + 1);
            cr_assert(v && host);
            clg_bytes_from(t, v, (int64_t)(bytes / clg_dtype_size(t)), host);
            OK(clg_write(b->plan, b->in[k][i], host, bytes));
            free(host);
            free(v);
        }
}

static void close_bunch(bunch *b) {
    clg_plan_destroy(&b->plan);
    clg_graph_destroy(&b->graph);
    clg_store_destroy(&b->store);
}

static void compare_values(const bunch *a, const bunch *b) {
    for (int k = 0; k < a->n; k++) {
        char text[256];
        const size_t bytes = clg_tensor_bytes(a->y[k]);
        unsigned char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
        cr_assert(x && y);
        OK(clg_read(a->plan, a->y[k], x, bytes));
        OK(clg_read(b->plan, b->y[k], y, bytes));
        cr_expect(memcmp(x, y, bytes) == 0, "%s: a megakernel gives other bits: %s", a->c[k]->op,
                  clg_case_text(a->c[k], text, sizeof text));
        free(x);
        free(y);
    }
}

/* Returns how many of how many kernels were in megakernels. */
static int run_bunch(bunch *a, clg_device *d, int *kernels) {
    bunch b = *a;
    net n = { 0 };
    clg_plan_info info;
    build(a, d, CLG_MEGA_OFF);
    build(&b, d, CLG_MEGA_ON);
    write_inputs(a);
    write_inputs(&b);
    for (int run = 0; run < 3; run++) {
        OK(clg_run(a->plan));
        OK(clg_run(b.plan));
    }
    compare_values(a, &b);
    clg_plan_get_info(b.plan, &info);
    *kernels += info.n_kernels;
    n.plan = b.plan;
    const int some = in_one(&n);
    close_bunch(a);
    close_bunch(&b);
    return some;
}

Test(mega, every_op, .timeout = 900) {
    clg_device *d = open_cpu(NULL);
    int ops = 0, in = 0, kernels = 0;
    bunch b = { 0 };
    for (int op = 0; op < clg_op_count(); op++) {
        clg_op_info info;
        OK(clg_op_get_info(op, &info));
        const clg_case *c = case_of(info.name);
        if (c) b.c[b.n++] = c;
        ops += c != NULL;
        if (b.n < GROUP && op < clg_op_count() - 1) continue;
        if (b.n > 0) in += run_bunch(&b, d, &kernels);
        b = (bunch){ 0 };
    }
    cr_expect(ops > 100, "%d ops have a case", ops);
    cr_expect(10 * in > 8 * kernels, "%d of %d kernels", in, kernels);
    clg_device_destroy(&d);
}

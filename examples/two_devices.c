/* A net on two devices: `two_devices [FIRST [SECOND]]`, names as $CLGRAD_DEVICE takes them. Without arguments, its
 * first layer is on the default device and the rest on "ref", the reference on the host. Two rings of points are told
 * apart; the plan's report shows which part runs where, and what is copied between them. */
#include <clgrad/clgrad.h>

#include <math.h>
#include <stdio.h>

enum { ROWS = 64, STEPS = 300 };

/* Every other point on a ring of radius 1, the rest on one of radius 2. */
static void make_rings(float x[ROWS][2], int32_t t[ROWS]) {
    for (int i = 0; i < ROWS; i++) {
        const double angle = 6.283185307179586 * i / ROWS, radius = 1 + i % 2;
        x[i][0] = (float)(radius * cos(angle));
        x[i][1] = (float)(radius * sin(angle));
        t[i] = i % 2;
    }
}

static int train(clg_graph *g, clg_device *first, clg_device *second) {
    static float points[ROWS][2];
    static int32_t rings[ROWS];
    if (clg_graph_pin(g, first) < 0) return -1;  /* what is built from here on */
    clg_tensor *x = clg_input(g, "x", CLG_F32, CLG_SHAPE(ROWS, 2)), *t = clg_input(g, "t", CLG_I32, CLG_SHAPE(ROWS));
    clg_tensor *h = clg_tanh(clg_nn_linear(x, "fc1", 16));
    if (clg_graph_pin(g, second) < 0) return -1;
    clg_tensor *loss = clg_cross_entropy(clg_nn_linear(clg_tanh(clg_nn_linear(h, "fc2", 8)), "fc3", 2), t);
    clg_plan   *plan = clg_compile(g, CLG_LIST(loss, clg_sgd(loss, clg_optim_params(.lr = 0.5))), NULL);
    make_rings(points, rings);
    bool ok = plan && !clg_write(plan, x, points, sizeof points) && !clg_write(plan, t, rings, sizeof rings);
    float l = 0;
    for (int i = 1; ok && i <= STEPS; i++) {
        ok = !clg_run(plan);
        if (!ok || i % 100) continue;
        ok = !clg_read(plan, loss, &l, sizeof l);
        printf("step %d  loss %.4f\n", i, l);
    }
    ok = ok && !clg_plan_report(plan, CLG_REPORT_TEXT, stdout);
    clg_plan_destroy(&plan);
    return ok && l < 0.1f ? 0 : -1;
}

int main(int argc, char **argv) {
    clg_device *first = clg_device_open(argc > 1 ? argv[1] : NULL, NULL);
    clg_device *second = clg_device_open(argc > 2 ? argv[2] : "ref", NULL);
    clg_store  *weights = first && second ? clg_store_create(first, 42) : NULL;
    clg_graph  *g = weights ? clg_graph_create(first, weights) : NULL;
    const bool ok = g && train(g, first, second) == 0;
    if (!ok) fprintf(stderr, "%s\n", clg_error_status() ? clg_error() : "the loss is still above 0.1");
    clg_graph_destroy(&g);
    clg_store_destroy(&weights);
    clg_device_destroy(&second);
    clg_device_destroy(&first);
    return ok ? 0 : 1;
}
